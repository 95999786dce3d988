"""What the references of a recording say: rates in a window, beats, the contact wave.

The heart's rate is read off, in this order: beats that the data set lists, the ECG, the contact pulse, and last what
a monitor displayed (an average over an unknown past). A contact pulse is believed where its beats are beyond doubt,
or its spectrum says the same as they do; a rate displayed beside such a wave mostly comes from the same sensor, so
nothing else is asked then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.bench.grids import MIN_VALID, Grid, even, peak_rate_hz
from perfuse.core.results import Vital
from perfuse.data.recording import Signal
from perfuse.signal.beats import RANGE_HZ, Beats, find_beats
from perfuse.signal.filters import bandpass
from perfuse.vitals.hrv import artefacts, hrv

Floats = NDArray[np.float64]

HEART_BAND_HZ = RANGE_HZ
"""35 to 230 beats a minute."""
BREATHING_BAND_HZ = (4 / 60, 60 / 60)
"""4 to 60 breaths a minute, the rates that :mod:`perfuse.vitals.respiration` considers."""
AGREE_HEART = 5.0
"""Beats a minute that the spectrum and the beats of a contact pulse may differ."""
SOUND = 0.95
"""ASSUMED: median quality of beats from which on nobody else is asked; clean contact waves reach 0.99, noise 0.5."""
AGREE_BREATHING = 3.0
"""ASSUMED: the same of a breathing belt and its peaks; what :mod:`perfuse.vitals.respiration` calls right."""
SHORTEST_S = 5.0
"""Windows below this have no heart rate (as in :mod:`perfuse.vitals.heart_rate`)."""
SHORTEST_BREATHING_S = 20.0
"""ASSUMED: three breaths at nine a minute."""
SLACK_S = 0.2
"""Twenty seconds of video last from the first frame to the last, one frame less."""
SHARP_ECG_HZ = 100.0
"""ASSUMED: a slower ECG gives rates, but no variability: its R peaks are placed to 5 ms at best."""


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """References of one recording, prepared once for all its windows.

    Attributes
    ----------
    intervals : tuple of (str, ndarray, ndarray) or None
        The best list of beat intervals: where it comes from (``beats`` or ``ecg``), ends in s, lengths in s.
    beats : Beats or None
        For variability: of the list, of the ECG, or of the contact pulse.
    pulse : Grid or None
        Contact wave, limited to :data:`HEART_BAND_HZ`.
    pulse_beats : Beats or None
        Of the contact wave, times on the recording's clock.
    breathing : Grid or None
        Belt, limited to :data:`BREATHING_BAND_HZ`.
    shown_heart_rate, shown_respiratory_rate : Signal or None
        What a monitor displayed.
    """

    intervals: tuple[str, Floats, Floats] | None = None
    beats: Beats | None = None
    pulse: Grid | None = None
    pulse_beats: Beats | None = None
    breathing: Grid | None = None
    shown_heart_rate: Signal | None = None
    shown_respiratory_rate: Signal | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A reference in a window: a value per minute and where it comes from, or the reason why there is none."""

    value: float | None
    source: str | None = None
    reason: str | None = None


def prepare(signals: Mapping[str, Signal]) -> References:
    """Find beats and filter waves once.

    Parameters
    ----------
    signals : mapping of str to Signal
        Names of :data:`perfuse.data.recording.SIGNALS`; others are ignored. Without a ``pulse``, an arterial
        ``blood_pressure`` wave stands in for it.
    """
    intervals, beats = None, None
    if "beats" in signals:
        intervals, beats = _listed(signals["beats"])
    ecg = even(signals.get("ecg"), max_hz=250.0)
    if intervals is None and ecg is not None:
        times = r_peaks(ecg)
        if len(times) > 1:
            intervals = ("ecg", times[1:], np.diff(times))
            beats = Beats.exact(times) if ecg.rate_hz >= SHARP_ECG_HZ else None
    wave = even(signals.get("pulse") or signals.get("blood_pressure"))
    pulse_beats = None
    if wave is not None and wave.rate_hz >= 8:
        found = find_beats(wave.samples, wave.rate_hz, wave.valid)
        pulse_beats = Beats(found.times_s + wave.start_s, found.quality, found.amplitude, found.jitter_s, found.first)
    belt = even(signals.get("respiration"))
    return References(
        intervals,
        pulse_beats if beats is None and intervals is None else beats,
        None if wave is None else wave.filtered(HEART_BAND_HZ),
        pulse_beats,
        None if belt is None else belt.filtered(BREATHING_BAND_HZ),
        signals.get("heart_rate"),
        signals.get("respiratory_rate"),
    )


def heart_rate(references: References, start_s: float, stop_s: float) -> Reading:
    """Heart rate in a window, per minute, by the first source that covers it."""
    if stop_s - start_s < SHORTEST_S - SLACK_S:
        return Reading(None, reason=f"a window of {stop_s - start_s:.1f} s, a rate needs {SHORTEST_S:.0f} s")
    why = "there is no reference of the heart"
    if references.intervals is not None:
        source, ends, lengths = references.intervals
        rate = mean_rate(ends, lengths, lengths > 0, start_s, stop_s)
        if not isinstance(rate, str):
            return Reading(rate, source)
        why = f"{source}: {rate}"
    if references.pulse is not None and references.pulse.covered(start_s, stop_s) >= MIN_VALID:
        return _pulse_rate(references, references.pulse, start_s, stop_s)
    if references.pulse is not None:
        why = "the contact pulse does not cover the window"
    return _shown(references.shown_heart_rate, "heart_rate", start_s, stop_s, why)


def respiratory_rate(references: References, start_s: float, stop_s: float) -> Reading:
    """Respiratory rate in a window, per minute: of the belt, else what a monitor displayed."""
    if stop_s - start_s < SHORTEST_BREATHING_S - SLACK_S:
        return Reading(
            None, reason=f"a window of {stop_s - start_s:.1f} s, breathing needs {SHORTEST_BREATHING_S:.0f} s"
        )
    belt = references.breathing
    why = "there is no reference of breathing"
    if belt is not None and belt.covered(start_s, stop_s) >= MIN_VALID:
        spectral = peak_rate_hz(belt, start_s, stop_s, BREATHING_BAND_HZ)
        if isinstance(spectral, str):
            return Reading(None, reason=f"respiration: {spectral}")
        counted = _counted_breaths(belt, start_s, stop_s, spectral)
        if counted is None or abs(60 * spectral - counted) > AGREE_BREATHING:
            told = "no breaths" if counted is None else f"{counted:.1f} breaths a minute"
            return Reading(None, reason=f"respiration: its spectrum says {60 * spectral:.1f}/min, its peaks {told}")
        return Reading(60 * spectral, "respiration")
    if belt is not None:
        why = "the belt does not cover the window"
    return _shown(references.shown_respiratory_rate, "respiratory_rate", start_s, stop_s, why)


def variability(references: References) -> dict[str, Vital]:
    """Every measure of :func:`perfuse.vitals.hrv.hrv` on the reference's beats; empty without beats."""
    return {} if references.beats is None or not len(references.beats) else hrv(references.beats)


def mean_rate(
    ends_s: Floats, lengths_s: Floats, usable: NDArray[np.bool_], start_s: float, stop_s: float
) -> float | str:
    """Sixty over the mean of the intervals that lie wholly inside a window, or why there is no such rate.

    Intervals that a missed, extra or early beat must have made do not count; the rest must cover the window.
    """
    inside = (ends_s <= stop_s + 1e-9) & (ends_s - lengths_s >= start_s - 1e-9)
    if inside.sum() < 3:
        return "fewer than four beats in the window"
    # judged with the neighbours outside the window, which an edge has too
    kept = inside & usable & ~artefacts(lengths_s, usable)
    # two beats at the edges are cut off on average
    covered = float(lengths_s[kept].sum()) / max(stop_s - start_s - 2 * float(np.median(lengths_s[inside])), 1e-9)
    if kept.sum() < 3 or covered < 0.7:
        return f"usable beats cover only {100 * min(covered, 1):.0f} % of the window"
    return float(60 / lengths_s[kept].mean())


def r_peaks(ecg: Grid) -> Floats:
    """Find the R peaks of an ECG: times on its clock.

    The wave is limited to 8 to 20 Hz, where QRS complexes are strongest; its size, smoothed over 0.1 s, peaks once
    per complex (after Pan & Tompkins, IEEE TBME 1985). A peak counts if it reaches ASSUMED 0.45 of the local 90th
    percentile of peaks; the time is that of the largest deflection nearby.
    """
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import find_peaks

    rate = ecg.rate_hz
    if rate < 20 or len(ecg.samples) < 3 * rate:
        return np.zeros(0)
    wave = np.where(ecg.valid, bandpass(ecg.samples, rate, 8.0, 20.0, order=2), 0.0)
    size = np.sqrt(uniform_filter1d(wave**2, max(round(0.1 * rate), 1)))
    peaks, _ = find_peaks(size, distance=max(round(0.25 * rate), 1))
    if len(peaks) < 2:
        return np.zeros(0)
    low = np.searchsorted(peaks, peaks - 5 * rate)
    high = np.searchsorted(peaks, peaks + 5 * rate, side="right")
    local = np.array([np.quantile(size[peaks[a:b]], 0.9) for a, b in zip(low, high)])
    peaks = peaks[(size[peaks] >= 0.45 * local) & (size[peaks] > 1e-9 * np.abs(ecg.samples).max())]
    reach = max(round(0.06 * rate), 1)
    tops = [
        p - reach + int(np.abs(wave[p - reach : p + reach + 1]).argmax())
        for p in peaks
        if reach < p < len(wave) - reach - 1
    ]
    places = [_top(np.abs(wave), top) for top in tops if 0 < top < len(wave) - 1]
    times = ecg.start_s + np.unique(np.array(places)) / rate
    return np.asarray(times[np.concatenate([[True], np.diff(times) > 0.2])] if len(times) else times)


def _top(size: Floats, k: int) -> float:
    left, mid, right = size[k - 1 : k + 2]
    bend = left - 2 * mid + right
    return k if bend >= 0 else k + float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))


def _listed(signal: Signal) -> tuple[tuple[str, Floats, Floats] | None, Beats | None]:
    """Intervals and beats of a list of beat times; the length a list gives counts more than the distance of times."""
    if len(signal) < 2:
        return None, None
    apart = np.diff(signal.times_s)
    lengths = np.where(np.isfinite(signal.values[1:]), signal.values[1:], apart)
    beats = Beats.exact(signal.times_s)
    # a beat whose interval is much shorter than the time since the one before comes after a gap
    beats.first[1:] = apart > 1.5 * np.maximum(lengths, 1e-9)
    return ("beats", signal.times_s[1:], lengths), beats


def _pulse_rate(references: References, pulse: Grid, start_s: float, stop_s: float) -> Reading:
    """Rate of the contact wave: of its beats, where the spectrum says the same or the beats are beyond doubt.

    A heart that slows down within the window has no single spectral peak, but it has beats.
    """
    beats = references.pulse_beats
    if beats is None:
        return Reading(None, reason=f"pulse: {pulse.rate_hz:.3g} samples per second are too few to count its beats")
    counted = mean_rate(*beats.intervals(), start_s, stop_s)
    if isinstance(counted, str):
        return Reading(None, reason=f"pulse: {counted}")
    sound = float(np.median(beats.quality[(beats.times_s >= start_s) & (beats.times_s <= stop_s)]))
    spectral = peak_rate_hz(pulse, start_s, stop_s, HEART_BAND_HZ)
    if sound < SOUND and (isinstance(spectral, str) or abs(60 * spectral - counted) > AGREE_HEART):
        told = spectral if isinstance(spectral, str) else f"its spectrum says {60 * spectral:.1f}/min"
        return Reading(None, reason=f"pulse: {told}, its beats {counted:.1f}/min")
    return Reading(counted, "pulse")


def _shown(signal: Signal | None, name: str, start_s: float, stop_s: float, why: str) -> Reading:
    if signal is None:
        return Reading(None, reason=why)
    inside = (signal.times_s >= start_s) & (signal.times_s <= stop_s) & np.isfinite(signal.values)
    values = signal.values[inside & (signal.values > 0)]
    if not len(values):
        return Reading(None, reason=f"the monitor's {name} has no value in the window")
    return Reading(float(np.median(values)), name)


def _counted_breaths(belt: Grid, start_s: float, stop_s: float, about_hz: float) -> float | None:
    """Breaths a minute from the distances of the belt's peaks, no nearer than half a breath at ``about_hz``."""
    from scipy.signal import find_peaks

    part = belt.samples[belt.part(start_s, stop_s)]
    peaks, _ = find_peaks(part, distance=max(0.5 * belt.rate_hz / about_hz, 1), prominence=0.3 * float(part.std()))
    return float(60 * belt.rate_hz * (len(peaks) - 1) / (peaks[-1] - peaks[0])) if len(peaks) > 2 else None
