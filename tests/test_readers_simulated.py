"""Folders of the simulator, in our own layout, in that of EquiPleth, and in those of other data sets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from perfuse.core.errors import SourceError
from perfuse.data.readers.known import get_reader
from perfuse.synth import subject
from reader_scenes.fixtures import written  # noqa: F401
from reader_scenes.making import (
    Attack,
    dump,
    expected,
    found,
    numbered_pictures,
    raw_film,
    seen,
)
from reader_scenes.simulated import synthetic


def test_simulated_ubfc(tmp_path):
    (take,) = synthetic(tmp_path, "ubfc", 1, duration_s=1.0)
    recordings, problems = found("ubfc-rppg", tmp_path)
    assert ([r.id for r in recordings], problems) == ([take.id], [])
    assert get_reader("ubfc-rppg").recognise(tmp_path)
    assert not get_reader("perfuse").recognise(tmp_path)
    who = subject(take.seed, take.domain, **take.asked)
    signals = recordings[0].signals()
    assert signals["pulse"].times_s == pytest.approx(who.times_s, abs=1e-6)
    assert signals["heart_rate"].values == pytest.approx(who.truth.heart_rate, abs=20)
    frames, _ = seen(recordings[0])
    for frame, (time_s, shot) in zip(frames, who.frames(), strict=True):
        assert abs(frame.time_s - time_s) < 0.05  # the AVI knows the mean rate only
        assert np.array_equal(frame.rgb(), shot)


def test_simulated_pure(tmp_path):
    takes = synthetic(tmp_path, "pure", 1, duration_s=1.0)
    recordings, problems = found("pure", tmp_path)
    assert ([r.id for r in recordings], problems) == ([take.id for take in takes], [])
    assert {r.subject for r in recordings} == {"01"}
    assert len({r.about["motion"] for r in recordings}) == 6
    who = subject(takes[3].seed, takes[3].domain, **takes[3].asked)
    frames, _ = seen(recordings[3])
    for frame, (time_s, shot) in zip(frames, who.frames(), strict=True):
        assert abs(frame.time_s - time_s) < 1e-8
        assert np.array_equal(frame.rgb(), shot)
    signals = recordings[3].signals()
    contact = who.contact(rate_hz=60.0)
    true = np.interp(signals["pulse"].times_s, contact.times_s[contact.valid], contact.values[contact.valid])
    assert np.corrcoef(true, signals["pulse"].values)[0, 1] > 0.99
    assert ((signals["spo2"].values > 80) & (signals["spo2"].values <= 100)).all()


def test_nobody_without_a_pulse_has_references(tmp_path):
    takes = synthetic(tmp_path, "perfuse", 2, domain="no-pulse", kind="mask")
    recordings, problems = found("perfuse", tmp_path)
    assert problems == []
    assert [r.id for r in recordings] == [take.id for take in takes]
    for recording in recordings:
        assert recording.signals() == {}
        assert recording.about["domain"] == "no-pulse"
        assert "monk_tone" not in recording.about


def test_what_a_manifest_lists_and_a_folder_lacks_is_missing(scenes, tmp_path):
    root, scene = scenes("perfuse")
    shutil.copytree(root, tmp_path / "copy")
    manifest = json.loads((root / "manifest.json").read_text())
    manifest["recordings"].append(manifest["recordings"][0] | {"id": "webcam-0001"})
    (tmp_path / "copy" / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "copy" / scene.ids[0] / "ecg.csv").unlink()
    recordings, problems = found("perfuse", tmp_path / "copy")
    assert [Path(problem.file).name for problem in problems] == ["webcam-0001", "ecg.csv"]
    assert [problem.recording for problem in problems] == [None, scene.ids[0]]
    assert set(recordings[0].signals()) == set(scene.signals) - {"ecg"}


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"settings": {}, "truth": {}}', '{"settings": 3, "truth": []}', "7"]
)
def test_a_truth_that_is_none_is_unreadable(content, tmp_path):
    (tmp_path / "a").mkdir()
    raw_film(tmp_path / "a" / "video.mp4.avi", 2, 30)
    (tmp_path / "a" / "video.mp4.avi").rename(tmp_path / "a" / "video.mp4")
    (tmp_path / "a" / "truth.json").write_text(content)
    recordings, (problem,) = found("perfuse", tmp_path)
    assert (recordings, problem.kind) == ([], "unreadable")
    assert "truth.json" in problem.message


def test_radar_of_our_own_is_that_of_the_simulator(scenes):
    root, scene = scenes("perfuse")
    radar = found("perfuse", root)[0][0].radar()
    with np.load(root / scene.ids[0] / "radar.npz") as file:
        near, best = file["iq"], int(file["best_bin"])
        assert radar.times_s == pytest.approx(file["times_s"])
    assert radar.iq.shape == (scene.radar[0], 256)
    assert radar.iq.dtype == np.complex64
    assert radar.bin_m == pytest.approx(0.0488, abs=2e-4)
    # the simulator draws the noise of bins and of raw samples apart: same strength, other grains
    strongest = near[0, 2] + 1j * near[1, 2]
    assert abs(np.vdot(radar.iq[:, best], strongest)) > 0.99 * np.linalg.norm(strongest) * np.linalg.norm(
        radar.iq[:, best]
    )


def test_equipleth_radar_is_in_step_with_the_pictures(scenes):
    root, scene = scenes("equipleth")
    take = json.loads((root / "manifest.json").read_text())["recordings"][0]
    who = subject(take["seed"], take["domain"], **take["asked"]).radar()
    recording = found("equipleth", root)[0][0]
    radar = recording.radar()
    frames, _ = seen(recording)
    assert frames[0].width == frames[0].height == 128
    assert 0.9 * scene.radar[0] < len(radar.times_s) <= scene.radar[0]  # the last packets are lost, too
    assert radar.times_s[::4][: len(frames)] == pytest.approx([f.time_s for f in frames])
    assert not radar.valid.all(), "this capture has lost packets"
    assert radar.valid.mean() > 0.5
    true = expected(who.raw())[100:][: len(radar.iq)]  # chirp 100 was sent with picture 25, where the pictures begin
    assert radar.iq[radar.valid] == pytest.approx(true[radar.valid], rel=1e-5, abs=1)


def test_equipleth_falls_back_to_the_other_pulse_and_names_what_is_gone(scenes, tmp_path):
    root, scene = scenes("equipleth")
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    (copy / "rgb_files" / "v_1_1" / "rgbd_ppg.npy").unlink()
    (copy / "rgb_files" / "v_1_1" / "rgbd_rgb_0.png").unlink()
    (copy / "rgb_files" / "v_1_1" / "rgbd_rgb_3.png").unlink()
    (copy / "rf_files" / "1_2" / "rf.pkl").unlink()
    (copy / "rgb_files" / "v_2_2" / "rgbd_ppg.npy").unlink()
    (copy / "rf_files" / "2_2" / "vital_dict.npy").unlink()
    dump(copy / "fitzpatrick_labels.pkl", [("v_1", Attack())])
    (copy / "demo_fold.pkl").write_bytes(b"")
    recordings, problems = found("equipleth", copy)
    assert [r.id for r in recordings] == ["v_1_1", "v_1_2", "v_2_1"]
    assert recordings[0].signals()["pulse"].values == pytest.approx(scene.signals["pulse"][1])
    assert [f.time_s for f in seen(recordings[0])[0]][:4] == pytest.approx(np.array([1, 2, 4, 5]) / 30)
    assert (recordings[1].radar, recordings[0].radar is None) == (None, False)
    named = [(p.kind, Path(p.file).name, p.recording, p.dropped) for p in problems]
    assert named == [
        ("unreadable", "fitzpatrick_labels.pkl", None, False),
        ("unreadable", "demo_fold.pkl", None, False),
        ("missing", "rf.pkl", "v_1_2", True),
        ("missing", "rgbd_ppg.npy", None, True),
    ]
    assert "run code" in problems[0].message
    shutil.rmtree(copy / "rf_files")
    (copy / "fitzpatrick_labels.pkl").unlink()
    kinds = {(p.kind, Path(p.file).name) for p in found("equipleth", copy)[1]}
    assert {("missing", "rf_files"), ("missing", "fitzpatrick_labels.pkl"), ("missing", "rgbd_ppg.npy")} <= kinds


@pytest.mark.parametrize(
    ("labels", "folds", "about"),
    [
        ({"v_5": 2}, {0: {"train": ["v_5_1"], "val": [], "test": []}}, {"skin_tone": 2, "split": "train"}),
        ([["5", np.int64(6)]], {"train": [], "val": ("5_1",), "test": []}, {"skin_tone": 6, "split": "val"}),
        ([("v_5", 9)], [{"train": []}, {"test": np.array([7])}], {}),
        (3, {1: [2]}, {}),
        ([(1, 2, 3)], "folds", {}),
        ([("v_5", "x")], {}, {}),
        (np.arange(4), {0: {"train": ["v_5_1"]}, 1: {"test": ["v_5_1"]}}, {"fold": 1}),
    ],
)
def test_equipleth_labels_and_folds_in_every_form(labels, folds, about, tmp_path):
    numbered_pictures(tmp_path / "rgb_files" / "v_5_1", ["rgbd_rgb_0.png"])
    np.save(tmp_path / "rgb_files" / "v_5_1" / "rgbd_ppg.npy", np.array([1, np.nan, 3, 4.0])[:, None])
    dump(tmp_path / "fitzpatrick_labels.pkl", labels)
    dump(tmp_path / "demo_fold.pkl", folds)
    recordings, _ = found("equipleth", tmp_path)
    assert dict(recordings[0].about) == {"rate_hz": 30.0} | about
    assert recordings[0].signals()["pulse"].values == pytest.approx([1, np.nan, 3, 4], nan_ok=True)


@pytest.mark.parametrize(
    "content",
    [
        *(np.zeros((3, 3)), np.array(["a"]), np.zeros(1), np.array(None), np.ones(9, complex)),
        np.array({"rgbd": 3}, dtype=object),
    ],
)
def test_equipleth_pulses_that_cannot_be(content, tmp_path):
    numbered_pictures(tmp_path / "rgb_files" / "v_5_1", ["rgbd_rgb_0.png"])
    np.save(tmp_path / "rgb_files" / "v_5_1" / "rgbd_ppg.npy", content, allow_pickle=True)
    recordings, _ = found("equipleth", tmp_path)
    with pytest.raises(SourceError, match=r"rgbd_ppg\.npy"):
        recordings[0].signals()
