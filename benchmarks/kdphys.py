"""Does a 3-D teacher help a 2-D student? Everything that is taught, seed by seed, on simulated people; KDPhys-style.

    python benchmarks/kdphys.py train --runs RUNS [--seeds 0 1 2] [--only teacher mse pearson ...]
    python benchmarks/kdphys.py export --runs RUNS
    perfuse bench --data simbench:desk --methods pos,chrom,BUNDLES --protocol peak --jobs 2 --out BENCH
    python benchmarks/kdphys.py score --runs RUNS --bench BENCH --out docs/results/kdphys.md

``train`` trains what is missing, one after the other, and goes on where it was stopped; all runs share one bank.
``export`` writes RUNS/bundles and prints the command of the third line. ``score`` makes the tables.
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
from perfuse.bench.table import read_csv
from perfuse.export.bundle import export as write_bundle
from perfuse.export.run import open_run
from perfuse.learn.loop import train
from perfuse.papers.kdphys.model import NETWORKS
from perfuse.papers.known import find_recipe, make_task
from perfuse.papers.zoo.model import NETWORKS as ZOO

LABEL = {"dilate": 1.0, "pearson": 0.2}
ALONE = {"attention": 0.0, "profile": 0.0, "imitation": 0.0, "mse": 0.0, "spectrum": 0.3}
"""The spectrum counts for all, as it does for the teacher: without it students lag in rate, not in wave."""
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
    "kdphys": "`kdphys` as shipped",
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
        for name in options.only or ["teacher", *VARIANTS]:
            recipe = recipe_of(name, seed, options.runs, changes)
            begin = time.perf_counter()

            def tick(done: float, _: float | None, told: str | None = None, name: str = f"{name}-{seed}") -> None:
                if int(done) % 50 == 0:
                    print(f"\r{name}: {done:.0f} {told or ''}   ", end="", file=sys.stderr)

            done = train(recipe, make_task(recipe), options.runs / f"{name}-{seed}", progress=tick)
            spent = time.perf_counter() - begin
            print(f"\n{name}-{seed}: {done.steps} steps, {spent:.0f} s, {done.best}", flush=True)


def export(options: argparse.Namespace) -> None:
    """Export every run that has a checkpoint."""
    bundles = []
    for place in sorted(options.runs.glob("*-[0-9]")):
        if (place / "last.pt").exists():
            task, card = open_run(place)
            bundle = options.runs / "bundles" / place.name
            worst = write_bundle(task.student, card | {"name": place.name}, bundle)
            print(f"{place.name}: torch and ONNX differ by {worst:.1g}", file=sys.stderr)
            bundles.append(str(bundle))
    print(f"perfuse bench --data simbench:desk --methods pos,chrom,{','.join(bundles)} --protocol peak --jobs 2")


# --- the table


def score(options: argparse.Namespace) -> None:
    """Write the tables."""
    lines = [x for folder in options.bench for x in read_csv((folder / "rows.csv").read_text())]
    lines = [x for x in lines if x["vital"] == "heart_rate"]
    lines = [x for x in lines if x.get("reference") is not None]
    seen = {x["method"] for x in lines}
    groups = {name: [m for m in (f"{name}-{k}" for k in range(10)) if m in seen] for name in TOLD if name != "kdphys"}
    groups = {"pos": ["pos"], "chrom": ["chrom"]} | {name: found for name, found in groups.items() if found}
    if "kdphys" in seen:
        groups["kdphys"] = ["kdphys"]
    seeds = max(len(found) for found in groups.values())
    parts = [
        "# KDPhys-style: what a 3-D teacher does for a 2-D student",
        "",
        "Made by `benchmarks/kdphys.py` (train, export, score; settings in `papers/kdphys/*.yaml`"
        f"{told_changes(options)}), {time.strftime('%Y-%m-%d')}, {machine()}, torch {torch.__version__}. "
        "Reconstructed from the paper's abstract: no number here is the paper's.",
        "",
        f"SimBench `desk`, people nobody trained on; the plain peak of each wave, {seeds} seed{'s' * (seeds > 1)}"
        + (", mean and standard deviation between seeds." if seeds > 1 else "."),
        "",
        "| | MAE, /min | RMSE | within 5/min | r of rates | r of waves | TDI |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in groups.items():
        rows = [figures([x for x in lines if x["method"] == method]) for method in found]
        parts.append(
            f"| {TOLD.get(name, name.upper())} | " + " | ".join(told(c, f) for c, f in zip(zip(*rows), FORMS)) + " |"
        )
    domains = list(dict.fromkeys(x["about_domain"] for x in lines))
    domains = list(dict.fromkeys(x["about_domain"] for x in lines))
    for at, what in enumerate(WHAT):
        head = "| | " + " | ".join(domains) + " |"
        parts += ["", f"{what}, by domain{', mean of the seeds' if seeds > 1 else ''}:", "", head]
        parts.append("|---" * (len(domains) + 1) + "|")
        for name, found in groups.items():
            cells = []
            for domain in domains:
                per = [figures([x for x in lines if (x["method"], x["about_domain"]) == (m, domain)]) for m in found]
                cells.append(FORMS[at].format(np.mean([one[at] for one in per])))
            parts.append(f"| {TOLD.get(name, name.upper())} | " + " | ".join(cells) + " |")
    cost = costs()
    parts += [
        "",
        "| network, 36 pixels, torch, one thread, one run | parameters | MMAC a frame | ms a frame |",
        "|---|---|---|---|",
        *(f"| {name} | {count:,} | {macs:.1f} | {spent:.3f} |" for name, (count, macs, spent) in cost.items()),
        "",
        *claims(lines, groups, cost),
        "",
    ]
    text = "\n".join(parts)
    print(text)
    if options.out:
        options.out.write_text(text)


WHAT = ("MAE, /min", "RMSE, /min", "Within 5/min", "r of rates", "r of waves", "TDI")
FORMS = ("{:.1f}", "{:.1f}", "{:.0%}", "{:.2f}", "{:.2f}", "{:.3f}")


def told_changes(options: argparse.Namespace) -> str:
    """Return what --set said."""
    return f", with {' '.join(options.set)}" if options.set else ""


def figures(rows: list[dict]) -> tuple[float, ...]:
    """Return MAE, RMSE, share within 5/min, r of rates, mean r of waves, mean TDI; no answer counts as 0/min."""
    truth = np.array([x["reference"] for x in rows])
    said = np.array([x.get("prediction") or 0.0 for x in rows])
    error = np.abs(said - truth)
    waves = [x["r"] for x in rows if x.get("r") is not None]
    warps = [x["tdi"] for x in rows if x.get("tdi") is not None]
    r = float(np.corrcoef(said, truth)[0, 1]) if said.std() > 0 else 0.0
    return (
        float(error.mean()), float(np.sqrt((error**2).mean())), float((error <= 5).mean()), r,
        float(np.mean(waves)), float(np.mean(warps)),
    )  # fmt: skip


def told(values: tuple[float, ...], form: str) -> str:
    """Return a mean, and the spread between seeds."""
    mean = form.format(np.mean(values))
    return mean if len(values) == 1 else f"{mean} ± {form.format(np.std(values, ddof=1)).removesuffix('%')}"


def costs() -> dict[str, tuple[int, float, float]]:
    """Return parameters, and million multiplications and ms a frame, of every network at 36 pixels, on one thread."""
    torch.set_num_threads(1)
    made = {
        "3-D teacher": NETWORKS["teacher"](),
        "student": NETWORKS["student-a"](),
        "student B": NETWORKS["student-b"](),
        "TS-CAN": ZOO["ts-can"](36, 30.0),
        "EfficientPhys-C": ZOO["efficientphys-c"](36, 30.0),
    }
    clip = torch.rand(1, 3, 128, 36, 36) * 100 + 60
    spent: dict[str, list[float]] = {name: [] for name in made}
    with torch.no_grad():
        for turn in range(23):  # side by side, so that all share the machine's mood
            for name, network in made.items():
                begin = time.perf_counter()
                network.eval()(clip)
                if turn >= 3:
                    spent[name].append((time.perf_counter() - begin) / 128 * 1000)
    return {
        name: (
            sum(p.numel() for p in network.parameters()),
            multiplications(network, clip) / 128e6,
            float(np.median(spent[name])),
        )
        for name, network in made.items()
    }


def multiplications(network: torch.nn.Module, clip: torch.Tensor) -> float:
    """Count what convolutions and dense layers multiply."""
    total = [0.0]

    def count(layer: torch.nn.Module, inputs: tuple, out: torch.Tensor) -> None:
        weight = layer.weight
        if isinstance(layer, torch.nn.ConvTranspose3d):
            total[0] += inputs[0].numel() * weight[0].numel()
        else:
            total[0] += out.numel() * weight[0].numel()

    kinds = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d, torch.nn.ConvTranspose3d, torch.nn.Linear)
    hooks = [x.register_forward_hook(count) for x in network.modules() if isinstance(x, kinds)]
    with torch.no_grad():
        network(clip)
    for hook in hooks:
        hook.remove()
    return total[0]


def claims(lines: list[dict], groups: dict[str, list[str]], cost: dict[str, tuple[int, float, float]]) -> list[str]:
    """Answer what the paper claims of its own networks, by ours."""
    mae = {
        n: float(np.mean([figures([x for x in lines if x["method"] == m])[0] for m in f])) for n, f in groups.items()
    }
    out = ["| claim, as a hypothesis about ours | here | holds |", "|---|---|---|"]
    if {"teacher", "imitation", "dilate"} <= mae.keys():
        lost = mae["imitation"] / mae["teacher"] - 1
        out.append(
            f"| the distilled student loses at most 10 % to its teacher | MAE {mae['imitation']:.1f} against "
            f"{mae['teacher']:.1f}, {lost:+.0%} | {'yes' if lost <= 0.1 else 'no'} |"
        )
        best = min((n for n in ("mse", "pearson", "dilate") if n in mae), key=mae.__getitem__)
        for words, alone in (("that learnt alone from the same label", "dilate"), ("that learnt best alone", best)):
            out.append(
                f"| it beats the student {words} | {mae['imitation']:.1f} against {mae[alone]:.1f} "
                f"({TOLD[alone].removeprefix('student, ')}) | {'yes' if mae['imitation'] < mae[alone] else 'no'} |"
            )
    for what, place in (("parameters", 0), ("time", 2)):
        share = {n: cost["student"][place] / cost[n][place] for n in ("TS-CAN", "EfficientPhys-C")}
        told = ", ".join(f"{s:.0%} of {n}'s" for n, s in share.items())
        out.append(
            f"| it has under half the {what} of both | {told} | {'yes' if max(share.values()) < 0.5 else 'no'} |"
        )
    return out


def main() -> None:
    """Train or score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "export", "score"])
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=list(TOLD))
    parser.add_argument("--bench", type=Path, nargs="+", help="folder that perfuse bench wrote")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--set", nargs="+", default=[], help="KEY=VALUE, for all recipes")
    options = parser.parse_args()
    {"train": teach, "export": export, "score": score}[options.what](options)


if __name__ == "__main__":
    main()
