"""The command line: what it prints, where, what it returns, and how it fails."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import perfuse.pipeline
from hand_made import face, measurement, nothing, wave
from perfuse.cli import COMMANDS, build_app, main
from perfuse.cli.draw import big, curve
from perfuse.cli.live import play, screen, state_text
from perfuse.cli.progress import Progress
from perfuse.cli.tables import quality_text, show
from perfuse.core.errors import SourceError
from perfuse.core.results import FaceEvent, Vital
from perfuse.report.json import SCHEMA_PATH

SCHEMA = json.loads(SCHEMA_PATH.read_text())


@pytest.fixture
def trace_file(tmp_path) -> Path:
    """A finger-like trace with 72 beats a minute."""
    seconds = np.arange(20 * 30) / 30
    pulse = np.sin(2 * np.pi * 1.2 * seconds) + 0.3 * np.sin(4 * np.pi * 1.2 * seconds)
    rows = [f"{t:.4f},{180 - 1.5 * p:.5f},{20 - 0.3 * p:.5f},{12 - 0.2 * p:.5f}" for t, p in zip(seconds, pulse)]
    path = tmp_path / "finger.csv"
    path.write_text("time_s,red,green,blue\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture
def canned(monkeypatch):
    """Replace measuring by a lookup: names with 'bad' cannot be read, with 'bug' crash, with 'wall' show no face."""
    seen = []

    def fake(source, **options):
        options.pop("progress")
        seen.append((str(source), options))
        name = Path(source).name
        if "bad" in name:
            raise SourceError(f"{name} is not a video.", "Check the file.")
        if "bug" in name:
            raise RuntimeError("broken inside")
        return nothing(name) if "wall" in name else measurement(name)

    monkeypatch.setattr("perfuse.data.measuring.measure", fake)
    return seen


def test_every_command_is_registered_with_a_help_line(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in COMMANDS:
        assert name in text
    for name in COMMANDS:
        assert main([name, "--help"]) == 0
        assert f"perfuse {name}" in capsys.readouterr().out


def options(app):
    """Yield command and argument, of commands within commands too."""
    for name in app:
        if name.startswith("-"):
            continue
        inner = app[name]
        if any(not other.startswith("-") for other in inner):
            yield from ((f"{name} {what}", argument) for what, argument in options(inner))
        else:
            yield from ((name, argument) for argument in inner.assemble_argument_collection(parse_docstring=True))


def test_every_option_says_what_it_does():
    told = [(name, argument.name, argument.parameter.help) for name, argument in options(build_app())]
    assert ("data check", "--cache") in {(name, option) for name, option, _ in told}
    assert [(name, option) for name, option, help_text in told if not help_text] == []


def test_no_command_prints_the_help(capsys):
    assert main([]) == 0
    assert "measure" in capsys.readouterr().out


def test_version_is_the_package_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == perfuse.__version__


def test_app_takes_no_part_of_the_environment_as_arguments():
    assert build_app().config in (None, ())


# --- measure ------------------------------------------------------------------------------------------------------


def test_table_has_value_interval_quality_and_reason(canned, capsys):
    assert main(["measure", "face.mp4"]) == 0
    out, err = capsys.readouterr()
    for expected in ("face.mp4", "72.0 /min", "70.9–73.2", "good 94 %", "60 s of clean beats", "note 3 frames"):
        assert expected in out
    assert err == ""
    assert len(canned) == 1


def test_options_reach_the_pipeline(canned):
    assert main(["measure", "a.mp4", "--method", "chrom", "--rate", "25"]) == 0
    assert canned == [("a.mp4", {"method": "chrom", "rate_hz": 25.0})]


def test_json_on_stdout_is_nothing_but_json(canned, capfdbinary):
    assert main(["measure", "a.mp4", "wall.mp4", "--json", "-"]) == 0
    out, err = capfdbinary.readouterr()
    lines = out.decode().splitlines()
    assert [json.loads(line)["source"]["name"] for line in lines] == ["a.mp4", "wall.mp4"]
    for line in lines:
        jsonschema.validate(json.loads(line), SCHEMA)
    assert "72.0 /min" in err.decode()


def test_quiet_says_nothing(canned, capfd, tmp_path):
    assert main(["measure", "a.mp4", "--quiet", "--json", str(tmp_path / "a.json")]) == 0
    assert capfd.readouterr() == ("", "")
    assert (tmp_path / "a.json").read_text().endswith("}\n")


def test_csv_and_report_are_written(canned, capsys, tmp_path):
    code = main(["measure", "a.mp4", "--csv", f"{tmp_path}/a.csv", "--report", f"{tmp_path}/a.html"])
    assert code == 0
    assert (tmp_path / "a.csv").read_text().startswith("source,face,kind")
    assert (tmp_path / "a.html").read_text().startswith("<!doctype html>")
    assert "a.html" in capsys.readouterr().out.replace("\n", "")


def test_report_folder_gets_a_page_for_each(canned, tmp_path):
    assert main(["measure", "x/a.mp4", "wall.mp4", "--report", str(tmp_path), "-q"]) == 0
    assert sorted(page.name for page in tmp_path.iterdir()) == ["a.mp4.html", "wall.mp4.html"]


def test_one_bad_file_does_not_cost_the_others(canned, capsys, tmp_path):
    target = tmp_path / "all.jsonl"
    assert main(["measure", "bad1.mp4", "a.mp4", "bad2.mp4", "wall.mp4", "--json", str(target)]) == 3
    out, err = capsys.readouterr()
    assert "a.mp4" in out
    assert "wall.mp4" in out
    assert err.splitlines() == [
        "perfuse: bad1.mp4 is not a video.", "  Check the file.",
        "perfuse: bad2.mp4 is not a video.", "  Check the file.",
    ]  # fmt: skip
    assert [json.loads(line)["source"]["name"] for line in target.read_text().splitlines()] == ["a.mp4", "wall.mp4"]


def test_nothing_is_written_when_nothing_was_measured(canned, tmp_path):
    assert main(["measure", "bad.mp4", "--json", str(tmp_path / "a.json"), "--csv", str(tmp_path / "a.csv")]) == 3
    assert not list(tmp_path.iterdir())


def test_a_defect_is_an_apology_and_exit_70(canned, capsys, monkeypatch):
    monkeypatch.delenv("PERFUSE_TRACEBACK", raising=False)
    assert main(["measure", "bug.mp4", "a.mp4"]) == 70
    out, err = capsys.readouterr()
    assert "72.0" in out
    assert "Traceback" not in err
    assert "bug.mp4 (RuntimeError: broken inside)" in err
    assert "PERFUSE_TRACEBACK=1" in err


def test_traceback_on_request(canned, monkeypatch):
    monkeypatch.setenv("PERFUSE_TRACEBACK", "1")
    with pytest.raises(RuntimeError, match="broken inside"):
        main(["measure", "bug.mp4"])


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["measure"], 2, "FILES"),
        (["meashure", "a.mp4"], 2, 'Did you mean "measure"'),
        (["measure", "a.mp4", "--jsn", "x"], 2, "--json"),
        (["measure", "-"], 2, "Standard input"),
        (["measure", "a.mp4", "--method", "poz"], 2, "Did you mean 'pos'"),
        (["measure", "a.mp4", "--rate", "fast"], 2, "fast"),
        (["measure", "a.mp4", "--rate", "-3"], 2, "above 0"),
        (["measure", "a.mp4", "--rate", "nan"], 2, "above 0"),
        (["measure", "a.mp4", "--json", "-", "--csv", "-"], 2, "standard output"),
        (["measure", "a.mp4", "b.mp4", "--report", "x.html"], 2, "folder"),
        (["measure", "a.mp4", "--report", "-"], 2, "file or a folder"),
        (["measure", "a.mp4", "--json", "a.mp4"], 2, "same file"),
        (["measure", "a.mp4", "--json", "x", "--csv", "./x"], 2, "same file"),
        (["measure", "a.mp4", "--json", "no/such/folder/x.json"], 4, "does not exist"),
        (["measure", "a.mp4", "--csv", "/"], 4, "folder"),
        (["live", "a.mp4", "--for", "0"], 2, "above 0"),
        (["methods", "chrm"], 2, "'chrom'"),
    ],
)
def test_mistakes_are_told_before_the_long_work(canned, capsys, tmp_path, monkeypatch, words, code, hint):
    monkeypatch.chdir(tmp_path)
    assert main(words) == code
    err = capsys.readouterr().err
    assert err.startswith("perfuse: ")
    assert hint in " ".join(err.split())
    assert canned == []
    assert not list(tmp_path.iterdir())


def test_missing_extra_is_told_before_the_long_work(canned, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["measure", "a.mp4", "--report", str(tmp_path / "a.html")]) == 5
    assert "pip install 'perfuse[report]'" in capsys.readouterr().err
    assert canned == []


def test_interrupt_is_130(monkeypatch, capsys):
    def stopped(source, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(perfuse.pipeline, "measure", stopped, raising=False)
    assert main(["measure", "a.mp4"]) == 130
    assert "stopped" in capsys.readouterr().err


def test_real_trace_from_file_to_json(trace_file, capfd):
    assert main(["measure", str(trace_file), "--json", "-", "--quiet"]) == 0
    record = json.loads(capfd.readouterr().out)
    jsonschema.validate(record, SCHEMA)
    rate = record["faces"][0]["vitals"]["heart_rate"]
    assert abs(rate["value"] - 72) < 1
    assert rate["low"] <= 72 <= rate["high"]
    assert str(trace_file.parent) not in json.dumps(record)


@pytest.mark.parametrize(
    ("name", "content"),
    [("gone.mp4", None), ("empty.mp4", b""), ("text.mp4", b"hello, I am no video\n" * 20), ("empty.csv", b"")],
)
def test_unreadable_files_end_in_exit_3(tmp_path, capsys, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["measure", str(tmp_path / name)]) == 3
    err = capsys.readouterr().err
    assert name in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("wanted", "tty"), [(True, True), (False, True), (True, False)])
def test_progress_waits_and_needs_a_terminal(monkeypatch, wanted, tty):
    now = [0.0]
    monkeypatch.setattr("perfuse.cli.progress.time.monotonic", lambda: now[0])
    monkeypatch.setattr("perfuse.cli.progress.Console", lambda stderr: terminal(tty))
    with Progress("a [b] c.mp4", show=wanted) as progress:
        progress(1.0, 10.0)
        assert not progress.shown
        now[0] = 1.5
        progress(2.0, None)
        assert progress.shown is (wanted and tty)


# --- the process --------------------------------------------------------------------------------------------------


def run(*words: str, **options) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "100", **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "perfuse", *words],
        env=environment, capture_output=True, text=True, timeout=60, check=False, **options,
    )  # fmt: skip


def test_module_is_the_same_program():
    done = run("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: perfuse COMMAND")


def test_terminals_without_unicode_get_replacements_not_crashes(trace_file):
    done = run("measure", str(trace_file), env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert done.returncode == 0, done.stderr
    assert "/min" in done.stdout


def test_reader_that_leaves_early_is_no_error():
    with subprocess.Popen(
        [sys.executable, "-m", "perfuse", "methods"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 141


# --- methods ------------------------------------------------------------------------------------------------------


def test_methods_lists_every_card(capsys):
    assert main(["methods"]) == 0
    out = capsys.readouterr().out
    for card in perfuse.list_methods():
        assert card.name in out


def test_one_method_is_told_in_full(capsys):
    assert main(["methods", "pos"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    card = next(card for card in perfuse.list_methods() if card.name == "pos")
    assert card.limits.split(";")[0] in out
    assert card.equation in out


# --- live ---------------------------------------------------------------------------------------------------------


class FakeStream:
    """Frames at 10 Hz whose only property is their time."""

    def __init__(self, count: int, kind: str = "video") -> None:
        self.info = type("Info", (), {"kind": kind})()
        self.times = [7.0 + k / 10 for k in range(count)]

    def __iter__(self):
        return iter([type("F", (), {"time_s": t})() for t in self.times])


class FakeSession:
    """Counts what it is given."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.pushed: list[float] = []
        self.stop_at = stop_at

    def push(self, frame):
        if self.stop_at == len(self.pushed):
            raise KeyboardInterrupt
        self.pushed.append(frame.time_s)

    def measure(self):
        return measurement("live.mp4", duration_s=12.0)


class Clock:
    """Time that passes only while sleeping."""

    def __init__(self) -> None:
        self.now, self.slept = 100.0, 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def terminal(force: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=force, width=80, highlight=False)


def test_live_plays_a_file_at_its_own_pace_and_prints_a_line_a_second():
    console, session, clock = terminal(False), FakeSession(), Clock()
    assert play(FakeStream(31), session, console, clock=clock, sleep=clock.sleep) is False
    assert len(session.pushed) == 31
    assert clock.slept == pytest.approx(3.0)
    lines = console.file.getvalue().splitlines()
    assert len(lines) in (3, 4)
    assert "heart rate 72.0 /min (70.9–73.2, good)" in lines[0]


def test_live_never_waits_for_a_camera_clock():
    session, clock = FakeSession(), Clock()
    play(FakeStream(5, "camera"), session, terminal(False), clock=clock, sleep=clock.sleep)
    assert clock.slept == 0
    assert len(session.pushed) == 5


def test_live_stops_after_the_asked_time():
    session, clock = FakeSession(), Clock()
    play(FakeStream(100), session, terminal(False), limit_s=2.0, clock=clock, sleep=clock.sleep)
    assert len(session.pushed) == 20


@pytest.mark.parametrize("force", [True, False])
def test_ctrl_c_ends_live_without_an_error(force):
    session, clock = FakeSession(stop_at=4), Clock()
    assert play(FakeStream(100), session, terminal(force), clock=clock, sleep=clock.sleep) is True
    assert len(session.pushed) == 4


def test_slow_vitals_are_measured_less_often():
    clock, calls = Clock(), []

    class Slow(FakeSession):
        def measure(self):
            calls.append(clock.now)
            clock.now += 1.0
            return super().measure()

    play(FakeStream(100), Slow(), terminal(True), clock=clock, sleep=clock.sleep)
    assert len(calls) <= 4


def test_live_from_the_command_line(trace_file, capsys):
    assert main(["live", str(trace_file), "--for", "0.3", "--method", "contact"]) == 0
    out = capsys.readouterr().out
    assert "finger.csv" in out


def rendered(thing) -> str:
    console = terminal(False)
    console.print(thing)
    return console.file.getvalue()


def test_screen_shows_wave_numbers_and_other_faces():
    text = rendered(screen(measurement(faces=2, duration_s=12.0), 12.0, 80))
    assert any(0x2800 < ord(character) <= 0x28FF for character in text)
    assert big("72")[1] in text
    assert "face 2: heart rate 72.0" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (nothing(), "looking for a face"),
        (measurement(), "signal good"),
    ],
)
def test_state_in_words(made, expected):
    assert expected in state_text(made).plain
    assert rendered(screen(made, 3.0, 40))


def test_lost_and_waiting_states():
    lost = replace(face(), events=(FaceEvent(0.0, "found"), FaceEvent(3.0, "lost")))
    early = replace(face(), heart_rate=Vital.none("/min", "10 s are needed, 3 s were seen"))
    assert "lost" in state_text(replace(measurement(), faces=(lost,))).plain
    assert "10 s are needed" in state_text(replace(measurement(), faces=(early,))).plain


# --- demo ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def person(monkeypatch):
    """Stand in for synthesis and measuring; the person's rates can be set before the demo runs."""
    truth = SimpleNamespace(heart_rate=72.0, respiratory_rate=15.0, beats_s=np.cumsum([0.8, 0.85, 0.82, 0.9, 0.81]))

    def write(path, *, quality, truth_path, progress):
        Path(path).write_bytes(b"video")
        Path(truth_path).write_text("{}")
        progress(1, 2)

    made = SimpleNamespace(
        settings=SimpleNamespace(rate_hz=30.0),
        truth=truth,
        write=write,
        photo=lambda: np.zeros((8, 8, 3), np.uint8),
    )
    monkeypatch.setattr("perfuse.synth.subject", lambda seed, duration_s: made)
    monkeypatch.setattr(perfuse.pipeline, "measure", lambda source, progress: measurement("face.mp4"))
    return made


def test_demo_shows_truth_beside_the_answer_and_keeps_everything(person, capsys, tmp_path):
    assert main(["demo", "--keep", str(tmp_path / "new" / "folder")]) == 0
    out = capsys.readouterr().out
    assert "Heart rate" in out
    assert "72.0 /min" in out
    assert "70.9–73.2 ✓" in out
    kept = sorted(path.name for path in (tmp_path / "new" / "folder").iterdir())
    assert kept == ["face.mp4", "report.html", "truth.json"]
    page = (tmp_path / "new" / "folder" / "report.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in page


@pytest.mark.parametrize(("heart", "breath"), [(75.0, 15.0), (72.0, 20.0)])
def test_demo_fails_when_the_truth_is_outside(person, capsys, tmp_path, heart, breath):
    person.truth.heart_rate, person.truth.respiratory_rate = heart, breath
    assert main(["demo", "--keep", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "✗" in out
    assert "The answer is wrong" in out


def test_demo_fails_without_a_heart_rate(person, capsys, tmp_path, monkeypatch):
    silent = replace(face(), heart_rate=Vital.none("/min", "no pulse stood out"))
    answer = replace(measurement(), faces=(silent,))
    monkeypatch.setattr(perfuse.pipeline, "measure", lambda source, progress: answer)
    assert main(["demo", "--keep", str(tmp_path)]) == 1
    assert "no pulse stood out" in capsys.readouterr().out


def test_demo_without_the_extra_says_how_to_get_the_report(person, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["demo", "--keep", str(tmp_path)]) == 0
    assert "pip install 'perfuse[report]'" in capsys.readouterr().out
    assert not (tmp_path / "report.html").exists()


def test_demo_without_keep_leaves_only_the_report(person, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["demo"]) == 0
    (left,) = tmp_path.iterdir()
    assert [path.name for path in left.iterdir()] == ["report.html"]
    assert str(left / "report.html") in capsys.readouterr().out


def test_demo_into_a_file_is_refused(person, capsys, tmp_path):
    (tmp_path / "x").touch()
    assert main(["demo", "--keep", str(tmp_path / "x")]) == 4
    assert main(["demo", "--seconds", "3"]) == 2


# --- drawing ------------------------------------------------------------------------------------------------------


def test_curve_of_a_ramp_rises_from_the_lower_left_to_the_upper_right():
    lines = curve(np.linspace(0, 1, 40), 10, 3)
    assert [len(line) for line in lines] == [10, 10, 10]
    assert lines[0][-1] != "\u2800"
    assert lines[2][0] != "\u2800"
    assert lines[0][0] == lines[2][-1] == "\u2800"


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=60), st.integers(1, 30), st.integers(1, 6))
def test_curve_always_fills_its_box(samples, width, height):
    lines = curve(samples, width, height)
    assert [len(line) for line in lines] == [width] * height
    dots = sum(ord(character) - 0x2800 for line in lines for character in line)
    if not np.isfinite(samples).any():
        assert dots == 0
    elif np.isfinite(samples).all():
        assert all(any(line[column] != "\u2800" for line in lines) for column in range(width))


def test_curve_leaves_a_hole_where_nothing_was_measured():
    samples = wave(4.0, 1.0).samples
    samples[40:80] = np.nan
    lines = curve(samples, 30, 3)
    assert all(line[15] == "\u2800" for line in lines)


@given(st.text("0123456789.–", min_size=1, max_size=5))
def test_big_digits_are_three_equally_wide_rows(text):
    rows = big(text)
    assert len({len(row) for row in rows}) == 1
    assert len(rows) == 3


@given(st.floats(0, 1))
def test_quality_bar_has_five_cells(quality):
    assert len(quality_text(quality).plain.split()[0]) == 5


def test_names_are_never_read_as_markup():
    console = terminal(True)
    show(console, nothing("[red]x[/] [/nope].mp4"))
    assert "[red]x[/] [/nope].mp4" in console.file.getvalue()
