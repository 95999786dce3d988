"""POS: projection on the plane orthogonal to the skin tone."""

from __future__ import annotations

from perfuse.core.card import Card
from perfuse.core.view import Trace
from perfuse.methods.colour import BLUE, GREEN, RED, Array, ratio, relative, settled
from perfuse.methods.windowed import windowed

CARD = Card(
    name="pos",
    title="POS: plane orthogonal to skin",
    paper="Wang, den Brinker, Stuijk, de Haan: Algorithmic Principles of Remote PPG. IEEE TBME 64, 2017",
    equation="Algorithm 1",
    limits="Needs all three channels above black and below saturation; not for a finger on the lens.",
    deviations="The overlapping windows are averaged where the paper sums them, so that the first and last 1.6 s are "
    "not fainter, and the sign is turned to rise with blood volume. No filter inside: much published code adds "
    "detrending and a band-pass here and calls the result POS, or leaves out the mean removal or the last frame.",
)


def pos(windows: Array, rate_hz: float) -> Array:
    """Algorithm 1 for one window: ``-(S1 + sd(S1) / sd(S2) * S2)`` with S1 = G - B, S2 = G + B - 2R of c / mean(c).

    Parameters
    ----------
    windows : ndarray, (..., L, 3)
        Red, green, blue.
    rate_hz : float
        Not used.

    Returns
    -------
    ndarray, (..., L)
        Zero mean, rises with blood volume (which darkens green most); zeros where nothing but the intensity changes.
    """
    change = relative(windows)
    red, green, blue = change[..., RED], change[..., GREEN], change[..., BLUE]
    s1 = settled(green - blue)
    s2 = settled(green + blue - 2 * red)
    return settled(-(s1 + ratio(s1.std(axis=-1, keepdims=True), s2.std(axis=-1, keepdims=True)) * s2))


METHOD = windowed(pos, card=CARD, view=Trace(), window_s=1.6, hop_s=None, min_s=1.0, taper="flat")
