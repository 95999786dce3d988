"""RPM-Distill's policy: three ways to one gradient, who moves and who does not, and a toy where it must help."""

import io
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from perfuse.core.errors import UsageError  # noqa: E402
from perfuse.papers.rpm_distill.bilevel import HOW, Schedule, hypergradient  # noqa: E402
from perfuse.papers.rpm_distill.learner import Learner  # noqa: E402
from perfuse.papers.rpm_distill.policy import Policy, advised  # noqa: E402
from perfuse.papers.rpm_distill.problem import Held, compare  # noqa: E402
from perfuse.papers.rpm_distill.spectrum import distillation  # noqa: E402
from perfuse.papers.rpm_distill.student import FactorizePhys  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


class Small(torch.nn.Module):
    """A student of colour traces (B, 3, T)."""

    def __init__(self, width=12, dropout=0.0):
        super().__init__()
        parts, inputs = [], 3
        for dilation in (1, 2, 4, 8):
            parts += [torch.nn.Conv1d(inputs, width, 5, padding=2 * dilation, dilation=dilation), torch.nn.Tanh()]
            inputs = width
        self.body = torch.nn.Sequential(*parts, torch.nn.Dropout(dropout), torch.nn.Conv1d(width, 1, 1))

    def forward(self, clip):
        return self.body(clip)[:, 0]


def traces(count, made, frames=256, bad=0.6):
    """Noisy traces with a pulse and a sway, labels, what a teacher says of them, rates, and where it is wrong.

    A wrong teacher tells of a tone of 52 to 64 per minute that is not there.
    """

    def drawn(low, high):
        return low + (high - low) * torch.rand(count, 1, generator=made)

    def noisy(wave, size):
        return wave + size * torch.randn(wave.shape, generator=made)

    t = torch.arange(frames) / 30
    rate, start = drawn(70, 140), drawn(0, 2 * math.pi)
    pulse = (2 * math.pi * rate / 60 * t + start).sin()
    sway = drawn(0, 1.2) * (2 * math.pi * drawn(50, 160) / 60 * t + drawn(0, 2 * math.pi)).sin()
    colours = torch.tensor([[0.3, 1.0], [0.8, 0.9], [0.5, 0.8]])
    clip = noisy(colours[:, :1] * pulse[:, None] + colours[:, 1:] * sway[:, None], 0.5)
    wrong = drawn(0, 1) < bad
    tone = (2 * math.pi * drawn(52, 64) / 60 * t + drawn(0, 2 * math.pi)).sin()
    taught = noisy(torch.where(wrong, tone, (2 * math.pi * rate / 60 * t + start + 0.3).sin()), 0.2)
    return clip, pulse, taught, rate[:, 0], wrong[:, 0]


def small(seed=0, batch=4, **asked):
    """A problem of traces in double precision."""
    torch.manual_seed(seed)
    made = torch.Generator().manual_seed(seed)
    clip, pulse, taught, _, _ = traces(batch, made, 128)
    other, held, *_ = traces(batch, made, 128)
    parts = [part.double() for part in (clip, taught, pulse, other, held)]
    return Held(Small(**asked).double(), *parts), Policy().double()


def video(attend=True):
    """A problem of clips, the paper's student."""
    torch.manual_seed(0)
    network = FactorizePhys(padded=True, attend=attend).double()
    t = torch.arange(64, dtype=torch.float64) / 30
    taught, pulse, held = ((2 * math.pi * hz * t).sin()[None] for hz in (1.4, 1.2, 1.1))
    one, other = (110 + 8 * torch.randn(1, 3, 64, 10, 10, dtype=torch.float64) for _ in range(2))
    return Held(network, one, taught, pulse, other, held), Policy().double()


def found(problem, policy, how, rate=1e-3, gradient=None, **asked):
    """All gradients in one vector, with the same chance every time."""
    torch.manual_seed(7)
    weights = dict(problem.student.named_parameters())
    said = hypergradient(problem, weights, policy, Schedule(how=how, **asked), rate, gradient)
    return torch.cat([one.flatten() for one in said.gradients]), said


def apart(one, other):
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("make", [lambda: small(dropout=0.3), video], ids=["traces", "video"])
@pytest.mark.parametrize("asked", [{}, {"supervised": 0.0, "weight": 3.0, "prior": 0.2}], ids=["both", "teacher"])
def test_jvp_is_unroll(make, asked):
    problem, policy = make()
    wanted, plain = found(problem, policy, "unroll", **asked)
    quick, said = found(problem, policy, "jvp", **asked)
    assert wanted.norm() > 1e-6
    assert apart(quick, wanted) < 1e-6  # the acceptance check; what is reached:
    assert apart(quick, wanted) < 1e-11
    assert float(said.outer) == pytest.approx(float(plain.outer), rel=1e-12)
    assert torch.equal(said.advice.weights, plain.advice.weights)


def test_finite_differences_are_near():
    for problem, policy in (small(dropout=0.3), video(attend=False)):
        wanted, _ = found(problem, policy, "unroll")
        assert apart(found(problem, policy, "finite_diff")[0], wanted) < 1e-4


def test_single_precision_is_enough():
    problem, policy = small()
    wanted, _ = found(problem, policy, "unroll")
    waves = (problem.clip, problem.taught, problem.pulse, problem.held_clip, problem.held_pulse)
    short = Held(problem.student.float(), *(wave.float() for wave in waves))
    assert apart(found(short, policy.float(), "jvp")[0].double(), wanted) < 1e-3


def test_a_gradient_at_hand_is_used():
    problem, policy = small()
    policy.eval()
    weights = dict(problem.student.named_parameters())
    torch.manual_seed(7)
    seen = problem.inner(weights)
    loss = seen.supervised + distillation(seen.parts, *_given(policy, seen)).mean()
    gradient = dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))
    wanted, _ = found(problem, policy, "unroll")
    assert apart(found(problem, policy, "jvp", gradient=gradient)[0], wanted) < 1e-11
    assert apart(found(problem, policy, "finite_diff", gradient=gradient)[0], wanted) < 1e-4
    with pytest.raises(UsageError, match="graph"):
        found(problem, policy, "unroll", gradient=gradient)


def _given(policy, seen):
    advice = advised(policy, seen.relation)
    return advice.gate, advice.mix


def test_gradient_is_that_of_the_loss_itself():
    """By moving the policy a little and taking the virtual step in full."""
    problem, policy = small()
    policy.eval()
    weights = {name: p.detach().clone().requires_grad_() for name, p in problem.student.named_parameters()}

    def outer():
        seen = problem.inner(weights)
        loss = seen.supervised + distillation(seen.parts, *_given(policy, seen)).mean()
        slopes = torch.autograd.grad(loss, list(weights.values()))
        moved = {name: p.detach() - 1e-3 * slope for (name, p), slope in zip(weights.items(), slopes, strict=True)}
        return float(problem.outer(moved).detach())

    gradient, _ = found(problem, policy, "jvp")
    along = gradient / gradient.norm()
    start = torch.nn.utils.parameters_to_vector(policy.parameters()).detach()
    sides = []
    for side in (1e-3, -1e-3):
        torch.nn.utils.vector_to_parameters(start + side * along, policy.parameters())
        sides.append(outer())
    assert (sides[0] - sides[1]) / 2e-3 == pytest.approx(float(gradient.norm()), rel=1e-4)


def test_slopes_say_which_teacher_helps():
    torch.manual_seed(0)
    student, made = Small(), torch.Generator().manual_seed(1)
    optimiser = torch.optim.Adam(student.parameters(), 2e-3)
    for _ in range(40):  # until it says anything at all
        clip, pulse, taught, *_ = traces(12, made)
        optimiser.zero_grad()
        compare(student(clip), taught, pulse).parts.sum(1).mean().backward()
        optimiser.step()
    clip, pulse, taught, _, wrong = traces(96, made)
    other, held, *_ = traces(96, made)
    _, said = found(Held(student, clip, taught, pulse, other, held), Policy(), "jvp", supervised=0.0)
    assert (said.slopes[~wrong].mean(0) > 0).all()
    assert (said.slopes[wrong].mean(0) < 0).all()


def test_only_unroll_looks_through_its_input():
    problem, policy = small()
    held, _ = found(problem, policy, "unroll")
    through, _ = found(problem, policy, "unroll", detach=False)
    assert apart(through, held) > 1e-2
    pushed, _ = found(problem, policy, "unroll", detach=False, inner_prior=1.0)
    assert apart(pushed, through) > 1e-3
    for how in ("jvp", "finite_diff"):
        with pytest.raises(UsageError, match="unroll"):
            Schedule(how=how, detach=False)
    with pytest.raises(UsageError, match="prior"):
        Schedule(inner_prior=1.0)


def test_prior_opens_the_gate():
    problem, policy = small()
    policy.eval()
    for how in HOW:
        alike = found(problem, policy, how)[0]
        more = found(problem, policy, how, prior=10.0)[0] - alike
        start = torch.nn.utils.parameters_to_vector(policy.parameters()).detach()
        before = advised(policy, problem.inner(dict(problem.student.named_parameters())).relation.detach()).gate
        torch.nn.utils.vector_to_parameters(start - 0.01 * more, policy.parameters())
        after = advised(policy, problem.inner(dict(problem.student.named_parameters())).relation.detach()).gate
        torch.nn.utils.vector_to_parameters(start, policy.parameters())
        assert (after > before).all()


@pytest.mark.parametrize("how", HOW)
def test_who_moves(how):
    problem, policy = small(dropout=0.2)
    learner = Learner(policy, Schedule(how=how, rate=1e-3))
    problem.student.eval()
    kept = {name: p.detach().clone() for name, p in problem.student.named_parameters()}
    before = [p.detach().clone() for p in policy.parameters()]
    chance = torch.get_rng_state()
    told = learner.update(problem, dict(problem.student.named_parameters()), 5e-5)
    assert all(torch.equal(p, kept[name]) for name, p in problem.student.named_parameters())
    assert all(p.grad is None for p in (*problem.student.parameters(), *policy.parameters()))
    assert not problem.student.training
    assert sum(not torch.equal(p, q) for p, q in zip(policy.parameters(), before, strict=True)) == len(before)
    assert set(told) == {"outer", "gate", "gate_spread", "mix_peak", "mix_off_peak", "mix_shape"}
    assert 0 < told["gate"] < 1
    assert told["mix_peak"] + told["mix_off_peak"] + told["mix_shape"] == pytest.approx(1)
    # and then the student's real step leaves the policy alone
    before = [p.detach().clone() for p in policy.parameters()]
    torch.set_rng_state(chance)
    seen = problem.inner(dict(problem.student.named_parameters()))
    advice = advised(policy, seen.relation)
    (seen.supervised + distillation(seen.parts, advice.gate, advice.mix).mean()).backward()
    everything = torch.nn.ModuleList([problem.student, learner])
    torch.optim.AdamW(everything.parameters(), 1e-3, weight_decay=0.1).step()
    assert all(torch.equal(p, q) for p, q in zip(policy.parameters(), before, strict=True))
    assert all(not torch.equal(p, kept[name]) for name, p in problem.student.named_parameters())


def test_a_learner_goes_on_where_it_was():
    def made():
        problem, policy = small(dropout=0.2)
        return problem, Learner(policy, Schedule(rate=1e-3))

    def learn(problem, learner, first, last):
        for step in range(first, last):
            torch.manual_seed(step)
            learner.update(problem, dict(problem.student.named_parameters()), 1e-3)

    problem, whole = made()
    learn(problem, whole, 0, 4)
    problem, part = made()
    learn(problem, part, 0, 2)
    file = io.BytesIO()
    torch.save(torch.nn.ModuleDict({"policy": part}).state_dict(), file)
    file.seek(0)
    problem, other = made()
    torch.nn.ModuleDict({"policy": other}).load_state_dict(torch.load(file, weights_only=True))
    again = other.state_dict()  # a run may stop once more before it learns
    problem, other = made()
    other.load_state_dict(again)
    learn(problem, other, 2, 4)
    assert all(torch.equal(p, q) for p, q in zip(whole.policy.parameters(), other.policy.parameters(), strict=True))


def test_processes_share_what_they_found():
    problem, policy = small()
    seen = []

    def average(learnt):
        seen.extend(p.grad.clone() for p in learnt)
        for p in learnt:
            p.grad = torch.zeros_like(p)

    before = [p.detach().clone() for p in policy.parameters()]
    Learner(policy).update(problem, dict(problem.student.named_parameters()), 1e-3, average=average)
    assert all(torch.equal(p, q) for p, q in zip(policy.parameters(), before, strict=True))
    assert any(one.any() for one in seen)


def test_no_number_is_told_and_moves_nothing():
    problem, policy = small()
    weights = {name: torch.full_like(p, float("nan")) for name, p in problem.student.named_parameters()}
    before = [p.detach().clone() for p in policy.parameters()]
    with pytest.raises(UsageError, match="no number"):
        Learner(policy).update(problem, weights, 1e-3)
    assert all(torch.equal(p, q) for p, q in zip(policy.parameters(), before, strict=True))


def test_schedule_is_the_papers():
    usual = Schedule()
    assert (usual.interval, usual.rate, usual.weight, usual.how) == (10, 1e-4, 1.0, "jvp")
    assert [step for step in range(31) if usual.due(step)] == [0, 10, 20, 30]
    late = Schedule(start=4, interval=3)
    assert [step for step in range(12) if late.due(step)] == [4, 7, 10]
    for wrong in ({"interval": 0}, {"start": -1}, {"rate": 0.0}, {"virtual_rate": -1.0}, {"how": "guess"}):
        with pytest.raises(UsageError):
            Schedule(**wrong)


def learnt(kind, seed, steps=200):
    """Train on a teacher that is wrong in 60 of 100 clips, without labels; return the error on new clips, per minute.

    ``uniform`` believes it always, ``policy`` what the policy says, ``blind`` what it says without seeing the clip.
    """
    torch.manual_seed(seed)
    student, made = Small(), torch.Generator().manual_seed(seed + 100)
    learner = Learner(Policy(width=16, hidden=16), Schedule(rate=1e-3, virtual_rate=2e-3, supervised=0.0))
    if kind == "blind":
        learner.policy.register_forward_pre_hook(lambda _, inputs: (torch.zeros_like(inputs[0]),))
    optimiser = torch.optim.Adam(student.parameters(), 2e-3)
    for step in range(steps):
        clip, pulse, taught, *_ = traces(12, made)
        if kind != "uniform" and step % 2 == 0:
            other, held, *_ = traces(12, made)
            learner.update(Held(student, clip, taught, pulse, other, held), dict(student.named_parameters()), 2e-3)
        seen = compare(student(clip), taught, pulse)
        advice = advised(learner.policy, seen.relation)
        gate, mix = (torch.ones(12), torch.full((12, 3), 1 / 3)) if kind == "uniform" else (advice.gate, advice.mix)
        optimiser.zero_grad()
        distillation(seen.parts, gate, mix).mean().backward()
        optimiser.step()
    clip, _, _, rate, _ = traces(300, torch.Generator().manual_seed(999))
    with torch.no_grad():
        power = torch.fft.rfft(student(clip) * torch.hann_window(256), 4096).abs().square()
    rates = 60 * 30 / 4096 * torch.arange(power.shape[1])
    power[:, (rates < 45) | (rates > 180)] = 0
    return float((rates[power.argmax(1)] - rate).abs().mean())


@pytest.mark.slow
def test_a_policy_finds_out_when_its_teacher_is_wrong():
    assert learnt("uniform", 1) > 20
    assert learnt("policy", 1) < 5


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 2])
def test_it_is_the_clip_that_tells(seed):
    blind, seeing = learnt("blind", seed), learnt("policy", seed)
    assert seeing < 5
    assert seeing < 0.5 * blind
    assert np.isfinite(blind)
