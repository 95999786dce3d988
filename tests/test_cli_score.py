"""``perfuse score``: the Toolbox's figures from arrays of anybody."""

import json

import numpy as np
import pytest

from perfuse.cli import main


def run(capsys, *words):
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def arrays(tmp_path):
    rng = np.random.default_rng(1)
    times = np.arange(900) / 30
    pairs = {}
    for name, rate in (("a", 1.1), ("b", 1.7)):
        wave = np.sin(2 * np.pi * rate * times)
        pairs |= {f"label_{name}": wave, f"pred_{name}": wave + rng.normal(size=900)}
    path = tmp_path / "waves.npz"
    np.savez(path, **pairs)
    return path


@pytest.mark.parametrize(
    ("row", "words"),
    [("whole_fft", ()), ("whole_peak", ("--peaks",)), ("30s_fft", ("--window", 30)), ("10s_fft", ("--window", 10))],
)
def test_the_golden_figures_come_out_of_the_command(shared_data, capsys, row, words):
    golden = shared_data.parent / "golden"
    want = json.loads((golden / "toolbox_scoring.json").read_text())[row]
    file = golden / "toolbox_scoring.npz"
    code, said, _ = run(capsys, "score", file, "--differenced", *words, "-q", "--json", "-")
    assert code == 0
    figures = json.loads(said)["figures"]
    assert figures.keys() >= want.keys()
    assert all(figures[name] == pytest.approx(value, abs=1e-6) for name, value in want.items())


def test_a_table_for_people_and_lines_for_programs(arrays, tmp_path, capsys):
    out = tmp_path / "scores.json"
    code, said, _ = run(capsys, "score", arrays, "--json", out)
    assert code == 0
    assert "MAE" in said
    content = json.loads(out.read_text())
    assert set(content["windows"]) == {"a", "b"}
    assert content["windows"]["a"][0]["label"] == pytest.approx(66, abs=2)
    assert content["figures"]["n"] == 2


WRONG = {
    "rate": (("--rate", "3"), 2),
    "window": (("--window", "0"), 2),
    "protocol": (("--protocol", "default"), 2),
    "target": (("--json", "/nowhere/at/all.json"), 4),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_options_are_told(arrays, capsys, what):
    words, expected = WRONG[what]
    code, _, err = run(capsys, "score", arrays, *words)
    assert code == expected
    assert err.startswith("perfuse: ")


def test_wrong_files_are_told(tmp_path, capsys):
    cases = {
        "missing.npz": None,
        "noise.npz": b"PK nothing",
        "lonely.npz": {"pred_a": np.zeros(90)},
        "empty.npz": {"other": np.zeros(3)},
        "words.npz": {"pred_a": np.array(["x"]), "label_a": np.zeros(1)},
        "objects.npz": {"pred_a": np.array([{}], dtype=object), "label_a": np.zeros(1)},
        "square.npz": {"pred_a": np.zeros((9, 9)), "label_a": np.zeros(9)},
    }
    for name, content in cases.items():
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content is not None:
            np.savez(path, **content)
        code, _, err = run(capsys, "score", path)
        assert code == 3, name
        assert name in err
        assert "Traceback" not in err


def test_dead_waves_have_no_figures_and_no_nan(tmp_path, capsys):
    path = tmp_path / "dead.npz"
    np.savez(path, pred_a=np.zeros(300), label_a=np.full(300, np.nan), pred_b=np.zeros(4), label_b=np.zeros(4))
    code, said, _ = run(capsys, "score", path, "--json", "-")
    assert code == 0
    assert "NaN" not in said
    json.loads(said)
