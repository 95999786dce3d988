"""BUAA-MIHR: faces under eleven strengths of light, 1 to 100 lx, with a finger sensor."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.folders import distinct, files_in, folders_below, folders_in, missing, unknown
from perfuse.data.formats.films import open_film
from perfuse.data.formats.matlab import read_mat, series
from perfuse.data.formats.tables import read_series
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording, Signal

NOMINAL_HZ = 60.0
SUBJECT, LIGHT = r"sub(ject)?[ _-]*\d+", r"lux[ _-]*(\d+(\.\d+)?)"
FLAT = r"(sub(ject)?[ _-]*\d+)[ _-]+" + LIGHT


def _levels(root: Path) -> Iterator[tuple[str, float, Path]]:
    """Yield (subject, lux, folder) of ``Sub 01/lux 1.0`` and of ``Sub 01_lux 1.0``."""
    for person in folders_below(root, SUBJECT, 2):
        for folder in folders_in(person):
            match = re.fullmatch(LIGHT, folder.name, re.I)
            if match:
                yield person.name, float(match[1]), folder
    for folder in folders_below(root, FLAT, 2):
        match = re.fullmatch(FLAT, folder.name, re.I)
        if match:
            yield match[1], float(match[3]), folder


def recognise(root: Path) -> bool:
    """Tell by ``Sub 01/lux 1.0``."""
    return any(True for _ in _levels(root))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield a recording per film."""
    yield from distinct(
        (item for level in _levels(root) for item in _level(*level)),
        unknown(root, READER.title, "Sub 01/lux 1.0/*.avi"),
    )


def _level(person: str, lux: float, folder: Path) -> Iterator[Recording | Problem]:
    files = files_in(folder)
    films = [path for path in files if path.suffix.lower() == ".avi"]
    name = f"{person}/lux {lux:g}"
    if not films:
        yield missing(folder / f"lux{lux:.1f}_XXX.avi", name)
        return
    own = {film: _labels(files, film.stem) for film in films}
    taken = {label for labels in own.values() for label in labels}
    shared = [p for p in _labels(files, "") if p not in taken]
    for film in films:
        label = next(iter(own[film] or shared), None)
        key = f"{name}/{film.stem}" if len(films) > 1 else name
        if label is None:
            yield missing(film.with_name(f"lux{lux:.1f}_PPGData.mat"), key, why="The film has no reference.")
            continue
        yield Recording(
            dataset=READER.name,
            id=key,
            subject=person,
            video=partial(open_film, film),
            signals=partial(references, label),
            files=(film, label),
            about={"task": "rest", "motion": "still", "light": f"{lux:g} lx", "rate_hz": 30.0},
        )


def _labels(files: list[Path], stem: str) -> list[Path]:
    """Return tables whose name begins with a film's, MATLAB's first: only they state their rate."""
    tables = [p for p in files if p.suffix.lower() in (".mat", ".csv") and p.stem.lower().startswith(stem.lower())]
    return sorted(tables, key=lambda path: path.suffix.lower() != ".mat")


def references(path: Path) -> dict[str, Signal]:
    """Read the wave: ``PPG`` with ``data`` and ``fs`` of a MATLAB file, or a column of a CSV.

    Raises
    ------
    SourceError
        If it cannot be read or holds no wave.
    """
    if path.suffix.lower() == ".csv":
        return {"pulse": Signal.uniform(read_series(path, "wave", "ppg", "pulse", "bvp", "data"), NOMINAL_HZ)}
    found = {name.lower(): value for name, value in read_mat(path).items()}
    inner = found.get("ppg", found.get("ppgdata", found))
    fields = {k.lower(): v for k, v in inner.items()} if isinstance(inner, dict) else {"data": inner}
    if "data" not in fields:
        raise SourceError(f"{path} holds {', '.join(fields)[:200]}.", "Expected is PPG with data, fs and peaks.")
    rate = float(series(fields["fs"], path, "fs")[0]) if "fs" in fields else NOMINAL_HZ
    if not (np.isfinite(rate) and rate > 0):
        raise SourceError(f"{path} states a rate of {rate:g}.", "Expected is fs in Hz, about 60.")
    return {"pulse": Signal.uniform(series(fields["data"], path, "PPG.data"), rate)}


READER = Reader(
    name="buaa-mihr",
    title="BUAA-MIHR",
    paper="Xi, Chen, Zhao, Wu: Image enhancement for remote photoplethysmography in a low-light environment. FG 2020",
    access="on signing an agreement, from the IR and MCT lab, Beihang University",
    layout="Sub 01/lux 1.0/               to lux 100.0; also Sub 01_lux 1.0/\n"
    "  lux1.0_APH.avi              640 x 480, 30 frames a second, one minute\n"
    "  lux1.0_PPGData.mat          PPG.data, PPG.fs (about 60 Hz), PPG.peaks; or a CSV with the wave",
    signals=("pulse",),
    verified="documentation and public loaders only",
    recognise=recognise,
    find=find,
    notes=(
        "The wave begins with the first frame; its rate is PPG.fs, or 60 Hz (ASSUMED) where only a CSV is there.",
        "Where a folder holds several films, one with a table of its own name gets that, the others the table left. "
        "The folder says who it is, not the initials in the film's name.",
    ),
)
