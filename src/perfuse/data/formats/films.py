"""Films and tables of colours: opened, their times read without decoding, or replaced by those a data set states."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.core.frame import Frame
from perfuse.data.formats.files import LAYOUT, WHOLE, brief
from perfuse.data.recording import F64
from perfuse.video import FrameStream, TraceStream, open_source


def open_film(path: Path, rate_hz: float | None = None) -> FrameStream:
    """Open a video file with the times of its container.

    Raises
    ------
    SourceError
        If it cannot be read, or is a table of colours; it names the whole path (data sets call many files alike).
    """
    stream = _opened(path, rate_hz)
    if isinstance(stream, TraceStream):
        raise SourceError(f"{path} is a table, not a video.", LAYOUT)
    return stream


def open_trace(path: Path, rate_hz: float | None = None) -> TraceStream:
    """Open a table of mean colours.

    Raises
    ------
    SourceError
        If it cannot be read or is none.
    """
    stream = _opened(path, rate_hz)
    if isinstance(stream, FrameStream):
        stream.close()
        raise SourceError(f"{path} is a video, not a table of colours.", LAYOUT)
    return stream


def _opened(path: Path, rate_hz: float | None) -> FrameStream | TraceStream:
    try:
        return open_source(path, rate_hz=rate_hz)
    except SourceError as error:
        if str(path) in error.problem:
            raise
        raise SourceError(f"{path} cannot be used: {error.problem}", error.remedy) from error


def film_times(path: Path) -> F64:
    """Return the times of the pictures of a video, s, from its packets: nothing is decoded.

    Raises
    ------
    SourceError
        If it is missing, no video, or says no times.
    """
    import av

    try:
        with av.open(f"file:{os.fspath(path)}", options={"protocol_whitelist": "file"}) as container:
            stream = next(iter(container.streams.video), None)
            if stream is None:
                raise SourceError(f"{path} holds no video.", WHOLE)
            unit = float(stream.time_base or 0)
            marks = [(p.pts, p.dts) for p in container.demux(stream) if p.size and not p.is_discard]
            # AVI numbers pictures in the order they are stored, as perfuse.video knows too
            stored = container.format.name == "avi"
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read as a video ({brief(error)}).", WHOLE) from error
    chosen = (dts if stored and dts is not None else pts for pts, dts in marks)
    ticks = sorted({tick for tick in chosen if tick is not None})
    if not ticks or not unit:
        raise SourceError(f"{path} carries no timestamps.", WHOLE)
    return np.array(ticks, np.float64) * unit


def retimed(stream: FrameStream, times_s: F64, source: str) -> FrameStream:
    """Give the frames of a stream the times a data set states for them, in order.

    Frames beyond the last stated time are left out with a warning; so are stated times without a frame.
    """
    warnings: list[str] = []
    return FrameStream(stream.info, _retimed(stream, times_s, source, warnings), warnings, stream.close)


def _retimed(stream: FrameStream, times_s: F64, source: str, warnings: list[str]) -> Iterator[Frame]:
    count = extra = 0
    for frame in stream:
        if count < len(times_s):
            yield Frame(float(times_s[count]), frame.planes, frame.to_rgb)
            count += 1
        else:
            extra += 1
    warnings.extend(stream.warnings)
    if extra:
        warnings.append(
            f"{source} has times for {count} frames; the last {extra} of {stream.info.name} are left out."
        )
    elif count < len(times_s):
        warnings.append(f"{source} has {len(times_s)} times, {stream.info.name} has {count} frames.")
