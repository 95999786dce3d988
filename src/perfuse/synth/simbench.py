"""SimBench: eleven kinds of recordings under fixed seeds, so that results can be compared between people and years.

A member is fixed by its domain and its number, and by what the version of SimBench draws for it. Seeds stay from
version to version: people keep every parameter whose prior did not change, and can be compared one by one. A
smaller size holds the first people of a larger one, filmed for a shorter time in smaller pictures: what goes wrong
in ``tiny`` can be looked at in ``full``, where members 12 and above are still unseen by whoever tuned on ``desk``.
Results of different sizes are not comparable: faces have fewer pixels and recordings fewer beats.

Nobody is in two domains, and nobody of SimBench is ever trained on: seeds are 62 bits of SHA-256 over a text that
nothing else hashes, those of training streams are 62 bits of Philox. A stream of a billion people meets one of the
660 seeds of ``full`` with a probability of 660e9 / 2**62, one in seven million.

Whoever changes priors changes SimBench: :func:`fingerprint` shows it, a test holds it against the version, and then
:data:`VERSION` must go up. It does not see changes of physics or painting; the hashes in a folder's manifest do.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from perfuse.core.errors import UsageError
from perfuse.synth.layouts.plan import Member, canonical, seed_of

VERSION = 6
SEEDS = 1
"""What seeds are made of beside domain and number; to be raised when everybody is to be somebody else."""

DOMAINS = {
    "lab": "resting adults, even light, hardly compressed",
    "talk": "people who speak: mouth, nods, broken breath",
    "motion": "turning, moving, walking; fast hearts; automatic exposure",
    "dim-flicker": "little light, lamps that flicker, light that jumps",
    "dark-skin": "Monk tones 7 to 10 in ordinary rooms",
    "webcam": "calls: uneven frame times, low bit rates, small faces, screens",
    "low-rate": "10 to 20 frames a second, some lost",
    "neonate": "newborns: 110 to 200 beats, 30 to 70 breaths a minute",
    "noisy-labels": "contact sensors that are late, shaken, swapped or dead",
    "paired-radar": "video and radar together; three in ten radars are spoiled",
    "no-pulse": "dolls, masks, photographs and walls: the answer is that there is none",
}
"""The domains of SimBench, a part of :data:`perfuse.synth.domains.DOMAINS`."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much of SimBench.

    Attributes
    ----------
    subjects : int
        People per domain.
    duration_s : float
        Length of each recording.
    width, height : int
        Pixels.
    """

    subjects: int
    duration_s: float
    width: int
    height: int


SIZES = {
    "tiny": Size(2, 10.0, 240, 180),
    "desk": Size(12, 20.0, 320, 240),
    "full": Size(60, 30.0, 640, 480),
}
"""``tiny`` is for tests of a pipeline, ``desk`` for a look at the desk, ``full`` for numbers worth telling."""


def members(domain: str, size: str = "full") -> tuple[Member, ...]:
    """Return the people of a domain: each has ``id``, ``seed``, ``domain`` and ``asked``.

    Raises
    ------
    UsageError
        If SimBench has no such domain or size.
    """
    if domain not in DOMAINS:
        raise UsageError(f"SimBench has no domain called {domain!r}.", f"Available: {', '.join(DOMAINS)}.")
    film = _size(size)
    asked = {"duration_s": film.duration_s, "width": film.width, "height": film.height}
    return tuple(
        Member(f"{domain}-{index:03d}", seed_of("perfuse simbench", SEEDS, domain, index), domain, asked)
        for index in range(film.subjects)
    )


def everyone(size: str = "full") -> tuple[Member, ...]:
    """Return the people of all domains, the first of each domain first: a run that is cut short has some of all."""
    rows = [members(domain, size) for domain in DOMAINS]
    return tuple(member for rank in zip(*rows, strict=True) for member in rank)


def sitting(size: str, domain: str | None = None) -> tuple[tuple[Member, ...], dict[str, Any]]:
    """Return who is to be filmed, everybody or one domain, and where they come from as manifests tell it.

    Raises
    ------
    UsageError
        If SimBench has no such domain or size.
    """
    people = everyone(size) if domain is None else members(domain, size)
    source = {"simbench": size, "version": VERSION, "fingerprint": fingerprint(size)}
    return people, source if domain is None else source | {"domain": domain}


def fingerprint(size: str = "full") -> str:
    """Return a SHA-256 in hexadecimal digits over all settings of all members, numbers to 9 digits."""
    mark = hashlib.sha256(f"simbench {VERSION} {size}\n".encode())
    for domain in DOMAINS:
        for member in members(domain, size):
            mark.update(f"{member.id} {canonical(member.settings())}\n".encode())
    return mark.hexdigest()


def _size(name: str) -> Size:
    if name not in SIZES:
        raise UsageError(f"SimBench has no size called {name!r}.", f"Available: {', '.join(SIZES)}.")
    return SIZES[name]
