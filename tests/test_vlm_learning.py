"""The PhysVLM-style student learns pulses from made maps in a few dozen steps (reconstructed)."""

import pytest

torch = pytest.importorskip("torch")

from perfuse.papers.physvlm import objective as goal  # noqa: E402
from perfuse.papers.physvlm.maps import made_maps  # noqa: E402
from perfuse.papers.physvlm.model import Student  # noqa: E402
from perfuse.papers.physvlm.reading import POPULATIONS, strongest_rate  # noqa: E402

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]

STEPS, BATCH = 80, 8


def labels(maps):
    known = torch.ones(len(maps.clip), dtype=torch.bool)
    return goal.Labels(
        maps.pulse, maps.respiration, maps.heart_rate, maps.respiratory_rate, beats=known, breathes=known, adult=known
    )


def test_pulses_are_learnt():
    """From 45 to 220 per minute; by chance the error is about 60."""
    torch.manual_seed(0)
    student = Student(16)
    optimiser = torch.optim.AdamW(student.parameters(), 3e-3, weight_decay=1e-3)
    for step in range(STEPS):
        maps = made_maps(BATCH, 256, generator=torch.Generator().manual_seed(step))
        said, seen = student.features(maps.clip)
        told = goal.objective(said, seen, labels(maps))
        weights = goal.weights_at(goal.WEIGHTS, step / STEPS)
        loss = sum(weights[name] * value for name, value in told.items() if name in weights)
        optimiser.param_groups[0]["lr"] = 3e-3 * min(1.0, (step + 1) / 10)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
    maps = made_maps(32, 256, generator=torch.Generator().manual_seed(10**6))
    with torch.no_grad():
        said = student.eval()(maps.clip)
    error = (strongest_rate(said["pulse"], POPULATIONS["all"].pulse_hz) - maps.heart_rate).abs()
    assert float(error.mean()) < 2
