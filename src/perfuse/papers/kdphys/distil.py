"""What a 3-D network can tell a 2-D one: where it looks, when, and what it answers. KDPhys-style, RECONSTRUCTED.

The paper's abstract names "attention-guided" 3-D to 2-D feature distillation that carries global temporal knowledge;
its formulas could not be read. These follow attention transfer (Zagoruyko, Komodakis, ICLR 2017) and its use for
knowledge distillation by one of KDPhys' authors (KD-MRI: Murugesan et al., MIDL 2020). Numbers of sections below are
those of our reconstruction, written out in this room's README.

Taps are (B, C, T', h, w), the teacher's T' a part of the student's. All losses are per clip, (B,); the teacher's side
is detached. Wherever shapes differ, both maps are pooled to the coarser picture, and the teacher's is interpolated to
the student's frames: a frame of the student is told what the teacher saw around it. In the place of a teacher's tap,
attention and profile also take its map (B, T', h, w) where :func:`lesson_map` made one: lessons can be kept on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError
from perfuse.nn.losses import correlation, full, negative_pearson, standardised

EPS = 1e-12
STEADY = 1e-5
"""Share of its mean by which attention has to change in time to have a course."""
TRUSTED = 0.3
"""Correlation with the label below which a teacher's answer is not imitated. ASSUMED."""


def energy(tap: Tensor) -> Tensor:
    """Section 1: Q = mean over channels of the squared features, (B, T', h, w). Widths need not match after this."""
    return full(tap).square().mean(1)


def on_common_grid(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Section 2: pool maps (B, T, h, w) and (B, T', H, W) to the coarser picture, interpolate the second to T frames.

    Linear in time, ``align_corners=False``: frame t of T' stands for the middle of its share of the clip.
    """
    grid = _coarser(student.shape[2:], teacher.shape[2:])
    return _pooled(student, grid), _spread(_pooled(teacher, grid), student.shape[1])


def lesson_map(tap: Tensor, frames: int, grid: Sequence[int]) -> Tensor:
    """Sections 1 and 2, the teacher's side: the energy of a tap, (B, frames, h, w), no finer than the student's grid.

    Divided by its mean over the clip, which no term sees, so that half precision can hold it.
    """
    attention = energy(tap.detach())
    attention = _spread(_pooled(attention, _coarser(attention.shape[2:], grid)), frames)
    return attention / attention.mean((1, 2, 3), keepdim=True).clamp(min=EPS)


def _coarser(one: Sequence[int], other: Sequence[int]) -> tuple[int, int]:
    height, width = (min(pair) for pair in zip(one, other, strict=True))
    return height, width


def _pooled(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    return maps if maps.shape[2:] == grid else functional.adaptive_avg_pool2d(maps, grid)


def _spread(maps: Tensor, frames: int) -> Tensor:
    if maps.shape[1] == frames:
        return maps
    rows = maps.flatten(2).transpose(1, 2)
    rows = functional.interpolate(rows, size=frames, mode="linear", align_corners=False)
    return rows.transpose(1, 2).contiguous().reshape(len(maps), frames, *maps.shape[2:])


def attention_transfer(student: Sequence[Tensor], teacher: Sequence[Tensor], *, norm: str = "clip") -> Tensor:
    """Section 3: |q_S - q_T|^2 with q = Q / |Q|, mean over taps.

    Parameters
    ----------
    student, teacher : sequence of Tensor, (B, C, T', h, w)
        Taps, in pairs; of the teacher also maps (B, T', h, w).
    norm : {"clip", "frame"}
        Normalise Q over space and time together, which keeps how attention rises and falls, or frame by frame, as the
        plain attention transfer of pictures would (then the mean over frames).

    Returns
    -------
    Tensor, (B,)
        0 to 2: twice one minus the cosine between the maps. Whatever positive factor a network's features carry does
        not matter. A sum over cells, not their mean, so a weight near 1 suits.
    """
    if norm not in ("clip", "frame"):
        raise UsageError(f"Attention cannot be normalised by {norm!r}.", "Give 'clip' or 'frame'.")
    first = 1 if norm == "clip" else 2

    def loss(one: Tensor, other: Tensor) -> Tensor:
        q = (functional.normalize(x.flatten(first), dim=-1, eps=EPS) for x in (one, other))
        difference = next(q) - next(q)
        return difference.square().sum(-1).flatten(1).mean(1) if norm == "frame" else difference.square().sum(-1)

    return _over_taps(student, teacher, loss)


def temporal_profile(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Section 4: 1 - r between the courses over time of the maps' means over space, mean over taps.

    The still pattern of a face dominates Q; this sees only how it changes. (B,), 0 to 2; 1 for a flat course.
    """

    def loss(one: Tensor, other: Tensor) -> Tensor:
        mine, its = (_relative(x.mean((2, 3))) for x in (one, other))
        return 1 - correlation(mine, its, floor=STEADY)

    return _over_taps(student, teacher, loss)


class Hint(nn.Module):
    """Another reading of "attention-guided": the teacher's attention weighs where its features are copied.

    Used in training only; it is no part of the student.

    Parameters
    ----------
    student, teacher : sequence of int
        Channels of the taps. Three of 64 have 12,480 parameters.
    """

    def __init__(self, student: Sequence[int] = (64, 64, 64), teacher: Sequence[int] = (64, 64, 64)) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Conv3d(one, two, 1) for one, two in zip(student, teacher, strict=True))

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """Section 5: sum w |P(F_S) - F_T|^2 / C, w = Q_T / sum Q_T, features standardised per clip and channel."""
        _paired(student, teacher)
        total = torch.zeros_like(full(student[0][:, 0, 0, 0, 0]))
        for project, one, other in zip(self.project, student, teacher, strict=True):
            other = full(other.detach())
            mine, theirs = _features(full(project(one)), other)
            weights = on_common_grid(mine[:, 0], energy(other))[1]
            weights = weights / weights.sum((1, 2, 3), keepdim=True).clamp(min=EPS)
            total = total + (weights * (mine - theirs).square().mean(1)).sum((1, 2, 3))
        return total / len(student)


def agreement(
    teacher: Tensor, pulse: Tensor, *, least: float = TRUSTED, rate_hz: float = 30.0, lag_s: float = 0.0
) -> Tensor:
    """Section 6: how far a teacher's pulse (B, T) is believed: its correlation with the label, 0 below ``least``.

    (B,), without gradient; 0 as well where the label has no pulse, since nothing then speaks for the teacher.
    """
    r = 1 - negative_pearson(teacher.detach(), pulse, rate_hz=rate_hz, lag_s=lag_s)
    known = (torch.isfinite(pulse).float().mean(1) >= 0.5) & (torch.nan_to_num(pulse).std(1, correction=0) > 1e-6)
    return torch.where(known & (r >= least), r, 0.0)


def imitation(student: Tensor, teacher: Tensor, trust: Tensor | None = None) -> Tensor:
    """Section 6: 1 - r between the two answers (B, T), times the trust in the teacher (B,) of :func:`agreement`."""
    loss = negative_pearson(student, teacher.detach())
    return loss if trust is None else loss * trust.detach()


def _over_taps(
    student: Sequence[Tensor], teacher: Sequence[Tensor], loss: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Return the mean over pairs of taps of a loss of their energies on one grid."""
    _paired(student, teacher)
    losses = [
        loss(*on_common_grid(energy(one), full(other.detach()) if other.ndim == 4 else energy(other.detach())))
        for one, other in zip(student, teacher, strict=True)
    ]
    return torch.stack(losses).mean(0)


def _features(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Return features (B, C, T, h, w) on one grid, every channel of every clip with mean 0 and spread 1."""
    if student.shape[1] != teacher.shape[1]:
        raise UsageError(
            f"The hint makes {student.shape[1]} channels, the teacher's tap has {teacher.shape[1]}.",
            "Make the hint with the teacher's channels.",
        )
    batch, channels = student.shape[:2]
    pair = on_common_grid(student.flatten(0, 1), teacher.flatten(0, 1))
    one, other = (standardised(x.flatten(1)).reshape(batch, channels, *x.shape[1:]) for x in pair)
    return one, other


def _relative(course: Tensor) -> Tensor:
    """Divide by the mean, so that no course counts as flat only because a network's features are small."""
    return course / course.mean(1, keepdim=True).clamp(min=EPS)


def _paired(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> None:
    if len(student) != len(teacher) or not student:
        raise UsageError(
            f"{len(student)} taps of the student and {len(teacher)} of the teacher were given.", "Give them in pairs."
        )
