"""Sensors on the body: each fault is what it says, in the share it says, and the clean truth stays beside it."""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch
from scipy.stats import chisquare

from perfuse.core.errors import UsageError
from perfuse.synth.physiology.heart import beat
from perfuse.synth.physiology.lungs import breathe
from perfuse.synth.sensors.belt import belt
from perfuse.synth.sensors.contact import FAULTS, SHARES, contact_ppg, mixture
from perfuse.synth.sensors.ecg import ecg, heart_rate_column, spo2_column
from perfuse.synth.sensors.faults import DURATIONS, STATES, chain, disturb, gaps


@dataclass(frozen=True)
class Metronome:
    """A heart without variation that knows neither R peaks nor contact sites."""

    hz: float = 1.2

    @property
    def beats_s(self):
        return np.arange(-12.0, 900.0, 1.0 / self.hz)

    def at(self, time_s):
        turn = 2.0 * np.pi * self.hz * np.asarray(time_s)
        return 0.45 * np.sin(turn) + 0.15 * np.sin(2 * turn + 0.6) + 0.07 * np.sin(3 * turn + 1.0)


@dataclass(frozen=True)
class Bellows:
    """Lungs without variation."""

    hz: float = 0.25

    def at(self, time_s):
        return 0.5 - 0.5 * np.cos(2.0 * np.pi * self.hz * np.asarray(time_s))


HEART, LUNGS = Metronome(), Bellows()


def record(seed, duration_s=60.0, **options):
    return contact_ppg(np.random.default_rng(seed), HEART, LUNGS, duration_s, **options)


def person(seed, duration_s, per_minute=None, **options):
    rng = np.random.default_rng([seed, 3])
    lungs = breathe(rng, 15.0, 12.0, duration_s)
    rate = float(np.clip(rng.normal(75.0, 15.0), 45.0, 140.0)) if per_minute is None else per_minute
    return beat(rng, rate, lungs, duration_s, **options), lungs


def lag_of(values, reference, rate_hz, most_s=0.6):
    """How much later ``values`` is, by the highest correlation, to a fraction of a sample."""
    values, reference = values - values.mean(), reference - reference.mean()
    hops = np.arange(-round(most_s * rate_hz), round(most_s * rate_hz) + 1)
    edge = len(hops)
    score = np.array([np.dot(values[edge + h : len(values) - edge + h], reference[edge:-edge]) for h in hops])
    top = int(np.clip(score.argmax(), 1, len(score) - 2))
    a, b, c = score[top - 1 : top + 2]
    return (hops[top] + 0.5 * (a - c) / (a - 2 * b + c)) / rate_hz


def rate_of(values, rate_hz):
    values = (values - values.mean()) * np.hanning(len(values))
    freq = np.fft.rfftfreq(1 << 16, 1 / rate_hz)
    size = np.abs(np.fft.rfft(values, 1 << 16))
    band = (freq > 0.6) & (freq < 3.5)
    return freq[band][size[band].argmax()]


# --- contact sensor ----------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(FAULTS),
    st.floats(1.0, 40.0),
    st.sampled_from([20.0, 64.0, 125.0]),
    st.sampled_from(["finger", "ear"]),
)
def test_the_same_seed_gives_the_same_recording(seed, fault, duration_s, rate_hz, site):
    options = {"fault": fault, "rate_hz": rate_hz, "site": site, "other": Metronome(1.7)}
    one, two = (record(seed, duration_s, **options) for _ in range(2))
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.valid, two.valid)
    count = round(duration_s * rate_hz)
    assert all(len(x) == count for x in (one.times_s, one.values, one.valid, one.clean, one.state, one.sampled_s))
    assert np.isfinite(one.values[one.valid]).all()
    assert one.fault == fault
    # The truth does not depend on the fault.
    np.testing.assert_array_equal(one.clean, record(seed + 1, duration_s, rate_hz=rate_hz, site=site).clean)


def test_clean_is_clean():
    for seed in range(20):
        found = record(seed)
        assert found.delay_s == 0.0
        assert found.valid.all()
        assert not found.state.any()
        assert np.corrcoef(found.values, found.clean)[0, 1] > 0.99
        assert 2 < len(np.unique(found.values)) < 2**16


def test_delays_are_where_they_are_said_to_be():
    drawn = []
    for seed in range(40):
        found = record(seed, fault="delay")
        drawn.append(found.delay_s)
        behind = lag_of(found.values, found.clean, 64.0)
        mean_error = float(np.mean(found.times_s - found.sampled_s))  # clock errors included
        assert behind == pytest.approx(mean_error, abs=0.012)
        assert mean_error == pytest.approx(found.delay_s, abs=0.11)
    drawn = np.array(drawn)
    assert drawn.mean() == pytest.approx(0.16, abs=0.06)  # 60 ms of physiology and 100 ms of device on average
    assert drawn.min() < 0.05
    assert drawn.max() > 0.25
    asked = record(1, delay_s=0.3)
    assert lag_of(asked.values, asked.clean, 64.0) == pytest.approx(0.3, abs=0.003)


def test_contact_site_of_the_heart_is_used_where_it_has_one():
    heart, lungs = person(1, 30.0)
    for site in ("finger", "ear"):
        found = contact_ppg(np.random.default_rng(0), heart, lungs, 30.0, site=site)
        np.testing.assert_array_equal(found.clean, heart.contact_at(found.times_s, site))
    with pytest.raises(UsageError):
        contact_ppg(np.random.default_rng(0), heart, lungs, 30.0, site="toe")


@pytest.mark.parametrize(("preset", "share"), [("light", 0.12), ("medium", 0.33), ("heavy", 0.67)])
def test_bursts_take_their_share_of_the_time(preset, share):
    time = np.arange(0.0, 40_000.0, 0.25)
    state = chain(np.random.default_rng(1), time, *DURATIONS[preset])
    assert np.mean(state > 0) == pytest.approx(share, abs=0.025)
    shares = np.bincount(state[state > 0], minlength=len(STATES))[1:] / np.count_nonzero(state)
    assert shares == pytest.approx(np.full(4, 0.25), abs=0.05)
    changes = np.flatnonzero(np.diff(state)) + 1
    stretches = np.split(state, changes)[1:-1]
    clean = [0.25 * len(part) for part in stretches if part[0] == 0]
    assert np.mean(clean) == pytest.approx(DURATIONS[preset][0], rel=0.1)
    # Short recordings have the same share: they do not all begin clean.
    short = [np.mean(record(seed, 10.0, fault="bursts", burst=preset).state > 0) for seed in range(400)]
    assert np.mean(short) == pytest.approx(share, abs=0.06)


def test_disturbances_have_size_and_colour():
    rate_hz, count = 64.0, 64 * 600
    pulse = HEART.at(np.arange(count) / rate_hz)
    sizes = []
    for kind in (1, 2, 3):
        slopes = []
        for seed in range(20):
            state = np.full(count, kind, np.int8)
            added = disturb(np.random.default_rng(seed), pulse, state, rate_hz) - pulse
            sizes.append(added.std() / pulse.std())
            freq, power = welch(added, rate_hz, nperseg=2048)
            band = (freq > 0.8) & (freq < 20)
            slopes.append(10 * np.polyfit(np.log10(freq[band]), np.log10(power[band]), 1)[0])
        assert -26.5 < min(slopes) < max(slopes) < -13.5
    assert np.median(sizes) == pytest.approx(1.3, abs=0.4)  # gamma with shape 2 to 3 and scale 0.5 to 0.7
    poor = disturb(np.random.default_rng(0), pulse, np.full(count, 4, np.int8), rate_hz)
    assert 0.1 <= poor.std() / pulse.std() <= 0.41


def test_bursts_leave_the_rest_alone():
    found = record(3, 120.0, fault="bursts", burst="medium")
    calm = found.state == 0
    assert 0 < calm.mean() < 1
    assert np.corrcoef(found.values[calm], found.clean[calm])[0, 1] > 0.98
    moved = (found.state > 0) & (found.state < 4)
    error = found.values - found.clean
    assert error[moved].std() > 5 * error[calm].std()


def test_drift_wanders_and_steps():
    wander, gains = [], []
    for seed in range(40):
        found = record(seed, 120.0, fault="drift")
        height = np.ptp(found.clean)
        kernel = np.ones(320) / 320  # 5 s: whole beats and breaths, nearly
        wander.append(np.std(np.convolve(found.values, kernel, "valid")) / height)
        parts = found.values.reshape(12, -1), found.clean.reshape(12, -1)
        slopes = [np.polyfit(np.diff(c), np.diff(v), 1)[0] for v, c in zip(*parts, strict=True)]
        gains.append(max(slopes) / min(slopes))
    assert 0.1 < np.median(wander) < 1.0
    assert max(wander) > 0.6
    assert np.median(gains) > 1.3
    assert max(gains) < 5.5  # 4, and steps within a part


def test_swapped_is_somebody_else():
    for seed in range(5):
        found = record(seed, fault="swapped", other=Metronome(1.7))
        assert rate_of(found.values, 64.0) == pytest.approx(1.7, abs=0.01)
        assert rate_of(found.clean, 64.0) == pytest.approx(1.2, abs=0.01)
    rates = [60 * rate_of(record(seed, fault="swapped").values, 64.0) for seed in range(12)]
    assert np.ptp(rates) > 10  # drawn anew for each
    assert np.std(rates) < 40


def test_dead_has_no_pulse():
    for seed in range(20):
        found = record(seed, fault="dead")
        assert found.values.std() < 0.1 * np.ptp(found.clean)
        assert abs(np.corrcoef(np.diff(found.values), np.diff(found.clean))[0, 1]) < 0.1


def test_clipped_has_rails():
    seen = set()
    for seed in range(60):
        found = record(seed, fault="clipped")
        kept = np.ptp(found.values) / np.ptp(found.clean)
        assert 0.55 < kept < 1.1  # of a range to which noise has come
        low, high = found.values.min(), found.values.max()
        top, bottom = np.mean(found.values == high), np.mean(found.values == low)
        seen |= {name for name, share in (("top", top), ("bottom", bottom)) if share > 0.05}
        assert max(top, bottom) > 0.005
    assert seen == {"top", "bottom"}


def test_gaps_are_marked_and_short():
    values = np.sin(np.arange(64 * 300) * 0.1) + 5.0
    styles, shares = set(), []
    for seed in range(60):
        out, valid = gaps(np.random.default_rng(seed), values, 64.0)
        np.testing.assert_array_equal(out[valid], values[valid])
        shares.append(np.mean(~valid))
        lost = out[~valid]
        styles.add("nan" if np.isnan(lost).all() else "zero" if not lost.any() else "hold")
        runs = np.split(valid, np.flatnonzero(np.diff(valid.astype(int))) + 1)
        assert min(len(run) for run in runs if not run[0]) >= 0.5 * 64 - 1
    assert styles == {"nan", "zero", "hold"}
    assert 0 < min(shares) <= max(shares) <= 0.05
    assert np.mean(shares) > 0.015


def test_mixture_has_its_shares():
    rng = np.random.default_rng(0)
    drawn = [mixture(rng) for _ in range(4000)]
    assert sum(SHARES.values()) == pytest.approx(1.0)
    assert SHARES["swapped"] + SHARES["dead"] == pytest.approx(0.10)
    counts = [drawn.count(name) for name in SHARES]
    assert chisquare(counts, 4000 * np.array(list(SHARES.values()))).pvalue > 0.001


@pytest.mark.parametrize(
    "wrong",
    [
        {"duration_s": 0.0},
        {"rate_hz": 2.0},
        {"site": "nose"},
        {"fault": "broken"},
        {"burst": "huge"},
        {"delay_s": 5.0},
    ],
)
def test_bad_parameters_are_refused(wrong):
    with pytest.raises(UsageError):
        contact_ppg(np.random.default_rng(0), HEART, LUNGS, **({"duration_s": 10.0} | wrong))
    for other in (belt, lambda rng, _, **o: ecg(rng, HEART, **o)):
        with pytest.raises(UsageError):
            other(np.random.default_rng(0), LUNGS, duration_s=10.0, rate_hz=0.0)


# --- belt --------------------------------------------------------------------------------------------------------


def test_belt_follows_the_lungs():
    for seed in range(30):
        found = belt(np.random.default_rng(seed), LUNGS, 120.0, heart=HEART)
        assert 0.0 <= found.delay_s <= 0.3
        steady = found.values - np.convolve(np.pad(found.values, 128, "reflect"), np.ones(257) / 257, "valid")
        assert lag_of(steady, found.clean, 32.0) == pytest.approx(found.delay_s, abs=0.12)
        assert np.corrcoef(steady, found.clean)[0, 1] > 0.8
    late = belt(np.random.default_rng(0), LUNGS, 120.0, delay_s=0.5)
    assert late.delay_s == 0.5


def test_some_belts_saturate():
    found = [belt(np.random.default_rng(seed), LUNGS, 20.0) for seed in range(200)]
    railed = [b for b in found if b.saturated.any()]
    assert 0.04 < len(railed) / 200 < 0.18
    for one in railed:
        assert np.ptp(one.values[one.saturated]) == 0
        assert one.values[~one.saturated].max() <= one.values[one.saturated][0]


# --- electrocardiogram and columns -------------------------------------------------------------------------------


@pytest.mark.parametrize("rate_hz", [250.0, 500.0])
def test_r_peaks_can_be_found(rate_hz):
    neurokit = pytest.importorskip("neurokit2")
    hits, wanted, found_in_all = 0, 0, 0
    for seed in range(6):
        heart, lungs = person(seed, 60.0)
        lead = ecg(np.random.default_rng(seed), heart, 60.0, rate_hz=rate_hz, lungs=lungs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, info = neurokit.ecg_peaks(neurokit.ecg_clean(lead.values_mv, rate_hz), sampling_rate=rate_hz)
        found = np.asarray(info["ECG_R_Peaks"]) / rate_hz
        truth = lead.r_peaks_s[(lead.r_peaks_s > 0.5) & (lead.r_peaks_s < 59.5)]
        near = np.abs(truth[:, None] - found[None, :]).min(axis=1)
        hits += np.count_nonzero(near < 0.02)
        wanted += len(truth)
        found_in_all += np.count_nonzero((found > 0.5) & (found < 59.5))
    assert hits >= 0.99 * wanted
    assert found_in_all <= 1.01 * wanted


def test_ecg_uses_the_r_peaks_of_the_heart():
    heart, _ = person(2, 20.0)
    lead = ecg(np.random.default_rng(0), heart, 20.0, rate_hz=500.0)
    inside = heart.r_peaks_s[(heart.r_peaks_s >= 0) & (heart.r_peaks_s <= lead.times_s[-1])]
    np.testing.assert_array_equal(lead.r_peaks_s, inside)
    around = np.round(inside[1:-1] * 500).astype(int)
    for index in around:
        part = lead.values_mv[index - 20 : index + 21]
        assert abs(int(part.argmax()) - 20) <= 2
    guessed = ecg(np.random.default_rng(0), HEART, 20.0)
    assert guessed.r_peaks_s == pytest.approx(
        HEART.beats_s[(HEART.beats_s > 0.2) & (HEART.beats_s < 20.19)] - 0.2, abs=1e-9
    )


def test_heart_rate_column_is_whole_late_and_smooth():
    times, rate = heart_rate_column(np.random.default_rng(0), HEART, 60.0)
    assert rate.dtype == np.int64
    assert len(times) == 60
    assert set(rate[20:].tolist()) == {72}

    class Step:
        """60 /min until 30 s, 120 /min from there."""

        beats_s = np.concatenate([np.arange(-12.0, 30.0, 1.0), np.arange(30.0, 100.0, 0.5)]) + 0.2

    times, rate = heart_rate_column(np.random.default_rng(0), Step(), 80.0, rate_hz=10.0, window_s=10.0, lag_s=4.0)
    assert set(rate[(times > 5) & (times < 33.9)].tolist()) == {60}
    assert times[rate >= 90][0] == pytest.approx(30.0 + 4.0 + 5.0, abs=0.3)
    assert set(rate[times > 44.2].tolist()) == {120}


def test_columns_of_many_people_stay_sensible():
    for seed in range(10):
        heart, _ = person(seed, 40.0)
        _, rate = heart_rate_column(np.random.default_rng(seed), heart, 40.0)
        true = 60.0 * np.count_nonzero((heart.beats_s > 0) & (heart.beats_s < 40.0)) / 40.0
        assert np.abs(rate - true).max() < 30
        _, spo2 = spo2_column(np.random.default_rng(seed), 40.0)
        assert 90 <= spo2.min() <= spo2.max() <= 100
        assert np.ptp(spo2) <= 3
