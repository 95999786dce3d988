"""SimBench by domain: who beats whom, and whether published tables agree, from the long table of a benchmark run.

perfuse bench --data simbench:desk --protocol default,peak,toolbox --jobs 2 --out RUN
python benchmarks/simbench.py RUN --out docs/results/simbench.md
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from perfuse.bench.table import read_csv
from perfuse.synth.simbench import DOMAINS, VERSION

PUBLISHED = {"pos": 12.3, "chrom": 13.6, "lgi": 17.0, "pbv": 17.9, "ica": 18.6, "green": 21.7}
"""Mean absolute error on MMPD (its README): real people who talk, walk and turn, in four kinds of light."""
HARD = ("motion", "talk", "dim-flicker", "dark-skin", "webcam", "low-rate")
"""Domains pooled for the comparison with MMPD."""
CLOSE, FAR, SURE = 5.0, 10.0, 0.5
Lines = Sequence[dict]


def domain_table(lines: Lines, domains: Iterable[str], method: str) -> list[str]:
    """Everything about one method, a line per domain."""
    out = [
        "| domain | n | face seen | answered | MAE | RMSE | within 5/min | truth in 90 % interval "
        "| confident and wrong |",
        "|---" * 9 + "|",
    ]
    for domain in domains:
        rows = [x for x in lines if x["about_domain"] == domain and x["method"] == method]
        answers = [x for x in rows if "prediction" in x and "reference" in x]
        error = np.array([x["prediction"] - x["reference"] for x in answers])
        sure = [x for x in rows if "prediction" in x and x.get("quality", 0) >= SURE]
        wrong = sum("reference" not in x or abs(x["prediction"] - x["reference"]) > FAR for x in sure)
        inside = [x["low"] <= x["reference"] <= x["high"] for x in answers if "low" in x]
        cells = [
            f"{len(rows)}",
            f"{np.mean([x['seen'] for x in rows]):.0%}",
            f"{np.mean(['prediction' in x for x in rows]):.0%}",
            told(np.abs(error), "{:.2f}"),
            told(error**2, "{:.2f}", root=True),
            told(np.abs(error) <= CLOSE, "{:.0%}"),
            told(np.array(inside), "{:.0%}"),
            f"{wrong}",
        ]
        out.append(f"| {domain} | " + " | ".join(cells) + " |")
    return out


def told(values: np.ndarray, form: str, *, root: bool = False) -> str:
    """Return the mean of values in words."""
    if not len(values):
        return "-"
    mean = float(np.mean(values))
    return form.format(np.sqrt(mean) if root else mean)


def errors_of(lines: Lines, domains: Iterable[str]) -> dict[str, dict[str, float]]:
    """Return absolute errors of the plain peak by method and person."""
    wanted, out = set(domains), {}
    for x in lines:
        if x["about_domain"] in wanted and "prediction" in x and "reference" in x:
            out.setdefault(x["method"], {})[x["recording"]] = abs(x["prediction"] - x["reference"])
    return out


def wide_table(lines: Lines, domains: Iterable[str], methods: Sequence[str], close: bool) -> list[str]:
    """One number of the plain peak, domains by methods."""
    out = ["| domain | " + " | ".join(m.upper() for m in methods) + " |", "|---" * (len(methods) + 1) + "|"]
    for domain in domains:
        errors = errors_of(lines, [domain])
        cells = []
        for method in methods:
            values = np.array(list(errors.get(method, {}).values()))
            cells.append(told(values <= CLOSE, "{:.0%}") if close else told(values, "{:.1f}"))
        out.append(f"| {domain} | " + " | ".join(cells) + " |")
    return out


def ahead(errors: dict[str, dict[str, float]], better: str, worse: str) -> tuple[float, float, int]:
    """Mean advantage (/min) of one method over another, and how often it is above 0 when people are drawn anew."""
    both = sorted(errors[better].keys() & errors[worse].keys())
    gain = np.array([errors[worse][k] - errors[better][k] for k in both])
    again = gain[np.random.default_rng(7).integers(len(gain), size=(2000, len(gain)))].mean(axis=1)
    return float(gain.mean()), float((again > 0).mean()), len(gain)


def claims(lines: Lines) -> list[str]:
    """Tell whether published tables agree."""
    out = ["| claim of published tables | here | holds |", "|---|---|---|"]
    pooled = {m: float(np.mean(list(e.values()))) for m, e in errors_of(lines, HARD).items()}
    known = list(PUBLISHED)
    if not {*known} <= pooled.keys():
        return ["The run lacks some of the classical methods: nothing to compare published tables with."]
    ranks = [np.argsort(np.argsort([table[m] for m in known])) for table in (PUBLISHED, pooled)]
    rho = float(np.corrcoef(*ranks)[0, 1])
    order = ", ".join(f"{m.upper()} {pooled[m]:.1f}" for m in sorted(known, key=pooled.get))
    verdict = f"{'yes' if rho >= 0.8 else 'no'} (0.8)"
    out.append(
        "| MMPD: POS < CHROM < LGI < PBV < ICA < GREEN "
        f"| hard domains pooled: {order}; Spearman {rho:.2f} | {verdict} |"
    )
    for domain in ("motion", "talk"):
        for better in ("chrom", "pos"):
            gain, sure, n = ahead(errors_of(lines, [domain]), better, "green")
            verdict = "yes" if sure >= 0.9 else "no" if sure <= 0.1 else "undecided"
            out.append(
                f"| {better.upper()} ahead of GREEN in {domain} "
                f"| {gain:+.1f}/min over {n} people, {sure:.0%} of draws | {verdict} |"
            )
    base = {m: np.mean(list(e.values())) for m, e in errors_of(lines, ["lab"]).items()}
    for domain in ("dark-skin", "dim-flicker", "webcam"):
        here = {m: np.mean(list(e.values())) for m, e in errors_of(lines, [domain]).items()}
        worse = [m.upper() for m in base if here[m] > base[m]]
        verdict = "yes" if len(worse) == len(base) else "for " + ", ".join(worse)
        out.append(f"| every method is worse in {domain} than in lab | {len(worse)} of {len(base)} | {verdict} |")
    return out


ABOUT = """
People are those of SimBench {version}, seeds fixed by name and number, a video each. *Answered*: perfuse gave a
value. *Plain peak*: the highest peak of the wave, given whether or not perfuse trusts it, as published tables
do.
*Confident and wrong*: quality of 0.5 or more and over 10/min off; in `no-pulse` any answer with that quality.
`noisy-labels` is scored against the true beats here. [The whole report](simbench_report.md) has the Toolbox's scores,
breathing, intervals over people and costs.

These people are synthetic, and their difficulty was chosen: absolute errors say nothing about real recordings beyond
what [realism](realism.md) shows. What can be compared is who beats whom.
"""


def page(lines: Lines, about: dict[str, str]) -> str:
    """Write the page."""
    whole = [x for x in lines if x["vital"] == "heart_rate" and x["window"] == "whole" and x["recording"]]
    trusted = [x for x in whole if x["profile"] == "default"]
    peak = [x for x in whole if x["profile"] == "peak"]
    domains = [d for d in DOMAINS if any(x["about_domain"] == d for x in whole)]
    methods = list(dict.fromkeys(x["method"] for x in whole))
    alive = [d for d in domains if d != "no-pulse"]
    people = len({x["recording"] for x in whole})
    parts = [
        "# SimBench: the classical methods",
        "",
        f"Made by `{about['command']}` and `python benchmarks/simbench.py` on {about['date']}, {about['machine']}; "
        f"{people} people.",
        ABOUT.format(version=VERSION),
        "## POS, by domain",
        "",
        *domain_table(trusted, domains, "pos"),
        "",
        "## Plain peak: mean absolute error, /min",
        "",
        *wide_table(peak, alive, methods, close=False),
        "",
        "## Plain peak: share within 5/min",
        "",
        *wide_table(peak, alive, methods, close=True),
        "",
        "## Who beats whom",
        "",
        *claims(peak),
        "",
        "## Where nothing beats",
        "",
        *domain_table_of_nothing(trusted, methods),
        "",
    ]
    return "\n".join(parts)


def domain_table_of_nothing(lines: Lines, methods: Sequence[str]) -> list[str]:
    """Answers in recordings of walls, dolls, masks and photographs."""
    out = ["| method | recordings | answers, all wrong | of quality 0.5 or more |", "|---|---|---|---|"]
    for method in methods:
        rows = [x for x in lines if x["about_domain"] == "no-pulse" and x["method"] == method]
        said = [x for x in rows if "prediction" in x]
        sure = sum(x.get("quality", 0) >= SURE for x in said)
        out.append(f"| {method.upper()} | {len(rows)} | {len(said)} | {sure} |")
    return out


def main() -> None:
    """Read a run and print, or write, the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="folder that perfuse bench wrote")
    parser.add_argument("--out")
    options = parser.parse_args()
    folder = Path(options.run)
    about = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["about"]
    text = page(read_csv((folder / "rows.csv").read_text(encoding="utf-8")), about)
    if options.out:
        Path(options.out).write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
