"""What the rPPG-Toolbox's scorer says, number for number, in a fraction of the time.

Follows the behaviour of github.com/ubicomplab/rPPG-Toolbox at commit d807b01 (September 2025), band 0.6 to 3.3 Hz;
its paper (Liu et al., NeurIPS 2023) used 0.75 to 2.5 Hz. Prediction and label go the same way: summed up if they are
differences, smoothness priors with lambda 100, Butterworth of order 1 forwards and backwards, then the highest bin of
an FFT padded to a power of two (bins of 3.5/min at 30 Hz and 10 s), or the mean distance of peaks. The Toolbox
inverts an N x N matrix for each signal and correlates N times; a banded system and a pair of FFTs do the same here.

Where the Toolbox's numbers exist, they are given, odd ones included: a window with NaN in it gets the lowest rate of
the band. ``note`` says so. Where it would stop with an error, all numbers of the window are NaN and ``note`` says
why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from perfuse.bench.metrics import BlandAltman, Estimate
from perfuse.bench.waves import macc, periodogram, snr_db
from perfuse.bench.windows import by_samples
from perfuse.core.errors import UsageError
from perfuse.signal.filters import detrend_lambda

Floats = NDArray[np.float64]

BAND_HZ = (0.6, 3.3)
"""At the commit followed: 36 to 198 beats a minute."""
BAND_2023_HZ = (0.75, 2.5)
"""In the paper: 45 to 150."""
BREATHING_BAND_HZ = (0.13, 0.5)
"""For respiration: 8 to 30 breaths a minute."""
LAMBDA = 100.0
SHORTEST = 9
"""A window of fewer samples is skipped without a word."""

Read = Literal["fft", "peak"]

_FLAT = 1e-11
"""What is left of a signal beside a straight line, relative to it, below which the Toolbox scores rounding errors."""


@dataclass(frozen=True, slots=True)
class ToolboxWindow:
    """What the Toolbox says of one window.

    Attributes
    ----------
    start, stop : int
        Samples of the prediction.
    label, prediction : float
        Rates, per minute; NaN where the Toolbox gives NaN or stops.
    snr_db : float
        Decibels; may be -inf.
    macc : float
        0..1.
    note : str or None
        What is odd about these numbers.
    stops : bool
        True where the Toolbox would end with an error.
    """

    start: int
    stop: int
    label: float
    prediction: float
    snr_db: float
    macc: float
    note: str | None = None
    stops: bool = False


@dataclass(frozen=True, slots=True)
class ToolboxSummary:
    """The Toolbox's table, with its own standard errors (they take windows for independent).

    Attributes
    ----------
    n : int
        Windows that count.
    left_out : int
        Windows at which the Toolbox would have stopped; they do not count.
    mae, rmse, mape, r, snr_db, macc : Estimate
        ``value`` and ``se``; None with a reason where the Toolbox prints nan or inf.
    limits : BlandAltman or None
        As it plots them: label minus prediction, and limits sqrt(2) wider than the textbook's.
    textbook : BlandAltman or None
        The same differences with the usual limits.
    """

    n: int
    left_out: int
    mae: Estimate
    rmse: Estimate
    mape: Estimate
    r: Estimate
    snr_db: Estimate
    macc: Estimate
    limits: BlandAltman | None
    textbook: BlandAltman | None


def score_pair(
    prediction: ArrayLike,
    label: ArrayLike,
    rate_hz: float,
    *,
    differenced: bool,
    window_s: float | None = None,
    band_hz: tuple[float, float] = BAND_HZ,
    read: Read = "fft",
) -> tuple[ToolboxWindow, ...]:
    """Score one video.

    Parameters
    ----------
    prediction, label : array_like, (N,), (M,)
        One sample per frame. The prediction decides where windows lie. Everything is computed in double precision.
    rate_hz : float
        Frames per second; the Toolbox knows whole numbers only.
    differenced : bool
        True where both are differences from frame to frame (the Toolbox's ``DiffNormalized``).
    window_s : float or None
        None: the whole video. A last, shorter window counts if it has nine samples; of exactly nine the Toolbox dies.
    band_hz : tuple of float
        :data:`BAND_HZ`, :data:`BAND_2023_HZ` or :data:`BREATHING_BAND_HZ`.
    read : {'fft', 'peak'}
        How a rate is read off a wave.

    Returns
    -------
    tuple of ToolboxWindow
        In order of time; empty for a video of fewer than nine frames.

    Raises
    ------
    UsageError
        If the rate, the band, the window or ``read`` makes no sense.
    """
    if not (0 < rate_hz < np.inf and 0 < band_hz[0] < band_hz[1] and read in ("fft", "peak")):
        raise UsageError(
            f"Scoring by {read!r} in {band_hz} Hz at {rate_hz} frames per second was asked for.",
            "Pass 'fft' or 'peak', a band with 0 < low < high, and a positive rate.",
        )
    p, y = (np.ravel(np.asarray(x, np.float64)) for x in (prediction, label))
    spans = by_samples(len(p), rate_hz, window_s)
    edges = _edges(rate_hz, band_hz)
    return tuple(
        _window(p[a:b], y[a:b], (a, b), rate_hz, differenced, band_hz, edges, read)
        for a, b in spans
        if b - a >= SHORTEST
    )


def summarise(windows: Iterable[ToolboxWindow], *, breathing: bool = False) -> ToolboxSummary:
    """Put windows of any number of videos into the Toolbox's table.

    Parameters
    ----------
    windows : iterable of ToolboxWindow
        Of all videos, in any order.
    breathing : bool
        True for respiration, whose standard error of the RMSE lacks a root in the Toolbox.
    """
    everything = list(windows)
    kept = [w for w in everything if not w.stops]
    n = len(kept)
    label, prediction, snr, corr = (
        np.array([getattr(w, name) for w in kept], np.float64) for name in ("label", "prediction", "snr_db", "macc")
    )
    error = prediction - label
    # silent where the Toolbox would warn and print nan: what is not finite becomes a reason below
    with np.errstate(all="ignore"):
        share = np.abs(error / label)
        square = _mean_se(error**2)
        rmse_se = square[1] if breathing else np.sqrt(np.std(error**2) / np.sqrt(n)) if n else np.nan
        r = float(np.corrcoef(prediction, label)[0, 1]) if n > 1 else np.nan
        r_se = np.sqrt((1 - r**2) / (n - 2)) if n > 2 else np.nan
        figures = (
            _mean_se(np.abs(error)),
            (np.sqrt(square[0]), rmse_se),
            tuple(100 * v for v in _mean_se(share)),
            (r, r_se),
            _mean_se(snr),
            _mean_se(corr),
        )
        plain = _limits(-error, 1.96)
        wide = _limits(-error, 1.96 * np.sqrt(2))
    mae, rmse, mape, corr_rates, snr_mean, macc_mean = (_estimate(v, se, n) for v, se in figures)
    return ToolboxSummary(
        n, len(everything) - n, mae, rmse, mape, corr_rates, snr_mean, macc_mean, limits=wide, textbook=plain
    )


def _edges(rate_hz: float, band_hz: tuple[float, float]) -> tuple[Floats, Floats] | None:
    """Coefficients of the band-pass, or None where the band does not fit below half the frame rate."""
    from scipy.signal import butter

    low, high = band_hz[0] / rate_hz * 2, band_hz[1] / rate_hz * 2
    return None if high >= 1 else butter(1, [low, high], btype="bandpass")


def _window(
    prediction: Floats,
    label: Floats,
    span: tuple[int, int],
    rate_hz: float,
    differenced: bool,
    band_hz: tuple[float, float],
    edges: tuple[Floats, Floats] | None,
    read: Read,
) -> ToolboxWindow:
    dead = _why_dead(len(prediction), len(label), rate_hz, band_hz, edges, read)
    if dead or edges is None:
        nan = float("nan")
        return ToolboxWindow(*span, nan, nan, nan, nan, f"the Toolbox stops here: {dead}", stops=True)
    (p, said_p), (y, said_y) = (_filtered(x, edges, differenced) for x in (prediction, label))
    freq_hz, density = periodogram(p, rate_hz)
    if read == "fft":
        rates = [_highest_bin(freq_hz, density, band_hz), _highest_bin(*periodogram(y, rate_hz), band_hz)]
    else:
        rates = [_peak_rate(p, rate_hz), _peak_rate(y, rate_hz)]
    notes = [f"{what} {said}" for what, said in (("the prediction", said_p), ("the label", said_y)) if said]
    if notes and read == "fft":
        notes.append("a rate without a spectrum is the lowest of the band")
    return ToolboxWindow(
        *span,
        rates[1],
        rates[0],
        snr_db(freq_hz, density, rates[1] / 60, band_hz),
        macc(p, y),
        "; ".join(notes) or None,
    )


def _why_dead(
    predicted: int, labelled: int, rate_hz: float, band_hz: tuple[float, float], edges: object, read: Read
) -> str | None:
    if edges is None:
        return f"a band up to {band_hz[1]} Hz does not fit into {rate_hz:g} frames per second"
    if min(predicted, labelled) <= SHORTEST:
        return f"{predicted} predicted and {labelled} labelled samples, its filter needs more than {SHORTEST} of each"
    for count in (predicted, labelled) if read == "fft" else ():
        freq_hz = np.fft.rfftfreq(1 << (count - 1).bit_length(), 1 / rate_hz)
        if not ((freq_hz >= band_hz[0]) & (freq_hz <= band_hz[1])).any():
            return f"{count} samples are too few for a spectral line within {band_hz[0]} to {band_hz[1]} Hz"
    return None


def _filtered(x: Floats, edges: tuple[Floats, Floats], differenced: bool) -> tuple[Floats, str | None]:
    """Detrended and band-limited wave, and what is odd about it."""
    from scipy.signal import filtfilt

    with np.errstate(all="ignore"):
        wave = np.cumsum(x) if differenced else x
    if not np.isfinite(wave).all():
        # one such sample reaches every other through the inverse matrix
        return np.full(len(wave), np.nan), "holds values that are no numbers"
    line = np.linspace(wave[0], wave[-1], len(wave))
    if np.abs(wave - line).max() <= _FLAT * np.abs(wave).max():
        said = "does not change; the Toolbox would score rounding errors" if np.any(wave) else "is zero"
        return np.zeros(len(wave)), said
    return np.asarray(filtfilt(*edges, detrend_lambda(wave, LAMBDA))), None


def _highest_bin(freq_hz: Floats, density: Floats, band_hz: tuple[float, float]) -> float:
    inside = (freq_hz >= band_hz[0]) & (freq_hz <= band_hz[1])
    return float(freq_hz[inside][np.argmax(density[inside])] * 60)


def _peak_rate(wave: Floats, rate_hz: float) -> float:
    from scipy.signal import find_peaks

    peaks, _ = find_peaks(wave)
    return float(60 / (np.mean(np.diff(peaks)) / rate_hz)) if len(peaks) > 1 else float("nan")


def _mean_se(values: Floats) -> tuple[float, float]:
    if not len(values):
        return float("nan"), float("nan")
    return float(np.mean(values)), float(np.std(values) / np.sqrt(len(values)))


def _limits(difference: Floats, factor: float) -> BlandAltman | None:
    if len(difference) < 2 or not np.isfinite(difference).all():
        return None
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    return BlandAltman(bias, sd, bias - factor * sd, bias + factor * sd)


def _estimate(value: float, se: float, n: int) -> Estimate:
    if not np.isfinite(value):
        why = f"the Toolbox prints {value:g} here: " if n else ""
        why += "a window has no number, or nothing varies" if n else "no window can be scored"
        return Estimate(None, n=n, reason=why)
    return Estimate(float(value), float(se) if np.isfinite(se) else None, n=n)


def table(summary: ToolboxSummary) -> dict[str, float | None]:
    """Return a summary under the Toolbox's own names: ``n``, ``MAE``, ``MAE_se`` and so on."""
    names: Sequence[tuple[str, Estimate]] = (
        ("MAE", summary.mae),
        ("RMSE", summary.rmse),
        ("MAPE", summary.mape),
        ("r", summary.r),
        ("SNR", summary.snr_db),
        ("MACC", summary.macc),
    )
    flat: dict[str, float | None] = {"n": float(summary.n)}
    for name, figure in names:
        flat |= {name: figure.value, f"{name}_se": figure.se}
    return flat
