"""A network of this room as trainings and bundles want it."""

from __future__ import annotations

from torch import Tensor, nn

from perfuse.nn.trust import Trust
from perfuse.papers.kdphys.model import Taps


class Student(nn.Module):
    """One network, and perhaps a judge of it; the names of the network's weights begin with ``network.``."""

    def __init__(self, network: nn.Module, trust: Trust | None = None) -> None:
        super().__init__()
        self.network, self.trust = network, trust

    def forward(self, clip: Tensor) -> dict[str, Tensor]:
        """Return ``pulse`` (B, T), and from a judge ``quality`` (B,), a logit."""
        pulse = self.network(clip)
        return {"pulse": pulse} if self.trust is None else {"pulse": pulse, "quality": self.trust(clip, [pulse])}

    def features(self, clip: Tensor) -> tuple[Tensor, Taps]:
        """Return the pulse (B, T), and the taps."""
        said: tuple[Tensor, Taps] = self.network.features(clip)  # type: ignore[operator]
        return said
