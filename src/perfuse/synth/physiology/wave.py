"""Wave: the shape a beat gives to the volume of blood in finger, ear and face.

A pulse is a sum of four Gaussians (systolic, late systolic, diastolic, run-off) that begins at the foot of the beat.
Pulses are added up, so that the tail of one runs into the next and early beats ride on it. That is what an amplifier
that lets only change through makes of a pulse; :func:`volume` gives the blood behind it, which a camera sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from perfuse.synth.fields import F64
from perfuse.synth.physiology.lungs import memory
from perfuse.synth.physiology.rhythm import NEWBORN_Y

USUAL_S, NEWBORN_S = 0.85, 0.43
"""Beat interval at which the shapes below hold."""

SHAPES = {
    "finger": np.array([[0.58, 0.105, 0.057], [0.87, 0.211, 0.089], [0.46, 0.459, 0.116], [0.21, 0.76, 0.21]]),
    "ear": np.array([[0.43, 0.104, 0.060], [0.93, 0.216, 0.092], [0.50, 0.445, 0.138], [0.23, 0.80, 0.20]]),
}
"""Height, centre and width (in intervals) of four Gaussians, foot at 0: medians of fits to 15 recordings of adults,
as their sensor shows them (:data:`SENSOR_HZ`).
Three leave twice the error (0.010 against 0.005 of the height): they miss the slow fall that ends in a sharp foot.
The ear's diastolic wave is a tenth higher than that: people drawn from it then have the recorded second harmonic."""

SENSOR_HZ, SLOWEST_HZ = 0.9, 0.3
"""Corner of the first-order high-pass in the sensor whose waves :data:`SHAPES` were fitted to, and how far down
:func:`volume` undoes it: what is slower than any heart, vessels and breathing do (ASSUMED).

Cameras under a finger have no such filter: of 24 people the second harmonic is 0.46 of the first and 104 degrees
ahead of twice its phase, the third 0.30 and 177 behind, and a beat is above half its height for 0.55 of the interval.
That sensor shows fingers with 0.52, 51 degrees, 0.31, 67 degrees ahead and 0.25. With this corner simulated fingers
are as cameras see them (``docs/results/physiology.md``); recorded ones come closest with 1.1 Hz, in five harmonics at
once. The contact sensor and the face of the one recording that has both are like the cameras too."""

NEWBORN = np.array([[0.35, 0.20, 0.10], [0.75, 0.36, 0.145], [0.25, 0.56, 0.17], [0.10, 0.80, 0.20]])
"""Newborns: almost a sine (ASSUMED)."""

OLD_TAIL = np.array([0.30, 0.55, 0.25])
"""The last Gaussian above 65 years: a smooth fall where the young have a wave (ASSUMED)."""

PEOPLE = np.array([[0.20, 0.03, 0.05], [0.12, 0.03, 0.06], [0.20, 0.03, 0.10], [0.35, 0.04, 0.05]])
"""Logarithmic spread over people of each number above, beside what they share:"""

TIMING = np.array([[0.0, 0.05, 0.05], [0.0, 0.06, 0.05], [0.0, 0.05, 0.0], [0.0, 0.03, 0.0]])
DIASTOLE = np.array([[-0.10, 0.0, 0.0], [0.08, 0.0, 0.0], [0.22, 0.0, 0.12], [0.22, 0.0, 0.05]])
"""Spreads by one slowness of systole and one strength of the diastolic wave for all numbers of a person."""

BEATS = np.array([[0.06, 0.012, 0.05], [0.05, 0.012, 0.05], [0.10, 0.012, 0.06], [0.14, 0.015, 0.06]])
"""Logarithmic spread over beats: 3 to 5 % by common opinion, a little more here because recorded beats differ more.
Centres vary less: more would add jitter to the times of the maxima that recordings do not show."""

AT_REST, FAST = 0.1, 0.5
"""How far systole keeps its length when beats get shorter: powers of the interval, 0 where it keeps its share.
At rest the share hardly changes: in 16 recordings of four people, 55 to 81 /min, the second harmonic is as strong at
any rate (``benchmarks/physiology.py``). In beats of less than :data:`REST_S` it is taken to follow the square root of
the interval, after Bazett (ASSUMED)."""
REST_S = 0.7

NEAR = ((-2, (3,)), (-1, (2, 3)), (0, (0, 1, 2, 3)), (1, (0, 1, 2)))
"""Which Gaussians of which beats can be felt within a beat: 4 widths, with room for early beats."""


@dataclass(frozen=True, slots=True, eq=False)
class Pulses:
    """Pulses of one place: four Gaussians for each beat (N, 4), in s, and how the sum becomes a wave of unit height.

    Attributes
    ----------
    feet_s : ndarray, (N,)
        Feet of the beats.
    height, centre_s, width_s : ndarray, (N, 4)
        Of each Gaussian; centres are times, not distances from the foot.
    foot_s : float
        How much later than its beat the foot of the summed wave would be.
    unit, level : float
        Percentile 97 minus 3 of the volume of an average pulse, and the mean of the sum.
    low_pass_hz : float or None
        Corner of a first-order low-pass on the way.
    """

    feet_s: F64
    height: F64
    centre_s: F64
    width_s: F64
    foot_s: float
    unit: float
    level: float
    low_pass_hz: float | None

    def wave(self, start_s: float, count: int, rate_hz: float) -> F64:
        """Wave (``count``,) of mean 0 and unit height, feet on the beats; see :func:`volume` for its ends."""
        time = start_s + np.arange(count) / rate_hz
        return volume(self.sum_at(time + self.foot_s) - self.level, rate_hz, self.low_pass_hz) / self.unit

    def sum_at(self, time_s: F64) -> F64:
        """Sum of all pulses."""
        last = len(self.feet_s) - 1
        beat = np.searchsorted(self.feet_s, time_s, side="right") - 1
        out = np.zeros_like(time_s)
        inverse = math.sqrt(0.5) / self.width_s
        for hop, parts in NEAR:
            near = np.clip(beat + hop, 0, last)
            for part in parts:
                away = (time_s - self.centre_s[:, part][near]) * inverse[:, part][near]
                out += self.height[:, part][near] * np.exp(-away * away)
        return out


def jitter(rng: np.random.Generator, count: int) -> F64:
    """Factors (``count``, 4, 3) of height, centre and width of each beat's Gaussians, AR(0.8)."""
    return np.asarray(np.exp(BEATS * memory(rng, (count, 4, 3), 0.8)))


def draw_shape(rng: np.random.Generator, site: str, age_y: float) -> F64:
    """Shape (4, 3) of one person's pulse at ``finger`` or ``ear``, in intervals of :data:`USUAL_S`.

    The young have a diastolic wave of its own; with age arteries stiffen, reflections come back earlier, the late
    systolic wave merges with the first, the diastolic wave fades and the rise slows (after Allen and Murray 2003;
    sizes ASSUMED).
    """
    slow, late = np.clip(rng.standard_normal(2), -2.0, 2.0)
    factor = np.exp(PEOPLE * np.clip(rng.standard_normal((4, 3)), -2.0, 2.0) + TIMING * slow + DIASTOLE * late)
    if age_y < NEWBORN_Y:
        return np.asarray(NEWBORN * np.sqrt(factor))
    old = min(max((age_y - 25.0) / 40.0, 0.0), 1.0)
    old = old * old * (3.0 - 2.0 * old)
    shape = SHAPES[site].copy()
    shape[3] += old * (OLD_TAIL - shape[3])
    shape *= factor
    shape[:2, 1:] *= 1.0 + old * np.array([[0.30, 0.30], [0.0, 0.40]])
    merged = shape[0, 1] + 0.06
    shape[1, 1] += old * (merged - shape[1, 1])
    shape[2, 0] += old * min(0.1 - shape[2, 0], 0.0)
    return shape


def make_pulses(
    shape: F64,
    usual_s: float,
    feet_s: F64,
    strengths: F64,
    factors: F64,
    duration_s: float,
    low_pass_hz: float | None = None,
) -> Pulses:
    """Give every beat its Gaussians.

    Centres and widths of the first two follow the interval less than in proportion, see :data:`AT_REST`; diastole
    follows it and fades where it gets short. A beat does not know when the next will come, so the interval is the
    usual one around it, and its own only within -20 and +30 %.

    Parameters
    ----------
    shape : ndarray, (4, 3)
        Height, centre and width in intervals of ``usual_s``.
    usual_s : float
        Interval at which ``shape`` holds.
    feet_s, strengths : ndarray, (N,)
        Beats.
    factors : ndarray, (N, 4, 3)
        From :func:`jitter`.
    duration_s : float
        Length of the recording, for the mean.
    low_pass_hz : float, optional
        Corner of a first-order low-pass between these pulses and what is seen.
    """
    own = np.diff(feet_s)
    own = np.append(own, own[-1])
    around = np.convolve(np.pad(own, 2, mode="edge"), np.full(5, 0.2), "valid")
    diastole = around * np.clip(own / around, 0.8, 1.3)
    scale, fade = _stretch(around, diastole, usual_s)
    parts = shape * factors
    height = parts[:, :, 0] * fade * strengths[:, None]
    centre = feet_s[:, None] + parts[:, :, 1] * scale
    width = parts[:, :, 2] * scale
    foot, unit = _measure(shape, usual_s, float(np.mean(own)), low_pass_hz)
    inside = np.flatnonzero((feet_s >= 0.0) & (feet_s <= duration_s))
    if len(inside) < 2:
        inside = np.arange(len(feet_s))
    area = math.sqrt(2.0 * math.pi) * (height * width)[inside[:-1]].sum()
    level = float(area / (feet_s[inside[-1]] - feet_s[inside[0]]))
    return Pulses(feet_s, height, centre, width, foot, unit, level, low_pass_hz)


def volume(series: F64, rate_hz: float, low_pass_hz: float | None = None) -> F64:
    """Blood volume behind a wave that went through a sensor's high-pass (:data:`SENSOR_HZ`).

    The ends are tied together, so leave out some seconds at the start; ``low_pass_hz`` is the corner of a first-order
    low-pass that follows.
    """
    freq = np.fft.rfftfreq(len(series), 1.0 / rate_hz)[1:]
    passed = (1.0 - 1j * SENSOR_HZ / freq) / (1.0 + (SLOWEST_HZ / freq) ** 4)
    if low_pass_hz is not None:
        passed /= 1.0 + 1j * freq / low_pass_hz
    return np.asarray(np.fft.irfft(np.append(0.0, np.fft.rfft(series)[1:] * passed), len(series)))


def _stretch(around_s: F64, diastole_s: F64, usual_s: float) -> tuple[F64, F64]:
    """Seconds that one unit of centre and width lasts, and factors of height, for beats of some length (N, 4)."""
    scale, fade = np.empty((len(around_s), 4)), np.ones((len(around_s), 4))
    scale[:, :2] = (around_s * _share(around_s) / _share(np.array([usual_s])))[:, None]
    scale[:, 2:] = (diastole_s * np.clip(usual_s / diastole_s, 0.4, 1.0) ** 0.25)[:, None]
    fade[:, 2:] = np.minimum(around_s / usual_s, 1.0)[:, None]
    return scale, fade


def _share(interval_s: F64) -> F64:
    """Share of the interval that systole lasts, of that at :data:`REST_S`."""
    ratio = np.clip(REST_S / interval_s, 0.3, 3.0)
    return np.asarray(np.where(ratio > 1.0, ratio**FAST, ratio**AT_REST))


def _measure(shape: F64, usual_s: float, interval_s: float, low_pass_hz: float | None) -> tuple[float, float]:
    """Foot in s after the beat (crossing of the steepest tangent with the minimum) and height of an average pulse."""
    count = 192
    time = np.arange(count) * (interval_s / count)
    scale, fade = (x[0] for x in _stretch(np.array([interval_s]), np.array([interval_s]), usual_s))
    height, centre, width = shape[:, 0] * fade, shape[:, 1] * scale, shape[:, 2] * scale
    away = time + np.arange(-2, 3)[:, None, None] * interval_s - centre[:, None]
    wave = (height[:, None] * np.exp(-0.5 * (away / width[:, None]) ** 2)).sum(axis=(0, 1))
    wave = volume(wave, count / interval_s, low_pass_hz)
    low, high = np.percentile(wave, [3.0, 97.0])
    slope = np.roll(wave, -1) - np.roll(wave, 1)
    steep = int(np.argmax(slope))
    rise = float(slope[steep]) * count / (2.0 * interval_s)
    foot = steep * interval_s / count - float(wave[steep] - wave.min()) / rise
    return foot, float(high - low)
