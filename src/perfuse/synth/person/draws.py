"""Draws: how the numbers of a look spread over people of an age, a sex and a skin tone. Sizes are ASSUMED throughout.

Every function consumes the same number of draws whatever its arguments: what is asked for shifts nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from perfuse.synth.fields import Field
from perfuse.synth.person.skin import rgb_of
from perfuse.synth.person.worn import pick

HAIR_STYLES = (
    *("short", "side", "buzz", "quiff", "curls", "shaved", "receding", "bald", "afro"),
    *("long", "bob", "fringe", "wavy", "tied", "bun", "fuzz"),
)
_MALE = (0.24, 0.17, 0.13, 0.13, 0.13, 0.06, 0.0, 0.0, 0.05, 0.03, 0.0, 0.0, 0.02, 0.04, 0.0, 0.0)
_FEMALE = (0.05, 0.05, 0.01, 0.02, 0.10, 0.01, 0.0, 0.0, 0.05, 0.18, 0.13, 0.10, 0.13, 0.09, 0.08, 0.0)

BEARDS = ("full", "stubble", "goatee", "moustache", "long")
PATTERNS = ("plain", "stripes", "check", "dots", "band")
NECKLINES = ("round", "deep", "collar", "high", "hood")

HAIR_COLOURS = ("100d0c", "1c1513", "2b1d16", "4a2f20", "6a452b", "946a3c", "b9935f", "7a3a20")
GREY_HAIR = "b4b2b0"
HAIR_GLOSS = 0.02
"""Light that the surface of hair returns uncoloured, whatever its colour: horn (n = 1.55, after Marschner et al.
2003) reflects 4.6 % head-on; fibres tilt and shade each other (half of it, ASSUMED). Else black hair is a hole."""
HAIRLINE = 0.16
"""How far hairlines of adults lie above and below their mean: a standard deviation of 7 mm (Farkas 1994)."""
AFRO_TONE = 6
"""Monk tone below which nobody is drawn with an afro (ASSUMED)."""
IRIS_COLOURS = ("3b2415", "54331c", "6b4f2a", "5d7048", "5f86a8", "6f8790")
CLOTH_COLOURS = (
    *("2f4858", "6b2d3c", "3c5a46", "c9c3b4", "4a4e69", "b5651d", "7d8ca3", "22272e", "d8a48f"),
    *("e4e4e2", "15171a", "8a2432", "5b6b3a", "a8b6c8", "3a3532", "c8a038"),
)
WALL_COLOURS = (
    *("8fa3ad", "b9a99a", "9aa88f", "a79bb0", "c2b59b", "7f8f9b", "b7a6a0"),
    *("d2d0ca", "c9c7c0", "bfc4c8", "6f7a80", "a8b0a0"),
)

# Adult low and high, and what a newborn has instead.
_SHAPE = {
    "crown": (1.26, 1.40, 1.52),
    "chin": (1.70, 1.94, 1.14),
    "jaw": (2.1, 3.0, 2.3),
    "cheeks": (-0.6, 0.7, 1.6),
    "nose": (0.84, 1.20, 0.70),
    "nose_long": (0.88, 1.12, 0.92),
    "bridge": (0.75, 1.20, 0.25),
    "eyes": (0.92, 1.10, 1.34),
    "lids": (0.78, 1.06, 0.98),
    "fold": (0.0, 1.2, 0.5),
    "iris_size": (0.95, 1.06, 1.10),
    "eye_gap": (0.420, 0.468, 0.450),
    "tilt": (-0.03, 0.10, 0.04),
    "mouth": (0.88, 1.14, 0.78),
    "lip_full": (0.75, 1.35, 1.0),
    "philtrum": (0.31, 0.39, 0.36),
    "smile": (0.1, 1.0, 0.3),
    "brow": (0.65, 1.30, 0.12),
    "arch": (0.4, 1.4, 0.8),
    "brow_lift": (-0.025, 0.025, 0.0),
    "ears": (0.85, 1.15, 0.85),
    "neck": (0.90, 1.12, 0.78),
    "shoulders": (0.90, 1.10, 0.70),
}


def draw_shape(rng: np.random.Generator, baby: float, old: float, male: bool) -> dict[str, Any]:
    """Draw proportions; ``baby`` falls from 1 at birth to 0, ``old`` rises from 0 to 1."""
    table = np.array(list(_SHAPE.values()))
    adult = table[:, 0] + (table[:, 1] - table[:, 0]) * (rng.random(len(table)) + rng.random(len(table))) / 2
    out: dict[str, Any] = dict(zip(_SHAPE, map(float, adult), strict=True))
    sex = 1.0 if male else -1.0
    for name, change in (("jaw", 0.22), ("brow", 0.18), ("neck", 0.05), ("shoulders", 0.05), ("chin", 0.03)):
        out[name] += sex * change
    for name, change in (("lip_full", 0.10), ("eyes", 0.03), ("arch", 0.2), ("lids", 0.03)):
        out[name] -= sex * change
    for name, change in (("lip_full", -0.25), ("lids", -0.12), ("nose", 0.06), ("ears", 0.15), ("cheeks", -0.5)):
        out[name] += old * change
    for name, (_, _, newborn) in _SHAPE.items():
        spread = 0.35 * (out[name] - 0.5 * sum(_SHAPE[name][:2]))
        out[name] += baby * (newborn + spread - out[name])
    wry = np.clip(rng.standard_normal(6), -2.0, 2.0) * (0.012, 0.012, 0.012, 0.010, 0.012, 0.018)
    out["waist"] = -0.22 + 0.27 * baby
    out["askew"] = tuple(map(float, wry))
    return out


def draw_hair(rng: np.random.Generator, tone: int, age_y: float, old: float, male: bool) -> dict[str, Any]:
    """Draw style and colour of the hair: darker on darker skin, grey and thin with age, fuzz on babies."""
    styles = [HAIR_STYLES[int(rng.choice(len(HAIR_STYLES), p=chances))] for chances in (_MALE, _FEMALE)]
    style = styles[0 if male else 1]
    loss, fuzz = float(rng.random()), float(rng.random())
    if male and loss < 0.06 + 0.5 * old:
        style = "bald" if loss < 0.02 + 0.25 * old else "receding"
    if style == "afro" and tone < AFRO_TONE:
        style = "short" if male else "tied"
    if age_y < 1.5 and fuzz < 1.0 - 0.4 * age_y:
        style = "fuzz"
    fair = max(0.0, 1.0 - tone / 5.5)
    weights = np.array([0.3 + 1.2 * (1 - fair), 0.6, 0.45, *(0.35 * (tone < 7), 0.4 * fair, 0.4 * fair, 0.3 * fair)])
    weights = np.append(weights, 0.2 * fair)
    colour = rgb_of(HAIR_COLOURS[int(rng.choice(len(HAIR_COLOURS), p=weights / weights.sum()))])
    turning = float(np.clip((age_y - max(rng.normal(50.0, 9.0), 34.0)) / 25.0, 0.0, 1.0))
    jitter = np.exp(0.15 * rng.standard_normal(3)).astype(np.float32)
    lift, line, part = (float(v) for v in rng.uniform([0.75, -HAIRLINE, -0.45], [1.3, HAIRLINE, 0.45]))
    weights = np.array([0.3 + (1 - fair), 0.5, 0.3, 0.25 * fair, 0.4 * fair, 0.25 * fair])
    iris = rgb_of(IRIS_COLOURS[int(rng.choice(len(IRIS_COLOURS), p=weights / weights.sum()))])
    return {
        "hair_style": style,
        "hair_lift": lift,
        "hairline": line + 0.10 * old * male,
        "part": part,
        "hair": _greyed(colour * jitter, 0.9 * turning),
        "grey": turning,
        "iris": iris * np.float32(1.0 if tone < 7 else 0.6),
    }


def _greyed(colour: Field, share: float) -> Field:
    """Mix hair with grey, under its gloss."""
    return np.asarray(HAIR_GLOSS + colour + share * (rgb_of(GREY_HAIR) - colour), np.float32)


def draw_clothes(rng: np.random.Generator) -> dict[str, Any]:
    """Draw clothes and the colour of the wall behind."""
    neckline = NECKLINES[int(rng.choice(len(NECKLINES), p=[0.32, 0.2, 0.24, 0.1, 0.14]))]
    pattern = PATTERNS[int(rng.choice(len(PATTERNS), p=[0.6, 0.13, 0.1, 0.07, 0.1]))]
    cloth, trim, wall = pick(rng, CLOTH_COLOURS), pick(rng, CLOTH_COLOURS), pick(rng, WALL_COLOURS)
    return {"cloth": cloth, "trim": trim, "wall": wall, "neckline": neckline, "pattern": pattern}


def draw_marks(rng: np.random.Generator, tone: int, baby: float, old: float, male: bool) -> dict[str, Any]:
    """Draw what the skin carries: lines, freckles, moles, a shaved beard, the redness of the lips."""
    lips, depth, bags, shave, many, few = (float(v) for v in rng.random(6))
    freckled = tone <= 5 and many < 0.25
    return {
        "lips": 0.5 + 0.8 * lips + 0.3 * baby,
        "wrinkles": float(np.clip(old * (0.7 + 0.6 * depth) + 0.08 * depth * (1 - baby), 0.0, 1.0)),
        "tired": float(np.clip((0.15 + 0.6 * bags**2) * (1 - baby) + 0.4 * old * bags, 0.0, 1.0)),
        "shadow": (1 - baby) * shave**2 * (0.8 if male else 0.0),
        "freckles": int(freckled * (1 - baby) * 40 + freckled * 400 * many),
        "moles": int((1 - baby) * 5 * few**2),
    }
