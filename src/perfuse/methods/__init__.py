"""Methods: one pure function and one card each, lifted to streams by :func:`~perfuse.methods.windowed.windowed`.

After them come the networks of this package (:mod:`perfuse.methods.shipped`).
"""

from __future__ import annotations

from perfuse.core.card import Card
from perfuse.core.method import Method
from perfuse.core.registry import Registry
from perfuse.methods import chrom, contact, green, ica, lgi, omit, pbv, pca, pos, radar, ssr
from perfuse.methods.shipped import list_shipped
from perfuse.methods.windowed import fold

__all__ = ["METHODS", "fold", "get_method", "list_methods"]

METHODS: Registry[Method] = Registry("method")
"""All methods by name; further ones (exported networks) may be added."""

for _room in (pos, chrom, green, ica, lgi, pbv, omit, pca, ssr, contact, radar):
    METHODS.add(_room.CARD.name, _room.METHOD)
for _network in list_shipped():
    METHODS.add(_network.name, _network)


def get_method(name: str) -> Method:
    """Return the method called ``name``.

    Raises
    ------
    UsageError
        If there is none; the message lists all names.
    """
    return METHODS.get(name)


def list_methods() -> tuple[Card, ...]:
    """Return the cards of all methods, in order of registration."""
    return tuple(METHODS.get(name).card for name in METHODS)
