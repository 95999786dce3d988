import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import butter, freqz_sos, sosfiltfilt

from perfuse.core.errors import UsageError
from perfuse.signal.filters import bandpass, butterworth_gain, detrend, detrend_lambda, smoothness_lambda


def wander(rows, count, seed=0):
    return np.cumsum(np.random.default_rng(seed).normal(size=(rows, count)), axis=-1)


@pytest.mark.parametrize(
    ("order", "low", "high", "rate"), [(3, 0.7, 4.0, 30.0), (1, 0.6, 3.3, 25.0), (2, 0.1, 0.5, 10.0)]
)
def test_bandpass_is_filtfilt_away_from_the_edges(order, low, high, rate):
    x = wander(2, 1500)
    sos = butter(order, [low, high], "bandpass", fs=rate, output="sos")
    ours, theirs = bandpass(x, rate, low, high, order), sosfiltfilt(sos, x)
    middle = slice(500, -500)
    assert np.abs(ours - theirs)[:, middle].max() < 1e-5 * np.abs(theirs).max()


@pytest.mark.parametrize("count", [40, 48, 77])
def test_bandpass_is_filtfilt_of_the_endlessly_reflected_signal(count):
    x = wander(1, count)[0]
    extended = x
    for _ in range(5):  # each round trebles the signal, so the edges are far away in the end
        left, right = 2 * extended[0] - extended[:0:-1], 2 * extended[-1] - extended[-2::-1]
        extended = np.concatenate([left, extended, right])
    sos = butter(3, [0.7, 4.0], "bandpass", fs=30.0, output="sos")
    centre = (len(extended) - count) // 2
    expected = sosfiltfilt(sos, extended)[centre : centre + count]
    np.testing.assert_allclose(bandpass(x, 30.0, 0.7, 4.0), expected, atol=1e-8 * np.abs(x).max())


def test_gain_is_the_square_of_the_digital_filter():
    freq = np.linspace(0, 15, 301)
    sos = butter(3, [0.7, 4.0], "bandpass", fs=30.0, output="sos")
    response = freqz_sos(sos, freq, fs=30.0)[1]
    np.testing.assert_allclose(butterworth_gain(freq, 30.0, 0.7, 4.0), np.abs(response) ** 2, atol=1e-9)


@given(st.integers(0, 2**31), st.integers(3, 90), st.integers(1, 5))
def test_rows_do_not_know_one_another(seed, count, rows):
    x = wander(rows, count, seed)
    together = bandpass(x, 30.0, 0.7, 4.0)
    assert all(np.array_equal(together[k], bandpass(x[k], 30.0, 0.7, 4.0)) for k in range(rows))
    assert np.array_equal(bandpass(x.T, 30.0, 0.7, 4.0, axis=0).T, together)
    drift = detrend(x, 30.0, 0.5)
    assert all(np.array_equal(drift[k], detrend(x[k], 30.0, 0.5)) for k in range(rows))


@given(st.integers(0, 2**31), st.floats(-5, 5), st.floats(-5, 5))
def test_bandpass_ignores_lines_and_is_linear(seed, offset, slope):
    x = wander(1, 200, seed)[0]
    clean = bandpass(x, 30.0, 0.7, 4.0)
    np.testing.assert_allclose(bandpass(x + offset + slope * np.arange(200), 30.0, 0.7, 4.0), clean, atol=1e-9)
    np.testing.assert_allclose(bandpass(-3 * x, 30.0, 0.7, 4.0), -3 * clean, atol=1e-9)


def test_bandpass_has_no_phase():
    t = np.arange(900) / 30
    wave = np.sin(2 * np.pi * 1.5 * t)
    ours = bandpass(wave, 30.0, 0.7, 4.0)
    np.testing.assert_allclose(ours[150:-150], wave[150:-150], atol=2e-3)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_short_is_silent(count):
    assert np.array_equal(bandpass(np.ones(count), 30.0, 0.7, 4.0), np.zeros(count))
    assert np.array_equal(detrend(np.ones(count), 30.0, 0.5), np.zeros(count))


def test_constant_is_silent():
    assert not bandpass(np.full((2, 50), 163.1), 30.0, 0.7, 4.0).any()
    assert not detrend(np.full(50, 163.1), 30.0, 0.5).any()


def test_band_at_and_beyond_nyquist():
    x = wander(1, 1200)[0]
    high_pass = butter(3, 0.7, "highpass", fs=6.0, output="sos")
    ours = bandpass(x, 6.0, 0.7, 4.0)
    np.testing.assert_allclose(ours[300:-300], sosfiltfilt(high_pass, x)[300:-300], atol=1e-6)
    assert not bandpass(x, 1.0, 0.7, 4.0).any()
    assert np.isfinite(bandpass(x, 8.0, 0.7, 3.999999)).all()


@pytest.mark.parametrize(
    "bad",
    [(30.0, 0.0, 4.0, 3), (30.0, 4.0, 0.7, 3), (0.0, 0.7, 4.0, 3), (float("nan"), 0.7, 4.0, 3), (30.0, 0.7, 4.0, 0)],
)
def test_senseless_bands_are_refused(bad):
    rate, low, high, order = bad
    with pytest.raises(UsageError, match="0 < low_hz < high_hz"):
        bandpass(np.ones(10), rate, low, high, order)


@pytest.mark.parametrize("count", [3, 4, 5, 60])
@pytest.mark.parametrize("lam", [1.0, 25.0, 100.0])
def test_detrend_is_the_dense_inverse(count, lam):
    x = wander(2, count)
    second = np.diff(np.eye(count), 2, axis=0)
    trend = x @ np.linalg.inv(np.eye(count) + lam**2 * second.T @ second)
    np.testing.assert_allclose(detrend_lambda(x, lam), x - trend, atol=1e-7)
    np.testing.assert_allclose(detrend_lambda(x.T, lam, axis=0).T, x - trend, atol=1e-7)


@pytest.mark.parametrize("rate", [15.0, 30.0, 60.0])
@pytest.mark.parametrize("cutoff", [0.3, 0.5, 1.0])
def test_detrend_halves_the_amplitude_at_the_cutoff(rate, cutoff):
    t = np.arange(round(120 * rate)) / rate
    wave = np.sin(2 * np.pi * cutoff * t)
    left = detrend(wave, rate, cutoff)
    middle = slice(len(t) // 4, -len(t) // 4)
    assert left[middle] @ wave[middle] / (wave[middle] @ wave[middle]) == pytest.approx(0.5, abs=1e-3)


def test_the_lambda_of_published_code():
    assert smoothness_lambda(0.4777, 30.0) == pytest.approx(100.0, rel=1e-3)
    assert smoothness_lambda(0.3184, 20.0) == pytest.approx(100.0, rel=1e-3)


@pytest.mark.parametrize("cutoff", [0.0, 15.0, -1.0])
def test_senseless_detrending_is_refused(cutoff):
    with pytest.raises(UsageError, match="cut-off"):
        detrend(np.ones(10), 30.0, cutoff)
    with pytest.raises(UsageError, match="positive"):
        detrend_lambda(np.ones(10), 0.0)
