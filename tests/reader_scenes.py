"""Miniature copies of public data sets, laid out as their documentation says: `from reader_scenes import SCENES`.

Each writer fills an empty folder and returns what a reader has to find in it. Pictures hold their own number, so that
a test can tell which frame it got: every pixel of frame i is (i, 2 i, 255 - i). People are numbered with gaps, and
file managers have left their litter.
"""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from scipy.io import savemat

from media import encode
from perfuse.synth import subject
from perfuse.synth.layouts.folder import make
from perfuse.synth.layouts.known import get_layout
from perfuse.synth.layouts.plan import people, plan

MAT73 = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 .".ljust(124) + b"\x00\x02IM"


@dataclass
class Scene:
    """What a writer made: ids and subjects in order, and everything about the first recording.

    ``signals``: name to times and values. ``numbered``: frames hold their number (see above), or None where they are
    rendered. ``chirps``: of the radar.
    """

    ids: list[str]
    subjects: list[str]
    times_s: np.ndarray
    signals: dict[str, tuple[np.ndarray, np.ndarray]]
    about: dict = field(default_factory=dict)
    numbered: bool = True
    cropped: bool = False
    chirps: int | None = None


def picture(index: int, height: int = 24, width: int = 32) -> np.ndarray:
    return np.broadcast_to(np.array([index, 2 * index, 255 - index], np.uint8), (height, width, 3)).copy()


def write_pictures(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        Image.fromarray(picture(index)).save(folder / name)


def film(path: Path, count: int, rate_hz: int) -> np.ndarray:
    """Write an AVI of raw pictures; return the times of its frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [picture(index) for index in range(count)]
    encode(path, frames, codec="rawvideo", pixel_format="bgr24", rate=rate_hz, tick=None)
    return np.arange(count) / rate_hz


def litter(*folders: Path) -> None:
    for folder in folders:
        for name in (".DS_Store", "Thumbs.db", "._x", "desktop.ini"):
            (folder / name).write_bytes(b"\0\1litter")
        (folder / "__MACOSX").mkdir(exist_ok=True)


def wave(count: int, rate_hz: float) -> np.ndarray:
    return np.round(50 + 40 * np.sin(2 * np.pi * 1.3 * np.arange(count) / rate_hz), 4)


def even(values: np.ndarray, rate_hz: float, start_s: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    return start_s + np.arange(len(values)) / rate_hz, values


def lines(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(f"{value:.4f}" for value in values) + "\n")


def ubfc_rppg(root: Path) -> Scene:
    for number in (10, 2):
        folder = root / f"subject{number}"
        times_s = film(folder / "vid.avi", 6, 30)
        clock = np.array([0.0, 0.03, 0.03, 0.07, 0.1, 0.5])
        rows = (wave(6, 30), np.array([70, 71, 72, 0, 73, 74.0]), clock)
        (folder / "ground_truth.txt").write_text("\n".join("".join(f"{v:16.7e}" for v in row) for row in rows) + "\n")
        litter(folder)
    litter(root)
    keep = [0, 1, 3, 4, 5]
    rate = np.array([70, 71, np.nan, 73, 74])
    signals = {"pulse": (clock[keep], wave(6, 30)[keep]), "heart_rate": (clock[keep], rate)}
    return Scene(["subject2", "subject10"], ["subject2", "subject10"], times_s, signals)


def ubfc_rppg_1(root: Path) -> Scene:
    for name, video in (("12-gt", "vid-12.avi"), ("5-gt", "vid.avi"), ("after-exercise", "vid.avi")):
        times_s = film(root / name / video, 6, 28)
        clock = np.arange(20) * 16.0
        table = np.stack([clock, np.full(20, 66.0), np.full(20, 98.0), wave(20, 62.5)], axis=1)
        np.savetxt(root / name / "gtdump.xmp", table, "%.4f", ",")
    litter(root, root / "5-gt")
    signals = {"pulse": wave(20, 62.5), "heart_rate": np.full(20, 66.0), "spo2": np.full(20, 98.0)}
    ids = ["5-gt", "12-gt", "after-exercise"]
    return Scene(
        ids, ["5", "12", "after-exercise"], times_s, {name: (clock / 1000, v) for name, v in signals.items()},
        {"exercise": "no"},
    )  # fmt: skip


def ubfc_phys(root: Path) -> Scene:
    ids = []
    for person in ("s1", "s3", "s20"):
        for task in ("T1", "T3"):
            ids.append(f"{person}_{task}")
            times_s = film(root / person / f"vid_{ids[-1]}.avi", 7, 35)
            lines(root / person / f"bvp_{ids[-1]}.csv", wave(64, 64))
            lines(root / person / f"eda_{ids[-1]}.csv", np.linspace(1, 2, 4))
        (root / person / f"info_{person}.txt").write_text("m\n")
    litter(root, root / "s1")
    signals = {"pulse": even(wave(64, 64), 64), "skin_conductance": even(np.round(np.linspace(1, 2, 4), 4), 4)}
    return Scene(ids, [i.partition("_")[0] for i in ids], times_s, signals, {"task": "rest", "rate_hz": 35.0})


def pure(root: Path) -> Scene:
    begin = 1_392_643_993_642_815_000
    ids = ["01-01", "01-06", "03-02", "10-04"]
    for place, name in enumerate(ids):
        stamps = [begin + round(index * 33_333_333) for index in range(6)]
        # images in a folder of the same name, or (03-02) in the take's own folder
        write_pictures(root / name if place == 2 else root / name / name, [f"Image{stamp}.png" for stamp in stamps])
        readings = [
            {
                "Timestamp": begin - 50_000_000 + index * 16_666_667,
                "Value": {"waveform": int(value), "pulseRate": 65, "o2saturation": 97, "signalStrength": 4},
            }
            for index, value in enumerate(wave(30, 60).round())
        ]
        content = {"/FullPackage": readings, "/Image": [{"Timestamp": stamp} for stamp in stamps]}
        (root / name / f"{name}.json").write_text(json.dumps(content))
    litter(root, root / "01-01", root / "01-01" / "01-01")
    clock = np.arange(30) * 0.016666667 - 0.05
    values = {"pulse": wave(30, 60).round(), "heart_rate": np.full(30, 65.0), "spo2": np.full(30, 97.0)}
    signals = {name: (clock, v) for name, v in values.items()}
    times_s = np.arange(6) * 0.033333333
    return Scene(ids, ["01", "01", "03", "10"], times_s, signals, {"motion": "steady", "task": "sitting"})


def cohface(root: Path) -> Scene:
    ids = []
    for person in (1, 2, 11):
        for session in (0, 3):
            folder = root / str(person) / str(session)
            ids.append(f"{person}/{session}")
            times_s = film(folder / "data.avi", 6, 20)
            with h5py.File(folder / "data.hdf5", "w") as file:
                file["pulse"], file["respiration"] = wave(80, 256), wave(80, 64)
                file["time"] = np.arange(80) / 256
        litter(folder)
    litter(root)
    signals = {"pulse": even(wave(80, 256), 256), "respiration": even(wave(80, 64), 256)}
    subjects = [i.partition("/")[0] for i in ids]
    return Scene(ids, subjects, times_s, signals, {"light": "studio", "session": "0", "rate_hz": 20.0})


def clip4(count: int, kind: type = np.float32) -> np.ndarray:
    """Frames as MATLAB files hold them, (T, H, W, 3) 0..1."""
    return np.stack([picture(index) for index in range(count)]).astype(kind) / kind(255)


def mmpd(root: Path) -> Scene:
    told = {
        "light": "LED-high",
        "motion": "Watching Videos",
        "exercise": "False",
        "skin_color": 5,
        "gender": "female",
    }
    told |= {"glasser": "True", "hair_cover": "False", "makeup": "False"}
    ids = []
    for person in (1, 3, 12):
        folder = root / f"subject{person}"
        folder.mkdir()
        for take in (0, 11):
            ids.append(f"p{person}_{take}")
            content = {"video": clip4(6), "GT_ppg": wave(6, 30)[None].astype(np.float32), **told}
            savemat(folder / f"{ids[-1]}.mat", content, do_compression=person == 3)
        litter(folder)
    litter(root)
    about = {"light": "LED-high", "motion": "Walking", "exercise": "no", "skin_tone": 5, "sex": "female"}
    about |= {"glasses": "yes", "hair_cover": "no", "make_up": "no", "rate_hz": 30.0}
    signals = {"pulse": even(wave(6, 30).astype(np.float32), 30)}
    return Scene(ids, [i.partition("_")[0] for i in ids], np.arange(6) / 30, signals, about)


def mat73(path: Path, **content: np.ndarray) -> None:
    """Write what MATLAB 7.3 writes: HDF5 behind a header of 512 bytes, axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in content.items():
            file.create_dataset(name, data=values.T, chunks=True if values.ndim > 2 else None)
    with path.open("r+b") as raw:
        raw.write(MAT73)


def scamps(root: Path) -> Scene:
    ids = []
    for split, numbers in (("Test", (7,)), ("Train", (1, 2)), ("Val", (30,))):
        (root / split).mkdir()
        for number in numbers:
            ids.append(f"{split}/P{number:06d}")
            content = {"Xsub": clip4(6, np.float64), "d_ppg": wave(6, 30)[:, None], "d_br": wave(6, 9)[:, None]}
            content |= {"RawFrames": clip4(6, np.float64)} if number == 7 else {}
            mat73(root / f"{ids[-1]}.mat", **content)
    litter(root, root / "Train")
    signals = {"pulse": even(wave(6, 30), 30), "respiration": even(wave(6, 9), 30)}
    subjects = [name.partition("/")[2] for name in ids]
    return Scene(ids, subjects, np.arange(6) / 30, signals, {"split": "test", "rate_hz": 30.0})


def bp4d(root: Path) -> Scene:
    frames = root / "2D+3D"
    frames.mkdir()
    for person in ("F001", "F010", "M002"):
        if person == "M002":  # unpacked
            for task in ("T1", "T10"):
                write_pictures(frames / person / task, [f"{index:04d}.jpg" for index in range(6)])
        else:
            with zipfile.ZipFile(frames / f"{person}.zip", "w") as packed:
                packed.writestr("__MACOSX/F001/T1/._0000.jpg", b"litter")
                for task in ("T1", "T10"):
                    for index in (0, 1, 2, 4, 5, 6):
                        data = BytesIO()
                        Image.fromarray(picture(index)).save(data, "JPEG", quality=100, subsampling=0)
                        packed.writestr(f"{person}/{task}/{index:04d}.jpg", data.getvalue())
        for task in ("T1", "T10"):
            folder = root / "Physiology" / person / task
            lines(folder / "BP_mmHg.txt", 60 + wave(300, 1000))
            lines(folder / "Resp_Volts.txt", wave(300, 200))
            lines(folder / "Pulse Rate_BPM.txt", np.full(300, 77.0))
            lines(folder / "Respiration Rate_BPM.txt", np.full(300, 0.0))
            lines(folder / "microsiemens.txt", np.full(300, 5.0))
    litter(root, frames, root / "Physiology")
    values = {"blood_pressure": 60 + wave(300, 1000), "respiration": wave(300, 200)}
    values |= {"heart_rate": np.full(300, 77.0), "respiratory_rate": np.full(300, np.nan)}
    values |= {"skin_conductance": np.full(300, 5.0)}
    ids = [f"{person}/{task}" for person in ("F001", "F010", "M002") for task in ("T1", "T10")]
    times_s = np.array([0, 1, 2, 4, 5, 6]) / 25
    signals = {name: even(v, 1000) for name, v in values.items()}
    return Scene(ids, [i[:4] for i in ids], times_s, signals, {"task": "T1", "sex": "female"}, numbered=False)


def ibvp(root: Path) -> Scene:
    hidden = "Confidential_No-media-use"
    for name in ("p01_a", "p01_d", "p12_b", f"{hidden}/p08_c"):
        folder = root / name
        write_pictures(folder / f"{folder.name}_rgb", [f"{folder.name}_{index}.bmp" for index in range(12)])
        (folder / f"{folder.name}_t").mkdir()
        (folder / f"{folder.name}_t" / "0.raw").write_bytes(b"\0" * 8)
        rows = [f"{v:.4f},1,1,{0 if 3 <= i < 5 else 1},0.5" for i, v in enumerate(wave(12, 30))]
        text = "\n".join(["BVP,SQPhysMD,SQ1,SQ2,Perfusion_Value", *rows]) + "\n"
        (folder / f"{folder.name}_bvp.csv").write_text(text)
    litter(root, root / "p01_a", root / "p01_a" / "p01_a_rgb")
    pulse = wave(12, 30)
    pulse[3:5] = np.nan
    ids = ["p01_a", "p01_d", "p12_b", "p08_c"]
    about = {"task": "slow breathing and rest"}
    return Scene(ids, ["p01", "p01", "p12", "p08"], np.arange(12) / 30, {"pulse": even(pulse, 30)}, about)


def synthetic(root: Path, layout: str, count: int, **asked: object) -> list:
    """Let the simulator write a folder; return its takes."""
    kind = get_layout(layout)
    domain = str(asked.pop("domain", kind.domain))
    small = {"width": 80, "height": 64, "duration_s": 1.5} | asked
    takes = plan(kind, people(count, domain, 7, small), radar=bool(layout == "perfuse"))
    make(root, kind, takes, {"seed": 7})
    return list(takes)


def equipleth(root: Path) -> Scene:
    takes = synthetic(root, "equipleth", 2)
    litter(root / "rgb_files", root / "rf_files", root)
    ids = ["v_1_1", "v_1_2", "v_2_1", "v_2_2"]
    pulse = np.load(root / "rgb_files" / "v_1_1" / "rgbd_ppg.npy")
    truth = json.loads((root / "truth" / "v_1_1.json").read_text())["truth"]
    times_s = np.arange(len(pulse)) / 30
    about = {"skin_tone": truth["fitzpatrick"], "rate_hz": 30.0, "fold": 0}
    assert len(takes) == 4
    chirps = 4 * (len(pulse) + 2)
    signals = {"pulse": even(pulse, 30, -25 / 30)}
    return Scene(ids, ["v_1", "v_1", "v_2", "v_2"], times_s, signals, about, False, True, chirps)


def native(root: Path) -> Scene:
    takes = synthetic(root, "perfuse", 1, domain="webcam", codec="none", label_fault="missing")
    litter(root, root / takes[0].id)
    who = subject(takes[0].seed, takes[0].domain, **takes[0].asked)
    contact, belt, ecg, beats = who.contact(), who.belt(), who.ecg(), who.truth.heart.beats_s
    seen = np.flatnonzero((beats >= 0) & (beats <= who.duration_s))
    seen = seen[seen > 0]
    signals = {
        "pulse": (contact.times_s, np.where(contact.valid, contact.values, np.nan)),
        "respiration": (belt.times_s, belt.values),
        "ecg": (ecg.times_s, ecg.values_mv),
        "beats": (beats[seen], beats[seen] - beats[seen - 1]),
    }
    about = {"domain": "webcam", "monk_tone": who.settings.tone, "motion": who.settings.motion}
    name = takes[0].id
    return Scene([name], [name], who.times_s, signals, about, False, False, len(who.radar().times_s))


SCENES: dict[str, Callable[[Path], Scene]] = {
    "perfuse": native,
    "ubfc-rppg": ubfc_rppg,
    "ubfc-rppg-1": ubfc_rppg_1,
    "ubfc-phys": ubfc_phys,
    "pure": pure,
    "cohface": cohface,
    "mmpd": mmpd,
    "scamps": scamps,
    "bp4d": bp4d,
    "ibvp": ibvp,
    "equipleth": equipleth,
}
"""By the name of the reader."""


def dump(path: Path, content: object, protocol: int = 4) -> None:
    with path.open("wb") as file:
        pickle.dump(content, file, protocol)
