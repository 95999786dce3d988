"""How the policy learns: from what a student that had followed its advice would get wrong on clips held back.

The inner problem is the student's: labels and teacher, weighed by the policy. The outer one is the policy's: labels
alone, on other clips, after one virtual step of the student. RPM-Distill differentiates through that step
(``unroll``). With the relation detached the inner loss is linear in the weights w of the teaching, so the same
gradient is

    d outer / d w_ik = -(rate * weight / B) * <grad inner_ik, grad outer>,

which is one directional derivative of the parts of the teaching: forward-mode (``jvp``) exact and without a graph of
a graph, by two more forward passes (``finite_diff``) nearly. In words: *the gate opens for what pulls the student
where clips held back want it.*
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from perfuse.core.errors import UsageError
from perfuse.papers.rpm_distill.policy import Advice, Policy
from perfuse.papers.rpm_distill.problem import Compared, Problem, Weights
from perfuse.papers.rpm_distill.spectrum import distillation

HOW = ("jvp", "unroll", "finite_diff")
"""Ways to the gradient of a policy; the first is the usual one."""
STEPS = {torch.float64: 1e-4, torch.float32: 1e-2}
"""Length of the step of ``finite_diff`` in the space of the parameters. ASSUMED."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often and how far the policy learns; the paper's values unless said otherwise.

    Attributes
    ----------
    interval : int
        Steps of the student for one of the policy, the first step among them.
    rate : float
        Of the policy's Adam, which has no weight decay.
    virtual_rate : float, optional
        Of the virtual step; None for the student's own.
    weight : float
        Of the teaching beside the labels.
    supervised : float
        Of the labels in the inner loss; 0 if the teacher alone teaches.
    how : {"jvp", "unroll", "finite_diff"}
        Way to the gradient; the release unrolls.
    detach : bool
        Whether the policy's input counts as given. The release lets the virtual step look through it, which only
        ``unroll`` can.
    prior : float
        Added to the outer loss per unit of closed gate. ASSUMED; 0 leaves the gate to the clips held back.
    inner_prior : float
        The release's ``gate_reg``: added to the inner loss in the same way, where it reaches the policy by the
        virtual step alone, and with ``detach`` not at all.
    start : int
        Steps of the student before the policy learns at all; 0 as released. Before a student knows anything slopes
        are hundreds of times what they are later (measured), and Adam, which divides by the largest of its memory,
        then hardly moves for hundreds of updates. ASSUMED.
    """

    interval: int = 10
    rate: float = 1e-4
    virtual_rate: float | None = None
    weight: float = 1.0
    supervised: float = 1.0
    how: str = HOW[0]
    detach: bool = True
    prior: float = 0.0
    inner_prior: float = 0.0
    start: int = 0

    def __post_init__(self) -> None:
        if self.how not in HOW:
            raise UsageError(f"There is no hypergradient {self.how!r}.", f"Available: {', '.join(HOW)}.")
        if not self.detach and self.how != "unroll":
            raise UsageError(
                f"{self.how} takes the policy's input as given.", "Leave detach true, or set how to unroll."
            )
        if self.inner_prior and self.detach:
            raise UsageError(
                "inner_prior does not reach a policy whose input is detached.", "Give prior in its place."
            )
        if self.interval < 1 or self.start < 0 or self.rate <= 0 or (self.virtual_rate or 1) <= 0:
            raise UsageError(
                f"interval {self.interval}, start {self.start}, rate {self.rate:g}, "
                f"virtual_rate {self.virtual_rate}.",
                "Give an interval of 1 or more, a start of 0 or more, and rates above 0.",
            )

    def due(self, step: int) -> bool:
        """Whether the policy learns before this step of the student, counted from 0."""
        return step >= self.start and (step - self.start) % self.interval == 0


@dataclass(frozen=True, slots=True, eq=False)
class Hypergradient:
    """What a policy learns from one virtual step.

    Attributes
    ----------
    gradients : tuple of Tensor
        One for each of its parameters; zeros where it has no say.
    outer : Tensor, ()
        The loss on the clips held back after the virtual step.
    advice : Advice
        What it said, detached.
    slopes : Tensor, (B, 3), or None
        How fast each part of the teaching grows along the outer gradient: above 0 where teaching helps. ``unroll``
        does not know.
    """

    gradients: tuple[Tensor, ...]
    outer: Tensor
    advice: Advice
    slopes: Tensor | None


def hypergradient(
    problem: Problem,
    weights: Weights,
    policy: Policy,
    schedule: Schedule,
    virtual_rate: float,
    gradient: Weights | None = None,
) -> Hypergradient:
    """Return the gradient of the outer loss after one virtual step, by the policy's parameters.

    Parameters
    ----------
    problem : Problem
        Both levels. What is drawn at random in the inner one is drawn once: all passes see the same.
    weights : mapping of str to Tensor
        The student's parameters now; they stay as they are.
    policy : Policy
        In the mode it is to be asked in.
    schedule : Schedule
        The way, and the weights of the inner loss.
    virtual_rate : float
        Of the virtual step, which is a plain gradient's, whatever the student's optimiser.
    gradient : mapping of str to Tensor, optional
        Of the inner loss, where the student's own step has found it already: it is then not computed again. Not for
        ``unroll``, which needs the way to it.

    Returns
    -------
    Hypergradient
        ``jvp`` and ``unroll`` agree but for rounding. ``finite_diff`` agrees to five digits or more in float64, two
        in float32, for a smooth student; it sees through what a network holds fixed, so with FactorizePhys's
        attention it is the gradient of another function.

    Raises
    ------
    UsageError
        If ``unroll`` is given a gradient.
    """
    own = {name: value.detach().clone().requires_grad_() for name, value in weights.items()}
    if schedule.how == "unroll":
        if gradient is not None:
            raise UsageError("unroll cannot use a gradient without its graph.", "Give none, or set how to jvp.")
        return _unrolled(problem, own, policy, schedule, virtual_rate)
    chance, advice = _chance(), None
    if gradient is None:
        seen = problem.inner(own)
        advice = policy(seen.relation.detach())
        loss = _total(seen, Advice(advice.gate.detach(), advice.mix.detach()), schedule)
        gradient = dict(zip(own, _gradients(loss, list(own.values()))))
        del seen, loss  # and the graph with them
    moved = {name: (value.detach() - virtual_rate * gradient[name]).requires_grad_() for name, value in own.items()}
    outer = problem.outer(moved)
    pull = dict(zip(moved, _gradients(outer, list(moved.values()))))
    seen, slopes = (_exactly if schedule.how == "jvp" else _nearly)(problem, own, pull, chance)
    advice = policy(seen.relation) if advice is None else advice
    size = virtual_rate * schedule.weight / len(slopes)
    loss = -size * (advice.weights * slopes).sum() + schedule.prior * (1 - advice.gate).mean()
    found = tuple(_gradients(loss, list(policy.parameters())))
    return Hypergradient(found, outer.detach(), Advice(advice.gate.detach(), advice.mix.detach()), slopes)


def _unrolled(
    problem: Problem, own: Weights, policy: Policy, schedule: Schedule, virtual_rate: float
) -> Hypergradient:
    """Return it by a graph through the gradient of the virtual step, as the release does."""
    seen = problem.inner(own)
    advice = policy(seen.relation.detach() if schedule.detach else seen.relation)
    slopes = _gradients(_total(seen, advice, schedule), list(own.values()), create_graph=True)
    outer = problem.outer({name: value - virtual_rate * slope for (name, value), slope in zip(own.items(), slopes)})
    loss = outer + schedule.prior * (1 - advice.gate).mean()
    found = tuple(_gradients(loss, list(policy.parameters())))
    return Hypergradient(found, outer.detach(), Advice(advice.gate.detach(), advice.mix.detach()), None)


def _total(seen: Compared, advice: Advice, schedule: Schedule) -> Tensor:
    """Return the inner loss."""
    taught = distillation(seen.parts, advice.gate, advice.mix).mean()
    loss = schedule.supervised * seen.supervised + schedule.weight * taught
    return loss + schedule.inner_prior * (1 - advice.gate).mean() if schedule.inner_prior else loss


@torch.no_grad()
def _exactly(problem: Problem, own: Weights, pull: Weights, chance: list[Tensor]) -> tuple[Compared, Tensor]:
    """Return what is seen, and how fast its parts (B, 3) grow along ``pull``: one pass of values and tangents."""
    dual: Any = forward_ad  # without types in torch
    with _again(chance), dual.dual_level():
        seen = problem.inner({name: dual.make_dual(value.detach(), pull[name]) for name, value in own.items()})
        plain = Compared(*(dual.unpack_dual(x).primal for x in (seen.supervised, seen.parts, seen.relation)))
        slopes = dual.unpack_dual(seen.parts).tangent
    return plain, torch.zeros_like(plain.parts) if slopes is None else slopes


@torch.no_grad()
def _nearly(problem: Problem, own: Weights, pull: Weights, chance: list[Tensor]) -> tuple[Compared, Tensor]:
    """Return the same by three passes: here, a little ahead, a little behind."""
    length = torch.stack([value.double().square().sum() for value in pull.values()]).sum().sqrt()
    kind = next(iter(own.values())).dtype
    step = float(STEPS.get(kind, STEPS[torch.float32]) / length.clamp(min=1e-30))
    passes = []
    for side in (0.0, step, -step):
        with _again(chance):
            passes.append(problem.inner({name: value + side * pull[name] for name, value in own.items()}))
    return passes[0], (passes[1].parts - passes[2].parts) / (2 * step)


def _gradients(loss: Tensor, of: list[Tensor], *, create_graph: bool = False) -> list[Tensor]:
    """Return a gradient for each tensor, zeros where the loss does not depend on it."""
    found = torch.autograd.grad(loss, of, create_graph=create_graph, allow_unused=True)
    return [torch.zeros_like(one) if slope is None else slope for one, slope in zip(of, found)]


def _chance() -> list[Tensor]:
    """Return the states of all generators of this process, the CPU's first."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])]


@contextmanager
def _again(chance: list[Tensor]) -> Iterator[None]:
    """Draw once more what was drawn then; afterwards go on as if nothing had been drawn."""
    now = _chance()
    _set(chance)
    try:
        yield
    finally:
        _set(now)


def _set(chance: list[Tensor]) -> None:
    torch.set_rng_state(chance[0])
    if len(chance) > 1:
        torch.cuda.set_rng_state_all(chance[1:])
