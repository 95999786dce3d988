"""Networks that judge themselves: from the second output of the graph to the answer, and from torch to the graph."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import perfuse
from methods_scene import chunks, scene
from networks import CARD, GRID, TRACE, brightness, bundle, network
from perfuse.core.errors import UsageError
from perfuse.core.signals import Waveform
from perfuse.core.view import Grid
from perfuse.export import bundle as exporting
from perfuse.export.bundle import export
from perfuse.infer import Model
from perfuse.methods import fold, get_method
from perfuse.methods.student import load_bundle
from perfuse.pipeline.replay import replay
from perfuse.pipeline.stream import FaceStream, Sample
from perfuse.vitals.heart_rate import DOUBTED

RATE = 30.0


def logistic(x):
    return 1 / (1 + np.exp(-x))


def bright(net, green):
    """Logit: how far green lies above 150, a tenth of it."""
    return net(
        "Mul", net("Sub", brightness(net, green), net.constant(np.float32(150))), net.constant(np.float32(0.1))
    )


@pytest.fixture(scope="module")
def method(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")

    def make(quality, view=TRACE, **changes):
        name = str(len(list(folder.iterdir())))
        return load_bundle(bundle(folder / name, network(view, quality=quality), view, **changes))

    return make


def trace(seconds=14.0, noise=2e-4):
    times = np.arange(round(seconds * RATE)) / RATE
    pulse = np.sin(2 * np.pi * 1.2 * times)[:, None] * np.array([0.3, 0.8, 0.5])
    grain = 1 + noise * np.random.default_rng(0).normal(size=pulse.shape)
    return times, (np.array([180.0, 130.0, 110.0]) - pulse) * grain


def measured(method, times, colours):
    return perfuse.measure(colours, times_s=times, method=method).faces[0]


# --- the wave that carries it -------------------------------------------------------------------------------------


def piece(start, trust, count=4):
    return Waveform(start, RATE, np.arange(count) + 1.0, np.ones(count, bool), trust)


def test_joining_keeps_trust_and_fills_gaps_with_none_of_it():
    judged, silent = piece(0, np.full(4, 0.7)), piece(4, None)
    joined = Waveform.concatenate([judged, silent])
    assert joined.trust.tolist() == [0.7] * 4 + [0.0] * 4
    assert Waveform.concatenate([piece(0, None), silent]).trust is None
    assert Waveform.concatenate([Waveform.empty(0, RATE), judged]).trust.tolist() == [0.7] * 4
    assert Waveform.empty(3, RATE).trust is None


def test_what_follows_keeps_its_trust():
    rest = piece(10, np.array([0.1, 0.2, 0.3, 0.4])).after(3)
    assert (rest.start, rest.samples.tolist(), rest.trust.tolist()) == (13, [4.0], [0.4])
    assert piece(0, None).after(3).trust is None


def test_classical_methods_do_not_judge():
    values, _ = scene(seconds=6.0)
    assert fold(get_method("pos"), chunks(values, RATE)).trust is None


# --- from the graph to the wave -----------------------------------------------------------------------------------


@given(logit=st.floats(-50, 50))
@settings(max_examples=8)
def test_the_logit_becomes_a_probability(method, logit):
    values, _ = scene(seconds=5.0)
    wave = fold(method(logit), chunks(values, RATE))
    np.testing.assert_allclose(wave.trust, logistic(float(np.float32(logit))), rtol=1e-9, atol=1e-12)


def test_every_window_has_its_own(method):
    judging, plain = method(bright), method(None)
    values, _ = scene(seconds=8.0)
    values[120:] -= 30
    wave = fold(judging, chunks(values, RATE))
    green = values[:, 0, 1].astype(float)
    np.testing.assert_allclose(wave.trust[:30], logistic((green[:60].mean() - 150) / 10), rtol=1e-4)
    np.testing.assert_allclose(wave.trust[-30:], logistic((green[-60:].mean() - 150) / 10), rtol=1e-4)
    assert wave.trust[0] > 2 * wave.trust[-1]
    assert fold(plain, chunks(values, RATE)).samples.tobytes() == wave.samples.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_silence_has_no_trust_and_neither_has_what_is_not_finite(method, value):
    still = np.full((150, 1, 3), 120, np.float32)
    wave = fold(method(5.0), chunks(still, RATE))
    assert not wave.samples.any()
    assert not wave.trust.any()
    values, _ = scene(seconds=5.0)
    broken = fold(method(lambda net, green: net("Mul", brightness(net, green), net.constant(np.float32(value)))),
                  chunks(values, RATE))  # fmt: skip
    assert not broken.samples.any()
    assert not broken.trust.any()


# --- from the wave to the answer ----------------------------------------------------------------------------------


def test_full_trust_is_the_very_answer_without(method):
    times, colours = trace(noise=2e-3)
    sure, plain = (measured(method(quality), times, colours) for quality in (100.0, None))
    assert plain.heart_rate.value is not None
    assert sure.pulse.trust.min() == 1
    assert plain.pulse.trust is None
    assert sure.heart_rate == plain.heart_rate
    assert (sure.heart_rate_series, sure.hrv) == (plain.heart_rate_series, plain.hrv)
    assert sure.pulse.samples.tobytes() == plain.pulse.samples.tobytes()


def test_no_trust_no_value(method):
    face = measured(method(-100.0), *trace())
    assert not face.pulse.trust.any()
    for vital in (face.heart_rate, *face.hrv.values()):
        assert (vital.value, vital.reason) == (None, DOUBTED)


def test_less_trust_less_quality_and_a_wider_interval(method):
    faces = [measured(method(logit), *trace()).heart_rate for logit in (-0.4, -0.2, 0.0, 0.2, 0.5, 3.0)]
    qualities, widths = [v.quality for v in faces], [v.high - v.low for v in faces]
    assert qualities == sorted(qualities)
    assert widths == sorted(widths, reverse=True)
    assert qualities[0] < 0.6 < 0.9 < qualities[-1]


# --- streams, histories, replays ----------------------------------------------------------------------------------


@settings(max_examples=8)
@given(reads=st.lists(st.integers(20, 410), max_size=4), hole=st.integers(0, 300))
def test_a_stream_ends_with_the_trust_of_the_file(method, reads, hole):
    judging = method(bright)
    times, colours = trace()
    keep = (np.arange(len(times)) < hole) | (np.arange(len(times)) >= hole + 40)
    session = perfuse.Session(judging, history_s=None)
    for k, (time_s, colour) in enumerate(zip(times[keep], colours[keep])):
        session.push_trace(float(time_s), colour)
        if k in reads:
            session.measure()
    streamed, whole = session.finish().faces[0], measured(judging, times[keep], colours[keep])
    assert streamed.pulse.trust.tobytes() == whole.pulse.trust.tobytes()
    assert streamed.heart_rate == whole.heart_rate
    assert not whole.pulse.trust[~whole.pulse.valid].any()


def test_a_short_history_keeps_the_trust_of_what_it_keeps(method):
    judging = method(bright)
    _, colours = trace(20.0)
    short, full = (FaceStream(judging, 0.0, 1, history_s=history) for history in (6.0, None))
    for k, colour in enumerate(colours):
        for stream in (short, full):
            stream.push(k / RATE, Sample(colour[None], np.zeros(2), np.zeros(1), None, None))
        if k == 400:
            same_end(short.record(), full.record())
    for stream in (short, full):
        stream.finish()
    same_end(short.record(), full.record())


def same_end(short, full):
    few, many = short.waves[0], full.waves[0]
    assert len(few) == len(few.trust) < len(many)
    assert few.start == short.start
    assert few.trust.tobytes() == many.trust[few.start :].tobytes()
    assert few.samples.tobytes() == many.samples[few.start :].tobytes()


def test_a_replay_has_the_trust_of_the_recording(method):
    judging = method(bright)
    stream = FaceStream(judging, 0.0, 1, history_s=None)
    for k, colour in enumerate(np.float32(trace(20.0)[1])):
        stream.push(k / RATE, Sample(colour[None], np.zeros(2), np.zeros(1), None, None))
    stream.finish()
    record = stream.record()
    again = replay(judging, record).waves[0]
    assert again.trust.tobytes() == record.waves[0].trust.tobytes()


# --- from torch to the graph --------------------------------------------------------------------------------------


class Toy(torch.nn.Module):
    """Minus green, and whatever logit ``judge`` makes of the mean green of each clip (B,)."""

    def __init__(self, judge=None):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(-1.0))
        self.judge = judge

    def forward(self, clip):
        green = clip[:, 1].mean(dim=(2, 3))
        told = {"pulse": self.gain * green}
        return told if self.judge is None else told | {"quality": self.judge(green.mean(dim=1))}


TOY_CARD = {key: value for key, value in CARD.items() if key != "schema"} | {"view": GRID}


def test_a_student_that_judges_is_exported_with_its_judgement(tmp_path):
    told = Toy(lambda mean: (mean - 150) / 10)
    assert export(told, TOY_CARD, tmp_path) <= exporting.PARITY
    graph = Model(tmp_path / "model.onnx")
    assert list(graph.outputs) == ["pulse", "quality"]
    cells = np.random.default_rng(0).uniform(50, 250, (1, 50, 6, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(graph.run({"cells": cells})["quality"], (cells[..., 1].mean() - 150) / 10, atol=1e-3)
    values, _ = scene(Grid(6, 5), seconds=5.0)
    wave = fold(load_bundle(tmp_path), chunks(values, RATE))
    assert wave.trust[0] == pytest.approx(logistic((values[:60, ..., 1].mean() - 150) / 10), rel=1e-3)


def test_a_student_that_does_not_is_exported_as_ever(tmp_path):
    export(Toy(), TOY_CARD, tmp_path)
    assert list(Model(tmp_path / "model.onnx").outputs) == ["pulse"]
    values, _ = scene(Grid(6, 5), seconds=5.0)
    assert fold(load_bundle(tmp_path), chunks(values, RATE)).trust is None


def test_the_trial_does_not_train_the_student(tmp_path):
    """Layers that keep running statistics must leave them alone."""
    student = Toy()
    student.norm = torch.nn.BatchNorm1d(1)
    student.judge = lambda mean: student.norm(mean[:, None])[:, 0]
    student.train()
    export(student, TOY_CARD, tmp_path)
    assert student.norm.num_batches_tracked == 0


@pytest.mark.parametrize("error", [2e-3, np.nan])
def test_a_logit_that_differs_is_refused(tmp_path, monkeypatch, error):
    class Off(Model):
        def run(self, arrays):
            told = super().run(arrays)
            return told | {"quality": told["quality"] + np.float32(error)}

    monkeypatch.setattr(exporting, "Model", Off)
    with pytest.raises(UsageError, match="logit"):
        export(Toy(lambda mean: (mean - 150) / 10), TOY_CARD, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
