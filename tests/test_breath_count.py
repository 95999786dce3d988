"""Breaths counted in the path of a chest: right where people breathe unevenly, silent where there is no breathing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfuse.core.signals import Waveform
from perfuse.signal.beats import Beats
from perfuse.vitals.breath_count import LEAST_CHANCE, MOST_CHANCE, Count, count_breaths
from perfuse.vitals.respiration import GRID_HZ, respiration

RATE = 4.0


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


def test_uneven_breaths_are_counted():
    told = [(count_breaths(path, RATE), true) for path, true in (uneven(seed) for seed in range(20))]
    counted = [(count, true) for count, true in told if count is not None]
    assert len(counted) >= 15
    assert max(abs(count.rate_hz - true) for count, true in counted) < 1.5 / 60
    assert all(LEAST_CHANCE <= count.chance <= MOST_CHANCE for count, _ in counted)


@settings(max_examples=25)
@given(seed=st.integers(0, 99), gain=st.floats(1e-3, 1e3), shift=st.floats(-50, 50))
def test_neither_gain_nor_place_matters(seed, gain, shift):
    path = uneven(seed)[0]
    one, two = count_breaths(path, RATE), count_breaths(gain * (path + shift), RATE)
    assert (one is None) == (two is None)
    if one is not None:
        assert one.rate_hz == pytest.approx(two.rate_hz, abs=0.2 / 60)
        assert one.chance == pytest.approx(two.chance, abs=0.01)


def test_what_is_no_breathing_is_not_counted():
    rng = np.random.default_rng(0)
    for _ in range(50):
        noise = rng.standard_normal(240)
        for path in (noise, np.cumsum(noise), np.cumsum(np.cumsum(noise))):
            assert count_breaths(path, RATE) is None
    assert count_breaths(np.zeros(240), RATE) is None
    assert count_breaths(np.full(240, 7.0), RATE) is None
    assert count_breaths(uneven(0)[0][:190], RATE) is None


def test_pooling_is_of_opinions():
    others = np.where(np.abs(GRID_HZ - 20 / 60) < 1e-9, 0.5, 0.5 / (len(GRID_HZ) - 1))
    pooled = Count(12 / 60, 0.9).pooled(GRID_HZ, others)
    assert pooled.sum() == pytest.approx(1, abs=1e-12)
    assert pooled[np.abs(GRID_HZ - 12 / 60) <= 3 / 60].sum() == pytest.approx(0.9, abs=0.03)
    assert pooled[others == 0.5].item() == pytest.approx(0.05, abs=1e-6)
    assert Count(12 / 60, 0.9).pooled(GRID_HZ, np.zeros(len(GRID_HZ))).tolist() == [0.0] * len(GRID_HZ)


def test_only_what_a_radar_felt_is_counted():
    """The very same path seen by a camera is judged by its spectrum alone."""
    path, true = uneven(3, spread=0.35)
    still = Waveform(0, RATE, np.zeros(240), np.ones(240, bool))
    chest = Waveform(0, RATE, path, np.ones(240, bool))
    felt, seen = (respiration(still, Beats.exact(np.zeros(0)), chest=chest, felt=f).vital for f in (True, False))
    assert felt.value == pytest.approx(60 * true, abs=2)
    assert felt.low < 60 * true < felt.high
    assert felt.quality > seen.quality
    holes = Waveform(0, RATE, path, np.arange(240) < 150)
    alone = respiration(still, Beats.exact(np.zeros(0)), chest=holes, felt=True).vital
    assert alone == respiration(still, Beats.exact(np.zeros(0)), chest=holes).vital
