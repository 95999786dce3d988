"""RADAR: the chest trembles after every beat, and a radar feels it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfuse.core.card import Card
from perfuse.core.errors import UsageError
from perfuse.core.view import Echo
from perfuse.methods.colour import Array, ratio
from perfuse.methods.windowed import windowed
from perfuse.radar.frontend import phase_steps
from perfuse.signal.filters import bandpass

TREMBLE_HZ = (4.0, 20.0)
"""Where the chest's vibration after the closing of the heart's valves lies; breathing's overtones stay below."""

SHARE = 0.47
"""Share of the sampling rate up to which a slower radar is read."""

PASS_HZ = (0.6, 8.0)
"""What is kept of the vibration's strength."""

CARD = Card(
    name="radar",
    title="RADAR: the chest's vibration after each beat",
    paper="perfuse",
    equation="square root of |phase steps, 4 to 20 Hz| of the bin that moves most and its neighbours, about the "
    "middles of their circles",
    band_hz=PASS_HZ,
    provenance="own",
    limits="For a radar in front of the chest of one person who sits. Shows the strength of a vibration, not blood: "
    "beats come about 0.2 s before those of the face, and no strength of the pulse can be read from it. Below 50 "
    "frames a second it sees part of the vibration only. Of two people it takes the one who moves more. Settled on "
    "simulated radars alone.",
    deviations="None: there is no paper. The movement at the heart's own rate, which published methods read, drowns "
    "in the overtones of breathing.",
)


def echoes(values: NDArray[np.float32], weights: NDArray[np.float32] | None = None) -> Array:
    """Take the cells of a radar as they are: (T, B, 2), float64.

    Raises
    ------
    UsageError
        On any other shape.
    """
    if values.ndim != 3 or values.shape[1] < 1 or values.shape[2] != 2:
        raise UsageError(f"Echoes of shape {values.shape} were given.", "Pass (samples, cells, 2).")
    return values.astype(np.float64)


def radar(windows: Array, rate_hz: float) -> Array:
    """Strength of the chest's vibration.

    A step of the phase counts in full where the echo is at least as strong as usual in the window; where echoes
    cancel, the angle is noise, and counts less.

    Parameters
    ----------
    windows : ndarray, (..., L, B, 2)
        Real and imaginary parts of neighbouring cells.
    rate_hz : float
        Samples per second.

    Returns
    -------
    ndarray, (..., L)
        Unit variance, rises with each beat; zeros where nothing moves, or at rates too low to see any vibration.
    """
    high = min(TREMBLE_HZ[1], SHARE * rate_hz)
    if high < 1.5 * TREMBLE_HZ[0]:
        return np.zeros(windows.shape[:-2])
    steps, strength = phase_steps(windows[..., 0] + 1j * windows[..., 1])
    usual = np.median(strength, axis=-1, keepdims=True)
    vibration = bandpass(steps * np.minimum(ratio(strength, usual), 1.0), rate_hz, TREMBLE_HZ[0], high)
    wave = bandpass(np.sqrt(np.abs(vibration)), rate_hz, *PASS_HZ)
    return ratio(wave, wave.std(axis=-1, keepdims=True))


def movement(windows: Array, rate_hz: float) -> Array:
    """Return the steps of the phase, radians a sample, positive away from the radar: their sum is the chest's path.

    See :func:`radar` for the parameters.
    """
    return phase_steps(windows[..., 0] + 1j * windows[..., 1])[0]


WINDOW_S, HOP_S, LEAST_S = 10.0, 5.0, 3.0
"""Two breaths or more for the circle; somebody who shifts on the seat is lost for a window at most."""

METHOD = windowed(radar, card=CARD, view=Echo(), window_s=WINDOW_S, hop_s=HOP_S, min_s=LEAST_S, per_frame=echoes)
MOVEMENT = windowed(movement, card=CARD, view=Echo(), window_s=WINDOW_S, hop_s=HOP_S, min_s=LEAST_S, per_frame=echoes)
"""What breathing is read from, whichever method gives the pulse."""
