"""What a radar alone says of pulse and breathing, by how well it sees the chest, on simulated people.

    python benchmarks/radar.py [--people 30] [--seconds 60] [--first 500000] [--out docs/results/radar.md]

Everybody sits before an AWR1443 (120 chirps a second, as in EquiPleth), before an IWR1843 at 20 a second, and before
the same one with its output in the shape of PhysDrive's cubes. Two thirds rest, one third talks. Where the radar
looks at the wrong person, whoever of the two is nearer to the answer counts as the truth: which of them it sees is
the radar's business, that it reads a rate nobody has is the method's.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perfuse.bench.machine import machine
from perfuse.core.results import Vital
from perfuse.pipeline import measure
from perfuse.radar.kinds import AWR1443, IWR1843
from perfuse.radar.record import RadarRecord
from perfuse.synth.physiology.lungs import mean_rate
from perfuse.synth.radar.cube import cube
from perfuse.synth.radar.faults import QUALITIES, stranger
from perfuse.synth.radar.record import observe
from perfuse.synth.settings import stream
from perfuse.synth.subject import subject

RADARS = ("AWR1443, 120 Hz", "IWR1843, 20 Hz", "PhysDrive's cubes, 20 Hz")
CLOSE = {"pulse": 5.0, "breathing": 3.0}
"""Right within so many a minute: what quality is the probability of."""
SURE = 0.7
HEAD = ("quality", "people", "answered", "right, of all", "right, of answers", "mean error", "in the interval",
        "stated quality", "sure and wrong")  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One vital of one person before one radar."""

    radar: str
    quality: str
    vital: str
    error: float | None
    covered: bool
    stated: float


def row(radar: str, quality: str, name: str, vital: Vital, truths: list[float]) -> Row:
    if vital.value is None:
        return Row(radar, quality, name, None, False, 0.0)
    error = min(abs(vital.value - truth) for truth in truths)
    return Row(radar, quality, name, error, any(vital.low <= t <= vital.high for t in truths), vital.quality)


def person(seed: int, quality: str, seconds: float) -> list[Row]:
    who = subject(seed, "lab" if seed % 3 else "talk", duration_s=seconds, radar_quality=quality, width=64, height=64)
    other = stranger(np.random.default_rng([seed, 5]), seconds)
    seen = [(who.truth.heart, who.truth.lungs), *([other] if quality == "wrong_person" else [])]
    pulses = [mean_rate(heart.beats_s, seconds) for heart, _ in seen]
    breaths = [mean_rate(lungs.onsets_s, seconds) for _, lungs in seen]
    towards = who.tracks.motion.head_mm[:, 2]
    rows = []
    for name, kind in zip(RADARS, (AWR1443, IWR1843, None), strict=True):
        if kind is None and quality == "wrong_person":
            continue
        rng = stream(seed, "radar")
        if kind is None:
            cells = cube(rng, who.truth.heart, who.truth.lungs, seconds, quality=quality)
            iq, times = cells[:, 0] + 1j * cells[:, 1], np.arange(len(cells)) / 20
            record = RadarRecord(times, iq.astype(np.complex64), np.ones(len(iq), bool))
        else:
            taken = observe(
                rng, who.truth.heart, who.truth.lungs, seconds, config=kind, quality=quality, other=other,
                head_mm=lambda time_s: np.interp(time_s, who.times_s, towards),
            )  # fmt: skip
            bins = taken.bins((0, kind.search_bins[1])).astype(np.complex64)
            record = RadarRecord(taken.times_s, bins, taken.valid, kind)
        face = measure(record).faces[0]
        rows.append(row(name, quality, "pulse", face.heart_rate, pulses))
        rows.append(row(name, quality, "breathing", face.respiratory_rate, breaths))
    return rows


def table(rows: list[Row], radar: str, vital: str) -> list[str]:
    lines = [f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"]
    for quality in (*QUALITIES, "all"):
        some = [r for r in rows if (r.radar, r.vital) == (radar, vital) and quality in (r.quality, "all")]
        if not some:
            continue
        told = [r for r in some if r.error is not None]
        right = [r for r in told if r.error <= CLOSE[vital]]
        wrong = sum(r.stated >= SURE for r in told if r not in right)
        of_told = [
            f"{100 * len(right) / len(told):.0f} %", f"{np.mean([r.error for r in told]):.1f}",
            f"{100 * np.mean([r.covered for r in told]):.0f} %", f"{np.mean([r.stated for r in told]):.2f}",
        ] if told else ["–"] * 4  # fmt: skip
        cells = [quality.replace("_", " "), str(len(some)), f"{100 * len(told) / len(some):.0f} %",
                 f"{100 * len(right) / len(some):.0f} %", *of_told, str(wrong)]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def page(rows: list[Row], command: str, people: int, seconds: float) -> str:
    lines = [
        "# A radar alone", "",
        f"Simulated people, {people} for each quality of the radar, {seconds:g} s each; `{command}`. How they were "
        "made: [simulation](../simulate.md); how a radar is read: [radar](../radar.md).", "",
        "Right is a pulse within 5/min, breathing within 3/min, of the mean rate over the recording. Errors, in a "
        "minute, are of what was answered; *in the interval* is the share of answers whose 90 % interval holds the "
        f"truth; *sure and wrong* counts answers with a quality of {SURE} or more that are not right. Before the "
        "*wrong person* whoever of the two is nearer to the answer counts as the truth.", "",
    ]  # fmt: skip
    for radar in RADARS:
        for vital in CLOSE:
            lines += [f"## {radar}: {vital}", "", *table(rows, radar, vital), ""]
    return "\n".join([*lines, f"{machine()}.", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--first", type=int, default=500_000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rows, begun = [], time.perf_counter()
    for place, quality in enumerate(QUALITIES):
        for number in range(args.people):
            rows += person(args.first + 1000 * place + number, quality, args.seconds)
        print(f"{quality}: {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    command = f"python benchmarks/radar.py --people {args.people} --seconds {args.seconds:g} --first {args.first}"
    text = page(rows, command, args.people, args.seconds)
    print(text)
    if args.out is not None:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
