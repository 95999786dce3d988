"""The one training loop.

Step ``s`` depends on the recipe, on ``s`` and on the weights alone, so a run that was killed ends the same.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from perfuse.core.errors import OutputError, UsageError
from perfuse.learn import checkpoint
from perfuse.learn.augment import augment, cut
from perfuse.learn.devices import (
    average_gradients,
    average_losses,
    free_port,
    open_fabric,
    packed,
    share_of,
    together,
)
from perfuse.learn.evenly import Source
from perfuse.learn.journal import Journal, events_writer
from perfuse.learn.recipe import Optimiser, Recipe
from perfuse.learn.runs import at_rest, set_out
from perfuse.learn.sources import HELD, held_back, mixed, notes_of, sources
from perfuse.learn.task import Bilevel, Paced, Task, total
from perfuse.learn.validate import Validator
from perfuse.synth.batch import Batch

Parts = Sequence[tuple[float, Source]]
Progress = Callable[[float, float | None, str | None], None]
TOLD = 20
"""Steps between two lines of the log."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a run.

    Attributes
    ----------
    folder : Path
        Recipe, log, checkpoint.
    steps : int
        Steps done in all.
    best : dict
        The last, or the best, validation.
    waiting : float
        Share of the time spent waiting for data, in this process.
    """

    folder: Path
    steps: int
    best: dict[str, float]
    waiting: float


def train(
    recipe: Recipe,
    task: Task,
    folder: Path,
    *,
    progress: Progress | None = None,
    tensorboard: bool = False,
    notice: Callable[[str], None] | None = None,
) -> Trained:
    """Train, or go on training.

    Parameters
    ----------
    recipe : Recipe
        What to do.
    task : Task
        Made of the recipe.
    folder : Path
        Of the run; made if there is none. With a checkpoint of the same recipe in it the run goes on from there, to
        the weights an uninterrupted run would have reached.
    progress : callable, optional
        Called with steps done, steps in all, and a word on how it goes.
    tensorboard : bool
        Write the log as TensorBoard's events as well.
    notice : callable, optional
        Called before the first step with each thing that is wrong with recordings, or not taken over from a start.

    Raises
    ------
    UsageError, SourceError
        If the recipe or its start does not fit, or a loss is no number: the message says what to change.
    OutputError
        If the folder cannot be written.
    MissingExtraError
        If TensorBoard is asked for and not installed.
    """
    writer = events_writer() if tensorboard else None
    told = set_out(recipe, task.student, folder)
    folder = _run_folder(folder, recipe)
    port = free_port() if recipe.devices > 1 else 0
    fabric = open_fabric(recipe, port=port)
    content = packed(recipe, task, folder) if recipe.devices > 1 else b""
    # before there are others: what is kept on disk is made once, and nobody waits at a meeting point meanwhile
    parts = _sources(recipe, task, fabric, progress and _before(progress, recipe.steps))
    if notice is not None:
        for note in (*told, *notes_of(source for _, source in (*parts[0], *parts[1]))):
            notice(note)
    if recipe.devices == 1:
        return _learn(recipe, task, folder, fabric, parts, progress, writer)
    with together(fabric, content, port, _beside):
        return _learn(recipe, task, folder, fabric, parts, progress, writer)


def _beside(recipe: Recipe, task: Task, folder: Path, fabric: Fabric) -> None:
    """Learn in another process than the first."""
    _learn(recipe, task, folder, fabric, _sources(recipe, task, fabric, None), None)


def _sources(
    recipe: Recipe, task: Task, fabric: Fabric, told: Callable[[int, int, str], None] | None
) -> tuple[Parts, Parts]:
    """Open what batches come from, and clips held back, in the precision of the training: a teacher may be asked."""
    _settle(nn.ModuleList([task.student, task.helpers]))
    with fabric.autocast():
        device = fabric.device.type
        return sources(recipe, task, device, told), held_back(recipe, task, device, told)


@contextmanager
def _unhindered() -> Iterator[None]:
    """Spare the processor two things meanwhile, which others of this process count on.

    Numbers below 1e-38, where gradients of filters fade and processors are much slower, are 0; and memory is not
    filled before it is written, which deterministic algorithms ask of torch and a tenth of a step goes into.
    """
    memory: Any = torch.utils.deterministic  # it is of a class that types do not know
    before = bool(torch.tensor(1e-40) * 1.0 == 0), memory.fill_uninitialized_memory
    torch.set_flush_denormal(True)
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.set_flush_denormal(before[0])
        memory.fill_uninitialized_memory = before[1]


@_unhindered()
def _learn(
    recipe: Recipe,
    task: Task,
    folder: Path,
    fabric: Fabric,
    parts: tuple[Parts, Parts],
    progress: Progress | None,
    writer: Any = None,
) -> Trained:
    """Go on from the checkpoint, or from the start."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    everything = nn.ModuleDict({"student": task.student, "helpers": task.helpers})
    how = recipe.optimiser
    learnt = [p for p in everything.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learnt, how.lr, betas=how.betas, weight_decay=how.weight_decay)
    state = checkpoint.load(folder, recipe.mark())
    averaged = {name: value.detach().clone() for name, value in task.student.state_dict().items()}
    step = 0
    if state is not None:
        everything.load_state_dict(state["weights"])
        optimiser.load_state_dict(state["optimiser"])
        averaged, step = state["averaged"], state["step"]
    validator = Validator(recipe, task, state["validation"] if state else None)
    everything.to(fabric.device)
    journal = Journal(folder, step, writer) if fabric.global_rank == 0 else None
    batches, held = mixed(parts[0], recipe.seed, step), None
    if parts[1] and isinstance(task, Bilevel):
        held = mixed(parts[1], recipe.seed + HELD, sum(task.due(before) for before in range(step)))
    run = _Run(
        recipe, task, fabric, everything, optimiser, averaged, journal, validator, folder, dict(task.weights), held,
        state.get("seen", {}) if state else {},
    )  # fmt: skip
    try:
        return run.go(batches, step, progress)
    finally:
        for running in [batches, held] if held is not None else [batches]:
            running.close()  # type: ignore[attr-defined]


@dataclass(slots=True)
class _Run:
    recipe: Recipe
    task: Task
    fabric: Fabric
    everything: nn.Module
    optimiser: torch.optim.Optimizer
    averaged: dict[str, Tensor]
    journal: Journal | None
    """None in all processes but the first, which alone tells, validates and saves."""
    validator: Validator
    folder: Path
    weights: dict[str, float]
    held: Iterator[Batch] | None
    """Clips held back, for a task that looks at some."""
    seen: dict[str, float]
    """What it told of them last."""

    def go(self, batches: Iterator[Any], step: int, progress: Progress | None) -> Trained:
        """Run from a step to the end."""
        r, waited, begin = self.recipe, 0.0, time.perf_counter()
        if step and progress is not None:
            progress(step, r.steps, "going on")
        while step < r.steps and not self.validator.enough:
            before = time.perf_counter()
            batch = next(batches)
            waited += time.perf_counter() - before
            losses = self._step(batch, step)
            step += 1
            if self.journal is not None and (step % TOLD == 0 or step == r.steps):
                self.journal.add(step=step, waiting=waited / (time.perf_counter() - begin), **losses)
            if r.validation.every and (step % r.validation.every == 0 or step == r.steps):
                self._validate(step)
            last = step == r.steps or self.validator.enough
            if self.journal is not None and (step % r.save_every == 0 or last):
                self._save(step)
            if progress is not None:
                progress(step, r.steps, f"loss {losses['total']:.3f}")
        share = waited / max(time.perf_counter() - begin, 1e-9)
        return Trained(self.folder, step, dict(self.validator.best), share)

    def _validate(self, step: int) -> None:
        """Look at the student; all processes hear whether that was enough."""
        if self.journal is not None:
            scores = self.validator.look(self.student_weights(), step)
            self.journal.add(step=step, **{f"val_{name}": value for name, value in scores.items()})
        self.validator.enough = self.fabric.broadcast(self.validator.enough)

    def _step(self, batch: Any, step: int) -> dict[str, float]:
        """Learn from one batch; all chance comes from the step's own generators."""
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + step)
        torch.manual_seed(self.recipe.seed * 1_000_003 + step)  # dropout, wherever a task has any
        batch = augment(cut(batch, self.recipe.crop, generator), self.recipe.augment, generator)
        batch = share_of(batch, self.fabric.global_rank, self.fabric.world_size)
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.recipe.optimiser, step, self.recipe.steps)
        self.everything.train()
        at_rest(self.task.student)
        self.task.weights = weights_at(self.recipe, self.weights, step)
        if isinstance(self.task, Paced):
            self.task.weights = self.task.weights_at(self.task.weights, step / self.recipe.steps)
        self._look(batch, step)
        with self.fabric.autocast():
            losses = self.task.losses(batch)
            loss = total(losses, self.task.weights)
        told = {"total": float(loss.detach()), **{name: float(value.detach()) for name, value in losses.items()}}
        told = average_losses(self.fabric, told)
        if not math.isfinite(told["total"]):
            bad = [name for name, value in told.items() if not math.isfinite(value) and name != "total"]
            raise UsageError(
                f"The loss {', '.join(bad) or 'total'} was no number at step {step}.",
                "Lower optimiser.lr or that loss's weight; the last checkpoint is whole.",
            )
        self.optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        learnt = [p for group in self.optimiser.param_groups for p in group["params"]]
        average_gradients(self.fabric, learnt)
        norm = nn.utils.clip_grad_norm_(learnt, self.recipe.optimiser.clip_norm)
        self.optimiser.step()
        self._average(step)
        return {"gradient": float(norm), **told, **self.seen}

    def _look(self, batch: Batch, step: int) -> None:
        """Show the task clips held back, where it is due; the step's own chance is as if it had seen none."""
        if self.held is None or not isinstance(self.task, Bilevel) or not self.task.due(step):
            return
        generator = torch.Generator().manual_seed((self.recipe.seed + HELD) * 1_000_003 + step)
        held = cut(next(self.held), self.recipe.crop, generator)
        held = share_of(held, self.fabric.global_rank, self.fabric.world_size)
        rate = rate_at(self.recipe.optimiser, step, self.recipe.steps)
        told = self.task.update(batch, held, rate, lambda learnt: average_gradients(self.fabric, learnt))
        self.seen = average_losses(self.fabric, told) if told else {}
        torch.manual_seed(self.recipe.seed * 1_000_003 + step)

    def _average(self, step: int) -> None:
        keep = min(self.recipe.optimiser.ema, (1 + step) / (10 + step))
        for name, value in self.task.student.state_dict().items():
            if keep and value.dtype.is_floating_point:
                self.averaged[name] = self.averaged[name].to(value.device).lerp(value.detach(), 1 - keep)
            else:
                self.averaged[name] = value.detach().clone()

    def student_weights(self) -> dict[str, Tensor]:
        """Return what would be exported now."""
        return {name: value.cpu() for name, value in self.averaged.items()}

    def _save(self, step: int) -> None:
        state = {
            "step": step,
            "weights": self.everything.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "averaged": self.student_weights(),
            "validation": self.validator.state(),
            "seen": self.seen,
        }
        checkpoint.save(self.folder, state, self.recipe.mark())


def _settle(networks: nn.Module) -> None:
    """Lay convolutions out with their channels last: in 3-D they then run up to 2.5 times as fast on a CPU."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for value in networks.parameters():
        if value.ndim in formats:
            value.data = value.data.contiguous(memory_format=formats[value.ndim])


def weights_at(recipe: Recipe, usual: dict[str, float], step: int) -> dict[str, float]:
    """Return the weights of the losses at a step: those of the first stage that has not ended, or the usual ones."""
    stage = next((stage for stage in recipe.stages if step < stage.until), None)
    return usual if stage is None else {**usual, **stage.weights}


def _before(progress: Progress, steps: int) -> Callable[[int, int, str], None]:
    """Tell of what is made before the first step."""
    return lambda done, count, what: progress(0, steps, f"{what}: {done} of {count}")


def rate_at(how: Optimiser, step: int, steps: int) -> float:
    """Return the learning rate of a step: a straight warm-up, then half a cosine down to the floor."""
    warm = min(1.0, (step + 1) / max(how.warmup, 1))
    done = min(1.0, step / max(steps, 1))
    return how.lr * warm * (how.floor + (1 - how.floor) * 0.5 * (1 + math.cos(math.pi * done)))


def _run_folder(folder: Path, recipe: Recipe) -> Path:
    """Make the folder and keep the whole recipe in it."""
    from perfuse.report.files import write_atomic

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made a folder ({error.strerror}).", "Choose another place.") from error
    write_atomic(folder / "recipe.json", json.dumps(asdict(recipe) | {"mark": recipe.mark()}, indent=1) + "\n")
    return folder
