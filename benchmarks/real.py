"""Windows of the real recordings, which are not part of the project, with the reference of that very window."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
Window = tuple[str, str, float, np.ndarray, np.ndarray, float]
"""group, recording, start_s, times_s (N,), rgb (N, 3), true heart rate (/min)."""


@lru_cache(maxsize=1)
def shared_data() -> Path:
    """Return the folder of real recordings, or say how to name it and stop."""
    folder = Path(os.environ.get("PERFUSE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        sys.exit("The real recordings are not on this machine. Set PERFUSE_DATA to their folder.")
    return folder


@lru_cache(maxsize=1)
def face_clip() -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Return times (T,), pictures and contact wave (T,) of the face recording."""
    from perfuse.video import open_source

    folder = shared_data() / "face"
    with open_source(folder / "sample_1.mp4") as stream:
        frames = [(frame.time_s, frame.rgb()) for frame in stream]
    with (folder / "sample_1.csv").open() as file:
        contact = np.array([float(line["ppg"]) for line in csv.DictReader(file)])
    times = np.array([t for t, _ in frames])
    return times, [picture for _, picture in frames], contact[: len(times)]


def welltory(seconds: float, count: int) -> Iterator[Window]:
    """Yield ``count`` windows of each finger recording; the reference is the chest strap's intervals inside them."""
    for folder in sorted((shared_data() / "finger" / "welltory" / "data").iterdir()):
        data = np.genfromtxt(folder / "PPG.csv", delimiter=",", skip_header=1)
        data = data[np.concatenate([[True], np.diff(data[:, 0]) > 0])]
        times, rgb = data[:, 0] / 1000, data[:, 1:4]
        intervals = np.array((folder / "RR.txt").read_text().split(), float) / 1000
        ends = np.cumsum(intervals)
        for start in np.linspace(2.0, min(times[-1], ends[-1]) - seconds - 2.0, count):
            inside = (times >= start) & (times < start + seconds)
            beats = (ends >= start) & (ends <= start + seconds)
            yield (
                f"finger, {seconds:.0f} s",
                folder.name,
                float(start),
                times[inside],
                rgb[inside],
                60 / float(intervals[beats].mean()),
            )


def oximetry(seconds: float, count: int) -> Iterator[Window]:
    """Yield ``count`` windows of each oximetry recording; the reference is the ECG monitor's rate, once a second."""
    folder = shared_data() / "finger" / "oximetry"
    for path in sorted((folder / "left").glob("*.csv")):
        rgb = np.genfromtxt(path, delimiter=",", skip_header=1)
        with (folder / "gt" / path.name).open(encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))[1:]
        # two cells of each line hold text that the header does not count: the ECG's rate is the ninth from the end
        ecg = np.array([float(line[-9]) if len(line) > 40 and line[-9].strip() else np.nan for line in lines])
        for start in np.linspace(0, min(len(ecg), len(rgb) / 30) - seconds - 1, count).astype(int):
            reference = ecg[start : start + int(seconds)]
            reference = reference[np.isfinite(reference) & (reference > 30)]
            if len(reference) < seconds / 2:
                continue
            block = rgb[start * 30 : start * 30 + int(30 * seconds)]
            yield (
                f"oximetry, {seconds:.0f} s",
                path.stem,
                float(start),
                np.arange(len(block)) / 30,
                block,
                float(reference.mean()),
            )
