"""The signals that carry breathing, on one uniform grid: beat intervals, beat heights, skin brightness, motion.

A network that writes a breathing wave of its own adds one more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perfuse.core.signals import Waveform
from perfuse.signal.beats import GOOD_QUALITY, Beats

Floats = NDArray[np.float64]

STEP_HZ = 4.0
"""Rate of the common grid: four times the fastest breathing."""

HOLE_S = 4.0
"""Steps farther than half of this from every sound beat are not usable."""


@dataclass(frozen=True, slots=True, eq=False)
class Sign:
    """One signal that breathing shows in.

    Attributes
    ----------
    name : str
        ``intervals``, ``heights``, ``level``, ``motion`` or ``chest``; of a network's wave the network's.
    samples : ndarray, (N,)
        On the grid ``k / STEP_HZ`` seconds after the pulse's first sample; finite.
    usable : ndarray of bool, (N,)
        Where it was measured.
    top_hz : float
        Highest frequency it can carry: half the beat rate for what is known once a beat.
    weight : float
        Of its evidence.
    inspiration : float
        1 if it rises while breathing in, -1 if it falls.
    low_hz : float
        Lowest frequency it can carry.
    trust : ndarray, (N,), or None
        0..1: how far its source itself believes it; None for signs that do not judge themselves.
    direct : bool
        Whether nothing but breathing should move it: then it may be uneven (:mod:`perfuse.vitals.uneven_breathing`).
    drawn : float
        How much it counts in the wave that is shown, for what it counts as evidence.
    """

    name: str
    samples: Floats
    usable: NDArray[np.bool_]
    top_hz: float
    weight: float
    inspiration: float
    low_hz: float = 0.0
    trust: Floats | None = None
    direct: bool = False
    drawn: float = 1.0

    def weight_in(self, start: int, stop: int) -> float:
        """Return the weight of the evidence in some steps of the grid: less of what the source itself doubts."""
        return self.weight if self.trust is None else self.weight * float(self.trust[start:stop].mean())


NETWORK = "network"
WEIGHTS = {"intervals": 2.3, "heights": 2.5, "level": 0.9, "motion": 1.5, "chest": 4.0, NETWORK: 0.4}
"""Evidence of each sign. The first three are rounded from a fit to twelve sessions with a breathing belt or a
capnograph (finger and ear). Movement could not be fitted there: the head's is set between them, and the chest's so
that a chest that clearly moves with one rate is believed, as a breathing belt is. A network's wave counts little: it
is clean where it is wrong as well, so that its clearness says less than that of anything measured. On 20 simulated
films (see ``benchmarks/breathing.py``) ``physvlm`` had the most answers at 0.4 for the error that there was without
it (17 for 12, 1.0/min); with 2.5 every fifth film got a wrong rate, surely."""
CLEAN = 6.0
"""How much a network's wave counts in the wave that is shown: right, it is the cleanest. ASSUMED."""
DIRECT = {"chest", NETWORK}
"""Signs that nothing but breathing should move; a head has many reasons."""


def signs_of_breathing(
    pulse: Waveform, beats: Beats, baseline: Waveform | None, motion: Waveform | None, chest: Waveform | None = None
) -> tuple[list[Sign], tuple[int, int]]:
    """Collect the signs, and the span of grid steps between the first and the last usable one.

    Parameters
    ----------
    pulse, beats, baseline, motion, chest
        See :func:`perfuse.vitals.respiration.respiration`. The pulse may carry the breathing of a network.

    Returns
    -------
    signs : list of Sign
        A network's first, then the intervals: the two whose direction is known best; what is missing is left out.
    span : tuple of int
        First and stop; (0, 0) where nothing is usable.
    """
    count = int(np.ceil(len(pulse) / pulse.rate_hz * STEP_HZ))
    grid = np.arange(count) / STEP_HZ
    told = _from_network(grid, pulse)
    signs = ([] if told is None else [told]) + _from_beats(grid, pulse, beats, baseline)
    for name, path in (("motion", motion), ("chest", chest)):
        moved = None if path is None else _from_wave(name, grid, pulse, path)
        signs += [moved] if moved is not None else []
    seen = np.flatnonzero(np.any([sign.usable for sign in signs], axis=0)) if signs else np.zeros(0, int)
    return signs, (int(seen[0]), int(seen[-1]) + 1) if len(seen) else (0, 0)


def _from_beats(grid: Floats, pulse: Waveform, beats: Beats, baseline: Waveform | None) -> list[Sign]:
    """Signs that are known once a beat."""
    ends, lengths, good = beats.intervals()
    if good.sum() < 8:
        return []
    usual = float(np.median(lengths[good]))
    good = good & (np.abs(lengths / usual - 1) < 0.5)
    top_hz = 0.5 / usual
    middles = ends - lengths / 2
    sound = beats.quality >= GOOD_QUALITY
    signs = [
        _sign("intervals", grid, middles[good], lengths[good], top_hz, -1.0),
        _sign("heights", grid, beats.times_s[sound], beats.amplitude[sound], top_hz, -1.0),
    ]
    if baseline is not None:
        level, measured = _level(pulse, beats, baseline)
        kept = good & measured
        if kept.sum() >= 8:
            signs.append(_sign("level", grid, middles[kept], level[kept], top_hz, 1.0))
    return signs


def _level(pulse: Waveform, beats: Beats, baseline: Waveform) -> tuple[Floats, NDArray[np.bool_]]:
    """Mean brightness from each beat to the next: one whole beat, so that the pulse itself averages out."""
    edge = np.round(beats.times_s * pulse.rate_hz).astype(int) + pulse.start - baseline.start
    edge = np.clip(edge, 0, len(baseline))
    total = np.concatenate([[0.0], np.cumsum(np.where(baseline.valid, baseline.samples, 0.0))])
    known = np.concatenate([[0], np.cumsum(baseline.valid)])
    size = np.diff(known[edge])
    level = np.diff(total[edge]) / np.maximum(size, 1)
    return level, size >= 0.9 * np.maximum(np.diff(edge), 1)


def _from_network(grid: Floats, pulse: Waveform) -> Sign | None:
    """Take what a network wrote of breathing, as far as it believes it or its pulse: a poster does not breathe."""
    breath = pulse.respiration
    if breath is None:
        return None
    wave = Waveform(pulse.start, pulse.rate_hz, breath.samples, breath.valid)
    sign = _from_wave(NETWORK, grid, pulse, wave)
    if sign is None:
        return None
    trust = pulse.trust if breath.trust is None else breath.trust
    steps = None if trust is None else np.interp(grid, np.arange(len(pulse)) / pulse.rate_hz, trust)
    return replace(sign, name=breath.source, inspiration=1.0, low_hz=1.0 / breath.window_s, trust=steps, drawn=CLEAN)


def _from_wave(name: str, grid: Floats, pulse: Waveform, wave: Waveform) -> Sign | None:
    """Average a displacement, or another wave that is known all the time, over each step of the grid."""
    if not wave.valid.any() or not np.ptp(wave.samples[wave.valid]) > 0:
        return None
    seconds = (np.arange(len(wave)) + wave.start - pulse.start) / wave.rate_hz
    step = np.rint(seconds * STEP_HZ).astype(int)
    kept = wave.valid & (step >= 0) & (step < len(grid))
    hits = np.bincount(step[kept], minlength=len(grid))
    total = np.bincount(step[kept], wave.samples[kept], minlength=len(grid))
    known = hits > 0
    if known.sum() < 8:
        return None
    samples = np.interp(grid, grid[known], total[known] / hits[known])
    direct = name in DIRECT
    return Sign(name, samples, _near(grid, grid[known], HOLE_S / 4), 1.0, WEIGHTS[name], -1.0, direct=direct)


def _sign(name: str, grid: Floats, times: Floats, values: Floats, top_hz: float, inspiration: float) -> Sign:
    """Interpolate values known at some times to the grid; extremes are drawn in, as one bad beat is no breath."""
    middle = np.median(values)
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    drawn = np.clip(values, middle - 5 * spread, middle + 5 * spread)
    usable = _near(grid, times, HOLE_S / 2)
    return Sign(name, np.interp(grid, times, drawn), usable, top_hz, WEIGHTS[name], inspiration)


def _near(grid: Floats, times: Floats, reach_s: float) -> NDArray[np.bool_]:
    """Whether each step has a time within reach."""
    after = np.clip(np.searchsorted(times, grid), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    return np.asarray(np.minimum(np.abs(times[after] - grid), np.abs(times[before] - grid)) <= reach_s)
