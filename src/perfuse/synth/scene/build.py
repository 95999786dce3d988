"""The scene: a head and a trunk as sprites whose light is a weighted sum of a few precomputed pictures.

Small rotations, drift of the lights and blood all change the light of a pixel to first order, so a frame needs only
the weights: ``sum_j weight_j(t) * picture_j(x)``, moved to where head and trunk are at that time. With a pulse of at
most 1 % the second-order part of the Beer-Lambert law is below 1/200 of the pulse itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perfuse.synth.fields import Field, blur, bump, smoothstep
from perfuse.synth.person.coat import Coat
from perfuse.synth.person.look import Look
from perfuse.synth.person.paint import paint_head
from perfuse.synth.person.shape import Canvas, make_canvas, mouth_y, relief
from perfuse.synth.person.skin import Skin
from perfuse.synth.person.trunk import paint_body
from perfuse.synth.scene.background import paint_background
from perfuse.synth.scene.light import Light, cast_shadow, cavity, cosine, gloss

COMPONENTS = ("rest", "key", "pitch", "yaw", "roll", "pulse", "arrival", "blood")
"""What each picture of a sprite is the response to; see :func:`lit`."""

STILL = (0, 1, 5)
"""Components of the trunk: it does not turn, and what blood does in the neck beyond its pulse is left out."""

SUPER = 2
"""Texture pixels per picture pixel: keeps bilinear sampling accurate at any fraction of a pixel."""

LID_STAGES = 3
"""Pictures of lids on their way down, fully down included."""

JOINT = (0.0, 1.1, -0.7)
"""Where the head turns, in head units."""

VENOUS = (0.6, 1.0, 0.8)
"""Signature of slow venous blood: less oxygen absorbs relatively more red than a pulse does."""

SPREAD_S = 0.012
"""Standard deviation of the pulse's time of arrival over the face."""


@dataclass(frozen=True, slots=True)
class Sprite:
    """Pictures of one part, and where they lie.

    Attributes
    ----------
    pictures : ndarray, float32, (J, 3, h * w)
        Premultiplied R, G, B in linear light, one entry per component.
    cover : ndarray, float32, (h * w,)
        How much of what is behind each texture pixel hides, 0..1.
    shape : tuple of int
        (h, w) of a picture in texture pixels.
    rows, cols : slice
        The part of the frame that the sprite may touch.
    u, v, z : ndarray, float32, (N,)
        Texture coordinates (texture pixels) of the frame's pixels in that part, at rest, and how far the relief
        stands there in front of the joint of head and neck (head units).
    pivot : tuple of float
        Texture coordinates of that joint.
    """

    pictures: Field
    cover: Field
    shape: tuple[int, int]
    rows: slice
    cols: slice
    u: Field
    v: Field
    z: Field
    pivot: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that can be computed once per subject.

    Attributes
    ----------
    unit : float
        Frame pixels per head unit (half a face width).
    origin : tuple of float
        Pixel (x, y) midway between the pupils at rest.
    background : ndarray, float32, (3, H, W)
        Linear light.
    head, body : Sprite
        What moves.
    lids : ndarray, float32, (LID_STAGES, 3, rows, w)
        What lids on their way down add to the head's first picture within ``eye_rows``.
    eye_rows : slice
        Texture rows about the eyes.
    regions : dict of str to ndarray, float32, (h, w)
        Weights of named skin regions on the head's texture.
    """

    unit: float
    origin: tuple[float, float]
    background: Field
    head: Sprite
    body: Sprite
    lids: Field
    eye_rows: slice
    regions: dict[str, Field]


def build_scene(rng: np.random.Generator, look: Look, skin: Skin, light: Light, height: int, width: int) -> Scene:
    """Paint and light one subject for a frame size."""
    unit = 0.192 * min(height, 0.75 * width)
    origin = (width / 2 + unit * rng.uniform(-0.15, 0.15), 0.44 * height + unit * rng.uniform(-0.06, 0.06))
    background = paint_background(rng, look, height, width)
    top = -2.15 if look.hair_style in ("bun", "curls") else -1.75
    bottom = 2.4 if look.hair_style == "long" else 1.7
    canvas = make_canvas(rng, SUPER * unit, -1.5, 1.5, top, bottom)
    z = relief(look, canvas.x, canvas.y)
    shade = cast_shadow(z, light.direction, canvas.unit), cavity(z, canvas.unit)
    coat = paint_head(look, skin, canvas)
    regions = skin_regions(look, coat, canvas)
    pictures = lit(coat, skin, light, canvas, *shade)
    gain = _exposure(skin, pictures[0], regions["skin"])
    pictures *= gain
    eyes = slice(*(int((y - top) * canvas.unit) for y in (-0.22, 0.22)))
    part, part_shade = canvas.window(eyes, slice(None)), (shade[0][eyes], shade[1][eyes])
    lids = np.empty((LID_STAGES, 3, *part.shape), np.float32)
    for stage in range(LID_STAGES):
        drowsy = paint_head(look, skin, part, closed=(stage + 1) / LID_STAGES)
        lids[stage] = gain * lit(drowsy, skin, light, part, *part_shade)[0] - pictures[0, :, eyes]
        lids[stage] = [_feather(part.shape[0])[:, None] * _smooth(plane) for plane in lids[stage]]
    left, right = -origin[0] / unit - 0.3, (width - origin[0]) / unit + 0.3
    trunk = make_canvas(rng, SUPER * unit, left, right, 0.6, (height - origin[1]) / unit + 0.4)
    ones = np.ones(trunk.shape, np.float32)
    clothes = paint_body(look, skin, trunk, float(light.direction[0]), gain)
    clothed = gain * lit(clothes, skin, light, trunk, ones, ones)[list(STILL)]
    return Scene(
        unit,
        origin,
        background * np.float32(np.clip(gain, 0.6, 1.6) ** 0.5),
        _sprite(pictures, coat.alpha, canvas, z, unit, origin, (height, width)),
        _sprite(clothed, clothes.alpha, trunk, 0 * ones, unit, origin, (height, width)),
        lids,
        eyes,
        regions,
    )


def lit(coat: Coat, skin: Skin, light: Light, canvas: Canvas, shadow: Field, hollow: Field) -> Field:
    """Light a coat of paint: (J, 3, H, W), one premultiplied picture per component.

    ``rest`` is the picture as it stands; ``key`` changes with the key light's relative strength; ``pitch``, ``yaw``
    and ``roll`` per radian of rotation; ``pulse`` per unit of blood volume wave; ``arrival`` per unit of its time
    derivative (the wave arrives earlier or later over the face and per channel); ``blood`` with slow venous volume.
    """
    shadow = shadow + coat.loose * (1.0 - shadow)
    hollow = hollow + coat.loose * (1.0 - hollow)
    front, front_turn = cosine(coat.normal, light.direction, 0.2)
    sky, sky_turn = cosine(coat.normal, np.array([0.0, -1.0, 0.0]), 1.0)
    shine, shine_turn = gloss(coat.normal, light.direction, 14.0)
    out = np.empty((len(COMPONENTS), 3, *canvas.shape), np.float32)
    for colour in range(3):
        key, ambient = float(light.key[colour]), float(light.ambient[colour])
        albedo = coat.albedo[colour] * coat.alpha
        mirror = (key * skin.specular) * coat.sheen * shadow * coat.alpha
        direct = key * albedo * front * shadow
        diffuse = direct + ambient * albedo * (0.55 + 0.6 * sky) * hollow
        out[0, colour] = diffuse + mirror * shine
        out[1, colour] = direct + mirror * shine
        for axis in range(3):
            turned = key * front_turn[axis] * shadow + (0.6 * ambient) * sky_turn[axis] * hollow
            out[2 + axis, colour] = albedo * turned + mirror * shine_turn[axis]
        blood = skin.depth * coat.pulse * diffuse
        swing = float(skin.signature[colour]) * blood
        out[5, colour] = -swing
        out[6, colour] = swing * (SPREAD_S * canvas.delay - float(skin.lead_s[colour]))
        out[7, colour] = -VENOUS[colour] * blood
    return out


def skin_regions(look: Look, coat: Coat, canvas: Canvas) -> dict[str, Field]:
    """Weights, 0..1, of the regions that :data:`perfuse.core.view.REGIONS` names (left is the subject's own)."""
    x, y = canvas.x, canvas.y
    bare_skin = smoothstep(0.25, 0.4, coat.pulse) * (1.0 - coat.loose) * coat.alpha
    face = smoothstep(1.0, 0.9, np.hypot(x / 0.95, (y - 0.25) / 1.15))
    lips = bump(x, y, (0.0, mouth_y(look)), (0.25, 0.10)) < 0.2
    out = {"skin": np.asarray(bare_skin * face * lips, np.float32)}
    for name, centre, radii in (
        ("forehead", (0.0, -0.58), (0.50, 0.21)),
        ("left_cheek", (0.54, 0.40), (0.20, 0.22)),
        ("right_cheek", (-0.54, 0.40), (0.20, 0.22)),
    ):
        oval = np.hypot((x - centre[0]) / radii[0], (y - centre[1]) / radii[1])
        out[name] = np.asarray(bare_skin * smoothstep(1.02, 0.98, oval), np.float32)
    return out


def _exposure(skin: Skin, picture: Field, region: Field) -> float:
    """Gain with which a camera shows this face: darker skin is lifted, but not all the way."""
    luma = np.array([0.2126, 0.7152, 0.0722], np.float32)
    seen = float((np.tensordot(luma, picture[:3], 1) * region).sum() / max(float(region.sum()), 1e-6))
    return float(0.60 * (float(skin.albedo @ luma)) ** 0.55 / max(seen, 1e-6))


def _smooth(picture: Field) -> Field:
    """Remove what a picture at frame resolution cannot carry, so that motion does not make it flicker."""
    return blur(picture, 0.4 * SUPER)


def _feather(count: int) -> Field:
    """Fade to 0 at both ends."""
    ramp = np.minimum(np.arange(count), np.arange(count)[::-1]) / max(0.12 * count, 1.0)
    return np.asarray(np.minimum(ramp, 1.0), np.float32)


def _sprite(
    pictures: Field,
    cover: Field,
    canvas: Canvas,
    z: Field,
    unit: float,
    origin: tuple[float, float],
    frame: tuple[int, int],
) -> Sprite:
    """Place pictures in a frame, with a margin of motion about them."""
    margin = 0.35
    low_x, low_y = float(canvas.x[0, 0]), float(canvas.y[0, 0])
    high_x, high_y = float(canvas.x[0, -1]), float(canvas.y[-1, 0])
    cols = slice(
        max(0, int((low_x - margin) * unit + origin[0])), min(frame[1], int((high_x + margin) * unit + origin[0]) + 1)
    )
    rows = slice(
        max(0, int((low_y - margin) * unit + origin[1])), min(frame[0], int((high_y + margin) * unit + origin[1]) + 1)
    )
    x = (np.arange(cols.start, cols.stop) + 0.5 - origin[0]) / unit
    y = (np.arange(rows.start, rows.stop) + 0.5 - origin[1]) / unit
    u, v = np.meshgrid((x - low_x) * canvas.unit, (y - low_y) * canvas.unit)
    height, width = canvas.shape
    soft = blur(z, 0.06 * canvas.unit)
    at = np.clip(np.rint(v), 0, height - 1).astype(int), np.clip(np.rint(u), 0, width - 1).astype(int)
    for plane in (*pictures.reshape(-1, height, width), cover):
        plane[:] = _smooth(plane)
        plane[[0, -1]] = plane[:, [0, -1]] = 0.0  # beyond its edges a sprite is transparent
    return Sprite(
        pictures.reshape(len(pictures), 3, -1),
        cover.ravel(),
        (height, width),
        rows,
        cols,
        u.ravel().astype(np.float32),
        v.ravel().astype(np.float32),
        soft[at].ravel() - np.float32(JOINT[2]),
        ((JOINT[0] - low_x) * canvas.unit, (JOINT[1] - low_y) * canvas.unit),
    )
