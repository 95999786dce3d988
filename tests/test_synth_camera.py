"""The camera: times of frames, processed noise, control loops, lamps, and the curve from light to levels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2ycbcr

from perfuse.core.errors import UsageError
from perfuse.synth.camera.control import MODES, exposure_gain, exposure_time, white_balance
from perfuse.synth.camera.encoders import REAL_CODECS, reencode
from perfuse.synth.camera.isp import develop, from_ycbcr, quantise, subsample_chroma, to_ycbcr
from perfuse.synth.camera.lamps import light_steps, mains_flicker, screen_light
from perfuse.synth.camera.noise import (
    _gathered,
    lagged,
    level_gain,
    noise_tile,
    noise_windows,
    shrink_tile,
    window_offsets,
)
from perfuse.synth.camera.timing import arrival_times, frame_times, stamps
from perfuse.synth.scene.light import TINT, draw_light
from perfuse.synth.settings import settle
from perfuse.video import open_source
from perfuse.video.write import write_video

FRAMES = np.arange(900) / 30.0


def rng(seed=0):
    return np.random.default_rng(seed)


# --- timing


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    rate=st.floats(5, 120),
    jitter=st.floats(0, 0.05),
    drop=st.floats(0, 0.5),
    duplicate=st.floats(0, 0.3),
    law=st.sampled_from(["normal", "gamma"]),
)
def test_times_start_at_nothing_and_never_go_back(seed, rate, jitter, drop, duplicate, law):
    times = frame_times(rng(seed), 4.0, rate, jitter, drop, duplicate=duplicate, law=law)
    nominal = (int(np.floor(4.0 * rate + 1e-9)) - 1) / rate
    assert times[0] == 0.0
    assert abs(times[-1] - nominal) <= 0.9 / rate + 1e-9
    assert np.all(np.diff(times) >= 0)
    assert times[-1] > times[-2]
    own = stamps(times)
    assert np.all(np.diff(own) > 0)
    fresh = np.diff(times, prepend=-1.0) > 0
    np.testing.assert_array_equal(own[fresh], times[fresh])
    if not duplicate:
        assert fresh.all()


def test_without_faults_times_are_nominal():
    np.testing.assert_allclose(frame_times(rng(), 10.0, 29.97), np.arange(299) / 29.97, atol=1e-12)
    slow = frame_times(rng(), 10.0, 30.0, clock_ppm=100.0)
    np.testing.assert_allclose(slow, np.arange(300) / 30.0 * 1.0001, atol=1e-12)


def test_faults_are_as_frequent_as_asked():
    times = frame_times(rng(), 2000.0, 30.0, 0.004, law="normal")
    off = times - np.arange(len(times)) / 30.0
    assert np.std(off) == pytest.approx(0.004, rel=0.03)
    late = frame_times(rng(), 2000.0, 30.0, 0.004, law="gamma") - np.arange(len(times)) / 30.0
    late -= late.mean()
    assert np.mean(late**3) / np.std(late) ** 3 > 0.8  # a gamma law of shape 2 has 1.41, clipped a little less
    lossy = frame_times(rng(), 2000.0, 30.0, drop=0.03)
    assert 1 - len(lossy) / 60000 == pytest.approx(0.03, rel=0.15)
    assert np.round(np.diff(lossy) * 30).max() >= 4  # bursts of three and more
    doubled = frame_times(rng(), 2000.0, 30.0, duplicate=0.01)
    assert np.mean(np.diff(doubled) == 0) == pytest.approx(0.01, rel=0.15)


def test_a_stretch_at_half_the_rate():
    times = frame_times(rng(), 20.0, 30.0, slow_s=(5.0, 10.0))
    gaps = np.diff(times)
    inside = (times[:-1] >= 5.0) & (times[1:] <= 10.0)
    np.testing.assert_allclose(gaps[inside], 2 / 30, atol=1e-9)
    np.testing.assert_allclose(gaps[times[1:] < 5.0], 1 / 30, atol=1e-9)


def test_arrival_is_late_and_in_order():
    times = frame_times(rng(), 60.0, 30.0, 0.003, 0.02, duplicate=0.02)
    arrived = arrival_times(rng(1), times)
    delay = arrived - stamps(times)
    assert np.all(np.diff(arrived) > 0)
    assert delay.min() >= 0.005 - 1e-12
    assert 0.030 < delay.max() < 0.060
    with pytest.raises(UsageError):
        arrival_times(rng(), times, delay_s=(0.04, 0.01))


@pytest.mark.parametrize(
    "bad", [{"jitter_s": -1}, {"drop": 1.0}, {"duplicate": float("nan")}, {"clock_ppm": 1e6}, {"law": "cauchy"}]
)
def test_times_refuse_what_is_out_of_range(bad):
    with pytest.raises(UsageError):
        frame_times(rng(), 10.0, 30.0, **bad)


# --- noise


def statistics(tile):
    """Ratios of the sds, autocorrelation of green at 1 to 4 pixels, gain of 8 x 8 averaging, R-G correlation."""
    noise = tile / 32.0
    sd = noise.std(axis=(1, 2))
    green = noise[1]
    shifted = [
        0.5 * (np.mean(green[:, :-k] * green[:, k:]) + np.mean(green[:-k] * green[k:])) / sd[1] ** 2
        for k in (1, 2, 3, 4)
    ]
    rows, cols = (n // 8 for n in green.shape)
    means = green[: rows * 8, : cols * 8].reshape(rows, 8, cols, 8).mean((1, 3))
    red_green = np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]
    return sd, np.array(shifted), sd[1] / means.std(), red_green


def test_noise_is_as_measured_on_a_phone():
    sd, near, gain, red_green = statistics(noise_tile(rng(), 512, 640, 1.0))
    np.testing.assert_allclose(sd, [1.1, 1.0, 1.4], rtol=0.02)
    np.testing.assert_allclose(near, [0.40, 0.15, 0.10, 0.06], atol=0.06)
    assert 2.5 <= gain <= 3.2
    assert 0.56 <= red_green <= 0.83


@pytest.mark.parametrize(("asked", "most"), [({"blue": 3.5}, 3.6), ({"blue": 3.5, "coarse": 0.4}, 2.6)])
def test_noise_of_poor_cameras(asked, most):
    sd, _, gain, _ = statistics(noise_tile(rng(), 384, 384, 2.5, **asked))
    np.testing.assert_allclose(sd, [2.75, 2.5, 8.75], rtol=0.02)
    assert 1.5 < gain < most


def test_colour_noise_can_be_set():
    correlations = [statistics(noise_tile(rng(), 256, 256, 1.0, colour=c))[3] for c in (0.5, 1.0, 2.0)]
    assert correlations[0] > 0.8 > correlations[1] > 0.5 > correlations[2]


def test_noise_needs_numbers_in_range():
    for bad in ({"sd": -1.0}, {"sd": 1.0, "coarse": 0.9}, {"sd": 1.0, "blue": 0.0}, {"sd": float("nan")}):
        with pytest.raises(UsageError):
            noise_tile(rng(), 64, 64, **bad)
    with pytest.raises(UsageError):
        noise_tile(rng(), 0, 64, 1.0)


@pytest.mark.parametrize("factor", [2.0, 2.5, 3.0])
def test_shrinking_is_the_mean_over_areas(factor):
    tile = noise_tile(rng(), 90, 75, 3.0)
    fine = np.repeat(np.repeat(tile.astype(float), 2, axis=1), 2, axis=2)  # half pixels: whole steps for 2.5
    step = round(2 * factor)
    rows, cols = (int(n / factor) for n in tile.shape[1:])
    expected = fine[:, : rows * step, : cols * step].reshape(3, rows, step, cols, step).mean((2, 4))
    np.testing.assert_allclose(shrink_tile(tile, factor), expected, atol=0.51)
    with pytest.raises(UsageError):
        shrink_tile(tile, 0.5)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), first=st.integers(-1, 40), count=st.integers(1, 60))
def test_a_frame_has_its_window_whatever_was_drawn_before(seed, first, count):
    shape = (3, 100, 140)
    every, flips = window_offsets(rng(seed), 120, shape, 60, 80, first=-1)
    some, mirrored = window_offsets(rng(seed), count, shape, 60, 80, first=first)
    np.testing.assert_array_equal(some, every[first + 1 : first + 1 + count])
    np.testing.assert_array_equal(mirrored, flips[first + 1 : first + 1 + count])


def test_windows_lie_everywhere_and_stay_inside():
    offsets, flips = window_offsets(rng(), 20000, (3, 100, 140), 60, 80)
    assert offsets.min() == 0
    np.testing.assert_array_equal(offsets.max(axis=0), [40, 60])
    np.testing.assert_allclose(np.bincount(offsets[:, 0]) / 20000, 1 / 41, rtol=0.25)
    np.testing.assert_allclose(np.bincount(flips) / 20000, 0.25, rtol=0.05)
    assert abs(np.corrcoef(offsets.T)[0, 1]) < 0.02
    with pytest.raises(UsageError):
        window_offsets(rng(), 3, (3, 50, 140), 60, 80)


def test_windows_are_cut_alike_by_every_library():
    torch = pytest.importorskip("torch")
    tile = noise_tile(rng(), 70, 90, 2.0)
    offsets, flips = window_offsets(rng(), 12, tile.shape, 40, 50)
    cut = noise_windows(tile, offsets, 40, 50, flips)
    k = int(np.flatnonzero(flips == 3)[0])
    top, left = offsets[k]
    np.testing.assert_array_equal(cut[k], tile[:, top : top + 40, left : left + 50][:, ::-1, ::-1])
    np.testing.assert_array_equal(noise_windows(torch.from_numpy(tile), offsets, 40, 50, flips).numpy(), cut)
    np.testing.assert_array_equal(_gathered(torch.from_numpy(tile), offsets, flips, 40, 50).numpy(), cut)
    assert noise_windows(tile, offsets, 40, 50).dtype == tile.dtype


def test_temporal_denoising_keeps_the_size_and_links_neighbours():
    noise = rng().standard_normal((400, 3, 20, 20)).astype(np.float32)
    mixed = lagged(noise, 0.4)
    assert mixed.shape == (399, 3, 20, 20)
    assert mixed.std() == pytest.approx(1.0, rel=0.01)
    linked = [np.mean(mixed[:-n] * mixed[n:]) for n in (1, 2)]
    np.testing.assert_allclose(linked, [0.4 * 0.6 / (0.4**2 + 0.6**2), 0.0], atol=0.01)
    np.testing.assert_array_equal(lagged(noise, 0.0), noise[1:])
    np.testing.assert_array_equal(lagged(noise[5:8], 0.4), mixed[5:7])


@pytest.mark.parametrize("contrast", [0.0, 0.25])
def test_noise_follows_the_level_as_electrons_through_the_curve_do(contrast):
    """Poisson electrons and read noise, developed: the spread of the levels, against level_gain."""
    well, read = 4000.0, 0.05
    light = np.array([0.01, 0.05, 0.2140, 0.5, 0.8])
    electrons = rng().poisson(well * light[:, None], (5, 40000)) + rng(1).normal(0, read * well**0.5, (5, 40000))
    level = develop((electrons / well).astype(np.float32), contrast=contrast)
    expected = level.std(axis=1)
    mean = develop(light.astype(np.float32), contrast=contrast)
    gain = level_gain(mean, read=read, contrast=contrast)
    np.testing.assert_allclose(gain / gain[2], expected / expected[2], rtol=0.04)
    assert level_gain(np.array([128.0]), read=read, contrast=contrast)[0] == pytest.approx(1.0)


# --- exposure and white balance


def test_a_locked_exposure_does_nothing():
    light = 0.2 * (1 + 0.3 * np.sin(FRAMES))
    np.testing.assert_array_equal(exposure_gain(light, FRAMES, mode="locked"), 1.0)
    np.testing.assert_allclose(exposure_gain(light, FRAMES, mode="locked", target=0.4), 2.0)


def test_exposure_settles_with_its_time_constant():
    light = np.where(FRAMES < 10.0, 0.2, 0.3)
    gain = exposure_gain(light, FRAMES, tau_s=1.0, dead_band=0.0, step=0.0)
    np.testing.assert_array_equal(gain[FRAMES < 10.0], 1.0)
    left = np.log(light * gain / 0.2)
    np.testing.assert_allclose(left[(FRAMES > 10.99) & (FRAMES < 11.05)] / np.log(1.5), np.exp(-1), atol=0.03)
    assert abs(left[-1]) < 1e-3


def test_exposure_follows_the_pulse_as_theory_says():
    """A first-order loop that measures one frame late: its transfer function at the pulse's frequency."""
    wave = 0.003 * np.sin(2 * np.pi * 1.2 * FRAMES)
    gain = exposure_gain(0.2 * np.exp(wave), FRAMES, tau_s=0.3, dead_band=0.0, step=0.0)
    share, z = 1 - np.exp(-1 / 30 / 0.3), np.exp(2j * np.pi * 1.2 / 30)
    kept = 1 - share / z / (1 - (1 - share) / z)
    settled = FRAMES >= 5.0  # whole periods from here on
    basis = np.exp(-2j * np.pi * 1.2 * FRAMES[settled])
    seen = 2j * np.mean((wave + np.log(gain))[settled] * basis) / 0.003
    assert seen == pytest.approx(kept, abs=0.01)


def test_exposure_waits_in_its_dead_band_and_moves_in_steps():
    light = 0.2 * np.exp(0.04 * np.sin(2 * np.pi * 0.3 * FRAMES))
    np.testing.assert_array_equal(exposure_gain(light, FRAMES, dead_band=0.05), 1.0)
    gain = exposure_gain(np.where(FRAMES < 5, 0.2, 0.35), FRAMES, dead_band=0.05, step=1 / 48)
    stops = np.log2(gain) * 48
    np.testing.assert_allclose(stops, np.round(stops), atol=1e-6)
    assert abs(np.log(0.35 * gain[-1] / 0.2)) < 0.05


def test_pumping_overshoots_and_the_slow_loop_does_not():
    light = np.where(FRAMES < 5, 0.2, 0.3)
    seen = {mode: light * exposure_gain(light, FRAMES, mode=mode) for mode in MODES}
    after = FRAMES > 5.5
    assert seen["pumping"][after].min() < 0.18
    assert seen["on"][after].min() > 0.19
    assert seen["slow"][after].min() > 0.199
    assert seen["slow"][(FRAMES > 7) & (FRAMES < 7.1)].max() > seen["on"][(FRAMES > 7) & (FRAMES < 7.1)].max()


def test_exposure_refuses_nonsense():
    for bad in ({"mode": "auto"}, {"tau_s": 0.0}, {"target": -1.0}):
        with pytest.raises(UsageError):
            exposure_gain(np.ones(900), FRAMES, **bad)
    with pytest.raises(UsageError):
        exposure_gain(np.zeros(900), FRAMES)
    with pytest.raises(UsageError):
        exposure_gain(np.ones(5), FRAMES)


def test_exposure_time_from_the_light():
    assert exposure_time(1000.0, 30.0) == (pytest.approx(0.0081), 1.0)
    time, gain = exposure_time(50.0, 30.0)
    assert time == pytest.approx(0.95 / 30)
    assert time * gain * 50.0 == pytest.approx(8.1)
    for lux in (20.0, 200.0, 600.0):
        time, gain = exposure_time(lux, 30.0, mains_hz=50.0)
        assert (time * 100) % 1 == pytest.approx(0.0, abs=1e-9)
        assert time * gain * lux == pytest.approx(8.1)
    with pytest.raises(UsageError):
        exposure_time(0.0, 30.0)


def test_white_balance_wanders_by_mode_and_follows_colour():
    sizes = {mode: white_balance(rng(3), FRAMES, mode) for mode in MODES}
    np.testing.assert_array_equal(sizes["locked"], 1.0)
    spread = [np.log(sizes[mode][:, [0, 2]]).std() for mode in MODES]
    assert spread[1] < spread[2] < spread[3] < 0.12
    for gains in sizes.values():
        np.testing.assert_array_equal(gains[0], 1.0)
        np.testing.assert_array_equal(gains[:, 1], 1.0)
    assert 10 < np.count_nonzero(np.diff(sizes["on"][:, 0])) < 200  # steps, not a glide
    redder = np.ones((900, 3))
    redder[FRAMES > 10.0, 0] = 1.3
    plain, followed = (white_balance(rng(3), FRAMES, "slow", colour=c) for c in (None, redder))
    change = np.log(followed[:, 0] / plain[:, 0])
    np.testing.assert_allclose(change[FRAMES <= 10.0], 0.0, atol=0.01)
    assert -0.7 * np.log(1.3) - 0.02 < change[-1] < -0.05
    with pytest.raises(UsageError):
        white_balance(rng(), FRAMES, "grey")


# --- lamps


@pytest.mark.parametrize(
    ("exposure_s", "at_50", "at_60"),
    [(1 / 30, 0.083, 0.0), (1 / 60, 0.165, 0.0), (0.010, 0.0, 0.156), (0.008, 0.23, 0.04), (0.004, 0.76, 0.66)],
)
def test_exposure_blurs_flicker(exposure_s, at_50, at_60):
    """Fundamental relative to an endlessly short exposure: the table of the specification."""
    times = np.arange(0, 10, 1 / 1003)
    for mains, expected in ((50.0, at_50), (60.0, at_60)):
        light = mains_flicker(rng(), times, 1, depth=0.3, mains_hz=mains, exposure_s=exposure_s)[:, 0]
        assert light.mean() == pytest.approx(1.0, abs=1e-3)
        assert np.sqrt(2) * light.std() / (0.3 * 2 / 3) == pytest.approx(expected, abs=0.012)


def test_flicker_is_lamp_light_averaged_over_the_exposure():
    """Against a brute-force integral of |sin| light at one frame."""
    light = mains_flicker(rng(), np.array([0.0]), 400, depth=0.4, exposure_s=0.003, readout_s=0.04)[0]
    fine = 1 - 0.4 + 0.4 * np.pi / 2 * np.abs(np.sin(2 * np.pi * 50 * np.arange(0, 0.1, 1e-5)))
    mean = np.convolve(fine, np.ones(300) / 300, "valid")
    starts = np.arange(400) * 10  # rows are 0.1 ms apart
    misfits = [np.abs(light - mean[starts + k]).max() for k in range(0, 1000, 5)]
    assert min(misfits) < 0.01
    assert np.ptp(light) > 0.2


@pytest.mark.parametrize(("rate", "mains", "alias"), [(30, 50, 10), (24, 50, 4), (15, 50, 5), (25, 60, 5)])
def test_flicker_aliases_with_the_frame_rate(rate, mains, alias):
    times = np.arange(0, 30, 1 / rate)
    light = mains_flicker(rng(), times, 1, depth=0.3, mains_hz=mains, exposure_s=0.004)[:, 0]
    power = np.abs(np.fft.rfft((light - light.mean()) * np.hanning(len(light))))
    assert np.argmax(power) * rate / len(light) == pytest.approx(alias, abs=0.25)


def test_anti_flicker_and_rolling_shutter():
    asked = {"depth": 0.5, "exposure_s": 0.0127, "readout_s": 0.02}
    rough = mains_flicker(rng(), FRAMES[:60], 200, **asked)
    assert rough.shape == (60, 200)
    assert rough.dtype == np.float32
    assert np.count_nonzero(np.diff(np.sign(rough[0] - 1.0))) in (3, 4, 5)  # two periods from top to bottom
    assert mains_flicker(rng(), FRAMES[:60], 200, anti_flicker=True, **asked).std() < 0.02 * rough.std()
    for bad in ({"depth": 2.0}, {"depth": 0.1, "mains_hz": 100.0}, {"depth": 0.1, "exposure_s": -1.0}):
        with pytest.raises(UsageError):
            mains_flicker(rng(), FRAMES, 1, **bad)


def test_screens_and_steps_begin_alike_however_long_the_clip():
    short = FRAMES[:300]
    np.testing.assert_array_equal(screen_light(rng(5), FRAMES, 0.3)[:300], screen_light(rng(5), short, 0.3))
    np.testing.assert_array_equal(light_steps(rng(5), FRAMES, 8.0)[:300], light_steps(rng(5), short, 8.0))


def test_screens_cut_between_scenes():
    times = np.arange(0, 3000, 0.1)
    light = screen_light(rng(), times)
    np.testing.assert_allclose(light.mean(axis=0), 1.0, atol=0.1)
    np.testing.assert_allclose(screen_light(rng(), times, 0.3), 0.7 + 0.3 * light)
    np.testing.assert_array_equal(screen_light(rng(), times, 0.0), 1.0)
    tint = light[:, 0] / light[:, 1]  # constant within a scene
    assert np.count_nonzero(np.abs(np.diff(tint)) > 1e-9) == pytest.approx(3000 / 4.0, rel=0.1)
    with pytest.raises(UsageError):
        screen_light(rng(), times, 1.5)


def test_steps_of_light():
    np.testing.assert_array_equal(light_steps(rng(), FRAMES, 0.0), 1.0)
    times = np.arange(0, 4000, 0.2)
    passers = light_steps(rng(), times, 2.0, shares=(0, 1, 0))
    assert passers.max() == 1.0
    assert 0.3 < passers.min() < 0.8  # dips of 5 to 30 %, sometimes two at once
    assert np.mean(passers < 0.999) == pytest.approx(2.0 / 60 * 3.5, rel=0.3)
    lamps = light_steps(rng(), times, 1.0, shares=(0, 0, 1))
    assert lamps.max() > 1.2
    assert np.abs(np.diff(lamps)).max() > 0.15
    with pytest.raises(UsageError):
        light_steps(rng(), times, -1.0)


# --- real encoders


@pytest.mark.parametrize("size", [(64, 65), (65, 64), (65, 65)], ids=str)
@pytest.mark.parametrize("name", REAL_CODECS)
def test_odd_sizes_can_be_written_once_more(tmp_path, name, size):
    v, u = np.mgrid[: size[0], : size[1]]
    picture = np.stack([2 * u, 3 * v, u + v], axis=-1).astype(np.uint8)
    write_video(tmp_path / "raw.mkv", [(0.0, picture), (0.5, picture)], "ffv1")
    reencode(tmp_path / "raw.mkv", tmp_path / "again.mp4", name)
    shown = [frame.rgb().astype(float) for frame in open_source(tmp_path / "again.mp4")]
    assert len(shown) == 2
    assert np.abs(shown - picture.astype(float)).mean() < 6


# --- from light to levels


def srgb(light):
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("contrast", [0.0, 0.1, 0.25])
def test_development_is_the_srgb_curve_and_alike_in_every_library(contrast):
    torch = pytest.importorskip("torch")
    light = np.linspace(-0.1, 1.2, 30000, dtype=np.float32).reshape(3, 100, 100)
    encoded = srgb(np.clip(light.astype(float), 0, 1)) / 255
    expected = 255 * (encoded + contrast * (3 * encoded**2 - 2 * encoded**3 - encoded))
    level = develop(light, contrast=contrast)
    assert level.dtype == np.float32
    np.testing.assert_allclose(level, expected, atol=0.02)
    np.testing.assert_allclose(develop(torch.from_numpy(light), contrast=contrast).numpy(), level, atol=0.02)
    with pytest.raises(UsageError):
        develop(light, contrast=2.0)


def test_gains_and_colour_matrices():
    light = rng().uniform(0.05, 0.5, (4, 3, 6, 8)).astype(np.float32)
    gains = rng().uniform(0.5, 1.5, (4, 3, 1, 1)).astype(np.float32)
    np.testing.assert_allclose(develop(light, gain=gains), develop(light * gains), atol=0.02)
    np.testing.assert_array_equal(develop(light, gain=0.5), develop(0.5 * light))
    grey = np.full((3, 4, 4), 0.2, np.float32)
    matrix = np.array([[1.6, -0.5, -0.1], [-0.3, 1.5, -0.2], [0.0, -0.6, 1.6]])
    np.testing.assert_allclose(develop(grey, matrix=matrix, saturation=1.4), develop(grey), atol=0.02)
    flat = develop(light, saturation=0.0)
    np.testing.assert_allclose(flat, flat[:, :1].repeat(3, 1), atol=0.02)
    moved = np.einsum("ij,njhw->nihw", matrix, light).astype(np.float32)
    np.testing.assert_allclose(develop(light, matrix=matrix), develop(moved), atol=0.05)


def test_levels_are_rounded_to_eight_bits():
    level = np.array([-3.0, 0.4, 0.6, 254.4, 300.0], np.float32)
    np.testing.assert_array_equal(quantise(level), [0, 0, 1, 254, 255])


def test_colour_differences_agree_with_scikit_image():
    rgb = rng().uniform(0, 255, (3, 5, 7))
    ours = to_ycbcr(rgb)
    theirs = rgb2ycbcr(rgb.transpose(1, 2, 0) / 255).transpose(2, 0, 1)
    np.testing.assert_allclose(16 + ours[0] * 219 / 255, theirs[0], atol=0.02)
    np.testing.assert_allclose(128 + ours[1:] * 224 / 255, theirs[1:], atol=0.02)
    np.testing.assert_allclose(from_ycbcr(ours), rgb, atol=1e-4)


@pytest.mark.parametrize("size", [(6, 8), (7, 9)])
def test_chroma_at_half_size_keeps_luma(size):
    rgb = rng().uniform(0, 255, (2, 3, *size))
    coarse = subsample_chroma(rgb)
    assert coarse.shape == rgb.shape
    before, after = to_ycbcr(rgb), to_ycbcr(coarse)
    np.testing.assert_allclose(after[:, 0], before[:, 0], atol=1e-4)
    np.testing.assert_allclose(
        after[:, 1:, :2, :2], before[:, 1:, :2, :2].mean((2, 3), keepdims=True).repeat(2, 2).repeat(2, 3), atol=1e-4
    )


def test_white_balance_errs_from_blue_to_yellow():
    def keys(cast):
        settled = settle(5, "lab", {"cast": cast})
        return np.array([draw_light(np.random.default_rng(seed), settled).key for seed in range(600)])

    wrong = keys(0.08) / keys(0.0)
    red, green, blue = np.log(wrong).T
    assert np.allclose(green, 0.0)
    assert np.std(red - blue) / 2 == pytest.approx(0.08, rel=0.1)
    assert np.std(red + blue) / 2 == pytest.approx(0.08 * TINT, rel=0.1)
    cosine = wrong.sum(axis=1) / (np.linalg.norm(wrong, axis=1) * np.sqrt(3.0))
    assert np.degrees(np.arccos(cosine)).mean() == pytest.approx(3.0, abs=0.3)  # what cameras err by
