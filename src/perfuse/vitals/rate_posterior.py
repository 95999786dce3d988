"""How probable each rate is: evidence of one window, and what neighbouring windows say about one another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfuse.signal.spectrum import interpolated_peak, power_spectrum
from perfuse.vitals.calibration import HEART_RATE as CAL

Floats = NDArray[np.float64]

RANGE_HZ = (35 / 60, 230 / 60)
GRID_HZ = 0.005
BAND_HZ = (0.5, 4.6)
WINDOW_S = 10.0
"""The length that the weights of the evidence were learned at; longer windows count in proportion."""
NEAR_HZ = 0.05
"""Half-width of one peak of the spectrum of a window."""
RIGHT_HZ = 5 / 60
"""An answer is right if it is no farther from the truth than this; quality is the probability of that."""
WALK_HZ = 2.0 / 60
"""Standard deviation of the change of rate from one window to the next (1 s)."""
JUMP = 5e-3
"""Chance a second that the rate (or the wave it is read from) jumps anywhere."""


def rate_grid(max_hz: float = RANGE_HZ[1]) -> Floats:
    """Return the rates (Hz) that are considered, up to ``max_hz``."""
    return np.arange(RANGE_HZ[0], min(max_hz, RANGE_HZ[1]) + GRID_HZ / 2, GRID_HZ)


def explained(x: Floats, rate_hz: float, at_hz: Floats) -> Floats:
    """Share of the in-band power of ``x`` (..., N) that a sine at each of ``at_hz`` (F,) explains, (..., F), 0..1.

    Drift, movement and changing light fall with frequency, so power is weighted by f before shares are taken: a slope
    of the noise must not look like a slow pulse. The wave is Hann-windowed; a pure sine reaches 1.
    """
    n = x.shape[-1]
    window = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
    ramp = np.arange(n) - (n - 1) / 2
    x = x - x.mean(axis=-1, keepdims=True)
    x = x - (x * ramp).sum(axis=-1, keepdims=True) / (ramp @ ramp) * ramp
    length = 1 << int(np.ceil(np.log2(max(rate_hz / GRID_HZ, n))))
    freq_hz = np.fft.rfftfreq(length, 1 / rate_hz)
    weight = np.where((freq_hz >= BAND_HZ[0]) & (freq_hz <= BAND_HZ[1]), freq_hz, 0.0)
    power = np.abs(np.fft.rfft(x * window, length)) ** 2 * weight
    lobe = (window**2).sum() * length / window.sum() ** 2  # bins that the peak of a pure sine is spread over
    total = power.sum(axis=-1, keepdims=True) / lobe
    index = np.clip(np.rint(at_hz * length / rate_hz).astype(int), 0, power.shape[-1] - 1)
    share = np.divide(power[..., index], total, out=np.zeros(power.shape[:-1] + index.shape), where=total > 0)
    share[..., at_hz > rate_hz / 2] = 0.0
    return np.asarray(np.clip(share, 0.0, 0.985))


def lamp_ratio(colour: Floats, rate_hz: float, grid: Floats) -> Floats:
    """How much more the brightness swings than the colour at each rate: power of grey over power of the rest.

    Blood absorbs green far more than red, so a pulse stays below about 6 (noise lifts it to 50); a lamp that flickers
    reaches thousands.

    Parameters
    ----------
    colour : ndarray, (3, N)
        Red, green, blue, band-passed, each divided by its mean.
    rate_hz : float
        Samples per second.
    grid : ndarray, (F,)
        Rates, Hz.

    Returns
    -------
    ndarray, (F,)
    """
    n = colour.shape[-1]
    length = 1 << int(np.ceil(np.log2(max(rate_hz / GRID_HZ, n))))
    spectrum = np.fft.rfft(colour * np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2, length)
    lines = spectrum[:, np.rint(grid * length / rate_hz).astype(int)]
    grey = lines.mean(axis=0)
    rest = (np.abs(lines - grey) ** 2).sum(axis=0)
    return np.asarray(3 * np.abs(grey) ** 2 / np.maximum(rest, 1e-30))


def log_evidence(
    pulse: Floats,
    rate_hz: float,
    grid: Floats,
    *,
    motion: Floats | None = None,
    parts: Floats | None = None,
    colour: Floats | None = None,
) -> Floats:
    """Unnormalised log probability of each rate of ``grid`` given one window of band-passed signals.

    Parameters
    ----------
    pulse : ndarray, (N,)
        Pulse wave.
    rate_hz : float
        Samples per second.
    grid : ndarray, (F,)
        Rates, Hz.
    motion : ndarray, (M, N), optional
        Displacements of the face; a rate that the head moves at is believed less.
    parts : ndarray, (R, N), optional
        Pulse waves of parts of the same face: what beats, beats in all of them.
    colour : ndarray, (3, N), optional
        Relative red, green, blue of the skin; a rate that only the light changes at is believed less.

    Returns
    -------
    ndarray, (F,)
    """
    first, second, half = np.split(explained(pulse, rate_hz, np.concatenate([grid, 2 * grid, grid / 2])), 3)
    half[grid / 2 < RANGE_HZ[0]] = 0.0
    score = CAL.sine * -np.log1p(-first)
    score += CAL.harmonic * -np.log1p(-np.minimum(first + second, 0.985))
    score += CAL.half * -np.log1p(-half)
    if motion is not None:
        score += CAL.motion * -np.log1p(-explained(motion, rate_hz, grid).max(axis=0))
    if parts is not None:
        score += CAL.parts * -np.log1p(-explained(parts, rate_hz, grid)).mean(axis=0)
    if colour is not None:
        score += CAL.lamp * np.log(np.maximum(lamp_ratio(colour, rate_hz, grid) / CAL.lamp_from, 1.0))
    prior: Floats = CAL.prior * np.log(grid / CAL.centre_hz) ** 2
    return np.asarray(len(pulse) / rate_hz / WINDOW_S * score + prior)


def _normalise(log_p: Floats) -> Floats:
    p = np.exp(log_p - log_p.max(axis=-1, keepdims=True))
    return np.asarray(p / p.sum(axis=-1, keepdims=True))


def _walk(p: Floats, kernel: Floats) -> Floats:
    """One step of the random walk with a small chance of a jump."""
    q = np.convolve(p, kernel, mode="same")
    return np.asarray((1 - JUMP) * q / q.sum() + JUMP / len(p))


def smooth(log_p: Floats, seen: NDArray[np.bool_], weight: float) -> Floats:
    """Forward-backward over windows.

    Parameters
    ----------
    log_p : ndarray, (W, F)
        Evidence of each window.
    seen : ndarray of bool, (W,)
        False for windows without evidence.
    weight : float
        Windows overlap; a window passes only this share of its evidence on (hop / window).

    Returns
    -------
    ndarray, (W, F)
        Probability of each rate in each window.
    """
    count, size = log_p.shape
    reach = int(np.ceil(4 * WALK_HZ / GRID_HZ))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * GRID_HZ / WALK_HZ) ** 2)
    kernel /= kernel.sum()
    passed = np.where(seen[:, None], _normalise(weight * log_p), 1.0 / size)
    messages = np.full((2, count, size), 1.0 / size)
    for w in range(1, count):
        q = messages[0, w - 1] * passed[w - 1]
        messages[0, w] = _walk(q / q.sum(), kernel)
        v = count - 1 - w
        q = messages[1, v + 1] * passed[v + 1]
        messages[1, v] = _walk(q / q.sum(), kernel)
    return _normalise(np.log(messages[0]) + np.log(messages[1]) + np.where(seen[:, None], log_p, 0.0))


def refine(x: Floats, rate_hz: float, about_hz: float) -> float:
    """Interpolated peak of the plain spectrum nearest to a rate that is known roughly.

    The evidence weighs power by frequency, which moves a peak by a fifth of a beat a minute; this takes it back.
    """
    freq_hz, power = power_spectrum(x, rate_hz, GRID_HZ)
    near = np.flatnonzero(np.abs(freq_hz - about_hz) <= NEAR_HZ)
    best = int(near[power[near].argmax()])
    return about_hz if best in (near[0], near[-1]) else interpolated_peak(freq_hz, power, best)


def summarise(p: Floats, grid: Floats, trust: float) -> tuple[float, float, float, float]:
    """Read value, low, high (Hz) and quality off a distribution over rates.

    Parameters
    ----------
    p : ndarray, (F,)
        Probability of each rate.
    grid : ndarray, (F,)
        Rates, Hz.
    trust : float
        0..1: how far the wave itself can be believed; the rest of the probability is spread evenly.

    Returns
    -------
    value, low, high : float
        Hz; the interval holds 90 % of the probability.
    quality : float
        Probability that the truth lies within 5/min of the value.
    """
    mode = int(p.argmax())
    near = np.abs(grid - grid[mode]) <= NEAR_HZ
    value = float((p * grid)[near].sum() / p[near].sum())
    mixed = trust * p + (1 - trust) / len(p)
    quality = float(mixed[np.abs(grid - value) <= RIGHT_HZ].sum())
    cumulative = np.cumsum(mixed) / mixed.sum()
    low = float(np.interp(0.05, cumulative, grid))
    high = float(np.interp(0.95, cumulative, grid))
    spread = CAL.floor_hz
    return value, min(low, value - spread), max(high, value + spread), quality
