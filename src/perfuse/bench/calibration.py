"""Pictures of honesty: does the stated quality come true, do the intervals hold, what does refusing buy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
from perfuse.bench.metrics import Estimate, mean

BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
RIGHT = {"heart_rate": 5.0, "respiratory_rate": 3.0}
"""How far off an answer may be to count as right: what the quality of each rate is the probability of."""
LEAST = 0.05
"""Errors of the very first few answers jump; the curve begins at this share."""


@dataclass(frozen=True, slots=True, eq=False)
class Stated:
    """What one method stated, on windows with a reference.

    Attributes
    ----------
    name : str
        The method.
    error : ndarray, (N,)
        Absolute; NaN where there is no answer.
    quality : ndarray, (N,)
        NaN where none is stated.
    subjects : tuple of str, (N,)
        Who each window is of.
    series : int
        Place of the method in the legend.
    """

    name: str
    error: Floats
    quality: Floats
    subjects: tuple[str, ...]
    series: int


def reliability(methods: Sequence[Stated], vital: str, name: str, *, draws: int) -> Picture:
    """Draw the share of answers that are right against the quality stated; on the line the quality is honest."""
    right = RIGHT.get(vital, 5.0)
    curves = [(m, points) for m in methods if (points := _curve(m, right, draws))]
    if not curves:
        return empty("no method states a quality beside an answer that has a reference", name)
    told = []
    with frame(4.0, 3.3) as (figure, axes):
        axes.plot((0, 1), (0, 1), color=MUTED, linewidth=1)
        for m, points in curves:
            shade = colour(m.series)
            x = [stated for stated, _ in points]
            y = [e.value for _, e in points]
            for stated, e in points:
                if e.low is not None and e.high is not None:
                    axes.plot((stated, stated), (e.low, e.high), color=shade, linewidth=1.2, alpha=0.5)
            axes.plot(x, y, color=shade, marker=mark(m.series), markersize=6, linewidth=1.2, markeredgewidth=0)
            pairs = ", ".join(f"{stated:.2f} stated {e.value:.2f} right" for stated, e in points)
            told.append(f"{plain(m.name)}: {pairs}")
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal", xlabel="quality stated", ylabel=f"share within {right:g}/min")  # fmt: skip  # noqa: E501
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        return picture(figure, axes, name, f"{'; '.join(told)}.")


def _curve(m: Stated, right: float, draws: int) -> list[tuple[float, Estimate]]:
    there = np.isfinite(m.error) & np.isfinite(m.quality)
    bins = np.clip(np.digitize(m.quality, BINS) - 1, 0, len(BINS) - 2)
    points = []
    for number in range(len(BINS) - 1):
        own = there & (bins == number)
        if own.any():
            who = [m.subjects[k] for k in np.flatnonzero(own)]
            share = mean((m.error[own] <= right).astype(np.float64), who, draws=draws)
            points.append((float(m.quality[own].mean()), share))
    return points


def coverage(methods: Sequence[tuple[str, Estimate, int]], name: str) -> Picture:
    """Draw how many of the stated 90 % intervals hold their reference, per method, with the 95 % interval of that."""
    if not any(e.value is not None for _, e, _ in methods):
        return empty("no method states intervals beside a reference", name)
    told = []
    names = [plain(method) for method, _, _ in methods]
    with frame(4.0, 0.6 + 0.3 * len(methods), room(names)) as (figure, axes):
        axes.axvline(90, color=INK, linewidth=1.1, linestyle="--")
        lowest = 90.0
        for line, (method, e, series) in enumerate(methods):
            if e.value is None:
                axes.text(91, line, "states none", color=MUTED, fontsize=8.5, va="center")
                continue
            low, high = (e.value if side is None else side for side in (e.low, e.high))
            lowest = min(lowest, 100 * low)
            axes.plot((100 * low, 100 * high), (line, line), color=colour(series), linewidth=2)
            axes.plot([100 * e.value], [line], mark(series), color=colour(series), markersize=7, markeredgewidth=0)
            told.append(f"{plain(method)} {100 * e.value:.0f} %")
        axes.set(xlim=(min(0.9 * lowest, 60), 101.5), ylim=(len(methods) - 0.5, -0.5), xlabel="% of the intervals hold the reference")  # fmt: skip  # noqa: E501
        axes.set_yticks(range(len(methods)), names)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        return picture(figure, axes, name, f"Of the 90 % intervals hold: {', '.join(told)}.", ("bottom",))


def risk(methods: Sequence[Stated], unit: str, name: str) -> Picture:
    """Draw the mean error of the surest answers against their share of all windows.

    A method that knows when it is wrong has a curve that rises to the right. Its end is what it answers. A method
    without a quality is that end alone.
    """
    told = []
    with frame(4.0, 3.1) as (figure, axes):
        for m in methods:
            found = risk_curve(m.error, m.quality)
            if found is None:
                continue
            share, error = found
            few = thinned(len(share))
            axes.plot(100 * share[few], error[few], color=colour(m.series), linewidth=1.5)
            axes.plot(
                [100 * share[-1]],
                [error[-1]],
                mark(m.series),
                color=colour(m.series),
                markersize=7,
                markeredgewidth=0,
            )
            told.append(f"{plain(m.name)} errs by {error[-1]:.2f} at {100 * share[-1]:.0f} %")
        if told:
            axes.set(
                xlim=(0, 103), xlabel="% of windows answered, surest first", ylabel=f"mean absolute error ({unit})"
            )
            axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
            axes.grid(axis="y", color=GRID, linewidth=0.8)
            return picture(figure, axes, name, f"{'; '.join(told)}.", ("bottom",))
    return empty("no window has both an answer and a reference", name)


def risk_curve(error: Floats, quality: Floats) -> tuple[Floats, Floats] | None:
    """Return shares answered and the mean errors of that many surest answers.

    Parameters
    ----------
    error, quality : ndarray, (N,)
        Of all windows with a reference; NaN without answer or quality.

    Returns
    -------
    share, error : ndarray, (K,)
        Answers of the same quality come together: their order would be chance. From :data:`LEAST` of the windows on,
        the last one being all that is answered. None without answers.
    """
    there = np.isfinite(error)
    if not there.any():
        return None
    sure = np.where(np.isfinite(quality[there]), quality[there], -1.0)
    order = np.argsort(-sure, kind="stable")
    sure, off = sure[order], error[there][order]
    last = np.append(np.flatnonzero(np.diff(sure)), len(sure) - 1)
    count = np.arange(1, len(off) + 1)
    share, running = count[last] / len(error), (np.cumsum(off) / count)[last]
    keep = share >= min(LEAST, share[-1])
    return share[keep], running[keep]
