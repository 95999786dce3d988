"""Bad input at the command line and in `perfuse.measure`: an error and its exit code, or no value and the reason.

What needs a face in the picture is in test_bad_pictures.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import perfuse
from asking import ask, checked, error_about, heart_rates, judged, right
from media import clip, cut, encode, pattern, sound_only, steady
from perfuse import PerfuseError, Session
from perfuse.core.errors import SourceError, UsageError

GOOD_RATE = 72


def trace_text(times, header="time_s,R,G,B"):
    """Rows of a finger on the lens with 72 beats a minute."""
    wave = np.sin(2 * np.pi * GOOD_RATE / 60 * times) + 0.3 * np.sin(4 * np.pi * GOOD_RATE / 60 * times)
    rows = [f"{t:.4f},{180 - 1.5 * w:.5f},{20 - 0.3 * w:.5f},{12 - 0.2 * w:.5f}" for t, w in zip(times, wave)]
    return "\n".join([header, *rows]) + "\n"


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("good") / "good.csv"
    path.write_text(trace_text(steady(400)))
    return path


# --- files that cannot be read --------------------------------------------------------------------------------------


def text_as_video(folder):
    (folder / "text.mp4").write_text("This is no video.\n" * 300)
    return folder / "text.mp4"


def noise_as_video(folder):
    (folder / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(50_000))
    return folder / "noise.mp4"


def document(folder):
    (folder / "page.html").write_text("<!doctype html><title>404</title>" * 20)
    return folder / "page.html"


def cut_before_its_index(folder):
    return cut(encode(folder / "whole.mp4", clip(30)), folder / "cut.mp4", 0.8)


def sound(folder):
    return sound_only(folder / "sound.m4a")


def sound_called_video(folder):
    return sound_only(folder / "sound.mp4")


def no_bytes(folder):
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def no_frames(folder):
    with av.open(str(folder / "none.avi"), "w") as out:
        out.add_stream("mpeg4", rate=30)
        out.start_encoding()
    return folder / "none.avi"


def no_frames_in_matroska(folder):
    whole = encode(folder / "whole.mkv", clip(30), codec="ffv1").read_bytes()
    (folder / "none.mkv").write_bytes(whole[: whole.find(bytes.fromhex("1f43b675"))])
    return folder / "none.mkv"


def no_path(folder):
    return folder / "nowhere" / "gone.mp4"


def a_folder(folder):
    (folder / "folder.mp4").mkdir()
    return folder / "folder.mp4"


def no_timestamps(folder):
    return encode(folder / "raw.h264", clip(30), container="h264", tick=None)


def no_numbers(folder):
    (folder / "words.csv").write_text("time_s,R,G,B\nearly,red,green,blue\n")
    return folder / "words.csv"


def no_times(folder):
    (folder / "timeless.csv").write_text("R,G,B\n" + "100,90,80\n" * 50)
    return folder / "timeless.csv"


def a_leap_of_the_clock(folder):
    (folder / "leap.csv").write_text(trace_text(np.r_[0.0, 1.7e9 + steady(300)]))
    return folder / "leap.csv"


def a_leap_in_a_video(folder):
    return encode(folder / "leap.mkv", clip(40), np.r_[0.0, 40_000 + steady(39)])


UNREADABLE = [
    text_as_video, noise_as_video, document, cut_before_its_index, sound, sound_called_video, no_bytes, no_frames,
    no_frames_in_matroska, no_path, a_folder, no_timestamps, no_numbers, no_times, a_leap_of_the_clock,
    a_leap_in_a_video,
]  # fmt: skip


@pytest.mark.parametrize("make", UNREADABLE)
def test_what_cannot_be_read(make, tmp_path, good, capfd):
    path = make(tmp_path)
    out = tmp_path / "out"
    out.mkdir()

    alone = ask(capfd, "measure", path, "--json", "-")
    assert (alone.code, alone.out) == (3, "")
    error_about(alone.err, path.name)

    targets = ["--json", out / "a.json", "--csv", out / "a.csv", "--report", out / "a.html"]
    assert ask(capfd, "measure", path, *targets).code == 3
    assert not list(out.iterdir())

    among = ask(capfd, "measure", good, path, good, "--json", "-", "--quiet")
    assert among.code == 3
    assert [record["source"]["name"] for record in among.records] == ["good.csv"] * 2
    assert all(right(heart_rates(record)[0], GOOD_RATE) for record in among.records)
    error_about(among.err, path.name)

    with pytest.raises(SourceError) as told:
        perfuse.measure(path)
    assert path.name in told.value.problem
    assert told.value.remedy
    assert isinstance(told.value, PerfuseError)


def refuse(*_args, **_options):
    raise PermissionError(13, "Permission denied")


def test_a_file_that_may_not_be_read(tmp_path, capfd, monkeypatch):
    path = encode(tmp_path / "secret.mp4", clip(3))
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything
        plain = Path.open
        monkeypatch.setattr(Path, "open", lambda self, *a, **k: (refuse if self == path else plain)(self, *a, **k))
    told = ask(capfd, "measure", path, "--json", "-")
    assert (told.code, told.out) == (3, "")
    assert "permission" in error_about(told.err, "secret.mp4")


def test_the_remedy_for_missing_timestamps_is_an_option_of_the_program(tmp_path, capfd):
    assert "--rate" in ask(capfd, "measure", no_timestamps(tmp_path)).err


def test_the_first_of_several_failures_decides_the_exit_code(tmp_path, capfd):
    bad = [make(tmp_path) for make in (no_path, text_as_video, sound)]
    told = ask(capfd, "measure", *bad, "--csv", tmp_path / "a.csv")
    assert told.code == 3
    assert [path.name in told.err for path in bad] == [True] * 3
    assert not (tmp_path / "a.csv").exists()


# --- places that cannot be written ----------------------------------------------------------------------------------


PLACES = ["no/such/folder/x", "good.csv/x", "/proc/perfuse-x", "x" * 300]
UNWRITABLE = [(option, place) for option in ("--json", "--csv", "--report") for place in PLACES]


@pytest.mark.parametrize(("option", "place"), [*UNWRITABLE, ("--json", "folder/"), ("--csv", "folder/")])
def test_what_cannot_be_written(option, place, tmp_path, good, capfd, monkeypatch):
    if place.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("no such place where nobody may write")
    shutil.copy(good, tmp_path / "good.csv")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    told = ask(capfd, "measure", "good.csv", option, place)
    assert (told.code, told.out) == (4, "")  # told before anything was measured
    error_about(told.err, Path(place).name)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_a_full_device(option, good, capfd):
    told = ask(capfd, "measure", good, option, "/dev/full", "--quiet")
    assert told.code == 4
    error_about(told.err, "/dev/full")


# --- the process ----------------------------------------------------------------------------------------------------


def process(*words: object, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "perfuse", *map(str, words)]
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(command, text=True, timeout=60, check=False, **given)


def test_the_process_gives_the_same(tmp_path, good):
    path = text_as_video(tmp_path)
    done = process("measure", path, good, no_path(tmp_path), "--json", "-")
    told = judged(done.returncode, done.stdout, done.stderr)
    assert told.code == 3
    assert told.record["source"]["name"] == "good.csv"
    assert right(heart_rates(told.record)[0], GOOD_RATE)
    assert f"{path.name} cannot be read" in told.err
    assert "no file" in told.err


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors of POSIX")
def test_nobody_listens(tmp_path, good):
    command = f'"{sys.executable}" -m perfuse measure "{good}" --json "{tmp_path}/a.json" >&- 2>&-'
    assert subprocess.run(["sh", "-c", command], timeout=60, check=False).returncode == 0
    assert right(heart_rates(checked((tmp_path / "a.json").read_text()))[0], GOOD_RATE)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux only")
def test_a_name_that_is_no_utf8(tmp_path, good, capfd):
    path = shutil.copy(good, tmp_path / os.fsdecode(b"no\xffname.csv"))
    targets = ["--csv", tmp_path / "a.csv", "--report", tmp_path / "a.html"]
    told = ask(capfd, "measure", path, "--json", "-", *targets)
    assert (told.code, told.record["source"]["name"]) == (0, "no?name.csv")
    assert "no?name.csv,0,vital" in (tmp_path / "a.csv").read_text(encoding="utf-8")
    assert "no?name.csv" in (tmp_path / "a.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("option", ["--json", "--csv", "--report"])
def test_a_disk_that_fills_up_while_writing_leaves_the_old_file(option, tmp_path, good):
    resource = pytest.importorskip("resource")
    target = tmp_path / "old"
    target.write_text("from before\n")
    done = process(
        "measure", good, option, target, "--quiet",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )  # fmt: skip
    told = judged(done.returncode, done.stdout, done.stderr)
    assert told.code == 4
    error_about(told.err, str(target))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["from before\n"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_standard_output_that_is_full(good):
    with Path("/dev/full").open("w") as full:
        done = process("measure", good, "--json", "-", "--quiet", stdout=full)
    assert judged(done.returncode, "", done.stderr).code == 4


# --- readable, but without an answer --------------------------------------------------------------------------------


def still(folder):
    Image.fromarray(pattern()).save(folder / "still.png")
    return folder / "still.png"


def one_frame(folder):
    return encode(folder / "one.mp4", clip(1))


def one_row(folder):
    (folder / "one.csv").write_text("time_s,R,G,B\n0.0,100,90,80\n")
    return folder / "one.csv"


def two_frames(folder):
    return encode(folder / "two.mkv", clip(2))


def short_trace(folder):
    (folder / "short.csv").write_text(trace_text(steady(90)))
    return folder / "short.csv"


def constant_trace(folder):
    (folder / "constant.csv").write_text("time_s,R,G,B\n" + "".join(f"{k / 30:.4f},100,90,80\n" for k in range(450)))
    return folder / "constant.csv"


def black_trace(folder):
    (folder / "dark.csv").write_text("time_s,R,G,B\n" + "".join(f"{k / 30:.4f},0,0,0\n" for k in range(450)))
    return folder / "dark.csv"


def sparse_trace(folder):
    (folder / "sparse.csv").write_text(trace_text(np.arange(40.0)))
    return folder / "sparse.csv"


def no_face(folder):
    return encode(folder / "scenery.mp4", clip(180, step=0.3))


def black(folder):
    return encode(folder / "black.mp4", [np.zeros((48, 64, 3), np.uint8)] * 180)


def constant(folder):
    return encode(folder / "constant.mp4", [pattern()] * 180)


def noise(folder):
    rng = np.random.default_rng(0)
    return encode(folder / "snow.mp4", [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(180)])


def narrow(folder):
    return encode(folder / "narrow.mp4", clip(60, height=16, width=16))


NO_FACE = "no face was found"
UNANSWERED = [
    (still, NO_FACE), (one_frame, NO_FACE), (two_frames, NO_FACE), (no_face, NO_FACE), (black, NO_FACE),
    (constant, NO_FACE), (noise, NO_FACE), (narrow, NO_FACE), (one_row, "too short"), (short_trace, "too short"),
    (constant_trace, "does not change"), (black_trace, "does not change"), (sparse_trace, "too short"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "reason"), UNANSWERED)
def test_what_holds_no_answer(make, reason, tmp_path, capfd):
    path = make(tmp_path)
    page = tmp_path / "page.html"
    told = ask(capfd, "measure", path, "--json", "-", "--report", page)
    assert told.code == 0
    record = told.record
    assert record["source"]["name"] == path.name
    (rate,) = heart_rates(record)
    assert rate["value"] is None
    assert reason in rate["reason"]
    assert reason in told.err  # the table says it, too
    vitals = record["faces"][0]["vitals"]
    assert [v["value"] for v in (vitals["respiratory_rate"], *vitals["hrv"].values())] == [None] * 10
    assert "</html>" in page.read_text(encoding="utf-8")
    assert perfuse.measure(path).heart_rate.reason == rate["reason"]


def test_silent_frames_in_memory_have_no_value():
    black, grey, one = np.zeros((90, 24, 32, 3), np.uint8), np.full((90, 24, 32), 0.5), np.zeros((1, 8, 8, 3))
    for frames in (black, grey, one):
        answer = perfuse.measure(frames, rate_hz=15)
        assert answer.heart_rate.reason == NO_FACE


# --- times of traces and arrays -------------------------------------------------------------------------------------


def test_rows_out_of_order_are_dropped_and_told(tmp_path, capfd):
    times = steady(450)
    times[200:206] = times[200] - 3.0
    (tmp_path / "a.csv").write_text(trace_text(times))
    record = ask(capfd, "measure", tmp_path / "a.csv", "--json", "-").record
    assert right(heart_rates(record)[0], GOOD_RATE)
    assert record["warnings"] == ["6 rows were dropped because their time did not increase."]


def test_a_trace_without_times_is_measured_at_the_stated_rate(tmp_path, capfd):
    rows = [line.split(",", 1)[1] for line in trace_text(steady(400, 25.0)).splitlines()]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    record = ask(capfd, "measure", tmp_path / "a.csv", "--rate", "25", "--json", "-").record
    assert right(heart_rates(record)[0], GOOD_RATE)


def test_a_long_pause_neither_hides_nor_limits_what_was_seen_around_it(tmp_path, capfd):
    (tmp_path / "a.csv").write_text(trace_text(np.r_[steady(600), 300 + steady(600)]))
    record = ask(capfd, "measure", tmp_path / "a.csv", "--json", "-").record
    assert right(heart_rates(record)[0], GOOD_RATE)
    assert record["source"]["rate_hz"] == pytest.approx(30, abs=0.001)
    assert record["warnings"] == []


@pytest.mark.parametrize(
    ("source", "given", "words"),
    [
        (np.ones((90, 3)), {}, "no times"),
        (np.ones((90, 3)), {"rate_hz": 30, "times_s": steady(90)}, "both"),
        (np.ones((90, 3)), {"rate_hz": 0}, "frame rate of 0"),
        (np.ones((90, 3)), {"rate_hz": float("nan")}, "frame rate"),
        (np.ones((90, 3)), {"times_s": steady(89)}, "90 colours"),
        (np.ones((90, 3)), {"times_s": ["soon"] * 90}, "number"),
        (np.ones((90, 3)), {"times_s": np.full(90, np.nan)}, "finite"),
        (np.ones((90, 3)), {"times_s": steady(90)[::-1]}, "rise"),
        (np.full((90, 3), np.nan), {"rate_hz": 30}, "finite"),
        (np.full((90, 3), "red"), {"rate_hz": 30}, "numbers"),
        (np.ones((90, 4)), {"rate_hz": 30}, "red, green, blue"),
        (np.ones(9), {"rate_hz": 30}, "shape"),
        (np.zeros((9, 8, 8, 5), np.uint8), {"rate_hz": 30}, "shape"),
        (np.zeros((9, 8, 8, 3), np.int32), {"rate_hz": 30}, "type"),
        (np.full((9, 8, 8, 3), 128.0), {"rate_hz": 30}, "0..1"),
        (np.full((9, 8, 8, 3), np.nan), {"rate_hz": 30}, "0..1"),
        (np.zeros((9, 8, 8, 3), np.uint8), {}, "no times"),
        (np.zeros((9, 8, 8, 3), np.uint8), {"times_s": steady(8)}, "8 times"),
        (np.ma.masked_less(np.zeros((9, 8, 8, 3), np.uint8), 1), {"rate_hz": 30}, "masked"),
        (None, {}, "NoneType"),
        (["a.mp4"], {}, "list"),
        ("face.mp4", {"times_s": steady(90)}, "carries its own times"),
    ],
)
def test_arrays_that_do_not_fit_are_told_what_would(source, given, words):
    with pytest.raises(UsageError) as told:
        perfuse.measure(source, **given)
    assert words in str(told.value)
    assert told.value.remedy


def test_masked_colours_are_no_colours():
    rows = np.array([line.split(",")[1:] for line in trace_text(steady(400)).splitlines()[1:]], float)
    spoiled = np.ma.array(rows, mask=False)
    spoiled[100:110] = 255.0
    spoiled[100:110, 1] = np.ma.masked
    measured = perfuse.measure(spoiled, rate_hz=30, method="contact")
    assert "10 of 400 colours" in measured.warnings[0]
    kept = np.delete(np.arange(400), np.arange(100, 110))
    without = perfuse.measure(rows[kept], times_s=steady(400)[kept], method="contact")
    assert measured.faces[0].heart_rate == without.faces[0].heart_rate
    with pytest.raises(SourceError, match="Pass at least one"):
        perfuse.measure(np.ma.array(rows, mask=True), rate_hz=30)


@pytest.mark.parametrize("empty", [np.zeros((0, 3)), np.zeros((0, 8, 8, 3), np.uint8)])
def test_empty_arrays_are_no_recording(empty):
    with pytest.raises(SourceError, match="Pass at least one"):
        perfuse.measure(empty, rate_hz=30)


def test_a_leap_of_a_streams_clock_is_refused_and_changes_nothing():
    times = steady(400)
    rows = [list(map(float, line.split(",")))[1:] for line in trace_text(times).splitlines()[1:]]
    session = Session("contact")
    for time_s, colour in zip(times, rows):
        session.push_trace(float(time_s), colour)
    before = perfuse.to_json(session.measure())
    with pytest.raises(SourceError, match=r"leap from 13\.300 s to 1700000000"):
        session.push_trace(1.7e9, rows[0])
    assert perfuse.to_json(session.measure()) == before
    assert abs(json.loads(before)["faces"][0]["vitals"]["heart_rate"]["value"] - GOOD_RATE) < 1
