"""Several devices: the weights of one, whoever works beside; who is lost is told. TensorBoard hears of it."""

import json
import multiprocessing
import os
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from perfuse.cli import main
from perfuse.core.errors import UsageError
from perfuse.core.view import Grid
from perfuse.learn import checkpoint
from perfuse.learn.devices import average_gradients, average_losses, packed, share_of
from perfuse.learn.journal import read
from perfuse.learn.loop import train
from perfuse.learn.recipe import Augment, Optimiser, Recipe, Simulated, Validation, load_recipe
from perfuse.synth.stream import stream


class Reader(nn.Module):
    """A small network; ``spare`` never gets a gradient."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(3, 4, 5, padding=2), nn.ELU(), nn.Conv1d(4, 1, 1))
        self.spare = nn.Parameter(torch.ones(2))

    def forward(self, clip):
        return {"pulse": self.layers(clip.mean((3, 4)) / 64 - 2)[:, 0]}


class Plain:
    """A loss that is a plain mean over clips."""

    name, needs, view = "plain", frozenset({"pulse"}), Grid(3, 3)
    weights = {"mse": 1.0}  # noqa: RUF012

    def __init__(self):
        torch.manual_seed(0)
        self.student, self.helpers = Reader(), nn.Module()

    def losses(self, batch):
        return {"mse": (self.student(batch.clip)["pulse"] - batch.pulse).pow(2).mean()}

    def card(self):
        return {}


class Leaves(Plain):
    """Its second process is gone at the third step."""

    asked = 0

    def losses(self, batch):
        self.asked += 1
        if self.asked == 3 and multiprocessing.parent_process() is not None:
            os._exit(3)
        return super().losses(batch)


class Sour(Plain):
    """No number, but in the share of the second process only."""

    def losses(self, batch):
        mse = super().losses(batch)["mse"]
        return {"mse": mse * float("nan") if multiprocessing.parent_process() is not None else mse}


@pytest.fixture
def recipe():
    return Recipe(
        "plain",
        steps=6,
        batch=4,
        frames=32,
        simulated=Simulated(domains={"lab": 1.0}),
        augment=Augment(noise=1.0, gain=0.1),
        validation=Validation(every=3, clips=4, domains={"lab": 1.0}),
        save_every=2,
        device="cpu",
        workers=0,
        optimiser=Optimiser(lr=1e-2, warmup=1),
    )


def weights_of(folder, recipe):
    state = checkpoint.load(folder, recipe.mark())
    assert state["step"] == recipe.steps
    return torch.cat([value.flatten() for value in state["weights"].values()])


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_and_one_goes_on_from_two(recipe, tmp_path):
    train(recipe, Plain(), tmp_path / "one")
    two = replace(recipe, devices=2)
    done = train(two, Plain(), tmp_path / "two")
    assert done.steps == 6
    alone = weights_of(tmp_path / "one", recipe)
    start = torch.cat([value.flatten() for value in Plain().student.state_dict().values()])
    assert (alone - start).abs().max() > 1e-3
    assert torch.allclose(weights_of(tmp_path / "two", two), alone, atol=1e-6)
    for one, other in zip(read(tmp_path / "one"), read(tmp_path / "two"), strict=True):
        assert {k: v for k, v in one.items() if k != "waiting"} == pytest.approx(
            {k: v for k, v in other.items() if k != "waiting"}, rel=1e-3, abs=1e-5
        )

    def stop(step, *_):
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(two, Plain(), tmp_path / "cut", progress=stop)
    assert not multiprocessing.active_children()
    assert "MASTER_PORT" not in os.environ
    told = []
    train(recipe, Plain(), tmp_path / "cut", progress=lambda *words: told.append(words))
    assert told[0] == (4, 6, "going on")
    assert torch.allclose(weights_of(tmp_path / "cut", recipe), alone, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "why"), [(Leaves, r"A process of the training ended \(exit code 3\)"), (Sour, "loss mse was no number")]
)
def test_who_is_lost_and_what_is_no_number_is_told(recipe, tmp_path, task, why):
    with pytest.raises(UsageError, match=why):
        train(replace(recipe, devices=2), task(), tmp_path)
    assert not multiprocessing.active_children()


def test_shares_make_up_the_batch():
    batch = next(stream(Grid(3, 3), batch=6, frames=32, seed=1, domains="lab", device="cpu"))
    batch = replace(batch, taught={"pulse": batch.pulse * 2})
    parts = [share_of(batch, rank, 3) for rank in range(3)]
    assert share_of(batch, 0, 1) is batch
    for rank, part in enumerate(parts):
        assert torch.equal(part.clip, batch.clip[[rank, rank + 3]])
        assert torch.equal(part.taught["pulse"], part.pulse * 2)
        assert part.settings == (batch.settings[rank], batch.settings[rank + 3])
        assert (part.radar, part.rate_hz) == (None, batch.rate_hz)
    assert sorted(np.concatenate([part.items for part in parts])) == list(batch.items)


class Together:
    """A fabric that adds what another process has."""

    world_size, device = 2, "cpu"

    def __init__(self, other):
        self.other = other

    def all_reduce(self, values, reduce_op):
        assert reduce_op == "sum"
        return values + torch.tensor(self.other)


def test_gradients_become_means_and_none_stays_none():
    learnt = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    learnt[0].grad = torch.tensor([1.0, 2.0])
    average_gradients(Together([1.0, 1.0, 0.0, 3.0, 4.0, 8.0, 0.0]), learnt)
    assert learnt[0].grad.tolist() == [2.0, 3.0]
    assert learnt[1].grad.tolist() == [4.0]
    assert learnt[2].grad is None
    assert average_losses(Together([3.0, float("nan")]), {"a": 1.0, "b": 1.0}) == pytest.approx(
        {"a": 2.0, "b": float("nan")}, nan_ok=True
    )


def test_devices_are_checked_and_decide_no_weights(recipe, tmp_path):
    assert replace(recipe, devices=2).mark() == recipe.mark()
    with pytest.raises(UsageError, match="devices: 3 cannot share a batch of 4"):
        replace(recipe, devices=3)
    (tmp_path / "r.yaml").write_text(json.dumps({"task": "blend", "devices": 0}))
    with pytest.raises(UsageError, match="devices: 0"):
        load_recipe(tmp_path / "r.yaml")
    task = Plain()
    task.student.hook = lambda x: x
    with pytest.raises(UsageError, match=r"plain cannot be handed.*devices: 1"):
        packed(recipe, task, tmp_path)


class Events:
    """Keeps what TensorBoard would be told."""

    made = None

    def __init__(self, folder, purge_step):
        self.folder, self.purge_step, self.values, self.flushed = folder, purge_step, [], 0
        Events.made = self

    def add_scalar(self, name, value, step):
        self.values.append((name, value, step))

    def flush(self):
        self.flushed += 1


def test_tensorboard_is_told_what_the_journal_is(recipe, tmp_path, monkeypatch):
    import perfuse.learn.loop as loop

    monkeypatch.setattr(loop, "events_writer", lambda: Events)
    train(recipe, Plain(), tmp_path, tensorboard=True)
    told = [(name, value, line["step"]) for line in read(tmp_path) for name, value in line.items() if name != "step"]
    assert {"total", "mse", "val_r"} <= {name for name, _, _ in told}
    assert Events.made.values == told
    assert (Events.made.folder, Events.made.purge_step) == (str(tmp_path), 1)
    assert Events.made.flushed == len(read(tmp_path))


def test_a_missing_tensorboard_is_told_before_anything_is_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    assert main(["train", "blend/ci", "--out", str(tmp_path / "run"), "--tensorboard"]) == 5
    assert "pip install tensorboard" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
