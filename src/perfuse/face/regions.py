"""Which cells of a face crop are skin: regions placed by the key points, then a gate on the face's own colour.

Regions live in face coordinates: ``a`` runs from the middle of the eyes to the subject's left eye (1 at the eye),
``b`` from the eyes to the mouth (1 at the mouth). The frame is affine, so roll, scale and the foreshortening of a
turned head follow the points. On a frontal adult face one unit of ``a`` is about 32 mm and one of ``b`` about 72 mm;
the parts were placed on two photographed faces by eye, frontal and turned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfuse.core.frame import Box
from perfuse.face.track import TrackedFace

SOFT = 0.25
"""Width of a region's edge in units of its radius: wide enough that a tremor of the points changes no weight much."""
EAR = 2.3
"""Where the ears of a frontal face lie, in eyes (``a``)."""
FRACTIONS = np.array([[0.31, 0.38], [0.69, 0.38], [0.5, 0.58], [0.5, 0.78], [0.06, 0.43], [0.94, 0.43]])
"""Key points in fractions of a box from mid-forehead to chin, for detectors that give none."""

Array = NDArray[np.float64]


def region_weights(face: TrackedFace, crop: Box, rows: int, cols: int) -> dict[str, NDArray[np.float32]]:
    """Return soft masks of the skin regions on the cells of a crop.

    They vary continuously with the points. "skin" is the forehead, the cheeks and the bridge of the nose, without
    eyes, brows, nostrils, mouth and what is below (it moves with every word, and may be a beard).

    Parameters
    ----------
    face : TrackedFace
        With points, or with a box alone, in pixels of the frame.
    crop : Box
        In pixels of the frame.
    rows, cols : int
        Cells of the crop.

    Returns
    -------
    dict of str to ndarray, float32, (rows, cols)
        0..1 for "skin", "forehead", "left_cheek", "right_cheek" (left and right are the subject's own).
    """
    points = _points(face)
    a, b, cell_a, cell_b = _coordinates(points, crop, rows, cols)
    ellipses, shown = _layout(points)
    oval = dict(zip(ellipses, _ovals(np.array(list(ellipses.values())), a, b, (cell_a, cell_b))))
    no_brows = 1 - np.maximum(oval["right_brow"], oval["left_brow"])
    no_eyes = 1 - np.maximum(oval["right_eye"], oval["left_eye"])
    no_nostrils = 1 - oval["nostrils"] * (1 - oval["bridge"])
    above_mouth = _smooth((0.82 - b) / max(0.2, cell_b) + 0.5) * (1 - oval["mouth"])
    named = {
        "skin": oval["face"] * above_mouth * no_brows * no_eyes * no_nostrils,
        "forehead": oval["forehead"] * no_brows,
        "left_cheek": oval["left_cheek"] * shown[1],
        "right_cheek": oval["right_cheek"] * shown[0],
    }
    return {name: weight.astype(np.float32) for name, weight in named.items()}


Ellipse = tuple[float, float, float, float]


def _layout(points: Array) -> tuple[dict[str, Ellipse], tuple[float, float]]:
    """Return centre and radius, along a and b, of every part, and how much of the right and left cheek shows."""
    to_face, origin = _frame(points), points[:2].mean(axis=0)
    nose = float((to_face @ (points[2] - origin))[0])
    # A turned head hides one side. The ears (90 mm behind the eyes) show it more than the cheeks (25 mm) follow it:
    # hence the square root of what the ears say.
    right, left = (
        float(np.sqrt(np.clip(side * (to_face @ (ear - origin))[0] / EAR, 0.4, 1.8)))
        for side, ear in ((-1, points[4]), (1, points[5]))
    )
    middle, half = (left - right) * 0.4, (left + right) / 2
    right_shown, right_cheek = _cheek(-1, right, nose)
    left_shown, left_cheek = _cheek(1, left, nose)
    parts = {
        "face": (middle, -0.05, 1.8 * half, 0.92),
        "forehead": (middle, -0.66, 1.4 * half, 0.22),
        "right_cheek": right_cheek,
        "left_cheek": left_cheek,
        "right_brow": (-1.05 + middle, -0.33, 0.95, 0.14),
        "left_brow": (1.05 + middle, -0.33, 0.95, 0.14),
        "right_eye": (-1.0, -0.02, 0.72, 0.19),
        "left_eye": (1.0, -0.02, 0.72, 0.19),
        "bridge": (nose * 0.4, 0.12, 0.36, 0.45),
        "nostrils": (nose * 0.9, 0.62, 0.55, 0.18),
        "mouth": (nose * 0.5, 1.0, 1.0, 0.34),
    }
    return parts, (right_shown, left_shown)


def _cheek(side: int, reach: float, nose: float) -> tuple[float, Ellipse]:
    """Return how much of a cheek shows, 0..1, and its ellipse: from beside the nose to the bend of the face."""
    inner, outer = 0.5 + 0.6 * max(side * nose, 0.0), 1.7 * reach
    shown = min(max((outer - inner) / 0.6, 0.0), 1.0)
    return shown, (side * (inner + outer) / 2, 0.47, max((outer - inner) / 2, 0.1), 0.26)


def _ovals(ellipses: Array, a: Array, b: Array, cell: tuple[float, float]) -> Array:
    """Return soft ellipses, rows of centre and radius along a and b; where cells are coarse, so is the edge."""
    ca, cb, ra, rb = ellipses.T[:, :, None, None]
    distance = np.sqrt(np.square((a - ca) / ra) + np.square((b - cb) / rb))
    width = np.maximum(SOFT, np.maximum(cell[0] / ra, cell[1] / rb))
    return _smooth((1 - distance) / width + 0.5)


def skin_likelihood(colours: NDArray[np.floating], prior: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return how much each cell looks like the rest of this face, 0..1; multiply it with the prior.

    The face is its own reference, so the skin's tone and the light's colour do not matter: cells are
    compared with its centre in log(R/G) and log(B/G), which shading leaves alone, and with wide bounds in the log of
    brightness, which takes away what is much darker (hair, glasses, nostrils) or brighter (glare).

    Meant for colours averaged over a second or more: weights that follow the pulse would distort it.

    Parameters
    ----------
    colours : ndarray, (rows, cols, 3)
        Mean red, green, blue, 0..255.
    prior : ndarray, (rows, cols)
        Weight of each cell as skin, for instance "skin" of :func:`region_weights`.

    Returns
    -------
    ndarray, float32, (rows, cols)
        All 0 where the prior is 0 everywhere.
    """
    weight = np.asarray(prior, np.float64).ravel()
    if not weight.sum() > 0:
        return np.zeros(prior.shape, np.float32)
    rgb = np.clip(np.asarray(colours, np.float64).reshape(-1, 3), 0, None)
    # In the dark, and where the light lacks a colour, ratios are noise: the floor pulls them together.
    brightness = rgb.mean(axis=1)
    level = float(weight @ brightness / weight.sum())
    red, green, blue = np.log(rgb + 0.08 * level + 3).T
    features = np.stack([red - green, blue - green, np.log(brightness + 0.02 * level + 1)], axis=1)
    centre = np.array([_median(values, weight) for values in features.T])
    spread = 1.4826 * np.array([_median(values, weight) for values in np.abs(features - centre).T])
    likely = _alike(features, centre, spread)
    # Medians find the face among hair and beard; means over what they found likely then place it more exactly, and
    # vary smoothly with every cell.
    for _ in range(2):
        trusted = weight * np.square(likely) / (weight @ np.square(likely))
        centre = trusted @ features
        spread = np.sqrt(trusted @ np.square(features - centre))
        likely = _alike(features, centre, spread)
    # A clipped channel carries no pulse, whatever its colour.
    unclipped = _smooth((253 - rgb.max(axis=1)) / 6)
    return np.asarray(unclipped * likely, np.float32).reshape(prior.shape)


def _alike(features: Array, centre: Array, spread: Array) -> Array:
    """Return how alike each row of features is to the centre: flat near it, 0.5 at three times the spread."""
    bounded = np.clip(spread, (0.03, 0.03, 0.15), (0.06, 0.06, 0.22))
    squared = np.square((features - centre) / (3 * bounded)).sum(axis=1)
    return np.asarray(1 / (1 + np.square(squared)))


def _points(face: TrackedFace) -> Array:
    """Return the six points, from fractions of the box where the detector gave none or impossible ones."""
    box = face.box
    guessed = FRACTIONS * (box.width, box.height) + (box.x, box.y)
    if face.points is None:
        return guessed
    points = np.asarray(face.points, np.float64)
    eyes, mouth = points[1] - points[0], points[3] - points[:2].mean(axis=0)
    area = eyes[0] * mouth[1] - eyes[1] * mouth[0]
    return points if area > 0.01 * box.width * box.height else guessed


def _frame(points: Array) -> Array:
    """Return the matrix from pixels (relative to the middle of the eyes) to (a, b)."""
    half = (points[1] - points[0]) / 2
    down = points[3] - points[:2].mean(axis=0)
    return np.linalg.inv(np.stack([half, down], axis=1))


def _coordinates(points: Array, crop: Box, rows: int, cols: int) -> tuple[Array, Array, float, float]:
    """Return face coordinates of the cells' centres, (rows, cols) each, and the size of a cell along a and b."""
    to_face, origin = _frame(points), points[:2].mean(axis=0)
    width, height = crop.width / cols, crop.height / rows
    x = crop.x + (np.arange(cols) + 0.5) * width - origin[0]
    y = crop.y + (np.arange(rows)[:, None] + 0.5) * height - origin[1]
    a, b = (to_face[k, 0] * x + to_face[k, 1] * y for k in (0, 1))
    cell_a, cell_b = np.abs(to_face) @ (width, height)
    return a, b, float(cell_a), float(cell_b)


def _smooth(x: Array) -> Array:
    """Rise smoothly from 0 at 0 to 1 at 1."""
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x))


def _median(values: Array, weight: Array) -> float:
    """Weighted median, interpolated so that it is continuous in values and weights."""
    order = np.argsort(values, kind="stable")
    held = np.cumsum(weight[order]) - weight[order] / 2
    return float(np.interp(weight.sum() / 2, held, values[order]))
