"""Skin: how much light each tone returns, and how blood under it changes that light.

Diffuse light leaves skin as ``albedo * exp(-depth * signature * map * blood)`` per channel (Beer-Lambert in the form
of the dichromatic model of Wang, den Brinker, Stuijk and de Haan, "Algorithmic principles of remote PPG", IEEE TBME
2017, eq. 1 to 7): more blood is darker, most in green, and luminance moves together with chroma.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.synth.fields import F64, Field
from perfuse.synth.person.tissue import signature_trend

MONK_SRGB = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")
"""The ten swatches of the Monk skin tone scale (Monk 2019), light to dark."""

FITZPATRICK = (1, 2, 2, 3, 3, 4, 5, 5, 6, 6)
"""Skin type I to VI of each Monk tone: 1-3 light (I-II), 4-6 medium (III-IV), 7-10 dark (V-VI), after Heldreth et al.
2024; the split within each group is ASSUMED. The two scales measure different things and correlate poorly: a label
for comparison with other data, not a measurement."""

JITTER_LAB = (3.0, 2.0, 2.5)
"""Standard deviation of a person's L*, a*, b* about their swatch (ASSUMED)."""

# Melanin fraction against lightness: the two-layer model matched in luminance to the swatches in daylight.
_LIGHTNESS = (10.0, 15.0, 21.0, 31.0, 42.0, 55.0, 78.0, 88.0, 93.0, 97.0)
_MELANIN = (0.64, 0.60, 0.58, 0.38, 0.25, 0.16, 0.05, 0.017, 0.006, 0.002)

LIVING = 0.65
"""How far a face is from its printed swatch towards the colours measured on faces (ASSUMED): redder, less yellow."""

# a* and b* of bare facial skin by lightness, before the flush that the painter adds: ASSUMED within the spread of
# spectrophotometer surveys of faces (a* 7 to 14, b* 11 to 20 over all groups).
_TINT_LIGHTNESS = (12.0, 22.0, 40.0, 55.0, 70.0, 85.0, 95.0)
_TINT_A, _TINT_B = (3.0, 7.0, 9.0, 9.0, 8.0, 7.0, 6.0), (4.0, 9.0, 15.0, 18.0, 17.0, 16.0, 13.0)

BLOOD_TINT = np.array([0.10, 0.62, 0.50], np.float32)
"""Absorption by standing blood per unit of redness, R G B: why cheeks and lips look red."""


_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])  # IEC 61966-2-1


@dataclass(frozen=True, slots=True)
class Skin:
    """What is fixed about one subject's skin.

    Attributes
    ----------
    tone : int
        Monk skin tone, 1 (lightest) to 10.
    albedo : ndarray, float32, (3,)
        Diffuse reflectance R, G, B in linear light.
    depth : float
        Peak-to-peak swing of diffuse green light over a beat, as a fraction of its mean.
    signature : ndarray, float64, (3,)
        Swing of R, G, B relative to green.
    lead_s : ndarray, float64, (3,)
        How far each channel is ahead of green: deeper light sees the pulse earlier (Burton et al. 2023).
    specular : float
        Reflectance of the surface itself, which carries no pulse.
    redness : float
        How flushed cheeks, nose and ears are, around 1.
    melanin : float
        Volume share of melanosomes in the epidermis.
    ita_deg : float
        Individual typology angle of the skin's surface colour, ``atan2(L* - 50, b*)``: above 55 very light, below -30
        dark.
    fitzpatrick : int
        Skin type 1 to 6 derived from the tone, see :data:`FITZPATRICK`.
    """

    tone: int
    albedo: Field
    depth: float
    signature: F64
    lead_s: F64
    specular: float
    redness: float
    melanin: float
    ita_deg: float
    fitzpatrick: int


def srgb_to_linear(values: NDArray[np.floating] | NDArray[np.integer]) -> F64:
    """Invert the sRGB transfer curve (IEC 61966-2-1); 0..1 in, 0..1 out."""
    v = np.asarray(values, np.float64)
    return np.asarray(np.where(v <= 0.04045, v / 12.92, ((np.maximum(v, 0.04045) + 0.055) / 1.055) ** 2.4))


def linear_to_srgb(values: NDArray[np.floating]) -> F64:
    """Apply the sRGB transfer curve (IEC 61966-2-1); values below 0 give 0, values above 1 go on rising."""
    v = np.maximum(np.asarray(values, np.float64), 0.0)
    return np.asarray(np.where(v <= 0.0031308, v * 12.92, 1.055 * np.maximum(v, 0.0031308) ** (1 / 2.4) - 0.055))


def rgb_of(code: str) -> Field:
    """Return linear R, G, B of a six-digit hexadecimal sRGB colour."""
    return srgb_to_linear(np.array([int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)])).astype(np.float32)


def lab_of(rgb: NDArray[np.floating]) -> F64:
    """CIE L*, a*, b* (D65) of linear sRGB, (..., 3)."""
    t = np.asarray(rgb, np.float64) @ _TO_XYZ.T / _TO_XYZ.sum(axis=1)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def rgb_of_lab(lab: NDArray[np.floating]) -> F64:
    """Linear sRGB of CIE L*, a*, b* (D65), (..., 3); negative where the colour is outside sRGB."""
    lightness, a, b = np.moveaxis(np.asarray(lab, np.float64), -1, 0)
    y = (lightness + 16) / 116
    f = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    t = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    return np.asarray(t * _TO_XYZ.sum(axis=1) @ np.linalg.inv(_TO_XYZ).T)


def melanin_of(lightness: float) -> float:
    """Volume share of melanosomes that gives a surface of this L* (10 to 97) in daylight."""
    return float(np.interp(lightness, _LIGHTNESS, _MELANIN))


def signature_of(tone: int, illuminant: str | float = "daylight", melanin: float | None = None) -> F64:
    """Trend of the pulsatile vector with tone and lamp, (3,) with green 1: multiply a measured vector by it.

    1 in all channels for medium skin (melanin 0.05) in daylight. ``melanin`` replaces that of the tone's swatch.

    Raises
    ------
    UsageError
        If there is no such lamp; see :func:`perfuse.synth.person.tissue.light_spectrum`.
    """
    if melanin is None:
        melanin = melanin_of(float(lab_of(rgb_of(MONK_SRGB[tone - 1]))[0]))
    return signature_trend(melanin, illuminant)


def typical_depth(tone: int, age_y: float) -> float:
    """Median peak-to-peak swing of diffuse green light at rest, as a fraction.

    0.9 % in adults (ASSUMED about a measured phone clip), 1.1 % in newborns; times 1 up to Monk tone 6, 0.85 for 7
    and 8, 0.7 for 9 and 10 (ASSUMED; direction: Fallow et al. 2013 found green AC/DC lowest in the darkest type);
    falling to 0.6 of that between 60 and 85 years (ASSUMED within the 0.4 to 0.7 given for old, cold skin).
    """
    pigment = 1.0 if tone <= 6 else 0.85 if tone <= 8 else 0.7
    infant = float(np.interp(age_y, (0.0, 0.1, 2.0), (1.22, 1.22, 1.0)))
    return 0.009 * pigment * infant * float(np.interp(age_y, (60.0, 85.0), (1.0, 0.6)))


def draw_skin(
    rng: np.random.Generator,
    tone: int | None,
    depth: float | None,
    *,
    illuminant: str | float = "daylight",
    age_y: float = 40.0,
    temperature: float = 1.0,
) -> Skin:
    """Draw a subject's skin; ``tone`` and ``depth`` override what chance says without shifting other draws.

    Green depth is log-normal about :func:`typical_depth` with geometric sd 1.6, 0.2 to 3 % (ASSUMED around one
    measured clip; what a camera sees is about 0.8 of it in linear light, since specular light dilutes it). R/G and
    B/G are normal, 0.35 +- 0.10 and 0.55 +- 0.13 with correlation 0.4, which spans de Haan and van Leest 2014 (0.43,
    0.69) and a phone recording (0.23, 0.47), times the trend of :func:`signature_of`. Red leads green by 18 +- 8 ms
    (Burton et al. 2023).

    Parameters
    ----------
    rng : Generator
        Source of chance.
    tone : int, optional
        Monk skin tone, 1 to 10; uniform by default.
    depth : float, optional
        Green depth as a fraction, used as it is.
    illuminant : str or float
        Lamp, as in :func:`perfuse.synth.person.tissue.light_spectrum`.
    age_y : float
        Age in years, 0 or above.
    temperature : float
        Factor on a drawn depth: below 1 in the cold (0.4 to 0.7), above 1 when warm or flushed (1.3 to 2).
    """
    drawn_tone = int(rng.integers(1, 11))
    spread = float(rng.standard_normal())
    shared, own_red, own_blue = rng.standard_normal(3)
    lead = float(np.clip(0.018 + 0.008 * rng.standard_normal(), 0.0, 0.045))
    jitter = np.clip(rng.standard_normal(3), -2.0, 2.0)
    specular = float(rng.uniform(0.02, 0.04))
    redness = float(rng.uniform(0.6, 1.3))
    tone = drawn_tone if tone is None else tone
    if depth is None:
        depth = float(np.clip(typical_depth(tone, age_y) * temperature * 1.6**spread, 0.002, 0.03))
    swatch = lab_of(rgb_of(MONK_SRGB[tone - 1]))
    room = np.array([np.clip(swatch[0] / 45.0, 0.45, 1.0), 1.0, 1.0])  # near black, 3 units of L* are a third of it
    living = np.array([swatch[0], *(np.interp(swatch[0], _TINT_LIGHTNESS, tint) for tint in (_TINT_A, _TINT_B))])
    lab = swatch + LIVING * (living - swatch) + room * jitter * JITTER_LAB
    lab[0] = min(lab[0], 96.0)
    surface = np.maximum(rgb_of_lab(lab), 0.004)
    melanin = melanin_of(float(lab[0]))
    mix = np.sqrt(0.4), np.sqrt(0.6)
    red = 0.35 + 0.10 * (mix[0] * shared + mix[1] * own_red)
    blue = 0.55 + 0.13 * (mix[0] * shared + mix[1] * own_blue)
    low, high = (0.12, 1.0, 0.25), (0.65, 1.0, 0.95)
    prior = np.clip([red, 1.0, blue], low, high)
    return Skin(
        tone=tone,
        albedo=(0.85 * surface).astype(np.float32),
        depth=depth,
        signature=np.clip(prior * signature_of(tone, illuminant, melanin), low, high),
        lead_s=np.array([lead, 0.0, -0.002]),
        specular=specular,
        redness=redness,
        melanin=melanin,
        ita_deg=float(np.rad2deg(np.arctan2(lab[0] - 50.0, lab[2]))),
        fitzpatrick=FITZPATRICK[tone - 1],
    )


def stained(albedo: Field, redness: Field) -> Field:
    """Albedo, (3,) or (3, H, W), under ``redness`` (H, W) of standing blood: 0 none, 1 a flushed cheek."""
    base = albedo.reshape(3, 1, 1) if albedo.ndim == 1 else albedo
    return np.asarray(base * np.exp(-redness * BLOOD_TINT[:, None, None]), np.float32)
