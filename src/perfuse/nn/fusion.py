"""The fusion stem: frames and the differences about them, seen side by side and mixed; and a mean under a soft mask.

Zou et al., RhythmMamba (AAAI 2025); LQ-rPPG (arXiv 2605.23174) takes it over with a third of the channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FusionStem(nn.Module):
    """Standardised clips (B, 3, T, H, W) to (B, wide, T, H / 8, W / 8), each frame seen with two on either side.

    Parameters
    ----------
    narrow, wide : int
        Channels after the first convolutions, and after the second.
    kernel : int
        Pixels a side of all convolutions, odd.
    """

    def __init__(self, narrow: int, wide: int, kernel: int = 7) -> None:
        super().__init__()
        self.looks = sight(3, narrow, kernel, stride=2)
        self.change = sight(12, narrow, kernel, stride=2)
        self.both = sight(narrow, wide, kernel)
        self.alone = sight(narrow, wide, kernel)

    def forward(self, clip: Tensor) -> Tensor:
        """Return the pictures, one a frame."""
        batch = clip.shape[0]
        frames, around = with_steps(clip)
        change = self.change(around.flatten(0, 1))
        both = self.both(0.5 * self.looks(frames.flatten(0, 1)) + 0.5 * change)
        mixed: Tensor = 0.5 * both + 0.5 * self.alone(change)
        return mixed.reshape(batch, -1, *mixed.shape[1:]).transpose(1, 2)


def sight(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution that keeps the size (but for its stride), normalisation, ReLU, and pictures halved."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2))


def with_steps(clip: Tensor) -> tuple[Tensor, Tensor]:
    """Return frames (B, T, 3, H, W), and the four steps from two frames before to two after, (B, T, 12, H, W).

    Beyond its ends a clip stands still.
    """
    frames = clip.transpose(1, 2)
    first, last = frames[:, :1], frames[:, -1:]
    near = torch.cat([first, first, frames, last, last], dim=1)
    steps = near[:, 1:] - near[:, :-1]
    return frames, torch.cat([steps[:, :-3], steps[:, 1:-2], steps[:, 2:-1], steps[:, 3:]], dim=2)


def masked_mean(seen: Tensor) -> Tensor:
    """Return (B, T, C) of pictures (B, C, T, h, w): their mean under their own sigmoid, which is scaled to 0.5."""
    mask = torch.sigmoid(seen)
    total = (seen * mask).sum(dim=(3, 4)) / mask.sum(dim=(3, 4))
    return 0.5 * total.transpose(1, 2)
