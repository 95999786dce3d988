"""What is learnt at two levels: by the student from labels and teacher, by the policy from clips held back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn
from torch.func import functional_call

from perfuse.nn.losses import batch_mean, has_pulse
from perfuse.papers.rpm_distill.spectrum import components, features, relation, supervised

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


def compare(wave: Tensor, taught: Tensor, pulse: Tensor, *, rate_hz: float = 30.0) -> Compared:
    """Return a student's waves (B, N) beside the teacher's and the label, which may have more samples: N count."""
    count = wave.shape[1]
    own, theirs = features(wave, rate_hz=rate_hz), features(taught[:, :count].detach(), rate_hz=rate_hz)
    return Compared(_labelled(wave, pulse[:, :count], rate_hz), components(own, theirs), relation(own, theirs))


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
    """

    student: nn.Module
    clip: Tensor
    taught: Tensor
    pulse: Tensor
    held_clip: Tensor
    held_pulse: Tensor
    rate_hz: float = 30.0

    def inner(self, weights: Weights) -> Compared:
        """Return what the student learns from, with its dropout."""
        wave = _asked(self.student, weights, self.clip, training=True)
        return compare(wave, self.taught, self.pulse, rate_hz=self.rate_hz)

    def outer(self, weights: Weights) -> Tensor:
        """Return the supervised loss on the clips held back."""
        wave = _asked(self.student, weights, self.held_clip, training=False)
        return _labelled(wave, self.held_pulse[:, : wave.shape[1]], self.rate_hz)


def _labelled(wave: Tensor, pulse: Tensor, rate_hz: float) -> Tensor:
    return batch_mean(supervised(wave, pulse, rate_hz=rate_hz), has_pulse(pulse))


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
