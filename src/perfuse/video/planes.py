"""From a decoder's buffers to the planes of a Frame, without touching a pixel.

FFmpeg keeps pictures in dozens of layouts. Nearly all are regular: every colour component sits in one plane, at a
start, at a step. Such components are handed out as numpy views beside the affine map to red, green and blue; the few
others are converted by swscale. Equations: ITU-T H.273 section 8.3 (full and limited range, the matrix of Kr and Kb).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import atan2, pi
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from perfuse.core.frame import Frame

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Part = tuple[int, int, int]
"""Where a component lies: plane, first element of a row, step between its elements."""

_KR_KB = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
_BT601 = (0.299, 0.114)
_FULL_RANGE, _IDENTITY_MATRIX = 2, 0


@dataclass(frozen=True, slots=True)
class Layout:
    """One pixel format: its colour model, bits per component, and where the components lie."""

    model: Literal["yuv", "rgb", "grey"]
    bits: int
    parts: tuple[Part, ...]
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """How stored pictures are brought upright: transposed first, then flipped."""

    transpose: bool = False
    flip_y: bool = False
    flip_x: bool = False
    degrees: int = 0
    """Clockwise part of it, 0, 90, 180 or 270; what remains beyond is a mirror."""

    def apply(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Return an upright view."""
        if self.transpose:
            plane = plane.T
        return plane[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


UPRIGHT = Turn()


def _layouts() -> dict[str, Layout]:
    """Return the layouts by FFmpeg's name (pixdesc.c): planar, semi-planar and packed, 8 to 16 bits."""
    planar: tuple[Part, ...] = ((0, 0, 1), (1, 0, 1), (2, 0, 1))
    table = {"gray": Layout("grey", 8, planar[:1]), "gbrp": Layout("rgb", 8, (planar[2], planar[0], planar[1]))}
    for chroma in ("420", "422", "444", "440", "411"):
        table[f"yuv{chroma}p"] = Layout("yuv", 8, planar)
        table[f"yuvj{chroma}p"] = Layout("yuv", 8, planar, full_range=True)
    for bits in (9, 10, 12, 14, 16):
        table[f"gray{bits}le"] = Layout("grey", bits, planar[:1])
        table[f"gbrp{bits}le"] = Layout("rgb", bits, (planar[2], planar[0], planar[1]))
        for chroma in ("420", "422", "444"):
            table[f"yuv{chroma}p{bits}le"] = Layout("yuv", bits, planar)
    for chroma in ("420", "422", "444"):
        table[f"yuva{chroma}p"] = Layout("yuv", 8, planar)
        table[f"yuva{chroma}p10le"] = Layout("yuv", 10, planar)
    for name in ("nv12", "nv16", "nv24"):
        table[name] = Layout("yuv", 8, ((0, 0, 1), (1, 0, 2), (1, 1, 2)))
    table["nv21"] = Layout("yuv", 8, ((0, 0, 1), (1, 1, 2), (1, 0, 2)))
    table["yuyv422"] = Layout("yuv", 8, ((0, 0, 2), (0, 1, 4), (0, 3, 4)))
    table["uyvy422"] = Layout("yuv", 8, ((0, 1, 2), (0, 0, 4), (0, 2, 4)))
    for name in ("rgb24", "bgr24", "rgba", "bgra", "argb", "abgr", "rgb0", "bgr0", "0rgb", "0bgr"):
        step = 3 if name.endswith("24") else 4
        table[name] = Layout("rgb", 8, tuple((0, name.index(c), step) for c in "rgb"))
    return table


LAYOUTS = _layouts()


@lru_cache(maxsize=64)
def to_rgb(layout: Layout, colorspace: int, color_range: int) -> NDArray[np.float64]:
    """Return the affine map from a layout's planes to red, green, blue in 0..255.

    Parameters
    ----------
    layout : Layout
        Of the planes.
    colorspace, color_range : int
        Tags of the frame, as in ITU-T H.273 (MatrixCoefficients; 1 limited, 2 full). Untagged means BT.601, and
        limited range, as in swscale.

    Returns
    -------
    ndarray, float64, (3, P + 1), read-only
    """
    levels = 2.0**layout.bits
    unit = 255.0 / (levels - 1)
    if layout.model == "rgb":
        out = np.hstack([np.eye(3) * unit, np.zeros((3, 1))])
    elif layout.model == "grey":
        out = np.array([[unit, 0.0]] * 3)
    else:
        kr, kb = _KR_KB.get(colorspace, _BT601)
        kg = 1.0 - kr - kb
        luma = chroma = unit
        black = 0.0
        if color_range != _FULL_RANGE and not layout.full_range:
            luma, chroma, black = 255 / 219 * 256 / levels, 255 / 224 * 256 / levels, levels / 16
        red_cr, blue_cb = 2 * (1 - kr), 2 * (1 - kb)
        out = np.array(
            [
                [luma, 0.0, chroma * red_cr, 0.0],
                [luma, -chroma * kb / kg * blue_cb, -chroma * kr / kg * red_cr, 0.0],
                [luma, chroma * blue_cb, 0.0, 0.0],
            ]
        )
        out[:, 3] = -out[:, 0] * black - (out[:, 1] + out[:, 2]) * levels / 2
    out.setflags(write=False)
    return out


def _rows(picture: VideoFrame, index: int, bits: int) -> NDArray[Any]:
    """Return a plane's buffer as read-only rows, padding included."""
    plane: Any = picture.planes[index]  # a buffer, though PyAV's types do not say so
    stride = plane.line_size
    flat: NDArray[Any] = np.frombuffer(plane, "u1" if bits == 8 else "<u2")
    flat.setflags(write=False)
    rows = flat.reshape(plane.height, -1)
    return rows[::-1] if stride < 0 else rows


def as_frame(picture: VideoFrame, time_s: float, turn: Turn = UPRIGHT, copy: bool = False) -> Frame:
    """Return a Frame of views into the decoder's memory, or of a converted copy where the format is irregular.

    Parameters
    ----------
    picture : av.VideoFrame
        As decoded. Its memory stays alive as long as the views.
    time_s : float
        To be carried by the frame.
    turn : Turn
        From :func:`orientation`.
    copy : bool
        Give the decoder its memory back at once.

    Returns
    -------
    Frame
        Upright; planes that are views are read-only. Where chroma lies between luma samples is ignored.
    """
    layout = LAYOUTS.get(picture.format.name)
    if layout is None or (layout.model == "yuv" and picture.colorspace == _IDENTITY_MATRIX):
        return _converted(picture, time_s, turn)
    buffers = {index: _rows(picture, index, layout.bits) for index, _, _ in layout.parts}
    planes: list[NDArray[Any]] = []
    for index, start, step in layout.parts:
        width = picture.width if layout.model != "yuv" or not planes else _chroma_width(picture, index, step)
        plane = buffers[index][:, start : start + (width - 1) * step + 1 : step]
        planes.append(turn.apply(plane.copy() if copy else plane))
    return Frame(time_s, tuple(planes), to_rgb(layout, picture.colorspace, picture.color_range))


def _chroma_width(picture: VideoFrame, index: int, step: int) -> int:
    """Return the columns of a chroma component; packed formats of one plane have half as many as luma."""
    return int(picture.planes[index].width) if index else -(-picture.width * 2 // step)


def _converted(picture: VideoFrame, time_s: float, turn: Turn) -> Frame:
    """Return the picture as red, green, blue, converted by swscale; alpha is ignored."""
    deep = max(component.bits for component in picture.format.components) > 8
    rgb = picture.reformat(format="rgb48le" if deep else "rgb24").to_ndarray()
    planes = tuple(turn.apply(rgb[:, :, channel]) for channel in range(3))
    return Frame(time_s, planes, to_rgb(Layout("rgb", 16 if deep else 8, ()), 0, 0))


def orientation(picture: VideoFrame) -> Turn:
    """Read the display matrix that came with a picture (ISO/IEC 14496-12, 8.3.2): how a player would turn it.

    Returns
    -------
    Turn
        To the nearest quarter turn, mirrored where the matrix mirrors.
    """
    try:
        side_data: Any = picture.side_data
        matrix: NDArray[Any] = np.frombuffer(side_data["DISPLAYMATRIX"], np.int32)
    except KeyError:
        return UPRIGHT
    except ValueError:  # PyAV cannot list side data of a kind newer than itself, but still knows the angle
        angle = np.deg2rad(-picture.rotation)
        matrix = np.array([np.cos(angle), np.sin(angle), 0, -np.sin(angle), np.cos(angle)])
    a, b, _, c, d = (float(value) for value in matrix[:5])
    degrees = round(atan2(b, d) / (pi / 2)) * 90 % 360
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Turn(False, d < 0, a < 0, degrees)
    return Turn(True, b < 0, c < 0, degrees)
