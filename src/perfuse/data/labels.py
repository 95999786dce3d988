"""References on the clock of a view, by time and never by index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfuse.data.recording import Signal

F64 = NDArray[np.float64]

MAX_GAP_S = 0.45
"""Samples further apart are not connected (waves); as :data:`perfuse.clip.resample.MAX_GAP_S`."""
HOLD_S = 2.5
"""A number on a monitor (once a second, mostly) is believed this long."""


def usable(signal: Signal) -> Signal:
    """Return the samples that are numbers."""
    good = np.isfinite(signal.values)
    return signal if good.all() else Signal(signal.times_s[good], signal.values[good])


def on_grid(signal: Signal, start_s: float, rate_hz: float, count: int, max_gap_s: float = MAX_GAP_S) -> F64:
    """Place a wave on a view's grid: the mean of the linear interpolant over each cell.

    The same formula as for the colours (:class:`perfuse.clip.resample.Resampler`), so that a fast reference is not
    aliased and a slow one is interpolated.

    Parameters
    ----------
    signal : Signal
        The wave; NaN ends an interpolation.
    start_s, rate_hz, count
        The grid: sample ``k`` is the mean over ``start_s + (k +- 1/2) / rate_hz``.
    max_gap_s : float
        Samples further apart are not connected.

    Returns
    -------
    ndarray, (count,)
        NaN where less than half of a cell is covered.
    """
    good = usable(signal)
    nothing = np.full(count, np.nan)
    if len(good) < 2 or not count:
        return nothing
    t, v = good.times_s, good.values
    step = np.diff(t)
    linked = step <= max_gap_s
    # integrals up to every sample: of the signal, and of the time that is covered
    area = np.concatenate([[0.0], np.cumsum(np.where(linked, step * (v[1:] + v[:-1]) / 2, 0.0))])
    cover = np.concatenate([[0.0], np.cumsum(np.where(linked, step, 0.0))])
    edges = start_s + (np.arange(count + 1) - 0.5) / rate_hz
    inside = np.clip(edges, t[0], t[-1])
    left = np.clip(np.searchsorted(t, inside, side="right") - 1, 0, len(t) - 2)
    ahead = inside - t[left]
    slope = (v[left + 1] - v[left]) / step[left]
    part = np.where(linked[left], ahead * (v[left] + 0.5 * slope * ahead), 0.0)
    seconds = np.diff(cover[left] + np.where(linked[left], ahead, 0.0))
    sums = np.diff(area[left] + part)
    enough = seconds * rate_hz >= 0.4999
    nothing[enough] = sums[enough] / seconds[enough]
    return nothing


def held(signal: Signal, times_s: F64, hold_s: float = HOLD_S) -> F64:
    """Read a monitor's number at any times (N,): the last one shown, NaN where that is longer ago than ``hold_s``."""
    good = usable(signal)
    if not len(good):
        return np.full(len(times_s), np.nan)
    index = np.searchsorted(good.times_s, times_s, side="right") - 1
    shown = np.where(index >= 0, good.values[np.maximum(index, 0)], np.nan)
    age = times_s - good.times_s[np.maximum(index, 0)]
    return np.where(age <= hold_s, shown, np.nan)
