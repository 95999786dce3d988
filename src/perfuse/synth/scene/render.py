"""Rendering: pictures of layers mixed by weights, moved, and laid over one another. numpy or torch, the same code.

Small rotations, drift of the lights and blood all change the light of a pixel to first order, so a frame needs only
weights: ``sum_j weight_j(t) * picture_j(x)``, resampled to where the layer is at that time. With a pulse of at most
1 % the second-order part of the Beer-Lambert law is below 1/200 of the pulse itself.
"""

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

BUDGET = 3_000_000
"""Numbers that one step works on: what a processor's cache holds."""


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


def render(window: Window, layers: list[tuple[Layer, Array, Pose]]) -> Array:
    """Paint F frames from back to front.

    Parameters
    ----------
    window : Window
        What to show.
    layers : list of (Layer, array (F, J), Pose)
        Each with the weights of its pictures. The first is opaque and fills what it covers.

    Returns
    -------
    array, float32, (F, 3, H, W)
        Linear light.
    """
    weights = layers[0][1]
    xp = array_api_compat.array_namespace(weights)
    count = weights.shape[0]
    heaviest = max(CHANNELS * layer.shape[0] * layer.shape[1] for layer, _, _ in layers)
    step = max(1, BUDGET // max(heaviest, 2 * CHANNELS * window.height * window.width))
    parts = []
    for first in range(0, count, step):
        at = slice(first, min(first + step, count))
        device = array_api_compat.device(weights)
        frames = xp.zeros((at.stop - first, window.height, window.width, 3), dtype=xp.float32, device=device)
        for layer, weight, pose in layers:
            if _fits(layer, window, pose):
                frames[:] = xp.reshape(layer.pictures, (1, *layer.shape, CHANNELS))[..., :3]
                continue
            lay(frames, window, layer, weight[at], pose.part(at))
        parts.append(xp.moveaxis(frames, -1, 1))
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)


def lay(frames: Array, window: Window, layer: Layer, weights: Array, pose: Pose) -> None:
    """Lay one layer over ``frames`` (F, H, W, 3), in place."""
    xp = array_api_compat.array_namespace(frames)
    rows, cols = _reach(xp, window, layer, pose)
    if rows.start >= rows.stop or cols.start >= cols.stop:
        return
    x = xp.arange(cols.start, cols.stop, dtype=xp.float32, device=array_api_compat.device(frames))
    y = xp.arange(rows.start, rows.stop, dtype=xp.float32, device=array_api_compat.device(frames))
    x = window.left + (x + 0.5) / window.unit
    y = window.top + (y + 0.5) / window.unit
    u, v = _locate(xp, layer, pose, x, y)
    light = _sample(xp, _mixed(xp, layer, weights, pose), layer.shape, u, v)
    light = xp.reshape(light, (*frames.shape[:1], rows.stop - rows.start, cols.stop - cols.start, CHANNELS))
    part = frames[:, rows, cols, :]
    part *= 1.0 - light[..., 3:]
    part += light[..., :3]


def _fits(layer: Layer, window: Window, pose: Pose) -> bool:
    """Whether a layer is one picture that never moves and lies on the window pixel by pixel."""
    same = (layer.shape, layer.unit, layer.left, layer.top) == (
        (window.height, window.width),
        window.unit,
        window.left,
        window.top,
    )
    return same and layer.pictures.shape[0] == 1 and pose.still


def _mixed(xp: Any, layer: Layer, weights: Array, pose: Pose) -> Array:
    """Pictures of F frames, (F, h, w, CHANNELS)."""
    out = xp.reshape(weights @ layer.pictures, (weights.shape[0], *layer.shape, CHANNELS))
    for patch, strength in zip(layer.patches, pose.patches, strict=True):
        extra = strength @ patch.pictures
        height, width = patch.rows.stop - patch.rows.start, patch.cols.stop - patch.cols.start
        out[:, patch.rows, patch.cols, :] += xp.reshape(extra, (weights.shape[0], height, width, CHANNELS))
    return out


def _locate(xp: Any, layer: Layer, pose: Pose, x: Array, y: Array) -> tuple[Array, Array]:
    """Texture coordinates (F, rows * cols) of a grid of points in head coordinates."""
    across = x[None, None, :] - pose.shift[:, 0][:, None, None] - layer.pivot[0]
    down = y[None, :, None] - pose.shift[:, 1][:, None, None] - layer.pivot[1]
    if pose.grow is not None:
        across, down = across / pose.grow[:, None, None], down / pose.grow[:, None, None]
    shape = (across.shape[0], len(y), len(x))
    across, down = xp.broadcast_to(across, shape), xp.broadcast_to(down, shape)
    flat = (shape[0], shape[1] * shape[2])
    across, down = xp.reshape(across, flat), xp.reshape(down, flat)
    if layer.fields is not None and (pose.turn is not None or pose.acts is not None):
        field = _nearest(xp, layer, across, down)
        dx, dy = xp.zeros_like(across), xp.zeros_like(down)
        if pose.turn is not None:
            pitch, yaw, roll = (pose.turn[:, i][:, None] for i in range(3))
            dx = yaw * field[..., 0] - roll * down
            dy = roll * across - pitch * field[..., 0]
        if pose.acts is not None:
            for k in range(pose.acts.shape[1]):
                act = pose.acts[:, k][:, None]
                dx = dx + act * field[..., 1 + 2 * k]
                dy = dy + act * field[..., 2 + 2 * k]
        across, down = across - dx, down - dy
    u = (across + (layer.pivot[0] - layer.left)) * layer.unit - 0.5
    v = (down + (layer.pivot[1] - layer.top)) * layer.unit - 0.5
    return u, v


def _nearest(xp: Any, layer: Layer, across: Array, down: Array) -> Array:
    """Return the layer's fields (F, N, 1 + 2 K) at points relative to its pivot."""
    height, width = layer.field_shape
    col = xp.clip((across + (layer.pivot[0] - layer.field_left)) * layer.field_unit, 0.0, width - 1.0)
    row = xp.clip((down + (layer.pivot[1] - layer.field_top)) * layer.field_unit, 0.0, height - 1.0)
    at = xp.astype(row, xp.int64) * width + xp.astype(col, xp.int64)
    found = xp.take(layer.fields, xp.reshape(at, (-1,)), axis=0)
    return xp.reshape(found, (*across.shape, layer.fields.shape[1]))


def _sample(xp: Any, pictures: Array, shape: tuple[int, int], u: Array, v: Array) -> Array:
    """Bilinear samples (F, N, CHANNELS) of pictures (F, h, w, CHANNELS); the edge repeats outside."""
    height, width = shape
    frames, points = u.shape
    u, v = xp.clip(u, 0.0, width - 1.001), xp.clip(v, 0.0, height - 1.001)
    left, top = xp.astype(u, xp.int64), xp.astype(v, xp.int64)
    u, v = (u - xp.astype(left, u.dtype))[..., None], (v - xp.astype(top, v.dtype))[..., None]
    start = xp.arange(frames, dtype=xp.int64, device=array_api_compat.device(u))[:, None] * (height * width)
    at = xp.reshape(start + top * width + left, (-1,))
    table = xp.reshape(pictures, (frames * height * width, CHANNELS))

    def taken(offset: int) -> Array:
        return xp.reshape(xp.take(table, at + offset, axis=0), (frames, points, CHANNELS))

    upper, lower = taken(0), taken(width)
    upper += u * (taken(1) - upper)
    lower += u * (taken(width + 1) - lower)
    lower -= upper
    lower *= v
    upper += lower
    return upper


def _reach(xp: Any, window: Window, layer: Layer, pose: Pose) -> tuple[slice, slice]:
    """Rows and columns of the window that the layer may touch in these frames."""
    low, high = xp.min(pose.shift, axis=0), xp.max(pose.shift, axis=0)
    spare = 0.1 if pose.turn is None else 0.1 + 1.5 * float(xp.max(xp.abs(pose.turn)))
    if pose.grow is not None:
        spare += 3.0 * float(xp.max(xp.abs(pose.grow - 1.0)))
    right, bottom = layer.left + layer.shape[1] / layer.unit, layer.top + layer.shape[0] / layer.unit
    first = (layer.left + float(low[0]) - spare, layer.top + float(low[1]) - spare)
    last = (right + float(high[0]) + spare, bottom + float(high[1]) + spare)
    spans = []
    for near, far, origin, size in (
        (first[1], last[1], window.top, window.height),
        (first[0], last[0], window.left, window.width),
    ):
        start = min(max(int(np.floor((near - origin) * window.unit)), 0), size)
        spans.append(slice(start, max(start, min(int(np.ceil((far - origin) * window.unit)), size))))
    return spans[0], spans[1]


def as_like(array: Array, like: Array) -> Array:
    """Return an array of the kind and on the device of another."""
    xp = array_api_compat.array_namespace(like)
    if isinstance(array, np.ndarray) and array_api_compat.is_numpy_array(like):
        return array
    return xp.asarray(array, device=array_api_compat.device(like))
