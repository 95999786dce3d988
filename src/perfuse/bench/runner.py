"""Run methods over recordings and score what they say: one long table, one way for every data set and method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cache, partial
from pathlib import Path

from perfuse.bench import reference
from perfuse.bench.profiles import Profile, score
from perfuse.bench.result import Cell, DataFacts, Line
from perfuse.bench.rows import Prediction, Row
from perfuse.core.errors import PerfuseError, SourceError, UsageError
from perfuse.core.method import Method
from perfuse.core.results import Face
from perfuse.core.view import Echo, Trace, View
from perfuse.core.workers import side_by_side
from perfuse.data.dataset import Dataset
from perfuse.data.entry import Entry
from perfuse.data.prepare import open_entry, prepare
from perfuse.data.recording import Problem, Recording
from perfuse.data.splits import Split, splits
from perfuse.methods import get_method
from perfuse.methods.student import load_bundle
from perfuse.pipeline.answer import Context, measure_face, no_face
from perfuse.pipeline.replay import replay

Progress = Callable[[str, float, float | None], None]
"""Called with what is being done, how many recordings are done, and how many there are."""
NOTHING_BEATS = "nothing beats in this recording: any answer is wrong"


@dataclass(frozen=True, slots=True)
class Scored:
    """Lines and troubles of a run.

    Attributes
    ----------
    lines : tuple of dict
        The long table.
    problems : tuple of Problem
        The readers', the cache's, the splits', and those of methods that failed.
    data : tuple of DataFacts
        What was scored.
    splits : tuple of Split
        Whose test sides were scored.
    sample : Recording or None
        One recording that all methods ran on, to measure what they cost.
    """

    lines: tuple[Line, ...]
    problems: tuple[Problem, ...]
    data: tuple[DataFacts, ...]
    splits: tuple[Split, ...]
    sample: Recording | None


@cache
def find_method(name: str) -> Method:
    """Return a method by its name, or an exported network by its folder or file.

    Raises
    ------
    UsageError
        If there is none, or it reads no pictures.
    SourceError
        If it is a path and not a whole network.
    """
    if "/" in name or "\\" in name or name.endswith(".onnx"):
        return load_bundle(name)
    method = get_method(name)
    if isinstance(method.view, Echo):
        raise UsageError(f"Method {name!r} reads a radar.", "Name methods that read pictures.")
    return method


def views(methods: Sequence[Method]) -> dict[View, list[Method]]:
    """Return what has to be cached, and for which methods: traces come with any grid or crop of the same rate."""
    wanted: dict[View, list[Method]] = {}
    for method in methods:
        if not isinstance(method.view, Trace):
            wanted.setdefault(method.view, []).append(method)
    for method in methods:
        if isinstance(method.view, Trace):
            fitting = [view for view in wanted if view.rate_hz == method.view.rate_hz]
            wanted.setdefault(fitting[0] if fitting else Trace(rate_hz=method.view.rate_hz), []).append(method)
    return wanted


def run(
    datasets: Sequence[Dataset],
    methods: Sequence[str],
    profiles: Sequence[Profile],
    cache_folder: Path,
    *,
    split: str = "all",
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Scored:
    """Score methods on the test sides of a split.

    Recordings are decoded once and cached (:mod:`perfuse.data.prepare`); a run that was stopped decodes only what is
    missing. A recording or a method that fails costs its own lines and nothing else.

    Parameters
    ----------
    datasets : sequence of Dataset
        Opened.
    methods : sequence of str
        Names, or paths of exported networks.
    profiles : sequence of Profile
        Ways of scoring.
    cache_folder : Path
        Where views are cached.
    split, seed
        See :func:`perfuse.data.splits.splits`.
    jobs : int
        Processes.
    progress : callable, optional
        See :data:`Progress`.

    Raises
    ------
    UsageError
        If a method, split or number is unknown or twice.
    OutputError
        If the cache cannot be written.
    """
    found = [find_method(name) for name in methods]
    names = [method.card.name for method in found]
    if len(set(names)) < len(names) or not names:
        raise UsageError(f"The methods {', '.join(names) or '(none)'} were given.", "Name each once, at least one.")
    recordings = [recording for data in datasets for recording in data]
    if len({_key(r) for r in recordings}) < len(recordings):
        raise UsageError("The same data set was given twice.", "Name each folder once.")
    chosen = splits(split, recordings, seed)
    tested = list({_key(r): r for part in chosen for r in part.test}.values())  # each once, whatever its folds
    problems = [p for data in datasets for p in data.problems]
    problems += [p for part in chosen for p in part.problems()]
    wanted = views(found)
    for view in wanted:
        say = None if progress is None else partial(progress, "decoding")
        made = prepare(tested, view, cache_folder, jobs=jobs, progress=say)
        problems += [p for p in made.problems if p not in problems]
    fold = {_key(r): part.name if len(chosen) > 1 else "" for part in chosen for r in part.test}
    work = partial(_score_one, methods=tuple(methods), profiles=tuple(profiles), folder=cache_folder)
    done: dict[str, _Scored] = {}
    for recording, scored in side_by_side(work, tested, jobs):
        done[_key(recording)] = scored
        if progress is not None:
            progress("scoring", len(done), len(tested))
    lines = [line | {"fold": fold[_key(r)] or None} for r in tested for line in done[_key(r)].lines]
    problems += [p for r in tested for p in done[_key(r)].problems]
    sample = next((r for r in tested if done[_key(r)].lines), None)
    return Scored(tuple(lines), tuple(problems), _facts(datasets, tested, done), chosen, sample)


@dataclass(frozen=True, slots=True)
class _Scored:
    lines: tuple[Line, ...]
    problems: tuple[Problem, ...]
    duration_s: float


def measured(method: Method, entry: Entry) -> Face:
    """Return what a method says of a cached recording: the answer that measuring the file would give."""
    about = entry.about
    context = Context(about["start_s"], about["duration_s"], about["frame_rate_hz"], about["kind"])
    if not len(entry.record.valid):
        return no_face(context)
    return measure_face(0, replay(method, entry.record, entry.cells), context)


def _score_one(
    recording: Recording, methods: tuple[str, ...], profiles: tuple[Profile, ...], folder: Path
) -> _Scored:
    """Score all methods on one recording."""
    lines: list[Line] = []
    problems: list[Problem] = []
    duration = 0.0
    for view, group in views([find_method(name) for name in methods]).items():
        try:
            entry = open_entry(recording, view, folder)
        except SourceError:
            entry = None
        if entry is None:
            continue  # named among the problems when it was prepared
        duration = entry.about["duration_s"]
        known = reference.prepare(entry.signals)
        for method in group:
            try:
                face = measured(method, entry)
            except PerfuseError as error:
                name = f"{recording.dataset}/{recording.id}"
                problems.append(Problem("quality", name, f"{method.card.name}: {error.problem}", recording.id))
                continue
            prediction = Prediction.of_face(face, entry.about["start_s"])
            span = entry.about["start_s"], entry.about["start_s"] + duration
            for how in profiles:
                rows = score(how, prediction, entry.signals, span_s=span, references=known)
                lines += [_line(recording, method.card.name, how.name, row, entry) for row in rows]
    order = {find_method(name).card.name: place for place, name in enumerate(methods)}
    lines.sort(key=lambda line: order[str(line["method"])])
    return _Scored(tuple(lines), tuple(problems), duration)


def _line(recording: Recording, method: str, profile: str, row: Row, entry: Entry) -> Line:
    """Return one line of the long table."""
    line: dict[str, Cell] = {
        "dataset": recording.dataset,
        "recording": recording.id,
        "subject": recording.subject,
        "method": method,
        "profile": profile,
        **{field.name: getattr(row, field.name) for field in fields(Row)},
        "error": row.error,
        "seen": entry.about["seen"],
        **{f"about_{name}": value for name, value in recording.about.items()},
    }
    if recording.about.get("domain") == "no-pulse" and row.reference is None:
        line["reference_reason"] = NOTHING_BEATS
    return line


def _facts(
    datasets: Sequence[Dataset], tested: Sequence[Recording], done: dict[str, _Scored]
) -> tuple[DataFacts, ...]:
    from perfuse.data.readers.known import get_reader

    facts = []
    for data in datasets:
        ours = {r.id for r in data}
        mine = [r for r in tested if r.dataset == data.name and r.id in ours and done[_key(r)].lines]
        hours = sum(done[_key(r)].duration_s for r in mine) / 3600
        people = len({r.subject for r in mine})
        facts.append(DataFacts(data.name, get_reader(data.name).title, len(mine), people, hours))
    return tuple(facts)


def _key(recording: Recording) -> str:
    return f"{recording.dataset}/{recording.id}"
