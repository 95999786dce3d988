"""SCAMPS: rendered avatars with their pulse and breathing, each a MATLAB 7.3 file of 20 s."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from perfuse.data.folders import files_in, folders_in, holds, homes, unknown
from perfuse.data.formats.array_video import open_video
from perfuse.data.formats.matlab import read_mat, series
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording, Signal

RATE_HZ = 30.0
FILE = r"p\d{4,}\.mat"
SPLITS = {"train": "train", "val": "val", "validation": "val", "test": "test"}
FRAMES = ("RawFrames", "Xsub")
"""Whole pictures (320 x 240), or else the square middle (240 x 240)."""


def _parts(root: Path) -> list[tuple[Path, str]]:
    """Return folders with files and the split each stands for."""
    named = [(path, SPLITS[path.name.lower()]) for path in folders_in(root, "|".join(SPLITS))]
    return [(path, split) for path, split in [*named, (root, "")] if holds(path, FILE)]


def _is_home(root: Path) -> bool:
    return bool(_parts(root))


def recognise(root: Path) -> bool:
    """Tell by ``P000001.mat``, at once or in ``Train``, ``Val`` and ``Test``."""
    return bool(homes(root, _is_home))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield one recording per file."""
    places = homes(root, _is_home)
    if not places:
        yield unknown(root, READER.title, "PNNNNNN.mat, or Train/PNNNNNN.mat")
    for home, prefix in places:
        parts = _parts(home)
        for folder, split in parts:
            inside = f"{prefix}{folder.name}/" if folder != home else prefix
            for path in files_in(folder, FILE):
                about: dict[str, str | int | float] = {"rate_hz": RATE_HZ, "domain": "rendered"}
                if split:
                    about["split"] = split
                yield Recording(
                    dataset=READER.name,
                    id=inside + path.stem,
                    subject=path.stem.upper(),
                    video=partial(open_video, path, FRAMES, RATE_HZ),
                    signals=partial(references, path),
                    files=(path,),
                    about=about,
                )


def references(path: Path) -> dict[str, Signal]:
    """Read pulse and breathing, a sample of each per frame.

    Raises
    ------
    SourceError
        If the file cannot be read or has no pulse.
    """
    found = read_mat(path, ["d_ppg", "d_br"])
    signals = {"pulse": Signal.uniform(series(found.get("d_ppg"), path, "d_ppg"), RATE_HZ)}
    if "d_br" in found:
        signals["respiration"] = Signal.uniform(series(found["d_br"], path, "d_br"), RATE_HZ)
    return signals


READER = Reader(
    name="scamps",
    title="SCAMPS",
    paper="McDuff, Wander, Liu, Hill, Hernandez, Lester, Baltrusaitis: SCAMPS: synthetics for camera measurement of "
    "physiological signals. NeurIPS 2022",
    access="openly on the authors' page",
    layout="PNNNNNN.mat          or Train/, Val/, Test/ with such files (MATLAB 7.3)\n"
    "  RawFrames          (frames, 240, 320, 3), 30 a second; Xsub the square middle\n"
    "  d_ppg, d_br        pulse and breathing, a sample per frame",
    signals=("pulse", "respiration"),
    verified="the authors' description and public loaders; miniature copies in the tests. No original file was seen",
    recognise=recognise,
    find=find,
    notes=(
        "Frames and signals have no times: both are placed at 30 a second from 0.",
        "Every file counts as a subject of its own; the files do not say which avatars share a face.",
        "RawFrames is read where it is there, else Xsub. The archive with waves alone has neither: its videos "
        "cannot be opened. Needs h5py: pip install 'perfuse[formats]'.",
    ),
)
