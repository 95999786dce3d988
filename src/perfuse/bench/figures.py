"""Pictures of a run: agreement, errors by group, rates over time. Each has an answer for no, one and two points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from perfuse.bench.canvas import (
    GRID,
    INK,
    MUTED,
    Floats,
    Picture,
    colour,
    empty,
    frame,
    mark,
    picture,
    plain,
    room,
    thinned,
)
from perfuse.bench.metrics import LEAST_SUBJECTS, SEED, bland_altman

NO_PAIR = "no window has both an answer and a reference"
MEDIAN_DRAWS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Answers and references of one method.

    Attributes
    ----------
    prediction, reference : ndarray, (N,)
        Finite.
    series : ndarray of int, (N,)
        Place of the data set in the legend.
    """

    prediction: Floats
    reference: Floats
    series: Floats


def agreement(pairs: Pairs, unit: str, name: str) -> Picture:
    """Draw the difference of answer and reference against their mean, with bias and limits (Bland & Altman 1986)."""
    if not len(pairs.prediction):
        return empty(NO_PAIR, name)
    middle, difference = (pairs.prediction + pairs.reference) / 2, pairs.prediction - pairs.reference
    limits = bland_altman(pairs.prediction, pairs.reference)
    with frame(4.0, 3.1, right=0.42) as (figure, axes):
        _dots(axes, middle, difference, pairs.series)
        axes.axhline(0, color=GRID, linewidth=1, zorder=0)
        _widen(axes, middle, difference, least=(10.0, 4.0))
        alt = f"{len(difference)} windows"
        if limits is None:
            alt += ", too few for limits of agreement."
        else:
            for value, style in ((limits.bias, "-"), (limits.low, "--"), (limits.high, "--")):
                axes.axhline(value, color=INK, linewidth=1.1, linestyle=style, zorder=3)
            _line_names(axes, (limits.low, limits.bias, limits.high))
            alt += f": bias {limits.bias:.2f}, limits of agreement {limits.low:.2f} and {limits.high:.2f}."
        axes.set(xlabel=f"mean of answer and reference ({unit})", ylabel=f"difference ({unit})")
        return picture(figure, axes, name, alt)


def scatter(pairs: Pairs, unit: str, name: str) -> Picture:
    """Draw answers against references; on the line they agree."""
    if not len(pairs.prediction):
        return empty(NO_PAIR, name)
    both = np.concatenate([pairs.prediction, pairs.reference])
    margin = max(3.0, 0.06 * float(np.ptp(both)))
    span = (float(both.min()) - margin, float(both.max()) + margin)
    with frame(4.0, 3.1) as (figure, axes):
        axes.plot(span, span, color=MUTED, linewidth=1, zorder=1)
        _dots(axes, pairs.reference, pairs.prediction, pairs.series)
        axes.set(xlim=span, ylim=span, aspect="equal", xlabel=f"reference ({unit})", ylabel=f"answer ({unit})")
        axes.locator_params(nbins=5)
        alt = f"{len(both) // 2} answers from {pairs.prediction.min():.1f} to {pairs.prediction.max():.1f}, "
        alt += f"references from {pairs.reference.min():.1f} to {pairs.reference.max():.1f}."
        return picture(figure, axes, name, alt)


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Absolute errors of one method in one group, finite; who each is of; the method's place in the legend."""

    values: Floats
    subjects: tuple[str, ...]
    series: int


def by_group(groups: Mapping[str, Sequence[Errors]], unit: str, name: str) -> Picture:
    """Draw errors of methods (the same ones in every group): dots, median, 95 % interval of the median over people.

    The axis is linear up to 1 and logarithmic beyond: one lost recording must not hide the others.
    """
    methods = max((len(row) for row in groups.values()), default=0)
    top = max((float(e.values.max()) for row in groups.values() for e in row if len(e.values)), default=-1.0)
    if top < 0:
        return empty(NO_PAIR, name)
    told = []
    names = [plain(group) for group in groups]
    with frame(4.0, 0.6 + len(groups) * (0.2 + 0.17 * methods), room(names)) as (figure, axes):
        axes.set_xscale("symlog", linthresh=1.0, linscale=0.7)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        for line, (group, row) in enumerate(groups.items()):
            medians = []
            if line % 2:
                axes.axhspan(line - 0.5, line + 0.5, facecolor=GRID, edgecolor="none", alpha=0.35, zorder=0)
            for place, found in enumerate(row):
                if not len(found.values):
                    continue
                y = line + (place - (methods - 1) / 2) * 0.8 / max(methods, 2)
                shown = found.values[thinned(len(found.values))]
                shade = colour(found.series)
                axes.plot(shown, np.full(len(shown), y), "o", color=shade, markersize=3.4, alpha=0.4, markeredgewidth=0)  # fmt: skip  # noqa: E501
                middle = float(np.median(found.values))
                sides = median_interval(found.values, found.subjects)
                if sides is not None:
                    axes.plot(sides, (y, y), color=shade, linewidth=1.6, solid_capstyle="butt")
                axes.plot([middle], [y], mark(found.series), color=shade, markersize=6, markeredgewidth=0)
                medians.append(f"{middle:.1f}")
            told.append(f"{plain(group)}: {', '.join(medians) or 'none'}")
        ticks = [t for t in (0, 1, 3, 10, 30, 100) if t <= max(1.5 * top, 3)]
        axes.set(xlim=(0, max(1.3 * top, 1.5)), ylim=(len(groups) - 0.5, -0.5), xlabel=f"absolute error ({unit})")
        axes.set_xticks(ticks, [str(t) for t in ticks], minor=False)
        axes.set_xticks([], minor=True)
        axes.set_yticks(range(len(groups)), names)
        return picture(figure, axes, name, f"Median errors by group; {'; '.join(told)}.", ("bottom",))


def median_interval(values: Floats, subjects: Sequence[str]) -> tuple[float, float] | None:
    """95 % interval of a median by drawing people with replacement; None with fewer than five people."""
    people, index = np.unique(np.asarray(subjects, np.str_), return_inverse=True)
    if len(people) < LEAST_SUBJECTS:
        return None
    order = np.argsort(values, kind="stable")
    share = np.full(len(people), 1 / len(people))
    times = np.random.default_rng(SEED).multinomial(len(people), share, size=MEDIAN_DRAWS)
    weights = np.cumsum(times[:, index[order]], axis=1)
    place = (weights < weights[:, -1:] / 2).sum(axis=1)
    low, high = np.quantile(values[order][place], [0.025, 0.975])
    return float(low), float(high)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """One method on one recording, window by window.

    Attributes
    ----------
    times_s : ndarray, (N,)
        Centres of the windows.
    prediction, low, high, reference : ndarray, (N,)
        NaN where there is none.
    series : int
        Place of the method in the legend.
    """

    times_s: Floats
    prediction: Floats
    low: Floats
    high: Floats
    reference: Floats
    series: int


def over_time(course: Course, unit: str, name: str) -> Picture:
    """Draw a rate over time: the reference a line, answers marks with 90 % intervals, crosses where there is none."""
    order = np.argsort(course.times_s, kind="stable")
    t, p, low, high, y = (
        getattr(course, key)[order] for key in ("times_s", "prediction", "low", "high", "reference")
    )
    known = np.concatenate([p[np.isfinite(p)], y[np.isfinite(y)]])
    if not len(known):
        return empty("no window has an answer or a reference", name)
    shade = colour(course.series)
    with frame(4.0, 2.3) as (figure, axes):
        sides = np.isfinite(low) & np.isfinite(high) & np.isfinite(p)
        if sides.any():
            axes.vlines(t[sides], low[sides], high[sides], color=shade, linewidth=5, alpha=0.3)
        axes.plot(t, y, color=INK, linewidth=1.4, marker="o", markersize=2.2)
        axes.plot(t, p, color=shade, linewidth=0.8, marker=mark(course.series), markersize=4.5, markeredgewidth=0)
        # what lies far off must not flatten the rest: long intervals run out of the picture
        bottom, top = float(known.min()), float(known.max())
        spare = max(5.0, 0.35 * (top - bottom))
        axes.set(ylim=(bottom - spare, top + spare), xlabel="seconds", ylabel=unit)
        silent = ~np.isfinite(p)
        axes.plot(t[silent], np.full(int(silent.sum()), bottom - 0.85 * spare), "x", color=MUTED, markersize=4)
        if len(t) == 1:
            axes.set_xlim(t[0] - 5, t[0] + 5)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        alt = f"{len(t)} windows, {int(silent.sum())} without an answer"
        off = np.abs(p - y)
        if np.isfinite(off).any():
            alt += f"; mean error {np.nanmean(off):.1f}, largest {np.nanmax(off):.1f}"
        return picture(figure, axes, name, f"{alt}.", ("bottom",))


def _dots(axes: Any, x: Floats, y: Floats, series: Floats) -> None:
    few = thinned(len(x))
    size = 5 if len(few) <= 60 else 3.4
    for place in np.unique(series[few]).astype(int):
        own = few[series[few] == place]
        axes.plot(x[own], y[own], mark(place), color=colour(place), markersize=size, alpha=0.75, markeredgewidth=0)


def _widen(axes: Any, x: Floats, y: Floats, least: tuple[float, float]) -> None:
    """Set limits that leave room, and never show a difference of nothing as a cliff."""
    for values, smallest, put in ((x, least[0], axes.set_xlim), (y, least[1], axes.set_ylim)):
        middle, half = (values.max() + values.min()) / 2, max(float(np.ptp(values)) / 2 * 1.15, smallest / 2)
        put(middle - half, middle + half)


def _line_names(axes: Any, values: Sequence[float]) -> None:
    """Write the numbers of three horizontal lines at the right edge, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    low, high = min(low, values[0] - 0.08 * (high - low)), max(high, values[-1] + 0.08 * (high - low))
    axes.set_ylim(low, high)
    step = 0.075 * (high - low)
    places = list(values)
    places[0], places[2] = min(places[0], places[1] - step), max(places[2], places[1] + step)
    for value, place in zip(values, places):
        axes.annotate(
            f"{value:.1f}", (1.0, place), (4, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center", color=INK, fontsize=8.5, annotation_clip=False,
        )  # fmt: skip
