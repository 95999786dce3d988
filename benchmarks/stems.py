"""What does a cheaper stem cost in accuracy? LQ-rPPG's network with its own and with ours, on simulated people.

    python benchmarks/stems.py train --runs RUNS [--seeds 0 1 2] [--only grid lite] [--set KEY=VALUE ...]
    python benchmarks/stems.py score --runs RUNS --out docs/results/stems.md --picture docs/images/stems.png

All learn from the same people for as many steps, and are scored on the same people nobody trained on; only the stem
differs, and what it looks at. The authors' stem is made for 128 pixels, where a training takes days of a CPU: here it
and its rivals see 24, and what each costs at its own size stands beside. ``train`` goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from lq_rppg import FORMS, FRAMES, judged, told
from pages import renew
from torch.utils.flop_counter import FlopCounterMode

from perfuse.bench.machine import machine
from perfuse.learn.loop import train
from perfuse.papers.known import find_recipe, make_task
from perfuse.papers.lq_rppg.model import C2F
from perfuse.papers.lq_rppg.stem import STEMS

SIDE = 24
"""Pixels a side that stems of pictures see."""
DOMAINS = ("lab", "talk", "webcam", "motion", "dim-flicker", "dark-skin")
CLIPS, OTHER = 384, 4_000_003
"""Of the score: clips, and the seed of their people."""
TEACH = {
    "steps": "800",
    "batch": "8",
    "frames": "160",
    "crop": "128",
    "simulated": '{"bank": 4096, "domains": '
    '{"train": 0.7, "webcam": 0.1, "talk": 0.1, "motion": 0.05, "neonate": 0.05}}',
    "augment": '{"gain": 0.1, "tint": 0.05, "noise": 0.5}',
    "weights": '{"quality": 0.0}',
    "validation": '{"every": 0}',
}
TIMED = 5
"""Times that a clip is shown to a network; the least counts."""


def size_of(stem: str) -> int:
    """Return pixels or cells a side here."""
    return STEMS[stem].size if STEMS[stem].grid else SIDE


def teach(options: argparse.Namespace) -> None:
    """Train what is missing."""
    changes = dict(word.split("=", 1) for word in options.set)
    for seed in options.seeds:
        for stem in options.only or STEMS:
            model = f'{{"stem": "{stem}", "mixer": "conv", "size": {size_of(stem)}, "trust": false}}'
            recipe = find_recipe("lq_rppg/desk", {**TEACH, "model": model, "seed": str(seed), **changes})
            begin = time.perf_counter()
            done = train(recipe, make_task(recipe), options.runs / f"{stem}-{seed}")
            print(f"{stem}-{seed}: {done.steps} steps, {time.perf_counter() - begin:.0f} s", flush=True)


def cost(stem: str, size: int) -> tuple[float, float]:
    """Return million multiplications and milliseconds a frame of the whole network; torch, one thread."""
    network = C2F(stem, "conv").eval()
    clip = torch.rand(1, 3, 160, size, size, generator=torch.Generator().manual_seed(0)) * 255
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        network(clip)
    spent = []
    for _ in range(TIMED):
        begin = time.perf_counter()
        with torch.inference_mode():
            network(clip)
        spent.append(time.perf_counter() - begin)
    return counted.get_total_flops() / 2e6 / 160, 1000 * min(spent) / 160


def score(options: argparse.Namespace) -> None:
    """Write the table."""
    torch.set_num_threads(1)
    shares = {name: 1 / len(DOMAINS) for name in DOMAINS}
    found = {
        stem: [
            judged(folder, shares, CLIPS, OTHER)
            for seed in options.seeds
            if (folder := options.runs / f"{stem}-{seed}").exists()
        ]
        for stem in STEMS
    }
    if not any(found.values()):
        sys.exit(f"There is nothing to score in {options.runs}.")
    seeds = max(len(rows) for rows in found.values())
    asked = f" with {' '.join(options.set)}" if options.set else ""
    lines = [
        "# LQ-rPPG: what a cheaper stem costs in accuracy",
        "",
        f"Made by `benchmarks/stems.py` (train, score){asked}, {time.strftime('%Y-%m-%d')}, {machine()}, torch "
        f"{torch.__version__}. The same network behind every stem (mixer `conv`, 5 bits, coarse to fine), "
        f"{TEACH['steps']} steps of {TEACH['batch']} clips of {TEACH['crop']} frames, 4,096 clips of simulated "
        f"people in all; scored on {CLIPS} clips of {FRAMES / 30:.1f} s of people nobody trained on, of the domains "
        f"{', '.join(DOMAINS)}; the plain peak of each wave, {seeds} seed{'s' * (seeds > 1)}"
        + (", mean and standard deviation between seeds." if seeds > 1 else "."),
        "",
        "| stem | sees | MMAC a frame | ms a frame, one thread | at its own size: MMAC, ms | MAE, /min "
        "| within 5/min | r of waves | r at the best lag |",
        "|---" * 9 + "|",
    ]
    curve = {}
    for stem, rows in found.items():
        if not rows:
            continue
        here, own = cost(stem, size_of(stem)), cost(stem, STEMS[stem].size)
        errors = [row[0] for row in rows]
        curve[stem] = (here[0], float(np.mean(errors)), float(np.std(errors)))
        cells = [told(column, form) for column, form in zip(zip(*rows), FORMS)]
        what = "cells" if STEMS[stem].grid else "pixels"
        lines.append(
            f"| `{stem}` | {size_of(stem)} x {size_of(stem)} {what} | {here[0]:.2f} | {here[1]:.3f} "
            f"| {own[0]:.2f}, {own[1]:.3f} | " + " | ".join(cells) + " |"
        )
    if options.picture:
        draw(curve, options.picture)
        there = os.path.relpath(options.picture, options.out.parent) if options.out else options.picture
        lines[2:2] = [
            f"![Error over multiplications a frame: the cheaper the stem, the larger the error]({there})",
            "",
        ]
    text = "\n".join([*lines, ""])
    print(text)
    if options.out:
        renew(options.out, text)


def draw(curve: dict[str, tuple[float, float, float]], out: Path) -> None:
    """Plot error, mean and deviation between seeds, over million multiplications a frame of the same networks."""
    figure, axes = plt.subplots(figsize=(7.2, 3.4), dpi=110, layout="constrained")
    million, error, spread = zip(*curve.values())
    axes.errorbar(million, error, spread, color="#c0224f", marker="o", ecolor="#5b6472", capsize=3)
    for stem, (at, mean, _) in curve.items():
        axes.annotate(stem, (at, mean), (8, 6), textcoords="offset points", family="monospace")
    axes.set(xlabel="million multiplications a frame, as taught and scored", ylabel="mean error, /min")
    axes.set(ylim=(0, None), xlim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, metadata={"Software": None})


def main() -> None:
    """Train or score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "score"])
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=list(STEMS))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--picture", type=Path, help="where the curve is drawn")
    parser.add_argument("--set", nargs="+", default=[], help="KEY=VALUE, for all recipes")
    options = parser.parse_args()
    {"train": teach, "score": score}[options.what](options)


if __name__ == "__main__":
    main()
