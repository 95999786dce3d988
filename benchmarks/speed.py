"""Where the time goes, how memory grows, how soon the first answer comes: side by side, in one run.

python benchmarks/speed.py FILE [--method pos] [--repeat 5] [--out docs/results/speed.md]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av

from perfuse.bench.machine import machine

FIRST_ANSWER = """
import sys, time
begin = float(sys.argv[1])
from perfuse import Session, open_source
from perfuse.video import read_ahead
session = Session(sys.argv[3])
with open_source(sys.argv[2]) as stream:
    first = None
    for frame in read_ahead(stream):
        session.push(frame)
        if first is None:
            first, ready = frame.time_s, time.time() - begin
        if frame.time_s - first >= 5.2:
            vital = session.measure().heart_rate
            if vital.value is not None:
                break
print(time.time() - begin, frame.time_s - first, vital.value, ready)
"""
MEMORY = """
import resource, sys
import perfuse
perfuse.measure(sys.argv[1], method=sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
ENV = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def decode(path: Path) -> int:
    """Bare decoding: what any program that reads this file must spend."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(1 for _ in container.decode(video=0))


def stages(path: Path, method: str) -> dict[str, Callable[[], object]]:
    """Each stage includes the ones before it."""
    import perfuse
    from perfuse.clip.sampler import FaceSampler
    from perfuse.face import BlazeFace, Tracker
    from perfuse.methods import get_method
    from perfuse.video import open_source

    def frames() -> int:
        with open_source(path) as stream:
            return sum(1 for _ in stream)

    def track(sample: bool) -> None:
        tracker, samplers = Tracker(BlazeFace()), {}
        view = get_method(method).view

        def use(tracked) -> None:
            for face in tracked.faces if sample else ():
                samplers.setdefault(face.id, FaceSampler(view)).sample(tracked.frame, face)

        with open_source(path) as stream:
            for frame in stream:
                for tracked in tracker.push(frame):
                    use(tracked)
            for tracked in tracker.finish():
                use(tracked)

    return {
        "decode alone": lambda: decode(path),
        "+ timed frames": frames,
        "+ face tracking": lambda: track(sample=False),
        "+ skin regions": lambda: track(sample=True),
        f"measure (+ {method}, vitals)": lambda: perfuse.measure(path, method=method),
    }


def looped(path: Path, folder: str, times: int) -> Path:
    """Repeat a file by copying its packets: same pictures, longer clock, no re-encoding."""
    out = Path(folder) / f"{times}.mkv"
    with av.open(str(out), "w") as target:
        stream, offset = None, 0
        for _ in range(times):
            with av.open(str(path)) as source:
                video = source.streams.video[0]
                stream = stream or target.add_stream_from_template(video)
                end = 0
                for packet in source.demux(video):
                    if packet.dts is None:
                        continue
                    packet.pts += offset
                    packet.dts += offset
                    end = max(end, packet.pts + (packet.duration or 1))
                    packet.stream = stream
                    target.mux(packet)
                offset = end
    return out


def child(code: str, *arguments: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=ENV, capture_output=True, text=True, check=True
    )
    return [float(x) for x in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--method", default="pos")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    os.environ.update(ENV)

    with av.open(str(options.file)) as container:
        video = container.streams.video[0]
        what = f"{video.width}x{video.height} {video.codec.canonical_name}, {container.bit_rate / 1e6:.1f} Mb/s"
    count = decode(options.file)
    work = stages(options.file, options.method)
    wall: dict[str, list[float]] = {name: [] for name in work}
    busy: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(options.repeat):  # interleaved, so that a busy moment of the machine hits all stages
        for name, run in work.items():
            begin, cpu = time.perf_counter(), time.process_time()
            run()
            wall[name].append(time.perf_counter() - begin)
            busy[name].append(time.process_time() - cpu)
    base = statistics.median(wall["decode alone"])
    base_cpu = statistics.median(busy["decode alone"])
    lines = [
        f"# Speed of {options.file.name}",
        "",
        f"Made by `python benchmarks/speed.py {options.file.name} --method {options.method}"
        f" --repeat {options.repeat}` on {time.strftime('%Y-%m-%d')}; {what}, {count} frames; "
        f"{machine()}. Medians; each stage includes those before it.",
        "",
        "| stage | wall s | frames/s | wall, decode = 1 | CPU s | CPU, decode = 1 |",
        "|---|---|---|---|---|---|",
    ]
    for name in work:
        w, c = statistics.median(wall[name]), statistics.median(busy[name])
        lines.append(f"| {name} | {w:.2f} | {count / w:.0f} | {w / base:.2f} | {c:.2f} | {c / base_cpu:.2f} |")

    first = [child(FIRST_ANSWER, repr(time.time()), str(options.file), options.method) for _ in range(options.repeat)]
    lines += [
        "",
        f"First answer: {statistics.median(f[0] for f in first):.2f} s after process start (median of {len(first)}; "
        f"the first {first[0][1]:.1f} s of the recording give {first[0][2]:.1f}/min); "
        f"{statistics.median(f[3] for f in first):.2f} s until the first picture is taken in and the network loaded, "
        "the rest is decoding and measuring that much video.",
        "",
        "| length | peak memory, MB |",
        "|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for times, label in ((1, "once"), (5, "5 times"), (50, "50 times")):
            path = options.file if times == 1 else looped(options.file, folder, times)
            lines.append(f"| {label} ({times * count} frames) | {child(MEMORY, str(path), options.method)[0]:.0f} |")
    text = "\n".join([*lines, ""])
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text)


if __name__ == "__main__":
    main()
