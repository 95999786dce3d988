"""Files of all layouts: truth as JSON, series as CSV, pictures as PNG, and frames with somebody who counts them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import perfuse
from perfuse.core.errors import OutputError
from perfuse.synth.fields import F64
from perfuse.synth.layouts.plan import Watch
from perfuse.synth.subject import Subject

Picture = NDArray[np.uint8]

QUICK = 1
"""zlib's level for PNG: noise hardly gets smaller with a higher one, only slower."""


def frames(person: Subject, watch: Watch) -> Iterator[tuple[float, Picture]]:
    """Render a person's frames and say when each is done."""
    for time_s, picture in person.frames():
        yield time_s, picture
        watch(time_s)


def write_coded(
    path: Path,
    pictures: Iterable[tuple[int, Picture]],
    codec: str,
    *,
    pixel_format: str,
    tick_s: Fraction,
    rate_hz: Fraction,
    options: Mapping[str, str] | None = None,
) -> None:
    """Write what :func:`perfuse.video.write.write_video` cannot: AVI, and clocks other than 1/90000 s.

    Parameters
    ----------
    path : Path
        The ending chooses the container.
    pictures : iterable of (tick, picture)
        Time in ticks, increasing, and uint8 (H, W, 3) of one size.
    codec, pixel_format : str
        FFmpeg's names.
    tick_s, rate_hz : Fraction
        Length of a tick, and frames per s for the header.
    options : mapping, optional
        For the encoder.

    Raises
    ------
    OutputError
        If FFmpeg cannot write it.
    """
    import av

    try:
        with av.open(str(path), "w", container_options={"fflags": "+bitexact"}) as container:
            video: Any = None
            for tick, picture in pictures:
                if video is None:
                    video = container.add_stream(codec, rate=rate_hz, options=dict(options or {}))
                    video.height, video.width = picture.shape[:2]
                    video.pix_fmt, video.codec_context.time_base = pixel_format, tick_s
                    if pixel_format.startswith("yuv"):
                        video.codec_context.colorspace, video.codec_context.color_range = 6, 1  # BT.601, limited
                shot = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
                shot.pts, shot.time_base = tick, tick_s
                container.mux(video.encode(shot))
            container.mux(video.encode(None))
    except av.FFmpegError as error:
        raise OutputError(f"{path.name} cannot be written ({error}).", "Choose another place.") from error


def truth_of(person: Subject) -> dict[str, Any]:
    """Return settings and truth as plain values, in the form of :meth:`Subject.write`.

    Where nothing beats or breathes, its rate is None and there are no beats or breaths.
    """
    skin = person.skin
    more = {"ita_deg": round(float(skin.ita_deg), 2), "fitzpatrick": int(skin.fitzpatrick)}
    return {
        "settings": asdict(person.settings),
        "truth": person.truth.describe() | more,
        "frames": len(person.times_s),
        "duration_s": person.duration_s,
        "versions": {"perfuse": perfuse.__version__, "numpy": np.__version__},
    }


def write_json(path: Path, content: Any) -> None:
    """Write JSON with a line per entry; NaN is refused."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def write_csv(path: Path, **columns: NDArray[Any]) -> None:
    """Write columns of equal length under their names: times to a microsecond, the rest to 6 significant digits."""
    kinds = {"b": "%d", "i": "%d", "u": "%d", "f": "%.6g"}
    formats = ["%.6f" if name.endswith("_s") else kinds[values.dtype.kind] for name, values in columns.items()]
    table = np.stack([np.asarray(values, np.float64) for values in columns.values()], axis=1)
    np.savetxt(path, table, formats, ",", header=",".join(columns), comments="", encoding="utf-8")


def write_png(path: Path, picture: Picture) -> None:
    """Write an (H, W, 3) picture without loss."""
    from PIL import Image

    Image.fromarray(picture).save(path, "PNG", compress_level=QUICK)


def at_frames(time_s: F64, values: F64, valid: NDArray[np.bool_], moments: F64) -> F64:
    """Sample a sensor at other moments by straight lines between what it measured; zeros where it never did."""
    if not valid.any():
        return np.zeros(len(moments))
    return np.interp(moments, time_s[valid], values[valid])


def scaled(values: F64, low: float, high: float) -> F64:
    """Stretch values to a range; a sensor that shows nothing gives the middle of it."""
    span = float(np.ptp(values))
    if span <= 0:
        return np.full(len(values), 0.5 * (low + high))
    return np.asarray(low + (high - low) * (values - values.min()) / span)
