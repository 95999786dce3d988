"""Teachers that do not learn."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Frozen(nn.Module):
    """A network that stays as it is: evaluation mode whatever ``train()`` is told, no gradients, no memory for them.

    Parameters
    ----------
    network : nn.Module
        The teacher. Its parameters stop asking for gradients.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Frozen:
        """Stay in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, clip: Tensor) -> Any:
        """Return what the teacher says."""
        return self.network(clip)

    @torch.no_grad()
    def features(self, clip: Tensor) -> Any:
        """Return what the teacher says, and its taps."""
        return self.network.features(clip)  # type: ignore[operator]
