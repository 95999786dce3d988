"""Measurements as compact tables for the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from perfuse.core.results import Face, Measurement, Vital
from perfuse.report.words import (
    NOT_FINITE,
    grouped_hrv,
    interval_text,
    label,
    quality_word,
    source_text,
    unit_text,
    usable,
    value_text,
)

COLOURS = {"good": "green", "fair": "yellow", "poor": "red", "none": "dim"}


class _Terminal(Console):
    """A console that leaves it to the program what happens when its reader has gone."""

    def on_broken_pipe(self) -> None:
        """Raise instead of ending the process."""
        raise BrokenPipeError


def terminal(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Return the console that commands print people's words on."""
    return _Terminal(stderr=stderr, quiet=quiet, highlight=False)


def show(console: Console, measurement: Measurement) -> None:
    """Print a measurement: a line about the source, a row per vital, the warnings."""
    name = str(measurement.source.get("name", "recording"))
    about = f"{source_text(measurement.source, measurement.duration_s)}, {measurement.method}"
    console.print(f"[bold]{escape(name)}[/bold]  [dim]{escape(about)}[/dim]", soft_wrap=True)
    several = len(measurement.faces) > 1
    for face in measurement.faces:
        if several:
            console.print(f"  face {face.id + 1}")
        table = face_table(face)
        if table.row_count:
            console.print(table)
        for titles, reason in missing(face):
            console.print(f"  [dim]–[/dim] {titles}: [dim]{escape(reason)}[/dim]", soft_wrap=True)
    if not measurement.faces:
        console.print(f"  no value: {measurement.heart_rate.reason}")
    for warning in measurement.warnings:
        console.print(f"  [yellow]note[/yellow] {escape(warning)}", soft_wrap=True)


def face_table(face: Face) -> Table:
    """Return a row for each number of a face: title, value, interval, quality."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for justify in ("left", "right", "left", "left"):
        table.add_column(justify=justify, no_wrap=True)
    for name, vital in {**_rates(face), **grouped_hrv(face)[0]}.items():
        if usable(vital.value):
            unit = unit_text(vital.unit)
            value = Text(value_text(name, vital), style="bold").append(f" {unit}" if unit else "", style="not bold")
            interval = Text(interval_text(name, vital), style="dim")
            table.add_row(f"  {label(name).title}", value, interval, quality_text(vital.quality))
    return table


def missing(face: Face) -> list[tuple[str, str]]:
    """Return what has no value, titles with one reason together, and the reason."""
    rates = [
        (label(name).title, vital.reason or NOT_FINITE)
        for name, vital in _rates(face).items()
        if not usable(vital.value)
    ]
    absent = grouped_hrv(face)[1]
    return rates + [
        ("HRV" if len(titles) == len(face.hrv) else ", ".join(titles), reason) for reason, titles in absent.items()
    ]


def _rates(face: Face) -> dict[str, Vital]:
    return {"heart_rate": face.heart_rate, "respiratory_rate": face.respiratory_rate}


def quality_text(quality: float, cells: int = 5) -> Text:
    """Return a small bar, the word and the share: ``▮▮▮▮▯ good 84 %``."""
    word = quality_word(quality)
    full = round(quality * cells) if quality > 0 else 0
    text = Text("▮" * full, style=COLOURS[word]).append("▯" * (cells - full), style="dim")
    return text.append(f" {word} ", style=COLOURS[word]).append(f"{100 * quality:.0f} %", style="dim")
