"""A network of this room as trainings and bundles want it."""

from __future__ import annotations

from torch import Tensor, nn

from perfuse.papers.kdphys.model import Taps


class Student(nn.Module):
    """One network; the names of its weights begin with ``network.``."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clip: Tensor) -> dict[str, Tensor]:
        """Return ``pulse`` (B, T)."""
        return {"pulse": self.network(clip)}

    def features(self, clip: Tensor) -> tuple[Tensor, Taps]:
        """Return the pulse (B, T), and the taps."""
        said: tuple[Tensor, Taps] = self.network.features(clip)  # type: ignore[operator]
        return said
