"""Breaths counted one by one in the path of a chest, and how probable it is that the count is right.

People breathe unevenly, and one sine explains little of that; but a path that is nothing but breathing rises once a
breath, however long each takes. What the count cannot tell by itself is whether the path is that of a chest: a
logistic model says so from four numbers. It was fitted to 196 simulated recordings of radars of 60 s (seeds from
610000 on, all qualities and kinds of ``benchmarks/radar.py``, where 68 % of the counts are right) and tried on 196
others (from 630000 on).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.signal.filters import bandpass

Floats = NDArray[np.float64]

SHORTEST_S = 50.0
"""Settled on 60 s; shorter stretches are not counted."""

BREATH_HZ = (0.07, 0.7)
"""What is kept of the path: 4 to 42 breaths a minute."""
SLOW_HZ = (0.02, 0.07)
"""Drift, to which breathing is compared."""
SIZE_S = 20.0
"""Breaths are measured by those about them: their size changes with every shift on the seat."""
LEVELS = (0.1, 0.2, 0.3)
"""A breath rises from below minus this to above it, in root mean squares; the middle one counts, the others tell
how much hangs on it."""

LEAST_CHANCE, MOST_CHANCE = 0.9, 0.9
"""Counts less probable than this are not used, and none is believed further. Settled on the same recordings: with
0.85 more are answered, but 5 of the 280 recordings of ``benchmarks/radar.py`` surely and wrongly."""
LEAST_SHARE = 0.6
"""Of the speed's power where breathing is: noise about a wall has 0.05, a path without aim 0.35. ASSUMED; the fit saw
chests alone."""
WIDTH_HZ = 1.2 / 60
"""Standard deviation of a count that is right."""

_BAND, _SPREAD, _UNEVEN, _DRIFT, _OFFSET = 0.95, -2.3, -1.3, -1.95, 1.28


@dataclass(frozen=True, slots=True)
class Count:
    """Breaths in a stretch.

    Attributes
    ----------
    rate_hz : float
        Breaths per second, from the first to the last.
    chance : float
        Probability that it is right within 3/min.
    """

    rate_hz: float
    chance: float

    def pooled(self, rates_hz: Floats, chance: Floats) -> Floats:
        """Join with what others say of each rate: as opinions, not as evidence, for both saw the same chest."""
        near = np.where(chance > 0, np.exp(-0.5 * ((rates_hz - self.rate_hz) / WIDTH_HZ) ** 2), 0.0)
        total = near.sum()
        return np.asarray(self.chance * near / total + (1 - self.chance) * chance) if total > 0 else chance


def count_breaths(path: Floats, rate_hz: float) -> Count | None:
    """Count the breaths in a path.

    Parameters
    ----------
    path : ndarray, (N,)
        Displacement of a chest, any unit, either direction.
    rate_hz : float
        Samples per second.

    Returns
    -------
    Count or None
        None where the stretch is short, still or noise, or the count is not probable enough to be used.
    """
    if len(path) < SHORTEST_S * rate_hz or not np.ptp(path) > 0:
        return None
    share = _share(path, rate_hz)
    if share < LEAST_SHARE:
        return None
    breathing = bandpass(path, rate_hz, *BREATH_HZ)
    size = round(SIZE_S * rate_hz)
    local = np.sqrt(np.convolve(breathing**2, np.ones(size) / size, mode="same"))
    if not local.min() > 0:
        return None
    starts = [_rises(breathing / local, level) / rate_hz for level in LEVELS]
    if min(map(len, starts)) < 4:
        return None
    rates = [(len(times) - 1) / (times[-1] - times[0]) for times in starts]
    lengths = np.diff(starts[1])
    drift = float(np.log(bandpass(path, rate_hz, *SLOW_HZ).std() / breathing.std()))
    score = (
        _OFFSET
        + _BAND * share
        + _SPREAD * float(np.ptp(rates)) / max(rates[1], 1 / 60)
        + _UNEVEN * float(lengths.std() / lengths.mean())
        + _DRIFT * drift
    )
    chance = 0.5 + 0.5 * float(np.tanh(score / 2))
    return Count(float(rates[1]), min(chance, MOST_CHANCE)) if chance >= LEAST_CHANCE else None


def _rises(wave: Floats, level: float) -> NDArray[np.intp]:
    """Where a wave comes above a level after it was below minus that."""
    outside = np.flatnonzero(np.abs(wave) > level)
    above = wave[outside] > 0
    return np.asarray(outside[1:][above[1:] & ~above[:-1]])


def _share(path: Floats, rate_hz: float) -> float:
    """Share of the speed's power that lies where breathing does."""
    speed = np.diff(path)
    power = np.abs(np.fft.rfft(speed * np.hanning(len(speed)))) ** 2
    freq_hz = np.fft.rfftfreq(len(speed), 1 / rate_hz)
    total = power[freq_hz > 0.03].sum()
    inside = (freq_hz > BREATH_HZ[0]) & (freq_hz < BREATH_HZ[1])
    return float(power[inside].sum() / total) if total > 0 else 0.0
