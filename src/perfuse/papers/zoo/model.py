"""TS-CAN, DeepPhys and EfficientPhys-C: 2-D networks in which attention weighs the face.

DeepPhys: Chen and McDuff, ECCV 2018. TS-CAN: Liu, Fromm, Patel, McDuff, NeurIPS 2020. EfficientPhys-C: Liu, Hill,
Patel, McDuff, WACV 2023. Sizes of layers as in the rPPG-Toolbox's definitions, whose parameter counts they match.

All map clips (B, 3, T, H, W), 0..255, to ``pulse`` (B, T), rising with blood volume. They say its slope, as the
published ones do, and it is integrated within (see :func:`perfuse.nn.inputs.integrated`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError
from perfuse.nn.gate import Gate
from perfuse.nn.inputs import differences, integrated, standard
from perfuse.nn.shift import framed, shifted

THIRD = 3
"""One in so many channels comes from the frame before, one from the frame after."""
LAYERS = ((3, 32, 1), (32, 32, 0), (32, 64, 1), (64, 64, 0))
"""Channels in and out, and padding, of the convolutions with 3 x 3; pictures are halved after each second one."""
SMALLEST = 10
"""Pixels a side of which one cell is left at the end."""


class TwoBranches(nn.Module):
    """One branch for change, one for looks; what the face looks like tells where change counts.

    Parameters
    ----------
    size : int
        Pixels a side. 36, 72 and 96 have 532,899, 2,228,643 and 4,096,419 parameters.
    rate_hz : float
        Frames per second.
    shift : bool
        TS-CAN: frames trade channels with their neighbours. Without it is DeepPhys: every frame for itself.

    Raises
    ------
    UsageError
        If the pictures are too small.
    """

    def __init__(self, size: int = 36, rate_hz: float = 30.0, *, shift: bool = True) -> None:
        super().__init__()
        self.size, self.rate_hz, self.shift = size, rate_hz, shift
        self.motion, self.looks = _convolutions(), _convolutions()
        self.gates = nn.ModuleList([Gate(32), Gate(64)])
        self.drop = nn.Dropout(0.25)
        self.end = _end(size)

    def forward(self, clip: Tensor) -> dict[str, Tensor]:
        """Return ``pulse``.

        Raises
        ------
        UsageError
            If the pictures have another size.
        """
        _check(clip, self.size)
        batch = clip.shape[0]
        x = differences(clip).transpose(1, 2).flatten(0, 1)
        seen = standard(clip).transpose(1, 2).flatten(0, 1)
        for number, (layer, other) in enumerate(zip(self.motion, self.looks, strict=True)):
            x = _moved(x, batch) if self.shift else x
            x, seen = torch.tanh(layer(x)), torch.tanh(other(seen))
            if number % 2:
                x = self.drop(functional.avg_pool2d(x * self.gates[number // 2](seen), 2))
                seen = self.drop(functional.avg_pool2d(seen, 2))
        return {"pulse": integrated(framed(self.end(x), batch)[:, :, 0], self.rate_hz)}


class EfficientPhys(nn.Module):
    """One branch that attends to itself, on differences that it learns to scale.

    Parameters
    ----------
    size : int
        Pixels a side. 36 and 72 have 467,337 and 2,163,081 parameters.
    rate_hz : float
        Frames per second.

    Raises
    ------
    UsageError
        If the pictures are too small.
    """

    def __init__(self, size: int = 36, rate_hz: float = 30.0) -> None:
        super().__init__()
        self.size, self.rate_hz = size, rate_hz
        self.scale = nn.BatchNorm2d(3)
        self.motion = _convolutions()
        self.gates = nn.ModuleList([Gate(32), Gate(64)])
        self.drop = nn.Dropout(0.25)
        self.end = _end(size)

    def forward(self, clip: Tensor) -> dict[str, Tensor]:
        """Return ``pulse``.

        Raises
        ------
        UsageError
            If the pictures have another size.
        """
        _check(clip, self.size)
        batch, still = clip.shape[0], standard(clip)
        change = functional.pad(still[:, :, 1:] - still[:, :, :-1], (0, 0, 0, 0, 0, 1))
        x = self.scale(change.transpose(1, 2).flatten(0, 1))
        for number, layer in enumerate(self.motion):
            x = torch.tanh(layer(_moved(x, batch)))
            if number % 2:
                x = self.drop(functional.avg_pool2d(x * self.gates[number // 2](x), 2))
        return {"pulse": integrated(framed(self.end(x), batch)[:, :, 0], self.rate_hz)}


NETWORKS: dict[str, Callable[[int, float], nn.Module]] = {
    "ts-can": TwoBranches,
    "deepphys": lambda size, rate_hz: TwoBranches(size, rate_hz, shift=False),
    "efficientphys-c": EfficientPhys,
}
"""By name: size and rate to network."""


def _convolutions() -> nn.ModuleList:
    return nn.ModuleList(nn.Conv2d(one, two, 3, padding=pad) for one, two, pad in LAYERS)


def _end(size: int) -> nn.Sequential:
    if size < SMALLEST:
        raise UsageError(f"Pictures of {size} pixels a side were asked for.", f"Give {SMALLEST} or more.")
    side = ((size - 2) // 2 - 2) // 2
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64 * side * side, 128), nn.Tanh(), nn.Dropout(0.5), nn.Linear(128, 1)
    )


def _moved(x: Tensor, batch: int) -> Tensor:
    return shifted(framed(x, batch), THIRD).flatten(0, 1)


def _check(clip: Tensor, size: int) -> None:
    if clip.ndim != 5 or clip.shape[1] != 3 or clip.shape[3:] != (size, size):
        raise UsageError(f"Clips of shape {tuple(clip.shape)} were given.", f"Give (B, 3, T, {size}, {size}).")
