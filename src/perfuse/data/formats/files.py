"""What every parser says of files that are not there, cannot be read, or need a library that is not installed."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from perfuse.core.errors import MissingExtraError, SourceError

WHOLE = "Check that it was copied completely."
LAYOUT = "Check the layout of the data set."


def opened(path: Path) -> BinaryIO:
    """Open a file for reading.

    Raises
    ------
    SourceError
        If it is missing or cannot be opened.
    """
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise SourceError(f"There is no file {path}.", LAYOUT) from error
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read ({error}).", "Check its permissions.") from error


def read_bytes(path: Path, size: int = -1) -> bytes:
    """Return what a file holds, or the first ``size`` bytes of it.

    Raises
    ------
    SourceError
        If it is missing, empty, or cannot be read.
    """
    with opened(path) as file:
        try:
            data = file.read(size)
        except OSError as error:
            raise SourceError(f"{path} cannot be read ({error}).", WHOLE) from error
    if not data:
        raise SourceError(f"{path} is empty.", WHOLE)
    return data


def brief(error: BaseException) -> str:
    """Return the first line of what an error says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


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
