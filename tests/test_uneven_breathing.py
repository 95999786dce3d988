"""Uneven breathing of a chest: right where people breathe unevenly, nothing said where there is no breathing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfuse.core.signals import Breath, Waveform
from perfuse.signal.beats import Beats
from perfuse.vitals.respiration import GRID_HZ, respiration
from perfuse.vitals.uneven_breathing import breaths_per_second, evidence

RATE = 4.0
BAND = (0.04, 1.0)


def uneven(seed, seconds=60.0, breaths=15.0, spread=0.25):
    """A chest whose breaths differ in length and depth, and how many a second it really takes."""
    rng = np.random.default_rng(seed)
    lengths = 60 / breaths * np.exp(spread * rng.standard_normal(200))
    edges = np.concatenate([[0.0], np.cumsum(lengths)])
    edges = edges[edges < seconds + 20]
    depth = np.exp(0.2 * rng.standard_normal(len(edges)))
    time_s = np.arange(round(seconds * RATE)) / RATE
    turn = np.interp(time_s, edges, np.arange(len(edges)))
    path = np.interp(time_s, edges, depth) * (1 - np.cos(2 * np.pi * turn))
    return path + 0.02 * rng.standard_normal(len(path)), (turn[-1] - turn[0]) / seconds


def seen(path):
    """What is answered if there is nothing but a chest."""
    still = Waveform(0, RATE, np.zeros(len(path)), np.ones(len(path), bool))
    chest = Waveform(0, RATE, path, np.ones(len(path), bool))
    return respiration(still, Beats.exact(np.zeros(0)), chest=chest).vital


def test_uneven_breaths_are_answered():
    told = [(seen(path), true) for path, true in (uneven(seed) for seed in range(20))]
    answered = [(vital, true) for vital, true in told if vital.value is not None]
    assert len(answered) >= 16
    errors = [abs(vital.value - 60 * true) for vital, true in answered]
    assert np.mean(errors) < 0.7
    assert max(errors) < 3
    assert np.mean([vital.low <= 60 * true <= vital.high for vital, true in answered]) > 0.9


def test_the_count_is_of_all_breaths_not_of_most():
    """Three long breaths and many short ones: the likeliest rate is that of the short ones."""
    counts = [(breaths_per_second(path, RATE, 16 / 60), true) for path, true in map(uneven, range(20))]
    assert np.mean([abs(found - true) for found, true in counts]) < 0.6 / 60


def test_a_short_wave_is_not_counted():
    assert breaths_per_second(np.ones(31), RATE, 0.3) == 0.3


@settings(max_examples=25)
@given(seed=st.integers(0, 99), gain=st.floats(1e-3, 1e3), shift=st.floats(-50, 50), drift=st.floats(-1, 1))
def test_gain_place_and_a_line_do_not_matter(seed, gain, shift, drift):
    path = uneven(seed)[0]
    one = evidence(path, RATE, GRID_HZ, BAND)
    two = evidence(gain * (path + shift + drift * np.arange(len(path)) / RATE), RATE, GRID_HZ, BAND)
    np.testing.assert_allclose(one, two, atol=1e-5 * one.max())
    assert one.min() == 0


@settings(max_examples=25)
@given(seed=st.integers(0, 99), speed=st.floats(0.6, 2.0))
def test_time_has_no_unit(seed, speed):
    """Played faster, a wave has the same evidence at rates that are as much faster."""
    path = uneven(seed)[0]
    one = evidence(path, RATE, GRID_HZ, BAND)
    two = evidence(path, RATE * speed, GRID_HZ * speed, (BAND[0] * speed, BAND[1] * speed))
    fits = one.max() > 8
    assert not fits or abs(np.argmax(one) - np.argmax(two)) <= 8


@pytest.mark.parametrize(("trust", "rate"), [(0.05, 14), (0.4, 14), (1.0, 17)])
def test_a_network_is_counted_as_far_as_it_is_believed(trust, rate):
    """Its wave is clearer than the chest's, and three breaths a minute faster."""
    pulse_hz, count = 30.0, 1800
    time_s = np.arange(count) / pulse_hz
    noise = np.convolve(np.random.default_rng(0).standard_normal(count), np.ones(30) / np.sqrt(30), "same")
    usable = np.ones(count, bool)
    chest = Waveform(0, pulse_hz, np.sin(2 * np.pi * 14 / 60 * time_s) + 0.5 * noise, usable)
    breath = Breath(np.sin(2 * np.pi * 17 / 60 * time_s), usable, np.full(count, trust), "toy", 8.0)
    pulse = Waveform(0, pulse_hz, np.zeros(count), usable, np.full(count, trust), respiration=breath)
    told = respiration(pulse, Beats.exact(np.zeros(0)), chest=chest).vital
    assert told.value == pytest.approx(rate, abs=0.3)


def test_what_is_no_breathing_is_not_answered():
    rng = np.random.default_rng(0)
    told = []
    for _ in range(40):
        noise = rng.standard_normal(240)
        smooth = np.convolve(noise, np.ones(4) / 4, mode="same")
        told += [seen(path) for path in (noise, smooth, np.cumsum(noise), np.cumsum(np.cumsum(noise)))]
    assert sum(vital.value is not None for vital in told) <= 4
    assert max(vital.quality for vital in told) < 0.9
    assert evidence(np.zeros(240), RATE, GRID_HZ, BAND) is None
    assert evidence(np.full(240, 7.0), RATE, GRID_HZ, BAND) is None
    assert evidence(uneven(0)[0][:20], RATE, GRID_HZ, (0.0, 1.0)) is None


@pytest.mark.parametrize("breaths", [8, 12, 20, 40])
def test_even_breaths_are_found_too(breaths):
    time_s = np.arange(240) / RATE
    noise = 0.3 * np.random.default_rng(1).standard_normal(240)
    vital = seen(np.sin(2 * np.pi * breaths / 60 * time_s) + noise)
    assert vital.value == pytest.approx(breaths, abs=0.7)
    assert vital.quality > 0.7
