"""Measurements as one long table: a row per number, so that any spreadsheet or data frame can pivot it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from perfuse.core.results import Measurement
from perfuse.report.json import to_dict

COLUMNS = ("source", "face", "kind", "name", "time_s", "value", "unit", "low", "high", "quality", "reason")


def to_csv(measurements: Iterable[Measurement]) -> str:
    """Return the table of one or several measurements, header first, numbers rounded as in :func:`to_json`.

    ``kind`` is ``vital`` (over the whole recording), ``series`` (over time), ``waveform`` (a row per measured
    sample), ``beat`` (its time is the value too) or ``event`` (face found or lost).
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for measurement in measurements:
        record = to_dict(measurement)
        for face in record["faces"]:
            for row in _rows(face):
                writer.writerow({"source": record["source"].get("name", ""), "face": face["id"], **row})
    return buffer.getvalue()


def _rows(face: dict[str, Any]) -> Iterator[dict[str, Any]]:
    vitals = dict(face["vitals"])
    for name, vital in {**vitals, **vitals.pop("hrv")}.items():
        if name != "hrv":
            yield {"kind": "vital", "name": name, **vital}
    for name, points in face["series"].items():
        for point in points:
            yield {"kind": "series", "name": name, "unit": vitals[name]["unit"], **point}
    for name, wave in face["waveforms"].items():
        for index, sample in enumerate(wave["samples"] if wave else ()):
            if sample is not None:
                time_s = round(wave["start_s"] + index / wave["rate_hz"], 6)
                yield {"kind": "waveform", "name": name, "time_s": time_s, "value": sample}
    for beat in face["beats_s"]:
        yield {"kind": "beat", "name": "pulse", "time_s": beat, "value": beat, "unit": "s"}
    for event in face["events"]:
        yield {"kind": "event", "name": event["kind"], "time_s": event["time_s"]}
