"""Streams: the same physics as in files, reproducible clip by clip, on numpy and torch alike."""

import sys

import numpy as np
import pytest

from perfuse.core.errors import MissingExtraError, UsageError
from perfuse.core.frame import Box, Frame
from perfuse.core.view import Crop, Grid, Trace
from perfuse.synth import stream, subject
from perfuse.synth.direct import close_up, gridded, onto_grid
from perfuse.synth.domains import DOMAINS
from perfuse.synth.shoot import load_film, shoot
from perfuse.video.sample import area_mean

LIKE = np.zeros(1, np.float32)
SMALL = {"batch": 2, "frames": 32}


def seen_directly(person, view):
    """The view's cells (T, rows, cols, 3) at every frame, rendered without painting frames."""
    close = close_up(person, view, LIKE, loose=False)
    film = load_film(person.settings, close.scene, person.times_s, person.tracks, close.scale)
    levels = shoot(close.scene, person.tracks, film, slice(0, len(person.times_s)))
    cells = gridded(levels, np.eye(len(levels), dtype=np.float32), close.fold)
    return np.moveaxis(cells, 0, -1), close.scene.window


def seen_in_frames(person, window, view):
    """The same cells, cut from whole rendered frames."""
    frame = person.frame
    scale = frame.unit / window.unit
    left, top = (window.left - frame.left) * frame.unit, (window.top - frame.top) * frame.unit
    box = Box(left, top, window.width * scale, window.height * scale)
    pictures = (Frame.from_rgb(picture, time) for time, picture in person.frames())
    return np.stack([area_mean(picture, box, view.rows, view.cols)[0] for picture in pictures])


@pytest.mark.parametrize(
    ("seed", "asked"), [(5, {"motion": "tripod"}), (6, {"motion": "rotate", "expression": "talk"})]
)
def test_one_subject_both_ways(seed, asked):
    view = Grid(9, 9)
    person = subject(
        seed, "lab", duration_s=5, noise=0, jitter_s=0, width=320, height=240, pulse_depth=0.015, **asked
    )
    direct, window = seen_directly(person, view)
    framed = seen_in_frames(person, window, view)
    assert np.abs(direct - framed).mean() < 4
    a, b = direct - direct.mean(axis=0), framed - framed.mean(axis=0)
    likeness = [np.corrcoef(a[:, i, j, 1], b[:, i, j, 1])[0, 1] for i in range(9) for j in range(9)]
    assert np.median(likeness) > 0.95
    pulse = person.truth.pulse(person.times_s)
    pulse -= pulse.mean()
    one, other = (np.tensordot(pulse, x[:, 2:7, 3:6], 1) / (pulse @ pulse) for x in (a, b))
    assert one[..., 1].mean() == pytest.approx(other[..., 1].mean(), rel=0.2)
    assert one[..., 0].mean() / one[..., 1].mean() == pytest.approx(
        other[..., 0].mean() / other[..., 1].mean(), abs=0.15
    )


def test_noise_both_ways():
    view = Grid(9, 9)
    asked = {
        "motion": "none",
        "expression": "none",
        "light_drift": 0,
        "pulse_depth": 0,
        "recoil_mm": 0,
        "jitter_s": 0,
    }
    loud = {"noise": 3.0, "noise_blue": 1.4, "denoise": 0, "tone": 4, "exposure": "locked", "flicker": 0, "wear": ()}
    person = subject(7, "lab", duration_s=5, width=320, height=240, **asked, **loud)
    direct, window = seen_directly(person, view)
    framed = seen_in_frames(person, window, view)
    one, other = (x[:, 3:7, 3:6].std(axis=0).mean(axis=(0, 1)) for x in (direct, framed))
    assert one == pytest.approx(other, rel=0.25)


def test_a_clip_depends_on_its_number_alone():
    whole = next(stream(Grid(4, 4), batch=5, frames=32, seed=3))
    second = next(stream(Grid(4, 4), batch=2, frames=32, seed=3, first=2))
    assert np.array_equal(second.clip, whole.clip[2:4])
    assert np.array_equal(second.pulse, whole.pulse[2:4])
    assert list(second.items) == [2, 3]
    assert not np.array_equal(next(stream(Grid(4, 4), **SMALL, seed=4)).clip, whole.clip[:2])


def test_the_size_of_a_batch_changes_no_clip():
    view, asked = Grid(9, 9), {"frames": 32, "seed": 5, "domains": "webcam"}
    whole = next(stream(view, batch=8, **asked))
    alone = stream(view, batch=1, **asked)
    for k in range(8):
        assert np.array_equal(next(alone).clip[0], whole.clip[k])


def test_a_portrait_is_painted_once(monkeypatch):
    painted = []

    def close(person, *rest):
        painted.append(person.settings.seed)
        return close_up(person, *rest)

    monkeypatch.setattr(sys.modules[stream.__module__], "close_up", close)
    made = stream(Grid(2, 2), batch=16, frames=32, domains="lab")
    for _ in range(3):
        next(made)
    assert len(painted) == len(set(painted)) == 16 + 2  # one of sixteen leaves with every batch


def test_workers_make_the_same_clips():
    asked = {"batch": 2, "frames": 32, "seed": 3}
    here, ahead = stream(Grid(4, 4), **asked), stream(Grid(4, 4), **asked, workers=2)
    for _ in range(3):
        one, other = next(here), next(ahead)
        assert np.array_equal(one.clip, other.clip)
        assert one.settings == other.settings
    ahead.close()


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_domain_streams_finite_numbers_in_range(domain):
    batch = next(stream(Grid(3, 3), **SMALL, domains=domain, radar=True))
    assert batch.clip.shape == (2, 3, 32, 3, 3)
    assert batch.clip.dtype == np.float32
    assert np.isfinite(batch.clip).all()
    assert batch.clip.min() > -40
    assert batch.clip.max() < 295
    assert batch.radar.shape == (2, 10, 32)
    assert np.isfinite(batch.radar).all()
    assert np.isfinite(batch.contact).all()
    alive = np.array([s.alive for s in batch.settings])
    assert np.array_equal(np.isfinite(batch.heart_rate), alive)
    assert np.array_equal(batch.pulse.any(axis=1), alive)


def test_truth_is_that_of_the_clip():
    batch = next(stream(Grid(9, 9), batch=4, frames=300, domains="lab", pulse_depth=0.03, noise=0, motion="none"))
    for clip, pulse, rate in zip(batch.clip, batch.pulse, batch.heart_rate, strict=True):
        green = clip[1, :, 2:7, 3:6].mean(axis=(1, 2))
        fast = [x - np.convolve(np.pad(x, 22, mode="edge"), np.ones(45) / 45, "valid") for x in (green, pulse)]
        assert np.corrcoef(*fast)[0, 1] < -0.8  # more blood is darker
        turns = (np.diff(np.sign(pulse - pulse.mean())) > 0).sum()
        assert turns * 6 == pytest.approx(rate, abs=13)


def test_resampling_is_the_pipelines_own():
    times = np.sort(np.random.default_rng(0).uniform(-0.1, 2.2, 60))
    matrix = onto_grid(times, 30.0, 60)
    assert matrix.shape == (60, 60)
    assert np.allclose(matrix.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(matrix @ times.astype(np.float32), np.arange(60) / 30, atol=0.02)


def test_torch_and_numpy_agree():
    torch = pytest.importorskip("torch")
    asked = {"batch": 6, "frames": 40, "seed": 8, "domains": {"train": 1, "no-pulse": 1, "dim-flicker": 1}}
    one, other = next(stream(Crop(16), **asked)), next(stream(Crop(16), device="cpu", **asked))
    assert isinstance(other.clip, torch.Tensor)
    assert np.allclose(one.pulse, other.pulse.numpy())
    difference = np.abs(one.clip - other.clip.numpy())
    # a quantiser may fall to the other side of a step where sums differ in their last bit
    assert np.percentile(difference, 99) < 0.5
    assert difference.max() < 12


def test_bad_requests_are_refused():
    for wrong, message in (
        ({"batch": 0}, "batch = 0"),
        ({"frames": 5}, "frames = 5"),
        ({"domains": "moon"}, "no domain called 'moon'"),
        ({"domains": {"lab": 1, "mars": 2}}, "no domain called 'mars'"),
        ({"domains": {}}, "domains = {}"),
        ({"domains": ["lab"]}, "domains = "),
        ({"domains": None}, "domains = None"),
        ({"domains": {"lab": -1}}, "-1"),
        ({"domains": {"lab": None}}, "share of lab"),
        ({"domains": {"lab": 0}}, "all domains are 0"),
        ({"batch": None}, "batch = None"),
        ({"seed": None}, "seed = None"),
        ({"seed": 10**400}, "seed = 1000"),
        ({"heart_rate": 500}, "from 35 to 230"),
        ({"first": -1}, "first = -1"),
    ):
        with pytest.raises(UsageError, match=message):
            stream(Grid(3, 3), **wrong)
    assert next(stream(Grid(3, 3), batch=1.0, frames=32.0, seed=3.0, domains="lab")).clip.shape == (1, 3, 32, 3, 3)
    with pytest.raises(UsageError, match="Grid or a Crop"):
        stream(Trace())
    with pytest.raises(UsageError, match="30 Hz"):
        stream(Grid(3, 3, rate_hz=20.0), radar=True)
    with pytest.raises(UsageError, match="4096"):
        stream(Crop(5000))


def test_a_device_without_torch_is_refused(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", absent)
    with pytest.raises(MissingExtraError, match="needs torch"):
        stream(Grid(3, 3), device="cpu")


def test_a_device_that_is_not_there_is_refused():
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match="no device 'abacus'"):
        stream(Grid(3, 3), device="abacus")
