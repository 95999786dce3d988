"""A folder of recordings, opened: what is in it, and what is wrong with it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from perfuse.core.errors import SourceError, UsageError
from perfuse.data.readers.known import MODULES, get_reader
from perfuse.data.recording import Problem, Recording

ENDS = 1 << 16
"""Bytes at either end, and at places between, by which files are compared."""
PLACES = 16
SMALL = 1 << 24
"""Files up to this size count with all their bytes."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Recordings of one folder.

    Attributes
    ----------
    name : str
        Of the reader.
    root : Path
        The folder.
    recordings : tuple of Recording
        In the reader's order; ids are unique.
    problems : tuple of Problem
        What was found wrong by looking at names and small tables.
    """

    name: str
    root: Path
    recordings: tuple[Recording, ...]
    problems: tuple[Problem, ...]

    def __len__(self) -> int:
        return len(self.recordings)

    def __iter__(self) -> Iterator[Recording]:
        return iter(self.recordings)

    def subjects(self) -> tuple[str, ...]:
        """Return everybody, in order of appearance."""
        return tuple(dict.fromkeys(recording.subject for recording in self.recordings))

    def only(self, recordings: Sequence[Recording]) -> Dataset:
        """Return the data set with fewer recordings."""
        return replace(self, recordings=tuple(recordings))


def open_dataset(spec: str | Path) -> Dataset:
    """Open ``NAME:FOLDER``, or a folder whose kind can be told from its names.

    Raises
    ------
    UsageError
        If there is no such reader, or the folder looks like none or several.
    SourceError
        If there is no such folder, or no recording in it.
    """
    name, root = _parse(str(spec))
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise SourceError(f"{root} {what}.", "Name the folder of a data set: NAME:FOLDER, or just the folder.")
    reader = get_reader(name or recognise(root))
    found: list[Recording] = []
    problems: list[Problem] = []
    for item in reader.find(root):
        if isinstance(item, Problem):
            problems.append(item)
        else:
            found.append(item)
    kept, more = _distinct(found)
    problems += more
    if not kept:
        said = f" {problems[0].message}" if problems else ""
        raise SourceError(f"There is no {reader.title} recording in {root}.{said}", f"Expected is:\n{reader.layout}")
    return Dataset(reader.name, root, tuple(kept), tuple(problems))


def _parse(spec: str) -> tuple[str | None, Path]:
    """Split ``NAME:FOLDER``; a name with one letter is a drive."""
    name, colon, folder = spec.partition(":")
    if colon and len(name) > 1 and "/" not in name and "\\" not in name and not Path(spec).exists():
        get_reader(name)
        if not folder:
            raise UsageError(f"--data {spec} names no folder.", f"Pass {name}:FOLDER.")
        return name, Path(folder).expanduser()
    return None, Path(spec).expanduser()


def recognise(root: Path) -> str:
    """Return the name of the reader whose data set a folder looks like.

    Raises
    ------
    UsageError
        If it looks like none, or like several.
    """
    fitting = [name for name in MODULES if name != "folder" and get_reader(name).recognise(root)]
    if get_reader("folder").recognise(root):
        fitting = ["folder"]  # somebody has described it
    if len(fitting) == 1:
        return fitting[0]
    names = fitting or list(MODULES)
    raise UsageError(
        f"{root} looks like {' and '.join(fitting)}." if fitting else f"{root} looks like no data set known here.",
        f"Say which it is: NAME:{root}, with NAME one of {', '.join(names)}. "
        "A folder of your own needs a perfuse.yaml that describes it: perfuse data --help.",
    )


def _distinct(recordings: list[Recording]) -> tuple[list[Recording], list[Problem]]:
    """Drop recordings whose name, or whose files, are there already; name the same files under two subjects."""
    kept: list[Recording] = []
    problems: list[Problem] = []
    ids: dict[str, Recording] = {}
    contents: dict[str, Recording] = {}
    sizes = _same_sizes(recordings)
    for recording in recordings:
        where = str(recording.files[0]) if recording.files else recording.id
        if recording.id in ids:
            problems.append(
                Problem("duplicate", where, f"There is a recording {recording.id} already.", recording.id)
            )
            continue
        mark = fingerprint(recording.files) if recording.id in sizes else recording.id
        twin = contents.get(mark)
        if twin is not None:
            same = "the same subject" if twin.subject == recording.subject else f"subject {twin.subject}"
            message = f"Its files are those of {twin.id} of {same}; it is left out."
            problems.append(Problem("duplicate", where, message, recording.id))
            continue
        ids[recording.id] = contents[mark] = recording
        kept.append(recording)
    return kept, problems


def _same_sizes(recordings: list[Recording]) -> set[str]:
    """Return ids of recordings whose files are as large as those of another: only they can be copies."""
    groups: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for recording in recordings:
        groups[tuple(size for _, size in _files(recording.files))].append(recording.id)
    return {name for size, names in groups.items() if len(names) > 1 and size for name in names}


def _files(paths: Sequence[Path]) -> list[tuple[Path, int]]:
    """Return all files, those in folders too, in order of name, with their sizes; unreadable ones count 0."""
    found: list[tuple[Path, int]] = []
    for path in paths:
        inside = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        for file in inside:
            try:
                found.append((file, file.stat().st_size))
            except OSError:
                found.append((file, 0))
    return found


def fingerprint(paths: Sequence[Path]) -> str:
    """Hash what files hold: all of small ones, 16 places of large ones; 16 files of a folder of many.

    Reading everything would double the work of preparing raw video. Sizes always count, names do not: a copy has the
    same fingerprint.
    """
    mark = hashlib.blake2b(digest_size=16)
    found = _files(paths)
    looked = set(range(0, len(found), max(1, len(found) // PLACES))) | {len(found) - 1}
    many = len(found) > 4 * PLACES
    for index, (path, size) in enumerate(found):
        mark.update(size.to_bytes(8, "little"))
        if many and index not in looked:
            continue
        try:
            with path.open("rb") as file:
                if size <= SMALL:
                    mark.update(file.read())
                    continue
                for place in range(PLACES + 1):
                    file.seek(place * (size - ENDS) // PLACES)
                    mark.update(file.read(ENDS))
        except OSError as error:
            raise SourceError(f"{path} cannot be read ({error.strerror}).", "Check its permissions.") from error
    return mark.hexdigest()
