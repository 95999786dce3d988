"""A face-like clip whose pulse is known exactly, and how much of that pulse is left in it."""

import numpy as np

from media import encode
from perfuse.synth.camera.noise import noise_tile, noise_windows, window_offsets
from perfuse.synth.fields import blur, coloured, patches, power_law
from perfuse.video import open_source

SWING = 0.0014
"""Amplitude of the pulse's fundamental in green, relative to the mean."""

BLOOD = np.array([0.25, 1.0, 0.5])


def face_like(seed=0, count=240, height=192, width=160, pulse_hz=1.25, rate_hz=30.0, moving=1.0, noise=1.0):
    """Return frames (T, 3, H, W) uint8 and the path (T, 2) of the face to the right and down, in pixels.

    An ellipse of skin with pores, eyes and a mouth under a side light, swaying by about 2 pixels before a still,
    plain wall. The light on it changes a little as it turns.
    """
    rng = np.random.default_rng(seed)
    times = np.arange(count) / rate_hz
    path = np.stack([np.interp(times, np.arange(len(w)) / 50.0, w) for w in _walks(rng, times[-1], 2)], 1)
    path = moving * path * np.array([2.0, 2.5]) * height / 256
    turn = np.interp(times, np.arange(50 * 600) / 50.0, np.resize(_walks(rng, times[-1], 1)[0], 50 * 600))
    skin, cover, slope = _skin(rng, height, width)
    wall = 110 + 12 * patches(rng, (height, width), 30.0) + 3 * blur(rng.standard_normal((height, width)), 0.8)
    phase = 2 * np.pi * pulse_hz * times
    wave = np.cos(phase) + 0.34 * np.cos(2 * phase + 0.6) + 0.23 * np.cos(3 * phase + 1.0)
    tile = noise_tile(rng, height + 100, width + 100, noise)
    grain = noise_windows(tile, *(window_offsets(rng, count, tile.shape, height, width)[:1]), height, width)
    frames = np.empty((count, 3, height, width), np.uint8)
    for k in range(count):
        lit = skin * (1 + 0.004 * moving * turn[k] * slope) * (1 + SWING * BLOOD * wave[k])[:, None, None]
        moved = _shifted(np.concatenate([lit * cover, cover[None]]), path[k])
        level = wall * (1 - moved[3]) + moved[:3] + grain[k] / 32
        frames[k] = np.clip(np.rint(level), 0, 255)
    return frames, path


def _walks(rng, span, count):
    return [coloured(rng, float(span) + 1.0, power_law(2.2, 0.15)) for _ in range(count)]


def _skin(rng, height, width):
    """Encoded skin (3, H, W), how much of the wall it hides (H, W), and its slope to the light (H, W)."""
    y, x = np.mgrid[:height, :width]
    x, y = (x - width / 2) / (0.40 * width), (y - height / 2) / (0.44 * height)
    cover = np.clip((1 - np.hypot(x, y)) * 12, 0, 1)
    pores = 4 * blur(rng.standard_normal((height, width)), 0.7) / 0.35 * 0.5
    shade = 1 + 0.16 * x - 0.10 * y + 0.05 * patches(rng, (height, width), 25.0)
    for cx, cy, sx, sy, deep in (
        (-0.4, -0.15, 0.14, 0.06, 0.6),
        (0.4, -0.15, 0.14, 0.06, 0.6),
        (0, 0.5, 0.25, 0.06, 0.4),
    ):
        shade = shade * (1 - deep * np.exp(-(((x - cx) / sx) ** 2) - ((y - cy) / sy) ** 2))
    colour = np.array([196.0, 158.0, 138.0])[:, None, None] * shade + pores
    return colour, cover, x


def _shifted(planes, offset):
    """Move (C, H, W) to the right and down by fractions of a pixel (in the frequency domain, so nothing blurs)."""
    down, across = np.fft.fftfreq(planes.shape[1]), np.fft.rfftfreq(planes.shape[2])
    turn = np.exp(-2j * np.pi * (down[:, None] * offset[1] + across[None, :] * offset[0]))
    return np.fft.irfft2(np.fft.rfft2(planes.astype(np.float32)) * turn.astype(np.complex64), planes.shape[1:])


def boxes(height, width):
    """(top, bottom, left, right) of patches of bare skin: forehead, cheeks, chin."""
    spots = ((-0.62, 0.0), (-0.45, -0.35), (-0.45, 0.35), (0.15, -0.5), (0.15, 0.5), (0.2, 0.0))
    size = height // 16
    centres = [(round(height * (0.5 + 0.44 * y)), round(width * (0.5 + 0.40 * x))) for y, x in spots]
    return [(r - size, r + size, c - size, c + size) for r, c in centres]


def trace(frames, path, box):
    """Mean colours (T, 3) of a box that moves with the face."""
    top, bottom, left, right = box
    means = np.empty((len(frames), 3))
    for k, (across, down) in enumerate(path):
        i, j = int(np.floor(down)), int(np.floor(across))
        rows, cols = np.ones(bottom - top + 1), np.ones(right - left + 1)
        rows[0], rows[-1] = 1 - (down - i), down - i
        cols[0], cols[-1] = 1 - (across - j), across - j
        part = frames[k, :, top + i : bottom + i + 1, left + j : right + j + 1].astype(float)
        means[k] = (rows @ part @ cols) / (rows.sum() * cols.sum())
    return means


def surviving(frames, path, scale=1, pulse_hz=1.25, rate_hz=30.0):
    """Amplitude of the pulse's fundamental in percent (3,), and the rest of the pulse band in percent (3,).

    ``scale``: how many pixels of the clip's own boxes one pixel of ``frames`` covers.
    """
    frames = np.asarray(frames)
    height, width = (n * scale for n in frames.shape[-2:])
    times = np.arange(len(frames)) / rate_hz
    waves = [f(2 * np.pi * n * pulse_hz * times) for n in (1, 2, 3) for f in (np.cos, np.sin)]
    slow = [np.cos(np.pi * n * times / times[-1]) for n in range(int(2 * times[-1] * 0.6) + 1)]
    basis = np.stack(waves + slow, axis=1)
    sizes, rests = [], []
    for box in boxes(height, width):
        means = trace(frames, path / scale, [round(side / scale) for side in box])
        means = means / means.mean(axis=0)
        fit = np.linalg.lstsq(basis, means, rcond=None)[0]
        sizes.append(fit[0])
        rests.append((means - basis @ fit).std(axis=0))
    return 100 * np.mean(sizes, axis=0), 100 * np.sqrt(np.mean(np.square(rests), axis=0))


def real(frames, folder, codec="libx264", **options):
    """Write with a real encoder and read back: float32 (T, 3, H, W), and kilobits per second."""
    path = folder / f"{codec}.mkv"
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    tick = {"tick": None} if codec == "mpeg4" else {}
    settings = {key: str(value) for key, value in options.items()} | {"threads": "1"}
    encode(path, list(frames.transpose(0, 2, 3, 1)), codec=codec, pixel_format=pixel_format, options=settings, **tick)
    with open_source(path) as stream:
        decoded = np.stack([frame.rgb() for frame in stream])
    rate = path.stat().st_size * 8 / 1000 / (len(frames) / 30.0)
    return decoded.transpose(0, 3, 1, 2).astype(np.float32), rate


def follow(luma, box):
    """Path (T, 2), to the right and down, of what a box of the first picture shows, to fractions of a pixel."""
    top, bottom, left, right = box

    def at(picture, across, down):
        i, j = int(np.floor(down)), int(np.floor(across))
        a, b = down - i, across - j
        part = picture[top + i : bottom + i + 1, left + j : right + j + 1]
        part = (1 - a) * part[:-1] + a * part[1:]
        return (1 - b) * part[:, :-1] + b * part[:, 1:]

    smooth = [blur(picture[:, :, None].astype(np.float32), 1.0)[:, :, 0] for picture in luma]
    first = at(smooth[0], 0.0, 0.0)
    slopes = np.stack([g.ravel() for g in np.gradient(first)[::-1]], axis=1)
    solve = np.linalg.pinv(slopes)
    path = np.zeros((len(luma), 2))
    where = np.zeros(2)
    for k, picture in enumerate(smooth):
        for _ in range(12):
            part = at(picture, *where)
            part = (part - part.mean()) / part.std() * first.std() + first.mean()
            move = solve @ (first - part).ravel()
            where = where + move
            if np.abs(move).max() < 1e-3:
                break
        path[k] = where
    return path
