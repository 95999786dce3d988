"""Rendered people behave as the one real face does: sizes, colours, noise, and which method beats which.

The analysis is that of ``benchmarks/realism.py``; here it looks at a few people, and at perfect traces where no
picture is needed.
"""

import csv
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from realism_parts import look as looking  # noqa: E402
from realism_parts import numbers  # noqa: E402

from perfuse.synth import subject  # noqa: E402

SMALL = {"duration_s": 12.0, "width": 280, "height": 210}
SIDE = {"key_angle_deg": 50.0, "key_fill": 2.5, "flicker": 0.0, "wear": (), "tone": 4, "exposure": "locked"}
SEEDS = range(300, 307)


@lru_cache(maxsize=64)
def seen(seed, **asked):
    """Numbers of the perfect trace of forehead and cheeks."""
    person = subject(seed, "lab", **(SMALL | asked))
    times = person.times_s
    colours = numbers.on_grid(times, person.trace(("forehead", "left_cheek", "right_cheek"))).mean(axis=1)
    grid = np.arange(len(colours)) / numbers.RATE_HZ
    phase, rate = numbers.phase_of(grid, person.truth.pulse(grid))
    return numbers.pulse_numbers(colours, phase, float(times[-1]), rate / 60)


def middle(key, seeds=SEEDS, **asked):
    """Median over the seeds."""
    return float(np.median([seen(seed, **asked)[key] for seed in seeds]))


# --- the analysis itself -----------------------------------------------------------------------------------------


def test_a_known_pulse_is_found_in_size_and_colour():
    time = np.arange(354) / 30
    rng = np.random.default_rng(1)
    wave = np.sin(2 * np.pi * 1.26 * time) + 0.3 * np.sin(4 * np.pi * 1.26 * time + 1)
    colours = 160 * (1 + 0.001 * np.outer(wave, [-0.3, -1.0, -0.6]) + 0.0001 * rng.standard_normal((354, 3)))
    colours *= 1 + 0.01 * np.cos(2 * np.pi * 0.1 * time)[:, None]
    found = numbers.pulse_numbers(colours, 1.26 * time, 354 / 30, 1.26)
    assert found["fund_g"] == pytest.approx(0.1, rel=0.05)
    assert found["h2_h1"] == pytest.approx(0.3, abs=0.04)
    assert found["r_g"] == pytest.approx(0.3, abs=0.05)
    assert found["b_g"] == pytest.approx(0.6, abs=0.05)
    assert found["angle_locked"] < 12
    assert found["residual_g"] < 0.03


def test_pulse_to_noise_follows_the_noise_and_not_the_hearts_unrest():
    rng = np.random.default_rng(2)
    time = np.arange(600) / 30
    phase = 1.2 * time + 0.15 * np.sin(2 * np.pi * 0.12 * time)
    clean, noise = np.sin(2 * np.pi * phase), rng.standard_normal(600)
    even = [numbers.snr_db(numbers.in_beat_time(clean + s * noise, phase), 1.2) for s in (0.5, 1.0, 2.0)]
    assert even[0] - even[1] == pytest.approx(6, abs=1.5)
    assert even[1] - even[2] == pytest.approx(6, abs=1.5)
    assert numbers.snr_db(clean, 1.2) < numbers.snr_db(numbers.in_beat_time(clean, phase), 1.2) - 6


def test_slope_of_a_spectrum_is_that_of_the_power_law():
    rng = np.random.default_rng(3)
    spectrum = np.fft.rfft(rng.standard_normal(1 << 14))
    freq = np.fft.rfftfreq(1 << 14, 1 / 30)
    series = np.fft.irfft(spectrum[1:] * freq[1:] ** -1.0, (1 << 14) - 2)
    assert numbers.slope(*numbers.spectrum(series), 0.2, 5.0) == pytest.approx(-2.0, abs=0.15)


def test_noise_of_pixels_is_measured_in_size_colour_and_space():
    rng = np.random.default_rng(4)
    base = rng.uniform(100, 180, (64, 64, 3))
    white = rng.standard_normal((2, 64, 64, 3)) * [2.0, 1.0, 3.0]
    smooth = white[..., 1:2] * 0.8 + np.roll(white[..., 1:2], 1, axis=2) * 0.6  # neighbours across share 0.48
    for noise, acf, block in ((white, 0.0, 1 / 8), (np.repeat(smooth, 3, axis=-1), 0.24, None)):
        rows, cols = np.mgrid[8:56, 8:56]
        points = [np.stack([cols.ravel(), rows.ravel()]).astype(float)] * 4
        found = looking.noise_between([base + noise[0], base + noise[1]], np.zeros((2, 4)), points)
        assert found["acf"][3, 0] == pytest.approx(acf, abs=0.05)
        assert found["acf"][3, 2] == pytest.approx(0, abs=0.05)
        if block:
            assert found["sd"][3] == pytest.approx([2.0, 1.0, 3.0], rel=0.05)
            assert found["block"][3, 1] == pytest.approx(block, rel=0.35)
            assert found["red_green"][3] == pytest.approx(0, abs=0.05)
        else:
            assert found["red_green"][3] == pytest.approx(1, abs=0.01)


@pytest.mark.slow
def test_the_real_clip_is_what_the_targets_were_taken_from(shared_data):
    with (shared_data / "face" / "sample_1.csv").open() as file:
        contact = np.array([float(row["ppg"]) for row in csv.DictReader(file)])
    found = looking.look(shared_data / "face" / "sample_1.mp4")
    got = numbers.statistics(found, contact[: len(found.times_s)])
    assert got["found"] == 1.0
    assert got["pp_g"] == pytest.approx(0.34, abs=0.05)
    assert got["pixel_g"] == pytest.approx(1.0, abs=0.15)
    assert got["residual_g"] == pytest.approx(0.107, abs=0.02)
    assert got["even_snr_green"] < got["even_snr_chrom"] < got["even_snr_pos"]
    assert got["gain_8"] == pytest.approx(3.2, abs=0.6)
    assert found.noise["acf"][3] == pytest.approx([0.40, 0.15, 0.10, 0.06], abs=0.06)


# --- rendered people ---------------------------------------------------------------------------------------------


def test_the_pulse_is_as_small_as_on_a_real_face():
    assert 0.2 < middle("pp_g") < 0.55
    assert all(0.06 < seen(seed)["pp_g"] < 2.0 for seed in SEEDS)


def test_the_pulse_has_the_colour_of_blood():
    red = [seen(seed)["pp_r"] / seen(seed)["pp_g"] for seed in SEEDS]
    blue = [seen(seed)["pp_b"] / seen(seed)["pp_g"] for seed in SEEDS]
    assert 0.15 < np.median(red) < 0.55
    assert 0.35 < np.median(blue) < 0.8
    assert np.mean([seen(seed)["angle"] < 25 for seed in SEEDS]) >= 0.7


def test_the_pulse_has_the_shape_of_a_face():
    assert 0.2 < middle("h2_h1") < 0.55
    assert 0.06 < middle("h3_h1") < 0.32


def test_green_loses_where_a_lit_head_turns():
    asked = SIDE | {"motion": "still", "motion_scale": 1.0}
    green, chrom, pos = (middle(f"even_snr_{m}", **asked) for m in ("green", "chrom", "pos"))
    assert green < chrom - 1.0
    assert green < pos - 2.0


def test_it_is_motion_that_makes_green_lose():
    still, turning = ({"motion": m, "motion_scale": 1.0, **SIDE} for m in ("none", "still"))
    held = middle("even_snr_green", **still) - middle("even_snr_pos", **still)
    moved = middle("even_snr_green", **turning) - middle("even_snr_pos", **turning)
    assert held > moved + 3.0
    assert middle("residual_g", **turning) > 2 * middle("residual_g", **still)


def test_what_is_left_without_the_pulse_is_slow_as_on_a_real_face():
    asked = SIDE | {"motion": "still", "motion_scale": 1.0}
    assert 0.04 < middle("residual_g", **asked) < 0.25
    assert -2.4 < middle("residual_slope", **asked) < -1.0


def test_dark_skin_shows_less_pulse_in_the_same_light():
    asked = {k: v for k, v in SIDE.items() if k != "tone"} | {"motion": "still", "motion_scale": 0.7}
    tones = (3, 6, 8, 10)
    few = SEEDS[:4]
    levels = [middle("levels_pp_g", few, tone=t, **asked) for t in tones]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] > 2.5 * levels[-1]
    snr = [middle("even_snr_pos", few, tone=t, **asked) for t in tones]
    assert 2.0 < snr[0] - snr[2] < 10.0
    assert snr[0] - snr[3] > 5.0


@pytest.fixture(scope="module")
def short():
    """Render a second of somebody who hardly moves."""
    asked = {"duration_s": 1.0, "width": 240, "height": 200, "face_size": 0.55, "motion": "tripod", "noise": 1.2}
    person = subject(41, "lab", **(SIDE | asked | {"motion_scale": 0.2, "tone": 4}))
    return person, [picture for _, picture in person.frames()]


def test_pixels_are_as_noisy_as_a_phones(short):
    person, pictures = short
    skin = np.stack(pictures).astype(float)
    middle_row, middle_col = 0.32 * skin.shape[1], 0.5 * skin.shape[2]  # forehead
    rows, cols = np.mgrid[-10:10, -24:24]
    points = [np.stack([cols.ravel() + int(middle_col), rows.ravel() + int(middle_row)]).astype(float)] * 4
    found = looking.noise_between(list(skin), np.zeros((len(skin), 4)), points)
    assert found["sd"][3, 1] == pytest.approx(person.settings.noise, rel=0.3)
    assert 2.0 < found["sd"][3, 1] / found["block"][3, 1] < 5.0
    assert 0.25 < found["acf"][3, 0] < 0.5
    assert 0.0 < found["acf"][3, 3] < 0.15
    assert 0.2 < found["red_green"][3] < 0.65


@pytest.mark.slow
def test_pos_reads_the_lab(tmp_path):
    """Check acceptance: mean error of POS below 1.5/min, through files and perfuse's own tracker."""
    from perfuse import measure
    from perfuse.synth.layouts.native import encoder, write_film

    errors = []
    for seed in range(40, 46):
        person = subject(seed, "lab", duration_s=20.0, tone=1 + seed % 6)
        path = tmp_path / f"{seed}.mp4"
        write_film(path, person, encoder(person.settings), lambda _: None)
        rate = measure(path, method="pos").heart_rate
        if rate.value is not None:
            errors.append(abs(rate.value - person.truth.heart_rate))
    assert len(errors) >= 5
    assert np.mean(errors) < 1.5
