"""The network: statistics per cell give weights, colours are averaged with them, a temporal network reads the pulse.

Averaging stays linear: a single cell has a pulse of a tenth of a per cent under noise as large, and a non-linearity
before the average lets the noise in. Everything that is measured of a cell is relative to its clip, so brightness,
camera and skin tone hardly matter.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from perfuse.nn.traces import EPS, moving, named, spread

SLOW_S = 2.0
"""What moves slower than this is light, not pulse."""
FEATURES = 21
DARK = 24.0
"""Levels; darker cells carry noise and codec artefacts, and may not be chosen for it."""
LINES = torch.arange(38.0, 232.0, 2.0)
"""Beats a minute at which a wave is asked for its strongest line."""


class Blend(nn.Module):
    """Maps clips (B, 3, T, rows, cols), 0..255, to ``pulse`` (B, T), ``quality`` (B,), a logit, and ``attention``.

    Attention is the mean of the weightings, (B, rows, cols), 0 or more, sum 1: where the pulse was read.

    Parameters
    ----------
    rows, cols : int
        Cells of the grid.
    rate_hz : float
        Samples per second.
    maps : int
        Weightings of the face that are learnt side by side.
    width : int
        Channels of the temporal network.
    dilations : sequence of int
        Of its residual layers; (1, ..., 32) see 4.4 s to either side at 30 Hz.
    """

    def __init__(
        self,
        rows: int = 9,
        cols: int = 9,
        rate_hz: float = 30.0,
        maps: int = 8,
        width: int = 40,
        dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32),
    ) -> None:
        super().__init__()
        self.rate_hz, self.maps = rate_hz, maps
        y, x = torch.meshgrid(torch.linspace(-1, 1, rows), torch.linspace(-1, 1, cols), indexing="ij")
        place = torch.stack([x.abs(), y, x**2 + y**2]).flatten(1)
        self.place: Tensor
        self.register_buffer("place", place, persistent=False)
        self.judge = nn.Sequential(nn.Linear(FEATURES, 32), nn.ELU(), nn.Linear(32, maps))
        self.enter = nn.Conv1d(8 * maps, width, 7, padding=3)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv1d(width, width, 5, padding=2 * d, dilation=d), nn.GroupNorm(4, width), nn.ELU())
            for d in dilations
        )
        self.leave = nn.Conv1d(width, 1, 1)
        self.trust = nn.Sequential(nn.Linear(2 * width + 3 + SIGNS, 24), nn.ELU(), nn.Linear(24, 1))

    def forward(self, clip: Tensor) -> dict[str, Tensor]:
        """Return ``pulse``, ``quality`` and ``attention``."""
        fast, weights = self.averaged(clip)
        traces = torch.einsum("bctn,bkn->bkct", fast, weights)
        known = named(traces, self.rate_hz)
        shared = traces / (spread(traces, (2, 3)) + EPS)
        single = traces / (spread(traces, (3,)) + EPS)
        hidden = self.enter(torch.cat([shared, single, known], dim=2).flatten(1, 2))
        for layer in self.layers:
            hidden = hidden + layer(hidden)
        pulse = self.leave(hidden)[:, 0]
        # what is judged must not bend the wave: no gradient leads back from here
        told = [x.detach() for x in (hidden, pulse, known, fast, weights)]
        attention = weights.mean(dim=1).reshape(-1, *clip.shape[3:])
        return {"pulse": pulse, "quality": self._quality(*told), "attention": attention}

    def averaged(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log colours of all cells less their slow part (B, 3, T, cells), and weights (B, maps, cells)."""
        cells = clip.clamp(min=0).flatten(3)  # (B, 3, T, N)
        logs = torch.log(cells + 2.0)
        logs = logs - logs.mean(2, keepdim=True)  # changes no difference, and 32 bits keep more of small ones
        slow = moving(logs, round(SLOW_S * self.rate_hz) // 2, 2)
        fast = logs - slow
        mean = cells.mean(dim=2)  # (B, 3, N)
        weights = self._weights(fast, slow, mean)
        return fast, weights

    def _weights(self, fast: Tensor, slow: Tensor, mean: Tensor) -> Tensor:
        steps = fast[:, :, 1:] - fast[:, :, :-1]
        restless, rough, drifting = (torch.log(spread(x, (2,)).squeeze(2) + 1e-5) for x in (fast, steps, slow))
        told = [size - size.mean(dim=(1, 2), keepdim=True) for size in (restless, rough, drifting)]
        told.append(restless[:, 1:2] + 5.0)
        told.append(rough[:, 1:2] + 5.0)
        grey = mean.mean(dim=1, keepdim=True)
        told.append(mean[:, 0:1] / (grey + 5.0))
        told.append(mean[:, 2:3] / (grey + 5.0))
        told.append(grey / 128.0)
        told.append(torch.relu(told[0]))  # what is restless beyond the rest moves, and is left out at once
        told.append(torch.relu(told[1]).mean(dim=1, keepdim=True))
        features = torch.cat([*told, self.place.expand(mean.shape[0], -1, -1)], dim=1)
        logits = self.judge(features.transpose(1, 2)).transpose(1, 2)
        dark = torch.relu(DARK - grey) / DARK
        return torch.softmax(logits - 6.0 * dark, dim=2)

    def _quality(self, hidden: Tensor, pulse: Tensor, known: Tensor, fast: Tensor, weights: Tensor) -> Tensor:
        """Judge the answer: by what the network saw, how much its wave is like POS and CHROM, and what blood does."""
        wave = pulse - pulse.mean(dim=1, keepdim=True)
        wave = wave / (wave.pow(2).mean(dim=1, keepdim=True).sqrt() + EPS)
        alike = (known * wave[:, None, None]).mean(dim=3)  # (B, maps, 2)
        pooled = [hidden.mean(dim=2), spread(hidden, (2,)).squeeze(2), alike.mean(dim=1)]
        rough = (wave[:, 1:] - wave[:, :-1]).pow(2).mean(dim=1, keepdim=True)
        told = torch.cat([*pooled, rough, *_blood(wave, fast, weights), *_line(wave, self.rate_hz)], dim=1)
        logit: Tensor = self.trust(told)
        return logit[:, 0]


SIGNS = 9
"""What :func:`_blood` and :func:`_line` tell."""


def _blood(wave: Tensor, fast: Tensor, weights: Tensor) -> list[Tensor]:
    """Tell where and in which colours the wave (B, T) is: blood has a colour, a lamp shines on the wall as well."""
    share = weights.mean(dim=1, keepdim=True)  # (B, 1, N)
    size = torch.einsum("bctn,bt->bcn", fast, wave) / wave.shape[1]  # how much of the wave is in a cell
    here, everywhere = (size * share).sum(dim=2), size.mean(dim=2)  # (B, 3)
    strength = here.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-5
    green = size[:, 1]
    coherent = here[:, 1:2] / ((green.pow(2) * share[:, 0]).sum(dim=1, keepdim=True).sqrt() + 1e-5)
    beyond = torch.log((everywhere.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-5) / strength)
    unrest = spread((fast * share[:, :, None]).sum(dim=3), (2,)).squeeze(2).pow(2).sum(dim=1, keepdim=True).sqrt()
    return [here / strength, torch.log(strength) + 6.0, coherent, beyond, strength / (unrest + 1e-5)]


def _line(wave: Tensor, rate_hz: float) -> list[Tensor]:
    """Tell how much of the power of waves (B, T) the strongest line holds, and how evenly the lines share it."""
    count = wave.shape[1]
    times = torch.arange(count, device=wave.device, dtype=wave.dtype)
    taper = 0.5 - 0.5 * torch.cos(2 * torch.pi * (times + 0.5) / count)
    angle = 2 * torch.pi / 60.0 / rate_hz * LINES.to(wave)[:, None] * times
    power = ((wave * taper) @ torch.cos(angle).T) ** 2 + ((wave * taper) @ torch.sin(angle).T) ** 2
    power = power / (power.sum(dim=1, keepdim=True) + 1e-9)
    return [10.0 * power.amax(dim=1, keepdim=True), -(power * torch.log(power + 1e-9)).sum(dim=1, keepdim=True) / 4.0]
