"""Vessels: how breathing and the slow rhythm of their walls change the height of the pulse and the blood they hold.

Sizes and phases are from contact recordings of five people, finger and ear: between 0.04 and 0.15 Hz height and
volume move together (coherence 0.75, in phase once the sensor's own high-pass is undone) and follow the heart rate by
about 3 s; both are smallest near the end of inspiration. Finger and ear share about half of the slow part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from perfuse.synth.fields import F64
from perfuse.synth.physiology.lungs import Breathing
from perfuse.synth.physiology.rhythm import NEWBORN_Y, SLOW_HZ, Beats, standard_breath, wander

PEAK_TO_PEAK = 2.0 * math.sqrt(2.0)
"""Peak to peak of a sine over its standard deviation: how percentages of modulation are meant."""

HIGH_PASS_HZ = 0.1
"""Corner of the first-order high-pass in contact sensors, seen in the phase of their baseline: it leads the height of
the pulse by 50 degrees at 0.1 Hz and by 80 at 0.02 Hz."""

BAND, PASSED = 0.742, 0.625
"""Of the slow rhythm: standard deviation between 0.04 and 0.15 Hz, and what the high-pass leaves of that."""

SITES: dict[str, tuple[float, float, float, float]] = {
    "finger": (0.13, 0.66, 0.070, 0.29),
    "ear": (0.13, 0.53, 0.045, 0.26),
}
"""Medians, peak to peak over the height of a pulse: height by breathing, height by the slow rhythm, volume by
breathing, volume by the slow rhythm. What is measured in the band of breathing (height 0.16, volume 0.09 and 0.06)
holds a tail of the slow rhythm as well, which is why the breath's own share is smaller."""

SPREADS = (1.3, 1.7, 1.6, 1.9)
"""Geometric standard deviations of these over people."""

FACE_SHARE = 0.6
"""The face is modulated less than finger and ear (after Hernando 2019; size ASSUMED)."""


@dataclass(frozen=True, slots=True, eq=False)
class Tone:
    """Vessels of one place over time, at :data:`perfuse.synth.physiology.rhythm.SLOW_HZ`.

    Attributes
    ----------
    height : ndarray
        Natural logarithm of the height of the pulse.
    volume : ndarray
        Slow blood volume in units of the pulse's height.
    """

    height: F64
    volume: F64


def draw_tones(rng: np.random.Generator, beats: Beats, lungs: Breathing, age_y: float) -> dict[str, Tone]:
    """Draw the vessels of every place in :data:`SITES`, as a contact sensor shows them, and of the ``face``.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    beats : Beats
        Gives the rhythm of blood pressure and the exhaustion left after exercise, which narrows the vessels.
    lungs : Breathing
        What modulates.
    age_y : float
        Newborns get half the swing (ASSUMED).
    """
    sizes = {
        site: np.array(usual) * np.array(SPREADS) ** np.clip(rng.standard_normal(4), -2.2, 2.2)
        for site, usual in SITES.items()
    }
    lead = {site: rng.uniform((-0.2, -0.2), (0.5, 0.6)) for site in SITES}
    often = len(lungs.onsets_s) / max(float(np.ptp(lungs.onsets_s)), 1e-9)
    followed = math.sqrt((1.0 + (0.25 / 0.35) ** 2) / (1.0 + (often / 0.35) ** 2))  # vessels are slow (ASSUMED)
    time = beats.time_s
    common, *own = wander(rng, len(time), (_tone_density,) * (1 + 2 * len(SITES)))
    pressure = np.interp(time - 3.0, time, beats.mayer)
    common = 0.6 * BAND * pressure + 0.8 * common
    scale = 0.5 if age_y < NEWBORN_Y else 1.0
    out = {}
    for (site, size), alone, veins in zip(sizes.items(), own[::2], own[1::2], strict=True):
        slow = math.sqrt(0.5) * (common + alone) / BAND
        height = size[1] * slow - size[0] * followed * standard_breath(lungs, time + lead[site][0])
        height = np.clip(scale * height / PEAK_TO_PEAK, -1.0, 0.6) - 0.35 * beats.strain
        volume = size[3] / PASSED * (0.85 * slow + 0.53 * veins / BAND)
        volume = volume - size[2] * followed * standard_breath(lungs, time + lead[site][1])
        volume = scale * volume / PEAK_TO_PEAK
        out[site] = Tone(height - float(np.mean(height)), _high_pass(volume))
        if site == "ear":
            out["face"] = Tone(FACE_SHARE * out[site].height, FACE_SHARE * (volume - float(np.mean(volume))))
    return out


def _tone_density(freq: F64) -> F64:
    """Flat to 0.05 Hz, then falling fast, with a bump at the rhythm of blood pressure."""
    return np.asarray((1.0 + (freq / 0.05) ** 2) ** -1.5 + 0.35 * np.exp(-0.5 * ((freq - 0.09) / 0.03) ** 2))


def _high_pass(series: F64) -> F64:
    """First-order high-pass of a contact sensor's amplifier."""
    freq = np.fft.rfftfreq(2 * len(series), 1.0 / SLOW_HZ)
    mirrored = np.concatenate([series[::-1], series])
    passed = np.fft.rfft(mirrored) * (1j * freq / (1j * freq + HIGH_PASS_HZ))
    return np.asarray(np.fft.irfft(passed, len(mirrored))[len(series) :])
