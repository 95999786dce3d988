"""Tracks: everything that changes from frame to frame, as plain arrays. No pixel is touched here."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from perfuse.synth.camera.lamps import light_steps, screen_light
from perfuse.synth.fields import F64, GRID_HZ, Field, coloured, power_law
from perfuse.synth.person.shape import HALF_FACE_MM
from perfuse.synth.scene.background import background_motion
from perfuse.synth.scene.build import LID_STAGES, MOUTH_STAGES, STILL
from perfuse.synth.scene.expression import express, open_mouth
from perfuse.synth.scene.layer import Array, Pose, as_like
from perfuse.synth.scene.light import draw_light
from perfuse.synth.scene.motion import Motion, bursts, move
from perfuse.synth.settings import Settings, stream
from perfuse.synth.truth import Truth

FAR_MM = 600.0
"""Distance from face to camera: how much a head grows that comes nearer."""


@dataclass(frozen=True, slots=True)
class Tracks:
    """What T frames are made of.

    Attributes
    ----------
    weights : ndarray, float32, (T, J)
        Of the head's pictures.
    body_weights : ndarray, float32, (T, len(STILL))
        Of the trunk's.
    strength : ndarray, float32, (T,)
        Strength of all light together.
    tint : ndarray, float32, (T, 3)
        Its colour, 1 on average.
    background, body, head : Pose
        Where the layers are.
    movers : tuple of (ndarray, float32, (T, 1), Pose)
        How strongly what moves in the background shows, and where.
    motion : Motion
        The same in millimetres and radians, before anything follows the face.
    """

    weights: Field
    body_weights: Field
    strength: Field
    tint: Field
    background: Pose
    body: Pose
    head: Pose
    movers: tuple[tuple[Field, Pose], ...]
    motion: Motion

    def to(self, like: Array) -> Tracks:
        """Return the tracks with what rendering needs of the kind and on the device of an array."""
        return replace(
            self,
            weights=as_like(self.weights, like),
            body_weights=as_like(self.body_weights, like),
            background=self.background.to(like),
            body=self.body.to(like),
            head=self.head.to(like),
            movers=tuple((as_like(weight, like), pose.to(like)) for weight, pose in self.movers),
        )


def track(settings: Settings, time_s: F64, truth: Truth) -> Tracks:
    """Sample light, blood and motion at the times of the frames (T,), in s."""
    beats = truth.heart.r_peaks_s if settings.alive else np.empty(0)
    motion = move(stream(settings.seed, "motion"), settings, time_s, truth.lungs, beats)
    weights, strength, tint = _lights(settings, time_s)
    weights[:, 1] += _nearer(settings, motion.head_mm)
    columns = np.concatenate([weights, motion.head_rad, _blood(time_s, truth)], axis=1).astype(np.float32)
    lively = settings.expression if settings.breathes else "none"
    acts = express(stream(settings.seed, "expression"), time_s, lively)
    shake = motion.shake_mm / HALF_FACE_MM
    head = Pose(
        (motion.head_mm[:, :2] / HALF_FACE_MM + shake).astype(np.float32),
        motion.head_rad.astype(np.float32),
        (1.0 + motion.head_mm[:, 2] / FAR_MM).astype(np.float32),
        acts.astype(np.float32) if acts.any() else None,
        (_stages(motion.closed, LID_STAGES), _stages(open_mouth(acts), MOUTH_STAGES)),
    )
    return Tracks(
        columns,
        np.ascontiguousarray(columns[:, STILL]),
        strength.astype(np.float32),
        tint.astype(np.float32),
        _pose(shake),
        _pose(motion.body_mm / HALF_FACE_MM + shake),
        head,
        _movers(settings, time_s, shake),
        motion,
    )


def _movers(settings: Settings, time_s: F64, shake: F64) -> tuple[tuple[Field, Pose], ...]:
    """Place what moves in the background."""
    if settings.movers == "none":
        return ()
    paths = background_motion(stream(settings.seed, "movers in motion"), time_s, settings.movers)
    frame = np.array([settings.width, settings.height]) / (0.5 * settings.face_size * settings.height)
    return tuple(
        (path[:, :1].astype(np.float32), _pose(path[:, 1:] * frame + shake)) for path in paths.swapaxes(0, 1)
    )


def _pose(shift: F64) -> Pose:
    return Pose(shift.astype(np.float32), still=not shift.any())


def _lights(settings: Settings, time_s: F64) -> tuple[F64, F64, F64]:
    """Weights of rest, key, screen and shade (T, 4); strength (T,) and tint (T, 3) of all light."""
    rng = stream(settings.seed, "drift")
    span = float(time_s[-1]) + 1.0
    grid = np.arange(int(np.ceil(span * GRID_HZ)) + 1) / GRID_HZ
    corner = 1.0 / (2.0 * np.pi * rng.uniform(5.0, 60.0))
    whole, key = (np.interp(time_s, grid, coloured(rng, span, power_law(2.0, corner))) for _ in range(2))
    weights = np.zeros((len(time_s), 4))
    weights[:, 0] = 1.0
    weights[:, 1] = 0.5 * settings.light_drift * key
    strength, tint = 1.0 + settings.light_drift * whole, np.ones((len(time_s), 3))
    later = time_s - time_s[0]
    if settings.screen > 0:
        shown = screen_light(stream(settings.seed, "screen"), later)
        weights[:, 2] = shown.mean(axis=1) - 1.0
        tint = 1.0 + settings.screen * (shown - shown.mean(axis=1, keepdims=True))
    if settings.shade > 0:
        weights[:, 3] = settings.shade * np.interp(time_s, grid, bursts(rng, span, (0.6, 4.0), (2.0, 10.0)))
    if settings.light_steps > 0:
        strength = strength * light_steps(stream(settings.seed, "light steps"), later, settings.light_steps)
    return weights, np.maximum(strength, 0.05), tint


def _nearer(settings: Settings, head_mm: F64) -> F64:
    """Return what the key light gains as the head sways towards it, (T,): light falls with the distance squared.

    Lamps and windows stand 0.6 to 2 m away (ASSUMED). In the clip of a sitting man the cheeks and the forehead
    brighten and darken together (correlation 0.3 to 0.9), by 1.2 % below 0.5 Hz and by 0.15 % above 0.67 Hz; turning
    alone sets the cheeks against each other.
    """
    direction = draw_light(stream(settings.seed, "light"), settings).direction
    away_mm = 1000.0 * float(np.exp(stream(settings.seed, "distance of the light").uniform(*np.log([0.6, 2.0]))))
    return np.asarray(np.maximum(1.0 - head_mm @ direction / away_mm, 0.5) ** -2 - 1.0)


def _blood(time_s: F64, truth: Truth) -> F64:
    """Blood volume, its slope and slow venous volume, (T, 3)."""
    step = 0.004
    slope = (truth.heart.at(time_s + step) - truth.heart.at(time_s - step)) / (2.0 * step)
    return np.stack([truth.heart.at(time_s), slope, truth.heart.slow_at(time_s)], axis=1)


def _stages(amount: F64, count: int) -> Field:
    """Weights (T, count) that fade from nothing through each stage to the last."""
    at = np.clip(amount, 0.0, 1.0)[:, None] * count
    return np.asarray(np.clip(1.0 - np.abs(at - np.arange(1, count + 1)), 0.0, 1.0), np.float32)
