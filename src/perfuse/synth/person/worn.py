"""What a person may wear on the face and head: shapes and colours only; :mod:`.wear` paints them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perfuse.synth.fields import Field
from perfuse.synth.person.skin import rgb_of

WEAR = ("glasses", "makeup", "mask", "beard", "hat")
"""What can be asked for; usual shares are 0.3, 0.2, 0.05 and 0.25 for the first four (ASSUMED)."""

HATS = ("beanie", "cap", "scarf")
FRAMES = ("0a0a0c", "0a0a0c", "2c1a10", "53331c", "6b6f78", "9a8050", "1d2a44", "5a1f26", "c9b9a0")
MASKS = ("9cc4d8", "a8d0dc", "dfe6e8", "e8ecec", "16181b", "2a3550", "c9a0a8")
LIPSTICK = ("8e1f2f", "b03a48", "a8545a", "c46a6a", "6d1a2a", "9a4a3c")
LIDS = ("4a3a34", "5c4438", "3a3a44", "6a5048", "7a5a66", "50486a")
HAT_COLOURS = ("20242c", "5a2a30", "3a4a3c", "8a8478", "2c3c5a", "b09a70", "101114", "c8c2b4", "6a4a6a")


@dataclass(frozen=True, slots=True)
class Glasses:
    """A pair of glasses.

    Attributes
    ----------
    corner : float
        Exponent of the lens outline: 2 oval, 4 nearly rectangular.
    width, height : float
        Half axes of a lens in head units.
    thick : float
        Half thickness of the rim in head units.
    colour : ndarray, float32, (3,)
        Of the frame, linear.
    tint, glare : float
        How much the lens darkens (0..1) and how bright its reflection is (albedo).
    """

    corner: float
    width: float
    height: float
    thick: float
    colour: Field
    tint: float
    glare: float


@dataclass(frozen=True, slots=True)
class Makeup:
    """Cosmetics: what hides a share of the skin hides that share of its pulse (it is published to lower AC/DC).

    Attributes
    ----------
    cover : float
        Opacity of the foundation, 0.12..0.6 (ASSUMED).
    lids, lips : ndarray, float32, (3,)
        Linear colours.
    lid_cover, lip_cover, blush, liner : float
        Strengths, 0..1.
    """

    cover: float
    lids: Field
    lips: Field
    lid_cover: float
    lip_cover: float
    blush: float
    liner: float


@dataclass(frozen=True, slots=True)
class Hat:
    """Something on the head: its style (one of :data:`HATS`) and its two linear colours."""

    style: str
    colour: Field
    trim: Field


def pick(rng: np.random.Generator, codes: tuple[str, ...]) -> Field:
    """Return one of several colours, linear."""
    return rgb_of(codes[int(rng.integers(len(codes)))])


def draw_glasses(rng: np.random.Generator) -> Glasses:
    """Draw a pair of glasses: thin metal to thick plastic, mostly clear lenses."""
    corner, width, height = (float(v) for v in rng.uniform([2.0, 0.30, 0.19], [4.5, 0.35, 0.27]))
    thick = float(np.exp(rng.uniform(np.log(0.010), np.log(0.030))))
    colour = pick(rng, FRAMES)
    tint = float(rng.choice([0.0, 0.0, 0.0, 0.06, 0.12, 0.3]))
    return Glasses(corner, width, height, thick, colour, tint, float(rng.uniform(0.0, 0.10)))


def draw_makeup(rng: np.random.Generator) -> Makeup:
    """Draw make-up, from a little foundation to a full face."""
    lids, lips = pick(rng, LIDS), pick(rng, LIPSTICK)
    amount = float(rng.uniform(0.2, 1.0))
    lid, lip, blush, liner = (float(v) for v in rng.uniform([0.1, 0.2, 0.0, 0.2], [0.55, 0.65, 0.7, 1.0]))
    return Makeup(0.6 * amount, lids, lips, lid * amount, lip, blush, liner)


def draw_hat(rng: np.random.Generator) -> Hat:
    """Draw a hat or scarf."""
    style = HATS[int(rng.integers(len(HATS)))]
    return Hat(style, pick(rng, HAT_COLOURS), pick(rng, HAT_COLOURS))
