"""Videos with a table of the same name: one row per frame, as the samples of vitallens-python have it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from perfuse.core.errors import SourceError
from perfuse.data.clocks import per_frame, shown
from perfuse.data.folders import child, distinct, files_in, folders_in, glance, missing, unknown
from perfuse.data.formats.films import film_times, open_film
from perfuse.data.formats.tables import read_table
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording, Signal

FILM = r".+\.(mp4|mov|mkv|webm|avi)"
COLUMNS = {
    "pulse": ("ppg", "bvp"),
    "ecg": ("ecg",),
    "respiration": ("resp", "respiration"),
    "spo2": ("spo2",),
    "heart_rate": ("hr_ecg", "hr", "hr_ppg"),
    "respiratory_rate": ("rr",),
}
SLACK = 0.01
"""Rows and frames may differ by this share, and two: a frame lost at the end. More, and rows are not frames."""


def _pairs(root: Path) -> Iterator[tuple[Path | None, Path | None]]:
    """Yield films, each with the table of its name, in the folder and in the folders in it; then lonely tables."""
    for folder in (root, *folders_in(root)):
        tables = {path.stem.lower(): path for path in files_in(folder, r".+\.csv")}
        for film in files_in(folder, FILM):
            yield film, tables.pop(film.stem.lower(), None)
        yield from ((None, table) for table in tables.values())


def recognise(root: Path) -> bool:
    """Tell by ``NAME.mp4`` beside ``NAME.csv``, where no perfuse.yaml describes the folder."""
    films = glance(root, FILM, 2)
    return child(root, "perfuse.yaml") is None and any(child(film.parent, f"{film.stem}.csv") for film in films)


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield a recording per film with a table."""
    yield from distinct(
        (item for film, table in _pairs(root) for item in _take(root, film, table)),
        unknown(root, READER.title, "NAME.mp4 beside NAME.csv"),
    )


def _take(root: Path, film: Path | None, table: Path | None) -> Iterator[Recording | Problem]:
    if film is None:
        if table is not None:
            yield missing(table.with_suffix(".mp4"), table.name)
        return
    name = film.relative_to(root).with_suffix("").as_posix()
    if table is None:
        yield missing(film.with_suffix(".csv"), name)
        return
    yield Recording(
        dataset=READER.name,
        id=name,
        subject=name,
        video=partial(open_film, film),
        signals=partial(references, film, table),
        files=(film, table),
    )


def references(film: Path, path: Path) -> dict[str, Signal]:
    """Read the columns, row by row at the film's own times (from its packets).

    Raises
    ------
    SourceError
        If the film or the table cannot be read, no column is known, or rows are not frames.
    """
    table = read_table(path)
    there = {name.lower(): values for name, values in table.items()}
    found = {}
    times_s = film_times(film)
    for signal, names in COLUMNS.items():
        values = next((there[name] for name in names if name in there), None)
        if values is None:
            continue
        if abs(len(values) - len(times_s)) > SLACK * len(times_s) + 2:
            raise SourceError(
                f"{path} has {len(values)} rows, {film.name} has {len(times_s)} frames.",
                "Expected is one row per frame; describe other tables in a perfuse.yaml.",
            )
        wave = signal in ("pulse", "ecg", "respiration")
        found[signal] = per_frame((values if wave else shown(values))[: len(times_s)], times_s, 1.0)
    if not found:
        known = ", ".join(name for names in COLUMNS.values() for name in names)
        raise SourceError(f"{path} has the columns {', '.join(table)[:200]}.", f"Expected is one of {known}.")
    return found


READER = Reader(
    name="vitallens",
    title="Videos with a table of the same name (vitallens samples)",
    paper="Rouast: VitalLens: Take a vital selfie. arXiv 2312.06892, 2023 (samples of vitallens-python)",
    access="two samples openly (MIT), in the repository of vitallens-python",
    layout="sample_1.mp4   also in one level of folders; mov, mkv, webm, avi\n"
    "sample_1.csv   one row per frame: ppg, ecg, resp, spo2, hr_ecg (or hr, hr_ppg), rr; others are passed over",
    signals=("pulse", "ecg", "respiration", "spo2", "heart_rate", "respiratory_rate"),
    verified="tried on the real sample_1 (354 frames, 354 rows)",
    recognise=recognise,
    find=find,
    notes=(
        "Rows get the film's own times, not a nominal rate.",
        "The heart rate of the sample is a rolling value over a longer past than the clip: it falls from 87 to 75 "
        "while the clip's pulse is 75.4. Score against the wave. The ECG and the waves have no unit.",
        "Nothing says who it is: every film is a subject of its own, even where two show one person.",
    ),
)
