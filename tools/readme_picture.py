"""Draw the picture at the top of the README: a synthetic face, what perfuse reads from it, and the truth.

Run ``python tools/readme_picture.py [--seed N] [--out FILE]``; takes about a minute and needs ``perfuse[report]``.
Every number in the picture comes out of the measurement made while it runs.
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

import perfuse
from perfuse.core.frame import Box
from perfuse.core.results import Face, Vital
from perfuse.face import BlazeFace
from perfuse.face.regions import region_weights
from perfuse.face.track import TrackedFace
from perfuse.signal.spectrum import power_spectrum
from perfuse.synth import Subject, subject

ROOT = Path(__file__).resolve().parent.parent
SIZE_PX = (1200, 420)
DARK, INK, MUTED, PULSE, BREATH = "#10151f", "#f2f4f8", "#8b96a8", "#ff6b5e", "#6cc5ff"
SHOWN_S = 10.0


def main() -> None:
    """Render, measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "hero.png")
    arguments = parser.parse_args()
    person = subject(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "face.mp4"
        person.write(video)
        answer = perfuse.measure(video)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    draw(person, answer.faces[0], answer.start_s, arguments.out)


def draw(person: Subject, face: Face, start_s: float, out: Path) -> None:
    """Lay the picture out: face on the left, numbers, wave and spectrum on the right."""
    mpl.rcParams["font.family"] = "DejaVu Sans"
    figure = plt.figure(figsize=(SIZE_PX[0] / 100, SIZE_PX[1] / 100), dpi=100, facecolor=DARK)
    portrait(figure.add_axes((0.0, 0.0, 0.405, 1.0)), person)
    number(figure, 0.440, "PULSE", face.heart_rate, person.truth.heart_rate, PULSE)
    number(figure, 0.725, "BREATHING", face.respiratory_rate, person.truth.respiratory_rate, BREATH)
    wave(figure.add_axes((0.440, 0.335, 0.535, 0.235)), face, start_s, person)
    spectrum(figure.add_axes((0.440, 0.105, 0.535, 0.165)), face)
    figure.savefig(out, dpi=100, facecolor=DARK, metadata={"Software": None})


def portrait(axes: Any, person: Subject) -> None:
    """Show a frame, cropped to the axes, with the regions that are measured."""
    _, picture = next(person.frames())
    height, width = picture.shape[:2]
    shown = round(height * 0.405 * SIZE_PX[0] / SIZE_PX[1])
    seen = BlazeFace()(perfuse.Frame.from_rgb(picture, 0.0))[0]
    masks = region_weights(TrackedFace(0, seen.box, seen.points, seen.score), Box(0, 0, width, height), height, width)
    axes.imshow(picture, interpolation="bicubic")
    for name in ("forehead", "left_cheek", "right_cheek"):
        axes.contour(masks[name], [0.5], colors=["white"], linewidths=1.2, alpha=0.75, linestyles="dotted")
    middle = float(np.clip(seen.box.centre[0], shown / 2, width - shown / 2))
    axes.set(xlim=(middle - shown / 2, middle + shown / 2), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    axes.set_aspect("auto")
    for spine in axes.spines.values():
        spine.set_visible(False)


def number(figure: Any, left: float, title: str, vital: Vital, truth: float, colour: str) -> None:
    """Write one vital in large figures with its interval and the truth."""
    figure.text(left, 0.915, title, color=MUTED, fontsize=10.5, weight="bold")
    if vital.value is None:
        figure.text(left, 0.78, "no value", color=colour, fontsize=30, weight="bold")
        figure.text(left, 0.70, vital.reason, color=MUTED, fontsize=10)
        return
    figure.text(left, 0.735, f"{vital.value:.1f}", color=colour, fontsize=46, weight="bold")
    right = left + 0.143
    figure.text(right, 0.845, "per minute", color=INK, fontsize=11)
    figure.text(right, 0.785, f"{vital.low:.0f} to {vital.high:.0f}  (90 %)", color=MUTED, fontsize=10)
    figure.text(right, 0.735, f"truth {truth:.1f}", color=MUTED, fontsize=10)


def wave(axes: Any, face: Face, start_s: float, person: Subject) -> None:
    """Plot ten seconds of the pulse wave with its beats, over the true wave at the same scale."""
    assert face.pulse is not None
    pulse = face.pulse
    time = (pulse.start + np.arange(len(pulse))) / pulse.rate_hz
    first = float(time[len(time) // 2] - SHOWN_S / 2)
    inside = (time >= first) & (time <= first + SHOWN_S)
    true = person.truth.pulse(time)
    true *= float(true @ pulse.samples) / float(true @ true)
    axes.plot(time[inside] - first, true[inside], color=MUTED, linewidth=1.6, alpha=0.8)
    axes.plot(time[inside] - first, pulse.samples[inside], color=PULSE, linewidth=2, solid_capstyle="round")
    beats = np.array(face.beats_s) - start_s
    beats = beats[(beats > first) & (beats < first + SHOWN_S)]
    axes.plot(beats - first, np.interp(beats, time, pulse.samples), "o", color=INK, markersize=4.5)
    axes.text(
        0.0,
        1.06,
        "pulse wave and beats over 10 s; grey: the true wave",
        transform=axes.transAxes,
        color=MUTED,
        fontsize=9,
    )
    axes.set(xlim=(0, SHOWN_S), xticks=[], yticks=[], facecolor=DARK)
    for spine in axes.spines.values():
        spine.set_visible(False)


def spectrum(axes: Any, face: Face) -> None:
    """Plot the spectrum of the whole pulse wave over beats per minute."""
    assert face.pulse is not None
    freq, power = power_spectrum(face.pulse.samples, face.pulse.rate_hz)
    per_minute, level = 60 * freq, np.sqrt(power)
    shown = (per_minute >= 36) & (per_minute <= 204)
    axes.fill_between(per_minute[shown], level[shown] / level[shown].max(), color=BREATH, alpha=0.25, linewidth=0)
    axes.plot(per_minute[shown], level[shown] / level[shown].max(), color=BREATH, linewidth=1.2)
    if face.heart_rate.value is not None:
        axes.axvline(face.heart_rate.value, color=PULSE, linewidth=1.4, linestyle="--")
    axes.text(0.0, 1.08, "its spectrum, beats per minute", transform=axes.transAxes, color=MUTED, fontsize=9)
    axes.set(xlim=(36, 204), ylim=(0, 1.05), yticks=[], xticks=range(40, 201, 20), facecolor=DARK)
    axes.tick_params(colors=MUTED, labelsize=8.5, length=3)
    for name, spine in axes.spines.items():
        spine.set(visible=name == "bottom", color=MUTED)


if __name__ == "__main__":
    main()
