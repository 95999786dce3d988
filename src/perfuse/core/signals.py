"""Timed arrays that travel between rooms: colours in (:class:`Chunk`), one wave out (:class:`Waveform`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
        (T, R, 3), (T, rows, cols, 3) or (T, size, size, 3): mean red, green, blue, 0..255, finite everywhere.
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
        truth), 0 where nothing was measured; None for methods that do not judge themselves.
    """

    start: int
    rate_hz: float
    samples: NDArray[np.float64]
    valid: NDArray[np.bool_]
    trust: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def after(self, count: int) -> Waveform:
        """Return what follows the first ``count`` samples (0 to N)."""
        trust = None if self.trust is None else self.trust[count:]
        return Waveform(self.start + count, self.rate_hz, self.samples[count:], self.valid[count:], trust)

    @staticmethod
    def empty(start: int, rate_hz: float) -> Waveform:
        """Return a waveform of no samples at ``start``."""
        return Waveform(start, rate_hz, np.zeros(0), np.zeros(0, bool))

    @staticmethod
    def concatenate(parts: list[Waveform]) -> Waveform:
        """Join consecutive waveforms of one rate into one.

        Its trust is None if no part has any; else parts without (gaps, mostly) count as 0.

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
        )


def _trust(parts: list[Waveform]) -> NDArray[np.float64] | None:
    if all(part.trust is None for part in parts):
        return None
    return np.concatenate([np.zeros(len(part)) if part.trust is None else part.trust for part in parts])
