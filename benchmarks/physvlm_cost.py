"""What the PhysVLM-style student costs: parameters, multiplications, time.

    python benchmarks/physvlm_cost.py --channels 16 32 48 --frames 128 256 512 900

One thread. Torch and ONNX Runtime see the same clip, in turns. The graph is the one that `perfuse export` writes,
with a free length; a video costs more a frame than a window where windows overlap, by window over hop. Writing one
takes a minute or so.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import onnxruntime
import torch
from torch import nn

from perfuse.export.bundle import export
from perfuse.papers.physvlm.model import Projection, Student

CARD = {
    "name": "physvlm-cost",
    "title": "PhysVLM-style, reconstructed; not trained",
    "paper": "perfuse",
    "licence": "Apache-2.0",
    "provenance": "reconstructed",
    "limits": "Not trained.",
    "view": {"kind": "grid", "rows": 8, "cols": 8, "rate_hz": 30.0},
    "window_s": 256 / 30,
    "hop_s": 128 / 30,
    "min_s": 128 / 30,
    "band_hz": [0.66, 4.0],
}


def parameters(network: nn.Module) -> int:
    """Count what is learnt."""
    return sum(p.numel() for p in network.parameters())


def multiplications(student: Student, clip: torch.Tensor) -> float:
    """Count what convolutions and dense layers multiply; octaves, spectra and filters are left out."""
    total = [0.0]

    def count(layer: nn.Module, inputs: tuple, out: torch.Tensor) -> None:
        total[0] += out.numel() * layer.weight[0].numel()

    kinds = (nn.Conv1d, nn.Conv2d, nn.Linear)
    hooks = [x.register_forward_hook(count) for x in student.modules() if isinstance(x, kinds)]
    with torch.no_grad():
        student(clip)
    for hook in hooks:
        hook.remove()
    return total[0]


def opened(student: Student, folder: Path) -> tuple[onnxruntime.InferenceSession, float]:
    """Return the exported graph on one thread, and how far it is from torch."""
    apart = export(student, CARD, folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(folder / "model.onnx"), options), apart


def spent(run: object, turns: int) -> float:
    """Return the median of processor seconds."""
    times = []
    for _ in range(turns):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return float(np.median(times))


def measure(channels: int, lengths: list[int], turns: int) -> list[str]:
    """Return the lines of one student."""
    torch.manual_seed(0)
    student = Student(channels).eval()
    clip = torch.rand(1, 3, 256, 8, 8) * 20 + 100
    lines = []
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        session, apart = opened(student, Path(folder))
        about = (
            f"| {channels} | {parameters(student):,} | {parameters(Projection(channels, 512)):,} "
            f"| {multiplications(student, clip) / 256e6:.2f} | {apart:.0e} "
        )
        for length in lengths:
            cells = (torch.rand(1, length, 8, 8, 3) * 20 + 100).numpy()
            clip = torch.from_numpy(cells).permute(0, 4, 1, 2, 3)
            runs = (lambda c=clip: student(c), lambda x=cells: session.run(None, {"cells": x}))
            for run in runs:
                run()
            ours, theirs = (1000 * spent(run, turns) / length for run in runs)
            lines.append(f"{about}| {length} | {ours:.2f} | {theirs:.2f} |")
    return lines


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, nargs="+", default=[16, 32, 48])
    parser.add_argument("--frames", type=int, nargs="+", default=[128, 256, 512, 900])
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| channels | parameters | of the projection to 512, training only | MMAC a frame | torch to ONNX, spreads ",
        end="",
    )
    print("| frames | torch, ms a frame | ONNX Runtime, ms a frame |\n|---|---|---|---|---|---|---|---|")
    for channels in options.channels:
        print("\n".join(measure(channels, options.frames, options.turns)), flush=True)


if __name__ == "__main__":
    main()
