"""One face, frame by frame: skin colour of its regions, cells if a method wants them, and how it moves."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from perfuse.core.frame import Box, Frame
from perfuse.core.view import REGIONS, Crop, Picture, Trace
from perfuse.face.regions import region_weights, skin_likelihood
from perfuse.face.tracker import TrackedFace
from perfuse.signal.motion import MotionState, motion_step
from perfuse.video.sample import area_mean

Floats = NDArray[np.float32]

CELLS = 32
"""Cells a side of the crop that region means are taken from: finer than any region's edge."""
CROP_MARGIN = 1.5
CROP_RISE = 0.12
"""The crop is centred this share of the face box above its centre: the forehead lies above BlazeFace's box."""
GATE_TIME_S = 1.0
"""The skin gate follows slowly: it must forget the lighting, not the pulse."""
GATE_LOOK_S = 0.25
"""How often the colours are judged anew; between two looks the gate goes on towards the last judgement."""
MASK_LOOK_S = 0.1
"""How often the masks are drawn anew: they ride on the crop, and within it the key points hardly move."""
CHEST_CELLS = 24
CHEST_TOP, CHEST_HALF, CHEST_LEAST = 1.2, 1.4, 0.12
"""The chest begins so far below the top of the face box, reaches so far to either side, and must be so high to be
seen, all in face boxes. The line of the shoulders carries most of breathing, and most framings show little more."""
CHEST_LOOK_S = 0.1
"""How often the chest is looked at: nobody breathes faster than 90/min."""
ROUNDING = 1e-3
"""Levels. Means that differ less than this are one grey: the rest is rounding, which colour methods would amplify."""
LEAST_COVERAGE = 0.5
"""A face with less of its crop inside the picture is not measured."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one frame says about one face."""

    regions: Floats
    """(R, 3) mean colour of :data:`REGIONS`, 0..255."""
    motion: NDArray[np.float64]
    """(2,) displacement of the face since it was found, x and y, in widths of its box."""
    chest: NDArray[np.float64]
    """(1,) vertical displacement of what lies below the face, in widths of its box; downwards is positive."""
    cells: Floats | None
    """(rows, cols, 3) or (size, size, 3) for methods that want them."""
    weights: Floats | None
    """(rows, cols) skin weights of ``cells``."""


def face_crop(face: TrackedFace, margin: float) -> Box:
    """Return the square around a face: ``margin`` times its larger side, raised to take in the forehead."""
    side = max(face.box.width, face.box.height) * margin
    cx, cy = face.box.centre
    cy -= CROP_RISE * face.box.height
    return Box(cx - side / 2, cy - side / 2, side, side)


def chest_box(face: TrackedFace, height: int, width: int) -> Box | None:
    """Return the part of the picture below a face where the shoulders would be, or None if too little is visible."""
    face_box = face.box
    top = face_box.y + CHEST_TOP * face_box.height
    left, right = (face_box.centre[0] + side * CHEST_HALF * face_box.width for side in (-1.0, 1.0))
    bottom = min(top + face_box.height, float(height))
    left, right = max(left, 0.0), min(right, float(width))
    if bottom - top < CHEST_LEAST * face_box.height or right - left < face_box.width:
        return None
    return Box(left, top, right - left, bottom - top)


@dataclass(slots=True)
class SkinGate:
    """Which cells look like this face's skin, followed slowly."""

    _gate: Floats | None = None
    _time: float = 0.0
    _judged: Floats | None = None
    _judged_time: float = 0.0

    def follow(self, time_s: float, cells: Floats, prior: Floats) -> Floats:
        """Return the gate (rows, cols), 0..1, for the cells of this moment."""
        if self._gate is None or self._judged is None or time_s - self._judged_time >= GATE_LOOK_S:
            self._judged, self._judged_time = skin_likelihood(cells, prior), time_s
        if self._gate is None:
            self._gate = self._judged
        keep = np.float32(np.exp(-(time_s - self._time) / GATE_TIME_S))
        self._gate, self._time = keep * self._gate + (1 - keep) * self._judged, time_s
        return self._gate


@dataclass(slots=True)
class FaceSampler:
    """Turns tracked frames of one face into samples; remembers only the skin gates and the last patches.

    Parameters
    ----------
    view : Picture
        What the method eats besides the regions.
    """

    view: Picture
    _gate: SkinGate = field(default_factory=SkinGate)
    _cell_gate: SkinGate = field(default_factory=SkinGate)
    _masks: Floats | None = None
    _masks_time: float = 0.0
    _cell_mask: Floats | None = None
    _cell_mask_time: float = 0.0
    _flow: MotionState = field(default_factory=MotionState)
    _chest_flow: MotionState = field(default_factory=MotionState)
    _chest: Box | None = None
    _chest_time: float = -np.inf
    _origin: NDArray[np.float64] | None = None
    _chest_origin: float = 0.0
    _chest_path: float = 0.0

    def sample(self, frame: Frame, face: TrackedFace) -> Sample | None:
        """Measure one frame; None where the face reaches too far out of the picture."""
        crop = face_crop(face, CROP_MARGIN)
        cells, coverage = area_mean(frame, crop, CELLS, CELLS)
        if float(coverage.mean()) < LEAST_COVERAGE:
            return None
        if self._masks is None or frame.time_s - self._masks_time >= MASK_LOOK_S:
            drawn = region_weights(face, crop, CELLS, CELLS)
            self._masks, self._masks_time = np.stack([drawn[name] for name in REGIONS]), frame.time_s
        masks = self._masks * coverage
        gate = self._gate.follow(frame.time_s, cells, masks[0])
        regions = _one_grey(_means(cells, masks, gate))
        motion = self._displacement(face, cells)
        chest = self._breathing(frame, face)
        picture, weights = self._cells(frame, face)
        return Sample(regions, motion, chest, picture, weights)

    def _displacement(self, face: TrackedFace, cells: Floats) -> NDArray[np.float64]:
        centre = np.array(face.box.centre) / face.box.width
        if self._origin is None:
            self._origin = centre
        # what the crop does not follow still moves in it
        self._flow, dx, dy = motion_step(self._flow, cells.mean(axis=2))
        return np.asarray(centre - self._origin + np.array([dx, dy]) * (CROP_MARGIN / CELLS))

    def _breathing(self, frame: Frame, face: TrackedFace) -> NDArray[np.float64]:
        if frame.time_s - self._chest_time < CHEST_LOOK_S:
            return np.array([self._chest_path])
        self._chest_time = frame.time_s
        box = chest_box(face, frame.height, frame.width)
        if self._chest is None or (box is not None and abs(box.y - self._chest.y) > 0.5 * face.box.height):
            # a new place: go on there from where the old one was left
            self._chest, self._chest_flow, self._chest_origin = box, MotionState(), self._chest_path
        if self._chest is not None:
            patch, _ = area_mean(frame, self._chest, CHEST_CELLS, CHEST_CELLS, max_pixels=4)
            self._chest_flow, _, dy = motion_step(self._chest_flow, patch.mean(axis=2))
            self._chest_path = self._chest_origin + dy * self._chest.height / CHEST_CELLS / face.box.width
        return np.array([self._chest_path])

    def _cells(self, frame: Frame, face: TrackedFace) -> tuple[Floats | None, Floats | None]:
        if isinstance(self.view, Trace):
            return None, None
        rows, cols = (self.view.size,) * 2 if isinstance(self.view, Crop) else (self.view.rows, self.view.cols)
        crop = face_crop(face, self.view.margin)
        cells, coverage = area_mean(frame, crop, rows, cols)
        cells = _one_grey(cells)
        if self._cell_mask is None or frame.time_s - self._cell_mask_time >= MASK_LOOK_S:
            self._cell_mask, self._cell_mask_time = region_weights(face, crop, rows, cols)["skin"], frame.time_s
        weights = self._cell_mask * coverage
        return cells, weights * self._cell_gate.follow(frame.time_s, cells, weights)


def _one_grey(colours: Floats) -> Floats:
    """Make red, green and blue (..., 3) exactly equal where they differ by rounding only."""
    return np.where(np.ptp(colours, axis=-1, keepdims=True) < ROUNDING, colours[..., 1:2], colours)


def _means(cells: Floats, masks: Floats, gate: Floats) -> Floats:
    """Mean colour (R, 3) of the cells (rows, cols, 3) under each mask (R, rows, cols), skin only."""
    weights = masks * gate
    plain, gated = masks.sum(axis=(1, 2)), weights.sum(axis=(1, 2))
    skinless = gated < 0.05 * plain  # nothing there looks like skin: better all of the region than noise
    weights[skinless], gated[skinless] = masks[skinless], plain[skinless]
    sums = weights.reshape(len(masks), -1) @ cells.reshape(-1, 3)
    return np.asarray(sums / np.maximum(gated, 1e-6)[:, None], np.float32)
