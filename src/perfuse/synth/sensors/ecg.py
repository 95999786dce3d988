"""Electrocardiogram, and the columns of numbers that monitors write beside their waves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from perfuse.synth.fields import F64, GRID_HZ, coloured, power_law
from perfuse.synth.settings import check

Whole = NDArray[np.int64]

WAVES = np.array(
    [
        [0.12, -0.170, 0.0250, 1.0],
        [-0.12, -0.027, 0.0085, 0.0],
        [1.10, 0.000, 0.0110, 0.0],
        [-0.25, 0.029, 0.0100, 0.0],
        [0.30, 0.270, 0.0500, 1.0],
    ]
)
"""P, Q, R, S, T: height in mV, time after the R peak and width (standard deviation) in s at 60 /min, and whether time
and width shrink with the square root of the interval. A sum of Gaussians after McSharry 2003; numbers ASSUMED."""

R_BEFORE_FOOT_S = 0.2
"""ASSUMED delay from the R peak to the foot of the face's pulse, for hearts that do not know their R peaks."""


class Beats(Protocol):
    """A heart, as far as its beats are concerned (``r_peaks_s`` is used where there is one)."""

    @property
    def beats_s(self) -> F64:
        """Feet of the pulse waves on the face, in s, ascending."""
        ...


class Breath(Protocol):
    """Lungs."""

    def at(self, time_s: F64) -> F64:
        """Volume: 0 at rest, about 1 after an inspiration."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ECG:
    """One lead.

    Attributes
    ----------
    times_s : ndarray, (N,)
        Evenly spaced from 0.
    values_mv : ndarray, (N,)
        Millivolts.
    r_peaks_s : ndarray, (B,)
        True R peaks within the recording.
    """

    times_s: F64
    values_mv: F64
    r_peaks_s: F64


def ecg(
    rng: np.random.Generator,
    heart: Beats,
    duration_s: float,
    *,
    rate_hz: float = 250.0,
    lungs: Breath | None = None,
) -> ECG:
    """Record one lead: enough of a waveform for detectors of R peaks, not for a cardiologist.

    Every heart has waves of its own (heights log-normal 0.2, times and widths 0.05), the same in every beat, even in
    early ones. On top come noise of 5 to 30 microvolts, mains hum of up to 20, and a baseline that wanders by up to
    0.1 mV. With ``lungs``, R peaks shrink by up to 15 % in inspiration. All sizes ASSUMED.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    heart : Beats
        The subject's.
    duration_s, rate_hz : float
        Length (1 to 36000 s) and samples per s (50 to 2000).
    lungs : Breath, optional
        What modulates the height and moves the baseline.

    Raises
    ------
    UsageError
        If a value lies outside its range.
    """
    check("duration_s", duration_s, 1, 36000)
    check("rate_hz", rate_hz, 50, 2000)
    times = np.arange(round(duration_s * rate_hz)) / rate_hz
    peaks = _r_peaks(heart)
    waves = WAVES.copy()
    waves[:, 0] *= np.exp(0.2 * rng.standard_normal(5))
    waves[:, 1:3] *= np.exp(0.05 * rng.standard_normal((5, 2)))
    u = rng.uniform(0.0, 1.0, 6)
    values = _complexes(times, peaks, waves)
    wander = coloured(rng, float(times[-1]) + 1.0, power_law(2.0, 0.05))
    values = values + 0.1 * u[0] * np.interp(times, np.arange(len(wander)) / GRID_HZ, wander)
    if lungs is not None:
        volume = lungs.at(times)
        values = values * (1.0 - 0.15 * u[1] * np.clip(volume, 0.0, 1.5)) + 0.1 * u[2] * volume
    mains_hz = 50.0 if u[3] < 0.5 else 60.0
    values = values + 0.020 * u[4] ** 2 * np.sin(2.0 * np.pi * (mains_hz * times + rng.uniform(0.0, 1.0)))
    values = values + 0.005 * 6.0 ** u[5] * rng.standard_normal(len(times))
    return ECG(times, values, peaks[(peaks >= 0) & (peaks <= times[-1])])


def heart_rate_column(
    rng: np.random.Generator,
    heart: Beats,
    duration_s: float,
    *,
    rate_hz: float = 1.0,
    window_s: float | None = None,
    lag_s: float | None = None,
) -> tuple[F64, Whole]:
    """Write the heart rate as monitors do: a whole number, averaged over a past that is itself past.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    heart : Beats
        The subject's.
    duration_s, rate_hz : float
        Length (1 to 36000 s) and rows per s (0.1 to 1000).
    window_s : float, optional
        Length of the average, 1 to 120 s; by default 4 to 15.
    lag_s : float, optional
        How old its end is, 0 to 60 s; by default 2 to 8.

    Returns
    -------
    times_s : ndarray, (N,)
    heart_rate : ndarray, int64, (N,)
        Per minute. Where the past does not reach back far enough the average is over what there is.

    Raises
    ------
    UsageError
        If a value lies outside its range.
    """
    check("duration_s", duration_s, 1, 36000)
    check("rate_hz", rate_hz, 0.1, 1000)
    check("window_s", window_s, 1, 120)
    check("lag_s", lag_s, 0, 60)
    drawn = rng.uniform((4.0, 2.0), (15.0, 8.0))
    window = float(drawn[0]) if window_s is None else float(window_s)
    lag = float(drawn[1]) if lag_s is None else float(lag_s)
    times = np.arange(round(duration_s * rate_hz)) / rate_hz
    peaks = _r_peaks(heart)
    first = np.maximum(times - lag - window, peaks[0])
    last = np.maximum(times - lag, first + 1.0)
    count = np.arange(len(peaks), dtype=np.float64)
    passed = np.interp(last, peaks, count) - np.interp(first, peaks, count)
    return times, np.rint(60.0 * passed / (last - first)).astype(np.int64)


def spo2_column(rng: np.random.Generator, duration_s: float, *, rate_hz: float = 1.0) -> tuple[F64, Whole]:
    """Write the oxygen saturation of a healthy person: whole per cent, N(97.5, 1), hardly changing (ASSUMED).

    Raises
    ------
    UsageError
        If a value lies outside its range.
    """
    check("duration_s", duration_s, 1, 36000)
    check("rate_hz", rate_hz, 0.1, 1000)
    times = np.arange(round(duration_s * rate_hz)) / rate_hz
    wander = coloured(rng, float(times[-1]) + 1.0, power_law(2.0, 0.01))
    level = rng.normal(97.5, 1.0) + 0.4 * np.interp(times, np.arange(len(wander)) / GRID_HZ, wander)
    return times, np.clip(np.rint(level), 90, 100).astype(np.int64)


def _r_peaks(heart: Beats) -> F64:
    """R peaks in s, the heart's own or estimated from the feet of its pulses."""
    own = getattr(heart, "r_peaks_s", None)
    return np.asarray(heart.beats_s - R_BEFORE_FOOT_S if own is None else own, np.float64)


def _complexes(time_s: F64, peaks_s: F64, waves: F64) -> F64:
    """Sum of the waves of the beats around each moment, in mV."""
    intervals = np.diff(peaks_s, prepend=2.0 * peaks_s[0] - peaks_s[1])
    root = np.sqrt(np.clip(intervals, 0.25, 2.0))
    near = np.searchsorted(peaks_s, time_s, side="right") - 1
    out = np.zeros_like(time_s)
    for hop in (0, 1):  # the beat before, whose T wave may still come, and the one after, whose P wave already does
        index = near + hop
        there = (index >= 0) & (index < len(peaks_s))
        index = np.clip(index, 0, len(peaks_s) - 1)
        since = time_s - peaks_s[index]
        for height, centre, width, shrinks in waves:
            factor = np.where(shrinks > 0, root[index], 1.0)
            z = np.where(there, (since - centre * factor) / (width * factor), np.inf)
            out += height * np.exp(-0.5 * np.minimum(z * z, 200.0))
    return out
