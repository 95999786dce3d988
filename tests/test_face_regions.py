"""Skin regions: where they lie, how they follow the face, and what the colour gate takes away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from perfuse.core.frame import Box, Frame
from perfuse.core.view import REGIONS
from perfuse.face import BlazeFace, TrackedFace, region_weights, search, skin_likelihood
from perfuse.video.sample import area_mean

# A frontal face: eyes 60 px apart at y = 100, mouth 70 px below them, ears at the sides.
POINTS = np.array([[70.0, 100], [130, 100], [100, 140], [100, 170], [32, 108], [168, 108]])
FACE = TrackedFace(0, Box(30, 55, 140, 140), POINTS, 0.9)
CROP = Box(0, 0, 200, 200)


def weights(face: TrackedFace = FACE, crop: Box = CROP, cells: int = 50) -> dict[str, np.ndarray]:
    return region_weights(face, crop, cells, cells)


def at(mask: np.ndarray, x: float, y: float, crop: Box = CROP) -> float:
    rows, cols = mask.shape
    return float(mask[int((y - crop.y) / crop.height * rows), int((x - crop.x) / crop.width * cols)])


def centroid(mask: np.ndarray, crop: Box = CROP) -> np.ndarray:
    y, x = np.indices(mask.shape) + 0.5
    here = np.array([(mask * x).sum(), (mask * y).sum()]) / mask.sum()
    return here * (crop.width / mask.shape[1], crop.height / mask.shape[0]) + (crop.x, crop.y)


def moved(matrix: np.ndarray, shift: tuple[float, float]) -> TrackedFace:
    return replace(FACE, points=POINTS @ matrix.T + shift)


def test_the_regions_are_those_of_the_view() -> None:
    named = weights()
    assert set(named) == set(REGIONS)
    for mask in named.values():
        assert mask.dtype == np.float32
        assert mask.shape == (50, 50)
        assert 0 <= mask.min() < mask.max() <= 1


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        (
            "skin",
            [(100, 60), (66, 133), (134, 133), (100, 105)],
            [(70, 100), (130, 100), (100, 170), (72, 77), (100, 195), (10, 100), (100, 20)],
        ),
        ("forehead", [(100, 55), (80, 58), (120, 58)], [(100, 100), (70, 78), (100, 140)]),
        ("right_cheek", [(67, 133), (60, 130)], [(134, 133), (100, 138), (70, 100), (20, 133)]),
        ("left_cheek", [(133, 133), (140, 130)], [(66, 133), (100, 138), (130, 100), (180, 133)]),
    ],
)
def test_where_the_regions_lie(name: str, inside: list, outside: list) -> None:
    mask = weights()[name]
    assert min(at(mask, x, y) for x, y in inside) > 0.8
    assert max(at(mask, x, y) for x, y in outside) < 0.05


def test_a_frontal_face_has_symmetric_regions() -> None:
    named = weights()
    np.testing.assert_allclose(named["left_cheek"], named["right_cheek"][:, ::-1], atol=1e-6)
    for name in ("skin", "forehead"):
        np.testing.assert_allclose(named[name], named[name][:, ::-1], atol=1e-6)


@pytest.mark.parametrize("name", REGIONS)
@pytest.mark.parametrize(("turn", "scale"), [(0, 0.7), (25, 1.0), (-40, 0.8), (90, 0.6)])
def test_the_regions_turn_grow_and_move_with_the_points(name: str, turn: float, scale: float) -> None:
    c, s = scale * np.cos(np.radians(turn)), scale * np.sin(np.radians(turn))
    matrix = np.array([[c, -s], [s, c]])
    shift = tuple(np.array([100, 110]) - matrix @ [100, 110])
    before, after = weights(cells=100)[name], weights(moved(matrix, shift), cells=100)[name]
    assert after.sum() == pytest.approx(before.sum() * scale**2, rel=0.05)
    np.testing.assert_allclose(centroid(after), matrix @ centroid(before) + shift, atol=1.0)


@settings(max_examples=40)
@given(
    nudge=st.lists(st.floats(-0.1, 0.1), min_size=12, max_size=12),
    yaw=st.floats(-0.9, 0.9),
    cells=st.sampled_from([4, 8, 24, 64]),
)
def test_a_tremor_of_the_points_changes_no_weight_much(nudge: list[float], yaw: float, cells: int) -> None:
    face = replace(FACE, points=POINTS + np.outer([0, 0, 25, 12, -45, -45], [yaw, 0]))
    other = replace(face, points=face.points + np.array(nudge).reshape(6, 2))
    a, b = weights(face, cells=cells), weights(other, cells=cells)
    for name in REGIONS:
        # The edges are about 5 pixels wide; the steepest slope of the smooth step is 1.5 over its width.
        assert np.abs(a[name] - b[name]).max() < 0.2
        assert np.abs(a[name] - b[name]).mean() < 0.01


def test_the_cheek_that_turns_away_shrinks() -> None:
    def area(yaw: float) -> tuple[float, float]:
        named = weights(replace(FACE, points=POINTS + np.outer([0, 0, 25, 12, -45, -45], [yaw, 0])))
        return float(named["left_cheek"].sum()), float(named["right_cheek"].sum())

    left = [area(yaw)[0] for yaw in (0, 0.3, 0.6, 0.9)]
    right = [area(yaw)[1] for yaw in (0, 0.3, 0.6, 0.9)]
    # The nose towards the subject's left: that cheek turns away.
    assert left == sorted(left, reverse=True)
    assert left[-1] < 0.5 * left[0]
    assert right[-1] > right[0]


def test_coarse_cells_agree_with_fine_ones() -> None:
    fine, coarse = weights(cells=96), weights(cells=12)
    for name in REGIONS:
        mean = fine[name].reshape(12, 8, 12, 8).mean(axis=(1, 3))
        assert coarse[name].sum() == pytest.approx(mean.sum(), rel=0.25)
        assert np.corrcoef(coarse[name].ravel(), mean.ravel())[0, 1] > 0.9


def test_a_face_without_points_gets_regions_from_its_box() -> None:
    box = Box(40, 40, 120, 150)
    named = weights(TrackedFace(0, box, None, 1.0))
    for name in REGIONS:
        x, y = centroid(named[name])
        assert box.x < x < box.x + box.width
        assert box.y < y < box.y + box.height
    assert centroid(named["forehead"])[1] < centroid(named["left_cheek"])[1]
    assert centroid(named["right_cheek"])[0] < 100 < centroid(named["left_cheek"])[0]


@pytest.mark.parametrize(
    "points",
    [np.zeros((6, 2)), POINTS[:, ::-1], np.tile([100.0, 100.0], (6, 1)), POINTS[[1, 0, 2, 3, 5, 4]]],
)
def test_impossible_points_fall_back_on_the_box(points: np.ndarray) -> None:
    expected = weights(replace(FACE, points=None))
    for name, mask in weights(replace(FACE, points=points)).items():
        np.testing.assert_array_equal(mask, expected[name])


def test_a_crop_that_misses_the_face_has_no_weight() -> None:
    for mask in weights(crop=Box(1000, 1000, 50, 50)).values():
        assert mask.max() == 0


# ---- the colour gate ----------------------------------------------------------------------------------------------

SKINS = {"light": (224, 180, 155), "medium": (172, 118, 88), "dark": (84, 55, 42), "very dark": (48, 31, 25)}
LIGHTS = {
    "white": (1, 1, 1),
    "tungsten": (1, 0.72, 0.38),
    "blue": (0.25, 0.45, 1),
    "red": (1, 0.2, 0.12),
    "dim": (0.3, 0.3, 0.3),
}


@pytest.mark.parametrize("skin", SKINS)
@pytest.mark.parametrize("light", LIGHTS)
def test_skin_of_any_tone_in_any_light_stays(skin: str, light: str) -> None:
    rng = np.random.default_rng(5)
    prior = weights(cells=32)["skin"]
    shade = np.linspace(1.15, 0.65, 32)[None, :, None]
    colours = np.array(SKINS[skin]) * LIGHTS[light] * shade * np.ones((32, 32, 1))
    colours = colours + rng.normal(0, 0.4, colours.shape)
    likely = skin_likelihood(colours, prior)
    assert (likely * prior).sum() / prior.sum() > 0.85


@pytest.mark.parametrize("skin", SKINS)
@pytest.mark.parametrize(
    "other",
    [(0.25, 0.25, 0.25), (1.6, 1.9, 2.1), (0.5, 0.8, 1.4), (0.9, 1.25, 1.0)],
    ids=["dark hair", "glare", "blue thing", "green thing"],
)
def test_what_is_unlike_the_face_goes(skin: str, other: tuple[float, ...]) -> None:
    prior = np.ones((20, 20))
    colours = np.tile(np.array(SKINS[skin], float), (20, 20, 1))
    colours[:6] *= other
    likely = skin_likelihood(np.minimum(colours, 255), prior)
    assert likely[6:].min() > 0.95
    assert likely[:6].max() < 0.2


def test_the_gate_is_smooth_in_the_colours() -> None:
    rng = np.random.default_rng(2)
    prior = weights(cells=24)["skin"]
    colours = rng.normal((170, 120, 95), (14, 11, 9), (24, 24, 3))
    direction = rng.standard_normal(colours.shape)

    def change(size: float) -> np.ndarray:
        return skin_likelihood(colours * (1 + size * direction), prior) - skin_likelihood(colours, prior)

    assert 0 < np.abs(change(1e-3)).max() < 0.1
    np.testing.assert_allclose(change(2e-3), 2 * change(1e-3), atol=5e-3)


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_degenerate_pictures_give_numbers(colour: float) -> None:
    likely = skin_likelihood(np.full((8, 8, 3), float(colour)), np.ones((8, 8)))
    assert np.isfinite(likely).all()
    # A clipped picture shows no skin; black and grey ones are alike everywhere.
    assert likely.max() == likely.min() == (0 if colour == 255 else 1)
    assert not skin_likelihood(np.full((8, 8, 3), 99.0), np.zeros((8, 8))).any()
    assert np.isfinite(skin_likelihood(np.full((8, 8, 3), -3.0), np.ones((8, 8)))).all()


def test_on_a_photograph_skin_stays_and_hair_goes() -> None:
    frame = Frame.from_rgb(data.astronaut(), 0.0)
    (seen,) = search(BlazeFace(), frame)
    crop = seen.box.scaled(1.6)
    colours, _ = area_mean(frame, crop, 48, 48)
    named = region_weights(TrackedFace(0, seen.box, seen.points, 1.0), crop, 48, 48)
    likely = skin_likelihood(colours, named["skin"])
    above = (crop.y + (np.arange(48)[:, None] + 0.5) * crop.height / 48 < 77) * named["skin"]  # her fringe
    assert (likely * above).sum() / above.sum() < 0.3
    cheeks = named["left_cheek"] + named["right_cheek"]
    assert (likely * cheeks).sum() / cheeks.sum() > 0.8
