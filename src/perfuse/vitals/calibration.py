"""Numbers learned from data, in one place.

The weights began as a maximum likelihood fit on simulated colour traces and were settled by hand on the windows of
``benchmarks/honesty.py``, which checks them; ``docs/develop/decisions.md`` says more.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeartRateCalibration:
    """Weights of the evidence for a rate in a 10 s window (:mod:`perfuse.vitals.heart_rate`)."""

    sine: float
    """Weight of -log(1 - share explained by a sine at the rate)."""
    harmonic: float
    """The same for the sine with its second harmonic."""
    half: float
    """The same for a sine at half the rate: a strong one says that this rate is only a harmonic."""
    motion: float
    """The same for the displacement of the face."""
    parts: float
    """The same for the waves of parts of the face, on average."""
    lamp: float
    """Weight of log(brightness power / colour power at the rate) beyond ``lamp_from``."""
    lamp_from: float
    prior: float
    """Weight of the squared log distance to ``centre_hz``."""
    centre_hz: float
    floor_hz: float
    """Smallest half-width of an interval: a rate that varies within the window has no single value."""
    trust: float
    """How far a wave can be believed at all; the rest of the probability is spread over all rates."""


HEART_RATE = HeartRateCalibration(
    sine=4.0,
    harmonic=2.55,
    half=-6.8,
    motion=-5.0,
    parts=7.0,
    lamp=-8.0,
    lamp_from=60.0,
    prior=-2.0,
    centre_hz=1.25,
    floor_hz=0.03,
    trust=0.98,
)
