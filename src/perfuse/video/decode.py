"""Decoding with PyAV: all pictures of one video stream, and the same ones every time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Literal

from perfuse.core.errors import PerfuseError, SourceError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_ATTACHED_PICTURE = 0x400
_MAX_READ_ERRORS = 32
_MAX_THREADS = 8
"""Every decoder thread holds pictures: more of them would spend memory and gain little below 4K."""
_TEXT_FORMATS = {"tty", "bintext", "xbin", "idf", "adf"}
NOT_A_VIDEO = "Give a video that a player can open (mp4, mov, mkv, webm, avi) or a .csv trace of mean colours."


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
class Tally:
    """What one pass of the decoder met."""

    pictures: int = 0
    discarded: int = 0
    damaged: int = 0
    lost: int = 0


class Source:
    """One video stream of one container, opened anew where decoding has to start again."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.tally = Tally()
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
        """Close the file; pictures decoded before stay usable."""
        self.container.close()

    def pictures(self) -> Iterator[VideoFrame]:
        """Decode on several threads; at the first sign of damage go on with one, from the same picture.

        What several threads make of damaged data depends on their timing, and the same file must give the same
        frames. So they do not repair but refuse what is damaged (see ``_decode``). Where only a mark on the picture
        tells, it leaves the decoder after pictures that were predicted from it but are shown earlier, so as many
        pictures are held back as the stream reorders. What is missing in damaged pictures shows what the decoder's
        memory held before, which depends on who still uses that memory: from then on, frames are copies.
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
        """Decode from the start; None marks a place where data was damaged.

        Several threads stop at the first error ("explode"): errors come in the order of the packets, so before any
        picture they touch, while the mark on a repaired picture is copied, or missed, at a moment that depends on
        which thread is ahead. PyAV hides an error that follows pictures out of the same call. That happens where one
        packet holds several (VP9: split here) and where the decoder is emptied, so there the pictures are counted.
        What a decoder does not report cannot be caught: damage that HEVC and VP8 decode without complaint, and a
        missing slice among several of an H.264 picture if its mark comes too late.
        """
        import av

        tally = self.tally = Tally()
        codec = self.stream.codec_context
        self.stream.thread_type = "AUTO" if threads > 1 else "SLICE"
        codec.thread_count = threads
        if threads > 1 or (codec.name == "mjpeg" and self.address.again):
            # The missing part of a damaged mjpeg picture would show whatever its memory held before.
            codec.options = {"err_detect": "explode"}
        split = _splitter(self.stream)
        sent = 0
        for packet in self._packets():
            last = packet is None or not packet.size
            sent += not last
            tally.discarded += packet is not None and packet.is_discard
            try:
                decoded = [picture for part in split(packet) for picture in codec.decode(part)]
            except (av.FFmpegError, ValueError):
                tally.lost += 1
                yield None
                continue
            if threads > 1 and last and tally.pictures + tally.discarded + len(decoded) < sent:
                yield None
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


def _splitter(stream: VideoStream) -> Callable[[Packet[VideoStream] | None], list[Packet[VideoStream] | None]]:
    """Return what takes packets of several pictures apart; the last packet stays as it is."""
    from av.bitstream import BitStreamFilterContext

    if stream.codec_context.name != "vp9":
        return lambda packet: [packet]
    splitter = BitStreamFilterContext("vp9_superframe_split", stream)
    return lambda packet: [*splitter.filter(packet)] if packet is not None and packet.size else [packet]


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
        if not address.again:
            raise SourceError(
                f"{address.name} cannot be read as a video ({reason}).",
                "Check the address and the network, or download the recording and give the file.",
            ) from error
        raise SourceError(
            f"{address.name} cannot be read as a video ({reason}).",
            f"It may have been cut off while it was recorded or copied. {NOT_A_VIDEO}",
        ) from error


def _video_stream(container: InputContainer, name: str) -> VideoStream:
    """Return the stream to measure; cover pictures of sound files do not count."""
    if container.format.name in _TEXT_FORMATS:
        raise SourceError(f"{name} is a text file.", NOT_A_VIDEO)
    streams = [s for s in container.streams.video if not int(s.disposition) & _ATTACHED_PICTURE]
    if not streams:
        what = "sound but no pictures" if container.streams.audio else "no pictures"
        raise SourceError(f"{name} holds {what}.", NOT_A_VIDEO)
    best = container.streams.best("video")
    stream = next((s for s in streams if s is best), streams[0])
    if stream.codec_context is None:
        raise SourceError(
            f"{name} is compressed in a way that is unknown here, or damaged.",
            "Convert it to H.264 in an mp4 container with another program.",
        )
    return stream


def _threads() -> int:
    """Return how many threads to decode with: more than cores, so that pictures wait for us and not we for them."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if usable == 1 else min(usable + 2, _MAX_THREADS)
