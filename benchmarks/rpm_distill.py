"""Does a radar help a face-video network that has few labels, and a policy beyond it? RPM-Distill's claim.

    python benchmarks/rpm_distill.py train --runs RUNS [--seeds 0 1 2] [--only teacher alone uniform ...]
                                           [--spoiled 0 0.4] [--labels 0.01] [--set steps=1000 ...]
    python benchmarks/rpm_distill.py score --runs RUNS --out docs/results/rpm_distill.md
    python benchmarks/rpm_distill.py cost [--set ...]

All learn from the same films and start from the same weights; only who says what differs. ``train`` trains what is
missing, the radar network first, and goes on where it was stopped; all runs share two banks of clips. ``score`` shows
every student the same clips of people nobody trained on, of four domains, and writes the tables. ``cost`` measures
what a step of each takes, and what a painted clip.

The policy learns from labelled people held back. So that its labels are no unfair help, ``alone-more`` is given as
many more labelled clips.
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
from perfuse.data.cache import default_cache
from perfuse.export.run import open_run
from perfuse.learn.bank import open_bank
from perfuse.learn.loop import train
from perfuse.learn.recipe import Recipe
from perfuse.learn.sources import HELD_CLIPS
from perfuse.papers.known import find_recipe, make_task
from perfuse.papers.rpm_distill.explain import gates_of
from perfuse.papers.rpm_distill.task import RpmTask
from perfuse.signal.filters import bandpass
from perfuse.signal.spectrum import strongest_hz
from perfuse.synth.batch import Batch
from perfuse.synth.stream import stream

TOLD = {
    "alone": "labels alone",
    "alone-more": "labels alone, and those that the policy learns from",
    "uniform": "+ radar, always believed",
    "policy-blind": "+ radar, a policy that sees nothing of the clip",
    "policy": "+ radar, the policy",
    "oracle": "+ radar, believed where it is right",
}
DOMAINS = ("paired-radar", "dim-flicker", "motion", "dark-skin")
CLIPS, FRAMES, OTHER = 96, 256, 2_000_003
"""Of the score: clips of each domain, samples of each (8.5 s), and the seed of their people."""
BAND_HZ, CLOSE = (0.6, 4.0), 5.0


def recipe_of(name: str, seed: int, options: argparse.Namespace, spoiled: float) -> Recipe:
    """Return the recipe of a variant."""
    changes = dict(word.split("=", 1) for word in options.set)
    if name == "teacher":
        return find_recipe("rpm_distill/teacher-desk", {"seed": str(seed), **changes})
    base = find_recipe("rpm_distill/desk", changes)
    labels = options.labels
    if name == "alone-more":
        assert base.simulated is not None
        labels = min(1.0, labels + min(HELD_CLIPS, base.simulated.bank) / base.simulated.bank)
    model = {
        **base.model, "trust": False, "teacher": str(options.runs / f"teacher-{seed}"), "labels": labels,
        "mode": "alone" if name.startswith("alone") else name, "teacher_spoiled": spoiled,
    }  # fmt: skip
    own = {"seed": str(seed), "model": json.dumps(model), "validation": json.dumps({"every": 0})}
    return find_recipe("rpm_distill/desk", {**changes, **own})


def wanted(options: argparse.Namespace):
    """Yield every run that is asked for: variant, seed, share of spoiled teachers, folder."""
    for seed in options.seeds:
        names = options.only or ["teacher", *TOLD]
        if "teacher" in names:
            yield "teacher", seed, 0.0, options.runs / f"teacher-{seed}"
        for spoiled in options.spoiled:
            for name in names:
                if name.startswith("alone") and spoiled == options.spoiled[0]:
                    yield name, seed, 0.0, options.runs / f"{name}-0-{seed}"  # no teacher, no spoiled one
                elif name in TOLD and not name.startswith("alone"):
                    yield name, seed, spoiled, options.runs / f"{name}-{spoiled:g}-{seed}"


def teach(options: argparse.Namespace) -> None:
    """Train what is missing."""
    for name, seed, spoiled, folder in wanted(options):
        recipe = recipe_of(name, seed, options, spoiled)
        begin, cpu = time.perf_counter(), time.process_time()

        def tick(done: float, _: float | None, told: str | None = None, what: str = folder.name) -> None:
            if int(done) % 50 == 0:
                print(f"\r{what}: {done:.0f} {told or ''}   ", end="", file=sys.stderr)

        done = train(recipe, make_task(recipe), folder, progress=tick)
        spent = f"{time.perf_counter() - begin:.0f} s, {time.process_time() - cpu:.0f} of this process"
        print(f"\n{folder.name}: {done.steps} steps, {spent}", flush=True)


# --- the tables


def judged(domain: str, view, options: argparse.Namespace) -> list[Batch]:
    """Return the clips of a domain that students are scored on; painted once."""
    bank = open_bank(
        default_cache(), view, frames=FRAMES, clips=options.clips, seed=OTHER, domains={domain: 1.0}, radar=True
    )
    bank.paint(2)
    rows = np.arange(options.clips)
    return [bank.batch(rows[k : k + 16]) for k in range(0, len(rows), 16)]


def figures(ask, batches: list[Batch]) -> tuple[float, float, float]:
    """Return MAE per minute, the share within 5, and the mean r of waves; ``ask`` turns a batch into waves (B, T)."""
    errors, waves = [], []
    for batch in batches:
        with torch.no_grad():
            said = ask(batch).double().numpy()
        for wave, pulse, rate in zip(said, batch.pulse.numpy(), batch.heart_rate.numpy()):
            read = 60.0 * strongest_hz(bandpass(wave, batch.rate_hz, *BAND_HZ), batch.rate_hz, BAND_HZ)
            errors.append(abs((read if np.isfinite(read) else 0.0) - rate))
            waves.append(float(np.corrcoef(wave, pulse)[0, 1]) if wave.std() > 0 else 0.0)
    error = np.array(errors)
    return float(error.mean()), float((error <= CLOSE).mean()), float(np.mean(waves))


def speaker(folder: Path):
    """Return who is asked, as a function of a batch."""
    task, _ = open_run(folder)
    student = task.student.eval()
    if isinstance(task, RpmTask) and task.senses:
        return task.view, lambda batch: student(batch.radar)["pulse"]
    return task.view, lambda batch: student(batch.clip)["pulse"]


def score(options: argparse.Namespace) -> None:
    """Write the tables."""
    found: dict[tuple[str, str], list[dict[str, tuple[float, float, float]]]] = {}
    gates: dict[str, list[float]] = {}
    kept: dict[str, list[Batch]] = {}
    for place in sorted(options.runs.glob("*-[0-9]")):
        if not (place / "last.pt").exists():
            continue
        name, _, rest = place.name.removeprefix("alone-more").partition("-")
        name = "alone-more" if place.name.startswith("alone-more") else name
        if place.name.startswith("policy-blind"):
            name, rest = "policy-blind", place.name.removeprefix("policy-blind-")
        spoiled = rest.rpartition("-")[0]
        view, ask = speaker(place)
        for domain in DOMAINS:
            kept.setdefault(domain, judged(domain, view, options))
        found.setdefault((name, spoiled), []).append({d: figures(ask, kept[d]) for d in DOMAINS})
        if name == "policy":
            gates.setdefault(spoiled, []).append(gates_of(place, options.clips).auc())
    text = "\n".join(tables(found, gates, options))
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def tables(found: dict, gates: dict, options: argparse.Namespace) -> list[str]:
    """Return the page."""
    seeds = max((len(runs) for runs in found.values()), default=0)
    lines = [
        "# RPM-Distill: what a radar, and a policy, do for a student with few labels",
        "",
        f"Made by `benchmarks/rpm_distill.py`{' with ' + ' '.join(options.set) if options.set else ''}, "
        f"{time.strftime('%Y-%m-%d')}, {machine()}, torch {torch.__version__}. Losses and policy are those of the "
        "authors' release, student and radar network ours, people simulated: no number here is the paper's.",
        "",
        f"{options.labels:.0%} of the training's clips have a label. People nobody trained on, {options.clips} clips "
        f"of {FRAMES / 30:.1f} s a domain, {seeds} seed{'s' * (seeds != 1)}; each cell: MAE per minute, share within "
        "5, mean r of waves. Spoiled: clips in which the radar tells of somebody else's heart, beyond the three in "
        "ten radars that the simulator spoils.",
        "",
        "| | spoiled | " + " | ".join(DOMAINS) + " | all |",
        "|---" * (len(DOMAINS) + 3) + "|",
    ]
    order = ["teacher", *TOLD]
    for name, spoiled in sorted(found, key=lambda key: (key[1] or "0", order.index(key[0]))):
        runs = found[name, spoiled]
        cells = [cell([run[d] for run in runs]) for d in DOMAINS] + [cell([overall(run) for run in runs])]
        words = "radar network" if name == "teacher" else TOLD[name]
        lines.append(f"| {words} | {spoiled or '–'} | " + " | ".join(cells) + " |")
    for spoiled, told in gates.items():
        seen = [share for share in told if np.isfinite(share)]
        if seen:
            lines += [
                "",
                f"Gate wider where the teacher is right in {np.mean(seen):.0%} of pairs, spoiled {spoiled}.",
            ]
    return [*lines, "", *claims(found)]


def overall(run: dict[str, tuple[float, float, float]]) -> tuple[float, float, float]:
    """Return the mean over domains."""
    mae, close, r = (float(np.mean(column)) for column in zip(*run.values()))
    return mae, close, r


def cell(values: list[tuple[float, float, float]]) -> str:
    """Return the means over seeds, and the spread of the error."""
    mae, close, r = zip(*values)
    spread = f" ± {np.std(mae, ddof=1):.1f}" if len(mae) > 1 else ""
    return f"{np.mean(mae):.1f}{spread}, {np.mean(close):.0%}, {np.mean(r):.2f}"


def claims(found: dict) -> list[str]:
    """Answer the abstract's claims as hypotheses about ours."""
    base = {"alone": "labels alone", "alone-more": "labels alone and the policy's"}
    lines = ["| claim of the abstract, here | spoiled | MAE | r | holds |", "|---|---|---|---|---|"]
    for (name, spoiled), runs in found.items():
        if name != "policy":
            continue
        mae, _, r = (float(np.mean(c)) for c in zip(*map(overall, runs)))
        for other, words in base.items():
            if (other, "0") in found:
                was, _, before = (float(np.mean(c)) for c in zip(*map(overall, found[other, "0"])))
                less, more = 1 - mae / was, r / before - 1 if before > 0 else float("nan")
                holds = "yes" if less >= 0.81 and more >= 0.21 else "in part" if less > 0 and more > 0 else "no"
                lines.append(
                    f"| 81 % less error, 21 % more correlation than {words} | {spoiled} | {less:+.0%} less | "
                    f"{f'{more:+.0%}' if before > 0 else 'no r to compare'} | {holds} |"
                )
        if ("uniform", spoiled) in found:
            was = float(np.mean([overall(run)[0] for run in found["uniform", spoiled]]))
            lines.append(
                f"| the policy beats believing always | {spoiled} | {mae:.1f} against {was:.1f} | | "
                f"{'yes' if mae < was else 'no'} |"
            )
    return lines


# --- what it costs


def cost(options: argparse.Namespace) -> None:
    """Print CPU seconds of this process a step, by variant, and a painted clip."""
    torch.set_num_threads(1)
    recipe = find_recipe("rpm_distill/desk", dict(word.split("=", 1) for word in options.set))
    how, frames = recipe.simulated, recipe.crop or recipe.frames
    assert how is not None
    made = stream(
        make_task(recipe).view, batch=recipe.batch, frames=recipe.frames, seed=1, domains=how.domains, radar=True,
        device="cpu",
    )  # fmt: skip
    next(made)
    begin = time.process_time()
    whole = next(made)
    print(f"painting: {(time.process_time() - begin) / recipe.batch:.3f} s a clip")
    batch = Batch(
        whole.clip[:, :, :frames], whole.pulse[:, :frames], whole.contact[:, :frames],
        whole.contact_valid[:, :frames], whole.respiration[:, :frames], whole.radar[:, :, :frames],
        whole.heart_rate, whole.respiratory_rate, whole.rate_hz, whole.items, whole.settings,
    )  # fmt: skip
    for name, model in [
        ("teacher", {"network": "radar-phase"}),
        *((mode, {"mode": mode}) for mode in ("alone", "uniform", "policy")),
    ]:
        asked = {**recipe.model, "teacher": "contact", "trust": False, **model}
        task = RpmTask(**asked)
        optimiser = torch.optim.AdamW(task.student.parameters(), 1e-3)
        spent, looks = [], []
        for _ in range(4):
            begin = time.process_time()
            losses = task.losses(batch)
            optimiser.zero_grad()
            sum(task.weights[k] * v for k, v in losses.items() if task.weights.get(k)).backward()
            optimiser.step()
            middle = time.process_time()
            if task.learner is not None:
                task.update(batch, batch, 1e-3, lambda _: None)
            spent.append(middle - begin)
            looks.append(time.process_time() - middle)
        every = task.learner.schedule.interval if task.learner is not None else 1
        step = min(spent) + min(looks) / every
        whole_run = f"{recipe.steps} steps: {recipe.steps * step:.0f} s"
        print(f"{name}: {1000 * step:.0f} ms a step of {recipe.batch} clips; {whole_run}")


def main() -> None:
    """Train, score, or say what it costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "score", "cost"])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=["teacher", *TOLD])
    parser.add_argument("--spoiled", type=float, nargs="+", default=[0.0, 0.4])
    parser.add_argument("--labels", type=float, default=0.01)
    parser.add_argument("--clips", type=int, default=CLIPS, help="of each domain, to score on")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--set", nargs="+", default=[], help="KEY=VALUE, for all recipes")
    options = parser.parse_args()
    {"train": teach, "score": score, "cost": cost}[options.what](options)


if __name__ == "__main__":
    main()
