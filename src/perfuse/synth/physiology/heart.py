"""Heart: when it beats, and the wave of blood volume each beat sends to face, finger and ear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perfuse.core.errors import UsageError
from perfuse.synth.fields import F64
from perfuse.synth.physiology.lungs import Breathing, within
from perfuse.synth.physiology.rhythm import NEWBORN_Y, RHYTHMS, SLOW_HZ, place_beats
from perfuse.synth.physiology.vessels import Tone, draw_tones
from perfuse.synth.physiology.wave import NEWBORN_S, USUAL_S, Pulses, draw_shape, jitter, make_pulses

FINE_HZ = 125.0
"""Samples per second of the stored wave of the face; cubic interpolation between them is exact to 0.1 %."""

MARGIN_S = 4.0
"""The stored wave of the face runs this long before and after the recording."""

FACE_LOWPASS_HZ = (3.0, 5.0)
"""The wave on the face is an ear's wave through a first-order low-pass with a corner in this range: on the one face
recorded beside a sensor the second harmonic is that of a corner of 3.3 Hz, the third of 4.9 Hz. It hardly moves the
phases of harmonics against each other."""


@dataclass(frozen=True, slots=True, eq=False)
class Heart:
    """Beats placed in time, and the waves they make.

    Attributes
    ----------
    beats_s : ndarray, float64, (N,)
        Foot of every pulse wave on the face (where the tangent of the steepest rise meets the minimum before it),
        from before the first to after the last moment of the recording.
    r_peaks_s : ndarray, float64, (N,)
        R peak of the electrocardiogram before each foot: 150 to 250 ms earlier.
    strengths : ndarray, float64, (N,)
        Height of each pulse relative to a usual one, without breathing and vessel tone.
    start_s : float
        Time of the first sample of ``wave``.
    wave : ndarray, float64
        Blood volume in the face at :data:`FINE_HZ`: mean 0, percentile 97 minus 3 about 1, rising with volume.
    tones : dict of str to Tone
        Vessels of ``face``, ``finger`` and ``ear`` at ``SLOW_HZ``, from ``slow_start_s`` on.
    slow_start_s : float
        Time of their first sample.
    pulses : dict of str to Pulses
        Pulses of ``finger`` and ``ear``.
    """

    beats_s: F64
    r_peaks_s: F64
    strengths: F64
    start_s: float
    wave: F64
    tones: dict[str, Tone]
    slow_start_s: float
    pulses: dict[str, Pulses]

    @property
    def inter_beat_intervals(self) -> F64:
        """Seconds between feet, (N - 1,)."""
        return np.diff(self.beats_s)

    def at(self, time_s: F64) -> F64:
        """Pulse wave of the face at any times within the recording."""
        return _cubic(self.wave, (np.asarray(time_s, np.float64) - self.start_s) * FINE_HZ)

    def slow_at(self, time_s: F64) -> F64:
        """Slow blood volume of the face (vessel tone and breathing), in units of the pulse's height."""
        return self._slow(self.tones["face"].volume, np.asarray(time_s, np.float64))

    def contact_at(self, time_s: F64, site: str = "finger") -> F64:
        """Wave that a contact sensor sees if the pulse came there when it comes to the face, baseline included.

        Parameters
        ----------
        time_s : ndarray
            Any times within the recording.
        site : str
            ``finger`` or ``ear``.

        Raises
        ------
        UsageError
            If there is no such site.
        """
        if site not in self.pulses:
            raise UsageError(f"There is no contact site called {site!r}.", f"Available: {', '.join(self.pulses)}.")
        time = np.asarray(time_s, np.float64)
        tone = self.tones[site]
        fine = self.pulses[site].wave(self.start_s, len(self.wave), FINE_HZ)
        pulse = _cubic(fine, (time - self.start_s) * FINE_HZ) * np.exp(self._slow(tone.height, time))
        return np.asarray(pulse + self._slow(tone.volume, time))

    def _slow(self, series: F64, time_s: F64) -> F64:
        """Value of a slow series at any times."""
        return np.interp(time_s, self.slow_start_s + np.arange(len(series)) / SLOW_HZ, series)


def beat(
    rng: np.random.Generator,
    per_minute: float,
    lungs: Breathing,
    duration_s: float,
    *,
    age_y: float = 40.0,
    sdnn_scale: float = 1.0,
    rhythm: str = "regular",
    recovery: float = 0.0,
) -> Heart:
    """Place beats at a mean rate over 0 .. ``duration_s`` and draw their waves.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    per_minute : float
        Beats per minute over the recording, 35 to 230, met exactly. Early beats count, dropped ones do not.
    lungs : Breathing
        Covers the recording and some seconds on both sides.
    duration_s : float
        Length of the recording, 1 or above.
    age_y : float
        Age in years, 0 to 120: shape of the pulse and variability; below 0.1 a newborn, whose intervals spread by
        10 to 30 ms at any rate.
    sdnn_scale : float
        Factor on all variability of the rate, 0 to 4.
    rhythm : str
        One of :data:`RHYTHMS`: ``regular``; ``ectopic``, 0.5 to 6 early beats a minute; ``fibrillation``, intervals
        without order (variation 0.18 to 0.28) and heights that follow the interval before; ``bigeminy``, every second
        beat early; ``dropout``, every third to seventh beat missing (second-degree block).
    recovery : float
        Extra rate per minute at time 0 after exercise, 0 to 150, which fades with 40 to 120 s; pulses grow by a third
        meanwhile. Less where the rate would have to start above 235 or end below 30 for its mean to be met.

    Raises
    ------
    UsageError
        If a value lies outside its range or there is no such rhythm.
    """
    within("per_minute", per_minute, 35.0, 230.0)
    within("duration_s", duration_s, 1.0, 1e6)
    within("age_y", age_y, 0.0, 120.0)
    within("sdnn_scale", sdnn_scale, 0.0, 4.0)
    within("recovery", recovery, 0.0, 150.0)
    if rhythm not in RHYTHMS:
        raise UsageError(f"There is no rhythm called {rhythm!r}.", f"Available: {', '.join(RHYTHMS)}.")
    rhythm_rng, vessel_rng, shape_rng = (np.random.default_rng(key) for key in rng.integers(2**63, size=3))
    beats = place_beats(rhythm_rng, per_minute, lungs, duration_s, age_y, sdnn_scale, rhythm, recovery)
    tones = draw_tones(vessel_rng, beats, lungs, age_y)
    corner = float(shape_rng.uniform(*FACE_LOWPASS_HZ))
    shapes = {site: draw_shape(shape_rng, site, age_y) for site in ("ear", "finger")}
    usual = NEWBORN_S if age_y < NEWBORN_Y else USUAL_S
    factors = jitter(shape_rng, len(beats.feet_s))
    pulses = {
        site: make_pulses(shape, usual, beats.feet_s, beats.strengths, factors, duration_s)
        for site, shape in shapes.items()
    }
    margin = min(MARGIN_S, -lungs.start_s)
    face = make_pulses(shapes["ear"], usual, beats.feet_s, beats.strengths, factors, duration_s, corner)
    time = np.arange(-margin, duration_s + margin, 1.0 / FINE_HZ)
    wave = face.wave(-margin, len(time), FINE_HZ)
    slow_start = float(beats.time_s[0])
    wave *= np.exp(np.interp(time, beats.time_s, tones["face"].height))
    wave -= wave[(time >= 0.0) & (time <= duration_s)].mean()
    return Heart(beats.feet_s, beats.r_peaks_s, beats.strengths, -margin, wave, tones, slow_start, pulses)


def _cubic(series: F64, place: F64) -> F64:
    """Catmull-Rom interpolation at fractional indices; the ends continue as they are."""
    place = np.clip(place, 1.0, len(series) - 2.001)
    cell = place.astype(np.int64)
    t = place - cell
    a, b, c, d = (series[cell + hop] for hop in (-1, 0, 1, 2))
    return np.asarray(b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a))))
