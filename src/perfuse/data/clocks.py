"""Values and the times they belong to: clocks that must be whole, clocks with holes, one value per frame."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import SourceError
from perfuse.data.formats.files import WHOLE
from perfuse.data.recording import F64, Signal


def on_clock(times_s: F64, columns: Mapping[str, F64], source: Path | str) -> dict[str, Signal]:
    """Make signals of columns that share a clock without holes; of moments written twice the first counts.

    Parameters
    ----------
    times_s : ndarray, (N,)
        Seconds.
    columns : mapping of str to ndarray, (N,)
        Name of the signal to its values; NaN where there is none.
    source : Path or str
        What the times were read from, for the message.

    Raises
    ------
    SourceError
        If times are no numbers or go back.
    """
    bad = np.flatnonzero(~np.isfinite(times_s))
    if len(bad):
        raise SourceError(f"{source} has no time for sample {bad[0] + 1} of {len(times_s)}.", WHOLE)
    back = np.flatnonzero(np.diff(times_s) < 0)
    if len(back):
        raise SourceError(
            f"The times in {source} go back after sample {back[0] + 1} ({times_s[back[0]]:.6g} s).",
            "Times have to increase; leave this recording out.",
        )
    keep = np.diff(times_s, prepend=-np.inf) > 0  # oximeters write some moments twice
    return {name: Signal(times_s[keep], np.asarray(values, np.float64)[keep]) for name, values in columns.items()}


def where_timed(times_s: NDArray[Any], values: NDArray[Any]) -> Signal:
    """Return a signal of the samples whose time is known and later than all before.

    For tables in which rows without a time are usual (remarks, lost packets); elsewhere :func:`on_clock`.
    """
    times, numbers = np.asarray(times_s, np.float64), np.asarray(values, np.float64)
    known = np.isfinite(times)
    times, numbers = times[known], numbers[known]
    later = np.diff(np.maximum.accumulate(times), prepend=-np.inf) > 0 if len(times) else known[:0]
    return Signal(times[later], numbers[later])


def frame_clock(times_s: F64, source: Path) -> F64:
    """Return times of frames that a file states in order, once they are checked.

    Raises
    ------
    SourceError
        If there is none, one is no number, or one is smaller than the one before.
    """
    if not len(times_s) or not np.isfinite(times_s).all() or (np.diff(times_s) < 0).any():
        raise SourceError(f"The times in {source} are not all there, or go back.", "Leave this recording out.")
    return times_s


def per_frame(values: F64, times_s: F64, rate_hz: float) -> Signal:
    """Place one value per frame; values beyond the last frame follow at the nominal rate."""
    extra = len(values) - len(times_s)
    times = times_s[: len(values)]
    if extra > 0:
        times = np.concatenate([times, times_s[-1] + np.arange(1, extra + 1) / rate_hz])
    return where_timed(times, values)


def shown(values: F64) -> F64:
    """Return what a monitor showed, NaN where it showed zero: a rate or a saturation of 0 means no reading."""
    return np.where(values > 0, values, np.nan)
