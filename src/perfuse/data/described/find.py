"""A described folder as recordings: which files belong together, and which are missing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from perfuse.core.errors import SourceError
from perfuse.data.described.description import Description, Exclusion, Reference, load
from perfuse.data.described.paths import filled, locate, matches
from perfuse.data.described.take import PICTURES, open_take, references
from perfuse.data.folders import distinct, missing, natural
from perfuse.data.recording import ABOUT, Problem, Recording

NUMBERS = ("skin_tone", "monk_tone", "age", "fold", "rate_hz", "duration_s")


def find_described(dataset: str, root: Path, file: Path) -> Iterator[Recording | Problem]:
    """Yield what the description in a file finds; a wrong description is the one problem."""
    if not file.is_file():
        yield missing(file, str(root), why="It describes the folder; see the documentation.")
        return
    try:
        what = load(file)
    except SourceError as error:
        yield Problem("layout", str(file), str(error))
        return
    yield from find_any(dataset, root, [what])


def find_any(dataset: str, root: Path, layouts: Sequence[Description]) -> Iterator[Recording | Problem]:
    """Yield a recording per film, table of colours, or folder of pictures that matches; then references left over."""
    used: set[Path] = set()
    patterns = " or ".join(dict.fromkeys(what.videos for what in layouts))
    nothing = Problem("layout", str(root), f"No file below {root} matches {patterns}.")
    yield from distinct((item for what in layouts for item in _find(dataset, root, what, used)), nothing)
    yield from _left_over(root, layouts, used)


def _left_over(root: Path, layouts: Sequence[Description], used: set[Path]) -> Iterator[Problem]:
    """Yield a problem per video that only references are there of."""
    told: set[str] = set()
    for what in layouts:
        for pattern in dict.fromkeys(entry.file for entry in what.references.values()):
            for path, values in matches(root, pattern):
                film = filled(what.videos, values)
                if values and path not in used and film not in told:
                    told.add(film)
                    yield Problem("missing", str(path), f"There is no video {film} that {path} belongs to.")
                used.add(path)


def _find(dataset: str, root: Path, what: Description, used: set[Path]) -> Iterator[Recording | Problem]:
    pictures = Path(what.videos).suffix.lower() in PICTURES
    takes: dict[Path, tuple[Path, dict[str, str]]] = {}
    for path, values in matches(root, what.videos):
        takes.setdefault(path.parent if pictures else path, (path, values))
    for place in sorted(takes, key=natural):
        yield from _take(dataset, root, what, place, takes[place][1], used)


def _take(
    dataset: str, root: Path, what: Description, place: Path, values: dict[str, str], used: set[Path]
) -> Iterator[Recording | Problem]:
    """Yield the recording of one film or folder, and what it lacks."""
    name = (place if place.is_dir() else place.with_suffix("")).relative_to(root).as_posix()
    found, lost = _files(root, what, values, used)
    times = next(iter(locate(root, what.times.file, values)), None) if what.times else None
    timed = what.times is None or times is not None or what.times_optional
    kept = name if found and timed else None
    for path, why in lost:
        yield missing(path, name, recording=kept, why=why)
    if what.times and not timed:
        why = "Nothing says when its frames were taken."
        yield missing(root / filled(what.times.file, values), name, why=why)
    if kept is None:
        return
    gone, unsaid = _exclusions(root, what, values)
    for path in unsaid:
        yield missing(path, name, recording=name, why="Nothing is excluded.", dropped=False)
    clock = (what.times, times) if what.times and times else None
    extra = [path for _, *paths in found.values() for path in paths] + [path for _, path in gone if path]
    yield Recording(
        dataset=dataset,
        id=name,
        subject=values.get("subject", name),
        video=partial(open_take, place, clock, what.rate_hz),
        signals=partial(references, place, clock, what.rate_hz, found, gone),
        files=tuple(dict.fromkeys(path for path in (place, times, *extra) if path)),
        about=_about(what, values),
        cropped=what.cropped,
    )


def _files(
    root: Path, what: Description, values: Mapping[str, str], used: set[Path]
) -> tuple[dict[str, tuple[Reference, Path, Path]], list[tuple[Path, str]]]:
    """Return per signal the reference, its file and that of its times; and files that are not there, with remarks."""
    found: dict[str, tuple[Reference, Path, Path]] = {}
    lost: list[tuple[Path, str]] = []
    for signal, reference in what.references.items():
        patterns = [pattern for pattern in (reference.file, reference.clock.file) if pattern]
        fitting = [locate(root, pattern, values) for pattern in patterns]
        used.update(path for paths in fitting for path in paths)
        wrong = next((i for i, paths in enumerate(fitting) if len(paths) != 1), None)
        if wrong is None:
            found[signal] = (reference, fitting[0][0], fitting[-1][0])
            continue
        several = ", ".join(path.name for path in fitting[wrong])
        why = f"{len(fitting[wrong])} files fit: {several}." if several else f"It is where its {signal} should be."
        lost.append((root / filled(patterns[wrong], values), why))
    return found, lost


def _exclusions(
    root: Path, what: Description, values: Mapping[str, str]
) -> tuple[tuple[tuple[Exclusion, Path | None], ...], list[Path]]:
    """Return what is excluded of a recording, each with its file if there is one; and files that are not there."""
    gone: list[tuple[Exclusion, Path | None]] = []
    lost: list[Path] = []
    for entry in what.exclusions:
        path = next(iter(locate(root, entry.file, values)), None) if entry.file else None
        if entry.file and path is None and not entry.optional:
            lost.append(root / filled(entry.file, values))
        elif path or (not entry.file and all(values.get(key) == text for key, text in entry.where.items())):
            gone.append((entry, path))
    return tuple(gone), lost


def _about(what: Description, values: Mapping[str, str]) -> dict[str, str | int | float]:
    """Return what is said: placeholders with a known name, then the description's own words."""
    found: dict[str, Any] = {name: text for name, text in values.items() if name in ABOUT}
    for name, said in what.about.items():
        value = said.get(values.get("subject", "")) if isinstance(said, dict) else said
        if value is not None:
            found[name] = filled(value, values) if isinstance(value, str) else value
    for name in NUMBERS:
        if isinstance(found.get(name), str) and re.fullmatch(r"\d+(\.\d+)?", found[name]):
            found[name] = float(found[name]) if "." in found[name] else int(found[name])
    return found
