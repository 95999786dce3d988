"""The one contract of readers: a card, a look at a folder, and the recordings in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from perfuse.data.recording import Problem, Recording


@dataclass(frozen=True, slots=True)
class Reader:
    """A table of where things lie in one data set, plus a small parser.

    Attributes
    ----------
    name : str
        What ``--data NAME:FOLDER`` calls it: lower case, hyphens.
    title : str
        Full name.
    paper : str
        Authors, title, venue, year.
    access : str
        Who may have it: licence, agreement, or where it lies openly.
    layout : str
        The folders as they are distributed, as indented text; what the reader expects, no more.
    signals : tuple of str
        References it can give (names of :data:`perfuse.data.recording.SIGNALS`); ``radar`` where there is one.
    verified : str
        What was tried on real files, and what follows documentation or public loaders only.
    recognise : callable
        Whether a folder looks like this data set, from a few names; reads no contents and never raises.
    find : callable
        Yields recordings in a fixed order (by name, numbers by value), and a problem for whatever cannot become
        one. Reads names and small tables only: no video is opened.
    notes : tuple of str
        What a user should know: clocks, delays, exclusions, traps of other loaders.
    """

    name: str
    title: str
    paper: str
    access: str
    layout: str
    signals: tuple[str, ...]
    verified: str
    recognise: Callable[[Path], bool]
    find: Callable[[Path], Iterator[Recording | Problem]]
    notes: tuple[str, ...] = ()
