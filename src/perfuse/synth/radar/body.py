"""What moves towards a radar: five places of the trunk and head, each with breathing and heartbeat of its own.

A radar sees no chest but the sum of its parts. Amplitudes, lags and ranges differ from part to part, which is why
readers of rates that assume one reflecting point fail on people (arXiv 2404.09590).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from perfuse.synth.fields import F64

BURST_TAU_S = 0.060
"""Decay of the chest's vibration after a heartbeat (seismocardiogram, 5 to 15 Hz)."""

RECOIL_TAU_S = 0.15
"""Decay of the head's recoil (ballistocardiogram, 4 to 6 Hz); ASSUMED, as for the camera's head."""

R_BEFORE_FOOT_S = 0.2
"""ASSUMED delay from the R peak to the foot of the face's pulse, for hearts that do not know their R peaks."""


class Pulse(Protocol):
    """A heart, as far as a radar is concerned (``r_peaks_s`` is used where there is one)."""

    @property
    def beats_s(self) -> F64:
        """Feet of the pulse waves on the face, in s, ascending."""
        ...

    def at(self, time_s: F64) -> F64:
        """Blood volume in the face, peak to peak about 1."""
        ...


class Breath(Protocol):
    """Lungs, as far as a radar is concerned."""

    def at(self, time_s: F64) -> F64:
        """Volume: 0 at rest, about 1 after an inspiration."""
        ...


class Still:
    """Neither beats nor breathes: what a radar is told of dolls and photographs."""

    beats_s: F64 = np.empty(0)
    r_peaks_s: F64 = np.empty(0)

    def at(self, time_s: F64) -> F64:
        """Nothing."""
        return np.zeros_like(time_s)


@dataclass(frozen=True, slots=True)
class Scatterer:
    """One place that reflects.

    Attributes
    ----------
    name : str
        ``chest``, ``abdomen``, ``shoulder``, ``neck`` or ``head``.
    amplitude : float
        Field strength relative to the whole body.
    offset_m : float
        How much farther than the chest it is.
    breath_mm, breath_lag_s : float
        Movement towards the radar in a normal inspiration, and how late it comes.
    pulse_mm, pulse_lead_s : float
        Peak to peak of the slow movement with blood volume, and how much earlier than on the face it comes.
    burst_mm : float
        Peak to peak of the vibration after each beat.
    head : float
        Share of the head's movement that it takes part in.
    """

    name: str
    amplitude: float
    offset_m: float
    breath_mm: float
    breath_lag_s: float
    pulse_mm: float
    pulse_lead_s: float
    burst_mm: float
    head: float


@dataclass(frozen=True, slots=True)
class Body:
    """Scatterers and what their heartbeat has in common.

    Attributes
    ----------
    distance_m : float
        From the radar to the chest at rest.
    scatterers : tuple of Scatterer
        Strongest first as a rule; their amplitudes sum to 1.
    burst_hz, burst_delay_s : float
        Vibration of the chest: its frequency, and when it starts after the R peak.
    second : float
        Size of the vibration at the closing of the valves (second heart sound) relative to the first.
    breath_on_burst : float
        How much weaker the vibration is with full than with empty lungs.
    recoil_mm, recoil_hz, recoil_delay_s : float
        Recoil of the head towards the radar (peak to peak), its frequency, and when it starts after the R peak.
    nod_mm, nod_lag_s : float
        Movement of the head towards the radar in a normal inspiration, and how late it comes.
    """

    distance_m: float
    scatterers: tuple[Scatterer, ...]
    burst_hz: float
    burst_delay_s: float
    second: float
    breath_on_burst: float
    recoil_mm: float
    recoil_hz: float
    recoil_delay_s: float
    nod_mm: float
    nod_lag_s: float

    def displacement_mm(self, time_s: F64, heart: Pulse, lungs: Breath, head_mm: F64 | None = None) -> F64:
        """Movement of every scatterer towards the radar.

        Parameters
        ----------
        time_s : ndarray, (N,)
            When, in s.
        heart : Pulse
            Gives the wave and the beats; R peaks are ``heart.r_peaks_s``, or 0.2 s before the feet.
        lungs : Breath
            Gives the volume.
        head_mm : ndarray, (N,), optional
            Movement of the head towards the radar; by default its recoil and its nod with breathing.

        Returns
        -------
        ndarray, (S, N)
            Millimetres, positive towards the radar.
        """
        peaks = r_peaks(heart)
        # One vibration shape for all places, in units of its peak-to-peak height.
        start = peaks + self.burst_delay_s
        vibration = burst(time_s, start, self.burst_hz, BURST_TAU_S)
        if len(peaks) > 1:
            systole = 0.30 * np.sqrt(np.clip(np.diff(peaks, append=2 * peaks[-1] - peaks[-2]), 0.25, 2.0))
            vibration = vibration + self.second * burst(time_s, start + systole, 1.3 * self.burst_hz, BURST_TAU_S)
        vibration = vibration * (1.0 - self.breath_on_burst * (lungs.at(time_s) - 0.5))
        if head_mm is None:
            head_mm = self.nod_mm * lungs.at(time_s - self.nod_lag_s)
            recoil = burst(time_s, peaks + self.recoil_delay_s, self.recoil_hz, RECOIL_TAU_S)
            head_mm = head_mm + self.recoil_mm * recoil
        out = np.empty((len(self.scatterers), len(time_s)))
        for row, place in zip(out, self.scatterers, strict=True):
            row[:] = place.pulse_mm * heart.at(time_s + place.pulse_lead_s) + place.burst_mm * vibration
            if place.breath_mm:
                row += place.breath_mm * lungs.at(time_s - place.breath_lag_s)
            if place.head:
                row += place.head * head_mm
        return out


def r_peaks(heart: Pulse) -> F64:
    """Electrical beats in s: the heart's own, or 0.2 s before the feet of its pulse waves."""
    own = getattr(heart, "r_peaks_s", None)
    return np.asarray(heart.beats_s - R_BEFORE_FOOT_S if own is None else own, np.float64)


def burst(time_s: F64, events_s: F64, hz: float, tau_s: float) -> F64:
    """Damped oscillation after each event, peak to peak 1; the last two events are felt.

    Parameters
    ----------
    time_s : ndarray, (N,)
        When.
    events_s : ndarray, (E,)
        Starts, ascending.
    hz, tau_s : float
        Frequency and decay of the amplitude.
    """
    out = np.zeros_like(time_s)
    if not len(events_s):
        return out
    last = np.searchsorted(events_s, time_s, side="right") - 1
    for back in (0, 1):
        index = last - back
        since = np.minimum(time_s - events_s[np.maximum(index, 0)], 20.0 * tau_s)
        out += np.where(index >= 0, np.exp(-since / tau_s) * np.sin(2.0 * np.pi * hz * since), 0.0)
    # Extremes of exp(-t/tau) sin(wt) lie where tan(wt) = w tau, half a turn apart.
    omega = 2.0 * np.pi * hz
    first = np.arctan(omega * tau_s) / omega
    height = np.exp(-first / tau_s) * np.sin(omega * first)
    return np.asarray(out / (height * (1.0 + np.exp(-0.5 / (hz * tau_s)))))


def draw_body(
    rng: np.random.Generator, *, distance_m: float, heart_mm: float | None = None, chest_mm: float | None = None
) -> Body:
    """Draw one body.

    Breathing moves the chest LN(6, x1.5) mm, 2 to 14, and the abdomen once to twice as much with a lag of up to a
    sixth of a breath; the heart moves the chest LN(0.25, x1.5) mm, 0.08 to 0.6, of which 40 to 80 % (ASSUMED) is
    slow. The neck carries 0.1 to 0.3 mm of the face's pulse. Field strengths of chest, abdomen, shoulder, neck and
    head are 60, 25, 7, 3 and 5 %, times log-normal 0.3 (ASSUMED, and so are all lags, ranges and lesser movements).

    Parameters
    ----------
    rng : Generator
        Source of chance.
    distance_m : float
        From the radar to the chest.
    heart_mm, chest_mm : float, optional
        Peak-to-peak movement of the chest with a heartbeat and with a breath.
    """
    heart = float(np.clip(0.25 * np.exp(np.log(1.5) * rng.standard_normal()), 0.08, 0.6))
    chest = float(np.clip(6.0 * np.exp(np.log(1.5) * rng.standard_normal()), 2.0, 14.0))
    heart = heart if heart_mm is None else float(heart_mm)
    chest = chest if chest_mm is None else float(chest_mm)
    slow = heart * float(rng.uniform(0.4, 0.8))
    fast = heart - slow
    strength = np.array([0.60, 0.25, 0.07, 0.03, 0.05]) * np.exp(0.3 * rng.standard_normal(5))
    strength /= strength.sum()
    u = rng.uniform(0.0, 1.0, 12)
    lag = 0.08 * u[0]
    lead = 0.05 + 0.10 * u[1]
    head = -0.03 + 0.13 * u[8]
    scatterers = (
        Scatterer("chest", strength[0], 0.0, chest, lag, slow, lead, fast, 0.0),
        Scatterer(
            "abdomen",
            strength[1],
            0.15 * u[2],
            chest * (1.0 + u[3]),
            lag + 0.6 * u[4],
            0.3 * slow,
            0.0,
            0.15 * fast,
            0.0,
        ),
        Scatterer(
            "shoulder",
            strength[2],
            0.03 + 0.12 * u[5],
            chest * (0.1 + 0.25 * u[6]),
            lag,
            0.2 * slow,
            0.5 * lead,
            0.2 * fast,
            0.2,
        ),
        Scatterer("neck", strength[3], 0.03 + 0.10 * u[7], 0.1 * chest, lag, 0.1 + 0.2 * u[9], 0.02, 0.1 * fast, 0.6),
        Scatterer("head", strength[4], head, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
    )
    return Body(
        distance_m=float(distance_m),
        scatterers=scatterers,
        burst_hz=float(rng.uniform(5.0, 15.0)),
        burst_delay_s=float(rng.uniform(0.03, 0.07)),
        second=float(rng.uniform(0.2, 0.6)),
        breath_on_burst=float(rng.uniform(0.0, 0.4)),
        recoil_mm=0.5 * float(np.clip(0.12 * np.exp(np.log(1.7) * rng.standard_normal()), 0.03, 0.4)),
        recoil_hz=float(rng.uniform(4.0, 6.0)),
        recoil_delay_s=float(rng.uniform(0.08, 0.12)),
        nod_mm=float(rng.uniform(0.3, 2.0)) * 0.5,
        nod_lag_s=float(0.3 * u[10]),
    )
