"""Looks: what makes one portrait another person than the next. Only scalars; :mod:`.paint` turns them into pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perfuse.synth.fields import Field
from perfuse.synth.person.skin import rgb_of

HAIR_STYLES = ("short", "side", "long", "bob", "curls", "shaved", "bun")
HAIR_COLOURS = ("1c1513", "2b1d16", "4a2f20", "7a5230", "b08a55", "8a3f22", "8d8a86")
IRIS_COLOURS = ("3b2415", "54331c", "6b4f2a", "5d7048", "5f86a8", "6f8790")
CLOTH_COLOURS = ("2f4858", "6b2d3c", "3c5a46", "c9c3b4", "4a4e69", "b5651d", "7d8ca3", "22272e", "d8a48f")
WALL_COLOURS = ("8fa3ad", "b9a99a", "9aa88f", "a79bb0", "c2b59b", "7f8f9b", "b7a6a0")


@dataclass(frozen=True, slots=True)
class Look:
    """Shape and colour of one head; lengths in units of half the face's width.

    Attributes
    ----------
    chin : float
        Height of the lower face below the cheekbones.
    jaw : float
        Exponent of the jaw's outline: larger is squarer.
    nose, eyes, mouth, brow : float
        Relative sizes around 1.
    eye_gap : float
        Distance of each eye from the midline.
    tilt : float
        Slant of the eyes.
    smile : float
        How far the corners of the mouth rise.
    hair_style : str
        One of :data:`HAIR_STYLES`.
    hair, iris, cloth, wall : ndarray, float32, (3,)
        Linear colours.
    beard : float
        0 none, 0.35 stubble, 1 full.
    lips : float
        Redness of the lips.
    neckline : int
        0 round, 1 deep, 2 collar.
    """

    chin: float
    jaw: float
    nose: float
    eyes: float
    mouth: float
    brow: float
    eye_gap: float
    tilt: float
    smile: float
    hair_style: str
    hair: Field
    iris: Field
    cloth: Field
    wall: Field
    beard: float
    lips: float
    neckline: int


def draw_look(rng: np.random.Generator, tone: int) -> Look:
    """Draw a look; hair and eyes are darker, and grey and fair hair rarer, on darker skin."""
    chin = rng.uniform(1.52, 1.68)
    jaw = rng.uniform(2.2, 3.0)
    nose, eyes, mouth, brow = map(float, rng.uniform([0.86, 0.93, 0.9, 0.75], [1.15, 1.1, 1.12, 1.25]))
    eye_gap, tilt, smile = map(float, rng.uniform([0.425, -0.03, 0.2], [0.465, 0.10, 1.0]))
    style = HAIR_STYLES[int(rng.choice(len(HAIR_STYLES), p=[0.2, 0.2, 0.17, 0.12, 0.12, 0.07, 0.12]))]
    fair = max(0.0, 1.0 - tone / 5.0)
    weights = np.array([0.3 + (1 - fair), 0.4, 0.35 * (tone < 8), 0.4 * fair, 0.4 * fair, 0.2 * fair, 0.08])
    hair = HAIR_COLOURS[int(rng.choice(len(HAIR_COLOURS), p=weights / weights.sum()))]
    weights = np.array([0.3 + (1 - fair), 0.5, 0.3, 0.25 * fair, 0.4 * fair, 0.25 * fair])
    iris = IRIS_COLOURS[int(rng.choice(len(IRIS_COLOURS), p=weights / weights.sum()))]
    cloth = CLOTH_COLOURS[int(rng.integers(len(CLOTH_COLOURS)))]
    wall = WALL_COLOURS[int(rng.integers(len(WALL_COLOURS)))]
    bearded = rng.random() < (0.45 if style in ("short", "side", "shaved") else 0.0)
    beard = float(rng.choice([0.3, 0.45, 1.0])) if bearded else 0.0
    return Look(
        chin=chin,
        jaw=jaw,
        nose=nose,
        eyes=eyes,
        mouth=mouth,
        brow=brow,
        eye_gap=eye_gap,
        tilt=tilt,
        smile=smile,
        hair_style=style,
        hair=rgb_of(hair) * np.float32(1.0 if tone < 6 else 0.55),
        iris=rgb_of(iris) * np.float32(1.0 if tone < 7 else 0.6),
        cloth=rgb_of(cloth),
        wall=rgb_of(wall),
        beard=beard,
        lips=float(rng.uniform(0.5, 1.3)),
        neckline=int(rng.integers(3)),
    )
