"""Formats that data sets come in and perfuse does not write: MATLAB files, XML without tricks, packets of a video."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import SourceError
from perfuse.data.mat5 import read_mat5
from perfuse.data.media import need

F64 = NDArray[np.float64]
WHOLE = "Check that it was copied completely."
LAYOUT = "Check the layout of the data set."


def read_mat(path: Path) -> dict[str, Any]:
    """Read the variables of a MATLAB file, of versions 4 to 7.2 or 7.3 (HDF5; arrays only, axes as MATLAB has them).

    Raises
    ------
    SourceError
        If it is missing, empty or damaged.
    MissingExtraError
        If it is HDF5 and h5py is not installed.
    """
    try:
        with path.open("rb") as file:
            start = file.read(520)
    except FileNotFoundError as error:
        raise SourceError(f"There is no file {path}.", LAYOUT) from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error}).", WHOLE) from error
    if not start:
        raise SourceError(f"{path} is empty.", WHOLE)
    hdf = b"\x89HDF" in start
    if hdf:
        need("h5py", f"Reading {path.name}")
    try:
        found = _read_hdf(path) if hdf else _read_old_mat(path)
    except Exception as error:  # damaged files make both parsers fail in a dozen ways
        raise SourceError(f"{path} is no MATLAB file, or damaged ({_short(error)}).", WHOLE) from error
    if not found:
        raise SourceError(f"{path} holds no variable.", WHOLE)
    return found


def _read_old_mat(path: Path) -> dict[str, Any]:
    """Read version 5 with our own code, version 4 with scipy's, which is plain Python."""
    raw = path.read_bytes()
    if 0 not in raw[:4]:
        return read_mat5(raw)
    from scipy.io import loadmat

    return {name: value for name, value in loadmat(BytesIO(raw)).items() if not name.startswith("__")}


def _read_hdf(path: Path) -> dict[str, Any]:
    import h5py

    with h5py.File(path, "r") as file:
        return {name: np.asarray(item).T for name, item in file.items() if isinstance(item, h5py.Dataset)}


def _short(error: BaseException) -> str:
    """Return the first line of what an error says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


def mat_series(path: Path, *names: str) -> F64:
    """Read one row or column of numbers from a MATLAB file: the variable of that name, else the only one.

    Raises
    ------
    SourceError
        If it cannot be read, has no such variable, or that is no series of numbers.
    """
    found = read_mat(path)
    there = {name.lower(): value for name, value in found.items()}
    value = next((there[name.lower()] for name in names if name.lower() in there), None)
    if value is None and len(found) == 1:
        value = next(iter(found.values()))
    if value is None:
        raise SourceError(f"{path} holds {', '.join(found)[:200]}.", f"Expected is a variable called {names[0]}.")
    return as_series(value, path, names[0] if names else "it")


def as_series(value: Any, path: Path, name: str) -> F64:
    """Return a value read from a file as a series of numbers.

    Raises
    ------
    SourceError
        If it is none, is empty, or has no finite number.
    """
    try:
        numbers = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        numbers = np.empty((0, 0))
    if numbers.size == 0 or max(numbers.shape, default=1) != numbers.size:
        raise SourceError(f"{name} in {path} has the shape {np.shape(value)}.", "Expected is one series of numbers.")
    if not np.isfinite(numbers).any():
        raise SourceError(f"{name} in {path} holds no finite number.", WHOLE)
    return numbers.ravel()


def read_xml(path: Path) -> ElementTree.Element:
    """Read an XML file; one that declares a document type is refused, so that no entity is ever expanded.

    Raises
    ------
    SourceError
        If it is missing, empty, no XML, or has a DOCTYPE.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise SourceError(f"There is no file {path}.", LAYOUT) from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error}).", WHOLE) from error
    try:
        scan = expat.ParserCreate()
        scan.StartDoctypeDeclHandler = _refuse
        scan.Parse(raw, True)
        return ElementTree.fromstring(raw)
    except _DoctypeError as error:
        raise SourceError(f"{path} declares a document type.", "Data sets need none; get the file anew.") from error
    except (expat.ExpatError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise SourceError(f"{path} is no whole XML ({_short(error)}).", WHOLE) from error


class _DoctypeError(Exception):
    """A document type was declared."""


def _refuse(*_: Any) -> None:
    raise _DoctypeError


def film_times(path: Path) -> F64:
    """Return the times of the pictures of a video, s, from its packets: nothing is decoded.

    Raises
    ------
    SourceError
        If it is missing, no video, or says no times.
    """
    import av

    try:
        with av.open(f"file:{os.fspath(path)}", options={"protocol_whitelist": "file"}) as container:
            stream = next(iter(container.streams.video), None)
            if stream is None:
                raise SourceError(f"{path} holds no video.", WHOLE)
            unit = float(stream.time_base or 0)
            marks = [(p.pts, p.dts) for p in container.demux(stream) if p.size and not p.is_discard]
            # AVI numbers pictures in the order they are stored, as perfuse.video knows too
            stored = container.format.name == "avi"
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read as a video ({_short(error)}).", WHOLE) from error
    chosen = (dts if stored and dts is not None else pts for pts, dts in marks)
    ticks = sorted({tick for tick in chosen if tick is not None})
    if not ticks or not unit:
        raise SourceError(f"{path} carries no timestamps.", WHOLE)
    return np.array(ticks, np.float64) * unit
