"""What a measurement says: vitals with interval, quality or reason; series; waveforms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from perfuse.core.signals import Waveform

SCHEMA = "perfuse.measurement/1"


@dataclass(frozen=True, slots=True)
class Vital:
    """One number with everything needed to believe it, or ``None`` with the reason.

    Attributes
    ----------
    value : float or None
        In ``unit``; None exactly when ``reason`` is given.
    unit : str
        UCUM: ``/min``, ``ms``, ``ms2``, ``%``, ``1``.
    low, high : float or None
        90 % interval.
    quality : float
        0 (worthless) to 1: the estimated probability that the value is right; 0 where there is no value.
    reason : str or None
        Why there is no value, in words for the user.
    """

    value: float | None
    unit: str
    low: float | None = None
    high: float | None = None
    quality: float = 0.0
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a vital has either a value or a reason why there is none")

    @staticmethod
    def none(unit: str, reason: str) -> Vital:
        """Return a vital without a value."""
        return Vital(None, unit, reason=reason)


@dataclass(frozen=True, slots=True)
class Point:
    """A vital at a time: ``time_s`` is the centre of its window, on the recording's own clock."""

    time_s: float
    vital: Vital


@dataclass(frozen=True, slots=True)
class FaceEvent:
    """A face was found or lost."""

    time_s: float
    kind: Literal["found", "lost"]


@dataclass(frozen=True, slots=True)
class Face:
    """Everything measured on one face (or on one trace, which counts as face 0).

    Attributes
    ----------
    id : int
        Identity through the recording, from 0 in order of appearance.
    heart_rate, respiratory_rate : Vital
        Over the whole recording, ``/min``.
    hrv : dict of str to Vital
        ``sdnn``, ``rmssd``, ``pnn50``, ``sd1``, ``sd2``, ``lf``, ``hf``, ``lf_hf``, and ``heart_rate_beats``
        (the rate from the mean beat interval).
    heart_rate_series, respiratory_rate_series : tuple of Point
        Rates over time.
    pulse, respiration : Waveform or None
        Waves on the recording's grid.
    beats_s : tuple of float
        Times of the detected beats on the recording's clock.
    events : tuple of FaceEvent
        When the face was found and lost.
    respiration_sources : tuple of str
        Where a network wrote breathing that was used: its name, and what else its rate and wave were read from
        (``intervals``, ``heights`` and ``level`` of the beats, ``motion`` of the head, ``chest``). Empty where no
        network did: breathing is read from those others then.
    """

    id: int
    heart_rate: Vital
    respiratory_rate: Vital
    hrv: dict[str, Vital] = field(default_factory=dict)
    heart_rate_series: tuple[Point, ...] = ()
    respiratory_rate_series: tuple[Point, ...] = ()
    pulse: Waveform | None = None
    respiration: Waveform | None = None
    beats_s: tuple[float, ...] = ()
    events: tuple[FaceEvent, ...] = ()
    respiration_sources: tuple[str, ...] = ()

    @property
    def attention(self) -> NDArray[np.float64] | None:
        """Where the network looked, (rows, cols) of its view, 0 or more, sum 1; None for a method that does not tell.

        The mean over all windows since the face was first seen, also those that a session with a shorter
        ``history_s`` has forgotten. Row 0 is above the forehead, column 0 at the left of the picture.
        """
        told = None if self.pulse is None else self.pulse.attention
        return None if told is None else told.mean()


@dataclass(frozen=True, slots=True)
class Measurement:
    """The answer to one recording.

    Attributes
    ----------
    source : dict
        What was measured: ``name`` (file name or description), ``kind`` (video, trace, frames, camera) and what the
        container says (``width``, ``height``, ``frames``, ``codec``, ``pixel_format``, ``rate_hz`` measured from
        the timestamps, ``rotation``); only what is known.
    method : str
        Registry name of the method.
    duration_s : float
        Last timestamp minus first.
    start_s : float
        Container time of the first frame: grid sample ``k`` lies at ``start_s + k / rate_hz``.
    faces : tuple of Face
        In order of appearance; empty when no face was seen.
    warnings : tuple of str
        What the user should know about the recording.
    model_sha256 : str or None
        Of the network that gave it: its weights may change while its name stays. None for methods that are none.
    """

    source: dict[str, str | int | float]
    method: str
    duration_s: float
    start_s: float
    faces: tuple[Face, ...]
    warnings: tuple[str, ...] = ()
    model_sha256: str | None = None

    @property
    def heart_rate(self) -> Vital:
        """Heart rate of the first face, or no value with the reason."""
        return self.faces[0].heart_rate if self.faces else Vital.none("/min", NO_FACE)

    @property
    def respiratory_rate(self) -> Vital:
        """Respiratory rate of the first face, or no value with the reason."""
        return self.faces[0].respiratory_rate if self.faces else Vital.none("/min", NO_FACE)


NO_FACE = "no face was found"
