"""Views: what a method eats. The view decides the preprocessing and names the cache entry."""

from __future__ import annotations

from dataclasses import dataclass

REGIONS = ("skin", "forehead", "left_cheek", "right_cheek")
"""Names of the skin regions that :mod:`perfuse.clip` can average (left and right are the subject's own)."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Mean colour of named skin regions: chunks of shape (T, R, 3)."""

    regions: tuple[str, ...] = ("skin",)
    rate_hz: float = 30.0


@dataclass(frozen=True, slots=True)
class Grid:
    """Area means of rows x cols cells over the face box: chunks of shape (T, rows, cols, 3), with skin weights."""

    rows: int
    cols: int
    rate_hz: float = 30.0
    margin: float = 1.25
    """Side of the square crop in units of the face box."""


@dataclass(frozen=True, slots=True)
class Crop:
    """Square face crop of size x size pixels: chunks of shape (T, size, size, 3), float, 0..255."""

    size: int
    rate_hz: float = 30.0
    margin: float = 1.25


@dataclass(frozen=True, slots=True)
class Echo:
    """Cells of a radar where a body may be (range bins, mostly): chunks of shape (T, B, 2), real and imaginary part.

    Neighbours in the row are neighbours in space; how many there are is up to the radar.
    """

    rate_hz: float = 60.0
    """The most samples a second that are of use: a slower radar is taken at its own rate."""


Picture = Trace | Grid | Crop
"""What pictures are turned into."""

View = Picture | Echo
