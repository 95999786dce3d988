"""The one registry mechanism: a name, a thing, an error that lists what exists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from perfuse.core.errors import UsageError, available

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to things of one kind, in order of registration."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._things: dict[str, T] = {}

    def add(self, name: str, thing: T) -> T:
        """Register ``thing`` under ``name`` and return it.

        Raises
        ------
        ValueError
            If the name is taken.
        """
        if name in self._things:
            raise ValueError(f"{self.kind} {name!r} is registered already; choose another name")
        self._things[name] = thing
        return thing

    def get(self, name: str) -> T:
        """Return the thing called ``name``.

        Raises
        ------
        UsageError
            If nothing has that name; the message lists the names and the nearest one.
        """
        if name in self._things:
            return self._things[name]
        raise UsageError(f"There is no {self.kind} called {name!r}.", available(name, self._things))

    def names(self) -> tuple[str, ...]:
        """Return all names."""
        return tuple(self._things)

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)
