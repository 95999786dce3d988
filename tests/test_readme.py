"""Every command and every line of Python in the README and the pages does what it says."""

from __future__ import annotations

import os
import pickle
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import perfuse
from conftest import ROOT
from perfuse.cli import build_app, main
from perfuse.data.readers.known import MODULES, get_reader
from perfuse.synth.subject import subject

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("docs/*.md"))
}


def blocks(text: str, *languages: str) -> list[str]:
    """Return the contents of the fenced blocks in a language."""
    return re.findall(rf"^```(?:{'|'.join(languages)})\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[list[str]]:
    """Return the words of every ``perfuse ...`` line, without prompt, comment, pipe and redirection."""
    found = []
    for block in blocks(text, "bash", "console"):
        for line in block.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words and words[0] in ("perfuse", ".venv/bin/perfuse"):
                ends = [words.index(mark) for mark in ("|", ">") if mark in words]
                found.append(words[1 : min(ends, default=len(words))])
    return found


def machine_commands() -> list[str]:
    return [
        line for block in blocks(README, "bash") for line in block.splitlines() if line.startswith("python3 -m venv")
    ]


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """A short video of a synthetic face."""
    from perfuse.synth import subject

    path = tmp_path_factory.mktemp("clip") / "face.mp4"
    subject(3, duration_s=6.0, rate_hz=15.0, width=240, height=180).write(path)
    return path


@pytest.fixture(scope="module")
def radar(tmp_path_factory) -> Path:
    """What a radar saw of somebody for a while."""
    place = tmp_path_factory.mktemp("radar") / "people"
    assert main(["synth", str(place), "--radar", "--seconds", "8", "--size", "64x64", "--quiet"]) == 0
    return next(place.rglob("radar.npz"))


@pytest.fixture
def here(tmp_path, monkeypatch, clip, radar) -> Path:
    """An empty folder with both in it."""
    shutil.copy(clip, tmp_path)
    shutil.copy(radar, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readme_opens_with_a_picture_and_two_commands():
    opening = README.split("## ", 1)[0]
    picture = re.search(r"!\[[^\]]{20,}\]\((\S+)\)", opening)
    assert picture
    assert len(machine_commands()) == 2
    assert all(command in opening for command in machine_commands())


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *PAGES, "docs/develop/architecture.md"])
def test_links_to_files_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_number_of_public_data_sets_is_that_of_their_readers():
    public = [name for name in MODULES if not get_reader(name).access.startswith(("made by", "yours"))]
    for page in ("README.md", "CHANGELOG.md"):
        assert re.findall(r"\b(\d+) public", (ROOT / page).read_text(encoding="utf-8")) == [f"{len(public)}"], page


def test_ci_runs_the_readmes_own_test_command():
    script = (ROOT / ".ci" / "run").read_text()
    pattern = re.search(r"grep -m1 '(.*)' README.md", script)
    assert pattern
    matching = [line for line in README.splitlines() if re.match(pattern[1], line)]
    assert matching == [machine_commands()[1]]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize("page", ["README.md", *PAGES])
def test_every_perfuse_command_parses(page):
    text = README if page == "README.md" else PAGES[page]
    for words in commands(text):
        if "NAME" not in words:
            build_app().parse_args(words, exit_on_error=False, print_error=False)


def test_readme_commands_run(here, capfd):
    run = [words for words in commands(README) if words[0] in ("measure", "methods")]
    assert len(run) >= 4
    for words in run:
        assert main(words) == 0, words
    assert {"face.html", "face.csv"} <= {path.name for path in here.iterdir()}
    assert '{"schema":"perfuse.measurement/1"' in capfd.readouterr().out


@pytest.mark.parametrize("code", blocks(README, "python"), ids=lambda code: code.splitlines()[2][:30])
def test_readme_python_runs(here, code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out


PAINTING = "docs/simulate.md"
"""Its Python paints people for most of a minute."""


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if page == PAINTING else ())
        for page in PAGES
        if blocks(PAGES[page], "python")
    ],
)
def test_python_in_the_pages_runs(here, monkeypatch, page):
    """Blocks of one page share their names, as a reader types them; the camera is the clip, the radar simulated."""
    seen = subject(0, "lab", duration_s=3.0, width=64, height=64).radar()
    (here / "rf.pkl").write_bytes(pickle.dumps(seen.packets()))
    opened = perfuse.open_source
    monkeypatch.setitem(vars(perfuse), "open_source", lambda name: opened("face.mp4" if name == "camera" else name))
    times_s = np.arange(30) / 15
    given = {
        "perfuse": perfuse,
        "frames": np.full((30, 48, 64, 3), 120, np.uint8),
        "colours": np.full((30, 3), 120.0),
        "times_s": times_s,
        "radar": zip(seen.times_s, seen.bins()),
    }
    for code in blocks(PAGES[page], "python"):
        exec(compile(code, page, "exec"), given)


@pytest.mark.slow
def test_first_command_on_a_fresh_machine(tmp_path):
    """Install from a copy of the checkout into a fresh environment and run the demonstration."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", machine_commands()[0]],
        cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    page = re.search(r"Report: (\S+)", done.stdout)
    assert page
    report = Path(page[1])
    assert report.read_text(encoding="utf-8").startswith("<!doctype html>")
    shutil.rmtree(report.parent)
