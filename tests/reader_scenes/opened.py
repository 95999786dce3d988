"""Contracts for newborns, open samples (a phone, fingers on lenses), and a folder of one's own."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from scipy.io import savemat

from reader_scenes.making import NAN, Scene, avi, even, film, png, put, table, wave


def nbhr(root: Path) -> Scene:
    """NBHR: the contract."""
    for name in ("s1/a", "s10/a", "s2/b"):
        folder = root / name
        if name == "s2/b":
            for index in range(5):
                png(folder / "frames" / f"{index}.png", 10 * index)
            put(folder / "timestamps.txt", "\n".join(map(str, even(5, 10))))
        else:
            avi(folder / "video.avi", rate=29)
        put(folder / "ppg.csv", "\n".join(f"{t},{v}" for t, v in zip(even(30, 60), wave(30))))
        put(folder / "hr.csv", "hr\n140\n0\nnan\n142\n")
        put(folder / "spo2.csv", "0,95\n1,96\n2,0\n")
    return Scene(
        ["s1/a/video", "s10/a/video", "s2/b/frames"],
        ["s1", "s10", "s2"],
        even(12, 29),
        {
            "pulse": (even(30, 60), wave(30)),
            "heart_rate": (even(4, 1), np.array([140, NAN, NAN, 142])),
            "spo2": (even(3, 1), np.array([95, 96, NAN])),
        },
        {"population": "neonate"},
    )


def nicu(root: Path) -> Scene:
    """A neonatal ward: the contract."""
    folder = root / "infant_1" / "night"
    film(folder / "video.mp4")
    table(
        folder / "monitor.csv",
        time_s=np.arange(6.0),
        ecg_hr=np.array([150.0, 151, 0, 153, 154, NAN]),
        rr=np.array([40.0, 41, 42, 43, 44, 45]),
        offset_s=np.full(6, -1.5),
    )
    put(folder / "exclusions.csv", "from_s,to_s,reason\n-0.5,0.6,care\n")
    return Scene(
        ["infant_1/night/video"],
        ["infant_1"],
        even(12, 30),
        {
            "heart_rate": (np.arange(6) - 1.5, np.array([150, NAN, NAN, 153, 154, NAN])),
            "respiratory_rate": (np.arange(6) - 1.5, np.array([40, NAN, NAN, 43, 44, 45])),
        },
        {"population": "neonate", "session": "night"},
        spare=frozenset({"exclusions.csv"}),
    )


def vitallens(root: Path) -> Scene:
    """Samples of vitallens-python: irregular frames."""
    times = even(12, 30) ** 1.2  # irregular
    film(root / "take_2.mp4", times)
    film(root / "take_10.mp4")
    for name in ("take_2", "take_10"):
        table(root / f"{name}.csv", ppg=wave(12), ecg=wave(12, None), hr_ecg=np.full(12, 75.0), rr=np.full(12, 0.0))
    return Scene(
        ["take_2", "take_10"],
        ["take_2", "take_10"],
        times,
        {
            "pulse": (times, wave(12)),
            "ecg": (times, wave(12, None)),
            "heart_rate": (times, np.full(12, 75.0)),
            "respiratory_rate": (times, np.full(12, NAN)),
        },
    )


def welltory(root: Path) -> Scene:
    """Welltory: traces and intervals."""
    for number in (1, 10, 2):
        folder = root / "data" / f"subject_{number:02d}"
        rows = "\n".join(f"{33 * i},{200 + i % 7},10,{5 + i % 3}" for i in range(20))
        put(folder / "PPG.csv", f"time,R,G,B\n{rows}\n")
        put(folder / "RR.txt", "800 825 790")
    return Scene(
        ["subject_01", "subject_02", "subject_10"],
        ["subject_01", "subject_02", "subject_10"],
        0.033 * np.arange(20),
        {"beats": (np.array([0, 0.8, 1.625, 2.415]), np.array([NAN, 0.8, 0.825, 0.79]))},
    )


GT_NAMES = [
    "Time", *(f"SpO2 {i}" for i in range(1, 6)), *(f"Pulse {i}" for i in range(1, 6)), "AC Gain 5", "ECG 3",
    "FiO2 3", "RR CO2 3", "Rig FiO2", "", "", "",
]  # fmt: skip


def oximetry(root: Path) -> Scene:
    """Smartphone oximetry: over midnight, names five columns left of their values."""
    lines = [",".join(GT_NAMES)]
    for i in range(4):
        saturation = ["97", "96", "0", "95", "98"] if i != 1 else ["0"] * 5
        clock = f" 23:59:{58 + i}" if i < 2 else f" 00:00:0{i - 2}"
        lines.append(
            ",".join(
                [clock, *saturation, "60", "61", "0", "63", "64", "0", "", "AS AO", "6000", "62", "20", "15", "21"]
            )
        )
    lines.append(",".join([" Collection Halted", *[""] * 18]))
    for person in ("100001", "100002"):
        put(root / "gt" / f"{person}.csv", "\ufeff" + "\n".join(lines) + "\n")
        put(root / "left" / f"{person}.csv", "R,G,B\n" + "\n".join(f"{40 + i % 5},80,50" for i in range(90)) + "\n")
    return Scene(
        ["100001/left", "100002/left"],
        ["100001", "100002"],
        even(90, 30),
        {
            "spo2": (even(4, 1), np.array([96.5, NAN, 96.5, 96.5])),
            "heart_rate": (even(4, 1), np.full(4, 62.0)),
            "respiratory_rate": (even(4, 1), np.full(4, 15.0)),
        },
        {"light": "flash"},
    )


YAML = """\
videos: "{subject}/{session}_{task}.mp4"
times: {file: "{subject}/{session}_frames.csv", column: stamp, unit: ms, zero: first}
references:
  pulse:
    file: "{subject}/{session}_*.npy"
    scale: -2
    missing: [-9]
    clock: {per: frame}
  ecg:
    file: "{subject}/{session}.h5"
    column: box/ecg:1
    unit: uV
    clock: {column: "box/ecg:0", unit: ms, zero: frames, offset_s: 0.5}
  heart_rate: {file: "{subject}/{session}_hr.txt", unit: Hz, clock: {rate_hz: 2}}
  beats: {file: "{subject}/rr.txt", unit: ms, clock: {offset_s: 0.1}}
  respiration: {file: "{subject}/{session}_belt.csv", column: 2, clock: {column: 0}}
  spo2: {file: "{subject}/{session}_spo2.mat", column: s, clock: {per: video}}
about:
  light: daylight
  glasses: no
  skin_tone: {anna: 2, ben: 5}
exclusions:
  - {subject: anna, from_s: 0.2, to_s: 0.3}
"""


def folder(root: Path) -> Scene:
    """A folder of one's own, with every kind of clock and file."""
    put(root / "perfuse.yaml", YAML)
    for person in ("anna", "ben"):
        place = root / person
        film(place / "s1_talk.mp4")
        stamps = 5000 + 50 * np.arange(12)
        put(place / "s1_frames.csv", "number,stamp\n" + "\n".join(f"{i},{s}" for i, s in enumerate(stamps)))
        np.save(place / "s1_ppg.npy", np.where(np.arange(12) == 1, -9, np.arange(12)).astype(float))
        with h5py.File(place / "s1.h5", "w") as file:
            file["box/ecg"] = np.stack([5000.0 + 4 * np.arange(9), 1000.0 * np.arange(9)], axis=1)
        put(place / "s1_hr.txt", "1.0\nnan\n1.5\n")
        put(place / "rr.txt", "1000 900 1100")
        put(place / "s1_belt.csv", "0.0,x,1\n0.1,x,\n0.2,x,3\n")
        savemat(place / "s1_spo2.mat", {"s": np.array([97.0, 98, 99])})
    times = even(12, 20)
    return Scene(
        ["anna/s1_talk", "ben/s1_talk"],
        ["anna", "ben"],
        times,
        {
            "pulse": (times, np.array([0, NAN, -4, -6, NAN, NAN, NAN, -14, -16, -18, -20, -22])),
            "ecg": (even(9, 250, 0.5), np.arange(9.0)),
            "heart_rate": (even(3, 2), np.array([60, NAN, 90])),
            "beats": (np.array([0.1, 1.1, 2.0, 3.1]), np.array([NAN, 1.0, 0.9, 1.1])),
            "respiration": (even(3, 10), np.array([1, NAN, NAN])),
            "spo2": (even(3, 5), np.array([97, NAN, 99])),
        },
        {"session": "s1", "task": "talk", "light": "daylight", "glasses": "no", "skin_tone": 2},
    )
