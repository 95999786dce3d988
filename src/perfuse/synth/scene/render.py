"""Rendering: pictures of layers mixed by weights, moved, and laid over one another. numpy or torch, the same code.

Small rotations, drift of the lights and blood all change the light of a pixel to first order, so a frame needs only
weights: ``sum_j weight_j(t) * picture_j(x)``, resampled to where the layer is at that time. With a pulse of at most
1 % the second-order part of the Beer-Lambert law is below 1/200 of the pulse itself.
"""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

from perfuse.synth.scene.layer import CHANNELS, Array, Layer, Pose
from perfuse.synth.scene.window import Window

BUDGET = 3_000_000
"""Numbers that one step works on: what a processor's cache holds."""

LARGE = 10_000
"""Pixels of a frame from which on layers slide frame by frame. Whole frames gain by it, small crops would lose by the
loop, graphics processors by waiting for every frame; where it begins to pay was not measured."""


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
        frames = xp.zeros((at.stop - first, 3, window.height, window.width), dtype=xp.float32, device=device)
        for layer, weight, pose in layers:
            if _fits(layer, window, pose):
                frames[:] = xp.moveaxis(xp.reshape(layer.pictures, (1, *layer.shape, CHANNELS))[..., :3], -1, 1)
                continue
            lay(frames, window, layer, weight[at], pose.part(at))
        parts.append(frames)
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)


def lay(frames: Array, window: Window, layer: Layer, weights: Array, pose: Pose) -> None:
    """Lay one layer over ``frames`` (F, 3, H, W), in place."""
    xp = array_api_compat.array_namespace(frames)
    rows, cols = _reach(xp, window, layer, pose)
    if rows.start >= rows.stop or cols.start >= cols.stop:
        return
    x = xp.arange(cols.start, cols.stop, dtype=xp.float32, device=array_api_compat.device(frames))
    y = xp.arange(rows.start, rows.stop, dtype=xp.float32, device=array_api_compat.device(frames))
    x = window.left + (x + 0.5) / window.unit
    y = window.top + (y + 0.5) / window.unit
    part, pictures = frames[:, :, rows, cols], _mixed(xp, layer, weights, pose)
    large = len(x) * len(y) >= LARGE and array_api_compat.is_numpy_array(frames)
    if large and _slides(layer, pose):
        light = _slid(xp, pictures, layer, pose, x, y)
    else:
        light = _sample(xp, pictures, layer.shape, *_locate(xp, layer, pose, x, y))
        light = xp.reshape(light, (len(part), len(y), len(x), CHANNELS))
    through = 1.0 - light[..., 3]
    for channel in range(3):
        part[:, channel] *= through
        part[:, channel] += light[..., channel]


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
    alone = layer.pictures.shape[0] == 1  # a product of matrices would take nine times as long
    mixed = weights * layer.pictures if alone else weights @ layer.pictures
    out = xp.reshape(mixed, (weights.shape[0], *layer.shape, CHANNELS))
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


def _slides(layer: Layer, pose: Pose) -> bool:
    """Whether all of a layer moves alike: columns stay columns and rows stay rows."""
    return pose.turn is None and pose.grow is None and (layer.fields is None or pose.acts is None)


def _slid(xp: Any, pictures: Array, layer: Layer, pose: Pose, x: Array, y: Array) -> Array:
    """Return what :func:`_sample` would, to the bit, where a layer slides: across first, then down."""
    height, width = layer.shape
    middle = slice(0, 1)
    u, v = _locate(xp, layer, pose, x, y[middle])[0], _locate(xp, layer, pose, x[middle], y)[1]
    u, v = xp.clip(u, 0.0, width - 1.001), xp.clip(v, 0.0, height - 1.001)
    left, top = xp.astype(u, xp.int64), xp.astype(v, xp.int64)
    u, v = (u - xp.astype(left, u.dtype))[..., None], (v - xp.astype(top, v.dtype))[..., None, None]
    out = []
    for frame in range(u.shape[0]):
        first, last = int(top[frame, 0]), int(top[frame, -1]) + 2
        lines = pictures[frame, first:last]
        across = xp.take(lines, left[frame], axis=1)
        across += u[frame] * (xp.take(lines, left[frame] + 1, axis=1) - across)
        upper, lower = (xp.take(across, top[frame] + (step - first), axis=0) for step in (0, 1))
        lower -= upper
        lower *= v[frame]
        upper += lower
        out.append(upper)
    return out[0][None] if len(out) == 1 else xp.stack(out)


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
