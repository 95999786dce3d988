"""What a subject is asked to be: one register of parameters, checked, and completed from the seed."""

from __future__ import annotations

import difflib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from perfuse.core.errors import UsageError
from perfuse.synth.domains import DOMAINS, HOME
from perfuse.synth.priors import Prior

KINDS = ("person", "doll", "mask", "photo", "wall")
"""What sits before the camera; only a person has a pulse that shows."""


def _number(text: str, unit: str, low: float, high: float, *, whole: bool = False) -> Any:
    return field(metadata={"text": text, "unit": unit, "low": low, "high": high, "whole": whole})


def _one_of(text: str, *names: str) -> Any:
    return field(metadata={"text": text, "unit": "", "names": names})


def _some_of(text: str, *names: str) -> Any:
    return field(metadata={"text": text, "unit": "", "names": names, "many": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every parameter of a subject. What nobody asked for was drawn from the domain's priors.

    Each field says in its metadata what it means, its unit, and the range or the names it takes;
    :func:`register` lists them.
    """

    seed: int
    domain: str
    duration_s: float = _number("length of the recording", "s", 1, 3600)
    rate_hz: float = _number("nominal frames per second", "Hz", 5, 240)
    width: int = _number("width of the picture", "pixels", 64, 4096, whole=True)
    height: int = _number("height of the picture", "pixels", 64, 4096, whole=True)
    face_size: float = _number("width of the face over the height of the picture", "", 0.06, 0.6)
    jitter_s: float = _number("standard deviation of capture times about the even ones", "s", 0, 0.1)
    drop: float = _number("share of frames that are lost", "", 0, 0.5)

    kind: str = _one_of("what sits before the camera", *KINDS)
    heart_rate: float = _number("mean rate of the heart", "/min", 35, 230)
    respiratory_rate: float = _number("mean rate of breathing", "/min", 4, 90)
    age_y: float = _number("age", "years", 0, 110)
    sdnn_scale: float = _number("spread of beat intervals relative to a resting adult", "", 0, 4)
    rhythm: str = _one_of("rhythm of the heart", "regular", "ectopic", "fibrillation", "bigeminy", "dropout")
    recovery: float = _number("extra beats per minute at the start, as after exercise", "/min", 0, 110)
    breathing: str = _one_of("style of breathing", "calm", "speech", "periodic")
    sighs_per_hour: float = _number("sighs", "/h", 0, 120)

    tone: int = _number("Monk skin tone, light to dark", "", 1, 10, whole=True)
    pulse_depth: float = _number("peak-to-peak swing of diffuse green light over a beat", "", 0, 0.05)
    wear: tuple[str, ...] = _some_of("what is worn on the face", "glasses", "makeup", "mask", "beard", "hat")

    motion: str = _one_of(
        "motion of the head", "none", "tripod", "still", "restless", "talk", "rotate", "translate", "walk", "fidget"
    )
    motion_scale: float = _number("size of that motion relative to the usual", "", 0, 5)
    expression: str = _one_of("what the face does", "none", "neutral", "talk", "lively")
    recoil_mm: float = _number("peak-to-peak nod of the head with each beat", "mm", 0, 1)

    key_angle_deg: float = _number("angle between the key light and the camera's axis", "degrees", 0, 75)
    key_fill: float = _number("key light over fill light", "", 0.5, 10)
    kelvin: float = _number("colour temperature of the key light", "K", 2000, 10000)
    lux: float = _number("illuminance on the face", "lx", 1, 20000)
    light_drift: float = _number("relative standard deviation of slow changes of the light", "", 0, 0.5)
    light_steps: float = _number("sudden changes of the light", "/min", 0, 60)
    flicker: float = _number("depth of the lamps' flicker at twice the mains frequency", "", 0, 1)
    mains_hz: float = _number("mains frequency", "Hz", 40, 70)
    anti_flicker: str = _one_of("whether exposures are chosen so that the mains cannot be seen", "on", "off")
    screen: float = _number("share of the face's light that comes from a screen", "", 0, 0.9)
    shade: float = _number("share of the key light that moving shadows take away", "", 0, 0.9)
    background: str = _one_of("what is behind", "wall", "room", "outdoor", "bed")
    movers: str = _one_of("what moves behind", "none", "people", "leaves", "screen")

    noise: float = _number("noise of one green pixel after the camera's processing", "grey levels", 0, 20)
    noise_blue: float = _number("noise of blue relative to green", "", 0.5, 6)
    denoise: float = _number("share of the previous frame that the camera's denoiser mixes in", "", 0, 0.5)
    exposure: str = _one_of("exposure control", "locked", "slow", "on", "pumping")
    balance: str = _one_of("white balance control", "locked", "slow", "on")
    cast: float = _number("standard deviation of the error of white balance, log units", "", 0, 0.5)
    contrast: float = _number("strength of an S-shaped tone curve", "", 0, 0.5)
    readout_s: float = _number("time from the first to the last row of a frame", "s", 0, 0.05)
    codec: str = _one_of("compression of files", "h264", "webcam", "mpeg4", "mjpeg", "none")
    quality: float = _number("strength of compression on the scale of x264's crf, 0 none", "", 0, 51)

    label_fault: str = _one_of(
        "what is wrong with the contact sensor",
        "clean",
        "delay",
        "bursts",
        "drift",
        "swapped",
        "dead",
        "clipped",
        "missing",
    )
    radar_quality: str = _one_of("quality of the radar", "clean", "weak", "moved", "wrong_person", "lost")
    radar_distance_m: float = _number("distance from radar to chest", "m", 0.2, 3)

    @property
    def alive(self) -> bool:
        """Whether there is skin with a pulse to see."""
        return self.kind == "person"

    @property
    def breathes(self) -> bool:
        """Whether a chest moves with breath: that of a person, behind a mask or not."""
        return self.kind in ("person", "mask")


def register() -> dict[str, Mapping[str, Any]]:
    """Return every parameter that can be asked for, by name: text, unit, and low and high or names."""
    return {f.name: f.metadata for f in fields(Settings) if f.metadata}


def stream(seed: int, room: str, index: int = 0) -> np.random.Generator:
    """Return a room's own source of chance; ``index`` separates frames, regions and the like.

    Rooms are told apart by name, so that a new one changes no subject.
    """
    return np.random.default_rng([seed, zlib.crc32(room.encode()), index])


def settle(seed: int, domain: str = "home", asked: Mapping[str, Any] | None = None) -> Settings:
    """Check what was asked for and draw the rest from the priors of a domain.

    Every parameter is drawn from a source of chance of its own: asking for one leaves the others as they were.

    Raises
    ------
    UsageError
        If there is no such domain or parameter, or a value lies outside its range.
    """
    seed = whole("seed", seed, 0, 2**63)
    if not isinstance(domain, str) or domain not in DOMAINS:
        raise UsageError(f"There is no domain called {domain!r}.", f"Available: {', '.join(DOMAINS)}.")
    known, given = register(), {k: v for k, v in (asked or {}).items() if v is not None}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise UsageError(f"A subject has no parameter {name!r}.", f"{hint}Available: {', '.join(known)}.")
    values: dict[str, Any] = {}
    for name, meta in known.items():
        prior: Prior = DOMAINS[domain].get(name, HOME[name])
        values[name] = _checked(name, given[name] if name in given else prior.draw(_prior_chance(seed, name)), meta)
    if "pulse_depth" not in given:
        # Contact measurements find less swing on dark skin (Fallow 2013); the sizes are ASSUMED.
        values["pulse_depth"] *= 1.0 if values["tone"] <= 6 else 0.85 if values["tone"] <= 8 else 0.7
    return Settings(seed=int(seed), domain=domain, **values)


def _prior_chance(seed: int, name: str) -> np.random.Generator:
    """Return a parameter's own source of chance; a counter-based one, which is quicker to set up than others."""
    key = np.array([seed, zlib.crc32(name.encode())], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def _checked(name: str, value: Any, meta: Mapping[str, Any]) -> Any:
    """Return a value in the type of its field, or refuse it."""
    if "names" not in meta:
        check(name, value, meta["low"], meta["high"], whole=meta["whole"])
        return int(value) if meta["whole"] else float(value)
    names = meta["names"]
    several = tuple(value) if meta.get("many") and isinstance(value, (tuple, list, set)) else (value,)
    if unknown := [v for v in several if v not in names]:
        raise UsageError(f"{name} = {unknown[0]!r} was given.", f"Available: {', '.join(names)}.")
    return tuple(n for n in names if n in several) if meta.get("many") else value


def check(name: str, value: Any, low: float, high: float, *, whole: bool = False) -> None:
    """Refuse values outside [low, high], and fractions where whole numbers are needed; None passes."""
    if value is None:
        return
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not low <= value <= high or (whole and value != int(value)):  # NaN is in no range
        kind = "a whole number" if whole else "a number"
        raise UsageError(f"{name} = {value!r} was given.", f"Pass {kind} from {low:g} to {high:g}.")


def whole(name: str, value: Any, low: int, high: int) -> int:
    """Return a whole number from ``low`` to ``high``; refuse anything else, None as well."""
    if value is None:
        raise UsageError(f"{name} = None was given.", f"Pass a whole number from {low:g} to {high:g}.")
    check(name, value, low, high, whole=True)
    return int(value)
