"""What a radar sees through time: echoes in, uniform grid, pulse wave and movement out, bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from perfuse.clip.resample import Resampler
from perfuse.core.method import Method
from perfuse.core.signals import Chunk
from perfuse.methods.radar import MOVEMENT
from perfuse.pipeline.stream import BLOCK, Record, Voice

MAX_GAP_S = 0.12
"""Chirps farther apart leave a gap: a breathing chest turns the phase by up to 16 rad/s (5 mm/s at 77 GHz), and more
than half a turn between two chirps cannot be told from less in the other direction."""


def grid_rate_hz(times_s: NDArray[np.float64], most_hz: float) -> float:
    """Return the rate a radar is taken at: its own in whole Hz by its usual step, at most ``most_hz``.

    Parameters
    ----------
    times_s : ndarray, (N,)
        Times of the first chirps, in s; fewer than two tell nothing.
    most_hz : float
        What the method has a use for.
    """
    if len(times_s) < 2:
        return most_hz
    return float(min(most_hz, max(1.0, np.rint(1.0 / np.median(np.diff(times_s))))))


@dataclass(slots=True)
class EchoStream:
    """Accumulates one radar.

    Parameters
    ----------
    method : Method
        Turns chunks of echoes into the pulse.
    start_s : float
        Clock time of grid sample 0 (first chirp of the recording).
    rate_hz : float
        Samples per second of the grid; see :func:`grid_rate_hz`.
    history_s : float or None
        How much is kept; None keeps everything.
    """

    method: Method
    start_s: float
    rate_hz: float
    history_s: float | None
    _cells: Resampler = field(init=False)
    _voices: tuple[Voice, Voice] = field(init=False)
    _empty: NDArray[np.float32] = field(init=False)
    _pending: list[NDArray[np.float64]] = field(default_factory=list)
    _pending_valid: list[bool] = field(default_factory=list)
    _kept: list[NDArray[np.bool_]] = field(default_factory=list)
    _kept_from: int = 0
    _fed: int = 0
    _finished: bool = False

    def __post_init__(self) -> None:
        self._cells = Resampler(self.start_s, self.rate_hz, MAX_GAP_S)
        self._voices = (Voice.of(self.method), Voice.of(MOVEMENT))
        self._empty = np.zeros((0, 1, 2), np.float32)

    def push(self, time_s: float, echo: NDArray[np.complexfloating]) -> None:
        """Take one chirp, (B,) complex."""
        pair = np.stack([echo.real, echo.imag], axis=-1)
        self._empty = np.zeros((0, *pair.shape), np.float32)
        self._collect(*self._cells.push(time_s, pair))
        if len(self._pending) >= BLOCK:
            self._feed(last=False)

    def finish(self) -> None:
        """No more chirps: hand everything that is left to the method."""
        self._collect(*self._cells.finish())
        self._feed(last=True)
        self._finished = True

    def record(self) -> Record | None:
        """Return what is known now, the method's look-ahead included; None before the first sample."""
        if not self._finished:
            self._feed(last=False)
        if not self._kept:
            return None
        valid = np.concatenate(self._kept)
        end = None if self._finished else self._chunk(last=True)
        pulse, steps = (voice.complete(len(valid), end) for voice in self._voices)
        path = np.cumsum(steps.samples)[:, None]
        nothing = np.zeros((len(valid), 0, 3)), np.zeros((len(valid), 2))
        return Record(self._kept_from, self.rate_hz, *nothing, path, valid, (pulse,))

    def _collect(self, values: list[NDArray[np.float64]], valid: list[bool]) -> None:
        self._pending += values
        self._pending_valid += valid

    def _chunk(self, last: bool) -> Chunk:
        values = np.asarray(self._pending, np.float32) if self._pending else self._empty
        return Chunk(self._fed, self.rate_hz, values, np.array(self._pending_valid, bool), None, last)

    def _feed(self, last: bool) -> None:
        if self._pending or last:
            chunk = self._chunk(last)
            for voice in self._voices:
                voice.step(chunk)
        if self._pending:
            self._kept.append(np.array(self._pending_valid, bool))
            self._fed += len(self._pending)
        self._pending, self._pending_valid = [], []
        self._forget()

    def _forget(self) -> None:
        if self.history_s is None:
            return
        keep = int(self.history_s * self.rate_hz)
        while self._kept and self._fed - self._kept_from - len(self._kept[0]) >= keep:
            self._kept_from += len(self._kept.pop(0))
        for voice in self._voices:
            voice.forget(self._kept_from)
