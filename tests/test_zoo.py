"""Networks that others published: sizes to the digit, who sees which frames, and the losses they learn by."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from perfuse.core.errors import UsageError  # noqa: E402
from perfuse.learn.task import Task, total  # noqa: E402
from perfuse.nn.losses import SUPERVISED, negative_pearson, spectral_cross_entropy, supervised  # noqa: E402
from perfuse.papers.known import make_task, recipes  # noqa: E402
from perfuse.papers.zoo import model  # noqa: E402
from perfuse.papers.zoo.model import NETWORKS  # noqa: E402
from perfuse.papers.zoo.task import CARDS, ZooTask  # noqa: E402
from planted import RATE, planted  # noqa: E402

COUNTS = {
    "ts-can": {36: 532_899, 72: 2_228_643, 96: 4_096_419},
    "deepphys": {36: 532_899, 72: 2_228_643, 96: 4_096_419},
    "efficientphys-c": {36: 467_337, 72: 2_163_081},
}
SIZE = 20


pytestmark = pytest.mark.usefixtures("one_thread")


def network(name, size=SIZE):
    torch.manual_seed(0)
    made = NETWORKS[name](size, RATE)
    for part in made.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.no_grad():
        made(planted([70.0, 90.0], 16, size, seed=7).clip)
    return made.eval()


def test_every_network_is_counted_and_has_a_card():
    assert set(COUNTS) == set(NETWORKS) == set(CARDS)


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_to_the_digit(name):
    for size, count in COUNTS[name].items():
        assert sum(p.numel() for p in NETWORKS[name](size, RATE).parameters()) == count


@pytest.mark.parametrize("name", COUNTS)
def test_batch_mates_and_light_do_not_matter(name):
    net, clip = network(name), planted([60.0, 80.0, 100.0], 48, SIZE).clip
    with torch.no_grad():
        whole = net(clip)["pulse"]
        assert whole.shape == (3, 48)
        assert whole.std(1).min() > 1e-4
        changed = torch.cat([clip[:1], planted([70.0, 75.0], 48, SIZE, seed=3).clip])
        other = net(changed)["pulse"]
        assert torch.allclose(other[0], whole[0], atol=1e-5)
        assert not torch.allclose(other[1], whole[1], atol=1e-2 * whole.std().item())
        assert torch.allclose(net(1.05 * clip)["pulse"], whole, atol=5e-3 * whole.std().item())
        for level in (0.0, 127.0):
            assert torch.isfinite(net(torch.full((1, 3, 8, SIZE, SIZE), level))["pulse"]).all()


@pytest.mark.parametrize(("name", "back", "ahead"), [("ts-can", 4, 4), ("deepphys", 0, 0), ("efficientphys-c", 4, 5)])
def test_reach_in_time(name, back, ahead, monkeypatch):
    """Four shifts see four frames either way, and a difference the next; frames alone without them."""
    monkeypatch.setattr(model, "differences", lambda clip: clip)
    monkeypatch.setattr(model, "standard", lambda clip: clip)
    monkeypatch.setattr(model, "integrated", lambda wave, rate_hz: wave)
    frames = torch.randn(1, 3, 24, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (slope,) = torch.autograd.grad(network(name)(frames)["pulse"][0, 12], frames)
    seen = slope.abs().amax((0, 1, 3, 4)).nonzero().flatten()
    assert (12 - seen.min().item(), seen.max().item() - 12) == (back, ahead)


def test_looks_tell_where_change_counts():
    """With the same change, another face gives other weights; EfficientPhys attends to change itself."""
    net = network("ts-can")
    clip = planted([70.0], 16, SIZE).clip
    painted = clip.clone()
    painted[:, 0, :, :10] *= 0.5  # relative change stays
    with torch.no_grad():
        assert not torch.allclose(net(painted)["pulse"], net(clip)["pulse"], atol=1e-5)


def test_errors_in_words():
    with pytest.raises(UsageError, match="20, 20"):
        network("ts-can")(planted([70.0], 8, 24).clip)
    with pytest.raises(UsageError, match="8 pixels a side"):
        NETWORKS["efficientphys-c"](8, RATE)
    with pytest.raises(UsageError, match=r"no network 'tscan'.*'ts-can'"):
        ZooTask(network="tscan")
    task = ZooTask(size=SIZE)
    task.weights = dict.fromkeys(task.weights, 0.0)
    with pytest.raises(UsageError, match="All weights"):
        task.losses(planted([70.0], 16, SIZE))


# --- losses


@pytest.mark.parametrize("name", COUNTS)
def test_losses_reach_every_weight(name):
    task = ZooTask(network=name, size=SIZE)
    assert isinstance(task, Task)
    assert set(task.weights) == SUPERVISED
    task.student.load_state_dict(network(name).state_dict())
    task.weights = dict.fromkeys(SUPERVISED, 1.0)
    losses = task.losses(planted([70.0, 80.0], 48, SIZE))
    assert set(losses) == SUPERVISED
    total(losses, task.weights).backward()
    for key, p in task.student.named_parameters():
        # a constant slope is no pulse: the last bias is integrated to nothing that any loss but mse sees
        assert p.grad is not None, key
        assert torch.isfinite(p.grad).all()
        assert p.grad.any() or key == "end.4.bias"


def test_supervised_losses_by_hand():
    batch = planted([70.0, 90.0, 80.0, 230.0], 128, SIZE)
    said = batch.pulse + torch.randn(4, 128, generator=torch.Generator().manual_seed(0))
    assert set(supervised(said, batch.pulse, batch.heart_rate, {"mse", "smell"})) == {"mse"}
    pulse, rate = batch.pulse.clone(), batch.heart_rate.clone()
    pulse[1] = 0.0
    rate[2] = torch.nan
    found = supervised(said, pulse, rate, SUPERVISED)
    own = negative_pearson(said, pulse)
    assert found["pearson"].item() == pytest.approx(own[[0, 2, 3]].mean().item(), abs=1e-6)
    entropy = spectral_cross_entropy(said, batch.heart_rate)  # no pulse, no rate, a rate out of the band
    assert found["spectrum"].item() == pytest.approx(entropy[0].item(), abs=1e-5)
    z = (pulse - pulse.mean(1, keepdim=True)) / pulse.std(1, correction=0, keepdim=True)
    wanted = np.mean([(said - z)[k].square().mean().item() for k in (0, 2, 3)])
    assert found["mse"].item() == pytest.approx(wanted, rel=1e-4)
    louder = supervised(3 * said, pulse, rate, SUPERVISED)
    assert louder["pearson"].item() == pytest.approx(found["pearson"].item(), abs=1e-5)
    assert louder["mse"] > 2 * found["mse"]


@pytest.mark.parametrize("name", sorted(SUPERVISED))
def test_losses_of_a_batch_are_the_mean_of_its_clips(name):
    task = ZooTask(size=SIZE)
    task.weights = {name: 1.0}
    task.student.eval()
    batch = planted([70.0, 90.0, 55.0], 64, SIZE)
    with torch.no_grad():
        alone = [
            task.losses(
                replace(batch, clip=batch.clip[[k]], pulse=batch.pulse[[k]], heart_rate=batch.heart_rate[[k]])
            )[name].item()
            for k in range(3)
        ]
        assert task.losses(batch)[name].item() == pytest.approx(np.mean(alone), abs=1e-5)
    assert np.std(alone) > 1e-4


def test_recipes_and_cards():
    from perfuse.learn.recipe import Recipe

    assert "zoo/ci" in recipes()
    for name in NETWORKS:
        task = make_task(Recipe("zoo", model={"network": name}, weights={"spectrum": 0.1}))
        card = task.card()
        assert card["name"] == name
        assert card["provenance"] == "paper"
        assert card["view"] == {"kind": "crop", "size": 36, "rate_hz": 30.0}
        assert card["deviations"].endswith(".")


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
def test_exported(tmp_path, name):
    pytest.importorskip("onnxscript")
    from perfuse.export.bundle import export

    task = ZooTask(network=name, size=SIZE)
    task.student.load_state_dict(network(name).state_dict())
    assert export(task.student, task.card(), tmp_path / "b") < 1e-4
