"""The radar teacher: a 1-D network from the I and Q of five range bins to the pulse.

RPM-Distill's RF_conv_decoder, a wider and unpooled form of EquiPleth's (Vilesov and others, 2022). No phase is
unwrapped: it learns from I and Q. Freeze a trained one with :class:`perfuse.nn.frozen.Frozen`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError
from perfuse.nn.traces import moving

CHANNELS = 10
"""I of five bins, then Q of the same, 30 a second: :attr:`perfuse.synth.batch.Batch.radar`."""
WIDTHS = (32, 64, 128, 256, 512, 1024)
"""Of the paper's teacher, 9,786,401 parameters."""
SMALL = (16, 32, 48, 64)
"""Of a teacher that learns on a CPU, 73,457 parameters. ASSUMED."""
KERNEL = 7
DEEP = 3
"""After so many layers of the decoder lies the tap."""
POWER_S, TREMBLE_S, RATE_HZ = 0.5, 0.13, 30.0
"""Of :class:`RadarPhase`: half the time over which the strength of an echo is averaged; half of that beyond which a
movement is no tremble; samples per second."""
DILATIONS = (1, 2, 4, 8, 16)


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
        _check(radar, self.channels)
        x, tap = radar, radar
        for layer in self.encoder:
            x = layer(x)
        for number, layer in enumerate(self.decoder, 1):
            x = layer(x)
            if number <= DEEP:
                tap = x
        return self.last(x)[:, 0], tap


class RadarPhase(nn.Module):
    """Radar (B, 10, T) to the pulse (B, T), by way of the steps of its phase; ours, 29,057 parameters.

    I and Q turn by several circles with every breath, and by a fraction of one with a heartbeat: to learn that from
    them takes the paper's teacher very long. Here a network is given what they mean: how far each bin's phase moves
    from sample to sample, once its still echoes are taken off, and how strongly it trembles, as it does after the
    valves close. No turn of I and Q changes that. ASSUMED throughout.

    Parameters
    ----------
    width : int
        Channels, a multiple of 4.
    channels : int
        Of the radar.
    """

    def __init__(self, width: int = 32, channels: int = CHANNELS) -> None:
        super().__init__()
        self.channels = channels
        self.enter = nn.Conv1d(channels + 3, width, KERNEL, padding=KERNEL // 2)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv1d(width, width, 5, padding=2 * d, dilation=d), nn.GroupNorm(4, width), nn.ELU())
            for d in DILATIONS
        )
        self.leave = nn.Conv1d(width, 1, 1)

    def forward(self, radar: Tensor) -> Tensor:
        """Return the pulse, any scale.

        Raises
        ------
        UsageError
            If the radar has another shape.
        """
        _check(radar, self.channels)
        x = self.enter(self.steps(radar))
        for layer in self.layers:
            x = x + layer(x)
        wave: Tensor = self.leave(x)
        return wave[:, 0]

    @staticmethod
    def steps(radar: Tensor) -> Tensor:
        """Return what the network is given, (B, K + 3, T) for K = 2 x bins, each row with a mean square of 1.

        The steps of every bin's phase in radians (their sine, and less where the echo is faint), the size of their
        fast part, and of both and of the fast part itself the mean over bins by strength.
        """
        one, other = (part - part.mean(2, keepdim=True) for part in radar.chunk(2, 1))
        turn = other[:, :, 1:] * one[:, :, :-1] - one[:, :, 1:] * other[:, :, :-1]
        power = moving(one.square() + other.square(), round(POWER_S * RATE_HZ)) + 1e-6
        step = functional.pad(turn, (1, 0)) / power
        fast = step - moving(step, round(TREMBLE_S * RATE_HZ))
        strength = power.mean(2, keepdim=True)
        share = strength / strength.sum(1, keepdim=True)
        whole, quick = ((part * share).sum(1, keepdim=True) for part in (step, fast))
        told = torch.cat([step, fast.abs().clamp(max=1), quick, quick.abs(), whole], 1)
        return told / (told.square().mean(2, keepdim=True) + 1e-8).sqrt()


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


def _check(radar: Tensor, channels: int) -> None:
    if radar.ndim != 3 or radar.shape[1] != channels:
        raise UsageError(f"Radar of shape {tuple(radar.shape)} was given.", f"Give (B, {channels}, T), I before Q.")


def _layer(kind: type[nn.Conv1d] | type[nn.ConvTranspose1d], inputs: int, outputs: int) -> nn.Module:
    return kind(inputs, outputs, KERNEL, padding=KERNEL // 2)


def _after(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm1d(channels), nn.ReLU()
