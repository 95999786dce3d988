"""V4V: the faces of BP4D+ with arterial pressure at 1 kHz, and heart and respiratory rate per frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.clocks import per_frame, shown
from perfuse.data.folders import distinct, files_below, glance, missing, unknown
from perfuse.data.formats.films import film_times, open_film
from perfuse.data.formats.tables import read_numbers
from perfuse.data.formats.texts import number, read_lines
from perfuse.data.reader import Reader
from perfuse.data.recording import F64, Problem, Recording, Signal

PRESSURE_HZ = 1000.0
RATE_HZ = 25.0
DEPTH = 6
KEY = r"([FM]\d+)[_-](T\d+)"
SPLITS = (("val", "val"), ("test", "test"), ("train", "train"))


def _key(path: Path) -> str | None:
    """Return ``F001_T1`` where the file's, else its folder's, else both its folders' names say so."""
    for text in (path.stem, path.parent.name, f"{path.parent.parent.name}_{path.parent.name}"):
        match = re.search(rf"(?<![A-Za-z0-9]){KEY}(?![0-9])", text, re.I)
        if match:
            return f"{match[1]}_{match[2]}".upper()
    return None


def recognise(root: Path) -> bool:
    """Tell by ``F001_T1.mkv`` anywhere, or ``F001_T1/video.mkv``."""
    return any(_key(path) for path in glance(root, r".+\.mkv", DEPTH))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield a recording per film."""
    pressures: dict[str, Path] = {}
    rates: dict[str, list[Path]] = {}
    releases: list[Path] = []
    for path in files_below(root, r".+\.txt", DEPTH):
        key, parent = _key(path), path.parent.name.lower()
        if "gt_release" in path.name.lower():
            releases.append(path)
        elif key and (re.match(r"BP|.*[_-]BP$", path.stem, re.I) or "bp" in parent):
            pressures.setdefault(key, path)
        elif key and (path.name.lower() == "label.txt" or "physiology" in parent or _rate_of(path)):
            rates.setdefault(key, []).append(path)
    films = [(film, key) for film in files_below(root, r".+\.mkv", DEPTH) if (key := _key(film))]
    yield from distinct(
        (
            item
            for film, key in films
            for item in _take(root, film, key, pressures.get(key), rates.get(key, []), releases)
        ),
        unknown(root, READER.title, "films called F001_T1.mkv"),
    )
    lonely = {**{key: paths[0] for key, paths in rates.items()}, **pressures}
    for key in sorted(lonely.keys() - {key for _, key in films}):
        yield missing(lonely[key].with_name(f"{key}.mkv"), lonely[key].name)


def _take(
    root: Path, film: Path, key: str, pressure: Path | None, own: list[Path], releases: list[Path]
) -> Iterator[Recording | Problem]:
    subject, task = key.split("_")
    where = re.sub(r"train(ing)?_val(idation)?", "", " ".join(film.relative_to(root).parts).lower())
    split = next((name for word, name in SPLITS if word in where), None)
    rates = tuple(own or [r for r in releases if not split or r.name.lower().startswith(split)])
    if pressure is None and not rates:
        yield missing(film.with_name(f"{key.replace('_', '-')}-BP.txt"), key, why="Nor has it rates.")
        return
    if pressure is None:
        yield missing(film.with_name(f"{key.replace('_', '-')}-BP.txt"), key, recording=key)
    if not rates:
        yield missing(film.with_name(f"{key}.txt"), key, recording=key)
    about: dict[str, str | int | float] = {
        "sex": "female" if subject[0] == "F" else "male",
        "task": task,
        "rate_hz": RATE_HZ,
    }
    yield Recording(
        dataset=READER.name,
        id=key,
        subject=subject,
        video=partial(open_film, film),
        signals=partial(references, film, key, pressure, rates),
        files=tuple(path for path in (film, pressure, *rates) if path),
        about={**about, "split": split} if split else about,
    )


def references(film: Path, key: str, pressure: Path | None, rates: tuple[Path, ...]) -> dict[str, Signal]:
    """Read pressure (1 kHz) and rates (one per frame).

    Raises
    ------
    SourceError
        If a file cannot be read, or does not have this film.
    """
    found = {}
    if pressure is not None:
        table = read_numbers(pressure)
        wave = table[0] if len(table) == 1 else table[:, 0]
        found["blood_pressure"] = Signal.uniform(wave, PRESSURE_HZ)
    if rates:
        per_frame_values = _rates(rates, key)
        times_s = film_times(film)
        for kind, name in (("HR", "heart_rate"), ("RR", "respiratory_rate")):
            if kind in per_frame_values:
                found[name] = per_frame(shown(per_frame_values[kind]), times_s, RATE_HZ)
    return found


def _rate_of(path: Path) -> str | None:
    """Return HR or RR where a file of one rate is called so: ``HR.txt``, ``F001_T1_RR.txt``."""
    match = re.search(r"(?<![A-Za-z])(HR|RR)(?![A-Za-z])", path.stem, re.I)
    return match[1].upper() if match else None


def _rates(paths: tuple[Path, ...], key: str) -> dict[str, F64]:
    """Read lines such as ``F001_T1.mkv, HR, 80, 81, ...``; of one film's own file also without a name."""
    found: dict[str, F64] = {}
    for line in (line for path in paths for line in read_lines(path)):
        cells = [cell.strip() for cell in line.split(",")]
        kind = next((i for i, cell in enumerate(cells[:2]) if cell.upper() in ("HR", "RR")), None)
        if kind is None or (kind == 1 and _key(Path(cells[0])) not in (key, None)):
            continue
        values = np.array([number(cell) for cell in cells[kind + 1 : len(cells) - (cells[-1] == "")]], np.float64)
        if np.isfinite(values).any():
            found[cells[kind].upper()] = values
    for path in paths:
        kind_of_file = _rate_of(path)
        if kind_of_file and kind_of_file not in found:
            found[kind_of_file] = read_numbers(path).ravel()
    if not found:
        raise SourceError(
            f"{' and '.join(map(str, paths))}: no rates of {key}.",
            f"Expected is a line such as: {key}.mkv, HR, 80, 81, ... per frame.",
        )
    return found


READER = Reader(
    name="v4v",
    title="V4V (Vision for Vitals challenge)",
    paper="Revanur, Li, Ciftci, Yin, Jeni: The first Vision For Vitals (V4V) challenge for non-contact video-based "
    "physiological estimation. ICCV workshops, 2021",
    access="on signing an agreement, Binghamton University",
    layout="Phase 1_ Training_Validation sets/Videos/{train...,valid}/F001_T1.mkv\n"
    "Phase 1_ Training_Validation sets/Ground truth/BP_raw_1KHz/F001-T1-BP.txt   one number a line, 1 kHz\n"
    "Phase 1_ Training_Validation sets/Ground truth/Physiology/F001_T1.txt       F001_T1.mkv, HR, ... and RR\n"
    "Phase 2_ Testing set/Videos/Test/test/F001_T1.mkv\n"
    "Phase 2_ Testing set/blood_pressure/{val,test}_set_bp/F001-T1.txt\n"
    "Phase 2_ Testing set/{validation,test}_set_gt_release.txt                   two lines a film\n"
    "or F001_T1/{video.mkv,label.txt}, or F001/T1/{video.mkv,BP.txt,HR.txt,RR.txt}; names count, folders do not",
    signals=("blood_pressure", "heart_rate", "respiratory_rate"),
    verified="documentation and public loaders only",
    recognise=recognise,
    find=find,
    notes=(
        "Rates are one per frame and get the film's own times; pressure counts as 1 kHz from the first frame on.",
        "The rates come from the pressure monitor, not from beats; there is no contact pulse wave.",
        "The people are those of BP4D+: never train on one and test on the other.",
    ),
)
