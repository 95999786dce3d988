"""How RPM-Distill trains: few labels, a second signal, a policy that learns from people held back, and its gates."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from perfuse.cli.explain_gates import explain_gates, summary, table  # noqa: E402
from perfuse.core.errors import OutputError, SourceError, UsageError  # noqa: E402
from perfuse.core.view import Crop, Grid  # noqa: E402
from perfuse.learn import checkpoint  # noqa: E402
from perfuse.learn.clips import batch_of, heard, hears  # noqa: E402
from perfuse.learn.journal import read  # noqa: E402
from perfuse.learn.loop import train  # noqa: E402
from perfuse.learn.recipe import Augment, Optimiser, Recipe, Recorded, Simulated, Validation  # noqa: E402
from perfuse.learn.sources import HELD, SPAN, filmed, held_back, mixed, notes_of, sources  # noqa: E402
from perfuse.learn.task import Bilevel, Task, Taught  # noqa: E402
from perfuse.nn.trust import right  # noqa: E402
from perfuse.papers.rpm_distill.compact import Compact  # noqa: E402
from perfuse.papers.rpm_distill.explain import gates_of, looked  # noqa: E402
from perfuse.papers.rpm_distill.problem import compare  # noqa: E402
from perfuse.papers.rpm_distill.sense import (  # noqa: E402
    SENSES,
    Contact,
    drawn,
    known,
    load_teacher,
    replayed,
    spoiled,
)
from perfuse.papers.rpm_distill.task import MODES, RpmTask  # noqa: E402
from perfuse.papers.rpm_distill.teacher import RadarPhase, rotated  # noqa: E402
from perfuse.radar.kinds import AWR1443  # noqa: E402
from perfuse.radar.record import RadarRecord  # noqa: E402
from perfuse.synth.layouts.folder import make  # noqa: E402
from perfuse.synth.layouts.known import get_layout  # noqa: E402
from perfuse.synth.layouts.plan import people, plan  # noqa: E402
from perfuse.synth.stream import stream  # noqa: E402
from planted import planted  # noqa: E402

SIZE, FRAMES = 4, 64
EASY = {"pulse_depth": 0.02, "motion": "still"}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def batch():
    return next(stream(Grid(SIZE, SIZE), batch=4, frames=FRAMES, seed=3, domains="lab", radar=True, device="cpu"))


def recipe(**changes):
    plain = Recipe(
        "rpm_distill",
        steps=6,
        batch=2,
        frames=FRAMES,
        simulated=Simulated(domains={"lab": 1.0}, asked=EASY, bank=6),
        model={"size": SIZE, "teacher": "contact", "labels": 0.5, "schedule": {"interval": 2, "rate": 0.01}},
        augment=Augment(flip=0.5),
        optimiser=Optimiser(lr=1e-3, warmup=2),
        validation=Validation(every=0),
        save_every=3,
        workers=0,
        device="cpu",
    )
    return replace(plain, **changes)


def made(asked):
    torch.manual_seed(asked.seed)
    return RpmTask(**asked.model)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One cache for all trainings: banks are painted once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("rpm")
        patch.setenv("PERFUSE_CACHE", str(folder / "cache"))
        yield folder


@pytest.fixture(scope="module")
def radar_run(cache):
    """A radar network after a few steps."""
    asked = recipe(model={"size": SIZE, "network": "radar-phase", "look": 2})
    task = made(asked)
    train(asked, task, cache / "radar")
    return cache / "radar", task


@pytest.fixture(scope="module")
def run(cache):
    """A student that a contact sensor taught, and a policy."""
    asked = recipe()
    task = made(asked)
    train(asked, task, cache / "run")
    return cache / "run", task, asked


# --- the task


def test_what_a_task_is(batch):
    task = RpmTask(size=SIZE, teacher="contact")
    assert isinstance(task, Task)
    assert isinstance(task, Bilevel)
    assert not isinstance(task, Taught)
    assert task.needs == {"pulse"}
    assert RpmTask(network="radar-teacher-small").needs == {"pulse", "radar"}
    assert task.view == Grid(SIZE, SIZE)
    assert RpmTask(network="factorizephys", size=36).view == Crop(36)
    assert RpmTask(network="factorizephys").view == Crop(128)
    assert not RpmTask(network="factorizephys").student.network.padded
    card = RpmTask(labels=0.2).card()
    assert card["provenance"] == "reconstructed"
    assert "the student is ours" in card["deviations"]
    assert "20% of the clips have labels" in card["deviations"]
    assert "36 to 240 a minute" in RpmTask(band="house").card()["deviations"]
    assert sum(p.numel() for p in RpmTask(width=32).student.parameters()) == 30_439


def test_the_first_losses_of_every_mode(batch):
    found = {}
    for mode in MODES:
        torch.manual_seed(0)
        task = RpmTask(size=SIZE, teacher="contact", mode=mode)
        found[mode] = task.losses(batch)
        sum(task.weights[name] * found[mode][name] for name in task.weights if name in found[mode]).backward()
        reached = [n for n, p in task.student.named_parameters() if p.grad is not None and p.grad.any()]
        assert len(reached) == len(list(task.student.parameters()))
        if task.strands[0].learner is not None:
            assert all(p.grad is None for p in task.strands[0].learner.parameters())
    assert set(found["alone"]) == {"supervised"}
    assert all(torch.equal(found["alone"]["supervised"], said["supervised"]) for said in found.values())
    assert found["uniform"]["gate"] == 1
    assert 0 < found["policy"]["gate"] < 1
    oracle = found["oracle"]
    assert oracle["gate"] == pytest.approx(float(right(batch.contact, batch).mean()))
    assert oracle["distil"] <= found["uniform"]["distil"]
    assert set(found["uniform"]) >= {"distil", "gate", "gate_right", "gate_wrong", "taught_right"}


def test_a_blind_policy_says_the_same_of_all(batch):
    torch.manual_seed(0)
    for mode, spread in (("policy", True), ("policy-blind", False)):
        task = RpmTask(size=SIZE, teacher="contact", mode=mode)
        seen = compare(task.student.network(batch.clip), batch.contact, batch.pulse)
        gate = task.strands[0].advise(seen, torch.ones(4)).gate
        assert (gate.std() > 1e-6) == spread


def test_a_label_that_may_not_be_used_is_not(batch):
    torch.manual_seed(0)
    task = RpmTask(size=SIZE, mode="alone", labels=0.5)
    items = np.arange(400)
    share = known(items, 0.5)
    assert 0.4 < share.mean() < 0.6
    assert np.array_equal(share, known(items, 0.5))
    assert not (known(items, 0.2) & ~share).any()  # more labels are the same and some more
    assert len(set(known(SPAN * 7 + np.arange(50), 0.5))) == 1  # clips of one recording
    other = replace(batch, items=items[np.flatnonzero(share)[:2].tolist() + np.flatnonzero(~share)[:2].tolist()])
    lies = other.pulse.clone()
    lies[2:] = torch.randn(2, FRAMES)
    lied = replace(other, pulse=lies, heart_rate=other.heart_rate * torch.tensor([1, 1, 2, 2]))
    assert torch.equal(task.losses(other)["supervised"], task.losses(lied)["supervised"])
    whole = RpmTask(size=SIZE, mode="alone")
    whole.student.load_state_dict(task.student.state_dict())
    assert not torch.equal(whole.losses(other)["supervised"], whole.losses(lied)["supervised"])


def test_a_teacher_is_spoiled_as_often_as_asked():
    truth = planted(np.linspace(60, 100, 60).tolist(), 256, 2)
    wave = spoiled(truth.pulse, truth.items, 0.4)
    bad = drawn(truth.items, "spoiled") < 0.4
    assert 0.2 < bad.mean() < 0.6
    assert torch.equal(wave[~bad], truth.pulse[~bad])
    assert right(truth.pulse, truth).all()
    assert not right(wave, truth)[bad].any()  # clean waves of a wrong rate
    assert wave[bad].std(1).min() > 0.5
    assert spoiled(truth.pulse, truth.items, 0.0) is truth.pulse
    assert torch.allclose(replayed(truth.pulse, torch.full((60,), 1.0)), truth.pulse, atol=1e-5)


def test_a_late_teacher_is_compared_with_what_it_tells_of():
    truth = planted([70.0, 90.0], 256, 2)
    late = 30
    taught = torch.cat([torch.randn(2, late), truth.pulse[:, :-late]], 1)  # noise, then what was late ago
    seen = compare(truth.pulse, taught, truth.pulse, late=late)
    assert seen.parts.abs().max() < 1e-5
    assert compare(truth.pulse, taught, truth.pulse).parts.max() > 0.05
    assert RpmTask(size=SIZE, teacher="contact", teacher_late_s=1.0).strands[0].late == late


def test_a_judge_learns_beside_the_network_from_labels_alone(batch):
    task = RpmTask(size=SIZE, mode="alone", trust=True, labels=0.5)
    found = task.losses(batch)
    assert {"quality", "right"} <= set(found)
    found["quality"].backward()
    assert all(p.grad is None or not p.grad.any() for p in task.student.network.parameters())
    assert any(p.grad is not None and p.grad.any() for p in task.student.trust.parameters())
    with torch.no_grad():
        assert task.student.eval()(batch.clip)["quality"].shape == (4,)
    for network, size in (("factorizephys", 9), ("small", SIZE), ("small-pos", SIZE)):
        clip = torch.rand(2, 3, 40, size, size) * 50 + 100
        spoken = RpmTask(network=network, size=size, trust=True).student.eval()(clip)
        assert spoken["pulse"].shape == (2, 40)


WRONG = {
    "a network": ({"network": "smal"}, "Did you mean 'small'"),
    "a mode": ({"mode": "polcy"}, "Did you mean 'policy'"),
    "labels": ({"labels": 1.5}, "labels: 1.5"),
    "a share": ({"teacher_spoiled": -0.1}, "teacher_spoiled"),
    "a delay": ({"teacher_late_s": 3.0}, "Pass 0 to 2"),
    "a schedule": ({"schedule": {"how": "guess"}}, "no hypergradient"),
    "its weight": ({"schedule": {"weight": 2.0}}, "weights.distil"),
    "a rate": ({"network": "radar-phase", "rate_hz": 20.0}, "30 a second"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_told(what):
    asked, message = WRONG[what]
    with pytest.raises(UsageError, match=message):
        RpmTask(**asked)


def test_nobody_teaches_without_being_named(batch, tmp_path):
    task = RpmTask(size=SIZE)
    with pytest.raises(UsageError, match=r"policy wants a teacher.*model\.teacher"):
        task.losses(batch)
    with pytest.raises(SourceError, match="no teacher at"):
        RpmTask(size=SIZE, teacher=str(tmp_path / "none"))
    task.weights = dict.fromkeys(task.weights, 0.0)
    with pytest.raises(UsageError, match="All weights"):
        task.losses(batch)
    with pytest.raises(UsageError, match="without a radar"):
        RpmTask(network="radar-phase").losses(replace(batch, radar=None))
    with pytest.raises(UsageError, match=r"was shown pictures.*validation\.every=0"):
        RpmTask(network="radar-phase").student(batch.clip)


# --- who teaches


@pytest.mark.parametrize("network", [name for name in SENSES if name != "radar-teacher"])
def test_radar_networks_learn_from_radar(batch, network):
    torch.manual_seed(0)
    task = RpmTask(network=network)
    found = task.losses(batch)
    found["supervised"].backward()
    assert all(p.grad is not None for p in task.student.parameters())
    assert set(task.update(batch, batch, 1e-3, lambda _: None)) == {"held_right", "held_supervised"}
    assert task.student.training
    assert [step for step in range(250) if task.due(step)] == [0, 100, 200]


def test_turning_the_radar_changes_no_phase_step():
    torch.manual_seed(0)
    network, radar = RadarPhase().eval(), torch.randn(3, 10, 50)
    with torch.no_grad():
        one, other = network(radar), network(rotated(radar, torch.tensor([0.4, 2.0, -1.0])))
    assert torch.allclose(one, other, atol=1e-4)
    assert RadarPhase.steps(radar).square().mean(2) == pytest.approx(torch.ones(3, 13), abs=1e-3)


def test_a_phase_that_moves_is_seen_at_its_size():
    """A body whose echo turns by 0.2 radians a sample, beside a still wall three times as strong."""
    turn = torch.cumsum(0.2 * torch.sin(2 * torch.pi * 0.2 * torch.arange(600) / 30), 0)
    radar = torch.zeros(1, 10, 600)
    radar[0, 2], radar[0, 7] = 3 + turn.cos(), turn.sin()
    steps = RadarPhase.steps(radar)[0, 2]
    assert torch.corrcoef(torch.stack([steps[20:-20], turn.diff(prepend=turn[:1])[20:-20]]))[0, 1] > 0.9


def test_a_radar_network_teaches_another_and_stays_as_it_is(radar_run, cache, batch):
    folder, teacher = radar_run
    asked = recipe(model={**recipe().model, "teacher": str(folder)})
    task = made(asked)
    assert task.needs == {"pulse", "radar"}
    heard_ = task.strands[0].teacher.heard.network
    own = teacher.student.network.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in heard_.state_dict().items())
    before = {name: value.clone() for name, value in task.strands[0].teacher.state_dict().items()}
    assert set(task.losses(batch)) >= {"distil", "taught_right"}
    train(asked, task, cache / "taught")
    after = task.strands[0].teacher.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert not any(p.requires_grad or p.grad is not None for p in task.strands[0].teacher.parameters())
    told = read(folder)
    assert {"held_right", "held_supervised"} <= told[-1].keys()


def test_other_folders_teach_nobody(radar_run, run, tmp_path):
    view = Grid(SIZE, SIZE)
    with pytest.raises(UsageError, match=r"training of rpm_distill.*no radar network"):
        load_teacher(str(run[0]), view)
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "recipe.json").write_text("{")
    with pytest.raises(SourceError, match="no run of perfuse train"):
        load_teacher(str(folder), view)
    (folder / "recipe.json").write_text((radar_run[0] / "recipe.json").read_text())
    with pytest.raises(SourceError, match="no checkpoint"):
        load_teacher(str(folder), view)
    content = json.loads((radar_run[0] / "recipe.json").read_text())
    content["model"]["network"] = "radar-teacher-small"
    (folder / "recipe.json").write_text(json.dumps(content))
    (folder / "last.pt").write_bytes((radar_run[0] / "last.pt").read_bytes())
    with pytest.raises(SourceError, match="another radar-teacher-small"):
        load_teacher(str(folder), view)


def test_any_bundle_teaches(tmp_path, batch):
    from networks import bundle, network, smoothed

    view = {"kind": "grid", "rows": SIZE, "cols": SIZE, "rate_hz": 30}
    place = bundle(tmp_path / "other", network(view, smoothed), view)
    task = RpmTask(size=SIZE, teacher=str(place))
    wave = task.strands[0].taught(batch)
    assert wave.shape == (4, FRAMES)
    green = batch.clip.mean((3, 4))[:, 1]
    assert float(torch.corrcoef(torch.stack([wave[0], -green[0]]))[0, 1]) > 0.8
    assert torch.isfinite(task.losses(batch)["distil"])
    with pytest.raises(UsageError, match="the student Grid"):
        load_teacher(str(place), Grid(5, 5))
    fixed = bundle(tmp_path / "fixed", network(view, smoothed, length=60, batch=1), view)
    with pytest.raises(UsageError, match="crop=60"):
        load_teacher(str(fixed), Grid(SIZE, SIZE))(batch)


def test_the_contact_sensor_is_silent_where_nothing_arrived(batch):
    valid = batch.contact_valid.clone()
    valid[0, :20] = False
    said = Contact()(replace(batch, contact_valid=valid))
    assert not said[0, :20].any()
    assert torch.equal(said[1:], batch.contact[1:] * batch.contact_valid[1:])


# --- with the loop


def test_a_policy_learns_and_a_run_that_was_killed_ends_the_same(run, cache):
    class StopError(Exception):
        pass

    def stop(done, total, told=None):
        if done == 4:  # after the checkpoint of step 3; the policy learns before steps 0, 2 and 4
            raise StopError

    folder, task, asked = run
    first = made(asked)
    assert any(
        not torch.equal(p, q)
        for p, q in zip(
            first.strands[0].learner.policy.parameters(), task.strands[0].learner.policy.parameters(), strict=True
        )
    )
    with pytest.raises(StopError):
        train(asked, made(asked), cache / "stopped", progress=stop)
    train(asked, made(asked), cache / "stopped")
    whole, other = (checkpoint.load(place, asked.mark()) for place in (folder, cache / "stopped"))
    names = [name for name, value in whole["weights"].items() if isinstance(value, torch.Tensor)]
    assert any(name.startswith("helpers.learner.policy") for name in names)
    assert all(torch.equal(whole["weights"][name], other["weights"][name]) for name in names)
    moments = [s["weights"]["helpers.learner._extra_state"]["state"] for s in (whole, other)]
    assert moments[0].keys() == moments[1].keys()
    assert all(torch.equal(moments[0][k]["exp_avg"], moments[1][k]["exp_avg"]) for k in moments[0])
    assert moments[0][0]["step"] == 3
    lines = [
        [{k: v for k, v in line.items() if k != "waiting"} for line in read(p)] for p in (folder, cache / "stopped")
    ]
    assert lines[0] == lines[1]
    assert {"policy_outer", "policy_gate", "policy_mix_shape"} <= lines[0][-1].keys()


def test_looking_leaves_the_steps_own_chance_as_it_was(run, cache):
    """A policy that learns, but whose teaching has no weight, changes nothing of the student."""
    _, _, asked = run
    found = []
    for name, model in (("silent", {}), ("none", {"mode": "alone"})):
        task = made(replace(asked, model={**asked.model, **model}))
        task.weights = {**task.weights, "distil": 0.0}
        train(replace(asked, model={**asked.model, **model}), task, cache / name)
        found.append(task.student.state_dict())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_people_held_back_are_others_and_come_by_step(cache):
    asked = recipe(batch=2)
    task = made(asked)
    held = held_back(asked, task, "cpu")
    whole = mixed(held, asked.seed + HELD)
    later = mixed(held, asked.seed + HELD, 2)
    first = [next(whole) for _ in range(3)]
    assert torch.equal(first[2].clip, next(later).clip)
    own = next(mixed(sources(asked, task, "cpu"), asked.seed))
    assert not any(torch.equal(a, b) for a in own.pulse for one in first for b in one.pulse)
    assert held_back(asked, made(replace(asked, model={**asked.model, "mode": "uniform"})), "cpu") == []


@pytest.fixture(scope="module")
def ubfc(tmp_path_factory):
    root = tmp_path_factory.mktemp("rpm-data") / "ubfc"
    layout = get_layout("ubfc")
    size = {"duration_s": 5.0, "width": 120, "height": 120}
    make(root, layout, plan(layout, people(3, "lab", 7, size)), {"seed": 7})
    return f"ubfc-rppg:{root}"


def test_recorded_people_are_held_back_whole(ubfc, cache):
    asked = recipe(simulated=None, recorded=(Recorded(ubfc),), frames=40)
    task = made(asked)
    (_, learn), (_, held) = sources(asked, task, "cpu")[0], held_back(asked, task, "cpu")[0]
    sides = [{entry.about["subject"] for entry in side.entries} for side in (learn, held)]
    assert len(sides[0]) == 2
    assert len(sides[1]) == 1
    assert not sides[0] & sides[1]
    items = next(learn.batches(0)).items
    assert (items // SPAN >= 1).all()
    with pytest.raises(UsageError, match="too few people"):
        filmed(Recorded(ubfc, split="subject:0.34/0/0.66"), asked, Grid(SIZE, SIZE), frozenset({"pulse"}), held=True)
    with pytest.raises(UsageError, match="what the task needs: pulse, radar"):
        filmed(Recorded(ubfc), asked, Grid(SIZE, SIZE), frozenset({"pulse", "radar"}))


def test_a_recorded_radar_is_heard_at_the_frames_times():
    rng = np.random.default_rng(0)
    times = 2.0 + np.arange(600) / 120.0
    iq = rng.normal(size=(600, 40)) + 1j * rng.normal(size=(600, 40))
    iq[:, 12] += 50 + 20j
    valid = np.ones(600, bool)
    valid[100:105] = False
    echo = RadarRecord(times, iq.astype(np.complex64), valid, AWR1443)
    said = heard(echo, 2.5 + np.arange(60) / 30)
    assert said.shape == (10, 60)
    row = iq[60 : 60 + 4 * 60 : 4, 12]
    kept = np.r_[:10, 12:60]  # chirp 100 was lost: the one before it stands for it
    assert said[2][kept] == pytest.approx(row.real[kept] / AWR1443.scale, rel=1e-5)
    assert said[7][kept] == pytest.approx(row.imag[kept] / AWR1443.scale, rel=1e-5)
    assert said[2][10] == pytest.approx(iq[99, 12].real / AWR1443.scale, rel=1e-5)


def test_a_radar_is_there_where_its_chirps_are():
    times, valid = np.arange(1200) / 120.0, np.ones(1200, bool)
    valid[300:312] = False  # a tenth of a second: packets get lost
    valid[600:840] = False
    echo = RadarRecord(times, np.ones((1200, 30), np.complex64), valid, AWR1443)
    at = np.arange(-30, 450) / 30
    there = hears(echo, at)
    assert there[(at >= 0) & (at < 4.9)].all()
    assert not there[(at > 5.2) & (at < 6.8)].any()
    assert not there[(at < -0.2) | (at > 10.2)].any()
    assert not hears(echo, at + 1.7e9).any()


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    """Three people with a radar and an ECG; the first one's radar ends after 2 s."""
    root = tmp_path_factory.mktemp("rpm-native") / "data"
    size = {"duration_s": 7.0, "width": 96, "height": 96, "noise": 0.5}
    layout = get_layout("perfuse")
    make(root, layout, plan(layout, people(3, "paired-radar", 7, size)), {"seed": 7})
    first = sorted(root.rglob("radar.npz"))[0]
    with np.load(first) as file:
        kept = dict(file)
    kept["valid"][240:] = False
    np.savez(first, **kept)
    return f"perfuse:{root}"


def test_clips_lie_where_the_radar_does(native, cache):
    asked = recipe(simulated=None, recorded=(Recorded(native),), frames=40)
    found = filmed(Recorded(native), asked, Grid(SIZE, SIZE), frozenset({"pulse", "radar"}))
    assert len(found.entries) == 3
    shortest = min(found.spans, key=len)
    assert 1.5 < (max(shortest) + 40) / 30 < 2.2
    assert any("radar" in note for note in found.notes)
    assert notes_of([found]) == list(found.notes)
    with pytest.raises(UsageError, match="230 samples of face and pulse and radar"):
        filmed(Recorded(native), replace(asked, frames=230), found.view, found.needs)
    with pytest.raises(UsageError, match=r"what the task needs: blood_pressure.*They have .*, radar,"):
        filmed(Recorded(native), asked, found.view, frozenset({"blood_pressure"}))


def test_an_ecg_teaches(native, cache, capsys):
    asked = recipe(simulated=None, recorded=(Recorded(native),), frames=100, model={"size": SIZE, "teacher": "ecg"})
    asked = replace(asked, model={**asked.model, "mode": "uniform"}, steps=2)
    task = made(asked)
    assert task.needs == {"pulse", "ecg"}
    batch = next(mixed(sources(asked, task, "cpu"), 0))
    assert batch.taught["ecg"].shape == (2, 100)
    assert task.strands[0].vital.right(task.strands[0].taught(batch), batch).mean() == 1
    assert float(task.losses(batch)["distil"].detach()) > 0
    train(asked, task, cache / "ecg")
    with pytest.raises(UsageError, match="simulated people come without"):
        sources(replace(asked, simulated=Simulated()), task, "cpu")
    with pytest.raises(UsageError, match="came without ecg"):
        task.strands[0].taught(replace(batch, taught=None))
    found = gates_of(cache / "ecg", 2)  # of recordings, as there is nobody else
    assert found.domains == ("", "")


def test_a_batch_of_recordings_brings_its_radar():
    class Entry:
        def __init__(self):
            self.about, self.signals = {"start_s": 1.0}, {"pulse": None}

        def cells(self, start, stop):
            return np.full((stop - start, 2, 2, 3), 100.0, np.float32)

        def radar(self):
            times = np.arange(2000) / 120.0
            iq = np.exp(1j * times)[:, None] * np.ones(30)
            return RadarRecord(times, iq.astype(np.complex64), np.ones(2000, bool), AWR1443)

    made_ = batch_of([Entry(), Entry()], [0, 30], 64, 30.0, radar=True)
    assert made_.radar.shape == (2, 10, 64)
    assert batch_of([Entry()], [0], 64, 30.0).radar is None


# --- the small student


@pytest.mark.parametrize(("named", "parameters"), [(False, 12_249), (True, 13_369)])
def test_a_small_student_reads_each_clip_alone_whatever_its_light(named, parameters):
    torch.manual_seed(0)
    network = Compact(named=named).eval()
    clip = planted([70.0, 90.0, 60.0], 90, 5, depth=2.0).clip
    with torch.no_grad():
        together = network(clip)
        assert together.shape == (3, 90)
        for k in range(3):
            assert torch.allclose(network(clip[k : k + 1])[0], together[k], atol=1e-4)
        dim = network(clip * 0.7)
    assert all(torch.corrcoef(torch.stack([a, b]))[0, 1] > 0.9 for a, b in zip(together, dim, strict=True))
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert torch.isfinite(network(torch.zeros(1, 3, 20, 4, 4))).all()
    with pytest.raises(UsageError, match="2 frames or more"):
        network(torch.zeros(1, 3, 1, 4, 4))


@pytest.mark.parametrize("kind", [{}, {"breath": True}, {"named": True}])
def test_a_graph_says_what_the_network_says(monkeypatch, kind):
    """Running sums in training, one operator in graphs."""
    torch.manual_seed(0)
    network = Compact(**kind).eval()
    clip = planted([70.0, 90.0], 400, 4, depth=2.0).clip
    with torch.no_grad():
        plain = network(clip)
        monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
        graph = network(clip)
    assert torch.allclose(plain, graph, atol=1e-4 * float(plain.std()))


@pytest.mark.slow
@pytest.mark.parametrize("network", ["small", "small-pos"])
def test_a_small_student_becomes_a_bundle(tmp_path, network):
    pytest.importorskip("onnxscript")
    from perfuse.export.bundle import export

    torch.manual_seed(0)
    task = RpmTask(network=network, size=SIZE, trust=True)
    assert export(task.student, task.card(), tmp_path) < 1e-4
    assert load_teacher(str(tmp_path), Grid(SIZE, SIZE)) is not None


# --- what the release does


def test_what_the_release_does_is_a_switch(batch, radar_run):
    def asked(what, **model):
        torch.manual_seed(0)
        return RpmTask(
            **{"size": SIZE, "network": "factorizephys", "teacher": "contact", "as_released": what} | model
        )

    ours, theirs = asked([]), asked(["together", "blue-first", "coefficients"])
    assert not ours.student.network.reverse
    assert theirs.student.network.reverse
    assert not theirs.student.network.attention.alone
    assert sum(p.numel() for p in theirs.strands[0].learner.policy.parameters()) == 72_276
    assert sum(p.numel() for p in ours.strands[0].learner.policy.parameters()) == 71_748
    for what, still in ((["dropout"], False), ([], True)):
        task = asked(what, network="small")
        one, other = (task.losses(batch)["gate"] for _ in range(2))
        assert bool(one == other) is still
    for what, still in ((["turned"], False), ([], True)):
        task = asked(what, network="small", teacher=str(radar_run[0]))
        assert torch.equal(task.strands[0].taught(batch), task.strands[0].taught(batch)) is still
    with pytest.raises(UsageError, match="blue-first as released: asked of small"):
        asked(["blue-first"], network="small")
    with pytest.raises(UsageError, match="as_released"):
        asked(["everything"])


# --- what a policy believes


def test_gates_are_explained(run, tmp_path, capsys):
    folder = run[0]
    assert explain_gates(str(folder), out=str(tmp_path / "out"), clips=5) == 0
    said = capsys.readouterr().out
    assert "5 clips, gate 0." in said
    rows = list(csv.DictReader((tmp_path / "out" / "gates.csv").open()))
    assert len(rows) == 5
    assert all(0 < float(row["gate"]) < 1 for row in rows)
    assert all(
        sum(float(row[f"mix_{part}"]) for part in ("peak", "off_peak", "shape")) == pytest.approx(1, abs=1e-3)
        for row in rows
    )
    text = (tmp_path / "out" / "gates.html").read_text()
    assert text.count("<figure") == 6
    assert "<script" not in text
    assert "#0a0" not in text  # all colours are the page's
    again = gates_of(folder, 5)
    assert table(again) == (tmp_path / "out" / "gates.csv").read_text()
    assert again.per_min[0] >= 45 - 1e-6
    assert again.per_min[-1] <= 180 + 1e-6


def test_gates_are_those_of_the_run(run):
    folder, task, _ = run
    found = gates_of(folder, 3)
    batch = next(
        stream(task.view, batch=3, frames=FRAMES, seed=5_555_555, domains={"lab": 1.0}, device="cpu", **EASY)
    )
    own = looked(task.strands[0], batch)
    assert found.gate == pytest.approx(own.gate, abs=1e-6)
    assert found.student == pytest.approx(own.student, abs=1e-4)
    assert found.domains == ("lab",) * 3


def test_a_gate_that_tells_is_told_so(run):
    found = gates_of(run[0], 4)
    wide = replace(found, right=np.array([True, True, False, False]), gate=np.array([0.9, 0.8, 0.1, 0.8]))
    assert wide.auc() == pytest.approx(0.875)
    assert "88% of pairs" in summary(wide)
    always = replace(found, right=np.ones(4, bool))
    assert np.isnan(always.auc())
    assert "pairs" not in summary(always)


def test_runs_without_gates_are_told(radar_run, run, cache, tmp_path):
    with pytest.raises(UsageError, match="Nobody taught"):
        gates_of(radar_run[0])
    with pytest.raises(SourceError, match="no run"):
        gates_of(tmp_path)
    with pytest.raises(UsageError, match="4096"):
        gates_of(run[0], 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made a folder"):
        explain_gates(str(run[0]), out=str(tmp_path / "file"), clips=1)
