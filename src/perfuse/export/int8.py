"""A bundle in 8 bits, written only where it says the same as the float network and is faster.

Large layers alone are rounded, see :data:`LEAST_WEIGHTS`; statistics and normalisation stay in float.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from perfuse.core.errors import UsageError
from perfuse.core.view import Trace
from perfuse.export.bundle import WEIGHTS_FILE, _with_card, export
from perfuse.methods.bundle import CARD_FILE, MODEL_FILE, Spec, parse_card
from perfuse.methods.network import Floats, Network
from perfuse.methods.student import open_bundle
from perfuse.report.files import write_atomic
from perfuse.synth.stream import stream

MEDIAN_R, WORST_R = 0.99, 0.95
"""Least correlation of the two pulses, in the median and in the worst window. ASSUMED."""
TRUST_APART = 0.1
"""Most that the probability of being right may move in a window. ASSUMED."""
ATTENTION_APART = 0.1
"""Most of the attention that may go to other cells in a window. ASSUMED."""
FASTER = 0.9
"""Most of the float network's time that a window may take; less is not worth another network. ASSUMED."""
LEAST_WEIGHTS = 4096
"""Smaller layers stay in float. ASSUMED: pictures' first layers and those that judge are small, and rounding them
cost the two networks that we tried most of their agreement."""
CALIBRATION, MEASURED = 24, 16
"""Clips that set the ranges, and others on which the two are compared. ASSUMED."""
SEEDS = (8_121_947, 8_121_948)
"""Of those clips."""
ROUNDS = 3
"""Times that each window is timed."""
ROUNDED = ("Conv", "MatMul", "Gemm")

Clock = Callable[[Network, Network, Sequence[Floats]], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Rounding:
    """What 8 bits did to a network.

    Attributes
    ----------
    median_r, worst_r : float
        Correlation of the two pulses over windows; of the two breathings where that is less.
    trust_apart : float
        Largest difference of a probability of being right; 0 for a network that does not judge itself.
    attention_apart : float
        Largest share of the attention that went to other cells; 0 for a network that does not tell.
    float_s, int8_s : float
        Median time of a window, in seconds.
    """

    median_r: float
    worst_r: float
    trust_apart: float
    attention_apart: float
    float_s: float
    int8_s: float

    @property
    def share(self) -> float:
        """Time in 8 bits, of that in float."""
        return self.int8_s / self.float_s

    def faults(self) -> list[str]:
        """Return what is not as it must be, in words; nothing where all is well."""
        checks = (  # so that NaN is a fault
            (self.median_r >= MEDIAN_R, f"r {self.median_r:.3f} in the median ({MEDIAN_R} is needed)"),
            (self.worst_r >= WORST_R, f"r {self.worst_r:.3f} in the worst window ({WORST_R} is needed)"),
            (self.trust_apart <= TRUST_APART, f"trust moves by {self.trust_apart:.2f} ({TRUST_APART} is allowed)"),
            (
                self.attention_apart <= ATTENTION_APART,
                f"{self.attention_apart:.2f} of the attention moves ({ATTENTION_APART} is allowed)",
            ),
            (self.share <= FASTER, f"{self.share:.2f} of the time ({FASTER} is needed)"),
        )
        return [fault for well, fault in checks if not well]

    def told(self) -> str:
        """Return a sentence for the card."""
        return (
            f"Large layers in 8 bits: r {self.median_r:.3f} with the float network's pulse "
            f"(worst {self.worst_r:.3f}) over {MEASURED} simulated windows, {self.share:.2f} of its time "
            "where it was exported."
        )


def export_int8(student: nn.Module, card: Mapping[str, Any], folder: Path, *, clock: Clock | None = None) -> Rounding:
    """Write a bundle in 8 bits, or nothing.

    Parameters
    ----------
    student, card, folder
        As for :func:`perfuse.export.bundle.export`. ``model.safetensors`` keeps the weights in float.
    clock : callable, optional
        Two networks and windows (T, ..., 3) to the seconds of a window in each; :func:`alternating` by default.

    Raises
    ------
    UsageError
        If the network has no layer to round, or differs too much from the float one, or is not faster; and as the
        float export does.
    """
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place)
        export(student, card, whole)
        content, weights = (whole / MODEL_FILE).read_bytes(), (whole / WEIGHTS_FILE).read_bytes()
        text = (whole / CARD_FILE).read_bytes()
    spec = parse_card(text, CARD_FILE, content)
    small = rounded(content, windows(spec, CALIBRATION, SEEDS[0]))
    ours, theirs = Network(content, "the float network"), Network(small, "the network in 8 bits")
    found = compare(ours, theirs, windows(spec, MEASURED, SEEDS[1]), clock or alternating)
    if faults := found.faults():
        raise UsageError(
            f"The network in 8 bits will not do: {', '.join(faults)}; nothing was written.",
            "Export it without --int8.",
        )
    told: dict[str, Any] = json.loads(text)
    del told["sha256"]
    told["limits"] = f"{told['limits']} {found.told()}"
    small = _with_card(small, told)
    told["sha256"] = hashlib.sha256(small).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / MODEL_FILE, small)
    write_atomic(folder / WEIGHTS_FILE, weights)
    write_atomic(folder / CARD_FILE, json.dumps(told, indent=1) + "\n")
    open_bundle(folder)
    return found


def windows(spec: Spec, count: int, seed: int) -> list[Floats]:
    """Return windows of the longest kind, (T, ..., 3), of simulated people of the domain ``train``.

    Raises
    ------
    UsageError
        If the view is a trace: the simulator paints grids and crops.
    """
    if isinstance(spec.view, Trace):
        raise UsageError("The network eats traces.", "Export it without --int8.")
    length = spec.samples(spec.window_s)
    with contextlib.closing(stream(spec.view, batch=count, frames=max(32, length), seed=seed)) as made:  # type: ignore[type-var]
        clips = next(made).clip
    return [np.ascontiguousarray(np.moveaxis(clip[:, :length], 0, -1)) for clip in clips]


def rounded(content: bytes, examples: Sequence[Floats]) -> bytes:
    """Return an ONNX network whose large layers are in 8 bits, with ranges taken from examples.

    Weights get a scale per channel, and seven bits of their eight: on processors without VNNI the sum of two products
    of eight bits does not fit, and the answer would depend on the processor.

    Raises
    ------
    UsageError
        If no layer is large enough.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    model = onnx.load_from_string(content)
    sizes = {tensor.name: math.prod(tensor.dims) for tensor in model.graph.initializer}
    # a product of two things that are computed is no layer, whatever its size
    large = [n.name for n in model.graph.node if n.op_type in ROUNDED and sizes.get(n.input[1], 0) >= LEAST_WEIGHTS]
    if not large:
        raise UsageError(
            f"The network has no layer of {LEAST_WEIGHTS} weights to round.", "Export it without --int8."
        )
    name = model.graph.input[0].name

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(examples)

        def get_next(self) -> dict[str, Floats] | None:
            example = next(self.left, None)
            return None if example is None else {name: example[None]}

    with tempfile.TemporaryDirectory() as place, _quiet():
        path = Path(place) / MODEL_FILE
        quantize_static(
            model, path, Reader(), quant_format=QuantFormat.QDQ, op_types_to_quantize=list(ROUNDED),
            nodes_to_quantize=large, per_channel=True, reduce_range=True, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )  # fmt: skip
        return path.read_bytes()


def compare(ours: Network, theirs: Network, examples: Sequence[Floats], clock: Clock) -> Rounding:
    """Compare two networks window by window, the float one first."""
    alike, trust, attention = [], [0.0], [0.0]
    for window in examples:
        one, two = ours.run(window), theirs.run(window)
        alike.append(_correlation(one.pulse, two.pulse))
        if one.respiration is not None and two.respiration is not None:
            alike[-1] = float(np.min([alike[-1], _correlation(one.respiration, two.respiration)]))  # NaN stays
        logits = (one.quality, two.quality), (one.respiration_quality, two.respiration_quality)
        trust += [abs(_probability(a) - _probability(b)) for a, b in logits if a is not None and b is not None]
        if one.attention is not None and two.attention is not None:
            attention.append(float(np.abs(one.attention - two.attention).sum(dtype=np.float64) / 2))
    apart = float(np.max(trust)), float(np.max(attention))
    return Rounding(float(np.median(alike)), float(np.min(alike)), *apart, *clock(ours, theirs, examples))


def alternating(ours: Network, theirs: Network, examples: Sequence[Floats]) -> tuple[float, float]:
    """Return the median time of a window in each of two networks, which take turns; in seconds of this thread.

    A network runs on the thread that asks it. What other programs do on the machine then hardly counts.
    """
    times = np.zeros((ROUNDS, len(examples), 2))
    for k in range(ROUNDS):
        for i, window in enumerate(examples):
            for which, network in ((0, ours), (1, theirs))[:: 1 if (i + k) % 2 else -1]:
                begin = time.thread_time()
                network.run(window)
                times[k, i, which] = time.thread_time() - begin
    first, second = np.median(times, axis=(0, 1))
    return float(first), float(second)


def _correlation(one: Floats, two: Floats) -> float:
    """Return Pearson's r; NaN where a wave is flat."""
    a, b = (x.astype(np.float64) - x.mean(dtype=np.float64) for x in (one, two))
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size > 0 else math.nan


def _probability(logit: float) -> float:
    return 0.5 + 0.5 * math.tanh(logit / 2)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the quantiser, which writes to the root logger and would give it a handler for good."""
    root, nobody = logging.getLogger(), logging.NullHandler()
    level = root.level
    root.addHandler(nobody)
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(nobody)
