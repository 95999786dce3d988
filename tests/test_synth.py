"""Synthetic subjects: determinism, rates that are met, physics with the right sign and size, clear refusals."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfuse.core.errors import OutputError, UsageError
from perfuse.core.frame import Frame
from perfuse.face.detector import BlazeFace
from perfuse.signal.spectrum import interpolated_peak, power_spectrum
from perfuse.synth import subject
from perfuse.synth.person.shape import make_canvas
from perfuse.synth.person.trunk import paint_body
from perfuse.synth.scene.layer import CHANNELS, Layer, Pose
from perfuse.synth.scene.render import lay
from perfuse.synth.scene.window import Window
from perfuse.video import open_source

TINY = {"width": 96, "height": 72, "duration_s": 2.0}
FAST = {"width": 96, "height": 72, "duration_s": 30.0}


def digest(person):
    check = hashlib.sha256()
    for time, picture in person.frames():
        check.update(np.float64(time).tobytes() + picture.tobytes())
    return check.hexdigest()


def test_one_seed_gives_the_same_bytes_whatever_was_made_before():
    first = digest(subject(3, **TINY, drop=0.1, jitter_s=0.002))
    digest(subject(4, **TINY))
    np.random.default_rng().standard_normal(7)
    assert digest(subject(3, **TINY, drop=0.1, jitter_s=0.002)) == first
    assert digest(subject(4, **TINY)) != first


def test_a_frame_does_not_depend_on_the_frames_rendered_before_it():
    person = subject(5, **TINY)
    whole = [picture for _, picture in person.frames()]
    again = person.frames()
    assert np.array_equal(next(again)[1], whole[0])
    assert np.array_equal([picture for _, picture in again][-1], whole[-1])


def test_overriding_one_thing_leaves_the_rest_alone():
    plain, faster = subject(8, **TINY), subject(8, **TINY, heart_rate=120, noise=3.0)
    assert plain.look.hair_style == faster.look.hair_style
    assert np.array_equal(plain.photo(), faster.photo())
    assert np.array_equal(plain.truth.breaths_s, faster.truth.breaths_s)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.floats(35, 230), st.floats(4, 90), st.floats(20, 90))
def test_asked_rates_are_met_by_the_events_placed(seed, heart_rate, respiratory_rate, duration_s):
    truth = subject(seed, duration_s=duration_s, heart_rate=heart_rate, respiratory_rate=respiratory_rate).truth
    assert truth.heart_rate == pytest.approx(heart_rate, abs=1e-3)
    assert truth.respiratory_rate == pytest.approx(respiratory_rate, abs=1e-3)
    assert np.all(np.diff(truth.beats_s) > 0)
    assert np.all(np.diff(truth.breaths_s) > 0)
    # The plain mean of whole intervals leaves out two cut ones at the ends: at most one cycle in all.
    assert abs(len(truth.beats_s) - heart_rate * duration_s / 60) <= 1.5
    assert abs(len(truth.breaths_s) - respiratory_rate * duration_s / 60) <= 1.5


@pytest.mark.parametrize("heart_rate", [48, 72, 110, 180])
def test_mean_interval_agrees_with_the_rate(heart_rate):
    truth = subject(heart_rate, heart_rate=heart_rate, respiratory_rate=15).truth
    assert 60 / np.diff(truth.beats_s).mean() == pytest.approx(heart_rate, abs=0.5)
    assert 60 / np.diff(truth.breaths_s).mean() == pytest.approx(15, abs=1.5)


def test_hearts_vary_as_people_do():
    spreads = [np.diff(subject(seed, heart_rate=70).truth.beats_s).std() * 1000 for seed in range(40)]
    assert 25 < np.median(spreads) < 75
    assert min(spreads) > 5


def test_pulse_wave_has_unit_height_and_rises_once_a_beat():
    truth = subject(2, duration_s=30, heart_rate=66).truth
    time = np.arange(0, 30, 0.01)
    wave = truth.pulse(time)
    assert abs(wave.mean()) < 0.05
    assert 0.8 < np.percentile(wave, 99) - np.percentile(wave, 1) < 1.6
    feet = truth.beats_s[(truth.beats_s > 0.5) & (truth.beats_s < 29)]
    assert np.mean(truth.pulse(feet + 0.28) > truth.pulse(feet) + 0.4) > 0.95


def test_breath_rises_from_its_onset_and_falls_slowly():
    truth = subject(6, duration_s=60, respiratory_rate=12).truth
    onsets = truth.breaths_s[truth.breaths_s < 54]
    assert np.all(truth.respiration(onsets) < 0.15)
    assert np.all(truth.respiration(onsets + 1.6) > 0.3)
    rising = np.diff(truth.respiration(np.arange(0, 55, 0.02))) > 0.0
    assert 0.25 < rising.mean() < 0.55


def normalised(trace):
    return trace / trace.mean(axis=0) - 1


def response(trace, person):
    """Least-squares response of each channel to the true pulse, after removing what is slower than 1.5 s."""
    kernel = np.hanning(45) / np.hanning(45).sum()

    def fast(series):
        return (series - np.convolve(series, kernel, "same"))[45:-45]

    pulse = fast(person.truth.pulse(person.times_s))
    return np.array([fast(channel) @ pulse / (pulse @ pulse) for channel in normalised(trace).T])


@pytest.fixture(scope="module")
def calm():
    return subject(4, **FAST, heart_rate=75, motion="none", noise=0.2, light_drift=0.0, pulse_depth=0.009)


def test_more_blood_is_darker_most_of_all_in_green(calm):
    red, green, blue = response(calm.trace()[:, 0], calm)
    assert green < 0
    assert -0.006 < green < -0.0025
    assert 0.1 < red / green < 0.65
    assert 0.3 < blue / green < 0.95


def test_trace_carries_the_pulse_at_its_true_rate(calm):
    freq, power = power_spectrum(-calm.trace()[:, 0, 1].astype(np.float64), 30.0)
    power[(freq < 0.7) | (freq > 4)] = 0
    assert 60 * interpolated_peak(freq, power, int(power.argmax())) == pytest.approx(75, abs=2.0)


def test_depth_scales_the_pulse_and_a_doll_has_none(calm):
    half = subject(4, **FAST, heart_rate=75, motion="none", noise=0.2, light_drift=0.0, pulse_depth=0.0045)
    none = subject(4, **FAST, heart_rate=75, motion="none", noise=0.2, light_drift=0.0, kind="doll")
    full = response(calm.trace()[:, 0], calm)[1]
    assert response(half.trace()[:, 0], half)[1] == pytest.approx(full / 2, rel=0.05)
    assert abs(response(none.trace()[:, 0], calm)[1]) < 0.02 * abs(full)  # nothing of the pulse there would be
    assert none.truth.pulse_depth == 0
    assert none.truth.heart_rate is None
    assert not len(none.truth.beats_s)


def projected(trace, rate_hz):
    """POS (Wang et al. 2017), as short as it gets: an oracle independent of perfuse.methods."""
    length = int(1.6 * rate_hz)
    out = np.zeros(len(trace))
    for start in range(len(trace) - length + 1):
        red, green, blue = (trace[start : start + length] / trace[start : start + length].mean(axis=0)).T
        a, b = green - blue, green + blue - 2 * red
        wave = a + a.std() / b.std() * b
        out[start : start + length] += wave - wave.mean()
    return out


def contrast_db(wave, person):
    freq, power = power_spectrum(wave, person.settings.rate_hz)
    rate = person.truth.heart_rate / 60
    band = (freq > 0.67) & (freq < 4)
    pulse = band & ((abs(freq - rate) < 0.1) | (abs(freq - 2 * rate) < 0.1))
    return 10 * np.log10(power[pulse].sum() / power[band & ~pulse].sum())


def contrasts(seed, **options):
    person = subject(seed, **FAST, heart_rate=70, noise=0.5, tone=4, **options)
    trace = person.trace()[:, 0].astype(np.float64)
    return contrast_db(-trace[:, 1], person), contrast_db(projected(trace, 30.0), person)


@pytest.mark.parametrize(
    "harm",
    [{"light_drift": 0.1, "motion": "none"}, {"light_drift": 0.0, "motion": "restless", "motion_scale": 0.6}],
)
def test_changing_light_and_turning_hurt_green_more_than_a_projection(harm):
    seeds = (1, 2, 3, 5, 10)
    calm = np.array([contrasts(seed, light_drift=0.0, motion="none") for seed in seeds])
    harmed = np.array([contrasts(seed, **harm) for seed in seeds])
    assert np.median(harmed[:, 0] - calm[:, 0]) < -4
    assert np.median(harmed[:, 1] - harmed[:, 0]) > 2


def test_dark_skin_shows_less_pulse():
    light, dark = (subject(1, **FAST, tone=tone) for tone in (2, 9))
    swings = [abs(response(s.trace()[:, 0], s)[1]) * s.trace()[:, 0, 1].mean() for s in (light, dark)]
    assert swings[1] < 0.4 * swings[0]


def region_in_frame(person, name):
    head, frame = person.scene.head, person.frame
    x = frame.left + (np.arange(frame.width) + 0.5) / frame.unit
    y = frame.top + (np.arange(frame.height) + 0.5) / frame.unit
    u = np.rint((x - head.left) * head.unit - 0.5).astype(int)
    v = np.rint((y - head.top) * head.unit - 0.5).astype(int)
    inside = ((v >= 0) & (v < head.shape[0]))[:, None] & ((u >= 0) & (u < head.shape[1]))[None]
    rows, cols = np.clip(v, 0, head.shape[0] - 1), np.clip(u, 0, head.shape[1] - 1)
    return (person.scene.regions[name][np.ix_(rows, cols)] * inside) > 0.5


def test_trace_agrees_with_rendered_frames():
    person = subject(4, width=160, height=120, duration_s=12, motion="none", pulse_depth=0.02, light_drift=0.001)
    mask = region_in_frame(person, "skin")
    rendered = np.array([picture[mask].mean(axis=0) for _, picture in person.frames()])
    trace = person.trace()[:, 0]
    assert trace.mean(axis=0) == pytest.approx(rendered.mean(axis=0), abs=1.5)
    assert response(trace, person)[1] == pytest.approx(response(rendered, person)[1], rel=0.10)


def origin_of(person):
    """Pixels per head unit, and where in the frame the point between the pupils is at rest."""
    frame = person.frame
    return frame.unit, -frame.left * frame.unit, -frame.top * frame.unit


def test_shoulders_rise_with_every_breath_by_a_few_pixels():
    size = {"width": 160, "height": 120, "duration_s": 10}
    person = subject(11, **size, motion="tripod", motion_scale=0.3, respiratory_rate=18, noise=0.3)
    motion, breath = person.tracks.motion.body_mm[:, 1], person.truth.respiration(person.times_s)
    assert np.corrcoef(-motion, breath)[0, 1] > 0.8
    assert np.ptp(motion) * person.frame.unit / 70 < 4
    # A strip across the edge of a shoulder: its mean follows the edge, however small a part of a pixel it moves.
    unit, x, y = origin_of(person)
    rows, cols = slice(int(y + 1.4 * unit), int(y + 2.6 * unit)), slice(int(x + 1.0 * unit), int(x + 1.8 * unit))
    strip = np.array([picture[rows, cols, 1].mean() for _, picture in person.frames()])
    assert abs(np.corrcoef(strip, motion)[0, 1]) > 0.9


@settings(max_examples=20)
@given(st.floats(-4, 4), st.floats(-4, 4))
def test_layers_move_by_fractions_of_a_pixel(right, down):
    size = 48
    v, u = np.mgrid[0:size, 0:size].astype(np.float32)
    blob = np.exp(-((u - 23.5) ** 2 + (v - 23.5) ** 2) / 32).astype(np.float32)
    layer = Layer(np.repeat(blob[..., None], CHANNELS, axis=2).reshape(1, -1), (size, size), 1.0, 0.0, 0.0)
    frames = np.zeros((1, 3, size, size), np.float32)
    pose = Pose(np.array([[right, down]], np.float32))
    lay(frames, Window(size, size, 1.0, 0.0, 0.0, 0.0, size), layer, np.ones((1, 1), np.float32), pose)
    picture = frames[0, 0]
    assert (picture * u).sum() / picture.sum() - 23.5 == pytest.approx(right, abs=0.01)
    assert (picture * v).sum() / picture.sum() - 23.5 == pytest.approx(down, abs=0.01)


@settings(max_examples=40)
@given(st.integers(0, 99), st.integers(2, 40), st.integers(2, 40), st.floats(0.3, 4.0), st.floats(-30, 30))
def test_layers_that_slide_show_the_same_however_they_are_sampled(seed, height, width, unit, far):
    rng = np.random.default_rng(seed)
    pictures = rng.random((2, height * width * CHANNELS), np.float32)
    layer = Layer(pictures, (height, width), unit, *rng.uniform(-9, 9, 2), pivot=(0.3, -0.2))
    pose = Pose(np.float32([[far, -far / 3], *rng.normal(0, 3, (2, 2))]))
    window, shown = Window(37, 29, 1.3, -4.0, -7.0, 0.0, 37), []
    for large in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("perfuse.synth.scene.render.LARGE", large)
            frames = np.ones((3, 3, window.height, window.width), np.float32)
            lay(frames, window, layer, np.float32([[1.0, 0.1], [0.9, 0.0], [1.0, -0.1]]), pose)
            shown.append(frames)
    assert np.array_equal(*shown)


def test_drops_and_jitter_keep_times_in_order():
    person = subject(1, duration_s=60, jitter_s=0.05, drop=0.2)
    assert person.times_s[0] == 0
    assert np.all(np.diff(person.times_s) > 0)
    assert 0.1 < 1 - len(person.times_s) / 1800 < 0.35
    assert np.allclose(np.diff(subject(1).times_s), 1 / 30)


def test_blinks_close_the_eyes_for_some_frames():
    closed = subject(2, duration_s=60).tracks.motion.closed
    assert 0.01 < np.mean(closed > 0.5) < 0.12
    assert closed.max() <= 1
    assert np.all(subject(2, duration_s=60, motion="none").tracks.motion.closed == 0)


@pytest.mark.parametrize("seed", range(6))
def test_the_face_is_found(seed):
    person = subject(seed, duration_s=4, width=320, height=240)
    detector = BlazeFace()
    unit, *origin = origin_of(person)
    for index, (time, picture) in enumerate(person.frames()):
        if index % 24:
            continue
        faces = detector(Frame.from_rgb(picture, time))
        assert len(faces) == 1
        x, y = faces[0].box.centre
        assert abs(x - origin[0]) < 0.5 * unit
        assert abs(y - origin[1]) < 1.0 * unit


@pytest.mark.parametrize(("width", "height"), [(64, 64), (65, 131), (200, 64)])
def test_odd_and_small_sizes(width, height):
    person = subject(0, width=width, height=height, duration_s=1)
    _, picture = next(person.frames())
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8
    assert person.trace(("skin", "left_cheek")).shape == (30, 2, 3)


def test_written_video_keeps_times_and_truth(tmp_path):
    person = subject(9, **TINY, drop=0.2)
    seen = []
    person.write(tmp_path / "a.mp4", truth_path=tmp_path / "truth.json", progress=lambda *done: seen.append(done))
    assert seen[-1] == (len(person.times_s), len(person.times_s))
    times = [frame.time_s for frame in open_source(tmp_path / "a.mp4")]
    assert np.allclose(np.subtract(times, times[0]), person.times_s, atol=2e-5)
    said = json.loads((tmp_path / "truth.json").read_text())
    assert said["truth"]["heart_rate"] == pytest.approx(person.truth.heart_rate, abs=1e-3)
    assert said["settings"]["seed"] == 9
    person.write(tmp_path / "b.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    with pytest.raises(OutputError, match="cannot be written"):
        person.write(tmp_path / "c.mp4", truth_path=tmp_path / "missing" / "truth.json")


def test_files_are_compressed_as_settings_say_unless_asked_otherwise(tmp_path):
    person = subject(7, "webcam", **TINY)
    sizes = {}
    for quality in (None, 12):
        person.write(tmp_path / "a.mp4", quality=quality, truth_path=tmp_path / "truth.json")
        sizes[quality] = (tmp_path / "a.mp4").stat().st_size
        said = json.loads((tmp_path / "truth.json").read_text())
        named = said["settings"]["codec"], said["settings"]["quality"]
        assert named == (("h264", 12.0) if quality else ("webcam", person.settings.quality))
        assert ("crf" in said["encoder"]["options"]) == bool(quality)
    assert sizes[None] < 0.3 * sizes[12]
    subject(7, **TINY, codec="none").write(tmp_path / "b.mp4")
    shown = [frame.rgb() for frame in open_source(tmp_path / "b.mp4")]
    assert np.array_equal(shown, [picture for _, picture in subject(7, **TINY).frames()])


def test_a_trunk_stands_in_pictures_of_any_width():
    person = subject(0)
    for wide in (90.0, 120.0):  # a small face in 3000 x 64 pixels: over 200 head units
        canvas = make_canvas(np.random.default_rng(0), 3.0, -wide, wide, 0.6, 4.0)
        cover = paint_body(person.look, person.skin, canvas, 0.1, 1.0).alpha[-1]
        assert cover[abs(canvas.columns) < 1].min() > 0.99
        assert cover[0] == cover[-1] == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"heart_rate": 34}, "from 35 to 230"),
        ({"heart_rate": 231}, "from 35 to 230"),
        ({"heart_rate": float("nan")}, "from 35 to 230"),
        ({"heart_rate": "70"}, "'70'"),
        ({"respiratory_rate": 3.9}, "from 4 to 90"),
        ({"respiratory_rate": 91}, "from 4 to 90"),
        ({"width": 63}, "from 64 to 4096"),
        ({"height": 100.5}, "a whole number"),
        ({"duration_s": -1}, "duration_s = -1"),
        ({"tone": 0}, "from 1 to 10"),
        ({"tone": 11}, "from 1 to 10"),
        ({"motion": "dancing"}, "Available: none, tripod, still, restless, talk"),
        ({"drop": 0.9}, "from 0 to 0.5"),
        ({"pulse_depth": -0.1}, "from 0 to 0.05"),
        ({"noise": True}, "noise = True"),
        ({"wear": ("glasses", "monocle")}, "'monocle' was given"),
        ({"heart_rat": 70}, "Did you mean 'heart_rate'"),
        ({"domain": "moon"}, "no domain called 'moon'"),
    ],
)
def test_wrong_values_are_refused_in_clear_words(wrong, message):
    with pytest.raises(UsageError, match=message):
        subject(1, **wrong)


def test_wrong_seed_region_and_quality_are_refused(tmp_path):
    with pytest.raises(UsageError, match="seed = -1"):
        subject(-1)
    with pytest.raises(UsageError, match="no skin region called 'ear'"):
        subject(1, **TINY).trace(("ear",))
    with pytest.raises(UsageError, match="quality = 60"):
        subject(1, **TINY).write(tmp_path / "a.mp4", quality=60)
