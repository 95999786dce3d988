"""Sub-pixel displacement of a small grey patch, frame by frame, for breathing of the chest and sway of the head.

Gradient method (Lucas & Kanade, IJCAI 1981) against a reference patch that is kept as long as the scene stays within
reach of it, so that errors do not add up from frame to frame; brightness gain and offset are fitted along, and cells
that do not follow the rest (a hand, a passing shadow) lose their weight.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import UsageError

Floats = NDArray[np.float64]

_MARGIN = 3
"""Cells kept free around the compared inside of a smoothed patch."""

_REACH = _MARGIN - 1
"""How far the scene may move, in cells, before a new reference is taken."""

_SMALLEST = 2 * (_MARGIN + 1) + 6


@dataclass(frozen=True, slots=True)
class MotionState:
    """What the next step needs; a value, never changed.

    Attributes
    ----------
    shape : tuple of int
        Of the patches.
    reference : ndarray, (n,), or None
        Inside of the smoothed patch that displacements are measured from; None before the first usable patch.
    basis, inverse : ndarray, (4, n), or None
        Brightness change of those cells by unit displacement (x, y), unit gain and unit offset, and its
        pseudo-inverse; None where the patch is too even to show motion.
    origin : tuple of float
        Displacement (x, y) of the reference itself since the start.
    shift : tuple of float
        Displacement of the last patch from the reference.
    """

    shape: tuple[int, ...] = ()
    reference: Floats | None = None
    basis: Floats | None = None
    inverse: Floats | None = None
    origin: tuple[float, float] = (0.0, 0.0)
    shift: tuple[float, float] = (0.0, 0.0)


def motion_step(state: MotionState, patch: NDArray[np.floating]) -> tuple[MotionState, float, float]:
    """Take the next patch.

    Parameters
    ----------
    state : MotionState
        ``MotionState()`` at the start.
    patch : ndarray, (rows, cols)
        Brightness, any unit, at least 14 x 14 cells, of the same place in the picture as before. A patch with
        values that are not finite is skipped: the last displacement holds.

    Returns
    -------
    state : MotionState
        For the next step.
    dx, dy : float
        Displacement of the scene since the first patch, in cells: x to the right, y down. Motion of up to about one
        cell a frame is followed; after a jump or where the patch is even the last displacement holds.

    Raises
    ------
    UsageError
        If the patch is too small or its size changes.
    """
    cells = np.asarray(patch, np.float64)
    if cells.ndim != 2 or min(cells.shape) < _SMALLEST:
        raise UsageError(
            f"A patch of shape {cells.shape} was given.", f"Pass (rows, cols), each at least {_SMALLEST} cells."
        )
    if state.shape and cells.shape != state.shape:
        raise UsageError(f"A patch of shape {cells.shape} was given after one of {state.shape}.", "Keep one size.")
    if not np.isfinite(cells).all():
        return state, *_total(state)
    smooth = _smooth(cells)
    shift = _follow(state, smooth)
    if shift is not None:
        state = replace(state, shift=shift)
    if shift is None or max(abs(shift[0]), abs(shift[1])) > _REACH:
        state = _anew(state, smooth, cells.shape)
    return state, *_total(state)


def displacement(luma: NDArray[np.floating]) -> Floats:
    """Displacement of the scene in a whole recording, by folding :func:`motion_step`.

    Parameters
    ----------
    luma : ndarray, (T, rows, cols)
        Brightness of one fixed place.

    Returns
    -------
    ndarray, (2, T)
        x (right) and y (down) since the first patch, in cells.
    """
    state = MotionState()
    out = np.zeros((2, len(luma)))
    for index, patch in enumerate(luma):
        state, out[0, index], out[1, index] = motion_step(state, patch)
    return out


def _total(state: MotionState) -> tuple[float, float]:
    return state.origin[0] + state.shift[0], state.origin[1] + state.shift[1]


def _smooth(patch: Floats) -> Floats:
    """Binomial 1-2-1 filter both ways, (rows - 2, cols - 2): gradients need it."""
    rows = patch[:-2] + 2 * patch[1:-1] + patch[2:]
    return (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16


def _anew(state: MotionState, smooth: Floats, shape: tuple[int, ...]) -> MotionState:
    """Make this patch the reference, where the last displacement left off."""
    inside = (slice(_MARGIN, -_MARGIN), slice(_MARGIN, -_MARGIN))
    reference = smooth[inside].ravel()
    # A scene that moves right by d shows s(x - d): its brightness changes by -d times the gradient.
    across = -np.gradient(smooth, axis=1)[inside].ravel()
    down = -np.gradient(smooth, axis=0)[inside].ravel()
    basis = np.stack([across, down, reference - reference.mean(), np.ones(reference.size)])
    energy = (basis**2).sum(axis=1)
    if energy[:2].min() <= 1e-9 * (reference**2).sum() + 1e-12:
        return MotionState(shape, reference, None, None, _total(state))
    return MotionState(shape, reference, basis, np.linalg.pinv(basis.T), _total(state))


def _follow(state: MotionState, smooth: Floats) -> tuple[float, float] | None:
    """Displacement from the reference, or None where there is none or the patch does not look like it any more."""
    if state.reference is None or state.basis is None or state.inverse is None:
        return None
    dx, dy = state.shift
    change = _shifted(smooth, dx, dy) - state.reference
    left = np.abs(change - (state.inverse @ change) @ state.basis)
    middle = float(np.median(left))
    if 1.48 * middle > 0.5 * float((change + state.reference).std()):
        return None
    usual = 2.2 * middle
    # One step of reweighting: cells that do not follow the rest count less the farther off they are (Huber).
    weighted = state.basis * (usual / np.maximum(left, max(usual, 1e-12))) if usual > 0 else state.basis
    normal = weighted @ state.basis.T
    step = np.linalg.solve(normal + 1e-9 * np.diag(normal.diagonal()), weighted @ change)
    if abs(step[0]) > 1.5 or abs(step[1]) > 1.5:
        return None
    return float(dx + step[0]), float(dy + step[1])


def _shifted(patch: Floats, dx: float, dy: float) -> Floats:
    """Inside of the patch with the scene moved back by (dx, dy), bilinear, flattened."""
    rows, cols = patch.shape[0] - 2 * _MARGIN, patch.shape[1] - 2 * _MARGIN
    down, right = int(np.floor(dy)), int(np.floor(dx))
    fy, fx = dy - down, dx - right
    top, left = _MARGIN + down, _MARGIN + right
    part = patch[top : top + rows + 1, left : left + cols + 1]
    part = part[:-1] * (1 - fy) + part[1:] * fy
    return (part[:, :-1] * (1 - fx) + part[:, 1:] * fx).ravel()
