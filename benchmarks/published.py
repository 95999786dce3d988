"""Read videos of known pulse with networks that others trained on real faces.

Runs every published network whose weights are on this machine (see ``tests/published/load.py``) on video files whose
truth lies beside them as ``<stem>.json`` with ``truth.heart_rate``, the way ``Subject.write(truth_path=...)`` writes
it, and prints a table.

    python benchmarks/published.py FOLDER_OR_VIDEO... [--networks NAME...] [--margin 1.8] [--each] [--rows rows.jsonl]

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

NEAR = 3.0
"""Per minute: an answer so near the truth counts as right."""


@dataclass(frozen=True)
class Row:
    """What one network says of one video; rates per minute."""

    video: str
    network: str
    truth: float
    said: float
    snr_db: float
    strangeness: float | None

    @property
    def error(self) -> float:
        """Distance from the truth; a network that says nothing is as wrong as can be."""
        return abs(self.said - self.truth) if np.isfinite(self.said) else float("inf")


def videos(paths: Iterable[Path]) -> Iterator[tuple[Path, float]]:
    """Yield files and their true heart rates; folders are searched for files with a truth beside them."""
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if p.suffix != ".json") if path.is_dir() else [path]
        for video in inside:
            beside = video.with_suffix(".json")
            if beside.is_file():
                yield video, float(json.loads(beside.read_text(encoding="utf-8"))["truth"]["heart_rate"])
            elif not path.is_dir():
                sys.exit(f"{beside} is missing: it must hold truth.heart_rate.")


def read(video: Path, truth: float, networks: list, margin: float) -> Iterator[Row]:
    """Yield what each network says of a video."""
    from published.clips import face_clips
    from published.load import read_rate, snr_db, strangeness

    clips = face_clips(video, {network.size for network in networks}, margin=margin)
    for network in networks:
        frames = clips[network.size]
        wave, said = read_rate(network, frames)
        odd = strangeness(network, frames)
        mean = float(np.mean(list(odd.values()))) if odd else None
        yield Row(str(video), network.name, truth, said, snr_db(wave, network.rate_hz, truth), mean)


def table(rows: list[Row]) -> str:
    """Return a markdown table, a line a network."""
    head = "| network | n | MAE | within 3/min | median error | worst | SNR dB | strangeness |"
    lines = [head, "|" + "---|" * (head.count("|") - 1)]
    for name in dict.fromkeys(row.network for row in rows):
        mine = [row for row in rows if row.network == name]
        errors = np.array([row.error for row in mine])
        odd = [row.strangeness for row in mine if row.strangeness is not None]
        lines.append(
            f"| {name} | {len(mine)} | {errors.mean():.1f} | {np.mean(errors <= NEAR):.0%} | {np.median(errors):.1f} "
            f"| {errors.max():.1f} | {np.mean([row.snr_db for row in mine]):+.1f} "
            f"| {f'{np.mean(odd):.2f}' if odd else '–'} |"
        )
    return "\n".join(lines)


def main() -> None:
    from published.clips import MARGIN
    from published.load import NAMES, load, weights_folder

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("paths", nargs="+", type=Path, help="videos, or folders of them")
    parser.add_argument("--networks", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--margin", type=float, default=MARGIN, help="side of the crop in face boxes")
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
    for video, truth in videos(asked.paths):
        try:
            fresh = list(read(video, truth, networks, asked.margin))
        except ValueError as error:
            print(f"{video}: {error}", file=sys.stderr)
            fresh = [Row(str(video), network.name, truth, float("nan"), float("nan"), None) for network in networks]
        rows += fresh
        if asked.each:
            said = "  ".join(f"{row.network} {row.said:.1f} ({row.snr_db:+.1f} dB)" for row in fresh)
            print(f"{video.name}: true {truth:.1f}  {said}", flush=True)
    if not rows:
        sys.exit("No video with a truth beside it was found.")
    if asked.rows:
        with asked.rows.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(row)) + "\n" for row in rows)
    print(table(rows))


if __name__ == "__main__":
    main()
