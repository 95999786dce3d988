"""Mamba over tokens of time, in one direction or both: no library of its own, any processor.

Mamba: Gu and Dao, arXiv 2312.00752. Both directions: Vision Mamba (Zhu et al., ICML 2024), in the layout of
VideoMamba (Li et al., ECCV 2024), which shares what leads in and out, and adds up what the directions say.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError
from perfuse.nn.scan import selective_scan


class BiMamba(nn.Module):
    """Tokens (B, T, width) to as many, each having seen the others before it, and those after it.

    Both directions are one scan of twice the width, so weights of the second lie behind those of the first.

    Parameters
    ----------
    width : int
        Of a token.
    d_state : int
        States of each inner channel. ``width=64, d_state=48`` has 65,280 parameters.
    d_conv : int
        Samples that the convolution before the scan sees, the last one its own.
    expand : int
        Inner channels per channel.
    rank : int, optional
        Numbers in which the steps of all inner channels are told; ``ceil(width / 16)``.
    directions : {2, 1}
        Both, or forward in time only.

    Raises
    ------
    UsageError
        If a size is less than 1, or there are other than one or two directions.

    Notes
    -----
    Weights begin as those of LQ-rPPG do, whose global initialisation overwrites Mamba's own biases of the steps: all
    dense ones are normal with a spread of 0.02, all their biases 0 (so a step begins near ln 2), decays are 1 to
    ``d_state``, and the convolution begins as torch's.
    """

    def __init__(
        self,
        width: int,
        *,
        d_state: int = 48,
        d_conv: int = 4,
        expand: int = 2,
        rank: int | None = None,
        directions: int = 2,
    ) -> None:
        super().__init__()
        rank = math.ceil(width / 16) if rank is None else rank
        if min(width, d_state, d_conv, expand, rank) < 1 or directions not in (1, 2):
            raise UsageError(
                f"Mamba of width {width}, {d_state} states, {d_conv} samples, {expand} times, rank {rank} and "
                f"{directions} directions was asked for.",
                "Give 1 or more of each, and one or two directions.",
            )
        inner = expand * width
        self.sizes, self.directions = [rank, d_state, d_state], directions
        self.enter = nn.Linear(width, 2 * inner, bias=False)
        self.leave = nn.Linear(inner, width, bias=False)
        self.near = nn.Conv1d(directions * inner, directions * inner, d_conv, groups=directions * inner)
        self.told = nn.Parameter(torch.empty(directions, sum(self.sizes), inner))
        self.pace = nn.Parameter(torch.empty(directions, inner, rank))
        self.pace_bias = nn.Parameter(torch.zeros(directions, inner))
        self.log_decay = nn.Parameter(torch.arange(1.0, d_state + 1).log().repeat(directions, inner, 1))
        self.skip = nn.Parameter(torch.ones(directions, inner))
        for weight in (self.enter.weight, self.leave.weight, self.told, self.pace):
            nn.init.trunc_normal_(weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, T, width)."""
        x, gate = self.enter(tokens).chunk(2, dim=-1)
        both = torch.cat([x, x.flip(1)], dim=2) if self.directions == 2 else x
        seen = functional.silu(self._nearby(both))
        seen = seen.reshape(*tokens.shape[:2], self.directions, -1)  # (B, T, G, inner)
        told = torch.einsum("btgd,ged->btge", seen, self.told)
        rank, enter, leave = torch.split(told, self.sizes, dim=-1)
        step = functional.softplus(torch.einsum("btgr,gdr->btgd", rank, self.pace) + self.pace_bias)
        said = selective_scan(seen, step, -torch.exp(self.log_decay), enter, leave) + self.skip * seen
        out = said[:, :, 0] + said[:, :, 1].flip(1) if self.directions == 2 else said[:, :, 0]
        answer: Tensor = self.leave(out * functional.silu(gate))
        return answer

    def _nearby(self, x: Tensor) -> Tensor:
        """Return what the convolution says of each sample and those before it, (B, T, C)."""
        reach = self.near.kernel_size[0] - 1
        return self.near(functional.pad(x.transpose(1, 2), (reach, 0))).transpose(1, 2)  # type: ignore[no-any-return]


class MambaBlock(nn.Module):
    """A residual block: tokens, and what :class:`BiMamba` says of them normalised, added up.

    ``width=64, d_state=48`` has 65,408 parameters.

    Parameters
    ----------
    width, d_state, directions
        See :class:`BiMamba`.
    """

    def __init__(self, width: int, *, d_state: int = 48, directions: int = 2) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = BiMamba(width, d_state=d_state, directions=directions)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, T, width) for (B, T, width)."""
        return tokens + self.mix(self.norm(tokens))  # type: ignore[no-any-return]
