"""Rhythm: when the heart beats, how hard each beat hits, and when its R peak was.

Beats come from integral pulse-frequency modulation: the momentary rate is summed up, and a beat falls wherever the
sum crosses the next threshold. Thresholds one apart make a regular rhythm; early beats, dropped beats and
fibrillation are other distances, so that breathing and blood pressure act on every rhythm at the right time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perfuse.synth.fields import F64
from perfuse.synth.physiology.lungs import Breathing, memory, to_rate

SLOW_HZ = 20.0
"""Samples per second of rate, vessel tone and the like."""

RHYTHMS = ("regular", "ectopic", "fibrillation", "bigeminy", "dropout")
"""Rhythms of the heart."""

NEWBORN_Y = 0.1
"""Age in years below which a subject is a newborn."""

SHORTEST_S = 0.24
"""No beat follows another sooner (refractory period; ASSUMED)."""

LATENESS_S = (0.150, 0.250)
"""Pulse arrival time, R peak to foot on the face. ASSUMED: about 100 ms of pre-ejection and as much of travel (half a
metre at 5 m/s); recordings show the ear 53 ms before the finger, where 200 to 300 ms are usual."""

Density = Callable[[F64], F64]


@dataclass(frozen=True, slots=True, eq=False)
class Beats:
    """Beats of one heart, and what moved them.

    Attributes
    ----------
    feet_s, r_peaks_s, strengths : ndarray, (N,)
        Foot of the pulse on the face, R peak before it, relative height of the pulse.
    time_s : ndarray, (T,)
        Time at :data:`SLOW_HZ`, from before to after the recording.
    breath : ndarray, (T,)
        Lung volume about its mean, in units of the standard deviation of calm breathing, softly limited.
    mayer : ndarray, (T,)
        The 0.1 Hz rhythm of blood pressure, standard deviation 1.
    strain : ndarray, (T,)
        1 when the exercise ends, fading to 0 with the extra rate; 0 without exercise.
    """

    feet_s: F64
    r_peaks_s: F64
    strengths: F64
    time_s: F64
    breath: F64
    mayer: F64
    strain: F64


def place_beats(
    rng: np.random.Generator,
    per_minute: float,
    lungs: Breathing,
    duration_s: float,
    age_y: float,
    sdnn_scale: float,
    rhythm: str,
    recovery: float,
) -> Beats:
    """Place beats at a mean rate over 0 .. ``duration_s``; the arguments are those of ``heart.beat``.

    Parts of the variability (standard deviation of beat intervals over five minutes): low and high frequency together
    log-normal about 40 ms at 70 /min and 40 years, falling as exp(-rate/58) (Monfredi 2014) and with
    age (after Umetani 1998, mostly in the high half); their power ratio log-normal about 1.5. The high half is the
    breathing itself, up to half a second late, and falls with the rate of breathing above 0.12 Hz (after Hirsch and
    Bishop 1981). Below 0.04 Hz a trend of 1 to 5 /min, and rarely a step up. Together about 55 ms (Nunan 2010: 50).
    Newborns have 10 to 30 ms in all.
    """
    before = -lungs.start_s
    time = -before + np.arange(math.ceil((duration_s + 2.0 * before) * SLOW_HZ) + 1) / SLOW_HZ
    calm = rhythm != "fibrillation"
    swing, trend, lag = _sizes(rng, per_minute, lungs, duration_s, age_y)
    centre, width = rng.normal(0.1, 0.01), rng.uniform(0.01, 0.03)
    mayer, slow = wander(rng, len(time), (lambda f: np.exp(-0.5 * ((f - centre) / width) ** 2), _trend_density))
    breath = standard_breath(lungs, time)
    m = trend * slow + _steps(rng, time, per_minute)
    if calm:
        m += swing[0] * mayer + swing[1] * standard_breath(lungs, time - lag)
    strain, extra = _recovery(rng, time, duration_s, per_minute, recovery)
    rest = per_minute - float(extra[(time >= 0.0) & (time <= duration_s)].mean())
    m *= sdnn_scale * np.exp(-(rest + extra - per_minute) / 58.0)
    rate = np.maximum((rest * (1.0 + np.clip(m, -0.4, 0.4)) + extra) / 60.0, 0.2)
    phase = np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1]) / SLOW_HZ)])
    feet, strengths = _cross(rng, rhythm, time, phase, per_minute, duration_s)
    late = _lateness(rng, per_minute, strengths, np.interp(feet, time, mayer))
    return Beats(feet, feet - late, strengths, time, breath, mayer, strain)


def standard_breath(lungs: Breathing, time_s: F64) -> F64:
    """Lung volume about its mean in units of calm breathing's standard deviation; a sigh counts 2.5 at most."""
    deviation = (lungs.at(time_s) - float(lungs.volume.mean())) / 0.35
    return np.asarray(2.5 * np.tanh(deviation / 2.5))


def wander(rng: np.random.Generator, count: int, densities: tuple[Density, ...], hz: float = SLOW_HZ) -> F64:
    """Gaussian noise with wanted power spectra, expected standard deviation 1, one row for each (K, ``count``).

    Made over at least twice the span and 100 s, so that the ends are not tied together and slow parts exist.
    """
    length = 1 << math.ceil(math.log2(max(2 * count, 100.0 * hz)))
    freq = np.arange(1, length // 2 + 1, dtype=np.float64) * (hz / length)
    gain = np.sqrt(np.stack([density(freq) for density in densities]))
    gain /= np.sqrt(np.sum(gain * gain, axis=1, keepdims=True))
    white = rng.standard_normal((len(densities), 2, length // 2))
    spectrum = np.zeros((len(densities), length // 2 + 1), np.complex128)
    spectrum[:, 1:] = (white[:, 0] + 1j * white[:, 1]) * gain * (0.5 * length)
    return np.asarray(np.fft.irfft(spectrum, length, axis=1)[:, :count])


def _cross(
    rng: np.random.Generator, rhythm: str, time: F64, phase: F64, per_minute: float, duration_s: float
) -> tuple[F64, F64]:
    """Find when the summed rate ``phase`` crosses the thresholds of a rhythm, and how strong these beats are."""
    begin, end = np.interp([0.0, duration_s], time, phase)
    count = math.ceil(1.6 * phase[-1]) + 24
    distance, strengths = _distances(rng, rhythm, count, per_minute)
    thresholds = np.cumsum(distance)
    first = math.ceil(1.3 * begin) + 8
    thresholds -= thresholds[first] + rng.uniform(0.0, 1.0) * distance[first] - begin
    # Scale the phase about time 0 so that as many thresholds lie within the recording as beats are wanted.
    scale = (end - begin) / (_passed(thresholds, begin, per_minute * duration_s / 60.0) - begin)
    crossings = begin + (thresholds - begin) * scale
    inside = (crossings >= phase[0]) & (crossings <= phase[-1])
    feet = np.interp(crossings[inside], phase, time)
    # Where a high rate and a wild rhythm meet, beats are pushed apart; elsewhere this changes nothing.
    feet = feet + np.concatenate([[0.0], np.cumsum(np.maximum(SHORTEST_S - np.diff(feet), 0.0))])
    feet = to_rate(feet, duration_s, per_minute)
    return feet, strengths[inside] * np.exp(0.04 * memory(rng, len(feet), 0.8))


def _sizes(
    rng: np.random.Generator, per_minute: float, lungs: Breathing, duration_s: float, age_y: float
) -> tuple[tuple[float, float], float, float]:
    """Relative swing of the rate by blood pressure and breathing, by the trend, and breathing's delay in s."""
    normal = rng.standard_normal(2)
    unit, lag = rng.random(2)
    age = min(max(age_y, 18.0), 80.0)
    sdnn = 0.040 * 1.5 ** normal[0] * math.exp(-(per_minute - 70.0) / 58.0 - (age - 40.0) / 110.0)
    sdnn = min(max(sdnn, 0.008), 0.150)
    ratio = min(max(1.5 * 2.0 ** normal[1], 0.2), 10.0) * math.exp((age - 40.0) / 60.0)
    trend = (1.0 + 4.0 * unit) / per_minute
    if age_y < NEWBORN_Y:
        whole = 0.010 + 0.020 * unit
        sdnn, trend = math.sqrt(0.6) * whole, math.sqrt(0.4) * whole * per_minute / 60.0
    breaths = np.count_nonzero((lungs.onsets_s >= lungs.start_s) & (lungs.onsets_s <= duration_s - lungs.start_s))
    often = breaths / (duration_s - 2.0 * lungs.start_s)
    depth = math.sqrt((1.0 + (0.25 / 0.12) ** 2) / (1.0 + (often / 0.12) ** 2))
    low, high = math.sqrt(ratio / (1.0 + ratio)), math.sqrt(1.0 / (1.0 + ratio))
    relative = sdnn * per_minute / 60.0
    return (relative * low, relative * high * depth), trend, 0.5 * lag


def _trend_density(freq: F64) -> F64:
    """Ornstein-Uhlenbeck with a corner of 0.01 Hz, and 1/f below 0.04 Hz that makes a quarter of the power."""
    return np.asarray(1.0 / (1.0 + (freq / 0.01) ** 2) + 0.0025 / np.maximum(freq, 0.003) * (freq < 0.04))


def _steps(rng: np.random.Generator, time_s: F64, per_minute: float) -> F64:
    """Sudden rises of the rate by 5 to 20 /min (a thought, a noise), four an hour (ASSUMED), relative."""
    out = np.zeros_like(time_s)
    for _ in range(rng.poisson((time_s[-1] - time_s[0]) / 900.0)):
        since = time_s - rng.uniform(time_s[0], time_s[-1])
        size = rng.uniform(5.0, 20.0) / max(per_minute, 60.0)
        out += (
            size * (since > 0) * (1.0 - np.exp(-np.maximum(since, 0.0) / 3.0)) * np.exp(-np.maximum(since, 0) / 40.0)
        )
    return out


def _recovery(
    rng: np.random.Generator, time_s: F64, duration_s: float, per_minute: float, recovery: float
) -> tuple[F64, F64]:
    """Exhaustion left (1 to 0) and extra rate per minute: it falls with a time constant of 40 to 120 s from time 0.

    Lowered where the rate would have to end below 30 /min, or to begin above 235, for the mean to be met.
    """
    fading = np.exp(-np.maximum(time_s, 0.0) / rng.uniform(40.0, 120.0))
    mean = float(fading[(time_s >= 0.0) & (time_s <= duration_s)].mean())
    size = min(recovery, (per_minute - 30.0) / mean, (235.0 - per_minute) / max(1.0 - mean, 1e-3))
    return np.asarray(min(size / 60.0, 1.0) * fading), np.asarray(size * fading)


def _distances(rng: np.random.Generator, rhythm: str, count: int, per_minute: float) -> tuple[F64, F64]:
    """Distance of each beat's threshold from the one before, in beats, and each beat's strength."""
    distance, strength = np.ones(count), np.ones(count)
    floor = min(SHORTEST_S * per_minute / 60.0, 0.95)
    if rhythm == "fibrillation":
        spread = rng.uniform(0.18, 0.28)
        distance = np.maximum(rng.gamma(1.0 / spread**2, spread**2, count), floor)
        # A longer filling ejects more: correlation with the interval before about 0.6.
        noise = 0.6 * spread * 4.0 / 3.0 * rng.standard_normal(count)
        strength = np.clip(1.0 + 0.6 * (distance - 1.0) + noise, 0.1, 1.6)
    elif rhythm == "dropout":
        # The sinus node beats faster than the pulse: rarer drops where it would be too fast.
        room = max(60.0 / (SHORTEST_S * per_minute) - 1.0, 0.05)
        at, group = 0, max(int(rng.integers(3, 7)), math.ceil(0.9 / room))
        while at < count:
            size = max(2, group + int(rng.integers(-1, 2)))
            # Wenckebach: intervals shorten towards the dropped beat, whose gap is a little less than two.
            distance[at + 1 : at + size] = 1.0 + 0.04 * np.linspace(1.0, -1.0, size - 1)[: max(count - at - 1, 0)]
            distance[at], strength[at] = 1.9, rng.uniform(1.1, 1.2)
            at += size
    elif rhythm in ("ectopic", "bigeminy"):
        _early_beats(rng, rhythm == "bigeminy", distance, strength, floor, per_minute)
    return distance, strength


def _early_beats(
    rng: np.random.Generator, every: bool, distance: F64, strength: F64, floor: float, per_minute: float
) -> None:
    """Write early beats into ``distance`` and ``strength``: every second one, or 0.5 to 6 a minute.

    Coupling 0.55 to 0.8 of an interval. Three in five come from the ventricles and are followed by a pause that makes
    up for it exactly; the others reset the sinus node. The earlier, the weaker (0.1 to 0.7); the next is stronger.
    """
    count = len(distance)
    if every:
        at = np.arange(int(rng.integers(1, 3)), count - 1, 2)
        coupling = np.clip(rng.uniform(0.58, 0.75) + 0.015 * rng.standard_normal(len(at)), 0.55, 0.8)
    else:
        gaps = 3 + rng.geometric(min(rng.uniform(0.5, 6.0) / per_minute, 0.2), count // 3)
        at = np.cumsum(gaps) - int(rng.integers(0, gaps[0]))
        at = at[(at > 0) & (at < count - 1)]
        coupling = rng.uniform(0.55, 0.8, len(at))
    coupling = np.maximum(coupling, floor)
    ventricular = (rng.random(len(at)) < 0.6) | every
    distance[at] = coupling
    distance[at + 1] = np.where(ventricular, 2.0 - coupling, rng.uniform(1.0, 1.15, len(at)))
    weak = 0.1 + 0.6 * (coupling - 0.55) / 0.25 + 0.1 * rng.standard_normal(len(at))
    strength[at] = np.clip(weak, 0.1, 0.7)
    strength[at + 1] = rng.uniform(1.1, 1.3, len(at))


def _lateness(rng: np.random.Generator, per_minute: float, strengths: F64, mayer: F64) -> F64:
    """Pulse arrival time of each beat in s: shorter at high rates, changing by some ms with blood pressure."""
    usual = np.clip(rng.normal(0.200, 0.020), 0.170, 0.230) - 0.0002 * np.clip(per_minute - 70.0, -30.0, 80.0)
    change = 0.003 * memory(rng, len(strengths), 0.8) - 0.004 * mayer + 0.03 * np.maximum(1.0 - strengths, 0.0)
    return np.asarray(np.clip(usual + change, *LATENESS_S))


def _passed(thresholds: F64, begin: float, beats: float) -> float:
    """Where on the axis of thresholds ``beats`` beats have passed since ``begin``."""
    order = np.arange(len(thresholds))
    return float(np.interp(np.interp(begin, thresholds, order) + beats, order, thresholds))
