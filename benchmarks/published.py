"""Read videos of known pulse with networks that others trained on real faces.

Runs every published network whose weights are on this machine (see ``tests/published/load.py``) on video files whose
truth lies beside them as ``truth.json`` (``perfuse synth``) or ``<stem>.json`` (``Subject.write(truth_path=...)``),
and prints a table. Two references: the mean rate, and the strongest line of the painted pulse, which is what a
spectrum can show (:func:`painted_line`).

    perfuse synth FOLDER --simbench full --domain lab --jobs 2
    python benchmarks/published.py FOLDER... [--networks NAME...] [--margin 1.8] [--each] [--jobs 2]

With ``--out docs/results`` it reads the real clip too, where there is one, and writes a page. ``--slow`` prints what
they make of slow hearts on the real clip alone: the clip replayed slower, and waves painted onto it. ``--crosswise``
puts faces and what is around them together crosswise: whoever reads the real face worse in rendered surroundings than
in its own says that something is wrong with these.

Needs torch.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pages import renew

from perfuse.bench.machine import machine
from perfuse.core.workers import side_by_side

# in front of this file's own folder, whose ``published`` is this script
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

FILMS = {".mp4", ".mkv", ".mov", ".avi", ".webm"}
NEAR = 3.0
"""Per minute: an answer so near the truth counts as right."""
FAINT, SLOW, FAST = 0.005, 58.0, 90.0
"""A pulse depth below which, and rates beyond which, people are also counted apart."""
SPEEDS = (1.0, 0.9, 0.8, 0.7, 0.65, 0.6)
PAINTED, SECOND = (48.0, 52.0, 56.0, 60.0, 64.0), (0.3, 0.36, 0.42, 0.5)
"""Of ``--slow``: how fast the real clip is replayed; rates per minute of waves painted onto it, and by how much their
second harmonic is lower than their first."""
DEPTH, LATE = np.array([0.007, 0.02, 0.011]), 1.8
"""Painted pulse in red, green and blue, peak to peak, far above the clip's own; and how far, in radians, the second
harmonic is ahead: as where cameras see fingers."""


FACE = ((0.5, 0.55), (0.24, 0.34))
"""Of ``--crosswise``: middle and half axes of the ellipse that counts as face, in sides of a crop, across, down."""


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
            beside = [p for p in (video.parent / "truth.json", video.with_suffix(".json")) if p.is_file()]
            if not beside and not path.is_dir():
                sys.exit(f"{video.with_suffix('.json')} is missing: it must hold truth.heart_rate.")
            for truth in beside[:1]:
                about = json.loads(truth.read_text(encoding="utf-8"))
                if about["truth"]["heart_rate"] is not None:
                    yield video, about


def called(video: Path) -> str:
    """Return a short name."""
    return video.parent.name if (video.parent / "truth.json").is_file() else video.stem


def painted_line(video: Path, about: dict, count: int, rate_hz: float) -> float:
    """Return the strongest line, per minute, of the pulse that was painted, put through the spectrum of the answers.

    That is the column ``pulse`` of the ``frames.csv`` beside the video; without one, a constant wave with the same
    beats. The two differ where the heart changes its rate and the pulse its strength: by 4/min for one of sixty.
    """
    from published.load import line_rate, peak_rate

    frames = video.with_name("frames.csv")
    if not (video.parent / "truth.json").is_file() or not frames.is_file():
        return line_rate(np.array(about["truth"]["beats_s"]), count, rate_hz)
    with frames.open(encoding="utf-8") as file:
        seen, pulse = np.array([[float(row["time_s"]), float(row["pulse"])] for row in csv.DictReader(file)]).T
    return peak_rate(np.interp(np.arange(count) / rate_hz, seen, pulse), rate_hz)


def read(names: list[str], margin: float | None, film: tuple[Path, dict]) -> list[Row]:
    """Return what each network says of a video."""
    import torch

    from published.clips import face_clips
    from published.load import load, read_rate, snr_db, strangeness

    torch.set_num_threads(1)
    (video, about), networks = film, [load(name) for name in names]
    views = {network.name: (network.size, margin or network.margin) for network in networks}
    mean, domain = float(about["truth"]["heart_rate"]), about.get("settings", {}).get("domain", "")
    row = partial(Row, called(video), domain)
    try:
        clips = face_clips(video, set(views.values()))
    except ValueError as error:
        print(f"{video}: {error}", file=sys.stderr)
        nan = float("nan")
        return [row(name, mean, nan, nan, nan, None) for name in views]
    rows = []
    for network in networks:
        frames = clips[views[network.name]]
        line = painted_line(video, about, len(frames), network.rate_hz)
        wave, said = read_rate(network, frames)
        odd = list(strangeness(network, frames).values())
        noise = snr_db(wave, network.rate_hz, line)
        rows.append(row(network.name, mean, line, said, noise, float(np.mean(odd)) if odd else None))
    return rows


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


def real_rows(networks: list, margin: float | None) -> list[Row]:
    """Return what each network says of the real clip; nothing where it is not on this machine."""
    from perfuse.signal.filters import bandpass
    from published.clips import face_clips
    from published.load import ROOT, peak_rate, read_rate, snr_db, strangeness

    folder = Path(os.environ.get("PERFUSE_DATA", ROOT.parent / "shared" / "data")) / "face"
    video, contact = folder / "sample_1.mp4", folder / "sample_1.csv"
    if not (video.is_file() and contact.is_file()):
        return []
    with contact.open(encoding="utf-8") as file:
        pulse = bandpass(np.array([float(row["ppg"]) for row in csv.DictReader(file)]), 30.0, 0.6, 3.3)
    line = peak_rate(pulse / pulse.std(), 30.0)
    rows = []
    for network in networks:
        view = (network.size, margin or network.margin)
        frames = face_clips(video, {view})[view]
        wave, said = read_rate(network, frames)
        odd = list(strangeness(network, frames).values())
        noise = snr_db(wave, network.rate_hz, line)
        rows.append(
            Row("real", "real clip", network.name, line, line, said, noise, float(np.mean(odd)) if odd else None)
        )
    return rows


def slow(networks: list, margin: float | None) -> str:
    """Return two tables: the real clip replayed slower, and waves painted onto it."""
    from published.clips import face_clips
    from published.load import ROOT, read_rate

    own = real_rows(networks, margin)
    if not own:
        return "The real clip is not on this machine."
    video = Path(os.environ.get("PERFUSE_DATA", ROOT.parent / "shared" / "data")) / "face" / "sample_1.mp4"
    views = {network.name: (network.size, margin or network.margin) for network in networks}
    clips = face_clips(video, set(views.values()))
    last = len(next(iter(clips.values()))) - 1

    def line(cells: list[str], change: Callable[[np.ndarray], np.ndarray], truth: float) -> str:
        said = [read_rate(one, change(clips[views[one.name]]).astype(np.float32))[1] - truth for one in networks]
        return "| " + " | ".join(cells + [f"{error:+.1f}" for error in said]) + " |"

    def slower(speed: float) -> Callable[[np.ndarray], np.ndarray]:
        place = np.arange(0.0, last, speed)
        at, rest = place.astype(int), (place % 1.0)[:, None, None, None]
        return lambda clip: clip[at] * (1.0 - rest) + clip[at + 1] * rest

    def painted(rate: float, second: float) -> Callable[[np.ndarray], np.ndarray]:
        turn = 2.0 * np.pi * rate / 60.0 * np.arange(last + 1) / 30.0
        wave = np.cos(turn) + second * np.cos(2.0 * turn + LATE)
        return lambda clip: clip * (1.0 - DEPTH * (wave / np.ptp(wave))[:, None, None, None])

    names = " | ".join(views) + " |"
    beats = own[0].line
    return "\n".join([
        f"| the clip replayed at | its pulse, /min | {names}", "|---" * (len(views) + 2) + "|",
        *(line([f"{s:g}", f"{beats * s:.1f}"], slower(s), beats * s) for s in SPEEDS),
        "", f"| painted, /min | second harmonic | {names}", "|---" * (len(views) + 2) + "|",
        *(line([f"{r:.0f}", f"{h:g}"], painted(r, h), r) for r in PAINTED for h in SECOND),
    ])  # fmt: skip


def crosswise(networks: list, films: list[tuple[Path, dict]], margin: float | None) -> str:
    """Return a table a network: rendered faces in the real clip's surroundings, and its face in theirs."""
    from published.clips import face_clips
    from published.load import ROOT, read_rate, snr_db

    own = real_rows(networks, margin)
    if not own:
        return "The real clip is not on this machine."
    video = Path(os.environ.get("PERFUSE_DATA", ROOT.parent / "shared" / "data")) / "face" / "sample_1.mp4"
    (across, down), (wide, high) = FACE
    tables = []
    for network, before in zip(networks, own, strict=True):
        view = (network.size, margin or network.margin)
        y, x = (np.mgrid[: network.size, : network.size] + 0.5) / network.size
        face = ((((x - across) / wide) ** 2 + ((y - down) / high) ** 2) < 1)[None, :, :, None]
        real = face_clips(video, {view})[view]

        def told(clip: np.ndarray, line: float, network=network) -> str:
            wave, said = read_rate(network, clip.astype(np.float32))
            return f"{said - line:+.1f}, {snr_db(wave, network.rate_hz, line):+.1f} dB"

        lines = [
            f"{network.name}, which reads the real clip with {before.snr_db:+.1f} dB; off by, /min, and SNR:",
            "",
            "| person | as rendered | the face in real surroundings | the real face in these surroundings |",
            "|---|---|---|---|",
        ]
        for path, about in films:
            clip = face_clips(path, {view})[view][: len(real)]
            around, line = real[: len(clip)], painted_line(path, about, len(clip), network.rate_hz)
            cells = told(clip, line), told(np.where(face, clip, around), line)
            lines.append(
                f"| {called(path)} | {' | '.join(cells)} | {told(np.where(face, around, clip), before.line)} |"
            )
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


def people(rows: list[Row], films: list[tuple[Path, dict]]) -> str:
    """Return a markdown table, a line a person, with what each network is off by."""
    names = list(dict.fromkeys(row.network for row in rows))
    head = (
        "| person | tone | pulse depth, % | motion | noise | codec | worn | pulse, /min | " + " | ".join(names) + " |"
    )
    lines = [head, "|" + "---|" * (head.count("|") - 1)]
    for video, about in films:
        s = about["settings"]
        mine = {row.network: row for row in rows if row.video == called(video)}
        cells = [f"{mine[n].said - mine[n].line:+.1f}" if np.isfinite(mine[n].said) else "no face" for n in names]
        codec = "none" if s["codec"] == "none" else f"{s['codec']} {s['quality']:.0f}"
        lines.append(
            f"| {called(video)} | {s['tone']} | {100 * s['pulse_depth']:.2f} "
            f"| {s['motion']} x {s['motion_scale']:.1f} | {s['noise']:.1f} | {codec} "
            f"| {', '.join(s['wear']) or '–'} | {mine[names[0]].line:.1f} | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines)


def apart(rows: list[Row], films: list[tuple[Path, dict]]) -> str:
    """Return how many are right among people with a faint, a usual and a fast pulse, and so on."""
    of = {called(video): about["settings"] for video, about in films}
    kinds = {
        "everybody": lambda s, row: True,
        f"pulse depth below {FAINT:.1%}": lambda s, row: s["pulse_depth"] < FAINT,
        "above": lambda s, row: s["pulse_depth"] >= FAINT,
        f"rate below {SLOW:.0f}/min": lambda s, row: row.line < SLOW,
        f"rate above {FAST:.0f}/min": lambda s, row: row.line > FAST,
        "Monk tone 1 to 3": lambda s, row: s["tone"] <= 3,
        "4 to 7": lambda s, row: s["tone"] > 3,
        "the camera in a hand": lambda s, row: s["motion"] == "still",
        "make-up": lambda s, row: "makeup" in s["wear"],
    }
    names = list(dict.fromkeys(row.network for row in rows))
    lines = ["| people | n | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for kind, belongs in kinds.items():
        some = [row for row in rows if belongs(of[row.video], row)]
        right = [[row.error(row.line) <= NEAR for row in some if row.network == name] for name in names]
        if some:
            cells = [f"{sum(r)} of {len(r)}{wilson(sum(r), len(r))}" for r in right]
            lines.append(f"| {kind} | {len(right[0])} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def wilson(right: int, count: int) -> str:
    """Return the share's 95 % interval in brackets, for larger groups."""
    from scipy.stats import binomtest

    if count < 20:
        return ""
    interval = binomtest(right, count).proportion_ci(method="wilson")
    return f" ({interval.low:.0%} to {interval.high:.0%})"


ABOUT = """
Networks that others trained on recordings of real faces, run here as published (`tests/published/`) on people that
the simulator rendered. Whoever reads a real pulse and not a rendered one says that something is wrong with the
rendering.

`factorizephys-ubfc` was trained on UBFC-rPPG, the others on PURE: small sets of light-skinned people before a camera
that stands. Faces are cut as the rPPG-Toolbox cuts them, once for the whole recording. The answer is the strongest
line of the wave; the truth is the strongest line of the pulse that was painted, as published scores take that of the
contact sensor (*of the mean*: the mean rate). Right is within 3/min. The signal to noise ratio is the Toolbox's.
*Strangeness*: how far activations lie from those in training, 0.2 or less on pictures like those.
"""


def origin(folders: list[Path]) -> str:
    """Return the command that made a folder of SimBench; empty for anything else."""
    manifest = folders[0] / "manifest.json"
    if len(folders) != 1 or not manifest.is_file():
        return ""
    source = json.loads(manifest.read_text(encoding="utf-8"))["source"]
    part = f" --domain {source['domain']}" if "domain" in source else ""
    return f"perfuse synth FOLDER --simbench {source['simbench']}{part}" if "simbench" in source else ""


def page(films: list[tuple[Path, dict]], rows: list[Row], asked: argparse.Namespace, spent: float) -> str:
    """Return the page."""
    from published.load import load

    networks = [load(name) for name in asked.networks]
    real = real_rows(networks, asked.margin)
    lengths = sorted({about["settings"]["duration_s"] for _, about in films})
    return "\n\n".join([
        "# Networks that others trained, on rendered faces",
        f"Made by `{origin(asked.paths)}` and `python benchmarks/published.py FOLDER --out docs/results` on "
        f"{time.strftime('%Y-%m-%d')}, {machine()}, torch {version('torch')}; {len(films)} people, "
        f"{' and '.join(f'{length:g}' for length in lengths)} s each; read in {spent:.0f} s on {asked.jobs} cores.",
        ABOUT.strip(),
        table(real + rows),
        "## Who is read",
        "Of larger groups the share's 95 % interval (Wilson) in brackets.",
        apart(rows, films),
        "## Person by person",
        "What each network is off by, per minute:",
        people(rows, films),
        "## Slow hearts on the real clip",
        "`python benchmarks/published.py --slow`: what each network is off by, per minute.",
        slow(networks, asked.margin),
    ])  # fmt: skip


def main() -> None:
    from published.load import NAMES, load, weights_folder

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("paths", nargs="*", type=Path, help="videos, or folders of them")
    parser.add_argument("--networks", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--margin", type=float, help="side of the crop in face boxes, instead of each network's own")
    parser.add_argument("--each", action="store_true", help="print every video as well")
    parser.add_argument("--slow", action="store_true", help="print what they make of slow hearts on the real clip")
    parser.add_argument("--crosswise", action="store_true", help="exchange what is around faces with the real clip")
    parser.add_argument("--jobs", type=int, default=1, help="videos that are read at a time")
    parser.add_argument("--out", type=Path, help="folder of a page to write, of one folder of recordings")
    asked = parser.parse_args()
    if weights_folder() is None:
        sys.exit("Published weights are not on this machine. Set PERFUSE_WEIGHTS to their folder.")
    if asked.slow:
        print(slow([load(name) for name in asked.networks], asked.margin))
        return
    begin, films, rows = time.perf_counter(), list(videos(asked.paths)), []
    if not films:
        sys.exit("No video with a truth beside it was found.")
    if asked.crosswise:
        print(crosswise([load(name) for name in asked.networks], films, asked.margin))
        return
    if asked.out and not origin(asked.paths):
        sys.exit("A page is made of one folder of SimBench, from perfuse synth.")
    for (video, _), fresh in side_by_side(partial(read, asked.networks, asked.margin), films, asked.jobs):
        rows += fresh
        if asked.each:
            said = "  ".join(f"{row.network} {row.said:.1f} ({row.snr_db:+.1f} dB)" for row in fresh)
            print(f"{called(video)}: mean {fresh[0].mean:.1f} line {fresh[0].line:.1f}  {said}", flush=True)
    order = {called(video): place for place, (video, _) in enumerate(films)}
    rows.sort(key=lambda row: (order[row.video], asked.networks.index(row.network)))
    if asked.out is None:
        print(table(rows))
        return
    asked.out.mkdir(parents=True, exist_ok=True)
    renew(asked.out / "published.md", page(films, rows, asked, time.perf_counter() - begin))


if __name__ == "__main__":
    main()
