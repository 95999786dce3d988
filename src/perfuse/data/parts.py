"""Parts that readers of real data sets share: folders and files by name, tables, times that increase."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import SourceError
from perfuse.data.folders import LITTER
from perfuse.data.media import natural, number, read_columns, read_lines
from perfuse.data.recording import Problem, Recording, Signal
from perfuse.video import FrameStream, TraceStream, open_source

F64 = NDArray[np.float64]
WHOLE = "Check that it was copied completely."
LAYOUT = "Check the layout of the data set."


def reach(root: Path, name: str, depth: int) -> list[Path]:
    """Return the folders whose whole name matches, up to ``depth`` levels below ``root`` (1: its own folders).

    A folder that matches is not searched further; numbers in names count by value; links are followed, hidden
    folders are not.
    """
    found: list[Path] = []
    level = [root]
    for _ in range(depth):
        below = [inner for folder in level for inner in contents(folder)[0]]
        found += [folder for folder in below if re.fullmatch(name, folder.name, re.IGNORECASE)]
        level = [folder for folder in below if not re.fullmatch(name, folder.name, re.IGNORECASE)]
    return sorted(found, key=lambda folder: (natural(folder.name), natural(folder)))


def within(root: Path, name: str, depth: int) -> Iterator[Path]:
    """Yield files whose whole name matches, up to ``depth`` levels below ``root`` (1: in it), numbers by value."""
    level = [root]
    for _ in range(depth):
        below: list[Path] = []
        for folder in level:
            folders, files = contents(folder)
            below += folders
            yield from (file for file in files if re.fullmatch(name, file.name, re.IGNORECASE))
        level = below


def contents(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the folders and the files in a folder, numbers by value; hidden ones, and what may not be read, are not.

    Kinds come with the listing, so folders of many pictures cost no look at each.
    """
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not LITTER.match(entry.name):
                    (folders if entry.is_dir() else files).append(entry.name)
    except OSError:
        pass
    return ([folder / n for n in sorted(folders, key=natural)], [folder / n for n in sorted(files, key=natural)])


def named(folder: Path, *names: str) -> Path | None:
    """Return the first file or folder in ``folder`` with one of the names, whatever the case; None if none has."""
    there = {entry.name.lower(): entry for group in contents(folder) for entry in reversed(group)}
    return next((there[name.lower()] for name in names if name.lower() in there), None)


def absent(path: Path, recording: str | None = None, *, why: str = "", dropped: bool = True) -> Problem:
    """Return the problem that a file is not there."""
    return Problem("missing", str(path), f"There is no file {path}. {why}".strip(), recording, dropped)


def distinct(found: Iterator[Recording | Problem], nothing: Problem) -> Iterator[Recording | Problem]:
    """Pass on what was found; a second recording of one name becomes a problem, and so does nothing at all."""
    seen: dict[str, Path] = {}
    empty = True
    for item in found:
        empty = False
        if isinstance(item, Recording):
            place = item.files[0]
            if item.id in seen:
                yield Problem("duplicate", str(place), f"{place} and {seen[item.id]} are both {item.id}.", item.id)
                continue
            seen[item.id] = place
        yield item
    if empty:
        yield nothing


def placed(times_s: NDArray[Any], values: NDArray[Any]) -> Signal:
    """Return a signal without the samples whose time is no number or does not increase."""
    times, numbers = np.asarray(times_s, np.float64), np.asarray(values, np.float64)
    known = np.isfinite(times)
    times, numbers = times[known], numbers[known]
    rising = times > np.concatenate([[-np.inf], np.maximum.accumulate(times)[:-1]]) if len(times) else known[:0]
    return Signal(times[rising], numbers[rising])


def rising(times_s: F64, file: Path) -> F64:
    """Return times that frames are given in order.

    Raises
    ------
    SourceError
        If there is none, one is no number, or one is smaller than the one before.
    """
    if not len(times_s) or not np.isfinite(times_s).all() or (np.diff(times_s) < 0).any():
        raise SourceError(f"The times in {file} are not all there, or go back.", "Leave this recording out.")
    return times_s


def column(table: Mapping[str, F64], file: Path, *names: str) -> F64:
    """Return the first column that has one of the names, whatever the case and the spaces around.

    Raises
    ------
    SourceError
        If there is none; the message lists the columns.
    """
    there = {name.lower(): values for name, values in table.items()}
    for name in names:
        if name.lower() in there:
            return there[name.lower()]
    raise SourceError(
        f"{file} has the columns {', '.join(table)[:200]}.", f"Expected is one called {' or '.join(names)}."
    )


def read_table(path: Path) -> dict[str, F64]:
    """Read a table with a line of names (see :func:`perfuse.data.media.read_columns`).

    Raises
    ------
    SourceError
        If it cannot be read, has no names, or no number.
    """
    table = read_columns(path)
    if not any(np.isfinite(values).any() for values in table.values()):
        raise SourceError(f"{path} holds no numbers.", WHOLE)
    return table


def read_single(path: Path, *names: str) -> F64:
    """Read one column: the one that has one of the names; else the only one, whether or not it has a name.

    Raises
    ------
    SourceError
        If it cannot be read, holds no number, or has several columns and none of that name.
    """
    lines = [line.strip() for line in read_lines(path) if line.strip()]
    if lines and not re.search(r"[,;\t]", lines[0]):
        body = lines[1:] if np.isnan(number(lines[0])) and lines[0].lower() != "nan" else lines
        values = np.array([number(line) for line in body], np.float64)
        if not np.isfinite(values).any():
            raise SourceError(f"{path} holds no numbers.", WHOLE)
        return values
    return column(read_table(path), path, *names)


def per_frame(values: F64, times_s: F64, rate_hz: float) -> Signal:
    """Place one value per frame; values beyond the last frame follow at the nominal rate."""
    extra = len(values) - len(times_s)
    times = times_s[: len(values)]
    if extra > 0:
        times = np.concatenate([times, times_s[-1] + np.arange(1, extra + 1) / rate_hz])
    return placed(times, values)


def open_trace(path: Path, rate_hz: float | None = None) -> TraceStream:
    """Open a table of mean colours.

    Raises
    ------
    SourceError
        If it cannot be read or is none.
    """
    stream = open_source(path, rate_hz=rate_hz)
    if isinstance(stream, FrameStream):
        stream.close()
        raise SourceError(f"{path} is a video, not a table of colours.", LAYOUT)
    return stream
