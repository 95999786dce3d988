"""How LQ-rPPG learns: every loss alone, what targets ask of which level, whose label counts, and that it works."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from perfuse.core.errors import UsageError  # noqa: E402
from perfuse.core.view import Crop, Grid  # noqa: E402
from perfuse.learn.loop import train  # noqa: E402
from perfuse.learn.recipe import Augment, Optimiser, Recipe, Simulated, Validation  # noqa: E402
from perfuse.learn.task import Task  # noqa: E402
from perfuse.nn.trust import Trust  # noqa: E402
from perfuse.papers.known import find_recipe, make_task, recipes  # noqa: E402
from perfuse.papers.lq_rppg import task as task_module  # noqa: E402
from perfuse.papers.lq_rppg.labels.prepare import prepared, standard  # noqa: E402
from perfuse.papers.lq_rppg.task import TARGETS, LqTask  # noqa: E402
from perfuse.signal.filters import bandpass  # noqa: E402
from perfuse.signal.spectrum import strongest_hz  # noqa: E402
from planted import RATE, planted  # noqa: E402

SIZE, FRAMES, BITS = 5, 96, 3
BAND_HZ = (0.6, 4.0)
LOSSES = ("codes", "pearson", "frequency", "quality")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def few_labels(monkeypatch):
    """Fit code books to 32 labels, which takes a fifth of a second."""
    monkeypatch.setattr(task_module, "code_books", partial(task_module.code_books, count=32))


def made(**changes):
    torch.manual_seed(0)
    return LqTask(**{"stem": "grid", "mixer": "conv", "size": SIZE, "n_bits": BITS, **changes})


def only(task, *names):
    task.weights = dict.fromkeys(LOSSES, 0.0) | dict.fromkeys(names, 1.0)
    return task


@pytest.fixture(scope="module")
def batch():
    """Three clips; the sensor's label is another wave than the face's."""
    found = planted([72.0, 55.0, 100.0], FRAMES, SIZE, depth=3.0, seed=1)
    return replace(found, contact=found.pulse.roll(5, 1).square())


def part(batch, *rows, **changes):
    own = list(rows)
    series = {n: getattr(batch, n)[own] for n in ("clip", "pulse", "contact", "contact_valid", "heart_rate")}
    return replace(batch, **series, items=np.arange(len(own)), **changes)


# --- what it is


def test_what_a_task_is(batch):
    task = made()
    assert isinstance(task, Task)
    assert set(task.weights) == set(LOSSES)
    assert {"lq_rppg/ci", "lq_rppg/desk", "lq_rppg/full"} <= set(recipes())
    said = task.student.eval()(batch.clip)
    assert set(said) == {"pulse", "quality"}
    assert said["pulse"].shape == (3, FRAMES)
    assert said["quality"].shape == (3,)
    assert {name.split(".")[0] for name in task.student.state_dict()} == {"network", "trust"}
    assert set(made(trust=False).student.eval()(batch.clip)) == {"pulse"}
    assert made(trust=False).weights["quality"] == 0
    assert torch.allclose(standard(task.student.network(batch.clip)["pulse"]), said["pulse"], atol=1e-5)


def test_views():
    assert made().view == Grid(SIZE, SIZE, 30.0)
    assert made(size=0).view == Grid(9, 9, 30.0)
    assert isinstance(made(stem="lite", size=0).view, Crop)
    assert made(stem="lite", size=0).view.size == 36


def test_code_books_travel_with_the_student():
    """In its buffers, so in checkpoint and bundle; another task of other books takes them over from there."""
    task, other = made(books_seed=0), made(books_seed=1)
    for k, book in enumerate(task.books):
        assert len(book.levels) == 2 ** (k + 1)
        held = [v for v in task.student.network.buffers() if v.shape == book.levels.shape]
        assert any(torch.equal(v, book.levels) for v in held)
    assert not torch.equal(task.books[1].levels, other.books[1].levels)
    other.student.load_state_dict(task.student.state_dict())
    held = [v for v in other.student.network.buffers() if v.shape == (4,)]
    assert any(torch.equal(v, task.books[1].levels) for v in held)
    assert not any(p.requires_grad for p in task.helpers.parameters())


def test_a_head_judges_by_what_it_is_told(batch):
    """Nothing of it depends on batch-mates, all is finite for silence, and no gradient leads away from it."""
    torch.manual_seed(0)
    head = Trust(2, tokens=4)
    waves = [batch.pulse.clone().requires_grad_(), batch.contact.clone().requires_grad_()]
    tokens = torch.randn(3, FRAMES, 4)
    whole = head(batch.clip, waves, tokens)
    alone = head(batch.clip[1:2], [w[1:2] for w in waves], tokens[1:2])
    assert torch.allclose(whole[1:2], alone, atol=1e-4)
    whole.sum().backward()
    assert all(wave.grad is None for wave in waves)
    silence = head(torch.zeros_like(batch.clip), [torch.zeros_like(w) for w in waves], torch.zeros_like(tokens))
    assert torch.isfinite(silence).all()
    large = Trust(1)(torch.rand(1, 3, FRAMES, 36, 36) * 200, [batch.pulse[:1]])
    assert large.shape == (1,)


# --- what is asked of which level


def test_targets(batch):
    found = {name: made(target=name).targets(batch) for name in TARGETS}
    label = prepared(batch.pulse, RATE, (0.6, 4.0))
    for waves, index, used in found.values():
        assert used.tolist() == [True] * 3
        assert all(wave.shape == (3, FRAMES) for wave in waves)
        assert all(codes.dtype == torch.int64 for codes in index)
    assert torch.equal(found["raw"][0][0], standard(batch.pulse))
    assert torch.equal(found["bandpassed"][0][0], label)
    assert [len(found[name][0]) for name in TARGETS] == [BITS, 1, 1, 1]
    assert [len(found[name][1]) for name in TARGETS] == [BITS, 1, 0, 0]
    books = made().books
    errors = []
    for k, (wave, index) in enumerate(zip(*found["multibit"][:2])):
        assert torch.equal(wave, books[k].levels[index])
        assert len(wave.unique()) <= 2 ** (k + 1)
        errors.append(float((wave - label).square().mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.1 * errors[0]
    assert torch.equal(found["quantised"][0][0], found["multibit"][0][-1])
    paper = made(target="bandpassed", band="paper").targets(batch)[0][0]
    assert (paper - label).abs().max() > 0.01


def test_the_sensor_may_teach(batch):
    """Then the face's own pulse is never looked at, and clips with a sample that did not arrive teach nothing."""
    valid = batch.contact_valid.clone()
    valid[2, 50] = False
    given = replace(batch, contact_valid=valid, pulse=torch.full_like(batch.pulse, torch.nan))
    task = made(label="contact")
    waves, _, used = task.targets(given)
    assert used.tolist() == [True, True, False]
    assert all(torch.isfinite(wave).all() for wave in waves)
    task = only(task, "codes", "pearson", "frequency")
    task.student.eval()
    losses = task.losses(given)
    alone = task.losses(part(given, 0, 1))
    for name in ("codes", "pearson", "frequency"):
        assert losses[name].item() == pytest.approx(alone[name].item(), rel=1e-4)
    own = only(made(label="pulse"), "codes", "pearson", "frequency").losses(batch)
    assert abs(own["codes"] - losses["codes"]) > 1e-3


@pytest.mark.parametrize("target", TARGETS)
def test_only_judged_levels_are_judged(batch, target):
    """The last level always; the coarse ones' own heads only where all are."""
    task = only(made(target=target), "pearson")
    waves = task.targets(batch)[0]
    task.student.eval()
    z, r, _ = task.student.levels(batch.clip)
    wanted = sum(
        1 - np.corrcoef(said.detach(), wave)[0, 1]
        for s, w in zip(r[-len(waves) :], waves)
        for said, wave in zip(s, w)
    )
    assert task.losses(batch)["pearson"].item() == pytest.approx(wanted / 3, abs=1e-3)
    assert len(z) == len(r) == BITS


# --- losses


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_alone(batch, name):
    task = only(made(), name)
    losses = task.losses(batch)
    assert set(losses) - {"right"} == {name}
    assert all(loss.shape == () and torch.isfinite(loss) for loss in losses.values())
    losses[name].backward()
    reached = {n.split(".")[0] for n, p in task.student.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached == ({"trust"} if name == "quality" else {"network"})


@pytest.mark.parametrize("name", LOSSES)
def test_batch_mates_do_not_matter(batch, name):
    task = only(made(), name)
    task.student.eval()
    with torch.no_grad():
        alone = [task.losses(part(batch, k))[name].item() for k in range(3)]
        assert task.losses(batch)[name].item() == pytest.approx(np.mean(alone), abs=1e-4)
        assert np.std(alone) > 1e-5
        if name != "quality":
            still = replace(batch, pulse=batch.pulse * torch.tensor([[1.0], [0.0], [torch.nan]]))
            assert task.losses(still)[name].item() == pytest.approx(alone[0], abs=1e-4)


def test_without_a_pulse_only_trust_is_learnt(batch):
    task = made()
    nothing = replace(batch, pulse=torch.zeros_like(batch.pulse), heart_rate=torch.full((3,), torch.nan))
    losses = task.losses(nothing)
    assert all(losses[name] == 0 for name in ("codes", "pearson", "frequency", "right"))
    assert losses["quality"] > 0
    sum(task.weights[name] * losses[name] for name in LOSSES).backward()
    assert all(p.grad is None or not p.grad.any() for p in task.student.network.parameters())
    assert any(p.grad is not None and p.grad.any() for p in task.student.trust.parameters())


def test_what_does_not_fit_is_told(batch):
    for wrong, text in (
        ({"target": "multi"}, r"no target 'multi'.*multibit"),
        ({"label": "finger"}, "no label 'finger'"),
        ({"band": "wide"}, "no band 'wide'"),
        ({"quantiser": "loyd"}, "no quantiser 'loyd'"),
        ({"n_bits": 7}, "7 bits"),
        ({"n_bits": 0}, "0 bits"),
    ):
        with pytest.raises(UsageError, match=text):
            made(**wrong)
    with pytest.raises(UsageError, match="All weights of the losses are 0"):
        only(made()).losses(batch)
    with pytest.raises(UsageError, match=r"raw is not rounded"):
        only(made(target="raw"), "codes").losses(batch)
    with pytest.raises(UsageError, match=r"no head.*trust"):
        only(made(trust=False), "quality").losses(batch)
    with pytest.raises(UsageError, match="does not fit lq_rppg"):
        make_task(Recipe("lq_rppg", model={"depth": 3}))
    assert made(target="raw").weights["codes"] == made(target="bandpassed").weights["codes"] == 0


def test_cards_say_what_is_the_papers():
    card = made().card()
    assert card["provenance"] == "paper"
    for words in ("trained here on simulated people", "grid", "conv", "Lloyd", "0.6 to 4 Hz", "quality head"):
        assert words in card["deviations"]
    assert card["view"] == {"kind": "grid", "rows": SIZE, "cols": SIZE, "rate_hz": 30.0}
    plain = made(trust=False, target="raw", band="paper").card()["deviations"]
    assert "target raw" in plain
    assert "quality" not in plain
    assert "Hz" not in plain


# --- with the loop


def recipe(**changes):
    plain = Recipe(
        "lq_rppg",
        steps=4,
        batch=2,
        frames=FRAMES,
        simulated=Simulated(domains={"noisy-labels": 1.0}),
        model={"stem": "grid", "mixer": "conv", "size": SIZE, "n_bits": 2, "label": "contact"},
        augment=Augment(flip=0.0),
        optimiser=Optimiser(lr=1e-3, warmup=2),
        validation=Validation(every=0),
        save_every=2,
        workers=0,
        device="cpu",
    )
    return replace(plain, **changes)


class Stop:
    """Stop a training after some steps, as Ctrl-C would."""

    def __init__(self, after):
        self.after = after

    def __call__(self, done, *_):
        if done == self.after:
            raise KeyboardInterrupt


def test_a_stopped_training_goes_on(tmp_path):
    whole, parts = make_task(recipe()), make_task(recipe())
    train(recipe(), whole, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(recipe(), parts, tmp_path / "parts", progress=Stop(2))
    on = make_task(recipe())
    train(recipe(), on, tmp_path / "parts")
    for name, value in whole.student.state_dict().items():
        assert torch.equal(on.student.state_dict()[name], value), name
    last = json.loads((tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()[-1])
    assert {"codes", "pearson", "frequency", "quality", "right"} <= set(last)


def read(task, batch):
    task.student.eval()
    with torch.no_grad():
        said = task.student(batch.clip)["pulse"].double().numpy()
    return np.array([60 * strongest_hz(bandpass(wave, RATE, *BAND_HZ), RATE, BAND_HZ) for wave in said])


@pytest.mark.slow
def test_it_learns_to_read_a_planted_pulse():
    held_out = planted([66.0, 84.0, 103.0], 160, SIZE, depth=1.5, seed=10**6)
    truth = held_out.heart_rate.numpy()
    task = made()
    assert np.abs(read(task, held_out) - truth).max() > 3
    optimiser = torch.optim.AdamW(task.student.parameters(), 3e-3)
    task.student.train()
    told = []
    for step in range(150):
        rates = np.random.default_rng(step).uniform(50, 120, 8).tolist()
        losses = task.losses(planted(rates, 128, SIZE, depth=1.5, seed=step))
        total = sum(task.weights[name] * loss for name, loss in losses.items() if task.weights.get(name))
        optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(task.student.parameters(), 1.0)
        optimiser.step()
        told.append(losses["pearson"].item() / BITS)
    assert np.mean(told[-10:]) < 0.5 * np.mean(told[:10])
    assert np.abs(read(task, held_out) - truth).max() < 3


@pytest.mark.slow
@pytest.mark.parametrize("mixer", ["conv", "mamba"])
def test_a_bundle_holds_its_code_books_and_its_doubt(tmp_path, mixer):
    from safetensors.torch import load_file

    from perfuse.export.bundle import export
    from perfuse.methods.student import load_bundle

    task = made(mixer=mixer)
    with torch.no_grad():
        task.student.train()(planted([70.0, 90.0], FRAMES, SIZE).clip)
    assert export(task.student, task.card() | {"name": "lq-mine"}, tmp_path) < 1e-4
    held = load_file(tmp_path / "model.safetensors")
    for book in task.books:
        assert any(torch.equal(value, book.levels) for value in held.values())
    assert load_bundle(tmp_path).card.name == "lq-mine"
    import onnxruntime

    outputs = [x.name for x in onnxruntime.InferenceSession(tmp_path / "model.onnx").get_outputs()]
    assert outputs == ["pulse", "quality"]


@pytest.mark.parametrize("name", ["lq_rppg/ci", "lq_rppg/desk", "lq_rppg/full"])
def test_recipes_that_ship_a_network_fit_the_rates_of_the_house(name):
    task = make_task(find_recipe(name))
    assert task.band == "house"
    assert task.rates[1] >= 200
