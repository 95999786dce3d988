"""Video files, streams and cameras as frames: every picture with the container's own timestamp."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import nan
from typing import TYPE_CHECKING

from perfuse.core.errors import PerfuseError, SourceError
from perfuse.core.frame import Frame
from perfuse.video.decode import NOT_A_VIDEO, Address, Source
from perfuse.video.planes import as_frame, orientation
from perfuse.video.stream import STATE_RATE, FrameStream, SourceInfo

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_NO_TIMESTAMPS = 0x80
"""AVFMT_NOTIMESTAMPS: what such a container says of time was made up from a default rate."""


def open_container(address: Address, rate_hz: float | None = None) -> FrameStream:
    """Open a video file, a stream or a camera.

    Parameters
    ----------
    address : Address
        What to open.
    rate_hz : float, optional
        Frames per second of material that carries no timestamps.

    Returns
    -------
    FrameStream
        Its first picture is decoded already.

    Raises
    ------
    SourceError
        If it cannot be opened, holds no video or not one picture that can be decoded, or carries no timestamps
        while no rate is given.
    """
    source = Source(address)
    try:
        pictures = source.pictures()
        first = next(pictures, None)
        if first is None:
            raise SourceError(f"{address.name} holds no picture that can be decoded.", NOT_A_VIDEO)
        timeless = bool(int(source.container.format.flags) & _NO_TIMESTAMPS)
        if timeless and rate_hz is None:
            raise SourceError(f"{address.name} carries no timestamps.", STATE_RATE)
    except PerfuseError:
        source.close()
        raise
    timeless = timeless or (rate_hz is not None and first.pts is None)
    warnings: list[str] = []
    if rate_hz is not None and not timeless:
        warnings.append("The stated frame rate was not needed: the recording carries timestamps, and these count.")
    info = _describe(source, first, rate_hz if timeless else None)
    times = _Clock(source, rate_hz if timeless else None)
    frames = _frames(source, info, times, _again([first], pictures), warnings)
    return FrameStream(info, frames, warnings, source.close)


def _again(taken: list[VideoFrame], rest: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """Put back a picture; unlike ``itertools.chain``, without holding its memory to the end."""
    while taken:
        yield taken.pop()
    yield from rest


class _Clock:
    """Seconds of each picture, in order of presentation; NaN where the container says nothing."""

    def __init__(self, source: Source, rate_hz: float | None) -> None:
        self._rate_hz = rate_hz
        self._index = -1
        self._tick = -1
        self._unit = source.stream.time_base or Fraction(1)
        # AVI numbers pictures in the order they are stored; the decoder's dts counts them as they come out.
        self._by_dts = source.container.format.name == "avi" and source.stream.codec_context.has_b_frames

    def __call__(self, picture: VideoFrame) -> float:
        self._index += 1
        if self._rate_hz is not None:
            return self._index / self._rate_hz
        tick = picture.pts
        if self._by_dts:
            tick = self._tick = self._tick + 1 if picture.dts is None else picture.dts
        return nan if tick is None else tick * self._unit.numerator / self._unit.denominator


def _describe(source: Source, first: VideoFrame, stated_hz: float | None) -> SourceInfo:
    """Collect what the container announces."""
    stream, container = source.stream, source.container
    turn = orientation(first)
    width, height = first.width, first.height
    rate = stated_hz or stream.average_rate or stream.guessed_rate
    duration = None
    if stream.duration is not None and stream.time_base:
        duration = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        duration = container.duration / 1e6
    return SourceInfo(
        source.address.name,
        source.address.kind,
        height if turn.transpose else width,
        width if turn.transpose else height,
        stream.codec_context.name,
        first.format.name,
        turn.degrees,
        float(rate) if rate and 0.1 <= rate <= 2000 else None,
        stream.frames or None,
        duration if duration and duration > 0 else None,
    )


def _frames(
    source: Source, info: SourceInfo, clock: _Clock, pictures: Iterator[VideoFrame], warnings: list[str]
) -> Iterator[Frame]:
    """Wrap pictures into frames; say at the end what was amiss."""
    import av

    turn = None
    time_s = 0.0
    resized_s: float | None = None
    for picture in pictures:
        turn = turn or orientation(picture)
        time_s = clock(picture)
        try:
            frame = as_frame(picture, time_s, turn, source.copying)
        except (av.FFmpegError, ValueError) as error:
            raise SourceError(
                f"{info.name} has pictures of the format {picture.format.name}, which cannot be converted ({error}).",
                "Convert it to H.264 in an mp4 container with another program.",
            ) from error
        if resized_s is None and (frame.height, frame.width) != (info.height, info.width):
            resized_s = time_s
        yield frame
    if resized_s is not None:
        warnings.append(
            f"The pictures change their size at {resized_s:.1f} s: a face before and after it may count as two."
        )
    tally = source.tally
    if tally.lost:
        warnings.append(f"Damaged data: {tally.lost} pictures or more are missing.")
    if tally.damaged:
        warnings.append(f"{tally.damaged} pictures were damaged and were repaired by guessing.")
    seen = tally.pictures + tally.discarded
    if info.frames is not None and seen + tally.lost < info.frames:
        warnings.append(f"The file announces {info.frames} pictures but ends after {seen}: it may be truncated.")
    elif info.frames is None and info.duration_s is not None and time_s < 0.95 * info.duration_s - 0.5:
        warnings.append(
            f"The file announces {info.duration_s:.1f} s but its pictures end at {time_s:.1f} s: it may be truncated."
        )
