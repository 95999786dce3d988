"""Heart rate with an interval and a probability, from one pulse wave.

Each window of the wave is scored at every rate of a fine grid by how much of its variance a sine at that rate and its
second harmonic explain. A log-linear model turns the scores into a probability over rates; neighbouring windows
inform one another through a random walk (forward-backward). Value, 90 % interval and quality are read off that one
distribution, so they cannot contradict each other (:mod:`perfuse.vitals.rate_posterior`). Where the method judged its
own wave (:attr:`~perfuse.core.signals.Waveform.trust`), the distribution is believed only so far: the rest of the
probability is spread evenly over all rates.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erf
from typing import NamedTuple

import numpy as np

from perfuse.core.results import Point, Vital
from perfuse.core.signals import Waveform
from perfuse.signal.filters import bandpass
from perfuse.vitals.calibration import HEART_RATE as CAL
from perfuse.vitals.rate_posterior import (
    BAND_HZ,
    RANGE_HZ,
    RIGHT_HZ,
    WINDOW_S,
    Floats,
    log_evidence,
    rate_grid,
    refine,
    smooth,
    summarise,
)

HOP_S = 1.0
SHORTEST_S = 5.0
"""Under four to five beats a peak of the spectrum is no rate."""
SINGLE_WINDOW_S = 15.0
"""A recording up to this long is one window."""
MIN_VALID = 0.8
WANDER_HZ = 3.0 / 60
"""Spread of the windows' rates that a resting heart explains by itself."""
SHARED = 0.5
"""Windows overlap, and noise lasts: a window passes on this share of what its new second says."""
FLAT = "no pulse: the signal does not change"
UNSURE = "no reliable pulse: the signal is too noisy or too disturbed"
DOUBTED = "no pulse: the network does not recognise one here"
SURE_TRUST = 0.7
"""Trust from which on a network's word is enough; below, it counts as the square of its share of this.

A network judges one window alone; several windows, and how clear the wave is, say more. Settled by hand on
SimBench `desk` and on patches of a real room without skin, so in-sample there (docs/results/blend.md)."""
LEAST_QUALITY = 0.3
"""Below this a number would mislead more often than it helps."""


@dataclass(frozen=True, slots=True)
class HeartRate:
    """Rate over the recording and over time."""

    vital: Vital
    series: tuple[Point, ...]
    peak_hz: float | None
    """Rate the beats should be looked for at: the answer, however uncertain, or None without a window."""


class _Answer(NamedTuple):
    """What one window says, or all of them.

    Attributes
    ----------
    value, low, high : float
        Hz; the interval holds 90 % of the probability.
    quality : float
        Probability that the value is right.
    trust : float
        0..1: what the method holds of its own wave; 1 for methods that do not judge.
    undoubted : float
        What the quality would be with a trust of 1.
    """

    value: float
    low: float
    high: float
    quality: float
    trust: float
    undoubted: float

    def vital(self) -> Vital:
        if self.quality < LEAST_QUALITY:
            doubted = self.trust < 1 and self.undoubted >= LEAST_QUALITY
            return Vital.none("/min", DOUBTED if doubted else UNSURE)
        return Vital(60 * self.value, "/min", 60 * self.low, 60 * self.high, self.quality)


def windows(count: int, rate_hz: float) -> list[tuple[int, int]]:
    """Start and stop (samples) of the windows of a wave of ``count`` samples."""
    size, hop = round(WINDOW_S * rate_hz), round(HOP_S * rate_hz)
    if count <= SINGLE_WINDOW_S * rate_hz:
        return [(0, count)]
    return [(start, start + size) for start in range(0, count - size + 1, hop)]


def heart_rate(
    pulse: Waveform,
    *,
    start_s: float = 0.0,
    motion: Floats | None = None,
    parts: Floats | None = None,
    colour: Floats | None = None,
    max_hz: float = RANGE_HZ[1],
    lost: str = "the face was not visible long enough",
) -> HeartRate:
    """Heart rate of a pulse wave, over all of it and over time.

    Parameters
    ----------
    pulse : Waveform
        Blood volume against time, arbitrary unit; its trust, where there is one, bounds the quality.
    start_s : float
        Clock time of grid sample 0.
    motion : ndarray, (M, N), or None
        Displacements of the face on the same samples.
    parts : ndarray, (R, N), or None
        Pulse waves of parts of the face on the same samples.
    colour : ndarray, (3, N), or None
        Relative red, green, blue of the skin on the same samples.
    max_hz : float
        Highest rate that the recording's frame rate can carry.
    lost : str
        What to say where too little of a window is valid.

    Returns
    -------
    HeartRate
        The value of the whole recording is the mean over its windows, weighted by their quality.
    """
    rate = pulse.rate_hz
    seconds = float(pulse.valid.sum() / rate)
    if seconds < SHORTEST_S:
        # cut, not rounded: 4.96 s must not read as the 5.0 s that are enough
        reason = f"too short: {int(10 * seconds) / 10:.1f} s of usable pulse, needs {SHORTEST_S:.0f} s"
        return HeartRate(Vital.none("/min", reason), (), None)
    grid = rate_grid(max_hz)
    spans = windows(len(pulse), rate)
    if len(spans) == 1:
        # a short recording: what lies before the first and after the last valid sample is no part of it
        inside = np.flatnonzero(pulse.valid)
        spans = [(int(inside[0]), int(inside[-1]) + 1)]
    wave = bandpass(pulse.samples, rate, *BAND_HZ)
    aside = {"motion": motion, "parts": parts, "colour": colour}
    others = {name: bandpass(x, rate, *BAND_HZ) for name, x in aside.items() if x is not None}
    seen = np.array([_usable(pulse, a, b, wave) for a, b in spans])
    evidence = np.zeros((len(spans), len(grid)))
    for w in np.flatnonzero(seen):
        part = slice(*spans[w])
        evidence[w] = log_evidence(wave[part], rate, grid, **{name: x[:, part] for name, x in others.items()})
    if not seen.any():
        flat = not np.any(wave)
        return HeartRate(Vital.none("/min", FLAT if flat else lost), (), None)
    chances = smooth(evidence, seen, SHARED * HOP_S / WINDOW_S)
    series = []
    answers = []
    for (a, b), ok, p in zip(spans, seen, chances):
        time_s = start_s + (pulse.start + (a + b) / 2) / rate
        if not ok:
            series.append(Point(time_s, Vital.none("/min", lost)))
            continue
        answers.append(_answer(p, grid, wave[a:b], rate, _trust(pulse, a, b)))
        series.append(Point(time_s, answers[-1].vital()))
    overall = _pool(answers, len(pulse) / rate)
    return HeartRate(overall.vital(), tuple(series), overall.value)


def _usable(pulse: Waveform, start: int, stop: int, wave: Floats) -> bool:
    return bool(pulse.valid[start:stop].mean() >= MIN_VALID and np.any(wave[start:stop] != 0))


def _trust(pulse: Waveform, start: int, stop: int) -> float:
    """Return how far a window is believed, 0..1: see :data:`SURE_TRUST`, sample by sample."""
    if pulse.trust is None:
        return 1.0
    inside = pulse.trust[start:stop][pulse.valid[start:stop]]
    return float((np.minimum(inside / SURE_TRUST, 1.0) ** 2).mean())


def _answer(p: Floats, grid: Floats, wave: Floats, rate_hz: float, trust: float) -> _Answer:
    """Read one window (L,) off its probabilities ``p`` (F,) of the rates ``grid`` (F,)."""
    rough, low, high, undoubted = summarise(p, grid, CAL.trust)
    value, quality = refine(wave, rate_hz, rough), undoubted
    if trust < 1:
        _, lower, higher, less = summarise(p, grid, CAL.trust * trust)
        # Rates at an end of the grid would gain from being spread evenly; doubt must never look like knowledge.
        low, high, quality = min(low, lower), max(high, higher), min(quality, less)
    return _Answer(value, low + value - rough, high + value - rough, quality, trust, undoubted)


def _pool(answers: list[_Answer], seconds: float) -> _Answer:
    """Combine windows, and tell what they would give if none of them were doubted."""
    table = np.array(answers)
    believed = _pooled(table[:, :4], seconds)
    undoubted = _pooled(table[:, [0, 1, 2, 5]], seconds)[3]
    return _Answer(*believed, float(table[:, 4].mean()), undoubted)


def _pooled(answers: Floats, seconds: float) -> tuple[float, float, float, float]:
    """Combine windows (K, 4: value, low, high, quality): weighted mean, interval shrinking with their number."""
    value, low, high, quality = answers.T
    weight = quality**2 + 1e-9
    weight = weight / weight.sum()
    mean = float((weight * value).sum())
    independent = max(1.0, seconds / WINDOW_S / 3)
    spread = np.sqrt(
        np.array([(weight * (value - low) ** 2).sum(), (weight * (high - value) ** 2).sum()]) / independent
    )
    below, above = np.maximum(spread, CAL.floor_hz)
    # windows that are each sure of something else are not sure together; a heart may wander by WANDER_HZ
    scatter = max(0.0, float((weight * (value - mean) ** 2).sum()) - WANDER_HZ**2)
    likely = erf(RIGHT_HZ / np.sqrt(2 * scatter / independent + 1e-12))
    return mean, mean - float(below), mean + float(above), min(float((weight * quality).sum()), likely)
