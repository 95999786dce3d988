"""The head as a relief: how far each point of the portrait stands towards the camera, and where its surface faces.

Lengths are in units of half the face's width (70 mm on an average adult): x to the right of the picture, y down,
z towards the camera, the origin midway between the pupils.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perfuse.synth.fields import Field, patches, smoothstep
from perfuse.synth.person.coat import Coat
from perfuse.synth.person.look import Look

HALF_FACE_MM = 70.0
"""Half the width of an average adult face: converts millimetres of motion to head units."""

EDGE = 0.012
"""Half width of soft edges, in head units."""

_TALL_CHIN = 1.38
"""Tip of the chin of a long-faced adult: lower faces are scaled relative to it."""


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
        Smooth random fields of sd 1: pigment, pulsatility (its logarithm), arrival of the pulse, pores.
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

    @property
    def columns(self) -> Field:
        """Of the columns: x, (W,)."""
        return np.asarray(self.x[0], np.float32)

    @property
    def lines(self) -> Field:
        """Of the rows: y, (H, 1)."""
        return self.y[:, :1]

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
    # Log-sd .35 over 25 mm and .25 over 6 mm; the last term makes the mean of the exponential 1.
    vessels = 0.35 * patches(rng, shape, 0.36 * unit) + 0.25 * patches(rng, shape, 0.09 * unit) - np.float32(0.0925)
    return Canvas(
        unit,
        np.broadcast_to(x, shape),
        np.broadcast_to(y[:, None], shape),
        patches(rng, shape, 0.5 * unit) + 0.4 * patches(rng, shape, 0.12 * unit),
        vessels,
        patches(rng, shape, 0.6 * unit),
        0.6 * patches(rng, shape, max(0.02 * unit, 1.2)) + 0.8 * patches(rng, shape, 0.045 * unit),
    )


def head_extent(look: Look) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of what :func:`.paint.paint_head` may paint, in head coordinates."""
    wide = 1.75 if look.hair_style in ("afro", "wavy") or look.hat is not None else 1.5
    top = look.waist - look.crown - (0.75 if look.hair_style in ("bun", "afro") else 0.5)
    bottom = max(chin_y(look) + 0.3, 1.7)
    if look.hair_style in ("long", "wavy", "fringe") or (look.hat is not None and look.hat.style == "scarf"):
        bottom = 2.4
    return -wide, wide, top, bottom


Box = tuple[float, float, float, float]
"""Left, right, top, bottom in head coordinates."""


def cut(canvas: Canvas, box: Box) -> tuple[slice, slice] | None:
    """Return the rows and columns of a canvas in a box, or None where they do not meet or are a single line."""
    i, j = (int(k) for k in np.searchsorted(canvas.columns, box[:2]))
    m, n = (int(k) for k in np.searchsorted(canvas.lines[:, 0], box[2:]))
    return None if j - i < 2 or n - m < 2 else (slice(m, n), slice(i, j))


def clip(coat: Coat, canvas: Canvas, box: Box) -> tuple[Coat, Canvas] | None:
    """Return the parts of coat and canvas in a box, or None where :func:`cut` does."""
    part = cut(canvas, box)
    return None if part is None else (coat.window(*part), canvas.window(*part))


def dab(
    out: Field, x: Field, y: Field, centre: tuple[float, float], sigma: tuple[float, float], height: float
) -> None:
    """Add a Gaussian bump to ``out`` (H, W) at columns ``x`` (W,) and rows ``y`` (H, 1), only where it reaches."""
    i, j = np.searchsorted(x, (centre[0] - 4.2 * sigma[0], centre[0] + 4.2 * sigma[0]))
    k, m = np.searchsorted(y[:, 0], (centre[1] - 4.2 * sigma[1], centre[1] + 4.2 * sigma[1]))
    u, v = (x[i:j] - centre[0]) / sigma[0], (y[k:m] - centre[1]) / sigma[1]
    out[k:m, i:j] += (height * np.exp(-0.5 * v * v)) * np.exp(-0.5 * u * u)


def dabs(
    out: Field, x: Field, y: Field, centre: tuple[float, float], sigma: tuple[float, float], height: float
) -> None:
    """Add the same bump on either side of the midline; their sum has no crease between them."""
    dab(out, x, y, centre, sigma, height)
    dab(out, x, y, (-centre[0], centre[1]), sigma, height)


def half_width(look: Look, y: Field) -> Field:
    """Half the width of the bare head at height ``y``; 0 above the crown and below the chin."""
    above = np.clip((look.waist - y) / look.crown, 0.0, 1.0)
    below = np.clip((y - look.waist) / look.chin, 0.0, 1.0)
    round_ = 2.25 + 0.35 * float(np.exp(-look.age_y / 4.5))  # a baby's skull is rounder
    skull = (1.0 - above**round_) ** (1 / round_)
    # Full cheeks fill the outline between cheekbone and chin, hollow ones give way there.
    jaw = (1.0 - below**look.jaw) ** (1 / 2.1) * (1.0 + 0.05 * look.cheeks * np.sin(np.pi * below) * below)
    return np.asarray(np.where(y < look.waist, skull, jaw), np.float32)


def middle(look: Look, y: Field) -> Field:
    """Where the midline runs at height ``y``: chins are rarely straight below noses."""
    return np.asarray(look.askew[5] * smoothstep(0.0, 1.4, y), np.float32)


def chin_y(look: Look) -> float:
    """Height of the tip of the chin."""
    return look.chin + look.waist


def nose_y(look: Look) -> float:
    """Height of the base of the nose."""
    return 0.57 * lower(look) * (0.7 + 0.3 * look.nose_long)


def mouth_y(look: Look) -> float:
    """Height of the line between the lips."""
    base = nose_y(look)
    return base + look.philtrum * (chin_y(look) - base)


def lower(look: Look) -> float:
    """Length of the face below the pupils relative to a long-faced adult's."""
    return chin_y(look) / _TALL_CHIN


def relief(look: Look, x: Field, y: Field) -> Field:
    """Height of the face towards the camera on a grid as :class:`Canvas` lays it; 0 outside the head.

    Photographs and cushions are flat.
    """
    if look.kind in ("photo", "wall"):
        return np.zeros(x.shape, np.float32)
    return surface(look, x, y)


def surface(look: Look, x: Field, y: Field) -> Field:
    """Return the relief of the face that is meant, even where it is only printed on paper."""
    out = np.zeros(x.shape, np.float32)
    cols, rows = x[0], y[:, :1]
    top, bottom = np.searchsorted(rows[:, 0], (look.waist - look.crown, chin_y(look)))
    left, right = np.searchsorted(cols, (-1.08, 1.08))
    cols, rows = cols[left:right], rows[top:bottom]
    if not rows.size or not cols.size:
        return out
    width = half_width(look, rows)
    across = np.minimum(np.abs(cols - middle(look, rows)) / np.maximum(width, 1e-3), 1.0)
    z = np.sqrt(1.0 - across * across * np.sqrt(across)) * (1.05 * width**0.62)
    _features(z, look, cols, rows)
    _nose(z, look, cols, rows)
    creases(z, look, cols, rows, -0.012)
    out[top:bottom, left:right] = z * (across < 1.0)
    return out


def _features(z: Field, look: Look, x: Field, y: Field) -> None:
    """Brow ridge, orbits, cheeks, mouth and chin."""
    gap, mouth, base, chin, low = look.eye_gap, mouth_y(look), nose_y(look), chin_y(look), lower(look)
    lean, askew = look.askew[1], look.askew
    dabs(z, x, y, (0.34, -0.31), (0.26, 0.09), 0.05 * look.bridge)
    dabs(z, x, y, (gap - 0.02, -0.02), (0.19, 0.13), -0.16)
    dabs(z, x, y, (gap, 0.0), (0.15, 0.09), 0.09)
    dabs(z, x, y, (gap - 0.02, 0.17), (0.16, 0.05), 0.035 * look.tired)
    dabs(z, x, y, (0.60, 0.32 * low), (0.24, 0.18), 0.10)
    dabs(z, x, y, (0.66, 0.78 * low), (0.16, 0.22), -0.05 + 0.05 * look.cheeks)
    dab(z, x, y, (lean, mouth), (0.38, 0.22 * low), 0.10)
    dab(z, x, y, (lean, mouth - 0.06), (0.24, 0.04), 0.05 * look.lip_full)
    dab(z, x, y, (lean, mouth + 0.08), (0.22, 0.06), 0.08 * look.lip_full)
    dab(z, x, y, (lean, mouth), (0.20, 0.022), -0.045)
    dab(z, x, y, (lean, mouth + 0.23 * low), (0.26, 0.06), -0.06)
    dab(z, x, y, (askew[5], chin - 0.17), (0.26, 0.13), 0.12)
    dab(z, x, y, (askew[0], base + 0.10 * low), (0.035, 0.06), -0.03)
    i, j = np.searchsorted(y[:, 0], (base - 0.12, mouth + 0.16))
    rows, side = y[i:j], np.abs(x - lean)
    fold = (side - (0.27 + 0.36 * (rows - base) / low + 0.04 * look.smile)) / 0.06
    reach = smoothstep(base - 0.12, base + 0.1, rows) * smoothstep(mouth + 0.16, mouth - 0.05, rows)
    z[i:j] -= np.exp(-fold * fold) * (reach * (0.008 + 0.016 * look.smile + 0.014 * look.wrinkles))


def _nose(z: Field, look: Look, x: Field, y: Field) -> None:
    """Ridge, tip and wings of the nose."""
    base, size, at = nose_y(look), look.nose, look.askew[0]
    i, j = np.searchsorted(y[:, 0], (-0.55, base + 0.2))
    k, m = np.searchsorted(x, (-0.6, 0.6))
    v = y[i:j]
    u = x[k:m] - at * smoothstep(-0.2, base, v)
    along = np.clip((v + 0.30) / (base + 0.20), 0.0, 1.0)
    end = smoothstep(0.045, -0.065, v - (base + 0.01) + 0.9 * u * u)
    height = (0.02 * look.bridge + (0.19 + 0.08 * look.bridge) * along**1.4) * smoothstep(-0.55, -0.02, v)
    spread = (0.095 + 0.06 * along) * (0.6 + 0.4 * size)
    z[i:j, k:m] += np.exp(-0.5 * (u / spread) ** 2) * end * (height * (0.5 + 0.5 * size))
    dab(z, x, y, (at, base - 0.10), (0.105 * size, 0.085), 0.11)
    for side in (-1.0, 1.0):
        dab(z, x, y, (at + side * 0.165 * size, base - 0.065), (0.065, 0.06), 0.11 * size)
        dab(z, x, y, (at + side * 0.28 * size, base - 0.05), (0.035, 0.07), -0.03)


def creases(out: Field, look: Look, x: Field, y: Field, depth: float) -> None:
    """Add ``depth`` times the lines of age to ``out``: forehead, between the brows, corners of the eyes and mouth."""
    if look.wrinkles < 0.05:
        return
    rng = np.random.default_rng([look.seed, 1])
    low, mouth, deep = lower(look), mouth_y(look), depth * look.wrinkles
    for row in range(4):
        level, bend, tilt = (float(v) for v in rng.normal([-0.45 - 0.13 * row, 0.06, 0.0], [0.02, 0.04, 0.04]))
        strong, end = float(rng.uniform(0.4, 1.0)), float(rng.uniform(0.4, 0.62))
        _line(out, x, y, (-0.7, 0.7), level, (tilt, -bend), 0.016, deep * strong, end)
    for side in (-1.0, 1.0):
        for tilt in (-0.45, -0.05, 0.35):
            strong, slope = float(rng.uniform(0.5, 1.2)), tilt + float(rng.normal(0.0, 0.08))
            start = side * (look.eye_gap + 0.35)
            _line(
                out, x - start, y, (-0.12, 0.12), 0.02 + 0.12 * slope, (side * slope, 0.0), 0.011, deep * strong, 0.1
            )
        start = side * 0.36 * look.mouth
        _line(out, x - start, y, (-0.03, 0.05), mouth + 0.12 * low, (side * 1.8, 0.0), 0.03, 0.8 * deep, 0.05)
        _line(out, x - side * 0.07, y, (-0.03, 0.03), -0.26, (side * 2.5, 0.0), 0.03, 0.7 * deep, 0.035)


def _line(
    out: Field,
    x: Field,
    y: Field,
    span: tuple[float, float],
    level: float,
    curve: tuple[float, float],
    thick: float,
    depth: float,
    end: float,
) -> None:
    """Add a groove along ``y = level + curve[0] x + curve[1] x^2`` that fades out at ``|x| = end``."""
    i, j = np.searchsorted(x, span)
    u = x[i:j]
    if not u.size:
        return
    path = level + curve[0] * u + curve[1] * u * u
    k, m = np.searchsorted(y[:, 0], (float(path.min()) - 3 * thick, float(path.max()) + 3 * thick))
    away = (y[k:m] - path) / np.float32(thick)
    out[k:m, i:j] += np.exp(-away * away) * (np.float32(depth) * smoothstep(end, 0.6 * end, np.abs(u)))


def normals(z: Field, unit: float) -> Field:
    """Return unit normals (3, H, W) of a relief, pointing out of the surface."""
    dy, dx = np.gradient(z, np.float32(1.0 / unit))
    normal = np.empty((3, *z.shape), np.float32)
    normal[2] = 1.0 / np.sqrt(dx * dx + dy * dy + np.float32(1.0))
    normal[0] = -dx * normal[2]
    normal[1] = -dy * normal[2]
    return normal


def dome(x: Field, y: Field, centre: tuple[float, float], radii: tuple[float, float]) -> Field:
    """Return unit normals (3, H, W) of an ellipsoid seen from the front, for parts that are not in the relief."""
    u = (x - centre[0]) / radii[0]
    v = (y - centre[1]) / radii[1]
    square = u * u + v * v
    shrink = np.minimum(1.0, 0.97 / np.sqrt(np.maximum(square, np.float32(1e-6))))
    normal = np.empty((3, *square.shape), np.float32)
    normal[0], normal[1] = u * shrink, v * shrink
    normal[2] = np.sqrt(np.maximum(1.0 - square * shrink * shrink, 0.0))
    return normal
