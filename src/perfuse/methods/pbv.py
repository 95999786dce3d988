"""PBV: the projection that answers to the colour signature of blood and to as little else as possible."""

from __future__ import annotations

import numpy as np

from perfuse.core.card import Card
from perfuse.core.view import Trace
from perfuse.methods.colour import Array, ratio, relative, second_moments, settled
from perfuse.methods.windowed import windowed

SIGNATURE = np.array([0.33, 0.77, 0.53])
"""Relative pulsatility of red, green, blue under a halogen lamp, the vector the paper uses."""

CARD = Card(
    name="pbv",
    title="PBV: blood volume pulse signature",
    paper="de Haan, van Leest: Improved motion robustness of remote-PPG by using the blood volume pulse signature. "
    "Physiological Measurement 35, 2014",
    equation="w = k Q^-1 p, Q = n n' of the normalised colours, k such that w'p = 1",
    limits="The signature depends on lamp and camera; where it is off by much, part of the pulse is cancelled.",
    deviations="The fixed signature (0.33, 0.77, 0.53) of the paper. Much published code instead takes the channels' "
    "standard deviations of the same recording, which any motion dominates. In 5 s windows; a pseudo-inverse where "
    "Q is singular; sign turned to rise with blood volume. No band-pass.",
)


def pbv(windows: Array, rate_hz: float) -> Array:
    """Minimum-variance projection with unit response to the blood signature, upside down.

    Parameters
    ----------
    windows : ndarray, (..., L, 3)
        Red, green, blue.
    rate_hz : float
        Not used.

    Returns
    -------
    ndarray, (..., L)
        Relative change along the signature; rises with blood volume.
    """
    change = relative(windows)
    inverse = np.linalg.pinv(second_moments(change), rcond=1e-12, hermitian=True)
    weights = (inverse * SIGNATURE).sum(axis=-1)
    response = (weights * SIGNATURE).sum(axis=-1)
    weights = ratio(weights, response[..., None])
    return settled(-(change * weights[..., None, :]).sum(axis=-1))


METHOD = windowed(pbv, card=CARD, view=Trace(), window_s=5.0, hop_s=2.5, min_s=2.0)
