"""Measure the people of SimBench with the classical methods: answers, errors, intervals, and who beats whom.

Every person is rendered to a file (compressed as their settings say), decoded, and measured by the very sessions that
``perfuse.measure`` runs, all methods over one decoding. Rows are kept in a cache folder and reused as long as nothing
in ``src/perfuse`` changes, so a run that was cut short goes on where it stopped, and says what it has.

    python benchmarks/simbench.py [--size tiny|desk|full] [--subjects N] [--domain lab] [--jobs 2] [--out FOLDER]
    python benchmarks/simbench.py --size desk --render --out docs/results      # tables of the rows there are
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from realism_parts.numbers import METHODS, rate_of

import perfuse
from perfuse.bench.machine import machine
from perfuse.core.frame import Box, Frame
from perfuse.face import BlazeFace, Detection
from perfuse.pipeline import Session
from perfuse.synth import simbench
from perfuse.synth.layouts.native import encoder, write_film
from perfuse.synth.subject import subject
from perfuse.video import open_source, read_ahead

PUBLISHED = {"pos": 12.3, "chrom": 13.6, "lgi": 17.0, "pbv": 17.9, "ica": 18.6, "green": 21.7}
"""Mean absolute error on MMPD (its README): real people who talk, walk and turn, in four kinds of light."""
HARD = ("motion", "talk", "dim-flicker", "dark-skin", "webcam", "low-rate")
"""Domains pooled for the comparison with MMPD."""
CLOSE, FAR, SURE = 5.0, 10.0, 0.5
NAMES = {m: m.upper() for m in METHODS}


class Remembering:
    """BlazeFace that looks once where seven trackers ask the same."""

    def __init__(self) -> None:
        self._inner = BlazeFace()
        self.keep_score, self.new_score = self._inner.keep_score, self._inner.new_score
        self._known: dict[tuple, list[Detection]] = {}

    def __call__(self, frame: Frame, region: Box | None = None) -> list[Detection]:
        """Return what BlazeFace says."""
        key = (frame.time_s, None if region is None else (region.x, region.y, region.width, region.height))
        if key not in self._known:
            if len(self._known) > 400:
                for old in list(itertools.islice(self._known, 200)):
                    del self._known[old]
            self._known[key] = self._inner(frame, region)
        return self._known[key]


def measured(path: Path) -> dict[str, tuple]:
    """Return for every method the first face's vital, plain spectral peak and the share of time the face was seen."""
    detector = Remembering()
    sessions = {method: Session(method, detector=detector, history_s=None) for method in METHODS}
    with open_source(path) as stream:
        for frame in read_ahead(stream):
            for session in sessions.values():
                session.push(frame)
    out = {}
    for method, session in sessions.items():
        answer = session.finish()
        face = answer.faces[0] if answer.faces else None
        peak = None
        if face is not None and face.pulse is not None and face.pulse.valid.sum() > 4 * face.pulse.rate_hz:
            wave = face.pulse.samples[face.pulse.valid]
            peak = rate_of(wave, 40 / 60, 240 / 60) if np.ptp(wave) > 0 else None
        out[method] = answer.heart_rate, peak, _seen(answer)
    return out


def _seen(answer) -> float:
    """Share of the recording during which the first face was tracked."""
    if not answer.faces or answer.duration_s <= 0:
        return 0.0
    end, since, total = answer.start_s + answer.duration_s, None, 0.0
    for event in answer.faces[0].events:
        if event.kind == "found":
            since = event.time_s
        elif since is not None:
            total, since = total + event.time_s - since, None
    return min(1.0, (total + (end - since if since is not None else 0.0)) / answer.duration_s)


def rows_of(member, folder: Path, keep: bool) -> list[dict]:
    """Render one person, measure them, forget the file."""
    person = subject(member.seed, member.domain, **member.asked)
    path = folder / f"{member.id}.mp4"
    begin = time.perf_counter()
    write_film(path, person, encoder(person.settings), lambda _: None)
    rendered = time.perf_counter() - begin
    size = path.stat().st_size
    found = measured(path)
    if not keep:
        path.unlink()
    s = person.settings
    about = {
        "id": member.id,
        "domain": member.domain,
        "truth": person.truth.heart_rate,
        "tone": s.tone,
        "kind": s.kind,
        "motion": s.motion,
        "kilobits": size * 8e-3 / person.duration_s,
        "render_s": rendered,
        "measure_s": time.perf_counter() - begin - rendered,
    }
    return [
        about
        | {"method": method, "value": v.value, "low": v.low, "high": v.high, "quality": v.quality, "reason": v.reason}
        | {"peak": peak, "seen": seen}
        for method, (v, peak, seen) in found.items()
    ]


def state_of_code() -> str:
    """Hash over every source file and model of the package."""
    mark, root = hashlib.sha256(), Path(perfuse.__file__).parent
    for path in sorted(root.rglob("*")):
        if path.suffix in (".py", ".onnx"):
            mark.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return mark.hexdigest()[:16]


def run(options, folder: Path, domains: Iterable[str]) -> list[dict]:
    """Return the rows of the people asked for, from the cache where they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / "rows.jsonl"
    rows = [json.loads(line) for line in store.read_text().splitlines()] if store.exists() else []
    people = [[*simbench.members(d, options.size)][: options.subjects] for d in domains]
    wanted = [m for rank in itertools.zip_longest(*people) for m in rank if m is not None]
    done = {r["id"] for r in rows}
    todo = [] if options.render else [m for m in wanted if m.id not in done]
    begin = time.perf_counter()
    with ProcessPoolExecutor(options.jobs) as pool:
        jobs = {pool.submit(rows_of, member, folder, options.keep): member for member in todo}
        for count, job in enumerate(as_completed(jobs), 1):
            made = job.result()
            rows += made
            with store.open("a") as file:
                file.writelines(json.dumps(r) + "\n" for r in made)
            spent = time.perf_counter() - begin
            print(f"\r{count} of {len(todo)} people, {spent:.0f} s", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    ids = {m.id for m in wanted}
    return [r for r in rows if r["id"] in ids]


# --- tables ------------------------------------------------------------------------------------------------------


def numbers(rows: list[dict]) -> dict:
    """Summarise the rows of one method and domain."""
    alive = [r for r in rows if r["truth"] is not None]
    answered = [r for r in alive if r["value"] is not None]
    error = np.array([r["value"] - r["truth"] for r in answered])
    plain = np.array([abs(r["peak"] - r["truth"]) for r in alive if r["peak"] is not None])
    wrong = sum(
        r["value"] is not None and r["quality"] >= SURE and (r["truth"] is None or abs(r["value"] - r["truth"]) > FAR)
        for r in rows
    )
    return {
        "n": len(rows),
        "answered": np.mean([r["value"] is not None for r in rows]),
        "mae": np.abs(error).mean() if len(error) else np.nan,
        "rmse": np.sqrt((error**2).mean()) if len(error) else np.nan,
        "close": np.mean(np.abs(error) <= CLOSE) if len(error) else np.nan,
        "inside": np.mean([r["low"] <= r["truth"] <= r["high"] for r in answered]) if answered else np.nan,
        "wrong": wrong,
        "plain": plain.mean() if len(plain) else np.nan,
        "plain_close": np.mean(plain <= CLOSE) if len(plain) else np.nan,
        "seen": np.mean([r["seen"] for r in rows]),
    }


def show(value: float, form: str) -> str:
    return form.format(value) if np.isfinite(value) else "-"


def main_table(rows: list[dict], domains: list[str], method: str) -> list[str]:
    """Everything about one method, a line per domain."""
    lines = [
        "| domain | n | face seen | answered | MAE | RMSE | within 5/min | truth in 90 % interval | confident and "
        "wrong | plain peak MAE |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for domain in domains:
        x = numbers([r for r in rows if r["domain"] == domain and r["method"] == method])
        cells = [
            f"{x['n']}",
            f"{x['seen']:.0%}",
            f"{x['answered']:.0%}",
            show(x["mae"], "{:.2f}"),
            show(x["rmse"], "{:.2f}"),
            show(x["close"], "{:.0%}"),
            show(x["inside"], "{:.0%}"),
            f"{x['wrong']}",
            show(x["plain"], "{:.2f}"),
        ]
        lines.append(f"| {domain} | " + " | ".join(cells) + " |")
    return lines


def wide_table(rows: list[dict], domains: list[str], what: str, form: str) -> list[str]:
    """One number, domains by methods."""
    lines = ["| domain | " + " | ".join(NAMES.values()) + " |", "|---" * (len(METHODS) + 1) + "|"]
    for domain in domains:
        some = [r for r in rows if r["domain"] == domain]
        cells = [show(float(numbers([r for r in some if r["method"] == m])[what]), form) for m in METHODS]
        lines.append(f"| {domain} | " + " | ".join(cells) + " |")
    return lines


def plain_errors(rows: list[dict], domains: Iterable[str]) -> dict[str, dict[str, float]]:
    """Error of the plain peak by method and person."""
    out: dict[str, dict[str, float]] = {m: {} for m in METHODS}
    for r in rows:
        if r["domain"] in domains and r["truth"] is not None and r["peak"] is not None:
            out[r["method"]][r["id"]] = abs(r["peak"] - r["truth"])
    return out


def spearman(a: list[float], b: list[float]) -> float:
    ranks = [np.argsort(np.argsort(v)).astype(float) for v in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def ahead(errors: dict[str, dict[str, float]], better: str, worse: str, rng: np.random.Generator) -> tuple:
    """Mean advantage (/min) of one method over another, and how often it is above 0 when people are drawn anew."""
    both = sorted(errors[better].keys() & errors[worse].keys())
    gain = np.array([errors[worse][k] - errors[better][k] for k in both])
    if not len(gain):
        return np.nan, np.nan, 0
    again = gain[rng.integers(len(gain), size=(2000, len(gain)))].mean(axis=1)
    return float(gain.mean()), float((again > 0).mean()), len(gain)


def ranking(rows: list[dict], domains: list[str]) -> list[str]:
    """Who beats whom, and whether published tables agree."""
    rng = np.random.default_rng(7)
    lines = ["| domain | order by plain peak MAE, best first |", "|---|---|"]
    for domain in domains:
        errors = plain_errors(rows, [domain])
        means = {m: np.mean(list(e.values())) for m, e in errors.items() if e}
        if means:
            order = sorted(means, key=means.get)
            lines.append(f"| {domain} | " + ", ".join(f"{NAMES[m]} {means[m]:.1f}" for m in order) + " |")
    pooled = plain_errors(rows, [d for d in HARD if d in domains])
    mine = {m: float(np.mean(list(e.values()))) for m, e in pooled.items() if e}
    known = [m for m in PUBLISHED if m in mine]
    lines += ["", "| claim of published tables | here | holds |", "|---|---|---|"]
    if len(known) == len(PUBLISHED):
        rho = spearman([PUBLISHED[m] for m in known], [mine[m] for m in known])
        text = ", ".join(f"{NAMES[m]} {mine[m]:.1f}" for m in sorted(known, key=mine.get))
        lines.append(
            f"| MMPD: POS < CHROM < LGI < PBV < ICA < GREEN | hard domains pooled: {text}; Spearman {rho:.2f} "
            f"| {'yes' if rho >= 0.8 else 'no'} (0.8) |"
        )
    for domain in ("motion", "talk"):
        for better in ("chrom", "pos"):
            gain, sure, n = ahead(plain_errors(rows, [domain]), better, "green", rng)
            if n:
                lines.append(
                    f"| {NAMES[better]} ahead of GREEN in {domain} | {gain:+.1f}/min over {n} people, "
                    f"{sure:.0%} of draws | {'yes' if sure >= 0.9 else 'no' if sure <= 0.1 else 'undecided'} |"
                )
    base = plain_errors(rows, ["lab"])
    for domain in ("dark-skin", "dim-flicker", "webcam"):
        errors = plain_errors(rows, [domain])
        if all(errors.values()) and all(base.values()):
            worse = [m for m in METHODS if np.mean(list(errors[m].values())) > np.mean(list(base[m].values()))]
            verdict = "yes" if len(worse) == len(METHODS) else "for " + ", ".join(NAMES[m] for m in worse)
            lines.append(
                f"| every method is worse in {domain} than in lab | {len(worse)} of {len(METHODS)} | {verdict} |"
            )
    return lines


ABOUT = """
People are those of SimBench {version} ({size}: {seconds:g} s at {width} x {height}), seeds fixed by name and number.
*Answered*: perfuse gave a value. *Plain peak*: the highest peak of the method's wave between 40 and 240/min, given
whether or not perfuse trusts it, as published tables do. *Confident and wrong*: quality of 0.5 or more and over
10/min off; in `no-pulse` any answer with that quality. *Face seen*: share of the time in which the tracker had the
face. `noisy-labels` is scored against the face's own pulse.

These people are synthetic, and their difficulty was chosen: absolute errors say nothing about real recordings beyond
what [realism](realism.md) shows. What can be compared is who beats whom.
"""


def page(rows: list[dict], options, spent: float) -> str:
    """Write the page."""
    film = simbench.SIZES[options.size]
    domains = [d for d in simbench.DOMAINS if any(r["domain"] == d for r in rows)]
    command = "python benchmarks/simbench.py --size " + options.size
    if options.subjects:
        command += f" --subjects {options.subjects}"
    each = {r["id"]: (r["render_s"], r["measure_s"]) for r in rows}
    cost = np.sum(list(each.values()), axis=0)
    facts = ABOUT.format(
        version=simbench.VERSION, size=options.size, seconds=film.duration_s, width=film.width, height=film.height
    )
    alive = [d for d in domains if d != "no-pulse"]
    parts = [
        "# SimBench: the classical methods",
        "",
        f"Made by `{command}` on {time.strftime('%Y-%m-%d')}, {machine()}; "
        f"{len(each)} people, {cost[0]:.0f} s to render and {cost[1]:.0f} s to "
        f"measure {len(METHODS)} times on {options.jobs} of {os.cpu_count()} cores. Fingerprint of the people: "
        f"`{simbench.fingerprint(options.size)[:16]}`, of the code: `{state_of_code()}`.",
        facts,
        "## POS, the method perfuse uses",
        "",
        *main_table(rows, domains, "pos"),
        "",
        "## Plain peak: mean absolute error, /min",
        "",
        *wide_table(rows, alive, "plain", "{:.1f}"),
        "",
        "## Plain peak: share within 5/min",
        "",
        *wide_table(rows, alive, "plain_close", "{:.0%}"),
        "",
        "## Who beats whom",
        "",
        *ranking(rows, alive),
        "",
        "## With refusal: share answered",
        "",
        *wide_table(rows, domains, "answered", "{:.0%}"),
        "",
        "## With refusal: mean absolute error of the answers, /min",
        "",
        *wide_table(rows, alive, "mae", "{:.1f}"),
        "",
        "## Truth inside the 90 % interval",
        "",
        *wide_table(rows, alive, "inside", "{:.0%}"),
        "",
        "## Confident and wrong, people",
        "",
        *wide_table(rows, domains, "wrong", "{:.0f}"),
        "",
    ]
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(simbench.SIZES), default="desk")
    parser.add_argument("--subjects", type=int, help="people per domain, the first of those of the size")
    parser.add_argument("--domain", action="append", choices=list(simbench.DOMAINS), help="may be repeated")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "perfuse-simbench")
    parser.add_argument("--keep", action="store_true", help="keep the videos")
    parser.add_argument("--render", action="store_true", help="measure nobody: tables of the rows there are")
    parser.add_argument("--out", type=Path, help="folder to write simbench.md to")
    options = parser.parse_args()
    begin = time.perf_counter()
    folder = options.cache / f"{options.size}-{state_of_code()}"
    rows = run(options, folder, options.domain or list(simbench.DOMAINS))
    if not rows:
        sys.exit("There are no rows yet. Run without --render first.")
    text = page(rows, options, time.perf_counter() - begin)
    print(text)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "simbench.md").write_text(text)


if __name__ == "__main__":
    main()
