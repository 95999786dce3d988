"""Names in folders as they really come: any case, with the litter of file managers, and one folder too deep."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from perfuse.data.recording import Problem, Recording

LITTER = re.compile(r"\.|thumbs\.db$|desktop\.ini$|__macosx$", re.IGNORECASE)
"""Starts of names that say nothing about a data set: hidden files, and what Windows and macOS leave behind."""

WRAPPERS = 12
"""Folders beside each other that may be unpacked archives; more are recordings, which are not searched for others."""

GLANCED = 200
"""Files of one folder that are looked at in vain to tell what it is: more are pictures (ASSUMED)."""


def natural(path: Path | str) -> list[tuple[int, int | str]]:
    """Sort key of names in which numbers count by value: s2 before s10."""
    text = path if isinstance(path, str) else path.as_posix()
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", text) if part]


def folders_in(folder: Path, pattern: str = ".*") -> list[Path]:
    """Return the folders in a folder whose whole name matches, in any case; numbers count by value."""
    return _sorted(folder, _matching(folder, pattern, folders=True))


def files_in(folder: Path, pattern: str = ".*") -> list[Path]:
    """Return the files in a folder whose whole name matches, in any case; numbers count by value."""
    return _sorted(folder, _matching(folder, pattern, folders=False))


def holds(folder: Path, pattern: str) -> bool:
    """Tell whether a folder has a file whose whole name matches; stops at the first of thousands."""
    return next(_matching(folder, pattern, folders=False), None) is not None


def child(folder: Path, *names: str) -> Path | None:
    """Return the first of some names that a folder has, in whatever case it is written; None if it has none."""
    try:
        if (folder / names[0]).exists():
            return folder / names[0]
    except (OSError, ValueError):
        return None
    wanted = {name.lower() for name in names}
    there: dict[str, str] = {}
    for item in _entries(folder):
        low = item.name.lower()
        if low in wanted:
            there[low] = min(there.get(low, item.name), item.name)
    return next((folder / there[name.lower()] for name in names if name.lower() in there), None)


def folders_below(root: Path, pattern: str, depth: int) -> list[Path]:
    """Return the folders whose whole name matches, up to ``depth`` levels below ``root`` (1: those in it).

    What matches is not searched further. Numbers in names count by value, whatever folder they are in.
    """
    found: list[Path] = []
    level = [root]
    for _ in range(depth):
        below = [inner for folder in level for inner in folders_in(folder)]
        fits = [re.fullmatch(pattern, folder.name, re.IGNORECASE) is not None for folder in below]
        found += [folder for folder, fit in zip(below, fits) if fit]
        level = [folder for folder, fit in zip(below, fits) if not fit]
    return sorted(found, key=lambda folder: (natural(folder.name.lower()), natural(folder)))


def files_below(root: Path, pattern: str, depth: int) -> Iterator[Path]:
    """Yield the files whose whole name matches, up to ``depth`` levels below ``root`` (1: those in it)."""
    match = _matcher(pattern)
    level = [root]
    for _ in range(depth):
        below: list[Path] = []
        for folder in level:
            names = [(item.name, item.is_dir()) for item in _entries(folder)]
            yield from _sorted(folder, (name for name, is_folder in names if not is_folder and match(name)))
            below += _sorted(folder, (name for name, is_folder in names if is_folder and not LITTER.match(name)))
        level = below


def glance(root: Path, pattern: str, depth: int) -> Iterator[Path]:
    """Yield files as :func:`files_below`, in no order, and of folders with thousands of files only some.

    For telling what a folder is: takes no longer for trees of many pictures.
    """
    match = _matcher(pattern)
    level = [root]
    for _ in range(depth):
        below: list[Path] = []
        for folder in level:
            others = 0
            for item in _entries(folder):
                if item.is_dir():
                    below += [] if LITTER.match(item.name) else [folder / item.name]
                elif match(item.name):
                    yield folder / item.name
                elif (others := others + 1) > GLANCED:
                    break
        level = below


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
    except (OSError, ValueError):  # no permission, a NUL in the name
        return []
    inside = folders_in(root) if depth else []
    return [home for path in inside for home in _homes(path, looks, depth - 1)] if len(inside) <= WRAPPERS else []


def missing(path: Path, owner: str, *, recording: str | None = None, why: str = "", dropped: bool = True) -> Problem:
    """Return the problem of a file that is not there.

    Parameters
    ----------
    path : Path
        Where it should be.
    owner : str
        Who lacks it.
    recording : str, optional
        Id of the recording that there is all the same.
    why : str
        What follows from it, a sentence.
    dropped : bool
        Whether the recording, or (if there is one) a reference of it, is left out.
    """
    return Problem(
        "missing", str(path), f"{owner} has no {path.name}: {path} is missing. {why}".strip(), recording, dropped
    )


def unknown(root: Path, title: str, expected: str) -> Problem:
    """Return the problem of a folder in which nothing is as documented."""
    what = "is not what" if root.is_dir() else "is no folder that"
    return Problem("layout", str(root), f"{root} {what} {title} looks like; expected is {expected}.")


def distinct(found: Iterator[Recording | Problem], nothing: Problem) -> Iterator[Recording | Problem]:
    """Pass on what was found; a second recording of one name becomes a problem, and so does nothing at all."""
    seen: dict[str, Path] = {}
    empty = True
    for item in found:
        empty = False
        if isinstance(item, Recording):
            place = item.files[0]
            if item.id in seen:
                yield Problem("duplicate", str(place), f"{place} and {seen[item.id]} are both {item.id}.", item.id)
                continue
            seen[item.id] = place
        yield item
    if empty:
        yield nothing


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield everything in a folder, in no order; nothing where it cannot be read.

    Kinds come with the listing, so that folders of many pictures cost no look at each.
    """
    try:
        with os.scandir(folder) as found:
            yield from found
    except (OSError, ValueError):  # no folder, no permission, a NUL in the name
        return


def _matching(folder: Path, pattern: str, *, folders: bool) -> Iterator[str]:
    match = _matcher(pattern)
    return (item.name for item in _entries(folder) if item.is_dir() == folders and match(item.name))


def _matcher(pattern: str) -> Callable[[str], object]:
    """Return what tells whether a whole name matches, in any case, and is no litter."""
    match = re.compile(pattern, re.IGNORECASE).fullmatch
    return lambda name: match(name) and not LITTER.match(name)


def _sorted(folder: Path, names: Iterable[str]) -> list[Path]:
    return [folder / name for name in sorted(names, key=lambda name: (natural(name.lower()), name))]
