"""What a method costs: time, memory, parameters, multiplications; each method in a process of its own."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from perfuse.bench.result import Cost
from perfuse.bench.runner import find_method, measured, views
from perfuse.core.view import View
from perfuse.data.prepare import open_entry
from perfuse.data.recording import Recording

REPEATS = 5
SHORTEST_S = 0.2
"""A repeat lasts at least this long, or its clock would be too coarse."""


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
    place = Path(name)
    file = place / "model.onnx" if place.is_dir() else place
    if not file.is_file():
        return Cost(method.card.name, parameters=0)
    try:
        import onnx
    except ImportError:
        return Cost(method.card.name)
    graph = onnx.shape_inference.infer_shapes(onnx.load(str(file))).graph
    weights = {w.name: tuple(w.dims) for w in graph.initializer}
    parameters = sum(int(np.prod(shape)) for shape in weights.values())
    macs = _macs(graph, weights)
    hop = getattr(method, "hop_s", None)
    return Cost(method.card.name, parameters=parameters, macs_per_s=macs / hop if hop and macs else None)


def _macs(graph: object, weights: dict[str, tuple[int, ...]]) -> float:
    """Multiplications of one run in convolutions and matrix products; a free dimension counts as 1."""
    shapes = dict(weights)
    for value in [*graph.value_info, *graph.output, *graph.input]:  # type: ignore[attr-defined]
        shapes[value.name] = tuple(d.dim_value or 1 for d in value.type.tensor_type.shape.dim)
    total = 0.0
    for node in graph.node:  # type: ignore[attr-defined]
        out = float(np.prod(shapes.get(node.output[0], (0,))))
        if node.op_type == "Conv":
            total += out * float(np.prod(shapes.get(node.input[1], (0, 0))[1:]))
        elif node.op_type in ("MatMul", "Gemm"):
            total += out * float((shapes.get(node.input[0]) or (0,))[-1])
    return total
