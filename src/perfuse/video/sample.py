"""Area means of any rectangle of a frame, sub-pixel, in floating point, straight from the decoder's planes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from perfuse.core.frame import Box, Frame


@lru_cache(maxsize=512)
def _cover(
    low: float, high: float, cells: int, pixels: int
) -> tuple[NDArray[np.float32], int, int, NDArray[np.float32]]:
    """Weights of pixels in ``cells`` equal parts of [low, high), the pixel span they touch, and the part inside."""
    edges = np.linspace(low, high, cells + 1)
    first = int(np.clip(np.floor(low), 0, pixels - 1))
    stop = int(np.clip(np.ceil(high), first + 1, pixels))
    # how much of each pixel lies before each edge; what lies between two edges is the difference
    before = np.clip(edges[:, None] - np.arange(first, stop), 0.0, 1.0)
    overlap = before[1:] - before[:-1]
    inside = overlap.sum(axis=1)
    weights = np.divide(overlap, inside[:, None], out=np.zeros_like(overlap), where=inside[:, None] > 0)
    coverage = inside / max((high - low) / cells, 1e-9)
    return weights.astype(np.float32), first, stop, coverage.astype(np.float32)


ROUNDING = 1e-6
"""Share of a cell that is no more than rounding of the box that cells are cut from: such a cell lies outside."""


def area_mean(
    frame: Frame, box: Box, rows: int, cols: int, max_pixels: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean colour of each of rows x cols equal cells of a box, every pixel weighted by the area it shares.

    Parameters
    ----------
    frame : Frame
        Any picture.
    box : Box
        In pixels of the frame; may reach beyond it.
    rows, cols : int
        Cells.
    max_pixels : int, optional
        Where a cell spans more than this many pixels a side, only every n-th pixel is read: for detectors, which
        need speed and no precision. Never used for the pulse.

    Returns
    -------
    values : ndarray, float32, (rows, cols, 3)
        Red, green, blue, 0..255 and possibly slightly beyond (conversion from YUV is not clipped); 0 where a cell
        lies outside the frame.
    coverage : ndarray, float32, (rows, cols)
        Share of the cell's area that lies inside the frame, 0..1.
    """
    height, width = frame.height, frame.width
    count = len(frame.planes)
    means = np.empty((count, rows, cols), np.float32)
    coverage = np.zeros((rows, cols), np.float32)
    for index, plane in enumerate(frame.planes):
        scale_y, scale_x = plane.shape[0] / height, plane.shape[1] / width
        y0, y1 = box.y * scale_y, (box.y + box.height) * scale_y
        x0, x1 = box.x * scale_x, (box.x + box.width) * scale_x
        if max_pixels is not None:
            step = int(max(1, min((y1 - y0) / rows, (x1 - x0) / cols) // max_pixels))
            if step > 1:
                plane = plane[::step, ::step]
                y0, y1, x0, x1 = y0 / step, y1 / step, x0 / step, x1 / step
        down, top, bottom, inside_y = _cover(y0, y1, rows, plane.shape[0])
        across, left, right, inside_x = _cover(x0, x1, cols, plane.shape[1])
        np.matmul(down @ plane[top:bottom, left:right].astype(np.float32), across.T, out=means[index])
        if index == 0:
            coverage = inside_y[:, None] * inside_x[None, :]
            coverage[coverage < ROUNDING] = 0.0
    matrix = frame.to_rgb.astype(np.float32)
    rgb = matrix[:, :count] @ means.reshape(count, -1) + matrix[:, count:]
    rgb[:, coverage.ravel() <= 0] = 0.0
    return np.ascontiguousarray(rgb.T).reshape(rows, cols, 3), np.minimum(coverage, 1.0)
