"""FMCW radars: what one chirp returns from a set of reflecting points, sample by sample or straight as range bins.

A chirp sweeps from f0 with slope S. A point at range R answers after tau = 2R/c, and the mixer leaves a tone of
frequency S tau whose phase is 2 pi (f0 tau - S tau**2 / 2): range becomes frequency, and a movement of half a
wavelength turns the phase once. Points stand still within a chirp (50 microseconds).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.radar.kinds import LIGHT_M_S, RadarKind
from perfuse.synth.fields import F64

C128 = NDArray[np.complex128]

NUDGE = 1e-7
"""Points nearer than this to the middle of a bin are moved there, because 0/0 is no number (error below 1e-6)."""


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


def _tone(config: RadarKind, range_m: F64) -> tuple[F64, F64]:
    """Beat frequency in bins and phase at the first sample in radians."""
    tau = range_m * (2.0 / LIGHT_M_S)
    bins = tau * (config.slope_hz_s * config.samples / config.sample_rate_hz)
    return bins, 2.0 * np.pi * tau * (config.start_hz - 0.5 * config.slope_hz_s * tau)


def beat_signal(config: RadarKind, echoes: Echoes, rng: np.random.Generator | None = None) -> C128:
    """Raw samples of every chirp.

    Parameters
    ----------
    config : RadarKind
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


def bins(
    config: RadarKind, echoes: Echoes, rng: np.random.Generator | None = None, columns: tuple[int, int] | None = None
) -> C128:
    """Range bins straight from the points: what :func:`beat_signal` and a Fourier transform would give.

    Each point adds the Dirichlet kernel of its distance from the bin; white noise of the samples is white noise of
    the bins, with ``samples`` times its power. An imbalance of the receiver adds the conjugate of the mirrored bin.

    Parameters
    ----------
    config : RadarKind
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
