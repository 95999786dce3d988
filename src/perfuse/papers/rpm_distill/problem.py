"""What is learnt at two levels: by the student from labels and teacher, by the policy from clips held back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn
from torch.func import functional_call

from perfuse.nn.losses import batch_mean, has_pulse
from perfuse.papers.rpm_distill.spectrum import PEARSON_WEIGHT, components, features, relation, supervised
from perfuse.papers.rpm_distill.vital import PULSE, Vital

Weights = Mapping[str, Tensor]
"""A student's parameters by name."""


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """A student's answer for B clips beside label and teacher.

    Attributes
    ----------
    supervised : Tensor, ()
        What labels say; the mean over clips with a pulse.
    parts : Tensor, (B, 3)
        How far it is from the teacher, see :func:`perfuse.papers.rpm_distill.spectrum.components`.
    relation : Tensor, (B, 3, F)
        What the policy sees.
    """

    supervised: Tensor
    parts: Tensor
    relation: Tensor


class Problem(Protocol):
    """Both levels, as functions of the student's parameters."""

    def inner(self, weights: Weights) -> Compared:
        """Return what the student learns from, in training mode."""
        ...

    def outer(self, weights: Weights) -> Tensor:
        """Return what the policy learns from, (): the loss on clips held back, in evaluation mode."""
        ...


def compare(
    wave: Tensor,
    taught: Tensor,
    pulse: Tensor,
    *,
    rate_hz: float = 30.0,
    late: int = 0,
    shape: float = PEARSON_WEIGHT,
    vital: Vital = PULSE,
) -> Compared:
    """Return a student's waves beside the teacher's and the label.

    Parameters
    ----------
    wave : Tensor, (B, N)
        The student's.
    taught, pulse : Tensor, (B, N) or longer
        The teacher's, and the label; the first N samples count.
    rate_hz : float
        Samples per second.
    late : int
        Samples by which the teacher runs behind: its sample i is of the student's moment i - late.
    shape : float
        Weight of the correlation in the supervised loss.
    vital : Vital
        What is measured, and in which band.

    Raises
    ------
    UsageError
        If too little is left to have a spectrum.
    """
    count = wave.shape[1]
    own = features(wave[:, : count - late], rate_hz=rate_hz, band_hz=vital.band_hz)
    theirs = features(taught[:, late:count].detach(), rate_hz=rate_hz, band_hz=vital.band_hz)
    known = labelled(wave, pulse, rate_hz=rate_hz, shape=shape, vital=vital)
    return Compared(known, components(own, theirs), relation(own, theirs))


def labelled(
    wave: Tensor, pulse: Tensor, *, rate_hz: float = 30.0, shape: float = PEARSON_WEIGHT, vital: Vital = PULSE
) -> Tensor:
    """Return the supervised loss, (): the mean over clips whose label moves; 0 if there are none."""
    pulse = pulse[:, : wave.shape[1]]
    return batch_mean(supervised(wave, pulse, rate_hz=rate_hz, shape=shape, vital=vital), has_pulse(pulse))


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A student's problem: clips to learn from, and clips held back.

    Attributes
    ----------
    student : nn.Module
        Clips (B, 3, T, H, W), or whatever it eats, to waves (B, N). Its own parameters play no part, and its mode
        stays as it is.
    clip, taught, pulse : Tensor
        To learn from: what it eats, the teacher's waves and the labels, (B, N) or longer.
    held_clip, held_pulse : Tensor
        Held back.
    rate_hz : float
        Frames per second.
    late : int
        Samples by which the teacher runs behind.
    shape : float
        Weight of the correlation in the supervised loss.
    vital : Vital
        What is measured, and in which band.
    """

    student: nn.Module
    clip: Tensor
    taught: Tensor
    pulse: Tensor
    held_clip: Tensor
    held_pulse: Tensor
    rate_hz: float = 30.0
    late: int = 0
    shape: float = PEARSON_WEIGHT
    vital: Vital = PULSE

    def inner(self, weights: Weights) -> Compared:
        """Return what the student learns from, with its dropout."""
        wave = _asked(self.student, weights, self.clip, training=True)
        return compare(wave, self.taught, self.pulse, late=self.late, **self._how)

    def outer(self, weights: Weights) -> Tensor:
        """Return the supervised loss on the clips held back."""
        wave = _asked(self.student, weights, self.held_clip, training=False)
        return labelled(wave, self.held_pulse, **self._how)

    @property
    def _how(self) -> dict[str, Any]:
        return {"rate_hz": self.rate_hz, "shape": self.shape, "vital": self.vital}


def _asked(student: nn.Module, weights: Weights, clip: Tensor, *, training: bool) -> Tensor:
    """Return what a student with other weights says, and leave its mode as it was."""
    modes = [(part, part.training) for part in student.modules()]
    student.train(training)
    try:
        wave: Tensor = functional_call(student, dict(weights), (clip,))
    finally:
        for part, before in modes:
            part.training = before
    return wave
