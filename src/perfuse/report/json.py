"""A measurement as one line of JSON: same input, same bytes, never NaN (documented in ``docs/json.md``)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from perfuse.core.results import SCHEMA, Face, Measurement, Point, Vital
from perfuse.core.signals import Waveform
from perfuse.report.words import NOT_FINITE

DIGITS = 6
"""Significant digits of every measured number."""
TIME_DECIMALS = 6
"""Decimals of every time (s) and sampling rate (Hz): a microsecond stays a microsecond in an hour-long recording."""

SCHEMA_PATH = Path(__file__).with_name("measurement.schema.json")


def to_json(measurement: Measurement) -> str:
    """Return a measurement as one line of JSON without a newline, so that many make a JSON Lines file.

    Numbers carry six significant digits, times and rates six decimals; what is not finite becomes ``null``, beside
    a reason where it was a vital. Waveform samples are ``null`` where nothing was measured.
    """
    return json.dumps(to_dict(measurement), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def to_dict(measurement: Measurement) -> dict[str, Any]:
    """Return the object that :func:`to_json` writes."""
    return {
        "schema": SCHEMA,
        "source": _source(measurement.source),
        "method": measurement.method,
        **({"model_sha256": measurement.model_sha256} if measurement.model_sha256 else {}),
        "duration_s": _time(measurement.duration_s),
        "faces": [_face(face, measurement.start_s) for face in measurement.faces],
        "warnings": list(measurement.warnings),
    }


def _face(face: Face, start_s: float) -> dict[str, Any]:
    return {
        "id": int(face.id),
        "vitals": {
            "heart_rate": _vital(face.heart_rate),
            "respiratory_rate": _vital(face.respiratory_rate),
            "hrv": {name: _vital(vital) for name, vital in face.hrv.items()},
        },
        "series": {
            "heart_rate": [_point(point) for point in face.heart_rate_series],
            "respiratory_rate": [_point(point) for point in face.respiratory_rate_series],
        },
        "waveforms": {
            "pulse": _waveform(face.pulse, start_s),
            "respiration": _waveform(face.respiration, start_s),
        },
        "beats_s": [_time(beat) for beat in face.beats_s if math.isfinite(beat)],
        "events": [{"time_s": _time(event.time_s), "kind": event.kind} for event in face.events],
        **({"respiration_sources": list(face.respiration_sources)} if face.respiration_sources else {}),
    }


def vital_record(vital: Vital) -> dict[str, Any]:
    """Return value, low, high, quality and reason with rounded numbers, and a reason wherever there is no value."""
    value = significant(vital.value)
    return {
        "value": value,
        "low": None if value is None else significant(vital.low),
        "high": None if value is None else significant(vital.high),
        "quality": 0.0 if value is None else (significant(vital.quality) or 0.0),
        "reason": (vital.reason or NOT_FINITE) if value is None else None,
    }


def _vital(vital: Vital) -> dict[str, Any]:
    record = vital_record(vital)
    return {"value": record.pop("value"), "unit": vital.unit, **record}


def _point(point: Point) -> dict[str, Any]:
    return {"time_s": _time(point.time_s), **vital_record(point.vital)}


def _waveform(wave: Waveform | None, start_s: float) -> dict[str, Any] | None:
    if wave is None:
        return None
    pairs = zip(wave.samples.tolist(), wave.valid.tolist(), strict=True)
    return {
        "rate_hz": _time(wave.rate_hz),
        "start_s": _time(start_s + wave.start / wave.rate_hz),
        "samples": [significant(sample) if valid else None for sample, valid in pairs],
    }


def significant(number: float | None) -> float | None:
    """Round to :data:`DIGITS` significant digits; ``None`` for what is missing or not finite."""
    if number is None or not math.isfinite(number):
        return None
    return float(f"{number:.{DIGITS}g}") + 0.0  # + 0.0 turns -0.0 into 0.0


def _time(seconds: float) -> float | None:
    return round(float(seconds), TIME_DECIMALS) + 0.0 if math.isfinite(seconds) else None


def _source(source: dict[str, str | int | float]) -> dict[str, str | int | float | None]:
    """Put name and kind first; a stream that was given no name is called ``stream``."""
    rest = {key: _plain(source[key]) for key in sorted(source.keys() - {"name", "kind"})}
    return {"name": str(source.get("name", "stream")), "kind": str(source.get("kind", "frames")), **rest}


def _plain(value: Any) -> str | int | float | None:
    """Turn numpy scalars into Python's own and infinities into nothing."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return _time(value)
    return value if isinstance(value, str | int) else str(value)
