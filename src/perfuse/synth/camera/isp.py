"""What a camera's processor makes of linear light: gain, colour matrix, transfer curve, 8 bits, chroma at half size.

Arrays may be numpy arrays or torch tensors, in and out alike (through the array API standard), with any number of
leading axes before (3, H, W). In torch everything except :func:`quantise` and the look-up table of numpy can be
differentiated.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array

from perfuse.core.errors import UsageError
from perfuse.synth.fields import Field

Array = Any
"""A numpy array or a torch tensor."""

ENTRIES = 1 << 14
"""Entries of numpy's table of the curve, evenly spaced in the root of light: at most 0.023 grey levels apart."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G, B in luma (ITU-R BT.601)."""

TO_YCBCR = np.array(
    [LUMA, (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411)],
)
FROM_YCBCR = np.array([(1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0)])


def develop(
    light: Array,
    *,
    gain: Array | float = 1.0,
    contrast: float = 0.0,
    saturation: float = 1.0,
    matrix: Array | None = None,
) -> Array:
    """Turn linear light into encoded levels, before rounding.

    Parameters
    ----------
    light : array, float32, (..., 3, H, W)
        Linear light; 1 is white.
    gain : float or array
        Exposure, white balance and flicker: anything that broadcasts against ``light``, such as (T, 1, 1, 1),
        (T, 3, 1, 1) or (T, 1, H, 1).
    contrast : float
        Strength of the S-shaped curve on top of sRGB, 0 to 1; phones 0 to 0.25 (ASSUMED).
    saturation : float
        Distance from grey is multiplied by this, in linear light.
    matrix : array, (3, 3), optional
        Colour matrix (camera to sRGB), applied before ``saturation``; rows that sum to 1 keep grey grey.

    Returns
    -------
    array, float32, (..., 3, H, W)
        0 to 255. Light below 0 is black, light above 1 white.

    Notes
    -----
    sRGB curve of IEC 61966-2-1. The S curve is ``e + contrast * (3 e^2 - 2 e^3 - e)``: slope ``1 + contrast / 2`` at
    mid-grey and ``1 - contrast`` at both ends. numpy looks the curve up in a table, other libraries compute it; they
    agree within 0.02 levels.
    """
    if not 0.0 <= contrast <= 1.0:
        raise UsageError(f"contrast = {contrast!r} was given.", "Pass a number from 0 to 1.")
    xp = array_namespace(light)
    if matrix is not None or saturation != 1.0:
        light = mix_channels(light, _colour_matrix(saturation, matrix))
    if not isinstance(gain, float | int) or gain != 1.0:
        light = light * gain
    if is_numpy_array(light):
        index = np.clip(light, 0.0, 1.0)
        np.sqrt(index, out=index)
        index *= np.float32(ENTRIES - 1)
        index += np.float32(0.5)
        return _table(float(contrast))[index.astype(np.uint16)]
    light = xp.clip(light, 0.0, 1.0)
    return 255.0 * _curve(xp, light, contrast)


def _colour_matrix(saturation: float, matrix: Array | None) -> Field:
    """Colour matrix followed by saturation, (3, 3)."""
    grey = np.ones((3, 1)) * np.array(LUMA)
    whole = saturation * np.eye(3) + (1.0 - saturation) * grey
    return np.asarray(whole if matrix is None else whole @ np.asarray(matrix, np.float64), np.float32)


def _curve(xp: Any, light: Array, contrast: float) -> Array:
    """Apply the sRGB and S curves to light of 0 to 1."""
    steep = 1.055 * xp.clip(light, 0.0031308, 1.0) ** (1.0 / 2.4) - 0.055
    level = xp.where(light <= 0.0031308, 12.92 * light, steep)
    if contrast:
        level = level * (1.0 - contrast + contrast * level * (3.0 - 2.0 * level))
    return level


@lru_cache(maxsize=16)
def _table(contrast: float) -> Field:
    """Tabulate the encoded levels of light whose root is evenly spaced from 0 to 1."""
    table = np.asarray(255.0 * _curve(np, np.linspace(0.0, 1.0, ENTRIES) ** 2, contrast), np.float32)
    table.flags.writeable = False
    return table


def mix_channels(picture: Array, matrix: Array) -> Array:
    """Apply a (3, 3) matrix to the channels of (..., 3, H, W)."""
    xp = array_namespace(picture)
    shape = picture.shape
    weights = xp.asarray(matrix, dtype=picture.dtype, device=device(picture))
    flat = xp.reshape(picture, (*shape[:-2], shape[-2] * shape[-1]))
    return xp.reshape(xp.matmul(weights, flat), shape)


def quantise(level: Array) -> Array:
    """Round encoded levels to what 8 bits hold, 0 to 255, and keep them as floats."""
    xp = array_namespace(level)
    return xp.round(xp.clip(level, 0.0, 255.0))


def to_ycbcr(rgb: Array) -> Array:
    """Luma 0..255 and colour differences -128..128 (BT.601, full range) of encoded (..., 3, H, W)."""
    return mix_channels(rgb, TO_YCBCR)


def from_ycbcr(ycbcr: Array) -> Array:
    """Undo :func:`to_ycbcr`."""
    return mix_channels(ycbcr, FROM_YCBCR)


def halve(plane: Array) -> Array:
    """Average 2 x 2 pixels of (..., H, W), both even: where 4:2:0 video keeps colour."""
    xp = array_namespace(plane)
    *lead, height, width = plane.shape
    rows = xp.reshape(plane, (*lead, height // 2, 2, width))
    pairs = xp.reshape(rows[..., 0, :] + rows[..., 1, :], (*lead, height // 2, width // 2, 2))
    return 0.25 * (pairs[..., 0] + pairs[..., 1])


def double(plane: Array) -> Array:
    """Repeat every pixel of (..., h, w) 2 x 2 times."""
    xp = array_namespace(plane)
    return xp.repeat(xp.repeat(plane, 2, axis=-2), 2, axis=-1)


def pad_edges(picture: Array, multiple: int) -> Array:
    """Repeat the last row and column of (..., H, W) until both sides are multiples of ``multiple``."""
    xp = array_namespace(picture)
    for axis in (-2, -1):
        short = -picture.shape[axis] % multiple
        if short:
            last = picture[..., -1:, :] if axis == -2 else picture[..., -1:]
            picture = xp.concat([picture, *[last] * short], axis=axis)
    return picture


def subsample_chroma(rgb: Array) -> Array:
    """Keep luma and average colour over 2 x 2 pixels (4:2:0), as nearly every video file does.

    Parameters
    ----------
    rgb : array, (..., 3, H, W)
        Encoded levels; odd sides are fine.

    Returns
    -------
    array, (..., 3, H, W)
        Not rounded and not clipped.
    """
    height, width = rgb.shape[-2:]
    ycbcr = to_ycbcr(pad_edges(rgb, 2))
    xp = array_namespace(rgb)
    colour = double(halve(ycbcr[..., 1:, :, :]))
    return from_ycbcr(xp.concat([ycbcr[..., :1, :, :], colour], axis=-3))[..., :height, :width]
