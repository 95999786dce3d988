"""Draw the picture of ``docs/methods.md``: what each method makes of one film, beside the true wave.

Run ``python tools/methods_picture.py [--seed N] [--out FILE]``; takes two minutes and needs ``perfuse[report]``.
Every number in the picture comes out of the measurements made while it runs.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from readme_picture import BREATH, DARK, INK, MUTED, PULSE, ROOT

import perfuse
from perfuse.core.results import Face
from perfuse.methods import METHODS
from perfuse.synth import Subject, subject

WIDTH_PX, ROW_PX = 1200, 52
FROM_S, SHOWN_S = 12.0, 12.0
OTHER_SENSES = ("contact", "radar")


def main() -> None:
    """Render, measure with every method and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--domain", default="talk")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "methods.png")
    arguments = parser.parse_args()
    person = subject(arguments.seed, domain=arguments.domain, duration_s=36.0)
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "face.mp4"
        person.write(video)
        faces = {name: perfuse.measure(video, method=name).faces for name in METHODS if name not in OTHER_SENSES}
    mpl.rcParams["font.family"] = "DejaVu Sans"
    height = ROW_PX * len(faces) + 60
    figure, rows = plt.subplots(len(faces), figsize=(WIDTH_PX / 100, height / 100), dpi=100, facecolor=DARK)
    figure.subplots_adjust(left=0.115, right=0.72, top=1 - 34 / height, bottom=24 / height, hspace=0.15)
    for axes, (name, found) in zip(rows, faces.items(), strict=True):
        row(axes, name, found[0] if found else None, person)
    rows[0].set_title(
        f"{SHOWN_S:.0f} s of somebody who talks; dotted: the true wave", color=MUTED, fontsize=9, loc="left"
    )
    rows[0].text(1.02, 1.15, f"per minute; the truth is {person.truth.heart_rate:.1f}", transform=rows[0].transAxes,
                 color=MUTED, fontsize=9)  # fmt: skip
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out, dpi=100, facecolor=DARK, metadata={"Software": None})


def row(axes: Any, name: str, face: Face | None, person: Subject) -> None:
    """Plot one method's wave over the true one, and write what it says."""
    axes.set(xlim=(0, SHOWN_S), xticks=[], yticks=[], facecolor=DARK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.text(-0.015, 0.5, name, transform=axes.transAxes, color=INK, fontsize=10.5, ha="right", va="center")
    if face is None or face.pulse is None:
        axes.text(1.02, 0.5, "no face", transform=axes.transAxes, color=MUTED, fontsize=10, va="center")
        return
    time = (face.pulse.start + np.arange(len(face.pulse))) / face.pulse.rate_hz
    inside = (time >= FROM_S) & (time <= FROM_S + SHOWN_S)
    time, wave = time[inside] - FROM_S, face.pulse.samples[inside]
    true = person.truth.pulse(time + FROM_S)
    true, wave = ((x - x.mean()) / x.std() for x in (true, wave))
    axes.plot(time, true, color=INK, linewidth=1, linestyle=":", alpha=0.8)
    axes.plot(time, wave, color=PULSE, linewidth=1.5)
    vital = face.heart_rate
    if vital.value is None:
        said, how = "no value", vital.reason or ""
        how = how.partition(":")[0]
    else:
        said, how = f"{vital.value:.1f}", f"{vital.low:.0f} to {vital.high:.0f}, quality {vital.quality:.2f}"
    axes.text(1.02, 0.5, said, transform=axes.transAxes, color=PULSE, fontsize=14, weight="bold", va="center")
    axes.text(1.19, 0.5, how, transform=axes.transAxes, color=BREATH, fontsize=9.5, va="center")


if __name__ == "__main__":
    main()
