"""``perfuse demo``: make a face whose pulse is known, measure it, and show truth beside the answer."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from perfuse.cli.progress import Progress
from perfuse.cli.tables import quality_text, terminal
from perfuse.core.errors import MissingExtraError, OutputError, UsageError
from perfuse.report.html import require_extra, write_report
from perfuse.report.words import NOT_FINITE, interval_text, label, unit_text, usable, value_text

if TYPE_CHECKING:
    from perfuse.core.results import Face, Measurement, Vital
    from perfuse.synth import Subject

SHORTEST_S = 12.0
DISAGREES = 1
"""Exit code when the truth lies outside a stated interval, or the heart rate was not found."""
AGREES = "Every interval that is stated holds the truth."
WRONG = "[red]The answer is wrong: no heart rate, or a truth outside its interval (✗).[/red]"
JUDGED = ("heart_rate", "respiratory_rate")
"""What the exit code depends on; variability is shown beside it."""


def demo(*, keep: Path | None = None, seed: int = 11, seconds: float = 45.0) -> int:
    """Make a face video with known vitals, measure it, and compare.

    Parameters
    ----------
    keep
        Keep the video, the truth and the report in this folder; otherwise only the report stays, in a temporary one.
    seed
        Decides who is made: another number, another person.
    seconds
        Length of the video.
    """
    if not SHORTEST_S <= seconds <= 600 or seed < 0:
        raise UsageError(
            f"--seconds {seconds:g} --seed {seed} was given.", "Pass 12 to 600 seconds and a seed of 0 or more."
        )
    from perfuse.pipeline import measure
    from perfuse.synth import subject

    console = terminal()
    with tempfile.TemporaryDirectory(prefix="perfuse-") as scratch:
        folder = _folder(keep) if keep else Path(scratch)
        person = subject(seed, duration_s=seconds)
        video = folder / "face.mp4"
        console.print(f"Making {seconds:g} s of a face that never lived (seed {seed}) ...")
        with Progress("painting") as progress:
            rate_hz = person.settings.rate_hz
            person.write(
                video,
                quality=12,
                truth_path=folder / "truth.json",
                progress=lambda done, total: progress(done / rate_hz, total / rate_hz),
            )
        console.print("Measuring it from the video alone ...\n")
        with Progress("measuring") as progress:
            answer = measure(video, progress=progress)
        rows = compare(person, answer)
        console.print(_table(rows))
        for name, _, vital, inside in rows:
            if inside is None:
                console.print(
                    f"– {label(name).title}: [dim]{escape(vital.reason or NOT_FINITE)}[/dim]", soft_wrap=True
                )
        agrees = all(inside is not False for name, _, _, inside in rows if name in JUDGED) and rows[0][3] is True
        console.print(
            "\nThe truth lies inside the stated intervals." if agrees else "\n[red]The answer is wrong.[/red]"
        )
        page = _page(answer, person, folder if keep else None)
        if page is None:
            console.print("[dim]No report: pip install 'perfuse\\[report]' adds it.[/dim]")
        else:
            console.print(f"Report: {page}", markup=False, soft_wrap=True)
        if keep:
            console.print(f"Video:  {video}\nTruth:  {folder / 'truth.json'}", markup=False, soft_wrap=True)
    return 0 if agrees else DISAGREES


def compare(person: Subject, answer: Measurement) -> list[tuple[str, float, Vital, bool | None]]:
    """Return name, truth, answer and whether the interval holds the truth (None without a value) of each vital."""
    face: Face = answer.faces[0]
    successive = np.diff(person.truth.beats_s, 2)
    truths = {
        "heart_rate": (float(person.truth.heart_rate or 0.0), face.heart_rate),
        "respiratory_rate": (float(person.truth.respiratory_rate or 0.0), face.respiratory_rate),
        "rmssd": (1000 * float(np.sqrt(np.mean(successive**2))), face.hrv["rmssd"]),
    }
    return [(name, truth, vital, _holds(vital, truth)) for name, (truth, vital) in truths.items()]


def _holds(vital: Vital, truth: float) -> bool | None:
    if not usable(vital.value) or not usable(vital.low) or not usable(vital.high):
        return None
    return vital.low <= truth <= vital.high


def _table(rows: list[tuple[str, float, Vital, bool | None]]) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0))
    for heading in ("", "truth", "measured", "90 % interval", "quality"):
        table.add_column(heading, header_style="dim", justify="right" if heading in ("truth", "measured") else "left")
    for name, truth, vital, inside in rows:
        digits, unit = label(name).digits, unit_text(vital.unit)
        if inside is None:
            table.add_row(label(name).title, f"{truth:.{digits}f} {unit}", "–")
            continue
        mark = Text(" ✓", style="green") if inside else Text(" ✗", style="red")
        table.add_row(
            label(name).title,
            f"{truth:.{digits}f} {unit}",
            Text(f"{value_text(name, vital)} {unit}", style="bold"),
            Text(interval_text(name, vital)) + mark,
            quality_text(vital.quality),
        )
    return table


def _folder(keep: Path) -> Path:
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{keep} cannot be made a folder ({error.strerror}).", "Choose another place.") from error
    return keep


def _page(answer: Measurement, person: Subject, folder: Path | None) -> Path | None:
    """Write the report beside the video, or into a folder that outlives this program; None without the extra."""
    try:
        require_extra()
    except MissingExtraError:
        return None
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(person.photo()).save(buffer, "PNG")
    folder = folder or Path(tempfile.mkdtemp(prefix="perfuse-demo-"))
    return write_report(answer, folder / "report.html", face_image=buffer.getvalue())
