"""Stand-ins: what looks like a face and has no pulse. Dolls, statues, full masks, photographs, and cushions."""

from __future__ import annotations

import numpy as np

from perfuse.synth.fields import Field, smoothstep
from perfuse.synth.person.coat import Coat, bare
from perfuse.synth.person.look import Look
from perfuse.synth.person.shape import EDGE, Canvas, chin_y, dome, half_width, mouth_y
from perfuse.synth.person.skin import Skin

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
_STONE = np.array([0.55, 0.53, 0.49], np.float32)
_BRONZE = np.array([0.20, 0.12, 0.06], np.float32)
_SHEEN = {"plastic": 2.6, "porcelain": 3.2, "stone": 0.5, "bronze": 4.0, "cloth": 0.08, "rubber": 1.6}

CARD = (-1.30, 1.30, -1.72, 1.68)
"""Left, right, top, bottom of a photograph."""


def harden(coat: Coat, look: Look, skin: Skin, canvas: Canvas) -> None:
    """Turn a painted head into what ``look.finish`` says: no pulse anywhere, another gloss, other colours.

    Under a full mask (``look.kind == "mask"``) a living person looks out: eyes may blink and the jaw may move, but no
    skin shows. Dolls and statues do neither.
    """
    coat.pulse[:] = 0.0
    coat.sheen += coat.flesh * (_SHEEN[look.finish] - coat.sheen)
    if look.finish in ("plastic", "porcelain", "rubber"):
        paste = skin.albedo * np.array([1.0, 0.92, 0.86], np.float32)
        coat.albedo += np.float32(0.4) * coat.flesh * (paste[:, None, None] - coat.albedo)
    elif look.finish == "cloth":
        _knit(coat, look, skin, canvas)
    else:
        recast(coat, look, skin, canvas)


def recast(coat: Coat, look: Look, skin: Skin, canvas: Canvas) -> None:
    """Cast everything painted in stone or bronze where ``look.finish`` is one of them."""
    if look.finish not in ("stone", "bronze"):
        return
    base = _STONE if look.finish == "stone" else _BRONZE
    bright = np.tensordot(_LUMA, coat.albedo, 1)
    typical = max(float(_LUMA @ skin.albedo), 1e-3)
    # Carving keeps a trace of what it shows: eyes and brows are grooves, hair is rough.
    level = np.clip(bright / typical, 0.05, 1.2) ** 0.35 * np.exp(0.06 * canvas.blotch + 0.05 * canvas.fine)
    coat.albedo[:] = base[:, None, None] * level
    coat.sheen[:] = _SHEEN[look.finish]


def _knit(coat: Coat, look: Look, skin: Skin, canvas: Canvas) -> None:
    """Lay a cloth over face and hair, with holes for the eyes and a seam for the mouth."""
    x, y = canvas.columns, canvas.lines
    holes = np.zeros(canvas.shape, np.float32)
    for side in (-1.0, 1.0):
        away = ((x - side * look.eye_gap) / 0.25) ** 2 + (y / 0.13) ** 2
        holes = np.maximum(holes, smoothstep(1.1, 0.85, away))
    seam = ((x / 0.26) ** 2 + ((y - mouth_y(look)) / 0.05) ** 2) * np.ones_like(holes)
    cover = (1.0 - holes) * (1.0 - 0.6 * smoothstep(1.2, 0.8, seam)) * (coat.alpha > 0.3)
    near = np.abs(x) < np.maximum(half_width(look, y), 0.05) + 0.14
    cover = cover * near * (y < chin_y(look) + 0.05)
    weave = np.sin(80.0 * x + 0.5 * canvas.fine) * np.sin(80.0 * y + 0.5 * canvas.fine)
    level = np.exp(0.10 * weave + 0.06 * canvas.blotch)
    colour = 0.35 * look.cloth + 0.65 * 0.85 * skin.albedo  # most of what is sold is skin-coloured or not far off
    coat.over(np.asarray(0.96 * cover, np.float32), np.asarray(colour[:, None, None] * level, np.float32))
    coat.sheen += cover * (_SHEEN["cloth"] - coat.sheen)
    coat.flesh[:] = np.maximum(coat.flesh, cover * (coat.loose < 0.5))


def photograph(coat: Coat, look: Look, canvas: Canvas) -> None:
    """Flatten what has been painted into a printed card with a border, its shading baked in."""
    x, y = canvas.columns, canvas.lines
    left, right, top, bottom = CARD
    rng = np.random.default_rng([look.seed, 4])
    lean, light = float(rng.uniform(-0.6, 0.6)), 0.35
    front = np.maximum(lean * coat.normal[0] - 0.35 * coat.normal[1] + 0.75 * coat.normal[2], 0.0)
    picture = coat.albedo * (light + 0.75 * front)
    behind = (0.8 * look.wall)[:, None, None] * (1.0 - 0.2 * (y + 1.0) / 2.5)
    picture += (1.0 - coat.alpha) * (behind - picture)
    border = float(rng.choice([0.0, 0.06, 0.10]))

    def within(inset: float) -> Field:
        sides = smoothstep(-EDGE, EDGE, x - left - inset) * smoothstep(EDGE, -EDGE, x - right + inset)
        ends = smoothstep(-EDGE, EDGE, y - top - inset) * smoothstep(EDGE, -EDGE, y - bottom + inset)
        return np.asarray(sides * ends, np.float32)

    print_ = within(border)
    coat.albedo[:] = np.float32(0.75) + print_ * (0.9 * picture - np.float32(0.75))
    coat.alpha[:] = within(0.0)
    coat.normal[0], coat.normal[1] = 0.06 * x, 0.0
    coat.normal[2] = 1.0
    coat.pulse[:], coat.sheen[:], coat.loose[:] = 0.0, float(rng.uniform(0.3, 1.5)), 0.0


def cushion(look: Look, skin: Skin, canvas: Canvas) -> Coat:
    """Return something skin-coloured without a face: a cushion of cloth or leather as large as a head."""
    coat = bare(canvas.shape)
    x, y = canvas.columns, canvas.lines
    rng = np.random.default_rng([look.seed, 5])
    wide, tall, power = (float(v) for v in rng.uniform([0.95, 1.1, 2.0], [1.25, 1.45, 5.0]))
    folds = 0.04 * np.sin(4.0 * x + 3.0 * y + 2.0 * canvas.blotch)
    away = np.abs(x / wide) ** power + np.abs((y + 0.05) / tall) ** power + 0.06 * canvas.blotch
    level = np.exp(0.06 * canvas.blotch + 0.05 * canvas.fine + folds)
    normal = dome(x + 0.10 * canvas.blotch, y, (0.0, -0.05), (1.2 * wide, 1.2 * tall))
    coat.over(
        smoothstep(1.06, 0.94, away),
        np.asarray(skin.albedo[:, None, None] * level, np.float32),
        normal=normal,
        pulse=0.0,
        sheen=float(rng.uniform(0.1, 1.2)),
        flesh=1.0,
        solid=True,
    )
    return coat
