"""What a step of RPM-Distill's policy costs: unrolled as the authors' release does, and by the ways that replace it.

Every way runs in a process of its own, one after the other, on one thread, with the same student, clips and dropout;
times are the best of a few, memory is the highest of the process less what it held before. "The student's own step"
is a forward and a backward pass over the same clips: what a training costs anyway.

    OMP_NUM_THREADS=1 python benchmarks/hypergradient.py [--sizes 1x160x72] [--out docs/results/hypergradient.md]

Sizes are of pictures; those of less than 10 pixels a side are grids of cells, and their student is our small one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import time
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch import Tensor

from perfuse.bench.machine import machine
from perfuse.papers.rpm_distill.bilevel import Schedule, hypergradient
from perfuse.papers.rpm_distill.compact import Compact
from perfuse.papers.rpm_distill.policy import Policy
from perfuse.papers.rpm_distill.problem import Held
from perfuse.papers.rpm_distill.student import FactorizePhys

SIZES = ("1x160x72", "1x256x128", "8x256x6")
"""Clips, frames, pixels a side. The paper has 256 frames of 128 pixels; our small student sees 6 x 6 cells."""
CELLS = 9
"""Most cells a side of what a small student sees."""
WAYS = {
    "the student's own step": None,
    "unroll, as released": Schedule(how="unroll", detach=False),
    "unroll": Schedule(how="unroll"),
    "jvp": Schedule(how="jvp"),
    "jvp, gradient at hand": Schedule(how="jvp"),
    "finite_diff": Schedule(how="finite_diff"),
}
RATE = 5e-5
"""Of the virtual step, the paper's."""
WANTED = 3.0
"""Times sooner."""


def problem(clips: int, frames: int, side: int, kind: torch.dtype = torch.float32, **student) -> Held:
    """Return a student before training, clips of noise on skin, and waves that it does not know yet."""
    torch.manual_seed(0)
    phase = 6.2832 / 30 * torch.arange(frames) * torch.linspace(1.1, 1.6, 3 * clips)[:, None]
    taught, pulse, held = phase.sin().to(kind).chunk(3)
    one, other = (110 + 8 * torch.randn(clips, 3, frames, side, side).to(kind) for _ in range(2))
    network = (Compact(**student) if side <= CELLS else FactorizePhys(**student)).to(kind)
    for value in network.parameters():
        if value.ndim == 5:  # as the training loop lays them out
            value.data = value.data.contiguous(memory_format=torch.channels_last_3d)
    return Held(network, one, taught, pulse, other, held)


def own_gradient(asked: Held, policy: Policy, how: Schedule) -> dict[str, Tensor]:
    """Return what the student's own step finds, with the advice that the policy gives now."""
    weights = dict(asked.student.named_parameters())
    seen = asked.inner(weights)
    advice = policy(seen.relation.detach())
    loss = seen.supervised + how.weight * (advice.weights.detach() * seen.parts).sum(1).mean()
    found = torch.autograd.grad(loss, list(weights.values()))
    return dict(zip(weights, found))


def gradient(asked: Held, policy: Policy, how: Schedule | None, before: dict[str, Tensor] | None) -> Tensor:
    """Do what is timed, with the same chance every time."""
    torch.manual_seed(1)
    if how is None:
        return torch.cat([g.flatten() for g in own_gradient(asked, policy, Schedule()).values()])
    found = hypergradient(asked, dict(asked.student.named_parameters()), policy, how, RATE, before)
    return torch.cat([one.flatten() for one in found.gradients])


def peak_mb() -> float:
    """Return the most memory held since :func:`forget_peak`, or ever where the system cannot forget."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def measure(name: str, size: tuple[int, int, int], repeat: int, end: Connection) -> None:
    """Time one way in a process of its own."""
    torch.set_num_threads(1)
    asked, how = problem(*size), WAYS[name]
    policy = Policy(dropout=0.0)
    torch.manual_seed(1)
    before = own_gradient(asked, policy, how) if how is not None and "at hand" in name else None
    forget_peak()
    held, spent = peak_mb(), []
    for _ in range(repeat):
        begin = time.process_time()
        found = gradient(asked, policy, how, before)
        spent.append(time.process_time() - begin)
    end.send((min(spent), peak_mb() - held, found.tolist()))


def alone(name: str, size: tuple[int, int, int], repeat: int) -> tuple[float, float, Tensor]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=measure, args=(name, size, repeat, theirs))
    process.start()
    theirs.close()
    spent, memory, found = ours.recv()
    process.join()
    return spent, memory, torch.tensor(found, dtype=torch.float64)


def table(size: tuple[int, int, int], repeat: int) -> list[str]:
    clips, frames, side = size
    what = f"{side} x {side} cells, small" if side <= CELLS else f"{side} x {side} pixels, FactorizePhys"
    found = {name: alone(name, size, repeat) for name in WAYS}
    plain, wanted = found["the student's own step"][0], found["unroll"][2]
    rows = [
        f"## {clips} clip{'s' * (clips > 1)} of {frames} frames, {what}",
        "",
        "| | CPU seconds | own steps | times sooner than unroll | MB | gradient differs from unroll's by |",
        "|---|---|---|---|---|---|",
    ]
    for name, (spent, memory, vector) in found.items():
        sooner, apart = "", ""
        if name != "the student's own step":
            sooner = f"{found['unroll'][0] / spent:.2f}"
            apart = f"{float((vector - wanted).norm() / wanted.norm()):.0e}"
        rows.append(f"| {name} | {spent:.2f} | {spent / plain:.1f} | {sooner} | {memory:.0f} | {apart} |")
    (slow, most, _), (jvp, held, _), (best, least, _) = (found[k] for k in ("unroll", "jvp", "jvp, gradient at hand"))
    sooner = f"{slow / jvp:.1f} times, {slow / best:.1f} with the gradient at hand"
    return [
        *rows,
        "",
        f"Sooner: {sooner} ({WANTED:g} wanted). Memory: {held / most:.0%} and {least / most:.0%} of unroll's.",
        "",
    ]


def exactness() -> list[str]:
    rows = [
        "## In 64 bits: 2 clips of 96 frames, 16 x 16 pixels, padded",
        "",
        "| | with the attention | without |",
        "|---|---|---|",
    ]
    apart: dict[str, list[str]] = {"jvp": [], "finite_diff": []}
    for attend in (True, False):
        asked = problem(2, 96, 16, torch.float64, padded=True, attend=attend)
        policy = Policy(dropout=0.0).double()
        wanted = gradient(asked, policy, WAYS["unroll"], None)
        for name, told in apart.items():
            told.append(f"{float((gradient(asked, policy, WAYS[name], None) - wanted).norm() / wanted.norm()):.0e}")
    return [*rows, *(f"| {name} | {' | '.join(told)} |" for name, told in apart.items()), ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--sizes", nargs="*", default=SIZES, help="clips x frames x pixels a side, such as 1x160x72")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        "# RPM-Distill: what a step of the policy costs",
        "",
        f"{machine()}, torch {torch.__version__}, one thread, float32; best of {asked.repeat}. FactorizePhys "
        "has 52,169 parameters, the small student 12,249, the policy 71,748. Made by "
        "`python benchmarks/hypergradient.py`. Other work on the "
        f"machine meanwhile: load {os.getloadavg()[1]:.0f} on {os.cpu_count()} cores; it slows times down by more or "
        "less, and changes no memory.",
        "",
    ]
    for size in asked.sizes:
        clips, frames, side = (int(part) for part in size.split("x"))
        lines += table((clips, frames, side), asked.repeat)
    text = "\n".join([*lines, *exactness()])
    print(text)
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
