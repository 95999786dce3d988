"""Labels of LQ-rPPG: filtered as published, rounded by laws, by Max's tables, by the authors' own quantisers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, filtfilt

torch = pytest.importorskip("torch")

from perfuse.core.errors import OutputError, SourceError, UsageError  # noqa: E402
from perfuse.papers.lq_rppg.labels import fitted, learned  # noqa: E402
from perfuse.papers.lq_rppg.labels.fitted import code_books  # noqa: E402
from perfuse.papers.lq_rppg.labels.learned import Learned, fit_learned  # noqa: E402
from perfuse.papers.lq_rppg.labels.prepare import prepared, simulated_labels, standard  # noqa: E402
from perfuse.papers.lq_rppg.labels.scalar import (  # noqa: E402
    Direct,
    dequantise,
    lloyd,
    quantise,
    uniform,
)
from perfuse.papers.lq_rppg.objective import code_cross_entropy, frequency_cross_entropy  # noqa: E402
from published.load import weights_folder  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

RATE = 30.0
PURE = (
    (-0.67, 1.09),
    (-1.32, -0.57, 0.24, 1.35),
    (-1.37, -0.88, -0.43, -0.07, 0.30, 0.72, 1.20, 1.72),
    (-1.49, -1.14, -0.84, -0.61, -0.44, -0.31, -0.21, -0.11, -0.01, 0.11, 0.25, 0.44, 0.68, 1.00, 1.40, 1.83),
)
"""Code books of the authors' PURE network, 1 to 4 bits, rounded to hundredths."""
ONE = torch.linspace(0, 2 * math.pi, 4001)[None, :-1]
SINE = math.sqrt(2) * ONE.sin()
"""Every value of a sinusoid of spread 1, as often as it occurs."""


@pytest.fixture
def released():
    """State of the authors' quantisers of 1 to 5 bits."""
    folder = weights_folder()
    if folder is None or not list((folder / "lq_rppg").glob("*th_LQ_*.pth")):
        pytest.skip("published weights are not on this machine; set PERFUSE_WEIGHTS to their folder")
    files = [next((folder / "lq_rppg").glob(f"*_{n}th_LQ_*.pth")) for n in range(1, 6)]
    return [torch.load(file, map_location="cpu", weights_only=True) for file in files]


@pytest.fixture(scope="module")
def labels():
    return prepared(torch.from_numpy(simulated_labels(96, seed=1)), RATE).float()


def rmse(one, other):
    return float((one - other).square().mean().sqrt())


# --- prepared


def test_the_filter_is_the_authors():
    """scipy's filtfilt with as much padding as it takes; scaled by the unbiased spread."""
    made = np.random.default_rng(0)
    x = np.cumsum(made.normal(size=(3, 300)), axis=1)
    b, a = butter(1, [0.75, 2.5], "bandpass", fs=RATE)
    wanted = filtfilt(b, a, x, padlen=298)
    wanted = (wanted - wanted.mean(1, keepdims=True)) / wanted.std(1, ddof=1, keepdims=True)
    found = prepared(torch.from_numpy(x), RATE)
    assert np.abs(found.numpy() - wanted).max() < 0.02
    assert torch.allclose(found.std(1), torch.ones(3, dtype=torch.float64))
    wide = prepared(torch.from_numpy(x), RATE, (0.6, 4.0))
    assert (found - wide).abs().max() > 0.1


def test_labels_without_a_pulse_are_silent_and_clips_do_not_meet():
    wave = torch.sin(2 * torch.pi * 1.2 * torch.arange(160) / RATE)
    rows = torch.stack([wave, torch.zeros(160), torch.full((160,), 7.0), torch.full((160,), torch.nan), 5 * wave + 3])
    found = prepared(rows, RATE)
    assert found[1:4].abs().max() == 0
    assert torch.allclose(found[0], found[4], atol=1e-5)
    assert torch.equal(found[0], prepared(rows[:1], RATE)[0])
    assert standard(rows)[1:4].abs().max() == 0


def test_simulated_labels():
    two = simulated_labels(2, seed=3)
    assert two.shape == (2, 160)
    assert np.array_equal(simulated_labels(1, seed=3), two[:1])
    assert not np.array_equal(two[0], two[1])
    assert np.abs(simulated_labels(2, seed=4) - two).max() > 0.1
    finger = simulated_labels(2, seed=3, kind="contact")
    r = [np.corrcoef(one, other)[0, 1] for one, other in zip(finger, two)]
    assert 0.5 < min(r) < 0.999
    shaken = simulated_labels(8, seed=3, kind="contact", fault="bursts")
    assert np.abs(shaken - simulated_labels(8, seed=3, kind="contact")).max() > 0.5
    for wrong in ({"kind": "toe"}, {"fault": "eaten"}, {"frames": 3}, {"domain": "moon"}):
        with pytest.raises(UsageError):
            simulated_labels(1, **wrong)
    with pytest.raises(UsageError, match="0 labels"):
        simulated_labels(0)


# --- rounding

BOOKS = st.lists(st.integers(-400, 400), min_size=2, max_size=64, unique=True).map(
    lambda steps: torch.tensor(sorted(steps), dtype=torch.float32) / 64
)
VALUES = st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=50).map(torch.tensor)


@given(BOOKS)
def test_indices_survive(levels):
    index = torch.arange(len(levels))
    values, again = quantise(dequantise(index, levels), levels)
    assert torch.equal(again, index)
    assert torch.equal(values, levels)


@given(VALUES, BOOKS)
def test_rounding_takes_the_nearest_once_and_keeps_the_order(values, levels):
    found, index = quantise(values, levels)
    assert index.dtype == torch.int64
    apart = (values[:, None] - levels).abs()
    assert torch.allclose((values - found).abs(), apart.amin(1), atol=1e-5)
    assert torch.equal(quantise(found, levels)[1], index)
    assert (index[values.argsort()].diff() >= 0).all()


@given(st.integers(1, 6), st.integers(0, 10**6), st.floats(0.1, 10), st.floats(-5, 5))
@settings(max_examples=25)
def test_lloyd_follows_scale_and_offset(n_bits, seed, scale, offset):
    values = np.random.default_rng(seed).normal(size=500)
    one, other = lloyd(values, n_bits), lloyd(offset + scale * values, n_bits)
    assert len(one) == 2**n_bits
    assert (np.diff(one) > 0).all()
    held = [np.square(x - c[np.abs(x[:, None] - c).argmin(1)]).mean() for x, c in ((values, one), (
        (offset + scale * values), other))]  # fmt: skip
    assert held[1] / scale**2 == pytest.approx(held[0], rel=0.05)


@given(st.lists(st.sampled_from([-2.0, 0.0, 0.0, 0.5, 1.0, 3.0, 3.5]), min_size=1, max_size=200), st.integers(1, 2))
def test_lloyd_loses_no_level_among_equals(values, n_bits):
    if len(set(values)) < 2**n_bits:
        with pytest.raises(UsageError, match="cannot be fitted"):
            lloyd(np.array(values), n_bits)
        return
    levels = lloyd(np.array(values), n_bits)
    nearest = quantise(torch.tensor(values, dtype=torch.float64), torch.from_numpy(levels))[1].numpy()
    assert set(nearest) == set(range(2**n_bits))
    for k, level in enumerate(levels):
        assert level == pytest.approx(np.mean(np.array(values)[nearest == k]), abs=1e-6)


@pytest.mark.parametrize(
    ("n_bits", "positive", "error"),
    [(1, (0.7980,), 0.3634), (2, (0.4528, 1.510), 0.1175), (3, (0.2451, 0.7560, 1.344, 2.152), 0.03454)],
)
def test_lloyd_finds_max_s_table(n_bits, positive, error):
    """J. Max: Quantizing for minimum distortion. IRE Trans. Inf. Theory 6, 1960, table I."""
    from scipy.stats import norm

    values = norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    levels = lloyd(values, n_bits)
    assert levels[2 ** (n_bits - 1) :] == pytest.approx(positive, abs=3e-3)
    assert levels == pytest.approx(-levels[::-1], abs=3e-3)
    found = quantise(torch.from_numpy(values), torch.from_numpy(levels))[0].numpy()
    assert np.square(found - values).mean() == pytest.approx(error, rel=3e-3)


def test_even_steps(labels):
    values = labels.numpy()
    for n_bits in range(1, 7):
        levels = uniform(values, n_bits)
        assert np.diff(levels) == pytest.approx(np.diff(levels)[0])
        best = lloyd(values, n_bits)
        even, least = (rmse(quantise(labels, torch.tensor(c).float())[0], labels) for c in (levels, best))
        assert least < 0.95 * even
    with pytest.raises(UsageError, match="do not differ"):
        uniform(np.zeros(9), 2)
    for bits in (0, 7):
        with pytest.raises(UsageError, match=f"{bits} bits"):
            lloyd(values, bits)


# --- the learned one


def test_sizes_are_the_published_ones():
    for n_bits in range(1, 6):
        held = Learned(n_bits).state_dict()
        assert sum(value.numel() for value in held.values()) == 810 + 3 * 2**n_bits


def test_mamba_only_adds_an_offset_and_clips_do_not_meet(labels):
    torch.manual_seed(0)
    model = Learned(3).eval()
    torch.nn.init.normal_(model.norm.bias)
    torch.nn.init.normal_(model.position, std=0.1)
    with torch.no_grad():
        z = model.latent(labels)
        hidden = labels[:4, None]
        stretched = (model.blocks(hidden) + hidden).transpose(1, 2) + model.position
        slow = (stretched + model.mamba(model.norm(stretched)))[..., 0]  # as published: the block sees every label
        assert torch.allclose(z[:4], slow, atol=1e-5)
        assert torch.allclose(model.latent(labels[2:3]), z[2:3], atol=1e-6)
        assert model.latent(labels[:, :128]).shape == (96, 128)


def test_a_code_book_moves_to_its_samples():
    torch.manual_seed(0)
    model = Learned(1)
    for _ in range(1500):
        model.learn(torch.tensor([[-1.0, -1.2, -0.8, 2.0]]))
    model.sort()
    assert model.levels.tolist() == pytest.approx([-1.0, 2.0], abs=5e-3)
    assert model.counts.tolist() == pytest.approx([3.0, 1.0], abs=1e-3)


def test_learning_is_decided_by_the_seed(labels):
    state = torch.random.get_rng_state()
    one, same, other = (fit_learned(labels[:32], 2, seed=seed, epochs=1) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, same.state_dict()[name]) for name, value in one.state_dict().items())
    assert not torch.equal(one.levels, other.levels)
    assert (one.levels.diff() >= 0).all()
    assert not any(p.requires_grad for p in one.parameters())
    q, index = one.encode(labels)
    assert torch.equal(q, one.levels[index])


@pytest.mark.slow
def test_learned_and_lloyd_agree(labels):
    """To 6 % at one and two bits; from three bits on moving averages leave levels where nothing is (README)."""
    made = prepared(torch.from_numpy(simulated_labels(256)), RATE).float()
    for n_bits, most in ((1, 1.06), (2, 1.06), (3, 1.3)):
        least = rmse(quantise(labels, torch.tensor(lloyd(made.numpy(), n_bits)).float())[0], labels)
        found = rmse(fit_learned(made, n_bits, epochs=20).encode(labels)[0], labels)
        assert 0.98 < found / least < most


def filled(n_bits, state):
    """Return our quantiser with the authors' weights."""
    theirs = {name.removeprefix("module."): value for name, value in state.items()}
    mamba = {
        name.removeprefix("encoder.mamba_encoder.0.mamba."): value
        for name, value in theirs.items()
        if "mamba." in name
    }

    def both(one, other):
        return torch.stack([mamba[one], mamba[other]])

    own = {
        "position": theirs["encoder.position_embedding"],
        "norm.weight": theirs["encoder.mamba_encoder.0.x_norm.weight"],
        "norm.bias": theirs["encoder.mamba_encoder.0.x_norm.bias"],
        "mamba.enter.weight": mamba["in_proj.weight"],
        "mamba.leave.weight": mamba["out_proj.weight"],
        "mamba.near.weight": both("conv1d.weight", "conv1d_b.weight").flatten(0, 1),
        "mamba.near.bias": both("conv1d.bias", "conv1d_b.bias").flatten(),
        "mamba.told": both("x_proj.weight", "x_proj_b.weight"),
        "mamba.pace": both("dt_proj.weight", "dt_proj_b.weight"),
        "mamba.pace_bias": both("dt_proj.bias", "dt_proj_b.bias"),
        "mamba.log_decay": both("A_log", "A_b_log"),
        "mamba.skip": both("D", "D_b"),
        "levels": theirs["quantizer.embeddings.weight"][:, 0],
        "counts": theirs["quantizer.ema_cluster_size"],
        "sums": theirs["quantizer.ema_w"][:, 0],
    }
    for layer in range(0, 10, 2):
        for part in ("weight", "bias"):
            own[f"blocks.{layer}.{part}"] = theirs[f"encoder.dilated_conv_block.{layer}.{part}"]
    model = Learned(n_bits)
    model.load_state_dict(own)
    model.sort()
    return model.eval()


def test_the_authors_encoder_is_nearly_the_identity(released):
    """Their weights in our quantiser, on pulse-like waves; errors as in notes made with another rewrite."""
    t = torch.arange(160) / RATE
    rates = torch.linspace(0.9, 2.1, 16)[:, None]
    waves = prepared(torch.sin(2 * torch.pi * rates * t) + 0.35 * torch.sin(4 * torch.pi * rates * t - 1), RATE)
    errors = []
    for n_bits, state in enumerate(released, 1):
        model = filled(n_bits, state)
        with torch.no_grad():
            z = model.latent(waves)
            silent = model.latent(torch.zeros(1, 160))
        assert float(torch.corrcoef(torch.stack([z.flatten(), waves.flatten()]))[0, 1]) > 0.995
        assert silent.abs().max() < 0.5
        errors.append(rmse(model.encode(waves)[0], waves))
        direct = quantise(waves, model.levels)[0]
        assert rmse(direct, waves) < 1.05 * errors[-1]
        best = rmse(quantise(waves, torch.tensor(lloyd(waves.double().numpy(), n_bits)).float())[0], waves)
        assert best <= rmse(direct, waves)
    assert errors == pytest.approx([0.446, 0.247, 0.138, 0.086, 0.056], rel=0.12)


# --- what a level is judged by


def books(released):
    return [state["module.quantizer.embeddings.weight"].flatten().sort().values for state in released]


def test_codes_cannot_be_told_for_certain():
    """What the level itself costs, over a sinusoid: 0.16, 0.58, 1.22, 1.89; all the same: log K."""
    for levels, floor in zip(PURE, (0.16, 0.58, 1.22, 1.89)):
        book = torch.tensor(levels)
        found, index = quantise(SINE, book)
        assert code_cross_entropy(found, book, index).item() == pytest.approx(floor, abs=0.005)
    far = torch.full((1, 4), -1e4)
    same = torch.full((8,), 1.0)
    assert code_cross_entropy(far, same, torch.zeros(1, 4, dtype=torch.int64)).item() == pytest.approx(math.log(8))


def test_codes_of_the_finest_published_book(released):
    book = books(released)[4]
    found, index = quantise(SINE, book)
    assert code_cross_entropy(found, book, index).item() == pytest.approx(2.29, abs=0.005)
    for printed, held in zip(PURE, books(released)):
        assert held.tolist() == pytest.approx(printed, abs=0.006)


def test_the_spectral_loss_is_as_gentle_as_published():
    t = torch.arange(3000) / RATE

    def sine(rate):
        return torch.sin(2 * torch.pi * rate / 60 * t)[None]

    least = frequency_cross_entropy(sine(72), sine(72)).item()
    most = frequency_cross_entropy(sine(120), sine(72)).item()
    flat = frequency_cross_entropy(torch.zeros(1, 3000), sine(72)).item()
    assert math.log(math.e + 104) - 1 <= least < 3.9
    assert 4.665 < most <= math.log(math.e + 104)
    assert flat == pytest.approx(math.log(105), abs=1e-3)
    wide = frequency_cross_entropy(sine(200), sine(200), band=(38, 230)).item()
    assert wide < frequency_cross_entropy(sine(200), sine(150), band=(38, 230)).item() - 0.5
    sharp = {rate: frequency_cross_entropy(sine(rate), sine(72), log_power=True).item() for rate in (72, 120)}
    assert sharp[72] < 0.5
    assert sharp[120] > 4


@given(st.integers(0, 10**6))
@settings(max_examples=20)
def test_losses_do_not_depend_on_batch_mates(seed):
    made = torch.Generator().manual_seed(seed)
    said, label = (torch.randn(3, 96, generator=made) for _ in range(2))
    book = torch.randn(8, generator=made).sort().values
    index = quantise(label, book)[1]
    for whole, single in (
        (frequency_cross_entropy(said, label), frequency_cross_entropy(said[1:2], label[1:2])),
        (code_cross_entropy(said, book, index), code_cross_entropy(said[1:2], book, index[1:2])),
    ):
        assert whole.shape == (3,)
        assert torch.allclose(whole[1], single[0], atol=1e-5)


# --- code books


@pytest.mark.parametrize("way", ["lloyd", "uniform"])
def test_code_books(way):
    found = code_books(way, 3, count=16, seed=5)
    assert [len(book.levels) for book in found] == [2, 4, 8]
    assert all((book.levels.diff() > 0).all() for book in found)
    again = code_books(way, 2, count=16, seed=5)
    assert torch.equal(again[1].levels, found[1].levels)
    assert not torch.equal(code_books(way, 2, count=16, seed=6)[1].levels, again[1].levels)
    assert not torch.equal(code_books(way, 2, count=16, seed=5, kind="contact")[1].levels, again[1].levels)
    with pytest.raises(UsageError, match=r"'loyd'.*lloyd"):
        code_books("loyd", 2)
    for bits in (0, 7):
        with pytest.raises(UsageError, match="bits"):
            code_books(way, bits)


def test_learned_code_books_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFUSE_CACHE", str(tmp_path))
    asked = []

    def quick(labels, n_bits, **how):
        asked.append(n_bits)
        return fit_learned(labels, n_bits, **how, epochs=1)

    monkeypatch.setattr(fitted, "fit_learned", quick)
    one = code_books("learned", 2, count=16)
    again = code_books("learned", 2, count=16)
    assert asked == [1, 2]
    assert all(torch.equal(a, again.state_dict()[name]) for name, a in one.state_dict().items())
    code_books("learned", 1, count=16, seed=1)
    assert asked == [1, 2, 1]
    file = sorted((tmp_path / "lq_rppg").glob("*"))[0]
    file.write_bytes(b"half")
    with pytest.raises(SourceError, match="damaged"):
        code_books("learned", 2, count=16), code_books("learned", 1, count=16, seed=1)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PERFUSE_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="PERFUSE_CACHE"):
        code_books("learned", 1, count=16)


def test_direct_sorts_its_levels():
    book = Direct(torch.tensor([3.0, -1.0, 0.5]))
    q, index = book.encode(torch.tensor([[-9.0, 0.0, 9.0]]))
    assert q.tolist() == [[-1.0, 0.5, 3.0]]
    assert index.tolist() == [[0, 1, 2]]
    assert learned.FIRST < learned.EPOCHS
