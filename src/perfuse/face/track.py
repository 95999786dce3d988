"""One face through time: damped against the detector's jitter, interpolated between the looks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.core.frame import Box
from perfuse.face.detector import Detection
from perfuse.face.search import CROP, distance

STEADY = (0.010, 0.030)
"""Step between two looks, in faces (see :func:`_step`): up to the first it is the detector's jitter (about 0.004 on a
still clip), from the second it is motion; between them the share that is followed rises smoothly. A place that lags
by 1 % of a face does less harm than one that trembles at the rate of a pulse."""
SETTLE_S = 1.5
"""Time constant with which jitter-sized steps are followed: slow drifts are kept, a pulse's rate is not (0.1 Hz)."""
SHIFT = 0.1
"""The square looked at stays put until the face is so far from where it was chosen: the same face on the same pixel
grid gives the same answer, while shifting the grid by a pixel moves the box by half a pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFace:
    """One face in one frame; fields as in :class:`~perfuse.face.detector.Detection`, smoothed over time."""

    id: int
    box: Box
    points: NDArray[np.float64] | None
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """Where a face was at the time of a look; ``joined`` where the frames since the key before may be interpolated.

    ``place`` holds the damped corners of the box and the points, (2, 2) or (8, 2).
    """

    time_s: float
    seen: Detection
    place: NDArray[np.float64]
    joined: bool


class Track:
    """The looks at one face, the first of them through a square about ``centred``."""

    def __init__(self, identity: int, time_s: float, seen: Detection, centred: Box) -> None:
        self.id = identity
        self.keys = [Key(time_s, seen, _place(seen), joined=False)]
        self.step = 0.0
        """Size of the last step, in faces."""
        self.broken = False
        """Whether frames since the last key were given away without a face."""
        self.lost = False
        self._centred = centred

    @property
    def last(self) -> Key:
        """The latest look."""
        return self.keys[-1]

    @property
    def square(self) -> Box:
        """Where to look next."""
        return self._centred.scaled(CROP)

    def add(self, time_s: float, seen: Detection, *, joined: bool) -> None:
        """Take what a look shows; a step that is not ``joined`` starts afresh."""
        place, before = _place(seen), self.last.place
        if joined and place.shape == before.shape:
            self.step = _step(before, place)
            place = before + _gain(self.step, time_s - self.last.time_s) * (place - before)
        else:
            self.step = math.inf
        self.keys.append(Key(time_s, seen, place, joined and not self.broken))
        self.broken = False
        x0, y0, x1, y1 = (float(v) for v in place[:2].ravel())
        here = Box(x0, y0, x1 - x0, y1 - y0)
        if distance(here, self._centred) > SHIFT:
            self._centred = here

    def at(self, time_s: float) -> TrackedFace | None:
        """Return the face at a time, None where it was not seen; times must not decrease from call to call."""
        while len(self.keys) > 1 and self.keys[1].time_s <= time_s:
            del self.keys[0]
        key = self.keys[0]
        place, score = key.place, key.seen.score
        if key.time_s != time_s:
            after = self.keys[1] if len(self.keys) > 1 else None
            if after is None or not after.joined or time_s < key.time_s:
                return None
            share = (time_s - key.time_s) / (after.time_s - key.time_s)
            place = after.place if place.shape != after.place.shape else place + share * (after.place - place)
            score = min(score, after.seen.score)
        (x0, y0), (x1, y1) = place[:2].tolist()
        return TrackedFace(self.id, Box(x0, y0, x1 - x0, y1 - y0), place[2:] if len(place) > 2 else None, score)


def _place(seen: Detection) -> NDArray[np.float64]:
    box = seen.box
    corners = np.array([[box.x, box.y], [box.x + box.width, box.y + box.height]], np.float64)
    return corners if seen.points is None else np.concatenate([corners, seen.points])


def _step(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Median displacement of corners and points, in units of the face: one point gone astray is no motion."""
    size = math.sqrt(abs(float(np.prod(after[1] - after[0]))))
    return float(np.median(np.sqrt(np.square(after - before).sum(axis=1)))) / max(size, 1e-9)


def _gain(step: float, elapsed_s: float) -> float:
    """Share of a step to follow."""
    low, high = STEADY
    motion = min(max((step - low) / (high - low), 0.0), 1.0)
    least = 1 - math.exp(-elapsed_s / SETTLE_S)
    return least + (1 - least) * motion * motion * (3 - 2 * motion)
