"""What a teacher says of clips, kept on disk with the name of who said it. PhysVLM-style, RECONSTRUCTED.

A student that learns from a cache needs no teacher beside it. A cache remembers which teacher, which captions and
which data it is made of; one of another teacher, of other captions, or touched by data that is held out, is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from perfuse.core.errors import SourceError, UsageError
from perfuse.papers.physvlm import prompts
from perfuse.papers.physvlm.maps import picture
from perfuse.report.files import write_atomic

SPLAT_HZ = 0.08
"""Spread that a caption's rate gets on a grid of frequencies: captions lie 0.083 Hz apart."""
FORM = "1"
"""Of the file; to be raised when what it holds changes."""
NEAR = 10.0
"""Error per minute at which a teacher is believed 1 / e as much."""


@runtime_checkable
class Teacher(Protocol):
    """Puts pictures and sentences into one space."""

    @property
    def name(self) -> str:
        """What results call it."""
        ...

    @property
    def dim(self) -> int:
        """Of the space."""
        ...

    @property
    def scale(self) -> float:
        """What cosines are multiplied by before a softmax: 1 over the temperature."""
        ...

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the data it has learnt rates from."""
        ...

    def encode_image(self, rows: Tensor) -> Tensor:
        """Return unit vectors (B, dim) of pictures (B, 3, rows, T), 0 to 1, as :func:`picture` makes them."""
        ...

    def encode_text(self, sentences: Sequence[str]) -> Tensor:
        """Return unit vectors (K, dim) of sentences."""
        ...

    def fingerprint(self) -> str:
        """Return a hash of everything that decides what it says."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The captions of all rates in a teacher's space.

    Attributes
    ----------
    pulse, breath : Tensor, (41, D), (22, D)
        Of the rates :data:`perfuse.papers.physvlm.prompts.PULSES` and ``BREATHS``; of unit length.
    scale : float
        The teacher's.
    mark : str
        Hash of the captions.
    """

    pulse: Tensor
    breath: Tensor
    scale: float
    mark: str

    def posteriors(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Return how probable each rate of pulse and of breathing is, (B, 41) and (B, 22)."""
        said = [torch.softmax(self.scale * embedding @ bank.T, 1) for bank in (self.pulse, self.breath)]
        return said[0], said[1]

    def splatted(self, posterior: Tensor, of: str, grid_hz: Tensor) -> Tensor:
        """Return a posterior of ``pulse`` or ``breath`` as a distribution over frequencies (B, F)."""
        rates = torch.tensor(prompts.PULSES if of == "pulse" else prompts.BREATHS).to(posterior) / 60
        bells = torch.exp(-0.5 * ((grid_hz.to(posterior) - rates[:, None]) / SPLAT_HZ) ** 2)
        spread = posterior @ bells
        return spread / spread.sum(1, keepdim=True).clamp(min=1e-9)


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """What a teacher says of B clips.

    Attributes
    ----------
    embedding : Tensor, (B, D)
        Of unit length.
    pulse, breath : Tensor, (B, 41), (B, 22)
        How probable each rate with a caption is.
    weight : Tensor, (B,)
        How far it is believed, 0 to 1.
    """

    embedding: Tensor
    pulse: Tensor
    breath: Tensor
    weight: Tensor


@torch.no_grad()
def words_of(teacher: Teacher) -> Words:
    """Return a teacher's words: the mean over three ways to say each rate."""

    def bank(groups: Sequence[Sequence[str]]) -> Tensor:
        flat = teacher.encode_text([sentence for group in groups for sentence in group])
        return functional.normalize(flat.reshape(len(groups), -1, flat.shape[1]).mean(1), dim=1)

    pulse, breath = [prompts.pulse(x) for x in prompts.PULSES], [prompts.breath(x) for x in prompts.BREATHS]
    return Words(bank(pulse), bank(breath), teacher.scale, prompts.mark())


@torch.no_grad()
def prior_of(teacher: Teacher, words: Words, clip: Tensor, heart_rate: Tensor | None = None) -> Prior:
    """Ask a teacher.

    Parameters
    ----------
    teacher : Teacher
        Who is asked.
    words : Words
        Its own.
    clip : Tensor, (B, 3, T, 8, 8)
        Levels.
    heart_rate : Tensor, (B,), optional
        True rates per minute, NaN where unknown: where it is wrong, it is believed less.

    Returns
    -------
    Prior
        Weights are 1 less the entropy of the pulse's posterior over its most; times exp(-error / 10) where the rate
        is known, the error being that of the posterior's mean.
    """
    embedding = teacher.encode_image(picture(clip))
    pulse, breath = words.posteriors(embedding)
    return Prior(embedding, pulse, breath, believed(pulse, heart_rate))


def believed(pulse: Tensor, heart_rate: Tensor | None = None) -> Tensor:
    """Return how far posteriors (B, 41) are believed, (B,): see :func:`prior_of`."""
    entropy = -(pulse * pulse.clamp(min=1e-9).log()).sum(1)
    weight = (1 - entropy / math.log(pulse.shape[1])).clamp(0, 1)
    if heart_rate is not None:
        error = (pulse @ torch.tensor(prompts.PULSES).to(pulse) - heart_rate.to(pulse)).abs()
        weight = weight * torch.where(torch.isfinite(error), torch.exp(-error / NEAR), 1.0)
    return weight


def key(clip_id: str, start: int, window: Tensor) -> str:
    """Return the name of a window (3, T, 8, 8) in a cache: where it is cut from, and what is in it."""
    return f"{clip_id}@{start}#{window_mark(window)}"


def window_mark(window: Tensor) -> str:
    """Return a hash of what is in a window (3, T, 8, 8)."""
    levels = (torch.nan_to_num(window.detach().cpu().float()) * 256).round().to(torch.int32).contiguous()
    return hashlib.blake2b(levels.numpy().tobytes(), digest_size=8).hexdigest()


def write_priors(
    path: Path,
    teacher: Teacher,
    parts: Iterable[tuple[Sequence[str], Tensor, Tensor | None]],
    *,
    domains: Collection[str],
) -> Words:
    """Ask a teacher about clips, and keep what it says.

    Parameters
    ----------
    path : Path
        The file to write.
    teacher : Teacher
        Who is asked.
    parts : iterable of (keys, clips, heart rates or None)
        Names of :func:`key`, clips (B, 3, T, 8, 8), rates (B,) per minute.
    domains : collection of str
        Names of the data that the clips are from.

    Raises
    ------
    OutputError
        If the file cannot be written.
    UsageError
        If no clip was given, or a name came twice.
    """
    words, keys, found = words_of(teacher), [], []
    for names, clip, rates in parts:
        keys += list(names)
        found.append(prior_of(teacher, words, clip, rates))
    if not keys or len(set(keys)) < len(keys):
        problem = "No clip was given." if not keys else "A clip was given twice."
        raise UsageError(problem, "Give every window of the data once.")
    about = {
        "form": FORM,
        "teacher": teacher.fingerprint(),
        "name": teacher.name,
        "words": words.mark,
        "scale": repr(words.scale),
        "learnt": json.dumps(sorted(teacher.domains)),
        "domains": json.dumps(sorted(domains)),
        "keys": json.dumps(keys),
    }
    tensors = {name: torch.cat([getattr(one, name) for one in found]).contiguous() for name in Prior.__slots__}
    tensors |= {"words_pulse": words.pulse.contiguous(), "words_breath": words.breath.contiguous()}
    write_atomic(path, save(tensors, about))
    return words


@dataclass(frozen=True, slots=True, eq=False)
class Priors:
    """A cache that was opened.

    Attributes
    ----------
    words : Words
        The teacher's.
    rows : dict of str to int
        Names of the windows.
    said : Prior
        Of all of them.
    teacher, name : str
        Fingerprint and name of who said it.
    """

    words: Words
    rows: dict[str, int]
    said: Prior
    teacher: str = ""
    name: str = ""

    def of_windows(self, clip: Tensor) -> Prior:
        """Return what was said of windows (B, 3, T, 8, 8), which are known by what is in them.

        Raises
        ------
        SourceError
            If one is not there.
        """
        by_mark = {name.rpartition("#")[2]: name for name in self.rows}
        marks = [window_mark(window) for window in clip]
        return self.of([by_mark.get(mark, f"the window {mark}") for mark in marks])

    def of(self, keys: Sequence[str]) -> Prior:
        """Return what was said of these windows.

        Raises
        ------
        SourceError
            If one is not there.
        """
        missing = [name for name in keys if name not in self.rows]
        if missing:
            raise SourceError(
                f"The teacher was not asked about {missing[0]}, nor {len(missing) - 1} more.",
                "Write the cache again, of the windows that are learnt from.",
            )
        at = torch.tensor([self.rows[name] for name in keys])
        return Prior(*(getattr(self.said, name)[at] for name in Prior.__slots__))


def open_priors(path: Path, *, teacher: str | None = None, held_out: Collection[str] = ()) -> Priors:
    """Open a cache.

    Parameters
    ----------
    path : Path
        The file.
    teacher : str, optional
        Fingerprint that it has to have.
    held_out : collection of str
        Data that neither the teacher nor the clips may have touched.

    Raises
    ------
    SourceError
        If the file is missing, damaged, or no cache.
    UsageError
        If it is of another teacher or of other captions, or held-out data is in it.
    """
    about, tensors = _read(path)
    if teacher is not None and about["teacher"] != teacher:
        raise UsageError(
            f"{path} is what another teacher said ({about['name']}, {about['teacher']}), not {teacher}.",
            "Write the cache again with this one.",
        )
    if about["words"] != prompts.mark():
        raise UsageError(f"{path} was written for other captions.", "Write the cache again.")
    for name in sorted(held_out):
        if name in json.loads(about["learnt"]):
            raise UsageError(
                f"The teacher of {path} has learnt from {name}, which is held out.",
                "Adapt a teacher without it, and write the cache again.",
            )
        if name in json.loads(about["domains"]):
            raise UsageError(f"{path} holds clips of {name}, which is held out.", "Write a cache without it.")
    words = Words(tensors["words_pulse"], tensors["words_breath"], float(about["scale"]), about["words"])
    rows = {name: row for row, name in enumerate(json.loads(about["keys"]))}
    said = Prior(*(tensors[name] for name in Prior.__slots__))
    return Priors(words, rows, said, about["teacher"], about["name"])


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    remedy = "Write it with write_priors."
    if not path.is_file():
        raise SourceError(f"There is no file {path}.", remedy)
    try:
        with safe_open(path, framework="pt") as file:
            about = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise SourceError(f"{path} cannot be read ({type(error).__name__}).", remedy) from error
    wanted = {"form", "teacher", "name", "words", "scale", "learnt", "domains", "keys"}
    if not wanted <= set(about) or not set(Prior.__slots__) <= set(tensors) or about["form"] != FORM:
        raise SourceError(f"{path} is no cache of what a teacher said.", remedy)
    return about, tensors
