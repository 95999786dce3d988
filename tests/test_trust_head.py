"""The judge beside a network: what counts as right, and what it can be told by."""

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from perfuse.core.view import Crop  # noqa: E402
from perfuse.nn.trust import CLOSE, Trust, right  # noqa: E402
from perfuse.synth.stream import stream  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
RATE = 30.0


def wave(rate, count=256):
    return torch.sin(2 * torch.pi * rate / 60 * torch.arange(count) / RATE)[None]


class Told:
    """As much of a batch as the truth of a rate needs."""

    rate_hz = RATE

    def __init__(self, heart_rate):
        self.heart_rate = torch.tensor([heart_rate])


@given(said=st.floats(45, 220), off=st.floats(-40, 40))
def test_right_is_near(said, off):
    near = abs(off)
    if abs(near - CLOSE) > 2.5:  # half a step of the grid, and what the clip's length blurs
        assert bool(right(wave(said), Told(said + off))[0]) == (near < CLOSE)


def test_nothing_is_right_where_nothing_beats():
    assert not right(wave(70.0), Told(float("nan"))).any()


def test_it_learns_to_tell_a_face_from_a_lamp():
    """Waves alike, pictures not: blood is in the skin and has a colour, the lamp is everywhere and grey."""
    torch.manual_seed(0)
    judge = Trust(1)
    step = torch.optim.Adam(judge.parameters(), lr=3e-2)
    mask = torch.zeros(12, 12)
    mask[2:10, 3:9] = 1

    def seen(count):
        rate = torch.rand(count) * 60 + 60
        time = torch.arange(96) / RATE
        beat = torch.sin(2 * torch.pi * rate[:, None] / 60 * time)
        alive = torch.arange(count) % 2 == 0
        colour = torch.where(alive[:, None], torch.tensor([0.3, 1.0, 0.5]), torch.ones(3))
        where = torch.where(alive[:, None, None], mask, torch.ones(12, 12))
        depth = colour[:, :, None, None, None] * where[:, None, None] * beat[:, None, :, None, None]
        clip = 120 * (1 - 0.01 * depth) + 0.3 * torch.randn(count, 3, 96, 12, 12)
        return clip, beat, alive.float()

    for _ in range(60):
        clip, beat, alive = seen(16)
        step.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(judge(clip, [beat]), alive).backward()
        step.step()
    clip, beat, alive = seen(64)
    with torch.no_grad():
        assert ((judge(clip, [beat]) > 0) == (alive > 0)).float().mean() > 0.95


def test_no_gradient_leads_out_of_it():
    batch = next(iter(stream(Crop(24), batch=2, frames=64, seed=0, domains={"lab": 1.0})))
    clip = torch.as_tensor(batch.clip)
    said = torch.randn(2, 64, requires_grad=True)
    Trust(1)(clip, [said]).sum().backward()
    assert said.grad is None or not said.grad.any()
