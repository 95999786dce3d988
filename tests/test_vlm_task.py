"""How the PhysVLM-style student trains: losses that grow, labels that are missing, lessons, even batches."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from perfuse.core.errors import SourceError, UsageError  # noqa: E402
from perfuse.core.view import Grid  # noqa: E402
from perfuse.learn import checkpoint  # noqa: E402
from perfuse.learn.augment import augment, cut  # noqa: E402
from perfuse.learn.bank import open_bank  # noqa: E402
from perfuse.learn.clips import batch_of  # noqa: E402
from perfuse.learn.evenly import Evenly, joined  # noqa: E402
from perfuse.learn.loop import train  # noqa: E402
from perfuse.learn.people import People  # noqa: E402
from perfuse.learn.recipe import Augment, Optimiser, Recipe, Simulated, Validation  # noqa: E402
from perfuse.learn.sources import mixed, sources  # noqa: E402
from perfuse.learn.task import Paced, Task, Taught  # noqa: E402
from perfuse.nn.trust import follows  # noqa: E402
from perfuse.papers.known import find_recipe, make_task, recipes  # noqa: E402
from perfuse.papers.physvlm import objective as goal  # noqa: E402
from perfuse.papers.physvlm.model import Student  # noqa: E402
from perfuse.papers.physvlm.priors import believed, key, write_priors  # noqa: E402
from perfuse.papers.physvlm.provide import load_teacher  # noqa: E402
from perfuse.papers.physvlm.task import JUDGED, MARGIN, VlmTask, labels_of, other_view  # noqa: E402
from perfuse.papers.physvlm.teachers import SpectralTeacher  # noqa: E402
from perfuse.papers.physvlm.tiny import TinyDualEncoder, save_tiny  # noqa: E402
from perfuse.papers.physvlm.tiny_task import TinyTask  # noqa: E402
from perfuse.synth.stream import stream  # noqa: E402

FRAMES = 144
SEED = 9
"""Of six clips with an adult, an infant, and nobody among them."""
EASY = {"pulse_depth": 0.02, "motion": "still"}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def batch():
    domains = {"lab": 0.4, "neonate": 0.3, "no-pulse": 0.3}
    return next(stream(Grid(8, 8, 30.0, MARGIN), batch=6, frames=FRAMES, seed=SEED, domains=domains, device="cpu"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def placed(cache, monkeypatch):
    monkeypatch.setenv("PERFUSE_CACHE", str(cache))


def recipe(**changes):
    plain = Recipe(
        "physvlm",
        steps=4,
        batch=2,
        frames=FRAMES,
        crop=128,
        balanced=True,
        simulated=Simulated(domains={"lab": 0.5, "neonate": 0.5}, asked=EASY, bank=6),
        model={"channels": 4, "teacher": "spectral", "window": 128},
        optimiser=Optimiser(lr=1e-3, warmup=2),
        validation=Validation(every=0),
        save_every=2,
        workers=0,
        device="cpu",
    )
    return replace(plain, **changes)


def task(seed=0, **model):
    torch.manual_seed(seed)
    return VlmTask(**{"channels": 4, "window": 128, **model})


def summed(found, weights):
    return sum(weights[name] * value for name, value in found.items() if weights.get(name))


# --- the task


def test_it_is_a_task():
    made = task(teacher="spectral")
    assert isinstance(made, Task)
    assert isinstance(made, Taught)
    assert isinstance(made, Paced)
    names = {"physvlm/ci", "physvlm/desk", "physvlm/full", "physvlm/tiny-desk", "physvlm/ship"}
    assert names <= set(recipes())


def test_every_weighed_loss_is_told_and_teaches(batch):
    made = task(teacher="spectral")
    found = made.losses(batch)
    assert {name for name, weight in made.weights.items() if weight} <= set(found)
    for name in goal.WEIGHTS:
        if name in ("gates", "coupling"):  # 0 where octaves or rhythms do not meet, as at the start
            continue
        parts = [p for m in (made.student, made.helpers) for p in m.parameters()]
        given = torch.autograd.grad(found[name], parts, retain_graph=True, allow_unused=True)
        assert any(g is not None and g.abs().sum() > 0 for g in given), name


@pytest.mark.parametrize("name", sorted({*goal.WEIGHTS, *JUDGED}))
def test_every_loss_can_be_switched_off(batch, name):
    made = task(teacher="spectral")
    before = dict(made.weights)
    made.weights = {**dict.fromkeys(before, 0.0), "pulse": 1.0, name: 1.0}
    found = made.losses(batch)
    assert name in found
    made.weights = {**before, name: 0.0}
    wanted = summed(found, before) - before[name] * found[name]
    assert torch.allclose(summed(found, made.weights), wanted, atol=1e-4)


@pytest.mark.parametrize("name", JUDGED)
def test_the_judges_teach_the_network_nothing(batch, name):
    made = task()
    found = made.losses(batch)[name]
    given = torch.autograd.grad(found, list(made.student.network.parameters()), allow_unused=True, retain_graph=True)
    assert all(g is None for g in given)
    judge = {"quality": made.student.trust, "breath_quality": made.student.breath_trust}[name]
    given = torch.autograd.grad(found, list(judge.parameters()))
    assert any(g.abs().sum() > 0 for g in given)


def test_breathing_is_right_where_it_follows_its_label():
    time = torch.arange(512) / 30
    label = torch.sin(2 * torch.pi * 0.25 * time).expand(4, -1)
    noise = torch.randn(512, generator=torch.Generator().manual_seed(0))
    said = torch.stack([label[0], -3 * label[0] + 7, noise, label[0] + 0.5 * noise])
    assert follows(said, label).tolist() == [1, 1, 0, 1]
    assert follows(said, torch.zeros_like(label)).tolist() == [0, 0, 0, 0]
    assert follows(said, torch.full_like(label, torch.nan)).tolist() == [0, 0, 0, 0]


def test_weights_grow_with_the_share_of_steps():
    made = task(teacher="spectral")
    weights = {name: 2 * weight for name, weight in made.weights.items()}
    start, end = made.weights_at(weights, 0.0), made.weights_at(weights, 1.0)
    assert start["embedding"] == 0.0
    assert start["pulse"] == weights["pulse"]
    assert start["quality"] == weights["quality"]
    assert end["embedding"] == pytest.approx(weights["embedding"], rel=1e-3)
    halves = [made.weights_at(weights, done / 10)["heart_rate"] for done in range(11)]
    assert halves == sorted(halves)


def test_the_loop_says_how_far_it_is(tmp_path):
    seen = []

    class Told(VlmTask):
        def weights_at(self, weights, done):
            seen.append(done)
            return super().weights_at(weights, done)

    torch.manual_seed(0)
    made = Told(channels=4, window=128)
    train(recipe(model={"channels": 4, "window": 128}), made, tmp_path / "run")
    assert seen == [0.0, 0.25, 0.5, 0.75]


def test_what_has_no_label_teaches_nothing(batch):
    made = task(teacher="spectral")
    bare = replace(
        batch,
        pulse=torch.zeros_like(batch.pulse),
        respiration=torch.zeros_like(batch.respiration),
        heart_rate=torch.full_like(batch.heart_rate, torch.nan),
        respiratory_rate=torch.full_like(batch.respiratory_rate, torch.nan),
    )
    found = made.losses(bare)
    for name in ("pulse", "respiration", "heart_rate", "respiratory_rate", "pulse_line", "breath_line"):
        assert float(found[name].detach()) == 0.0
    assert all(torch.isfinite(value) for value in found.values())


def test_a_clip_without_labels_changes_no_gradient(batch):
    """Of what labels teach; the mean is over all clips."""
    made = task()
    made.weights = dict.fromkeys(("pulse", "respiration", "pulse_line"), 1.0)
    rows = torch.tensor([0, 1])
    whole = replace(
        batch,
        **{n: getattr(batch, n)[rows] for n in ("clip", "pulse", "contact", "contact_valid", "respiration")},
        heart_rate=batch.heart_rate[rows],
        respiratory_rate=batch.respiratory_rate[rows],
        items=batch.items[:2],
        settings=(),
    )
    part = replace(
        whole,
        pulse=whole.pulse * torch.tensor([[1.0], [0.0]]),
        respiration=whole.respiration * torch.tensor([[1.0], [0.0]]),
        heart_rate=torch.where(torch.tensor([True, False]), whole.heart_rate, torch.nan),
        respiratory_rate=torch.where(torch.tensor([True, False]), whole.respiratory_rate, torch.nan),
    )
    alone = replace(
        part,
        **{n: getattr(part, n)[:1] for n in ("clip", "pulse", "contact", "contact_valid", "respiration")},
        heart_rate=part.heart_rate[:1],
        respiratory_rate=part.respiratory_rate[:1],
        items=part.items[:1],
    )
    weights = list(made.student.network.parameters())
    first, second = (
        torch.autograd.grad(summed(made.losses(one), made.weights), weights, allow_unused=True)
        for one in (part, alone)
    )
    for one, other in zip(first, second, strict=True):
        if one is not None:
            assert torch.allclose(2 * one, other, atol=1e-5)


def test_who_is_simulated_is_known(batch):
    labels = labels_of(batch)
    assert labels.beats.tolist() == [one.domain != "no-pulse" or one.alive for one in batch.settings]
    assert labels.adult.tolist() == [one.domain != "neonate" and one.age_y >= 1 for one in batch.settings]
    assert {True, False} <= set(labels.adult.tolist())
    strangers = labels_of(replace(batch, settings=()))
    assert strangers.beats.all()
    assert strangers.breathes.all()
    assert (strangers.adult == ~(batch.heart_rate > 110)).all()


def test_another_view_is_the_same_person(batch):
    torch.manual_seed(0)
    other = other_view(batch.clip)
    seen = torch.isfinite(other)
    blind = (~seen).all(2).all(1)
    assert ((~seen).any(2).any(1) == blind).all()
    assert set(blind.flatten(1).sum(1).tolist()) <= {0, 4}
    assert other.shape == batch.clip.shape
    torch.manual_seed(0)
    assert torch.equal(other_view(batch.clip).nan_to_num(), other.nan_to_num())


def test_two_views_read_alike_cost_nothing(batch, monkeypatch):
    from perfuse.papers.physvlm import task as room

    made = task(views=0.5)
    assert float(made.losses(batch)["view"].detach()) > 0
    shown = []
    monkeypatch.setattr(room, "other_view", lambda clip: shown.append(len(clip)) or clip)
    assert float(made.losses(batch)["view"].detach()) == pytest.approx(0, abs=1e-5)
    assert shown == [3]


@pytest.mark.parametrize(
    "model", [{"wavelets": False}, {"attention": False}, {"wavelets": False, "attention": False}]
)
def test_blocks_can_be_taken_out(batch, model):
    made = task(teacher="spectral", **model)
    found = made.losses(batch)
    summed(found, made.weights).backward()
    assert ("pulse_rhythm" in found) == model.get("attention", True)
    said = made.student(batch.clip)
    assert ("attention" in said) == model.get("attention", True)
    assert sum(p.numel() for p in made.student.parameters()) < sum(p.numel() for p in task().student.parameters())


def test_wrong_parameters_are_told(batch):
    with pytest.raises(UsageError, match="margin"):
        VlmTask(margin=9)
    with pytest.raises(UsageError, match="window"):
        VlmTask(window=64)
    with pytest.raises(UsageError, match="views"):
        VlmTask(views=0)
    made = task()
    made.weights = dict.fromkeys(made.weights, 0.0)
    with pytest.raises(UsageError, match="All weights"):
        made.losses(batch)
    made.weights = {**made.weights, "embedding": 1.0}
    with pytest.raises(UsageError, match="need a teacher"):
        made.losses(batch)
    made = task(teacher="spectral", attention=False)
    made.weights = {**made.weights, "pulse_rhythm": 1.0}
    with pytest.raises(UsageError, match="attention"):
        made.losses(batch)
    made = task(trust=False)
    made.weights = {**made.weights, "quality": 1.0}
    with pytest.raises(UsageError, match="no judge"):
        made.losses(batch)


# --- teachers and lessons


def test_lessons_are_vectors_that_neither_cuts_nor_mirrors_change(batch):
    made = task(teacher="spectral")
    said = made.lesson(batch.clip)
    assert {name: value.shape[:2] for name, value in said.items()} == dict.fromkeys(said, (6, 1))
    taught = replace(batch, taught=said)
    generator = torch.Generator().manual_seed(0)
    after = augment(cut(taught, 128, generator), Augment(flip=1.0), generator)
    assert all(torch.equal(after.taught[name], value) for name, value in said.items())


def test_lessons_teach_what_the_teacher_would(batch):
    made = task(teacher="spectral")
    live = made.losses(batch)
    kept = made.losses(replace(batch, taught=made.lesson(batch.clip)))
    for name in goal.TAUGHT:
        assert torch.allclose(live[name], kept[name], atol=1e-5)


def test_a_wrong_teacher_is_believed_less():
    sure = torch.zeros(1, 41)
    sure[0, 8] = 1.0  # 80 per minute
    right, wrong = believed(sure, torch.tensor([80.0])), believed(sure, torch.tensor([120.0]))
    assert float(right) > 0.9
    assert float(wrong) < 0.05
    assert float(believed(sure, torch.tensor([torch.nan]))) > 0.9


def test_the_key_of_lessons_is_the_teachers(tmp_path):
    torch.manual_seed(0)
    save_tiny(TinyDualEncoder(), tmp_path / "tiny.safetensors")
    keys = [task(teacher=who).lesson_key() for who in ("spectral", "spectral", str(tmp_path / "tiny.safetensors"))]
    assert keys[0] == keys[1] != keys[2]


def test_a_cache_teaches_a_bank_and_nothing_else(tmp_path):
    plain = recipe()
    view, how = task().view, plain.simulated
    bank = open_bank(tmp_path / "bank", view, frames=FRAMES, clips=6, seed=0, domains=how.domains, asked=how.asked)
    bank.paint()
    teacher = SpectralTeacher()
    clips = bank.batch(np.arange(6))
    names = [key("clip", row, clip) for row, clip in enumerate(clips.clip)]
    path = tmp_path / "said.safetensors"
    write_priors(path, teacher, [(names, clips.clip, None)], domains=["lab", "neonate"])
    made = task(teacher=str(path))
    live = task(teacher="spectral")
    for name, value in made.lesson(clips.clip).items():
        assert torch.allclose(value, live.lesson(clips.clip)[name], atol=1e-5)
    with pytest.raises(SourceError, match="was not asked"):
        made.lesson(clips.clip + 1)
    with pytest.raises(UsageError, match="lessons"):
        made.losses(clips)
    with pytest.raises(UsageError, match="neonate, which is held out"):
        task(teacher=str(path), held_out=["neonate"])
    task(teacher=str(path), held_out=["pure"])


def test_a_teacher_that_knows_the_target_is_refused(tmp_path):
    torch.manual_seed(0)
    teacher = TinyDualEncoder()
    teacher.adapted(["talk"])
    save_tiny(teacher, tmp_path / "tiny.safetensors")
    with pytest.raises(UsageError, match="talk, which is held out"):
        task(teacher=str(tmp_path / "tiny.safetensors"), held_out=["talk"])


# --- who is in a bank, and batches that are even


def test_a_bank_knows_who_is_in_it(tmp_path):
    domains = {"lab": 0.4, "neonate": 0.3, "no-pulse": 0.3}
    view = Grid(2, 2)
    painted = [next(stream(view, batch=3, frames=40, seed=9, domains=domains, first=k)) for k in (0, 255, 256)]
    people = People(9, domains, {}, 40 / 30)
    for batch in painted:
        assert tuple(people.settings(int(item)) for item in batch.items) == batch.settings
        assert [people.domain(int(item)) for item in batch.items] == [one.domain for one in batch.settings]


def test_batches_are_even(tmp_path):
    wanted = recipe(batch=3, frames=128, crop=0)
    ((share, source),) = sources(wanted, task(), "cpu")
    assert share == 1.0
    assert isinstance(source, Evenly)
    running = source.batches(0)
    found = [next(running) for _ in range(6)]
    counts = [[one.domain for one in batch.settings].count("lab") for batch in found]
    assert counts == [2, 1, 2, 1, 2, 1]
    late = next(mixed([(1.0, source)], 0, 4))
    assert late.items.tolist() == found[4].items.tolist()
    assert torch.equal(late.clip, found[4].clip)


def test_painted_batches_are_even_too():
    wanted = recipe(batch=2, frames=32, crop=0, simulated=Simulated(domains={"lab": 0.9, "talk": 0.1}))
    ((_, source),) = sources(wanted, TinyTask(), "cpu")
    running = source.batches(0)
    found = [next(running) for _ in range(2)]
    assert [[one.domain for one in batch.settings] for batch in found] == [["lab", "talk"]] * 2
    late = next(source.batches(1))
    assert torch.equal(late.clip, found[1].clip)


def test_what_is_joined_is_known_where_all_is_known(batch):
    both = joined([batch, batch])
    assert len(both.settings) == 12
    assert both.clip.shape[0] == 12
    assert both.radar is None
    assert joined([batch, replace(batch, settings=())]).settings == ()
    said = {"embedding": torch.ones(6, 1, 4)}
    assert joined([replace(batch, taught=said)] * 2).taught["embedding"].shape == (12, 1, 4)
    assert joined([replace(batch, taught=said), batch]).taught is None


def test_recipes_without_it_keep_their_mark():
    from dataclasses import asdict
    from hashlib import sha256

    plain = recipe(balanced=False)
    told = asdict(plain)
    for name in ("save_every", "workers", "device", "devices", "balanced", "start", "only"):
        del told[name]
    assert plain.mark() == sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]
    assert recipe().mark() != plain.mark()


class Entry:
    """A recording without a pulse wave: a monitor showed its rate, a belt was worn."""

    def __init__(self, signals, frames=600):
        from perfuse.data.recording import Signal

        self.about = {"start_s": 0.0}
        time = np.arange(0, frames / 30, 1 / 30)
        made = {
            "heart_rate": Signal(np.arange(0.0, frames / 30), np.full(frames // 30, 71.0)),
            "respiration": Signal(time, np.sin(2 * np.pi * 0.25 * time)),
            "respiratory_rate": Signal(np.arange(0.0, frames / 30), np.full(frames // 30, 13.0)),
        }
        self.signals = {name: made[name] for name in signals}

    def cells(self, start, stop):
        return np.full((stop - start, 8, 8, 4), 100.0, np.float32)


def test_recordings_come_with_the_labels_they_have():
    made = batch_of(
        [Entry(["heart_rate"]), Entry(["respiration"]), Entry(["respiratory_rate"])], [0, 0, 0], 512, 30.0
    )
    assert not made.pulse.any()
    assert made.heart_rate[0] == 71
    assert torch.isnan(made.heart_rate[1:]).all()
    assert torch.isnan(made.respiratory_rate[0])
    assert made.respiratory_rate[2] == 13
    assert abs(float(made.respiratory_rate[1]) - 15) < 0.5
    assert made.respiration[1].std() == pytest.approx(1, abs=1e-3)
    assert not made.respiration[[0, 2]].any()
    found = task().losses(made)
    assert float(found["pulse"].detach()) == 0
    assert float(found["respiration"].detach()) > 0
    assert float(found["heart_rate"].detach()) > 0
    assert all(torch.isfinite(v) for v in found.values())


# --- trainings


def test_a_run_that_goes_on_ends_the_same(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    asked = recipe(simulated=replace(recipe().simulated, lessons=True))
    train(asked, make_task(asked), whole)

    class StoppedError(Exception):
        pass

    def stop(done, _, __=None):
        if done == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(asked, make_task(asked), parts, progress=stop)
    train(asked, make_task(asked), parts)
    one, other = (checkpoint.load(folder, asked.mark()) for folder in (whole, parts))
    assert one["step"] == other["step"] == 4
    for name, value in one["weights"].items():
        assert torch.equal(value, other["weights"][name]), name


def test_validation_tells_of_breathing(tmp_path):
    asked = recipe(steps=1, validation=Validation(every=1, clips=4, domains={"lab": 1.0}))
    done = train(asked, make_task(asked), tmp_path / "run")
    assert {"r", "mae", "close", "breath_r", "breath_mae"} <= set(done.best)


def test_the_small_teacher_trains_and_teaches(tmp_path):
    asked = replace(
        recipe(frames=256, crop=0, batch=4, steps=2), task="physvlm_tiny", model={},
        validation=Validation(every=2, clips=4, domains={"lab": 1.0}),
    )  # fmt: skip
    train(asked, make_task(asked), tmp_path / "tiny")
    teacher = load_teacher(str(tmp_path / "tiny"))
    assert isinstance(teacher, TinyDualEncoder)
    assert teacher.domains == ("lab", "neonate")
    with pytest.raises(UsageError, match="lab, which is held out"):
        load_teacher(str(tmp_path / "tiny"), held_out=["lab"])
    train(recipe(steps=1), make_task(recipe(steps=1)), tmp_path / "student")
    with pytest.raises(UsageError, match="teaches nobody"):
        load_teacher(str(tmp_path / "student"))
    with pytest.raises(UsageError, match="measures nothing"):
        TinyTask().card()


@pytest.mark.slow
def test_the_ci_recipe_becomes_a_bundle(tmp_path):
    from perfuse.export.bundle import export
    from perfuse.export.run import open_run
    from perfuse.methods.student import open_bundle

    train(find_recipe("physvlm/ci"), make_task(find_recipe("physvlm/ci")), tmp_path / "run")
    made, card = open_run(tmp_path / "run")
    told = {"pulse", "respiration", "attention", "quality", "respiration_quality"}
    assert set(made.student(torch.rand(1, 3, 128, 8, 8) * 100)) == told
    export(made.student, card, tmp_path / "bundle")
    method = open_bundle(tmp_path / "bundle")
    assert method.view == Grid(8, 8, 30.0, MARGIN)


def test_the_network_of_the_room_is_unchanged(batch):
    """The wrapper adds a judge, and leaves the scalar heads out."""
    torch.manual_seed(0)
    network = Student(4).eval()
    made = task(0, trust=False).student.eval()
    made.network.load_state_dict(network.state_dict())
    assert torch.equal(made(batch.clip)["pulse"], network(batch.clip)["pulse"])
    assert set(made(batch.clip)) == {"pulse", "respiration", "attention"}
