"""Attention over the picture: what one branch of a network tells another to look at."""

from __future__ import annotations

import torch
from torch import Tensor, nn

EPS = 1e-6


class Gate(nn.Module):
    """Weights of the cells, frame by frame, that sum to half their number.

    A convolution with 1 x 1, a sigmoid, and the division by the sum (DeepPhys, Chen and McDuff, ECCV 2018, eq. 6).

    Parameters
    ----------
    channels : int
        Of what is judged.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the weights (N, 1, H, W) of pictures (N, C, H, W)."""
        a = torch.sigmoid(self.weigh(x))
        half = a.shape[2] * a.shape[3] / 2
        return a * half / (a.sum((2, 3), keepdim=True) + EPS)
