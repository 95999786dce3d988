"""A quick look at a square of a frame, good enough to find a face and four times faster than true area means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfuse.core.frame import Box, Frame


def look(frame: Frame, square: Box, size: int) -> NDArray[np.float32]:
    """Sample a square of the frame, black beyond its edges.

    Each sample takes four pixels: the neighbours of its centre where the picture is enlarged (linear interpolation),
    points a quarter of a cell from the centre where it is reduced. Never used for the pulse:
    :func:`perfuse.video.sample.area_mean` is.

    Parameters
    ----------
    frame : Frame
        Any picture.
    square : Box
        In pixels of the frame; may reach beyond it.
    size : int
        Samples a side.

    Returns
    -------
    ndarray, float32, (3, size, size)
        Red, green, blue, 0..255.
    """
    planes = np.empty((len(frame.planes), size, size), np.float32)
    for plane, out in zip(frame.planes, planes):
        scale_y, scale_x = plane.shape[0] / frame.height, plane.shape[1] / frame.width
        top, bottom, down = _taps(square.y * scale_y, square.height * scale_y, size, plane.shape[0])
        left, right, across = _taps(square.x * scale_x, square.width * scale_x, size, plane.shape[1])
        out[:] = 0
        for rows, share in ((plane[top], 1 - down), (plane[bottom], down)):
            out += np.multiply(rows.take(left, axis=1), share[:, None] * (1 - across), dtype=np.float32)
            out += np.multiply(rows.take(right, axis=1), share[:, None] * across, dtype=np.float32)
    matrix = frame.to_rgb.astype(np.float32)
    rgb = matrix[:, :-1] @ planes.reshape(len(planes), -1) + matrix[:, -1:]
    image: NDArray[np.float32] = np.clip(rgb, 0, 255).reshape(3, size, size)
    image[:, ~_inside(square.y, square.height, size, frame.height)] = 0
    image[:, :, ~_inside(square.x, square.width, size, frame.width)] = 0
    return image


def _centres(low: float, length: float, size: int) -> NDArray[np.float64]:
    return np.asarray(low + (np.arange(size) + 0.5) * (length / size), np.float64)


def _inside(low: float, length: float, size: int, pixels: int) -> NDArray[np.bool_]:
    centre = _centres(low, length, size)
    return (centre >= 0) & (centre <= pixels)


def _taps(
    low: float, length: float, size: int, pixels: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Two pixels a sample along one axis, and the weight of the second."""
    centre, cell = _centres(low, length, size), length / size
    if cell < 2:
        first = np.floor(centre - 0.5)
        second, share = first + 1, centre - 0.5 - first
    else:
        first, second, share = np.floor(centre - cell / 4), np.floor(centre + cell / 4), np.full(size, 0.5)
    last = pixels - 1
    return (
        np.clip(first, 0, last).astype(np.intp),
        np.clip(second, 0, last).astype(np.intp),
        share.astype(np.float32),
    )
