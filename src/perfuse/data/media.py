"""Ways into pictures and tables that data sets share; every function here can be part of a pickled recording."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import MissingExtraError, SourceError
from perfuse.core.frame import Frame
from perfuse.video import FrameStream, SourceInfo, TraceStream, open_source

F64 = NDArray[np.float64]


def natural(path: Path | str) -> list[tuple[int, int | str]]:
    """Sort key of names in which numbers count by value: s2 before s10."""
    text = path if isinstance(path, str) else path.as_posix()
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", text) if part]


def listed(folder: Path, pattern: str) -> list[Path]:
    """Return what matches a glob pattern below a folder, numbers by value; nothing where it cannot be read."""
    try:
        return sorted(folder.glob(pattern), key=natural)
    except OSError:
        return []


def open_film(path: Path, rate_hz: float | None = None) -> FrameStream:
    """Open a video file with the times of its container.

    Raises
    ------
    SourceError
        If it cannot be read, or is a table of colours.
    """
    stream = open_source(path, rate_hz=rate_hz)
    if isinstance(stream, TraceStream):
        raise SourceError(f"{path} is a table, not a video.", "Check the layout of the data set.")
    return stream


def retimed(stream: FrameStream, times_s: F64, source: str) -> FrameStream:
    """Give the frames of a stream the times a data set states for them, in order.

    Frames beyond the last stated time are left out with a warning; so are stated times without a frame.
    """
    warnings: list[str] = []
    return FrameStream(stream.info, _retimed(stream, times_s, source, warnings), warnings, stream.close)


def _retimed(stream: FrameStream, times_s: F64, source: str, warnings: list[str]) -> Iterator[Frame]:
    count = extra = 0
    for frame in stream:
        if count < len(times_s):
            yield Frame(float(times_s[count]), frame.planes, frame.to_rgb)
            count += 1
        else:
            extra += 1
    warnings.extend(stream.warnings)
    if extra:
        warnings.append(
            f"{source} has times for {count} frames; the last {extra} of {stream.info.name} are left out."
        )
    elif count < len(times_s):
        warnings.append(f"{source} has {len(times_s)} times, {stream.info.name} has {count} frames.")


def open_pictures(paths: Sequence[Path], times_s: F64, name: str) -> FrameStream:
    """Open single pictures (PNG, JPEG, BMP, ...) as frames at the times given, one each.

    A picture that cannot be read leaves a gap, and a warning that names it.

    Raises
    ------
    SourceError
        If there is none, or not one can be read.
    """
    warnings: list[str] = []
    frames = _pictures(paths, times_s, warnings)
    first = next(frames, None)
    if first is None:
        raise SourceError(f"{name} holds no picture that can be read.", "Check that it was unpacked completely.")
    info = SourceInfo(name, "frames", first.width, first.height, frames=len(paths))
    return FrameStream(info, chain([first], frames), warnings, lambda: None)


def _pictures(paths: Iterable[Path], times_s: F64, warnings: list[str]) -> Iterator[Frame]:
    from PIL import Image

    for path, time_s in zip(paths, times_s.tolist()):
        try:
            with Image.open(path) as picture:
                # 16-bit grey comes as it is; everything else as red, green, blue of 8 bits
                rgb = np.asarray(picture if picture.mode in ("RGB", "L", "I;16") else picture.convert("RGB"))
        except (OSError, ValueError, SyntaxError) as error:  # Pillow raises SyntaxError for broken PNG
            warnings.append(f"{path} cannot be read ({error}).")
            continue
        yield Frame.from_rgb(rgb, time_s)


def read_columns(path: Path, *, delimiter: str | None = None) -> dict[str, F64]:
    """Read a table with a line of names: name (as written, without spaces around) to values, NaN where no number is.

    Raises
    ------
    SourceError
        If it cannot be read or has no names.
    """
    lines = read_lines(path)
    mark = delimiter or next((m for m in (";", "\t", ",") if lines and m in lines[0]), ",")
    rows = list(csv.reader(lines, delimiter=mark))
    if len(rows) < 2:
        raise SourceError(f"{path} holds no table.", "Expected a line of column names and rows of numbers.")
    names = [name.strip().strip("\ufeff") for name in rows[0]]
    body = [row for row in rows[1:] if any(cell.strip() for cell in row)]
    return {
        name: np.array([number(row[i]) if i < len(row) else np.nan for row in body]) for i, name in enumerate(names)
    }


def read_numbers(path: Path) -> NDArray[np.float64]:
    """Read numbers that stand in rows, separated by spaces, tabs, commas or semicolons: (rows, columns), NaN-padded.

    Raises
    ------
    SourceError
        If it cannot be read or holds no number.
    """
    rows = [
        [number(cell) for cell in re.split(r"[\s,;]+", line.strip())] for line in read_lines(path) if line.strip()
    ]
    table = np.full((len(rows), max((len(row) for row in rows), default=0)), np.nan)
    for row, numbers in zip(table, rows):
        row[: len(numbers)] = numbers
    if not np.isfinite(table).any():
        raise SourceError(f"{path} holds no numbers.", "Check that it was copied completely.")
    return table


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text.

    Raises
    ------
    SourceError
        If it is missing or no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise SourceError(f"There is no file {path}.", "Check the layout of the data set.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read ({error}).", "Check that it was copied completely.") from error


def number(text: str) -> float:
    """Return the number a cell holds, NaN where there is none."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def need(module: str, what: str) -> None:
    """Check that an optional library is there.

    Raises
    ------
    MissingExtraError
        If not; the message says how to get it.
    """
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise MissingExtraError(f"{what} needs {module}, which is not installed.", "pip install 'perfuse[formats]'")
