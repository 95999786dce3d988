"""Rates: which ones people of an age have, and how they are read off a wave."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from perfuse.core.errors import UsageError
from perfuse.nn.losses import full, spectrum

STEP = 0.25
"""Rates per minute between two that are looked at."""


@dataclass(frozen=True, slots=True)
class Population:
    """Which rates are possible.

    Attributes
    ----------
    pulse_hz, breath_hz : (float, float)
        Lowest and highest, Hz.
    """

    pulse_hz: tuple[float, float]
    breath_hz: tuple[float, float]


POPULATIONS = {
    "adult": Population((0.66, 3.0), (0.1, 0.6)),
    "neonate": Population((1.3, 4.0), (0.4, 1.5)),
    "all": Population((0.66, 4.0), (0.1, 1.5)),
}
"""Networks always learn and answer with ``all``. Another one may narrow a score only, and has to be told with it."""


def population(name: str) -> Population:
    """Return the population of that name.

    Raises
    ------
    UsageError
        If there is none.
    """
    if name not in POPULATIONS:
        raise UsageError(f"There is no population {name!r}.", f"Available: {', '.join(POPULATIONS)}.")
    return POPULATIONS[name]


def strongest_rate(wave: Tensor, band_hz: tuple[float, float], rate_hz: float = 30.0) -> Tensor:
    """Return the rate of the highest peak of waves (B, T) within a band, per minute, (B,); NaN for a flat wave.

    Hann window, every :data:`STEP` per minute, a parabola through the highest and its neighbours.
    """
    wave = full(wave)
    count = round((band_hz[1] - band_hz[0]) * 60 / STEP) + 1
    rates = torch.linspace(band_hz[0] * 60, band_hz[1] * 60, count, dtype=wave.dtype, device=wave.device)
    power = spectrum(wave, rates, rate_hz)
    best = power.argmax(1, keepdim=True).clamp(1, count - 2)
    left, top, right = (power.gather(1, best + k)[:, 0] for k in (-1, 0, 1))
    bend = left - 2 * top + right
    aside = torch.where(bend < 0, 0.5 * (left - right) / torch.where(bend < 0, bend, -1.0), 0.0).clamp(-1, 1)
    found = rates[best[:, 0]] + aside * (rates[1] - rates[0])
    return torch.where(wave.std(1, correction=0) > 1e-6, found, float("nan"))
