"""Video out: every frame at its own time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from fractions import Fraction
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import OutputError, UsageError
from perfuse.video.stream import check_rate

TICK_S = Fraction(1, 90_000)
"""Time base of written files: whole ticks at 24, 25, 29.97, 30, 50, 60 and 120 frames per second."""

_SLOW_CLOCKS = {"mpeg4": Fraction(1, 60_000)}
"""Encoders whose clock has 16 bits."""

_PIXEL_FORMATS = {"ffv1": "bgr0", "mjpeg": "yuvj420p", "png": "rgb24", "qtrle": "rgb24", "rawvideo": "rgb24"}
_BT601, _LIMITED = 6, 1


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[tuple[float, NDArray[np.uint8]]],
    codec: str = "libx264",
    *,
    crf: int | None = None,
    pixel_format: str | None = None,
    options: Mapping[str, str] | None = None,
    nominal_rate_hz: float = 30.0,
) -> None:
    """Write pictures with exact times; the file appears complete or not at all.

    Parameters
    ----------
    path : str or path
        The ending chooses the container: ``.mp4`` and ``.mov`` keep times to 1/90000 s (MPEG-4 Part 2 to 1/60000 s),
        ``.mkv`` and ``.webm`` to 1/1000 s. Overwritten if it exists.
    frames : iterable of (time_s, rgb)
        Seconds from 0 on, increasing, and uint8 (H, W, 3) of one size. Read lazily.
    codec : str
        FFmpeg's encoder, such as ``libx264`` or, without loss, ``ffv1``.
    crf : int, optional
        Constant rate factor of x264, x265, VP9: 0 keeps all, the default of x264 is 23.
    pixel_format : str, optional
        Default: RGB for ``ffv1``, else 4:2:0 (4:4:4 where a side is odd), BT.601, limited range, and tagged so.
    options : mapping, optional
        For the encoder, such as ``{"preset": "veryfast"}``.
    nominal_rate_hz : float
        A hint for rate control and players; the times rule.

    Raises
    ------
    UsageError
        If there are no frames, times do not increase, sizes differ, or FFmpeg has no such encoder or container.
    OutputError
        If the file cannot be written.
    """
    import av

    path = Path(path)
    rate = Fraction(check_rate(nominal_rate_hz) or 30.0).limit_denominator(1001)
    if path.suffix.lower() == ".avi":
        raise UsageError("AVI cannot keep the times of frames.", "Choose .mp4, .mov or .mkv.")
    if not path.parent.is_dir():
        raise OutputError(f"There is no folder {path.parent}.", "Create it first.")
    settings = {**steady(codec), **({} if crf is None else {"crf": str(crf)}), **(options or {})}
    part = path.with_name(f".{path.stem[:100]}.{os.getpid()}{path.suffix}")
    container: Any = None
    stream: Any = None
    try:
        with _told(path, codec):
            container = av.open(str(part), "w", container_options=_muxer_options(path))
        tick_s = _SLOW_CLOCKS.get(codec, TICK_S)
        for tick, rgb in _checked(frames, tick_s):
            with _told(path, codec):
                if stream is None:
                    stream = _add_stream(container, codec, rate, rgb, pixel_format, settings)
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24")
                picture.pts, picture.time_base = tick, tick_s
                container.mux(stream.encode(picture))
        if stream is None:
            raise UsageError("No frames were given to write.", "Pass at least one.")
        with _told(path, codec):
            container.mux(stream.encode(None))
            container.close()
            part.replace(path)
    finally:
        if container is not None:
            with suppress(av.FFmpegError, ValueError):
                container.close()
        part.unlink(missing_ok=True)


def steady(codec: str) -> dict[str, str]:
    """Return options with which an encoder gives the same bytes every time.

    The slower presets of x264 on AVX-512 read memory that nobody wrote (x264 of PyAV 18.1, small pictures): the same
    pictures gave up to four different files in twelve tries, with AVX2 one. Where there is no AVX-512 nothing needs
    to change.
    """
    known: Any = np.show_config(mode="dicts")
    names = [name for key in ("baseline", "found") for name in known["SIMD Extensions"].get(key, ())]
    wide = any(name.startswith(("AVX512", "X86_V4")) for name in names)
    return {"x264-params": "asm=avx2"} if codec == "libx264" and wide else {}


@contextmanager
def _told(path: Path, codec: str) -> Iterator[None]:
    """Tell FFmpeg's failures in words: a file in the way, or settings that do not go together."""
    import av

    try:
        yield
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, OSError) and not isinstance(error, ValueError):
            raise OutputError(f"{path} cannot be written ({error.strerror}).", "Choose another place.") from error
        raise UsageError(
            f"FFmpeg cannot write {path.name} with the encoder {codec!r} ({error}).",
            "Check the ending, the encoder, the size of the pictures and the options.",
        ) from error


def _checked(
    frames: Iterable[tuple[float, NDArray[np.uint8]]], tick_s: Fraction
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield (tick, picture), refusing what no file could hold."""
    last, size = -1, None
    for item in frames:
        if not (isinstance(item, tuple) and len(item) == 2):
            raise UsageError(f"A {type(item).__name__} was given as a frame.", "Pass pairs of time_s and picture.")
        time_s, rgb = item
        size = size or (*rgb.shape[:2], 3)
        if rgb.shape != size or rgb.dtype != np.uint8:
            raise UsageError(
                f"A picture of shape {rgb.shape} and type {rgb.dtype} was given.",
                "Pass uint8 pictures of one size, (height, width, 3).",
            )
        tick = round(time_s / tick_s) if isfinite(time_s) else -1
        if tick <= last:
            raise UsageError(
                f"A frame at a time of {time_s} s was given after {float(max(last, 0) * tick_s):g} s.",
                "Times must increase, from 0 on.",
            )
        last = tick
        yield tick, rgb


def _muxer_options(path: Path) -> dict[str, str]:
    """Return options that make files exact and repeatable."""
    options = {"fflags": "+bitexact"}  # no random identifiers, no date
    if path.suffix.lower() in (".mp4", ".mov", ".m4v"):
        options["movie_timescale"] = str(TICK_S.denominator)  # else the first time is rounded to a millisecond
    else:
        options["avoid_negative_ts"] = "disabled"  # else everything is delayed by the B-frames
    return options


def _add_stream(
    container: Any,
    codec: str,
    rate: Fraction,
    first: NDArray[np.uint8],
    pixel_format: str | None,
    options: dict[str, str],
) -> Any:
    """Return a video stream for pictures like the first."""
    height, width = first.shape[:2]
    usual = "yuv444p" if height % 2 or width % 2 else "yuv420p"
    stream = container.add_stream(codec, rate=rate, options=options)
    stream.width, stream.height = width, height
    stream.pix_fmt = pixel_format or _PIXEL_FORMATS.get(codec, usual)
    stream.codec_context.time_base = _SLOW_CLOCKS.get(codec, TICK_S)
    if stream.pix_fmt.startswith("yuv") and not stream.pix_fmt.startswith("yuvj"):
        stream.codec_context.colorspace, stream.codec_context.color_range = _BT601, _LIMITED
    return stream
