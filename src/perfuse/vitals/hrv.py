"""Heart-rate variability from beats of a camera pulse, with an interval, a quality, or the reason why there is none.

Strictly this is pulse-rate variability: the pulse's travel time from heart to skin varies from beat to beat, by about
5 ms (:data:`TRANSIT_S`), and camera beats carry timing errors on top. White timing errors of standard deviation j add
2 j**2 to SDNN**2 and 6 j**2 to RMSSD**2. The expected excess, from the timing error of each beat, is subtracted;
where it is most of what was measured there is no value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.core.results import Vital
from perfuse.signal.beats import Beats
from perfuse.signal.spectrum import power_spectrum

Floats = NDArray[np.float64]

LF_HZ = (0.04, 0.15)
HF_HZ = (0.15, 0.40)
"""Bands of the Task Force (1996), table 2."""

TRANSIT_S = 0.005
"""Beat-to-beat variation of the pulse's travel time: widens every interval, changes no value."""

SITE_SHARE = 0.02
"""How much (standard deviation, of the value) pulse intervals vary more or less than those of the heart: breathing
moves the travel time too (Schäfer & Vagedes, Int J Cardiol 2013). Twice that for powers. Widens, changes no value."""

USABLE_SHARE = 0.7
"""Least share of a recording's time that usable intervals must cover."""

NOISE_SHARE = 0.6
"""Largest share of a variance that may be timing error."""

_DRAWS = 200
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


_TASK_FORCE = "Task Force of ESC and NASPE, Heart rate variability, Eur Heart J 1996"
_SHAFFER = (
    "Shaffer & Ginsberg, An overview of HRV metrics and norms, Front Public Health 2017, ultra-short-term values"
)

MEASURES: dict[str, Measure] = {
    "heart_rate_beats": Measure("/min", 10, f"{_SHAFFER}: 10 s for the mean rate"),
    "rmssd": Measure("ms", 30, f"{_SHAFFER}: 30 s to 60 s"),
    "sd1": Measure("ms", 30, "as rmssd, from which it differs only by a factor (Ciccone et al., Muscle Nerve 2017)"),
    "sdnn": Measure("ms", 60, f"{_SHAFFER}: 60 s at least; slower variation is missed below 5 min"),
    "sd2": Measure("ms", 60, "as sdnn"),
    "pnn50": Measure("%", 60, f"{_SHAFFER}: 60 s"),
    "hf": Measure("ms2", 60, f"{_TASK_FORCE}: about 1 min, ten cycles of the lowest frequency"),
    "lf": Measure("ms2", 120, f"{_TASK_FORCE}: about 2 min"),
    "lf_hf": Measure("1", 120, "as lf"),
}
"""Every value of :func:`hrv` with its unit and the shortest recording it is given for."""


def hrv(beats: Beats) -> dict[str, Vital]:
    """Compute every measure of :data:`MEASURES`.

    Parameters
    ----------
    beats : Beats
        Of one recording. :meth:`perfuse.signal.beats.Beats.exact` wraps beats from an ECG or a chest strap.

    Returns
    -------
    dict of str to Vital
        Always with all keys of :data:`MEASURES`. The 90 % interval is that of the same quantity in error-free beats
        of this recording; it says nothing of other days or longer recordings.
    """
    ends_s, lengths_s, good = beats.intervals()
    keep = good & ~artefacts(lengths_s, good)
    span_s = float(beats.times_s[-1] - beats.times_s[0]) if len(beats) else 0.0
    usable_s = float(lengths_s[keep].sum())
    site = SITE_SHARE if beats.jitter_s.any() else 0.0
    series = _Series(ends_s, lengths_s * 1e3, keep, _draw_errors(beats), site, span_s, usable_s)
    care = float(np.minimum(beats.quality[1:], beats.quality[:-1])[keep].mean()) if keep.any() else 0.0
    answers: dict[str, Vital] = {}
    for name, measure in MEASURES.items():
        reason = _missing(series, measure)
        answers[name] = Vital.none(measure.unit, reason) if reason else _COMPUTE[name](series, measure.unit, care)
    return answers


def artefacts(lengths_s: Floats, good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark intervals that a missed, an extra or an ectopic beat must have made.

    An interval is an artefact if it lies outside 0.25 to 2 s, or farther from the median of the good intervals among
    the five before and the five after than 5.2 times their median deviation in the 41 around it (the distance that
    Lipponen and Tarvainen, J Med Eng Technol 2019, use), though never tolerated beyond 30 % and always within 12 %.

    Parameters
    ----------
    lengths_s : ndarray, (K,)
        Intervals in order.
    good : ndarray of bool, (K,)
        Which may be used as neighbours.

    Returns
    -------
    ndarray of bool, (K,)
    """
    trusted = np.where(good & (lengths_s >= 0.25) & (lengths_s <= 2.0), lengths_s, np.nan)
    if not np.isfinite(trusted).any():
        return np.ones(len(lengths_s), bool)
    near = _windows(trusted, 5)
    alone = np.isnan(near).all(axis=1)
    near[alone] = np.nanmedian(trusted)
    middle = np.nanmedian(near, axis=1)
    odd = np.abs(trusted - middle)
    wide = _windows(odd, 20)
    wide[np.isnan(wide).all(axis=1)] = 0.0
    limit = np.clip(5.2 * np.nanmedian(wide, axis=1), 0.12 * middle, 0.30 * middle)
    return np.asarray(~(odd <= limit))


def _windows(values: Floats, reach: int) -> Floats:
    """Every value with ``reach`` neighbours on both sides, nan beyond the ends: (K, 2 reach + 1)."""
    padded = np.pad(values, reach, constant_values=np.nan)
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).copy()


@dataclass(frozen=True, slots=True)
class _Series:
    """Intervals in ms with everything the measures share."""

    ends_s: Floats
    lengths: Floats
    keep: NDArray[np.bool_]
    errors: Floats
    """As :func:`_draw_errors` returns them."""
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


def _draw_errors(beats: Beats) -> Floats:
    """Interval errors (ms) of imagined recordings: of the camera alone, with travel time, fixed seed, (2, D, K)."""
    generator = np.random.default_rng(20_261_121)
    unit = generator.standard_normal((_DRAWS, len(beats)))
    camera = beats.jitter_s
    # Beats known exactly come from an electrode: no pulse has travelled, so no travel time varies.
    travel = np.hypot(camera, np.where(camera > 0, TRANSIT_S, 0.0))
    return np.diff(np.stack([unit * camera, unit * travel]), axis=-1) * 1e3


def _missing(series: _Series, measure: Measure) -> str:
    """Why the measure cannot be given, or an empty string."""
    # Two beats at the edges of a recording are always lost.
    if series.span_s < measure.shortest_s - 2.5 or series.keep.sum() < 5:
        return f"too short: {series.usable_s:.0f} s of usable beats, needs {measure.shortest_s:.0f} s"
    if series.lost > 1 - USABLE_SHARE:
        share = 100 * (1 - series.lost)
        return f"beats not reliable enough: only {share:.0f} % of the time usable, needs {100 * USABLE_SHARE:.0f} %"
    return ""


def _vital(value: float, spread: float, unit: str, care: float, lost: float) -> Vital:
    """Wrap a value whose error has standard deviation ``spread``."""
    half = _Z90 * spread
    relative = half / max(value, 1e-9)
    quality = care * (1 - lost) * float(np.exp(-0.5 * (relative / 0.5) ** 2))
    return Vital(value, unit, max(value - half, 0.0), value + half, quality)


def _mean_rate(series: _Series, unit: str, care: float) -> Vital:
    kept = series.lengths[series.keep]
    mean = float(kept.mean())
    # Timing errors cancel between neighbours; what remains is that the lost part may have had another rate.
    unseen = series.lost * float(kept.std(ddof=1))
    relative = np.hypot(unseen / mean, 0.001 + 0.02 * (1 - care))
    return _vital(6e4 / mean, 6e4 / mean * float(relative), unit, care, series.lost)


def _variance_like(squared: Callable[[_Series, Floats], Floats]) -> Callable[[_Series, str, float], Vital]:
    """Make a measure that is the root of a variance: ``squared`` maps intervals (..., K) to it, (...)."""

    def compute(series: _Series, unit: str, care: float) -> Vital:
        raw = float(squared(series, series.lengths))
        camera, travel = (squared(series, series.lengths + errors) for errors in series.errors)
        excess = float(camera.mean()) - raw
        if excess > NOISE_SHARE * raw:
            return Vital.none(unit, _noisy(np.sqrt(excess), np.sqrt(raw), unit))
        value = np.sqrt(max(raw - max(excess, 0.0), 0.0))
        doubt = np.hypot(travel.std(), 0.5 * (float(travel.mean()) - raw)) / max(2 * value, 1e-9)
        # A third of the intervals carries independent news: breathing and blood pressure waves tie neighbours.
        unseen = value * np.sqrt(series.lost * 1.5 / series.keep.sum())
        return _vital(
            float(value), float(np.sqrt(doubt**2 + unseen**2 + (series.site * value) ** 2)), unit, care, series.lost
        )

    return compute


def _noisy(error: float, raw: float, unit: str) -> str:
    return f"beats not reliable enough: timing errors alone would give {error:.0f} of the {raw:.0f} {unit} measured"


def _sdnn2(series: _Series, lengths: Floats) -> Floats:
    return np.asarray(lengths[..., series.keep].var(axis=-1, ddof=1))


def _steps(series: _Series, lengths: Floats) -> Floats:
    return np.asarray(np.diff(lengths, axis=-1)[..., series.pairs()])


def _rmssd2(series: _Series, lengths: Floats) -> Floats:
    return np.asarray((_steps(series, lengths) ** 2).mean(axis=-1))


def _sd1_2(series: _Series, lengths: Floats) -> Floats:
    return np.asarray(_steps(series, lengths).var(axis=-1, ddof=1) / 2)


def _sd2_2(series: _Series, lengths: Floats) -> Floats:
    sums = (lengths[..., 1:] + lengths[..., :-1])[..., series.pairs()]
    return np.asarray(sums.var(axis=-1, ddof=1) / 2)


def _pnn50_of(series: _Series, lengths: Floats) -> Floats:
    steps = _steps(series, lengths)
    # Over the number of intervals, one more than steps, as the Task Force defines it.
    return np.asarray(100 * (np.abs(steps) > 50).sum(axis=-1) / (steps.shape[-1] + 1))


def _pnn50(series: _Series, unit: str, care: float) -> Vital:
    raw = float(_pnn50_of(series, series.lengths))
    camera, travel = (_pnn50_of(series, series.lengths + errors) for errors in series.errors)
    excess = float(camera.mean()) - raw
    if excess > 15:
        return Vital.none(unit, f"beats not reliable enough: timing errors alone would add {excess:.0f} %")
    value = float(np.clip(raw - excess, 0, 100))
    doubt = np.hypot(travel.std(), 0.5 * (float(travel.mean()) - raw))
    unseen = np.sqrt(series.lost * max(value, 1) * (100 - min(value, 99)) / series.keep.sum())
    half = _Z90 * float(np.hypot(np.hypot(doubt, unseen), 0.5))
    quality = care * (1 - series.lost) * float(np.exp(-0.5 * (half / 20) ** 2))
    return Vital(value, unit, max(value - half, 0.0), min(value + half, 100.0), quality)


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


def _stretch(series: _Series) -> NDArray[np.intp]:
    """Return the indices of usable intervals in the longest stretch without a hole of more than 4 s."""
    used = np.flatnonzero(series.keep)
    parts = np.split(used, np.flatnonzero(np.diff(series.ends_s[used]) > 4) + 1)
    return max(parts, key=lambda part: series.ends_s[part[-1]] - series.ends_s[part[0]])


def _band(band_hz: tuple[float, float], name: str) -> Callable[[_Series, str, float], Vital]:
    def compute(series: _Series, unit: str, care: float) -> Vital:
        found = _band_draws(series, (band_hz,), MEASURES[name].shortest_s)
        if isinstance(found, str):
            return Vital.none(unit, found)
        value, spread = found[0].mean(), found[0].std()
        return _vital(
            float(value), float(np.hypot(spread, value * (series.lost + 2 * series.site))), unit, care, series.lost
        )

    return compute


def _band_draws(series: _Series, bands_hz: tuple[tuple[float, float], ...], shortest_s: float) -> list[Floats] | str:
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


def _lf_hf(series: _Series, unit: str, care: float) -> Vital:
    found = _band_draws(series, (LF_HZ, HF_HZ), MEASURES["lf_hf"].shortest_s)
    if isinstance(found, str):
        return Vital.none(unit, found)
    low, high = found
    ratio = np.log(low / high)
    value = float(low.mean() / high.mean())
    return _vital(value, value * float(np.hypot(ratio.std(), series.lost + 2 * series.site)), unit, care, series.lost)


_COMPUTE: dict[str, Callable[[_Series, str, float], Vital]] = {
    "heart_rate_beats": _mean_rate,
    "rmssd": _variance_like(_rmssd2),
    "sd1": _variance_like(_sd1_2),
    "sdnn": _variance_like(_sdnn2),
    "sd2": _variance_like(_sd2_2),
    "pnn50": _pnn50,
    "hf": _band(HF_HZ, "hf"),
    "lf": _band(LF_HZ, "lf"),
    "lf_hf": _lf_hf,
}
