"""Heart-rate variability from beats of a camera pulse, with an interval, a quality, or the reason why there is none.

Strictly this is pulse-rate variability: the pulse's travel time from heart to skin varies from beat to beat, by about
5 ms (:data:`TRANSIT_S`), and camera beats carry timing errors on top. White timing errors of standard deviation j add
2 j**2 to SDNN**2 and 6 j**2 to RMSSD**2. The expected excess, from the timing error of each beat, is subtracted;
where it is most of what was measured there is no value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfuse.core.results import Vital
from perfuse.signal.beats import Beats
from perfuse.vitals.hrv_numbers import COMPUTE, Measure, Series

Floats = NDArray[np.float64]

TRANSIT_S = 0.005
"""Beat-to-beat variation of the pulse's travel time: widens every interval, changes no value."""

SITE_SHARE = 0.02
"""How much (standard deviation, of the value) pulse intervals vary more or less than those of the heart: breathing
moves the travel time too (Schäfer & Vagedes, Int J Cardiol 2013). Twice that for powers. Widens, changes no value."""

USABLE_SHARE = 0.7
"""Least share of a recording's time that usable intervals must cover."""

_DRAWS = 200
"""Imagined recordings that the intervals are read from."""

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
    series = Series(ends_s, lengths_s * 1e3, keep, _draw_errors(beats), site, span_s, usable_s)
    care = float(np.minimum(beats.quality[1:], beats.quality[:-1])[keep].mean()) if keep.any() else 0.0
    answers: dict[str, Vital] = {}
    for name, measure in MEASURES.items():
        reason = _missing(series, measure)
        answers[name] = Vital.none(measure.unit, reason) if reason else COMPUTE[name](series, measure, care)
    return answers


def artefacts(lengths_s: Floats, good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark intervals that a missed, an extra or an ectopic beat must have made.

    An interval is an artefact if it lies outside 0.25 to 2 s, or farther from the median of the good intervals among
    the five before and the five after than 5.2 times their median deviation in the 41 around it (the factor that
    Lipponen and Tarvainen, J Med Eng Technol 2019, use), though always tolerated within 12 % and never beyond 35 %.

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
    limit = np.clip(5.2 * np.nanmedian(wide, axis=1), 0.12 * middle, 0.35 * middle)
    return np.asarray(~(odd <= limit))


def _windows(values: Floats, reach: int) -> Floats:
    """Every value with ``reach`` neighbours on both sides, nan beyond the ends: (K, 2 reach + 1)."""
    padded = np.pad(values, reach, constant_values=np.nan)
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).copy()


def _draw_errors(beats: Beats) -> Floats:
    """Interval errors (ms) of imagined recordings: of the camera alone, with travel time, fixed seed, (2, D, K)."""
    generator = np.random.default_rng(20_261_121)
    unit = generator.standard_normal((_DRAWS, len(beats)))
    camera = beats.jitter_s
    # Beats known exactly come from an electrode: no pulse has travelled, so no travel time varies.
    travel = np.hypot(camera, np.where(camera > 0, TRANSIT_S, 0.0))
    return np.diff(np.stack([unit * camera, unit * travel]), axis=-1) * 1e3


def _missing(series: Series, measure: Measure) -> str:
    """Why the measure cannot be given, or an empty string."""
    # Two beats at the edges of a recording are always lost.
    if series.span_s < measure.shortest_s - 2.5 or series.keep.sum() < 5:
        return f"too short: {series.usable_s:.0f} s of usable beats, needs {measure.shortest_s:.0f} s"
    if series.lost > 1 - USABLE_SHARE:
        share = 100 * (1 - series.lost)
        return f"beats not reliable enough: only {share:.0f} % of the time usable, needs {100 * USABLE_SHARE:.0f} %"
    return ""
