"""The student: FactorizePhys (Joshi, Agaian, Cho, NeurIPS 2024) as RPM-Distill trains it, 52,169 parameters.

3-D convolutions over normalised frame differences, attention by factorisation, one number for every step from a frame
to the next. The head for heart rates that the authors' release carries is left out: no loss reaches it, and it makes
the network fail on 72 x 72 pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError
from perfuse.nn.nmf import rank_one
from perfuse.nn.trust import Trust

Sizes = tuple[tuple[int, int, int], ...]
FEATURES: Sizes = ((3, 8, 1), (8, 12, 2), (12, 12, 1), (12, 12, 1), (12, 16, 2), (16, 16, 1))
"""Channels in, channels out, and stride in space, of the layers that find the face's embedding."""
HEAD: Sizes = ((16, 16, 1),) * 3
PULSE: Sizes = ((16, 12, 1), (12, 8, 1), (8, 1, 1))
SMALLEST = 71
"""Pixels a side of which one cell is left at the end."""
DROPOUT = 0.1
PLACES = (("network", "trust"), ("breath", "breath_trust"))
"""Names of the networks and their judges."""
NEVER = -20.0
"""Logit of what cannot be right."""


class Attention(nn.Module):
    """Attention by non-negative factorisation of rank 1 (FactorizePhys, section 3); 329 parameters.

    Parameters
    ----------
    alone : bool
        Whether every clip has its own zero. The release takes the least value in the batch, so that what it says of
        a clip depends on the others; with one clip both are the same.
    """

    def __init__(self, *, alone: bool = True) -> None:
        super().__init__()
        self.alone = alone
        self.enter = nn.Conv3d(16, 8, 1)
        self.middle = nn.Conv3d(8, 8, 1, bias=False)
        self.leave = nn.Conv3d(8, 16, 1, bias=False)
        self.shift = nn.Parameter(torch.ones(()))
        for layer in (self.enter, self.middle, self.leave):
            nn.init.normal_(layer.weight, std=math.sqrt(2 / layer.out_channels))

    def forward(self, embedding: Tensor) -> Tensor:
        """Return ``embedding`` (B, 16, T, H, W) with what was attended to added."""
        positive = embedding - self._least(embedding)
        voxels = self.enter(positive).relu()
        # rows are pieces of the flat memory, not moments: published weights were trained so
        matrix = voxels.reshape(voxels.shape[0], voxels.shape[2], -1)
        mask = self.leave(self.middle(rank_one(matrix).reshape(voxels.shape)).relu())
        product = (positive + self.shift) * (mask - self._least(mask) + self.shift)
        return embedding + functional.instance_norm(product)

    def _least(self, x: Tensor) -> Tensor:
        return x.amin((1, 2, 3, 4), keepdim=True) if self.alone else x.amin()


class FactorizePhys(nn.Module):
    """Clips (B, 3, T, H, W), 0..255, to the pulse of every step from one frame to the next, (B, T - 1).

    Parameters
    ----------
    attend : bool
        Use the attention, as RPM-Distill does always. The rPPG-Toolbox trains its published weights with it and
        reads them without.
    padded : bool
        Keep the picture's size in all layers, so that any size will do: for small trainings. The published network
        pads the first layer only, and takes 71 x 71 pixels or more.
    level : float
        What colours are divided by. 1 as in the rPPG-Toolbox; 255 as in RPM-Distill's release, where it changes
        little: differences are normalised, over a spread to which a small number is added.
    reverse : bool
        Read colours as blue, green, red, as the release does.
    dropout : float
        Share of channels dropped in training, after every third layer but the last.
    alone : bool
        See :class:`Attention`.
    """

    steps = True
    """It says one number for every step, not for every frame."""

    def __init__(
        self,
        *,
        attend: bool = True,
        padded: bool = False,
        level: float = 1.0,
        reverse: bool = False,
        dropout: float = DROPOUT,
        alone: bool = True,
    ) -> None:
        super().__init__()
        self.attend, self.padded, self.level, self.reverse = attend, padded, level, reverse
        self.features = nn.ModuleList(_convolution(*sizes, padded) for sizes in FEATURES)
        self.features[0].padding = (1, 1, 1)  # type: ignore[assignment]
        self.head = nn.ModuleList(_convolution(*sizes, padded) for sizes in HEAD)
        self.attention = Attention(alone=alone)
        self.pulse = nn.ModuleList(_convolution(*sizes, padded) for sizes in PULSE)
        self.drop = nn.Dropout3d(dropout)

    def forward(self, clip: Tensor) -> Tensor:
        """Return the pulse, rising with blood volume, any scale.

        Raises
        ------
        UsageError
            If the clip has another shape, a single frame, or too small pictures.
        """
        if not torch.compiler.is_compiling():
            self._check(clip)
        clip = clip.flip(1) if self.reverse else clip
        x = functional.instance_norm(clip.diff(dim=2) / self.level)
        for number, layer in enumerate((*self.features, *self.head), 1):
            x = functional.instance_norm(layer(x).tanh())
            if number % 3 == 0:
                x = self.drop(x)
        if self.attend:
            x = self.attention(x)
        for layer in self.pulse[:2]:
            x = functional.instance_norm(layer(x).tanh())
        said: Tensor = self.pulse[2](x)
        return said.mean((1, 3, 4))

    def _check(self, clip: Tensor) -> None:
        least = 1 if self.padded else SMALLEST
        if clip.ndim != 5 or clip.shape[1] != 3 or clip.shape[2] < 2 or min(clip.shape[3:]) < least:
            raise UsageError(
                f"Clips of shape {tuple(clip.shape)} were given.",
                f"Give (B, 3, T, H, W), 2 frames or more, {least} pixels a side or more"
                + ("." if self.padded else ", or make the network with padded=True."),
            )


class Student(nn.Module):
    """Networks as trainings and bundles want them: one number a frame, and perhaps a judge of it.

    A network that says one number a step is given the last frame twice, as the rPPG-Toolbox does. One of breathing
    alone says nothing of the heart: its ``pulse`` is flat, its ``quality`` :data:`NEVER`, since a bundle without a
    pulse is none.

    Parameters
    ----------
    networks : mapping of str to nn.Module
        Of ``pulse``, of ``respiration`` or of both: (B, 3, T, H, W) to (B, T), or to (B, T - 1) if its ``steps`` is
        true. The first one's weights are called ``network``, a second one's ``breath``.
    judges : mapping of str to Trust, optional
        Ours, and outside of the networks: no gradient leads back.
    """

    def __init__(self, networks: Mapping[str, nn.Module], judges: Mapping[str, Trust | None] | None = None) -> None:
        super().__init__()
        self.says = tuple(networks)
        judges = judges or {}
        for (says, network), (name, judge) in zip(networks.items(), PLACES):
            self.add_module(name, network)
            self.add_module(judge, judges.get(says))

    def speakers(self) -> dict[str, tuple[nn.Module, Trust | None]]:
        """Return who says each vital sign, and who judges it."""
        return {says: (getattr(self, name), getattr(self, judge)) for says, (name, judge) in zip(self.says, PLACES)}

    def forward(self, clip: Tensor) -> dict[str, Tensor]:
        """Return the waves (B, T), and from judges ``quality`` and ``respiration_quality`` (B,), logits."""
        said: dict[str, Tensor] = {}
        for says, (network, judge) in self.speakers().items():
            wave = network(torch.cat([clip, clip[:, :, -1:]], 2) if network.steps else clip)
            said[says] = wave
            if judge is not None:
                said["quality" if says == "pulse" else f"{says}_quality"] = judge(clip, [wave])
        if "pulse" not in said:
            flat = torch.zeros_like(said["respiration"])
            said |= {"pulse": flat, "quality": flat[:, 0] + NEVER}
        return said


def _convolution(inputs: int, outputs: int, stride: int, padded: bool) -> nn.Conv3d:
    side = int(padded)
    return nn.Conv3d(inputs, outputs, 3, (1, stride, stride), padding=(1, side, side), bias=False)
