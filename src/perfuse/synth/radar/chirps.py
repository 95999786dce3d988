"""FMCW radars: what one chirp returns from a set of reflecting points, sample by sample or straight as range bins.

A chirp sweeps from f0 with slope S. A point at range R answers after tau = 2R/c, and the mixer leaves a tone of
frequency S tau whose phase is 2 pi (f0 tau - S tau**2 / 2): range becomes frequency, and a movement of half a
wavelength turns the phase once. Points stand still within a chirp (50 microseconds).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import UsageError
from perfuse.synth.fields import F64

C128 = NDArray[np.complex128]

LIGHT_M_S = 299_792_458.0
BINS = 5
"""Range bins that networks read: the strongest one and two on either side."""

NUDGE = 1e-7
"""Points nearer than this to the middle of a bin are moved there, because 0/0 is no number (error below 1e-6)."""


@dataclass(frozen=True, slots=True)
class Radar:
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

    def times(self, duration_s: float, start_s: float = 0.0, every: int = 1) -> F64:
        """Return the times of the chirps from ``start_s`` on, in s; ``every`` keeps one of so many."""
        count = round(duration_s * self.frame_rate_hz)
        return start_s + np.arange(0, count, every) / self.frame_rate_hz


AWR1443 = Radar("AWR1443", 77e9 + 7e-6 * 60.012e12, 60.012e12, 256, 5e6, 120.0, (0.24, 0.92), (0.4, 0.9))
"""As EquiPleth used it: sampling starts 7 microseconds into the sweep (its mmWave Studio script)."""

IWR1843 = Radar("IWR1843", 77e9 + 6e-6 * 60e12, 60e12, 128, 4e6, 20.0, (0.3, 1.3), (0.5, 1.2), 1800.0)
"""As PhysDrive used it, reduced to one antenna and one chirp per frame; the start of sampling is ASSUMED."""

BGT60 = Radar("BGT60", 58e9, 4.5e9 / 32e-6, 64, 2e6, 100.0, (0.24, 1.2), (0.35, 1.1), 3600.0)
"""A 60 GHz radar of the BGT60TR13C kind, centred at 60.25 GHz. The sweep is ASSUMED, and so are complex samples."""

RADARS = {radar.name: radar for radar in (AWR1443, IWR1843, BGT60)}


@dataclass(frozen=True, slots=True, eq=False)
class Echoes:
    """Everything that reflects, at every chirp.

    Attributes
    ----------
    range_m : ndarray, (J, N)
        Distance of J points at N chirps.
    amplitude : ndarray, complex128, (J, N)
        Their strength in ADC counts, with whatever phase they add.
    noise : float
        Root mean square of the complex noise in each sample, in counts.
    iq : tuple of float
        Imbalance of the receiver: gain of Q over I, and by how many radians Q runs ahead.
    """

    range_m: F64
    amplitude: C128
    noise: float = 0.0
    iq: tuple[float, float] = (1.0, 0.0)

    @property
    def mixing(self) -> tuple[complex, complex]:
        """Factors of the sample and of its conjugate that the imbalance makes."""
        gain, angle = self.iq
        turn = gain * np.exp(1j * angle)
        return complex(1.0 + turn) / 2.0, complex(1.0 - np.conj(turn)) / 2.0


def _tone(config: Radar, range_m: F64) -> tuple[F64, F64]:
    """Beat frequency in bins and phase at the first sample in radians."""
    tau = range_m * (2.0 / LIGHT_M_S)
    bins = tau * (config.slope_hz_s * config.samples / config.sample_rate_hz)
    return bins, 2.0 * np.pi * tau * (config.start_hz - 0.5 * config.slope_hz_s * tau)


def beat_signal(config: Radar, echoes: Echoes, rng: np.random.Generator | None = None) -> C128:
    """Raw samples of every chirp.

    Parameters
    ----------
    config : Radar
        What sends and receives.
    echoes : Echoes
        What reflects.
    rng : Generator, optional
        Source of the thermal noise; without it there is none.

    Returns
    -------
    ndarray, complex128, (N, samples)
        In ADC counts, neither rounded nor clipped: see :func:`quantise`.
    """
    index = np.arange(config.samples) / config.samples
    out = np.zeros((echoes.range_m.shape[1], config.samples), np.complex128)
    for range_m, amplitude in zip(echoes.range_m, echoes.amplitude, strict=True):
        bins, phase = _tone(config, range_m)
        out += amplitude[:, None] * np.exp(1j * (phase[:, None] + 2.0 * np.pi * bins[:, None] * index))
    same, mirrored = echoes.mixing
    if mirrored:
        out = same * out + mirrored * out.conj()
    if rng is not None and echoes.noise > 0:
        out += echoes.noise * _noise(rng, out.shape)
    return out


def quantise(raw: C128) -> NDArray[np.int16]:
    """Round and clip raw samples to the converter's 16 bits: (N, samples) complex to (N, samples, 2) int16."""
    pair = np.stack([raw.real, raw.imag], axis=-1)
    return np.clip(np.rint(pair), -32768, 32767).astype(np.int16)


def range_bins(raw: C128) -> C128:
    """Fourier transform of every chirp, without window and without removing its mean: (N, samples) to the same."""
    return np.asarray(np.fft.fft(raw, axis=1), np.complex128)


def bins(
    config: Radar, echoes: Echoes, rng: np.random.Generator | None = None, columns: tuple[int, int] | None = None
) -> C128:
    """Range bins straight from the points, as :func:`range_bins` of :func:`beat_signal` would give them.

    Each point adds the Dirichlet kernel of its distance from the bin; white noise of the samples is white noise of
    the bins, with ``samples`` times its power. An imbalance of the receiver adds the conjugate of the mirrored bin.

    Parameters
    ----------
    config : Radar
        What sends and receives.
    echoes : Echoes
        What reflects.
    rng : Generator, optional
        Source of the thermal noise; without it there is none.
    columns : tuple of int, optional
        First and last bin wanted; by default ``config.near``.

    Returns
    -------
    ndarray, complex128, (N, bins)
        In ADC counts times samples.
    """
    first, last = config.near if columns is None else columns
    size = config.samples
    wanted = np.arange(first, last + 1)
    cosine, sine = np.cos(np.pi * wanted / size)[:, None], np.sin(np.pi * wanted / size)[:, None]
    same, mirrored = echoes.mixing
    count = echoes.range_m.shape[1]
    direct = np.zeros((2, len(wanted), count))
    image = np.zeros((2, len(wanted), count))
    for range_m, amplitude in zip(echoes.range_m, echoes.amplitude, strict=True):
        x, phase = _tone(config, range_m)
        x = np.where(np.abs(x - np.rint(x)) < NUDGE, x + NUDGE, x)
        strength = amplitude * np.sin(np.pi * x) * np.exp(1j * (phase + np.pi * x * ((size - 1) / size)))
        near, far = np.sin(np.pi * x / size) * cosine, np.cos(np.pi * x / size) * sine
        _add(direct, strength, near - far)
        if mirrored:
            _add(image, strength, near + far)
    # sin(pi (x - k)) = (-1)^k sin(pi x), and the linear phase of bin k: neither depends on the point.
    turn = ((-1.0) ** wanted * np.exp(-1j * np.pi * wanted * ((size - 1) / size)))[:, None]
    out = same * turn * (direct[0] + 1j * direct[1])
    if mirrored:
        out += mirrored * turn * (image[0] - 1j * image[1])
    if rng is not None and echoes.noise > 0:
        out += echoes.noise * np.sqrt(size) * _noise(rng, out.shape)
    return np.ascontiguousarray(out.T)


def _add(total: F64, strength: C128, divisor: F64) -> None:
    """Add a complex row divided by a real table; real and imaginary parts apart, because numpy is faster so."""
    part = 1.0 / divisor
    total[0] += strength.real * part
    total[1] += strength.imag * part


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> C128:
    """Circular complex white noise of power 1."""
    pair = rng.standard_normal((2, *shape))
    return np.asarray((pair[0] + 1j * pair[1]) * np.sqrt(0.5))


def best_bin(spectrum: C128, config: Radar = AWR1443, first: int = 0) -> int:
    """Range bin with the largest sum of magnitudes over all chirps, among those where a body is looked for.

    Parameters
    ----------
    spectrum : ndarray, complex, (N, B)
        Neighbouring range bins.
    config : Radar
        Says where to look.
    first : int
        Range bin of the first column.

    Raises
    ------
    UsageError
        If none of the columns lies where a body is looked for.
    """
    low, high = config.search_bins
    low, high = max(low - first, 0), min(high - first, spectrum.shape[1] - 1)
    if high < low:
        raise UsageError(
            f"Range bins {first} to {first + spectrum.shape[1] - 1} were given.",
            f"The {config.name} looks for a body in bins {config.search_bins[0]} to {config.search_bins[1]}.",
        )
    return first + low + int(np.argmax(np.abs(spectrum[:, low : high + 1]).sum(axis=0)))


def select_bins(spectrum: C128, config: Radar = AWR1443, first: int = 0) -> F64:
    """Five bins around the strongest one, as real and imaginary parts: (N, B) complex to (2, 5, N).

    Bins beyond the columns given are zero. See :func:`best_bin` for the parameters.
    """
    middle = best_bin(spectrum, config, first) - first
    out = np.zeros((2, BINS, spectrum.shape[0]))
    for row, column in enumerate(range(middle - BINS // 2, middle + BINS // 2 + 1)):
        if 0 <= column < spectrum.shape[1]:
            out[0, row], out[1, row] = spectrum[:, column].real, spectrum[:, column].imag
    return out


def as_input(five: F64, per: int = 4, scale: float = AWR1443.scale) -> NDArray[np.float32]:
    """Decimate and scale for a network: (2, 5, N) to (10, T) by every ``per``-th chirp; rows 0 to 4 are I, 5 to 9 Q.

    No filter goes before the decimation, as in the published preprocessing (RPM-Distill, EquiPleth): what the chest
    does above 15 Hz folds back.
    """
    kept = five[:, :, ::per]
    return np.asarray(kept.reshape(-1, kept.shape[2]) / scale, np.float32)
