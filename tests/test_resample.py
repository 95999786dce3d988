"""Laws of the one resampling: time, chunks, gaps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfuse.clip.resample import MAX_GAP_S, Resampler


def resample(times, values, rate_hz=30.0):
    resampler = Resampler(times[0], rate_hz)
    out, valid = [], []
    for t, v in zip(times, values):
        a, b = resampler.push(t, None if v is None else np.atleast_1d(v))
        out += a
        valid += b
    a, b = resampler.finish()
    return np.array(out + a), np.array(valid + b)


@pytest.mark.parametrize("fps", [10, 15, 24, 25, 29.97, 30, 60, 120])
def test_a_slow_sine_survives_every_frame_rate(fps):
    times = 3.3 + np.arange(0, 10, 1 / fps)
    out, valid = resample(times, np.sin(2 * np.pi * 1.0 * times))
    grid = 3.3 + np.arange(len(out)) / 30
    assert valid.all()
    assert np.abs(out[3:-3, 0] - np.sin(2 * np.pi * grid[3:-3])).max() < 1.5 * (np.pi / fps) ** 2 / 2 + 0.01


@pytest.mark.parametrize("fps", [60, 120, 240])
def test_what_the_grid_cannot_carry_is_averaged_away(fps):
    times = np.arange(0, 5, 1 / fps)
    tone = np.sin(2 * np.pi * 29 * times)  # aliases to 1 Hz if every n-th frame were picked
    out, _ = resample(times, tone)
    assert out[2:-2].std() < 0.12 * tone.std()


@given(
    steps=st.lists(st.floats(0.005, 0.12), min_size=3, max_size=80),
    line=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
)
def test_a_straight_line_stays_a_straight_line_on_any_clock(steps, line):
    times = np.cumsum([1.0, *steps])
    out, valid = resample(times, line[0] + line[1] * times)
    grid = times[0] + np.arange(len(out)) / 30
    inside = valid & (grid - 0.5 / 30 >= times[0]) & (grid + 0.5 / 30 <= times[-1])
    assert np.allclose(out[inside, 0], line[0] + line[1] * grid[inside], atol=1e-9)


@settings(max_examples=50)
@given(gap=st.floats(MAX_GAP_S + 0.05, 3.0), at=st.integers(5, 40))
def test_a_gap_is_marked_exactly_where_it_is(gap, at):
    times = np.arange(60) / 30
    times[at:] += gap
    out, valid = resample(times, np.ones(60))
    grid = np.arange(len(out)) / 30
    in_gap = (grid > times[at - 1] + 0.51 / 30) & (grid < times[at] - 0.51 / 30)
    assert np.array_equal(~valid, in_gap) or np.abs((~valid).sum() - in_gap.sum()) <= 1
    assert np.isfinite(out).all()


def test_a_face_that_appears_late_keeps_the_recordings_grid():
    times = np.arange(90) / 30
    out, valid = resample(times, [None] * 30 + [7.0] * 60)
    assert len(out) == 90
    assert not valid[:29].any()
    assert valid[31:].all()


def test_nothing_seen_gives_nothing():
    out, _valid = resample(np.arange(10) / 30, [None] * 10)
    assert len(out) == 0
