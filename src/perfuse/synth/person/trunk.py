"""Neck, shoulders and clothes: everything that breathing lifts."""

from __future__ import annotations

import numpy as np

from perfuse.synth.fields import Field, smoothstep
from perfuse.synth.person.coat import Coat, bare
from perfuse.synth.person.look import Look
from perfuse.synth.person.shape import EDGE, Canvas, chin_y, clip, dab, dabs, dome
from perfuse.synth.person.skin import Skin, stained
from perfuse.synth.person.stand_in import recast


def paint_body(look: Look, skin: Skin, canvas: Canvas, lean: float, gain: float, *, printed: bool = False) -> Coat:
    """Paint the trunk as far as the picture shows it.

    ``lean`` is the x component of the light's direction (the chin's shadow falls the other way); clothes follow the
    camera's ``gain`` only half, so that white ones do not burn out beside dark skin. Photographs and cushions have no
    trunk (``printed`` paints that in a photograph), dolls and masked people one without a pulse.
    """
    coat = bare(canvas.shape)
    if look.kind == "wall" or (look.kind == "photo" and not printed):
        return coat
    chin = chin_y(look)
    x = canvas.columns
    side = np.abs(x) / look.shoulders
    rise = 0.28 - 0.6 * max(0.0, 0.9 - look.shoulders)  # small children have next to no neck
    slope = chin + rise + 0.24 * np.maximum(side - 0.5, 0.0) + 0.8 * np.maximum(side - 1.85, 0.0) ** 2
    _neck(coat, look, skin, canvas, chin, slope, lean)
    top = chin - (0.25 if look.neckline == "high" else 0.0)
    part = clip(coat, canvas, (-np.inf, np.inf, top, np.inf))  # slope has every column, however wide the picture
    if part is not None:
        _clothes(*part, look, chin, slope, gain)
    if look.kind != "person":
        coat.pulse[:] = 0.0
        recast(coat, look, skin, canvas)
    return coat


def _neck(coat: Coat, look: Look, skin: Skin, canvas: Canvas, chin: float, slope: Field, lean: float) -> None:
    """Neck and upper chest in the shadow of the chin."""
    reach = float(canvas.columns[-1]) if look.neckline == "deep" else 1.25
    i, j = np.searchsorted(canvas.columns, (-reach, reach))
    part = clip(coat, canvas, (-reach, reach, chin - 1.0, chin + 1.6))
    if part is None:
        return
    coat, canvas = part
    x, y = canvas.columns, canvas.lines
    slope = slope[i:j]
    width = 0.60 + 0.06 * smoothstep(chin, chin - 0.6, y) + 1.2 * np.clip(y - chin - 0.12, 0.0, 0.4) ** 1.6
    width *= look.neck
    mask = np.maximum(smoothstep(EDGE, -EDGE, np.abs(x) - width), smoothstep(-EDGE, EDGE, y - slope))
    mask = mask * smoothstep(chin - 1.0, chin - 0.95, y)
    bones = np.full(canvas.shape, 1.0, np.float32)
    dabs(bones, x, y, (0.36 * look.neck, chin + 0.35), (0.06, 0.30), 0.08 + 0.1 * look.wrinkles)
    dabs(bones, x, y, (0.55, chin + 0.72), (0.30, 0.035), 0.10)
    dab(bones, x, y, (0.0, chin + 0.62), (0.08, 0.06), -0.06)
    for level in (0.18, 0.30):
        away = (y - chin - level - 0.12 * x * x) / 0.02
        bones -= np.float32(0.05 + 0.12 * look.wrinkles) * np.exp(-away * away)
    shadow = smoothstep(chin + 0.50, chin + 0.02, y + 0.35 * (x + 0.5 * lean) ** 2)
    level = bones * np.exp(-0.03 * canvas.blotch) * (1.0 - 0.62 * shadow)
    base = stained(skin.albedo, np.full((1, 1), 0.15 * skin.redness, np.float32))
    bend = np.clip(x / (np.minimum(width, 1.4) * 1.06), -0.97, 0.97)
    flat = smoothstep(chin + 0.2, chin + 0.8, y)
    normal = dome(x, y, (0.0, chin + 2.0), (3.0, 2.6)) * flat
    normal[0] += (1 - flat) * bend
    normal[1] += (1 - flat) * 0.15
    normal[2] += (1 - flat) * np.sqrt(1.0 - bend * bend)
    coat.over(np.asarray(mask, np.float32), base * level, normal=normal, pulse=0.6, sheen=0.5, flesh=1.0, solid=True)


def _clothes(coat: Coat, canvas: Canvas, look: Look, chin: float, slope: Field, gain: float) -> None:
    """Cloth with its pattern, folds and hem."""
    x, y = canvas.columns, canvas.lines
    opening = _opening(look, x, y, chin)
    cloth = smoothstep(-EDGE, EDGE, y - slope + 0.03) * smoothstep(-EDGE, EDGE, opening)
    if look.neckline == "high":
        collar = smoothstep(EDGE, -EDGE, np.abs(x) - 0.66 * look.neck)
        cloth = np.maximum(cloth, collar * smoothstep(-EDGE, EDGE, opening) * smoothstep(chin - 0.2, chin - 0.1, y))
    rng = np.random.default_rng([look.seed, 6])
    waves = np.zeros(canvas.shape, np.float32)
    for _ in range(3):
        across, down, turn, strong = (float(v) for v in rng.uniform([1.0, 0.5, 0.0, 0.3], [6.0, 4.0, 6.3, 1.0]))
        waves += np.float32(strong) * np.sin(across * np.abs(x) + down * y + 1.3 * canvas.blotch + turn)
    log = 0.035 * waves + 0.03 * canvas.fine
    hem = smoothstep(0.09, 0.07, opening) * smoothstep(0.0, 0.015, opening)
    level = np.exp(log) * (1.0 - 0.22 * hem) * (1.0 - 0.35 * smoothstep(0.10, 0.0, opening - 0.09))
    if look.neckline == "hood":  # a thick roll of cloth about the neck, and two cords
        level *= 1.0 + 0.18 * np.sin(12.0 * np.minimum(opening, 0.26)) * (opening < 0.27)
        level *= 1.0 + 0.4 * np.exp(-(((np.abs(x) - 0.2) / 0.014) ** 2)) * (y > chin + 0.66) * (y < chin + 1.2)
    if look.neckline == "collar":
        level *= 1.0 - 0.35 * np.exp(-((x / 0.012) ** 2)) * (y > chin + 0.5)
    normal = dome(x + 0.05 * canvas.blotch, y, (0.0, chin + 2.6), (2.7 * look.shoulders, 2.7))
    normal[0] += 0.10 * waves
    normal[1] += 0.06 * waves
    share = _pattern(look, rng, x, y - chin + 0.012 * waves)
    colour = look.cloth[:, None, None] + share * (look.trim - look.cloth)[:, None, None]
    albedo = np.asarray(np.float32(gain**-0.6) * colour * level, np.float32)
    coat.over(np.asarray(cloth, np.float32), albedo, normal=normal, pulse=0.0, sheen=0.15, flesh=0.0, solid=True)


def _pattern(look: Look, rng: np.random.Generator, x: Field, y: Field) -> Field:
    """Share of the second colour, (H, W) or broadcast to it."""
    size, turn = float(rng.uniform(0.10, 0.28)), float(rng.uniform(-0.1, 0.1))
    u, v = x + turn * y, y - turn * x
    if look.pattern == "stripes":
        return smoothstep(-0.15, 0.15, np.sin((2 * np.pi / size) * (v if size < 0.22 else u)))
    if look.pattern == "check":
        rows, cols = (smoothstep(-0.2, 0.2, np.sin((2 * np.pi / size) * t)) for t in (u, v))
        return np.asarray(0.5 * (rows + cols), np.float32)
    if look.pattern == "dots":
        bumps = np.cos((2 * np.pi / size) * u) + np.cos((2 * np.pi / size) * v)
        return smoothstep(1.2, 1.5, bumps)
    if look.pattern == "band":
        return np.asarray(smoothstep(0.66, 0.68, v) * smoothstep(0.92, 0.90, v) + 0.0 * u, np.float32)
    return np.zeros((1, 1), np.float32)


def _opening(look: Look, x: Field, y: Field, chin: float) -> Field:
    """Signed distance from the edge of the clothes, above 0 on cloth."""
    side = np.abs(x) / look.neck
    if look.neckline == "deep":
        return np.asarray((side - 0.62 + 0.72 * (y - chin - 0.30)) * 0.8, np.float32)
    if look.neckline == "collar":
        return np.asarray((side - 0.50 + 0.95 * (y - chin - 0.12)) * 0.7, np.float32)
    if look.neckline == "high":
        return np.asarray(y - chin + 0.06 - 0.16 * x * x, np.float32)
    depth = 0.52 if look.neckline == "round" else 0.36
    return np.asarray(np.sqrt((x / 0.80) ** 2 + ((y - chin - 0.18) / depth) ** 2) * 0.6 - 0.6, np.float32)
