"""Smartphone oximetry: fingers of both hands on two phones while oxygen is lowered, four oximeters, capnograph."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.clocks import shown, where_timed
from perfuse.data.folders import distinct, files_in, folders_below, missing, unknown
from perfuse.data.formats.files import WHOLE
from perfuse.data.formats.films import open_trace
from perfuse.data.formats.tables import read_rows
from perfuse.data.formats.texts import number
from perfuse.data.reader import Reader
from perfuse.data.recording import F64, Problem, Recording, Signal

RATE_HZ = 30.0
PERSON = r"1\d{4,5}\.csv"
OXIMETERS = (1, 2, 4, 5)
"""The third was not filled in."""
LAST_IN_PLACE = "AC Gain 5"
"""From the next column on, names stand too far to the left: five columns without a name come before ``ECG 3``."""


def _people(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in files_in(folder, PERSON)}


def recognise(root: Path) -> bool:
    """Tell by ``gt/100001.csv`` beside ``left`` or ``right`` (also below ``data`` and ``ppg-csv``)."""
    labels = any(_people(folder) for folder in folders_below(root, "gt", 2))
    return labels and any(_people(folder) for folder in folders_below(root, "left|right", 3))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield a recording per person and hand."""
    labels = {name: path for folder in folders_below(root, "gt", 2) for name, path in _people(folder).items()}
    hands = {folder.name.lower(): _people(folder) for folder in folders_below(root, "left|right", 3)}
    yield from distinct(
        (item for hand in sorted(hands) for item in _hand(hand, hands[hand], labels)),
        unknown(root, READER.title, "gt/100001.csv and left/100001.csv"),
    )
    traced = {name for traces in hands.values() for name in traces}
    for name in sorted(labels.keys() - traced):
        yield missing(labels[name].parent.parent / "left" / f"{name}.csv", name)


def _hand(hand: str, traces: dict[str, Path], labels: dict[str, Path]) -> Iterator[Recording | Problem]:
    for person, trace in traces.items():
        name = f"{person}/{hand}"
        if person not in labels:
            yield missing(trace.parent.parent / "gt" / f"{person}.csv", name)
            continue
        yield Recording(
            dataset=READER.name,
            id=name,
            subject=person,
            video=partial(open_trace, trace, RATE_HZ),
            signals=partial(references, labels[person]),
            files=(trace, labels[person]),
            about={
                "task": "breathing less oxygen",
                "motion": "still",
                "light": "flash",
                "camera": f"phone, finger of the {hand} hand on the lens",
                "population": "adult",
                "rate_hz": RATE_HZ,
            },
        )


def references(path: Path) -> dict[str, Signal]:
    """Read saturation and heart rate (median of the oximeters, ECG for the rate, too) and the capnograph's rate.

    Raises
    ------
    SourceError
        If the table cannot be read, lacks the columns, or has no times.
    """
    rows = read_rows(path)
    names = rows[0] if rows else []
    wanted = [f"{kind} {i}" for kind in ("SpO2", "Pulse") for i in OXIMETERS]
    lost = [name for name in ("Time", *wanted, LAST_IN_PLACE, "ECG 3", "RR CO2 3") if name not in names]
    if lost:
        raise SourceError(f"{path} lacks the columns {', '.join(lost)}.", "Expected are Time, SpO2 1, Pulse 1, ....")
    times_s = np.array([_clock(row[names.index("Time")]) for row in rows[1:]])
    if not np.isfinite(times_s).any():
        raise SourceError(f"{path} holds no row with a time.", WHOLE)
    times_s = np.where(times_s < times_s[np.isfinite(times_s)][0], times_s + 86400, times_s)  # past midnight
    times_s = times_s - times_s[np.isfinite(times_s)][0]
    shift = _shift(names, rows[1:])

    def read(name: str) -> F64:
        place = names.index(name)
        place += shift if place > names.index(LAST_IN_PLACE) else 0
        return shown(np.array([number(row[place]) if place < len(row) else np.nan for row in rows[1:]]))

    saturation = [read(f"SpO2 {i}") for i in OXIMETERS]
    rates = [*(read(f"Pulse {i}") for i in OXIMETERS), read("ECG 3")]
    return {
        "spo2": where_timed(times_s, _median(saturation)),
        "heart_rate": where_timed(times_s, _median(rates)),
        "respiratory_rate": where_timed(times_s, read("RR CO2 3")),
    }


def _shift(names: list[str], rows: list[list[str]]) -> int:
    """Return by how many columns the capnograph's values stand further right than their names."""
    place = names.index("ECG 3")
    numeric = sum(place < len(row) and np.isfinite(number(row[place])) for row in rows)
    return names.count("") if 2 * numeric < len(rows) else 0


def _clock(text: str) -> float:
    """Return the second of the day of hh:mm:ss, NaN for anything else."""
    match = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", text)
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) if match else float("nan")


def _median(values: list[F64]) -> F64:
    """Return the median over devices, NaN where none showed anything."""
    table = np.array(values)
    some = np.isfinite(table).any(axis=0)
    out = np.full(table.shape[1], np.nan)
    out[some] = np.nanmedian(table[:, some], axis=0)
    return out


READER = Reader(
    name="oximetry",
    title="Smartphone camera oximetry",
    paper="Hoffman, Viswanath, Tian, Ding, Thompson, Larson, Patel, Wang: Smartphone camera oximetry in an induced "
    "hypoxemia study. npj Digital Medicine 5, 146, 2022",
    access="openly (MIT), from the authors' repository",
    layout="gt/100001.csv             once a second: Time, SpO2 1 to 5, Pulse 1 to 5, ..., ECG 3, RR CO2 3\n"
    "left/100001.csv           R, G, B, 30 rows a second; also right/, and below data/ and ppg-csv/",
    signals=("spo2", "heart_rate", "respiratory_rate"),
    verified="tried on three real people (left hand)",
    recognise=recognise,
    find=find,
    notes=(
        "A trace, not a video: fingers on lenses. It has no times: 30 rows a second, begun with the table of the "
        "oximeters as the authors say (both last equally long within 2 s).",
        "Saturation and heart rate are medians over four oximeters (and the ECG); the third was never filled in.",
        "From ECG 3 on the names in the table stand five columns left of their values; a loader that goes by names "
        "reads the raw status instead of the capnograph.",
    ),
)
