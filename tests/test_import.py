"""Weights that others published become bundles that measure."""

import pytest

torch = pytest.importorskip("torch")

from perfuse.cli import main  # noqa: E402
from perfuse.methods.student import open_bundle  # noqa: E402
from perfuse.papers.kdphys.imported import NAMES  # noqa: E402
from perfuse.papers.kdphys.model import Teacher  # noqa: E402
from perfuse.papers.known import IMPORTERS  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def published_physnet(path):
    """Write a network as the rPPG-Toolbox names its weights."""
    torch.manual_seed(0)
    state = {}
    for key, value in Teacher().state_dict().items():
        theirs, ours = next(pair for pair in NAMES.items() if key.startswith(pair[1]))
        state["module." + theirs + key.removeprefix(ours)] = value
    torch.save(state, path)


def test_a_published_network_becomes_a_bundle(tmp_path, capsys):
    published_physnet(tmp_path / "theirs.pth")
    assert main(["import", "physnet", str(tmp_path / "theirs.pth"), str(tmp_path / "mine")]) == 0
    assert "perfuse measure face.mp4 --model" in capsys.readouterr().out
    method = open_bundle(tmp_path / "mine")
    assert method.card.name == "mine"
    assert method.card.provenance == "paper"
    assert (method.view.size, method.view.margin) == (72, 1.8)
    assert main(["import", "physnet", str(tmp_path / "theirs.pth"), str(tmp_path / "mine")]) == 0
    assert "in the place of the bundle mine that was there" in " ".join(capsys.readouterr().out.split())
    (tmp_path / "file").write_text("")
    assert main(["import", "physnet", str(tmp_path / "theirs.pth"), str(tmp_path / "file")]) == 4
    assert "cannot be made a folder" in capsys.readouterr().err


@pytest.mark.parametrize("kind", IMPORTERS)
def test_what_is_not_there_is_told(kind, tmp_path, capsys):
    assert main(["import", kind, str(tmp_path / "nothing"), str(tmp_path / "out")]) == 3
    said = capsys.readouterr().err
    assert "There is no" in said
    assert "nothing" in said
    assert not (tmp_path / "out").exists()


def test_unknown_kinds_are_told(tmp_path, capsys):
    assert main(["import", "fysnet", "x", "y"]) == 2
    assert "Did you mean 'physnet'?" in capsys.readouterr().err


def test_one_file_has_no_members(tmp_path, capsys):
    published_physnet(tmp_path / "theirs.pth")
    assert main(["import", "physnet", str(tmp_path / "theirs.pth"), str(tmp_path / "out"), "--member", "PURE"]) == 2
    assert "leave --member out" in capsys.readouterr().err
