"""Uneven breathing in a wave that moves with nothing else: of a chest, or written by a network.

People breathe unevenly: over a minute a single sine explains a quarter of a belt's variance. Such a wave is taken for
noise whose spectrum holds a broad line and its overtone upon a power law, and each rate gets the likelihood of the
periodogram (Whittle, Estimation and information in stationary time series, Ark. Mat. 1953), averaged over breadth,
share and slope. One of the shares is none, so that a wave without breathing says nothing instead of something wrong.
The shapes were settled on 168 simulated recordings of radars (seeds from 610000 on, see ``benchmarks/radar.py``), 20
simulated films (see ``benchmarks/breathing.py``) and contact recordings.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from perfuse.signal.filters import bandpass

Floats = NDArray[np.float64]

BREADTHS = (0.05, 0.12, 0.2)
"""Standard deviations of the line, of its rate."""
SHARES = (0.0, 0.2, 0.45, 0.75)
"""Of the power that is breathing; without the first, noise about a wall would often have a rate."""
SLOPES = (0.0, 1.5, 3.0, 4.5)
"""Of the rest: its power falls as the frequency to this power. A body that shifts on its seat drifts steeply."""
SMOOTHED_HZ = (0.4, 0.8)
"""Other rests are flat up to here and fall steeply beyond: what networks write is smooth, also where it is noise."""
OVERTONE = 0.05
"""Power of the line's double."""
TEMPER = 0.3
"""What the likelihood counts: neighbours in a tapered spectrum are not independent, and lines are no bells."""
RESOLUTION = 0.75
"""Least standard deviation of a line, in spectral steps of the window."""
FEWEST = 6
"""Spectral steps below which nothing is said."""
OCTAVE = (0.55, 1.7)
"""What is kept about a rate, in rates, when breaths are counted."""
ENDS_S = 2.0
"""Left out at either end, where a filter knows one side only."""


def evidence(wave: Floats, step_hz: float, rates_hz: Floats, band_hz: tuple[float, float]) -> Floats | None:
    """Return how much likelier each rate makes a wave than noise does.

    Parameters
    ----------
    wave : ndarray, (N,)
        Rises or falls with the volume of the lungs; any unit.
    step_hz : float
        Samples per second.
    rates_hz : ndarray, (G,)
        Rates in question, above 0.
    band_hz : tuple of float
        Lowest and highest frequency that count.

    Returns
    -------
    ndarray, (G,), or None
        Logarithms, tempered, the least of them 0; None for a wave that is still, or a band that holds next to
        nothing.
    """
    line = np.linspace(-1, 1, len(wave))
    x = wave - wave.mean()
    x = x - line * (line @ x) / (line @ line)
    taper = np.sin(np.pi * (np.arange(len(x)) + 0.5) / len(x)) ** 2
    power = np.abs(np.fft.rfft(x * taper)) ** 2
    step = step_hz / len(x)
    first, stop = max(1, round(band_hz[0] / step)), min(len(power) - 1, int(np.ceil(band_hz[1] / step)))
    if stop - first < FEWEST:
        return None
    power = power[first:stop]
    if not power.sum() > 0:
        return None
    inverse, logs = _shapes(first, stop, step, tuple(rates_hz.tolist()))
    likelihood = -TEMPER * (len(power) * np.log(inverse @ power) + logs)
    likelihood -= likelihood.max()
    found = np.log(np.exp(likelihood).mean(axis=(0, 1, 2)))
    return np.asarray(found - found.min())


@lru_cache(maxsize=8)
def _shapes(first: int, stop: int, step_hz: float, rates_hz: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Return one over each spectrum, (shares, rests, breadths, G, steps), and sums of their logarithms."""
    frequency = np.arange(first, stop) * step_hz
    rates, breadths = np.array(rates_hz)[:, None], np.array(BREADTHS)[:, None, None]

    def bell(times: float) -> Floats:
        width = np.hypot(breadths * times * rates, RESOLUTION * step_hz)
        return np.asarray(np.exp(-0.5 * ((frequency - times * rates) / width) ** 2) / width)

    lines = bell(1) + OVERTONE * bell(2) + 1e-12
    lines /= lines.sum(axis=-1, keepdims=True)
    smoothed = 1 / (1 + (frequency / np.array(SMOOTHED_HZ)[:, None]) ** 4)
    rest = np.concatenate([frequency ** -np.array(SLOPES)[:, None], smoothed])
    rest /= rest.sum(axis=-1, keepdims=True)
    share = np.array(SHARES)[:, None, None, None, None]
    spectra = (1 - share) * rest[:, None, None] + share * lines
    # what a steep slope leaves at the far end is less than any picture's noise
    spectra = np.maximum(spectra, 1e-4 / len(frequency))
    return 1 / spectra, np.log(spectra).sum(axis=-1)


def breaths_per_second(wave: Floats, step_hz: float, rate_hz: float) -> float:
    """Count breaths about a rate: the turns of the wave's phase, over the time.

    Parameters
    ----------
    wave : ndarray, (N,)
        As above.
    step_hz : float
        Samples per second.
    rate_hz : float
        About which breaths are looked for.

    Returns
    -------
    float
        Hz; ``rate_hz`` itself where the wave is too short.
    """
    ends = round(ENDS_S * step_hz)
    if len(wave) < 4 * ends:
        return rate_hz
    around = bandpass(wave, step_hz, OCTAVE[0] * rate_hz, min(OCTAVE[1] * rate_hz, 0.45 * step_hz))
    # of its positive frequencies alone: Hilbert's analytic signal
    spectrum = np.fft.fft(around)
    spectrum[(len(wave) + 1) // 2 :] = 0.0
    phase = np.unwrap(np.angle(np.fft.ifft(spectrum)))[ends : len(wave) - ends]
    return float((phase[-1] - phase[0]) / (2 * np.pi) * step_hz / (len(phase) - 1))
