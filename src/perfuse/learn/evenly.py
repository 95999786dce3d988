"""Batches with as many clips of every domain as possible, whatever the shares of the data are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np
import torch

from perfuse.synth.batch import Batch


class Source(Protocol):
    """Gives batches in order, from any step on."""

    def batches(self, first: int) -> Iterator[Batch]:
        """Yield its own batches from number ``first`` on."""
        ...

    def by_domain(self) -> list[Source]:
        """Return a source for every domain in it, each of which gives one clip at a time."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Evenly:
    """Takes turns among domains, clip by clip: no two of them differ by more than one clip in a batch.

    Attributes
    ----------
    parts : sequence of Source
        One a domain, which gives one clip at a time.
    size : int
        Clips of a batch.
    """

    parts: Sequence[Source]
    size: int

    def batches(self, first: int) -> Iterator[Batch]:
        """Yield batches from number ``first`` on; where there are more domains than clips, they take turns too."""
        count, place = len(self.parts), first * self.size
        running = [part.batches((place + count - 1 - k) // count) for k, part in enumerate(self.parts)]
        try:
            while True:
                yield joined([next(running[(place + k) % count]) for k in range(self.size)])
                place += self.size
        finally:
            for iterator in running:
                close = getattr(iterator, "close", None)
                if close is not None:
                    close()

    def by_domain(self) -> list[Source]:
        """Return the sources of all domains."""
        return list(self.parts)


def joined(parts: Sequence[Batch]) -> Batch:
    """Return batches as one.

    Who is in the clips is known where it is known of all of them; lessons are there where all have the same ones.
    """
    first = parts[0]
    own: dict[str, Any] = {}
    for one in fields(Batch):
        values = [getattr(part, one.name) for part in parts]
        if one.name in ("rate_hz", "items", "settings", "taught"):
            continue
        own[one.name] = None if any(value is None for value in values) else torch.cat(values)
    known = all(len(part.settings) == len(part.items) for part in parts)
    names = [set(part.taught or ()) for part in parts]
    taught = None
    if names[0] and all(name == names[0] for name in names):
        taught = {name: torch.cat([(part.taught or {})[name] for part in parts]) for name in (first.taught or {})}
    return replace(
        first,
        **own,
        items=np.concatenate([part.items for part in parts]),
        settings=tuple(one for part in parts for one in part.settings) if known else (),
        taught=taught,
    )
