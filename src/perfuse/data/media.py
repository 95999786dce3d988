"""Ways into pictures and tables that data sets share; every function here can be part of a pickled recording."""

from __future__ import annotations

import csv
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import MissingExtraError, SourceError
from perfuse.core.frame import Frame
from perfuse.data.recording import Signal
from perfuse.video import FrameStream, SourceInfo, TraceStream, open_source

F64 = NDArray[np.float64]

BETWEEN = r"[^\S\t]*[,;\t][^\S\t]*|[^\S\t]+"
"""What separates numbers: one comma, semicolon or tab with blanks around it, or blanks alone."""

ARCHIVE_ERRORS = (OSError, BadZipFile, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, zlib.error)
"""What damaged or locked ZIP files raise."""


def natural(path: Path | str) -> list[tuple[int, int | str]]:
    """Sort key of names in which numbers count by value: s2 before s10."""
    text = path if isinstance(path, str) else path.as_posix()
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", text) if part]


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
        If it cannot be read, or is a table of colours; it names the whole path (data sets call many files alike).
    """
    try:
        stream = open_source(path, rate_hz=rate_hz)
    except SourceError as error:
        if str(path) in error.problem:
            raise
        raise SourceError(f"{path} cannot be used: {error.problem}", error.remedy) from error
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
            raise SourceError(
                f"{archive} cannot be read ({error}).", "Check that it was copied completely."
            ) from error
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


def on_clock(times_s: F64, columns: Mapping[str, F64], source: Path | str) -> dict[str, Signal]:
    """Make signals of columns that share a clock; of moments written twice in a row the first counts.

    Parameters
    ----------
    times_s : ndarray, (N,)
        Seconds.
    columns : mapping of str to ndarray, (N,)
        Name of the signal to its values; NaN where there is none.
    source : Path or str
        What the times were read from, for the message.

    Raises
    ------
    SourceError
        If times are no numbers or go back.
    """
    bad = np.flatnonzero(~np.isfinite(times_s))
    if len(bad):
        raise SourceError(
            f"{source} has no time for sample {bad[0] + 1} of {len(times_s)}.", "Check that it was copied completely."
        )
    back = np.flatnonzero(np.diff(times_s) < 0)
    if len(back):
        raise SourceError(
            f"The times in {source} go back after sample {back[0] + 1} ({times_s[back[0]]:.6g} s).",
            "Times have to increase; leave this recording out.",
        )
    keep = np.diff(times_s, prepend=-np.inf) > 0  # oximeters write some moments twice
    return {name: Signal(times_s[keep], np.asarray(values, np.float64)[keep]) for name, values in columns.items()}


def shown(values: F64) -> F64:
    """Return what a monitor showed, NaN where it showed zero: a rate or a saturation of 0 means no reading."""
    return np.where(values > 0, values, np.nan)


def read_columns(path: Path, *, delimiter: str | None = None) -> dict[str, F64]:
    """Read a table with a line of names: name (as written, without spaces around) to values, NaN where no number is.

    Raises
    ------
    SourceError
        If it cannot be read or has no names.
    """
    lines = read_lines(path)
    mark = delimiter or next((m for m in (";", "\t", ",") if lines and m in lines[0]), ",")
    try:
        rows = list(csv.reader(lines, delimiter=mark))
    except csv.Error as error:
        raise SourceError(f"{path} is no table ({error}).", "Check that it was copied completely.") from error
    if len(rows) < 2:
        raise SourceError(f"{path} holds no table.", "Expected a line of column names and rows of numbers.")
    names = [name.strip().strip("\ufeff") for name in rows[0]]
    body = [row for row in rows[1:] if any(cell.strip() for cell in row)]
    return {
        name: np.array([number(row[i]) if i < len(row) else np.nan for row in body]) for i, name in enumerate(names)
    }


def read_numbers(path: Path) -> NDArray[np.float64]:
    """Read numbers that stand in rows, separated by blanks, tabs, commas or semicolons: (rows, columns), NaN-padded.

    Blanks count once, however many; between two commas, semicolons or tabs a number is missing (NaN).

    Raises
    ------
    SourceError
        If it cannot be read or holds no number.
    """
    rows = [[number(cell) for cell in re.split(BETWEEN, line.strip())] for line in read_lines(path) if line.strip()]
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


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises
    ------
    SourceError
        If it is missing or no JSON.
    """
    try:
        return json.loads("\n".join(read_lines(path)))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} is no JSON ({error}).", "Check that it was copied completely.") from error


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
