"""Laws of the heart rate: scale, silence, noise, calibration on waves of known rate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfuse.core.signals import Waveform
from perfuse.vitals.heart_rate import SHORTEST_S, heart_rate

RATE = 30.0


def wave(hz, seconds, noise=0.0, seed=0, harmonic=0.3):
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    x = np.sin(2 * np.pi * hz * t) + harmonic * np.sin(4 * np.pi * hz * t + 1) + noise * rng.normal(size=len(t))
    return Waveform(0, RATE, x, np.ones(len(t), bool))


@settings(max_examples=60, deadline=None)
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
