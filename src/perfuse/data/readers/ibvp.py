"""iBVP: four conditions of three minutes, single bitmaps, and an ear's pulse with a quality for every sample."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.folders import child, distinct, files_in, folders_in, homes, missing, unknown
from perfuse.data.formats.pictures import open_pictures, picture_times
from perfuse.data.formats.tables import read_table
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording, Signal
from perfuse.video import FrameStream

RATE_HZ = 30.0
TAKE, PICTURE = r"(p\d+)_([a-z])", r".*\.(bmp|png|jpe?g)"
TASKS = {"a": "slow breathing and rest", "b": "easy arithmetic", "c": "hard arithmetic", "d": "head movement"}
QUALITY = ("sq2", "sq1")
"""Columns with manual quality, the first that is there counts."""

GOOD = 0.3
"""Quality above which samples are used, as the rPPG-Toolbox does."""


def _takes(root: Path) -> list[Path]:
    """Return folders of takes, also those one folder deeper (participants whose pictures must not be shown)."""
    found = folders_in(root, TAKE)
    deeper = [path for path in folders_in(root) if path not in found]
    return found + [take for folder in deeper for take in folders_in(folder, TAKE)]


def _is_home(root: Path) -> bool:
    return any(child(take, f"{take.name}_bvp.csv", f"{take.name}_rgb") for take in folders_in(root, TAKE))


def recognise(root: Path) -> bool:
    """Tell by ``pNN_x/pNN_x_bvp.csv`` or ``pNN_x/pNN_x_rgb``."""
    return bool(homes(root, _is_home))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield one recording per participant and condition."""
    nothing = unknown(root, READER.title, "pNN_x/pNN_x_rgb/*.bmp and pNN_x/pNN_x_bvp.csv")
    yield from distinct(_find(root), nothing)


def _find(root: Path) -> Iterator[Recording | Problem]:
    for home, prefix in homes(root, _is_home):
        for folder in _takes(home):
            name = folder.name.lower()
            frames, label = child(folder, f"{name}_rgb"), child(folder, f"{name}_bvp.csv")
            if frames is None:
                yield missing(folder / f"{name}_rgb", name)
            if label is None:
                yield missing(folder / f"{name}_bvp.csv", name)
            match = re.fullmatch(TAKE, name)
            if frames is None or label is None or match is None:
                continue
            yield Recording(
                dataset=READER.name,
                id=prefix + name,
                subject=match[1],
                video=partial(video, frames),
                signals=partial(references, label),
                files=(frames, label),
                about={"task": TASKS.get(match[2], match[2]), "rate_hz": RATE_HZ},
            )


def video(folder: Path) -> FrameStream:
    """Open the bitmaps at 30 a second."""
    paths = files_in(folder, PICTURE)
    return open_pictures(paths, picture_times([path.stem for path in paths], RATE_HZ), str(folder))


def references(path: Path) -> dict[str, Signal]:
    """Read the pulse; samples whose quality was judged bad are NaN.

    Raises
    ------
    SourceError
        If the table cannot be read or has no column BVP.
    """
    table = {name.lower(): values for name, values in read_table(path).items()}
    if "bvp" not in table:
        raise SourceError(
            f"{path} has no column BVP; it has {', '.join(table)}.",
            "Expected are BVP, SQPhysMD, SQ1, SQ2, Perfusion_Value.",
        )
    quality = next((table[name] for name in QUALITY if name in table), np.ones(len(table["bvp"])))
    return {"pulse": Signal.uniform(np.where(quality <= GOOD, np.nan, table["bvp"]), RATE_HZ)}


READER = Reader(
    name="ibvp",
    title="iBVP",
    paper="Joshi, Cho: iBVP dataset: RGB-thermal rPPG dataset with high resolution signal quality labels. "
    "Electronics 13(7), 2024",
    access="for academic research under an agreement with University College London",
    layout="pNN_x/pNN_x_rgb/*.bmp    participant NN in condition x (a to d); 640 x 480, 30 a second\n"
    "pNN_x/pNN_x_bvp.csv      BVP, SQPhysMD, SQ1, SQ2, Perfusion_Value; a row per picture\n"
    "pNN_x/pNN_x_t/*.raw      thermal pictures (not read)",
    signals=("pulse",),
    verified="the authors' description and public loaders; miniature copies in the tests. No original file was seen",
    recognise=recognise,
    find=find,
    notes=(
        "Pictures and pulse have no times: both are placed at 30 a second from 0. Where bitmaps are numbered one by "
        "one a missing one leaves a gap.",
        "The pulse is NaN where SQ2 (else SQ1) is 0.3 or less. The rPPG-Toolbox cuts those frames out instead and "
        "joins the rest, which puts jumps into the pulse.",
        "Takes in a folder beside the others (Confidential_No-media-use) are read too; their pictures must not be "
        "shown anywhere.",
    ),
)
