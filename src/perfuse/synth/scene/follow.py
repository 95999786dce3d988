"""Following: where a face tracker puts its box on a moving head, so that crops move as they do in use."""

from __future__ import annotations

import numpy as np

from perfuse.core.frame import Box
from perfuse.face.detector import Detection
from perfuse.face.track import Track
from perfuse.synth.fields import F64
from perfuse.synth.person.look import Look
from perfuse.synth.person.shape import chin_y

ERROR = (0.044, 0.047, 0.05)
"""Standard deviations of where BlazeFace's box lies across, down (head units) and of its relative side."""

LOOK_S = (0.15, 1 / 3)
"""Time between two looks of :class:`perfuse.face.tracker.Tracker`."""

JITTER = 0.004
"""Standard deviation of the detector's box from look to look, in boxes (measured on a still clip)."""


def usual_box(look: Look) -> tuple[float, float]:
    """Height of the centre and side of BlazeFace's box on a head (head units): a fit to 60 painted ones."""
    chin = chin_y(look)
    return 0.041 + 0.266 * chin, 0.894 + 0.753 * chin


def follow(rng: np.random.Generator, shift: F64, time_s: F64, side: float) -> F64:
    """Return how far the tracked box has moved at each frame, (T, 2) in head units.

    Parameters
    ----------
    rng : Generator
        Source of chance of the detector's jitter.
    shift : ndarray, (T, 2)
        Where the head is, in head units.
    time_s : ndarray, (T,)
        Capture times.
    side : float
        Of the box, in head units.

    Notes
    -----
    The looks go through the very damping that :mod:`perfuse.face.track` applies to real ones.
    """
    looks = np.arange(time_s[0], time_s[-1] + LOOK_S[1], rng.uniform(*LOOK_S))
    at = np.stack([np.interp(looks, time_s, shift[:, axis]) for axis in (0, 1)], axis=1)
    at += JITTER * side * rng.standard_normal(at.shape)
    track: Track | None = None
    places = []
    for time, (x, y) in zip(looks.tolist(), at.tolist(), strict=True):
        box = Box(x, y, side, side)
        seen = Detection(box, 1.0, None)
        if track is None:
            track = Track(0, time, seen, box)
        else:
            track.add(time, seen, joined=True)
        places.append(track.last.place[0])
    path = np.array(places)
    return np.stack([np.interp(time_s, looks, path[:, axis]) for axis in (0, 1)], axis=1)
