"""Wear: make-up, glasses, surgical masks and hats, painted over a face."""

from __future__ import annotations

import numpy as np

from perfuse.synth.fields import Field, smoothstep
from perfuse.synth.person.coat import Coat
from perfuse.synth.person.look import Look
from perfuse.synth.person.shape import (
    EDGE,
    Canvas,
    chin_y,
    clip,
    dabs,
    dome,
    half_width,
    lower,
    mouth_y,
)
from perfuse.synth.person.skin import Skin, stained
from perfuse.synth.person.worn import Glasses, Hat, Makeup


def cosmetics(coat: Coat, look: Look, skin: Skin, canvas: Canvas, makeup: Makeup) -> None:
    """Lay foundation, blush and eye shadow: what hides a share of the skin hides that share of its pulse."""
    chin, low = chin_y(look), lower(look)
    part = clip(coat, canvas, (-1.05, 1.05, look.waist - look.crown, chin))
    if part is None:
        return
    coat, canvas = part
    x, y = canvas.columns, canvas.lines
    even = smoothstep(1.1, 0.85, (x / 1.02) ** 2 + ((y - 0.1) / (chin - 0.02)) ** 2) * np.float32(makeup.cover)
    powder = stained(skin.albedo, np.full((1, 1), 0.30 * skin.redness, np.float32)) * np.float32(1.03)
    coat.over(even, np.ascontiguousarray(powder[:, 0, 0]), pulse=0.0)
    coat.sheen -= 0.4 * even * coat.sheen  # powder is matt
    strength = np.zeros(canvas.shape, np.float32)
    dabs(strength, x, y, (0.58, 0.40 * low), (0.20, 0.13), makeup.blush)
    rose = powder[:, 0, 0] * np.array([1.0, 0.62, 0.66], np.float32)
    coat.over(0.45 * np.minimum(strength, 1.0), rose, pulse=0.0)
    lids = np.zeros(canvas.shape, np.float32)
    dabs(lids, x, y, (look.eye_gap, -0.11), (0.17, 0.055), 1.2)
    lids = np.minimum(lids, 1.0)
    shadow = makeup.lids * np.float32(min(1.0, 3.0 * float(skin.albedo[1])))
    coat.over(lids * np.float32(makeup.lid_cover), shadow, pulse=0.0)


def glasses(coat: Coat, look: Look, canvas: Canvas, worn: Glasses) -> None:
    """Lay a pair of glasses: rims, bridge and arms hide the skin, lenses tint it and mirror a little light."""
    gap = look.eye_gap + 0.02
    reach, tall = worn.width + 2.5 * worn.thick, worn.height + 2.5 * worn.thick
    part = clip(coat, canvas, (-1.08, 1.08, 0.02 - tall - 0.05, 0.02 + tall + 0.08))
    if part is None:
        return
    for middle in (-gap, gap):
        lens = clip(coat, canvas, (middle - reach, middle + reach, 0.02 - tall, 0.02 + tall + 0.06))
        if lens is not None:
            _lens(*lens, worn, middle)
    coat, canvas = part
    x, y, soft = canvas.columns, canvas.lines, max(0.006, 0.35 / canvas.unit)
    side = np.abs(x)
    inner, outer = gap - worn.width, gap + worn.width
    arch = np.abs(y + 0.035 - 0.9 * (x * x - inner * inner)) - worn.thick
    bridge = smoothstep(soft, -soft, arch) * smoothstep(inner + soft, inner - soft, side)
    slope = np.abs(y + 0.06 - 0.04 * (side - outer)) - max(1.2 * worn.thick, 0.016)
    arm = smoothstep(soft, -soft, slope) * smoothstep(outer, outer + 2 * soft, side) * smoothstep(1.04, 1.02, side)
    _solid(coat, np.maximum(bridge, arm), worn)


def _lens(coat: Coat, canvas: Canvas, worn: Glasses, middle: float) -> None:
    """One lens and its rim; the rim throws a thin shadow."""
    x, y = canvas.columns - middle, canvas.lines - 0.02
    power, soft = worn.corner, max(0.006, 0.35 / canvas.unit)
    across = np.abs(x / worn.width) ** power

    def out(drop: float) -> Field:
        """Distance outside the lens outline, about, in head units."""
        level = (across + np.abs((y - drop) / worn.height) ** power) ** (1.0 / power)
        return np.asarray((level - 1.0) * min(worn.width, worn.height), np.float32)

    away = out(0.0)
    shade = 0.22 * smoothstep(worn.thick + 0.03, worn.thick, np.abs(out(0.035)))
    coat.albedo *= 1.0 - shade
    inside = smoothstep(soft, -soft, away)
    streak = np.exp(-(((x + 0.8 * y + 0.1) / 0.06) ** 2)) + 0.6 * np.exp(-(((x + 0.8 * y - 0.06) / 0.03) ** 2))
    coat.albedo *= 1.0 - np.float32(worn.tint) * inside
    coat.albedo += (
        np.float32(0.5 * worn.glare) * inside * np.minimum(streak, 1.0) + np.float32(0.04 * worn.glare) * inside
    )
    coat.pulse *= 1.0 - np.float32(0.1 + worn.tint) * inside
    coat.sheen *= 1.0 - 0.5 * inside
    _solid(coat, smoothstep(worn.thick + soft, worn.thick - soft, np.abs(away)), worn)


def _solid(coat: Coat, mask: Field, worn: Glasses) -> None:
    coat.over(np.asarray(mask, np.float32), worn.colour, pulse=0.0, sheen=1.2, flesh=0.0)


def surgical_mask(coat: Coat, look: Look, canvas: Canvas, colour: Field) -> None:
    """Lay a pleated mask from the bridge of the nose to below the chin, with its loops."""
    low, chin = lower(look), chin_y(look)
    part = clip(coat, canvas, (-1.12, 1.12, -0.05, chin + 0.12))
    if part is None:
        return
    coat, canvas = part
    x, y, side = canvas.columns, canvas.lines, np.abs(canvas.columns)
    top = 0.26 * low + 0.24 * x * x + 0.02 * np.sin(9.0 * x)
    bottom = chin + 0.06 - 0.40 * x * x
    edge = np.minimum(0.97 * half_width(look, np.minimum(y, chin - 0.12)) + 0.02, 0.93)
    mask = (
        smoothstep(-EDGE, EDGE, y - top) * smoothstep(EDGE, -EDGE, y - bottom) * smoothstep(EDGE, -EDGE, side - edge)
    )
    shade = smoothstep(0.08, 0.0, np.abs(y - top)) * smoothstep(0.95, 0.8, side)
    coat.albedo *= 1.0 - 0.18 * shade
    normal = dome(x, y, (0.0, mouth_y(look) - 0.10), (1.12, 0.95))
    folds = np.zeros((len(y), 1), np.float32)
    for level in (0.35, 0.55, 0.75):
        away = (y - 0.24 * low - level * (chin - 0.26 * low)) / 0.022
        folds -= away * np.exp(-away * away)
    normal[1] += 0.5 * folds * smoothstep(0.85, 0.6, side) + 0.05 * canvas.blotch
    weave = np.exp(0.02 * canvas.fine + 0.02 * canvas.blotch)
    hem = 1.0 - 0.10 * smoothstep(0.06, 0.05, y - top)
    coat.over(
        np.asarray(mask, np.float32),
        np.asarray(0.9 * colour[:, None, None] * (weave * hem), np.float32),
        normal=normal,
        pulse=0.0,
        sheen=0.1,
        flesh=0.0,
        solid=True,
        loose=1.0,
    )
    for start, stop in ((0.46 * low, 0.05), (0.95 * low, 0.40)):
        path = start + (stop - start) * (side - 0.86) / 0.16
        loop = smoothstep(0.02, 0.008, np.abs(y - path)) * smoothstep(0.84, 0.86, side) * smoothstep(1.04, 1.02, side)
        coat.over(0.9 * loop, np.full(3, 0.7, np.float32), pulse=0.0, sheen=0.1, flesh=0.0)


def hat(coat: Coat, look: Look, canvas: Canvas, worn: Hat) -> None:
    """Lay a knitted cap, a cap with a peak, or a scarf around the head."""
    (_scarf if worn.style == "scarf" else _cap)(coat, look, canvas, worn)


def _cap(coat: Coat, look: Look, canvas: Canvas, worn: Hat) -> None:
    """Lay a close cap, knitted or with a peak over the forehead."""
    knitted = worn.style == "beanie"
    part = clip(coat, canvas, (-1.45, 1.45, look.waist - look.crown - 0.4, -0.2))
    if part is None:
        return
    coat, canvas = part
    x, y = canvas.columns, canvas.lines
    lift = 0.22 if knitted else 0.17
    rim = (-0.62 if knitted else -0.60) + 0.16 * x * x
    shell = np.abs(x / (1.06 + 0.3 * lift)) ** 2.4 + np.abs((y - look.waist) / (look.crown + lift)) ** 2.4
    mask = smoothstep(1.03, 0.97, shell) * smoothstep(EDGE, -EDGE, y - rim)
    shade = smoothstep(rim + (0.12 if knitted else 0.30), rim, y) * (y > rim)
    coat.albedo *= 1.0 - np.float32(0.25 if knitted else 0.45) * shade * smoothstep(1.1, 0.9, np.abs(x))
    normal = dome(x, y, (0.0, look.waist), (1.25, look.crown + lift))
    if knitted:
        ribs = np.sin(60.0 * x / np.maximum(0.35, 1.0 - 0.2 * (y - rim) ** 2))
        normal[0] += 0.25 * ribs
        band = smoothstep(rim - 0.30, rim - 0.28, y)
        level = np.exp(0.10 * ribs + 0.05 * canvas.fine) * (1.0 - 0.2 * smoothstep(0.04, 0.0, np.abs(y - rim + 0.29)))
    else:
        band = np.zeros_like(mask)
        seams = np.exp(-((x / 0.012) ** 2)) + np.exp(-(((np.abs(x) - 0.55 - 0.2 * (y + 1.0)) / 0.012) ** 2))
        level = np.exp(0.03 * canvas.fine) * (1.0 - 0.25 * np.minimum(seams, 1.0))
    colour = worn.colour[:, None, None] + band * (worn.trim - worn.colour)[:, None, None]
    cloth = np.asarray(colour * level, np.float32)
    coat.over(mask, cloth, normal=normal, pulse=0.0, sheen=0.1, flesh=0.0, solid=True, loose=1.0)
    if not knitted:
        away = (x / 0.92) ** 2 + ((y + 0.60) / 0.15) ** 2
        peak = smoothstep(1.08, 0.92, away) * smoothstep(-0.70, -0.66, y)
        down = np.zeros_like(normal)
        down[1], down[2] = -0.35, 0.94
        level = 0.8 - 0.3 * smoothstep(-0.55, -0.46, y)
        coat.over(
            peak,
            worn.trim[:, None, None] * level,
            normal=down,
            pulse=0.0,
            sheen=0.2,
            flesh=0.0,
            solid=True,
            loose=1.0,
        )


def _scarf(coat: Coat, look: Look, canvas: Canvas, worn: Hat) -> None:
    """Lay a scarf that leaves the face free and falls over neck and shoulders."""
    x, y, side = canvas.columns, canvas.lines, np.abs(canvas.columns)
    chin = chin_y(look)
    up, down = np.minimum(y - 0.15, 0.0) / 0.95, np.maximum(y - 0.15, 0.0) / (chin - 0.10)
    face = np.abs(x / 0.88) ** 2.4 + np.abs(up) ** 2.4 + np.abs(down) ** 2.4
    shell = np.abs(x / 1.17) ** 2.3 + np.abs(np.minimum(y - look.waist, 0.0) / (look.crown + 0.17)) ** 2.3
    drape = 1.17 + 0.55 * smoothstep(chin - 0.2, chin + 0.9, y) + 0.02 * canvas.blotch
    outer = smoothstep(1.03, 0.97, shell) * (y < look.waist) + smoothstep(EDGE, -EDGE, side - drape) * (
        y >= look.waist
    )
    mask = outer * smoothstep(0.97, 1.03, face) * smoothstep(2.38, 2.25, y + 0.05 * canvas.blotch)
    coat.albedo *= 1.0 - 0.35 * smoothstep(0.80, 1.0, face)
    waves = np.sin(9.0 * np.sqrt(x * x + (0.6 * (y - 0.1)) ** 2) + 1.5 * canvas.blotch + 2.0 * x)
    normal = dome(x, 0.55 * y, (0.0, 0.0), (1.35, 1.6))
    normal[0] += 0.18 * waves * np.sign(x)
    normal[1] += 0.12 * waves
    level = np.exp(0.07 * waves + 0.03 * canvas.fine)
    coat.over(
        np.asarray(mask, np.float32),
        np.asarray(worn.colour[:, None, None] * level, np.float32),
        normal=normal,
        pulse=0.0,
        sheen=0.12,
        flesh=0.0,
        solid=True,
        loose=1.0,
    )
