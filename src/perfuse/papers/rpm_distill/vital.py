"""What is measured: the pulse, in the paper's band or this project's, or breathing, which the paper only mentions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from perfuse.nn.losses import spectrum
from perfuse.nn.trust import RATES
from perfuse.nn.trust import right as pulse_right
from perfuse.synth.batch import Batch


@dataclass(frozen=True, slots=True)
class Vital:
    """A vital sign: where its spectrum lies, and where a batch holds its truth.

    Attributes
    ----------
    name : {"pulse", "respiration"}
        Of the output, and of the label.
    band_hz : (float, float)
        In which waves are compared, both edges included.
    points : int
        Of the transform that the signal-to-noise ratio is read from; more for waves that are longer.
    reach_hz : float
        What still belongs to the label's line, to either side.
    close : float
        An answer this near, per minute, counts as right.
    lines : (float, float, float)
        Rates per minute at which waves are asked for their strongest line: first, last, step.
    """

    name: str
    band_hz: tuple[float, float]
    points: int
    reach_hz: float
    close: float
    lines: tuple[float, float, float]

    @property
    def rates(self) -> Tensor:
        """Return the lines."""
        first, last, step = self.lines
        return torch.arange(first, last + step / 2, step)

    def label(self, batch: Batch) -> Tensor:
        """Return the true wave, (B, T)."""
        wave: Tensor = getattr(batch, self.name)
        return wave

    def rate(self, batch: Batch) -> Tensor:
        """Return the true rate per minute, (B,), NaN where nothing beats or breathes."""
        rate: Tensor = batch.heart_rate if self.name == "pulse" else batch.respiratory_rate
        return rate

    def without(self, batch: Batch, known: Tensor) -> Batch:
        """Return the batch with the truth of clips that are not ``known`` (B,) taken out."""
        wave = torch.where(known[:, None], self.label(batch), 0.0)
        rate = torch.where(known, self.rate(batch), torch.nan)
        if self.name == "pulse":
            return replace(batch, pulse=wave, heart_rate=rate)
        return replace(batch, respiration=wave, respiratory_rate=rate)

    def read(self, wave: Tensor, rate_hz: float) -> Tensor:
        """Return the strongest line of waves (B, T), per minute, (B,)."""
        rates = self.rates.to(wave.device)
        return rates[spectrum(wave, rates, rate_hz).argmax(1)]

    def right(self, wave: Tensor, batch: Batch) -> Tensor:
        """Tell which waves (B, T) are right, (B,) 0 or 1; none is where nothing beats or breathes."""
        if self.name == "pulse":
            return pulse_right(wave, batch)
        with torch.no_grad():
            near: Tensor = (self.read(wave, batch.rate_hz) - self.rate(batch)).abs() <= self.close
        return near.float()


_LINES = (float(RATES[0]), float(RATES[-1]), float(RATES[1] - RATES[0]))
PULSE = Vital("pulse", (0.75, 3.0), 1024, 4 * 30 / 1024, 5.0, _LINES)
"""The paper's: 45 to 180 a minute; four bins of its transform to either side of the line."""
HOUSE = replace(PULSE, band_hz=(0.6, 4.0))
"""All heart rates that this project measures. ASSUMED."""
RESPIRATION = Vital("respiration", (0.1, 0.5), 8192, 0.04, 2.0, (5.0, 32.0, 0.5))
"""RECONSTRUCTED: 6 to 30 a minute. Spectra of 30 s have lines 2 a minute apart, and 13 in this band."""
BANDS = {("pulse", "paper"): PULSE, ("pulse", "house"): HOUSE, ("respiration", "paper"): RESPIRATION}
"""By name, and by whose band it is."""
