"""Hair: what frames the face, what hangs behind the head, and beards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perfuse.synth.fields import Field, smoothstep
from perfuse.synth.person.coat import Coat
from perfuse.synth.person.look import Look
from perfuse.synth.person.shape import EDGE, Canvas, chin_y, clip, dome, lower, mouth_y
from perfuse.synth.person.skin import BLOOD_TINT


@dataclass(frozen=True, slots=True)
class _Style:
    """How one style is cut: volume, end of what falls beside the face, hairline and temples, density, what hangs."""

    lift: float
    fall: float
    height: float = 1.04
    width: float = 0.91
    sweep: float = 0.0
    dense: float = 1.0
    behind: float = 0.0
    """Where hair behind the head ends; 0 for none."""
    fade: float = 0.0
    """How far the sides are cropped, 0..1; such hairlines also draw back at the temples."""


HAIRLINE = 0.11
"""How much higher the hair begins than a style says: the foreheads of adults are 63 to 67 mm high from the root of
the nose (Farkas 1994, North Americans), those of the styles alone 58 mm."""

_STYLES = {
    "short": _Style(0.10, 0.16, 1.10, fade=0.35),
    "side": _Style(0.17, 0.20, 1.06, sweep=0.16, fade=0.3),
    "buzz": _Style(0.03, 0.12, 1.03, 0.92, dense=0.82, fade=0.3),
    "quiff": _Style(0.22, 0.10, 1.02, 0.92, fade=0.5),
    "curls": _Style(0.28, 0.35, 1.00),
    "shaved": _Style(0.01, 0.10, 1.05, 0.93, dense=0.5),
    "receding": _Style(0.06, 0.22, 1.16, 0.92),
    "bald": _Style(0.02, 0.30, 1.02, 0.93, dense=0.85),
    "afro": _Style(0.52, 0.45, 0.98),
    "long": _Style(0.12, 2.3, 1.10, 0.83, sweep=0.10, behind=2.25),
    "bob": _Style(0.15, 1.15, 0.98, 0.85, sweep=0.14, behind=1.12),
    "fringe": _Style(0.12, 1.6, 0.54, 0.86, behind=1.7),
    "wavy": _Style(0.20, 2.2, 1.06, 0.82, sweep=0.08, behind=2.1),
    "tied": _Style(0.05, 0.04, 1.07, 0.93),
    "bun": _Style(0.06, 0.02, 1.06, 0.93),
    "fuzz": _Style(0.02, 0.15, 1.02, 0.93, dense=0.28),
}


def _strands(look: Look, canvas: Canvas, part: float) -> tuple[Field, Field]:
    """Light and dark streaks (sd about 1) that flow from a point above the crown, and the distance from it."""
    bins = int(np.clip(3.0 * canvas.unit, 64, 640))  # no finer than the pixels can show
    noise = np.random.default_rng([look.seed, 3]).standard_normal((3, 640))
    at = np.linspace(0, 1, bins)
    table = sum(
        weight * np.interp(at, np.linspace(0, 1, count), row[:count])
        for row, count, weight in zip(noise, (24, 90, 320), (0.5, 0.6, 0.6), strict=True)
    )
    dx, dy = canvas.columns - part, canvas.lines + 2.3
    reach = np.sqrt(dx * dx + dy * dy)
    bend = 0.5 + 0.003 * canvas.blotch
    index = ((dx / reach) * np.float32(0.5) + bend) * (bins - 1)
    return np.asarray(table, np.float32)[np.clip(index, 0, bins - 1).astype(np.intp)], reach


def _colour(look: Look, streak: Field, reach: Field, ring: float) -> Field:
    """Colour of hair with streaks and the bright ring that strands show across their run."""
    away = (reach - ring - 0.05 * streak) / 0.16
    level = np.exp(0.26 * streak) * (0.75 + 0.5 * np.exp(-away * away))
    return _tinted(look, np.asarray(level, np.float32), streak)


def _tinted(look: Look, level: Field, streak: Field) -> Field:
    """Hair colour times a level; some strands of a greying head are white."""
    colour = look.hair[:, None, None] * level
    if look.grey > 0.05:
        colour += np.float32(0.10 * look.grey) * smoothstep(0.4, 1.6, streak) * level
    return np.asarray(colour, np.float32)


def _power(values: Field, power: float) -> Field:
    return np.asarray(np.abs(values) ** np.float32(power), np.float32)


def front_hair(coat: Coat, look: Look, canvas: Canvas) -> None:
    """Lay the hair that frames the face, with the shade it throws on the brow."""
    style = _STYLES[look.hair_style]
    lift = style.lift * look.hair_lift * (1.0 if look.hat is None else 0.3)
    top = look.waist - look.crown - lift - 0.3
    fall = style.fall if look.age_y > 3 else min(style.fall, 0.3)
    part = clip(coat, canvas, (-1.2 - 0.9 * lift, 1.2 + 0.9 * lift, top, fall + 0.12))
    if part is None:
        return
    coat, canvas = part
    x, y = canvas.columns, canvas.lines
    streak, reach = _strands(look, canvas, look.part if style.sweep else 0.5 * look.part)
    curly = look.hair_style in ("curls", "afro")
    rough = 0.010 * streak if not curly else 0.015 * canvas.fine + 0.025 * canvas.blotch
    if look.hair_style == "quiff":
        rough = rough - 0.06 * np.exp(-(((x - 0.4 * look.part) / 0.7) ** 4)) * smoothstep(-0.9, -1.4, y)
    if look.hair_style == "wavy":
        rough = rough + 0.03 * np.sin(7.0 * y + 2.0)
    wide, high = (
        _power(x / (1.0 + (0.7 if style.fade == 0 else 0.35) * lift), 2.3),
        _power((y - look.waist) / (look.crown + lift), 2.3),
    )
    inside = smoothstep(1.0 + 2.3 * EDGE, 1.0 - 2.3 * EDGE, wide + high + 2.3 * rough)
    hollow = _hairline(look, style, x, y)
    ends = 0.05 * streak
    jagged = 0.03 if look.hair_style in ("fringe", "bob", "long") else 0.014
    soft = 0.05 if curly else 0.045 + 0.03 * (style.dense < 1)
    mask = inside * smoothstep(-soft, soft, hollow + (jagged * streak if not curly else 0.4 * rough))
    mask *= smoothstep(fall, fall - (0.3 if fall > 0.3 else 0.22), y + ends) * np.float32(style.dense)
    if style.fade > 0:
        crop = smoothstep(-0.75, -0.10, y) * smoothstep(0.6, 0.85, np.abs(x))
        mask *= 1.0 - np.float32(style.fade) * crop * (0.8 + 0.2 * np.clip(canvas.fine, -1, 1))
    if look.hair_style == "bald":
        mask *= smoothstep(-0.75, -0.35, y + 0.2 * np.abs(x))
    shadow = smoothstep(-0.16, 0.02, hollow) * (smoothstep(0.2, -0.2, y) * np.float32(0.35 * style.dense))
    for colour in range(3):
        coat.albedo[colour] *= 1.0 - np.float32(1.0 - np.exp(-1.2 * BLOOD_TINT[colour])) * shadow * coat.alpha
    _lay(coat, look, canvas, np.asarray(mask, np.float32), (streak, reach), lift, style)


def _lay(
    coat: Coat, look: Look, canvas: Canvas, mask: Field, strands: tuple[Field, Field], lift: float, style: _Style
) -> None:
    """Lay hair through its mask: cropped hair darkens the skin, longer hair hides it."""
    x, y = canvas.columns, canvas.lines
    if style.dense < 1:
        stipple = np.clip(1.0 + 0.14 * canvas.fine, 0.5, 1.4)
        coat.over(
            np.minimum(mask * stipple, 1.0), 0.6 * look.hair + np.float32(0.01), pulse=0.2, sheen=0.5, flesh=0.0
        )
        return
    normal = dome(x, y, (0.0, look.waist - 0.08), (1.22 + lift, look.crown + 0.01 + lift))
    if look.hair_style in ("curls", "afro"):
        clumps = np.exp((0.34 - 0.2 * look.grey) * canvas.fine + 0.15 * canvas.blotch)
        colour = _tinted(look, np.asarray(0.85 * clumps, np.float32), canvas.fine)
        normal[1] += 0.2 * np.clip(canvas.fine, -2.5, 2.5)  # a curl leans, and no single pixel more than all others
    else:
        colour = _colour(look, *strands, 1.05)
    coat.over(mask, colour, normal=normal, pulse=0.0, sheen=0.15, flesh=0.0, solid=True, loose=1.0)


def _hairline(look: Look, style: _Style, x: Field, y: Field) -> Field:
    """Signed distance from the bare face: above 0 grows hair."""
    high = (style.height + (HAIRLINE + look.hairline) * (style.height > 0.8)) * (look.crown - look.waist) / 1.56
    drop = np.minimum(y - 0.12, 0.0)
    power = 2.7 if style.height > 0.8 else 4.0
    line = (_power(x / style.width, 2.7) + _power(drop / high, power) - 1.0) / 2.7
    if style.sweep:
        sign = np.sign(look.part) or 1.0
        along = (look.part - x) * sign
        sweep = style.sweep * smoothstep(0.0, 0.55, along) * smoothstep(1.15, 0.4, along)
        line = line + sweep * smoothstep(-0.15, -0.8, y)
    if look.hair_style == "receding" or style.fade > 0:
        line = line - (0.10 if style.fade == 0 else 0.045) * np.exp(-(((np.abs(x) - 0.48) / 0.2) ** 2)) * smoothstep(
            -0.5, -0.9, y
        )
    peak = 0.03 * np.exp(-((x / 0.15) ** 2)) * (y < -0.5)
    return np.asarray(line + peak, np.float32)


def back_hair(coat: Coat, look: Look, canvas: Canvas) -> None:
    """Lay what hangs or is tied behind the head."""
    style = _STYLES[look.hair_style]
    if look.hair_style == "bun":
        _bun(coat, look, canvas)
    if not style.behind or look.age_y < 2:
        return
    end = style.behind if look.age_y > 12 else 0.7 * style.behind
    top = look.waist - look.crown
    part = clip(coat, canvas, (-1.55, 1.55, top, end + 0.15))
    if part is None:
        return
    coat, canvas = part
    x, y, side = canvas.columns, canvas.lines, np.abs(canvas.columns)
    streak, reach = _strands(look, canvas, 0.0)
    crown = (1.0 - np.minimum(np.minimum(y - look.waist, 0.0) / (top - look.waist), 1.0) ** 2.3) ** (1 / 2.3)
    wave = 0.05 * np.sin(6.0 * y + 1.0) if look.hair_style == "wavy" else 0.03 * np.sin(2.5 * y)
    flare = 1.12 + 0.06 * look.hair_lift + 0.12 * (look.hair_style == "wavy")
    width = (flare + wave) * crown - 0.14 * smoothstep(end - 0.6, end, y)
    chin = chin_y(look)
    neck = smoothstep(0.50, 0.60, side + 0.06 * np.sin(3.0 * y)) + smoothstep(chin, chin - 0.3, y)
    mask = smoothstep(EDGE, -EDGE, side - width) * smoothstep(0.0, 0.2, width) * np.minimum(neck, 1.0)
    mask = mask * smoothstep(end, end - 0.10, y + 0.04 * streak)
    normal = dome(x, 0.3 * y, (0.0, 0.0), (1.3, 1.5))
    coat.over(
        mask, 0.7 * _colour(look, streak, reach, 2.6), normal=normal, sheen=0.15, flesh=0.0, solid=True, loose=1.0
    )


def _bun(coat: Coat, look: Look, canvas: Canvas) -> None:
    middle = look.waist - look.crown - 0.12
    part = clip(coat, canvas, (-0.5, 0.5, middle - 0.42, middle + 0.42))
    if part is None:
        return
    coat, canvas = part
    x, y = canvas.columns, canvas.lines - middle
    square = (x / 0.42) ** 2 + (y / 0.34) ** 2
    streak, reach = _strands(look, canvas, 0.0)
    normal = dome(x, y, (0.0, 0.0), (0.45, 0.36))
    mask = smoothstep(1.06, 0.94, square)
    coat.over(mask, _colour(look, streak, reach, 0.55), normal=normal, sheen=0.15, solid=True, loose=1.0)


def beard(coat: Coat, look: Look, canvas: Canvas) -> None:
    """Lay a beard: full, stubble, goatee, moustache, or long below the chin."""
    if look.beard <= 0:
        return
    mouth, chin, low = mouth_y(look), chin_y(look), lower(look)
    below = 0.42 if look.beard_style == "long" else 0.02
    part = clip(coat, canvas, (-1.05, 1.05, 0.0, chin + below))
    if part is None:
        return
    coat, canvas = part
    x, y = np.abs(canvas.columns - look.askew[1]), canvas.lines
    cheek = (0.14 + 0.50 * smoothstep(1.0, 0.38, x)) * low + 0.05 * canvas.blotch
    jaw = smoothstep(-0.10, 0.10, y - cheek)
    jaw = jaw * smoothstep(0.75, 1.05, np.sqrt((x / 0.40) ** 2 + ((y - mouth - 0.03) / 0.19) ** 2))
    lip = (y - mouth + 0.135 * low - 0.25 * x * x) / 0.062
    moustache = smoothstep(0.42, 0.30, x) * np.exp(-lip * lip * lip * lip)
    tuft = np.exp(-((x / 0.1) ** 4)) * smoothstep(0.12, 0.2, y - mouth)
    if look.beard_style == "goatee":
        ring = np.sqrt((x / 0.46) ** 2 + ((y - mouth - 0.12) / 0.36) ** 2)
        jaw = jaw * smoothstep(1.1, 0.95, ring + 0.03 * canvas.blotch)
    if look.beard_style == "moustache":
        jaw = tuft = np.zeros((1, 1), np.float32)
    area = np.minimum(np.maximum(np.maximum(jaw, tuft), moustache), 1.0)
    strands = 1.0 - (0.06 + 0.22 * (1.0 - look.beard)) * (0.5 + 0.5 * np.tanh(1.5 * canvas.fine))
    mask = np.minimum(area * strands * np.float32(look.beard), np.float32(0.97))
    colour = 0.7 * look.hair[:, None, None] * np.exp(0.2 * canvas.fine) + np.float32(0.004)
    coat.over(np.asarray(mask, np.float32), colour, pulse=0.15, sheen=0.4, flesh=0.0)
    if look.beard_style == "long":
        square = (x / 0.62) ** 2 + ((y - chin + 0.25) / 0.62) ** 2
        hang = smoothstep(1.1, 0.85, square + 0.12 * canvas.blotch) * smoothstep(chin - 0.3, chin - 0.1, y)
        normal = dome(canvas.columns, y, (0.0, chin - 0.2), (0.75, 0.75))
        coat.over(hang, colour, normal=normal, pulse=0.0, sheen=0.3, flesh=0.0, solid=True, loose=1.0)
