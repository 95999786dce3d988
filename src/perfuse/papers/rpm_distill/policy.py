"""The policy: how far a teacher is believed in a clip, and in what, from how the two spectra relate.

RPM-Distill's spectral policy network. Its sizes are those of the authors' release; where we leave it, a switch leads
back.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError
from perfuse.papers.rpm_distill.spectrum import PARTS

GROUPS = 8
"""Of the normalisations."""
DROPOUT = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Advice:
    """What a policy says of B clips.

    Attributes
    ----------
    gate : Tensor, (B,)
        How far the teacher is believed, 0..1.
    mix : Tensor, (B, 3)
        In what, in the order of :data:`perfuse.papers.rpm_distill.spectrum.PARTS`; 0 or more, sum 1.
    """

    gate: Tensor
    mix: Tensor

    @property
    def weights(self) -> Tensor:
        """Of every part of the loss of teaching, (B, 3): they sum to the gate."""
        return self.gate[:, None] * self.mix


class Residual(nn.Module):
    """Two convolutions over three bins around a short cut."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.one, self.two = _unit(width, width, 3, dilation=dilation), _unit(width, width, 3, act=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        return functional.silu(x + self.two(self.one(x)))


class Policy(nn.Module):
    """Spectral relations (B, 3, F) to :class:`Advice`; 71,748 parameters, 72,276 as in the release.

    Initially the gate is near 0.5 and all parts count nearly alike.

    Parameters
    ----------
    width, rank, hidden : int
        Channels, attentions over the spectrum, and size of the hidden layer.
    dropout : float
        Of the hidden layer, in training.
    coefficients : bool
        Keep the release's second attention, over the ranks: it sums to 1 there and is then averaged over them, so it
        learns nothing, and only adds F / 32 times the mean over the spectrum. Without it the policy means the same
        whatever the clip's length.
    blind : bool
        See nothing of the clip, and so say the same of all: to find out what seeing is worth.

    Raises
    ------
    UsageError
        If the width is no multiple of :data:`GROUPS`.
    """

    def __init__(
        self,
        *,
        width: int = 32,
        rank: int = 8,
        hidden: int = 32,
        dropout: float = DROPOUT,
        coefficients: bool = False,
        blind: bool = False,
    ) -> None:
        super().__init__()
        if width < 1 or width % GROUPS:
            raise UsageError(f"A policy of width {width} was asked for.", f"Give a multiple of {GROUPS}.")
        self.blind, wide = blind, 2 * width
        self.spectrum = nn.Sequential(
            _unit(3, width, 5),
            Residual(width, 1),
            _unit(width, wide, 3, stride=2),
            Residual(wide, 2),
            Residual(wide, 4),
            _unit(wide, wide, 1),
        )
        self.bases = nn.Conv1d(wide, rank, 1, bias=coefficients)  # a softmax over bins does not see a bias
        self.coefficients = nn.Conv1d(wide, rank, 1) if coefficients else None
        self.hidden = nn.Linear(2 * wide, hidden)
        self.drop = nn.Dropout(dropout)
        self.mix, self.gate = nn.Linear(hidden, len(PARTS)), nn.Linear(hidden, 1)

    def forward(self, relation: Tensor) -> Advice:
        """Return how far to believe the teacher, and in what.

        Raises
        ------
        UsageError
            If the relation has another shape.
        """
        if relation.ndim != 3 or relation.shape[1] != 3:
            raise UsageError(f"Relations of shape {tuple(relation.shape)} were given.", "Give (B, 3, F).")
        x = self.spectrum(torch.zeros_like(relation) if self.blind else relation)
        looked = _looked(x, functional.softmax(self.bases(x), 2))
        if self.coefficients is not None:
            looked = (looked + _looked(x, functional.softmax(self.coefficients(x), 1))) / 2
        inner = self.drop(functional.silu(self.hidden(torch.cat([looked, x.mean(2)], 1))))
        return Advice(torch.sigmoid(self.gate(inner))[:, 0], functional.softmax(self.mix(inner), 1))


@torch.no_grad()
def advised(policy: Policy, relation: Tensor, *, dropout: bool = False) -> Advice:
    """Return a policy's advice for a student's real step: no gradient, and without dropout.

    Parameters
    ----------
    policy : Policy
        Its mode is the same afterwards.
    relation : Tensor, (B, 3, F)
        Of the pair of waves.
    dropout : bool
        Let chance weigh the student's loss, as the release does.
    """
    before = policy.training
    policy.train(dropout)
    try:
        advice: Advice = policy(relation)
    finally:
        policy.train(before)
    return advice


def _looked(x: Tensor, attention: Tensor) -> Tensor:
    """Return the mean over ranks of what each attention (B, R, F) sees of ``x`` (B, C, F): (B, C)."""
    return (attention @ x.transpose(1, 2)).mean(1)


def _unit(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, dilation: int = 1, act: bool = True
) -> nn.Module:
    pad = dilation * (kernel // 2)
    layer = nn.Conv1d(inputs, outputs, kernel, stride, pad, dilation, bias=False)
    return nn.Sequential(layer, nn.GroupNorm(GROUPS, outputs), *([nn.SiLU()] if act else []))
