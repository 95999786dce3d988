"""What `perfuse synth` writes in its own layout: a folder per person with a video and every reference."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.clocks import on_clock
from perfuse.data.folders import child, folders_in, homes, missing, unknown
from perfuse.data.formats.films import open_film
from perfuse.data.formats.tables import read_table
from perfuse.data.formats.texts import read_json
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording, Signal
from perfuse.radar.frontend import range_bins
from perfuse.radar.kinds import RadarKind
from perfuse.radar.record import RadarRecord, held

FILM, TRUTH, MANIFEST = "video.mp4", "truth.json", "manifest.json"
TABLES = {
    "contact.csv": ("pulse", "ppg"),
    "belt.csv": ("respiration", "respiration"),
    "ecg.csv": ("ecg", "ecg_mv"),
    "beats.csv": ("beats", "inter_beat_interval_s"),
}
"""File to the signal and the column it holds, beside time_s."""

LIGHTS = ((60.0, "dim"), (1000.0, "room"), (float("inf"), "bright"))
"""Below how many lux light has which name (ASSUMED)."""

OFF_SHARE = 0.02
"""How far a radar's times may be off its stated rate before it is told: crystals are good to far less."""


def _persons(root: Path) -> list[Path]:
    return [path for path in folders_in(root) if child(path, TRUTH) or child(path, FILM)]


def _is_home(root: Path) -> bool:
    return any(child(path, TRUTH) and child(path, FILM) for path in folders_in(root)[:20])


def recognise(root: Path) -> bool:
    """Tell by a folder with ``video.mp4`` and ``truth.json``."""
    return bool(homes(root, _is_home))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield one recording per folder; the truth is read for what it says of the scene."""
    places = homes(root, _is_home)
    if not places:
        yield unknown(root, READER.title, f"NAME/{FILM} and NAME/{TRUTH}")
    for home, prefix in places:
        yield from _unmade(home)
        for folder in _persons(home):
            film, truth = child(folder, FILM), child(folder, TRUTH)
            for name, path in ((FILM, film), (TRUTH, truth)):
                if path is None:
                    yield missing(folder / name, folder.name)
            if film is None or truth is None:
                continue
            try:
                about, alive = scene(truth)
            except SourceError as error:
                yield Problem("unreadable", str(truth), str(error))
                continue
            tables = {name: path for name in TABLES if (path := child(folder, name)) is not None} if alive else {}
            for name in sorted(set(TABLES) - set(tables)) if alive else ():
                yield missing(folder / name, folder.name, recording=prefix + folder.name)
            radar = child(folder, "radar.npz")
            yield Recording(
                dataset=READER.name,
                id=prefix + folder.name,
                subject=folder.name,
                video=partial(open_film, film),
                signals=partial(references, tables),
                files=(folder,),
                about=about,
                radar=None if radar is None else partial(read_radar, radar),
            )


def _unmade(home: Path) -> Iterator[Problem]:
    """Yield what the manifest lists and the folder has not."""
    try:
        names = [str(row["id"]) for row in read_json(home / MANIFEST)["recordings"]]
        absent = [name for name in names if not (home / name).is_dir()]
    except (SourceError, KeyError, TypeError, OSError, ValueError):
        return  # the manifest is for those who make the folder; recordings can be read without it
    for name in absent:
        yield Problem("missing", str(home / name), f"{MANIFEST} lists {name}, but there is no {home / name}.")


def scene(path: Path) -> tuple[dict[str, str | int | float], bool]:
    """Return what the truth says of a recording, and whether there is a pulse.

    Raises
    ------
    SourceError
        If it cannot be read, or is not what `perfuse synth` writes.
    """
    content = read_json(path)
    try:
        settings, truth = dict(content["settings"]), dict(content["truth"])
        alive, wear = settings["kind"] == "person", list(settings["wear"])
        about: dict[str, str | int | float] = {
            "domain": str(settings["domain"]),
            "motion": str(settings["motion"]),
            "light": next(name for lux, name in LIGHTS if float(settings["lux"]) < lux),
            "rate_hz": float(settings["rate_hz"]),
            "duration_s": float(settings["duration_s"]),
        }
        if alive:
            about |= {
                "monk_tone": int(settings["tone"]),
                "skin_tone": int(truth["fitzpatrick"]),
                "task": "talk" if settings["expression"] == "talk" else "rest",
                "age": float(settings["age_y"]),
                "population": "neonate" if settings["domain"] == "neonate" else "adult",
                "exercise": "yes" if float(settings["recovery"]) > 0 else "no",
                **{name: "yes" if what in wear else "no" for name, what in WORN},
            }
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise SourceError(
            f"{path} is no truth of ours ({error!r}).", "Make the folder again: perfuse synth."
        ) from error
    return about, alive


WORN = (("glasses", "glasses"), ("make_up", "makeup"), ("hair_cover", "hat"))


def references(tables: Mapping[str, Path]) -> dict[str, Signal]:
    """Read the sensors; a sample that did not arrive is NaN.

    Raises
    ------
    SourceError
        If a table cannot be read or lacks a column.
    """
    signals: dict[str, Signal] = {}
    for file, path in tables.items():
        name, column = TABLES[file]
        table = read_table(path)
        if "time_s" not in table or column not in table:
            raise SourceError(f"{path} has the columns {', '.join(table)}.", f"Expected are time_s and {column}.")
        values = table[column]
        if "valid" in table:
            values = np.where(table["valid"] == 1, values, np.nan)
        signals |= on_clock(table["time_s"], {name: values}, path)
    return signals


def read_radar(path: Path) -> RadarRecord:
    """Read the radar as range bins of every chirp.

    Raises
    ------
    SourceError
        If the file is damaged, or its chirps are not in order.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("samples", "times_s", "valid")}
            kind = RadarKind.of({name[7:]: file[name] for name in file.files if name.startswith("config_")})
        for name, array in arrays.items():
            if array.dtype.kind not in "biuf":
                raise ValueError(f"{name} of type {array.dtype}")
        if not np.isin(arrays["valid"], (0, 1)).all():
            raise ValueError("marks of what arrived that are neither 0 nor 1")
        raw, times = (np.asarray(arrays[name], np.float64) for name in ("samples", "times_s"))
        good: Any = np.asarray(arrays["valid"], np.bool_)
        if raw.ndim != 3 or raw.shape[1:] != (kind.samples, 2) or good.shape != (len(raw),) or not good.any():
            raise ValueError(f"samples of shape {raw.shape} and {good.shape} marks of what arrived")
        with np.errstate(invalid="ignore"):  # chirps that did not arrive may hold anything
            bins = range_bins(raw[:, :, 0] + 1j * raw[:, :, 1]).astype(np.complex64)
        record = RadarRecord(times, held(bins, good), good, kind)
        return replace(record, notes=tuple(_notes(record, kind.frame_rate_hz)))
    except Exception as error:  # damaged archives make numpy raise nearly anything
        whole = zipfile.is_zipfile(path)  # of anything else numpy says how a pickle could be run
        what = f"cannot be read ({type(error).__name__}: {error})" if whole else "is no archive of arrays, or damaged"
        raise SourceError(
            f"{path} {what}.",
            "Expected is what `perfuse synth` writes of a radar: samples, times_s, valid, config_*. Echoes of other "
            "radars can be pushed into a Session in Python.",
        ) from error


def _notes(record: RadarRecord, rate_hz: float) -> Iterator[str]:
    """Say what was lost, and whether the times fit the rate that is stated."""
    lost = int((~record.valid).sum())
    if lost:
        yield f"{lost} of {len(record.valid)} chirps were lost"
    found_hz = 1 / float(np.median(np.diff(record.times_s))) if len(record.times_s) > 1 else rate_hz
    if abs(found_hz - rate_hz) > OFF_SHARE * rate_hz:
        yield f"the times say {found_hz:.5g} chirps a second, but config_frame_rate_hz {rate_hz:.5g}; the times count"


READER = Reader(
    name="perfuse",
    title="Recordings of perfuse synth",
    paper="perfuse (this software)",
    access="made by `perfuse synth`",
    layout="NAME/video.mp4     frames at their capture times\n"
    "NAME/truth.json    settings and what is true\n"
    "NAME/contact.csv, belt.csv, ecg.csv, beats.csv    references (none where nothing beats)\n"
    "NAME/radar.npz     where there is a radar",
    signals=("pulse", "respiration", "ecg", "beats", "radar"),
    verified="folders that `perfuse synth` wrote",
    recognise=recognise,
    find=find,
    notes=(
        "All times are on one clock, that of the frames.",
        "Dolls, masks, photos and walls (domain no-pulse) have no references; a pulse found there is an error.",
        "No monitor is simulated: rates follow from the beats, which are those of the face.",
    ),
)
