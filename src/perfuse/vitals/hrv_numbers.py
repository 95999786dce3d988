"""The numbers of HRV, each from one series of intervals and its timing errors: value, 90 % interval, quality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.core.results import Vital
from perfuse.signal.spectrum import power_spectrum

Floats = NDArray[np.float64]

LF_HZ = (0.04, 0.15)
HF_HZ = (0.15, 0.40)
"""Bands of the Task Force (1996), table 2."""

NOISE_SHARE = 0.6
"""Largest share of a variance that may be timing error."""

_Z90 = 1.645


@dataclass(frozen=True, slots=True)
class Measure:
    """What one HRV number needs.

    Attributes
    ----------
    unit : str
        UCUM.
    shortest_s : float
        Seconds of beats below which there is no value.
    source : str
        Where that length comes from.
    """

    unit: str
    shortest_s: float
    source: str


@dataclass(frozen=True, slots=True)
class Series:
    """Intervals in ms with everything the measures share."""

    ends_s: Floats
    lengths: Floats
    keep: NDArray[np.bool_]
    errors: Floats
    """Interval errors (ms) of D imagined recordings, (2, D, K): of the camera alone, and with the travel time."""
    site: float
    """``SITE_SHARE``, or 0 for beats that are known exactly."""
    span_s: float
    usable_s: float

    @property
    def lost(self) -> float:
        """Share of the time between the first and the last beat that no usable interval covers."""
        return max(0.0, 1 - self.usable_s / self.span_s)

    def pairs(self) -> NDArray[np.bool_]:
        """Where an interval and the next one are both usable, (K - 1,)."""
        return self.keep[1:] & self.keep[:-1]


def _vital(value: float, spread: float, unit: str, care: float, lost: float) -> Vital:
    """Wrap a value whose error has standard deviation ``spread``."""
    half = _Z90 * spread
    relative = half / max(value, 1e-9)
    quality = care * (1 - lost) * float(np.exp(-0.5 * (relative / 0.5) ** 2))
    return Vital(value, unit, max(value - half, 0.0), value + half, quality)


def _mean_rate(series: Series, measure: Measure, care: float) -> Vital:
    kept = series.lengths[series.keep]
    mean = float(kept.mean())
    # Timing errors cancel between neighbours; what remains is that the lost part may have had another rate.
    unseen = series.lost * float(kept.std(ddof=1))
    relative = np.hypot(unseen / mean, 0.001 + 0.02 * (1 - care))
    return _vital(6e4 / mean, 6e4 / mean * float(relative), measure.unit, care, series.lost)


def _variance_like(squared: Callable[[Series, Floats], Floats]) -> Callable[[Series, Measure, float], Vital]:
    """Make a measure that is the root of a variance: ``squared`` maps intervals (..., K) to it, (...)."""

    def compute(series: Series, measure: Measure, care: float) -> Vital:
        raw = float(squared(series, series.lengths))
        camera, travel = (squared(series, series.lengths + errors) for errors in series.errors)
        excess = float(camera.mean()) - raw
        if excess > NOISE_SHARE * raw:
            return Vital.none(measure.unit, _noisy(np.sqrt(excess), np.sqrt(raw), measure.unit))
        value = np.sqrt(max(raw - max(excess, 0.0), 0.0))
        doubt = np.hypot(travel.std(), 0.5 * (float(travel.mean()) - raw)) / max(2 * value, 1e-9)
        # A third of the intervals carries independent news: breathing and blood pressure waves tie neighbours.
        unseen = value * np.sqrt(series.lost * 1.5 / series.keep.sum())
        spread = float(np.sqrt(doubt**2 + unseen**2 + (series.site * value) ** 2))
        return _vital(float(value), spread, measure.unit, care, series.lost)

    return compute


def _noisy(error: float, raw: float, unit: str) -> str:
    return f"beats not reliable enough: timing errors alone would give {error:.0f} of the {raw:.0f} {unit} measured"


def _sdnn2(series: Series, lengths: Floats) -> Floats:
    return np.asarray(lengths[..., series.keep].var(axis=-1, ddof=1))


def _steps(series: Series, lengths: Floats) -> Floats:
    return np.asarray(np.diff(lengths, axis=-1)[..., series.pairs()])


def _rmssd2(series: Series, lengths: Floats) -> Floats:
    return np.asarray((_steps(series, lengths) ** 2).mean(axis=-1))


def _sd1_2(series: Series, lengths: Floats) -> Floats:
    return np.asarray(_steps(series, lengths).var(axis=-1, ddof=1) / 2)


def _sd2_2(series: Series, lengths: Floats) -> Floats:
    sums = (lengths[..., 1:] + lengths[..., :-1])[..., series.pairs()]
    return np.asarray(sums.var(axis=-1, ddof=1) / 2)


def _pnn50_of(series: Series, lengths: Floats) -> Floats:
    steps = _steps(series, lengths)
    # Over the number of intervals, one more than steps, as the Task Force defines it.
    return np.asarray(100 * (np.abs(steps) > 50).sum(axis=-1) / (steps.shape[-1] + 1))


def _pnn50(series: Series, measure: Measure, care: float) -> Vital:
    raw = float(_pnn50_of(series, series.lengths))
    camera, travel = (_pnn50_of(series, series.lengths + errors) for errors in series.errors)
    excess = float(camera.mean()) - raw
    if excess > 15:
        return Vital.none(measure.unit, f"beats not reliable enough: timing errors alone would add {excess:.0f} %")
    value = float(np.clip(raw - excess, 0, 100))
    doubt = np.hypot(travel.std(), 0.5 * (float(travel.mean()) - raw))
    unseen = np.sqrt(series.lost * max(value, 1) * (100 - min(value, 99)) / series.keep.sum())
    half = _Z90 * float(np.hypot(np.hypot(doubt, unseen), 0.5))
    quality = care * (1 - series.lost) * float(np.exp(-0.5 * (half / 20) ** 2))
    return Vital(value, measure.unit, max(value - half, 0.0), min(value + half, 100.0), quality)


def band_power(ends_s: Floats, lengths: Floats, band_hz: tuple[float, float]) -> Floats:
    """Power of a tachogram in a band, by cubic spline, 4 Hz grid and Welch's method.

    Parameters
    ----------
    ends_s : ndarray, (K,)
        Ascending times of the intervals.
    lengths : ndarray, (..., K)
        Intervals, ms.
    band_hz : tuple of float
        Low (included) and high (excluded).

    Returns
    -------
    ndarray, (...)
        ms2. Segments of at most 120 s, half overlapping, straight line removed, Hann window; one-sided density
        summed over the band, so that a sine of amplitude a inside the band has a**2 / 2.
    """
    from scipy.interpolate import CubicSpline

    rate_hz = 4.0
    grid = np.arange(ends_s[0], ends_s[-1], 1 / rate_hz)
    even = CubicSpline(ends_s, lengths, axis=-1)(grid)
    count = int(np.ceil((len(grid) / rate_hz - 120) / 60)) + 1 if len(grid) > 120 * rate_hz else 1
    size = min(len(grid), round(120 * rate_hz))
    total = np.zeros(even.shape[:-1])
    line = np.linspace(-1, 1, size)
    for start in np.linspace(0, len(grid) - size, count).round().astype(int):
        part = even[..., start : start + size]
        part = part - part.mean(axis=-1, keepdims=True)
        part = part - (part @ line / (line @ line))[..., None] * line
        freq_hz, power = power_spectrum(part, rate_hz)
        inside = (freq_hz >= band_hz[0]) & (freq_hz < band_hz[1])
        # power is a squared amplitude; a Hann window is 1.5 bins of 1 / duration wide (noise bandwidth).
        total += power[..., inside].sum(axis=-1) * freq_hz[1] / (2 * 1.5 * rate_hz / size)
    return np.asarray(total / count)


def _stretch(series: Series) -> NDArray[np.intp]:
    """Return the indices of usable intervals in the longest stretch without a hole of more than 4 s."""
    used = np.flatnonzero(series.keep)
    parts = np.split(used, np.flatnonzero(np.diff(series.ends_s[used]) > 4) + 1)
    return max(parts, key=lambda part: series.ends_s[part[-1]] - series.ends_s[part[0]])


def _band(band_hz: tuple[float, float]) -> Callable[[Series, Measure, float], Vital]:
    def compute(series: Series, measure: Measure, care: float) -> Vital:
        found = _band_draws(series, (band_hz,), measure.shortest_s)
        if isinstance(found, str):
            return Vital.none(measure.unit, found)
        value = float(found[0].mean())
        spread = float(np.hypot(found[0].std(), value * (series.lost + 2 * series.site)))
        return _vital(value, spread, measure.unit, care, series.lost)

    return compute


def _band_draws(series: Series, bands_hz: tuple[tuple[float, float], ...], shortest_s: float) -> list[Floats] | str:
    """Plausible band powers (draws, freed of the expected excess), or why there are none."""
    used = _stretch(series)
    ends = series.ends_s[used]
    if ends[-1] - ends[0] < shortest_s - 5:
        return f"beats not reliable enough: only {ends[-1] - ends[0]:.0f} s without a hole, needs {shortest_s:.0f} s"
    few = series.errors[:, ::4][:, :, used]
    answers = []
    for band_hz in bands_hz:
        rows = np.concatenate([series.lengths[None, used], *(series.lengths[used] + few)])
        power = band_power(ends, rows, band_hz)
        camera, travel = power[1:].reshape(2, -1)
        excess = max(float(camera.mean() - power[0]), 0.0)
        if excess > NOISE_SHARE * power[0]:
            return _noisy(excess, float(power[0]), "ms2")
        doubt = np.linspace(-0.85, 0.85, len(travel)) * (float(travel.mean()) - power[0])
        answers.append(np.maximum(power[0] - excess + travel - travel.mean() + doubt, 1e-9))
    return answers


def _lf_hf(series: Series, measure: Measure, care: float) -> Vital:
    found = _band_draws(series, (LF_HZ, HF_HZ), measure.shortest_s)
    if isinstance(found, str):
        return Vital.none(measure.unit, found)
    low, high = found
    ratio = np.log(low / high)
    value = float(low.mean() / high.mean())
    return _vital(
        value, value * float(np.hypot(ratio.std(), series.lost + 2 * series.site)), measure.unit, care, series.lost
    )


COMPUTE: dict[str, Callable[[Series, Measure, float], Vital]] = {
    "heart_rate_beats": _mean_rate,
    "rmssd": _variance_like(_rmssd2),
    "sd1": _variance_like(_sd1_2),
    "sdnn": _variance_like(_sdnn2),
    "sd2": _variance_like(_sd2_2),
    "pnn50": _pnn50,
    "hf": _band(HF_HZ),
    "lf": _band(LF_HZ),
    "lf_hf": _lf_hf,
}
