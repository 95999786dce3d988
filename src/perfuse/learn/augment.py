"""Changes to clips that no answer should depend on, and replay at other speeds, which changes the answer with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from perfuse.learn.recipe import Augment
from perfuse.synth.batch import Batch
from perfuse.synth.camera.codec import compress

SCALE = 4.0
"""Pixels of a camera's picture in one of a clip: codecs are made for the former. ASSUMED, a face of 150 in 36."""

VECTOR = 3
"""Axes of lessons (B, 1, D) that are about a clip as a whole: no part of it, and no mirror image, has another."""


def cut(batch: Batch, length: int, generator: torch.Generator) -> Batch:
    """Take ``length`` samples of every clip, each at a place of its own."""
    count = batch.clip.shape[2]
    if not length or length == count:
        return batch
    starts = torch.randint(0, count - length + 1, (len(batch.clip),), generator=generator).tolist()
    places = torch.tensor(starts)[:, None] + torch.arange(length)
    rows = torch.arange(len(starts))[:, None]

    def part(series: Tensor) -> Tensor:
        return series[rows, places]

    clip = torch.stack([clip[:, s : s + length] for clip, s in zip(batch.clip, starts)])
    radar = None if batch.radar is None else torch.stack([r[:, s : s + length] for r, s in zip(batch.radar, starts)])
    taught = batch.taught and {
        name: said if said.ndim == VECTOR else torch.stack([row[s : s + length] for row, s in zip(said, starts)])
        for name, said in batch.taught.items()
    }
    return replace(
        batch,
        clip=clip,
        taught=taught,
        pulse=part(batch.pulse),
        contact=part(batch.contact),
        contact_valid=part(batch.contact_valid),
        respiration=part(batch.respiration),
        radar=radar,
    )


def augment(batch: Batch, how: Augment, generator: torch.Generator) -> Batch:
    """Return the batch changed by chance; the generator decides, on the CPU, so that devices agree."""
    clip, count = batch.clip, len(batch.clip)

    def chance(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator).to(clip.device)

    def spread(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(clip.device)

    if how.flip:
        turned = chance(count) < how.flip
        clip = torch.where(turned[:, None, None, None, None], clip.flip(4), clip)
        if batch.taught:
            batch = replace(batch, taught={name: _turned(said, turned) for name, said in batch.taught.items()})
    if how.gain or how.tint:
        factor = torch.exp(how.gain * spread(count, 1) + how.tint * spread(count, 3))
        clip = (clip * factor[:, :, None, None, None]).clamp(0, 255)
    if how.light:
        course = _wandering(spread(count, 1, clip.shape[2]))[:, :, :, None, None]
        clip = (clip * torch.exp(how.light * chance(count, 1, 1, 1, 1) * course)).clamp(0, 255)
    if how.motion:
        way = _wandering(spread(count, 2, clip.shape[2])).clamp(-2, 2) / 2
        clip = _swayed(clip, how.motion * chance(count, 1, 1) * way)
    if any(how.beats):
        odds = torch.where(torch.isfinite(batch.heart_rate.to(clip.device)), *how.beats)
        clip = _lamps(clip, batch.rate_hz, (chance(count) < odds).float(), chance, spread)
        clip = _nods(clip, batch.rate_hz, (chance(count) < odds).float(), chance, spread)
    if how.compression[0] != how.compression[1]:
        low, high = how.compression
        clip = _compressed(clip, low + (high - low) * chance(count))
    if how.noise:
        size = how.noise * chance(count, 1, 1, 1, 1)
        clip = clip + size * spread(*clip.shape)
    batch = replace(batch, clip=clip)
    low, high = how.speed
    if low != high or low != 1.0:
        batch = _replayed(batch, low * (high / low) ** chance(count))
    return batch


Draw = Callable[..., Tensor]
BEATS_HZ = (0.6, 3.5)
LAMP, NOD = (5e-4, 0.02), (0.005, 0.25)
"""Least and most of what a lamp swings (logarithm of light) and of what a head nods (cells or pixels). ASSUMED, after
the amplitudes with which a prototype of ours learnt to mistrust both."""


def _lamps(clip: Tensor, rate_hz: float, lit: Tensor, chance: Draw, spread: Draw) -> Tensor:
    """Shine a lamp that beats on clips where ``lit`` (B,) is 1: nearly grey, stronger on one side."""
    count, _, frames, height, width = clip.shape
    swing = lit * _between(LAMP, chance(count))
    tint = 1 + 0.25 * spread(count, 3) * (chance(count, 1) < 0.6)
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    side = 0.5 * spread(count, 2, 1, 1)
    place = (1 + side[:, 0] * x.to(clip.device) + side[:, 1] * y.to(clip.device)).clamp(min=0)
    wave = _beating(count, frames, rate_hz, chance, clip)
    shape = (count, 3, 1, 1, 1), (count, 1, frames, 1, 1), (count, 1, 1, height, width)
    light = tint.view(shape[0]) * (swing[:, None] * wave).view(shape[1]) * place.view(shape[2])
    return (clip * torch.exp(light)).clamp(0, 255)


def _nods(clip: Tensor, rate_hz: float, moves: Tensor, chance: Draw, spread: Draw) -> Tensor:
    """Let the picture nod where ``moves`` (B,) is 1."""
    if not moves.any():
        return clip
    count, frames = len(clip), clip.shape[2]
    wave = _beating(count, frames, rate_hz, chance, clip)
    way = spread(count, 2)
    way = way / (way.norm(dim=1, keepdim=True) + 1e-9)
    return _swayed(clip, (moves * _between(NOD, chance(count)))[:, None, None] * way[:, :, None] * wave[:, None])


def _beating(count: int, frames: int, rate_hz: float, chance: Draw, like: Tensor) -> Tensor:
    """Return waves (B, T), -1 to 1 or so, with a second harmonic, whose rate drifts by up to 10 %."""
    rate = _between(BEATS_HZ, chance(count, 1))
    times = torch.arange(frames, device=like.device) / rate_hz
    drift = 0.1 * (2 * chance(count, 1) - 1) * times / times[-1]
    phase = 2 * torch.pi * (rate * times * (1 + drift / 2) + chance(count, 1))
    return torch.sin(phase) + 0.5 * chance(count, 1) * torch.sin(2 * phase + 2 * torch.pi * chance(count, 1))


def _between(ends: tuple[float, float], share: Tensor) -> Tensor:
    """Return values between two, even in their logarithm."""
    return ends[0] * (ends[1] / ends[0]) ** share


def _wandering(steps: Tensor) -> Tensor:
    """Sum up steps (..., T) to a walk with mean 0 and spread 1."""
    walk = steps.cumsum(-1)
    walk = walk - walk.mean(-1, keepdim=True)
    return walk / (walk.std(-1, correction=0, keepdim=True) + 1e-9)


def _swayed(clip: Tensor, way: Tensor) -> Tensor:
    """Move every frame of (B, 3, T, H, W) by ``way`` (B, 2, T) pixels, right and down; bilinear, edges repeated."""
    batch, _, frames, height, width = clip.shape
    half = torch.tensor([width / 2, height / 2], device=clip.device)
    still = torch.eye(2, 3, device=clip.device).expand(batch * frames, 2, 3).clone()
    still[:, :, 2] = -way.transpose(1, 2).flatten(0, 1) / half
    grid = functional.affine_grid(still, [batch * frames, 3, height, width], align_corners=False)
    pictures = clip.transpose(1, 2).flatten(0, 1)
    moved = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    return moved.view(batch, frames, 3, height, width).transpose(1, 2)


def _compressed(clip: Tensor, strength: Tensor) -> Tensor:
    """Pass (B, 3, T, H, W) through the stand-in for H.264, which wants frames before colours."""
    coded = compress(clip.transpose(1, 2), strength.cpu().double().numpy(), scale=SCALE)
    return torch.as_tensor(coded).transpose(1, 2).to(clip.dtype)


def _turned(said: Tensor, turned: Tensor) -> Tensor:
    """Mirror the maps (B, T, h, w) of mirrored clips; series (B, T) and vectors (B, 1, D) have no sides."""
    return said if said.ndim <= VECTOR else torch.where(turned[:, None, None, None], said.flip(3), said)


def _replayed(batch: Batch, speed: Tensor) -> Batch:
    """Play each clip faster or slower within its length: what a faster replay lacks is mirrored at the end."""
    count = batch.clip.shape[2]
    at = torch.arange(count, device=speed.device) * speed[:, None]
    at = (count - 1) - ((count - 1) - at % (2 * (count - 1))).abs()
    low = at.floor().long().clamp(0, count - 2)
    part = at - low

    def moved(series: Tensor) -> Tensor:  # (B, ..., T) with T last
        shape = (len(series), *[1] * (series.ndim - 2), count)
        index = low.view(shape).expand(series.shape)
        weight = part.view(shape).to(series.dtype)
        placed: Tensor = torch.gather(series, -1, index) * (1 - weight) + torch.gather(series, -1, index + 1) * weight
        return placed

    clip = moved(batch.clip.movedim(2, -1)).movedim(-1, 2)
    # where a replay turns round, breath and pulse run backwards: only slower replays are whole
    return replace(
        batch,
        clip=clip,
        pulse=moved(batch.pulse),
        contact=moved(batch.contact),
        contact_valid=moved(batch.contact_valid.to(clip.dtype)) > 0.99,
        respiration=moved(batch.respiration),
        radar=None if batch.radar is None else moved(batch.radar),
        heart_rate=batch.heart_rate * speed,
        respiratory_rate=batch.respiratory_rate * speed,
    )
