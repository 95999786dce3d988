"""The file door: a whole recording in, one measurement out. It is a session that is fed to the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import SourceError, UsageError
from perfuse.core.method import Method
from perfuse.core.results import Measurement
from perfuse.face import Detector
from perfuse.pipeline.session import Session
from perfuse.radar.record import RadarRecord
from perfuse.video import FrameStream, SourceInfo, TraceData, TraceStream, from_arrays, open_source, read_ahead
from perfuse.video.stream import check_rate

Progress = Callable[[float, float | None], None]
Source = str | PathLike[str] | NDArray[Any] | RadarRecord


def describe(info: SourceInfo) -> dict[str, str | int | float]:
    """Return what a source says about itself as plain data: only what is known, never a path of this machine."""
    hidden = ("frames", "duration_s", "nominal_rate_hz")
    known = {key: value for key, value in asdict(info).items() if value is not None and key not in hidden}
    if info.kind == "trace":
        del known["rotation"]
    return known


def measure(
    source: Source,
    *,
    method: str | Method = "auto",
    detector: Detector | None = None,
    times_s: NDArray[np.floating] | None = None,
    rate_hz: float | None = None,
    progress: Progress | None = None,
) -> Measurement:
    """Measure a recording as :func:`perfuse.measure` does, which also opens the files of radars and tells the rest.

    Parameters
    ----------
    source : str, path, ndarray or RadarRecord
        A video file, a CSV of time, R, G, B, frames (T, H, W, 3), a trace (T, 3), or what a radar recorded.
    method, detector, times_s, rate_hz, progress
        See there; so are what is returned and raised.
    """
    if times_s is not None and not isinstance(source, np.ndarray):
        raise UsageError(
            "times_s was given for a recording that carries its own times.",
            "Leave it out; or pass the pictures as an array, whose times are those you give.",
        )
    if np.ma.is_masked(source) and source.ndim != 2:  # type: ignore[union-attr]
        raise UsageError(
            "Pictures of which some pixels are masked were given.",
            "Pass whole pictures; leave out those that are spoiled, and their times_s with them.",
        )
    if isinstance(source, RadarRecord):
        return _measure_radar(source, method, progress)
    if isinstance(source, np.ndarray) and source.ndim == 2:
        return _measure_trace(_trace(source, times_s, rate_hz), method, progress)
    stream: FrameStream | TraceStream
    if isinstance(source, np.ndarray):
        stream = from_arrays(source, times_s=times_s, rate_hz=rate_hz)
    else:
        stream = open_source(source, rate_hz=rate_hz)
    with stream:
        if isinstance(stream, TraceStream):
            return _measure_trace(stream.data, method, progress)
        session = Session(method, detector=detector, history_s=None, source=describe(stream.info))
        first = None
        for frame in stream if stream.info.kind == "camera" else read_ahead(stream):
            first = frame.time_s if first is None else first
            session.push(frame)
            if progress is not None:
                progress(frame.time_s - first, stream.info.duration_s)
        session.warnings += stream.warnings
        return session.finish()


def _measure_trace(data: TraceData, method: str | Method, progress: Progress | None) -> Measurement:
    session = Session(method, history_s=None, source=describe(data.info))
    session.warnings += data.warnings
    total = float(data.time_s[-1] - data.time_s[0]) if len(data.time_s) else 0.0
    for time_s, colour in zip(data.time_s, data.rgb):
        session.push_trace(float(time_s), colour)
    if progress is not None:
        progress(total, total)
    return session.finish()


def _measure_radar(record: RadarRecord, method: str | Method, progress: Progress | None) -> Measurement:
    """Measure what arrived; a chirp that was lost is a gap."""
    source: dict[str, str | int | float] = {"name": record.name, "kind": "radar"}
    if record.kind is not None:
        source["radar"] = record.kind.name
    session = Session(method, history_s=None, source=source)
    session.warnings += record.notes
    cells = record.searched()
    arrived = np.flatnonzero(record.valid)
    if not len(arrived) or not cells.shape[1]:
        raise SourceError(f"{record.name} holds no echo where a body is looked for.", "Pass at least one chirp.")
    start_s = float(record.times_s[0])
    total = float(record.times_s[-1]) - start_s
    for index in arrived:
        time_s = float(record.times_s[index])
        session.push_radar(time_s, cells[index])
        if progress is not None and index % 512 == 0:
            progress(time_s - start_s, total)
    return session.finish()


def _trace(rgb: NDArray[Any], times_s: NDArray[np.floating] | None, rate_hz: float | None) -> TraceData:
    if rgb.shape[1] != 3 or rgb.dtype.kind not in "iuf":
        raise UsageError(
            f"A trace of shape {rgb.shape} and type {rgb.dtype} was given.", "Pass numbers, (T, 3): red, green, blue."
        )
    seen = ~np.ma.getmaskarray(rgb).any(1)
    if not seen.any():
        raise SourceError("A trace without samples was given.", "Pass at least one row of red, green, blue.")
    rate = check_rate(rate_hz)
    if (times_s is None) == (rate is None):
        raise UsageError(
            f"A trace was given with {'no times' if rate is None else 'both times_s and rate_hz'}.",
            "Pass either times_s (seconds, one a row) or rate_hz.",
        )
    times = np.arange(len(rgb)) / rate if rate else np.asarray(times_s)
    if times.shape != (len(rgb),) or times.dtype.kind not in "iuf":
        raise UsageError(
            f"times_s of shape {times.shape} and type {times.dtype} was given for {len(rgb)} colours.",
            "Pass one number (seconds) a row.",
        )
    info = SourceInfo(name="array", kind="trace")
    if seen.all():
        return TraceData(times.astype(np.float64), np.asarray(rgb, np.float64), info, ())
    told = f"{np.count_nonzero(~seen)} of {len(rgb)} colours are masked and were left out."
    return TraceData(times.astype(np.float64)[seen], np.asarray(rgb, np.float64)[seen], info, (told,))
