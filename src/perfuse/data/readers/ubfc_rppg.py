"""UBFC-rPPG, set 2 (DATASET_2): raw AVI and a text with the oximeter's wave, rate and times."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from perfuse.core.errors import SourceError
from perfuse.data.clocks import on_clock, shown
from perfuse.data.folders import child, folders_in, homes, missing, unknown
from perfuse.data.formats.films import open_film
from perfuse.data.formats.tables import read_numbers
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording, Signal

LABEL, FILM = "ground_truth.txt", "vid.avi"


def _subjects(root: Path) -> list[Path]:
    return folders_in(root, r"subject[ _-]?\d+")


def _is_home(root: Path) -> bool:
    return any(child(folder, LABEL, FILM) for folder in _subjects(root))


def recognise(root: Path) -> bool:
    """Tell by ``subjectN/ground_truth.txt`` or ``subjectN/vid.avi``."""
    return bool(homes(root, _is_home))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield one recording per subject."""
    places = homes(root, _is_home)
    if not places:
        yield unknown(root, READER.title, f"subjectN/{FILM} and subjectN/{LABEL}")
    for home, prefix in places:
        for folder in _subjects(home):
            film, label = child(folder, FILM), child(folder, LABEL)
            for name, path in ((FILM, film), (LABEL, label)):
                if path is None:
                    yield missing(folder / name, folder.name)
            if film is not None and label is not None:
                yield Recording(
                    dataset=READER.name,
                    id=prefix + folder.name,
                    subject=folder.name.lower(),
                    video=partial(open_film, film),
                    signals=partial(references, label),
                    files=(film, label),
                    about={"task": "game"},
                )


def references(path: Path) -> dict[str, Signal]:
    """Read wave, rate and times (three rows).

    Raises
    ------
    SourceError
        If there are not three rows of one length, or the times do not increase.
    """
    table = read_numbers(path)
    if len(table) != 3:
        raise SourceError(f"{path} has {len(table)} rows.", "Expected are three: pulse wave, heart rate, time.")
    wave, rate, times = table
    return on_clock(times, {"pulse": wave, "heart_rate": shown(rate)}, path)


READER = Reader(
    name="ubfc-rppg",
    title="UBFC-rPPG, set 2",
    paper="Bobbia, Macwan, Benezeth, Mansouri, Dubois: Unsupervised skin tissue segmentation for remote "
    "photoplethysmography. Pattern Recognition Letters 124, 2019",
    access="free for research; from the authors' page",
    layout="subjectN/vid.avi            640 x 480, about 30 frames a second, raw\n"
    "subjectN/ground_truth.txt   rows: pulse wave, heart rate (/min), time (s)",
    signals=("pulse", "heart_rate"),
    verified="the authors' note on the files and public loaders; folders written by `perfuse synth --layout ubfc`. "
    "No original file was seen",
    recognise=recognise,
    find=find,
    notes=(
        "The wave is placed by the third row's times. The rPPG-Toolbox pairs sample i with frame i instead, so a "
        "subject whose camera ran slower than the oximeter drifts apart there.",
        "Frames have the times of the AVI, which knows one even rate only.",
        "A heart rate of 0 is taken for no reading.",
    ),
)
