"""The student as trainings and bundles want it: beside it its judges, and nothing that only training needs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from perfuse.nn.trust import Trust
from perfuse.papers.physvlm.model import Seen, Student

TOLD = ("pulse", "respiration", "attention")


class Speaker(nn.Module):
    """A network, and perhaps judges of its pulse and of its breathing.

    The names of the network's weights begin with ``network.``.
    """

    def __init__(self, network: Student, trust: Trust | None = None, breath_trust: Trust | None = None) -> None:
        super().__init__()
        self.network, self.trust, self.breath_trust = network, trust, breath_trust

    def forward(self, clip: Tensor) -> dict[str, Tensor]:
        """Return ``pulse`` and ``respiration`` (B, T), ``attention`` (B, 8, 8), and what judges say of the two waves.

        That is ``quality`` and ``respiration_quality``, logits (B,). The scalar heads of the rates are for training;
        what is not asked for is no part of an exported graph.
        """
        said = self.network(clip)
        told = {name: said[name] for name in TOLD if name in said}
        for name, wave, judge in self.judges():
            told[name] = judged(judge, clip, said[wave])
        return told

    def judges(self) -> list[tuple[str, str, Trust]]:
        """Return the judges there are: name of the output, of the wave that is judged, judge."""
        named = (("quality", "pulse", self.trust), ("respiration_quality", "respiration", self.breath_trust))
        return [(name, wave, judge) for name, wave, judge in named if judge is not None]

    def features(self, clip: Tensor) -> tuple[dict[str, Tensor], Seen]:
        """Return all that is measured, and what was seen on the way."""
        return self.network.features(clip)


def judged(judge: Trust, clip: Tensor, wave: Tensor) -> Tensor:
    """Return the logit of a wave being right; no gradient reaches the network."""
    # cells without numbers are not looked at by the network either
    logit: Tensor = judge(torch.where(torch.isfinite(clip), clip, 0.0), [wave])
    return logit
