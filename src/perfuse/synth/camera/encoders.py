"""The real encoders for files that are written: named settings, those of a subject, and writing a file once more."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from perfuse.core.errors import UsageError
from perfuse.synth.camera.strength import bit_rate, quantiser
from perfuse.synth.settings import Settings
from perfuse.video.source import open_source
from perfuse.video.trace import TraceStream
from perfuse.video.write import write_video


@dataclass(frozen=True, slots=True)
class Encoder:
    """One way of writing files.

    Attributes
    ----------
    codec : str
        FFmpeg's encoder.
    options : tuple of (str, str)
        Its options; ``{}`` stands for the quality.
    low, usual, high : float
        Range of the quality and its default.
    whole : bool
        Whether the encoder takes whole numbers only.
    """

    codec: str
    options: tuple[tuple[str, str], ...]
    low: float
    usual: float
    high: float
    whole: bool = False


_WEBCAM = (("preset", "ultrafast"), ("tune", "zerolatency"), ("b", "{}k"), ("maxrate", "{}k"), ("bufsize", "{}k"))
_CONSTANT = (("qmin", "{}"), ("qmax", "{}"))

REAL_CODECS = {
    "h264": Encoder("libx264", (("preset", "medium"), ("crf", "{}")), 0, 23, 51),
    "fast": Encoder("libx264", (("preset", "ultrafast"), ("crf", "{}")), 0, 18, 51),
    "webcam": Encoder("libx264", _WEBCAM, 20, 1000, 100_000),
    "mpeg4": Encoder("mpeg4", _CONSTANT, 1, 6, 31, whole=True),
    "mjpeg": Encoder("mjpeg", _CONSTANT, 2, 8, 31, whole=True),
    "lossless": Encoder("ffv1", (), 0, 0, 0),
}
"""By name. ``quality`` is x264's crf for ``"h264"`` (preset "medium": phones, archives) and ``"fast"`` (preset
"ultrafast": keeps the pulse best at a given crf, as it goes without deblocking and psychovisual rounding); kilobits
per second for ``"webcam"`` (calls, streams: no look-ahead); FFmpeg's q for ``"mpeg4"`` (old data sets) and
``"mjpeg"`` (every picture a JPEG: webcams), rounded to whole numbers; nothing for ``"lossless"``."""

_ONLY = {"mpeg4": "yuv420p"}
"""Pixel formats of encoders that know no other: where a side is odd, files would be 4:4:4 by default."""


def encoder_options(name: str, quality: float | None = None) -> dict[str, Any]:
    """Return what :func:`perfuse.video.write.write_video` needs to write with a named encoder.

    Parameters
    ----------
    name : str
        One of :data:`REAL_CODECS`, which says what ``quality`` means for it.
    quality : float, optional
        By default the usual one.

    Returns
    -------
    dict
        Arguments ``codec`` (str) and ``options`` (dict). One thread: the same bytes on any number of cores.

    Raises
    ------
    UsageError
        If the name is unknown or the quality out of range.
    """
    encoder = REAL_CODECS.get(name)
    if encoder is None:
        raise UsageError(f"There is no encoder called {name!r}.", f"Available: {', '.join(REAL_CODECS)}.")
    value = encoder.usual if quality is None else quality
    if not encoder.low <= value <= encoder.high:
        raise UsageError(
            f"quality = {quality!r} was given.", f"Pass {encoder.low:g} to {encoder.high:g} for {name!r}."
        )
    text = f"{round(value) if encoder.whole else value:.10g}"
    options = {key: setting.replace("{}", text) for key, setting in encoder.options}
    return {"codec": encoder.codec, "options": {**options, "threads": "1"}}


def encoder(settings: Settings) -> dict[str, Any]:
    """Return what :func:`perfuse.video.write.write_video` needs to compress as the settings of a subject say."""
    codec, strength = settings.codec, settings.quality
    if codec == "none":
        return encoder_options("lossless")
    if codec == "h264":
        return encoder_options("h264", strength)
    if codec == "webcam":
        rate = bit_rate(strength, settings.height, settings.width, settings.rate_hz)
        return encoder_options("webcam", min(rate, REAL_CODECS["webcam"].high))
    how = encoder_options(codec, quantiser(codec, strength))
    odd = codec in _ONLY and (settings.width % 2 or settings.height % 2)
    return how | {"pixel_format": _ONLY[codec]} if odd else how


def reencode(
    source: str | os.PathLike[str], target: str | os.PathLike[str], name: str = "h264", quality: float | None = None
) -> None:
    """Write a video once more, as an editor or the author of a data set would: a second generation of losses.

    Every frame keeps its time, as exactly as the target's container holds times, and the same input gives the same
    bytes.

    Parameters
    ----------
    source, target : str or path
        What to read, and what to write.
    name, quality
        As in :func:`encoder_options`.

    Raises
    ------
    SourceError, OutputError
        If a file cannot be read or written.
    UsageError
        If source and target are one, the source holds no pictures, or as :func:`encoder_options`.
    """
    settings = encoder_options(name, quality)
    if os.path.realpath(source) == os.path.realpath(target):
        raise UsageError(f"{source} was given to be read and written.", "Choose another name to write.")
    with open_source(source) as stream:
        if isinstance(stream, TraceStream):
            raise UsageError(f"{source} holds colours and no pictures.", "Give a video.")
        pictures = ((frame.time_s, frame.rgb()) for frame in stream)
        rate_hz, pixel_format = stream.info.nominal_rate_hz or 30.0, _ONLY.get(settings["codec"])
        write_video(target, pictures, nominal_rate_hz=rate_hz, pixel_format=pixel_format, **settings)
