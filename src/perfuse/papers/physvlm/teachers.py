"""A teacher without weights: it takes the spectrum of the picture, and knows captions as bells on it.

Two uses: tests need a teacher that is right, and the question whether a vision-language model is needed at all needs
something to compare with. PhysVLM-style, RECONSTRUCTED.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from perfuse.core.errors import UsageError
from perfuse.nn.fourier import powers
from perfuse.papers.physvlm import prompts

STEP_HZ = 1 / 60
GRIDS_HZ = {"pulse": (0.6, 4.2), "breath": (0.08, 1.6)}
SPREAD_HZ = {"pulse": 0.06, "breath": 0.05}
"""Of a caption's bell: half a window of 8.5 s."""
TAKEN_HZ = 0.117


class SpectralTeacher:
    """See :class:`perfuse.papers.physvlm.priors.Teacher`.

    The space is two spectra side by side, as square roots: cosines are overlaps of distributions (Bhattacharyya).
    The pulse is looked for in red, breathing in green and blue, where the pulse is not.

    Parameters
    ----------
    rate_hz : float
        Columns of a picture a second.
    """

    name = "spectral"
    domains: tuple[str, ...] = ()
    scale = 40.0

    def __init__(self, rate_hz: float = 30.0) -> None:
        self.rate_hz = rate_hz
        self.grids = {
            name: torch.arange(round(low / STEP_HZ), round(high / STEP_HZ) + 1) * STEP_HZ
            for name, (low, high) in GRIDS_HZ.items()
        }
        self.dim = sum(len(grid) for grid in self.grids.values())

    def encode_image(self, rows: Tensor) -> Tensor:
        """Return the square roots of what the rows agree on, (B, dim)."""
        rows = (rows - rows.mean(3, keepdim=True)) * torch.hann_window(rows.shape[3]).to(rows)
        pulse = self._agreed(rows[:, :1], "pulse", None)
        breath = self._agreed(rows[:, 1:], "breath", pulse)
        return torch.cat([pulse, breath], 1).clamp(min=0).sqrt() / math.sqrt(2)

    def _agreed(self, rows: Tensor, of: str, pulse: Tensor | None) -> Tensor:
        """Return one distribution over a grid, (B, F): rows with a rhythm count more."""
        grid = self.grids[of].to(rows)
        power = powers(rows.transpose(2, 3), grid, self.rate_hz).sum(1)  # (B, F, rows)
        if pulse is not None:
            apart = (grid[:, None] - self.grids["pulse"].to(rows)) / TAKEN_HZ
            taken = pulse @ torch.exp(-0.5 * apart.square()).T
            power = power * (1 - taken / taken.amax(1, keepdim=True).clamp(min=1e-9)).square()[:, :, None]
        share = power / (power.sum(1, keepdim=True) + 1e-9)
        heard = torch.softmax(share.square().sum(1).sqrt() / 0.04, 1)
        mean = (share * heard[:, None]).sum(2).square()
        return mean / (mean.sum(1, keepdim=True) + 1e-12)

    def encode_text(self, sentences: Sequence[str]) -> Tensor:
        """Return bells at the rates that sentences name, (K, dim).

        Raises
        ------
        UsageError
            If one names no rate.
        """
        return torch.stack([self._bell(sentence) for sentence in sentences])

    def _bell(self, sentence: str) -> Tensor:
        about = prompts.rate_in(sentence)
        if about is None:
            raise UsageError(
                f"The spectral teacher does not understand {sentence!r}.", "Name a rate: 72 beats per minute."
            )
        parts = []
        for name, grid in self.grids.items():
            bell = torch.exp(-0.5 * ((grid - about[1] / 60) / SPREAD_HZ[name]) ** 2) * (name == about[0])
            parts.append(bell / bell.sum().clamp(min=1e-9))
        return torch.cat(parts).sqrt()

    def fingerprint(self) -> str:
        """Return a hash of its settings."""
        words = ("spectral", 3, self.rate_hz, STEP_HZ, GRIDS_HZ, SPREAD_HZ, TAKEN_HZ, self.scale)
        return hashlib.blake2b(repr(words).encode(), digest_size=8).hexdigest()
