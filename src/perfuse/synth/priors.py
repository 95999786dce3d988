"""Priors: how a parameter that nobody asked for is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Value = float | str | tuple[str, ...]


class Prior(Protocol):
    """Something a value can be drawn from."""

    def draw(self, rng: np.random.Generator) -> Value:
        """Draw one value."""
        ...


@dataclass(frozen=True, slots=True)
class Uniform:
    """Between two values."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(rng.uniform(self.low, self.high))


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number between two, both included."""

    low: int
    high: int

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return int(rng.integers(self.low, self.high + 1))


@dataclass(frozen=True, slots=True)
class LogUniform:
    """Between two values above 0, each octave as likely as the next."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(np.exp(rng.uniform(math.log(self.low), math.log(self.high))))


@dataclass(frozen=True, slots=True)
class Normal:
    """Bell curve about ``mean``, clipped."""

    mean: float
    sd: float
    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(np.clip(rng.normal(self.mean, self.sd), self.low, self.high))


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Bell curve of the logarithm about ``median``; ``factor`` is one standard deviation, clipped."""

    median: float
    factor: float
    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return float(np.clip(self.median * self.factor ** rng.standard_normal(), self.low, self.high))


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several, with the share of each."""

    shares: Mapping[Any, float]

    def draw(self, rng: np.random.Generator) -> Value:
        """Draw one value."""
        weights = np.array(list(self.shares.values()), np.float64)
        at = np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(), side="right")
        chosen: Value = list(self.shares)[min(int(at), len(weights) - 1)]
        return chosen


@dataclass(frozen=True, slots=True)
class Bag:
    """Any of several, each with a chance of its own."""

    chances: Mapping[str, float]

    def draw(self, rng: np.random.Generator) -> tuple[str, ...]:
        """Draw one value."""
        return tuple(name for name, chance in self.chances.items() if rng.random() < chance)


@dataclass(frozen=True, slots=True)
class Mixed:
    """One of several priors, with the share of each."""

    parts: tuple[tuple[float, Prior], ...]

    def draw(self, rng: np.random.Generator) -> Value:
        """Draw one value."""
        weights = np.cumsum([share for share, _ in self.parts])
        at = np.searchsorted(weights / weights[-1], rng.random(), side="right")
        return self.parts[min(int(at), len(self.parts) - 1)][1].draw(rng)


@dataclass(frozen=True, slots=True)
class Just:
    """Always the same."""

    value: Value

    def draw(self, rng: np.random.Generator) -> Value:
        """Draw one value."""
        return self.value
