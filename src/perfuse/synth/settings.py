"""What a subject is asked to be: checked, and completed from the seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from perfuse.core.errors import UsageError
from perfuse.synth.scene.motion import MOTIONS

STREAMS = (
    "vitals",
    "lungs",
    "heart",
    "skin",
    "look",
    "light",
    "paint",
    "motion",
    "drift",
    "camera",
    "noise",
    "trace",
)
"""Rooms with a stream of chance of their own; append only, so that old seeds keep their subjects."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Arguments of :func:`perfuse.synth.subject`, where everything left open was drawn from the seed."""

    seed: int
    duration_s: float
    rate_hz: float
    width: int
    height: int
    heart_rate: float
    respiratory_rate: float
    motion: str
    light_drift: float
    noise: float
    jitter_s: float
    drop: float
    no_pulse: bool


def stream(seed: int, room: str, index: int = 0) -> np.random.Generator:
    """Return a room's own source of chance; ``index`` separates frames, regions and the like."""
    return np.random.default_rng([seed, STREAMS.index(room), index])


def settle(
    seed: int,
    duration_s: float,
    rate_hz: float,
    width: int,
    height: int,
    heart_rate: float | None,
    respiratory_rate: float | None,
    motion: str,
    light_drift: float | None,
    noise: float | None,
    jitter_s: float,
    drop: float,
    no_pulse: bool,
) -> Settings:
    """Check every value and draw those that are None: a resting adult in an evenly lit room.

    Raises
    ------
    UsageError
        If a value lies outside its range.
    """
    check("seed", seed, 0, 2**63, whole=True)
    check("duration_s", duration_s, 1, 3600)
    check("rate_hz", rate_hz, 5, 240)
    check("width", width, 64, 4096, whole=True)
    check("height", height, 64, 4096, whole=True)
    check("heart_rate", heart_rate, 35, 230)
    check("respiratory_rate", respiratory_rate, 4, 90)
    check("light_drift", light_drift, 0, 0.5)
    check("noise", noise, 0, 20)
    check("jitter_s", jitter_s, 0, 0.1)
    check("drop", drop, 0, 0.5)
    if motion not in MOTIONS:
        raise UsageError(f"There is no motion called {motion!r}.", f"Available: {', '.join(MOTIONS)}.")
    rng = stream(seed, "vitals")
    pulse = float(np.clip(rng.normal(72.0, 11.0), 48.0, 110.0))
    breath = float(np.clip(rng.normal(15.0, 3.5), 8.0, 26.0))
    drift = float(np.exp(rng.uniform(np.log(0.0005), np.log(0.003))))
    grain = float(np.clip(np.exp(0.15 * rng.standard_normal()), 0.7, 1.5))
    return Settings(
        seed=int(seed),
        duration_s=float(duration_s),
        rate_hz=float(rate_hz),
        width=int(width),
        height=int(height),
        heart_rate=pulse if heart_rate is None else float(heart_rate),
        respiratory_rate=breath if respiratory_rate is None else float(respiratory_rate),
        motion=motion,
        light_drift=drift if light_drift is None else float(light_drift),
        noise=grain if noise is None else float(noise),
        jitter_s=float(jitter_s),
        drop=float(drop),
        no_pulse=bool(no_pulse),
    )


def check(name: str, value: float | None, low: float, high: float, *, whole: bool = False) -> None:
    """Refuse values outside [low, high], and fractions where whole numbers are needed; None passes."""
    if value is None:
        return
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or (whole and value != int(value)) or not low <= value <= high:
        kind = "a whole number" if whole else "a number"
        raise UsageError(f"{name} = {value!r} was given.", f"Pass {kind} from {low:g} to {high:g}.")
