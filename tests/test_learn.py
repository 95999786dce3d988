"""Training: strict recipes, the same weights however often a run was killed, troubles told before they cost hours."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import perfuse
from perfuse.cli import main
from perfuse.core.errors import OutputError, SourceError, UsageError
from perfuse.core.view import Grid
from perfuse.learn import checkpoint
from perfuse.learn.augment import _lamps, _swayed, augment, cut
from perfuse.learn.bank import open_bank
from perfuse.learn.journal import Journal, read
from perfuse.learn.loop import rate_at, train, weights_at
from perfuse.learn.recipe import Augment, Optimiser, Recipe, Recorded, Simulated, Stage, build, load_recipe
from perfuse.learn.sources import filmed, mixed, sources
from perfuse.learn.task import Task
from perfuse.learn.validate import Validator
from perfuse.papers.blend.model import Blend
from perfuse.papers.known import TASKS, find_recipe, make_task, recipes
from perfuse.synth.layouts.folder import make
from perfuse.synth.layouts.known import get_layout
from perfuse.synth.layouts.plan import people, plan
from perfuse.synth.stream import stream

TINY = {"rows": 4, "cols": 4, "maps": 2, "width": 8, "dilations": [1, 2]}


@pytest.fixture
def recipe():
    short = find_recipe("blend/ci", {"steps": "8", "save_every": "3", "validation.every": "4", "frames": "64"})
    return replace(short, model=TINY, validation=replace(short.validation, clips=4))


# --- recipes


@pytest.mark.parametrize("name", recipes())
def test_every_shipped_recipe_makes_a_task(name):
    found = find_recipe(name)
    task = make_task(found)
    assert isinstance(task, Task)
    assert found.task in TASKS
    assert recipes()[name].read_text().startswith("#")


WRONG = {
    "an unknown key": ("task: blend\nstep: 3", "Did you mean 'steps'"),
    "an unknown inner key": ("task: blend\noptimiser: {learning_rate: 1}", "optimiser.*learning_rate"),
    "a word for a number": ("task: blend\nsteps: many", "steps is 'many'"),
    "a share for a count": ("task: blend\nsteps: 0.5", "a whole number"),
    "no task": ("steps: 3", "lacks 'task'"),
    "nothing": ("", "holds no keys"),
    "no mapping": ("task: blend\noptimiser: 3", "optimiser is 3"),
    "no data": ("task: blend\nsimulated:", "no data"),
    "out of range": ("task: blend\nbatch: 0", "batch: 0"),
    "a crop longer than clips": ("task: blend\nframes: 64\ncrop: 65", "crop: 65"),
    "no device": ("task: blend\ndevice: tpu", "device: tpu"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_recipe_is_told(tmp_path, what):
    text, message = WRONG[what]
    file = tmp_path / "recipe.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_recipe(file)


def test_no_recipe_is_told(tmp_path):
    with pytest.raises(SourceError, match="no recipe"):
        load_recipe(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("task: [")
    with pytest.raises(SourceError, match="is no recipe"):
        load_recipe(tmp_path / "bad.yaml")
    with pytest.raises(UsageError, match=r"no task called 'blnd'.*Did you mean 'blend'"):
        make_task(Recipe("blnd"))
    with pytest.raises(UsageError, match="does not fit"):
        make_task(Recipe("blend", model={"depth": 3}))
    with pytest.raises(UsageError, match="no loss"):
        make_task(Recipe("blend", weights={"mse": 1.0}))


def test_what_decides_the_weights_is_in_the_mark(recipe):
    assert replace(recipe, seed=1).mark() != recipe.mark()
    assert replace(recipe, workers=3, save_every=1).mark() == recipe.mark()
    assert build(Recipe, json.loads(json.dumps({"task": "blend", "steps": 8})), "x").steps == 8


def test_rates_rise_and_fall():
    how = Optimiser(lr=1.0, warmup=10, floor=0.1)
    rates = [rate_at(how, step, 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1, abs=0.01)
    assert max(rates) == pytest.approx(1.0, abs=0.05)
    assert rates[-1] == pytest.approx(0.1)
    assert np.all(np.diff(rates[10:]) < 0)


# --- batches


@pytest.fixture(scope="module")
def batch():
    return next(stream(Grid(4, 4), batch=3, frames=64, seed=5, domains="lab", device="cpu"))


@given(st.integers(0, 99))
def test_cuts_keep_pictures_and_labels_together(batch, seed):
    part = cut(batch, 40, torch.Generator().manual_seed(seed))
    assert part.clip.shape[2] == part.pulse.shape[1] == 40
    for row in range(3):
        start = next(s for s in range(25) if torch.equal(batch.pulse[row, s : s + 40], part.pulse[row]))
        assert torch.equal(batch.clip[row, :, start : start + 40], part.clip[row])


def test_replay_at_another_speed_changes_the_rate_with_the_wave(batch):
    slow = augment(batch, Augment(flip=0.0, speed=(0.5, 0.5)), torch.Generator().manual_seed(0))
    assert torch.allclose(slow.heart_rate, batch.heart_rate / 2)
    assert torch.allclose(slow.pulse[:, ::2], batch.pulse[:, :32], atol=1e-5)
    assert torch.allclose(slow.clip[:, :, ::2], batch.clip[:, :, :32], atol=1e-3)


def test_light_drifts_motion_sways_and_codecs_take_what_is_small(batch):
    def changed(**how):
        return augment(batch, Augment(flip=0.0, **how), torch.Generator().manual_seed(5)).clip

    lit = changed(light=0.1) / batch.clip
    assert lit.std(dim=(1, 3, 4)).max() < 1e-3  # all pixels alike
    assert 0.005 < lit.mean(dim=(1, 3, 4)).std(dim=1).max() < 0.15
    flat = replace(batch, clip=batch.clip[..., :1, :1].expand(-1, -1, -1, 6, 6))
    swayed = augment(flat, Augment(flip=0.0, motion=2.0), torch.Generator().manual_seed(5)).clip
    assert torch.allclose(swayed, flat.clip, atol=1e-3)  # nothing to be seen of motion where all is one colour
    assert (changed(motion=1.0) - batch.clip).abs().max() > 0.5
    coded = changed(compression=(30.0, 40.0))
    steps = [(x[:, :, 1:] - x[:, :, :-1]).abs().mean() for x in (batch.clip, coded)]
    assert steps[1] < 0.7 * steps[0]


@pytest.mark.parametrize("alive", [True, False])
def test_false_beats_come_with_their_chance_and_beat(batch, alive):
    known = batch if alive else replace(batch, heart_rate=torch.full_like(batch.heart_rate, torch.nan))
    never, always = ((0.0, 1.0), (1.0, 0.0)) if alive else ((1.0, 0.0), (0.0, 1.0))
    same = augment(known, Augment(flip=0.0, beats=never), torch.Generator().manual_seed(1)).clip
    assert torch.allclose(same, batch.clip, atol=1e-3)
    other = augment(known, Augment(flip=0.0, beats=always), torch.Generator().manual_seed(1)).clip
    assert (other - batch.clip).abs().flatten(1).amax(1).min() > 0.01


def test_a_lamp_that_beats_shines_on_all_there_is():
    flat = torch.full((2, 3, 300, 4, 4), 100.0)
    generator = torch.Generator().manual_seed(2)
    draws = lambda *n: torch.rand(n, generator=generator), lambda *n: torch.randn(n, generator=generator)
    lit = _lamps(flat, 30.0, torch.tensor([1.0, 0.0]), *draws)
    assert torch.equal(lit[1], flat[1])
    wave = torch.log(lit[0] / 100).mean((0, 2, 3))
    power = torch.fft.rfft(wave - wave.mean()).abs() ** 2
    lines = torch.fft.rfftfreq(300, 1 / 30)
    inside = (lines >= 0.5) & (lines <= 7.5)
    assert power[inside].sum() > 0.9 * power.sum()
    assert 3e-4 < wave.abs().max() < 0.1


def test_motion_moves_right_and_down(batch):
    way = torch.zeros(len(batch.clip), 2, batch.clip.shape[2])
    way[:, 0] = 1.0
    moved = _swayed(batch.clip, way)
    assert torch.allclose(moved[..., 1:], batch.clip[..., :-1], atol=1e-2)


def test_nothing_asked_changes_nothing(batch):
    same = augment(batch, Augment(flip=0.0), torch.Generator())
    assert torch.equal(same.clip, batch.clip)
    turned = augment(batch, Augment(flip=1.0), torch.Generator())
    assert torch.equal(turned.clip, batch.clip.flip(4))


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFUSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def of_task(recipe, rows):
    return make_task(replace(recipe, model=TINY | {"rows": rows, "cols": rows}))


@pytest.mark.parametrize("bank", [0, 5])
def test_batches_are_the_same_wherever_a_run_begins(recipe, bank, own_cache):
    asked = replace(recipe, simulated=replace(recipe.simulated, bank=bank), batch=2, frames=32)

    def first(step, count):
        batches = mixed(sources(asked, of_task(recipe, 3), "cpu"), 4, step)
        found = [next(batches).clip for _ in range(count)]
        batches.close()
        return found

    whole, later = first(0, 7), first(4, 3)
    assert all(torch.equal(a, b) for a, b in zip(whole[4:], later))


# --- banks


def a_bank(folder, clips=5, **asked):
    return open_bank(folder, Grid(3, 3), frames=32, clips=clips, seed=1, domains={"lab": 1.0}, **asked)


def test_a_bank_holds_what_the_stream_paints(tmp_path):
    bank = a_bank(tmp_path)
    bank.paint()
    fresh = next(stream(Grid(3, 3), batch=5, frames=32, seed=1, domains="lab"))
    kept = bank.batch(np.arange(5))
    assert np.abs(kept.clip.numpy() - fresh.clip).max() <= 0.5 / 256 + 1e-4
    assert np.array_equal(kept.pulse.numpy(), fresh.pulse)
    assert np.array_equal(kept.contact_valid.numpy(), fresh.contact_valid)
    assert np.array_equal(kept.heart_rate.numpy(), fresh.heart_rate, equal_nan=True)


def test_every_clip_of_a_bank_comes_once_before_any_comes_again(tmp_path):
    bank = a_bank(tmp_path)
    bank.paint()
    batches = bank.batches(2, 0, 0)
    seen = np.concatenate([next(batches).items for _ in range(10)])
    for epoch in seen.reshape(4, 5):
        assert sorted(epoch) == list(range(5))
    assert len({tuple(epoch) for epoch in seen.reshape(4, 5)}) > 1


def test_a_bank_is_painted_once_and_mended(tmp_path):
    bank = a_bank(tmp_path)
    bank.paint()
    (path,) = bank.folder.glob("*.safetensors")
    whole, when = path.read_bytes(), path.stat().st_mtime_ns
    bank.paint()
    assert path.stat().st_mtime_ns == when
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"is damaged.*Remove it"):
        bank.batch(np.array([0]))
    path.unlink()
    (bank.folder / f".perfuse-{2**22 + 1}-00000.safetensors.part").write_bytes(b"half")  # of a run that was killed
    bank.paint()
    assert path.read_bytes() == whole
    assert not list(bank.folder.glob(".perfuse-*"))


def test_whatever_decides_the_clips_decides_the_folder(tmp_path):
    folders = {
        a_bank(tmp_path).folder,
        a_bank(tmp_path, clips=6).folder,
        a_bank(tmp_path, asked={"motion": "still"}).folder,
        open_bank(tmp_path, Grid(4, 3), frames=32, clips=5, seed=1, domains={"lab": 1.0}).folder,
        open_bank(tmp_path, Grid(3, 3), frames=33, clips=5, seed=1, domains={"lab": 1.0}).folder,
        open_bank(tmp_path, Grid(3, 3), frames=32, clips=5, seed=2, domains={"lab": 1.0}).folder,
        open_bank(tmp_path, Grid(3, 3), frames=32, clips=5, seed=1, domains={"talk": 1.0}).folder,
    }
    assert len(folders) == 7
    assert a_bank(tmp_path, clips=256).folder == a_bank(tmp_path, clips=512).folder


def test_lessons_are_asked_once_and_come_with_their_clips(tmp_path):
    bank = a_bank(tmp_path)
    bank.paint()
    asked = []

    def lesson(clip):
        asked.append(len(clip))
        return {"pulse": clip.mean((1, 3, 4)) / 256, "map0": clip.mean(1) / 256}

    bank.teach(lesson, "k")
    bank.teach(lesson, "k")
    assert sum(asked) == 5
    batch = cut(bank.batch(np.array([3, 1]), "k"), 32, torch.Generator())
    assert torch.allclose(batch.taught["map0"], batch.clip.mean(1) / 256, atol=1e-3)
    turned = augment(batch, Augment(flip=1.0), torch.Generator())
    assert torch.allclose(turned.taught["map0"], turned.clip.mean(1) / 256, atol=1e-3)
    assert torch.allclose(turned.taught["pulse"], turned.clip.mean((1, 3, 4)) / 256, atol=1e-3)


def test_lessons_are_cut_with_their_clips(batch):
    said = {"pulse": batch.clip.mean((1, 3, 4)), "map0": batch.clip.mean(1)}
    part = cut(replace(batch, taught=said), 40, torch.Generator().manual_seed(3))
    assert part.taught["pulse"].shape[1] == 40
    assert torch.equal(part.taught["pulse"], part.clip.mean((1, 3, 4)))
    assert torch.equal(part.taught["map0"], part.clip.mean(1))


def test_lessons_need_a_bank_and_a_teacher(recipe, own_cache):
    with pytest.raises(UsageError, match="without a bank"):
        replace(recipe, simulated=replace(recipe.simulated, lessons=True))
    with pytest.raises(UsageError, match="moved or replayed"):
        replace(recipe, simulated=replace(recipe.simulated, bank=4, lessons=True), augment=Augment(speed=(0.8, 1.2)))
    asked = replace(recipe, simulated=replace(recipe.simulated, bank=4, lessons=True))
    with pytest.raises(UsageError, match="blend has no teacher"):
        sources(asked, make_task(asked), "cpu")


def test_stages_change_the_weights_of_the_losses_and_end(recipe):
    both = replace(recipe, stages=(Stage(2, {"pearson": 0.0}), Stage(5, {"pearson": 3.0})))
    usual = {"pearson": 1.0, "spectrum": 0.3}
    told = [weights_at(both, usual, step)["pearson"] for step in range(7)]
    assert told == [0.0, 0.0, 3.0, 3.0, 3.0, 1.0, 1.0]
    assert weights_at(both, usual, 0)["spectrum"] == 0.3
    with pytest.raises(UsageError, match="rising steps"):
        replace(recipe, stages=(Stage(5, {}), Stage(5, {})))


@pytest.fixture(scope="module")
def ubfc(tmp_path_factory):
    root = tmp_path_factory.mktemp("learn") / "ubfc"
    layout = get_layout("ubfc")
    make(
        root, layout, plan(layout, people(2, "lab", 7, {"duration_s": 6.0, "width": 160, "height": 160})), {"seed": 7}
    )
    return root


def test_recordings_and_people_who_never_lived_mix(ubfc, recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("PERFUSE_CACHE", str(tmp_path))
    both = replace(recipe, batch=2, frames=48, recorded=(Recorded(f"ubfc-rppg:{ubfc}", share=1.0),))
    batches = mixed(sources(both, of_task(recipe, 4), "cpu"), 0)
    found = [next(batches) for _ in range(8)]
    batches.close()
    real = [b for b in found if not b.settings]
    assert 0 < len(real) < 8
    for one in real:
        assert one.clip.shape == (2, 3, 48, 4, 4)
        assert one.clip.max() > 30
        assert torch.isfinite(one.pulse).all()
        assert torch.isfinite(one.heart_rate).all()


def test_data_without_what_the_task_needs_stops_at_once(ubfc, recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("PERFUSE_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match=r"what the task needs: pulse, respiration.*They have heart_rate, pulse"):
        filmed(Recorded(f"ubfc-rppg:{ubfc}"), recipe, Grid(4, 4), frozenset({"pulse", "respiration"}))
    with pytest.raises(UsageError, match="samples of face and pulse in a row"):
        filmed(Recorded(f"ubfc-rppg:{ubfc}"), replace(recipe, frames=4000), Grid(4, 4), frozenset({"pulse"}))
    task = of_task(recipe, 4)
    task.needs = frozenset({"smell"})
    with pytest.raises(UsageError, match="no source gives"):
        sources(recipe, task, "cpu")
    with pytest.raises(UsageError, match="are 0"):
        sources(replace(recipe, simulated=Simulated(share=0.0)), of_task(recipe, 4), "cpu")


# --- the loop


def weights_of(folder, recipe):
    return checkpoint.load(folder, recipe.mark())["weights"]


def test_a_run_that_was_stopped_ends_like_one_that_was_not(recipe, tmp_path):
    class StopError(Exception):
        pass

    def stop_at(step):
        def progress(done, total, told=None):
            if done == step:
                raise StopError

        return progress

    train(recipe, make_task(recipe), tmp_path / "whole")
    for step in (4, 7):  # after the checkpoints of steps 3 and 6
        with pytest.raises(StopError):
            train(recipe, make_task(recipe), tmp_path / "stopped", progress=stop_at(step))
    done = train(recipe, make_task(recipe), tmp_path / "stopped")
    assert done.steps == 8
    whole, stopped = weights_of(tmp_path / "whole", recipe), weights_of(tmp_path / "stopped", recipe)
    assert whole.keys() == stopped.keys()
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)
    lines = [
        [{k: v for k, v in line.items() if k != "waiting"} for line in read(tmp_path / run)]
        for run in ("whole", "stopped")
    ]
    assert lines[0] == lines[1]
    again = train(recipe, make_task(recipe), tmp_path / "stopped")  # nothing is left to do
    assert float(torch.tensor(1e-40) * 1.0) > 0  # processors count as they did before
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert again.steps == 8


def test_a_loss_that_is_no_number_stops_with_advice(recipe, tmp_path):
    task = make_task(recipe)
    with torch.no_grad():
        task.student.leave.weight.fill_(float("nan"))
    with pytest.raises(UsageError, match=r"no number at step 0.*optimiser.lr"):
        train(recipe, task, tmp_path)
    assert not (tmp_path / checkpoint.NAME).exists()


def test_another_recipes_checkpoint_is_refused(recipe, tmp_path):
    train(replace(recipe, steps=3), make_task(recipe), tmp_path)
    with pytest.raises(UsageError, match="another recipe"):
        train(replace(recipe, steps=3, seed=9), make_task(recipe), tmp_path)


def test_a_damaged_checkpoint_is_never_loaded(recipe, tmp_path):
    train(replace(recipe, steps=3), make_task(recipe), tmp_path)
    path = tmp_path / checkpoint.NAME
    content = path.read_bytes()
    for bad in (content[: len(content) // 2], b"", b"PK" + content[2:][::-1]):
        path.write_bytes(bad)
        with pytest.raises(SourceError, match="no whole checkpoint"):
            train(replace(recipe, steps=3), make_task(recipe), tmp_path)


def test_a_full_disk_keeps_the_checkpoint_before(recipe, tmp_path, monkeypatch):
    checkpoint.save(tmp_path, {"step": 1}, "m")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match="Free some space"):
        checkpoint.save(tmp_path, {"step": 2}, "m")
    assert checkpoint.load(tmp_path, "m") == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == [checkpoint.NAME]


def test_a_log_forgets_what_was_not_saved(tmp_path):
    log = Journal(tmp_path, 0)
    for step in (1, 2, 3):
        log.add(step=step, loss=1.0 / step)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    assert [line["step"] for line in read(tmp_path)] == [1, 2, 3]
    Journal(tmp_path, 2)
    assert [line["step"] for line in read(tmp_path)] == [1, 2]


# --- the network


@given(st.floats(0.3, 1.0), st.integers(0, 20))
def test_brightness_does_not_matter_much(gain, seed):
    torch.manual_seed(seed)
    net = Blend(4, 4, maps=2, width=8, dilations=(1, 2)).eval()
    clip = 150 + torch.cumsum(torch.randn(1, 3, 90, 4, 4), dim=2)
    with torch.no_grad():
        one, two = net(clip)["pulse"], net(clip * gain)["pulse"]
    assert torch.corrcoef(torch.cat([one, two]))[0, 1] > 0.8


def test_clips_do_not_know_one_another():
    torch.manual_seed(0)
    net = Blend(4, 4, maps=2, width=8, dilations=(1, 2)).eval()
    clips = 100 + 10 * torch.rand(3, 3, 90, 4, 4)
    with torch.no_grad():
        together, alone = net(clips), net(clips[1:2])
    assert torch.allclose(together["pulse"][1], alone["pulse"][0], atol=1e-5)
    assert torch.allclose(together["quality"][1], alone["quality"][0], atol=1e-5)


# --- from the command line to a measurement


@pytest.mark.slow
def test_train_export_measure(tmp_path, capsys, recipe):
    words = ["steps=4", "validation.every=4", "validation.clips=4", "frames=64", "batch=2"]
    assert main(["train", "blend/ci", "--out", str(tmp_path / "run"), "--set", *words]) == 0
    said = capsys.readouterr().out
    assert "4 steps" in said
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "bundle"), "--name", "mine"]) == 0
    assert {p.name for p in (tmp_path / "bundle").iterdir()} == {"model.onnx", "model.safetensors", "card.json"}
    card = json.loads((tmp_path / "bundle" / "card.json").read_text())
    assert card["name"] == "mine"
    assert "seed 0, 4 steps" in card["limits"]
    assert str(tmp_path).encode() not in (tmp_path / "bundle" / "model.onnx").read_bytes()
    times = np.arange(240) / 30
    frames = np.full((240, 64, 64, 3), 120, np.uint8)
    answer = perfuse.measure(frames, times_s=times, method="pos")
    assert answer.heart_rate.value is None
    from perfuse.methods.student import load_bundle

    assert perfuse.measure(frames, times_s=times, method=load_bundle(tmp_path / "bundle")).heart_rate.value is None


def test_the_commands_tell_what_is_wrong(tmp_path, capsys):
    assert main(["train", "--list"]) == 0
    assert "blend/desk" in capsys.readouterr().out
    for words, code in (
        (["train"], 2),
        (["train", "blend/none"], 3),
        (["train", "blend/ci", "--set", "steps"], 2),
        (["train", "blend/ci", "--set", "optimiser.speed=3"], 2),
        (["export", str(tmp_path), str(tmp_path / "b")], 3),
    ):
        assert main(words) == code, words
        assert "Traceback" not in capsys.readouterr().err


@pytest.mark.filterwarnings("error")
def test_a_student_that_tells_no_breath_is_validated_without_a_warning(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("PERFUSE_CACHE", str(tmp_path))
    task = of_task(recipe, 4)
    asked = replace(recipe, validation=replace(recipe.validation, clips=2))
    scores = Validator(asked, task).look(
        {name: value.clone() for name, value in task.student.state_dict().items()}, 1
    )
    assert {"r", "mae", "close"} <= scores.keys()
    assert not any(name.startswith("breath") for name in scores)
