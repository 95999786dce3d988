"""JSON, CSV and the page: shape, bytes, and what happens where nothing can be written."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import stat
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import perfuse
from hand_made import START_S, face, measurement, nothing
from perfuse.core.errors import MissingExtraError, OutputError, UsageError
from perfuse.core.results import Measurement, Point, Vital
from perfuse.core.signals import Attention
from perfuse.report import words
from perfuse.report.csv import COLUMNS, to_csv
from perfuse.report.figures import PULSE, over_time
from perfuse.report.files import check_writable, write_atomic
from perfuse.report.html import render
from perfuse.report.json import SCHEMA_PATH, significant, to_json

SCHEMA = json.loads(SCHEMA_PATH.read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def strict(text: str) -> dict:
    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is no JSON")

    return json.loads(text, parse_constant=refuse)


# --- JSON ---------------------------------------------------------------------------------------------------------


def test_schema_itself_is_valid():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("made", [measurement(), measurement(faces=3), nothing()], ids=["one", "three", "none"])
def test_json_follows_the_schema(made):
    VALIDATOR.validate(strict(to_json(made)))


def test_schema_refuses_a_number_without_interval_keys_and_a_missing_value_without_reason():
    record = strict(to_json(measurement()))
    record["faces"][0]["vitals"]["heart_rate"].pop("low")
    assert not VALIDATOR.is_valid(record)
    record = strict(to_json(measurement()))
    record["faces"][0]["vitals"]["heart_rate"]["value"] = None
    assert not VALIDATOR.is_valid(record)


def test_json_says_what_the_measurement_says():
    made = measurement()
    record = strict(to_json(made))
    first, told = made.faces[0], record["faces"][0]
    assert list(record) == ["schema", "source", "method", "duration_s", "faces", "warnings"]
    assert list(record["source"])[:2] == ["name", "kind"]
    assert told["vitals"]["heart_rate"] == {
        "value": 72.0432, "unit": "/min", "low": 70.9, "high": 73.2, "quality": 0.94, "reason": None,
    }  # fmt: skip
    assert told["vitals"]["hrv"]["lf"]["value"] is None
    assert "60 s" in told["vitals"]["hrv"]["lf"]["reason"]
    pulse = told["waveforms"]["pulse"]
    assert pulse["start_s"] == START_S
    assert [s is None for s in pulse["samples"]] == [not v for v in first.pulse.valid]
    given_samples = first.pulse.samples[first.pulse.valid]
    told_samples = np.array([s for s in pulse["samples"] if s is not None])
    np.testing.assert_allclose(told_samples, given_samples, rtol=5e-6, atol=1e-12)
    np.testing.assert_allclose(told["beats_s"], first.beats_s, atol=1e-6)


def test_json_is_one_line_and_always_the_same_bytes():
    assert to_json(measurement()) == to_json(measurement())
    assert "\n" not in to_json(replace(measurement(), warnings=("a\nb",)))


def test_waveform_start_counts_on_the_recording_clock():
    late = replace(face().pulse, start=60)
    record = strict(to_json(replace(measurement(), faces=(replace(face(), pulse=late),))))
    assert record["faces"][0]["waveforms"]["pulse"]["start_s"] == START_S + 2


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_becomes_null_with_a_reason(bad):
    broken = Vital(bad, "/min", bad, bad, 0.9)
    half = Vital(70.0, "/min", bad, 75.0, 0.5)
    ill = replace(
        face(), heart_rate=broken, respiratory_rate=half, heart_rate_series=(Point(1.0, broken),), beats_s=(1.0, bad)
    )
    record = strict(
        to_json(replace(measurement(), faces=(ill,), source={"name": "x", "kind": "video", "rate_hz": bad}))
    )
    VALIDATOR.validate(record)
    told = record["faces"][0]
    assert told["vitals"]["heart_rate"]["value"] is None
    assert told["vitals"]["heart_rate"]["reason"]
    assert told["vitals"]["respiratory_rate"]["low"] is None
    assert told["vitals"]["respiratory_rate"]["value"] == 70.0
    assert told["beats_s"] == [1.0]
    assert record["source"]["rate_hz"] is None


def test_numpy_scalars_are_told_as_numbers():
    source = {"name": "x", "kind": "frames", "width": np.int64(3), "rate_hz": np.float32(30.0)}
    record = strict(to_json(replace(measurement(), source=source)))
    assert (record["source"]["width"], record["source"]["rate_hz"]) == (3, 30.0)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_rounding_keeps_six_digits(number):
    rounded = significant(number)
    if not math.isfinite(number):
        assert rounded is None
    else:
        assert rounded == pytest.approx(number, rel=5.1e-6, abs=1e-320)
        assert significant(rounded) == rounded


# --- CSV ----------------------------------------------------------------------------------------------------------


def test_csv_has_a_row_for_every_number():
    made = measurement(faces=2)
    rows = list(csv.DictReader(io.StringIO(to_csv([made, nothing()]))))
    assert tuple(rows[0]) == COLUMNS
    one = [row for row in rows if row["face"] == "1"]
    first = made.faces[1]
    counts = {
        kind: sum(row["kind"] == kind for row in one) for kind in ("vital", "series", "waveform", "beat", "event")
    }
    assert counts == {
        "vital": 2 + len(first.hrv),
        "series": len(first.heart_rate_series) + len(first.respiratory_rate_series),
        "waveform": int(first.pulse.valid.sum() + first.respiration.valid.sum()),
        "beat": len(first.beats_s),
        "event": 3,
    }
    rate = next(row for row in one if row["kind"] == "vital" and row["name"] == "heart_rate")
    assert (rate["value"], rate["unit"], rate["reason"]) == ("72.0432", "/min", "")
    sdnn = next(row for row in one if row["name"] == "sdnn")
    assert (sdnn["value"], sdnn["unit"]) == ("31.26", "ms")
    last = [row for row in one if row["kind"] == "waveform" and row["name"] == "pulse"][-1]
    assert float(last["time_s"]) == pytest.approx(START_S + (len(first.pulse) - 1) / 30, abs=1e-5)


def test_csv_survives_odd_names():
    rows = list(csv.DictReader(io.StringIO(to_csv([measurement('a "b", c\nd.mp4')]))))
    assert {row["source"] for row in rows} == {'a "b", c\nd.mp4'}


# --- the page -----------------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        for key, value in attrs:
            self.attributes.append((tag, key, value or ""))
            if key == "id":
                self.ids.append(value or "")

    def handle_data(self, data):
        self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


@pytest.fixture(scope="module")
def page() -> str:
    return render(measurement(faces=2))


def test_page_asks_nothing_of_the_network_and_runs_no_script(page):
    reader = read(page)
    for tag, key, value in reader.attributes:
        if key in ("src", "href", "xlink:href", "action", "data", "srcset"):
            assert value.startswith("#"), (tag, key, value)
        assert not key.startswith("on"), (tag, key)
    assert "<script" not in page
    assert "@import" not in page
    assert not re.findall(r"url\((?!#)", page)
    assert "default-src 'none'" in page


def test_page_identifiers_are_unique_and_every_reference_resolves(page):
    ids = read(page).ids
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', page)) <= set(ids)


def test_page_shows_numbers_intervals_reasons_and_limits(page):
    text = " ".join(" ".join(read(page).text).split())
    for expected in ("72.0", "70.9–73.2", "94 % likely to be right", "60 s of clean beats are needed", "Face 2 of 2"):
        assert expected in text
    assert words.NOT_MEDICAL in text
    assert measurement().warnings[0] in text


def test_a_rate_between_two_gaps_shows_its_interval_too():
    none = Vital(None, "/min", None, None, 0.0, "too short")
    rates = [Vital(70.0, "/min", 67.0, 74.0, 0.8), none, Vital(71.0, "/min", 69.0, 73.0, 0.9), none]
    for kept, bars in ((rates, 2), ([rates[0], rates[2], none], 0)):
        points = [Point(5.0 * k, vital) for k, vital in enumerate(kept)]
        picture = over_time(points, 0.0, 20.0, "Heart rate", PULSE, "here")
        assert picture is not None
        lines = "".join(re.findall(r'<g id="here-LineCollection_.*?</g>', picture.svg, flags=re.DOTALL))
        assert lines.count("<path") == bars


def test_page_takes_its_colours_from_the_theme(page):
    svgs = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(svgs) >= 14
    for svg in svgs:
        assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) <= {"#ffffff"}  # the transparent background


def test_every_picture_has_words(page):
    images = re.findall(r'role="img" aria-label="([^"]*)"', page)
    assert len(images) == page.count("<svg")
    assert all(len(words_) > 15 for words_ in images)


def test_page_is_the_same_bytes_every_time(page):
    assert render(measurement(faces=2)) == page


def looked(share: np.ndarray, faces: int = 1) -> Measurement:
    """A measurement by a network that looked at cells by their share."""
    made = measurement(faces=faces)
    look = Attention.of(share)
    return replace(made, faces=tuple(replace(f, pulse=replace(f.pulse, attention=look)) for f in made.faces))


def shades(page: str, name: str = "f0-at") -> list[float]:
    """The opacities of the cells of a map, row by row, without those of no weight: they are not drawn."""
    svg = next(svg for svg in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL) if f'id="{name}-' in svg)
    return [float(x or 1) for x in re.findall(r"fill: var\(--pulse\)(?:; opacity: ([0-9.]+))?", svg)]


def test_a_map_shows_where_the_network_looked():
    share = np.arange(12.0).reshape(3, 4)
    page = render(looked(share, faces=2))
    reader = read(page)
    text = " ".join(" ".join(reader.text).split())
    assert text.count("Where the network looked") == 2
    assert "Fullest colour: 16.7 %; shared evenly: 8.3 %" in text
    alt = next(value for _, key, value in reader.attributes if key == "aria-label" and "Map" in value)
    assert "3 by 4 cells" in alt
    assert "upper third holds 9 %, the middle 33 %, the lower 58 %" in alt
    assert shades(page) == pytest.approx((share / 11).ravel()[1:].tolist(), abs=1e-3)
    assert len(reader.ids) == len(set(reader.ids))
    svg = next(svg for svg in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL) if 'id="f1-at-' in svg)
    assert not re.findall(r"#[0-9a-f]{6}\b", svg)
    assert render(looked(share, faces=2)) == page


def test_without_a_map_there_is_none(page):
    assert "Where the network looked" not in page


def test_a_fine_map_is_drawn_coarsely_and_loses_nothing():
    share = np.zeros((100, 7))
    share[99, 6] = share[0, 0] = 0.5
    page = render(looked(share))
    assert shades(page) == [1, 1]
    assert "20 by 7 cells" in page
    assert page.count("fill: var(--grid); opacity: 0.45") == 20 * 7


def test_json_and_csv_are_the_same_with_a_map():
    made = looked(np.ones((2, 2)))
    assert to_json(made) == to_json(measurement())
    assert to_csv([made]) == to_csv([measurement()])


def test_names_cannot_inject_markup():
    evil = '<script>alert(1)</script>"><img src=x>.mp4'
    page = render(replace(nothing(evil), warnings=(evil,)))
    assert "<script" not in page
    assert "<img" not in page
    assert evil in "".join(read(page).text)


def test_page_without_a_face_says_so():
    page = render(nothing())
    assert "No value" in page
    assert "no face was found" in page


def test_page_of_a_method_nobody_registered_still_renders():
    assert "my_own" in render(measurement(method="my_own"))


def test_variability_without_a_value_says_so_once():
    poor = replace(face(), hrv={key: Vital.none(v.unit, "too short") for key, v in face().hrv.items()})
    page = render(replace(measurement(), faces=(poor,)))
    assert page.count("too short") == 2  # one tile, one row of the table


def test_long_recordings_fold_and_are_cut(monkeypatch):
    monkeypatch.setattr("perfuse.report.html.MAX_ROWS", 5)
    page = render(measurement(duration_s=130.0))
    assert page.count("<details>") == 1
    assert "the whole wave is in the JSON" in page
    assert len(re.findall(r'id="f0-pulse\d+-figure_1"', page)) == 5


def test_face_picture_only_when_given():
    png = b"\x89PNG\r\n\x1a\n" + b"rest"
    assert "<img" not in render(nothing())
    assert "data:image/png;base64,iVBORw0KGgpyZXN0" in render(nothing(), face_image=png)
    with pytest.raises(UsageError, match="PNG"):
        render(nothing(), face_image=b"GIF89a")


def test_missing_extra_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'perfuse\[report\]'"):
        render(nothing())


def test_write_report_writes_the_page(tmp_path):
    target = perfuse.write_report(nothing(), tmp_path / "page.html")
    assert target.read_text(encoding="utf-8") == render(nothing())


# --- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quality", "word"),
    [(1.0, "good"), (0.8, "good"), (0.79, "fair"), (0.5, "fair"), (0.49, "poor"), (0.0, "none"), (math.nan, "none")],
)
def test_quality_words(quality, word):
    assert words.quality_word(quality) == word


def test_values_without_a_number_are_a_dash():
    assert words.value_text("heart_rate", Vital.none("/min", "why")) == "–"
    assert words.value_text("heart_rate", Vital(math.nan, "/min")) == "–"
    assert words.interval_text("heart_rate", Vital(70.0, "/min")) == ""


# --- files --------------------------------------------------------------------------------------------------------


def test_write_is_atomic_and_leaves_no_litter(tmp_path, monkeypatch):
    target = tmp_path / "a.json"
    target.write_text("old")

    def full(self, other):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", full)
        with pytest.raises(OutputError, match="No space left"):
            write_atomic(target, "new")
    assert target.read_text() == "old"
    write_atomic(target, "new")
    assert target.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_write_follows_links_and_the_umask(tmp_path):
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    link.symlink_to(real)
    old = os.umask(0o022)
    try:
        write_atomic(link, b"x")
    finally:
        os.umask(old)
    assert link.is_symlink()
    assert real.read_bytes() == b"x"
    assert stat.S_IMODE(real.stat().st_mode) == 0o644


def test_devices_are_written_and_never_replaced():
    check_writable(os.devnull)
    write_atomic(os.devnull, "gone")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


@pytest.mark.parametrize("name", ["", "missing/a.json", "file.txt/a.json", "x" * 300, "a\0b"])
def test_impossible_targets_are_refused_before_the_work(tmp_path, name):
    (tmp_path / "file.txt").touch()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OutputError):
        check_writable(f"{tmp_path}/{name}")
    assert sorted(tmp_path.iterdir()) == before


def test_check_writable_changes_nothing(tmp_path):
    target = tmp_path / "a.json"
    check_writable(target)
    assert not list(tmp_path.iterdir())
