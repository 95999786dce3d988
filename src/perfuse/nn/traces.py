"""What is computed of traces of colour: moving averages, spreads, and POS and CHROM as a network sees them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from perfuse.nn.fourier import exporting

WINDOW_S = 1.6
"""Windows of POS and CHROM (Wang et al., IEEE TBME 2017)."""
EPS = 1e-6


def moving(x: Tensor, half: int, axis: int = -1) -> Tensor:
    """Return the moving average along an axis over ``half`` samples to either side, fewer at the ends."""
    along = x.movedim(axis, -1)
    if exporting():  # one operator, and the same to six digits
        flat = along.reshape(-1, 1, along.shape[-1])
        mean = functional.avg_pool1d(flat, 2 * half + 1, 1, half, count_include_pad=False).reshape(along.shape)
        return mean.movedim(-1, axis)
    # running sums, whose cost does not grow with the length; 64 bits, since differences of large numbers lose digits
    sums = functional.pad(along.double().cumsum(-1), (1, 0))
    at = torch.arange(along.shape[-1], device=x.device)
    low, high = (at - half).clamp(min=0), (at + half + 1).clamp(max=along.shape[-1])
    return ((sums[..., high] - sums[..., low]) / (high - low)).to(x.dtype).movedim(-1, axis)


def spread(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Return the standard deviation along axes, which are kept."""
    centred = x - x.mean(axes, keepdim=True)
    return (centred.square().mean(axes, keepdim=True) + 1e-14).sqrt()


def named(traces: Tensor, rate_hz: float) -> Tensor:
    """Return POS and CHROM of log colours without their slow part (B, maps, 3, T): (B, maps, 2, T), spread 1 each.

    Both add two projections of colour with the ratio of their strengths within 1.6 s; on logarithms, that follows the
    light continuously where the papers cut windows.
    """
    red, green, blue = traces[:, :, 0], traces[:, :, 1], traces[:, :, 2]
    half = round(WINDOW_S * rate_hz) // 2
    # colours fall where blood rises: POS falls with them, CHROM subtracts green and rises
    pos = -_tuned(green - blue, green + blue - 2.0 * red, half)
    chrom = _tuned(3.0 * red - 2.0 * green, -(1.5 * red + green - 1.5 * blue), half)
    both = torch.stack([pos, chrom], dim=2)
    return both / (spread(both, (3,)) + EPS)


def _tuned(first: Tensor, second: Tensor, half: int) -> Tensor:
    """Return ``first + (sd first / sd second) second``, spreads within a sliding window."""
    ratio = torch.sqrt((moving(first.pow(2), half) + EPS**2) / (moving(second.pow(2), half) + EPS**2))
    return first + ratio * second
