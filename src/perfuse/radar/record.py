"""What a radar recorded, whatever file or device it came from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from perfuse.radar.kinds import RadarKind

Complex = TypeVar("Complex", bound=np.complexfloating)


@dataclass(frozen=True, slots=True, eq=False)
class RadarRecord:
    """What a radar saw, on the recording's clock.

    Attributes
    ----------
    times_s : ndarray, float64, (N,)
        Times of the chirps or frames; finite, increasing.
    iq : ndarray, complex64, (N, ...)
        Range bins (N, bins) from 0 m on, or what the data set gives instead (PhysDrive: N, Doppler 8, angle 16,
        range 8). Finite.
    valid : ndarray of bool, (N,)
        False where packets were lost; the values there are placeholders.
    kind : RadarKind or None
        What recorded; None where that is unknown, or where the cells are no range bins.
    notes : tuple of str
        What was wrong with the file and is no obstacle, in sentences without a full stop.
    name : str
        What it is called: the name of its file.
    """

    times_s: NDArray[np.float64]
    iq: NDArray[np.complex64]
    valid: NDArray[np.bool_]
    kind: RadarKind | None = None
    notes: tuple[str, ...] = ()
    name: str = "radar"

    def __post_init__(self) -> None:
        if self.times_s.ndim != 1 or self.iq.ndim < 2 or not len(self.times_s) == len(self.iq) == len(self.valid):
            raise ValueError(f"echoes of shape {self.iq.shape} were given at {self.times_s.shape} times")
        if not (np.isfinite(self.times_s).all() and (np.diff(self.times_s) > 0).all()):
            raise ValueError("times of a radar must be finite and increase")
        if not np.isfinite(self.iq).all():
            raise ValueError("echoes must be finite; mark what is missing as not valid")

    @property
    def bin_m(self) -> float:
        """Distance between range bins, m; 0 where it is unknown."""
        return 0.0 if self.kind is None else self.kind.bin_m

    def searched(self) -> NDArray[np.complex64]:
        """Return the echoes where a body is looked for, (N, B): all cells where the ranges are unknown."""
        cells = self.iq.reshape(len(self.iq), math.prod(self.iq.shape[1:]))
        if self.kind is None or self.iq.ndim != 2:
            return cells
        low, high = self.kind.search_bins
        return cells[:, low : high + 1]


def held(iq: NDArray[Complex], valid: NDArray[np.bool_]) -> NDArray[Complex]:
    """Give chirps that are not valid the values of the last valid one before, or of the first there is."""
    last = np.maximum.accumulate(np.where(valid, np.arange(len(valid)), -1))
    return iq[np.where(last < 0, int(np.argmax(valid)), last)]
