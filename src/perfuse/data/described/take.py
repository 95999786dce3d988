"""One described recording: its frames, when they were taken, and its references on the same clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from perfuse.core.errors import SourceError
from perfuse.data.clocks import frame_clock, where_timed
from perfuse.data.described.columns import read_column
from perfuse.data.described.description import Clock, Exclusion, Reference
from perfuse.data.folders import files_in
from perfuse.data.formats.films import film_times, open_film, open_trace, retimed
from perfuse.data.formats.pictures import open_pictures
from perfuse.data.formats.tables import column, read_table
from perfuse.data.recording import F64, Opened, Signal
from perfuse.video import FrameStream, TraceStream

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
TABLES = (".csv", ".tsv")
EDGE_S = 1e-6
"""Times are sums of floats; what is excluded up to 0.3 s is excluded at 0.3 s."""
Stream = TypeVar("Stream", FrameStream, TraceStream)


def open_take(place: Path, times: tuple[Reference, Path] | None, rate_hz: float | None) -> Opened:
    """Open a film, a table of colours or a folder of pictures.

    Raises
    ------
    SourceError
        If it cannot be read, or nothing says when frames were taken.
    """
    if place.is_dir():
        return open_pictures(_pictures(place), _picture_times(place, times, rate_hz), str(place))
    if place.suffix.lower() in TABLES:
        return _only_if_needed(open_trace, place, rate_hz)
    if times is None:
        return _only_if_needed(open_film, place, rate_hz)
    return retimed(_only_if_needed(open_film, place, rate_hz), _stated(*times), str(times[1]))


def _only_if_needed(opener: Callable[[Path, float | None], Stream], place: Path, rate_hz: float | None) -> Stream:
    """Open without the described rate, which is for what has no times of its own; with it if that fails."""
    try:
        return opener(place, None)
    except SourceError:
        if rate_hz is None:
            raise
    return opener(place, rate_hz)


def _pictures(folder: Path) -> list[Path]:
    return [path for path in files_in(folder) if path.suffix.lower() in PICTURES]


def _picture_times(folder: Path, times: tuple[Reference, Path] | None, rate_hz: float | None) -> F64:
    if times is not None:
        return _stated(*times)
    if rate_hz is None:
        raise SourceError(f"Nothing says when the pictures in {folder} were taken.", "Add rate_hz, or times.")
    return np.arange(len(_pictures(folder))) / rate_hz


def _raw(times: Reference, path: Path) -> F64:
    """Return times of frames as the file has them, s."""
    return frame_clock(read_column(path, times.column) * times.clock.unit_s, path)


def _stated(times: Reference, path: Path) -> F64:
    marks = _raw(times, path)
    return np.asarray(marks - (marks[0] if times.clock.zero == "first" else 0.0) + times.clock.offset_s)


def frame_times(place: Path, times: tuple[Reference, Path] | None, rate_hz: float | None) -> F64:
    """Return the times of a recording's frames, s, without decoding.

    Raises
    ------
    SourceError
        As :func:`open_take`.
    """
    if place.is_dir():
        return _picture_times(place, times, rate_hz)
    if place.suffix.lower() in TABLES:
        return _only_if_needed(open_trace, place, rate_hz).data.time_s
    return film_times(place) if times is None else _stated(*times)


def references(
    place: Path,
    times: tuple[Reference, Path] | None,
    rate_hz: float | None,
    found: Mapping[str, tuple[Reference, Path, Path]],
    gone: tuple[tuple[Exclusion, Path | None], ...],
) -> dict[str, Signal]:
    """Read the references; excluded stretches become NaN.

    Raises
    ------
    SourceError
        If a file cannot be read, lacks a column, or has no times.
    """
    read: dict[str, Signal] = {}
    for name, (reference, path, timing) in found.items():
        if name == "beats":
            read[name] = _beats(reference, path, timing)
            continue
        values = _values(reference, path)
        if reference.clock.per:
            marks = _spread(frame_times(place, times, rate_hz), len(values), reference.clock.per)
        else:
            marks = _marks(reference.clock, timing, len(values), times)
        read[name] = _timed(marks, values, path)
    for start_s, end_s in (stretch for entry, path in gone for stretch in _stretches(entry, path)):
        for name, signal in read.items():
            inside = (signal.times_s >= start_s - EDGE_S) & (signal.times_s <= end_s + EDGE_S)
            read[name] = Signal(signal.times_s, np.where(inside, np.nan, signal.values))
    return read


def _values(reference: Reference, path: Path) -> F64:
    values = read_column(path, reference.column)
    if not np.isfinite(values).any():
        raise SourceError(f"{path} holds no number in the column described.", "Check the column.")
    return np.where(np.isin(values, reference.missing), np.nan, values) * reference.scale


def _timed(marks: F64, values: F64, path: Path) -> Signal:
    count = min(len(marks), len(values))
    signal = where_timed(marks[:count], values[:count])
    if not len(signal):
        raise SourceError(f"{path} has no row with a time.", "Check its clock in the description.")
    return signal


def _marks(clock: Clock, path: Path, count: int, times: tuple[Reference, Path] | None) -> F64:
    """Return the times of rows, s."""
    if clock.column is None and clock.file is None:
        marks = np.arange(count) / (clock.rate_hz or 1.0)
    else:
        marks = read_column(path, clock.column) * clock.unit_s
    known = marks[np.isfinite(marks)]
    if clock.zero == "first" and len(known):
        marks = marks - known[0]
    elif clock.zero == "frames":
        if times is None:
            raise SourceError(f"The clock of {path} begins with the frames, which have none.", "Describe times, too.")
        marks = marks - _raw(*times)[0]
    return marks + clock.offset_s + _offset(clock, path)


def _offset(clock: Clock, path: Path) -> float:
    if clock.offset_column is None:
        return 0.0
    try:
        values = read_column(path, clock.offset_column)
    except SourceError:
        if clock.optional:
            return 0.0
        raise
    known = values[np.isfinite(values)]
    if not len(known):
        raise SourceError(f"{path} has no number in {clock.offset_column}.", "Expected is an offset in seconds.")
    return float(known[0])


def _spread(times_s: F64, count: int, per: str) -> F64:
    """Return the times of rows that go with frames, or fill the video evenly."""
    if per == "frame":
        return times_s[:count]
    step = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    length = float(times_s[-1] - times_s[0]) + step
    return np.asarray(times_s[0] + np.arange(count) * (length / count))


def _beats(reference: Reference, path: Path, timing: Path) -> Signal:
    """Read times of beats, intervals between them, or both."""
    clock = reference.clock
    if clock.column is None and clock.file is None:
        intervals = _values(reference, path)
        if not (intervals > 0).all():
            raise SourceError(f"{path} holds intervals that are no positive numbers.", "One lost shifts all others.")
        marks = np.concatenate([[0.0], np.cumsum(intervals)]) + clock.offset_s
        return Signal(marks, np.concatenate([[np.nan], intervals]))
    if reference.column is None:
        marks = _marks(clock, timing, 0, None)
        marks = marks[np.isfinite(marks)]
        return _timed(marks, np.diff(marks, prepend=np.nan), path)
    return _timed(_marks(clock, timing, 0, None), _values(reference, path), path)


def _stretches(entry: Exclusion, path: Path | None) -> list[tuple[float, float]]:
    if path is None:
        return [(entry.from_s, entry.to_s)]
    table = read_table(path)
    starts, ends = column(table, path, "from_s", "start_s"), column(table, path, "to_s", "end_s")
    pairs = [(float(a), float(b)) for a, b in zip(starts, ends)]
    if not all(a <= b for a, b in pairs):  # NaN, too: what is to be excluded must not stay in
        raise SourceError(f"{path} has a stretch without its end, or backwards.", "Expected are from_s and to_s.")
    return pairs
