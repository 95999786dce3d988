"""What a training step waits for: clips painted on the way against clips of a bank, for every network, in one run.

    python benchmarks/learn.py [--steps 60] [--out docs/results/learn.md] [blend/desk kdphys/desk ...]

Prints seconds a step and the share of them spent waiting for data. Banks are painted first, into a folder of their
own: how long that took is told as well. One thread learns, ``workers`` processes paint.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from perfuse.bench.machine import machine
from perfuse.learn.loop import train
from perfuse.papers.known import find_recipe, make_task

BANK = 512
"""Clips: enough for the steps of a short run without a clip coming too often."""


def timed(recipe, folder: Path) -> tuple[float, float]:
    """Return seconds a step, and the share spent waiting."""
    begin: list[float] = []

    def tick(done: float, _: float | None, __: str | None = None) -> None:
        if done == 1:  # the first step also compiles and fills caches
            begin.append(time.perf_counter())

    done = train(recipe, make_task(recipe), folder, progress=tick)
    return (time.perf_counter() - begin[0]) / (recipe.steps - 1), done.waiting


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=["blend/desk", "kdphys/desk"])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        "# Learn: what a training step waits for",
        "",
        f"`python benchmarks/learn.py {' '.join(options.recipes)} --steps {options.steps}`, {machine()}, "
        f"torch {torch.__version__}; one thread learns, one process paints.",
        "",
        "| recipe | clips | seconds a step | of it waiting |",
        "|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as place:
        os.environ["PERFUSE_CACHE"] = f"{place}/cache"
        for name in options.recipes:
            whole = find_recipe(name)
            quiet = replace(whole.validation, every=0)
            short = replace(whole, steps=options.steps, workers=1, validation=quiet, save_every=10**6, stages=())
            for bank in (0, BANK):
                how = replace(short.simulated, bank=bank, lessons=False)
                recipe = replace(short, simulated=how)
                if bank:
                    begin = time.perf_counter()
                    train(replace(recipe, steps=1), make_task(recipe), Path(place) / "first")
                    painting = time.perf_counter() - begin
                step_s, waiting = timed(recipe, Path(place) / f"{name.replace('/', '-')}-{bank}")
                told = f"a bank ({BANK} clips in {painting:.0f} s)" if bank else "painted on the way"
                lines.append(f"| {name} | {told} | {step_s:.3f} | {waiting:.0%} |")
                print(lines[-1], flush=True)
    text = "\n".join([*lines, ""])
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
