"""Draw the pictures of the page on simulation: people and lights, and one subject before camera, radar and belt.

Run ``python tools/synth_pictures.py [--out FOLDER]``; takes about a minute and needs ``perfuse[report]``. Everything
shown comes out of the simulator while it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from perfuse.synth import Subject, subject

ROOT = Path(__file__).resolve().parent.parent
ROWS = ("lab", "dark-skin", "motion", "dim-flicker", "webcam", "neonate", "no-pulse")
ACROSS = 7
INK, PULSE, BREATH, GREY = "#1c2430", "#d1362b", "#1f77b4", "#8b96a8"


def main() -> None:
    """Draw both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    people(arguments.out / "people.jpg")
    senses(arguments.out / "senses.png")


def people(out: Path) -> None:
    """Draw a row of frames for some domains."""
    figure, axes = plt.subplots(len(ROWS), ACROSS, figsize=(12, 12 / ACROSS * 0.75 * len(ROWS)), dpi=100)
    for number, (row, domain) in enumerate(zip(axes, ROWS, strict=True)):
        for index, axis in enumerate(row):
            person = subject(300 + number * ACROSS + index, domain, duration_s=2, width=320, height=240)
            frames = person.frames()
            picture = next(frame for time, frame in frames if time > 0.5)
            axis.imshow(picture)
            axis.set_axis_off()
            if index == 0:
                axis.text(6, 20, domain, color="white", fontsize=9, backgroundcolor="#00000090")
    figure.subplots_adjust(0, 0, 1, 1, wspace=0.02, hspace=0.02)
    figure.savefig(out, pil_kwargs={"quality": 88})


def senses(out: Path) -> None:
    """Draw one subject as every sensor has it."""
    person = subject(304, "paired-radar", duration_s=20, motion="tripod", radar_quality="clean", lux=800, tone=3)
    figure = plt.figure(figsize=(12, 5.2), dpi=100)
    axis = figure.add_axes((0.01, 0.04, 0.44, 0.92))
    axis.imshow(next(frame for time, frame in person.frames() if time > 1))
    axis.set_axis_off()
    rows = (
        ("face, green: what a camera sees", person.times_s, -flat(person.trace()[:, 0, 1]), PULSE),
        ("finger: contact sensor", person.contact().times_s, person.contact().values, PULSE),
        ("heart: electrocardiogram", person.ecg().times_s, person.ecg().values_mv, INK),
        ("radar: phase of the chest's range bin", *radar_phase(person), BREATH),
        ("chest: respiration belt", person.belt().times_s, person.belt().values, BREATH),
    )
    for index, (name, time, values, colour) in enumerate(rows):
        panel = figure.add_axes((0.48, 0.82 - 0.185 * index, 0.50, 0.115))
        shown = (time > 2) & (time < 14)
        panel.plot(time[shown], np.asarray(values)[shown], color=colour, linewidth=1.1)
        panel.set_title(name, loc="left", fontsize=9, color=INK, pad=2)
        panel.set_xlim(2, 14)
        panel.set_yticks([])
        panel.tick_params(labelsize=8, labelbottom=index == len(rows) - 1, color=GREY)
        for side in ("top", "right", "left"):
            panel.spines[side].set_visible(False)
        for beat in person.truth.beats_s[(person.truth.beats_s > 2) & (person.truth.beats_s < 14)]:
            panel.axvline(beat, color=GREY, linewidth=0.4, alpha=0.6)
    panel.set_xlabel("s", fontsize=8)
    figure.savefig(out, metadata={"Software": None})


def flat(values: np.ndarray) -> np.ndarray:
    """Remove what is slower than two seconds."""
    kernel = np.hanning(61) / np.hanning(61).sum()
    return values - np.convolve(np.pad(values, 30, mode="edge"), kernel, "valid")


def radar_phase(person: Subject) -> tuple[np.ndarray, np.ndarray]:
    """Unwrapped phase of the strongest range bin."""
    record = person.radar()
    five = record.iq()
    return record.times_s, np.unwrap(np.angle(five[0, 2] + 1j * five[1, 2]))


if __name__ == "__main__":
    main()
