"""A soft, static room behind the head, in linear light."""

from __future__ import annotations

import numpy as np

from perfuse.synth.fields import Field, blur, bump, patches, smoothstep
from perfuse.synth.person.look import Look


def paint_background(rng: np.random.Generator, look: Look, height: int, width: int) -> Field:
    """Return (3, H, W): a wall with a gradient, a window or a shelf out of focus, and a warm glow."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (x - width / 2) / height, y / height
    side = float(rng.choice([-1.0, 1.0]))
    fall = 0.75 + 0.45 * smoothstep(-0.9, 0.9, side * x) - 0.25 * y
    wall = look.wall * (0.62 * fall)[..., None]
    kind = int(rng.integers(3))
    if kind == 0:
        edge = rng.uniform(0.36, 0.46)
        pane = smoothstep(edge, edge + 0.02, side * x) * smoothstep(0.72, 0.70, y)
        bars = np.maximum(np.abs(((side * x - edge) % 0.24) - 0.12) > 0.108, np.abs((y % 0.36) - 0.18) > 0.168)
        sky = np.array([0.62, 0.72, 0.80], np.float32) * (1.0 - 0.35 * y)[..., None]
        wall += pane[..., None] * (np.where(bars[..., None], 0.42, sky) - wall)
    elif kind == 1:
        _shelf(rng, wall, side * x, y)
    glow = bump(side * x, y, (-0.58, rng.uniform(0.2, 0.5)), (0.16, 0.2))
    wall += (0.22 * glow)[..., None] * np.array([1.0, 0.78, 0.5], np.float32)
    wall = blur(wall, 0.022 * height)
    grain = 0.012 * patches(rng, (height, width), 1.5) + 0.01 * patches(rng, (height, width), 0.06 * height)
    vignette = 1.0 - 0.22 * smoothstep(0.35, 0.95, np.hypot(x, y - 0.5))
    wall = np.clip(wall * (vignette * np.exp(grain))[..., None], 0.002, 0.9)
    return np.ascontiguousarray(wall.transpose(2, 0, 1))


def _shelf(rng: np.random.Generator, wall: Field, x: Field, y: Field) -> None:
    """Boards with rows of books, on one side of the head."""
    left = rng.uniform(0.30, 0.38)
    for row in range(3):
        top, bottom = 0.06 + 0.24 * row, 0.25 + 0.24 * row
        at = left
        while at < 0.95:
            thick, tall = rng.uniform(0.02, 0.05), rng.uniform(0.11, 0.17)
            colour = rng.uniform(0.10, 0.30, 3) * (1.0, 0.85, 0.75)
            book = (x > at) & (x < at + thick) & (y > bottom - tall) & (y < bottom)
            wall[book] = 0.5 * wall[book] + 0.5 * colour
            at += thick + 0.004
        board = (x > left - 0.03) & (y >= bottom) & (y < bottom + 0.02)
        wall[board] *= (0.6, 0.5, 0.42)
        wall[(x > left - 0.03) & (y > top) & (y < bottom)] *= np.float32(0.85)
