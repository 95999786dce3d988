"""CHROM: chrominance signals of standardised skin."""

from __future__ import annotations

import numpy as np

from perfuse.core.card import Card
from perfuse.core.view import Trace
from perfuse.methods.colour import BLUE, GREEN, RED, Array, ratio, relative, settled
from perfuse.methods.windowed import windowed
from perfuse.signal.filters import bandpass

BAND_HZ = (40 / 60, 240 / 60)

CARD = Card(
    name="chrom",
    title="CHROM: chrominance of standardised skin",
    paper="de Haan, Jeanne: Robust Pulse Rate From Chrominance-Based rPPG. IEEE TBME 60, 2013",
    equation="X = 3R - 2G, Y = 1.5R + G - 1.5B, S = X - (sd X / sd Y) Y, in windows of 1.6 s",
    band_hz=BAND_HZ,
    limits="Needs all three channels above black and below saturation; not for a finger on the lens. In "
    "windows so short its filter leaves a heart of 45 per minute half of its first line: below 50, twice the rate "
    "may be read.",
    deviations="The band-pass inside the window (40 to 240 per minute) is a zero-phase Butterworth of order 3. The "
    "last window is moved back so that no sample is lost. Some published code leaves out the normalisation, the "
    "windows or the filter.",
)


def chrom(windows: Array, rate_hz: float) -> Array:
    """Chrominance pulse of one window: ``Xf - sd(Xf) / sd(Yf) * Yf``, f for the band-pass.

    Parameters
    ----------
    windows : ndarray, (..., L, 3)
        Red, green, blue.
    rate_hz : float
        Samples per second.

    Returns
    -------
    ndarray, (..., L)
        Rises with blood volume; zeros where nothing but the intensity changes.
    """
    change = relative(windows)
    red, green, blue = change[..., RED], change[..., GREEN], change[..., BLUE]
    x = settled(bandpass(3 * red - 2 * green, rate_hz, *BAND_HZ))
    y = settled(bandpass(1.5 * red + green - 1.5 * blue, rate_hz, *BAND_HZ))
    alpha = ratio(np.std(x, axis=-1, keepdims=True), np.std(y, axis=-1, keepdims=True))
    return settled(x - alpha * y)


METHOD = windowed(chrom, card=CARD, view=Trace(), window_s=1.6, hop_s=0.8, min_s=1.0)
