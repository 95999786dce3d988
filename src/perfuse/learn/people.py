"""Who is in a clip of a bank: banks keep pictures and series, and everybody in them can be settled again.

What a person is depends on the bank's seed, its domains and the clip's number alone, as in
:mod:`perfuse.synth.stream`, whose steps these are without the painting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from perfuse.synth.priors import Choice
from perfuse.synth.settings import Settings, settle
from perfuse.synth.settings import stream as chance
from perfuse.synth.stream import POOL, PORTRAIT, REUSE, _seed


@dataclass(frozen=True, slots=True)
class People:
    """Everybody in a stream of clips.

    Attributes
    ----------
    seed : int
        Of the stream.
    domains : mapping
        Share of each domain.
    asked : mapping
        Parameters that all people share.
    duration_s : float
        Of a clip.
    """

    seed: int
    domains: Mapping[str, float]
    asked: Mapping[str, Any]
    duration_s: float
    _known: dict[int, Settings] = field(default_factory=dict)
    _portraits: dict[int, Settings] = field(default_factory=dict)

    def domain(self, item: int) -> str:
        """Return the domain of a clip; cheap."""
        number = _portrait(item)
        return str(Choice(dict(self.domains)).draw(chance(_seed(self.seed, "portrait", number), "domain")))

    def settings(self, item: int) -> Settings:
        """Return everything about who is in a clip."""
        if item not in self._known:
            number, domain = _portrait(item), self.domain(item)
            if number not in self._portraits:
                seed = _seed(self.seed, "portrait", number)
                self._portraits[number] = settle(seed, domain, {**self.asked, "duration_s": 1.0})
            length = {"duration_s": max(1.0, self.duration_s)}
            own = settle(_seed(self.seed, "clip", item), domain, {**self.asked, **length})
            face = self._portraits[number]
            self._known[item] = replace(own, **{name: getattr(face, name) for name in PORTRAIT})
        return self._known[item]


def _portrait(item: int) -> int:
    """Return the number of the portrait that a clip is of."""
    slot = item % POOL
    return (item // POOL + slot) // REUSE * POOL + slot
