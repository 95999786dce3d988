"""A picture at a time, kept in the planes it was decoded to.

Area means commute with the (affine) YUV-to-RGB conversion, so perfuse averages the decoder's own planes in floating
point and converts the few means instead of every pixel: faster, and never rounded back to 8 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import UsageError

IDENTITY_RGB = np.hstack([np.eye(3), np.zeros((3, 1))])


def seconds(time_s: float) -> float:
    """Return a time as Python's float; it may be infinite or NaN.

    Raises
    ------
    UsageError
        If it is no number, such as a date.
    """
    try:
        return float(time_s)
    except (TypeError, ValueError):
        raise UsageError(
            f"A {type(time_s).__name__} was given as a time.",
            "Pass seconds, a number; of dates, (date - first).total_seconds().",
        ) from None


@dataclass(frozen=True, slots=True)
class Box:
    """Axis-aligned rectangle in pixels of the upright picture: x to the right, y down, floats allowed."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the middle."""
        return self.x + self.width / 2, self.y + self.height / 2

    def scaled(self, factor: float) -> Box:
        """Return the box grown by ``factor`` about its centre."""
        cx, cy = self.centre
        w, h = self.width * factor, self.height * factor
        return Box(cx - w / 2, cy - h / 2, w, h)


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture and the time the container gives it.

    Attributes
    ----------
    time_s : float
        Seconds on the container's clock.
    planes : tuple of ndarray
        P two-dimensional arrays covering the same picture, each at its own resolution (chroma may be smaller);
        plane 0 has the full resolution. They may be views into decoder memory: copy before changing.
    to_rgb : ndarray, float64, (3, P + 1)
        Affine map from plane values to red, green, blue in 0..255: ``to_rgb[:, :P] @ planes + to_rgb[:, P]``.
    """

    time_s: float
    planes: tuple[NDArray[np.generic], ...]
    to_rgb: NDArray[np.float64]

    @property
    def height(self) -> int:
        """Rows of the upright picture."""
        return int(self.planes[0].shape[0])

    @property
    def width(self) -> int:
        """Columns of the upright picture."""
        return int(self.planes[0].shape[1])

    @staticmethod
    def from_rgb(rgb: NDArray[np.generic], time_s: float) -> Frame:
        """Wrap an (H, W, 3) or (H, W) array: uint8 0..255, uint16 0..65535, or float 0..1.

        Raises
        ------
        UsageError
            On any other shape or type, on floats that are not finite or far from 0..1, on a time that is no number.
        """
        rgb, time_s = np.asarray(rgb), seconds(time_s)
        if rgb.ndim == 2:
            rgb = np.repeat(rgb[:, :, None], 3, axis=2)
        if rgb.ndim != 3 or rgb.shape[2] not in (3, 4) or min(rgb.shape[:2]) < 1:
            raise UsageError(
                f"A frame of shape {rgb.shape} was given.",
                "Pass (height, width, 3) red, green, blue, or (height, width).",
            )
        if rgb.dtype == np.uint8:
            scale = 1.0
        elif rgb.dtype == np.uint16:
            scale = 255.0 / 65535.0
        elif rgb.dtype.kind == "f":
            scale = 255.0
            low, high = float(rgb.min()), float(rgb.max())
            if not (low >= -0.5 and high <= 1.5):  # 0..255 as float would be taken for a hundredfold overexposure
                raise UsageError(
                    f"A float picture with values from {low:.3g} to {high:.3g} was given.",
                    "Pass float 0..1, or convert to uint8 (0..255).",
                )
        else:
            raise UsageError(
                f"A frame of type {rgb.dtype} was given.",
                "Pass uint8 (0..255), uint16 (0..65535) or float (0..1).",
            )
        return Frame(time_s, tuple(rgb[:, :, c] for c in range(3)), IDENTITY_RGB * scale)

    def rgb(self) -> NDArray[np.uint8]:
        """Return the picture as (H, W, 3) uint8; chroma is repeated, not interpolated."""
        height, width = self.height, self.width
        count = len(self.planes)
        out = np.empty((height, width, 3), np.float32)
        out[:] = self.to_rgb[:, count].astype(np.float32)
        for index, plane in enumerate(self.planes):
            full = plane.astype(np.float32)
            if full.shape != (height, width):
                rows = np.minimum(np.arange(height) * full.shape[0] // height, full.shape[0] - 1)
                cols = np.minimum(np.arange(width) * full.shape[1] // width, full.shape[1] - 1)
                full = full[rows][:, cols]
            out += full[:, :, None] * self.to_rgb[:, index].astype(np.float32)
        return np.clip(np.rint(out), 0, 255).astype(np.uint8)
