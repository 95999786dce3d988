"""``perfuse teacher``: teach a teacher, keep what it says, and refuse what is wrong, in words."""

import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from safetensors.torch import save_file  # noqa: E402

from perfuse.cli import main  # noqa: E402
from perfuse.core.errors import MissingExtraError, OutputError, SourceError, UsageError  # noqa: E402
from perfuse.papers.physvlm import prompts  # noqa: E402
from perfuse.papers.physvlm.hub import load_hub  # noqa: E402
from perfuse.papers.physvlm.priors import open_priors  # noqa: E402
from perfuse.papers.physvlm.provide import load_teacher  # noqa: E402
from perfuse.papers.physvlm.tiny import TinyDualEncoder, load_tiny, save_tiny  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = ["simulated.bank=4", "workers=0", "frames=224", "crop=208"]
TRAIN = [*SMALL, "steps=2", "batch=2", "validation.every=0"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("teachers")


@pytest.fixture(autouse=True)
def cache(place, monkeypatch):
    monkeypatch.setenv("PERFUSE_CACHE", str(place / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def tiny(place):
    """A teacher as perfuse teacher adapt writes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFUSE_CACHE", str(place / "cache"))
        folder = place / "tiny"
        asked = ["--recipe", "physvlm/ci", "--set", *SMALL, "steps=3", "batch=4"]
        assert main(["teacher", "adapt", "tiny", str(folder), *asked]) == 0
    return folder


@pytest.fixture(scope="module")
def said(place, tiny):
    """A cache as perfuse teacher cache writes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFUSE_CACHE", str(place / "cache"))
        path = place / "said.safetensors"
        assert main(["teacher", "cache", str(tiny), str(path), "--recipe", "physvlm/ci", "--set", *SMALL]) == 0
    return path


def refused(words, capsys, code, *told):
    """Run a command that has to fail, and look at what it said."""
    assert main([str(word) for word in words]) == code
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "should not happen" not in err
    for part in told:
        assert part in err
    return err


def train(teacher, run, *changes):
    return ["train", "physvlm/ci", "--out", run, "--set", *TRAIN, f"model.teacher={teacher}", *changes]


def test_a_teacher_is_written_whole(tiny, capsys):
    teacher = load_teacher(str(tiny))
    assert isinstance(teacher, TinyDualEncoder)
    assert teacher.domains == ("lab", "neonate")
    about = json.loads((tiny / "teacher.json").read_text())
    assert about["fingerprint"] == teacher.fingerprint()
    refused(["teacher", "adapt", "tiny", tiny], capsys, OutputError.exit_code, "holds something already")


def test_what_was_kept_is_who_said_it(tiny, said):
    priors = open_priors(said, teacher=load_tiny(tiny / "teacher.safetensors").fingerprint(), held_out=["talk"])
    assert len(priors.rows) == 4
    assert not list(said.parent.glob(".perfuse-*"))


def test_a_student_learns_from_a_cache(said, tmp_path):
    assert main([str(word) for word in train(said, tmp_path / "run", "simulated.lessons=true")]) == 0


def test_a_student_learns_from_a_teacher(tiny, tmp_path):
    assert main([str(word) for word in train(tiny, tmp_path / "run")]) == 0


def test_a_cache_that_holds_the_target_is_refused(said, tmp_path, capsys):
    words = train(said, tmp_path / "run", "simulated.lessons=true", "model.held_out=[neonate]")
    refused(words, capsys, UsageError.exit_code, "neonate, which is held out")
    assert not (tmp_path / "run").exists()


def test_a_cache_without_lessons_is_refused(said, tmp_path, capsys):
    refused(train(said, tmp_path / "run"), capsys, UsageError.exit_code, "simulated.lessons=true")


def test_a_cache_of_other_clips_is_refused(said, tmp_path, capsys):
    words = train(said, tmp_path / "run", "simulated.lessons=true", "simulated.bank_seed=5")
    refused(words, capsys, SourceError.exit_code, "was not asked")


def test_held_out_data_teaches_no_teacher(tiny, tmp_path, capsys):
    asked = ["--recipe", "physvlm/ci", "--held-out", "lab", "--set", *SMALL]
    refused(["teacher", "adapt", "tiny", tmp_path / "t", *asked], capsys, UsageError.exit_code, "lab is held out")
    assert not (tmp_path / "t").exists()
    words = ["teacher", "cache", "spectral", tmp_path / "c.safetensors", *asked]
    refused(words, capsys, UsageError.exit_code, "lab, which is held out")
    words = ["teacher", "cache", tiny, tmp_path / "c.safetensors", *asked]
    refused(words, capsys, UsageError.exit_code, "has learnt from lab")
    assert not (tmp_path / "c.safetensors").exists()


def test_other_captions_are_refused(said, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(prompts, "PULSE", ("{} beats per minute", *prompts.PULSE[1:]))
    words = train(said, tmp_path / "run", "simulated.lessons=true")
    refused(words, capsys, UsageError.exit_code, "other captions")


def test_a_teacher_that_was_changed_is_refused(tiny, tmp_path, capsys):
    other = shutil.copytree(tiny, tmp_path / "other")
    torch.manual_seed(5)
    changed = TinyDualEncoder()
    save_tiny(changed, other / "teacher.safetensors")
    refused(train(other, tmp_path / "run"), capsys, SourceError.exit_code, "another teacher than it says")
    (other / "teacher.json").write_text("{}")
    refused(train(other, tmp_path / "run"), capsys, SourceError.exit_code, "damaged")


def test_a_cache_is_no_teacher_to_ask(said, tmp_path, capsys):
    words = ["teacher", "cache", said, tmp_path / "c.safetensors", "--recipe", "physvlm/ci", "--set", *SMALL]
    refused(words, capsys, UsageError.exit_code, "a cache already")


def test_a_recipe_without_a_bank_has_nothing_to_keep(tmp_path, capsys):
    words = ["teacher", "cache", "spectral", tmp_path / "c.safetensors", "--recipe", "physvlm/ci", "--set"]
    refused([*words, *SMALL, "simulated.bank=0"], capsys, UsageError.exit_code, "no bank")


def test_clips_too_short_for_a_teacher_are_told(tiny, tmp_path, capsys):
    words = ["teacher", "cache", tiny, tmp_path / "c.safetensors", "--recipe", "physvlm/ci", "--set"]
    refused([*words, "simulated.bank=4"], capsys, UsageError.exit_code, "144 samples")


def model_folder(folder, **files):
    folder.mkdir()
    contents = {"config.json": '{"model_type": "clip"}', "tokenizer.json": "{}"} | files
    for name, text in contents.items():
        if text is not None:
            (folder / name).write_text(text)
    return folder


def test_model_folders_that_are_not_whole_are_told(tmp_path, capsys):
    nothing = model_folder(tmp_path / "nothing")
    pickled = model_folder(tmp_path / "pickled", **{"pytorch_model.bin": "x"})
    speechless = model_folder(tmp_path / "speechless", **{"tokenizer.json": None})
    save_file({"a": torch.zeros(1)}, speechless / "model.safetensors")
    for folder, told in ((nothing, "no weights"), (pickled, "pickled"), (speechless, "no tokeniser")):
        for words in (
            ["teacher", "adapt", folder, tmp_path / "out", "--recipe", "physvlm/ci", "--set", *SMALL],
            ["teacher", "cache", folder, tmp_path / "c.safetensors", "--recipe", "physvlm/ci", "--set", *SMALL],
            train(folder, tmp_path / "run"),
        ):
            assert told in refused(words, capsys, SourceError.exit_code, folder.name).lower()
    assert not (tmp_path / "out").exists()


def test_teachers_that_are_not_there_are_told(tmp_path, capsys):
    for what in (tmp_path / "none", tmp_path / "none.safetensors", "none.safetensors"):
        refused(train(what, tmp_path / "run"), capsys, SourceError.exit_code, "There is no")
    np.save(tmp_path / "numbers.npy", np.zeros(3))
    refused(train(tmp_path / "numbers.npy", tmp_path / "run"), capsys, SourceError.exit_code, "safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    refused(train(tmp_path / "other.safetensors", tmp_path / "run"), capsys, SourceError.exit_code, "is no teacher")
    torch.save({"a": torch.zeros(1)}, tmp_path / "teacher.pt")
    refused(train(tmp_path / "teacher.pt", tmp_path / "run"), capsys, SourceError.exit_code, "never opened")


def test_a_library_that_is_missing_is_told(tmp_path, capsys, monkeypatch):
    from perfuse.papers.physvlm import hub

    def nothing(_):
        raise ImportError

    monkeypatch.setattr(hub, "import_module", nothing)
    refused(train("someone/clip", tmp_path / "run"), capsys, MissingExtraError.exit_code, "perfuse[vlm]")


def test_a_run_that_is_no_teacher_is_told(tmp_path, capsys):
    assert main([str(word) for word in train("", tmp_path / "student")]) == 0
    refused(train(tmp_path / "student", tmp_path / "run"), capsys, UsageError.exit_code, "teaches nobody")


@pytest.mark.slow
def test_a_model_of_the_hub_is_adapted_and_asked(tmp_path, capsys):
    pytest.importorskip("transformers", reason="transformers is not installed (pip install 'perfuse[vlm]')")
    from test_vlm_hub import written

    model = written(tmp_path / "clip", "clip")
    out, path = tmp_path / "adapted", tmp_path / "said.safetensors"
    asked = ["--recipe", "physvlm/ci", "--set", *SMALL]
    assert main(["teacher", "adapt", str(model), str(out), *asked, "steps=2", "batch=4"]) == 0
    teacher = load_teacher(str(out))
    assert teacher.domains == ("lab", "neonate")
    assert teacher.fingerprint() != load_hub(str(model)).fingerprint()
    assert main(["teacher", "cache", str(out), str(path), *asked]) == 0
    assert main([str(word) for word in train(path, tmp_path / "run", "simulated.lessons=true")]) == 0
    shutil.rmtree(model)
    refused(train(out, tmp_path / "again"), capsys, SourceError.exit_code, "There is no folder")
