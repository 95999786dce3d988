"""Labels made ready to be rounded: band-passed and standardised per clip; and simulated ones to fit code books to."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from perfuse.core.errors import UsageError
from perfuse.nn.losses import STILL, whole
from perfuse.signal.filters import bandpass
from perfuse.synth.physiology.heart import beat
from perfuse.synth.physiology.lungs import breathe
from perfuse.synth.sensors.contact import FAULTS, contact_ppg
from perfuse.synth.settings import settle
from perfuse.synth.settings import stream as chance

PAPER_BAND_HZ = (0.75, 2.5)
"""Of the authors' release: 45 to 150 beats a minute."""
HOUSE_BAND_HZ = (0.6, 4.0)
"""What this project measures: 36 to 240 a minute, newborns among them."""
ORDER = 1
KINDS = ("pulse", "contact")
"""Blood volume of the face, which only a simulator knows; or what a sensor on a finger wrote."""
SURROUND_S = 12.0
"""Heart and lungs run this long before and after a simulated label, so that its ends are like its middle."""


def prepared(label: Tensor, rate_hz: float, band_hz: tuple[float, float] = PAPER_BAND_HZ) -> Tensor:
    """Band-pass labels and standardise them, each by itself.

    A Butterworth filter of first order, forwards and backwards, then mean 0 and (unbiased) standard deviation 1: the
    authors' stage 1. They filter with ``filtfilt``; :func:`perfuse.signal.filters.bandpass` is what that tends to
    with endless padding.

    Parameters
    ----------
    label : Tensor, (B, T)
        Any unit; NaN counts as 0.
    rate_hz : float
        Samples per second.
    band_hz : (float, float)
        Where the gain is one half.

    Returns
    -------
    Tensor, (B, T)
        0 where nothing moves in the band.
    """
    rows = whole(label).detach().cpu().double().numpy()
    passed = bandpass(rows, rate_hz, *band_hz, order=ORDER)
    return standard(torch.from_numpy(passed).to(label))


def standard(label: Tensor) -> Tensor:
    """Return labels (B, T) with mean 0 and unbiased standard deviation 1, or 0 where they do not move."""
    centred = whole(label)
    centred = centred - centred.mean(-1, keepdim=True)
    size = centred.std(-1, keepdim=True)
    return torch.where(size > STILL, centred / size.clamp(min=STILL), 0.0)


def simulated_labels(
    count: int,
    *,
    frames: int = 160,
    rate_hz: float = 30.0,
    kind: str = "pulse",
    fault: str = "clean",
    domain: str = "train",
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return labels of simulated people, without their pictures: about five milliseconds of work each.

    Parameters
    ----------
    count, frames : int
        How many, and samples of each; at least 1, and 1 s.
    rate_hz : float
        Samples per second.
    kind : {"pulse", "contact"}
        Blood volume of the face, or what a sensor on a finger wrote.
    fault : str
        Of that sensor, see :data:`perfuse.synth.sensors.contact.FAULTS`.
    domain : str
        Whose priors hearts and lungs are drawn from.
    seed : int
        0 or above; label ``i`` depends on it, on ``i`` and on what is asked for alone.

    Returns
    -------
    ndarray, float64, (count, frames)
        Pulse waves as they are: not filtered, not standardised.

    Raises
    ------
    UsageError
        If there is no such kind, fault or domain, or too few are asked for.
    """
    if kind not in KINDS or fault not in FAULTS:
        raise UsageError(
            f"A label {kind!r} with the fault {fault!r} was asked for.",
            f"Kinds: {', '.join(KINDS)}. Faults: {', '.join(FAULTS)}.",
        )
    if count < 1 or not rate_hz > 0 or frames < rate_hz:
        raise UsageError(
            f"{count} labels of {frames} samples at {rate_hz:g} Hz were asked for.",
            "Ask for one of a second or more.",
        )
    grid = np.arange(frames) / rate_hz
    return np.stack([_label(seed, i, grid, rate_hz, kind, fault, domain) for i in range(count)])


def _label(
    seed: int, index: int, grid: NDArray[np.float64], rate_hz: float, kind: str, fault: str, domain: str
) -> NDArray[np.float64]:
    own = int(chance(seed, "label", index).integers(2**62))
    length = len(grid) / rate_hz
    s = settle(own, domain, {"kind": "person", "duration_s": max(1.0, length)})
    lungs = breathe(
        chance(own, "lungs"), s.respiratory_rate, SURROUND_S, s.duration_s,
        style=s.breathing, sighs_per_hour=s.sighs_per_hour,
    )  # fmt: skip
    heart = beat(
        chance(own, "heart"), s.heart_rate, lungs, s.duration_s,
        age_y=s.age_y, sdnn_scale=s.sdnn_scale, rhythm=s.rhythm, recovery=s.recovery,
    )  # fmt: skip
    if kind == "pulse":
        return np.asarray(heart.at(grid))
    sensor = contact_ppg(chance(own, "contact finger"), heart, lungs, length, rate_hz=rate_hz, fault=fault)
    return np.asarray(np.where(sensor.valid, np.nan_to_num(sensor.values), 0.0))
