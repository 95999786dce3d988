"""Streams: endless batches of clips, on a torch device or in numpy, rendered no finer than a view needs."""

from __future__ import annotations

import importlib
import math
import multiprocessing
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import MissingExtraError, UsageError
from perfuse.core.view import Crop, Grid
from perfuse.synth.batch import Batch
from perfuse.synth.camera.codec import blocks, compress
from perfuse.synth.camera.strength import STAND_INS, quantiser
from perfuse.synth.camera.timing import frame_times
from perfuse.synth.direct import Close, close_up, gridded, levels, onto_grid, sides
from perfuse.synth.domains import DOMAINS
from perfuse.synth.fields import F64, Field
from perfuse.synth.priors import Choice
from perfuse.synth.scene.layer import Array, as_like
from perfuse.synth.settings import Settings, check, settle, whole
from perfuse.synth.settings import stream as chance
from perfuse.synth.subject import Subject, born, skin_of
from perfuse.synth.truth import live

PORTRAIT = frozenset(
    [
        "kind",
        "age_y",
        "tone",
        "wear",
        "face_size",
        "width",
        "height",
        "key_angle_deg",
        "key_fill",
        "kelvin",
        "screen",
        "movers",
        "background",
        "readout_s",
        "cast",
    ]
)
"""Parameters that are painted into a portrait, which several clips share."""

RADAR_HZ, PER_FRAME = 30.0, 4
"""Radar samples a second that networks see, and chirps for each."""

POOL = 16
"""Portraits in use at a time."""

REUSE = 16
"""Clips that each portrait serves, with other hearts, lights, motions and noise."""


def stream(
    view: Grid | Crop,
    *,
    batch: int = 16,
    frames: int = 160,
    seed: int = 0,
    domains: str | Mapping[str, float] = "train",
    radar: bool = False,
    device: str | None = None,
    first: int = 0,
    workers: int = 0,
    **asked: Any,
) -> Iterator[Batch]:
    """Yield batches of fresh subjects without end.

    Clip ``i`` of a stream depends on the seed, the view, the length and ``i`` alone: a stream that starts at
    ``first=1000`` goes on where another was stopped, and the size of a batch changes no clip.

    Parameters
    ----------
    view : Grid or Crop
        What a network will eat; also the rate in Hz.
    batch, frames : int
        Clips per batch (1 to 4096) and frames per clip (32 to 4096).
    seed : int
        0 or above.
    domains : str or mapping
        One domain, or the share of each.
    radar : bool
        Whether to simulate the radar as well.
    device : str, optional
        A torch device such as ``"cpu"`` or ``"cuda"``; without one the arrays are numpy's.
    first : int
        Number of the first clip.
    workers : int
        Processes that make batches ahead of time, 0 to 256; the clips are the same. 0 makes them here, on the device.
    **asked
        Parameters that all subjects share, as in :func:`perfuse.synth.subject`.

    Raises
    ------
    UsageError
        If a value is out of range.
    MissingExtraError
        If a device is named and torch is not installed.
    """
    batch, frames = whole("batch", batch, 1, 4096), whole("frames", frames, 32, 4096)
    first, workers = whole("first", first, 0, 2**53), whole("workers", workers, 0, 256)
    seed = whole("seed", seed, 0, 2**63)
    if not isinstance(view, Grid | Crop):
        raise UsageError(f"A stream cannot make {view!r}.", "Pass a Grid or a Crop.")
    if radar and view.rate_hz != RADAR_HZ:
        raise UsageError(f"A radar beside frames at {view.rate_hz:g} Hz was asked for.", f"Use {RADAR_HZ:g} Hz.")
    check("rows and columns", max(sides(view)), 1, 4096)
    shares = {domains: 1.0} if isinstance(domains, str) else domains
    if not isinstance(shares, Mapping) or not shares:
        raise UsageError(
            f"domains = {domains!r} was given.", f"Name one, or the share of each: {', '.join(DOMAINS)}."
        )
    for name, share in shares.items():
        settle(seed, name, asked)
        check(f"share of {name}", math.nan if share is None else share, 0, 1e9)
    if not sum(shares.values()) > 0:
        raise UsageError("The shares of all domains are 0.", "Give one of them more.")
    like = _like(device)
    if workers:
        maker = _Maker(view, frames, seed, Choice(dict(shares)), radar, _like(None), asked)
        return _made_ahead(maker, batch, first, workers, like)
    return _made_here(_Maker(view, frames, seed, Choice(dict(shares)), radar, like, asked), batch, first)


def _made_here(maker: _Maker, batch: int, first: int) -> Iterator[Batch]:
    while True:
        yield maker.make(range(first, first + batch))
        first += batch


def _made_ahead(maker: _Maker, batch: int, first: int, workers: int, like: Array) -> Iterator[Batch]:
    """Hand batches out in order while processes make the next ones."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_settle_in, initargs=(maker,)) as pool:
        waiting: deque[Future[Batch]] = deque()
        try:
            while True:
                while len(waiting) < 2 * workers:
                    waiting.append(pool.submit(_work, range(first, first + batch)))
                    first += batch
                yield waiting.popleft().result().to(like)
        finally:
            for future in waiting:
                future.cancel()


_here: list[_Maker] = []
"""The maker of a worker process."""


def _settle_in(maker: _Maker) -> None:
    _here.append(maker)


def _work(items: range) -> Batch:
    return _here[0].make(items)


def _like(device: str | None) -> Array:
    """Return an array whose kind and place the stream's arrays share."""
    if device is None:
        return np.zeros(1, np.float32)
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        raise MissingExtraError(
            f"device={device!r} needs torch.", "Install torch, or leave the device out."
        ) from error
    try:
        return torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"There is no device {device!r} here ({error}).", "Pass 'cpu', or 'cuda' with a GPU."
        ) from error


@dataclass(slots=True, eq=False)
class _Maker:
    """Makes clips by their number; keeps the portraits that are in use."""

    view: Grid | Crop
    frames: int
    seed: int
    shares: Choice
    radar: bool
    like: Array
    asked: Mapping[str, Any]
    portraits: OrderedDict[int, tuple[Subject, Close]] = field(default_factory=OrderedDict)

    def make(self, items: range) -> Batch:
        """Make the clips of these numbers."""
        made = [self._person(item) for item in items]
        people = [person for person, _ in made]
        raw = [levels(person, close, self.like) for person, close in made]
        clips = [
            gridded(pictures, onto_grid(person.times_s, self.view.rate_hz, self.frames), close.fold)
            for pictures, (person, close) in zip(_pressed(raw, made), made, strict=True)
        ]
        xp = array_api_compat.array_namespace(self.like)
        return self._batch(xp.stack(clips), people, items)

    def _batch(self, clip: Array, people: list[Subject], items: range) -> Batch:
        """Put what is true beside the clips."""
        grid = np.arange(self.frames) / self.view.rate_hz
        pulse = np.stack([person.truth.pulse(grid) for person in people])
        breath = np.stack([person.truth.respiration(grid) for person in people])
        truths = [(person.truth.heart_rate, person.truth.respiratory_rate) for person in people]
        rates = np.array([[np.nan if rate is None else rate for rate in pair] for pair in truths])

        contacts = [_contact(person, grid) for person in people]

        def placed(values: F64) -> Array:
            return as_like(values.astype(np.float32), self.like)

        return Batch(
            clip=clip,
            pulse=placed(pulse),
            contact=placed(np.stack([values for values, _ in contacts])),
            contact_valid=as_like(np.stack([valid for _, valid in contacts]), self.like),
            respiration=placed(breath),
            radar=placed(np.stack([self._radar(person) for person in people])) if self.radar else None,
            heart_rate=placed(rates[:, 0]),
            respiratory_rate=placed(rates[:, 1]),
            rate_hz=self.view.rate_hz,
            items=np.array(items, np.int64),
            settings=tuple(person.settings for person in people),
        )

    def _radar(self, person: Subject) -> Field:
        """Record a clip with a radar, (10, T)."""
        return person.radar(start_s=0.0, duration_s=self.frames / RADAR_HZ, every=PER_FRAME).as_input()[
            :, : self.frames
        ]

    def _person(self, item: int) -> tuple[Subject, Close]:
        """Return who is in a clip: a new life behind one of the portraits in use."""
        slot = item % POOL
        number = (item // POOL + slot) // REUSE * POOL + slot
        if number not in self.portraits:
            self.portraits[number] = self._portrait(number)
            while len(self.portraits) > POOL:
                self.portraits.popitem(last=False)
        self.portraits.move_to_end(number)  # whose turn was longest ago goes: the oldest may still be in use
        face, close = self.portraits[number]
        seed = _seed(self.seed, "clip", item)
        length = {"duration_s": max(1.0, self.frames / self.view.rate_hz)}
        own = settle(seed, face.settings.domain, {**self.asked, **length})
        settings = replace(own, **{name: getattr(face.settings, name) for name in PORTRAIT})
        skin = skin_of(settings)
        time_s = _times(chance(seed, "camera"), settings)
        life = Subject(settings, time_s, live(settings, skin, time_s), skin, face.look, face.light)
        return life, replace(close, scene=close.scene.with_blood(face.skin, skin))

    def _portrait(self, number: int) -> tuple[Subject, Close]:
        """Paint a portrait."""
        seed = _seed(self.seed, "portrait", number)
        domain = str(self.shares.draw(chance(seed, "domain")))
        settings = settle(seed, domain, {**self.asked, "duration_s": 1.0})
        face = born(settings, np.array([0.0, 1.0]))
        return face, close_up(face, self.view, self.like)


def _contact(person: Subject, grid: F64) -> tuple[F64, NDArray[np.bool_]]:
    """Return what a contact sensor wrote at the times of a clip, (T,), and where it wrote anything."""
    if not person.settings.alive:
        return np.zeros(len(grid)), np.zeros(len(grid), np.bool_)
    sensor = person.contact(rate_hz=float(1.0 / (grid[1] - grid[0])))
    valid = np.interp(grid, sensor.times_s, sensor.valid) > 0.5
    values = np.interp(grid, sensor.times_s, np.nan_to_num(sensor.values))
    return np.where(valid, values, 0.0), valid


def _seed(seed: int, kind: str, index: int) -> int:
    return int(chance(seed, kind, index).integers(2**62))


def _times(rng: np.random.Generator, s: Settings) -> F64:
    """Capture times that cover a clip, the first frame just before it."""
    times = frame_times(rng, s.duration_s + 4.0 / s.rate_hz, s.rate_hz, s.jitter_s, s.drop)
    return np.asarray(times - rng.uniform(1.0, 2.0) / s.rate_hz)


def _pressed(raw: list[Array], made: list[tuple[Subject, Close]]) -> list[Array]:
    """Compress clips, those with the same codec and the same blocks side by side."""
    out = list(raw)
    groups: dict[tuple[str, bool, int, int], list[int]] = {}
    for index, (person, close) in enumerate(made):
        if person.settings.codec != "none":
            groups.setdefault((STAND_INS[person.settings.codec], *blocks(max(1.0, close.scale))), []).append(index)
    for (mode, *_), members in groups.items():
        xp = array_api_compat.array_namespace(raw[0])
        longest = max(raw[i].shape[0] for i in members)
        clips = xp.stack([_stretched(xp, raw[i], longest) for i in members])
        quality = [quantiser(mode, made[i][0].settings.quality) for i in members]
        coded = compress(clips, np.array(quality), mode=mode, scale=max(1.0, made[members[0]][1].scale))
        for row, i in enumerate(members):
            out[i] = coded[row, : raw[i].shape[0]]
    return out


def _stretched(xp: Any, clip: Array, count: int) -> Array:
    """Repeat the last frame of (T, ...) until there are ``count``."""
    short = count - clip.shape[0]
    return clip if not short else xp.concat([clip, xp.stack([clip[-1]] * short)], axis=0)
