"""DILATE: how far two waves differ in shape, and in time, with an exact gradient in one sweep each way.

After Le Guen and Thome, "Shape and Time Distortion Loss for Training Deep Time Series Forecasting Models" (NeurIPS
2019), on soft-DTW (Cuturi and Blondel, ICML 2017). With ``D_ij = (x_i - y_j)^2``, warping paths A and
``Omega_ij = (i - j)^2 / T^2``::

    shape = -gamma log sum_A exp(-<A, D> / gamma)         (soft-DTW)
    time  = <E, Omega>,   E = d shape / d D                (mean temporal distortion over the paths)
    loss  = alpha shape / T + (1 - alpha) time

The paper takes the gradient of ``time`` from a second-order recursion. Here ``time`` is carried along with the value
and one reverse sweep gives the gradient of both terms: see :mod:`perfuse.nn.diagonals`. A clip's gradient is that of
its own value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from perfuse.core.errors import UsageError
from perfuse.nn.diagonals import backward, forward, gathered, layout_of
from perfuse.nn.losses import full, has_pulse, standardised, whole

GAMMA = 0.1
"""Softness, in squared standard deviations. ASSUMED: at the paper's 0.01 the gradient of ``time`` explodes where the
prediction is nearly flat (norm 190 to 290, against 10 to 20 for ``shape``): it goes with 1/gamma."""
ALPHA = 0.5
"""Share of ``shape``; the paper's value for its synthetic series and ECG5000."""
BAND = 8
"""Frames that the paths may stray from the diagonal. ASSUMED: 0.27 s at 30 Hz, under half the shortest beat, so that
no path slips a beat."""


class _Distortion(torch.autograd.Function):
    """Shape and time, with the explicit way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, gamma: float, band: int, engine: str) -> tuple[Tensor, Tensor]:
        layout = layout_of(x.shape[1], band)
        ctx.xp = np if engine == "numpy" else torch
        columns = [wave.detach().T.to(_working(x)).contiguous() for wave in (x, y)]
        given = [wave.numpy() for wave in columns] if ctx.xp is np else columns
        shape, time, ctx.tape = forward(ctx.xp, given[0], given[1], gamma, layout)
        return torch.as_tensor(shape).to(x), torch.as_tensor(time).to(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, shape: Tensor, time: Tensor) -> tuple[Tensor | None, ...]:
        xp, tape = ctx.xp, ctx.tape
        one, other = (weight.to(_working(weight)) for weight in (shape, time))
        a = backward(xp, tape, one.numpy(), other.numpy()) if xp is np else backward(xp, tape, one, other)
        slope = 2 * a * tape.difference
        by_x = gathered(xp, slope, tape.layout.cells_of_row) if ctx.needs_input_grad[0] else None
        by_y = -gathered(xp, slope, tape.layout.cells_of_column) if ctx.needs_input_grad[1] else None
        out = (None if g is None else torch.as_tensor(g).T.to(shape) for g in (by_x, by_y))
        return *out, None, None, None


def _working(like: Tensor) -> torch.dtype:
    return torch.float32 if like.device.type == "mps" else torch.float64


def _checked(x: Tensor, y: Tensor, gamma: float, band: int | None, engine: str | None) -> tuple[int, str]:
    if x.shape != y.shape or x.ndim != 2 or x.shape[1] == 0:
        raise UsageError(
            f"Waves of shape {tuple(x.shape)} and {tuple(y.shape)} were given to DILATE.",
            "Give two of (B, T), T >= 1.",
        )
    if not gamma > 0:
        raise UsageError(f"DILATE's gamma is {gamma}.", "Give a value above 0; 0.01 to 1 for standardised waves.")
    if band is not None and band < 0:
        raise UsageError(f"DILATE's band is {band} frames.", "Give 0 or more, or None for no band.")
    if engine not in (None, "numpy", "torch") or (engine == "numpy" and x.device.type != "cpu"):
        raise UsageError(
            f"DILATE cannot run with engine {engine!r} on {x.device.type}.", "Leave it out, or give 'torch'."
        )
    reach = x.shape[1] - 1
    return reach if band is None else min(band, reach), engine or ("numpy" if x.device.type == "cpu" else "torch")


def distortion(
    x: Tensor, y: Tensor, *, gamma: float = GAMMA, band: int | None = None, engine: str | None = None
) -> tuple[Tensor, Tensor]:
    """Return DILATE's two terms, as they are: nothing standardised, nothing divided by the length.

    Parameters
    ----------
    x, y : Tensor, (B, T)
        Waves; gradients reach both.
    gamma : float
        Softness, in units of squared differences.
    band : int or None
        Frames that paths may stray from the diagonal (Sakoe and Chiba); None or T - 1 for all.
    engine : {"numpy", "torch"}, optional
        What runs the sweeps. numpy on the CPU, where it is the faster, else torch, on the waves' own device. Both in
        float64 (float32 where a device has no other) and alike to rounding.

    Returns
    -------
    shape, time : Tensor, (B,)
        Soft-DTW, which is negative for near-equal waves, and the mean of ((i - j) / T)^2 along the paths, summed over
        the path. Differentiable once.

    Raises
    ------
    UsageError
        On other shapes, gamma <= 0 or a negative band.
    """
    reach, engine = _checked(x, y, gamma, band, engine)
    shape, time = _Distortion.apply(x, y.to(x), gamma, reach, engine)  # type: ignore[no-untyped-call]
    return shape, time


def alignment(x: Tensor, y: Tensor, *, gamma: float = GAMMA, band: int | None = None) -> Tensor:
    """Return E, (B, T, T): how many of the paths, by weight, pass through each pair of frames."""
    reach, _ = _checked(x, y, gamma, band, "torch")
    layout = layout_of(x.shape[1], reach)
    one, other = (wave.detach().T.to(_working(x)) for wave in (x, y))
    shape, _, tape = forward(torch, one, other, gamma, layout)
    cells = backward(torch, tape, torch.ones_like(shape), torch.zeros_like(shape))
    out = torch.zeros((x.shape[1], *x.shape[::-1]), dtype=cells.dtype, device=x.device)
    for d, (start, end, _) in enumerate(layout.ranges):
        out[layout.row[d, start:end], layout.column[d, start:end]] = cells[d, start:end]
    return out.permute(2, 0, 1).to(x)


def dilate(
    prediction: Tensor,
    pulse: Tensor,
    *,
    alpha: float = ALPHA,
    gamma: float = GAMMA,
    band: int | None = BAND,
    standardise: bool = True,
    per_frame: bool = True,
    engine: str | None = None,
) -> Tensor:
    """DILATE, one value a clip; the caller takes the mean.

    Parameters
    ----------
    prediction : Tensor, (B, T)
        What a network said.
    pulse : Tensor, (B, T)
        What is true.
    alpha : float
        Share of the shape term, 0..1. Near 0 training diverges: timing means nothing without shape.
    gamma, band, engine
        As for :func:`distortion`; the band is in frames.
    standardise : bool
        Take both to mean 0 and spread 1 first, as ``gamma`` supposes.
    per_frame : bool
        Divide the shape term by T, which makes it comparable to the time term. The paper does not: at its alpha of
        0.5 and T = 128 the loss is then nearly all shape. False gives the paper's loss.

    Returns
    -------
    Tensor, (B,)
        0, without gradient, for clips that :func:`~perfuse.nn.losses.has_pulse` says have no pulse.

    Raises
    ------
    UsageError
        On other shapes or values out of range.
    """
    if not 0 <= alpha <= 1:
        raise UsageError(f"DILATE's alpha is {alpha}.", "Give a share between 0 and 1.")
    _checked(prediction, pulse, gamma, band, engine)
    beats = has_pulse(pulse)
    prediction, pulse = full(prediction), whole(pulse)
    if standardise:
        prediction, pulse = standardised(prediction), standardised(pulse)
    shape, time = distortion(prediction, pulse, gamma=gamma, band=band, engine=engine)
    if per_frame:
        shape = shape / prediction.shape[1]
    return torch.where(beats, alpha * shape + (1 - alpha) * time, 0.0)
