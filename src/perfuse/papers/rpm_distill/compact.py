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

SLOW_S = 2.0
"""What moves slower than this is light, not pulse."""
SIGNS = 9
"""What is told of a cell."""
EPS = 1e-6
DILATIONS = (1, 2, 4, 8, 16)
"""They see 2.2 s to either side at 30 Hz."""


class Compact(nn.Module):
    """Clips (B, 3, T, rows, cols), 0..255, to the pulse (B, T), any scale; 12,249 parameters.

    Averages stay linear in the colours: a single cell has far more noise than pulse. A clip is read alone, and its
    brightness hardly matters.

    Parameters
    ----------
    rate_hz : float
        Frames per second.
    maps : int
        Weightings of the cells that are learnt side by side.
    width : int
        Channels of the temporal network, a multiple of 4.
    dilations : sequence of int
        Of its layers.
    """

    steps = False

    def __init__(
        self, *, rate_hz: float = 30.0, maps: int = 4, width: int = 20, dilations: Sequence[int] = DILATIONS
    ) -> None:
        super().__init__()
        self.slow = round(SLOW_S * rate_hz / 2)
        self.judge = nn.Sequential(nn.Linear(SIGNS, 16), nn.ELU(), nn.Linear(16, maps))
        self.enter = nn.Conv1d(3 * maps, width, 7, padding=3)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv1d(width, width, 5, padding=2 * d, dilation=d), nn.GroupNorm(4, width), nn.ELU())
            for d in dilations
        )
        self.leave = nn.Conv1d(width, 1, 1)

    def forward(self, clip: Tensor) -> Tensor:
        """Return the pulse, rising with blood volume.

        Raises
        ------
        UsageError
            If the clip has another shape, or a single frame.
        """
        if not torch.compiler.is_compiling() and (clip.ndim != 5 or clip.shape[1] != 3 or clip.shape[2] < 2):
            raise UsageError(
                f"Clips of shape {tuple(clip.shape)} were given.", "Give (B, 3, T, rows, cols), 2 frames or more."
            )
        cells = clip.clamp(min=0).flatten(3)
        logs = torch.log(cells + 2.0)
        fast = logs - self._slow(logs)
        traces = torch.einsum("bctn,bkn->bkct", fast, self._weights(fast, cells.mean(2)))
        x = self.enter((traces / (_spread(traces, (2, 3)) + EPS)).flatten(1, 2))
        for layer in self.layers:
            x = x + layer(x)
        wave: Tensor = self.leave(x)
        return wave[:, 0]

    def _slow(self, x: Tensor) -> Tensor:
        """Return the moving average over time of (B, 3, T, N), fewer frames at the ends."""
        count = 2 * self.slow + 1
        flat = x.transpose(2, 3).reshape(-1, 1, x.shape[2])
        mean = functional.avg_pool1d(flat, count, 1, self.slow, count_include_pad=False)
        return mean.reshape(x.shape[0], 3, x.shape[3], x.shape[2]).transpose(2, 3)

    def _weights(self, fast: Tensor, level: Tensor) -> Tensor:
        """Return (B, maps, N), sum 1: by each cell's unrest, roughness, colour and light."""
        unrest, rough = ((_spread(x, (2,))[:, :, 0] + 1e-5).log() for x in (fast, fast[:, :, 1:] - fast[:, :, :-1]))
        told = [size - size.mean((1, 2), keepdim=True) for size in (unrest, rough)]
        grey = level.mean(1, keepdim=True)
        told += [level[:, ::2] / (grey + 5.0), grey / 128.0]
        logits = self.judge(torch.cat(told, 1).transpose(1, 2)).transpose(1, 2)
        return functional.softmax(logits, 2)


def _spread(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    centred = x - x.mean(axes, keepdim=True)
    return (centred.square().mean(axes, keepdim=True) + 1e-14).sqrt()
