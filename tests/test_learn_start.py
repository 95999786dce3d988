"""Trainings that begin with weights of others, and those in which only a part of a student learns."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from perfuse.cli import main
from perfuse.core.errors import SourceError, UsageError
from perfuse.export.run import open_run
from perfuse.learn import checkpoint
from perfuse.learn.loop import train
from perfuse.learn.recipe import Recipe
from perfuse.learn.runs import at_rest, begin, hold, read_run
from perfuse.methods.shipped import list_shipped
from perfuse.papers.known import find_recipe, make_task

TINY = {"rows": 4, "cols": 4, "maps": 2, "width": 8, "dilations": [1, 2]}
KDPHYS = Recipe("kdphys", model={"network": "student-a", "size": 24, "trust": True})


@pytest.fixture(scope="module")
def recipe():
    short = find_recipe("blend/ci", {"steps": "3", "frames": "64", "validation.every": "0"})
    return replace(short, model=TINY)


@pytest.fixture(scope="module")
def before(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("start") / "before"
    train(recipe, make_task(recipe), folder)
    return folder


def state_of(task):
    return {name: value.clone() for name, value in task.student.state_dict().items()}


def same(one, two):
    return {name for name in one if torch.equal(one[name], two[name])}


def test_a_student_begins_with_what_a_run_would_export(recipe, before):
    task = make_task(replace(recipe, seed=5))
    assert begin(task.student, str(before)) == []
    wanted = open_run(before)[0].student.state_dict()
    assert same(state_of(task), wanted) == set(wanted)


@pytest.mark.parametrize("name", [one.name for one in list_shipped()])
def test_a_student_begins_with_what_is_shipped(name):
    folder = next(one.folder for one in list_shipped() if one.name == name)
    made = {
        "blend": Recipe("blend"),
        "kdphys": KDPHYS,
        "lq-rppg": Recipe("lq_rppg", model={"stem": "grid", "mixer": "mamba", "size": 9}),
        "rpm-distill": find_recipe("rpm_distill/ship", {"model.teacher": "contact"}),
        "physvlm": find_recipe("physvlm/ship"),
    }[name]
    one, two = make_task(made), make_task(replace(made, seed=3))
    assert begin(one.student, name) == begin(two.student, str(folder)) == []
    assert same(state_of(one), state_of(two)) == set(state_of(one))


def test_parts_that_one_side_lacks_are_told(tmp_path):
    silent = make_task(replace(KDPHYS, model=KDPHYS.model | {"trust": False}))
    assert begin(silent.student, "kdphys") == ["trust of kdphys is left out"]
    bundle = tmp_path / "silent"
    bundle.mkdir()
    from safetensors.torch import save_file

    save_file(state_of(silent), bundle / "model.safetensors")
    whole = make_task(KDPHYS)
    drawn = state_of(whole)
    assert begin(whole.student, str(bundle)) == [f"{bundle} has no trust: it starts anew"]
    kept = same(drawn, state_of(whole))
    assert {name for name in drawn if name.startswith("trust.")} <= kept
    assert "network.layers.0.0.weight" not in kept


def test_what_does_not_fit_is_told(recipe, before, tmp_path):
    task = make_task(recipe)
    drawn = state_of(task)
    with pytest.raises(UsageError, match=r"start: kdphys is of another network: it (lacks|has) "):
        begin(task.student, "kdphys")
    with pytest.raises(UsageError, match=r"start: blend is of another network: it has layers"):
        begin(task.student, "blend")
    wide = make_task(replace(recipe, model=TINY | {"width": 12}))
    with pytest.raises(UsageError, match=r"start: \S+ of \S+before is \(.*\), here \(.*\)"):
        begin(wide.student, str(before))
    with pytest.raises(SourceError, match=r"no run, bundle or network called 'blnd'.*or one of blend"):
        begin(task.student, "blnd")
    (tmp_path / "model.safetensors").write_bytes(b"half")
    with pytest.raises(SourceError, match="is no whole bundle"):
        begin(task.student, str(tmp_path))
    with pytest.raises(UsageError, match=r"only: no weight of the student begins with 'tru'.*Available: .*trust"):
        hold(task.student, ("tru",))
    assert same(drawn, state_of(task)) == set(drawn)


@pytest.mark.parametrize("name", ["blend", "rpm_distill"])
def test_only_the_named_part_learns(recipe, before, tmp_path, name):
    if name == "blend":
        asked = replace(recipe, start=str(before), only=("trust",), steps=4)
    else:  # a policy that asks what a step does to the student has to know which of its weights move
        asked = find_recipe("rpm_distill/ci", {"steps": "5", "frames": "64", "only": "[network.leave]"})
    task = make_task(asked)
    train(asked, task, tmp_path / "after")
    first = make_task(asked)
    if asked.start:
        begin(first.student, asked.start)
    one, two = state_of(first), read_run(tmp_path / "after").weights()
    moved = {key for key in one if key not in same(one, two)}
    assert moved
    assert all(key.startswith(asked.only[0]) for key in moved)


def test_a_part_that_does_not_learn_keeps_its_statistics():
    student = make_task(KDPHYS).student.train()
    at_rest(student)
    assert all(part.training for part in student.modules())
    hold(student, ("trust",))
    at_rest(student)
    assert not any(part.training for part in student.network.modules())
    assert student.trust.training
    before = {name: value.clone() for name, value in student.state_dict().items()}
    student(torch.rand(2, 3, 64, 24, 24) * 255)
    assert same(before, student.state_dict()) == set(before)


@pytest.mark.parametrize("room", ["kdphys", "lq_rppg"])
def test_judges_of_what_is_shipped_learn_by_a_recipe(room):
    asked = find_recipe(f"{room}/judge")
    task = make_task(asked)
    assert begin(task.student, asked.start) == []
    hold(task.student, asked.only)
    assert {name.split(".")[0] for name, p in task.student.named_parameters() if p.requires_grad} == {"trust"}
    assert [name for name, weight in task.weights.items() if weight] == ["quality"]
    assert task.card()["window_s"] == asked.crop / task.view.rate_hz == 10.0


def test_a_run_goes_on_where_its_start_is_gone(recipe, before, tmp_path):
    shutil.copytree(before, tmp_path / "start")
    asked = replace(recipe, start=str(tmp_path / "start"), steps=6, save_every=3)
    train(asked, make_task(asked), tmp_path / "whole")

    def stop(done, total, told=None):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(asked, make_task(asked), tmp_path / "stopped", progress=stop)
    shutil.rmtree(tmp_path / "start")
    train(asked, make_task(asked), tmp_path / "stopped")
    one, two = (read_run(tmp_path / name).weights() for name in ("whole", "stopped"))
    assert same(one, two) == set(one)
    assert "begun with start, 6 steps" in open_run(tmp_path / "whole")[1]["limits"]


def test_old_runs_keep_their_mark(recipe):
    plain = json.loads(json.dumps({"task": "blend", "steps": 8}))
    assert Recipe(**plain).mark() == Recipe(**plain, start="", only=()).mark()
    assert Recipe(**plain).mark() != Recipe(**plain, start="blend").mark()


def test_the_command_begins_where_it_is_told(before, tmp_path, capsys):
    short = ["steps=2", "frames=64", "validation.every=0", f"model={json.dumps(TINY)}"]
    assert main(["train", "blend/ci", "--out", str(tmp_path / "a"), "--set", *short, f"start={before}"]) == 0
    assert Path(checkpoint.NAME).name in {path.name for path in (tmp_path / "a").iterdir()}
    assert main(["train", "blend/ci", "--out", str(tmp_path / "b"), "--set", *short, "start=nowhere"]) == 3
    assert "no run, bundle or network called 'nowhere'" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
