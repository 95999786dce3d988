"""Result pages: every number recomputed, tables that survive being read again, and pages about next to nothing."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import math
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import bench_made
from perfuse.bench import calibration, figures, machine, tell
from perfuse.bench.calibration import Stated
from perfuse.bench.canvas import MOST, thinned
from perfuse.bench.metrics import SEED, Estimate, mean
from perfuse.bench.ranking import aligned, rankings
from perfuse.bench.report import FILES, to_html, to_json, to_markdown, write_report
from perfuse.bench.result import COLUMNS, Cost, DataFacts, Result
from perfuse.bench.table import read_csv, summaries, to_csv
from perfuse.core.errors import MissingExtraError, OutputError
from perfuse.data.recording import Problem

DRAWS = 60
DIGITS = {"Heart rate": 2, "Breathing": 2, "RMSSD": 2}
VITALS = {"Heart rate": "heart_rate", "Breathing": "respiratory_rate", "RMSSD": "rmssd"}


@pytest.fixture(scope="module")
def made():
    return bench_made.result()


@pytest.fixture(scope="module")
def markdown(made):
    return to_markdown(made, draws=DRAWS)


@pytest.fixture(scope="module")
def both():
    """Return a run scored in two ways."""
    return bench_made.result(people=5, length_s=60.0, profiles=("default", "toolbox"))


@pytest.fixture(scope="module")
def page(both):
    return to_html(both, draws=DRAWS)


def tables(text):
    """Return every table of a Markdown page: (heading, head, rows)."""
    found, title = [], ""
    for block in text.split("\n\n"):
        if block.startswith("#"):
            title = block.lstrip("# ")
        elif block.startswith("<details><summary>"):
            title = re.sub("<.*?>", "", block)
        elif block.startswith("|"):
            lines = [[cell.strip().strip("*") for cell in line[1:-1].split("|")] for line in block.split("\n")]
            found.append((title, lines[0], lines[2:]))
    return found


def table(text, title):
    (found,) = [(head, rows) for name, head, rows in tables(text) if name == title]
    return found


# --- every number, computed again without the library ---------------------------------------------------------------


def chosen(made, vital, window, dataset, method):
    return [
        x for x in made.lines
        if (x["vital"], x["window"], x["method"]) == (vital, window, method) and dataset in (None, x["dataset"])
    ]  # fmt: skip


def people_of(lines):
    return [f"{x['dataset']}\x1f{x['subject']}" for x in lines]


def told(lines, statistic, digits):
    """Return value ± standard error (interval), the people drawn one draw after the other, windows repeated."""
    if not lines:
        return "–"
    names = sorted(set(people_of(lines)))
    by_name = {name: [x for x, who in zip(lines, people_of(lines)) if who == name] for name in names}
    draws = np.random.default_rng(SEED).multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)
    again = [statistic([x for name, n in zip(names, draw) for x in by_name[name] * n]) for draw in draws]
    low, high = np.quantile(again, [0.025, 0.975])
    numbers = (statistic(lines), np.std(again, ddof=1), low, high)
    return "{} ± {} ({} to {})".format(*(plain(number, digits) for number in numbers))


def plain(number, digits):
    text = f"{number:.{digits}f}"
    return text.lstrip("-") if not float(text) else text


def error(x):
    return x["prediction"] - x["reference"]


def average(key):
    return lambda lines: float(np.mean([key(x) for x in lines]))


STATISTICS = {
    "MAE": average(lambda x: abs(error(x))),
    "RMSE": lambda lines: float(np.sqrt(np.mean([error(x) ** 2 for x in lines]))),
    "MAPE": average(lambda x: 100 * abs(error(x)) / x["reference"]),
    "bias": average(error),
    "r": lambda lines: float(stats.pearsonr([x["prediction"] for x in lines], [x["reference"] for x in lines])[0]),
}


def against(made, key, best, others):
    """Paired comparison with the best: difference, interval, sign-flip p over all patterns, Holm."""
    found, raw = {}, {}
    for method in others:
        pairs = {}
        for name in (best, method):
            for x in chosen(made, *key, name):
                if x.get("prediction") is not None and x["reference"] is not None:
                    pairs.setdefault((x["dataset"], x["recording"], x["start_s"]), {})[name] = x
        both = [pair for pair in pairs.values() if len(pair) == 2]
        lines = [{**pair[best], "d": abs(error(pair[method])) - abs(error(pair[best]))} for pair in both]
        sums = Counter()
        for x, who in zip(lines, people_of(lines)):
            sums[who] += x["d"]
        total = abs(sum(sums.values()))
        flips = [
            abs(sum(s * d for s, d in zip(signs, sums.values())))
            for signs in itertools.product((1, -1), repeat=len(sums))
        ]
        raw[method] = np.mean([flip >= total - 1e-9 for flip in flips])
        found[method] = (told(lines, average(lambda x: x["d"]), 2), len(lines))
    order = sorted(raw, key=raw.get)
    highest, texts = 0.0, {}
    for rank, method in enumerate(order):
        highest = max(highest, min(1.0, raw[method] * (len(order) - rank)))
        (difference, n) = found[method]
        value, low, high = re.fullmatch(r"(\S+) ± \S+ \((\S+) to (\S+)\)", difference).groups()
        p = "p &lt; 0.001" if highest < 0.001 else f"p = {highest:.3f}"
        word = ("worse" if float(value) > 0 else "better there") if highest < 0.05 else "tie"
        if word == "tie" and (float(low) > 0 or float(high) < 0):
            word = "unsettled"
        plus = "+" if float(value) >= 0 and not value.startswith("-") else ""
        texts[method] = f"{word}: {plus}{value} ({low} to {high}), {p}, {n} windows"
    return texts


@pytest.mark.parametrize("dataset", [None, "ubfc", "pure"])
@pytest.mark.parametrize(
    ("title", "window"), [("Heart rate", "whole"), ("Heart rate", "30 s"), ("Breathing", "30 s")]
)
def test_every_error_equals_one_computed_by_hand(made, markdown, title, window, dataset):
    name = "whole recordings" if window == "whole" else f"windows of {window}"
    head, rows = table(markdown, f"{title}, {name}, {dataset or 'all data sets'}")
    assert [word.split(",")[0] for word in head] == ["method", "answered", "MAE", "against the best", "RMSE", "MAPE", "bias", "r"]  # fmt: skip  # noqa: E501
    key = (VITALS[title], window, dataset)
    best = rows[0][0]
    versus = against(made, key, best, [row[0] for row in rows[1:]])
    maes = []
    for method, answered, *cells in rows:
        lines = [x for x in chosen(made, *key, method) if x["reference"] is not None]
        there = [x for x in lines if x.get("prediction") is not None]
        assert answered == f"{tell.share(len(there) / len(lines))} ({len(there)}/{len(lines)})"
        mae, paired, *rest = cells
        assert mae == told(there, STATISTICS["MAE"], 2)
        assert paired == ("best" if method == best else versus[method])
        for cell, (figure, digits) in zip(rest, (("RMSE", 2), ("MAPE", 2), ("bias", 2), ("r", 3)), strict=True):
            assert cell == told(there, STATISTICS[figure], digits), (method, figure)
        maes.append(float(mae.split()[0]))
    assert maes == sorted(maes)


def test_one_method_alone_is_compared_with_nothing():
    text = to_markdown(made_of({"a": [1.0, -1.0]}), draws=20)
    head, rows = table(text, "Heart rate, whole recordings, d")
    assert "against the best" not in head
    assert (len(rows), len(rows[0])) == (1, len(head))
    assert "a errs by 1.00/min on average" in text


@pytest.mark.parametrize("title", ["Heart rate", "Breathing"])
def test_waves_and_intervals_equal_those_computed_by_hand(made, markdown, title):
    head, rows = table(markdown, f"{title}, windows of 30 s, all data sets: waves and intervals")
    columns = {"SNR, dB": ("snr_db", 2), "MACC": ("macc", 3), "r of waves": ("r", 3), "TDI": ("tdi", 3)}
    assert set(columns) <= set(head) if title == "Heart rate" else not set(columns) & set(head)
    for row in rows:
        cells = dict(zip(head, row, strict=True))
        lines = chosen(made, VITALS[title], "30 s", None, row[0])
        for name, (key, digits) in columns.items():
            if name in cells:
                assert cells[name] == told([x for x in lines if x.get(key) is not None], average(lambda x, k=key: x[k]), digits)  # fmt: skip  # noqa: E501
        stated = [x for x in lines if x.get("low") is not None and x["reference"] is not None]
        assert cells["their width, /min"] == told(stated, average(lambda x: x["high"] - x["low"]), 2)
        if stated:
            inside = np.mean([x["low"] <= x["reference"] <= x["high"] for x in stated])
            assert cells["90 % intervals hold"].split(" (")[0] == f"{100 * inside:.0f} %"


def test_variability_has_one_row_per_measure_and_method(made, markdown):
    _, rows = table(markdown, "Heart-rate variability, all data sets")
    shares = {"pos": "100 % (24/24)", "chrom": "0 % (0/24)", "green": "0 % (0/24)"}
    assert [row[:3] for row in rows] == [["RMSSD, ms", method, share] for method, share in shares.items()]
    lines = chosen(made, "rmssd", "whole", None, "pos")
    assert rows[0][3] == told(lines, STATISTICS["MAE"], 2)


def test_what_is_missing_is_counted(made, markdown):
    _, rows = table(markdown, "What is missing, and why")
    for what, method, vital, n, _ in rows:
        lines = [x for x in made.lines if x["vital"] == VITALS[vital]]
        if what == "no answer":
            lines = [x for x in lines if x["method"] == method and x["reference"] is not None]
            assert int(n) == sum(x.get("prediction") is None for x in lines)
        else:
            lines = [x for x in lines if x["method"] == "pos"]
            assert (what, int(n)) == ("no reference", sum(x["reference"] is None for x in lines))


def test_data_costs_and_problems_are_told(made, markdown):
    _, rows = table(markdown, "Data")
    assert rows[0] == ["UBFC-rPPG (ubfc)", "12", "6", "0.40", "97 %"]
    _, rows = table(markdown, "What the methods cost")
    assert rows[0] == ["pos", "3.10", "323", "12.0", "0", "–"]
    _, rows = table(markdown, "What was wrong with the data")
    assert sum(int(row[-1]) for row in rows) == len(made.problems)
    assert f"```sh\n{made.about['command']}\n```" in markdown
    for key, text in made.about.items():
        assert key == "command" or [key, text] in table(markdown, "Run")[1]


def test_answers_where_nothing_beats_are_counted():
    still = [
        {**line, "reference": None, "reference_reason": "nothing beats", "about_domain": "no-pulse"}
        for line in bench_made.result(people=1).lines
        if line["vital"] == "heart_rate" and line["window"] == "whole"
    ]
    _, rows = table(to_markdown(Result(tuple(still), (), (), (), {})), "Answers where nothing beats")
    for method, _, n, answers, sure in rows:
        own = [x for x in still if x["method"] == method]
        given_ = [x for x in own if x.get("prediction") is not None]
        assert (int(n), int(answers)) == (len(own), len(given_))
        assert int(sure) == sum(x.get("quality", 0) >= 0.5 for x in given_)


# --- the long table -------------------------------------------------------------------------------------------------


def filled(lines):
    return tuple({key: cell for key, cell in line.items() if cell is not None} for line in lines)


def test_csv_round_trips_and_draws_the_same_page(made, markdown):
    text = to_csv(made)
    again = replace(made, lines=read_csv(text))
    assert to_csv(again) == text
    for line, given_ in zip(again.lines, filled(made.lines), strict=True):
        assert {key: cell for key, cell in line.items() if key != "error"} == {
            key: cell for key, cell in given_.items() if key != "error"
        }
    assert to_markdown(again, draws=DRAWS) == markdown
    header = next(csv.reader(io.StringIO(text)))
    assert [name for name in header if name.startswith("about_")] == ["about_task", "about_light", "about_skin_tone", "about_age"]  # fmt: skip  # noqa: E501
    assert [name for name in header if not name.startswith("about_")] == [
        c for c in COLUMNS if not c.startswith("about_")
    ]


def test_csv_is_read_alike_by_the_standard_reader(made):
    rows = list(csv.DictReader(io.StringIO(to_csv(made))))
    assert len(rows) == len(made.lines)
    for row, line in zip(rows, made.lines):
        assert row["subject"] == line["subject"]
        assert (float(row["prediction"]) if row["prediction"] else None) == line.get("prediction")
        if line.get("prediction") is not None and line["reference"] is not None:
            assert float(row["error"]) == pytest.approx(line["prediction"] - line["reference"], abs=1e-9)


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8)


@settings(max_examples=60)
@given(
    name=TEXTS,
    number=st.floats(allow_nan=False, allow_infinity=False),
    about=st.one_of(TEXTS, st.integers(-1000, 1000), st.floats(-1e6, 1e6)),
)
def test_csv_keeps_any_name_and_number(name, number, about):
    line = {"recording": name, "method": "m", "reference": number, "about_task": about, "reason": name}
    text = to_csv(Result((line, {"method": "m"}), (), (), (), {}))
    first, second = read_csv(text)
    assert (first["recording"], first["reason"], second) == (name, name, {"method": "m"})
    assert math.copysign(1, first["reference"]) == math.copysign(1, number)
    assert first["reference"] == number
    assert str(first["about_task"]) == str(about)
    assert to_csv(Result((first, second), (), (), (), {})) == text


def test_csv_never_says_nan():
    line = {
        "method": "m",
        "prediction": math.nan,
        "reference": math.inf,
        "snr_db": np.float64("nan"),
        "macc": np.float32(0.5),
    }
    assert read_csv(to_csv(Result((line,), (), (), (), {}))) == ({"method": "m", "macc": 0.5},)


# --- figures and ranks ----------------------------------------------------------------------------------------------


def test_groups_are_counted_per_data_set_and_over_all(made):
    groups = summaries(made, draws=DRAWS)
    pooled = next(g for g in groups if g.dataset is None and g.method == "pos" and g.summary.vital == "heart_rate")
    lines = [x for x in chosen(made, "heart_rate", "whole", None, "pos") if x["reference"] is not None]
    assert pooled.recordings == len({(x["dataset"], x["recording"]) for x in lines})
    assert pooled.summary.subjects == 12
    assert {g.dataset for g in groups} == {None, "ubfc", "pure"}
    alone = replace(made, lines=tuple(x for x in made.lines if x["dataset"] == "pure"))
    assert {g.dataset for g in summaries(alone, draws=DRAWS)} == {"pure"}


def made_of(errors, people=8):
    """Return a run in which each method errs as told: a number per person, None for no answer."""
    lines = [
        {"dataset": "d", "recording": f"{p}", "subject": f"{p}", "method": method, "profile": "default",
         "vital": "heart_rate", "unit": "/min", "window": "whole", "start_s": 0.0, "stop_s": 30.0,
         "reference": 70.0 + p,
         **({"reason": "silent"} if off is None else {"prediction": 70.0 + p + off})}
        for p in range(people) for method, offs in errors.items() for off in [offs[p % len(offs)]]
    ]  # fmt: skip
    return Result(tuple(lines), (), (), (DataFacts("d", "d", people, people, 0.1),), {})


@pytest.mark.parametrize(
    ("errors", "people", "verdicts"),
    [
        ({"a": [1.0], "b": [3.0, 2.0]}, 8, {"a": "best", "b": "worse"}),
        ({"a": [1.0, -1.1], "b": [1.2, -0.8, 1.3]}, 8, {"a": "best", "b": "tie"}),
        ({"a": [1.0], "b": [3.0]}, 5, {"a": "best", "b": "unsettled"}),
        ({"a": [1.0], "b": [3.0]}, 1, {"a": "best", "b": "unknown"}),
        ({"a": [1.0], "b": [None]}, 8, {"a": "best", "b": "unknown"}),
        ({"a": [0.1] + [None] * 7, "b": [3.0]}, 8, {"b": "best", "a": "unknown"}),
        ({"a": [2.0], "b": [1.0] * 7 + [60.0]}, 8, {"a": "best", "b": "tie"}),
    ],
)
def test_verdicts(errors, people, verdicts):
    (rank,) = rankings(made_of(errors, people), draws=500)
    assert {method: rank.verdict(method) for method in errors} == verdicts


def test_a_method_that_is_ahead_where_both_answer_is_said_to_be():
    errors = {"a": [1.0] * 10 + [None] * 2, "b": [0.2] * 10 + [20.0] * 2}
    (rank,) = rankings(made_of(errors, 12), draws=500)
    assert (rank.best, rank.verdict("b")) == ("a", "better")
    assert tell.against(rank, "b", 2) == "better there: -0.80 (-0.80 to -0.80), p = 0.002, 10 windows"


def test_windows_that_begin_a_few_frames_later_still_meet():
    line = {
        "dataset": "d",
        "recording": "1",
        "subject": "s",
        "vital": "heart_rate",
        "window": "30 s",
        "reference": 70.0,
    }
    lines = [
        {**line, "method": "a", "start_s": 30.0, "prediction": 71.0},
        {**line, "method": "a", "start_s": 60.0, "prediction": 73.0},
        {**line, "method": "b", "start_s": 30.2, "prediction": 72.0},
    ]
    errors, who = aligned(lines, ["a", "b"])
    np.testing.assert_array_equal(errors["a"], [1.0, 3.0])
    np.testing.assert_array_equal(errors["b"], [2.0, np.nan])
    assert len(set(who)) == 1


def test_json_is_strict_and_says_what_the_summaries_say(made):
    def refuse(token):
        raise AssertionError(token)

    told_ = json.loads(to_json(made, draws=DRAWS), parse_constant=refuse)
    groups = summaries(made, draws=DRAWS)
    assert len(told_["figures"]) == len(groups)
    for record, group in zip(told_["figures"], groups):
        assert record["mae"]["value"] == group.summary.agreement.mae.value
        assert (record["dataset"], record["method"], record["recordings"]) == (
            group.dataset,
            group.method,
            group.recordings,
        )
    assert len(told_["problems"]) == len(made.problems)
    assert told_["about"] == made.about


# --- next to nothing ------------------------------------------------------------------------------------------------


def put(**cells):
    return lambda lines: tuple({**x, **cells} for x in lines)


def without(*starts, **cells):
    return lambda lines: tuple({**{k: v for k, v in x.items() if not k.startswith(starts)}, **cells} for x in lines)


def only(**cells):
    return lambda lines: tuple(x for x in lines if all(x[key] == value for key, value in cells.items()))


DEGENERATE = {
    "nothing": (lambda lines: (), "Nothing was scored"),
    "one line": (lambda lines: lines[:1], "no interval: 1 subjects, needs 5"),
    "two lines": (lambda lines: only(window="30 s")(lines)[:2], "needs"),
    "one recording": (only(dataset="ubfc", recording="00/rest"), "no interval: 1 subjects, needs 5"),
    "one person": (only(dataset="ubfc", subject="00"), "no interval: 1 subjects, needs 5"),
    "no answer": (
        without("prediction", "error", "low", "high", "quality", reason="dark"),
        "no method gives an answer",
    ),
    "no reference": (put(reference=None, reference_reason="lost"), "): no window has a reference"),
    "constant reference": (put(reference=70.0), "all predictions or all references are the same"),
    "reference of 0": (put(reference=0.0), "a reference is 0"),
    "all the same": (put(reference=70.0, prediction=70.0, low=70.0, high=70.0, quality=1.0), "0.00"),
    "not finite": (put(prediction=math.nan, low=math.inf, quality=math.nan), "no method gives an answer"),
    "little known": (without("about", "seen", "sub"), "errs least"),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_pages_about_next_to_nothing_say_so(tmp_path, case):
    change, words = DEGENERATE[case]
    made = bench_made.result(people=3, length_s=60.0)
    few = tuple(x for x in made.lines if x["vital"] == "heart_rate" and x["method"] != "green")
    poor = replace(made, lines=change(few), costs=(Cost("pos", memory_mb=math.nan),))
    write_report(poor, tmp_path / "out", draws=DRAWS)
    for name in FILES:
        text = (tmp_path / "out" / name).read_text(encoding="utf-8")
        shown = re.sub(r"<(style|svg).*?</\1>", "", text, flags=re.DOTALL)
        assert not re.search(r"\b(nan|inf|None|NaN|Infinity|Traceback)\b", shown), name
        assert not re.search(r"[>\s\"]nan[<\s\"]", text), name
    assert words in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_a_whole_run_of_nothing_is_a_page():
    nothing = Result((), (), (), (), {})
    assert "Nothing was scored" in to_html(nothing)
    assert to_csv(nothing).startswith("dataset,recording")
    assert json.loads(to_json(nothing))["figures"] == []


# --- the page -------------------------------------------------------------------------------------------------------


class Walker(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.ids, self.text, self.attributes = Counter(), Counter(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += attrs
        self.ids.update(value for key, value in attrs if key == "id")

    def handle_data(self, data):
        self.text.append(data)


def walked(text):
    walker = Walker()
    walker.feed(text)
    return walker


def test_the_page_is_one_file_that_asks_for_nothing(page):
    seen = walked(page)
    assert not {"script", "link", "img", "iframe", "object", "style:import"} & set(seen.tags)
    assert max(seen.ids.values()) == 1
    for key, value in seen.attributes:
        if key in ("src", "href", "xlink:href"):
            assert value.startswith("#"), (key, value)
            assert value[1:] in seen.ids
    assert not re.search(r"url\((?!#)|@import", page)
    assert not re.search(r"#0a0[bc]\d\d", page)
    assert "default-src 'none'" in page
    assert len(page) < 2_000_000


def test_the_page_says_what_the_markdown_says(both, page):
    text = " ".join(" ".join(walked(page).text).split())
    markdown = to_markdown(both, draws=DRAWS)
    assert "their numbers must not be compared" in markdown
    for _, head, rows in tables(markdown):
        for cell in itertools.chain(head, *rows):
            assert " ".join(cell.replace("&lt;", "<").replace("\\", "").split()) in text


def test_pictures_are_shown_with_words(page):
    labels = [value for key, value in walked(page).attributes if key == "aria-label"]
    assert len(labels) >= 20
    assert all(label and "nan" not in label for label in labels)
    assert sum("limits of agreement" in label for label in labels) >= 4


NASTY = '<script>alert(1)</script> | "q" & `x` $a_b$ *c* \x00\x1b[31m _d_ \udc80'


def test_names_cannot_break_out(tmp_path):
    made = bench_made.result(people=2, length_s=60.0)
    lines = tuple(
        {**x, "method": NASTY if x["method"] == "pos" else x["method"], "recording": NASTY + x["recording"],
         "dataset": NASTY if x["dataset"] == "ubfc" else "pure", "about_task": NASTY + x["about_task"], "note": NASTY}
        for x in made.lines
    )  # fmt: skip
    bad = Result(
        lines, (Problem("missing", NASTY, NASTY, NASTY),), (Cost(NASTY, 1.0),), (DataFacts(NASTY, NASTY, 1, 1, 0.1),),
        {"command": f"perfuse ``` {NASTY}", "notes": NASTY},
    )  # fmt: skip
    write_report(bad, tmp_path, draws=DRAWS)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    seen = walked(page)
    assert not seen.tags["script"]
    assert any("<script>alert(1)</script>" in text for text in seen.text)
    assert not re.search(r"[\x00-\x08\x1b]", page)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<script" not in re.sub(r"````sh.*?````", "", text, flags=re.DOTALL)
    assert text.count("````sh") == 1
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.strip().split("\n")}) == 1
    kept = read_csv((tmp_path / "rows.csv").read_bytes().decode())
    assert kept[0]["recording"].startswith("<script>")
    json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))


SAME = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
import bench_made
from perfuse.bench.report import to_html, to_json, to_markdown
from perfuse.bench.table import to_csv
made = bench_made.result(people=1, length_s=60.0)
for text in to_markdown(made, draws=20), to_csv(made), to_json(made, draws=20), to_html(made, draws=20):
    print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_files_hold_what_the_functions_return_byte_for_byte_in_any_process(tmp_path):
    paths = write_report(bench_made.result(people=1, length_s=60.0), tmp_path / "deep" / "er", draws=20)
    assert [path.name for path in paths] == list(FILES)
    done = subprocess.run(
        [sys.executable, "-c", SAME, str(Path(__file__).parent)],
        capture_output=True, text=True, check=True, timeout=120, env={**os.environ, "PYTHONHASHSEED": "1"},
    )  # fmt: skip
    assert done.stdout.split() == [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def test_without_the_extra_all_but_the_page_is_there(tmp_path, monkeypatch):
    import importlib.util

    made = bench_made.result(people=1, length_s=60.0)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="perfuse\\[report\\]"):
        write_report(made, tmp_path / "a", draws=DRAWS)
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["report.md", "rows.csv", "summary.json"]
    assert write_report(made, tmp_path / "b", html=False, draws=DRAWS) == tuple(
        tmp_path / "b" / n for n in FILES[:-1]
    )
    with pytest.raises(MissingExtraError):
        to_html(made)


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be made"):
        write_report(bench_made.result(people=1), tmp_path / "file")
    with pytest.raises(OutputError):
        write_report(bench_made.result(people=1), tmp_path / "file" / "below")


# --- pictures -------------------------------------------------------------------------------------------------------


def proper(picture):
    ET.fromstring(re.sub(r"xlink:href", "href", picture.svg))
    assert picture.alt.endswith(".")
    assert "nan" not in picture.alt + re.sub(r'\bid="[^"]*"', "", picture.svg)
    return picture.alt


@pytest.mark.parametrize("n", [0, 1, 2, 3, 2000])
def test_every_picture_has_an_answer_for_any_number_of_points(n):
    rng = np.random.default_rng(n)
    y = 70 + rng.normal(0, 5, n)
    pairs = figures.Pairs(y + 1.0, y, np.arange(n) % 10.0)
    who = tuple(str(k % 7) for k in range(n))
    limits = proper(figures.agreement(pairs, "/min", "a"))
    assert "limits of agreement 1.00 and 1.00" in limits if n > 1 else "limits of agreement 1" not in limits
    proper(figures.scatter(pairs, "/min", "b"))
    rows = {"x (3)": [figures.Errors(np.full(n, 2.0), who, 0)], "<y> $\\frac$": [figures.Errors(np.empty(0), (), 1)]}
    drawn = figures.by_group(rows, "/min", "c")
    assert ("$\\frac$</text>" in drawn.svg) == (n > 0)
    groups = proper(drawn)
    assert ("x (3): 2.0" in groups) == (n > 0)
    proper(figures.over_time(figures.Course(np.arange(n) * 30.0, y + 1, y - 1, y + 2, y, 2), "/min", "d"))
    quality = np.clip(rng.random(n), 0, 1)
    stated = [Stated("m", np.full(n, 1.0), quality, who, 0), Stated("silent", np.full(n, np.nan), quality, who, 1)]
    assert ("1.00 right" in proper(calibration.reliability(stated, "heart_rate", "e", draws=20))) == (n > 0)
    held = [("m", mean(np.ones(n), who, draws=20), 0), ("none", Estimate(None, reason="none"), 1)]
    assert ("m 100 %" in proper(calibration.coverage(held, "f"))) == (n > 0)
    assert ("m errs by 1.00 at 100 %" in proper(calibration.risk(stated, "/min", "g"))) == (n > 0)
    assert len(thinned(n)) == min(n, MOST)


def test_a_course_without_answers_shows_the_reference():
    gone = np.full(3, np.nan)
    assert "3 without an answer" in proper(figures.over_time(figures.Course(np.arange(3.0), gone, gone, gone, np.arange(3) + 70.0, 0), "/min", "a"))  # fmt: skip  # noqa: E501
    proper(figures.over_time(figures.Course(np.arange(3.0), gone, gone, gone, gone, 0), "/min", "a"))


def test_refusing_the_least_sure_answers_first():
    error = np.array([1.0, 3.0, 5.0, np.nan, 7.0])
    quality = np.array([0.9, 0.5, 0.5, 0.9, np.nan])
    share, running = calibration.risk_curve(error, quality)
    np.testing.assert_allclose(share, [0.2, 0.6, 0.8])  # equal qualities come together, an unsure one last
    np.testing.assert_allclose(running, [1.0, 3.0, 4.0])
    assert calibration.risk_curve(np.full(3, np.nan), quality[:3]) is None


def test_the_interval_of_a_median_is_that_of_drawing_people():
    rng = np.random.default_rng(3)
    values, who = rng.exponential(3, 41), [str(k % 6) for k in range(41)]
    names = sorted(set(who))
    draws = np.random.default_rng(SEED).multinomial(6, np.full(6, 1 / 6), size=figures.MEDIAN_DRAWS)
    medians = []
    for draw in draws:
        drawn = sorted(v for name, n in zip(names, draw) for _ in range(n) for v, w in zip(values, who) if w == name)
        medians.append(drawn[math.ceil(len(drawn) / 2) - 1])  # the lower one of two in the middle
    np.testing.assert_allclose(figures.median_interval(values, who), np.quantile(medians, [0.025, 0.975]))
    assert figures.median_interval(values[:4], who[:4]) is None


# --- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 %"), (0.001, "< 1 %"), (0.5, "50 %"), (0.999, "> 99 %"), (1.0, "100 %"), (None, "–"), (math.nan, "–")],
)
def test_only_all_is_all(value, text):
    assert tell.share(value) == text


def test_numbers_are_told_without_negative_nought():
    assert tell.fixed(-0.001, 2) == "0.00"
    assert tell.fixed(-0.01, 2) == "-0.01"
    assert tell.estimate(Estimate(1.234, 0.1, 1.0, 1.5, 9), 2) == "1.23 ± 0.10 (1.00 to 1.50)"
    assert tell.estimate(Estimate(1.234, reason="few"), 2) == "1.23"
    assert tell.p_value(0.0004) == "p < 0.001"
    assert (tell.times(1234.5), tell.times(3.456), tell.times(None)) == ("1,234", "3.46", "–")


def test_the_machine_is_told_without_its_name(tmp_path, monkeypatch):
    import platform
    import socket

    told_ = machine.machine()
    assert f"Python {platform.python_version()}, numpy {np.__version__}" in told_
    assert "\n" not in told_
    assert socket.gethostname() not in told_.split()
    fake = tmp_path / "cpuinfo"
    fake.write_text("processor\t: 0\nmodel name\t: Some CPU: fast\n")
    monkeypatch.setattr(machine, "CPUINFO", fake)
    monkeypatch.setattr(platform, "release", lambda: "6.1-somebody")
    assert machine.machine().startswith("Some CPU: fast, ")
    assert "somebody" not in machine.machine()
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "none")
    assert machine.processor()
