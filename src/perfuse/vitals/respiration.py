"""Breathing rate and wave from what breathing does to the pulse and to the body.

Breathing modulates a pulse three ways (Charlton et al., Breathing rate estimation from the ECG and PPG: a review,
IEEE Rev Biomed Eng 2018): the height of the beats, their intervals, and the level they ride on; it also moves the
chest. Each is scored at every rate of a fine grid by the share of its variance that a sine explains, after a
derivative that evens out its 1/f spectrum: without it, blood pressure waves at 0.1 Hz win, which are larger. The
scores are summed into one probability over rates, from which value, 90 % interval and quality are read. Estimates
that agree sharpen it; where they contradict one another no rate gets enough of it and there is no value, as in the
fusion of Karlen et al., Multiparameter respiratory rate estimation from the photoplethysmogram, IEEE TBME 2013. The
breathing that a network writes beside its pulse is one more estimate among them. What only breathing moves, a chest
or a network's wave, may be uneven: it is scored by :mod:`perfuse.vitals.uneven_breathing`, and where it speaks
clearly its breaths are counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perfuse.core.results import Point, Vital
from perfuse.core.signals import SHORTEST_BREATH_S, Waveform
from perfuse.signal.beats import Beats
from perfuse.signal.filters import bandpass
from perfuse.signal.spectrum import power_spectrum
from perfuse.vitals.breathing_signs import STEP_HZ, Sign, signs_of_breathing
from perfuse.vitals.uneven_breathing import breaths_per_second, evidence

Floats = NDArray[np.float64]

GRID_HZ = np.arange(4.0, 60.01, 0.25) / 60
"""Rates that are considered."""

SHORTEST_S = 28.0
"""A recording of 30 s has its first and last beat about this far apart."""

CYCLES = 3.5
"""Breaths that must fit into a window: slower ones are not told from drift."""

WINDOW_S = 30.0
HOP_S = 5.0
LONG_S = 75.0
"""A longer recording is the mean of windows of ``POOL_S``: the rate changes."""
POOL_S = 60.0

LEAST_QUALITY = 0.5
"""Below this a number would mislead more often than it helps."""

CLEAR = 0.5
"""A sign whose best rate explains this share of it speaks clearly."""

BY_CHANCE = 1.0
"""Evidence for uneven breathing that noise has as well, more often than not: it does not count."""

MOST = 0.985
"""Of its variance that any sign is believed to be breathing."""

NEAR_HZ = 3 / 60
"""Quality is the probability of being right within this."""

_PRIOR = (-3.0, 14 / 60)
"""Weight and centre of the squared log distance: resting adults breathe 6 to 30 times a minute."""

_FLOOR_HZ = 0.8 / 60
"""Smallest standard deviation: the rate wanders within any window."""

_TRUST = 0.97
"""How far the model itself is believed; the rest of the probability is spread over all rates."""

TOO_SHORT = "too short: {have:.0f} s of usable {what}, breathing needs {need:.0f} s"
NO_BEATS = "beats not reliable enough to read breathing from them"
DISAGREE = "the breathing estimates disagree"
UNCLEAR = "no clear breathing in the pulse"
SHORT_WINDOWS = (
    "the network's windows of {have:.1f} s are too short for breathing, {need:.0f} s are needed; beside it: {reason}"
)
SLOWER = "breathing looks slower than {limit:.0f} a minute, too slow for the network's windows"
DOUBTED = "no breathing: the network does not recognise it here"
TOO_SLOW = "breathing looks slower than {limit:.0f} a minute: record longer than {seconds:.0f} s"


@dataclass(frozen=True, slots=True)
class RespirationResult:
    """Breathing over a recording.

    Attributes
    ----------
    vital : Vital
        Rate over the whole recording, ``/min``.
    waveform : Waveform or None
        On the pulse's grid, band-limited around the rate, root mean square 1. It rises with inspiration as far as can
        be known: a network's does, and heart rate rises and pulse height falls while breathing in, at ordinary rates;
        None without a rate.
    series : tuple of Point
        Rate in windows of ``WINDOW_S``, every ``HOP_S``; ``time_s`` is the middle of the window on the recording's
        grid clock (``index / rate_hz``).
    sources : tuple of str
        Where a network wrote breathing that could be used: its name, and those of the other signs. Else empty.
    """

    vital: Vital
    waveform: Waveform | None
    series: tuple[Point, ...]
    sources: tuple[str, ...] = ()


def respiration(
    pulse: Waveform,
    beats: Beats,
    *,
    baseline: Waveform | None = None,
    motion: Waveform | None = None,
    chest: Waveform | None = None,
) -> RespirationResult:
    """Estimate breathing.

    Parameters
    ----------
    pulse : Waveform
        The pulse; its grid is that of the result. The breathing that it may carry is one more estimate, less of
        what its network itself doubts; a network that does not judge its breathing is believed as far as its pulse.
    beats : Beats
        Of that pulse: times relative to its first sample.
    baseline : Waveform, optional
        Mean skin brightness, unfiltered (falls with blood volume), same rate as the pulse.
    motion : Waveform, optional
        Vertical displacement of the head, downwards positive as in :mod:`perfuse.signal.motion`, same rate.
    chest : Waveform, optional
        The same of the chest, where it is in the picture.

    Returns
    -------
    RespirationResult
        Without a value where less than ``SHORTEST_S`` is usable, where no rate stands out, or where the estimates
        disagree. Nothing slower than ``CYCLES`` breaths in a window is ever reported, and nothing faster than half
        the heart rate unless ``motion`` or ``chest`` shows it.
    """
    signs, span = signs_of_breathing(pulse, beats, baseline, motion, chest)
    result = _fused(pulse, signs, span, moved=motion is not None or chest is not None)
    told = pulse.respiration
    if told is None:
        return result
    if told.too_short and result.vital.reason is not None:
        short = SHORT_WINDOWS.format(have=told.window_s, need=SHORTEST_BREATH_S, reason=result.vital.reason)
        return replace(result, vital=Vital.none("/min", short))
    names = tuple(sign.name for sign in signs)
    return replace(result, sources=names) if told.source in names else result


def _fused(pulse: Waveform, signs: list[Sign], span: tuple[int, int], moved: bool) -> RespirationResult:
    """Fuse all signs over a span of their grid."""
    seconds = (span[1] - span[0]) / STEP_HZ
    if seconds < SHORTEST_S:
        what = "beats or movement" if moved else "beats"
        return RespirationResult(Vital.none("/min", TOO_SHORT.format(have=seconds, what=what, need=30)), None, ())
    clock = pulse.start / pulse.rate_hz
    series = tuple(
        Point(clock + (a + b) / 2 / STEP_HZ, _answer(signs, a, b)) for a, b in _windows(span, WINDOW_S, HOP_S)
    )
    if seconds <= LONG_S:
        vital = _answer(signs, *span)
    else:
        vital = _pool([_answer(signs, a, b) for a, b in _windows(span, POOL_S, POOL_S / 2)])
    return RespirationResult(vital, _wave(pulse, signs, vital), series)


def _windows(span: tuple[int, int], length_s: float, hop_s: float) -> list[tuple[int, int]]:
    """Evenly spread windows that cover the span from end to end, at most about ``hop_s`` apart."""
    size = min(round(length_s * STEP_HZ), span[1] - span[0])
    count = 1 + int(np.ceil((span[1] - span[0] - size) / (hop_s * STEP_HZ)))
    return [(int(a), int(a) + size) for a in np.linspace(span[0], span[1] - size, count).round()]


def _shares(sign: Sign, start: int, stop: int) -> Floats | None:
    """Share of the variance of one sign that breathing at each rate of the grid explains, or None where it has holes.

    Of a sign that only breathing moves it is the share that says as much as the likelihood of uneven breathing.
    """
    if sign.usable[start:stop].mean() < 0.8:
        return None
    x = sign.samples[start:stop]
    if sign.direct:
        low_hz = 0.7 * CYCLES * STEP_HZ / len(x)
        told = evidence(x, STEP_HZ, GRID_HZ, (low_hz, min(GRID_HZ[-1], sign.top_hz)))
        if told is None:
            return None
        carried = (sign.top_hz > GRID_HZ) & (sign.low_hz <= GRID_HZ)
        told = np.where(carried, np.maximum(told - BY_CHANCE, 0.0), 0.0)
        whole = sign.weight * np.sqrt(len(x) / STEP_HZ / WINDOW_S)
        told = told * min(1.0, -whole * np.log1p(-MOST) / max(float(told.max()), 1e-9))
        return np.asarray(-np.expm1(-told / whole))
    line = np.linspace(-1, 1, len(x))
    x = x - x.mean()
    x = x - line * (line @ x) / (line @ line)
    freq_hz, power = power_spectrum(x, STEP_HZ, 0.001)
    seconds = len(x) / STEP_HZ
    power = power * freq_hz**2
    band = (freq_hz >= 0.7 * CYCLES / seconds) & (freq_hz < min(GRID_HZ[-1], sign.top_hz))
    total = power[band].sum() * freq_hz[1]
    if not total > 0:
        return None
    # A Hann window spreads a sine over an equivalent 1.5 / duration.
    share = np.interp(GRID_HZ, freq_hz, power) * 1.5 / seconds / total
    # What a sign cannot carry is no evidence, but it counts in the total: else overtones of slow breaths would shine.
    carried = (sign.top_hz > GRID_HZ) & (sign.low_hz <= GRID_HZ)
    return np.clip(np.where(carried, share, 0.0), 0.0, MOST)


def _answer(signs: list[Sign], start: int, stop: int) -> Vital:
    """Rate in one window of the signs' grid."""
    heard_of = {
        sign: (weight, share)
        for sign in signs
        if (weight := sign.weight_in(start, stop)) > 0 and (share := _shares(sign, start, stop)) is not None
    }
    found = list(heard_of.values())
    if not found:
        return Vital.none("/min", DOUBTED if _doubted(signs, start, stop) else NO_BEATS)
    seconds = (stop - start) / STEP_HZ
    weight, centre = _PRIOR
    told = np.sqrt(seconds / WINDOW_S) * sum(-w * np.log1p(-share) for w, share in found)
    score = told + weight * np.log(GRID_HZ / centre) ** 2
    limit_hz = CYCLES / seconds
    low_hz = min(sign.low_hz for sign in signs)
    open_to = (max(limit_hz, low_hz) <= GRID_HZ) & (max(sign.top_hz for sign in signs) > GRID_HZ)
    if not open_to.any():
        return Vital.none("/min", NO_BEATS)
    chance = np.where(open_to, np.exp(score - score[open_to].max()), 0.0)
    chance /= chance.sum()
    mode = int(chance.argmax())
    if mode == int(np.flatnonzero(open_to)[0]):
        if low_hz > limit_hz:
            return Vital.none("/min", SLOWER.format(limit=np.ceil(60 * low_hz)))
        return Vital.none("/min", TOO_SLOW.format(limit=np.ceil(60 * limit_hz), seconds=seconds))
    near = np.abs(GRID_HZ - GRID_HZ[mode]) <= 2 / 60
    value = float((chance * GRID_HZ)[near].sum() / chance[near].sum())
    counted = _counted(heard_of, start, stop, value)
    if GRID_HZ[open_to][0] <= counted <= GRID_HZ[open_to][-1]:
        value = counted
    believed = _TRUST * chance + (1 - _TRUST) * open_to / open_to.sum()
    # what has hardly been told has hardly been heard: the usual rates are no answer
    heard = -np.expm1(-float(np.interp(value, GRID_HZ, told)))
    here = believed[np.abs(GRID_HZ - value) <= NEAR_HZ].sum()
    quality = float(heard * here * (1 - _contradiction(found, value)))
    if quality < LEAST_QUALITY:
        doubted = _doubted(signs, start, stop)
        return Vital.none("/min", DOUBTED if doubted else _why_not([share for _, share in found]))
    cumulative = np.cumsum(believed)
    low, high = (float(np.interp(p, cumulative, GRID_HZ)) for p in (0.05, 0.95))
    low = value - np.hypot(value - low, 1.645 * _FLOOR_HZ)
    high = value + np.hypot(high - value, 1.645 * _FLOOR_HZ)
    return Vital(60 * value, "/min", 60 * float(low), 60 * float(high), quality)


def _counted(heard_of: dict[Sign, tuple[float, Floats]], start: int, stop: int, rate_hz: float) -> float:
    """Count the breaths about a rate in the sign that shows it best, or keep the rate where none does clearly.

    The likeliest rate is that of most breaths, a count the mean of all. Where they are far apart the quality, that of
    the value told, is small. What a network itself doubts is not counted.
    """
    clear = {
        sign: weight / sign.weight * float(np.interp(rate_hz, GRID_HZ, share))
        for sign, (weight, share) in heard_of.items()
        if sign.direct
    }
    best = max(clear, key=clear.__getitem__, default=None)
    if best is None or clear[best] < CLEAR:
        return rate_hz
    return breaths_per_second(best.samples[start:stop], STEP_HZ, rate_hz)


def _doubted(signs: list[Sign], start: int, stop: int) -> bool:
    """Tell whether there is nothing but a network's wave that the network itself does not believe."""
    return all(sign.weight_in(start, stop) < 0.5 * sign.weight for sign in signs)


def _contradiction(found: list[tuple[float, Floats]], value_hz: float) -> float:
    """Weighted share of the signs that speak clearly for another rate and hardly at all for this one."""
    near = np.abs(GRID_HZ - value_hz) <= NEAR_HZ
    against = [weight for weight, share in found if share.max() >= CLEAR and share[near].max() < 0.2 * share.max()]
    return sum(against) / sum(weight for weight, _ in found)


def _why_not(shares: list[Floats]) -> str:
    """Tell signs that each have a clear rate, but not the same, from signs without one."""
    clear = [float(GRID_HZ[share.argmax()]) for share in shares if share.max() >= CLEAR]
    return DISAGREE if len(clear) >= 2 and np.ptp(clear) > NEAR_HZ else UNCLEAR


def _pool(answers: list[Vital]) -> Vital:
    """Mean of windows, weighted by quality; its interval shrinks only with windows that do not overlap."""
    kept = [(v.value, v.low, v.high, v.quality) for v in answers if v.value is not None]
    if len(kept) < 0.6 * len(answers):
        missing = [v.reason for v in answers if v.reason]
        return Vital.none("/min", max(sorted(set(missing)), key=missing.count))
    value, low, high, quality = np.array(kept, np.float64).T
    weight = quality / quality.sum()
    mean = float(weight @ value)
    independent = max(1.0, len(kept) / 2)
    # Windows without an answer leave the rate there unknown: as uncertain as the rate is variable.
    unseen = (1 - len(kept) / len(answers)) * float(value.std())
    below = np.hypot(np.sqrt(weight @ (value - low) ** 2 / independent), 1.645 * unseen)
    above = np.hypot(np.sqrt(weight @ (high - value) ** 2 / independent), 1.645 * unseen)
    return Vital(
        mean, "/min", mean - float(below), mean + float(above), len(kept) / len(answers) * float(weight @ quality)
    )


def _wave(pulse: Waveform, signs: list[Sign], vital: Vital) -> Waveform | None:
    """Fuse the signs into one wave around the rate, each weighted by how well the rate explains it."""
    if vital.value is None:
        return None
    rate = vital.value / 60
    waves, weights = [], []
    for sign in signs:
        share = _shares(sign, *_covered(sign))
        wave = bandpass(sign.samples, STEP_HZ, 0.6 * rate, min(1.6 * rate, 0.45 * STEP_HZ))
        size = float(np.sqrt(np.mean(wave[sign.usable] ** 2))) if sign.usable.any() else 0.0
        trusted = sign.weight_in(*_covered(sign))
        if share is None or not size > 0 or trusted == 0:
            continue
        waves.append(sign.inspiration * wave / size)
        weights.append(sign.drawn * trusted * float(np.interp(rate, GRID_HZ, share)))
    if not weights or not max(weights) > 0:
        return None
    # The network, or else the intervals, come first among the signs: their direction is the best known, so others are
    # turned to them.
    anchor = 0 if weights[0] >= 0.3 * max(weights) else int(np.argmax(weights))
    turns = [-1.0 if wave @ waves[anchor] < 0 else 1.0 for wave in waves]
    total = np.sum([w * turn * wave for w, turn, wave in zip(weights, turns, waves)], axis=0)
    seconds = np.arange(len(pulse)) / pulse.rate_hz
    samples = np.interp(seconds, np.arange(len(total)) / STEP_HZ, total)
    seen = np.any([sign.usable for sign in signs], axis=0)
    valid = np.interp(seconds, np.arange(len(seen)) / STEP_HZ, seen.astype(float)) > 0.5
    size = float(np.sqrt(np.mean(samples[valid] ** 2))) if valid.any() else 0.0
    if not size > 0:
        return None
    return Waveform(pulse.start, pulse.rate_hz, np.where(valid, samples / size, 0.0), valid)


def _covered(sign: Sign) -> tuple[int, int]:
    """First and last usable step of one sign."""
    inside = np.flatnonzero(sign.usable)
    return (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, len(sign.usable))
