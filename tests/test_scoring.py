"""Published scoring profiles against their own numbers and against slow implementations; perfuse's own by design."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal as sps

from conftest import ROOT
from perfuse.bench import default, physbench, profiles, toolbox
from perfuse.bench import reference as ref
from perfuse.bench.aggregate import aggregate, column, grouped
from perfuse.bench.grids import even, peak_rate_hz
from perfuse.bench.rows import Prediction, Row
from perfuse.bench.windows import WHOLE, by_samples, by_time, seconds
from perfuse.core.errors import UsageError
from perfuse.core.results import Face, Point, Vital
from perfuse.core.signals import Waveform
from perfuse.data.recording import Signal
from perfuse.signal.filters import detrend_lambda

GOLDEN = {
    "whole_fft": {},
    "whole_peak": {"read": "peak"},
    "30s_fft": {"window_s": 30},
    "10s_fft": {"window_s": 10},
}


def _plain():
    spec = importlib.util.spec_from_file_location("scoring_benchmark", ROOT / "benchmarks" / "scoring.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.plain


plain = _plain()


@pytest.fixture(scope="module")
def golden(shared_data):
    folder = shared_data.parent / "golden"
    if not folder.is_dir():
        pytest.skip("the Toolbox's own numbers are not on this machine")
    pairs = np.load(folder / "toolbox_scoring.npz")
    videos = [(pairs[f"pred_s{k:02d}"], pairs[f"label_s{k:02d}"]) for k in range(24)]
    return videos, json.loads((folder / "toolbox_scoring.json").read_text())


def a_pair(n, rate_hz, seed=0, hertz=1.3, noise=1.0, flip=1.0):
    rng = np.random.default_rng(seed)
    t = np.arange(n) / rate_hz
    label = np.sin(2 * np.pi * hertz * t) + 0.3 * np.sin(4 * np.pi * hertz * t + 1) + 0.1 * rng.standard_normal(n)
    prediction = flip * label + noise * rng.standard_normal(n) + 0.2 * np.cumsum(rng.standard_normal(n))
    return prediction, label


def as_array(windows):
    return np.array([(w.label, w.prediction, w.snr_db, w.macc) for w in windows])


# ---------------------------------------------------------------- the Toolbox


@pytest.mark.parametrize("row", GOLDEN)
def test_the_toolbox_own_numbers(golden, row):
    videos, said = golden
    windows = [w for p, y in videos for w in toolbox.score_pair(p, y, 30, differenced=True, **GOLDEN[row])]
    ours = toolbox.table(toolbox.summarise(windows))
    assert ours.keys() == said[row].keys()
    for key, value in said[row].items():
        assert ours[key] == pytest.approx(value, abs=1e-9, rel=0), key


@pytest.mark.parametrize("rate_hz", [25, 30, 35])
@pytest.mark.parametrize("n", [10, 11, 63, 64, 65, 301, 509])
@pytest.mark.parametrize("differenced", [False, True])
def test_toolbox_equals_the_dense_way(n, rate_hz, differenced):
    for band in (toolbox.BAND_HZ, toolbox.BAND_2023_HZ):
        if n < 20 and band == toolbox.BAND_2023_HZ:
            continue
        p, y = a_pair(n, rate_hz, seed=n)
        ours = toolbox.score_pair(p, y, rate_hz, differenced=differenced, band_hz=band)
        slow = plain(p, y, rate_hz, differenced=differenced, band_hz=band)
        np.testing.assert_allclose(as_array(ours), slow, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("band", "n"), [(toolbox.BREATHING_BAND_HZ, 750), (toolbox.BAND_HZ, 755)])
@pytest.mark.parametrize("read", ["fft", "peak"])
@pytest.mark.parametrize("window_s", [None, 10, 7])
def test_toolbox_windows_bands_and_peaks_equal_the_dense_way(band, n, read, window_s):
    p, y = a_pair(n, 25, hertz=0.3 if band[1] < 1 else 1.5, flip=-1.0)
    ours = toolbox.score_pair(p, y, 25, differenced=False, window_s=window_s, band_hz=band, read=read)
    slow = plain(p, y, 25, differenced=False, window_s=window_s, band_hz=band, read=read)
    np.testing.assert_allclose(as_array(ours), slow, rtol=1e-8, atol=1e-8)


def test_single_precision_is_summed_in_double_precision():
    p, y = (x.astype(np.float32) + np.float32(0.1) for x in a_pair(900, 30))
    one = as_array(toolbox.score_pair(p, y, 30, differenced=True))
    two = plain(p.astype(float), y.astype(float), 30, differenced=True)
    np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-9)


def test_labels_may_be_shorter_or_longer_than_predictions():
    p, y = a_pair(400, 30)
    for m in (350, 400, 460):
        label = np.resize(y, m)
        ours = toolbox.score_pair(p, label, 30, differenced=False)
        np.testing.assert_allclose(as_array(ours), plain(p, label, 30, differenced=False), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n", [9, 300, 18_000])
@pytest.mark.parametrize("drift", [0.0, 1e4])
def test_detrending_is_exact_at_every_length(n, drift):
    # (I + l^2 D'D) is at least the identity, so the residual bounds the error; extended precision shows it
    x = np.random.default_rng(n).standard_normal(n) + drift * np.linspace(0, 1, n) ** 2
    trend = (x - detrend_lambda(x, toolbox.LAMBDA)).astype(np.longdouble)
    bend = np.diff(trend, 2)
    back = trend.copy()
    for k, weight in enumerate((1, -2, 1)):
        back[k : n - 2 + k] += np.longdouble(toolbox.LAMBDA) ** 2 * weight * bend
    error = float(np.linalg.norm((back - x.astype(np.longdouble)).astype(float)) / np.linalg.norm(x))
    assert error < 1e-9
    assert float(np.abs(trend).max()) > 1e-3


def test_a_last_window_counts_from_ten_samples_is_fatal_at_nine_and_ignored_below():
    for extra, rows, stops in ((8, 1, 0), (9, 2, 1), (10, 2, 0)):
        p, y = a_pair(300 + extra, 30)
        windows = toolbox.score_pair(p, y, 30, differenced=True, window_s=10)
        assert len(windows) == rows
        assert sum(w.stops for w in windows) == stops
        if stops:
            with pytest.raises(ValueError, match="padlen"):
                plain(p, y, 30, differenced=True, window_s=10)
            assert "needs more than 9" in windows[1].note
            assert np.isnan(as_array(windows[1:])).all()
        assert toolbox.summarise(windows).left_out == stops
    assert toolbox.score_pair(np.ones(8), np.ones(8), 30, differenced=False) == ()
    assert toolbox.score_pair([], [], 30, differenced=False) == ()


def test_a_window_longer_than_the_video_is_the_video():
    p, y = a_pair(200, 30)
    assert toolbox.score_pair(p, y, 30, differenced=True, window_s=30) == toolbox.score_pair(
        p, y, 30, differenced=True
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("differenced", [False, True])
def test_numbers_that_are_none_give_the_lowest_rate_as_in_the_toolbox(bad, differenced):
    p, y = a_pair(300, 30)
    p[137] = bad
    (w,) = toolbox.score_pair(p, y, 30, differenced=differenced)
    with np.errstate(all="ignore"):
        ((label, prediction, snr, corr),) = plain(p, y, 30, differenced=differenced)
    assert (w.label, w.prediction) == (label, prediction) == (w.label, 60 * 11 * 30 / 512)
    assert np.isnan([snr, corr, w.snr_db, w.macc]).all()
    assert "no numbers" in w.note
    summary = toolbox.summarise([w, *toolbox.score_pair(*a_pair(300, 30, 1), 30, differenced=False)] * 2)
    assert summary.mae.value is not None
    assert summary.snr_db.value is None
    assert "nan" in summary.snr_db.reason
    (peak,) = toolbox.score_pair(p, y, 30, differenced=differenced, read="peak")
    assert np.isnan(peak.prediction)
    assert np.isfinite(peak.label)


def test_a_wave_of_zeros_is_scored_as_the_toolbox_does():
    _, y = a_pair(300, 30)
    (w,) = toolbox.score_pair(np.zeros(300), y, 30, differenced=True)
    with np.errstate(all="ignore"):
        ((label, prediction, snr, corr),) = plain(np.zeros(300), y, 30, differenced=True)
    assert (w.label, w.prediction, w.snr_db) == (label, prediction, snr)
    assert snr == 0
    assert np.isnan([corr, w.macc]).all()
    assert "zero" in w.note


@pytest.mark.parametrize("wave", [np.full(300, 7.3), np.arange(300) * 0.4 - 3])
def test_constants_and_ramps_are_not_scored_by_their_rounding_errors(wave):
    (w,) = toolbox.score_pair(wave, a_pair(300, 30)[1], 30, differenced=False)
    assert (w.prediction, w.snr_db) == (60 * 11 * 30 / 512, 0.0)
    assert np.isnan(w.macc)
    assert "rounding" in w.note


def test_bands_that_do_not_fit_stop_the_toolbox():
    p, y = a_pair(100, 6)
    (w,) = toolbox.score_pair(p, y, 6, differenced=False)
    assert w.stops
    assert "does not fit" in w.note
    (w,) = toolbox.score_pair(*a_pair(10, 120), 120, differenced=False)
    assert w.stops
    assert "spectral line" in w.note
    (w,) = toolbox.score_pair(*a_pair(10, 120), 120, differenced=False, read="peak")
    assert not w.stops


def test_no_peaks_in_the_label_leaves_only_noise():
    p, _ = a_pair(300, 30)
    (w,) = toolbox.score_pair(p, np.zeros(300), 30, differenced=False, read="peak")
    assert np.isnan(w.label)
    assert w.snr_db == -np.inf
    assert toolbox.summarise([w]).snr_db.value is None


def test_the_table_by_its_formulas():
    rng = np.random.default_rng(3)
    label, prediction, snr, corr = rng.uniform(50, 120, (4, 17))
    windows = [toolbox.ToolboxWindow(0, 9, *row) for row in zip(label, prediction, snr, corr)]
    s = toolbox.summarise(windows)
    e = prediction - label
    assert s.mae.value == pytest.approx(np.abs(e).mean())
    assert s.rmse.se == pytest.approx(np.sqrt(np.std(e**2) / np.sqrt(17)))
    assert toolbox.summarise(windows, breathing=True).rmse.se == pytest.approx(np.std(e**2) / np.sqrt(17))
    assert s.mape.value == pytest.approx(100 * np.mean(np.abs(e) / label))
    r = np.corrcoef(prediction, label)[0, 1]
    assert (s.r.value, s.r.se) == (pytest.approx(r), pytest.approx(np.sqrt((1 - r**2) / 15)))
    assert s.limits.bias == pytest.approx(-e.mean()) == s.textbook.bias
    assert s.limits.high - s.limits.bias == pytest.approx(1.96 * np.sqrt(2) * e.std(ddof=1))
    assert s.textbook.high - s.textbook.bias == pytest.approx(1.96 * e.std(ddof=1))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_tables_of_too_few_windows_have_reasons(count):
    windows = [toolbox.ToolboxWindow(0, 99, 60.0 + k, 61.0 + k, 1.0, 0.5) for k in range(count)]
    s = toolbox.summarise(windows)
    assert (s.mae.value is None) == (count == 0)
    assert s.r.se is None
    assert s.n == count
    assert count or s.mae.reason == "no window can be scored"


def test_rates_that_are_all_the_same_have_no_correlation():
    s = toolbox.summarise([toolbox.ToolboxWindow(0, 99, 60.0, 61.0 + k, 1.0, 0.5) for k in range(4)])
    assert s.r.value is None
    assert "nothing varies" in s.r.reason
    assert s.mae.value == 2.5


def test_toolbox_refuses_nonsense():
    with pytest.raises(UsageError, match="positive rate"):
        toolbox.score_pair([1.0], [1.0], 0, differenced=False)
    with pytest.raises(UsageError, match="'fft' or 'peak'"):
        toolbox.score_pair([1.0], [1.0], 30, differenced=False, read="welch")
    with pytest.raises(UsageError, match="longer windows"):
        toolbox.score_pair(np.ones(99), np.ones(99), 30, differenced=False, window_s=0.001)


@settings(max_examples=20)
@given(gain=st.floats(1e-3, 1e3), offset=st.floats(-1e3, 1e3), slope=st.floats(-1, 1), seed=st.integers(0, 9))
def test_toolbox_scores_ignore_gain_offset_and_slope(gain, offset, slope, seed):
    p, y = a_pair(320, 30, seed)
    moved = gain * p + offset + slope * np.arange(320)
    one, two = (as_array(toolbox.score_pair(x, y, 30, differenced=False)) for x in (p, moved))
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5)


def test_a_perfect_prediction_upside_down_is_perfect_too():
    _, y = a_pair(600, 30)
    (w,) = toolbox.score_pair(-2 * y, y, 30, differenced=False)
    assert w.prediction == w.label
    assert w.macc == pytest.approx(1)


# ---------------------------------------------------------------- PhysBench


def slow_physbench(wave, rate_hz):
    n = min(len(wave) - 1, 256)
    f, q = sps.welch(wave, rate_hz, "hann", n, nfft=int(1e5 / rate_hz))
    keep = [(power, hertz) for hertz, power in zip(f, q) if 0.5 < hertz < 3]
    return 60 * max(keep)[1]


@pytest.mark.parametrize("rate_hz", [20.0, 29.97, 60.0])
def test_physbench_whole_and_sliding(rate_hz):
    n = round(74 * rate_hz)
    t = np.arange(n) / rate_hz
    p, y = a_pair(n, rate_hz, hertz=1.31)
    b, a = sps.butter(3, [0.5, 3], fs=rate_hz, btype="band")
    (w,) = physbench.score_pair(p, y, t, sliding=False)
    assert w.label == pytest.approx(slow_physbench(y, rate_hz))
    assert w.prediction == pytest.approx(slow_physbench(sps.lfilter(b, a, p), rate_hz))
    assert w.label == pytest.approx(60 * 1.31, abs=1.5)
    windows = physbench.score_pair(p, y, t, sliding=True)
    # every 10 s as long as more than 15 s are left, the last ones short
    assert [round(w.start / rate_hz) for w in windows] == [0, 10, 20, 30, 40, 50]
    assert windows[-1].stop == n
    cut = slice(windows[2].start, windows[2].stop)
    assert windows[2].prediction == pytest.approx(slow_physbench(sps.lfilter(b, a, p[cut]), rate_hz))


def test_physbench_figures_are_rounded_as_printed():
    windows = [physbench.PhysBenchWindow(0, 9, 60.0 + k, 60.12345 + 1.1 * k) for k in range(5)]
    s = physbench.summarise([*windows, physbench.PhysBenchWindow(0, 9, 60.0, float("nan"), "why")])
    assert (s.n, s.mae, s.rmse, s.r) == (5, 0.323, 0.353, 1.0)
    assert physbench.summarise([]).mae is None


def test_physbench_labels_go_through_a_spline():
    x = np.sort(np.random.default_rng(0).uniform(0, 10, 300))
    t = np.linspace(1, 9, 200)
    got = physbench.label_at(np.append(x, x[-1]), np.append(np.sin(x), 5.0), t)
    np.testing.assert_allclose(got, np.sin(t), atol=1e-4)
    with pytest.raises(UsageError, match="spline"):
        physbench.label_at([0, 1, 2], [0, 1, 2], [0.5])


def test_physbench_where_it_would_stop():
    (w,) = physbench.score_pair(np.ones(50), np.ones(50), np.arange(50) / 5, sliding=False)
    assert "does not fit" in w.note
    assert physbench.score_pair([1.0], [1.0], [0.0], sliding=False) == ()
    p, y = a_pair(300, 30)
    p[5] = np.nan
    (w,) = physbench.score_pair(p, y, np.arange(300) / 30, sliding=False)
    assert "no numbers" in w.note
    with pytest.raises(UsageError, match="one of each"):
        physbench.score_pair([1.0], [1.0, 2.0], [0.0], sliding=False)


# ---------------------------------------------------------------- windows


def test_windows_by_time_and_by_samples():
    assert by_time(WHOLE, 1.0, 61.0) == ((1.0, 61.0),)
    assert by_time(seconds(30), 1.0, 60.9) == ((1.0, 31.0),)
    assert by_time(seconds(30, 10), 0.0, 59.9999999) == ((0, 30), (10, 40), (20, 50), (30, 60))
    assert by_time(seconds(30), 0.0, 29.0) == ()
    assert by_time(WHOLE, 1.0, 1.0) == ()
    assert by_samples(65, 30, 1) == ((0, 30), (30, 60), (60, 65))
    assert by_samples(0, 30, None) == ()
    assert seconds(30, 10).name == "30 s every 10 s"
    with pytest.raises(UsageError, match="positive"):
        seconds(0)


# ---------------------------------------------------------------- references


def pulse_like(beats, rate_hz, until, dicrotic=0.3):
    """A contact pulse with an upstroke at each beat."""
    t = np.arange(round(until * rate_hz)) / rate_hz
    phase = 2 * np.pi * np.interp(t, beats, np.arange(len(beats)))
    return -np.cos(phase) - dicrotic * np.cos(2 * phase - 0.8)


def beat_times(until, hertz=1.2, wander=0.05, seed=0):
    rng = np.random.default_rng(seed)
    gaps = 1 / hertz * (1 + wander * np.sin(np.arange(until * 3) * 0.4) + 0.01 * rng.standard_normal(int(until * 3)))
    times = np.cumsum(gaps) - 1
    return times[times < until + 2]


def true_rate(beats, start, stop):
    inside = beats[(beats >= start) & (beats <= stop)]
    return 60 / np.diff(inside).mean()


@pytest.fixture(scope="module")
def heart():
    beats = beat_times(90)
    inside = beats[(beats > 0) & (beats < 90)]
    return {
        "beats": Signal(inside, np.concatenate([[np.nan], np.diff(inside)])),
        "pulse": Signal.uniform(pulse_like(beats, 64, 90), 64),
        "heart_rate": Signal.uniform(np.full(90, 99.0), 1.0),
    }, beats


def test_listed_beats_come_before_the_contact_pulse_before_the_monitor(heart):
    signals, beats = heart
    asked = (("beats", signals), ("pulse", {k: v for k, v in signals.items() if k != "beats"}))
    for source, present in asked:
        got = ref.heart_rate(ref.prepare(present), 20.0, 50.0)
        assert got.source == source
        assert got.value == pytest.approx(true_rate(beats, 20, 50), abs=0.05 if source == "beats" else 0.8)
    got = ref.heart_rate(ref.prepare({"heart_rate": signals["heart_rate"]}), 20.0, 50.0)
    assert (got.value, got.source) == (99.0, "heart_rate")
    nothing = ref.heart_rate(ref.prepare({}), 20.0, 50.0)
    assert (nothing.value, nothing.reason) == (None, "there is no reference of the heart")


def test_an_interval_that_is_listed_counts_more_than_the_distance_of_beats():
    # every third beat is not listed, but the lengths are: the rate is that of the intervals
    times = np.arange(1, 60) * 0.8
    kept = np.arange(59) % 3 != 1
    values = np.full(kept.sum(), 0.8)
    got = ref.heart_rate(ref.prepare({"beats": Signal(times[kept], values)}), 0.0, 47.0)
    assert got.value is None
    assert "cover only" in got.reason
    kept = np.arange(59) % 9 != 1
    got = ref.heart_rate(ref.prepare({"beats": Signal(times[kept], np.full(kept.sum(), 0.8))}), 0.0, 47.0)
    assert got.value == pytest.approx(75)


def test_missed_beats_do_not_move_the_rate():
    times = np.delete(np.arange(1, 80) * 0.8, [20, 45])
    got = ref.heart_rate(ref.prepare({"beats": Signal(times, np.full(len(times), np.nan))}), 0.0, 60.0)
    assert got.value == pytest.approx(75, abs=0.01)


def test_a_contact_pulse_whose_spectrum_and_beats_differ_is_no_reference():
    rng = np.random.default_rng(1)
    noise = Signal.uniform(rng.standard_normal(64 * 40), 64)
    got = ref.heart_rate(ref.prepare({"pulse": noise, "heart_rate": Signal.uniform(np.full(40, 70.0), 1)}), 0.0, 40.0)
    assert got.value is None
    assert got.reason.startswith("pulse: ")
    # the fundamental is almost gone: the spectrum shows twice the rate, or the beats do not; never a wrong value
    beats = beat_times(40, wander=0.02)
    twice = Signal.uniform(pulse_like(beats, 64, 40, dicrotic=4.0), 64)
    got = ref.heart_rate(ref.prepare({"pulse": twice}), 5.0, 35.0)
    assert got.value is None or got.value == pytest.approx(true_rate(beats, 5, 35), abs=3) or got.value > 130


def test_a_reference_that_ends_early_is_not_stretched(heart):
    signals, _ = heart
    short = Signal(signals["pulse"].times_s[: 64 * 20], signals["pulse"].values[: 64 * 20])
    got = ref.heart_rate(ref.prepare({"pulse": short}), 10.0, 40.0)
    assert (got.value, got.reason) == (None, "the contact pulse does not cover the window")


def test_uneven_reference_clocks_are_honoured(heart):
    signals, beats = heart
    rng = np.random.default_rng(5)
    keep = np.sort(rng.choice(64 * 90, 64 * 60, replace=False))
    uneven = Signal(signals["pulse"].times_s[keep], signals["pulse"].values[keep])
    got = ref.heart_rate(ref.prepare({"pulse": uneven}), 20.0, 50.0)
    assert got.value == pytest.approx(true_rate(beats, 20, 50), abs=0.8)


def test_gaps_are_not_bridged():
    t = np.concatenate([np.arange(0, 10, 1 / 32), np.arange(14, 30, 1 / 32)])
    grid = even(Signal(t, np.sin(2 * np.pi * 1.2 * t)))
    assert grid.covered(0, 10) > 0.98
    assert grid.covered(10.1, 13.9) < 0.02
    assert grid.covered(0, 30) == pytest.approx(26 / 30, abs=0.01)
    assert "measured" in peak_rate_hz(grid, 8.0, 16.0, (0.5, 4.0))


def test_fast_references_are_thinned_without_aliasing():
    t = np.arange(0, 20, 1 / 1000)
    grid = even(Signal(t, np.sin(2 * np.pi * 1.2 * t)))
    assert grid.rate_hz == pytest.approx(125)
    at = grid.start_s + np.arange(len(grid.samples)) / grid.rate_hz
    np.testing.assert_allclose(grid.samples, np.sin(2 * np.pi * 1.2 * at), atol=1e-3)


@pytest.mark.parametrize(("rate_hz", "bpm"), [(50, 88), (130, 52), (130, 170), (500, 52)])
def test_r_peaks_of_an_electrocardiogram(rate_hz, bpm):
    neurokit2 = pytest.importorskip("neurokit2")
    ecg = neurokit2.ecg_simulate(duration=40, sampling_rate=rate_hz, heart_rate=bpm, noise=0.05, random_state=3)
    known = ref.prepare({"ecg": Signal.uniform(ecg, rate_hz)})
    got = ref.heart_rate(known, 5.0, 35.0)
    assert got.source == "ecg"
    assert got.value == pytest.approx(bpm, abs=1.5)
    assert (known.beats is None) == (rate_hz < ref.SHARP_ECG_HZ)


def test_breathing_belts_and_monitors():
    t = np.arange(0, 60, 1 / 25)
    belt = Signal(t, 3 + np.sin(2 * np.pi * 0.25 * t) + 0.3 * np.sin(2 * np.pi * 0.5 * t + 1))
    assert ref.respiratory_rate(ref.prepare({"respiration": belt}), 0.0, 60.0).value == pytest.approx(15, abs=0.1)
    shown = ref.prepare({"respiratory_rate": Signal.uniform([14.0, np.nan, 18.0, 16.0], 0.05)})
    assert ref.respiratory_rate(shown, 0.0, 60.0).value == 16.0
    mixed = Signal(t, np.where(t < 30, np.sin(2 * np.pi * 0.15 * t), 0.8 * np.sin(2 * np.pi * 0.5 * t)))
    got = ref.respiratory_rate(ref.prepare({"respiration": mixed}), 15.0, 45.0)
    assert got.value is None
    assert "its peaks" in got.reason
    assert "20 s" in ref.respiratory_rate(shown, 0.0, 10.0).reason


def test_real_references_of_finger_and_ear_agree(shared_data):
    pairs = np.load(next((shared_data / "contact").glob("*.npz")))
    apart, asked = [], 0
    for name in ("P21_A_Passive", "P12_A_Passive"):
        wave = pairs[name].T.astype(float)
        finger, ear = (ref.prepare({"pulse": Signal.uniform(wave[k][: 250 * 120], 250)}) for k in (2, 3))
        for start in (0.0, 30.0, 60.0, 90.0):
            one, two = (ref.heart_rate(known, start, start + 29.9) for known in (finger, ear))
            asked += 1
            if one.value is not None and two.value is not None:
                apart.append(abs(one.value - two.value))
    assert len(apart) >= 0.75 * asked
    assert np.median(apart) < 0.5
    assert max(apart) < 2


# ---------------------------------------------------------------- the default profile


@pytest.fixture(scope="module")
def face(heart):
    _, beats = heart
    wave = pulse_like(beats, 30, 90) + 0.3 * np.random.default_rng(0).standard_normal(2700)
    vital = Vital(72.0, "/min", 69.0, 75.0, 0.9)
    series = tuple(Point(5.0 + k, Vital(70.0 + k / 10, "/min", 67.0 + k / 10, 73.0 + k / 10, 0.8)) for k in range(80))
    waveform = Waveform(0, 30.0, wave, np.ones(2700, bool))
    hrv = {"sdnn": Vital(50.0, "ms", 40.0, 60.0, 0.7)}
    return Face(0, vital, Vital.none("/min", "unclear"), hrv, series, (), waveform)


def test_default_rows_of_the_pipeline(heart, face):
    signals, beats = heart
    rows = profiles.score("default", Prediction.of_face(face, 0.0), signals)
    whole, first, _ = (row for row in rows if row.vital == "heart_rate")
    assert (whole.prediction, whole.low, whole.high, whole.quality, whole.window) == (72.0, 69.0, 75.0, 0.9, "whole")
    assert whole.reference == pytest.approx(true_rate(beats, 0, 90), abs=0.1)
    assert whole.error == pytest.approx(72.0 - whole.reference)
    # points whose own 10 s lie within 0 to 30 s: centres 4 to 26, so 5 to 26
    assert first.window == "30 s"
    assert first.prediction == pytest.approx(np.mean([70 + k / 10 for k in range(22)]))
    assert first.high - first.low == pytest.approx(6)
    assert first.quality == pytest.approx(0.8)
    assert whole.r > 0.8
    assert abs(whole.lag_s) < 0.05
    assert whole.snr_db > 3
    assert 0 <= whole.tdi < 1
    (sdnn,) = (row for row in rows if row.vital == "sdnn")
    assert sdnn.reference == pytest.approx(1e3 * np.diff(signals["beats"].times_s).std(ddof=1), rel=0.05)
    assert (sdnn.unit, sdnn.prediction, sdnn.source) == ("ms", 50.0, "beats")
    breath = [row for row in rows if row.vital == "respiratory_rate"]
    assert {row.reason for row in breath} == {"unclear"}
    assert {row.reference_reason for row in breath} == {"there is no reference of breathing"}


def test_default_reads_peaks_of_waves(heart, face):
    signals, beats = heart
    rows = profiles.score(profiles.profile("default", read="peak"), Prediction.of_face(face, 0.0), signals)
    pulse = [row for row in rows if row.vital == "heart_rate"]
    for row in pulse:
        assert row.prediction == pytest.approx(true_rate(beats, row.start_s, row.stop_s), abs=0.8)
        assert row.quality is None
        assert row.low is None
    assert {row.reason for row in rows if row.vital == "respiratory_rate"} == {"the method gives no wave"}


def test_default_lags_and_clocks(heart, face):
    signals, _ = heart
    moved = {name: Signal(s.times_s + 100.0, s.values) for name, s in signals.items()}
    there = default.score(Prediction.of_face(face, 100.0), moved, vitals=("heart_rate",), variability=False)
    here = default.score(Prediction.of_face(face, 0.0), signals, vitals=("heart_rate",), variability=False)
    for a, b in zip(here, there):
        assert b.start_s == pytest.approx(a.start_s + 100)
        assert b.reference == pytest.approx(a.reference, abs=1e-6)
        assert b.r == pytest.approx(a.r, abs=1e-3)
    late = default.score(Prediction.of_face(face, 0.2), signals, vitals=("heart_rate",), variability=False)
    assert late[0].lag_s == pytest.approx(0.2, abs=0.04)


def test_default_says_why_there_is_nothing(face):
    nothing = default.score(Prediction(), {}, span_s=(0.0, 60.0))
    assert [row.window for row in nothing] == ["whole", "30 s", "30 s"] * 2
    assert all(row.reason and row.reference_reason and row.prediction is None for row in nothing)
    assert default.score(Prediction(), {}) == ()
    unsure = Vital.none("/min", "no reliable pulse")
    series = tuple(replace(p, vital=unsure) if k % 3 else p for k, p in enumerate(face.heart_rate_series))
    got = default.pooled(series[:25])
    assert (got.value, got.reason) == (None, "no reliable pulse")
    half = default.pooled([replace(p, vital=unsure) if k % 4 == 0 else p for k, p in enumerate(series[:1] * 8)])
    assert half.quality == pytest.approx(0.8 * 6 / 8)
    assert default.pooled([]).value is None


def test_differenced_waves_are_summed_first(heart, face):
    signals, _ = heart
    steps = np.diff(face.pulse.samples, prepend=0.0)
    wave = Signal.uniform(steps, 30.0)
    prediction = Prediction(pulse=wave, differenced=True)
    how = profiles.profile("default", read="peak")
    one = profiles.score(how, prediction, signals)
    two = profiles.score(how, replace(prediction, pulse=Signal.uniform(face.pulse.samples, 30.0), differenced=False),
                         signals)  # fmt: skip
    assert one[0].prediction == pytest.approx(two[0].prediction, abs=1e-6)


# ---------------------------------------------------------------- the registry


def test_profiles_are_known_by_name():
    assert list(profiles.PROFILES) == ["default", "peak", "toolbox", "toolbox-2023", "physbench"]
    for name, how in profiles.PROFILES.items():
        assert how.name == name
        assert how.what
        assert how.source
        assert profiles.profile(name) == how
    with pytest.raises(UsageError, match=r"toolbox-2023, physbench"):
        profiles.profile("toolbx")
    with pytest.raises(UsageError, match="fft, peaks"):
        profiles.profile("toolbox", read="welch")
    with pytest.raises(UsageError, match="windows of its own"):
        profiles.profile("physbench", cuts=(seconds(10),))
    with pytest.raises(UsageError, match="cannot overlap"):
        profiles.profile("toolbox", cuts=(seconds(30, 10),))


def test_profiles_score_as_their_scorers_do(heart, face):
    signals, _ = heart
    given = Prediction.of_face(face, 0.0)
    label = profiles.stretched(signals["pulse"].values, 2700)
    for name, band in (("toolbox", toolbox.BAND_HZ), ("toolbox-2023", toolbox.BAND_2023_HZ)):
        how = profiles.profile(name, cuts=(WHOLE, seconds(10)))
        rows = profiles.score(how, given, signals)
        direct = [
            w for s in (None, 10)
            for w in toolbox.score_pair(face.pulse.samples, label, 30, differenced=False, window_s=s, band_hz=band)
        ]  # fmt: skip
        assert [(r.reference, r.prediction, r.snr_db, r.macc) for r in rows] == [tuple(v) for v in as_array(direct)]
        assert [r.window for r in rows] == ["whole"] + ["10 s"] * 9
    rows = profiles.score("physbench", given, signals)
    assert [row.window for row in rows] == ["whole"] + ["30 s every 10 s"] * 8
    direct = physbench.score_pair(
        face.pulse.samples,
        physbench.label_at(signals["pulse"].times_s, signals["pulse"].values, given.pulse.times_s),
        given.pulse.times_s,
        sliding=False,
    )
    assert (rows[0].reference, rows[0].prediction) == (direct[0].label, direct[0].prediction)


def test_labels_are_stretched_by_index():
    np.testing.assert_array_equal(profiles.stretched(np.arange(7.0), 7), np.arange(7.0))
    np.testing.assert_allclose(profiles.stretched(np.arange(7.0), 4), [0, 2, 4, 6])


def test_toolbox_on_differences_goes_through_differenced_labels(heart, face):
    signals, _ = heart
    steps = np.append(np.diff(face.pulse.samples), 0.0)
    rows = profiles.score("toolbox", Prediction(pulse=Signal.uniform(steps, 30.0), differenced=True), signals)
    label = profiles.stretched(signals["pulse"].values, 2700)
    label = np.append(np.diff(label) / np.diff(label).std(), 0)
    (direct,) = toolbox.score_pair(steps, label, 30, differenced=True)
    assert (rows[0].reference, rows[0].prediction, rows[0].macc) == (direct.label, direct.prediction, direct.macc)


@pytest.mark.parametrize("name", profiles.PROFILES)
def test_every_profile_survives_poor_input(name, heart):
    signals, _ = heart
    gap = np.where(np.arange(900) % 7 == 0, np.nan, np.sin(np.arange(900) * 0.25))
    for prediction in (
        Prediction(),
        Prediction(pulse=Signal.uniform([1.0], 30.0)),
        Prediction(pulse=Signal.uniform(np.zeros(900), 30.0)),
        Prediction(pulse=Signal.uniform(gap, 30.0)),
        Prediction(pulse=Signal.uniform(np.full(900, np.nan), 30.0), differenced=True),
        Prediction(pulse=Signal.uniform(gap[:12], 5.0), respiration=Signal.uniform(gap, 30.0)),
    ):
        for present in (
            signals,
            {},
            {"pulse": Signal.uniform(np.full(900, np.nan), 30.0)},
            {"pulse": Signal.uniform([1.0, 2.0], 1.0), "respiration": Signal.uniform(gap, 10.0)},
        ):
            for row in profiles.score(name, prediction, present):
                assert (row.prediction is None) <= (row.reason is not None), row
                assert (row.reference is None) <= (row.reference_reason is not None), row
                assert all(v is None or isinstance(v, str) or np.isfinite(v) for v in plain_values(row))


def plain_values(row):
    return [getattr(row, name) for name in Row.__slots__]


def test_gaps_in_predictions_are_told():
    wave = np.sin(np.arange(900) * 0.25)
    wave[100:190] = np.nan
    (row,) = profiles.score(
        "toolbox", Prediction(pulse=Signal.uniform(wave, 30)), {"pulse": Signal.uniform(wave, 30)}
    )
    assert row.note == "10 % of the prediction is missing and bridged; 10 % of the label is missing and bridged"
    assert row.prediction == row.reference == pytest.approx(60 * 30 * 0.25 / (2 * np.pi), abs=1)


# ---------------------------------------------------------------- from rows to figures


def test_rows_are_summarised():
    rng = np.random.default_rng(0)
    rows, who = [], []
    for person in range(8):
        for k in range(5):
            y = 60 + 5 * person + k
            x = y + rng.standard_normal() if k else None
            rows.append(
                Row("heart_rate", "/min", "30 s", 30.0 * k, 30.0 * k + 30, float(y), x, x and x - 2, x and x + 2,
                    0.9, None if x else "unsure", macc=0.5)
            )  # fmt: skip
            who.append(f"s{person}")
    rows[3] = replace(rows[3], reference=None, reference_reason="noisy")
    s = aggregate(rows, who)
    assert (s.vital, s.window, s.windows, s.referenced, s.answered, s.subjects) == (
        "heart_rate",
        "30 s",
        40,
        39,
        31,
        8,
    )
    error = np.array([row.error for row in rows if row.error is not None])
    assert s.agreement.mae.value == pytest.approx(np.abs(error).mean())
    assert s.agreement.answered.value == pytest.approx(31 / 39)
    assert s.limits.bias == pytest.approx(error.mean())
    assert s.intervals.coverage.value == pytest.approx(np.mean(np.abs(error) <= 2))
    assert s.intervals.width.value == pytest.approx(4)
    assert s.macc.value == 0.5
    assert s.snr_db.value is None
    assert s.agreement.mae.low < s.agreement.mae.value < s.agreement.mae.high
    assert grouped([*rows, replace(rows[0], window="whole")]) == {
        ("heart_rate", "30 s"): list(range(40)),
        ("heart_rate", "whole"): [40],
    }
    assert np.isnan(column(rows, "snr_db")).all()
    with pytest.raises(UsageError, match="one vital"):
        aggregate([*rows, replace(rows[0], window="whole")], [*who, "s0"])
    with pytest.raises(UsageError, match="0 rows"):
        aggregate([], [])
