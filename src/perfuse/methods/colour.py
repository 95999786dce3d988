"""Small steps that several colour methods share: relative change, safe ratios, silence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RED, GREEN, BLUE = 0, 1, 2

QUIET = 1e-9
"""Relative changes below this are rounding of the input, never colour: float32 resolves 6e-8."""


def relative(windows: Array) -> Array:
    """Divide each channel by its mean over the window, minus one.

    Parameters
    ----------
    windows : ndarray, (..., L, 3)
        Red, green, blue, 0..255.

    Returns
    -------
    ndarray, (..., L, 3)
        Relative change; exactly 0 where a channel is constant or has no positive mean.
    """
    mean = windows.mean(axis=-2, keepdims=True)
    change = ratio(windows, np.maximum(mean, 0)) - 1
    alive = (np.abs(change).max(axis=-2, keepdims=True) > QUIET) & (mean > 0)
    return np.asarray(change * alive)


def ratio(above: Array, below: Array) -> Array:
    """Divide, with 0 where the divisor is 0."""
    return np.divide(above, below, out=np.zeros(np.broadcast_shapes(above.shape, below.shape)), where=below != 0)


def settled(pulse: Array) -> Array:
    """Remove each window's mean, and make a window that holds nothing but rounding exactly silent.

    Parameters
    ----------
    pulse : ndarray, (..., L)
        Relative change.

    Returns
    -------
    ndarray, (..., L)
    """
    centred = pulse - pulse.mean(axis=-1, keepdims=True)
    return np.asarray(centred * (np.abs(centred).max(axis=-1, keepdims=True) > QUIET))


def second_moments(channels: Array) -> Array:
    """Mean of the outer products of the samples: (..., L, 3) to (..., 3, 3).

    Summed product by product, not by a matrix product, whose order of summation may depend on the shape.
    """
    r, g, b = (np.ascontiguousarray(channels[..., c]) for c in range(3))
    rr, rg, rb, gg, gb, bb = ((x * y).mean(axis=-1) for x, y in ((r, r), (r, g), (r, b), (g, g), (g, b), (b, b)))
    rows = [np.stack(row, axis=-1) for row in ((rr, rg, rb), (rg, gg, gb), (rb, gb, bb))]
    return np.stack(rows, axis=-2)
