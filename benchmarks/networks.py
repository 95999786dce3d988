"""What the networks that ship cost: weights, size, multiplications, and time for each frame of video on one thread.

    python benchmarks/networks.py [--repeat 30] [--out docs/results/networks.md]

A window is run as ``perfuse measure`` runs it, on noise; windows overlap, so the time of one is shared by the frames
of a hop. Decoding and finding the face are not in it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from perfuse.bench.machine import machine
from perfuse.bench.speed import _facts
from perfuse.core.view import Crop
from perfuse.methods.network import Network
from perfuse.methods.shipped import Shipped, list_shipped


def milliseconds(method: Shipped, repeat: int) -> tuple[int, float, float]:
    """Return samples of a window, ms of one (median), and ms a frame."""
    view, rate_hz = method.view, method.view.rate_hz
    network = Network((method.folder / "model.onnx").read_bytes(), method.name)
    size = (view.size, view.size) if isinstance(view, Crop) else (view.rows, view.cols)  # type: ignore[union-attr]
    samples = round(method.window_s * rate_hz)
    window = 110 + np.random.default_rng(0).standard_normal((samples, *size, 3 + network.weighted)).astype(np.float32)
    spent = []
    for _ in range(repeat + 1):
        begin = time.perf_counter()
        network.run(window)
        spent.append(1000 * (time.perf_counter() - begin))
    middle = statistics.median(spent[1:])
    return samples, middle, middle / (method.hop_s * rate_hz)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    lines = [
        "# The networks that ship: what they cost", "",
        f"`python benchmarks/networks.py --repeat {args.repeat}`, {time.strftime('%Y-%m-%d')}, {machine()}; one "
        "thread, medians. A window is run as `perfuse measure` runs it; overlap of windows is counted, decoding and "
        "finding the face are not.", "",
        "| method | parameters | `model.onnx`, kB | million multiplications a second of video | window, samples "
        "| ms a window | ms a frame |", "| --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for method in list_shipped():
        cost, kb = _facts(method.name), (method.folder / "model.onnx").stat().st_size / 1000
        samples, whole, frame = milliseconds(method, args.repeat)
        macs = "–" if cost.macs_per_s is None else f"{cost.macs_per_s / 1e6:.0f}"
        lines.append(
            f"| `{method.name}` | {cost.parameters:,} | {kb:.0f} | {macs} | {samples} | {whole:.1f} | {frame:.3f} |"
        )
    text = "\n".join([*lines, ""])
    print(text)
    if args.out is not None:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
