"""MATLAB files of version 5 and 7.3: like scipy on whole files, with our own errors and little memory on others."""

from __future__ import annotations

import struct
import tracemalloc
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.io import loadmat, savemat, whosmat

from conftest import ROOT
from perfuse.core.errors import SourceError
from perfuse.data.formats.array_video import open_video
from perfuse.data.formats.mat5 import outline_mat5, read_mat5, read_part_mat5
from perfuse.data.formats.matlab import outline, read_mat, read_variable, series, text
from reader_scenes.making import clip4, mat73, picture, wave


def bvp(path: Path) -> np.ndarray:
    return series(read_variable(path, "BVP"), path, "BVP")


def test_nothing_reads_matlab_files_with_scipy():
    """Its compiled parser ends the process on damaged files of version 5."""
    assert [path for path in (ROOT / "src").rglob("*.py") if "scipy.io" in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("step", [1, 4, 5, 13, 100])
@pytest.mark.parametrize("straight", [False, True])
def test_hdf5_videos_come_in_pieces(step, straight, tmp_path, monkeypatch):
    path = tmp_path / "v.mat"
    frames = clip4(13, np.float64)
    if straight:
        with h5py.File(path, "w") as file:
            file["Xsub"] = frames
    else:
        mat73(path, Xsub=frames)
    monkeypatch.setattr("perfuse.data.formats.array_video.BLOCK_BYTES", step * frames[0].nbytes)
    read = []
    plain = h5py.Dataset.__getitem__
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda s, at: (read.append(plain(s, at)), read[-1])[1])
    with open_video(path, ["RawFrames", "Xsub"], 30.0) as stream:
        assert (stream.info.width, stream.info.height, stream.info.frames) == (32, 24, 13)
        assert read == [], "nothing is read before it is asked for"
        next(stream)
        assert read[0].size <= max(step, 8) * frames[0].size
        rest = list(stream)
    assert [f.rgb()[0, 0].tolist() for f in rest] == [picture(i)[0, 0].tolist() for i in range(1, 13)]
    assert [f.time_s for f in rest] == pytest.approx(np.arange(1, 13) / 30)


def test_matlab_variables_by_name_or_alone(tmp_path):
    savemat(tmp_path / "one.mat", {"other": np.arange(4.0)})
    np.testing.assert_array_equal(bvp(tmp_path / "one.mat"), np.arange(4.0))
    savemat(tmp_path / "two.mat", {"bvp": np.arange(4.0), "fs": 20.0})
    np.testing.assert_array_equal(bvp(tmp_path / "two.mat"), np.arange(4.0))
    savemat(tmp_path / "three.mat", {"x": np.arange(4.0), "y": 20.0})
    with pytest.raises(SourceError, match=r"three\.mat holds x, y"):
        bvp(tmp_path / "three.mat")
    savemat(tmp_path / "none.mat", {"BVP": np.full(4, np.nan)})
    with pytest.raises(SourceError, match="no finite number"):
        bvp(tmp_path / "none.mat")
    assert set(read_mat(tmp_path / "two.mat")) == {"bvp", "fs"}


SHAPES = array_shapes(min_dims=2, max_dims=4, max_side=4)
KINDS = st.sampled_from([np.dtype(code) for code in ("f8", "f4", "i1", "i2", "u1", "u2", "u4", "i8", "?")])


@given(data=st.data())
@settings(max_examples=60)
def test_matlab_files_read_like_scipys(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    wanted = {key: data.draw(arrays(data.draw(KINDS), data.draw(SHAPES))) for key in ("a", "bvp")}
    wanted["z"] = wanted["a"] + 1j
    wanted["empty"] = np.zeros((0, 3))
    cell = np.array([[np.arange(3.0), "text"], [np.ones((2, 2), np.uint16), np.zeros(0)]], dtype=object)
    structure = {"data": wanted["a"], "fs": 60.0, "note": "grün", "inner": {"deep": wanted["bvp"]}, "cell": cell}
    savemat(path, {**wanted, "PPG": structure, "c": cell, "said": "ja"}, do_compression=data.draw(st.booleans()))
    ours, theirs = read_mat(path), loadmat(path)
    for key in wanted:
        np.testing.assert_array_equal(ours[key], theirs[key])
        assert ours[key].dtype == theirs[key].dtype
    for name, shape, kind in whosmat(path):
        assert kind == "char" or outline(path)[name].shape == shape
    np.testing.assert_array_equal(ours["PPG"]["data"], wanted["a"])
    np.testing.assert_array_equal(ours["PPG"]["inner"]["deep"], wanted["bvp"])
    assert (ours["PPG"]["fs"].item(), ours["PPG"]["note"], ours["said"]) == (60.0, "grün", "ja")
    for found in (ours["c"], ours["PPG"]["cell"]):
        assert (found.shape, found[0, 1]) == ((2, 2), "text")
        np.testing.assert_array_equal(found[1, 0], cell[1, 0])
    part = data.draw(st.sampled_from(["a", "bvp"]))
    start, stop = sorted(data.draw(st.tuples(st.integers(0, 4), st.integers(0, 5))))
    if wanted[part].size:
        with path.open("rb") as file:
            np.testing.assert_array_equal(read_part_mat5(file, part, start, stop), wanted[part][start:stop])


def element(order: str, kind: int, data: bytes) -> bytes:
    return struct.pack(f"{order}II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def double(order: str, name: str, stored: np.ndarray, kind: int) -> bytes:
    """A file of one array of doubles, kept as another type."""
    parts = element(order, 6, struct.pack(f"{order}II", 6, 0))
    parts += element(order, 5, struct.pack(f"{order}{stored.ndim}i", *stored.shape))
    parts += element(order, 1, name.encode()) + element(order, kind, stored.tobytes(order="F"))
    header = b"MATLAB 5.0".ljust(124) + struct.pack(f"{order}H", 0x0100) + (b"IM" if order == "<" else b"MI")
    return header + element(order, 14, parts)


@pytest.mark.parametrize("order", ["<", ">"])
def test_matlab_files_of_both_byte_orders_and_numbers_kept_small(order, tmp_path):
    path = tmp_path / "a.mat"
    stored = np.arange(24, dtype=f"{order}u2").reshape(2, 3, 4)
    path.write_bytes(double(order, "a", stored, 4))
    (found,) = read_mat(path).values()
    np.testing.assert_array_equal(found, stored)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, loadmat(path)["a"])
    assert outline(path)["a"].shape == (2, 3, 4)


@pytest.mark.parametrize("compressed", [False, True])
def test_matlab_variables_that_nobody_asks_for_are_not_read(compressed, tmp_path):
    path = tmp_path / "a.mat"
    noise = np.random.default_rng(0).random((200, 500))
    savemat(path, {"first": np.arange(3.0), "large": noise, "last": "x"}, do_compression=compressed)
    raw = bytearray(path.read_bytes())
    raw[400_000:400_100] = bytes(100)  # within the large one
    path.write_bytes(raw)
    assert read_mat(path, ["first", "last"])["last"] == "x"
    assert outline(path)["large"].shape == (200, 500)
    if compressed:
        with pytest.raises(SourceError, match=r"a\.mat is damaged: a compressed part"):
            read_mat(path, ["large"])


def test_matlab_files_of_version_4_and_none_are_refused(tmp_path):
    savemat(tmp_path / "four.mat", {"a": np.arange(3.0)}, format="4")
    (tmp_path / "text.mat").write_text("no such thing " * 40)
    (tmp_path / "h5.mat").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600))
    wrong = {"four": "version 4", "text": "no MATLAB file", "h5": "cannot be read", "no": "no file"}
    for name, said in wrong.items():
        for read in (read_mat, outline):
            with pytest.raises(SourceError, match=said) as error:
                read(tmp_path / f"{name}.mat")
            assert f"{name}.mat" in error.value.problem


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("passes", [1, 3, 13])
def test_matlab_5_videos_come_in_passes(kind, compressed, passes, tmp_path, monkeypatch):
    path = tmp_path / "v.mat"
    frames = np.stack([picture(i) for i in range(13)])
    savemat(path, {"video": frames if kind is np.uint8 else clip4(13), "x": 1.0}, do_compression=compressed)
    monkeypatch.setattr("perfuse.data.formats.array_video.PASS_BYTES", -(-13 // passes) * clip4(1, kind).nbytes)
    with open_video(path, ["video"], 30.0) as stream:
        assert (stream.info.width, stream.info.height, stream.info.frames) == (32, 24, 13)
        seen = list(stream)
    assert [f.rgb()[3, 5].tolist() for f in seen] == [picture(i)[3, 5].tolist() for i in range(13)]
    assert [f.time_s for f in seen] == pytest.approx(np.arange(13) / 30)


@pytest.mark.parametrize("passes", [1, 4])
def test_matlab_5_videos_need_little_more_memory_than_a_pass(passes, tmp_path, monkeypatch):
    path = tmp_path / "v.mat"
    frames = np.random.default_rng(0).random((96, 60, 80, 3), np.float32)  # 5.5 MB
    savemat(path, {"video": frames}, do_compression=True)
    monkeypatch.setattr("perfuse.data.formats.array_video.PASS_BYTES", frames.nbytes // passes)
    monkeypatch.setattr("perfuse.data.formats.mat5.CHUNK", 1 << 18)
    expected = frames[::17].copy()
    size = frames.nbytes
    del frames
    tracemalloc.start()
    with open_video(path, ["video"], 30.0) as stream:
        for index, frame in enumerate(stream):
            if index % 17 == 0:
                np.testing.assert_array_equal(np.stack(frame.planes, axis=2), expected[index // 17])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.1 * size / passes + 5 * (1 << 18), "a pass, and the chunks of its way in"


@pytest.mark.parametrize("compressed", [False, True])
def test_matlab_5_videos_that_are_damaged_are_named(compressed, tmp_path):
    path = tmp_path / "v.mat"
    savemat(path, {"video": np.random.default_rng(0).random((9, 20, 30, 3))}, do_compression=compressed)
    raw = bytearray(path.read_bytes())
    raw[90_000:90_008] = b"\xff" * 8  # a number that is none
    for damaged in (raw, raw[:80_000]):
        path.write_bytes(damaged)
        with pytest.raises(SourceError, match=r"v\.mat"), open_video(path, ["video"], 30.0) as stream:
            list(stream)


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=12),
    st.integers(0, 3000),
    st.booleans(),
)
@settings(max_examples=200)
def test_damaged_matlab_files_raise_one_error(changes, lost, compressed):
    """Scipy's reader crashes the interpreter on some of these."""
    with BytesIO() as file:
        content = {"PPG": {"data": wave(24)[:, None], "fs": 50.0}, "x": np.ones((3, 4)), "t": "text"}
        savemat(file, {**content, "c": np.array(["a", np.ones(3)], dtype=object)}, do_compression=compressed)
        raw = bytearray(file.getvalue())
    for place, value in changes:
        raw[place % len(raw)] = value
    try:
        found = read_mat5(BytesIO(bytes(raw[: max(1, len(raw) - lost)])))
        assert all(isinstance(name, str) for name in found)
        outline_mat5(BytesIO(bytes(raw)))
        read_part_mat5(BytesIO(bytes(raw)), "x", 1, 3)
    except ValueError:
        return


def test_text_of_every_kind_of_variable():
    assert text(None) == text(np.zeros(0)) == ""
    assert text(np.array(["LED-low"])) == "LED-low"
    assert text(np.array([["True "]])) == "True"
    assert text(np.array([[76, 69, 68]], np.uint16)) == "LED"
    assert text(np.array([[np.array(["deep"])]], dtype=object)) == "deep"
    assert text(np.array([[3]], np.uint8)) == "3"
