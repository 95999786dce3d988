"""Kinds of radar: the numbers that turn samples into ranges, and phases into millimetres."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIGHT_M_S = 299_792_458.0
BINS = 5
"""Range bins that networks read: the strongest one and two on either side."""

_NUMBERS = ("start_hz", "slope_hz_s", "samples", "sample_rate_hz", "frame_rate_hz")


@dataclass(frozen=True, slots=True)
class RadarKind:
    """A radar with one transmitter and one receiver at work, and one chirp per frame.

    Attributes
    ----------
    name : str
        What it is called.
    start_hz : float
        Frequency at the first sample, in Hz.
    slope_hz_s : float
        Slope of the sweep, in Hz per s.
    samples : int
        Complex samples per chirp.
    sample_rate_hz, frame_rate_hz : float
        Samples per s within a chirp, and chirps per s.
    search_m : tuple of float
        Ranges where the body is looked for.
    seat_m : tuple of float
        Ranges where people sit.
    counts : float
        Typical amplitude of a body at 0.6 m, in ADC counts. ASSUMED so that the strongest bin is about 1 after
        division by ``scale``, which published preprocessing divides EquiPleth's bins by.
    scale : float
        What range bins are divided by for a network.
    """

    name: str
    start_hz: float
    slope_hz_s: float
    samples: int
    sample_rate_hz: float
    frame_rate_hz: float
    search_m: tuple[float, float]
    seat_m: tuple[float, float]
    counts: float = 900.0
    scale: float = 1.255e5

    @staticmethod
    def of(fields: Mapping[str, Any]) -> RadarKind:
        """Return the kind whose fields are given by name, as a file holds them.

        Raises
        ------
        ValueError
            If one is missing, is no number, or is a rate that is not above 0.
        """
        try:
            number = {name: float(fields[name]) for name in _NUMBERS}
            (near, far), (first, last) = ((float(x) for x in fields[name]) for name in ("search_m", "seat_m"))
            counts, scale = float(fields["counts"]), float(fields["scale"])
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"no radar is described ({type(error).__name__}: {error})") from error
        known = [*number.values(), near, far, first, last, counts, scale]
        if not (np.isfinite(known).all() and min(*number.values(), scale) > 0 and 0 <= near < far):
            raise ValueError("a radar is described that cannot be")
        return RadarKind(
            str(fields.get("name", "radar")), number["start_hz"], number["slope_hz_s"], int(number["samples"]),
            number["sample_rate_hz"], number["frame_rate_hz"], (near, far), (first, last), counts, scale,
        )  # fmt: skip

    @property
    def bin_m(self) -> float:
        """Distance between range bins."""
        return LIGHT_M_S * self.sample_rate_hz / (2.0 * self.slope_hz_s * self.samples)

    @property
    def centre_hz(self) -> float:
        """Frequency in the middle of the sampled sweep: the one that the phase of a range bin follows."""
        return self.start_hz + 0.5 * self.slope_hz_s * (self.samples - 1) / self.sample_rate_hz

    @property
    def rad_per_mm(self) -> float:
        """Phase of a range bin per mm of movement, 4 pi / wavelength at the centre of the sweep."""
        return float(4e-3 * np.pi * self.centre_hz / LIGHT_M_S)

    @property
    def search_bins(self) -> tuple[int, int]:
        """First and last range bin where the body is looked for."""
        low, high = self.search_m
        return max(0, round(low / self.bin_m)), min(self.samples - 1, round(high / self.bin_m))

    @property
    def near(self) -> tuple[int, int]:
        """First and last range bin that a network can come to see."""
        low, high = self.search_bins
        return max(0, low - BINS // 2), min(self.samples - 1, high + BINS // 2)

    def times(self, duration_s: float, start_s: float = 0.0, every: int = 1) -> NDArray[np.float64]:
        """Return the times of the chirps from ``start_s`` on, in s; ``every`` keeps one of so many."""
        count = round(duration_s * self.frame_rate_hz)
        return start_s + np.arange(0, count, every) / self.frame_rate_hz


AWR1443 = RadarKind("AWR1443", 77e9 + 7e-6 * 60.012e12, 60.012e12, 256, 5e6, 120.0, (0.24, 0.92), (0.4, 0.9))
"""As EquiPleth used it: sampling starts 7 microseconds into the sweep (its mmWave Studio script)."""

IWR1843 = RadarKind("IWR1843", 77e9 + 6e-6 * 60e12, 60e12, 128, 4e6, 20.0, (0.3, 1.3), (0.5, 1.2), 1800.0)
"""As PhysDrive used it, reduced to one antenna and one chirp per frame; the start of sampling is ASSUMED."""

BGT60 = RadarKind("BGT60", 58e9, 4.5e9 / 32e-6, 64, 2e6, 100.0, (0.24, 1.2), (0.35, 1.1), 3600.0)
"""A 60 GHz radar of the BGT60TR13C kind, centred at 60.25 GHz. The sweep is ASSUMED, and so are complex samples."""

KINDS = {kind.name: kind for kind in (AWR1443, IWR1843, BGT60)}
