"""A student that learns in minutes on a CPU: weights of the cells, then time. Ours, and no part of the paper.

RPM-Distill asks nothing of its student but a wave. This one reads a small grid of cells; each is judged by how
restless and how bright it is, colours are averaged with these weights, and a temporal network reads the averages.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError
from perfuse.nn.fourier import exporting
from perfuse.nn.traces import EPS, moving, named, spread

SLOW_S = 2.0
"""What moves slower than this is light, not pulse."""
BREATH_S, POOL = 16.0, 4
"""For breathing: what moves slower than this is light; frames that are averaged first, to 7.5 a second. ASSUMED."""
SIGNS = 9
"""What is told of a cell."""
DILATIONS = (1, 2, 4, 8, 16)
"""They see 2.2 s to either side at 30 Hz."""
PER_MAP = 5
"""Channels of the temporal network for every weighting of the cells."""


class Compact(nn.Module):
    """Clips (B, 3, T, rows, cols), 0..255, to the pulse (B, T), any scale; 12,249 parameters, 13,369 with ``named``.

    Averages stay linear in the colours: a single cell has far more noise than pulse. A clip is read alone, and its
    brightness hardly matters.

    Parameters
    ----------
    rate_hz : float
        Frames per second.
    width : int
        Channels of the temporal network, a multiple of 4; for every five one weighting of the cells is learnt.
    dilations : sequence of int
        Of its layers.
    breath : bool
        Find breathing: it is slow, so fewer frames will do; and it moves a face up and down, so a cell is also judged
        by where it lies.
    named : bool
        Show the temporal network POS and CHROM of every average as well: what these know need not be learnt.

    Raises
    ------
    UsageError
        If the width is no multiple of 4, or less than 8.
    """

    steps = False

    def __init__(
        self,
        *,
        rate_hz: float = 30.0,
        width: int = 20,
        dilations: Sequence[int] = DILATIONS,
        breath: bool = False,
        named: bool = False,
    ) -> None:
        super().__init__()
        if width < 8 or width % 4:
            raise UsageError(f"A small network of width {width} was asked for.", "Give a multiple of 4, 8 or more.")
        maps = width // PER_MAP
        self.breath, self.named, self.pool = breath, named, POOL if breath else 1
        self.rate_hz = rate_hz / self.pool
        self.slow = round((BREATH_S if breath else SLOW_S) * rate_hz / self.pool / 2)
        self.judge = nn.Sequential(nn.Linear(SIGNS + 2 * breath, 16), nn.ELU(), nn.Linear(16, maps))
        self.enter = nn.Conv1d((3 + 2 * named) * maps, width, 7, padding=3)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv1d(width, width, 5, padding=2 * d, dilation=d), nn.GroupNorm(4, width), nn.ELU())
            for d in dilations
        )
        self.leave = nn.Conv1d(width, 1, 1)

    def forward(self, clip: Tensor) -> Tensor:
        """Return the pulse, rising with blood volume; or lung volume.

        Raises
        ------
        UsageError
            If the clip has another shape, or a single frame.
        """
        if not exporting() and (clip.ndim != 5 or clip.shape[1] != 3 or clip.shape[2] < 2):
            raise UsageError(
                f"Clips of shape {tuple(clip.shape)} were given.", "Give (B, 3, T, rows, cols), 2 frames or more."
            )
        cells = clip.clamp(min=0).flatten(3)
        if self.breath:
            cells = self._fewer(cells)
        logs = torch.log(cells + 2.0)
        logs = logs - logs.mean(2, keepdim=True)  # changes no difference, and 32 bits keep more of small ones
        fast = logs - moving(logs, self.slow, 2)
        traces = torch.einsum("bctn,bkn->bkct", fast, self._weights(fast, cells.mean(2), clip.shape[3]))
        shown = traces / (spread(traces, (2, 3)) + EPS)
        if self.named:
            shown = torch.cat([shown, named(traces, self.rate_hz)], 2)
        x = self.enter(shown.flatten(1, 2))
        for layer in self.layers:
            x = x + layer(x)
        wave: Tensor = self.leave(x)
        if self.breath:
            wave = functional.interpolate(wave, size=clip.shape[2], mode="linear")
        return wave[:, 0]

    def _fewer(self, x: Tensor) -> Tensor:
        """Return (B, 3, T, N) with the mean of every few frames."""
        flat = x.transpose(2, 3).flatten(0, 2)[:, None]
        mean = functional.avg_pool1d(flat, self.pool, ceil_mode=True)[:, 0]
        return mean.reshape(x.shape[0], 3, x.shape[3], -1).transpose(2, 3)

    def _weights(self, fast: Tensor, level: Tensor, rows: int) -> Tensor:
        """Return (B, maps, N), sum 1: by each cell's unrest, roughness, colour and light, for breath by its place."""
        unrest, rough = ((spread(x, (2,))[:, :, 0] + 1e-5).log() for x in (fast, fast[:, :, 1:] - fast[:, :, :-1]))
        told = [size - size.mean((1, 2), keepdim=True) for size in (unrest, rough)]
        grey = level.mean(1, keepdim=True)
        told += [level[:, ::2] / (grey + 5.0), grey / 128.0]
        if self.breath:
            told.append(_places(level, rows))
        logits = self.judge(torch.cat(told, 1).transpose(1, 2)).transpose(1, 2)
        return functional.softmax(logits, 2)


def _places(level: Tensor, rows: int) -> Tensor:
    """Return row and column of the cells of ``level`` (B, 3, N), -1 to 1, (B, 2, N)."""
    count = level.shape[2]
    cell = torch.arange(count, device=level.device)
    down, right = cell // (count // rows), cell % (count // rows)
    at = torch.stack([(2 * down + 1) / rows, (2 * right + 1) / (count // rows)]) - 1
    return at.to(level.dtype).expand(level.shape[0], 2, count)
