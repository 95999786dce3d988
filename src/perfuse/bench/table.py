"""The long table of a run as CSV and back, and the figures of every group of its lines."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from perfuse.bench.aggregate import Summary, aggregate
from perfuse.bench.metrics import DRAWS, Estimate
from perfuse.bench.result import COLUMNS, WHO, Cell, Line, Result
from perfuse.bench.rows import Row

TEXT = (*WHO, "vital", "unit", "window", "reason", "reference_reason", "source", "note")
"""Columns that hold words, whatever they look like: a subject called 01 is not the number 1."""

_ROW = {field.name: field.name in TEXT for field in fields(Row)}


@dataclass(frozen=True, slots=True)
class Group:
    """Figures of one method on one vital, one cut, one way of scoring.

    Attributes
    ----------
    dataset : str or None
        None: all data sets together. People of different data sets are different people.
    method, profile : str
        What was scored, and how.
    recordings : int
        Recordings with at least one window that has a reference.
    summary : Summary
        The figures.
    """

    dataset: str | None
    method: str
    profile: str
    recordings: int
    summary: Summary


def to_csv(result: Result) -> str:
    """Return the long table: header first, ``about_*`` columns only where they hold anything.

    Numbers carry as many digits as it takes to read the same number back, what is missing or not finite is empty.
    The same lines give the same bytes.
    """
    held = {key for line in result.lines for key, cell in line.items() if _plain(cell) is not None}
    columns = [name for name in COLUMNS if not name.startswith("about_") or name in held]
    buffer = io.StringIO()
    buffer.write(",".join(columns) + "\n")
    for line in result.lines:
        cells = {"error": _error(line), **{key: cell for key, cell in line.items() if cell is not None}}
        buffer.write(",".join(_written(cells.get(name)) for name in columns) + "\n")
    return buffer.getvalue()


def read_csv(text: str) -> tuple[Line, ...]:
    """Read what :func:`to_csv` wrote, to aggregate or to draw it again.

    Empty cells are left out. What is known of a recording (``about_*``) is a number where it is written as one.
    """
    lines: list[Line] = []
    for cells in csv.DictReader(io.StringIO(text, newline=""), strict=True):
        line: Line = {}
        for name, cell in cells.items():
            if cell:
                line[name] = cell if name in TEXT else _read(cell) if name.startswith("about_") else float(cell)
        lines.append(line)
    return tuple(lines)


def row_of(line: Line) -> Row:
    """Return the row of a line; what is not finite is missing."""
    cells: dict[str, Any] = {}
    for name, text in _ROW.items():
        cell = _plain(line.get(name))
        cells[name] = cell if cell is None else str(cell) if text else float(cell)
    return Row(**cells)


def person(line: Line) -> str:
    """Return who a line is of, unique over data sets."""
    who = line.get("subject")
    return f"{line.get('dataset')}\x1f{line.get('recording') if who is None else who}"


def names_of(lines: Iterable[Line], column: str) -> list[str]:
    """Return the values of a column in order of first appearance."""
    return list(dict.fromkeys(str(line[column]) for line in lines if line.get(column) is not None))


def scopes(lines: Sequence[Line]) -> list[str | None]:
    """Return the data sets, before them None for all together where there are several."""
    found = names_of(lines, "dataset")
    return [None, *found] if len(found) > 1 else list(found)


def cells_of(lines: Sequence[Line]) -> dict[tuple[str, str, str], list[Line]]:
    """Sort lines by (profile, vital, window), in order of first appearance."""
    found: dict[tuple[str, str, str], list[Line]] = {}
    for line in lines:
        found.setdefault((str(line["profile"]), str(line["vital"]), str(line["window"])), []).append(line)
    return found


def summaries(result: Result, *, draws: int = DRAWS) -> tuple[Group, ...]:
    """Return the figures of every (profile, vital, window), data set and method, in order of first appearance.

    Several data sets are also taken together: those groups have no ``dataset`` and come first.

    Parameters
    ----------
    result : Result
        What a run said.
    draws : int
        Of the bootstrap over people.
    """
    found = []
    for (profile, _, _), lines in cells_of(result.lines).items():
        for scope in scopes(lines):
            inside = [line for line in lines if scope is None or line.get("dataset") == scope]
            for method in names_of(inside, "method"):
                own = [line for line in inside if line.get("method") == method]
                rows = [row_of(line) for line in own]
                recordings = {
                    (line.get("dataset"), line.get("recording"))
                    for line, row in zip(own, rows)
                    if row.reference is not None
                }
                summary = aggregate(rows, [person(line) for line in own], draws=draws)
                found.append(Group(scope, method, profile, len(recordings), summary))
    return tuple(found)


def flat(group: Group) -> dict[str, Any]:
    """Return a group as plain data for JSON: names, counts, and per figure value, se, low, high, n, reason."""
    s = group.summary
    figures = {
        **{name: getattr(s.agreement, name) for name in ("mae", "rmse", "mape", "bias", "r", "answered")},
        **{f"interval_{name}": getattr(s.intervals, name) for name in ("coverage", "width", "score")},
        **{name if name != "r" else "wave_r": getattr(s, name) for name in ("snr_db", "macc", "r", "tdi")},
    }
    limits = s.limits
    return {
        "dataset": group.dataset,
        "method": group.method,
        "profile": group.profile,
        "vital": s.vital,
        "unit": s.unit,
        "window": s.window,
        "windows": s.windows,
        "windows_referenced": s.referenced,
        "windows_answered": s.answered,
        "recordings": group.recordings,
        "subjects": s.subjects,
        **{name: estimate_record(e) for name, e in figures.items()},
        "limits_of_agreement": None
        if limits is None
        else {key: _plain(getattr(limits, key)) for key in ("bias", "sd", "low", "high")},
    }


def estimate_record(e: Estimate) -> dict[str, Any]:
    """Return an estimate as plain data, without NaN."""
    return {key: _plain(getattr(e, key)) for key in ("value", "se", "low", "high", "n", "reason")}


def number(cell: Cell) -> float:
    """Return a cell as a number, NaN where it has none."""
    plain = _plain(cell)
    return math.nan if plain is None or isinstance(plain, str) else float(plain)


def _error(line: Line) -> float | None:
    error = number(line.get("prediction")) - number(line.get("reference"))
    return error if math.isfinite(error) else None


def _plain(cell: Any) -> Any:
    """Turn numpy's scalars into Python's, and what is not finite into None."""
    cell = cell.item() if hasattr(cell, "item") else cell
    if isinstance(cell, float) and not math.isfinite(cell):
        return None
    return None if cell == "" else cell


def _written(cell: Cell) -> str:
    plain = _plain(cell)
    text = "" if plain is None else repr(plain) if isinstance(plain, float) else str(plain)
    # by hand: the standard writer leaves a lone carriage return unquoted, which its reader then refuses
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\r\n') else text


def _read(text: str) -> Cell:
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if math.isfinite(value) and (repr(value) == text):
            return value
    return text
