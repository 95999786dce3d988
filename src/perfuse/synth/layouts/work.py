"""Work: one recording made, and what its files hold."""

from __future__ import annotations

import hashlib
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


def sizes(root: Path, parts: Sequence[str]) -> dict[str, int]:
    """Return every file of a recording with its bytes, in the order of the names; nothing if a part is missing."""
    found: dict[str, int] = {}
    for part in parts:
        place = root / part
        files = [file for file in place.rglob("*") if file.is_file()] if place.is_dir() else [place]
        if not files or not all(file.is_file() for file in files):
            return {}
        found |= {file.relative_to(root).as_posix(): file.stat().st_size for file in files}
    return dict(sorted(found.items()))


def content(root: Path, parts: Sequence[str]) -> Content:
    """Read the files of a recording and return what they hold."""
    found, mark = sizes(root, parts), hashlib.sha256()
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
    except OSError as error:
        shutil.rmtree(hidden, ignore_errors=True)
        raise OutputError(
            f"{take.id} cannot be written to {root}: {error.strerror or error}.",
            "Free some space, or choose another place; what is whole is kept.",
        ) from error
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
