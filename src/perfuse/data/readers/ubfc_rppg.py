"""UBFC-rPPG, set 2 (DATASET_2): raw AVI and a text with the oximeter's wave, rate and times."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.media import listed, natural, open_film, read_numbers
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording, Signal

LABEL, FILM = "ground_truth.txt", "vid.avi"


def recognise(root: Path) -> bool:
    """Tell by ``subjectN/ground_truth.txt`` or ``subjectN/vid.avi``."""
    return bool(listed(root, f"subject*/{LABEL}") or listed(root, f"subject*/{FILM}"))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield one recording per subject."""
    for folder in sorted((f for f in listed(root, "subject*") if f.is_dir()), key=natural):
        absent = [name for name in (FILM, LABEL) if not (folder / name).is_file()]
        if absent:
            for name in absent:
                yield Problem("missing", str(folder / name), f"{folder.name} has no {name}.")
            continue
        film, label = folder / FILM, folder / LABEL
        yield Recording(
            dataset=READER.name,
            id=folder.name,
            subject=folder.name,
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
    if not np.isfinite(times).all() or not (np.diff(times) >= 0).all():
        raise SourceError(f"The times in {path} (third row) do not increase.", "Leave this subject out.")
    keep = np.diff(times, prepend=-np.inf) > 0  # the oximeter writes some moments twice
    return {"pulse": Signal(times[keep], wave[keep]), "heart_rate": Signal(times[keep], rate[keep])}


READER = Reader(
    name="ubfc-rppg",
    title="UBFC-rPPG, set 2",
    paper="Bobbia, Macwan, Benezeth, Mansouri, Dubois: Unsupervised skin tissue segmentation for remote "
    "photoplethysmography. Pattern Recognition Letters 124, 2019",
    access="free for research; from the authors' page",
    layout="subjectN/vid.avi            640 x 480, about 30 frames a second, raw\n"
    "subjectN/ground_truth.txt   rows: pulse wave, heart rate (/min), time (s)",
    signals=("pulse", "heart_rate"),
    verified="documentation and public loaders; folders written by `perfuse synth --layout ubfc`",
    recognise=recognise,
    find=find,
    notes=(
        "The wave is placed by the third row's times. The rPPG-Toolbox pairs sample i with frame i instead, so a "
        "subject whose camera ran slower than the oximeter drifts apart there.",
    ),
)
