"""Motion of head, trunk and camera: sway, speech, steps, breath, recoil, blinks. Millimetres and radians."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perfuse.synth.fields import F64, GRID_HZ, coloured, power_law
from perfuse.synth.physiology.lungs import Breathing
from perfuse.synth.settings import Settings

SWAY = {"none": 0.0, "tripod": 0.6, "fidget": 0.6}
"""Slow sway relative to somebody who sits and holds a phone; 1 for kinds that are not named, ``restless`` has 3."""

HELD = {"still": 1.0, "restless": 1.0, "walk": 3.0}
"""Shake of a camera in the hand, relative to somebody who sits."""


SWAY_MM, TURN_DEG, SLOPES = (1.5, 2.2, 2.2), (1.8, 1.6, 0.45), (3.0, 3.8)
"""Spread of a sitting head's place (right, down, towards the camera) and of its pitch, yaw and roll, and how steeply
their spectra fall: together as the head in the clip of a sitting man moves across and up and down, rolls, and as much
as its colours, which turns make and shifts do not, are at unrest."""

TREMOR_MM, TREMOR_HZ = (0.2, 0.55), (1.0, 4.0)
"""Tremor of the hand that holds a camera, across and up and down, and where it lies: a shelf in the spectrum of the
clip of a sitting man."""

INERTIA_HZ = 5.0
"""Above it the mass of a head, or of a phone in the hand, no longer follows force: its spectrum falls by a further
12 dB an octave. In the clip of a sitting man the head moves 1.9 times as far in two frames as in one (1.6 without
this)."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Where things are at the times of the frames, one row per frame.

    Attributes
    ----------
    head_mm : ndarray, (T, 3)
        Head to the right, down and towards the camera.
    head_rad : ndarray, (T, 3)
        Its rotation about x (pitch), y (yaw) and z (roll).
    body_mm : ndarray, (T, 2)
        Trunk to the right and down.
    shake_mm : ndarray, (T, 2)
        How the whole picture shifts because the camera does, in millimetres at the face.
    closed : ndarray, (T,)
        How far the lids are down, 0 to 1.
    """

    head_mm: F64
    head_rad: F64
    body_mm: F64
    shake_mm: F64
    closed: F64


def move(rng: np.random.Generator, settings: Settings, time_s: F64, lungs: Breathing, r_peaks_s: F64) -> Motion:
    """Draw the motion of one subject and sample it at ``time_s`` (T,), in s.

    Sway follows the spectrum measured on a hand-held clip of a sitting man: 2.7 mm across, 3.9 mm vertically,
    falling as f**-3 to f**-4 from 0.1 to 1 Hz, from there on a shelf, taken for the hand's, and faster again above
    :data:`INERTIA_HZ`; rotation is as large as the unrest of that clip's colours asks for. Breathing lifts the
    shoulders by 1 to 4 mm and the head by less. Recoil (ballistocardiogram) is a damped 4 to 6 Hz burst 80 to 120
    ms after each R peak (Balakrishnan 2013). The kinds ``rotate`` and ``translate`` go back and forth between
    marked points as in PURE, ``walk`` bobs at 1.5 to 2.2 steps a second, ``talk`` nods while speaking; sizes that
    were not measured are ASSUMED.
    """
    kind, size = settings.motion, settings.motion_scale
    span = float(time_s[-1]) + 1.0
    grid = np.arange(int(np.ceil(span * GRID_HZ)) + 1) / GRID_HZ
    calm = SWAY.get(kind, 3.0 if kind == "restless" else 1.0) * size

    def wander(sd: F64, corner_hz: float = 0.12) -> F64:
        tracks = (coloured(rng, span, _unsteady(float(rng.uniform(*SLOPES)), corner_hz)) for _ in sd)
        return np.stack([s * np.interp(time_s, grid, track) for s, track in zip(sd, tracks)], axis=1)

    spread = np.exp(0.3 * rng.standard_normal(6))
    head = calm * wander(np.array(SWAY_MM) * spread[:3])
    turn = calm * wander(np.deg2rad(TURN_DEG) * spread[3:])
    shake = HELD.get(kind, 0.0) * size * (wander(np.array([0.7, 1.0]), 0.15) + _tremor(rng, time_s, grid, span))
    more = _purposeful(rng, kind, size, time_s, grid, span)
    head, turn = head + more[0], turn + more[1]
    alive = 1.0 if kind != "none" and settings.breathes else 0.0
    lift = alive * float(np.clip(2.2 * np.exp(0.3 * rng.standard_normal()), 1.2, 4.0))
    nod = alive * rng.uniform(0.3, 1.2), alive * np.deg2rad(rng.uniform(0.05, 0.25)), rng.uniform(0.0, 0.3)
    late = lungs.at(time_s - nod[2])
    kick = 0.5 * settings.recoil_mm * alive * _recoil(rng, time_s, r_peaks_s)
    turn[:, 0] += nod[1] * late + np.deg2rad(0.05) / 0.06 * kick
    head[:, 0] += 0.5 * kick
    head[:, 1] += kick - nod[0] * late
    body = 0.4 * head[:, :2] * (1.0, 0.8)
    body[:, 1] -= lift * lungs.at(time_s)
    lids = alive * _blinks(rng, time_s, 26.0 if settings.expression == "talk" else 17.0)
    return Motion(head, turn, body, shake, lids)


def _tremor(rng: np.random.Generator, time_s: F64, grid: F64, span: float) -> F64:
    """Draw how a hand trembles that holds a camera, (T, 2) mm; some hands do more than others."""
    shelf = _band(*TREMOR_HZ)
    tracks = [coloured(rng, span, lambda freq: np.asarray(shelf(freq) * _inertia(freq))) for _ in TREMOR_MM]
    sizes = np.array(TREMOR_MM) * np.exp(0.3 * rng.standard_normal(2))
    return np.stack([s * np.interp(time_s, grid, track) for s, track in zip(sizes, tracks)], axis=1)


def _purposeful(
    rng: np.random.Generator, kind: str, size: float, time_s: F64, grid: F64, span: float
) -> tuple[F64, F64]:
    """Motion beyond sway: (T, 3) mm and (T, 3) radians."""
    head, turn = np.zeros((len(time_s), 3)), np.zeros((len(time_s), 3))
    if kind == "rotate":
        to = np.deg2rad([4.0, 12.0, 3.0]) * rng.uniform(0.7, 1.3, 3)
        turn += size * to * _back_and_forth(rng, time_s, span, 3, rng.uniform(1.5, 4.0))
    elif kind == "translate":
        to = np.array([22.0, 6.0, 12.0]) * rng.uniform(0.6, 1.4, 3)
        head += size * to * _back_and_forth(rng, time_s, span, 3, rng.uniform(1.5, 4.0))
    elif kind == "walk":
        steps = np.cumsum(rng.uniform(1.5, 2.2) * (1.0 + 0.04 * coloured(rng, span, power_law(2.0, 0.2)))) / GRID_HZ
        phase = 2.0 * np.pi * np.interp(time_s, grid, steps[: len(grid)])
        bob = np.cos(phase) + 0.3 * np.cos(2.0 * phase + rng.uniform(0, 6))
        tilt = np.cos(0.5 * phase + rng.uniform(0, 6))  # one side, then the other
        height = size * rng.uniform(4.0, 12.0)
        head += np.stack([0.5 * height * tilt, height * bob, 0.3 * height * bob], axis=1)
        turn += size * np.deg2rad([0.8, 0.6, 0.8]) * np.stack([bob, tilt, tilt], axis=1)
    elif kind == "talk":
        loud = np.interp(time_s, grid, bursts(rng, span, (2.0, 8.0), (0.5, 3.0)))
        sd = np.deg2rad(rng.uniform(0.6, 1.8)) * np.array([1.0, 0.7, 0.5])
        nods = [np.interp(time_s, grid, coloured(rng, span, _band(0.3, 1.5))) for _ in range(3)]
        turn += size * loud[:, None] * sd * np.stack(nods, axis=1)
    elif kind == "fidget":
        loud = np.interp(time_s, grid, bursts(rng, span, (1.0, 4.0), (8.0, 25.0)))
        jerks = [np.interp(time_s, grid, coloured(rng, span, _band(0.4, 3.0))) for _ in range(6)]
        head += size * loud[:, None] * (5.0, 5.0, 4.0) * np.stack(jerks[:3], axis=1)
        turn += size * loud[:, None] * np.deg2rad(3.0) * np.stack(jerks[3:], axis=1)
    return head, turn


def bursts(rng: np.random.Generator, span_s: float, on_s: tuple[float, float], off_s: tuple[float, float]) -> F64:
    """Activity between 0 and 1 at ``GRID_HZ``: on for one range of lengths, off for another, in soft steps."""
    level = np.zeros(int(np.ceil(span_s * GRID_HZ)) + 1)
    at = -float(rng.uniform(0.0, off_s[1]))
    while at < span_s:
        end = at + float(rng.uniform(*on_s))
        level[max(0, int(at * GRID_HZ)) : max(0, int(end * GRID_HZ))] = 1.0
        at = end + float(rng.uniform(*off_s))
    soft = np.hanning(int(0.4 * GRID_HZ) + 2)
    return np.asarray(np.convolve(level, soft / soft.sum(), mode="same"))


def _back_and_forth(rng: np.random.Generator, time_s: F64, span: float, axes: int, pause_s: float) -> F64:
    """Smooth moves between random points of -1..1, about ``pause_s`` apart: (T, axes)."""
    lengths = pause_s * rng.uniform(0.6, 1.4, int(span / pause_s * 1.8) + 4)
    at = np.concatenate([[0.0], np.cumsum(lengths)]) - pause_s
    points = rng.uniform(-1.0, 1.0, (len(at), axes))
    index = np.clip(np.searchsorted(at, time_s, side="right") - 1, 0, len(at) - 2)
    part = np.clip((time_s - at[index]) / (0.7 * (at[index + 1] - at[index])), 0.0, 1.0)
    part = (part * part * (3.0 - 2.0 * part))[:, None]
    return np.asarray(points[index] * (1.0 - part) + points[index + 1] * part)


def _unsteady(slope: float, corner_hz: float) -> Callable[[F64], F64]:
    """Power law of slow motion, cut off by inertia."""
    slow = power_law(slope, corner_hz)
    return lambda freq: np.asarray(slow(freq) * _inertia(freq))


def _inertia(freq: F64) -> F64:
    """Share of the power of a force that mass lets through."""
    return np.asarray(1.0 / (1.0 + (freq / INERTIA_HZ) ** 4))


def _band(low: float, high: float) -> Callable[[F64], F64]:
    """Spectrum that is flat between two frequencies and falls off softly outside."""
    centre, width = np.log(np.sqrt(low * high)), 0.5 * np.log(high / low)
    return lambda freq: np.asarray(np.exp(-0.5 * ((np.log(np.maximum(freq, 1e-3)) - centre) / width) ** 2))


def _recoil(rng: np.random.Generator, time_s: F64, r_peaks_s: F64) -> F64:
    """Recoil of height about 1: a damped burst 80 to 120 ms after each R peak."""
    freq, delay = rng.uniform(4.0, 6.0), rng.uniform(0.08, 0.12)
    length = int(1.5 * GRID_HZ)
    since = np.arange(length) / GRID_HZ
    out = np.zeros(int(np.ceil((time_s[-1] + 1.0) * GRID_HZ)) + length)
    for beat in r_peaks_s + delay:
        first = int(np.ceil(beat * GRID_HZ))
        if 0 <= first < len(out) - length:
            t = since + (first / GRID_HZ - beat)
            out[first : first + length] += 1.6 * np.exp(-t / 0.15) * np.sin(2.0 * np.pi * freq * t)
    return np.interp(time_s, np.arange(len(out)) / GRID_HZ, out)


def _blinks(rng: np.random.Generator, time_s: F64, per_minute: float) -> F64:
    """How far the lids are closed: about 17 blinks a minute at rest, 26 talking (Bentivoglio 1997)."""
    rate = np.clip(per_minute * np.exp(0.45 * rng.standard_normal()), 5.0, 40.0) / 60.0
    span = float(time_s[-1])
    gaps = 0.6 + rng.gamma(1.5, (1.0 / rate - 0.6) / 1.5, int(2 * span * rate) + 10)
    starts = np.cumsum(gaps)
    starts = starts[starts < span]
    closed = np.zeros_like(time_s)
    for start, length in zip(starts, rng.uniform(0.16, 0.28, len(starts)), strict=True):
        phase = (time_s - start) / length
        closed = np.maximum(closed, np.clip(np.minimum(phase / 0.3, (1.0 - phase) / 0.5), 0.0, 1.0))
    return closed
