"""Laws that every registered method keeps, whatever its formula; networks keep them at the rate they learnt at."""

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods_scene import chunks, likeness, rate_of, scene, view_of
from perfuse.core.errors import UsageError
from perfuse.core.method import Method
from perfuse.core.signals import Chunk
from perfuse.core.view import Echo
from perfuse.methods import METHODS, fold, get_method, list_methods
from perfuse.methods.colour import relative
from perfuse.methods.shipped import NETWORKS, Shipped
from test_methods_oracles import ORACLES

every_method = pytest.mark.parametrize("name", METHODS.names())
every_formula = pytest.mark.parametrize("name", [m for m in METHODS if not isinstance(METHODS.get(m), Shipped)])


def run(method, values, rate_hz, **cut):
    return fold(method, chunks(values, rate_hz, **cut))


def at(method, rate_hz=30.0):
    """The rate to paint at: formulas take any, a network knows only its own, a chest trembles fast."""
    return method.view.rate_hz if isinstance(method, Shipped) or isinstance(method.view, Echo) else rate_hz


def quiet_scene(method, rate_hz=30.0, factor=2.3, **options):
    """Long enough for several windows of the method, and still short."""
    seconds = max(8.0, factor * method.window_s)
    return scene(view_of(method), seconds, at(method, rate_hz), **options)


@every_method
def test_one_finite_sample_out_per_sample_in(name):
    method = METHODS.get(name)
    values, _ = quiet_scene(method)
    wave = run(method, values, at(method))
    assert (wave.start, wave.rate_hz, len(wave)) == (0, at(method), len(values))
    assert wave.valid.all()
    assert np.isfinite(wave.samples).all()
    assert wave.samples.std() > 0


@every_method
@settings(max_examples=15)
@given(data=st.data())
def test_chunking_law(name, data):
    method = METHODS.get(name)
    values, _ = quiet_scene(method, rate_hz=12.0, factor=1.7)
    total = len(values)
    valid = np.ones(total, bool)
    for low in data.draw(st.lists(st.integers(0, total - 1), max_size=2)):
        valid[low : low + data.draw(st.integers(1, 20))] = False
    cuts = data.draw(st.lists(st.integers(0, total), max_size=20))
    whole = run(method, values, at(method, 12.0), valid=valid)
    parts = run(method, values, at(method, 12.0), valid=valid, cuts=cuts)
    assert np.array_equal(whole.samples, parts.samples)
    assert np.array_equal(whole.valid, parts.valid)
    assert (whole.trust is None) == (parts.trust is None)
    assert whole.trust is None or np.array_equal(whole.trust, parts.trust)
    assert not whole.samples[~whole.valid].any()


@every_method
def test_frame_by_frame_is_the_same_bits(name):
    method = METHODS.get(name)
    values, _ = quiet_scene(method, rate_hz=15.0, factor=1.4)
    whole = run(method, values, at(method, 15.0))
    single = run(method, values, at(method, 15.0), cuts=range(1, len(values)))
    assert np.array_equal(whole.samples, single.samples)


@every_method
def test_looking_ahead_changes_nothing(name):
    method = METHODS.get(name)
    values, _ = quiet_scene(method, factor=1.4)
    half, rate_hz = len(values) // 2, at(method)
    first, second = chunks(values, rate_hz, cuts=[half])
    state, early = method.step(method.start(), first)
    peek = method.step(state, Chunk(half, rate_hz, values[:0], np.ones(0, bool), last=True))[1]
    late = method.step(state, second)[1]
    assert np.array_equal(np.concatenate([early.samples, late.samples]), run(method, values, rate_hz).samples)
    assert np.array_equal(np.concatenate([early.samples, peek.samples]), run(method, values[:half], rate_hz).samples)


@every_method
def test_too_short_is_not_valid(name):
    method = METHODS.get(name)
    least = round(method.min_s * at(method))
    values, _ = scene(view_of(method), method.min_s, at(method))
    for count in (0, 1, least - 1):
        wave = run(method, values[:count], at(method))
        assert len(wave) == count
        assert not wave.valid.any()
        assert not wave.samples.any()


@every_method
def test_output_rises_with_blood_volume_everywhere(name):
    method = METHODS.get(name)
    for seed in range(3):
        values, p = quiet_scene(method, seed=seed)
        samples = run(method, values, at(method)).samples
        assert likeness(samples, p, at(method)) > 0.8
        size = round(4 * at(method))
        pieces = [slice(k, k + size) for k in range(0, len(p) - size + 1, size)]
        assert min(likeness(samples[piece], p[piece], at(method)) for piece in pieces) > 0.5


@every_method
def test_scale_is_the_same_from_window_to_window(name):
    method = METHODS.get(name)
    values, _ = quiet_scene(method, noise=0.0001, light=0.002, gloss=0.0)
    samples, long = run(method, values, at(method)).samples, round(3 * at(method))
    size = [samples[k : k + long].std() for k in range(0, len(samples) - long + 1, long)]
    assert max(size) < 1.7 * min(size)


@every_method
@pytest.mark.parametrize("faster", [0.75, 1.5])
def test_scale_law(name, faster):
    method = METHODS.get(name)
    factor, rate_hz = 2.3 * max(1, faster), at(method)
    values, _ = quiet_scene(method, factor=factor, bpm=72.0)
    normal = rate_of(run(method, values, rate_hz).samples, rate_hz)
    if isinstance(method, Shipped):  # the same film at another rate would be refused: paint the faster heart
        quick, scaled_hz = quiet_scene(method, factor=factor, bpm=72.0 * faster)[0], rate_hz
    else:
        quick, scaled_hz = values, rate_hz * faster
    scaled = rate_of(run(method, quick, scaled_hz).samples, scaled_hz)
    assert normal == pytest.approx(72.0, abs=1.5)
    assert scaled == pytest.approx(faster * normal, abs=1.0)


@every_method
def test_gain_law(name):
    method = METHODS.get(name)
    values, _ = quiet_scene(method)
    plain, halved, dimmed = (run(method, values * np.float32(g), at(method)).samples for g in (1.0, 0.5, 0.7))
    if isinstance(method, Shipped):  # it learnt to overlook brightness; no formula makes it cancel to the last digit
        assert np.corrcoef(dimmed, plain)[0, 1] > 0.95
        return
    np.testing.assert_allclose(halved, plain, atol=1e-9 * np.abs(plain).max(), rtol=1e-6)
    assert np.corrcoef(dimmed, plain)[0, 1] > 0.9999


@pytest.mark.parametrize("name", ["pos", "chrom"])
def test_slow_white_balance_drift_is_ignored(name):
    still, _ = scene(seconds=40)
    drifting, _ = scene(seconds=40, tint=0.02)
    samples = [run(METHODS.get(name), values, 30.0).samples for values in (still, drifting)]
    assert likeness(*samples, 30.0) > 0.98
    assert rate_of(samples[0], 30.0) == pytest.approx(rate_of(samples[1], 30.0), abs=0.3)


@every_method
@pytest.mark.parametrize("colour", [(0, 0, 0), (163.1, 120.7, 99.3), (255, 255, 255), (240, 0, 0), (0, 0, 7)])
def test_silence_law(name, colour):
    method = METHODS.get(name)
    values, _ = quiet_scene(method, factor=1.3)
    still = np.broadcast_to(np.array(colour[-values.shape[-1] :], np.float32), values.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wave = run(method, still, at(method))
    assert not wave.samples.any()


@every_method
@pytest.mark.parametrize("dead", [(0,), (2,), (0, 1), (1, 2), (0, 2)])
def test_dead_channels_give_no_nan(name, dead):
    method = METHODS.get(name)
    values, _ = quiet_scene(method, factor=1.3)
    values[(..., list(dead)) if values.shape[-1] == 3 else (slice(None), list(dead))] = 0
    values[: len(values) // 3] = values[0]  # and a stretch in which nothing moves
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wave = run(method, values, at(method))
    assert np.isfinite(wave.samples).all()


@pytest.mark.parametrize("name", ["pos", "chrom", "lgi", "omit"])
def test_light_alone_is_nearly_silent(name):
    method = METHODS.get(name)
    values, _ = quiet_scene(method, depth=0.0, gloss=0.0, noise=0.0, light=0.02)
    assert np.abs(run(METHODS.get("green"), values, 30.0).samples).max() > 0.01
    assert np.abs(run(method, values, 30.0).samples).max() < 1e-5


def test_chrominance_beats_green_under_light_and_gloss():
    def closeness(name, seed):
        values, p = scene(seconds=20, light=0.02, gloss=0.003, seed=seed)
        return likeness(run(METHODS.get(name), values, 30.0).samples, p, 30.0)

    mean = {name: np.mean([closeness(name, seed) for seed in range(6)]) for name in ("green", "chrom", "pos")}
    assert mean["pos"] > mean["green"] + 0.2
    assert mean["chrom"] > mean["green"] + 0.2


def test_slow_hearts_fade_in_chrom_and_not_in_pos():
    """What CHROM's card says: its band-pass works within 1.6 s, so a heart of 45 per minute keeps about half."""
    time_s = np.arange(1200) / 30
    strengths = {}
    for name in ("chrom", "pos"):
        for rate in (45, 75):
            swing = 0.01 * np.sin(2 * np.pi * rate / 60 * time_s)[:, None] * (0.33, 0.77, 0.53)
            colours = ((150.0, 110.0, 90.0) * (1 + swing))[:, None].astype(np.float32)
            method = get_method(name)
            chunk = Chunk(0, 30.0, colours, np.ones(len(colours), bool), last=True)
            said = np.asarray(method.step(method.start(), chunk)[1].samples, float)[150:-150]
            turn = np.exp(-2j * np.pi * rate / 60 * time_s[150:-150])
            strengths[name, rate] = np.abs((said * turn).mean())
    assert 0.45 < strengths["chrom", 45] / strengths["chrom", 75] < 0.65
    assert 0.9 < strengths["pos", 45] / strengths["pos", 75] < 1.1


def test_a_grid_method_reads_only_the_skin():
    method = METHODS.get("ssr")
    values, p = scene(view_of(method), 8.0)
    weights = np.zeros(values.shape[:3], np.float32)
    weights[:, 6:20, 5:18] = 1
    inside = run(method, values, 30.0, weights=weights)
    values[:, :5] = np.random.default_rng(0).uniform(0, 255, values[:, :5].shape)
    assert np.array_equal(inside.samples, run(method, values, 30.0, weights=weights).samples)
    assert likeness(inside.samples, p, 30.0) > 0.8
    assert not run(method, values, 30.0, weights=np.zeros_like(weights)).samples.any()


@every_method
def test_wrong_shapes_are_refused(name):
    method = METHODS.get(name)
    with pytest.raises(UsageError, match="shape"):
        run(method, np.ones((40, 3), np.float32), at(method))


@every_method
def test_every_method_travels(name):
    method = METHODS.get(name)
    values, _ = quiet_scene(method, factor=1.2)
    copy = pickle.loads(pickle.dumps(method))
    assert (copy.card, copy.view) == (method.card, method.view)
    assert run(copy, values, at(copy)).samples.tobytes() == run(method, values, at(method)).samples.tobytes()


@every_method
def test_every_method_is_described(name):
    method = METHODS.get(name)
    assert isinstance(method, Method)
    card = method.card
    assert card.name == name
    of_papers = () if isinstance(method, Shipped) else ("equation", "deviations")  # a network is no formula
    for field in ("title", "paper", "licence", "limits", *of_papers):
        assert getattr(card, field).strip(), f"{name}: the card says nothing about {field}"
    assert card.outputs in (("pulse",), ("pulse", "respiration"))
    assert 0 < card.band_hz[0] < card.band_hz[1]
    assert card.provenance in ("paper", "reconstructed", "own")


@every_formula
def test_every_formula_has_an_oracle(name):
    assert name in ORACLES, f"{name} has no independent oracle"


FORMULAS = ("pos", "chrom", "green", "ica", "lgi", "pbv", "omit", "pca", "ssr", "contact", "radar")


def test_the_registry():
    networks = tuple(sorted(place.name for place in NETWORKS.iterdir()))
    assert METHODS.names() == FORMULAS + networks
    assert get_method("pos") is METHODS.get("pos")
    assert [card.name for card in list_methods()] == list(METHODS.names())
    with pytest.raises(UsageError, match="Did you mean 'chrom'"):
        get_method("chrome")


def test_relative_change_of_constant_and_dead_channels_is_exactly_nothing():
    window = np.full((48, 3), 163.1)
    window[:, 1] = 120 + np.arange(48)
    window[:, 2] = 0
    change = relative(window)
    assert not change[:, [0, 2]].any()
    np.testing.assert_allclose(change[:, 1], window[:, 1] / window[:, 1].mean() - 1)
