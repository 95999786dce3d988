"""Neck, shoulders and clothes: everything that breathing lifts."""

from __future__ import annotations

import numpy as np

from perfuse.synth.fields import Field, bump, smoothstep
from perfuse.synth.person.coat import Coat, bare
from perfuse.synth.person.look import Look
from perfuse.synth.person.shape import EDGE, Canvas, chin_y, dome
from perfuse.synth.person.skin import Skin, stained


def paint_body(look: Look, skin: Skin, canvas: Canvas, lean: float, gain: float) -> Coat:
    """Paint the trunk as far as the picture shows it.

    ``lean`` is the x component of the light's direction (the chin's shadow falls the other way); clothes follow the
    camera's ``gain`` only half, so that white ones do not burn out beside dark skin.
    """
    coat = bare(canvas.shape)
    x, y, side = canvas.x, canvas.y, np.abs(canvas.x)
    chin = chin_y(look)
    slope = chin + 0.28 + 0.24 * np.maximum(side - 0.5, 0.0) + 0.8 * np.maximum(side - 1.85, 0.0) ** 2
    _neck(coat, skin, canvas, chin, slope, lean)
    opening = _neckline(look, x, y, chin)
    cloth = smoothstep(-EDGE, EDGE, y - slope + 0.03) * smoothstep(-EDGE, EDGE, opening)
    folds = 0.02 * canvas.blotch + 0.05 * np.sin(5.0 * x + 2.0 * canvas.blotch + 3.0 * y)
    weave = 0.03 * canvas.fine
    hem = smoothstep(0.09, 0.07, opening) * smoothstep(0.0, 0.015, opening)
    level = np.exp(folds + weave) * (1.0 - 0.22 * hem) * (1.0 - 0.35 * smoothstep(0.10, 0.0, opening - 0.09))
    normal = dome(x + 0.08 * canvas.blotch, y, (0.0, chin + 2.6), (2.7, 2.7))
    coat.over(cloth, gain**-0.6 * look.cloth[:, None, None] * level, normal=normal, pulse=0.0, sheen=0.15, solid=True)
    return coat


def _neck(coat: Coat, skin: Skin, canvas: Canvas, chin: float, slope: Field, lean: float) -> None:
    """Neck and upper chest in the shadow of the chin."""
    x, y, side = canvas.x, canvas.y, np.abs(canvas.x)
    width = 0.60 + 0.06 * smoothstep(chin, chin - 0.6, y) + 1.2 * np.clip(y - chin - 0.12, 0.0, 0.4) ** 1.6
    mask = np.maximum(smoothstep(EDGE, -EDGE, side - width), smoothstep(-EDGE, EDGE, y - slope))
    mask = mask * smoothstep(chin - 1.0, chin - 0.95, y)
    cords = bump(side, y, (0.36, chin + 0.35), (0.06, 0.30))
    bones = bump(side, y, (0.55, chin + 0.72), (0.30, 0.035))
    shadow = smoothstep(chin + 0.50, chin + 0.02, y + 0.35 * (x + 0.5 * lean) ** 2)
    relief = (1.0 + 0.08 * cords + 0.10 * bones) * np.exp(-0.03 * canvas.blotch) * (1.0 - 0.62 * shadow)
    albedo = stained(skin.albedo, 0.15 * skin.redness + 0.0 * x) * relief
    bend = np.clip(x / (np.minimum(width, 1.4) * 1.06), -0.97, 0.97)
    normal = np.stack([bend, 0.15 + 0.0 * x, np.sqrt(1.0 - bend**2)])
    flat = smoothstep(chin + 0.2, chin + 0.8, y)
    normal = normal * (1 - flat) + flat * dome(x, y, (0.0, chin + 2.0), (3.0, 2.6))
    coat.over(np.asarray(mask, np.float32), albedo, normal=np.asarray(normal, np.float32), pulse=0.6, solid=True)
    coat.sheen += mask * 0.5


def _neckline(look: Look, x: Field, y: Field, chin: float) -> Field:
    """Signed distance from the edge of the clothes, above 0 on cloth."""
    side = np.abs(x)
    if look.neckline == 1:
        return np.asarray((side - 0.62 + 0.72 * (y - chin - 0.30)) * 0.8, np.float32)
    depth = 0.52 if look.neckline == 0 else 0.42
    return np.asarray(np.hypot(x / 0.80, (y - chin - 0.18) / depth) * 0.6 - 0.6, np.float32)
