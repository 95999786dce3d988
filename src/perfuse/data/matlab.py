"""MATLAB files of both kinds and plain HDF5: small variables at once, videos in pieces where the format allows it.

Files up to version 7 (read by scipy) keep an array with its first axis running fastest and usually compressed whole:
a video in them, frames first, can only be read in one go. Version 7.3 is HDF5 (read by h5py), which hands out a few
frames at a time. Shapes are MATLAB's own here; HDF5 holds them reversed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import SourceError, UsageError
from perfuse.core.frame import Frame
from perfuse.data.media import need
from perfuse.video import FrameStream, SourceInfo

F64 = NDArray[np.float64]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
BLOCK_BYTES = 1 << 26
"""How much of a video is read at a time."""

COPIED = "Check that it was copied completely."


def is_hdf5(path: Path) -> bool:
    """Tell whether a file is HDF5, at once or after MATLAB's header of 512 bytes.

    Raises
    ------
    SourceError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(512 + len(SIGNATURE))
    except FileNotFoundError as error:
        raise SourceError(f"There is no file {path}.", "Check the layout of the data set.") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error}).", "Check its permissions.") from error
    if not start:
        raise SourceError(f"{path} is empty.", COPIED)
    return SIGNATURE in (start[: len(SIGNATURE)], start[512:])


def read_hdf5(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read data sets of an HDF5 file, as they lie in it; those that it does not have are left out.

    Raises
    ------
    SourceError
        If it is missing, damaged or no HDF5.
    """
    need("h5py", f"Reading {path.name}")
    import h5py

    if not is_hdf5(path):
        raise SourceError(f"{path} is no HDF5 file.", COPIED)
    try:
        with h5py.File(path, "r") as file:
            return {name: np.asarray(file[name][()]) for name in names if isinstance(file.get(name), h5py.Dataset)}
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError) as error:
        raise SourceError(f"{path} cannot be read ({error}).", COPIED) from error


def read_mat(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read variables of a MATLAB file of any version; those that it does not have are left out.

    Raises
    ------
    SourceError
        If it is missing, damaged or no MATLAB file.
    """
    if is_hdf5(path):
        return {name: values.T for name, values in read_hdf5(path, names).items()}
    from scipy.io import loadmat

    try:
        found = loadmat(path, variable_names=list(names))
    except Exception as error:  # scipy's parser raises nearly anything on damaged files
        raise SourceError(f"{path} cannot be read ({type(error).__name__}: {error}).", COPIED) from error
    return {name: np.asarray(found[name]) for name in names if name in found}


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array in a MATLAB file, without reading them.

    Raises
    ------
    SourceError
        If it is missing, damaged or no MATLAB file.
    """
    if is_hdf5(path):
        need("h5py", f"Reading {path.name}")
        import h5py

        try:
            with h5py.File(path, "r") as file:
                return {name: tuple(file[name].shape[::-1]) for name in file if isinstance(file[name], h5py.Dataset)}
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{path} cannot be read ({error}).", COPIED) from error
    from scipy.io import whosmat

    try:
        return {name: tuple(shape) for name, shape, _ in whosmat(path)}
    except Exception as error:
        raise SourceError(f"{path} cannot be read ({type(error).__name__}: {error}).", COPIED) from error


def text(value: NDArray[Any] | None) -> str:
    """Return what a char, logical or numeric variable says, as text; nothing where there is none."""
    if value is None or not value.size:
        return ""
    flat = value.ravel(order="F")
    if flat.dtype.kind == "O":
        return text(np.asarray(flat[0]))
    if flat.dtype == np.uint16:  # chars of version 7.3
        return "".join(chr(code) for code in flat).strip()
    return str(flat[0]).strip()


def vector(path: Path, name: str, values: NDArray[Any] | None) -> F64:
    """Return a variable that is one row or column as (N,).

    Raises
    ------
    SourceError
        If there is none, or it is something else.
    """
    if values is not None and values.dtype.kind in "biuf" and values.size and values.size == max(values.shape):
        return np.asarray(values, np.float64).ravel()
    found = "is missing" if values is None else f"has the shape {values.shape} and the type {values.dtype}"
    raise SourceError(f"{name} in {path} {found}.", "Expected is one row of numbers.")


def open_video(path: Path, names: Sequence[str], rate_hz: float) -> FrameStream:
    """Open a video kept as an array (frames, height, width, 3) of a MATLAB file, frames evenly spaced.

    Parameters
    ----------
    path : Path
        The file.
    names : sequence of str
        Names of the variable; the first that is there counts.
    rate_hz : float
        Frames per second.

    Raises
    ------
    SourceError
        If it cannot be read, or is no video. While iterating as well: pixels that are no numbers, a damaged block.
    """
    found = shapes(path)
    name = next((name for name in names if name in found), None)
    if name is None:
        raise SourceError(f"{path} has no {' or '.join(names)}.", f"Found are {', '.join(found) or 'no variables'}.")
    shape, hdf5 = found[name], is_hdf5(path)
    straight = len(shape) == 4 and shape[0] == 3 and shape[-1] != 3 and hdf5  # written without MATLAB's reversal
    if straight:
        shape = shape[::-1]
    if len(shape) != 4 or shape[-1] != 3 or min(shape) < 1:
        raise SourceError(f"{name} in {path} has the shape {shape}.", "Expected is (frames, height, width, 3).")
    blocks = _hdf5_blocks(path, name, shape[0], straight) if hdf5 else _whole(path, name)
    info = SourceInfo(path.name, "frames", shape[2], shape[1], nominal_rate_hz=rate_hz, frames=shape[0])
    return FrameStream(info, _frames(path, name, blocks, rate_hz), [], blocks.close)


def _frames(path: Path, name: str, blocks: Iterator[NDArray[Any]], rate_hz: float) -> Iterator[Frame]:
    index = 0
    for block in blocks:
        for picture in block:
            try:
                yield Frame.from_rgb(picture, index / rate_hz)
            except UsageError as error:
                raise SourceError(
                    f"Frame {index} of {name} in {path} is no picture: {error.problem}", error.remedy
                ) from error
            index += 1


def _whole(path: Path, name: str) -> Any:
    yield read_mat(path, [name])[name]


def _hdf5_blocks(path: Path, name: str, count: int, straight: bool) -> Any:
    """Yield (T, H, W, 3) pieces; frames are the last axis of the file, or the first if it was written straight."""
    need("h5py", f"Reading {path.name}")
    import h5py

    try:
        with h5py.File(path, "r") as file:
            values = file[name]
            per_frame = max(1, int(np.prod(values.shape)) // count * values.dtype.itemsize)
            step = max(1, BLOCK_BYTES // per_frame)
            chunk = values.chunks[0 if straight else -1] if values.chunks else 1
            step = max(step // chunk, 1) * chunk if step >= chunk else step
            for start in range(0, count, step):
                if straight:
                    yield values[start : start + step]
                else:
                    yield values[..., start : start + step].transpose(3, 2, 1, 0)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{name} in {path} cannot be read ({error}).", COPIED) from error
