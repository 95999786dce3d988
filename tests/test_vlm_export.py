"""The PhysVLM-style student as a graph: it says what torch says, at every length (reconstructed)."""

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

from perfuse.export import bundle  # noqa: E402
from perfuse.infer import Model  # noqa: E402
from perfuse.methods.student import open_bundle  # noqa: E402
from perfuse.papers.physvlm.maps import made_maps  # noqa: E402
from perfuse.papers.physvlm.model import Student  # noqa: E402

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]

CARD = {
    "name": "physvlm-style",
    "title": "PhysVLM-style, reconstructed",
    "paper": "perfuse",
    "licence": "Apache-2.0",
    "provenance": "reconstructed",
    "limits": "Not trained.",
    "view": {"kind": "grid", "rows": 8, "cols": 8, "rate_hz": 30.0},
    "window_s": 256 / 30,
    "hop_s": 128 / 30,
    "min_s": 128 / 30,
    "band_hz": [0.66, 4.0],
}


class Everything(torch.nn.Module):
    """All outputs, whatever bundles know."""

    outputs = ("pulse", "respiration", "heart_rate", "respiratory_rate", "attention")

    def __init__(self, student):
        super().__init__()
        self.student = student

    def forward(self, cells):
        said = self.student(cells.permute(0, 4, 1, 2, 3))
        return tuple(said[name] for name in self.outputs)


def student(**how):
    torch.manual_seed(3)
    made = Student(8, **how).eval()
    with torch.no_grad():  # nothing at its first value: shrinkage, short filters and gates all do something
        for value in made.parameters():
            value += 0.05 * torch.randn(value.shape)
    return made


@pytest.mark.parametrize("projected", [False, True])
def test_a_bundle_is_written_and_opens(tmp_path, projected):
    assert bundle.export(student(projected=projected), CARD, tmp_path / "b") < bundle.PARITY
    method = open_bundle(tmp_path / "b")
    assert method.card.name == "physvlm-style"


@pytest.mark.parametrize("projected", [False, True])
def test_every_output_at_every_length(projected):
    network = Everything(student(projected=projected)).eval()
    content = bundle._onnx(network, torch.rand(2, 256, 8, 8, 3) * 100 + 60, False)
    graph = Model(content)
    for length in (128, 131, 300, 512):
        clip = made_maps(1, length, generator=torch.Generator().manual_seed(length)).clip
        cells = clip.permute(0, 2, 3, 4, 1).contiguous()
        cells[0, :, 0:2, 0:2] = 80.0  # one region stands still
        with torch.no_grad():
            ours = dict(zip(network.outputs, network(cells), strict=True))
        told = graph.run({"cells": cells.numpy()})
        for name in ("pulse", "respiration"):
            assert np.abs(told[name] - ours[name].numpy()).max() < 1e-3 * float(ours[name].std())
        for name in ("heart_rate", "respiratory_rate"):
            assert np.abs(told[name] - ours[name].numpy()).max() < 0.01
        assert np.abs(told["attention"] - ours["attention"].numpy()).max() < 1e-4
        assert told["attention"][0, :2, :2].sum() == 0
