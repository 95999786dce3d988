"""Light: how a surface answers an ambient sky and one key light, and how that answer changes when it turns.

A head turned by a small rotation vector w has normals n + w x n, so the cosine n.l changes by w.(n x l): lit patches
brighten or darken without any blood. That is the artefact which makes green alone a poor pulse (Moco et al. 2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perfuse.synth.fields import F64, Field, blur, smoothstep


@dataclass(frozen=True, slots=True)
class Light:
    """One key light over an ambient sky.

    Attributes
    ----------
    direction : ndarray, (3,)
        Unit vector to the key light (x right, y down, z to the camera).
    key, ambient : ndarray, (3,)
        Their colours times strengths.
    """

    direction: F64
    key: F64
    ambient: F64


def draw_light(rng: np.random.Generator) -> Light:
    """Draw a key light 25 to 50 degrees off the camera's axis, from above, and a sky of another colour."""
    side = float(rng.choice([-1.0, 1.0]))
    azimuth, height = np.deg2rad(side * rng.uniform(22, 48)), np.deg2rad(rng.uniform(14, 34))
    direction = np.array([np.sin(azimuth) * np.cos(height), -np.sin(height), np.cos(azimuth) * np.cos(height)])
    warmth, cool = rng.uniform(-0.5, 1.0), rng.uniform(-0.3, 1.0)
    ratio = rng.uniform(1.3, 2.6)
    tint = np.array([1.0, 0.96, 0.90]) ** warmth
    sky = np.array([0.95, 0.99, 1.06]) ** cool
    return Light(direction, ratio / (1 + ratio) * 1.15 * tint, 1.0 / (1 + ratio) * 1.1 * sky)


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
