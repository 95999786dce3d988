"""PhysDrive: drivers filmed in three cars, with a radar; aligned faces, filtered references, cropped radar cubes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from perfuse.core.errors import MissingExtraError, SourceError
from perfuse.data.clocks import shown
from perfuse.data.folders import child, distinct, files_in, folders_below, folders_in, missing, unknown
from perfuse.data.formats.films import film_times, open_film
from perfuse.data.formats.matlab import outline, read_variable, series
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
OFF_S, OFF_SAMPLES, OFF_SHARE = 0.5, 2, 0.02
"""How far the length of a radar, or the number of a label's samples, may be off that of the pictures: this, or the
share of it, whichever is more."""
NEAR = 1.5
"""A label has a sample for each picture, as the authors' own loader takes it, or a rate of its own. In between, where
it has more or fewer by less than this factor, something is missing (ASSUMED)."""
CELL = (2, 8, 16, 8)
"""Real and imaginary part, Doppler, angle, range."""
SEX = {"M": "male", "F": "female"}
LIGHT = {"Z": "noon", "H": "dusk or early morning", "W": "midnight", "Y": "rain or clouds"}
ROAD = {"A": "flat, free road", "B": "flat, congested road", "C": "bumpy, congested road"}
TASK = {"S": "driving, quiet", "T": "driving, talking"}
LABELS = {"pulse": "BVP", "ecg": "ECG", "respiration": "RESP", "spo2": "SPO2", "heart_rate": "HR"}
WAVES = ("pulse", "ecg", "respiration")
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
        signals=partial(references, film, found, cube),
        files=(film, *found.values(), *([cube] if cube else [])),
        about={
            **_about(person),
            "motion": ROAD[code[0]],
            "task": TASK.get(code[1], "driving"),
            "session": code,
            "rate_hz": RATE_HZ,
        },
        radar=partial(session_radar, cube, film) if cube else None,
        cropped=crops,
    )


def _clip(person: str, folder: Path) -> Problem:
    """Return what is to be said of a clip of the radar distribution."""
    what = f"{person}/{folder.name} has radar and references but no pictures"
    return Problem("missing", str(folder), f"{what}: {folder} is of the radar distribution.")


def _crops(folder: Path) -> tuple[list[Path], F64]:
    """Return pictures in order, and their times: by the numbers in their names, so that a gap stays one.

    Numbers begin with 0 or 1; where they do not, the first pictures are missing.
    """
    pictures = files_in(folder, PICTURES)
    times_s = picture_times([path.stem for path in pictures], RATE_HZ, first=0)
    return pictures, times_s - min(times_s[0], 1 / RATE_HZ) if len(times_s) else times_s


def _clock(film: Path) -> tuple[float, float, int, int]:
    """Return when the pictures begin, the step between them, how many there are, and how many are missing before.

    Those missing in between count as there.

    Raises
    ------
    SourceError
        If there is none.
    """
    times_s = _crops(film)[1] if film.is_dir() else film_times(film)
    if not len(times_s):
        raise SourceError(f"{film} holds no picture.", "Check that it was unpacked completely.")
    begin_s, end_s = float(times_s[0]), float(times_s[-1])
    step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1 / RATE_HZ
    return begin_s, step_s, round((end_s - begin_s) / step_s) + 1, round(begin_s / step_s) if film.is_dir() else 0


def open_crops(folder: Path) -> FrameStream:
    """Open face crops at the nominal rate.

    Raises
    ------
    SourceError
        If not one can be read.
    """
    pictures, times_s = _crops(folder)
    stream = open_pictures(pictures, times_s, str(folder))
    if times_s[0] > 0:
        told = f"The pictures begin with {pictures[0].name}: {times_s[0]:.2f} s before are assumed to be missing."
        stream.warnings.append(told)
    return stream


def references(film: Path, labels: dict[str, Path], cube: Path | None = None) -> dict[str, Signal]:
    """Read the labels, spread evenly over the pictures; over missing ones as well, if a wave has samples for them.

    Raises
    ------
    SourceError
        If a label or the pictures cannot be read. If pictures are missing, as their numbers, the samples of a label
        or the radar's length say, and it is not known which samples belong to those that are there.
    """
    begin_s, step_s, count, missed = _clock(film)
    found = {name: series(read_variable(path, LABELS[name]), path, LABELS[name]) for name, path in labels.items()}
    waves = [len(found[name]) for name in WAVES if name in found]
    starts = {count: begin_s, missed + count: 0.0 if missed else begin_s}
    whole = min(starts, key=lambda length: min((abs(length - samples) for samples in waves), default=0))
    length_s = whole * step_s
    known = any(_near(samples, whole) for samples in waves)
    doubted = bool(missed) or not _alike(_radar_s(cube), length_s)
    for name, values in found.items():
        apart = not whole / NEAR < len(values) < whole * NEAR and not (name in WAVES and waves.count(len(values)) > 1)
        if not (_near(len(values), whole) or (apart and (known or not doubted))):
            raise SourceError(
                f"{labels[name]} has {len(values)} samples, and {film} {count} pictures"
                f"{f', without the first {missed}' if missed else ''}: which belong together is not known.",
                "Check that all pictures were unpacked.",
            )
    shows = {name: shown(values) if name in ("spo2", "heart_rate") else values for name, values in found.items()}
    return {name: Signal.uniform(values, len(values) / length_s, starts[whole]) for name, values in shows.items()}


def _near(samples: int, pictures: int) -> bool:
    return abs(samples - pictures) <= max(OFF_SAMPLES, OFF_SHARE * pictures)


def _alike(radar_s: float | None, pictures_s: float) -> bool:
    return radar_s is None or abs(radar_s - pictures_s) <= max(OFF_S, OFF_SHARE * pictures_s)


def _radar_s(cube: Path | None) -> float | None:
    """Return how long a radar lasts, None where there is none, or none that can be read."""
    with suppress(SourceError, MissingExtraError):
        shapes = [variable.shape for variable in outline(cube).values()] if cube else []
        return next((shape[0] / RADAR_HZ for shape in shapes if len(shape) == 1 + len(CELL)), None)
    return None


def session_radar(cube: Path, film: Path) -> RadarRecord:
    """Read the radar of a session, and compare its length with that of the pictures.

    Raises
    ------
    SourceError
        As :func:`read_radar`.
    """
    record = read_radar(cube)
    radar_s = len(record.times_s) / RADAR_HZ
    with suppress(SourceError):  # pictures that cannot be read are told elsewhere
        _, step_s, count, missed = _clock(film)
        pictures_s = (missed + count) * step_s
        if not _alike(radar_s, pictures_s):
            told = f"the length is {radar_s:.1f} s, that of the pictures {pictures_s:.1f} s"
            return replace(record, notes=(*record.notes, told))
    return record


def read_radar(path: Path) -> RadarRecord:
    """Read a cropped radar cube.

    Raises
    ------
    SourceError
        If it cannot be read or has another shape.
    """
    cube = np.asarray(read_variable(path, "mmwave"))
    if cube.ndim != 5 or not len(cube) or cube.shape[1:] != CELL or not np.issubdtype(cube.dtype, np.number):
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
        "No times of frames are published: crops count as 30 a second by the numbers in their names, from 0 or 1 on, "
        "and each label is spread evenly over them, as public loaders do. How well labels fit in time is unknown. "
        "Where pictures are missing and a label has not one sample for each, no reference is read.",
        "Clips of the radar distribution have no pictures and are left out, each with a problem that says so. Radar "
        "is read where mmwave.mat lies in a session.",
        "The radar was standardised with one mean and deviation for the whole set; its phase is no range any more.",
        "The rPPG-Toolbox leaves out clips whose wave has a template quality below 0.5; nothing is left out here.",
    ),
)
