"""Bundles in 8 bits: written where they say the same and are faster, refused with the numbers where not."""

import json
import logging
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from networks import CARD
from perfuse.cli import main
from perfuse.core.errors import UsageError
from perfuse.export import int8
from perfuse.export.int8 import Rounding, alternating, export_int8
from perfuse.methods.network import Network
from perfuse.methods.student import load_bundle

VIEW = {"kind": "grid", "rows": 3, "cols": 3, "rate_hz": 30.0}
ABOUT = {k: v for k, v in CARD.items() if k != "schema"} | {"view": VIEW, "name": "tiny"}
FINE = Rounding(0.999, 0.99, 0.01, 0.01, 1.0, 0.5)


class Tiny(nn.Module):
    """Mean colours, normalised; the second layer is large, and ignores a channel that may be loud."""

    def __init__(self, loud=1.0, width=32):
        super().__init__()
        torch.manual_seed(0)
        self.enter = nn.Conv1d(3, width, 3, padding=1)
        self.large = nn.Conv1d(width, width, 5, padding=2)
        self.leave = nn.Conv1d(width, 1, 1)
        self.loud = torch.ones(width, 1)
        self.loud[0] = loud
        self.large.weight.data[:, 0] = 0

    def forward(self, clip):
        colours = (clip - clip.mean(2, keepdim=True)).mean((3, 4))
        colours = colours / (colours.pow(2).mean(2, keepdim=True).sqrt() + 1e-3)
        wave = self.leave(self.large(torch.relu(self.enter(colours)) * self.loud))[:, 0]
        return {"pulse": wave, "quality": wave.pow(2).mean(1) - 1.0}


def fast(*_):
    return 1.0, 0.5


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(int8, "CALIBRATION", 6)
    monkeypatch.setattr(int8, "MEASURED", 4)


def test_what_agrees_and_is_faster_is_written(tmp_path):
    before = list(logging.getLogger().handlers)
    found = export_int8(Tiny(), ABOUT, tmp_path / "b", clock=fast)
    assert found.median_r >= 0.99
    assert found.median_r < 1  # rounded it is
    assert {p.name for p in (tmp_path / "b").iterdir()} == {"model.onnx", "model.safetensors", "card.json"}
    card = json.loads((tmp_path / "b" / "card.json").read_text())
    assert card["limits"].startswith(f"Made for tests. Large layers in 8 bits: r {found.median_r:.3f} with")
    assert "0.50 of its time" in card["limits"]
    content = (tmp_path / "b" / "model.onnx").read_bytes()
    assert str(tmp_path).encode() not in content
    graph = onnx.load_from_string(content).graph
    whole = {t.name: t.data_type for t in graph.initializer}
    by = {output: node for node in graph.node for output in node.output}
    convs = [node for node in graph.node if node.op_type == "Conv"]
    kinds = [by[n.input[1]].op_type if n.input[1] in by else whole[n.input[1]] for n in convs]
    assert kinds == [onnx.TensorProto.FLOAT, "DequantizeLinear", onnx.TensorProto.FLOAT]
    load_bundle(tmp_path / "b")
    assert logging.getLogger().handlers == before


@pytest.mark.parametrize(
    ("student", "clock", "why"),
    [
        (Tiny(), lambda *_: (1.0, 0.95), r"will not do: 0\.95 of the time \(0\.9 is needed\)"),
        (Tiny(loud=1e3), fast, r"will not do: r -?[0-9.]+ in the median \(0\.99 is needed\)"),
        (Tiny(width=8), fast, "no layer of 4096 weights"),
    ],
    ids=["slow", "coarse", "small"],
)
def test_what_does_not_is_told_and_nothing_is_written(tmp_path, student, clock, why):
    with pytest.raises(UsageError, match=f"{why}.*without --int8"):
        export_int8(student, ABOUT, tmp_path / "b", clock=clock)
    assert not (tmp_path / "b").exists()


@given(
    st.sampled_from(["median_r", "worst_r", "trust_apart", "attention_apart", "int8_s"]),
    st.floats(0, 1) | st.just(float("nan")),
)
def test_one_fault_is_enough(name, value):
    """No number makes up for another, and what is no number is never enough."""
    limits = {"median_r": 0.99, "worst_r": 0.95, "trust_apart": 0.1, "attention_apart": 0.1, "int8_s": 0.9}
    good = value >= limits[name] if name.endswith("_r") else value <= limits[name]
    assert FINE.faults() == []
    assert len(replace(FINE, **{name: value}).faults()) == (0 if good else 1)


def test_networks_take_turns():
    asked = []

    class Asked(Network):
        def __init__(self, name):
            self.name = name

        def run(self, window):
            asked.append(self.name)

    times = alternating(Asked("a"), Asked("b"), [np.zeros(1)] * 4)
    pairs = ["".join(pair) for pair in zip(asked[::2], asked[1::2])]
    assert len(pairs) == 4 * int8.ROUNDS
    assert pairs.count("ab") == pairs.count("ba")
    assert all(t >= 0 for t in times)


@pytest.mark.slow
def test_the_command_says_which_of_the_two_it_is(tmp_path, monkeypatch, capsys):
    class Task:
        student = Tiny()

    monkeypatch.setattr("perfuse.export.run.open_run", lambda folder: (Task, ABOUT))
    monkeypatch.setattr(int8, "alternating", lambda *_: (1.0, 2.0))
    assert main(["export", "run", str(tmp_path / "b"), "--int8"]) == 2
    assert "2.00 of the time" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
    monkeypatch.setattr(int8, "alternating", fast)
    assert main(["export", "run", str(tmp_path / "b"), "--int8"]) == 0
    assert "0.50 of its time" in capsys.readouterr().out
    assert json.loads((tmp_path / "b" / "card.json").read_text())["name"] == "b"
    assert main(["export", "run", str(tmp_path / "b"), "--int8", "--name", "mine"]) == 0
    assert json.loads((tmp_path / "b" / "card.json").read_text())["name"] == "mine"
