"""Matching beats to their own median shape: time to a fraction of a sample, amplitude, quality, timing error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_OFFSETS = np.linspace(-0.3, 0.5, 65)
"""Where a beat is compared, in local periods after its upstroke."""

_BETWEEN = (0.35, 0.45, 0.55)
"""Where, in periods after the upstroke, the wave is flattest: noise is measured there as it acts on the delay."""

_TAPER = np.sin(np.pi * (np.arange(65) + 0.5) / 65)
"""Weight of each offset: the ends belong half to the neighbours."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Arrays of (K,) as in :class:`perfuse.signal.beats.Beats`, times relative to each beat's own stretch."""

    times_s: NDArray[np.float64]
    quality: NDArray[np.float64]
    amplitude: NDArray[np.float64]
    jitter_s: NDArray[np.float64]


def fit_beats(
    waves: list[NDArray[np.float64]],
    rate_hz: float,
    times_s: list[NDArray[np.float64]],
    period_s: NDArray[np.float64],
) -> Fit:
    """Fit amplitude, offset and delay of the median beat to every beat (least squares, Gauss-Newton in the delay).

    Parameters
    ----------
    waves : list of ndarray
        Unbroken stretches on a grid fine enough for linear interpolation (200 Hz or more).
    rate_hz : float
        Samples per second of that grid.
    times_s : list of ndarray
        Upstrokes found in each stretch, seconds after its first sample.
    period_s : ndarray, (K,)
        Local period at every beat of all stretches.

    Returns
    -------
    Fit
        Moves no beat by more than 0.15 periods.
    """
    owner = np.repeat(np.arange(len(waves)), [len(t) for t in times_s])
    times = np.concatenate(times_s)
    if not len(times):
        return Fit(times, times, times, times)
    found = times.copy()
    for _ in range(3):
        shape, inside = _cut(waves, rate_hz, owner, times, period_s)
        template = _median_shape(shape, inside)
        scale, delay, _, _ = _least_squares(shape, inside, template)
        sure = scale > 0.1 * np.median(scale)
        delay = np.where(sure, np.clip(delay, -0.05, 0.05), 0.0)
        delay -= np.median(delay)
        times = np.clip(times + delay * period_s, found - 0.15 * period_s, found + 0.15 * period_s)
    shape, inside = _cut(waves, rate_hz, owner, times, period_s)
    template = _median_shape(shape, inside)
    scale, _, likeness, functional = _least_squares(shape, inside, template)
    usual = max(float(np.median(scale)), 1e-300)
    noise = np.mean(
        [_beat_to_beat(_cut(waves, rate_hz, owner, times + s * period_s, period_s)[0], functional) for s in _BETWEEN],
        axis=0,
    )
    near = np.convolve(np.pad(noise, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    jitter = np.sqrt(0.5 * near + 0.5 * np.median(noise) / np.log(2)) / np.maximum(scale, 0.1 * usual)
    quality = _quality(likeness, scale / usual, inside) * np.exp(-0.5 * (jitter / 0.045) ** 2)
    return Fit(times, quality, scale / usual, np.minimum(jitter, 0.5) * period_s)


def _beat_to_beat(shape: NDArray[np.float64], functional: NDArray[np.float64]) -> NDArray[np.float64]:
    """Noise power that the delay estimator picks up: each row against the mean of its two neighbours."""
    near = np.pad(shape, ((1, 1), (0, 0)), mode="reflect" if len(shape) > 1 else "edge")
    odd = shape - 0.5 * (near[:-2] + near[2:])
    return np.asarray((odd * functional).sum(axis=1) ** 2 / 1.5)


def _cut(
    waves: list[NDArray[np.float64]],
    rate_hz: float,
    owner: NDArray[np.intp],
    times: NDArray[np.float64],
    period: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wave around each beat, (K, M), and the taper where the stretch covers it, else 0."""
    shape = np.empty((len(times), len(_OFFSETS)))
    inside = np.empty_like(shape)
    for index, wave in enumerate(waves):
        mine = owner == index
        at = (times[mine, None] + period[mine, None] * _OFFSETS) * rate_hz
        shape[mine] = np.interp(at, np.arange(len(wave)), wave)
        inside[mine] = _TAPER * ((at >= 0) & (at <= len(wave) - 1))
    return shape, inside


def _median_shape(shape: NDArray[np.float64], inside: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of all beats after removing each one's mean and size; unit weighted norm."""
    weight = inside.sum(axis=1, keepdims=True)
    level = shape - (shape * inside).sum(axis=1, keepdims=True) / weight
    size = np.sqrt((level**2 * inside).sum(axis=1, keepdims=True) / weight)
    whole = inside.min(axis=1) > 0
    chosen = (level / np.maximum(size, 1e-300))[whole if whole.any() else slice(None)]
    template = np.median(chosen, axis=0)
    template = template - (template * _TAPER).sum() / _TAPER.sum()
    norm = np.sqrt((template**2 * _TAPER).sum() / _TAPER.sum())
    return np.asarray(template / max(float(norm), 1e-300))


def _least_squares(
    shape: NDArray[np.float64], inside: NDArray[np.float64], template: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Fit ``scale * template(o - delay) + level`` to every beat.

    Returns scale (K,), delay in periods (K,), likeness (correlation, K), and the standard deviation of the delay in
    periods (K,) from the autocovariance of what the fit leaves over.
    """
    slope = np.gradient(template, _OFFSETS)
    basis = np.stack([template, np.ones_like(template), slope])
    weighted = basis[None] * inside[:, None, :]
    normal = weighted @ basis.T + 1e-9 * np.eye(3)
    solve = np.linalg.solve(normal, weighted)
    coefficients = np.einsum("kim,km->ki", solve, shape)
    scale = coefficients[:, 0]
    left = shape - coefficients @ basis
    spread = shape - coefficients[:, 1:2]
    remaining = (left**2 * inside).sum(axis=1)
    whole = np.maximum((spread**2 * inside).sum(axis=1), 1e-300)
    likeness = np.sqrt(np.clip(1 - remaining / whole, 0, 1)) * np.sign(scale)
    positive = np.maximum(scale, 1e-300)
    functional = solve[:, 2, :]
    return scale, -coefficients[:, 2] / positive, likeness, functional


def _quality(
    likeness: NDArray[np.float64], amplitude: NDArray[np.float64], inside: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Similarity to the median beat times agreement of the amplitude with that of the beats around."""
    near = np.lib.stride_tricks.sliding_window_view(
        np.pad(amplitude, 4, mode="reflect" if len(amplitude) > 4 else "edge"), 9
    )
    usual = np.maximum(np.median(near, axis=1), 1e-9)
    odd = np.log(np.maximum(amplitude, 1e-9) / usual)
    whole = np.clip(inside.sum(axis=1) / _TAPER.sum() / 0.75, 0, 1)
    return np.asarray(np.clip((likeness - 0.4) / 0.5, 0, 1) * np.exp(-0.5 * (odd / 0.7) ** 2) * whole)
