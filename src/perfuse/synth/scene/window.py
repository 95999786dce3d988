"""Windows: which part of the world a picture shows. The whole frame of a camera, or a square about the face."""

from __future__ import annotations

from dataclasses import dataclass

from perfuse.synth.fields import Field


@dataclass(frozen=True, slots=True)
class Window:
    """A grid of square pixels over head coordinates (half a face width is 1; x right, y down).

    Attributes
    ----------
    height, width : int
        Pixels.
    unit : float
        Pixels per head unit.
    left, top : float
        Head coordinates of the outer corner of pixel (0, 0).
    first_row, rows : float
        Where the window's first row lies in the camera's frame and how many rows that has, both in pixels of this
        window: rows are read out one after another.
    """

    height: int
    width: int
    unit: float
    left: float
    top: float
    first_row: float
    rows: float

    def moment(self, y: Field) -> Field:
        """Return when rows at head coordinates ``y`` are read, as a share of a frame's readout."""
        return (self.first_row + (y - self.top) * self.unit) / self.rows


def frame_window(height: int, width: int, face_size: float, x: float, y: float) -> Window:
    """Return the window of a whole frame; ``x`` and ``y`` shift the face from its place, in head units."""
    unit = 0.5 * face_size * height
    return Window(height, width, unit, -(width / 2) / unit - x, -0.44 * height / unit - y, 0.0, height)


def square_window(frame: Window, size: int, centre: tuple[float, float], side: float) -> Window:
    """Return a square of ``size`` pixels over ``side`` head units about ``centre``, seen by the same camera."""
    unit = size / side
    left, top = centre[0] - side / 2, centre[1] - side / 2
    return Window(size, size, unit, left, top, (top - frame.top) * unit, frame.rows / frame.unit * unit)
