"""Laws of the heart rate: scale, silence, noise, calibration on waves of known rate."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfuse.core.signals import Waveform
from perfuse.vitals.heart_rate import DOUBTED, SHORTEST_S, SURE_TRUST, UNSURE, _answer, heart_rate
from perfuse.vitals.rate_posterior import rate_grid

RATE = 30.0


def wave(hz, seconds, noise=0.0, seed=0, harmonic=0.3):
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    x = np.sin(2 * np.pi * hz * t) + harmonic * np.sin(4 * np.pi * hz * t + 1) + noise * rng.normal(size=len(t))
    return Waveform(0, RATE, x, np.ones(len(t), bool))


@settings(max_examples=60)
@given(per_minute=st.floats(38, 215), seconds=st.floats(10, 40), gain=st.floats(1e-6, 1e6))
def test_the_rate_of_a_clean_wave_is_found_within_a_tenth(per_minute, seconds, gain):
    pulse = wave(per_minute / 60, seconds)
    answer = heart_rate(Waveform(0, RATE, gain * pulse.samples, pulse.valid)).vital
    assert answer.value == pytest.approx(per_minute, abs=0.4)
    assert answer.low <= per_minute <= answer.high
    assert answer.quality > 0.8


def test_resolution_is_finer_than_a_tenth_a_minute():
    found = [heart_rate(wave(hz / 60, 30)).vital.value for hz in np.arange(70, 72, 0.1)]
    assert np.abs(np.diff(found) - 0.1).max() < 0.05


@pytest.mark.parametrize("samples", [np.zeros(600), np.full(600, 3.0)])
def test_silence_has_no_rate(samples):
    vital = heart_rate(Waveform(0, RATE, samples, np.ones(600, bool))).vital
    assert vital.value is None
    assert "no pulse" in vital.reason


def test_too_short_has_no_rate():
    vital = heart_rate(wave(1.2, SHORTEST_S - 0.5)).vital
    assert vital.value is None
    assert vital.reason.startswith("too short")


def test_what_is_too_short_never_reads_as_long_enough():
    vital = heart_rate(Waveform(0, 100.0, np.zeros(498), np.ones(498, bool))).vital
    assert vital.reason == "too short: 4.9 s of usable pulse, needs 5 s"


def test_noise_is_not_called_a_pulse():
    confident = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        pulse = Waveform(0, RATE, rng.normal(size=300), np.ones(300, bool))
        confident += heart_rate(pulse).vital.quality > 0.5
    assert confident <= 2


def test_a_rate_the_frame_rate_cannot_carry_is_not_answered_with():
    vital = heart_rate(wave(1.2, 20), max_hz=2.0).vital
    assert vital.value == pytest.approx(72, abs=0.5)
    fast = heart_rate(wave(3.0, 20), max_hz=2.0).vital
    assert fast.value is None or fast.value < 121


def test_a_gap_is_no_window_but_the_rest_is_measured():
    pulse = wave(1.3, 60)
    valid = pulse.valid.copy()
    valid[600:1200] = False
    answer = heart_rate(Waveform(0, RATE, np.where(valid, pulse.samples, 0), valid))
    assert answer.vital.value == pytest.approx(78, abs=0.5)
    assert any(p.vital.value is None for p in answer.series)


def test_intervals_hold_what_they_promise_on_noisy_waves():
    inside, wrong = [], []
    for seed in range(150):
        rng = np.random.default_rng(1000 + seed)
        hz = rng.uniform(0.8, 2.5)
        vital = heart_rate(wave(hz, 10, noise=rng.uniform(0.3, 3), seed=seed)).vital
        if vital.value is not None:
            inside.append(vital.low <= 60 * hz <= vital.high)
            wrong.append(vital.quality > 0.5 and abs(vital.value - 60 * hz) > 10)
    assert np.mean(inside) >= 0.88
    assert np.mean(wrong) <= 0.01


def test_the_head_moving_at_a_rate_makes_it_less_believable():
    pulse = wave(1.2, 10, noise=2.0, seed=3)
    t = np.arange(300) / RATE
    nodding = np.stack([np.sin(2 * np.pi * 1.2 * t), np.zeros(300)])
    assert heart_rate(pulse, motion=nodding).series[0].vital.quality < heart_rate(pulse).series[0].vital.quality


# --- methods that judge themselves --------------------------------------------------------------------------------


def trusting(pulse, trust):
    return replace(pulse, trust=np.broadcast_to(np.asarray(trust, float), pulse.samples.shape))


noisy_waves = st.builds(
    wave, hz=st.floats(0.6, 3.8), seconds=st.floats(6, 30), noise=st.floats(0, 4), seed=st.integers(0, 99)
)


@settings(max_examples=40)
@given(pulse=noisy_waves)
def test_full_trust_changes_nothing(pulse):
    assert heart_rate(trusting(pulse, 1.0)) == heart_rate(pulse) == heart_rate(trusting(pulse, SURE_TRUST))


@settings(max_examples=40)
@given(pulse=noisy_waves)
def test_no_trust_no_value(pulse):
    without, answer = heart_rate(pulse), heart_rate(trusting(pulse, 0.0))
    assert answer.vital.value is None
    assert answer.peak_hz is not None
    assert answer.vital.reason == (UNSURE if without.vital.value is None else DOUBTED)
    for mine, other in zip(answer.series, without.series, strict=True):
        assert mine.vital.reason == (UNSURE if other.vital.value is None else DOUBTED)


@settings(max_examples=60)
@given(pulse=noisy_waves, pair=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted))
def test_less_trust_never_looks_like_more_knowledge(pulse, pair):
    less, more = (heart_rate(trusting(pulse, trust)) for trust in pair)
    for one, two in zip((less.vital, *(p.vital for p in less.series)), (more.vital, *(p.vital for p in more.series))):
        if one.value is None:
            continue
        # exact for one window (below); over many, doubt also moves their weights, and with them both by a hair
        assert two.value is not None or one.quality < 0.305
        if two.value is None:
            continue
        assert one.quality <= two.quality + 0.005
        assert one.high - one.low >= 0.98 * (two.high - two.low)


@given(
    p=st.lists(st.floats(0, 1), min_size=0, max_size=4), pair=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)
)
def test_one_window_of_any_distribution_obeys_that_too(p, pair):
    """Rates at an end of the range among them, where spreading evenly would narrow the interval by itself."""
    grid = rate_grid()
    weights = np.full(len(grid), 1e-9)
    weights[np.round(np.array([0.01, *p]) * (len(grid) - 1)).astype(int)] += 1
    window = wave(1.2, 10).samples
    less, more = (_answer(weights / weights.sum(), grid, window, RATE, trust) for trust in pair)
    assert less.value == more.value
    assert less.quality <= more.quality + 1e-12
    assert less.low <= more.low + 1e-12
    assert less.high >= more.high - 1e-12


def test_half_the_trust_that_is_needed_is_half_the_quality_and_a_wide_interval():
    pulse = wave(1.2, 12)
    whole, half = heart_rate(pulse).vital, heart_rate(trusting(pulse, SURE_TRUST / 2**0.5)).vital
    assert half.value == whole.value
    assert half.quality == pytest.approx(0.5 * whole.quality, abs=0.03)
    assert half.high - half.low > 100 > 5 > whole.high - whole.low


def test_windows_without_trust_do_not_speak_for_those_with():
    """A wave at another rate for two thirds of the time, which the network does not recognise."""
    truth, other = wave(1.2, 60), wave(2.0, 60)
    first = np.arange(1800) < 600
    pulse = replace(truth, samples=np.where(first, truth.samples, other.samples))
    assert heart_rate(pulse).vital.value != pytest.approx(72, abs=5)
    answer = heart_rate(trusting(pulse, np.where(first, 1.0, 0.0)))
    assert answer.vital.value == pytest.approx(72, abs=3)  # windows across the border pull a little
    assert answer.vital.quality > 0.5
    assert answer.series[-1].vital.reason == DOUBTED


def test_trust_of_what_was_not_measured_is_not_counted():
    pulse = wave(1.2, 12)
    valid = abs(np.arange(len(pulse)) - 180) > 20
    gap = replace(pulse, samples=np.where(valid, pulse.samples, 0), valid=valid)
    assert heart_rate(trusting(gap, valid)) == heart_rate(gap)


def test_noise_is_the_reason_where_it_is():
    rng = np.random.default_rng(1)
    pulse = Waveform(0, RATE, rng.normal(size=300), np.ones(300, bool))
    assert heart_rate(pulse).vital.reason == UNSURE
    assert heart_rate(trusting(pulse, 0.0)).vital.reason == UNSURE
    barely = wave(1.2, 10)
    assert heart_rate(trusting(barely, 0.25)).vital.reason == DOUBTED
