"""Draw the picture of the page on training: what teaches the four students, who afterwards have the video alone.

Run ``python tools/teachers_picture.py [--out FILE]``; needs ``perfuse[report,train]``. Nothing is drawn
by hand: people, radar, maps, captions and code books are computed while it runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch

from perfuse.papers.lq_rppg.labels.fitted import code_books
from perfuse.papers.lq_rppg.labels.prepare import prepared
from perfuse.papers.physvlm import prompts
from perfuse.papers.physvlm.maps import made_maps, picture
from perfuse.papers.physvlm.teachers import SpectralTeacher
from perfuse.radar.frontend import displacement_mm
from perfuse.signal.filters import bandpass
from perfuse.synth import subject

ROOT = Path(__file__).resolve().parent.parent
INK, PULSE, OTHER, GREY = "#1c2430", "#d1362b", "#1f77b4", "#8b96a8"
SEED, RATE_HZ, SECONDS, BAND_HZ = 709, 30.0, 8.0, (0.6, 4.0)
SHOWN = 5
"""Frames of the stack that a 3-D network sees at once."""


def main() -> None:
    """Draw it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "teachers.png")
    out = parser.parse_args().out
    figure, panels = plt.subplots(2, 2, figsize=(12, 6.6), dpi=100)
    figure.subplots_adjust(left=0.04, right=0.985, top=0.90, bottom=0.07, hspace=0.42, wspace=0.10)
    radar(panels[0, 0])
    stack(panels[0, 1])
    words(panels[1, 0])
    bits(panels[1, 1])
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, facecolor="white")
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB")


def titled(panel, name: str, text: str) -> None:
    """Name a panel, and leave it no box."""
    panel.set_title(f"{name}: {text}", loc="left", fontsize=11, color=INK)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.set_yticks([])
    panel.tick_params(colors=GREY, labelsize=8)


def person_of(seed: int):
    """Return somebody, small, for a while."""
    return subject(seed, "lab", duration_s=30, radar_quality="clean", width=64, height=64)


def radar(panel) -> None:
    """Draw the chest's trembling as a radar sees it, below the blood in the face."""
    person = person_of(SEED)
    taken = person.radar()
    cells = taken.bins((0, taken.config.search_bins[1]))
    rate = taken.config.frame_rate_hz
    moved = displacement_mm(cells, taken.config)
    beat = bandpass(moved, rate, 4.0, 15.0)
    inside = (taken.times_s >= 10) & (taken.times_s < 10 + SECONDS)
    times = taken.times_s[inside]
    pulse = person.truth.pulse(times)
    panel.plot(times - 10, 3.2 * (pulse - pulse.mean()) / np.ptp(pulse) + 2.6, color=PULSE, linewidth=1.4)
    panel.plot(times - 10, 2.4 * beat[inside] / np.ptp(beat[inside]), color=OTHER, linewidth=0.9)
    panel.text(0.0, 4.85, "blood in the face, for the camera to find", color=PULSE, fontsize=9)
    panel.text(
        0.0, -2.0, "the chest's trembling in a radar's phase: it teaches, and stays behind", color=OTHER, fontsize=9
    )
    panel.set_ylim(-2.3, 5.4)
    panel.set_xlabel("s", fontsize=8, color=GREY)
    titled(panel, "RPM-Distill", "a radar teaches a camera")


def stack(panel) -> None:
    """Draw frames that a 3-D network sees at once, and the two that a 2-D one compares."""
    person = subject(SEED, "lab", duration_s=4, width=240, height=240)
    frames = [frame for k, (_, frame) in enumerate(person.frames()) if k % 6 == 0][:SHOWN]
    for k, frame in enumerate(frames):
        panel.imshow(frame, extent=(0.16 * k, 0.16 * k + 1, -0.10 * k, 1 - 0.10 * k), zorder=k)
    panel.imshow(frames[-1], extent=(3.0, 4.0, -0.4, 0.6), zorder=1)
    change = frames[-1].astype(float) - frames[-2]
    shade = np.clip(0.5 + change / 60, 0, 1)
    panel.imshow(shade, extent=(4.15, 5.15, -0.4, 0.6), zorder=1)
    panel.annotate("", (2.9, 0.1), (1.85, 0.1), arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.6})
    panel.text(1.88, 0.2, "where to look", fontsize=9, color=INK)
    panel.text(0.0, -0.62, "teacher: all frames at once (3-D)", fontsize=9, color=OTHER)
    panel.text(3.0, -0.62, "student: a frame and its change (2-D)", fontsize=9, color=PULSE)
    panel.set_xlim(-0.1, 5.9)
    panel.set_ylim(-0.95, 1.25)
    panel.set_aspect("equal")
    titled(panel, "KDPhys", "a large network teaches a small one")
    panel.set_xticks([])
    panel.spines["bottom"].set_visible(False)


def words(panel) -> None:
    """Draw cells of a face as stripes, and how well captions of rates fit them."""
    made = made_maps(1, generator=torch.Generator().manual_seed(4), pulses=(70, 80), noise=0.3)
    rows = picture(made.clip)
    teacher = SpectralTeacher()
    said = teacher.encode_text([prompts.pulse(rate)[0] for rate in prompts.PULSES])
    fits = (teacher.encode_image(rows) @ said.T)[0].numpy()
    panel.imshow(rows[0].permute(1, 2, 0).numpy(), extent=(0, 4.6, 0, 3), aspect="auto", zorder=1)
    panel.text(0, 3.12, "a made face, cell by cell, time to the right", fontsize=9, color=PULSE)
    rates = np.array(prompts.PULSES)
    at = 5.1 + 4.5 * (rates - rates[0]) / np.ptp(rates)
    panel.bar(at, 2.6 * fits / fits.max(), width=0.09, color=OTHER)
    best = int(fits.argmax())
    caption = prompts.pulse(rates[best])[0].replace(" pulsing", "\npulsing")
    told = f"“{caption}”\nfits best; true: {float(made.heart_rate[0]):.0f}"
    panel.text(6.7, 2.6, told, fontsize=9, color=OTHER, va="top")
    panel.set_xticks([at[0], at[best], at[-1]], [f"{rates[k]:.0f}" for k in (0, best, -1)])
    panel.set_xlim(0, 9.9)
    panel.set_ylim(0, 3.45)
    titled(panel, "PhysVLM-style", "words for rhythms teach a wave")


def bits(panel) -> None:
    """Draw a label, and what is left of it in 1, 2 and 5 bits."""
    person = person_of(SEED)
    times = 10 + np.arange(int(SECONDS * RATE_HZ)) / RATE_HZ
    label = prepared(torch.from_numpy(person.truth.pulse(times)).float()[None], RATE_HZ, BAND_HZ)
    books = code_books("lloyd", 5, rate_hz=RATE_HZ, band_hz=BAND_HZ)
    for row, (bits, color) in enumerate(((1, OTHER), (2, OTHER), (5, OTHER))):
        wave = books[bits - 1].encode(label)[0][0].detach().numpy()
        panel.plot(times - 10, label[0].numpy() - 4.6 * row, color=PULSE, linewidth=1.0, alpha=0.55)
        panel.step(times - 10, wave - 4.6 * row, color=color, linewidth=1.3, where="mid")
        panel.text(SECONDS + 0.1, -4.6 * row - 0.3, f"{bits} bit{'s' * (bits > 1)}", fontsize=9, color=color)
    panel.set_xlim(0, SECONDS + 0.9)
    panel.set_xlabel("s", fontsize=8, color=GREY)
    titled(panel, "LQ-rPPG", "rounded labels teach coarse to fine")


if __name__ == "__main__":
    main()
