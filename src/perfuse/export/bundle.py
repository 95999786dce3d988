"""A student as a bundle (``model.onnx``, ``card.json``, ``model.safetensors``), proven to say the same."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from perfuse.core.errors import OutputError, UsageError
from perfuse.infer import Model
from perfuse.methods.bundle import CARD_FILE, METADATA_KEY, MODEL_FILE, SCHEMA
from perfuse.methods.network import ATTENTION, OPTIONAL, PULSE, QUALITY, RESPIRATION, RESPIRATION_QUALITY
from perfuse.methods.student import open_bundle
from perfuse.report.files import check_writable, write_atomic

PARITY = 1e-4
"""Largest difference of torch and ONNX, in standard deviations of the wave (design, law 6)."""
LOGIT_PARITY = 1e-3
"""The same for the logit of the quality: it moves a probability by no more than a quarter of this."""
ATTENTION_PARITY = 1e-4
"""The same for the share of a cell in the attention."""
WEIGHTS_FILE = "model.safetensors"


class _AsGraph(nn.Module):
    """The student as bundles want it: (batch, T, ..., 3) in, ``pulse`` out, and what else it tells that they know."""

    def __init__(self, student: nn.Module, example: Tensor) -> None:
        super().__init__()
        self.student = student.eval()
        with torch.no_grad():
            told = self._ask(example)
        self.outputs = [name for name in (PULSE, *OPTIONAL) if name in told]

    def forward(self, cells: Tensor) -> tuple[Tensor, ...]:
        told = self._ask(cells)
        return tuple(told[name] for name in self.outputs)

    def _ask(self, cells: Tensor) -> dict[str, Tensor]:
        told: dict[str, Tensor] = self.student(cells.permute(0, 4, 1, 2, 3))
        return told


def export(student: nn.Module, card: Mapping[str, Any], folder: Path) -> float:
    """Write a bundle and check it.

    Parameters
    ----------
    student : module
        Maps clips (B, 3, T, H, W) to a dict with ``pulse`` and, where it judges itself, ``quality``, the logit (B,)
        of its answer being right, and, where it tells, ``attention``, where it looked (B, rows, cols), and
        ``respiration`` (B, T), which rises with the volume of the lungs, with its own ``respiration_quality``; its
        weights are exported as they are.
    card : mapping
        Of :mod:`perfuse.methods.bundle`, without schema and hash. Where ``min_s`` is ``window_s`` the graph is for
        windows of that one length. Its ``outputs`` are written here where the student breathes.
    folder : Path
        Where; made if there is none.

    Returns
    -------
    float
        Largest difference between torch and ONNX over several lengths, in standard deviations of the wave, pulse or
        breathing.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    UsageError
        If the two differ by more than :data:`PARITY` (the logits: :data:`LOGIT_PARITY`, the attention:
        :data:`ATTENTION_PARITY`), or the bundle does not do what its card says.
    """
    _check_room(folder)
    view = card["view"]
    rate = float(view["rate_hz"])
    longest = max(2, round(float(card["window_s"]) * rate))
    shortest = max(2, round(float(card["min_s"]) * rate))
    fixed = shortest == longest
    frame = (view["rows"], view["cols"]) if view["kind"] == "grid" else (view["size"], view["size"])
    example = torch.rand(2 if not fixed else 1, longest, *frame, 3) * 100 + 60
    graph = _AsGraph(student, example).eval()
    content = _onnx(graph, example, fixed)
    lengths = (longest,) if fixed else (longest, shortest, (longest + shortest) // 2 + 1)
    apart = np.array([_difference(graph, content, length, frame) for length in lengths])
    worst, logit, share = apart.max(axis=0)
    _allow(worst, PARITY, "standard deviations")
    _allow(logit, LOGIT_PARITY, "in a quality's logit")
    _allow(share, ATTENTION_PARITY, "in the attention")
    whole = {"schema": SCHEMA, **card}
    if RESPIRATION in graph.outputs:
        whole["outputs"] = [PULSE, RESPIRATION]
    content = _with_card(content, whole)
    whole["sha256"] = hashlib.sha256(content).hexdigest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made a folder ({error.strerror}).", "Choose another place.") from error
    write_atomic(folder / MODEL_FILE, content)
    write_atomic(folder / WEIGHTS_FILE, _weights(student))
    write_atomic(folder / CARD_FILE, json.dumps(whole, indent=1) + "\n")
    open_bundle(folder)
    return float(worst)


def _check_room(folder: Path) -> None:
    """Make sure that a folder is there, or can be made: before the work, and without making it."""
    place = folder
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise OutputError(f"{folder} cannot be made a folder ({place} is a file).", "Choose another place.")
    check_writable(place / CARD_FILE)


def _allow(found: float, most: float, unit: str) -> None:
    if not found <= most:  # so that NaN is refused
        raise UsageError(
            f"torch and ONNX differ by {found:.2g} {unit}; {most:g} is allowed.",
            "Export in 32 bits, and look for operations that depend on the order of numbers.",
        )


def _onnx(graph: _AsGraph, example: Tensor, fixed: bool) -> bytes:
    free = None if fixed else ({0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO},)
    buffer = io.BytesIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            graph, (example,), input_names=["cells"], output_names=graph.outputs, dynamo=True, dynamic_shapes=free,
            opset_version=18, verbose=False,
        )  # fmt: skip
    if program is None:
        raise UsageError("torch exported nothing.", "Install onnxscript: pip install 'perfuse[train]'.")
    program.save(buffer)  # type: ignore[arg-type]
    return buffer.getvalue()


def _difference(graph: _AsGraph, content: bytes, length: int, frame: tuple[int, ...]) -> tuple[float, ...]:
    """Compare torch and ONNX on one clip: waves in standard deviations, logits and attention (0 without any)."""
    rng = np.random.default_rng(length)
    slow = np.cumsum(rng.normal(0, 0.3, (1, length, *frame, 3)), axis=1)
    cells = np.clip(110 + slow + rng.normal(0, 1, slow.shape), 0, 255).astype(np.float32)
    with torch.no_grad():
        ours = {name: value.numpy()[0] for name, value in zip(graph.outputs, graph(torch.from_numpy(cells)))}
    told = Model(content).run({"cells": cells})
    apart = {name: float(np.abs(one - told[name][0]).max()) for name, one in ours.items()}
    # np.max and not max, which may lose a NaN
    waves = [apart[name] / max(float(ours[name].std()), 1e-12) for name in (PULSE, RESPIRATION) if name in apart]
    logits = [apart.get(name, 0.0) for name in (QUALITY, RESPIRATION_QUALITY)]
    return float(np.max(waves)), float(np.max(logits)), apart.get(ATTENTION, 0.0)


def _with_card(content: bytes, card: Mapping[str, Any]) -> bytes:
    import onnx

    model = onnx.load_from_string(content)
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(card)
    model.doc_string = ""
    _bare(model.graph)
    return bytes(model.SerializeToString(deterministic=True))


def _bare(graph: Any) -> None:
    """Take out where in torch each part comes from, paths of this machine; loops have graphs of their own."""
    del graph.metadata_props[:]
    graph.doc_string = ""
    for value in [*graph.value_info, *graph.input, *graph.output]:
        del value.metadata_props[:]
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _bare(attribute.g)


def _weights(student: nn.Module) -> bytes:
    from safetensors.torch import save

    return bytes(save({name: value.detach().cpu().contiguous() for name, value in student.state_dict().items()}))
