"""Small media for tests, written with PyAV: `from media import clip, encode, ...`.

Deliberately apart from perfuse.video.write: what reads must not be tested only against what writes.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

TICK = Fraction(1, 90_000)
FACE = (190, 130, 100)


def pattern(height: int = 48, width: int = 64, shift: float = 0.0) -> np.ndarray:
    """Smooth, lopsided colours (no symmetry, no clipping): uint8 (height, width, 3)."""
    y, x = np.mgrid[0:height, 0:width]
    y, x = (y + 0.5) / height, (x + 0.5) / width
    rgb = [60 + 120 * x + 30 * y, 90 + 100 * y - 40 * x * y, 150 - 80 * x + 20 * np.sin(3 * y)]
    return np.clip(np.rint(np.stack(rgb, axis=2) + shift), 0, 255).astype(np.uint8)


def clip(count: int = 10, height: int = 48, width: int = 64, step: float = 1.0) -> list[np.ndarray]:
    """`count` pictures, each `step` levels brighter than the one before."""
    return [pattern(height, width, step * index) for index in range(count)]


def steady(count: int, rate_hz: float = 30.0, start_s: float = 0.0) -> np.ndarray:
    """Times of a constant frame rate."""
    return start_s + np.arange(count) / rate_hz


def encode(
    path: Path,
    pictures: list[np.ndarray],
    times_s: np.ndarray | None = None,
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    container: str | None = None,
    container_options: dict[str, str] | None = None,
    rate: int = 30,
    tick: Fraction | None = TICK,
    colorspace: int | None = None,
    color_range: int | None = None,
    rotation: tuple[int, bool, bool] | None = None,
    source_format: str = "rgb24",
    sound: bool = False,
) -> Path:
    """Write pictures to a video.

    `tick` None: frame n at n / rate in a time base of 1 / rate (for AVI and raw streams). `colorspace` and
    `color_range` tag the stream and steer the conversion. `rotation`: counter-clockwise degrees, mirror
    horizontally, vertically. `source_format`: of the arrays, as `VideoFrame.from_ndarray` names it.
    """
    times = steady(len(pictures), rate) if times_s is None else times_s
    # Without it mp4 rounds the first time to a millisecond.
    scale = {"movie_timescale": "90000"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", format=container, container_options=scale | (container_options or {})) as out:
        stream = out.add_stream(codec, rate=rate, options=options or {})
        first = av.VideoFrame.from_ndarray(pictures[0], source_format)
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, pixel_format
        context = stream.codec_context
        if tick is not None:
            context.time_base = tick
        if colorspace is not None:
            context.colorspace = colorspace
        if color_range is not None:
            context.color_range = color_range
        if rotation is not None:
            stream.set_display_rotation(rotation[0], hflip=rotation[1], vflip=rotation[2])
        voice = out.add_stream("aac", rate=16000) if sound else None
        for index, (array, time_s) in enumerate(zip(pictures, times)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), source_format)
            if source_format != pixel_format:
                frame = frame.reformat(
                    format=pixel_format,
                    dst_colorspace=colorspace,
                    dst_color_range=color_range,
                    interpolation="BILINEAR",
                )
            if colorspace is not None:
                frame.colorspace = colorspace
            if color_range is not None:
                frame.color_range = color_range
            frame.time_base = tick or Fraction(1, rate)
            frame.pts = index if tick is None else round(time_s / tick)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if voice is not None:
            _mux_sound(out, voice, float(times[-1] - times[0]) + 0.1)
    return path


def _mux_sound(out, voice, seconds: float) -> None:
    count = int(seconds * 16000)
    for start in range(0, count, 1024):
        tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(start, start + 1024) / 16000)
        frame = av.AudioFrame.from_ndarray(tone[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, start, Fraction(1, 16000)
        out.mux(voice.encode(frame))
    out.mux(voice.encode(None))


def sound_only(path: Path) -> Path:
    """Write half a second of a tone."""
    with av.open(str(path), "w") as out:
        _mux_sound(out, out.add_stream("aac" if path.suffix != ".wav" else "pcm_s16le", rate=16000), 0.5)
    return path


def cut(path: Path, target: Path, share: float) -> Path:
    """Copy the first `share` of a file."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def scratch(path: Path, target: Path, seed: int, places: int = 4, length: int = 150) -> Path:
    """Copy a file with a few stretches in its middle replaced by noise."""
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for start in rng.integers(len(data) // 4, len(data) * 3 // 4, places):
        data[start : start + length] = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
    target.write_bytes(data)
    return target
