"""The head as a relief: how far each point of the portrait stands towards the camera, and where its surface faces.

Lengths are in units of half the face's width (70 mm on an average adult): x to the right of the picture, y down,
z towards the camera, the origin midway between the pupils.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perfuse.synth.fields import Field, bump, patches, smoothstep
from perfuse.synth.person.look import Look

HALF_FACE_MM = 70.0
"""Half the width of an average adult face: converts millimetres of motion to head units."""

EDGE = 0.012
"""Half width of soft edges, in head units."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """A grid of points on the portrait with the random textures that belong to them.

    Attributes
    ----------
    unit : float
        Pixels per head unit.
    x, y : ndarray, float32, (H, W)
        Head coordinates of the pixel centres.
    blotch, vessels, delay, fine : ndarray, float32, (H, W)
        Smooth random fields of sd 1: pigment, pulsatility, arrival of the pulse, pores.
    """

    unit: float
    x: Field
    y: Field
    blotch: Field
    vessels: Field
    delay: Field
    fine: Field

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.x.shape[0], self.x.shape[1]

    def window(self, rows: slice, cols: slice) -> Canvas:
        """Return a part of the canvas."""
        fields = (self.x, self.y, self.blotch, self.vessels, self.delay, self.fine)
        return Canvas(self.unit, *(f[rows, cols] for f in fields))


def make_canvas(
    rng: np.random.Generator, unit: float, left: float, right: float, top: float, bottom: float
) -> Canvas:
    """Lay a grid of ``unit`` pixels per head unit over a rectangle of head coordinates, with fresh textures."""
    cols, rows = round((right - left) * unit), round((bottom - top) * unit)
    x = left + (np.arange(cols, dtype=np.float32) + 0.5) / unit
    y = top + (np.arange(rows, dtype=np.float32) + 0.5) / unit
    shape = (rows, cols)
    vessels = 0.35 * patches(rng, shape, 0.36 * unit) + 0.2 * patches(rng, shape, 0.09 * unit)
    return Canvas(
        unit,
        np.broadcast_to(x, shape),
        np.broadcast_to(y[:, None], shape),
        patches(rng, shape, 0.5 * unit) + 0.4 * patches(rng, shape, 0.12 * unit),
        vessels,
        patches(rng, shape, 0.6 * unit),
        0.6 * patches(rng, shape, max(0.02 * unit, 1.2)) + 0.8 * patches(rng, shape, 0.045 * unit),
    )


def half_width(look: Look, y: Field) -> Field:
    """Half the width of the bare head at height ``y``; 0 above the crown and below the chin."""
    waist = -0.22
    above = np.clip((waist - y) / 1.34, 0.0, 1.0)
    below = np.clip((y - waist) / look.chin, 0.0, 1.0)
    skull = (1.0 - above**2.25) ** (1 / 2.25)
    jaw = (1.0 - below**look.jaw) ** (1 / 2.1)
    return np.asarray(np.where(y < waist, skull, jaw), np.float32)


def chin_y(look: Look) -> float:
    """Height of the tip of the chin."""
    return look.chin - 0.22


def mouth_y(look: Look) -> float:
    """Height of the line between the lips."""
    return 0.56 + 0.245 * look.chin - 0.02


def nose_y(look: Look) -> float:
    """Height of the base of the nose."""
    return 0.60 * (0.85 + 0.15 * look.nose)


def pair(x: Field, y: Field, centre: tuple[float, float], sigma: tuple[float, float]) -> Field:
    """Return a bump on either side of the midline; their sum has no crease between them."""
    return bump(x, y, centre, sigma) + bump(-x, y, centre, sigma)


def relief(look: Look, x: Field, y: Field) -> Field:
    """Height of the face towards the camera; 0 outside the head."""
    width = half_width(look, y)
    across = np.clip(np.abs(x) / np.maximum(width, 1e-3), 0.0, 1.0)
    z = 1.05 * np.maximum(width, 0.0) ** 0.62 * (1.0 - across**2.5) ** 0.5
    gap, mouth, base, chin = look.eye_gap, mouth_y(look), nose_y(look), chin_y(look)
    features = 0.05 * pair(x, y, (0.34, -0.31), (0.26, 0.09))
    features -= 0.16 * pair(x, y, (gap - 0.02, -0.02), (0.19, 0.13))
    features += 0.09 * pair(x, y, (gap, 0.0), (0.15, 0.09))
    features += 0.10 * pair(x, y, (0.60, 0.32), (0.24, 0.18))
    features -= 0.05 * pair(x, y, (0.66, 0.78), (0.16, 0.22))
    features += 0.10 * bump(x, y, (0.0, mouth), (0.38, 0.22))
    features += 0.05 * bump(x, y, (0.0, mouth - 0.06), (0.24, 0.04))
    features += 0.08 * bump(x, y, (0.0, mouth + 0.08), (0.22, 0.06))
    features -= 0.045 * bump(x, y, (0.0, mouth), (0.20, 0.022))
    features -= 0.06 * bump(x, y, (0.0, mouth + 0.23), (0.26, 0.06))
    features += 0.12 * bump(x, y, (0.0, chin - 0.17), (0.26, 0.13))
    fold = np.abs(x) - (0.27 + 0.36 * (y - base) + 0.04 * look.smile)
    reach = smoothstep(base - 0.12, base + 0.1, y) * smoothstep(mouth + 0.16, mouth - 0.05, y)
    features -= (0.012 + 0.014 * look.smile) * np.exp(-((fold / 0.06) ** 2)) * reach
    return np.asarray((z + features + _nose(look, x, y)) * (width > 0), np.float32)


def _nose(look: Look, x: Field, y: Field) -> Field:
    """Ridge, tip and wings of the nose."""
    base = nose_y(look)
    along = np.clip((y + 0.30) / (base + 0.20), 0.0, 1.0)
    bottom = base + 0.02 - 0.9 * x * x
    end = smoothstep(0.07, -0.09, y - bottom)
    ridge = (0.02 + 0.27 * along**1.4) * np.exp(-0.5 * (x / (0.095 + 0.06 * along)) ** 2)
    nose = ridge * end * smoothstep(-0.55, -0.02, y)
    nose = nose + 0.13 * bump(x, y, (0.0, base - 0.09), (0.10 * look.nose, 0.085))
    wings = pair(x, y, (0.16 * look.nose, base - 0.06), (0.07, 0.065))
    return np.asarray(look.nose * (nose + 0.12 * wings), np.float32)


def normals(z: Field, unit: float) -> Field:
    """Return unit normals (3, H, W) of a relief, pointing out of the surface."""
    dy, dx = np.gradient(z, np.float32(1.0 / unit))
    normal = np.stack([-dx, -dy, np.ones_like(z)])
    normal /= np.sqrt((normal * normal).sum(axis=0))
    return np.asarray(normal, np.float32)


def dome(x: Field, y: Field, centre: tuple[float, float], radii: tuple[float, float]) -> Field:
    """Return unit normals (3, H, W) of an ellipsoid seen from the front, for parts that are not in the relief."""
    u = (x - centre[0]) / radii[0]
    v = (y - centre[1]) / radii[1]
    length = np.sqrt(u * u + v * v)
    shrink = np.minimum(1.0, 0.97 / np.maximum(length, 1e-6))
    u, v = u * shrink, v * shrink
    return np.asarray(np.stack([u, v, np.sqrt(np.maximum(1.0 - u * u - v * v, 0.0))]), np.float32)
