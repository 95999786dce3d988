"""Motion of a small grey patch: known sub-pixel shifts come back, noise and light do little, a jump is survived."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, map_coordinates

from perfuse.core.errors import UsageError
from perfuse.signal.motion import MotionState, displacement, motion_step

SIZE = 24
TIME = np.arange(120) / 30


def scene(dx, dy, seed=0, blur=2.0, noise=0.0):
    """Area means of a random texture that moves by (dx, dy) cells, (T, 24, 24), about 100 +- 20."""
    generator = np.random.default_rng(seed)
    texture = gaussian_filter(generator.standard_normal((80, 80)), blur)
    texture = 100 + 20 * texture / texture.std()
    y, x = np.mgrid[:SIZE, :SIZE] + 28.0
    inner = (-1 / 3, 0, 1 / 3)
    return np.array(
        [
            np.mean([map_coordinates(texture, [y - b + j, x - a + i], order=3) for i in inner for j in inner], axis=0)
            + noise * generator.standard_normal((SIZE, SIZE))
            for a, b in zip(dx, dy)
        ]
    )


@pytest.mark.parametrize("blur", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("size", [0.1, 0.5, 3.0])
def test_known_shifts_come_back(blur, size):
    dx, dy = 0.5 * size * np.sin(2 * np.pi * 0.3 * TIME), size * np.sin(2 * np.pi * 0.25 * TIME)
    found = displacement(scene(dx, dy, blur=blur))
    assert np.abs(found[0] - dx).max() < 0.02 + 0.05 * size
    assert np.abs(found[1] - dy).max() < 0.02 + 0.05 * size
    assert np.polyfit(dy, found[1], 1)[0] == pytest.approx(1, abs=0.12)


def test_breathing_of_a_twentieth_of_a_cell_shows_through_noise():
    dy = 0.05 * np.sin(2 * np.pi * 0.25 * TIME)
    found = displacement(scene(0 * dy, dy, noise=1.0))
    assert np.corrcoef(found[1], dy)[0, 1] > 0.9


def test_noise_is_not_added_up():
    still = displacement(scene(np.zeros(120), np.zeros(120), noise=1.0))
    assert still.std() < 0.03
    assert np.abs(still[:, -30:].mean()) < 0.03


def test_light_and_a_passing_shadow_do_little():
    dy = 0.3 * np.sin(2 * np.pi * 0.5 * TIME)
    patches = scene(0 * dy, dy)
    lit = patches * (1 + 0.2 * np.sin(TIME))[:, None, None] + 10 * np.cos(TIME)[:, None, None]
    lit[:, :, 19:] -= 25 * (np.sin(3 * TIME) > 0)[:, None, None]
    found = displacement(lit)
    assert np.abs(found[1] - dy).max() < 0.1


def test_after_a_jump_the_last_displacement_holds_and_motion_goes_on():
    dy = 0.3 * np.sin(2 * np.pi * 0.5 * TIME)
    first, second = scene(0 * dy, dy), scene(0 * dy, dy, seed=9)
    found = displacement(np.concatenate([first[:60], second[60:]]))
    assert np.abs(np.diff(found[1])).max() < 0.35
    np.testing.assert_allclose(np.diff(found[1, 75:]), np.diff(dy[75:]), atol=0.02)


def test_a_patch_that_cannot_be_read_is_skipped():
    patches = scene(0.01 * np.arange(10), np.zeros(10))
    patches[5] = np.nan
    found = displacement(patches)
    assert found[0, 5] == found[0, 4]
    assert found[0, 9] == pytest.approx(0.09, abs=0.02)


@pytest.mark.parametrize("level", [0.0, 127.0])
def test_an_even_patch_does_not_move(level):
    assert not displacement(np.full((5, SIZE, SIZE), level)).any()


@settings(max_examples=10)
@given(st.floats(-4, 4), st.integers(0, 20))
def test_gain_does_not_matter(log_gain, seed):
    patches = scene(0.02 * np.arange(8), -0.03 * np.arange(8), seed)
    np.testing.assert_allclose(displacement(10**log_gain * patches), displacement(patches), atol=1e-6)


def test_a_step_leaves_its_state_alone():
    patches = scene(0.02 * np.arange(8), np.zeros(8))
    state = MotionState()
    for patch in patches[:4]:
        state, *_ = motion_step(state, patch)
    once, again = motion_step(state, patches[4]), motion_step(state, patches[4])
    assert once[1:] == again[1:]


@pytest.mark.parametrize("shape", [(24,), (8, 24), (24, 24, 3)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(UsageError):
        motion_step(MotionState(), np.zeros(shape))


def test_the_size_must_not_change():
    state, *_ = motion_step(MotionState(), np.random.default_rng(0).random((24, 24)))
    with pytest.raises(UsageError, match="Keep one size"):
        motion_step(state, np.zeros((20, 24)))
