"""Paint: a whole head from back to front, and the bare skin of the face."""

from __future__ import annotations

import numpy as np

from perfuse.synth.fields import Field, smoothstep
from perfuse.synth.person.coat import Coat, bare, tinted
from perfuse.synth.person.eyes import brow, eye
from perfuse.synth.person.hair import back_hair, beard, front_hair
from perfuse.synth.person.look import Look
from perfuse.synth.person.mouth import lips
from perfuse.synth.person.shape import (
    EDGE,
    Canvas,
    chin_y,
    clip,
    creases,
    cut,
    dab,
    dabs,
    dome,
    half_width,
    lower,
    middle,
    mouth_y,
    normals,
    nose_y,
    surface,
)
from perfuse.synth.person.skin import BLOOD_TINT, Skin, stained
from perfuse.synth.person.stand_in import cushion, harden, photograph
from perfuse.synth.person.trunk import paint_body
from perfuse.synth.person.wear import cosmetics, glasses, hat, surgical_mask

_SHADE = np.array([0.7, 1.0, 1.0], np.float32)
"""Absorption of hollows and lines, R G B: what light reaches them has passed through more skin."""


def paint_head(
    look: Look, skin: Skin, canvas: Canvas, *, closed: float = 0.0, open_mouth: float = 0.0, z: Field | None = None
) -> Coat:
    """Paint a whole head, or the part of it that the canvas shows.

    Parameters
    ----------
    look, skin : Look, Skin
        Whose head.
    canvas : Canvas
        Where; see :func:`perfuse.synth.person.shape.head_extent`.
    closed : float
        How far the lids are down, 0 to 1.
    open_mouth : float
        How far the lips are apart, 0 to 1 (0.13 head units), with teeth and the dark of the mouth between them.
        Dolls, statues and photographs neither blink nor speak.
    z : ndarray, (H, W), optional
        Relief of this canvas where the caller has it already.
    """
    if look.kind == "wall":
        return cushion(look, skin, canvas)
    if look.kind in ("doll", "photo"):
        closed = open_mouth = 0.0
    coat = bare(canvas.shape)
    if look.kind == "photo":
        coat = paint_body(look, skin, canvas, 0.0, 1.0, printed=True)
    hidden = look.hat is not None and look.hat.style == "scarf"
    if not hidden:
        back_hair(coat, look, canvas)
    _ears(coat, look, skin, canvas)
    _face(coat, look, skin, canvas, z)
    if look.makeup is not None:
        cosmetics(coat, look, skin, canvas, look.makeup)
    beard(coat, look, canvas)
    lips(coat, look, skin, canvas, open_mouth)
    for side in (-1.0, 1.0):
        eye(coat, look, skin, canvas, side, closed)
        brow(coat, look, canvas, side)
    if look.glasses is not None:
        glasses(coat, look, canvas, look.glasses)
    if look.mask is not None:
        surgical_mask(coat, look, canvas, look.mask)
    if not hidden:
        front_hair(coat, look, canvas)
    if look.hat is not None:
        hat(coat, look, canvas, look.hat)
    if look.kind == "photo":
        photograph(coat, look, canvas)
    elif look.kind != "person":
        harden(coat, look, skin, canvas)
    return coat


def pulse_map(look: Look, canvas: Canvas) -> Field:
    """Pulsatility over the face, about 1 on average: forehead strongest, then cheeks; nose, chin and lids weaker.

    After the order of heart shares of forehead, cheeks and whole face in published spectra (43 : 28 : 24); sizes are
    ASSUMED. Times a smooth random field of log-sd 0.35 over 25 mm and 0.25 over 6 mm.
    """
    x, y, low = canvas.columns, canvas.lines, lower(look)
    mouth, chin, base = mouth_y(look), chin_y(look), nose_y(look)
    level = np.full(canvas.shape, 0.9, np.float32)
    dab(level, x, y, (0.0, -0.62), (0.62, 0.27), 0.45)
    dabs(level, x, y, (0.55, 0.34 * low), (0.26, 0.2), 0.28)
    dab(level, x, y, (0.0, 0.5 * base), (0.14, 0.3), -0.3)
    dab(level, x, y, (0.0, chin - 0.1), (0.3, 0.2), -0.25)
    dabs(level, x, y, (look.eye_gap, 0.0), (0.2, 0.1), -0.4)
    dab(level, x, y, (0.0, mouth - 0.15), (0.25, 0.06), -0.3)
    return np.asarray(level * np.exp(canvas.vessels), np.float32)


def _face(coat: Coat, look: Look, skin: Skin, canvas: Canvas, z: Field | None) -> None:
    """Skin between crown and chin, with its colours, relief and nostrils."""
    part = cut(canvas, (-1.1, 1.1, look.waist - look.crown - 0.02, chin_y(look) + 0.02))
    if part is None:
        return
    coat, canvas = coat.window(*part), canvas.window(*part)
    z = surface(look, canvas.x, canvas.y) if z is None or look.kind == "photo" else z[part]
    x, y = canvas.columns, canvas.lines
    width, mid = half_width(look, y), middle(look, y)
    away = (np.abs(x - mid) - width) * np.clip(width, 0.25, 1.0)
    mask = smoothstep(EDGE, -EDGE, away) * smoothstep(0.0, 0.1, width)
    sheen = np.ones(canvas.shape, np.float32)
    dab(sheen, x, y, (0.0, -0.6), (0.5, 0.3), 0.8)
    dab(sheen, x, y, (0.0, 0.5 * nose_y(look)), (0.12, 0.3), 1.0)
    albedo = _complexion(look, skin, canvas)
    pulse = pulse_map(look, canvas)
    coat.over(mask, albedo, normal=normals(z, canvas.unit), pulse=pulse, sheen=sheen, flesh=1.0, solid=True)
    _nostrils(coat, look, canvas)


def _complexion(look: Look, skin: Skin, canvas: Canvas) -> Field:
    """Albedo (3, H, W) of the face: pigment, standing blood, hollows, lines, freckles and moles."""
    x, y, low = canvas.columns, canvas.lines, lower(look)
    base, mouth, chin = nose_y(look), mouth_y(look), chin_y(look)
    red = 0.16 + 0.05 * canvas.blotch
    dabs(red, x, y, (0.56, 0.36 * low), (0.24, 0.20), 0.30)
    dab(red, x, y, (look.askew[0], base - 0.1), (0.18, 0.12), 0.22)
    dabs(red, x, y, (look.eye_gap, 0.16), (0.2, 0.07), 0.10)
    dab(red, x, y, (0.0, chin - 0.15), (0.25, 0.15), 0.12)
    dark = 0.035 * canvas.blotch + 0.022 * canvas.fine
    dabs(dark, x, y, (look.eye_gap - 0.03, 0.15), (0.17, 0.04), 0.06 + 0.25 * look.tired)
    dabs(dark, x, y, (look.eye_gap, -0.04), (0.24, 0.10), 0.18)
    if look.shadow > 0 and look.age_y >= 15:
        dabs(dark, x, y, (0.45, chin - 0.42), (0.25, 0.28), 0.16 * look.shadow)
        dab(dark, x, y, (0.0, chin - 0.16), (0.32, 0.16), 0.22 * look.shadow)
        dab(dark, x, y, (0.0, mouth - 0.15), (0.24, 0.05), 0.22 * look.shadow)
    creases(dark, look, x, y, 0.16)
    _spots(dark, look, canvas)
    i, j = np.searchsorted(y[:, 0], (mouth + 0.05, mouth + 0.4))
    under = (y[i:j] - mouth - 0.21 * low + 0.15 * x * x) / 0.03
    dark[i:j] += 0.24 * np.exp(-under * under) * smoothstep(0.26, 0.05, np.abs(x - look.askew[1]))
    albedo = np.empty((3, *canvas.shape), np.float32)
    for colour in range(3):
        stain = float(skin.redness * BLOOD_TINT[colour])
        albedo[colour] = np.exp(-stain * np.maximum(red, 0.0) - float(_SHADE[colour]) * dark)
        albedo[colour] *= float(skin.albedo[colour])
    return albedo


def _spots(dark: Field, look: Look, canvas: Canvas) -> None:
    """Freckles across nose and cheeks, moles anywhere."""
    rng = np.random.default_rng([look.seed, 2])
    x, y, pixel = canvas.columns, canvas.lines, 0.6 / canvas.unit
    # What is smaller than a pixel covers a part of it.
    for across, along, size, strong in zip(
        rng.normal(0.0, 0.42, look.freckles),
        rng.normal(0.28, 0.18, look.freckles) * lower(look),
        rng.uniform(0.008, 0.018, look.freckles),
        rng.uniform(0.08, 0.35, look.freckles),
    ):
        seen = max(size, pixel)
        dab(dark, x, y, (across, along), (seen, seen), strong * (size / seen) ** 2)
    for across, along, size, strong in rng.uniform(
        [-0.85, -0.7, 0.008, 0.3], [0.85, 1.2, 0.018, 1.0], (look.moles, 4)
    ):
        seen = max(size, pixel)
        dab(dark, x, y, (across, along), (seen, seen), strong * (size / seen) ** 2)


def _nostrils(coat: Coat, look: Look, canvas: Canvas) -> None:
    base, at, size = nose_y(look), look.askew[0], look.nose
    part = clip(coat, canvas, (at - 0.35, at + 0.35, base - 0.1, base + 0.1))
    if part is None:
        return
    coat, canvas = part
    holes = np.zeros(canvas.shape, np.float32)
    for side in (-1.0, 1.0):
        dab(holes, canvas.columns, canvas.lines, (at + side * 0.085 * size, base + 0.005), (0.040, 0.016), 0.80)
        dab(holes, canvas.columns, canvas.lines, (at + side * 0.20 * size, base - 0.045), (0.016, 0.045), 0.16)
    coat.over(np.minimum(holes, 1.0), tinted(coat.albedo, 0.22, 0.13, 0.12), pulse=0.0, sheen=0.1, flesh=0.0)


def _ears(coat: Coat, look: Look, skin: Skin, canvas: Canvas) -> None:
    """Ears at the sides, from the brow to the base of the nose."""
    low, size = lower(look), look.ears
    for side in (-1.0, 1.0):
        edges = sorted((side * 0.7, side * 1.35))
        part = clip(coat, canvas, (edges[0], edges[1], -0.35 * size, 0.70 * size))
        if part is None:
            continue
        layer, area = part
        x, y = side * area.x, area.y - 0.17 * low
        width = 0.14 * (0.6 + 0.4 * size)
        u, v = (x - 1.0 - 0.10 * (0.03 - y)) / width, y / (size * (0.33 - 0.05 * (y > 0)))
        square = u * u + v * v
        bowl = np.exp(-0.5 * (((u - 0.15) / 0.38) ** 2 + ((v + 0.05) / 0.5) ** 2))
        rim = np.exp(-(((square - 0.62) / 0.16) ** 2)) * (u > -0.1)
        albedo = stained(skin.albedo, skin.redness * (0.45 + 0.5 * bowl)) * (1.0 - 0.5 * bowl + 0.06 * rim)
        normal = dome(area.x, area.y, (0.0, 0.1), (1.35, 0.75))
        mask = smoothstep(1.08, 0.90, square)
        layer.over(mask, albedo, normal=normal, pulse=1.1, sheen=0.7, flesh=1.0, solid=True, loose=1.0)
