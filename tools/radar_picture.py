"""Draw the picture of the page on radar: a chest's range bin, its movement, and its trembling after each beat.

Run ``python tools/radar_picture.py [--out FILE]``; needs ``perfuse[report]``. Everything shown comes out of the
simulator and the pipeline while it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from perfuse.pipeline import measure
from perfuse.radar.frontend import circle_centre, displacement_mm, moving_bin
from perfuse.radar.record import RadarRecord
from perfuse.synth import subject

ROOT = Path(__file__).resolve().parent.parent
INK, PULSE, BREATH, GREY = "#1c2430", "#d1362b", "#1f77b4", "#8b96a8"
SHOWN = (12.0, 27.0)


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "radar.png")
    out = parser.parse_args().out
    person = subject(709, "lab", duration_s=45, radar_quality="clean", width=64, height=64)
    taken = person.radar()
    bins = taken.bins((0, taken.config.search_bins[1])).astype(np.complex64)
    record = RadarRecord(taken.times_s, bins, taken.valid, taken.config)
    answer = measure(record)
    cells = record.searched()[(record.times_s >= SHOWN[0]) & (record.times_s < SHOWN[1])].astype(complex)

    figure = plt.figure(figsize=(12, 4.2), dpi=100)
    circle(figure.add_axes((0.03, 0.08, 0.29, 0.80)), cells[:600, moving_bin(cells)])
    moved = panel(figure, 0.58, "movement towards the radar (mm); grey: the chest's own")
    time_s = SHOWN[0] + np.arange(len(cells)) / taken.config.frame_rate_hz
    true = np.interp(time_s, taken.times_s, taken.chest_mm)
    seen = -displacement_mm(cells, taken.config)
    moved.plot(time_s, true - true.mean(), color=GREY, linewidth=3.5, alpha=0.6)
    moved.plot(time_s, seen - seen.mean(), color=BREATH, linewidth=1.2)
    moved.tick_params(labelbottom=False)
    rate, wave = answer.heart_rate, answer.faces[0].pulse
    text = (
        f"trembling of the chest; lines: true R peaks. {rate.value:.1f}/min read, {person.truth.heart_rate:.1f} true"
    )
    pulse = panel(figure, 0.10, text)
    seconds = np.arange(len(wave)) / wave.rate_hz
    inside = (seconds >= SHOWN[0]) & (seconds < SHOWN[1])
    pulse.plot(seconds[inside], wave.samples[inside], color=PULSE, linewidth=1.2)
    for beat in person.truth.heart.r_peaks_s:
        if SHOWN[0] <= beat < SHOWN[1]:
            pulse.axvline(beat, color=INK, linewidth=0.6, alpha=0.6)
    pulse.set_yticks([])
    pulse.set_xlabel("s", fontsize=8)
    figure.savefig(out, metadata={"Software": None})


def circle(axes: plt.Axes, bin_iq: np.ndarray) -> None:
    """Draw one range bin in the plane of its two parts, and the middle of its circle."""
    points = bin_iq / np.abs(bin_iq).max()
    middle = circle_centre(points)
    axes.plot(points.real, points.imag, ".", color=BREATH, markersize=3, alpha=0.5)
    axes.plot(middle.real, middle.imag, "+", color=PULSE, markersize=14, markeredgewidth=2)
    axes.plot(0, 0, "x", color=GREY, markersize=8)
    axes.set_aspect("equal", "datalim")
    axes.set_title("I and Q of the bin that moves most, 5 s; +: what stands still", fontsize=9, color=INK, loc="left")
    tidy(axes)
    axes.set_xticks([])
    axes.set_yticks([])


def panel(figure: plt.Figure, bottom: float, title: str) -> plt.Axes:
    """Return an axis over time."""
    axes = figure.add_axes((0.40, bottom, 0.58, 0.33))
    axes.set_title(title, fontsize=9, color=INK, loc="left")
    axes.set_xlim(*SHOWN)
    tidy(axes)
    return axes


def tidy(axes: plt.Axes) -> None:
    """Leave out what says nothing."""
    axes.tick_params(labelsize=8, color=GREY)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


if __name__ == "__main__":
    main()
