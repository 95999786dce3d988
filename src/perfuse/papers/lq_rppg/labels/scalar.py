"""Rounding to few levels: the laws of code books, and two that need no network (Lloyd-Max, even steps)."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from perfuse.core.errors import UsageError

MOST_BITS = 6
ROUNDS = 1000
"""Of Lloyd's two steps, at most. Six bits of 80,000 samples settle in about 500."""
SETTLED = 1e-6
"""Largest move of a level that counts as none, in standard deviations."""
F64 = NDArray[np.float64]


class Quantiser(Protocol):
    """Rounds prepared labels to the levels of one code book."""

    levels: Tensor
    """(2**n_bits,), ascending: an index says how high, not only which."""

    def encode(self, label: Tensor) -> tuple[Tensor, Tensor]:
        """Return prepared labels (B, T) rounded, and the index of the level of each sample, int64, (B, T)."""
        ...


class Direct(nn.Module):
    """A quantiser that takes the nearest level.

    Parameters
    ----------
    levels : Tensor, (K,)
        In any order.
    """

    levels: Tensor

    def __init__(self, levels: Tensor) -> None:
        super().__init__()
        self.register_buffer("levels", levels.sort().values)

    def encode(self, label: Tensor) -> tuple[Tensor, Tensor]:
        """Return what :func:`quantise` does."""
        return quantise(label, self.levels)


def quantise(values: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nearest level of every value, and its index; of two as near the upper one.

    Parameters
    ----------
    values : Tensor, any shape
        Finite.
    levels : Tensor, (K,)
        Ascending.

    Returns
    -------
    (Tensor, Tensor)
        Levels, and int64 indices of 0 to K - 1, in the shape of ``values``.
    """
    between = (levels[1:] + levels[:-1]) / 2
    index = torch.bucketize(values.contiguous(), between, right=True)
    return dequantise(index, levels), index


def dequantise(index: Tensor, levels: Tensor) -> Tensor:
    """Return the levels of indices, in their shape."""
    return levels[index]


def lloyd(values: F64, n_bits: int) -> F64:
    """Fit a code book by Lloyd's method (IEEE Trans. Inf. Theory 28, 1982; Max, 1960): the least squared error.

    Levels begin at quantiles and move to the mean of their samples until nothing moves. A level without samples is
    put on the sample that is farthest from its own, so that none is lost.

    Parameters
    ----------
    values : ndarray, any shape
        Prepared labels, pooled.
    n_bits : int
        1 to 6.

    Returns
    -------
    ndarray, float64, (2**n_bits,)
        Ascending; each is the mean of at least one sample.

    Raises
    ------
    UsageError
        If there are fewer different values than levels, or some are no numbers.
    """
    count = levels_of(n_bits)
    pool = np.sort(np.asarray(values, np.float64), axis=None)
    if not np.isfinite(pool).all() or len(np.unique(pool)) < count:
        raise UsageError(
            f"A code book of {count} levels cannot be fitted to {pool.size} values.",
            "Give as many different numbers, and no NaN.",
        )
    sums = np.concatenate([[0.0], np.cumsum(pool)])
    levels = np.quantile(pool, (np.arange(count) + 0.5) / count)
    for _ in range(ROUNDS):
        edges = np.searchsorted(pool, (levels[1:] + levels[:-1]) / 2)
        edges = np.concatenate([[0], edges, [pool.size]])
        sizes = np.diff(edges)
        moved = np.where(sizes > 0, np.diff(sums[edges]) / np.maximum(sizes, 1), levels)
        for empty in np.flatnonzero(sizes == 0):
            lost = np.abs(pool[:, None] - np.delete(moved, empty)).min(axis=1)
            moved[empty] = pool[int(lost.argmax())]
        moved.sort()
        settled = (sizes > 0).all() and np.abs(moved - levels).max() <= SETTLED
        levels = moved
        if settled:
            break
    return levels


def uniform(values: F64, n_bits: int, tails: float = 1e-3) -> F64:
    """Return a code book of even steps that covers all but ``tails`` of the values at either end. ASSUMED.

    Raises
    ------
    UsageError
        If the values do not differ.
    """
    count = levels_of(n_bits)
    low, high = np.quantile(np.asarray(values, np.float64), [tails, 1 - tails])
    if not high > low:
        raise UsageError("The labels do not differ.", "Give labels with a pulse.")
    return np.asarray(low + (high - low) * (np.arange(count) + 0.5) / count)


def levels_of(n_bits: int) -> int:
    """Return how many levels so many bits tell apart.

    Raises
    ------
    UsageError
        If the bits are not 1 to 6.
    """
    if not 1 <= n_bits <= MOST_BITS:
        raise UsageError(f"{n_bits} bits were asked for.", f"Pass 1 to {MOST_BITS}.")
    return int(2**n_bits)
