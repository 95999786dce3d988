"""The doors: a file and a stream give the same bytes; time, gaps, silence and bad input at the level of a user."""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfuse.core.errors import SourceError, UsageError
from perfuse.core.frame import Frame
from perfuse.core.results import NO_FACE
from perfuse.core.view import Crop, Grid, Trace
from perfuse.face import adapt_detector
from perfuse.methods import METHODS
from perfuse.pipeline import Session, measure
from perfuse.pipeline.measure import describe
from perfuse.report.json import to_json
from perfuse.video import open_source

RATE = 30.0


def face_trace(per_minute=72.0, seconds=20.0, times=None, seed=0, noise=2e-4):
    """Skin colour with a pulse of 0.5 % in green under a slowly drifting light."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE)) / RATE if times is None else times
    phase = 2 * np.pi * per_minute / 60 * times
    pulse = np.sin(phase) + 0.3 * np.sin(2 * phase + 1)
    light = 1 + 0.02 * np.sin(2 * np.pi * 0.07 * times)[:, None]
    skin = np.array([180.0, 130.0, 105.0])
    rgb = skin * light * (1 - 0.0025 * pulse[:, None] * np.array([0.35, 1.0, 0.55]))
    return times, rgb * (1 + noise * rng.normal(size=rgb.shape))


def run(times, rgb, method="pos"):
    session = Session(method, history_s=None)
    for t, c in zip(times, rgb):
        session.push_trace(float(t), c)
    return session.finish()


def test_a_trace_is_measured_and_array_and_session_agree():
    times, rgb = face_trace()
    answer = measure(rgb, times_s=times, method="pos")
    assert answer.heart_rate.value == pytest.approx(72, abs=0.5)
    assert answer.heart_rate.quality > 0.8
    streamed = Session("pos", history_s=None, source={"name": "array", "kind": "trace"})
    for t, c in zip(times, rgb):
        streamed.push_trace(float(t), c)
    assert to_json(streamed.finish()) == to_json(answer)


@settings(max_examples=8)
@given(reads=st.lists(st.integers(20, 590), max_size=4))
def test_reading_the_vitals_in_between_changes_nothing(reads):
    times, rgb = face_trace()
    quiet, asked = Session("pos", history_s=None), Session("pos", history_s=None)
    for k, (t, c) in enumerate(zip(times, rgb)):
        quiet.push_trace(float(t), c)
        asked.push_trace(float(t), c)
        if k in reads:
            asked.measure()
    assert to_json(quiet.finish()) == to_json(asked.finish())


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), share=st.floats(0.0, 0.5))
def test_dropping_frames_moves_the_rate_less_than_its_interval(seed, share):
    times, rgb = face_trace(seconds=25)
    keep = np.random.default_rng(seed).random(len(times)) >= share
    keep[[0, -1]] = True
    whole, part = run(times, rgb).heart_rate, run(times[keep], rgb[keep]).heart_rate
    assert part.value is not None
    assert abs(part.value - whole.value) <= max(part.high - part.value, part.value - part.low)


@settings(max_examples=8)
@given(jitter=st.floats(0.0, 0.012), seed=st.integers(0, 1000))
def test_a_variable_frame_rate_is_as_good_as_a_constant_one(jitter, seed):
    rng = np.random.default_rng(seed)
    times = np.cumsum(1 / RATE + jitter * rng.uniform(-1, 1, 750))
    times, rgb = face_trace(66, times=times)
    assert run(times, rgb).heart_rate.value == pytest.approx(66, abs=0.5)


@settings(max_examples=8)
@given(speed=st.floats(0.75, 1.8))
def test_playing_faster_multiplies_the_rate(speed):
    times, rgb = face_trace(80, seconds=30)
    assert run(times / speed, rgb).heart_rate.value == pytest.approx(80 * speed, rel=0.01)


@settings(max_examples=8)
@given(gain=st.floats(0.2, 5.0))
def test_a_global_gain_changes_nothing(gain):
    times, rgb = face_trace()
    assert run(times, gain * rgb).heart_rate.value == pytest.approx(run(times, rgb).heart_rate.value, abs=0.02)


OF_TRACES = [m for m in METHODS if isinstance(METHODS.get(m).view, Trace)]
OF_PICTURES = [m for m in METHODS if isinstance(METHODS.get(m).view, Grid | Crop)]


def show(method, pictures, times):
    """A session in which every picture has a face in the middle."""
    session = Session(method, detector=adapt_detector(lambda rgb: [(16, 12, 32, 40)]), history_s=None)
    for t, picture in zip(times, pictures):
        session.push(picture, float(t))
    return session


@pytest.mark.parametrize("method", METHODS.names())
@pytest.mark.parametrize("colour", [(0.0, 0.0, 0.0), (128.0, 100.0, 90.0)])
def test_silence_gives_no_value_and_the_reason(method, colour):
    times = np.arange(600) / RATE
    if method in OF_TRACES:
        answer = run(times, np.tile(colour, (600, 1)), method)
    elif method in OF_PICTURES:
        answer = show(method, [np.full((64, 64, 3), colour, np.uint8)] * 600, times).finish()
        assert len(answer.faces) == 1
        assert answer.heart_rate.reason != NO_FACE
    else:
        session = Session(method, history_s=None)
        for time in times:
            session.push_radar(float(time), np.array([*colour, 1 + 1j]))
        answer = session.finish()
    assert answer.heart_rate.value is None
    assert answer.respiratory_rate.value is None
    assert answer.heart_rate.reason


def test_too_short_says_so():
    answer = run(*face_trace(seconds=3))
    assert answer.heart_rate.value is None
    assert answer.heart_rate.reason.startswith("too short")
    assert answer.respiratory_rate.reason.startswith("too short")


def test_one_sample_and_no_sample_have_reasons():
    assert run([0.0], [[1.0, 1.0, 1.0]]).heart_rate.reason
    assert Session("pos").finish().heart_rate.reason


def test_a_gap_is_survived():
    times, rgb = face_trace(seconds=60)
    keep = (times < 20) | (times > 30)
    answer = run(times[keep], rgb[keep])
    assert answer.heart_rate.value == pytest.approx(72, abs=0.6)
    assert not answer.faces[0].pulse.valid[int(22 * RATE) : int(28 * RATE)].any()


def test_memory_of_a_session_is_bounded():
    times, rgb = face_trace(seconds=120)
    session = Session("pos", history_s=20)
    for t, c in zip(times, rgb):
        session.push_trace(float(t), c)
    answer = session.finish()
    assert len(answer.faces[0].pulse) <= 24 * RATE
    assert answer.heart_rate.value == pytest.approx(72, abs=0.5)


def test_a_session_forgets_who_left_longer_ago_than_it_remembers():
    rng = np.random.default_rng(0)
    pictures = [rng.integers(90, 160, (96, 128, 3), dtype=np.uint8) for _ in range(4)]
    shown = {"boxes": [(40, 30, 40, 40)]}
    session = Session(detector=adapt_detector(lambda rgb: shown["boxes"]), history_s=15)
    kept = []
    for k in range(400):
        if k == 30:
            shown["boxes"] = []
        session.push(pictures[k % 4], k / 10)
        kept.append(len(session._streams()))
    assert max(kept) == 1
    assert kept[150] == 1  # still remembered
    assert kept[-1] == 0
    assert session.finish().heart_rate.value is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.push(np.zeros((4, 4, 3), np.uint8)), "without a time"),
        (lambda s: s.push(np.zeros((4, 4, 9), np.uint8), 0.0), "shape"),
        (lambda s: s.push(np.zeros((4, 4, 3), np.int64), 0.0), "type"),
        (lambda s: s.push(np.zeros((4, 4, 3), np.uint8), datetime(2026, 1, 1)), "datetime was given as a time"),
        (lambda s: s.push(0.0, np.zeros((4, 4, 3), np.uint8)), "ndarray was given as a time"),
        (lambda s: s.push_trace(None, (1, 2, 3)), "NoneType was given as a time"),
        (lambda s: s.push_trace(0.0, "red"), "three"),
        (lambda s: s.push_trace(0.0, [1, [2, 3], 4]), "three"),
        (lambda s: s.push_radar(np.datetime64("2026-01-01"), [1, 2]), "datetime64 was given as a time"),
        (lambda s: s.push_radar(0.0, [[1], [2, 3]]), "range bin"),
        (lambda s: s.push_trace(float("nan"), (1, 2, 3)), "finite"),
        (lambda s: s.push_trace(0.0, (1, 2)), "three"),
        (lambda s: s.push_trace(0.0, (1, 2, float("nan"))), "finite"),
        (lambda s: (s.push_trace(1.0, (1, 2, 3)), s.push_trace(1.0, (1, 2, 3))), "rise"),
        (lambda s: (s.push_trace(0.0, (1, 2, 3)), s.push(np.zeros((4, 4, 3), np.uint8), 1.0)), "session"),
        (lambda s: (s.finish(), s.push_trace(0.0, (1, 2, 3))), "finished"),
    ],
)
def test_what_cannot_be_pushed_is_refused_in_words(call, words):
    with pytest.raises(UsageError, match=words):
        call(Session("pos"))


@pytest.mark.parametrize("method", [None, 3, Session, ["pos"]])
def test_what_is_no_method_is_refused(method):
    with pytest.raises(UsageError, match="perfuse methods"):
        Session(method)


def test_an_unknown_method_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"Did you mean 'chrom'.*green"):
        Session("chrome")


@pytest.mark.parametrize("method", OF_PICTURES)
def test_a_picture_method_refuses_a_trace(method):
    with pytest.raises(UsageError, match="needs pictures"):
        Session(method).push_trace(0.0, (1, 2, 3))


def living(rng, seconds=9.0):
    """Pictures of skin that pulses, with some grain."""
    times, rgb = face_trace(seconds=seconds)
    shade = 1 + 0.1 * rng.normal(size=(64, 64, 1))
    lit = rgb[:, None, None] * shade + rng.normal(size=(len(rgb), 64, 64, 3))
    return times, np.clip(lit + 0.5, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("method", OF_PICTURES)
def test_reading_in_between_changes_nothing_for_picture_methods(method):
    times, pictures = living(np.random.default_rng(0))
    quiet = show(method, pictures, times)
    asked = show(method, pictures[:100], times[:100])
    for k in range(100, len(times)):
        asked.push(pictures[k], float(times[k]))
        if k % 37 == 0:
            asked.measure()
    assert to_json(asked.finish()) == to_json(quiet.finish())


def test_a_picture_without_a_face_has_no_value():
    session = Session()
    for k in range(60):
        session.push(np.full((120, 160, 3), 90, np.uint8), k / 30)
    answer = session.finish()
    assert answer.heart_rate.value is None
    assert "no face" in answer.heart_rate.reason
    assert any("no face" in w for w in answer.warnings)


def test_a_missing_file_is_named():
    with pytest.raises(SourceError, match="nowhere"):
        measure("nowhere.mp4")


@pytest.mark.parametrize("method", ["pos", "chrom"])
def test_the_real_face(shared_data, method):
    answer = measure(shared_data / "face" / "sample_1.mp4", method=method)
    assert answer.heart_rate.value == pytest.approx(75.4, abs=1.5)
    assert answer.heart_rate.low <= 75.4 <= answer.heart_rate.high
    assert answer.heart_rate.quality > 0.5
    assert answer.respiratory_rate.value is None
    assert answer.respiratory_rate.reason.startswith("too short")
    assert len(answer.faces) == 1


def test_a_file_and_the_stream_of_its_frames_give_the_same_bytes(shared_data):
    path = shared_data / "face" / "sample_1.mp4"
    first = to_json(measure(path, method="pos"))
    with open_source(path) as stream:
        session = Session("pos", history_s=None, source=describe(stream.info))
        for frame in stream:
            session.push(Frame(frame.time_s, frame.planes, frame.to_rgb))
        session.warnings += stream.warnings
    assert to_json(session.finish()) == first
    assert to_json(measure(path, method="pos")) == first
