"""Spectra that losses look at, and how much of one lies where it should not. RECONSTRUCTED.

Spectra are of the Hann-windowed wave, zero-padded fourfold, and sum to 1: (B, F) from 0 to half the rate. Without the
window 4.9 per cent of a tone that falls between bins lies far from it at 8.5 s, with it 0.05.
"""

from __future__ import annotations

import torch
from torch import Tensor

from perfuse.nn.fourier import bins, hann
from perfuse.nn.losses import full

PADDED = 4
FLAT = 1e-6
"""Added to the power of every bin of a wave with spread 1: a flat wave has an even spectrum."""


def shares(wave: Tensor) -> Tensor:
    """Return the spectrum of waves (B, T), (B, F), which sums to 1; even for a flat wave."""
    wave = full(wave)
    count = wave.shape[1]
    centred = (wave - wave.mean(1, keepdim=True)) * hann(wave, count)
    spread = (centred.square().mean(1, keepdim=True) + 1e-12).sqrt()
    power = torch.fft.rfft(centred / spread, n=PADDED * count, dim=1).abs().square() / count + FLAT
    share: Tensor = power / power.sum(1, keepdim=True)
    return share


def lines(wave: Tensor, rate_hz: float) -> Tensor:
    """Return the frequencies of :func:`shares`, Hz, (F,)."""
    return bins(full(wave), PADDED * wave.shape[1], rate_hz)


def within(hertz: Tensor, band_hz: tuple[float, float]) -> Tensor:
    """Return which frequencies lie in a band, (F,) bool."""
    return (hertz >= band_hz[0]) & (hertz <= band_hz[1])


def soft_peak(share: Tensor, hertz: Tensor, band_hz: tuple[float, float]) -> Tensor:
    """Return the rate of the highest peak in a band, Hz, (B,), as a mean over a sharp softmax: it has a gradient."""
    inside = within(hertz, band_hz)
    power = share[:, inside]
    weights = torch.softmax(20 * power / power.amax(1, keepdim=True), 1)
    return weights @ hertz[inside]


def near(hertz: Tensor, rate: Tensor, width: float) -> Tensor:
    """Return 1 within ``width`` of rates (B,), Hz, and a bell beyond: (B, F).

    The top is flat: a bell alone counts 13.7 per cent of a perfect tone as leaked, only because windows have width.
    """
    beyond = ((hertz - rate[:, None]).abs() - width).clamp(min=0)
    return torch.exp(-0.5 * (beyond / (width / 2)).square())


def lost(share: Tensor, hertz: Tensor, rate: Tensor, width: float, *, double: bool) -> Tensor:
    """Return the share of the power that is not at the rate (B,), nor, if asked, at its double, (B,)."""
    at = near(hertz, rate, width)
    if double:
        at = torch.maximum(at, near(hertz, 2 * rate, width))
    return 1 - (share * at).sum(1)


def strayed(share: Tensor, hertz: Tensor, other: Tensor, width: float, *, double: bool) -> Tensor:
    """Return the share of the power at the rate of the other wave (B,), and, if asked, at its double, (B,)."""
    at = near(hertz, other, width)
    if double:
        at = torch.maximum(at, near(hertz, 2 * other, width))
    return (share * at).sum(1)


def apart(one: Tensor, other: Tensor, width: float) -> Tensor:
    """Return how far two rates (B,), Hz, can be told apart: 0 where they are the same, near 1 from 4 widths on."""
    return 1 - torch.exp(-0.5 * ((one - other) / (2 * width)).square())


def envelope(pulse: Tensor, rate_hz: float, band_hz: tuple[float, float]) -> Tensor:
    """Return how strong the pulse is from moment to moment: the size of its analytic signal within a band, (B, T)."""
    pulse = full(pulse)
    count = pulse.shape[1]
    inside = within(bins(pulse, count, rate_hz), band_hz)
    half = torch.fft.rfft(pulse - pulse.mean(1, keepdim=True), dim=1) * inside
    # negative frequencies stay 0: twice the real signal, and its quarter turn
    whole = torch.zeros(len(pulse), count, dtype=half.dtype, device=pulse.device)
    whole[:, : half.shape[1]] = 2 * half
    analytic = torch.fft.ifft(whole, dim=1)
    strength: Tensor = (analytic.real.square() + analytic.imag.square() + 1e-8).sqrt()
    return strength


def divergence(wanted: Tensor, given: Tensor) -> Tensor:
    """Return Kullback and Leibler's divergence of distributions (B, K), (B,); never below 0 but for rounding."""
    wanted = wanted.clamp(min=1e-9)
    return (wanted * (wanted.log() - given.clamp(min=1e-9).log())).sum(1)


def difference(one: Tensor, other: Tensor) -> Tensor:
    """Return Jensen and Shannon's divergence of distributions (B, K), 0 to log 2, (B,)."""
    middle = 0.5 * (one + other)
    return 0.5 * (divergence(one, middle) + divergence(other, middle))
