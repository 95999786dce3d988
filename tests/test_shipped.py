"""Networks that ship: there, whole, lazy, named once, priced rightly; tests/test_methods.py holds their laws."""

import csv
import json
import pickle
import re
import shutil
import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from conftest import ROOT
from methods_scene import chunks, scene, view_of
from networks import GRID, TRACE, bundle, network, smoothed
from perfuse.bench.speed import _facts, multiplications
from perfuse.cli import main
from perfuse.core.errors import SourceError, UsageError
from perfuse.methods import METHODS, fold, get_method
from perfuse.methods import shipped as rooms
from perfuse.methods.shipped import NETWORKS, Shipped, list_shipped
from perfuse.methods.student import load_bundle, open_bundle
from perfuse.pipeline import Session
from perfuse.synth.layouts.folder import make
from perfuse.synth.layouts.known import get_layout
from perfuse.synth.layouts.plan import people, plan

NAMES = [method.name for method in list_shipped()]
every_network = pytest.mark.parametrize("name", NAMES)


def test_there_is_one_and_each_is_a_method():
    assert NAMES
    assert all(METHODS.get(name) == Shipped(name) for name in NAMES)
    assert METHODS.names()[-len(NAMES) :] == tuple(NAMES)


@every_network
def test_its_files_come_with_the_package(name):
    folder = files("perfuse.methods") / "networks" / name
    assert {file.name for file in folder.iterdir()} == {"model.onnx", "card.json", "model.safetensors"}
    assert json.loads((folder / "card.json").read_text(encoding="utf-8"))["name"] == name


@every_network
def test_it_does_what_its_card_says(name):
    method = open_bundle(NETWORKS / name, rehearse=True)  # what measuring leaves out, to start sooner
    ours = get_method(name)
    for key in ("card", "view", "window_s", "hop_s", "min_s"):
        assert getattr(ours, key) == getattr(method, key), key


@every_network
def test_its_licence_is_told(name):
    notice = " ".join((ROOT / "NOTICE").read_text(encoding="utf-8").split())
    assert f"src/perfuse/methods/networks/{name}/" in notice
    assert get_method(name).card.licence == "Apache-2.0"


@every_network
def test_it_holds_no_path_of_the_machine_it_was_made_on(name):
    for file in (NETWORKS / name).iterdir():
        # Python files are named by nodes that torch exported: site-packages, checkouts, homes
        assert not re.search(rb"\.py\b|site-packages|/home/", file.read_bytes()), file.name


@every_network
def test_it_travels_by_its_name(name):
    content = pickle.dumps(get_method(name))
    assert len(content) < 200
    assert pickle.loads(content) == get_method(name)


@every_network
def test_another_rate_is_refused(name):
    method = get_method(name)
    values, _ = scene(view_of(method), 2 * method.window_s, 25.0)
    with pytest.raises(UsageError, match="resample"):
        fold(method, chunks(values, method.view.rate_hz - 5.0))


def lines(code):
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.splitlines()


def test_nothing_is_loaded_before_it_is_asked_for():
    late = ("onnxruntime", "torch", "perfuse.methods.bundle", "perfuse.methods.student")
    look = f"print(' '.join(m for m in {late} if m in sys.modules))"
    said = lines(
        f"import sys; from perfuse.methods import METHODS; METHODS.get('pos'); {look}\n"
        f"from perfuse.methods import list_methods; list_methods(); {look}\n"
        f"from perfuse import Session; Session({NAMES[0]!r}); {look}\n"
    )
    assert said == ["", "perfuse.methods.bundle", "perfuse.methods.bundle"]


@every_network
def test_measuring_with_it_needs_no_torch(name):
    said = lines(
        "import sys; from perfuse.methods import get_method\n"
        f"get_method({name!r}).start()\n"
        "print('onnxruntime' in sys.modules, *(m for m in ('torch', 'onnx') if m in sys.modules))"
    )
    assert said == ["True"]


@every_network
def test_measuring_with_it_needs_neither_its_room_nor_its_teachers(name):
    """Rooms, trainings and simulator are as if they were not installed; of a radar nothing works."""
    said = lines(
        "import sys, types\n"
        "class Missing:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.startswith(('perfuse.papers', 'perfuse.learn', 'perfuse.synth', 'perfuse.nn', 'torch')):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "import numpy as np, perfuse.radar.frontend as radar\n"
        "from perfuse.core.signals import Chunk\n"
        "from perfuse.methods import fold, get_method\n"
        "def broken(*_, **__):\n"
        "    raise AssertionError('a radar was asked')\n"
        "for key, value in list(vars(radar).items()):\n"
        "    if isinstance(value, types.FunctionType):\n"
        "        setattr(radar, key, broken)\n"
        f"method = get_method({name!r})\n"
        "view, chance = method.view, np.random.default_rng(0)\n"
        "cells = (view.size, view.size) if hasattr(view, 'size') else (view.rows, view.cols)\n"
        "values = chance.uniform(90, 130, (600, *cells, 3)).astype(np.float32)\n"
        "weights = None if hasattr(view, 'size') else np.ones(values.shape[:3], np.float32)\n"
        "wave = fold(method, [Chunk(0, view.rate_hz, values, np.ones(600, bool), weights, last=True)])\n"
        "print(len(wave.samples) == 600 and wave.samples.std() > 0)"
    )
    assert said == ["True"]


@every_network
def test_a_copy_is_refused_under_the_same_name(name, tmp_path):
    shutil.copytree(NETWORKS / name, tmp_path / "copy")
    with pytest.raises(UsageError, match=f"'{name}', which is a method of perfuse"):
        load_bundle(tmp_path / "copy")
    assert open_bundle(tmp_path / "copy").card.name == name


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder of networks of its own."""
    monkeypatch.setattr(rooms, "NETWORKS", tmp_path)
    return tmp_path


def test_the_card_has_the_name_of_the_folder(elsewhere):
    bundle(elsewhere / "one", network(GRID), GRID, name="two")
    (method,) = list_shipped()
    assert method.name == "one"
    with pytest.raises(SourceError, match="'two'"):
        _ = method.card


def test_a_broken_network_is_told(elsewhere):
    bundle(elsewhere / "one", network(GRID), GRID, name="one")
    (elsewhere / "one" / "model.onnx").write_bytes(network(GRID, smoothed))
    with pytest.raises(SourceError, match="another network"):
        _ = Shipped("one").card
    with pytest.raises(SourceError, match="another network"):
        Shipped("one").start()


def test_without_any_there_are_none(elsewhere):
    assert list_shipped() == ()
    elsewhere.rmdir()
    assert list_shipped() == ()


@every_network
def test_the_commands_know_it(name, capsys):
    assert main(["methods"]) == 0
    assert name in capsys.readouterr().out
    assert main(["methods", name]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert get_method(name).card.title.split(":")[0] in told


@every_network
def test_a_session_takes_its_name(name):
    answer = Session(name).finish()
    assert (answer.method, answer.heart_rate.value) == (name, None)


@pytest.mark.slow
def test_networks_and_formulas_are_benched_alike(tmp_path):
    layout = get_layout("ubfc")
    asked = {"duration_s": 10.0, "width": 128, "height": 128, "pulse_depth": 0.012}
    make(tmp_path / "ubfc", layout, plan(layout, people(2, "lab", 11, asked)), {"seed": 11})
    words = ("--methods", ",".join([*NAMES, "pos"]), "--cache", tmp_path / "c", "--out", tmp_path / "out")
    more = ("--no-speed", "--quiet", "--jobs", 2)
    assert main([str(word) for word in ("bench", "--data", tmp_path / "ubfc", *words, *more)]) == 0
    rows = list(csv.DictReader((tmp_path / "out" / "rows.csv").open()))
    assert {(row["recording"], row["method"]) for row in rows} == {
        (person, name) for person in ("subject1", "subject2") for name in (*NAMES, "pos")
    }


# --- what a network costs -----------------------------------------------------------------------------------------


@every_network
def test_a_shipped_network_is_counted(name):
    facts = _facts(name)
    assert facts.method == name
    assert facts.parameters > 1000
    assert facts.macs_per_s > 1000


def test_a_formula_has_no_parameters():
    facts = _facts("pos")
    assert (facts.parameters, facts.macs_per_s) == (0, None)


def test_the_cost_of_a_tiny_network_by_hand(tmp_path):
    """Windows of 2 s at 30 Hz, one a second, a kernel of four taps; beside it the one that is subtracted from."""
    folder = bundle(tmp_path / "toy", network(TRACE, smoothed), TRACE)
    facts = _facts(str(folder))
    assert (facts.parameters, facts.macs_per_s) == (4 + 1, 60 * 4 / 1.0)


def test_weights_beside_the_network_are_what_was_learnt(tmp_path):
    folder = bundle(tmp_path / "toy", network(TRACE, smoothed), TRACE)
    weights = {"a.weight": np.zeros((4, 3), np.float32), "a.running_mean": np.zeros(9, np.float32)}
    save_file(weights, folder / "model.safetensors")
    assert _facts(str(folder)).parameters == 12


def graph(nodes, shape, **constants):
    """A network of nodes ``(operation, inputs, output, attributes)`` over ``x``; the last one's output is its own."""
    made = [helper.make_node(kind, taken, [out], **more) for kind, taken, out, more in nodes]
    ends = [helper.make_tensor_value_info(nodes[-1][2], TensorProto.FLOAT, None)]
    begin = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    kept = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(helper.make_graph(made, "toy", begin, ends, kept), opset_imports=opsets, ir_version=8)


def zeros(*shape):
    return np.zeros(shape, np.float32)


FREE = ["batch", "time", 6]
T = 50
COUNTED = {
    "matrix": ([("MatMul", ["x", "w"], "y", {})], {"w": zeros(6, 4)}, T * 6 * 4),
    "matrix, turned": (
        [("Squeeze", ["x", "zero"], "s", {}), ("Gemm", ["s", "s"], "y", {"transA": 1})],
        {"zero": np.array([0])},
        6 * T * 6,
    ),
    "products by letter": (
        [("Einsum", ["x", "w"], "y", {"equation": "btc, kc -> bkt"})],
        {"w": zeros(5, 6)},
        T * 6 * 5,
    ),
    "convolution over time": (
        [("Transpose", ["x"], "t", {"perm": [0, 2, 1]}), ("Conv", ["t", "w"], "y", {"pads": [1, 1], "group": 2})],
        {"w": zeros(4, 3, 3)},
        T * 4 * 3 * 3,
    ),
    "its opposite": (
        [("Transpose", ["x"], "t", {"perm": [0, 2, 1]}), ("ConvTranspose", ["t", "w"], "y", {"strides": [2]})],
        {"w": zeros(6, 4, 3)},
        T * 6 * 4 * 3,
    ),
    "a shape made of another": (
        [
            ("Shape", ["x"], "n", {"start": 1, "end": 2}),
            ("Concat", ["n", "six"], "m", {"axis": 0}),
            ("Reshape", ["x", "m"], "r", {}),
            ("MatMul", ["r", "w"], "y", {}),
        ],
        {"six": np.array([6]), "w": zeros(6, 2)},
        T * 6 * 2,
    ),
    "nothing to multiply": ([("Neg", ["x"], "y", {})], {}, 0),
    "a shape made of what is seen": (
        [
            ("NonZero", ["x"], "z", {}),
            ("Cast", ["z"], "f", {"to": TensorProto.FLOAT}),
            ("Transpose", ["f"], "t", {}),
            ("MatMul", ["t", "w"], "y", {}),
        ],
        {"w": zeros(3, 2)},
        None,
    ),
}


@pytest.mark.parametrize("what", COUNTED)
def test_multiplications_are_those_of_one_window(what):
    nodes, constants, expected = COUNTED[what]
    assert multiplications(graph(nodes, FREE, **constants), T) == expected
