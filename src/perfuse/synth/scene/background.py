"""What is behind the head, in linear light: walls, rooms, the open air, a bed; and what moves there."""

from __future__ import annotations

import numpy as np

from perfuse.core.errors import UsageError
from perfuse.synth.fields import F64, Field, blur, bump, patches, smoothstep
from perfuse.synth.person.look import Look
from perfuse.synth.scene.clutter import Grid, frame, rectangle, shelf, things

BACKGROUNDS = ("wall", "room", "outdoor", "bed")
"""What can be behind a head; a bed for somebody who lies down."""

DISTANT = (0.12, 0.75)
"""Light on a wall, of that on the face: it stands further from the window or the lamp, one to three times as far
(inverse squares; ASSUMED)."""

MOVING = ("none", "people", "leaves", "screen")
"""What can move there."""


def paint_background(rng: np.random.Generator, look: Look, height: int, width: int, kind: str | None = None) -> Field:
    """Paint what is behind a head.

    Parameters
    ----------
    rng : Generator
        Source of chance.
    look : Look
        Decides the colour of the wall.
    height, width : int
        Pixels.
    kind : str, optional
        One of :data:`BACKGROUNDS`; by default a wall or a room (0.4 each) or the open air (0.2), a bed for infants.

    Returns
    -------
    ndarray, float32, (3, H, W)
        Linear light, 0.002 to 0.9.

    Raises
    ------
    UsageError
        If there is no such background.
    """
    if kind is not None and kind not in BACKGROUNDS:
        raise UsageError(f"There is no background called {kind!r}.", f"Available: {', '.join(BACKGROUNDS)}.")
    chance = float(rng.random())
    if kind is None:
        kind = "bed" if look.age_y < 0.3 else "wall" if chance < 0.4 else "room" if chance < 0.8 else "outdoor"
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
    x = ((np.arange(width, dtype=np.float32) + 0.5 - width / 2) / height)[None]
    # Phones and webcams are nearly sharp everywhere, cameras with large sensors are not.
    soft = float(rng.choice([0.0015, 0.002, 0.003, 0.012])) * float(rng.uniform(0.8, 1.3))
    painter = {"wall": _wall, "room": _room, "outdoor": _outdoor, "bed": _bed}[kind]
    picture = blur(painter(rng, look, (x, y)), soft * height)
    grain = 0.010 * patches(rng, (height, width), 1.5) + 0.02 * patches(rng, (height, width), 0.06 * height)
    vignette = 1.0 - float(rng.uniform(0.0, 0.25)) * smoothstep(0.35, 0.95, np.sqrt(x * x + (y - 0.5) ** 2))
    picture = np.clip(picture * (vignette * np.exp(grain))[..., None], 0.002, 0.9)
    return np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32)


def _plaster(rng: np.random.Generator, look: Look, grid: Grid) -> tuple[Field, Field]:
    """Paint a wall lit from one side, (H, W, 3); also return x with that side at its end."""
    x, y = grid
    side = x * np.float32(rng.choice([-1.0, 1.0]))
    steep, high = rng.uniform(0.0, 0.6), np.exp(rng.uniform(*np.log(DISTANT)))
    fall = 1.0 - 0.5 * steep + steep * smoothstep(-0.9, 0.9, side) - rng.uniform(0.0, 0.3) * y
    return np.asarray(look.wall * (high * fall)[..., None], np.float32), side


def _wall(rng: np.random.Generator, look: Look, grid: Grid) -> Field:
    """Paint plaster, perhaps wood panels, bricks or tiles, a curtain, a picture, a skirting of another colour."""
    picture, side = _plaster(rng, look, grid)
    x, y = grid
    texture, size, tone = int(rng.integers(6)), float(rng.uniform(0.06, 0.18)), float(rng.uniform(0.05, 0.2))
    if texture == 0:  # curtain
        folds = np.sin(2 * np.pi * x / size + 2.0 * np.sin(5.0 * x)) + 0.4 * np.sin(4.7 * np.pi * x / size + 1.0)
        picture *= np.exp(tone * folds)[..., None]
    elif texture == 1:  # boards
        seam = np.abs((x / size) % 1.0 - 0.5) > 0.47
        picture *= np.exp(tone * np.sin(np.floor(x / size) * 12.9) - 0.6 * seam)[..., None]
    elif texture == 2:  # bricks or tiles
        row = np.floor(y / (0.5 * size))
        u = (x / size + 0.5 * (row % 2)) % 1.0
        joint = (np.abs(u - 0.5) > 0.47) | (np.abs((y / (0.5 * size)) % 1.0 - 0.5) > 0.44)
        shade = np.sin(1e3 * np.sin(12.9 * row + 78.2 * np.floor(x / size + 0.5 * (row % 2))))
        picture *= np.exp(tone * shade + 0.5 * tone * joint)[..., None]
    if rng.random() < 0.35:
        frame(rng, picture, grid)
    if rng.random() < 0.3:
        picture[y[:, 0] > rng.uniform(0.6, 0.8)] *= rng.uniform(0.4, 0.9, 3).astype(np.float32)
    glow = bump(side, y, (-0.58, float(rng.uniform(0.2, 0.5))), (0.16, 0.2))
    picture += (float(rng.uniform(0.0, 0.2)) * glow)[..., None] * np.array([1.0, 0.78, 0.5], np.float32)
    return picture


def _room(rng: np.random.Generator, look: Look, grid: Grid) -> Field:
    """Paint a wall with a window, shelves, a door, furniture and lamps."""
    picture, side = _plaster(rng, look, grid)
    y = grid[1]
    edge = float(rng.uniform(0.30, 0.46))
    flip = float(np.sign(side[0, -1]))
    what = int(rng.integers(4))
    if what == 0:
        pane = smoothstep(edge, edge + 0.02, side) * smoothstep(0.72, 0.70, y)
        bars = np.maximum(np.abs(((side - edge) % 0.24) - 0.12) > 0.108, np.abs((y % 0.36) - 0.18) > 0.168)
        sky = np.array([0.62, 0.72, 0.80], np.float32) * (1.0 - 0.35 * y)[..., None]
        sky = np.where((y > rng.uniform(0.4, 0.8))[..., None], np.array([0.16, 0.22, 0.12], np.float32), sky)
        picture += pane[..., None] * (np.where(bars[..., None], 0.42, sky) - picture)
    elif what == 1:
        shelf(rng, picture, grid, flip)
    elif what == 2:
        door = sorted((flip * edge, flip * (edge + 0.34)))
        picture[rectangle(grid, door[0] - 0.02, door[1] + 0.02, 0.0, 1.0)] *= np.float32(0.7)
        picture[rectangle(grid, door[0], door[1], 0.02, 1.0)] = rng.uniform(0.1, 0.5) * np.array([1.0, 0.85, 0.7])
    things(rng, picture, grid)
    if rng.random() < 0.4:
        lamp = bump(side, y, (-float(rng.uniform(0.4, 0.7)), float(rng.uniform(0.1, 0.4))), (0.05, 0.05))
        halo = bump(side, y, (-0.55, 0.25), (0.25, 0.25))
        picture += (0.9 * lamp + 0.2 * halo)[..., None] * np.array([1.0, 0.80, 0.52], np.float32)
    return picture


def _outdoor(rng: np.random.Generator, look: Look, grid: Grid) -> Field:
    """Paint sky above trees or houses above a lawn or a street."""
    x, y = grid
    shape = (y.shape[0], x.shape[1])
    cloud = smoothstep(-0.5, 1.5, patches(rng, shape, 0.25 * shape[0]))[..., None]
    sky = np.array([0.45, 0.60, 0.82], np.float32) * (1.0 - 0.2 * y)[..., None]
    picture = sky + float(rng.uniform(0.1, 0.9)) * cloud * (0.8 - sky)
    line, rough = float(rng.uniform(0.15, 0.6)), patches(rng, (1, shape[1]), 0.12 * shape[0])
    horizon = float(rng.uniform(0.62, 0.85))
    if rng.random() < 0.65:
        sizes = (0.012, 0.03, 0.08, 0.2)
        leaf = np.exp(sum(0.28 * patches(rng, shape, max(1.2, size * shape[0])) for size in sizes))
        green = rng.uniform([0.05, 0.09, 0.035], [0.16, 0.20, 0.09]) * leaf[..., None]
        picture += smoothstep(-0.01, 0.01, y - line - 0.07 * rough)[..., None] * (green - picture)
    else:
        at = -1.0
        while at < 1.0:
            wide, top = float(rng.uniform(0.15, 0.5)), line + float(rng.uniform(-0.15, 0.1))
            box = rectangle(grid, at, at + wide, top, 1.0)
            pitch, storey, open_ = (float(v) for v in rng.uniform([0.05, 0.06, 0.2], [0.14, 0.18, 0.36]))
            windows = (np.abs(((x[:, box[1]] - at) % pitch) / pitch - 0.5) < open_) & (
                np.abs(((y[box[0]] - top) % storey) / storey - 0.5) < 0.28
            )
            front = rng.uniform(0.15, 0.5) * rng.uniform(0.75, 1.0, 3)
            picture[box] = np.where(windows[..., None], rng.uniform(0.15, 1.4) * front[::-1], front)
            at += wide
    ground = rng.uniform(0.12, 0.3) * (
        np.array([0.5, 0.8, 0.3]) if rng.random() < 0.5 else np.array([0.9, 0.88, 0.85])
    )
    picture += smoothstep(horizon - 0.01, horizon + 0.01, y)[..., None] * (ground - picture)
    return np.asarray(picture, np.float32)


def _bed(rng: np.random.Generator, look: Look, grid: Grid) -> Field:
    """Paint a sheet or pillow with folds around a head that lies on it."""
    x, y = grid
    shape = (y.shape[0], x.shape[1])
    base = rng.uniform(0.35, 0.7) * (0.7 + 0.3 * np.sqrt(look.wall))
    folds = patches(rng, shape, 0.22 * shape[0])
    turn, pace = (float(v) for v in rng.uniform([0.0, 5.0], [3.1, 12.0]))
    waves = np.sin(pace * (x * np.cos(turn) + y * np.sin(turn)) + 1.4 * folds)
    waves += 0.5 * np.sin(2.3 * pace * (y * np.cos(turn) - x * np.sin(turn)) - 1.1 * folds)
    hollow = 1.0 - 0.25 * bump(x, y, (0.0, 0.5), (0.32, 0.42))
    log = 0.05 * waves + 0.05 * folds
    if rng.random() < 0.4:
        size = float(rng.uniform(0.05, 0.12))
        log -= 0.25 * smoothstep(1.1, 1.5, np.cos(2 * np.pi * x / size) + np.cos(2 * np.pi * y / size))
    return np.asarray(base * (np.exp(log) * hollow)[..., None], np.float32)


def paint_movers(rng: np.random.Generator, height: int, width: int, kind: str) -> Field:
    """Paint up to two pictures that move behind the head; :func:`background_motion` tells how.

    Returns
    -------
    ndarray, float32, (2, 4, H, W)
        Premultiplied R, G, B in linear light, and how much of the background each hides. At a time with row
        ``(weight, right, down)`` of the motion, with the picture moved by ``right`` widths and ``down`` heights and
        nothing beyond its edges, a frame's background is ``b * (1 - weight * cover) + weight * rgb``.

    Raises
    ------
    UsageError
        If nothing of that kind moves.
    """
    _check_moving(kind)
    out = np.zeros((2, 4, height, width), np.float32)
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
    x = ((np.arange(width, dtype=np.float32) + 0.5 - width / 2) / height)[None]
    for layer in out:
        if kind == "people":
            tall, thick = float(rng.uniform(0.0, 0.35)), float(rng.uniform(0.10, 0.22))
            round_ = np.sqrt(np.clip((y - tall - 0.13) / 0.16, 0.0, 1.0))
            trunk = smoothstep(1.0, -1.0, (np.abs(x) - thick * round_) / 0.02)
            head = smoothstep(1.2, 0.8, (x / 0.07) ** 2 + ((y - tall - 0.06) / 0.09) ** 2)
            body = trunk * smoothstep(tall + 0.12, tall + 0.15, y)
            cover = blur(np.maximum(body, head), 0.012 * height)
            coat, face = rng.uniform(0.02, 0.35, 3), rng.uniform(0.08, 0.4) * np.array([1.0, 0.7, 0.55])
            colour = coat[:, None, None] + head * (face - coat)[:, None, None]
            layer[:3], layer[3] = cover * colour, cover
        elif kind == "leaves":
            light = np.maximum(patches(rng, (height, width), 0.05 * height), 0.0)
            light = light * smoothstep(-0.3, 0.6, patches(rng, (height, width), 0.3 * height))
            layer[:3] = 0.10 * light * np.array([0.8, 1.0, 0.4], np.float32)[:, None, None]
        elif kind == "screen":
            at = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.35, 0.6))
            hue = rng.uniform(0.3, 1.0, 3)
            glow = bump(x, y, (at, 0.45), (0.3, 0.35)) * 0.12 + 0.35 * (np.abs(x - at) < 0.16) * (
                np.abs(y - 0.4) < 0.1
            )
            layer[:3] = glow * hue[:, None, None]
    return out


def background_motion(rng: np.random.Generator, times_s: F64, kind: str) -> F64:
    """How the pictures of :func:`paint_movers` move.

    People walk past one at a time, every 5 to 30 s, within 1.5 to 5 s; leaves sway at 0.2 to 1.5 Hz and glitter; a
    screen cuts between scenes every 4 s (exponential) and flickers with what it shows (all ASSUMED).

    Parameters
    ----------
    rng : Generator
        Source of chance.
    times_s : ndarray, (T,)
        Seconds, ascending.
    kind : str
        One of :data:`MOVING`.

    Returns
    -------
    ndarray, float64, (T, 2, 3)
        Weight (0..1), shift to the right in widths and down in heights of the picture, for each of the two pictures.

    Raises
    ------
    UsageError
        If nothing of that kind moves.
    """
    _check_moving(kind)
    out = np.zeros((len(times_s), 2, 3))
    if kind == "none" or not len(times_s):
        return out
    for layer in range(2):
        own = rng.spawn(1)[0]
        if kind == "people":
            _walk(own, times_s, out[:, layer])
        elif kind == "leaves":
            rate, turn = own.uniform(0.2, 1.5, 3), own.uniform(0, 2 * np.pi, 3)
            sway = np.sin(2 * np.pi * rate * times_s[:, None] + turn)
            out[:, layer, 0] = 0.5 + 0.25 * sway[:, 0] * (1.0 + 0.6 * sway[:, 1])
            out[:, layer, 1], out[:, layer, 2] = 0.006 * sway[:, 1], 0.004 * sway[:, 2]
        else:
            count = int((times_s[-1] - times_s[0]) / 4.0 * 3) + 8
            cuts = times_s[0] + np.cumsum(own.exponential(4.0, count))
            level = own.uniform(0.05, 1.0, count + 1)[np.searchsorted(cuts, times_s)]
            pace, begin = own.uniform([0.2, 0.0], [3.0, 2 * np.pi])
            out[:, layer, 0] = level * (0.85 + 0.15 * np.sin(2 * np.pi * pace * times_s + begin))
    return np.asarray(out)


def _walk(rng: np.random.Generator, times_s: F64, out: F64) -> None:
    """Let somebody pass from side to side again and again, bobbing with the steps."""
    start = float(times_s[0]) - float(rng.uniform(0.0, 10.0))
    while start < times_s[-1]:
        span, way = float(rng.uniform(1.5, 5.0)), float(rng.choice([-1.0, 1.0]))
        pace, pause = float(rng.uniform(1.6, 2.2)), float(rng.uniform(5.0, 30.0))
        phase = (times_s - start) / span
        here = (phase > 0) & (phase < 1)
        out[here, 0] = 1.0
        out[here, 1] = way * (1.7 * phase[here] - 0.85)
        out[here, 2] = 0.012 * np.abs(np.sin(np.pi * pace * (times_s[here] - start)))
        start += span + pause


def _check_moving(kind: str) -> None:
    if kind not in MOVING:
        raise UsageError(f"Nothing called {kind!r} moves in a background.", f"Available: {', '.join(MOVING)}.")
