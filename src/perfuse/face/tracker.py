"""Faces through a recording: looked for a few times a second, placed smoothly in every frame.

Between two looks the frames are held back, so that the place of a face in them is interpolated and never
extrapolated, and so that a surprise can be looked into where it happened. All decisions depend on the frames and
their timestamps alone.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from perfuse.core.errors import UsageError
from perfuse.core.frame import Box, Frame
from perfuse.core.results import FaceEvent
from perfuse.face.detector import Detection, Detector
from perfuse.face.search import CROP, distance, nearest, same_place, search
from perfuse.face.track import Track, TrackedFace

Look = tuple[float, Detection]

__all__ = ["TrackedFace", "TrackedFrame", "Tracker"]

STILL_S = 1 / 3
"""Between looks while nothing moves: three looks of 2 ms a second cost 0.2 ms a frame at 30 fps."""
MOVING_S = 0.15
"""Between looks while a face moves or is missing: a nod lasts half a second."""
LOOK_FRAMES = 8
"""A look comes at the latest after so many frames: two looks fit into what is held."""
HOLD_FRAMES = 16
"""Frames held back at most, 7 MB of 640 x 480 YUV."""
HOLD_S = 0.5
"""Seconds held back at most; a face missing for longer is not interpolated."""
SEARCH_S = 1.0
"""Between searches for further faces, and between tile searches (17 looks) while nobody is visible."""
LOST_S = 1.0
"""Unseen for longer is lost."""
RETURN_S = 3.0
"""Back within this time, near its place, a face keeps its identity."""
REACH = 0.6
"""Farthest a face goes between two looks, in faces (see :func:`perfuse.face.search.distance`)."""
RETURN_REACH = 1.0
"""Farthest from its place at which a face that was missing counts as the same."""
RESTLESS = 0.012
"""A step this large, damped place to new look, calls for looks every ``MOVING_S``."""
MOVE = 0.03
"""A step this large is motion: the frames between are looked into until looks are ``MOVING_S`` apart."""
JUMP = 0.15
"""A step this large is looked into down to neighbouring frames, and not interpolated unless they explain it."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFrame:
    """A frame and the faces visible in it, ordered by identity."""

    frame: Frame
    faces: tuple[TrackedFace, ...]


class Tracker:
    """Follows faces through frames in the order of their timestamps.

    Parameters
    ----------
    detector : Detector
        Finds faces in one frame.
    max_faces : int
        Most faces followed at once; the largest come first.

    Attributes
    ----------
    events : list of (int, FaceEvent)
        Identity and what happened to it, in the order in which it became known; a face is lost at the time when it
        was last seen.
    """

    def __init__(self, detector: Detector, *, max_faces: int = 4) -> None:
        if max_faces < 1:
            raise UsageError(f"max_faces={max_faces} was given.", "Pass 1 or more.")
        self.events: list[tuple[int, FaceEvent]] = []
        self._detector = detector
        self._max_faces = max_faces
        self._held: deque[Frame] = deque()
        self._tracks: list[Track] = []
        self._next_id = 0
        self._interval_s = MOVING_S
        self._newest_s = self._looked_s = self._searched_s = -math.inf
        self._since_look = 0

    def push(self, frame: Frame) -> list[TrackedFrame]:
        """Take the next frame; return the frames whose faces are decided by it, oldest first.

        Raises
        ------
        UsageError
            If the frame is not later than the one before.
        """
        if not frame.time_s > self._newest_s:
            raise UsageError(
                f"A frame at {frame.time_s} s was pushed after one at {self._newest_s} s.",
                "Push frames in the order of their timestamps, each time once.",
            )
        if frame.time_s - self._newest_s > HOLD_S:
            self._look_at_last()
        self._newest_s = frame.time_s
        self._held.append(frame)
        self._since_look += 1
        # A thousandth of a second of slack: three frames of 33.3 ms are the 0.1 s that was meant.
        if self._since_look >= LOOK_FRAMES or frame.time_s - self._looked_s >= self._interval_s - 1e-3:
            self._examine(frame)
        return self._release(final=False)

    def finish(self) -> list[TrackedFrame]:
        """Return the frames still held; nothing may be pushed afterwards."""
        self._look_at_last()
        return self._release(final=True)

    # ---- looking ---------------------------------------------------------------------------------------------------

    def _look_at_last(self) -> None:
        """Look at the newest frame held: none comes soon that could tell where the faces were in it."""
        if self._held and self._looked_s < self._held[-1].time_s:
            self._examine(self._held[-1])

    def _examine(self, frame: Frame) -> None:
        """Look at one frame: known faces where they were, and now and then everywhere."""
        now = frame.time_s
        self._forget(now)
        seen = self._follow(frame)
        for track, face in seen:
            self._extend(track, face, frame)
        active = [track for track in self._tracks if not track.lost]
        missing = [track for track in active if track.last.time_s < now]
        room = self._max_faces - len(seen)
        searching = now - self._searched_s >= SEARCH_S - 1e-3
        if room > 0 and (searching or missing or not seen):
            known = [face.box for _, face in seen]
            self._meet(search(self._detector, frame, known, tiles=searching and not seen)[:room], frame)
            if searching:
                self._searched_s = now
        for track in missing:
            if now - track.last.time_s > LOST_S:
                track.lost = True
                self.events.append((track.id, FaceEvent(track.last.time_s, "lost")))
        moving = any(track.last.time_s < now or track.step > RESTLESS for track in self._tracks if not track.lost)
        self._interval_s = MOVING_S if moving else min(STILL_S, self._interval_s * 1.5)
        self._looked_s, self._since_look = now, 0

    def _forget(self, now: float) -> None:
        """Drop the faces that are away too long to be recognised."""
        for track in self._tracks:
            if now - track.last.time_s > RETURN_S and not track.lost:
                track.lost = True
                self.events.append((track.id, FaceEvent(track.last.time_s, "lost")))
        held_since = self._held[0].time_s
        self._tracks = [t for t in self._tracks if now - t.last.time_s <= RETURN_S or t.last.time_s >= held_since]

    def _follow(self, frame: Frame) -> list[tuple[Track, Detection]]:
        """Look for each face where it was; the closest pairs of face and look belong together."""
        pairs = []
        for track in self._tracks:
            if track.lost:
                continue
            for face in self._detector(frame, track.square):
                far = distance(face.box, track.last.seen.box)
                if face.score >= self._detector.keep_score and far <= REACH:
                    pairs.append((far, track.id, track, face))
        return _match(pairs)

    def _meet(self, faces: Sequence[Detection], frame: Frame) -> None:
        """Take faces that a search found: old acquaintances keep their identity."""
        now = frame.time_s
        absent = [track for track in self._tracks if 0 < now - track.last.time_s <= RETURN_S]
        pairs = [
            (distance(face.box, track.last.seen.box), track.id, track, face) for track in absent for face in faces
        ]
        known = _match([pair for pair in pairs if pair[0] <= RETURN_REACH])
        for track, face in known:
            if track.lost:
                track.lost = False
                self.events.append((track.id, FaceEvent(frame.time_s, "found")))
            self._extend(track, face, frame)
        for face in faces:
            if not any(face is old for _, old in known):
                self._start(face, frame)

    def _start(self, face: Detection, frame: Frame) -> None:
        """Take a face never seen before."""
        # Looked at once more through the square that later looks use: another square would answer a pixel or two
        # elsewhere, and the face would seem to drift while the difference settles.
        again = nearest(self._detector(frame, face.box.scaled(CROP)), face.box)
        seen = again[1] if again and again[0] <= REACH else face
        self._tracks.append(Track(self._next_id, frame.time_s, seen, centred=face.box))
        self.events.append((self._next_id, FaceEvent(frame.time_s, "found")))
        self._next_id += 1

    def _extend(self, track: Track, face: Detection, frame: Frame) -> None:
        """Lead a face to where it is seen now, over further looks at held frames where it went far."""
        start = track.last
        between = [held for held in self._held if start.time_s < held.time_s < frame.time_s]
        end = (frame.time_s, face)
        for time_s, seen in [*self._explain((start.time_s, start.seen), end, between, track.square), end]:
            last = track.last
            far = distance(seen.box, last.seen.box)
            neighbours = not any(last.time_s < held.time_s < time_s for held in between)
            track.add(time_s, seen, joined=far <= JUMP or (neighbours and far <= REACH))

    def _explain(self, start: Look, end: Look, between: Sequence[Frame], square: Box) -> list[Look]:
        """Look at the middle of a large step, then in its halves, until each part is small or short."""
        far = distance(end[1].box, start[1].box)
        if not between or far <= MOVE or (far <= JUMP and end[0] - start[0] <= MOVING_S + 1e-3):
            return []
        half = len(between) // 2
        middle, ends = between[half], (start[1].box, end[1].box)
        square = square if far <= JUMP else _around(*ends)
        faces = [
            (min(distance(face.box, box) for box in ends), face)
            for face in self._detector(middle, square)
            if face.score >= self._detector.keep_score
        ]
        if not faces or min(faces, key=lambda pair: pair[0])[0] > REACH:
            return []
        here = (middle.time_s, min(faces, key=lambda pair: pair[0])[1])
        before = self._explain(start, here, between[:half], square)
        return [*before, here, *self._explain(here, end, between[half + 1 :], square)]

    # ---- giving ----------------------------------------------------------------------------------------------------

    def _release(self, *, final: bool) -> list[TrackedFrame]:
        """Give away what is decided, and what can be held no longer."""
        out = []
        while self._held and (final or self._held[0].time_s <= self._looked_s):
            time_s = self._held[0].time_s
            waiting = [t for t in self._tracks if not (t.lost or t.broken) and t.last.time_s < time_s]
            overdue = self._newest_s - time_s >= HOLD_S or len(self._held) >= HOLD_FRAMES
            if waiting and not (final or overdue):
                break
            for track in waiting:
                track.broken = True
            faces = [face for track in self._tracks if (face := track.at(time_s)) is not None]
            out.append(TrackedFrame(self._held.popleft(), tuple(sorted(faces, key=lambda face: face.id))))
        return out


def _around(one: Box, other: Box) -> Box:
    """Return a square that shows a face anywhere between two places."""
    x0, y0 = min(one.x, other.x), min(one.y, other.y)
    x1, y1 = max(one.x + one.width, other.x + other.width), max(one.y + one.height, other.y + other.height)
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    side = max(x1 - x0, y1 - y0)
    return Box(cx - side / 2, cy - side / 2, side, side).scaled(CROP)


def _match(pairs: list[tuple[float, int, Track, Detection]]) -> list[tuple[Track, Detection]]:
    """Pair faces and looks, closest first, each once; looks at the same place count as one."""
    matched: list[tuple[Track, Detection]] = []
    for _, _, track, face in sorted(pairs, key=lambda pair: pair[:2]):
        if any(track is other or same_place(face.box, seen.box) for other, seen in matched):
            continue
        matched.append((track, face))
    return matched
