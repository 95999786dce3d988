"""One face (or one trace) through time: samples in, uniform grid and pulse waves out, bounded memory.

:mod:`perfuse.pipeline.echo` does the same for a radar.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.clip.resample import Resampler
from perfuse.clip.sampler import Sample
from perfuse.core.method import Method
from perfuse.core.signals import Attention, Chunk, Waveform
from perfuse.core.view import Crop, Grid, Trace

BLOCK = 64
"""Samples that are handed to a method at once; any number gives the same waves."""


@dataclass(frozen=True, slots=True)
class Record:
    """Everything known about one face at one moment, on the recording's grid.

    Attributes
    ----------
    start : int
        Grid index of the first sample kept.
    rate_hz : float
        Samples per second.
    regions : ndarray, (N, R, 3)
        Mean colours; R is 4 (:data:`perfuse.core.view.REGIONS`) for a face, 1 for a trace and 0 for a radar.
    motion, chest : ndarray, (N, 2), (N, 1)
        Displacements in widths of the face box; zeros for a trace. Before a radar the chest's is away from it, in
        radians of phase.
    valid : ndarray of bool, (N,)
        False inside gaps.
    waves : tuple of Waveform
        The method's pulse of region 0, then of the other regions where the method eats traces. Their attention is
        that of all windows since the start, whatever was forgotten.
    """

    start: int
    rate_hz: float
    regions: NDArray[np.float64]
    motion: NDArray[np.float64]
    chest: NDArray[np.float64]
    valid: NDArray[np.bool_]
    waves: tuple[Waveform, ...]


@dataclass(slots=True)
class Voice:
    """One run of a method: its state, the samples that are final and kept, where it looked since the start."""

    method: Method
    region: int
    state: Any
    parts: list[Waveform]
    attention: Attention | None = None

    @staticmethod
    def of(method: Method, region: int = 0) -> Voice:
        """Begin a run."""
        return Voice(method, region, method.start(), [])

    def step(self, chunk: Chunk) -> None:
        """Hand over the next samples."""
        self.state, wave = self.method.step(self.state, chunk)
        self.attention = Attention.join((self.attention, wave.attention))
        if len(wave):
            self.parts.append(wave)

    def complete(self, count: int, end: Chunk | None) -> Waveform:
        """Return the last ``count`` samples: the final ones, and what ``end`` adds if it is the last chunk."""
        parts, attention = self.parts, self.attention
        if end is not None:
            ahead = self.method.step(self.state, end)[1]
            parts, attention = [*parts, ahead], Attention.join((attention, ahead.attention))
        wave = replace(Waveform.concatenate(parts), attention=attention)
        return wave.after(len(wave) - count)

    def forget(self, before: int) -> None:
        """Drop what ends before a sample of the grid."""
        while self.parts and self.parts[0].start + len(self.parts[0]) <= before:
            self.parts.pop(0)


@dataclass(slots=True)
class FaceStream:
    """Accumulates one face.

    Parameters
    ----------
    method : Method
        Turns chunks into the pulse.
    start_s : float
        Clock time of grid sample 0 (first frame of the recording).
    regions : int
        How many regions each sample has.
    history_s : float or None
        How much is kept; None keeps everything.
    """

    method: Method
    start_s: float
    regions: int
    history_s: float | None
    voices: list[Voice] = field(default_factory=list)
    _signals: Resampler | None = None
    _cells: Resampler | None = None
    _pending: list[NDArray[np.float64]] = field(default_factory=list)
    _pending_valid: list[bool] = field(default_factory=list)
    _pending_cells: list[NDArray[np.float64]] = field(default_factory=list)
    _kept: list[NDArray[np.float64]] = field(default_factory=list)
    _kept_valid: list[NDArray[np.bool_]] = field(default_factory=list)
    _kept_from: int = 0
    _fed: int = 0
    _finished: bool = False

    def __post_init__(self) -> None:
        rate = self.method.view.rate_hz
        self._signals = Resampler(self.start_s, rate)
        count = self.regions if isinstance(self.method.view, Trace) else 1
        if not isinstance(self.method.view, Trace):
            self._cells = Resampler(self.start_s, rate)
        self.voices = [Voice.of(self.method, r) for r in range(count)]

    def push(self, time_s: float, sample: Sample | None) -> None:
        """Take what one frame says about the face; None where the face was not seen."""
        assert self._signals is not None
        vector = None
        if sample is not None:
            vector = np.concatenate([sample.regions.ravel(), sample.motion, sample.chest], dtype=np.float64)
        values, valid = self._signals.push(time_s, vector)
        self._pending += values
        self._pending_valid += valid
        if self._cells is not None:
            cells = None
            if sample is not None and sample.cells is not None and sample.weights is not None:
                cells = np.concatenate([sample.cells, sample.weights[:, :, None]], axis=2, dtype=np.float64)
            self._pending_cells += self._cells.push(time_s, cells)[0]
        if len(self._pending) >= BLOCK:
            self._feed(last=False)

    def finish(self) -> None:
        """No more frames: hand everything that is left to the method."""
        assert self._signals is not None
        values, valid = self._signals.finish()
        self._pending += values
        self._pending_valid += valid
        if self._cells is not None:
            self._pending_cells += self._cells.finish()[0]
        self._feed(last=True)
        self._finished = True

    def record(self) -> Record | None:
        """Return what is known now, the method's look-ahead included; None before the first sample."""
        if not self._finished:
            self._feed(last=False)
        if not self._kept:
            return None
        data = np.concatenate(self._kept)
        valid = np.concatenate(self._kept_valid)
        waves = tuple(
            voice.complete(len(data), None if self._finished else self._chunk(voice, [], [], [], last=True))
            for voice in self.voices
        )
        split = 3 * self.regions
        return Record(
            self._kept_from,
            self.method.view.rate_hz,
            data[:, :split].reshape(len(data), self.regions, 3),
            data[:, split : split + 2],
            data[:, split + 2 :],
            valid,
            waves,
        )

    def _chunk(
        self,
        voice: Voice,
        values: list[NDArray[np.float64]],
        cells: list[NDArray[np.float64]],
        valid: list[bool],
        last: bool,
    ) -> Chunk:
        mask = np.array(valid, bool)
        rate = self.method.view.rate_hz
        if self._cells is not None:
            shape = (len(cells), *(cells[0].shape if cells else self._cell_shape()))
            block = np.asarray(cells, np.float32).reshape(shape)
            return Chunk(self._fed, rate, block[..., :3], mask, block[..., 3], last)
        split = 3 * self.regions
        block = np.asarray(values, np.float32).reshape(len(values), split + 3)[:, :split].reshape(-1, self.regions, 3)
        return Chunk(self._fed, rate, block[:, voice.region : voice.region + 1], mask, None, last)

    def _cell_shape(self) -> tuple[int, int, int]:
        view = self.method.view
        if isinstance(view, Grid):
            return view.rows, view.cols, 4
        if isinstance(view, Crop):
            return view.size, view.size, 4
        raise TypeError("traces have no cells")

    def _feed(self, last: bool) -> None:
        if self._pending or last:
            for voice in self.voices:
                voice.step(self._chunk(voice, self._pending, self._pending_cells, self._pending_valid, last))
        if self._pending:
            self._kept.append(np.array(self._pending))
            self._kept_valid.append(np.array(self._pending_valid, bool))
            self._fed += len(self._pending)
        self._pending, self._pending_valid, self._pending_cells = [], [], []
        self._forget()

    def _forget(self) -> None:
        if self.history_s is None:
            return
        keep = int(self.history_s * self.method.view.rate_hz)
        while self._kept and self._fed - self._kept_from - len(self._kept[0]) >= keep:
            self._kept_from += len(self._kept.pop(0))
            self._kept_valid.pop(0)
        for voice in self.voices:
            voice.forget(self._kept_from)
