"""What a method costs: time, memory, parameters, multiplications; each method in a process of its own."""

from __future__ import annotations

import math
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import safe_open

from perfuse.bench.result import Cost
from perfuse.bench.runner import find_method, measured, views
from perfuse.core.view import View
from perfuse.data.prepare import open_entry
from perfuse.data.recording import Recording
from perfuse.methods import METHODS
from perfuse.methods.bundle import MODEL_FILE
from perfuse.methods.shipped import Shipped

REPEATS = 5
SHORTEST_S = 0.2
"""A repeat lasts at least this long, or its clock would be too coarse."""
WEIGHTS_FILE = "model.safetensors"
NOT_LEARNT = ("running_mean", "running_var", "num_batches_tracked")
"""Statistics of a training, not weights."""


def costs(methods: Sequence[str], sample: Recording | None, folder: Path) -> tuple[Cost, ...]:
    """Measure every method on one cached recording, one after the other.

    Parameters
    ----------
    methods : sequence of str
        Names or paths, as for :func:`perfuse.bench.runner.run`.
    sample : Recording or None
        Cached already; None where nothing was scored.
    folder : Path
        The cache.
    """
    where = {m.card.name: view for view, group in views([find_method(n) for n in methods]).items() for m in group}
    context = multiprocessing.get_context("spawn")
    made = []
    for name in methods:
        facts, view = _facts(name), where[find_method(name).card.name]
        if sample is not None:
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                spent, memory = pool.submit(measure_cost, name, sample, view, folder).result()
            facts = replace(facts, ms_per_s=spent, memory_mb=memory)
        made.append(facts)
    return tuple(made)


def measure_cost(name: str, sample: Recording, view: View, folder: Path) -> tuple[float | None, float | None]:
    """Return milliseconds per second of video (the median of some runs, vitals included) and megabytes."""
    entry = open_entry(sample, view, folder)
    if entry is None:
        return None, None
    method = find_method(name)
    measured(method, entry)  # what is imported or built once is no cost of a second of video
    seconds = []
    _forget_peak()
    before = _memory_mb("VmRSS")
    for _ in range(REPEATS):
        count, begin = 0, time.perf_counter()
        while count == 0 or time.perf_counter() - begin < SHORTEST_S:
            measured(method, entry)
            count += 1
        seconds.append((time.perf_counter() - begin) / count)
    after = _memory_mb("VmHWM")
    spent = 1000 * statistics.median(seconds) / max(entry.about["duration_s"], 1e-9)
    return spent, None if before is None or after is None else max(after - before, 0.0)


def _forget_peak() -> None:
    """Let the highest memory start from now (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _memory_mb(what: str) -> float | None:
    """Read a line of this process's status (Linux); None elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(what + ":")]
    return float(found[0]) / 1024 if found else None


def _facts(name: str) -> Cost:
    """Count parameters and multiplications of a network, where the library that reads its file is there."""
    method = find_method(name)
    if name in METHODS and not isinstance(method, Shipped):
        return Cost(name, parameters=0)
    place = method.folder if isinstance(method, Shipped) else Path(name)
    file = place / MODEL_FILE if place.is_dir() else place
    parameters = _learnt(file.with_name(WEIGHTS_FILE))
    try:
        import onnx
    except ImportError:
        return Cost(method.card.name, parameters=parameters)
    model = onnx.load(str(file))
    if parameters is None:
        kinds = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE
        parameters = sum(math.prod(w.dims) for w in model.graph.initializer if w.data_type in kinds)
    macs = multiplications(model, max(2, round(method.window_s * method.view.rate_hz)))  # type: ignore[attr-defined]
    hop_s = method.hop_s  # type: ignore[attr-defined]
    return Cost(method.card.name, parameters=parameters, macs_per_s=None if macs is None else macs / hop_s)


def _learnt(file: Path) -> int | None:
    """Count the weights beside a network; the graph also holds tables and constants, which nobody learnt."""
    if not file.is_file():
        return None
    with safe_open(str(file), "numpy") as weights:
        kept = [key for key in weights.keys() if key.rpartition(".")[2] not in NOT_LEARNT]  # noqa: SIM118
        return sum(int(math.prod(weights.get_slice(key).get_shape())) for key in kept)


def multiplications(model: Any, samples: int) -> int | None:
    """Count the multiplications of one window in convolutions and products of matrices.

    Parameters
    ----------
    model : onnx.ModelProto
        Changed: its free dimensions become one window of this many samples.
    samples : int
        Length of a window.

    Returns
    -------
    int or None
        Per window, each with its addition; None where a shape follows from the data.
    """
    import onnx

    graph = model.graph
    weights = {w.name: tuple(w.dims) for w in graph.initializer}
    for value in graph.input:
        if value.name not in weights:
            for axis, size in zip(value.type.tensor_type.shape.dim, (1, samples)):
                axis.dim_value = size
    del graph.value_info[:]  # shapes as they were exported, with free dimensions
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    for inner in _loops(graph):
        for value in [*inner.value_info, *inner.input, *inner.output]:
            for axis in value.type.tensor_type.shape.dim:
                if axis.HasField("dim_param"):
                    axis.dim_value = 1  # nothing else is free within a step of a scan but the batch
    for known in (model, None):
        try:
            graph = onnx.shape_inference.infer_shapes(known or _folded(model), data_prop=True).graph
            return _counted(graph, dict(weights))
        except KeyError:
            continue
    return None


def _folded(model: Any) -> Any:
    """Return a network of fixed size as ONNX Runtime simplifies it: shapes that were computed are numbers then."""
    import onnx
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / MODEL_FILE)
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def _counted(graph: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    """Count those of a graph, and of the steps of its scans, which may use what lies outside of them."""
    shapes = shapes | {w.name: tuple(w.dims) for w in graph.initializer}
    for value in [*graph.value_info, *graph.output, *graph.input]:
        axes = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(axis.HasField("dim_value") for axis in axes):
            shapes[value.name] = tuple(axis.dim_value for axis in axes)
    total = 0
    for node in graph.node:
        total += _products(node, shapes)
        if node.op_type == "Scan":
            body = next(a.g for a in node.attribute if a.name == "body")
            states = len(node.input) - next(a.i for a in node.attribute if a.name == "num_scan_inputs")
            total += shapes[node.input[states]][0] * _counted(body, shapes)
    return total


def _loops(graph: Any) -> list[Any]:
    """Return every graph within a graph."""
    own = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    return own + [deep for inner in own for deep in _loops(inner)]


def _products(node: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    """Count those of one node."""
    if node.op_type == "Conv":
        return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
    if node.op_type == "ConvTranspose":
        return math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])
    if node.op_type == "MatMul":
        return math.prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]
    if node.op_type == "Gemm":
        turned = any(a.name == "transA" and a.i for a in node.attribute)
        return math.prod(shapes[node.output[0]]) * shapes[node.input[0]][0 if turned else 1]
    if node.op_type == "Einsum":
        equation = next(a.s.decode() for a in node.attribute if a.name == "equation").replace(" ", "")
        sizes: dict[str, int] = {}
        for letters, name in zip(equation.partition("->")[0].split(","), node.input):
            sizes |= dict(zip(letters, shapes[name], strict=True))
        return math.prod(sizes.values())
    return 0
