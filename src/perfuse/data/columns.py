"""One column of numbers from a text, CSV, NumPy, HDF5 or MATLAB file, by name or number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.foreign import read_mat
from perfuse.data.media import need, number, read_lines, read_numbers
from perfuse.data.parts import F64, WHOLE, read_table

SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".npy", ".h5", ".hdf5", ".mat")


def read_column(path: Path, column: str | int | None) -> F64:
    """Read a column.

    Parameters
    ----------
    path : Path
        ``.npy``, ``.h5``, ``.hdf5``, ``.mat``; anything else is text: separated by commas, semicolons, tabs or
        spaces, with or without a line of names.
    column : str, int or None
        Name (of HDF5: path of a data set; of MATLAB: variable; ``:N`` after it picks a column of a matrix), or
        number from 0 on (-1: the last). None where there is only one.

    Raises
    ------
    SourceError
        If the file cannot be read, has no such column, several where none is named, or no number in it.
    """
    kind = path.suffix.lower()
    if kind == ".npy":
        values = _pick(_read_npy(path), column, path)
    elif kind in (".h5", ".hdf5", ".mat"):
        values = _read_named(path, column)
    else:
        values = _read_text(path, column)
    if not len(values):
        raise SourceError(f"{path} holds no row.", WHOLE)
    return values


def _read_npy(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise SourceError(f"There is no file {path}.", "Check the description.") from error
    except Exception as error:  # damaged headers fail in many ways
        raise SourceError(f"{path} is no array of NumPy, or damaged ({error}).", WHOLE) from error


def _read_named(path: Path, column: str | int | None) -> F64:
    """Read a data set or variable; names come from the file where the column is a number."""
    found = _read_hdf(path) if path.suffix.lower() != ".mat" else read_mat(path)
    arrays = {name: value for name, value in found.items() if np.size(value) > 1}
    if isinstance(column, str):
        name, _, inner = column.partition(":")
        name = name.strip("/")
        if name not in found:
            raise SourceError(f"{path} holds {', '.join(found)[:200]}.", f"Expected is {name}, as described.")
        return _pick(found[name], int(inner) if re.fullmatch(r"-?\d+", inner) else None, path)
    if len(arrays) != 1:
        raise SourceError(f"{path} holds {', '.join(found)[:200]}.", "Name one: column: NAME.")
    return _pick(next(iter(arrays.values())), column, path)


def _read_hdf(path: Path) -> dict[str, Any]:
    need("h5py", f"Reading {path.name}")
    import h5py

    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "iufb":
            found[name] = item[()]

    if not path.is_file():
        raise SourceError(f"There is no file {path}.", "Check the description.")
    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
    except Exception as error:  # damaged files fail in many ways
        raise SourceError(f"{path} is no HDF5, or damaged ({error}).", WHOLE) from error
    if not found:
        raise SourceError(f"{path} holds no numbers.", WHOLE)
    return found


def _pick(value: Any, column: str | int | None, path: Path) -> F64:
    """Return a column of an array: of several rows the given one, of a single series all."""
    try:
        table = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise SourceError(f"{path} holds no numbers ({error}).", WHOLE) from error
    if table.ndim > 2 or isinstance(column, str):
        raise SourceError(f"{path} has the shape {table.shape}.", "Expected are rows, and a column's number.")
    if table.ndim < 2 or min(table.shape) <= 1:
        return table.ravel()
    if column is None:
        raise SourceError(f"{path} has {table.shape[1]} columns.", "Name one by its number: column: 0.")
    if not -table.shape[1] <= column < table.shape[1]:
        raise SourceError(f"{path} has {table.shape[1]} columns.", f"Expected is a column {column}, as described.")
    return np.ascontiguousarray(table[:, column])


def _read_cells(path: Path, first: str) -> F64:
    """Read a text without names; an empty cell between separators is a missing number, not none at all."""
    mark = next((m for m in ";\t," if m in first), None)
    if mark is None:
        return read_numbers(path)
    rows = [line.split(mark) for line in read_lines(path) if line.strip()]
    table = np.full((len(rows), max(map(len, rows))), np.nan)
    for row, cells in zip(table, rows):
        row[: len(cells)] = [number(cell.strip()) for cell in cells]
    return table


def _read_text(path: Path, column: str | int | None) -> F64:
    """Read a column of a text; the first line is one of names unless a cell of it is a number."""
    first = next((line for line in read_lines(path) if line.strip()), None)
    if first is None:
        raise SourceError(f"{path} is empty.", WHOLE)
    cells = [cell.strip().strip('"') for cell in re.split(r"[;,\t]|(?<!,)\s+(?!,)", first.strip())]
    numeric = [cell for cell in cells if np.isfinite(number(cell))]
    if numeric or all(cell.lower() in ("nan", "") for cell in cells):  # a name is no number, whatever else is amiss
        table = _read_cells(path, first)
        if isinstance(column, str):
            raise SourceError(f"{path} has no line of names.", f"Give the number of column {column}, from 0 on.")
        return _pick(table, column if table.shape[1] > 1 else None, path)
    named = read_table(path)
    if isinstance(column, int) or (column is None and len(named) == 1):
        place = 0 if column is None or len(named) == 1 else int(column)
        if not -len(named) <= place < len(named):
            raise SourceError(f"{path} has {len(named)} columns.", f"Expected is a column {place}, as described.")
        return list(named.values())[place]
    matches = [values for name, values in named.items() if column and name.lower() == column.lower()]
    if not matches:
        said = f"a column called {column}" if column else "the name of one: column: NAME"
        raise SourceError(f"{path} has the columns {', '.join(named)[:200]}.", f"Expected is {said}.")
    return matches[0]
