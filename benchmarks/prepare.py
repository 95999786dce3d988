"""Memory and speed of preparing a data set: sixty one-minute videos, two workers, beside decoding alone.

The videos are one painted minute (640 x 480, H.264) under sixty names, each with a reference of its own: no two
are the same recording.

    python benchmarks/prepare.py [--videos 60] [--seconds 60] [--jobs 2] [--out docs/results/prepare.md]
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import threading
import time
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np

from perfuse.bench.machine import machine
from perfuse.core.view import Crop, Grid, Trace
from perfuse.core.workers import side_by_side
from perfuse.data.formats.films import open_film
from perfuse.data.formats.pictures import open_pictures
from perfuse.data.formats.tables import read_numbers
from perfuse.data.labels import usable
from perfuse.data.prepare import prepare
from perfuse.data.recording import Recording, Signal
from perfuse.synth.subject import subject
from perfuse.video.write import write_video

VIEWS = {"trace": Trace(), "grid": Grid(9, 9), "crop": Crop(72)}


def references(path: Path) -> dict[str, Signal]:
    """Read a table of time and pulse."""
    table = read_numbers(path)
    return {"pulse": usable(Signal(table[:, 0], table[:, 1]))}


def data_set(folder: Path, videos: int, seconds: float) -> list[Recording]:
    """Paint one recording and give it many names."""
    person = subject(1, "lab", duration_s=seconds, width=640, height=480, codec="h264", quality=18.0)
    film = folder / "film.mp4"
    person.write(film)
    times = np.arange(0, seconds, 1 / 60)
    lines = [f"{t:.6f} {p:.6f}" for t, p in zip(times, person.truth.pulse(times))]
    made = []
    for number in range(videos):
        label = folder / f"{number}.txt"
        label.write_text("\n".join(lines) + " " * number + "\n")
        files = (film, label)
        made.append(
            Recording("own", f"s{number}", f"s{number}", partial(open_film, film), partial(references, label), files)
        )
    return made


def kinds(folder: Path, seconds: float) -> list[Recording]:
    """Paint one person once and keep the pictures as data sets do: pressed hard, hardly, raw, and one by one."""
    from PIL import Image

    person = subject(1, "lab", duration_s=seconds, width=640, height=480)
    frames = [(float(t), picture) for t, picture in person.frames()]
    found = []
    coded = {
        "H.264, crf 18": ("a.mp4", "libx264", 18),
        "H.264, crf 4": ("b.mp4", "libx264", 4),
        "FFV1": ("c.mkv", "ffv1", None),
    }
    for name, (file, codec, crf) in coded.items():
        write_video(folder / file, frames, codec, crf=crf)
        found.append(Recording("own", name, name, partial(open_film, folder / file), dict, (folder / file,)))
    pictures = folder / "png"
    pictures.mkdir()
    paths = [pictures / f"{k:05d}.png" for k in range(len(frames))]
    for path, (_, picture) in zip(paths, frames):
        Image.fromarray(picture).save(path)
    times = np.array([t for t, _ in frames])
    opened = partial(open_pictures, paths, times, "png")
    return [*found, Recording("own", "PNG", "PNG", opened, dict, (pictures,))]


def kind_table(seconds: float) -> list[str]:
    """CPU seconds of one process, decoding alone and preparing."""
    lines = [
        "| source | decoding, ms a frame | preparing a trace | of that decoding |",
        "| --- | ---: | ---: | ---: |",
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number, recording in enumerate(kinds(folder, seconds)):
            prepare([recording], Trace(), folder / f"warm{number}")
            begin = cpu_s()
            count = decode(recording)
            middle = cpu_s()
            prepare([recording], Trace(), folder / f"cold{number}")
            one, all_ = 1000 * (middle - begin) / count, 1000 * (cpu_s() - middle) / count
            lines.append(f"| {recording.id} | {one:.1f} | {all_:.1f} | {one / all_:.0%} |")
    return lines


def cpu_s() -> float:
    """CPU seconds of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def decode(recording: Recording) -> int:
    """Decode and do nothing."""
    with recording.video() as stream:
        return sum(1 for _ in stream)


class Watch:
    """Highest memory of this process and its children, by proportional share (Linux)."""

    def __init__(self) -> None:
        self.most_mb = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            self.most_mb = max(self.most_mb, sum(map(_share_mb, _family())))


def _family() -> list[int]:
    import os

    parents = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found, new = {os.getpid()}, True
    while new:
        new = {p for p, parent in parents.items() if parent in found} - found
        found |= new
    return list(found)


def _share_mb(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(float(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def main() -> None:
    """Measure and print, or write, the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--views", default="trace,grid,crop", help="of trace, grid (9 x 9) and crop (72)")
    parser.add_argument("--out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        recordings = data_set(folder, options.videos, options.seconds)
        rows = []
        begin = time.perf_counter()
        frames = sum(n for _, n in side_by_side(decode, recordings, options.jobs))
        rows.append(("decoding alone", time.perf_counter() - begin, 0.0, 0.0))
        for view in map(VIEWS.__getitem__, options.views.split(",")):
            cache = folder / "cache"
            with Watch() as watch:
                begin = time.perf_counter()
                done = prepare(recordings, view, cache, jobs=options.jobs)
                spent = time.perf_counter() - begin
            size = sum(path.stat().st_size for path in done.entries.values()) / 1e6
            rows.append((repr(view), spent, watch.most_mb, size))
            begin = time.perf_counter()
            prepare(recordings, view, cache, jobs=options.jobs)
            rows.append(("the same again, all there", time.perf_counter() - begin, 0.0, 0.0))
            shutil.rmtree(cache)
    page = _page(rows, frames, options)
    if options.out:
        Path(options.out).write_text(page, encoding="utf-8")
    sys.stdout.write(page)


def _page(rows: list[tuple[str, float, float, float]], frames: int, options: argparse.Namespace) -> str:
    base = rows[0][1]
    lines = [
        "# Preparing a data set",
        "",
        f"{options.videos} videos of {options.seconds:g} s (640 x 480, H.264, {frames} frames in all), "
        f"{options.jobs} workers: time, highest memory of all processes together, and what the cache takes.",
        "",
        "| what | seconds | frames a second | x decoding | memory | cache |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for what, spent, memory, size in rows:
        told = f"{memory:.0f} MB" if memory else ""
        kept = f"{size:.0f} MB" if size else ""
        lines.append(f"| {what} | {spent:.1f} | {frames / spent:.0f} | {spent / base:.2f} | {told} | {kept} |")
    asked = f"--views {options.views} --videos {options.videos} --seconds {options.seconds:g} --jobs {options.jobs}"
    command = f"python benchmarks/prepare.py {asked}"
    lines += ["", f"`{command}`, {date.today().isoformat()}, {machine()}.", ""]
    lines += [
        "CPU time of one process by kind of source, 10 s of the same person at 640 x 480. What data sets are mostly",
        "kept as is limited by decoding; hard-pressed video, which decodes in no time, is limited by looking at it.",
        "",
        *kind_table(10.0),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
