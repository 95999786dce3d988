"""A description of anyone's own folder, read from YAML and checked key by key; errors say the key and the line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perfuse.core.errors import SourceError
from perfuse.data.described.items import Item, parse
from perfuse.data.recording import ABOUT, SIGNALS

MAX_BYTES = 1 << 20
UNITS_S = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0}
_PER_MINUTE = {"/min": 1.0, "bpm": 1.0, "Hz": 60.0}
UNITS: dict[str, dict[str, float]] = {
    "pulse": {"1": 1.0},
    "respiration": {"1": 1.0},
    "ecg": {"mV": 1.0, "uV": 1e-3, "V": 1e3},
    "beats": {"s": 1.0, "ms": 1e-3},
    "heart_rate": _PER_MINUTE,
    "respiratory_rate": _PER_MINUTE,
    "spo2": {"%": 1.0, "1": 100.0},
    "blood_pressure": {"mm[Hg]": 1.0, "mmHg": 1.0, "kPa": 7.50062},
    "skin_conductance": {"uS": 1.0, "S": 1e6, "nS": 1e-3},
    "infrared": {"1": 1.0},
}
"""What values of a reference may come in, and by what they are multiplied; the first is the unit of SIGNALS."""
ZEROS = ("file", "first", "frames")
PER = ("frame", "video")


@dataclass(frozen=True, slots=True)
class Clock:
    """When the rows of a table were measured.

    Attributes
    ----------
    column : str, int or None
        Column of times.
    rate_hz : float or None
        Rows per second instead.
    per : str or None
        Instead: ``frame`` (row i at frame i) or ``video`` (rows spread evenly over the video).
    unit_s, offset_s : float
        Unit of the column, s; what is added, s.
    offset_column : str, int or None
        Column whose first number is added as well, s.
    zero : str
        What 0 is: ``file`` (as written), ``first`` (the first row), ``frames`` (the first of ``times``).
    file : str or None
        Another file that holds the times.
    optional : bool
        Whether ``offset_column`` may be missing.
    """

    column: str | int | None = None
    rate_hz: float | None = None
    per: str | None = None
    unit_s: float = 1.0
    offset_s: float = 0.0
    offset_column: str | int | None = None
    zero: str = "file"
    file: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a reference is: file (a pattern), column, clock, factor into SIGNALS' unit, numbers that mean none."""

    file: str
    column: str | int | None
    clock: Clock
    scale: float = 1.0
    missing: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A stretch without valid references, or a file (a pattern) with columns ``from_s`` and ``to_s``."""

    where: Mapping[str, str] = field(default_factory=dict)
    from_s: float = 0.0
    to_s: float = 0.0
    file: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Description:
    """What a folder holds (see :mod:`perfuse.data.readers.folder` for the keys)."""

    videos: str
    references: Mapping[str, Reference]
    rate_hz: float | None = None
    times: Reference | None = None
    times_optional: bool = False
    cropped: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)
    exclusions: tuple[Exclusion, ...] = ()


def load(path: Path) -> Description:
    """Read a description.

    Raises
    ------
    SourceError
        If the file cannot be read, is no YAML, or a key or value is wrong; the message names key and line.
    """
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read ({error}).", "Expected is a text in UTF-8.") from error
    if len(raw) > MAX_BYTES:
        raise SourceError(f"{path} is larger than {MAX_BYTES >> 20} MB.", "Expected is a short description.")
    return describe(text, str(path))


def describe(text: str, file: str) -> Description:
    """Read a description from a text; ``file`` is named in errors.

    Raises
    ------
    SourceError
        As :func:`load`.
    """
    return _description(parse(text, file))


def _description(root: Item) -> Description:
    keys = ("videos", "rate_hz", "times", "cropped", "references", "about", "exclusions")
    found = root.mapping(*keys, needed=("videos", "references"))
    signals = found["references"].mapping(*SIGNALS)
    if not signals:
        raise found["references"].wrong("is empty", f"Name at least one of {', '.join(SIGNALS)}.")
    times = found.get("times")
    videos = found["videos"].pattern()
    holes = set(re.findall(r"\{([a-z_]+)\}", videos))
    for entry in found["exclusions"].items() if "exclusions" in found else []:
        for name, inner in entry.mapping().items():
            if name not in holes and name not in ("file", "optional", "from_s", "to_s"):
                raise inner.wrong("is no placeholder of videos", f"Known: {', '.join(sorted(holes)) or 'none'}.")
    return Description(
        videos=videos,
        references={name: _reference(name, item) for name, item in signals.items()},
        rate_hz=found["rate_hz"].number(positive=True) if "rate_hz" in found else None,
        times=_times(times) if times else None,
        times_optional=bool(times and "optional" in times.value and times.value["optional"].flag()),
        cropped=found["cropped"].flag() if "cropped" in found else False,
        about=_about(found["about"]) if "about" in found else {},
        exclusions=tuple(map(_exclusion, found["exclusions"].items())) if "exclusions" in found else (),
    )


def _times(item: Item) -> Reference:
    found = item.mapping("file", "column", "unit", "offset_s", "zero", "optional", needed=("file",))
    clock = Clock(
        column=found["column"].column() if "column" in found else None,
        unit_s=UNITS_S[found["unit"].text(*UNITS_S)] if "unit" in found else 1.0,
        offset_s=found["offset_s"].number() if "offset_s" in found else 0.0,
        zero=found["zero"].text("file", "first") if "zero" in found else "file",
    )
    return Reference(found["file"].pattern(), clock.column, clock)


def _reference(name: str, item: Item) -> Reference:
    found = item.mapping("file", "column", "unit", "scale", "missing", "clock", needed=("file",))
    unit = UNITS[name][found["unit"].text(*UNITS[name])] if "unit" in found else 1.0
    clock = _clock(found["clock"]) if "clock" in found else Clock()
    timed = clock.column is not None or clock.rate_hz is not None or clock.per is not None
    if name == "beats":
        if clock.rate_hz is not None or clock.per is not None:
            raise found["clock"].wrong("gives beats a rate", "Give the column of their times, or only intervals.")
    elif not timed:
        problem = "says not when its values were measured"
        remedy = "Add clock with column, rate_hz, or per: frame or video."
        raise (found.get("clock") or item).wrong(problem, remedy)
    return Reference(
        file=found["file"].pattern(),
        column=found["column"].column() if "column" in found else None,
        clock=clock,
        scale=unit * (found["scale"].number() if "scale" in found else 1.0),
        missing=tuple(entry.number() for entry in found["missing"].items()) if "missing" in found else (),
    )


def _clock(item: Item) -> Clock:
    keys = ("column", "rate_hz", "per", "unit", "offset_s", "offset_column", "zero", "file", "optional")
    found = item.mapping(*keys)
    ways = [key for key in ("column", "rate_hz", "per") if key in found]
    if len(ways) > 1:
        raise item.wrong(f"has {' and '.join(ways)}", "Give one of column, rate_hz, per.")
    return Clock(
        column=found["column"].column() if "column" in found else None,
        rate_hz=found["rate_hz"].number(positive=True) if "rate_hz" in found else None,
        per=found["per"].text(*PER) if "per" in found else None,
        unit_s=UNITS_S[found["unit"].text(*UNITS_S)] if "unit" in found else 1.0,
        offset_s=found["offset_s"].number() if "offset_s" in found else 0.0,
        offset_column=found["offset_column"].column() if "offset_column" in found else None,
        zero=found["zero"].text(*ZEROS) if "zero" in found else "file",
        file=found["file"].pattern() if "file" in found else None,
        optional=found["optional"].flag() if "optional" in found else False,
    )


def _about(item: Item) -> dict[str, Any]:
    """Return text or number for all, or one per subject."""
    found: dict[str, Any] = {}
    for name, entry in item.mapping(*ABOUT).items():
        if isinstance(entry.value, dict):
            found[name] = {subject: _plain(inner) for subject, inner in entry.value.items()}
        else:
            found[name] = _plain(entry)
    return found


def _plain(item: Item) -> str | int | float:
    if isinstance(item.value, bool):  # YAML 1.1 reads yes and no so
        return "yes" if item.value else "no"
    if isinstance(item.value, int | float):
        number = item.number()
        return int(number) if number.is_integer() else number
    return item.text()


def _exclusion(item: Item) -> Exclusion:
    found = item.mapping()
    if "file" in found:
        found = item.mapping("file", "optional")
        optional = found["optional"].flag() if "optional" in found else False
        return Exclusion(file=found["file"].pattern(), optional=optional)
    for key in ("from_s", "to_s"):
        if key not in found:
            raise item.wrong(f"lacks {key}", "Expected is file, or from_s, to_s and whom it is about.")
    from_s, to_s = found.pop("from_s").number(), found.pop("to_s").number()
    if to_s < from_s:
        raise item.wrong("ends before it begins", "Expected is from_s before to_s.")
    return Exclusion({name: entry.text() for name, entry in found.items()}, from_s, to_s)
