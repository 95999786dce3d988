"""How well two waves agree: signal to noise, cross-correlation, correlation at the best lag, warping.

Arrays in, floats out; NaN where a number does not exist (a wave that does not change, no common samples). Nothing is
filtered here: pass waves that are limited to the band of interest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HALF_WIDTH_HZ = 0.1
"""Six beats a minute to either side of the rate and of its double count as signal (rPPG-Toolbox)."""


def periodogram(wave: Floats, rate_hz: float) -> tuple[Floats, Floats]:
    """Spectral density without a window, padded with zeros to the next power of two, as the rPPG-Toolbox takes it.

    Parameters
    ----------
    wave : ndarray, (N,)
        At least one sample.
    rate_hz : float
        Samples per second.

    Returns
    -------
    freq_hz, density : ndarray, (F,)
        From 0 to ``rate_hz / 2``; one-sided.
    """
    length = 1 << (len(wave) - 1).bit_length()
    spectrum = np.fft.rfft(wave, length)
    density = (spectrum.conj() * spectrum).real / (rate_hz * len(wave))
    density[1 : (-1 if length % 2 == 0 else None)] *= 2
    return np.asarray(np.fft.rfftfreq(length, 1 / rate_hz)), density


def snr_db(freq_hz: Floats, density: Floats, rate_hz: float, band_hz: tuple[float, float]) -> float:
    """Power near a rate and its double over the rest of a band.

    Parameters
    ----------
    freq_hz, density : ndarray, (F,)
        Of the predicted wave: :func:`periodogram`.
    rate_hz : float
        The true rate, beats or breaths per second.
    band_hz : tuple of float
        Both ends included. What lies near the double counts even where it is beyond the band.

    Returns
    -------
    float
        Decibels; 0 where the rest is exactly empty (as the rPPG-Toolbox says), -inf where only the rest is there, NaN
        where the wave is not finite.
    """
    first = (freq_hz >= rate_hz - HALF_WIDTH_HZ) & (freq_hz <= rate_hz + HALF_WIDTH_HZ)
    second = (freq_hz >= 2 * rate_hz - HALF_WIDTH_HZ) & (freq_hz <= 2 * rate_hz + HALF_WIDTH_HZ)
    rest = (freq_hz >= band_hz[0]) & (freq_hz <= band_hz[1]) & ~first & ~second
    noise = float(density[rest].sum())
    if noise == 0:
        return 0.0
    with np.errstate(divide="ignore"):
        return float(10 * np.log10((density[first].sum() + density[second].sum()) / noise))


def macc(prediction: Floats, label: Floats) -> float:
    """Largest absolute correlation of two waves over all circular shifts (maximum amplitude of cross-correlation).

    Shifts of 0 to N - 2 samples, as the rPPG-Toolbox takes them: the last one is not tried. One pair of FFTs instead
    of N correlations.

    Parameters
    ----------
    prediction, label : ndarray, (N,), (M,)
        The longer one is cut to the shorter one's length.

    Returns
    -------
    float
        0..1; NaN where a wave is constant or not finite, or fewer than two samples are there.
    """
    n = min(len(prediction), len(label))
    if n < 2:
        return float("nan")
    x, y = _centred(prediction[:n]), _centred(label[:n])
    size = np.sqrt((x @ x) * (y @ y))
    if not size > 0 or not np.isfinite(size):
        return float("nan")
    cross = np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(y).conj(), n)[: n - 1]
    return min(float(np.abs(cross).max() / size), 1.0)


def best_correlation(
    prediction: Floats, reference: Floats, rate_hz: float, reach_s: float = 0.5
) -> tuple[float, float]:
    """Correlation of two waves at the lag where it is largest; only samples that both have are used.

    Parameters
    ----------
    prediction, reference : ndarray, (N,)
        On the same samples.
    rate_hz : float
        Samples per second.
    reach_s : float
        Largest lag. A pulse reaches the face 0.1 to 0.3 s before or after it reaches a finger; beyond half a beat
        another beat would be compared.

    Returns
    -------
    r : float
        -1..1, signed: a wave upside down does not become right. NaN where a wave is constant or too short.
    lag_s : float
        Positive where the prediction comes later.
    """
    n = len(prediction)
    reach = min(round(reach_s * rate_hz), n - 3)
    best, at = float("nan"), float("nan")
    # outwards from 0, so that of two equal lags the shorter one is told
    for lag in sorted(range(-reach, reach + 1), key=abs):
        x, y = prediction[max(lag, 0) : n + min(lag, 0)], reference[max(-lag, 0) : n - max(lag, 0)]
        x, y = _centred(x), _centred(y)
        size = float(np.sqrt((x @ x) * (y @ y)))
        if size > 0 and np.isfinite(size):
            r = float(np.clip(x @ y / size, -1, 1))
            if not r <= best:
                best, at = r, lag / rate_hz
    return best, at


@dataclass(frozen=True, slots=True)
class Warp:
    """The best alignment of two waves by dynamic time warping.

    Attributes
    ----------
    cost : float
        Sum of squared differences along the path, of waves with mean 0 and standard deviation 1, per sample.
    tdi : float
        Temporal distortion index: sum over the path of ``((i - j) / N)**2``, the hard form of the index that the
        DILATE loss smooths (Le Guen & Thome, Shape and time distortion loss, NeurIPS 2019). 0: nothing is shifted.
    shift_s : float
        Root mean square of the time shift along the path: the index in a unit one can picture.
    """

    cost: float
    tdi: float
    shift_s: float


NO_WARP = Warp(float("nan"), float("nan"), float("nan"))


def warp(prediction: Floats, reference: Floats, rate_hz: float, band_s: float = 0.27) -> Warp:
    """Align two waves within a Sakoe-Chiba band, O(N * band).

    Parameters
    ----------
    prediction, reference : ndarray, (N,)
        On the same samples.
    rate_hz : float
        Samples per second.
    band_s : float
        Largest shift. ASSUMED 0.27 s, below half of the shortest beat: a wider one would slip by whole beats.

    Returns
    -------
    Warp
        All NaN where a wave is constant, not finite, or has fewer than two samples. Of paths that cost the same the
        one that stays closer to the diagonal step is taken.
    """
    n, reach = len(prediction), max(1, round(band_s * rate_hz))
    x, y = _standard(prediction), _standard(reference)
    if n < 2 or x is None or y is None:
        return NO_WARP
    width = 2 * reach + 1
    column = np.arange(n)[:, None] + np.arange(-reach, reach + 1)
    inside = (column >= 0) & (column < n)
    step = np.where(inside, (x[:, None] - y[np.clip(column, 0, n - 1)]) ** 2, np.inf)
    # Cells of one row depend on their left neighbour: total[k] = step[k] + min(above[k], total[k - 1]). With the
    # running sum s of a row this is s[k] + min over m <= k of (above[m] - s[m - 1]), one accumulated minimum.
    run = np.cumsum(np.where(inside, step, 0.0), axis=1)
    before = np.concatenate([np.zeros((n, 1)), run[:, :-1]], axis=1)
    total = np.full((n, width), np.inf)
    total[0] = np.where(column[0] >= 0, run[0], np.inf)
    above = np.full(width, np.inf)
    for i in range(1, n):
        # one row up the same column lies one place to the right, the diagonal in the same place
        np.minimum(total[i - 1, :-1], total[i - 1, 1:], out=above[:-1])
        above[-1] = total[i - 1, -1]
        np.minimum.accumulate(above - before[i], out=total[i])
        total[i] += run[i]
        total[i, ~inside[i]] = np.inf
    shifts = _path(total, reach) - reach
    square = float((shifts.astype(float) ** 2).sum())
    return Warp(float(total[-1, reach] / n), square / n**2, float(np.sqrt(square / len(shifts)) / rate_hz))


def _path(total: Floats, reach: int) -> NDArray[np.int64]:
    """Walk back from the last to the first cell; return the place within the band of each cell of the path."""
    i, k = len(total) - 1, reach
    places = [k]
    while i > 0 or k != reach:
        slanted = total[i - 1, k] if i > 0 else np.inf
        up = total[i - 1, k + 1] if i > 0 and k + 1 < total.shape[1] else np.inf
        left = total[i, k - 1] if k > 0 else np.inf
        if slanted <= min(up, left) + 1e-12:
            i -= 1
        elif up <= left:
            i, k = i - 1, k + 1
        else:
            k -= 1
        places.append(k)
    return np.array(places)


def _centred(x: Floats) -> Floats:
    return np.asarray(x - x.mean())


def _standard(x: Floats) -> Floats | None:
    if not len(x) or not np.isfinite(x).all():
        return None
    centred = _centred(x)
    size = float(np.sqrt((centred**2).mean()))
    return centred / size if size > 1e-12 * float(np.abs(x).max()) else None
