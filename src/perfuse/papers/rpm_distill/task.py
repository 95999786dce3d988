"""How RPM-Distill's student learns: from few labels, and from a second signal as far as a policy believes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError, one_of
from perfuse.core.view import Crop, Grid
from perfuse.nn.losses import batch_mean, full
from perfuse.nn.trust import Trust
from perfuse.papers.rpm_distill.card import card_of
from perfuse.papers.rpm_distill.learner import Learner
from perfuse.papers.rpm_distill.made import SIZES, WIDTH, made, schedule_of, vital_of, within
from perfuse.papers.rpm_distill.policy import Advice, Policy, advised
from perfuse.papers.rpm_distill.problem import Compared, Held, compare, labelled
from perfuse.papers.rpm_distill.sense import (
    NEEDS,
    RATE_HZ,
    SENSES,
    known,
    load_teacher,
    radar_of,
    spoiled,
)
from perfuse.papers.rpm_distill.spectrum import PARTS, PEARSON_WEIGHT, distillation
from perfuse.papers.rpm_distill.teacher import rotated
from perfuse.synth.batch import Batch

MODES = ("policy", "uniform", "alone", "policy-blind", "oracle")
"""Who decides how far the teacher is believed: the policy; nobody, it always is; nobody, it never is; a policy that
sees nothing of the clip; the truth."""
WEIGHTS = {"supervised": 1.0, "distil": 1.0, "quality": 0.0}
DOUBT = 0.2
"""Weight of the loss ``quality``, where there is a judge. ASSUMED."""
LATEST_S = 2.0
RELEASED = ("dropout", "coefficients", "turned", "together", "blue-first")
"""What the authors' release does and we do not, on request: the policy's dropout weighs the student's losses; its
second attention, which learns nothing, is there; the radar of a batch is turned by a random angle before its
frozen teacher; clips of a batch share a zero in the attention of FactorizePhys; colours come as blue, green, red."""


class RpmTask:
    """See :class:`perfuse.learn.task.Task` and :class:`perfuse.learn.task.Bilevel`.

    Parameters
    ----------
    network : str
        What learns: ``factorizephys``, the paper's student; ``small``, ours; ``small-pos``, which is also shown POS
        and CHROM. Or who teaches them afterwards:
        ``radar-teacher``, the paper's; ``radar-teacher-small``, narrower; ``radar-phase``, ours.
    vital, band : str
        What is learnt: ``pulse``, or ``respiration``, which the paper only mentions. In the band of the ``paper``, or
        of the ``house``: all heart rates that this project measures.
    size, rate_hz
        The view: pixels a side, cells for small ones; 0 is 128 and 6. Frames per second.
    width : int
        Channels of a small network.
    teacher : str
        Who teaches, see :func:`perfuse.papers.rpm_distill.sense.load_teacher`.
    mode : str
        Of :data:`MODES`.
    labels : float
        Share of the clips whose label may be used, of recordings for recorded ones. Clips held back have theirs.
    teacher_spoiled : float
        Share of the clips in which the teacher says something wrong, see
        :func:`perfuse.papers.rpm_distill.sense.spoiled`; beyond what is wrong with it anyway.
    teacher_late_s : float
        By how much it runs behind, 0 to 2 s.
    shape : float
        Weight of the correlation beside the signal-to-noise ratio in the supervised loss. The paper's 0.01 leaves
        the shape of the wave to chance.
    trust : bool
        Whether a judge is trained beside the network, see :mod:`perfuse.nn.trust`.
    schedule : mapping, optional
        For :class:`perfuse.papers.rpm_distill.bilevel.Schedule`, but for its weights, which are those of the losses.
    look : int
        Steps between two looks of a radar network at people held back.
    as_released : sequence of str
        Of :data:`RELEASED`.

    Raises
    ------
    UsageError
        If one of them is unknown or out of range.
    SourceError
        If the teacher cannot be read.
    """

    name = "rpm_distill"

    def __init__(
        self,
        *,
        network: str = "small",
        vital: str = "pulse",
        band: str = "paper",
        size: int = 0,
        rate_hz: float = RATE_HZ,
        width: int = WIDTH,
        teacher: str = "",
        mode: str = MODES[0],
        labels: float = 1.0,
        teacher_spoiled: float = 0.0,
        teacher_late_s: float = 0.0,
        shape: float = PEARSON_WEIGHT,
        trust: bool = False,
        schedule: Mapping[str, Any] | None = None,
        look: int = 100,
        as_released: Sequence[str] = (),
    ) -> None:
        one_of("network", network, tuple(SIZES))
        one_of("mode", mode, MODES)
        within("labels", labels, 1.0)
        within("teacher_spoiled", teacher_spoiled, 1.0)
        within("teacher_late_s", teacher_late_s, LATEST_S)
        for what in as_released:
            one_of("as_released", what, RELEASED)
        self.released = frozenset(as_released)
        self.vital = vital_of(vital, band, network, trust)
        self.network, self.mode, self.labels, self.spoiled = network, mode, labels, teacher_spoiled
        self.shape, self.look = shape, max(1, look)
        self.late = round(teacher_late_s * rate_hz)
        size = size or SIZES[network]
        self.view: Grid | Crop = Crop(size, rate_hz) if network == "factorizephys" else Grid(size, size, rate_hz)
        self.senses = network in SENSES
        judge = Trust(1, rate_hz=rate_hz) if trust and not self.senses else None
        self.student: nn.Module = made(network, size, rate_hz, width, judge, self.vital, self.released)
        self.weights: Mapping[str, float] = WEIGHTS | ({"quality": DOUBT} if judge else {})
        self.teacher: nn.Module | None = None
        self.learner: Learner | None = None
        helpers: dict[str, nn.Module] = {}
        if self.senses or mode == "alone":
            self.weights = {**self.weights, "distil": 0.0}
        if not self.senses and teacher:
            self.teacher = helpers["teacher"] = load_teacher(teacher, self.view, self.vital)
        if not self.senses and mode.startswith("policy"):
            policy = Policy(blind=mode == "policy-blind", coefficients="coefficients" in self.released)
            self.learner = helpers["learner"] = Learner(policy, schedule_of(schedule or {}))
        self.helpers: nn.Module = nn.ModuleDict(helpers)
        self.needs = frozenset({vital}) | ({"radar"} if self.senses else getattr(self.teacher, "needs", set()))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the losses that have a weight now, and told things.

        ``supervised``: the mean over clips whose label is known and has a pulse. ``distil``: over all clips.
        ``quality``: over clips whose label is known. Told: ``gate``; its means ``gate_right`` and ``gate_wrong`` over
        clips in which the teacher is right and wrong (of all where there are none); ``taught_right``, the share of
        the former; ``right``, the student's own.

        Raises
        ------
        UsageError
            If none has a weight, or there is no teacher.
        """
        wanted = {name for name, weight in self.weights.items() if weight}
        if not wanted:
            raise UsageError("All weights of the losses are 0.", f"Give one of them more: {', '.join(self.weights)}.")
        batch, truth = self._labelled(batch), batch
        if self.senses:
            return self._sensed(batch)
        wave = self._speaker()(batch.clip)
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
        """Return what the teacher says of a batch, spoiled as far as the task is asked to, (B, T).

        Raises
        ------
        UsageError
            If there is none.
        """
        if self.teacher is None:
            raise UsageError(f"The mode {self.mode} wants a teacher.", NEEDS)
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

    def due(self, step: int) -> bool:
        """Whether the policy learns before this step; whether a radar network is looked at."""
        if self.senses:
            return step % self.look == 0
        return self.learner is not None and self.learner.schedule.due(step)

    def update(
        self, batch: Batch, held: Batch, rate: float, average: Callable[[Sequence[Tensor]], None]
    ) -> dict[str, float]:
        """Let the policy learn; it does not where nothing is taught. Of a radar network say how right it is."""
        if self.senses:
            return self._looked(held)
        weight = self.weights.get("distil", 0.0)
        if self.learner is None or not weight:
            return {}
        batch, network = self._labelled(batch), self._speaker()
        self.learner.schedule = replace(
            self.learner.schedule, weight=weight, supervised=self.weights.get("supervised", 0.0)
        )
        taught, label = self.taught(batch), self.vital.label
        problem = Held(
            network, batch.clip, taught, label(batch), held.clip, label(held), late=self.late, **self._how(batch)
        )
        told = self.learner.update(problem, dict(network.named_parameters()), rate, average=average)
        return {f"policy_{name}": value for name, value in told.items()}

    def card(self) -> dict[str, Any]:
        """Return the card."""
        return card_of(self.network, self.mode, self.view, self.shape, self.vital, self.labels)

    def _speaker(self) -> nn.Module:
        """Return the network alone, as RPM-Distill trains it."""
        return self.student.get_submodule("network")

    def _labelled(self, batch: Batch) -> Batch:
        """Return the batch without the labels that may not be used."""
        if self.labels >= 1:
            return batch
        kept = torch.from_numpy(known(batch.items, self.labels)).to(batch.pulse.device)
        return self.vital.without(batch, kept)

    def _how(self, batch: Batch) -> dict[str, Any]:
        """Return what all comparisons of waves need to know."""
        return {"rate_hz": batch.rate_hz, "shape": self.shape, "vital": self.vital}

    def _taught(self, seen: Compared, good: Tensor, beats: Tensor) -> dict[str, Tensor]:
        """Return the losses, and how the gate lies to the truth."""
        advice = self.advise(seen, good)
        gate, mean = advice.gate, advice.gate.mean()
        sides = {"gate_right": beats & (good > 0), "gate_wrong": beats & (good == 0)}
        return {
            "supervised": seen.supervised,
            "distil": distillation(seen.parts, advice.gate, advice.mix).mean(),
            "gate": mean,
            **{name: torch.where(side.any(), batch_mean(gate, side), mean) for name, side in sides.items()},
            "taught_right": batch_mean(good, beats),
        }

    def _doubt(self, batch: Batch, wave: Tensor) -> dict[str, Tensor]:
        """Return the judge's loss, and ``right``, the share of right answers among clips with a known rate."""
        judge = self.student.trust
        if not isinstance(judge, Trust):
            raise UsageError("The loss quality has a weight, but there is no judge.", "Set model.trust=true.")
        good = self.vital.right(wave, batch)
        logit = judge(batch.clip[:, :, : wave.shape[1]], [wave])
        loss = functional.binary_cross_entropy_with_logits(logit.float(), good, reduction="none")
        judged = torch.ones_like(good) > 0
        if self.labels < 1:
            judged = torch.from_numpy(known(batch.items, self.labels)).to(good.device)
        return {"quality": batch_mean(loss, judged), "right": batch_mean(good, torch.isfinite(batch.heart_rate))}

    def _sensed(self, batch: Batch) -> dict[str, Tensor]:
        """Return the losses of a radar network, each clip's radar turned by an angle of its own."""
        angle = 2 * torch.pi * torch.rand(len(batch.items))
        wave = self.student(rotated(radar_of(batch), angle))["pulse"]
        return {
            "supervised": labelled(wave, batch.pulse, **self._how(batch)),
            "right": batch_mean(self.vital.right(wave, batch), torch.isfinite(batch.heart_rate)),
        }

    @torch.no_grad()
    def _looked(self, held: Batch) -> dict[str, float]:
        """Return how right a radar network is about people held back."""
        self.student.eval()
        wave = self.student(radar_of(held))["pulse"]
        self.student.train()
        good = batch_mean(self.vital.right(wave, held), torch.isfinite(held.heart_rate))
        loss = labelled(wave, held.pulse, **self._how(held))
        return {"held_right": float(good), "held_supervised": float(loss)}
