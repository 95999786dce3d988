"""When frames are taken and what times their file carries: jitter, lost and repeated frames, clocks that are off."""

from __future__ import annotations

import math

import numpy as np

from perfuse.core.errors import UsageError
from perfuse.synth.fields import F64

LIMIT = 0.45
"""Jitter is clipped to this share of a period, so that frames keep their order."""

BURST = (0.4, 0.3, 0.2, 0.1)
"""Shares of losses that are 1, 2, 3 and 4 frames long (ASSUMED); two on average."""

LAWS = ("normal", "gamma")
"""Shapes of jitter: about as often early as late, or mostly punctual and now and then late."""


def frame_times(
    rng: np.random.Generator,
    duration_s: float,
    rate_hz: float,
    jitter_s: float = 0.0,
    drop: float = 0.0,
    *,
    duplicate: float = 0.0,
    clock_ppm: float = 0.0,
    law: str = "normal",
    slow_s: tuple[float, float] | None = None,
) -> F64:
    """Draw the time at which each frame's picture was taken.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    duration_s, rate_hz : float
        Length of the clip and nominal frames per second.
    jitter_s : float
        Standard deviation of the capture times about the nominal ones; clipped to 0.45 of a period.
    drop : float
        Share of the frames that is lost, in bursts of 1 to 4; the first and the last are kept.
    duplicate : float
        Share of the frames that show the picture of the frame before once more: their time is that of the frame
        before, and :func:`stamps` tells the time their file gives them. Neither the first nor the last.
    clock_ppm : float
        How many parts per million the camera's clock is slow: its seconds last that much longer.
    law : str
        ``"normal"`` or ``"gamma"`` (shape 2: late rather than early, as where a computer is busy).
    slow_s : tuple of float, optional
        (start, end) of a stretch at half the rate, as webcams fall back to in low light.

    Returns
    -------
    ndarray, float64, (T,)
        Seconds from 0 on: increasing, except that duplicates repeat a time.

    Raises
    ------
    UsageError
        If a value is out of range.
    """
    _check(duration_s, rate_hz, jitter_s, drop, duplicate, clock_ppm, law)
    count = max(2, math.floor(duration_s * rate_hz + 1e-9))
    time = np.arange(count) / rate_hz + np.clip(
        jitter_s * _deviates(rng, count, law), -LIMIT / rate_hz, LIMIT / rate_hz
    )
    time -= time[0]
    keep = np.ones(count, bool)
    starts = np.flatnonzero(rng.random(count) < drop / 2.0)
    for start, length in zip(starts, rng.choice([1, 2, 3, 4], len(starts), p=BURST), strict=True):
        keep[start : start + length] = False
    if slow_s is not None:
        nominal = np.arange(count) / rate_hz
        keep[(nominal >= slow_s[0]) & (nominal < slow_s[1]) & (np.arange(count) % 2 == 1)] = False
    keep[[0, -1]] = True
    time = time[keep]
    if duplicate > 0.0:
        repeated = rng.random(count)[keep] < duplicate
        repeated[[0, -1]] = False
        time = time[np.maximum.accumulate(np.where(repeated, 0, np.arange(len(time))))]
    return np.asarray(time * (1.0 + 1e-6 * clock_ppm))


def _check(
    duration_s: float, rate_hz: float, jitter_s: float, drop: float, duplicate: float, clock_ppm: float, law: str
) -> None:
    """Refuse what makes no times."""
    limits = (
        ("duration_s", duration_s, 0.0, 86_400.0),
        ("rate_hz", rate_hz, 0.1, 1000.0),
        ("jitter_s", jitter_s, 0.0, 1.0),
        ("drop", drop, 0.0, 0.9),
        ("duplicate", duplicate, 0.0, 0.9),
        ("clock_ppm", clock_ppm, -10_000.0, 10_000.0),
    )
    for name, value, low, high in limits:
        if not low <= value <= high:
            raise UsageError(f"{name} = {value!r} was given.", f"Pass a number from {low:g} to {high:g}.")
    if law not in LAWS:
        raise UsageError(f"There is no law of jitter called {law!r}.", f"Available: {', '.join(LAWS)}.")


def _deviates(rng: np.random.Generator, count: int, law: str) -> F64:
    """Numbers of mean 0 and standard deviation 1."""
    if law == "normal":
        return rng.standard_normal(count)
    return np.asarray((rng.standard_gamma(2.0, count) - 2.0) / math.sqrt(2.0))


def stamps(times_s: F64) -> F64:
    """Return the times a file gives to frames taken at ``times_s``: the same, but duplicates get times of their own.

    Parameters
    ----------
    times_s : ndarray, (T,)
        As from :func:`frame_times`: not decreasing, and the last not a duplicate.

    Returns
    -------
    ndarray, float64, (T,)
        Increasing: duplicates are spread evenly up to the next picture.
    """
    times = np.asarray(times_s, np.float64)
    own = np.flatnonzero(np.diff(times, prepend=-np.inf) > 0)
    return np.interp(np.arange(len(times)), own, times[own])


def arrival_times(
    rng: np.random.Generator, times_s: F64, *, delay_s: tuple[float, float] = (0.005, 0.040), gap_s: float = 0.0005
) -> F64:
    """Return when frames arrived at a program that stamps them on arrival: about a tenth of recorders (ASSUMED).

    Parameters
    ----------
    rng : Generator
        Source of chance.
    times_s : ndarray, (T,)
        When they were taken, as from :func:`frame_times`.
    delay_s : tuple of float
        Range of the delay: most frames come near its start, late ones up to its end.
    gap_s : float
        Frames never arrive closer together than this: a late frame makes the next ones queue up behind it.

    Returns
    -------
    ndarray, float64, (T,)
        Increasing; on the clock of ``times_s``, so every time is later than the frame's own.

    Raises
    ------
    UsageError
        If the range is none.
    """
    low, high = delay_s
    if not 0.0 <= low <= high:
        raise UsageError(f"delay_s = {delay_s!r} was given.", "Pass the shortest and the longest delay.")
    times = stamps(times_s)
    spread = np.minimum(rng.standard_gamma(1.5, len(times)) / 5.0, 1.0)
    queue = gap_s * np.arange(len(times))
    return np.asarray(np.maximum.accumulate(times + low + (high - low) * spread - queue) + queue)
