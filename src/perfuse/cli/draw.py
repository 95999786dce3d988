"""Drawing with characters: curves in braille dots, numbers three rows high."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""Bit of each dot of a braille character, by row and column (Unicode block U+2800)."""

_DIGITS = {
    "0": ("█▀█", "█ █", "▀▀▀"),
    "1": ("▀█ ", " █ ", "▀▀▀"),
    "2": ("▀▀█", "█▀▀", "▀▀▀"),
    "3": ("▀▀█", " ▀█", "▀▀▀"),
    "4": ("█ █", "▀▀█", "  ▀"),
    "5": ("█▀▀", "▀▀█", "▀▀▀"),
    "6": ("█▀▀", "█▀█", "▀▀▀"),
    "7": ("▀▀█", "  █", "  ▀"),
    "8": ("█▀█", "█▀█", "▀▀▀"),
    "9": ("█▀█", "▀▀█", "▀▀▀"),
    ".": (" ", " ", "▀"),
    "–": ("   ", "▀▀▀", "   "),
}


def curve(samples: ArrayLike, width: int, height: int) -> list[str]:
    """Draw samples as a connected curve of braille dots.

    Parameters
    ----------
    samples : array_like, (N,)
        Evenly spaced, oldest first; NaN leaves a hole.
    width, height : int
        Characters; a character holds 2 x 4 dots.

    Returns
    -------
    list of str
        ``height`` lines of ``width`` characters, scaled to the finite samples.
    """
    y = np.asarray(samples, np.float64)
    rows, columns = 4 * height, 2 * width
    cells = np.zeros((height, width), int)
    finite = y[np.isfinite(y)]
    if len(finite):
        low, high = float(finite.min()), float(finite.max())
        middle = np.interp(np.linspace(0, len(y) - 1, columns), np.arange(len(y)), y)
        level = (middle - low) / ((high - low) or 1.0) if high > low else np.where(np.isnan(middle), np.nan, 0.5)
        row = (rows - 1) * (1 - level)
        before = row[0]
        for column, here in enumerate(row):
            if not np.isnan(here):
                start = here if np.isnan(before) else before
                low_row, high_row = sorted((round(float(start)), round(float(here))))
                for dot in range(low_row, high_row + 1):
                    cells[dot // 4, column // 2] |= int(_DOTS[dot % 4, column % 2])
            before = here
    return ["".join(chr(0x2800 + int(cell)) for cell in line) for line in cells]


def big(text: str) -> list[str]:
    """Return digits, points and dashes three rows high."""
    glyphs = [_DIGITS[character] for character in text]
    return [" ".join(glyph[row] for glyph in glyphs) for row in range(3)]
