"""RhythmMamba (Zou, Guo, Hu, Ma, AAAI 2025): what LQ-rPPG compares its cost with.

Layers as in the authors' public definition, 24 blocks of width 96: 4,922,125 parameters. Counts made with hooks on
layers say 1.07 million: they miss all that Mamba and the frequency layers hold as bare tensors. Of those, 1.76
million are never read: the frequency layers keep square matrices, and use their diagonals.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError
from perfuse.nn.fusion import FusionStem, masked_mean
from perfuse.nn.inputs import standard
from perfuse.nn.mamba import BiMamba

PARTS = 4
"""Copies of the tokens that a block reads, each beginning a quarter later."""
SHORTEST = 2 * PARTS


class RhythmMamba(nn.Module):
    """Maps clips (B, 3, T, H, W), 0..255, to ``pulse`` (B, T).

    Stochastic depth, of which its training makes some use, is left out. It cannot be exported: it needs the
    transform of complex numbers in every block.

    Parameters
    ----------
    depth : int
        Blocks.
    width : int
        Numbers in a token, a multiple of 8.
    """

    def __init__(self, depth: int = 24, width: int = 96) -> None:
        super().__init__()
        self.fusion = FusionStem(width // 8, width // 4)
        self.volume = nn.Sequential(
            nn.Conv3d(width // 4, width, (2, 5, 5), stride=(2, 1, 1), padding=(0, 2, 2)), nn.BatchNorm3d(width)
        )
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.last = nn.Conv1d(width, 1, 1)

    def forward(self, clip: Tensor) -> dict[str, Tensor]:
        """Return ``pulse``.

        Raises
        ------
        UsageError
            If it is no clip, or has fewer than 8 frames.
        """
        if clip.ndim != 5 or clip.shape[1] != 3 or clip.shape[2] < SHORTEST:
            raise UsageError(
                f"Clips of shape {tuple(clip.shape)} were given.", f"Give (B, 3, T, H, W), T {SHORTEST} or more."
            )
        count = clip.shape[2]
        seen = self.fusion(standard(clip))
        if count % 2:
            seen = torch.cat([seen, seen[:, :, -1:]], dim=2)
        tokens = masked_mean(self.volume(seen))  # one for two frames
        for block in self.blocks:
            tokens = block(tokens)
        wave = functional.interpolate(self.last(tokens.transpose(1, 2)), scale_factor=2.0)
        return {"pulse": wave[:, 0, :count]}


class Block(nn.Module):
    """Mamba over the tokens and over their later quarters, averaged; then a layer on frequencies."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix = BiMamba(width, directions=1)
        self.between = nn.LayerNorm(width)
        self.rhythm = Rhythm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, T, width) for (B, T, width)."""
        tokens = tokens + self.after(self._several(tokens))
        return tokens + self.rhythm(self.between(tokens))  # type: ignore[no-any-return]

    def _several(self, tokens: Tensor) -> Tensor:
        """Return, for each quarter, the mean of what those copies say of it that begin with it or before it.

        A copy that begins later starts from a fresh state, and so knows short trends alone.
        """
        quarter = tokens.shape[1] // PARTS
        late = [torch.cat([tokens[:, k * quarter :], tokens[:, -k * quarter :]], 1) for k in range(1, PARTS)]
        said = self.mix(self.before(torch.cat([tokens, *late]))).unflatten(0, (PARTS, -1))
        out = [said[0, :, :quarter]]
        for part in range(1, PARTS):
            views = [said[k, :, (part - k) * quarter : (part - k + 1) * quarter] for k in range(part + 1)]
            out.append(torch.stack(views).mean(0))
        return torch.cat([*out, said[0, :, PARTS * quarter :]], dim=1)


class Rhythm(nn.Module):
    """Each channel's spectrum times a number of its own, with a threshold; between two dense layers."""

    def __init__(self, width: int, ratio: int = 2) -> None:
        super().__init__()
        inner = ratio * width
        self.real, self.imaginary = (nn.Parameter(0.02 * torch.randn(inner, inner)) for _ in range(2))
        self.real_bias, self.imaginary_bias = (nn.Parameter(0.02 * torch.randn(inner)) for _ in range(2))
        self.enter = nn.Sequential(nn.Conv1d(width, inner, 1, bias=False), nn.BatchNorm1d(inner), nn.ReLU())
        self.leave = nn.Sequential(nn.Conv1d(inner, width, 1, bias=False), nn.BatchNorm1d(width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, T, width) for (B, T, width)."""
        spectrum = torch.fft.fft(self.enter(tokens.transpose(1, 2)), dim=2, norm="ortho")
        a, b = self.real.diagonal()[:, None], self.imaginary.diagonal()[:, None]
        real = spectrum.real * a - spectrum.imag * b + self.real_bias[:, None]
        imaginary = spectrum.imag * a + spectrum.real * b + self.imaginary_bias[:, None]
        wave = torch.fft.ifft(torch.complex(functional.relu(real), functional.relu(imaginary)), dim=2, norm="ortho")
        return self.leave(wave.real).transpose(1, 2)  # type: ignore[no-any-return]
