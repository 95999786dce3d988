"""What stands between a body and a good radar recording, and how much of it each quality has.

An FMCW receiver shrugs off part of what spoils a continuous-wave one: an imbalance of I and Q shows in the mirrored
range bin, an offset of the converter in bin 0. They are simulated where they arise, on the samples, and so hardly
touch the bins of the body. What reaches those is noise, static reflections that drift, and the body's own movement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import UsageError
from perfuse.radar.kinds import RadarKind
from perfuse.synth.fields import F64, GRID_HZ, coloured, power_law
from perfuse.synth.physiology.heart import beat
from perfuse.synth.physiology.lungs import breathe
from perfuse.synth.radar.body import Breath, Pulse
from perfuse.synth.radar.chirps import C128

QUALITIES = ("clean", "weak", "moved", "wrong_person", "lost")
"""Good; little signal; the body shifts its seat; somebody else is nearer or clearer; out of the beam."""

LONGEST_GAP = 50
"""Most chirps that one network hiccup loses."""


@dataclass(frozen=True, slots=True)
class Spoiling:
    """Sizes of all impairments of one recording.

    Attributes
    ----------
    strength : float
        Field strength of the body relative to one that sits in the beam.
    snr_db : float
        Of a body in the beam: power of its strongest scatterer in the middle of a range bin over that bin's noise.
    torso : float
        Field strength of the parts that do not move (lap, chair, clothes) at the body's range, relative to the body.
    room_db : tuple of float
        Field strength of each wall or piece of furniture beyond the seat, in dB over the body.
    leak_db : float
        Direct path from transmitter to receiver and reflections of the housing, in dB over the body.
    multipath_db, multipath_m : float
        Copy of the body that comes by way of a wall or table: its strength in dB, and how much longer that way is.
    drift : float
        Relative wander of the static reflections (temperature, settling clothes).
    phase_noise_rad : float
        Root mean square of the 1/f phase noise common to all echoes.
    iq : tuple of float
        Gain of Q over I, and by how many radians Q runs ahead.
    gaps : int
        Runs of lost chirps.
    steps_per_s, least_steps : float, int
        Shifts of the body, and how many there are at least.
    sway_mm : float
        Slow sway of a sitting trunk.
    """

    strength: float
    snr_db: float
    torso: float
    room_db: tuple[float, ...]
    leak_db: float
    multipath_db: float
    multipath_m: float
    drift: float
    phase_noise_rad: float
    iq: tuple[float, float]
    gaps: int
    steps_per_s: float
    least_steps: int
    sway_mm: float


def spoil(rng: np.random.Generator, quality: str) -> Spoiling:
    """Draw the impairments of one recording.

    Signal to noise 10 to 35 dB, room 0 to 30 dB over the body, multipath -6 to -25 dB, imbalance up to 1 dB and
    5 degrees follow simulator.md 6; a weak body is drawn at 0 to 8 dB and a lost one at -20 to -5 dB (about -10 in
    the page). All other sizes are ASSUMED.

    Raises
    ------
    UsageError
        If there is no such quality.
    """
    if quality not in QUALITIES:
        raise UsageError(f"There is no radar quality called {quality!r}.", f"Available: {', '.join(QUALITIES)}.")
    u = rng.uniform(0.0, 1.0, 16)
    snr_db = 10.0 + 25.0 * u[0]
    wanted_db = {"weak": 8.0 * u[1], "lost": -20.0 + 15.0 * u[1], "wrong_person": snr_db - 6.0 - 14.0 * u[1]}
    weak = quality == "weak"
    few_gaps = {"clean": (0, 0, 0, 0, 1), "lost": (0, 1, 2)}.get(quality, (0, 0, 1, 1, 3))
    return Spoiling(
        strength=float(10.0 ** ((wanted_db.get(quality, snr_db) - snr_db) / 20.0)),
        snr_db=float(snr_db),
        torso=float(10.0 ** ((-20.0 + 17.0 * u[2] if not weak else -10.0 + 16.0 * u[2]) / 20.0)),
        room_db=tuple((30.0 * rng.uniform(0.0, 1.0, int(rng.integers(1, 4)))).tolist()),
        # Transforms have no window: a leak far above the body would win the search for it in the first bin searched.
        leak_db=float(15.0 * u[3] + (5.0 if weak else -5.0)),
        multipath_db=float(-25.0 + 19.0 * u[4]),
        multipath_m=float(0.2 + 1.3 * u[5]),
        drift=float(0.002 * 10.0 ** u[6]),
        phase_noise_rad=float((0.001 if not weak else 0.005) * 10.0 ** (0.8 * u[7])),
        iq=(float(10.0 ** (u[8] / 20.0)), float(np.deg2rad(5.0 * (2.0 * u[9] - 1.0)))),
        gaps=few_gaps[int(u[10] * len(few_gaps))],
        steps_per_s=1.0 / 10.0 if quality == "moved" else 0.0,
        least_steps=1 if quality == "moved" else 0,
        sway_mm=float(0.3 * np.exp(0.5 * np.clip(rng.standard_normal(), -2.0, 2.0))),
    )


def steps_mm(rng: np.random.Generator, time_s: F64, per_s: float, least: int) -> F64:
    """Shifts of a body towards the radar: each 3 to 50 mm (log-uniform), either way, within 0.5 to 3 s.

    The seat pulls back: each shift starts from where the body is and ends within 80 mm of where it sat at first.
    """
    span = float(time_s[-1] - time_s[0])
    count = max(least, int(rng.poisson(per_s * span)))
    starts = time_s[0] + np.sort(rng.uniform(0.0, 0.9, count)) * span
    lengths = rng.uniform(0.5, 3.0, count)
    sizes = 3.0 * (50.0 / 3.0) ** rng.uniform(0.0, 1.0, count) * np.where(rng.random(count) < 0.5, -1.0, 1.0)
    out, where = np.zeros_like(time_s), 0.0
    for start, length, size in zip(starts, lengths, sizes, strict=True):
        size = -size if abs(where + size) > 80.0 else size
        phase = np.clip((time_s - start) / length, 0.0, 1.0)
        out += size * phase * phase * (3.0 - 2.0 * phase)
        where += size
    return out


def received(rng: np.random.Generator, count: int, gaps: int) -> NDArray[np.bool_]:
    """Which of ``count`` chirps arrive when ``gaps`` runs of 1 to 50 are lost."""
    out = np.ones(count, np.bool_)
    for _ in range(gaps):
        length = int(rng.integers(1, LONGEST_GAP + 1))
        start = int(rng.integers(0, count))
        out[start : start + length] = False
    # The first chirp always arrives: readers hold the last value, and there must be one.
    out[0] = True
    return out


def slow(rng: np.random.Generator, time_s: F64, slope: float, corner_hz: float) -> F64:
    """Noise of standard deviation 1 that falls as ``f**-slope`` above a corner, at the times wanted."""
    span = float(time_s[-1] - time_s[0])
    series = coloured(rng, span, power_law(slope, corner_hz))
    return np.asarray(np.interp(time_s - time_s[0], np.arange(len(series)) / GRID_HZ, series))


def room(
    rng: np.random.Generator, config: RadarKind, spoiling: Spoiling, distance_m: float, counts: float, time_s: F64
) -> tuple[F64, C128]:
    """Draw static reflections: leakage within the first 15 cm, still parts at the body's range, and the room behind.

    Returns
    -------
    range_m : ndarray, (M, N)
    amplitude : ndarray, complex128, (M, N)
        In ADC counts. The wander of all is made of the same slow series with weights of their own.
    """
    behind = len(spoiling.room_db)
    unambiguous = 0.9 * config.bin_m * config.samples
    far = np.minimum(max(config.search_m[1], distance_m) + rng.uniform(1.0, 3.5, behind), unambiguous)
    range_m = np.concatenate([[rng.uniform(0.03, 0.15), distance_m + rng.uniform(-0.05, 0.10)], far])
    level = np.concatenate([[spoiling.leak_db], [20.0 * np.log10(spoiling.torso)], spoiling.room_db])
    strength = counts * 10.0 ** (level / 20.0)
    # Receivers are set up not to clip: the gain of the loudest is kept within the converter's range.
    strength *= min(1.0, 26000.0 / strength.sum())
    start = strength * np.exp(2j * np.pi * rng.uniform(0.0, 1.0, len(range_m)))
    series = np.stack([slow(rng, time_s, 2.0, 0.05), slow(rng, time_s, 2.0, 0.02)])
    weights = rng.standard_normal((len(range_m), 2, 2)) * np.sqrt(0.5)
    wander = spoiling.drift * (weights[:, 0] + 1j * weights[:, 1]) @ series
    return np.repeat(range_m[:, None], len(time_s), axis=1), start[:, None] * (1.0 + wander)


def stranger(rng: np.random.Generator, end_s: float) -> tuple[Pulse, Breath]:
    """Heart and lungs of somebody else, from 0 to ``end_s``, whose rates have nothing to do with the subject's."""
    lungs = breathe(rng, float(np.clip(rng.normal(15.0, 3.5), 8.0, 26.0)), 12.0, end_s)
    return beat(rng, float(np.clip(rng.normal(72.0, 13.0), 45.0, 120.0)), lungs, end_s), lungs
