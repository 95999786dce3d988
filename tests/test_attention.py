"""Where a network looked: from the output of the graph to the answer, the same bits however it was cut."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods_scene import chunks, scene
from networks import CROP, GRID, TRACE, bundle, by_brightness, network
from perfuse.core.errors import UsageError
from perfuse.core.signals import SHARES, Attention, Waveform
from perfuse.core.view import Grid
from perfuse.export import bundle as exporting
from perfuse.export.bundle import export
from perfuse.infer import Model
from perfuse.methods import fold
from perfuse.methods.student import load_bundle
from perfuse.papers.blend.model import Blend
from perfuse.pipeline.answer import Context, measure_face
from perfuse.pipeline.replay import replay
from perfuse.pipeline.stream import FaceStream, Sample
from test_trust import TOY_CARD, Toy

RATE = 30.0


@pytest.fixture(scope="module")
def looking(tmp_path_factory):
    """A grid network that looks at each cell by its brightness."""
    return load_bundle(bundle(tmp_path_factory.mktemp("look"), network(GRID, attention=by_brightness), GRID))


def paint(seconds=8.0, **options):
    return scene(Grid(6, 5), seconds, RATE, **options)[0]


# --- the sums -----------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 40), min_size=6, max_size=6).filter(any), st.floats(1e-3, 1e3))
def test_a_map_is_taken_by_its_shares(numbers, gain):
    cells = np.array(numbers, np.float32).reshape(2, 3)
    told = Attention.of(cells * np.float32(gain))
    np.testing.assert_allclose(told.mean(), cells / cells.sum(dtype=float), atol=1e-6)
    assert told.mean().sum() == pytest.approx(1, abs=1e-12)
    assert told.windows == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1])
def test_what_is_no_map_is_none(bad):
    assert Attention.of(np.array([[0.5, bad]])) is None
    assert Attention.of(np.zeros((2, 2))) is None


@given(st.lists(st.integers(0, 2**31), min_size=2, max_size=12), st.randoms())
def test_any_order_gives_the_same_bits(seeds, shuffle):
    parts = [Attention.of(np.random.default_rng(seed).uniform(0, 1, (3, 4))) for seed in seeds]
    turned = list(parts)
    shuffle.shuffle(turned)
    nested = Attention.join([None, Attention.join(turned[:1]), Attention.join(turned[1:]), None])
    assert np.array_equal(Attention.join(parts).total, nested.total)
    assert nested.windows == len(parts)


def test_nothing_joined_is_nothing():
    assert Attention.join([]) is None
    assert Attention.join([None, None]) is None


def test_a_wave_carries_it():
    look = Attention(np.full((2, 2), SHARES // 4), 1)
    one = Waveform(0, RATE, np.ones(3), np.ones(3, bool), attention=look)
    two = Waveform(3, RATE, np.ones(2), np.ones(2, bool))
    joined = Waveform.concatenate([one, two, replace(two, start=5, attention=look)])
    assert (joined.attention.windows, joined.attention.total.tolist()) == (2, (2 * look.total).tolist())
    assert joined.after(4).attention is joined.attention
    assert Waveform.concatenate([two]).attention is None


# --- from the graph to the wave -----------------------------------------------------------------------------------


def test_it_is_the_mean_over_the_windows(looking):
    values = paint()
    wave = fold(looking, chunks(values, RATE))
    size, hop = 60, 30
    windows = [values[k : k + size, ..., 1].mean(axis=0, dtype=float) for k in range(0, len(values) - size + 1, hop)]
    expected = np.mean([window / window.sum() for window in windows], axis=0)
    assert wave.attention.windows == len(windows)
    np.testing.assert_allclose(wave.attention.mean(), expected, atol=1e-7)


@settings(max_examples=12)
@given(data=st.data())
def test_chunking_law(looking, data):
    values = paint(5.0)
    total = len(values)
    valid = np.ones(total, bool)
    for low in data.draw(st.lists(st.integers(0, total - 1), max_size=2)):
        valid[low : low + data.draw(st.integers(1, 20))] = False
    cuts = data.draw(st.lists(st.integers(0, total), max_size=20))
    whole = fold(looking, chunks(values, RATE, valid=valid)).attention
    parts = fold(looking, chunks(values, RATE, valid=valid, cuts=cuts)).attention
    if whole is None:
        assert parts is None
        return
    assert (whole.windows, whole.total.tobytes()) == (parts.windows, parts.total.tobytes())


def test_frame_by_frame_is_the_same_bits(looking):
    values = paint(5.3)
    whole, single = (fold(looking, chunks(values, RATE, cuts=c)).attention for c in ((), range(1, len(values))))
    assert (whole.windows, whole.total.tobytes()) == (single.windows, single.total.tobytes())


def test_silence_looks_nowhere(looking):
    still = np.full((150, 6, 5, 3), 120, np.float32)
    assert fold(looking, chunks(still, RATE)).attention is None
    half = paint(4.0)
    half[60:] = half[60]
    assert fold(looking, chunks(half, RATE)).attention.windows == 2  # [0, 60) and [30, 90)


def test_it_changes_no_number(looking, tmp_path):
    plain = load_bundle(bundle(tmp_path / "plain", network(GRID), GRID))
    values = paint()
    one, two = (fold(method, chunks(values, RATE)) for method in (looking, plain))
    assert one.samples.tobytes() == two.samples.tobytes()
    assert two.attention is None


def test_it_stands_beside_a_quality(tmp_path):
    method = load_bundle(bundle(tmp_path, network(GRID, quality=1.0, attention=by_brightness), GRID))
    wave = fold(method, chunks(paint(), RATE))
    assert wave.trust is not None
    assert wave.attention is not None


def test_a_crop_may_look_more_coarsely(tmp_path):
    def thirds(net, green):
        pooled = net("AveragePool", green, kernel_shape=[4, 4], strides=[4, 4])
        return by_brightness(net, pooled)

    method = load_bundle(bundle(tmp_path, network(CROP, attention=thirds), CROP))
    values, _ = scene(Grid(8, 8), 5.0, 20.0)
    assert fold(method, chunks(values, 20.0)).attention.total.shape == (2, 2)


# --- every way to be wrong ----------------------------------------------------------------------------------------


def scaled(gain):
    return lambda net, green: net("Mul", by_brightness(net, green), net.constant(np.float32(gain)))


def negative(net, green):
    """Sum 1, but not everywhere 0 or more."""
    share = by_brightness(net, green)
    return net("Sub", net("Mul", share, net.constant(np.float32(61))), net.constant(np.float32(2)))


def with_time(net, green):
    """(B, T, 5): as many rows as samples."""
    lines = net("ReduceMean", green, axes=[2], keepdims=0)
    return net("Div", lines, net("ReduceSum", lines, net.constant(np.array([1, 2])), keepdims=1))


WRONG = {
    "not 1": (scaled(2.0), GRID, "sum"),
    "negative": (negative, GRID, "negative"),
    "not finite": (scaled(np.nan), GRID, "sum"),
    "of too few axes": (lambda n, g: n("Flatten", by_brightness(n, g)), GRID, "batch, rows, cols"),
    "of other cells": (lambda n, g: n("Transpose", by_brightness(n, g), perm=[0, 2, 1]), GRID, "cells"),
    "of the length": (with_time, CROP, "cells"),
    "of a trace": (lambda n, g: n("Unsqueeze", n("ReduceMean", g, axes=[1], keepdims=0), n.constant([1])),
                   TRACE, "no places"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_map_is_refused_when_the_bundle_is_loaded(tmp_path, what):
    attention, view, words = WRONG[what]
    with pytest.raises(UsageError, match=words):
        load_bundle(bundle(tmp_path, network(view, attention=attention), view))


# --- streams, histories, answers ----------------------------------------------------------------------------------


def stream(method, values, history_s=None, reads=()):
    made = FaceStream(method, 0.0, 1, history_s=history_s)
    for k, cells in enumerate(values):
        colour = cells.reshape(-1, 3).mean(axis=0, keepdims=True)
        made.push(k / RATE, Sample(colour, np.zeros(2), np.zeros(1), cells, np.ones(cells.shape[:2], np.float32)))
        if k in reads:
            made.record()
    made.finish()
    return made.record()


@settings(max_examples=8)
@given(reads=st.lists(st.integers(1, 230), max_size=4), history_s=st.sampled_from([None, 3.0]))
def test_neither_reading_in_between_nor_forgetting_changes_it(looking, reads, history_s):
    values = paint()
    whole = stream(looking, values).waves[0].attention
    assert whole.windows == 7
    record = stream(looking, values, history_s, reads)
    told = record.waves[0].attention
    assert (told.windows, told.total.tobytes()) == (whole.windows, whole.total.tobytes())
    assert history_s is None or len(record.waves[0]) < len(values)


def test_a_replay_looks_there_too(looking):
    values = paint()
    record = stream(looking, values)
    cells = np.concatenate([values, np.ones_like(values[..., :1])], axis=-1)
    again = replay(looking, record, lambda start, stop: cells[start:stop]).waves[0].attention
    assert again.total.tobytes() == fold(looking, chunks(values, RATE)).attention.total.tobytes()


def test_the_answer_has_the_map(looking):
    face = measure_face(0, stream(looking, paint()), Context(0.0, 8.0, RATE, "video"))
    assert face.attention.shape == (6, 5)
    assert face.attention.sum() == pytest.approx(1, abs=1e-12)
    assert replace(face, pulse=None).attention is None


# --- from torch to the graph --------------------------------------------------------------------------------------


class Looking(Toy):
    """The same, looking at cells by their brightness."""

    def forward(self, clip):
        bright = clip[:, 1].mean(dim=1)
        return super().forward(clip) | {"attention": bright / bright.sum(dim=(1, 2), keepdim=True)}


def test_a_student_that_tells_is_exported_with_it(tmp_path):
    export(Looking(lambda mean: (mean - 150) / 10), TOY_CARD, tmp_path)
    graph = Model(tmp_path / "model.onnx")
    assert list(graph.outputs) == ["pulse", "quality", "attention"]
    assert fold(load_bundle(tmp_path), chunks(paint(), RATE)).attention.total.shape == (6, 5)


def test_one_that_only_tells_has_no_quality(tmp_path):
    export(Looking(), TOY_CARD, tmp_path)
    assert list(Model(tmp_path / "model.onnx").outputs) == ["pulse", "attention"]


@pytest.mark.parametrize("error", [2e-4, np.nan])
def test_a_map_that_differs_is_refused(tmp_path, monkeypatch, error):
    class Off(Model):
        def run(self, arrays):
            told = super().run(arrays)
            return told | {"attention": told["attention"] + np.float32(error)}

    monkeypatch.setattr(exporting, "Model", Off)
    with pytest.raises(UsageError, match="attention"):
        export(Looking(), TOY_CARD, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_blend_tells_where_it_read():
    torch.manual_seed(0)
    net = Blend(4, 5, maps=2, width=8, dilations=(1, 2)).eval()
    clip = 100 + 10 * torch.rand(2, 3, 90, 4, 5)
    with torch.no_grad():
        told, (_, weights) = net(clip)["attention"], net.averaged(clip)
    assert told.shape == (2, 4, 5)
    assert torch.allclose(told.sum(dim=(1, 2)), torch.ones(2))
    assert torch.allclose(told[1, 2, 3], weights[1, :, 2 * 5 + 3].mean())
