"""Run through a recording once and keep what a view wants of the face that was seen longest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.clip.resample import MAX_GAP_S
from perfuse.core.card import Card
from perfuse.core.errors import SourceError
from perfuse.core.signals import Chunk, Waveform
from perfuse.core.view import REGIONS, Crop, Trace, View
from perfuse.data.entry import CellFile
from perfuse.data.recording import Opened, Recording
from perfuse.face import adapt_detector
from perfuse.pipeline.faces import FaceStreams, trace_sample
from perfuse.pipeline.measure import describe
from perfuse.pipeline.session import LONGEST_PAUSE_S
from perfuse.pipeline.stream import FaceStream, Record
from perfuse.video import TraceStream, read_ahead

_CARD = Card("recorder", "keeps samples", "", "", provenance="own")


@dataclass(slots=True)
class _Recorder:
    """A method that keeps what it is given and answers nothing."""

    view: View
    folder: Path
    files: list[CellFile] = field(default_factory=list)
    card: Card = _CARD

    def start(self) -> CellFile | None:
        """Begin a face."""
        if isinstance(self.view, Trace):
            return None
        path = self.folder / f"{len(self.files)}.cells"
        self.files.append(CellFile(path, fixed_point=isinstance(self.view, Crop)))
        return self.files[-1]

    def step(self, state: CellFile | None, chunk: Chunk) -> tuple[CellFile | None, Waveform]:
        """Keep a chunk."""
        if state is not None and len(chunk):
            weights = chunk.weights if chunk.weights is not None else np.ones(chunk.values.shape[:-1], np.float32)
            state.add(chunk.values, weights)
        return state, Waveform(chunk.start, chunk.rate_hz, np.zeros(len(chunk)), chunk.valid)


def follow(
    stream: Opened, view: View, recording: Recording, folder: Path
) -> tuple[Record, CellFile | None, dict[str, Any]]:
    """Run through the pictures (or the trace).

    Parameters
    ----------
    stream : FrameStream or TraceStream
        The recording's, opened.
    view : View
        What to keep.
    recording : Recording
        Whose they are.
    folder : Path
        Where cells are put for the time being.

    Returns
    -------
    record : Record
        Of the face that was seen longest; without samples where there was none.
    cells : CellFile or None
        Of the same face, where the view has any.
    about : dict
        Clock, frame rate, source and warnings, as :class:`perfuse.data.entry.Entry` wants them.

    Raises
    ------
    SourceError
        If there is no picture, or the timestamps leap.
    """
    recorder = _Recorder(view, folder)
    times: list[float] = []
    if isinstance(stream, TraceStream):
        if not isinstance(view, Trace):
            raise SourceError(f"{recording.id} is a colour trace.", "Only views of kind Trace can be made of it.")
        single = FaceStream(recorder, float(stream.data.time_s[0]), 1, None)
        for time_s, colour in stream:
            _advance(times, time_s, recording)
            single.push(time_s, trace_sample(colour))
        single.finish()
        return single.record() or _nothing(view, 1), None, _clock(times, stream, view)
    faces: FaceStreams | None = None
    detector = adapt_detector(_whole) if recording.cropped else None
    for frame in read_ahead(stream):
        _advance(times, frame.time_s, recording)
        faces = faces or FaceStreams(recorder, detector, frame.time_s, None)
        faces.push(frame)
    if faces is None:
        raise SourceError(f"{stream.info.name} holds no picture that can be read.", "Leave it out.")
    faces.finish()
    for file in recorder.files:
        file.close()
    records = {number: face.record() for number, face in faces.streams.items()}
    seen = {number: record.valid.sum() for number, record in records.items() if record is not None}
    about = _clock(times, stream, view) | {"faces": len(seen)}
    if not seen:
        return _nothing(view, len(REGIONS)), None, about
    longest = max(seen, key=lambda number: (seen[number], -number))
    cells = recorder.files[list(faces.streams).index(longest)] if recorder.files else None
    return records[longest] or _nothing(view, len(REGIONS)), cells, about


def _nothing(view: View, regions: int) -> Record:
    """Return the record of nobody."""
    nothing = np.zeros((0, regions, 3))
    return Record(0, view.rate_hz, nothing, np.zeros((0, 2)), np.zeros((0, 1)), np.zeros(0, bool), ())


def _advance(times: list[float], time_s: float, recording: Recording) -> None:
    if times and time_s - times[-1] > LONGEST_PAUSE_S:
        raise SourceError(
            f"The timestamps of {recording.id} leap from {times[-1]:.3f} s to {time_s:.3f} s.", "Leave it out."
        )
    times.append(time_s)


def _clock(times: list[float], stream: Opened, view: View) -> dict[str, Any]:
    duration = times[-1] - times[0]
    steps = np.diff(times)
    close = steps[steps <= MAX_GAP_S]
    rate = len(close) / float(close.sum()) if len(close) else (len(times) - 1) / duration if duration else 0.0
    return {
        "kind": "trace" if isinstance(stream, TraceStream) else "video",
        "start_s": times[0],
        "rate_hz": view.rate_hz,
        "duration_s": duration,
        "frame_rate_hz": rate,
        "frames": len(times),
        "source": describe(stream.info),
        "warnings": list(stream.warnings),
    }


def _whole(rgb: NDArray[np.uint8]) -> list[tuple[float, float, float, float]]:
    """Return the box whose crop, with the usual margin, is the whole picture."""
    height, width = rgb.shape[:2]
    return [(0.1 * width, 0.196 * height, 0.8 * width, 0.8 * height)]
