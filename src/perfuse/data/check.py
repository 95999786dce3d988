"""Does each reference fit its video? Lag, drift and quality, seen from the pulse in the face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import SourceError
from perfuse.core.signals import Waveform
from perfuse.core.view import Trace
from perfuse.core.workers import side_by_side
from perfuse.data.entry import Entry
from perfuse.data.labels import held, on_grid, usable
from perfuse.data.prepare import Progress, open_entry, prepare
from perfuse.data.recording import Problem, Recording, Signal
from perfuse.methods import get_method
from perfuse.pipeline.replay import replay
from perfuse.signal.beats import find_beats, valid_runs
from perfuse.signal.filters import bandpass
from perfuse.signal.spectrum import strongest_hz

BAND_HZ = (0.6, 4.0)
REACH_S = 3.0
"""Lags are looked for this far to either side."""
LATE_S = 0.5
"""The pulse takes 0.1 to 0.3 s to a finger; references beyond this lag are reported."""
CLEAR = 1.04
"""How much the best lag must beat every lag a beat or more away, to be believed."""
FAR = 0.03
"""What a lag loses against a shorter one, per second: most references were aligned by whoever recorded them."""
ALIKE = 0.3
"""Least correlation at the best lag; below, face and reference have nothing in common and no lag is told."""
DRIFT_S, NEAR_S = 0.15, 0.4
PIECE_S, AGREE = 10.0, 5.0
"""Pieces in which the spectrum and the beats of a wave must give the same rate, per minute."""
LEAST_HZ = 15.0
"""Slower references are not looked at beat by beat."""
SOUND = 0.7
"""Least median quality of beats: noise reaches 0.5, contact waves 0.99."""
POOR = 0.5
"""A wave that looks like a pulse in less than this share of its pieces is reported."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What was found of one reference of one recording.

    Attributes
    ----------
    recording, subject, reference : str
        Whose, and which.
    covers : float
        Share of the video during which it has numbers, 0..1.
    lag_s : float or None
        By how much it comes later than the face's pulse; None where that cannot be told. Waves of the heart only.
    drift_s : float or None
        Lag in the second half minus lag in the first.
    r : float or None
        Correlation with the face's pulse at the best lag.
    quality : float or None
        Share of ten-second pieces in which spectrum and beats agree within 5/min: what looks like a pulse. For
        numbers of a monitor: share of pieces in which it agrees so with the wave, where there is one.
    rate : float or None
        Median heart rate it says, per minute.
    """

    recording: str
    subject: str
    reference: str
    covers: float
    lag_s: float | None = None
    drift_s: float | None = None
    r: float | None = None
    quality: float | None = None
    rate: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """Ten seconds of the face's pulse beside a reference, for the picture."""

    recording: str
    reference: str
    times_s: NDArray[np.float64]
    face: NDArray[np.float64]
    wave: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """What a check of a data set says."""

    fits: tuple[Fit, ...]
    glances: tuple[Glance, ...]
    problems: tuple[Problem, ...]


def check(
    recordings: Sequence[Recording],
    cache: Path,
    *,
    method: str = "pos",
    jobs: int = 1,
    problems: Sequence[Problem] = (),
    progress: Progress | None = None,
) -> Check:
    """Compare every reference with its video.

    Parameters
    ----------
    recordings : sequence of Recording
        From :func:`perfuse.data.dataset.open_dataset`.
    cache : Path
        Where traces are cached; see :func:`perfuse.data.prepare.prepare`.
    method : str
        What finds the pulse in the face; it must eat traces.
    jobs, problems, progress
        As for :func:`perfuse.data.prepare.prepare`.
    """
    made = prepare(recordings, Trace(), cache, jobs=jobs, problems=problems, progress=progress)
    there = [recording for recording in recordings if recording.id in made.entries]
    found = dict.fromkeys((r.id for r in there), _Seen((), None, ()))
    for recording, seen in side_by_side(partial(_look, cache=cache, method=method), there, jobs):
        found[recording.id] = seen
    return Check(
        tuple(fit for seen in found.values() for fit in seen.fits),
        tuple(seen.glance for seen in found.values() if seen.glance is not None),
        (*made.problems, *(p for seen in found.values() for p in seen.problems)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    fits: tuple[Fit, ...]
    glance: Glance | None
    problems: tuple[Problem, ...]


def _look(recording: Recording, cache: Path, method: str) -> _Seen:
    entry = open_entry(recording, Trace(), cache)
    if entry is None:
        raise SourceError(f"The cached view of {recording.id} is gone.", "Run it again.")
    face = replay(get_method(method), entry.record).waves[0]
    fits = [_fit(entry, name, signal, face) for name, signal in entry.signals.items()]
    where = str(recording.files[0]) if recording.files else recording.id
    problems = [problem for fit in fits for problem in _problems(fit, where)]
    best = next((fit for name in ("pulse", "ecg") for fit in fits if fit.reference == name), None)
    return _Seen(tuple(fits), _glance(entry, best, face) if best else None, tuple(problems))


def _fit(entry: Entry, name: str, signal: Signal, face: Waveform) -> Fit:
    about = entry.about
    start, rate, count = about["start_s"], about["rate_hz"], len(face)
    wave = name in ("pulse", "ecg", "respiration", "blood_pressure", "skin_conductance", "infrared")
    on = on_grid(signal, start, rate, count) if wave else held(signal, start + np.arange(count) / rate)
    covers = float(np.isfinite(on).mean()) if name != "beats" else _beats_cover(signal, about)
    fit = {"recording": about["id"], "subject": about["subject"], "reference": name, "covers": covers}
    if name in ("pulse", "blood_pressure"):
        lag, r, drift = _lag(face, on)
        pieces = _pieces(signal)
        good = [a for a, b in pieces if abs(a - b) <= AGREE]
        quality = len(good) / len(pieces) if pieces else 0.0
        return Fit(**fit, lag_s=lag, drift_s=drift, r=r, quality=quality, rate=_median(good))
    if name in ("heart_rate", "beats"):
        values = usable(signal).values
        rates = 60.0 / values[values > 0] if name == "beats" else values[values > 0]
        return Fit(**fit, rate=_median(rates))
    return Fit(**fit)


def _median(values: Sequence[float] | NDArray[np.float64]) -> float | None:
    return float(np.median(values)) if len(values) else None


def _beats_cover(signal: Signal, about: dict[str, float]) -> float:
    inside = (signal.times_s >= about["start_s"]) & (signal.times_s <= about["start_s"] + about["duration_s"])
    return min(1.0, float(np.nansum(np.where(inside, signal.values, 0.0))) / max(about["duration_s"], 1e-9))


def _lag(face: Waveform, reference: NDArray[np.float64]) -> tuple[float | None, float | None, float | None]:
    """Return lag, correlation, and drift, of a reference on the grid of the face's pulse."""
    both = face.valid & np.isfinite(reference)
    rate = face.rate_hz
    if both.sum() < 6 * rate:
        return None, None, None
    x, y = _band(face.samples, face.valid, rate), _band(reference, np.isfinite(reference), rate)
    lag, r = _best_lag(x, y, rate)
    half = len(x) // 2
    halves = [(x[part], y[part]) for part in (slice(half), slice(half, None))]
    if both[:half].sum() < 10 * rate:
        return lag, r, None
    if lag is not None and None in [_near_lag(*part, lag, rate) for part in halves]:
        lag = None  # half of the recording does not know of it
    # a beat too early or too late, it drifts all the same
    about = _best_lag(*halves[0], rate, clear=0.0)[0] if lag is None else lag
    if about is None:
        return lag, r, None
    first, second = (_near_lag(*part, about, rate) for part in halves)
    return lag, r, None if first is None or second is None else second - first


def _near_lag(x: NDArray[np.float64], y: NDArray[np.float64], about_s: float, rate_hz: float) -> float | None:
    """Return the lag of one half, close to that of the whole: a beat earlier would fit nearly as well."""
    moved = round(about_s * rate_hz)
    x, y = (x[: len(x) - moved], y[moved:]) if moved > 0 else (x[-moved:], y[: len(y) + moved])
    lag, _ = _best_lag(x, y, rate_hz, NEAR_S, clear=0.0)
    return None if lag is None else lag + moved / rate_hz


def _band(values: NDArray[np.float64], good: NDArray[np.bool_], rate_hz: float) -> NDArray[np.float64]:
    """Band-pass every stretch that is there; zeros elsewhere."""
    out = np.zeros(len(values))
    for start, stop in valid_runs(good):
        if stop - start > 3 * rate_hz:
            part = bandpass(values[start:stop], rate_hz, *BAND_HZ)
            spread = float(part.std())
            out[start:stop] = np.clip(part / spread, -3, 3) if spread > 0 else 0.0
    return out


def _best_lag(
    x: NDArray[np.float64], y: NDArray[np.float64], rate_hz: float, reach_s: float = REACH_S, clear: float = CLEAR
) -> tuple[float | None, float | None]:
    """Return the lag of y behind x, None where no lag stands out, and the correlation there."""
    reach = min(round(reach_s * rate_hz), len(x) // 3)
    if reach < 3 or not x.any() or not y.any():
        return None, None
    full = 1 << (len(x) + reach).bit_length()
    cross = np.fft.irfft(np.fft.rfft(x, full).conj() * np.fft.rfft(y, full), full)
    lags = np.arange(-reach, reach + 1)
    r = cross[lags] / _energy(x, y, lags)
    likely = r - FAR * np.abs(lags) / rate_hz
    top = int(likely.argmax())
    beyond = np.abs(lags - lags[top]) > 0.25 * rate_hz
    rival = float(r[beyond].max()) if beyond.any() else 0.0
    if r[top] < ALIKE or top in (0, len(r) - 1) or rival * clear > r[top]:
        return None, float(r[top])
    left, mid, right = r[top - 1 : top + 2]
    shift = 0.5 * (left - right) / (left - 2 * mid + right)
    return float((lags[top] + shift) / rate_hz), float(mid)


def _energy(x: NDArray[np.float64], y: NDArray[np.float64], lags: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what correlations are divided by: only samples that overlap at a lag count."""
    up_x, up_y = (np.concatenate([[0.0], np.cumsum(wave**2)]) for wave in (x, y))
    n = len(x)
    of_x = up_x[n - np.maximum(lags, 0)] - up_x[np.maximum(-lags, 0)]
    of_y = up_y[n + np.minimum(lags, 0)] - up_y[np.maximum(lags, 0)]
    return np.asarray(np.sqrt(of_x * of_y) + 1e-12)


def _pieces(signal: Signal) -> list[tuple[float, float]]:
    """Return (rate by spectrum, rate by beats) of ten-second pieces, per minute; (0, inf) where there is none."""
    good = usable(signal)
    if len(good) < 20:
        return []
    rate = float(min(1 / np.median(np.diff(good.times_s)), 125.0))
    if rate < LEAST_HZ:
        return []
    count = int((good.times_s[-1] - good.times_s[0]) * rate)
    wave = on_grid(good, float(good.times_s[0]), rate, count)
    length, found = int(PIECE_S * rate), []
    for start in range(0, max(count - length // 2, 1), length):
        part = wave[start : start + length]
        found.append(_two_rates(part, rate) if np.isfinite(part).mean() > 0.9 else (0.0, np.inf))
    return found


def _two_rates(part: NDArray[np.float64], rate_hz: float) -> tuple[float, float]:
    held_values = np.where(np.isfinite(part), part, np.nanmean(part))
    wave = bandpass(held_values, rate_hz, *BAND_HZ)
    peak = strongest_hz(wave, rate_hz, BAND_HZ)
    if not np.isfinite(peak) or not wave.std() > 1e-9 * np.abs(held_values).max():
        return 0.0, np.inf
    beats = find_beats(wave, rate_hz, np.isfinite(part))
    steps = np.diff(beats.times_s)
    sound = len(steps) > 3 and float(np.median(beats.quality)) > SOUND
    return 60.0 * peak, 60.0 / float(np.median(steps)) if sound else np.inf


def _problems(fit: Fit, where: str) -> list[Problem]:
    found = []
    if fit.lag_s is not None and abs(fit.lag_s) > LATE_S:
        side = "after" if fit.lag_s > 0 else "before"
        message = f"Its {fit.reference} comes {abs(fit.lag_s):.2f} s {side} the pulse in the face."
        found.append(Problem("lag", where, message, fit.recording, dropped=False))
    if fit.drift_s is not None and abs(fit.drift_s) > DRIFT_S:
        message = f"Its {fit.reference} drifts by {fit.drift_s:+.2f} s between the halves of the video."
        found.append(Problem("lag", where, message, fit.recording, dropped=False))
    if fit.quality is not None and fit.quality < POOR:
        message = (
            f"Spectrum and beats of its {fit.reference} agree in {100 * fit.quality:.0f} % of its ten-second pieces "
            "only; as a reference it is worth little."
        )
        found.append(Problem("quality", where, message, fit.recording, dropped=False))
    return found


def _glance(entry: Entry, fit: Fit, face: Waveform) -> Glance | None:
    """Return ten seconds from the middle."""
    about = entry.about
    wave = on_grid(entry.signals[fit.reference], about["start_s"], face.rate_hz, len(face))
    if not np.isfinite(wave).any():
        return None
    length = int(PIECE_S * face.rate_hz)
    start = max(0, (len(face) - length) // 2)
    part = slice(start, start + length)
    times = about["start_s"] + np.arange(len(face))[part] / face.rate_hz
    bands = (_band(face.samples, face.valid, face.rate_hz), _band(wave, np.isfinite(wave), face.rate_hz))
    return Glance(about["id"], fit.reference, times, bands[0][part], bands[1][part])
