"""Contact photoplethysmograph: the pulse at finger or ear as a real device delivers it, and the clean truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import UsageError
from perfuse.synth.fields import F64
from perfuse.synth.radar.faults import stranger
from perfuse.synth.sensors.faults import (
    DURATIONS,
    chain,
    clip,
    clock_error,
    digitise,
    disturb,
    gaps,
    slow,
    wander,
)
from perfuse.synth.settings import check

FAULTS = ("clean", "delay", "bursts", "drift", "swapped", "dead", "clipped", "missing")
"""What can be wrong: nothing; the clock; movement; wandering baseline and gain; another person's pulse; no pulse;
rails; gaps."""

SHARES = {"clean": 0.40, "delay": 0.20, "bursts": 0.20, "drift": 0.10, "swapped": 0.05, "dead": 0.05}
"""How often each fault occurs in the ``noisy-labels`` mixture."""


class Pulse(Protocol):
    """A heart, as far as its face pulse is concerned."""

    def at(self, time_s: F64) -> F64:
        """Blood volume in the face, peak to peak about 1."""
        ...


@runtime_checkable
class ContactPulse(Protocol):
    """A heart that knows its pulse at finger and ear."""

    def contact_at(self, time_s: F64, site: str) -> F64:
        """Wave of a contact sensor, without the time it takes from the face to there."""
        ...


class Breath(Protocol):
    """Lungs."""

    def at(self, time_s: F64) -> F64:
        """Volume: 0 at rest, about 1 after an inspiration."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ContactPPG:
    """One recording of a contact sensor.

    Attributes
    ----------
    times_s : ndarray, (N,)
        Time stamps of the device, evenly spaced from 0.
    values : ndarray, (N,)
        What it delivered, in heights of a pulse; may hold NaN where ``valid`` is False.
    valid : ndarray, bool, (N,)
        False where no measurement arrived.
    delay_s : float
        How much later than on the face the pulse appears at time 0, by physiology and device together.
    fault : str
        One of :data:`FAULTS`.
    clean : ndarray, (N,)
        The same sensor without fault, delay, noise and rounding, at ``times_s``.
    state : ndarray, int8, (N,)
        Index into :data:`perfuse.synth.sensors.faults.STATES`.
    sampled_s : ndarray, (N,)
        Time on the face's clock that each value belongs to: ``times_s`` less delay, drift and jitter of the clock.
    """

    times_s: F64
    values: F64
    valid: NDArray[np.bool_]
    delay_s: float
    fault: str
    clean: F64
    state: NDArray[np.int8]
    sampled_s: F64


def mixture(rng: np.random.Generator) -> str:
    """Draw a fault with the shares of the ``noisy-labels`` domain."""
    return str(rng.choice(list(SHARES), p=list(SHARES.values())))


def contact_ppg(
    rng: np.random.Generator,
    heart: Pulse,
    lungs: Breath,
    duration_s: float,
    *,
    rate_hz: float = 64.0,
    site: str = "finger",
    fault: str = "clean",
    delay_s: float | None = None,
    burst: str | None = None,
    other: Pulse | None = None,
) -> ContactPPG:
    """Record the pulse at a contact site.

    Every recording has sensor noise and is rounded to 8 to 16 bits. Where ``heart`` knows no contact sites its face
    pulse is taken, with a baseline of breathing.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    heart, lungs : Pulse, Breath
        The subject's.
    duration_s : float
        Length, 1 to 36000 s.
    rate_hz : float
        Samples per s, 10 to 2000.
    site : str
        ``finger`` or ``ear``.
    fault : str
        One of :data:`FAULTS`.
    delay_s : float, optional
        How much later than on the face the pulse appears, -2 to 2; by default 0, and N(60, 30) + U(-100, 300) ms with
        the fault ``delay``.
    burst : str, optional
        One of :data:`perfuse.synth.sensors.faults.DURATIONS` for the fault ``bursts``; drawn if left out.
    other : Pulse, optional
        Whose pulse it is with the fault ``swapped``; drawn if left out.

    Raises
    ------
    UsageError
        If a value lies outside its range.
    """
    check("duration_s", duration_s, 1, 36000)
    check("rate_hz", rate_hz, 10, 2000)
    check("delay_s", delay_s, -2, 2)
    for name, value, known in (("fault", fault, FAULTS), ("burst", burst or "light", tuple(DURATIONS))):
        if value not in known:
            raise UsageError(f"There is no {name} called {value!r}.", f"Available: {', '.join(known)}.")
    times = np.arange(round(duration_s * rate_hz)) / rate_hz
    if delay_s is None:
        delay_s = float(rng.normal(0.06, 0.03) + rng.uniform(-0.1, 0.3)) if fault == "delay" else 0.0
    sampled = times - delay_s + (clock_error(rng, times) if fault == "delay" else 0.0)
    clean = _wave(heart, lungs, times, site)
    height = float(np.percentile(clean, 97) - np.percentile(clean, 3)) or 1.0
    source = heart if fault != "swapped" else (stranger(rng, duration_s)[0] if other is None else other)
    values = _wave(source, lungs, sampled, site)
    state = np.zeros(len(times), np.int8)
    if fault == "bursts":
        preset = str(rng.choice(list(DURATIONS))) if burst is None else burst
        state = chain(rng, times, *DURATIONS[preset])
        values = disturb(rng, values, state, rate_hz)
    elif fault == "drift":
        values = wander(rng, times, values, height)
    elif fault == "dead":
        # Nothing but the light of the room creeps in.
        values = 0.05 * height * rng.uniform(0.0, 1.0) * slow(rng, times, 0.05)
    values = digitise(rng, values, height)
    if fault == "clipped":
        values = clip(rng, values)
    valid = np.ones(len(times), np.bool_)
    if fault == "missing":
        values, valid = gaps(rng, values, rate_hz)
    return ContactPPG(times, values, valid, float(delay_s), fault, clean, state, sampled)


def _wave(heart: Pulse, lungs: Breath, time_s: F64, site: str) -> F64:
    """Wave at a site, rising with blood volume."""
    if isinstance(heart, ContactPulse):
        return np.asarray(heart.contact_at(time_s, site), np.float64)
    if site not in ("finger", "ear"):
        raise UsageError(f"There is no contact site called {site!r}.", "Available: finger, ear.")
    return np.asarray(heart.at(time_s) - 0.09 * lungs.at(time_s), np.float64)
