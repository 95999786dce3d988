"""Tables of one way of scoring: errors beside the share answered, waves, intervals, variability, what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from perfuse.bench import tell
from perfuse.bench.metrics import Estimate
from perfuse.bench.profiles import PROFILES
from perfuse.bench.ranking import Ranking
from perfuse.bench.result import Line, Result
from perfuse.bench.table import Group, names_of, number
from perfuse.report.words import label, unit_text

OPEN_ROWS = 8
"""Longer lists are folded."""
NO_PULSE = "no-pulse"
"""Domain of recordings without anybody alive in them."""
RATES = ("heart_rate", "respiratory_rate")
SURE = 0.5
"""ASSUMED: an answer of this quality is one that a program would act on."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text.

    Attributes
    ----------
    title : str
        Above it.
    head : tuple of str
        Names of the columns; the first one names its row.
    rows : tuple of tuple of str
        Cells.
    notes : tuple of str
        Below it.
    fold : str
        What to unfold to see it; neighbours with the same words unfold together. Empty: it is seen at once.
    strong : frozenset of int
        Rows that stand out.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    fold: str = ""
    strong: frozenset[int] = frozenset()


def scores(result: Result, ranks: Sequence[Ranking], profile: str) -> tuple[tuple[str, ...], tuple[Table, ...]]:
    """Return sentences and tables about one way of scoring.

    Parameters
    ----------
    result : Result
        What a run said.
    ranks : sequence of Ranking
        :func:`perfuse.bench.ranking.rankings` of it.
    profile : str
        Which way of scoring.
    """
    known = PROFILES.get(profile)
    texts = [f"Scored {known.what}. Source: {known.source}." if known else "A way of scoring of its own."]
    if known and known.label != "clock":
        texts.append(
            "Standard errors are over people here too; the ones this scorer prints take windows for independent and "
            "are smaller."
        )
    tables: list[Table] = []
    own = [rank for rank in ranks if rank.profile == profile]
    empty = [rank for rank in own if rank.vital in RATES and not any(g.summary.referenced for g in rank.groups)]
    texts += [f"{_title(rank)}: no window has a reference." for rank in empty if rank.dataset or len(empty) == 1]
    own = [rank for rank in own if rank not in empty]
    several = any(rank.dataset is None for rank in own)
    rates = [rank for rank in own if rank.vital in RATES]
    for rank in rates:
        if rank.dataset is None or not several:
            tables.append(_errors(rank))
            tables.extend(_waves(rank, f"{_title(rank)}: waves and intervals"))
    tables.extend(_variability([rank for rank in own if rank not in rates]))
    if several:
        for rank in sorted(rates, key=lambda rank: rank.dataset or ""):
            if rank.dataset is not None:
                tables.append(_errors(rank, fold=f"Rates in {rank.dataset} alone"))
                tables.extend(_waves(rank, f"Rates in {rank.dataset} alone"))
    lines = [line for line in result.lines if line.get("profile") == profile]
    tables.extend(_false_alarms(lines))
    tables.extend(_missing(lines))
    return tuple(texts), tuple(tables)


def _title(rank: Ranking) -> str:
    of = "all data sets" if rank.dataset is None else rank.dataset
    return f"{label(rank.vital).title}, {tell.window(rank.window)}, {of}"


def _size(rank: Ranking) -> str:
    sizes = {(g.summary.referenced, g.recordings, g.summary.subjects) for g in rank.groups}
    said = [f"{tell.count(n, 'window')} of {tell.count(r, 'recording')} of {tell.count(p, 'person', 'people')} "
            "with a reference" for n, r, p in sorted(sizes, reverse=True)]  # fmt: skip
    return (said[0] if len(said) == 1 else "Depending on the method: " + "; ".join(said)) + "."


def _errors(rank: Ranking, fold: str = "") -> Table:
    unit, digits = unit_text(rank.unit), tell.digits(rank.vital)
    with_unit = f", {unit}" if unit else ""
    head = ["method", "answered", f"MAE{with_unit}", "against the best", f"RMSE{with_unit}", "MAPE, %",
            f"bias{with_unit}", "r"]  # fmt: skip
    rows: list[tuple[str, ...]] = []
    for group in rank.groups:
        a = group.summary.agreement
        rows.append(
            (
                group.method,
                answered_text(group),
                tell.estimate(a.mae, digits),
                tell.against(rank, group.method, digits),
                tell.estimate(a.rmse, digits),
                tell.estimate(a.mape, 2),
                tell.estimate(a.bias, digits),
                tell.estimate(a.r, 3),
            )
        )
    if len(rows) == 1:  # nothing to compare with
        del head[3]
        rows = [row[:3] + row[4:] for row in rows]
    strong = frozenset(k for k, group in enumerate(rank.groups) if rank.verdict(group.method) == "best")
    why = tell.reasons((g.method, e) for g in rank.groups for e in _agreed(g))
    return Table(_title(rank), tuple(head), tuple(rows), (_size(rank), *why), fold, strong)


def answered_text(group: Group) -> str:
    """Return the share of windows answered and the numbers behind it."""
    s = group.summary
    return f"{tell.share(s.agreement.answered.value)} ({s.answered}/{s.referenced})"


def _agreed(group: Group) -> tuple[Estimate, ...]:
    a = group.summary.agreement
    return (a.mae, a.rmse, a.mape, a.bias, a.r)


def _waves(rank: Ranking, fold: str) -> Iterator[Table]:
    """Waves and stated intervals, if any method has them."""
    unit, digits = unit_text(rank.unit), tell.digits(rank.vital)
    columns = (
        ("SNR, dB", [tell.estimate(g.summary.snr_db, 2) for g in rank.groups]),
        ("MACC", [tell.estimate(g.summary.macc, 3) for g in rank.groups]),
        ("r of waves", [tell.estimate(g.summary.r, 3) for g in rank.groups]),
        ("TDI", [tell.estimate(g.summary.tdi, 3) for g in rank.groups]),
        ("90 % intervals hold", [tell.percent(g.summary.intervals.coverage) for g in rank.groups]),
        (f"their width, {unit}", [tell.estimate(g.summary.intervals.width, digits) for g in rank.groups]),
        (f"interval score, {unit}", [tell.estimate(g.summary.intervals.score, digits) for g in rank.groups]),
    )
    there = [(name, cells) for name, cells in columns if any(cell != tell.NONE for cell in cells)]
    if there:
        names = [group.method for group in rank.groups]
        rows = tuple(zip(names, *(cells for _, cells in there)))
        yield Table(f"{_title(rank)}: waves and intervals", ("method", *(n for n, _ in there)), rows, fold=fold)


def _variability(ranks: Sequence[Ranking]) -> Iterator[Table]:
    """One table per data set (or all): measures below one another."""
    by_set: dict[str | None, list[Ranking]] = {}
    for rank in ranks:
        by_set.setdefault(rank.dataset, []).append(rank)
    for scope, own in by_set.items():
        rows: list[tuple[str, ...]] = []
        strong: set[int] = set()
        for rank in own:
            for group in rank.groups:
                a, d = group.summary.agreement, tell.digits(rank.vital)
                if rank.verdict(group.method) == "best" and len(rank.groups) > 1:
                    strong.add(len(rows))
                rows.append(
                    (
                        ", ".join(text for text in (label(rank.vital).title, unit_text(rank.unit)) if text),
                        group.method,
                        answered_text(group),
                        tell.estimate(a.mae, d),
                        tell.against(rank, group.method, d),
                        tell.estimate(a.bias, d),
                        tell.estimate(a.r, 3),
                        tell.percent(group.summary.intervals.coverage),
                    )
                )
        head = ("measure", "method", "answered", "MAE", "against the best", "bias", "r", "90 % intervals hold")
        title = f"Heart-rate variability, {'all data sets' if scope is None else scope}"
        fold = title if len(rows) > OPEN_ROWS or (scope is not None and len(by_set) > 1) else ""
        yield Table(title, head, tuple(rows), (), fold, frozenset(strong))


def _false_alarms(lines: Sequence[Line]) -> Iterator[Table]:
    """Count answers in recordings in which nothing beats, by method: every one of them is wrong."""
    still = [line for line in lines if line.get("about_domain") == NO_PULSE and line.get("reference") is None]
    rows = []
    for vital in names_of(still, "vital"):
        for method in names_of(still, "method"):
            own = [x for x in still if x["method"] == method and x["vital"] == vital]
            answers = [x for x in own if x.get("prediction") is not None]
            if not answers and vital != RATES[0]:
                continue  # nothing was said, and nothing is wrong with that
            sure = sum(number(x.get("quality")) >= SURE for x in answers)
            rows.append((method, label(vital).title, str(len(own)), str(len(answers)), str(sure)))
    if rows:
        head = ("method", "of", "windows", "answers, all wrong", f"of quality {SURE} or more")
        yield Table("Answers where nothing beats", head, tuple(rows))


def _missing(lines: Sequence[Line]) -> Iterator[Table]:
    """Count what has no answer, no reference, or a note, by reason."""
    found: Counter[tuple[str, str, str, str]] = Counter()
    unknown: set[tuple[object, ...]] = set()
    for line in lines:
        vital, method = label(str(line["vital"])).title, str(line["method"])
        if line.get("reference") is None:
            key = tuple(line.get(name) for name in ("dataset", "recording", "vital", "window", "start_s"))
            if key not in unknown:  # a window without a reference lacks it for every method
                unknown.add(key)
                found["no reference", "–", vital, str(line.get("reference_reason") or "no reason given")] += 1
        elif line.get("prediction") is None:
            found["no answer", method, vital, str(line.get("reason") or "no reason given")] += 1
        if line.get("note"):
            found["note", method, vital, str(line["note"])] += 1
    order = ("no answer", "no reference", "note")
    ranked = sorted(found.items(), key=lambda item: (order.index(item[0][0]), -item[1], item[0]))
    rows = tuple((kind, method, vital, str(n), why) for (kind, method, vital, why), n in ranked)
    if rows:
        head = ("what", "method", "of", "windows", "why")
        title = "What is missing, and why"
        yield Table(title, head, rows, fold=title if len(rows) > OPEN_ROWS else "")
