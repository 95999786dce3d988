"""What PhysBench's scorer says of a prediction and a label.

Follows the behaviour of the code that survives in github.com/Snopylz/PhysBench_lz (December 2023; the project itself
removed its code). Only the prediction is filtered, causally: Butterworth of order 3, 0.5 to 3 Hz (one stored version
of that code has order 2, 0.6 to 2.5 Hz instead: pass ``order`` and ``filter_hz``). The rate is the highest bin of
Welch's spectrum with segments of at most 256 samples, padded to bins of about half a beat a minute, strictly between
30 and 180 a minute. Whole videos, and 30 s every 10 s as long as half a window is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from perfuse.core.errors import UsageError

Floats = NDArray[np.float64]

FILTER_HZ = (0.5, 3.0)
ORDER = 3
RANGE_HZ = (0.5, 3.0)
WINDOW_S, STEP_S = 30.0, 10.0
SEGMENT = 256


@dataclass(frozen=True, slots=True)
class PhysBenchWindow:
    """What PhysBench says of one window.

    Attributes
    ----------
    start, stop : int
        Samples.
    label, prediction : float
        Rates, per minute; NaN where PhysBench would stop.
    note : str or None
        Why it would stop, or what is odd.
    """

    start: int
    stop: int
    label: float
    prediction: float
    note: str | None = None


@dataclass(frozen=True, slots=True)
class PhysBenchSummary:
    """The three figures, rounded as PhysBench prints them; None where it would print nan.

    Attributes
    ----------
    n : int
        Windows with both rates.
    mae, rmse : float or None
        Per minute, three decimals.
    r : float or None
        Five decimals.
    """

    n: int
    mae: float | None
    rmse: float | None
    r: float | None


def score_pair(
    prediction: ArrayLike,
    label: ArrayLike,
    times_s: ArrayLike,
    *,
    sliding: bool,
    order: int = ORDER,
    filter_hz: tuple[float, float] = FILTER_HZ,
) -> tuple[PhysBenchWindow, ...]:
    """Score one video.

    Parameters
    ----------
    prediction, label : array_like, (N,)
        One sample per frame, the label already interpolated to the frames' times: :func:`label_at`.
    times_s : array_like, (N,)
        The frames' times; only their mean distance is used.
    sliding : bool
        False: the whole video. True: 30 s every 10 s.
    order, filter_hz
        Of the filter of the prediction.

    Raises
    ------
    UsageError
        If lengths differ, or the times do not increase on the whole.
    """
    p, y, t = (np.ravel(np.asarray(a, np.float64)) for a in (prediction, label, times_s))
    if not len(p) == len(y) == len(t):
        raise UsageError(
            f"{len(p)} predictions, {len(y)} labels and {len(t)} times were given.", "Pass one of each per frame."
        )
    if len(t) < 2:
        return ()
    if not t[-1] > t[0]:
        raise UsageError("The frames' times do not increase.", "Pass seconds in order.")
    rate_hz = float(1 / np.mean(np.diff(t)))
    if sliding:
        starts = np.arange(0, len(y) - (WINDOW_S * rate_hz) // 2, STEP_S * rate_hz).astype(int)
        spans = [(int(a), min(int(a) + round(WINDOW_S * rate_hz), len(y))) for a in starts]
    else:
        spans = [(0, len(y))]
    return tuple(_window(p[a:b], y[a:b], (a, b), rate_hz, order, filter_hz) for a, b in spans)


def label_at(label_times_s: ArrayLike, label: ArrayLike, times_s: ArrayLike) -> Floats:
    """Interpolate a label to frame times by a cubic spline through its samples, as PhysBench does.

    Parameters
    ----------
    label_times_s, label : array_like, (M,)
        Times that repeat are dropped, all but the first.
    times_s : array_like, (N,)
        Beyond the label's ends the spline is continued, as there.

    Raises
    ------
    UsageError
        If fewer than four samples have times of their own, or a value is no number.
    """
    from scipy.interpolate import InterpolatedUnivariateSpline

    x, first = np.unique(np.asarray(label_times_s, np.float64), return_index=True)
    y = np.asarray(label, np.float64)[first]
    if len(x) < 4 or not np.isfinite(y).all():
        raise UsageError("A label that no spline goes through was given.", "Pass four or more finite samples.")
    return np.asarray(InterpolatedUnivariateSpline(x, y)(np.asarray(times_s, np.float64)))


def summarise(windows: Iterable[PhysBenchWindow]) -> PhysBenchSummary:
    """Put windows of any number of videos into PhysBench's figures; windows without numbers do not count."""
    pairs = np.array([(w.label, w.prediction) for w in windows], np.float64).reshape(-1, 2)
    label, prediction = pairs[np.isfinite(pairs).all(axis=1)].T
    if not len(label):
        return PhysBenchSummary(0, None, None, None)
    error = label - prediction
    varies = len(label) > 1 and np.ptp(label) > 0 and np.ptp(prediction) > 0
    r = round(float(np.corrcoef(label, prediction)[0, 1]), 5) if varies else None
    mae, rmse = float(np.mean(np.abs(error))), float(np.mean(error**2) ** 0.5)
    return PhysBenchSummary(len(label), round(mae, 3), round(rmse, 3), r)


def _window(
    prediction: Floats,
    label: Floats,
    span: tuple[int, int],
    rate_hz: float,
    order: int,
    filter_hz: tuple[float, float],
) -> PhysBenchWindow:
    from scipy.signal import butter, lfilter

    nan = float("nan")
    if filter_hz[1] >= rate_hz / 2:
        why = f"a band up to {filter_hz[1]} Hz does not fit into {rate_hz:.3g} frames per second"
        return PhysBenchWindow(*span, nan, nan, f"PhysBench stops here: {why}")
    if len(label) < 3 or int(1e5 / rate_hz) < min(len(label) - 1, SEGMENT):
        return PhysBenchWindow(*span, nan, nan, f"PhysBench stops here: {len(label)} samples at {rate_hz:.4g} Hz")
    odd = [what for what, x in (("prediction", prediction), ("label", label)) if not np.isfinite(x).all()]
    filtered = lfilter(*butter(order, filter_hz, fs=rate_hz, btype="band"), prediction)
    note = f"values that are no numbers in the {' and the '.join(odd)}: the rate is the lowest one" if odd else None
    return PhysBenchWindow(*span, welch_rate(label, rate_hz), welch_rate(filtered, rate_hz), note)


def welch_rate(wave: Floats, rate_hz: float) -> float:
    """Rate, per minute, of the highest bin of Welch's spectrum strictly inside :data:`RANGE_HZ`."""
    from scipy.signal import welch

    # the fraction of a bin that 1e5 / rate asks for is dropped, as older versions of scipy did it
    with np.errstate(all="ignore"):
        freq_hz, density = welch(wave, rate_hz, nperseg=min(len(wave) - 1, SEGMENT), nfft=int(1e5 / rate_hz))
    inside = (freq_hz > RANGE_HZ[0]) & (freq_hz < RANGE_HZ[1])
    return float(freq_hz[inside][np.argmax(density[inside])] * 60)
