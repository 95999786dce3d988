"""The scene: a person, clothes and a room as layers of pictures, one picture per component of light."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from perfuse.synth.fields import Field, blur, bump, smoothstep
from perfuse.synth.person.coat import Coat
from perfuse.synth.person.look import Look
from perfuse.synth.person.paint import paint_head
from perfuse.synth.person.shape import Canvas, chin_y, head_extent, lower, make_canvas, mouth_y, relief
from perfuse.synth.person.skin import Skin
from perfuse.synth.person.trunk import paint_body
from perfuse.synth.scene.background import paint_background, paint_movers
from perfuse.synth.scene.expression import modes
from perfuse.synth.scene.layer import CHANNELS, Array, Layer, Patch
from perfuse.synth.scene.light import Light, cast_shadow, cavity, cosine, gloss
from perfuse.synth.scene.window import Window
from perfuse.synth.settings import Settings, stream

COMPONENTS = ("rest", "key", "screen", "shade", "pitch", "yaw", "roll", "pulse", "arrival", "blood")
"""What each picture of the head is the response to; see :func:`lit`."""

STILL = (0, 1, 2, 3, 7)
"""Components of the trunk: it does not turn, and what blood does in the neck beyond its pulse is left out."""

SUPER = 2.0
"""Texture pixels of the head per picture pixel: keeps bilinear sampling accurate at any fraction of a pixel."""

PLAIN = 1.0
"""Texture pixels of the trunk per picture pixel: little of it is skin."""

PAINT_UNIT = 40.0
"""Paint is laid with at least this many pixels per head unit, and shrunk for coarser textures."""

LID_STAGES = 2
"""Pictures of lids on their way down, fully down included."""

MOUTH_STAGES = 2
"""Pictures of a mouth on its way open."""

REACH = 0.6
"""How far into a window something may move that lies outside it at rest, in head units (42 mm)."""

JOINT = (0.0, 1.1, -0.7)
"""Where the head turns, in head units."""

VENOUS = (0.6, 1.0, 0.8)
"""Signature of slow venous blood: less oxygen absorbs relatively more red than a pulse does."""

SPREAD_S = 0.012
"""Standard deviation of the pulse's time of arrival over the face."""

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that can be computed once per subject and window.

    Attributes
    ----------
    window : Window
        What is shown.
    background, movers, body, head : Layer or tuple of Layer
        From back to front; ``head`` has the patches lids and mouth.
    regions : dict of str to ndarray, float32, (h, w)
        Weights of named skin regions on the head's texture.
    luma : ndarray, float32, (J,)
        What each picture of the head adds to the mean luma of the skin, which exposure control looks at.
    """

    window: Window
    background: Layer
    movers: tuple[Layer, ...]
    body: Layer
    head: Layer
    regions: dict[str, Field]
    luma: Field

    def to(self, like: Array) -> Scene:
        """Return the scene with its layers of the kind and on the device of an array."""
        layers = {name: getattr(self, name).to(like) for name in ("background", "body", "head")}
        return replace(self, movers=tuple(m.to(like) for m in self.movers), **layers)

    def with_blood(self, painted: Skin, skin: Skin) -> Scene:
        """Return the scene with the blood of another skin of the same tone under it."""
        depth = skin.depth / painted.depth if painted.depth > 0 else 0.0
        swing = depth * skin.signature / painted.signature
        scales = np.ones((len(COMPONENTS), CHANNELS), np.float32)
        scales[COMPONENTS.index("pulse"), :3] = scales[COMPONENTS.index("arrival"), :3] = swing
        scales[COMPONENTS.index("blood"), :3] = depth
        return replace(self, head=self.head.scaled(scales), body=self.body.scaled(scales[list(STILL)]))


def build_scene(settings: Settings, look: Look, skin: Skin, light: Light, frame: Window, window: Window) -> Scene:
    """Paint and light one subject for a window of a camera's frame."""
    seed = settings.seed
    first, last, top, bottom = head_extent(look)
    fold = max(1, int(np.ceil(PAINT_UNIT / (SUPER * window.unit))))
    unit = SUPER * window.unit * fold
    canvas = make_canvas(stream(seed, "head canvas"), unit, first, last, top, bottom)
    z = relief(look, canvas.x, canvas.y)
    shade = cast_shadow(z, light.direction, canvas.unit), cavity(z, canvas.unit)
    coat = paint_head(look, skin, canvas, z=z)
    regions = skin_regions(look, coat, canvas)
    late = settings.readout_s * frame.moment(canvas.y)
    pictures = lit(coat, skin, light, canvas, late, *shade)
    gain = _exposure(skin, pictures[0], regions["skin"], coat.alpha)
    pictures *= gain
    patches = tuple(
        _patch(look, skin, light, canvas, shade, pictures[0], gain, late, fold, span, kinds)
        for span, kinds in (
            ((-0.22, 0.22), [((i + 1) / LID_STAGES, 0.0) for i in range(LID_STAGES)]),
            (
                (mouth_y(look) - 0.27, mouth_y(look) + 0.45),
                [(0.0, (i + 1) / MOUTH_STAGES) for i in range(MOUTH_STAGES)],
            ),
        )
    )
    low = frame.left - 0.3, window.left - 0.3
    left, right = max(low), min(window.left + window.width / window.unit, -frame.left + 1.0) + 0.3
    floor = window.top + window.height / window.unit + 0.4
    plain = max(1, int(np.ceil(PAINT_UNIT / (PLAIN * window.unit))))
    trunk = make_canvas(stream(seed, "trunk canvas"), PLAIN * window.unit * plain, left, right, 0.6, max(floor, 0.7))
    ones = np.ones(trunk.shape, np.float32)
    clothes = paint_body(look, skin, trunk, float(light.direction[0]), gain)
    clothed = (
        gain * lit(clothes, skin, light, trunk, settings.readout_s * frame.moment(trunk.y), ones, ones)[list(STILL)]
    )
    fields = np.concatenate([z[None] - JOINT[2], modes(look, canvas.x, canvas.y).reshape(-1, *z.shape)])
    whole = _layer(pictures, coat.alpha, canvas, fold, patches, fields)
    head = whole.cut(window, REACH)
    down, right = (round(n * whole.unit) for n in (head.top - whole.top, head.left - whole.left))
    shown = slice(down, down + head.shape[0]), slice(right, right + head.shape[1])
    return Scene(
        window,
        *_room(settings, look, frame, window, gain),
        _layer(clothed, clothes.alpha, trunk, plain).cut(window, REACH),
        head,
        {name: _fold(region, fold)[shown] for name, region in regions.items()},
        _metered(pictures, regions["skin"], coat.alpha),
    )


def _metered(pictures: Field, region: Field, cover: Field) -> Field:
    """Mean luma of each picture (J, 3, H, W) over the skin, or over all that covers where no skin shows."""
    part = region if float(region.sum()) > 1.0 else cover
    each = np.tensordot(pictures, part, ((2, 3), (0, 1))) / max(float(part.sum()), 1e-6)
    return np.asarray(each @ LUMA, np.float32)


def lit(coat: Coat, skin: Skin, light: Light, canvas: Canvas, late_s: Field, shadow: Field, hollow: Field) -> Field:
    """Light a coat of paint: (J, 3, H, W), one premultiplied picture per component.

    ``rest`` is the picture as it stands; ``key`` and ``screen`` change with those lights' relative strengths;
    ``shade`` is a soft shadow that comes from one side; ``pitch``, ``yaw`` and ``roll`` are per radian of rotation;
    ``pulse`` per unit of blood volume wave; ``arrival`` per unit of its time derivative (the wave arrives earlier or
    later over the face and per channel, and a row is read ``late_s`` after the frame begins); ``blood`` with slow
    venous volume.
    """
    shadow = shadow + coat.loose * (1.0 - shadow)
    hollow = hollow + coat.loose * (1.0 - hollow)
    front, front_turn = cosine(coat.normal, light.direction, 0.2)
    sky, sky_turn = cosine(coat.normal, np.array([0.0, -1.0, 0.0]), 1.0)
    glow, _ = cosine(coat.normal, light.screen_direction, 0.2)
    shine, shine_turn = gloss(coat.normal, light.direction, 14.0)
    side = 1.0 if light.direction[0] > 0 else -1.0
    edge = smoothstep(-0.5, 0.9, side * canvas.x - 0.4 * canvas.y)
    out = np.empty((len(COMPONENTS), 3, *canvas.shape), np.float32)
    for colour in range(3):
        key, ambient = float(light.key[colour]), float(light.ambient[colour])
        albedo = coat.albedo[colour] * coat.alpha
        mirror = (key * skin.specular) * coat.sheen * shadow * coat.alpha
        direct = key * albedo * front * shadow
        monitor = float(light.screen[colour]) * albedo * glow * hollow
        diffuse = direct + ambient * albedo * (0.55 + 0.6 * sky) * hollow + monitor
        out[0, colour] = diffuse + mirror * shine
        out[1, colour] = direct + mirror * shine
        out[2, colour] = monitor
        out[3, colour] = -edge * out[1, colour]
        for axis in range(3):
            turned = key * front_turn[axis] * shadow + (0.6 * ambient) * sky_turn[axis] * hollow
            out[4 + axis, colour] = albedo * turned + mirror * shine_turn[axis]
        blood = skin.depth * coat.pulse * diffuse
        swing = float(skin.signature[colour]) * blood
        out[7, colour] = -swing
        # p(t - delay + lead + readout) to first order
        out[8, colour] = swing * (SPREAD_S * canvas.delay - float(skin.lead_s[colour]) - late_s)
        out[9, colour] = -VENOUS[colour] * blood
    return out


def skin_regions(look: Look, coat: Coat, canvas: Canvas) -> dict[str, Field]:
    """Weights, 0..1, of the regions that :data:`perfuse.core.view.REGIONS` names (left is the subject's own)."""
    x, y, low = canvas.x, canvas.y, lower(look)
    bare_skin = coat.flesh * (1.0 - coat.loose) * coat.alpha
    end = chin_y(look)
    face = smoothstep(1.0, 0.9, np.hypot(x / 0.95, (y - 0.5 * (end - 0.9)) / (0.5 * (end + 0.9))))
    lips = bump(x, y, (0.0, mouth_y(look)), (0.25, 0.10)) < 0.2
    out = {"skin": np.asarray(bare_skin * face * lips, np.float32)}
    for name, centre, radii in (
        ("forehead", (0.0, -0.58), (0.50, 0.21)),
        ("left_cheek", (0.54, 0.40 * low), (0.20, 0.22 * low)),
        ("right_cheek", (-0.54, 0.40 * low), (0.20, 0.22 * low)),
    ):
        oval = np.hypot((x - centre[0]) / radii[0], (y - centre[1]) / radii[1])
        out[name] = np.asarray(bare_skin * smoothstep(1.02, 0.98, oval), np.float32)
    return out


def _exposure(skin: Skin, picture: Field, region: Field, cover: Field) -> float:
    """Gain with which a camera shows this face: darker skin is lifted, but not all the way."""
    seen = float(_metered(picture[None], region, cover)[0])
    return float(0.45 * (float(skin.albedo @ LUMA)) ** 0.55 / max(seen, 1e-3))


def _patch(
    look: Look,
    skin: Skin,
    light: Light,
    canvas: Canvas,
    shade: tuple[Field, Field],
    rest: Field,
    gain: float,
    late: Field,
    fold: int,
    span: tuple[float, float],
    kinds: list[tuple[float, float]],
) -> Patch:
    """Paint a band of the face again, changed, and keep what each change adds to the picture at rest."""
    low, left = float(canvas.y[0, 0]), float(canvas.x[0, 0])
    first, last = (int((y - low) * canvas.unit) // fold * fold for y in span)
    across = [int((x - left) * canvas.unit) // fold * fold for x in (-0.8, 0.8)]
    rows, cols = slice(first, last), slice(*across)
    part, part_shade = canvas.window(rows, cols), [s[rows, cols] for s in shade]
    feather = _feather(part.shape[0])[:, None] * _feather(part.shape[1])[None, :]
    added = []
    for closed, mouth in kinds:
        coat = paint_head(look, skin, part, closed=closed, open_mouth=mouth)
        change = gain * lit(coat, skin, light, part, late[rows, cols], *part_shade)[0] - rest[:, rows, cols]
        planes = [_fold(feather * plane, fold) for plane in change]
        planes = [_smooth(plane) for plane in planes]
        added.append(np.stack([*planes, 0.0 * planes[0]], axis=-1).ravel())
    place = [slice(s.start // fold, s.stop // fold) for s in (rows, cols)]
    return Patch(place[0], place[1], np.stack(added).astype(np.float32))


def _smooth(picture: Field) -> Field:
    """Remove what a picture at frame resolution cannot carry, so that motion does not make it flicker."""
    return blur(picture, 0.4 * SUPER)


def _fold(picture: Field, fold: int) -> Field:
    """Shrink a picture (h, w) by a whole factor: means of squares, incomplete ones at the far edges left out."""
    if fold == 1:
        return picture
    height, width = (n // fold for n in picture.shape)
    cut = picture[: height * fold, : width * fold].reshape(height, fold, width, fold)
    return np.asarray(cut.mean(axis=(1, 3)), np.float32)


def _feather(count: int) -> Field:
    """Fade to 0 at both ends."""
    ramp = np.minimum(np.arange(count), np.arange(count)[::-1]) / max(0.12 * count, 1.0)
    return np.asarray(np.minimum(ramp, 1.0), np.float32)


def _layer(
    pictures: Field,
    cover: Field,
    canvas: Canvas,
    fold: int,
    patches: tuple[Patch, ...] = (),
    fields: Field | None = None,
) -> Layer:
    """Shrink, smooth and pack pictures (J, 3, H, W) with their coverage; beyond its edges a layer is transparent."""
    planes = np.stack([_smooth(_fold(plane, fold)) for plane in (*pictures.reshape(-1, *canvas.shape), cover)])
    planes[:, [0, -1]] = planes[:, :, [0, -1]] = 0.0
    shape = planes.shape[1:]
    packed = np.zeros((len(pictures), *shape, CHANNELS), np.float32)
    packed[..., :3] = planes[:-1].reshape(len(pictures), 3, *shape).transpose(0, 2, 3, 1)
    packed[0, ..., 3] = planes[-1]
    half = 0.5 / canvas.unit
    layer = Layer(
        packed.reshape(len(pictures), -1),
        (shape[0], shape[1]),
        canvas.unit / fold,
        float(canvas.x[0, 0]) - half,
        float(canvas.y[0, 0]) - half,
        patches=patches,
    )
    if fields is None:
        return layer
    coarse = 2 * fold
    soft = [_fold(blur(f, 0.06 * canvas.unit), coarse) for f in fields]
    table = np.stack(soft, axis=-1).reshape(-1, len(fields)).astype(np.float32)
    shape = soft[0].shape
    return replace(
        layer,
        pivot=JOINT[:2],
        fields=table,
        field_shape=shape,
        field_unit=canvas.unit / coarse,
        field_left=layer.left,
        field_top=layer.top,
    )


def _room(
    settings: Settings, look: Look, frame: Window, window: Window, gain: float
) -> tuple[Layer, tuple[Layer, ...]]:
    """Paint what is behind and what moves there, as large as the frame and no finer than the window shows it."""
    scale = min(1.0, window.unit / frame.unit)
    height, width = max(8, round(frame.height * scale)), max(8, round(frame.width * scale))
    wall = paint_background(stream(settings.seed, "background"), look, height, width, settings.background)
    pictures = [np.concatenate([wall, np.ones_like(wall[:1])])]
    if settings.movers != "none":
        pictures += list(paint_movers(stream(settings.seed, "movers"), height, width, settings.movers))
    level = np.array([*(3 * [np.clip(gain, 0.6, 1.6) ** 0.5]), 1.0], np.float32)
    layers = []
    for index, picture in enumerate(pictures):
        packed = np.ascontiguousarray(picture.transpose(1, 2, 0) * level)
        if index:  # nothing beyond the edges of what moves
            packed[[0, -1]] = packed[:, [0, -1]] = 0.0
        unit = frame.unit * height / frame.height
        layers.append(Layer(packed.reshape(1, -1), (height, width), unit, frame.left, frame.top))
    return layers[0], tuple(layers[1:])
