"""What goes wrong with a contact sensor: movement, wander, gain, rails, gaps, clocks, rounding.

Disturbances follow the structure of a published generator (after Paliakaite 2021: a Markov chain of clean signal and
four kinds of disturbance, each with noise of its own size and spectral slope). Sizes are ASSUMED where nothing else
is said.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfuse.synth.fields import F64, GRID_HZ, coloured, power_law

STATES = ("clean", "shift", "forearm", "hand", "poor")
"""States of the sensor: undisturbed, device shifts, forearm moves, hand moves, poor contact."""

DURATIONS = {"light": (15.0, 2.0), "medium": (10.0, 5.0), "heavy": (5.0, 10.0)}
"""Mean seconds of clean and of disturbed stretches: 12, 33, 67 % of the time disturbed (presets of a public port)."""

SLOPES_DB = {1: (-25.0, -21.0), 2: (-22.0, -18.0), 3: (-19.0, -15.0)}
"""Spectral slope per decade of shift, forearm and hand: -15 to -25 in all, quicker movements flatter (ASSUMED)."""


def chain(rng: np.random.Generator, time_s: F64, clean_s: float, disturbed_s: float) -> NDArray[np.int8]:
    """Draw states: clean, then one of four disturbances, then clean again, with exponential durations.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    time_s : ndarray, (N,)
        Ascending times.
    clean_s, disturbed_s : float
        Mean durations. The first state is drawn with its share of the time, so that the shares hold from the start.

    Returns
    -------
    ndarray, int8, (N,)
        Indices into :data:`STATES`.
    """
    disturbed = bool(rng.random() < disturbed_s / (clean_s + disturbed_s))
    ends, kinds, now = [], [], float(time_s[0])
    while now <= time_s[-1]:
        now += float(rng.exponential(disturbed_s if disturbed else clean_s))
        ends.append(now)
        kinds.append(int(rng.integers(1, len(STATES))) if disturbed else 0)
        disturbed = not disturbed
    return np.asarray(kinds, np.int8)[np.searchsorted(ends, time_s, side="right")]


def disturb(rng: np.random.Generator, values: F64, state: NDArray[np.int8], rate_hz: float) -> F64:
    """Add to each disturbed stretch noise of its kind, or weaken the pulse where contact is poor.

    The root mean square of a stretch is a gamma variate (shape U(2, 3), scale U(0.5, 0.7)) times that of the pulse;
    poor contact leaves 10 to 40 % of the pulse.
    """
    out = values.copy()
    middle, size = float(values.mean()), float(values.std())
    shape, scale = rng.uniform(2.0, 3.0), rng.uniform(0.5, 0.7)
    noises = {kind: _sloped(rng, len(values), rate_hz, float(rng.uniform(*SLOPES_DB[kind]))) for kind in SLOPES_DB}
    edges = np.flatnonzero(np.diff(state)) + 1
    for part in np.split(np.arange(len(values)), edges):
        kind = int(state[part[0]])
        if kind == 0:
            continue
        ramp = np.clip(np.minimum(part - part[0] + 1, part[-1] - part + 1) / (0.1 * rate_hz), 0.0, 1.0)
        if kind == STATES.index("poor"):
            keep = 1.0 - ramp * (1.0 - rng.uniform(0.1, 0.4))
            out[part] = middle + keep * (values[part] - middle)
            continue
        noise = noises[kind][part]
        wanted = size * float(rng.gamma(shape, scale))
        out[part] += ramp * noise * wanted / max(float(np.sqrt(np.mean(noise**2))), 1e-12)
    return out


def clock_error(rng: np.random.Generator, times_s: F64) -> F64:
    """Draw the error of a clock in s: up to 200 ppm, jitter up to 10 ms, at times a buffer of 10 to 100 ms."""
    error = times_s * rng.uniform(-200e-6, 200e-6)
    error = error + rng.uniform(0.0, 0.010) * np.clip(rng.standard_normal(len(times_s)), -3.0, 3.0)
    if rng.random() < 0.3:
        starts = np.sort(rng.uniform(0.0, times_s[-1] + 1.0, 1 + int(rng.poisson(times_s[-1] / 60.0))))
        held = rng.uniform(0.010, 0.100, len(starts)) * (np.arange(len(starts)) % 2 == 0)
        index = np.searchsorted(starts, times_s, side="right") - 1
        error = error - np.where(index >= 0, held[index], 0.0)
    return np.asarray(error)


def wander(rng: np.random.Generator, times_s: F64, values: F64, height: float) -> F64:
    """Add a baseline that wanders by 20 to 200 % of a pulse below 0.02 to 0.3 Hz, and step the gain.

    The gain is 0.5 to 2 and changes every 10 to 60 s, as when an oximeter normalises anew.
    """
    corner = 0.02 * 15.0 ** rng.uniform(0.0, 1.0)
    size = 0.2 * 10.0 ** rng.uniform(0.0, 1.0)
    holds = rng.uniform(10.0, 60.0, 2 + int(times_s[-1] / 10.0))
    index = np.searchsorted(np.cumsum(holds) - holds[0] * rng.uniform(0.0, 1.0), times_s, side="right")
    gain = 2.0 ** rng.uniform(-1.0, 1.0, len(holds) + 1)[index]
    middle = float(values.mean())
    return np.asarray(middle + gain * (values - middle) + size * height * slow(rng, times_s, corner))


def clip(rng: np.random.Generator, values: F64) -> F64:
    """Set rails that leave 60 to 95 % of the range, cutting the top, the bottom or both."""
    low, high = float(values.min()), float(values.max())
    lost = (1.0 - rng.uniform(0.60, 0.95)) * (high - low)
    below = lost * float(rng.choice([0.0, 0.5, 1.0]))
    return np.clip(values, low + below, high - (lost - below))


def digitise(rng: np.random.Generator, values: F64, height: float) -> F64:
    """Add noise of 0.3 to 2 % of a pulse and round to 8 to 16 bits over 1.2 to 4 times the range."""
    noise = height * 0.003 * 7.0 ** rng.uniform(0.0, 1.0)
    bits = int(rng.integers(8, 17))
    span = max(float(np.ptp(values)), height) * rng.uniform(1.2, 4.0)
    step = span / 2.0**bits
    return np.asarray(np.rint((values + noise * rng.standard_normal(len(values))) / step) * step)


def gaps(rng: np.random.Generator, values: F64, rate_hz: float) -> tuple[F64, NDArray[np.bool_]]:
    """Lose up to 5 % of the samples in gaps of 0.5 to 10 s, shown as the last value, zero or NaN."""
    count = len(values)
    left = max(0.5 * rate_hz, rng.uniform(0.005, 0.05) * count)
    style = int(rng.integers(0, 3))
    out, valid = values.copy(), np.ones(count, np.bool_)
    while left >= 0.5 * rate_hz:
        length = int(min(left, rng.uniform(0.5, 10.0) * rate_hz))
        start = int(rng.integers(1, max(2, count - length)))
        valid[start : start + length] = False
        left -= length
    last = np.maximum.accumulate(np.where(valid, np.arange(count), 0))
    out[~valid] = (out[last][~valid], 0.0, np.nan)[style]
    return out, valid


def slow(rng: np.random.Generator, times_s: F64, corner_hz: float) -> F64:
    """Draw Ornstein-Uhlenbeck wander of standard deviation 1."""
    series = coloured(rng, float(times_s[-1]) + 1.0, power_law(2.0, corner_hz))
    return np.asarray(np.interp(times_s, np.arange(len(series)) / GRID_HZ, series))


def _sloped(rng: np.random.Generator, count: int, rate_hz: float, slope_db: float) -> F64:
    """Gaussian noise whose power falls by ``slope_db`` per decade above 0.3 Hz, nothing below 0.1 Hz."""
    length = 1 << int(np.ceil(np.log2(max(2 * count, 64))))
    freq = np.fft.rfftfreq(length, 1.0 / rate_hz)
    gain = np.where(freq < 0.1, 0.0, (np.maximum(freq, 0.3) / 0.3) ** (slope_db / 20.0))
    return np.asarray(np.fft.irfft(np.fft.rfft(rng.standard_normal(length)) * gain, length)[:count])
