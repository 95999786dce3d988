"""PURE: six set-ups of a minute, an image per frame, and a JSON file with the times of images and oximeter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.clocks import on_clock, shown
from perfuse.data.folders import child, files_in, folders_in, holds, homes, missing, unknown
from perfuse.data.formats.pictures import open_pictures
from perfuse.data.formats.texts import number, read_json
from perfuse.data.reader import Reader
from perfuse.data.recording import F64, Problem, Recording, Signal
from perfuse.video import FrameStream

TASKS = {
    "01": ("sitting", "steady"),
    "02": ("talking", "talking"),
    "03": ("sitting", "slow translation"),
    "04": ("sitting", "fast translation"),
    "05": ("sitting", "small rotation"),
    "06": ("sitting", "medium rotation"),
}
"""Task and motion of each set-up."""

TAKE = r"(\d{2})-(\d{2})"
PICTURE = r".*\d\.(png|jpe?g|bmp)"
COLUMNS = {"pulse": "waveform", "heart_rate": "pulseRate", "spo2": "o2saturation"}


def _takes(root: Path) -> list[Path]:
    return folders_in(root, TAKE)


def _label(folder: Path) -> Path | None:
    """Return the JSON of a take, in its folder or beside it."""
    name = f"{folder.name}.json"
    return child(folder, name) or child(folder.parent, name) or child(folder / folder.name, name)


def _pictures(folder: Path) -> Path | None:
    """Return the folder that holds the images of a take: one of the same name in it, or itself."""
    inner = child(folder, folder.name)
    for place in (inner, folder):
        if place is not None and holds(place, PICTURE):
            return place
    return None


def _is_home(root: Path) -> bool:
    return any(_label(folder) or child(folder, folder.name) for folder in _takes(root))


def recognise(root: Path) -> bool:
    """Tell by ``NN-NN/NN-NN.json`` or ``NN-NN/NN-NN/``."""
    return bool(homes(root, _is_home))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield one recording per person and set-up."""
    places = homes(root, _is_home)
    if not places:
        yield unknown(root, READER.title, "NN-NN/NN-NN.json and NN-NN/NN-NN/Image*.png")
    for home, prefix in places:
        for folder in _takes(home):
            label, pictures = _label(folder), _pictures(folder)
            if label is None:
                yield missing(folder / f"{folder.name}.json", folder.name)
            if pictures is None:
                where = folder / folder.name
                yield Problem("missing", str(where), f"{folder.name} has no images: none were found in {where}.")
            if label is None or pictures is None:
                continue
            person, _, setup = folder.name.partition("-")
            task, motion = TASKS.get(setup, (setup, setup))
            yield Recording(
                dataset=READER.name,
                id=prefix + folder.name,
                subject=person,
                video=partial(video, pictures, label, folder.name),
                signals=partial(references, pictures, label),
                files=(pictures, label) if pictures not in label.parents else (pictures,),
                about={"task": task, "motion": motion, "rate_hz": 30.0},
            )


def stamps(pictures: Path, label: Path) -> tuple[list[Path], list[int]]:
    """Return the images of a take and their Unix times in ns: from their names, or else from the JSON in order.

    Raises
    ------
    SourceError
        If names have no times and the JSON has not one for each.
    """
    paths = files_in(pictures, PICTURE)
    digits = [re.findall(r"\d{10,}", path.stem) for path in paths]
    if paths and all(digits):
        return paths, [int(found[-1]) for found in digits]
    times = [_stamp(entry, label) for entry in _entries(label, "/Image")]
    if len(times) != len(paths):
        raise SourceError(f"{label} has times for {len(times)} images, {pictures} has {len(paths)}.", EXPECTED)
    return paths, times


def video(pictures: Path, label: Path, name: str) -> FrameStream:
    """Open the images at their times, from the first one on."""
    paths, times = stamps(pictures, label)
    return open_pictures(paths, _seconds(times, times[0] if times else 0), name)


def references(pictures: Path, label: Path) -> dict[str, Signal]:
    """Read the oximeter: wave, rate and saturation on the clock of the images.

    Raises
    ------
    SourceError
        If the JSON is damaged, has no readings, or its times go back.
    """
    readings = _entries(label, "/FullPackage")
    _, images = stamps(pictures, label)
    times = _seconds([_stamp(entry, label) for entry in readings], images[0] if images else 0)
    values: list[dict[str, Any]] = [
        entry["Value"] if isinstance(entry.get("Value"), dict) else {} for entry in readings
    ]
    if not any("waveform" in value for value in values):
        raise SourceError(f"{label} has no waveform under /FullPackage.", EXPECTED)
    columns = {
        name: np.array([_value(value.get(key)) for value in values])
        for name, key in COLUMNS.items()
        if any(key in value for value in values)
    }
    monitors = {name: shown(values) for name, values in columns.items() if name != "pulse"}
    return on_clock(times, {**columns, **monitors}, label)


EXPECTED = 'Expected is {"/FullPackage": [{"Timestamp", "Value": {"waveform", ...}}], "/Image": [{"Timestamp"}]}.'


def _entries(label: Path, key: str) -> list[dict[str, Any]]:
    """Return the list under a key of the JSON."""
    content = read_json(label)
    if not isinstance(content, dict):
        raise SourceError(f"{label} holds no object.", EXPECTED)
    found = content.get(key, content.get(key.lstrip("/")))
    if not isinstance(found, list) or not found or not all(isinstance(entry, dict) for entry in found):
        raise SourceError(f"{label} has nothing under {key}.", EXPECTED)
    return found


def _stamp(entry: dict[str, Any], label: Path) -> int:
    try:
        return int(entry["Timestamp"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise SourceError(f"{label} has an entry without a Timestamp.", EXPECTED) from error


def _value(value: Any) -> float:
    return number(str(value)) if isinstance(value, (int, float, str)) else float("nan")


def _seconds(stamps_ns: list[int], origin_ns: int) -> F64:
    # whole numbers first: Unix nanoseconds need more digits than a float has
    return np.array([(stamp - origin_ns) * 1e-9 for stamp in stamps_ns], np.float64)


READER = Reader(
    name="pure",
    title="PURE",
    paper="Stricker, Müller, Gross: Non-contact video-based pulse rate measurement on a mobile service robot. "
    "RO-MAN 2014",
    access="free for research on request from the authors (TU Ilmenau)",
    layout="NN-MM/NN-MM/Image<time>.png   person NN in set-up MM; 640 x 480, 30 a second, Unix nanoseconds\n"
    "NN-MM/NN-MM.json              /FullPackage: oximeter, 60 a second; /Image: times of the images",
    signals=("pulse", "heart_rate", "spo2"),
    verified="documentation and public loaders; folders written by `perfuse synth --layout pure`. No original file "
    "was seen",
    recognise=recognise,
    find=find,
    notes=(
        "Images and oximeter have times on one clock, which counts from the first image. The rPPG-Toolbox stretches "
        "the wave over the images instead.",
        "Images may also lie in NN-MM/ itself. A damaged one leaves a gap.",
        "A heart rate or a saturation of 0 is taken for no reading.",
        "The original has 59 takes of 10 persons, not 60.",
    ),
)
