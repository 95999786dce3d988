"""Plots as SVG text that takes its colours from the page, so that one picture serves light and dark.

Drawn with matplotlib's object interface; the same input gives the same bytes.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.core.results import Point, Vital
from perfuse.core.signals import Waveform
from perfuse.report.words import usable
from perfuse.signal.spectrum import power_spectrum

WINDOW_S = 20.0
"""Length of the windows whose spectra are averaged: resolves 3 /min and still follows a changing rate."""

# Colours nobody else uses, replaced by the page's own variables after drawing.
INK, MUTED, GRID, PULSE, BREATH = "#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05"
_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PULSE: "--pulse", BREATH: "--breath"}


@dataclass(frozen=True, slots=True)
class Picture:
    """An inline SVG and the words for who cannot see it."""

    svg: str
    alt: str


def wave_row(
    wave: Waveform, start_s: float, span_s: tuple[float, float], beats_s: Sequence[float], colour: str, name: str
) -> Picture:
    """Draw one stretch of a wave with its beats; what was not measured is left empty and shaded.

    Parameters
    ----------
    wave : Waveform
        The whole wave, on the recording's grid.
    start_s : float
        Container time of grid sample 0.
    span_s : tuple of float
        First and last second to draw, counted from ``start_s``.
    beats_s : sequence of float
        Beat times on the container's clock.
    colour : str
        One of this module's colours.
    name : str
        Unique on the page; prefixes the SVG's identifiers.
    """
    seconds = (wave.start + np.arange(len(wave))) / wave.rate_hz
    shown = (seconds >= span_s[0]) & (seconds < span_s[1])
    seconds, valid = seconds[shown], wave.valid[shown]
    samples = np.where(valid, wave.samples[shown], np.nan)
    beats = np.array([beat - start_s for beat in beats_s if span_s[0] <= beat - start_s < span_s[1]])
    reach = _reach(wave)
    with _figure(9.0, 1.55) as (figure, axes):
        for first, last in _gaps(seconds, valid, wave.rate_hz):
            axes.axvspan(first, last, facecolor=GRID, edgecolor="none", alpha=0.7)
        axes.plot(seconds, np.clip(samples, -reach, reach), color=colour, linewidth=1.4, solid_joinstyle="round")
        if len(beats) and valid.any():
            heights = np.interp(beats, seconds[valid], samples[valid])
            axes.plot(beats, np.clip(heights, -reach, reach), "o", color=INK, markersize=3.2)
        axes.set(xlim=span_s, ylim=(-1.12 * reach, 1.12 * reach), yticks=[])
        _second_ticks(axes, span_s)
        _tidy(axes, spines=("bottom",))
        svg = _svg(figure, name)
    alt = f"Wave from {span_s[0]:.0f} s to {span_s[1]:.0f} s"
    return Picture(svg, alt + (f" with {len(beats)} beats marked." if len(beats) else "."))


def spectrum(
    wave: Waveform, rate: Vital, span_per_min: tuple[float, float], colour: str, name: str
) -> Picture | None:
    """Draw the power of a wave against rate in 1/min, the stated rate and its interval; None if nothing is to see."""
    averaged = _mean_spectrum(wave)
    if averaged is None:
        return None
    per_min, power = averaged[0] * 60, averaged[1]
    inside = (per_min >= span_per_min[0]) & (per_min <= span_per_min[1])
    per_min, power = per_min[inside], power[inside]
    if not len(power) or power.max() <= 0:
        return None
    power = power / power.max()
    peak = f"Largest power at {per_min[power.argmax()]:.1f} per minute"
    with _figure(3.4, 3.0) as (figure, axes):
        if usable(rate.low) and usable(rate.high):
            axes.axvspan(rate.low, rate.high, facecolor=colour, edgecolor="none", alpha=0.22)
        axes.fill_between(per_min, power, color=GRID, linewidth=0)
        axes.plot(per_min, power, color=MUTED, linewidth=1.2)
        if usable(rate.value):
            axes.axvline(rate.value, color=colour, linewidth=1.6)
            left = rate.value > sum(span_per_min) / 2
            shift, side = (-6, "right") if left else (6, "left")
            axes.annotate(
                f"{rate.value:.1f} /min",
                (rate.value, 1.0),
                (shift, -1),
                textcoords="offset points",
                ha=side,
                color=INK,
            )
        axes.set(xlim=span_per_min, ylim=(0, 1.1), yticks=[], xlabel="per minute")
        _tidy(axes, spines=("bottom",))
        svg = _svg(figure, name)
    stated = f"; the stated rate is {rate.value:.1f}." if usable(rate.value) else "; no rate is stated."
    return Picture(svg, peak + stated)


def over_time(
    points: Sequence[Point], start_s: float, end_s: float, title: str, colour: str, name: str
) -> Picture | None:
    """Draw a rate over time with its interval, and its quality below; None with fewer than two values."""
    known = [point for point in points if usable(point.vital.value)]
    if len(known) < 2:
        return None
    seconds = np.array([point.time_s - start_s for point in points])
    value, low, high = (_column(points, key) for key in ("value", "low", "high"))
    quality = np.array([point.vital.quality for point in points])
    step = float(np.median(np.diff(seconds)))
    with _figure(9.0, 3.0, rows=2, heights=(3, 1)) as (figure, (top, below)):
        top.fill_between(seconds, low, high, color=colour, alpha=0.22, linewidth=0)
        alone = _alone(value)
        if alone.any():  # no band is drawn where there is nothing on either side
            top.vlines(seconds[alone], low[alone], high[alone], color=colour, alpha=0.22, linewidth=4)
        top.plot(seconds, value, color=colour, linewidth=1.6, marker="o", markersize=3 if len(known) < 80 else 0)
        top.set(ylabel="per minute")
        _at_least(top, 6.0)
        below.bar(seconds, quality, width=0.8 * step, color=MUTED, linewidth=0)
        below.set(ylim=(0, 1), yticks=[0, 1], ylabel="quality", xlabel="seconds")
        for axes in (top, below):
            axes.set_xlim(0, end_s - start_s)
            axes.grid(axis="y", color=GRID, linewidth=0.8)
            _tidy(axes, spines=("bottom",))
        top.tick_params(labelbottom=False)
        figure.align_ylabels([top, below])
        svg = _svg(figure, name)
    numbers = [point.vital.value for point in known if point.vital.value is not None]
    return Picture(svg, f"{title} over time, from {min(numbers):.1f} to {max(numbers):.1f} per minute.")


def _alone(value: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which numbers have none on either side."""
    there: NDArray[np.bool_] = np.pad(np.isfinite(value), 1)
    return there[1:-1] & ~there[:-2] & ~there[2:]


def poincare(beats_s: Sequence[float], name: str) -> Picture | None:
    """Draw each beat interval against the one before; None with fewer than five intervals.

    Intervals outside 0.25-2.5 s (a gap, not a beat) are left out together with their neighbours.
    """
    interval = np.diff(np.asarray(beats_s, np.float64)) * 1000
    plausible = (interval > 250) & (interval < 2500)
    both = plausible[:-1] & plausible[1:]
    before, after = interval[:-1][both], interval[1:][both]
    if len(before) < 4:
        return None
    low, high = min(before.min(), after.min()), max(before.max(), after.max())
    margin = max(30.0, 0.1 * (high - low))
    span = (low - margin, high + margin)
    with _figure(3.4, 3.0) as (figure, axes):
        axes.plot(span, span, color=GRID, linewidth=1)
        axes.plot(before, after, "o", color=PULSE, markersize=4, alpha=0.7, markeredgewidth=0)
        axes.set(xlim=span, ylim=span, aspect="equal", xlabel="interval (ms)", ylabel="next interval (ms)")
        axes.locator_params(nbins=5)
        _tidy(axes, spines=("bottom", "left"))
        svg = _svg(figure, name)
    return Picture(svg, f"{len(before)} pairs of successive beat intervals between {low:.0f} and {high:.0f} ms.")


def attention(share: NDArray[np.float64], name: str) -> Picture:
    """Draw how much each cell of the picture around a face counted, under the outline of a typical face.

    Parameters
    ----------
    share : ndarray, (rows, cols)
        0 or more, sum 1; the fullest colour is the largest. More than :data:`MOST_CELLS` a side are added up.
    name : str
        Unique on the page.
    """
    share = _coarse(share)
    rows, cols = share.shape
    deep = share / share.max()
    with _figure(3.4, 3.0) as (figure, axes):
        for row, col in np.ndindex(rows, cols):
            corner = ((col + 0.04) / cols, (row + 0.04) / rows)
            axes.add_patch(_cell(corner, 0.92 / cols, 0.92 / rows, facecolor=GRID, alpha=0.45))
            axes.add_patch(_cell(corner, 0.92 / cols, 0.92 / rows, facecolor=PULSE, alpha=float(deep[row, col])))
        for line in (OVAL, *FEATURES):
            axes.plot(*line, color=INK, linewidth=1.2, alpha=0.6, solid_capstyle="round")
        axes.set(xlim=(0, 1), ylim=(1, 0), aspect="equal", xticks=[], yticks=[])
        _tidy(axes, spines=())
        svg = _svg(figure, name)
    thirds = [100 * float(part.sum()) for part in np.array_split(share, 3)]
    return Picture(
        svg,
        f"Map of the picture around the face, {rows} by {cols} cells. The upper third holds {thirds[0]:.0f} %, the "
        f"middle {thirds[1]:.0f} %, the lower {thirds[2]:.0f} %; the strongest cell {100 * share.max():.1f} %.",
    )


MOST_CELLS = 24
"""Cells a side that an attention map is drawn with: finer ones are added up, or the page would grow by megabytes."""
_TURN = np.linspace(0, 2 * np.pi, 60)
# ASSUMED, for a face that looks straight ahead, in a crop of the usual margin: eyes 0.42, mouth 0.79, chin 0.98 down.
OVAL = (0.5 + 0.29 * np.cos(_TURN), 0.52 + 0.46 * np.sin(_TURN))
FEATURES = (((0.30, 0.40), (0.42, 0.42)), ((0.60, 0.70), (0.42, 0.42)), ((0.42, 0.5, 0.58), (0.785, 0.80, 0.785)))
"""Two eyes and a mouth, each as x and y."""


def _coarse(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up neighbours until no side has more than :data:`MOST_CELLS`."""
    for axis in (0, 1):
        step = math.ceil(share.shape[axis] / MOST_CELLS)
        share = np.add.reduceat(share, np.arange(0, share.shape[axis], step), axis=axis)
    return share


def _cell(corner: tuple[float, float], width: float, height: float, **look: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, width, height, edgecolor="none", **look)


def _mean_spectrum(wave: Waveform) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Average the spectra of half-overlapping windows that are at least 80 % valid."""
    length = min(len(wave), round(WINDOW_S * wave.rate_hz))
    if length < 2:
        return None
    starts = range(0, len(wave) - length + 1, max(1, length // 2))
    usable_starts = [start for start in starts if wave.valid[start : start + length].mean() >= 0.8]
    if not usable_starts:
        return None
    total: NDArray[np.float64] | float = 0.0
    for start in usable_starts:
        freq_hz, power = power_spectrum(wave.samples[start : start + length], wave.rate_hz)
        total = total + power
    return freq_hz, np.asarray(total)


def _reach(wave: Waveform) -> float:
    """Half height of the plot: nearly all of the wave, so that one artefact does not flatten the rest."""
    measured = np.abs(wave.samples[wave.valid])
    return float(np.percentile(measured, 99.5)) * 1.05 or 1.0 if len(measured) else 1.0


def _gaps(seconds: NDArray[np.float64], valid: NDArray[np.bool_], rate_hz: float) -> Iterator[tuple[float, float]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[True], valid, [True]]).astype(int)))
    for first, stop in edges.reshape(-1, 2):
        yield float(seconds[first]), float(seconds[stop - 1]) + 1 / rate_hz


def _column(points: Sequence[Point], key: str) -> NDArray[np.float64]:
    column = [getattr(point.vital, key) for point in points]
    return np.array([number if usable(number) else math.nan for number in column], np.float64)


def _second_ticks(axes: Any, span_s: tuple[float, float]) -> None:
    step = 1 if span_s[1] - span_s[0] <= 15 else 2 if span_s[1] - span_s[0] <= 40 else 10
    ticks = np.arange(math.ceil(span_s[0] / step) * step, span_s[1] + 1e-9, step)
    axes.set_xticks(ticks, [f"{tick:.0f} s" if index == 0 else f"{tick:.0f}" for index, tick in enumerate(ticks)])


def _at_least(axes: Any, height: float) -> None:
    """Widen the vertical axis: a change of half a beat must not look like a cliff."""
    low, high = axes.get_ylim()
    spare = max(0.0, height - (high - low)) / 2
    axes.set_ylim(low - spare, high + spare)


def _tidy(axes: Any, spines: Sequence[str]) -> None:
    axes.patch.set_alpha(0)
    for side, spine in axes.spines.items():
        spine.set_visible(side in spines)
        spine.set_color(GRID)
    axes.tick_params(labelcolor=MUTED, color=GRID, labelsize=8.5, length=3)
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set(color=MUTED, fontsize=8.5)


@contextmanager
def _figure(width: float, height: float, rows: int = 1, heights: Sequence[float] = (1,)) -> Iterator[tuple[Any, Any]]:
    """Make a figure (inches) whose bytes depend on nothing but what is drawn."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: Any = {
        "svg.hashsalt": "perfuse",
        "svg.fonttype": "none",
        "font.size": 9.5,
        "path.simplify_threshold": 0.1,
    }
    with mpl.rc_context(mpl.rcParamsDefault | settings):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.patch.set_alpha(0)
        yield (
            figure,
            figure.subplots(rows, 1, sharex=rows > 1, height_ratios=heights) if rows > 1 else figure.subplots(),
        )


def _svg(figure: Any, name: str) -> str:
    """Return the figure as an SVG element without size, fonts and colours of its own."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(
        r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r'<svg \1 aria-hidden="true" focusable="false">', text, count=1
    )
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"font: ([0-9.]+px) [^;\"]*", r"font-size: \1", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return text
