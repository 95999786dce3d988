"""What the two blind methods share: which component is the pulse, and which way up it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfuse.methods.colour import Array, settled
from perfuse.signal.spectrum import power_spectrum

BAND_HZ = (0.7, 4.0)
"""Where the strongest spectral line may lie: 42 to 240 per minute."""

DRIFT_HZ = 0.5
"""Half-amplitude cut-off of the detrending before separation."""

BLOOD = np.array([0.33, 0.77, 0.53])
"""Relative pulsatility of red, green, blue (de Haan & van Leest 2014): tells which way a component is turned."""


def most_periodic(components: Array, unmixing: NDArray[np.floating], rate_hz: float) -> Array:
    """Pick the component with the strongest spectral line and turn it to rise with blood volume.

    Blind separation leaves sign and scale open. Both are taken from the unmixing vector: a component is turned so
    that it falls when the colour moves along the signature of blood, and scaled as the projection of the colours on
    a unit vector, so that neighbouring windows fit together.

    Parameters
    ----------
    components : ndarray, (K, L)
        K >= 0 components.
    unmixing : ndarray, (K, 3)
        ``components = unmixing @ colours``.
    rate_hz : float
        Samples per second.

    Returns
    -------
    ndarray, (L,)
        Zeros where there is no component.
    """
    if len(components) == 0:
        return np.zeros(components.shape[1])
    freq_hz, power = power_spectrum(components, rate_hz, grid_hz=0.01)
    band = (freq_hz >= BAND_HZ[0]) & (freq_hz <= BAND_HZ[1])
    line = power[:, band].max(axis=1, initial=0) / power[:, 1:].sum(axis=1)
    best = int(np.argmax(line))
    vector = unmixing[best]
    turned = -1.0 if vector @ BLOOD >= 0 else 1.0
    return settled(turned * components[best] / np.linalg.norm(vector))
