"""Zero-phase band-pass and detrending, specified in Hz.

Both treat every row on its own: the result for a row has the same bits whatever other rows stand beside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import UsageError

Array = NDArray[np.float64]


def butterworth_gain(
    freq_hz: NDArray[np.floating], rate_hz: float, low_hz: float, high_hz: float, order: int = 3
) -> Array:
    """Gain of a digital Butterworth band-pass run forwards and backwards.

    Parameters
    ----------
    freq_hz : ndarray, (F,)
        0 to ``rate_hz / 2``.
    rate_hz, low_hz, high_hz, order
        See :func:`bandpass`.

    Returns
    -------
    ndarray, (F,)
        ``|H|**2``, 0..1; 0.5 at both edges, 0 at 0 Hz. An upper edge at or beyond ``rate_hz / 2`` cuts nothing, and
        with the lower edge there too nothing passes.
    """
    if low_hz >= rate_hz / 2:
        return np.zeros(len(freq_hz))
    # The bilinear transform maps f to tan(pi f / rate): Nyquist lies at infinity, where only the band's limit exists.
    warped = np.tan(np.pi * np.minimum(freq_hz, rate_hz / 2 * (1 - 1e-12)) / rate_hz)
    low = np.tan(np.pi * low_hz / rate_hz)
    with np.errstate(divide="ignore"):
        if high_hz >= rate_hz / 2:
            detuning = low / warped
        else:
            high = np.tan(np.pi * high_hz / rate_hz)
            detuning = (warped - low * high / warped) / (high - low)
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + detuning ** (2 * order)))


def bandpass(
    x: NDArray[np.floating], rate_hz: float, low_hz: float, high_hz: float, order: int = 3, axis: int = -1
) -> Array:
    """Zero-phase Butterworth band-pass: what ``filtfilt`` tends to with unlimited odd-reflection padding.

    Point reflection about both end samples repeats the signal for ever; what is left of it after subtracting the
    line through the end samples is periodic, so one FFT of a single period filters the endless signal exactly, and
    the line itself has no share in any band that excludes 0 Hz.

    Parameters
    ----------
    x : ndarray, (..., N, ...)
        Real, finite.
    rate_hz : float
        Samples per second.
    low_hz, high_hz : float
        Edges (half amplitude), ``0 < low_hz < high_hz``. An upper edge at or beyond Nyquist makes this a high-pass; a
        lower edge there lets nothing pass.
    order : int
        Of the Butterworth prototype, as in ``scipy.signal.butter(order, ..., 'bandpass')``.
    axis : int
        Time.

    Returns
    -------
    ndarray, float64, same shape
        Zeros where fewer than three samples are given or a row is constant.

    Raises
    ------
    UsageError
        If the rate or the band makes no sense.
    """
    if not (rate_hz > 0 and 0 < low_hz < high_hz and order >= 1):
        raise UsageError(
            f"A band of {low_hz} to {high_hz} Hz, order {order}, at {rate_hz} samples per second was given.",
            "Pass 0 < low_hz < high_hz, order >= 1 and a positive rate_hz.",
        )
    rows = np.moveaxis(np.asarray(x, np.float64), axis, -1)
    n = rows.shape[-1]
    if n < 3:
        return np.zeros(np.shape(x))
    bent = _without_line(rows)
    period = np.concatenate([bent[..., :-1], -bent[..., :0:-1]], axis=-1)
    gain = butterworth_gain(np.fft.rfftfreq(2 * n - 2, 1 / rate_hz), rate_hz, low_hz, high_hz, order)
    filtered = np.fft.irfft(np.fft.rfft(period) * gain, 2 * n - 2)[..., :n]
    return np.ascontiguousarray(np.moveaxis(filtered, -1, axis))


def smoothness_lambda(cutoff_hz: float, rate_hz: float) -> float:
    """Regularisation for which smoothness-priors detrending halves the amplitude at ``cutoff_hz``.

    The filter's gain is ``q / (1 + q)`` with ``q = lambda**2 * (2 sin(pi f / rate))**4``, which is one half where
    ``2 sin(pi f / rate) = lambda**-0.5``: the same lambda means another cut-off at another frame rate.

    Raises
    ------
    UsageError
        Unless ``0 < cutoff_hz < rate_hz / 2``.
    """
    if not 0 < cutoff_hz < rate_hz / 2:
        raise UsageError(
            f"A detrending cut-off of {cutoff_hz} Hz at {rate_hz} samples per second was given.",
            "Pass a cut-off above 0 and below half the rate.",
        )
    return float((2 * np.sin(np.pi * cutoff_hz / rate_hz)) ** -2)


def detrend(x: NDArray[np.floating], rate_hz: float, cutoff_hz: float, axis: int = -1) -> Array:
    """Remove slow drift by smoothness priors, at a cut-off that means the same at every frame rate.

    Parameters
    ----------
    x : ndarray, (..., N, ...)
        Real, finite.
    rate_hz : float
        Samples per second.
    cutoff_hz : float
        Frequency of half amplitude, below ``rate_hz / 2``.
    axis : int
        Time.

    Returns
    -------
    ndarray, float64, same shape
        Zeros where fewer than three samples are given (a straight line is all drift).
    """
    return detrend_lambda(x, smoothness_lambda(cutoff_hz, rate_hz), axis)


def detrend_lambda(x: NDArray[np.floating], lam: float, axis: int = -1) -> Array:
    """Smoothness-priors detrending with the regularisation given as lambda, as most published code does.

    ``x - (I + lam**2 D'D)**-1 x`` with D the second difference (Tarvainen, Ranta-aho, Karjalainen: An advanced
    detrending method with application to HRV analysis, IEEE TBME 2002, eq. 18), solved as a five-diagonal system in
    O(N).

    Parameters
    ----------
    x : ndarray, (..., N, ...)
        Real, finite.
    lam : float
        Positive. 100 at 30 samples per second cuts at 0.48 Hz: see :func:`smoothness_lambda`.
    axis : int
        Time.

    Returns
    -------
    ndarray, float64, same shape
        Zeros where fewer than three samples are given.

    Raises
    ------
    UsageError
        If ``lam`` is not positive.
    """
    if not lam > 0:
        raise UsageError(f"A detrending lambda of {lam} was given.", "Pass a positive number.")
    rows = np.moveaxis(np.asarray(x, np.float64), axis, -1)
    n = rows.shape[-1]
    if n < 3:
        return np.zeros(np.shape(x))
    from scipy.linalg import solveh_banded

    band = np.zeros((3, n))
    for offset, products in enumerate(((1, 4, 1), (-2, -2), (1,))):
        for shift, product in enumerate(products):
            # Row k of D is (1, -2, 1) at k, k+1, k+2; its outer product with itself lands on these diagonals.
            band[2 - offset, offset + shift : offset + shift + n - 2] += lam**2 * product
    band[2] += 1
    # A line is all trend: taking it out beforehand changes nothing but keeps a large offset out of the rounding.
    bent = _without_line(rows)
    trend = solveh_banded(band, bent.reshape(-1, n).T, check_finite=False).T.reshape(rows.shape)
    return np.ascontiguousarray(np.moveaxis(bent - trend, -1, axis))


def _without_line(rows: Array) -> Array:
    """Subtract the line through the first and last sample of each row."""
    first, last = rows[..., :1], rows[..., -1:]
    return np.asarray(rows - (first + (last - first) * (np.arange(rows.shape[-1]) / (rows.shape[-1] - 1))))
