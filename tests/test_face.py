"""The detector, the search for small faces, detectors of the user's own, and the shipped network."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

from perfuse.core.errors import UsageError
from perfuse.core.frame import Box, Frame
from perfuse.face import BlazeFace, Detection, adapt_detector, search
from perfuse.face.detector import decode
from perfuse.face.look import look
from perfuse.face.search import distance, same_place
from perfuse.infer import Model
from perfuse.video.sample import area_mean

PHOTO = Image.fromarray(data.astronaut())
DETECTOR = BlazeFace()
# Read off the enlarged photograph: the subject's right pupil, left pupil, nose tip, middle of the mouth.
BY_EYE = np.array([[204, 101], [246, 103], [224, 126.5], [223, 146]])


def scene(
    size: int = 512, at: tuple[int, int] = (0, 0), frame: tuple[int, int] = (640, 480), turn: float = 0
) -> Frame:
    canvas = Image.new("RGB", frame, (60, 60, 60))
    photo = PHOTO.rotate(turn, Image.BICUBIC, center=tuple(BY_EYE.mean(axis=0)), fillcolor=(60, 60, 60))
    canvas.paste(photo.resize((size, size), Image.LANCZOS), at)
    return Frame.from_rgb(np.asarray(canvas), 0.0)


def found(frame: Frame, **options: Any) -> list[Detection]:
    return search(DETECTOR, frame, **options)


def centre(face: Detection) -> np.ndarray:
    return np.array(face.box.centre)


def test_the_points_lie_on_the_features() -> None:
    (face,) = found(scene())
    assert face.points is not None
    assert np.abs(face.points[:4] - BY_EYE).max() < 4.5
    assert face.score > 0.85
    assert face.points[4, 0] < face.points[0, 0] < face.points[1, 0] < face.points[5, 0]


@pytest.mark.parametrize("size", [120, 160, 240, 400, 512, 900, 1600])
def test_any_size_is_found(size: int) -> None:
    """From 23 pixels (in tiles) to 310 (more than half of the height)."""
    scale = size / 512
    at = (int(300 - 225 * scale), int(240 - 120 * scale))
    (face,) = found(scene(size, at))
    assert np.abs(centre(face) - (BY_EYE.mean(axis=0) * scale + at)).max() < 0.15 * face.box.width
    assert face.box.width / (98 * scale) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("place", [(40, 40), (600, 40), (40, 440), (600, 440), (320, 240), (200, 300), (410, 170)])
def test_a_small_face_is_found_wherever_it_is(place: tuple[int, int]) -> None:
    size = 150  # a face of 29 pixels
    offset = BY_EYE.mean(axis=0) * size / 512
    (face,) = found(scene(size, (int(place[0] - offset[0]), int(place[1] - offset[1]))))
    assert np.abs(centre(face) - place).max() < 6
    assert not found(scene(size, (int(place[0] - offset[0]), int(place[1] - offset[1]))), tiles=False)


def test_a_small_face_in_a_large_picture() -> None:
    (face,) = found(scene(360, (1300, 600), frame=(1920, 1080)))
    assert np.abs(centre(face) - (BY_EYE.mean(axis=0) * 360 / 512 + (1300, 600))).max() < 10


@pytest.mark.parametrize("turn", [-40, -20, 20, 40])
def test_the_points_turn_with_the_head(turn: float) -> None:
    (face,) = found(scene(turn=turn))
    assert face.points is not None
    down = face.points[3] - face.points[:2].mean(axis=0)
    # Counter-clockwise in the picture, whose y points down.
    assert np.degrees(np.arctan2(down[0], down[1])) == pytest.approx(turn, abs=6)


@pytest.mark.parametrize("gain", [0.12, 0.3, 0.6])
def test_dim_light_is_no_obstacle(gain: float) -> None:
    rgb = (scene().rgb() * gain).astype(np.uint8)
    assert len(found(Frame.from_rgb(rgb, 0.0))) == 1


def test_the_box_follows_sub_pixel_shifts_of_the_region() -> None:
    frame = scene()
    at = [DETECTOR(frame, Box(125 + d, 30 + d, 200, 200))[0].box.centre for d in np.linspace(0, 4, 9)]
    assert np.ptp(np.array(at), axis=0).max() < 2.5


def test_a_region_shows_only_what_is_in_it() -> None:
    frame = scene(frame=(1100, 480))
    wide = np.array(frame.rgb())
    wide[:, 560:1072] = wide[:, :512]
    both = Frame.from_rgb(wide, 0.0)
    assert len(found(both)) == 2
    for left in (125, 685):
        (face,) = DETECTOR(both, Box(left, 30, 200, 200))
        assert left < face.box.centre[0] < left + 200
    known = [face.box for face in found(both)][:1]
    (other,) = found(both, known=known)
    assert not same_place(other.box, known[0])


def test_planes_of_any_resolution_give_the_same_face() -> None:
    frame = scene()
    red, green, blue = (plane.astype(np.float64) for plane in frame.planes)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    half = [(c - luma).reshape(240, 2, 320, 2).mean(axis=(1, 3)) for c in (red, blue)]
    to_rgb = np.array([[1, 1, 0, 0], [1, -0.299 / 0.587, -0.114 / 0.587, 0], [1, 0, 1, 0]])
    (one,), (other,) = found(frame), found(Frame(0.0, (luma, *half), to_rgb))
    assert distance(one.box, other.box) < 0.02


@pytest.mark.parametrize(
    "square",
    [Box(0, -80, 640, 640), Box(100.3, 50.7, 190.4, 190.4), Box(200, 80, 60.5, 60.5), Box(-90.2, 300, 300, 300)],
)
def test_a_look_is_close_to_the_true_area_means(square: Box) -> None:
    smooth = Image.fromarray(data.astronaut()).resize((64, 48)).resize((640, 480), Image.BICUBIC)
    frame = Frame.from_rgb(np.asarray(smooth), 0.0)
    expected, coverage = area_mean(frame, square, 64, 64)
    got = look(frame, square, 64).transpose(1, 2, 0)
    whole = coverage > 0.999
    assert np.abs(got - np.clip(expected, 0, 255))[whole].mean() < 1.5
    assert (got[coverage == 0] == 0).all()


def test_overlapping_answers_are_blended_and_distant_ones_kept() -> None:
    raw, logits = np.zeros((896, 16)), np.full(896, -20.0)
    raw[:, 2:4] = 40.0
    logits[[100, 101]] = 2.0, 1.0
    raw[101, 0] = 4.0
    faces = decode(raw, logits, 0.3)
    p, q = 1 / (1 + np.exp(-np.array([2.0, 1.0])))
    anchor = (100 // 2 % 16 + 0.5) / 16
    assert faces[0].box.centre[0] == pytest.approx((p * anchor + q * (anchor + 4 / 128)) / (p + q))
    assert faces[0].score == pytest.approx(p)
    logits[[0, 510]] = 3.0, 1.5
    assert [round(face.score, 3) for face in decode(raw, logits, 0.3)] == [0.953, 0.881, 0.818]
    assert decode(raw, np.full(896, -20.0), 0.3) == []
    raw[:, 2:4] = -5.0
    assert decode(raw, logits, 0.3) == []


# ---- the shipped network ------------------------------------------------------------------------------------------


def test_the_network_says_what_it_said_when_it_was_converted() -> None:
    """Against the TensorFlow Lite graph evaluated operator by operator in float64, in numpy, without the converter.

    All 15,232 outputs agreed within 6e-5 on this input, on a photograph and on noise.
    """
    x = np.linspace(0, 255, 128, dtype=np.float32)
    image = np.stack(
        [np.broadcast_to(x, (128, 128)), np.broadcast_to(x[:, None], (128, 128)), np.full((128, 128), 77)]
    )
    out = Model(files("perfuse.face").joinpath("blazeface.onnx").read_bytes()).run(
        {"image": image[None].astype(np.float32)}
    )
    boxes, scores = out["boxes"][0].astype(float), out["scores"][0, :, 0].astype(float)
    stored = [8.03247, 22.33436, -4.54002, 3.17895, 41.66226, 0.84531, -3.81344]
    summary = [boxes.mean(), boxes.std(), scores.mean(), scores.std(), boxes[143, 2], boxes[800, 7], scores[600]]
    np.testing.assert_allclose(summary, stored, rtol=1e-4)


def test_the_converter_refuses_another_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "tools"))
    converter = pytest.importorskip("blazeface_to_onnx")
    wrong = tmp_path / "face.tflite"
    wrong.write_bytes(b"something else")
    with pytest.raises(SystemExit, match=hashlib.sha256(b"something else").hexdigest()):
        converter.read_source(wrong)
    sys.modules.pop("blazeface_to_onnx", None)


# ---- the user's own detector --------------------------------------------------------------------------------------

BLANK = Frame.from_rgb(np.zeros((48, 64, 3), np.uint8), 2.5)


def test_an_own_detector_is_called_once_a_frame_and_sorted() -> None:
    calls = []

    def find(rgb: np.ndarray) -> list[tuple[float, ...]]:
        calls.append((rgb.shape, rgb.dtype))
        return [(1, 2, 10, 12, 0.2), (30, 20, 20, 24, 0.8), (40, 1, 9, 9)]

    detector = adapt_detector(find)
    assert [face.score for face in detector(BLANK)] == [1.0, 0.8, 0.2]
    assert [face.box for face in detector(BLANK, Box(25, 15, 30, 30))] == [Box(30, 20, 20, 24)]
    assert len(search(detector, BLANK)) == 3
    assert calls == [((48, 64, 3), np.uint8)]


@pytest.mark.parametrize(
    "rows", [[], (), np.zeros((0, 4)), np.array([[1, 2, 10, 12]]), [[1, 2, 10, 12, np.float32(1)]]]
)
def test_own_detectors_may_answer_in_several_forms(rows: Any) -> None:
    assert len(adapt_detector(lambda rgb: rows)(BLANK)) == len(rows)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "NoneType"),
        ("face", "str"),
        ({1: 2}, "dict"),
        (7, "int"),
        ([3], "shape"),
        ([(1, 2, 3)], "shape"),
        ([(1, 2, 3, 4, 5, 6)], "shape"),
        (["abcd"], "numbers"),
        ([(1, 2, "x", 4)], "numbers"),
        ([(1, 2, float("nan"), 4)], "finite"),
        ([(1, 2, 0, 4)], "positive"),
        ([(1, 2, 10, -4)], "positive"),
        ([(1, 2, 10, 4, 1.5)], "between 0 and 1"),
        ([(0.1, 0.2, 0.3, 0.3)], "fractions"),
        ([(500, 2, 30, 30)], "outside the 64 x 48 frame"),
    ],
)
def test_bad_answers_of_an_own_detector_are_explained(answer: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        adapt_detector(lambda rgb: answer)(BLANK)


def test_an_own_detector_that_fails_is_named() -> None:
    def find(rgb: np.ndarray) -> Iterable[Any]:
        raise RuntimeError("no model file")

    with pytest.raises(UsageError, match=r"2\.500 s: RuntimeError: no model file"):
        adapt_detector(find)(BLANK)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="function"):
        adapt_detector(7)  # type: ignore[arg-type]
