"""The mouth: lips, and what is seen between them."""

from __future__ import annotations

import numpy as np

from perfuse.synth.fields import Field, smoothstep
from perfuse.synth.person.coat import Coat, tinted
from perfuse.synth.person.look import Look
from perfuse.synth.person.shape import Canvas, clip, mouth_y
from perfuse.synth.person.skin import Skin, stained

GAPE = 0.13
"""Distance of the lips, in head units, of a mouth painted fully open."""

_SOFT = 0.016


def lips(coat: Coat, look: Look, skin: Skin, canvas: Canvas, open_mouth: float) -> None:
    """Paint the lips, ``open_mouth`` from 0 (closed) to 1 (:data:`GAPE` apart)."""
    width, line, at = 0.34 * look.mouth, mouth_y(look), look.askew[1]
    part = clip(coat, canvas, (at - 1.12 * width, at + 1.12 * width, line - 0.24, line + 0.26 + GAPE))
    if part is None:
        return
    coat, canvas = part
    u, y = (canvas.columns - at) / width, canvas.lines
    inside = np.clip(1.0 - u * u, 0.0, 1.0)
    full = look.lip_full * (0.6 + 0.4 * look.mouth)
    curl = (0.015 + 0.055 * look.smile) * u * u - 0.016 * np.exp(-((u / 0.25) ** 2))
    middle = line - curl + 0.5 * width * look.askew[2] * u
    gap = GAPE * open_mouth * inside**0.6
    upper, lower = middle - 0.25 * gap, middle + 0.75 * gap
    top = upper - full * (0.088 * inside**0.85 - 0.022 * np.exp(-((u / 0.13) ** 2)))
    bottom = lower + full * 0.128 * inside**0.7
    ends = smoothstep(1.0, 0.93, np.abs(u))
    mask = smoothstep(-_SOFT, _SOFT, y - top) * smoothstep(_SOFT, -_SOFT, y - bottom) * ends
    red = 0.25 + look.lips * (0.75 + 0.25 * (y < middle)) * skin.redness**0.5
    cracks = 1.0 + 0.03 * canvas.fine * np.sin(40.0 * u)
    albedo = stained(0.92 * skin.albedo, red) * ((1.0 - 0.22 * smoothstep(_SOFT, -_SOFT, y - middle)) * cracks)
    pulse = 1.2
    if look.makeup is not None:
        albedo += np.float32(look.makeup.lip_cover) * (look.makeup.lips[:, None, None] - albedo)
        pulse *= 1.0 - 0.8 * look.makeup.lip_cover
    coat.over(0.92 * mask, albedo, pulse=pulse, sheen=1.3, flesh=0.0)
    if open_mouth > 0:
        _inside(coat, look, skin, y, (upper, lower), ends * mask, open_mouth)
    for edge in (upper, lower):
        away = (y - edge) / (0.011 + 0.008 * inside)
        seam = np.exp(-away * away) * smoothstep(1.08, 0.9, np.abs(u))
        coat.over(
            np.float32(0.85 - 0.5 * open_mouth) * seam, tinted(coat.albedo, 0.32, 0.18, 0.18), pulse=0.1, sheen=0.2
        )
        if open_mouth == 0:
            break


def _inside(
    coat: Coat, look: Look, skin: Skin, y: Field, lines: tuple[Field, Field], within: Field, open_mouth: float
) -> None:
    """Dark of the mouth between the lips, upper teeth, tongue."""
    upper, lower = lines
    hollow = smoothstep(-0.006, 0.010, y - upper) * smoothstep(0.006, -0.010, y - lower) * within
    coat.over(hollow, np.array([0.022, 0.008, 0.007], np.float32), pulse=0.0, sheen=0.15, flesh=0.0)
    tongue = hollow * smoothstep(lower - 0.055, lower - 0.015, y)
    coat.over(0.6 * tongue, np.array([0.16, 0.05, 0.045], np.float32), sheen=0.6)
    if look.age_y < 0.7:  # no teeth yet
        return
    dim = min(1.0, 1.35 * float(skin.albedo.mean()) ** 0.42)
    teeth = hollow * smoothstep(upper + 0.042, upper + 0.028, y) * min(1.0, 0.3 + open_mouth)
    coat.over(0.85 * teeth, np.float32(0.40 * dim) * np.array([1.0, 0.93, 0.82], np.float32), sheen=1.0)
