"""Who is trained on, and who is tested on: named, reproducible, and nobody on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from perfuse.core.errors import UsageError
from perfuse.data.folders import natural
from perfuse.data.recording import ABOUT, Problem, Recording

SIDES = ("train", "val", "test")
SPECS = (
    "subject[:TRAIN/VAL/TEST]",
    "k-fold[:K]",
    "leave-one:NAME",
    "own",
    "toolbox[:TRAIN]",
    "recording[:TRAIN/VAL/TEST]",
    "all",
)
"""What a split may be called; see :func:`splits`."""

BY_RECORDING = ("cohface", "scamps", "ubfc-phys", "ubfc-rppg", "ubfc-rppg-1")
"""Data sets whose list of files the rPPG-Toolbox cuts; that of the others it cuts by subject."""


@dataclass(frozen=True, slots=True)
class Split:
    """Three sides, and who should not be where they are.

    Attributes
    ----------
    name : str
        Such as ``k-fold:5/2``.
    train, val, test : tuple of Recording
        In the order given.
    leaks : tuple of str
        ``dataset/subject`` of everybody who is on more than one side.
    note : str
        What a reader of a table must know; empty mostly.
    """

    name: str
    train: tuple[Recording, ...]
    val: tuple[Recording, ...]
    test: tuple[Recording, ...]
    leaks: tuple[str, ...] = ()
    note: str = ""

    def problems(self) -> tuple[Problem, ...]:
        """Return a problem per subject on two sides."""
        return tuple(
            Problem("leak", who, f"{who} is on both sides of the split {self.name}.", dropped=False)
            for who in self.leaks
        )


def person(recording: Recording) -> str:
    """Return who a recording is of, over all data sets."""
    return f"{recording.dataset}/{recording.subject}"


def splits(spec: str, recordings: Sequence[Recording], seed: int = 0) -> tuple[Split, ...]:
    """Return the splits of a name.

    ``subject:0.7/0.1/0.2`` draws people with the seed. ``k-fold:5`` tests everybody once; the next fold validates.
    ``leave-one:light`` (or any name of :data:`perfuse.data.recording.ABOUT`, or ``dataset``) tests one value after
    the other and drops from training who is tested. ``own`` is the data set's: its sides, or its folds.
    ``toolbox:0.8`` cuts the list as the rPPG-Toolbox does: the first four fifths train, the rest validates and tests.
    ``recording`` draws recordings instead of people, as some published code does: it leaks, and says so. ``all``
    tests everything.

    Parameters
    ----------
    spec : str
        One of :data:`SPECS`.
    recordings : sequence of Recording
        Of one data set or several.
    seed : int
        Another number, another draw.

    Raises
    ------
    UsageError
        If there is no such split, its numbers are out of range, or the recordings do not allow it.
    """
    name, _, value = spec.partition(":")
    if name == "all":
        return (_split(spec, (), (), recordings),)
    if name in ("subject", "recording"):
        return (_drawn(name, value, recordings, seed),)
    if name == "k-fold":
        return _k_fold(value, recordings, seed)
    if name == "leave-one" and value:
        return _leave_one(value, recordings)
    if name == "own" and not value:
        return _own(recordings)
    if name == "toolbox":
        return (_toolbox(value, recordings),)
    raise UsageError(f"There is no split called {spec!r}.", f"Expected is one of: {', '.join(SPECS)}.")


def shuffled(names: Iterable[str], seed: int) -> list[str]:
    """Return names in an order that the seed decides, on every platform, whatever other names there are."""
    return sorted(set(names), key=lambda name: hashlib.blake2b(f"{seed}/{name}".encode()).digest())


def _split(
    name: str, train: Iterable[Recording], val: Iterable[Recording], test: Iterable[Recording], note: str = ""
) -> Split:
    sides = tuple(train), tuple(val), tuple(test)
    people = [{person(recording) for recording in side} for side in sides]
    shared = (people[0] & people[1]) | (people[0] & people[2]) | (people[1] & people[2])
    return Split(name, *sides, tuple(sorted(shared, key=natural)), note)


def _shares(text: str, name: str) -> tuple[float, float, float]:
    """Read ``0.7/0.1/0.2``."""
    try:
        numbers = tuple(float(part) for part in (text or "0.7/0.1/0.2").split("/"))
    except ValueError:
        numbers = ()
    if len(numbers) != 3 or min(numbers) < 0 or abs(sum(numbers) - 1) > 1e-6 or numbers[2] == 0:
        raise UsageError(
            f"The split {name}:{text} was given.", f"Pass three shares that sum to 1, such as {name}:0.7/0.1/0.2."
        )
    return numbers[0], numbers[1], numbers[2]


def _drawn(name: str, value: str, recordings: Sequence[Recording], seed: int) -> Split:
    shares = _shares(value, name)
    key = person if name == "subject" else _itself
    order = shuffled((key(r) for r in recordings), seed)
    cuts = round(shares[0] * len(order)), round((shares[0] + shares[1]) * len(order))
    if cuts[1] == len(order) or (shares[0] and not cuts[0]):
        raise UsageError(
            f"{len(order)} {name}s cannot be split into {value or '0.7/0.1/0.2'}.",
            "Pass other shares, or use k-fold.",
        )
    side = {who: SIDES[(i >= cuts[0]) + (i >= cuts[1])] for i, who in enumerate(order)}
    train, val, test = ([r for r in recordings if side[key(r)] == s] for s in SIDES)
    note = "recordings were drawn, not people: whoever is on several sides makes the scores too good"
    return _split(
        f"{name}:{value or '0.7/0.1/0.2'} (seed {seed})", train, val, test, "" if name == "subject" else note
    )


def _itself(recording: Recording) -> str:
    return f"{recording.dataset}/{recording.id}"


def _k_fold(value: str, recordings: Sequence[Recording], seed: int) -> tuple[Split, ...]:
    count = int(value or "5") if (value or "5").isdigit() else 0
    people = shuffled((person(r) for r in recordings), seed)
    if not 2 <= count <= len(people):
        raise UsageError(
            f"k-fold:{value} was given for {len(people)} subjects.", f"Pass 2 to {len(people)} folds: k-fold:5."
        )
    fold = {who: index % count for index, who in enumerate(people)}
    made = []
    for test in range(count):
        val = (test + 1) % count if count > 2 else None
        parts: list[list[Recording]] = [[], [], []]
        for r in recordings:
            here = fold[person(r)]
            parts[2 if here == test else 1 if here == val else 0].append(r)
        made.append(_split(f"k-fold:{count}/{test + 1} (seed {seed})", parts[0], parts[1], parts[2]))
    return tuple(made)


def _leave_one(name: str, recordings: Sequence[Recording]) -> tuple[Split, ...]:
    if name != "dataset" and name not in ABOUT:
        raise UsageError(f"Nothing called {name!r} is known.", f"Available: dataset, {', '.join(ABOUT)}.")
    values = {_itself(r): r.dataset if name == "dataset" else r.about.get(name) for r in recordings}
    known = sorted({str(v) for v in values.values() if v is not None}, key=natural)
    if len(known) < 2:
        raise UsageError(
            f"All recordings have the same {name}, or none." if known else f"No recording says its {name}.",
            "Leave out one of something that differs.",
        )
    made = []
    for left in known:
        test = [r for r in recordings if str(values[_itself(r)]) == left]
        tested = {person(r) for r in test}
        # people who are tested are not trained on, not even in other light
        rest = [r for r in recordings if values[_itself(r)] is not None and person(r) not in tested]
        if rest:
            made.append(_split(f"leave-one:{name}/{left}", rest, (), test))
    if not made:
        raise UsageError(
            f"Everybody was recorded under every {name}: nobody is left to train on.", "Use k-fold instead."
        )
    return tuple(made)


def _own(recordings: Sequence[Recording]) -> tuple[Split, ...]:
    sides = {r.about.get("split") for r in recordings}
    if sides & set(SIDES):
        train, val, tested = ([r for r in recordings if r.about.get("split") == side] for side in SIDES)
        return (_split("own", train, val, tested),)
    folds = sorted({str(r.about["fold"]) for r in recordings if "fold" in r.about}, key=natural)
    if len(folds) < 2:
        raise UsageError("The data set comes with no split of its own.", "Use subject or k-fold.")
    made = []
    for fold in folds:
        test = [r for r in recordings if str(r.about.get("fold")) == fold]
        train = [r for r in recordings if "fold" in r.about and str(r.about["fold"]) != fold]
        made.append(_split(f"own/{fold}", train, (), test))
    return tuple(made)


def _toolbox(value: str, recordings: Sequence[Recording]) -> Split:
    try:
        share = float(value or "0.8")
    except ValueError:
        share = float("nan")
    if not 0 < share < 1:
        raise UsageError(f"toolbox:{value} was given.", "Pass the share that trains, such as toolbox:0.8.")
    note = "validation and test are the same recordings, as in its configurations for training within a data set"
    train: set[str] = set()
    for dataset in dict.fromkeys(r.dataset for r in recordings):
        mine = sorted((r for r in recordings if r.dataset == dataset), key=lambda r: natural(r.id))
        by_recording = dataset in BY_RECORDING
        if by_recording:
            note += f"; {dataset} is cut by recording, in the order of the file system there, by name here"
        key = _itself if by_recording else person
        order = list(dict.fromkeys(key(r) for r in mine))
        first = set(order[: int(share * len(order))])
        train |= {_itself(r) for r in mine if key(r) in first}
    rest = tuple(r for r in recordings if _itself(r) not in train)
    split = _split(f"toolbox:{share:g}", [r for r in recordings if _itself(r) in train], (), rest, note)
    return Split(split.name, split.train, rest, rest, split.leaks, note)
