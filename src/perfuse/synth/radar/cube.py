"""A radar's recording in the shape that PhysDrive publishes: cubes of Doppler, angle and range, 20 a second.

After the authors' processing (Wang et al., PhysDrive, 2025, and their repository): Hann window and Fourier transform
over range, the mean over a frame's chirps taken away, Hamming window and transform over the chirps (Doppler),
transform over eight antennas padded to 32 (angle), a crop of 8 x 16 x 8 about the range with the most energy near no
Doppler, and one mean and deviation for all numbers. ASSUMED: one person straight ahead or a little aside, chirps
spread evenly over a frame, 16 of them (the centre of the Doppler axis is that of the original 128), the same noise in
all antennas, and one range for the whole recording, where the original looks for it frame by frame.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from perfuse.radar.kinds import IWR1843
from perfuse.synth.radar.body import Breath, Pulse
from perfuse.synth.radar.chirps import C128
from perfuse.synth.radar.record import observe

CHIRPS, RANGES, ANTENNAS, ANGLES = 16, 32, 8, 32
"""Chirps of a frame, range bins kept, virtual antennas, and angles after padding."""

CROP = (8, 16, 8)
"""Doppler, angle, range."""

NEAREST, CENTRE = 4, 5
"""First range bin that may hold the driver, and Doppler bins about zero that the search looks at."""


def cube(
    rng: np.random.Generator, heart: Pulse, lungs: Breath, duration_s: float, *, quality: str = "clean"
) -> NDArray[np.float32]:
    """Record a subject as PhysDrive would publish it.

    Parameters
    ----------
    rng, heart, lungs, duration_s, quality
        As for :func:`perfuse.synth.radar.record.observe`.

    Returns
    -------
    ndarray, float32, (frames, 2, 8, 16, 8)
        Real and imaginary part of cells of Doppler, angle and range; mean 0, deviation 1 over all numbers.
    """
    fast = replace(IWR1843, frame_rate_hz=CHIRPS * IWR1843.frame_rate_hz)
    found = observe(rng, heart, lungs, duration_s, config=fast, quality=quality).bins((0, RANGES))
    frames = len(found) // CHIRPS
    ranges = _hann(found)[: frames * CHIRPS].reshape(frames, CHIRPS, RANGES)
    ranges = ranges - ranges.mean(axis=1, keepdims=True)
    doppler = np.fft.fftshift(np.fft.fft(ranges * np.hamming(CHIRPS)[:, None], axis=1), axes=1)
    steps = np.exp(1j * np.pi * np.sin(rng.uniform(-0.2, 0.2)) * np.arange(ANTENNAS))
    angle = np.fft.fftshift(np.fft.fft(steps, ANGLES))
    near = doppler[:, (CHIRPS - CENTRE) // 2 + 1 :][:, :CENTRE]
    middle = NEAREST + int(np.argmax((np.abs(near[:, :, NEAREST:]) ** 2).sum(axis=(0, 1))))
    low = min(max(middle - CROP[2] // 2, 0), RANGES - CROP[2])
    aside = min(max(int(np.argmax(np.abs(angle))) - CROP[1] // 2, 0), ANGLES - CROP[1])
    slow = (CHIRPS - CROP[0]) // 2
    cells = doppler[:, slow : slow + CROP[0], None, low : low + CROP[2]] * angle[aside : aside + CROP[1], None]
    pair = np.stack([cells.real, cells.imag], axis=1)
    return np.asarray((pair - pair.mean()) / pair.std(), np.float32)


def _hann(bins: C128) -> C128:
    """Give range bins (N, B) the Hann window that their samples did not have, (N, B - 1): a sum of neighbours."""
    before = np.concatenate([np.zeros_like(bins[:, :1]), bins[:, :-2]], axis=1)
    return np.asarray(0.5 * bins[:, :-1] - 0.25 * (before + bins[:, 1:]))
