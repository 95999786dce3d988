"""Spectra on a fine grid and interpolated peaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def power_spectrum(
    samples: NDArray[np.float64], rate_hz: float, grid_hz: float = 0.002
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Hann-windowed periodogram, zero-padded so that bins lie at most ``grid_hz`` apart.

    Parameters
    ----------
    samples : ndarray, (..., N)
        Real signal; its mean is removed.
    rate_hz : float
        Samples per second.
    grid_hz : float
        Largest distance of two bins.

    Returns
    -------
    freq_hz : ndarray, (F,)
        From 0 to ``rate_hz / 2``.
    power : ndarray, (..., F)
        Squared amplitude: a sine of amplitude a has a peak of a**2.
    """
    x = np.asarray(samples, np.float64)
    n = x.shape[-1]
    window = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
    length = 1 << int(np.ceil(np.log2(max(rate_hz / grid_hz, n))))
    spectrum = np.fft.rfft((x - x.mean(axis=-1, keepdims=True)) * window, length)
    power = (2 * np.abs(spectrum) / window.sum()) ** 2
    return np.asarray(np.fft.rfftfreq(length, 1 / rate_hz), np.float64), np.asarray(power, np.float64)


def interpolated_peak(freq_hz: NDArray[np.float64], power: NDArray[np.float64], index: int) -> float:
    """Frequency of the maximum of the parabola through bin ``index`` and its neighbours (log power).

    Parameters
    ----------
    freq_hz, power : ndarray, (F,)
        Equally spaced frequencies and their power.
    index : int
        A local maximum.

    Returns
    -------
    float
        Hz; ``freq_hz[index]`` itself at the ends or where the neighbours are not lower.
    """
    if index <= 0 or index >= len(freq_hz) - 1 or power[index - 1] <= 0 or power[index + 1] <= 0:
        return float(freq_hz[index])
    left, mid, right = np.log(power[index - 1 : index + 2])
    bend = left - 2 * mid + right
    shift = 0.0 if bend >= 0 else float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))
    return float(freq_hz[index] + shift * (freq_hz[1] - freq_hz[0]))


def strongest_hz(samples: NDArray[np.float64], rate_hz: float, band_hz: tuple[float, float]) -> float:
    """Frequency of the highest interpolated peak in a band.

    Parameters
    ----------
    samples : ndarray, (N,)
        Finite; limited to the band already, or what lies below it leaks in.
    rate_hz : float
        Samples per second.
    band_hz : tuple of float
        Both ends included.

    Returns
    -------
    float
        Hz; NaN where nothing varies, or the band holds no frequency.
    """
    x = np.asarray(samples, np.float64)
    if not x.size or not np.ptp(x) > 1e-12 * np.abs(x).max():
        return float("nan")
    freq, power = power_spectrum(x, rate_hz)
    inside = np.flatnonzero((freq >= band_hz[0]) & (freq <= band_hz[1]))
    return interpolated_peak(freq, power, int(inside[power[inside].argmax()])) if len(inside) else float("nan")
