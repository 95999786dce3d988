"""MATLAB files: version 5 to 7.2 (:mod:`perfuse.data.formats.mat5`) and 7.3, which is HDF5 with its axes reversed.

Shapes are MATLAB's own throughout.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.formats.files import WHOLE, opened, read_bytes
from perfuse.data.formats.hdf5 import USER_BLOCK, is_hdf5, open_hdf5
from perfuse.data.formats.mat5 import Outline, is_mat5, outline_mat5, read_mat5
from perfuse.data.recording import F64


def is_mat73(path: Path) -> bool:
    """Tell version 7.3 (True) from version 5 to 7.2 (False).

    Raises
    ------
    SourceError
        If it is missing, empty, of version 4, or no MATLAB file.
    """
    start = read_bytes(path, USER_BLOCK + 8)
    if is_hdf5(start):
        return True
    if is_mat5(start):
        return False
    # version 4 begins with the type of its first variable: 0 to 52, or from 1000 on, most significant byte first
    if len(start) >= 20 and (int.from_bytes(start[:4], "little") <= 52 or 1000 <= int.from_bytes(start[:4]) <= 1052):
        raise SourceError(f"{path} is a MATLAB file of version 4.", "Save it anew: save('NAME.mat', '-v7').")
    raise SourceError(f"{path} is no MATLAB file.", WHOLE)


def outline(path: Path) -> dict[str, Outline]:
    """Return shape and type of every variable, without reading them.

    Raises
    ------
    SourceError
        If it is missing, damaged or no MATLAB file.
    MissingExtraError
        If it is of version 7.3 and h5py is not installed.
    """
    if is_mat73(path):
        with open_hdf5(path) as file:
            arrays = {name: item for name, item in file.items() if hasattr(item, "shape")}
            return {name: Outline(tuple(item.shape[::-1]), item.dtype) for name, item in arrays.items()}
    with opened(path) as raw:
        try:
            return outline_mat5(raw)
        except (ValueError, OSError) as error:
            raise SourceError(f"{path} is damaged: {error}.", WHOLE) from error


def read_mat(path: Path, names: Collection[str] | None = None) -> dict[str, Any]:
    """Read variables: all, or those of the names that are there.

    Returns
    -------
    dict
        Name to array, text, or dict (a structure).

    Raises
    ------
    SourceError, MissingExtraError
        As :func:`outline`.
    """
    if is_mat73(path):
        with open_hdf5(path) as file:
            wanted = [name for name in file if name in names] if names is not None else list(file)
            return {name: _mat73(file[name]) for name in wanted if not name.startswith("#")}
    with opened(path) as raw:
        try:
            return read_mat5(raw, names)
        except (ValueError, OSError, MemoryError) as error:
            raise SourceError(f"{path} is damaged: {error}.", WHOLE) from error


def _mat73(item: Any) -> Any:
    if not hasattr(item, "shape"):
        return {name: _mat73(inner) for name, inner in item.items()}
    values = np.asarray(item[()]).T
    kind = item.attrs.get("MATLAB_class", b"")
    return "".join(map(chr, values.ravel(order="F"))) if kind == b"char" and values.dtype.kind == "u" else values


def read_variable(path: Path, *names: str) -> Any:
    """Read the variable that has one of the names, in whatever case; else the only one there is.

    Raises
    ------
    SourceError
        If there is none; the message lists the variables.
    """
    found = outline(path)
    there = {name.lower(): name for name in found}
    name = next((there[name.lower()] for name in names if name.lower() in there), None)
    if name is None and len(found) == 1:
        name = next(iter(found))
    if name is None:
        raise SourceError(
            f"{path} holds {', '.join(found)[:200] or 'nothing'}.", f"Expected is {' or '.join(names)}."
        )
    return read_mat(path, [name]).get(name)


def series(value: Any, path: Path, name: str) -> F64:
    """Return a value that was read from a file as a series of numbers, (N,).

    Raises
    ------
    SourceError
        If it is missing or none, is empty, or has no finite number.
    """
    if value is None:
        raise SourceError(f"{name} in {path} is missing.", "Expected is one series of numbers.")
    numbers = np.asarray(value)
    if numbers.dtype.kind not in "biuf" or not numbers.size or numbers.size != max(numbers.shape, default=1):
        found = f"the shape {numbers.shape} and the type {numbers.dtype}"
        raise SourceError(f"{name} in {path} has {found}.", "Expected is one series of numbers.")
    if not np.isfinite(numbers).any():
        raise SourceError(f"{name} in {path} holds no finite number.", WHOLE)
    return numbers.astype(np.float64).ravel()


def text(value: Any) -> str:
    """Return what a char, logical or numeric variable says, as text; nothing where there is none."""
    if isinstance(value, str):
        return value.strip()
    flat = np.ravel(value if value is not None else (), order="F")
    if not flat.size:
        return ""
    if flat.dtype.kind == "O":  # a cell
        return text(flat[0])
    if flat.dtype == np.uint16:  # chars of version 7.3
        return "".join(chr(code) for code in flat).strip()
    return str(flat[0]).strip()
