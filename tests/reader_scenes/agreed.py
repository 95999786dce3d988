"""Data sets that come on signing an agreement: drivers, phones, challenge films, darkness, sport."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyedflib
from scipy.io import savemat

from reader_scenes.making import NAN, Scene, avi, even, film, png, put, table, wave


def physdrive(root: Path) -> Scene:
    """PhysDrive: 5 crops numbered 1, 2, 3, 5, 6: 0.2 s; BVP has 20 samples, spread over it: 100 Hz."""
    session = root / "AFH1" / "AS"
    for number in (1, 2, 3, 5, 6):
        png(session / "Align" / f"{number}.png", 20 * number)
    (session / "Label").mkdir()
    for key, count in (("BVP", 20), ("ECG", 40), ("RESP", 10), ("SPO2", 4), ("HR", 4)):
        values = wave(count) if count > 4 else np.array([97.0, 0.0, NAN, 98.0])
        savemat(session / "Label" / f"{key}.mat", {key: values[None]})
    cube = np.arange(6 * 2 * 8 * 16 * 8, dtype=np.float64).reshape(6, 2, 8, 16, 8)
    savemat(session / "mmwave.mat", {"mmwave": cube})
    return Scene(
        ["AFH1/AS"],
        ["AFH1"],
        np.array([0, 1, 2, 4, 5]) / 30,
        {
            "pulse": (even(20, 100), wave(20)),
            "ecg": (even(40, 200), wave(40)),
            "respiration": (even(10, 50), wave(10)),
            "spo2": (even(4, 20), np.array([97, NAN, NAN, 98])),
            "heart_rate": (even(4, 20), np.array([97, NAN, NAN, 98])),
        },
        {"sex": "female", "light": "dusk or early morning", "motion": "flat, free road", "task": "driving, quiet"},
        cropped=True,
        radar=(6, 8, 16, 8),
        spare=frozenset({"mmwave.mat"}),
    )


def vipl_hr(root: Path) -> Scene:
    """VIPL-HR: the film says 25 frames a second, the phone has no times."""
    for person, scene, source in (("p2", "v7", "source1"), ("p10", "v1-2", "source2"), ("p10", "v1", "source2")):
        folder = root / "data" / ("p1-5" if person == "p2" else "p6-10") / person / scene / source
        avi(folder / "video.avi", rate=25)
        put(folder / "wave.csv", "Wave\n" + "\n".join(map(str, wave(24))) + "\n")
        put(folder / "gt_HR.csv", "HR\n70\n0\n72\n")
        put(folder / "gt_SpO2.csv", "SpO2\n97\nx\n98\n")
        if source != "source2":
            put(folder / "time.txt", "\n".join(str(1000 + 40 * i) for i in range(12)) + "\n")
    (root / "fold").mkdir()
    savemat(root / "fold" / "fold3.mat", {"fold3": np.array([[10, 2, 77]])})
    return Scene(
        ["p2/v7/source1", "p10/v1/source2", "p10/v1-2/source2"],
        ["p2", "p10", "p10"],
        even(12, 25),
        {
            "pulse": (even(24, 60), wave(24)),
            "heart_rate": (even(3, 1), np.array([70, NAN, 72])),
            "spo2": (even(3, 1), np.array([97, NAN, 98])),
        },
        {"exercise": "yes", "camera": "Logitech C310", "fold": 3, "session": "v7"},
    )


def v4v(root: Path) -> Scene:
    """V4V: 12 frames 0.04 s apart; heart and respiratory rate per frame."""
    one, two = root / "Phase 1_ Training_Validation sets", root / "Phase 2_ Testing set"
    film(one / "Videos" / "train-001_of_002" / "F001_T2.mkv", even(12, 25))
    film(one / "Videos" / "valid" / "M010_T1.mkv", even(12, 25))
    film(two / "Videos" / "Test" / "test" / "M002_T10.mkv", even(12, 25))
    truth = one / "Ground truth"
    put(truth / "BP_raw_1KHz" / "F001-T2-BP.txt", "\n".join(map(str, wave(30))))
    rates = ", ".join(["80.5", "nan", *["81"] * 10])
    put(
        truth / "Physiology" / "F001_T2.txt",
        f"F001_T2.mkv, HR, {rates}\nF001_T2.mkv, RR, {', '.join(['12'] * 12)}\n",
    )
    for name, key in (("validation", "M010_T1"), ("test", "M002_T10")):
        lines = [f"{k}.mkv, {kind}, {rates}" for k in ("F099_T1", key) for kind in ("HR", "RR")]
        put(two / f"{name}_set_gt_release.txt", "\n".join(lines) + "\n")
    put(two / "blood_pressure" / "val_set_bp" / "M010-T1.txt", "\n".join(map(str, wave(30))))
    put(two / "blood_pressure" / "test_set_bp" / "M002-T10.txt", "\n".join(map(str, wave(30))))
    return Scene(
        ["F001_T2", "M010_T1", "M002_T10"],
        ["F001", "M010", "M002"],
        even(12, 25),
        {
            "blood_pressure": (even(30, 1000), wave(30)),
            "heart_rate": (even(12, 25), np.array([80.5, NAN, *[81] * 10])),
            "respiratory_rate": (even(12, 25), np.full(12, 12.0)),
        },
        {"sex": "female", "task": "T2", "split": "train"},
    )


def buaa_mihr(root: Path) -> Scene:
    """BUAA-MIHR: two ways of naming folders, MATLAB and CSV."""
    for folder in ("Sub 02/lux 10.0", "Sub 01/Lux 1.6"):
        avi(root / folder / "lux1_APH.avi")
        path = root / folder / "lux1_PPGData.mat"
        savemat(path, {"PPG": {"data": wave(24)[:, None], "fs": 50.0, "peaks": np.array([2, 9])}})
    avi(root / "Sub 10_lux 100.0" / "lux100.0_X.avi")
    put(root / "Sub 10_lux 100.0" / "wave.csv", "wave\n" + "\n".join(map(str, wave(24))) + "\n")
    return Scene(
        ["Sub 01/lux 1.6", "Sub 02/lux 10", "Sub 10/lux 100"],
        ["Sub 01", "Sub 02", "Sub 10"],
        even(12, 30),
        {"pulse": (even(24, 50), wave(24))},
        {"light": "1.6 lx"},
    )


def lgi_ppgi(root: Path) -> Scene:
    """LGI-PPGI: the timer's last frame is at 0.44 s, and 30 samples at 60 Hz end there."""
    for name in ("alex/alex_gym", "id2/cpi/cpi_talk"):
        folder = root / name
        avi(folder / "cv_camera_sensor_stream_handler.avi", rate=25)
        values = wave(30)
        rows = [(0, 0 if i == 1 else 70 + i, values[i]) for i in range(30)]
        put(folder / "cms50_stream_handler.xml", xml(rows))
        put(folder / "cv_camera_sensor_timer_stream_handler.xml", xml([(i, 500.0 + 40 * i, 0) for i in range(12)]))
    return Scene(
        ["alex/alex_gym", "id2/cpi/cpi_talk"],
        ["alex", "cpi"],
        even(12, 25),
        {
            "pulse": (even(30, 60, 0.44 - 29 / 60), wave(30)),
            "heart_rate": (even(30, 60, 0.44 - 29 / 60), np.where(np.arange(30) == 1, NAN, 70.0 + np.arange(30))),
        },
        {"task": "bicycle ergometer", "exercise": "yes"},
    )


def xml(rows: list[tuple[float, ...]]) -> str:
    body = "".join(
        f"<value{i}>" + "".join(f"<value{j}>{value}</value{j}>" for j, value in enumerate(row)) + f"</value{i}>\n"
        for i, row in enumerate(rows)
    )
    return f'<?xml version="1.0"?>\n<opencv_storage>\n{body}</opencv_storage>\n'


def mahnob_hci(root: Path) -> Scene:
    """MAHNOB-HCI: 256 Hz, the trigger rises after half a second."""
    for session, person in (("10", 3), ("2", 1)):
        folder = root / "Sessions" / session
        avi(folder / f"P{person}-Rec1-2009.07.09.17.53.46_C1 trigger _C_Section_{session}.avi", rate=61)
        avi(folder / f"P{person}-Rec1-2009.07.09.17.53.46_BW1 _Section_{session}.avi", rate=61)
        put(folder / "session.xml", f'<session vidRate="61"><subject id="{person}" gender="F"/></session>')
        bdf(folder / f"Part_{person}_Stimesrial1_emotion.bdf")
    return Scene(
        ["2", "10"],
        ["P1", "P3"],
        even(12, 61),
        {
            "ecg": (even(512, 256, -0.5), wave(512, None)),
            "respiration": (even(512, 256, -0.5), 10 * wave(512, None)),
        },
        {"sex": "female", "task": "watching films"},
        spare=frozenset({"session.xml"}),
    )


def bdf(path: Path, trigger: int | None = 128) -> None:
    names = ["EXG1", "EXG2", "Resp", "Status"]
    writer = pyedflib.EdfWriter(str(path), len(names), pyedflib.FILETYPE_BDF)
    for index, name in enumerate(names):
        state = name == "Status"
        writer.setSignalHeader(
            index,
            {
                "label": name,
                "dimension": "Boolean" if state else "uV",
                "sample_frequency": 256,
                "physical_max": 8388607 if state else 8000,
                "physical_min": -8388608 if state else -8000,
                "digital_max": 8388607,
                "digital_min": -8388608,
                "transducer": "",
                "prefilter": "",
            },
        )
    status = np.full(512, 0x10000, np.float64)  # a bit of the amplifier's state, always set
    if trigger is not None:
        status[trigger : trigger + 3] += 16
        status[400:403] += 16
    ecg = 1000.0 * wave(512, None)
    writer.writeSamples([np.zeros(512), ecg, 10 * wave(512, None), status])
    writer.close()


def ecg_fitness(root: Path) -> Scene:
    """ECG-Fitness: packets of 5 rows each 40 ms from 10 000 ms on; the first frame at 10 100 ms."""
    for person, session in (("00", "03"), ("11", "01")):
        folder = root / "ForPublication" / person / session
        for camera in ("c920-1.avi", "c920-2.avi"):
            avi(folder / camera)
        marks = 10_000 + 40 * (np.arange(40) // 5)
        lines = ["milliseconds, ECG, ECG HR, PPG, PPG HR, SpO2, PI"]
        values = wave(40)
        for i, mark in enumerate(marks):
            rate = -1 if i < 2 else -100 if i == 2 else 90
            lines.append(f"{mark},{values[i]},{rate},{i},80,{-1 if i == 0 else 97},3")
        put(folder / "viatom-raw.csv", "\n".join(lines) + "\n")
        put(folder / "c920.csv", "\n".join(f"{10_100 + 33 * i},{12 + 4 * i}" for i in range(12)) + "\n")
        put(root / "ForPublication" / "bbox" / person / session / "c920-1.face", "0 1 1 5 5\n")
    clock = np.concatenate([even(36, 125), [0.288, 0.296, 0.304, 0.312]]) - 0.1
    return Scene(
        ["00/03/c920-1", "00/03/c920-2", "11/01/c920-1", "11/01/c920-2"],
        ["00", "00", "11", "11"],
        even(12, 1000 / 33),
        {
            "ecg": (clock, wave(40)),
            "heart_rate": (clock, np.array([NAN, NAN, 156.0, *[90.0] * 37])),
            "pulse": (clock, np.arange(40.0)),
            "spo2": (clock, np.array([NAN, *[97.0] * 39])),
        },
        {"task": "speaking", "light": "halogen lamp"},
    )


def rlap(root: Path) -> Scene:
    """RLAP: pictures with a gap, films."""
    start = 1_680_000_000.0
    for person, task in (("p001", "R2"), ("p010", "T1"), ("p002", "R1")):
        folder = root / person / task
        film(folder / "video_ZIP_H264.mp4")
        table(folder / "frames_timestamp.csv", frame=np.arange(12), timestamp=start + even(12, 25))
        times = start - 0.25 + even(40, 60)
        table(folder / "BVP.csv", timestamp=times, bvp=wave(40))
        put(folder / "missed_frames.csv", "")
    for index in range(12):
        if index != 4:
            png(root / "p001" / "R2" / "pictures_ZIP_RAW_RGB" / f"{index:08d}.png", 10 * index)
    return Scene(
        ["p001/R2", "p002/R1", "p010/T1"],
        ["p001", "p002", "p010"],
        np.delete(even(12, 25), 4),
        {"pulse": (even(40, 60, -0.25), wave(40))},
        {"task": "rest", "light": "dark"},
    )
