"""People of the simulator: skin optics against published tables, looks, paint, expressions, what is behind them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2lab

from perfuse.core.errors import UsageError
from perfuse.core.frame import Frame
from perfuse.face.detector import BlazeFace
from perfuse.synth.person import tissue
from perfuse.synth.person.look import KINDS, draw_look
from perfuse.synth.person.paint import paint_head, pulse_map
from perfuse.synth.person.shape import chin_y, head_extent, lower, make_canvas, mouth_y, nose_y, relief
from perfuse.synth.person.skin import (
    MONK_SRGB,
    draw_skin,
    lab_of,
    linear_to_srgb,
    rgb_of,
    rgb_of_lab,
    signature_of,
    typical_depth,
)
from perfuse.synth.person.trunk import paint_body
from perfuse.synth.person.worn import WEAR
from perfuse.synth.scene.background import (
    BACKGROUNDS,
    MOVING,
    background_motion,
    paint_background,
    paint_movers,
)
from perfuse.synth.scene.expression import EXPRESSIONS, MODES, express, modes, open_mouth, strain

UNIT = 36.0
"""Pixels per head unit of most pictures here: faces 72 px wide."""

# Melanin fraction against AC/DC of R, G, B with a 2 % veil, and absolute AC of G, all relative to very light skin.
TONES = [
    (0.017, 0.99, 1.00, 0.98, 0.87),
    (0.05, 0.95, 0.99, 0.94, 0.64),
    (0.16, 0.85, 0.95, 0.76, 0.25),
    (0.25, 0.76, 0.87, 0.53, 0.12),
    (0.38, 0.62, 0.66, 0.21, 0.046),
    (0.58, 0.39, 0.29, 0.03, 0.010),
]
LAMPS = [
    ("incandescent", 0.57, 0.89),
    ("daylight", 0.68, 0.94),
    ("led", 0.65, 0.79),
    ("fluorescent", 0.56, 0.90),
]
ITA = (83, 80, 72, 65, 50, 11, -20, -55, -78, -84)
"""Of the ten Monk swatches, degrees."""


def rng(*key):
    return np.random.default_rng(key)


def one(seed=0, *, tone=4, unit=UNIT, **asked):
    """Return a look, a skin and a canvas."""
    skin = draw_skin(rng(seed, 1), tone, 0.009, age_y=asked.get("age_y", 40.0))
    look = draw_look(rng(seed, 2), tone, **asked)
    return look, skin, make_canvas(rng(seed, 3), unit, *head_extent(look))


# --- tissue


@pytest.mark.parametrize(("melanin", "red", "green", "blue", "absolute"), TONES)
def test_melanin_dilutes_the_pulse_as_the_table_of_tones_says(melanin, red, green, blue, absolute):
    calm_ac, calm = tissue.swing(0.005)
    ac, relative = tissue.swing(melanin)
    assert relative / calm == pytest.approx([red, green, blue], abs=0.03)
    assert ac[1] / calm_ac[1] == pytest.approx(absolute, abs=0.045)


@pytest.mark.parametrize(("lamp", "red", "blue"), LAMPS)
def test_the_lamp_turns_the_pulsatile_vector_as_the_table_of_lamps_says(lamp, red, blue):
    _, relative = tissue.swing(0.05, lamp, veil=0.0)
    assert relative[[0, 2]] / relative[1] == pytest.approx([red, blue], abs=0.10)


def test_two_percent_more_blood_swing_a_sixth_of_a_percent_in_green():
    assert tissue.swing(0.05, veil=0.0)[1][1] == pytest.approx(0.00165, rel=0.1)


def test_without_a_veil_melanin_barely_changes_the_relative_pulse():
    light, dark = (tissue.swing(melanin, veil=0.0)[1][1] for melanin in (0.01, 0.4))
    assert dark == pytest.approx(light, rel=0.15)
    assert tissue.swing(0.4)[1][1] < 0.75 * tissue.swing(0.01)[1][1]


@settings(max_examples=40)
@given(st.floats(0, 0.7), st.floats(0.05, 10), st.floats(0, 1))
def test_reflectance_is_a_share_and_falls_with_melanin_and_blood(melanin, blood, saturation):
    plain = tissue.reflectance(melanin, blood, saturation)
    assert np.all((plain > 0) & (plain < 1))
    assert np.all(tissue.reflectance(melanin + 0.05, blood, saturation) < plain)
    assert np.all(tissue.reflectance(melanin, 1.2 * blood, saturation) < plain)


def test_blood_shows_its_bands_and_turns_blue_without_oxygen():
    nm = tissue.WAVELENGTHS_NM
    with_oxygen, without = tissue.reflectance(0.02, 1.0, np.array([1.0, 0.0]))
    assert with_oxygen[nm == 540] < with_oxygen[nm == 560]  # the two bands of oxyhaemoglobin
    assert with_oxygen[nm == 580] < with_oxygen[nm == 560]
    assert without[nm == 660] < with_oxygen[nm == 660]
    whole = tissue.reflectance(np.array([[0.02], [0.2]]), np.array([1.0, 2.0, 3.0]))
    assert whole.shape == (2, 3, 61)


def test_daylight_is_that_of_the_standard_and_lamps_are_planckian():
    at = [int(np.flatnonzero(nm == tissue.WAVELENGTHS_NM)[0]) for nm in (400, 450, 500, 560, 600, 700)]
    day = tissue.light_spectrum(6504.0)
    # CIE standard illuminant D65, 100 at 560 nm.
    assert 100 * day[at] / day[at[3]] == pytest.approx([82.75, 117.01, 109.35, 100, 90.01, 71.61], abs=0.4)
    lamp = tissue.light_spectrum("incandescent")
    # CIE standard illuminant A, 100 at 560 nm.
    assert 100 * lamp[at] / lamp[at[3]] == pytest.approx([14.71, 33.09, 59.86, 100, 129.04, 198.26], rel=0.01)
    assert np.all(np.diff(tissue.light_spectrum(3000.0)) > 0)
    between = [tissue.light_spectrum(kelvin)[-1] for kelvin in (3500, 3990, 4010, 4500, 4990, 5010, 6000)]
    assert np.all(np.diff(between) < 0)


@pytest.mark.parametrize("bad", ["candle", 900.0, 1e6])
def test_unknown_lights_are_refused(bad):
    with pytest.raises(UsageError):
        tissue.light_spectrum(bad)


def test_unknown_cameras_are_refused():
    with pytest.raises(UsageError, match="pinhole"):
        tissue.seen(np.ones(61), camera="pinhole")
    assert tissue.seen(np.ones(61), "led", "narrow") == pytest.approx([1, 1, 1])


# --- skin


def test_colour_spaces_agree_with_skimage():
    linear = rng(0).uniform(0, 1, (50, 3))
    assert lab_of(linear) == pytest.approx(rgb2lab(linear_to_srgb(linear)), abs=0.05)
    assert rgb_of_lab(lab_of(linear)) == pytest.approx(linear, abs=1e-9)


def test_swatches_have_their_published_typology_angles():
    lab = lab_of(np.array([rgb_of(code) for code in MONK_SRGB]))
    assert np.rad2deg(np.arctan2(lab[:, 0] - 50, lab[:, 2])) == pytest.approx(ITA, abs=1.5)


def test_skins_of_a_tone_spread_about_their_swatch():
    for tone, angle in zip(range(1, 11), ITA, strict=True):
        skins = [draw_skin(rng(seed), tone, None) for seed in range(60)]
        assert np.median([s.ita_deg for s in skins]) == pytest.approx(angle, abs=13)
        assert len({s.fitzpatrick for s in skins}) == 1
        assert {1: (1, 2), 2: (3, 4), 3: (5, 6)}[1 + (tone > 3) + (tone > 6)].count(skins[0].fitzpatrick)
        if tone in (4, 5, 6):
            lightness = [float(lab_of(s.albedo / 0.85)[0]) for s in skins]
            assert 2.0 < np.std(lightness) < 4.0
    melanin = [np.median([draw_skin(rng(seed), tone, None).melanin for seed in range(20)]) for tone in range(1, 11)]
    assert np.all(np.diff(melanin)[2:] > 0)
    assert melanin[4] == pytest.approx(0.05, abs=0.02)
    assert melanin[7] == pytest.approx(0.38, abs=0.06)


def test_depth_follows_tone_age_and_warmth():
    def median(tone, **asked):
        return np.median([draw_skin(rng(seed), tone, None, **asked).depth for seed in range(400)])

    plain = median(5)
    assert plain == pytest.approx(0.009, rel=0.1)
    assert median(8) / plain == pytest.approx(0.85, abs=0.01)
    assert median(10) / plain == pytest.approx(0.7, abs=0.01)
    assert median(5, age_y=85.0) / plain == pytest.approx(0.6, abs=0.02)
    assert median(5, temperature=1.5) / plain == pytest.approx(1.5, abs=0.03)
    assert median(3, age_y=0.02) == pytest.approx(0.011, rel=0.1)
    assert typical_depth(5, 30.0) == pytest.approx(0.009)
    logs = np.log([draw_skin(rng(seed), 5, None).depth for seed in range(400)])
    assert np.exp(logs.std()) == pytest.approx(1.6, abs=0.1)
    assert draw_skin(rng(0), 10, 0.02).depth == 0.02


def test_signatures_follow_the_measured_prior_times_the_trend():
    red, _, blue = np.array([draw_skin(rng(seed), 5, None).signature for seed in range(600)]).T
    assert red.mean() == pytest.approx(0.35, abs=0.02)
    assert blue.mean() == pytest.approx(0.55, abs=0.02)
    assert (red.std(), blue.std()) == (pytest.approx(0.10, abs=0.015), pytest.approx(0.13, abs=0.02))
    assert np.corrcoef(red, blue)[0, 1] == pytest.approx(0.4, abs=0.1)
    assert signature_of(5, "daylight", 0.05) == pytest.approx([1, 1, 1])
    assert signature_of(5, "incandescent")[0] < signature_of(5, "daylight")[0] < signature_of(5, "led")[0]
    assert signature_of(9)[0] < signature_of(3)[0]
    warm = np.mean([draw_skin(rng(seed), 5, None, illuminant=2856.0).signature[0] for seed in range(200)])
    assert warm < 0.32


def test_what_is_asked_of_skin_shifts_no_other_draw():
    plain, asked = draw_skin(rng(7), None, None), draw_skin(rng(7), 9, 0.01, illuminant="led", age_y=80.0)
    assert plain.specular == asked.specular
    assert plain.redness == asked.redness
    assert np.array_equal(plain.lead_s, asked.lead_s)
    with pytest.raises(UsageError):
        draw_skin(rng(7), 9, None, illuminant="moonlight")


# --- looks


def same(a, b, *but):
    """Names of fields that differ between two looks."""
    names = [name for name in a.__dataclass_fields__ if name not in but]
    return [name for name in names if not np.array_equal(getattr(a, name), getattr(b, name))]


@pytest.mark.parametrize("name", [name for name in WEAR if name not in ("makeup", "beard")])
def test_what_is_worn_changes_nothing_else(name):
    for seed in range(12):
        assert same(draw_look(rng(seed), 5), draw_look(rng(seed), 5, wear=(name,)), name) == []
        assert getattr(draw_look(rng(seed), 5, wear=(name,)), name) is not None
        assert getattr(draw_look(rng(seed), 5), name) is None


def test_beards_grow_only_where_asked_and_never_on_children():
    assert all(draw_look(rng(seed), 5).beard == 0 for seed in range(20))
    assert all(draw_look(rng(seed), 5, wear=("beard",)).beard > 0.2 for seed in range(20))
    assert draw_look(rng(0), 5, age_y=9, wear=("beard",)).beard == 0


def test_unknown_wear_kinds_and_ages_are_refused():
    with pytest.raises(UsageError, match="monocle"):
        draw_look(rng(0), 5, wear=("monocle",))
    with pytest.raises(UsageError, match="robot"):
        draw_look(rng(0), 5, kind="robot")
    with pytest.raises(UsageError, match="130"):
        draw_look(rng(0), 5, age_y=130)


def test_newborns_have_short_faces_large_eyes_and_no_brows():
    for seed in range(20):
        small, grown = draw_look(rng(seed), 5, age_y=0.01), draw_look(rng(seed), 5, age_y=30)
        assert small.eyes > 1.15 * grown.eyes
        assert chin_y(small) < 0.8 * chin_y(grown)
        assert small.brow < 0.5 * grown.brow
        assert small.cheeks > grown.cheeks
        assert small.hair_style == "fuzz"


def test_old_age_lines_faces_and_greys_hair():
    young, old = ([draw_look(rng(seed), 3, age_y=age) for seed in range(60)] for age in (25, 78))
    assert max(look.wrinkles for look in young) < 0.1
    assert min(look.wrinkles for look in old) > 0.5
    assert np.mean([look.grey for look in old]) > 0.6
    assert max(look.grey for look in young) < 0.3
    assert np.mean([look.hair.mean() for look in old]) > 2 * np.mean([look.hair.mean() for look in young])


def test_no_two_people_look_alike_and_features_stay_in_order():
    looks = [draw_look(rng(seed), 1 + seed % 10, age_y=seed % 90) for seed in range(200)]
    assert len({round(look.chin, 6) for look in looks}) == len(looks)
    assert len({look.hair_style for look in looks}) >= 14
    for look in looks:
        assert 0.25 < nose_y(look) < mouth_y(look) - 0.08 < chin_y(look) - 0.3
        assert 0.5 < lower(look) < 1.4


# --- paint


@pytest.mark.parametrize("seed", range(6))
def test_a_part_painted_alone_is_that_part_of_the_whole(seed):
    wear = (("glasses", "beard"), ("makeup",), ("hat",), ("mask",), ("hat", "glasses"), ())[seed]
    look, skin, canvas = one(seed, tone=1 + seed, wear=wear, age_y=20.0 + 10 * seed)
    whole = paint_head(look, skin, canvas)
    rows = slice(*(int((y - float(canvas.y[0, 0])) * UNIT) for y in (-0.3, 0.3)))
    cols = slice(12, canvas.shape[1] - 9)
    part = paint_head(look, skin, canvas.window(rows, cols))
    inner = (slice(1, -1), slice(1, -1))  # normals at the very edge lack a neighbour
    for name in ("albedo", "alpha", "normal", "pulse", "sheen", "loose", "flesh"):
        full = getattr(whole, name)[..., rows, cols]
        assert getattr(part, name)[..., *inner] == pytest.approx(full[..., *inner], abs=1e-5), name
    given_relief = paint_head(look, skin, canvas, z=relief(look, canvas.x, canvas.y))
    assert np.array_equal(given_relief.normal, whole.normal)


@settings(max_examples=25)
@given(
    st.integers(0, 10**6),
    st.integers(1, 10),
    st.floats(0, 100),
    st.sets(st.sampled_from(WEAR)),
    st.sampled_from(KINDS),
)
def test_paint_is_finite_and_in_range_whoever_is_painted(seed, tone, age, wear, kind):
    look, skin, canvas = one(seed, tone=tone, unit=12.0, age_y=age, wear=tuple(sorted(wear)), kind=kind)
    for coat in (
        paint_head(look, skin, canvas),
        paint_head(look, skin, canvas, closed=0.7, open_mouth=0.6),
        paint_body(look, skin, make_canvas(rng(seed), 12.0, -3.0, 3.0, 0.6, 3.0), 0.3, 1.3),
    ):
        for name in ("albedo", "alpha", "normal", "pulse", "sheen", "loose", "flesh"):
            plane = getattr(coat, name)
            assert plane.dtype == np.float32
            assert np.isfinite(plane).all(), name
        assert coat.albedo.min() >= -1e-6
        assert coat.alpha.min() >= -1e-6
        assert coat.alpha.max() <= 1 + 1e-5
        assert coat.pulse.min() >= -1e-6
        assert np.abs(coat.normal).max() < 1.6
        if kind != "person":
            assert coat.pulse.max() == 0


def region(canvas, centre, radii):
    return ((canvas.x - centre[0]) / radii[0]) ** 2 + ((canvas.y - centre[1]) / radii[1]) ** 2 < 1


def test_pulse_is_strongest_on_the_forehead_then_cheeks_then_nose():
    maps = {"forehead": [], "cheek": [], "nose": [], "chin": [], "all": []}
    for seed in range(16):
        look, skin, canvas = one(seed)
        coat = paint_head(look, skin, canvas)
        bare = (coat.flesh > 0.5) & (coat.loose < 0.5)
        maps["all"].append(coat.pulse[bare].mean())
        # Without the random field of each person: what all faces share.
        level, low = pulse_map(look, replace(canvas, vessels=0 * canvas.vessels)), lower(look)
        level = level / level[bare].mean()
        for name, centre, radii in (
            ("forehead", (0.0, -0.58), (0.5, 0.2)),
            ("cheek", (0.54, 0.34 * low), (0.2, 0.2)),
            ("nose", (0.0, 0.3), (0.1, 0.2)),
            ("chin", (0.0, chin_y(look) - 0.12), (0.2, 0.1)),
        ):
            maps[name].append(level[region(canvas, centre, radii)].mean())
    mean = {name: np.mean(values) for name, values in maps.items()}
    assert mean["forehead"] > mean["cheek"] > mean["nose"]
    assert mean["cheek"] > mean["chin"]
    assert mean["forehead"] == pytest.approx(1.3, abs=0.08)
    assert mean["all"] == pytest.approx(1.0, abs=0.12)


def test_what_covers_skin_stops_its_pulse():
    bare, skin, canvas = one(3)
    plain = paint_head(bare, skin, canvas)
    masked = paint_head(one(3, wear=("mask",))[0], skin, canvas)
    cheek, mouth = region(canvas, (0.5, 0.7), (0.15, 0.1)), region(canvas, (0.0, mouth_y(bare)), (0.3, 0.1))
    assert plain.pulse[cheek].mean() > 0.5
    for place in (cheek, mouth):
        assert masked.pulse[place].max() == 0
        assert masked.flesh[place].max() == 0
    look = one(3, wear=("glasses",))[0]
    framed, worn = paint_head(look, skin, canvas), look.glasses
    rim = (np.abs(canvas.x) - look.eye_gap - 0.02) ** 2 < 0.05**2
    rim = rim & (np.abs(canvas.y - 0.02 - worn.height) < 0.5 * worn.thick)
    assert framed.pulse[rim].mean() < 0.35 * plain.pulse[rim].mean()
    bearded = paint_head(one(3, wear=("beard",))[0], skin, canvas)
    assert bearded.pulse.sum() < plain.pulse.sum()


def test_make_up_hides_as_much_of_the_pulse_as_of_the_skin():
    for seed in range(8):
        base, skin, canvas = one(seed, wear=("makeup",))
        worn = base.makeup
        assert 0.12 <= worn.cover <= 0.6
        bare, made = (paint_head(replace(base, makeup=m), skin, canvas) for m in (None, base.makeup))
        cheek = region(canvas, (0.55, 0.36 * lower(base)), (0.08, 0.08)) & (bare.pulse > 0.1)
        brow = region(canvas, (0.0, -0.3), (0.1, 0.05)) & (bare.pulse > 0.1)
        for place, more in ((brow, 0.0), (cheek, 0.45 * worn.blush)):
            left = (1.0 - worn.cover) * (1.0 - more)
            assert left - 0.02 <= made.pulse[place].mean() / bare.pulse[place].mean() <= 1.02 * (1.0 - worn.cover)
        lips = region(canvas, (base.askew[1], mouth_y(base) + 0.05), (0.12, 0.03))
        assert np.abs(made.albedo[:, lips] - bare.albedo[:, lips]).max() > 0.01
        assert made.flesh[cheek].min() > 0.9


def test_lids_close_and_mouths_open():
    look, skin, canvas = one(5, tone=2)
    rest, shut = paint_head(look, skin, canvas), paint_head(look, skin, canvas, closed=1.0)
    eye = region(canvas, (look.eye_gap, 0.0), (0.1, 0.03))
    assert shut.albedo[1][eye].mean() > rest.albedo[1][eye].mean()
    gaping = paint_head(look, skin, canvas, open_mouth=1.0)
    hollow = region(canvas, (look.askew[1], mouth_y(look) + 0.035), (0.12, 0.02))
    assert gaping.albedo[:, hollow].mean() < 0.35 * rest.albedo[:, hollow].mean()
    assert gaping.pulse[hollow].max() < 0.3
    above = canvas.y < nose_y(look) - 0.1
    assert np.array_equal(gaping.albedo[:, above], rest.albedo[:, above])
    doll, skin, canvas = one(5, kind="doll")
    assert np.array_equal(paint_head(doll, skin, canvas, closed=1.0).albedo, paint_head(doll, skin, canvas).albedo)


def test_stand_ins_show_skin_to_measure_that_does_not_pulse():
    for kind in KINDS:
        for seed in range(4):
            look, skin, canvas = one(seed, kind=kind)
            coat = paint_head(look, skin, canvas)
            cheek = region(canvas, (0.5, 0.4), (0.1, 0.1))
            assert coat.flesh[cheek].mean() > 0.5, (kind, seed)
            assert (coat.pulse.max() > 0) == (kind == "person")
            z = relief(look, canvas.x, canvas.y)
            assert (np.ptp(z) > 0.5) == (kind not in ("photo", "wall"))
    photo, skin, canvas = one(1, kind="photo")
    coat = paint_head(photo, skin, canvas)
    assert np.ptp(coat.normal[2]) == 0
    assert np.allclose(coat.alpha[region(canvas, (0, 0), (1, 1))], 1)
    body = paint_body(photo, skin, make_canvas(rng(0), 20.0, -3.0, 3.0, 0.6, 3.0), 0.0, 1.0)
    assert body.alpha.max() == 0


# --- whole portraits


def portrait(look, skin, seed, height=240, width=320):
    """Return a plain picture: one lamp from above the camera, no camera."""
    unit = 0.192 * height
    origin = width / 2, 0.44 * height
    frame = paint_background(rng(seed, 4), look, height, width)
    lamp = np.array([0.35, -0.35, 0.87], np.float32)
    box = -origin[0] / unit, (width - origin[0]) / unit, -origin[1] / unit, (height - origin[1]) / unit
    canvas = make_canvas(rng(seed, 3), unit, *box)
    for coat in (paint_body(look, skin, canvas, 0.3, 1.0), paint_head(look, skin, canvas)):
        shade = 0.4 + 0.7 * np.maximum(np.tensordot(lamp, coat.normal, 1), 0.0)
        lit = coat.albedo * shade * 0.6 / float(skin.albedo[1]) ** 0.45
        frame = frame + coat.alpha * (lit - frame)
    return (255 * np.clip(linear_to_srgb(frame), 0, 1)).astype(np.uint8).transpose(1, 2, 0), unit, origin


def found(seed, wear, age, tone, detector):
    skin = draw_skin(rng(seed, 1), tone, None, age_y=age)
    look = draw_look(rng(seed, 2), tone, age_y=age, wear=wear)
    picture, unit, origin = portrait(look, skin, seed)
    faces = detector(Frame.from_rgb(picture, 0.0))
    if not faces or faces[0].score < 0.5:
        return False
    eyes = faces[0].points[:2]
    return np.abs(eyes.mean(axis=0) - origin).max() < 0.25 * unit


WORN = [
    (),
    ("glasses",),
    ("makeup",),
    ("beard",),
    ("hat",),
    ("glasses", "beard"),
    ("glasses", "makeup", "hat"),
    ("mask",),
]


def test_a_face_detector_finds_them():
    detector = BlazeFace()
    cases = [(seed, WORN[seed % 7], (0.02, 1, 9, 25, 50, 80)[seed % 6], 1 + seed % 10) for seed in range(42)]
    missed = [case for case in cases if not found(*case, detector)]
    assert missed == []


@pytest.mark.slow
def test_a_face_detector_finds_nearly_all_of_many():
    detector = BlazeFace()
    ages = (0.02, 0.3, 2, 9, 18, 25, 33, 41, 50, 60, 70, 85)
    cases = [(seed, WORN[seed % 8], ages[seed % 12], 1 + seed % 10) for seed in range(1000, 1240)]
    missed = [case for case in cases if not found(*case, detector)]
    assert len(missed) <= 0.01 * len(cases), missed


# --- expressions


def grid(look, step=0.02):
    left, right, top, bottom = head_extent(look)
    return np.meshgrid(np.arange(left, right, step), np.arange(top, bottom, step))


@pytest.mark.parametrize("age", [0.02, 8, 40])
def test_deformations_are_local_smooth_and_never_fold(age):
    for seed in range(6):
        look = draw_look(rng(seed), 5, age_y=age)
        x, y = grid(look)
        field = modes(look, x, y)
        assert field.shape == (len(MODES), 2, *x.shape)
        total = np.abs(field).sum(axis=0)
        assert total[:, y < -1.1].max() < 0.005  # the crown keeps still
        assert np.abs(field[MODES.index("jaw")][:, y < 0.1]).max() < 1e-6
        assert np.abs(field[MODES.index("brows")][:, y > 0.6]).max() < 1e-3
        millimetres = 70 * np.hypot(field[:, 0], field[:, 1]).reshape(len(MODES), -1).max(axis=1)
        assert 10 < millimetres[0] < 13
        assert np.all((millimetres[1:] > 1) & (millimetres[1:] < 6))
        for acts in (np.ones(4), np.array([1, 0, 0, 1.0]), np.array([0, 1, 1, 0.0])):
            moved = np.tensordot(acts, field, 1)
            (down_y, across_y), (down_x, across_x) = np.gradient(moved[1], 0.02), np.gradient(moved[0], 0.02)
            assert ((1 + across_x) * (1 + down_y) - across_y * down_x).min() > 0.2
        assert field[1][1, np.abs(y - mouth_y(look)) < 0.02].min() < -0.03  # smiles rise
        assert field[2].min() < -0.04  # so do brows
        pressed = strain(look, x, y)
        assert pressed.max() <= 0.03 + 1e-6
        assert pressed[1].max() == pytest.approx(0.03)
        assert pressed[0].max() == 0


def test_expressions_run_at_the_rhythm_of_speech():
    times = np.arange(0, 120, 1 / 50)
    rates, silent = [], []
    for seed in range(8):
        acts = express(rng(seed), times, "talk")
        assert acts.shape == (len(times), len(MODES))
        assert acts.min() >= 0
        assert acts.max() <= 1
        jaw = acts[:, 0]
        power = np.abs(np.fft.rfft(jaw - jaw.mean())) ** 2
        freq = np.fft.rfftfreq(len(jaw), 1 / 50)
        band = (freq > 1.5) & (freq < 12)
        rates.append(freq[band] @ power[band] / power[band].sum())
        silent.append((jaw < 0.01).mean())
        assert 0 < open_mouth(acts).max() <= 1
    assert 3 < np.mean(rates) < 6
    assert 0.15 < np.mean(silent) < 0.6
    calm, lively = (
        np.mean([express(rng(s), times, k)[:, 1:].mean() for s in range(8)]) for k in ("neutral", "lively")
    )
    assert lively > 5 * calm
    assert calm > 0
    assert not express(rng(0), times, "neutral")[:, 0].any()
    assert not express(rng(0), times, "none").any()


@pytest.mark.parametrize("kind", EXPRESSIONS)
def test_what_a_face_does_at_a_time_does_not_depend_on_the_frames_asked_for(kind):
    fine, coarse = np.arange(0, 30, 1 / 64), np.arange(0, 20, 1 / 16)
    assert np.array_equal(express(rng(4), fine, kind)[: 64 * 20 : 4], express(rng(4), coarse, kind))
    assert express(rng(4), np.zeros(0), kind).shape == (0, len(MODES))


def test_unknown_expressions_are_refused():
    with pytest.raises(UsageError, match="sneer"):
        express(rng(0), np.arange(3.0), "sneer")


# --- what is behind


@pytest.mark.parametrize("kind", [None, *BACKGROUNDS])
def test_backgrounds_are_light_in_range_of_any_size(kind):
    look = draw_look(rng(0), 5)
    for seed, (height, width) in enumerate([(90, 120), (24, 24), (64, 40), (8, 8)]):
        picture = paint_background(rng(seed), look, height, width, kind)
        assert picture.shape == (3, height, width)
        assert picture.dtype == np.float32
        assert picture.min() >= 0.002 - 1e-6
        assert picture.max() <= 0.9 + 1e-6
        assert np.array_equal(picture, paint_background(rng(seed), look, height, width, kind))


def test_rooms_are_as_uneven_as_photographs_of_rooms():
    """Of one clip's surroundings the logarithm of luminance has a spread of 1.0; plain rooms had 0.1 to 0.4."""
    look = draw_look(rng(0), 3, age_y=40.0)
    rooms = np.stack([paint_background(rng(seed), look, 60, 80, "room") for seed in range(40)])
    sides = np.log(rooms.mean(axis=1)[:, :45][..., [*range(18), *range(62, 80)]] + 0.003)
    assert 0.5 < np.median(sides.std(axis=(1, 2))) < 1.1
    sharp = np.abs(np.diff(np.log(rooms.mean(axis=1) + 0.003), axis=2)) > 0.3
    assert 0.02 < np.median(sharp.mean(axis=(1, 2))) < 0.2


def test_backgrounds_differ_and_infants_lie_in_bed():
    look, infant = draw_look(rng(0), 5), draw_look(rng(0), 5, age_y=0.02)
    means = [paint_background(rng(seed), look, 30, 40).mean(axis=(1, 2)) for seed in range(30)]
    assert np.std(means, axis=0).min() > 0.04
    assert np.array_equal(paint_background(rng(3), infant, 30, 40), paint_background(rng(3), infant, 30, 40, "bed"))
    with pytest.raises(UsageError, match="moon"):
        paint_background(rng(0), look, 30, 40, "moon")


@pytest.mark.parametrize("kind", MOVING)
def test_what_moves_behind_is_light_with_coverage_and_a_course(kind):
    times = np.arange(0, 90, 0.1)
    pictures, course = paint_movers(rng(1), 48, 64, kind), background_motion(rng(2), times, kind)
    assert pictures.shape == (2, 4, 48, 64)
    assert course.shape == (len(times), 2, 3)
    assert pictures.min() >= 0
    assert pictures[:, 3].max() <= 1
    assert np.all((course[..., 0] >= 0) & (course[..., 0] <= 1))
    assert (pictures.max() > 0) == (kind != "none")
    assert (np.ptp(course[..., 0]) > 0.2) == (kind != "none")
    if kind == "people":
        assert np.ptp(course[..., 1]) > 1.5
        assert 0.02 < course[:, 0, 0].mean() < 0.6
        assert pictures[:, 3].max() > 0.95
    with pytest.raises(UsageError):
        paint_movers(rng(0), 8, 8, "ghosts")
    with pytest.raises(UsageError):
        background_motion(rng(0), times, "ghosts")


def test_afros_grow_on_darker_skin_alone():
    styles = {tone: {draw_look(rng(seed), tone).hair_style for seed in range(200)} for tone in (1, 5, 6, 10)}
    assert {tone for tone, seen in styles.items() if "afro" in seen} == {6, 10}
