"""A folder of one's own: its description, and what it may say wrongly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perfuse.core.errors import SourceError
from reader_scenes.making import (
    by_id,
    even,
    film,
    opened,
    png,
    put,
)
from reader_scenes.opened import YAML


def described(tmp_path: Path, text: str) -> str:
    put(tmp_path / "perfuse.yaml", text)
    recordings, problems = by_id("folder", tmp_path)
    assert not recordings
    assert len(problems) == 1
    assert problems[0].kind == "layout"
    return problems[0].message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("unit: Hz", "unit: kHz", "line 14: references.heart_rate.unit is 'kHz'. Expected is /min or bpm or Hz."),
        ("rate_hz: 2", "rate_hz: -2", "line 14: references.heart_rate.clock.rate_hz is -2. Expected is a positive"),
        ("rate_hz: 2", "rate_hz: two", "line 14: references.heart_rate.clock.rate_hz is 'two'"),
        ("rate_hz: 2", "rate: 2", "references.heart_rate.clock.rate is not known here. Did you mean rate_hz?"),
        ("  ecg:", "  ekg:", "line 9: references.ekg is not known here. Did you mean ecg?"),
        ("clock: {rate_hz: 2}", "scale: 1", "references.heart_rate says not when its values were measured"),
        ("{per: frame}", "{per: frame, rate_hz: 3}", "references.pulse.clock has rate_hz and per"),
        ("{per: frame}", "{per: minute}", "references.pulse.clock.per is 'minute'. Expected is frame or video."),
        ("missing: [-9]", "missing: -9", "references.pulse.missing is -9. Expected is a list"),
        ("light: daylight", "lights: daylight", "about.lights is not known here. Did you mean light?"),
        ("light: daylight", "light:", "about.light is empty"),
        ("from_s: 0.2", "from_s: 0.9", "exclusions[0] ends before it begins"),
        ("from_s: 0.2, ", "", "exclusions[0] lacks from_s"),
        ("{subject: anna", "{person: anna", "exclusions[0].person is no placeholder of videos"),
        ('videos: "{subject}', 'videos: "/{subject}', "line 1: videos is '/{subject}"),
        ('videos: "{subject}', 'videos: "../{subject}', "no path below the folder"),
        ('videos: "{subject}', 'videos: "{Subject}', "no placeholder of small letters"),
        ("videos:", "video:", "video is not known here. Did you mean videos?"),
        ("about:", "videos: x\nabout:", "line 18: videos is there twice"),
        ("unit: ms, zero: first", "unit: [ms], zero: first", "line 2: times.unit is a list"),
        ("scale: -2", "scale: .nan", "references.pulse.scale is nan"),
        ("glasses: no", "glasses: no: yes", "this is no YAML"),
    ],
)
def test_a_wrong_description_names_key_and_line(old, new, said, tmp_path):
    assert YAML.count(old) >= 1
    message = described(tmp_path, YAML.replace(old, new, 1))
    assert said in message
    assert str(tmp_path / "perfuse.yaml") in message


@pytest.mark.parametrize(
    "text",
    ["", "# nothing\n", "[]", "text", "videos: '*.mp4'\n", "references: {}\nvideos: '*.mp4'\n", "a: &x [1]\nb: *x\n",
     "&x a: [*x]\n", "[" * 1100, "videos: \x07\n", "videos: !!python/object:os.system x\n", "? [1]\n: 2\n"],
)  # fmt: skip
def test_strange_yaml_is_a_problem_and_no_traceback(text, tmp_path):
    assert "perfuse.yaml" in described(tmp_path, text)


def test_a_description_that_is_no_text(tmp_path):
    (tmp_path / "perfuse.yaml").write_bytes(b"\xff\xfe\x00")
    assert "perfuse.yaml" in by_id("folder", tmp_path)[1][0].message


def small(tmp_path: Path, reference: str, videos: str = "{subject}.mp4", more: str = "") -> dict:
    put(tmp_path / "perfuse.yaml", f'videos: "{videos}"\n{more}references:\n  {reference}\n')
    return by_id("folder", tmp_path)[0]


def test_described_pictures_tables_and_a_subject_by_default(tmp_path):
    for index in range(4):
        png(tmp_path / "a [1]" / "rest" / f"{index}.png", index)
    put(tmp_path / "a [1]" / "rest.csv", "t;hr\n0;60\n1;61\n")
    reference = 'heart_rate: {file: "{subject}/{task}.csv", column: HR, clock: {column: t}}'
    recording = small(tmp_path, reference, "{subject}/{task}/*.png", "rate_hz: 2\n")["a [1]/rest"]
    assert (recording.subject, recording.about) == ("a [1]", {"task": "rest"})
    np.testing.assert_allclose(opened(recording)[0], even(4, 2))
    np.testing.assert_array_equal(recording.signals()["heart_rate"].values, [60, 61])
    put(tmp_path / "trace.csv", "R,G,B\n" + "1,2,3\n" * 60)
    put(tmp_path / "rr.txt", "0.5\n1.5\n")
    recording = small(tmp_path, "beats: {file: rr.txt, clock: {column: 0}}", "trace.csv", "rate_hz: 30\n")["trace"]
    assert recording.subject == "trace"
    assert len(opened(recording)[0]) == 60
    np.testing.assert_array_equal(recording.signals()["beats"].values, [np.nan, 1.0])


def test_described_files_that_are_not_there_or_not_clear(tmp_path):
    film(tmp_path / "a.mp4")
    film(tmp_path / "b.mp4")
    put(tmp_path / "a_1.csv", "x\n1\n")
    put(tmp_path / "a_2.csv", "x\n1\n")
    put(tmp_path / "c_1.csv", "x\n1\n")
    put(
        tmp_path / "perfuse.yaml",
        'videos: "{subject}.mp4"\nreferences:\n  pulse: {file: "{subject}_?.csv", clock: {rate_hz: 9}}\n',
    )
    recordings, problems = by_id("folder", tmp_path)
    assert not recordings
    assert "2 files fit: a_1.csv, a_2.csv." in problems[0].message
    assert [(p.recording, Path(p.file).name) for p in problems] == [
        (None, "a_?.csv"),
        (None, "b_?.csv"),
        (None, "c_1.csv"),
    ]


@pytest.mark.parametrize(
    ("content", "column", "said"),
    [
        ("t,ppg\n0,1\n", "pulse", "has the columns t, ppg"),
        ("t,ppg\n0,1\n", "5", "has 2 columns"),
        ("t,ppg\n0,x\n1,y\n", "ppg", "holds no number"),
        ("1 2\n3 4\n", "ppg", "no line of names"),
        ("1,,3\n4,,6\n", "1", "holds no number"),
        ("", "ppg", "is empty"),
        ("t,ppg\n", "ppg", "holds no table"),
    ],
)
def test_a_described_column_that_is_not_there(content, column, said, tmp_path):
    film(tmp_path / "a.mp4")
    put(tmp_path / "a.csv", content)
    reference = f'pulse: {{file: "{{subject}}.csv", column: {column}, clock: {{rate_hz: 10}}}}'
    with pytest.raises(SourceError, match=rf"a\.csv.*{said}"):
        small(tmp_path, reference)["a"].signals()


def test_an_empty_cell_does_not_shift_its_row(tmp_path):
    film(tmp_path / "a.mp4")
    put(tmp_path / "a.csv", "0,,3\n1,5,6\n")
    reference = 'pulse: {file: "{subject}.csv", column: 2, clock: {column: 0}}'
    np.testing.assert_array_equal(small(tmp_path, reference)["a"].signals()["pulse"].values, [3, 6])


def test_a_description_reads_the_real_files_like_their_own_readers(shared_data, tmp_path):
    for path in (shared_data / "face").glob("sample_1.*"):
        (tmp_path / path.name).symlink_to(path)
    described = small(tmp_path, 'pulse: {file: "{subject}.csv", column: ppg, clock: {per: frame}}')["sample_1"]
    own = by_id("vitallens", shared_data / "face")[0]["sample_1"]
    one, two = described.signals()["pulse"], own.signals()["pulse"]
    np.testing.assert_array_equal(one.times_s, two.times_s)
    np.testing.assert_array_equal(one.values, two.values)
