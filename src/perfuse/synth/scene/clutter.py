"""What stands and hangs behind a head indoors: furniture, shelves, rails, plants, pictures, light and dark."""

from __future__ import annotations

import numpy as np

from perfuse.synth.fields import Field, patches, smoothstep

Grid = tuple[Field, Field]
"""x (1, W) from the middle and y (H, 1) from the top, both in heights of the picture."""


def rectangle(grid: Grid, left: float, right: float, top: float, bottom: float) -> tuple[slice, slice]:
    """Rows and columns of a box."""
    i, j = np.searchsorted(grid[0][0], (left, right))
    k, m = np.searchsorted(grid[1][:, 0], (top, bottom))
    return slice(k, m), slice(i, j)


def things(rng: np.random.Generator, picture: Field, grid: Grid) -> None:
    """Fill a room with what people have in it.

    How much there is, and how dark, is such that luminance at both sides of the head varies as it does on photographs
    of rooms: a standard deviation of its logarithm of 0.5 to 1.0 (1.0 in a clip of a phone; ASSUMED otherwise).
    """
    for _ in range(int(rng.integers(5, 16))):
        at, top, wide, tall = (float(v) for v in rng.uniform([-0.95, 0.0, 0.05, 0.1], [0.85, 0.85, 0.4, 0.7]))
        if top < 0.4 and rng.random() < 0.5:  # most things stand, some hang
            top += 0.45
        sides = grid, at, at + wide, top, top + tall if top < 0.3 else 1.1
        level = float(np.exp(rng.uniform(np.log(0.012), np.log(0.5))))
        colour = np.asarray(level * rng.uniform(0.55, 1.0, 3), np.float32)
        (_box, _box, _rails, _plant)[int(rng.integers(4))](rng, picture, sides, colour)


Sides = tuple[Grid, float, float, float, float]
"""Where: the grid, then left, right, top and bottom."""


def _box(rng: np.random.Generator, picture: Field, sides: Sides, colour: Field) -> None:
    """Cupboard, chair, box, coat: a surface lit from above, perhaps in parts with dark gaps between."""
    box = rectangle(*sides)
    grid, left, right, top, bottom = sides
    x, y = grid[0][:, box[1]], grid[1][box[0]]
    fall = 1.1 - 0.5 * (y - top) / (bottom - top)
    parts = rng.integers(1, 5, 2)
    across, down = ((x - left) / (right - left) * parts[0]) % 1.0, ((y - top) / (bottom - top) * parts[1]) % 1.0
    gap = (np.minimum(across, 1 - across) < 0.02 * parts[0]) | (np.minimum(down, 1 - down) < 0.02 * parts[1])
    picture[box] = (colour * (fall * (1.0 + 0.0 * x))[..., None]) * np.where(gap, 0.45, 1.0)[..., None]


def _rails(rng: np.random.Generator, picture: Field, sides: Sides, colour: Field) -> None:
    """Banisters, blinds, slats, the legs of furniture: bars with the wall between."""
    box = rectangle(*sides)
    x, y = sides[0][0][:, box[1]], sides[0][1][box[0]]
    slant = float(rng.choice([0.0, 0.0, 1.0])) * float(rng.uniform(-1.0, 1.0))
    along = x + slant * y if rng.random() < 0.6 else y + slant * x
    pitch, thick = float(rng.uniform(0.025, 0.12)), float(rng.uniform(0.1, 0.4))
    bar = (np.asarray(along) / pitch) % 1.0 < thick
    picture[box] = np.where(np.broadcast_to(bar, picture[box].shape[:2])[..., None], colour, picture[box])


def _plant(rng: np.random.Generator, picture: Field, sides: Sides, colour: Field) -> None:
    """Leaves, or whatever else has no outline: patches, light against dark."""
    box = rectangle(*sides)
    shape = picture[box].shape
    if min(shape[:2]) < 4:
        return
    size = max(1.5, float(rng.uniform(0.008, 0.03)) * len(picture))
    leaf, edge = patches(rng, shape[:2], size), patches(rng, shape[:2], 4.0 * size)
    grid, left, right, top, bottom = sides
    x, y = grid[0][:, box[1]], grid[1][box[0]]
    away = ((2.0 * x - left - right) / (right - left)) ** 2 + ((2.0 * y - top - bottom) / (bottom - top)) ** 2
    inside = smoothstep(0.75, 0.6, away + 0.15 * edge + 0.08 * leaf)[..., None]
    green = np.minimum(colour, 0.2) * (0.8, 1.0, 0.55) if rng.random() < 0.6 else colour
    picture[box] += inside * (green * np.exp(0.7 * leaf)[..., None] - picture[box])


def frame(rng: np.random.Generator, picture: Field, grid: Grid) -> None:
    """Hang a picture or a poster beside the head."""
    left, top, wide, tall = (float(v) for v in rng.uniform([0.28, 0.02, 0.12, 0.15], [0.5, 0.3, 0.3, 0.4]))
    if rng.random() < 0.5:
        left = -left - wide
    box = rectangle(grid, left - 0.012, left + wide + 0.012, top - 0.012, top + tall + 0.012)
    picture[box] = rng.uniform(0.02, 0.5) * np.array([1.0, 0.9, 0.8], np.float32)
    box = rectangle(grid, left, left + wide, top, top + tall)
    shape = picture[box].shape
    if min(shape[:2]) > 0:
        hue = rng.uniform(0.05, 0.6, (2, 3)).astype(np.float32)
        share = smoothstep(-0.4, 0.4, patches(rng, (shape[0], shape[1]), max(2.0, 0.3 * max(shape[:2]))))
        picture[box] = hue[0] + share[..., None] * (hue[1] - hue[0])


def shelf(rng: np.random.Generator, picture: Field, grid: Grid, flip: float) -> None:
    """Boards with rows of books, on one side of the head."""
    left = float(rng.uniform(0.30, 0.38))
    for row in range(4):
        top, bottom = 0.03 + 0.24 * row, 0.22 + 0.24 * row
        edges = sorted((flip * (left - 0.03), flip * 1.2))
        picture[rectangle(grid, edges[0], edges[1], top, bottom)] *= np.float32(0.7)
        at = left
        while at < 0.95:
            thick, tall = float(rng.uniform(0.02, 0.05)), float(rng.uniform(0.11, 0.17))
            colour = rng.uniform(0.03, 0.35, 3) * (1.0, 0.85, 0.75)
            sides = sorted((flip * at, flip * (at + thick)))
            picture[rectangle(grid, sides[0], sides[1], bottom - tall, bottom)] = colour
            at += thick + 0.004
        picture[rectangle(grid, edges[0], edges[1], bottom, bottom + 0.02)] *= np.array([0.5, 0.42, 0.34], np.float32)
