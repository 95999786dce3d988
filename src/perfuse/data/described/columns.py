"""One column of numbers from a text, CSV, NumPy, HDF5 or MATLAB file, by name or number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.formats.files import WHOLE
from perfuse.data.formats.hdf5 import read_hdf5
from perfuse.data.formats.matlab import read_mat
from perfuse.data.formats.tables import read_numbers, read_table
from perfuse.data.formats.texts import number, read_lines
from perfuse.data.formats.unpickle import load_npy
from perfuse.data.recording import F64


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
        If the file cannot be read, has no such column, several where none is named, or no row.
    """
    kind = path.suffix.lower()
    if kind == ".npy":
        values = _pick(load_npy(path), column, path)
    elif kind in (".h5", ".hdf5", ".mat"):
        values = _read_named(path, column)
    else:
        values = _read_text(path, column)
    if not len(values):
        raise SourceError(f"{path} holds no row.", WHOLE)
    return values


def _read_named(path: Path, column: str | int | None) -> F64:
    """Read a data set or variable; without a name the only one of several numbers."""
    read = read_mat if path.suffix.lower() == ".mat" else read_hdf5
    if isinstance(column, str):
        name, _, inner = column.partition(":")
        name = name.strip("/")
        found = read(path, [name])
        if name not in found:
            raise SourceError(f"{path} holds {', '.join(read(path))[:200]}.", f"Expected is {name}, as described.")
        return _pick(found[name], int(inner) if re.fullmatch(r"-?\d+", inner) else None, path)
    found = read(path)
    arrays = [value for value in found.values() if np.size(value) > 1]
    if len(arrays) != 1:
        raise SourceError(f"{path} holds {', '.join(found)[:200]}.", "Name one: column: NAME.")
    return _pick(arrays[0], column, path)


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


def _read_text(path: Path, column: str | int | None) -> F64:
    """Read a column of a text; the first line is one of names unless a cell of it is a number."""
    first = next((line for line in read_lines(path) if line.strip()), None)
    if first is None:
        raise SourceError(f"{path} is empty.", WHOLE)
    cells = [cell.strip().strip('"') for cell in re.split(r"[;,\t]|(?<!,)\s+(?!,)", first.strip())]
    numeric = [cell for cell in cells if np.isfinite(number(cell))]
    if numeric or all(cell.lower() in ("nan", "") for cell in cells):  # a name is no number, whatever else is amiss
        table = read_numbers(path)
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
