"""One exception family: what was given, what was expected, what to do.

A bad *input* raises; a good input without an *answer* does not: it yields a :class:`~perfuse.core.results.Vital`
whose value is ``None`` beside a reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class PerfuseError(Exception):
    """Base of every error perfuse raises on purpose.

    Parameters
    ----------
    problem : str
        What was given and why it cannot be used, naming the file, option or value.
    remedy : str
        What the user can do about it.

    Attributes
    ----------
    exit_code : int
        What the command line returns (documented in ``docs/errors.md``).
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}".strip()


class UsageError(PerfuseError):
    """An option or argument outside what is accepted (exit code 2)."""

    exit_code = 2


class SourceError(PerfuseError):
    """A recording that cannot be read: missing, not a video, audio only, zero frames, unreadable (exit code 3)."""

    exit_code = 3


class OutputError(PerfuseError):
    """A result that cannot be written where it was asked for (exit code 4)."""

    exit_code = 4


class MissingExtraError(PerfuseError):
    """An optional part is not installed (exit code 5)."""

    exit_code = 5


def available(given: object, known: Iterable[str]) -> str:
    """Return the remedy for a name that is none of those known: what it may have meant, and what there is."""
    names = list(known)
    near = get_close_matches(str(given), names, n=1) or get_close_matches(str(given).lower(), names, n=1)
    guess = f"Did you mean {near[0]!r}? " if near else ""
    return f"{guess}Available: {', '.join(names)}."


def one_of(what: str, given: object, known: Iterable[str]) -> None:
    """Accept one of the names known.

    Raises
    ------
    UsageError
        If it is none of them; it says which it may have meant.
    """
    names = list(known)
    if given not in names:
        raise UsageError(f"There is no {what} {given!r}.", available(given, names))
