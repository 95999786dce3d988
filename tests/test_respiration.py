"""Breathing: right where it shows, silent where it does not, against simulated lungs, a belt and a capnograph."""

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, find_peaks, sosfiltfilt

from perfuse.core.signals import Waveform
from perfuse.signal.beats import Beats, find_beats
from perfuse.vitals.respiration import DISAGREE, NO_BEATS, UNCLEAR, respiration

RATE = 30.0


def wave_of(samples, start=0, valid=None):
    return Waveform(start, RATE, np.asarray(samples, float), np.ones(len(samples), bool) if valid is None else valid)


def breathing_pulse(seed, duration_s, breaths, heart=70.0, depth=1.0, noise=0.2, heights_breaths=None):
    """Pulse at 30 Hz whose rate, height and level breathing modulates, with Mayer waves, wander and noise.

    Returns the pulse and the lungs (rising with inspiration).
    """
    generator = np.random.default_rng(seed)
    count = int(duration_s * RATE)
    time = np.arange(count) / RATE

    def lungs_at(rate):
        knots = np.arange(0, duration_s + 8, 8)
        wander = np.interp(time, knots, generator.standard_normal(len(knots)))
        return np.sin(2 * np.pi * np.cumsum(rate / 60 * (1 + 0.05 * wander)) / RATE + generator.uniform(0, 6))

    lungs = lungs_at(breaths)
    other = lungs if heights_breaths is None else lungs_at(heights_breaths)
    mayer = np.sin(2 * np.pi * 0.09 * time + generator.uniform(0, 6))
    slow = np.cumsum(generator.standard_normal(count))
    slow = (slow - slow.mean()) / slow.std()
    phase = np.cumsum(heart / 60 * (1 + 0.03 * depth * lungs + 0.02 * mayer + 0.02 * slow)) / RATE % 1
    shape = np.exp(-0.5 * ((phase - 0.25) / 0.09) ** 2) + 0.45 * np.exp(-0.5 * ((phase - 0.5) / 0.12) ** 2)
    shape -= shape.mean()
    height = 1 - 0.12 * depth * other + 0.15 * mayer + 0.1 * slow
    level = -0.06 * depth * other + 0.08 * mayer + 0.2 * slow
    return height * shape + level + noise * shape.std() * generator.standard_normal(count), lungs


def breathe(samples, **more):
    beats = find_beats(samples, RATE)
    return respiration(wave_of(samples), beats, baseline=wave_of(-samples), **more)


@pytest.mark.parametrize("breaths", [9, 12, 15, 20, 26])
def test_the_rate_comes_back_with_its_interval(breaths):
    answers = [breathe(breathing_pulse(seed, 60, breaths, heart=60 + 4 * seed)[0]).vital for seed in range(8)]
    given_for = [a for a in answers if a.value is not None]
    assert len(given_for) >= 5
    assert np.mean([abs(a.value - breaths) for a in given_for]) < 1.0
    assert np.mean([a.low <= breaths <= a.high for a in given_for]) > 0.8
    assert all(a.unit == "/min" and a.low <= a.value <= a.high and 0.5 <= a.quality <= 1 for a in given_for)


def test_three_minutes_are_one_mean_and_a_series():
    samples, _ = breathing_pulse(1, 180, 14)
    result = breathe(samples)
    assert result.vital.value == pytest.approx(14, abs=1)
    times = np.array([p.time_s for p in result.series])
    assert np.all(np.diff(times) > 4)
    assert np.all(np.diff(times) < 6)
    assert times[0] == pytest.approx(15.5, abs=1)
    assert times[-1] == pytest.approx(164.5, abs=1)
    assert np.median([p.vital.value for p in result.series if p.vital.value]) == pytest.approx(14, abs=1)


def test_the_wave_follows_the_lungs():
    samples, lungs = breathing_pulse(2, 60, 14)
    wave = breathe(samples).waveform
    assert len(wave) == len(samples)
    assert (wave.start, wave.rate_hz) == (0, RATE)
    assert np.corrcoef(wave.samples[wave.valid], lungs[wave.valid])[0, 1] > 0.8
    assert not wave.samples[~wave.valid].any()
    assert np.sqrt(np.mean(wave.samples[wave.valid] ** 2)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("duration_s", [0, 2, 12, 25])
def test_too_short_is_said(duration_s):
    samples, _ = breathing_pulse(0, duration_s, 15) if duration_s else (np.zeros(0), None)
    result = breathe(samples)
    assert result.vital.value is None
    assert result.vital.reason.startswith("too short: ")
    assert result.waveform is None
    assert result.series == ()


def test_without_breathing_there_is_hardly_ever_a_value():
    answers = [breathe(breathing_pulse(seed, 60, 15, depth=0)[0]).vital for seed in range(20)]
    assert sum(a.value is not None for a in answers) <= 3
    assert {a.reason for a in answers if a.reason} <= {UNCLEAR, DISAGREE}


def test_contradicting_signs_give_no_confident_value():
    answers = [
        breathe(breathing_pulse(seed, 60, 22, heights_breaths=12, depth=2, noise=0.02)[0]).vital for seed in range(10)
    ]
    assert DISAGREE in {a.reason for a in answers}
    assert max(a.quality for a in answers) < 0.95


def test_breathing_too_slow_for_the_recording_is_not_passed_off_as_fast():
    wrong = [breathe(breathing_pulse(seed, 30, 5)[0]).vital for seed in range(12)]
    assert sum(a.value is not None and a.quality > 0.5 for a in wrong) <= 4


@pytest.mark.parametrize("samples", [np.zeros(1800), np.full(1800, 150.0)])
def test_silence_gives_no_value(samples):
    result = respiration(
        wave_of(samples), find_beats(samples, RATE), baseline=wave_of(samples), motion=wave_of(samples)
    )
    assert result.vital.value is None
    assert result.waveform is None


def test_motion_helps_and_is_enough_alone():
    samples, lungs = breathing_pulse(3, 60, 16, depth=0.3, noise=1.0)
    moved = wave_of(-0.2 * lungs + 0.02 * np.random.default_rng(0).standard_normal(len(lungs)))
    with_motion = breathe(samples, motion=moved).vital
    assert with_motion.value == pytest.approx(16, abs=1)
    alone = respiration(wave_of(samples), Beats.exact(np.zeros(0)), motion=moved)
    assert alone.vital.value == pytest.approx(16, abs=1)
    assert np.corrcoef(alone.waveform.samples, lungs)[0, 1] > 0.9
    assert respiration(wave_of(samples), Beats.exact(np.zeros(0))).vital.reason.startswith("too short")


def test_fast_breathing_beyond_half_the_heart_rate_needs_motion():
    samples, _ = breathing_pulse(4, 60, 45, heart=70)
    assert (breathe(samples).vital.value or 0) < 35
    chest = wave_of(np.sin(2 * np.pi * 45 / 60 * np.arange(1800) / RATE))
    moved = respiration(wave_of(samples), Beats.exact(np.zeros(0)), motion=chest).vital
    assert moved.value == pytest.approx(45, abs=1)


def test_a_gap_keeps_the_rest():
    samples, _ = breathing_pulse(5, 90, 15)
    valid = np.ones(len(samples), bool)
    valid[1200:1380] = False
    pulse = wave_of(np.where(valid, samples, 0), valid=valid)
    beats = find_beats(pulse.samples, RATE, valid)
    result = respiration(pulse, beats, baseline=wave_of(-pulse.samples, valid=valid))
    assert result.vital.value == pytest.approx(15, abs=1.5)
    assert not result.waveform.valid[1260:1320].any()


def test_time_is_the_grid_clock_of_the_pulse():
    samples, _ = breathing_pulse(1, 60, 14)
    beats = find_beats(samples, RATE)
    here = respiration(wave_of(samples), beats, baseline=wave_of(-samples))
    later = respiration(wave_of(samples, start=300), beats, baseline=wave_of(-samples, start=300))
    assert later.vital == here.vital
    assert later.waveform.start == 300
    assert later.series[0].time_s == pytest.approx(here.series[0].time_s + 10)


def test_a_baseline_that_starts_earlier_is_lined_up():
    samples, _ = breathing_pulse(1, 60, 14)
    beats = find_beats(samples, RATE)
    early = np.concatenate([np.zeros(150), -samples])
    here = respiration(wave_of(samples, start=150), beats, baseline=wave_of(-samples, start=150))
    same = respiration(wave_of(samples, start=150), beats, baseline=wave_of(early, start=0))
    assert same.vital.value == pytest.approx(here.vital.value, abs=1e-6)


@settings(max_examples=10)
@given(st.integers(0, 50), st.floats(-2, 3), st.floats(-2, 3))
def test_gain_does_not_matter(seed, pulse_gain, level_gain):
    samples, _ = breathing_pulse(seed, 45, 15)
    before = breathe(samples).vital
    beats = find_beats(10**pulse_gain * samples, RATE)
    after = respiration(wave_of(10**pulse_gain * samples), beats, baseline=wave_of(-(10**level_gain) * samples)).vital
    assert before.reason == after.reason
    if before.value is not None:
        assert after.value == pytest.approx(before.value, abs=0.01)
        assert after.quality == pytest.approx(before.quality, abs=0.01)


@settings(max_examples=10)
@given(st.integers(0, 50), st.floats(0.8, 1.25))
def test_played_faster_breathing_is_faster(seed, factor):
    samples, _ = breathing_pulse(seed, 80, 15, noise=0.02, depth=1.5)
    faster = np.interp(np.arange(0, len(samples) - 1, factor), np.arange(len(samples)), samples)
    before, after = breathe(samples).vital, breathe(faster).vital
    if before.value is not None and after.value is not None:
        assert after.value == pytest.approx(factor * before.value, rel=0.08)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(0, 2400), st.booleans(), st.booleans())
def test_whatever_comes_nothing_breaks_and_nothing_varies(seed, count, walk, moving):
    generator = np.random.default_rng(seed)
    samples = generator.standard_normal(count)
    samples = np.cumsum(samples) if walk else samples
    valid = generator.random(count) > 0.001
    pulse = wave_of(np.where(valid, samples, 0), valid=valid)
    beats = find_beats(pulse.samples, RATE, valid)
    motion = wave_of(generator.standard_normal(count)) if moving else None
    one, two = (respiration(pulse, beats, baseline=pulse, motion=motion) for _ in range(2))
    assert one.vital == two.vital
    for vital in (one.vital, *(p.vital for p in one.series)):
        if vital.value is not None:
            assert np.isfinite([vital.value, vital.low, vital.high, vital.quality]).all()
            assert 3.5 / 80 * 60 - 1 < vital.value <= 60
    if one.waveform is not None:
        assert np.isfinite(one.waveform.samples).all()


def belt_rate(belt, start_s, stop_s):
    """Breaths per minute of a 10 Hz belt by spectrum and by count (sighs compressed), or None where they differ."""
    rate_hz, margin = 10, 5
    first = max(0, int((start_s - margin) * rate_hz))
    part = belt[first : int((stop_s + margin) * rate_hz)]
    part = sosfiltfilt(butter(2, [0.07, 0.8], "bandpass", fs=rate_hz, output="sos"), part)
    part = np.tanh(part / np.median(np.abs(part)))[int(start_s * rate_hz) - first :][
        : int((stop_s - start_s) * rate_hz)
    ]
    freq = np.fft.rfftfreq(1 << 15, 1 / rate_hz)
    power = freq * np.abs(np.fft.rfft((part - part.mean()) * np.hanning(len(part)), 1 << 15)) ** 2
    inside = (freq > 3.5 / (stop_s - start_s)) & (freq < 0.8)
    peaks, _ = find_peaks(part, prominence=0.6, distance=8)
    if len(peaks) < 3:
        return None
    steps = np.diff(peaks) / rate_hz
    rates = [60 * freq[inside][power[inside].argmax()], 60 / steps.mean(), 60 / np.median(steps)]
    return float(np.median(rates)) if np.ptp(rates) < 3 else None


def belt_windows(shared_data, seconds):
    """Windows of the sessions whose belt works (in eight it sticks at the end of its range), finger and ear."""
    with np.load(next((shared_data / "contact").glob("physiokit_*.npz"))) as file:
        for name in file:
            if name[:3] not in ("P11", "P21"):
                continue
            session = file[name].astype(float)
            count = len(session) // 25 * 25
            belt = np.median(session[:count, 1].reshape(-1, 25), axis=1)
            grid = np.arange(0, len(session) / 250 - 0.1, 1 / RATE)
            for channel in (2, 3):
                smooth = np.convolve(session[:, channel], np.ones(8) / 8, "same")
                pulse = np.interp(grid, np.arange(len(session)) / 250, smooth)
                for start in range(0, int(grid[-1]) - seconds, seconds):
                    truth = belt_rate(belt, start, start + seconds)
                    if truth is not None:
                        yield pulse[int(start * RATE) : int((start + seconds) * RATE)], truth


def capnograph_windows(shared_data, seconds):
    """Three subjects with the finger on a phone; a capnograph shows breaths a minute each second, about 8 s late."""
    for path in sorted((shared_data / "finger" / "oximetry" / "left").glob("*.csv")):
        red = np.genfromtxt(path, delimiter=",", skip_header=1)[:, 0]
        with (path.parent.parent / "gt" / path.name).open(encoding="utf-8-sig") as file:
            # The header lacks five columns: the rate stands in the 46th.
            shown = [row[45] for row in list(csv.reader(file))[1:]]
        breaths = np.array([float(cell) if cell.strip().isdigit() else np.nan for cell in shown])
        for start in range(0, int(len(red) / RATE) - seconds, seconds):
            seen = breaths[start + 8 : start + seconds + 8]
            seen = seen[seen > 0]
            if len(seen) > 10 and np.ptp(np.percentile(seen, [10, 90])) < 3:
                yield -red[int(start * RATE) : int((start + seconds) * RATE)], float(np.median(seen))


@pytest.mark.parametrize(
    ("windows", "seconds", "answered", "mean_error", "covered", "far"),
    [
        (capnograph_windows, 60, 0.85, 1.2, 0.85, 0.03),
        (capnograph_windows, 30, 0.90, 1.5, 0.80, 0.05),
        (belt_windows, 60, 0.40, 1.2, 0.90, 0.05),
        # Breathing there is irregular: some of the "far" answers are right where the belt's count is not.
        (belt_windows, 30, 0.45, 2.2, 0.85, 0.20),
    ],
)
def test_real_pulses_against_belt_and_capnograph(shared_data, windows, seconds, answered, mean_error, covered, far):
    answers = [(breathe(pulse).vital, truth) for pulse, truth in windows(shared_data, seconds)]
    given_for = [(a, truth) for a, truth in answers if a.value is not None]
    error = np.array([abs(a.value - truth) for a, truth in given_for])
    assert len(given_for) / len(answers) > answered
    assert error.mean() < mean_error
    assert np.mean([a.low <= truth <= a.high for a, truth in given_for]) > covered
    assert np.mean(error > 4) <= far


def test_nothing_to_read_from():
    beats = Beats.exact(np.arange(0, 60, 10.0))
    assert respiration(wave_of(np.zeros(1800)), beats).vital.value is None
    motion = wave_of(np.sin(np.arange(1800) / RATE * 1.5), valid=np.arange(1800) % 300 < 30)
    assert respiration(wave_of(np.zeros(1800)), beats, motion=motion).vital.reason == NO_BEATS
