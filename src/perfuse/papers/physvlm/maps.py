"""Grid maps of known rates, made in a moment: what teachers learn captions from, and what tests measure with.

Much plainer than :mod:`perfuse.synth`: cells of a face that beat and breathe, a slow drift, noise, and cells in which
nothing is to be seen. All of it is ASSUMED. And maps as pictures, which is how teachers see them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from perfuse.papers.physvlm.cells import SIDE, about, pos, rising

COLOUR = (150.0, 112.0, 92.0)
"""Levels of a face's red, green and blue."""
BLOOD = (0.35, 1.0, 0.6)
"""How much of the pulse each colour shows, of green's."""
PULSES = (45.0, 220.0)
BREATHS = (8.0, 90.0)
"""Rates per minute that maps have by default."""
LEAST = (1e-5, 1e-3, 1e-3)
"""What a row of each colour must move by at least to be seen: shares of the colours, levels, levels squared."""


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """B clips and what is true of them.

    Attributes
    ----------
    clip : Tensor, (B, 3, T, 8, 8)
        Levels.
    pulse, respiration : Tensor, (B, T)
        Rising with blood volume and lung volume.
    heart_rate, respiratory_rate : Tensor, (B,)
        Per minute.
    """

    clip: Tensor
    pulse: Tensor
    respiration: Tensor
    heart_rate: Tensor
    respiratory_rate: Tensor


def made_maps(
    batch: int,
    frames: int = 256,
    *,
    generator: torch.Generator,
    rate_hz: float = 30.0,
    pulses: tuple[float, float] = PULSES,
    breaths: tuple[float, float] = BREATHS,
    noise: float = 0.5,
) -> Maps:
    """Make maps.

    Parameters
    ----------
    batch, frames : int
        How many, how long.
    generator : torch.Generator
        Decides everything.
    rate_hz : float
        Samples per second.
    pulses, breaths : (float, float)
        Rates per minute are drawn between these; breathing is never faster than 0.6 of the pulse.
    noise : float
        Spread of the noise of a cell, in levels; a pulse is about 0.5 of green.
    """

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(batch, *shape, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(batch, *shape, generator=generator)

    time = torch.arange(frames) / rate_hz
    heart = draw(*pulses)
    lungs = torch.minimum(draw(*breaths), 0.6 * heart)
    breath_turn = 2 * math.pi * (lungs[:, None] / 60 * time + draw(0, 1, 1))
    breath = torch.sin(breath_turn) + 0.15 * torch.sin(2 * breath_turn + 1)
    # breathing moves the rate a little, the strength a little, and the level
    sway = draw(0, 0.25, 1) * torch.sin(breath_turn + 1)
    turn = 2 * math.pi * (heart[:, None] / 60 * time + draw(0, 1, 1)) + sway
    beat = torch.sin(turn) + draw(0.1, 0.5, 1) * torch.sin(2 * turn + draw(0, 2, 1))
    pulse = beat * (1 + draw(0, 0.25, 1) * breath)
    clip = torch.tensor(COLOUR).reshape(3, 1, 1, 1) * (1 + 0.1 * normal(1, 1, SIDE, SIDE))
    face = _face() * draw(0.5, 1.5, SIDE, SIDE) * (draw(0, 1, SIDE, SIDE) > 0.15)
    colours = torch.tensor(BLOOD).reshape(3, 1, 1, 1)
    strength = draw(0.3, 0.8, 1, 1, 1, 1)
    clip = clip - strength * colours * (pulse[:, None, :, None, None] * face[:, None, None])
    rising = draw(0.3, 1.2, 1, 1, 1, 1) * breath[:, None, :, None, None] * draw(0.2, 1, 1, 1, SIDE, SIDE)
    drift = normal(frames).cumsum(1) * draw(0.0, 0.05, 1)
    clip = clip + rising + drift[:, None, :, None, None] + noise * normal(3, frames, SIDE, SIDE)
    return Maps(clip.clamp(0, 255), pulse, breath, heart, lungs)


def _face() -> Tensor:
    """Return how much skin is in each cell, (8, 8)."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, SIDE), torch.linspace(-1, 1, SIDE), indexing="ij")
    return ((1.2 - (x**2 / 0.7 + y**2)) / 0.6).clamp(0, 1)


def picture(clip: Tensor, rate_hz: float = 30.0) -> Tensor:
    """Return maps as teachers see them: a row a cell, column by column of the face; time runs to the right.

    One cell alone hardly shows a pulse, so every row is the mean of the cells about it. Red is the pulse as POS sees
    it, upside down, green brightness, blue what rises.

    Parameters
    ----------
    clip : Tensor, (B, 3, T, 8, 8)
        Levels; NaN where a cell has none.
    rate_hz : float
        Samples per second.

    Returns
    -------
    Tensor, (B, 3, 64, T)
        Every row and colour less its line, between 0 and 1, from its least to its most; 0.5 where nothing moves.
    """
    whole = torch.isfinite(clip).all(2).all(1)
    clip = torch.where(whole[:, None, None], clip, 0.0)
    mean = clip.mean(2, keepdim=True)
    up = rising(clip - mean, mean[:, :, 0], whole)[:, None]
    near = about(clip, whole)
    shown = torch.cat([-pos(near, rate_hz), near.mean(1, keepdim=True), about(up, whole)], 1)
    rows = shown.transpose(3, 4).flatten(3).transpose(2, 3)
    time = torch.linspace(-1, 1, rows.shape[3], device=rows.device, dtype=rows.dtype)
    rows = rows - rows.mean(3, keepdim=True)
    rows = rows - (rows * time).mean(3, keepdim=True) / time.square().mean() * time
    low, high = rows.amin(3, keepdim=True), rows.amax(3, keepdim=True)
    least = torch.tensor(LEAST).to(rows)[:, None, None]
    return torch.where(high - low > least, (rows - low) / (high - low).clamp(min=1e-9), 0.5)


def replayed(rows: Tensor, speed: Tensor) -> Tensor:
    """Play pictures (B, 3, R, T) at other speeds (B,): what a faster replay lacks is mirrored at the end."""
    count = rows.shape[3]
    at = torch.arange(count, device=rows.device) * speed[:, None]
    at = (count - 1) - ((count - 1) - at % (2 * (count - 1))).abs()
    low = at.floor().long().clamp(0, count - 2)
    part = (at - low).to(rows)[:, None, None]
    index = low[:, None, None].expand(rows.shape)
    return rows.gather(3, index) * (1 - part) + rows.gather(3, index + 1) * part


def pair(rows: Tensor, speed: Tensor) -> Tensor:
    """Return pictures whose left half is the map, and whose right half is the same at other speeds (B,).

    The left half then oscillates ``1 / speed`` times as fast.
    """
    half = rows.shape[3] // 2
    return torch.cat([rows[..., :half], replayed(rows, speed)[..., :half]], 3)
