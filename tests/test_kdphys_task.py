"""How KDPhys-style networks learn: every loss alone, who teaches, what is written down of it, and that it works."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from safetensors.torch import save_file  # noqa: E402

from perfuse.core.errors import SourceError, UsageError  # noqa: E402
from perfuse.learn.loop import train  # noqa: E402
from perfuse.learn.recipe import Augment, Optimiser, Recipe, Simulated, Stage, Validation  # noqa: E402
from perfuse.learn.task import Task, Taught  # noqa: E402
from perfuse.papers.kdphys.imported import NAMES  # noqa: E402
from perfuse.papers.kdphys.model import NETWORKS, Teacher  # noqa: E402
from perfuse.papers.kdphys.task import TAUGHT, KdphysTask  # noqa: E402
from perfuse.papers.kdphys.teachers import load_teacher  # noqa: E402
from perfuse.papers.known import make_task, recipes  # noqa: E402
from perfuse.signal.filters import bandpass  # noqa: E402
from perfuse.signal.spectrum import strongest_hz  # noqa: E402
from planted import RATE, planted  # noqa: E402

SIZE, FRAMES = 16, 32
BAND_HZ = (0.6, 4.0)
ALL = ("pearson", "mse", "dilate", "spectrum", *TAUGHT)


pytestmark = pytest.mark.usefixtures("one_thread")


def lived(task, size=SIZE, frames=FRAMES):
    """Give the batch normalisations statistics of their own, so that answers differ from clip to clip."""
    for part in task.student.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.momentum = 1.0
    with torch.no_grad():
        task.student.train()(planted([70.0, 90.0], frames, size, seed=7).clip)
    return task


def bundled(folder, task):
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in task.student.state_dict().items()}, folder / "model.safetensors")
    (folder / "card.json").write_text(json.dumps(task.card()))
    return str(folder)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    torch.manual_seed(3)
    return bundled(tmp_path_factory.mktemp("kdphys") / "teacher", lived(KdphysTask(network="teacher", size=SIZE)))


@pytest.fixture(scope="module")
def batch():
    return planted([72.0, 55.0, 100.0], FRAMES, SIZE, depth=3.0, seed=1)


def taught(teacher, *only, hint=False):
    """A student with a teacher; with names of losses only those have a weight."""
    torch.manual_seed(0)
    task = KdphysTask(size=SIZE, teacher=teacher, hint=hint)
    if only:
        task.weights = dict.fromkeys(ALL, 0.0) | dict.fromkeys(only, 1.0)
    return task


# --- losses


def test_what_a_task_is(teacher):
    alone, one = KdphysTask(size=SIZE), taught(teacher)
    assert isinstance(one, Task)
    assert isinstance(one, Taught)
    assert set(alone.weights) == set(one.weights) == {*ALL, "quality"}
    assert not alone.weights["quality"]
    assert not any(alone.weights[name] for name in TAUGHT)
    assert one.weights["attention"] == 1.0
    assert taught(teacher, hint=True).weights["attention"] == 0.0
    names = list(one.student.state_dict())
    assert names == list(alone.student.state_dict())
    assert all(name.startswith("network.") for name in names)
    assert not list(alone.helpers.parameters())
    clip = planted([70.0], 8, SIZE).clip
    assert torch.equal(one.student.eval()(clip)["pulse"], one.student.features(clip)[0])
    assert {"kdphys/ci", "kdphys/desk", "kdphys/full", "kdphys/teacher-desk", "kdphys/teacher-full"} <= set(recipes())


def test_a_judge_learns_and_the_network_does_not_feel_it(batch):
    torch.manual_seed(0)
    task = KdphysTask(size=SIZE, trust=True)
    task.weights = {"quality": 1.0}
    losses = task.losses(batch)
    assert set(losses) == {"quality", "right"}
    losses["quality"].backward()
    assert all(p.grad is None or not p.grad.any() for p in task.student.network.parameters())
    assert all(p.grad.any() for p in task.student.trust.layers[-1].parameters())
    assert task.student.eval()(batch.clip)["quality"].shape == batch.clip.shape[:1]


def test_a_judge_that_is_not_there_is_told(batch):
    task = KdphysTask(size=SIZE)
    task.weights = {"quality": 1.0}
    with pytest.raises(UsageError, match="there is no judge"):
        task.losses(batch)


@pytest.mark.parametrize("name", ALL)
def test_every_loss_alone(teacher, batch, name):
    task = taught(teacher, name, hint=name == "hint")
    losses = task.losses(batch)
    assert set(losses) - {"trust"} == {name}
    assert all(loss.shape == () and torch.isfinite(loss) for loss in losses.values())
    losses[name].backward()
    reached = [n for n, p in task.student.named_parameters() if p.grad is not None and p.grad.any()]
    if name in ("attention", "profile", "hint"):  # taps end before the last layer
        assert {n.split(".")[2] for n in reached if "layers" in n} >= {str(k) for k in range(7)}
    else:
        assert "network.mix.3.weight" in reached
        assert "network.layers.0.0.weight" in reached
    assert all(p.grad is None for p in task.teacher.parameters())
    assert not any(p.requires_grad for p in task.teacher.parameters())
    if task.hint is not None:
        assert all(p.grad is not None for p in task.hint.parameters())


def test_the_teacher_is_asked_only_where_something_is_taught(teacher, batch, monkeypatch):
    task, asked = taught(teacher), []
    features = task.teacher.network.features
    monkeypatch.setattr(task.teacher.network, "features", lambda clip: asked.append(len(clip)) or features(clip))
    task.weights = {"pearson": 1.0}
    task.losses(batch)
    assert not asked
    task.weights = {"pearson": 1.0, "attention": 1.0, "profile": 1.0, "imitation": 1.0}  # as a stage would
    assert set(task.losses(batch)) == {"pearson", "attention", "profile", "imitation", "trust"}
    assert asked == [3]
    task.losses(replace(batch, taught=task.lesson(batch.clip)))
    assert asked == [3, 3]


def test_what_is_written_down_is_what_would_be_said(teacher, batch):
    task = taught(teacher, "attention", "profile", "imitation")
    lesson = task.lesson(batch.clip)
    assert {name: tuple(said.shape) for name, said in lesson.items()} == {
        "pulse": (3, FRAMES), "map0": (3, FRAMES, 4, 4), "map1": (3, FRAMES, 4, 4), "map2": (3, FRAMES, 2, 2),
    }  # fmt: skip
    assert all(said.is_contiguous() and not said.requires_grad for said in lesson.values())
    task.student.eval()
    live, kept = task.losses(batch), task.losses(replace(batch, taught=lesson))
    halves = {name: said.half() for name, said in lesson.items()}
    halved = task.losses(replace(batch, taught=halves))
    for name, loss in live.items():
        assert torch.equal(kept[name], loss)
        assert halved[name].item() == pytest.approx(loss.item(), abs=2e-3)
    other = task.losses(replace(batch, taught={name: said.flip(1).roll(1, -1) for name, said in lesson.items()}))
    assert all(abs(other[name] - live[name]) > 4e-3 for name in ("attention", "profile"))


def test_lessons_fit_into_half_precision(tmp_path, batch):
    """However large or small a teacher's features are."""
    said = []
    for scale in (1e-4, 1.0, 1e4):
        torch.manual_seed(3)
        task = lived(KdphysTask(network="teacher", size=SIZE))
        with torch.no_grad():
            for layer in (2, 4, 6):
                task.student.network.encoder[layer][1].weight.mul_(scale)
                task.student.network.encoder[layer][1].bias.mul_(scale)
        said.append(taught(bundled(tmp_path / str(scale), task)).lesson(batch.clip))
    for lesson in said:
        for name in ("map0", "map1", "map2"):
            assert torch.allclose(lesson[name].mean((1, 2, 3)), torch.ones(3), atol=1e-4)
            assert torch.isfinite(lesson[name].half()).all()
        assert torch.allclose(lesson["map0"], said[1]["map0"], atol=1e-3)


@pytest.mark.parametrize("name", ALL)
def test_batch_mates_do_not_matter(teacher, batch, name):
    """A batch's loss is the mean of its clips' own; clips without a pulse do not count."""
    task = lived(taught(teacher, name, hint=name == "hint"))
    task.student.eval()

    def part(*rows):
        own = list(rows)
        series = {n: getattr(batch, n)[own] for n in ("clip", "pulse", "contact", "contact_valid", "heart_rate")}
        return replace(batch, **series, items=np.arange(len(own)))

    with torch.no_grad():
        alone = [task.losses(part(k))[name].item() for k in range(3)]
        assert task.losses(batch)[name].item() == pytest.approx(np.mean(alone), abs=1e-5)
        assert np.std(alone) > 1e-5 or name == "imitation"  # where the teacher is not trusted all are 0
        still = replace(batch, pulse=batch.pulse * torch.tensor([[1.0], [0.0], [torch.nan]]))
        assert task.losses(still)[name].item() == pytest.approx(alone[0], abs=1e-5)


def test_a_batch_without_any_pulse_teaches_nothing(teacher, batch):
    task = taught(teacher)
    nothing = replace(batch, pulse=torch.zeros_like(batch.pulse), heart_rate=torch.full((3,), torch.nan))
    losses = task.losses(nothing)
    assert all(loss == 0 for loss in losses.values())
    sum(losses.values()).backward()
    assert all(p.grad is None or not p.grad.any() for p in task.student.parameters())


# --- who teaches


def test_what_is_missing_is_told(teacher, batch):
    alone = KdphysTask(size=SIZE)
    alone.weights = {"attention": 1.0, "pearson": 1.0}
    with pytest.raises(UsageError, match=r"no teacher for the losses attention.*model\.teacher"):
        alone.losses(batch)
    with pytest.raises(UsageError, match="no teacher for a hint"):
        KdphysTask(size=SIZE, hint=True)
    for ask in (alone.lesson_key, lambda: alone.lesson(batch.clip)):
        with pytest.raises(UsageError, match="no teacher for lessons"):
            ask()
    with pytest.raises(UsageError, match="no hint"):
        taught(teacher, "hint").losses(batch)
    hinted = taught(teacher, hint=True)
    with pytest.raises(UsageError, match="only lessons came"):
        hinted.losses(replace(batch, taught=hinted.lesson(batch.clip)))
    alone.weights = dict.fromkeys(ALL, 0.0)
    with pytest.raises(UsageError, match="All weights of the losses are 0"):
        alone.losses(batch)
    with pytest.raises(UsageError, match=r"no network 'studenta'.*'student-a'"):
        KdphysTask(network="studenta")
    with pytest.raises(UsageError, match="36 x 36"):
        KdphysTask(network="student-b", size=40)
    with pytest.raises(UsageError, match="does not fit kdphys"):
        make_task(Recipe("kdphys", model={"depth": 3}))


def test_teachers_that_do_not_fit_are_told(tmp_path, teacher):
    with pytest.raises(SourceError, match="no teacher at"):
        load_teacher(tmp_path / "none", size=SIZE)
    with pytest.raises(UsageError, match=r"learnt on 16 pixels a side at 30 Hz, the student takes 36 at 30 Hz"):
        load_teacher(teacher, size=36)
    with pytest.raises(UsageError, match=r"the student takes 16 at 25 Hz"):
        load_teacher(teacher, size=SIZE, rate_hz=25.0)
    with pytest.raises(UsageError, match=r"student.* holds another network than the teacher: it .*\."):
        load_teacher(bundled(tmp_path / "student", KdphysTask(size=SIZE)), size=SIZE)
    wide = KdphysTask(network="teacher", size=SIZE)
    wide.student.network = Teacher((8, 16, 32))
    with pytest.raises(UsageError, match=r"network|encoder.* is \(8, 3.*of the teacher \(16, 3"):
        load_teacher(bundled(tmp_path / "wide", wide), size=SIZE)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.safetensors").write_bytes(b"half")
    (broken / "card.json").write_text(json.dumps(wide.card()))
    with pytest.raises(SourceError, match="no whole bundle"):
        load_teacher(broken, size=SIZE)
    (broken / "card.json").write_text("[1]")
    with pytest.raises(SourceError, match="no whole bundle"):
        load_teacher(broken, size=SIZE)


def test_physnet_teaches_at_any_size(tmp_path, batch):
    torch.manual_seed(0)
    back = {ours: theirs for theirs, ours in NAMES.items()}
    state = {
        next(back[b] + key.removeprefix(b) for b in back if key.startswith(b)): value
        for key, value in Teacher().state_dict().items()
    }
    torch.save(state, tmp_path / "physnet.pth")
    task = taught(str(tmp_path / "physnet.pth"))
    assert task.teacher.network.slope
    assert all(torch.isfinite(loss) for loss in task.losses(batch).values())
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(SourceError, match="cannot be read as weights"):
        KdphysTask(teacher=str(tmp_path / "text.pth"))


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "student-a-2d"])
def test_every_network_can_be_taught(tmp_path, name):
    side = 36 if name == "student-b" else SIZE
    torch.manual_seed(0)
    teacher = bundled(tmp_path / "t", KdphysTask(network="teacher", size=side))
    for hint in (False, True):
        task = KdphysTask(network=name, size=side, teacher=teacher, hint=hint)
        losses = task.losses(planted([72.0], 8, side, depth=3.0))
        assert all(torch.isfinite(loss) for loss in losses.values())
        assert set(losses) - {"trust"} == {name for name, weight in task.weights.items() if weight}


def test_the_key_of_lessons_is_that_of_what_decides_them(tmp_path, teacher):
    one, same = taught(teacher), taught(teacher, "pearson")
    assert one.lesson_key() == same.lesson_key()
    torch.manual_seed(4)
    other = taught(bundled(tmp_path / "other", KdphysTask(network="teacher", size=SIZE)))
    as_teacher = KdphysTask(network="teacher", size=SIZE, teacher=teacher)  # whose taps lie on other grids
    assert len({one.lesson_key(), other.lesson_key(), as_teacher.lesson_key()}) == 3
    assert one.lesson_key().isalnum()


# --- with the loop


def recipe(**changes):
    plain = Recipe(
        "kdphys",
        steps=4,
        batch=2,
        frames=FRAMES,
        simulated=Simulated(domains={"lab": 1.0}, asked={"pulse_depth": 0.02, "motion": "still"}),
        model={"size": SIZE},
        augment=Augment(flip=0.0),
        optimiser=Optimiser(lr=1e-3, warmup=2),
        validation=Validation(every=0),
        save_every=2,
        workers=0,
        device="cpu",
    )
    return replace(plain, **changes)


def test_a_training_teaches_another(tmp_path, monkeypatch):
    """Teacher's run to student's run, lessons on disk; it goes as with the teacher at hand."""
    monkeypatch.setenv("PERFUSE_CACHE", str(tmp_path / "cache"))
    first = recipe(model={"size": SIZE, "network": "teacher"})
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "recipe.json").write_text(json.dumps({"task": "kdphys", "model": first.model, "mark": "x"}))
    with pytest.raises(SourceError, match="no checkpoint yet"):
        load_teacher(tmp_path / "empty", size=SIZE)
    task = make_task(first)
    train(first, task, tmp_path / "teacher")
    loaded = load_teacher(tmp_path / "teacher", size=SIZE)
    for name, value in task.student.state_dict().items():
        assert torch.equal(loaded.state_dict()[name.removeprefix("network.")], value)

    bank = replace(first.simulated, bank=6)
    second = recipe(
        model={"size": SIZE, "teacher": str(tmp_path / "teacher")},
        simulated=bank,
        stages=(Stage(1, {"dilate": 0.0, "pearson": 0.0}),),
    )
    found = []
    for name, lessons, steps in (("live", False, 1), ("kept", True, 1), ("on", True, 3)):
        asked = replace(second, simulated=replace(bank, lessons=lessons), steps=steps)
        student = make_task(asked)
        train(asked, student, tmp_path / name)
        found.append(json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[-1]))
    assert list((tmp_path / "cache").rglob(f"*{student.lesson_key()}*"))
    for name in ("attention", "profile", "imitation", "trust"):  # later steps part: Adam makes much of little
        assert found[1][name] == pytest.approx(found[0][name], abs=2e-3), name
    assert "dilate" not in found[0]
    assert {"dilate", "pearson", "attention", "profile", "imitation"} <= set(found[2])
    with pytest.raises(UsageError, match=r"live is a training of kdphys, and no teacher"):
        load_teacher(tmp_path / "live", size=SIZE)


def read(task, batch):
    """Rates per minute that a student says."""
    task.student.eval()
    with torch.no_grad():
        said = task.student(batch.clip)["pulse"].double().numpy()
    return [60 * strongest_hz(bandpass(wave, RATE, *BAND_HZ), RATE, BAND_HZ) for wave in said]


def learn(task, steps, warm, lr=2e-3):
    """Fit to planted pulses, correlation first; return every step's loss, with the usual weights."""
    learnt = [p for p in task.student.parameters() if p.requires_grad]
    optimiser, usual, told = torch.optim.AdamW(learnt, lr), task.weights, []
    task.student.train()
    for step in range(steps):
        rates = np.random.default_rng(step).uniform(50, 110, 2).tolist()
        task.weights = usual | ({"pearson": 1.0} if step < warm else {})
        losses = task.losses(planted(rates, 64, SIZE, depth=1.5, seed=step))
        total = sum(task.weights[name] * loss for name, loss in losses.items() if task.weights.get(name))
        optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        told.append(sum(usual[name] * loss.item() for name, loss in losses.items() if usual.get(name)))
    task.weights = usual
    return told


@pytest.mark.slow
def test_a_teacher_learns_and_a_student_learns_from_it(tmp_path):
    """Planted 72 per minute in a swaying, noisy face: 80 steps of the teacher, 200 of the student."""
    held_out = planted([72.0, 72.0, 72.0], 256, SIZE, depth=1.5, seed=10**6)
    torch.manual_seed(0)
    first = KdphysTask(network="teacher", size=SIZE)
    before = read(first, held_out)
    learn(first, 80, warm=80)
    assert np.abs(np.array(read(first, held_out)) - 72).max() < 3
    assert np.abs(np.array(before) - 72).max() > 3
    torch.manual_seed(1)
    student = KdphysTask(size=SIZE, teacher=bundled(tmp_path / "teacher", first))
    assert np.abs(np.array(read(student, held_out)) - 72).max() > 3
    told = learn(student, 200, warm=60)
    assert np.mean(told[-20:]) < 0.3 * np.mean(told[:20])
    assert np.abs(np.array(read(student, held_out)) - 72).max() < 3


# --- what comes after


def test_ten_seconds_of_72_are_read_as_72():
    """A plain spectrum of so few samples has lines at 70.3 and 73.8."""
    t = np.arange(300) / RATE
    for phase in np.linspace(0, 6, 7):
        wave = bandpass(np.sin(2 * np.pi * 1.2 * t + phase), RATE, *BAND_HZ)
        assert 60 * strongest_hz(wave, RATE, BAND_HZ) == pytest.approx(72.0, abs=0.3)


@pytest.mark.parametrize("name", ["student-a", "teacher"])
def test_cards(name):
    card = KdphysTask(network=name, size=36).card()
    assert card["provenance"] == "reconstructed"
    assert "KDPhys-style" in card["title"]
    assert card["view"] == {"kind": "crop", "size": 36, "rate_hz": 30.0}
    assert card["window_s"] * 30 == pytest.approx(128)
    assert card["hop_s"] == card["window_s"] / 2
    assert card["min_s"] == (card["window_s"] if name == "teacher" else 3.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["student-a", "student-a-causal", "student-b", "teacher"])
def test_exported(tmp_path, name):
    pytest.importorskip("onnxscript")
    from perfuse.export.bundle import export

    side = 36 if name == "student-b" else 24
    torch.manual_seed(0)
    task = lived(KdphysTask(network=name, size=side), side)
    assert export(task.student, task.card(), tmp_path / "b") < 1e-4
    if name == "teacher":
        loaded = load_teacher(tmp_path / "b", size=side)
        assert torch.equal(loaded.last.weight, task.student.network.last.weight)
