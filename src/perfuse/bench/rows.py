"""What goes into a scorer and what comes out of it: a prediction, and one flat row per window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from perfuse.core.results import Face, Point, Vital
from perfuse.core.signals import Waveform
from perfuse.data.recording import Signal

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a method says of one recording, on the recording's clock. Everything is optional.

    Attributes
    ----------
    pulse, respiration : Signal or None
        Waves; NaN where nothing was measured.
    heart_rate, respiratory_rate : Vital or None
        Over the whole recording.
    heart_rate_series, respiratory_rate_series : tuple of Point
        Rates over time, at the centres of their windows.
    hrv : mapping of str to Vital
        Keys as in :data:`perfuse.vitals.hrv.MEASURES`.
    differenced : bool
        True where the waves are differences from sample to sample, as networks trained on such labels give them.
    """

    pulse: Signal | None = None
    respiration: Signal | None = None
    heart_rate: Vital | None = None
    respiratory_rate: Vital | None = None
    heart_rate_series: tuple[Point, ...] = ()
    respiratory_rate_series: tuple[Point, ...] = ()
    hrv: Mapping[str, Vital] = field(default_factory=dict)
    differenced: bool = False

    @staticmethod
    def of_face(face: Face, start_s: float) -> Prediction:
        """Return what perfuse measured on one face; ``start_s`` is that of its :class:`Measurement`."""
        return Prediction(
            _signal(face.pulse, start_s),
            _signal(face.respiration, start_s),
            face.heart_rate,
            face.respiratory_rate,
            face.heart_rate_series,
            face.respiratory_rate_series,
            face.hrv,
        )


def _signal(wave: Waveform | None, start_s: float) -> Signal | None:
    if wave is None or not len(wave):
        return None
    times = start_s + (wave.start + np.arange(len(wave))) / wave.rate_hz
    return Signal(times, np.where(wave.valid, wave.samples, np.nan))


@dataclass(frozen=True, slots=True)
class Row:
    """One number of one window against its reference. Plain values only: a line of a table.

    Attributes
    ----------
    vital : str
        ``heart_rate``, ``respiratory_rate``, or a key of :data:`perfuse.vitals.hrv.MEASURES`.
    unit : str
        UCUM, of reference, prediction, low and high.
    window : str
        Name of the cut: ``whole``, ``30 s``.
    start_s, stop_s : float
        On the recording's clock.
    reference : float or None
        None with a ``reference_reason``.
    prediction : float or None
        None with a ``reason``.
    low, high : float or None
        The prediction's 90 % interval, where it states one.
    quality : float or None
        0..1, where it states one.
    reason : str or None
        Why there is no prediction.
    reference_reason : str or None
        Why there is no reference.
    source : str or None
        What the reference was read from: ``beats``, ``ecg``, ``pulse``, ``heart_rate``, ``respiration``,
        ``respiratory_rate``, or the label wave of a published scorer.
    snr_db, macc, r, lag_s, tdi : float or None
        Of the waves: :mod:`perfuse.bench.waves`. ``r`` is signed, at the lag ``lag_s`` (positive: prediction later).
    note : str or None
        What is odd about the numbers.
    """

    vital: str
    unit: str
    window: str
    start_s: float
    stop_s: float
    reference: float | None = None
    prediction: float | None = None
    low: float | None = None
    high: float | None = None
    quality: float | None = None
    reason: str | None = None
    reference_reason: str | None = None
    source: str | None = None
    snr_db: float | None = None
    macc: float | None = None
    r: float | None = None
    lag_s: float | None = None
    tdi: float | None = None
    note: str | None = None

    @property
    def error(self) -> float | None:
        """Prediction minus reference, or None."""
        if self.prediction is None or self.reference is None:
            return None
        return self.prediction - self.reference


def finite(value: float) -> float | None:
    """Return a plain float, or None for what is no number."""
    return float(value) if np.isfinite(value) else None
