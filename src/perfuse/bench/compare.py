"""Is one method better than another? Paired, on the same windows, with people as the units of chance."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.bench.metrics import DRAWS, SEED, Estimate, estimate
from perfuse.core.errors import UsageError

Floats = NDArray[np.float64]

FLIPS = 9999
"""Random sign patterns where there are too many to try all."""
ALL_UP_TO = 13
"""With so few people all 2**13 sign patterns are tried."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two methods on the windows that both answer.

    Attributes
    ----------
    difference : Estimate
        Mean absolute error of the first minus that of the second, with standard error and 95 % interval over people:
        negative where the first is better.
    p : float or None
        Of the sign-flip test over people, two-sided; None with fewer than two people.
    p_wilcoxon : float or None
        Of Wilcoxon's signed-rank test on the people's means; None where all are equal.
    p_holm : float or None
        ``p`` after Holm's correction, where several comparisons were made at once.
    windows, subjects : int
        What was compared.
    only_first, only_second : int
        Windows left out because one of the two gave no answer. A method that answers easy windows only looks good.
    """

    difference: Estimate
    p: float | None
    p_wilcoxon: float | None
    windows: int
    subjects: int
    only_first: int = 0
    only_second: int = 0
    p_holm: float | None = None


def compare(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    subjects: Sequence[str],
    *,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Comparison:
    """Compare the errors of two methods.

    Parameters
    ----------
    first, second : ndarray, (N,)
        Errors (prediction minus reference) on the same windows; NaN without an answer or a reference.
    subjects : sequence of str, (N,)
        Who each window is of.
    draws, seed : int
        Of bootstrap and sign flips.

    Raises
    ------
    UsageError
        If lengths differ.
    """
    a, b = np.abs(np.asarray(first, np.float64)).ravel(), np.abs(np.asarray(second, np.float64)).ravel()
    who = np.asarray(list(subjects), dtype=np.str_)
    if not len(a) == len(b) == len(who):
        raise UsageError(
            f"{len(a)} and {len(b)} errors of {len(who)} subjects were given.", "Pass one of each per window."
        )
    both = np.isfinite(a) & np.isfinite(b)
    difference, who = (a - b)[both], who[both]
    names, index = np.unique(who, return_inverse=True)
    sums = np.asarray(np.bincount(index, difference, len(names)), np.float64)
    means = sums / np.maximum(np.bincount(index, minlength=len(names)), 1)
    columns = np.stack([np.ones(len(difference)), difference], axis=1)
    return Comparison(
        estimate(columns, who, lambda s: s[..., 1] / s[..., 0], draws=draws, seed=seed),
        sign_flip(sums, seed=seed),
        _wilcoxon(means),
        int(both.sum()),
        len(names),
        int((np.isfinite(a) & ~np.isfinite(b)).sum()),
        int((np.isfinite(b) & ~np.isfinite(a)).sum()),
    )


def compare_all(
    errors: Mapping[str, NDArray[np.floating]],
    subjects: Sequence[str],
    base: str,
    *,
    draws: int = DRAWS,
    seed: int = SEED,
) -> dict[str, Comparison]:
    """Compare every method with one of them, and correct for having looked so often (Holm).

    Parameters
    ----------
    errors : mapping of str to ndarray, (N,)
        Errors of each method on the same windows.
    subjects : sequence of str, (N,)
        Who each window is of.
    base : str
        The method that the others are compared with; it is the second of each pair.
    draws, seed : int
        Of bootstrap and sign flips.

    Raises
    ------
    UsageError
        If there is no method called ``base``, or lengths differ.
    """
    if base not in errors:
        raise UsageError(f"There is no method called {base!r}.", f"Available: {', '.join(errors)}.")
    found = {
        name: compare(errors[name], errors[base], subjects, draws=draws, seed=seed) for name in errors if name != base
    }
    corrected = holm([c.p for c in found.values()])
    return {
        name: Comparison(c.difference, c.p, c.p_wilcoxon, c.windows, c.subjects, c.only_first, c.only_second, p_holm)
        for (name, c), p_holm in zip(found.items(), corrected)
    }


def sign_flip(sums: Floats, *, flips: int = FLIPS, seed: int = SEED) -> float | None:
    """Tell how often people's differences would sum up so far from 0 if their signs were random (two-sided).

    Parameters
    ----------
    sums : ndarray, (S,)
        Sum of the differences of each person, so that the statistic is the mean over windows.
    flips, seed : int
        Of the random sign patterns; up to :data:`ALL_UP_TO` people all patterns are tried.

    Returns
    -------
    float or None
        1 where all differences are 0; None with fewer than two people.
    """
    sums = np.sort(np.asarray(sums, np.float64))
    count = len(sums)
    if count < 2:
        return None
    if count <= ALL_UP_TO:
        signs = 1 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
        extra = 0
    else:
        signs = np.random.default_rng(seed).integers(0, 2, (flips, count)) * 2.0 - 1
        # the pattern that was seen is one of the possible ones (Phipson & Smyth, Stat Appl Genet Mol Biol 2010)
        extra = 1
    # sums that are equal up to rounding count as equal
    reached = np.abs(signs @ sums) >= abs(sums.sum()) - 1e-9 * np.abs(sums).sum()
    return float((reached.sum() + extra) / (len(signs) + extra))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p-values for their number (Holm, Scand J Stat 1979); None stays None and does not count."""
    there = [(p, place) for place, p in enumerate(p_values) if p is not None]
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(sorted(there)):
        highest = max(highest, min(p * (len(there) - rank), 1.0))
        corrected[place] = highest
    return corrected


def _wilcoxon(means: Floats) -> float | None:
    if len(means) < 2 or not np.any(means != 0):
        return None
    from scipy.stats import wilcoxon

    with warnings.catch_warnings():
        # with ties or zeros it tells that its p is approximate
        warnings.simplefilter("ignore")
        return float(wilcoxon(means, zero_method="wilcox").pvalue)
