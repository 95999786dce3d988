"""What networks see of a clip: normalisation that is part of the network, and so of the exported graph."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

EPS = 1e-7
"""In the denominator, for black pixels: the rPPG-Toolbox's own value, on levels of 0..255."""
SMALLEST = 1e-12
"""Spread of a picture in which nothing moves at all."""
MEMORY = 128
"""Frames over which a causal network measures the spread: one training clip. ASSUMED."""


def relative_change(now: Tensor, after: Tensor) -> Tensor:
    """Return (after - now) / (after + now), which a steady light's strength does not change (Chen, McDuff, 2018)."""
    return (after - now) / (after + now + EPS)


def differences(clip: Tensor, limit: float | None = None) -> Tensor:
    """Change over sum of neighbouring frames, over its spread in the clip; nothing for the last frame.

    The rPPG-Toolbox's ``DiffNormalized``, taken per clip.

    Parameters
    ----------
    clip : Tensor, (B, 3, T, H, W)
        Red, green, blue, 0..255.
    limit : float, optional
        Cut the result to -limit..limit: one step of a nearly black pixel is 100 times one of skin. The Toolbox cuts
        nothing.

    Returns
    -------
    Tensor, (B, 3, T, H, W)
        0 everywhere for a clip in which nothing moves.
    """
    change = relative_change(clip[:, :, :-1], clip[:, :, 1:])
    # sums, not std(): a clip of one frame has no differences, and gives zeros rather than NaN
    count = max(clip.shape[1] * clip.shape[3] * clip.shape[4], 1) * (clip.shape[2] - 1)
    mean = _summed(change) / (count + EPS)
    spread = (_summed((change - mean).square()) / (count + EPS)).sqrt()
    change = _cut(change / spread.clamp(min=SMALLEST), limit)
    return functional.pad(change, (0, 0, 0, 0, 0, 1))


def trailing_differences(clip: Tensor, state: tuple[Tensor, ...], limit: float | None = None) -> tuple[Tensor, ...]:
    """Return the same looking back only: change since the last frame, over its RMS in the last :data:`MEMORY` frames.

    Parameters
    ----------
    clip : Tensor, (B, 3, t, H, W)
        The next frames, 0..255.
    state : tuple of Tensor
        Of :func:`no_frames`, or what the last call returned after its first element.
    limit : float, optional
        As for :func:`differences`.

    Returns
    -------
    tuple of Tensor
        Differences (B, 3, t, H, W), 0 for the first frame ever, and then the next state: the last frame
        (B, 3, 1, H, W), whether there was one (B, 1), and mean squares (B, MEMORY - 1) with their weights, 0 or 1.
    """
    last, seen, squares, counted = state
    joined = torch.cat([last, clip], dim=2)
    here = torch.ones_like(clip[:, 0, :, 0, 0])  # (B, t)
    valid = torch.cat([seen, here], dim=1)[:, : clip.shape[2]]
    change = relative_change(joined[:, :, :-1], clip) * valid[:, None, :, None, None]
    squares = torch.cat([squares, change.square().mean((1, 3, 4))], dim=1)
    counted = torch.cat([counted, valid], dim=1)
    power, share = (functional.avg_pool1d(x[:, None], MEMORY, 1)[:, 0] for x in (squares, counted))
    spread = (power / share.clamp(min=0.5 / MEMORY)).sqrt().clamp(min=SMALLEST)
    change = _cut(change / spread[:, None, :, None, None], limit)
    kept = MEMORY - 1
    return change, clip[:, :, -1:], torch.ones_like(seen), squares[:, -kept:], counted[:, -kept:]


def no_frames(clip: Tensor) -> tuple[Tensor, ...]:
    """Return the state of :func:`trailing_differences` before any frame; of the clip only its shape matters."""
    first = clip[:, :, :1]
    nothing = torch.zeros_like(first[:, 0, :, 0, 0])  # (B, 1)
    return torch.zeros_like(first), nothing, nothing.expand(-1, MEMORY - 1), nothing.expand(-1, MEMORY - 1)


def standard(clip: Tensor) -> Tensor:
    """Return the clip with one mean of 0 and one spread of 1; 0 everywhere for a clip of one single colour value."""
    count = clip[0].numel()
    centred = clip - _summed(clip) / count
    return centred / (_summed(centred.square()) / count).sqrt().clamp(min=1e-3)


def integrated(slope: Tensor, rate_hz: float, slow_s: float = 1.0) -> Tensor:
    """Return the wave (B, T) of a slope (B, T): summed up, less its moving average before and after.

    Sums of noise wander, so what is slower than ``slow_s`` is taken off twice. With 1 s, 60 per minute and its
    multiples keep their size, 84 has 1.5 times its own, 40 a third, 12 a two-hundredth. ASSUMED: on the one real
    face at hand, PhysNet's clips of 128 frames then correlate with the contact sensor by 0.72 on average, against
    0.50 with 2 s.
    """
    return _less_slow(_less_slow(slope, rate_hz * slow_s).cumsum(1), rate_hz * slow_s)


def _less_slow(wave: Tensor, count: float) -> Tensor:
    half = round(count / 2)
    return wave - functional.avg_pool1d(wave[:, None], 2 * half + 1, 1, half, count_include_pad=False)[:, 0]


def _summed(x: Tensor) -> Tensor:
    """Return the sum of every clip, (B, 1, 1, 1, 1).

    By rows, then pictures, then all: onnxruntime adds up one by one, and a million float32 in a row lose five digits.
    """
    return x.sum(4, keepdim=True).sum(3, keepdim=True).sum((1, 2), keepdim=True)


def _cut(x: Tensor, limit: float | None) -> Tensor:
    return x if limit is None else x.clamp(-limit, limit)
