"""Where batches come from: painted on the way or kept in a bank, cut from prepared recordings, or both.

The batch of a step is the same every time, wherever a run began.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from perfuse.core.errors import UsageError
from perfuse.core.view import Crop, Grid
from perfuse.data.cache import default_cache
from perfuse.data.dataset import open_dataset
from perfuse.data.entry import Entry
from perfuse.data.labels import usable
from perfuse.data.prepare import open_entry, prepare
from perfuse.data.recording import Recording
from perfuse.data.splits import splits
from perfuse.learn.bank import Bank, Told, open_bank
from perfuse.learn.clips import batch_of, hears, wave_of
from perfuse.learn.evenly import Evenly, Source
from perfuse.learn.recipe import Recipe, Recorded, Simulated
from perfuse.learn.task import Bilevel, Task, Taught
from perfuse.synth.batch import Batch
from perfuse.synth.settings import stream as chance
from perfuse.synth.stream import stream

GIVES = frozenset({"pulse", "respiration", "radar"})
"""What simulated people come with; recorded ones with whatever was recorded."""
BESIDE = frozenset({"ecg", "blood_pressure", "infrared"})
"""References that may teach, and are no label."""
LABELS = {"pulse", "heart_rate", "respiration", "respiratory_rate"}
"""References that something can be learnt from."""
HELD = 3_333_333
"""Added to seeds: nobody whom a task looks at is among those that it learns from, or is validated with."""
APART = 1_000_000_007
"""Added to the seed of every further domain that is painted by itself."""
HELD_CLIPS = 256
"""Most clips of a bank that is held back: a file of one. ASSUMED."""
HELD_SHARE = 0.2
"""Of the people of a data set, as RPM-Distill's validation set nearly is (0.1). ASSUMED."""
SPAN = 2**32
"""Clips of a recording are numbered from its own number, 1 and above, times this."""


@dataclass(frozen=True, slots=True)
class Painted:
    """Endless clips of simulated people."""

    recipe: Recipe
    how: Simulated
    view: Grid | Crop
    radar: bool
    device: str

    def batches(self, first: int) -> Iterator[Batch]:
        """Yield batches that nobody has seen before."""
        r = self.recipe
        return stream(
            self.view, batch=r.batch, frames=r.frames, seed=r.seed, domains=self.how.domains, radar=self.radar,
            device=self.device, first=first * r.batch, workers=r.workers if self.device == "cpu" else 0,
            **self.how.asked,
        )  # fmt: skip

    def by_domain(self) -> list[Source]:
        """Return a source for every domain, one clip at a time, of people of their own, painted in this process."""
        names = [name for name, share in self.how.domains.items() if share > 0]
        one = replace(self.recipe, batch=1, devices=1, workers=0)
        return [
            replace(self, recipe=replace(one, seed=one.seed + APART * k), how=replace(self.how, domains={name: 1.0}))
            for k, name in enumerate(names)
        ]


@dataclass(frozen=True, slots=True)
class Banked:
    """Clips of a bank, over and over, each cut and augmented anew."""

    bank: Bank
    recipe: Recipe
    device: str
    lessons: str | None = None
    only: NDArray[np.int64] | None = None
    """Numbers of the clips, if not all."""

    def batches(self, first: int) -> Iterator[Batch]:
        """Yield batches; in an order of its own for each time through the bank."""
        like = torch.zeros(1, device=self.device)
        for batch in self.bank.batches(self.recipe.batch, self.recipe.seed, first, self.lessons, self.only):
            yield batch.to(like)

    def by_domain(self) -> list[Source]:
        """Return a source for every domain, one clip at a time."""
        one = replace(self.recipe, batch=1, devices=1)
        return [replace(self, recipe=one, only=rows) for rows in self.bank.rows().values()]


def banked(how: Simulated, recipe: Recipe, task: Task, device: str, told: Told | None = None) -> Banked:
    """Paint the bank of a recipe as far as it is missing, and ask the teacher, if it is to be asked beforehand.

    Raises
    ------
    UsageError
        If lessons are wanted of a task without a teacher.
    OutputError
        If the bank cannot be written.
    """
    key = None
    if how.lessons:  # asked first: a missing teacher is told before minutes of painting
        if not isinstance(task, Taught):
            raise UsageError(f"simulated: lessons, but {recipe.task} has no teacher.", "Leave lessons out.")
        key = f"{task.lesson_key()}-{recipe.precision}"
    bank = open_bank(
        default_cache(), task.view, frames=recipe.frames, clips=how.bank, seed=how.bank_seed, domains=how.domains,
        radar="radar" in task.needs, asked=how.asked,
    )  # fmt: skip
    bank.paint(max(1, recipe.workers), told)
    if key is not None and isinstance(task, Taught):
        task.helpers.to(device)
        bank.teach(task.lesson, key, device, told)
    return Banked(bank, recipe, device, key)


@dataclass(frozen=True, slots=True, eq=False)
class Filmed:
    """Clips cut from prepared recordings, drawn by the seed and the step."""

    entries: Sequence[Entry]
    spans: Sequence[Sequence[int]] = field(repr=False)
    recipe: Recipe
    view: Grid | Crop
    needs: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    """What is wrong with the recordings, a sentence each."""

    def batches(self, first: int) -> Iterator[Batch]:
        """Yield batches."""
        radar, beside = "radar" in self.needs, sorted(self.needs & BESIDE)
        step = first
        while True:
            rng = chance(self.recipe.seed, "filmed", step)
            picks = [int(rng.integers(len(self.entries))) for _ in range(self.recipe.batch)]
            starts = [int(self.spans[i][int(rng.integers(len(self.spans[i])))]) for i in picks]
            entries = [self.entries[i] for i in picks]
            made = batch_of(entries, starts, self.recipe.frames, self.view.rate_hz, radar=radar, beside=beside)
            # a number says of which recording a clip is: what is decided by number is decided by recording
            yield replace(made, items=np.array([(i + 1) * SPAN for i in picks], np.int64) + made.items)
            step += 1

    def by_domain(self) -> list[Source]:
        """Return a source of one clip at a time; a data set is one domain."""
        return [replace(self, recipe=replace(self.recipe, batch=1, devices=1))]


def filmed(
    how: Recorded, recipe: Recipe, view: Grid | Crop, needs: frozenset[str], jobs: int = 1, held: bool | None = None
) -> Filmed:
    """Prepare recordings and find the clips in them.

    Parameters
    ----------
    how, recipe, view, needs, jobs
        Which recordings; how long clips are; what they are cut to; what they must come with; processes.
    held : bool, optional
        Of :data:`HELD_SHARE` of the people alone, drawn by the split's seed, or of all others; None for everybody.

    Raises
    ------
    UsageError
        If none of them has what the task needs, or none is long enough.
    """
    data = open_dataset(how.data)
    folder = default_cache()
    training = [r for part in splits(how.split, data.recordings, how.seed)[:1] for r in (part.train or part.test)]
    if held is not None:
        training = _side(training, how, held)
    found = prepare(training, view, folder, jobs=jobs)
    entries = [entry for r in training if (entry := open_entry(r, view, folder)) is not None]
    # a task that needs nothing in particular learns from whatever there is, but from something
    rate_hz = view.rate_hz
    having = [e for e in entries if all(_has(e, n, rate_hz) for n in needs) and (needs or LABELS & e.signals.keys())]
    if not having:
        raise UsageError(
            f"No recording of {how.data} has what the task needs: {', '.join(sorted(needs)) or 'a label'}.",
            f"They have {', '.join(sorted({n for e in entries for n in _offers(e, rate_hz)})) or 'no references'}.",
        )
    spans = [_starts(entry, recipe.frames, needs) for entry in having]
    kept = [(entry, starts) for entry, starts in zip(having, spans) if starts]
    if not kept:
        what = " and ".join(["face", *sorted(needs)])
        raise UsageError(
            f"No recording of {how.data} has {recipe.frames} samples of {what} in a row.",
            f"Ask for shorter clips (frames), or see what is wrong with them: perfuse data check {how.data}",
        )
    notes = [f"{p.recording or p.file}: {p.message}" for p in found.problems]
    if lost := len(training) - len(kept):
        notes.append(f"{lost} of {len(training)} recordings of {how.data} give no clips.")
    return Filmed([entry for entry, _ in kept], [starts for _, starts in kept], recipe, view, needs, tuple(notes))


def _side(training: Sequence[Recording], how: Recorded, held: bool) -> list[Recording]:
    """Return the recordings of the people held back, or of all others."""
    try:
        (part,) = splits(f"subject:{1 - HELD_SHARE:g}/0/{HELD_SHARE:g}", training, how.seed)
    except UsageError as error:
        raise UsageError(
            f"{how.data} has too few people to hold some back.", "The task learns from them: give it three or more."
        ) from error
    return list(part.test if held else part.train)


def _has(entry: Entry, need: str, rate_hz: float) -> bool:
    if need != "radar":
        return need in entry.signals and len(usable(entry.signals[need])) > 1
    echo = entry.radar()
    # range bins, as often as the view: a slower radar would be heard to stand still every now and then
    if echo is None or echo.kind is None or echo.iq.ndim != 2 or not echo.valid.any() or len(echo.times_s) < 2:
        return False
    return float(np.median(np.diff(echo.times_s))) * rate_hz < 1.05


def _offers(entry: Entry, rate_hz: float) -> list[str]:
    """Name what an entry has, for a message."""
    if _has(entry, "radar", rate_hz):
        return [*entry.signals, "radar"]
    return [*entry.signals, *(["a radar without range bins or too slow"] if entry.radar() is not None else [])]


def _starts(entry: Entry, frames: int, needs: Collection[str] = ("pulse",)) -> list[int]:
    """Return where clips may begin: the face there all the time, and what is needed."""
    record, begin = entry.record, entry.about["start_s"]
    good, count = record.valid, len(record.valid)
    for name in set(needs) & (BESIDE | {"pulse"}):
        good = good & np.isfinite(wave_of(entry, name, begin, record.rate_hz, count))
    echo = entry.radar() if "radar" in needs else None
    if echo is not None:
        good = good & hears(echo, begin + np.arange(count) / record.rate_hz)
    run = np.convolve(good, np.ones(frames), "valid") if len(good) >= frames else np.zeros(0)
    return [int(k) for k in np.flatnonzero(run > frames - 0.5)]


def sources(recipe: Recipe, task: Task, device: str, told: Told | None = None) -> list[tuple[float, Source]]:
    """Return every source of a recipe with its share; what it keeps on disk is made first.

    A task that looks at people held back gets none of these from recordings.

    Raises
    ------
    UsageError
        If a source cannot give what the task needs.
    OutputError
        If something cannot be written.
    """
    unknown = task.needs - GIVES - BESIDE
    if unknown:
        raise UsageError(
            f"The task needs {', '.join(sorted(unknown))}, which no source gives.", "Choose another task."
        )
    if recipe.simulated is not None and recipe.simulated.share > 0 and (beside := task.needs & BESIDE):
        raise UsageError(
            f"The task needs {', '.join(sorted(beside))}, which simulated people come without.",
            "Learn from recordings alone (simulated=null), or choose another teacher.",
        )
    if not sum(how.share for how in [recipe.simulated, *recipe.recorded] if how is not None) > 0:
        raise UsageError("All shares of the recipe's data are 0.", "Give one of them more.")
    found: list[tuple[float, Source]] = []
    how = recipe.simulated
    if how is not None and how.share > 0:
        painted: Source = Painted(recipe, how, task.view, "radar" in task.needs, device)
        found.append((how.share, banked(how, recipe, task, device, told) if how.bank else painted))
    side = False if isinstance(task, Bilevel) else None
    found += [
        (one.share, filmed(one, recipe, task.view, task.needs, held=side)) for one in recipe.recorded if one.share > 0
    ]
    if not recipe.balanced:
        return found
    return [(1.0, Evenly([one for _, source in found for one in source.by_domain()], recipe.batch))]


def held_back(recipe: Recipe, task: Task, device: str, told: Told | None = None) -> list[tuple[float, Source]]:
    """Return where clips of people held back come from, as :func:`sources`; nothing if the task never looks.

    Simulated people are those of another seed, :data:`HELD_CLIPS` in a bank of their own where there is a bank;
    recorded ones are :data:`HELD_SHARE` of the people on the training side.

    Raises
    ------
    UsageError
        If a data set has too few people.
    OutputError
        If something cannot be written.
    """
    if not isinstance(task, Bilevel) or not any(task.due(step) for step in range(recipe.steps)):
        return []
    other, found, how = replace(recipe, seed=recipe.seed + HELD), [], recipe.simulated
    if how is not None and how.share > 0:
        bank = min(how.bank, HELD_CLIPS)
        how = replace(how, bank=bank, bank_seed=how.bank_seed + HELD, lessons=False)
        source: Source = Painted(other, how, task.view, "radar" in task.needs, device)
        found.append((how.share, banked(how, other, task, device, told) if bank else source))
    parts = [one for one in recipe.recorded if one.share > 0]
    return found + [(one.share, filmed(one, other, task.view, task.needs, held=True)) for one in parts]


def notes_of(parts: Iterable[Source]) -> list[str]:
    """Return what is wrong with the recordings among sources, once each."""
    single = [one for part in parts for one in (part.by_domain() if isinstance(part, Evenly) else [part])]
    return list(dict.fromkeys(note for one in single if isinstance(one, Filmed) for note in one.notes))


def mixed(parts: Sequence[tuple[float, Source]], seed: int, first: int = 0) -> Iterator[Batch]:
    """Yield the batch of every step from ``first`` on; which source gives it is drawn by seed and step."""
    shares = np.array([share for share, _ in parts]) / sum(share for share, _ in parts)
    edges = np.cumsum(shares)[:-1]

    def drawn(step: int) -> int:
        return int(np.searchsorted(edges, chance(seed, "source", step).random(), side="right"))

    counts = [0] * len(parts)
    if len(parts) > 1:
        for step in range(first):
            counts[drawn(step)] += 1
    else:
        counts[0] = first
    running = [source.batches(count) for (_, source), count in zip(parts, counts)]
    step = first
    try:
        while True:
            yield next(running[drawn(step) if len(parts) > 1 else 0])
            step += 1
    finally:
        for iterator in running:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
