"""A described folder as recordings: which files match, when their rows were measured, what is excluded."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.columns import read_column
from perfuse.data.description import Clock, Description, Exclusion, Reference
from perfuse.data.foreign import film_times
from perfuse.data.media import listed, natural, open_film, open_pictures, retimed
from perfuse.data.parts import F64, absent, distinct, open_trace, placed, read_table, rising
from perfuse.data.parts import column as pick
from perfuse.data.recording import ABOUT, Opened, Problem, Recording, Signal
from perfuse.video import FrameStream, TraceStream

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
TABLES = (".csv", ".tsv")
EDGE_S = 1e-6
"""Times are sums of floats; what is excluded up to 0.3 s is excluded at 0.3 s."""
Stream = TypeVar("Stream", FrameStream, TraceStream)
NUMBERS = ("skin_tone", "monk_tone", "age", "fold", "rate_hz", "duration_s")


def matcher(pattern: str) -> re.Pattern[str]:
    """Return the expression that a relative path must match; a placeholder that returns must match the same."""
    out, seen = "", set()
    for part in re.split(r"(\{[a-z_]+\}|\*\*/|\*|\?)", pattern):
        if part.startswith("{"):
            name = part[1:-1]
            out += f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+?)"
            seen.add(name)
        else:
            out += {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part))
    return re.compile(out)


def matches(root: Path, pattern: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield files that match, numbers by value, with what stands for the placeholders."""
    expression = matcher(pattern)
    wild = re.sub(r"\{[a-z_]+\}", "*", re.sub(r"[\[\]]", "?", pattern))
    for path in listed(root, wild):
        match = expression.fullmatch(path.relative_to(root).as_posix())
        if match and path.is_file():
            yield path, match.groupdict()


def locate(root: Path, pattern: str, values: Mapping[str, str]) -> list[Path]:
    """Return the files that fit a pattern for one recording: one, if all is well."""
    filled = re.sub(r"\{([a-z_]+)\}", lambda m: glob.escape(values.get(m[1], "*")), re.sub(r"\[", "[[]", pattern))
    return [path for path in listed(root, filled) if path.is_file()]


def find(dataset: str, root: Path, what: Description) -> Iterator[Recording | Problem]:
    """Yield a recording per film, table of colours, or folder of pictures that matches; then references left over."""
    used: set[Path] = set()
    nothing = Problem("layout", str(root), f"No file below {root} matches {what.videos}.")
    yield from distinct(_find(dataset, root, what, used), nothing)
    yield from _left_over(root, [what], used)


def find_any(dataset: str, root: Path, layouts: Sequence[Description]) -> Iterator[Recording | Problem]:
    """Yield what several descriptions find; only if none finds anything that is a problem."""
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
                film = _said(what.videos, values)
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
    name = (place if place.is_dir() else place.with_suffix("")).relative_to(root).as_posix()
    found: dict[str, tuple[Reference, Path, Path]] = {}
    for signal, reference in what.references.items():
        fitting = [locate(root, pattern, values) for pattern in (reference.file, reference.clock.file) if pattern]
        used.update(path for paths in fitting for path in paths)
        wrong = next((i for i, paths in enumerate(fitting) if len(paths) != 1), None)
        if wrong is None:
            found[signal] = (reference, fitting[0][0], fitting[-1][0])
            continue
        several = ", ".join(path.name for path in fitting[wrong])
        why = f"{len(fitting[wrong])} files fit: {several}." if several else f"The recording has no {signal}."
        yield absent(root / _said((reference.file, reference.clock.file)[wrong], values), name, why=why)
    if not found:
        return
    times = next(iter(locate(root, what.times.file, values)), None) if what.times else None
    if what.times and times is None and not what.times_optional:
        yield absent(root / _said(what.times.file, values), name, why="Nothing says when its frames were taken.")
        return
    gone: list[tuple[Exclusion, Path | None]] = []
    for entry in what.exclusions:
        path = next(iter(locate(root, entry.file, values)), None) if entry.file else None
        if entry.file and path is None and not entry.optional:
            yield absent(root / _said(entry.file, values), name, why="Nothing is excluded.", dropped=False)
        elif path or (not entry.file and all(values.get(key) == text for key, text in entry.where.items())):
            gone.append((entry, path))
    clock_of_film = (what.times, times) if what.times and times else None
    extra = [path for _, *paths in found.values() for path in paths] + [path for _, path in gone if path]
    files = dict.fromkeys(path for path in (place, times, *extra) if path)
    yield Recording(
        dataset=dataset,
        id=name,
        subject=values.get("subject", name),
        video=partial(open_take, place, clock_of_film, what.rate_hz),
        signals=partial(references, place, clock_of_film, what.rate_hz, found, tuple(gone)),
        files=tuple(files),
        about=_about(what, values),
        cropped=what.cropped,
    )


def _said(pattern: str | None, values: Mapping[str, str]) -> str:
    return re.sub(r"\{([a-z_]+)\}", lambda match: values.get(match[1], match[0]), pattern or "?")


def _about(what: Description, values: Mapping[str, str]) -> dict[str, str | int | float]:
    """Return what is said: placeholders with a known name, then the description's own words."""
    found: dict[str, Any] = {name: text for name, text in values.items() if name in ABOUT}
    for name, said in what.about.items():
        value = said.get(values.get("subject", "")) if isinstance(said, dict) else said
        if value is not None:
            found[name] = _said(value, values) if isinstance(value, str) else value
    for name in NUMBERS:
        if isinstance(found.get(name), str) and re.fullmatch(r"\d+(\.\d+)?", found[name]):
            found[name] = float(found[name]) if "." in found[name] else int(found[name])
    return found


def open_take(place: Path, times: tuple[Reference, Path] | None, rate_hz: float | None) -> Opened:
    """Open a film, a table of colours or a folder of pictures.

    Raises
    ------
    SourceError
        If it cannot be read, or nothing says when frames were taken.
    """
    if place.is_dir():
        return open_pictures(_pictures(place), _picture_times(place, times, rate_hz), str(place))
    if place.suffix.lower() in TABLES:
        return _only_if_needed(open_trace, place, rate_hz)
    if times is None:
        return _only_if_needed(open_film, place, rate_hz)
    return retimed(_only_if_needed(open_film, place, rate_hz), _stated(*times), str(times[1]))


def _only_if_needed(opener: Callable[[Path, float | None], Stream], place: Path, rate_hz: float | None) -> Stream:
    """Open without the described rate, which is for what has no times of its own; with it if that fails."""
    try:
        return opener(place, None)
    except SourceError:
        if rate_hz is None:
            raise
    return opener(place, rate_hz)


def _pictures(folder: Path) -> list[Path]:
    return [path for path in listed(folder, "*") if path.suffix.lower() in PICTURES and not path.name.startswith(".")]


def _picture_times(folder: Path, times: tuple[Reference, Path] | None, rate_hz: float | None) -> F64:
    if times is not None:
        return _stated(*times)
    if rate_hz is None:
        raise SourceError(f"Nothing says when the pictures in {folder} were taken.", "Add rate_hz, or times.")
    return np.arange(len(_pictures(folder))) / rate_hz


def _raw(times: Reference, path: Path) -> F64:
    """Return times of frames as the file has them, s."""
    return rising(read_column(path, times.column) * times.clock.unit_s, path)


def _stated(times: Reference, path: Path) -> F64:
    marks = _raw(times, path)
    return np.asarray(marks - (marks[0] if times.clock.zero == "first" else 0.0) + times.clock.offset_s)


def frame_times(place: Path, times: tuple[Reference, Path] | None, rate_hz: float | None) -> F64:
    """Return the times of a recording's frames, s, without decoding.

    Raises
    ------
    SourceError
        As :func:`open_take`.
    """
    if place.is_dir():
        return _picture_times(place, times, rate_hz)
    if place.suffix.lower() in TABLES:
        return _only_if_needed(open_trace, place, rate_hz).data.time_s
    return film_times(place) if times is None else _stated(*times)


def references(
    place: Path,
    times: tuple[Reference, Path] | None,
    rate_hz: float | None,
    found: Mapping[str, tuple[Reference, Path, Path]],
    gone: tuple[tuple[Exclusion, Path | None], ...],
) -> dict[str, Signal]:
    """Read the references; excluded stretches become NaN.

    Raises
    ------
    SourceError
        If a file cannot be read, lacks a column, or has no times.
    """
    read: dict[str, Signal] = {}
    for name, (reference, path, timing) in found.items():
        if name == "beats":
            read[name] = _beats(reference, path, timing)
            continue
        values = _values(reference, path)
        if reference.clock.per:
            marks = _spread(frame_times(place, times, rate_hz), len(values), reference.clock.per)
        else:
            marks = _marks(reference.clock, timing, len(values), times)
        read[name] = _timed(marks, values, path)
    for start_s, end_s in (stretch for entry, path in gone for stretch in _stretches(entry, path)):
        for name, signal in read.items():
            inside = (signal.times_s >= start_s - EDGE_S) & (signal.times_s <= end_s + EDGE_S)
            read[name] = Signal(signal.times_s, np.where(inside, np.nan, signal.values))
    return read


def _values(reference: Reference, path: Path) -> F64:
    values = read_column(path, reference.column)
    if not np.isfinite(values).any():
        raise SourceError(f"{path} holds no number in the column described.", "Check the column.")
    return np.where(np.isin(values, reference.missing), np.nan, values) * reference.scale


def _timed(marks: F64, values: F64, path: Path) -> Signal:
    count = min(len(marks), len(values))
    signal = placed(marks[:count], values[:count])
    if not len(signal):
        raise SourceError(f"{path} has no row with a time.", "Check its clock in the description.")
    return signal


def _marks(clock: Clock, path: Path, count: int, times: tuple[Reference, Path] | None) -> F64:
    """Return the times of rows, s."""
    if clock.column is None and clock.file is None:
        marks = np.arange(count) / (clock.rate_hz or 1.0)
    else:
        marks = read_column(path, clock.column) * clock.unit_s
    known = marks[np.isfinite(marks)]
    if clock.zero == "first" and len(known):
        marks = marks - known[0]
    elif clock.zero == "frames":
        if times is None:
            raise SourceError(f"The clock of {path} begins with the frames, which have none.", "Describe times, too.")
        marks = marks - _raw(*times)[0]
    return marks + clock.offset_s + _offset(clock, path)


def _offset(clock: Clock, path: Path) -> float:
    if clock.offset_column is None:
        return 0.0
    try:
        values = read_column(path, clock.offset_column)
    except SourceError:
        if clock.optional:
            return 0.0
        raise
    known = values[np.isfinite(values)]
    if not len(known):
        raise SourceError(f"{path} has no number in {clock.offset_column}.", "Expected is an offset in seconds.")
    return float(known[0])


def _spread(times_s: F64, count: int, per: str) -> F64:
    """Return the times of rows that go with frames, or fill the video evenly."""
    if per == "frame":
        return times_s[:count]
    step = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    length = float(times_s[-1] - times_s[0]) + step
    return np.asarray(times_s[0] + np.arange(count) * (length / count))


def _beats(reference: Reference, path: Path, timing: Path) -> Signal:
    """Read times of beats, intervals between them, or both."""
    clock = reference.clock
    if clock.column is None and clock.file is None:
        intervals = _values(reference, path)
        if not (intervals > 0).all():
            raise SourceError(f"{path} holds intervals that are no positive numbers.", "One lost shifts all others.")
        marks = np.concatenate([[0.0], np.cumsum(intervals)]) + clock.offset_s
        return Signal(marks, np.concatenate([[np.nan], intervals]))
    if reference.column is None:
        marks = _marks(clock, timing, 0, None)
        marks = marks[np.isfinite(marks)]
        return _timed(marks, np.diff(marks, prepend=np.nan), path)
    return _timed(_marks(clock, timing, 0, None), _values(reference, path), path)


def _stretches(entry: Exclusion, path: Path | None) -> list[tuple[float, float]]:
    if path is None:
        return [(entry.from_s, entry.to_s)]
    table = read_table(path)
    starts, ends = pick(table, path, "from_s", "start_s"), pick(table, path, "to_s", "end_s")
    pairs = [(float(a), float(b)) for a, b in zip(starts, ends)]
    if not all(a <= b for a, b in pairs):  # NaN, too: what is to be excluded must not stay in
        raise SourceError(f"{path} has a stretch without its end, or backwards.", "Expected are from_s and to_s.")
    return pairs
