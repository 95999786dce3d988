"""FASA, frequency-aligned spatial attention: find the rhythm of the picture, look where it beats, listen there only.

RECONSTRUCTED: the abstract says "frequency-aligned band-pass selection within rhythmically prominent regions". The
nearest public relative attends with band-passed features (FreqPhys, 2026). Every step is differentiable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from perfuse.nn.fourier import bins, filtered, powers

STEP_HZ = 1 / 60
"""Spectra are read once per minute, whatever the clip's length, so that what is learnt of rates fits all lengths."""
PADDED = 4
"""Prominence is counted as on an FFT padded to four times the length."""
KNOTS = 32
"""Of the learnt prior over rates, even in their logarithm."""
PROBES = 8
"""Combinations of channels whose spectra are read."""
EXCLUDED_HZ = 0.117
"""Half width of what the pulse takes from the breathing's spectrum: one bin of 8.5 s."""
HARMONIC = 0.5
"""Weight of the double of the pulse's rate in what passes."""
OUT = 1e4
"""Taken off the logit of a dead cell: no share is left of it, and all cells may be dead."""


@dataclass(frozen=True, slots=True, eq=False)
class Focus:
    """What one attention found.

    Attributes
    ----------
    rhythm : Tensor, (B, F)
        Where the rhythm is: a distribution over :attr:`FrequencyAttention.grid`.
    places : Tensor, (B, rows, cols)
        Where it is seen; mean 1.
    passed : Tensor, (B, T // 2 + 1)
        What passes, 0 to 1, by frequency.
    """

    rhythm: Tensor
    places: Tensor
    passed: Tensor


class FrequencyAttention(nn.Module):
    """The block.

    Parameters
    ----------
    channels : int
        In and out.
    band_hz : (float, float)
        Rates it looks for.
    width_hz : float
        Spread of what passes around them; never less than one bin of the clip.
    rate_hz : float
        Samples per second.
    floor : float
        What passes anyway.
    harmonic : float
        Weight of the double of each rate in what passes.
    centre_hz : float, optional
        Where the prior over rates begins to be largest; without it the prior begins flat.
    """

    def __init__(
        self,
        channels: int,
        band_hz: tuple[float, float],
        width_hz: float,
        *,
        rate_hz: float = 30.0,
        floor: float = 0.1,
        harmonic: float = 0.0,
        centre_hz: float | None = None,
    ) -> None:
        super().__init__()
        self.width_hz, self.rate_hz, self.floor, self.harmonic = width_hz, rate_hz, floor, harmonic
        low, high = (round(edge / STEP_HZ) for edge in band_hz)
        self.grid: Tensor
        self.register_buffer("grid", torch.arange(low, high + 1) * STEP_HZ, persistent=False)
        knots = torch.linspace(math.log(band_hz[0]), math.log(band_hz[1]), KNOTS)
        self.between: Tensor
        self.register_buffer("between", _between(self.grid.log(), knots), persistent=False)
        start = torch.zeros(KNOTS) if centre_hz is None else -0.5 * ((knots - math.log(centre_hz)) / 0.6) ** 2
        self.prior = nn.Parameter(start)
        self.probe = nn.Conv2d(channels, PROBES, 1)
        self.context = nn.Conv2d(3, 1, 3, padding=1)
        nn.init.zeros_(self.context.weight)
        nn.init.zeros_(self.context.bias)  # type: ignore[arg-type]
        self.decided = nn.Parameter(torch.tensor(0.5).log())
        self.narrow = nn.Parameter(torch.tensor(0.1).log())
        self.strength = nn.Parameter(torch.full((channels, 1, 1), 0.5))

    def forward(self, x: Tensor, alive: Tensor, taken: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Focus]:
        """Return features like ``x``, and what was found.

        Parameters
        ----------
        x : Tensor, (B, C, T, rows * cols)
            The picture is square.
        alive : Tensor, bool, (B, rows * cols)
            Cells that may be looked at.
        taken : (Tensor, Tensor), optional
            Rhythm of the pulse and the grid it is on: what lies there is not breathing.
        """
        shares, prominence = self.spectra(x, taken)
        side = math.isqrt(x.shape[3])
        dead = torch.where(alive, 0.0, OUT).to(x)
        heard = torch.softmax(prominence / 0.05 - dead, 1)
        mean = (shares * heard[:, None]).sum(2)
        rhythm = torch.softmax((mean + 1e-12).log() * (-self.decided).exp() + self.between @ self.prior, 1)
        like = (shares * rhythm[:, :, None]).sum(1) / (_length(shares, 1)[:, 0] * _length(rhythm, 1))
        seen = torch.stack([_spread(x), like, prominence], 1)
        # of a dead cell they are rounding, and its neighbours look at them
        seen = torch.where(alive[:, None], seen, 0.0).reshape(-1, 3, side, side)
        logits = like * (-self.narrow).exp() + self.context(seen).flatten(1) - dead
        places = side**2 * torch.softmax(logits, 1)
        passed = self.passing(rhythm, x.shape[2])
        out = x + self.strength * places[:, None, None] * filtered(x, passed)
        return out, Focus(rhythm, places.reshape(-1, side, side), passed)

    def spectra(self, x: Tensor, taken: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Return how each cell's power is shared by rates (B, F, R), and how prominent its rhythm is (B, R)."""
        power = powers(self.probe(x), self.grid, self.rate_hz).sum(1)
        if taken is not None:
            rhythm, grid = taken
            apart = (self.grid[:, None] - grid) / EXCLUDED_HZ
            theirs = rhythm.detach() @ torch.exp(-0.5 * apart.square()).T
            power = power * (1 - theirs / theirs.amax(1, keepdim=True)).square()[:, :, None]
        shares = power / (power.sum(1, keepdim=True) + 1e-12)
        count = x.shape[2] * PADDED
        return shares, _length(shares, 1)[:, 0] * (self.rate_hz / (STEP_HZ * count)) ** 0.5

    def passing(self, rhythm: Tensor, count: int) -> Tensor:
        """Return what passes of every frequency of a clip of ``count`` samples, (B, count // 2 + 1)."""
        lines = bins(rhythm, count, self.rate_hz)
        width = torch.clamp(lines[1], min=self.width_hz)  # one bin at least
        near = torch.exp(-0.5 * ((lines[:, None] - self.grid) / width).square())
        if self.harmonic:
            near = near + self.harmonic * torch.exp(-0.5 * ((lines[:, None] - 2 * self.grid) / width).square())
        found = rhythm @ near.T
        return self.floor + (1 - self.floor) * found / found.amax(1, keepdim=True)


def _between(at: Tensor, knots: Tensor) -> Tensor:
    """Return the matrix (F, K) that interpolates linearly between knots."""
    place = (at - knots[0]) / (knots[1] - knots[0])
    return torch.clamp(1 - (place[:, None] - torch.arange(len(knots))).abs(), min=0)


def _length(x: Tensor, axis: int) -> Tensor:
    return (x.square().sum(axis, keepdim=True) + 1e-12).sqrt()


def _spread(x: Tensor) -> Tensor:
    """Return how much each cell changes, (B, R), mean over channels."""
    centred = x - x.mean(2, keepdim=True)
    return (centred.square().mean(2) + 1e-8).sqrt().mean(1)
