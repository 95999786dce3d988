"""Layers: pictures of one thing, how they are mixed by weights, and where they lie from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import array_api_compat
import numpy as np

from perfuse.synth.fields import Field
from perfuse.synth.scene.window import Window

Array = Any
"""A numpy array or a torch tensor; functions return what they are given."""

CHANNELS = 4
"""Premultiplied R, G, B in linear light, and coverage."""


@dataclass(frozen=True, slots=True)
class Patch:
    """Pictures that are added to a part of a layer's first picture: lids that close, a mouth that opens.

    Attributes
    ----------
    rows, cols : slice
        The part.
    pictures : array, (K, r * c * CHANNELS)
        What each adds at weight 1.
    """

    rows: slice
    cols: slice
    pictures: Array

    def moved(self, down: int, right: int, shape: tuple[int, int]) -> Patch:
        """Return the patch on a layer whose first row and column are others, and as much of it as lies there."""
        height, width = self.rows.stop - self.rows.start, self.cols.stop - self.cols.start
        whole = self.pictures.reshape(-1, height, width, CHANNELS)
        top, left = self.rows.start + down, self.cols.start + right
        rows = slice(min(max(top, 0), shape[0]), max(min(top + height, shape[0]), 0))
        cols = slice(min(max(left, 0), shape[1]), max(min(left + width, shape[1]), 0))
        part = whole[:, max(rows.start - top, 0) : max(rows.stop - top, 0), cols.start - left : cols.stop - left]
        return Patch(rows, cols, np.ascontiguousarray(part).reshape(len(whole), -1))


@dataclass(frozen=True, slots=True)
class Layer:
    """Pictures of one thing, and where they lie.

    Attributes
    ----------
    pictures : array, float32, (J, h * w * CHANNELS)
        One picture per component of light.
    shape : tuple of int
        (h, w) in texture pixels.
    unit, left, top : float
        Texture pixels per head unit, and head coordinates of the outer corner of the first.
    pivot : tuple of float
        What it turns and grows about, in head coordinates.
    patches : tuple of Patch
        Local changes.
    fields : array, float32, (fh * fw, 1 + 2 K), or None
        How far the surface stands in front of the pivot, and how K deformations displace it, in head units.
    field_shape : tuple of int
        (fh, fw).
    field_unit, field_left, field_top : float
        Field pixels per head unit, and head coordinates of the outer corner of the first.
    """

    pictures: Array
    shape: tuple[int, int]
    unit: float
    left: float
    top: float
    pivot: tuple[float, float] = (0.0, 0.0)
    patches: tuple[Patch, ...] = ()
    fields: Array = None
    field_shape: tuple[int, int] = (0, 0)
    field_unit: float = 1.0
    field_left: float = 0.0
    field_top: float = 0.0

    def to(self, like: Array) -> Layer:
        """Return the layer with its arrays of the kind and on the device of ``like``."""
        patches = tuple(replace(p, pictures=as_like(p.pictures, like)) for p in self.patches)
        fields = None if self.fields is None else as_like(self.fields, like)
        return replace(self, pictures=as_like(self.pictures, like), patches=patches, fields=fields)

    def cut(self, window: Window, margin: float) -> Layer:
        """Return the part of the layer within ``margin`` head units of a window: all that it can ever show."""
        height, width = self.shape
        spans = []
        for start, size, origin, far in (
            (window.top, window.height, self.top, height),
            (window.left, window.width, self.left, width),
        ):
            first = max(0, int((start - margin - origin) * self.unit))
            last = min(far, int(np.ceil((start + size / window.unit + margin - origin) * self.unit)))
            spans.append(slice(min(first, far - 2), max(last, min(first, far - 2) + 2)))
        rows, cols = spans
        kept = self.pictures.reshape(-1, height, width, CHANNELS)[:, rows, cols]
        patches = tuple(p.moved(-rows.start, -cols.start, kept.shape[1:3]) for p in self.patches)
        return replace(
            self,
            pictures=np.ascontiguousarray(kept).reshape(len(kept), -1),
            shape=kept.shape[1:3],
            left=self.left + cols.start / self.unit,
            top=self.top + rows.start / self.unit,
            patches=patches,
        )

    def scaled(self, factors: Field) -> Layer:
        """Return the layer with each picture's channels times (J, CHANNELS) factors."""
        xp = array_api_compat.array_namespace(self.pictures)
        table = xp.reshape(self.pictures, (len(factors), -1, CHANNELS))
        scaled = table * as_like(factors, self.pictures)[:, None, :]
        return replace(self, pictures=xp.reshape(scaled, self.pictures.shape))


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a layer is in F frames, in head units and radians.

    Attributes
    ----------
    shift : array, (F, 2)
        To the right and down.
    turn : array, (F, 3), or None
        About x, y and z.
    grow : array, (F,), or None
        Size relative to rest.
    acts : array, (F, K), or None
        How strong each deformation is.
    patches : tuple of array, (F, K) each
        Weights of each patch's pictures.
    still : bool
        Whether nothing of this ever moves.
    """

    shift: Array
    turn: Array = None
    grow: Array = None
    acts: Array = None
    patches: tuple[Array, ...] = ()
    still: bool = False

    def to(self, like: Array) -> Pose:
        """Return the pose with its arrays of the kind and on the device of ``like``."""
        turn, grow, acts = (None if a is None else as_like(a, like) for a in (self.turn, self.grow, self.acts))
        patches = tuple(as_like(p, like) for p in self.patches)
        return Pose(as_like(self.shift, like), turn, grow, acts, patches, self.still)

    def part(self, at: slice) -> Pose:
        """Return some of the frames."""
        turn, grow, acts = (None if a is None else a[at] for a in (self.turn, self.grow, self.acts))
        return Pose(self.shift[at], turn, grow, acts, tuple(p[at] for p in self.patches), self.still)


def as_like(array: Array, like: Array) -> Array:
    """Return an array of the kind and on the device of another."""
    xp = array_api_compat.array_namespace(like)
    if isinstance(array, np.ndarray) and array_api_compat.is_numpy_array(like):
        return array
    return xp.asarray(array, device=array_api_compat.device(like))
