"""The two stages before a student learns: a teacher learns captions of rates, and what it says is kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from perfuse.core.errors import OutputError, UsageError
from perfuse.data.cache import default_cache
from perfuse.learn.augment import augment, cut
from perfuse.learn.bank import AT_ONCE, Bank, open_bank
from perfuse.learn.recipe import Recipe
from perfuse.learn.sources import mixed, sources
from perfuse.learn.task import Task
from perfuse.papers.physvlm.adapt import Example
from perfuse.papers.physvlm.adapt import adapt as teach
from perfuse.papers.physvlm.hub import load_hub
from perfuse.papers.physvlm.lowrank import grow, save_adapted
from perfuse.papers.physvlm.openclip import PREFIX
from perfuse.papers.physvlm.priors import Priors, key, write_priors
from perfuse.papers.physvlm.provide import WEIGHTS, About, load_teacher, write_about
from perfuse.papers.physvlm.tiny import TinyDualEncoder, save_tiny
from perfuse.papers.physvlm.tiny_task import TinyTask
from perfuse.papers.physvlm.towers import Towers
from perfuse.synth.batch import Batch

LOW_RANK = 1e-4
"""Learning rate of low-rank updates. ASSUMED."""
Told = Callable[[float, float | None, str | None], None]


@dataclass(frozen=True, slots=True)
class Adapted:
    """What came of adapting: name and fingerprint of the teacher, and its loss over the first and last tenth."""

    name: str
    fingerprint: str
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Cached:
    """What came of asking: name and fingerprint of the teacher, and the clips."""

    name: str
    fingerprint: str
    clips: int


def adapt_teacher(
    base: str,
    recipe: Recipe,
    folder: Path,
    *,
    held_out: Collection[str] = (),
    revision: str | None = None,
    pairs: int = 4,
    progress: Told | None = None,
) -> Adapted:
    """Teach a teacher on the data of a recipe, and write it; nothing is written before it is done.

    Parameters
    ----------
    base : str
        ``tiny``, or a CLIP or SigLIP model, see :func:`perfuse.papers.physvlm.hub.load_hub`.
    recipe : Recipe
        Data, steps, batch, crop and seed; the small teacher learns at its rate, others at :data:`LOW_RANK`.
    folder : Path
        To write; must not hold anything yet.
    held_out : collection of str
        Data that it must not learn from.
    revision, pairs
        See :func:`perfuse.papers.physvlm.hub.load_hub` and :func:`perfuse.papers.physvlm.adapt.lesson`.
    progress : callable, optional
        Called with steps done, steps in all, and a word.

    Raises
    ------
    UsageError
        If held-out data would be learnt from, or there is nothing to learn with.
    SourceError
        If the base cannot be read.
    OutputError
        If the folder cannot be written, or holds something.
    """
    room = _room(folder)
    teacher, about = _base(base, recipe, revision)
    domains = domains_of(recipe)
    touched = sorted(set(domains) & set(held_out))
    if touched:  # told before anything is painted
        raise UsageError(
            f"{', '.join(touched)} is held out, and would teach the teacher.",
            "Leave it out of the recipe's domains: --set 'simulated.domains={...}'.",
        )
    parts = sources(recipe, _task(recipe), "cpu", None)
    batches = mixed(parts, recipe.seed)
    try:
        lr = recipe.optimiser.lr if about.kind == "tiny" else LOW_RANK
        losses = teach(
            teacher, _examples(batches, recipe, progress), steps=recipe.steps, domains=domains, held_out=held_out,
            lr=lr, pairs=pairs, seed=recipe.seed,
        )  # fmt: skip
    finally:
        batches.close()  # type: ignore[attr-defined]
    room.mkdir(parents=True, exist_ok=True)
    if isinstance(teacher, Towers):
        save_adapted(teacher, room / WEIGHTS, about.fingerprint)
    else:
        save_tiny(teacher, room / WEIGHTS)
    mark = teacher.fingerprint()
    write_about(room, About(about.kind, about.base, about.revision, mark))
    tenth = max(1, len(losses) // 10)
    return Adapted(teacher.name, mark, float(np.mean(losses[:tenth])), float(np.mean(losses[-tenth:])))


def cache_priors(
    source: str, recipe: Recipe, path: Path, *, held_out: Collection[str] = (), progress: Told | None = None
) -> Cached:
    """Ask a teacher about every clip of a recipe's bank, whole and not augmented, and keep what it says.

    Parameters
    ----------
    source : str
        See :func:`perfuse.papers.physvlm.provide.load_teacher`.
    recipe : Recipe
        Whose bank.
    path : Path
        The file to write.
    held_out : collection of str
        Data that neither the teacher nor the clips may have touched.
    progress : callable, optional
        Called with clips done, clips in all, and a word.

    Raises
    ------
    UsageError
        If the recipe has no bank, or held-out data is in it or in the teacher.
    SourceError
        If the teacher cannot be read.
    OutputError
        If the file or the bank cannot be written.
    """
    view = _task(recipe).view
    teacher = load_teacher(source, rate_hz=view.rate_hz, held_out=held_out)
    if isinstance(teacher, Priors):
        raise UsageError(f"{source} is a cache already.", "Name who is to be asked.")
    how = recipe.simulated
    if how is None or not how.bank:
        raise UsageError("The recipe has no bank: clips that nobody sees twice cannot be kept.", "State one.")
    touched = sorted(set(domains_of(recipe)) & set(held_out))
    if touched:
        raise UsageError(f"The bank holds clips of {', '.join(touched)}, which is held out.", "Leave it out.")
    bank = open_bank(
        default_cache(), view, frames=recipe.frames, clips=how.bank, seed=how.bank_seed, domains=how.domains,
        asked=how.asked,
    )  # fmt: skip
    bank.paint(max(1, recipe.workers), progress)
    write_priors(path, teacher, _windows(bank, progress), domains=sorted(how.domains))
    return Cached(teacher.name, teacher.fingerprint(), how.bank)


def domains_of(recipe: Recipe) -> list[str]:
    """Return the names of all data of a recipe."""
    painted = [] if recipe.simulated is None else [n for n, share in recipe.simulated.domains.items() if share > 0]
    return sorted({*painted, *(how.data.partition(":")[0] for how in recipe.recorded)})


def _room(folder: Path) -> Path:
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"{folder} holds something already.", "Choose a new folder.")
    except OSError as error:
        raise OutputError(f"{folder} cannot be used ({error.strerror}).", "Choose another folder.") from error
    return folder


def _base(base: str, recipe: Recipe, revision: str | None) -> tuple[TinyDualEncoder | Towers, About]:
    if base == "tiny":
        torch.manual_seed(recipe.seed)
        return TinyDualEncoder(), About("tiny", "", None, "")
    teacher = load_hub(base, revision=revision)
    bare = base.removeprefix(PREFIX)
    place = Path(bare).expanduser()
    kept = base.removesuffix(bare) + str(place.resolve()) if place.is_dir() else base
    about = About("hub", kept, revision, teacher.fingerprint())
    return grow(teacher, seed=recipe.seed), about


def _task(recipe: Recipe) -> Task:
    """Return a task that only says what is seen, by the recipe's own rate and margin."""
    return TinyTask(**{name: recipe.model[name] for name in ("rate_hz", "margin") if name in recipe.model})


def _examples(batches: Iterator[Batch], recipe: Recipe, progress: Told | None) -> Callable[[int], Example]:
    """Return what gives the batch of a step, cut as the recipe says."""

    def example(step: int) -> Example:
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
        batch = augment(cut(next(batches), recipe.crop, generator), recipe.augment, generator)
        if progress is not None:
            progress(step, recipe.steps, None)
        return Example(batch.clip, batch.heart_rate, batch.respiratory_rate)

    return example


def _windows(bank: Bank, progress: Told | None) -> Iterator[tuple[list[str], Tensor, Tensor | None]]:
    for low in range(0, bank.clips, AT_ONCE):
        rows = np.arange(low, min(low + AT_ONCE, bank.clips))
        batch = bank.batch(rows)
        names = [key(f"{bank.folder.name}/{row}", 0, clip) for row, clip in zip(rows.tolist(), batch.clip)]
        yield names, batch.clip, batch.heart_rate
        if progress is not None:
            progress(float(rows[-1] + 1), float(bank.clips), "asking the teacher")
