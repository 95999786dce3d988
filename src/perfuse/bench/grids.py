"""A signal with times of its own, put on an even grid without inventing what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from perfuse.data.recording import Signal
from perfuse.signal.filters import bandpass
from perfuse.signal.spectrum import interpolated_peak, power_spectrum

Floats = NDArray[np.float64]

MAX_HZ = 125.0
"""Contact waves are thinned to this: a pulse has nothing above 20 Hz."""
GAP_S = 0.25
"""ASSUMED: neighbouring samples farther apart than this (and than 2.5 usual steps) leave a gap."""
PIECE_S = 30.0
"""A longer window is read in pieces: a rate that changes has no single peak."""
MIN_VALID = 0.8
"""Least share of a window that must be measured."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A wave on an even grid.

    Attributes
    ----------
    start_s : float
        Time of the first sample.
    rate_hz : float
        Samples per second.
    samples : ndarray, (N,)
        Finite everywhere; interpolated in gaps.
    valid : ndarray of bool, (N,)
        False in gaps.
    """

    start_s: float
    rate_hz: float
    samples: Floats
    valid: NDArray[np.bool_]

    def part(self, start_s: float, stop_s: float) -> slice:
        """Return the samples of a window, as a slice; empty where the window lies outside."""
        a = round((start_s - self.start_s) * self.rate_hz)
        b = round((stop_s - self.start_s) * self.rate_hz)
        return slice(min(max(a, 0), len(self.samples)), min(max(b, 0), len(self.samples)))

    def covered(self, start_s: float, stop_s: float) -> float:
        """Share of a window that is measured, 0..1; what lies outside the signal is not."""
        wanted = max((stop_s - start_s) * self.rate_hz - 1, 1)
        return min(float(self.valid[self.part(start_s, stop_s)].sum() / wanted), 1.0)

    def filtered(self, band_hz: tuple[float, float]) -> Grid:
        """Return the wave limited to a band, zero-phase."""
        return Grid(self.start_s, self.rate_hz, bandpass(self.samples, self.rate_hz, *band_hz), self.valid)


def even(signal: Signal | None, *, summed: bool = False, max_hz: float = MAX_HZ) -> Grid | None:
    """Put a signal on an even grid at its own usual rate, by straight lines between its samples.

    Parameters
    ----------
    signal : Signal or None
        Any clock; NaN where nothing is known.
    summed : bool
        True: the signal holds differences, sum them up first.
    max_hz : float
        Faster signals are averaged over whole numbers of samples down to at most this.

    Returns
    -------
    Grid or None
        None with fewer than four finite samples.
    """
    if signal is None:
        return None
    known = np.isfinite(signal.values)
    times, values = signal.times_s[known], signal.values[known]
    if len(times) < 4:
        return None
    if summed:
        values = np.cumsum(values)
    step = float(np.median(np.diff(signal.times_s)))
    grid = np.arange(round((times[-1] - times[0]) / step) + 1) * step + times[0]
    after = np.clip(np.searchsorted(times, grid - 1e-9), 1, len(times) - 1)
    valid = times[after] - times[after - 1] <= max(2.5 * step, GAP_S)
    samples = np.interp(grid, times, values)
    fold = int(np.ceil(1 / step / max_hz - 1e-9))
    if fold > 1 and len(samples) >= 4 * fold:
        whole = len(samples) // fold * fold
        samples = samples[:whole].reshape(-1, fold).mean(axis=1)
        valid = valid[:whole].reshape(-1, fold).all(axis=1)
    return Grid(float(times[0]) + (fold - 1) * step / 2, 1 / (step * fold), samples, valid)


def onto(grid: Grid, start_s: float, rate_hz: float, count: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Read a band-limited wave at other times, by a cubic spline.

    Parameters
    ----------
    grid : Grid
        Must hold nothing above ``rate_hz / 2``: :meth:`Grid.filtered` first.
    start_s, rate_hz, count
        The times wanted.

    Returns
    -------
    samples : ndarray, (count,)
        0 outside the wave.
    valid : ndarray of bool, (count,)
    """
    from scipy.interpolate import CubicSpline

    place = (start_s - grid.start_s + np.arange(count) / rate_hz) * grid.rate_hz
    last = len(grid.samples) - 1
    inside = (place >= -1e-6) & (place <= last + 1e-6)
    place = np.clip(place, 0, last)
    samples = CubicSpline(np.arange(last + 1), grid.samples)(place)
    valid = inside & grid.valid[np.floor(place).astype(int)] & grid.valid[np.ceil(place).astype(int)]
    return np.where(inside, samples, 0.0), valid


def peak_rate_hz(grid: Grid, start_s: float, stop_s: float, band_hz: tuple[float, float]) -> float | str:
    """Rate of the highest interpolated spectral peak in a window, or why there is none.

    A window longer than :data:`PIECE_S` is cut into equal pieces no longer than that, and the mean of their rates is
    the answer.

    Parameters
    ----------
    grid : Grid
        Already limited to the band.
    start_s, stop_s : float
        The window.
    band_hz : tuple of float
        Where the peak may lie.
    """
    if grid.covered(start_s, stop_s) < MIN_VALID:
        return f"only {100 * grid.covered(start_s, stop_s):.0f} % of the window is measured"
    pieces = int(np.ceil((stop_s - start_s) / PIECE_S - 1e-6))
    edges = np.linspace(start_s, stop_s, pieces + 1)
    rates = [_peak(grid, a, b, band_hz) for a, b in pairwise(edges.tolist()) if grid.covered(a, b) >= MIN_VALID]
    found = [rate for rate in rates if rate is not None]
    if len(found) < max(0.7 * pieces, 1):
        return "the spectrum has no peak in the band"
    return float(np.mean(found))


def _peak(grid: Grid, start_s: float, stop_s: float, band_hz: tuple[float, float]) -> float | None:
    samples = grid.samples[grid.part(start_s, stop_s)]
    if len(samples) < 8 or np.ptp(samples) <= 1e-12 * np.abs(grid.samples).max():
        return None
    freq_hz, power = power_spectrum(samples, grid.rate_hz)
    inside = np.flatnonzero((freq_hz >= band_hz[0]) & (freq_hz <= band_hz[1]))
    if len(inside) < 3:
        return None
    top = int(inside[power[inside].argmax()])
    # at the edge of the band the power rises towards something outside: no peak of this band
    return None if top in (inside[0], inside[-1]) else interpolated_peak(freq_hz, power, top)
