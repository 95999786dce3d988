"""Data sets with films or pictures of their own: UBFC, PURE, COHFACE, MMPD, SCAMPS, BP4D+, iBVP."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from scipy.io import savemat

from reader_scenes.making import (
    Scene,
    a_line_each,
    clip4,
    heart,
    litter,
    mat73,
    numbered_pictures,
    picture,
    raw_film,
    spaced,
)


def ubfc_rppg(root: Path) -> Scene:
    for number in (10, 2):
        folder = root / f"subject{number}"
        times_s = raw_film(folder / "vid.avi", 6, 30)
        clock = np.array([0.0, 0.03, 0.03, 0.07, 0.1, 0.5])
        rows = (heart(6, 30), np.array([70, 71, 72, 0, 73, 74.0]), clock)
        (folder / "ground_truth.txt").write_text("\n".join("".join(f"{v:16.7e}" for v in row) for row in rows) + "\n")
        litter(folder)
    litter(root)
    keep = [0, 1, 3, 4, 5]
    rate = np.array([70, 71, np.nan, 73, 74])
    signals = {"pulse": (clock[keep], heart(6, 30)[keep]), "heart_rate": (clock[keep], rate)}
    return Scene(["subject2", "subject10"], ["subject2", "subject10"], times_s, signals, numbered=True)


def ubfc_rppg_1(root: Path) -> Scene:
    for name, video in (("12-gt", "vid-12.avi"), ("5-gt", "vid.avi"), ("after-exercise", "vid.avi")):
        times_s = raw_film(root / name / video, 6, 28)
        clock = np.arange(20) * 16.0
        table = np.stack([clock, np.full(20, 66.0), np.full(20, 98.0), heart(20, 62.5)], axis=1)
        np.savetxt(root / name / "gtdump.xmp", table, "%.4f", ",")
    litter(root, root / "5-gt")
    signals = {"pulse": heart(20, 62.5), "heart_rate": np.full(20, 66.0), "spo2": np.full(20, 98.0)}
    ids = ["5-gt", "12-gt", "after-exercise"]
    return Scene(
        ids,
        ["5", "12", "after-exercise"],
        times_s,
        {name: (clock / 1000, v) for name, v in signals.items()},
        {"exercise": "no"},
        numbered=True,
    )


def ubfc_phys(root: Path) -> Scene:
    ids = []
    for person in ("s1", "s3", "s20"):
        for task in ("T1", "T3"):
            ids.append(f"{person}_{task}")
            times_s = raw_film(root / person / f"vid_{ids[-1]}.avi", 7, 35)
            a_line_each(root / person / f"bvp_{ids[-1]}.csv", heart(64, 64))
            a_line_each(root / person / f"eda_{ids[-1]}.csv", np.linspace(1, 2, 4))
        (root / person / f"info_{person}.txt").write_text("m\n")
    litter(root, root / "s1")
    signals = {"pulse": spaced(heart(64, 64), 64), "skin_conductance": spaced(np.round(np.linspace(1, 2, 4), 4), 4)}
    return Scene(
        ids,
        [i.partition("_")[0] for i in ids],
        times_s,
        signals,
        {"task": "rest", "rate_hz": 35.0},
        numbered=True,
        spare=frozenset({"eda_s1_T1.csv"}),
    )


def pure(root: Path) -> Scene:
    begin = 1_392_643_993_642_815_000
    ids = ["01-01", "01-06", "03-02", "10-04"]
    for place, name in enumerate(ids):
        stamps = [begin + round(index * 33_333_333) for index in range(6)]
        # images in a folder of the same name, or (03-02) in the take's own folder
        numbered_pictures(
            root / name if place == 2 else root / name / name, [f"Image{stamp}.png" for stamp in stamps]
        )
        readings = [
            {
                "Timestamp": begin - 50_000_000 + index * 16_666_667,
                "Value": {"waveform": int(value), "pulseRate": 65, "o2saturation": 97, "signalStrength": 4},
            }
            for index, value in enumerate(heart(30, 60).round())
        ]
        content = {"/FullPackage": readings, "/Image": [{"Timestamp": stamp} for stamp in stamps]}
        (root / name / f"{name}.json").write_text(json.dumps(content))
    litter(root, root / "01-01", root / "01-01" / "01-01")
    clock = np.arange(30) * 0.016666667 - 0.05
    values = {"pulse": heart(30, 60).round(), "heart_rate": np.full(30, 65.0), "spo2": np.full(30, 97.0)}
    signals = {name: (clock, v) for name, v in values.items()}
    times_s = np.arange(6) * 0.033333333
    return Scene(
        ids, ["01", "01", "03", "10"], times_s, signals, {"motion": "steady", "task": "sitting"}, numbered=True
    )


def cohface(root: Path) -> Scene:
    ids = []
    for person in (1, 2, 11):
        for session in (0, 3):
            folder = root / str(person) / str(session)
            ids.append(f"{person}/{session}")
            times_s = raw_film(folder / "data.avi", 6, 20)
            with h5py.File(folder / "data.hdf5", "w") as file:
                file["pulse"], file["respiration"] = heart(80, 256), heart(80, 64)
                file["time"] = np.arange(80) / 256
        litter(folder)
    litter(root)
    signals = {"pulse": spaced(heart(80, 256), 256), "respiration": spaced(heart(80, 64), 256)}
    subjects = [i.partition("/")[0] for i in ids]
    return Scene(ids, subjects, times_s, signals, {"light": "studio", "session": "0", "rate_hz": 20.0}, numbered=True)


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
            content = {"video": clip4(6), "GT_ppg": heart(6, 30)[None].astype(np.float32), **told}
            savemat(folder / f"{ids[-1]}.mat", content, do_compression=person == 3)
        litter(folder)
    litter(root)
    about = {"light": "LED-high", "motion": "Walking", "exercise": "no", "skin_tone": 5, "sex": "female"}
    about |= {"glasses": "yes", "hair_cover": "no", "make_up": "no", "rate_hz": 30.0}
    signals = {"pulse": spaced(heart(6, 30).astype(np.float32), 30)}
    return Scene(
        ids,
        [i.partition("_")[0] for i in ids],
        np.arange(6) / 30,
        signals,
        about,
        numbered=True,
        spare=frozenset({"p1_0.mat"}),
    )


def scamps(root: Path) -> Scene:
    ids = []
    for split, numbers in (("Test", (7,)), ("Train", (1, 2)), ("Val", (30,))):
        (root / split).mkdir()
        for number in numbers:
            ids.append(f"{split}/P{number:06d}")
            content = {"Xsub": clip4(6, np.float64), "d_ppg": heart(6, 30)[:, None], "d_br": heart(6, 9)[:, None]}
            content |= {"RawFrames": clip4(6, np.float64)} if number == 7 else {}
            mat73(root / f"{ids[-1]}.mat", **content)
    litter(root, root / "Train")
    signals = {"pulse": spaced(heart(6, 30), 30), "respiration": spaced(heart(6, 9), 30)}
    subjects = [name.partition("/")[2] for name in ids]
    return Scene(
        ids,
        subjects,
        np.arange(6) / 30,
        signals,
        {"split": "test", "rate_hz": 30.0},
        numbered=True,
        spare=frozenset({"P000007.mat"}),
    )


def bp4d(root: Path) -> Scene:
    frames = root / "2D+3D"
    frames.mkdir()
    for person in ("F001", "F010", "M002"):
        if person == "M002":  # unpacked
            for task in ("T1", "T10"):
                numbered_pictures(frames / person / task, [f"{index:04d}.jpg" for index in range(6)])
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
            a_line_each(folder / "BP_mmHg.txt", 60 + heart(300, 1000))
            a_line_each(folder / "Resp_Volts.txt", heart(300, 200))
            a_line_each(folder / "Pulse Rate_BPM.txt", np.full(300, 77.0))
            a_line_each(folder / "Respiration Rate_BPM.txt", np.full(300, 0.0))
            a_line_each(folder / "microsiemens.txt", np.full(300, 5.0))
    litter(root, frames, root / "Physiology")
    values = {"blood_pressure": 60 + heart(300, 1000), "respiration": heart(300, 200)}
    values |= {"heart_rate": np.full(300, 77.0), "respiratory_rate": np.full(300, np.nan)}
    values |= {"skin_conductance": np.full(300, 5.0)}
    ids = [f"{person}/{task}" for person in ("F001", "F010", "M002") for task in ("T1", "T10")]
    times_s = np.array([0, 1, 2, 4, 5, 6]) / 25
    signals = {name: spaced(v, 1000) for name, v in values.items()}
    return Scene(
        ids,
        [i[:4] for i in ids],
        times_s,
        signals,
        {"task": "T1", "sex": "female"},
        spare=frozenset({"Pulse Rate_BPM.txt", "Respiration Rate_BPM.txt", "microsiemens.txt"}),
    )


def ibvp(root: Path) -> Scene:
    hidden = "Confidential_No-media-use"
    for name in ("p01_a", "p01_d", "p12_b", f"{hidden}/p08_c"):
        folder = root / name
        numbered_pictures(folder / f"{folder.name}_rgb", [f"{folder.name}_{index}.bmp" for index in range(12)])
        (folder / f"{folder.name}_t").mkdir()
        (folder / f"{folder.name}_t" / "0.raw").write_bytes(b"\0" * 8)
        rows = [f"{v:.4f},1,1,{0 if 3 <= i < 5 else 1},0.5" for i, v in enumerate(heart(12, 30))]
        text = "\n".join(["BVP,SQPhysMD,SQ1,SQ2,Perfusion_Value", *rows]) + "\n"
        (folder / f"{folder.name}_bvp.csv").write_text(text)
    litter(root, root / "p01_a", root / "p01_a" / "p01_a_rgb")
    pulse = heart(12, 30)
    pulse[3:5] = np.nan
    ids = ["p01_a", "p01_d", "p12_b", "p08_c"]
    about = {"task": "slow breathing and rest"}
    return Scene(
        ids, ["p01", "p01", "p12", "p08"], np.arange(12) / 30, {"pulse": spaced(pulse, 30)}, about, numbered=True
    )
