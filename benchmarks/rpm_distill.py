"""Does a radar help a face-video network that has few labels, and a policy beyond it? RPM-Distill's claim.

    python benchmarks/rpm_distill.py train --runs RUNS [--seeds 0 1 2] [--part core shares more late] [--set K=V ...]
                                           [--readings docs/results/rpm_distill.json]
    python benchmarks/rpm_distill.py score --runs RUNS --readings docs/results/rpm_distill.json
                                           --out docs/results/rpm_distill.md
    python benchmarks/rpm_distill.py cost [--set ...]

All learn from the same films and start from the same weights; only who says what differs. ``train`` trains what is
missing in runs and readings, the radar network of a seed first, and goes on where it was stopped; all runs share two
banks of clips. ``score`` shows every student that was not read yet the same clips of people nobody trained on, of
four domains, and writes the tables; what was read is kept in ``--readings``. ``cost`` measures what a step of each
takes, and what a painted clip.

The policy learns from labelled people held back. So that its labels are no unfair help, ``alone-more`` is given as
many more labelled clips. And few labels are in few batches: ``alone-long`` meets them four times as often.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from classical import waves
from numpy.typing import NDArray
from pages import finished, known, readings, renew

from perfuse.bench.machine import machine
from perfuse.export.run import open_run
from perfuse.learn.loop import train
from perfuse.learn.recipe import Recipe
from perfuse.learn.sources import HELD_CLIPS
from perfuse.methods import pos
from perfuse.papers.known import find_recipe, make_task
from perfuse.papers.rpm_distill.explain import looked, opened
from perfuse.papers.rpm_distill.task import RpmTask
from perfuse.report.files import write_atomic
from perfuse.signal.filters import bandpass
from perfuse.signal.spectrum import strongest_hz
from perfuse.synth.batch import Batch
from perfuse.synth.stream import stream

Floats = NDArray[np.float64]
TOLD = {
    "pos": "POS, which learns nothing",
    "teacher": "radar network",
    "alone": "labels alone",
    "alone-long": "labels alone, four times the steps",
    "alone-more": "labels alone, and those that the policy learns from",
    "alone-all": "labels alone, of all clips: what no teacher can better",
    "uniform": "+ radar, always believed",
    "policy-blind": "+ radar, a policy that sees nothing of the clip",
    "policy": "+ radar, the policy",
    "oracle": "+ radar, believed where it is right",
}
DOMAINS = ("paired-radar", "dim-flicker", "motion", "dark-skin")
TONES = {"light (Monk 1 to 3)": (1, 3), "medium (4 to 6)": (4, 6), "dark (7 to 10)": (7, 10)}
CLIPS, FRAMES, OTHER = 192, 256, 2_000_003
"""Of the score: clips of each domain, samples of each (8.5 s), and the seed of their people."""
BAND_HZ, CLOSE = (0.6, 4.0), 5.0
DRAWS = 1000
"""Of the bootstrap."""
LESS, MORE = 0.81, 0.21
"""The abstract's claim: so much less error, so much more correlation."""
FAINT = 0.05
"""Of an r below this no share is told."""
LONGER = 4
"""Times as many steps for ``alone-long``."""
FEW, SOME, USUAL = 0.01, 0.2, 0.3
"""Shares of labels, and the share of spoiled teachers where it is not what is asked about."""


@dataclass(frozen=True, order=True)
class Case:
    """What a run is told."""

    labels: float
    spoiled: float
    late_s: float
    mode: str

    @property
    def name(self) -> str:
        """Return its folder's name, without the seed."""
        return f"{self.mode}-{self.labels:g}-{self.spoiled:g}-{self.late_s:g}"


PARTS = {
    "core": [
        *(Case(FEW, 0.0, 0.0, mode) for mode in ("alone", "alone-more")),
        Case(1.0, 0.0, 0.0, "alone-all"),
        *(Case(FEW, USUAL, 0.0, mode) for mode in ("uniform", "policy", "oracle")),
    ],
    "shares": [Case(FEW, share, 0.0, mode) for share in (0.0, 0.6) for mode in ("uniform", "policy", "oracle")],
    "more": [
        Case(FEW, USUAL, 0.0, "policy-blind"),
        *(Case(SOME, 0.0, 0.0, mode) for mode in ("alone", "alone-more")),
        *(Case(SOME, USUAL, 0.0, mode) for mode in ("uniform", "policy", "oracle")),
    ],
    "long": [Case(FEW, 0.0, 0.0, "alone-long")],
    "late": [Case(FEW, USUAL, late, mode) for late in (1.0, 2.0) for mode in ("uniform", "policy")],
}
"""What ``train`` may be asked for, dearest questions first."""
POS, TEACHER = Case(0.0, 0.0, 0.0, "pos"), Case(0.0, 0.0, 0.0, "teacher")


def recipe_of(case: Case | None, seed: int, options: argparse.Namespace) -> Recipe:
    """Return the recipe of a case; of the radar network for None."""
    changes = dict(word.split("=", 1) for word in options.set)
    if case is None:
        return find_recipe("rpm_distill/teacher-desk", {"seed": str(seed), **changes})
    base = find_recipe("rpm_distill/desk", changes)
    labels = case.labels
    if case.mode == "alone-more":
        assert base.simulated is not None
        labels = min(1.0, labels + min(HELD_CLIPS, base.simulated.bank) / base.simulated.bank)
    model = {
        **base.model, "trust": False, "labels": labels, "teacher": str(options.runs / f"teacher-{seed}"),
        "mode": "alone" if case.mode.startswith("alone") else case.mode,
        "teacher_spoiled": case.spoiled, "teacher_late_s": case.late_s,
    }  # fmt: skip
    steps = base.steps * (LONGER if case.mode == "alone-long" else 1)
    own = {"seed": str(seed), "model": json.dumps(model), "validation": json.dumps({"every": 0}), "steps": str(steps)}
    return find_recipe("rpm_distill/desk", {**changes, **own})


def wanted(options: argparse.Namespace) -> Iterator[tuple[Case | None, int, Path]]:
    """Yield every run that is asked for, seed by seed."""
    for seed in options.seeds:
        yield None, seed, options.runs / f"teacher-{seed}"
        for part in options.part:
            yield from ((case, seed, options.runs / f"{case.name}-{seed}") for case in PARTS[part])


def told(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was read before: of every run its rates and its gate's, and the clips that were shown."""
    kept = known(options)
    if not kept:
        return {"clips": {}, "runs": {}}
    if len(kept["clips"]["truth"]) != len(DOMAINS) * options.clips or kept["set"] != sorted(options.set):
        asked = " ".join(kept["set"])
        sys.exit(f"{readings(options)} was made with other --clips or --set ({asked}): name another file.")
    return kept


def teach(options: argparse.Namespace) -> None:
    """Train what is missing; a radar network only where somebody is to learn from it."""
    read = told(options)["runs"] if options.readings else {}
    missing = [one for one in wanted(options) if one[2].name not in read]
    students = {seed for case, seed, _ in missing if case is not None}
    for case, seed, folder in wanted(options):
        if folder.name in read and (case is not None or seed not in students):
            continue
        recipe = recipe_of(case, seed, options)
        begin, cpu = time.perf_counter(), time.process_time()

        def tick(done: float, _: float | None, told: str | None = None, what: str = folder.name) -> None:
            if int(done) % 100 == 0:
                print(f"\r{what}: {done:.0f} {told or ''}   ", end="", file=sys.stderr)

        done = train(recipe, make_task(recipe), folder, progress=tick)
        spent = f"{time.perf_counter() - begin:.0f} s, {time.process_time() - cpu:.0f} of this process"
        print(f"\n{folder.name}: {done.steps} steps, {spent}", flush=True)


# --- what is scored


def judged(domain: str, view: Any, options: argparse.Namespace) -> tuple[list[Batch], NDArray[np.int64]]:
    """Return the clips of a domain that students are scored on, and the skin tone of each; painted once."""
    place = options.runs / f"judged-{domain}-{options.clips}-{view.rows}x{view.cols}.npz"
    names = ("clip", "pulse", "contact", "contact_valid", "respiration", "radar", "heart_rate", "respiratory_rate")
    if not place.exists():
        made = stream(view, batch=16, frames=FRAMES, seed=OTHER, domains=domain, radar=True)
        batches = [next(made) for _ in range(-(-options.clips // 16))]
        held = {name: np.concatenate([getattr(b, name) for b in batches]) for name in names}
        tones = np.array([one.tone for b in batches for one in b.settings])
        np.savez(place, tones=tones, **held)
    with np.load(place) as file:
        held = {name: torch.from_numpy(file[name]) for name in names}
        tones = file["tones"]
    items = np.arange(len(tones))
    cuts = [slice(k, k + 16) for k in range(0, len(tones), 16)]
    plain = {"rate_hz": view.rate_hz, "settings": ()}
    return [Batch(**{k: v[cut] for k, v in held.items()}, items=items[cut], **plain) for cut in cuts], tones


def read(ask: Callable[[Batch], torch.Tensor], batches: list[Batch]) -> Floats:
    """Return the rate per minute read from each clip's wave, (N,); ``ask`` turns a batch into waves (B, T)."""
    found = []
    for batch in batches:
        with torch.no_grad():
            said = ask(batch).double().numpy()
        found += [strongest_hz(bandpass(wave, batch.rate_hz, *BAND_HZ), batch.rate_hz, BAND_HZ) for wave in said]
    return 60.0 * np.nan_to_num(np.array(found))


@dataclass(frozen=True)
class Scored:
    """What the seeds of a case said of the judged clips."""

    said: Floats
    """(seeds, clips), per minute."""
    gates: tuple[float, ...]
    """Share of pairs of clips in which the gate is wider where the teacher is right, of each seed."""


def ask_all(options: argparse.Namespace) -> tuple[dict[Case, Scored], dict[str, Any]]:
    """Ask every student that is done and was not asked yet; return also truths, domains and tones of the clips."""
    kept, shown = told(options), {}
    for case, _, place in wanted(options):
        if place.name in kept["runs"] or not finished(place):
            continue
        task, _ = open_run(place)
        assert isinstance(task, RpmTask)
        student = task.student.eval()
        for domain in DOMAINS:
            shown.setdefault(domain, judged(domain, task.view, options))

        def ask(batch: Batch, student: Any = student, senses: bool = task.senses) -> torch.Tensor:
            wave: torch.Tensor = student(batch.radar if senses else batch.clip)["pulse"]
            return wave

        batches = [b for d in DOMAINS for b in shown[d][0]]
        row: dict[str, Any] = {"said": read(ask, batches).round(1).tolist()}
        if case is not None and case.mode == "policy":
            row["gate"] = round(told_apart(opened(place)[0], batches), 3)
        kept["runs"][place.name] = row
    if not kept["runs"]:
        sys.exit(f"{options.runs} holds no run that has ended: train first.")
    if shown and POS.name not in kept["runs"]:
        said = read(lambda batch: torch.from_numpy(waves(pos.METHOD, batch)), [b for d in shown for b in shown[d][0]])
        kept["runs"][POS.name] = {"said": said.round(1).tolist()}
        kept["clips"] = {
            "truth": [round(rate, 2) for d in shown for b in shown[d][0] for rate in b.heart_rate.tolist()],
            "domain": [d for d in shown for _ in shown[d][1]],
            "tone": [int(tone) for d in shown for tone in shown[d][1]],
        }
    kept["set"] = sorted(options.set)
    write_atomic(readings(options), json.dumps(kept, sort_keys=True))
    found: dict[Case, list[dict[str, Any]]] = {POS: [kept["runs"][POS.name]]}
    for case, _, place in wanted(options):
        if place.name in kept["runs"]:
            found.setdefault(case or TEACHER, []).append(kept["runs"][place.name])
    return {
        case: Scored(np.array([one["said"] for one in rows]), tuple(one["gate"] for one in rows if "gate" in one))
        for case, rows in found.items()
    }, {name: np.array(column) for name, column in kept["clips"].items()}


def told_apart(task: RpmTask, batches: list[Batch]) -> float:
    """Return in which share of pairs the gate is wider where the teacher is right."""
    parts = [looked(task.strands[0], batch) for batch in batches]
    whole = {name: np.concatenate([getattr(one, name) for one in parts]) for name in ("gate", "right", "truth")}
    return replace(parts[0], **whole).auc()


# --- figures with their intervals


def figures(said: Floats, truth: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean error, share within 5 a minute, and r of rates, each (...,), of rates (..., N)."""
    error = np.abs(said - truth)
    one, other = (x - x.mean(-1, keepdims=True) for x in (said, np.broadcast_to(truth, said.shape)))
    r = (one * other).sum(-1) / np.sqrt((one**2).sum(-1) * (other**2).sum(-1) + 1e-12)
    return error.mean(-1), (error <= CLOSE).mean(-1), r


def drawn(said: Sequence[Floats], truth: Floats) -> list[tuple[Floats, Floats, Floats]]:
    """Return the figures of several cases over seeds and clips drawn anew, (DRAWS,) each: the same ones for all."""
    rng = np.random.default_rng(0)
    found: list[list[tuple[Floats, ...]]] = [[] for _ in said]
    for _ in range(DRAWS):
        clips = rng.integers(len(truth), size=len(truth))
        chance = rng.random(
            max(map(len, said))
        )  # the same seeds, too: they share their weights at first, and teacher
        for own, one in zip(found, said):
            seeds = (chance[: len(one)] * len(one)).astype(int)
            own.append(tuple(x.mean() for x in figures(one[seeds][:, clips], truth[clips])))
    return [tuple(np.array(column) for column in zip(*own)) for own in found]  # type: ignore[misc]


def interval(values: Floats, form: str) -> str:
    """Return where 95 % of them lie."""
    low, high = np.percentile(values, [2.5, 97.5])
    return f"[{low:{form}}, {high:{form}}]"


def cell(said: Floats, truth: Floats) -> str:
    """Return error with its interval, share within 5 a minute, and r."""
    if not len(truth):
        return "no clip"
    mae, close, r = (float(x.mean()) for x in figures(said, truth))
    return f"{mae:.1f} {interval(drawn([said], truth)[0][0], '.1f')}, {close:.0%}, {r:.2f}"


# --- the tables


def score(options: argparse.Namespace) -> None:
    """Write the tables; what was written by hand stays."""
    found, about = ask_all(options)
    text = "\n".join(tables(found, about, options))
    print(text)
    if options.out:
        renew(options.out, text)


def tables(found: dict[Case, Scored], about: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Return the page."""
    seeds = [len(one.said) for case, one in found.items() if case != POS]
    done, missing = (
        ", ".join(f"`{part}`" for part in PARTS if (part in options.part) == asked) for asked in (True, False)
    )
    wide = Case(FEW, USUAL, 0.0, "policy")
    domains = {"all": np.ones(len(about["truth"]), bool)} | {d: about["domain"] == d for d in DOMAINS}
    tones = {name: (about["tone"] >= low) & (about["tone"] <= high) for name, (low, high) in TONES.items()}
    few = {case: one for case, one in found.items() if case.mode in ("pos", "teacher") or (
        case.labels == FEW and case.late_s == 0 and (case.spoiled == USUAL or case.mode.startswith("alone"))
    )}  # fmt: skip
    return [
        "# RPM-Distill: what a radar, and a policy, do for a student with few labels",
        "",
        f"Made by `benchmarks/rpm_distill.py`{' with ' + ' '.join(options.set) if options.set else ''}, "
        f"{time.strftime('%Y-%m-%d')}, {machine()}, torch {torch.__version__}. Losses and policy are those of the "
        "authors' release, student and radar network ours, people simulated: no number here is the paper's.",
        "",
        f"**{sum(seeds)} of {sum(1 for _ in wanted(options))} runs of {done} are "
        f"done**{f', none of {missing}' if missing else ''}, "
        f"{min(seeds)} to {max(seeds)} seeds a row. Scored on {options.clips} clips of "
        f"{FRAMES / 30:.1f} s a domain, people nobody trained on. Each cell: mean error per minute with the interval "
        "that 95 % of draws of seeds and clips fall in, share within 5 a minute, r of rates. Spoiled: share of clips "
        "in which the radar tells of somebody else's heart, beyond the three in ten that the simulator spoils.",
        "",
        *in_short(found, about["truth"]),
        "## By domain",
        "",
        *table(found, domains, about["truth"]),
        "",
        f"## By skin tone, all domains; {FEW:.0%} of labels, spoiled {USUAL:g}",
        "",
        *table(few, tones, about["truth"]),
        "",
        "## The abstract's claim, as a question about ours",
        "",
        f"At least {LESS:.0%} less error and {MORE:.0%} more correlation than video alone.",
        "",
        *claims(found, domains, about["truth"]),
        "",
        "## Does the policy tell?",
        "",
        *policies(found, about["truth"]),
        *([] if wide in found else ["", "The policy's rows are not all there yet."]),
    ]


def table(found: dict[Case, Scored], groups: dict[str, NDArray[np.bool_]], truth: Floats) -> list[str]:
    """Return a row a case, a column a group of clips."""
    order = list(TOLD)
    sizes = [f"{name} ({int(kept.sum())} clips)" for name, kept in groups.items()]
    lines = ["| labels | | spoiled | late, s | seeds | " + " | ".join(sizes) + " |", "|---" * (len(groups) + 5) + "|"]
    for case in sorted(found, key=lambda c: (c.labels, c.late_s, c.spoiled, order.index(c.mode))):
        said = found[case].said
        taught = case.mode not in ("pos", "teacher") and not case.mode.startswith("alone")
        words = [
            {"pos": "none", "teacher": "all"}.get(case.mode, f"{case.labels:.0%}"), TOLD[case.mode],
            f"{case.spoiled:g}" if taught else "", f"{case.late_s:g}" if taught else "",
            str(len(said)) if case != POS else "",
        ]  # fmt: skip
        cells = [cell(said[:, kept], truth[kept]) for kept in groups.values()]
        lines.append("| " + " | ".join(words + cells) + " |")
    return lines


def claims(found: dict[Case, Scored], groups: dict[str, NDArray[np.bool_]], truth: Floats) -> list[str]:
    """Answer the abstract's claim by domain."""
    lines = [
        "| labels | spoiled | against | domain | less error | more r | holds |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in sorted(c for c in found if c.mode == "policy" and c.late_s == 0):
        for other in ("alone", "alone-long", "alone-more"):
            base = found.get(Case(case.labels, 0.0, 0.0, other))
            if base is None:
                continue
            for name, kept in groups.items():
                pair = [base.said[:, kept], found[case].said[:, kept]]
                (was, _, before), (now, _, after) = (tuple(x.mean() for x in figures(p, truth[kept])) for p in pair)
                draws = drawn(pair, truth[kept])
                less, gain = 1 - now / was, after / before - 1 if before > FAINT else float("nan")
                shares = 1 - draws[1][0] / draws[0][0]
                holds = "yes" if less >= LESS and gain >= MORE else "r alone" if gain >= MORE else "no"
                grown = f"{before:.2f} to {after:.2f}" + (f", {gain:+.0%}" if before > FAINT else "")
                lines.append(
                    f"| {case.labels:.0%} | {case.spoiled:g} | {TOLD[other]} | {name} | {less:.0%} "
                    f"{interval(shares, '.0%')} | {grown} | {holds} |"
                )
    return lines


def in_short(found: dict[Case, Scored], truth: Floats) -> list[str]:
    """Say what the rows of the core say, all domains together."""
    policy = Case(FEW, USUAL, 0.0, "policy")
    alone = Case(FEW, 0.0, 0.0, "alone")
    whole = Case(1.0, 0.0, 0.0, "alone-all")
    always, right = (replace(policy, mode=mode) for mode in ("uniform", "oracle"))
    asked = [
        (policy, alone, f"radar and policy instead of {FEW:.0%} of labels alone: {{}}; the goal is -{LESS:.0%}"),
        (whole, alone, "all labels of all clips and no teacher, likewise: {}"),
        (policy, always, "the policy instead of a teacher who is always believed: {}"),
        (right, always, "one who is believed where it is right, likewise: {}"),
        (policy, POS, "radar and policy instead of POS, which learns nothing: {}"),
        (policy, replace(alone, mode="alone-more"), "the policy instead of its own labels used as labels: {}"),
    ]
    lines = ["## In short", "", "What the error per minute changes by, all domains together:", ""]
    for case, other, words in asked:
        if case not in found or other not in found:
            continue
        was, now = (float(figures(found[c].said, truth)[0].mean()) for c in (other, case))
        before, after = (one[0] for one in drawn([found[other].said, found[case].said], truth))
        span = after / before - 1
        chance = " (no more than chance)" if np.prod(np.percentile(span, [2.5, 97.5])) < 0 else ""
        told = f"{now / was - 1:+.0%} {interval(span, '+.0%')}"
        lines.append(f"- {words.format(told)}{chance}.")
    return [*lines, ""]


def policies(found: dict[Case, Scored], truth: Floats) -> list[str]:
    """Compare the policy with believing always and with believing where it is right."""
    lines = [
        "| labels | spoiled | late, s | gate wider where the teacher is right | error less than always believed, per "
        "minute | more than the oracle's |",
        "|---|---|---|---|---|---|",
    ]
    for case in sorted(c for c in found if c.mode == "policy"):
        words = []
        for mode, sign in (("uniform", 1), ("oracle", -1)):
            other = found.get(replace(case, mode=mode))
            if other is None:
                words.append("")
                continue
            (was, *_), (now, *_) = drawn([other.said, found[case].said], truth)
            means = [float(figures(one, truth)[0].mean()) for one in (other.said, found[case].said)]
            words.append(f"{sign * (means[0] - means[1]):+.1f} {interval(sign * (was - now), '+.1f')}")
        gate = f"in {np.mean(found[case].gates):.0%} of pairs"
        lines.append(
            f"| {case.labels:.0%} | {case.spoiled:g} | {case.late_s:g} | {gate} | " + " | ".join(words) + " |"
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
        learner = task.strands[0].learner if task.strands else None
        optimiser = torch.optim.AdamW(task.student.parameters(), 1e-3)
        spent, looks = [], []
        for _ in range(4):
            begin = time.process_time()
            losses = task.losses(batch)
            optimiser.zero_grad()
            sum(task.weights[k] * v for k, v in losses.items() if task.weights.get(k)).backward()
            optimiser.step()
            middle = time.process_time()
            if learner is not None:
                task.update(batch, batch, 1e-3, lambda _: None)
            spent.append(middle - begin)
            looks.append(time.process_time() - middle)
        every = learner.schedule.interval if learner is not None else 1
        step = min(spent) + min(looks) / every
        whole_run = f"{recipe.steps} steps: {recipe.steps * step:.0f} s"
        print(f"{name}: {1000 * step:.0f} ms a step of {recipe.batch} clips; {whole_run}")


def main() -> None:
    """Train, score, or say what it costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "score", "cost"])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--clips", type=int, default=CLIPS, help="of each domain, to score on")
    parser.add_argument("--readings", type=Path, help="what was read before, and is kept")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--set", nargs="+", default=[], help="KEY=VALUE, for all recipes")
    options = parser.parse_args()
    {"train": teach, "score": score, "cost": cost}[options.what](options)


if __name__ == "__main__":
    main()
