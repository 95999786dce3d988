"""HDF5: data sets by name, what they are, and videos in pieces."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import SourceError
from perfuse.data.formats.files import WHOLE, brief, need, read_bytes

SIGNATURE = b"\x89HDF\r\n\x1a\n"
USER_BLOCK = 512
"""Bytes that MATLAB 7.3 writes before the signature."""


def is_hdf5(start: bytes) -> bool:
    """Tell by the first 520 bytes of a file."""
    return SIGNATURE in (start[: len(SIGNATURE)], start[USER_BLOCK : USER_BLOCK + len(SIGNATURE)])


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Open a file with h5py; whatever goes wrong while it is read becomes one error.

    Raises
    ------
    SourceError
        If it is missing, damaged or no HDF5.
    MissingExtraError
        If h5py is not installed.
    """
    need("h5py", f"Reading {path.name}")
    import h5py

    if not is_hdf5(read_bytes(path, USER_BLOCK + len(SIGNATURE))):
        raise SourceError(f"{path} is no HDF5 file.", WHOLE)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError) as error:
        raise SourceError(f"{path} cannot be read ({brief(error)}).", WHOLE) from error


def read_hdf5(path: Path, names: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
    """Read data sets by their paths, as they lie in the file: all of numbers, or those of the names that are there.

    Raises
    ------
    SourceError, MissingExtraError
        As :func:`open_hdf5`.
    """
    with open_hdf5(path) as file:
        every: list[str] = []
        if names is None:
            file.visit(every.append)
            every = [name for name in every if getattr(file[name], "dtype", np.dtype("O")).kind in "iufb"]
        wanted = every if names is None else names
        return {name: np.asarray(file[name][()]) for name in wanted if hasattr(file.get(name), "shape")}
