"""The tracker on scenes made of one real photograph, moved, doubled, hidden and brought back."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from perfuse.core.errors import UsageError
from perfuse.core.frame import Box, Frame
from perfuse.face import BlazeFace, Detection, TrackedFrame, Tracker
from perfuse.face.tracker import HOLD_FRAMES, HOLD_S

FACE = Image.fromarray(data.astronaut()).crop((130, 20, 330, 260))
CENTRE = (93.0, 97.0)  # of the face in the crop above
DETECTOR = BlazeFace()


def picture(*centres: tuple[float, float], width: int = 480, height: int = 320, zoom: float = 0.8) -> np.ndarray:
    """Grey frame with the photograph's face centred at sub-pixel places."""
    canvas = Image.new("RGB", (width, height), (90, 95, 100))
    for x, y in centres:
        left, top = x - CENTRE[0] * zoom, y - CENTRE[1] * zoom
        fx, fy = int(np.floor(left)), int(np.floor(top))
        size = (int(200 * zoom) + 1, int(240 * zoom) + 1)
        matrix = (1 / zoom, 0, -(left - fx) / zoom, 0, 1 / zoom, -(top - fy) / zoom)
        patch = FACE.transform(size, Image.AFFINE, matrix, Image.BILINEAR)
        canvas.paste(patch.crop((1, 1, size[0] - 2, size[1] - 2)), (fx + 1, fy + 1))
    return np.asarray(canvas)


def frames(path: Callable[[float], Iterable[tuple[float, float]]], times: Iterable[float]) -> list[Frame]:
    return [Frame.from_rgb(picture(*path(t)), t) for t in times]


def track(items: list[Frame], **options: int) -> tuple[list[TrackedFrame], Tracker]:
    tracker = Tracker(DETECTOR, **options)
    out = [done for frame in items for done in tracker.push(frame)]
    return out + tracker.finish(), tracker


def clock(seconds: float, rate: float = 30.0) -> np.ndarray:
    return np.arange(round(seconds * rate)) / rate


def places(out: list[TrackedFrame], identity: int = 0) -> np.ndarray:
    faces = (next((f for f in item.faces if f.id == identity), None) for item in out)
    return np.array([face.box.centre if face else (np.nan, np.nan) for face in faces])


def test_every_frame_comes_back_once_in_order_with_the_face() -> None:
    items = frames(lambda t: [(200, 150)], clock(2))
    out, tracker = track(items)
    assert [item.frame for item in out] == items
    assert all(len(item.faces) == 1 for item in out)
    assert [(identity, event.kind, event.time_s) for identity, event in tracker.events] == [(0, "found", 0.0)]


def test_a_still_face_with_sensor_noise_does_not_tremble() -> None:
    rng = np.random.default_rng(7)
    base = picture((200, 150)).astype(np.float32)
    items = [
        Frame.from_rgb(np.clip(base + rng.normal(0, 3, base.shape), 0, 255).astype(np.uint8), t) for t in clock(4)
    ]
    centres = places(track(items)[0])
    assert centres.std(axis=0).max() < 0.3
    assert np.abs(np.diff(centres, axis=0)).max() < 0.1


def test_motion_is_followed() -> None:
    def path(t: float) -> list[tuple[float, float]]:
        return [(240 + 60 * np.sin(2 * np.pi * 0.3 * t), 150 + 0.01)]

    times = clock(4)
    out, tracker = track(frames(path, times))
    truth = np.array([path(t)[0] for t in times])
    error = places(out) - truth
    assert len(tracker.events) == 1
    # 76 pixels of face: the detector itself is off by up to 2 % here and there.
    assert np.abs(error - np.median(error, axis=0)).max() < 4.0
    assert (error - np.median(error, axis=0)).std(axis=0).max() < 1.6


def test_a_sudden_step_does_not_smear() -> None:
    times = clock(3)
    out, _ = track(frames(lambda t: [(200, 150) if t < 1.62 else (230, 165)], times))
    x = places(out)[:, 0]
    before, after = np.nanmedian(x[times < 1.5]), np.nanmedian(x[times > 2.5])
    assert after - before == pytest.approx(30, abs=3)
    between = (np.abs(x - before) > 5) & (np.abs(x - after) > 5)
    assert between.sum() == 0


def test_a_cut_to_another_place_is_a_new_face() -> None:
    times = clock(4)
    out, tracker = track(frames(lambda t: [(120, 150) if t < 1.5 else (360, 170)], times))
    kinds = [(identity, event.kind) for identity, event in tracker.events]
    assert kinds == [(0, "found"), (1, "found"), (0, "lost")]
    assert tracker.events[2][1].time_s <= 1.5
    assert np.nanmax(np.abs(places(out, 0)[:, 0] - 120)) < 10
    assert np.nanmax(np.abs(places(out, 1)[:, 0] - 360)) < 10
    assert all(len(item.faces) <= 1 for item in out)


def test_two_moving_faces_keep_their_identities() -> None:
    def path(t: float) -> list[tuple[float, float]]:
        return [(130 + 12 * t, 150 + 6 * np.sin(3 * t)), (350 - 10 * t, 160 - 4 * t)]

    times = clock(4)
    out, tracker = track(frames(path, times))
    assert sorted(identity for identity, _ in tracker.events) == [0, 1]
    left = next(f.id for f in out[0].faces if f.box.centre[0] < 240)
    for identity, which in ((left, 0), (1 - left, 1)):
        truth = np.array([path(t)[which] for t in times])
        assert np.abs(places(out, identity) - truth).max() < 8


def test_max_faces_takes_the_largest() -> None:
    big = picture((140, 150), zoom=1.0)
    small = picture((380, 150), zoom=0.6)
    both = np.where(np.arange(480)[None, :, None] < 260, big, small)
    out, _ = track([Frame.from_rgb(both, t) for t in clock(1.5)], max_faces=1)
    assert all(len(item.faces) == 1 and item.faces[0].box.centre[0] < 260 for item in out)


def test_a_face_that_leaves_is_lost_when_last_seen() -> None:
    times = clock(4)
    out, tracker = track(frames(lambda t: [(200, 150)] if t < 1.5 else [], times))
    seen = [item.frame.time_s for item in out if item.faces]
    assert [event.kind for _, event in tracker.events] == ["found", "lost"]
    assert tracker.events[1][1].time_s == max(seen) < 1.5
    assert max(seen) > 1.0


@pytest.mark.parametrize(
    ("back", "place", "identity"), [(3.2, (206, 153), 0), (3.2, (380, 200), 1), (5.5, (200, 150), 1)]
)
def test_a_face_that_comes_back(back: float, place: tuple[float, float], identity: int) -> None:
    def path(t: float) -> list[tuple[float, float]]:
        return [(200, 150)] if t < 1.5 else [place] if t >= back else []

    out, tracker = track(frames(path, clock(back + 1, 15)))
    assert [(i, e.kind) for i, e in tracker.events] == [(0, "found"), (0, "lost"), (identity, "found")]
    assert out[-1].faces[0].id == identity
    assert not any(item.faces for item in out if 1.5 <= item.frame.time_s < back)


def test_a_short_miss_is_bridged_and_a_longer_one_is_not() -> None:
    def blind(first: float, last: float) -> Callable[..., list[Detection]]:
        class Half:
            keep_score, new_score = DETECTOR.keep_score, DETECTOR.new_score

            def __call__(self, frame: Frame, region: Box | None = None) -> list[Detection]:
                return [] if first < frame.time_s < last else DETECTOR(frame, region)

        return Half()

    items = frames(lambda t: [(200, 150)], clock(3))
    for last, missing in ((1.45, False), (2.0, True)):
        tracker = Tracker(blind(1.2, last))  # type: ignore[arg-type]
        out = [done for frame in items for done in tracker.push(frame)] + tracker.finish()
        gaps = [item.frame.time_s for item in out if not item.faces]
        assert bool(gaps) == missing
        assert [event.kind for _, event in tracker.events] == ["found"]


@pytest.mark.parametrize("rate", [5.0, 30.0, 120.0])
def test_few_frames_are_held(rate: float) -> None:
    tracker = Tracker(DETECTOR)
    given_back = 0
    for pushed, frame in enumerate(frames(lambda t: [(200, 150)] if t < 1 else [], clock(2, rate)), 1):
        given_back += len(tracker.push(frame))
        assert pushed - given_back <= min(HOLD_FRAMES, HOLD_S * rate + 1)


def test_gaps_in_time_are_not_filled() -> None:
    times = [*clock(1), *(clock(1) + 2.2), *(clock(1) + 60)]
    out, tracker = track(frames(lambda t: [(200, 150)], times))
    assert all(item.faces for item in out)
    story = [(i, e.kind, round(e.time_s, 2)) for i, e in tracker.events]
    assert story == [(0, "found", 0.0), (0, "lost", 3.17), (1, "found", 60.0)]


def test_nothing_is_found_where_nothing_is() -> None:
    rng = np.random.default_rng(3)
    smooth = Image.fromarray(rng.integers(0, 256, (24, 32, 3)).astype(np.uint8)).resize((640, 480), Image.BICUBIC)
    still = [
        np.zeros((480, 640, 3), np.uint8),
        np.full((480, 640, 3), 255, np.uint8),
        np.full((480, 640, 3), (201, 160, 140), np.uint8),
        rng.integers(0, 256, (480, 640, 3), dtype=np.uint8),
        np.asarray(smooth),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((3, 700, 3), np.uint8),
    ]
    for image in still:
        out, tracker = track([Frame.from_rgb(image, t) for t in (0.0, 0.1, 1.2)])
        assert len(out) == 3
        assert not tracker.events
        assert not any(item.faces for item in out)


def test_times_must_rise() -> None:
    tracker = Tracker(DETECTOR)
    tracker.push(Frame.from_rgb(np.zeros((8, 8, 3), np.uint8), 1.0))
    for time_s in (1.0, 0.5, float("nan")):
        with pytest.raises(UsageError, match="order"):
            tracker.push(Frame.from_rgb(np.zeros((8, 8, 3), np.uint8), time_s))
    with pytest.raises(UsageError, match="max_faces"):
        Tracker(DETECTOR, max_faces=0)


def test_no_frames_no_answer() -> None:
    assert Tracker(DETECTOR).finish() == []


class Scripted:
    """Detector that reads the faces from a script by time: the tracker's logic alone, fast enough for many runs."""

    keep_score = new_score = 0.0

    def __init__(self, script: dict[float, list[Box]]) -> None:
        self.script = script

    def __call__(self, frame: Frame, region: Box | None = None) -> list[Detection]:
        boxes = self.script[frame.time_s]
        if region is not None:
            ends = region.x + region.width, region.y + region.height
            boxes = [b for b in boxes if region.x < b.centre[0] < ends[0] and region.y < b.centre[1] < ends[1]]
        return [Detection(box, 0.9) for box in boxes]


@settings(max_examples=60)
@given(data=st.data())
def test_laws_of_any_scene(data: st.DataObject) -> None:
    """Each frame comes out once, in order; what is reported lies between what was seen; memory is bounded."""
    count = data.draw(st.integers(1, 80))
    steps = data.draw(st.lists(st.sampled_from([0.008, 0.02, 0.033, 0.1, 0.7, 4.0]), min_size=count, max_size=count))
    times = np.cumsum(steps).tolist()
    spots = st.lists(
        st.sampled_from([(40.0, 50.0), (46.0, 50.0), (150.0, 60.0), (60.0, 140.0)]), max_size=3, unique=True
    )
    stay = data.draw(st.lists(st.tuples(st.integers(1, 30), spots), min_size=1, max_size=6))
    scene = [[Box(x, y, 30, 30) for x, y in here] for length, here in stay for _ in range(length)]
    script = {t: scene[min(k, len(scene) - 1)] for k, t in enumerate(times)}
    image = np.zeros((200, 200, 3), np.uint8)
    tracker = Tracker(Scripted(script))
    out: list[TrackedFrame] = []
    for pushed, time_s in enumerate(times, 1):
        out += tracker.push(Frame.from_rgb(image, time_s))
        assert pushed - len(out) <= HOLD_FRAMES
    out += tracker.finish()
    assert [item.frame.time_s for item in out] == times
    for item in out:
        assert [face.id for face in item.faces] == sorted({face.id for face in item.faces})
        for face in item.faces:
            assert 30 <= face.box.width <= 30.001
    visible: dict[int, str] = {}
    for identity, event in tracker.events:
        assert visible.get(identity, "lost") != event.kind
        visible[identity] = event.kind
    assert {face.id for item in out for face in item.faces} == set(visible)


def test_the_same_frames_give_the_same_bytes() -> None:
    def run() -> list[tuple[int, Box, bytes]]:
        out, _ = track(frames(lambda t: [(150 + 40 * t, 150)], clock(1.5)))
        return [(f.id, f.box, f.points.tobytes()) for item in out for f in item.faces if f.points is not None]

    assert run() == run()
