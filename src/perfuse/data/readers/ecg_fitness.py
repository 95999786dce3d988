"""ECG-Fitness: people speaking, rowing, on a cross-trainer and a bicycle, two webcams, an ECG at the chest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.clocks import frame_clock, shown, where_timed
from perfuse.data.folders import child, distinct, folders_below, folders_in, missing, unknown
from perfuse.data.formats.films import open_film, retimed
from perfuse.data.formats.tables import column, read_numbers, read_table
from perfuse.data.reader import Reader
from perfuse.data.recording import F64, Problem, Recording, Signal
from perfuse.video import FrameStream

PERSON = SESSION = r"\d\d"
LABEL, FRAMES = "viatom-raw.csv", "c920.csv"
CAMERA = {"c920-1.avi": "Logitech C920 on a tripod", "c920-2.avi": "Logitech C920 on the machine"}
SPEAKING = {"task": "speaking", "motion": "talking"}
ROWING = {"task": "rowing", "motion": "exercise"}
TASKS = {
    1: {**SPEAKING, "light": "natural"},
    2: {**ROWING, "light": "natural"},
    3: {**SPEAKING, "light": "halogen lamp"},
    4: {**ROWING, "light": "halogen lamp"},
    5: {"task": "cross-trainer", "motion": "exercise", "light": "natural"},
    6: {"task": "stationary bicycle", "motion": "exercise", "light": "natural"},
}
SWAPPED = {("11", 1): 2, ("11", 2): 1}
"""Subject 11 did the first two in the other order (after public loaders)."""


def _sessions(root: Path) -> Iterator[tuple[Path, Path]]:
    """Yield (person, session) folders; those of face boxes have neither film nor table."""
    for person in folders_below(root, PERSON, 3):
        for session in folders_in(person):
            if re.fullmatch(SESSION, session.name) and child(session, LABEL, FRAMES, *CAMERA):
                yield person, session


def recognise(root: Path) -> bool:
    """Tell by ``00/01/viatom-raw.csv`` or ``00/01/c920-1.avi``."""
    return any(True for _ in _sessions(root))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield a recording per session and webcam."""
    yield from distinct(
        (item for person, session in _sessions(root) for item in _session(person, session)),
        unknown(root, READER.title, "00/01/viatom-raw.csv"),
    )


def _session(person: Path, session: Path) -> Iterator[Recording | Problem]:
    name = f"{person.name}/{session.name}"
    label, frames = child(session, LABEL), child(session, FRAMES)
    if label is None or frames is None:
        yield missing(session / (LABEL if label is None else FRAMES), name)
        return
    films = {file: child(session, file) for file in CAMERA}
    number = int(session.name)
    about: dict[str, str | int | float] = {
        **TASKS.get(SWAPPED.get((person.name, number), number), {}),
        "session": session.name,
    }
    for file, film in films.items():
        key = f"{name}/{Path(file).stem}"
        if film is None:
            yield missing(session / file, key)
            continue
        yield Recording(
            dataset=READER.name,
            id=key,
            subject=person.name,
            video=partial(open_take, film, frames),
            signals=partial(references, label, frames),
            files=(film, frames, label),
            about={**about, "camera": CAMERA[file]},
        )


def _clock(frames: Path) -> F64:
    """Return the ms at which each frame was taken, on the ECG's clock."""
    marks = read_numbers(frames)[:, 0]
    return frame_clock(marks[int(np.isnan(marks[0])) :], frames)  # a first line may be one of names


def open_take(film: Path, frames: Path) -> FrameStream:
    """Open a film with the times of ``c920.csv``.

    Raises
    ------
    SourceError
        If a file cannot be read.
    """
    marks = _clock(frames)
    return retimed(open_film(film), (marks - marks[0]) / 1000, str(frames))


def references(label: Path, frames: Path) -> dict[str, Signal]:
    """Read ECG, wave, rate and saturation.

    Raises
    ------
    SourceError
        If a table cannot be read or lacks a column.
    """
    table = read_table(label)
    marks = column(table, label, "milliseconds", "ms", "timestamp", "time")
    times_s = (_spread(marks, label) - _clock(frames)[0]) / 1000
    rate = column(table, label, "ECG HR")
    found = {
        "ecg": where_timed(times_s, column(table, label, "ECG")),
        # the device writes a signed byte: -1 is none, other negatives are rates over 127
        "heart_rate": where_timed(times_s, shown(np.where(rate < -1, rate + 256, rate))),
    }
    for name, title in (("pulse", "PPG"), ("spo2", "SpO2")):
        if title.lower() in map(str.lower, table):
            values = column(table, label, title)
            found[name] = where_timed(times_s, shown(values) if name == "spo2" else values)
    return found


def _spread(marks: F64, label: Path) -> F64:
    """Return a time per row, ms: rows come in packets that share one; it counts for the first of a packet."""
    known = np.flatnonzero(np.isfinite(marks))
    first = known[np.diff(marks[known], prepend=-np.inf) > 0]
    if len(first) < 2:
        raise SourceError(f"The times in {label} do not increase.", "Leave this session out.")
    times = np.interp(np.arange(len(marks)), first, marks[first])
    after = np.arange(len(marks)) > first[-1]
    pace = (marks[first[-1]] - marks[first[0]]) / (first[-1] - first[0])
    times[after] += pace * (np.flatnonzero(after) - first[-1])
    times[: first[0]] = np.nan
    return times


READER = Reader(
    name="ecg-fitness",
    title="ECG-Fitness",
    paper="Spetlik, Franc, Cech, Matas: Visual heart rate estimation with convolutional neural network. BMVC 2018",
    access="on signing an agreement, from CMP, Czech Technical University",
    layout="00/01/                     people 00 to 16, sessions 01 to 06; bbox/ is not used\n"
    "  c920-1.avi c920-2.avi    1920 x 1080, 30 frames a second, raw\n"
    "  c920.csv                 ms of each frame, row of the ECG\n"
    "  viatom-raw.csv           milliseconds, ECG, ECG HR, PPG, PPG HR, SpO2, PI; about 125 Hz",
    signals=("ecg", "heart_rate", "pulse", "spo2"),
    verified="documentation and public loaders only",
    recognise=recognise,
    find=find,
    notes=(
        "Frames get the times of c920.csv, the first at 0; rows of the ECG come in packets of about five that share "
        "a time and are spread up to the next one. A packet's time counts for its first sample (ASSUMED).",
        "The ECG is in the device's own unit. Heart rates over 127 are stored as negative numbers and are mended.",
        "Both webcams share the references. Session 4 of 02 and session 2 of 07 do not exist.",
    ),
)
