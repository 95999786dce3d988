"""Looks: what makes one portrait another person than the next. Only scalars; :mod:`.paint` turns them into pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perfuse.core.errors import UsageError
from perfuse.synth.fields import Field
from perfuse.synth.person.draws import BEARDS, draw_clothes, draw_hair, draw_marks, draw_shape
from perfuse.synth.person.worn import MASKS as MASK_COLOURS
from perfuse.synth.person.worn import WEAR, Glasses, Hat, Makeup, draw_glasses, draw_hat, draw_makeup, pick

KINDS = ("person", "doll", "mask", "photo", "wall")
"""What stands before the camera: a living person, a doll or statue, a person under a full mask, a photograph of a
face, or something skin-coloured without a face. Only the first has a pulse to see."""

FINISHES = {"doll": ("plastic", "porcelain", "stone", "bronze"), "mask": ("cloth", "rubber")}
"""What dolls, statues and masks are made of."""


@dataclass(frozen=True, slots=True)
class Look:
    """Shape and colour of one head; lengths in units of half the face's width, sizes around 1 unless said otherwise.

    Attributes
    ----------
    kind, finish : str
        One of :data:`KINDS`, and what a doll or mask is made of (:data:`FINISHES`).
    age_y : float
        Age in years.
    seed : int
        Decides where freckles, moles, strands and folds lie.
    waist : float
        Height of the widest part of the face below the pupils.
    crown, chin : float
        Height of the skull above, and of the lower face below the widest part.
    jaw : float
        Exponent of the jaw's outline: larger is squarer.
    cheeks : float
        Fullness of the cheeks around 0; hollow below.
    nose, nose_long, bridge : float
        Width, length and height of the nose.
    eyes, lids, fold, iris_size : float
        Size of the eyes, how far they open, depth of the fold above them (0 none), size of the iris.
    eye_gap, tilt : float
        Distance of each eye from the midline; slant of the eyes.
    mouth, lip_full, philtrum, smile : float
        Width of the mouth; fullness of the lips; where the mouth lies between nose and chin, 0..1; how far its
        corners rise, 0..1.
    brow, arch, brow_lift : float
        Thickness of the brows, how far they arch, how high they stand (around 0).
    ears, neck, shoulders : float
        Sizes.
    askew : tuple of float
        Nose to the side, mouth to the side, slant of the mouth, one eye lower, one brow lower, chin to the side.
    hair_style : str
        One of :data:`perfuse.synth.person.draws.HAIR_STYLES`.
    hair_lift, hairline, part : float
        Volume of the hair; how high it begins (around 0); where it parts (x).
    hair, iris, cloth, trim, wall : ndarray, float32, (3,)
        Linear colours.
    grey : float
        Share of grey hair, 0..1.
    beard : float
        0 none, 0.35 stubble, 1 full.
    beard_style : str
        One of :data:`perfuse.synth.person.draws.BEARDS`.
    shadow : float
        Darkness of a shaved beard, 0..1.
    lips : float
        Redness of the lips.
    freckles, moles : int
        How many.
    wrinkles, tired : float
        Depth of lines and of the bags under the eyes, 0..1.
    neckline, pattern : str
        Cut and pattern of the clothes: ``NECKLINES`` and ``PATTERNS`` of :mod:`perfuse.synth.person.draws`.
    glasses, makeup, mask, hat : Glasses, Makeup, ndarray, Hat, or None
        What is worn; of a surgical mask the linear colour.
    """

    kind: str
    finish: str
    age_y: float
    seed: int
    waist: float
    crown: float
    chin: float
    jaw: float
    cheeks: float
    nose: float
    nose_long: float
    bridge: float
    eyes: float
    lids: float
    fold: float
    iris_size: float
    eye_gap: float
    tilt: float
    mouth: float
    lip_full: float
    philtrum: float
    smile: float
    brow: float
    arch: float
    brow_lift: float
    ears: float
    neck: float
    shoulders: float
    askew: tuple[float, ...]
    hair_style: str
    hair_lift: float
    hairline: float
    part: float
    hair: Field
    grey: float
    iris: Field
    cloth: Field
    trim: Field
    wall: Field
    beard: float
    beard_style: str
    shadow: float
    lips: float
    freckles: int
    moles: int
    wrinkles: float
    tired: float
    neckline: str
    pattern: str
    glasses: Glasses | None
    makeup: Makeup | None
    mask: Field | None
    hat: Hat | None


def draw_look(
    rng: np.random.Generator, tone: int, *, age_y: float = 40.0, wear: tuple[str, ...] = (), kind: str = "person"
) -> Look:
    """Draw a look; what is asked for changes only what it must, all other draws stay as they are.

    Hair and eyes are darker, and fair hair rarer, on darker skin. Children have short faces with large eyes and small
    noses, newborns also full cheeks, hardly any brows and fuzz for hair; old faces are lined, grey, sometimes bald.
    About one adult in ten shows little or no hair (ASSUMED).

    Parameters
    ----------
    rng : Generator
        Source of chance.
    tone : int
        Monk skin tone, 1 to 10.
    age_y : float
        Age in years, 0 to 120.
    wear : tuple of str
        Any of :data:`perfuse.synth.person.worn.WEAR`.
    kind : str
        One of :data:`KINDS`.

    Raises
    ------
    UsageError
        If something to wear or a kind is unknown, or the age is out of range.
    """
    if unknown := [name for name in wear if name not in WEAR]:
        raise UsageError(f"There is nothing called {unknown[0]!r} to wear.", f"Available: {', '.join(WEAR)}.")
    if kind not in KINDS:
        raise UsageError(f"There is no kind of subject called {kind!r}.", f"Available: {', '.join(KINDS)}.")
    if not 0 <= age_y <= 120:
        raise UsageError(f"An age of {age_y} years is out of range.", "Choose 0 to 120.")
    baby, old = float(np.exp(-age_y / 4.5)), float(np.clip((age_y - 38.0) / 42.0, 0.0, 1.0))
    male = (bool(rng.random() < 0.5) or "beard" in wear) and not ("makeup" in wear and "beard" not in wear)
    shape = draw_shape(rng, baby, old, male)
    hair = draw_hair(rng, tone, age_y, old, male)
    clothes = draw_clothes(rng)
    skin = draw_marks(rng, tone, baby, old, male)
    beard_style = BEARDS[int(rng.choice(len(BEARDS), p=[0.35, 0.3, 0.15, 0.1, 0.1]))]
    density = float(rng.uniform(0.85, 1.0)) if beard_style != "stubble" else float(rng.uniform(0.25, 0.5))
    worn = draw_glasses(rng), draw_makeup(rng), pick(rng, MASK_COLOURS), draw_hat(rng)
    finish = {name: of[int(rng.integers(len(of)))] for name, of in FINISHES.items()}
    if kind == "mask":  # nothing of the skin may show
        clothes["neckline"] = "high"
    elif age_y < 1:
        clothes["neckline"] = "round"
    return Look(
        kind=kind,
        finish=finish.get(kind, ""),
        age_y=age_y,
        seed=int(rng.integers(2**31)),
        beard=density if "beard" in wear and age_y >= 16 else 0.0,
        beard_style=beard_style,
        glasses=worn[0] if "glasses" in wear else None,
        makeup=worn[1] if "makeup" in wear else None,
        mask=worn[2] if "mask" in wear else None,
        hat=worn[3] if "hat" in wear else None,
        **shape,
        **hair,
        **clothes,
        **skin,
    )
