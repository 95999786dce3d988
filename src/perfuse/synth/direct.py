"""Direct rendering: a subject as a view would show it, without painting whole frames first.

The same layers, tracks and camera as in full frames, in a window about the face that moves as the face tracker does.
A pixel here stands for many of the camera's, so noise is that of their mean and nothing is rounded to 8 bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import array_api_compat
import numpy as np

from perfuse.clip.resample import Resampler
from perfuse.clip.sampler import CROP_RISE
from perfuse.core.view import Crop, Grid
from perfuse.synth.fields import F64, Field
from perfuse.synth.scene.build import Scene, build_scene
from perfuse.synth.scene.follow import ERROR, follow, usual_box
from perfuse.synth.scene.layer import Array, Pose
from perfuse.synth.scene.tracks import Tracks
from perfuse.synth.scene.window import square_window
from perfuse.synth.settings import stream
from perfuse.synth.shoot import load_film, shoot
from perfuse.synth.subject import Subject

FINE = 16
"""Views with fewer cells a side are rendered with more pixels and averaged."""


@dataclass(frozen=True, slots=True)
class Close:
    """A scene about the face.

    Attributes
    ----------
    scene : Scene
        Painted and lit for the view.
    fold : tuple of int
        Rendered pixels per cell of the view, down and across.
    scale : float
        Pixels of the camera per rendered pixel.
    side : float
        Of the tracked box, in head units.
    """

    scene: Scene
    fold: tuple[int, int]
    scale: float
    side: float


def sides(view: Grid | Crop) -> tuple[int, int]:
    """Return rows and columns of a view."""
    return (view.size, view.size) if isinstance(view, Crop) else (view.rows, view.cols)


def close_up(subject: Subject, view: Grid | Crop, like: Array, *, loose: bool = True) -> Close:
    """Paint a subject for a view; ``loose`` places the box with the errors a detector makes, else exactly."""
    rows, cols = sides(view)
    size = math.lcm(rows, cols)
    while size < FINE:
        size *= 2
    rng = stream(subject.settings.seed, "box")
    off = rng.normal(0.0, ERROR) if loose else np.zeros(3)
    middle, side = usual_box(subject.look)
    side *= float(np.exp(off[2]))
    centre = (float(off[0]), middle + float(off[1]) - CROP_RISE * side)
    window = square_window(subject.frame, size, centre, side * view.margin)
    scene = build_scene(subject.settings, subject.look, subject.skin, subject.light, subject.frame, window)
    return Close(scene.to(like), (size // rows, size // cols), subject.frame.unit / window.unit, side)


def levels(subject: Subject, close: Close, like: Array) -> Array:
    """Render a subject's frames, (T, 3, H, W) at the rendered size, before compression."""
    time_s, tracks = subject.times_s, subject.tracks
    film = load_film(subject.settings, close.scene, time_s, tracks, close.scale)
    path = follow(stream(subject.settings.seed, "tracker"), tracks.head.shift, time_s, close.side)
    return shoot(close.scene, _followed(tracks, path).to(like), film.to(like), slice(0, len(time_s)))


def _followed(tracks: Tracks, path: F64) -> Tracks:
    """Tracks as seen from a window that moves along ``path`` (T, 2)."""

    def moved(pose: Pose) -> Pose:
        return replace(pose, shift=(pose.shift - path).astype(np.float32), still=False)

    movers = tuple((weight, moved(pose)) for weight, pose in tracks.movers)
    background, body, head = (moved(pose) for pose in (tracks.background, tracks.body, tracks.head))
    return replace(tracks, movers=movers, background=background, body=body, head=head)


def gridded(pictures: Array, matrix: Field, fold: tuple[int, int]) -> Array:
    """Average (T, 3, H, W) to the view's cells and put them on its times: (3, T', rows, cols)."""
    xp = array_api_compat.array_namespace(pictures)
    count, colours, height, width = pictures.shape
    rows, cols = height // fold[0], width // fold[1]
    if fold != (1, 1):
        cells = xp.reshape(pictures, (count, colours, rows, fold[0], cols, fold[1]))
        pictures = xp.mean(xp.mean(cells, axis=5), axis=3)
    weights = xp.asarray(matrix, device=array_api_compat.device(pictures))
    pictures = xp.reshape(weights @ xp.reshape(pictures, (count, -1)), (-1, colours, rows, cols))
    return xp.moveaxis(pictures, 1, 0)


def onto_grid(time_s: F64, rate_hz: float, count: int) -> Field:
    """Return what :class:`perfuse.clip.resample.Resampler` does to frames at ``time_s``, as a matrix (count, T)."""
    machine = Resampler(0.0, rate_hz)
    rows: list[F64] = []
    for time, unit in zip(time_s.tolist(), np.eye(len(time_s)), strict=True):
        rows += machine.push(time, unit)[0]
    rows += machine.finish()[0]
    return np.stack(rows[:count]).astype(np.float32)
