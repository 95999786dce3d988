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

MONK_SRGB = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")
"""The ten swatches of the Monk skin tone scale (Monk 2019), light to dark."""

WARMTH = np.array([1.25, 0.98, 0.82])
"""Living dark skin is browner than its printed swatch; this power grows with the tone."""

BLOOD_TINT = np.array([0.10, 0.62, 0.50], np.float32)
"""Absorption by standing blood per unit of redness, R G B: why cheeks and lips look red."""


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
    """

    tone: int
    albedo: Field
    depth: float
    signature: F64
    lead_s: F64
    specular: float
    redness: float


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


def draw_skin(rng: np.random.Generator, tone: int | None, depth: float | None) -> Skin:
    """Draw a subject's skin; ``tone`` and ``depth`` override what chance says without shifting other draws.

    Green depth is log-normal about 0.75 % (observed in linear light: 0.3 to 0.8 %, since specular light dilutes it),
    lower on the darkest tones (Fallow et al. 2013). R/G and B/G swings span de Haan and van Leest 2014 (0.43, 0.69)
    and a phone recording (0.23, 0.47), with correlation 0.4.
    """
    drawn_tone = int(rng.integers(1, 11))
    drawn_depth = float(np.clip(0.0075 * np.exp(0.25 * rng.standard_normal()), 0.0045, 0.011))
    shared, own_red, own_blue = rng.standard_normal(3)
    mix = np.sqrt(0.4), np.sqrt(0.6)
    red = np.clip(0.35 + 0.10 * (mix[0] * shared + mix[1] * own_red), 0.12, 0.65)
    blue = np.clip(0.55 + 0.13 * (mix[0] * shared + mix[1] * own_blue), 0.25, 0.95)
    lead = float(np.clip(0.018 + 0.008 * rng.standard_normal(), 0.0, 0.045))
    tint = np.exp(rng.normal(0.0, [0.04, 0.03, 0.04]))
    specular = float(rng.uniform(0.02, 0.04))
    redness = float(rng.uniform(0.6, 1.3))
    tone = drawn_tone if tone is None else tone
    if depth is None:
        depth = drawn_depth * (1.0 if tone <= 6 else 0.85 if tone <= 8 else 0.7)
    return Skin(
        tone=tone,
        albedo=(0.82 * rgb_of(MONK_SRGB[tone - 1]) * tint * WARMTH ** (0.7 + 0.025 * tone)).astype(np.float32),
        depth=depth,
        signature=np.array([red, 1.0, blue]),
        lead_s=np.array([lead, 0.0, -0.002]),
        specular=specular,
        redness=redness,
    )


def stained(albedo: Field, redness: Field) -> Field:
    """Albedo, (3,) or (3, H, W), under ``redness`` (H, W) of standing blood: 0 none, 1 a flushed cheek."""
    base = albedo.reshape(3, 1, 1) if albedo.ndim == 1 else albedo
    return np.asarray(base * np.exp(-redness * BLOOD_TINT[:, None, None]), np.float32)
