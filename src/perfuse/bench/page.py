"""What a result page says, before it becomes Markdown or HTML: sections of sentences and tables, all plain text."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from perfuse.bench import tell
from perfuse.bench.ranking import Ranking
from perfuse.bench.result import Result
from perfuse.bench.scores import OPEN_ROWS, Table, scores
from perfuse.bench.table import names_of, number
from perfuse.data.recording import PROBLEMS, Problem
from perfuse.report.words import label, unit_text

LISTED = 200
"""Problems of one kind that a page lists; all are in ``summary.json``."""

VERDICTS = {
    "tie": "Not to be told apart from it",
    "unsettled": "Too few people to settle it for",
    "worse": "Behind it",
    "better": "Ahead of it where both answer",
    "unknown": "Not to be compared with it",
}
TITLE = "What the numbers mean"
MEANINGS = (
    ("answered", "windows with an answer, of those with a reference; few answers make a low error easy."),
    ("MAE, RMSE, MAPE, bias",
     "mean absolute, root mean square and mean relative error; mean of answer minus reference."),
    ("r", "Pearson's correlation of answers and references."),
    ("± and brackets", "standard error and 95 % interval. People were drawn, not windows: windows of one person "
     "resemble one another. Fewer than five people give neither."),
    ("against the best", "difference of absolute errors on the windows that both answer, its 95 % interval, and p of "
     "a sign-flip test over people after Holm's correction. Where p is 0.05 or more it is a tie, "
     "or unsettled if the interval alone tells the two apart."),
    ("SNR", "power of the predicted wave at the true rate and its double over the rest of the band."),
    ("MACC", "largest absolute correlation of the waves over all shifts."),
    ("r of waves", "signed correlation of the waves at the best lag: a wave upside down does not become right."),
    ("TDI", "how much time must be bent to lay one wave over the other; smaller is better."),
    ("90 % intervals hold", "share of the stated intervals that hold the reference: 90 %, if they are honest."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page; ``key`` is the profile it is about, or empty."""

    title: str
    texts: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    code: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page."""

    title: str
    lead: tuple[str, ...]
    sections: tuple[Section, ...]


def compose(result: Result, ranks: Sequence[Ranking]) -> Page:
    """Say a result in words and tables.

    Parameters
    ----------
    result : Result
        What a run said.
    ranks : sequence of Ranking
        :func:`perfuse.bench.ranking.rankings` of it.
    """
    methods, sets = names_of(result.lines, "method"), names_of(result.lines, "dataset")
    title = f"Benchmark of {tell.count(len(methods), 'method')} on {tell.count(len(sets), 'data set')}"
    if not result.lines:
        return Page(
            "Benchmark without a score",
            ("Nothing was scored. What was wrong with the data stands at the end.",),
            (_run(result), *_costs(result), _problems(result.problems)),
        )
    profiles = list(dict.fromkeys(rank.profile for rank in ranks))
    lead = [sentence for profile in profiles for sentence in _headlines(ranks, profile)]
    if len(profiles) > 1:
        lead.append("Ways of scoring differ in bins, filters and windows: their numbers must not be compared.")
    parts = (_section(result, ranks, profile) for profile in profiles)
    meanings = Table("", ("word", "meaning"), MEANINGS)
    return Page(
        title,
        tuple(lead),
        (_run(result), *parts, *_costs(result), Section(TITLE, tables=(meanings,)), _problems(result.problems)),
    )


def leading(ranks: Sequence[Ranking], profile: str) -> list[Ranking]:
    """Return the ranking of each vital that counts most: all data sets together, first cut."""
    found: dict[str, Ranking] = {}
    for rank in ranks:
        if rank.profile == profile:
            found.setdefault(rank.vital, rank)
    return list(found.values())


def _headlines(ranks: Sequence[Ranking], profile: str) -> Iterator[str]:
    for rank in leading(ranks, profile):
        if rank.vital not in ("heart_rate", "respiratory_rate"):
            continue
        what = f"{label(rank.vital).title} ({profile}, {tell.window(rank.window)}): "
        if rank.best is None:
            asked = any(group.summary.referenced for group in rank.groups)
            yield what + (
                "no method gives an answer where there is a reference." if asked else "no window has a reference."
            )
            continue
        best = next(group.summary for group in rank.groups if group.method == rank.best)
        mae, decimals = best.agreement.mae, tell.digits(rank.vital)
        span = ""
        if mae.low is not None and mae.high is not None:
            span = f" (95 % interval {tell.fixed(mae.low, decimals)} to {tell.fixed(mae.high, decimals)})"
        share = tell.share(best.agreement.answered.value)
        least = "errs least, by" if len(rank.groups) > 1 else "errs by"
        err = f"{rank.best} {least} {tell.fixed(mae.value, decimals)}{unit_text(rank.unit)} on average{span}"
        yield f"{what}{err}, and answers in {share} of the windows.{''.join(_others(rank))}"


def _others(rank: Ranking) -> Iterator[str]:
    for word, text in VERDICTS.items():
        names = [group.method for group in rank.groups if rank.verdict(group.method) == word]
        if names and len(rank.groups) > 1:
            yield f" {text}: {', '.join(names)}."


def _run(result: Result) -> Section:
    facts = tuple((key, text) for key, text in result.about.items() if key != "command" and text)
    command = result.about.get("command", "")
    seen = {
        d.name: [v for x in result.lines if x.get("dataset") == d.name and (v := number(x.get("seen"))) == v]
        for d in result.data
    }
    rows = tuple(
        (
            d.title if d.title == d.name else f"{d.title} ({d.name})",
            str(d.recordings),
            str(d.subjects),
            tell.fixed(d.hours, 2),
            tell.share(statistics.fmean(seen[d.name]) if seen.get(d.name) else None),
        )
        for d in result.data
    )
    tables = []
    if rows:
        tables.append(Table("Data", ("data set", "recordings", "people", "hours of video", "face seen"), rows))
    if facts:
        tables.append(Table("Run", ("what", "value"), facts))
    return Section("What was run", ("To repeat it:",) if command else (), tuple(tables), command)


def _section(result: Result, ranks: Sequence[Ranking], profile: str) -> Section:
    texts, tables = scores(result, ranks, profile)
    return Section(f"Scores: {profile}", texts, tables, key=profile)


def _costs(result: Result) -> tuple[Section, ...]:
    if not result.costs:
        return ()
    rows = tuple(
        (
            cost.method,
            tell.fixed(cost.ms_per_s, 2),
            tell.times(None if not cost.ms_per_s else 1000 / cost.ms_per_s),
            tell.fixed(cost.memory_mb, 1),
            tell.whole(cost.parameters),
            tell.fixed(None if cost.macs_per_s is None else cost.macs_per_s / 1e6, 1),
        )
        for cost in result.costs
    )
    head = ("method", "ms per s of video", "times as fast as the video", "memory, MB", "parameters", "million MACs per s of video")  # fmt: skip  # noqa: E501
    text = "On one core, beyond decoding and face tracking, which all methods share."
    return (Section("What the methods cost", (text,), (Table("", head, rows),)),)


def _problems(problems: Sequence[Problem]) -> Section:
    if not problems:
        return Section("What was wrong with the data", ("Nothing that was noticed.",))
    kinds: dict[tuple[str, bool], list[Problem]] = {}
    for problem in problems:
        kinds.setdefault((problem.kind, problem.dropped), []).append(problem)
    order = sorted(kinds, key=lambda key: (list(PROBLEMS).index(key[0]), not key[1]))
    counts = tuple(
        (kind, PROBLEMS[kind], "left out" if dropped else "still used", str(len(kinds[kind, dropped])))
        for kind, dropped in order
    )
    tables = [Table("", ("kind", "meaning", "what became of it", "cases"), counts)]
    for kind, dropped in order:
        own = kinds[kind, dropped]
        rows = tuple((p.recording or "–", p.file, p.message) for p in own[:LISTED])
        more = (f"{len(own) - LISTED} more are in summary.json.",) if len(own) > LISTED else ()
        title = f"{kind}, {'left out' if dropped else 'still used'}: {len(own)}"
        tables.append(
            Table(title, ("recording", "file", "what"), rows, more, fold=title if len(own) > OPEN_ROWS else "")
        )
    return Section("What was wrong with the data", (), tuple(tables))
