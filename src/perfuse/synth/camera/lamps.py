"""Lamps, screens and clouds: light that changes on its own, as factors for whole frames or for their rows.

Everything is a trajectory over the times of the frames. What is drawn depends on the generator and on time alone, not
on how the frames sample it, unless stated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import UsageError
from perfuse.synth.camera.control import snapped
from perfuse.synth.fields import F64, GRID_HZ, Field, coloured, power_law

HARMONICS = 4
"""Of twice the mains frequency that flicker is made of."""

SCENE_S = 4.0
"""Mean time between two cuts on a screen (ASSUMED)."""


def mains_flicker(
    rng: np.random.Generator,
    times_s: F64,
    rows: int,
    *,
    depth: float,
    mains_hz: float = 50.0,
    exposure_s: float = 0.01,
    readout_s: float = 0.0,
    anti_flicker: bool = False,
) -> Field:
    """Return how much light each row of each frame got from lamps that flicker with the mains.

    Parameters
    ----------
    rng : Generator
        Source of chance: phase and wander of the mains.
    times_s : ndarray, (T,)
        When each frame's first row begins to be exposed, s.
    rows : int
        Rows of a frame; 1 for the frame as a whole.
    depth : float
        How deep the light falls, 0 to 1 of its mean: light bulbs 0.05 to 0.15, fluorescent tubes 0.2 to 0.4, cheap
        LED lamps up to 1.
    mains_hz : float
        Frequency of the mains, 50 or 60; light flickers at twice that.
    exposure_s : float
        Time for which each row collects light.
    readout_s : float
        Time from the first row to the last: a rolling shutter, 0.01 to 0.033; 0 for a global one.
    anti_flicker : bool
        Whether the camera rounds the exposure down to whole half periods of the mains.

    Returns
    -------
    ndarray, float32, (T, rows)
        Factors of mean 1.

    Raises
    ------
    UsageError
        If a value is out of range.

    Notes
    -----
    Light is ``1 - depth + depth (pi / 2) |sin(2 pi f t)|`` (mean 1), averaged over the exposure: its k-th
    harmonic is multiplied by ``sinc(2 k f exposure)``. Aliasing with the frame rate follows from the sampling. The
    mains are off by 0.02 Hz and wander by 0.02 Hz over half a minute (standard deviations, ASSUMED).
    """
    times = np.asarray(times_s, np.float64)
    limits = (("depth", depth, 0, 1), ("mains_hz", mains_hz, 40, 70), ("rows", rows, 1, 1 << 16))
    for name, value, low, high in (*limits, ("exposure_s", exposure_s, 0, 10), ("readout_s", readout_s, 0, 1)):
        if not low <= value <= high:
            raise UsageError(f"{name} = {value!r} was given.", f"Pass a number from {low:g} to {high:g}.")
    span = float(times[-1]) + exposure_s + readout_s + 1.0
    start, off = rng.uniform(0.0, 1.0), 0.02 * rng.standard_normal()
    wander = 0.02 * np.cumsum(coloured(rng, span, power_law(2.0, 0.005))) / GRID_HZ
    if anti_flicker:
        exposure_s = snapped(exposure_s, mains_hz)
    middle = times[:, None] + readout_s * np.arange(rows)[None, :] / rows + 0.5 * exposure_s
    cycles = start + 2.0 * ((mains_hz + off) * middle + np.interp(middle, np.arange(len(wander)) / GRID_HZ, wander))
    light = np.ones_like(cycles)
    for k in range(1, HARMONICS + 1):
        seen = np.sinc(2.0 * k * mains_hz * exposure_s)
        light -= depth * 2.0 / (4.0 * k * k - 1.0) * seen * np.cos(2.0 * np.pi * k * cycles)
    return np.asarray(np.maximum(light, 0.0), np.float32)


def screen_light(rng: np.random.Generator, times_s: F64, share: float = 1.0) -> F64:
    """Draw the light of a screen that shows a film.

    Parameters
    ----------
    rng : Generator
        Source of chance. The same generator gives a longer clip the same beginning.
    times_s : ndarray, (T,)
        Seconds from 0 on, increasing.
    share : float
        Share of all light that comes from the screen, 0 to 1; of a face's light 0.05 to 0.4 in a dim room.

    Returns
    -------
    ndarray, float64, (T, 3)
        Factors for red, green and blue of all light together: ``1 - share + share * screen``, where the screen's own
        light (``share`` 1) is about 1 in the mean.

    Notes
    -----
    Scenes last 4 s in the mean (exponential). Each has a brightness (0.2 to 2), a tint and a content that flickers at
    0.2 to 3 Hz by up to 15 % (all ASSUMED).
    """
    if not 0.0 <= share <= 1.0:
        raise UsageError(f"share = {share!r} was given.", "Pass a number from 0 to 1.")
    times = np.asarray(times_s, np.float64)
    light = np.ones((len(times), 3))
    begin = -rng.exponential(SCENE_S)
    while begin <= times[-1]:
        end = begin + rng.exponential(SCENE_S)
        bright = float(np.clip(np.exp(0.6 * rng.standard_normal() - 0.18), 0.2, 2.0))
        tint = np.exp(0.2 * rng.standard_normal(3))
        depth, rate, phase = 0.15 * rng.random(2), np.exp(rng.uniform(np.log(0.2), np.log(3.0), 2)), rng.random(2)
        inside = (times >= begin) & (times < end)
        waves = np.cos(2.0 * np.pi * (rate * times[inside, None] + phase)) @ (0.5 * depth)
        light[inside] = bright * tint / tint.mean() * (1.0 + waves[:, None])
        begin = end
    return 1.0 - share + share * light


def light_steps(
    rng: np.random.Generator, times_s: F64, per_minute: float, *, shares: tuple[float, float, float] = (0.3, 0.4, 0.3)
) -> F64:
    """Draw sudden changes of the light.

    Parameters
    ----------
    rng : Generator
        Source of chance. The same generator gives a longer clip the same beginning.
    times_s : ndarray, (T,)
        Seconds from 0 on, increasing.
    per_minute : float
        How many to expect.
    shares : tuple of float
        Of clouds (the light changes by 10 to 40 % within 2 to 20 s, comes back as slowly after 5 to 40 s), of people
        passing by (5 to 30 % darker for 1 to 5 s) and of lamps switched (20 to 60 %, at once, and back after 3 to
        30 s).

    Returns
    -------
    ndarray, float64, (T,)
        Factors about 1, between 0.1 and 4.

    Raises
    ------
    UsageError
        If the rate or the shares are negative.
    """
    if not (per_minute >= 0 and min(shares) >= 0 and sum(shares) > 0):
        raise UsageError(f"{per_minute!r} changes per minute were asked for.", "Pass numbers from 0 on.")
    times = np.asarray(times_s, np.float64)
    log = np.zeros(len(times))
    edges = np.cumsum(shares) / sum(shares)
    at = 0.0
    while per_minute > 0 and (at := at + rng.exponential(60.0 / per_minute)) <= times[-1]:
        kind, sign, size, ramp, stay = rng.random(5)
        if kind < edges[0]:
            change, rise, hold = (
                np.log1p((0.1 + 0.3 * size) * (-1 if sign < 0.7 else 1)),
                2 + 18 * ramp,
                5 + 35 * stay,
            )
        elif kind < edges[1]:
            change, rise, hold = np.log1p(-0.05 - 0.25 * size), 0.2 + 0.6 * ramp, 1 + 4 * stay
        else:
            change, rise, hold = (
                np.log1p((0.2 + 0.4 * size) * (-1 if sign < 0.5 else 1)),
                0.03 + 0.07 * ramp,
                3 + 27 * stay,
            )
        log += change * (_ramp((times - at) / rise) - _ramp((times - at - rise - hold) / rise))
    return np.clip(np.exp(log), 0.1, 4.0)


def _ramp(x: F64) -> NDArray[np.float64]:
    """Rise smoothly from 0 at 0 to 1 at 1."""
    t = np.clip(x, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))
