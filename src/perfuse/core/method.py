"""The one contract every estimator satisfies, from GREEN (2008) to a radar-taught network."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from perfuse.core.card import Card
from perfuse.core.signals import Chunk, Waveform
from perfuse.core.view import View


@runtime_checkable
class Method(Protocol):
    """Turns chunks of a view into a waveform, chunk by chunk.

    Offline = fold ``step`` over all chunks; streaming = the same fold as frames arrive. States are values: a step
    returns a new one and never changes the old, so a session may try a final chunk and then go on.
    """

    @property
    def card(self) -> Card:
        """Name, paper, outputs, limits."""
        ...

    @property
    def view(self) -> View:
        """What the method eats, and at which rate."""
        ...

    def start(self) -> Any:
        """Return the state before the first chunk."""
        ...

    def step(self, state: Any, chunk: Chunk) -> tuple[Any, Waveform]:
        """Take the next chunk; return the new state and the samples that no later chunk can change.

        Over a whole recording the returned waveforms are consecutive, start where the first chunk starts, and have
        in total one sample per chunk sample once a chunk with ``last=True`` was given.
        """
        ...
