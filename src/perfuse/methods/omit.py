"""OMIT: project out the colour of a window's first frame."""

from __future__ import annotations

import numpy as np

from perfuse.core.card import Card
from perfuse.core.view import Trace
from perfuse.methods.colour import GREEN, Array, ratio, settled
from perfuse.methods.windowed import windowed

CARD = Card(
    name="omit",
    title="OMIT: orthogonal matrix image transformation",
    paper="Alvarez Casado, Bordallo Lopez: Face2PPG: an unsupervised pipeline for blood volume pulse extraction from "
    "faces. IEEE JBHI 27, 2023 (arXiv 2202.04101)",
    equation="s = green row of (I - q q') C, q the first column of Q in C = QR",
    limits="q is the colour of the first frame: one bad first frame spoils its window. Else as LGI.",
    deviations="In 5 s windows instead of the whole recording; divided by the mean of green, centred, and turned to "
    "rise with blood volume. No band-pass. Q's first column is taken directly: it is the first sample's direction.",
)


def omit(windows: Array, rate_hz: float) -> Array:
    """Green part of the colours orthogonal to the first sample's colour, relative to mean green, upside down.

    Parameters
    ----------
    windows : ndarray, (..., L, 3)
        Red, green, blue; not centred.
    rate_hz : float
        Not used.

    Returns
    -------
    ndarray, (..., L)
        Rises with blood volume, as far as blood darkens green relatively more than the other channels.
    """
    first = windows[..., :1, :]
    axis = ratio(first, np.sqrt((first**2).sum(axis=-1, keepdims=True)))
    along = (windows * axis).sum(axis=-1)
    rest = windows[..., GREEN] - axis[..., GREEN] * along
    return settled(-ratio(rest, np.maximum(windows[..., GREEN].mean(axis=-1, keepdims=True), 0)))


METHOD = windowed(omit, card=CARD, view=Trace(), window_s=5.0, hop_s=2.5, min_s=2.0)
