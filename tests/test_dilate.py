"""DILATE: one sweep each way equals the slow definition, in value and gradient, clip by clip."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from perfuse.core.errors import UsageError  # noqa: E402
from perfuse.nn.dilate import alignment, dilate, distortion  # noqa: E402

ENGINES = ["numpy", "torch"]


def waves(count, length, seed=0):
    made = torch.Generator().manual_seed(seed)
    return [torch.randn(count, length, generator=made, dtype=torch.float64) for _ in range(2)]


def slowly(x, y, gamma, band=None):
    """Shape, time and paths of one pair by the definition: autograd through the recursion, and through that again."""
    length = len(x)
    cost = (x[:, None] - y) ** 2
    cost = cost if cost.requires_grad else cost.requires_grad_()
    value = {}
    for i, j in itertools.product(range(length), repeat=2):
        if band is None or abs(i - j) <= band:
            before = [value[at] for at in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if at in value]
            soft = -gamma * torch.logsumexp(-torch.stack(before) / gamma, 0) if before else 0
            value[i, j] = cost[i, j] + soft
    shape = value[length - 1, length - 1]
    (paths,) = torch.autograd.grad(shape, cost, create_graph=True)
    frame = torch.arange(length, dtype=torch.float64)
    return shape, (paths * ((frame[:, None] - frame) / length) ** 2).sum(), paths


def hard_dtw(x, y):
    """Cost of the cheapest path."""
    cost = (np.asarray(x)[:, None] - np.asarray(y)) ** 2
    best = np.full((len(x) + 1, len(y) + 1), np.inf)
    best[0, 0] = 0
    for i, j in itertools.product(range(len(x)), range(len(y))):
        best[i + 1, j + 1] = cost[i, j] + min(best[i, j + 1], best[i + 1, j], best[i, j])
    return best[-1, -1]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("length", "band"), [(2, None), (5, 0), (10, None), (10, 3), (11, 4), (11, 1)])
@pytest.mark.parametrize("gamma", [0.1, 1.0])
def test_equals_the_definition(engine, length, band, gamma):
    x, y = (wave.requires_grad_() for wave in waves(2, length))
    weights = waves(2, 2, seed=1)[0]  # of shape and time, one pair for each clip
    shape, time = distortion(x, y, gamma=gamma, band=band, engine=engine)
    found = torch.autograd.grad((weights[0] * shape + weights[1] * time).sum(), (x, y))
    slow = [slowly(x[clip], y[clip], gamma, band) for clip in range(2)]
    total = sum(weights[0, clip] * one[0] + weights[1, clip] * one[1] for clip, one in enumerate(slow))
    for got, (a, b) in zip((shape, time), (zip(*[(one[0], one[1]) for one in slow])), strict=True):
        assert torch.allclose(got, torch.stack([a, b]), atol=1e-12, rtol=0)
    for got, wanted in zip(found, torch.autograd.grad(total, (x, y)), strict=True):
        assert torch.allclose(got, wanted, atol=1e-11, rtol=0)
    assert torch.allclose(alignment(x, y, gamma=gamma, band=band), torch.stack([one[2] for one in slow]), atol=1e-11)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("gamma", [0.1, 1.0])
@pytest.mark.parametrize("band", [None, 4])
def test_gradient_is_that_of_finite_differences(engine, gamma, band):
    x, y = (wave.requires_grad_() for wave in waves(3, 9))
    check = torch.autograd.gradcheck
    assert check(lambda a, b: distortion(a, b, gamma=gamma, band=band, engine=engine), (x, y), atol=1e-6)
    assert check(lambda a, b: dilate(a, b, gamma=gamma, band=band, engine=engine), (x, y), atol=1e-6)


@pytest.mark.parametrize("band", [None, 15, 8])
def test_both_engines_say_the_same(band):
    x, y = (wave.requires_grad_() for wave in waves(4, 128))
    said = []
    for engine in ENGINES:
        loss = dilate(x, y, band=band, engine=engine)
        said.append((loss.detach(), *torch.autograd.grad(loss.sum(), (x, y))))
    for one, other in zip(*said, strict=True):
        assert torch.allclose(one, other, atol=1e-10, rtol=0)


def test_one_frame_by_hand():
    x, y = torch.tensor([[3.0]], requires_grad=True), torch.tensor([[1.0]])
    shape, time = distortion(x, y)
    assert shape.item() == pytest.approx(4.0)
    assert time.item() == 0
    assert torch.autograd.grad(shape.sum(), x)[0].item() == pytest.approx(4.0)


def test_two_frames_by_hand():
    x, y, gamma = [0.3, -0.5], [0.1, 0.9], 0.2
    cost = [[(a - b) ** 2 for b in y] for a in x]
    ends = cost[0][0] + cost[1][1]
    paths = np.array([ends, ends + cost[0][1], ends + cost[1][0]])
    weights = np.exp(-paths / gamma) / np.exp(-paths / gamma).sum()
    shape, time = distortion(torch.tensor([x]).double(), torch.tensor([y]).double(), gamma=gamma)
    assert shape.item() == pytest.approx(-gamma * np.log(np.exp(-paths / gamma).sum()))
    assert time.item() == pytest.approx(weights[1:].sum() / 4)


@given(st.integers(1, 24), st.integers(0, 10**6))
@settings(max_examples=25)
def test_soft_is_below_hard_and_tends_to_it(length, seed):
    x, y = waves(1, length, seed)
    hard = hard_dtw(x[0], y[0])
    soft = [distortion(x, y, gamma=gamma)[0].item() for gamma in (1.0, 0.1, 1e-2, 1e-4)]
    assert all(value <= hard + 1e-9 for value in soft)
    assert np.all(np.diff(soft) >= -1e-9)
    assert soft[-1] == pytest.approx(hard, abs=1e-4 * 2 * length)


@given(st.integers(1, 20), st.integers(0, 30), st.integers(0, 10**6))
@settings(max_examples=25)
def test_laws_of_the_paths(length, band, seed):
    x, y = waves(2, length, seed)
    paths = alignment(x, y, gamma=0.3, band=band)
    assert torch.allclose(paths[:, 0, 0], torch.ones(2).double())
    assert torch.allclose(paths[:, -1, -1], torch.ones(2).double())
    assert (paths >= 0).all()
    frame = torch.arange(length)
    assert not paths[:, (frame[:, None] - frame).abs() > band].any()
    visited = paths.sum((1, 2))
    assert ((visited >= length - 1e-9) & (visited <= 2 * length - 1 + 1e-9)).all()
    assert (paths.sum(2) >= 1 - 1e-9).all()  # every frame is on every path


@given(st.integers(1, 20), st.integers(0, 30), st.integers(0, 10**6))
@settings(max_examples=25)
def test_symmetry_and_the_widest_band(length, band, seed):
    x, y = waves(2, length, seed)
    one, other = distortion(x, y, band=band), distortion(y, x, band=band)
    whole, wide = distortion(x, y), distortion(x, y, band=length - 1)
    for k in range(2):
        assert torch.allclose(one[k], other[k], atol=1e-11)
        assert torch.equal(whole[k], wide[k])
    assert (one[0] >= whole[0] - 1e-9).all()  # fewer paths, more cost


def test_a_batch_mean_has_the_mean_of_the_gradients():
    x, y = waves(1, 30)
    alone = x.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(dilate(alone, y).mean(), alone)
    four = x.repeat(4, 1).requires_grad_()
    loss = dilate(four, y.repeat(4, 1))
    (found,) = torch.autograd.grad(loss.mean(), four)
    assert torch.allclose(loss, loss[:1].expand(4))
    assert torch.allclose(found, wanted.expand(4, -1) / 4, atol=1e-15)


@pytest.mark.parametrize("engine", ENGINES)
def test_batch_mates_do_not_matter(engine):
    x, y = waves(5, 40)
    whole = dilate(x, y, engine=engine)
    for clip in range(5):
        assert torch.allclose(dilate(x[clip : clip + 1], y[clip : clip + 1], engine=engine), whole[clip], atol=1e-13)


def test_scale_and_offset_do_not_matter():
    x, y = waves(3, 60)
    assert torch.allclose(dilate(7 * x - 3, 0.5 * y + 20), dilate(x, y), atol=1e-6)
    assert not torch.allclose(dilate(7 * x, y, standardise=False), dilate(x, y, standardise=False), atol=1e-2)


def test_the_parts_add_up():
    x, y = waves(3, 50)
    shape, time = distortion(x, y, gamma=0.2, band=6)
    asked = {"gamma": 0.2, "band": 6, "standardise": False}
    assert torch.allclose(dilate(x, y, alpha=0.3, per_frame=False, **asked), 0.3 * shape + 0.7 * time)
    assert torch.allclose(dilate(x, y, alpha=1.0, **asked), shape / 50)


def test_late_is_worse_in_time_and_flat_is_finite():
    t = torch.arange(128) / 30
    beat = torch.sin(2 * torch.pi * 1.2 * t)[None]
    late = [distortion(torch.roll(beat, lag, 1), beat, gamma=0.1)[1].item() for lag in (0, 2, 5)]
    assert late == sorted(late)
    for x in (torch.zeros(1, 128), torch.full((1, 128), 3.0), 1e6 * beat):
        x.requires_grad_()
        loss = dilate(x, beat)
        loss.sum().backward()
        assert torch.isfinite(loss).all()
        assert torch.isfinite(x.grad).all()


def test_clips_without_a_pulse_teach_nothing():
    x, y = waves(4, 40)
    y[1], y[2, 7] = 0.0, torch.nan
    x.requires_grad_()
    loss = dilate(x, y)
    loss.sum().backward()
    taught = torch.tensor([True, False, False, True])
    assert torch.equal(loss != 0, taught)
    assert torch.equal(x.grad.abs().sum(1) > 0, taught)
    assert torch.allclose(loss[0], dilate(x[:1], y[:1])[0])


def test_kinds_of_numbers():
    x, y = waves(2, 40)
    wanted = dilate(x, y)
    assert torch.allclose(dilate(x.float(), y.float()).double(), wanted, atol=1e-5)
    assert dilate(x.float(), y).dtype == torch.float32
    assert torch.allclose(dilate(x.bfloat16(), y.float()).double(), wanted, rtol=0.05)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"gamma": 0.0}, "gamma is 0.0"),
        ({"band": -1}, "band is -1"),
        ({"alpha": 1.5}, "alpha is 1.5"),
        ({"engine": "fortran"}, "engine 'fortran'"),
    ],
)
def test_errors_in_words(asked, words):
    with pytest.raises(UsageError, match=words):
        dilate(*waves(1, 8), **asked)
    with pytest.raises(UsageError, match="DILATE"):
        dilate(torch.zeros(1, 8), torch.zeros(1, 9))
    with pytest.raises(UsageError, match="DILATE"):
        distortion(torch.zeros(8), torch.zeros(8))


def test_tslearn_says_the_same():
    metrics = pytest.importorskip("tslearn.metrics")
    for length, gamma in ((30, 0.1), (64, 1.0)):
        x, y = waves(1, length)
        wanted = metrics.soft_dtw(x[0].numpy(), y[0].numpy(), gamma=gamma)
        assert distortion(x, y, gamma=gamma)[0].item() == pytest.approx(wanted, abs=1e-9)
        paths, _ = metrics.soft_dtw_alignment(x[0].numpy(), y[0].numpy(), gamma=gamma)
        assert np.allclose(alignment(x, y, gamma=gamma)[0].numpy(), paths, atol=1e-9)
