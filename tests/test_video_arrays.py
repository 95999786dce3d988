"""Frames from memory, and frames to files."""

import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media import clip, pattern, steady
from perfuse.core.errors import OutputError, SourceError, UsageError
from perfuse.video import FrameStream, from_arrays, open_source, write_video


def test_arrays_with_a_rate():
    frames = np.stack(clip(5))
    with from_arrays(frames, rate_hz=25) as stream:
        got = list(stream)
    assert [frame.time_s for frame in got] == [0, 0.04, 0.08, 0.12, 0.16]
    assert all(np.array_equal(frame.rgb(), want) for frame, want in zip(got, frames))
    info = stream.info
    assert (info.kind, info.width, info.height, info.frames, info.nominal_rate_hz) == ("frames", 64, 48, 5, 25)


@pytest.mark.parametrize("form", ["list", "pairs", "generator", "generator of pairs"])
def test_any_iterable_with_times(form):
    times, frames = [0.5, 0.53, 0.61], clip(3)
    made = {
        "list": lambda: from_arrays(frames, times),
        "pairs": lambda: from_arrays(list(zip(times, frames))),
        "generator": lambda: from_arrays((f for f in frames), iter(times)),
        "generator of pairs": lambda: from_arrays(zip(times, frames)),
    }[form]()
    got = list(made)
    assert [frame.time_s for frame in got] == times
    assert all(np.array_equal(frame.rgb(), want) for frame, want in zip(got, frames))
    assert made.warnings == []


def test_grey_and_deep_and_float_pictures():
    grey = pattern()[:, :, 0]
    assert np.array_equal(next(from_arrays(grey[None], rate_hz=30)).rgb()[:, :, 1], grey)
    deep = pattern().astype(np.uint16) * 257
    assert np.array_equal(next(from_arrays([deep], rate_hz=30)).rgb(), pattern())
    assert np.array_equal(next(from_arrays([pattern() / 255.0], rate_hz=30)).rgb(), pattern())


@pytest.mark.parametrize(
    ("frames", "given", "says"),
    [
        (clip(2), {}, "carry no times"),
        (clip(2), {"times_s": [0, 1], "rate_hz": 30}, "Both"),
        (clip(2), {"times_s": [0.0]}, "1 times were given for 2 frames"),
        (iter(clip(2)), {"times_s": iter([0.0])}, "more frames than times"),
        (clip(2), {"times_s": 0.5}, "times_s=0.5"),
        (clip(2), {"times_s": ["soon", "later"]}, "str was given as a time"),
        (clip(2), {"times_s": np.zeros((2, 2))}, "ndarray was given as a time"),
        (clip(2), {"times_s": np.array(["2026-01-01", "2026-01-02"], "datetime64[us]")}, "was given as a time"),
        ([(0.0, pattern())], {"rate_hz": 30}, "carry times"),
        (pattern(), {"rate_hz": 30}, "shape"),
        (np.zeros((2, 3, 4, 5), np.uint8), {"rate_hz": 30}, "shape"),
        (clip(2), {"rate_hz": 0}, "frame rate"),
        ([pattern() * 1.0], {"rate_hz": 30}, "float picture"),
        ([np.full((4, 4, 3), np.nan)], {"rate_hz": 30}, "float picture"),
        ([pattern().astype(np.int64)], {"rate_hz": 30}, "type"),
        (["picture"], {"rate_hz": 30}, "type|shape"),
    ],
)
def test_what_cannot_be_read(frames, given, says):
    with pytest.raises(UsageError, match=says):
        list(from_arrays(frames, **given))


@pytest.mark.parametrize("nothing", [[], np.zeros((0, 4, 4, 3), np.uint8), iter(())])
def test_no_frames(nothing):
    with pytest.raises(SourceError, match="No frames"):
        from_arrays(nothing, rate_hz=30)


def test_times_that_do_not_increase_are_dropped_and_reported():
    times = [0.0, 0.1, 0.1, 0.05, float("nan"), 0.2, float("inf")]
    stream = from_arrays([(t, pattern()) for t in times])
    assert [frame.time_s for frame in stream] == [0.0, 0.1, 0.2]
    assert stream.warnings == [
        "Dropped frames: 2 without a timestamp.",
        "Dropped frames: 2 whose time did not increase.",
    ]


def test_no_times_at_all():
    with pytest.raises(SourceError, match=r"no timestamps.*rate_hz"):
        list(from_arrays([(float("nan"), pattern())] * 3))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_what_comes_out_increases_and_nothing_is_lost_without_a_word(times):
    stream = from_arrays([(t, pattern(4, 4)) for t in times])
    seen = [frame.time_s for frame in stream]
    assert sorted(set(seen)) == seen
    dropped = sum(int(warning.split()[2]) for warning in stream.warnings)
    assert len(seen) + dropped == len(times)
    assert seen[-1] == max(times)


def test_iterables_are_read_one_by_one():
    born = []

    def pictures():
        for index in range(50):
            picture = pattern(8, 8, index)
            born.append(weakref.ref(picture))
            yield picture

    most = 0
    for _ in from_arrays(pictures(), rate_hz=30):
        most = max(most, sum(picture() is not None for picture in born))
    assert most <= 3


@settings(max_examples=15)
@given(
    start=st.floats(0, 50),
    steps=st.lists(st.floats(0.003, 1.0), min_size=1, max_size=10),
    ending=st.sampled_from(["mp4", "mov", "mkv", "nut"]),
    codec=st.sampled_from(["libx264", "ffv1"]),
)
def test_written_and_read(tmp_path_factory, start, steps, ending, codec):
    if (ending, codec) == ("mov", "ffv1"):
        codec = "libx264"
    path = tmp_path_factory.mktemp("w") / f"a.{ending}"
    times = start + np.concatenate([[0.0], np.cumsum(steps)])
    pictures = clip(len(times), 32, 32)
    write_video(path, zip(times, pictures), codec)
    with open_source(path) as stream:
        frames = list(stream)
    assert np.abs([frame.time_s for frame in frames] - times).max() <= (0.51e-3 if ending == "mkv" else 6e-6)
    for frame, want in zip(frames, pictures):
        if codec == "ffv1":
            assert np.array_equal(frame.rgb(), want)
        else:
            assert np.abs(frame.rgb().mean((0, 1)) - want.mean((0, 1))).max() < 2.5


def test_untouched_means_survive_the_conversion(tmp_path):
    """The pulse is a fraction of a level: the mean must come through 4:2:0 unbiased."""
    rng = np.random.default_rng(0)
    base = rng.normal(0, 3, (120, 160, 3)) + np.array([190, 130, 100])
    levels = np.linspace(0, 2, 9)
    noisy = [np.clip(np.rint(base + level), 0, 255).astype(np.uint8) for level in levels]
    write_video(tmp_path / "a.mp4", zip(steady(9), noisy), options={"qp": "0"})
    with open_source(tmp_path / "a.mp4") as stream:
        seen = np.array([[(m[0] @ [p.mean() for p in f.planes] + m[1]) for m in zip(f.to_rgb[:, :3], f.to_rgb[:, 3])]
                         for f in stream])  # fmt: skip
    want = np.array([picture.mean((0, 1)) for picture in noisy])
    assert np.abs(seen - want).max() < 0.4
    assert np.abs(np.diff(seen - want, axis=0)).max() < 0.02


def test_the_same_frames_make_the_same_file(tmp_path):
    for name in ("a.mp4", "b.mp4", "a.mkv", "b.mkv"):
        write_video(tmp_path / name, zip(steady(5), clip(5)))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()


def test_a_lower_rate_factor_keeps_more(tmp_path):
    rng = np.random.default_rng(1)
    noisy = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(4)]
    for crf in (5, 40):
        write_video(tmp_path / f"{crf}.mp4", zip(steady(4), noisy), crf=crf)
    assert (tmp_path / "5.mp4").stat().st_size > 2 * (tmp_path / "40.mp4").stat().st_size


def test_odd_sizes_can_be_written(tmp_path):
    write_video(tmp_path / "a.mp4", [(0.0, pattern(33, 31))])
    with open_source(tmp_path / "a.mp4") as stream:
        assert (stream.info.height, stream.info.width) == (33, 31)


@pytest.mark.parametrize(
    ("name", "frames", "given", "error", "says"),
    [
        ("a.mp4", [], {}, UsageError, "No frames"),
        ("a.mp4", [(0.0, pattern()), (0.0, pattern())], {}, UsageError, "increase"),
        ("a.mp4", [(-1.0, pattern())], {}, UsageError, "increase|from 0"),
        ("a.mp4", [(float("nan"), pattern())], {}, UsageError, "time"),
        ("a.mp4", [(0.0, pattern()), (1.0, pattern(8, 8))], {}, UsageError, "one size"),
        ("a.mp4", [(0.0, pattern() / 255)], {}, UsageError, "uint8"),
        ("a.mp4", [(0.0, pattern()[:, :, 0])], {}, UsageError, "uint8"),
        ("a.mp4", clip(1), {}, UsageError, "pair"),
        ("a.mp4", [(0.0, pattern())], {"codec": "nonsense"}, UsageError, "encoder"),
        ("a.mp4", [(0.0, pattern())], {"pixel_format": "nonsense"}, UsageError, "encoder"),
        ("a.mp4", [(0.0, pattern())], {"nominal_rate_hz": 0}, UsageError, "frame rate"),
        ("a.nonsense", [(0.0, pattern())], {}, UsageError, "ending"),
        ("a.avi", [(0.0, pattern())], {}, UsageError, "AVI"),
        ("no/such/a.mp4", [(0.0, pattern())], {}, OutputError, "no folder"),
    ],
)
def test_what_cannot_be_written(tmp_path, name, frames, given, error, says):
    with pytest.raises(error, match=says):
        write_video(tmp_path / name, frames, **given)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, zip(steady(5), clip(5)))
    before = path.read_bytes()

    def breaks():
        yield 0.0, pattern()
        raise RuntimeError("the maker of frames failed")

    with pytest.raises(RuntimeError, match="failed"):
        write_video(path, breaks())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_in_the_way(tmp_path):
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_video(tmp_path / "a.mp4", [(0.0, pattern())])
    assert isinstance(from_arrays([pattern()], rate_hz=1), FrameStream)
