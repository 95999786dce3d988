"""PCA: the most periodic of three principal components."""

from __future__ import annotations

import numpy as np

from perfuse.core.card import Card
from perfuse.core.view import Trace
from perfuse.methods.blind import BAND_HZ, DRIFT_HZ, most_periodic
from perfuse.methods.colour import Array, relative, second_moments
from perfuse.methods.windowed import windowed
from perfuse.signal.filters import detrend

CARD = Card(
    name="pca",
    title="PCA: principal components of colour",
    paper="Lewandowska, Ruminski, Kocejko, Nowak: Measuring pulse rate with a webcam - a non-contact method for "
    "evaluating cardiac activity. FedCSIS 2011",
    equation="principal components of the channels over time",
    band_hz=BAND_HZ,
    provenance="reconstructed",
    limits="Components are sorted by size, not by meaning: where nothing else is as large as the pulse, it is spread "
    "over two of them. Answers about 30 s late in a live session.",
    deviations="Rebuilt from descriptions of the paper. Much published code always takes the second component; "
    "here it is the one with the strongest spectral line. Detrended at 0.5 Hz, 30 s windows that overlap by half. "
    "Sign from the blood signature.",
)


def pca(windows: Array, rate_hz: float) -> Array:
    """Detrend the relative colours, rotate them to their principal axes, keep the most periodic component.

    Parameters
    ----------
    windows : ndarray, (..., L, 3)
        Red, green, blue.
    rate_hz : float
        Samples per second.

    Returns
    -------
    ndarray, (..., L)
        Rises with blood volume.
    """
    if windows.ndim > 2:
        return np.stack([pca(window, rate_hz) for window in windows])
    colours = detrend(relative(windows), rate_hz, min(DRIFT_HZ, rate_hz / 8), axis=0)
    colours = colours - colours.mean(axis=0)
    variance, axes = np.linalg.eigh(second_moments(colours))
    some = variance > 1e-12 * variance[-1]
    return most_periodic((colours @ axes[:, some]).T, axes[:, some].T, rate_hz)


METHOD = windowed(pca, card=CARD, view=Trace(), window_s=30.0, hop_s=15.0, min_s=5.0)
