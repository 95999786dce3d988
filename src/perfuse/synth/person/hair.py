"""Hair: styles in front of and behind the face."""

from __future__ import annotations

import numpy as np

from perfuse.synth.fields import Field, smoothstep
from perfuse.synth.person.coat import Coat
from perfuse.synth.person.look import Look
from perfuse.synth.person.shape import EDGE, Canvas, chin_y, dome
from perfuse.synth.person.skin import stained


def _strands(look: Look, canvas: Canvas, part: float, count: float) -> tuple[Field, Field]:
    """Light and dark streaks of hair that flow from a point above the crown, and the distance from it."""
    dx, dy = canvas.x - part, canvas.y + 2.3
    angle, reach = np.arctan2(dx, dy), np.hypot(dx, dy)
    wave = 0.02 * np.sin(5 * reach)
    streak = sum(
        np.sin(k * count * (angle + wave) + 1.7 * k * k + 0.8 * canvas.blotch) / k**0.5
        for k in (1.0, 1.63, 2.71, 4.4)
    )
    return np.asarray(streak / 2.2, np.float32), np.asarray(reach, np.float32)


def _hair_colour(look: Look, canvas: Canvas, part: float, ring: float) -> Field:
    """Colour of hair with streaks and the bright ring that strands show across their run."""
    streak, reach = _strands(look, canvas, part, 26.0)
    shine = 0.55 * np.exp(-(((reach - ring - 0.05 * streak) / 0.16) ** 2))
    level = np.exp(0.28 * streak) * (0.75 + shine)
    return np.asarray(look.hair[:, None, None] * level)


def front_hair(coat: Coat, look: Look, canvas: Canvas) -> None:
    """Lay the hair that frames the face, with the shade it throws on the brow."""
    style = look.hair_style
    x, y, side = canvas.x, canvas.y, np.abs(canvas.x)
    part = {"side": 0.38, "long": 0.14, "bob": -0.18}.get(style, 0.0)
    lift = {"short": 0.12, "side": 0.19, "long": 0.12, "bob": 0.15, "curls": 0.30, "shaved": 0.01, "bun": 0.06}[style]
    strands, _ = _strands(look, canvas, part, 40.0)
    rough = 0.012 * strands
    if style == "curls":
        around = np.arctan2(x, -(y + 0.3))
        rough = 0.035 * np.abs(np.sin(6 * around + canvas.blotch)) + 0.02 * np.sin(13 * around) + 0.02 * canvas.fine
    wide, high = np.abs(x / (1.0 + 0.7 * lift)), np.abs((y + 0.22) / (1.34 + lift))
    shell = (wide**2.3 + high**2.3) ** (1 / 2.3)
    inside = smoothstep(1.0 + EDGE, 1.0 - EDGE, shell + rough) * smoothstep(2.2, 1.9, side)
    hollow = _hairline(look, canvas, part, style)
    length = {"long": 2.3, "bob": 1.15, "curls": 0.35, "bun": 0.02, "shaved": 0.1}.get(style, 0.22)
    fall = smoothstep(length, length - 0.3, y + 0.05 * strands)
    mask = np.asarray(inside * smoothstep(-0.03, 0.04, hollow + 0.025 * strands) * fall, np.float32)
    if style == "shaved":
        coat.over(0.6 * mask, 0.6 * look.hair + 0.01, pulse=0.2, sheen=0.6)
        return
    normal = dome(x, y, (0.0, -0.3), (1.22 + lift, 1.35 + lift))
    shadow = smoothstep(-0.16, 0.02, hollow) * smoothstep(0.2, -0.2, y)
    coat.over(0.35 * shadow * coat.alpha, stained(coat.albedo, 1.2 + 0 * x))
    colour = _hair_colour(look, canvas, part, 1.05)
    if style == "curls":
        colour = look.hair[:, None, None] * (0.85 * np.exp(0.30 * canvas.fine + 0.15 * canvas.blotch))
    coat.over(mask, colour, normal=normal, pulse=0.0, sheen=0.15, solid=True, loose=1.0)


def _hairline(look: Look, canvas: Canvas, part: float, style: str) -> Field:
    """Signed distance from the bare face: above 0 grows hair."""
    x, y = canvas.x, canvas.y
    height = {"bun": 1.06, "shaved": 1.05, "side": 1.08, "long": 1.10, "bob": 0.92}.get(style, 1.04)
    width = {"long": 0.83, "bob": 0.85, "shaved": 0.93, "bun": 0.93}.get(style, 0.91)
    centre = 0.12
    drop = np.minimum(y - centre, 0.0)
    opening = (np.abs(x / width) ** 2.7 + np.abs(drop / height) ** 2.7) ** (1 / 2.7)
    line = opening - 1.0
    if style in ("side", "bob", "long"):
        sweep = smoothstep(0.0, 0.55, (part - x) * np.sign(part)) * smoothstep(1.15, 0.4, (part - x) * np.sign(part))
        line = line + (0.16 if style != "long" else 0.10) * sweep * smoothstep(-0.15, -0.8, y)
    peak = 0.03 * np.exp(-((x / 0.15) ** 2)) * (y < -0.5)
    return np.asarray(line + peak, np.float32)


def back_hair(coat: Coat, look: Look, canvas: Canvas) -> None:
    """Lay what hangs or is tied behind the head."""
    x, y, side = canvas.x, canvas.y, np.abs(canvas.x)
    if look.hair_style == "bun":
        radius = np.hypot(x / 0.42, (y + 1.68) / 0.34)
        colour = _hair_colour(look, canvas, 0.0, 0.55)
        normal = dome(x, y, (0.0, -1.68), (0.45, 0.36))
        coat.over(smoothstep(1.03, 0.97, radius), colour, normal=normal, sheen=0.15, solid=True, loose=1.0)
    if look.hair_style not in ("long", "bob"):
        return
    end = 2.2 if look.hair_style == "long" else 1.12
    crown = (1.0 - np.minimum(np.minimum(y + 0.1, 0.0) / -1.5, 1.0) ** 2.3) ** (1 / 2.3)
    width = (1.15 + 0.04 * np.sin(2.5 * y)) * crown - 0.14 * smoothstep(end - 0.6, end, y)
    neck = smoothstep(0.50, 0.60, side + 0.06 * np.sin(3.0 * y)) + smoothstep(chin_y(look), chin_y(look) - 0.3, y)
    mask = smoothstep(EDGE, -EDGE, side - width) * smoothstep(0.0, 0.2, width) * np.minimum(neck, 1.0)
    mask = mask * smoothstep(end, end - 0.10, y + 0.05 * _strands(look, canvas, 0.0, 60.0)[0])
    normal = dome(x, 0.3 * y, (0.0, 0.0), (1.3, 1.5))
    coat.over(mask, 0.7 * _hair_colour(look, canvas, 0.0, 2.6), normal=normal, sheen=0.15, solid=True, loose=1.0)
