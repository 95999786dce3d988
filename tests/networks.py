"""Tiny ONNX networks and bundles around them, built by hand."""

import hashlib
import json

import numpy as np
from onnx import TensorProto, helper, numpy_helper

CARD = {
    "schema": "perfuse.card/1",
    "name": "toy",
    "title": "TOY: green, upside down, as a network",
    "paper": "none",
    "licence": "Apache-2.0",
    "provenance": "own",
    "limits": "Made for tests.",
    "window_s": 2.0,
    "hop_s": 1.0,
    "min_s": 1.5,
}
TRACE = {"kind": "trace", "rate_hz": 30.0}
GRID = {"kind": "grid", "rows": 6, "cols": 5, "rate_hz": 30}
CROP = {"kind": "crop", "size": 8, "rate_hz": 20.0, "margin": 1.1}


def frame_of(view):
    """Shape of one sample of a view, from its description."""
    return {
        "trace": lambda: (1, 3),
        "grid": lambda: (view["rows"], view["cols"], 3),
        "crop": lambda: (view["size"], view["size"], 3),
    }[view["kind"]]()


class Net:
    """Collects nodes; every call adds one and returns the name of its result."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def __call__(self, op, *inputs, **attributes):
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name


def network(
    view,
    after=lambda net, green: net("Neg", green),
    length="time",
    weights=False,
    inputs=None,
    output=("pulse", TensorProto.FLOAT),
    input_type=TensorProto.FLOAT,
    batch="batch",
    properties=None,
    quality=None,
    quality_type=TensorProto.FLOAT,
    attention=None,
    attention_type=TensorProto.FLOAT,
    respiration=None,
    respiration_quality=None,
):
    """Mean green of the cells (B, T), weighted if asked for, and whatever ``after`` makes of it; serialised.

    ``quality``: a logit, or what makes one (B,) of the mean green, for a network that judges itself. ``attention``:
    what makes a map (B, rows, cols) of the green of all cells, for one that tells where it looked. ``respiration``:
    what makes a wave (B, T) of the mean green, for one that breathes; ``respiration_quality`` as ``quality``.
    """
    net, frame = Net(), frame_of(view)
    cells = list(range(2, 1 + len(frame)))
    green = net("Gather", "cells", net.constant(np.int64(1)), axis=1 + len(frame))
    if input_type != TensorProto.FLOAT:
        green = net("Cast", green, to=TensorProto.FLOAT)
    if weights:
        axes = net.constant(np.array(cells))
        above = net("ReduceSum", net("Mul", green, "weights"), axes, keepdims=0)
        mean = net("Div", above, net("ReduceSum", "weights", axes, keepdims=0))
    else:
        mean = net("ReduceMean", green, axes=cells, keepdims=0)
    last = after(net, mean)
    net.nodes.append(helper.make_node("Identity", [last], [output[0]]))
    taken = [helper.make_tensor_value_info("cells", input_type, [batch, length, *frame])]
    if weights:
        taken.append(helper.make_tensor_value_info("weights", TensorProto.FLOAT, [batch, length, *frame[:-1]]))
    taken += inputs or []
    given = [helper.make_tensor_value_info(output[0], output[1], None)]
    if quality is not None:
        judged = quality(net, mean) if callable(quality) else always(quality)(net, mean)
        net.nodes.append(helper.make_node("Identity", [judged], ["quality"]))
        given.append(helper.make_tensor_value_info("quality", quality_type, None))
    if attention is not None:
        net.nodes.append(helper.make_node("Identity", [attention(net, green)], ["attention"]))
        given.append(helper.make_tensor_value_info("attention", attention_type, None))
    if respiration is not None:
        net.nodes.append(helper.make_node("Identity", [respiration(net, mean)], ["respiration"]))
        given.append(helper.make_tensor_value_info("respiration", TensorProto.FLOAT, None))
    if respiration_quality is not None:
        judge = respiration_quality if callable(respiration_quality) else always(respiration_quality)
        net.nodes.append(helper.make_node("Identity", [judge(net, mean)], ["respiration_quality"]))
        given.append(helper.make_tensor_value_info("respiration_quality", TensorProto.FLOAT, None))
    model = helper.make_model(
        helper.make_graph(net.nodes, "toy", taken, given, net.constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    helper.set_model_props(model, properties or {})
    return model.SerializeToString()


def always(logit):
    """Judge every window alike."""
    return lambda net, green: net(
        "Add", net("Mul", brightness(net, green), net.constant(np.float32(0))), net.constant(np.float32(logit))
    )


def brightness(net, green):
    """Mean green of the window (B,)."""
    return net("ReduceMean", green, axes=[1], keepdims=0)


def by_brightness(net, green):
    """Look at each cell by its share of all green in the window (B, rows, cols)."""
    bright = net("ReduceMean", green, axes=[1], keepdims=0)
    return net("Div", bright, net("ReduceSum", bright, net.constant(np.array([1, 2])), keepdims=1))


def smoothed(net, green):
    """Normalise inside the graph, then look at neighbours in time: what a trained network does, in small."""
    mean = net("ReduceMean", green, axes=[1], keepdims=1)
    wave = net("Unsqueeze", net("Sub", net.constant(np.float32(1)), net("Div", green, mean)), net.constant([1]))
    kernel = net.constant(np.array([[[0.2, 0.5, 0.2, 0.1]]], np.float32))
    return net("Squeeze", net("Conv", wave, kernel, pads=[2, 1]), net.constant([1]))


def slow(net, green):
    """Green under a sliding mean of about a second: breathing, if the face darkens while breathing out."""
    mean = net("ReduceMean", green, axes=[1], keepdims=1)
    wave = net("Unsqueeze", net("Sub", green, mean), net.constant([1]))
    kernel = net.constant(np.full((1, 1, SLOW), 1 / SLOW, np.float32))
    return net("Squeeze", net("Conv", wave, kernel, pads=[SLOW // 2, SLOW // 2]), net.constant([1]))


SLOW = 31
"""Samples under the sliding mean of :func:`slow`."""


def bundle(folder, content, view, /, **changes):
    """Write a bundle; a change of None leaves the key out."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    card = CARD | {"view": view, "sha256": hashlib.sha256(content).hexdigest()} | changes
    card = {key: value for key, value in card.items() if value is not None}
    (folder / "card.json").write_text(json.dumps(card))
    return folder
