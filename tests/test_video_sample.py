"""Area means against counting: every pixel blown up to a block, so that tenths of a pixel become whole ones."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from media import pattern
from perfuse.core.frame import Box, Frame
from perfuse.video import area_mean

FINE = 10
tenths = st.integers(-60, 300)
sides = st.integers(1, 60)
counts = st.integers(1, 5)


def counted(rgb, box, rows, cols):
    """Mean colour and coverage of each cell, on a picture enlarged tenfold; box corners lie on tenths."""
    big = np.kron(rgb, np.ones((FINE, FINE, 1)))
    x, y = round(box.x * FINE), round(box.y * FINE)
    dx, dy = round(box.width * FINE / cols), round(box.height * FINE / rows)
    values, coverage = np.zeros((rows, cols, 3)), np.zeros((rows, cols))
    for row in range(rows):
        for col in range(cols):
            top, left = y + row * dy, x + col * dx
            part = big[max(top, 0) : max(top + dy, 0), max(left, 0) : max(left + dx, 0)]
            if part.size:
                values[row, col] = part.mean((0, 1))
                coverage[row, col] = part.shape[0] * part.shape[1] / (dx * dy)
    return values, coverage


@given(
    x=tenths, y=tenths, dx=st.integers(1, 60), dy=st.integers(1, 60), rows=st.integers(1, 5), cols=st.integers(1, 5)
)
@example(x=0, y=-3, dx=1, dy=3, rows=3, cols=1)  # the first cell ends where the picture begins, but for rounding
def test_cells_are_what_counting_gives(x, y, dx, dy, rows, cols):
    rgb = pattern(17, 23)
    box = Box(x / FINE, y / FINE, dx * cols / FINE, dy * rows / FINE)
    values, coverage = area_mean(Frame.from_rgb(rgb, 0.0), box, rows, cols)
    want, share = counted(rgb, box, rows, cols)
    assert values.dtype == coverage.dtype == np.float32
    assert np.allclose(coverage, share, atol=1e-4)
    inside = share > 0.01  # a sliver of a cell is right, too, but not to this precision
    assert np.allclose(values[inside], want[inside], atol=2e-2)
    assert np.all(values[share == 0] == 0) or not (share == 0).any()


def test_planes_of_different_size_cover_the_same_picture():
    luma = np.arange(64.0).reshape(8, 8)
    chroma = np.arange(16.0).reshape(4, 4)
    to_rgb = np.array([[1.0, 0.5, 0.0, 3.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.0, 1.0]])
    values, _ = area_mean(Frame(0.0, (luma, chroma, chroma + 1), to_rgb), Box(2, 2, 4, 4), 2, 2)
    y = luma[2:6, 2:6].reshape(2, 2, 2, 2).mean((1, 3))
    c = chroma[1:3, 1:3]
    assert np.allclose(values, np.stack([y + 0.5 * c + 3, y, 2 * (c + 1) + 1], axis=2))


@pytest.mark.parametrize("max_pixels", [1, 2, 4])
def test_reading_fewer_pixels_comes_close(max_pixels):
    frame = Frame.from_rgb(pattern(240, 320), 0.0)
    exact, _ = area_mean(frame, Box(10, 20, 300, 200), 8, 8)
    rough, _ = area_mean(frame, Box(10, 20, 300, 200), 8, 8, max_pixels=max_pixels)
    assert np.abs(exact - rough).max() < 8 / max_pixels
