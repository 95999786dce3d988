"""Reading videos: true timestamps, true colours, upright, the same every time."""

import gc
import hashlib
import subprocess
import sys
import weakref

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation
from hypothesis import given, settings
from hypothesis import strategies as st

from media import FACE, TICK, clip, cut, encode, pattern, scratch, steady
from perfuse.core.errors import SourceError, UsageError
from perfuse.core.frame import Box
from perfuse.video import area_mean, decode, open_source
from perfuse.video.planes import LAYOUTS
from perfuse.video.write import write_video

CAREFUL = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
"""swscale without its shortcuts: the default conversion rounds down, by a level on average."""


def read(path, **given):
    """Times, pictures as uint8 and warnings."""
    with open_source(path, **given) as stream:
        frames = [(frame.time_s, frame.rgb()) for frame in stream]
    return np.array([t for t, _ in frames]), [rgb for _, rgb in frames], stream.warnings


def digest(path, hold=False):
    """One hash over every plane, map and time of a file, read frame by frame or all at once."""
    out = hashlib.sha256()
    with open_source(path) as stream:
        for frame in list(stream) if hold else stream:
            out.update(np.float64(frame.time_s).tobytes() + frame.to_rgb.tobytes())
            for plane in frame.planes:
                out.update(np.ascontiguousarray(plane).tobytes())
        out.update(repr((stream.info, stream.warnings)).encode())
    return out.hexdigest()


def cells(rgb, rows=4, cols=4):
    height, width = rgb.shape[:2]
    return rgb.reshape(rows, height // rows, cols, width // cols, 3).mean((1, 3))


SIZES = [(16, 16), (24, 17), (33, 31), (48, 64), (64, 3840), (2160, 16)]


@pytest.mark.parametrize("size", SIZES)
def test_every_size(tmp_path, size):
    pictures = clip(3, *size)
    path = encode(tmp_path / "a.mp4", pictures, codec="ffv1", pixel_format="bgr0")
    times, seen, warnings = read(path)
    assert np.allclose(times, steady(3), atol=1e-5)
    assert np.array_equal(pictures, seen)
    assert warnings == []


@pytest.mark.parametrize("size", SIZES)
def test_halved_chroma_at_every_size(tmp_path, size):
    flat = np.full((*size, 3), FACE, np.uint8)
    _, seen, _ = read(encode(tmp_path / "a.mp4", [flat], codec="ffv1"))
    assert seen[0].shape == flat.shape
    assert np.abs(seen[0].astype(int) - FACE).max() <= 2


@pytest.mark.parametrize("rate", [5, 10, 15, 24, 25, 30, 50, 60, 90, 120])
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_every_rate(tmp_path, rate, ending):
    options = {"bf": "0"} if ending == "mkv" else {}
    path = encode(tmp_path / f"a.{ending}", clip(12, 16, 16), steady(12, rate), rate=rate, options=options)
    with open_source(path) as stream:
        times = [frame.time_s for frame in stream]
        assert stream.info.nominal_rate_hz == pytest.approx(rate, rel=0.01)
    assert np.allclose(times, steady(12, rate), atol=0.5e-3 if ending == "mkv" else 1e-6)


@settings(max_examples=25)
@given(
    start=st.floats(0, 100),
    steps=st.lists(st.floats(0.002, 1.5), min_size=1, max_size=12),
    ending=st.sampled_from(["mp4", "mov", "mkv", "nut"]),
)
def test_times_written_are_times_read(tmp_path_factory, start, steps, ending):
    times = start + np.concatenate([[0.0], np.cumsum(steps)])
    options = {"bf": "0"} if ending in ("mkv", "nut") else {}  # their writers delay everything by the B-frames
    path = encode(tmp_path_factory.mktemp("vfr") / f"a.{ending}", clip(len(times), 16, 16), times, options=options)
    seen, _, _ = read(path)
    assert len(seen) == len(times)
    assert np.abs(seen - times).max() <= (0.5e-3 if ending == "mkv" else 0) + float(TICK) / 2 + 1e-9


FORMATS = [
    ("libx264", "yuv420p", {}),
    ("libx264", "yuv420p", {"colorspace": 1}),
    ("libx264", "yuv420p", {"colorspace": 6, "color_range": 1}),
    ("libx264", "yuvj420p", {"color_range": 2}),
    ("libx264", "yuv422p", {"colorspace": 1, "color_range": 2}),
    ("libx264", "yuv444p", {"colorspace": 9}),
    ("libx264", "yuv420p10le", {}),
    ("libx264", "yuv420p10le", {"colorspace": 9, "color_range": 2}),
    ("libx264", "yuv422p10le", {"colorspace": 1}),
    ("libx264rgb", "bgr0", {}),
    ("ffv1", "yuva420p", {}),
    ("ffv1", "yuv411p", {}),
    ("ffv1", "yuv440p12le", {}),
    ("ffv1", "yuv444p16le", {}),
    ("ffv1", "bgra", {}),
    ("ffv1", "gray", {}),
    ("ffv1", "gray16le", {}),
    ("ffv1", "gbrp10le", {}),
    ("rawvideo", "nv12", {}),
    ("rawvideo", "nv21", {}),
    ("rawvideo", "yuyv422", {}),
    ("rawvideo", "uyvy422", {}),
    ("rawvideo", "rgb24", {}),
    ("rawvideo", "rgb555le", {}),
    ("mjpeg", "yuvj422p", {}),
    ("png", "ya8", {}),
    ("png", "rgba", {}),
    ("png", "rgb48be", {}),
    ("png", "monob", {}),
]


@pytest.mark.parametrize(("codec", "pixel_format", "tags"), FORMATS)
def test_colours_are_those_of_swscale(tmp_path, codec, pixel_format, tags):
    options = {"qp": "0"} if codec.startswith("libx264") else {}
    path = encode(
        tmp_path / "a.nut", [pattern(96, 128)], codec=codec, pixel_format=pixel_format, options=options, **tags
    )
    with av.open(str(path)) as file:
        decoded = next(file.decode(video=0))
        oracle = cells(decoded.reformat(format="rgb24", interpolation=CAREFUL).to_ndarray().astype(float))
    with open_source(path) as stream:
        frame = next(stream)
        assert stream.info.pixel_format == decoded.format.name
    means, _ = area_mean(frame, Box(0, 0, 128, 96), 4, 4)
    # From 8 to more bits of full range swscale shifts, where H.273 scales: white 1020 of 1023, up to a level less.
    wide = (
        pixel_format in ("gray16le", "yuv440p12le")
        or "gb" in pixel_format
        or ("10" in pixel_format and tags.get("color_range") == 2)
    )
    assert np.abs(means - oracle).max() < (1.2 if wide else 0.6)


def test_regular_formats_are_views_and_not_copies(tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "_threads", lambda: 2)
    for pixel_format, codec in (("yuv420p", "libx264"), ("nv12", "rawvideo"), ("bgr0", "ffv1")):
        path = encode(tmp_path / f"{pixel_format}.nut", clip(2), codec=codec, pixel_format=pixel_format)
        with open_source(path) as stream:
            for plane in next(stream).planes:
                assert not plane.flags.owndata
                assert not plane.flags.writeable


def test_chroma_planes_of_odd_pictures_are_rounded_up(tmp_path):
    for pixel_format in ("yuv420p", "nv12", "yuyv422"):
        codec = "ffv1" if pixel_format == "yuv420p" else "rawvideo"
        path = encode(tmp_path / f"{pixel_format}.nut", [pattern(15, 21)], codec=codec, pixel_format=pixel_format)
        with open_source(path) as stream:
            frame = next(stream)
        rows = 15 if pixel_format == "yuyv422" else 8
        assert [plane.shape for plane in frame.planes] == [(15, 21), (rows, 11), (rows, 11)]


def test_every_layout_lists_components_ffmpeg_knows():
    for name, layout in LAYOUTS.items():
        known = av.VideoFormat(name, 64, 48)
        colours = [c for c in known.components if not c.is_alpha]
        assert len(layout.parts) == len(colours)
        assert [plane for plane, _, _ in layout.parts] == [c.plane for c in colours]
        assert {c.bits for c in colours} == {layout.bits}


@pytest.mark.parametrize("degrees", [0, 90, 180, 270, -90])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_are_turned_upright(tmp_path, degrees, mirrored):
    stored = clip(2, 32, 48)
    path = encode(tmp_path / "a.mp4", stored, codec="png", pixel_format="rgb24", rotation=(degrees, mirrored, False))
    with open_source(path) as stream:
        got = next(stream).rgb()
        info = stream.info
    want = np.rot90(stored[0], degrees // 90)
    want = want[:, ::-1] if mirrored else want
    assert np.array_equal(got, want)
    assert (info.height, info.width) == want.shape[:2]
    assert info.rotation == -degrees % 360


def test_the_matrix_phones_write_turns_clockwise(tmp_path):
    path = encode(tmp_path / "a.mp4", clip(2, 32, 48), codec="png", pixel_format="rgb24")
    data = bytearray(path.read_bytes())
    matrix = np.array([0, 0x10000, 0, -0x10000, 0, 0, 32 << 16, 0, 0x40000000], ">i4").tobytes()
    start = data.index(b"tkhd") + 4 + 40
    data[start : start + 36] = matrix
    path.write_bytes(data)
    with open_source(path) as stream:
        assert stream.info.rotation == 90
        assert np.array_equal(next(stream).rgb(), np.rot90(pattern(32, 48), -1))


def test_sound_beside_the_pictures_changes_nothing(tmp_path):
    same = {"mbtree": "0"}  # x264's is not repeatable for pictures this small, depending on what memory held before
    silent = encode(tmp_path / "a.mp4", clip(20), options=same)
    loud = encode(tmp_path / "b.mp4", clip(20), options=same, sound=True)
    assert np.array_equal(read(silent)[1], read(loud)[1])
    assert np.allclose(read(loud)[0] - read(loud)[0][0], steady(20), atol=1e-4)
    assert read(loud)[2] == []


def test_avi_keeps_its_order_in_spite_of_b_frames(tmp_path):
    path = encode(tmp_path / "a.avi", clip(30, step=2), tick=None, options={"bf": "3", "b-adapt": "0"})
    times, pictures, warnings = read(path)
    assert np.allclose(np.diff(times), 1 / 30)
    assert np.all(np.diff([rgb.mean() for rgb in pictures]) > 0)
    assert (len(times), warnings) == (30, [])


@pytest.mark.parametrize("codec", ["libx264", "mjpeg", "mpeg4"])
def test_material_without_timestamps_needs_a_rate(tmp_path, codec):
    ending = {"libx264": "h264", "mjpeg": "mjpeg", "mpeg4": "m4v"}[codec]
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = encode(
        tmp_path / f"a.{ending}", clip(10), codec=codec, pixel_format=pixel_format, container=ending, tick=None
    )
    with pytest.raises(SourceError, match=r"carries no timestamps.*rate_hz"):
        open_source(path)
    times, _, warnings = read(path, rate_hz=12.5)
    assert np.allclose(times, np.arange(10) / 12.5)
    assert warnings == []


def test_a_stated_rate_never_overrules_timestamps(tmp_path):
    path = encode(tmp_path / "a.mp4", clip(10))
    times, _, warnings = read(path, rate_hz=12.5)
    assert np.allclose(times, steady(10), atol=1e-5)
    assert "not needed" in warnings[0]


def test_frames_whose_time_stands_still_are_dropped_and_reported(tmp_path):
    path = encode(tmp_path / "a.mkv", clip(4), np.array([0.0, 0.0002, 0.0333, 0.0667]), options={"bf": "0"})
    times, _, warnings = read(path)
    assert np.allclose(times, [0, 0.033, 0.067])
    assert warnings == ["Dropped frames: 1 whose time did not increase."]


def test_pictures_that_change_their_size_are_told(tmp_path):
    whole = {"codec": "mjpeg", "pixel_format": "yuvj420p", "container": "mjpeg", "tick": None}
    parts = [encode(tmp_path / f"{size}.mjpeg", clip(5, size, 64), **whole).read_bytes() for size in (48, 32, 48)]
    (tmp_path / "a.mjpeg").write_bytes(b"".join(parts))
    times, pictures, warnings = read(tmp_path / "a.mjpeg", rate_hz=10)
    assert (len(times), pictures[4].shape, pictures[5].shape) == (15, (48, 64, 3), (32, 64, 3))
    assert warnings == ["The pictures change their size at 0.5 s: a face before and after it may count as two."]


@pytest.mark.parametrize("ending", ["png", "jpg", "gif"])
def test_a_picture_is_a_video_of_one_frame(tmp_path, ending):
    from PIL import Image

    Image.fromarray(pattern()).save(tmp_path / f"a.{ending}")
    times, pictures, warnings = read(tmp_path / f"a.{ending}")
    assert (len(times), warnings) == (1, [])
    assert np.abs(pictures[0].mean((0, 1)) - pattern().mean((0, 1))).max() < 3


def test_reading_twice_gives_the_same_bytes(tmp_path):
    path = encode(tmp_path / "a.mp4", clip(40), options={"bf": "3"})
    assert digest(path) == digest(path)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mjpeg", "ffv1"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_damaged_file_is_read_to_its_end_and_the_same_on_any_number_of_threads(tmp_path, monkeypatch, codec, seed):
    rng = np.random.default_rng(7)
    noisy = [np.clip(p + rng.normal(0, 12, p.shape), 0, 255).astype(np.uint8) for p in clip(60, 96, 128)]
    options = {"libx264": {"g": "12"}, "mpeg4": {"b": "800000"}, "mjpeg": {"b": "800000"}, "ffv1": {}}[codec]
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    whole = encode(tmp_path / "a.mp4", noisy, codec=codec, options=options, pixel_format=pixel_format, tick=None)
    path = scratch(whole, tmp_path / "b.mp4", seed)
    times, _, warnings = read(path)
    assert times[-1] == read(whole)[0][-1]
    assert len(times) >= 45
    assert codec == "ffv1" or "damaged" in " ".join(warnings).lower()
    digests = set()
    for threads in (1, 2, 8, 8):
        monkeypatch.setattr(decode, "_threads", lambda threads=threads: threads)
        digests |= {digest(path), digest(path, hold=True)}
    assert len(digests) == 1


def test_only_a_few_frames_are_held(tmp_path):
    path = encode(tmp_path / "a.mp4", clip(120), options={"bf": "3"})
    born = []
    most = 0
    with open_source(path) as stream:
        for frame in stream:
            born.append(weakref.ref(frame.planes[0]))
            del frame
            most = max(most, sum(plane() is not None for plane in born))
    assert len(born) == 120
    assert most <= 3


def test_frames_outlive_their_stream(tmp_path):
    path = encode(tmp_path / "a.mp4", clip(8), codec="ffv1", pixel_format="bgr0")
    with open_source(path) as stream:
        frames = list(stream)
    del stream
    gc.collect()
    for frame, want in zip(frames, clip(8)):
        assert np.array_equal(frame.rgb(), want)


def test_one_pass_only(tmp_path):
    path = encode(tmp_path / "a.mp4", clip(3))
    with open_source(path) as stream:
        assert len(list(stream)) == 3
        with pytest.raises(UsageError, match="again"):
            list(stream)
    half = open_source(path)
    next(half)
    half.close()
    with pytest.raises(UsageError, match="again"):
        list(half)


def test_the_file_is_released_when_reading_stops_half_way(tmp_path):
    path = encode(tmp_path / "a.mp4", clip(30))
    with open_source(path) as stream:
        next(stream)
    path.rename(tmp_path / "b.mp4")
    with pytest.raises(StopIteration):
        next(stream)


def test_what_the_file_says_of_itself(tmp_path):
    path = encode(tmp_path / "a.mp4", clip(30), rotation=(90, False, False))
    with open_source(path) as stream:
        info = stream.info
    assert (info.name, info.kind, info.width, info.height) == ("a.mp4", "video", 48, 64)
    assert (info.codec, info.pixel_format, info.rotation) == ("h264", "yuv420p", 270)
    assert (info.frames, info.nominal_rate_hz) == (30, pytest.approx(30))
    assert info.duration_s == pytest.approx(1.0, abs=0.05)


def test_a_camera_is_read_like_a_file(monkeypatch):
    monkeypatch.setitem(open_source.__globals__["_CAMERAS"], sys.platform, ("lavfi", "testsrc=s=64x48:r=30:d=0.5"))
    with open_source("camera") as stream:
        assert (stream.info.kind, stream.info.width, stream.info.height) == ("camera", 64, 48)
        assert np.allclose([frame.time_s for frame in stream], steady(15))


def test_importing_the_room_does_not_load_pyav():
    code = "import sys, perfuse.video; sys.exit(any(m in sys.modules for m in ('av', 'scipy', 'PIL')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_real_recording(shared_data):
    path = shared_data / "face" / "sample_1.mp4"
    with open_source(path) as stream:
        times = np.array([frame.time_s for frame in stream])
    assert len(times) == 354
    assert 1 / np.diff(times).mean() == pytest.approx(30.013, abs=1e-3)
    assert stream.warnings == []


def test_a_truncated_file_is_read_as_far_as_it_goes(tmp_path):
    pictures = clip(60, 96, 128)
    front = encode(tmp_path / "front.mp4", pictures, codec="ffv1", container_options={"movflags": "+faststart"})
    stream = encode(tmp_path / "stream.mkv", pictures, codec="ffv1")
    for path in (front, stream):
        short = cut(path, tmp_path / f"short_{path.name}", 0.6)
        times, _, warnings = read(short)
        assert 20 < len(times) < 45
        assert any("truncated" in warning for warning in warnings)


def test_mpeg4_has_a_slower_clock_and_keeps_times(tmp_path):
    times = np.arange(20) / 29.97
    flat = np.full((48, 64, 3), 120, np.uint8)
    write_video(tmp_path / "a.mp4", ((time, flat) for time in times), "mpeg4")
    seen = [frame.time_s for frame in open_source(tmp_path / "a.mp4")]
    assert np.allclose(np.subtract(seen, seen[0]), times, atol=1 / 60_000)
