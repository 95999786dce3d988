"""Truth: what a perfect measurement of a synthetic subject would find."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.synth.fields import F64
from perfuse.synth.person.skin import Skin
from perfuse.synth.physiology.heart import Heart, beat
from perfuse.synth.physiology.lungs import Breathing, breathe, mean_rate
from perfuse.synth.settings import Settings, stream

SURROUND_S = 12.0
"""Heart and lungs run this long before and after the recording, so that its ends are like its middle."""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Rates, events and waves.

    Attributes
    ----------
    heart_rate, respiratory_rate : float or None
        Per minute: beats and breaths that pass from the first moment to the last, over that time; unfinished ones
        count by their share. None where nothing beats or breathes.
    beats_s : ndarray, float64
        Feet of the pulse waves within the recording, in s.
    breaths_s : ndarray, float64
        Begins of inspiration within the recording, in s.
    tone : int
        Monk skin tone, 1 to 10.
    pulse_depth : float
        Peak-to-peak swing of diffuse green light as a fraction of its mean; 0 without a pulse.
    heart, lungs : Heart, Breathing
        What made them; where nothing beats or breathes, what would have.
    """

    heart_rate: float | None
    respiratory_rate: float | None
    beats_s: F64
    breaths_s: F64
    tone: int
    pulse_depth: float
    heart: Heart
    lungs: Breathing

    def pulse(self, time_s: NDArray[np.floating] | float) -> F64:
        """Blood volume of the face at any times, rising with volume, mean 0, peak to peak about 1; 0 if none is."""
        at_s: F64 = np.asarray(time_s, np.float64)
        return np.zeros_like(at_s) if self.heart_rate is None else self.heart.at(at_s)

    def respiration(self, time_s: NDArray[np.floating] | float) -> F64:
        """Lung volume at any times, 0 at rest and about 1 after a normal inspiration; 0 where nothing breathes."""
        at_s: F64 = np.asarray(time_s, np.float64)
        return np.zeros_like(at_s) if self.respiratory_rate is None else self.lungs.at(at_s)

    def describe(self) -> dict[str, object]:
        """Return everything but the waves as plain values for JSON."""
        return {
            "heart_rate": None if self.heart_rate is None else round(self.heart_rate, 4),
            "respiratory_rate": None if self.respiratory_rate is None else round(self.respiratory_rate, 4),
            "tone": self.tone,
            "pulse_depth": round(self.pulse_depth, 6),
            "beats_s": [round(time, 4) for time in self.beats_s.tolist()],
            "breaths_s": [round(time, 4) for time in self.breaths_s.tolist()],
        }


def live(settings: Settings, skin: Skin, time_s: F64) -> Truth:
    """Let lungs and heart run through a recording with frames at ``time_s``."""
    last_s = max(float(time_s[-1]), 1.0)
    s = settings
    lungs = breathe(
        stream(s.seed, "lungs"),
        s.respiratory_rate,
        SURROUND_S,
        last_s,
        style=s.breathing,
        sighs_per_hour=s.sighs_per_hour,
    )
    heart = beat(
        stream(s.seed, "heart"),
        s.heart_rate,
        lungs,
        last_s,
        age_y=s.age_y,
        sdnn_scale=s.sdnn_scale,
        rhythm=s.rhythm,
        recovery=s.recovery,
    )
    beats = heart.beats_s[: None if s.alive else 0]
    breaths = lungs.onsets_s[: None if s.breathes else 0]
    return Truth(
        heart_rate=mean_rate(beats, last_s) if s.alive else None,
        respiratory_rate=mean_rate(breaths, last_s) if s.breathes else None,
        beats_s=beats[(beats >= 0) & (beats <= last_s)],
        breaths_s=breaths[(breaths >= 0) & (breaths <= last_s)],
        tone=skin.tone,
        pulse_depth=skin.depth,
        heart=heart,
        lungs=lungs,
    )
