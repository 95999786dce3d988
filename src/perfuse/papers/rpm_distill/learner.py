"""The policy with its optimiser: one object that a training updates now and then, and that checkpoints hold whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from perfuse.core.errors import UsageError
from perfuse.papers.rpm_distill.bilevel import Schedule, hypergradient
from perfuse.papers.rpm_distill.policy import Policy
from perfuse.papers.rpm_distill.problem import Problem, Weights
from perfuse.papers.rpm_distill.spectrum import PARTS


class Learner(nn.Module):
    """A policy with its optimiser, whose state is saved and loaded with the policy's weights.

    Parameters
    ----------
    policy : Policy
        Learns.
    schedule : Schedule
        When and how.
    """

    def __init__(self, policy: Policy, schedule: Schedule | None = None) -> None:
        super().__init__()
        self.policy, self.schedule = policy, schedule or Schedule()
        self._adam: torch.optim.Adam | None = None
        self._kept: dict[str, object] | None = None

    def update(
        self,
        problem: Problem,
        weights: Weights,
        rate: float,
        *,
        gradient: Weights | None = None,
        average: Callable[[Sequence[Tensor]], None] | None = None,
    ) -> dict[str, float]:
        """Let the policy learn from one virtual step; the student stays as it is.

        Parameters
        ----------
        problem : Problem
            Both levels.
        weights : mapping of str to Tensor
            The student's parameters.
        rate : float
            The student's learning rate now, for the virtual step where the schedule names none.
        gradient : mapping of str to Tensor, optional
            See :func:`hypergradient`.
        average : callable, optional
            Puts means over processes in the place of the gradients of the parameters it is given.

        Returns
        -------
        dict of str to float
            To be logged: ``outer``, mean and spread over clips of the gate, and the mean of each part of the mix.

        Raises
        ------
        UsageError
            If the gradient is no number; the policy is then as it was.
        """
        how = self.schedule
        self.policy.train()
        found = hypergradient(problem, weights, self.policy, how, how.virtual_rate or rate, gradient)
        learnt = list(self.policy.parameters())
        for parameter, slope in zip(learnt, found.gradients):
            parameter.grad = slope
        if average is not None:
            average(learnt)
        sound = all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in learnt)
        if sound:
            self._optimiser().step()
        self.policy.zero_grad(set_to_none=True)  # the student's optimiser must not move it
        if not sound:
            raise UsageError(
                f"The policy's gradient was no number, its outer loss {float(found.outer):g}.",
                "Lower the rate of the virtual step, or of the student.",
            )
        gate, mix = found.advice.gate, found.advice.mix.mean(0)
        told = {"outer": found.outer, "gate": gate.mean(), "gate_spread": gate.std(correction=0)}
        told |= {f"mix_{name}": share for name, share in zip(PARTS, mix)}
        return {name: float(value) for name, value in told.items()}

    def get_extra_state(self) -> dict[str, object]:
        """Return the optimiser's state: empty before the first update."""
        if self._adam is None:
            return self._kept or {}
        return self._adam.state_dict()

    def set_extra_state(self, state: dict[str, object]) -> None:
        """Keep a state until the next update: the policy may still move to another device."""
        self._adam, self._kept = None, state or None

    def _optimiser(self) -> torch.optim.Adam:
        if self._adam is None:
            self._adam = torch.optim.Adam(self.policy.parameters(), self.schedule.rate)
            if self._kept:
                self._adam.load_state_dict(self._kept)
        return self._adam
