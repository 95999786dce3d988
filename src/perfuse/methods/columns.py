"""What a window function says of each sample, column by column, and the waveform that is made of the sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.core.signals import Attention, Breath, Waveform

Array = NDArray[np.float64]

PULSE, TRUST, RESPIRATION, RESPIRATION_TRUST = "pulse", "trust", "respiration", "respiration_trust"
PLAIN = (PULSE, TRUST)
"""What the columns are where nothing else is said: a pulse, and perhaps how far it can be trusted."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a method's sums.

    Attributes
    ----------
    names : tuple of str
        Of :data:`PULSE` (first), :data:`TRUST`, :data:`RESPIRATION`, :data:`RESPIRATION_TRUST`.
    source : str
        Name of the method.
    window_s : float
        Seconds of one window.
    """

    names: tuple[str, ...]
    source: str
    window_s: float

    def wave(
        self, start: int, rate_hz: float, total: Array, weight: Array, attention: Attention | None, whole: bool
    ) -> Waveform:
        """Make a waveform.

        Parameters
        ----------
        start, rate_hz
            Of the waveform.
        total : ndarray, (N,) or (N, K)
            Sums of tapered estimates: the pulse, or the first K columns.
        weight : ndarray, (N,)
            Sums of the tapers.
        attention : Attention or None
            Passed on.
        whole : bool
            Whether the windows had their full length; breathing is taken from no others.
        """
        valid = np.ones(len(total), bool)
        if total.ndim == 1:
            return Waveform(start, rate_hz, total / weight, valid, None, attention)
        told = {name: total[:, k] / weight for k, name in enumerate(self.names[: total.shape[1]])}
        # a mean of numbers up to 1 may be rounded past 1
        trust, sure = (np.clip(told[k], 0.0, 1.0) if k in told else None for k in (TRUST, RESPIRATION_TRUST))
        return Waveform(
            start, rate_hz, told[PULSE], valid, trust, attention, self._breath(told.get(RESPIRATION), sure, whole)
        )

    def _breath(self, samples: Array | None, trust: Array | None, whole: bool) -> Breath | None:
        if samples is None:
            return None
        breath = Breath(samples, np.ones(len(samples), bool), trust, self.source, self.window_s)
        if whole and not breath.too_short:
            return breath
        nothing = np.zeros(len(samples))
        silent = None if trust is None else nothing
        return Breath(nothing, np.zeros(len(samples), bool), silent, self.source, self.window_s)
