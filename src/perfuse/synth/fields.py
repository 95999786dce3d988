"""Small array tools the rooms share: soft steps, bumps, blurs, and noise with a wanted spectrum.

Everything takes a :class:`numpy.random.Generator` where it needs chance and returns plain arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
"""Pixels: float32 at run time (numpy's stubs promise float64 for many float32 expressions)."""

F64 = NDArray[np.float64]

BLOCK = 32
"""Cells a side of the blocks in which :func:`patches` draws."""

GRID_HZ = 50.0
"""Samples per second of slow processes; above the Nyquist rate of every camera worth simulating."""


def smoothstep(low: float | Field, high: float | Field, x: Field) -> Field:
    """Rise from 0 at ``low`` to 1 at ``high`` with zero slope at both ends (falls where ``high < low``)."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def bump(x: Field, y: Field, centre: tuple[float, float], sigma: tuple[float, float]) -> Field:
    """Two-dimensional Gaussian of height 1."""
    u, v = (x - centre[0]) / sigma[0], (y - centre[1]) / sigma[1]
    return np.exp(-0.5 * (u * u + v * v), dtype=np.float32)


def blur(image: Field, sigma: float) -> Field:
    """Gaussian blur of (H, W) or (H, W, C) with mirrored borders, ``sigma`` in pixels."""
    if sigma <= 0:
        return image
    radius = max(1, min(int(np.ceil(3 * sigma)), min(image.shape[:2]) - 1))
    if radius <= 4:
        return _blur_taps(image, sigma, radius)
    padded = np.pad(image, [(radius, radius), (radius, radius)] + [(0, 0)] * (image.ndim - 2), mode="reflect")
    for axis in (0, 1):
        size = padded.shape[axis]
        length = -(-size // 64) * 64  # many small factors: the FFT of a prime length is slow
        freq = np.fft.rfftfreq(length).astype(np.float32)
        gain = np.exp(-2 * (np.pi * sigma * freq) ** 2).reshape([-1 if a == axis else 1 for a in range(image.ndim)])
        padded = np.fft.irfft(np.fft.rfft(padded, length, axis=axis) * gain, length, axis=axis)
    height, width = image.shape[:2]
    return np.asarray(padded[radius : radius + height, radius : radius + width], np.float32)


def _blur_taps(image: Field, sigma: float, radius: int) -> Field:
    """Blur with a short kernel, tap by tap."""
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2).astype(np.float32)
    taps /= taps.sum()
    for axis in (0, 1):
        size = image.shape[axis]
        pad = [(radius, radius) if a == axis else (0, 0) for a in range(image.ndim)]
        padded = np.pad(image, pad, mode="reflect")
        image = np.zeros_like(image)
        for offset, tap in enumerate(taps):
            image += tap * padded[(slice(None),) * axis + (slice(offset, offset + size),)]
    return image


def patches(rng: np.random.Generator, shape: tuple[int, int], length: float) -> Field:
    """Smooth random field of mean 0 and standard deviation 1 whose features are about ``length`` pixels wide.

    Drawn on a coarse grid and interpolated, so the cost does not grow with ``length``. The same generator gives the
    same field at any resolution: chance is drawn in whole blocks, from a source that nothing else uses.
    """
    own = rng.spawn(1)[0]
    cells = [int(np.ceil(n / length)) + 3 for n in shape]
    blocks = [-(-count // BLOCK) for count in cells]
    rows = [[own.standard_normal((BLOCK, BLOCK), np.float32) for _ in range(blocks[1])] for _ in range(blocks[0])]
    coarse = np.block(rows) if blocks != [1, 1] else rows[0][0]
    for axis, size in enumerate(shape):
        at = np.arange(size) / length + rng.uniform(0, 1)
        cell = at.astype(int)
        t = (at - cell).astype(np.float32)
        t = t * t * (3 - 2 * t)
        t = t[:, None] if axis == 0 else t[None, :]
        coarse = np.take(coarse, cell, axis) * (1 - t) + np.take(coarse, cell + 1, axis) * t
    return np.asarray((coarse - coarse.mean()) / (coarse.std() + 1e-9), np.float32)


def coloured(rng: np.random.Generator, span_s: float, density: Callable[[F64], F64]) -> F64:
    """Gaussian noise with the wanted power spectrum, mean 0 and standard deviation 1.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    span_s : float
        Length in s; the result has ``ceil(span_s * GRID_HZ) + 1`` samples at ``GRID_HZ``.
    density : callable
        Relative power at frequencies in Hz (never called at 0).

    Notes
    -----
    White noise shaped in the frequency domain over at least twice the span, so that the ends are not tied together.
    """
    count = int(np.ceil(span_s * GRID_HZ)) + 1
    length = 1 << int(np.ceil(np.log2(max(2 * count, 4096))))
    freq = np.arange(length // 2 + 1, dtype=np.float64) * float(GRID_HZ / length)
    spectrum = np.fft.rfft(rng.standard_normal(length))
    gain = np.zeros_like(freq)
    gain[1:] = np.sqrt(density(np.asarray(freq[1:], np.float64)))
    series = np.fft.irfft(spectrum * gain, length)
    return np.asarray(series[:count] / max(float(series.std()), 1e-12))


def power_law(slope: float, corner_hz: float) -> Callable[[F64], F64]:
    """Spectrum flat below ``corner_hz`` and falling as ``f**-slope`` above it (Ornstein-Uhlenbeck for slope 2)."""
    return lambda freq: np.asarray((1.0 + (freq / corner_hz) ** 2) ** (-slope / 2))
