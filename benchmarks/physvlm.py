"""What each part of the PhysVLM-style network is worth where it never was, and whether a teacher needs words.

    python benchmarks/physvlm.py train --runs RUNS [--seeds 0 1 2] [--only LABEL ...] [--domains lab talk ...]
                                       [--readings docs/results/physvlm.json] [--clip DIR] [--set steps=200 ...]
    python benchmarks/physvlm.py score --runs RUNS --readings docs/results/physvlm.json --out docs/results/physvlm.md
                                       [--clips 48] [--seeds 0 1 2]
    python benchmarks/physvlm.py cost [--set ...]

One domain is left out at a time: students learn from all others, and are scored on people of that one; where that is
the newborn, adults are replayed faster. Rows of the ablation add one part after the other; then teachers are compared
on the whole of it. ``train`` trains what is missing in runs and readings, and goes on where it was stopped: every run
shares its domain's bank of clips. ``score`` shows all students that were not read yet the same clips, and writes the
page; what was read is kept in ``--readings``. ``--clip`` names a folder of CLIP or SigLIP, or of ``perfuse teacher
adapt``; without it the page says that no such model was there.

Cheap on purpose: 16 channels, 512 clips of 300 frames, 100 steps of 8 crops of 256; scores are on 20 s. What is
measured is what parts are worth at that size.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from classical import waves
from pages import finished, known, readings, renew

from perfuse.bench.machine import machine
from perfuse.core.method import Method
from perfuse.data.cache import default_cache
from perfuse.export.run import open_run
from perfuse.learn.bank import open_bank
from perfuse.learn.loop import train
from perfuse.learn.recipe import Recipe
from perfuse.methods import chrom, pos
from perfuse.papers.known import find_recipe, make_task
from perfuse.papers.physvlm.cells import rising
from perfuse.papers.physvlm.objective import TAUGHT, WEIGHTS
from perfuse.papers.physvlm.priors import Priors, prior_of, words_of
from perfuse.papers.physvlm.prompts import BREATHS, PULSES
from perfuse.papers.physvlm.provide import load_teacher
from perfuse.papers.physvlm.reading import POPULATIONS, strongest_rate
from perfuse.report.files import write_atomic
from perfuse.synth.batch import Batch

DOMAINS = ("lab", "talk", "motion", "dim-flicker", "dark-skin", "webcam", "neonate")
TINY = "tiny"
SUPERVISED = {"pulse", "respiration", "heart_rate", "respiratory_rate", "pulse_line", "breath_line"}
CROSSED = {name for name in WEIGHTS if name.endswith(("_lost", "_strayed", "_agrees"))} | {"coupling", "gates"}
BARE = {"wavelets": False, "attention": False}
RHYTHMS = {"pulse_rhythm", "breath_rhythm"}
STAGES: dict[str, tuple[str, dict, set[str]]] = {
    "supervised": ("labels alone", BARE, SUPERVISED),
    "view": ("+ view consistency", BARE, SUPERVISED | {"view"}),
    "distilled": ("+ distillation, a small teacher", BARE, SUPERVISED | {"view"} | TAUGHT - RHYTHMS),
    "wavelets": ("+ wavelet blocks", {"attention": False}, SUPERVISED | {"view"} | TAUGHT - RHYTHMS),
    "attention": ("+ frequency-aligned attention", {}, SUPERVISED | {"view"} | set(TAUGHT)),
    "whole": ("+ cross-task consistency: all of it", {}, SUPERVISED | {"view"} | set(TAUGHT) | CROSSED),
}
"""Row to words, switches of the student, and losses that keep their weight. All but the first three use the same
teacher, the small one."""
TAUGHT_BY = {
    "nobody": "all of it, but nobody teaches",
    "spectral": "all of it, a spectrum teaches",
    "clip": "all of it, CLIP teaches",
}
"""Compared with ``whole``."""
LACKING: dict[str, tuple[str, dict[str, Any]]] = {
    "supervised-cells": ("labels alone, and POS is not shown", {"model": {"projected": False}}),
    "supervised-steady": ("labels alone, and adults are not replayed faster", {"augment": {"speed": [1, 1]}}),
}
"""Compared with ``supervised``: what every other student has and these have not; the latter only where the newborn
are left out, since nobody is replayed elsewhere."""
CLASSICAL = {"pos": ("POS, on the mean of the middle cells", pos.METHOD), "chrom": ("CHROM, likewise", chrom.METHOD)}
"""Learn nothing, and say nothing of breathing."""
RISING = "rising"
"""Learns nothing either, and says nothing of the pulse: what rises in the lowest rows of cells."""
TEACHERS = {"spectral-itself": "the spectrum that teaches, itself", "tiny-itself": "the small teacher, itself"}
"""Asked for the likeliest caption: how right they are to begin with."""
WORDS = {
    **{label: words for label, (words, _) in CLASSICAL.items()},
    RISING: "what rises in the lowest two rows of cells",
    **TEACHERS,
    **{label: words for label, (words, _, _) in STAGES.items()},
    **TAUGHT_BY,
    **{label: words for label, (words, _) in LACKING.items()},
}
"""Rows of the tables, in their order."""
CLIPS, FRAMES, CROP, BANK, OTHER = 48, 300, 256, 512, 2_000_003
LONG = 600
"""Samples of a clip that is scored: 20 s, since 8.5 tell breathing to 14 per minute only."""
CHEAP = {
    "steps": "100", "batch": "8", "frames": str(FRAMES), "crop": str(CROP), "workers": "1", "save_every": "100",
    "validation": json.dumps({"every": 0}), "optimiser": json.dumps({"ema": 0.95, "lr": 5e-3, "warmup": 15}),
}  # fmt: skip
AUGMENT = {"gain": 0.1, "tint": 0.05, "noise": 0.15, "speed": [1, 1]}
FASTER = [0.8, 2.2]
"""How adults are replayed where the newborn are left out: whose rates cannot be learnt of adults as they are."""


def changes(options: argparse.Namespace) -> dict[str, str]:
    """Return what ``--set`` says."""
    return dict(word.split("=", 1) for word in options.set)


def simulated(domain: str, bank: int) -> str:
    """Return the data of a run that leaves a domain out; adults alone where the newborn are left out."""
    return json.dumps({"domains": {name: 1.0 for name in DOMAINS if name != domain}, "bank": bank})


def recipe_of(label: str, domain: str, seed: int, options: argparse.Namespace) -> Recipe:
    """Return the recipe of a run."""
    augment = {**AUGMENT, "speed": FASTER} if domain == "neonate" else AUGMENT
    cheap = {
        **CHEAP, "augment": json.dumps(augment), "simulated": simulated(domain, options.bank), "seed": str(seed)
    }  # fmt: skip
    if label == TINY:
        own = {"batch": "48", "steps": "300", "optimiser": json.dumps({"ema": 0.95})}
        asked = {**cheap, **own, **changes(options)}
        return find_recipe("physvlm/tiny-desk", asked)
    lacks = LACKING[label][1] if label in LACKING else {}
    label = "supervised" if lacks else label
    who = {"nobody": "", "spectral": "spectral", "clip": str(options.clip)}.get(
        label, str(options.runs / domain / f"{TINY}-0")
    )
    _, switches, kept = STAGES[label if label in STAGES else "whole"]
    if label in ("supervised", "view"):
        who = ""
    kept = kept - TAUGHT if not who else kept
    shipped = {**WEIGHTS, **find_recipe("physvlm/ship").weights, "view": WEIGHTS["view"]}  # waves first
    weights = {name: shipped[name] if name in kept else 0.0 for name in WEIGHTS} | {"quality": 0.0}
    model = {
        "channels": 16,
        "trust": False,
        "teacher": who,
        "held_out": [domain],
        **switches,
        **lacks.get("model", {}),
    }
    own = {
        "model": json.dumps(model),
        "weights": json.dumps(weights),
        "augment": json.dumps({**augment, **lacks.get("augment", {})}),
    }
    return find_recipe("physvlm/desk", {**cheap, **own, **changes(options)})


def wanted(options: argparse.Namespace) -> Iterator[tuple[str, str, int, Path]]:
    """Yield every run that is asked for and not read yet: label, domain left out, seed, folder; teachers first."""
    done = known(options)
    labels = options.only or [*STAGES, *(name for name in TAUGHT_BY if name != "clip" or options.clip), *LACKING]
    for domain in options.domains:
        missing = [
            (label, seed)
            for seed in options.seeds
            for label in labels
            # elsewhere it is the first row
            if f"{domain}/{label}-{seed}" not in done and (label != "supervised-steady" or domain == "neonate")
        ]
        if {label for label, _ in missing} & {"distilled", "wavelets", "attention", "whole"}:
            yield TINY, domain, 0, options.runs / domain / f"{TINY}-0"
        for label, seed in missing:
            yield label, domain, seed, options.runs / domain / f"{label}-{seed}"


def teach(options: argparse.Namespace) -> None:
    """Train what is missing."""
    for label, domain, seed, folder in wanted(options):
        recipe = recipe_of(label, domain, seed, options)
        begin, cpu = time.perf_counter(), time.process_time()

        def tick(
            done: float, _: float | None, told: str | None = None, what: str = f"{domain} {folder.name}"
        ) -> None:
            if int(done) % 20 == 0:
                print(f"\r{what}: {done:.0f} {told or ''}   ", end="", file=sys.stderr)

        done = train(recipe, make_task(recipe), folder, progress=tick)
        spent = f"{time.perf_counter() - begin:.0f} s, {time.process_time() - cpu:.0f} of this process"
        print(f"\n{domain} {folder.name}: {done.steps} steps, {spent}", flush=True)


# --- the page

Row = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Pulse read and true, breathing read and true, per minute."""


def judged(domain: str, view, clips: int) -> list[Batch]:
    """Return the clips of a domain that students are scored on; painted once."""
    bank = open_bank(default_cache(), view, frames=LONG, clips=clips, seed=OTHER, domains={domain: 1.0})
    bank.paint(1)
    return [bank.batch(np.arange(k, min(k + 16, clips))) for k in range(0, clips, 16)]


def read(folder: Path, batches: list[Batch]) -> Row:
    """Return what a student reads."""
    task, _ = open_run(folder)
    student, bands = task.student.eval(), POPULATIONS["all"]
    found: list[list[np.ndarray]] = [[], [], [], []]
    for batch in batches:
        with torch.no_grad():
            said = student(batch.clip)
        for place, name, band in ((0, "pulse", bands.pulse_hz), (2, "respiration", bands.breath_hz)):
            found[place].append(np.nan_to_num(strongest_rate(said[name], band, batch.rate_hz).numpy()))
        found[1].append(batch.heart_rate.numpy())
        found[3].append(batch.respiratory_rate.numpy())
    return tuple(np.concatenate(column) for column in found)  # type: ignore[return-value]


def projected(method: Method, batches: list[Batch]) -> Row:
    """Return what a method without weights reads."""
    found = []
    for batch in batches:
        said = torch.from_numpy(waves(method, batch))
        found.append(np.nan_to_num(strongest_rate(said, POPULATIONS["all"].pulse_hz, batch.rate_hz).numpy()))
    true, breaths = truths(batches)
    return np.concatenate(found), true, np.full(len(true), np.nan), breaths


def raised(batches: list[Batch]) -> Row:
    """Return how fast what rises in the lowest rows does so."""
    found = []
    for batch in batches:
        whole = torch.isfinite(batch.clip).all(2).all(1)
        clip = torch.where(whole[:, None, None], batch.clip, 0.0)
        mean = clip.mean(2, keepdim=True)
        up = (rising(clip - mean, mean[:, :, 0], whole) * whole[:, None])[:, :, -2:].mean((2, 3))
        found.append(np.nan_to_num(strongest_rate(up, POPULATIONS["all"].breath_hz, batch.rate_hz).numpy()))
    true, breaths = truths(batches)
    return np.full(len(true), np.nan), true, np.concatenate(found), breaths


def truths(batches: list[Batch]) -> tuple[np.ndarray, np.ndarray]:
    """Return the true rates of pulse and breathing."""
    rates = [(batch.heart_rate.numpy(), batch.respiratory_rate.numpy()) for batch in batches]
    pulses, breaths = zip(*rates)
    return np.concatenate(pulses), np.concatenate(breaths)


def captioned(source: str, batches: list[Batch]) -> Row:
    """Return the rates of the captions that a teacher finds likeliest."""
    teacher = load_teacher(source)
    assert not isinstance(teacher, Priors)
    words = words_of(teacher)
    found: list[list[np.ndarray]] = [[], [], [], []]
    for batch in batches:
        prior = prior_of(teacher, words, batch.clip)
        for place, (posterior, rates) in enumerate(((prior.pulse, PULSES), (prior.breath, BREATHS))):
            found[2 * place].append(np.array(rates, float)[posterior.argmax(1).numpy()])
        found[1].append(batch.heart_rate.numpy())
        found[3].append(batch.respiratory_rate.numpy())
    return tuple(np.concatenate(column) for column in found)  # type: ignore[return-value]


def figures(said: np.ndarray, true: np.ndarray) -> tuple[float, float, float]:
    """Return MAE and RMSE per minute, and Pearson's r of rates over clips; NaN where nothing was said."""
    known = np.isfinite(true) & np.isfinite(said)
    if not known.any():
        return float("nan"), float("nan"), float("nan")
    said, true = said[known], true[known]
    error = said - true
    r = float(np.corrcoef(said, true)[0, 1]) if said.std() > 0 and true.std() > 0 else float("nan")
    return float(np.abs(error).mean()), float(np.sqrt((error**2).mean())), r


def score(options: argparse.Namespace) -> None:
    """Read what was not read yet, and write the page."""
    file, rows = readings(options), known(options)
    asked: dict[str, Callable[[list[Batch]], Row]] = {}
    view = None
    for domain in DOMAINS:
        done = [place for place in (options.runs / domain).glob("*-[0-9]*") if finished(place)]
        for place in done:
            view = view or open_run(place)[0].view
            label, _, number = place.name.rpartition("-")
            if label in (*STAGES, *TAUGHT_BY, *LACKING):
                asked[f"{domain}/{place.name}"] = partial(read, place)
            elif label == TINY:
                asked[f"{domain}/tiny-itself-{number}"] = partial(captioned, str(place))
        if done:
            for label, (_, method) in CLASSICAL.items():
                asked[f"{domain}/{label}-0"] = partial(projected, method)
            asked[f"{domain}/{RISING}-0"] = raised
            asked[f"{domain}/spectral-itself-0"] = partial(captioned, "spectral")
    kept: dict[str, list[Batch]] = {}
    for key in sorted(asked.keys() - rows.keys()):
        domain = key.partition("/")[0]
        if domain not in kept:
            kept = {domain: judged(domain, view, options.clips)}  # the others are on disk
        rows[key] = [
            [round(x, 2) if np.isfinite(x) else None for x in column.tolist()] for column in asked[key](kept[domain])
        ]
        write_atomic(file, json.dumps(rows, sort_keys=True))
    if not rows:
        sys.exit(f"{options.runs} holds no run: train first.")
    table: dict[tuple[str, str], list[Row]] = {}
    for key, row in sorted(rows.items()):
        domain, _, place = key.partition("/")
        label, _, number = place.rpartition("-")
        if int(number) in options.seeds:
            columns = tuple(np.array(column, float) for column in row)
            table.setdefault((label, domain), []).append(columns)  # type: ignore[arg-type]
    text = "\n".join(page(table, options))
    print(text)
    if options.out:
        renew(options.out, text)


def page(rows: dict[tuple[str, str], list[Row]], options: argparse.Namespace) -> list[str]:
    """Return the page's lines."""
    seeds = max(len(runs) for runs in rows.values())
    there = [domain for domain in DOMAINS if any(one == domain for _, one in rows)]
    labels = [label for label in WORDS if any(one == label for one, _ in rows)]
    lines = [
        "# PhysVLM-style: is a teacher with words needed, and what is each part worth?",
        "",
        f"Made by `benchmarks/physvlm.py`{' with ' + ' '.join(options.set) if options.set else ''}, "
        f"{time.strftime('%Y-%m-%d')}, {machine()}, torch {torch.__version__}. Reconstructed from an abstract, "
        "people simulated, students of 16 channels after a short training: no number here is the paper's.",
        "",
        f"Each column's domain was left out of training, teacher and choice of weights; {options.clips} clips of "
        f"{LONG / 30:.0f} s a domain, {seeds} seed{'s' * (seeds != 1)}. Cells: MAE / RMSE per minute, r of rates "
        "over clips; ± is the spread of the MAE over seeds, of one seed where there is none. Rates are a wave's "
        "strongest line, all ages allowed.",
    ]
    for name, at in (("Pulse", 0), ("Breathing", 2)):
        lines += ["", f"## {name}", "", "| | " + " | ".join(there) + " | all |", "|---" * (len(there) + 2) + "|"]
        for label in labels:
            cells = [cell(rows.get((label, domain), []), at) for domain in there]
            if {*cells} != {"–"}:  # else it says nothing of this
                lines.append(f"| {WORDS[label]} | " + " | ".join(cells) + f" | {overall(rows, label, there, at)} |")
    return [*lines, *newborn(rows, labels), *needed(rows, there, options)]


def cell(runs: list[Row], at: int) -> str:
    """Return the means over seeds."""
    if not runs:
        return "–"
    found = np.array([figures(run[at], run[at + 1]) for run in runs])
    spread = f" ± {found[:, 0].std(ddof=1):.1f}" if len(runs) > 1 else ""
    mae, rmse, r = found.mean(0)
    if not np.isfinite(mae):
        return "–"
    return f"{mae:.1f}{spread} / {rmse:.1f}, {r:.2f}"


def mean_error(rows: dict[tuple[str, str], list[Row]], label: str, domains: list[str], at: int) -> float:
    """Return the mean over domains of the MAE; NaN where one is missing."""
    found = [
        np.mean([figures(run[at], run[at + 1])[0] for run in rows[label, d]]) for d in domains if (label, d) in rows
    ]
    return float(np.mean(found)) if len(found) == len(domains) else float("nan")


def overall(rows: dict[tuple[str, str], list[Row]], label: str, domains: list[str], at: int) -> str:
    """Return the mean error over domains, as a cell."""
    mean = mean_error(rows, label, domains, at)
    return f"{mean:.1f}" if np.isfinite(mean) else "–"


def newborn(rows: dict[tuple[str, str], list[Row]], labels: list[str]) -> list[str]:
    """Return the table of adults to newborn: all ages allowed, and told that it is a neonate."""
    if not any(domain == "neonate" for _, domain in rows):
        return []
    bands = POPULATIONS["neonate"]
    lines = [
        "",
        "## From adults to the newborn",
        "",
        "No newborn was in the training. The last column leaves out clips that were read outside of "
        f"{60 * bands.pulse_hz[0]:.0f} to {60 * bands.pulse_hz[1]:.0f} per minute: what a monitor that knows the age "
        "would refuse to show.",
        "",
        "| | pulse | breathing | pulse, possible answers alone |",
        "|---|---|---|---|",
    ]
    for label in labels:
        runs = rows.get((label, "neonate"), [])
        if not runs:
            continue
        shares, errors = [], []
        for said, true, _, _ in runs:
            inside = (said >= 60 * bands.pulse_hz[0]) & (said <= 60 * bands.pulse_hz[1]) & np.isfinite(true)
            shares.append(inside.mean())
            errors.append(np.abs(said - true)[inside].mean() if inside.any() else np.nan)
        told = f"{np.nanmean(errors):.1f} of {np.mean(shares):.0%}" if np.isfinite(errors).any() else "none"
        lines.append(f"| {WORDS[label]} | {cell(runs, 0)} | {cell(runs, 2)} | {told} |")
    return lines


def needed(rows: dict[tuple[str, str], list[Row]], domains: list[str], options: argparse.Namespace) -> list[str]:
    """Say plainly whether a language model was needed."""
    lines = ["", "## Was a language model needed?", ""]
    names = {"whole": "the small teacher with captions", **{k: v.split(", ")[1] for k, v in TAUGHT_BY.items()}}
    for kind, at in (("pulse", 0), ("breathing", 2)):
        found = {label: mean_error(rows, label, domains, at) for label in names}
        found = {label: mae for label, mae in found.items() if np.isfinite(mae)}
        if len(found) < 2:
            continue
        told = ", ".join(f"{names[label]} {mae:.1f}" for label, mae in sorted(found.items(), key=lambda x: x[1]))
        lines.append(f"- {kind}, mean error over domains: {told}.")
    students = [mean_error(rows, label, domains, 0) for label in (*STAGES, *TAUGHT_BY, *LACKING)]
    best = min((x for x in students if np.isfinite(x)), default=np.nan)
    for label in CLASSICAL:
        unlearnt = mean_error(rows, label, domains, 0)
        if best > unlearnt:
            lines.append(
                f"- **No student is as good as {label.upper()}, which learns nothing** (pulse {unlearnt:.1f}, the "
                f"best student {best:.1f})."
            )
    if not any(label == "clip" for label, _ in rows):
        lines.append("- No vision-language model was at hand: nothing is said about CLIP or SigLIP.")
    worded = [label for label in ("clip", "whole") if any(one == label for one, _ in rows)]
    plain = [label for label in ("nobody", "spectral") if any(one == label for one, _ in rows)]
    if worded and plain:
        best = {
            side: min((mean_error(rows, label, domains, 0) for label in some), default=float("nan"))
            for side, some in (("words", worded), ("none", plain))
        }
        gain = best["none"] - best["words"]
        spread = spread_of(rows, domains)
        if not np.isfinite(spread):
            verdict, told = "cannot be judged from one seed", "no second seed says what chance does"
        else:
            told = f"seeds differ by {spread:.1f}"
            verdict = (
                "helped, by more than seeds differ" if gain > spread else
                "harmed, by more than seeds differ" if gain < -spread else
                "made no difference that seeds do not make as well"
            )  # fmt: skip
        lines.append(
            f"- For the pulse, a teacher with words {verdict}: {best['words']:.1f} against {best['none']:.1f} per "
            f"minute without words; {told}."
        )
    return lines


def spread_of(rows: dict[tuple[str, str], list[Row]], domains: list[str]) -> float:
    """Return by how much the mean pulse error over domains differs between seeds, at one standard deviation."""
    found = []
    for label in {label for label, _ in rows}:
        runs = [rows.get((label, domain), []) for domain in domains]
        count = min(len(one) for one in runs)
        if count > 1:
            means = [np.mean([figures(one[k][0], one[k][1])[0] for one in runs]) for k in range(count)]
            found.append(np.std(means, ddof=1))
    return float(np.mean(found)) if found else float("nan")


# --- what it costs


def cost(options: argparse.Namespace) -> None:
    """Print CPU seconds of this process a step, by row."""
    torch.set_num_threads(1)
    for label in (*STAGES, "nobody", "spectral", *LACKING):
        recipe = recipe_of(label, "lab", 0, options)
        model = {**recipe.model, "teacher": "spectral" if recipe.model["teacher"] else ""}
        torch.manual_seed(0)
        task = make_task(Recipe("physvlm", model=model, weights=recipe.weights))
        noise = 110 + torch.randn(recipe.batch, 3, recipe.crop, 8, 8)
        wave = torch.sin(torch.arange(recipe.crop) * 0.25).repeat(recipe.batch, 1)
        rate = torch.full((recipe.batch,), 72.0)
        batch = Batch(
            noise, wave, wave, wave > -2, wave, None, rate, rate / 5, 30.0, np.arange(recipe.batch), ()
        )  # fmt: skip
        spent = []
        for _ in range(3):
            begin = time.process_time()
            losses = task.losses(batch)
            sum(task.weights[k] * v for k, v in losses.items() if task.weights.get(k)).backward()
            spent.append(time.process_time() - begin)
        print(f"{label}: {1000 * min(spent):.0f} ms a step; {recipe.steps} steps: {recipe.steps * min(spent):.0f} s")


def main() -> None:
    """Train, score, or say what it costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "score", "cost"])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=[*STAGES, *TAUGHT_BY, *LACKING])
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=list(DOMAINS), help="to be left out")
    parser.add_argument("--clip", help="folder of CLIP or SigLIP, or of perfuse teacher adapt")
    parser.add_argument("--clips", type=int, default=CLIPS, help="of each domain, to score on")
    parser.add_argument("--bank", type=int, default=BANK, help="clips that students learn from")
    parser.add_argument("--readings", type=Path, help="what was read, so that runs need not be kept (readings.json)")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--set", nargs="+", default=[], help="KEY=VALUE, for all recipes")
    options = parser.parse_args()
    {"train": teach, "score": score, "cost": cost}[options.what](options)


if __name__ == "__main__":
    main()
