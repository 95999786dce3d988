"""Filters and spectra along time that also run where there is no FFT.

While learning, FFTs are the fastest. In an exported graph their speed depends on the runtime and on the length, so
:func:`filtered` becomes one product of matrices there, which gives the same to rounding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def exporting() -> bool:
    """Whether torch is writing a graph down rather than computing."""
    return bool(torch.compiler.is_exporting())


def bins(like: Tensor, count: int, rate_hz: float) -> Tensor:
    """Return the frequencies of ``torch.fft.rfft`` over ``count`` samples, Hz, (count // 2 + 1,)."""
    return torch.arange(count // 2 + 1, dtype=like.dtype, device=like.device) * (rate_hz / count)


def filtered(x: Tensor, response: Tensor) -> Tensor:
    """Multiply the spectrum of every series by a real response: no phase changes, and the series is taken as a ring.

    Parameters
    ----------
    x : Tensor, (B, C, T, R)
        Series along the third axis.
    response : Tensor, (B, T // 2 + 1)
        Gain at the frequencies of :func:`bins`, one response a sample.

    Returns
    -------
    Tensor, (B, C, T, R)
    """
    count = x.shape[2]
    if not exporting():
        spectrum = torch.fft.rfft(x, dim=2) * response[:, None, :, None]
        heard: Tensor = torch.fft.irfft(spectrum, n=count, dim=2)
        return heard
    return torch.matmul(ring(response, count)[:, None], x)


def ring(response: Tensor, count: int) -> Tensor:
    """Return the matrix (B, T, T) that does to a series of ``count`` samples what :func:`filtered` does."""
    steps = torch.arange(count, device=response.device)
    lines = torch.arange(count // 2 + 1, device=response.device)
    whole = steps[-1] + 1  # a tensor: ONNX knows no remainder of a free length
    # whole turns are taken off before the cosine: large angles have few digits in float32
    turns = torch.remainder(lines[:, None] * steps, whole).to(response) * (2 * math.pi / count)
    # every line but the first stands for two, save the last of an even count
    twice = torch.where((lines == 0) | (2 * lines == count), 1.0, 2.0).to(response) / count
    kernel = torch.matmul(response * twice, torch.cos(turns))  # (B, T)
    apart = torch.remainder(steps[:, None] - steps, whole)
    return kernel.index_select(1, apart.flatten()).reshape(-1, count, count)


def hann(like: Tensor, count: int) -> Tensor:
    """Return a Hann window (count,), never quite 0."""
    time = torch.arange(count, dtype=like.dtype, device=like.device)
    return torch.sin(math.pi * (time + 0.5) / count) ** 2


def powers(x: Tensor, at_hz: Tensor, rate_hz: float) -> Tensor:
    """Return the power of Hann-windowed series (..., T, R), mean removed, at any frequencies: (..., F, R).

    Evaluated where it is asked for, so the grid does not depend on the length.
    """
    count = x.shape[-2]
    time = torch.arange(count, dtype=x.dtype, device=x.device)
    # again: whole turns first, since 30 s hold a hundred of them
    turns = torch.remainder(at_hz.to(x)[:, None] * time / rate_hz, 1.0) * (2 * math.pi)
    window = hann(x, count)
    centred = x - x.mean(-2, keepdim=True)
    real = torch.matmul(torch.cos(turns) * window, centred)
    other = torch.matmul(torch.sin(turns) * window, centred)
    return real.square() + other.square()
