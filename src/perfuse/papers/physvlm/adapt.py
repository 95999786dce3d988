"""Stage A: a teacher learns to read rates from pictures of colours, once, from source data only. RECONSTRUCTED.

The idea of putting rates into captions is VL-phys' (Yue et al., IJCV 2025). Targets are soft, since near-equal rates
are no opposites. Only teachers whose ``learns()`` names parameters can be adapted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError
from perfuse.papers.physvlm import prompts
from perfuse.papers.physvlm.maps import pair, picture
from perfuse.papers.physvlm.priors import Teacher

SPREADS = {"pulse": 5.0, "breath": 4.0}
"""Rates per minute within which captions are nearly the same."""
RATIO_SCALE = 1 / 0.08
MARGIN = 0.05
MOST = math.log(100.0)
"""Of the learnt scale's logarithm."""


@runtime_checkable
class Learner(Teacher, Protocol):
    """A teacher that can be adapted."""

    log_scale: nn.Parameter
    """Logarithm of :attr:`scale`."""

    def learns(self) -> list[nn.Parameter]:
        """Return what changes when it is adapted."""
        ...

    def adapted(self, domains: Collection[str]) -> None:
        """Note that it has learnt from these data: its fingerprint is another one now."""
        ...

    def ready(self, learning: bool) -> None:
        """Go into training mode, or out of it."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """Clips (B, 3, T, 8, 8), and their rates per minute (B,), NaN where unknown."""

    clip: Tensor
    heart_rate: Tensor
    respiratory_rate: Tensor


def soft_contrast(images: Tensor, texts: Tensor, rates: Tensor, spread: float, scale: Tensor) -> Tensor:
    """Return the cross-entropy both ways between pictures and captions (B, D) of rates (B,).

    The target of a pair falls with the distance of its rates, as a bell of ``spread``.
    """
    wanted = torch.exp(-0.5 * ((rates[:, None] - rates) / spread) ** 2)
    wanted = wanted / wanted.sum(1, keepdim=True)
    logits = scale * images @ texts.T
    return 0.5 * sum(
        (-(wanted * torch.log_softmax(side, 1)).sum(1).mean() for side in (logits, logits.T)),
        start=logits.new_zeros(()),
    )


def ranking(images: Tensor, texts: Tensor, rates: Tensor) -> Tensor:
    """Return by how much a picture is too near to captions of farther rates: a hinge over all triples."""
    alike = images @ texts.T
    far = (rates[:, None] - rates).abs()
    sign = torch.sign(far[:, None, :] - far[:, :, None])  # of i, j, k: whether k is farther from i than j is
    hinge = (MARGIN - sign * (alike[:, :, None] - alike[:, None, :])).clamp(min=0)
    return (hinge * (sign != 0)).sum() / (sign != 0).sum().clamp(min=1)


def ratios(teacher: Teacher, rows: Tensor) -> Tensor:
    """Return the cross-entropy both ways between six pairs of each picture (B, 3, R, T) and their six captions."""
    texts = teacher.encode_text([prompts.ratio(1 / speed)[0] for speed in prompts.SPEEDS])
    speeds = torch.tensor(prompts.SPEEDS, dtype=rows.dtype, device=rows.device)
    pairs = pair(rows.repeat_interleave(len(speeds), 0), speeds.repeat(len(rows)))
    images = teacher.encode_image(pairs).reshape(len(rows), len(speeds), -1)
    logits = RATIO_SCALE * images @ texts.T
    right = torch.arange(len(speeds), device=rows.device).expand(len(rows), -1)
    return 0.5 * (functional.cross_entropy(logits.transpose(1, 2), right) + functional.cross_entropy(logits, right))


def lesson(teacher: Learner, example: Example, generator: torch.Generator, *, pairs: int = 4) -> dict[str, Tensor]:
    """Return the losses of one batch.

    Parameters
    ----------
    pairs : int
        How many of its clips are also shown beside themselves at other speeds; 0 for none.
    """
    rows = picture(example.clip)
    images, scale = teacher.encode_image(rows), teacher.log_scale.clamp(max=MOST).exp()
    found: dict[str, Tensor] = {}
    told = {"pulse": (example.heart_rate, prompts.PULSES, prompts.pulse)}
    told["breath"] = (example.respiratory_rate, prompts.BREATHS, prompts.breath)
    for name, (rates, grid, say) in told.items():
        known = torch.isfinite(rates) & (rates >= grid[0]) & (rates <= grid[-1])
        if known.sum() < 2:
            continue
        form = int(torch.randint(3, (), generator=generator))
        nearest = [min(grid, key=lambda x, rate=rate: abs(x - rate)) for rate in rates[known].tolist()]  # type: ignore[misc]
        texts = teacher.encode_text([say(rate)[form] for rate in nearest])
        said = torch.tensor(nearest).to(rows)
        found[name] = soft_contrast(images[known], texts, said, SPREADS[name], scale)
        found[f"{name}_order"] = ranking(images[known], texts, said)
    if pairs:
        found["ratio"] = ratios(teacher, rows[:pairs])
    return found


def adapt(
    teacher: Learner,
    examples: Callable[[int], Example],
    *,
    steps: int,
    domains: Collection[str],
    held_out: Collection[str] = (),
    lr: float = 1e-4,
    pairs: int = 4,
    seed: int = 0,
) -> list[float]:
    """Teach a teacher.

    Parameters
    ----------
    teacher : Learner
        It is changed, and left in evaluation mode.
    examples : callable
        Step to a batch.
    steps : int
        How many.
    domains : collection of str
        Names of the data that examples come from.
    held_out : collection of str
        Data that must not be among them.
    lr : float
        Of AdamW: 1e-4 for low-rank updates, 1e-5 for whole layers, 2e-3 from scratch. ASSUMED.
    pairs : int
        See :func:`lesson`.
    seed : int
        Of the choice of words.

    Returns
    -------
    list of float
        The loss of every step.

    Raises
    ------
    UsageError
        If the teacher has nothing to learn with, or held-out data would be learnt from.
    """
    touched = sorted((set(domains) | set(teacher.domains)) & set(held_out))
    if touched:
        raise UsageError(
            f"{', '.join(touched)} is held out, and would teach the teacher.", "Leave it out of domains."
        )
    learnt = teacher.learns()
    if not learnt:
        raise UsageError(f"{teacher.name} has nothing to learn with.", "Give it low-rank updates first.")
    optimiser = torch.optim.AdamW([*learnt, teacher.log_scale], lr)
    generator = torch.Generator().manual_seed(seed)
    told = []
    teacher.ready(True)
    for step in range(steps):
        losses = lesson(teacher, examples(step), generator, pairs=pairs)
        if not losses:
            raise UsageError("No clip with a known rate was given.", "Give examples with rates.")
        loss = torch.stack(list(losses.values())).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        told.append(float(loss.detach()))
    teacher.ready(False)
    teacher.adapted(domains)
    return told


def unit(vectors: Tensor) -> Tensor:
    """Return vectors (..., D) of length 1."""
    return functional.normalize(vectors, dim=-1)


def merged(known: Sequence[str], more: Collection[str]) -> tuple[str, ...]:
    """Return names in order, each once."""
    return tuple(sorted({*known, *more}))
