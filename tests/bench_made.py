"""A made-up run with known weaknesses: three methods, two data sets, twelve people."""

from __future__ import annotations

import numpy as np

from perfuse.bench.result import Cost, DataFacts, Line, Result
from perfuse.data.recording import Problem

METHODS = {"pos": 1.0, "chrom": 1.1, "green": 4.0}
"""Standard deviation of the error, /min."""
TASKS = ("rest", "talk")
ABOUT = {
    "command": "perfuse bench pos chrom green --data ubfc pure --seed 7",
    "date": "2026-11-22",
    "machine": "a processor, 2 cores",
    "perfuse": "0.1.0",
    "split": "all",
    "seed": "7",
    "notes": "made up",
}


def result(
    seed: int = 7, *, people: int = 6, length_s: float = 120.0, profiles: tuple[str, ...] = ("default",)
) -> Result:
    """Return the run; ``people`` per data set, each at rest and talking."""
    rng = np.random.default_rng(seed)
    lines: list[Line] = []
    for dataset, base in (("ubfc", 85.0), ("pure", 66.0)):
        for person in range(people):
            rate = base + rng.normal(0, 9)
            tone = 1 + person % 6
            for task in TASKS:
                about = {
                    "about_task": task,
                    "about_skin_tone": tone,
                    "about_age": 20 + 3 * person + (dataset == "pure"),
                    "about_light": "indoors" if person % 2 else "window",
                    "seen": 0.97,
                }
                who = {"dataset": dataset, "recording": f"{person:02d}/{task}", "subject": f"{person:02d}"}
                course = rate + np.cumsum(rng.normal(0, 1.5, int(length_s // 30)))
                lines.extend(_recording(rng, {**who, **about}, course, length_s, profiles, hard=task == "talk"))
    data = tuple(
        DataFacts(name, name.upper() + "-rPPG", 2 * people, people, 2 * people * length_s / 3600)
        for name in ("ubfc", "pure")
    )
    costs = (
        Cost("pos", 3.1, 12.0, 0, None),
        Cost("chrom", 2.4, 11.5, 0, None),
        Cost("green", 0.9, 4.0, 0, None),
    )
    problems = (
        Problem("missing", "ubfc/subject9", "There is no video in ubfc/subject9.", None),
        Problem("lag", "pure/03-01", "The contact pulse is 1.40 s late against the video.", "03-01", dropped=False),
        *(
            Problem("not-finite", f"ubfc/{k}.txt", f"{k} samples are no numbers.", f"{k}", False)
            for k in range(10, 21)
        ),
    )
    return Result(tuple(lines), problems, costs, data, dict(ABOUT))


def _recording(rng, who, course, length_s, profiles, *, hard):
    lines = []
    for profile in profiles:
        for method, spread in METHODS.items():
            for vital, scale in (("heart_rate", 1.0), ("respiratory_rate", 0.4)):
                blind = np.random.default_rng(round(1000 * course[0])).random(len(course) + 1) < 0.04
                truth = course if vital == "heart_rate" else 14 + 0.1 * (course - 70)
                cuts = [("whole", 0.0, length_s, float(truth.mean()))]
                cuts += [("30 s", 30.0 * k, 30.0 * k + 30, float(true)) for k, true in enumerate(truth)]
                for (window, start, stop, true), lost in zip(cuts, blind):
                    own = spread * scale * (2.5 if hard else 1.0) * (1.0 if window == "whole" else 1.6)
                    lines.append({
                        **who, "method": method, "profile": profile, "vital": vital, "unit": "/min", "window": window,
                        "start_s": start, "stop_s": stop, **_answer(rng, true, own, vital, method, lost),
                    })  # fmt: skip
            beats = {"reason": "beats are not clear"}
            if method == "pos":
                beats = {"prediction": 42.0 + float(rng.normal(0, 8)), "quality": 0.6}
            lines.append({
                **who, "method": method, "profile": profile, "vital": "rmssd", "unit": "ms", "window": "whole",
                "start_s": 0.0, "stop_s": length_s, "reference": 40.0 + float(rng.normal(0, 8)), "source": "beats",
                **beats,
            })  # fmt: skip
    return lines


def _answer(rng, true, spread, vital, method, lost):
    error = float(rng.normal(0.2, spread)) if rng.random() > 0.06 else float(rng.normal(0, 18))
    quality = float(np.clip(rng.beta(5, 2) - 0.04 * abs(error), 0.02, 0.99))
    reference = {"reference": true, "source": "pulse"}
    if lost:
        reference = {"reference": None, "reference_reason": "spectrum and beats of the contact pulse disagree"}
    if method != "green" and quality < 0.35:
        return {**reference, "prediction": None, "reason": "no rate stands out"}
    half = 1.6 * spread + 0.5
    stated = (
        {} if method == "green" else {"low": true + error - half, "high": true + error + half, "quality": quality}
    )
    waves = {} if vital != "heart_rate" else {
        "snr_db": float(rng.normal(3 - spread, 2)), "macc": float(rng.uniform(0.4, 0.9)),
        "r": float(rng.uniform(0.1, 0.8)), "tdi": float(rng.uniform(0.02, 0.1)), "lag_s": 0.1,
    }  # fmt: skip
    return {**reference, "prediction": true + error, "error": error, **stated, **waves}
