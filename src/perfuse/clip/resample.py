"""From true timestamps onto one uniform grid, once, sample by sample."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

MAX_GAP_S = 0.45
"""Frames further apart than this leave a gap: half a beat at 67/min cannot be interpolated. 5 Hz video passes."""


@dataclass(slots=True)
class Resampler:
    """Mean of the linearly interpolated signal over each grid cell.

    Cell ``k`` is ``[start_s + (k - 1/2) / rate_hz, start_s + (k + 1/2) / rate_hz)``. Averaging the interpolant over
    the cell serves every frame rate with one formula: it is an anti-alias filter at 120 frames per second and an
    interpolation at 10, and jitter of the timestamps costs nothing. Each pushed frame touches only the cells between
    it and the frame before, so the result cannot depend on how frames were grouped.

    Parameters
    ----------
    start_s : float
        Time of grid sample 0.
    rate_hz : float
        Grid samples per second.
    max_gap_s : float
        Two frames further apart than this are not connected.
    """

    start_s: float
    rate_hz: float
    max_gap_s: float = MAX_GAP_S
    next_index: int = 0
    """Grid index of the first sample not handed out yet."""
    _time: float | None = None
    _value: NDArray[np.float64] | None = None
    _sums: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    _lengths: dict[int, float] = field(default_factory=dict)
    _held: NDArray[np.float64] | None = None

    def push(self, time_s: float, value: NDArray[np.floating] | None) -> tuple[list[NDArray[np.float64]], list[bool]]:
        """Take the value at ``time_s`` (None: nothing was seen) and return the samples now complete.

        Parameters
        ----------
        time_s : float
            Later than every time pushed before.
        value : ndarray or None
            Any shape, the same for every call.

        Returns
        -------
        values : list of ndarray
            Samples from the former ``next_index`` on; inside a gap the last known value.
        valid : list of bool
            False inside a gap.
        """
        t = (time_s - self.start_s) * self.rate_hz + 0.5
        if value is not None:
            v = np.asarray(value, np.float64)
            if self._held is None:
                self._held = v
            if self._time is not None and self._value is not None and t - self._time <= self.max_gap_s * self.rate_hz:
                self._integrate(self._time, self._value, t, v)
            self._value = v
        else:
            self._value = None
        self._time = t
        return self._release(int(np.floor(t)))

    def finish(self) -> tuple[list[NDArray[np.float64]], list[bool]]:
        """Return what is left after the last frame, at most one sample."""
        if self._time is None:
            return [], []
        # the last cell is half covered when the last frame sits on its centre: that counts as a sample
        stop = int(np.floor(self._time)) + (1 if self._time - np.floor(self._time) >= 0.5 - 1e-9 else 0)
        return self._release(stop)

    def _integrate(self, t0: float, v0: NDArray[np.float64], t1: float, v1: NDArray[np.float64]) -> None:
        """Add the integral of the line from (t0, v0) to (t1, v1) to the cells it crosses (cell k is [k, k+1))."""
        slope = (v1 - v0) / (t1 - t0)
        for k in range(int(np.floor(t0)), int(np.floor(t1)) + 1):
            a, b = max(t0, float(k)), min(t1, float(k + 1))
            if b <= a:
                continue
            part = (v0 + slope * (0.5 * (a + b) - t0)) * (b - a)
            self._sums[k] = self._sums[k] + part if k in self._sums else part
            self._lengths[k] = self._lengths.get(k, 0.0) + b - a

    def _release(self, stop: int) -> tuple[list[NDArray[np.float64]], list[bool]]:
        values: list[NDArray[np.float64]] = []
        valid: list[bool] = []
        if self._held is None:
            return values, valid
        for k in range(self.next_index, stop):
            length = self._lengths.pop(k, 0.0)
            total = self._sums.pop(k, None)
            if total is not None and length >= 0.4999:
                self._held = total / length
                valid.append(True)
            else:
                valid.append(False)
            values.append(self._held)
        self.next_index = max(self.next_index, stop)
        return values, valid
