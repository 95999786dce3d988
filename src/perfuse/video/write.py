"""Video out: every frame at its own time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import OutputError, UsageError

TICK_S = Fraction(1, 90_000)
"""Time base of written files: whole ticks at 24, 25, 30, 29.97, 50, 60 and 120 frames per second."""

_PIXEL_FORMATS = {"ffv1": "bgr0", "mjpeg": "yuvj420p", "png": "rgb24", "qtrle": "rgb24", "rawvideo": "rgb24"}
_BT601, _LIMITED = 6, 1


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[tuple[float, NDArray[np.uint8]]],
    codec: str = "libx264",
    *,
    pixel_format: str | None = None,
    options: Mapping[str, str] | None = None,
    nominal_rate_hz: float = 30.0,
) -> None:
    """Write pictures with exact times; the file appears complete or not at all.

    Parameters
    ----------
    path : str or path
        The ending chooses the container: ``.mp4`` and ``.mov`` keep times to 1/90000 s, ``.mkv`` and ``.webm`` to
        1/1000 s. Overwritten if it exists.
    frames : iterable of (time_s, rgb)
        Seconds from 0 on, increasing, and uint8 (H, W, 3) of one size. Read lazily.
    codec : str
        FFmpeg's encoder, ``libx264`` or, without loss, ``ffv1``.
    pixel_format : str, optional
        Default: RGB for ``ffv1``, else 4:2:0 (4:4:4 where a side is odd), BT.601, limited range, and tagged so.
    options : mapping, optional
        For the encoder, such as ``{"crf": "12"}``.
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
    if path.suffix.lower() == ".avi":
        raise UsageError("AVI cannot keep the times of frames.", "Choose .mp4, .mov or .mkv.")
    if not path.parent.is_dir():
        raise OutputError(f"There is no folder {path.parent}.", "Create it first.")
    part = path.with_name(f".{path.stem[:100]}.{os.getpid()}{path.suffix}")
    try:
        with av.open(str(part), "w", container_options=_muxer_options(path)) as container:
            _encode(container, frames, codec, pixel_format, dict(options or {}), nominal_rate_hz)
        part.replace(path)
    except (av.FFmpegError, ValueError) as error:
        denied = isinstance(error, OSError) and not isinstance(error, ValueError)
        if denied:
            raise OutputError(f"{path} cannot be written ({error}).", "Choose another place.") from error
        raise UsageError(
            f"FFmpeg cannot write {path.name} with the encoder {codec!r} ({error}).",
            "Check the ending, the encoder, the size of the pictures and the options.",
        ) from error
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error}).", "Choose another place.") from error
    finally:
        part.unlink(missing_ok=True)


def _muxer_options(path: Path) -> dict[str, str]:
    """Return options that make files exact and repeatable."""
    options = {"fflags": "+bitexact"}  # no random identifiers, no date
    if path.suffix.lower() in (".mp4", ".mov", ".m4v"):
        options["movie_timescale"] = str(TICK_S.denominator)  # else the first time is rounded to a millisecond
    else:
        options["avoid_negative_ts"] = "disabled"  # else everything is delayed by the B-frames
    return options


def _encode(
    container: Any,
    frames: Iterable[tuple[float, NDArray[np.uint8]]],
    codec: str,
    pixel_format: str | None,
    options: dict[str, str],
    rate_hz: float,
) -> None:
    """Encode and multiplex all frames."""
    import av

    stream = None
    last = -1
    for time_s, rgb in frames:
        if stream is None:
            height, width = rgb.shape[:2]
            odd = height % 2 or width % 2
            stream = container.add_stream(codec, rate=Fraction(rate_hz).limit_denominator(1001), options=options)
            stream.width, stream.height = width, height
            stream.pix_fmt = pixel_format or _PIXEL_FORMATS.get(codec, "yuv444p" if odd else "yuv420p")
            stream.codec_context.time_base = TICK_S
            if stream.pix_fmt.startswith("yuv") and not stream.pix_fmt.startswith("yuvj"):
                stream.codec_context.colorspace, stream.codec_context.color_range = _BT601, _LIMITED
        if rgb.shape != (height, width, 3) or rgb.dtype != np.uint8:
            raise UsageError(
                f"A picture of shape {rgb.shape}, {rgb.dtype}, follows one of {(height, width, 3)}.",
                "Pass uint8 pictures of one size.",
            )
        tick = round(time_s / TICK_S)
        if tick <= last:
            raise UsageError(
                f"A frame at {time_s} s was given after one at {last * TICK_S} s.", "Times must increase."
            )
        last = tick
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24")
        picture.pts, picture.time_base = tick, TICK_S
        for packet in stream.encode(picture):
            container.mux(packet)
    if stream is None:
        raise UsageError("No frames were given to write.", "Pass at least one.")
    for packet in stream.encode(None):
        container.mux(packet)
