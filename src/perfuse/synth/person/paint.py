"""Paint: the bare head, its eyes, lips, brows and beard, from back to front."""

from __future__ import annotations

import numpy as np

from perfuse.synth.fields import Field, bump, smoothstep
from perfuse.synth.person.coat import Coat, bare, tinted
from perfuse.synth.person.hair import back_hair, front_hair
from perfuse.synth.person.look import Look
from perfuse.synth.person.shape import EDGE, Canvas, chin_y, dome, half_width, mouth_y, normals, nose_y, relief
from perfuse.synth.person.skin import Skin, stained


def paint_head(look: Look, skin: Skin, canvas: Canvas, *, closed: float = 0.0) -> Coat:
    """Paint a whole head; ``closed`` is how far the lids are down, 0 to 1."""
    coat = bare(canvas.shape)
    back_hair(coat, look, canvas)
    _ears(coat, look, skin, canvas)
    _face(coat, look, skin, canvas)
    _beard(coat, look, canvas)
    _lips(coat, look, skin, canvas)
    for side in (-1.0, 1.0):
        _eye(coat, look, skin, canvas, side, closed)
        _brow(coat, look, canvas, side)
    front_hair(coat, look, canvas)
    return coat


def pulse_map(look: Look, canvas: Canvas) -> Field:
    """Pulsatility over the face: forehead strongest, then cheeks; nose, chin and lids weaker."""
    x, y, side = canvas.x, canvas.y, np.abs(canvas.x)
    mouth, chin = mouth_y(look), chin_y(look)
    level = 0.9 + 0.45 * bump(x, y, (0.0, -0.62), (0.62, 0.27)) + 0.28 * bump(side, y, (0.55, 0.34), (0.26, 0.2))
    level -= 0.3 * bump(x, y, (0.0, 0.3), (0.14, 0.3)) + 0.25 * bump(x, y, (0.0, chin - 0.1), (0.3, 0.2))
    level -= 0.4 * bump(side, y, (look.eye_gap, 0.0), (0.2, 0.1)) + 0.3 * bump(
        x, y, (0.0, mouth - 0.15), (0.25, 0.06)
    )
    return np.asarray(level * np.exp(canvas.vessels), np.float32)


def _face(coat: Coat, look: Look, skin: Skin, canvas: Canvas) -> None:
    x, y, side = canvas.x, canvas.y, np.abs(canvas.x)
    mouth, base = mouth_y(look), nose_y(look)
    red = 0.30 * bump(side, y, (0.56, 0.36), (0.24, 0.20)) + 0.22 * bump(x, y, (0.0, base - 0.1), (0.18, 0.12))
    red += 0.10 * bump(side, y, (look.eye_gap, 0.16), (0.2, 0.07)) + 0.16 + 0.05 * canvas.blotch
    red += 0.12 * bump(x, y, (0.0, chin_y(look) - 0.15), (0.25, 0.15))
    grain = np.exp(-0.035 * canvas.blotch - 0.022 * canvas.fine)
    albedo = stained(skin.albedo[:, None, None] * grain, skin.redness * np.maximum(red, 0.0))
    under = 0.16 * bump(side, y, (look.eye_gap - 0.03, 0.15), (0.17, 0.04))
    under += 0.18 * bump(side, y, (look.eye_gap, -0.04), (0.24, 0.10))
    crease = 0.28 * np.exp(-(((y - mouth - 0.21 + 0.15 * x * x) / 0.03) ** 2)) * smoothstep(0.26, 0.05, side)
    albedo *= np.exp(-(under + crease) * np.array([0.7, 1.0, 1.0], np.float32)[:, None, None])
    sheen = 1.0 + 0.8 * bump(x, y, (0.0, -0.6), (0.5, 0.3)) + 1.0 * bump(x, y, (0.0, 0.3), (0.12, 0.3))
    width = half_width(look, y)
    mask = smoothstep(EDGE, -EDGE, (side - width) * np.clip(width, 0.25, 1.0)) * smoothstep(0.0, 0.1, width)
    shape = normals(relief(look, x, y), canvas.unit)
    coat.over(mask, albedo, normal=shape, pulse=pulse_map(look, canvas), sheen=sheen, solid=True)
    holes = bump(side, y, (0.085 * look.nose, base + 0.005), (0.042, 0.017))
    coat.over(0.85 * holes, tinted(coat.albedo, 0.22, 0.13, 0.12), pulse=0.0, sheen=0.1)


def _ears(coat: Coat, look: Look, skin: Skin, canvas: Canvas) -> None:
    x, y = np.abs(canvas.x), canvas.y
    u, v = (x - 1.0 - 0.10 * (0.2 - y)) / 0.15, (y - 0.17) / (0.33 - 0.05 * (y > 0.17))
    radius = np.sqrt(u * u + v * v)
    bowl = bump(u, v, (0.15, -0.05), (0.38, 0.5))
    albedo = stained(skin.albedo, skin.redness * (0.45 + 0.5 * bowl)) * (1.0 - 0.5 * bowl)
    normal = dome(canvas.x, y, (0.0, 0.1), (1.35, 0.75))
    coat.over(smoothstep(1.04, 0.94, radius), albedo, normal=normal, pulse=1.1, sheen=0.7, solid=True, loose=1.0)


def _lips(coat: Coat, look: Look, skin: Skin, canvas: Canvas) -> None:
    width, line = 0.34 * look.mouth, mouth_y(look)
    u = canvas.x / width
    inside = np.clip(1.0 - u * u, 0.0, 1.0)
    middle = line - (0.015 + 0.055 * look.smile) * u * u + 0.016 * np.exp(-((u / 0.25) ** 2))
    top = middle - look.mouth * (0.088 * inside**0.85 - 0.022 * np.exp(-((u / 0.13) ** 2)))
    bottom = middle + look.mouth * 0.128 * inside**0.7
    y, soft = canvas.y, 0.016
    mask = smoothstep(-soft, soft, y - top) * smoothstep(soft, -soft, y - bottom) * smoothstep(1.0, 0.93, np.abs(u))
    red = 0.25 + look.lips * (0.75 + 0.25 * (y < middle)) * skin.redness**0.5
    albedo = stained(0.92 * skin.albedo, red) * (1.0 - 0.22 * smoothstep(soft, -soft, y - middle))
    coat.over(0.92 * mask, albedo, pulse=1.2, sheen=1.3)
    seam = np.exp(-(((y - middle) / (0.011 + 0.008 * inside)) ** 2)) * smoothstep(1.08, 0.9, np.abs(u))
    coat.over(0.85 * seam, tinted(coat.albedo, 0.32, 0.18, 0.18), pulse=0.1, sheen=0.2)


def _eye_frame(look: Look, canvas: Canvas, side: float) -> tuple[Field, Field, Field, Field]:
    """Coordinates of one eye: u from nose (-1) to temple (1), y, and the lines of upper and lower lid."""
    u = (side * canvas.x - look.eye_gap) / (0.205 * look.eyes)
    y = canvas.y + look.tilt * 0.5 * u * 0.2
    open_ = np.clip(1.0 - u * u, 0.0, 1.0)
    upper = -look.eyes * 0.086 * open_**0.62 * (1.0 - 0.12 * u)
    lower = look.eyes * 0.066 * open_**0.75 * (1.0 + 0.15 * u)
    return np.asarray(u, np.float32), np.asarray(y, np.float32), upper, lower


def _eye(coat: Coat, look: Look, skin: Skin, canvas: Canvas, side: float, closed: float) -> None:
    u, y, rest, lower = _eye_frame(look, canvas, side)
    soft = 0.010
    upper = rest + closed * (lower - 0.008 - rest)
    if closed > 0:
        lid = smoothstep(-0.02, 0.02, y - rest) * smoothstep(soft, -soft, y - lower) * (np.abs(u) < 1.02)
        coat.over(lid, stained(0.88 * skin.albedo, 0.35 + 0 * u), pulse=0.5, sheen=1.0)
    mask = smoothstep(-soft, soft, y - upper) * smoothstep(soft, -soft, y - lower) * (np.abs(u) < 1.02)
    dim = min(1.0, 1.6 * float(skin.albedo.mean()) ** 0.33)  # the camera lifts a dark face, but eyes stay as they are
    white = 0.50 * dim
    ball = tinted(np.broadcast_to(white * (1.0 - 0.35 * np.abs(u) ** 2.5), (3, *u.shape)), 1.0, 0.95, 0.91)
    coat.over(
        mask, ball, normal=dome(canvas.x, canvas.y, (side * look.eye_gap, 0.0), (0.3, 0.3)), pulse=0.0, sheen=2.0
    )
    du, dy = canvas.x - side * look.eye_gap, y + 0.010
    radius = np.sqrt(du * du + dy * dy) / (0.094 * look.eyes)
    spokes = 1.0 + 0.12 * np.sin(11 * np.arctan2(dy, du))
    glow = 0.55 + 0.75 * smoothstep(0.15, 0.75, radius) * smoothstep(-0.8, 0.9, dy / 0.09)
    iris = 0.85 * dim * look.iris[:, None, None] * (glow * spokes * (1.0 - 0.75 * smoothstep(0.78, 1.0, radius)))
    coat.over(mask * smoothstep(1.07, 0.95, radius), iris)
    coat.over(mask * smoothstep(0.46, 0.36, radius), np.full(3, 0.006, np.float32))
    shade = smoothstep(0.055, 0.0, y - upper) * mask
    coat.over(0.55 * shade, coat.albedo * 0.25)
    glint = bump(du, dy, (-0.032, -0.036), (0.011, 0.011)) + 0.35 * bump(du, dy, (0.03, 0.03), (0.012, 0.01))
    coat.over(np.minimum(mask * glint * 1.3, 1.0), np.full(3, 1.3 * dim, np.float32))
    rim = smoothstep(0.012, 0.0, np.abs(y - lower - 0.004)) * smoothstep(1.05, 0.9, np.abs(u))
    coat.over(0.4 * rim, stained(0.8 * skin.albedo, 0.7 + 0 * u))
    _lashes(coat, look, u, y - upper, 0.020)
    crease = (
        (1.0 - 0.7 * closed)
        * np.exp(-(((y - rest + 0.062 - 0.02 * u * u) / 0.013) ** 2))
        * smoothstep(1.25, 0.7, np.abs(u))
    )
    coat.over(0.42 * crease, tinted(coat.albedo, 0.5, 0.38, 0.36))


def _lashes(coat: Coat, look: Look, u: Field, away: Field, thick: float) -> None:
    """Draw a dark line along a lid, heavier towards the temple."""
    width = thick * (0.75 + 0.35 * u)
    line = np.exp(-((away / width) ** 2)) * smoothstep(1.12, 0.92, np.abs(u))
    coat.over(0.92 * line, 0.12 * look.hair + 0.004, pulse=0.0, sheen=0.2)


def _brow(coat: Coat, look: Look, canvas: Canvas, side: float) -> None:
    x = side * canvas.x
    start, stop = 0.15, look.eye_gap + 0.30
    t = np.clip((x - start) / (stop - start), 0.0, 1.0)
    centre = -0.245 - 0.085 * np.sin(np.pi * np.minimum(0.08 + 0.80 * t, 1.0)) + 0.03 * t * t
    thick = look.brow * 0.047 * (0.75 + 0.55 * t * (1 - t) * 2) * (1.0 - 0.65 * t**2)
    hairs = 0.82 + 0.18 * np.sin(90 * (x + 0.5 * canvas.y) + 3.0 * canvas.fine)
    mask = np.exp(-(np.abs((canvas.y - centre) / thick) ** 2.6)) * smoothstep(start - 0.05, start + 0.07, x)
    mask = mask * smoothstep(stop + 0.03, stop - 0.10, x) * hairs
    coat.over(np.asarray(0.88 * mask, np.float32), 0.55 * look.hair + 0.003, pulse=0.05, sheen=0.2)


def _beard(coat: Coat, look: Look, canvas: Canvas) -> None:
    if look.beard <= 0:
        return
    x, y, mouth = np.abs(canvas.x), canvas.y, mouth_y(look)
    cheek = 0.42 + 0.28 * smoothstep(0.95, 0.35, x) + 0.06 * canvas.blotch * look.beard
    area = smoothstep(-0.10, 0.10, y - cheek) * smoothstep(0.10, 0.20, np.hypot(x, (y - mouth + 0.3) * 1.1))
    area = area * smoothstep(0.75, 1.05, np.hypot(x / 0.40, (y - mouth - 0.03) / 0.19))
    moustache = smoothstep(0.42, 0.30, x) * np.exp(-(((y - mouth + 0.135 - 0.25 * x * x) / 0.062) ** 4))
    patch = np.exp(-((x / 0.1) ** 4)) * smoothstep(0.12, 0.2, y - mouth)
    area = np.minimum(np.maximum(area, np.maximum(moustache, patch)), 1.0)
    strands = 1.0 - (0.06 + 0.22 * (1.0 - look.beard)) * (0.5 + 0.5 * np.tanh(1.5 * canvas.fine))
    mask = np.asarray(area * strands * look.beard, np.float32)
    coat.over(np.minimum(mask, 0.97), 0.7 * look.hair + 0.004, pulse=0.15, sheen=0.5)
