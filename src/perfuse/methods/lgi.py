"""LGI: what is left after projecting out the dominant colour."""

from __future__ import annotations

import numpy as np

from perfuse.core.card import Card
from perfuse.core.view import Trace
from perfuse.methods.colour import GREEN, Array, ratio, second_moments, settled
from perfuse.methods.windowed import windowed

CARD = Card(
    name="lgi",
    title="LGI: local group invariance",
    paper="Pilz, Zaunseder, Krajewski, Blazek: Local Group Invariance for Heart Rate Estimation from Face Videos in "
    "the Wild. CVPR Workshops 2018",
    equation="s = green row of (I - u u') C, u the first left singular vector of the colours C",
    limits="Removes only what changes along the mean colour (light, not gloss); follows drift of the light's colour.",
    deviations="In 5 s windows instead of the whole recording; divided by the mean of green, centred, and turned to "
    "rise with blood volume. No band-pass.",
)


def lgi(windows: Array, rate_hz: float) -> Array:
    """Green part of the colours outside their first singular direction, relative to mean green, upside down.

    Parameters
    ----------
    windows : ndarray, (..., L, 3)
        Red, green, blue; not centred, so that the first direction is the skin's colour.
    rate_hz : float
        Not used.

    Returns
    -------
    ndarray, (..., L)
        Rises with blood volume, as far as blood darkens green relatively more than the other channels.
    """
    # The left singular vectors of C are the eigenvectors of C C', sorted upwards.
    axis = np.linalg.eigh(second_moments(windows))[1][..., -1]
    along = (windows * axis[..., None, :]).sum(axis=-1)
    rest = windows[..., GREEN] - axis[..., GREEN, None] * along
    return settled(-ratio(rest, np.maximum(windows[..., GREEN].mean(axis=-1, keepdims=True), 0)))


METHOD = windowed(lgi, card=CARD, view=Trace(), window_s=5.0, hop_s=2.5, min_s=2.0)
