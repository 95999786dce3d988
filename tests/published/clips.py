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
    path: str | Path, sizes: Iterable[int], *, rate_hz: float = 30.0, margin: float = MARGIN, rise: float = RISE
) -> dict[int, NDArray[np.float32]]:
    """Cut one face out of a video, at several sizes.

    Parameters
    ----------
    path : str or Path
        Video file.
    sizes : iterable of int
        Pixels a side.
    rate_hz : float
        Frames per second wanted; frames are placed by their timestamps.
    margin, rise : float
        See :data:`MARGIN` and :data:`RISE`.

    Returns
    -------
    dict of int to ndarray, float32, (T, size, size, 3)
        Whole numbers 0..255, as a picture library would give them.

    Raises
    ------
    ValueError
        If no face is seen in the first second.
    """
    sizes = tuple(sizes)
    parts: dict[int, list[NDArray[np.float32]]] = {size: [] for size in sizes}
    times: list[float] = []
    with open_source(path) as stream:
        for frame, box in _boxed(stream, margin, rise):
            times.append(frame.time_s)
            for size in sizes:
                parts[size].append(_cut(frame, box, size))
    return {size: _uniform(times, np.stack(cut), rate_hz) for size, cut in parts.items()}


def _boxed(frames: Iterable[Frame], margin: float, rise: float) -> Iterator[tuple[Frame, Box]]:
    detector, early, box = BlazeFace(), [], None
    for frame in frames:
        if box is None:
            seen = detector(frame)
            if seen:
                box = toolbox_box(max(seen, key=lambda face: face.box.width).box, margin, rise)
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
