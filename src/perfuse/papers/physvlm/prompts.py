"""Captions that put rates into words. PhysVLM-style, RECONSTRUCTED on the idea of VL-phys (Yue et al., IJCV 2025)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

PULSES = tuple(float(rate) for rate in range(40, 241, 5))
BREATHS = tuple(float(rate) for rate in range(6, 91, 4))
"""Rates per minute that have captions: 41 and 22."""
SPEEDS = (0.25, 0.5, 0.75, 1.25, 1.5, 1.75)
"""Of the right half of a pair, of the left one's."""
PULSE = (
    "a skin colour map pulsing at {} beats per minute",
    "colours of a face that beat {} times, {} beats per minute",
    "stripes of blood with a heart rate of {} beats per minute",
)
BREATH = (
    "a skin colour map with a slow modulation at {} breaths per minute",
    "colours of a face that rise and fall at {} breaths per minute",
    "slow waves of breathing at {} breaths per minute",
)
RATIO = (
    "the left half oscillates {} times as fast as the right half",
    "on the left the colours change {} times as fast as on the right",
    "the left side has {} times the rate of the right side",
)
CLEAN = ("a clean periodic colour map", "a regular rhythm in all rows", "clear stripes that repeat")
NOISY = ("a noisy non-periodic colour map", "no rhythm in any row", "colours that change without order")
"""Three ways to say each; what a teacher makes of them is averaged."""


def pulse(rate: float) -> tuple[str, ...]:
    """Return the captions of a heart rate."""
    return tuple(form.replace("{}", number(rate)) for form in PULSE)


def breath(rate: float) -> tuple[str, ...]:
    """Return the captions of a respiratory rate."""
    return tuple(form.replace("{}", number(rate)) for form in BREATH)


def ratio(times: float) -> tuple[str, ...]:
    """Return the captions of a pair whose left half is so many times as fast."""
    return tuple(form.replace("{}", number(times)) for form in RATIO)


def number(value: float) -> str:
    """Return a number as it is written in a caption: digits, at most two after the point."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def mark(sentences: Sequence[Sequence[str]] | None = None) -> str:
    """Return a hash of all captions: what a teacher says is worth nothing beside other ones."""
    if sentences is None:
        sentences = [*map(pulse, PULSES), *map(breath, BREATHS), *map(ratio, SPEEDS), CLEAN, NOISY]
    text = "\n".join("\t".join(group) for group in sentences)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def rate_in(sentence: str) -> tuple[str, float] | None:
    """Return what a caption is about, ``pulse`` or ``breath``, and its rate; None if it names no rate."""
    found = re.search(r"(\d+(?:\.\d+)?) (beats|breaths) per minute", sentence)
    return None if found is None else ("pulse" if found[2] == "beats" else "breath", float(found[1]))
