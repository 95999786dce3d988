"""Readers of UBFC, PURE, COHFACE, MMPD, SCAMPS, BP4D+, iBVP, EquiPleth and our own folders: contract and damage."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import zipfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from perfuse.core.errors import SourceError
from perfuse.core.frame import Frame
from perfuse.data.capture import read_capture
from perfuse.data.folders import child, entries, homes, matching
from perfuse.data.matlab import open_video, read_mat, shapes, text
from perfuse.data.media import (
    on_clock,
    open_film,
    open_pictures,
    picture_times,
    read_columns,
    read_json,
    read_numbers,
)
from perfuse.data.reader import Reader
from perfuse.data.readers.known import get_reader
from perfuse.data.recording import SIGNALS, Problem, Recording
from perfuse.data.unpickle import load_npy, load_pickle
from perfuse.synth import subject
from perfuse.synth.radar.record import packets
from reader_scenes import SCENES, clip4, dump, film, mat73, picture, synthetic, wave, write_pictures

NAMES = sorted(SCENES)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """Every data set, written once: name to folder and what is in it."""
    made = {}

    def scene(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = folder, SCENES[name](folder)
        return made[name]

    return scene


def found(reader: Reader, root: Path) -> tuple[list[Recording], list[Problem]]:
    items = list(reader.find(root))
    return [i for i in items if isinstance(i, Recording)], [i for i in items if isinstance(i, Problem)]


def seen(recording: Recording) -> tuple[list[Frame], list[str]]:
    with recording.video() as stream:
        frames = list(stream)
        return frames, list(stream.warnings)


# --- the contract --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_knows_its_own_folders_and_no_others(scenes, name):
    assert get_reader(name).name == name
    assert [other for other in NAMES if get_reader(other).recognise(scenes(name)[0])] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_recordings_are_found_in_order_with_their_people(scenes, name):
    root, scene = scenes(name)
    recordings, problems = found(get_reader(name), root)
    assert [r.id for r in recordings] == scene.ids
    assert [r.subject for r in recordings] == scene.subjects
    assert problems == []
    assert {r.dataset for r in recordings} == {name}
    assert all(r.cropped is scene.cropped for r in recordings)
    assert all(path.exists() for r in recordings for path in r.files)
    assert scene.about.items() <= dict(recordings[0].about).items()


@pytest.mark.parametrize("name", NAMES)
def test_references_are_what_was_written_at_their_times(scenes, name):
    root, scene = scenes(name)
    signals = found(get_reader(name), root)[0][0].signals()
    assert set(signals) == set(scene.signals) <= set(SIGNALS)
    assert set(signals) <= set(get_reader(name).signals)
    for key, (times_s, values) in scene.signals.items():
        assert signals[key].times_s == pytest.approx(times_s, abs=2e-6)
        assert signals[key].values == pytest.approx(values, rel=2e-5, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("name", NAMES)
def test_frames_are_all_there_at_their_times(scenes, name):
    root, scene = scenes(name)
    for recording in found(get_reader(name), root)[0]:
        frames, warnings = seen(recording)
        assert warnings == []
        if recording.id == scene.ids[0]:
            assert [frame.time_s for frame in frames] == pytest.approx(scene.times_s, abs=1e-5)
        if scene.numbered:
            for index, frame in enumerate(frames):
                assert np.abs(frame.rgb().astype(int) - picture(index).astype(int)).max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_recordings_pickle(scenes, name):
    root, scene = scenes(name)
    recording = pickle.loads(pickle.dumps(found(get_reader(name), root)[0][0]))
    assert set(recording.signals()) == set(scene.signals)
    assert len(seen(recording)[0]) == len(scene.times_s)
    assert (recording.radar is not None) == (scene.chirps is not None)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("perfuse", "equipleth")])
def test_a_folder_in_a_folder_is_found_and_two_copies_keep_apart(scenes, name, tmp_path):
    root, scene = scenes(name)
    shutil.copytree(root, tmp_path / "unpacked" / "Data Set")
    reader = get_reader(name)
    assert reader.recognise(tmp_path)
    assert [r.id for r in found(reader, tmp_path)[0]] == scene.ids
    shutil.copytree(root, tmp_path / "unpacked" / "more")
    twice = [r.id for r in found(reader, tmp_path)[0]]
    assert len(set(twice)) == 2 * len(scene.ids)
    assert set(twice) == {f"unpacked/{place}/{i}" for place in ("Data Set", "more") for i in scene.ids}


@pytest.mark.parametrize("name", ["ubfc-rppg", "ubfc-phys", "cohface", "mmpd", "scamps", "bp4d", "ibvp"])
def test_the_case_of_names_does_not_matter(scenes, name, tmp_path):
    root, scene = scenes(name)
    shutil.copytree(root, tmp_path / "up")
    for path in sorted((tmp_path / "up").rglob("*"), key=lambda p: -len(p.parts)):
        path.rename(path.with_name(path.name.upper()))
    recordings, problems = found(get_reader(name), tmp_path / "up")
    assert [r.subject.lower() for r in recordings] == [s.lower() for s in scene.subjects]
    assert problems == []
    assert set(recordings[0].signals()) == set(scene.signals)
    assert len(seen(recordings[0])[0]) == len(scene.times_s)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_folder_a_file_and_nothing_at_all(name, tmp_path):
    reader = get_reader(name)
    (tmp_path / "file").write_text("x")
    for root in (tmp_path, tmp_path / "file", tmp_path / "nothing", Path("a\0b")):
        assert not reader.recognise(root)
        (problem,) = found(reader, root)[1]
        assert problem.kind == "layout"
        assert str(root) in problem.message


# --- damage --------------------------------------------------------------------------------------------------------

DAMAGES = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "noise": lambda path: path.write_bytes(np.random.default_rng(1).bytes(max(64, path.stat().st_size))),
    "folder": lambda path: (path.unlink(), path.mkdir()),
}
REST = {"README.txt", "manifest.json", "info_s1.txt", "0.raw", "frames.csv", "vital_dict.npy"}
"""Files that no reader needs."""

SPARE = {"eda_s1_T1.csv", "Pulse Rate_BPM.txt", "Respiration Rate_BPM.txt", "microsiemens.txt", "radar.npz"}
SPARE |= {"rgbd_ppg.npy", "p1_0.mat", "P000007.mat"}
"""Files whose absence is no damage: references that not everybody has, recordings that nothing else tells of."""


def troubles(reader: Reader, root: Path) -> tuple[str, dict[str, tuple]]:
    """Open everything; return all that was said, and per recording the size of what came out."""
    recordings, problems = found(reader, root)
    said = [f"{problem.kind} {problem.file} {problem.message}" for problem in problems]
    sizes = {}
    for recording in recordings[:1] + recordings[-1:]:
        out = []
        for step in (lambda r: len(seen(r)[0]), lambda r: [len(s) for s in r.signals().values()]):
            try:
                out.append(step(recording))
            except SourceError as error:
                said.append(str(error))
                out.append(None)
        if recording.radar is not None:
            try:
                out.append(int(recording.radar().valid.sum()))
            except SourceError as error:
                said.append(str(error))
        with suppress(SourceError):
            said += seen(recording)[1]
        sizes[recording.id] = tuple(map(str, out))
    return "\n".join(said), sizes


def files_of_first(reader: Reader, root: Path) -> list[str]:
    """Return the files of the first recording, one picture of each folder of them."""
    first = found(reader, root)[0][0]
    every = [f for path in first.files for f in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    kept = {}
    for path in every:
        if path.is_file() and entries(path.parent) and path in entries(path.parent) and path.name not in REST:
            kept.setdefault((path.parent, path.suffix) if path.suffix in (".png", ".bmp") else path, path)
    return [path.relative_to(root).as_posix() for path in kept.values()]


@pytest.mark.parametrize("damage", sorted(DAMAGES))
@pytest.mark.parametrize("name", NAMES)
def test_damage_is_named_and_breaks_nothing_else(scenes, name, damage, tmp_path):
    root, scene = scenes(name)
    reader = get_reader(name)
    whole = troubles(reader, root)[1]
    for number, file in enumerate(files_of_first(reader, root)):
        if damage == "gone" and Path(file).name in SPARE:
            continue
        copy = tmp_path / str(number)
        shutil.copytree(root, copy, copy_function=os.link, ignore=shutil.ignore_patterns("truth"))
        data = (copy / file).read_bytes()
        (copy / file).unlink()
        (copy / file).write_bytes(data)
        DAMAGES[damage](copy / file)
        said, sizes = troubles(reader, copy)
        missed = Path(file).name not in said and sizes.get(scene.ids[0]) == whole[scene.ids[0]]
        assert not missed, f"nobody noticed that {file} was damaged"
        if damage in ("gone", "empty", "noise") and not file.endswith((".png", ".bmp")):
            assert Path(file).name in said, f"{file} is not named in: {said}"
        assert len(scene.ids) == 1 or sizes[scene.ids[-1]] == whole[scene.ids[-1]]


def one(name: str, root: Path) -> Recording:
    """Return the only recording of a folder."""
    (recording,) = found(get_reader(name), root)[0]
    return recording


# --- each data set's own ways to be wrong ---------------------------------------------------------------------------


def ubfc(folder: Path, content: str) -> Recording:
    film(folder / "subject1" / "vid.avi", 2, 30)
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
    film(tmp_path / "p" / "s1" / "vid_s1_T2.avi", 3, 35)
    (tmp_path / "p" / "s1" / "bvp_s1_T2.csv").write_text("1.5\nnan\n\n2.5\n")
    recording = one("ubfc-phys", tmp_path / "p")
    assert recording.about["task"] == "speech"
    signal = recording.signals()["pulse"]
    assert signal.values == pytest.approx([1.5, np.nan, 2.5], nan_ok=True)
    assert signal.times_s == pytest.approx(np.arange(3) / 64)


def test_a_missing_half_of_a_take_is_named(tmp_path):
    film(tmp_path / "s4" / "vid_s4_T1.avi", 2, 35)
    (tmp_path / "s4" / "bvp_s4_T3.csv").write_text("1\n2\n")
    recordings, problems = found(get_reader("ubfc-phys"), tmp_path)
    assert recordings == []
    assert [Path(problem.file).name for problem in problems] == ["bvp_s4_T1.csv", "vid_s4_T3.avi"]
    assert {problem.kind for problem in problems} == {"missing"}


def test_several_videos_in_one_folder_are_not_guessed_between(tmp_path):
    (tmp_path / "1-gt").mkdir()
    for name in ("vid.avi", "vid-1.avi"):
        film(tmp_path / "1-gt" / name, 2, 28)
    (tmp_path / "1-gt" / "gtdump.xmp").write_text("0,70,98,1\n16,70,98,2\n")
    recordings, (problem,) = found(get_reader("ubfc-rppg-1"), tmp_path)
    assert recordings == []
    assert problem.kind == "layout"
    (tmp_path / "1-gt" / "vid-1.avi").unlink()
    (tmp_path / "1-gt" / "gtdump.xmp").write_text("0,70,98\n16,70,98\n")
    with pytest.raises(SourceError, match="3 columns"):
        one("ubfc-rppg-1", tmp_path).signals()


def pure(folder: Path, content: object, names: list[str]) -> Recording:
    write_pictures(folder / "02-05" / "02-05", names)
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
    recording = found(get_reader("pure"), tmp_path / "copy")[0][0]
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
    film(folder / "3" / "1" / "data.avi", 2, 20)
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
    content = {"video": clip4(7), "GT_ppg": wave(7, 30)[None]}
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
    assert recording.signals()["pulse"].values == pytest.approx(wave(7, 30))
    assert shapes(path)["video"] == (7, 24, 32, 3)


def test_mmpd_labels_that_are_not_documented_are_left_out_and_said(tmp_path):
    (tmp_path / "subject1").mkdir()
    told = TOLD | {"light": "Candle", "skin_color": 9}
    savemat(tmp_path / "subject1" / "p2_0.mat", {"video": clip4(2), "GT_ppg": np.ones(2), **told})
    savemat(tmp_path / "subject1" / "p1_1.mat", {"x": 1})
    recordings, problems = found(get_reader("mmpd"), tmp_path)
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
        ({"video": np.full((2, 8, 8, 3), np.nan), "GT_ppg": np.full(2, np.nan)}, "no picture", None),
    ],
)
def test_mmpd_contents_that_cannot_be(content, video_said, pulse_said, tmp_path):
    path = tmp_path / "p1_0.mat"
    savemat(path, TOLD | content)
    recording = one("mmpd", tmp_path)
    with pytest.raises(SourceError, match=video_said) as error:
        seen(recording)
    assert "p1_0.mat" in error.value.problem
    if pulse_said is None:
        assert np.isnan(recording.signals()["pulse"].values).tolist() == [True, True]
        return
    with pytest.raises(SourceError, match=pulse_said) as error:
        recording.signals()
    assert "p1_0.mat" in error.value.problem


@pytest.mark.parametrize("step", [1, 4, 5, 13, 100])
@pytest.mark.parametrize("straight", [False, True])
def test_hdf5_videos_come_in_pieces(step, straight, tmp_path, monkeypatch):
    path = tmp_path / "v.mat"
    frames = clip4(13, np.float64)
    if straight:
        with h5py.File(path, "w") as file:
            file["Xsub"] = frames
    else:
        mat73(path, Xsub=frames)
    monkeypatch.setattr("perfuse.data.matlab.BLOCK_BYTES", step * frames[0].nbytes)
    read = []
    plain = h5py.Dataset.__getitem__
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda s, at: (read.append(plain(s, at)), read[-1])[1])
    with open_video(path, ["RawFrames", "Xsub"], 30.0) as stream:
        assert (stream.info.width, stream.info.height, stream.info.frames) == (32, 24, 13)
        assert read == [], "nothing is read before it is asked for"
        next(stream)
        assert read[0].size <= max(step, 8) * frames[0].size
        rest = list(stream)
    assert [f.rgb()[0, 0].tolist() for f in rest] == [picture(i)[0, 0].tolist() for i in range(1, 13)]
    assert [f.time_s for f in rest] == pytest.approx(np.arange(1, 13) / 30)


def test_scamps_without_pictures_still_has_waves(tmp_path):
    mat73(tmp_path / "P000003.mat", d_ppg=wave(9, 30)[None], au2=np.ones((1, 9)))
    recording = one("scamps", tmp_path)
    assert recording.id == "P000003"
    assert "split" not in recording.about
    assert recording.signals()["pulse"].values == pytest.approx(wave(9, 30))
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
    recordings, problems = found(get_reader("bp4d"), copy)
    assert [r.id for r in recordings] == ["F001/T1", "M002/T10"]
    assert {p.kind for p in problems} == {"missing"}
    named = "\n".join(p.message for p in problems)
    for gone in ("F001/T10", "F010/T1 ", "F010/T10 ", "F011/T1", "F011/T10", "M002/T1 "):
        assert gone in named
    with zipfile.ZipFile(copy / "2D+3D" / "F001.zip", "a") as packed:
        packed.writestr("F001/T1/0003.jpg", b"no picture")
    frames, warnings = seen(found(get_reader("bp4d"), copy)[0][0])
    assert [round(25 * frame.time_s) for frame in frames] == [0, 1, 2, 4, 5, 6]
    assert "0003.jpg" in warnings[0]
    assert [round(float(frame.rgb()[0, 0, 0])) for frame in frames] == pytest.approx(range(6), abs=2)


def test_a_bp4d_recording_without_a_belt_is_still_one(scenes, tmp_path):
    shutil.copytree(scenes("bp4d")[0], tmp_path / "copy")
    (tmp_path / "copy" / "Physiology" / "F001" / "T1" / "Resp_Volts.txt").unlink()
    recordings, (problem,) = found(get_reader("bp4d"), tmp_path / "copy")
    assert problem.recording == recordings[0].id == "F001/T1"
    assert "respiration" not in recordings[0].signals()


@pytest.mark.parametrize(
    ("header", "nan"),
    [("BVP,SQPhysMD,SQ1,SQ2,Perfusion_Value", [3]), (" bvp ,SQPhysMD,sq1", [2]), ("BVP", [])],
)
def test_ibvp_quality_comes_from_the_best_column_there_is(header, nan, tmp_path):
    write_pictures(tmp_path / "p02_b" / "p02_b_rgb", ["0.bmp"])
    rows = ["1,1,1,1,1", "2,0,1,0.31,1", "3,1,0,0.4,1", "4,1,1,0.3,1", "nan,1,1,1,1"]
    (tmp_path / "p02_b" / "p02_b_bvp.csv").write_text("\n".join([header, *rows]) + "\n")
    values = one("ibvp", tmp_path).signals()["pulse"].values
    assert np.flatnonzero(np.isnan(values)).tolist() == [*nan, 4]


def test_ibvp_tables_without_a_pulse_are_refused(tmp_path):
    write_pictures(tmp_path / "p02_b" / "p02_b_rgb", ["0.bmp"])
    (tmp_path / "p02_b" / "p02_b_bvp.csv").write_text("PPG,SQ2\n1,1\n")
    with pytest.raises(SourceError, match=r"p02_b_bvp.csv has no column BVP; it has ppg, sq2"):
        one("ibvp", tmp_path).signals()
    shutil.copytree(tmp_path / "p02_b", tmp_path / "copies" / "p02_b")
    assert found(get_reader("ibvp"), tmp_path)[1][0].kind == "duplicate"


# --- folders that the simulator wrote in layouts of others ---------------------------------------------------------


def test_simulated_ubfc(tmp_path):
    (take,) = synthetic(tmp_path, "ubfc", 1, duration_s=1.0)
    recordings, problems = found(get_reader("ubfc-rppg"), tmp_path)
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
    recordings, problems = found(get_reader("pure"), tmp_path)
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


# --- our own folders -----------------------------------------------------------------------------------------------


def test_nobody_without_a_pulse_has_references(tmp_path):
    takes = synthetic(tmp_path, "perfuse", 2, domain="no-pulse", kind="mask")
    recordings, problems = found(get_reader("perfuse"), tmp_path)
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
    recordings, problems = found(get_reader("perfuse"), tmp_path / "copy")
    assert [Path(problem.file).name for problem in problems] == ["webcam-0001", "ecg.csv"]
    assert [problem.recording for problem in problems] == [None, scene.ids[0]]
    assert set(recordings[0].signals()) == set(scene.signals) - {"ecg"}


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"settings": {}, "truth": {}}', '{"settings": 3, "truth": []}', "7"]
)
def test_a_truth_that_is_none_is_unreadable(content, tmp_path):
    (tmp_path / "a").mkdir()
    film(tmp_path / "a" / "video.mp4.avi", 2, 30)
    (tmp_path / "a" / "video.mp4.avi").rename(tmp_path / "a" / "video.mp4")
    (tmp_path / "a" / "truth.json").write_text(content)
    recordings, (problem,) = found(get_reader("perfuse"), tmp_path)
    assert (recordings, problem.kind) == ([], "unreadable")
    assert "truth.json" in problem.message


def test_radar_of_our_own_is_that_of_the_simulator(scenes):
    root, scene = scenes("perfuse")
    radar = found(get_reader("perfuse"), root)[0][0].radar()
    with np.load(root / scene.ids[0] / "radar.npz") as file:
        near, best = file["iq"], int(file["best_bin"])
        assert radar.times_s == pytest.approx(file["times_s"])
    assert radar.iq.shape == (scene.chirps, 256)
    assert radar.iq.dtype == np.complex64
    assert radar.bin_m == pytest.approx(0.0488, abs=2e-4)
    # the simulator draws the noise of bins and of raw samples apart: same strength, other grains
    strongest = near[0, 2] + 1j * near[1, 2]
    assert abs(np.vdot(radar.iq[:, best], strongest)) > 0.99 * np.linalg.norm(strongest) * np.linalg.norm(
        radar.iq[:, best]
    )


# --- EquiPleth: pickles and packets ---------------------------------------------------------------------------------


def chirps(count: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3000, 3000, (count, 256, 2), dtype=np.int16)


def expected(adc: np.ndarray) -> np.ndarray:
    return np.fft.fft(adc[:, :, 0] + 1j * adc[:, :, 1].astype(float), axis=1)


def capture(path: Path, content: object, protocol: int = 4):
    dump(path, content, protocol)
    return read_capture(path)


@pytest.mark.parametrize("protocol", range(6))
def test_packets_become_range_bins(protocol, tmp_path):
    adc = chirps(50)
    radar = capture(tmp_path / "rf.pkl", packets(adc), protocol)
    whole = len(radar.times_s)
    assert whole == len(packets(adc)[0]) * 1456 // 2048
    assert radar.valid.all()
    assert radar.times_s == pytest.approx(np.arange(whole) / 120)
    assert radar.iq == pytest.approx(expected(adc)[:whole], rel=1e-5, abs=1)


@given(data=st.data())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lost_shuffled_and_doubled_packets_never_shift_a_chirp(data, tmp_path):
    adc = chirps(30)
    content = packets(adc)
    count = len(content[0])
    lost = data.draw(st.sets(st.integers(0, count - 1), max_size=count // 2))
    order = [i for i in range(count) if i not in lost]
    for _ in range(data.draw(st.integers(0, 3))):  # neighbours overtake each other, as on a network
        at = data.draw(st.integers(0, len(order) - 2))
        order[at], order[at + 1] = order[at + 1], order[at]
    order += order[:1] * data.draw(st.integers(0, 2))
    radar = capture(tmp_path / "rf.pkl", tuple([part[i] for i in order] for part in content[:3]) + content[3:])
    touched = {i for p in lost for i in range(p * 1456 // 2048, (p * 1456 + 1455) // 2048 + 1)}
    assert set(np.flatnonzero(~radar.valid)) == {i for i in touched if i < len(radar.valid)}
    good = np.flatnonzero(radar.valid)
    assert radar.times_s == pytest.approx(np.arange(len(radar.valid)) / 120)
    assert radar.iq[good] == pytest.approx(expected(adc)[good], rel=1e-5, abs=1)
    assert np.isfinite(radar.iq).all()
    for bad in np.flatnonzero(~radar.valid):  # holds the last good one
        last = good[good < bad][-1] if (good < bad).any() else good[0]
        assert np.array_equal(radar.iq[bad], radar.iq[last])


def test_a_card_that_ran_before_starts_with_the_first_whole_chirp(tmp_path):
    adc = chirps(400)
    content = packets(adc, first=300)  # 1.78 s after the start
    radar = capture(tmp_path / "rf.pkl", content)
    begin = -(-300 * 1456 // 2048)
    assert radar.valid.all()
    assert radar.times_s[0] == 0
    assert radar.iq == pytest.approx(expected(adc)[begin : begin + len(radar.iq)], rel=1e-5, abs=1)


def test_what_was_left_in_a_buffer_is_dropped(tmp_path):
    adc = chirps(150)
    payloads, numbers, sent, start, end = packets(adc)
    old = 20
    for shift in (10**9 + 7 * 2048, 0):  # live packets come much later than the old ones, or the card began anew
        before = sent[100 : 100 + old] if shift else [10**9 + 1456 * i for i in range(old)]
        content = (
            payloads[:old] + payloads,
            numbers[:old] + numbers,
            before + [at + shift for at in sent],
            start,
            end,
        )
        radar = capture(tmp_path / "rf.pkl", content)
        skipped = -(-shift // 2048) * 2048 - shift
        assert skipped in (0, 2048 - 10**9 % 2048)
        assert radar.valid.all()
        lead = 0 if skipped == 0 else None
        if lead == 0:
            assert radar.iq == pytest.approx(expected(adc)[: len(radar.iq)], rel=1e-5, abs=1)


@pytest.mark.parametrize(
    "content",
    [
        None,
        7,
        [],
        ([], [], [], "", ""),
        ([np.zeros(728, np.uint16)], [1], [0, 1456], "", ""),
        ([np.zeros(728, np.uint16)] * 2, [1, 2], [0, 10**15], "", ""),
        ([np.zeros(728, np.uint16)], [1], [-2], "", ""),
        ([np.zeros(728, np.uint16)], [1], [3], "", ""),
        ([np.zeros(728)], [1], [0], "", ""),
        ([np.zeros((2, 364), np.uint16)], [1], [0], "", ""),
        (["abc"], [1], [0], "", ""),
        ([np.zeros(728, np.uint16)], [1], ["x"], "", ""),
        ([np.zeros(728, np.uint16)], [1], [0], "", ""),
        (7, 8, 9),
        ([np.zeros(728, np.uint16)], 1, [0]),
    ],
)
def test_captures_that_cannot_be(content, tmp_path):
    with pytest.raises(SourceError, match=r"rf\.pkl"):
        capture(tmp_path / "rf.pkl", content)


class Attack:
    """What must never run."""

    def __reduce__(self):
        return os.system, ("touch perfuse-was-here",)


class Sneaky:
    def __reduce__(self):
        return getattr, (np.zeros(1), "tofile")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("bad", [Attack(), Sneaky(), print, np.float64, OrderedDict(), np.zeros(2, "M8[s]")])
def test_pickles_that_ask_for_more_than_numbers_are_refused(bad, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in (bad, [("v_1", bad)], {"a": (1, [bad])}):
        dump(tmp_path / "x.pkl", content, protocol)
        with pytest.raises(SourceError, match=r"x\.pkl"):
            load_pickle(tmp_path / "x.pkl")
    made = np.array({"rgbd": bad}, dtype=object)
    np.save(tmp_path / "x.npy", made, allow_pickle=True)
    with pytest.raises(SourceError, match=r"x\.npy"):
        load_npy(tmp_path / "x.npy")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.npy", "x.pkl"]


PLAIN = [
    None,
    (1, 2.5, "v_1", b"bytes", True, -(2**70)),
    {"train": ["v_1_1"], 0: {"a": {1, 2}}},
    [np.arange(6, dtype=">u2"), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.float32(3.5), np.array(7)],
    [np.zeros((0, 3), np.int8), np.array([True, False]), np.array([1 + 2j]), np.arange(10)[::2]],
    [bytearray(b"x"), frozenset({1}), 1j],
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("content", PLAIN)
def test_pickles_of_numbers_come_back(content, protocol, tmp_path):
    dump(tmp_path / "x.pkl", content, protocol)
    back = load_pickle(tmp_path / "x.pkl")
    assert repr(back) == repr(content)
    if isinstance(content, list):
        for one_, two in zip(back, content, strict=True):
            assert np.array_equal(one_, two)
            assert getattr(one_, "dtype", None) == getattr(two, "dtype", None)


@given(data=st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_pickles_are_errors_and_nothing_else(data, tmp_path):
    content = [np.arange(9), {"a": (1, "x")}, [("v_1", 3)] * 3, np.float64(2)]
    raw = bytearray(pickle.dumps(content, data.draw(st.integers(0, 5))))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "x.pkl").write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        load_pickle(tmp_path / "x.pkl")
    except SourceError as error:
        assert "x.pkl" in error.problem  # noqa: PT017


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_arrays_are_errors_and_nothing_else(data, tmp_path):
    np.save(tmp_path / "x.npy", np.arange(9.0))
    raw = bytearray((tmp_path / "x.npy").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, 127))] = data.draw(st.integers(0, 255))
    (tmp_path / "x.npy").write_bytes(raw)
    try:
        load_npy(tmp_path / "x.npy")
    except SourceError as error:
        assert "x.npy" in error.problem  # noqa: PT017


def test_an_array_with_half_a_header_is_damaged(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(9.0))
    raw = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(raw.replace(b"(9,), }", b"(9,,   "))
    with pytest.raises(SourceError, match=r"x\.npy"):
        load_npy(tmp_path / "x.npy")


def test_equipleth_radar_is_in_step_with_the_pictures(scenes):
    root, scene = scenes("equipleth")
    take = json.loads((root / "manifest.json").read_text())["recordings"][0]
    who = subject(take["seed"], take["domain"], **take["asked"]).radar()
    recording = found(get_reader("equipleth"), root)[0][0]
    radar = recording.radar()
    frames, _ = seen(recording)
    assert frames[0].width == frames[0].height == 128
    assert 0.9 * scene.chirps < len(radar.times_s) <= scene.chirps  # the last packets are lost, too
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
    recordings, problems = found(get_reader("equipleth"), copy)
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
    kinds = {(p.kind, Path(p.file).name) for p in found(get_reader("equipleth"), copy)[1]}
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
    write_pictures(tmp_path / "rgb_files" / "v_5_1", ["rgbd_rgb_0.png"])
    np.save(tmp_path / "rgb_files" / "v_5_1" / "rgbd_ppg.npy", np.array([1, np.nan, 3, 4.0])[:, None])
    dump(tmp_path / "fitzpatrick_labels.pkl", labels)
    dump(tmp_path / "demo_fold.pkl", folds)
    recordings, _ = found(get_reader("equipleth"), tmp_path)
    assert dict(recordings[0].about) == {"rate_hz": 30.0} | about
    assert recordings[0].signals()["pulse"].values == pytest.approx([1, np.nan, 3, 4], nan_ok=True)


@pytest.mark.parametrize(
    "content", [np.zeros((3, 3)), np.array(["a"]), np.zeros(1), np.array(None), np.array({"rgbd": 3}, dtype=object)]
)
def test_equipleth_pulses_that_cannot_be(content, tmp_path):
    write_pictures(tmp_path / "rgb_files" / "v_5_1", ["rgbd_rgb_0.png"])
    np.save(tmp_path / "rgb_files" / "v_5_1" / "rgbd_ppg.npy", content, allow_pickle=True)
    recordings, _ = found(get_reader("equipleth"), tmp_path)
    with pytest.raises(SourceError, match=r"rgbd_ppg\.npy"):
        recordings[0].signals()


# --- shared tools --------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 500), min_size=1, max_size=40, unique=True).map(sorted))
def test_numbered_pictures_keep_their_distance(numbers):
    times = picture_times([f"v2_img{n}" for n in numbers], 10.0)
    steps = np.diff(numbers)
    if len(steps) and (np.mean(steps == 1) < 0.5 or steps.sum() > 4 * len(numbers)):
        assert times == pytest.approx(np.arange(len(numbers)) / 10)
    else:
        assert times == pytest.approx((np.array(numbers) - numbers[0]) / 10)
    assert len(times) == len(numbers)
    assert (np.diff(times) > 0).all()


def test_pictures_whose_names_count_nothing_follow_one_another():
    assert picture_times(["a", "b"], 5.0).tolist() == [0, 0.2]
    assert picture_times(["x3", "x3", "x2"], 5.0) == pytest.approx([0, 0.2, 0.4])
    assert picture_times([], 5.0).tolist() == []
    assert picture_times(["p5", "p6"], 5.0, first=0).tolist() == [1, 1.2]


@given(st.lists(st.integers(-3, 6), min_size=1, max_size=30))
def test_signals_keep_every_moment_once_or_say_where_time_goes_back(steps):
    times = np.cumsum(steps) / 7.0
    values = np.arange(len(times), dtype=float)
    if (np.diff(times) < 0).any():
        with pytest.raises(SourceError, match=r"some\.csv"):
            on_clock(times, {"pulse": values}, "some.csv")
        return
    signal = on_clock(times, {"pulse": values}, "some.csv")["pulse"]
    assert signal.times_s.tolist() == np.unique(times).tolist()
    assert signal.values.tolist() == [int(np.flatnonzero(times == t)[0]) for t in signal.times_s]


def test_names_are_found_whatever_their_case_and_sorted_by_value(tmp_path):
    for name in ("S10", "s9", "s1", ".hidden", "Thumbs.db", "take²", "s01"):
        (tmp_path / name).mkdir()
    assert [p.name for p in matching(tmp_path, r"s\d+")] == ["s01", "s1", "s9", "S10"]
    assert child(tmp_path, "s10").name == "S10"
    assert child(tmp_path, "nothing") is None
    assert child(tmp_path / "nowhere", "s10") is None
    assert [p.name for p in entries(tmp_path)][-1] == "take²"
    assert homes(tmp_path, lambda p: p.name == "s9") == [(tmp_path / "s9", "")]


def test_numbers_that_are_missing_leave_their_place(tmp_path):
    (tmp_path / "n.txt").write_text(" 1.5,,3 ;4\n  7   8 \t 9\n\n-1e3\t\tx\n")
    rows = [[1.5, np.nan, 3, 4], [7, 8, 9, np.nan], [-1000, np.nan, np.nan, np.nan]]
    assert read_numbers(tmp_path / "n.txt") == pytest.approx(np.array(rows), nan_ok=True)


def test_files_are_named_whole_in_errors(tmp_path):
    (tmp_path / "vid.avi").write_bytes(b"RIFFxxxxAVI nothing")
    for step, name in (
        (open_film, "vid.avi"),
        (read_json, "vid.avi"),
        (read_numbers, "gone.txt"),
        (read_mat, "g.mat"),
    ):
        with pytest.raises(SourceError) as error:
            step(tmp_path / name, *([["a"]] if step is read_mat else []))
        assert str(tmp_path / name) in error.value.problem
    (tmp_path / "t.csv").write_text("a,b\n1," + "9" * 200_000 + "\n")
    with pytest.raises(SourceError, match=r"t\.csv"):
        read_columns(tmp_path / "t.csv")


def test_pictures_that_cannot_be_opened_at_all(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"take holds no picture.*a\.png"):
        open_pictures([tmp_path / "a.png"], np.zeros(1), "take")
    with pytest.raises(SourceError, match="holds no picture"):
        open_pictures([], np.zeros(0), "take")
    with pytest.raises(SourceError, match=r"a\.png"):
        open_pictures(["x"], np.zeros(1), "take", archive=tmp_path / "a.png")
    write_pictures(tmp_path / "p", ["0.png", "1.png"])
    with open_pictures([tmp_path / "p" / "0.png", tmp_path / "p" / "1.png"], np.zeros(1), "take") as stream:
        assert len(list(stream)) == 1
        assert "left out" in stream.warnings[0]


def test_text_of_every_kind_of_variable():
    assert text(None) == text(np.zeros(0)) == ""
    assert text(np.array(["LED-low"])) == "LED-low"
    assert text(np.array([["True "]])) == "True"
    assert text(np.array([[76, 69, 68]], np.uint16)) == "LED"
    assert text(np.array([[np.array(["deep"])]], dtype=object)) == "deep"
    assert text(np.array([[3]], np.uint8)) == "3"
