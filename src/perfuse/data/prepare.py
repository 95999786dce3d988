"""Prepare a data set: every recording decoded once, its face followed, its view and references cached."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from perfuse.core.errors import MissingExtraError, OutputError, SourceError, UsageError
from perfuse.core.view import View
from perfuse.core.workers import alive, side_by_side
from perfuse.data.cache import entry_path
from perfuse.data.entry import CorruptedError, Entry, read_entry, write_entry
from perfuse.data.follow import follow
from perfuse.data.labels import usable
from perfuse.data.recording import F64, Problem, Recording, Signal
from perfuse.radar.record import RadarRecord

SHORT_S = 1.0
"""A reference that misses more than this of the video, at either end, is reported."""

LONG_S, LONG_SHARE = 3.0, 0.1
"""A reference that begins with the video, and goes on after it for more than this and this share of it, is reported:
nothing but the common beginning ties the two together. Sensors are often stopped by hand, some seconds later. What
begins well before its video was placed there by a clock (MAHNOB-HCI has 30 s on either side), and may end when it
likes."""
Progress = Callable[[float, float | None], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What came of a data set.

    Attributes
    ----------
    entries : dict of str to Path
        By id of the recording, in the order of the data set.
    problems : tuple of Problem
        Everything that was found, the reader's included.
    made, kept : int
        How many entries are new, and how many were there.
    """

    entries: dict[str, Path]
    problems: tuple[Problem, ...]
    made: int
    kept: int


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of one recording."""

    path: Path | None
    problems: tuple[Problem, ...]
    made: bool


def prepare(
    recordings: Sequence[Recording],
    view: View,
    folder: Path,
    *,
    jobs: int = 1,
    problems: Sequence[Problem] = (),
    progress: Progress | None = None,
) -> Prepared:
    """Cache a view of every recording; what is there already, and whole, is kept.

    Stopped at any moment, the next run goes on where this one stopped. What cannot be used is named in the problems;
    the rest is prepared.

    Parameters
    ----------
    recordings : sequence of Recording
        From :func:`perfuse.data.dataset.open_dataset`.
    view : View
        What to cache. Region means, motion and chest are always in there.
    folder : Path
        The cache.
    jobs : int
        Processes, 1 to 256. A script that asks for more than one must be safe to import.
    problems : sequence of Problem
        What is known to be wrong already.
    progress : callable, optional
        Called with the number of recordings done and in all.

    Raises
    ------
    UsageError
        If ``jobs`` is out of range.
    OutputError
        If the cache cannot be written, or a worker was killed.
    """
    if not 1 <= jobs <= 256:
        raise UsageError(f"{jobs} jobs were asked for.", "Ask for 1 to 256.")
    _tidy(folder)
    found: dict[str, _Done] = {}
    if progress is not None:
        progress(0, len(recordings))
    for recording, done in side_by_side(partial(prepare_one, view=view, folder=folder), recordings, jobs):
        found[recording.id] = done
        if progress is not None:
            progress(len(found), len(recordings))
    ordered = {recording.id: found[recording.id] for recording in recordings}
    entries = {name: done.path for name, done in ordered.items() if done.path is not None}
    more = [problem for done in ordered.values() for problem in done.problems]
    made = sum(done.made for done in ordered.values())
    return Prepared(entries, (*problems, *more), made, len(entries) - made)


def prepare_one(recording: Recording, view: View, folder: Path) -> _Done:
    """Cache one recording, or say why not.

    Raises
    ------
    OutputError
        If the cache cannot be written: then nothing else will go there, either.
    """
    try:
        path = entry_path(folder, recording, view)
        if path.exists():
            with suppress(CorruptedError):
                return _Done(path, tuple(_told(read_entry(path))), False)
        with tempfile.TemporaryDirectory(prefix=f".part-{os.getpid()}-", dir=_made(folder)) as temporary:
            return _cache(recording, view, path, Path(temporary))
    except (OutputError, KeyboardInterrupt):
        raise
    except MissingExtraError as error:
        return _Done(None, (Problem("unreadable", _where(recording), str(error), recording.id),), False)
    except SourceError as error:
        return _Done(None, (Problem("unreadable", _where(recording), error.problem, recording.id),), False)
    except OSError as error:
        if error.filename is None or str(folder) in str(error.filename):
            raise OutputError(f"{folder} cannot be written: {error.strerror}.", "Choose another cache.") from error
        problem = Problem("unreadable", str(error.filename), f"It cannot be read ({error.strerror}).", recording.id)
        return _Done(None, (problem,), False)


def open_entry(recording: Recording, view: View, folder: Path) -> Entry | None:
    """Return the entry of a recording, or None where there is no whole one."""
    path = entry_path(folder, recording, view)
    with suppress(CorruptedError):
        return read_entry(path) if path.exists() else None
    return None


def _cache(recording: Recording, view: View, path: Path, temporary: Path) -> _Done:
    signals, problems = _references(recording)
    with recording.video() as stream:
        record, cells, about = follow(stream, view, recording, temporary)
        for warning in stream.warnings:
            kind = "assumed" if "assumed" in warning else "unreadable"
            problems.append(Problem(kind, stream.info.name, warning, recording.id, dropped=False))
    if not record.valid.any():
        what = "No complete sample is in it." if about["kind"] == "trace" else "No face was found in it."
        problems.append(Problem("quality", _where(recording), what, recording.id, dropped=False))
    about |= {
        "dataset": recording.dataset,
        "id": recording.id,
        "subject": recording.subject,
        "about": dict(recording.about),
        "view": repr(view),
        "seen": float(record.valid.mean()) if len(record.valid) else 0.0,
    }
    problems += _coverage(signals, about, recording)
    radar = _radar(recording, about, problems)
    about["problems"] = [[p.kind, p.file, p.message, p.dropped] for p in problems]
    write_entry(path, about, record, signals, cells, radar)
    return _Done(path, tuple(problems), True)


def _references(recording: Recording) -> tuple[dict[str, Signal], list[Problem]]:
    """Read the references; without them the pictures still count."""
    problems: list[Problem] = []
    signals: dict[str, Signal] = {}
    try:
        signals = recording.signals()
    except (SourceError, ValueError) as error:
        problems.append(_unreadable(recording, error))
        return {}, problems
    for name in [n for n, s in signals.items() if not len(usable(s))]:
        message = f"Its {name} has {len(signals[name])} samples, and no number among them."
        problems.append(Problem("missing", _where(recording), message, recording.id, dropped=False))
        del signals[name]
    if not signals and not problems:
        problems.append(Problem("missing", _where(recording), "It has no reference.", recording.id, dropped=False))
    for name, signal in signals.items():
        bad = len(signal) - len(usable(signal)) - (name == "beats")
        if bad > 0:
            message = f"{bad} of {len(signal)} values of its {name} are no numbers; they are left out."
            problems.append(Problem("not-finite", _where(recording), message, recording.id, dropped=False))
    return signals, problems


def _coverage(signals: dict[str, Signal], about: dict[str, Any], recording: Recording) -> list[Problem]:
    """Name references that end before the video, begin after it, or go on long after it."""
    begin, end = about["start_s"], about["start_s"] + about["duration_s"]
    found = []
    for name, signal in signals.items():
        good = usable(signal).times_s
        slack = SHORT_S + (3.0 if name in ("beats", "heart_rate", "respiratory_rate", "spo2") else 0.0)
        for kind, text in _misfit(name, good, begin, end, slack):
            found.append(Problem(kind, _where(recording), text, recording.id, dropped=False))
    return found


def _misfit(name: str, times_s: F64, begin: float, end: float, slack: float) -> list[tuple[str, str]]:
    """Return what is wrong with how a reference lies on its video: kind and sentence, or nothing."""
    span = f"from {times_s[0]:.1f} to {times_s[-1]:.1f} s" if len(times_s) else "not a moment"
    spans = f"Its {name} lasts {span}, the video from {begin:.1f} to {end:.1f} s"
    if not len(times_s) or times_s[0] > begin + slack or times_s[-1] < end - slack:
        return [("short", f"{spans}.")]
    if times_s[0] > begin - SHORT_S and times_s[-1] > end + max(LONG_S, LONG_SHARE * (end - begin)):
        return [("assumed", f"{spans}; that they begin together is assumed.")]
    return []


def _unreadable(recording: Recording, error: SourceError | ValueError) -> Problem:
    """Return what to say of a reader that gave up: on purpose, or as numbers in a damaged file make no signal."""
    what = error.problem if isinstance(error, SourceError) else f"It cannot be read ({error})."
    return Problem("unreadable", _where(recording), what, recording.id, dropped=False)


def _radar(recording: Recording, about: dict[str, Any], problems: list[Problem]) -> RadarRecord | None:
    """Read the radar, and name what is wrong with it; times are never shifted to make it fit."""
    if recording.radar is None:
        return None
    try:
        radar = recording.radar()
    except (SourceError, ValueError) as error:
        problems.append(_unreadable(recording, error))
        return None
    told = [("quality", f"Of its radar, {note}.") for note in radar.notes]
    begin, end = about["start_s"], about["start_s"] + about["duration_s"]
    told += _misfit("radar", radar.times_s[radar.valid], begin, end, SHORT_S)
    problems += [Problem(kind, _where(recording), text, recording.id, dropped=False) for kind, text in told]
    return radar


def _told(entry: Entry) -> list[Problem]:
    """Return the problems that were met when an entry was made."""
    return [Problem(k, f, m, entry.about["id"], dropped=d) for k, f, m, d in entry.about["problems"]]


def _where(recording: Recording) -> str:
    return str(recording.files[0]) if recording.files else recording.id


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made a folder ({error.strerror}).", "Choose another cache.") from error
    return folder


def _tidy(folder: Path) -> None:
    """Remove what runs that were killed left behind."""
    import shutil

    for place in [*folder.glob(".part-*"), *folder.glob("*/.*.part")]:
        digits = place.name.split("-")[1] if place.is_dir() else place.name.split(".")[-2]
        if digits.isdigit() and not alive(int(digits)):
            shutil.rmtree(place, ignore_errors=True) if place.is_dir() else place.unlink(missing_ok=True)
