"""Draw the picture of ``docs/vitals.md``: what perfuse says of a still person, of one who talks, and of a photograph.

Run ``python tools/vitals_picture.py [--out FILE]``; takes about three minutes and needs ``perfuse[report]``. Every
number in the picture comes out of the measurements made while it runs.
"""

from __future__ import annotations

import argparse
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from readme_picture import DARK, INK, MUTED, PULSE, ROOT

import perfuse
from perfuse.core.results import Face
from perfuse.synth import Subject, subject

SIZE_PX = (1200, 470)
SECONDS = 40.0
SHOWN = (40, 200)
WHO = (
    ("sitting still", {"seed": 11}),
    ("talking", {"seed": 2, "domain": "talk"}),
    ("a picture of a face", {"seed": 4, "domain": "no-pulse", "kind": "photo"}),
)


def main() -> None:
    """Render, measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "vitals.png")
    arguments = parser.parse_args()
    mpl.rcParams["font.family"] = "DejaVu Sans"
    figure = plt.figure(figsize=(SIZE_PX[0] / 100, SIZE_PX[1] / 100), dpi=100, facecolor=DARK)
    for column, (title, asked) in enumerate(WHO):
        person = subject(**asked, duration_s=SECONDS)  # type: ignore[arg-type]
        with tempfile.TemporaryDirectory() as folder:
            video = Path(folder) / "face.mp4"
            person.write(video)
            faces = perfuse.measure(video).faces
        left = 0.035 + 0.325 * column
        portrait(figure.add_axes((left, 0.56, 0.125, 0.36)), person)
        told(figure, left + 0.137, title, person, faces[0] if faces else None)
        series(figure.add_axes((left, 0.1, 0.295, 0.35)), person, faces[0] if faces else None)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out, dpi=100, facecolor=DARK, metadata={"Software": None})


def portrait(axes: Any, person: Subject) -> None:
    """Show the middle of a frame."""
    _, picture = next(person.frames())
    height, width = picture.shape[:2]
    half = round(height * 0.125 * SIZE_PX[0] / (0.36 * SIZE_PX[1]) / 2)
    axes.imshow(picture[:, max(0, width // 2 - half) : width // 2 + half], interpolation="bicubic", aspect="auto")
    axes.set_axis_off()


def told(figure: Any, left: float, title: str, person: Subject, face: Face | None) -> None:
    """Write the pulse of the whole recording, its interval and quality, or why there is none."""
    figure.text(left, 0.88, title.upper(), color=MUTED, fontsize=10, weight="bold")
    vital = face.heart_rate if face else None
    truth = person.truth.heart_rate
    figure.text(left, 0.57, f"truth {truth:.1f}" if truth else "truth: no pulse", color=MUTED, fontsize=10)
    if vital is None or vital.value is None:
        figure.text(left, 0.775, "no value", color=PULSE, fontsize=25, weight="bold")
        reason = vital.reason if vital and vital.reason else "no face found"
        figure.text(left, 0.75, textwrap.fill(reason, 21), color=INK, fontsize=10, va="top", linespacing=1.4)
        return
    figure.text(left, 0.755, f"{vital.value:.1f}", color=PULSE, fontsize=36, weight="bold")
    figure.text(left, 0.69, f"{vital.low:.0f} to {vital.high:.0f}  (90 %)", color=INK, fontsize=10)
    figure.text(left, 0.63, f"quality {vital.quality:.2f}", color=INK, fontsize=10)


def series(axes: Any, person: Subject, face: Face | None) -> None:
    """Plot the rate over time with its interval; fainter where the quality is less; the truth in grey."""
    beats = person.truth.beats_s
    if len(beats) > 2:
        gaps = np.diff(beats)
        smooth = 60 * np.convolve(1 / gaps, np.ones(9) / 9, "valid")
        axes.plot((beats[:-1] + gaps / 2)[4:-4], smooth, color=INK, linewidth=1.2, linestyle=":")
    points = face.heart_rate_series if face else ()
    for point in points:
        vital = point.vital
        if vital.value is None:
            axes.plot(point.time_s, SHOWN[0] + 4, "x", color=MUTED, markersize=4)
            continue
        low, high = max(vital.low, SHOWN[0]), min(vital.high, SHOWN[1])
        axes.fill_between([point.time_s - 0.5, point.time_s + 0.5], low, high, color=PULSE, alpha=0.18, linewidth=0)
        axes.plot(point.time_s, vital.value, "o", color=PULSE, markersize=4, alpha=0.25 + 0.75 * vital.quality)
    axes.set(xlim=(0, SECONDS), ylim=SHOWN, facecolor=DARK, xlabel="s", title="pulse per minute; dotted: the truth")
    axes.xaxis.label.set_color(MUTED)
    axes.title.set(color=MUTED, fontsize=9)
    axes.tick_params(colors=MUTED, labelsize=8.5, length=3)
    for name, spine in axes.spines.items():
        spine.set(visible=name in ("bottom", "left"), color=MUTED)


if __name__ == "__main__":
    main()
