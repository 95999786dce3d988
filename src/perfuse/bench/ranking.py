"""Which method is ahead, and whether that can be told: the best is compared with all others on the same windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.bench.compare import Comparison, compare_all
from perfuse.bench.metrics import DRAWS
from perfuse.bench.result import Line, Result
from perfuse.bench.table import Group, cells_of, number, person, summaries

ALPHA = 0.05
"""Below this a difference is told as one."""
LEAST_SHARE = 0.5
"""ASSUMED: who answers fewer than half as many windows as the most talkative method is not called the best."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Methods on one vital, one cut, one way of scoring, one data set or all.

    Attributes
    ----------
    dataset : str or None
        None: all data sets together.
    profile, vital, unit, window : str
        What is ranked.
    groups : tuple of Group
        By mean absolute error; those without one last.
    best : str or None
        The first that answers enough: :data:`LEAST_SHARE`.
    against : dict of str to Comparison
        Every other method minus the best, on windows that both answer.
    """

    dataset: str | None
    profile: str
    vital: str
    unit: str
    window: str
    groups: tuple[Group, ...]
    best: str | None
    against: dict[str, Comparison]

    def verdict(self, method: str) -> str:
        """Return how a method stands against the best.

        Returns
        -------
        str
            ``best``; ``worse``, or ``better`` (where both answer), if the test says so; ``tie`` if it does not and
            the interval of the difference holds 0; ``unsettled`` if only the interval tells them apart, as with too
            few people for any test; ``unknown`` if no test could be made.
        """
        if method == self.best:
            return "best"
        found = self.against.get(method)
        if found is None or found.p_holm is None or found.difference.value is None:
            return "unknown"
        d = found.difference
        if found.p_holm < ALPHA and found.difference.value:
            return "worse" if found.difference.value > 0 else "better"
        return "unsettled" if d.low is not None and d.high is not None and (d.low > 0 or d.high < 0) else "tie"


def rankings(result: Result, groups: Sequence[Group] | None = None, *, draws: int = DRAWS) -> tuple[Ranking, ...]:
    """Rank the methods of every (profile, vital, window) and data set, in the order of :func:`summaries`.

    Parameters
    ----------
    result : Result
        What a run said.
    groups : sequence of Group or None
        :func:`perfuse.bench.table.summaries` of it, if at hand.
    draws : int
        Of the bootstrap over people.
    """
    groups = summaries(result, draws=draws) if groups is None else groups
    places: dict[tuple[str, str, str, str | None], list[Group]] = {}
    for group in groups:
        places.setdefault((group.profile, group.summary.vital, group.summary.window, group.dataset), []).append(group)
    cells = cells_of(result.lines)
    return tuple(_rank(found, cells[key[:3]], draws) for key, found in places.items())


def _rank(groups: list[Group], lines: Sequence[Line], draws: int) -> Ranking:
    order = sorted(groups, key=_mae)
    scope, s = order[0].dataset, order[0].summary
    enough = LEAST_SHARE * max(group.summary.answered for group in groups)
    fit = [group for group in order if group.summary.answered >= enough and math.isfinite(_mae(group))]
    best = fit[0].method if fit else None
    against: dict[str, Comparison] = {}
    if best is not None and len(groups) > 1:
        inside = [line for line in lines if scope is None or line.get("dataset") == scope]
        errors, who = aligned(inside, [group.method for group in groups])
        against = compare_all(errors, who, best, draws=draws)
    return Ranking(scope, groups[0].profile, s.vital, s.unit, s.window, tuple(order), best, against)


def aligned(lines: Sequence[Line], methods: Sequence[str]) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """Put the errors of methods side by side, window by window.

    A window is the same where data set and recording are the same and it starts in the same second: methods whose
    waves begin a few frames later still meet.

    Parameters
    ----------
    lines : sequence of Line
        All of one profile, vital and cut.
    methods : sequence of str
        Which methods.

    Returns
    -------
    errors : dict of str to ndarray, (N,)
        Prediction minus reference; NaN where either is missing.
    people : list of str, (N,)
        Who each window is of.
    """
    seen: dict[tuple[object, ...], int] = {}
    places: dict[tuple[object, ...], dict[str, float]] = {}
    people: dict[tuple[object, ...], str] = {}
    for line in lines:
        start = number(line.get("start_s"))
        start = 0 if line.get("window") == "whole" or not math.isfinite(start) else round(start)
        window = (line.get("dataset"), line.get("recording"), start)
        turn = seen[(*window, line.get("method"))] = seen.get((*window, line.get("method")), -1) + 1
        error = number(line.get("prediction")) - number(line.get("reference"))
        places.setdefault((*window, turn), {})[str(line.get("method"))] = error
        people[(*window, turn)] = person(line)
    errors = {
        method: np.array([place.get(method, math.nan) for place in places.values()], np.float64) for method in methods
    }
    return errors, [people[place] for place in places]


def _mae(group: Group) -> float:
    value = group.summary.agreement.mae.value
    return math.inf if value is None else value
