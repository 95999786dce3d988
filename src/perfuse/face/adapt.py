"""A face detector of the user's own behind the contract of perfuse, with everything it returns checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import UsageError
from perfuse.core.frame import Box, Frame
from perfuse.face.detector import Detection, Detector

EXPECTED = (
    "It must return a sequence of (x, y, width, height) or (x, y, width, height, score), empty where no face is."
)


def adapt_detector(find: Callable[[NDArray[np.uint8]], Sequence[Any]]) -> Detector:
    """Make a detector of any function that finds faces in a picture.

    Parameters
    ----------
    find : callable
        Takes red, green, blue as (H, W, 3) uint8, always the whole frame; returns rows of x, y, width, height in
        pixels and optionally a score 0..1. Whatever it returns counts as a face: its thresholds are its own business.

    Raises
    ------
    UsageError
        If ``find`` is not callable; later, from the detector, if ``find`` fails or returns something else.
    """
    if not callable(find):
        raise UsageError(f"A face detector of type {type(find).__name__} was given.", "Pass a function. " + EXPECTED)
    return _Adapted(find)


class _Adapted:
    """One call a frame, however many regions of it are asked for."""

    keep_score = 0.0
    new_score = 0.0

    def __init__(self, find: Callable[[NDArray[np.uint8]], Sequence[Any]]) -> None:
        self._find = find
        self._seen: tuple[Frame, list[Detection]] | None = None

    def __call__(self, frame: Frame, region: Box | None = None) -> list[Detection]:
        if self._seen is None or self._seen[0] is not frame:
            self._seen = frame, self._run(frame)
        faces = self._seen[1]
        return faces if region is None else [face for face in faces if _holds(region, face.box.centre)]

    def _run(self, frame: Frame) -> list[Detection]:
        try:
            rows = self._find(frame.rgb())
        except Exception as error:
            raise UsageError(
                f"The face detector failed at {frame.time_s:.3f} s: {type(error).__name__}: {error}.", EXPECTED
            ) from error
        if not isinstance(rows, (Sequence, np.ndarray)) or isinstance(rows, (str, bytes)):
            raise UsageError(f"The face detector returned {type(rows).__name__}.", EXPECTED)
        faces = [_checked(row, frame) for row in rows]
        return sorted(faces, key=lambda face: -face.score)


def _checked(row: Any, frame: Frame) -> Detection:
    problem = f"The face detector returned a row {row!r}"
    try:
        values = np.asarray(row, np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{problem}, which is not a row of numbers.", EXPECTED) from error
    if values.shape not in ((4,), (5,)):
        raise UsageError(f"{problem} of shape {values.shape}.", EXPECTED)
    if not np.isfinite(values).all():
        raise UsageError(f"{problem}, which is not finite.", EXPECTED)
    x, y, width, height = (float(v) for v in values[:4])
    score = float(values[4]) if len(values) == 5 else 1.0
    if width <= 0 or height <= 0 or not 0 <= score <= 1:
        raise UsageError(f"{problem}.", "Width and height must be positive pixels, the score between 0 and 1.")
    if not (-width < x < frame.width and -height < y < frame.height):
        raise UsageError(
            f"{problem}, which lies outside the {frame.width} x {frame.height} frame.",
            "Return pixels of the picture that was passed in, not fractions or pixels of a resized copy.",
        )
    if max(width, height) < 2:
        raise UsageError(f"{problem}, smaller than 2 pixels.", "Return pixels, not fractions of the frame.")
    return Detection(Box(x, y, width, height), score)


def _holds(region: Box, point: tuple[float, float]) -> bool:
    x, y = point
    return region.x <= x <= region.x + region.width and region.y <= y <= region.y + region.height
