"""Beat times from a pulse wave, to a fraction of a sample, with a quality and a timing error for each beat.

Four steps: (1) a track of the local rate (ridge of the harmonic sum of short spectra, Viterbi), (2) candidates, the
steepest upstrokes of the wave, (3) the chain of candidates that is strong and regular at the local rate, by dynamic
programming (after D. Ellis, Beat tracking by dynamic programming, J. New Music Research 2007, eq. 5), which is
what keeps dicrotic waves out, (4) each beat is matched to the median beat (:mod:`perfuse.signal.beat_shape`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import UsageError
from perfuse.signal.beat_shape import fit_beats
from perfuse.signal.filters import bandpass

RANGE_HZ = (35 / 60, 230 / 60)
"""Beat rates that can be found."""

GOOD_QUALITY = 0.5
"""Beats below this quality are not to be used for intervals."""

_TIMING_WEIGHT = 2.0
"""Price of an interval e times longer or shorter than the local one, in units of one full upstroke."""


@dataclass(frozen=True, slots=True)
class Beats:
    """Beats of one pulse wave in order of time.

    Attributes
    ----------
    times_s : ndarray, (K,)
        Seconds after sample 0 of the wave, at the systolic upstroke.
    quality : ndarray, (K,)
        0..1 from similarity to the median beat, amplitude and timing error.
    amplitude : ndarray, (K,)
        Height of the beat relative to the median beat.
    jitter_s : ndarray, (K,)
        Standard deviation of the error of ``times_s`` that the noise around the beat causes.
    first : ndarray of bool, (K,)
        True where no interval leads to this beat: it is the first one after a gap.
    """

    times_s: NDArray[np.float64]
    quality: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    jitter_s: NDArray[np.float64]
    first: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.times_s)

    @staticmethod
    def exact(times_s: NDArray[np.float64]) -> Beats:
        """Return beats known from elsewhere (a chest strap, an ECG): quality 1, no timing error, no gap."""
        times = np.asarray(times_s, np.float64)
        first = np.zeros(len(times), bool)
        first[:1] = True
        return Beats(times, np.ones(len(times)), np.ones(len(times)), np.zeros(len(times)), first)

    def intervals(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Intervals between neighbouring beats.

        Returns
        -------
        times_s : ndarray, (K - 1,)
            When the interval ends: the time of its second beat.
        intervals_s : ndarray, (K - 1,)
            Length, including those which are not good.
        good : ndarray of bool, (K - 1,)
            False where the interval spans a gap or one of its two beats has a quality below ``GOOD_QUALITY``.
        """
        sound = self.quality >= GOOD_QUALITY
        return self.times_s[1:], np.diff(self.times_s), sound[1:] & sound[:-1] & ~self.first[1:]


def find_beats(
    pulse: NDArray[np.float64],
    rate_hz: float,
    valid: NDArray[np.bool_] | None = None,
    expected_hz: float | None = None,
) -> Beats:
    """Find the beats of a pulse wave.

    Parameters
    ----------
    pulse : ndarray, (N,)
        Rises with blood volume; any unit, any offset, drift allowed.
    rate_hz : float
        Samples per second, at least 8.
    valid : ndarray of bool, (N,), optional
        False inside gaps; no beat is ever placed there.
    expected_hz : float, optional
        Beats per second if known roughly (within a third): guides the search, and does not fix the answer.

    Returns
    -------
    Beats
        Empty where the wave is constant or no stretch lasts 3 s.

    Raises
    ------
    UsageError
        If ``rate_hz`` or ``expected_hz`` makes no sense.
    """
    if not 8 <= rate_hz < np.inf or not (expected_hz is None or 0 < expected_hz < np.inf):
        raise UsageError(
            f"Beats at {expected_hz} Hz in {rate_hz} samples per second were asked for.",
            "Pass at least 8 samples per second and a positive expected_hz, or None.",
        )
    wave = np.asarray(pulse, np.float64)
    usable = np.isfinite(wave) if valid is None else np.asarray(valid, bool) & np.isfinite(wave)
    runs = [(a, b) for a, b in valid_runs(usable) if b - a >= 3 * rate_hz and _varies(wave[a:b])]
    if not runs:
        return Beats.exact(np.zeros(0))
    top_hz = min(8.0, 0.45 * rate_hz)
    waves = [bandpass(wave[a:b], rate_hz, 0.5, top_hz) for a, b in runs]
    centres, track_hz = _rate_track(waves, [a for a, _ in runs], rate_hz, expected_hz)
    up = max(1, int(np.ceil(240 / rate_hz)))
    stretches: list[NDArray[np.float64]] = []
    times: list[NDArray[np.float64]] = []
    first: list[NDArray[np.bool_]] = []
    for a, b in runs:
        local_hz = np.interp(np.arange(a, b) / rate_hz, centres, track_hz)
        low_hz = 0.5 * float(local_hz.min())
        smooth = bandpass(wave[a:b], rate_hz, low_hz, min(3 * float(local_hz.max()), top_hz))
        found, new = _chain(np.gradient(_refine(smooth, up)), rate_hz * up, np.repeat(local_hz, up))
        stretches.append(_refine(bandpass(wave[a:b], rate_hz, low_hz, top_hz), up))
        times.append(found)
        first.append(new)
    period_s = 1 / np.interp(np.concatenate([t + a / rate_hz for t, (a, _) in zip(times, runs)]), centres, track_hz)
    fit = fit_beats(stretches, rate_hz * up, times, period_s)
    counts = [len(t) for t in times]
    start = np.repeat([a / rate_hz for a, _ in runs], counts)
    end = np.repeat([(b - 1) / rate_hz for _, b in runs], counts)
    return Beats(
        np.clip(fit.times_s + start, start, end), fit.quality, fit.amplitude, fit.jitter_s, np.concatenate(first)
    )


def valid_runs(valid: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (first, stop) of every unbroken stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(valid, np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _refine(samples: NDArray[np.float64], times: int) -> NDArray[np.float64]:
    """Band-limited interpolation, (N,) to ((N - 1) * times + 1,): sample ``k`` moves to ``k * times``.

    The same endless point reflection about the ends as in :func:`perfuse.signal.filters.bandpass`.
    """
    if times == 1:
        return samples
    n = len(samples)
    line = samples[0] + (samples[-1] - samples[0]) * np.arange((n - 1) * times + 1) / ((n - 1) * times)
    bent = samples - line[::times]
    period = np.concatenate([bent[:-1], -bent[:0:-1]])
    fine = np.fft.irfft(np.fft.rfft(period), len(period) * times) * times
    return np.asarray(line + fine[: len(line)])


def _varies(samples: NDArray[np.float64]) -> bool:
    """Whether a stretch is more than a constant with rounding errors."""
    return bool(np.ptp(samples) > 1e-9 * np.abs(samples).max())


def _rate_track(
    waves: list[NDArray[np.float64]], starts: list[int], rate_hz: float, expected_hz: float | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Local beat rate: centres of 10 s windows (s, ascending) and the rate in each (Hz)."""
    grid = np.geomspace(*RANGE_HZ, 144)
    centres, shares = [], []
    for wave, start in zip(waves, starts):
        length = min(len(wave), round(10 * rate_hz))
        count = 1 + int(np.ceil((len(wave) - length) / (2 * rate_hz)))
        for first in np.linspace(0, len(wave) - length, count).round().astype(int):
            centres.append((start + first + length / 2) / rate_hz)
            shares.append(_harmonic_sum(wave[first : first + length], rate_hz, grid))
    emission = np.log(np.array(shares) + 1e-3)
    centre = expected_hz or float(grid[emission.mean(axis=0).argmax()])
    emission -= 0.5 * (np.log(grid / centre) / 0.35) ** 2
    step = np.log(grid[:, None] / grid[None, :]) ** 2
    best, back = emission[0], []
    for before, after, gain in zip(centres, centres[1:], emission[1:]):
        spread = 0.06 * np.sqrt(max(after - before, 0.5))
        total = best[None, :] - 0.5 * step / spread**2
        back.append(total.argmax(axis=1))
        best = total.max(axis=1) + gain
    path = [int(best.argmax())]
    for link in reversed(back):
        path.append(int(link[path[-1]]))
    return np.array(centres), grid[path[::-1]]


def _harmonic_sum(wave: NDArray[np.float64], rate_hz: float, grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Amplitude at each rate plus parts of its first two overtones, as a share of the largest."""
    window = np.sin(np.pi * (np.arange(len(wave)) + 0.5) / len(wave)) ** 2
    length = 1 << int(np.ceil(np.log2(rate_hz / 0.01)))
    amplitude = np.abs(np.fft.rfft(wave * window, max(length, len(wave))))
    freq = np.fft.rfftfreq(max(length, len(wave)), 1 / rate_hz)
    total = sum(
        weight * np.interp(k * grid, freq, amplitude, right=0.0) for k, weight in ((1, 1.0), (2, 0.6), (3, 0.3))
    )
    return np.asarray(total / max(np.max(total), 1e-300))


def _chain(
    slope: NDArray[np.float64], rate_hz: float, local_hz: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Strongest regular chain of upstrokes in one stretch: times (s after its start), and where it starts anew."""
    peaks = np.flatnonzero((slope[1:-1] > slope[:-2]) & (slope[1:-1] >= slope[2:]) & (slope[1:-1] > 0)) + 1
    if not len(peaks):
        return np.zeros(0), np.zeros(0, bool)
    times = peaks / rate_hz
    period = 1 / local_hz[peaks]
    return _best_chain(times, _relative_strength(times, slope[peaks], period), period)


def _relative_strength(
    times: NDArray[np.float64], slope: NDArray[np.float64], period: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Slope of each candidate relative to the beats around it, at most 1.2: amplitude may swell and fade."""
    low = np.searchsorted(times, times - 3 * period)
    high = np.searchsorted(times, times + 3 * period, side="right")
    strength = np.empty(len(times))
    for k in range(len(times)):
        near = np.sort(slope[low[k] : high[k]])
        beats = max(1, round((times[high[k] - 1] - times[low[k]]) / period[k]))
        strength[k] = slope[k] / near[max(len(near) - beats, 0) :].mean()
    return np.minimum(strength, 1.2)


def _best_chain(
    times: NDArray[np.float64], strength: NDArray[np.float64], period: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Dynamic programming over candidates; neighbours lie 0.35 to 2.2 local periods apart, or the chain restarts."""
    total = strength.copy()
    link = np.full(len(times), -1)
    fresh = np.ones(len(times), bool)
    low = np.searchsorted(times, times - 2.2 * period)
    high = np.searchsorted(times, times - 0.35 * period, side="right")
    for k in range(len(times)):
        if high[k] > low[k]:
            apart = np.log((times[k] - times[low[k] : high[k]]) / period[k])
            worth = total[low[k] : high[k]] - _TIMING_WEIGHT * apart**2
            best = int(worth.argmax())
            if worth[best] > 0:
                total[k] += worth[best]
                link[k], fresh[k] = low[k] + best, False
                continue
        if low[k] > 0:
            earlier = int(total[: low[k]].argmax())
            total[k] += total[earlier]
            link[k] = earlier
    chain = [int(total.argmax())]
    while link[chain[-1]] >= 0:
        chain.append(int(link[chain[-1]]))
    order = np.array(chain[::-1])
    return times[order], fresh[order]
