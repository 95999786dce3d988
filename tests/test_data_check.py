"""Checking references against videos: a lag is found where there is one, and only there."""

from functools import partial

import numpy as np
import pytest

from perfuse.data.check import LATE_S, _best_lag, check
from perfuse.data.dataset import open_dataset
from perfuse.data.formats.films import open_film
from perfuse.data.readers.ubfc_rppg import references
from perfuse.data.recording import Recording, Signal
from perfuse.synth.layouts.folder import make
from perfuse.synth.layouts.known import get_layout
from perfuse.synth.layouts.plan import people, plan


@pytest.fixture(scope="module")
def ubfc(tmp_path_factory):
    root = tmp_path_factory.mktemp("check") / "ubfc"
    layout = get_layout("ubfc")
    asked = {"duration_s": 24.0, "width": 160, "height": 160, "pulse_depth": 0.012, "motion": "still"}
    make(root, layout, plan(layout, people(2, "lab", 3, asked)), {"seed": 3})
    return root


def changed(path, change):
    """Read references of which one was changed: a reader of its own."""
    signals = references(path)
    signals["pulse"] = change(signals["pulse"])
    return signals


def late(seconds, signal):
    return Signal(signal.times_s + seconds, signal.values)


def stretched(factor, signal):
    return Signal(signal.times_s * factor, signal.values)


def noise(signal):
    return Signal(signal.times_s, np.random.default_rng(0).normal(size=len(signal)))


def take(root, name, change):
    film, label = root / name / "vid.avi", root / name / "ground_truth.txt"
    return Recording("own", name, name, partial(open_film, film), partial(changed, label, change), (film, label))


def one(root, name, tmp_path, change):
    # the same files with another reference would be the same entry: each has a cache of its own
    done = check([take(root, name, change)], tmp_path)
    (fit,) = [f for f in done.fits if f.reference == "pulse"]
    return fit, done.problems


def test_a_good_data_set_has_no_trouble(ubfc, tmp_path):
    data = open_dataset(f"ubfc-rppg:{ubfc}")
    done = check(data.recordings, tmp_path, jobs=2)
    assert not done.problems
    fits = [f for f in done.fits if f.reference == "pulse"]
    assert len(fits) == 2
    for fit in fits:
        assert fit.covers > 0.95
        assert fit.quality > 0.8
        assert fit.lag_s is None or abs(fit.lag_s) < LATE_S
        monitor = next(f for f in done.fits if f.reference == "heart_rate" and f.recording == fit.recording)
        assert abs(monitor.rate - fit.rate) < 5
    assert {g.recording for g in done.glances} == {"subject1", "subject2"}


@pytest.mark.parametrize("shift", [-1.3, 0.9])
def test_a_shifted_reference_is_told_with_its_lag(ubfc, tmp_path, shift):
    before, _ = one(ubfc, "subject1", tmp_path / "a", partial(late, 0.0))
    after, problems = one(ubfc, "subject1", tmp_path / "b", partial(late, shift))
    assert before.lag_s is not None
    assert after.lag_s - before.lag_s == pytest.approx(shift, abs=0.05)
    assert [p.kind for p in problems if p.kind == "lag"] == ["lag"]


def test_noise_is_no_pulse(ubfc, tmp_path):
    fit, problems = one(ubfc, "subject1", tmp_path, noise)
    assert fit.lag_s is None
    assert fit.quality < 0.5
    assert "quality" in {p.kind for p in problems}


def test_a_clock_that_drifts_is_told(ubfc, tmp_path):
    fit, problems = one(ubfc, "subject1", tmp_path, partial(stretched, 1.02))
    assert fit.drift_s == pytest.approx(0.02 * 12, abs=0.08)
    assert any("drifts" in p.message for p in problems)


def test_the_best_lag_of_an_even_tone_is_not_told():
    tone = np.sin(np.arange(600) / 30 * 2 * np.pi * 1.25)
    assert _best_lag(tone, np.roll(tone, 5), 30.0)[0] is None  # one beat earlier fits as well
    assert _best_lag(np.zeros(600), tone, 30.0) == (None, None)
