"""What a benchmark run says: a long table, what was wrong with the data, what the methods cost, how to repeat it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from perfuse.bench.rows import Row
from perfuse.data.recording import ABOUT, Problem

Cell = str | int | float | None

WHO = ("dataset", "recording", "subject", "fold", "method", "profile")
"""First columns of every line; ``fold`` is the split it was tested in."""
ROW = tuple(field.name for field in fields(Row))
COLUMNS = (*WHO, *ROW, "error", "seen", *(f"about_{name}" for name in ABOUT))
"""All columns of the long table. ``seen`` is the share of the recording in which the face was there; ``about_*`` are
what the data set says of who, where and how, empty where it says nothing."""

Line = dict[str, Cell]
"""One line: column to value; columns without a value may be missing."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a method costs.

    Attributes
    ----------
    method : str
        Its name.
    ms_per_s : float or None
        Milliseconds of one core per second of video, decoding and face tracking not included.
    memory_mb : float or None
        Most memory beyond the samples themselves.
    parameters : int or None
        Of a network; 0 for a formula; None where it is not known.
    macs_per_s : float or None
        Multiplications and additions per second of video; None for formulas, and where it is not known.
    """

    method: str
    ms_per_s: float | None = None
    memory_mb: float | None = None
    parameters: int | None = None
    macs_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What was measured.

    Attributes
    ----------
    name, title : str
        Of the data set.
    recordings, subjects : int
        How many were scored.
    hours : float
        Of video.
    """

    name: str
    title: str
    recordings: int
    subjects: int
    hours: float


@dataclass(frozen=True, slots=True)
class Result:
    """A whole run.

    Attributes
    ----------
    lines : tuple of dict
        The long table, in the order of recordings, methods, profiles, windows.
    problems : tuple of Problem
        Everything that was wrong with the data.
    costs : tuple of Cost
        One per method, in the order asked for.
    data : tuple of DataFacts
        One per data set.
    about : dict
        ``command`` (to repeat it), ``date``, ``machine``, ``perfuse`` (version), ``split``, ``seed``, ``notes``.
    """

    lines: tuple[Line, ...]
    problems: tuple[Problem, ...]
    costs: tuple[Cost, ...]
    data: tuple[DataFacts, ...]
    about: dict[str, str]
