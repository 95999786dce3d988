"""Does a 3-D teacher help a 2-D student? Everything that is taught, seed by seed, on simulated people; KDPhys-style.

    python benchmarks/kdphys.py train --runs RUNS [--seeds 0 1 2] [--only teacher mse pearson ...]
    python benchmarks/kdphys.py score --runs RUNS --data simbench:desk --out docs/results/kdphys.md

``train`` trains what is missing, one after the other, and goes on where it was stopped; all runs share one bank. ``score``
exports every run that is whole, measures SimBench with it, beside POS and CHROM, and writes the table.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from perfuse.bench.machine import machine
from perfuse.bench.runner import run as bench
from perfuse.learn.loop import train
from perfuse.papers.known import find_recipe, make_task

LABEL = {"dilate": 1.0, "pearson": 0.2}
ALONE = {"attention": 0.0, "profile": 0.0, "imitation": 0.0, "mse": 0.0, "spectrum": 0.0}
VARIANTS = {
    "mse": ALONE | {"mse": 1.0, "dilate": 0.0, "pearson": 0.0},
    "pearson": ALONE | {"pearson": 1.0, "dilate": 0.0},
    "dilate": ALONE | LABEL,
    "attention": ALONE | LABEL | {"attention": 1.0},
    "profile": ALONE | LABEL | {"attention": 1.0, "profile": 0.2},
    "imitation": ALONE | LABEL | {"attention": 1.0, "profile": 0.2, "imitation": 0.5},
}
"""Weights of the student's losses; each line adds to the one before, from ``dilate`` on."""
TOLD = {
    "teacher": "3-D teacher",
    "mse": "student, MSE",
    "pearson": "student, negative Pearson",
    "dilate": "student, DILATE",
    "attention": "+ attention transfer",
    "profile": "+ temporal profile",
    "imitation": "+ imitation",
}


def recipe_of(name: str, seed: int, runs: Path, changes: dict[str, str]):
    """Return the recipe of a variant."""
    if name == "teacher":
        return find_recipe("kdphys/teacher-desk", {"seed": str(seed), **changes})
    weights = VARIANTS[name]
    taught = any(weights[k] for k in ("attention", "profile", "imitation"))
    own = {
        "seed": str(seed),
        "weights": json.dumps(weights),
        "simulated.lessons": str(taught).lower(),
        # all losses but MSE need an answer that is not flat: correlation first, for all alike
        "stages": json.dumps([{"until": 100, "weights": {"pearson": 1.0}}] if weights["dilate"] else []),
    }
    if taught:
        own["model.teacher"] = str(runs / f"teacher-{seed}")
    return find_recipe("kdphys/desk", {**own, **changes})


def teach(options: argparse.Namespace) -> None:
    """Train what is missing."""
    changes = dict(word.split("=", 1) for word in options.set)
    for seed in options.seeds:
        for name in options.only or TOLD:
            recipe = recipe_of(name, seed, options.runs, changes)
            begin = time.perf_counter()

            def tick(done: float, _: float | None, told: str | None = None, name: str = f"{name}-{seed}") -> None:
                if int(done) % 50 == 0:
                    print(f"\r{name}: {done:.0f} {told or ''}   ", end="", file=sys.stderr)

            done = train(recipe, make_task(recipe), options.runs / f"{name}-{seed}", progress=tick)
            spent = time.perf_counter() - begin
            print(f"\n{name}-{seed}: {done.steps} steps, {spent:.0f} s, {done.best}", flush=True)


def main() -> None:
    """Train or score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "score"])
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=list(TOLD))
    parser.add_argument("--set", nargs="+", default=[], help="KEY=VALUE, for all recipes")
    options = parser.parse_args()
    if options.what == "train":
        teach(options)


if __name__ == "__main__":
    main()
