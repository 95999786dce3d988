"""Exported networks as methods: the laws of every method, the same numbers as numpy, and every way to be wrong."""

from __future__ import annotations

import hashlib
import json
import pickle
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import perfuse
from methods_scene import chunks, likeness, scene
from networks import CARD, CROP, GRID, TRACE, brightness, bundle, frame_of, network, smoothed
from perfuse.cli import main
from perfuse.core.errors import SourceError, UsageError
from perfuse.core.method import Method
from perfuse.core.signals import Chunk
from perfuse.core.view import Crop, Grid, Trace
from perfuse.methods import METHODS, fold
from perfuse.methods.bundle import LARGEST_WINDOW
from perfuse.methods.student import load_bundle
from perfuse.synth import subject


def doubt(net, green):
    """A logit that changes from window to window: the last sample over the mean."""
    last = net("Gather", green, net.constant(np.int64(-1)), axis=1)
    return net("Mul", net("Sub", last, brightness(net, green)), net.constant(np.float32(0.5)))


STUDENTS = {
    "trace": lambda: (network(TRACE), TRACE),
    "trace, smoothed": lambda: (network(TRACE, smoothed), TRACE),
    "grid": lambda: (network(GRID), GRID),
    "grid, weighted": lambda: (network(GRID, weights=True), GRID),
    "grid, one length": lambda: (network(GRID, smoothed, length=60), GRID),
    "crop": lambda: (network(CROP, smoothed), CROP),
    "crop, judging": lambda: (network(CROP, smoothed, quality=doubt), CROP),
    "crop, weighted, batch of one": lambda: (network(CROP, weights=True, batch=1), CROP),
}
every_student = pytest.mark.parametrize("name", STUDENTS)


@pytest.fixture(scope="module")
def students(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    return {name: load_bundle(bundle(folder / name, *make())) for name, make in STUDENTS.items()}


def paint(method, seconds=6.0, **options):
    view = method.view
    as_cells = Grid(view.size, view.size) if isinstance(view, Crop) else view
    return scene(as_cells, seconds, view.rate_hz, **options)


def run(method, values, **cut):
    return fold(method, chunks(values, method.view.rate_hz, **cut))


def by_definition(green, rate_hz, window_s=2.0, hop_s=1.0):
    """Minus green, z-scored in each window, and the Hann-weighted mean of the windows, sample by sample."""
    size, hop, count = round(window_s * rate_hz), round(hop_s * rate_hz), len(green)
    starts = list(range(0, count - size + 1, hop))
    if starts[-1] + size < count:
        starts.append(count - size)
    taper = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    above, below = np.zeros(count), np.zeros(count)
    for start in starts:
        wave = -green[start : start + size]
        above[start : start + size] += taper * (wave - wave.mean()) / wave.std()
        below[start : start + size] += taper
    return above / below


# --- the same numbers as numpy ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["trace", "grid", "grid, weighted", "crop, weighted, batch of one"])
def test_a_linear_network_is_green(students, name):
    method = students[name]
    values, _ = paint(method, 6.3)
    shares = np.random.default_rng(1).uniform(0, 1, values.shape[:-1]).astype(np.float32)
    weighted = "weighted" in name
    wave = run(method, values, weights=None if isinstance(method.view, Trace) else shares)
    used = shares.astype(float) if weighted else np.ones(shares.shape)
    cells = tuple(range(1, used.ndim))
    green = (used * values[..., 1]).sum(axis=cells) / used.sum(axis=cells)
    np.testing.assert_allclose(wave.samples, by_definition(green, method.view.rate_hz), atol=2e-3)


def test_without_weights_all_cells_count_alike(students):
    values, _ = paint(students["grid, weighted"])
    plain, weighted = (run(students[name], values).samples for name in ("grid", "grid, weighted"))
    np.testing.assert_allclose(weighted, plain, atol=1e-3)


def test_the_scale_may_be_kept(tmp_path):
    method = load_bundle(bundle(tmp_path, network(TRACE), TRACE, scale="keep", taper="flat"))
    values, _ = paint(method)
    np.testing.assert_allclose(run(method, values).samples, -values[:, 0, 1], rtol=1e-6)


def test_scale_does_not_jump_where_the_light_does(students):
    values, _ = paint(students["grid"], 8.0, light=0.0, gloss=0.0)
    values[120:] *= 0.25
    samples = run(students["grid"], values).samples
    assert samples[180:].std() == pytest.approx(samples[:60].std(), rel=0.1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_silence(tmp_path, bad):
    def broken(net, green):
        """Not finite where green exceeds 200."""
        bright = net("Greater", green, net.constant(np.float32(200)))
        return net("Where", bright, net.constant(np.float32(bad)), net("Neg", green))

    method = load_bundle(bundle(tmp_path, network(GRID, broken), GRID))
    values, _ = paint(method, 8.0)
    whole = run(method, values).samples
    values[100] += 100
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wave = run(method, values)
        nothing = run(method, np.random.default_rng(0).uniform(201, 255, values.shape).astype(np.float32))
    assert np.isfinite(wave.samples).all()
    assert np.array_equal(wave.samples[:60], whole[:60])
    assert not wave.samples[91:119].any()
    assert wave.samples[120:].any()
    assert not nothing.samples.any()


# --- the laws of every method -------------------------------------------------------------------------------------


@every_student
def test_one_finite_sample_out_per_sample_in(students, name):
    values, _ = paint(students[name])
    wave = run(students[name], values)
    assert isinstance(students[name], Method)
    assert (wave.start, wave.rate_hz, len(wave)) == (0, students[name].view.rate_hz, len(values))
    assert wave.valid.all()
    assert np.isfinite(wave.samples).all()
    assert wave.samples.std() > 0


def test_where_no_window_is_run_nobody_judges(students):
    method = students["crop, judging"]
    values, _ = paint(method, 5.0)
    valid = np.ones(len(values), bool)
    valid[25:45] = valid[70:90] = False  # each stretch is shorter than a window's least
    weights = np.ones(values.shape[:-1], np.float32)
    for cuts in ((), range(0, len(values), 7)):
        wave = run(method, values, valid=valid, weights=weights, cuts=list(cuts))
        assert wave.trust is None
        assert not wave.valid.any()


@every_student
@settings(max_examples=10)
@given(data=st.data())
def test_chunking_law(students, name, data):
    method = students[name]
    values, _ = paint(method, 5.0)
    total = len(values)
    shares = np.random.default_rng(2).uniform(0.1, 1, values.shape[:-1]).astype(np.float32)
    weights = None if isinstance(method.view, Trace) else shares
    valid = np.ones(total, bool)
    for low in data.draw(st.lists(st.integers(0, total - 1), max_size=2)):
        valid[low : low + data.draw(st.integers(1, 20))] = False
    cuts = data.draw(st.lists(st.integers(0, total), max_size=20))
    whole = run(method, values, valid=valid, weights=weights)
    parts = run(method, values, valid=valid, weights=weights, cuts=cuts)
    assert np.array_equal(whole.samples, parts.samples)
    assert np.array_equal(whole.valid, parts.valid)
    # where every stretch was too short no window was run, and nobody judged
    judges = "judging" in name and whole.valid.any()
    assert [wave.trust is not None for wave in (whole, parts)] == [judges, judges]
    assert whole.trust is None or np.array_equal(whole.trust, parts.trust)
    assert not whole.samples[~whole.valid].any()


@every_student
def test_frame_by_frame_is_the_same_bits(students, name):
    values, _ = paint(students[name])
    single = run(students[name], values, cuts=range(1, len(values)))
    assert np.array_equal(run(students[name], values).samples, single.samples)


@every_student
def test_looking_ahead_changes_nothing(students, name):
    method, rate = students[name], students[name].view.rate_hz
    values, _ = paint(method)
    half = len(values) // 2
    first, second = chunks(values, rate, cuts=[half])
    state, early = method.step(method.start(), first)
    peek = method.step(state, Chunk(half, rate, values[:0], np.ones(0, bool), last=True))[1]
    late = method.step(state, second)[1]
    assert np.array_equal(np.concatenate([early.samples, late.samples]), run(method, values).samples)
    assert np.array_equal(np.concatenate([early.samples, peek.samples]), run(method, values[:half]).samples)


@every_student
def test_a_window_knows_nothing_of_the_others(students, name):
    values, _ = paint(students[name])
    size = round(2 * students[name].view.rate_hz)
    alone = run(students[name], values[:size]).samples
    first = run(students[name], values).samples
    assert np.array_equal(alone[: size // 2], first[: size // 2])


@every_student
def test_too_short_is_not_valid(students, name):
    method = students[name]
    values, _ = paint(method)
    least = 2.0 if "one length" in name else 1.5
    enough = round(least * method.view.rate_hz)
    for count in (0, 1, enough - 1):
        wave = run(method, values[:count])
        assert len(wave) == count
        assert not wave.valid.any()
        assert not wave.samples.any()
    assert run(method, values[:enough]).valid.all()


@every_student
def test_output_rises_with_blood_volume(students, name):
    for seed in range(3):
        values, p = paint(students[name], 8.0, seed=seed, light=0.001)
        assert likeness(run(students[name], values).samples, p, students[name].view.rate_hz) > 0.8


@every_student
@pytest.mark.parametrize("colour", [(0, 0, 0), (163.1, 120.7, 99.3), (255, 255, 255), (240, 0, 0)])
def test_silence_law(students, name, colour):
    values, _ = paint(students[name])
    still = np.broadcast_to(np.array(colour, np.float32), values.shape).copy()
    still[::3] *= np.float32(1 + 2e-7)  # rounding is no signal
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not run(students[name], still).samples.any()


@every_student
def test_a_constant_answer_is_silence(students, name):
    values, _ = paint(students[name])
    values[..., 1] = 120  # the network looks at green only
    assert not run(students[name], values).samples.any()


@every_student
def test_it_travels(students, name):
    method = students[name]
    values, _ = paint(method)
    copy = pickle.loads(pickle.dumps(method))
    assert (copy.card, copy.view) == (method.card, method.view)
    assert run(copy, values).samples.tobytes() == run(method, values).samples.tobytes()


@every_student
def test_wrong_shapes_and_rates_are_refused(students, name):
    method, rate = students[name], students[name].view.rate_hz
    frame = frame_of(STUDENTS[name]()[1])
    for shape in ((80, 3), (80, *frame[:-1], 4), (80, 2, *frame)):
        with pytest.raises(UsageError, match="shape"):
            fold(method, chunks(np.ones(shape, np.float32), rate))
    with pytest.raises(UsageError, match="weights"):
        run(method, np.ones((80, *frame), np.float32), weights=np.ones((80, 9, 9, 9), np.float32))
    with pytest.raises(UsageError, match=f"learnt at {rate:g} Hz"):
        fold(method, chunks(np.ones((80, *frame), np.float32), 25.0))


# --- what a bundle says -------------------------------------------------------------------------------------------


def test_everything_said_is_kept(tmp_path):
    view = GRID | {"margin": 1.5}
    more = {
        "equation": "Eq. 3",
        "deviations": "all",
        "band_hz": [0.7, 3],
        "outputs": ["pulse"],
        "provenance": "paper",
    }
    method = load_bundle(bundle(tmp_path, network(view), view, **more))
    assert method.view == Grid(6, 5, 30.0, 1.5)
    card = method.card
    assert (card.name, card.title, card.paper, card.licence, card.limits) == tuple(
        CARD[key] for key in ("name", "title", "paper", "licence", "limits")
    )
    assert (card.equation, card.deviations, card.band_hz, card.provenance) == ("Eq. 3", "all", (0.7, 3.0), "paper")


def test_views_have_the_usual_defaults(students):
    assert students["trace"].view == Trace()
    assert students["grid"].view == Grid(6, 5)
    assert students["crop"].view == Crop(8, 20.0, 1.1)
    assert students["grid"].card.band_hz == METHODS.get("pos").card.band_hz


def test_the_band_fits_a_slow_view(tmp_path):
    view = TRACE | {"rate_hz": 6}
    assert load_bundle(bundle(tmp_path, network(view), view)).card.band_hz == (0.6, 3.0)


def test_the_card_may_travel_inside(tmp_path, students):
    inside = json.dumps(CARD | {"view": GRID})
    path = tmp_path / "toy.onnx"
    path.write_bytes(network(GRID, properties={"perfuse.card": inside}))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(path.read_bytes())
    values, _ = paint(students["grid"])
    expected = run(students["grid"], values).samples
    for place in (path, str(path), folder):
        method = load_bundle(place)
        file = place / "model.onnx" if place == folder else Path(place)
        assert method.card.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        assert replace(method.card, sha256="") == replace(students["grid"].card, sha256="")
        assert np.array_equal(run(method, values).samples, expected)


# --- every way to be wrong ----------------------------------------------------------------------------------------


def refused(path, error, *words):
    with pytest.raises(error) as caught:
        load_bundle(path)
    assert caught.value.remedy
    for word in words:
        assert word in str(caught.value)


def test_what_is_no_bundle_is_named(tmp_path):
    refused(tmp_path / "absent", SourceError, "absent", "cannot be read", "model.onnx")
    refused("no\0name", SourceError, "cannot be read")
    refused("x" * 5000, SourceError, "cannot be read")
    refused(tmp_path, SourceError, "holds no model.onnx")
    (tmp_path / "model.onnx").mkdir()
    refused(tmp_path, SourceError, "cannot be read")


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x07" + b"\xff" * 40])
def test_what_is_no_network_is_named(tmp_path, content):
    refused(bundle(tmp_path, content, GRID), SourceError, "model.onnx is not an ONNX network")
    refused(tmp_path / "model.onnx", SourceError, "model.onnx is not an ONNX network")


def test_a_network_without_a_card_is_refused(tmp_path):
    (tmp_path / "model.onnx").write_bytes(network(GRID))
    refused(tmp_path, SourceError, "has no card", "card.json")
    refused(tmp_path / "model.onnx", SourceError, "has no card", "card.json")


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe\xfa", b"[" * 100_000, b'{"a": ' + b"1" * 5000 + b"}"])
def test_what_is_no_json_is_named(tmp_path, text):
    bundle(tmp_path, network(GRID), GRID)
    (tmp_path / "card.json").write_bytes(text)
    refused(tmp_path, SourceError, "card.json is not JSON")


@pytest.mark.parametrize("text", ["null", "[]", '"card"', "7"])
def test_a_card_is_an_object(tmp_path, text):
    bundle(tmp_path, network(GRID), GRID)
    (tmp_path / "card.json").write_text(text)
    refused(tmp_path, UsageError, "card.json is", text, "object")


def test_a_card_of_another_network_is_refused(tmp_path):
    bundle(tmp_path, network(GRID), GRID)
    (tmp_path / "model.onnx").write_bytes(network(GRID, smoothed))
    refused(tmp_path, SourceError, "another network", hashlib.sha256(network(GRID)).hexdigest())
    inside = json.dumps(CARD | {"view": GRID, "sha256": "0" * 64})
    (tmp_path / "toy.onnx").write_bytes(network(GRID, properties={"perfuse.card": inside}))
    refused(tmp_path / "toy.onnx", UsageError, "unknown key 'sha256'")


NEEDED = (*CARD, "view", "sha256")


@pytest.mark.parametrize("key", [key for key in NEEDED if key != "schema"])
def test_what_lacks_is_named(tmp_path, key):
    refused(bundle(tmp_path, network(GRID), GRID, **{key: None}), UsageError, f"lacks {key!r}")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[(key, value) for key in ("name", "title", "paper", "licence", "limits") for value in ("", " ", 7, [])],
        *[(key, value) for key in ("equation", "deviations") for value in (7, [])],
        *[("name", value) for value in ("Toy", "a toy", "../toy", "-toy", "toy\n", "x" * 65)],
        *[(key, value) for key in ("window_s", "hop_s", "min_s") for value in (0, -1, True, "2", [], float("nan"))],
        *[("window_s", value) for value in (float("inf"), 10**400, 601)],
        *[(key, 2.5) for key in ("hop_s", "min_s")],
        *[(key, value) for key in ("provenance", "taper", "scale") for value in ("other", 1, [], {})],
        *[("outputs", value) for value in ("pulse", [], ["respiration"], ["pulse", "respiration"])],
        *[("band_hz", value) for value in (4, [1], [1, 2, 3], [2, 1], [0, 1], ["1", 2], [1, 16], [1, 10**400])],
        ("sha256", 7),
    ],
)
def test_wrong_values_are_named(tmp_path, key, value):
    refused(bundle(tmp_path, network(GRID), GRID, **{key: value}), UsageError, f"says {key!r} is")


def test_wrong_schema_unknown_keys_and_taken_names(tmp_path):
    for schema in (None, "perfuse.card/2", 1):
        refused(bundle(tmp_path, network(GRID), GRID, schema=schema), UsageError, "schema", "perfuse.card/1")
    refused(bundle(tmp_path, network(GRID), GRID, windows=3), UsageError, "unknown key 'windows'", "window_s")
    refused(bundle(tmp_path, network(GRID), GRID, name="pos"), UsageError, "'pos', which is a method of perfuse")


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (7, "view is 7"),
        ({}, "lacks 'kind'"),
        ({"kind": "volume", "rate_hz": 30}, "'kind' is \"volume\""),
        ({"kind": "grid", "rows": 6, "cols": 5}, "lacks 'rate_hz'"),
        ({"kind": "grid", "rate_hz": 30, "rows": 6}, "lacks 'cols'"),
        ({"kind": "crop", "rate_hz": 30}, "lacks 'size'"),
        (GRID | {"size": 6}, "unknown key 'size'"),
        (TRACE | {"margin": 1.2}, "unknown key 'margin'"),
        (TRACE | {"regions": ["forehead"]}, "'regions' is"),
        *[(GRID | {"rows": value}, "'rows' is") for value in (0, 6.0, True, "6", 1025)],
        *[(GRID | {"margin": value}, "'margin' is") for value in (0, "1", None, 11)],
        *[(GRID | {"rate_hz": value}, "'rate_hz' is") for value in (0, -30, "30", 1001)],
        (GRID | {"rate_hz": 1}, "'band_hz' is"),
        (GRID | {"rate_hz": 0.5}, "'band_hz' is"),
        (CROP | {"size": 1024, "rate_hz": 60}, f"At most {LARGEST_WINDOW}"),
    ],
)
def test_wrong_views_are_named(tmp_path, view, words):
    refused(bundle(tmp_path, network(GRID), view), UsageError, words)


def test_a_window_of_one_sample_is_refused(tmp_path):
    short = {"window_s": 0.03, "hop_s": 0.03, "min_s": 0.03}
    refused(bundle(tmp_path, network(GRID), GRID, **short), UsageError, "has 1 samples")


def extra(name, shape):
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]


def noisy(net, green):
    return net("Add", green, net("RandomNormalLike", green, seed=7.0))


def folded(net, green):
    """Fail unless the length is a multiple of four."""
    return net("Reshape", net("Reshape", green, net.constant([1, -1, 4])), net.constant([1, -1]))


def hidden_length(net, green):
    """Declared for any length, made for 60 samples."""
    return net("Reshape", green, net.constant([1, 60]))


@pytest.mark.parametrize(
    ("content", "view", "words"),
    [
        (lambda: network(GRID), GRID | {"rows": 7}, ["cannot run on (1, 60, 7, 5, 3)"]),
        (lambda: network(GRID), TRACE, ["cannot run on (1, 60, 1, 3)"]),
        (lambda: network(GRID, batch=4), GRID, ["cannot run on (1, 60, 6, 5, 3)"]),
        (lambda: network(GRID, input_type=TensorProto.UINT8), GRID, ["cannot run on", "float32", "uint8"]),
        (lambda: network(GRID, length=50), GRID, ["takes windows of 50 samples", "gives 60", "window_s to 1.66"]),
        (lambda: network(GRID, inputs=extra("mask", [1])), GRID, ["has the inputs cells, mask"]),
        (lambda: network(GRID, output=("bvp", TensorProto.FLOAT)), GRID, ["has the outputs bvp", "'pulse'"]),
        (lambda: network(GRID, lambda n, g: n("ReduceMean", g, axes=[1])), GRID, ["answers (1, 1), float32"]),
        (lambda: network(GRID, lambda n, g: n("Unsqueeze", g, n.constant([2]))), GRID, ["answers (1, 60, 1)"]),
        (
            lambda: network(GRID, lambda n, g: n("Cast", g, to=11), output=("pulse", TensorProto.DOUBLE)),
            GRID,
            ["float64", "float32"],
        ),
        (lambda: network(GRID, noisy), GRID, ["two answers to one input"]),
        (
            lambda: network(GRID, quality=lambda n, g: noisy(n, brightness(n, g))),
            GRID,
            ["two answers to one input"],
        ),
        (lambda: network(GRID, quality=lambda n, g: g), GRID, ["answers (1, 60), float32, as 'quality'", "(batch,)"]),
        (
            lambda: network(GRID, quality=lambda n, g: n("Unsqueeze", brightness(n, g), n.constant([1]))),
            GRID,
            ["answers (1, 1), float32, as 'quality'"],
        ),
        (
            lambda: network(GRID, quality=lambda n, g: n("Cast", brightness(n, g), to=11), quality_type=11),
            GRID,
            ["answers (1,), float64, as 'quality'"],
        ),
        (lambda: network(GRID, output=("quality", TensorProto.FLOAT)), GRID, ["has the outputs quality", "'pulse'"]),
        (lambda: network(GRID, hidden_length), GRID, ["not of 46", "min_s to window_s"]),
        (lambda: network(GRID, folded), GRID | {"rate_hz": 32}, ["64 samples but not of 49", "min_s"]),
        (lambda: network(TRACE, inputs=extra("weights", ["batch", "time", 1])), TRACE, ["takes 'weights'", "traces"]),
    ],
)
def test_networks_that_do_not_fit_their_card(tmp_path, content, view, words):
    refused(bundle(tmp_path, content(), view), UsageError, "model.onnx", *words)


# --- the doors ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def face(tmp_path_factory):
    """A synthetic person on video."""
    easy = {"sdnn_scale": 0.2, "pulse_depth": 0.02, "noise": 0.5, "motion_scale": 0.2}
    person = subject(3, duration_s=12.0, rate_hz=20.0, width=240, height=180, **easy)
    path = tmp_path_factory.mktemp("face") / "face.mp4"
    person.write(path)
    return person, path


@pytest.fixture
def trace_file(tmp_path):
    time_s = np.arange(450) / 30
    pulse = np.sin(2 * np.pi * 1.2 * time_s)[:, None] * np.array([0.3, 0.8, 0.5])
    rows = np.column_stack([time_s, np.array([180.0, 130.0, 110.0]) - pulse])
    path = tmp_path / "trace.csv"
    np.savetxt(path, rows, delimiter=",", header="time_s,red,green,blue", comments="", fmt="%.5f")
    return path


def test_a_trace_on_the_command_line(tmp_path, trace_file, capsys):
    folder = bundle(tmp_path / "toy", network(TRACE), TRACE)
    assert main(["measure", str(trace_file), "--model", str(folder), "--json", "-", "-q"]) == 0
    line = capsys.readouterr().out
    answer = json.loads(line)
    assert answer["method"] == "toy"
    assert answer["faces"][0]["vitals"]["heart_rate"]["value"] == pytest.approx(72, abs=0.5)
    assert perfuse.to_json(perfuse.measure(trace_file, method=load_bundle(folder))) + "\n" == line


@pytest.mark.parametrize("view", [GRID, CROP | {"size": 12}], ids=["grid", "crop"])
def test_a_face_on_the_command_line(tmp_path, face, view, capsys):
    person, path = face
    view = view | {"rate_hz": 20}
    folder = bundle(tmp_path / "toy", network(view, weights=True), view, window_s=4, hop_s=2, min_s=3)
    assert main(["measure", str(path), "--model", str(folder), "--json", "-", "-q"]) == 0
    line = capsys.readouterr().out
    found = json.loads(line)["faces"][0]["vitals"]["heart_rate"]
    assert found["low"] <= person.truth.heart_rate <= found["high"]
    assert found["value"] == pytest.approx(person.truth.heart_rate, abs=4)
    method = pickle.loads(pickle.dumps(load_bundle(folder)))
    assert perfuse.to_json(perfuse.measure(path, method=method)) + "\n" == line


def test_a_stream_gives_the_answer_of_the_file(tmp_path, face):
    view = GRID | {"rate_hz": 20}
    method = load_bundle(bundle(tmp_path, network(view, weights=True), view))
    session = perfuse.Session(method, history_s=None)
    with perfuse.open_source(str(face[1])) as frames:
        for count, frame in enumerate(frames):
            session.push(frame)
            if count % 50 == 20:
                session.measure()
    streamed = session.finish().faces[0].pulse
    assert streamed is not None
    whole = perfuse.measure(face[1], method=method).faces[0].pulse
    assert streamed.samples.tobytes() == whole.samples.tobytes()


def test_a_network_that_says_nothing_gives_no_value(tmp_path, trace_file):
    content = network(TRACE, lambda net, green: net("Sqrt", net("Neg", green)))
    answer = perfuse.measure(trace_file, method=load_bundle(bundle(tmp_path / "nan", content, TRACE)))
    assert answer.heart_rate.value is None
    assert answer.heart_rate.reason


def test_a_recording_shorter_than_the_one_length_gives_no_value(tmp_path, trace_file):
    content = network(TRACE, length=600)
    method = load_bundle(bundle(tmp_path / "long", content, TRACE, window_s=20, hop_s=5, min_s=5))
    answer = perfuse.measure(trace_file, method=method)
    assert answer.heart_rate.value is None
    assert answer.heart_rate.reason


def test_wrong_use_of_the_option(tmp_path, trace_file, capsys):
    folder = bundle(tmp_path / "toy", network(GRID), GRID)
    cases = [
        (["--model", str(folder), "--method", "pos"], 2, "Both --method pos and --model"),
        (["--model", str(tmp_path / "absent")], 3, "cannot be read"),
        (["--model", str(folder), "--json", str(folder / "card.json")], 2, "same file"),
        (["--model", str(folder)], 2, "needs pictures"),
    ]
    for words, code, text in cases:
        assert main(["measure", str(trace_file), *words]) == code
        out, err = capsys.readouterr()
        assert text in err
        assert not out
    assert json.loads((folder / "card.json").read_text())["name"] == "toy"
