"""Respiration belt: how much wider the chest has become, in a gain and with a drift of the belt's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from perfuse.synth.fields import F64, GRID_HZ, coloured, power_law
from perfuse.synth.settings import check


class Wave(Protocol):
    """Lungs, or a heart: anything with a value at any time."""

    def at(self, time_s: F64) -> F64:
        """Volume of air or of blood, a swing of about 1."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Belt:
    """One recording of a belt.

    Attributes
    ----------
    times_s : ndarray, (N,)
        Evenly spaced from 0.
    values : ndarray, (N,)
        Tension in the belt's own unit, rising with inspiration.
    saturated : ndarray, bool, (N,)
        Where the value lies on a rail.
    delay_s : float
        How much later than the lungs the belt moves.
    clean : ndarray, (N,)
        Lung volume at ``times_s``.
    """

    times_s: F64
    values: F64
    saturated: NDArray[np.bool_]
    delay_s: float
    clean: F64


def belt(
    rng: np.random.Generator,
    lungs: Wave,
    duration_s: float,
    *,
    rate_hz: float = 32.0,
    heart: Wave | None = None,
    delay_s: float | None = None,
) -> Belt:
    """Record breathing with a belt round the chest. All sizes are ASSUMED.

    Gain LN(1, x2); a full chest stretches it less (up to 25 %); the baseline wanders by 5 to 40 % of a breath below
    0.01 to 0.05 Hz; two posture shifts in ten minutes; the heart shows with 0.5 to 3 %; one recording in ten has a
    rail within its range; 10 to 16 bits.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    lungs : Wave
        The subject's.
    duration_s, rate_hz : float
        Length (1 to 36000 s) and samples per s (1 to 2000).
    heart : Wave, optional
        Whose beats shake the belt.
    delay_s : float, optional
        How much later than the lungs the belt moves, -2 to 2; by default 0 to 0.3.

    Raises
    ------
    UsageError
        If a value lies outside its range.
    """
    check("duration_s", duration_s, 1, 36000)
    check("rate_hz", rate_hz, 1, 2000)
    check("delay_s", delay_s, -2, 2)
    u = rng.uniform(0.0, 1.0, 8)
    late = 0.3 * float(u[0]) if delay_s is None else float(delay_s)
    times = np.arange(round(duration_s * rate_hz)) / rate_hz
    volume = lungs.at(times - late)
    values = volume * (1.0 - 0.25 * u[1] * np.clip(volume, 0.0, 2.0) / 2.0)
    if heart is not None:
        values = values + 0.005 * 6.0 ** u[2] * heart.at(times - late)
    series = coloured(rng, float(times[-1]) + 1.0, power_law(2.0, 0.01 * 5.0 ** u[3]))
    values = values + 0.05 * 8.0 ** u[4] * np.interp(times, np.arange(len(series)) / GRID_HZ, series)
    for start in rng.uniform(0.0, times[-1], int(rng.poisson(times[-1] / 300.0))):
        values = values + rng.uniform(-1.0, 1.0) / (1.0 + np.exp(-np.clip(4.0 * (times - start), -50.0, 50.0)))
    values = values + 0.005 * rng.standard_normal(len(times))
    saturated = np.zeros(len(times), np.bool_)
    if u[5] < 0.1:
        low, high = float(values.min()), float(values.max())
        rail = high - (0.05 + 0.25 * u[6]) * (high - low)
        saturated = values >= rail
        values = np.minimum(values, rail)
    values = values * float(np.exp(np.log(2.0) * np.clip(rng.standard_normal(), -2.0, 2.0)))
    step = max(float(np.ptp(values)), 1e-9) * 1.5 / 2.0 ** int(rng.integers(10, 17))
    return Belt(times, np.rint(values / step) * step, saturated, late, np.asarray(lungs.at(times), np.float64))
