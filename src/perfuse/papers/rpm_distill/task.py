"""How RPM-Distill's student learns: from few labels, and from a second signal as far as a policy believes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from perfuse.core.errors import UsageError, one_of
from perfuse.core.view import Crop, Grid
from perfuse.nn.losses import batch_mean
from perfuse.papers.rpm_distill.card import card_of
from perfuse.papers.rpm_distill.learner import Learner
from perfuse.papers.rpm_distill.made import BOTH, MARGIN, SIZES, WIDTH, made, schedule_of, vitals_of, within
from perfuse.papers.rpm_distill.policy import Policy
from perfuse.papers.rpm_distill.problem import labelled
from perfuse.papers.rpm_distill.sense import RATE_HZ, SENSES, load_teacher, radar_of
from perfuse.papers.rpm_distill.spectrum import PEARSON_WEIGHT
from perfuse.papers.rpm_distill.strand import Strand
from perfuse.papers.rpm_distill.student import Student
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
T = TypeVar("T")


class RpmTask:
    """See :class:`perfuse.learn.task.Task` and :class:`perfuse.learn.task.Bilevel`.

    Parameters
    ----------
    network : str
        What learns: ``factorizephys``, the paper's student; ``small``, ours; ``small-pos``, which is also shown POS
        and CHROM. Or who teaches them afterwards:
        ``radar-teacher``, the paper's; ``radar-teacher-small``, narrower; ``radar-phase``, ours.
    vital, band : str
        What is learnt: ``pulse``; ``respiration``, which the paper only mentions; or ``both`` by one student, with a
        teacher and a policy for each. Pulse in the band of the ``paper``, or of the ``house``: all heart rates that
        this project measures.
    size, rate_hz, margin
        The view: pixels a side, cells for small ones; 0 is 128 and 6. Frames per second. Side of the square in face
        boxes, 1 to 4: about 2.2 reaches below the shoulders, where breathing shows.
    width : int
        Channels of a small network.
    teacher, breath_teacher : str
        Who teaches, see :func:`perfuse.papers.rpm_distill.sense.load_teacher`; and who teaches breathing where
        ``both`` are learnt.
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
        Whether a judge of each wave is trained beside the network, see :mod:`perfuse.nn.trust`.
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
        margin: float = MARGIN,
        width: int = WIDTH,
        teacher: str = "",
        breath_teacher: str = "",
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
        if not 1 <= margin <= 4:
            raise UsageError(f"margin: {margin!r} was given.", "Pass 1 to 4.")
        within("labels", labels, 1.0)
        within("teacher_spoiled", teacher_spoiled, 1.0)
        within("teacher_late_s", teacher_late_s, LATEST_S)
        for what in as_released:
            one_of("as_released", what, RELEASED)
        if breath_teacher and vital != BOTH:
            raise UsageError(
                f"breath_teacher {breath_teacher} was named, and {vital} is learnt.",
                f"Name who teaches it in model.teacher, or set model.vital={BOTH}.",
            )
        released = frozenset(as_released)
        self.vitals = vitals_of(vital, band, network)
        self.network, self.mode, self.labels, self.shape, self.look = network, mode, labels, shape, max(1, look)
        size = size or SIZES[network]
        pixels = network == "factorizephys"
        self.view: Grid | Crop = Crop(size, rate_hz, margin) if pixels else Grid(size, size, rate_hz, margin)
        self.student: nn.Module = made(network, size, rate_hz, width, self.vitals, trust, released)
        self.strands: tuple[Strand, ...] = ()
        self.senses = network in SENSES
        self.weights: Mapping[str, float] = WEIGHTS
        if isinstance(self.student, Student):
            how: dict[str, Any] = {
                "mode": mode, "labels": labels, "spoiled": teacher_spoiled,
                "late": round(teacher_late_s * rate_hz), "shape": shape, "released": released,
            }  # fmt: skip
            for one, named in zip(self.vitals, (teacher, breath_teacher)):
                says, judge = self.student.speakers()[one.name]
                taught = load_teacher(named, self.view, one) if named else None
                self.strands += (Strand(one, says, judge, taught, self._learner(schedule or {}, released), **how),)
            self.weights = WEIGHTS | {"quality": DOUBT if trust else 0.0}
        if self.senses or mode == "alone":
            self.weights = {**self.weights, "distil": 0.0}
        helpers = {
            ("" if one.vital is self.vitals[0] else "breath_") + name: helper
            for one in self.strands
            for name, helper in (("teacher", one.teacher), ("learner", one.learner))
            if helper is not None
        }
        self.helpers: nn.Module = nn.ModuleDict(helpers)
        self.needs = frozenset(one.name for one in self.vitals).union(
            {"radar"} if self.senses else (), *(getattr(one.teacher, "needs", ()) for one in self.strands)
        )

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the losses that have a weight now, and told things.

        ``supervised``: the mean over clips whose label is known and moves. ``distil``: over all clips. ``quality``:
        over clips whose label is known. Told: ``gate``; its means ``gate_right`` and ``gate_wrong`` over clips in
        which the teacher is right and wrong (of all where there are none); ``taught_right``, the share of the former;
        ``right``, the student's own. Of two vital signs losses are summed, and all is told of each: ``pulse_gate``.

        Raises
        ------
        UsageError
            If none has a weight, or there is no teacher.
        """
        wanted = {name for name, weight in self.weights.items() if weight}
        if not wanted:
            raise UsageError("All weights of the losses are 0.", f"Give one of them more: {', '.join(self.weights)}.")
        if self.senses:
            return self._sensed(batch)
        found = [strand.losses(batch, wanted) for strand in self.strands]
        if len(found) == 1:
            return found[0]
        summed = {name: torch.stack([part[name] for part in found]).sum() for name in WEIGHTS if name in found[0]}
        return summed | self._named(found)

    def due(self, step: int) -> bool:
        """Whether the policies learn before this step; whether a radar network is looked at."""
        if self.senses:
            return step % self.look == 0
        return any(one.learner is not None and one.learner.schedule.due(step) for one in self.strands)

    def update(
        self, batch: Batch, held: Batch, rate: float, average: Callable[[Sequence[Tensor]], None]
    ) -> dict[str, float]:
        """Let the policies learn; they do not where nothing is taught. Of a radar network say how right it is."""
        if self.senses:
            return self._looked(held)
        told = [strand.update(batch, held, rate, average, self.weights) for strand in self.strands]
        return told[0] if len(told) == 1 else self._named(told)

    def card(self) -> dict[str, Any]:
        """Return the card."""
        return card_of(self.network, self.mode, self.view, self.shape, self.vitals, self.labels)

    def _learner(self, schedule: Mapping[str, Any], released: frozenset[str]) -> Learner | None:
        """Return a policy that is to learn, or None where there is none."""
        if not self.mode.startswith("policy"):
            return None
        policy = Policy(blind=self.mode == "policy-blind", coefficients="coefficients" in released)
        return Learner(policy, schedule_of(schedule))

    def _named(self, found: Sequence[Mapping[str, T]]) -> dict[str, T]:
        """Return what is told of each vital sign under its name."""
        both = zip(self.strands, found)
        return {f"{strand.vital.name}_{name}": value for strand, part in both for name, value in part.items()}

    def _sensed(self, batch: Batch) -> dict[str, Tensor]:
        """Return the losses of a radar network, each clip's radar turned by an angle of its own."""
        (vital,), how = self.vitals, self._how(batch)
        angle = 2 * torch.pi * torch.rand(len(batch.items))
        wave = self.student(rotated(radar_of(batch), angle))["pulse"]
        return {
            "supervised": labelled(wave, batch.pulse, **how),
            "right": batch_mean(vital.right(wave, batch), torch.isfinite(batch.heart_rate)),
        }

    @torch.no_grad()
    def _looked(self, held: Batch) -> dict[str, float]:
        """Return how right a radar network is about people held back."""
        (vital,), how = self.vitals, self._how(held)
        self.student.eval()
        wave = self.student(radar_of(held))["pulse"]
        self.student.train()
        good = batch_mean(vital.right(wave, held), torch.isfinite(held.heart_rate))
        loss = labelled(wave, held.pulse, **how)
        return {"held_right": float(good), "held_supervised": float(loss)}

    def _how(self, batch: Batch) -> dict[str, Any]:
        return {"rate_hz": batch.rate_hz, "shape": self.shape, "vital": self.vitals[0]}
