"""Sweeps over the anti-diagonals of a banded matrix: soft-DTW and its mean temporal distortion, there and back.

Forward, for every cell with predecessors p (above, to the left, both) and q their soft minimum's shares::

    R_ij = D_ij - gamma log sum_p exp(-R_p / gamma)     q_p = exp((m - R_p) / gamma),   R_ij = D_ij + m
    V_ij = Omega_ij + sum_p q_p V_p                     the derivative of R_ij(D + e Omega) at e = 0

Back, from weights a of R and b of V at the last cell::

    a_p += q_p (a_ij - b_ij (V_p - mean V) / gamma)     b_p += q_p b_ij     d / d D_ij = a_ij

All cells of one diagonal are independent, and only those within the band are held: arrays are
(2 T - 1, w + 1, clips). The same code runs on numpy and on torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Array = Any
"""An array of numpy or of torch; the sweeps use only what both spell alike."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the cells of a banded T x T matrix lie: diagonal d = i + j, place m.

    The offset is i - j = 2 m - w + (d + w) % 2. Within one diagonal the offsets are two apart, so a band of w takes
    w + 1 places, and predecessors are neighbours.
    """

    places: int
    ranges: tuple[tuple[int, int, int], ...]
    """First place, end, and (d + w) % 2 of each diagonal."""
    row: NDArray[np.int64]
    """i of every cell, (2 T - 1, w + 1), clipped into the matrix where there is no cell."""
    column: NDArray[np.int64]
    omega: NDArray[np.float64]
    """((i - j) / T)^2, (2 T - 1, w + 1, 1)."""
    cells_of_row: NDArray[np.int64]
    """(T, 2 w + 1): the flat numbers of all cells of one i; the number after the last where there is none."""
    cells_of_column: NDArray[np.int64]


@lru_cache(maxsize=16)
def layout_of(length: int, band: int) -> Layout:
    """Return the layout of two waves of ``length`` frames, paths within ``band`` frames of the diagonal."""
    diagonal = np.arange(2 * length - 1)[:, None]
    odd = (diagonal + band) % 2
    offset = 2 * np.arange(band + 1) - band + odd
    row, column = (diagonal + offset) // 2, (diagonal - offset) // 2
    ranges = []
    for number, parity in enumerate(odd[:, 0].tolist()):
        reach = min(number, 2 * length - 2 - number)
        first, last = (
            (0, band - parity) if reach > band else ((band - parity - reach) // 2, (band - parity + reach) // 2)
        )
        ranges.append((first, last + 1, parity))
    at, step = np.arange(length)[:, None], np.arange(-band, band + 1)
    tables = []
    for sign in (1, -1):  # of row i: i - j = step; of column j: i - j = -step
        other = at - step
        d = at + other
        cell = d * (band + 1) + (sign * step + band - (d + band) % 2) // 2
        tables.append(np.where((other >= 0) & (other < length), cell, (2 * length - 1) * (band + 1)))
    clip = (0, length - 1)
    omega = (offset / length)[:, :, None] ** 2.0
    return Layout(band + 1, tuple(ranges), np.clip(row, *clip), np.clip(column, *clip), omega, tables[0], tables[1])


@dataclass(frozen=True, slots=True)
class Tape:
    """What the way back needs: for every cell the shares of its three predecessors, and their excess."""

    layout: Layout
    share: Array
    """(2 T - 1, 3, w + 1, B): of (i - 1, j), (i, j - 1), (i - 1, j - 1); they sum to 1."""
    excess: Array
    """Share times (distortion of the predecessor - mean of the three) / gamma."""
    difference: Array
    """x_i - y_j, (2 T - 1, w + 1, B)."""


def forward(xp: ModuleType, x: Array, y: Array, gamma: float, layout: Layout) -> tuple[Array, Array, Tape]:
    """Sweep to the last cell, for waves (T, B). Return shape and time, both (B,), and the tape."""
    difference = x[layout.row] - y[layout.column]
    cost = difference * difference / gamma
    omega = layout.omega if xp is np else torch.from_numpy(layout.omega).to(x)
    count, n, batch = cost.shape
    kind = {"dtype": x.dtype} if xp is np else {"dtype": x.dtype, "device": x.device}
    # two diagonals of nothing before the first, and one place of nothing on either side: every predecessor is a slice
    r, v = xp.full((count + 2, n + 2, batch), xp.inf, **kind), xp.zeros((count + 2, n + 2, batch), **kind)
    share, excess = (xp.zeros((count, 3, n, batch), **kind) for _ in range(2))
    first = layout.ranges[0][0]
    r[2, first + 1] = cost[0, first]
    for d, (start, end, odd) in enumerate(layout.ranges[1:], 1):
        if start == end:
            continue
        here, up, left = (
            slice(start + 1, end + 1),
            slice(start + odd, end + odd),
            slice(start + odd + 1, end + odd + 1),
        )
        q, w = share[d, :, start:end], excess[d, :, start:end]
        r_up, r_left, r_both = r[d + 1, up], r[d + 1, left], r[d, here]
        least = xp.minimum(xp.minimum(r_up, r_left), r_both)
        xp.subtract(least, r_up, out=q[0])
        xp.subtract(least, r_left, out=q[1])
        xp.subtract(least, r_both, out=q[2])
        xp.exp(q, out=q)
        total = q[0] + q[1] + q[2]
        xp.divide(q, total, out=q)
        r[d + 2, here] = least - xp.log(total) + cost[d, start:end]
        w[0], w[1], w[2] = v[d + 1, up], v[d + 1, left], v[d, here]
        mean = q[0] * w[0] + q[1] * w[1] + q[2] * w[2]
        v[d + 2, here] = mean + omega[d, start:end]
        w -= mean
        w *= q
        w /= gamma
    return gamma * r[-1, first + 1], v[-1, first + 1], Tape(layout, share, excess, difference)


def backward(xp: ModuleType, tape: Tape, shape: Array, time: Array) -> Array:
    """Return the derivative by D, (2 T - 1, w + 1, B), of a sum with the weights ``shape`` and ``time``, (B,)."""
    count, _, n, batch = tape.share.shape
    kind = {"dtype": shape.dtype} if xp is np else {"dtype": shape.dtype, "device": shape.device}
    a, b = xp.zeros((count, n, batch), **kind), xp.zeros((count, n, batch), **kind)
    to_a, to_b = (xp.zeros((count + 2, 3, n + 2, batch), **kind) for _ in range(2))
    for d in range(count - 1, -1, -1):
        start, end, odd = tape.layout.ranges[d]
        if start == end:
            continue
        here, down, right = (
            slice(start + 1, end + 1),
            slice(start + odd + 1, end + odd + 1),
            slice(start + odd, end + odd),
        )
        if d == count - 1:
            a[d, start], b[d, start] = shape, time
        else:
            a[d, start:end] = to_a[d + 1, 0, down] + to_a[d + 1, 1, right] + to_a[d + 2, 2, here]
            b[d, start:end] = to_b[d + 1, 0, down] + to_b[d + 1, 1, right] + to_b[d + 2, 2, here]
        q = tape.share[d, :, start:end]
        to_b[d, :, here] = q * b[d, start:end]
        to_a[d, :, here] = q * a[d, start:end] - tape.excess[d, :, start:end] * b[d, start:end]
    return a


def gathered(xp: ModuleType, cells: Array, numbers: NDArray[np.int64]) -> Array:
    """Sum the cells (2 T - 1, w + 1, B) of every row, or of every column: (T, B)."""
    flat = cells.reshape(-1, cells.shape[-1])
    return xp.concatenate([flat, xp.zeros_like(flat[:1])])[numbers].sum(1)
