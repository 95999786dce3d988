"""Measurements as compact tables for the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from perfuse.core.results import Face, Measurement, Vital
from perfuse.report.words import (
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
    console.print(f"[bold]{escape(name)}[/bold]  [dim]{escape(about)}[/dim]", highlight=False, soft_wrap=True)
    several = len(measurement.faces) > 1
    for face in measurement.faces:
        if several:
            console.print(f"  face {face.id + 1}", highlight=False)
        console.print(face_table(face))
    if not measurement.faces:
        console.print(f"  no value: {measurement.heart_rate.reason}", highlight=False)
    for warning in measurement.warnings:
        console.print(f"  [yellow]note[/yellow] {escape(warning)}", highlight=False, soft_wrap=True)


def face_table(face: Face) -> Table:
    """Return the rows of one face: title, value, interval, quality; or the reason why there is none."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(min_width=14)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, vital in (("heart_rate", face.heart_rate), ("respiratory_rate", face.respiratory_rate)):
        _row(table, name, vital)
    present, absent = grouped_hrv(face)
    for name, vital in present.items():
        _row(table, name, vital)
    for reason, titles in absent.items():
        what = "HRV" if len(titles) == len(face.hrv) else ", ".join(titles)
        table.add_row(f"  {what}", Text("–", style="dim"), "", Text(reason, style="dim"))
    return table


def _row(table: Table, name: str, vital: Vital) -> None:
    title = f"  {label(name).title}"
    if not usable(vital.value):
        table.add_row(title, Text("–", style="dim"), "", Text(vital.reason or "no finite number", style="dim"))
        return
    unit = unit_text(vital.unit)
    value = Text(value_text(name, vital), style="bold").append(f" {unit}" if unit else "", style="not bold")
    table.add_row(title, value, Text(interval_text(name, vital), style="dim"), quality_text(vital.quality))


def quality_text(quality: float, cells: int = 5) -> Text:
    """Return a small bar, the word and the share: ``▮▮▮▮▯ good 84 %``."""
    word = quality_word(quality)
    full = round(quality * cells) if quality > 0 else 0
    text = Text("▮" * full, style=COLOURS[word]).append("▯" * (cells - full), style="dim")
    return text.append(f" {word} ", style=COLOURS[word]).append(f"{100 * quality:.0f} %", style="dim")
