"""From a pure function of one window to a streaming method: gaps and overlap-add live here, once.

A stretch of samples without a gap is a *segment* and is treated as a recording of its own: windows start every hop,
the last one is moved back to end with the segment, and a sample's value is the taper-weighted mean of all window
estimates that cover it. Every sum is taken in the order of the windows, so the bits do not depend on how the samples
were cut into chunks. What a window function says about its own trust, and about breathing, is averaged in the same
way; where it looked is added up in whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from perfuse.core.card import Card
from perfuse.core.errors import UsageError
from perfuse.core.method import Method
from perfuse.core.signals import Attention, Chunk, Waveform
from perfuse.core.view import View
from perfuse.methods.columns import PLAIN, Columns

Array = NDArray[np.float64]
WindowFunction = Callable[[Array, float], Array | tuple[Array, Attention | None]]
FrameFunction = Callable[[NDArray[np.float32], NDArray[np.float32] | None], Array]
Taper = Literal["hann", "flat"]

BLOCK = 4096
"""Samples in all windows of one call to the window function: many enough for speed, few enough for the cache."""


def first_region(values: NDArray[np.float32], weights: NDArray[np.float32] | None = None) -> Array:
    """Take the first region of traces.

    Parameters
    ----------
    values : ndarray, (T, R, 3)
        Red, green, blue of R >= 1 regions.
    weights : None
        Traces have none.

    Returns
    -------
    ndarray, float64, (T, 3)

    Raises
    ------
    UsageError
        On any other shape.
    """
    if values.ndim != 3 or values.shape[1] < 1 or values.shape[2] != 3:
        raise UsageError(f"A trace of shape {values.shape} was given.", "Pass (samples, regions, 3).")
    return values[:, 0].astype(np.float64)


@dataclass(frozen=True, slots=True)
class WindowState:
    """Where a windowed method stands between two chunks; its arrays are never written to again.

    Attributes
    ----------
    rate_hz : float
        Samples per second; 0 before the first chunk.
    position : int
        Index of the next sample to come in.
    length : int
        Samples of the current segment so far; 0 inside a gap.
    next_start : int
        Index at which the next regular window starts.
    tail : ndarray, (K, ...)
        What the frame function made of the last K samples: those that a later window may read.
    total : ndarray, (K,) or (K, columns)
        Sums of tapered estimates for the samples that are not out yet.
    weight : ndarray, (K,)
        Sums of tapers for the same samples.
    """

    rate_hz: float = 0.0
    position: int = 0
    length: int = 0
    next_start: int = 0
    tail: Array | None = None
    total: Array | None = None
    weight: Array | None = None


@dataclass(frozen=True, slots=True)
class Windowed:
    """A method made of a window function; see :func:`windowed`."""

    fn: WindowFunction
    card: Card
    view: View
    window_s: float
    hop_s: float | None
    min_s: float
    taper: Taper
    per_frame: FrameFunction
    names: tuple[str, ...] = PLAIN

    def start(self) -> WindowState:
        """Return the state before the first chunk."""
        return WindowState()

    def step(self, state: WindowState, chunk: Chunk) -> tuple[WindowState, Waveform]:
        """Take the next chunk; return the new state and every sample that no later window can touch.

        Samples of gaps, and of segments shorter than ``min_s``, are 0 and not valid.

        Raises
        ------
        UsageError
            If the chunk does not follow the one before, or changes the rate, or has the wrong shape.
        """
        if state.rate_hz == 0:
            if not chunk.rate_hz > 0:
                raise UsageError(f"A rate of {chunk.rate_hz} samples per second was given.", "Pass a positive rate.")
            state = WindowState(rate_hz=chunk.rate_hz, position=chunk.start, next_start=chunk.start)
        elif (chunk.start, chunk.rate_hz) != (state.position, state.rate_hz):
            raise UsageError(
                f"A chunk from sample {chunk.start} at {chunk.rate_hz} Hz follows sample {state.position - 1} at "
                f"{state.rate_hz} Hz.",
                "Pass consecutive chunks of one rate, and mark missing samples as not valid.",
            )
        held = 0 if state.total is None else len(state.total)
        parts = [Waveform.empty(state.position - held, state.rate_hz)]
        for low, high in _runs(chunk.valid):
            if chunk.valid[low]:
                weights = None if chunk.weights is None else chunk.weights[low:high]
                state, out = self._extend(state, self.per_frame(chunk.values[low:high], weights))
                parts.append(out)
            else:
                state, out = self._close(state)
                gap = Waveform(state.position, state.rate_hz, np.zeros(high - low), np.zeros(high - low, bool))
                state = replace(state, position=state.position + len(gap), next_start=state.position + len(gap))
                parts += [out, gap]
        if chunk.last:
            state, out = self._close(state)
            parts.append(out)
        return state, Waveform.concatenate(parts)

    def _sizes(self, rate_hz: float) -> tuple[int, int, int]:
        """Window, hop and shortest window in samples."""
        size = max(2, round(self.window_s * rate_hz))
        hop = 1 if self.hop_s is None else min(size, max(1, round(self.hop_s * rate_hz)))
        return size, hop, min(size, max(2, round(self.min_s * rate_hz)))

    def _shape(self, size: int) -> Array:
        """Taper; sampled between the zeros of the Hann window, so that every sample has some weight."""
        if self.taper == "flat":
            return np.ones(size)
        return np.asarray(np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2)

    def _extend(self, state: WindowState, fresh: Array) -> tuple[WindowState, Waveform]:
        """Add samples to the segment, run the windows that became complete, give out what is settled."""
        size, hop, _ = self._sizes(state.rate_hz)
        more = len(fresh)
        tail = fresh if state.tail is None else np.concatenate([state.tail, fresh])
        before = np.zeros(0) if state.total is None else state.total
        total = np.concatenate([before, np.zeros((more, *before.shape[1:]))])
        weight = np.concatenate([np.zeros(0) if state.weight is None else state.weight, np.zeros(more)])
        position, length = state.position + more, state.length + more
        origin = position - len(tail)
        starts = np.arange(state.next_start, position - size + 1, hop)
        total, attention = self._add(tail, starts - origin, size, state.rate_hz, total, weight)
        settled = 0
        next_start = state.next_start
        if len(starts):
            next_start = int(starts[-1]) + hop
        if length >= size:
            # A window yet to come starts on the hop grid or, if the segment ends, so that it ends with the segment.
            settled = max(next_start - hop + 1, position - size) - origin
        # whole: before the first window of full length nothing is settled
        out = self._columns().wave(origin, state.rate_hz, total[:settled], weight[:settled], attention, whole=True)
        kept = WindowState(
            state.rate_hz, position, length, next_start, tail[settled:].copy(), total[settled:], weight[settled:]
        )
        return kept, out

    def _close(self, state: WindowState) -> tuple[WindowState, Waveform]:
        """End the segment: one last window, then everything held back comes out."""
        size, hop, least = self._sizes(state.rate_hz)
        after = WindowState(rate_hz=state.rate_hz, position=state.position, next_start=state.position)
        if state.tail is None or state.total is None or state.weight is None:
            return after, Waveform.empty(state.position, state.rate_hz)
        held = len(state.tail)
        origin = state.position - held
        if state.length < least:
            return after, Waveform(origin, state.rate_hz, np.zeros(held), np.zeros(held, bool))
        total, weight, attention = state.total.copy(), state.weight.copy(), None
        if state.length < size or state.next_start - hop + size < state.position:
            last = min(size, state.length)
            total, attention = self._add(state.tail, np.array([held - last]), last, state.rate_hz, total, weight)
        whole = state.length >= size
        return after, self._columns().wave(origin, state.rate_hz, total, weight, attention, whole)

    def _columns(self) -> Columns:
        return Columns(self.names, self.card.name, self.window_s)

    def _add(
        self, tail: Array, starts: NDArray[np.intp], size: int, rate_hz: float, total: Array, weight: Array
    ) -> tuple[Array, Attention | None]:
        """Run the windows beginning at ``starts`` and add them to ``total`` and ``weight``, in order.

        Returns ``total``, or one of several columns in its place once the function turns out to say more than a
        pulse, and where the function looked.
        """
        taper, looks = self._shape(size), []
        per_block = max(1, BLOCK // size)
        for block in range(0, len(starts), per_block):
            some = starts[block : block + per_block]
            # Fancy indexing makes a fresh C-ordered array, so sums inside a window run in one order, always.
            said = self.fn(tail[some[:, None] + np.arange(size)], rate_hz)
            estimates, look = said if isinstance(said, tuple) else (said, None)
            looks.append(look)
            estimates = estimates * (taper if estimates.ndim == 2 else taper[:, None])
            if estimates.ndim > total.ndim + 1:  # the first window of a segment: nothing was added yet
                total = np.zeros((len(total), estimates.shape[-1]))
            for start, estimate in zip(some.tolist(), estimates):
                total[start : start + size] += estimate
                weight[start : start + size] += taper
        return total, Attention.join(looks)


def windowed(
    fn: WindowFunction,
    *,
    card: Card,
    view: View,
    window_s: float,
    hop_s: float | None,
    min_s: float,
    taper: Taper = "hann",
    per_frame: FrameFunction = first_region,
    names: tuple[str, ...] = PLAIN,
) -> Method:
    """Lift a pure window function to a streaming method.

    Parameters
    ----------
    fn : callable
        ``fn(windows, rate_hz)``: W windows of L samples, float64 (W, L, ...) in C order, to (W, L) finite estimates,
        or to (W, L, K): the columns of ``names`` at every sample, such as the estimate, and trust in that window,
        0..1 (:class:`Waveform`). Each row must depend on its own window only, bit for bit. Or to a pair: those, and
        where it looked in these windows.
    card, view
        What the method is and what it eats.
    window_s : float
        Length of a window.
    hop_s : float or None
        From one window to the next, at most ``window_s``; None for one sample.
    min_s : float
        A segment shorter than ``window_s`` is one shorter window, down to this length; below, nothing is measured.
    taper : {"hann", "flat"}
        Weight of a window's samples in the overlap.
    per_frame : callable
        ``per_frame(values, weights)``: T samples of the view, and their skin weights or None, to a float64 array
        (T, ...), each row from its own frame only, bit for bit. The windows consist of these rows. Default: the
        first region of a trace.
    names : tuple of str
        What the columns are, see :mod:`perfuse.methods.columns`.

    Returns
    -------
    Method

    Raises
    ------
    ValueError
        If the times do not fit one another.
    """
    if not 0 < min_s <= window_s or (hop_s is not None and not 0 < hop_s <= window_s):
        raise ValueError(f"window {window_s} s, hop {hop_s} s, shortest {min_s} s: both must be in (0, window]")
    return Windowed(fn, card, view, window_s, hop_s, min_s, taper, per_frame, names)


def fold(method: Method, chunks: Iterable[Chunk]) -> Waveform:
    """Run a method over a whole recording.

    Parameters
    ----------
    method : Method
        Any.
    chunks : iterable of Chunk
        Consecutive; the recording ends after them, whether or not the last one says so.

    Returns
    -------
    Waveform
        One sample per chunk sample.

    Raises
    ------
    UsageError
        If there are no chunks.
    """
    state, parts, chunk = method.start(), [], None
    for chunk in chunks:
        state, out = method.step(state, chunk)
        parts.append(out)
    if chunk is None:
        raise UsageError("No chunks were given.", "Pass at least one, even an empty one.")
    if not chunk.last:
        weights = None if chunk.weights is None else chunk.weights[:0]
        stop = chunk.start + len(chunk)
        end = Chunk(stop, chunk.rate_hz, chunk.values[:0], chunk.valid[:0], weights, last=True)
        parts.append(method.step(state, end)[1])
    return Waveform.concatenate(parts)


def _runs(valid: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Stretches of equal validity, as half-open ranges."""
    if len(valid) == 0:
        return []
    edges = np.flatnonzero(valid[1:] != valid[:-1]) + 1
    bounds = [0, *edges.tolist(), len(valid)]
    return list(pairwise(bounds))
