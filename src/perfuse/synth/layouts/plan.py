"""Plans: which people a folder of recordings is about, and which files each recording makes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from perfuse.core.errors import UsageError
from perfuse.synth.domains import DOMAINS
from perfuse.synth.settings import Settings, check, settle
from perfuse.synth.subject import Subject

MOST = 100_000
"""People in one folder."""

DIGITS = 9
"""Significant digits of a number when settings are compared: exp and log differ in the last ones between machines."""

Watch = Callable[[float], None]
"""Called with the capture time of every frame that is done, in s."""


@dataclass(frozen=True, slots=True)
class Member:
    """One person of a set: everything :func:`perfuse.synth.subject` needs to make them.

    Attributes
    ----------
    id : str
        Name within the set.
    seed : int
        62 bits.
    domain : str
        A key of :data:`perfuse.synth.domains.DOMAINS`.
    asked : mapping
        Parameters that the set fixes.
    """

    id: str
    seed: int
    domain: str
    asked: Mapping[str, Any] = field(default_factory=dict)

    def settings(self) -> Settings:
        """Everything that is asked for or drawn."""
        return settle(self.seed, self.domain, self.asked)


@dataclass(frozen=True, slots=True)
class Take:
    """One recording of one person.

    Attributes
    ----------
    id : str
        Name of the recording.
    person : int
        Number of the person within the set, from 1.
    seed, domain, asked
        As of a :class:`Member`.
    parts : tuple of str
        Folders and files below the set's folder that the recording makes, and nothing else does.
    radar : bool
        Whether the radar is recorded as well.
    """

    id: str
    person: int
    seed: int
    domain: str
    asked: Mapping[str, Any]
    parts: tuple[str, ...]
    radar: bool = False

    def settings(self) -> Settings:
        """Everything that is asked for or drawn."""
        return settle(self.seed, self.domain, self.asked)


@dataclass(frozen=True, slots=True)
class Layout:
    """One way of arranging recordings in folders.

    Attributes
    ----------
    name, title : str
        What it is called, and what it is in a few words.
    domain : str
        Where people are recorded if nobody says.
    usual : mapping
        Parameters that are asked for unless somebody asks for others.
    needs_pulse : bool
        Whether the layout has no way to say that nothing beats.
    has_radar : bool
        Whether there is a place for a radar.
    readme : str
        Text of the ``README.txt`` beside the recordings.
    takes : callable
        The recordings of one person, from the member, the person's number and whether a radar is wanted.
    write : callable
        Write one recording below an empty folder, as its parts say.
    finish : callable
        Write what describes all recordings at the top of the folder.
    files : str
        Pattern of the files of a recording, below the set's folder: what it does not fit is somebody else's.
    """

    name: str
    title: str
    domain: str
    usual: Mapping[str, Any]
    needs_pulse: bool
    has_radar: bool
    readme: str
    takes: Callable[[Member, int, bool], tuple[Take, ...]]
    write: Callable[[Take, Subject, Path, Watch], None]
    finish: Callable[[Path, Sequence[Take]], None]
    files: str


def seed_of(*words: str | int) -> int:
    """Return a seed of 62 bits that depends on all words: SHA-256, so that related words give unrelated seeds."""
    text = "\0".join(str(word) for word in words)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2


def people(count: int, domain: str, seed: int = 0, asked: Mapping[str, Any] | None = None) -> tuple[Member, ...]:
    """Return the first people of a domain's endless row.

    Rows of different seeds and domains share nobody: train on ``seed=0`` and test on ``seed=1``.

    Raises
    ------
    UsageError
        If there is no such domain or parameter, or a value lies outside its range.
    """
    check("subjects", count, 1, MOST, whole=True)
    check("seed", seed, 0, 2**63, whole=True)
    if domain not in DOMAINS:
        raise UsageError(f"There is no domain called {domain!r}.", f"Available: {', '.join(DOMAINS)}.")
    fixed = dict(asked or {})
    row = tuple(
        Member(f"{domain}-{index:04d}", seed_of("perfuse synth", int(seed), domain, index), domain, fixed)
        for index in range(int(count))
    )
    row[0].settings()
    return row


def canonical(settings: Settings) -> str:
    """Return settings as JSON that is the same on every machine: sorted keys, 9 significant digits."""
    plain = {name: _rounded(value) for name, value in asdict(settings).items()}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(settings: Settings) -> str:
    """Return a short mark of settings: 16 hexadecimal digits."""
    return hashlib.sha256(canonical(settings).encode()).hexdigest()[:16]


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def plan(layout: Layout, members: Sequence[Member], *, radar: bool = False) -> tuple[Take, ...]:
    """Return the recordings that a layout makes of people.

    Raises
    ------
    UsageError
        If the layout has no place for a radar that is wanted, or no way to say that somebody has no pulse.
    """
    if radar and not layout.has_radar:
        raise UsageError(f"The layout {layout.name!r} has no place for a radar.", "Leave --radar out.")
    takes: list[Take] = []
    for number, member in enumerate(members, 1):
        if layout.needs_pulse and not member.settings().alive:
            raise UsageError(
                f"The layout {layout.name!r} cannot say that {member.id} has no pulse.",
                "Choose another domain, or the layout perfuse.",
            )
        own = Member(member.id, member.seed, member.domain, {**layout.usual, **member.asked})
        takes.extend(layout.takes(own, number, radar))
    return tuple(takes)
