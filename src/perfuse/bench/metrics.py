"""How well numbers agree with their references, each figure with its standard error and 95 % interval.

Windows of one person resemble one another, so their number is no measure of certainty. Every interval here comes from
drawing *people* with replacement, each with all their windows (cluster bootstrap, percentile interval; Efron &
Tibshirani, An introduction to the bootstrap, 1993, ch. 13; Field & Welsh, J R Stat Soc B 2007). All statistics are
functions of sums, so a draw costs one row of a matrix product. Same seed, same bits, whatever the order of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import UsageError

Floats = NDArray[np.float64]

LEAST_SUBJECTS = 5
"""ASSUMED: fewer people give no interval; with four, one draw in sixty-four is the same person four times."""
LEAST_FOR_R = 3
"""Two points always lie on a line."""
DRAWS = 2000
SEED = 20_261_122


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, or the reason why there is none.

    Attributes
    ----------
    value : float or None
        None exactly where nothing can be said; then ``reason`` says why.
    se : float or None
        Standard error.
    low, high : float or None
        95 % interval.
    n : int
        How many windows went in.
    reason : str or None
        Why there is no value, or (with a value) why there is no interval.
    """

    value: float | None
    se: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Numbers against references. Errors are prediction minus reference.

    Attributes
    ----------
    mae, rmse, bias : Estimate
        In the unit of the numbers.
    mape : Estimate
        Per cent of the reference.
    r : Estimate
        Pearson's correlation.
    answered : Estimate
        Share of the windows with a reference that have a prediction, 0..1.
    """

    mae: Estimate
    rmse: Estimate
    mape: Estimate
    bias: Estimate
    r: Estimate
    answered: Estimate


@dataclass(frozen=True, slots=True)
class Intervals:
    """Stated intervals against references.

    Attributes
    ----------
    coverage : Estimate
        Share of the intervals that hold the reference, ends included, 0..1.
    width : Estimate
        Mean width.
    score : Estimate
        Mean interval score: width, plus ``2 / (1 - level)`` times the distance of a reference outside. Smaller is
        better, and only the true quantiles minimise it (Gneiting & Raftery, J Am Stat Assoc 2007, eq. 43).
    """

    coverage: Estimate
    width: Estimate
    score: Estimate


@dataclass(frozen=True, slots=True)
class BlandAltman:
    """Bias and limits of agreement (Bland & Altman, Lancet 1986).

    Attributes
    ----------
    bias : float
        Mean difference.
    sd : float
        Standard deviation of the differences, n - 1 below.
    low, high : float
        Limits that hold 95 % of normally distributed differences.
    """

    bias: float
    sd: float
    low: float
    high: float


def agreement(
    prediction: NDArray[np.floating],
    reference: NDArray[np.floating],
    subjects: Sequence[str],
    *,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Agreement:
    """Errors, correlation and share answered.

    Parameters
    ----------
    prediction : ndarray, (N,)
        NaN where there is no answer.
    reference : ndarray, (N,)
        NaN where there is none: such windows count nowhere.
    subjects : sequence of str, (N,)
        Who each window is of.
    draws, seed : int
        Of the bootstrap.

    Raises
    ------
    UsageError
        If the lengths differ.
    """
    x, y, who = _aligned(subjects, prediction, reference)
    known = np.isfinite(y)
    both = known & np.isfinite(x)
    x, y, w = x[both], y[both], who[both]
    one, error = np.ones(len(x)), x - y

    def figure(columns: Sequence[Floats], statistic: Callable[[Floats], Floats]) -> Estimate:
        return estimate(np.stack(columns, axis=1), w, statistic, draws=draws, seed=seed)

    share = np.full(len(y), np.nan)
    np.divide(100 * np.abs(error), np.abs(y), out=share, where=y != 0)
    mape = figure([one, share], _mean) if (y != 0).all() else Estimate(None, n=len(y), reason="a reference is 0")
    return Agreement(
        mae=figure([one, np.abs(error)], _mean),
        rmse=figure([one, error**2], lambda s: np.sqrt(_mean(s))),
        mape=mape,
        bias=figure([one, error], _mean),
        r=_correlation(x, y, w, figure),
        answered=estimate(
            np.stack([np.ones(int(known.sum())), both[known]], axis=1), who[known], _mean, draws=draws, seed=seed
        ),
    )


def intervals(
    low: NDArray[np.floating],
    high: NDArray[np.floating],
    reference: NDArray[np.floating],
    subjects: Sequence[str],
    *,
    level: float = 0.9,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Intervals:
    """Coverage, width and score of stated intervals.

    Parameters
    ----------
    low, high, reference : ndarray, (N,)
        NaN where there is none: such windows count nowhere.
    subjects : sequence of str, (N,)
        Who each window is of.
    level : float
        What the intervals claim to hold, between 0 and 1; those of a :class:`perfuse.core.results.Vital` 0.9.
    draws, seed : int
        Of the bootstrap.

    Raises
    ------
    UsageError
        If the lengths differ or the level is no share.
    """
    if not 0 < level < 1:
        raise UsageError(f"Intervals of level {level} were given.", "Pass a share between 0 and 1, such as 0.9.")
    a, b, y, who = _aligned(subjects, low, high, reference)
    there = np.isfinite(a) & np.isfinite(b) & np.isfinite(y)
    a, b, y, who = a[there], b[there], y[there], who[there]
    missed = np.maximum(a - y, 0) + np.maximum(y - b, 0)
    columns = ((a <= y) & (y <= b), b - a, (b - a) + 2 / (1 - level) * missed)
    return Intervals(*(mean(c.astype(np.float64), who.tolist(), draws=draws, seed=seed) for c in columns))


def mean(values: NDArray[np.floating], subjects: Sequence[str], *, draws: int = DRAWS, seed: int = SEED) -> Estimate:
    """Mean of whatever is finite among ``values``, (N,), with its interval over ``subjects``, (N,)."""
    x, who = _aligned(subjects, values)
    there = np.isfinite(x)
    return estimate(
        np.stack([np.ones(int(there.sum())), x[there]], axis=1), who[there], _mean, draws=draws, seed=seed
    )


def bland_altman(prediction: NDArray[np.floating], reference: NDArray[np.floating]) -> BlandAltman | None:
    """Bias (prediction minus reference) and the textbook's limits; None with fewer than two pairs."""
    difference = np.asarray(prediction, np.float64) - np.asarray(reference, np.float64)
    difference = difference[np.isfinite(difference)]
    if len(difference) < 2:
        return None
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    return BlandAltman(bias, sd, bias - 1.96 * sd, bias + 1.96 * sd)


def estimate(
    columns: Floats,
    subjects: NDArray[np.str_],
    statistic: Callable[[Floats], Floats],
    *,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Estimate:
    """Give a statistic of column sums its standard error and interval by drawing subjects.

    Parameters
    ----------
    columns : ndarray, (N, K)
        What is summed over windows.
    subjects : ndarray of str, (N,)
        Who each window is of.
    statistic : callable
        Sums (..., K) to values (...); NaN where undefined.
    draws, seed : int
        Of the bootstrap.
    """
    n = len(columns)
    if n == 0:
        return Estimate(None, reason="no window has both a prediction and a reference")
    names, index = np.unique(subjects, return_inverse=True)
    sums = np.zeros((len(names), columns.shape[1]))
    np.add.at(sums, index, columns)
    value = float(statistic(sums.sum(axis=0)))
    if not np.isfinite(value):
        return Estimate(None, n=n, reason="the figure is not defined for these numbers")
    if len(names) < LEAST_SUBJECTS:
        return Estimate(value, n=n, reason=f"no interval: {len(names)} subjects, needs {LEAST_SUBJECTS}")
    times = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    drawn = statistic(times @ sums)
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < 0.95 * draws:
        return Estimate(value, n=n, reason="no interval: the figure is undefined for many draws of the subjects")
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value, float(drawn.std(ddof=1)), float(low), float(high), n)


def _mean(sums: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 1] / sums[..., 0])


def _correlation(x: Floats, y: Floats, who: NDArray[np.str_], figure: Callable[..., Estimate]) -> Estimate:
    n = len(x)
    if n < LEAST_FOR_R:
        return Estimate(None, n=n, reason=f"{n} windows, a correlation needs {LEAST_FOR_R}")
    if np.ptp(x) <= 1e-9 * np.abs(x).max() or np.ptp(y) <= 1e-9 * np.abs(y).max():
        return Estimate(None, n=n, reason="all predictions or all references are the same")
    # standardised first: sums of squares of rates that differ little would lose their digits
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    return figure([np.ones(n), x, y, x * x, y * y, x * y], _pearson)


def _pearson(sums: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x, mean_y, xx, yy, xy = (sums[..., k] / sums[..., 0] for k in range(1, 6))
        spread = (xx - mean_x**2) * (yy - mean_y**2)
        r = (xy - mean_x * mean_y) / np.sqrt(np.where(spread > 1e-18, spread, np.nan))
    return np.asarray(np.clip(r, -1, 1))


def _aligned(subjects: Sequence[str], *arrays: NDArray[np.floating]) -> tuple[NDArray, ...]:  # type: ignore[type-arg]
    """Return all arrays as float64 and the subjects as an array, in one order that depends on content alone."""
    rows = [np.asarray(a, np.float64).ravel() for a in arrays]
    lengths = {len(subjects), *(len(a) for a in rows)}
    if len(lengths) > 1:
        raise UsageError(f"Lists of {sorted(lengths)} windows were given.", "Pass one entry per window in each.")
    who = np.asarray(list(subjects), dtype=np.str_)
    order = np.lexsort((*reversed(rows), who))
    return (*(a[order] for a in rows), who[order])
