"""Motion of head and trunk: sway, breathing, the recoil of the heartbeat, blinks. Millimetres and radians."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perfuse.synth.fields import F64, GRID_HZ, coloured, power_law
from perfuse.synth.physiology.lungs import Breathing

MOTIONS = {"none": 0.0, "tripod": 0.3, "still": 1.0, "restless": 3.0}
"""Sway relative to somebody who holds a phone and sits still; ``none`` also stops breathing and recoil."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Where things are at the times of the frames, one row per frame.

    Attributes
    ----------
    head_mm : ndarray, (T, 2)
        Head to the right and down.
    head_rad : ndarray, (T, 3)
        Its rotation about x (pitch), y (yaw) and z (roll).
    body_mm : ndarray, (T, 2)
        Trunk to the right and down.
    closed : ndarray, (T,)
        How far the lids are down, 0 to 1.
    """

    head_mm: F64
    head_rad: F64
    body_mm: F64
    closed: F64


def move(rng: np.random.Generator, kind: str, time_s: F64, lungs: Breathing, beats_s: F64) -> Motion:
    """Draw the motion of one subject and sample it at ``time_s``.

    Sway follows the spectrum measured on a hand-held clip of a sitting man: 2.5 mm across, 3.9 mm vertically, half a
    degree, falling as f**-1.7 to f**-2.7 above 0.1 Hz. Breathing lifts the shoulders by 1 to 4 mm and the head by
    less. Recoil (ballistocardiogram) is a damped 5 Hz burst of about 0.1 mm after each beat (Balakrishnan 2013).
    """
    size = MOTIONS[kind]
    span = float(time_s[-1]) + 1.0
    grid = np.arange(int(np.ceil(span * GRID_HZ)) + 1) / GRID_HZ

    def sway(sd: float) -> F64:
        wander = coloured(rng, span, power_law(float(rng.uniform(1.9, 2.7)), 0.12))
        return size * sd * np.interp(time_s, grid, wander)

    sd_x, sd_y = 1.6 * np.exp(0.3 * rng.standard_normal(2)) * (1.0, 1.2)
    turn = np.deg2rad(0.4) * np.exp(0.3 * rng.standard_normal())
    x, y = sway(sd_x), sway(sd_y)
    rad = np.stack([sway(turn), sway(turn), sway(0.8 * turn)], axis=1)
    alive = 1.0 if size > 0 else 0.0
    lift = alive * float(np.clip(2.2 * np.exp(0.3 * rng.standard_normal()), 1.2, 4.0))
    nod = alive * rng.uniform(0.3, 1.2), alive * np.deg2rad(rng.uniform(0.05, 0.25)), rng.uniform(0.0, 0.3)
    breath = lungs.at(time_s)
    late = lungs.at(time_s - nod[2])
    kick = alive * _recoil(rng, time_s, beats_s)
    rad[:, 0] += nod[1] * late + np.deg2rad(0.3) * kick
    head = np.stack([x + 0.5 * kick, y - nod[0] * late + kick], axis=1)
    body = np.stack([0.5 * x, 0.35 * y - lift * breath], axis=1)
    return Motion(head, rad, body, alive * _blinks(rng, time_s))


def _recoil(rng: np.random.Generator, time_s: F64, beats_s: F64) -> F64:
    """Vertical recoil in mm: a damped burst after each beat."""
    height = 0.06 * np.clip(np.exp(0.5 * rng.standard_normal()), 0.3, 3.0)
    freq, delay = rng.uniform(4.0, 6.0), rng.uniform(0.08, 0.12)
    since = time_s[:, None] - beats_s[None, :] - delay
    burst = (
        np.exp(-np.clip(since, 0.0, 5.0) / 0.15) * np.sin(2.0 * np.pi * freq * since) * (since > 0) * (since < 1.5)
    )
    return np.asarray(height * burst.sum(axis=1))


def _blinks(rng: np.random.Generator, time_s: F64) -> F64:
    """How far the lids are closed: about 17 blinks a minute (Bentivoglio 1997), a fifth of a second each."""
    rate = np.clip(17.0 * np.exp(0.45 * rng.standard_normal()), 5.0, 35.0) / 60.0
    span = float(time_s[-1])
    gaps = 0.6 + rng.gamma(1.5, (1.0 / rate - 0.6) / 1.5, int(2 * span * rate) + 10)
    starts = np.cumsum(gaps)
    closed = np.zeros_like(time_s)
    for start, length in zip(starts, rng.uniform(0.16, 0.28, len(starts)), strict=True):
        phase = (time_s - start) / length
        lid = np.clip(np.minimum(phase / 0.3, (1.0 - phase) / 0.5), 0.0, 1.0)
        closed = np.maximum(closed, lid)
    return closed
