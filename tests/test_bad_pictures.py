"""Unusual videos of faces whose heart rate is known: the answer is right, or there is none and the reason.

One person is painted 120 times a second, another 20 times; everything else is made from those pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest

import perfuse
from asking import ask, checked, error_about, heart_rates, right
from media import cut, encode, steady
from perfuse.pipeline.answer import GREY
from perfuse.synth import subject
from perfuse.video import write_video

SECONDS = 10.1
X264 = {"crf": "6", "preset": "ultrafast", "threads": "1"}
FINE = 120
"""Frames a second that the first person is painted at."""
USUAL = 20
"""Frames a second where the rate does not matter: few, for speed."""


class Person(NamedTuple):
    """Pictures (T, H, W, 3) and the heart rate (/min) in them."""

    frames: np.ndarray
    heart_rate: float


def painted(seed, rate_hz, heart_rate) -> Person:
    made = subject(
        seed, duration_s=SECONDS, rate_hz=rate_hz, width=160, height=128, heart_rate=heart_rate,
        motion="tripod", noise=0.5, light_drift=0, pulse_depth=0.02, tone=4, sdnn_scale=0.2,
    )  # fmt: skip
    return Person(np.array([picture for _, picture in made.frames()]), made.truth.heart_rate)


@pytest.fixture(scope="session")
def ann() -> Person:
    return painted(4, FINE, 72)


@pytest.fixture(scope="session")
def bob() -> Person:
    return painted(9, USUAL, 100)


@pytest.fixture(scope="session")
def usual(ann) -> list[np.ndarray]:
    """The first person at 20 frames a second."""
    return list(ann.frames[:: FINE // USUAL])


def save(path, frames, times_s=None, **options):
    """Write frames, at the usual rate unless times are given."""
    return encode(path, frames, times_s, **{"rate": USUAL, **options})


def shifted(picture, columns):
    """Move a picture to the right; what comes in is the room's wall."""
    columns = min(columns, picture.shape[1])
    wall = np.repeat(picture[:, :1], columns, axis=1)
    return np.concatenate([wall, picture[:, : picture.shape[1] - columns]], axis=1)


def empty_room(picture):
    return shifted(picture, picture.shape[1])


def only(record):
    """The heart rate of a recording with one face, seen all the time."""
    (face,) = record["faces"]
    assert [event["kind"] for event in face["events"]] == ["found"]
    return face["vitals"]["heart_rate"]


def measured(capfd, path, *options):
    told = ask(capfd, "measure", path, "--json", "-", "--quiet", *options)
    assert (told.code, told.err) == (0, "")
    return told.record


# --- time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [5, 12, 24, 60, 120])
def test_from_5_to_120_frames_a_second(rate, tmp_path, ann, capfd):
    frames = ann.frames[:: FINE // rate]
    write_video(tmp_path / "a.mp4", zip(steady(len(frames), rate), frames), options=X264, nominal_rate_hz=rate)
    record = measured(capfd, tmp_path / "a.mp4")
    assert right(only(record), ann.heart_rate)
    assert record["source"]["rate_hz"] == pytest.approx(rate, abs=0.001)
    assert [f"only {rate:.1f} frames" in warning for warning in record["warnings"]] == [True] * (rate < 8)


@pytest.mark.parametrize("heart_rate", [145, 180, 220])
def test_a_rate_that_5_frames_a_second_cannot_carry_is_not_answered(heart_rate, tmp_path, capfd):
    fast = painted(9, 5, heart_rate)
    write_video(tmp_path / "a.mp4", zip(steady(len(fast.frames), 5), fast.frames), options=X264)
    record = measured(capfd, tmp_path / "a.mp4")
    assert (only(record)["value"] or 0) <= 135
    (warning,) = record["warnings"]
    assert "rates above 135/min cannot be seen, or look like lower ones" in warning


def irregular(ann):
    """A quarter of the fine frames, any of them: steps of 8 to 60 ms."""
    return np.sort(np.random.default_rng(5).choice(len(ann.frames), len(ann.frames) // 4, replace=False))


def slower_and_slower(ann):
    """40 frames a second, then 12: whoever counts frames finds another rate."""
    half = len(ann.frames) // 2
    return np.r_[0:half:3, half : len(ann.frames) : 10]


def dropped(ann):
    """30 frames a second of which a third is missing, and once half a second."""
    keep = np.random.default_rng(6).random(len(ann.frames[::4])) > 1 / 3
    keep[150:165] = False
    return np.flatnonzero(keep) * 4


@pytest.mark.parametrize(("choose", "ending"), [(irregular, "mp4"), (slower_and_slower, "mkv"), (dropped, "mp4")])
def test_variable_frame_rates(choose, ending, tmp_path, ann, capfd):
    index = choose(ann)
    times = (index - index[0]) / FINE
    path = save(tmp_path / f"a.{ending}", list(ann.frames[index]), times, options=X264)
    record = measured(capfd, path)
    assert right(only(record), ann.heart_rate)
    assert record["source"]["frames"] == len(index)


def move(path: Path, frames: range, by_ms: int) -> None:
    """Change the times of some frames of a Matroska file (RFC 9559, 10.2: 16 bits after the track number)."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as file:
        places = [packet.pos for packet in file.demux(video=0) if packet.size]
    for place in (places[frame] for frame in frames):
        assert data[place] == 0x81
        time = int.from_bytes(data[place + 1 : place + 3], "big", signed=True) + by_ms
        data[place + 1 : place + 3] = time.to_bytes(2, "big", signed=True)
    path.write_bytes(data)


@pytest.mark.parametrize("by_ms", [-300, 100])
def test_times_that_run_backwards(by_ms, tmp_path, usual, ann, capfd):
    path = save(tmp_path / "a.mkv", usual, codec="mjpeg", pixel_format="yuvj420p", options={"q:v": "2"}, tick=None)
    move(path, range(90, 94), by_ms)
    record = measured(capfd, path)
    assert right(only(record), ann.heart_rate)
    (warning,) = record["warnings"]
    assert "whose time did not increase" in warning


def test_missing_times_need_a_stated_rate(tmp_path, usual, ann, capfd):
    path = save(tmp_path / "a.h264", usual, container="h264", tick=None, options=X264)
    told = ask(capfd, "measure", path, "--json", "-")
    assert (told.code, told.out) == (3, "")
    assert "no timestamps" in error_about(told.err, "a.h264")
    assert right(only(measured(capfd, path, "--rate", str(USUAL))), ann.heart_rate)
    slow = only(measured(capfd, path, "--rate", "18"))
    assert right(slow, ann.heart_rate * 18 / USUAL)


def test_frames_without_a_time_among_others(usual, ann):
    times = steady(len(usual), USUAL)
    times[60:70] = np.nan
    answer = perfuse.measure(np.array(usual), times_s=times)
    assert answer.heart_rate.low <= ann.heart_rate <= answer.heart_rate.high
    assert answer.warnings == ("Dropped frames: 10 without a timestamp.",)


@pytest.mark.parametrize(("ending", "options"), [("mkv", {}), ("mp4", {"movflags": "faststart"})])
def test_a_file_that_was_cut_off_is_measured_as_far_as_it_goes(ending, options, tmp_path, usual, ann, capfd):
    whole = save(tmp_path / f"whole.{ending}", usual, options=X264, container_options=options)
    record = measured(capfd, cut(whole, tmp_path / f"cut.{ending}", 0.75))
    assert right(only(record), ann.heart_rate)
    assert 6.5 < record["duration_s"] < 8.5
    assert any("may be truncated" in warning for warning in record["warnings"])


# --- pictures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated(degrees, tmp_path, usual, ann, capfd):
    lying = [np.rot90(picture, -degrees // 90) for picture in usual]
    path = save(tmp_path / "a.mp4", lying, options=X264, rotation=(degrees, False, False))
    record = measured(capfd, path)
    assert right(only(record), ann.heart_rate)
    assert record["source"]["rotation"] == 360 - degrees
    assert (record["source"]["width"], record["source"]["height"]) == (160, 128)


@pytest.mark.parametrize(("codec", "pixel_format"), [("libx264", "yuv420p10le"), ("ffv1", "yuv422p10le")])
def test_10_bits(codec, pixel_format, tmp_path, usual, ann, capfd):
    options = X264 if codec == "libx264" else {}
    path = save(tmp_path / "a.mkv", usual, codec=codec, pixel_format=pixel_format, options=options)
    record = measured(capfd, path)
    assert right(only(record), ann.heart_rate)
    assert record["source"]["pixel_format"] == pixel_format


@pytest.mark.parametrize("pixel_format", ["yuva420p", "bgra"])
def test_alpha_is_ignored(pixel_format, tmp_path, usual, ann, capfd):
    veil = np.tile(np.linspace(0, 255, 160).astype(np.uint8), (128, 1))
    clear = [np.dstack([picture, np.roll(veil, 7 * k, axis=1)]) for k, picture in enumerate(usual)]
    path = save(tmp_path / "a.mkv", clear, codec="ffv1", pixel_format=pixel_format, source_format="rgba")
    record = measured(capfd, path)
    assert right(only(record), ann.heart_rate)
    assert record["source"]["pixel_format"] == pixel_format


def greyed(frames):
    return [np.rint(picture @ [0.299, 0.587, 0.114]).astype(np.uint8) for picture in frames]


@pytest.mark.parametrize("pixel_format", ["gray", "yuv420p", "yuv420p10le"])
def test_grey_has_no_colour_to_compare(pixel_format, tmp_path, usual, capfd):
    path = save(tmp_path / "a.mkv", greyed(usual), options=X264, pixel_format=pixel_format, source_format="gray")
    (face,) = measured(capfd, path)["faces"]
    vitals = face["vitals"]
    assert [v["reason"] for v in (vitals["heart_rate"], *vitals["hrv"].values())] == [GREY] * 10
    assert max(map(abs, face["waveforms"]["pulse"]["samples"])) == 0


def test_grey_that_was_said_to_need_green_is_measured_by_green(tmp_path, usual, ann, capfd):
    path = save(tmp_path / "a.mkv", greyed(usual), codec="ffv1", pixel_format="gray", source_format="gray")
    assert heart_rates(measured(capfd, path))[0]["reason"] == GREY
    assert "method green" in GREY
    assert right(only(measured(capfd, path, "--method", "green")), ann.heart_rate)


def scaled(picture, factor):
    return np.repeat(np.repeat(picture, factor, axis=0), factor, axis=1)


def test_16_pixels_wide_is_right_or_says_why_not(tmp_path, usual, ann, capfd):
    small = [picture[4::10, 4::10][:, :16] for picture in usual]
    record = measured(capfd, save(tmp_path / "a.mkv", small, codec="ffv1", pixel_format="bgr0"))
    assert record["source"]["width"] == 16
    assert all(right(rate, ann.heart_rate) or rate["reason"] for rate in heart_rates(record))


@pytest.mark.parametrize(("height", "width"), [(64, 80), (127, 159), (128, 161)])
def test_small_and_odd_sizes_are_right_or_say_why_not(height, width, tmp_path, usual, ann, capfd):
    step = 2 if height == 64 else 1
    frames = [np.pad(p, ((0, 0), (0, 1), (0, 0)), "edge")[::step, ::step][:height, :width] for p in usual]
    write_video(tmp_path / "a.mp4", zip(steady(len(frames), USUAL), frames), options=X264)
    record = measured(capfd, tmp_path / "a.mp4")
    rate = heart_rates(record)[0]
    assert right(rate, ann.heart_rate) or rate["reason"]
    assert rate["value"] is not None or height == 64
    assert (record["source"]["width"], record["source"]["height"]) == (width, height)


def test_3840_pixels_wide(tmp_path, ann, capfd):
    sides = ((0, 0), (1440, 1440), (0, 0))
    wide = ((k / 6, np.pad(scaled(picture, 6), sides, "edge")) for k, picture in enumerate(ann.frames[:960:20]))
    write_video(tmp_path / "a.mp4", wide, options=X264)
    record = measured(capfd, tmp_path / "a.mp4")
    assert record["source"]["width"] == 3840
    assert right(only(record), ann.heart_rate)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [5, 15])
def test_3840_times_2160(rate, tmp_path, ann, capfd):
    frames = ann.frames[:: FINE // rate]
    large = ((k / rate, scaled(picture[19:109], 24)) for k, picture in enumerate(frames))
    write_video(tmp_path / "a.mp4", large, options=X264)
    record = measured(capfd, tmp_path / "a.mp4")
    assert (record["source"]["width"], record["source"]["height"]) == (3840, 2160)
    assert right(only(record), ann.heart_rate)


# --- faces ----------------------------------------------------------------------------------------------------------


def rates_of(record, *truths):
    """Heart rates of faces by who they are: each face is right about one person, and no person is told twice."""
    owners = []
    for face in record["faces"]:
        who = [k for k, truth in enumerate(truths) if right(face["vitals"]["heart_rate"], truth)]
        assert len(who) == 1
        owners += who
    return owners


def test_two_faces_have_a_rate_each(tmp_path, usual, ann, bob, capfd):
    both = [np.concatenate(pair, axis=1) for pair in zip(bob.frames, usual)]
    record = measured(capfd, save(tmp_path / "a.mp4", both, options=X264))
    assert sorted(rates_of(record, ann.heart_rate, bob.heart_rate)) == [0, 1]
    assert [face["id"] for face in record["faces"]] == [0, 1]
    assert [[event["kind"] for event in face["events"]] for face in record["faces"]] == [["found"]] * 2


def unmeasured(face):
    """Times (s) at which the pulse wave is null."""
    wave = face["waveforms"]["pulse"]
    return np.array([wave["start_s"] + k / wave["rate_hz"] for k, v in enumerate(wave["samples"]) if v is None])


def test_who_hides_for_a_moment_keeps_their_identity_beside_another(tmp_path, usual, ann, bob, capfd):
    hiding = [empty_room(p) if 4.0 <= k / USUAL < 5.5 else p for k, p in enumerate(usual)]
    both = [np.concatenate(pair, axis=1) for pair in zip(hiding, bob.frames)]
    record = measured(capfd, save(tmp_path / "a.mp4", both, options=X264))
    owners = rates_of(record, ann.heart_rate, bob.heart_rate)
    assert sorted(owners) == [0, 1]
    here, there = (record["faces"][owners.index(who)] for who in (0, 1))
    assert [event["kind"] for event in here["events"]] == ["found", "lost", "found"]
    assert [event["kind"] for event in there["events"]] == ["found"]
    assert len(unmeasured(there)) == 0
    assert set(np.round(np.arange(4.1, 5.4, 1 / 30) * 30)) <= set(np.round(unmeasured(here) * 30))
    assert unmeasured(here).min() > 3.5
    assert unmeasured(here).max() < 6.0


@pytest.mark.parametrize("leave", ["walks out", "is gone"])
def test_a_face_lost_midway(leave, tmp_path, usual, ann, capfd):
    gone = [
        shifted(p, round(100 * max(0.0, k / USUAL - 6.5)) if leave == "walks out" else 160 * (k / USUAL >= 6.5))
        for k, p in enumerate(usual)
    ]
    record = measured(capfd, save(tmp_path / "a.mp4", gone, options=X264))
    (face,) = record["faces"]
    assert right(face["vitals"]["heart_rate"], ann.heart_rate)
    found, lost = face["events"]
    assert (found["kind"], found["time_s"], lost["kind"]) == ("found", 0, "lost")
    assert 6.0 < lost["time_s"] < 8.0
    missing = unmeasured(face)
    assert missing.min() > 6.0
    assert set(np.round(np.arange(8.0, 10.0, 1 / 30) * 30)) <= set(np.round(missing * 30))
    assert max(face["beats_s"]) < missing.min() + 0.1


def test_a_face_seen_too_briefly_has_no_value(tmp_path, usual, capfd):
    brief = [empty_room(p) if k > 90 else p for k, p in enumerate(usual)]
    told = ask(capfd, "measure", save(tmp_path / "a.mp4", brief, options=X264), "--json", "-")
    (rate,) = heart_rates(told.record)
    assert rate["reason"].startswith("too short")
    assert rate["reason"] in told.err


def test_a_bad_file_among_good_ones(tmp_path, usual, ann, capfd):
    first = save(tmp_path / "first.mp4", usual, options=X264)
    cut(first, tmp_path / "cut.mp4", 0.5)
    (tmp_path / "text.mov").write_text("no video\n" * 50)
    room = save(tmp_path / "room.mp4", [empty_room(p) for p in usual[:90]], options=X264)
    last = save(tmp_path / "last.mkv", usual, options=X264)
    files = [tmp_path / "gone.mp4", first, tmp_path / "cut.mp4", room, tmp_path / "text.mov", last]
    told = ask(capfd, "measure", *files, "--json", tmp_path / "all.jsonl")
    assert told.code == 3
    records = [checked(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert [record["source"]["name"] for record in records] == ["first.mp4", "room.mp4", "last.mkv"]
    assert right(only(records[0]), ann.heart_rate)
    assert right(only(records[2]), ann.heart_rate)
    assert heart_rates(records[1])[0]["reason"] == "no face was found"
    assert [name in told.err for name in ("gone.mp4", "cut.mp4", "text.mov")] == [True] * 3
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".part")]
