"""What is peculiar to data sets on agreement, contracts and open samples; the real samples that are at hand."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from perfuse.core.errors import SourceError
from perfuse.data.readers.known import get_reader
from reader_scenes.agreed import bdf
from reader_scenes.fixtures import whole_copy, written  # noqa: F401
from reader_scenes.making import (
    NAN,
    avi,
    by_id,
    even,
    film,
    opened,
    png,
    put,
    table,
    wave,
)


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new))


def test_physdrive_radar_becomes_complex_and_marks_what_is_lost(copy):
    root = copy("physdrive")
    cube = np.arange(6 * 2 * 8 * 16 * 8, dtype=float).reshape(6, 2, 8, 16, 8)
    cube[2, 0, 1, 1, 1] = np.nan
    savemat(root / "AFH1" / "AS" / "mmwave.mat", {"mmwave": cube})
    radar = by_id("physdrive", root)[0]["AFH1/AS"].radar()
    assert radar.iq.shape == (6, 8, 16, 8)
    assert radar.iq.dtype == np.complex64
    assert radar.valid.tolist() == [True, True, False, True, True, True]
    np.testing.assert_allclose(radar.times_s, even(6, 20))
    assert radar.iq[1, 2, 3, 4] == cube[1, 0, 2, 3, 4] + 1j * cube[1, 1, 2, 3, 4]
    assert np.isfinite(radar.iq).all()
    savemat(root / "AFH1" / "AS" / "mmwave.mat", {"mmwave": cube[:, :, :4]})
    with pytest.raises(SourceError, match=r"mmwave\.mat has the shape \(6, 2, 4, 16, 8\)"):
        by_id("physdrive", root)[0]["AFH1/AS"].radar()
    savemat(root / "AFH1" / "AS" / "mmwave.mat", {"mmwave": cube[:0]})
    with pytest.raises(SourceError, match=r"mmwave\.mat has the shape \(0, 2, 8, 16, 8\)"):
        by_id("physdrive", root)[0]["AFH1/AS"].radar()


def driver(root: Path, numbers: range, **labels: int) -> Path:
    """Write a session of PhysDrive: crops of these numbers, labels of so many samples, 20 s of radar."""
    session = root / "AFH1" / "AS"
    (session / "Label").mkdir(parents=True)
    png(session / "Align" / f"{numbers[0]}.png", 20)
    for number in numbers[1:]:
        (session / "Align" / f"{number}.png").hardlink_to(session / "Align" / f"{numbers[0]}.png")
    for key, count in labels.items():
        savemat(session / "Label" / f"{key}.mat", {key: wave(count)[None]})
    savemat(session / "mmwave.mat", {"mmwave": np.ones((400, 2, 8, 16, 8), np.float32)})
    return root


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("cut", [90, 3])
def test_physdrive_pictures_that_are_missing_at_the_start_stretch_nothing(first, cut, tmp_path):
    root = driver(tmp_path, range(first + cut, first + 600), BVP=600, ECG=600, HR=20)
    recording = by_id("physdrive", root)[0]["AFH1/AS"]
    times_s, warnings = opened(recording)
    begin_s = (first + cut - 1) / 30  # numbers tell no more than that: 0 may have been the first, or 1
    np.testing.assert_allclose(times_s, even(600 - cut, 30, begin_s))
    assert f"The pictures begin with {first + cut}.png: {begin_s:.2f} s before are assumed" in " ".join(warnings)
    for name, rate in (("pulse", 30), ("ecg", 30), ("heart_rate", 1)):
        signal = recording.signals()[name]
        np.testing.assert_allclose(signal.times_s, even(20 * rate, rate), atol=0.04)
    assert recording.radar().notes == ()


def test_physdrive_labels_that_were_cut_with_the_pictures_lie_on_them(tmp_path):
    recording = by_id("physdrive", driver(tmp_path, range(901, 1501), BVP=600))[0]["AFH1/AS"]
    np.testing.assert_allclose(recording.signals()["pulse"].times_s, opened(recording)[0])
    assert recording.radar().notes == ("the length is 20.0 s, that of the pictures 50.0 s",)


@pytest.mark.parametrize(
    ("numbers", "labels", "what"),
    [
        (range(510), {"BVP": 600}, "BVP.mat has 600 samples, and .*Align 510 pictures: which belong"),
        (range(300), {"BVP": 600, "RESP": 600}, "BVP.mat has 600 samples, and .*Align 300 pictures: which"),
        (range(300), {"BVP": 2000}, "BVP.mat has 2000 samples"),  # the radar says how long it was
        (range(90, 600), {"BVP": 2000}, "510 pictures, without the first 89"),
        (range(600), {"BVP": 600, "ECG": 500}, "ECG.mat has 500"),
    ],
)
def test_physdrive_labels_that_do_not_fit_the_pictures_are_refused(numbers, labels, what, tmp_path):
    recording = by_id("physdrive", driver(tmp_path, numbers, **labels))[0]["AFH1/AS"]
    with pytest.raises(SourceError, match=what):
        recording.signals()
    if len(numbers) < 600 and numbers[0] == 0:
        seconds = len(numbers) / 30
        assert recording.radar().notes == (f"the length is 20.0 s, that of the pictures {seconds:.1f} s",)


def test_physdrive_labels_of_their_own_rate_are_spread_over_the_pictures(tmp_path):
    signals = by_id("physdrive", driver(tmp_path, range(1, 601), BVP=2000, SPO2=20))[0]["AFH1/AS"].signals()
    np.testing.assert_allclose(signals["pulse"].times_s, even(2000, 100))
    np.testing.assert_allclose(signals["spo2"].times_s, even(20, 1))


def test_physdrive_clips_of_the_radar_are_told_and_left_out(copy):
    root = copy("physdrive")
    clip = root / "mmWave" / "CMZ2" / "CMZ2_10"
    clip.mkdir(parents=True)
    for key in ("mmwave", "ecg", "resp"):
        savemat(clip / f"{key}.mat", {key: np.ones(6)})
    assert get_reader("physdrive").recognise(root / "mmWave")
    recordings, (problem,) = by_id("physdrive", root)
    assert list(recordings) == ["AFH1/AS"]
    assert (problem.kind, problem.recording, problem.dropped) == ("missing", None, True)
    assert "CMZ2/CMZ2_10 has radar and references but no pictures" in problem.message


def test_physdrive_reads_the_film_and_matlab_7_3_too(tmp_path):
    session = tmp_path / "BMY12" / "C2"
    film(session / "RGB.mp4", even(12, 20))
    (session / "Label").mkdir()
    with h5py.File(session / "Label" / "BVP.mat", "w", userblock_size=512) as file:
        file["BVP"] = wave(60)[:, None]
    recordings, problems = by_id("physdrive", tmp_path)
    assert len(problems) == 4
    assert not recordings["BMY12/C2"].cropped
    assert recordings["BMY12/C2"].about["light"] == "rain or clouds"
    pulse = recordings["BMY12/C2"].signals()["pulse"]
    np.testing.assert_allclose(pulse.times_s, even(60, 100), atol=1e-3)  # 12 frames of 0.05 s
    np.testing.assert_array_equal(pulse.values, wave(60))


def test_a_picture_that_is_broken_is_a_gap_with_its_name(copy):
    root = copy("physdrive")
    (root / "AFH1" / "AS" / "Align" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    times_s, warnings = opened(by_id("physdrive", root)[0]["AFH1/AS"])
    np.testing.assert_allclose(times_s, np.array([0, 1, 4, 5]) / 30)
    assert "3.png" in " ".join(warnings)


def test_vipl_the_phone_counts_30_a_second_whatever_its_avi_says(scenes):
    phone = by_id("vipl-hr", scenes("vipl-hr")[0])[0]["p10/v1/source2"]
    np.testing.assert_allclose(opened(phone)[0], even(12, 30))
    assert phone.about["camera"] == "HUAWEI P9, front camera"
    assert phone.about["fold"] == 3


def test_vipl_times_that_go_back_or_run_short(copy):
    root = copy("vipl-hr")
    times = root / "data/p1-5/p2/v7/source1/time.txt"
    times.write_text("\n".join(str(40 * i) for i in range(10)))
    at_s, warnings = opened(by_id("vipl-hr", root)[0]["p2/v7/source1"])
    assert len(at_s) == 10
    assert "times for 10 frames" in " ".join(warnings)
    times.write_text("0\n40\n20\n")
    with pytest.raises(SourceError, match=r"time\.txt"):
        by_id("vipl-hr", root)[0]["p2/v7/source1"].video()
    times.unlink()
    recordings, problems = by_id("vipl-hr", root)
    assert [(problem.kind, problem.dropped) for problem in problems] == [("missing", False)]
    assert "p2/v7/source1" in recordings


def test_vipl_a_broken_fold_is_told_and_does_no_harm(copy):
    root = copy("vipl-hr")
    (root / "fold" / "fold3.mat").write_bytes(b"nonsense" * 40)
    recordings, problems = by_id("vipl-hr", root)
    assert [problem.kind for problem in problems] == ["unreadable"]
    assert "fold3.mat" in problems[0].file
    assert all("fold" not in recording.about for recording in recordings.values())


def test_v4v_reads_release_files_and_folders_per_film(scenes, tmp_path):
    recordings = by_id("v4v", scenes("v4v")[0])[0]
    assert set(recordings["M002_T10"].signals()) == {"blood_pressure", "heart_rate", "respiratory_rate"}
    assert recordings["M010_T1"].about["split"] == "val"
    assert recordings["M002_T10"].about["split"] == "test"
    assert np.isnan(recordings["M010_T1"].signals()["heart_rate"].values[1])
    film(tmp_path / "V4V" / "train_val" / "data" / "F003_T4" / "video.mkv", even(12, 25))
    put(tmp_path / "V4V" / "train_val" / "data" / "F003_T4" / "label.txt", "HR, 70, 71, 72\n")
    recordings = by_id("v4v", tmp_path)[0]
    assert "split" not in recordings["F003_T4"].about
    np.testing.assert_allclose(recordings["F003_T4"].signals()["heart_rate"].times_s, [0, 0.04, 0.08], atol=1e-3)


def test_v4v_one_folder_per_film_and_one_file_per_rate(tmp_path):
    folder = tmp_path / "F004" / "T3"
    film(folder / "vid.mkv", even(12, 25))
    put(folder / "BP_mmHg.txt", "80\n81\n82\n")
    put(folder / "HR.txt", "70\nnan\n72\n")
    put(folder / "RR.txt", "F004_T3.mkv, RR, 12, , 14,\n")
    recordings, problems = by_id("v4v", tmp_path)
    assert problems == []
    signals = recordings["F004_T3"].signals()
    np.testing.assert_array_equal(signals["blood_pressure"].values, [80, 81, 82])
    np.testing.assert_array_equal(signals["heart_rate"].values, [70, NAN, 72])
    np.testing.assert_array_equal(signals["respiratory_rate"].values, [12, NAN, 14])


def test_v4v_a_film_that_no_file_knows(copy):
    root = copy("v4v")
    changed(root / "Phase 2_ Testing set" / "test_set_gt_release.txt", "M002_T10", "M002_T11")
    with pytest.raises(SourceError, match=r"test_set_gt_release\.txt.*M002_T10"):
        by_id("v4v", root)[0]["M002_T10"].signals()


def test_buaa_a_csv_counts_60_a_second_and_a_rate_must_be_one(copy):
    root = copy("buaa-mihr")
    recordings = by_id("buaa-mihr", root)[0]
    np.testing.assert_allclose(recordings["Sub 10/lux 100"].signals()["pulse"].times_s, even(24, 60))
    savemat(root / "Sub 01/Lux 1.6/lux1_PPGData.mat", {"PPG": {"data": wave(9), "fs": 0.0}})
    with pytest.raises(SourceError, match="states a rate of 0"):
        recordings["Sub 01/lux 1.6"].signals()
    savemat(root / "Sub 01/Lux 1.6/lux1_PPGData.mat", {"PPG": {"data": np.ones((4, 5)), "fs": 60.0}})
    with pytest.raises(SourceError, match=r"shape \(4, 5\)"):
        recordings["Sub 01/lux 1.6"].signals()


def test_lgi_without_its_timer_keeps_the_films_times(copy):
    root = copy("lgi-ppgi")
    (root / "alex/alex_gym/cv_camera_sensor_timer_stream_handler.xml").unlink()
    recordings, problems = by_id("lgi-ppgi", root)
    assert [problem.dropped for problem in problems] == [False]
    signals = recordings["alex/alex_gym"].signals()
    assert signals["pulse"].times_s[-1] == pytest.approx(11 / 25)


def test_mahnob_without_a_trigger_says_so(copy):
    root = copy("mahnob-hci")
    path = root / "Sessions/2/Part_1_S_Trial1_emotion.bdf"
    bdf(path, trigger=None)
    with pytest.raises(SourceError, match=r"emotion\.bdf never rises"):
        by_id("mahnob-hci", root)[0]["2"].signals()


def test_mahnob_a_wrong_session_file_is_told(copy):
    root = copy("mahnob-hci")
    put(root / "Sessions/2/session.xml", "<session>")
    recordings, problems = by_id("mahnob-hci", root)
    assert [(problem.kind, problem.dropped) for problem in problems] == [("unreadable", False)]
    assert recordings["2"].subject == "P1"


def test_ecg_fitness_subject_11_did_the_first_two_in_the_other_order(scenes):
    recordings = by_id("ecg-fitness", scenes("ecg-fitness")[0])[0]
    assert recordings["11/01/c920-1"].about["task"] == "rowing"


def test_rlap_in_milliseconds_and_from_the_film(copy):
    root = copy("rlap")
    session = root / "p002" / "R1"
    start = 1_680_000_000_000.0
    table(session / "frames_timestamp.csv", frame=np.arange(12), timestamp=start + 40 * np.arange(12))
    table(session / "BVP.csv", timestamp=start + 16 * np.arange(20), bvp=wave(20))
    recording = by_id("rlap", root)[0]["p002/R1"]
    np.testing.assert_allclose(opened(recording)[0], even(12, 25), atol=1e-3)
    np.testing.assert_allclose(recording.signals()["pulse"].times_s, 0.016 * np.arange(20), atol=1e-3)


def test_rlap_without_a_column_names_those_there_are(copy):
    root = copy("rlap")
    changed(root / "p001/R2/BVP.csv", "bvp", "volume")
    with pytest.raises(SourceError, match=r"BVP\.csv has the columns timestamp, volume"):
        by_id("rlap", root)[0]["p001/R2"].signals()


def test_nbhr_as_a_pair_of_folders_spreads_rows_over_the_film(tmp_path):
    avi(tmp_path / "video" / "000000001.avi", rate=30)
    put(tmp_path / "PPG" / "000000001.csv", "\n".join(f"{i},{i / 2},140,97" for i in range(24)))
    put(tmp_path / "PPG" / "000000002.csv", "0,1,2,3")
    assert get_reader("nbhr").recognise(tmp_path)
    recordings, problems = by_id("nbhr", tmp_path)
    pulse = recordings["video/000000001"].signals()["pulse"]
    np.testing.assert_allclose(pulse.times_s, even(24, 60), atol=1e-6)
    np.testing.assert_array_equal(pulse.values, np.arange(24) / 2)
    assert [Path(problem.file).name for problem in problems] == ["000000002.csv"]


def test_nbhr_yaml_supplies_names(tmp_path):
    avi(tmp_path / "baby7_x" / "cam.avi")
    put(tmp_path / "baby7_x" / "wave.txt", "\n".join(map(str, wave(9))))
    text = 'videos: "{subject}_{session}/cam.avi"\nreferences:\n'
    put(tmp_path / "nbhr.yaml", text + '  pulse: {file: "{subject}_{session}/wave.txt", clock: {rate_hz: 125}}\n')
    recording = by_id("nbhr", tmp_path)[0]["baby7_x/cam"]
    assert recording.subject == "baby7"
    np.testing.assert_allclose(recording.signals()["pulse"].times_s, even(9, 125))


def test_nicu_exclusions_that_are_not_whole_are_refused(copy):
    root = copy("nicu")
    put(root / "infant_1/night/exclusions.csv", "from_s,to_s\n1,\n")
    with pytest.raises(SourceError, match=r"exclusions\.csv has a stretch without its end"):
        by_id("nicu", root)[0]["infant_1/night/video"].signals()
    (root / "infant_1/night/exclusions.csv").unlink()
    signals = by_id("nicu", root)[0]["infant_1/night/video"].signals()
    assert np.isfinite(signals["respiratory_rate"].values).all()


def test_vitallens_rows_that_are_no_frames(copy):
    root = copy("vitallens")
    table(root / "take_2.csv", ppg=wave(40))
    with pytest.raises(SourceError, match=r"take_2\.csv has 40 rows, take_2\.mp4 has 12 frames"):
        by_id("vitallens", root)[0]["take_2"].signals()
    table(root / "take_2.csv", pressure=wave(12))
    with pytest.raises(SourceError, match=r"take_2\.csv has the columns pressure"):
        by_id("vitallens", root)[0]["take_2"].signals()


@pytest.mark.parametrize("text", ["800 x 790", "800 -5 790", "800 0 790", "x"])
def test_welltory_a_lost_interval_is_refused(text, copy):
    root = copy("welltory")
    put(root / "data/subject_01/RR.txt", text)
    with pytest.raises(SourceError, match=r"RR\.txt"):
        by_id("welltory", root)[0]["subject_01"].signals()


def test_the_real_sample_of_vitallens(shared_data):
    recordings, problems = by_id("vitallens", shared_data / "face")
    assert (list(recordings), problems) == (["sample_1"], [])
    signals = recordings["sample_1"].signals()
    assert set(signals) == {"pulse", "ecg", "respiration", "spo2", "heart_rate", "respiratory_rate"}
    times_s, _ = opened(recordings["sample_1"])
    assert len(times_s) == 354
    for signal in signals.values():
        np.testing.assert_allclose(signal.times_s, times_s, atol=1e-9)
    pulse = signals["pulse"]
    grid = np.arange(0, pulse.times_s[-1], 0.01)
    power = np.abs(np.fft.rfft(np.interp(grid, pulse.times_s, pulse.values - pulse.values.mean()), 1 << 16))
    assert 60 * np.fft.rfftfreq(1 << 16, 0.01)[power.argmax()] == pytest.approx(75.4, abs=0.5)
    slopes = np.diff(pulse.values)
    assert ((slopes - slopes.mean()) ** 3).mean() > 0  # quick up, slow down: it rises with blood volume


def test_the_real_recordings_of_welltory(shared_data):
    recordings, problems = by_id("welltory", shared_data / "finger" / "welltory")
    assert (len(recordings), problems) == (21, [])
    assert list(recordings)[:2] == ["subject_01", "subject_02"]
    for recording in recordings.values():
        beats = recording.signals()["beats"]
        times_s, _ = opened(recording)
        assert -0.5 < times_s[-1] - beats.times_s[-1] < 4
        np.testing.assert_allclose(beats.values[1:], np.diff(beats.times_s), atol=1e-9)
        assert 40 < 60 / np.mean(beats.values[1:]) < 110


def test_the_real_recordings_of_oximetry(shared_data):
    recordings, problems = by_id("oximetry", shared_data / "finger" / "oximetry")
    assert (list(recordings), problems) == (["100001/left", "100002/left", "100003/left"], [])
    for recording in recordings.values():
        signals = recording.signals()
        times_s, warnings = opened(recording)
        assert warnings == []
        assert abs(signals["heart_rate"].times_s[-1] - times_s[-1]) < 2.1
        assert 55 < np.nanmedian(signals["heart_rate"].values) < 80
        assert 64 < np.nanmin(signals["spo2"].values) < 75 < np.nanmax(signals["spo2"].values) <= 100
        assert 10 < np.nanmedian(signals["respiratory_rate"].values) < 20  # the shifted names would say 5 % of CO2
