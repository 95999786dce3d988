"""2SR: rotation of the subspace that the skin's pixels span."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfuse.core.card import Card
from perfuse.core.errors import UsageError
from perfuse.core.view import Grid
from perfuse.methods.colour import GREEN, RED, Array, ratio, settled
from perfuse.methods.windowed import windowed

CARD = Card(
    name="ssr",
    title="2SR: spatial subspace rotation",
    paper="Wang, Stuijk, de Haan: A Novel Algorithm for Remote Photoplethysmography: Spatial Subspace Rotation. "
    "IEEE TBME 63, 2016",
    equation="Algorithm 1: SR' = sum over i = 2, 3 of sqrt(l1(t) / li(tau)) u1(t)' ui(tau) ui(tau)'",
    limits="Lives on the variety of skin colours within the face and on the skin mask: background in the mask spoils "
    "it, and a small or evenly lit face leaves it little. Costlier than the trace methods.",
    deviations="Works on the means of 24 x 24 cells, weighted by their share of skin, instead of skin pixels. The "
    "overlapping windows of one second are averaged where the paper sums them. No band-pass.",
)


def colour_axes(values: NDArray[np.float32], weights: NDArray[np.float32] | None = None) -> Array:
    """Eigenvalues and axes of each frame's skin colours about black.

    Parameters
    ----------
    values : ndarray, (T, rows, cols, 3)
        Red, green, blue of each cell.
    weights : ndarray, (T, rows, cols), or None
        Skin weight of each cell, >= 0; None for all alike.

    Returns
    -------
    ndarray, (T, 4, 3)
        Row 0: eigenvalues of the weighted mean of ``v v'``, largest first. Rows 1 to 3: their eigenvectors, the first
        with a positive sum.

    Raises
    ------
    UsageError
        On any other shape.
    """
    if values.ndim != 4 or values.shape[3] != 3:
        raise UsageError(f"A grid of shape {values.shape} was given.", "Pass (samples, rows, columns, 3).")
    count = len(values)
    cells = np.ascontiguousarray(np.moveaxis(values.reshape(count, -1, 3), -1, 1), np.float64)
    share = np.ones((count, cells.shape[2])) if weights is None else weights.reshape(count, -1).astype(np.float64)
    share = ratio(share, share.sum(axis=1, keepdims=True))
    moments = np.empty((count, 3, 3))
    for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
        moments[:, i, j] = moments[:, j, i] = (cells[:, i] * cells[:, j] * share).sum(axis=1)
    values_up, axes = np.linalg.eigh(moments)
    out = np.empty((count, 4, 3))
    out[:, 0] = np.maximum(values_up[:, ::-1], 0)
    out[:, 1:] = np.swapaxes(axes[:, :, ::-1], 1, 2)
    out[:, 1] *= np.where(out[:, 1].sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    return out


def ssr(windows: Array, rate_hz: float) -> Array:
    """Rotation of the first colour axis against the axes of the window's first frame.

    Parameters
    ----------
    windows : ndarray, (..., L, 4, 3)
        What :func:`colour_axes` gives.
    rate_hz : float
        Not used.

    Returns
    -------
    ndarray, (..., L)
        Rises with blood volume; zeros where the reference frame is all of one colour.
    """
    reference = windows[..., :1, :, :]
    first = windows[..., 1, :]
    rotation = np.zeros(first.shape)
    for i in (1, 2):
        axis = reference[..., 1 + i, :]
        # A spread below rounding has no axis: eigenvalues of uint8 colours are known to 1e-12 of the largest.
        spread = reference[..., 0, i] * (reference[..., 0, i] > 1e-10 * reference[..., 0, 0])
        stretch = np.sqrt(ratio(windows[..., 0, 0], spread))
        rotation += (stretch * (first * axis).sum(axis=-1))[..., None] * axis
    red, green = settled(rotation[..., RED]), settled(rotation[..., GREEN])
    return settled(red - ratio(red.std(axis=-1, keepdims=True), green.std(axis=-1, keepdims=True)) * green)


METHOD = windowed(
    ssr, card=CARD, view=Grid(24, 24), window_s=1.0, hop_s=None, min_s=0.7, taper="flat", per_frame=colour_axes
)
