"""Names in folders as they really come: any case, with the litter of file managers, and one folder too deep."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from perfuse.data.media import natural
from perfuse.data.recording import Problem

LITTER = re.compile(r"\.|thumbs\.db$|desktop\.ini$|__macosx$", re.IGNORECASE)
"""Starts of names that say nothing about a data set: hidden files, and what Windows and macOS leave behind."""

WRAPPERS = 12
"""Folders beside each other that may be unpacked archives; more are recordings, which are not searched for others."""


def entries(folder: Path) -> list[Path]:
    """Return everything in a folder but litter, numbers by value; nothing where it cannot be read."""
    try:
        found = [path for path in folder.iterdir() if not LITTER.match(path.name)]
    except (OSError, ValueError):  # no folder, no permission, a NUL in the name
        return []
    return sorted(found, key=lambda path: (natural(path.name.lower()), path.name))


def matching(folder: Path, pattern: str, *, folders: bool | None = None) -> list[Path]:
    """Return what is called as a regular expression says (the whole name, any case).

    Parameters
    ----------
    folder : Path
        Where.
    pattern : str
        Regular expression.
    folders : bool, optional
        Only folders, or only files; by default both.
    """
    named = [path for path in entries(folder) if re.fullmatch(pattern, path.name, re.IGNORECASE)]
    return named if folders is None else [path for path in named if path.is_dir() == folders]


def child(folder: Path, *names: str) -> Path | None:
    """Return the first of some names that a folder has, in whatever case it is written; None if it has none."""
    try:
        for name in names:
            if (folder / name).exists():
                return folder / name
        there = {path.name.lower(): path for path in sorted(folder.iterdir(), reverse=True)}
    except (OSError, ValueError):
        return None
    return next((there[name.lower()] for name in names if name.lower() in there), None)


def holds(folder: Path, pattern: str) -> bool:
    """Tell whether a folder has a file called as a regular expression says; stops at the first of thousands."""
    try:
        with os.scandir(folder) as found:
            return any(
                re.fullmatch(pattern, item.name, re.IGNORECASE) and not LITTER.match(item.name) and item.is_file()
                for item in found
            )
    except (OSError, ValueError):
        return False


def homes(root: Path, looks: Callable[[Path], bool], depth: int = 2) -> list[tuple[Path, str]]:
    """Return the folders where a data set lies: the one given, or those below it (an archive in a folder of its own).

    Parameters
    ----------
    root : Path
        The folder given.
    looks : callable
        Whether a folder directly holds what the data set has at its top.
    depth : int
        How far down to look.

    Returns
    -------
    list of (Path, str)
        Folders, and what ids of recordings in them begin with so that they stay unique: nothing if there is one.
    """
    found = _homes(root, looks, depth)
    if len(found) == 1:
        return [(found[0], "")]
    return [(home, f"{home.relative_to(root).as_posix()}/") for home in found]


def _homes(root: Path, looks: Callable[[Path], bool], depth: int) -> list[Path]:
    try:
        if looks(root):
            return [root]
        inside = [path for path in entries(root) if path.is_dir()]
    except (OSError, ValueError):
        return []
    if depth == 0 or len(inside) > WRAPPERS:
        return []
    return [home for path in inside for home in _homes(path, looks, depth - 1)]


def missing(path: Path, owner: str, recording: str | None = None) -> Problem:
    """Return the problem of a file that is not there; it drops the recording, or a reference of the one named."""
    return Problem("missing", str(path), f"{owner} has no {path.name}: {path} is missing.", recording)


def unknown(root: Path, title: str, expected: str) -> Problem:
    """Return the problem of a folder in which nothing is as documented."""
    what = "is not what" if root.is_dir() else "is no folder that"
    return Problem("layout", str(root), f"{root} {what} {title} looks like; expected is {expected}.")
