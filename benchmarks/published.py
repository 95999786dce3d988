"""Read videos of known pulse with networks that others trained on real faces.

Runs every published network whose weights are on this machine (see ``tests/published/load.py``) on video files whose
truth lies beside them as ``<stem>.json`` (``Subject.write(truth_path=...)``) or ``truth.json`` (``perfuse synth``),
and prints a table. Two references: the mean rate, and the strongest line of a perfect pulse with the same beats: what
a spectrum can show (``published.load.line_rate``).

    perfuse synth FOLDER --domain lab --subjects 20
    python benchmarks/published.py FOLDER... [--networks NAME...] [--margin 1.8] [--each] [--rows rows.jsonl]

Needs torch. ``--threads`` is for machines that others share.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

# in front of this file's own folder, whose ``published`` is this script
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

FILMS = {".mp4", ".mkv", ".mov", ".avi", ".webm"}
NEAR = 3.0
"""Per minute: an answer so near the truth counts as right."""


@dataclass(frozen=True)
class Row:
    """What one network says of one video; rates per minute."""

    video: str
    domain: str
    network: str
    mean: float
    line: float
    said: float
    snr_db: float
    strangeness: float | None

    def error(self, reference: float) -> float:
        """Distance from a reference; a network that says nothing is as wrong as can be."""
        return abs(self.said - reference) if np.isfinite(self.said) else float("inf")


def videos(paths: Iterable[Path]) -> Iterator[tuple[Path, dict]]:
    """Yield files and what is true about them; folders are searched for files with a truth beside them."""
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if p.suffix in FILMS) if path.is_dir() else [path]
        for video in inside:
            beside = [p for p in (video.with_suffix(".json"), video.parent / "truth.json") if p.is_file()]
            if not beside and not path.is_dir():
                sys.exit(f"{video.with_suffix('.json')} is missing: it must hold truth.heart_rate.")
            for truth in beside[:1]:
                about = json.loads(truth.read_text(encoding="utf-8"))
                if about["truth"]["heart_rate"] is not None:
                    yield video, about


def read(video: Path, about: dict, networks: list, margin: float | None) -> Iterator[Row]:
    """Yield what each network says of a video."""
    from published.clips import face_clips
    from published.load import line_rate, read_rate, snr_db, strangeness

    views = {network.name: (network.size, margin or network.margin) for network in networks}
    mean, domain = float(about["truth"]["heart_rate"]), about.get("settings", {}).get("domain", "")
    try:
        clips = face_clips(video, set(views.values()))
    except ValueError as error:
        print(f"{video}: {error}", file=sys.stderr)
        nan = float("nan")
        yield from (Row(str(video), domain, name, mean, nan, nan, nan, None) for name in views)
        return
    for network in networks:
        frames = clips[views[network.name]]
        line = line_rate(np.array(about["truth"]["beats_s"]), len(frames), network.rate_hz)
        wave, said = read_rate(network, frames)
        odd = list(strangeness(network, frames).values())
        noise = snr_db(wave, network.rate_hz, line)
        yield Row(str(video), domain, network.name, mean, line, said, noise, float(np.mean(odd)) if odd else None)


def table(rows: list[Row]) -> str:
    """Return a markdown table, a line a domain and network."""
    head = (
        "| domain | network | n | within 3 of the line | of the mean | MAE | median | worst | SNR dB | strangeness |"
    )
    lines = [head, "|" + "---|" * (head.count("|") - 1)]
    for domain, name in dict.fromkeys((row.domain, row.network) for row in rows):
        mine = [row for row in rows if (row.domain, row.network) == (domain, name)]
        errors = np.array([row.error(row.line) for row in mine])
        means = np.array([row.error(row.mean) for row in mine])
        odd = [row.strangeness for row in mine if row.strangeness is not None]
        lines.append(
            f"| {domain} | {name} | {len(mine)} | {np.mean(errors <= NEAR):.0%} | {np.mean(means <= NEAR):.0%} "
            f"| {errors.mean():.1f} | {np.median(errors):.1f} | {errors.max():.1f} "
            f"| {np.nanmean([row.snr_db for row in mine]):+.1f} | {f'{np.mean(odd):.2f}' if odd else '–'} |"
        )
    return "\n".join(lines)


def main() -> None:
    from published.load import NAMES, load, weights_folder

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("paths", nargs="+", type=Path, help="videos, or folders of them")
    parser.add_argument("--networks", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--margin", type=float, help="side of the crop in face boxes, instead of each network's own")
    parser.add_argument("--each", action="store_true", help="print every video as well")
    parser.add_argument("--rows", type=Path, help="append every answer to this file, one JSON object a line")
    parser.add_argument("--threads", type=int, default=0)
    asked = parser.parse_args()
    if asked.threads:
        import torch

        torch.set_num_threads(asked.threads)
    if weights_folder() is None:
        sys.exit("Published weights are not on this machine. Set PERFUSE_WEIGHTS to their folder.")
    networks = [load(name) for name in asked.networks]
    rows: list[Row] = []
    for video, about in videos(asked.paths):
        fresh = list(read(video, about, networks, asked.margin))
        rows += fresh
        if asked.each:
            said = "  ".join(f"{row.network} {row.said:.1f} ({row.snr_db:+.1f} dB)" for row in fresh)
            where = video.parent.name if video.stem == "video" else video.name
            print(f"{where}: mean {fresh[0].mean:.1f} line {fresh[0].line:.1f}  {said}", flush=True)
    if not rows:
        sys.exit("No video with a truth beside it was found.")
    if asked.rows:
        with asked.rows.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(row)) + "\n" for row in rows)
    print(table(rows))


if __name__ == "__main__":
    main()
