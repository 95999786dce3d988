"""Lungs: breath after breath, each with its own length and depth.

Inspiration is a raised cosine, expiration falls like an exponential of a third of its length, and some breaths end
in a pause (after the defaults of BreathMetrics). Now and then there is a sigh. Three styles: ``calm``, ``speech``
(quick inspiration, long and irregular expiration) and ``periodic`` (bursts and pauses, as newborns breathe).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from perfuse.core.errors import UsageError
from perfuse.synth.fields import F64, GRID_HZ

STYLES = ("calm", "speech", "periodic")
"""Ways of breathing."""

PAUSE_S = (5.0, 10.0)
"""Pauses of periodic breathing in newborns (5 to 20 s are published; longer ones are apnoea)."""

ACTIVE_SHARE = 0.65
"""Share of the time that somebody who breathes periodically does breathe (ASSUMED)."""

SHORTEST_S = 0.45
"""No breath is shorter, but for the stretch that meets the mean rate (ASSUMED: 133 /min)."""


@dataclass(frozen=True, slots=True)
class Breathing:
    """Breaths placed in time, and the volume they make.

    Attributes
    ----------
    onsets_s : ndarray, float64
        Begin of every inspiration, from before the first to after the last moment of the recording.
    start_s : float
        Time of the first sample.
    volume : ndarray, float64
        Lung volume at :data:`GRID_HZ`, 0 at rest and about 1 at the end of a normal inspiration (a sigh: 2 to 5).
    """

    onsets_s: F64
    start_s: float
    volume: F64

    def at(self, time_s: F64) -> F64:
        """Volume at any times within the recording."""
        return np.interp(time_s, self.start_s + np.arange(len(self.volume)) / GRID_HZ, self.volume)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Breath by breath (N,): whole length in s, share of it that is a pause at the end, depth, sigh or not."""

    length_s: F64
    pause: F64
    depth: F64
    sigh: np.ndarray


def breathe(
    rng: np.random.Generator,
    per_minute: float,
    before_s: float,
    duration_s: float,
    *,
    style: str = "calm",
    sighs_per_hour: float = 12.0,
    spread: float | None = None,
) -> Breathing:
    """Place breaths at a mean rate over 0 .. ``duration_s``, starting ``before_s`` earlier and ending later.

    A pause belongs to the breath it follows, so that the mean rate counts pauses as time. It is met exactly: all
    breaths of the recording are stretched by one factor, which is near 1 unless there is room for a few breaths only.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    per_minute : float
        Breaths per minute, 4 to 90.
    before_s, duration_s : float
        Seconds before time 0 and after it.
    style : str
        One of :data:`STYLES`. ``speech``: inspiration within 0.4 to 0.6 s (faster where a breath is shorter than
        1.2 s), expiration takes the rest. ``periodic``: bursts of breaths and pauses of 5 to 10 s, but of no more
        than half the recording.
    sighs_per_hour : float
        Mean number, 0 to 200: adults about 12, newborns 20 to 50 (Li and Yackle 2017). A sigh is 2 to 5 times as
        deep, rises in two steps, and half of them are followed by a pause of 2 to 8 s.
    spread : float, optional
        Coefficient of variation of the lengths of breaths, 0 to 0.6. By default uniform in 0.10 to 0.40 (after
        Benchetrit 2000; sizes ASSUMED), 0.30 to 0.45 in speech and 0.05 to 0.12 within bursts.

    Raises
    ------
    UsageError
        If a value lies outside its range or there is no such style.
    """
    within("per_minute", per_minute, 4.0, 90.0)
    within("sighs_per_hour", sighs_per_hour, 0.0, 200.0)
    if spread is not None:
        within("spread", spread, 0.0, 0.6)
    if style not in STYLES:
        raise UsageError(f"There is no style of breathing called {style!r}.", f"Available: {', '.join(STYLES)}.")
    period = 60.0 / per_minute
    first = math.ceil(3.0 * before_s / period) + 3
    count = 2 * first + math.ceil(1.5 * duration_s / period) + 12
    plan = _plan(rng, style, period, count, duration_s, sighs_per_hour, spread)
    onsets = np.concatenate([[0.0], np.cumsum(plan.length_s)])
    onsets = onsets - onsets[first] - rng.uniform(0.0, plan.length_s[first])
    onsets = to_rate(onsets, duration_s, per_minute)
    length = np.diff(onsets)
    if style == "speech":
        rise = np.minimum(rng.uniform(0.4, 0.6, count) / length, 0.5 - 0.5 * plan.pause)
    else:
        duty = np.clip(rng.normal(0.40, 0.06) + 0.02 * rng.standard_normal(count), 0.25, 0.60)
        rise = duty * (1.0 - plan.pause)
    time = np.arange(-before_s, duration_s + before_s, 1.0 / GRID_HZ)
    return Breathing(onsets, -before_s, _volume(time, onsets, plan, rise, style == "speech"))


def mean_rate(events_s: F64, duration_s: float) -> float:
    """Cycles per minute that pass between 0 and ``duration_s``, where unfinished cycles count by their share."""
    count = np.interp([0.0, duration_s], events_s, np.arange(len(events_s)))
    return float(60.0 * (count[1] - count[0]) / duration_s)


def to_rate(events_s: F64, duration_s: float, per_minute: float) -> F64:
    """Stretch events about time 0 until their mean rate over the recording is ``per_minute``."""
    order = np.arange(len(events_s))
    last = np.interp(0.0, events_s, order) + per_minute * duration_s / 60.0
    return np.asarray(events_s * (duration_s / float(np.interp(last, order, events_s))))


def memory(rng: np.random.Generator, shape: int | tuple[int, ...], keep: float) -> F64:
    """Unit-variance noise in which each value keeps a share of the one before along the first axis (AR(1)).

    The recursion is unrolled by doubling: exact to ``keep**256``.
    """
    out = rng.standard_normal(shape)
    out[1:] *= math.sqrt(1.0 - keep * keep)
    step = 1
    while step < min(len(out), 256):
        out[step:] = out[step:] + keep**step * out[:-step]
        step *= 2
    return out


def within(name: str, value: float, low: float, high: float) -> None:
    """Refuse what is not a number in [low, high]."""
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise UsageError(f"{name} = {value!r} was given.", f"Pass a number from {low:g} to {high:g}.")


def _plan(
    rng: np.random.Generator,
    style: str,
    period_s: float,
    count: int,
    duration_s: float,
    sighs_per_hour: float,
    spread: float | None,
) -> _Plan:
    """Draw lengths, pauses and depths of ``count`` breaths."""
    usual = {"calm": (0.10, 0.40), "speech": (0.30, 0.45), "periodic": (0.05, 0.12)}[style]
    spread = float(rng.uniform(*usual)) if spread is None else spread
    varied = np.exp(spread * memory(rng, count, 0.3) - 0.5 * spread * spread)
    active = np.clip(period_s * varied, max(0.35 * period_s, min(SHORTEST_S, 0.8 * period_s)), 2.8 * period_s)
    depth = np.exp(rng.uniform(0.12, 0.40) * memory(rng, count, 0.3))
    # 30 % of the breaths end in a rest of a fifth of their length, +-50 % (BreathMetrics' defaults).
    rest = np.clip(0.2 * (1.0 + 0.5 * rng.standard_normal(count)), 0.0, 0.35) * (rng.random(count) < 0.3)
    extra = np.zeros(count)
    if style == "speech":
        rest = np.zeros(count)
        depth *= 1.3 * (active / period_s) ** 0.6  # long sentences need deeper breaths (ASSUMED)
    if style == "periodic":
        share = max(ACTIVE_SHARE, min(SHORTEST_S / period_s, 1.0))
        active = share * active
        extra, wax = _bursts(rng, share * period_s, share, count, 0.5 * duration_s)
        depth *= wax
    sigh = rng.random(count) < min(sighs_per_hour / 3600.0 * period_s, 0.3)
    depth = np.clip(depth, 0.4, 2.2) * np.where(sigh, rng.uniform(2.0, 5.0, count), 1.0)
    active = np.where(sigh, np.maximum(active * rng.uniform(1.2, 1.6, count), 1.5), active)
    # A pause must leave room for breathing in a short recording.
    after = np.minimum(rng.uniform(2.0, 8.0, count), 0.25 * duration_s)
    extra = extra + np.where(sigh & (rng.random(count) < 0.5), after, 0.0)
    length = active + extra
    return _Plan(length, (rest * active + extra) / length, depth, sigh)


def _bursts(rng: np.random.Generator, period_s: float, share: float, count: int, longest_s: float) -> tuple[F64, F64]:
    """Pause in s after each breath, and a depth that waxes and wanes within bursts."""
    extra, wax = np.zeros(count), np.ones(count)
    at = -int(rng.integers(0, 8))  # begin anywhere in a burst
    while share < 1.0 and at < count:
        pause = min(float(rng.uniform(*PAUSE_S)), longest_s)
        number = max(1, round(pause * share / (1.0 - share) / period_s))
        last = at + number - 1
        if 0 <= last < count:
            extra[last] = number * period_s * (1.0 - share) / share
        inside = np.arange(max(at, 0), min(last + 1, count))
        wax[inside] = 0.7 + 0.45 * np.sin(np.pi * (inside - at + 0.5) / number)
        at = last + 1
    return extra, wax


def _volume(time_s: F64, onsets_s: F64, plan: _Plan, rise: F64, speech: bool) -> F64:
    """Lung volume at given times; ``rise`` is the share of each breath that is inspiration."""
    breath = np.clip(np.searchsorted(onsets_s, time_s, side="right") - 1, 0, len(rise) - 1)
    phase = (time_s - onsets_s[breath]) / (onsets_s[breath + 1] - onsets_s[breath])
    up, pause = rise[breath], plan.pause[breath]
    way = np.clip(phase / up, 0.0, 1.0)
    inspiration = 0.5 - 0.5 * np.cos(np.pi * way)
    if plan.sigh.any():
        second = 0.225 * (1.0 - np.cos(np.pi * np.clip(way / 0.55, 0.0, 1.0)))
        second += 0.275 * (1.0 - np.cos(np.pi * np.clip((way - 0.45) / 0.55, 0.0, 1.0)))
        inspiration = np.where(plan.sigh[breath], second, inspiration)
    out = np.clip((phase - up) / np.maximum(1.0 - pause - up, 1e-3), 0.0, 1.0)
    if speech:
        # Speech needs an even flow of air; the ends are rounded.
        expiration = 0.7 * (1.0 - out) + 0.15 * (1.0 + np.cos(np.pi * out))
    else:
        # A quadratic start joins the end of inspiration without a corner; then the exponential of expiration.
        expiration = (np.exp(-3.0 * out**1.3) - np.exp(-3.0)) / (1.0 - np.exp(-3.0))
    return np.asarray(plan.depth[breath] * np.where(phase < up, inspiration, expiration))
