"""A small physical scene for the method tests: dichromatic skin under changing light, with known blood volume."""

from itertools import pairwise

import numpy as np

from perfuse.core.signals import Chunk
from perfuse.core.view import Crop, Echo, Grid, Trace
from perfuse.signal.filters import bandpass
from perfuse.signal.spectrum import interpolated_peak, power_spectrum

SKIN = np.array([182.0, 141.0, 124.0])
BLOOD = np.array([0.35, 1.0, 0.6])
WALL = np.array([90.0, 95.0, 100.0])


def walk(rng, count, rate_hz, seconds):
    """Unit-variance noise that forgets within ``seconds``."""
    keep = np.exp(-1 / (rate_hz * seconds))
    kicks = rng.normal(size=count) * np.sqrt(1 - keep**2)
    out, value = np.empty(count), rng.normal()
    for k in range(count):
        value = keep * value + kicks[k]
        out[k] = value
    return out


def scene(
    view=None,
    seconds=20.0,
    rate_hz=30.0,
    bpm=75.0,
    depth=0.008,
    light=0.004,
    gloss=0.0005,
    noise=0.0002,
    tint=None,
    seed=0,
):
    """Paint c = I (skin (1 - depth u_p p) + gloss) + noise: float32 values for the view, and p (rises with blood).

    A crop shows an oval of skin before a wall under the same light: that much of a face its networks may expect.
    """
    rng = np.random.default_rng(seed)
    count = round(seconds * rate_hz)
    time_s = np.arange(count) / rate_hz
    phase = 2 * np.pi * bpm / 60 * time_s + 0.15 * np.sin(2 * np.pi * 0.1 * time_s)
    p = np.cos(phase) + 0.3 * np.cos(2 * phase - 0.6)
    p /= np.ptp(p)
    if isinstance(view, Echo):
        return echo(rng, time_s, p), p
    intensity = 1 + light * walk(rng, count, rate_hz, 1.5)
    specular = gloss * walk(rng, count, rate_hz, 0.7) * 255
    balance = (
        np.ones((count, 3)) if tint is None else 1 + tint * np.sin(2 * np.pi * 0.03 * time_s[:, None] + [0, 1, 2])
    )
    colour = SKIN * (1 - depth * BLOOD * p[:, None]) + specular[:, None]
    colour = intensity[:, None] * balance * colour
    if isinstance(view, Grid):
        melanin = rng.normal(size=(view.rows, view.cols, 1)) * [0.05, 0.09, 0.13]
        redness = rng.normal(size=(view.rows, view.cols, 1)) * [0.01, 0.06, 0.04]
        values = colour[:, None, None] * (1 + melanin + redness)
    elif isinstance(view, Crop):
        y, x = np.mgrid[: view.size, : view.size] / (view.size - 1) - 0.5
        face = ((x / 0.38) ** 2 + (y / 0.48) ** 2 < 1)[:, :, None]
        wall = (intensity[:, None] * balance * WALL)[:, None, None]
        shade = 1 - 0.3 * (x**2 + y**2)[:, :, None] * [0.7, 1.0, 1.2]
        values = np.where(face, colour[:, None, None] * shade, wall)
    else:
        values = colour[:, None]
    values = values + rng.normal(size=values.shape) * SKIN * noise
    return values.astype(np.float32), p


def echo(rng, time_s, p):
    """Paint a chest before a radar: it breathes, and trembles at 9 Hz as strongly as ``p`` is high; seven bins."""
    moved_mm = 4 * np.sin(2 * np.pi * 0.23 * time_s) + 0.08 * (p - p.min()) ** 2 * np.sin(2 * np.pi * 9 * time_s)
    shape = np.array([0.05, 0.2, 0.6, 1.0, 0.6, 0.2, 0.05]) * np.exp(2j * np.pi * rng.uniform(size=7))
    still = 1.5 * rng.normal(size=(7, 2)) @ [1, 1j]
    cells = 9e4 * (shape * np.exp(3.26j * moved_mm)[:, None] + still)
    pair = np.stack([cells.real, cells.imag], axis=-1)
    return (pair + 50 * rng.normal(size=pair.shape)).astype(np.float32)


def chunks(values, rate_hz, valid=None, cuts=(), weights=None, last=True, start=0):
    """Cut a recording into chunks at the given places."""
    valid = np.ones(len(values), bool) if valid is None else valid
    bounds = [0, *sorted(cuts), len(values)]
    out = []
    for low, high in pairwise(bounds):
        cell_weights = None if weights is None else weights[low:high]
        end = last and high == len(values) and len(out) == len(bounds) - 2
        out.append(Chunk(start + low, rate_hz, values[low:high], valid[low:high], cell_weights, end))
    return out


def rate_of(samples, rate_hz, band_hz=(0.65, 4.0)):
    """Rate per minute of the strongest line."""
    freq_hz, power = power_spectrum(samples, rate_hz)
    inside = np.flatnonzero((freq_hz >= band_hz[0]) & (freq_hz <= band_hz[1]))
    return 60 * interpolated_peak(freq_hz, power, int(inside[np.argmax(power[inside])]))


def likeness(samples, truth, rate_hz):
    """Correlation inside the pulse band."""
    a, b = (bandpass(x, rate_hz, 0.65, 4.0) for x in (samples, truth))
    return float(np.corrcoef(a, b)[0, 1])


def view_of(method):
    """The view of a method as one that the scene can paint."""
    view = method.view
    assert isinstance(view, Trace | Grid | Crop | Echo)
    return view
