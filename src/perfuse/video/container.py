"""Video files, streams and cameras through PyAV: every picture with the container's own timestamp."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice
from math import nan
from typing import TYPE_CHECKING, Literal

from perfuse.core.errors import PerfuseError, SourceError
from perfuse.core.frame import Frame
from perfuse.video.planes import as_frame, orientation
from perfuse.video.stream import STATE_RATE, FrameStream, SourceInfo

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_NO_TIMESTAMPS, _ATTACHED_PICTURE = 0x80, 0x400
_MAX_READ_ERRORS = 32
_MAX_THREADS = 8
"""Every decoder thread holds pictures: more of them would spend memory and gain little below 4K."""
_TEXT_FORMATS = {"tty", "bintext", "xbin", "idf", "adf"}
_NOT_A_VIDEO = "Give a video that a player can open (mp4, mov, mkv, webm, avi) or a .csv trace of mean colours."


@dataclass(frozen=True, slots=True)
class Address:
    """What to hand to FFmpeg, and what to call it before the user.

    Attributes
    ----------
    url, format, options, timeout_s
        As ``av.open`` takes them.
    name : str
        For messages and for :class:`SourceInfo`.
    kind : str
        ``"video"`` or ``"camera"``.
    again : bool
        Whether opening it a second time gives the same bytes: true for files only.
    """

    url: str
    name: str
    kind: Literal["video", "camera"] = "video"
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    timeout_s: tuple[float, float] | None = None
    again: bool = True


@dataclass(slots=True)
class _Tally:
    """What one pass of the decoder met."""

    pictures: int = 0
    discarded: int = 0
    damaged: int = 0
    lost: int = 0
    last_s: float = 0.0


class _Source:
    """One video stream of one container, opened anew where decoding has to start again."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.tally = _Tally()
        self.copying = False
        self.container: InputContainer
        self.stream: VideoStream
        self._open()

    def _open(self) -> None:
        self.container = _open_container(self.address)
        try:
            self.stream = _video_stream(self.container, self.address.name)
        except PerfuseError:
            self.close()
            raise

    def close(self) -> None:
        self.container.close()

    def pictures(self) -> Iterator[VideoFrame]:
        """Decode on several threads; at the first sign of damage go on with one, from the same picture.

        What several threads make of damaged data depends on their timing, and the same file must give the same
        frames. A damaged reference picture leaves the decoder after the pictures that were predicted from it but
        are shown earlier, so as many pictures are held back as the stream reorders. What is missing in damaged
        pictures shows what the decoder's memory held before, which depends on who still uses that memory: from
        then on, frames are copies.
        """
        threads = _threads() if self.address.again else 1
        self.copying = threads == 1
        given = 0
        if threads > 1:
            held: deque[VideoFrame] = deque()
            for picture in self._decode(threads):
                if picture is None:
                    break
                held.append(picture)
                if len(held) > getattr(self.stream.codec_context, "reorder_depth", 4) + 1:
                    given += 1
                    yield held.popleft()
            else:
                while held:
                    yield held.popleft()
                return
            held.clear()
            self.copying = True
            self.close()
            self._open()
        undamaged = (picture for picture in self._decode(1) if picture is not None)
        yield from islice(undamaged, given, None)

    def _decode(self, threads: int) -> Iterator[VideoFrame | None]:
        """Decode from the start; None marks a place where data was damaged."""
        import av

        tally = self.tally = _Tally()
        codec = self.stream.codec_context
        self.stream.thread_type = "AUTO" if threads > 1 else "SLICE"
        codec.thread_count = threads
        if codec.name == "mjpeg" and self.address.again:
            # Otherwise the missing part of a damaged picture shows whatever its memory held before.
            codec.options = {"err_detect": "explode"}
        for packet in self._packets():
            tally.discarded += packet is not None and packet.is_discard
            try:
                decoded = self.stream.decode(packet)
            except (av.FFmpegError, ValueError):
                tally.lost += 1
                yield None
                continue
            while decoded:  # emptied, so that a picture is let go as soon as it was used
                picture = decoded.pop(0)
                tally.pictures += 1
                if picture.is_corrupt:
                    tally.damaged += 1
                    yield None
                yield picture

    def _packets(self) -> Iterator[Packet[VideoStream] | None]:
        """Read to the end, over places that cannot be read; the last packet, or None, empties the decoder."""
        import av

        for _ in range(_MAX_READ_ERRORS):
            try:
                yield from self.container.demux(self.stream)
            except av.FFmpegError:
                self.tally.lost += 1
            else:
                return
        yield None


def _open_container(address: Address) -> InputContainer:
    """Open for reading, telling every failure in words."""
    import av

    try:
        return av.open(address.url, "r", format=address.format, options=address.options, timeout=address.timeout_s)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = str(getattr(error, "strerror", None) or error)
        if address.kind == "camera":
            raise SourceError(
                f"The camera {address.name} could not be opened ({reason}).",
                "Check that it is connected, that no other program uses it and that you may; "
                "choose another with camera:DEVICE.",
            ) from error
        raise SourceError(f"{address.name} cannot be read as a video ({reason}).", _NOT_A_VIDEO) from error


def _video_stream(container: InputContainer, name: str) -> VideoStream:
    """Return the stream to measure; cover pictures of sound files do not count."""
    if container.format.name in _TEXT_FORMATS:
        raise SourceError(f"{name} is a text file.", _NOT_A_VIDEO)
    streams = [s for s in container.streams.video if not int(s.disposition) & _ATTACHED_PICTURE]
    if not streams:
        what = "sound but no pictures" if container.streams.audio else "no pictures"
        raise SourceError(f"{name} holds {what}.", _NOT_A_VIDEO)
    best = container.streams.best("video")
    stream = next((s for s in streams if s is best), streams[0])
    if stream.codec_context is None:
        raise SourceError(
            f"{name} is compressed in a way that is unknown here, or damaged.",
            "Convert it to H.264 in an mp4 container with another program.",
        )
    return stream


def _threads() -> int:
    """Return how many threads to decode with."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, _MAX_THREADS)


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
    source = _Source(address)
    try:
        pictures = source.pictures()
        first = next(pictures, None)
        if first is None:
            raise SourceError(f"{address.name} holds no picture that can be decoded.", _NOT_A_VIDEO)
        timeless = bool(int(source.container.format.flags) & _NO_TIMESTAMPS) or first.pts is None
        if timeless and rate_hz is None:
            raise SourceError(f"{address.name} carries no timestamps.", STATE_RATE)
    except PerfuseError:
        source.close()
        raise
    warnings: list[str] = []
    if rate_hz is not None and not timeless:
        warnings.append("The stated frame rate was not needed: the recording carries timestamps, and these count.")
    info = _describe(source, first, rate_hz if timeless else None)
    times = _Clock(source, rate_hz if timeless else None)
    frames = _frames(source, info, times, chain([first], pictures), warnings)
    return FrameStream(info, frames, warnings, source.close)


class _Clock:
    """Seconds of each picture, in order of presentation; NaN where the container says nothing."""

    def __init__(self, source: _Source, rate_hz: float | None) -> None:
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


def _describe(source: _Source, first: VideoFrame, stated_hz: float | None) -> SourceInfo:
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
    source: _Source, info: SourceInfo, clock: _Clock, pictures: Iterator[VideoFrame], warnings: list[str]
) -> Iterator[Frame]:
    """Wrap pictures into frames; say at the end what was amiss."""
    import av

    turn = None
    time_s = 0.0
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
        yield frame
    tally = source.tally
    if tally.lost:
        warnings.append(f"{tally.lost} packets were damaged; their pictures are missing.")
    if tally.damaged:
        warnings.append(f"{tally.damaged} pictures were damaged and were repaired by guessing.")
    seen = tally.pictures + tally.discarded
    if info.frames is not None and seen + tally.lost < info.frames:
        warnings.append(f"The file announces {info.frames} pictures but ends after {seen}: it may be truncated.")
    elif info.frames is None and info.duration_s is not None and time_s < 0.95 * info.duration_s - 0.5:
        warnings.append(
            f"The file announces {info.duration_s:.1f} s but its pictures end at {time_s:.1f} s: it may be truncated."
        )
