"""Temporal shift: a 2-D network sees its neighbours in time by trading channels with them, at no cost.

After TSM (Lin, Gan, Han, ICCV 2019). Shifts run over the whole of one clip, with nothing beyond its ends, and never
from one clip into another.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def framed(x: Tensor, batch: int) -> Tensor:
    """Return pictures (B T, ...) as clips (B, T, ...)."""
    return x.reshape(batch, -1, *x.shape[1:])


def shifted(x: Tensor, share: int = 8) -> Tensor:
    """Take one part of the channels from the frame before, one as large from the frame after.

    Parameters
    ----------
    x : Tensor, (B, T, C, H, W)
        Features.
    share : int
        One in so many channels goes either way.

    Returns
    -------
    Tensor, (B, T, C, H, W)
        0 where there is no neighbour.
    """
    part = x.shape[2] // share
    before = functional.pad(x[:, :-1, :part], (0, 0, 0, 0, 0, 0, 1, 0))
    after = functional.pad(x[:, 1:, part : 2 * part], (0, 0, 0, 0, 0, 0, 0, 1))
    return torch.cat([before, after, x[:, :, 2 * part :]], dim=2)


def shifted_back(x: Tensor, last: Tensor, share: int = 8) -> tuple[Tensor, Tensor]:
    """Take one part of the channels from the frame before, one as large from the frame before that.

    Parameters
    ----------
    x : Tensor, (B, t, C, H, W)
        Features of the next frames.
    last : Tensor, (B, 2, 2 (C // share), H, W)
        The first channels of the last two frames; zeros at the beginning.
    share : int
        As for :func:`shifted`.

    Returns
    -------
    x, last : Tensor
        Shifted features, and what the next call needs.
    """
    part = x.shape[2] // share
    joined = torch.cat([last, x[:, :, : 2 * part]], dim=1)
    count = x.shape[1]
    before, earlier = joined[:, 1 : count + 1, :part], joined[:, :count, part:]
    return torch.cat([before, earlier, x[:, :, 2 * part :]], dim=2), joined[:, -2:]
