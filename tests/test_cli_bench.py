"""``perfuse data`` and ``perfuse bench`` from the outside: what a researcher types, and what may go wrong."""

import csv
import json
import shutil

import pytest

from networks import GRID, TRACE, bundle, network
from perfuse.cli import main
from perfuse.cli.bench import _about, _methods
from perfuse.synth.layouts.folder import make
from perfuse.synth.layouts.known import get_layout
from perfuse.synth.layouts.plan import people, plan

NETWORKS = {"toy-trace": TRACE, "toy-grid": GRID}


@pytest.fixture(scope="module")
def ubfc(tmp_path_factory):
    root = tmp_path_factory.mktemp("cli") / "ubfc"
    layout = get_layout("ubfc")
    asked = {"duration_s": 12.0, "width": 160, "height": 160, "pulse_depth": 0.012}
    make(root, layout, plan(layout, people(3, "lab", 11, asked)), {"seed": 11})
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def run(capsys, *words):
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_one_command_from_a_folder_to_a_report(ubfc, cache, tmp_path, capsys):
    out = tmp_path / "out"
    code, said, err = run(
        capsys, "bench", "--data", ubfc, "--methods", "pos,green", "--protocol", "default,toolbox",
        "--cache", cache, "--out", out, "--no-speed",
    )  # fmt: skip
    assert code == 0, err
    assert "heart rate" in said
    assert {"report.html", "report.md", "rows.csv", "summary.json"} <= {p.name for p in out.iterdir()}
    rows = list(csv.DictReader((out / "rows.csv").open()))
    whole = [r for r in rows if (r["profile"], r["vital"], r["window"]) == ("default", "heart_rate", "whole")]
    assert [(r["recording"], r["method"]) for r in whole] == [
        (f"subject{k}", m) for k in (1, 2, 3) for m in ("pos", "green")
    ]
    pos = [abs(float(r["prediction"]) - float(r["reference"])) for r in whole if r["method"] == "pos"]
    assert sorted(pos)[1] < 2.0  # the first one's heart changes its rate within the clip
    assert {r["profile"] for r in rows} == {"default", "toolbox"}
    about = json.loads((out / "summary.json").read_text())["about"]
    assert about["command"].startswith(f"perfuse bench --data {ubfc} --methods pos,green --protocol default,toolbox")
    assert about["command"].endswith("--no-speed")
    assert "MAE" in (out / "report.md").read_text()


def test_the_command_that_repeats_a_run_names_its_methods():
    about = _about(["folk"], _methods("all"), "default", None, "all", 0, None, True)
    assert about["command"].startswith("perfuse bench --data folk --methods pos,chrom,")
    assert "blend" in about["command"].split()[5].split(",")


def test_the_same_run_gives_the_same_table(ubfc, cache, tmp_path, capsys):
    for name, jobs in (("a", 1), ("b", 2)):
        words = ("--methods", "chrom", "--cache", cache, "--out", tmp_path / name, "--no-speed", "-q", "--jobs", jobs)
        assert run(capsys, "bench", "--data", ubfc, *words)[0] == 0
    assert (tmp_path / "a" / "rows.csv").read_bytes() == (tmp_path / "b" / "rows.csv").read_bytes()


def test_a_split_scores_its_test_side(ubfc, cache, tmp_path, capsys):
    words = ("--methods", "pos", "--cache", cache, "--out", tmp_path / "s", "--no-speed", "-q", "--split", "k-fold:3")
    assert run(capsys, "bench", "--data", ubfc, *words)[0] == 0
    rows = list(csv.DictReader((tmp_path / "s" / "rows.csv").open()))
    folds = {r["recording"]: r["fold"] for r in rows}
    assert len(set(folds.values())) == 3


def test_a_broken_recording_costs_itself_only(ubfc, cache, tmp_path, capsys):
    root = shutil.copytree(ubfc, tmp_path / "broken")
    (root / "subject2" / "vid.avi").write_bytes(b"nothing")
    (root / "subject3" / "ground_truth.txt").unlink()
    words = ("--methods", "pos", "--cache", cache, "--out", tmp_path / "r", "--no-speed")
    code, said, _ = run(capsys, "bench", "--data", root, *words)
    assert code == 0
    assert "2 problems" in said
    page = (tmp_path / "r" / "report.md").read_text()
    assert "subject2" in page
    assert "ground_truth.txt" in page
    assert {r["recording"] for r in csv.DictReader((tmp_path / "r" / "rows.csv").open())} == {"subject1"}


def test_nothing_to_score_is_a_failure(ubfc, tmp_path, capsys):
    root = shutil.copytree(ubfc, tmp_path / "bad")
    for film in root.glob("*/vid.avi"):
        film.write_bytes(b"nothing")
    code, _, err = run(capsys, "bench", "--data", root, "--methods", "pos", "--cache", tmp_path / "c", "--no-speed")
    assert code == 3
    assert "Traceback" not in err


WRONG = {
    "no folder": (("--data", "nowhere"), "does not exist"),
    "no method": (("--methods", "posh"), "no method called 'posh'"),
    "a method twice": (("--methods", "pos,pos"), "Name each once"),
    "no protocol": (("--protocol", "toolkit"), "no scoring profile called 'toolkit'"),
    "no split": (("--split", "random"), "no split called"),
    "a short window": (("--window", "1"), "5 to 3600"),
    "no network": (("--methods", "./no/model"), "no"),
    "a file as a folder": (("--out", __file__), "folder"),
    "no domain of it": (("--data", "simbench:tiny:moon"), "no domain called 'moon'"),
    "no part of it": (("--data", "simbench:tiny:"), "no domain called ''"),
    "no simbench": (("--data", "simbench:huge"), "no size called 'huge'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told(ubfc, tmp_path, capsys, what):
    words, message = WRONG[what]
    given = {"--data": str(ubfc), "--methods": "pos", "--cache": str(tmp_path)} | dict([words])
    code, _, err = run(capsys, "bench", *(word for pair in given.items() for word in pair))
    assert code in (2, 3, 4)
    assert message in " ".join(err.split())
    assert "Traceback" not in err


def test_data_commands(ubfc, cache, capsys, tmp_path):
    code, said, _ = run(capsys, "data", "list")
    assert code == 0
    assert "equipleth" in said
    code, said, _ = run(capsys, "data", "list", "pure")
    assert "layout" in said
    code, said, _ = run(capsys, "data", "show", ubfc, "--split", "k-fold:3")
    assert "ubfc-rppg" in said
    assert said.count("k-fold:3/") == 3
    code, said, _ = run(capsys, "data", "prepare", ubfc, "--view", "grid:4x4", "--cache", cache)
    assert "3 recordings cached" in said
    code, said, _ = run(capsys, "data", "prepare", ubfc, "--view", "grid:4x4", "--cache", cache)
    assert "3 there already" in said
    code, said, _ = run(capsys, "data", "check", ubfc, "--cache", cache, "--report", tmp_path / "check.svg")
    assert code == 0
    assert "subject1" in said
    assert (tmp_path / "check.svg").read_text().lstrip().startswith("<?xml")


@pytest.mark.parametrize("view", ["grid", "grid:0x3", "crop:x", "crop:72@fast", "mesh:3", "trace:1", "crop:72@1000"])
def test_what_is_no_view_is_told(ubfc, capsys, view):
    code, _, err = run(capsys, "data", "prepare", ubfc, "--view", view)
    assert code == 2
    assert "--view" in err


def test_exported_networks_stand_beside_formulas(ubfc, cache, tmp_path, capsys):
    trace, grid = (bundle(tmp_path / name, network(view), view, name=name) for name, view in NETWORKS.items())
    words = ("--methods", f"green,{trace},{grid}", "--cache", cache, "--out", tmp_path / "out")
    code, _, err = run(capsys, "bench", "--data", ubfc, *words)
    assert code == 0, err
    content = json.loads((tmp_path / "out" / "summary.json").read_text())
    costs = {cost["method"]: cost for cost in content["costs"]}
    assert costs.keys() == {"green", "toy-trace", "toy-grid"}
    assert costs["green"]["parameters"] == 0
    assert costs["toy-grid"]["parameters"] >= 0
    assert all(cost["ms_per_s"] > 0 for cost in costs.values())
    rows = list(csv.DictReader((tmp_path / "out" / "rows.csv").open()))
    whole = {
        (r["recording"], r["method"]): r
        for r in rows
        if (r["vital"], r["window"], r["profile"]) == ("heart_rate", "whole", "default")
    }
    for k in (1, 2, 3):  # the toy is green upside down, and so is the method
        formula, net = whole[f"subject{k}", "green"], whole[f"subject{k}", "toy-trace"]
        assert abs(float(formula["prediction"]) - float(net["prediction"])) < 5
