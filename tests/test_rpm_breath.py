"""RPM-Distill's second task, breathing: what is measured, a radar's chest as teacher, and a student that learns."""

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from perfuse.core.errors import UsageError  # noqa: E402
from perfuse.core.view import Grid  # noqa: E402
from perfuse.nn.trust import right as pulse_right  # noqa: E402
from perfuse.papers.rpm_distill.compact import Compact  # noqa: E402
from perfuse.papers.rpm_distill.explain import looked  # noqa: E402
from perfuse.papers.rpm_distill.sense import Chest, load_teacher  # noqa: E402
from perfuse.papers.rpm_distill.spectrum import noise, supervised  # noqa: E402
from perfuse.papers.rpm_distill.task import RpmTask  # noqa: E402
from perfuse.papers.rpm_distill.vital import HOUSE, PULSE, RESPIRATION  # noqa: E402
from perfuse.synth.batch import Batch  # noqa: E402
from planted import planted  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE, FRAMES, RATE = 4, 900, 30.0


def breathing(rates, seed=0):
    """Return clips of heads that nod with breath under a light that drifts, and a radar that sees their chests."""
    made, clips = torch.Generator().manual_seed(seed), len(rates)

    def drawn(*shape):
        return torch.rand(shape, generator=made)

    rates = torch.as_tensor(rates, dtype=torch.float32)
    t = torch.arange(FRAMES) / RATE
    breath = torch.sin(2 * math.pi * (rates[:, None] / 60 * t + drawn(clips, 1)))
    beat = torch.sin(2 * math.pi * ((1 + drawn(clips, 1)) * t + drawn(clips, 1)))
    light = 6 * torch.sin(2 * math.pi * ((0.1 + 0.4 * drawn(clips, 1)) * t + drawn(clips, 1)))  # in breath's band
    nod = torch.linspace(1, -1, SIZE)[:, None].expand(SIZE, SIZE)  # brighter above, darker below
    cells = 120 + (light + 0.2 * beat)[..., None, None] + 3 * breath[..., None, None] * nod
    clip = cells[:, None].expand(-1, 3, -1, -1, -1) + torch.randn(clips, 3, FRAMES, SIZE, SIZE, generator=made)
    phase = -6 * breath + 0.3 * beat  # nearer with every breath in
    radar = 0.02 * torch.randn(clips, 10, FRAMES, generator=made)
    radar[:, 2], radar[:, 7] = radar[:, 2] + 1.5 + phase.cos(), radar[:, 7] + phase.sin()
    return Batch(
        clip=clip, pulse=beat, contact=beat, contact_valid=torch.ones_like(beat, dtype=torch.bool),
        respiration=breath, radar=radar, heart_rate=torch.full((clips,), torch.nan), respiratory_rate=rates,
        rate_hz=RATE, items=np.arange(clips) + 1000 * seed, settings=(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def clips():
    return breathing([9.0, 14.0, 20.0, 27.0])


def test_what_is_right_depends_on_what_is_measured(clips):
    wave = clips.respiration
    assert RESPIRATION.right(wave, clips).all()
    assert RESPIRATION.read(wave, RATE) == pytest.approx(clips.respiratory_rate, abs=0.5)
    assert not RESPIRATION.right(wave.roll(1, 0), clips).any()
    assert not PULSE.right(wave, clips).any()  # their hearts are unknown
    hearts = planted([50.0, 75.0, 200.0], 256, 2)
    assert torch.equal(PULSE.right(hearts.pulse, hearts), pulse_right(hearts.pulse, hearts))
    kept = RESPIRATION.without(clips, torch.tensor([True, False, True, False]))
    assert kept.respiration.any(1).tolist() == [True, False, True, False]
    assert torch.isnan(kept.respiratory_rate).tolist() == [False, True, False, True]
    assert kept.pulse is clips.pulse


def test_noise_knows_the_band_of_breath():
    t = torch.arange(FRAMES) / RATE
    wave = torch.sin(2 * math.pi * 0.25 * t)[None]
    other = torch.sin(2 * math.pi * 0.4 * t)[None]
    how = {"rate_hz": RATE, "vital": RESPIRATION}
    assert noise(wave, wave, **how) < -10
    assert noise(wave + other, wave, **how) == pytest.approx(torch.zeros(1), abs=1.5)
    assert noise(other, wave, **how) > 15
    assert noise(wave + 100, wave, **how) == pytest.approx(noise(wave, wave, **how), abs=0.1)
    # a heart is no noise of breath, breath none of a heart
    beat = torch.sin(2 * math.pi * 1.2 * t)[None]
    assert noise(wave + beat, wave, **how) == pytest.approx(noise(wave, wave, **how), abs=1.0)
    assert not supervised(wave, torch.zeros_like(wave), **how).any()


def test_all_rates_of_this_project_are_in_its_own_band():
    t = torch.arange(256) / RATE
    fast = torch.sin(2 * math.pi * 3.5 * t)[None]  # 210 a minute
    slow = torch.sin(2 * math.pi * 1.0 * t)[None]
    assert noise(fast, fast, vital=HOUSE) < noise(slow, fast, vital=HOUSE) - 10
    assert noise(fast, fast, vital=PULSE) > noise(fast, fast, vital=HOUSE) + 10  # beyond the paper's


def test_a_chest_teaches_breath(clips):
    taught = Chest()(clips)
    for wave, breath in zip(taught, clips.respiration, strict=True):
        assert torch.corrcoef(torch.stack([wave, breath]))[0, 1] > 0.9  # rises with lung volume
    assert RESPIRATION.right(taught, clips).all()
    assert taught.mean(1).abs().max() < 1e-3
    assert isinstance(load_teacher("radar", Grid(SIZE, SIZE), RESPIRATION), Chest)
    with pytest.raises(UsageError, match="nothing of breathing"):
        load_teacher("contact", Grid(SIZE, SIZE), RESPIRATION)


@pytest.mark.parametrize(("mode", "labels"), [("alone", 1.0), ("uniform", 0.0)])
def test_breath_is_learnt_from_labels_and_from_a_radar_alone(mode, labels):
    torch.manual_seed(0)
    task = RpmTask(vital="respiration", size=SIZE, mode=mode, labels=labels, teacher="radar", shape=20.0)
    assert task.needs == {"respiration", "radar"}
    rates, other = (np.random.default_rng(k).uniform(8, 28, 24) for k in (0, 1))
    learn, test = breathing(rates), breathing(other, 7)
    optimiser = torch.optim.AdamW(task.student.parameters(), 5e-3)

    def good():
        with torch.no_grad():
            return float(RESPIRATION.right(task.student.eval()(test.clip)["respiration"], test).mean())

    before = good()
    for _ in range(30):
        losses = task.losses(learn)
        optimiser.zero_grad()
        sum(task.weights[name] * losses[name] for name in task.weights if name in losses).backward()
        optimiser.step()
    if mode == "uniform":
        assert losses["supervised"] == 0  # nobody told it anything but the radar
        assert losses["taught_right"] == 1
    assert before < 0.6
    assert good() > 0.85


def test_a_policy_learns_of_breath(clips):
    torch.manual_seed(0)
    task = RpmTask(vital="respiration", size=SIZE, teacher="radar", teacher_spoiled=0.5, schedule={"rate": 0.01})
    before = [p.clone() for p in task.strands[0].learner.policy.parameters()]
    told = task.update(clips, breathing([10.0, 16.0, 22.0, 25.0], 3), 1e-3, lambda _: None)
    assert {"policy_outer", "policy_gate"} <= told.keys()
    assert any(
        not torch.equal(p, q) for p, q in zip(before, task.strands[0].learner.policy.parameters(), strict=True)
    )
    gates = looked(task.strands[0], clips)
    assert gates.per_min[0] == pytest.approx(6.0)
    assert gates.per_min[-1] == pytest.approx(30.0)
    assert gates.truth == pytest.approx([9.0, 14.0, 20.0, 27.0])


def test_a_network_of_breath_looks_at_places_and_fewer_frames(clips):
    torch.manual_seed(0)
    network = Compact(breath=True).eval()
    with torch.no_grad():
        wave = network(clips.clip[:1])
        assert wave.shape == (1, FRAMES)
        assert network(clips.clip[:1, :, :301]).shape == (1, 301)
        turned = network(clips.clip[:1].flip(3))
    assert not torch.allclose(wave, turned, atol=1e-4)
    with pytest.raises(UsageError, match="multiple of 4"):
        Compact(width=18)


WRONG = {
    "a vital sign": ({"vital": "spo2"}, "no vital"),
    "a band": ({"band": "hous"}, "Did you mean 'house'"),
    "a band of breath": ({"vital": "respiration", "band": "house"}, "no band"),
    "a network": ({"vital": "respiration", "network": "factorizephys"}, "learnt by the network small"),
    "a teacher of breath": ({"breath_teacher": "radar"}, "pulse is learnt.*vital=both"),
    "a network of both": ({"vital": "both", "network": "factorizephys"}, "small or small-pos"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_told(what):
    asked, message = WRONG[what]
    with pytest.raises(UsageError, match=message):
        RpmTask(**asked)


def test_a_student_of_breath_says_nothing_of_the_heart(clips):
    task = RpmTask(vital="respiration", size=SIZE)
    with torch.no_grad():
        said = task.student.eval()(clips.clip)
    assert not said["pulse"].any()
    assert (said["quality"] < -10).all()
    assert said["respiration"].std(1).min() > 0
    card = task.card()
    assert card["name"] == "rpm-distill-small-breath"
    assert card["window_s"] == 30
    assert "no pulse" in card["limits"]


# --- pulse and breathing by one student


@pytest.fixture(scope="module")
def beating():
    """Clips like :func:`breathing`, of hearts whose rates are known, with a sensor's wave of them."""
    return beats([9.0, 14.0, 20.0, 27.0])


def beats(rates, seed=0):
    made = breathing(rates, seed)
    hearts = planted(np.linspace(50, 110, len(rates)).tolist(), FRAMES, SIZE)
    return replace(
        made,
        clip=made.clip
        + 4 * hearts.pulse[:, None, :, None, None] * torch.tensor([0.5, 1.0, 0.7])[:, None, None, None],
        pulse=hearts.pulse,
        contact=hearts.pulse,
        heart_rate=hearts.heart_rate,
    )


def both(**changes):
    torch.manual_seed(0)
    return RpmTask(
        **{"vital": "both", "network": "small-pos", "size": SIZE, "teacher": "contact", "breath_teacher": "radar"}
        | changes
    )


def test_two_vital_signs_are_summed_and_told_of_each(beating):
    task = both()
    assert task.needs == {"pulse", "respiration", "radar"}
    assert sorted(task.helpers) == ["breath_learner", "breath_teacher", "learner", "teacher"]
    found = task.losses(beating)
    for name in ("supervised", "distil"):
        each = [found[f"{vital}_{name}"] for vital in ("pulse", "respiration")]
        assert float(found[name].detach()) == pytest.approx(float(sum(each).detach()))
        assert all(each)
    assert {"pulse_gate", "respiration_gate", "respiration_taught_right"} <= found.keys()
    assert found["respiration_taught_right"] == 1
    (found["supervised"] + found["distil"]).backward()
    assert all(p.grad is not None and p.grad.any() for p in task.student.parameters())
    assert all(p.grad is None for p in task.helpers.parameters())
    alone = both(mode="alone", teacher="", breath_teacher="").losses(beating)
    assert alone["supervised"] == found["supervised"]


def test_each_vital_sign_is_learnt_as_if_it_were_alone(beating):
    """One of the two losses moves one of the two networks: what the other is taught does not matter."""
    task, other = both(), both(breath_teacher="radar", teacher_spoiled=1.0)
    for one in (task, other):
        one.losses(beating)["pulse_distil"].backward()
        assert all(p.grad is None for p in one.student.breath.parameters())
        one.losses(beating)["respiration_supervised"].backward()
    pairs = zip(task.student.breath.parameters(), other.student.breath.parameters(), strict=True)
    assert all(torch.equal(p.grad, q.grad) for p, q in pairs)


def test_each_vital_sign_has_a_policy_of_its_own(beating):
    task = both(schedule={"rate": 0.01})
    before = [[p.clone() for p in one.learner.policy.parameters()] for one in task.strands]
    told = task.update(beating, beats([10.0, 16.0, 22.0, 25.0], 3), 1e-3, lambda _: None)
    assert {"pulse_policy_outer", "respiration_policy_outer", "respiration_policy_gate"} <= told.keys()
    for one, was in zip(task.strands, before, strict=True):
        assert any(not torch.equal(p, q) for p, q in zip(was, one.learner.policy.parameters(), strict=True))
    heart, breath = (looked(one, beating) for one in task.strands)
    assert (heart.vital, breath.vital) == ("pulse", "respiration")
    assert not np.allclose(heart.gate, breath.gate)
    assert breath.truth == pytest.approx([9.0, 14.0, 20.0, 27.0])
    assert heart.truth == pytest.approx(np.linspace(50, 110, 4))


def test_a_student_of_both_says_both_and_is_judged_in_both(beating):
    task = both(trust=True)
    found = task.losses(beating)
    summed = found["pulse_quality"] + found["respiration_quality"]
    assert float(found["quality"].detach()) == pytest.approx(float(summed.detach()))
    found["quality"].backward()
    assert all(p.grad is None or not p.grad.any() for p in task.student.network.parameters())
    assert all(p.grad is None or not p.grad.any() for p in task.student.breath.parameters())
    for judge in (task.student.trust, task.student.breath_trust):
        assert any(p.grad is not None and p.grad.any() for p in judge.parameters())
    with torch.no_grad():
        said = task.student.eval()(beating.clip)
    assert set(said) == {"pulse", "quality", "respiration", "respiration_quality"}
    assert said["pulse"].shape == said["respiration"].shape == (4, FRAMES)
    card = task.card()
    assert card["name"] == "rpm-distill-small-pos-both"
    assert card["window_s"] == 30
    assert card["min_s"] == 3


def test_both_are_learnt_from_teachers_alone():
    task = both(mode="uniform", labels=0.0)
    rates, other = (np.random.default_rng(k).uniform(8, 28, 12) for k in (0, 1))
    learn, test = beats(rates), beats(other, 7)
    optimiser = torch.optim.AdamW(task.student.parameters(), 5e-3)
    for _ in range(40):
        losses = task.losses(learn)
        optimiser.zero_grad()
        losses["distil"].backward()
        optimiser.step()
    assert losses["supervised"] == 0
    with torch.no_grad():
        said = task.student.eval()(test.clip)
    assert float(RESPIRATION.right(said["respiration"], test).mean()) > 0.8
    assert float(PULSE.right(said["pulse"], test).mean()) > 0.8


def test_who_teaches_breath_has_to_be_named(beating):
    with pytest.raises(UsageError, match=r"teacher of respiration.*breath_teacher"):
        both(breath_teacher="").losses(beating)


def test_both_train_go_on_and_are_explained(tmp_path, monkeypatch, capsys):
    pytest.importorskip("lightning_fabric")
    from perfuse.cli.explain_gates import explain_gates
    from perfuse.learn.journal import read
    from perfuse.learn.loop import train
    from perfuse.learn.recipe import Optimiser, Recipe, Simulated, Validation
    from perfuse.papers.rpm_distill.explain import gates_of

    monkeypatch.setenv("PERFUSE_CACHE", str(tmp_path / "cache"))
    model = {
        "vital": "both",
        "size": SIZE,
        "teacher": "contact",
        "breath_teacher": "radar",
        "schedule": {"interval": 1},
    }
    asked = Recipe(
        "rpm_distill", steps=2, batch=2, frames=FRAMES, simulated=Simulated(domains={"lab": 1.0}, bank=4),
        model=model, optimiser=Optimiser(lr=1e-3), validation=Validation(every=2, clips=2, domains={"lab": 1.0}),
        save_every=1, workers=0, device="cpu",
    )  # fmt: skip
    train(asked, RpmTask(**model), tmp_path / "run")
    log = read(tmp_path / "run")
    assert {"respiration_gate", "pulse_policy_outer", "val_breath_mae"} <= set().union(*log)
    heart, breath = gates_of(tmp_path / "run", 2), gates_of(tmp_path / "run", 2, "respiration")
    assert (heart.vital, breath.vital) == ("pulse", "respiration")
    assert heart.qualities == ("", "")  # a sensor on a finger teaches it
    assert all(breath.qualities)
    assert explain_gates(str(tmp_path / "run"), clips=2, vital="respiration") == 0
    assert "gates-respiration.html" in capsys.readouterr().out
    head = (tmp_path / "run" / "gates" / "gates-respiration.csv").read_text().splitlines()[0]
    assert "respiratory_rate" in head
    with pytest.raises(UsageError, match="no vital"):
        gates_of(tmp_path / "run", 2, "breath")


@pytest.mark.slow
def test_a_bundle_tells_breath_and_no_pulse(tmp_path):
    pytest.importorskip("onnxscript")
    from perfuse.export.bundle import export
    from perfuse.methods.network import Network

    torch.manual_seed(0)
    task = RpmTask(vital="respiration", size=SIZE)
    assert export(task.student, task.card(), tmp_path) < 1e-3
    clip = breathing([15.0]).clip[0].movedim(0, -1).numpy()
    said = Network((tmp_path / "model.onnx").read_bytes(), "breath").run(np.ascontiguousarray(clip))
    assert said.respiration.shape == (FRAMES,)
    assert said.respiration.std() > 0
    assert not said.pulse.any()
    teacher = load_teacher(str(tmp_path), Grid(SIZE, SIZE), RESPIRATION)
    assert teacher(breathing([15.0]))[0].numpy() == pytest.approx(said.respiration)
    student = both(trust=True)
    assert export(student.student, student.card(), tmp_path / "both") < 1e-3
    said = Network((tmp_path / "both" / "model.onnx").read_bytes(), "both").run(np.ascontiguousarray(clip))
    assert said.respiration.std() > 0
    assert said.pulse.std() > 0
    assert said.respiration_quality is not None
    with pytest.raises(UsageError, match="tells nothing of breathing"):
        load_teacher("src/perfuse/methods/networks/rpm-distill", Grid(9, 9), RESPIRATION)
