"""From chirps to movement: range bins, the choice of a bin, the turning of its phase.

What stands still (walls, the chair, leakage) adds a constant to every range bin; what a body at range r adds turns
about that constant by 4 pi / wavelength a metre. So a bin runs along a circle whose middle is the constant, and the
movement is read off the angle about that middle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import UsageError
from perfuse.radar.kinds import AWR1443, BINS, RadarKind

Floats = NDArray[np.float64]
Echo = NDArray[np.complex128]

QUIET = 1e-6
"""A bin that changes by less than this share of its own size stands still: the rest is rounding."""

FLAT = 1e-6
"""Least ratio of the short to the long axis (squared) of a cloud of points that a circle is laid through (ASSUMED):
a straight line has no middle."""


def range_bins(raw: NDArray[np.complexfloating]) -> Echo:
    """Fourier transform of every chirp, without window and without removing its mean: (N, samples) to the same."""
    return np.asarray(np.fft.fft(raw, axis=1), np.complex128)


def best_bin(spectrum: NDArray[np.complexfloating], kind: RadarKind = AWR1443, first: int = 0) -> int:
    """Range bin with the largest sum of magnitudes over all chirps, among those where a body is looked for.

    That is the published choice (EquiPleth, RPM-Distill). A still wall can win it: see :func:`moving_bin`.

    Parameters
    ----------
    spectrum : ndarray, complex, (N, B)
        Neighbouring range bins.
    kind : RadarKind
        Says where to look.
    first : int
        Range bin of the first column.

    Raises
    ------
    UsageError
        If none of the columns lies where a body is looked for.
    """
    low, high = kind.search_bins
    low, high = max(low - first, 0), min(high - first, spectrum.shape[1] - 1)
    if high < low:
        raise UsageError(
            f"Range bins {first} to {first + spectrum.shape[1] - 1} were given.",
            f"The {kind.name} looks for a body in bins {kind.search_bins[0]} to {kind.search_bins[1]}.",
        )
    return first + low + int(np.argmax(np.abs(spectrum[:, low : high + 1]).sum(axis=0)))


def select_bins(spectrum: NDArray[np.complexfloating], kind: RadarKind = AWR1443, first: int = 0) -> Floats:
    """Five bins around the strongest one, as real and imaginary parts: (N, B) complex to (2, 5, N).

    Bins beyond the columns given are zero. See :func:`best_bin` for the parameters.
    """
    middle = best_bin(spectrum, kind, first) - first
    out = np.zeros((2, BINS, spectrum.shape[0]))
    for row, column in enumerate(range(middle - BINS // 2, middle + BINS // 2 + 1)):
        if 0 <= column < spectrum.shape[1]:
            out[0, row], out[1, row] = spectrum[:, column].real, spectrum[:, column].imag
    return out


def as_input(five: Floats, per: int = 4, scale: float = AWR1443.scale) -> NDArray[np.float32]:
    """Decimate and scale for a network: (2, 5, N) to (10, T) by every ``per``-th chirp; rows 0 to 4 are I, 5 to 9 Q.

    No filter goes before the decimation, as in the published preprocessing (RPM-Distill, EquiPleth): what the chest
    does above 15 Hz folds back.
    """
    kept = five[:, :, ::per]
    return np.asarray(kept.reshape(-1, kept.shape[2]) / scale, np.float32)


def moving_bin(echo: Echo) -> NDArray[np.intp]:
    """Column that moves most: the largest deviation from its own mean, (..., L, B) complex to (...).

    Still echoes, however strong, have none; so this finds a chest beside a wall that is louder.
    """
    across = np.ascontiguousarray(np.moveaxis(echo, -1, -2))
    return np.asarray(_spread(across).argmax(axis=-1))


def circle_centre(points: Echo) -> Echo:
    """Middle of the circle through points of the complex plane, (..., L) to (...).

    Least squares of the algebraic distance (Kasa, IEEE Trans. Instrumentation and Measurement IM-25, 1976), solved in
    closed form. Points on a line, or all in one place, have no circle: then their mean is returned.
    """
    mean = points.mean(axis=-1)
    off = points - mean[..., None]
    x, y = off.real, off.imag
    square = x * x + y * y
    xx, yy, xy = (x * x).mean(axis=-1), (y * y).mean(axis=-1), (x * y).mean(axis=-1)
    a, b = 0.5 * (square * x).mean(axis=-1), 0.5 * (square * y).mean(axis=-1)
    area = xx * yy - xy * xy
    round_enough = area > FLAT * (xx + yy) ** 2
    safe = np.where(round_enough, area, 1.0)
    shift = ((a * yy - b * xy) + 1j * (b * xx - a * xy)) / safe
    return np.asarray(mean + np.where(round_enough, shift, 0.0))


def phase_steps(echo: Echo, around: int = BINS // 2) -> tuple[Floats, Floats]:
    """How far the body's phase turned since the sample before, read from the bin that moves most and its neighbours.

    About the middle of its circle each bin turns by the same angle; the products of each sample with the conjugate of
    the one before are summed over the bins, so that every bin counts by its power.

    Parameters
    ----------
    echo : ndarray, complex, (..., L, B)
        Windows of L >= 2 samples of B neighbouring cells.
    around : int
        Neighbours on either side.

    Returns
    -------
    steps : ndarray, (..., L)
        Radians, -pi to pi, positive away from the radar; the first repeats the second. Divided by ``rad_per_mm`` they
        are millimetres. Zeros where nothing moves.
    strength : ndarray, (..., L)
        Size of the sums: how much a step can be believed, relative to others of the same window.
    """
    across = np.ascontiguousarray(np.moveaxis(echo.reshape(-1, *echo.shape[-2:]), -1, -2))
    middle = _spread(across).argmax(axis=-1)
    windows = np.arange(len(across))
    total = np.zeros((len(across), across.shape[-1] - 1), np.complex128)
    for column in range(-around, around + 1):
        there = (middle + column >= 0) & (middle + column < across.shape[-2])
        bins = across[windows, np.where(there, middle + column, middle)]
        alive = there & (np.abs(bins - bins[:, :1]).max(axis=-1) > QUIET * np.abs(bins).max(axis=-1))
        turned = bins - circle_centre(bins)[:, None]
        total += np.where(alive[:, None], turned[:, 1:] * turned[:, :-1].conj(), 0.0)
    total = np.concatenate([total[:, :1], total], axis=1).reshape(echo.shape[:-1])
    return np.angle(total), np.abs(total)


def displacement_mm(echo: Echo, kind: RadarKind) -> Floats:
    """Movement away from the radar since the first sample, mm: (N, B) neighbouring range bins to (N,).

    The phase is unwrapped: it is right as long as nothing moves farther than a quarter of a wavelength (1 mm at
    77 GHz) from one sample to the next. The bin is chosen once: for recordings in which the body keeps its place.
    """
    steps = phase_steps(np.asarray(echo, np.complex128))[0]
    steps[0] = 0.0
    return np.asarray(np.cumsum(steps) / kind.rad_per_mm)


def _spread(across: Echo) -> Floats:
    """Mean square deviation from the mean along the last axis."""
    off = across - across.mean(axis=-1, keepdims=True)
    return np.asarray((off.real**2 + off.imag**2).mean(axis=-1))
