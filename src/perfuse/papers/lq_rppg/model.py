"""The coarse-to-fine network of LQ-rPPG.

A token a frame; then stages, each of which tells the pulse in one bit more than the one before, and adds what it told
to what the next ones see; then an estimator of the finest level. Lee, Noh, Sung, Myung, arXiv 2605.23174; the layers
are those of the authors' release. With a stem, a mixer, a number of bits or a length other than theirs it is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError, one_of
from perfuse.nn.mamba import MambaBlock
from perfuse.papers.lq_rppg.stem import find_stem, view_of

__all__ = ["C2F", "FRAMES", "MIXERS", "MOST_BITS", "soft_levels", "view_of"]

FRAMES, WIDTH, STATES = 160, 64, 48
"""Of the authors' network: frames of a clip, numbers in a token, states of a channel."""
MOST_BITS = 6
SMALLEST = 1e-6
"""Spread of an answer that says nothing."""


class C2F(nn.Module):
    """Maps clips (B, 3, T, H, W), 0..255, to ``pulse`` (B, T), which rises with blood volume. 405,453 parameters.

    Parameters
    ----------
    stem : str
        Of :data:`perfuse.papers.lq_rppg.stem.STEMS`; the clip must be as that stem takes it.
    mixer : str
        Of :data:`MIXERS`: what sees time in a stage.
    n_bits : int
        Of the finest level, 1 to 6; there is a stage for each coarser one.
    width : int
        Numbers in a token.
    d_state : int
        States of a channel, of the mixer ``mamba``.
    frames : int
        T that positions are learnt for; for another they are stretched linearly. ASSUMED: the authors' network takes
        no more than its own.

    Raises
    ------
    UsageError
        If the stem or the mixer is unknown, or the bits are too few or too many.

    Notes
    -----
    Until :meth:`set_codebooks` is called, levels are quantiles of the normal distribution, at the middle of 2^n equal
    shares. ASSUMED: the authors' are never without learnt ones.
    """

    def __init__(
        self,
        stem: str = "paper",
        mixer: str = "mamba",
        *,
        n_bits: int = 5,
        width: int = WIDTH,
        d_state: int = STATES,
        frames: int = FRAMES,
    ) -> None:
        super().__init__()
        if not 1 <= n_bits <= MOST_BITS:
            raise UsageError(f"{n_bits} bits were asked for.", f"Give 1 to {MOST_BITS}.")
        one_of("mixer", mixer, MIXERS)
        self.n_bits = n_bits
        self.stem = find_stem(stem).make(width)
        self.position = nn.Parameter(torch.zeros(1, frames, width))
        self.stages = nn.ModuleList(MIXERS[mixer](width, d_state, number) for number in range(n_bits - 1))
        self.heads = nn.ModuleList(nn.Conv1d(width, 1, 1) for _ in range(n_bits - 1))
        self.feeds = nn.ModuleList(nn.Conv1d(1, width, 1) for _ in range(n_bits - 1))
        one, two, three = (nn.Conv1d(width, width, 3, padding=1) for _ in range(3))
        last = nn.Conv1d(width, 1, 3, padding=1)
        self.estimator = nn.Sequential(one, nn.GELU(), two, nn.GELU(), three, last)
        for part in self.stem.modules():
            if isinstance(part, nn.Conv2d):  # LeCun's normal, as theirs; all else begins as torch has it
                nn.init.trunc_normal_(part.weight, std=part.weight[0].numel() ** -0.5)
                nn.init.zeros_(part.bias)  # type: ignore[arg-type]
        for bits in range(1, n_bits + 1):
            share = (torch.arange(2**bits) + 0.5) / 2**bits
            self.register_buffer(f"levels{bits}", torch.special.ndtri(share))

    @property
    def codebooks(self) -> tuple[Tensor, ...]:
        """Levels of 1, 2, ... bits, (2^n,) each, from low to high."""
        return tuple(self.get_buffer(f"levels{bits}") for bits in range(1, self.n_bits + 1))

    def set_codebooks(self, levels: Sequence[Tensor]) -> None:
        """Give levels of 1, 2, ... bits, each (2^n,), from low to high.

        Raises
        ------
        UsageError
            If there are more or fewer, or one is of another length, not finite, or in another order.
        """
        if len(levels) != self.n_bits:
            raise UsageError(f"{len(levels)} codebooks were given.", f"Give {self.n_bits}, of 1, 2, ... bits.")
        for bits, (values, own) in enumerate(zip(levels, self.codebooks, strict=True), start=1):
            if values.shape != own.shape:
                raise UsageError(
                    f"The codebook of {bits} bits has the shape {tuple(values.shape)}.", f"Give ({2**bits},)."
                )
            if not torch.isfinite(values).all() or (values[1:] < values[:-1]).any():
                raise UsageError(f"The codebook of {bits} bits is not in order.", "Give finite levels, low to high.")
        for values, own in zip(levels, self.codebooks, strict=True):
            own.copy_(values)

    def forward(self, clip: Tensor) -> dict[str, Tensor]:
        """Return ``pulse``, the finest level with a mean of 0 and a spread of 1."""
        wave = self.levels(clip)[1][-1]
        wave = wave - wave.mean(dim=1, keepdim=True)
        return {"pulse": wave / wave.square().mean(dim=1, keepdim=True).sqrt().clamp(min=SMALLEST)}

    def levels(self, clip: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return what is told in 1, 2, ... bits, each (B, T): a number a frame, and what the codebook makes of it.

        Logits of the codes are minus the distances of the number to the levels; what the codebook makes of it is
        the mean of the levels under the softmax of these.

        Raises
        ------
        UsageError
            If it is no clip.
        """
        if clip.ndim != 5 or clip.shape[1] != 3:
            raise UsageError(f"Clips of shape {tuple(clip.shape)} were given.", "Give (B, 3, T, H, W).")
        tokens = self.stem(clip)
        tokens = tokens + self._place(tokens)
        numbers, waves, fed = [], [], torch.zeros_like(tokens)
        books = self.codebooks
        for stage, head, feed, book in zip(self.stages, self.heads, self.feeds, books[:-1], strict=True):
            tokens = stage(tokens)
            numbers.append(head(tokens.transpose(1, 2))[:, 0])
            waves.append(soft_levels(numbers[-1], book))
            fed = fed + feed(waves[-1][:, None]).transpose(1, 2)
            tokens = tokens + fed  # all that was told so far, again after every stage
        numbers.append(self.estimator(tokens.transpose(1, 2))[:, 0])
        waves.append(soft_levels(numbers[-1], books[-1]))
        return numbers, waves

    def _place(self, tokens: Tensor) -> Tensor:
        """Return what is learnt of positions (1, T, width), between two of them by their distance.

        Counted from ones, not with ``interpolate``: of what that exports to no shape can be told beforehand.
        """
        ones, learnt = torch.ones_like(tokens[:1, :, 0]), self.position.shape[1]
        here = (ones.cumsum(1) - 0.5) * (learnt / ones.sum()) - 0.5
        apart = here.clamp(0, learnt - 1)[:, :, None] - torch.arange(learnt).to(tokens)
        return torch.relu(1 - apart.abs()) @ self.position


class GruBlock(nn.Module):
    """A gated recurrence in both directions in Mamba's place; ours. 18,944 parameters with ``width=64``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, T, width) for (B, T, width)."""
        x = self.norm(tokens)
        if torch.compiler.is_exporting():
            return tokens + _gru_node(self.mix, x)
        return tokens + self.mix(x)[0]  # type: ignore[no-any-return]


def _gru_node(gru: nn.GRU, x: Tensor) -> Tensor:
    """Say it as ONNX's own GRU: torch's exporter writes a step for every sample, and so for one length only."""

    def parts(kind: str) -> list[Tensor]:
        # torch orders its gates reset, update, new; ONNX wants update first
        found = [getattr(gru, f"{kind}_l0{turn}").chunk(3) for turn in ("", "_reverse")]
        return [torch.cat([update, reset, new]) for reset, update, new in found]

    biases = [torch.cat(both) for both in zip(parts("bias_ih"), parts("bias_hh"), strict=True)]
    said = torch.onnx.ops.symbolic(
        "GRU",
        (x.transpose(0, 1), torch.stack(parts("weight_ih")), torch.stack(parts("weight_hh")), torch.stack(biases)),
        attrs={"direction": "bidirectional", "hidden_size": gru.hidden_size, "linear_before_reset": 1},
        dtype=x.dtype,
        shape=(x.shape[1], 2, x.shape[0], gru.hidden_size),
        version=18,
    )
    return said.permute(2, 0, 1, 3).flatten(2)


class ConvBlock(nn.Module):
    """A dilated convolution for each channel, then across them; ours. 17,344 parameters with ``width=64``.

    The four stages of five bits together see 2 s to either side at 30 Hz.
    """

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.near = nn.Conv1d(width, width, 9, padding=4 * dilation, dilation=dilation, groups=width)
        self.mix = nn.Sequential(nn.Conv1d(width, 2 * width, 1), nn.GELU(), nn.Conv1d(2 * width, width, 1))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, T, width) for (B, T, width)."""
        return tokens + self.mix(self.near(self.norm(tokens).transpose(1, 2))).transpose(1, 2)  # type: ignore[no-any-return]


MIXERS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "mamba": lambda width, d_state, number: MambaBlock(width, d_state=d_state),
    "gru": lambda width, d_state, number: GruBlock(width),
    "conv": lambda width, d_state, number: ConvBlock(width, 2**number),
}
"""By name: width, states and the number of the stage to what sees time in it."""


def soft_levels(number: Tensor, levels: Tensor) -> Tensor:
    """Return, for every number, the mean of levels (K,), each the likelier the nearer it lies."""
    return (functional.softmax(-(number[..., None] - levels).abs(), dim=-1) * levels).sum(-1)
