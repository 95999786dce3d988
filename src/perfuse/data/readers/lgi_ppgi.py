"""LGI-PPGI: resting, rotating, exercising and talking in the street, with a CMS50 oximeter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.clocks import frame_clock, shown
from perfuse.data.folders import distinct, files_below, files_in, glance, missing, unknown
from perfuse.data.formats.films import film_times, open_film, retimed
from perfuse.data.formats.texts import number, read_xml
from perfuse.data.reader import Reader
from perfuse.data.recording import F64, Problem, Recording, Signal
from perfuse.video import FrameStream

WAVE_HZ = 60.0
FILM, LABEL, TIMER = r"cv_camera.*\.avi", r"cms50.*\.xml", r"cv_camera.*timer.*\.xml"
DEPTH = 4
TASKS: dict[str, dict[str, str | int | float]] = {
    "gym": {"task": "bicycle ergometer", "motion": "exercise", "light": "indoors", "exercise": "yes"},
    "talk": {"task": "talking", "motion": "talking", "light": "outdoors"},
    "resting": {"task": "rest", "motion": "still", "light": "indoors"},
    "rest": {"task": "rest", "motion": "still", "light": "indoors"},
    "rotation": {"task": "head rotation", "motion": "rotating the head", "light": "indoors"},
}


def recognise(root: Path) -> bool:
    """Tell by ``cms50_stream_handler.xml`` or ``cv_camera_sensor_stream_handler.avi``."""
    return any(True for _ in glance(root, f"{FILM}|{LABEL}", DEPTH))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield a recording per folder that holds a film or a wave."""
    folders = dict.fromkeys(path.parent for path in files_below(root, f"{FILM}|{LABEL}", DEPTH))
    yield from distinct(
        (item for folder in folders for item in _take(root, folder)),
        unknown(root, READER.title, "alex/alex_gym/cms50_stream_handler.xml"),
    )


def _take(root: Path, folder: Path) -> Iterator[Recording | Problem]:
    name = folder.relative_to(root).as_posix() if folder != root else folder.name
    films, labels, timers = (next(iter(files_in(folder, pattern)), None) for pattern in (FILM, LABEL, TIMER))
    if films is None or labels is None:
        yield missing(folder / ("cms50_stream_handler.xml" if films else "cv_camera_sensor_stream_handler.avi"), name)
        return
    if timers is None:
        why = "Frames keep the times of the AVI."
        yield missing(
            folder / "cv_camera_sensor_timer_stream_handler.xml", name, recording=name, why=why, dropped=False
        )
    person, _, task = folder.name.rpartition("_")
    known = TASKS.get(task.lower())
    about = {**known, "session": task} if known else {"session": folder.name}
    yield Recording(
        dataset=READER.name,
        id=name,
        subject=person.lower() if known and person else folder.parent.name.lower() if folder != root else name,
        video=partial(open_take, films, timers),
        signals=partial(references, films, labels, timers),
        files=tuple(path for path in (films, labels, timers) if path),
        about=about,
    )


def _column(root: Element, field: str) -> F64:
    """Return one field of every row: rows are ``value0``, ``value1``, ...; so are their fields."""
    rows = [row.find(field) for row in root if re.fullmatch(r"value\d+", row.tag)]
    return np.array([number((cell.text or "").strip()) for cell in rows if cell is not None], np.float64)


def _frame_times(timer: Path) -> F64:
    """Return times of frames, s, from the first one."""
    times_s = frame_clock(_column(read_xml(timer), "value1") / 1000, timer)
    return np.asarray(times_s - times_s[0])


def open_take(film: Path, timer: Path | None) -> FrameStream:
    """Open a film with the times of the camera's timer.

    Raises
    ------
    SourceError
        If a file cannot be read.
    """
    return open_film(film) if timer is None else retimed(open_film(film), _frame_times(timer), str(timer))


def references(film: Path, label: Path, timer: Path | None) -> dict[str, Signal]:
    """Read wave and rate; their last sample is put at the last frame.

    Raises
    ------
    SourceError
        If a file cannot be read or has no wave.
    """
    root = read_xml(label)
    rate, wave = _column(root, "value1"), _column(root, "value2")
    if not np.isfinite(wave).any():
        raise SourceError(f"{label} holds no wave.", "Expected are elements value0, value1, ... with a value2 each.")
    times_s = film_times(film) if timer is None else _frame_times(timer)
    end = float(times_s[-1])
    found = {"pulse": Signal.uniform(wave, WAVE_HZ, end - (len(wave) - 1) / WAVE_HZ)}
    if np.isfinite(rate).any():
        found["heart_rate"] = Signal.uniform(shown(rate), WAVE_HZ, end - (len(rate) - 1) / WAVE_HZ)
    return found


READER = Reader(
    name="lgi-ppgi",
    title="LGI-PPGI",
    paper="Pilz, Zaunseder, Krajewski, Blazek: Local group invariance for heart rate estimation from face videos in "
    "the wild. CVPR workshops, 2018",
    access="six of 25 people openly, from the authors' repository",
    layout="alex/alex_gym/       also _resting, _rotation, _talk\n"
    "  cv_camera_sensor_stream_handler.avi        640 x 480, about 25 frames a second\n"
    "  cv_camera_sensor_timer_stream_handler.xml  ms of each frame (value1)\n"
    "  cms50_stream_handler.xml                   heart rate (value1), wave (value2), 60 Hz",
    signals=("pulse", "heart_rate"),
    verified="documentation and public loaders only",
    recognise=recognise,
    find=find,
    notes=(
        "Frames get the times of the camera's timer, the first at 0.",
        "The oximeter has no times. It counts as 60 Hz and as ending with the film, as pyVHR has it (ASSUMED); it "
        "began earlier, so the wave begins before 0. Check the lag before training on it.",
    ),
)
