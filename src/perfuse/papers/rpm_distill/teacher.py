"""The radar teacher: a 1-D network from the I and Q of five range bins to the pulse.

RPM-Distill's RF_conv_decoder, a wider and unpooled form of EquiPleth's (Vilesov and others, 2022). No phase is
unwrapped: it learns from I and Q. Freeze a trained one with :class:`perfuse.nn.frozen.Frozen`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from perfuse.core.errors import UsageError

CHANNELS = 10
"""I of five bins, then Q of the same, 30 a second: :attr:`perfuse.synth.batch.Batch.radar`."""
WIDTHS = (32, 64, 128, 256, 512, 1024)
"""Of the paper's teacher, 9,786,401 parameters."""
SMALL = (16, 32, 48, 64)
"""Of a teacher that learns on a CPU, 73,457 parameters. ASSUMED."""
KERNEL = 7
DEEP = 3
"""After so many layers of the decoder lies the tap."""


class RadarTeacher(nn.Module):
    """Radar (B, 10, T) to the pulse (B, T); T is free, nothing is pooled.

    Parameters
    ----------
    widths : sequence of int
        Channels of the encoder's layers; the decoder goes back by the same.
    channels : int
        Of the radar.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, channels: int = CHANNELS) -> None:
        super().__init__()
        if len(widths) < 2 or min(widths) < 1 or channels < 2 or channels % 2:
            raise UsageError(
                f"A teacher of widths {tuple(widths)} and {channels} channels was asked for.",
                "Give two widths or more, and an even number of channels.",
            )
        self.channels = channels
        down, up = list(pairwise((channels, *widths))), list(pairwise(reversed(widths)))
        enter = [nn.Sequential(_layer(nn.Conv1d, *pair), *_after(pair[1])) for pair in down[:-1]]
        self.encoder = nn.ModuleList([*enter, _layer(nn.Conv1d, *down[-1])])
        self.decoder = nn.ModuleList(
            nn.Sequential(_layer(nn.ConvTranspose1d, *pair), *_after(pair[1])) for pair in up
        )
        self.last = nn.ConvTranspose1d(widths[0], 1, 1)

    def forward(self, radar: Tensor) -> Tensor:
        """Return the pulse, any scale.

        Raises
        ------
        UsageError
            If the radar has another shape.
        """
        return self.features(radar)[0]

    def features(self, radar: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pulse (B, T), and the decoder's third layer, (B, C, T), or its last if there are fewer."""
        if radar.ndim != 3 or radar.shape[1] != self.channels:
            raise UsageError(
                f"Radar of shape {tuple(radar.shape)} was given.", f"Give (B, {self.channels}, T), I before Q."
            )
        x, tap = radar, radar
        for layer in self.encoder:
            x = layer(x)
        for number, layer in enumerate(self.decoder, 1):
            x = layer(x)
            if number <= DEEP:
                tap = x
        return self.last(x)[:, 0], tap


def rotated(radar: Tensor, angle: Tensor) -> Tensor:
    """Return radar (B, 2 K, T) with I and Q turned by angles (B,) or (), in radians, as if from another distance.

    EquiPleth trains its teacher so, with one angle for a whole batch; the release of RPM-Distill also turns what the
    frozen teacher is asked, in place, so that its answers change from call to call. Here a teacher is asked about
    what was received.
    """
    one, other = radar.chunk(2, 1)
    cos, sin = (part.reshape(-1, 1, 1).to(radar) for part in (angle.cos(), angle.sin()))
    return torch.cat([one * cos - other * sin, one * sin + other * cos], 1)


TEACHERS = {"radar": WIDTHS, "radar-small": SMALL}
"""Widths by name."""


def _layer(kind: type[nn.Conv1d] | type[nn.ConvTranspose1d], inputs: int, outputs: int) -> nn.Module:
    return kind(inputs, outputs, KERNEL, padding=KERNEL // 2)


def _after(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm1d(channels), nn.ReLU()
