"""PhysDrive: drivers filmed in three cars, with a radar; aligned faces, filtered references, cropped radar cubes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.clocks import shown
from perfuse.data.folders import child, distinct, files_in, folders_below, folders_in, missing, unknown
from perfuse.data.formats.films import film_times, open_film
from perfuse.data.formats.matlab import read_variable, series
from perfuse.data.formats.pictures import open_pictures, picture_times
from perfuse.data.reader import Reader
from perfuse.data.recording import F64, Problem, Recording, Signal
from perfuse.radar.record import RadarRecord, held
from perfuse.video import FrameStream

SUBJECT = r"[ABC][MF][ZHWY]\d+"
SESSION = r"[ABC][ST\d]"
CLIP = SUBJECT + r"_\d+"
RATE_HZ = 30.0
"""The colour camera's nominal rate; the distribution has no times of frames."""
RADAR_HZ = 20.0
CELL = (2, 8, 16, 8)
"""Real and imaginary part, Doppler, angle, range."""
SEX = {"M": "male", "F": "female"}
LIGHT = {"Z": "noon", "H": "dusk or early morning", "W": "midnight", "Y": "rain or clouds"}
ROAD = {"A": "flat, free road", "B": "flat, congested road", "C": "bumpy, congested road"}
TASK = {"S": "driving, quiet", "T": "driving, talking"}
LABELS = {"pulse": "BVP", "ecg": "ECG", "respiration": "RESP", "spo2": "SPO2", "heart_rate": "HR"}
PICTURES = r".+\.(png|jpe?g|bmp)"


def recognise(root: Path) -> bool:
    """Tell by ``AFH1/A1/Label`` or ``AFH1/AFH1_00/mmwave.mat``."""
    for person in folders_below(root, SUBJECT, 2):
        for folder in folders_in(person):
            if re.fullmatch(CLIP, folder.name, re.I) and child(folder, "mmwave.mat"):
                return True
            if re.fullmatch(SESSION, folder.name, re.I) and child(folder, "Label", "Align"):
                return True
    return False


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield a recording per session, and a problem per radar clip: it has no pictures."""
    yield from distinct(_find(root), unknown(root, READER.title, "AFH1/AS/Label, or AFH1/AFH1_00/mmwave.mat"))


def _find(root: Path) -> Iterator[Recording | Problem]:
    for person in folders_below(root, SUBJECT, 2):
        for folder in folders_in(person):
            if re.fullmatch(SESSION, folder.name, re.I):
                yield from _session(person.name.upper(), folder)
            elif re.fullmatch(CLIP, folder.name, re.I):
                yield _clip(person.name.upper(), folder)


def _about(person: str) -> dict[str, str | int | float]:
    return {"sex": SEX[person[1]], "light": LIGHT[person[2]]}


def _session(person: str, folder: Path) -> Iterator[Recording | Problem]:
    code = folder.name.upper()
    name = f"{person}/{code}"
    film = child(folder, "Align", "RGB.mp4")
    if film is None:
        yield missing(folder / "Align", name, why="Expected are face crops there, or RGB.mp4.")
        return
    labels = child(folder, "Label")
    there = {signal: child(labels, f"{stem}.mat") for signal, stem in LABELS.items()} if labels else {}
    found = {signal: path for signal, path in there.items() if path}
    if not found:
        yield missing(folder / "Label" / "BVP.mat", name, why="Nor has it another reference.")
        return
    for signal, stem in LABELS.items():
        if signal not in found:
            yield missing(folder / "Label" / f"{stem}.mat", name, recording=name)
    cube = child(folder, "mmwave.mat") or child(folder / "mmWave", "mmwave.mat")
    crops = film.is_dir()
    yield Recording(
        dataset=READER.name,
        id=name,
        subject=person,
        video=partial(open_crops, film) if crops else partial(open_film, film),
        signals=partial(references, film, found),
        files=(film, *found.values(), *([cube] if cube else [])),
        about={
            **_about(person),
            "motion": ROAD[code[0]],
            "task": TASK.get(code[1], "driving"),
            "session": code,
            "rate_hz": RATE_HZ,
        },
        radar=partial(read_radar, cube) if cube else None,
        cropped=crops,
    )


def _clip(person: str, folder: Path) -> Problem:
    """Return what is to be said of a clip of the radar distribution."""
    what = f"{person}/{folder.name} has radar and references but no pictures"
    return Problem("missing", str(folder), f"{what}: {folder} is of the radar distribution.")


def _crops(folder: Path) -> tuple[list[Path], F64]:
    """Return pictures in order, and their times: by the numbers in their names, so that a gap stays one."""
    pictures = files_in(folder, PICTURES)
    return pictures, picture_times([path.stem for path in pictures], RATE_HZ)


def open_crops(folder: Path) -> FrameStream:
    """Open face crops at the nominal rate.

    Raises
    ------
    SourceError
        If not one can be read.
    """
    pictures, times_s = _crops(folder)
    return open_pictures(pictures, times_s, str(folder))


def references(film: Path, labels: dict[str, Path]) -> dict[str, Signal]:
    """Read the labels, each spread evenly over the pictures.

    Raises
    ------
    SourceError
        If a label or the pictures cannot be read.
    """
    times_s = _crops(film)[1] if film.is_dir() else film_times(film)
    if not len(times_s):
        raise SourceError(f"{film} holds no picture.", "Check that it was unpacked completely.")
    step = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1 / RATE_HZ
    length = float(times_s[-1] - times_s[0]) + step
    found = {}
    for signal, path in labels.items():
        values = series(read_variable(path, LABELS[signal]), path, LABELS[signal])
        values = shown(values) if signal in ("spo2", "heart_rate") else values
        found[signal] = Signal.uniform(values, len(values) / length, float(times_s[0]))
    return found


def read_radar(path: Path) -> RadarRecord:
    """Read a cropped radar cube.

    Raises
    ------
    SourceError
        If it cannot be read or has another shape.
    """
    cube = np.asarray(read_variable(path, "mmwave"))
    if cube.ndim != 5 or cube.shape[1:] != CELL or not np.issubdtype(cube.dtype, np.number):
        raise SourceError(
            f"mmwave in {path} has the shape {cube.shape}.", "Expected is (frames, 2, 8, 16, 8): I and Q by cell."
        )
    series(cube.reshape(len(cube), -1)[:, 0], path, "mmwave")
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is marked below
        iq = (cube[:, 0] + 1j * cube[:, 1]).astype(np.complex64)
    valid = np.array([bool(np.isfinite(frame).all()) for frame in iq], np.bool_)
    if not valid.any():
        raise SourceError(f"Not one frame of {path} is whole.", "Check that it was copied completely.")
    lost = int((~valid).sum())
    notes = (f"{lost} of {len(valid)} frames are no numbers",) if lost else ()
    return RadarRecord(np.arange(len(iq)) / RADAR_HZ, held(iq, valid), valid, None, notes)


READER = Reader(
    name="physdrive",
    title="PhysDrive",
    paper="Wang, Yang, Hu, Tang, Liu, He, Wang, Chen, Wu: PhysDrive: A multimodal remote physiological measurement "
    "dataset for in-vehicle driver monitoring. NeurIPS datasets and benchmarks, 2025",
    access="radar of all and video of one driver openly (Kaggle, Hugging Face); the rest on signing an agreement",
    layout="AFH1/                       car A B C, sex M F, light Z noon H dusk W midnight Y rain, number\n"
    "  AS/                       road A B C, S quiet or T talking (or A1, A2, ...)\n"
    "    Align/*.png             faces cut out (or RGB.mp4)\n"
    "    Label/{BVP,ECG,RESP,SPO2,HR}.mat\n"
    "    mmwave.mat              if there: (frames, 2, 8, 16, 8) at 20 Hz\n"
    "  AFH1_00/                  radar distribution: no pictures\n"
    "    mmwave.mat ecg.mat resp.mat",
    signals=("pulse", "ecg", "respiration", "spo2", "heart_rate", "radar"),
    verified="documentation and public loaders only",
    recognise=recognise,
    find=find,
    notes=(
        "No times of frames are published: crops count as 30 a second by the numbers in their names, and each label "
        "is spread evenly over them, as public loaders do. How well labels fit in time is unknown.",
        "Clips of the radar distribution have no pictures and are left out, each with a problem that says so. Radar "
        "is read where mmwave.mat lies in a session.",
        "The radar was standardised with one mean and deviation for the whole set; its phase is no range any more.",
        "The rPPG-Toolbox leaves out clips whose wave has a template quality below 0.5; nothing is left out here.",
    ),
)
