"""Camera: when frames are taken, how sprites are sampled onto pixels, and what a sensor makes of the light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfuse.synth.fields import F64, Field

FRACTION = 32
"""Steps per grey level in which encoded light and noise are added before rounding to 8 bits."""

NOISE_GAIN = 2.6
"""How much more noise the mean of many pixels keeps than if neighbours were independent."""

NOISE_RGB = (1.1, 1.0, 1.4)
"""Noise of red, green and blue relative to green, after a phone's processing."""


def frame_times(rng: np.random.Generator, duration_s: float, rate_hz: float, jitter_s: float, drop: float) -> F64:
    """Capture times in s: every ``1 / rate_hz`` from 0, shifted by jitter, with a share of the frames missing.

    Jitter is normal with standard deviation ``jitter_s`` and clipped to 0.45 of a period, so that order is kept.
    Frames are lost in bursts of 1 to 4; the first and the last are kept.
    """
    count = max(2, int(np.floor(duration_s * rate_hz + 1e-9)))
    limit = 0.45 / rate_hz
    time = np.arange(count) / rate_hz + np.clip(jitter_s * rng.standard_normal(count), -limit, limit)
    time -= time[0]
    keep = np.ones(count, bool)
    starts = np.flatnonzero(rng.random(count) < drop / 2.0)
    for start, length in zip(starts, rng.choice([1, 2, 3, 4], len(starts), p=[0.4, 0.3, 0.2, 0.1]), strict=True):
        keep[start : start + length] = False
    keep[[0, -1]] = True
    return np.asarray(time[keep])


def noise_tile(rng: np.random.Generator, height: int, width: int, sd: float) -> NDArray[np.int16]:
    """Sensor noise after a phone's denoiser, (3, height, width) in 1/32 grey levels, ``sd`` grey levels in green.

    Neighbouring pixels are correlated, as measured on a phone: averaging 8 x 8 pixels lowers the noise about 3 times
    and not 8 times. Half of it is shared by the channels (luma), half is their own and smoother (chroma).
    """
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    squared = (down**2 + across**2).astype(np.float32)

    def field(grain: float) -> Field:
        spectra = (np.exp(-((2.0 * np.pi * s) ** 2) * squared) for s in (grain, 2.0))
        power = sum(share * s / s.mean() for share, s in zip((0.8, 0.2), spectra, strict=True))
        white = np.fft.rfft2(rng.standard_normal((height, width), np.float32))
        image = np.fft.irfft2(white * np.sqrt(power), (height, width))
        return np.asarray(image / image.std(), np.float32)

    luma = field(0.4)
    planes = [scale * sd * np.sqrt(0.5) * (luma + field(0.5)) for scale in NOISE_RGB]
    return np.asarray(np.rint(np.stack(planes) * FRACTION), np.int16)


def noise_window(tile: NDArray[np.int16], rng: np.random.Generator, height: int, width: int) -> NDArray[np.int16]:
    """Cut a random, randomly mirrored window out of a larger tile: fresh noise for one frame at no cost."""
    top = int(rng.integers(tile.shape[1] - height + 1))
    left = int(rng.integers(tile.shape[2] - width + 1))
    window = tile[:, top : top + height, left : left + width]
    flip = int(rng.integers(4))
    return window[:, :: -1 if flip & 1 else 1, :: -1 if flip & 2 else 1]
