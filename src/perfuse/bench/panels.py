"""Which pictures a result page shows: the lines of a run, sorted into panels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from perfuse.bench import calibration, figures, tell
from perfuse.bench.canvas import Floats, Legend, Picture, legend
from perfuse.bench.metrics import DRAWS
from perfuse.bench.page import leading
from perfuse.bench.ranking import Ranking
from perfuse.bench.result import Line, Result
from perfuse.bench.table import names_of, number, person
from perfuse.data.recording import ABOUT
from perfuse.report.words import label, unit_text

MOST_METHODS = 6
"""More in one picture cannot be told apart; the leading ones are shown."""
OPEN_METHODS = 2
"""Methods whose own pictures are shown at once; the others unfold."""
LEAST_RECORDINGS = 3
"""A group of fewer recordings is no group."""
MOST_GROUPS = 8
MOST_VALUES = 6
"""More different numbers than these are sorted into three groups of like size."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Pictures that belong together, each with a caption."""

    title: str
    text: str
    pictures: tuple[tuple[str, Picture], ...]
    legend: tuple[Legend, ...] = ()
    folded: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """The lines of one ranking, and where methods and data sets stand in the legends."""

    rank: Ranking
    lines: dict[str, list[Line]]
    methods: list[str]
    sets: list[str]
    unit: str
    name: str

    @property
    def shown(self) -> list[str]:
        return [group.method for group in self.rank.groups][:MOST_METHODS]

    def key(self, methods: Sequence[str]) -> tuple[Legend, ...]:
        known = {entry.name: entry for entry in legend(self.methods)}
        return tuple(known[method] for method in methods)


def panels(result: Result, ranks: Sequence[Ranking], profile: str, *, first: bool, draws: int = DRAWS) -> list[Panel]:
    """Draw what is worth seeing of one way of scoring: the rates, over all data sets together.

    Parameters
    ----------
    result : Result
        What a run said.
    ranks : sequence of Ranking
        :func:`perfuse.bench.ranking.rankings` of it.
    profile : str
        Which way of scoring.
    first : bool
        False: agreement of the best method only, folded.
    draws : int
        Of the bootstrap over people.
    """
    found: list[Panel] = []
    methods, sets = names_of(result.lines, "method"), names_of(result.lines, "dataset")
    place = names_of(result.lines, "profile").index(profile)
    for rank in leading(ranks, profile):
        if rank.vital not in calibration.RIGHT:
            continue
        own = [line for line in result.lines if line.get("profile") == profile and line.get("vital") == rank.vital]
        inside = {m: [x for x in own if x.get("method") == m and x.get("window") == rank.window] for m in methods}
        scene = _Scene(rank, inside, methods, sets, unit_text(rank.unit), f"p{place}{rank.vital[:1]}")
        found.extend(_agreement(scene, first))
        if first and rank.best is not None:
            found.extend(_groups(scene))
            found.extend(_courses(scene, own))
            found.append(_honesty(scene, draws))
    return found


def _title(scene: _Scene, what: str) -> str:
    return f"{label(scene.rank.vital).title}: {what}"


def _agreement(scene: _Scene, first: bool) -> Iterator[Panel]:
    some = [group.method for group in scene.rank.groups if group.summary.answered][:MOST_METHODS] or scene.shown[:1]
    methods = some if first else some[:1]
    for count, method in enumerate(methods):
        lines = scene.lines[method]
        y, x = _column(lines, "reference"), _column(lines, "prediction")
        both = np.isfinite(x) & np.isfinite(y)
        series = np.array([scene.sets.index(str(line.get("dataset"))) for line in lines], np.float64)
        pairs = figures.Pairs(x[both], y[both], series[both])
        name = f"{scene.name}a{count}"
        yield Panel(
            _title(scene, f"{method}, {tell.window(scene.rank.window)}"),
            "Full line: bias. Broken lines: limits that hold 95 % of normally distributed differences. "
            "On the slanted line, answer and reference are the same.",
            (
                ("answer minus reference", figures.agreement(pairs, scene.unit, f"{name}d")),
                ("answer against reference", figures.scatter(pairs, scene.unit, f"{name}s")),
            ),
            legend(scene.sets) if len(scene.sets) > 1 else (),
            folded=not first or count >= OPEN_METHODS,
        )


def _groups(scene: _Scene) -> Iterator[Panel]:
    pictures = []
    for count, (title, group_of) in enumerate(_traits([x for lines in scene.lines.values() for x in lines])):
        values = list(dict.fromkeys(group_of.values()))
        rows: dict[str, list[figures.Errors]] = {}
        for value in values:
            inside = sum(kept == value for kept in group_of.values())
            rows[f"{value} ({inside})"] = [_errors(scene, method, group_of, value) for method in scene.shown]
        pictures.append((title, figures.by_group(rows, scene.unit, f"{scene.name}g{count}")))
    if pictures:
        text = (
            "Small dots: windows. Large marks: their median, with a 95 % interval over people where there are five. "
            f"In brackets: recordings; groups of fewer than {LEAST_RECORDINGS} are left out."
        )
        yield Panel(_title(scene, "error by group"), text, tuple(pictures), scene.key(scene.shown))


def _errors(scene: _Scene, method: str, group_of: dict[tuple[str, str], str], value: str) -> figures.Errors:
    own = [line for line in scene.lines[method] if group_of.get(_recording(line)) == value]
    error = np.abs(_column(own, "prediction") - _column(own, "reference"))
    there = np.isfinite(error)
    who = tuple(person(line) for line, kept in zip(own, there) if kept)
    return figures.Errors(error[there], who, scene.methods.index(method))


def _traits(lines: Sequence[Line]) -> Iterator[tuple[str, dict[tuple[str, str], str]]]:
    """Yield what divides the recordings: a title, and the group of each recording, groups in their order."""
    for column in ("dataset", *(f"about_{name}" for name in ABOUT)):
        said = {
            _recording(x): x[column]
            for x in lines
            if x.get(column) not in (None, "") and x.get("reference") is not None
        }
        numbers = {key: float(v) for key, v in said.items() if isinstance(v, int | float)}
        groups: dict[tuple[str, str], str]
        if len(numbers) == len(said) and len(set(numbers.values())) > MOST_VALUES:
            groups, order = _thirds(numbers)
        else:
            groups = {key: str(value) for key, value in said.items()}
            values = set(said.values())
            order = [str(v) for v in (sorted(values) if len(numbers) == len(said) else sorted(values, key=str))]  # type: ignore[type-var]
        counts = Counter(groups.values())
        large = [value for value, n in counts.most_common() if n >= LEAST_RECORDINGS][:MOST_GROUPS]
        kept = [value for value in dict.fromkeys(order) if value in large]
        if len(kept) >= 2:
            title = "data set" if column == "dataset" else column.removeprefix("about_").replace("_", " ")
            yield title, {key: value for wanted in kept for key, value in groups.items() if value == wanted}


def _thirds(numbers: dict[tuple[str, str], float]) -> tuple[dict[tuple[str, str], str], list[str]]:
    """Sort recordings into three groups of like size, equal numbers together."""
    values = np.array(list(numbers.values()))
    edges = np.unique(np.quantile(values, [1 / 3, 2 / 3], method="higher"))
    place = np.digitize(values, edges)
    names = {}
    for k in sorted(set(place.tolist())):
        low, high = f"{values[place == k].min():.3g}", f"{values[place == k].max():.3g}"
        names[k] = low if low == high else f"{low} to {high}"
    return {key: names[k] for key, k in zip(numbers, place.tolist())}, list(names.values())


def _courses(scene: _Scene, lines: Sequence[Line]) -> Iterator[Panel]:
    """Rates over time of the best method: its best, middle and worst recording."""
    if scene.rank.best is None:
        return
    method = scene.rank.best
    cuts = [w for w in names_of(lines, "window") if w != "whole"]
    for window in cuts[:1]:
        takes: dict[tuple[str, str], list[Line]] = {}
        for line in lines:
            if line.get("method") == method and line.get("window") == window:
                takes.setdefault(_recording(line), []).append(line)
        errors = {
            key: float(np.nanmean(off))
            for key, own in takes.items()
            if len(own) > 1
            and np.isfinite(off := np.abs(_column(own, "prediction") - _column(own, "reference"))).any()
        }
        order = sorted(errors, key=lambda key: (errors[key], key))
        chosen = {0: "best", len(order) // 2: "middle", len(order) - 1: "worst"} if len(order) > 2 else dict.fromkeys(range(len(order)), "")  # fmt: skip  # noqa: E501
        pictures = []
        for place, word in chosen.items():
            key = order[place]
            course = _course(takes[key], scene.methods.index(method))
            caption = f"{word + ': ' if word else ''}{'/'.join(key)}, mean error {errors[key]:.1f}{scene.unit}"
            pictures.append((caption, figures.over_time(course, scene.unit, f"{scene.name}t{place}")))
        if pictures:
            text = (
                f"{tell.window(window).capitalize()}. Dark line: reference. Marks: {method}, bars its 90 % intervals "
                "(where it states them). Crosses: no answer."
            )
            yield Panel(_title(scene, f"{method} over time"), text, tuple(pictures))


def _course(lines: Sequence[Line], series: int) -> figures.Course:
    middle = (_column(lines, "start_s") + _column(lines, "stop_s")) / 2
    prediction, low, high, reference = (_column(lines, key) for key in ("prediction", "low", "high", "reference"))
    return figures.Course(middle, prediction, low, high, reference, series)


def _honesty(scene: _Scene, draws: int) -> Panel:
    stated = []
    for method in scene.shown:
        own = [line for line in scene.lines[method] if line.get("reference") is not None]
        error = np.abs(_column(own, "prediction") - _column(own, "reference"))
        who = tuple(person(line) for line in own)
        stated.append(calibration.Stated(method, error, _column(own, "quality"), who, scene.methods.index(method)))
    holds = [
        (group.method, group.summary.intervals.coverage, scene.methods.index(group.method))
        for group in scene.rank.groups[:MOST_METHODS]
    ]
    vital, name = scene.rank.vital, scene.name
    pictures = (
        ("does the stated quality come true", calibration.reliability(stated, vital, f"{name}q", draws=draws)),
        ("do the 90 % intervals hold", calibration.coverage(holds, f"{name}c")),
        ("what refusing buys", calibration.risk(stated, scene.unit, f"{name}r")),
    )
    text = (
        f"Quality is the stated probability of being within {calibration.RIGHT[vital]:g}/min: points below the line "
        "promise too much. Bars: 95 % intervals over people. A curve that rises to the right belongs to a method "
        "that knows when it is wrong."
    )
    return Panel(_title(scene, "is it honest"), text, pictures, scene.key(scene.shown))


def _recording(line: Line) -> tuple[str, str]:
    return str(line.get("dataset")), str(line.get("recording"))


def _column(lines: Sequence[Line], name: str) -> Floats:
    return np.array([number(line.get(name)) for line in lines], np.float64)
