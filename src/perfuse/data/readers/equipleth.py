"""EquiPleth: cropped faces as PNG, a finger's pulse, and the packets of a radar, with skin types and folds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.folders import child, files_in, folders_in, holds, homes, missing, unknown
from perfuse.data.formats.capture import read_capture
from perfuse.data.formats.pictures import open_pictures, picture_times
from perfuse.data.formats.unpickle import load_npy, load_pickle
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording, Signal
from perfuse.video import FrameStream

RATE_HZ, OFFSET = 30.0, 25
TRIAL, PICTURE = r"v_(.+)_(\d+)", r"rgbd_rgb_(\d+)\.png"
FACES, RADARS, LABELS, FOLDS = "rgb_files", "rf_files", "fitzpatrick_labels.pkl", r".*folds?.*\.pkl"
PPG, VITALS, CAPTURE = "rgbd_ppg.npy", "vital_dict.npy", "rf.pkl"
SIDES = ("train", "val", "test")


def _is_home(root: Path) -> bool:
    faces = child(root, FACES)
    return faces is not None and bool(folders_in(faces, TRIAL))


def recognise(root: Path) -> bool:
    """Tell by ``rgb_files/v_N_M``."""
    return bool(homes(root, _is_home))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield one recording per volunteer and trial."""
    places = homes(root, _is_home)
    if not places:
        yield unknown(root, READER.title, f"{FACES}/v_N_M/rgbd_rgb_0.png")
    for home, prefix in places:
        tones: dict[str, int] = {}
        folds: dict[str, dict[str, str | int | float]] = {}
        try:
            tones = skin_types(home / LABELS)
        except SourceError as error:
            kind = "unreadable" if (home / LABELS).exists() else "missing"
            yield Problem(kind, str(home / LABELS), f"There are no skin types: {error}", dropped=False)
        for path in files_in(home, FOLDS):
            try:
                folds = sides(path)
                break
            except SourceError as error:
                yield Problem("unreadable", str(path), f"There are no folds: {error}", dropped=False)
        radars = child(home, RADARS)
        if radars is None:
            yield missing(home / RADARS, home.name)
        faces = child(home, FACES) or home / FACES
        for folder in folders_in(faces, TRIAL):
            radar = None if radars is None else child(radars, folder.name[2:]) or radars / folder.name[2:]
            yield from _trial(folder, radar, prefix, tones, folds)


def _trial(
    folder: Path,
    radar: Path | None,
    prefix: str,
    tones: dict[str, int],
    folds: dict[str, dict[str, str | int | float]],
) -> Iterator[Recording | Problem]:
    """Yield one trial, and what is missing in it."""
    name = folder.name
    subject = name.rpartition("_")[0]
    wave = child(folder, PPG) or (child(radar, VITALS) if radar else None)
    pictured = holds(folder, PICTURE)
    if not pictured:
        yield Problem("missing", str(folder), f"{name} has no pictures: there is no rgbd_rgb_0.png in {folder}.")
    if wave is None:
        yield missing(folder / PPG, name)
    if not pictured or wave is None:
        return
    capture = child(radar, CAPTURE) if radar else None
    if radar is not None and capture is None:
        yield missing(radar / CAPTURE, name, recording=prefix + name)
    about: dict[str, str | int | float] = {"rate_hz": RATE_HZ, **folds.get(name, {})}
    if subject in tones:
        about["skin_tone"] = tones[subject]
    yield Recording(
        dataset=READER.name,
        id=prefix + name,
        subject=subject,
        video=partial(video, folder),
        signals=partial(references, wave),
        files=(folder, wave, *([capture] if capture else []))
        if folder not in wave.parents
        else (folder, *([capture] if capture else [])),
        about=about,
        radar=None if capture is None else partial(read_capture, capture),
        cropped=True,
    )


def video(folder: Path) -> FrameStream:
    """Open the pictures: number i is at i / 30 s."""
    paths = files_in(folder, PICTURE)
    return open_pictures(paths, picture_times([path.stem for path in paths], RATE_HZ, first=0), str(folder))


def references(path: Path) -> dict[str, Signal]:
    """Read the pulse, from ``rgbd_ppg.npy`` or ``vital_dict.npy``; sample i + 25 belongs to picture i.

    Raises
    ------
    SourceError
        If the file cannot be read or holds no pulse.
    """
    values = load_npy(path)
    if isinstance(values, dict):
        inside = values.get("rgbd")
        values = inside.get("NOM_PLETHWaveExport") if isinstance(inside, dict) else None
    try:
        wave = np.zeros(0) if np.iscomplexobj(values) else np.asarray(values, np.float64)
    except (TypeError, ValueError):
        wave = np.zeros(0)
    if wave.size < 2 or wave.size != max(wave.shape):
        raise SourceError(f"{path} holds no pulse (shape {wave.shape}).", "Expected are about 900 samples in a row.")
    return {"pulse": Signal.uniform(wave, RATE_HZ, -OFFSET / RATE_HZ)}


def skin_types(path: Path) -> dict[str, int]:
    """Return the Fitzpatrick type of each volunteer.

    Raises
    ------
    SourceError
        If the file cannot be read, or holds no pairs of names and types.
    """
    content = load_pickle(path)
    pairs = content.items() if isinstance(content, dict) else content
    try:
        types = {str(name): int(kind) for name, kind in pairs}
    except (TypeError, ValueError) as error:
        raise SourceError(
            f"{path} holds no skin types ({error}).", "Expected are pairs such as ('v_1', 3)."
        ) from error
    return {name if name.startswith("v_") else f"v_{name}": kind for name, kind in types.items() if 1 <= kind <= 6}


def sides(path: Path) -> dict[str, dict[str, str | int | float]]:
    """Return the fold in which each trial is tested; with a single fold, the side of each trial.

    Raises
    ------
    SourceError
        If the file cannot be read or holds no folds.
    """
    content: Any = load_pickle(path)
    expected = "Expected is {0: {'train': ['v_1_1', ...], 'val': [...], 'test': [...]}, ...}."
    if isinstance(content, dict) and set(content) & set(SIDES):
        content = {0: content}
    folds = content if isinstance(content, dict) else dict(enumerate(content if isinstance(content, list) else []))
    if not folds or not all(isinstance(fold, dict) for fold in folds.values()):
        raise SourceError(f"{path} holds no folds.", expected)
    found: dict[str, dict[str, str | int | float]] = {}
    for index, fold in folds.items():
        for side in SIDES:
            for name in fold.get(side) if isinstance(fold.get(side), (list, tuple, np.ndarray)) else ():
                told = re.sub(r"^(?!v_)", "v_", Path(str(name)).name)
                if len(folds) == 1:
                    found.setdefault(told, {})["split"] = side
                if side == "test":
                    found.setdefault(told, {})["fold"] = index if isinstance(index, (int, str)) else str(index)
    return found


READER = Reader(
    name="equipleth",
    title="EquiPleth",
    paper="Vilesov, Chari, Armouti, Harish, Kulkarni, Deoghare, Jalilian, Kadambi: Blending camera and 77 GHz radar "
    "sensing for equitable, robust plethysmography. ACM Transactions on Graphics 41(4), 2022",
    access="for research on request from the authors (UCLA)",
    layout="rgb_files/v_N_M/rgbd_rgb_0.png ...   volunteer N, trial M; the face, 30 a second\n"
    "rgb_files/v_N_M/rgbd_ppg.npy         pulse, 30 a second\n"
    "rf_files/N_M/rf.pkl                  packets of the radar, 120 chirps a second\n"
    "rf_files/N_M/vital_dict.npy          the same pulse (read where rgbd_ppg.npy is missing)\n"
    "fitzpatrick_labels.pkl               pairs ('v_N', 1..6)\n"
    "demo_fold.pkl                        {fold: {'train': ['v_N_M', ...], 'val': ..., 'test': ...}}",
    signals=("pulse", "radar"),
    verified="the authors' repository; folders written by `perfuse synth --layout equipleth`. No original file was "
    "seen",
    recognise=recognise,
    find=find,
    notes=(
        "Rates are nominal. Sample i + 25 of the pulse belongs to picture i and to chirp 4 i (the authors' "
        "constant), so the pulse starts 0.83 s before the first picture and ends as much before the last one.",
        "Pickles are read without running them: what asks for anything but numbers and containers is refused.",
        "Lost packets leave chirps that are not valid; times do not shift, and where the start of a capture is in "
        "doubt, a problem says so. The authors' loader joins what is left.",
        "fold is the fold in whose test list a trial stands; split is given where there is one fold only.",
    ),
)
