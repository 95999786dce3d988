"""COHFACE: four minutes of each person under two lights, strongly compressed, with pulse and breathing in HDF5."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.clocks import on_clock
from perfuse.data.folders import child, folders_in, homes, missing, unknown
from perfuse.data.formats.films import open_film
from perfuse.data.formats.hdf5 import read_hdf5
from perfuse.data.formats.matlab import series
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording, Signal

LABEL = "data.hdf5"
FILMS = ("data.avi", "data.mkv", "data.mp4", "data.m4v")
LABEL_HZ, FRAME_HZ = 256.0, 20.0
LIGHTS = {"0": "studio", "1": "studio", "2": "natural", "3": "natural"}
"""By session, after the protocols of the data set's own package (clean: 0 and 1, natural: 2 and 3)."""

FAR_S = 60.0
"""A clock that starts further than this from 0 is not the video's (ASSUMED)."""


def _trials(root: Path) -> list[Path]:
    return [trial for person in folders_in(root, r"\d+") for trial in folders_in(person, r"\d+")]


def _is_home(root: Path) -> bool:
    persons = folders_in(root, r"\d+")[:3]  # the first ones tell
    return any(child(t, LABEL, *FILMS) for person in persons for t in folders_in(person, r"\d+"))


def recognise(root: Path) -> bool:
    """Tell by ``N/M/data.hdf5`` or ``N/M/data.avi``."""
    return bool(homes(root, _is_home))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield one recording per person and session."""
    places = homes(root, _is_home)
    if not places:
        yield unknown(root, READER.title, f"N/M/{FILMS[0]} and N/M/{LABEL}")
    for home, prefix in places:
        for folder in _trials(home):
            name = f"{folder.parent.name}/{folder.name}"
            film, label = child(folder, *FILMS), child(folder, LABEL)
            if film is None:
                yield missing(folder / FILMS[0], name)
            if label is None:
                yield missing(folder / LABEL, name)
            if film is None or label is None:
                continue
            about: dict[str, str | int | float] = {"session": folder.name, "rate_hz": FRAME_HZ}
            if folder.name in LIGHTS:
                about["light"] = LIGHTS[folder.name]
            yield Recording(
                dataset=READER.name,
                id=prefix + name,
                subject=folder.parent.name,
                video=partial(open_film, film),
                signals=partial(references, label),
                files=(film, label),
                about=about,
            )


def references(path: Path) -> dict[str, Signal]:
    """Read pulse and breathing on the file's own clock, or at 256 a second where it has none.

    Raises
    ------
    SourceError
        If the file cannot be read, has no pulse, or its rows differ in length.
    """
    found = read_hdf5(path, ["pulse", "respiration", "time"])
    columns = {"pulse": series(found.get("pulse"), path, "pulse")}
    if "respiration" in found:
        columns["respiration"] = series(found["respiration"], path, "respiration")
    count = len(columns["pulse"])
    times = series(found["time"], path, "time") if "time" in found else np.arange(count) / LABEL_HZ
    lengths = {name: len(values) for name, values in {**columns, "time": times}.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{size} of {name}" for name, size in lengths.items())
        raise SourceError(f"{path} has {said}.", "Expected is as much of each.")
    if np.isfinite(times[0]) and abs(times[0]) > FAR_S:
        times = times - times[0]
    return on_clock(times, columns, path)


READER = Reader(
    name="cohface",
    title="COHFACE",
    paper="Heusch, Anjos, Marcel: A reproducible study on remote heart rate measurement. arXiv 1709.00962, 2017",
    access="for research under an agreement with Idiap",
    layout="N/M/data.avi     person N, session M (0, 1 studio light, 2, 3 natural); 640 x 480, 20 a second, MPEG-4\n"
    "N/M/data.hdf5    pulse, respiration, time; 256 a second",
    signals=("pulse", "respiration"),
    verified="the data set's own access package and public loaders; miniature copies in the tests. No original file "
    "was seen",
    recognise=recognise,
    find=find,
    notes=(
        "References stand on the file's clock `time`, in seconds, whose 0 is taken for the first frame; a clock that "
        "starts more than a minute from 0 is moved there. Public loaders assume 256 a second from the first frame.",
        "Needs h5py: pip install 'perfuse[formats]'.",
    ),
)
