"""What scenes are made of, and how tests look at what a reader found."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from media import clip, encode
from perfuse.core.frame import Frame
from perfuse.data.readers.known import get_reader
from perfuse.data.recording import Problem, Recording
from perfuse.video import TraceStream

NAN = np.nan
PICTURES = clip(12, 16, 16)
MAT73 = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 .".ljust(124) + b"\x00\x02IM"


@dataclass
class Scene:
    """What a writer made: ids and subjects in order, and everything about one recording, the first unless named.

    ``signals``: name to times and values. ``numbered``: every picture tells its number (see :func:`picture`).
    ``radar``: shape of what the radar saw. ``spare``: files whose absence is no damage.
    """

    ids: list[str]
    subjects: list[str]
    times_s: np.ndarray
    signals: dict[str, tuple[np.ndarray, np.ndarray]]
    about: dict = field(default_factory=dict)
    numbered: bool = False
    cropped: bool = False
    radar: tuple[int, ...] | None = None
    spare: frozenset[str] = frozenset()


def found(name: str, root: Path) -> tuple[list[Recording], list[Problem]]:
    items = list(get_reader(name).find(root))
    recordings = [item for item in items if isinstance(item, Recording)]
    assert len({recording.id for recording in recordings}) == len(recordings)
    return recordings, [item for item in items if isinstance(item, Problem)]


def one(name: str, root: Path) -> Recording:
    """Return the only recording of a folder."""
    (recording,) = found(name, root)[0]
    return recording


def by_id(name: str, root: Path) -> tuple[dict[str, Recording], list[Problem]]:
    recordings, problems = found(name, root)
    return {recording.id: recording for recording in recordings}, problems


def seen(recording: Recording) -> tuple[list[Frame], list[str]]:
    """Return all frames, and the warnings."""
    with recording.video() as stream:
        frames = list(stream)
        return frames, list(stream.warnings)


def opened(recording: Recording) -> tuple[np.ndarray, list[str]]:
    """Return the times of all frames, or of a trace, and the warnings."""
    with recording.video() as stream:
        if isinstance(stream, TraceStream):
            return stream.data.time_s, stream.warnings
        return np.array([frame.time_s for frame in stream]), stream.warnings


def picture(index: int, height: int = 24, width: int = 32) -> np.ndarray:
    """A picture that tells its number: every pixel is (i, 2 i, 255 - i)."""
    return np.broadcast_to(np.array([index, 2 * index, 255 - index], np.uint8), (height, width, 3)).copy()


def numbered_pictures(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        Image.fromarray(picture(index)).save(folder / name)


def png(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(path)


def raw_film(path: Path, count: int, rate_hz: int) -> np.ndarray:
    """Write an AVI of raw pictures; return the times of its frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [picture(index) for index in range(count)]
    encode(path, frames, codec="rawvideo", pixel_format="bgr24", rate=rate_hz, tick=None)
    return np.arange(count) / rate_hz


def avi(path: Path, count: int = 12, rate: int = 30) -> Path:
    """Write a Motion JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return encode(path, PICTURES[:count], codec="mjpeg", pixel_format="yuvj420p", tick=None, rate=rate)


def film(path: Path, times_s: np.ndarray | None = None, count: int = 12) -> Path:
    """Write H.264."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return encode(path, PICTURES[:count], times_s)


def litter(*folders: Path) -> None:
    for folder in folders:
        for name in (".DS_Store", "Thumbs.db", "._x", "desktop.ini"):
            (folder / name).write_bytes(b"\0\1litter")
        (folder / "__MACOSX").mkdir(exist_ok=True)


def heart(count: int, rate_hz: float) -> np.ndarray:
    """A pulse of 1.3 Hz."""
    return np.round(50 + 40 * np.sin(2 * np.pi * 1.3 * np.arange(count) / rate_hz), 4)


def wave(count: int, hole: int | None = 3) -> np.ndarray:
    """Numbers with a hole in them."""
    values = np.round(np.sin(np.arange(count) / 3.0), 3)
    if hole is not None:
        values[hole] = NAN
    return values


def even(count: int, rate: float, start: float = 0.0) -> np.ndarray:
    """Times of an even rate."""
    return start + np.arange(count) / rate


def spaced(values: np.ndarray, rate_hz: float, start_s: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Times of an even rate, and the values."""
    return start_s + np.arange(len(values)) / rate_hz, values


def a_line_each(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(f"{value:.4f}" for value in values) + "\n")


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def table(path: Path, **columns: np.ndarray) -> Path:
    rows = zip(*columns.values())
    return put(path, "\n".join([",".join(columns), *(",".join(map(repr, map(float, row))) for row in rows)]) + "\n")


def mat73(path: Path, **content: np.ndarray) -> None:
    """Write what MATLAB 7.3 writes: HDF5 behind a header of 512 bytes, axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in content.items():
            file.create_dataset(name, data=values.T, chunks=True if values.ndim > 2 else None)
    with path.open("r+b") as raw:
        raw.write(MAT73)


def clip4(count: int, kind: type = np.float32) -> np.ndarray:
    """Frames as MATLAB files hold them, (T, H, W, 3) 0..1."""
    return np.stack([picture(index) for index in range(count)]).astype(kind) / kind(255)


def dump(path: Path, content: object, protocol: int = 4) -> None:
    with path.open("wb") as file:
        pickle.dump(content, file, protocol)


class Attack:
    """What must never run."""

    def __reduce__(self):
        return os.system, ("touch perfuse-was-here",)


def chirps(count: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3000, 3000, (count, 256, 2), dtype=np.int16)


def expected(adc: np.ndarray) -> np.ndarray:
    """Range bins of chirps."""
    return np.fft.fft(adc[:, :, 0] + 1j * adc[:, :, 1].astype(float), axis=1)
