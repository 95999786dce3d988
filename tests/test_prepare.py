"""Data sets opened, labels placed by time, views cached: whole, once, and the same as measuring directly."""

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import perfuse
from perfuse.clip.resample import Resampler
from perfuse.core.errors import OutputError, SourceError, UsageError
from perfuse.core.view import Crop, Grid, Trace
from perfuse.data.cache import entry_path, key
from perfuse.data.dataset import fingerprint, open_dataset
from perfuse.data.entry import CorruptedError, read_entry
from perfuse.data.formats.films import open_film
from perfuse.data.labels import held, on_grid
from perfuse.data.prepare import open_entry, prepare
from perfuse.data.recording import Recording, Signal
from perfuse.methods import get_method
from perfuse.pipeline.answer import Context, measure_face
from perfuse.pipeline.replay import replay
from perfuse.radar.record import RadarRecord
from perfuse.synth.layouts.folder import make
from perfuse.synth.layouts.known import get_layout
from perfuse.synth.layouts.plan import people, plan
from perfuse.video.write import write_video

PEOPLE, SECONDS = 3, 7.0


@pytest.fixture(scope="session")
def ubfc(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets") / "ubfc"
    layout = get_layout("ubfc")
    asked = {"duration_s": SECONDS, "width": 160, "height": 160}
    make(root, layout, plan(layout, people(PEOPLE, "lab", 5, asked)), {"seed": 5})
    return root


@pytest.fixture
def copy(ubfc, tmp_path):
    return shutil.copytree(ubfc, tmp_path / "copy")


def opened(root):
    return open_dataset(f"ubfc-rppg:{root}")


# --- labels by time


@given(st.integers(0, 2**32 - 1), st.floats(8, 250), st.floats(5, 60), st.floats(-1, 1))
def test_labels_are_placed_as_colours_are(seed, label_hz, grid_hz, shift_s):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.5, 1.5, 120) / label_hz)
    values = rng.normal(size=120)
    values[rng.random(120) < 0.1] = np.nan
    start, oracle = times[0] + shift_s, []
    resampler = Resampler(start, grid_hz)
    count = 40
    good = np.isfinite(values)
    if good.sum() < 2:
        return
    # the resampler starts with its grid; what a label says of the time before is none of its business
    for t, v in zip(times[good], values[good]):
        oracle += zip(*resampler.push(t, np.array([v])))
    oracle += zip(*resampler.finish())
    made = on_grid(Signal(times, values), start, grid_hz, count)
    for k, (value, valid) in enumerate(oracle[:count]):
        if valid and start + (k - 0.5) / grid_hz >= times[good][0]:
            assert made[k] == pytest.approx(value[0], abs=1e-6)
        elif not valid:
            assert np.isnan(made[k])


def test_a_wave_keeps_its_time_whatever_its_clock():
    fast, slow = np.arange(0, 10, 1 / 256), np.arange(0.013, 10, 1 / 60)
    wave = lambda t: np.sin(2 * np.pi * 1.2 * t)  # noqa: E731
    grid = np.arange(20, 250) / 30
    for times in (fast, slow):
        placed = on_grid(Signal(times, wave(times)), 0.0, 30.0, 270)
        assert np.abs(placed[20:250] - wave(grid)).max() < 0.02


def test_gaps_and_ends_are_no_numbers():
    times = np.concatenate([np.arange(0, 2, 0.02), np.arange(4, 6, 0.02)])
    placed = on_grid(Signal(times, np.ones(len(times))), -1.0, 10.0, 90)
    covered = np.isfinite(placed)
    at = -1.0 + np.arange(90) / 10
    assert covered[(at > 0.1) & (at < 1.9)].all()
    assert not covered[(at > 2.1) & (at < 3.9)].any()
    assert not covered[(at < -0.1) | (at > 6.1)].any()


def test_a_monitor_is_believed_for_a_while():
    shown = Signal(np.array([1.0, 2.0, 3.0]), np.array([60.0, np.nan, 62.0]))
    assert held(shown, np.array([0.5, 1.0, 2.5, 3.0, 5.4, 5.6])).tolist()[1:5] == [60.0, 60.0, 62.0, 62.0]
    assert np.isnan(held(shown, np.array([0.5, 5.6]))).all()


# --- opening


def test_a_folder_is_recognised_and_listed(ubfc):
    data = open_dataset(ubfc)
    assert data.name == "ubfc-rppg"
    assert [r.id for r in data] == ["subject1", "subject2", "subject3"]
    assert not data.problems
    assert [r.id for r in opened(ubfc)] == [r.id for r in data]


def test_what_is_no_data_set_is_told(ubfc, tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        open_dataset(tmp_path / "nothing")
    with pytest.raises(UsageError, match="looks like no data set"):
        open_dataset(tmp_path)
    with pytest.raises(UsageError, match=r"no reader called 'ubcf-rppg'.*Did you mean"):
        open_dataset(f"ubcf-rppg:{ubfc}")
    with pytest.raises(SourceError, match=r"no UBFC-rPPG.*recording"):
        open_dataset(f"ubfc-rppg:{tmp_path}")


def test_copies_are_found_whatever_they_are_called(copy):
    shutil.copytree(copy / "subject1", copy / "subject7")
    data = opened(copy)
    assert [r.id for r in data] == ["subject1", "subject2", "subject3"]
    (problem,) = data.problems
    assert (problem.kind, problem.recording) == ("duplicate", "subject7")
    assert "subject1" in problem.message


def test_a_fingerprint_sees_any_change(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(bytes(range(256)) * 100)
    before = fingerprint([file])
    shutil.copy(file, tmp_path / "b")
    assert fingerprint([tmp_path / "b"]) == before
    content = bytearray(file.read_bytes())
    content[12_345] ^= 1
    file.write_bytes(content)
    assert fingerprint([file]) != before
    with pytest.raises(SourceError):
        fingerprint([tmp_path / "missing"])


# --- caching


@pytest.mark.parametrize("view", [Trace(), Grid(24, 24), Crop(36)], ids=repr)
def test_a_cached_view_gives_the_very_answer_of_measuring(ubfc, tmp_path, view):
    recording = opened(ubfc).recordings[0]
    done = prepare([recording], view, tmp_path)
    assert (done.made, done.kept) == (1, 0)
    entry = open_entry(recording, view, tmp_path)
    about = entry.about
    names = ["pos", "green"] + (["ssr"] if isinstance(view, Grid) else [])
    for name in names:
        record = replay(get_method(name), entry.record, entry.cells)
        context = Context(about["start_s"], about["duration_s"], about["frame_rate_hz"], about["kind"])
        face = measure_face(0, record, context)
        direct = perfuse.measure(ubfc / "subject1" / "vid.avi", method=name).faces[0]
        assert face.heart_rate == direct.heart_rate
        assert face.respiratory_rate == direct.respiratory_rate
        assert np.array_equal(face.pulse.samples, direct.pulse.samples)
    cells = entry.cells()
    if isinstance(view, Trace):
        assert cells is None
    else:
        assert cells.shape == (len(entry.record.valid), *cells.shape[1:3], 4)
        assert np.array_equal(entry.cells(5, 9), cells[5:9])
        assert 0 <= cells[..., 3].min() <= cells[..., 3].max() <= 1
        assert cells[..., :3].max() > 30
    assert np.isfinite(entry.signals["pulse"].values).all()


def test_nothing_is_done_twice(ubfc, tmp_path):
    data = opened(ubfc)
    first = prepare(data.recordings, Trace(), tmp_path, jobs=2)
    stamps = {path: path.stat().st_mtime_ns for path in first.entries.values()}
    assert first.made == PEOPLE
    assert list(first.entries) == [r.id for r in data]
    again = prepare(data.recordings, Trace(), tmp_path)
    assert (again.made, again.kept) == (0, PEOPLE)
    assert {path: path.stat().st_mtime_ns for path in again.entries.values()} == stamps
    assert not list(tmp_path.glob("**/.*part*"))


def test_entries_are_the_same_bytes_however_many_work(ubfc, tmp_path):
    data = opened(ubfc)
    one = prepare(data.recordings, Grid(4, 4), tmp_path / "a").entries
    two = prepare(data.recordings, Grid(4, 4), tmp_path / "b", jobs=2).entries
    assert [p.read_bytes() for p in one.values()] == [p.read_bytes() for p in two.values()]


def test_the_key_knows_source_and_view(copy):
    recording = opened(copy).recordings[0]
    keys = {key(recording, view) for view in (Trace(), Grid(9, 9), Grid(9, 9, margin=1.5), Crop(36), Crop(72))}
    assert len(keys) == 5
    before = key(recording, Trace())
    with (copy / "subject1" / "ground_truth.txt").open("a") as file:
        file.write("\n")
    assert key(recording, Trace()) != before


@pytest.mark.parametrize("place", [0.0, 0.02, 0.5, 0.98])
def test_a_damaged_entry_is_found_and_made_again(ubfc, tmp_path, place):
    data = opened(ubfc)
    path = prepare(data.recordings[:1], Crop(36), tmp_path).entries["subject1"]
    good = path.read_bytes()
    bad = bytearray(good)
    at = int(place * (len(good) - 1))
    bad[at] ^= 0x5A
    path.write_bytes(bad)
    with pytest.raises(CorruptedError, match="damaged"):
        read_entry(path)
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(CorruptedError, match="damaged"):
        read_entry(path)
    assert open_entry(data.recordings[0], Crop(36), tmp_path) is None
    assert prepare(data.recordings[:1], Crop(36), tmp_path).made == 1
    assert path.read_bytes() == good


def test_every_trouble_is_named_and_the_rest_goes_on(copy, tmp_path):
    (copy / "subject4").mkdir()
    shutil.copy(copy / "subject1" / "vid.avi", copy / "subject4")
    shutil.copytree(copy / "subject2", copy / "subject5")
    (copy / "subject5" / "vid.avi").write_bytes(b"RIFFnothing")
    label = copy / "subject2" / "ground_truth.txt"
    wave, rate, times = label.read_text().splitlines()
    cut = lambda row: " ".join(row.split()[:100])  # noqa: E731
    label.write_text("\n".join(map(cut, (wave, rate, times))))
    label = copy / "subject3" / "ground_truth.txt"
    wave, rate, times = label.read_text().splitlines()
    label.write_text("\n".join([" ".join(["nan", *wave.split()[1:]]), rate, times]))
    data = opened(copy)
    done = prepare(data.recordings, Trace(), tmp_path / "cache", problems=data.problems)
    assert list(done.entries) == ["subject1", "subject2", "subject3"]
    said = {(p.kind, p.recording or "", p.dropped) for p in done.problems}
    assert said == {
        ("missing", "", True),
        ("unreadable", "subject5", True),
        ("short", "subject2", False),
        ("not-finite", "subject3", False),
    }
    assert all(p.file for p in done.problems)
    # what was found is known the next time, too, without decoding
    assert {
        (p.kind, p.recording or "", p.dropped) for p in prepare(data.recordings, Trace(), tmp_path / "cache").problems
    } == {entry for entry in said if entry[1]}


def test_no_reference_is_no_reason_to_stop(ubfc, tmp_path):
    film = ubfc / "subject1" / "vid.avi"
    bare = Recording("own", "a", "a", partial(open_film, film), dict, (film,))
    done = prepare([bare], Trace(), tmp_path)
    assert done.made == 1
    assert [(p.kind, p.dropped) for p in done.problems] == [("missing", False)]


def lasting(start_s, seconds, rate_hz=30.0):
    return Signal.uniform(np.sin(np.arange(round(seconds * rate_hz)) / 5), rate_hz, start_s)


def odd():
    """A reader that meets something it does not expect in a file."""
    return {"pulse": Signal(np.array([0.0, 2.0, 1.0]), np.ones(3))}


def odd_radar():
    return np.zeros((0, 2)).reshape(0, -1)


def test_a_reader_that_stumbles_stops_nobody_else(ubfc, tmp_path):
    film = ubfc / "subject1" / "vid.avi"
    good = Recording("own", "good", "a", partial(open_film, film), partial(dict, pulse=lasting(0, SECONDS)), (film,))
    bad = Recording("own", "bad", "b", partial(open_film, film), odd, (film,), radar=odd_radar)
    done = prepare([bad, good], Trace(), tmp_path)
    assert list(done.entries) == ["bad", "good"]
    assert {(p.kind, p.recording, p.dropped) for p in done.problems} == {("unreadable", "bad", False)}
    said = [p.message for p in done.problems]
    assert said == [
        "It cannot be read (times of a signal must be finite and increase).",
        "It cannot be read (cannot reshape array of size 0 into shape (0,newaxis)).",
    ]


@pytest.mark.parametrize(
    ("start_s", "seconds", "kinds"),
    [
        (0.0, SECONDS, []),
        (-0.83, SECONDS + 0.83, []),  # EquiPleth's pulse
        (0.0, SECONDS + 2.5, []),  # stopped by hand
        (0.0, SECONDS + 4.0, ["assumed"]),
        (0.5, 60.0, ["assumed"]),
        (-30.0, SECONDS + 60.0, []),  # MAHNOB-HCI's, placed by a trigger
        (-30.0, SECONDS + 20.0, ["short"]),
    ],
)
def test_what_goes_on_long_after_the_video_is_told(ubfc, tmp_path, start_s, seconds, kinds):
    film = ubfc / "subject1" / "vid.avi"
    pulse = lasting(start_s, seconds)
    cells = RadarRecord(pulse.times_s, np.ones((len(pulse), 2), np.complex64), np.ones(len(pulse), bool))
    recording = Recording(
        "own", "a", "a", partial(open_film, film), partial(dict, pulse=pulse), (film,), radar=lambda: cells
    )
    done = prepare([recording], Trace(), tmp_path)
    assert [(p.kind, p.dropped) for p in done.problems] == [(kind, False) for kind in kinds] * 2
    for name, problem in zip(("pulse", "radar"), done.problems):
        assert f"Its {name} lasts from {pulse.times_s[0]:.1f} to {pulse.times_s[-1]:.1f} s, the" in problem.message


def test_where_nothing_can_be_written_is_told(ubfc, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        prepare(opened(ubfc).recordings, Trace(), tmp_path / "file")
    with pytest.raises(UsageError):
        prepare(opened(ubfc).recordings, Trace(), tmp_path, jobs=0)


def alive(place):
    try:
        os.kill(int(place.name.split("-")[1]), 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_killed_at_any_moment_it_goes_on_where_it_was(ubfc, tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom perfuse.core.view import Crop\n"
        "from perfuse.data.dataset import open_dataset\nfrom perfuse.data.prepare import prepare\n"
        "if __name__ == '__main__':\n"
        "    prepare(open_dataset(sys.argv[1]).recordings, Crop(36), Path(sys.argv[2]), jobs=2)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    cache = tmp_path / "cache"
    made: dict[str, int] = {}
    for patience_s in (0.5, 1.0, 1.6, 2.4):
        process = subprocess.Popen([sys.executable, str(script), str(ubfc), str(cache)])
        time.sleep(patience_s)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        whole = {p.name: p.stat().st_mtime_ns for p in cache.glob("*/*.safetensors")}
        assert made.items() <= whole.items()  # nothing that was whole is lost, or made again
        for path in cache.glob("*/*.safetensors"):
            read_entry(path)
        made = whole
    deadline = time.monotonic() + 60
    while any(alive(place) for place in cache.glob(".part-*")) and time.monotonic() < deadline:
        time.sleep(0.2)  # workers of the killed run notice that it is gone
    done = prepare(opened(ubfc).recordings, Crop(36), cache, jobs=2)
    assert len(done.entries) == PEOPLE
    assert done.kept >= len(made)
    assert not list(cache.glob("**/.*part*"))


def test_a_path_can_be_told_without_working(ubfc, tmp_path):
    recording = opened(ubfc).recordings[0]
    path = entry_path(tmp_path, recording, Trace())
    assert not path.exists()
    assert prepare([recording], Trace(), tmp_path).entries["subject1"] == path


def test_a_recording_without_a_face_stays_in_the_table(tmp_path):
    from perfuse.bench.profiles import profile
    from perfuse.bench.runner import run
    from perfuse.data.dataset import Dataset

    rng = np.random.default_rng(0)
    pictures = rng.integers(90, 110, (90, 64, 64, 3)).astype(np.uint8)
    perfuse_video = tmp_path / "wall.mkv"
    write_video(perfuse_video, ((k / 30, picture) for k, picture in enumerate(pictures)), "ffv1")
    signals = partial(dict, beats=Signal(np.arange(0, 3, 0.8), np.full(4, 0.8)))
    wall = Recording("own", "wall", "wall", partial(open_film, perfuse_video), signals, (perfuse_video,))
    done = prepare([wall], Trace(), tmp_path / "cache")
    assert list(done.entries) == ["wall"]
    assert [(p.kind, p.dropped) for p in done.problems] == [("quality", False)]
    data = Dataset("folder", tmp_path, (wall,), ())
    lines = run([data], ["pos"], [profile("default")], tmp_path / "cache").lines
    rates = [line for line in lines if line["vital"] == "heart_rate" and line["window"] == "whole"]
    assert [line["prediction"] for line in rates] == [None]
    assert "face" in rates[0]["reason"]
