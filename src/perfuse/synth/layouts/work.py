"""Work: one recording made, and what its files hold."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perfuse.core.errors import OutputError
from perfuse.synth.layouts.plan import Layout, Take, Watch
from perfuse.synth.subject import subject

HIDDEN = ".part-"
"""Begin of the names of folders that hold a recording that is not whole."""

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """What the files of a recording hold.

    Attributes
    ----------
    files, bytes : int
        How many, and how much in all.
    sha256 : str or None
        Of names, sizes and contents, in the order of the names; None before they are made.
    """

    files: int
    bytes: int
    sha256: str | None


def sizes(root: Path, parts: Sequence[str], own: str = ".*") -> dict[str, int]:
    """Return every file of a recording with its bytes, in the order of the names; nothing if a part is missing.

    Files whose names do not fit the pattern ``own`` are somebody else's.
    """
    found: dict[str, int] = {}
    for part in parts:
        place = root / part
        files = [file for file in place.rglob("*") if file.is_file()] if place.is_dir() else [place]
        if not files or not all(file.is_file() for file in files):
            return {}
        found |= {file.relative_to(root).as_posix(): file.stat().st_size for file in files}
    return {name: size for name, size in sorted(found.items()) if re.fullmatch(own, name)}


def strangers(root: Path, parts: Sequence[str], own: str) -> list[str]:
    """Return what lies in the folders of a recording and does not fit the pattern of its own files."""
    found = [item for part in parts for item in (root / part).rglob("*") if item.is_symlink() or not item.is_dir()]
    names = sorted(item.relative_to(root).as_posix() for item in found)
    return [name for name in names if not re.fullmatch(own, name)]


def content(root: Path, parts: Sequence[str], own: str = ".*") -> Content:
    """Read the files of a recording, as for :func:`sizes`, and return what they hold."""
    found, mark = sizes(root, parts, own), hashlib.sha256()
    for name, size in found.items():
        mark.update(f"{name}\0{size}\0".encode())
        with (root / name).open("rb") as file:
            while block := file.read(BLOCK):
                mark.update(block)
    return Content(len(found), sum(found.values()), mark.hexdigest())


def record(root: Path, layout: Layout, take: Take, watch: Watch | None = None) -> Content:
    """Make one recording in a hidden folder of ``root``, which does not outlive a failure.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    hidden = root / f"{HIDDEN}{take.id}"
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        hidden.mkdir()
        person = subject(take.seed, take.domain, **take.asked)
        layout.write(take, person, hidden, watch or (lambda time_s: None))
        return content(hidden, take.parts)
    except MemoryError as error:
        shutil.rmtree(hidden, ignore_errors=True)
        size = f"{take.settings().width} x {take.settings().height}"
        raise OutputError(
            f"{take.id} cannot be made: pictures of {size} pixels need more memory than is free.",
            "Ask for smaller ones, or for fewer processes; what is whole is kept.",
        ) from error
    except OSError as error:
        shutil.rmtree(hidden, ignore_errors=True)
        raise OutputError(
            f"{take.id} cannot be written to {root}: {error.strerror or error}.",
            "Free some space, or choose another place; what is whole is kept.",
        ) from error
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
