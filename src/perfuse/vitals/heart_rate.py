"""Heart rate with an interval and a probability, from one pulse wave.

Each window of the wave is scored at every rate of a fine grid by how much of its variance a sine at that rate and its
second harmonic explain. A log-linear model turns the scores into a probability over rates; neighbouring windows
inform one another through a random walk (forward-backward). Value, 90 % interval and quality are read off that one
distribution, so they cannot contradict each other (:mod:`perfuse.vitals.rate_posterior`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erf

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
LEAST_QUALITY = 0.3
"""Below this a number would mislead more often than it helps."""


@dataclass(frozen=True, slots=True)
class HeartRate:
    """Rate over the recording and over time."""

    vital: Vital
    series: tuple[Point, ...]
    peak_hz: float | None
    """Rate the beats should be looked for at: the answer, however uncertain, or None without a window."""


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
        Blood volume against time, arbitrary unit.
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
        reason = f"too short: {seconds:.1f} s of usable pulse, needs {SHORTEST_S:.0f} s"
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
        rough, low, high, quality = summarise(p, grid, CAL.trust)
        value = refine(wave[a:b], rate, rough)
        low, high = low + value - rough, high + value - rough
        answers.append((value, low, high, quality))
        series.append(Point(time_s, _vital(value, low, high, quality)))
    value, low, high, quality = _pool(np.array(answers), len(pulse) / rate)
    return HeartRate(_vital(value, low, high, quality), tuple(series), value)


def _usable(pulse: Waveform, start: int, stop: int, wave: Floats) -> bool:
    return bool(pulse.valid[start:stop].mean() >= MIN_VALID and np.any(wave[start:stop] != 0))


def _vital(value: float, low: float, high: float, quality: float) -> Vital:
    if quality < LEAST_QUALITY:
        return Vital.none("/min", UNSURE)
    return Vital(60 * value, "/min", 60 * low, 60 * high, quality)


def _pool(answers: Floats, seconds: float) -> tuple[float, float, float, float]:
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
