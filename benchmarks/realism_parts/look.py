"""Look at a video of one face and keep what realism is judged by: colour traces, motion, noise. Real or rendered.

Nothing here knows where a video comes from. Three ways of following the same skin stand side by side: a box that
never moves, a mask that follows the head by registration, and perfuse's own tracker and sampler.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perfuse.clip.sampler import FaceSampler, face_crop
from perfuse.core.frame import Box
from perfuse.core.view import REGIONS, Trace
from perfuse.face import BlazeFace, Tracker
from perfuse.face.regions import region_weights, skin_likelihood
from perfuse.video import open_source

PARTS = ("forehead", "left_cheek", "right_cheek", "skin")
"""Regions whose colour is kept; forehead and cheeks together are "the" region of interest of the tables."""

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
MARGIN = 1.35
"""Side of the kept crop in face crops of perfuse: room for the head to move."""
CALM_PX = 0.12
"""Neighbouring frames between which the head moved less than this count as still, in pixels."""
LAGS = 4


@dataclass(frozen=True)
class Look:
    """What was seen in a video of T frames; P parts are :data:`PARTS`, R regions perfuse's own.

    Attributes
    ----------
    times_s : ndarray, (T,)
    fixed, followed : ndarray, (T, P, 3)
        Mean R, G, B, 0..255, of masks that stay where they were in the middle frame, and that follow the head.
    tracked : ndarray, (T, R, 3)
        What perfuse measures; the frame before is repeated where no face was found.
    pose : ndarray, (T, 4)
        The head against the middle frame: right and down in pixels, rotation in radians, logarithm of its size.
    found : float
        Share of frames in which the tracker had the face.
    face_px : float
        Width of the face: distance of the ears of the detector's points, or 0.75 of the box.
    pixels : ndarray, (P,)
        Size of the masks.
    boxed : ndarray, (T, 3)
        Mean R, G, B of a rectangle about the forehead that never moves, hair line and brows included.
    noise, noise_thirds : dict, list of dict
        See :func:`noise_between`; of the whole clip and of its thirds.
    colour, spread : ndarray, (P, 3)
        Mean and standard deviation of the middle frame's pixels inside each mask.
    blocks : ndarray, (T, K, 3)
        Mean colours of K followed blocks of about an eighth of the face's width that lie on skin.
    """

    times_s: np.ndarray
    fixed: np.ndarray
    followed: np.ndarray
    tracked: np.ndarray
    pose: np.ndarray
    found: float
    face_px: float
    pixels: np.ndarray
    boxed: np.ndarray
    noise: dict
    noise_thirds: list
    colour: np.ndarray
    spread: np.ndarray
    blocks: np.ndarray


def look(path: str | Path, seconds: float | None = None) -> Look:
    """Measure a video file."""
    times, frames, tracked, faces, size = _gather(path, seconds)
    middle = len(frames) // 2
    face = faces[middle] or next(f for f in faces if f is not None)
    where = _kept(faces, size)
    pictures = [frame[where] for frame in frames]
    offset = np.array([where[1].start, where[0].start], float)
    masks = _masks(face, pictures[middle], offset)
    pose = _register(pictures, face, offset)
    points = [_points(mask) for mask in masks]
    cells = _blocks(masks[-1], face)
    moved = [_moved(pose[k], face, offset) for k in range(len(pictures))]
    followed, fixed = np.zeros((len(frames), len(points), 3)), np.zeros((len(frames), len(points), 3))
    blocks = np.zeros((len(frames), len(cells), 3))
    for k, picture in enumerate(pictures):
        for p, xy in enumerate(points):
            fixed[k, p] = picture[xy[1].astype(int), xy[0].astype(int)].mean(axis=0)
            followed[k, p] = _sampled(picture, moved[k](xy)).mean(axis=0)
        if cells:
            every = _sampled(picture, moved[k](np.concatenate(cells, axis=1)))
            edges = np.cumsum([0, *(c.shape[1] for c in cells)])
            blocks[k] = np.add.reduceat(every, edges[:-1]) / np.diff(edges)[:, None]
    still = pictures[middle].astype(np.float64)
    inside = [still[xy[1].astype(int), xy[0].astype(int)] for xy in points]
    return Look(
        times,
        fixed,
        followed,
        tracked,
        pose,
        float(np.mean([f is not None for f in faces])),
        _face_width(face),
        np.array([xy.shape[1] for xy in points]),
        _boxed(pictures, points[0]),
        noise_between(pictures, pose, points),
        [noise_between([pictures[k] for k in third], pose[third], points) for third in thirds(len(pictures))],
        np.array([i.mean(axis=0) for i in inside]),
        np.array([i.std(axis=0) for i in inside]),
        blocks,
    )


def thirds(count):
    """Return the indices of the three thirds of a clip."""
    return np.array_split(np.arange(count), 3)


def _boxed(pictures, forehead):
    """Mean colour (T, 3) of the rectangle about a mask, a sixth larger each way."""
    (left, top), (right, bottom) = forehead.min(axis=1), forehead.max(axis=1)
    dx, dy = (right - left) / 6, (bottom - top) / 6
    rows, cols = slice(max(0, int(top - dy)), int(bottom + dy)), slice(max(0, int(left - dx)), int(right + dx))
    return np.array([p[rows, cols].reshape(-1, 3).mean(axis=0) for p in pictures])


def _gather(path, seconds):
    """Decode, track and sample: times, pictures, regions, faces, size."""
    tracker, sampler = Tracker(BlazeFace(), max_faces=1), FaceSampler(Trace())
    times, frames, tracked, faces = [], [], [], []

    def take(released):
        for item in released:
            face = item.faces[0] if item.faces else None
            sample = None if face is None else sampler.sample(item.frame, face)
            before = tracked[-1] if tracked else np.full((len(REGIONS), 3), np.nan)
            times.append(item.frame.time_s)
            frames.append(item.frame.rgb())
            tracked.append(before if sample is None else sample.regions)
            faces.append(face)

    with open_source(path) as stream:
        for frame in stream:
            if seconds is not None and times and frame.time_s - times[0] > seconds:
                break
            take(tracker.push(frame))
    take(tracker.finish())
    if seconds is not None:
        keep = int(np.searchsorted(np.array(times) - times[0], seconds, side="left"))
        times, frames, tracked, faces = times[:keep], frames[:keep], tracked[:keep], faces[:keep]
    if not any(f is not None for f in faces):
        raise LookupError(f"no face was found in {path}")
    trace = np.array(tracked, float)
    first = int(np.flatnonzero(np.isfinite(trace[:, 0, 0]))[0])
    trace[:first] = trace[first]
    return np.array(times) - times[0], frames, trace, faces, frames[0].shape[:2]


def _kept(faces, size):
    """Rows and columns that hold the face in every frame."""
    crops = [face_crop(f, 1.5 * MARGIN) for f in faces if f is not None]
    left, top = min(c.x for c in crops), min(c.y for c in crops)
    right, bottom = max(c.x + c.width for c in crops), max(c.y + c.height for c in crops)
    return slice(max(0, int(top)), min(size[0], int(bottom))), slice(max(0, int(left)), min(size[1], int(right)))


def _face_width(face) -> float:
    if face.points is None:
        return 0.75 * face.box.width
    return float(np.hypot(*(np.asarray(face.points)[5] - np.asarray(face.points)[4])))


def _masks(face, picture, offset):
    """Boolean masks (P, H, W) on the kept part: perfuse's regions times its gate on skin colour, pixel by pixel."""
    height, width = picture.shape[:2]
    crop = Box(*offset, float(width), float(height))
    weights = region_weights(face, crop, height, width)
    gate = skin_likelihood(picture.astype(np.float32), weights["skin"])
    masks = [(weights[name] * gate) > 0.5 for name in PARTS]
    return [mask if mask.sum() > 60 else weights[name] > 0.5 for mask, name in zip(masks, PARTS)]


def _points(mask):
    """Pixel coordinates (2, N) of a mask."""
    rows, cols = np.nonzero(mask)
    return np.stack([cols, rows]).astype(float)


def _blocks(skin, face):
    """Pixel coordinates of square blocks on skin."""
    side = max(4, round(_face_width(face) / 8))
    out = []
    for top in range(0, skin.shape[0] - side + 1, side):
        for left in range(0, skin.shape[1] - side + 1, side):
            part = skin[top : top + side, left : left + side]
            if part.mean() > 0.9:
                rows, cols = np.nonzero(part)
                out.append(np.stack([cols + left, rows + top]).astype(float))
    return out


def _moved(pose, face, offset):
    """Return the map from coordinates in the middle frame to those of a frame with this pose."""
    centre = (np.array(face.box.centre) - offset)[:, None]
    turn, size = pose[2], np.exp(pose[3])
    matrix = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return lambda xy: matrix @ (xy - centre) + centre + pose[:2, None]


def _sampled(picture, xy):
    """Bilinear samples (N, ...) of a picture at (2, N)."""
    x = np.clip(xy[0], 0, picture.shape[1] - 1.001)
    y = np.clip(xy[1], 0, picture.shape[0] - 1.001)
    left, top = x.astype(int), y.astype(int)
    shape = (-1, *(1,) * (picture.ndim - 2))
    u, v = (x - left).reshape(shape), (y - top).reshape(shape)
    upper = picture[top, left] * (1 - u) + picture[top, left + 1] * u
    lower = picture[top + 1, left] * (1 - u) + picture[top + 1, left + 1] * u
    return upper * (1 - v) + lower * v


def _register(pictures, face, offset):
    """Pose (T, 4) of the face in every picture, by least squares on the gradients (Lucas and Kanade 1981)."""
    middle = len(pictures) // 2
    step = 2 if _face_width(face) > 90 else 1
    grey = [_shrunk(p @ LUMA, step) for p in pictures]
    model = grey[middle]
    box, centre = face.box, (np.array(face.box.centre) - offset) / step
    rows, cols = np.mgrid[0 : model.shape[0], 0 : model.shape[1]].astype(float)
    inside = np.hypot((cols - centre[0]) / (0.50 * box.width / step), (rows - centre[1]) / (0.62 * box.height / step))
    at = np.nonzero(inside < 1)
    xy = np.stack([cols[at], rows[at]])
    rel = xy - centre[:, None]
    down, across = np.gradient(model)
    slope = np.stack([across[at], down[at]])
    basis = np.stack(
        [slope[0], slope[1], rel[0] * slope[1] - rel[1] * slope[0], (rel * slope).sum(axis=0), np.ones(xy.shape[1])]
    )
    solve = np.linalg.solve(basis @ basis.T, basis)
    pose = np.zeros((len(pictures), 4))
    for order in (range(middle, len(pictures)), range(middle, -1, -1)):
        now = np.zeros(4)
        for k in order:
            now = _fit(grey[k], model[at], xy, centre, solve, now)
            pose[k] = now
    pose[:, :2] *= step
    return pose


def _fit(picture, model, xy, centre, solve, start):
    """Refine a pose against one picture."""
    pose = start.copy()
    for _ in range(12):
        matrix = np.exp(pose[3]) * np.array([[np.cos(pose[2]), -np.sin(pose[2])], [np.sin(pose[2]), np.cos(pose[2])]])
        seen = _sampled(picture, matrix @ (xy - centre[:, None]) + (centre + pose[:2])[:, None])
        step = (solve @ (model - seen))[:4]
        pose += step
        if np.abs(step[:2]).max() < 0.002 and np.abs(step[2:]).max() < 5e-5:
            break
    return pose


def _shrunk(grey, step):
    if step == 1:
        return grey
    height, width = (n // step * step for n in grey.shape)
    return grey[:height, :width].reshape(height // step, step, width // step, step).mean(axis=(1, 3))


def noise_between(pictures, pose, points) -> dict:
    """Noise of pixels from pairs of neighbouring frames between which the head hardly moved.

    Returns
    -------
    dict
        ``sd`` (P, 3): standard deviation of one pixel in grey levels; ``block`` (P, 3): of 8 x 8 means; ``mean``
        (P, 3): of the whole mask; ``acf`` (P, 4): green's autocorrelation at 1 to 4 pixels; ``red_green`` (P,):
        correlation of red and green; ``pairs``: how many pairs; ``moved_px``: their median motion.
    """
    step = np.hypot(*np.diff(pose[:, :2], axis=0).T)
    calm = np.argsort(step)[: max(8, int((step < CALM_PX).sum()) // 2)][:40]
    out = {name: [] for name in ("sd", "block", "mean", "acf", "red_green")}
    for xy in points:
        x, y = xy.astype(int)
        box = (slice(y.min(), y.max() + 1), slice(x.min(), x.max() + 1))
        mask = np.zeros((box[0].stop - box[0].start, box[1].stop - box[1].start), bool)
        mask[y - box[0].start, x - box[1].start] = True
        pairs = [_pair(pictures[k][box].astype(float), pictures[k + 1][box].astype(float), mask) for k in calm]
        for name in out:
            out[name].append(
                np.sqrt(np.mean(np.square([p[name] for p in pairs]), axis=0))
                if name in ("sd", "block", "mean")
                else np.mean([p[name] for p in pairs], axis=0)
            )
    return {**{k: np.array(v) for k, v in out.items()}, "pairs": len(calm), "moved_px": float(np.median(step[calm]))}


def _pair(first, second, mask) -> dict:
    """Noise of one frame from the difference of two."""
    change = (second - first) / np.sqrt(2)
    mean = change[mask].mean(axis=0)
    rest = np.where(mask[..., None], change - mean, 0.0)
    count = mask.sum()
    power = np.maximum((rest**2).sum(axis=(0, 1)) / count, 1e-9)  # strong compression repeats whole frames
    green, acf = rest[..., 1], []
    for lag in range(1, LAGS + 1):
        both = (mask[:, lag:] & mask[:, :-lag]), (mask[lag:] & mask[:-lag])
        total = (green[:, lag:] * green[:, :-lag])[both[0]].sum() + (green[lag:] * green[:-lag])[both[1]].sum()
        acf.append(total / max(1, both[0].sum() + both[1].sum()) / power[1])
    blocks = [
        rest[top : top + 8, left : left + 8].mean(axis=(0, 1))
        for top in range(0, mask.shape[0] - 7, 8)
        for left in range(0, mask.shape[1] - 7, 8)
        if mask[top : top + 8, left : left + 8].all()
    ]
    wide = np.std(blocks, axis=0) if len(blocks) > 3 else np.full(3, np.nan)
    flat = rest[mask]
    return {
        "sd": np.sqrt(power),
        "block": wide,
        "mean": np.abs(mean),
        "acf": np.array(acf),
        "red_green": float((flat[:, 0] * flat[:, 1]).mean() / np.sqrt(power[0] * power[1])),
    }
