"""Figures, waves and comparisons: oracles from numpy and scipy, laws, degenerate input."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from perfuse.bench.compare import compare, compare_all, holm, sign_flip
from perfuse.bench.metrics import agreement, bland_altman, intervals, mean
from perfuse.bench.waves import best_correlation, macc, periodogram, snr_db, warp
from perfuse.core.errors import UsageError

NAMES = [f"s{k:02d}" for k in range(12)]


def some(n=120, seed=0, spread=3.0):
    rng = np.random.default_rng(seed)
    reference = rng.uniform(50, 110, n)
    who = [NAMES[k % 12] for k in range(n)]
    person = dict(zip(NAMES, rng.standard_normal(12)))
    return reference + spread * rng.standard_normal(n) + [4 * person[w] for w in who], reference, who


# ---------------------------------------------------------------- agreement


def test_figures_by_numpy_and_scipy():
    x, y, who = some()
    a = agreement(x, y, who)
    assert a.mae.value == pytest.approx(np.abs(x - y).mean())
    assert a.rmse.value == pytest.approx(np.sqrt(((x - y) ** 2).mean()))
    assert a.mape.value == pytest.approx(100 * np.mean(np.abs(x - y) / y))
    assert a.bias.value == pytest.approx((x - y).mean())
    assert a.r.value == pytest.approx(stats.pearsonr(x, y)[0])
    assert a.answered.value == 1


def test_intervals_are_those_of_drawing_people_one_by_one():
    x, y, who = some(spread=1.0)
    got = agreement(x, y, who, draws=4000).mae
    rng = np.random.default_rng(1)
    groups = [np.abs(x - y)[np.array(who) == name] for name in NAMES]
    drawn = [np.concatenate([groups[k] for k in rng.integers(0, 12, 12)]).mean() for _ in range(4000)]
    assert got.se == pytest.approx(np.std(drawn), rel=0.06)
    assert (got.low, got.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), rel=0.03)
    # windows of one person share most of their error: taking them for independent would claim far too much
    alone = np.abs(x - y).std() / np.sqrt(len(x))
    assert got.se > 1.7 * alone


def test_intervals_hold_the_truth_as_often_as_they_claim():
    inside = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        person = np.repeat(rng.standard_normal(30), 4)
        error = person + 0.5 * rng.standard_normal(120)
        got = agreement(70 + error, np.full(120, 70.0), np.repeat(np.arange(30), 4).astype(str).tolist(), draws=300)
        inside += got.bias.low <= 0 <= got.bias.high
    assert 0.88 <= inside / 150 <= 0.98


def test_same_seed_same_bits_whatever_the_order():
    x, y, who = some()
    order = np.random.default_rng(2).permutation(len(x))
    assert agreement(x, y, who) == agreement(x[order], y[order], [who[k] for k in order])
    assert agreement(x, y, who, seed=1).mae.low != agreement(x, y, who, seed=2).mae.low


def test_perfect_predictions():
    _, y, who = some()
    a = agreement(y, y, who)
    for figure in (a.mae, a.rmse, a.mape, a.bias):
        assert (figure.value, figure.se, figure.low, figure.high) == (0, 0, 0, 0)
    assert a.r.value == pytest.approx(1)


@settings(max_examples=25)
@given(shift=st.floats(-50, 50), gain=st.floats(0.1, 10), seed=st.integers(0, 20))
def test_figures_shift_and_scale(shift, gain, seed):
    x, y, who = some(36, seed)
    one = agreement(x, y, who, draws=50)
    moved = agreement(x + shift, y + shift, who, draws=50)
    scaled = agreement(gain * x, gain * y, who, draws=50)
    assert moved.mae.value == pytest.approx(one.mae.value, rel=1e-6)
    assert moved.r.value == pytest.approx(one.r.value, rel=1e-6)
    assert scaled.rmse.value == pytest.approx(gain * one.rmse.value)
    assert scaled.mape.value == pytest.approx(one.mape.value)
    assert scaled.r.low == pytest.approx(one.r.low, rel=1e-6)
    assert abs(one.bias.value) <= one.mae.value <= one.rmse.value + 1e-12
    assert agreement(-x, -y, who, draws=50).mae.value == pytest.approx(one.mae.value)


def test_unanswered_and_unreferenced_windows():
    x, y, who = some()
    x[:30] = np.nan
    y[20:40] = np.nan
    a = agreement(x, y, who)
    assert a.mae.n == 80
    assert a.answered.value == pytest.approx(80 / 100)
    assert a.mae.value == pytest.approx(np.abs(x - y)[40:].mean())


def test_too_little_gives_reasons():
    none = agreement(np.array([]), np.array([]), [])
    assert none.mae.value is None
    assert "no window" in none.mae.reason
    two = agreement(np.array([60.0, 70.0]), np.array([61.0, 72.0]), ["a", "b"])
    assert two.mae.value == 1.5
    assert two.mae.se is None
    assert two.mae.reason == "no interval: 2 subjects, needs 5"
    assert two.r.value is None
    same = agreement(np.full(9, 60.0), np.arange(9.0) + 60, NAMES[:9])
    assert same.r.value is None
    assert "same" in same.r.reason
    zero = agreement(np.arange(6.0), np.arange(6.0), NAMES[:6])
    assert zero.mape.value is None
    assert zero.mae.value == 0
    with pytest.raises(UsageError, match="one entry"):
        agreement(np.zeros(3), np.zeros(4), NAMES[:3])


def test_bland_and_altman():
    x, y, _ = some()
    got = bland_altman(x, y)
    assert got.bias == pytest.approx((x - y).mean())
    assert got.high - got.low == pytest.approx(2 * 1.96 * np.std(x - y, ddof=1))
    assert bland_altman(np.array([1.0]), np.array([2.0])) is None


def test_stated_intervals():
    rng = np.random.default_rng(0)
    n = 6000
    y = rng.standard_normal(n) * 2 + 70
    who = [NAMES[k % 12] for k in range(n)]
    scores = {}
    for z in (1.0, 1.645, 2.5):
        got = intervals(np.full(n, 70 - 2 * z), np.full(n, 70 + 2 * z), y, who, draws=200)
        assert got.coverage.value == pytest.approx(stats.norm.cdf(z) - stats.norm.cdf(-z), abs=0.015)
        assert got.width.value == pytest.approx(4 * z)
        scores[z] = got.score.value
    # only the true quantiles are best
    assert scores[1.645] < min(scores[1.0], scores[2.5])
    one = intervals(np.array([60.0]), np.array([64.0]), np.array([67.0]), ["a"])
    assert one.score.value == pytest.approx(4 + 20 * 3)
    assert one.coverage.value == 0
    edge = intervals(np.array([60.0, np.nan]), np.array([64.0, 1.0]), np.array([64.0, 1.0]), ["a", "b"])
    assert (edge.coverage.value, edge.coverage.n) == (1, 1)
    with pytest.raises(UsageError, match="between 0 and 1"):
        intervals(np.zeros(1), np.zeros(1), np.zeros(1), ["a"], level=90)


def test_means_ignore_what_is_not_there():
    assert mean(np.array([1.0, np.nan, 3.0, -np.inf]), list("abcd")).value == 2
    assert mean(np.array([np.nan]), ["a"]).value is None


# ---------------------------------------------------------------- waves


def slow_macc(x, y):
    return max(abs(np.corrcoef(x, np.roll(y, lag))[0, 1]) for lag in range(len(x) - 1))


@pytest.mark.parametrize("n", [2, 3, 10, 97, 256])
def test_macc_is_the_largest_of_all_correlations(n):
    rng = np.random.default_rng(n)
    x, y = rng.standard_normal((2, n)) + 100
    assert macc(x, y) == pytest.approx(slow_macc(x, y), abs=1e-9)
    assert macc(np.append(x, 5.0), y) == pytest.approx(macc(x, y), abs=1e-9)


def test_macc_never_tries_the_last_shift():
    # a wave that fits only when rolled by N - 1
    x = np.random.default_rng(0).standard_normal(40)
    assert macc(x, np.roll(x, -39)) < 0.9
    assert macc(x, np.roll(x, -38)) == pytest.approx(1)


@settings(max_examples=40)
@given(
    wave=arrays(float, (2, 30), elements=st.floats(-100, 100)),
    gain=st.floats(0.01, 100),
    offset=st.floats(-100, 100),
)
def test_macc_is_bounded_and_blind_to_gain_offset_and_sign(wave, gain, offset):
    x, y = wave
    assume(x.std() > 1e-3)
    assume(y.std() > 1e-3)
    value = macc(x, y)
    assert 0 <= value <= 1
    assert macc(-gain * x + offset, y) == pytest.approx(value, abs=1e-6)
    assert macc(x, x) == pytest.approx(1)


def test_macc_of_nothing():
    for x in (np.zeros(9), np.full(9, np.nan), np.ones(1), np.zeros(0)):
        assert np.isnan(macc(x, np.arange(float(len(x)))))


def test_signal_to_noise_of_two_sines():
    rate, n = 32.0, 1024
    t = np.arange(n) / rate
    wave = np.sin(2 * np.pi * 1.25 * t) + 0.5 * np.sin(2 * np.pi * 2.0 * t)
    freq, power = periodogram(wave, rate)
    assert snr_db(freq, power, 1.25, (0.6, 3.3)) == pytest.approx(10 * np.log10(1 / 0.25), abs=0.01)
    # the double of 1 Hz is the sine at 2 Hz, though the band ends below it
    assert snr_db(freq, power, 1.0, (0.6, 1.5)) == pytest.approx(10 * np.log10(0.25), abs=0.01)
    assert snr_db(freq, 0 * power, 1.25, (0.6, 3.3)) == 0
    assert snr_db(freq, np.where(freq > 3, power + 1, 0.0), 1.0, (0.6, 3.3)) == -np.inf


def test_periodogram_is_scipys():
    from scipy.signal import periodogram as theirs

    for n in (10, 64, 301):
        x = np.random.default_rng(n).standard_normal(n)
        freq, power = theirs(x, 30.0, nfft=1 << (n - 1).bit_length(), detrend=False)
        ours = periodogram(x, 30.0)
        np.testing.assert_array_equal(ours[0], freq)
        np.testing.assert_allclose(ours[1], power, rtol=1e-12, atol=1e-300)


def test_best_correlation_finds_the_lag_and_keeps_the_sign():
    t = np.arange(600) / 30
    y = np.sin(2 * np.pi * 1.1 * t) + 0.3 * np.random.default_rng(0).standard_normal(600)
    late = np.roll(y, 6)
    r, lag = best_correlation(late[10:-10], y[10:-10], 30.0)
    assert (r, lag) == (pytest.approx(1), pytest.approx(0.2))
    r, lag = best_correlation(-y, y, 30.0, reach_s=0.1)
    assert r < 0
    r, lag = best_correlation(y, y, 30.0)
    assert (r, lag) == (pytest.approx(1), 0)
    assert np.isnan(best_correlation(np.zeros(60), y[:60], 30.0)).all()
    assert np.isnan(best_correlation(np.zeros(2), np.ones(2), 30.0)).all()


def slow_warp(x, y, reach):
    """Dynamic time warping cell by cell: cost and the path's squared shifts."""
    n = len(x)
    x, y = ((v - v.mean()) / v.std() for v in (x, y))
    total = np.full((n, n), np.inf)
    for i, j in itertools.product(range(n), range(n)):
        if abs(i - j) <= reach:
            step = (x[i] - y[j]) ** 2
            before = [
                total[i - 1, j - 1] if i and j else np.inf,
                total[i - 1, j] if i else np.inf,
                total[i, j - 1] if j else np.inf,
            ]
            total[i, j] = step + (min(before) if i or j else 0.0)
    i = j = n - 1
    shifts = [0]
    while i or j:
        options = [
            (total[i - 1, j - 1] if i and j else np.inf, 0, i - 1, j - 1),
            (total[i - 1, j] if i else np.inf, 1, i - 1, j),
            (total[i, j - 1] if j else np.inf, 2, i, j - 1),
        ]
        _, _, i, j = min(options)
        shifts.append(i - j)
    return total[-1, -1] / n, sum(s * s for s in shifts) / n**2


@pytest.mark.parametrize(("n", "reach"), [(2, 1), (7, 2), (40, 5), (40, 60), (90, 8)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_warping_equals_the_slow_way(n, reach, seed):
    x, y = np.random.default_rng(seed).standard_normal((2, n))
    got = warp(x, y, 30.0, reach / 30)
    assert (got.cost, got.tdi) == pytest.approx(slow_warp(x, y, reach), rel=1e-9, abs=1e-12)


def test_warping_tells_shifts():
    t = np.arange(600) / 30
    y = np.sin(2 * np.pi * 1.1 * t)
    assert warp(y, 5 * y + 3, 30.0).tdi == 0
    assert warp(y, 5 * y + 3, 30.0).cost == pytest.approx(0, abs=1e-12)
    shifted = [warp(np.sin(2 * np.pi * 1.1 * (t - lag / 30)), y, 30.0) for lag in (1, 3, 6)]
    assert [round(30 * w.shift_s) for w in shifted] == [1, 3, 6]
    # the index: sum over the path of (i - j)**2 / N**2, so about lag**2 / N
    assert [w.tdi for w in shifted] == pytest.approx([1 / 600, 9 / 600, 36 / 600], rel=0.12)
    for bad in (np.zeros(600), np.full(600, np.nan)):
        assert np.isnan(warp(bad, y, 30.0).tdi)
    assert np.isnan(warp(y[:1], y[:1], 30.0).cost)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), gain=st.floats(0.1, 10), offset=st.floats(-10, 10))
def test_warping_is_blind_to_gain_and_bounded_by_the_band(seed, gain, offset):
    x, y = np.random.default_rng(seed).standard_normal((2, 60))
    one, two = warp(x, y, 30.0, 0.2), warp(gain * x + offset, y, 30.0, 0.2)
    assert two.cost == pytest.approx(one.cost, rel=1e-6)
    assert one.shift_s <= 0.2 + 1e-9
    assert warp(x, y, 30.0, 0.4).cost <= one.cost + 1e-12
    assert warp(y, x, 30.0, 0.2).cost == pytest.approx(one.cost)


# ---------------------------------------------------------------- comparisons


def test_a_clear_winner_and_a_tie():
    x, y, who = some(spread=1.0)
    worse = 3 * (x - y)
    got = compare(x - y, worse, who)
    assert got.difference.value == pytest.approx((np.abs(x - y) - np.abs(worse)).mean())
    assert got.difference.high < 0
    assert got.p == 2 / 2**12
    assert got.p_wilcoxon == pytest.approx(2 / 2**12)
    assert (got.windows, got.subjects) == (120, 12)
    tie = compare(x - y, y - x, who)
    assert (tie.difference.value, tie.p, tie.p_wilcoxon) == (0, 1.0, None)
    back = compare(worse, x - y, who)
    assert back.difference.value == -got.difference.value
    assert back.p == got.p


def test_sign_flips_equal_scipys_permutations():
    sums = np.random.default_rng(4).standard_normal(9) + 0.4
    theirs = stats.permutation_test(
        (sums,), lambda s, axis: s.sum(axis), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip(sums) == pytest.approx(theirs.pvalue)
    many = np.random.default_rng(5).standard_normal(40) + 0.3
    exact = stats.ttest_1samp(many, 0).pvalue
    assert sign_flip(many) == pytest.approx(exact, abs=0.02)
    assert sign_flip(many) == sign_flip(many[::-1])
    assert sign_flip(np.array([3.0])) is None
    assert sign_flip(np.zeros(5)) == 1


def test_sign_flips_are_honest_under_no_difference():
    rng = np.random.default_rng(0)
    p = np.array([sign_flip(rng.standard_normal(10)) for _ in range(400)])
    assert 0.02 < np.mean(p <= 0.05) < 0.085
    assert 0.42 < np.mean(p <= 0.5) < 0.58


def test_windows_that_only_one_answers_are_told():
    x, y, who = some()
    first, second = x - y, 2 * (x - y)
    first[:7] = np.nan
    second[5:10] = np.nan
    got = compare(first, second, who)
    assert (got.windows, got.only_first, got.only_second) == (110, 3, 5)
    nothing = compare(np.full(4, np.nan), np.zeros(4), list("abcd"))
    assert nothing.difference.value is None
    assert nothing.p is None
    with pytest.raises(UsageError, match="one of each"):
        compare(np.zeros(3), np.zeros(2), list("abc"))


def test_holm():
    # textbook example: 0.01, 0.04, 0.03, 0.005 become 0.03, 0.06, 0.06, 0.02
    assert holm([0.01, 0.04, None, 0.03, 0.005]) == pytest.approx([0.03, 0.06, None, 0.06, 0.02], nan_ok=True)
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), max_size=9))
def test_holm_only_raises_and_keeps_order(values):
    got = holm(values)
    assert all(a >= b for a, b in zip(got, values))
    assert all(a <= 1 for a in got)
    order = np.argsort(values, kind="stable")
    assert all(got[a] <= got[b] for a, b in itertools.pairwise(order))


def test_many_methods_against_one():
    x, y, who = some()
    noise = np.random.default_rng(9).standard_normal(120)
    errors = {"pos": x - y, "green": 2 * (x - y), "chrom": x - y + 0.1 * noise}
    got = compare_all(errors, who, "pos")
    assert list(got) == ["green", "chrom"]
    assert got["green"].difference.low > 0
    assert [c.p_holm for c in got.values()] == holm([c.p for c in got.values()])
    with pytest.raises(UsageError, match="green"):
        compare_all(errors, who, "omit")
