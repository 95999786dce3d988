"""Tiny copies of documented data sets: `CASES[name].write(root)` and what a reader must find there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pyedflib
from PIL import Image
from scipy.io import savemat

from media import clip, encode

NAN = np.nan
PICTURES = clip(12, 16, 16)


@dataclass
class Case:
    """A data set, and one recording of it in full."""

    write: Callable[[Path], None]
    ids: list[str]
    id: str
    subject: str
    frames_s: np.ndarray
    signals: dict[str, tuple[np.ndarray, np.ndarray]]
    about: dict = field(default_factory=dict)
    cropped: bool = False
    radar: tuple[int, ...] | None = None


def avi(path: Path, count: int = 12, rate: int = 30) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return encode(path, PICTURES[:count], codec="mjpeg", pixel_format="yuvj420p", tick=None, rate=rate)


def film(path: Path, times_s: np.ndarray | None = None, count: int = 12) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return encode(path, PICTURES[:count], times_s)


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def table(path: Path, **columns: np.ndarray) -> Path:
    rows = zip(*columns.values())
    return put(path, "\n".join([",".join(columns), *(",".join(map(repr, map(float, row))) for row in rows)]) + "\n")


def png(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(path)


def wave(count: int, hole: int | None = 3) -> np.ndarray:
    values = np.round(np.sin(np.arange(count) / 3.0), 3)
    if hole is not None:
        values[hole] = NAN
    return values


def even(count: int, rate: float, start: float = 0.0) -> np.ndarray:
    return start + np.arange(count) / rate


# --- PhysDrive: 5 crops numbered 1, 2, 3, 5, 6: 0.2 s; BVP has 20 samples, spread over it: 100 Hz
def physdrive(root: Path) -> None:
    session = root / "AFH1" / "AS"
    for number in (1, 2, 3, 5, 6):
        png(session / "Align" / f"{number}.png", 20 * number)
    (session / "Label").mkdir()
    for key, count in (("BVP", 20), ("ECG", 40), ("RESP", 10), ("SPO2", 4), ("HR", 4)):
        values = wave(count) if count > 4 else np.array([97.0, 0.0, NAN, 98.0])
        savemat(session / "Label" / f"{key}.mat", {key: values[None]})
    cube = np.arange(6 * 2 * 8 * 16 * 8, dtype=np.float64).reshape(6, 2, 8, 16, 8)
    savemat(session / "mmwave.mat", {"mmwave": cube})
    clip_ = root / "mmWave" / "CMZ2" / "CMZ2_10"
    clip_.mkdir(parents=True)
    savemat(clip_ / "mmwave.mat", {"mmwave": cube})
    savemat(clip_ / "ecg.mat", {"ecg": wave(6)})
    savemat(clip_ / "resp.mat", {"resp": wave(6)})


# --- VIPL-HR
def vipl_hr(root: Path) -> None:
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


# --- V4V: 12 frames 0.04 s apart; HR per frame
def v4v(root: Path) -> None:
    one, two = root / "Phase 1_ Training_Validation sets", root / "Phase 2_ Testing set"
    film(one / "Videos" / "train-001_of_002" / "F001_T2.mkv", even(12, 25))
    film(one / "Videos" / "valid" / "M010_T1.mkv", even(12, 25))
    film(two / "Videos" / "Test" / "test" / "M002_T10.mkv", even(12, 25))
    truth = one / "Ground truth"
    put(truth / "BP_raw_1KHz" / "F001-T2-BP.txt", "\n".join(map(str, wave(30))))
    rates = ", ".join(["80.5", "nan", *["81"] * 10])
    put(
        truth / "Physiology" / "F001_T2.txt", f"F001_T2.mkv, HR, {rates}\nF001_T2.mkv, RR, {', '.join(['12'] * 12)}\n"
    )
    for name, key in (("validation", "M010_T1"), ("test", "M002_T10")):
        lines = [f"{k}.mkv, {kind}, {rates}" for k in ("F099_T1", key) for kind in ("HR", "RR")]
        put(two / f"{name}_set_gt_release.txt", "\n".join(lines) + "\n")
    put(two / "blood_pressure" / "val_set_bp" / "M010-T1.txt", "\n".join(map(str, wave(30))))
    put(two / "blood_pressure" / "test_set_bp" / "M002-T10.txt", "\n".join(map(str, wave(30))))


# --- BUAA-MIHR
def buaa_mihr(root: Path) -> None:
    for folder in ("Sub 02/lux 10.0", "Sub 01/Lux 1.6"):
        avi(root / folder / "lux1_APH.avi")
        path = root / folder / "lux1_PPGData.mat"
        savemat(path, {"PPG": {"data": wave(24)[:, None], "fs": 50.0, "peaks": np.array([2, 9])}})
    avi(root / "Sub 10_lux 100.0" / "lux100.0_X.avi")
    put(root / "Sub 10_lux 100.0" / "wave.csv", "wave\n" + "\n".join(map(str, wave(24))) + "\n")


# --- LGI-PPGI: the timer's last frame at 0.44 s, 30 samples at 60 Hz end there
def lgi_ppgi(root: Path) -> None:
    for name in ("alex/alex_gym", "id2/cpi/cpi_talk"):
        folder = root / name
        avi(folder / "cv_camera_sensor_stream_handler.avi", rate=25)
        values = wave(30)
        rows = [(0, 0 if i == 1 else 70 + i, values[i]) for i in range(30)]
        put(folder / "cms50_stream_handler.xml", xml(rows))
        put(folder / "cv_camera_sensor_timer_stream_handler.xml", xml([(i, 500.0 + 40 * i, 0) for i in range(12)]))


def xml(rows: list[tuple[float, ...]]) -> str:
    body = "".join(
        f"<value{i}>" + "".join(f"<value{j}>{value}</value{j}>" for j, value in enumerate(row)) + f"</value{i}>\n"
        for i, row in enumerate(rows)
    )
    return f'<?xml version="1.0"?>\n<opencv_storage>\n{body}</opencv_storage>\n'


# --- MAHNOB-HCI: 256 Hz, the trigger rises after half a second
def mahnob_hci(root: Path) -> None:
    for session, person in (("10", 3), ("2", 1)):
        folder = root / "Sessions" / session
        avi(folder / f"P{person}-Rec1-2009.07.09.17.53.46_C1 trigger _C_Section_{session}.avi", rate=61)
        avi(folder / f"P{person}-Rec1-2009.07.09.17.53.46_BW1 _Section_{session}.avi", rate=61)
        put(folder / "session.xml", f'<session vidRate="61"><subject id="{person}" gender="F"/></session>')
        bdf(folder / f"Part_{person}_S_Trial1_emotion.bdf")


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


# --- ECG-Fitness: packets of 5 rows each 40 ms from 10 000 ms on; the first frame at 10 100 ms
def ecg_fitness(root: Path) -> None:
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


# --- RLAP
def rlap(root: Path) -> None:
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


# --- NBHR and NICU: contracts
def nbhr(root: Path) -> None:
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


def nicu(root: Path) -> None:
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


# --- vitallens, Welltory, oximetry
def vitallens(root: Path) -> None:
    times = even(12, 30) ** 1.2  # irregular
    film(root / "take_2.mp4", times)
    film(root / "take_10.mp4")
    for name in ("take_2", "take_10"):
        table(root / f"{name}.csv", ppg=wave(12), ecg=wave(12, None), hr_ecg=np.full(12, 75.0), rr=np.full(12, 0.0))


def welltory(root: Path) -> None:
    for number in (1, 10, 2):
        folder = root / "data" / f"subject_{number:02d}"
        rows = "\n".join(f"{33 * i},{200 + i % 7},10,{5 + i % 3}" for i in range(20))
        put(folder / "PPG.csv", f"time,R,G,B\n{rows}\n")
        put(folder / "RR.txt", "800 825 790")


GT_NAMES = [
    "Time", *(f"SpO2 {i}" for i in range(1, 6)), *(f"Pulse {i}" for i in range(1, 6)), "AC Gain 5", "ECG 3",
    "FiO2 3", "RR CO2 3", "Rig FiO2", "", "", "",
]  # fmt: skip


def oximetry(root: Path) -> None:
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


# --- a folder of one's own
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


def folder(root: Path) -> None:
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


def _rlap_frames() -> np.ndarray:
    return np.delete(even(12, 25), 4)


_T = even(12, 30) ** 1.2
_FOLDER_T = even(12, 20)
_FIT = np.concatenate([even(36, 125), [0.288, 0.296, 0.304, 0.312]]) - 0.1
CASES = {
    "physdrive": Case(
        physdrive, ["AFH1/AS", "CMZ2/CMZ2_10"], "AFH1/AS", "AFH1", np.array([0, 1, 2, 4, 5]) / 30,
        {
            "pulse": (even(20, 100), wave(20)),
            "ecg": (even(40, 200), wave(40)),
            "respiration": (even(10, 50), wave(10)),
            "spo2": (even(4, 20), np.array([97, NAN, NAN, 98])),
            "heart_rate": (even(4, 20), np.array([97, NAN, NAN, 98])),
        },
        {"sex": "female", "light": "dusk or early morning", "motion": "flat, free road", "task": "driving, quiet"},
        cropped=True, radar=(6, 8, 16, 8),
    ),
    "vipl-hr": Case(
        vipl_hr, ["p2/v7/source1", "p10/v1/source2", "p10/v1-2/source2"], "p2/v7/source1", "p2", even(12, 25),
        {
            "pulse": (even(24, 60), wave(24)),
            "heart_rate": (even(3, 1), np.array([70, NAN, 72])),
            "spo2": (even(3, 1), np.array([97, NAN, 98])),
        },
        {"exercise": "yes", "camera": "Logitech C310", "fold": 3, "session": "v7"},
    ),
    "v4v": Case(
        v4v, ["F001_T2", "M010_T1", "M002_T10"], "F001_T2", "F001", even(12, 25),
        {
            "blood_pressure": (even(30, 1000), wave(30)),
            "heart_rate": (even(12, 25), np.array([80.5, NAN, *[81] * 10])),
            "respiratory_rate": (even(12, 25), np.full(12, 12.0)),
        },
        {"sex": "female", "task": "T2", "split": "train"},
    ),
    "buaa-mihr": Case(
        buaa_mihr, ["Sub 01/lux 1.6", "Sub 02/lux 10", "Sub 10/lux 100"], "Sub 01/lux 1.6", "Sub 01", even(12, 30),
        {"pulse": (even(24, 50), wave(24))}, {"light": "1.6 lx"},
    ),
    "lgi-ppgi": Case(
        lgi_ppgi, ["alex/alex_gym", "id2/cpi/cpi_talk"], "alex/alex_gym", "alex", even(12, 25),
        {
            "pulse": (even(30, 60, 0.44 - 29 / 60), wave(30)),
            "heart_rate": (even(30, 60, 0.44 - 29 / 60), np.where(np.arange(30) == 1, NAN, 70.0 + np.arange(30))),
        },
        {"task": "bicycle ergometer", "exercise": "yes"},
    ),
    "mahnob-hci": Case(
        mahnob_hci, ["2", "10"], "2", "P1", even(12, 61),
        {
            "ecg": (even(512, 256, -0.5), wave(512, None)),
            "respiration": (even(512, 256, -0.5), 10 * wave(512, None)),
        },
        {"sex": "female", "task": "watching films"},
    ),
    "ecg-fitness": Case(
        ecg_fitness, ["00/03/c920-1", "00/03/c920-2", "11/01/c920-1", "11/01/c920-2"], "00/03/c920-1", "00",
        even(12, 1000 / 33),
        {
            "ecg": (_FIT, wave(40)),
            "heart_rate": (_FIT, np.array([NAN, NAN, 156.0, *[90.0] * 37])),
            "pulse": (_FIT, np.arange(40.0)),
            "spo2": (_FIT, np.array([NAN, *[97.0] * 39])),
        },
        {"task": "speaking", "light": "halogen lamp"},
    ),
    "rlap": Case(
        rlap, ["p001/R2", "p002/R1", "p010/T1"], "p001/R2", "p001", _rlap_frames(),
        {"pulse": (even(40, 60, -0.25), wave(40))}, {"task": "rest", "light": "dark"},
    ),
    "nbhr": Case(
        nbhr, ["s1/a/video", "s10/a/video", "s2/b/frames"], "s1/a/video", "s1", even(12, 29),
        {
            "pulse": (even(30, 60), wave(30)),
            "heart_rate": (even(4, 1), np.array([140, NAN, NAN, 142])),
            "spo2": (even(3, 1), np.array([95, 96, NAN])),
        },
        {"population": "neonate"},
    ),
    "nicu": Case(
        nicu, ["infant_1/night/video"], "infant_1/night/video", "infant_1", even(12, 30),
        {
            "heart_rate": (np.arange(6) - 1.5, np.array([150, NAN, NAN, 153, 154, NAN])),
            "respiratory_rate": (np.arange(6) - 1.5, np.array([40, NAN, NAN, 43, 44, 45])),
        },
        {"population": "neonate", "session": "night"},
    ),
    "vitallens": Case(
        vitallens, ["take_2", "take_10"], "take_2", "take_2", _T,
        {
            "pulse": (_T, wave(12)),
            "ecg": (_T, wave(12, None)),
            "heart_rate": (_T, np.full(12, 75.0)),
            "respiratory_rate": (_T, np.full(12, NAN)),
        },
    ),
    "welltory": Case(
        welltory, ["subject_01", "subject_02", "subject_10"], "subject_01", "subject_01", 0.033 * np.arange(20),
        {"beats": (np.array([0, 0.8, 1.625, 2.415]), np.array([NAN, 0.8, 0.825, 0.79]))},
    ),
    "oximetry": Case(
        oximetry, ["100001/left", "100002/left"], "100001/left", "100001", even(90, 30),
        {
            "spo2": (even(4, 1), np.array([96.5, NAN, 96.5, 96.5])),
            "heart_rate": (even(4, 1), np.full(4, 62.0)),
            "respiratory_rate": (even(4, 1), np.full(4, 15.0)),
        },
        {"light": "flash"},
    ),
    "folder": Case(
        folder, ["anna/s1_talk", "ben/s1_talk"], "anna/s1_talk", "anna", _FOLDER_T,
        {
            "pulse": (_FOLDER_T, np.array([0, NAN, -4, -6, NAN, NAN, NAN, -14, -16, -18, -20, -22])),
            "ecg": (even(9, 250, 0.5), np.arange(9.0)),
            "heart_rate": (even(3, 2), np.array([60, NAN, 90])),
            "beats": (np.array([0.1, 1.1, 2.0, 3.1]), np.array([NAN, 1.0, 0.9, 1.1])),
            "respiration": (even(3, 10), np.array([1, NAN, NAN])),
            "spo2": (even(3, 5), np.array([97, NAN, 99])),
        },
        {"session": "s1", "task": "talk", "light": "daylight", "glasses": "no", "skin_tone": 2},
    ),
}  # fmt: skip
