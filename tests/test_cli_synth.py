"""``perfuse synth``: what it makes, what it says, and how it fails."""

from __future__ import annotations

import json

import pytest

import perfuse.synth.layouts.folder
from perfuse.cli import main
from perfuse.synth import simbench
from perfuse.synth.domains import DOMAINS
from perfuse.synth.layouts.folder import MANIFEST, Made
from perfuse.synth.layouts.known import LAYOUTS

SMALL = ("--seconds", "1.5", "--size", "72x64")


@pytest.fixture
def planned(monkeypatch):
    """Make nothing; remember what would have been made."""
    seen = []

    def fake(folder, layout, takes, source, *, jobs, progress):
        progress(0.0, 1.0)
        seen.append((str(folder), layout.name, takes, source, jobs))
        return Made(folder, len(takes), 0)

    monkeypatch.setattr(perfuse.synth.layouts.folder, "make", fake)
    return seen


def test_a_folder_is_made_kept_and_added_to(tmp_path, capsys):
    folder = tmp_path / "people"
    assert main(["synth", str(folder), *SMALL]) == 0
    assert capsys.readouterr() == (f"1 recording made: {folder}\n", "")
    names = {path.name for path in folder.iterdir()}
    assert names == {"lab-0000", "manifest.json", "README.txt"}
    assert main(["synth", str(folder), *SMALL, "--subjects", "2"]) == 0
    assert capsys.readouterr().out == f"1 recording made, 1 there already: {folder}\n"
    truth = json.loads((folder / "lab-0001" / "truth.json").read_text())
    assert truth["settings"]["width"] == 72
    assert 35 <= truth["truth"]["heart_rate"] <= 230
    assert json.loads((folder / MANIFEST).read_text())["source"]["domain"] == "lab"
    assert main(["synth", str(folder), *SMALL, "--subjects", "2", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["synth", str(folder), *SMALL, "--seed", "1"]) == 4
    assert "made with seed 0; 1 was asked for" in capsys.readouterr().err


def test_options_reach_the_plan(planned):
    words = "--subjects 3 --domain webcam --seed 5 --seconds 4 --size 96X80 --radar --jobs 2"
    assert main(["synth", "people", *words.split()]) == 0
    ((folder, layout, takes, source, jobs),) = planned
    asked = {"width": 96, "height": 80, "duration_s": 4.0}
    assert (folder, layout, jobs) == ("people", "perfuse", 2)
    assert source == {"domain": "webcam", "seed": 5, "asked": asked, "radar": True}
    assert [take.id for take in takes] == ["webcam-0000", "webcam-0001", "webcam-0002"]
    assert all(take.radar and dict(take.asked) == asked for take in takes)


@pytest.mark.parametrize(
    ("layout", "domain", "count"), [("ubfc", "lab", 1), ("pure", "lab", 6), ("equipleth", "paired-radar", 2)]
)
def test_layouts_have_a_domain_of_their_own(planned, layout, domain, count):
    assert main(["synth", "people", "--layout", layout]) == 0
    takes, source = planned[0][2:4]
    assert len(takes) == count
    assert {take.domain for take in takes} == {domain} == {source["domain"]}


def test_simbench_is_a_plan_of_its_own(planned, capsys):
    assert main(["synth", "bench", "--simbench", "tiny"]) == 0
    takes, source = planned[0][2:4]
    assert [(take.id, take.seed) for take in takes] == [(m.id, m.seed) for m in simbench.everyone("tiny")]
    assert source["fingerprint"] == simbench.fingerprint("tiny")
    assert source["version"] == simbench.VERSION
    assert "22 recordings made: bench" in capsys.readouterr().out


def test_simbench_can_be_made_one_domain_at_a_time(planned):
    assert main(["synth", "bench", "--simbench", "tiny", "--domain", "talk"]) == 0
    takes, source = planned[0][2:4]
    whole = {member.id: member.seed for member in simbench.everyone("tiny")}
    assert {take.id: take.seed for take in takes} == {k: v for k, v in whole.items() if k.startswith("talk")}
    assert (source["simbench"], source["domain"]) == ("tiny", "talk")


def test_list_shows_what_there_is(capsys):
    assert main(["synth", "--list"]) == 0
    text = capsys.readouterr().out
    for name in (*DOMAINS, *LAYOUTS, *simbench.SIZES):
        assert name in text
    assert "11 x 60" in text


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("", "No folder was named"),
        ("{} --domain moon", "no domain called 'moon'"),
        ("{} --layout cohface", "no layout called 'cohface'"),
        ("{} --simbench huge", "no size called 'huge'"),
        ("{} --simbench tiny --domain home", "no domain called 'home'"),
        ("{} --simbench tiny --seconds 5", "--simbench fixes"),
        ("{} --simbench tiny --seed 0", "--simbench fixes"),
        ("{} --simbench tiny --layout ubfc", "--simbench fixes"),
        ("{} --subjects 0", "subjects = 0"),
        ("{} --subjects -3", "subjects = -3"),
        ("{} --subjects two", "two"),
        ("{} --seed -1", "seed = -1"),
        ("{} --seconds 0", "duration_s = 0"),
        ("{} --seconds nan", "duration_s = nan"),
        ("{} --size 640", "--size 640"),
        ("{} --size x", "--size x"),
        ("{} --size 640x-480", "--size 640x-480"),
        ("{} --size 10x10", "width = 10"),
        ("{} --jobs 0", "jobs = 0"),
        ("{} --layout ubfc --domain no-pulse", "has no pulse"),
        ("{} --layout pure --radar", "no place for a radar"),
        ("{} --layout equipleth --domain webcam --seconds 5 --speed 3", "--speed"),
        ("{} --layout equipleth --seconds 3600", "duration_s = 3600.9"),
    ],
)
def test_bad_words_are_told_and_leave_nothing(tmp_path, capsys, words, problem):
    folder = tmp_path / "people"
    assert main(["synth", *words.format(folder).split()]) == 2
    out, err = capsys.readouterr()
    assert problem in err
    assert err.count("\n") >= 2, "what to do about it stands below"
    assert out == ""
    assert not folder.exists()


def test_an_empty_name_is_not_the_folder_one_is_in(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["synth", "", *SMALL]) == 2
    assert "No folder was named" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_written_are_told(tmp_path, capsys):
    (tmp_path / "file").write_text("here")
    assert main(["synth", str(tmp_path / "file"), *SMALL]) == 4
    assert "is a file" in capsys.readouterr().err
    assert main(["synth", str(tmp_path / "file" / "people"), *SMALL]) == 4
    assert main(["synth", str(tmp_path), *SMALL]) == 4
    assert "holds other files (file)" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_ctrl_c_says_how_to_go_on(monkeypatch, tmp_path, capsys):
    def stopped(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(perfuse.synth.layouts.folder, "make", stopped)
    assert main(["synth", str(tmp_path / "people"), *SMALL]) == 130
    assert "The same command goes on" in capsys.readouterr().err
