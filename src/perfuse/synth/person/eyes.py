"""Eyes: balls, lids, lashes and brows."""

from __future__ import annotations

import numpy as np

from perfuse.synth.fields import Field, bump, smoothstep
from perfuse.synth.person.coat import Coat, tinted
from perfuse.synth.person.look import Look
from perfuse.synth.person.shape import Canvas, clip, dome
from perfuse.synth.person.skin import Skin, stained

_SOFT = 0.010
"""Half width of the edges of lids, in head units."""


def _frame(look: Look, canvas: Canvas, side: float) -> tuple[Field, Field, Field, Field]:
    """Coordinates of one eye: u from nose (-1) to temple (1), y, and the lines of upper and lower lid."""
    u = (side * canvas.columns - look.eye_gap) / (0.205 * look.eyes)
    y = canvas.y + look.tilt * 0.1 * u - 0.5 * side * look.askew[3]
    open_ = np.clip(1.0 - u * u, 0.0, 1.0)
    upper = -look.eyes * look.lids * 0.086 * open_**0.62 * (1.0 - 0.12 * u)
    lower = look.eyes * 0.066 * open_**0.75 * (1.0 + 0.15 * u)
    return np.asarray(u, np.float32), np.asarray(y, np.float32), upper, lower


def eye(coat: Coat, look: Look, skin: Skin, canvas: Canvas, side: float, closed: float) -> None:
    """Paint one eye, lids ``closed`` from 0 to 1; ``side`` is -1 or 1 for the left or right of the picture."""
    middle, reach = side * look.eye_gap, 0.29 * look.eyes
    part = clip(coat, canvas, (middle - reach, middle + reach, -0.26, 0.20))
    if part is None:
        return
    coat, canvas = part
    u, y, rest, lower = _frame(look, canvas, side)
    upper = rest + closed * (lower - 0.008 - rest)
    within = np.abs(u) < 1.02
    if closed > 0:
        lid = smoothstep(-0.02, 0.02, y - rest) * smoothstep(_SOFT, -_SOFT, y - lower) * within
        red = np.full(canvas.shape, 0.35, np.float32)
        coat.over(lid, stained(0.88 * skin.albedo, red), pulse=0.5, sheen=1.0, flesh=0.5)
        if look.makeup is not None:
            coat.over(lid * np.float32(look.makeup.lid_cover), look.makeup.lids, pulse=0.0)
    mask = smoothstep(-_SOFT, _SOFT, y - upper) * smoothstep(_SOFT, -_SOFT, y - lower) * within
    if closed < 1:
        _ball(coat, look, skin, canvas, mask, u, y, side)
        shade = smoothstep(0.055, 0.0, y - upper) * mask
        coat.over(0.55 * shade, coat.albedo * np.float32(0.25))
    rim = smoothstep(0.012, 0.0, np.abs(y - lower - 0.004)) * smoothstep(1.05, 0.9, np.abs(u))
    coat.over(0.4 * rim, stained(0.8 * skin.albedo, np.full(canvas.shape, 0.7, np.float32)))
    liner = 0.0 if look.makeup is None else look.makeup.liner
    young = min(look.age_y / 3.0, 1.0)
    _lashes(coat, look, u, y - upper, (0.011 + 0.009 * young) * (1.0 + 0.5 * liner), 0.92)
    _lashes(coat, look, u, y - lower - 0.008, 0.010, 0.25 * young + 0.5 * liner)
    _folds(coat, look, u, y - rest, closed)


def _ball(coat: Coat, look: Look, skin: Skin, canvas: Canvas, mask: Field, u: Field, y: Field, side: float) -> None:
    """White, iris and pupil with what they mirror."""
    gap = side * look.eye_gap
    dim = min(
        1.0, 1.35 * float(skin.albedo.mean()) ** 0.42
    )  # the camera lifts a dark face, but eyes stay as they are
    corner = np.abs(u) ** 2.5
    old = min(max(look.age_y - 30.0, 0.0) / 60.0, 1.0)
    white = np.empty((3, *canvas.shape), np.float32)
    for colour, (level, loss) in enumerate(((0.41, 0.34), (0.385 - 0.02 * old, 0.44), (0.37 - 0.05 * old, 0.47))):
        white[colour] = dim * level * (1.0 - loss * corner)
    ball = dome(canvas.columns, canvas.lines, (gap, 0.0), (0.3, 0.3))
    coat.over(mask, white, normal=ball, pulse=0.0, sheen=2.0, flesh=0.0)
    duct = bump(u, y / 0.04, (-0.95, 0.1), (0.12, 0.7)) * mask
    coat.over(0.7 * duct, stained(0.8 * skin.albedo, 0.8 + 0.0 * duct))
    du, dy = canvas.columns - gap, y + 0.012
    radius = np.sqrt(du * du + dy * dy) / (0.089 * look.eyes**0.5 * look.iris_size)
    angle = np.arctan2(dy, du)
    spokes = 1.0 + 0.10 * np.sin(11 * angle) + 0.06 * np.sin(29 * angle + 1.0)
    glow = 0.55 + 0.75 * smoothstep(0.15, 0.75, radius) * smoothstep(-0.8, 0.9, dy / 0.09)
    level = 0.85 * dim * glow * spokes * (1.0 - 0.75 * smoothstep(0.78, 1.0, radius))
    coat.over(mask * smoothstep(1.07, 0.95, radius), look.iris[:, None, None] * level)
    coat.over(mask * smoothstep(0.46, 0.36, radius), np.full(3, 0.006, np.float32))
    glint = bump(du, dy, (-0.032, -0.036), (0.011, 0.011)) + 0.35 * bump(du, dy, (0.03, 0.03), (0.012, 0.01))
    coat.over(np.minimum(mask * glint * 1.3, 1.0), np.full(3, 1.3 * dim, np.float32))


def _lashes(coat: Coat, look: Look, u: Field, away: Field, thick: float, dark: float) -> None:
    """Draw a dark line along a lid, heavier towards the temple."""
    width = thick * (0.75 + 0.35 * u)
    line = np.exp(-((away / width) ** 2)) * smoothstep(1.12, 0.92, np.abs(u))
    colour = (0.12 if look.makeup is None else 0.05) * np.minimum(look.hair, 0.2) + np.float32(0.004)
    coat.over(np.float32(min(dark, 0.95)) * line, colour, pulse=0.0, sheen=0.2, flesh=0.0)


def _folds(coat: Coat, look: Look, u: Field, above: Field, closed: float) -> None:
    """Fold over the upper lid (faint on some faces) and bag under the lower one."""
    over = (above + 0.062 - 0.02 * u * u) / 0.013
    crease = (
        np.float32((1.0 - 0.7 * closed) * 0.40 * look.fold) * np.exp(-over * over) * smoothstep(1.25, 0.7, np.abs(u))
    )
    under = (above - 0.26 * look.eyes - 0.03 + 0.05 * u * u) / 0.016
    bag = np.float32(0.35 * look.tired) * np.exp(-under * under) * smoothstep(1.1, 0.4, np.abs(u + 0.1))
    coat.over(np.minimum(crease + bag, 1.0), tinted(coat.albedo, 0.5, 0.38, 0.36))


def brow(coat: Coat, look: Look, canvas: Canvas, side: float) -> None:
    """Paint one brow."""
    start, stop = 0.15, look.eye_gap + 0.30
    edges = sorted((side * (start - 0.06), side * (stop + 0.05)))
    part = clip(coat, canvas, (edges[0], edges[1], -0.48, -0.12))
    if part is None:
        return
    coat, canvas = part
    x = side * canvas.columns
    t = np.clip((x - start) / (stop - start), 0.0, 1.0)
    level = -0.245 - look.brow_lift - 0.05 * (look.eyes - 1.0) + 0.5 * side * look.askew[4]
    centre = level - 0.085 * look.arch * np.sin(np.pi * np.minimum(0.08 + 0.80 * t, 1.0)) + 0.03 * t * t
    thick = max(look.brow, 0.35) * 0.047 * (0.75 + 0.55 * t * (1 - t) * 2) * (1.0 - 0.65 * t**2)
    ends = smoothstep(start - 0.05, start + 0.07, x) * smoothstep(stop + 0.03, stop - 0.10, x)
    hairs = 0.82 + 0.18 * np.sin(90 * (x + 0.5 * canvas.y) + 3.0 * canvas.fine)
    away = np.abs((canvas.y - centre) / thick)
    mask = np.exp(-away * away * np.sqrt(away)) * hairs * (ends * np.float32(0.88 * min(1.0, look.brow / 0.5)))
    colour = (0.55 - 0.25 * look.grey) * look.hair + np.float32(0.003)
    coat.over(np.asarray(mask, np.float32), colour, pulse=0.05, sheen=0.2, flesh=0.0)
