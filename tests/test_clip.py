"""From a tracked face to colours: sub-pixel, in floating point, on skin only."""

import numpy as np
import pytest

from perfuse.clip.sampler import FaceSampler, SkinGate, chest_box, face_crop
from perfuse.core.frame import Box, Frame
from perfuse.core.view import REGIONS, Crop, Grid, Trace
from perfuse.face import TrackedFace

FACE = Box(100.0, 80.0, 80.0, 80.0)
POINTS = np.array([[122.0, 106.0], [158.0, 106.0], [140.0, 126.0], [140.0, 142.0], [104.0, 112.0], [176.0, 112.0]])
SKIN = np.array([200.0, 150.0, 125.0])


def face(dx=0.0, dy=0.0):
    return TrackedFace(0, Box(FACE.x + dx, FACE.y + dy, FACE.width, FACE.height), POINTS + np.array([dx, dy]), 0.9)


def picture(level=0.0, dx=0.0, seed=0):
    """A skin-coloured disc on grey with grain, brightness changed by less than one grey level."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:240, 0:320]
    disc = ((x - 140 - dx) ** 2 + (y - 115) ** 2 < 62**2)[:, :, None]
    rgb = np.where(disc, SKIN, 70.0) * (1 + level) + rng.normal(0, 1.5, (240, 320, 1))
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def test_a_change_of_a_tenth_of_a_level_survives():
    sampler = FaceSampler(Trace())
    means = []
    for k in range(30):
        level = 5e-4 * (k % 2)
        means.append(sampler.sample(Frame.from_rgb(picture(level, seed=k), k / 30), face()).regions[0])
    means = np.array(means)
    step = means[1::2].mean(axis=0) - means[0::2].mean(axis=0)
    assert step == pytest.approx(5e-4 * SKIN, abs=0.04)


def test_regions_are_skin_and_follow_the_face_by_fractions_of_a_pixel():
    for dx in (0.0, 0.25, 0.5, 3.3):
        sample = FaceSampler(Trace()).sample(Frame.from_rgb(picture(dx=dx), 0.0), face(dx))
        assert sample.regions.shape == (len(REGIONS), 3)
        assert np.abs(sample.regions - SKIN).max() < 1.5


@pytest.mark.parametrize(("view", "shape"), [(Grid(6, 8), (6, 8, 3)), (Crop(20), (20, 20, 3))])
def test_cells_have_the_shape_the_method_asked_for(view, shape):
    sample = FaceSampler(view).sample(Frame.from_rgb(picture(), 0.0), face())
    assert sample.cells.shape == shape
    assert sample.weights.shape == shape[:2]
    assert 0 <= sample.weights.min() <= sample.weights.max() <= 1
    assert sample.weights.max() > 0.5


def test_a_face_that_leaves_the_picture_is_not_measured():
    assert FaceSampler(Trace()).sample(Frame.from_rgb(picture(), 0.0), face(dx=-170.0)) is None


def test_motion_is_the_way_the_face_went():
    sampler = FaceSampler(Trace())
    first = sampler.sample(Frame.from_rgb(picture(), 0.0), face()).motion
    later = sampler.sample(Frame.from_rgb(picture(dx=4.0), 1 / 30), face(4.0)).motion
    assert later - first == pytest.approx([4 / FACE.width, 0.0], abs=0.01)


def test_a_head_that_moves_in_a_still_box_is_seen_too():
    sampler = FaceSampler(Trace())
    moves = [
        sampler.sample(Frame.from_rgb(picture(dx=d), t / 30), face()).motion[0] for t, d in enumerate((0, 0.5, 1))
    ]
    assert moves[2] - moves[0] == pytest.approx(1 / FACE.width, rel=0.4)


def test_the_chest_is_below_the_face_and_inside_the_picture():
    box = chest_box(face(), 240, 320)
    assert box.y > FACE.y + FACE.height
    assert box.y + box.height <= 240
    assert chest_box(face(dy=70.0), 240, 320) is None


def test_the_crop_takes_in_the_forehead():
    crop = face_crop(face(), 1.5)
    assert crop.width == crop.height == 120
    assert FACE.y - crop.y > crop.y + crop.height - FACE.y - FACE.height


def test_the_gate_moves_slowly():
    rng = np.random.default_rng(0)
    prior = np.ones((16, 16), np.float32)
    skin = (SKIN + rng.normal(0, 2, (16, 16, 3))).astype(np.float32)
    changed = skin.copy()
    changed[:4] = 20.0
    gate = SkinGate()
    before = gate.follow(0.0, skin, prior).copy()
    soon = gate.follow(1 / 30, changed, prior)
    assert np.abs(soon - before).max() < 0.05
    for k in range(200):
        late = gate.follow(0.1 + k / 30, changed, prior)
    assert late[:4].max() < 0.2
