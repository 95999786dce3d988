"""Several devices: processes that hold the same weights, each with its share of every batch.

This process is the first of them: it alone validates, tells and saves. Every process makes the whole batch, changes
it by the same chance, and takes its rows; gradients are averaged. Batches that are dear to make come no faster.

The weights are those of one device, but for rounding, where a loss is a plain mean over clips. Where it is a mean
over clips with a pulse, of which shares may hold unequal numbers, they differ slightly; dropout, and batch
normalisation, whose statistics are those of a share, add to that.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor

from perfuse.core.errors import PerfuseError, UsageError
from perfuse.core.workers import _follow_parent
from perfuse.learn.recipe import Recipe
from perfuse.learn.task import Task
from perfuse.synth.batch import Batch

PATIENCE = timedelta(hours=6)
"""For a process that waits for others: the first one may paint the clips of its validation meanwhile."""
LEAVE_S = 30.0
"""For processes whose work is done, or whose first one is gone."""
LOST_S = 5.0
"""From the end of a connection to that of the process behind it."""
ADDRESS = "127.0.0.1"

Part = Callable[[Recipe, Task, Path, Fabric], object]


class _Seat(LightningEnvironment):
    """Which of the processes this is; they are ours to start."""

    def __init__(self, rank: int, port: int) -> None:
        super().__init__()
        self.rank, self.port = rank, port

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return ADDRESS

    @property
    def main_port(self) -> int:
        return self.port

    def local_rank(self) -> int:
        return self.rank


def open_fabric(recipe: Recipe, rank: int = 0, port: int = 0) -> Fabric:
    """Return the device of a process; several are not yet joined.

    Raises
    ------
    UsageError
        If there are not as many devices.
    """
    more: dict[str, Any] = {}
    if recipe.devices > 1:
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it greets from every process
        more = {"strategy": DDPStrategy(timeout=PATIENCE), "plugins": [_Seat(rank, port)]}
    try:
        return Fabric(accelerator=recipe.device, devices=recipe.devices, precision=recipe.precision, **more)  # type: ignore[arg-type]
    except (RuntimeError, ValueError) as error:
        if recipe.devices == 1:
            raise
        told = " ".join(str(error).split())
        raise UsageError(f"devices: {recipe.devices} was given ({told}).", "Ask for as many as there are.") from error


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def packed(recipe: Recipe, task: Task, folder: Path) -> bytes:
    """Return what another process needs; plain pickle copies tensors where multiprocessing would share them.

    Raises
    ------
    UsageError
        If the task cannot be pickled.
    """
    try:
        return pickle.dumps((recipe, task, folder))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UsageError(
            f"The task {task.name} cannot be handed to other processes ({error}).", "Train with devices: 1."
        ) from error


@contextmanager
def together(fabric: Fabric, content: bytes, port: int, part: Part) -> Iterator[None]:
    """Join the other processes, which do their part until they are done or this one leaves.

    Parameters
    ----------
    fabric : Fabric
        Of the first process.
    content : bytes
        Of :func:`packed`.
    port : int
        Where they meet.
    part : callable
        A function of a module: recipe, task, folder and a joined fabric.

    Raises
    ------
    UsageError
        If one of the others cannot begin, or ends before this one.
    """
    world = fabric.world_size
    context = multiprocessing.get_context("spawn")
    kept = {name: os.environ.get(name) for name in ("MASTER_ADDR", "MASTER_PORT")}
    threads = torch.get_num_threads()
    ends = [context.Pipe(duplex=False) for _ in range(1, world)]
    others = [
        context.Process(target=_other, args=(rank, port, content, part, end[1], max(1, threads // world)))
        for rank, end in enumerate(ends, 1)
    ]
    try:
        for process in others:
            process.start()
        for process, (ours, theirs) in zip(others, ends):
            theirs.close()
            _hear(process, ours)
        torch.set_num_threads(max(1, threads // world))
        fabric.launch()
        yield
    except RuntimeError as error:  # what collectives say when another process is gone
        ended = wait([process.sentinel for process in others], LOST_S)
        lost = [process for process in others if process.sentinel in ended]
        for process in lost:
            process.join(LOST_S)  # a process that ends lets go of its sentinel before it has an exit code
        if not lost:
            raise
        raise UsageError(
            f"A process of the training ended ({_cause(ends, lost[0].exitcode)}).",
            "The last checkpoint is whole: the same command goes on from there.",
        ) from error
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()  # whoever still waits for this process hears of it
        torch.set_num_threads(threads)
        for name, value in kept.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        for process in others:
            if process.pid is not None:
                process.join(LEAVE_S)
                process.terminate()
                process.join()


def share_of(batch: Batch, rank: int, world: int) -> Batch:
    """Return every ``world``-th clip of a batch, from number ``rank`` on."""
    if world == 1:
        return batch
    plain = {f.name: getattr(batch, f.name) for f in fields(batch) if f.name not in ("rate_hz", "taught")}
    part: dict[str, Any] = {name: None if values is None else values[rank::world] for name, values in plain.items()}
    taught = batch.taught and {name: values[rank::world] for name, values in batch.taught.items()}
    return replace(batch, **part, taught=taught)


def average_losses(fabric: Fabric, losses: dict[str, float]) -> dict[str, float]:
    """Return the means over processes: all of them then stop at a loss that is no number, or none."""
    if fabric.world_size == 1:
        return losses
    values = torch.tensor(list(losses.values()), dtype=torch.float32, device=fabric.device)
    return dict(zip(losses, (_summed(fabric, values) / fabric.world_size).tolist()))


def average_gradients(fabric: Fabric, learnt: Sequence[Tensor]) -> None:
    """Put the mean over processes in the place of every gradient; one that nobody has stays None."""
    if fabric.world_size == 1:
        return
    there = torch.tensor([float(p.grad is not None) for p in learnt], device=fabric.device)
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in learnt]
    summed = _summed(fabric, torch.cat([there, *(grad.flatten() for grad in grads)]))
    counts, place = summed[: len(learnt)].tolist(), len(learnt)
    for p, grad, count in zip(learnt, grads, counts):
        if count:
            p.grad = (summed[place : place + grad.numel()] / fabric.world_size).view_as(grad)
        place += grad.numel()


def _summed(fabric: Fabric, values: Tensor) -> Tensor:
    total = fabric.all_reduce(values, reduce_op="sum")
    assert isinstance(total, Tensor)
    return total


def _other(rank: int, port: int, content: bytes, part: Part, end: Connection, threads: int) -> None:
    """Do the part of another process than the first."""
    _follow_parent()
    torch.set_num_threads(threads)
    try:
        recipe, task, folder = pickle.loads(content)
        fabric = open_fabric(recipe, rank, port)
        end.send(None)
        fabric.launch()
        part(recipe, task, folder, fabric)
    except (PerfuseError, RuntimeError, OSError) as error:
        end.send(" ".join(str(error).split()))
        raise SystemExit(1) from None
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _hear(process: Any, end: Connection) -> None:
    """Wait until a process is ready to join; those that wait for one that never comes would wait for hours."""
    wait([end, process.sentinel])
    try:
        told = end.recv()
    except EOFError:
        told = "in a script, train under: if __name__ == '__main__'"
    if told is not None:
        raise UsageError(f"Another process of the training could not begin ({told}).", "Train with devices: 1.")


def _cause(ends: Sequence[tuple[Connection, Connection]], code: int | None) -> str:
    """Return what a process said when it ended."""
    for end, _ in ends:
        with suppress(EOFError):
            if end.poll():
                return str(end.recv())
    return f"exit code {code}"
