"""From rows to the figures of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.bench.metrics import (
    DRAWS,
    SEED,
    Agreement,
    BlandAltman,
    Estimate,
    Intervals,
    agreement,
    bland_altman,
    intervals,
    mean,
)
from perfuse.bench.rows import Row
from perfuse.core.errors import UsageError

LEVEL = 0.9
"""What the intervals of a :class:`perfuse.core.results.Vital` claim to hold."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures over the windows of one vital, one cut and one method.

    Attributes
    ----------
    vital, unit, window : str
        What the rows have in common.
    windows, referenced, answered : int
        Rows; rows with a reference; rows with a reference and a prediction.
    subjects : int
        People among the rows with a reference.
    agreement : Agreement
        Errors, correlation, share answered.
    intervals : Intervals
        Of rows that state an interval.
    limits : BlandAltman or None
        Bias (prediction minus reference) and limits of agreement.
    snr_db, macc, r, tdi : Estimate
        Means over the windows that have them. ``r`` is the correlation of the waves, not of the rates.
    """

    vital: str
    unit: str
    window: str
    windows: int
    referenced: int
    answered: int
    subjects: int
    agreement: Agreement
    intervals: Intervals
    limits: BlandAltman | None
    snr_db: Estimate
    macc: Estimate
    r: Estimate
    tdi: Estimate


def aggregate(rows: Sequence[Row], subjects: Sequence[str], *, draws: int = DRAWS, seed: int = SEED) -> Summary:
    """Summarise rows.

    Parameters
    ----------
    rows : sequence of Row
        All of one vital and one cut: :func:`grouped` sorts them.
    subjects : sequence of str
        Who each row is of.
    draws, seed : int
        Of the bootstrap.

    Raises
    ------
    UsageError
        If there are no rows, rows of different kinds, or another number of subjects.
    """
    kinds = {(row.vital, row.unit, row.window) for row in rows}
    if len(kinds) != 1 or len(subjects) != len(rows):
        raise UsageError(
            f"{len(rows)} rows of {len(kinds)} kinds and {len(subjects)} subjects were given.",
            "Pass rows of one vital and one window length, and the subject of each.",
        )
    (kind,) = kinds
    values = {
        name: column(rows, name) for name in ("prediction", "reference", "low", "high", "snr_db", "macc", "r", "tdi")
    }
    referenced = np.isfinite(values["reference"])
    answered = referenced & np.isfinite(values["prediction"])
    people = {who for who, there in zip(subjects, referenced) if there}
    snr, corr, r, tdi = (
        mean(values[name], subjects, draws=draws, seed=seed) for name in ("snr_db", "macc", "r", "tdi")
    )
    return Summary(
        *kind,
        len(rows),
        int(referenced.sum()),
        int(answered.sum()),
        len(people),
        agreement(values["prediction"], values["reference"], subjects, draws=draws, seed=seed),
        intervals(values["low"], values["high"], values["reference"], subjects, level=LEVEL, draws=draws, seed=seed),
        bland_altman(values["prediction"], values["reference"]),
        snr,
        corr,
        r,
        tdi,
    )


def grouped(rows: Sequence[Row]) -> dict[tuple[str, str], list[int]]:
    """Places of the rows of each (vital, window), in order of first appearance."""
    places: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault((row.vital, row.window), []).append(place)
    return places


def column(rows: Sequence[Row], name: str) -> NDArray[np.float64]:
    """Return one field of rows as numbers, NaN for None."""
    return np.array([np.nan if (value := getattr(row, name)) is None else value for row in rows], np.float64)
