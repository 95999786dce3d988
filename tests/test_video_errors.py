"""Bad input is told in the user's words; PyAV's exceptions never get out."""

import os
import shutil
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from media import clip, cut, encode, scratch, sound_only
from perfuse.core.errors import PerfuseError, SourceError, UsageError
from perfuse.video import open_source


def exhaust(path, **given):
    with open_source(path, **given) as stream:
        return list(stream)


def test_missing(tmp_path):
    with pytest.raises(SourceError, match=r"no file .*gone\.mp4"):
        open_source(tmp_path / "gone.mp4")


@pytest.mark.parametrize("ending", ["", ".mp4", ".csv"])
def test_a_directory(tmp_path, ending):
    folder = tmp_path / f"folder{ending}"
    folder.mkdir()
    with pytest.raises(SourceError, match="is a directory"):
        open_source(str(folder))


def test_pictures_of_one_recording(tmp_path):
    for name in ("", "img%04d.png", "*.jpg"):
        with pytest.raises(SourceError, match="must be made a video"):
            open_source(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_is_refused_before_anything_is_taken_from_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")  # to open it would wait without end
    with pytest.raises(SourceError, match=r"is a pipe.*Save the recording"):
        open_source(tmp_path / "pipe.mp4")


@pytest.mark.parametrize("name", ["a.mp4", "a.csv", "a.png", "a"])
def test_empty(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(SourceError, match="is empty"):
        open_source(tmp_path / name)


def test_forbidden(tmp_path, monkeypatch):
    path = encode(tmp_path / "a.mp4", clip(2))

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SourceError, match="may not be read"):
        open_source(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_forbidden_for_real(tmp_path):
    path = encode(tmp_path / "a.mp4", clip(2))
    path.chmod(0)
    with pytest.raises(SourceError, match="may not be read"):
        open_source(path)


@pytest.mark.parametrize("name", ["notes.txt", "notes.md", "notes.mp4", "page.html", "code.py", "list.m3u8", "a.nfo"])
def test_text(tmp_path, name):
    text = "#EXTM3U\nhttp://127.0.0.1:9/a.mp4\n" if name.endswith("m3u8") else "Not a video.\n" * 200
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match="Give a video"):
        exhaust(tmp_path / name)


@pytest.mark.parametrize("ending", ["mp4", "avi", "mkv", "mov", "jpg", "bin", "h264", "mjpeg", "yuv", "gif", "mp3"])
@pytest.mark.parametrize("seed", range(4))
def test_random_bytes(tmp_path, ending, seed):
    noise = np.random.default_rng(seed).integers(0, 256, 30_000, dtype=np.uint8)
    (tmp_path / f"a.{ending}").write_bytes(noise.tobytes())
    with pytest.raises(SourceError):
        exhaust(tmp_path / f"a.{ending}")


@pytest.mark.parametrize("name", ["a.m4a", "a.wav", "a.mp4", "a.mkv"])
def test_sound_only(tmp_path, name):
    with pytest.raises(SourceError, match="sound but no pictures"):
        open_source(sound_only(tmp_path / name))


def test_an_mp4_cut_before_its_index(tmp_path):
    whole = encode(tmp_path / "a.mp4", clip(30))
    with pytest.raises(SourceError, match="cannot be read as a video"):
        open_source(cut(whole, tmp_path / "b.mp4", 0.5))


def test_a_video_without_frames(tmp_path):
    with av.open(str(tmp_path / "a.avi"), "w") as out:
        out.add_stream("mpeg4", rate=30)
        out.start_encoding()
    with pytest.raises(SourceError, match="no picture that can be decoded"):
        open_source(tmp_path / "a.avi")
    whole = encode(tmp_path / "a.mkv", clip(30), codec="ffv1").read_bytes()
    first_cluster = whole.find(bytes.fromhex("1f43b675"))
    (tmp_path / "b.mkv").write_bytes(whole[:first_cluster])
    with pytest.raises(SourceError, match="Give a video"):
        open_source(tmp_path / "b.mkv")


@pytest.mark.parametrize(
    ("ending", "codec"),
    [(e, c) for e in ("mp4", "mkv", "avi") for c in ("libx264", "mpeg4", "ffv1", "mjpeg")]
    + [("mp4", "png"), ("avi", "png"), ("avi", "rawvideo")],
)
def test_whatever_is_damaged_the_error_is_ours(tmp_path, ending, codec):
    formats = {"mjpeg": "yuvj420p", "png": "rgb24", "rawvideo": "bgr24"}
    path = encode(
        tmp_path / f"a.{ending}", clip(12), codec=codec, pixel_format=formats.get(codec, "yuv420p"), tick=None
    )
    size = path.stat().st_size
    for seed in range(12):
        broken = scratch(path, tmp_path / f"b.{ending}", seed, places=3, length=20)
        data = bytearray(broken.read_bytes())
        rng = np.random.default_rng(seed)
        for at in rng.integers(0, size, 6 * (seed % 3)):
            data[at] = int(rng.integers(256))
        if seed % 4 == 3:
            data = data[: int(rng.integers(1, size))]
        broken.write_bytes(data)
        try:
            frames = exhaust(broken)
        except PerfuseError:
            continue
        times = [frame.time_s for frame in frames]
        assert times == sorted(set(times))
        assert all(np.isfinite(frame.to_rgb).all() for frame in frames)


@pytest.mark.parametrize("rate", [0, -30, float("nan"), float("inf"), "fast"])
def test_no_rate(tmp_path, rate):
    with pytest.raises(UsageError, match="frame rate"):
        open_source(encode(tmp_path / "a.mp4", clip(2)), rate_hz=rate)


@pytest.mark.parametrize("source", [None, 3, b"a.mp4", np.zeros((3, 4, 4, 3))])
def test_no_path(source):
    with pytest.raises(UsageError, match="type"):
        open_source(source)


@pytest.mark.parametrize("source", ["", "a\0b", "x" * 5000])
def test_strange_paths(source):
    with pytest.raises(SourceError):
        open_source(source)


@pytest.mark.parametrize("name", ["a:b.mp4", "http:x.mp4", "ümlaut 脈.mp4", "%03d.mp4", "concat:a|b.mp4", "-i.mp4"])
def test_names_that_look_like_something_else(tmp_path, name, monkeypatch):
    made = encode(tmp_path / "made.mp4", clip(3))
    shutil.move(made, tmp_path / name)
    assert len(exhaust(tmp_path / name)) == 3
    monkeypatch.chdir(tmp_path)
    assert len(exhaust(name)) == 3


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/a.mp4", "rtsp://127.0.0.1:9/a", "nonsense://a"])
def test_addresses_that_do_not_answer(address):
    with pytest.raises(SourceError, match=r"cannot be read as a video.*Check the address"):
        open_source(address)


def test_a_password_in_an_address_is_not_told():
    with pytest.raises(SourceError, match=r"rtsp://127\.0\.0\.1:9/a@b cannot"):
        open_source("rtsp://me:s3cret@127.0.0.1:9/a@b")


@pytest.mark.skipif(sys.platform != "linux", reason="device names of Linux")
@pytest.mark.parametrize("device", ["/dev/video97", "camera:/dev/video97"])
def test_a_camera_that_is_not_there(device):
    with pytest.raises(SourceError, match="camera /dev/video97 could not be opened"):
        open_source(device)
