"""Sensor noise as it is after a camera's processor: correlated between pixels and channels, and never the same twice.

Raw noise is white. Demosaicing, the colour matrix, sharpening and above all the denoiser turn it into fine grain plus
wide blotches: averaging 8 x 8 pixels of a phone's picture lowers it 2.5 to 3.2 times and not 8 times. A tile of such
noise is made once; every frame cuts its own window out of it, at a place that depends on nothing but a key and the
frame's number. Windows may be numpy arrays or torch tensors (array API standard); tiles are made in numpy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from perfuse.core.errors import UsageError
from perfuse.synth.camera.isp import FROM_YCBCR, TO_YCBCR, Array

FRACTION = 32
"""Steps per grey level in tiles."""

CROSSTALK = np.array([[1.3, -0.25, -0.05], [-0.15, 1.25, -0.1], [0.0, -0.3, 1.3]])
"""Colour matrix, camera to sRGB (ASSUMED, half of a strong phone's): rows sum to 1."""

SHARPEN = 2.0
"""How much of the difference to its 3 x 3 neighbourhood luma gets on top (fitted to the autocorrelation)."""

BLOTCH_PX = 1.8
"""Blur (standard deviation in pixels) of the coarse part."""

COLOUR_PX = 0.8
"""Blur of colour noise, on top of demosaicing."""

_STIR = tuple(np.uint64(number) for number in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0x9E3779B97F4A7C15))
"""Multipliers and increment of the SplitMix64 generator (Steele, Lea and Flood 2014)."""


def noise_tile(
    rng: np.random.Generator,
    height: int,
    width: int,
    sd: float,
    *,
    red: float = 1.1,
    blue: float = 1.4,
    coarse: float = 0.18,
    colour: float = 1.0,
) -> NDArray[np.int16]:
    """Make a tile of processed sensor noise.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    height, width : int
        Pixels; at least the window that frames will cut, and better twice as much.
    sd : float
        Standard deviation of green in grey levels at mid-grey: about 1 on a phone indoors, a third of raw noise.
    red, blue : float
        Standard deviation of the other channels relative to green: 1.1 and 1.4 on a phone, blue up to 4 on poor
        cameras and under yellow light (the raw gain of blue is solved for).
    coarse : float
        Share of the power that the denoiser leaves as blotches, 0 to 0.6.
    colour : float
        How much colour noise the denoiser leaves, relative to luma, 0 to 3. Red and green correlate about 0.8 at
        0.7, 0.65 at 1, 0.4 at 1.5 and 0.2 at 2.

    Returns
    -------
    ndarray, int16, (3, height, width)
        In 1/32 grey level.

    Raises
    ------
    UsageError
        If a number is out of range.

    Notes
    -----
    White shot and read noise, one sample per photosite of a Bayer mosaic -> bilinear demosaicing -> colour matrix ->
    luma sharpened, colour blurred, part of both left as blotches. All of it is linear, so it is one product of
    transfer functions per channel; the raw gains of red, green and blue follow from the wanted ratios. With the
    defaults green's autocorrelation at 1 to 4 pixels is .43/.16/.11/.07 and averaging 8 x 8 pixels lowers it 3.1
    times (measured on a phone: .40/.15/.10/.06 and 2.5 to 3.2).
    """
    _check("sd", sd, 0.0, 100.0)
    _check("red", red, 0.2, 10.0)
    _check("blue", blue, 0.2, 10.0)
    _check("coarse", coarse, 0.0, 0.6)
    _check("colour", colour, 0.0, 3.0)
    if height < 1 or width < 1:
        raise UsageError(f"A tile of {height} x {width} pixels was asked for.", "Ask for at least 1 x 1.")
    rows, cols = (-(-size // 32) * 32 for size in (height, width))  # quick lengths for the FFT
    transfer, density = _transfer(rows, cols, coarse, colour), np.array([0.25, 0.5, 0.25])
    weights = np.array([1.0, *[2.0] * (cols // 2 - 1), 1.0], np.float32) / cols
    power = np.array([[np.mean((h * h) @ weights) for h in line] for line in transfer]) * density
    wanted = np.array([red, 1.0, blue])
    raw = np.sqrt(np.maximum(np.linalg.solve(power, wanted**2), 0.01))
    white = rng.standard_normal((rows, cols), np.float32)
    spectra = [np.fft.rfft2(gain * _photosites(white, k)) for k, gain in enumerate(raw.astype(np.float32))]
    tile = np.empty((3, height, width), np.int16)
    for channel, line in enumerate(transfer):
        plane = np.fft.irfft2(sum(h * s for h, s in zip(line, spectra, strict=True)), (rows, cols))
        scale = FRACTION * sd * wanted[channel] / max(float(plane.std()), 1e-12)
        tile[channel] = np.rint(np.clip(scale * plane[:height, :width], -32767, 32767))
    return tile


def _check(name: str, value: float, low: float, high: float) -> None:
    """Refuse a number out of range."""
    if not low <= value <= high:
        raise UsageError(f"{name} = {value!r} was given.", f"Pass {low:g} to {high:g}.")


def _photosites(white: NDArray[np.float32], channel: int) -> NDArray[np.float32]:
    """Keep the samples under the red, green or blue filters of a Bayer mosaic."""
    kept = np.zeros_like(white)
    for row, col in (((0, 0),), ((0, 1), (1, 0)), ((1, 1),))[channel]:
        kept[row::2, col::2] = white[row::2, col::2]
    return kept


def _transfer(rows: int, cols: int, coarse: float, colour: float) -> list[list[NDArray[np.float32]]]:
    """Transfer functions from the photosites of colour k to channel c, ``[c][k]`` of (rows, cols / 2 + 1)."""
    down = 2.0 * np.pi * np.fft.fftfreq(rows).astype(np.float32)[:, None]
    across = 2.0 * np.pi * np.fft.rfftfreq(cols).astype(np.float32)[None, :]
    near = (1.0 + np.cos(down)) * (1.0 + np.cos(across))
    green = 1.0 + 0.5 * (np.cos(down) + np.cos(across))
    squared = down**2 + across**2
    wide = np.exp(-0.5 * BLOTCH_PX**2 * squared)
    luma = _blend(1.0 + SHARPEN * (1.0 - 0.25 * near), wide, green, coarse)
    chroma = colour * _blend(np.exp(-0.5 * COLOUR_PX**2 * squared), wide, green, min(1.5 * coarse, 0.9))
    through_luma = FROM_YCBCR[:, :1] @ TO_YCBCR[:1] @ CROSSTALK
    through_colour = FROM_YCBCR[:, 1:] @ TO_YCBCR[1:] @ CROSSTALK
    demosaiced = (near, green, near)
    return [
        [
            np.asarray((through_luma[c, k] * luma + through_colour[c, k] * chroma) * demosaiced[k], np.float32)
            for k in range(3)
        ]
        for c in range(3)
    ]


def _blend(fine: NDArray[Any], wide: NDArray[Any], demosaiced: NDArray[Any], share: float) -> NDArray[Any]:
    """Filter that passes as much power as ``fine``, a ``share`` of it with the shape of ``wide``."""
    ratio = np.mean((fine * demosaiced) ** 2) / np.mean((wide * demosaiced) ** 2)
    return np.asarray(np.sqrt((1.0 - share) * fine**2 + share * ratio * wide**2))


def shrink_tile(tile: NDArray[np.int16], factor: float) -> NDArray[np.int16]:
    """Average a tile over squares of ``factor`` pixels, for a clip rendered that much smaller than the camera's.

    Parameters
    ----------
    tile : ndarray, int16, (3, H, W)
    factor : float
        1 or more, whole or not.

    Returns
    -------
    ndarray, int16, (3, floor(H / factor), floor(W / factor))
        With the noise that area-averaged frames would have.

    Raises
    ------
    UsageError
        Unless the factor is 1 or more and something remains.
    """
    height, width = (int(size / factor + 1e-9) if factor >= 1.0 else 0 for size in tile.shape[1:])
    if not (height and width):
        raise UsageError(f"A tile of {tile.shape[1:]} cannot shrink by {factor!r}.", "Pass a number from 1 on.")
    small = _area_mean(tile.shape[1], height, factor) @ tile.astype(np.float32)
    return np.asarray(np.rint(small @ _area_mean(tile.shape[2], width, factor).T), np.int16)


def _area_mean(count: int, wanted: int, factor: float) -> NDArray[np.float32]:
    """Weights (wanted, count) of pixels in the mean over each interval of ``factor`` pixels."""
    edges = factor * np.arange(wanted + 1)
    at = np.arange(count)
    covered = np.minimum(edges[1:, None], at + 1) - np.maximum(edges[:-1, None], at)
    return np.asarray(np.clip(covered, 0.0, 1.0) / factor, np.float32)


def window_offsets(
    rng: np.random.Generator,
    count: int,
    tile_shape: tuple[int, ...],
    height: int,
    width: int,
    *,
    first: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw where each frame's noise is cut out of a tile.

    Parameters
    ----------
    rng : Generator
        Gives one key; two generators in the same state draw the same windows, and frame k's depends on the key and
        on k alone: not on ``count`` or ``first``.
    count : int
        Frames.
    tile_shape : tuple of int
        Of the tile; the last two count.
    height, width : int
        Of a frame.
    first : int
        Number of the first frame; -1 adds the frame before, for :func:`lagged`.

    Returns
    -------
    offsets : ndarray, int64, (count, 2)
        Top row and left column.
    flips : ndarray, int64, (count,)
        0 to 3: 1 mirrors up and down, 2 left and right, 3 both.

    Raises
    ------
    UsageError
        If the tile is smaller than a frame.
    """
    spare_down, spare_across = tile_shape[-2] - height, tile_shape[-1] - width
    if min(spare_down, spare_across) < 0:
        raise UsageError(
            f"A tile of {tuple(tile_shape)} is smaller than a frame of {height} x {width}.", "Make a larger tile."
        )
    bits = _stirred(rng.integers(2**64, dtype=np.uint64), np.arange(first, first + count))
    mask = np.uint64(0xFFFFFFF)
    top = (bits & mask) % np.uint64(spare_down + 1)
    left = (bits >> np.uint64(28) & mask) % np.uint64(spare_across + 1)
    return np.stack([top, left], axis=1).astype(np.int64), (bits >> np.uint64(62)).astype(np.int64)


def _stirred(key: np.uint64, index: NDArray[np.int64]) -> NDArray[np.uint64]:
    """64 random bits per index: the finalizer of SplitMix64 on a counter."""
    first, second, step = _STIR
    x = (index.astype(np.uint64) + np.uint64(1)) * step + np.asarray([key])
    x = (x ^ (x >> np.uint64(30))) * first
    x = (x ^ (x >> np.uint64(27))) * second
    return np.asarray(x ^ (x >> np.uint64(31)))


def noise_windows(tile: Array, offsets: Array, height: int, width: int, flips: Array | None = None) -> Array:
    """Cut one window per frame out of a tile.

    Parameters
    ----------
    tile : array, (3, H, W)
        As made by :func:`noise_tile`, on any device.
    offsets, flips : array of int, (N, 2) and (N,)
        As drawn by :func:`window_offsets`; numpy arrays are fine for a tile of another library.
    height, width : int
        Of a window.

    Returns
    -------
    array, (N, 3, height, width)
        Of the tile's type.
    """
    corners = np.asarray(offsets)
    mirrored = np.zeros(len(corners), np.int64) if flips is None else np.asarray(flips)
    if str(device(tile)) != "cpu":
        return _gathered(tile, corners, mirrored, height, width)
    # Slices copy row by row: ten times quicker than gathering pixels.
    source = np.asarray(tile)
    windows = np.empty((len(corners), 3, height, width), source.dtype)
    for window, (top, left), flip in zip(windows, corners, mirrored, strict=True):
        part = source[:, top : top + height, left : left + width]
        window[...] = part[:, :: -1 if flip & 1 else 1, :: -1 if flip & 2 else 1]
    return array_namespace(tile).asarray(windows)


def _gathered(tile: Array, corners: NDArray[np.int64], mirrored: NDArray[np.int64], height: int, width: int) -> Array:
    """Pick all windows at once, for devices that dislike many small copies."""
    xp = array_namespace(tile)
    rows = _line(corners[:, :1], height, mirrored & 1)
    cols = _line(corners[:, 1:], width, mirrored & 2)
    flat = (rows[:, :, None] * tile.shape[-1] + cols[:, None, :]).reshape(-1)
    picked = xp.take(xp.reshape(tile, (3, -1)), xp.asarray(flat, device=device(tile)), axis=1)
    return xp.permute_dims(xp.reshape(picked, (3, len(corners), height, width)), (1, 0, 2, 3))


def _line(start: NDArray[np.int64], count: int, mirrored: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows or columns of every window, (N, count)."""
    at = np.arange(count)[None, :]
    return np.asarray(start + np.where(mirrored[:, None] > 0, count - 1 - at, at))


def lagged(noise: Array, mix: float) -> Array:
    """Make noise of successive frames resemble each other, as a temporal denoiser in low light does.

    Parameters
    ----------
    noise : array, (T + 1, ...)
        Independent windows, the first for the frame before the first.
    mix : float
        Weight of the frame before, 0 to 0.5.

    Returns
    -------
    array, float32, (T, ...)
        Of the same standard deviation; frame k depends on windows k and k - 1 alone (a recursion cut short).
    """
    _check("mix", mix, 0.0, 0.5)
    xp = array_namespace(noise)
    values = xp.astype(noise, xp.float32)
    kept = 1.0 - mix
    norm = float(np.hypot(kept, mix))
    return (kept / norm) * values[1:, ...] + (mix / norm) * values[:-1, ...]


def level_gain(encoded: Array, *, read: float = 0.08, contrast: float = 0.0) -> Array:
    """Noise at an encoded level relative to mid-grey (level 128).

    Parameters
    ----------
    encoded : array
        Levels 0 to 255.
    read : float
        Read noise relative to the shot noise of white, 0 to 1: 0.03 in good light, 0.1 at high gain.
    contrast : float
        As in :func:`perfuse.synth.camera.isp.develop`.

    Returns
    -------
    array
        Of the same shape, 1 at level 128.

    Notes
    -----
    Shot noise goes with the root of the light, read noise is constant, and the transfer curve stretches both by its
    slope (EMVA 1288 through sRGB): highlights are quieter than mid-grey, shadows noisier.
    """
    return _encoded_noise(encoded, read, contrast) / float(_encoded_noise(np.array([128.0]), read, contrast)[0])


def _encoded_noise(encoded: Array, read: float, contrast: float) -> Array:
    """Return the standard deviation in encoded units, up to a factor."""
    xp = array_namespace(encoded)
    level = xp.clip(encoded, 0.0, 255.0) / 255.0
    if contrast:
        # one step of Newton's method from the level itself undoes so mild an S curve
        slope = 1.0 + contrast * (6.0 * level * (1.0 - level) - 1.0)
        level = xp.clip(level - contrast * level * (level * (3.0 - 2.0 * level) - 1.0) / slope, 0.0, 1.0)
    light = xp.where(level <= 0.04045, level / 12.92, (xp.clip(level, 0.04045, 1.0) + 0.055) ** 2.4 / 1.055**2.4)
    rise = xp.where(light <= 0.0031308, 12.92, (1.055 / 2.4) * xp.clip(light, 0.0031308, 1.0) ** (1 / 2.4 - 1.0))
    rise = rise * (1.0 + contrast * (6.0 * level * (1.0 - level) - 1.0))
    return rise * (light + read * read) ** 0.5
