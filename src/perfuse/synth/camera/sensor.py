"""Camera: when frames are taken, how sprites are sampled onto pixels, and what a sensor makes of the light."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from perfuse.synth.fields import F64, Field
from perfuse.synth.person.skin import linear_to_srgb
from perfuse.synth.scene.build import Sprite

FRACTION = 32
"""Steps per grey level in which encoded light and noise are added before rounding to 8 bits."""

CURVE = 1 << 15
"""Entries of the transfer curve's table, from black to :data:`WHITE`."""

WHITE = 1.25
"""Linear light at the end of the table; everything above 1 is white."""

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


@lru_cache(maxsize=1)
def _encoded() -> NDArray[np.int16]:
    """Table of the sRGB curve in 1/32 grey levels."""
    return np.asarray(np.rint(linear_to_srgb(np.arange(CURVE) * WHITE / CURVE) * 255 * FRACTION), np.int16)


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


def expose(light: Field, noise: NDArray[np.int16] | None) -> NDArray[np.uint8]:
    """Turn linear light (3, H, W) into 8-bit sRGB (H, W, 3): curve, noise, then rounding, as a camera does."""
    index = np.clip(light * np.float32(CURVE / WHITE), 0, CURVE - 1).astype(np.uint16)
    level = _encoded().take(index)
    if noise is not None:
        level = level + noise
    level = np.clip((level + FRACTION // 2) >> 5, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(level.transpose(1, 2, 0))


def draw_sprite(frame: Field, sprite: Sprite, picture: Field, shift: F64, turn: F64, unit: float) -> None:
    """Lay a picture over ``frame`` (in place), moved and turned, sampled bilinearly from its finer grid.

    Parameters
    ----------
    frame : ndarray, float32, (3, H, W)
        Linear light.
    sprite : Sprite
        Where the picture lies at rest.
    picture : ndarray, float32, (3, h * w)
        Premultiplied R, G, B.
    shift : ndarray, (2,)
        To the right and down, in texture pixels.
    turn : ndarray, (3,)
        Rotation about x, y and z in radians, about the joint of head and neck.
    unit : float
        Texture pixels per head unit.
    """
    height, width = sprite.shape
    u, v = sprite.u - np.float32(shift[0]), sprite.v - np.float32(shift[1])
    if turn.any():
        x, y, z = (np.float32(angle) for angle in turn)
        joint_u, joint_v = np.float32(sprite.pivot[0]), np.float32(sprite.pivot[1])
        across, down = u - joint_u, v - joint_v
        deep = sprite.z * np.float32(unit)
        u, v = u - (y * deep - z * down), v - (z * across - x * deep)
    np.clip(u, 0.0, width - 1.001, out=u)
    np.clip(v, 0.0, height - 1.001, out=v)
    left, top = u.astype(np.intp), v.astype(np.intp)
    u -= left.astype(np.float32)
    v -= top.astype(np.float32)
    at = top * width + left
    part = frame[:, sprite.rows, sprite.cols]
    below = at + width
    sampled = []
    for plane in (*picture, sprite.cover):
        upper, right = plane.take(at), plane[1:].take(at)
        right -= upper
        right *= u
        upper += right
        lower, right = plane.take(below), plane[1:].take(below)
        right -= lower
        right *= u
        lower += right
        lower -= upper
        lower *= v
        upper += lower
        sampled.append(upper.reshape(part.shape[1:]))
    part *= 1.0 - sampled[3]
    part += np.stack(sampled[:3])
