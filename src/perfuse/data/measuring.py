"""The file door of the package: :func:`perfuse.pipeline.measure` that also knows the files of radars.

It stands here and not in the pipeline because what parses those files does: they come from data sets.
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse import pipeline
from perfuse.core.errors import UsageError
from perfuse.core.method import Method
from perfuse.core.results import Measurement
from perfuse.data.radars import is_radar, open_radar
from perfuse.face import Detector
from perfuse.radar.record import RadarRecord


def measure(
    source: str | PathLike[str] | NDArray[Any] | RadarRecord,
    *,
    method: str | Method = "auto",
    detector: Detector | None = None,
    times_s: NDArray[np.floating] | None = None,
    rate_hz: float | None = None,
    progress: Callable[[float, float | None], None] | None = None,
) -> Measurement:
    """Measure pulse, breathing and heart-rate variability of a recording.

    Parameters
    ----------
    source : str, path, ndarray or RadarRecord
        A video file, a CSV of time, R, G, B, or what a radar recorded (``rf.pkl``, ``radar.npz``, ``mmwave.mat``);
        frames (T, H, W, 3), a trace (T, 3), or what :func:`perfuse.data.radars.open_radar` returns.
    method : str or Method
        See :class:`Session`.
    detector : Detector, optional
        Finds faces; BlazeFace by default.
    times_s : ndarray, (T,), optional
        Capture times of an array.
    rate_hz : float, optional
        Frame rate, only for material that carries no timestamps.
    progress : callable, optional
        Called with the seconds done and the seconds in all (None if unknown).

    Returns
    -------
    Measurement
        The same bytes for the same recording, whatever ran before. A recording without an answer has vitals whose
        value is None beside a reason.

    Raises
    ------
    SourceError
        If the source cannot be read.
    UsageError
        If an option does not fit.
    """
    if isinstance(source, str | PathLike) and is_radar(source):
        if rate_hz is not None or times_s is not None:
            raise UsageError(
                f"A frame rate, or times, were given for {Path(fspath(source)).name}.",
                "Leave them out: a radar's recording carries its own times.",
            )
        source = open_radar(source)
    return pipeline.measure(
        source, method=method, detector=detector, times_s=times_s, rate_hz=rate_hz, progress=progress
    )
