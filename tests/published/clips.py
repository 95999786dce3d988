"""Face crops as the rPPG-Toolbox makes them: one box from the first face seen, for the whole recording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perfuse.core.frame import Box, Frame
from perfuse.face.detector import BlazeFace
from perfuse.video import area_mean, open_source

MARGIN = 1.8
"""Side of the crop in BlazeFace boxes. The Toolbox takes 1.5 times the box of a Haar cascade, and on a real face and
eight simulated ones that box was 1.01 to 1.23 (median 1.18) times BlazeFace's."""
RISE = 0.17
"""By this share of its height the Haar box's centre lies above that of BlazeFace's (measured 0.09 to 0.23)."""
LOOKS = 30
"""Frames that are searched for a face before giving up."""


def toolbox_box(box: Box, margin: float = MARGIN, rise: float = RISE) -> Box:
    """Return the square that the Toolbox would cut, from BlazeFace's box."""
    side = max(box.width, box.height) * margin
    x, y = box.centre
    return Box(x - side / 2, y - rise * box.height - side / 2, side, side)


def face_clips(
    path: str | Path, views: Iterable[tuple[int, float]], *, rate_hz: float = 30.0
) -> dict[tuple[int, float], NDArray[np.float32]]:
    """Cut one face out of a video, in several ways.

    Parameters
    ----------
    path : str or Path
        Video file.
    views : iterable of (int, float)
        Pixels a side, and side in face boxes (see :data:`MARGIN`).
    rate_hz : float
        Frames per second wanted; frames are placed by their timestamps.

    Returns
    -------
    dict of view to ndarray, float32, (T, size, size, 3)
        Whole numbers 0..255, as a picture library would give them.

    Raises
    ------
    ValueError
        If no face is seen in the first second.
    """
    parts: dict[tuple[int, float], list[NDArray[np.float32]]] = {view: [] for view in views}
    times: list[float] = []
    with open_source(path) as stream:
        for frame, face in _faces(stream):
            times.append(frame.time_s)
            for (size, margin), cut in parts.items():
                cut.append(_cut(frame, toolbox_box(face, margin), size))
    return {view: _uniform(times, np.stack(cut), rate_hz) for view, cut in parts.items()}


def _faces(frames: Iterable[Frame]) -> Iterator[tuple[Frame, Box]]:
    detector, early, box = BlazeFace(), [], None
    for frame in frames:
        if box is None:
            seen = detector(frame)
            if seen:
                box = max(seen, key=lambda face: face.box.width).box
                yield from ((kept, box) for kept in early)
            elif len(early) < LOOKS:
                early.append(frame)
                continue
            else:
                raise ValueError(f"No face in the first {LOOKS} frames.")
        yield frame, box
    if box is None:
        raise ValueError("No face was seen.")


def _cut(frame: Frame, box: Box, size: int) -> NDArray[np.float32]:
    # what lies outside the picture is left out, as the Toolbox's box is cut at the border
    left, top = max(box.x, 0.0), max(box.y, 0.0)
    right, bottom = min(box.x + box.width, frame.width), min(box.y + box.height, frame.height)
    values, _ = area_mean(frame, Box(left, top, right - left, bottom - top), size, size)
    return np.clip(np.rint(values), 0, 255)


def _uniform(times: list[float], frames: NDArray[np.float32], rate_hz: float) -> NDArray[np.float32]:
    """Place frames on an even grid by linear interpolation; as they are where they already lie on it."""
    at = np.array(times) - times[0]
    grid = np.arange(int(at[-1] * rate_hz + 1e-6) + 1) / rate_hz
    if len(grid) == len(at) and np.abs(grid - at).max() < 0.25 / rate_hz:
        return frames
    after = np.clip(np.searchsorted(at, grid), 1, len(at) - 1)
    share = ((grid - at[after - 1]) / (at[after] - at[after - 1])).astype(np.float32)[:, None, None, None]
    return (1 - share) * frames[after - 1] + share * frames[after]
