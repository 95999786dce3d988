"""Following: where a face tracker puts its box on a moving head, so that crops move as they do in use."""

from __future__ import annotations

import numpy as np

from perfuse.core.frame import Box
from perfuse.face.detector import Detection
from perfuse.face.track import Track
from perfuse.synth.fields import F64

BOX_SIDE, BOX_Y = 1.99, 0.43
"""BlazeFace's box on painted heads: its side and the height of its centre, in head units (means over 24 people)."""

LOOK_S = (0.15, 1 / 3)
"""Time between two looks of :class:`perfuse.face.tracker.Tracker`."""

JITTER = 0.004
"""Standard deviation of the detector's box from look to look, in boxes (measured on a still clip)."""


def follow(rng: np.random.Generator, shift: F64, time_s: F64) -> F64:
    """Return how far the tracked box has moved at each frame, (T, 2) in head units.

    Parameters
    ----------
    rng : Generator
        Source of chance of the detector's jitter.
    shift : ndarray, (T, 2)
        Where the head is, in head units.
    time_s : ndarray, (T,)
        Capture times.

    Notes
    -----
    The looks go through the very damping that :mod:`perfuse.face.track` applies to real ones.
    """
    looks = np.arange(time_s[0], time_s[-1] + LOOK_S[1], rng.uniform(*LOOK_S))
    at = np.stack([np.interp(looks, time_s, shift[:, axis]) for axis in (0, 1)], axis=1)
    at += JITTER * BOX_SIDE * rng.standard_normal(at.shape)
    track: Track | None = None
    places = []
    for time, (x, y) in zip(looks.tolist(), at.tolist(), strict=True):
        box = Box(x, y, BOX_SIDE, BOX_SIDE)
        seen = Detection(box, 1.0, None)
        if track is None:
            track = Track(0, time, seen, box)
        else:
            track.add(time, seen, joined=True)
        places.append(track.last.place[0])
    path = np.array(places)
    return np.stack([np.interp(time_s, looks, path[:, axis]) for axis in (0, 1)], axis=1)
