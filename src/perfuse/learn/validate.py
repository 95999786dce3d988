"""Validation on fixed clips that training never sees: simulated people of other seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from perfuse.learn.evenly import Source
from perfuse.learn.recipe import Recipe, Simulated
from perfuse.learn.sources import Painted, banked
from perfuse.learn.task import Task
from perfuse.signal.filters import bandpass
from perfuse.signal.spectrum import strongest_hz
from perfuse.synth.batch import Batch

OTHER = 7_777_777
"""Added to the seed: nobody is in both."""
BAND_HZ, BREATH_HZ = (0.6, 4.0), (0.1, 1.5)
CLOSE = 5.0


@dataclass(slots=True)
class Validator:
    """Looks at the student's averaged weights now and then.

    Attributes
    ----------
    best : dict
        The scores that count: the best by ``r`` with patience, else the last.
    enough : bool
        Whether patience has run out.
    """

    recipe: Recipe
    task: Task
    past: dict[str, Any] | None = None
    best: dict[str, float] = field(default_factory=dict)
    enough: bool = False
    _worse: int = 0
    _clips: list[Batch] = field(default_factory=list)
    weights: dict[str, Tensor] | None = None

    def __post_init__(self) -> None:
        if self.past:
            self.best, self._worse, self.weights = self.past["best"], self.past["worse"], self.past["weights"]

    def state(self) -> dict[str, Any]:
        """Return what a run that goes on must know."""
        return {"best": self.best, "worse": self._worse, "weights": self.weights}

    def look(self, weights: dict[str, Tensor], step: int) -> dict[str, float]:
        """Score the student with these weights."""
        scores = self._scores(weights) | {"at": float(step)}
        patience = self.recipe.validation.patience
        if not patience or not self.best or scores["r"] > self.best["r"]:
            self.best, self._worse = scores, 0
            self.weights = weights if patience else None
        else:
            self._worse += 1
            self.enough = self._worse >= patience
        return scores

    def _scores(self, weights: dict[str, Tensor]) -> dict[str, float]:
        student = self.task.student
        own = {name: value.detach().clone() for name, value in student.state_dict().items()}
        student.load_state_dict(weights)
        student.eval()
        device = next(student.parameters()).device
        pulse, breath = _Marks(BAND_HZ), _Marks(BREATH_HZ)
        with torch.no_grad():
            for batch in self._batches():
                said = student(batch.clip.to(device))
                pulse.add(said["pulse"], batch.pulse, batch.heart_rate, batch.rate_hz)
                if "respiration" in said:
                    breath.add(said["respiration"], batch.respiration, batch.respiratory_rate, batch.rate_hz)
        student.load_state_dict(own)
        student.train()
        told = pulse.told() | {"close": float(np.mean(np.array(pulse.errors) <= CLOSE))}
        return told | ({f"breath_{name}": value for name, value in breath.told().items()} if breath.errors else {})

    def _batches(self) -> list[Batch]:
        if not self._clips:
            v = self.recipe.validation
            size = min(self.recipe.batch, v.clips)
            other = replace(self.recipe, seed=self.recipe.seed + OTHER, batch=size, workers=0)
            source: Source = Painted(other, Simulated(domains=v.domains), self.task.view, False, "cpu")
            if self.recipe.simulated is not None and self.recipe.simulated.bank:
                kept = Simulated(domains=v.domains, bank=v.clips, bank_seed=OTHER)
                source = banked(kept, other, self.task, "cpu")
            batches = source.batches(0)
            self._clips = [next(batches) for _ in range(max(1, v.clips // size))]
        return self._clips


@dataclass(slots=True)
class _Marks:
    """What waves of one kind are worth, on clips in which there is one."""

    band_hz: tuple[float, float]
    errors: list[float] = field(default_factory=list)
    waves: list[float] = field(default_factory=list)

    def add(self, said: Tensor, true: Tensor, rates: Tensor, rate_hz: float) -> None:
        for wave, label, rate in zip(said.cpu().numpy().astype(np.float64), true.numpy(), rates.numpy()):
            if math.isfinite(rate):
                read = 60.0 * strongest_hz(bandpass(wave, rate_hz, *self.band_hz), rate_hz, self.band_hz)
                self.errors.append(abs((read if math.isfinite(read) else 0.0) - rate))
                self.waves.append(float(np.corrcoef(wave, label)[0, 1]) if wave.std() > 0 else 0.0)

    def told(self) -> dict[str, float]:
        return {"r": float(np.mean(self.waves)), "mae": float(np.mean(self.errors))}
