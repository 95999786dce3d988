"""ICA: the most periodic of three independent sources."""

from __future__ import annotations

import numpy as np

from perfuse.core.card import Card
from perfuse.core.view import Trace
from perfuse.methods.blind import BAND_HZ, DRIFT_HZ, most_periodic
from perfuse.methods.colour import Array, relative
from perfuse.methods.jade import jade
from perfuse.methods.windowed import windowed
from perfuse.signal.filters import detrend

CARD = Card(
    name="ica",
    title="ICA: independent components (JADE)",
    paper="Poh, McDuff, Picard: Non-contact, automated cardiac pulse measurements using video imaging and blind "
    "source separation. Optics Express 18, 2010; Advancements in Noncontact, Multiparameter Physiological "
    "Measurements Using a Webcam. IEEE TBME 58, 2011",
    equation="detrend, JADE, the source with the largest share of its power in one spectral line (2011)",
    band_hz=BAND_HZ,
    limits="Needs long windows: below 20 s the separation is unreliable, and any periodic motion may be taken for "
    "the pulse. Answers about 30 s late in a live session.",
    deviations="Detrended at 0.5 Hz whatever the frame rate (the papers give a lambda). 30 s windows that overlap by "
    "half, where the 2010 paper moves on by 1 s. Sign and scale, which ICA leaves open, follow from the blood "
    "signature. The papers' final band-pass is left to whoever reads the wave.",
)


def ica(windows: Array, rate_hz: float) -> Array:
    """Detrend the relative colours, separate them with JADE, keep the most periodic source.

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
        return np.stack([ica(window, rate_hz) for window in windows])
    colours = detrend(relative(windows), rate_hz, min(DRIFT_HZ, rate_hz / 8), axis=0)
    sources, mixing = jade(colours.T)
    return most_periodic(sources, np.linalg.pinv(mixing), rate_hz)


METHOD = windowed(ica, card=CARD, view=Trace(), window_s=30.0, hop_s=15.0, min_s=5.0)
