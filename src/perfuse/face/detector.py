"""Where faces are in one frame: BlazeFace, or a detector of the user's own."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from perfuse.core.frame import Box, Frame
from perfuse.face.look import look
from perfuse.infer import Backend, Model

INPUT = 128
"""Pixels a side that BlazeFace looks at."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face in one frame.

    Attributes
    ----------
    box : Box
        Brow to chin and temple to temple, in pixels of the frame; may reach beyond it.
    score : float
        0..1.
    points : ndarray, float64, (6, 2), or None
        x, y in pixels of the subject's right eye, left eye, nose tip, mouth, right ear, left ear; None where the
        detector gives none.
    """

    box: Box
    score: float
    points: NDArray[np.float64] | None = None


class Detector(Protocol):
    """Anything that finds faces."""

    @property
    def keep_score(self) -> float:
        """Score that is enough where a face was seen a moment ago."""
        ...

    @property
    def new_score(self) -> float:
        """Score that a face never seen before must reach, as the mean of two looks."""
        ...

    def __call__(self, frame: Frame, region: Box | None = None) -> list[Detection]:
        """Return the faces, best first: of the whole frame, or those a look at ``region`` alone shows."""
        ...


class BlazeFace:
    """Google's short-range face detector, 0.2 MB, about 1.5 ms a look on one CPU core.

    Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019. It sees faces from
    about an eighth of the side of the square it looks at (see :mod:`perfuse.face.search` for smaller ones).

    Parameters
    ----------
    backend : Backend, optional
        Runs the network; by default the file in the package.
    """

    # Seen on real faces from 24 px up, tilted 40 degrees, at 15 % of the light: two looks at a crop average 0.77 or
    # more, while a first look at the whole picture may say only 0.35. Smooth noise, coins and galaxies reach 0.7 in
    # a first look and 0.62 in two.
    min_score = 0.3
    keep_score = 0.5
    new_score = 0.65

    def __init__(self, backend: Backend | None = None) -> None:
        self._backend = backend or Model(files("perfuse.face").joinpath("blazeface.onnx").read_bytes())

    def __call__(self, frame: Frame, region: Box | None = None) -> list[Detection]:
        """Return the faces in the frame, or in the square about ``region``, best first."""
        square = _square(region or Box(0, 0, frame.width, frame.height))
        out = self._backend.run({"image": look(frame, square, INPUT)[None]})
        faces = decode(out["boxes"][0], out["scores"][0, :, 0], self.min_score)
        return [_placed(face, square) for face in faces]


def decode(raw: NDArray[Any], logits: NDArray[Any], min_score: float) -> list[Detection]:
    """Turn what the network says into faces, in units of the square it saw (0..1).

    Every face answers in several of the 896 anchors. As in the paper (section 3.4, "blending"), those that overlap
    the strongest are averaged, weighted by their scores, rather than thrown away: the result is steadier.

    Parameters
    ----------
    raw : ndarray, (896, 16)
        Centre, size and six points, in input pixels, relative to the anchor.
    logits : ndarray, (896,)
        Scores before the logistic function.
    min_score : float
        Between 0 and 1.
    """
    keep = np.flatnonzero(logits >= math.log(min_score / (1 - min_score)))
    keep = keep[np.argsort(-logits[keep], kind="stable")]
    score = 1 / (1 + np.exp(-np.clip(logits[keep].astype(np.float64), -100, 100)))
    values = raw[keep].astype(np.float64).reshape(-1, 8, 2) / INPUT
    centre, size = values[:, 0] + _anchors()[keep], values[:, 1]
    points = values[:, 2:] + _anchors()[keep][:, None]
    corners = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    left = (size > 0).all(axis=1)
    found = []
    while left.any():
        best = int(np.argmax(left))
        group = left & (_overlap(corners[best], corners) > 0.3)
        group[best] = True
        weight = score[group] / score[group].sum()
        x0, y0, x1, y1 = (float(v) for v in weight @ corners[group])
        blended = np.tensordot(weight, points[group], axes=1)
        found.append(Detection(Box(x0, y0, x1 - x0, y1 - y0), float(score[best]), blended))
        left &= ~group
    return found


@lru_cache(maxsize=1)
def _anchors() -> NDArray[np.float64]:
    """Centres (x, y), 0..1, of the 896 anchors: two in each of 16 x 16 cells, then six in each of 8 x 8."""
    parts = []
    for cells, each in ((16, 2), (8, 6)):
        y, x = np.mgrid[:cells, :cells]
        parts.append(np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5, each, axis=0) / cells)
    return np.concatenate(parts)


def _overlap(one: NDArray[np.float64], many: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of x0, y0, x1, y1 with each row."""
    inner = np.clip(np.minimum(one[2:], many[:, 2:]) - np.maximum(one[:2], many[:, :2]), 0, None).prod(axis=1)
    union = (one[2:] - one[:2]).prod() + (many[:, 2:] - many[:, :2]).prod(axis=1) - inner
    return np.asarray(inner / np.maximum(union, 1e-12))


def _square(box: Box) -> Box:
    side = max(box.width, box.height)
    cx, cy = box.centre
    return Box(cx - side / 2, cy - side / 2, side, side)


def _placed(face: Detection, square: Box) -> Detection:
    box, side = face.box, square.width
    moved = Box(square.x + box.x * side, square.y + box.y * side, box.width * side, box.height * side)
    points = None if face.points is None else face.points * side + (square.x, square.y)
    return replace(face, box=moved, points=points)
