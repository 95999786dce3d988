"""What makes a token of every frame: the authors' stem, and three that cost a tenth, a hundredth and less.

All take clips (B, 3, T, H, W), 0..255, standardise them as a whole, and answer (B, T, width). The authors' is 99 % of
their network's work. The others are ours: pictures are smaller, and what convolutions do at once in space, time and
channels is done one after the other. ASSUMED: their layers; only their cost was measured beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from perfuse.core.errors import UsageError, one_of
from perfuse.core.view import Crop, Grid
from perfuse.nn.fusion import FusionStem, masked_mean, sight, with_steps
from perfuse.nn.inputs import standard


class Paper(nn.Module):
    """The authors': two scales of 7 x 7, then 3 x 5 x 5. 95,560 parameters with ``width=64``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fusion = FusionStem(8, 16)
        self.volume = nn.Sequential(nn.Conv3d(16, width, (3, 5, 5), padding=(1, 2, 2)), nn.BatchNorm3d(width))

    def forward(self, clip: Tensor) -> Tensor:
        """Return the tokens."""
        return masked_mean(self.volume(self.fusion(standard(clip))))


class Slim(nn.Module):
    """The same plan on smaller pictures: 5 x 5, then 3 x 3 in space, and 3 in time for each channel by itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fusion = FusionStem(8, 16, kernel=5)
        self.volume = nn.Sequential(
            nn.Conv3d(16, width, (1, 3, 3), padding=(0, 1, 1)),
            nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0), groups=width),
            nn.BatchNorm3d(width),
        )

    def forward(self, clip: Tensor) -> Tensor:
        """Return the tokens."""
        return masked_mean(self.volume(self.fusion(standard(clip))))


class Lite(nn.Module):
    """One scale of 3 x 3; after it no convolution mixes space and channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.looks, self.change = sight(3, 8, 3, stride=2), sight(12, 8, 3, stride=2)
        self.volume = nn.Sequential(
            nn.Conv3d(16, 16, (1, 3, 3), padding=(0, 1, 1), groups=16),
            nn.Conv3d(16, 32, 1),
            nn.BatchNorm3d(32),
            nn.ReLU(),
            *_apart(32, width),
        )

    def forward(self, clip: Tensor) -> Tensor:
        """Return the tokens."""
        frames, around = with_steps(standard(clip))
        seen = torch.cat([self.looks(frames.flatten(0, 1)), self.change(around.flatten(0, 1))], dim=1)
        return masked_mean(self.volume(seen.reshape(*frames.shape[:2], *seen.shape[1:]).transpose(1, 2)))


class Cells(nn.Module):
    """Cells of a grid, each by itself: their colours are means already, and only which ones count must be found."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.looks = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.change = nn.Sequential(nn.Conv2d(12, 16, 1), nn.BatchNorm2d(16))
        self.volume = nn.Sequential(*_apart(24, width))

    def forward(self, clip: Tensor) -> Tensor:
        """Return the tokens."""
        frames, around = with_steps(standard(clip))
        # differences stay linear: of a single cell's most is noise, which only averaging removes
        seen = torch.cat([self.looks(frames.flatten(0, 1)), self.change(around.flatten(0, 1))], dim=1)
        return masked_mean(self.volume(seen.reshape(*frames.shape[:2], *seen.shape[1:]).transpose(1, 2)))


@dataclass(frozen=True, slots=True)
class Stem:
    """A stem by name.

    Attributes
    ----------
    make : callable
        Width of a token to the module.
    size : int
        Pixels, or cells, a side that it was made for.
    smallest : int
        Least that it takes.
    grid : bool
        Whether it eats cells rather than pixels.
    """

    make: Callable[[int], nn.Module]
    size: int
    smallest: int
    grid: bool = False


STEMS = {
    "paper": Stem(Paper, 128, 8),
    "slim": Stem(Slim, 64, 8),
    "lite": Stem(Lite, 36, 4),
    "grid": Stem(Cells, 9, 1, grid=True),
}
"""From dear to cheap: 56.6, 5.3, 0.58 and 0.15 million multiplications a frame at their own sizes."""


def find_stem(name: str) -> Stem:
    """Return a stem.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    one_of("stem", name, STEMS)
    return STEMS[name]


def view_of(name: str, size: int = 0, rate_hz: float = 30.0) -> Grid | Crop:
    """Return what a stem eats.

    Parameters
    ----------
    name : str
        Of :data:`STEMS`.
    size : int
        Pixels or cells a side; 0 is what it was made for.
    rate_hz : float
        Frames per second.

    Raises
    ------
    UsageError
        If there is no such stem, or it takes no such size.
    """
    stem = find_stem(name)
    size = size or stem.size
    if size < stem.smallest:
        what = "cells" if stem.grid else "pixels"
        raise UsageError(f"{size} {what} a side were asked for.", f"The stem {name!r} takes {stem.smallest} or more.")
    return Grid(size, size, rate_hz) if stem.grid else Crop(size, rate_hz)


def _apart(inputs: int, width: int) -> list[nn.Module]:
    """Return a convolution over three frames of each channel, then one that mixes channels."""
    through = nn.Conv3d(inputs, inputs, (3, 1, 1), padding=(1, 0, 0), groups=inputs)
    return [through, nn.Conv3d(inputs, width, 1), nn.BatchNorm3d(width)]
