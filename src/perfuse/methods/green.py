"""GREEN: the green channel alone."""

from __future__ import annotations

from perfuse.core.card import Card
from perfuse.core.view import Trace
from perfuse.methods.colour import GREEN, Array, relative, settled
from perfuse.methods.windowed import windowed

CARD = Card(
    name="green",
    title="GREEN: the green channel, upside down",
    paper="Verkruysse, Svaasand, Nelson: Remote plethysmographic imaging using ambient light. "
    "Optics Express 16, 2008",
    equation="section 2: spatial mean of the green channel",
    limits="Every change of light or pose that reaches the green channel is in the output: for a still subject in "
    "steady light, and as the baseline that other methods must beat.",
    deviations="Divided by its mean and centred in 5 s windows, which takes slow drift out; no band-pass.",
)


def green(windows: Array, rate_hz: float) -> Array:
    """Relative darkening of the green channel: ``1 - G / mean(G)``.

    Parameters
    ----------
    windows : ndarray, (..., L, 3)
        Red, green, blue.
    rate_hz : float
        Not used.

    Returns
    -------
    ndarray, (..., L)
        Rises with blood volume; zeros where green is constant or black.
    """
    return settled(-relative(windows)[..., GREEN])


METHOD = windowed(green, card=CARD, view=Trace(), window_s=5.0, hop_s=2.5, min_s=2.0)
