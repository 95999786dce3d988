"""The student as trainings and bundles want it: beside it a judge, and nothing that only training needs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from perfuse.nn.trust import Trust
from perfuse.papers.physvlm.model import Seen, Student

TOLD = ("pulse", "respiration", "attention")


class Speaker(nn.Module):
    """A network, and perhaps a judge of its pulse; the names of the network's weights begin with ``network.``."""

    def __init__(self, network: Student, trust: Trust | None = None) -> None:
        super().__init__()
        self.network, self.trust = network, trust

    def forward(self, clip: Tensor) -> dict[str, Tensor]:
        """Return ``pulse`` and ``respiration`` (B, T), ``attention`` (B, 8, 8), and ``quality`` (B,), a logit.

        The scalar heads of the rates are for training; what is not asked for is no part of an exported graph.
        """
        said = self.network(clip)
        told = {name: said[name] for name in TOLD if name in said}
        if self.trust is not None:
            told["quality"] = self.judged(clip, said["pulse"])
        return told

    def features(self, clip: Tensor) -> tuple[dict[str, Tensor], Seen]:
        """Return all that is measured, and what was seen on the way."""
        return self.network.features(clip)

    def judged(self, clip: Tensor, pulse: Tensor) -> Tensor:
        """Return the logit of a pulse being right; no gradient reaches the network."""
        assert self.trust is not None
        # cells without numbers are not looked at by the network either
        logit: Tensor = self.trust(torch.where(torch.isfinite(clip), clip, 0.0), [pulse])
        return logit
