"""The one contract of trainings: a student, what may teach it, and what to minimise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from perfuse.core.view import Crop, Grid
from perfuse.synth.batch import Batch


@runtime_checkable
class Task(Protocol):
    """What is learnt.

    Teachers and projection heads live in ``helpers``, never in the student's checkpoint. A loss of a clip depends on
    that clip alone: tasks return the mean over clips, weighting is the loop's.
    """

    name: str
    needs: frozenset[str]
    """Of ``pulse``, ``respiration``, ``radar``: what every clip must come with."""
    view: Grid | Crop
    """What the student eats."""
    student: nn.Module
    """Maps clips (B, 3, T, H, W), 0..255, to a dict of outputs, ``pulse`` (B, T) among them."""
    helpers: nn.Module
    """Whatever else is trained; empty mostly."""
    weights: Mapping[str, float]
    """Of the losses, by name."""

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return named losses (scalars); their weighted sum is minimised. Names in ``told`` are logged only."""
        ...

    def card(self) -> dict[str, Any]:
        """Return the card of the exported bundle, but for what export knows: hash, training data, scores."""
        ...


@runtime_checkable
class Taught(Protocol):
    """A task with a frozen teacher, whose words may be written down beforehand."""

    def lesson(self, clip: Tensor) -> Mapping[str, Tensor]:
        """Return what the teacher says of clips (B, 3, T, H, W): named series (B, T) and maps (B, T, h, w).

        And vectors (B, 1, D), about a clip as a whole. ``losses`` takes them from ``batch.taught`` where they are
        there; series and maps are cut with their clips, maps mirrored with them.
        """
        ...

    def lesson_key(self) -> str:
        """Return a hash of everything that decides the lessons."""
        ...


@runtime_checkable
class Paced(Protocol):
    """A task whose losses do not weigh the same all the time."""

    def weights_at(self, weights: Mapping[str, float], done: float) -> Mapping[str, float]:
        """Return the weights of a step, of those that the recipe and its stage give it.

        Parameters
        ----------
        weights : mapping
            Of the losses.
        done : float
            Share of all steps that lies behind, 0 to below 1. By this alone: a run that goes on has no other memory.
        """
        ...


@runtime_checkable
class Bilevel(Protocol):
    """A task that looks at clips held back now and then, and may learn from them what its losses cannot tell."""

    def due(self, step: int) -> bool:
        """Whether it looks before this step, counted from 0: by the step alone."""
        ...

    def update(
        self, batch: Batch, held: Batch, rate: float, average: Callable[[Sequence[Tensor]], None]
    ) -> dict[str, float]:
        """Look, and change what lies in ``helpers`` with an optimiser of its own, never the student.

        Parameters
        ----------
        batch : Batch
            What the student learns from next.
        held : Batch
            Of people whom the student never learns from, cut like the batch and not augmented.
        rate : float
            The student's learning rate at this step.
        average : callable
            Puts means over processes in the place of the gradients of the parameters it is given.

        Returns
        -------
        dict of str to float
            To be logged.
        """
        ...


def total(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Return the weighted sum of the losses that have a weight."""
    parts = [weights[name] * loss for name, loss in losses.items() if weights.get(name)]
    if not parts:
        raise ValueError(f"none of the losses {', '.join(losses)} has a weight")
    summed = parts[0]
    for part in parts[1:]:
        summed = summed + part
    return summed
