"""What video compression does to a clip, by a cheap stand-in that runs on arrays (real files: ``encoders.py``).

The stand-in keeps the part of a codec that eats the pulse: every frame is predicted from the frame before *as it was
reconstructed*, what is left is cut into blocks, transformed (DCT) and quantised with a dead zone. A change smaller
than the dead zone waits until it has grown, or never arrives. There is no entropy coder, no search for motion and no
deblocking.

Checked against x264's preset "medium" on a phone's recording and on drawn faces of known pulse: for ``quality`` = crf
the surviving fundamental of green (0.14 % before) differs by 0.015 percentage points in the mean over clips and by
0.04 at most in one; the unrest of the remaining band lies within 30 % (``benchmarks/codec.py`` prints both).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, to_device
from numpy.typing import NDArray

from perfuse.core.errors import UsageError
from perfuse.synth.camera.isp import Array, double, from_ycbcr, halve, pad_edges, quantise, to_ycbcr
from perfuse.synth.fields import Field

BLOCK = 8
"""Side of a transform block in pixels of the camera's picture."""

LIMITED = 255.0 / 219.0
"""Grey levels per step of limited-range video (BT.601): quantisers act on the latter."""

COLOUR_OFFSET = 2.0
"""How much finer x264 quantises colour than luma at its default psychovisual settings."""

JPEG_STEPS = np.array(
    [
        [8, 16, 19, 22, 26, 27, 29, 34],
        [16, 16, 22, 24, 27, 29, 34, 37],
        [19, 22, 26, 27, 29, 34, 34, 38],
        [22, 22, 26, 27, 29, 34, 37, 40],
        [22, 26, 27, 29, 32, 35, 40, 48],
        [26, 27, 29, 32, 35, 40, 48, 58],
        [26, 27, 29, 34, 38, 46, 56, 69],
        [27, 29, 35, 38, 46, 56, 69, 83],
    ]
)
"""Default intra matrix of MPEG-1 (ISO/IEC 11172-2), which FFmpeg's MJPEG encoder scales by q / 8."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """How one family of codecs quantises.

    Attributes
    ----------
    inter, intra : float
        Rounding offsets of predicted and of whole pictures: the level is ``floor(|c| / step + offset)``.
    lift : float
        Reconstruction lies at ``level + lift`` steps (H.263: the middle of the interval).
    intra_step : float
        Steps of whole pictures relative to those of predicted ones.
    keyframes : int
        A whole picture every so many frames.
    low, high : float
        Range of ``quality``, from best to worst.
    """

    inter: float
    intra: float
    lift: float
    intra_step: float
    keyframes: int
    low: float
    high: float


SCHEMES = {
    "h264": Scheme(1 / 6, 1 / 3, 0.0, 0.8, 250, 0, 51),
    "mpeg4": Scheme(-1 / 4, 0.0, 0.5, 1.0, 12, 1, 31),
    "mjpeg": Scheme(3 / 8, 3 / 8, 0.0, 1.0, 1, 1, 31),
}
"""By name of the codec; offsets and key frames are those of x264 and of FFmpeg's encoders at their defaults."""


def compress(
    clip: Array,
    quality: Any,
    *,
    mode: str = "h264",
    motion: Array | None = None,
    scale: float = 1.0,
    keyframes: int | None = None,
) -> Array:
    """Pass a clip through the stand-in for a video codec.

    Parameters
    ----------
    clip : array, float32, (T, 3, H, W) or (B, T, 3, H, W)
        Encoded levels, 0 to 255.
    quality : float, or (B,)
        ``"h264"``: the quantiser, equal to x264's crf, 0 to 51. ``"mpeg4"`` and ``"mjpeg"``: FFmpeg's q, 1 to 31.
    mode : str
        ``"h264"``, ``"mpeg4"`` or ``"mjpeg"`` (every picture on its own).
    motion : array, (T, 2) or (B, T, 2), optional
        Where the content stands at each frame, to the right and down, in pixels of the clip: prediction follows its
        steps in whole pixels of the camera's picture (a real encoder knows quarters but finds them in few blocks;
        whole pixels leave the residual that x264 leaves). Without it pictures are predicted from the same place.
    scale : float
        Pixels of the camera's picture per pixel of the clip, 1 or more, where a clip was rendered directly at a low
        resolution: blocks and quantiser then shrink with it.
    keyframes : int, optional
        A whole picture every so many frames; default as FFmpeg's encoders.

    Returns
    -------
    array
        Like ``clip``: rounded to 8 bits if ``scale`` is 1.

    Raises
    ------
    UsageError
        If the mode is unknown or a value lies outside its range.
    """
    if mode not in SCHEMES:
        raise UsageError(f"There is no codec called {mode!r}.", f"Available: {', '.join(SCHEMES)}.")
    scheme = SCHEMES[mode]
    levels = np.atleast_1d(np.asarray(quality, np.float64))
    if not (scheme.low <= levels.min() and levels.max() <= scheme.high):
        raise UsageError(f"quality = {quality!r} was given.", f"Pass {scheme.low:g} to {scheme.high:g} for {mode}.")
    if scale < 1.0:
        raise UsageError(f"scale = {scale!r} was given.", "Pass 1 or more.")
    xp = array_namespace(clip)
    whole = clip if len(clip.shape) == 5 else xp.expand_dims(clip, axis=0)
    steps = None if motion is None else _steps(motion, scale, whole.shape[0], whole.shape[1])
    coder = _Coder(whole, scheme, mode, levels, scale)
    period = keyframes or scheme.keyframes
    done = []
    before: list[Array] | None = None
    for k in range(whole.shape[1]):
        if k % period == 0:
            before = None
        elif before is not None and steps is not None and steps[:, k].any():
            before = [_moved(plane, steps[:, k] / ratio) for plane, ratio in zip(before, coder.ratios, strict=True)]
        before = coder.code(whole[:, k, ...], before)
        done.append(coder.picture(before))
    result = xp.stack(done, axis=1)
    return result if len(clip.shape) == 5 else result[0, ...]


class _Coder:
    """Steps and transforms of one call of :func:`compress`: two planes, luma (B, 1, H, W) and colour (B, 2, h, w)."""

    def __init__(self, clip: Array, scheme: Scheme, mode: str, quality: NDArray[np.float64], scale: float) -> None:
        xp = array_namespace(clip)
        self.scheme = scheme
        self.size = clip.shape[-2:]
        self.halved, *sides = blocks(scale)
        self.ratios = (1, 2 if self.halved else 1)
        to = {"dtype": clip.dtype, "device": device(clip)}
        self.transforms = []
        self.steps = []
        for index, side in enumerate(sides):
            self.transforms.append(xp.asarray(_dct(side), **to))
            self.steps.append([xp.asarray(s, **to) for s in _quantisers(mode, quality, side, index == 1)])

    def code(self, rgb: Array, before: list[Array] | None) -> list[Array]:
        """Reconstruct the planes of one frame (B, 3, H, W) from those of the frame before, or from nothing."""
        xp = array_namespace(rgb)
        ycbcr = to_ycbcr(pad_edges(rgb, 2 * BLOCK))
        colour = ycbcr[:, 1:, ...]
        planes = [ycbcr[:, :1, ...], halve(colour) if self.halved else colour]
        offset, lift = self.scheme.inter if before else self.scheme.intra, self.scheme.lift
        result = []
        for index, plane in enumerate(planes):
            guess = before[index] if before else (128.0 if index == 0 else 0.0)
            inter, intra = self.steps[index]
            step = inter if before else intra
            parts = _forward(plane - guess, self.transforms[index]) / step
            # round(|c| - (1/2 - offset)) is floor(|c| + offset)
            dead = 0.5 - offset
            parts = xp.round(parts - xp.clip(parts, -dead, dead))
            if lift:
                parts = parts + lift * xp.sign(parts)
            result.append(guess + _backward(parts * step, self.transforms[index], plane.shape))
        return result

    def picture(self, planes: list[Array]) -> Array:
        """Return the decoded frame, (B, 3, H, W)."""
        xp = array_namespace(planes[0])
        height, width = self.size
        colour = double(planes[1]) if self.halved else planes[1]
        rgb = from_ycbcr(xp.concat([planes[0], colour], axis=1))[..., :height, :width]
        return quantise(rgb) if self.halved else xp.clip(rgb, 0.0, 255.0)


def blocks(scale: float) -> tuple[bool, int, int]:
    """Return all that a clip's ``scale`` decides: whether colour is halved, and the sides of blocks, luma and colour.

    Below half resolution 4:2:0 keeps all colour there is, in blocks that cover twice as many pixels.
    """
    halved = scale < 2.0
    return halved, _side(scale), _side(scale if halved else scale / 2.0)


def _side(scale: float) -> int:
    """Side, in pixels of the clip, of what is a block to the camera: 8, 4, 2 or 1."""
    return int(2 ** np.clip(np.round(np.log2(BLOCK / scale)), 0, 3))


@lru_cache(maxsize=8)
def _dct(side: int) -> Field:
    """Orthonormal DCT-II of ``side`` points, repeated along the diagonal up to 8 x 8: one product fits all sizes."""
    order, at = np.arange(side)[:, None], np.arange(side)[None, :]
    matrix = np.sqrt(2.0 / side) * np.cos(np.pi * (2 * at + 1) * order / (2 * side))
    matrix[0] /= np.sqrt(2.0)
    return np.asarray(np.kron(np.eye(BLOCK // side), matrix), np.float32)


def _quantisers(mode: str, quality: NDArray[np.float64], side: int, colour: bool) -> tuple[Field, Field]:
    """Return steps of predicted and of whole pictures, in grey levels, to divide (B, C, rows, 8, columns, 8) by."""
    q = quality.reshape(-1, 1, 1, 1, 1, 1)
    shrink = side / BLOCK
    if mode == "mjpeg":
        table = np.kron(np.ones((BLOCK // side, BLOCK // side)), JPEG_STEPS[:side, :side])
        step = np.maximum(q / 8.0 * table[:, None, :], 1.0)
        step[..., ::side, :, ::side] = 8.0
        return step * shrink, step * shrink
    if mode == "mpeg4":
        step = 2.0 * LIMITED * q * np.ones((1, 1, 1, BLOCK, 1, BLOCK))
        first = step.copy()
        first[..., ::side, :, ::side] = LIMITED * (_mpeg4_colour_dc(q) if colour else _mpeg4_luma_dc(q))
        return step * shrink, first * shrink
    if colour:
        q = np.where(q > 30, 30 + 0.6 * (q - 30), q) - COLOUR_OFFSET
    # H.264's step is 2 ** ((qp - 4) / 6) in limited range (1.3 more), and B-frames are coarser than crf says.
    step = 2.0 ** ((q - 2.0) / 6.0) * shrink
    return step, step * SCHEMES[mode].intra_step


def _mpeg4_luma_dc(q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Step of the mean of whole pictures' luma blocks (ISO/IEC 14496-2, table of dc_scaler)."""
    return np.select([q <= 4, q <= 8, q <= 24], [np.full_like(q, 8.0), 2 * q, q + 8], 2 * q - 16)


def _mpeg4_colour_dc(q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Step of the mean of whole pictures' colour blocks."""
    return np.select([q <= 4, q <= 24], [np.full_like(q, 8.0), (q + 13) / 2], q - 6)


def _forward(plane: Array, transform: Array) -> Array:
    """DCT of every block: (B, C, H, W) to (B, C, H / 8, 8, W / 8, 8)."""
    xp = array_namespace(plane)
    batch, channels, height, width = plane.shape
    rows = xp.matmul(transform, xp.reshape(plane, (batch, channels, height // BLOCK, BLOCK, width)))
    blocks = xp.reshape(rows, (batch, channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK))
    return xp.matmul(blocks, xp.matrix_transpose(transform))


def _backward(parts: Array, transform: Array, shape: tuple[int, ...]) -> Array:
    """Undo :func:`_forward`."""
    xp = array_namespace(parts)
    rows = xp.reshape(xp.matmul(parts, transform), (*parts.shape[:4], shape[-1]))
    return xp.reshape(xp.matmul(xp.matrix_transpose(transform), rows), shape)


def _steps(motion: Array, scale: float, batch: int, count: int) -> NDArray[np.float64]:
    """Movement since the frame before, (B, T, 2) in pixels of the clip, whole pixels of the camera's picture."""
    if tuple(motion.shape) not in ((count, 2), (batch, count, 2)):
        raise UsageError(
            f"motion of shape {tuple(motion.shape)} was given for {batch} clips of {count} frames.",
            "Pass (T, 2) or (B, T, 2).",
        )
    path = np.broadcast_to(np.asarray(to_device(motion, "cpu"), np.float64), (batch, count, 2))
    change = np.diff(path, axis=1, prepend=path[:, :1])
    return np.asarray(np.round(change * scale) / scale)


def _moved(plane: Array, shift: NDArray[np.float64]) -> Array:
    """Move planes (B, C, H, W) by (B, 2), right and down: cubic, the border repeated, as two matrix products."""
    xp = array_namespace(plane)
    for axis, by in ((-1, shift[:, 0]), (-2, shift[:, 1])):
        if not by.any():
            continue
        at = np.arange(plane.shape[axis])
        source = np.clip(at[None, :] - by[:, None], 0.0, at[-1])
        weight = _cubic(np.abs(source[:, :, None] - at[None, None, :]))[:, None, :, :]
        weight /= weight.sum(axis=-1, keepdims=True)  # next to the border part of the kernel lies outside
        moving = xp.asarray(weight, dtype=plane.dtype, device=device(plane))
        plane = xp.matmul(plane, xp.matrix_transpose(moving)) if axis == -1 else xp.matmul(moving, plane)
    return plane


def _cubic(away: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of Keys' cubic interpolation (1981, a = -1/2) at these distances."""
    near = 1.0 + away * away * (1.5 * away - 2.5)
    far = 2.0 + away * (-4.0 + away * (2.5 - 0.5 * away))
    return np.where(away < 1.0, near, np.where(away < 2.0, far, 0.0))
