"""Single pictures as a video, in a folder or in a ZIP archive, and the times that their numbers tell."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import SourceError
from perfuse.core.frame import Frame
from perfuse.data.formats.files import WHOLE
from perfuse.data.recording import F64
from perfuse.video import FrameStream, SourceInfo

ARCHIVE_ERRORS = (OSError, BadZipFile, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, zlib.error)
"""What damaged or locked ZIP files raise."""


def open_pictures(
    paths: Sequence[Path | str], times_s: F64, name: str, *, archive: Path | None = None
) -> FrameStream:
    """Open single pictures (PNG, JPEG, BMP, ...) as frames at the times given, one each.

    A picture that cannot be read leaves a gap, and a warning that names it.

    Parameters
    ----------
    paths : sequence of Path or str
        Files, or names within an archive.
    times_s : ndarray, (N,)
        One time each.
    name : str
        What the pictures are called together.
    archive : Path, optional
        ZIP file that holds them.

    Raises
    ------
    SourceError
        If there is none, or not one can be read.
    """
    warnings: list[str] = []
    close: Callable[[], None] = lambda: None  # noqa: E731
    take: Callable[[Path | str], BinaryIO | Path] = lambda path: Path(path)  # noqa: E731
    if archive is not None:
        try:
            packed = ZipFile(archive)
        except ARCHIVE_ERRORS as error:
            raise SourceError(f"{archive} cannot be read ({error}).", WHOLE) from error
        close, take = packed.close, lambda path: BytesIO(packed.read(str(path)))
    frames = _pictures(paths, times_s, take, warnings)
    first = next(frames, None)
    if first is None:
        close()
        why = f" ({warnings[0]})" if warnings else ""
        raise SourceError(f"{name} holds no picture that can be read{why}.", "Check that it was unpacked completely.")
    info = SourceInfo(name, "frames", first.width, first.height, frames=len(paths))
    return FrameStream(info, chain([first], frames), warnings, close)


def _pictures(
    paths: Sequence[Path | str], times_s: F64, take: Callable[[Path | str], BinaryIO | Path], warnings: list[str]
) -> Iterator[Frame]:
    for path, time_s in zip(paths, times_s.tolist()):
        try:
            frame = Frame.from_rgb(read_picture(take(path)), time_s)
        except Exception as error:  # damaged files make Pillow and zipfile raise nearly anything
            warnings.append(f"{path} cannot be read ({type(error).__name__}: {error}).")
            continue
        yield frame
    if len(paths) > len(times_s):
        warnings.append(f"There are {len(paths)} pictures and {len(times_s)} times; the last pictures are left out.")


def read_picture(file: Path | BinaryIO) -> NDArray[np.generic]:
    """Read a picture as (H, W, 3) or (H, W), 8 or 16 bits; what Pillow raises for a damaged one passes through."""
    from PIL import Image

    with Image.open(file) as picture:
        # 16-bit grey comes as it is; everything else as red, green, blue of 8 bits
        return np.array(picture if picture.mode in ("RGB", "L", "I;16") else picture.convert("RGB"))


def picture_times(names: Sequence[str], rate_hz: float, first: int | None = None) -> F64:
    """Return times of pictures that are numbered in their names, seconds from the first, at an even rate.

    Where the numbers count pictures (most of them one apart) a missing picture leaves a gap in time; where they are
    something else the pictures are taken to follow one another.

    Parameters
    ----------
    names : sequence of str
        In order of time; the last number of each counts.
    rate_hz : float
        Pictures per second.
    first : int, optional
        Number of the picture at 0 s; by default the lowest there is.
    """
    found = [re.findall(r"\d+", name) for name in names]
    order = np.arange(len(names)) / rate_hz
    if not names or not all(found):
        return order
    numbers = np.array([float(digits[-1]) for digits in found])
    steps = np.diff(numbers)
    if (steps <= 0).any() or (len(steps) and (np.mean(steps == 1) < 0.5 or steps.sum() > 4 * len(names))):
        return order
    return np.asarray((numbers - (numbers[0] if first is None else first)) / rate_hz)
