"""Heart: when it beats, and the wave of blood volume each beat sends to the face."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perfuse.synth.fields import F64, GRID_HZ, coloured
from perfuse.synth.physiology.lungs import Breathing, to_rate

FINE_HZ = 250.0
"""Samples per second of the stored pulse wave."""

FACE_LOWPASS_HZ = 4.5
"""The wave on the face is an ear's wave through a first-order low-pass of about this corner."""

EAR = np.array([[0.44, 0.17, 0.059], [0.72, 0.29, 0.089], [0.36, 0.49, 0.18]])
"""Height, phase and width of three Gaussians fitted to ear pulses (medians; a beat is phase 0 to 1)."""


@dataclass(frozen=True, slots=True)
class Heart:
    """Beats placed in time, and the wave they make.

    Attributes
    ----------
    beats_s : ndarray, float64
        Foot of every pulse wave, from before the first to after the last moment of the recording.
    start_s : float
        Time of the first sample.
    wave : ndarray, float64
        Blood volume in the face at :data:`FINE_HZ`: mean 0, peak to peak about 1, rising with volume.
    slow : ndarray, float64
        Slow venous volume at :data:`FINE_HZ`, in units of the pulse's height.
    """

    beats_s: F64
    start_s: float
    wave: F64
    slow: F64

    def at(self, time_s: F64) -> F64:
        """Pulse wave at any times within the recording."""
        return np.interp(time_s, self.start_s + np.arange(len(self.wave)) / FINE_HZ, self.wave)

    def slow_at(self, time_s: F64) -> F64:
        """Slow blood volume at any times within the recording."""
        return np.interp(time_s, self.start_s + np.arange(len(self.slow)) / FINE_HZ, self.slow)


def beat(rng: np.random.Generator, per_minute: float, lungs: Breathing, duration_s: float) -> Heart:
    """Place beats at a mean rate over 0 .. ``duration_s`` and draw their wave.

    A beat falls wherever the integral of the momentary rate crosses an integer (integral pulse-frequency modulation).
    The rate swings with breathing (respiratory sinus arrhythmia), with the 0.1 Hz rhythm of blood pressure and with
    a slow trend; total spread is log-normal about 50 ms at 70 /min and shrinks as the rate rises (Monfredi 2014).

    Parameters
    ----------
    rng : Generator
        Source of chance.
    per_minute : float
        Beats per minute, 35 to 230.
    lungs : Breathing
        Covers the recording and some seconds on both sides.
    duration_s : float
        Length of the recording.
    """
    before = -lungs.start_s
    span = duration_s + 2.0 * before
    time = np.arange(-before, -before + span, 1.0 / GRID_HZ)
    sdnn = np.clip(0.050 * np.exp(0.4 * rng.standard_normal()) * np.exp(-(per_minute - 70.0) / 58.0), 0.008, 0.120)
    share = 1.0 / (1.0 + 1.5 * np.exp(0.7 * rng.standard_normal()))
    lag = float(rng.uniform(0.0, 0.5))
    mayer = coloured(rng, span, _mayer_density(rng.normal(0.1, 0.01), rng.uniform(0.01, 0.03)))[: len(time)]
    breath = _standard(lungs.at(time - lag))
    slowness = 1.0 / np.sqrt(1.0 + (len(lungs.onsets_s) / max(span, 1.0) / 0.35) ** 2)
    swing = sdnn * per_minute / 60.0 * (np.sqrt(share) * slowness * breath + np.sqrt(1.0 - share) * mayer)
    phase = np.cumsum((per_minute / 60.0) * (1.0 + np.clip(swing, -0.4, 0.4))) / GRID_HZ + rng.uniform(0.0, 1.0)
    beats = np.interp(np.arange(np.ceil(phase[0]), phase[-1]), phase, time)
    beats = to_rate(beats, duration_s, per_minute)
    wave = _wave(rng, beats, before, duration_s)
    fine = -before + np.arange(len(wave)) / FINE_HZ
    vasomotion = np.interp(fine, time, mayer)
    breath = np.interp(fine, time, breath)
    strength = 1.0 - 0.035 * np.exp(0.25 * rng.standard_normal()) * breath
    strength = strength + 0.10 * np.exp(0.4 * rng.standard_normal()) * vasomotion
    slow = 0.02 * np.exp(0.4 * rng.standard_normal()) * breath
    slow = slow + 0.05 * np.exp(0.5 * rng.standard_normal()) * vasomotion
    return Heart(beats, -before, wave * np.clip(strength, 0.35, 1.8), slow)


def wave_shape(phase: F64, period_s: F64, gaussians: F64) -> F64:
    """One pulse: a sum of wrapped Gaussians over the phase of the beat, with a systole of nearly constant length.

    Parameters
    ----------
    phase : ndarray, (N,)
        0 at the foot of a beat, 1 at the next.
    period_s : ndarray, (N,)
        Length of the beat that each sample belongs to.
    gaussians : ndarray, (3, 3)
        Height, phase and width of each Gaussian at a period of 0.85 s.
    """
    stretch = np.clip(np.sqrt(0.85 / period_s), 0.7, 1.6)
    out = np.zeros_like(phase)
    for index, (height, centre, width) in enumerate(gaussians):
        factor = stretch if index < 2 else np.minimum(1.0, stretch)
        for turn in (-1.0, 0.0, 1.0):
            out += height * np.exp(-0.5 * ((phase - turn - centre * factor) / (width * factor)) ** 2)
    return out


def _wave(rng: np.random.Generator, beats_s: F64, before_s: float, duration_s: float) -> F64:
    """Blood volume on the face at :data:`FINE_HZ`, mean 0 and peak to peak about 1."""
    gaussians = EAR * np.exp(rng.normal(0.0, [0.12, 0.05, 0.08], (3, 3)))
    time = np.arange(-before_s, duration_s + before_s, 1.0 / FINE_HZ)
    index = np.clip(np.searchsorted(beats_s, time, side="right") - 1, 0, len(beats_s) - 2)
    period = beats_s[index + 1] - beats_s[index]
    phase = np.clip((time - beats_s[index]) / period, 0.0, 1.0)
    raw = wave_shape(phase, period, gaussians) * (1.0 + 0.04 * rng.standard_normal(len(beats_s))[index])
    length = 1 << int(np.ceil(np.log2(2 * len(raw))))
    freq = np.fft.rfftfreq(length, 1.0 / FINE_HZ)
    padded = np.pad(raw, (0, length - len(raw)), mode="edge")
    face = np.fft.irfft(np.fft.rfft(padded) / (1.0 + 1j * freq / FACE_LOWPASS_HZ), length)[: len(raw)]
    face -= face.mean()
    inner = face[int(before_s * FINE_HZ) : len(face) - int(before_s * FINE_HZ)]
    return np.asarray(face / max(float(np.percentile(inner, 97) - np.percentile(inner, 3)), 1e-9))


def _mayer_density(centre_hz: float, width_hz: float) -> Callable[[F64], F64]:
    """Spectrum of the slow half of heart-rate variability: a peak near 0.1 Hz and a 1/f part below 0.04 Hz."""

    def density(freq: F64) -> F64:
        peak = np.exp(-0.5 * ((freq - centre_hz) / width_hz) ** 2)
        trend = 0.35 * np.minimum(0.02 / np.maximum(freq, 0.005), 2.0) * (freq < 0.04)
        return np.asarray(peak + trend)

    return density


def _standard(x: F64) -> F64:
    """Mean 0, standard deviation 1."""
    return np.asarray((x - x.mean()) / max(float(x.std()), 1e-9))
