"""The stand-in for video codecs against the codecs themselves, and the real encoders' settings."""

import csv
from functools import lru_cache

import numpy as np
import pytest
from scipy.fft import dctn
from scipy.signal import butter, hilbert, sosfiltfilt

from codec_scene import SWING, face_like, follow, real, surviving, trace
from perfuse.core.errors import OutputError, SourceError, UsageError
from perfuse.synth.camera.codec import SCHEMES, _backward, _dct, _forward, compress
from perfuse.synth.camera.encoders import REAL_CODECS, encoder_options, reencode
from perfuse.video import open_source
from perfuse.video.write import write_video

CRF = (18, 23, 28, 33)


def noisy_clip(seed=0, batch=2, count=6, height=24, width=40):
    rng = np.random.default_rng(seed)
    still = rng.uniform(60, 200, (batch, 1, 3, height // 8, width // 8)).repeat(8, 3).repeat(8, 4)
    return np.clip(still + rng.normal(0, 4, (batch, count, 3, height, width)), 0, 255).astype(np.float32)


# --- laws


@pytest.mark.parametrize("side", [8, 4, 2, 1])
def test_the_transform_is_an_orthonormal_dct_of_each_block(side):
    plane = np.random.default_rng(0).normal(size=(1, 2, 16, 24)).astype(np.float32)
    parts = _forward(plane, _dct(side))
    block = plane[0, 1, 8 : 8 + side, 16 : 16 + side].astype(float)
    np.testing.assert_allclose(parts[0, 1, 1, :side, 2, :side], dctn(block, norm="ortho"), atol=1e-5)
    np.testing.assert_allclose(_backward(parts, _dct(side), plane.shape), plane, atol=1e-5)


@pytest.mark.parametrize("mode", SCHEMES)
def test_batches_are_their_clips(mode):
    clips = noisy_clip()
    motion = np.cumsum(np.random.default_rng(1).normal(0, 1.5, (2, 6, 2)), axis=1)
    together = compress(clips, [12, 26], mode=mode, motion=motion)
    assert together.shape == clips.shape
    assert together.dtype == np.float32
    for k, quality in enumerate((12, 26)):
        np.testing.assert_allclose(compress(clips[k], quality, mode=mode, motion=motion[k]), together[k], atol=1.0)
    assert np.abs(together[0] - clips[0]).mean() < np.abs(together[1] - clips[1]).mean()


@pytest.mark.parametrize("mode", SCHEMES)
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_torch_and_numpy_agree(mode, scale):
    torch = pytest.importorskip("torch")
    clips = noisy_clip()
    motion = np.cumsum(np.random.default_rng(1).normal(0, 1.5, (6, 2)), axis=0)
    ours = compress(clips, 20, mode=mode, motion=motion, scale=scale)
    theirs = compress(torch.from_numpy(clips), 20, mode=mode, motion=torch.from_numpy(motion), scale=scale).numpy()
    # A coefficient on the edge of a step may fall either way.
    assert np.mean(np.abs(ours - theirs) > 0.01) < 0.01


@pytest.mark.parametrize("size", [(24, 40), (37, 51), (5, 3)])
def test_any_size_comes_back_close_at_best_quality(size):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: size[0], : size[1]]
    grey = 80 + x + 2 * y + rng.normal(0, 2, (5, *size))  # no colour: nothing for 4:2:0 to lose
    clip = np.repeat(grey[:, None], 3, axis=1).astype(np.float32)
    for mode, quality in (("h264", 0), ("mpeg4", 1), ("mjpeg", 1)):
        back = compress(clip, quality, mode=mode)
        assert back.shape == clip.shape
        np.testing.assert_array_equal(back, np.round(back))
        assert np.abs(back - clip).mean() < 2.0


def test_still_pictures_are_kept_and_small_changes_never_arrive():
    still = noisy_clip(batch=1, count=1)[0].repeat(60, 0)
    coded = compress(still, 28)
    np.testing.assert_array_equal(coded[20:], coded[20:21].repeat(40, 0))
    pulse = 0.28 * np.sin(2 * np.pi * 1.25 * np.arange(60) / 30)[:, None, None, None].astype(np.float32)
    beating = compress(still + pulse, 28)
    np.testing.assert_array_equal(beating[20:], beating[20:21].repeat(40, 0))
    kept = compress(still + pulse, 28, mode="mjpeg").mean((2, 3))[:, 1]
    assert np.corrcoef(kept, pulse[:, 0, 0, 0])[0, 1] > 0.5


def test_pictures_of_mjpeg_do_not_know_each_other():
    clip = noisy_clip(batch=1)[0]
    whole = compress(clip, 10, mode="mjpeg")
    np.testing.assert_array_equal(compress(clip[3:4], 10, mode="mjpeg")[0], whole[3])
    predicted = compress(clip, 24)
    assert np.abs(compress(clip[3:4], 24)[0] - predicted[3]).mean() > 0.1
    np.testing.assert_array_equal(compress(clip, 24, keyframes=3)[3], compress(clip[3:4], 24)[0])


def test_prediction_follows_whole_pixels():
    rng = np.random.default_rng(0)
    wide = np.repeat(rng.uniform(40, 220, (1, 32, 200)), 3, axis=0).astype(np.float32)
    clip = np.stack([wide[:, :, 100 - 4 * k : 164 - 4 * k] for k in range(10)])  # moves 4 pixels right per frame
    path = np.stack([4.0 * np.arange(10), np.zeros(10)], axis=1)
    led, blind = (np.abs(compress(clip, 36, motion=m) - clip)[9, :, :, 40:].mean() for m in (path, None))
    assert led < 0.7 * blind
    wrong = np.abs(compress(clip, 36, motion=-path) - clip)[9, :, :, 40:].mean()
    assert wrong > led


@pytest.mark.parametrize(
    ("quality", "asked"),
    [
        (60, {}),
        (-1, {}),
        (0, {"mode": "mpeg4"}),
        (float("nan"), {}),
        (20, {"mode": "av1"}),
        (20, {"scale": 0.5}),
        (20, {"motion": np.zeros((3, 2))}),
    ],
)
def test_compression_refuses_nonsense(quality, asked):
    with pytest.raises(UsageError):
        compress(noisy_clip(), quality, **asked)


# --- against the real codecs


@lru_cache(maxsize=4)
def scene(noise, seed=0):
    return face_like(seed, 150, 192, 160, noise=noise)


def shrunk(frames, scale):
    count, channels, height, width = frames.shape
    blocks = frames.reshape(count, channels, height // scale, scale, width // scale, scale)
    return blocks.astype(np.float32).mean((3, 5))


def compared(clips, grades, folder):
    """Green's fundamental and the rest of its band in percent: (clip, crf, real or stand-in, fundamental or rest)."""
    return np.array(
        [
            [
                [[value[1] for value in surviving(coded, path)] for coded in both(frames, path, crf, folder)]
                for crf in grades
            ]
            for frames, path in clips
        ]
    )


def both(frames, path, crf, folder):
    return real(frames, folder, crf=crf, preset="medium")[0], compress(frames.astype(np.float32), crf, motion=path)


def test_the_scene_itself_carries_its_pulse():
    size, _ = surviving(*scene(1.0))
    np.testing.assert_allclose(size, 100 * SWING * np.array([0.25, 1.0, 0.5]), atol=0.02)


@pytest.mark.slow
def test_as_much_pulse_survives_as_in_x264(tmp_path):
    """Of a fundamental of 0.14 %, within 0.02 percentage points; the rest of the band is about as restless.

    In the mean over three faces: what survives of one in x264 hangs on chance and on the processor.
    """
    table = compared([face_like(seed, 240, 224, 192, noise=1.5) for seed in (1, 2, 3)], CRF[:2], tmp_path)
    green, rest = table[..., 0], table[..., 1]
    np.testing.assert_allclose(green[:, :, 1].mean(axis=0), green[:, :, 0].mean(axis=0), atol=0.02)
    assert np.all(green[:, 1] < 0.9 * green[:, 0])
    np.testing.assert_allclose(np.log(rest[:, :, 1] / rest[:, :, 0]), 0.0, atol=np.log(1.5))


@pytest.mark.slow
def test_from_fine_to_coarse_as_much_pulse_survives_as_in_x264(tmp_path):
    """Of 0.14 %, within 0.02 percentage points at every crf in the mean over five faces, and in the same order.

    A single face is no measure: one pixel of 100,000 changed by one grey level, or another processor, moves what
    survives in x264 by up to 0.007. The largest difference of the twenty (the second face, crf 28) was 0.044, 0.045
    and 0.051 on three processors; so the bounds are on the mean and the root mean square, and that of a single face
    leaves chance its room.
    """
    faces = [face_like(seed, 360, 224, 192, noise=n) for seed, n in enumerate((1.0, 2.0, 1.5, 1.0, 2.0))]
    table = compared(faces, CRF, tmp_path)
    green, rest = table[..., 0], table[..., 1]
    np.testing.assert_allclose((green[:, :, 1] - green[:, :, 0]).mean(axis=0), 0.0, atol=0.02)
    np.testing.assert_allclose(green[:, :, 1], green[:, :, 0], atol=0.051 + 0.007)
    assert np.sqrt(((green[:, :, 1] - green[:, :, 0]) ** 2).mean()) < 0.025  # seen: 0.017
    assert np.all(np.diff(green.mean(axis=0), axis=0) < 0)
    ratio = (green / rest).mean(axis=0)
    assert np.all(np.diff(ratio, axis=0) < 0)
    np.testing.assert_allclose(np.log(rest[:, :, 1] / rest[:, :, 0]).mean(axis=0), 0.0, atol=np.log(1.35))


@pytest.mark.parametrize(("codec", "qualities"), [("mpeg4", (2, 6)), ("mjpeg", (12,))])
def test_as_much_pulse_survives_as_in_older_codecs(codec, qualities, tmp_path):
    frames, path = scene(2.0)
    for quality in qualities:
        theirs, _ = real(frames, tmp_path, codec, qmin=quality, qmax=quality)
        ours = compress(frames.astype(np.float32), quality, mode=codec, motion=path)
        assert surviving(ours, path)[0][1] == pytest.approx(surviving(theirs, path)[0][1], abs=0.03)


@pytest.mark.parametrize(
    ("mode", "quality", "scale"), [("h264", 20, 2), ("h264", 24, 4), ("mpeg4", 6, 4), ("mjpeg", 14, 2)]
)
def test_small_clips_lose_what_large_ones_do(mode, quality, scale):
    """Rendered at a half or a quarter of the camera's resolution, with blocks and steps to match."""
    frames, path = scene(2.0)
    large = shrunk(compress(frames.astype(np.float32), quality, mode=mode, motion=path), scale)
    small = compress(shrunk(frames, scale), quality, mode=mode, motion=path / scale, scale=scale)
    for index, most in ((0, 0.02), (1, 0.03)):
        ours, theirs = (surviving(clip, path, scale)[index][1] for clip in (small, large))
        assert ours == pytest.approx(theirs, abs=most)


# --- real encoders


def pictures(count=12, height=48, width=64):
    clip = noisy_clip(3, 1, count, height, width)[0]
    return [picture.transpose(1, 2, 0).astype(np.uint8) for picture in clip]


@pytest.mark.parametrize("name", REAL_CODECS)
def test_every_named_encoder_writes_what_can_be_read(name, tmp_path):
    times = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.05, 12)) - 0.02
    write_video(tmp_path / "a.mp4", zip(times.tolist(), pictures()), **encoder_options(name))
    with open_source(tmp_path / "a.mp4") as stream:
        read = [(frame.time_s, frame.rgb()) for frame in stream]
    np.testing.assert_allclose([time for time, _ in read], times, atol=1.2e-5)
    error = np.mean([np.abs(a.astype(float) - b).mean() for (_, a), b in zip(read, pictures())])
    assert error < (1e-9 if name == "lossless" else 8.0)


def test_options_say_what_was_asked():
    assert encoder_options("h264", 18) == {
        "codec": "libx264",
        "options": {"preset": "medium", "crf": "18", "threads": "1"},
    }
    assert encoder_options("mpeg4", 4.6)["options"]["qmax"] == "5"
    webcam = encoder_options("webcam", 800)["options"]
    assert (webcam["tune"], webcam["b"], webcam["bufsize"]) == ("zerolatency", "800k", "800k")
    for name, quality in (("h265", None), ("h264", 60), ("webcam", 5), ("mpeg4", 0.2), ("mjpeg", float("nan"))):
        with pytest.raises(UsageError):
            encoder_options(name, quality)


def test_a_second_generation_keeps_times_and_loses_more(tmp_path):
    times = np.cumsum(np.random.default_rng(1).uniform(0.02, 0.05, 12)) - 0.02
    write_video(tmp_path / "a.mp4", zip(times.tolist(), pictures()), **encoder_options("fast", 14))
    for copy in ("b.mp4", "c.mp4"):
        reencode(tmp_path / "a.mp4", tmp_path / copy, "h264", 26)
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "c.mp4").read_bytes()
    errors = []
    for name in ("a.mp4", "b.mp4"):
        with open_source(tmp_path / name) as stream:
            read = [(frame.time_s, frame.rgb().astype(float)) for frame in stream]
        np.testing.assert_allclose([time for time, _ in read], times, atol=1.2e-5)
        errors.append(np.mean([np.abs(a - b).mean() for (_, a), b in zip(read, pictures())]))
    assert errors[0] < errors[1] < 8.0


def test_a_second_generation_needs_a_video_and_another_name(tmp_path):
    write_video(tmp_path / "a.mp4", [(0.0, pictures()[0])], **encoder_options("fast"))
    trace_file = tmp_path / "a.csv"
    trace_file.write_text("time_s,r,g,b\n0,1,2,3\n1,1,2,3\n")
    for source, target, error in (
        ("a.mp4", "a.mp4", UsageError),
        ("a.csv", "b.mp4", UsageError),
        ("none.mp4", "b.mp4", SourceError),
        ("a.mp4", "no/b.mp4", OutputError),
    ):
        with pytest.raises(error):
            reencode(tmp_path / source, tmp_path / target)


# --- a real face, compressed again


@pytest.fixture(scope="session")
def real_face(shared_data):
    """Crop of the face (T, 3, H, W) uint8, its path (T, 2), and the contact pulse, band-passed and analytic (T,)."""
    with open_source(shared_data / "face" / "sample_1.mp4") as stream:
        frames = np.stack([frame.rgb() for frame in stream])
    with (shared_data / "face" / "sample_1.csv").open() as file:
        contact = np.array([float(line["ppg"]) for line in csv.DictReader(file)])[: len(frames)]
    crop = np.ascontiguousarray(frames[:, 32:384, 215:471].transpose(0, 3, 1, 2))
    path = follow(frames @ np.array([0.299, 0.587, 0.114]), (140, 262, 270, 416))
    wave = hilbert(narrow(contact))
    return crop, path, wave / np.sqrt(np.mean(np.abs(wave) ** 2))


def narrow(values):
    return sosfiltfilt(butter(2, [0.95, 1.6], "band", fs=30.013, output="sos"), values, axis=0)


def locked(frames, path, wave):
    """Amplitude (3,) in percent of what goes with the contact pulse on the forehead."""
    means = trace(frames, path, (64, 112, 80, 176))
    means = narrow(means / means.mean(axis=0))[15:-15]
    basis = np.stack([wave.real, wave.imag], axis=1)[15:-15]
    return 100 * np.hypot(*np.linalg.lstsq(basis, means, rcond=None)[0])


@pytest.mark.slow
def test_a_real_face_keeps_as_much_as_in_x264(real_face, tmp_path):
    """The table of the specification: .139 falls to .118/.078/.059/.033 at crf 18/23/28/33."""
    frames, path, wave = real_face
    assert 0.09 < locked(frames, path, wave)[1] < 0.16
    kept = []
    for crf in CRF:
        coded = (
            real(frames, tmp_path, crf=crf, preset="medium")[0],
            compress(frames.astype(np.float32), crf, motion=path),
        )
        kept.append([locked(clip, path, wave)[1] for clip in coded])
    kept = np.array(kept)
    np.testing.assert_allclose(kept[:, 1], kept[:, 0], atol=0.03)
    assert abs((kept[:, 1] - kept[:, 0]).mean()) < 0.015
    assert np.all(np.diff(kept[:3], axis=0) < 0)  # at crf 33 what is left is no more than noise


@pytest.mark.slow
@pytest.mark.parametrize(("codec", "qualities"), [("mpeg4", (2, 5, 10)), ("mjpeg", (2, 8, 20))])
def test_a_real_face_keeps_as_much_as_in_older_codecs(real_face, tmp_path, codec, qualities):
    frames, path, wave = real_face
    for quality in qualities:
        theirs, _ = real(frames, tmp_path, codec, qmin=quality, qmax=quality)
        ours = compress(frames.astype(np.float32), quality, mode=codec, motion=path)
        assert locked(ours, path, wave)[1] == pytest.approx(locked(theirs, path, wave)[1], abs=0.03)
