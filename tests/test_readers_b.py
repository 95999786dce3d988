"""Readers of data sets with and without public samples: every layout in miniature, whole and damaged."""

from __future__ import annotations

import pickle
import shutil
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.io import loadmat, savemat

from perfuse.core.errors import PerfuseError, SourceError
from perfuse.data.foreign import film_times, mat_series, read_mat, read_xml
from perfuse.data.mat5 import read_mat5
from perfuse.data.readers.known import get_reader
from perfuse.data.recording import SIGNALS, Problem, Recording
from perfuse.video import TraceStream, open_source
from reader_scenes_b import CASES, NAN, YAML, avi, bdf, even, film, png, put, table, wave, xml

NAMES = list(CASES)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Every layout once; tests that change something copy it first."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            CASES[name].write(made[name])
        return made[name]

    return make


@pytest.fixture
def copy(whole, tmp_path):
    def make(name: str) -> Path:
        return Path(shutil.copytree(whole(name), tmp_path / "copy"))

    return make


def found(name: str, root: Path) -> tuple[dict[str, Recording], list[Problem]]:
    items = list(get_reader(name).find(root))
    recordings = [item for item in items if isinstance(item, Recording)]
    assert len({recording.id for recording in recordings}) == len(recordings)
    return {r.id: r for r in recordings}, [item for item in items if isinstance(item, Problem)]


def opened(recording: Recording) -> tuple[np.ndarray, list[str]]:
    """Times of all frames, and the warnings."""
    with recording.video() as stream:
        if isinstance(stream, TraceStream):
            return stream.data.time_s, stream.warnings
        return np.array([frame.time_s for frame in stream]), stream.warnings


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new))


# --- the contract


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_as_the_layout_says(name, whole):
    case, root = CASES[name], whole(name)
    recordings, problems = found(name, root)
    assert list(recordings) == case.ids
    assert problems == []
    recording = recordings[case.id]
    assert (recording.dataset, recording.subject, recording.cropped) == (name, case.subject, case.cropped)
    assert {key: recording.about.get(key) for key in case.about} == case.about
    times_s, _ = opened(recording)
    np.testing.assert_allclose(times_s, case.frames_s, atol=6e-4)  # mkv keeps milliseconds
    signals = recording.signals()
    assert signals.keys() == case.signals.keys() <= set(get_reader(name).signals) <= {*SIGNALS, "radar"}
    for key, (at_s, values) in case.signals.items():
        np.testing.assert_allclose(signals[key].times_s, at_s, atol=6e-4, err_msg=key)
        np.testing.assert_allclose(signals[key].values, values, atol=2e-3 if name == "mahnob-hci" else 1e-9)
    assert (recording.radar is None) == (case.radar is None)
    assert all(path.exists() for path in recording.files)


@pytest.mark.parametrize("name", NAMES)
def test_recordings_pickle_and_read_the_same(name, whole):
    for recording in found(name, whole(name))[0].values():
        again = pickle.loads(pickle.dumps(recording))
        assert (again.id, again.subject, again.files) == (recording.id, recording.subject, recording.files)
        one, two = recording.signals(), again.signals()
        assert one.keys() == two.keys()
        for key in one:
            np.testing.assert_array_equal(one[key].values, two[key].values)


@pytest.mark.parametrize("name", NAMES)
def test_a_layout_is_recognised_by_its_own_reader_only(name, whole, tmp_path):
    assert [other for other in NAMES if get_reader(other).recognise(whole(name))] == [name]
    assert not get_reader(name).recognise(tmp_path)
    assert not get_reader(name).recognise(tmp_path / "nowhere")


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_folder_is_one_problem(name, tmp_path):
    recordings, problems = found(name, tmp_path)
    assert not recordings
    assert [problem.kind for problem in problems] == ["missing" if name == "folder" else "layout"]
    assert str(tmp_path) in problems[0].file


@pytest.mark.parametrize("name", NAMES)
def test_the_card_is_complete(name):
    card = get_reader(name)
    assert card.name == name
    assert all((card.title, card.paper, card.access, card.layout, card.verified, card.notes))
    tried = name in ("vitallens", "welltory", "oximetry", "folder")
    assert ("tried on" in card.verified and "only" not in card.verified) == tried


@pytest.mark.parametrize("name", NAMES)
def test_find_opens_no_film(name, copy):
    """Films and waves may be nonsense: names are enough to list them."""
    root = copy(name)
    for path in root.rglob("*"):
        if path.suffix.lower() in (".avi", ".mp4", ".mkv", ".png", ".bdf", ".npy", ".h5"):
            path.write_bytes(b"nonsense")
    assert list(found(name, root)[0]) == CASES[name].ids


# --- damage, for every file of every reader


def files_of(name: str, root: Path) -> list[Path]:
    recording = found(name, root)[0][CASES[name].id]
    return [path for path in recording.files if path.is_file()]


def trouble(name: str, root: Path) -> str:
    """Everything that is said of the first recording; anything but our own errors passes through."""
    recordings, problems = found(name, root)
    said = [f"{problem.file} {problem.message}" for problem in problems]
    recording = recordings.get(CASES[name].id)
    for read in (recording.signals, lambda: opened(recording)) if recording else ():
        try:
            result = read()
            said += result[1] if isinstance(result, tuple) else []
        except SourceError as error:
            said.append(str(error))
    if recording and recording.radar:
        try:
            recording.radar()
        except SourceError as error:
            said.append(str(error))
    return "\n".join(said)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(name, copy):
    root = copy(name)
    before = trouble(name, root)
    for path in files_of(name, root):
        kept = path.read_bytes()
        path.unlink()
        said = trouble(name, root)
        others = [key for key in found(name, root)[0] if key != CASES[name].id]
        optional = path.name in ("mmwave.mat", "session.xml", "exclusions.csv")
        assert optional or path.name in said or path.stem in said or path.suffix in said, path
        assert len(others) >= len(CASES[name].ids) - 2
        path.write_bytes(kept)
    assert trouble(name, root) == before


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_file_is_named(name, copy):
    root = copy(name)
    for path in files_of(name, root):
        kept = path.read_bytes()
        path.write_bytes(b"")
        assert path.name in trouble(name, root), path
        path.write_bytes(kept)


@pytest.mark.parametrize("name", NAMES)
def test_nonsense_is_named(name, copy):
    root = copy(name)
    rng = np.random.default_rng(0)
    for path in files_of(name, root):
        kept = path.read_bytes()
        path.write_bytes(rng.bytes(700))
        assert path.name in trouble(name, root), path
        path.write_bytes(kept)


@pytest.mark.parametrize("name", NAMES)
def test_a_truncated_file_never_ends_in_a_traceback(name, copy):
    root = copy(name)
    for path in files_of(name, root):
        kept = path.read_bytes()
        for share in (0.1, 0.5, 0.9, 0.99):
            path.write_bytes(kept[: int(share * len(kept))])
            said = trouble(name, root)
            if path.suffix in (".mat", ".bdf", ".h5", ".npy", ".xml") and share < 0.9:
                assert path.name in said, (path, share)
        path.write_bytes(kept)


@pytest.mark.parametrize("name", NAMES)
def test_flipped_bytes_never_end_in_a_traceback(name, copy):
    root = copy(name)
    rng = np.random.default_rng(1)
    for path in files_of(name, root):
        kept = path.read_bytes()
        for _ in range(4):
            damaged = bytearray(kept)
            for place in rng.integers(0, len(kept), 8):
                damaged[place] = rng.integers(0, 256)
            path.write_bytes(damaged)
            trouble(name, root)
        path.write_bytes(kept)


@pytest.mark.parametrize("name", NAMES)
def test_extra_files_are_passed_over(name, copy):
    root = copy(name)
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        for extra in (".DS_Store", "Thumbs.db", "readme_take².md", "._video.avi"):
            put(folder / extra, "x")
    recordings, _ = found(name, root)
    assert list(recordings) == CASES[name].ids
    assert recordings[CASES[name].id].signals().keys() == CASES[name].signals.keys()
    np.testing.assert_allclose(opened(recordings[CASES[name].id])[0], CASES[name].frames_s, atol=6e-4)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("folder", "vitallens", "nbhr", "nicu")])
def test_case_of_names_does_not_matter(name, copy):
    root = copy(name)
    for path in sorted(root.rglob("*"), key=lambda p: -len(p.parts)):
        if path.is_file():
            path.rename(path.with_name(path.name.upper()))
    recordings, problems = found(name, root)
    assert len(recordings) == len(CASES[name].ids)
    assert problems == []
    assert next(iter(recordings.values())).signals()


# --- single data sets


def test_physdrive_radar_becomes_complex_and_marks_what_is_lost(copy):
    root = copy("physdrive")
    cube = np.arange(6 * 2 * 8 * 16 * 8, dtype=float).reshape(6, 2, 8, 16, 8)
    cube[2, 0, 1, 1, 1] = np.nan
    savemat(root / "AFH1" / "AS" / "mmwave.mat", {"mmwave": cube})
    radar = found("physdrive", root)[0]["AFH1/AS"].radar()
    assert radar.iq.shape == (6, 8, 16, 8)
    assert radar.iq.dtype == np.complex64
    assert radar.valid.tolist() == [True, True, False, True, True, True]
    np.testing.assert_allclose(radar.times_s, even(6, 20))
    assert radar.iq[1, 2, 3, 4] == cube[1, 0, 2, 3, 4] + 1j * cube[1, 1, 2, 3, 4]
    assert np.isfinite(radar.iq).all()
    savemat(root / "AFH1" / "AS" / "mmwave.mat", {"mmwave": cube[:, :, :4]})
    with pytest.raises(SourceError, match=r"mmwave\.mat has the shape \(6, 2, 4, 16, 8\)"):
        found("physdrive", root)[0]["AFH1/AS"].radar()


def test_physdrive_radar_clips_say_that_they_have_no_pictures(whole):
    clip = found("physdrive", whole("physdrive"))[0]["CMZ2/CMZ2_10"]
    assert clip.subject == "CMZ2"
    assert clip.signals()["ecg"].times_s[-1] == pytest.approx(5 / 20)
    with pytest.raises(SourceError, match="no pictures"):
        clip.video()


def test_physdrive_reads_the_film_and_matlab_7_3_too(tmp_path):
    session = tmp_path / "BMY12" / "C2"
    film(session / "RGB.mp4", even(12, 20))
    (session / "Label").mkdir()
    with h5py.File(session / "Label" / "BVP.mat", "w", userblock_size=512) as file:
        file["BVP"] = wave(60)[:, None]
    recordings, problems = found("physdrive", tmp_path)
    assert len(problems) == 4
    assert not recordings["BMY12/C2"].cropped
    assert recordings["BMY12/C2"].about["light"] == "rain or clouds"
    pulse = recordings["BMY12/C2"].signals()["pulse"]
    np.testing.assert_allclose(pulse.times_s, even(60, 100), atol=1e-3)  # 12 frames of 0.05 s
    np.testing.assert_array_equal(pulse.values, wave(60))


def test_a_picture_that_is_broken_is_a_gap_with_its_name(copy):
    root = copy("physdrive")
    (root / "AFH1" / "AS" / "Align" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    times_s, warnings = opened(found("physdrive", root)[0]["AFH1/AS"])
    np.testing.assert_allclose(times_s, np.array([0, 1, 4, 5]) / 30)
    assert "3.png" in " ".join(warnings)


def test_vipl_the_phone_counts_30_a_second_whatever_its_avi_says(whole):
    phone = found("vipl-hr", whole("vipl-hr"))[0]["p10/v1/source2"]
    np.testing.assert_allclose(opened(phone)[0], even(12, 30))
    assert phone.about["camera"] == "HUAWEI P9, front camera"
    assert phone.about["fold"] == 3


def test_vipl_times_that_go_back_or_run_short(copy):
    root = copy("vipl-hr")
    times = root / "data/p1-5/p2/v7/source1/time.txt"
    times.write_text("\n".join(str(40 * i) for i in range(10)))
    at_s, warnings = opened(found("vipl-hr", root)[0]["p2/v7/source1"])
    assert len(at_s) == 10
    assert "times for 10 frames" in " ".join(warnings)
    times.write_text("0\n40\n20\n")
    with pytest.raises(SourceError, match=r"time\.txt"):
        found("vipl-hr", root)[0]["p2/v7/source1"].video()
    times.unlink()
    recordings, problems = found("vipl-hr", root)
    assert [(problem.kind, problem.dropped) for problem in problems] == [("missing", False)]
    assert "p2/v7/source1" in recordings


def test_vipl_a_broken_fold_is_told_and_does_no_harm(copy):
    root = copy("vipl-hr")
    (root / "fold" / "fold3.mat").write_bytes(b"nonsense" * 40)
    recordings, problems = found("vipl-hr", root)
    assert [problem.kind for problem in problems] == ["unreadable"]
    assert "fold3.mat" in problems[0].file
    assert all("fold" not in recording.about for recording in recordings.values())


def test_v4v_reads_release_files_and_folders_per_film(whole, tmp_path):
    recordings = found("v4v", whole("v4v"))[0]
    assert set(recordings["M002_T10"].signals()) == {"blood_pressure", "heart_rate", "respiratory_rate"}
    assert recordings["M010_T1"].about["split"] == "val"
    assert recordings["M002_T10"].about["split"] == "test"
    assert np.isnan(recordings["M010_T1"].signals()["heart_rate"].values[1])
    film(tmp_path / "V4V" / "train_val" / "data" / "F003_T4" / "video.mkv", even(12, 25))
    put(tmp_path / "V4V" / "train_val" / "data" / "F003_T4" / "label.txt", "HR, 70, 71, 72\n")
    recordings = found("v4v", tmp_path)[0]
    assert "split" not in recordings["F003_T4"].about
    np.testing.assert_allclose(recordings["F003_T4"].signals()["heart_rate"].times_s, [0, 0.04, 0.08], atol=1e-3)


def test_v4v_one_folder_per_film_and_one_file_per_rate(tmp_path):
    folder = tmp_path / "F004" / "T3"
    film(folder / "vid.mkv", even(12, 25))
    put(folder / "BP_mmHg.txt", "80\n81\n82\n")
    put(folder / "HR.txt", "70\nnan\n72\n")
    put(folder / "RR.txt", "F004_T3.mkv, RR, 12, , 14,\n")
    recordings, problems = found("v4v", tmp_path)
    assert problems == []
    signals = recordings["F004_T3"].signals()
    np.testing.assert_array_equal(signals["blood_pressure"].values, [80, 81, 82])
    np.testing.assert_array_equal(signals["heart_rate"].values, [70, NAN, 72])
    np.testing.assert_array_equal(signals["respiratory_rate"].values, [12, NAN, 14])


def test_v4v_a_film_that_no_file_knows(copy):
    root = copy("v4v")
    changed(root / "Phase 2_ Testing set" / "test_set_gt_release.txt", "M002_T10", "M002_T11")
    with pytest.raises(SourceError, match=r"test_set_gt_release\.txt.*M002_T10"):
        found("v4v", root)[0]["M002_T10"].signals()


def test_buaa_a_csv_counts_60_a_second_and_a_rate_must_be_one(copy):
    root = copy("buaa-mihr")
    recordings = found("buaa-mihr", root)[0]
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
    recordings, problems = found("lgi-ppgi", root)
    assert [problem.dropped for problem in problems] == [False]
    signals = recordings["alex/alex_gym"].signals()
    assert signals["pulse"].times_s[-1] == pytest.approx(11 / 25)


BOMB = '<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;">]><x><value0><value1>&c;</value1></value0></x>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_with_a_document_type_is_refused(encoding, tmp_path):
    path = tmp_path / "bomb.xml"
    path.write_bytes(BOMB.encode(encoding))
    with pytest.raises(SourceError, match=r"bomb\.xml declares a document type"):
        read_xml(path)


def test_mahnob_without_a_trigger_says_so(copy):
    root = copy("mahnob-hci")
    path = root / "Sessions/2/Part_1_S_Trial1_emotion.bdf"
    bdf(path, trigger=None)
    with pytest.raises(SourceError, match=r"emotion\.bdf never rises"):
        found("mahnob-hci", root)[0]["2"].signals()


def test_mahnob_a_wrong_session_file_is_told(copy):
    root = copy("mahnob-hci")
    put(root / "Sessions/2/session.xml", "<session>")
    recordings, problems = found("mahnob-hci", root)
    assert [(problem.kind, problem.dropped) for problem in problems] == [("unreadable", False)]
    assert recordings["2"].subject == "P1"


def test_ecg_fitness_subject_11_did_the_first_two_in_the_other_order(whole):
    recordings = found("ecg-fitness", whole("ecg-fitness"))[0]
    assert recordings["11/01/c920-1"].about["task"] == "rowing"


def test_rlap_in_milliseconds_and_from_the_film(copy):
    root = copy("rlap")
    session = root / "p002" / "R1"
    start = 1_680_000_000_000.0
    table(session / "frames_timestamp.csv", frame=np.arange(12), timestamp=start + 40 * np.arange(12))
    table(session / "BVP.csv", timestamp=start + 16 * np.arange(20), bvp=wave(20))
    recording = found("rlap", root)[0]["p002/R1"]
    np.testing.assert_allclose(opened(recording)[0], even(12, 25), atol=1e-3)
    np.testing.assert_allclose(recording.signals()["pulse"].times_s, 0.016 * np.arange(20), atol=1e-3)


def test_rlap_without_a_column_names_those_there_are(copy):
    root = copy("rlap")
    changed(root / "p001/R2/BVP.csv", "bvp", "volume")
    with pytest.raises(SourceError, match=r"BVP\.csv has the columns timestamp, volume"):
        found("rlap", root)[0]["p001/R2"].signals()


def test_nbhr_as_a_pair_of_folders_spreads_rows_over_the_film(tmp_path):
    avi(tmp_path / "video" / "000000001.avi", rate=30)
    put(tmp_path / "PPG" / "000000001.csv", "\n".join(f"{i},{i / 2},140,97" for i in range(24)))
    put(tmp_path / "PPG" / "000000002.csv", "0,1,2,3")
    assert get_reader("nbhr").recognise(tmp_path)
    recordings, problems = found("nbhr", tmp_path)
    pulse = recordings["video/000000001"].signals()["pulse"]
    np.testing.assert_allclose(pulse.times_s, even(24, 60), atol=1e-6)
    np.testing.assert_array_equal(pulse.values, np.arange(24) / 2)
    assert [Path(problem.file).name for problem in problems] == ["000000002.csv"]


def test_nbhr_yaml_supplies_names(tmp_path):
    avi(tmp_path / "baby7_x" / "cam.avi")
    put(tmp_path / "baby7_x" / "wave.txt", "\n".join(map(str, wave(9))))
    text = 'videos: "{subject}_{session}/cam.avi"\nreferences:\n'
    put(tmp_path / "nbhr.yaml", text + '  pulse: {file: "{subject}_{session}/wave.txt", clock: {rate_hz: 125}}\n')
    recording = found("nbhr", tmp_path)[0]["baby7_x/cam"]
    assert recording.subject == "baby7"
    np.testing.assert_allclose(recording.signals()["pulse"].times_s, even(9, 125))


def test_nicu_exclusions_that_are_not_whole_are_refused(copy):
    root = copy("nicu")
    put(root / "infant_1/night/exclusions.csv", "from_s,to_s\n1,\n")
    with pytest.raises(SourceError, match=r"exclusions\.csv has a stretch without its end"):
        found("nicu", root)[0]["infant_1/night/video"].signals()
    (root / "infant_1/night/exclusions.csv").unlink()
    signals = found("nicu", root)[0]["infant_1/night/video"].signals()
    assert np.isfinite(signals["respiratory_rate"].values).all()


def test_vitallens_rows_that_are_no_frames(copy):
    root = copy("vitallens")
    table(root / "take_2.csv", ppg=wave(40))
    with pytest.raises(SourceError, match=r"take_2\.csv has 40 rows, take_2\.mp4 has 12 frames"):
        found("vitallens", root)[0]["take_2"].signals()
    table(root / "take_2.csv", pressure=wave(12))
    with pytest.raises(SourceError, match=r"take_2\.csv has the columns pressure"):
        found("vitallens", root)[0]["take_2"].signals()


@pytest.mark.parametrize("text", ["800 x 790", "800 -5 790", "800 0 790", "x"])
def test_welltory_a_lost_interval_is_refused(text, copy):
    root = copy("welltory")
    put(root / "data/subject_01/RR.txt", text)
    with pytest.raises(SourceError, match=r"RR\.txt"):
        found("welltory", root)[0]["subject_01"].signals()


# --- a folder of one's own: the description


def described(tmp_path: Path, text: str) -> str:
    put(tmp_path / "perfuse.yaml", text)
    recordings, problems = found("folder", tmp_path)
    assert not recordings
    assert len(problems) == 1
    assert problems[0].kind == "layout"
    return problems[0].message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("unit: Hz", "unit: kHz", "line 14: references.heart_rate.unit is 'kHz'. Expected is /min or bpm or Hz."),
        ("rate_hz: 2", "rate_hz: -2", "line 14: references.heart_rate.clock.rate_hz is -2. Expected is a positive"),
        ("rate_hz: 2", "rate_hz: two", "line 14: references.heart_rate.clock.rate_hz is 'two'"),
        ("rate_hz: 2", "rate: 2", "references.heart_rate.clock.rate is not known here. Did you mean rate_hz?"),
        ("  ecg:", "  ekg:", "line 9: references.ekg is not known here. Did you mean ecg?"),
        ("clock: {rate_hz: 2}", "scale: 1", "references.heart_rate says not when its values were measured"),
        ("{per: frame}", "{per: frame, rate_hz: 3}", "references.pulse.clock has rate_hz and per"),
        ("{per: frame}", "{per: minute}", "references.pulse.clock.per is 'minute'. Expected is frame or video."),
        ("missing: [-9]", "missing: -9", "references.pulse.missing is -9. Expected is a list"),
        ("light: daylight", "lights: daylight", "about.lights is not known here. Did you mean light?"),
        ("light: daylight", "light:", "about.light is empty"),
        ("from_s: 0.2", "from_s: 0.9", "exclusions[0] ends before it begins"),
        ("from_s: 0.2, ", "", "exclusions[0] lacks from_s"),
        ("{subject: anna", "{person: anna", "exclusions[0].person is no placeholder of videos"),
        ('videos: "{subject}', 'videos: "/{subject}', "line 1: videos is '/{subject}"),
        ('videos: "{subject}', 'videos: "../{subject}', "no path below the folder"),
        ('videos: "{subject}', 'videos: "{Subject}', "no placeholder of small letters"),
        ("videos:", "video:", "video is not known here. Did you mean videos?"),
        ("about:", "videos: x\nabout:", "line 18: videos is there twice"),
        ("unit: ms, zero: first", "unit: [ms], zero: first", "line 2: times.unit is a list"),
        ("scale: -2", "scale: .nan", "references.pulse.scale is nan"),
        ("glasses: no", "glasses: no: yes", "this is no YAML"),
    ],
)
def test_a_wrong_description_names_key_and_line(old, new, said, tmp_path):
    assert YAML.count(old) >= 1
    message = described(tmp_path, YAML.replace(old, new, 1))
    assert said in message
    assert str(tmp_path / "perfuse.yaml") in message


@pytest.mark.parametrize(
    "text",
    ["", "# nothing\n", "[]", "text", "videos: '*.mp4'\n", "references: {}\nvideos: '*.mp4'\n", "a: &x [1]\nb: *x\n",
     "&x a: [*x]\n", "[" * 1500, "videos: \x07\n", "videos: !!python/object:os.system x\n", "? [1]\n: 2\n"],
)  # fmt: skip
def test_strange_yaml_is_a_problem_and_no_traceback(text, tmp_path):
    assert "perfuse.yaml" in described(tmp_path, text)


def test_a_description_that_is_no_text(tmp_path):
    (tmp_path / "perfuse.yaml").write_bytes(b"\xff\xfe\x00")
    assert "perfuse.yaml" in found("folder", tmp_path)[1][0].message


def small(tmp_path: Path, reference: str, videos: str = "{subject}.mp4", more: str = "") -> dict:
    put(tmp_path / "perfuse.yaml", f'videos: "{videos}"\n{more}references:\n  {reference}\n')
    return found("folder", tmp_path)[0]


def test_described_pictures_tables_and_a_subject_by_default(tmp_path):
    for index in range(4):
        png(tmp_path / "a [1]" / "rest" / f"{index}.png", index)
    put(tmp_path / "a [1]" / "rest.csv", "t;hr\n0;60\n1;61\n")
    reference = 'heart_rate: {file: "{subject}/{task}.csv", column: HR, clock: {column: t}}'
    recording = small(tmp_path, reference, "{subject}/{task}/*.png", "rate_hz: 2\n")["a [1]/rest"]
    assert (recording.subject, recording.about) == ("a [1]", {"task": "rest"})
    np.testing.assert_allclose(opened(recording)[0], even(4, 2))
    np.testing.assert_array_equal(recording.signals()["heart_rate"].values, [60, 61])
    put(tmp_path / "trace.csv", "R,G,B\n" + "1,2,3\n" * 60)
    put(tmp_path / "rr.txt", "0.5\n1.5\n")
    recording = small(tmp_path, "beats: {file: rr.txt, clock: {column: 0}}", "trace.csv", "rate_hz: 30\n")["trace"]
    assert recording.subject == "trace"
    assert len(opened(recording)[0]) == 60
    np.testing.assert_array_equal(recording.signals()["beats"].values, [np.nan, 1.0])


def test_described_files_that_are_not_there_or_not_clear(tmp_path):
    film(tmp_path / "a.mp4")
    film(tmp_path / "b.mp4")
    put(tmp_path / "a_1.csv", "x\n1\n")
    put(tmp_path / "a_2.csv", "x\n1\n")
    put(tmp_path / "c_1.csv", "x\n1\n")
    put(
        tmp_path / "perfuse.yaml",
        'videos: "{subject}.mp4"\nreferences:\n  pulse: {file: "{subject}_?.csv", clock: {rate_hz: 9}}\n',
    )
    recordings, problems = found("folder", tmp_path)
    assert not recordings
    assert [(p.recording, Path(p.file).name) for p in problems] == [
        ("a", "a_?.csv"),
        ("b", "b_?.csv"),
        (None, "c_1.csv"),
    ]


@pytest.mark.parametrize(
    ("content", "column", "said"),
    [
        ("t,ppg\n0,1\n", "pulse", "has the columns t, ppg"),
        ("t,ppg\n0,1\n", "5", "has 2 columns"),
        ("t,ppg\n0,x\n1,y\n", "ppg", "holds no number"),
        ("1 2\n3 4\n", "ppg", "no line of names"),
        ("1,,3\n4,,6\n", "1", "holds no number"),
        ("", "ppg", "is empty"),
        ("t,ppg\n", "ppg", "holds no table"),
    ],
)
def test_a_described_column_that_is_not_there(content, column, said, tmp_path):
    film(tmp_path / "a.mp4")
    put(tmp_path / "a.csv", content)
    reference = f'pulse: {{file: "{{subject}}.csv", column: {column}, clock: {{rate_hz: 10}}}}'
    with pytest.raises(SourceError, match=rf"a\.csv.*{said}"):
        small(tmp_path, reference)["a"].signals()


def test_an_empty_cell_does_not_shift_its_row(tmp_path):
    film(tmp_path / "a.mp4")
    put(tmp_path / "a.csv", "0,,3\n1,5,6\n")
    reference = 'pulse: {file: "{subject}.csv", column: 2, clock: {column: 0}}'
    np.testing.assert_array_equal(small(tmp_path, reference)["a"].signals()["pulse"].values, [3, 6])


# --- parts


def test_times_of_packets_are_those_of_frames(tmp_path):
    for path in (film(tmp_path / "a.mp4", even(12, 30, 0.4) ** 2), avi(tmp_path / "b.avi", rate=25)):
        with open_source(path) as stream:
            np.testing.assert_allclose(film_times(path), [frame.time_s for frame in stream], atol=1e-9)


def test_matlab_variables_by_name_or_alone(tmp_path):
    savemat(tmp_path / "one.mat", {"other": np.arange(4.0)})
    np.testing.assert_array_equal(mat_series(tmp_path / "one.mat", "BVP"), np.arange(4.0))
    savemat(tmp_path / "two.mat", {"bvp": np.arange(4.0), "fs": 20.0})
    np.testing.assert_array_equal(mat_series(tmp_path / "two.mat", "BVP"), np.arange(4.0))
    savemat(tmp_path / "three.mat", {"x": np.arange(4.0), "y": 20.0})
    with pytest.raises(SourceError, match=r"three\.mat holds x, y"):
        mat_series(tmp_path / "three.mat", "BVP")
    savemat(tmp_path / "none.mat", {"BVP": np.full(4, np.nan)})
    with pytest.raises(SourceError, match="no finite number"):
        mat_series(tmp_path / "none.mat", "BVP")
    assert set(read_mat(tmp_path / "two.mat")) == {"bvp", "fs"}


SHAPES = array_shapes(min_dims=2, max_dims=4, max_side=4)
KINDS = st.sampled_from([np.float64, np.float32, np.int16, np.uint8, np.int64])


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_matlab_files_read_like_scipys(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    wanted = {key: data.draw(arrays(data.draw(KINDS), data.draw(SHAPES))) for key in ("a", "bvp")}
    wanted["z"] = wanted["a"] + 1j
    structure = {"data": wanted["a"], "fs": 60.0, "note": "grün"}
    savemat(path, {**wanted, "PPG": structure}, do_compression=data.draw(st.booleans()))
    ours, theirs = read_mat5(path.read_bytes()), loadmat(path)
    for key in wanted:
        np.testing.assert_array_equal(ours[key], theirs[key])
        assert ours[key].dtype == theirs[key].dtype
    np.testing.assert_array_equal(ours["PPG"]["data"], wanted["a"])
    assert (ours["PPG"]["fs"].item(), ours["PPG"]["note"]) == (60.0, "grün")


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=12), st.integers(0, 3000)
)
@settings(max_examples=150, deadline=None)
def test_damaged_matlab_files_raise_one_error(changes, lost):
    """Scipy's reader crashes the interpreter on some of these."""
    with BytesIO() as file:
        savemat(file, {"PPG": {"data": wave(24)[:, None], "fs": 50.0}, "x": np.ones((3, 4)), "t": "text"})
        raw = bytearray(file.getvalue())
    for place, value in changes:
        raw[place % len(raw)] = value
    try:
        found = read_mat5(bytes(raw[: max(1, len(raw) - lost)]))
    except ValueError:
        return
    assert all(isinstance(name, str) for name in found)


def test_wide_xml_reads_too(tmp_path):
    (tmp_path / "w.xml").write_bytes(xml([(1, 2, 3)]).replace('<?xml version="1.0"?>', "").encode("utf-16"))
    assert read_xml(tmp_path / "w.xml").find("value0/value2").text == "3"


# --- real recordings


def test_the_real_sample_of_vitallens(shared_data):
    recordings, problems = found("vitallens", shared_data / "face")
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
    recordings, problems = found("welltory", shared_data / "finger" / "welltory")
    assert (len(recordings), problems) == (21, [])
    assert list(recordings)[:2] == ["subject_01", "subject_02"]
    for recording in recordings.values():
        beats = recording.signals()["beats"]
        times_s, _ = opened(recording)
        assert -0.5 < times_s[-1] - beats.times_s[-1] < 4
        np.testing.assert_allclose(beats.values[1:], np.diff(beats.times_s), atol=1e-9)
        assert 40 < 60 / np.mean(beats.values[1:]) < 110


def test_the_real_recordings_of_oximetry(shared_data):
    recordings, problems = found("oximetry", shared_data / "finger" / "oximetry")
    assert (list(recordings), problems) == (["100001/left", "100002/left", "100003/left"], [])
    for recording in recordings.values():
        signals = recording.signals()
        times_s, warnings = opened(recording)
        assert warnings == []
        assert abs(signals["heart_rate"].times_s[-1] - times_s[-1]) < 2.1
        assert 55 < np.nanmedian(signals["heart_rate"].values) < 80
        assert 64 < np.nanmin(signals["spo2"].values) < 75 < np.nanmax(signals["spo2"].values) <= 100
        assert 10 < np.nanmedian(signals["respiratory_rate"].values) < 20  # the shifted names would say 5 % of CO2


def test_a_description_reads_the_real_files_like_their_own_readers(shared_data, tmp_path):
    for path in (shared_data / "face").glob("sample_1.*"):
        (tmp_path / path.name).symlink_to(path)
    described = small(tmp_path, 'pulse: {file: "{subject}.csv", column: ppg, clock: {per: frame}}')["sample_1"]
    own = found("vitallens", shared_data / "face")[0]["sample_1"]
    one, two = described.signals()["pulse"], own.signals()["pulse"]
    np.testing.assert_array_equal(one.times_s, two.times_s)
    np.testing.assert_array_equal(one.values, two.values)


def test_errors_of_readers_are_ours():
    assert issubclass(SourceError, PerfuseError)
