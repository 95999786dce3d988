"""VIPL-HR: 107 people, nine scenes, three colour cameras and an infrared one, with an oximeter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.clocks import frame_clock, shown
from perfuse.data.folders import child, distinct, files_in, folders_below, folders_in, missing, unknown
from perfuse.data.formats.films import film_times, open_film, retimed
from perfuse.data.formats.matlab import read_mat, series
from perfuse.data.formats.tables import read_numbers, read_series
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording, Signal
from perfuse.video import FrameStream

WAVE_HZ = 60.0
PHONE_HZ = 30.0
SUBJECT, SCENE, SOURCE = r"p\d+", r"v(\d)(-\d+)?", r"source(\d)"
CAMERA = {
    "1": "Logitech C310",
    "2": "HUAWEI P9, front camera",
    "3": "RealSense F200, colour",
    "4": "RealSense F200, infrared",
}
SCENES: dict[str, dict[str, str | int | float]] = {
    "1": {"task": "rest", "motion": "still", "light": "ceiling lamp"},
    "2": {"task": "head movements", "motion": "large head movements", "light": "ceiling lamp"},
    "3": {"task": "talking", "motion": "talking", "light": "ceiling lamp"},
    "4": {"task": "rest", "motion": "still", "light": "dark: ceiling lamp off"},
    "5": {"task": "rest", "motion": "still", "light": "bright: filament lamp on"},
    "6": {"task": "rest, 1.5 m away", "motion": "still", "light": "ceiling lamp"},
    "7": {"task": "rest after exercise", "motion": "still", "light": "ceiling lamp", "exercise": "yes"},
    "8": {"task": "holding the phone", "motion": "still", "light": "ceiling lamp"},
    "9": {"task": "holding the phone", "motion": "large head movements", "light": "ceiling lamp"},
}
FILM, WAVE, TIMES, RATE, SATURATION = "video.avi", "wave.csv", "time.txt", "gt_HR.csv", "gt_SpO2.csv"


def _scenes(person: Path) -> list[Path]:
    return folders_in(person, SCENE)


def _sources(scene: Path) -> list[Path]:
    return folders_in(scene, SOURCE)


def recognise(root: Path) -> bool:
    """Tell by ``p1/v1/source1``, in the folder or in ``data``, ``data/p1-5``, ...."""
    return any(_sources(scene) for person in folders_below(root, SUBJECT, 3) for scene in _scenes(person))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield a recording per person, scene and camera."""
    folds: dict[int, int] = {}
    for item in _folds(root):
        if isinstance(item, Problem):
            yield item
        else:
            folds[item[0]] = item[1]
    people = folders_below(root, SUBJECT, 3)
    yield from distinct(
        (
            item
            for person in people
            for scene in _scenes(person)
            for source in _sources(scene)
            for item in _take(person, scene, source, folds)
        ),
        unknown(root, READER.title, "p1/v1/source1/video.avi"),
    )


def _folds(root: Path) -> Iterator[tuple[int, int] | Problem]:
    """Yield (subject, fold) from ``fold/fold1.mat`` to ``fold5.mat``: one series of subject numbers each."""
    for folder in [*folders_below(root, "folds?", 2), *folders_below(root.parent, "folds?", 1)][:1]:
        for path in files_in(folder):
            match = re.fullmatch(r"fold_?(\d)\.mat", path.name, re.I)
            if match:
                try:
                    for name, value in read_mat(path).items():
                        for subject in series(value, path, name):
                            yield int(subject), int(match[1])
                except (SourceError, ValueError, OverflowError) as error:
                    yield Problem("unreadable", str(path), f"The fold in {path} is not known: {error}", None, False)


def _take(person: Path, scene: Path, source: Path, folds: dict[int, int]) -> Iterator[Recording | Problem]:
    name = f"{person.name}/{scene.name}/{source.name}".lower()
    camera = source.name[-1]
    film, wave, times = child(source, FILM), child(source, WAVE), child(source, TIMES)
    rate, saturation = child(source, RATE), child(source, SATURATION)
    if film is None:
        yield missing(source / FILM, name)
        return
    labels = {"pulse": wave, "heart_rate": rate, "spo2": saturation}
    found = {signal: path for signal, path in labels.items() if path}
    if not found:
        yield missing(source / WAVE, name, why="The take has no reference.")
        return
    for signal, path in (("pulse", WAVE), ("heart_rate", RATE), ("spo2", SATURATION)):
        if signal not in found:
            yield missing(source / path, name, recording=name)
    if times is None and camera != "2":  # the phone never has it
        yield missing(source / TIMES, name, recording=name, why="Frames count as 30 a second.", dropped=False)
    about = {**SCENES.get(scene.name[1], {}), "camera": CAMERA.get(camera, source.name), "session": scene.name}
    number = int(person.name[1:])
    if number in folds:
        about["fold"] = folds[number]
    yield Recording(
        dataset=READER.name,
        id=name,
        subject=person.name.lower(),
        video=partial(open_take, film, times),
        signals=partial(references, found),
        files=tuple(path for path in (film, times, *found.values()) if path),
        about=about,
    )


def open_take(film: Path, times: Path | None) -> FrameStream:
    """Open a video with the times of ``time.txt``; without it at 30 frames a second (the AVI's 25 is no clock).

    Raises
    ------
    SourceError
        If the video or the times cannot be read.
    """
    if times is None:
        count = len(film_times(film))
        return retimed(open_film(film), np.arange(count) / PHONE_HZ, "The documentation (30 frames a second)")
    table = read_numbers(times)
    marks = (table[0] if len(table) == 1 else table[:, 0]) / 1000
    marks = frame_clock(marks[int(np.isnan(marks[0])) :], times)  # a first line may be a name
    return retimed(open_film(film), marks - marks[0], str(times))


def references(labels: dict[str, Path]) -> dict[str, Signal]:
    """Read wave (60 Hz), heart rate and saturation (once a second).

    Raises
    ------
    SourceError
        If a file cannot be read or holds no number.
    """
    found = {}
    if "pulse" in labels:
        found["pulse"] = Signal.uniform(read_series(labels["pulse"], "Wave"), WAVE_HZ)
    if "heart_rate" in labels:
        found["heart_rate"] = Signal.uniform(shown(read_series(labels["heart_rate"], "HR")), 1.0)
    if "spo2" in labels:
        found["spo2"] = Signal.uniform(shown(read_series(labels["spo2"], "SpO2")), 1.0)
    return found


READER = Reader(
    name="vipl-hr",
    title="VIPL-HR (version 1)",
    paper="Niu, Han, Shan, Chen: VIPL-HR: A multi-modal database for pulse estimation from less-constrained face "
    "video. ACCV 2018; Niu, Shan, Han, Chen: RhythmNet. IEEE TIP 29, 2020",
    access="on signing an agreement, from VIPL, Chinese Academy of Sciences",
    layout="data/p1/v1/source1/           also data/p1-5/p1/..., or p1/... at once; second takes are v1-2\n"
    "  video.avi                   only the face area was kept\n"
    "  time.txt                    ms of each frame (none for source2, the phone)\n"
    "  wave.csv                    Wave, 60 Hz\n"
    "  gt_HR.csv gt_SpO2.csv       one value a second\n"
    "fold/fold1.mat ... fold5.mat  subjects of each fold",
    signals=("pulse", "heart_rate", "spo2"),
    verified="documentation, public loaders and others' notes on the files only",
    recognise=recognise,
    find=find,
    notes=(
        "All AVIs say 25 frames a second, for compression only. Frames get the times of time.txt; the phone's "
        "(source2), which have none, count as 30 a second, which is what its labels' length says too. Loaders that "
        "believe the AVI are wrong by up to 20 %.",
        "The wave has no times; it counts as 60 Hz from the first frame on. Others (NEST, HSRD) found wave and video "
        "misaligned and do not use it: trust the heart rate, and check the lag before training on the wave.",
        "source4 is infrared. source1, 3 and 4 of one scene were filmed at once; source2 is another take.",
    ),
)
