"""Lungs: breath after breath, each with its own length and depth.

Inspiration is a raised cosine, expiration falls like an exponential of a third of its length, and some breaths end
in a pause (BreathMetrics; duty cycle and spreads from contact recordings of five people).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perfuse.synth.fields import F64, GRID_HZ


@dataclass(frozen=True, slots=True)
class Breathing:
    """Breaths placed in time, and the volume they make.

    Attributes
    ----------
    onsets_s : ndarray, float64
        Begin of every inspiration, from before the first to after the last moment of the recording.
    start_s : float
        Time of the first sample.
    volume : ndarray, float64
        Lung volume at :data:`GRID_HZ`, 0 at rest and about 1 at the end of a normal inspiration.
    """

    onsets_s: F64
    start_s: float
    volume: F64

    def at(self, time_s: F64) -> F64:
        """Volume at any times within the recording."""
        return np.interp(time_s, self.start_s + np.arange(len(self.volume)) / GRID_HZ, self.volume)


def mean_rate(events_s: F64, duration_s: float) -> float:
    """Cycles per minute that pass between 0 and ``duration_s``, where unfinished cycles count by their share."""
    count = np.interp([0.0, duration_s], events_s, np.arange(len(events_s)))
    return float(60.0 * (count[1] - count[0]) / duration_s)


def to_rate(events_s: F64, duration_s: float, per_minute: float) -> F64:
    """Stretch events about time 0 until their mean rate over the recording is ``per_minute``."""
    for _ in range(30):
        ratio = mean_rate(events_s, duration_s) / per_minute
        events_s = events_s * ratio
        if abs(ratio - 1.0) < 1e-9:
            break
    return events_s


def breathe(rng: np.random.Generator, per_minute: float, before_s: float, duration_s: float) -> Breathing:
    """Place breaths at a mean rate over 0 .. ``duration_s``, starting ``before_s`` earlier and ending later.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    per_minute : float
        Breaths per minute, 4 to 90.
    before_s, duration_s : float
        Seconds before time 0 and after it.
    """
    period = 60.0 / per_minute
    count = int(np.ceil((2.0 * before_s + 1.3 * duration_s) / period)) + 12
    spread = float(rng.uniform(0.04, 0.12))
    lengths, depths = (1.0 + s * _memory(rng, count, 0.3) for s in (spread, 0.10))
    duty = np.clip(rng.normal(0.43, 0.06) + 0.02 * rng.standard_normal(count), 0.25, 0.60)
    pauses = np.where(rng.random(count) < 0.3, np.clip(0.2 * (1 + 0.5 * rng.standard_normal(count)), 0.0, 0.3), 0.0)
    lengths = period * np.clip(lengths, 0.6, 1.6)
    onsets = np.concatenate([[0.0], np.cumsum(lengths)])
    onsets = onsets - onsets[int(np.ceil(1.3 * before_s / period)) + 3] - rng.uniform(0.0, period)
    onsets = to_rate(onsets, duration_s, per_minute)
    time = np.arange(-before_s, duration_s + before_s, 1.0 / GRID_HZ)
    return Breathing(onsets, -before_s, _volume(time, onsets, np.clip(depths, 0.5, 1.6), duty, pauses))


def _volume(time_s: F64, onsets_s: F64, depths: F64, duty: F64, pauses: F64) -> F64:
    """Lung volume at given times."""
    breath = np.clip(np.searchsorted(onsets_s, time_s, side="right") - 1, 0, len(depths) - 1)
    phase = (time_s - onsets_s[breath]) / (onsets_s[breath + 1] - onsets_s[breath])
    rise = duty[breath] * (1.0 - pauses[breath])
    fall = (1.0 - duty[breath]) * (1.0 - pauses[breath])
    inspiration = 0.5 - 0.5 * np.cos(np.pi * np.clip(phase / rise, 0.0, 1.0))
    out = np.clip((phase - rise) / fall, 0.0, 1.0)
    # A quadratic start joins the end of inspiration without a corner; then the exponential of expiration.
    expiration = (np.exp(-3.0 * out**1.3) - np.exp(-3.0)) / (1.0 - np.exp(-3.0))
    return np.asarray(depths[breath] * np.where(phase < rise, inspiration, expiration))


def _memory(rng: np.random.Generator, count: int, keep: float) -> F64:
    """Unit-variance noise in which each value keeps a share of the one before (first-order autoregression)."""
    white = rng.standard_normal(count)
    out = np.empty(count)
    out[0] = white[0]
    for i in range(1, count):
        out[i] = keep * out[i - 1] + np.sqrt(1.0 - keep * keep) * white[i]
    return out
