"""The words and digits a measurement is told in, shared by the terminal and the page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeGuard

from perfuse.core.results import Face, Vital

NOT_MEDICAL = (
    "perfuse is not a medical device. Do not use it to diagnose, to treat, or to decide whether somebody needs help."
)

NOT_FINITE = "the estimate was not a finite number"


@dataclass(frozen=True, slots=True)
class Label:
    """How one vital is named and printed.

    Attributes
    ----------
    title : str
        For people.
    meaning : str
        What it is, in a sentence fragment.
    digits : int
        Decimals that are worth printing.
    """

    title: str
    meaning: str
    digits: int


LABELS = {
    "heart_rate": Label("Heart rate", "heart beats per minute, from the pulse spectrum", 1),
    "respiratory_rate": Label("Breathing", "breaths per minute", 1),
    "hrv": Label("Heart-rate variability", "how much the beat intervals differ", 1),
    "heart_rate_beats": Label("Heart rate from beats", "60 s divided by the mean time between two beats", 1),
    "sdnn": Label("SDNN", "standard deviation of the beat intervals", 1),
    "rmssd": Label("RMSSD", "root mean square of successive differences of the beat intervals", 1),
    "pnn50": Label("pNN50", "share of successive intervals that differ by more than 50 ms", 1),
    "sd1": Label("SD1", "width of the Poincaré cloud: beat to beat", 1),
    "sd2": Label("SD2", "length of the Poincaré cloud: slow change", 1),
    "lf": Label("LF power", "power of the beat intervals, 0.04-0.15 Hz", 0),
    "hf": Label("HF power", "power of the beat intervals, 0.15-0.40 Hz", 0),
    "lf_hf": Label("LF/HF", "ratio of the two powers", 2),
}

SIGNS = {
    "intervals": "the intervals of the beats",
    "heights": "their heights",
    "level": "the level they ride on",
    "motion": "the movement of the head",
    "chest": "the movement of the chest",
}
"""What breathing is read from beside a network's own wave."""

_UNITS = {"/min": "/min", "ms2": "ms²", "1": ""}


def label(name: str) -> Label:
    """Return the label of a vital; unknown names are told as they are."""
    return LABELS.get(name, Label(name, "", 2))


def unit_text(unit: str) -> str:
    """Return a UCUM unit as people write it."""
    return _UNITS.get(unit, unit)


def value_text(name: str, vital: Vital) -> str:
    """Return the value in the digits worth printing, or a dash where there is none."""
    return "–" if not usable(vital.value) else f"{vital.value:.{label(name).digits}f}"


def interval_text(name: str, vital: Vital) -> str:
    """Return ``low–high`` of the 90 % interval, or nothing where there is none."""
    if not usable(vital.value) or not usable(vital.low) or not usable(vital.high):
        return ""
    digits = label(name).digits
    return f"{vital.low:.{digits}f}–{vital.high:.{digits}f}"


def quality_word(quality: float) -> str:
    """Return one word for a quality: good from 0.8, fair from 0.5, poor below, none at 0."""
    if not quality > 0:
        return "none"
    return "good" if quality >= 0.8 else "fair" if quality >= 0.5 else "poor"


def usable(number: float | None) -> TypeGuard[float]:
    """Tell whether there is a finite number."""
    return number is not None and math.isfinite(number)


def pulse_text(source: dict[str, str | int | float]) -> str:
    """Say what the pulse wave of a recording shows."""
    if source.get("kind") == "radar":
        return "How much the chest trembles: most just after each beat."
    return "Rises with the blood volume in the skin."


def breath_text(sources: tuple[str, ...]) -> str:
    """Say what the breathing was read from where a network wrote some; nothing where none did."""
    if not sources:
        return ""
    others = [SIGNS[name] for name in sources if name in SIGNS]
    told = f" {', '.join(name for name in sources if name not in SIGNS)} wrote a breathing wave of its own"
    return f"{told}; it was joined with {', '.join(others)}." if others else f"{told}."


def source_text(source: dict[str, str | int | float], duration_s: float) -> str:
    """Return what was measured in one line: ``640×480, h264, 30.0 frames/s, 12.0 s``."""
    parts = []
    if "width" in source and "height" in source:
        parts.append(f"{source['width']}×{source['height']}")
    if source.get("codec"):
        parts.append(str(source["codec"]))
    rate = source.get("rate_hz")
    if isinstance(rate, int | float):
        parts.append(f"{rate:.4g} Hz")
    parts.append(f"{duration_s:.1f} s")
    return ", ".join(parts)


def grouped_hrv(face: Face) -> tuple[dict[str, Vital], dict[str, list[str]]]:
    """Split HRV into what has a value and, by reason, the titles of what has none."""
    present = {name: vital for name, vital in face.hrv.items() if usable(vital.value)}
    absent: dict[str, list[str]] = {}
    for name, vital in face.hrv.items():
        if name not in present:
            absent.setdefault(vital.reason or NOT_FINITE, []).append(label(name).title)
    return present, absent
