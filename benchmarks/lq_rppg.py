"""Do rounded labels help against noisy ones? LQ-rPPG's thesis on simulated people, seed by seed.

    python benchmarks/lq_rppg.py train --runs RUNS [--noise none mild severe] [--only raw multibit] [--seeds 0 1 2]
                                        [--readings docs/results/lq_rppg.json]
    python benchmarks/lq_rppg.py score --runs RUNS --readings docs/results/lq_rppg.json
    python benchmarks/lq_rppg.py export --runs RUNS

All learn from what a sensor on a finger wrote, from nothing else, on a grid of cells with the cheapest network of the
room; all are scored against the true pulse of people nobody trained on, in the mixture of sensors of SimBench's
``noisy-labels``. ``train`` trains what is missing in runs and readings and goes on where it was stopped: four banks
of clips are painted once, then a training takes a few minutes of one core. ``score`` keeps the figures of every run
in ``--readings``, so that its tables, which it prints, need no runs. ``export`` writes RUNS/bundles, and prints the
command that scores them on the films of SimBench too.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from pages import finished, known, readings
from scipy import stats

from perfuse.bench.machine import machine
from perfuse.data.cache import default_cache
from perfuse.export.bundle import export as write_bundle
from perfuse.export.run import open_run
from perfuse.learn.bank import open_bank
from perfuse.learn.loop import train
from perfuse.papers.known import find_recipe, make_task
from perfuse.report.files import write_atomic
from perfuse.signal.filters import bandpass
from perfuse.signal.spectrum import strongest_hz

DOMAIN = "noisy-labels"
NOISE = {"none": {"label_fault": "clean"}, "mild": {}, "severe": {"label_fault": "bursts"}}
"""What is asked of the sensor: no fault; the domain's own mixture (40 % clean, the rest late, shaken, drifting,
swapped or dead); every one shaken, 12 to 67 % of the time."""
PLAIN = {"codes": 0.0, "pearson": 1.0, "frequency": 0.0, "quality": 0.0}
PAPER = {"codes": 1.0, "pearson": 0.2, "frequency": 1.0, "quality": 0.0}
UNROUNDED = PAPER | {"codes": 0.0}
VARIANTS: dict[str, tuple[str, dict, dict]] = {
    "raw": ("label as it came, negative Pearson", {"target": "raw"}, PLAIN),
    "bandpassed": ("band-passed, negative Pearson", {"target": "bandpassed"}, PLAIN),
    "waveform": ("band-passed, the paper's two losses of waves", {"target": "bandpassed"}, UNROUNDED),
    "quantised": ("5 bits, the last level alone", {"target": "quantised"}, PAPER),
    "multibit": ("1 to 5 bits, coarse to fine", {}, PAPER),
    "learned": ("the same with learned code books", {"quantiser": "learned"}, PAPER),
    "uniform": ("the same with even steps", {"quantiser": "uniform"}, PAPER),
    **{f"bits{n}": (f"1 to {n} bits" if n > 1 else "1 bit", {"n_bits": n}, PAPER) for n in (1, 2, 3, 4, 6)},
}
"""Words, the task's parameters, weights. Everything else is the same."""
MAIN = ("raw", "bandpassed", "waveform", "quantised", "multibit")
"""Trained with every noise; the others with ``mild`` alone."""
SIDE = 6
"""Cells a side: a training takes a few minutes of one core."""
CLIPS, FRAMES, OTHER = 256, 256, 1_000_003
"""Of the score: clips, samples of each (8.5 s), and the seed of their people."""
BAND_HZ, CLOSE, LAG_S = (0.6, 4.0), 5.0, 0.5
Found = dict[tuple[str, str], dict[int, tuple[float, ...]]]
"""Variant and noise, then seed, to figures."""


def recipe_of(name: str, noise: str, seed: int, changes: dict[str, str]):
    """Return the recipe of a variant."""
    _, model, weights = VARIANTS[name]
    base = find_recipe("lq_rppg/desk")
    own = {
        "seed": str(seed),
        "steps": "1200",
        "batch": "8",
        "frames": "224",
        "crop": "128",
        "simulated": json.dumps({"domains": {DOMAIN: 1.0}, "bank": 2048, "asked": NOISE[noise]}),
        "model": json.dumps({**base.model, "size": SIDE, "label": "contact", "trust": False, **model}),
        "weights": json.dumps(weights),
        "augment": json.dumps({"gain": 0.1, "tint": 0.05, "noise": 0.15}),
        "validation": json.dumps({"every": 0}),
    }
    return find_recipe("lq_rppg/desk", {**own, **changes})


def wanted(options: argparse.Namespace):
    """Yield every run that is asked for: variant, noise, seed, folder."""
    for seed in options.seeds:
        for noise in options.noise:
            for name in options.only or VARIANTS:
                if name in MAIN or noise == "mild" or options.only:
                    yield name, noise, seed, options.runs / f"{name}-{noise}-{seed}"


def teach(options: argparse.Namespace) -> None:
    """Train what is missing."""
    changes, done = dict(word.split("=", 1) for word in options.set), known(options)
    for name, noise, seed, folder in wanted(options):
        if folder.name in done:
            continue
        recipe = recipe_of(name, noise, seed, changes)
        begin = time.perf_counter()

        def tick(done: float, _: float | None, told: str | None = None, what: str = folder.name) -> None:
            if int(done) % 50 == 0:
                print(f"\r{what}: {done:.0f} {told or ''}   ", end="", file=sys.stderr)

        ended = train(recipe, make_task(recipe), folder, progress=tick)
        print(f"\n{folder.name}: {ended.steps} steps, {time.perf_counter() - begin:.0f} s", flush=True)


def export(options: argparse.Namespace) -> None:
    """Export every run that has a checkpoint."""
    bundles = []
    for place in sorted(options.runs.glob("*-*-[0-9]")):
        if (place / "last.pt").exists():
            task, card = open_run(place)
            bundle = options.runs / "bundles" / place.name
            worst = write_bundle(task.student, card | {"name": place.name}, bundle)
            print(f"{place.name}: torch and ONNX differ by {worst:.1g}", file=sys.stderr)
            bundles.append(str(bundle))
    print(f"perfuse bench --data simbench:desk --methods pos,chrom,{','.join(bundles)} --protocol peak --jobs 2")


# --- the tables


def figures(said: np.ndarray, pulse: np.ndarray, truth: np.ndarray, rate_hz: float) -> tuple[float, ...]:
    """Return MAE, share within 5/min, mean r of waves as they are, and at their best lag; no rate counts as 0/min."""
    errors, still, best = [], [], []
    reach = round(LAG_S * rate_hz)
    for wave, right, rate in zip(said, pulse, truth, strict=True):
        if not np.isfinite(rate):
            continue
        passed = bandpass(wave, rate_hz, *BAND_HZ)
        read = 60 * strongest_hz(passed, rate_hz, BAND_HZ)
        errors.append(abs((read if np.isfinite(read) else 0.0) - rate))
        inner = bandpass(right, rate_hz, *BAND_HZ)[reach:-reach]
        lags = [
            float(np.corrcoef(passed[k : k + len(inner)], inner)[0, 1]) if passed.std() > 0 else 0.0
            for k in range(2 * reach + 1)
        ]
        still.append(lags[reach])
        best.append(max(lags))
    error = np.array(errors)
    return float(error.mean()), float((error <= CLOSE).mean()), float(np.mean(still)), float(np.mean(best))


FORMS = ("{:.1f}", "{:.0%}", "{:.2f}", "{:.2f}")


def told(values: tuple[float, ...], form: str) -> str:
    """Return a mean, and the spread between seeds."""
    mean = form.format(np.mean(values))
    return mean if len(values) == 1 else f"{mean} ± {form.format(np.std(values, ddof=1)).removesuffix('%')}"


def judged(folder: Path, domains: dict[str, float], clips: int, seed: int) -> tuple[float, ...]:
    """Return the figures of a run on clips of people nobody trained on."""
    task, _ = open_run(folder)
    bank = open_bank(default_cache(), task.view, frames=FRAMES, clips=clips, seed=seed, domains=domains)
    bank.paint(2)
    waves, pulses, rates = [], [], []
    for low in range(0, clips, 16):
        batch = bank.batch(np.arange(low, low + 16))
        with torch.no_grad():
            waves.append(task.student(batch.clip)["pulse"].double().numpy())
        pulses.append(batch.pulse.double().numpy())
        rates.append(batch.heart_rate.double().numpy())
    return figures(np.concatenate(waves), np.concatenate(pulses), np.concatenate(rates), task.view.rate_hz)


def score(options: argparse.Namespace) -> None:
    """Print the tables."""
    found: Found = {}
    kept = known(options)
    for name, noise, seed, folder in wanted(options):
        if folder.name not in kept and finished(folder):
            kept[folder.name] = [round(one, 4) for one in judged(folder, {DOMAIN: 1.0}, CLIPS, OTHER)]
            write_atomic(readings(options), json.dumps(kept, sort_keys=True))
        if folder.name in kept:
            found.setdefault((name, noise), {})[seed] = tuple(kept[folder.name])
    recipe = recipe_of("multibit", "mild", 0, dict(word.split("=", 1) for word in options.set))
    assert recipe.simulated is not None
    if not found:
        sys.exit(f"There is nothing to score in {options.runs}.")
    seeds = max(len(rows) for rows in found.values())
    parts = [
        "# LQ-rPPG: do rounded labels help against noisy ones?",
        "",
        f"Made by `benchmarks/lq_rppg.py` (train, score), {time.strftime('%Y-%m-%d')}, {machine()}, "
        f"torch {torch.__version__}. Stem `{recipe.model.get('stem')}`, mixer `{recipe.model.get('mixer')}`, "
        f"{recipe.steps} steps of {recipe.batch} clips of {recipe.crop or recipe.frames} samples, "
        f"{recipe.simulated.bank} clips in all. Simulated people; no number here is the paper's.",
        "",
        f"Learnt from contact sensors alone; scored against the true pulse of {CLIPS} clips of {FRAMES / 30:.1f} s "
        f"of people nobody trained on; the plain peak of each wave, {seeds} seed{'s' * (seeds > 1)}"
        + (", mean and standard deviation between seeds." if seeds > 1 else ".")
        + " Noise of the labels: none, sensors without fault; mild, the mixture of SimBench's `noisy-labels`; "
        "severe, every sensor is shaken, 12 to 67 % of the time.",
    ]
    for noise in options.noise:
        rows = {name: list(found[name, noise].values()) for name in VARIANTS if (name, noise) in found}
        if not rows:
            continue
        parts += [
            "",
            f"## Noise: {noise}",
            "",
            f"| labels | MAE, /min | within 5/min | r of waves | r at the best lag of {LAG_S:g} s |",
            "|---" * 5 + "|",
        ]
        for name, figs in rows.items():
            cells = [told(column, form) for column, form in zip(zip(*figs), FORMS)]
            parts.append(f"| {VARIANTS[name][0]} | " + " | ".join(cells) + " |")
    parts += ["", *claims(found), ""]
    print("\n".join(parts))


def claims(found: Found) -> list[str]:
    """Answer what the paper says of labels, by the pairs of seeds: mean and 95 % interval by Student's t."""
    out = ["| hypothesis | noise | difference of MAE, /min | holds |", "|---|---|---|---|"]
    pairs = (
        ("coarse to fine beats raw labels", "multibit", "raw"),
        ("coarse to fine beats band-passed labels", "multibit", "bandpassed"),
        ("rounding itself helps: against the same losses of waves", "multibit", "waveform"),
        ("coarse levels help: against the finest alone", "multibit", "quantised"),
        ("Lloyd's code books do as well as learned ones", "multibit", "learned"),
    )
    for text, one, other in pairs:
        for noise in NOISE:
            if (one, noise) in found and (other, noise) in found:
                mine, theirs = found[one, noise], found[other, noise]
                apart = [mine[seed][0] - theirs[seed][0] for seed in mine.keys() & theirs.keys()]
                if not apart:
                    continue
                mean, reach = float(np.mean(apart)), float("nan")
                if len(apart) > 1:
                    reach = float(stats.t.ppf(0.975, len(apart) - 1) * np.std(apart, ddof=1) / np.sqrt(len(apart)))
                verdict = "cannot be told" if not abs(mean) > reach else "yes" if mean < 0 else "no"
                out.append(
                    f"| {text} | {noise} | {mean:+.2f} [{mean - reach:+.2f}, {mean + reach:+.2f}] | {verdict} |"
                )
    return out


def main() -> None:
    """Train, export or score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "export", "score"])
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--noise", nargs="+", choices=list(NOISE), default=list(NOISE))
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS))
    parser.add_argument("--readings", type=Path, help="what was scored before, and is kept")
    parser.add_argument("--set", nargs="+", default=[], help="KEY=VALUE, for all recipes")
    options = parser.parse_args()
    {"train": teach, "export": export, "score": score}[options.what](options)


if __name__ == "__main__":
    main()
