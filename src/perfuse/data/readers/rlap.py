"""RLAP: students at a desk, lossless pictures, an oximeter on the same computer clock (PhysRecorder)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.clocks import frame_clock, shown, where_timed
from perfuse.data.folders import child, distinct, files_below, files_in, glance, holds, missing, unknown
from perfuse.data.formats.films import open_film, retimed
from perfuse.data.formats.pictures import open_pictures
from perfuse.data.formats.tables import column, read_table
from perfuse.data.reader import Reader
from perfuse.data.recording import F64, Problem, Recording, Signal
from perfuse.video import FrameStream

PICTURES, PICTURE = "pictures_ZIP_RAW_RGB", r".+\.(png|bmp|jpg)"
FILMS = (r"video_RAW_.+\.avi", r"vid(eo)?\.(avi|mp4)", r"video_.*MJPG.*\.avi", r"video_.*H264.*\.(mp4|avi)")
"""Best first: without loss, then ever more of it."""
CLOCK, WAVE = r"frames_timestamp.*\.csv", "BVP.csv"
LABELS = {
    "pulse": (WAVE, ("bvp", "ppg", "value")),
    "heart_rate": ("HR.csv", ("hr", "value")),
    "respiratory_rate": ("RR.csv", ("rr", "value")),
    "spo2": ("SpO2.csv", ("spo2", "value")),
}
TASKS = {
    "R1": "rest",
    "R2": "rest",
    "R3": "game",
    "R4": "reading aloud",
    "E1": "watching nature",
    "E2": "watching a puzzle game",
    "E3": "watching a comedy",
    "E4": "watching an illusion",
    "E5": "watching a paper",
    "E6": "watching yawns",
    "T1": "learning from video",
    "T2": "learning from a text book",
    "T3": "watching a class",
}


def _sessions(root: Path) -> Iterator[Path]:
    yield from dict.fromkeys(path.parent for path in files_below(root, CLOCK, 4))


def recognise(root: Path) -> bool:
    """Tell by ``p001/R1/frames_timestamp.csv``."""
    return any(True for _ in glance(root, CLOCK, 4))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield a recording per session, from its least lossy pictures."""
    with_clock = list(_sessions(root))
    with_wave = [path.parent for path in files_below(root, re.escape(WAVE), 4)] if with_clock else []
    yield from distinct(
        (item for folder in dict.fromkeys([*with_clock, *with_wave]) for item in _session(root, folder)),
        unknown(root, READER.title, "p001/R1/frames_timestamp.csv"),
    )


def _session(root: Path, folder: Path) -> Iterator[Recording | Problem]:
    name = folder.relative_to(root).as_posix()
    clock = next(iter(files_in(folder, CLOCK)), None)
    if clock is None:
        yield missing(folder / "frames_timestamp.csv", name)
        return
    pictures = child(folder, PICTURES)
    film = next((path for pattern in FILMS for path in files_in(folder, pattern)), None)
    source = pictures if pictures and pictures.is_dir() and holds(pictures, PICTURE) else film
    if source is None:
        yield missing(folder / "video_ZIP_H264.mp4", name, why=f"There is no {PICTURES} either.")
        return
    labels = {signal: child(folder, file) for signal, (file, _) in LABELS.items()}
    found = {signal: path for signal, path in labels.items() if path}
    if "pulse" not in found:
        yield missing(folder / WAVE, name, recording=name if found else None)
        if not found:
            return
    task = TASKS.get(folder.name.upper())
    about: dict[str, str | int | float] = {"session": folder.name, "camera": "Logitech C930c"}
    about |= {"task": task, "motion": "natural" if folder.name.upper() != "R1" else "still"} if task else {}
    about |= {"light": "dark" if folder.name.upper() == "R2" else "indoors"} if task else {}
    yield Recording(
        dataset=READER.name,
        id=name,
        subject=folder.parent.name if folder.parent != root else folder.name,
        video=partial(open_take, source, clock),
        signals=partial(references, clock, found),
        files=(source, clock, *found.values()),
        about=about,
    )


def _read_clock(path: Path) -> tuple[F64, float]:
    """Return the times of frames, s, and the length of a unit: UNIX time is in s, or in ms."""
    table = read_table(path)
    times = frame_clock(column(table, path, "timestamp", "timestamps", "time", "unix_timestamp"), path)
    unit = 1e-3 if times[0] > 1e11 else 1.0
    return times * unit, unit


def open_take(source: Path, clock: Path) -> FrameStream:
    """Open pictures, or a film, with the times of ``frames_timestamp.csv``.

    Raises
    ------
    SourceError
        If a file cannot be read.
    """
    marks = _read_clock(clock)[0]
    times_s = marks - marks[0]
    if not source.is_dir():
        return retimed(open_film(source), times_s, str(clock))
    pictures = files_in(source, PICTURE)
    numbers = [int(p.stem) if p.stem.isdecimal() else -1 for p in pictures]
    if min(numbers, default=-1) < 0:
        numbers = list(range(len(pictures)))
    shift = 1 if numbers and numbers[0] == 1 and numbers[-1] == len(times_s) else 0
    kept = [(path, times_s[n - shift]) for path, n in zip(pictures, numbers) if n - shift < len(times_s)]
    return open_pictures([path for path, _ in kept], np.array([t for _, t in kept]), str(source))


def references(clock: Path, labels: dict[str, Path]) -> dict[str, Signal]:
    """Read what has times of its own, on the frames' clock.

    Raises
    ------
    SourceError
        If a table cannot be read or lacks a column.
    """
    start = _read_clock(clock)[0][0]
    found = {}
    for signal, path in labels.items():
        table = read_table(path)
        marks = column(table, path, "timestamp", "timestamps", "time", "unix_timestamp")
        values = column(table, path, *LABELS[signal][1])
        known = marks[np.isfinite(marks)]
        if not len(known):
            raise SourceError(f"{path} has no times.", "Expected is a column timestamp in UNIX time.")
        times_s = marks * (1e-3 if known[0] > 1e11 else 1.0) - start
        found[signal] = where_timed(times_s, values if signal == "pulse" else shown(values))
    return found


READER = Reader(
    name="rlap",
    title="RLAP (CCNU)",
    paper="Wang, Wei, Tong, Gao, Tian, Ma, Zhao: PhysBench: A benchmark framework for remote physiological sensing "
    "with new dataset and baseline. arXiv 2305.04161, 2023",
    access="on signing an agreement, from Central China Normal University",
    layout="p001/R1/                          also E1 to E6, R1 to R4, T1 to T3\n"
    "  pictures_ZIP_RAW_RGB/00000000.png   or vid.avi, video_RAW_*.avi, video_ZIP_MJPG.avi, video_ZIP_H264.mp4\n"
    "  frames_timestamp.csv              frame, timestamp (UNIX time)\n"
    "  BVP.csv                           timestamp, bvp; also HR.csv, RR.csv, SpO2.csv of the same recorder",
    signals=("pulse", "heart_rate", "respiratory_rate", "spo2"),
    verified="documentation and public loaders only",
    recognise=recognise,
    find=find,
    notes=(
        "Frames and wave have times of one computer's clock; the first frame is at 0.",
        "The best pictures of a session are taken: PNG, else raw AVI, else MJPEG, else H.264.",
        "Other sets of the same recorder (SUMS, LADH) can be read too where they have frames_timestamp.csv.",
    ),
)
