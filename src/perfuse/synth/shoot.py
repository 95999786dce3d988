"""Shooting: layers and tracks in, the pictures a camera delivers out. numpy or torch, the same code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from perfuse.synth.camera.control import exposure_gain, exposure_time, white_balance
from perfuse.synth.camera.isp import develop, quantise
from perfuse.synth.camera.lamps import mains_flicker
from perfuse.synth.camera.noise import (
    FRACTION,
    lagged,
    level_gain,
    noise_tile,
    noise_windows,
    shrink_tile,
    window_offsets,
)
from perfuse.synth.fields import F64, Field
from perfuse.synth.scene.build import LUMA, Scene
from perfuse.synth.scene.layer import Array, as_like
from perfuse.synth.scene.render import render
from perfuse.synth.scene.tracks import Tracks
from perfuse.synth.scene.window import Window
from perfuse.synth.settings import Settings, stream

TILE = 768
"""Least side of the noise that frames are cut from, in camera pixels."""

SPARE = 160
"""How much larger than a frame it is at least."""

FINE = 2048
"""Steps per grey level in which noise is averaged."""

STEP = 1.2
"""Noise is averaged for scales this factor apart; one tile serves all between."""


@dataclass(frozen=True, slots=True)
class Grain:
    """Noise of T frames, cut from one tile.

    Attributes
    ----------
    tile : array, float32, (3, h, w)
        Noise of one grey level in green at mid-grey.
    offsets, flips : ndarray, int64, (T + 1, 2) and (T + 1,)
        Where each frame's lies, that of the frame before the first included.
    size : array, float32, (3,)
        Standard deviation of red, green and blue in grey levels, before averaging.
    levels : array, float32, (256,)
        Noise at each grey level relative to mid-grey.
    mix : float
        Share of the frame before that a denoiser mixes in.
    """

    tile: Array
    offsets: NDArray[np.int64]
    flips: NDArray[np.int64]
    size: Array
    levels: Array
    mix: float

    def to(self, like: Array) -> Grain:
        """Return the noise with its arrays of the kind and on the device of an array."""
        names = ("tile", "size", "levels")
        return replace(self, **{name: as_like(getattr(self, name), like) for name in names})

    def of(self, level: Array, at: slice) -> Array:
        """Return the noise of frames ``at`` whose levels are given, both (F, 3, H, W)."""
        xp = array_api_compat.array_namespace(level)
        some = slice(at.start, at.stop + 1)
        cut = noise_windows(self.tile, self.offsets[some], level.shape[-2], level.shape[-1], self.flips[some])
        noise = lagged(cut, self.mix) if self.mix > 0 else cut[1:]
        index = xp.astype(xp.clip(level[:, 1], 0.0, 255.0), xp.int64)
        strength = xp.reshape(xp.take(self.levels, xp.reshape(index, (-1,)), axis=0), index.shape)
        return noise * strength[:, None] * self.size[:, None, None]


@dataclass(frozen=True, slots=True)
class Film:
    """What a camera does to T frames.

    Attributes
    ----------
    gains : array, float32, (T, 3)
        Exposure, white balance and the strength and tint of all light.
    rows : array, float32, (T, H), or None
        Flicker, row by row.
    contrast : float
        Of the tone curve.
    grain : Grain or None
        Sensor noise.
    whole : bool
        Whether pixels are the camera's own, rounded to 8 bits.
    """

    gains: Array
    rows: Array
    contrast: float
    grain: Grain | None
    whole: bool

    def to(self, like: Array) -> Film:
        """Return the film with its arrays of the kind and on the device of an array."""
        rows = None if self.rows is None else as_like(self.rows, like)
        grain = None if self.grain is None else self.grain.to(like)
        return replace(self, gains=as_like(self.gains, like), rows=rows, grain=grain)


def load_film(settings: Settings, scene: Scene, time_s: F64, tracks: Tracks, scale: float = 1.0) -> Film:
    """Draw what a camera does to a subject's frames; ``scale`` camera pixels make one of the scene's window."""
    window, later = scene.window, time_s - time_s[0]
    gains = tracks.strength[:, None] * tracks.tint
    rows = None
    if settings.flicker > 0:
        rows = _flicker(settings, window, later)
        level = rows.mean(axis=1, keepdims=True)
        gains, rows = gains * level, (rows / level).astype(np.float32)
    luma = np.maximum((scene.luma[None] * tracks.weights).sum(axis=1) * (gains @ LUMA), 1e-4)
    gains = gains * exposure_gain(luma, later, mode=settings.exposure)[:, None]
    gains = gains * white_balance(stream(settings.seed, "white balance"), later, settings.balance)
    grain = _grain(settings, window, len(time_s), scale)
    return Film(gains.astype(np.float32), rows, settings.contrast, grain, scale == 1.0)


def _flicker(settings: Settings, window: Window, time_s: F64) -> Field:
    """Light of flickering lamps on each row of the window, (T, H)."""
    exposure_s, _ = exposure_time(settings.lux, settings.rate_hz)
    readout = settings.readout_s * window.height / window.rows
    first = settings.readout_s * window.first_row / window.rows
    return mains_flicker(
        stream(settings.seed, "mains"),
        time_s + max(first, 0.0),
        window.height,
        depth=settings.flicker,
        mains_hz=settings.mains_hz,
        exposure_s=exposure_s,
        readout_s=readout,
        anti_flicker=settings.anti_flicker == "on",
    )


def _grain(settings: Settings, window: Window, count: int, scale: float) -> Grain | None:
    """Draw the noise of a recording."""
    if settings.noise == 0:
        return None
    sides = [TILE if scale > 1 else max(TILE, -(-(n + SPARE) // 256) * 256) for n in (window.height, window.width)]
    tile = _tile(sides[0], sides[1], max(0, round(np.log(scale) / np.log(STEP))))
    rng = stream(settings.seed, "noise")
    offsets, flips = window_offsets(rng, count + 1, tile.shape, window.height, window.width, first=-1)
    size = settings.noise * np.array([1.0, 1.0, settings.noise_blue / 1.4], np.float32)
    read = 0.03 + 0.1 * min(1.0, 60.0 / settings.lux)  # read noise counts where light is scarce (ASSUMED)
    levels = level_gain(np.arange(256.0), read=read, contrast=settings.contrast)
    return Grain(tile, offsets, flips, size.astype(np.float32), levels.astype(np.float32), settings.denoise)


@lru_cache(maxsize=32)
def _tile(height: int, width: int, step: int) -> Field:
    """Noise of one level in green, averaged over ``STEP ** step`` camera pixels each way."""
    tile = _fine_tile(height, width)
    return np.asarray(shrink_tile(tile, STEP**step) if step else tile, np.float32) / FINE


@lru_cache(maxsize=4)
def _fine_tile(height: int, width: int) -> NDArray[np.int16]:
    """Noise of ``FINE / FRACTION`` levels, so that its means can be whole numbers."""
    return noise_tile(np.random.default_rng(20261121), height, width, FINE / FRACTION, coarse=0.05, colour=1.6)


def shoot(scene: Scene, tracks: Tracks, film: Film, at: slice) -> Array:
    """Render frames ``at`` of a recording, (F, 3, H, W), 0..255."""
    xp = array_api_compat.array_namespace(tracks.weights)
    ones = xp.ones_like(tracks.weights[at, :1])
    light = render(
        scene.window,
        [
            (scene.background, ones, tracks.background.part(at)),
            *((layer, w[at], pose.part(at)) for layer, (w, pose) in zip(scene.movers, tracks.movers, strict=True)),
            (scene.body, tracks.body_weights[at], tracks.body.part(at)),
            (scene.head, tracks.weights[at], tracks.head.part(at)),
        ],
    )
    gain = film.gains[at][:, :, None, None]
    if film.rows is not None:
        gain = gain * film.rows[at][:, None, :, None]
    level = develop(light, gain=gain, contrast=film.contrast)
    if film.grain is not None:
        level = level + film.grain.of(level, at)
    return quantise(level) if film.whole else level
