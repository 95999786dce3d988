"""The radar: its algebra, its files, and what can be read of a body through it."""

import pickle
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfiltfilt

from perfuse.core.errors import UsageError
from perfuse.radar.frontend import as_input, best_bin, range_bins, select_bins
from perfuse.radar.kinds import AWR1443, BGT60, IWR1843, KINDS
from perfuse.synth.physiology.heart import beat
from perfuse.synth.physiology.lungs import breathe
from perfuse.synth.radar.body import burst, draw_body
from perfuse.synth.radar.chirps import Echoes, beat_signal, bins, quantise
from perfuse.synth.radar.faults import QUALITIES, received, spoil, steps_mm
from perfuse.synth.radar.record import observe, packets
from perfuse.synth.subject import subject

C = 299_792_458.0


@dataclass(frozen=True)
class Metronome:
    """A heart without variation; its wave has three harmonics."""

    hz: float = 1.2

    @property
    def beats_s(self):
        return np.arange(-12.0, 400.0, 1.0 / self.hz)

    def at(self, time_s):
        turn = 2.0 * np.pi * self.hz * np.asarray(time_s)
        return 0.4 * np.sin(turn) + 0.15 * np.sin(2 * turn + 0.6) + 0.07 * np.sin(3 * turn + 1.0)


@dataclass(frozen=True)
class Bellows:
    """Lungs without variation."""

    hz: float = 0.25

    def at(self, time_s):
        return 0.5 - 0.5 * np.cos(2.0 * np.pi * self.hz * np.asarray(time_s))


def person(seed, duration_s):
    rng = np.random.default_rng([seed, 1])
    # Sighs and changes of pace would leave it open which rate is the right one.
    breaths = float(np.clip(rng.normal(15.0, 3.5), 8.0, 26.0))
    lungs = breathe(rng, breaths, 12.0, duration_s, sighs_per_hour=0.0, spread=0.05)
    return beat(rng, float(np.clip(rng.normal(72.0, 11.0), 48.0, 110.0)), lungs, duration_s), lungs


def clip_of(seed, duration_s=4.0, **options):
    return observe(np.random.default_rng(seed), Metronome(), Bellows(), duration_s, **options)


# --- one chirp ---------------------------------------------------------------------------------------------------


def test_published_numbers():
    assert pytest.approx(0.0488, abs=1e-4) == AWR1443.bin_m
    assert pytest.approx(0.0781, abs=1e-4) == IWR1843.bin_m
    assert AWR1443.search_bins == (5, 19)
    sweep = AWR1443.slope_hz_s * AWR1443.samples / AWR1443.sample_rate_hz
    assert sweep == pytest.approx(3.07e9, rel=1e-3)
    # 77 GHz turns by 3.23 rad/mm; the middle of the sweep lies 2.5 % above.
    assert pytest.approx(4e-3 * np.pi * 78.95e9 / C, rel=1e-3) == AWR1443.rad_per_mm
    assert pytest.approx(2.53, abs=0.01) == BGT60.rad_per_mm


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(KINDS)),
    st.integers(0, 2**32 - 1),
    st.floats(0.5, 2.0),
    st.floats(-0.3, 0.3),
    st.booleans(),
)
def test_bins_are_the_transform_of_the_samples(name, seed, gain, angle, on_a_bin):
    radar, rng = KINDS[name], np.random.default_rng(seed)
    range_m = rng.uniform(0.02, 0.9 * radar.bin_m * radar.samples, (4, 3))
    if on_a_bin:
        range_m[0] = radar.bin_m * rng.integers(1, radar.samples - 1, 3)
    amplitude = rng.standard_normal((4, 3)) + 1j * rng.standard_normal((4, 3))
    echoes = Echoes(range_m, amplitude, 0.0, (gain, angle))
    long_way = range_bins(beat_signal(radar, echoes))
    short_way = bins(radar, echoes, columns=(0, radar.samples - 1))
    tolerance = 1e-5 if on_a_bin else 1e-8
    np.testing.assert_allclose(short_way, long_way, rtol=0, atol=tolerance * radar.samples)


def test_imbalance_is_what_its_definition_says():
    echoes = Echoes(np.full((1, 2), 0.5), np.ones((1, 2), complex))
    even = beat_signal(AWR1443, echoes)
    skew = beat_signal(AWR1443, replace(echoes, iq=(1.1, 0.05)))
    np.testing.assert_allclose(skew.real, even.real, atol=1e-12)
    np.testing.assert_allclose(skew.imag, 1.1 * np.sin(np.angle(even) + 0.05), atol=1e-12)
    image = np.abs(range_bins(skew)[0])
    # The image lies in the mirrored bin, far from the body's.
    assert image[-round(0.5 / AWR1443.bin_m)] > 0.03 * image.max()
    assert bins(AWR1443, replace(echoes, iq=(1.1, 0.05)))[0] == pytest.approx(range_bins(skew)[0, 3:22])


def test_noise_of_bins_is_the_noise_of_samples():
    echoes = Echoes(np.full((1, 4000), 0.5), np.zeros((1, 4000), complex), 3.0)
    long_way = range_bins(beat_signal(AWR1443, echoes, np.random.default_rng(1)))[:, 3:22]
    short_way = bins(AWR1443, echoes, np.random.default_rng(2))
    assert short_way.shape == long_way.shape
    for found in (long_way, short_way):
        assert np.mean(np.abs(found) ** 2) == pytest.approx(256 * 9.0, rel=0.02)
        assert abs(np.mean(found**2)) < 0.02 * 256 * 9.0  # circular
        near = np.mean(found[:, 1:] * found[:, :-1].conj()) / (256 * 9.0)
        later = np.mean(found[1:] * found[:-1].conj()) / (256 * 9.0)
        assert max(abs(near), abs(later)) < 0.02


def test_phase_of_the_best_bin_is_the_movement_to_30_micrometres_at_20_db():
    time = np.arange(0.0, 20.0, 1.0 / AWR1443.frame_rate_hz)
    moved = 6.0 * Bellows().at(time) + 0.25 * Metronome().at(time)
    errors = []
    for seed, distance in enumerate(np.linspace(0.4, 0.85, 12)):
        echoes = Echoes((distance - 1e-3 * moved)[None], np.full((1, len(time)), 500 + 0j))
        quiet = bins(AWR1443, echoes)
        column = best_bin(quiet, first=AWR1443.near[0]) - AWR1443.near[0]
        power = np.mean(np.abs(quiet[:, column]) ** 2)
        noisy = bins(AWR1443, replace(echoes, noise=np.sqrt(power / 100.0 / 256)), np.random.default_rng(seed))
        found = -np.unwrap(np.angle(noisy[:, column])) / AWR1443.rad_per_mm
        error = (found - found.mean()) - (-(moved - moved.mean()))
        errors.append(1e3 * error.std())
        drift = np.polyfit(moved, -found, 1)[0]
        assert abs(drift) == pytest.approx(1.0, abs=0.01)  # millimetres are millimetres
        errors[-1] = 1e3 * np.std(-found - np.sign(drift) * moved)
    assert max(errors) < 30.0
    assert np.median(errors) == pytest.approx(1e3 / np.sqrt(200.0) / AWR1443.rad_per_mm, rel=0.25)


def test_selection_finds_the_body_and_pads_at_the_edge():
    spectrum = np.ones((6, 256), complex)
    spectrum[:, 12] = 5.0 + 2.0j
    spectrum[:, 2] = spectrum[:, 40] = 100.0  # leakage and a wall: not looked at
    assert best_bin(spectrum) == 12
    five = select_bins(spectrum)
    assert five.shape == (2, 5, 6)
    np.testing.assert_array_equal(five[:, 2], np.array([5.0, 2.0])[:, None] * np.ones((2, 6)))
    np.testing.assert_array_equal(select_bins(spectrum[:, 3:22], first=3), five)
    cut = select_bins(spectrum[:, 11:14], first=11)
    assert not cut[:, [0, 4]].any()
    np.testing.assert_array_equal(cut[:, 1:4], five[:, 1:4])
    with pytest.raises(UsageError):
        select_bins(spectrum[:, 100:], first=100)


def test_network_input_is_plain_decimation():
    five = np.arange(2 * 5 * 9, dtype=float).reshape(2, 5, 9)
    ten = as_input(five, per=4, scale=10.0)
    assert ten.shape == (10, 3)
    assert ten.dtype == np.float32
    np.testing.assert_allclose(ten[7], five[1, 2, [0, 4, 8]] / 10.0)


# --- files -------------------------------------------------------------------------------------------------------


def decoded(content, samples=256):
    """Read packets as rpm_distill.md 3.5, steps 1 to 3, says; returns (frames, samples) complex."""
    payloads, numbers, sent, start, end = pickle.loads(pickle.dumps(content))
    assert all(p.dtype == np.uint16 and p.shape == (728,) for p in payloads)
    for stamp in (start, end):
        assert stamp.endswith("Z")
        datetime.fromisoformat(stamp[:-1])
    frame_bytes = 2 * 4 * samples

    def whole_frames(first, stop):
        skip = -sent[first] % frame_bytes
        stream = np.concatenate(payloads[first:stop]).view(np.int16)[skip // 2 :]
        stream = stream[: len(stream) // (frame_bytes // 2) * (frame_bytes // 2)].reshape(-1, samples, 4)
        lanes = stream.astype(float)
        pairs = np.stack([lanes[..., 0] + 1j * lanes[..., 2], lanes[..., 1] + 1j * lanes[..., 3]], axis=-1)
        both = pairs.reshape(len(stream), 2 * samples)
        assert not both[:, 1::2].any()
        return both[:, 0::2]

    breaks = (np.flatnonzero(np.diff(numbers) != 1) + 1).tolist()
    if not breaks:
        return whole_frames(0, None)
    if len(breaks) == 1:
        return whole_frames(breaks[0], None)
    edges = [0, *breaks, len(numbers)]
    return np.concatenate([whole_frames(a, b) for a, b in pairwise(edges) if b - a > 2])


def test_packets_hold_the_chirps():
    rng = np.random.default_rng(3)
    adc = rng.integers(-32768, 32768, (60, 256, 2)).astype(np.int16)
    content = packets(adc)
    assert content[1][:3] == [1, 2, 3]
    assert content[2][:3] == [0, 1456, 2912]
    assert len(content[0]) == 60 * 2048 // 1456
    wanted = adc[..., 0] + 1j * adc[..., 1]
    frames = decoded(content)
    assert 59 <= len(frames) <= 60
    np.testing.assert_array_equal(frames, wanted[: len(frames)])
    late = decoded(packets(adc, first=5))
    whole = -(-5 * 1456 // 2048)
    np.testing.assert_array_equal(late, wanted[whole : whole + len(late)])


def test_packets_of_lost_chirps_are_missing():
    adc = np.arange(80 * 512, dtype=np.int64).astype(np.int16).reshape(80, 256, 2)
    valid = np.ones(80, bool)
    valid[20:25] = False
    content = packets(adc, valid=valid)
    assert len(content[0]) < 80 * 2048 // 1456
    assert np.count_nonzero(np.diff(content[1]) != 1) == 1
    np.testing.assert_array_equal(np.array(content[2]), 1456 * (np.array(content[1]) - 1))
    wanted = adc[..., 0] + 1j * adc[..., 1]
    after = decoded(content)
    np.testing.assert_array_equal(after, wanted[-len(after) - 1 : -1] if len(after) < 55 else wanted[25:])
    valid[50] = False
    assert len(decoded(packets(adc, valid=valid))) > 60


def test_a_recording_and_its_file_agree():
    recording = clip_of(8, 6.0, distance_m=0.55)
    frames = decoded(recording.packets(start=datetime(2024, 5, 1, 12)))
    assert len(frames) >= 6 * 120 - 1
    spectrum = np.fft.fft(frames, axis=1)
    assert best_bin(spectrum) == recording.best_bin()
    of_file = as_input(select_bins(spectrum), 4)
    of_stream = recording.as_input(4)[:, : of_file.shape[1]]
    assert np.corrcoef(of_file.ravel(), of_stream.ravel())[0, 1] > 0.9  # the same but for noise
    quiet = replace(recording, echoes=replace(recording.echoes, noise=0.0))
    of_file = as_input(select_bins(np.fft.fft(decoded(quiet.packets()), axis=1)), 4)
    rounding = 2 * np.sqrt(256 / 12) / AWR1443.scale
    np.testing.assert_allclose(of_file, quiet.as_input(4)[:, : of_file.shape[1]], atol=6 * rounding)
    with pytest.raises(UsageError):
        clip_of(8, 6.0, every=4).packets()


def test_quantised_samples_stay_within_the_converter():
    raw = np.array([[1e6 - 1e6j, 0.4 + 0.6j, -1.5 + 2.5j]])
    np.testing.assert_array_equal(quantise(raw)[0], [[32767, -32768], [0, 1], [-2, 2]])
    for seed in range(6):
        samples = clip_of(seed, 1.0).raw()
        assert np.mean(np.abs(samples.astype(int)) >= 32767) < 0.01
        assert samples.std() > 30


# --- the body ----------------------------------------------------------------------------------------------------


def test_a_burst_has_height_one_and_fades():
    time = np.arange(0.0, 1.0, 1e-4)
    for hz in (5.0, 9.0, 15.0):
        shape = burst(time, np.array([0.1]), hz, 0.06)
        assert np.ptp(shape) == pytest.approx(1.0, abs=1e-3)
        assert not shape[time < 0.1].any()
        assert np.abs(shape[time > 0.6]).max() < 1e-3


def test_a_body_moves_as_asked():
    time = np.arange(0.0, 40.0, 0.005)
    body = draw_body(np.random.default_rng(2), distance_m=0.6, heart_mm=0.3, chest_mm=5.0)
    assert [place.name for place in body.scatterers] == ["chest", "abdomen", "shoulder", "neck", "head"]
    assert sum(place.amplitude for place in body.scatterers) == pytest.approx(1.0)

    class Still:
        def at(self, time_s):
            return np.zeros_like(time_s)

    class Stopped:
        beats_s = np.array([])

        def at(self, time_s):
            return np.zeros_like(time_s)

    breathing = body.displacement_mm(time, Stopped(), Bellows())
    assert np.ptp(breathing[0]) == pytest.approx(5.0, rel=0.01)
    assert 5.0 <= np.ptp(breathing[1]) <= 10.01
    beating = body.displacement_mm(time, Metronome(), Still())
    assert 0.15 < np.ptp(beating[0]) < 0.6
    head = np.sin(time)
    np.testing.assert_allclose(body.displacement_mm(time, Stopped(), Still(), head)[4], head)


def test_r_peaks_of_the_heart_are_used_where_it_has_them():
    @dataclass(frozen=True)
    class Knowing(Metronome):
        @property
        def r_peaks_s(self):
            return self.beats_s - 0.5

    time = np.arange(0.0, 5.0, 0.01)
    body = draw_body(np.random.default_rng(2), distance_m=0.6)
    known = body.displacement_mm(time, Knowing(), Bellows())
    guessed = body.displacement_mm(time, Metronome(), Bellows())
    assert np.abs(known - guessed)[0].max() > 0.01


def test_drawn_sizes_follow_the_register():
    bodies = [draw_body(np.random.default_rng(seed), distance_m=0.6) for seed in range(400)]
    chest = np.array([body.scatterers[0].breath_mm for body in bodies])
    heart = np.array([body.scatterers[0].pulse_mm + body.scatterers[0].burst_mm for body in bodies])
    assert np.median(chest) == pytest.approx(6.0, rel=0.1)
    assert np.median(heart) == pytest.approx(0.25, rel=0.1)
    assert 2.0 <= chest.min() <= chest.max() <= 14.0
    assert 0.08 <= heart.min() <= heart.max() <= 0.6
    snr = np.array([spoil(np.random.default_rng(seed), "clean").snr_db for seed in range(400)])
    assert 10.0 <= snr.min() <= snr.max() <= 35.0
    lost = [spoil(np.random.default_rng(seed), "lost") for seed in range(200)]
    level = np.array([s.snr_db + 20.0 * np.log10(s.strength) for s in lost])
    assert -20.0 <= level.min() <= level.max() <= -5.0


# --- recordings --------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from(QUALITIES), st.sampled_from(sorted(KINDS)), st.floats(1.0, 6.0))
def test_the_same_seed_gives_the_same_recording(seed, quality, name, duration_s):
    options = {"quality": quality, "config": KINDS[name], "other": (Metronome(1.6), Bellows(0.3))}
    one, two = (clip_of(seed, duration_s, **options) for _ in range(2))
    five = one.iq()
    assert five.shape == (2, 5, round(duration_s * KINDS[name].frame_rate_hz))
    assert np.isfinite(five).all()
    np.testing.assert_array_equal(five, two.iq())
    np.testing.assert_array_equal(one.as_input(), two.as_input())
    assert one.echoes.range_m.min() > 0
    assert len(one.times_s) == len(one.valid) == len(one.chest_mm) == five.shape[2]


def test_decimation_before_is_decimation_after():
    full, part = clip_of(5, 10.0, start_s=3.0), clip_of(5, 10.0, start_s=3.0, every=4)
    np.testing.assert_allclose(part.times_s, full.times_s[::4])
    np.testing.assert_allclose(part.echoes.range_m, full.echoes.range_m[:, ::4], atol=1e-9)
    np.testing.assert_allclose(part.echoes.amplitude, full.echoes.amplitude[:, ::4], rtol=1e-6)
    assert part.as_input().shape == full.as_input(4).shape == (10, 300)


def test_lost_chirps_hold_the_last_value():
    recording = clip_of(1, 5.0)
    valid = np.ones(600, bool)
    valid[100:130] = False
    held = replace(recording, valid=valid).bins()
    np.testing.assert_array_equal(held[100:130], np.repeat(held[99:100], 30, axis=0))
    np.testing.assert_array_equal(held[130:], recording.bins()[130:] if recording.valid.all() else held[130:])
    some = received(np.random.default_rng(0), 3000, 3)
    assert some[0]
    assert 1 <= np.count_nonzero(~some) <= 150


def test_shifts_of_the_body():
    time = np.arange(0.0, 60.0, 0.01)
    for seed in range(30):
        moved = steps_mm(np.random.default_rng(seed), time, 0.1, 1)
        assert 0 < np.ptp(moved) <= 180.0
        assert np.abs(np.diff(moved)).max() / 0.01 < 150.0 * 3  # mm per s, a few at once
    short = np.arange(0.0, 4.3, 0.01)
    assert all(np.ptp(steps_mm(np.random.default_rng(seed), short, 0.1, 1)) > 0.2 for seed in range(30))
    plain, shifted = clip_of(4, 30.0, distance_m=0.6), clip_of(4, 30.0, distance_m=0.6, quality="moved")
    assert np.ptp(shifted.chest_mm) > np.ptp(plain.chest_mm) + 2.0


def test_amplitude_suits_the_scale_of_networks():
    best = [np.abs(clip_of(seed, 2.0).as_input()).max() for seed in range(60)]
    assert 0.4 < np.median(best) < 1.5
    assert np.percentile(best, 95) < 6


@pytest.mark.parametrize(("quality", "low", "high"), [("clean", 10, 35), ("weak", 0, 8), ("lost", -20, -5)])
def test_signal_to_noise_is_that_of_the_strongest_place(quality, low, high):
    for seed in range(20):
        echoes = clip_of(seed, 1.0, quality=quality).echoes
        body = np.abs(echoes.amplitude[:5]).max()
        snr_db = 20 * np.log10(body * np.sqrt(AWR1443.samples) / echoes.noise)
        assert low - 1e-6 <= snr_db <= high + 1e-6


def test_heads_can_be_moved_from_outside():
    plain = clip_of(6, 3.0)
    nodding = clip_of(6, 3.0, head_mm=lambda t: 4.0 * np.sin(2 * np.pi * t))
    changed = np.ptp(nodding.echoes.range_m - plain.echoes.range_m, axis=1)
    assert changed[4] == pytest.approx(8e-3, rel=0.3)
    assert changed[0] < 1e-9


@pytest.mark.parametrize(
    "wrong",
    [
        {"duration_s": 0.1},
        {"distance_m": 9.0},
        {"quality": "good"},
        {"start_s": -1.0},
        {"every": 0},
        {"every": 2.5},
    ],
)
def test_bad_parameters_are_refused(wrong):
    options = {"duration_s": 3.0} | wrong
    with pytest.raises(UsageError):
        observe(np.random.default_rng(0), Metronome(), Bellows(), **options)


def test_bad_samples_are_refused():
    with pytest.raises(UsageError):
        packets(np.zeros((3, 256, 2)))


# --- what can be read --------------------------------------------------------------------------------------------


def spectrum_of(series, rate_hz):
    series = (series - series.mean()) * np.hanning(len(series))
    return np.fft.rfftfreq(1 << 15, 1.0 / rate_hz), np.abs(np.fft.rfft(series, 1 << 15))


def highest(series, rate_hz, low_hz, high_hz):
    freq, size = spectrum_of(series, rate_hz)
    band = (freq >= low_hz) & (freq <= high_hz)
    return float(freq[band][size[band].argmax()])


def phase_of(recording, average=3):
    """Unwrapped phase of the best bin about the centre of its circle, ``average`` chirps at a time."""
    z = recording.bins()[:, recording.best_bin() - recording.config.near[0]]
    design = np.stack([z.real, z.imag, np.ones(len(z))], axis=1)
    solution = np.linalg.lstsq(design, np.abs(z) ** 2, rcond=None)[0]
    z = z - (solution[0] + 1j * solution[1]) / 2
    z = z[: len(z) // average * average].reshape(-1, average).mean(axis=1)
    return np.unwrap(np.angle(z)), recording.config.frame_rate_hz / average


def heart_rate_of(phase, rate_hz, breath_hz):
    """Rhythm of the vibration in narrow bands and of the acceleration, with two harmonics, off those of breathing."""
    total = 0.0
    for low, high in ((3, 6), (4, 8), (6, 10), (8, 12), (10, 14), (12, 16), (14, 18.5)):
        part = np.abs(sosfiltfilt(butter(3, [low, high], "bandpass", fs=rate_hz, output="sos"), phase))
        freq, size = spectrum_of(np.minimum(part, 3 * np.median(part)), rate_hz)
        total = total + _comb(freq, size) ** 2
    sharp = sosfiltfilt(butter(4, [1.0, 6.0], "bandpass", fs=rate_hz, output="sos"), np.gradient(np.gradient(phase)))
    limit = 3 * np.median(np.abs(sharp))
    freq, size = spectrum_of(np.clip(sharp, -limit, limit), rate_hz)
    for order in range(1, 12):
        size = np.where(np.abs(freq - order * breath_hz) < 0.03, 0.3 * size, size)
    total = total + 2 * _comb(freq, size) ** 2
    band = (freq >= 0.7) & (freq <= 2.5)
    return float(60 * freq[band][total[band].argmax()])


def _comb(freq, size):
    comb = size + 0.8 * np.interp(2 * freq, freq, size) + 0.6 * np.interp(3 * freq, freq, size)
    return comb / np.median(comb[(freq >= 0.7) & (freq <= 2.5)])


def read(quality, count, duration_s=60.0):
    """Share of subjects whose breathing is found within 0.5 /min, and whose heart within 3 /min."""
    breaths, hearts = [], []
    for seed in range(count):
        heart, lungs = person(seed, duration_s)
        recording = observe(np.random.default_rng([seed, 7]), heart, lungs, duration_s, quality=quality)
        phase, rate_hz = phase_of(recording)
        found = highest(phase, rate_hz, 0.08, 0.7)
        breaths.append(abs(found - highest(lungs.at(recording.times_s), 120.0, 0.08, 0.7)) < 0.5 / 60)
        inside = heart.beats_s[(heart.beats_s > 0) & (heart.beats_s < duration_s)]
        hearts.append(abs(heart_rate_of(phase, rate_hz, found) - 60 * (len(inside) - 1) / np.ptp(inside)) < 3.0)
    return np.mean(breaths), np.mean(hearts)


def test_breathing_and_pulse_can_be_read_of_clean_recordings():
    breath, pulse = read("clean", 40)
    assert breath >= 0.95
    assert pulse >= 0.55


@pytest.mark.parametrize("quality", QUALITIES[1:])
def test_spoiled_recordings_can_be_read_less(quality):
    breath, pulse = read(quality, 12, 40.0)
    assert breath <= 0.75
    assert pulse <= 0.65
    if quality in ("wrong_person", "lost"):
        assert breath <= 0.35
        assert pulse <= 0.35


def test_the_wrong_person_is_the_one_that_is_read():
    right = 0
    for seed in range(8):
        other = Metronome(1.5), Bellows(0.4)
        recording = clip_of(seed, 40.0, quality="wrong_person", other=other)
        phase, rate_hz = phase_of(recording)
        right += abs(highest(phase, rate_hz, 0.08, 0.7) - 0.4) < 0.02
    assert right >= 6


def test_a_breath_wraps_the_phase_as_often_as_its_depth_asks_for():
    ratios = []
    for seed in range(20):
        recording = clip_of(seed, 20.0)
        if recording.spoiling.snr_db > 20:
            phase, _ = phase_of(recording)
            swing = np.abs(np.diff(phase)).sum() / 5  # per breath; noise adds a little
            ratios.append(swing / (2 * np.ptp(recording.chest_mm) * AWR1443.rad_per_mm))
    assert len(ratios) > 5
    assert 0.8 < np.median(ratios) < 1.4


@pytest.mark.parametrize("kind", ["doll", "photo", "wall"])
def test_nothing_beats_or_breathes_in_front_of_a_doll(kind):
    asked = {"duration_s": 6, "width": 64, "height": 64, "radar_quality": "clean"}
    person, still = subject(5, "no-pulse", kind="person", **asked), subject(5, "no-pulse", kind=kind, **asked)
    assert np.ptp(person.radar(every=4).chest_mm) > 1
    assert np.ptp(still.radar(every=4).chest_mm) < 0.3  # the radar itself sways
    assert not still.truth.pulse(np.arange(5.0)).any()
    assert not still.truth.respiration(np.arange(5.0)).any()
    for sensor in (still.contact, still.ecg, still.belt):
        with pytest.raises(UsageError, match="Nothing b"):
            sensor()
