"""Finding faces nobody has seen yet: the whole picture first, then overlapping tiles for the small ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from perfuse.core.frame import Box, Frame
from perfuse.face.detector import Detection, Detector

CROP = 2.0
"""Side of the square looked at for a known place, in units of the face: steadiest from 1.8 to 2.5."""
TILES = (0.6, 0.31)
"""Sides of the tiles of each level, in units of the frame's longer side: 2 x 2, then 4 x 3 of them in 640 x 480."""
SEEN = 0.12
"""Smallest face the detector sees, in units of the square it looks at; tiles overlap by what came before missed."""
DOUBTS = 6
"""Candidates a level that get their two further looks: bounds the cost of a picture full of near-faces."""


def search(detector: Detector, frame: Frame, known: Sequence[Box] = (), *, tiles: bool = True) -> list[Detection]:
    """Return the faces of a frame that lie at none of the known places, largest first.

    A first look may be a mere guess; two looks at a crop about it decide. In a 640 x 480 picture faces from about
    70 pixels are seen at once, from 24 pixels in the tiles.

    Parameters
    ----------
    detector : Detector
        Any.
    frame : Frame
        Any picture.
    known : sequence of Box
        Faces seen already; what overlaps them is not reported again.
    tiles : bool
        Go on to the tiles where the whole picture shows nothing: 5, then 17 looks in all.
    """
    for level in range(len(TILES) + 1 if tiles else 1):
        guesses = [guess for region in _regions(frame, level) for guess in detector(frame, region)]
        found: list[Detection] = []
        guesses.sort(key=lambda guess: -guess.score)
        doubts = 0
        for guess in guesses:
            if any(same_place(guess.box, box) for box in (*known, *(face.box for face in found))):
                continue
            doubts += 1
            if doubts > DOUBTS:
                break
            face = _confirmed(detector, frame, guess)
            if face and not any(same_place(face.box, box) for box in (*known, *(other.box for other in found))):
                found.append(face)
        if found:
            return sorted(found, key=lambda face: -face.box.width * face.box.height)
    return []


def nearest(faces: Sequence[Detection], box: Box) -> tuple[float, Detection] | None:
    """Return the face closest to a place and its distance, or None.

    The distance is that of the centres in units of the box, plus the logarithm of the ratio of sizes.
    """
    return min(((distance(face.box, box), face) for face in faces), key=lambda pair: pair[0], default=None)


def distance(one: Box, other: Box) -> float:
    """Return how unlike two boxes are: 0 when equal, about 1 when a face apart or 2.7 times larger."""
    (x, y), (u, v) = one.centre, other.centre
    size = math.sqrt(other.width * other.height)
    return math.hypot(x - u, y - v) / size + abs(math.log(math.sqrt(one.width * one.height) / size))


def same_place(one: Box, other: Box) -> bool:
    """Return whether two boxes can only be one face: the centre of the smaller lies well inside the larger."""
    small, large = sorted((one, other), key=lambda box: box.width * box.height)
    (x, y), (u, v) = small.centre, large.centre
    return abs(x - u) < 0.4 * large.width and abs(y - v) < 0.4 * large.height


def _confirmed(detector: Detector, frame: Frame, guess: Detection) -> Detection | None:
    """Look twice at a crop about a guess; return the face as the second look sees it."""
    face, scores = guess, []
    for _ in range(2):
        closest = nearest(detector(frame, face.box.scaled(CROP)), face.box)
        if closest is None or closest[0] > 0.6:
            return None
        face = closest[1]
        scores.append(face.score)
    score = sum(scores) / len(scores)
    return replace(face, score=score) if score >= detector.new_score else None


def _regions(frame: Frame, level: int) -> Iterator[Box | None]:
    """Yield the squares of one level; level 0 is the whole picture."""
    if level == 0:
        yield None
        return
    longer = max(frame.width, frame.height)
    side = TILES[level - 1] * longer
    overlap = SEEN * (TILES[level - 2] if level > 1 else 1.0) * longer
    for y in _starts(frame.height, side, overlap):
        for x in _starts(frame.width, side, overlap):
            yield Box(x, y, side, side)


def _starts(length: float, side: float, overlap: float) -> list[float]:
    count = max(1, math.ceil((length - overlap) / (side - overlap)))
    return [float(v) for v in np.linspace(0, length - side, count)] if count > 1 else [(length - side) / 2]
