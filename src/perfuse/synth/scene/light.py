"""Light: how a surface answers an ambient sky and one key light, and how that answer changes when it turns.

A head turned by a small rotation vector w has normals n + w x n, so the cosine n.l changes by w.(n x l): lit patches
brighten or darken without any blood. That is the artefact which makes green alone a poor pulse (Moco et al. 2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perfuse.synth.fields import F64, Field, blur, smoothstep
from perfuse.synth.settings import Settings

TINT = 0.3
"""Error of white balance towards green or magenta relative to that from blue to yellow (ASSUMED): illuminants lie
along the locus of black bodies, and so do the errors of estimating them."""


@dataclass(frozen=True, slots=True)
class Light:
    """One key light and a screen over an ambient sky, as the camera's white balance leaves them.

    Attributes
    ----------
    direction, screen_direction : ndarray, (3,)
        Unit vectors to the lights (x right, y down, z to the camera).
    key, ambient, screen : ndarray, (3,)
        Their colours times strengths.
    """

    direction: F64
    key: F64
    ambient: F64
    screen_direction: F64
    screen: F64


def draw_light(rng: np.random.Generator, settings: Settings) -> Light:
    """Place the lights and choose their colours.

    The key light stands at ``key_angle_deg`` from the camera's axis, mostly from above; sky and key may differ by
    2000 K. White balance takes out their common colour but for an error of ``cast``, from blue to yellow as the
    colours of lamps and daylight differ, with a little green and magenta (:data:`TINT`).
    """
    angle, around = np.deg2rad(settings.key_angle_deg), np.deg2rad(rng.uniform(20.0, 75.0) * rng.choice([-1.0, 1.0]))
    direction = np.array([np.sin(angle) * np.sin(around), -np.sin(angle) * np.cos(around), np.cos(angle)])
    share = settings.key_fill / (1.0 + settings.key_fill)
    key = 1.15 * share * white(settings.kelvin)
    sky = 1.1 * (1.0 - share) * white(float(np.clip(settings.kelvin + rng.uniform(-500.0, 2000.0), 2500.0, 9000.0)))
    seen = key + sky
    warm, _, tint = rng.standard_normal(3)
    wrong = np.array([warm + TINT * tint, 0.0, TINT * tint - warm])
    balance = float(seen.mean()) / seen * np.exp(settings.cast * wrong)
    below = np.array([rng.uniform(-0.3, 0.3), rng.uniform(0.0, 0.5), 1.0])
    monitor = settings.screen / max(1.0 - settings.screen, 0.1) * np.ones(3)
    return Light(direction, key * balance, sky * balance, below / np.linalg.norm(below), monitor)


def white(kelvin: float) -> F64:
    """Return R, G, B of a black body relative to one of 6500 K, green 1 (Planck's law at 610, 540 and 465 nm)."""
    metres = np.array([610e-9, 540e-9, 465e-9])

    def planck(temperature: float) -> F64:
        return np.asarray(metres**-5 / np.expm1(0.014388 / (metres * temperature)))

    ratio = planck(kelvin) / planck(6500.0)
    return np.asarray(ratio / ratio[1])


def cosine(normal: Field, direction: F64, wrap: float = 0.0) -> tuple[Field, Field]:
    """Return the wrapped Lambert term (H, W) and its change per radian about x, y and z (3, H, W)."""
    toward = direction.astype(np.float32)
    raw = (np.tensordot(toward, normal, 1) + np.float32(wrap)) / np.float32(1.0 + wrap)
    return np.maximum(raw, 0.0), _cross(normal, toward) * ((raw > 0) / np.float32(1.0 + wrap))


def gloss(normal: Field, direction: F64, power: float) -> tuple[Field, Field]:
    """Blinn-Phong highlight (H, W) for a camera on the z axis and its change per radian (3, H, W)."""
    half = direction + np.array([0.0, 0.0, 1.0])
    half = (half / np.linalg.norm(half)).astype(np.float32)
    base = np.maximum(np.tensordot(half, normal, 1), 0.0)
    scale = 0.5 * (power + 8.0) / 8.0  # half of the normalised lobe: the micro-relief shadows the rest
    steep = base ** (power - 1.0)
    return scale * steep * base, (scale * power) * steep * _cross(normal, half)


def _cross(normal: Field, vector: Field) -> Field:
    """Cross product of a field of vectors (3, H, W) with one vector."""
    x, y, z = normal
    a, b, c = vector
    return np.stack([y * c - z * b, z * a - x * c, x * b - y * a])


def cast_shadow(z: Field, direction: F64, unit: float, softness: float = 0.16) -> Field:
    """Share of the key light, 0..1, that the relief itself lets through: nose and brow throw soft shadows."""
    reach = 0.8
    steps = 20
    blocked = np.full_like(z, -1.0)
    for step in range(1, steps + 1):
        distance = reach * step / steps
        dx, dy = round(distance * direction[0] * unit), round(distance * direction[1] * unit)
        rise = np.roll(z, (-dy, -dx), (0, 1)) - z - np.float32(distance * direction[2])
        np.maximum(blocked, rise / np.float32(0.05 + softness * distance), out=blocked)
    return 1.0 - 0.8 * blur(smoothstep(-0.35, 0.9, blocked), 0.02 * unit)


def cavity(z: Field, unit: float) -> Field:
    """Ambient light that reaches hollows: below 1 where the relief lies under its surroundings."""
    return np.asarray(np.clip(1.0 + 2.2 * (z - blur(z, 0.10 * unit)), 0.35, 1.12), np.float32)
