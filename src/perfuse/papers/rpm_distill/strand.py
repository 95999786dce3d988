"""One vital sign of a student: which network says it, who teaches that network, and how far the teacher is believed.

A student of pulse and breathing is two of these, each with a teacher and a policy of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError
from perfuse.nn.losses import batch_mean, full
from perfuse.nn.trust import Trust
from perfuse.papers.rpm_distill.learner import Learner
from perfuse.papers.rpm_distill.policy import Advice, advised
from perfuse.papers.rpm_distill.problem import Compared, Held, compare, labelled
from perfuse.papers.rpm_distill.sense import BREATH_NEEDS, NEEDS, known, spoiled
from perfuse.papers.rpm_distill.spectrum import PARTS, PEARSON_WEIGHT, distillation
from perfuse.papers.rpm_distill.teacher import rotated
from perfuse.papers.rpm_distill.vital import Vital
from perfuse.synth.batch import Batch


@dataclass(eq=False)
class Strand:
    """What is learnt of one vital sign.

    Attributes
    ----------
    vital : Vital
        What is measured.
    network : nn.Module
        Clips (B, 3, T, H, W) to its waves (B, T), or (B, T - 1).
    judge : Trust or None
        Of its waves.
    teacher : nn.Module or None
        A batch to waves (B, T).
    learner : Learner or None
        The policy, where there is one.
    mode : str
        Of :data:`perfuse.papers.rpm_distill.task.MODES`.
    labels, spoiled : float
        Share of clips whose label may be used, and in which the teacher says something wrong.
    late : int
        Samples by which the teacher runs behind.
    shape : float
        Weight of the correlation in the supervised loss.
    released : frozenset of str
        Of :data:`perfuse.papers.rpm_distill.task.RELEASED`.
    """

    vital: Vital
    network: nn.Module
    judge: Trust | None = None
    teacher: nn.Module | None = None
    learner: Learner | None = None
    mode: str = "policy"
    labels: float = 1.0
    spoiled: float = 0.0
    late: int = 0
    shape: float = PEARSON_WEIGHT
    released: frozenset[str] = frozenset()

    def losses(self, batch: Batch, wanted: set[str]) -> dict[str, Tensor]:
        """Return those losses that are wanted, and told things; see :meth:`RpmTask.losses`.

        Raises
        ------
        UsageError
            If there is no teacher, and one is wanted; or no judge.
        """
        batch, truth = self._labelled(batch), batch
        wave = self.network(batch.clip)
        label, how = self.vital.label(batch), self._how(batch)
        if "distil" not in wanted:
            found = {"supervised": labelled(wave, label, **how)} if "supervised" in wanted else {}
        else:
            taught = self.taught(batch)
            seen = compare(wave, taught, label, late=self.late, **how)
            found = self._taught(seen, self.vital.right(taught, truth), torch.isfinite(self.vital.rate(truth)))
        if "quality" in wanted:
            found |= self._doubt(batch, wave)
        return found

    def taught(self, batch: Batch) -> Tensor:
        """Return what the teacher says of a batch, spoiled as far as it is asked to be, (B, T).

        Raises
        ------
        UsageError
            If there is none.
        """
        if self.teacher is None:
            needs = NEEDS if self.vital.name == "pulse" else BREATH_NEEDS
            raise UsageError(f"The mode {self.mode} wants a teacher of {self.vital.name}.", needs)
        if "turned" in self.released and batch.radar is not None:
            batch = replace(batch, radar=rotated(batch.radar, 2 * torch.pi * torch.rand(1)))
        with torch.no_grad():
            return spoiled(full(self.teacher(batch)), batch.items, self.spoiled)

    def advise(self, seen: Compared, good: Tensor) -> Advice:
        """Return how far the teacher is believed, without gradient; ``good`` (B,) is where it is right."""
        if self.learner is not None:
            return advised(self.learner.policy, seen.relation, dropout="dropout" in self.released)
        gate = good if self.mode == "oracle" else torch.ones_like(good)
        return Advice(gate, torch.full_like(seen.parts, 1 / len(PARTS)))

    def update(
        self,
        batch: Batch,
        held: Batch,
        rate: float,
        average: Callable[[Sequence[Tensor]], None],
        weights: Mapping[str, float],
    ) -> dict[str, float]:
        """Let the policy learn, with these weights of the losses; it does not where nothing is taught."""
        if self.learner is None or not weights.get("distil"):
            return {}
        self.learner.schedule = replace(
            self.learner.schedule, weight=weights["distil"], supervised=weights.get("supervised", 0.0)
        )
        batch = self._labelled(batch)
        taught, label = self.taught(batch), self.vital.label
        problem = Held(
            self.network, batch.clip, taught, label(batch), held.clip, label(held), late=self.late, **self._how(batch)
        )
        told = self.learner.update(problem, dict(self.network.named_parameters()), rate, average=average)
        return {f"policy_{name}": value for name, value in told.items()}

    def _labelled(self, batch: Batch) -> Batch:
        """Return the batch without the labels that may not be used."""
        if self.labels >= 1:
            return batch
        kept = torch.from_numpy(known(batch.items, self.labels)).to(batch.pulse.device)
        return self.vital.without(batch, kept)

    def _how(self, batch: Batch) -> dict[str, Any]:
        """Return what all comparisons of waves need to know."""
        return {"rate_hz": batch.rate_hz, "shape": self.shape, "vital": self.vital}

    def _taught(self, seen: Compared, good: Tensor, moves: Tensor) -> dict[str, Tensor]:
        """Return the losses, and how the gate lies to the truth."""
        advice = self.advise(seen, good)
        gate, mean = advice.gate, advice.gate.mean()
        sides = {"gate_right": moves & (good > 0), "gate_wrong": moves & (good == 0)}
        return {
            "supervised": seen.supervised,
            "distil": distillation(seen.parts, advice.gate, advice.mix).mean(),
            "gate": mean,
            **{name: torch.where(side.any(), batch_mean(gate, side), mean) for name, side in sides.items()},
            "taught_right": batch_mean(good, moves),
        }

    def _doubt(self, batch: Batch, wave: Tensor) -> dict[str, Tensor]:
        """Return the judge's loss, and ``right``, the share of right answers among clips with a known rate."""
        if self.judge is None:
            raise UsageError("The loss quality has a weight, but there is no judge.", "Set model.trust=true.")
        good = self.vital.right(wave, batch)
        logit = self.judge(batch.clip[:, :, : wave.shape[1]], [wave])
        loss = functional.binary_cross_entropy_with_logits(logit.float(), good, reduction="none")
        judged = torch.ones_like(good) > 0
        if self.labels < 1:
            judged = torch.from_numpy(known(batch.items, self.labels)).to(good.device)
        return {
            "quality": batch_mean(loss, judged),
            "right": batch_mean(good, torch.isfinite(self.vital.rate(batch))),
        }
