"""What all pictures of a result page share: colours that serve light and dark, marks, legends, axes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.report.figures import GRID, INK, MUTED, Picture, _svg, _tidy

__all__ = ["GRID", "INK", "MUTED", "STYLE", "Legend", "Picture", "colour", "empty", "frame", "legend", "mark", "picture", "plain", "room", "thinned"]  # fmt: skip  # noqa: E501

Floats = NDArray[np.float64]

# After Okabe & Ito, Color universal design, 2008: told apart with any of the common colour blindnesses; darker on
# white and lighter on black than there, so that lines keep a contrast of 3.
_LIGHT = ("#0072b2", "#c64f00", "#00805d", "#a8528a", "#8a6d00", "#2b8cc4", "#5a636f", "#6d4aa3")
_DARK = ("#4fb0f0", "#ff9250", "#35cf9f", "#eea0cb", "#f0c94a", "#a6dcff", "#b8c0ca", "#bda3ec")
_MARKS = "os^DvPX*"
_SHAPES = (
    '<circle cx="6" cy="6" r="4.2"/>', '<path d="M2 2h8v8H2z"/>', '<path d="M6 1.5 11 10.5H1z"/>',
    '<path d="M6 1 11 6 6 11 1 6z"/>', '<path d="M6 10.5 1 1.5h10z"/>', '<path d="M4 1h4v3h3v4H8v3H4V8H1V4h3z"/>',
    '<path d="m1 3 2-2 3 3 3-3 2 2-3 3 3 3-2 2-3-3-3 3-2-2 3-3z"/>',
    '<path d="m6 .8 1.5 3.5 3.8.3-2.9 2.5.9 3.7L6 8.8l-3.3 2 .9-3.7L.7 4.6l3.8-.3z"/>',
)  # fmt: skip

# Colours nobody else uses, replaced by the page's own variables after drawing.
_SENTINELS = tuple(f"#0a0c{k + 1:02x}" for k in range(len(_LIGHT)))
STYLE = (
    ":root { " + " ".join(f"--s{k}: {c};" for k, c in enumerate(_LIGHT)) + " }\n"
    "@media (prefers-color-scheme: dark) { :root { " + " ".join(f"--s{k}: {c};" for k, c in enumerate(_DARK)) + " } }"
)
"""The variables that pictures refer to; goes into the page's style."""

MOST = 1500
"""Points drawn in one picture; more do not show more."""


@dataclass(frozen=True, slots=True)
class Legend:
    """A name and its mark as an SVG."""

    name: str
    svg: str


def colour(place: int) -> str:
    """Return the colour of the series at this place; after eight they repeat, with other marks."""
    return _SENTINELS[place % len(_SENTINELS)]


def mark(place: int) -> str:
    """Return the marker of the series at this place: no colour meets a mark twice in sixty-four."""
    return _MARKS[_shape(place)]


def _shape(place: int) -> int:
    return (place + place // len(_SENTINELS)) % len(_MARKS)


def legend(names: Sequence[str]) -> tuple[Legend, ...]:
    """Return the legend of series in their order, for the page to show as text."""
    start = '<svg viewBox="0 0 12 12" aria-hidden="true" fill="var(--s'
    return tuple(
        Legend(name, f'{start}{k % len(_LIGHT)})">{_SHAPES[_shape(k)]}</svg>') for k, name in enumerate(names)
    )


@contextmanager
def frame(width: float, height: float, left: float = 0.58, right: float = 0.1) -> Iterator[tuple[Any, Any]]:
    """Make a figure (inches) with one pair of axes and room beside them; the same drawing gives the same bytes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: Any = {"svg.hashsalt": "perfuse", "svg.fonttype": "none", "font.size": 9.5, "text.parse_math": False}
    with mpl.rc_context(mpl.rcParamsDefault | settings):
        # margins of our own: finding them by trial takes longer than drawing
        figure = Figure(figsize=(width, height))
        figure.patch.set_alpha(0)
        place = (left / width, 0.46 / height, 1 - (left + right) / width, 1 - 0.54 / height)
        yield figure, figure.add_axes(place)


def room(names: Sequence[str]) -> float:
    """Return how many inches names need beside the axes."""
    return 0.25 + 0.068 * max((len(name) for name in names), default=0)


def picture(figure: Any, axes: Any, name: str, alt: str, spines: Sequence[str] = ("bottom", "left")) -> Picture:
    """Finish a figure: quiet axes, colours as variables. ``name`` is unique on the page."""
    _tidy(axes, spines)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the reader's fonts are used, not those here
        svg = _svg(figure, name)
    for place, sentinel in enumerate(_SENTINELS):
        svg = svg.replace(sentinel, f"var(--s{place})")
    return Picture(svg, alt)


def empty(why: str, name: str, width: float = 4.0, height: float = 1.1) -> Picture:
    """Return a picture that says why there is none."""
    with frame(width, height, 0.1) as (figure, axes):
        axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
        axes.text(0.5, 0.5, why, ha="center", va="center", color=MUTED, fontsize=9, wrap=True)
        return picture(figure, axes, name, f"No picture: {why}.", spines=())


def thinned(count: int) -> NDArray[np.int_]:
    """Return which of ``count`` points are drawn: all, or :data:`MOST` evenly spread ones."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST)).round().astype(int)) if count else np.empty(0, int)


def plain(text: str) -> str:
    """Return a name that can stand in a picture: one line, printable, not endless."""
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return text if len(text) <= 28 else f"{text[:27]}…"
