"""Timed arrays that travel between rooms: colours or echoes in (:class:`Chunk`), one wave out (:class:`Waveform`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

SHORTEST_BREATH_S = 6.0
"""A window that breathing is read from holds a whole breath of someone who takes ten a minute. ASSUMED: each window
loses its mean, so what is slower than one breath a window is bent."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive samples of a view on the uniform grid.

    Attributes
    ----------
    start : int
        Index of the first sample; sample ``k`` lies at ``start_of_recording + k / rate_hz`` seconds.
    rate_hz : float
        Samples per second.
    values : ndarray, float32
        (T, R, 3), (T, rows, cols, 3) or (T, size, size, 3): mean red, green, blue, 0..255, finite everywhere; for a
        radar (T, B, 2): real and imaginary part of B cells, in any unit.
    valid : ndarray of bool, (T,)
        False inside a gap (no frame close enough, or the face was lost); values there are placeholders.
    weights : ndarray, float32, or None
        Skin weight per cell, (T, rows, cols), for grids; None for traces.
    last : bool
        True on the final chunk of a recording: everything held back must come out now.
    """

    start: int
    rate_hz: float
    values: NDArray[np.float32]
    valid: NDArray[np.bool_]
    weights: NDArray[np.float32] | None = None
    last: bool = False

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Attention:
    """Where in the picture a method looked, over all windows it ran.

    Sums are kept in fixed point: added in any order, for any cut into chunks, they give the same bits.

    Attributes
    ----------
    total : ndarray, int64, (rows, cols)
        Sum over the windows of each cell's share in units of 1 / :data:`SHARES`.
    windows : int
        How many were added up, 1 or more.
    """

    total: NDArray[np.int64]
    windows: int

    @staticmethod
    def of(share: NDArray[np.floating]) -> Attention | None:
        """Take one window's map (rows, cols), finite, not negative, of any sum above 0; None for any other."""
        exact = share.astype(np.float64)
        total = exact.sum()
        if not (np.isfinite(total) and total > 0 and exact.min() >= 0):
            return None
        return Attention(np.rint(exact / total * SHARES).astype(np.int64), 1)

    @staticmethod
    def join(parts: Iterable[Attention | None]) -> Attention | None:
        """Add up maps of one shape; None if there are none."""
        known = [part for part in parts if part is not None]
        if len(known) < 2:
            return known[0] if known else None
        return Attention(np.sum([part.total for part in known], axis=0), sum(part.windows for part in known))

    def mean(self) -> NDArray[np.float64]:
        """Return the mean share of each cell, (rows, cols), which sums to 1."""
        return np.asarray(self.total / self.total.sum())


SHARES = 1 << 30
"""Steps between 0 and 1 of a share: a billionth is nothing, and 64 bits hold the sum of as many windows as come."""


@dataclass(frozen=True, slots=True)
class Breath:
    """Breathing that a method wrote beside its pulse, on the samples of that pulse.

    Attributes
    ----------
    samples : ndarray, float64, (N,)
        Rises with the volume of the lungs; arbitrary unit, finite everywhere, zero where invalid.
    valid : ndarray of bool, (N,)
        False where no breathing was written: in gaps, and in stretches shorter than a window of the method.
    trust : ndarray, float64, (N,), or None
        0..1: how probable the method holds it that the breathing is right, 0 where there is none; None for methods
        that do not judge it.
    source : str
        Name of the method.
    window_s : float
        Seconds of one window: nothing slower than a breath in that time can be read from it.
    """

    samples: NDArray[np.float64]
    valid: NDArray[np.bool_]
    trust: NDArray[np.float64] | None
    source: str
    window_s: float

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def too_short(self) -> bool:
        """Whether the windows are too short for any breathing; then no sample is valid."""
        return self.window_s < SHORTEST_BREATH_S

    def after(self, count: int) -> Breath:
        """Return what follows the first ``count`` samples (0 to N)."""
        trust = None if self.trust is None else self.trust[count:]
        return replace(self, samples=self.samples[count:], valid=self.valid[count:], trust=trust)

    @staticmethod
    def join(parts: list[Waveform]) -> Breath | None:
        """Join the breathing of consecutive waveforms; None if none has any, and not valid where one has none."""
        known = [part.respiration for part in parts if part.respiration is not None]
        if not known:
            return None
        pieces = [
            (np.zeros(len(part)), np.zeros(len(part), bool), None)
            if part.respiration is None
            else (part.respiration.samples, part.respiration.valid, part.respiration.trust)
            for part in parts
        ]
        samples, valid, trusts = zip(*pieces)
        trust = None
        if any(breath.trust is not None for breath in known):
            trust = np.concatenate([np.zeros(len(x)) if t is None else t for x, t in zip(samples, trusts)])
        return replace(known[0], samples=np.concatenate(samples), valid=np.concatenate(valid), trust=trust)


@dataclass(frozen=True, slots=True)
class Waveform:
    """One wave on the uniform grid: ``pulse`` rises with blood volume, ``respiration`` rises with inspiration.

    Attributes
    ----------
    start : int
        Index of the first sample on the recording's grid (same grid as :class:`Chunk`).
    rate_hz : float
        Samples per second.
    samples : ndarray, float64, (N,)
        Arbitrary unit, finite everywhere, zero where invalid.
    valid : ndarray of bool, (N,)
        False where nothing was measured.
    trust : ndarray, float64, (N,), or None
        0..1: how probable the method itself holds it that what it wrote here is right (its rate within 5/min of the
        truth), 0 where nothing was measured; None for methods that do not judge themselves, and where no window was
        run.
    attention : Attention or None
        Where the method looked, over all windows run for the samples up to the last one; None for methods that do not
        tell, and where no window was run.
    respiration : Breath or None
        Breathing on the same samples; None for methods that write a pulse alone, and where no window was run.
    """

    start: int
    rate_hz: float
    samples: NDArray[np.float64]
    valid: NDArray[np.bool_]
    trust: NDArray[np.float64] | None = None
    attention: Attention | None = None
    respiration: Breath | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def after(self, count: int) -> Waveform:
        """Return what follows the first ``count`` samples (0 to N); the attention stays that of all of them."""
        trust = None if self.trust is None else self.trust[count:]
        breath = None if self.respiration is None else self.respiration.after(count)
        return Waveform(
            self.start + count, self.rate_hz, self.samples[count:], self.valid[count:], trust, self.attention, breath
        )

    @staticmethod
    def empty(start: int, rate_hz: float) -> Waveform:
        """Return a waveform of no samples at ``start``."""
        return Waveform(start, rate_hz, np.zeros(0), np.zeros(0, bool))

    @staticmethod
    def concatenate(parts: list[Waveform]) -> Waveform:
        """Join consecutive waveforms of one rate into one.

        Its trust is None if no part has any; else parts without (gaps, mostly) count as 0; breathing likewise.
        Attention is added up.

        Raises
        ------
        ValueError
            If the list is empty or the parts do not follow one another.
        """
        if not parts:
            raise ValueError("no waveforms given; pass at least one, an empty one will do")
        expected = parts[0].start
        for part in parts:
            if part.start != expected or part.rate_hz != parts[0].rate_hz:
                raise ValueError(f"a waveform starts at sample {part.start} where {expected} was expected")
            expected += len(part)
        return Waveform(
            parts[0].start,
            parts[0].rate_hz,
            np.concatenate([p.samples for p in parts]),
            np.concatenate([p.valid for p in parts]),
            _trust(parts),
            Attention.join(part.attention for part in parts),
            Breath.join(parts),
        )


def _trust(parts: list[Waveform]) -> NDArray[np.float64] | None:
    if all(part.trust is None for part in parts):
        return None
    return np.concatenate([np.zeros(len(part)) if part.trust is None else part.trust for part in parts])
