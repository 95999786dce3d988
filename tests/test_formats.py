"""What parses files: MATLAB, tables, XML, pictures, films; and clocks and names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfuse.core.errors import SourceError
from perfuse.data import folders
from perfuse.data.clocks import on_clock
from perfuse.data.folders import GLANCED, child, files_below, folders_below, folders_in, glance, holds, homes
from perfuse.data.formats.films import film_times, open_film
from perfuse.data.formats.matlab import read_mat
from perfuse.data.formats.pictures import open_pictures, picture_times
from perfuse.data.formats.tables import read_numbers, read_table
from perfuse.data.formats.texts import read_json, read_xml
from perfuse.video import open_source
from reader_scenes.agreed import xml
from reader_scenes.making import (
    avi,
    even,
    film,
    numbered_pictures,
    put,
)

BOMB = '<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;">]><x><value0><value1>&c;</value1></value0></x>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_with_a_document_type_is_refused(encoding, tmp_path):
    path = tmp_path / "bomb.xml"
    path.write_bytes(BOMB.encode(encoding))
    with pytest.raises(SourceError, match=r"bomb\.xml declares a document type"):
        read_xml(path)


def test_wide_xml_reads_too(tmp_path):
    (tmp_path / "w.xml").write_bytes(xml([(1, 2, 3)]).replace('<?xml version="1.0"?>', "").encode("utf-16"))
    assert read_xml(tmp_path / "w.xml").find("value0/value2").text == "3"


def test_times_of_packets_are_those_of_frames(tmp_path):
    for path in (film(tmp_path / "a.mp4", even(12, 30, 0.4) ** 2), avi(tmp_path / "b.avi", rate=25)):
        with open_source(path) as stream:
            np.testing.assert_allclose(film_times(path), [frame.time_s for frame in stream], atol=1e-9)


@given(st.lists(st.integers(0, 500), min_size=1, max_size=40, unique=True).map(sorted))
def test_numbered_pictures_keep_their_distance(numbers):
    times = picture_times([f"v2_img{n}" for n in numbers], 10.0)
    steps = np.diff(numbers)
    if len(steps) and (np.mean(steps == 1) < 0.5 or steps.sum() > 4 * len(numbers)):
        assert times == pytest.approx(np.arange(len(numbers)) / 10)
    else:
        assert times == pytest.approx((np.array(numbers) - numbers[0]) / 10)
    assert len(times) == len(numbers)
    assert (np.diff(times) > 0).all()


def test_pictures_whose_names_count_nothing_follow_one_another():
    assert picture_times(["a", "b"], 5.0).tolist() == [0, 0.2]
    assert picture_times(["x3", "x3", "x2"], 5.0) == pytest.approx([0, 0.2, 0.4])
    assert picture_times([], 5.0).tolist() == []
    assert picture_times(["p5", "p6"], 5.0, first=0).tolist() == [1, 1.2]


@given(st.lists(st.integers(-3, 6), min_size=1, max_size=30))
def test_signals_keep_every_moment_once_or_say_where_time_goes_back(steps):
    times = np.cumsum(steps) / 7.0
    values = np.arange(len(times), dtype=float)
    if (np.diff(times) < 0).any():
        with pytest.raises(SourceError, match=r"some\.csv"):
            on_clock(times, {"pulse": values}, "some.csv")
        return
    signal = on_clock(times, {"pulse": values}, "some.csv")["pulse"]
    assert signal.times_s.tolist() == np.unique(times).tolist()
    assert signal.values.tolist() == [int(np.flatnonzero(times == t)[0]) for t in signal.times_s]


def test_names_are_found_whatever_their_case_and_sorted_by_value(tmp_path):
    for name in ("S10", "s9", "s1", ".hidden", "Thumbs.db", "take²", "s01"):
        (tmp_path / name).mkdir()
    assert [p.name for p in folders_in(tmp_path, r"s\d+")] == ["s01", "s1", "s9", "S10"]
    assert child(tmp_path, "s10").name == "S10"
    assert child(tmp_path, "nothing") is None
    assert child(tmp_path / "nowhere", "s10") is None
    assert [p.name for p in folders_in(tmp_path)][-1] == "take²"
    assert homes(tmp_path, lambda p: p.name == "s9") == [(tmp_path / "s9", "")]


def test_telling_what_a_folder_is_does_not_look_at_every_picture(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    for index in range(GLANCED + 50):
        (tmp_path / "a" / f"{index}.png").touch()
    put(tmp_path / "b" / ".hidden.mkv", "x")
    put(tmp_path / "b" / "F001_T1.MKV", "x")
    looked = []
    plain = folders._entries
    monkeypatch.setattr(folders, "_entries", lambda at: (looked.append(item) or item for item in plain(at)))
    assert list(glance(tmp_path, r".+\.mkv", 2)) == list(files_below(tmp_path, r".+\.mkv", 2))
    looked.clear()
    assert list(glance(tmp_path / "a", r".+\.mkv", 2)) == []
    assert len(looked) == GLANCED + 1
    looked.clear()
    assert holds(tmp_path / "a", r".+\.png")
    assert len(looked) == 1
    assert [path.name for path in folders_below(tmp_path, "[ab]", 3)] == ["a", "b"]


def test_numbers_that_are_missing_leave_their_place(tmp_path):
    (tmp_path / "n.txt").write_text(" 1.5,,3 ;4\n  7   8 \t 9\n\n-1e3\t\tx\n")
    rows = [[1.5, np.nan, 3, 4], [7, 8, 9, np.nan], [-1000, np.nan, np.nan, np.nan]]
    assert read_numbers(tmp_path / "n.txt") == pytest.approx(np.array(rows), nan_ok=True)


def test_a_date_with_its_time_is_one_cell(tmp_path):
    (tmp_path / "n.csv").write_text("2020-01-01 12:00:00, 5,6\n2020-01-01 12:00:01,7 ,\n")
    assert read_numbers(tmp_path / "n.csv")[:, 1:3] == pytest.approx(np.array([[5, 6], [7, np.nan]]), nan_ok=True)


def test_files_are_named_whole_in_errors(tmp_path):
    (tmp_path / "vid.avi").write_bytes(b"RIFFxxxxAVI nothing")
    for step, name in (
        (open_film, "vid.avi"),
        (read_json, "vid.avi"),
        (read_numbers, "gone.txt"),
        (read_mat, "g.mat"),
    ):
        with pytest.raises(SourceError) as error:
            step(tmp_path / name, *([["a"]] if step is read_mat else []))
        assert str(tmp_path / name) in error.value.problem
    (tmp_path / "t.csv").write_text("a,b\n1," + "9" * 200_000 + "\n")
    with pytest.raises(SourceError, match=r"t\.csv"):
        read_table(tmp_path / "t.csv")


def test_pictures_that_cannot_be_opened_at_all(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"take holds no picture.*a\.png"):
        open_pictures([tmp_path / "a.png"], np.zeros(1), "take")
    with pytest.raises(SourceError, match="holds no picture"):
        open_pictures([], np.zeros(0), "take")
    with pytest.raises(SourceError, match=r"a\.png"):
        open_pictures(["x"], np.zeros(1), "take", archive=tmp_path / "a.png")
    numbered_pictures(tmp_path / "p", ["0.png", "1.png"])
    with open_pictures([tmp_path / "p" / "0.png", tmp_path / "p" / "1.png"], np.zeros(1), "take") as stream:
        assert len(list(stream)) == 1
        assert "left out" in stream.warnings[0]
