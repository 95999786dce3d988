"""What holds for every reader there is: finding, reading, damage. What is peculiar to some: test_readers_*.py."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from perfuse.core.errors import SourceError
from perfuse.data.folders import files_in
from perfuse.data.readers.known import MODULES, get_reader
from perfuse.data.recording import SIGNALS
from reader_scenes import SCENES
from reader_scenes.fixtures import linked_copy, written  # noqa: F401
from reader_scenes.making import found, opened, picture, put, seen

NAMES = list(MODULES)
PICTURES = (".png", ".bmp", ".jpg")


def test_every_reader_has_a_scene():
    assert set(SCENES) == set(MODULES), "write one in tests/reader_scenes"


@pytest.mark.parametrize("name", NAMES)
def test_the_card_is_complete(name):
    card = get_reader(name)
    assert card.name == name
    assert all((card.title, card.paper, card.access, card.layout, card.verified, card.notes))
    assert set(card.signals) <= {*SIGNALS, "radar"}
    tried = name in ("vitallens", "welltory", "oximetry", "folder")
    assert ("tried on" in card.verified and "only" not in card.verified) == tried


# --- whole folders


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_knows_its_own_folders_and_no_others(scenes, name):
    assert [other for other in NAMES if get_reader(other).recognise(scenes(name)[0])] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_recordings_are_found_in_order_with_their_people(scenes, name):
    root, scene = scenes(name)
    recordings, problems = found(name, root)
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
    recording = found(name, root)[0][0]
    signals = recording.signals()
    assert set(signals) == set(scene.signals) <= set(get_reader(name).signals)
    # films that rates go along with keep milliseconds (mkv) or 1/90 000 s; a BDF 24 bits of 16 V
    at_s, value = (6e-4, 2e-3) if name in ("v4v", "mahnob-hci", "vitallens") else (2e-6, 1e-6)
    for key, (times_s, values) in scene.signals.items():
        assert signals[key].times_s == pytest.approx(times_s, abs=at_s), key
        assert signals[key].values == pytest.approx(values, rel=2e-5, abs=value, nan_ok=True), key
    assert (recording.radar is None) == (scene.radar is None)
    if scene.radar is not None:
        radar = recording.radar()
        assert 0.9 * scene.radar[0] < len(radar.times_s) <= scene.radar[0], "the last packets may be lost"
        assert radar.iq.shape[1:] == scene.radar[1:]


@pytest.mark.parametrize("name", NAMES)
def test_frames_are_all_there_at_their_times(scenes, name):
    root, scene = scenes(name)
    recordings = found(name, root)[0]
    times_s, warnings = opened(recordings[0])
    assert warnings == [] or name == "welltory", "its times name no unit"
    assert times_s == pytest.approx(scene.times_s, abs=6e-4)
    for recording in recordings if scene.numbered else []:
        frames, warnings = seen(recording)
        assert warnings == []
        for index, frame in enumerate(frames):
            assert np.abs(frame.rgb().astype(int) - picture(index).astype(int)).max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_recordings_pickle_and_read_the_same(scenes, name):
    for recording in found(name, scenes(name)[0])[0]:
        again = pickle.loads(pickle.dumps(recording))
        assert (again.id, again.subject, again.files) == (recording.id, recording.subject, recording.files)
        one, two = recording.signals(), again.signals()
        assert one.keys() == two.keys()
        for key in one:
            np.testing.assert_array_equal(one[key].values, two[key].values)
    np.testing.assert_array_equal(opened(again)[0], opened(recording)[0])


@pytest.mark.parametrize("name", NAMES)
def test_find_opens_no_film(linked, name):
    """Films and waves may be nonsense: names, and small tables, are enough to list them."""
    root, scene = linked(name)
    for path in root.rglob("*"):
        if path.suffix.lower() in (".avi", ".mp4", ".mkv", ".png", ".bmp", ".jpg", ".bdf", ".npy", ".npz", ".h5"):
            path.unlink()
            path.write_bytes(b"nonsense")
    assert [r.id for r in found(name, root)[0]] == scene.ids


@pytest.mark.parametrize("name", NAMES)
def test_extra_files_are_passed_over(linked, name):
    root, scene = linked(name)
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        for extra in (".DS_Store", "Thumbs.db", "readme_take².md", "._video.avi"):
            (folder / extra).unlink(missing_ok=True)
            put(folder / extra, "x")
    recordings, problems = found(name, root)
    assert [r.id for r in recordings] == scene.ids
    assert problems == []
    assert recordings[0].signals().keys() == scene.signals.keys()
    assert len(opened(recordings[0])[0]) == len(scene.times_s)


@pytest.mark.parametrize(
    "name", [n for n in NAMES if n not in ("perfuse", "pure", "equipleth", "folder", "vitallens", "nbhr", "nicu")]
)
def test_the_case_of_names_does_not_matter(linked, name):
    root, scene = linked(name)
    for path in sorted(root.rglob("*"), key=lambda p: -len(p.parts)):
        path.rename(path.with_name(path.name.upper()))
    recordings, problems = found(name, root)
    assert [r.subject.lower() for r in recordings] == [s.lower() for s in scene.subjects]
    assert problems == []
    assert set(recordings[0].signals()) == set(scene.signals)
    assert len(opened(recordings[0])[0]) == len(scene.times_s)


@pytest.mark.parametrize(
    "name", ["ubfc-rppg", "ubfc-rppg-1", "ubfc-phys", "pure", "cohface", "mmpd", "scamps", "bp4d", "ibvp"]
)
def test_a_folder_in_a_folder_is_found_and_two_copies_keep_apart(scenes, name, tmp_path):
    root, scene = scenes(name)
    shutil.copytree(root, tmp_path / "unpacked" / "Data Set", copy_function=os.link)
    assert get_reader(name).recognise(tmp_path)
    assert [r.id for r in found(name, tmp_path)[0]] == scene.ids
    shutil.copytree(root, tmp_path / "unpacked" / "more", copy_function=os.link)
    twice = [r.id for r in found(name, tmp_path)[0]]
    assert len(twice) == 2 * len(scene.ids)
    assert set(twice) == {f"unpacked/{place}/{i}" for place in ("Data Set", "more") for i in scene.ids}


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_folder_a_file_and_nothing_at_all(name, tmp_path):
    (tmp_path / "file").write_text("x")
    for root in (tmp_path, tmp_path / "file", tmp_path / "nothing", Path("a\0b")):
        assert not get_reader(name).recognise(root)
        (problem,) = found(name, root)[1]
        assert problem.kind == ("missing" if name == "folder" else "layout")
        assert str(root) in problem.message


# --- damage

DAMAGES = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: int(0.97 * path.stat().st_size)]),
    "noise": lambda path: path.write_bytes(np.random.default_rng(1).bytes(max(700, path.stat().st_size))),
    "folder": lambda path: (path.unlink(), path.mkdir()),
}
NEEDLESS = {"README.txt", "manifest.json", "info_s1.txt", "0.raw", "frames.csv", "vital_dict.npy"}
"""Files that no reader needs."""


def troubles(name: str, root: Path) -> tuple[str, dict[str, list]]:
    """Open everything; return all that was said, and of the first and last recording the size of what came out."""
    recordings, problems = found(name, root)
    said = [f"{problem.kind} {problem.file} {problem.message}" for problem in problems]
    sizes: dict[str, list] = {}
    for recording in recordings[:1] + recordings[1:][-1:]:
        sizes[recording.id] = []
        for step in (opened, lambda r: r.signals(), lambda r: r.radar and r.radar()):
            try:
                result = step(recording)
            except SourceError as error:
                said.append(str(error))
                sizes[recording.id].append(None)
                continue
            if isinstance(result, tuple):
                said += result[1]
                sizes[recording.id].append(len(result[0]))
            elif isinstance(result, dict):
                sizes[recording.id].append({key: len(signal) for key, signal in result.items()})
            elif result is not None:
                sizes[recording.id].append(int(result.valid.sum()))
    return "\n".join(said), sizes


def files_of_first(name: str, root: Path) -> list[Path]:
    """Return the files of the first recording, one picture of each folder of them."""
    kept = {}
    for path in found(name, root)[0][0].files:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file in files_in(file.parent) and file.name not in NEEDLESS:
                kept.setdefault((file.parent, file.suffix) if file.suffix in PICTURES else file, file)
    return list(kept.values())


@pytest.mark.parametrize("damage", sorted(DAMAGES))
@pytest.mark.parametrize("name", NAMES)
def test_damage_is_named_and_breaks_nothing_else(linked, name, damage):
    root, scene = linked(name)
    whole = troubles(name, root)[1]
    for path in files_of_first(name, root):
        if damage in ("gone", "folder") and path.name in scene.spare:
            continue
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
        DAMAGES[damage](path)
        said, sizes = troubles(name, root)
        missed = path.name not in said and sizes.get(scene.ids[0]) == whole[scene.ids[0]]
        assert not missed or damage == "cut", f"nobody noticed that {path} was damaged"
        if damage in ("gone", "empty", "noise") and path.suffix not in PICTURES:
            assert any(part in said for part in (path.name, path.stem, path.suffix)), f"{path} is not named: {said}"
        assert len(scene.ids) == 1 or sizes[scene.ids[-1]] == whole[scene.ids[-1]]
        if path.is_dir():
            path.rmdir()
        path.write_bytes(data)
    assert troubles(name, root)[1] == whole


@pytest.mark.parametrize("name", NAMES)
def test_flipped_bytes_never_end_in_a_traceback(linked, name):
    root, _ = linked(name)
    rng = np.random.default_rng(1)
    for path in files_of_first(name, root):
        data = path.read_bytes()
        path.unlink()
        for _ in range(2):
            damaged = bytearray(data)
            for place in rng.integers(0, len(data), 8):
                damaged[place] = rng.integers(0, 256)
            path.write_bytes(damaged)
            troubles(name, root)
        path.write_bytes(data)
