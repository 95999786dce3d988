"""Colour traces: a table with one row per frame, mean red, green and blue, as phone and laboratory programs write."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import SourceError
from perfuse.video.stream import SourceInfo, check_rate

SUFFIXES = (".csv", ".tsv")

_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "usec", "micros", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nsec", "nanos", "nanosecond", "nanoseconds"), 1e-9),
}
_TIME_WORDS = {"time", "t", "timestamp", "timestamps", "times", "elapsed"}
_COLOUR_WORDS = {"r": 0, "red": 0, "g": 1, "green": 1, "b": 2, "blue": 2}
_FILLERS = {"mean", "avg", "average", "value", "channel", "intensity", "skin", "frame"}
_PLAUSIBLE_HZ = (3.0, 400.0)
"""Frame rates between which the unit of a time column is guessed; narrower than 1000, so that only one fits."""
_EXPECTED = "Expected are columns for time and for red, green, blue, named in a first line such as time_s,R,G,B."


@dataclass(frozen=True, slots=True)
class TraceData:
    """A whole trace.

    Attributes
    ----------
    time_s : ndarray, float64, (N,)
        Seconds, increasing.
    rgb : ndarray, float64, (N, 3)
        Mean red, green, blue, in the file's own unit; finite. The colour is repeated where the file has only one.
    info : SourceInfo
    warnings : tuple of str
        What was assumed, and what was dropped.
    """

    time_s: NDArray[np.float64]
    rgb: NDArray[np.float64]
    info: SourceInfo
    warnings: tuple[str, ...]


class TraceStream:
    """A trace in the shape of a stream: iterating gives (time_s, (3,) array) row by row.

    Attributes
    ----------
    data : TraceData
        Everything at once; rows of a trace are small.
    info : SourceInfo
    warnings : list of str
    """

    def __init__(self, data: TraceData) -> None:
        self.data = data
        self.info = data.info
        self.warnings = list(data.warnings)

    def __enter__(self) -> TraceStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[float, NDArray[np.float64]]]:
        return zip(self.data.time_s.tolist(), self.data.rgb)

    def close(self) -> None:
        """Do nothing: the file was closed after reading."""


def read_trace(path: str | os.PathLike[str], *, rate_hz: float | None = None) -> TraceData:
    """Read a trace of mean colours.

    Parameters
    ----------
    path : str or path
        Text, separated by commas, semicolons (then decimal commas are understood) or tabs, with a line of names:
        time, t, timestamp, ms, time_s, ... and R, G, B or red, green, blue in any case and order; other columns are
        ignored. Without names, three columns are red, green, blue and four are time, red, green, blue. A single
        colour is repeated in all three channels: good enough for the method ``green``, no use to colour methods.
    rate_hz : float, optional
        Rows per second where there is no time column; otherwise ignored, with a warning.

    Returns
    -------
    TraceData
        Rows without finite numbers, and rows whose time does not increase, are dropped and counted in its warnings.

    Raises
    ------
    SourceError
        If the file cannot be read, holds no numbers, lacks the columns, or lacks time while no rate is given.
    """
    rate = check_rate(rate_hz)
    name = Path(path).name
    rows, decimal_comma = _read_rows(Path(path))
    warnings: list[str] = []
    time_column, unit, colours, first = _find_columns(rows, name, warnings)
    wanted = colours if time_column is None else [time_column, *colours]
    body = rows[first:]
    table = np.array([[_number(row, c, decimal_comma) for c in wanted] for row in body]).reshape(-1, len(wanted))
    good = np.isfinite(table).all(axis=1)
    if not good.any():
        raise SourceError(f"{name} holds no complete row of numbers.", _EXPECTED)
    if not good.all():
        warnings.append(f"{np.count_nonzero(~good)} rows without finite numbers were dropped.")
    if time_column is None:
        if rate is None:
            raise SourceError(
                f"{name} has no time column.",
                "State its rows per second (--rate HZ; rate_hz= in Python), or add a column time_s.",
            )
        time_s = np.flatnonzero(good) / rate  # dropped rows leave a gap
        rgb = table[good]
    else:
        if rate is not None:
            warnings.append("The stated frame rate was not needed: the trace carries times, and these count.")
        time_s, rgb = table[good, 0], table[good, 1:]
        time_s = time_s * (unit or _guess_unit(time_s, name, warnings))
        rising = time_s > np.concatenate([[-np.inf], np.maximum.accumulate(time_s)[:-1]])
        if not rising.all():
            warnings.append(f"{np.count_nonzero(~rising)} rows were dropped because their time did not increase.")
        time_s, rgb = time_s[rising], rgb[rising]
    rgb = np.ascontiguousarray(np.broadcast_to(rgb, (len(rgb), 3)))
    length = float(time_s[-1] - time_s[0])
    info = SourceInfo(name, "trace", nominal_rate_hz=rate, frames=len(time_s), duration_s=length)
    return TraceData(time_s, rgb, info, tuple(warnings))


def _read_rows(path: Path) -> tuple[list[list[str]], bool]:
    """Return the cells of all lines but empty and comment ones, and whether commas may be decimal."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read ({error.strerror}).", "Check the path and its permissions."
        ) from error
    wide = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = raw.decode("utf-16" if wide else "utf-8-sig", errors="replace")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise SourceError(f"{path.name} is empty.", _EXPECTED)
    separator = next((s for s in "\t;" if s in lines[0]), ",")
    try:
        return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)], separator != ","
    except csv.Error as error:
        raise SourceError(f"{path.name} is not a table ({error}).", _EXPECTED) from error


def _number(row: list[str], column: int, decimal_comma: bool) -> float:
    """Return a cell as a number, NaN where it is none."""
    if column >= len(row):
        return np.nan
    text = row[column].replace(",", ".") if decimal_comma else row[column]
    try:
        return float(text)
    except ValueError:
        return np.nan


def _find_columns(
    rows: list[list[str]], name: str, warnings: list[str]
) -> tuple[int | None, float | None, list[int], int]:
    """Return the time column, its unit in seconds where named, the colour columns, and the first row of numbers."""
    head = rows[0]
    if all(np.isfinite(_number(head, column, True)) for column in range(len(head))):
        if len(head) not in (3, 4):
            raise SourceError(f"{name} has {len(head)} columns without names.", _EXPECTED)
        order = "red, green, blue" if len(head) == 3 else "time, red, green, blue"
        warnings.append(f"The columns have no names; {order} were assumed.")
        return (None, None, [0, 1, 2], 0) if len(head) == 3 else (0, None, [1, 2, 3], 0)
    time_column, unit = None, None
    colours: dict[int, int] = {}
    for column, title in enumerate(head):
        words = [word for word in re.split(r"[^a-z]+", title.lower()) if word and word not in _FILLERS]
        units = [_UNITS[word] for word in words if word in _UNITS]
        if words and all(word in _TIME_WORDS or word in _UNITS for word in words) and time_column is None:
            time_column, unit = column, units[0] if units else None
        elif len(words) == 1 and words[0] in _COLOUR_WORDS:
            colours.setdefault(_COLOUR_WORDS[words[0]], column)
    if len(colours) not in (1, 3):
        raise SourceError(f"{name} has the columns {', '.join(head)[:200]}.", _EXPECTED)
    if len(colours) == 1:
        warnings.append("There is one colour only, repeated as red, green and blue: use the method green.")
    return time_column, unit, [colours[channel] for channel in sorted(colours)], 1


def _guess_unit(times: NDArray[np.float64], name: str, warnings: list[str]) -> float:
    """Return the unit in seconds for which the rows follow one another at the pace of video."""
    steps = np.diff(times)
    steps = steps[steps > 0]
    if not len(steps):
        raise SourceError(f"{name}: the unit of its time column is unknown.", "Name the column time_s or time_ms.")
    step = float(np.median(steps))
    for word in ("seconds", "milliseconds", "microseconds", "nanoseconds"):
        rate = 1 / (step * _UNITS[word])
        if _PLAUSIBLE_HZ[0] <= rate <= _PLAUSIBLE_HZ[1]:
            warnings.append(f"The time column names no unit; {word} were assumed ({rate:.1f} rows per second).")
            return _UNITS[word]
    raise SourceError(
        f"{name}: times {step:g} apart (median) fit no usual unit.", "Name the column time_s or time_ms."
    )
