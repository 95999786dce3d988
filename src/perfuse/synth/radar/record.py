"""One radar recording of one subject: for a network as range bins, for a file as the packets a capture card sends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import UsageError
from perfuse.radar.frontend import as_input, best_bin, select_bins
from perfuse.radar.kinds import AWR1443, RadarKind
from perfuse.radar.record import held
from perfuse.synth.fields import F64
from perfuse.synth.radar.body import Body, Breath, Pulse, draw_body
from perfuse.synth.radar.chirps import C128, Echoes, beat_signal, bins, quantise
from perfuse.synth.radar.faults import Spoiling, received, room, slow, spoil, steps_mm, stranger
from perfuse.synth.settings import check

PACKET_BYTES = 1456
"""Payload of one packet of the DCA1000 capture card."""

Packets = tuple[list[NDArray[np.uint16]], list[int], list[int], str, str]
"""Payloads, packet numbers, bytes sent before each packet, and ISO times of start and end."""


@dataclass(frozen=True, slots=True, eq=False)
class RadarRecording:
    """What a radar recorded; everything is computed when asked for, and the same each time.

    Attributes
    ----------
    config : RadarKind
        What recorded.
    times_s : ndarray, (N,)
        Times of the chirps on the subject's clock.
    echoes : Echoes
        What reflected.
    valid : ndarray, bool, (N,)
        False where the chirp was lost on its way to the file.
    quality : str
        One of :data:`perfuse.synth.radar.faults.QUALITIES`.
    distance_m : float
        From the radar to the subject's chest.
    chest_mm : ndarray, (N,)
        True movement of the subject's chest towards the radar, shifts of the seat included.
    spoiling : Spoiling
        Sizes of all impairments.
    noise_seed : int
        Seed of the thermal noise.
    every : int
        One of so many chirps was made.
    """

    config: RadarKind
    times_s: F64
    echoes: Echoes
    valid: NDArray[np.bool_]
    quality: str
    distance_m: float
    chest_mm: F64
    spoiling: Spoiling
    noise_seed: int
    every: int = 1

    def bins(self, columns: tuple[int, int] | None = None) -> C128:
        """Return range bins ``columns[0]`` to ``columns[1]``, by default ``config.near``; lost chirps hold the last.

        (N, B) complex. The noise is drawn for the bins asked for, and apart from that of :meth:`raw`: same strength,
        other grains.
        """
        found = bins(self.config, self.echoes, np.random.default_rng([self.noise_seed, 0]), columns)
        return held(found, self.valid)

    def raw(self) -> NDArray[np.int16]:
        """Return every chirp as the converter gives it, (N, samples, 2); lost chirps are here still."""
        return quantise(beat_signal(self.config, self.echoes, np.random.default_rng([self.noise_seed, 1])))

    def best_bin(self) -> int:
        """Range bin with the strongest return where a body is looked for."""
        return best_bin(self.bins(), self.config, self.config.near[0])

    def iq(self) -> F64:
        """Real and imaginary parts of the five bins around the strongest, (2, 5, N)."""
        return select_bins(self.bins(), self.config, self.config.near[0])

    def as_input(self, per: int = 1) -> NDArray[np.float32]:
        """Return what a network reads, (10, T): every ``per``-th chirp, scaled."""
        return as_input(self.iq(), per, self.config.scale)

    def packets(self, *, start: datetime | None = None) -> Packets:
        """Return the content of an ``rf.pkl`` by :func:`packets`; those that begin within a lost chirp are missing.

        Raises
        ------
        UsageError
            If the recording does not hold every chirp.
        """
        if self.every != 1:
            raise UsageError(f"Only one of {self.every} chirps was made.", "Call observe with every=1 for a file.")
        return packets(self.raw(), self.config.frame_rate_hz, valid=self.valid, start=start)


def observe(
    rng: np.random.Generator,
    heart: Pulse,
    lungs: Breath,
    duration_s: float,
    *,
    config: RadarKind = AWR1443,
    distance_m: float | None = None,
    quality: str = "clean",
    head_mm: Callable[[F64], F64] | None = None,
    other: tuple[Pulse, Breath] | None = None,
    start_s: float = 0.0,
    every: int = 1,
) -> RadarRecording:
    """Record a subject with a radar.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    heart, lungs : Pulse, Breath
        The subject's.
    duration_s : float
        Length, 1 to 3600 s.
    config : RadarKind
        What records.
    distance_m : float, optional
        From the radar to the chest, 0.1 to 5 m; by default somewhere in ``config.seat_m``.
    quality : str
        One of ``clean``, ``weak``, ``moved``, ``wrong_person`` and ``lost``.
    head_mm : callable, optional
        Movement of the head towards the radar in mm at any times; by default recoil and breathing alone.
    other : tuple, optional
        Heart and lungs of the wrong person; drawn if left out.
    start_s : float
        Time of the first chirp on the subject's clock.
    every : int
        Make only every so many chirps: what a network sees after decimation, for a fraction of the work.

    Raises
    ------
    UsageError
        If a value lies outside its range.
    """
    check("duration_s", duration_s, 1, 3600)
    check("distance_m", distance_m, 0.1, 5.0)
    check("start_s", start_s, 0, 1e6)
    check("every", every, 1, config.frame_rate_hz, whole=True)
    spoiling = spoil(rng, quality)
    distance = float(rng.uniform(*config.seat_m) if distance_m is None else distance_m)
    time = config.times(duration_s, start_s, every)
    counts = config.counts * float(np.exp(0.4 * np.clip(rng.standard_normal(), -2.0, 2.0)) * (0.6 / distance) ** 2)
    body = draw_body(rng, distance_m=distance)
    shift = spoiling.sway_mm * slow(rng, time, 3.5, 0.12)
    if spoiling.least_steps:
        shift = shift + steps_mm(rng, time, spoiling.steps_per_s, spoiling.least_steps)
    moved = body.displacement_mm(time, heart, lungs, None if head_mm is None else head_mm(time)) + shift
    parts = [_person(rng, body, moved, counts * spoiling.strength, spoiling)]
    if quality == "wrong_person":
        who, breath = stranger(rng, start_s + duration_s) if other is None else other
        second = draw_body(rng, distance_m=float(rng.uniform(*config.seat_m)))
        sway = spoiling.sway_mm * slow(rng, time, 3.5, 0.12)
        parts.append(_person(rng, second, second.displacement_mm(time, who, breath) + sway, counts, spoiling))
    parts.append(room(rng, config, spoiling, distance, counts, time))
    amplitude = np.concatenate([part[1] for part in parts])
    amplitude *= np.exp(1j * spoiling.phase_noise_rad * slow(rng, time, 1.0, 0.05))
    loudest = counts * max(place.amplitude for place in body.scatterers)
    noise = loudest * np.sqrt(config.samples) * 10.0 ** (-spoiling.snr_db / 20.0)
    echoes = Echoes(np.concatenate([part[0] for part in parts]), amplitude, float(noise), spoiling.iq)
    lost = received(rng, round(duration_s * config.frame_rate_hz), spoiling.gaps)[::every][: len(time)]
    return RadarRecording(
        config, time, echoes, lost, quality, distance, moved[0], spoiling, int(rng.integers(0, 2**62)), int(every)
    )


def _person(
    rng: np.random.Generator, body: Body, moved_mm: F64, counts: float, spoiling: Spoiling
) -> tuple[F64, C128]:
    """Ranges and amplitudes of a body's scatterers and of a copy of its strongest that came by a longer way."""
    offset = np.array([place.offset_m for place in body.scatterers])
    range_m = body.distance_m + offset[:, None] - 1e-3 * moved_mm
    strength = counts * np.array([place.amplitude for place in body.scatterers])
    # Half of the longer way sees the movement at an angle: 50 to 100 % of it is left (ASSUMED).
    detour = body.distance_m + 0.5 * spoiling.multipath_m - rng.uniform(0.5, 1.0) * 1e-3 * moved_mm[0]
    copy = strength.max() * 10.0 ** (spoiling.multipath_db / 20.0)
    turn = np.exp(2j * np.pi * rng.uniform(0.0, 1.0, len(strength) + 1))
    amplitude = np.append(strength, copy) * turn
    ranges = np.concatenate([range_m, detour[None]])
    return ranges, np.repeat(amplitude[:, None], ranges.shape[1], axis=1)


def packets(
    adc: NDArray[np.int16],
    frame_rate_hz: float = AWR1443.frame_rate_hz,
    *,
    valid: NDArray[np.bool_] | None = None,
    first: int = 0,
    start: datetime | None = None,
) -> Packets:
    """Cut samples into packets as EquiPleth's ``rf.pkl`` holds them.

    Each sample makes a group of four 16-bit words: I, 0, Q, 0. A reader takes a group (a, b, c, d) for two samples
    a + jc and b + jd, so every second of its samples is zero, as in those files. Groups follow one another without
    a mark between chirps; packets hold 728 words whatever chirp they belong to. A started one at the end is not sent.

    Parameters
    ----------
    adc : ndarray, int16, (N, samples, 2)
        I and Q of every chirp.
    frame_rate_hz : float
        Chirps per s, for the time of the end.
    valid : ndarray, bool, (N,), optional
        Packets that begin within a chirp marked False are left out.
    first : int
        Packets before this one are left out: a capture that began late, in the middle of a chirp.
    start : datetime, optional
        Time of the start in UTC; by default the beginning of 2022.

    Returns
    -------
    tuple
        Payloads (uint16, 728 each), packet numbers (from 1), bytes sent before each packet, start and end in ISO form
        ending in Z.

    Raises
    ------
    UsageError
        If the samples have another shape or type.
    """
    if adc.ndim != 3 or adc.shape[2] != 2 or adc.dtype != np.int16:
        raise UsageError(
            f"Samples of shape {adc.shape} and type {adc.dtype} were given.", "Pass int16 (N, samples, 2)."
        )
    words = np.zeros((adc.shape[0], adc.shape[1], 4), np.int16)
    words[:, :, 0], words[:, :, 2] = adc[:, :, 0], adc[:, :, 1]
    stream = words.reshape(-1).view(np.uint16)
    size = PACKET_BYTES // 2
    count = len(stream) // size
    table = stream[: count * size].reshape(count, size)
    keep = np.arange(count) >= first
    if valid is not None:
        keep &= valid[np.arange(count) * size // (4 * adc.shape[1])]
    kept = np.flatnonzero(keep)
    began = datetime(2022, 1, 1) if start is None else start
    ended = began + timedelta(seconds=adc.shape[0] / frame_rate_hz)
    stamp = [f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z" for moment in (began, ended)]
    payloads = [table[i].copy() for i in kept]
    return payloads, (kept + 1).tolist(), (kept * PACKET_BYTES).tolist(), stamp[0], stamp[1]
