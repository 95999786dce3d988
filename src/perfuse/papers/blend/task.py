"""How BLEND learns: correlation and spectrum where something beats, and when to trust its answer everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.view import Crop, Grid
from perfuse.papers.blend.model import Blend
from perfuse.synth.batch import Batch

RATES = torch.arange(38.0, 232.0, 2.0)
"""Beats a minute at which spectra are compared."""
SPREAD = 3.0
"""Beats a minute by which the true line is softened."""
CLOSE = 5.0
"""An answer this near counts as right when trust is learnt."""
WEIGHTS = {"pearson": 1.0, "spectrum": 0.3, "quality": 0.2}


class BlendTask:
    """See :class:`perfuse.learn.task.Task`.

    Parameters
    ----------
    rows, cols, rate_hz
        The view.
    **model
        For :class:`perfuse.papers.blend.model.Blend`.
    """

    name = "blend"
    needs = frozenset({"pulse"})

    def __init__(self, *, rows: int = 9, cols: int = 9, rate_hz: float = 30.0, **model: Any) -> None:
        self.view: Grid | Crop = Grid(rows, cols, rate_hz)
        self.student: nn.Module = Blend(rows, cols, rate_hz, **model)
        self.helpers: nn.Module = nn.Module()
        self.weights: Mapping[str, float] = WEIGHTS

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``pearson``, ``spectrum`` (of clips with a pulse) and ``quality`` (of all)."""
        said = self.student(batch.clip)
        beats = torch.isfinite(batch.heart_rate)
        rates = torch.nan_to_num(batch.heart_rate, nan=60.0)
        count = beats.sum().clamp(min=1)
        r = functional.cosine_similarity(centred(said["pulse"]), centred(batch.pulse), dim=1)
        lines = spectrum(said["pulse"], batch.rate_hz)
        wanted = torch.exp(-0.5 * ((RATES.to(lines.device) - rates[:, None]) / SPREAD) ** 2)
        wanted = wanted / wanted.sum(dim=1, keepdim=True)
        entropy = -(wanted * torch.log(lines + 1e-6)).sum(dim=1)
        read = RATES.to(lines.device)[lines.argmax(dim=1)]
        right = (beats & ((read - rates).abs() <= CLOSE)).float()
        return {
            "pearson": ((1 - r) * beats).sum() / count,
            "spectrum": (entropy * beats).sum() / count,
            "quality": functional.binary_cross_entropy_with_logits(said["quality"], right),
            "right": (right.sum() / count).detach(),
        }

    def card(self) -> dict[str, Any]:
        """Return the card."""
        return {
            "name": "blend",
            "title": "BLEND: learned weights of the face, learned time",
            "paper": "perfuse",
            "licence": "Apache-2.0",
            "provenance": "own",
            "limits": "Learnt on simulated people alone. Trust its quality, and no rate from clips under 5 s.",
            "view": {"kind": "grid", "rows": self.view.rows, "cols": self.view.cols, "rate_hz": self.view.rate_hz}
            if isinstance(self.view, Grid)
            else {},
            "window_s": 256 / self.view.rate_hz,
            "hop_s": 64 / self.view.rate_hz,
            "min_s": 3.0,
            "band_hz": [0.6, 4.0],
        }


def centred(x: Tensor) -> Tensor:
    """Subtract the mean of every wave."""
    return x - x.mean(dim=1, keepdim=True)


def spectrum(wave: Tensor, rate_hz: float) -> Tensor:
    """Return the Hann-windowed power at :data:`RATES`, (B, F), which sums to 1."""
    count = wave.shape[1]
    times = torch.arange(count, device=wave.device) / rate_hz
    window = torch.hann_window(count, device=wave.device)
    angle = 2 * torch.pi * RATES.to(wave.device)[:, None] / 60.0 * times
    tapered = centred(wave) * window
    power = (tapered @ torch.cos(angle).T) ** 2 + (tapered @ torch.sin(angle).T) ** 2
    return power / (power.sum(dim=1, keepdim=True) + 1e-9)
