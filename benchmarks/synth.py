"""How fast the simulator is: clips per second of streams, frames per second of files, and what a training step loses.

Run ``python benchmarks/synth.py [--device cuda] [--rounds 5] [--out docs/results/synth.md]``; ten to thirty minutes
on two cores that nothing else uses. Needs torch. Every figure is the mean of several rounds in one run.
"""

from __future__ import annotations

import argparse
import datetime
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # products of matrices would take all cores

import torch
from pages import renew
from torch import nn

from perfuse.bench.machine import machine
from perfuse.core.view import Crop, Grid
from perfuse.synth import Batch, stream, subject

VIEWS = {"grid 9 x 9": Grid(9, 9), "crop 36": Crop(36), "crop 72": Crop(72), "crop 128": Crop(128)}
FRAMES, BATCH, ROUNDS = 128, 16, 5
AHEAD = 2
"""Batches that a process of a stream may be ahead of whoever asks."""


class Lin(nn.Module):
    """A network on cells: statistics weigh the cells, a temporal network reads their means (60 k parameters)."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Sequential(nn.Linear(6, 32), nn.ELU(), nn.Linear(32, 8))
        layers: list[nn.Module] = [nn.Conv1d(24, 48, 7, padding=3), nn.ELU()]
        for spread in (1, 2, 4, 8):
            layers += [nn.Conv1d(48, 48, 5, padding=2 * spread, dilation=spread), nn.GroupNorm(4, 48), nn.ELU()]
        self.read = nn.Sequential(*layers, nn.Conv1d(48, 1, 1))

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, 3, T, H, W) to (B, T)."""
        light = torch.log(clip + 2.0).flatten(3)
        light = light - light.mean(2, keepdim=True)
        facts = torch.cat([light.std(2), clip.flatten(3).mean(2) / 255.0], 1).transpose(1, 2)
        weights = torch.softmax(self.weigh(facts), 1)
        means = torch.einsum("bctn,bnk->bckt", light, weights)
        return self.read(means.flatten(1, 2)).squeeze(1)


class Conv3(nn.Module):
    """A small 3-D convolutional network on crops (about 75 k parameters)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 16), (16, 24), (24, 32), (32, 32)):
            layers += [nn.Conv3d(before, after, 3, padding=1, stride=(1, 2, 2)), nn.GroupNorm(4, after), nn.ELU()]
        self.look = nn.Sequential(*layers)
        self.read = nn.Conv1d(32, 1, 1)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """(B, 3, T, H, W) to (B, T)."""
        return self.read(self.look(clip / 128.0 - 1.0).mean((3, 4))).squeeze(1)


STUDENTS: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "cell network": ("grid 9 x 9", Lin),
    "3-D network": ("crop 36", Conv3),
}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    page = []
    for line in report(arguments.device, arguments.rounds):  # told as it goes: it takes half an hour
        print(line, flush=True)
        page.append(line)
    if arguments.out:
        renew(arguments.out, "\n".join(page))


def report(device: str, rounds: int) -> Iterator[str]:
    """Write the page."""
    yield "# Speed of the simulator\n"
    yield f"`python benchmarks/synth.py --device {device} --rounds {rounds}`, {datetime.date.today():%Y-%m-%d}."
    yield f"{ran_on(device)}. Clips of {FRAMES} frames, batches of {BATCH}; domain `train` with all its codecs.\n"
    yield "## Clips per second\n"
    yield "| view | numpy, one core | torch, one core | numpy, two processes |" + (f" {device} |" * (device != "cpu"))
    yield "| --- | ---: | ---: | ---: |" + (" ---: |" * (device != "cpu"))
    for name, view in VIEWS.items():
        ways = [{}, {"device": "cpu"}, {"workers": 2}, *([{"device": device}] if device != "cpu" else [])]
        yield f"| {name} | " + " | ".join(f"{rate:.1f}" for rate in pace(view, ways, rounds)) + " |"
    yield "\n## Frames per second of files\n"
    yield "One core; 480 x 360, drawing and compressing as the domain does together.\n"
    yield "| domain | frames per second |\n| --- | ---: |"
    for domain in ("home", "lab", "motion"):
        yield f"| `{domain}` | {files(domain):.0f} |"
    yield "\n## What a training step loses\n"
    yield "Milliseconds per step of 16 clips, forward, backward and AdamW; batches at hand or fresh from a stream."
    yield "\n| student | view | step alone | fresh, made in line | fresh, made by one other process |"
    yield "| --- | --- | ---: | ---: | ---: |"
    for name, (view_name, make) in STUDENTS.items():
        alone, here, ahead = steps(VIEWS[view_name], make, device, rounds)
        fresh = f"{here:.0f} (x{here / alone:.1f}) | {ahead:.0f} (x{ahead / alone:.1f})"
        yield f"| {name} | {view_name} | {alone:.0f} | {fresh} |"


def ran_on(device: str) -> str:
    """Say what this ran on."""
    gpu = f", {torch.cuda.get_device_name()}" if device.startswith("cuda") else ""
    return f"{machine()}, torch {torch.__version__}{gpu}"


def pace(view: Grid | Crop, ways: list[dict], rounds: int) -> list[float]:
    """Clips per second of each way of making them, one way after the other."""
    found = []
    for way in ways:
        flow = stream(view, batch=BATCH, frames=FRAMES, **way)
        for _ in range(1 + AHEAD * way.get("workers", 0)):  # workers have made some ahead while nobody asked
            wait(next(flow))
        start = time.perf_counter()
        for _ in range(rounds * max(1, way.get("workers", 0))):
            wait(next(flow))
        spent = time.perf_counter() - start
        flow.close()  # type: ignore[attr-defined]
        found.append(BATCH * rounds * max(1, way.get("workers", 0)) / spent)
    return found


def wait(batch: Batch) -> None:
    """Wait until a batch is really there."""
    if isinstance(batch.clip, torch.Tensor) and batch.clip.is_cuda:
        torch.cuda.synchronize()


def files(domain: str) -> float:
    """Frames per second of writing a video."""
    person = subject(1, domain, duration_s=10, width=480, height=360)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        person.write(Path(folder) / "face.mp4")
        return len(person.times_s) / (time.perf_counter() - start)


def steps(view: Grid | Crop, make: Callable[[], nn.Module], device: str, rounds: int) -> tuple[float, float, float]:
    """Milliseconds per training step: batches at hand, made in line, made by another process."""
    torch.manual_seed(0)
    student = make().to(device)
    optimiser = torch.optim.AdamW(student.parameters(), 1e-3)

    def step(batch: Batch) -> None:
        clip, pulse = (torch.as_tensor(x, device=device) for x in (batch.clip, batch.pulse))
        wave = student(clip)
        wave, pulse = wave - wave.mean(1, keepdim=True), pulse - pulse.mean(1, keepdim=True)
        loss = 1 - torch.cosine_similarity(wave, pulse, 1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        wait(batch)

    asked = {"batch": BATCH, "frames": FRAMES}
    place = None if device == "cpu" else device
    flows = [stream(view, device=place, **asked), stream(view, workers=1, **asked)]
    held, _ = (next(flow) for flow in flows)
    step(held)
    means = []
    for source in (lambda: held, *(flow.__next__ for flow in flows)):
        count = 4 * rounds
        start = time.perf_counter()
        for _ in range(count):
            step(source())
        means.append(1000 * (time.perf_counter() - start) / count)
    for flow in flows:
        flow.close()  # type: ignore[attr-defined]
    return means[0], means[1], means[2]


if __name__ == "__main__":
    main()
