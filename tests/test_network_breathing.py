"""Networks that write breathing beside their pulse: from torch to the graph, the wave, the rate, report and JSON."""

import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import perfuse
from hand_made import measurement
from methods_scene import chunks, scene
from networks import CARD, GRID, SLOW, TRACE, brightness, bundle, by_brightness, network, slow, smoothed
from perfuse.core.errors import UsageError
from perfuse.core.signals import SHORTEST_BREATH_S, Breath, Waveform
from perfuse.core.view import Grid
from perfuse.export import bundle as exporting
from perfuse.export.bundle import export
from perfuse.infer import Model
from perfuse.methods import fold
from perfuse.methods.student import load_bundle
from perfuse.report.csv import to_csv
from perfuse.report.html import render
from perfuse.report.json import SCHEMA_PATH, to_json
from perfuse.signal.beats import Beats
from perfuse.vitals.respiration import DOUBTED, SLOWER, respiration

RATE = 30.0
LONG = {"window_s": 8.0, "hop_s": 4.0, "min_s": 2.0, "outputs": ["pulse", "respiration"]}


def upside_down(net, green):
    return net("Neg", slow(net, green))


def by_green(net, green):
    """Logit: how far green lies above 130, in units of it."""
    return net("Sub", brightness(net, green), net.constant(np.float32(130)))


@pytest.fixture(scope="module")
def method(tmp_path_factory):
    folder = tmp_path_factory.mktemp("breathing")

    def make(changes=None, view=TRACE, **graph):
        name = str(len(list(folder.iterdir())))
        made = network(view, **{"after": smoothed, "respiration": slow} | graph)
        return load_bundle(bundle(folder / name, made, view, **LONG | (changes or {})))

    return make


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The same network without breathing."""
    made = network(TRACE, after=smoothed)
    return load_bundle(bundle(tmp_path_factory.mktemp("plain"), made, TRACE, **LONG | {"outputs": ["pulse"]}))


def recording(seconds=60.0, breaths=14.0, depth=0.01, noise=2e-3):
    """Times and mean colours of a face that brightens while breathing in, and the lungs."""
    times = np.arange(round(seconds * RATE)) / RATE
    lungs = np.sin(2 * np.pi * breaths / 60 * times + 1)
    pulse = np.sin(2 * np.pi * 1.2 * times)[:, None] * np.array([0.3, 0.8, 0.5])
    grain = noise * np.random.default_rng(0).normal(size=pulse.shape)
    return times, (np.array([180.0, 130.0, 110.0]) - pulse) * (1 + depth * lungs[:, None] + grain), lungs


def measured(method, times, colours):
    return perfuse.measure(colours, times_s=times, method=method)


# --- the wave that carries it -------------------------------------------------------------------------------------


def piece(start, trust=None, count=4, breathes=True):
    told = Breath(np.arange(count) + 1.0, np.ones(count, bool), trust, "toy", 8.0) if breathes else None
    return Waveform(start, RATE, np.ones(count), np.ones(count, bool), respiration=told)


def test_joining_fills_what_has_none():
    joined = Waveform.concatenate([piece(0, breathes=False), piece(4, np.full(4, 0.5)), piece(8)]).respiration
    assert joined.samples.tolist() == [0.0] * 4 + [1.0, 2.0, 3.0, 4.0] * 2
    assert joined.valid.tolist() == [False] * 4 + [True] * 8
    assert joined.trust.tolist() == [0.0] * 4 + [0.5] * 4 + [0.0] * 4
    assert (joined.source, joined.window_s) == ("toy", 8.0)
    assert Waveform.concatenate([piece(0), piece(4)]).respiration.trust is None
    assert Waveform.concatenate([piece(0, breathes=False)]).respiration is None


def test_what_follows_keeps_its_breathing():
    rest = piece(0, np.array([0.1, 0.2, 0.3, 0.4])).after(3)
    assert (rest.respiration.samples.tolist(), rest.respiration.trust.tolist(), len(rest.respiration)) == (
        [4],
        [0.4],
        1,
    )


# --- from the graph to the wave -----------------------------------------------------------------------------------


def by_definition(green, size, hop):
    """The sliding mean of each window, z-scored, and the Hann-weighted mean of the windows."""
    taper = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    above, below = np.zeros(len(green)), np.zeros(len(green))
    for start in range(0, len(green) - size + 1, hop):
        part = green[start : start + size].astype(float)
        wave = np.convolve(part - part.mean(), np.ones(SLOW) / SLOW, mode="same")
        above[start : start + size] += taper * (wave - wave.mean()) / wave.std()
        below[start : start + size] += taper
    return above / below


def test_it_is_the_overlap_of_the_windows(method):
    _, colours, lungs = recording(32.0)
    told = fold(method(), chunks(colours[:, None].astype(np.float32), RATE)).respiration
    assert told.valid.all()
    assert told.trust is None
    assert (told.source, told.window_s) == ("toy", 8.0)
    np.testing.assert_allclose(told.samples, by_definition(colours[:, 1], 240, 120), atol=5e-3)
    assert np.corrcoef(told.samples, lungs)[0, 1] > 0.8


def test_the_pulse_is_the_very_same(method, plain):
    values = recording(20.0)[1][:, None].astype(np.float32)
    with_it, without = (fold(m, chunks(values, RATE)) for m in (method(), plain))
    assert with_it.samples.tobytes() == without.samples.tobytes()
    assert without.respiration is None


@settings(max_examples=10)
@given(data=st.data())
def test_chunking_law(method, data):
    judging = method(quality=1.0, respiration_quality=by_green)
    values = recording(24.0)[1][:, None].astype(np.float32)
    total = len(values)
    valid = np.ones(total, bool)
    for low in data.draw(st.lists(st.integers(0, total - 1), max_size=2)):
        valid[low : low + data.draw(st.integers(1, 60))] = False
    cuts = data.draw(st.lists(st.integers(0, total), max_size=20))
    whole = fold(judging, chunks(values, RATE, valid=valid))
    parts = fold(judging, chunks(values, RATE, valid=valid, cuts=cuts))
    assert whole.trust.tobytes() == parts.trust.tobytes()
    one, two = whole.respiration, parts.respiration
    for field in ("samples", "valid", "trust"):
        assert getattr(one, field).tobytes() == getattr(two, field).tobytes()
    assert not one.valid[~valid].any()
    assert not one.samples[~one.valid].any()


def test_a_stretch_shorter_than_a_window_has_a_pulse_but_no_breathing(method):
    values = recording(30.0)[1][:, None].astype(np.float32)
    valid = np.ones(900, bool)
    valid[[100, 400]] = False
    wave = fold(method(), chunks(values, RATE, valid=valid))
    assert wave.valid[:100].all()
    assert not wave.respiration.valid[:101].any()
    assert wave.respiration.valid[101:400].all()
    assert wave.respiration.valid[401:].all()


def test_silence_of_one_is_not_silence_of_the_other(method):
    def still(net, green):
        return net("Mul", green, net.constant(np.float32(0)))

    values = recording(20.0)[1][:, None].astype(np.float32)
    mute = fold(method(after=still), chunks(values, RATE))
    assert not mute.samples.any()
    assert mute.respiration.samples.any()
    breathless = fold(method(respiration=still, respiration_quality=2.0), chunks(values, RATE))
    assert breathless.samples.any()
    assert not breathless.respiration.samples.any()
    assert not breathless.respiration.trust.any()
    nothing = fold(method(), chunks(np.full_like(values, 120), RATE))
    assert not nothing.respiration.samples.any()


def test_every_output_beside_every_other(tmp_path):
    made = network(GRID, quality=1.0, attention=by_brightness, respiration=slow, respiration_quality=-1.0)
    wave = fold(load_bundle(bundle(tmp_path, made, GRID, **LONG)), chunks(scene(Grid(6, 5), 10.0)[0], RATE))
    np.testing.assert_allclose(wave.trust, 1 / (1 + np.exp(-1)), rtol=1e-9)
    np.testing.assert_allclose(wave.respiration.trust, 1 / (1 + np.exp(1)), rtol=1e-9)
    assert wave.attention.windows == 2
    assert wave.respiration.samples.any()


# --- every way to be wrong ----------------------------------------------------------------------------------------

WRONG = {
    "silent card": ({"respiration": slow}, {"outputs": None}, "also gives 'respiration'"),
    "card of more": ({}, {}, "does not give 'respiration'"),
    "judge of nothing": ({"respiration_quality": 1.0}, {"outputs": None}, "without 'respiration'"),
    "too few axes": ({"respiration": brightness}, {}, "batch, T"),
    "judge with time": ({"respiration": slow, "respiration_quality": slow}, {}, "(batch,)"),
    "other outputs": ({"respiration": slow}, {"outputs": ["respiration"]}, "outputs"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_refused_when_the_bundle_is_loaded(tmp_path, what):
    graph, changes, words = WRONG[what]
    with pytest.raises(UsageError) as caught:
        load_bundle(bundle(tmp_path, network(TRACE, **graph), TRACE, **LONG | changes))
    assert words in str(caught.value)


# --- from the wave to the answer ----------------------------------------------------------------------------------


def test_the_network_is_heard_and_named(method, plain):
    times, colours, lungs = recording(depth=0.004, noise=8e-3)
    answer, without = (measured(m, times, colours) for m in (method(), plain))
    vital = answer.respiratory_rate
    assert vital.value == pytest.approx(14, abs=1)
    assert vital.low <= 14 <= vital.high
    assert without.respiratory_rate.quality < vital.quality
    face = answer.faces[0]
    assert face.respiration_sources[0] == "toy"
    assert np.corrcoef(face.respiration.samples, lungs)[0, 1] > 0.9
    assert without.faces[0].respiration_sources == ()


def test_the_wave_rises_as_the_network_says(method):
    """The other signs are turned to it: what is upside down comes out upside down."""
    times, colours, lungs = recording()
    face = measured(method(respiration=upside_down), times, colours).faces[0]
    assert np.corrcoef(face.respiration.samples, lungs)[0, 1] < -0.9


def test_what_the_network_does_not_believe_changes_nothing(method, plain):
    times, colours, _ = recording()
    doubted, without = (measured(m, times, colours).faces[0] for m in (method(respiration_quality=-200.0), plain))
    # all but the first and last beat, where the span of what is looked at now reaches farther
    for one, two in zip(*((f.respiratory_rate.value, f.respiratory_rate.quality) for f in (doubted, without))):
        assert one == pytest.approx(two, rel=0.02)
    assert np.corrcoef(doubted.respiration.samples, without.respiration.samples)[0, 1] > 0.999


def test_without_a_judgement_of_its_own_it_is_believed_as_far_as_the_pulse():
    def alone(trust, own=None):
        samples = np.sin(2 * np.pi * 0.25 * np.arange(1800) / RATE)
        told = Breath(samples, np.ones(1800, bool), None if own is None else np.full(1800, own), "toy", 8.0)
        pulse = Waveform(0, RATE, np.zeros(1800), np.ones(1800, bool), np.full(1800, trust), respiration=told)
        return respiration(pulse, Beats.exact(np.zeros(0))).vital

    assert alone(0.9).value == pytest.approx(15, abs=0.5)
    assert alone(0.9) == alone(0.1, own=0.9)
    assert alone(0.5).quality < alone(0.9).quality
    for trust in (0.0, 0.02):
        assert (alone(trust).value, alone(trust).reason) == (None, DOUBTED)


@pytest.mark.parametrize("breaths", [4.5, 6.0])
def test_what_no_window_holds_is_not_passed_off_as_something_else(breaths):
    """A breath longer than the window is beyond it, and so are its overtones."""
    phase = 2 * np.pi * breaths / 60 * np.arange(2700) / RATE
    told = Breath(np.sin(phase) + 0.15 * np.sin(2 * phase), np.ones(2700, bool), None, "toy", 8.0)
    pulse = Waveform(0, RATE, np.zeros(2700), np.ones(2700, bool), respiration=told)
    vital = respiration(pulse, Beats.exact(np.zeros(0))).vital
    assert vital.value is None
    assert "breathing" in vital.reason


def test_a_rate_at_the_edge_of_the_windows_is_told_as_such():
    told = Breath(np.sin(2 * np.pi * 7.3 / 60 * np.arange(1800) / RATE), np.ones(1800, bool), None, "toy", 8.0)
    pulse = Waveform(0, RATE, np.zeros(1800), np.ones(1800, bool), respiration=told)
    vital = respiration(pulse, Beats.exact(np.zeros(0))).vital
    assert (vital.value, vital.reason) == (None, SLOWER.format(limit=8))


def test_windows_shorter_than_breathing_give_a_reason_and_no_number(method):
    short = method({"window_s": SHORTEST_BREATH_S - 1})
    answer = measured(short, *recording(depth=0.0, noise=2e-2)[:2])
    assert answer.respiratory_rate.value is None
    assert answer.respiratory_rate.reason.startswith("the network's windows of 5.0 s are too short for breathing")
    assert any("windows of 5.0 s" in warning for warning in answer.warnings)
    face = answer.faces[0]
    assert not face.pulse.respiration.valid.any()
    assert face.respiration_sources == ()


# --- from torch to the graph --------------------------------------------------------------------------------------


class Breathing(torch.nn.Module):
    """The mean green, and under a sliding mean."""

    def __init__(self, judge=None):
        super().__init__()
        self.mean, self.judge = torch.nn.AvgPool1d(SLOW, 1, SLOW // 2), judge

    def forward(self, clip):
        green = clip[:, 1].mean(dim=(2, 3))
        told = {
            "pulse": -green,
            "respiration": self.mean(green - green.mean(1, keepdim=True)),
            "heart_rate": green[:, 0],
        }
        return told if self.judge is None else told | {"respiration_quality": self.judge(green.mean(1))}


TORCH_CARD = {key: value for key, value in CARD.items() if key != "schema"} | {"view": GRID} | LONG
TORCH_CARD.pop("outputs")


def test_a_student_that_breathes_is_exported_with_it(tmp_path):
    assert export(Breathing(lambda mean: mean - 140), TORCH_CARD, tmp_path) <= exporting.PARITY
    assert list(Model(tmp_path / "model.onnx").outputs) == ["pulse", "respiration", "respiration_quality"]
    assert json.loads((tmp_path / "card.json").read_text())["outputs"] == ["pulse", "respiration"]
    method = load_bundle(tmp_path)
    assert method.card.outputs == ("pulse", "respiration")
    values = scene(Grid(6, 5), 12.0)[0]
    told = fold(method, chunks(values, RATE)).respiration
    green = values[..., 1].mean(axis=(1, 2))
    np.testing.assert_allclose(told.samples, by_definition(green, 240, 120), atol=5e-3)
    assert told.trust[0] == pytest.approx(1 / (1 + np.exp(140 - green[:240].mean())), rel=1e-2)


def test_a_student_that_does_not_has_no_outputs_on_its_card(tmp_path):
    class Plain(Breathing):
        def forward(self, clip):
            return {"pulse": super().forward(clip)["pulse"]}

    export(Plain(), TORCH_CARD, tmp_path)
    assert "outputs" not in json.loads((tmp_path / "card.json").read_text())


@pytest.mark.parametrize(
    ("output", "words", "error"),
    [("respiration", "standard deviations", 2e-3), ("respiration_quality", "logit", np.nan)],
)
def test_what_differs_is_refused(tmp_path, monkeypatch, output, words, error):
    class Off(Model):
        def run(self, arrays):
            told = super().run(arrays)
            value = told[output]
            grown = value.std() * np.float32(error) if value.ndim > 1 else np.float32(error)
            return told | {output: value + grown}

    monkeypatch.setattr(exporting, "Model", Off)
    with pytest.raises(UsageError, match=words):
        export(Breathing(lambda mean: mean - 140), TORCH_CARD, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


# --- streams ------------------------------------------------------------------------------------------------------


@settings(max_examples=4)
@given(reads=st.lists(st.integers(1, 1000), max_size=3))
def test_streamed_is_offline_to_the_byte(method, reads):
    breathing = method(quality=3.0, respiration_quality=2.0)
    times, colours, _ = recording(34.0)
    session = perfuse.Session(breathing, history_s=None, source={"name": "array", "kind": "trace"})
    for k, (time_s, colour) in enumerate(zip(times, colours)):
        session.push_trace(time_s, colour)
        if k in reads:
            session.measure()
    streamed, offline = to_json(session.finish()), to_json(measured(breathing, times, colours))
    assert streamed == offline
    assert json.loads(offline)["faces"][0]["respiration_sources"][0] == "toy"


def test_what_is_forgotten_does_not_disturb(method):
    times, colours, _ = recording(70.0)
    session = perfuse.Session(method(), history_s=40.0)
    for time_s, colour in zip(times, colours):
        session.push_trace(time_s, colour)
    answer = session.finish()
    pulse = answer.faces[0].pulse
    assert len(pulse.respiration) == len(pulse) < len(times)
    assert answer.respiratory_rate.value == pytest.approx(14, abs=1)


# --- what is written ----------------------------------------------------------------------------------------------


def test_json_report_and_table_tell_where_breathing_came_from(method, plain):
    times, colours, _ = recording(40.0)
    answer, without = (measured(m, times, colours) for m in (method(), plain))
    told = json.loads(to_json(answer))
    jsonschema.validate(told, json.loads(SCHEMA_PATH.read_text()))
    assert told["faces"][0]["respiration_sources"] == ["toy", "intervals", "heights", "level"]
    assert "respiration_sources" not in to_json(without)
    assert "toy wrote a breathing wave of its own; it was joined with the intervals of the beats" in render(answer)
    assert "of its own" not in render(without)
    assert to_csv([answer]).count("waveform,respiration") == len(times)


def test_the_answer_tells_whose_weights_gave_it(method, plain):
    """The name is one, the networks are two."""
    times, colours, _ = recording(8.0)
    answer, without, classical = (measured(m, times, colours) for m in (method(), plain, "pos"))
    assert answer.method == without.method == "toy"
    assert answer.model_sha256 == method().card.sha256 != without.model_sha256 == plain.card.sha256
    assert len(answer.model_sha256) == 64
    told = json.loads(to_json(answer))
    jsonschema.validate(told, json.loads(SCHEMA_PATH.read_text()))
    assert told["model_sha256"] == answer.model_sha256
    assert answer.model_sha256 in render(answer)
    assert classical.model_sha256 is None
    assert "sha256" not in to_json(classical)
    assert "SHA-256" not in render(classical)


def test_a_network_alone_is_told_as_such():
    whole = measurement()
    alone = replace(whole, faces=(replace(whole.faces[0], respiration_sources=("toy",)),))
    assert "toy wrote a breathing wave of its own." in render(alone)
