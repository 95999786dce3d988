"""BP4D+: ten emotion tasks per person, JPEG frames packed per person, and physiology as texts of 1000 a second."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

from perfuse.data.clocks import shown
from perfuse.data.folders import child, files_in, folders_in, holds, homes, missing, natural, unknown
from perfuse.data.formats.pictures import ARCHIVE_ERRORS, open_pictures, picture_times
from perfuse.data.formats.tables import read_numbers
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording, Signal
from perfuse.video import FrameStream

RATE_HZ, LABEL_HZ = 25.0, 1000.0
PERSON, TASK, PICTURE = r"[fm]\d{3}", r"t\d+", r".*\.jpe?g"
FILES = {
    "blood_pressure": ("BP_mmHg.txt",),
    "respiration": ("Resp_Volts.txt",),
    "heart_rate": ("Pulse Rate_BPM.txt",),
    "respiratory_rate": ("Respiration Rate_BPM.txt",),
    "skin_conductance": ("EDA_microsiemens.txt", "microsiemens.txt"),
}
"""Names of the texts; the first of a pair is the usual one."""

NEEDED = ("blood_pressure", "respiration")


@dataclass(frozen=True, slots=True)
class Pictures:
    """Where the frames of one task lie: names in an archive, or files."""

    archive: Path | None
    paths: tuple[str, ...]
    place: Path


def _is_home(root: Path) -> bool:
    frames, labels = child(root, "2D+3D"), child(root, "Physiology")
    if labels is not None and folders_in(labels, PERSON):
        return True
    return frames is not None and (bool(folders_in(frames, PERSON)) or holds(frames, PERSON + r"\.zip"))


def recognise(root: Path) -> bool:
    """Tell by ``2D+3D/F001.zip`` or ``Physiology/F001``."""
    return bool(homes(root, _is_home))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield one recording per person and task; of archives the table of contents is read."""
    places = homes(root, _is_home)
    if not places:
        yield unknown(root, READER.title, "2D+3D/F001.zip and Physiology/F001/T1/BP_mmHg.txt")
    for home, prefix in places:
        frames, labels = child(home, "2D+3D"), child(home, "Physiology")
        if frames is None:
            yield missing(home / "2D+3D", home.name)
        if labels is None:
            yield missing(home / "Physiology", home.name)
        frames, labels = frames or home / "2D+3D", labels or home / "Physiology"
        packed = files_in(frames, PERSON + r"\.zip")
        found = [*packed, *folders_in(frames, PERSON), *folders_in(labels, PERSON)]
        for person in sorted({path.stem.upper() for path in found}):
            yield from _tasks(person, frames, labels, prefix)


def _tasks(person: str, frames: Path, labels: Path, prefix: str) -> Iterator[Recording | Problem]:
    """Yield the tasks of one person."""
    packed: Mapping[str, Pictures] = {}
    try:
        packed = pictures(person, frames)
    except ARCHIVE_ERRORS as error:
        archive = frames / f"{person}.zip"
        yield Problem("unreadable", str(archive), f"{archive} cannot be read ({error}).")
    folder = child(labels, person) or labels / person
    measured = {path.name.upper(): path for path in folders_in(folder, TASK)}
    for task in sorted({*packed, *measured}, key=natural):
        name = f"{person}/{task}"
        if task not in packed:
            where = frames / f"{person}.zip"
            yield Problem("missing", str(where), f"{name} has no pictures: {where} holds none of task {task}.")
        if task not in measured:
            yield missing(folder / task, name)
        if task not in packed or task not in measured:
            continue
        found = {signal: child(measured[task], *files) for signal, files in FILES.items()}
        texts = {signal: path for signal, path in found.items() if path is not None}
        for signal in NEEDED:
            if signal not in texts:
                yield missing(measured[task] / FILES[signal][0], name, recording=prefix + name if texts else None)
        if texts:
            yield Recording(
                dataset=READER.name,
                id=prefix + name,
                subject=person,
                video=partial(video, packed[task], name),
                signals=partial(references, texts),
                files=(packed[task].place, *texts.values()),
                about={"task": task, "sex": "female" if person[0] == "F" else "male", "rate_hz": RATE_HZ},
            )


def pictures(person: str, frames: Path) -> dict[str, Pictures]:
    """Return the frames of each task of a person: from a folder, or else from an archive.

    Whatever :class:`zipfile.ZipFile` raises for a damaged archive passes through.
    """
    found: dict[str, Pictures] = {}
    folder = child(frames, person)
    if folder is not None and folder.is_dir():
        inner = child(folder, person)  # an archive unpacked into a folder of its own
        for task in folders_in(inner if inner is not None and inner.is_dir() else folder, TASK):
            paths = [str(path) for path in files_in(task, PICTURE)]
            if paths:
                found[task.name.upper()] = Pictures(None, tuple(paths), task)
    archive = child(frames, f"{person}.zip")
    if found or archive is None:
        return found
    names: dict[str, list[str]] = defaultdict(list)
    with ZipFile(archive) as packed:
        for name in packed.namelist():
            path = PurePosixPath(name)
            of = next((part.upper() for part in path.parts[:-1] if re.fullmatch(TASK, part, re.IGNORECASE)), "")
            hidden = path.name.startswith(".") or "__MACOSX" in path.parts
            if of and not hidden and re.fullmatch(PICTURE, path.name, re.IGNORECASE):
                names[of].append(name)
    return {task: Pictures(archive, tuple(sorted(paths, key=natural)), archive) for task, paths in names.items()}


def video(found: Pictures, name: str) -> FrameStream:
    """Open the frames of a task; their numbers count, so that a missing one leaves a gap."""
    times = picture_times([PurePosixPath(path).stem for path in found.paths], RATE_HZ)
    return open_pictures(found.paths, times, name, archive=found.archive)


def references(texts: Mapping[str, Path]) -> dict[str, Signal]:
    """Read the texts, a number a line.

    Raises
    ------
    SourceError
        If one of them cannot be read.
    """
    signals = {}
    for name, path in texts.items():
        values = read_numbers(path)[:, 0]
        signals[name] = Signal.uniform(shown(values) if name.endswith("_rate") else values, LABEL_HZ)
    return signals


READER = Reader(
    name="bp4d",
    title="BP4D+",
    paper="Zhang, Girard, Wu, Zhang, Liu, Ciftci, Canavan, Reale, Horowitz, Yang, Cohn, Ji, Yin: Multimodal "
    "spontaneous emotion corpus for human behavior analysis. CVPR 2016",
    access="for research under an agreement with Binghamton University",
    layout="2D+3D/F001.zip                    F001/T1/*.jpg, ..., 25 a second (or unpacked: 2D+3D/F001/T1/*.jpg)\n"
    "Physiology/F001/T1/BP_mmHg.txt    arterial pressure, a number a line, 1000 a second\n"
    "                   Resp_Volts.txt, Pulse Rate_BPM.txt, Respiration Rate_BPM.txt, EDA_microsiemens.txt",
    signals=("blood_pressure", "respiration", "heart_rate", "respiratory_rate", "skin_conductance"),
    verified="public loaders; miniature copies in the tests. No original file was seen",
    recognise=recognise,
    find=find,
    notes=(
        "Rates are nominal (25 frames, 1000 samples a second); pictures and physiology are taken to start together.",
        "There is no contact photoplethysmogram: the pulse is in the arterial pressure.",
        "A rate of 0 is taken for no reading. The belt is said to clip at -10 V in many takes; it is left as it is.",
        "Pictures are numbered; where a number is missing there is a gap. The 3-D models and the thermal video are "
        "not read.",
    ),
)
