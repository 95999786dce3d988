"""What networks see of traces of colour, held against definitions and against the methods themselves."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from perfuse.core.signals import Chunk  # noqa: E402
from perfuse.methods import chrom, pos  # noqa: E402
from perfuse.nn.traces import moving, named, spread  # noqa: E402
from perfuse.signal.filters import bandpass  # noqa: E402
from planted import planted  # noqa: E402


@pytest.mark.parametrize("exporting", [False, True])
def test_moving_averages_are_those_of_the_definition(monkeypatch, exporting):
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: exporting)
    x = 5 + torch.rand(1, 3, 50, 2, dtype=torch.float64).cumsum(2)
    wanted = torch.stack([x[:, :, max(0, k - 7) : k + 8].mean(2) for k in range(50)], 2)
    assert torch.allclose(moving(x, 7, 2), wanted)
    assert torch.allclose(moving(x.movedim(2, -1), 7), wanted.movedim(2, -1))


def test_slopes_of_moving_averages_are_their_own():
    x = torch.rand(2, 3, 30, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: moving(x, 4), x)
    assert torch.autograd.gradcheck(lambda x: moving(x, 4), x, check_forward_ad=True)


@pytest.mark.parametrize(("place", "method"), [(0, pos.METHOD), (1, chrom.METHOD)])
def test_what_networks_know_of_classical_methods_is_what_these_say(place, method):
    clip = planted([70.0], 400, 16, depth=2.0).clip
    colour = clip.mean((3, 4))  # (1, 3, T)
    logs = colour.log()
    said = named((logs - moving(logs, 30))[:, None], 30.0)[0, 0]
    assert torch.allclose(spread(said, (1,)), torch.ones(2, 1), atol=1e-3)
    trace = colour[0].T[:, None].numpy().astype(np.float32)
    chunk = Chunk(0, 30.0, trace, np.ones(len(trace), bool), last=True)
    wave = method.step(method.start(), chunk)[1].samples
    one, other = (bandpass(x.astype(np.float64), 30.0, 0.6, 4.0)[60:-60] for x in (said[place].numpy(), wave))
    assert np.corrcoef(one, other)[0, 1] > 0.95  # CHROM filters its projections first


def test_pos_and_chrom_of_a_pulse_rise_with_it():
    times = torch.arange(300) / 30
    pulse = torch.sin(2 * torch.pi * 1.2 * times)
    colours = -torch.tensor([0.4, 1.0, 0.6])[:, None] * pulse * 0.01
    light = 0.03 * torch.sin(2 * torch.pi * 0.9 * times)  # falls on all colours alike
    traces = (colours + light)[None, None]
    said = named(traces, 30.0)[0, 0]
    for wave, least in zip(said, (0.99, 0.9)):  # CHROM sees some of the light
        assert torch.corrcoef(torch.stack([wave, pulse]))[0, 1] > least
