"""Colour traces: whatever a program calls its columns, and only what is really there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfuse.core.errors import SourceError
from perfuse.video import TraceStream, open_source, read_trace

RGB = np.array([[200.5, 90.25, 60.0], [201.5, 91.25, 61.0], [202.5, 92.25, 62.0], [203.5, 93.25, 63.0]])
TIMES = np.array([0.0, 0.033, 0.067, 0.1])


def table(path, head, columns, separator=",", decimal=".", encoding="utf-8"):
    lines = [] if head is None else [head]
    lines += [separator.join(repr(float(v)).replace(".", decimal) for v in row) for row in columns]
    path.write_bytes("\r\n".join(lines).encode(encoding))
    return path


def timed(unit=1.0):
    return np.column_stack([TIMES / unit, RGB])


@pytest.mark.parametrize(
    ("head", "unit"),
    [
        ("time_s,R,G,B", 1),
        ("t,r,g,b", 1),
        ("Time (s),Red,Green,Blue", 1),
        ("timestamp,red,green,blue", 1),
        ("ms,R,G,B", 1e-3),
        ("time_ms,mean_r,mean_g,mean_b", 1e-3),
        ("time,R,G,B", 1e-3),
        ("Timestamp[ms],R mean,G mean,B mean", 1e-3),
        ("time_us,R,G,B", 1e-6),
        ("t,R,G,B", 1e-6),
        ("timestamp_ns,R,G,B", 1e-9),
        ('"frame time (ms)","red","green","blue"', 1e-3),
    ],
)
def test_names_and_units(tmp_path, head, unit):
    data = read_trace(table(tmp_path / "a.csv", head, timed(unit)))
    assert np.allclose(data.time_s, TIMES)
    assert np.array_equal(data.rgb, RGB)
    named = any(word in head for word in ("(s)", "_s", "ms", "us", "ns"))
    assert bool(data.warnings) != named
    assert named or "assumed" in data.warnings[0]


@pytest.mark.parametrize(
    "written",
    [
        {"separator": ";"},
        {"separator": ";", "decimal": ","},
        {"separator": "\t"},
        {"separator": "\t", "decimal": ","},
        {"encoding": "utf-8-sig"},
        {"encoding": "utf-16"},
    ],
)
def test_dialects(tmp_path, written):
    head = written.get("separator", ",").join(["time_s", "R", "G", "B"])
    data = read_trace(table(tmp_path / "a.csv", head, timed(), **written))
    assert np.array_equal(data.time_s, TIMES)
    assert np.array_equal(data.rgb, RGB)
    assert data.warnings == ()


def test_order_and_other_columns_do_not_matter(tmp_path):
    columns = np.column_stack([np.arange(4), RGB[:, 2], TIMES, RGB[:, 0], np.full(4, np.nan), RGB[:, 1]])
    data = read_trace(table(tmp_path / "a.csv", "frame,blue,time_s,red,spo2,green", columns))
    assert np.array_equal(data.time_s, TIMES)
    assert np.array_equal(data.rgb, RGB)
    assert data.warnings == ()


def test_without_names(tmp_path):
    data = read_trace(table(tmp_path / "a.csv", None, timed()))
    assert np.array_equal(data.rgb, RGB)
    assert "time, red, green, blue were assumed" in data.warnings[0]
    data = read_trace(table(tmp_path / "b.csv", None, RGB), rate_hz=20)
    assert np.array_equal(data.rgb, RGB)
    assert np.allclose(data.time_s, [0, 0.05, 0.1, 0.15])


def test_one_colour_is_repeated_and_said_so(tmp_path):
    data = read_trace(table(tmp_path / "a.csv", "time_s,green", timed()[:, [0, 2]]))
    assert np.array_equal(data.rgb, np.repeat(RGB[:, [1]], 3, axis=1))
    assert "one colour" in data.warnings[0]


def test_without_times_a_rate_is_needed(tmp_path):
    path = table(tmp_path / "a.csv", "R,G,B", RGB)
    with pytest.raises(SourceError, match="rate_hz"):
        read_trace(path)
    data = read_trace(path, rate_hz=30)
    assert np.allclose(data.time_s, np.arange(4) / 30)
    assert data.info.nominal_rate_hz == 30
    assert data.warnings == ()


def test_a_stated_rate_never_overrules_times(tmp_path):
    data = read_trace(table(tmp_path / "a.csv", "time_s,R,G,B", timed()), rate_hz=5)
    assert np.array_equal(data.time_s, TIMES)
    assert "not needed" in data.warnings[0]


def test_bad_rows_are_dropped_and_counted(tmp_path):
    good = ["# a comment", "time_s,R,G,B", "0,1,2,3", "", "0.4,4,5,6", "0.5,7,8,9,10"]
    bad = ["0.1,nan,2,3", "0.2,1,2", "abc,1,2,3", "0.3,1,inf,3"]
    (tmp_path / "a.csv").write_text("\n".join(good[:4] + bad + good[4:]))
    data = read_trace(tmp_path / "a.csv")
    assert data.time_s.tolist() == [0, 0.4, 0.5]
    assert data.rgb.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert data.warnings == ("4 rows without finite numbers were dropped.",)


def test_bad_rows_leave_a_gap_where_the_rate_makes_the_times(tmp_path):
    (tmp_path / "a.csv").write_text("R,G,B\n1,2,3\nx,2,3\n4,5,6\n")
    assert read_trace(tmp_path / "a.csv", rate_hz=10).time_s.tolist() == [0, 0.2]


def test_times_that_do_not_increase_are_dropped_and_counted(tmp_path):
    columns = np.column_stack([[0, 0.1, 0.1, 0.05, 0.2], np.ones((5, 3))])
    data = read_trace(table(tmp_path / "a.csv", "time_s,R,G,B", columns))
    assert data.time_s.tolist() == [0, 0.1, 0.2]
    assert data.warnings == ("2 rows were dropped because their time did not increase.",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time_s,R,G,B\n", "no complete row"),
        ("time_s,R,G,B\na,b,c,d\n", "no complete row"),
        ("time_s,R,G,B\n09:25:02,1,2,3\n", "no complete row"),
        ("ppg,ecg\n1,2\n", "has the columns ppg, ecg"),
        ("time_s,R,G\n1,2,3\n", "has the columns"),
        ("just words, nothing else\n", "has the columns"),
        ("1,2\n3,4\n", "2 columns without names"),
        ("\n  \n# only a comment\n", "is empty"),
        ("t,R,G,B\n0,1,2,3\n1,1,2,3\n2,1,2,3\n", "fit no usual unit"),
        ("t,R,G,B\n5,1,2,3\n", "unit of its time column is unknown"),
        ('time_s,R,G,B\n"0,1,2,3\n', "no complete row"),
    ],
)
def test_what_is_no_trace(tmp_path, text, says):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(SourceError, match=says):
        read_trace(tmp_path / "a.csv")


@given(st.binary(min_size=1, max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(data)
    try:
        trace = read_trace(path, rate_hz=30)
    except SourceError:
        return
    assert np.isfinite(trace.rgb).all()
    assert np.all(np.diff(trace.time_s) > 0)


def test_open_source_gives_a_trace_stream(tmp_path):
    path = table(tmp_path / "A.CSV", "time_s,R,G,B", timed())
    with open_source(path) as stream:
        assert isinstance(stream, TraceStream)
        rows = list(stream)
    assert [time_s for time_s, _ in rows] == TIMES.tolist()
    assert np.array_equal([rgb for _, rgb in rows], RGB)
    assert (stream.info.kind, stream.info.name, stream.info.frames) == ("trace", "A.CSV", 4)
    assert stream.info.duration_s == pytest.approx(0.1)


def test_a_missing_trace(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        read_trace(tmp_path / "gone.csv")


def test_every_real_finger_recording(shared_data):
    phones = sorted((shared_data / "finger" / "welltory").glob("data/*/PPG.csv"))
    assert len(phones) == 21
    for path in phones:
        data = read_trace(path)
        assert 60 < data.info.duration_s < 120
        assert 20 < 1 / np.median(np.diff(data.time_s)) < 40
        assert any("milliseconds were assumed" in warning for warning in data.warnings)
    for path in (shared_data / "finger" / "oximetry" / "left").glob("*.csv"):
        with pytest.raises(SourceError, match="no time column"):
            read_trace(path)
        assert read_trace(path, rate_hz=30).info.duration_s > 800
    with pytest.raises(SourceError, match="has the columns ppg"):
        read_trace(shared_data / "face" / "sample_1.csv")
