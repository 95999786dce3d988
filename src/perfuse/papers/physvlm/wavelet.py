"""WTB, the wavelet temporal block: every octave of time gets a gate of its own. RECONSTRUCTED.

The paper's abstract says "multi-scale time-frequency decomposition and adaptive filtering"; everything else is ours.
Undecimated, with Daubechies' 8-tap wavelet (1988): where octaves are weighted unequally, a decimated transform no
longer cancels its aliases, and leaks what this block is there to keep apart.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.nn.fourier import exporting

LOW = (
    -0.01059740178506903, 0.03288301166688520, 0.03084138183556076, -0.18703481171909309,
    -0.02798376941685985, 0.63088076792985890, 0.71484657055291570, 0.23037781330889650,
)  # fmt: skip
"""Daubechies' low-pass of four vanishing moments; the high-pass is its mirror."""
TAPS = len(LOW)
REFLECTED = 64
"""Samples mirrored at either end before the transform, which takes the series as a ring."""
SHORTEST = 128
"""Samples of the shortest series: with both mirrors, all filters then fit."""
GATES_PULSE = (-2.0, 0.0, 2.0, 2.0, -1.0, -3.0)
"""Where the gates of the pulse's block begin, D1 .. D5 and A5 at 30 Hz: 56 to 225 per minute are open. ASSUMED."""
GATES_BREATH = (-3.0, -3.0, -2.0, -1.0, 2.0, 2.0)
"""The same for breathing: below 56 per minute."""


def octaves(rate_hz: float) -> int:
    """Return how many octaves lie above 0.47 Hz: with 5 at 30 Hz, the fourth holds an adult's pulse."""
    return max(1, round(math.log2(rate_hz / 0.94)))


def opened(prior: tuple[float, ...], levels: int) -> tuple[float, ...]:
    """Return where gates begin for another number of octaves: the fastest are added or left out."""
    extra = levels + 1 - len(prior)
    return (prior[0],) * extra + prior if extra >= 0 else prior[-extra:]


def filters() -> tuple[Tensor, Tensor]:
    """Return low-pass and high-pass, float64, (8,), over sqrt 2 each: together they keep the energy."""
    low = torch.tensor(LOW, dtype=torch.float64)
    signs = torch.tensor([-1.0, 1.0] * (TAPS // 2), dtype=torch.float64)
    return low / math.sqrt(2), signs * low.flip(0) / math.sqrt(2)


@lru_cache(maxsize=16)
def responses(count: int, levels: int) -> Tensor:
    """Return the complex gains of all octaves over a ring, (levels + 1, count // 2 + 1); squares sum to 1."""
    turn = torch.arange(count // 2 + 1, dtype=torch.float64) * (2 * math.pi / count)
    taps = torch.arange(TAPS, dtype=torch.float64)

    def gain(kernel: Tensor, step: int) -> Tensor:
        angle = turn[:, None] * step * taps
        return torch.complex(angle.cos() @ kernel, -(angle.sin() @ kernel))

    low, high = filters()
    passed, found = torch.ones(count // 2 + 1, dtype=torch.complex128), []
    for level in range(levels):
        found.append(passed * gain(high, 2**level))
        passed = passed * gain(low, 2**level)
    return torch.stack([*found, passed])


def decompose(x: Tensor, levels: int) -> Tensor:
    """Split series (B, C, L, R), rings along L, into octaves (B, levels + 1, C, L, R), fastest first."""
    if not exporting():
        gains = _gains(x, levels)
        split: Tensor = torch.fft.irfft(torch.fft.rfft(x, dim=2)[:, None] * gains, n=x.shape[2], dim=3)
        return split
    low, high = (_kernel(taps.flip(0), x) for taps in filters())
    found = []
    for level in range(levels):
        reach = (TAPS - 1) * 2**level
        long = torch.cat([x[:, :, -reach:], x], 2)
        found.append(_along(long, high, level))
        x = _along(long, low, level)
    return torch.stack([*found, x], 1)


def recompose(bands: Tensor) -> Tensor:
    """Undo :func:`decompose`: (B, levels + 1, C, L, R) to (B, C, L, R)."""
    levels = bands.shape[1] - 1
    if not exporting():
        whole = (torch.fft.rfft(bands, dim=3) * _gains(bands, levels).conj()).sum(1)
        joined: Tensor = torch.fft.irfft(whole, n=bands.shape[3], dim=2)
        return joined
    low, high = (_kernel(taps, bands[:, 0]) for taps in filters())
    slow = bands[:, levels]
    for level in reversed(range(levels)):
        reach = (TAPS - 1) * 2**level
        fast = bands[:, level]
        slow = _along(torch.cat([slow, slow[:, :, :reach]], 2), low, level) + _along(
            torch.cat([fast, fast[:, :, :reach]], 2), high, level
        )
    return slow


def _kernel(taps: Tensor, like: Tensor) -> Tensor:
    return taps.to(like).reshape(1, 1, TAPS, 1).repeat(like.shape[1], 1, 1, 1)


def _along(x: Tensor, kernel: Tensor, level: int) -> Tensor:
    """Run one filter along time in every channel, its taps 2^level samples apart."""
    return functional.conv2d(x, kernel, dilation=(2**level, 1), groups=x.shape[1])


def _gains(like: Tensor, levels: int) -> Tensor:
    kind = torch.complex128 if like.dtype == torch.float64 else torch.complex64
    return responses(like.shape[-2], levels).to(like.device, kind)[:, None, :, None]


def mirrored(x: Tensor) -> Tensor:
    """Add :data:`REFLECTED` mirrored samples at both ends of the third axis."""
    return torch.cat([x[:, :, 1 : REFLECTED + 1].flip(2), x, x[:, :, -REFLECTED - 1 : -1].flip(2)], 2)


class Norm(nn.Module):
    """One mean of 0 and one spread of 1 a sample over channels, time and place; then a scale and a shift a channel.

    Group normalisation with one group; in exported graphs summed by axes, because onnxruntime adds up one by one, and
    a million float32 in a row lose five digits.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, T, R) normalised."""
        if not exporting():
            return functional.group_norm(x, 1, self.weight, self.bias, 1e-5)
        x = x - _mean(x)
        x = x / (_mean(x.square()) + 1e-5).sqrt()
        return x * self.weight[:, None, None] + self.bias[:, None, None]


def _mean(x: Tensor) -> Tensor:
    return x.mean(3, keepdim=True).mean(2, keepdim=True).mean(1, keepdim=True)


class Wavelet(nn.Module):
    """The block: octaves, a gate for each by how strong they are, shrinkage, a short filter, and back.

    Parameters
    ----------
    channels, levels : int
        Channels in and out; octaves.
    gates : sequence of float, (levels + 1,)
        Where the gates begin, as logits; 0 lets an octave pass as it is. Fastest octave first.
    """

    def __init__(self, channels: int, levels: int, gates: tuple[float, ...] | None = None) -> None:
        super().__init__()
        self.levels = levels
        count = channels * (levels + 1)
        hidden = max(16, channels // 2)
        self.before = Norm(channels)
        self.judge = nn.Sequential(nn.Linear(count, hidden), nn.GELU(), nn.Linear(hidden, count))
        last = self.judge[2]
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        start = torch.zeros(levels + 1) if gates is None else torch.tensor(gates)
        with torch.no_grad():
            last.bias.copy_(start.repeat_interleave(channels))  # type: ignore[operator]
        self.shrink = nn.Parameter(torch.full((count,), -6.0))
        self.short = nn.Parameter(torch.zeros(count, 1, 5, 1))
        self.still: Tensor
        self.register_buffer("still", torch.tensor([0.0, 0, 1, 0, 0]).reshape(1, 1, 5, 1), persistent=False)
        self.strength = nn.Parameter(torch.full((channels, 1, 1), 0.5))
        self.mix = nn.Sequential(
            Norm(channels), nn.Conv2d(channels, 2 * channels, 1), nn.GELU(), nn.Conv2d(2 * channels, channels, 1)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features like ``x`` (B, C, T, R), and gates (B, C, levels + 1), 0 to 2; T >= 128."""
        wave, gates = self.refined(self.before(x))
        y = x + self.strength * wave
        return y + self.mix(y), gates

    def refined(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``z`` with its octaves shrunk, filtered and weighted, and the gates."""
        count = z.shape[2]
        whole, gates = self._in_time(mirrored(z)) if exporting() else self._by_spectra(mirrored(z))
        return whole[:, :, REFLECTED : REFLECTED + count], gates

    def _in_time(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Do it with filters along time, rings of L samples (B, C, L, R), as exported graphs do."""
        channels, count, places = x.shape[1], x.shape[2], x.shape[3]
        octave = self.levels + 1
        bands = decompose(x, self.levels).flatten(1, 2)  # (B, octave * C, L, R)
        gates = self._judged(bands.square().mean(3).mean(2).reshape(-1, octave, channels))
        floor = functional.softplus(self.shrink)[:, None, None] * bands.abs().mean(2, keepdim=True)
        # towards 0 by the floor and no further; runtimes are faster at this than at two clamps
        bands = functional.relu(bands - floor) - functional.relu(-bands - floor)
        bands = torch.cat([bands[:, :, -2:], bands, bands[:, :, :2]], 2)
        bands = functional.conv2d(bands, self.short + self.still, groups=octave * channels)
        bands = bands * gates.flatten(1)[:, :, None, None]
        whole = recompose(bands.reshape(-1, octave, channels, count, places))
        return whole, gates.transpose(1, 2)

    def _by_spectra(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Do the same with spectra, which learning is faster with: all that is linear becomes one product there."""
        channels, count = x.shape[1], x.shape[2]
        octave = self.levels + 1
        kind = torch.complex128 if x.dtype == torch.float64 else torch.complex64
        gains = responses(count, self.levels).to(x.device, kind)  # (octave, F)
        lines: Tensor = Lines.apply(x.transpose(2, 3))  # type: ignore[no-untyped-call]  # (B, C, R, F): series side by side
        power = lines.real.square().mean(2) + lines.imag.square().mean(2)
        passed = gains.real.square() + gains.imag.square()
        gates = self._judged(((power * _counted(power, count)) @ passed.T).transpose(1, 2) / count**2)
        least = functional.softplus(self.shrink).reshape(octave, channels, 1, 1)
        turn = torch.arange(gains.shape[1], device=x.device, dtype=x.dtype) * (2 * math.pi / count)
        angle = turn * torch.arange(-2, 3, device=x.device, dtype=x.dtype)[:, None]
        taps = (self.short + self.still)[:, 0, :, 0].reshape(octave, channels, 5)
        short = torch.complex(taps @ angle.cos(), taps @ angle.sin())
        back = gates[:, :, :, None] * (short * gains.conj()[:, None])  # (B, octave, C, F)
        whole: Tensor = Octaves.apply(lines, gains, least, back, count)  # type: ignore[no-untyped-call]
        return torch.fft.irfft(whole, n=count, dim=3).transpose(2, 3), gates.transpose(1, 2)

    def _judged(self, energy: Tensor) -> Tensor:
        """Return the gates (B, octave, C) of mean squares (B, octave, C)."""
        told = (energy + 1e-6).log()
        told = (told - told.mean(1, keepdim=True)).flatten(1)
        gates: Tensor = 2 * torch.sigmoid(self.judge(told))
        return gates.reshape(energy.shape)


class Lines(torch.autograd.Function):
    """``torch.fft.rfft`` over the last axis; torch takes its gradient with a complex transform of full length."""

    @staticmethod
    def forward(ctx: Any, series: Tensor) -> Tensor:
        """Return the spectrum (..., L // 2 + 1)."""
        ctx.count = series.shape[-1]
        found: Tensor = torch.fft.rfft(series)
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Return the gradient of the series."""
        pairs = torch.view_as_real(grads[0])  # a quotient of complex numbers costs ten times as much
        lines = torch.view_as_complex(pairs / _counted(grads[0].real, ctx.count)[:, None])
        given: Tensor = torch.fft.irfft(lines, n=ctx.count, norm="forward")
        return given


def _counted(like: Tensor, count: int) -> Tensor:
    """Return how many lines of a whole spectrum each of a half one (..., F) stands for: 2, but for the ends."""
    twice = like.new_full((like.shape[-1],), 2.0)
    twice[0] = 1.0
    if count % 2 == 0:
        twice[-1] = 1.0
    return twice


class Octaves(torch.autograd.Function):
    """Split spectra into octaves, shrink each in time towards 0 by a share of its mean size, weigh and add them up.

    One sample and octave at a time, so that what is worked on stays near the processor; and with gradients by hand,
    in half the passes over memory that torch would make.
    """

    @staticmethod
    def forward(ctx: Any, lines: Tensor, gains: Tensor, least: Tensor, back: Tensor, count: int) -> Tensor:
        """Return spectra like ``lines``.

        Parameters
        ----------
        lines : Tensor, complex, (B, C, R, F)
            Of series of ``count`` samples.
        gains : Tensor, complex, (K, F)
            Of the octaves; no gradient.
        least : Tensor, (K, C, 1, 1)
            By which share of its mean size each octave is shrunk.
        back : Tensor, complex, (B, K, C, F)
            Weights of the shrunk octaves.
        """
        whole, kept = torch.zeros_like(lines), []
        for one, out, weights in zip(lines, whole, back):
            for k, gain in enumerate(gains):
                band = torch.fft.irfft(one * gain, n=count)
                left = band.abs()
                size = left.mean(-1, keepdim=True)
                left = torch.copysign(left.sub_(least[k] * size).clamp_(min=0), band)
                seen = torch.fft.rfft(left)
                out.addcmul_(seen, weights[k, :, None])
                kept += [band.sign_(), left.sign_(), size, seen]
        ctx.count = count
        ctx.save_for_backward(gains, least, back, *kept)
        return whole

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of lines, shares and weights."""
        gains, least, back, *kept = ctx.saved_tensors
        given, count = grads[0], ctx.count
        twice = _counted(gains.real, count)
        into, onto = back.conj() / twice, gains.conj() * (twice / count)
        lines, shares, weights = torch.zeros_like(given), torch.zeros_like(least), torch.empty_like(back)
        octaves = iter(zip(kept[::4], kept[1::4], kept[2::4], kept[3::4]))
        for b, one in enumerate(given):
            turned = one.conj().resolve_conj()
            for k, share in enumerate(least):
                side, through, size, seen = next(octaves)
                weights[b, k] = (turned * seen).sum(1).conj()
                along = torch.fft.irfft(one * into[b, k, :, None], n=count, norm="forward").mul_(through)
                taken = -along.sum(-1, keepdim=True)  # of the floor
                along.mul_(through).addcmul_(side, share * taken / count)  # 0 where a sample was taken to 0
                shares[k] += (taken * size).sum(1, keepdim=True)
                lines[b].addcmul_(torch.fft.rfft(along), onto[k])
        return lines, None, shares, weights, None


class Plain(nn.Module):
    """What takes the place of the block where it is taken out, to compare: one filter of a second a channel.

    Five taps, so far apart that they reach over a second: without octaves, no wider view. ASSUMED.
    """

    def __init__(self, channels: int, levels: int, rate_hz: float = 30.0) -> None:
        super().__init__()
        apart = max(1, round(rate_hz / 5))
        self.levels = levels
        self.before = Norm(channels)
        self.along = nn.Conv2d(
            channels, channels, (5, 1), padding=(2 * apart, 0), dilation=(apart, 1), groups=channels
        )
        self.mix = nn.Sequential(
            Norm(channels), nn.Conv2d(channels, 2 * channels, 1), nn.GELU(), nn.Conv2d(2 * channels, channels, 1)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features like ``x`` (B, C, T, R), and gates (B, C, levels + 1) that are all 1."""
        y = x + self.along(self.before(x))
        return y + self.mix(y), x.new_ones(x.shape[0], x.shape[1], self.levels + 1)
