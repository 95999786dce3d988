"""All faces of a recording: found, followed, sampled, each in a stream of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfuse.clip.sampler import FaceSampler, Sample
from perfuse.core.frame import Frame
from perfuse.core.method import Method
from perfuse.core.results import FaceEvent
from perfuse.core.view import REGIONS, Echo
from perfuse.face import BlazeFace, Detector, TrackedFace, Tracker
from perfuse.pipeline.stream import FaceStream

MAX_FACES = 5


class FaceStreams:
    """Frames in, one :class:`FaceStream` per face out.

    Parameters
    ----------
    method : Method
        What every face's samples are handed to.
    detector : Detector or None
        Finds faces; BlazeFace by default.
    start_s : float
        Time of the first frame, which is grid sample 0 of every face.
    history_s : float or None
        How much is kept; a face that left longer ago is forgotten. None keeps everything.
    max_faces : int
        How many faces are followed at once.

    Attributes
    ----------
    streams : dict
        By identity, from 0 in order of appearance.
    """

    def __init__(
        self,
        method: Method,
        detector: Detector | None,
        start_s: float,
        history_s: float | None,
        max_faces: int = MAX_FACES,
    ) -> None:
        assert not isinstance(method.view, Echo), "a session hands pictures to methods that read them"
        self.streams: dict[int, FaceStream] = {}
        self._method, self._view = method, method.view
        self._start_s = start_s
        self._history_s = history_s
        self._tracker = Tracker(detector or BlazeFace(), max_faces=max_faces)
        self._samplers: dict[int, FaceSampler] = {}
        self._seen_s: dict[int, float] = {}

    def push(self, frame: Frame) -> None:
        """Take the next frame."""
        for tracked in self._tracker.push(frame):
            self._sample(tracked.frame, tracked.faces)

    def finish(self) -> None:
        """No more frames."""
        for tracked in self._tracker.finish():
            self._sample(tracked.frame, tracked.faces)
        for stream in self.streams.values():
            stream.finish()

    def events(self, number: int) -> tuple[FaceEvent, ...]:
        """Return when a face was found and lost."""
        return tuple(event for face, event in self._tracker.events if face == number)

    def _sample(self, frame: Frame, faces: tuple[TrackedFace, ...] | list[TrackedFace]) -> None:
        seen = {face.id: face for face in faces}
        for new in seen.keys() - self.streams.keys():
            self.streams[new] = FaceStream(self._method, self._start_s, len(REGIONS), self._history_s)
            self._samplers[new] = FaceSampler(self._view)
        self._seen_s.update(dict.fromkeys(seen, frame.time_s))
        if self._history_s is not None:
            for gone in [n for n, last_s in self._seen_s.items() if frame.time_s - last_s > self._history_s]:
                del self.streams[gone], self._samplers[gone], self._seen_s[gone]
        for number, stream in self.streams.items():
            face = seen.get(number)
            stream.push(frame.time_s, None if face is None else self._samplers[number].sample(frame, face))


def trace_sample(colour: NDArray[np.float64]) -> Sample:
    """Return the sample (one region, nothing moves) that a row of a trace is."""
    return Sample(colour[None].astype(np.float32), np.zeros(2), np.zeros(1), None, None)
