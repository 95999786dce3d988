"""A bank: clips of simulated people painted once, kept on disk, and shared by all trainings that ask for the same.

Painting is dearer than learning: a clip of a grid costs ten times what a small network needs to learn from it. What a
teacher says of the clips may be kept beside them, so that students learn at the cost of a student.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor

from perfuse.core.errors import OutputError, SourceError
from perfuse.core.view import Crop, Grid
from perfuse.core.workers import alive, side_by_side
from perfuse.learn.people import People
from perfuse.report.files import write_atomic
from perfuse.synth.batch import Batch
from perfuse.synth.settings import stream as chance
from perfuse.synth.stream import stream

PART = 256
"""Clips of a file: as many as 16 portraits serve, since each file paints its own."""
AT_ONCE = 16
"""Clips painted, or shown to a teacher, at a time."""
FINE = 256.0
"""Steps a level is stored in: a pulse on dark skin moves a cell by a twentieth of a level."""
SERIES = ("pulse", "contact", "contact_valid", "respiration", "radar", "heart_rate", "respiratory_rate")
Told = Callable[[int, int, str], None]
Lesson = Callable[[Tensor], Mapping[str, Tensor]]


@dataclass(frozen=True, slots=True)
class Bank:
    """Clips on disk.

    Attributes
    ----------
    folder : Path
        Where; named after everything that decides what is in it.
    view : Grid or Crop
        Of the clips.
    frames, clips : int
        Samples of a clip, and how many clips there are.
    seed : int
        Of the stream they come from.
    domains : mapping
        Share of each domain.
    radar : bool
        Whether a radar was there.
    asked : mapping
        Parameters that all people share.
    """

    folder: Path
    view: Grid | Crop
    frames: int
    clips: int
    seed: int
    domains: Mapping[str, float]
    radar: bool
    asked: Mapping[str, Any] = field(default_factory=dict)
    _people: list[People] = field(default_factory=list, compare=False, repr=False)

    def people(self) -> People:
        """Return who is in it."""
        if not self._people:
            duration = self.frames / self.view.rate_hz
            self._people.append(People(self.seed, self.domains, self.asked, duration))
        return self._people[0]

    def rows(self) -> dict[str, NDArray[np.int64]]:
        """Return the numbers of the clips of every domain, in the order of the domains; empty ones are left out."""
        people = self.people()
        named = [people.domain(row) for row in range(self.clips)]
        found = {name: np.array([row for row, one in enumerate(named) if one == name]) for name in self.domains}
        return {name: rows for name, rows in found.items() if len(rows)}

    def paint(self, jobs: int = 1, told: Told | None = None) -> None:
        """Paint what is missing; a bank that was stopped goes on, one that is whole costs nothing.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        missing = [part for part in range(self.parts) if not self._path(part).exists()]
        if not missing:
            return
        self._make_room()
        done = self.parts - len(missing)
        for _ in side_by_side(partial(_paint, self), missing, jobs):
            done += 1
            if told is not None:
                told(min(done * PART, self.clips), self.clips, "painting clips")

    def teach(self, lesson: Lesson, key: str, device: str = "cpu", told: Told | None = None) -> None:
        """Write down what a teacher says of every clip, where that is missing.

        Parameters
        ----------
        lesson : callable
            Clips (B, 3, T, H, W) to named series (B, T), maps (B, T, h, w) and vectors (B, 1, D).
        key : str
            Of everything that decides what it says.
        """
        for part in range(self.parts):
            path = self._path(part, key)
            if path.exists():
                continue
            said: dict[str, list[NDArray[Any]]] = {}
            for low in range(0, self._size(part), AT_ONCE):
                rows = np.arange(low, min(low + AT_ONCE, self._size(part))) + part * PART
                for name, values in lesson(self.batch(rows).clip.to(device)).items():
                    said.setdefault(name, []).append(values.detach().float().cpu().numpy().astype(np.float16))
            # safetensors writes arrays whose rows are not in order as if they were
            write_atomic(path, save({k: np.ascontiguousarray(np.concatenate(v)) for k, v in said.items()}))
            if told is not None:
                told(min((part + 1) * PART, self.clips), self.clips, "asking the teacher")

    def batches(
        self, size: int, seed: int, first: int, lessons: str | None = None, only: NDArray[np.int64] | None = None
    ) -> Iterator[Batch]:
        """Yield batches without end, from number ``first`` on; every clip comes once before any comes again.

        With ``only``, of the clips with these numbers.
        """
        place, order, epoch = first * size, np.zeros(0, np.int64), -1
        count = self.clips if only is None else len(only)
        while True:
            rows = np.zeros(size, np.int64)
            for k in range(size):
                if (place + k) // count != epoch:
                    epoch = (place + k) // count
                    order = chance(seed, "bank", epoch).permutation(count)
                    order = order if only is None else only[order]
                rows[k] = order[(place + k) % count]
            yield self.batch(rows, lessons)
            place += size

    def batch(self, rows: NDArray[np.int64], lessons: str | None = None) -> Batch:
        """Return the clips of these numbers, who is in them, and with the key of lessons what the teacher said.

        Raises
        ------
        SourceError
            If a file is damaged.
        """
        found, people = [self._row(int(row), None) for row in rows], self.people()
        taught = [self._row(int(row), lessons) for row in rows] if lessons is not None else []

        def joined(rows: list[dict[str, Tensor]], name: str) -> Tensor:
            return torch.stack([row[name] for row in rows])

        series = {name: joined(found, name) if name in found[0] else None for name in SERIES}
        return Batch(
            clip=joined(found, "clip"),
            **series,
            rate_hz=self.view.rate_hz,
            items=np.array(rows, np.int64),
            settings=tuple(people.settings(int(row)) for row in rows),
            taught={name: joined(taught, name) for name in taught[0]} if taught else None,
        )

    @property
    def parts(self) -> int:
        """Files that it takes."""
        return -(-self.clips // PART)

    def _size(self, part: int) -> int:
        return min(PART, self.clips - part * PART)

    def _path(self, part: int, lessons: str | None = None) -> Path:
        return self.folder / (f"{part:05d}" + (f"-{lessons}" if lessons else "") + ".safetensors")

    def _row(self, row: int, lessons: str | None) -> dict[str, Tensor]:
        path = self._path(row // PART, lessons)
        try:
            with safe_open(path, framework="np") as file:
                values = {name: file.get_slice(name)[row % PART : row % PART + 1][0] for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, KeyError) as error:
            raise SourceError(f"{path} is damaged ({error}).", "Remove it; the next run makes it again.") from error
        if "clip" in values:
            values["clip"] = values["clip"].astype(np.float32) / np.float32(FINE)
        return {
            name: torch.from_numpy(np.asarray(value, np.float32 if value.dtype == np.float16 else None))
            for name, value in values.items()
        }

    def _make_room(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for left in self.folder.glob(".perfuse-*.part"):  # of runs that were killed while they wrote
                if not alive(int(left.name.split("-")[1])):
                    left.unlink(missing_ok=True)
        except (OSError, ValueError) as error:
            raise OutputError(f"{self.folder} cannot be used ({error}).", "Set PERFUSE_CACHE to another.") from error
        about = {"clips": self.clips, "frames": self.frames, "view": repr(self.view), "domains": dict(self.domains)}
        write_atomic(self.folder / "about.json", json.dumps(about | {"seed": self.seed}, indent=1) + "\n")


def open_bank(
    root: Path,
    view: Grid | Crop,
    *,
    frames: int,
    clips: int,
    seed: int,
    domains: Mapping[str, float],
    radar: bool = False,
    asked: Mapping[str, Any] | None = None,
) -> Bank:
    """Return the bank for what is asked; its folder is named after that and the source of the simulator.

    A bank of more clips begins with those of a smaller one, in the same folder.
    """
    words = (
        1,
        _simulator(radar),
        repr(view),
        frames,
        seed,
        sorted(domains.items()),
        radar,
        sorted((asked or {}).items()),
    )
    name = hashlib.blake2b(repr(words).encode(), digest_size=10).hexdigest()
    # a last file that is not full belongs to one size only
    folder = root / "bank" / (name if clips % PART == 0 else f"{name}-{clips}")
    return Bank(folder, view, frames, clips, seed, dict(domains), radar, dict(asked or {}))


@cache
def _simulator(radar: bool) -> str:
    """Hash of the simulator's source: whoever changes it paints other clips."""
    import perfuse

    house = Path(perfuse.__file__).parent
    files = [f for f in (house / "synth").rglob("*.py") if radar or f.parent.name != "radar"]
    files += (house / "radar").rglob("*.py") if radar else []
    mark = hashlib.blake2b(digest_size=8)
    for file in sorted(files):
        mark.update(file.name.encode() + file.read_bytes())
    return mark.hexdigest()


def _paint(bank: Bank, part: int) -> None:
    """Paint the clips of one file."""
    first, size = part * PART, bank._size(part)
    made = stream(
        bank.view, batch=min(AT_ONCE, size), frames=bank.frames, seed=bank.seed, domains=bank.domains,
        radar=bank.radar, first=first, **bank.asked,
    )  # fmt: skip
    columns: dict[str, list[NDArray[Any]]] = {}
    with contextlib.closing(made):  # type: ignore[type-var]
        while sum(len(c) for c in columns.get("clip", ())) < size:
            batch = next(made)
            columns.setdefault("clip", []).append(np.rint(batch.clip * FINE).clip(0, 65535).astype(np.uint16))
            for name in SERIES:
                if getattr(batch, name) is not None:
                    columns.setdefault(name, []).append(np.asarray(getattr(batch, name)))
    whole = {name: np.ascontiguousarray(np.concatenate(values)[:size]) for name, values in columns.items()}
    write_atomic(bank._path(part), save(whole))
