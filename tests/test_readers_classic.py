"""What is peculiar to UBFC, PURE, COHFACE, MMPD, SCAMPS, BP4D+ and iBVP."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from perfuse.core.errors import SourceError
from perfuse.data.formats.matlab import outline
from perfuse.data.recording import Recording
from reader_scenes.fixtures import written  # noqa: F401
from reader_scenes.making import (
    clip4,
    found,
    heart,
    mat73,
    numbered_pictures,
    one,
    picture,
    raw_film,
    seen,
)


def ubfc(folder: Path, content: str) -> Recording:
    raw_film(folder / "subject1" / "vid.avi", 2, 30)
    (folder / "subject1" / "ground_truth.txt").write_text(content)
    return one("ubfc-rppg", folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("1 2 3\n70 70 70\n", "2 rows"),
        ("1 2 3\n70 70 70\n0 1 2\n0 1 2\n", "4 rows"),
        ("1 2 3\n70 70 70\n0 2 1\n", "go back after sample 2"),
        ("1 2 3\n70 70 70\n0 1\n", "no time for sample 3 of 3"),
        ("1 2 3\n70 70 70\n0 nan 2\n", "no time for sample 2 of 3"),
        ("\n \n", "no numbers"),
        ("a b\n", "no numbers"),
    ],
)
def test_ubfc_labels_that_cannot_be(content, said, tmp_path):
    recording = ubfc(tmp_path, content)
    with pytest.raises(SourceError, match=said) as error:
        recording.signals()
    assert "ground_truth.txt" in error.value.problem
    assert error.value.remedy


def test_values_that_are_no_numbers_stay_in_their_place(tmp_path):
    signals = ubfc(tmp_path, "1 nan 3 4\n70 x inf 0\n0 1 2 3\n").signals()
    assert signals["pulse"].values == pytest.approx([1, np.nan, 3, 4], nan_ok=True)
    assert signals["heart_rate"].values == pytest.approx([70, np.nan, np.inf, np.nan], nan_ok=True)
    raw_film(tmp_path / "p" / "s1" / "vid_s1_T2.avi", 3, 35)
    (tmp_path / "p" / "s1" / "bvp_s1_T2.csv").write_text("1.5\nnan\n\n2.5\n")
    recording = one("ubfc-phys", tmp_path / "p")
    assert recording.about["task"] == "speech"
    signal = recording.signals()["pulse"]
    assert signal.values == pytest.approx([1.5, np.nan, 2.5], nan_ok=True)
    assert signal.times_s == pytest.approx(np.arange(3) / 64)


def test_a_missing_half_of_a_take_is_named(tmp_path):
    raw_film(tmp_path / "s4" / "vid_s4_T1.avi", 2, 35)
    (tmp_path / "s4" / "bvp_s4_T3.csv").write_text("1\n2\n")
    recordings, problems = found("ubfc-phys", tmp_path)
    assert recordings == []
    assert [Path(problem.file).name for problem in problems] == ["bvp_s4_T1.csv", "vid_s4_T3.avi"]
    assert {problem.kind for problem in problems} == {"missing"}


def test_several_videos_in_one_folder_are_not_guessed_between(tmp_path):
    (tmp_path / "1-gt").mkdir()
    for name in ("vid.avi", "vid-1.avi"):
        raw_film(tmp_path / "1-gt" / name, 2, 28)
    (tmp_path / "1-gt" / "gtdump.xmp").write_text("0,70,98,1\n16,70,98,2\n")
    recordings, (problem,) = found("ubfc-rppg-1", tmp_path)
    assert recordings == []
    assert problem.kind == "layout"
    (tmp_path / "1-gt" / "vid-1.avi").unlink()
    (tmp_path / "1-gt" / "gtdump.xmp").write_text("0,70,98\n16,70,98\n")
    with pytest.raises(SourceError, match="3 columns"):
        one("ubfc-rppg-1", tmp_path).signals()


def pure(folder: Path, content: object, names: list[str]) -> Recording:
    numbered_pictures(folder / "02-05" / "02-05", names)
    (folder / "02-05" / "02-05.json").write_text(json.dumps(content))
    return one("pure", folder)


def test_pure_times_come_from_the_json_where_names_have_none(tmp_path):
    images = [{"Timestamp": 10**18 + at} for at in (0, 40_000_000, 100_000_000)]
    readings = [{"Timestamp": 10**18 + at * 10**7, "Value": {"waveform": at}} for at in (-1, 0, 0, 2)]
    names = ["frame2.png", "frame10.png", "frame1.png"]
    recording = pure(tmp_path, {"/Image": images, "/FullPackage": readings}, names)
    frames, _ = seen(recording)
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.04, 0.1], abs=1e-12)
    assert [int(frame.rgb()[0, 0, 0]) for frame in frames] == [2, 0, 1], "numbers in names count by value"
    signals = recording.signals()
    assert set(signals) == {"pulse"}, "there is no rate and no saturation"
    assert signals["pulse"].times_s == pytest.approx([-0.01, 0, 0.02], abs=1e-12)
    assert signals["pulse"].values.tolist() == [-1, 0, 2], "of a moment written twice the first counts"
    assert recording.about["motion"] == "small rotation"
    Path(tmp_path / "02-05" / "02-05" / "frame1.png").unlink()
    for step in (recording.video, recording.signals):
        with pytest.raises(SourceError, match="times for 3 images"):
            step()


def test_a_missing_image_of_pure_leaves_a_gap_and_the_clock_as_it_was(scenes, tmp_path):
    root, scene = scenes("pure")
    shutil.copytree(root, tmp_path / "copy")
    images = sorted((tmp_path / "copy" / "01-01" / "01-01").glob("Image*.png"))
    images[2].unlink()
    images[3].write_bytes(images[3].read_bytes()[:60])
    recording = found("pure", tmp_path / "copy")[0][0]
    frames, warnings = seen(recording)
    assert [frame.time_s for frame in frames] == pytest.approx(np.delete(scene.times_s, [2, 3]), abs=1e-9)
    assert [images[3].name in warning for warning in warnings] == [True]
    assert recording.signals()["pulse"].times_s == pytest.approx(scene.signals["pulse"][0], abs=1e-9)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"/FullPackage": []},
        {"/FullPackage": [1, 2]},
        {"/FullPackage": [{"Value": {"waveform": 1}}]},
        {"/FullPackage": [{"Timestamp": None, "Value": {"waveform": 1}}]},
        {"/FullPackage": [{"Timestamp": 10**18, "Value": {"pulseRate": 1}}]},
        {"/FullPackage": [{"Timestamp": 10**18, "Value": None}]},
        {"/FullPackage": [{"Timestamp": t, "Value": {"waveform": 1}} for t in (10**18 + 5, 10**18)]},
    ],
)
def test_pure_readings_that_cannot_be(content, tmp_path):
    with pytest.raises(SourceError, match=r"02-05\.json"):
        pure(tmp_path, content, [f"Image{10**18}.png"]).signals()


def test_pure_readings_without_a_number_are_nan(tmp_path):
    values = [1, None, "x", True, {}, "7"]
    readings = [{"Timestamp": 10**18 + i * 10**7, "Value": {"waveform": v}} for i, v in enumerate(values)]
    signals = pure(tmp_path, {"/FullPackage": readings}, [f"Image{10**18}.png"]).signals()
    assert signals["pulse"].values == pytest.approx([1, np.nan, np.nan, np.nan, np.nan, 7], nan_ok=True)


def cohface(folder: Path, **content: np.ndarray) -> Recording:
    raw_film(folder / "3" / "1" / "data.avi", 2, 20)
    with h5py.File(folder / "3" / "1" / "data.hdf5", "w") as file:
        for name, values in content.items():
            file[name] = values
    return one("cohface", folder)


def test_cohface_clocks(tmp_path):
    pulse = np.array([1, np.nan, 3.0])
    plain = cohface(tmp_path / "a", pulse=pulse, respiration=pulse[:, None]).signals()
    assert plain["respiration"].times_s == pytest.approx(np.arange(3) / 256)
    assert plain["pulse"].values == pytest.approx(pulse, nan_ok=True)
    unix = cohface(tmp_path / "b", pulse=pulse, time=1.4e9 + np.arange(3) / 128).signals()
    assert set(unix) == {"pulse"}
    assert unix["pulse"].times_s == pytest.approx(np.arange(3) / 128, abs=1e-6)
    late = cohface(tmp_path / "c", pulse=pulse, time=np.array([0.5, 0.6, 0.7])).signals()
    assert late["pulse"].times_s.tolist() == [0.5, 0.6, 0.7]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"time": np.arange(3.0)}, "pulse in .* is missing"),
        ({"pulse": np.ones((2, 3))}, "shape"),
        ({"pulse": np.ones(3), "respiration": np.ones(2)}, "3 of pulse, 2 of respiration"),
        ({"pulse": np.ones(3), "time": np.array([0, 2.0, 1])}, "go back"),
        ({"pulse": np.ones(3), "time": np.array([0, np.nan, 1])}, "no time for sample 2"),
        ({"pulse": np.array([b"a", b"b"])}, "type"),
    ],
)
def test_cohface_labels_that_cannot_be(content, said, tmp_path):
    recording = cohface(tmp_path, **content)
    with pytest.raises(SourceError, match=said) as error:
        recording.signals()
    assert "data.hdf5" in error.value.problem


TOLD = {"light": "Nature", "motion": "Stationary (after exercise)", "exercise": True, "skin_color": 6}
TOLD |= {"gender": "male", "glasser": "True", "hair_cover": "False", "makeup": "true"}


@pytest.mark.parametrize("kind", ["5", "5z", "7.3"])
def test_mmpd_files_of_every_kind(kind, tmp_path):
    (tmp_path / "subject7").mkdir()
    path = tmp_path / "subject7" / "p7_3.mat"
    content = {"video": clip4(7), "GT_ppg": heart(7, 30)[None]}
    if kind == "7.3":
        codes = {n: np.array([[ord(c) for c in str(v)]], np.uint16) for n, v in TOLD.items() if n != "skin_color"}
        mat73(path, **content, **codes, skin_color=np.array([[6.0]]))
    else:
        savemat(path, content | TOLD, do_compression=kind == "5z")
    recording = one("mmpd", tmp_path)
    expected = {"light": "Nature", "motion": "Stationary", "exercise": "yes", "skin_tone": 6, "sex": "male"}
    assert dict(recording.about) == expected | {
        "glasses": "yes",
        "hair_cover": "no",
        "make_up": "yes",
        "rate_hz": 30.0,
    }
    frames, _ = seen(recording)
    assert [np.rint(f.rgb()[0, 0]).tolist() for f in frames] == [picture(i)[0, 0].tolist() for i in range(7)]
    assert recording.signals()["pulse"].values == pytest.approx(heart(7, 30))
    assert outline(path)["video"].shape == (7, 24, 32, 3)


def test_mmpd_labels_that_are_not_documented_are_left_out_and_said(tmp_path):
    (tmp_path / "subject1").mkdir()
    told = TOLD | {"light": "Candle", "skin_color": 9}
    savemat(tmp_path / "subject1" / "p2_0.mat", {"video": clip4(2), "GT_ppg": np.ones(2), **told})
    savemat(tmp_path / "subject1" / "p1_1.mat", {"x": 1})
    recordings, problems = found("mmpd", tmp_path)
    assert [r.id for r in recordings] == ["p2_0"]
    assert recordings[0].subject == "p2"
    assert {"light", "skin_tone"}.isdisjoint(recordings[0].about)
    assert [(p.kind, p.dropped) for p in problems] == [("unreadable", True), *[("layout", False)] * 3]
    assert "'Candle'" in problems[2].message


@pytest.mark.parametrize(
    ("content", "video_said", "pulse_said"),
    [
        ({"GT_ppg": np.ones((2, 3))}, "has no video", "shape"),
        ({"video": np.zeros((4, 8, 8), np.float32)}, "shape", "GT_ppg in .* is missing"),
        ({"video": 300 * np.ones((4, 8, 8, 3), np.float32), "GT_ppg": np.ones(99)}, "no picture", "99 samples"),
        ({"video": np.full((2, 8, 8, 3), np.nan), "GT_ppg": np.full(2, np.nan)}, "no picture", "no finite"),
    ],
)
def test_mmpd_contents_that_cannot_be(content, video_said, pulse_said, tmp_path):
    path = tmp_path / "p1_0.mat"
    savemat(path, TOLD | content)
    recording = one("mmpd", tmp_path)
    with pytest.raises(SourceError, match=video_said) as error:
        seen(recording)
    assert "p1_0.mat" in error.value.problem
    with pytest.raises(SourceError, match=pulse_said) as error:
        recording.signals()
    assert "p1_0.mat" in error.value.problem


def test_scamps_without_pictures_still_has_waves(tmp_path):
    mat73(tmp_path / "P000003.mat", d_ppg=heart(9, 30)[None], au2=np.ones((1, 9)))
    recording = one("scamps", tmp_path)
    assert recording.id == "P000003"
    assert "split" not in recording.about
    assert recording.signals()["pulse"].values == pytest.approx(heart(9, 30))
    with pytest.raises(SourceError, match=r"P000003.mat has no RawFrames or Xsub"):
        recording.video()


def test_bp4d_archives_and_folders_with_holes(scenes, tmp_path):
    root, _ = scenes("bp4d")
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    shutil.rmtree(copy / "Physiology" / "F001" / "T10")
    (copy / "Physiology" / "F010" / "T1" / "BP_mmHg.txt").unlink()
    (copy / "2D+3D" / "F010.zip").rename(copy / "2D+3D" / "F011.zip")
    shutil.rmtree(copy / "2D+3D" / "M002" / "T1")
    recordings, problems = found("bp4d", copy)
    assert [r.id for r in recordings] == ["F001/T1", "M002/T10"]
    assert {p.kind for p in problems} == {"missing"}
    named = "\n".join(p.message for p in problems)
    for gone in ("F001/T10", "F010/T1 ", "F010/T10 ", "F011/T1", "F011/T10", "M002/T1 "):
        assert gone in named
    with zipfile.ZipFile(copy / "2D+3D" / "F001.zip", "a") as packed:
        packed.writestr("F001/T1/0003.jpg", b"no picture")
    frames, warnings = seen(found("bp4d", copy)[0][0])
    assert [round(25 * frame.time_s) for frame in frames] == [0, 1, 2, 4, 5, 6]
    assert "0003.jpg" in warnings[0]
    assert [round(float(frame.rgb()[0, 0, 0])) for frame in frames] == pytest.approx(range(6), abs=2)


def test_a_bp4d_recording_without_a_belt_is_still_one(scenes, tmp_path):
    shutil.copytree(scenes("bp4d")[0], tmp_path / "copy")
    (tmp_path / "copy" / "Physiology" / "F001" / "T1" / "Resp_Volts.txt").unlink()
    recordings, (problem,) = found("bp4d", tmp_path / "copy")
    assert problem.recording == recordings[0].id == "F001/T1"
    assert "respiration" not in recordings[0].signals()


@pytest.mark.parametrize(
    ("header", "nan"),
    [("BVP,SQPhysMD,SQ1,SQ2,Perfusion_Value", [3]), (" bvp ,SQPhysMD,sq1", [2]), ("BVP", [])],
)
def test_ibvp_quality_comes_from_the_best_column_there_is(header, nan, tmp_path):
    numbered_pictures(tmp_path / "p02_b" / "p02_b_rgb", ["0.bmp"])
    rows = ["1,1,1,1,1", "2,0,1,0.31,1", "3,1,0,0.4,1", "4,1,1,0.3,1", "nan,1,1,1,1"]
    (tmp_path / "p02_b" / "p02_b_bvp.csv").write_text("\n".join([header, *rows]) + "\n")
    values = one("ibvp", tmp_path).signals()["pulse"].values
    assert np.flatnonzero(np.isnan(values)).tolist() == [*nan, 4]


def test_ibvp_tables_without_a_pulse_are_refused(tmp_path):
    numbered_pictures(tmp_path / "p02_b" / "p02_b_rgb", ["0.bmp"])
    (tmp_path / "p02_b" / "p02_b_bvp.csv").write_text("PPG,SQ2\n1,1\n")
    with pytest.raises(SourceError, match=r"p02_b_bvp.csv has no column BVP; it has ppg, sq2"):
        one("ibvp", tmp_path).signals()
    shutil.copytree(tmp_path / "p02_b", tmp_path / "copies" / "p02_b")
    assert found("ibvp", tmp_path)[1][0].kind == "duplicate"
