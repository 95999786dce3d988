"""Breathing read from films of simulated people, by method: how often there is an answer, and how far off it is.

    perfuse synth films/lab-900 --domain lab --subjects 8 --seconds 60 --size 320x240 --seed 900
    perfuse synth films/lab-901 --domain lab --subjects 20 --seconds 60 --size 320x240 --seed 901
    perfuse synth films/talk-902 --domain talk --subjects 5 --seconds 60 --size 320x240 --seed 902
    perfuse synth films/no-pulse-905 --domain no-pulse --subjects 8 --seconds 60 --size 320x240 --seed 905
    python benchmarks/breathing.py films/* [--methods pos blend] [--out docs/results/breathing.md]

The page shows the last eight of seed 901 apart, in a folder ``unseen``: nothing was settled looking at them.

A film's truth is the rate of the breaths that begin in it. Windows are those of 30 s (900 frames) of the series that
``perfuse measure`` gives, every 5 s, against the breaths that begin in them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pages import renew

import perfuse
from perfuse.bench.machine import machine
from perfuse.core.results import Vital
from perfuse.core.workers import side_by_side
from perfuse.methods.student import load_bundle

CLOSE, SURE, WINDOW_S = 3.0, 0.7, 30.0
HEAD = ("films", "method", "number", "answered", "within 3, of answers", "mean error", "in the interval", "quality",
        "sure and wrong")  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One answer, or none."""

    films: str
    method: str
    whole: bool
    vital: Vital
    true: float
    breathes: bool

    @property
    def error(self) -> float:
        """How far off it is, per minute; NaN where nobody breathes."""
        return abs((self.vital.value or np.inf) - self.true)


def rate(breaths: np.ndarray, low: float, high: float) -> float:
    """Breaths per minute of those that begin between two times; NaN with fewer than three."""
    inside = breaths[(breaths >= low) & (breaths <= high)]
    return 60 * (len(inside) - 1) / (inside[-1] - inside[0]) if len(inside) > 2 else float("nan")


def film(asked: tuple[Path, str]) -> list[Row]:
    """Measure one film with a method, or with the network in a folder."""
    folder, method = asked
    truth = json.loads((folder / "truth.json").read_text())["truth"]
    breaths = np.array(truth["breaths_s"] or [], float)
    answer = perfuse.measure(folder / "video.mp4", method=load_bundle(method) if Path(method).is_dir() else method)
    group, breathes, always = folder.parent.name, len(breaths) > 0, rate(breaths, -np.inf, np.inf)
    if not answer.faces:
        return [Row(group, method, True, answer.respiratory_rate, always, breathes)]
    face = answer.faces[0]
    rows = [Row(group, method, True, face.respiratory_rate, always, breathes)]
    for point in face.respiratory_rate_series:
        true = rate(breaths, point.time_s - WINDOW_S / 2, point.time_s + WINDOW_S / 2)
        rows.append(Row(group, method, False, point.vital, true, breathes))
    return rows


def table(rows: list[Row], whole: bool) -> list[str]:
    lines = [f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"]
    groups = dict.fromkeys((row.films, row.breathes) for row in rows)
    for (group, breathing), method in itertools.product(groups, dict.fromkeys(row.method for row in rows)):
        some = [r for r in rows if (r.films, r.breathes, r.method, r.whole) == (group, breathing, method, whole)]
        if breathing:  # else windows with a breath or two only
            some = [r for r in some if np.isfinite(r.true)]
        if not some:
            continue
        told = [r for r in some if r.vital.value is not None]
        right = [r for r in told if r.error <= CLOSE]
        wrong = sum(r.vital.quality >= SURE for r in told if r not in right)
        of_told = [
            f"{100 * len(right) / len(told):.0f} %", f"{np.mean([r.error for r in told]):.2f}",
            f"{100 * np.mean([r.vital.low <= r.true <= r.vital.high for r in told]):.0f} %",
            f"{np.mean([r.vital.quality for r in told]):.2f}",
        ] if told and breathing else ["–"] * 4  # fmt: skip
        answered = f"{100 * len(told) / max(len(some), 1):.0f} %"
        called = group if breathing else f"{group}, nobody breathes"
        lines.append(f"| {' | '.join([called, method, str(len(some)), answered, *of_told, str(wrong)])} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--methods", nargs="+", default=["pos", "blend"])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rows, begun, made = [], time.perf_counter(), []
    for folder in args.folders:
        films = sorted(path.parent for path in folder.glob("*/truth.json"))
        made.append(f"{len(films)} of `{folder.name}`")
        asked = list(itertools.product(films, args.methods))
        found = dict(side_by_side(film, asked, args.jobs))
        rows += [row for one in asked for row in found[one]]
        print(f"{folder.name}: {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    names = " ".join(folder.name for folder in args.folders)
    command = f"python benchmarks/breathing.py {names} --methods {' '.join(args.methods)}"
    text = "\n".join([
        "# Breathing from films", "",
        f"Films of simulated people, one minute each, {', '.join(made)} (how they were painted stands in the "
        f"benchmark); `{command}`, {time.strftime('%Y-%m-%d')}. The truth is the rate of the breaths taken. Errors, "
        "in a minute, are of what was answered; *in the interval* is the share of answers whose 90 % interval holds "
        f"the truth; *sure and wrong* counts answers with a quality of {SURE} or more that are not within {CLOSE:g}; "
        "of films in which nobody breathes that is every such answer.", "",
        "## One minute", "", *table(rows, whole=True), "",
        "## Windows of 30 s", "", *table(rows, whole=False), "", f"{machine()}.", "",
    ])  # fmt: skip
    print(text)
    if args.out is not None:
        renew(args.out, text)


if __name__ == "__main__":
    main()
