"""CONTACT: a finger on the lens, channels weighted by how periodic they are."""

from __future__ import annotations

import numpy as np

from perfuse.core.card import Card
from perfuse.core.view import Trace
from perfuse.methods.colour import Array, ratio, relative, settled
from perfuse.methods.windowed import windowed
from perfuse.signal.filters import bandpass
from perfuse.signal.spectrum import power_spectrum

PASS_HZ = (0.6, 8.0)
"""What is kept: drift and steps of the exposure go, the shape of a beat stays."""

RATE_HZ = (0.6, 4.0)
"""Where the pulse's fundamental may lie."""

LINE_HZ = 0.15
"""Half-width of a spectral line: what a varying heart rate and a 5 s window make of a pulse."""

CARD = Card(
    name="contact",
    title="CONTACT: finger on the lens",
    paper="perfuse",
    equation="minus the mean of the normalised channels, each weighted by its pulse-to-noise ratio in the window",
    band_hz=PASS_HZ,
    provenance="own",
    limits="For a fingertip that covers the lens, lit by the flash or from behind. On a face every change of light "
    "or pose is in the output. The amplitude is evened out in 5 s windows: no strength or breathing can be read from "
    "it.",
    deviations="None: there is no paper. Chrominance methods fail here, because green and blue may be black while "
    "red nearly saturates.",
)


def periodicity(signals: Array, rate_hz: float) -> Array:
    """Share of the power that lies in the strongest spectral line and its first overtone.

    Parameters
    ----------
    signals : ndarray, (..., L)
        Band-passed.
    rate_hz : float
        Samples per second.

    Returns
    -------
    ndarray, (...)
        0 (silent) to 1 (one steady rhythm); about 0.3 for noise.
    """
    freq_hz, power = power_spectrum(signals, rate_hz, grid_hz=0.02)
    inside = (freq_hz >= RATE_HZ[0]) & (freq_hz <= RATE_HZ[1])
    line = freq_hz[np.argmax(np.where(inside, power, 0.0), axis=-1)][..., None]
    near = (np.abs(freq_hz - line) < LINE_HZ) | (np.abs(freq_hz - 2 * line) < LINE_HZ)
    return ratio((power * near).sum(axis=-1), power.sum(axis=-1))


def contact(windows: Array, rate_hz: float) -> Array:
    """Weighted mean of the channels' normalised darkening.

    A channel of unit variance whose share ``q`` is pulse has pulse amplitude ``sqrt(q)`` and noise power ``1 - q``;
    the best weights for adding such channels are ``sqrt(q) / (1 - q)``.

    Parameters
    ----------
    windows : ndarray, (..., L, 3)
        Red, green, blue.
    rate_hz : float
        Samples per second.

    Returns
    -------
    ndarray, (..., L)
        Unit variance, rises with blood volume (which darkens all channels); zeros where all channels are constant.
    """
    channels = bandpass(np.moveaxis(relative(windows), -1, -2), rate_hz, *PASS_HZ)
    channels = settled(channels)
    unit = ratio(channels, channels.std(axis=-1, keepdims=True))
    pulse_share = periodicity(unit, rate_hz)
    weights = np.sqrt(pulse_share) / (1.001 - pulse_share)
    pulse = settled(-(unit * weights[..., None]).sum(axis=-2))
    return ratio(pulse, pulse.std(axis=-1, keepdims=True))


METHOD = windowed(contact, card=CARD, view=Trace(), window_s=5.0, hop_s=2.5, min_s=2.0)
