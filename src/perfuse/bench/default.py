"""perfuse's own way of scoring: by time, each reference read by itself, nothing rounded to bins.

The reference never goes through the filters of the prediction, and a window counts only where the reference is sure.
A prediction is either what the pipeline says (value, 90 % interval, quality, or that it does not know) or the plain
spectral peak of a wave, which always answers, as published tables do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from perfuse.bench import reference as ref
from perfuse.bench.grids import MIN_VALID, Grid, even, onto, peak_rate_hz
from perfuse.bench.rows import Prediction, Row, finite
from perfuse.bench.waves import best_correlation, macc, periodogram, snr_db, warp
from perfuse.bench.windows import WHOLE, Cut, by_time, seconds
from perfuse.core.results import Point, Vital
from perfuse.data.recording import Signal
from perfuse.vitals.hrv import MEASURES
from perfuse.vitals.rate_posterior import WINDOW_S
from perfuse.vitals.respiration import WINDOW_S as BREATHING_WINDOW_S

Read = Literal["vital", "peak"]

WAVE_HZ, BREATHING_WAVE_HZ = 30.0, 8.0
"""Waves are compared on a grid no finer than this: eight times the highest frequency that is left in them."""
CUTS = (WHOLE, seconds(30))
SHARE_ANSWERED = 0.5
"""ASSUMED: a window whose points of the series are mostly without a value has none."""


def score(
    prediction: Prediction,
    signals: Mapping[str, Signal] | ref.References,
    *,
    span_s: tuple[float, float] | None = None,
    cuts: Sequence[Cut] = CUTS,
    read: Read = "vital",
    vitals: Sequence[str] = ("heart_rate", "respiratory_rate"),
    variability: bool = True,
    waves: bool = True,
) -> tuple[Row, ...]:
    """Score one recording.

    Parameters
    ----------
    prediction : Prediction
        What the method said.
    signals : mapping of str to Signal, or References
        The recording's references; pass :func:`perfuse.bench.reference.prepare` of them to score many methods.
    span_s : tuple of float or None
        First and last time of the video; None: of the predicted pulse (or respiration).
    cuts : sequence of Cut
        Windows.
    read : {'vital', 'peak'}
        What counts as the predicted rate: what the pipeline says, or the peak of its wave.
    vitals : sequence of str
        Which of ``heart_rate`` and ``respiratory_rate``.
    variability : bool
        Whether the whole recording's heart-rate variability is scored too, where the prediction has any.
    waves : bool
        Whether waves are compared (SNR, MACC, r, TDI); costs most of the time.

    Returns
    -------
    tuple of Row
        One for each vital, cut and window, whether or not there is a prediction or a reference.
    """
    known = signals if isinstance(signals, ref.References) else ref.prepare(signals)
    span = span_s or _span(prediction)
    if span is None:
        return ()
    rows: list[Row] = []
    for vital in vitals:
        rows.extend(_rates(vital, prediction, known, span, cuts, read, waves))
    if variability and prediction.hrv:
        rows.extend(_variability(prediction, known, span))
    return tuple(rows)


def _span(prediction: Prediction) -> tuple[float, float] | None:
    for wave in (prediction.pulse, prediction.respiration):
        if wave is not None and len(wave) > 1:
            return float(wave.times_s[0]), float(wave.times_s[-1])
    return None


def _rates(
    vital: str,
    prediction: Prediction,
    known: ref.References,
    span: tuple[float, float],
    cuts: Sequence[Cut],
    read: Read,
    waves: bool,
) -> Iterator[Row]:
    heart = vital == "heart_rate"
    band = ref.HEART_BAND_HZ if heart else ref.BREATHING_BAND_HZ
    raw = even(prediction.pulse if heart else prediction.respiration, summed=prediction.differenced)
    wave = None if raw is None else raw.filtered(band)
    contact = known.pulse if heart else known.breathing
    pair = _pair(wave, contact, span, band) if waves and wave is not None and contact is not None else None
    reading_of = ref.heart_rate if heart else ref.respiratory_rate
    for cut in cuts:
        for start, stop in by_time(cut, *span):
            reading = reading_of(known, start, stop)
            said = _peak(wave, start, stop, band) if read == "peak" else _said(prediction, heart, cut, start, stop)
            row = Row(
                vital, "/min", cut.name, start, stop, reading.value, said.value, said.low, said.high,
                said.quality if read == "vital" else None, said.reason, reading.reason, reading.source,
            )  # fmt: skip
            yield _compared(row, wave, pair, band) if waves and wave is not None else row


def _said(prediction: Prediction, heart: bool, cut: Cut, start_s: float, stop_s: float) -> Vital:
    """Return what the pipeline says of a window: its value for the recording, else the pool of its series."""
    whole = prediction.heart_rate if heart else prediction.respiratory_rate
    series = prediction.heart_rate_series if heart else prediction.respiratory_rate_series
    if cut.length_s is None:
        return whole or Vital.none("/min", "the method says no rate")
    half = (WINDOW_S if heart else BREATHING_WINDOW_S) / 2
    slack = max(1.0, 0.1 * half)
    inner = [p for p in series if start_s + half - slack <= p.time_s <= stop_s - half + slack]
    if not inner and whole is not None and whole.value is None:
        return whole
    return pooled(inner)


def pooled(points: Sequence[Point]) -> Vital:
    """Mean of the rates of a series, weighted by their quality.

    The interval is the mean of theirs: neighbouring points share most of what they saw, so it does not shrink. The
    quality is their mean times the share that answered.
    """
    answers = [
        (p.vital.value, p.vital.low, p.vital.high, p.vital.quality) for p in points if p.vital.value is not None
    ]
    if not points:
        return Vital.none("/min", "no rate over time lies in this window")
    if len(answers) < max(SHARE_ANSWERED * len(points), 1):
        reasons = [p.vital.reason for p in points if p.vital.reason]
        return Vital.none("/min", max(sorted(set(reasons)), key=reasons.count))
    value, low, high, quality = np.array(answers, np.float64).T
    weight = (quality + 1e-9) / (quality + 1e-9).sum()
    a, b = (float(weight @ side) if np.isfinite(side).all() else None for side in (low, high))
    sure = min(float(weight @ quality) * len(answers) / len(points), 1.0)
    return Vital(float(weight @ value), "/min", a, b, sure)


def _peak(wave: Grid | None, start_s: float, stop_s: float, band_hz: tuple[float, float]) -> Vital:
    if wave is None:
        return Vital.none("/min", "the method gives no wave")
    rate = peak_rate_hz(wave, start_s, stop_s, band_hz)
    return Vital.none("/min", rate) if isinstance(rate, str) else Vital(60 * rate, "/min")


def _pair(wave: Grid, contact: Grid, span: tuple[float, float], band_hz: tuple[float, float]) -> tuple[Grid, Grid]:
    """Put both waves onto one grid, over the span of the video."""
    rate = min(wave.rate_hz, WAVE_HZ if band_hz == ref.HEART_BAND_HZ else BREATHING_WAVE_HZ)
    count = int((span[1] - span[0]) * rate) + 1
    # both are limited to the band already; a camera of few frames cannot carry all of it
    x, y = (
        onto(g if band_hz[1] < 0.45 * rate else g.filtered((band_hz[0], 0.45 * rate)), span[0], rate, count)
        for g in (wave, contact)
    )
    return Grid(span[0], rate, *x), Grid(span[0], rate, *y)


def _compared(row: Row, wave: Grid, pair: tuple[Grid, Grid] | None, band_hz: tuple[float, float]) -> Row:
    """Add the figures of the waves that exist in a row's window."""
    start, stop = row.start_s, row.stop_s
    part = wave.samples[wave.part(start, stop)]
    # a contact wave that is not believed to show the rate is not a wave to compare with either
    if row.reference is None or wave.covered(start, stop) < MIN_VALID or len(part) < 8 or not np.ptp(part) > 0:
        return row
    row = replace(row, snr_db=finite(snr_db(*periodogram(part, wave.rate_hz), row.reference / 60, band_hz)))
    if pair is None or any(grid.covered(start, stop) < MIN_VALID for grid in pair):
        return row
    x, y = (grid.samples[grid.part(start, stop)] for grid in pair)
    rate = pair[0].rate_hz
    reach, band = (0.5, 0.27) if band_hz == ref.HEART_BAND_HZ else (2.0, 1.0)
    r, lag = best_correlation(x, y, rate, reach)
    tdi = warp(x, y, rate, band).tdi
    return replace(row, macc=finite(macc(x, y)), r=finite(r), lag_s=finite(lag), tdi=finite(tdi))


def _variability(prediction: Prediction, known: ref.References, span: tuple[float, float]) -> Iterator[Row]:
    truth = ref.variability(known)
    for name, said in prediction.hrv.items():
        true = truth.get(name)
        why = "there are no reference beats" if true is None else true.reason
        value = None if true is None else true.value
        unit = MEASURES[name].unit if name in MEASURES else said.unit
        yield Row(
            name, unit, WHOLE.name, *span, value, said.value, said.low, said.high, said.quality, said.reason,
            None if value is not None else why, "beats" if value is not None else None,
        )  # fmt: skip
