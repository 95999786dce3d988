"""What a camera does to the brightness and colour of a whole picture: exposure and white balance loops.

Everything is a trajectory over the times of the frames. What is drawn depends on the generator and on time alone, not
on how the frames sample it, unless stated.
"""

from __future__ import annotations

import math

import numpy as np

from perfuse.core.errors import UsageError
from perfuse.synth.fields import F64, GRID_HZ, coloured, power_law

MODES = ("locked", "slow", "on", "pumping")
"""Ways of a control loop: fixed; gliding; waiting in a dead band, then correcting; over-correcting."""


def exposure_time(lux: float, rate_hz: float, *, mains_hz: float | None = None) -> tuple[float, float]:
    """Return exposure time in s and gain relative to ISO 100 for a correctly exposed face.

    Parameters
    ----------
    lux : float
        Illuminance on the face.
    rate_hz : float
        Frames per second: an exposure fits into 0.95 of a period.
    mains_hz : float, optional
        Mains frequency an anti-flicker control guards against: the exposure is then a whole number of half periods of
        the mains, where one fits.

    Notes
    -----
    Incident-light equation of ISO 2720, ``t = C N^2 / (E S)``, with C = 250 and an aperture of 1.8 (phones, ASSUMED).
    """
    if not (lux > 0 and rate_hz > 0):
        raise UsageError(f"lux = {lux!r} and rate_hz = {rate_hz!r} were given.", "Pass numbers above 0.")
    needed = 250.0 * 1.8**2 / (100.0 * lux)
    time = min(needed, 0.95 / rate_hz)
    if mains_hz is not None:
        time = snapped(time, mains_hz)
    return time, max(1.0, needed / time)


def snapped(exposure_s: float, mains_hz: float) -> float:
    """Round down to whole half periods of the mains; shorter exposures stay."""
    periods = math.floor(exposure_s * 2.0 * mains_hz + 1e-9)
    return periods / (2.0 * mains_hz) if periods else exposure_s


def exposure_gain(
    luma: F64,
    times_s: F64,
    *,
    mode: str = "on",
    target: float | None = None,
    tau_s: float = 0.7,
    dead_band: float = 0.05,
    step: float = 1.0 / 48.0,
) -> F64:
    """Follow the brightness of a clip as automatic exposure does.

    Parameters
    ----------
    luma : ndarray, (T,)
        Mean linear luma the picture would have at gain 1, as the camera weighs it (whole picture, or mostly the
        face). The pulse in it is followed too, as real cameras do.
    times_s : ndarray, (T,)
        Seconds, increasing.
    mode : str
        One of :data:`MODES`: ``"locked"``: the first frame's gain throughout; ``"slow"``: continuously, five times
        slower, without dead band or steps; ``"on"``; ``"pumping"``: half the dead band, and on measurements so old
        that the loop overshoots and rings after every change, with a period of about 5 ``tau_s``.
    target : float, optional
        Wanted luma; by default that of the first frame, so that the clip starts settled at gain 1.
    tau_s : float
        Time constant of the loop; cameras 0.3 to 1.5 s (ASSUMED).
    dead_band : float
        Relative error that is tolerated; once left, the loop corrects down to a quarter of it. Cameras 0.03 to 0.08.
    step : float
        Gains are whole multiples of this, in stops (EV). Old webcams step by 1/6 to 1/3; a coarse step beside a
        narrow dead band hunts, as there.

    Returns
    -------
    ndarray, float64, (T,)
        Gain by which each frame's light is multiplied, 1/16 to 16 times the first.

    Raises
    ------
    UsageError
        If the mode is unknown, lengths differ, or the luma or a constant is not positive.
    """
    values, times = np.asarray(luma, np.float64), np.asarray(times_s, np.float64)
    _check_mode(mode)
    if values.shape != times.shape or values.ndim != 1 or not len(values):
        raise UsageError(f"luma {values.shape} and times {times.shape} were given.", "Pass one value per time.")
    if not (np.all(values > 0) and np.all(np.isfinite(values)) and (target is None or target > 0)):
        raise UsageError("A luma of 0 or below was given.", "Pass positive light.")
    if not (tau_s > 0 and dead_band >= 0 and step >= 0):
        raise UsageError("A negative constant was given.", "Pass tau_s above 0, dead_band and step from 0 on.")
    wanted = math.log(values[0] if target is None else target)
    start = wanted - math.log(values[0])
    if mode == "locked":
        return np.full(len(values), math.exp(start))
    if mode == "slow":
        tau_s, dead_band, step = 5.0 * tau_s, 0.0, 0.0
    delay = 0.0
    if mode == "pumping":
        dead_band, delay, step = 0.5 * dead_band, 1.2 * tau_s, max(step, 1.0 / 12.0)
    quantum = step * math.log(2.0)
    return np.exp(_loop(np.log(values), times, wanted, start, (tau_s, dead_band, quantum, delay)))


def _loop(light: F64, times: F64, wanted: float, start: float, constants: tuple[float, float, float, float]) -> F64:
    """Return log gains of a loop that measures one frame (and ``delay``) later what it has done."""
    tau_s, dead_band, quantum, delay = constants
    gains = np.empty(len(light))
    gains[0] = exact = start
    seen = np.maximum(np.searchsorted(times, times - delay, side="right") - 1, 0)
    busy = False
    for k in range(1, len(light)):
        old = min(int(seen[k]), k - 1)
        error = wanted - (light[old] + gains[old])
        busy = abs(error) > (0.25 * dead_band if busy else dead_band)
        if busy or dead_band == 0.0:
            exact += error * -math.expm1(-(times[k] - times[k - 1]) / tau_s)
            exact = min(max(exact, start - 2.77), start + 2.77)
        gains[k] = start + quantum * round((exact - start) / quantum) if quantum else exact
    return gains


def _check_mode(mode: str) -> None:
    """Refuse a loop there is not."""
    if mode not in MODES:
        raise UsageError(f"There is no control called {mode!r}.", f"Available: {', '.join(MODES)}.")


def white_balance(rng: np.random.Generator, times_s: F64, mode: str = "on", *, colour: F64 | None = None) -> F64:
    """Draw how the white balance wanders.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    times_s : ndarray, (T,)
        Seconds from 0 on, increasing.
    mode : str
        One of :data:`MODES`. ``"locked"``: 1 throughout; ``"slow"``: gliding by 1 %; ``"on"``: by 2.5 %, in steps of
        up to 2 % every 0.5 to 2 s, as webcams do; ``"pumping"``: by 5 %.
    colour : ndarray, (T, 3), optional
        Mean red, green and blue light of the picture: the control also takes away 70 % of its changes of colour
        (grey world), with the delay of its time constant.

    Returns
    -------
    ndarray, float64, (T, 3)
        Gains of red, green (always 1) and blue, 1 at the start.

    Notes
    -----
    Red and blue drift as Ornstein-Uhlenbeck processes of 2 to 10 s, opposite to each other for the most part: the
    estimate moves along the line from warm to cool light (spec: all ASSUMED).
    """
    _check_mode(mode)
    times = np.asarray(times_s, np.float64)
    corner = 1.0 / (2.0 * np.pi * rng.uniform(2.0, 10.0) * (4.0 if mode == "slow" else 1.0))
    size = {"locked": 0.0, "slow": 0.01, "on": 0.025, "pumping": 0.05}[mode]
    span = float(times[-1]) + 1.0
    grid = np.arange(math.ceil(span * GRID_HZ) + 1) / GRID_HZ
    warm, tint = (coloured(rng, span, power_law(2.0, corner)) for _ in range(2))
    wanted = size * np.stack([0.9 * warm + 0.3 * tint, -0.9 * warm + 0.3 * tint], axis=1)
    if colour is not None and mode != "locked":
        log = np.log(np.maximum(np.asarray(colour, np.float64), 1e-6))
        cast = np.stack([np.interp(grid, times, log[:, k] - log[:, 1]) for k in (0, 2)], axis=1)
        wanted = wanted - 0.7 * _late(cast, 1.0 / (2.0 * np.pi * corner))
    wanted -= wanted[0]
    if mode in ("on", "pumping"):
        wanted = _stepped(rng, wanted, 0.02 if mode == "on" else 0.04)
    gains = np.ones((len(times), 3))
    if mode != "locked":
        gains[:, 0], gains[:, 2] = (np.exp(np.interp(times, grid, wanted[:, k])) for k in (0, 1))
    return gains


def _late(values: F64, tau_s: float) -> F64:
    """First-order lag of (N, C) on the grid, settled at the start."""
    keep = math.exp(-1.0 / (GRID_HZ * tau_s))
    late = np.empty_like(values)
    state = values[0].copy()
    for k, value in enumerate(values):
        state = keep * state + (1.0 - keep) * value
        late[k] = state
    return late


def _stepped(rng: np.random.Generator, wanted: F64, most: float) -> F64:
    """Approach (N, 2) on the grid in steps of at most ``most``, one every 0.5 to 2 s."""
    held = np.empty_like(wanted)
    state, k = wanted[0].copy(), 0
    while k < len(wanted):
        hold = int(GRID_HZ * rng.uniform(0.5, 2.0))
        state = state + np.clip(wanted[k] - state, -most, most)
        held[k : k + hold] = state
        k += hold
    return held
