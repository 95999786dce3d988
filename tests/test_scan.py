"""The selective scan against the recurrence written down, and Mamba's block around it."""

import io
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from perfuse.core.errors import UsageError  # noqa: E402
from perfuse.nn import scan as house  # noqa: E402
from perfuse.nn.mamba import BiMamba, MambaBlock  # noqa: E402
from perfuse.nn.scan import ENGINES, selective_scan  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def plain(x, step, decay, enter, leave):
    """The recurrence, sample by sample, and autograd through all of it."""
    state, said = torch.zeros_like(step[:, 0, ..., None] * decay), []
    for now in range(x.shape[1]):
        gain = (step * x)[:, now, ..., None] * enter[:, now, :, None]
        state = torch.exp(step[:, now, ..., None] * decay) * state + gain
        said.append((state * leave[:, now, :, None]).sum(-1))
    return torch.stack(said, 1)


def parts(batch, count, groups, width, states, dtype=torch.float32, seed=0):
    made = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=made, dtype=torch.float64).to(dtype)  # noqa: E731
    x, enter, leave = draw(batch, count, groups, width), *(draw(batch, count, groups, states) for _ in range(2))
    step = torch.nn.functional.softplus(draw(batch, count, groups, width))
    decay = -torch.arange(1, states + 1).to(dtype).repeat(groups, width, 1) * torch.exp(draw(groups, width, states))
    return [v.requires_grad_() for v in (x, step, decay, enter, leave)]


def answers(how, given):
    said = how(*given)
    weight = torch.randn(said.shape, generator=torch.Generator().manual_seed(5)).to(said)
    return [said, *torch.autograd.grad((said * weight).sum(), given, materialize_grads=True)]


def assert_same(found, wanted, atol):
    for one, other in zip(found, wanted, strict=True):
        size = max(1.0, other.abs().max().item())
        assert (one - other).abs().max().item() <= atol * size
        assert one.dtype == other.dtype


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=25)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 2), st.integers(1, 5), st.integers(1, 5)),
    cached=st.integers(1, 400),
    seed=st.integers(0, 99),
)
def test_any_shape_and_any_blocks(engine, shape, cached, seed):
    given, before = parts(*shape, dtype=torch.float64, seed=seed), house.CACHED
    house.CACHED = cached
    try:
        found = answers(lambda *v: selective_scan(*v, engine=engine), given)
    finally:
        house.CACHED = before
    assert_same(found, answers(plain, given), 1e-10)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", [(1, 160, 2, 128, 48), (8, 61, 1, 32, 16), (2, 17, 1, 1, 1)])
def test_float32_agrees_forward_and_backward(engine, shape):
    given = parts(*shape)
    assert_same(answers(lambda *v: selective_scan(*v, engine=engine), given), answers(plain, given), 1e-5)


def test_gradients_are_the_slopes():
    given = parts(2, 9, 2, 3, 4, torch.float64)
    house_cached, house.CACHED = house.CACHED, 100  # three blocks
    try:
        assert torch.autograd.gradcheck(selective_scan, given)
    finally:
        house.CACHED = house_cached


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_overflows(engine):
    """Decays of exp(-48 x 0.7) a sample, of exp(-5000), and none at all: ratios of powers would be infinite."""
    x, step, _, enter, leave = parts(1, 160, 1, 4, 3)
    decay = torch.tensor([-48.0, -7000.0, 0.0]).repeat(1, 4, 1).requires_grad_()
    given = [x, torch.full_like(step, 0.7).requires_grad_(), decay, enter, leave]
    found = answers(lambda *v: selective_scan(*v, engine=engine), given)
    assert all(torch.isfinite(v).all() for v in found)
    assert_same(found, answers(plain, given), 1e-5)


def test_states_that_stay_add_up():
    """Without decay the scan is a running sum; with a decay of ln 2 a step it halves."""
    x = torch.tensor([1.0, 0.0, 0.0, 2.0])[None, :, None, None]
    one = torch.ones_like(x)
    for decay, wanted in ((0.0, [1.0, 1.0, 1.0, 3.0]), (-np.log(2), [1.0, 0.5, 0.25, 2.125])):
        said = selective_scan(x, one, torch.full((1, 1, 1), decay), one, one)
        assert said.flatten().tolist() == pytest.approx(wanted, abs=1e-6)


def test_groups_may_be_left_out_and_16_bits_are_reckoned_in_32():
    given = parts(2, 12, 1, 3, 4)
    x, step, decay, enter, leave = given
    alone = selective_scan(x[:, :, 0], step[:, :, 0], decay[0], enter[:, :, 0], leave[:, :, 0])
    whole = selective_scan(*given)
    assert torch.equal(alone, whole[:, :, 0])
    half = [v.detach().bfloat16() for v in given]
    said = selective_scan(*half)
    assert said.dtype == torch.bfloat16
    assert torch.equal(said, selective_scan(*(v.float() for v in half)).bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(selective_scan(*given), whole)


def test_nothing_in_nothing_out():
    for batch, count in ((0, 5), (2, 0)):
        found = selective_scan(*parts(batch, count, 1, 3, 2))
        assert found.shape == (batch, count, 1, 3)


def test_errors_in_words():
    given = parts(1, 4, 1, 3, 2)
    with pytest.raises(UsageError, match=r"\(1, 4, 1, 5\).*decay \(G, D, N\)"):
        selective_scan(*given[:4], torch.zeros(1, 4, 1, 5))
    with pytest.raises(UsageError, match=r"no engine 'magic'.*blocks, doubling"):
        selective_scan(*given, engine="magic")
    with pytest.raises(UsageError, match="3 directions"):
        BiMamba(8, directions=3)


# --- Mamba


def test_parameters_to_the_digit():
    count = lambda net: sum(p.numel() for p in net.parameters())  # noqa: E731
    assert count(MambaBlock(64)) == 65_408
    assert count(BiMamba(64)) == 65_280
    assert count(BiMamba(1)) == 4 + 2 + 2 * (10 + 194 + 4 + 96 + 2)
    assert count(BiMamba(64, directions=1)) == 16_384 + 8_192 + 20_352


def test_weights_begin_as_published():
    torch.manual_seed(0)
    net = BiMamba(64)
    assert torch.allclose(net.log_decay.exp(), torch.arange(1.0, 49.0).expand(2, 128, 48))
    assert (net.skip == 1).all()
    assert not net.pace_bias.any()
    for weight in (net.enter.weight, net.leave.weight, net.told, net.pace):
        assert weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert net.near.weight.abs().max().item() == pytest.approx(0.5, abs=0.02)


def lively(net, seed=0):
    """Weights that say something."""
    made = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in net.named_parameters():
            if "log_decay" not in name:
                p.copy_(torch.randn(p.shape, generator=made) * (0.3 if p.ndim < 3 else 0.1))
    return net.eval()


def test_block_is_what_it_stands_for():
    """Both directions, one after the other, from the same weights, in numpy."""
    net = lively(MambaBlock(6, d_state=5))
    tokens = torch.randn(1, 11, 6, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        said = net(tokens)[0].numpy()
    w = {name: value.double().numpy() for name, value in net.state_dict().items()}
    silu = lambda v: v / (1 + np.exp(-v))  # noqa: E731
    t = tokens[0].double().numpy()
    n = (t - t.mean(1, keepdims=True)) / np.sqrt(t.var(1, keepdims=True) + 1e-5) * w["norm.weight"] + w["norm.bias"]
    x, gate = np.split(n @ w["mix.enter.weight"].T, 2, axis=1)
    out = np.zeros_like(x)
    for g, turn in enumerate((1, -1)):
        padded = np.concatenate([np.zeros((3, 12)), x[::turn]])
        state, answer = np.zeros((12, 5)), []
        for now in range(11):
            taps, mine = w["mix.near.weight"][g * 12 : g * 12 + 12, 0], slice(g * 12, g * 12 + 12)
            u = silu((padded[now : now + 4] * taps.T).sum(0) + w["mix.near.bias"][mine])
            rank, enter, leave = np.split(w["mix.told"][g] @ u, [1, 6])
            step = np.log1p(np.exp(w["mix.pace"][g] @ rank + w["mix.pace_bias"][g]))[:, None]
            state = np.exp(-step * np.exp(w["mix.log_decay"][g])) * state + step * u[:, None] * enter
            answer.append(state @ leave + w["mix.skip"][g] * u)
        out += np.array(answer)[::turn]
    np.testing.assert_allclose(said, t + (out * silu(gate)) @ w["mix.leave.weight"].T, atol=1e-5)


@pytest.mark.parametrize(("directions", "seen"), [(1, (0, 6)), (2, (0, 13))])
def test_who_sees_whom(directions, seen):
    net = lively(BiMamba(4, d_state=3, directions=directions))
    tokens = torch.randn(1, 14, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
    (slope,) = torch.autograd.grad(net(tokens)[0, 6].sum(), tokens)
    reached = slope.abs().amax((0, 2)).nonzero().flatten()
    assert (reached.min().item(), reached.max().item()) == seen


def test_batch_mates_do_not_matter():
    net = lively(MambaBlock(8, d_state=4))
    tokens = torch.randn(3, 20, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.allclose(net(tokens)[1:2], net(tokens[1:2]), atol=1e-6)


@pytest.mark.slow
def test_exported_whole_for_any_length():
    """One Scan node, whatever T was traced; other lengths and batches agree."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    from perfuse.infer import Model

    net = lively(MambaBlock(8, d_state=4))
    made = torch.Generator().manual_seed(2)
    buffer, free = io.BytesIO(), torch.export.Dim.AUTO
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net, (torch.randn(2, 24, 8, generator=made),), dynamo=True, opset_version=18, verbose=False,
            dynamic_shapes=({0: free, 1: free},), input_names=["tokens"], output_names=["said"],
        )  # fmt: skip
    program.save(buffer)
    kinds = [node.op_type for node in onnx.load_from_string(buffer.getvalue()).graph.node]
    assert kinds.count("Scan") == 1
    assert len(kinds) < 60
    model = Model(buffer.getvalue())
    for batch, count in ((1, 24), (1, 7), (1, 1), (3, 61)):
        tokens = torch.randn(batch, count, 8, generator=made)
        with torch.no_grad():
            wanted = net(tokens).numpy()
        assert np.abs(model.run({"tokens": tokens.numpy()})["said"] - wanted).max() < 1e-5
