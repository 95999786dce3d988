"""DILATE's cost, forward and backward: ours, and a straightforward one that leaves both derivatives to autograd.

The straightforward one writes the recursion diagonal by diagonal in torch, takes the paths as its gradient, and the
gradient of the time term through that once more; it is what the formulas say, and shares no code with ours. tslearn,
where it is installed, gives soft-DTW alone: half of the loss. All on the CPU, on one thread, after a warm-up, with
the same waves.

    OMP_NUM_THREADS=1 python benchmarks/dilate.py [--repeat 9] [--out docs/results/dilate.md]
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from perfuse.bench.machine import machine
from perfuse.nn.dilate import distortion

ALPHA, GAMMA, BATCH, FRAMES = 0.5, 0.1, 16, 128
DATE = "2026-11-22"


def straightforward(x: Tensor, y: Tensor, band: int | None) -> Tensor:
    length = x.shape[1]
    cost = ((x[:, :, None] - y[:, None, :]) ** 2).requires_grad_()
    frame = torch.arange(length, dtype=x.dtype)
    wide = length if band is None else band
    value: list[Tensor | None] = [None, None]  # the last two diagonals, by row i, and beyond their ends nothing
    for d in range(2 * length - 1):
        row = torch.arange(length)
        column = d - row
        inside = (column >= 0) & (column < length) & ((row - column).abs() <= wide)
        here = cost[:, row, column.clamp(0, length - 1)]
        if d:
            nothing = torch.full_like(here[:, :1], 1e9)
            last, before = value[-1], value[-2]
            up = torch.cat([nothing, last[:, :-1]], 1)
            both = torch.full_like(last, 1e9) if before is None else torch.cat([nothing, before[:, :-1]], 1)
            soft = -GAMMA * torch.logsumexp(torch.stack([up, last, both]) / -GAMMA, 0)
            here = here + soft
        value.append(torch.where(inside, here, 1e9))
    shape = value[-1][:, -1]
    (paths,) = torch.autograd.grad(shape.sum(), cost, create_graph=True)
    omega = ((frame[:, None] - frame) / length) ** 2
    return ALPHA * shape / length + (1 - ALPHA) * (paths * omega).sum((1, 2))


def ours(x: Tensor, y: Tensor, band: int | None, engine: str) -> Tensor:
    shape, time_ = distortion(x, y, gamma=GAMMA, band=band, engine=engine)
    return ALPHA * shape / x.shape[1] + (1 - ALPHA) * time_


def tslearn(x: Tensor, y: Tensor, band: int | None) -> Tensor:
    from tslearn.metrics import SoftDTWLossPyTorch

    return SoftDTWLossPyTorch(gamma=GAMMA)(x[:, :, None], y[:, :, None])


def timed(loss: Callable[[Tensor, Tensor], Tensor], repeat: int) -> tuple[float, float, Tensor]:
    """Milliseconds for value and gradient, median and worst, and the gradient."""
    made = torch.Generator().manual_seed(0)
    phase = 2 * torch.pi * 1.2 * torch.arange(FRAMES, dtype=torch.float64) / 30
    y = torch.sin(phase).repeat(BATCH, 1) * 2**0.5
    noise = torch.randn(y.shape, generator=made, dtype=y.dtype)
    spent, gradient = [], y
    for _ in range(repeat + 1):
        x = (torch.roll(y, 3, 1) + 0.3 * noise).requires_grad_()
        begin = time.perf_counter()
        (gradient,) = torch.autograd.grad(loss(x, y).sum(), x)
        spent.append(1000 * (time.perf_counter() - begin))
    return statistics.median(spent[1:]), max(spent[1:]), gradient


def table(repeat: int) -> list[str]:
    rows = [
        "| band | ours, ms | ours on torch, ms | straightforward, ms | times sooner | gradients differ by |",
        "|---|---|---|---|---|---|",
    ]
    for band in (None, 15, 8):
        plain, plain_worst, wanted = timed(lambda x, y, b=band: straightforward(x, y, b), repeat)
        quick, quick_worst, found = timed(lambda x, y, b=band: ours(x, y, b, "numpy"), repeat)
        portable, portable_worst, _ = timed(lambda x, y, b=band: ours(x, y, b, "torch"), repeat)
        rows.append(
            f"| {'none' if band is None else band} | {quick:.1f} (worst {quick_worst:.1f}) | {portable:.1f} "
            f"(worst {portable_worst:.1f}) | {plain:.0f} (worst {plain_worst:.0f}) | {plain / quick:.0f} "
            f"| {(found - wanted).abs().max():.0e} |"
        )
    if importlib.util.find_spec("tslearn"):
        from importlib.metadata import version

        half, worst, gradient = timed(lambda x, y: tslearn(x, y, None), repeat)
        _, _, wanted = timed(lambda x, y: distortion(x, y, gamma=GAMMA)[0], 1)
        rows += [
            "",
            f"tslearn {version('tslearn')}, `SoftDTWLossPyTorch` (numba, compiled beforehand): {half:.0f} ms (worst "
            f"{worst:.0f}) for soft-DTW alone, without band or time term; its gradient differs from ours of it by"
            f" {(gradient - wanted).abs().max():.0e}.",
        ]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    text = "\n".join(
        [
            "# DILATE: shape and time, value and gradient",
            "",
            f"{DATE}. {machine()}, torch {torch.__version__}, one thread. Batch {BATCH}, T = {FRAMES}, gamma "
            f"{GAMMA}, alpha {ALPHA}, float64; median of {asked.repeat} after one to warm up. The machine was "
            "shared, so worst times mean little. Straightforward: anti-diagonals in torch, autograd through the "
            "recursion and through its gradient. Made by `python benchmarks/dilate.py`.",
            "",
            *table(asked.repeat),
            "",
        ]
    )
    print(text)
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
