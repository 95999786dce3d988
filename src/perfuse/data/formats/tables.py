"""Tables of numbers in texts, with and without a line of names."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.formats.files import WHOLE
from perfuse.data.formats.texts import number, read_lines
from perfuse.data.recording import F64

MARKS = ";\t,"
"""What may stand between cells; the first of these that is in the first line does."""


def read_rows(path: Path) -> list[list[str]]:
    """Return the cells of a table, without blanks around; rows in which nothing stands are left out.

    Raises
    ------
    SourceError
        If it cannot be read.
    """
    lines = read_lines(path)
    mark = next((m for m in MARKS if lines and m in lines[0]), ",")
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark)]
    except csv.Error as error:
        raise SourceError(f"{path} is no table ({error}).", WHOLE) from error
    return [row for row in rows if any(row)]


def read_table(path: Path) -> dict[str, F64]:
    """Read a table with a line of names: name (as written) to values, NaN where no number is.

    Raises
    ------
    SourceError
        If it cannot be read, has no names, or no number.
    """
    rows = read_rows(path)
    if len(rows) < 2:
        raise SourceError(f"{path} holds no table.", "Expected is a line of column names and rows of numbers.")
    table = {
        name: np.array([number(row[i]) if i < len(row) else np.nan for row in rows[1:]])
        for i, name in enumerate(rows[0])
    }
    if not any(np.isfinite(values).any() for values in table.values()):
        raise SourceError(f"{path} holds no numbers.", WHOLE)
    return table


def column(table: Mapping[str, F64], path: Path, *names: str) -> F64:
    """Return the first column of a table that has one of the names, in whatever case.

    Raises
    ------
    SourceError
        If there is none; the message lists the columns.
    """
    there = {name.lower(): values for name, values in table.items()}
    for name in names:
        if name.lower() in there:
            return there[name.lower()]
    expected = f"Expected is one called {' or '.join(names)}."
    raise SourceError(f"{path} has the columns {', '.join(table)[:200]}.", expected)


def read_numbers(path: Path) -> F64:
    """Read numbers that stand in rows, separated by blanks, tabs, commas or semicolons: (rows, columns), NaN-padded.

    Blanks count once, however many; between two commas, semicolons or tabs a number is missing (NaN).

    Raises
    ------
    SourceError
        If it cannot be read or holds no number.
    """
    rows = [_numbers(line.strip()) for line in read_lines(path) if line.strip()]
    table = np.full((len(rows), max((len(row) for row in rows), default=0)), np.nan)
    for row, numbers in zip(table, rows):
        row[: len(numbers)] = numbers
    if not np.isfinite(table).any():
        raise SourceError(f"{path} holds no numbers.", WHOLE)
    return table


def _numbers(line: str) -> list[float]:
    cells = re.split(f"[{MARKS}]", line)
    if len(cells) == 1:
        return [number(part) for part in line.split()]
    found: list[float] = []
    for cell in cells:
        inside = [number(part) for part in cell.split()]
        # several numbers in a cell are several; a date and its time are one cell that is no number
        found += inside if len(inside) > 1 and np.isfinite(inside).all() else [number(cell)]
    return found


def read_series(path: Path, *names: str) -> F64:
    """Read one column of a text: the one that has one of the names; else the only one, whether it has a name or not.

    Raises
    ------
    SourceError
        If it cannot be read, holds no number, or has several columns and none of that name.
    """
    lines = [line.strip() for line in read_lines(path) if line.strip()]
    if not lines or re.search(f"[{MARKS}]", lines[0]):
        return column(read_table(path), path, *names)
    titled = np.isnan(number(lines[0])) and lines[0].lower() != "nan"
    values = np.array([number(line) for line in lines[titled:]], np.float64)
    if not np.isfinite(values).any():
        raise SourceError(f"{path} holds no numbers.", WHOLE)
    return values
