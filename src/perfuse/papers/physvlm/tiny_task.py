"""How the small teacher learns captions of rates from clips: a teacher that needs no download. Ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from perfuse.core.errors import UsageError
from perfuse.core.view import Crop, Grid
from perfuse.papers.physvlm import prompts
from perfuse.papers.physvlm.adapt import Example, lesson
from perfuse.papers.physvlm.cells import SIDE
from perfuse.papers.physvlm.maps import picture
from perfuse.papers.physvlm.priors import words_of
from perfuse.papers.physvlm.task import MARGIN
from perfuse.papers.physvlm.tiny import TinyDualEncoder
from perfuse.synth.batch import Batch

LOSSES = ("pulse", "pulse_order", "breath", "breath_order", "ratio")


class Reader(nn.Module):
    """A teacher that answers as validation asks: with a tone of the rate that it reads."""

    def __init__(self, teacher: TinyDualEncoder, rate_hz: float) -> None:
        super().__init__()
        self.teacher, self.rate_hz = teacher, rate_hz

    def forward(self, clip: Tensor) -> dict[str, Tensor]:
        """Return ``pulse`` and ``respiration`` (B, T): tones, whose phase means nothing."""
        words = words_of(self.teacher)
        pulse, breath = words.posteriors(self.teacher.encode_image(picture(clip)))
        time = torch.arange(clip.shape[2], device=clip.device) / self.rate_hz
        tones = {}
        for name, said, rates in (("pulse", pulse, prompts.PULSES), ("respiration", breath, prompts.BREATHS)):
            likely = torch.tensor(rates).to(said)[said.argmax(1)]
            tones[name] = torch.sin(2 * math.pi * likely[:, None] / 60 * time)
        return tones


class TinyTask:
    """See :class:`perfuse.learn.task.Task`. Its run is a teacher for the task ``physvlm``.

    Parameters
    ----------
    rate_hz, margin : float
        Of the view, as the student's.
    pairs : int
        Clips of a batch that are also shown beside themselves at other speeds.
    """

    name = "physvlm_tiny"
    needs: frozenset[str] = frozenset()

    def __init__(self, *, rate_hz: float = 30.0, margin: float = MARGIN, pairs: int = 0) -> None:
        self.view: Grid | Crop = Grid(SIDE, SIDE, rate_hz, margin)
        self.pairs = pairs
        self.teacher = TinyDualEncoder()
        self.student: nn.Module = Reader(self.teacher, rate_hz)
        self.weights: Mapping[str, float] = dict.fromkeys(LOSSES, 1.0)
        self.helpers: nn.Module = nn.ModuleDict({})

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return what :func:`perfuse.papers.physvlm.adapt.lesson` does; 0 where fewer than two clips have a rate."""
        generator = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
        example = Example(batch.clip, batch.heart_rate, batch.respiratory_rate)
        found = lesson(self.teacher, example, generator, pairs=self.pairs)
        nothing = batch.clip.new_zeros(()) * self.teacher.place.sum()
        return {name: found.get(name, nothing) for name in LOSSES if name != "ratio" or self.pairs}

    def card(self) -> dict[str, Any]:
        """Refuse: a teacher is no method.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError(
            "A teacher of captions measures nothing.", "Give it to a student: perfuse train physvlm/desk --set "
            "model.teacher=RUN."
        )  # fmt: skip
