"""The tracker on a real recording (local only)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perfuse.face import BlazeFace, Tracker
from perfuse.video import open_source


def test_one_face_through_a_whole_real_clip(shared_data: Path) -> None:
    tracker = Tracker(BlazeFace())
    out = [done for frame in open_source(shared_data / "face" / "sample_1.mp4") for done in tracker.push(frame)]
    out += tracker.finish()
    assert len(out) == 354
    assert [(identity, event.kind) for identity, event in tracker.events] == [(0, "found")]
    assert all(len(item.faces) == 1 for item in out)
    centres = np.array([item.faces[0].box.centre for item in out])
    # He nods by some 15 pixels of a 190 pixel face; nothing of it is faster than 3 pixels a frame.
    assert np.abs(np.diff(centres, axis=0)).max() < 4
    assert 5 < np.ptp(centres, axis=0).min() < np.ptp(centres, axis=0).max() < 25
    raw = [BlazeFace()(item.frame, item.faces[0].box.scaled(2)) for item in out[::25]]
    offset = np.array([face[0].box.centre for face in raw]) - centres[::25]
    assert np.abs(offset - np.median(offset, axis=0)).max() < 0.03 * 190
