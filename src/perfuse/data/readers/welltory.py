"""Welltory PPG: a finger on a phone's camera, mean colours per frame, beat intervals of a chest strap."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.folders import child, distinct, folders_below, missing, unknown
from perfuse.data.formats.films import open_trace
from perfuse.data.formats.tables import read_numbers
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording, Signal

SUBJECT = r"subject_\d+"
TRACE, BEATS = "PPG.csv", "RR.txt"


def recognise(root: Path) -> bool:
    """Tell by ``subject_01/PPG.csv`` or ``subject_01/RR.txt``, in the folder or in ``data``."""
    return any(child(folder, TRACE, BEATS) for folder in folders_below(root, SUBJECT, 2))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield a recording per folder."""
    yield from distinct(
        (item for folder in folders_below(root, SUBJECT, 2) for item in _take(folder)),
        unknown(root, READER.title, "subject_01/PPG.csv"),
    )


def _take(folder: Path) -> Iterator[Recording | Problem]:
    trace, beats = child(folder, TRACE), child(folder, BEATS)
    if trace is None or beats is None:
        yield missing(folder / (TRACE if trace is None else BEATS), folder.name)
        return
    yield Recording(
        dataset=READER.name,
        id=folder.name,
        subject=folder.name,
        video=partial(open_trace, trace),
        signals=partial(references, beats),
        files=(trace, beats),
        about={"task": "rest", "motion": "still", "camera": "phone, finger on the lens", "population": "adult"},
    )


def references(path: Path) -> dict[str, Signal]:
    """Read the intervals; beats follow one another from 0 s on.

    Raises
    ------
    SourceError
        If there is none, or one is no positive number of milliseconds.
    """
    table = read_numbers(path)
    intervals = (table[0] if len(table) == 1 else table[np.isfinite(table)]) / 1000
    if not (intervals > 0).all():  # one lost interval shifts all beats after it
        raise SourceError(f"{path} holds intervals that are no positive numbers.", "Leave this recording out.")
    times_s = np.concatenate([[0.0], np.cumsum(intervals)])
    return {"beats": Signal(times_s, np.concatenate([[np.nan], intervals]))}


READER = Reader(
    name="welltory",
    title="Welltory PPG",
    paper="Neshitov, Tyapochkin, Smorodnikova, Pravdin: Wavelet analysis and self-similarity of photoplethysmography "
    "signals for HRV estimation and quality assessment. Sensors 21, 6798, 2021",
    access="openly (CC0), from Welltory's repository",
    layout="data/subject_01/PPG.csv   time (ms), R, G, B per frame\ndata/subject_01/RR.txt    intervals, ms",
    signals=("beats",),
    verified="tried on all 21 real recordings",
    recognise=recognise,
    find=find,
    notes=(
        "A trace, not a video: fingers on lenses, where red carries the pulse and green is often black.",
        "The intervals have no times. The first beat is put at 0 s (ASSUMED), which may be off by what the trace "
        "is longer than all intervals together (-0.3 to 3.1 s on the real files): compare rates, not beats.",
        "13 people made 21 recordings and nothing says who made which: subjects here are recordings, so a split by "
        "subject may have one person on both sides.",
    ),
)
