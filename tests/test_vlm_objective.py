"""What the PhysVLM-style student is told: the terms, their masks, their weights (all reconstructed)."""

import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from perfuse.papers.physvlm import objective as goal  # noqa: E402
from perfuse.papers.physvlm import spectra  # noqa: E402
from perfuse.papers.physvlm.attention import Focus  # noqa: E402
from perfuse.papers.physvlm.maps import made_maps  # noqa: E402
from perfuse.papers.physvlm.model import Projection, Seen, Student  # noqa: E402
from perfuse.papers.physvlm.priors import prior_of, words_of  # noqa: E402
from perfuse.papers.physvlm.teachers import SpectralTeacher  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

RATE, FRAMES = 30.0, 256
WIDTH = RATE / FRAMES
UNKNOWN = float("nan")


def tone(*rates_hz, frames=FRAMES, phase=0.3):
    time = torch.arange(frames) / RATE
    return torch.stack([torch.sin(2 * math.pi * rate * time + phase) for rate in rates_hz])


def labels(hearts, lungs, *, frames=FRAMES, beats=True, breathes=True, adult=True):
    count = len(hearts)
    return goal.Labels(
        pulse=tone(*(rate / 60 for rate in hearts), frames=frames),
        respiration=tone(*(rate / 60 for rate in lungs), frames=frames, phase=1.0),
        heart_rate=torch.tensor([float(rate) for rate in hearts]),
        respiratory_rate=torch.tensor([float(rate) for rate in lungs]),
        beats=torch.full((count,), beats),
        breathes=torch.full((count,), breathes),
        adult=torch.full((count,), adult),
    )


def answer(true):
    return {
        "pulse": 2 * true.pulse,
        "respiration": 0.5 * true.respiration,
        "heart_rate": true.heart_rate.clone(),
        "respiratory_rate": true.respiratory_rate.clone(),
    }


def seen(count, gates=(1.0, 1.0)):
    focus = Focus(torch.full((count, 10), 0.1), torch.ones(count, 4, 4), torch.ones(count, 129))
    pulse, breath = (torch.ones(count, 4, 6) for _ in range(2))
    pulse[:, :, 3], breath[:, :, 5] = gates
    return Seen(torch.zeros(count, 8), focus, focus, pulse, breath)


def unknown(true):
    return replace(
        true,
        pulse=torch.full_like(true.pulse, UNKNOWN),
        respiration=torch.zeros_like(true.respiration),
        heart_rate=torch.full_like(true.heart_rate, UNKNOWN),
        respiratory_rate=torch.full_like(true.respiratory_rate, UNKNOWN),
    )


# --- spectra


@settings(max_examples=30)
@given(rate=st.floats(45, 220), frames=st.sampled_from([256, 300, 512]), phase=st.floats(0, 6))
def test_a_pure_tone_loses_next_to_nothing(rate, frames, phase):
    wave = tone(rate / 60, frames=frames, phase=phase)
    hertz = spectra.lines(wave, RATE)
    lost = spectra.lost(spectra.shares(wave), hertz, torch.tensor([rate / 60]), RATE / frames, double=False)
    assert 0 <= float(lost) <= 0.015


def test_loss_grows_with_what_interferes():
    hertz = spectra.lines(tone(1.2), RATE)
    sizes = [0.0, 0.1, 0.2, 0.4, 0.8, 1.6]
    lost = [
        float(spectra.lost(spectra.shares(tone(1.2) + k * tone(2.9)), hertz, torch.tensor([1.2]), WIDTH, double=True))
        for k in sizes
    ]
    assert lost == sorted(lost)
    assert lost[0] < 0.015
    assert lost[-1] == pytest.approx(1.6**2 / (1 + 1.6**2), abs=0.02)


def test_the_double_belongs_to_the_pulse():
    share = spectra.shares(tone(1.2) + tone(2.4))
    hertz, rate = spectra.lines(tone(1.2), RATE), torch.tensor([1.2])
    assert float(spectra.lost(share, hertz, rate, WIDTH, double=True)) < 0.015
    assert float(spectra.lost(share, hertz, rate, WIDTH, double=False)) == pytest.approx(0.5, abs=0.02)


def test_soft_peaks_and_flat_waves():
    wave = tone(1.2, 2.0, 3.3)
    hertz = spectra.lines(wave, RATE)
    found = spectra.soft_peak(spectra.shares(wave), hertz, (0.66, 4.0))
    assert torch.allclose(found, torch.tensor([1.2, 2.0, 3.3]), atol=0.02)
    flat = spectra.shares(torch.zeros(1, FRAMES))
    assert torch.allclose(flat, torch.full_like(flat, 1 / flat.shape[1]))
    assert torch.allclose(spectra.shares(7 * wave), spectra.shares(wave), atol=1e-6)


def test_the_envelope_is_how_strong_a_pulse_is():
    time = torch.arange(600) / RATE
    strength = 1 + 0.3 * torch.cos(2 * math.pi * 0.25 * time)
    found = spectra.envelope((strength * torch.sin(2 * math.pi * 1.5 * time))[None], RATE, (0.66, 4.0))[0]
    assert torch.allclose(found[30:-30], strength[30:-30], atol=0.02)


@settings(max_examples=20)
@given(seed=st.integers(0, 99))
def test_divergences(seed):
    one, other = torch.softmax(3 * torch.randn(2, 5, 9, generator=torch.Generator().manual_seed(seed)), 2)
    assert (spectra.divergence(one, other) >= -1e-6).all()
    assert torch.allclose(spectra.divergence(one, one), torch.zeros(5), atol=1e-6)
    assert (spectra.difference(one, other) <= math.log(2) + 1e-6).all()
    assert torch.allclose(spectra.difference(one, other), spectra.difference(other, one), atol=1e-6)


# --- what labels teach


def test_the_right_answer_costs_nothing():
    true = labels([70, 150], [15, 40])
    told = goal.objective(answer(true), seen(2), true)
    for name in ("pulse", "respiration", "heart_rate", "respiratory_rate"):
        assert float(told[name]) == pytest.approx(0, abs=1e-4)
    for name in ("pulse_lost", "breath_lost"):
        assert float(told[name]) == 0
    for name in ("pulse_strayed", "breath_strayed"):
        assert float(told[name]) < 0.015
    assert float(told["r_pulse"]) == pytest.approx(1, abs=1e-3)
    assert set(told) <= set(goal.WEIGHTS) | {"r_pulse", "r_respiration"}


def test_wrong_answers_cost_what_they_say():
    true = labels([70, 150], [15, 40])
    wrong = answer(true) | {
        "pulse": -true.pulse,
        "heart_rate": true.heart_rate + 8,
        "respiratory_rate": true.respiratory_rate - 2,
    }
    told = goal.supervised(wrong, true)
    assert float(told["pulse"]) == pytest.approx(2 / 4, abs=1e-3)  # each a quarter: four labels
    assert float(told["heart_rate"]) == pytest.approx(8 / 4)
    assert float(told["respiratory_rate"]) == pytest.approx(2 / 4)
    alone = replace(unknown(true), heart_rate=true.heart_rate)
    told = goal.supervised(wrong, alone)
    assert float(told["heart_rate"]) == pytest.approx(8)  # the only label: it counts whole
    assert float(told["pulse"]) == float(told["respiration"]) == float(told["respiratory_rate"]) == 0


def test_lines_are_lowest_at_the_truth():
    true = labels([100], [20])
    asked = true.beats
    costs = [
        float(goal.line(tone(rate / 60), true.heart_rate, asked, goal.PULSE_RATES, 2.0, RATE))
        for rate in (100, 104, 112, 140)
    ]
    assert costs == sorted(costs)
    assert costs[0] < costs[-1] - 2
    beyond = torch.tensor([300.0])
    assert float(goal.line(tone(1.0), beyond, asked, goal.PULSE_RATES, 2.0, RATE)) == 0


def test_a_batch_without_labels_costs_nothing_and_has_gradients():
    true = unknown(labels([70, 150], [15, 40], beats=False, breathes=False))
    student = Student(8)
    said, found = student.features(made_maps(2, 128, generator=torch.Generator().manual_seed(0)).clip)
    true = replace(true, pulse=true.pulse[:, :128], respiration=true.respiration[:, :128])
    told = goal.objective(said, found, true)
    for name in goal.WEIGHTS:
        if name in told:
            assert float(told[name].detach()) == 0, name
    sum(told.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in student.parameters() if p.grad is not None)


def test_a_masked_clip_has_no_gradient():
    true = labels([70, 150], [15, 40])
    half = replace(
        true,
        pulse=torch.stack([true.pulse[0], torch.full((FRAMES,), UNKNOWN)]),
        heart_rate=torch.tensor([70.0, UNKNOWN]),
        beats=torch.tensor([True, False]),
        breathes=torch.tensor([True, False]),
    )
    said = {name: (value + 0.1 * torch.randn_like(value)).requires_grad_() for name, value in answer(true).items()}
    told = goal.objective(said, seen(2), half)
    sum(told.values()).backward()
    for name in ("pulse", "heart_rate"):
        assert said[name].grad[1].abs().sum() == 0
        assert said[name].grad[0].abs().sum() > 0
    assert all(torch.isfinite(value.grad).all() for value in said.values())


def test_batch_mates_do_not_matter():
    true = labels([70, 150], [15, 40])
    noisy = {
        name: value + 0.2 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1))
        for name, value in answer(true).items()
    }
    both = goal.objective(noisy, seen(2), true)
    parts = []
    for k in range(2):
        one = replace(true, **{f: getattr(true, f)[k : k + 1] for f in goal.Labels.__slots__})
        parts.append(goal.objective({name: value[k : k + 1] for name, value in noisy.items()}, seen(1), one))
    for name in goal.WEIGHTS:
        if name in both:
            assert float(both[name]) == pytest.approx(float(parts[0][name] + parts[1][name]) / 2, abs=1e-5), name


# --- what the tasks ask of one another


def test_power_at_the_others_rate():
    true = labels([90], [30])
    said = answer(true) | {"pulse": tone(1.5) + tone(0.5), "respiration": tone(0.5) + tone(3.0)}
    told = goal.consistent(said, seen(1), true)
    assert float(told["pulse_strayed"]) == pytest.approx(0.5, abs=0.03)
    assert float(told["breath_strayed"]) == pytest.approx(0.5, abs=0.03)  # at the pulse's double
    assert float(told["pulse_lost"]) == pytest.approx(0.5, abs=0.03)


def test_where_rates_meet_nobody_is_blamed():
    factors = []
    for lungs in (20, 45, 50, 54, 55):
        true = labels([55], [lungs])
        said = answer(true) | {"pulse": tone(55 / 60) + tone(lungs / 60, phase=2.0)}
        factors.append(float(goal.consistent(said, seen(1), true)["pulse_strayed"]))
    assert factors == sorted(factors, reverse=True)
    assert factors[-1] == 0
    assert factors[0] > 0.4


def test_the_labels_own_spread_is_not_held_against_the_answer():
    true = labels([90], [30])
    real = true.pulse + 0.6 * tone(2.2)  # a label whose power is spread
    spread = replace(true, pulse=real)
    assert float(goal.consistent(answer(spread), seen(1), spread)["pulse_lost"]) == 0
    worse = answer(spread) | {"pulse": real + 0.6 * tone(3.5)}
    assert float(goal.consistent(worse, seen(1), spread)["pulse_lost"]) > 0.1


def test_without_a_label_the_waves_own_peak_counts_and_has_no_gradient_as_a_rate():
    true = unknown(labels([90], [30]))
    wave = (tone(1.5) + 0.5 * tone(2.2)).requires_grad_()
    told = goal.consistent(answer(labels([90], [30])) | {"pulse": wave}, seen(1), true)
    assert float(told["pulse_lost"].detach()) == pytest.approx(0.2, abs=0.03)
    told["pulse_lost"].backward()
    assert wave.grad.abs().sum() > 0


def test_head_and_wave_agree():
    true = labels([90], [30])
    said = answer(true)
    assert float(goal.consistent(said, seen(1), true)["pulse_agrees"]) < 0.01
    said["heart_rate"] = said["heart_rate"] + 30
    assert float(goal.consistent(said, seen(1), true)["pulse_agrees"]) == pytest.approx(2.5, abs=0.1)


def test_coupling_is_for_adults():
    true = labels([90], [24], frames=600)
    time = torch.arange(600) / RATE
    breath = torch.sin(2 * math.pi * 0.4 * time)[None]
    moved = (1 + 0.4 * breath) * tone(1.5, frames=600)
    said = answer(true) | {"pulse": moved, "respiration": breath}
    right = float(goal.coupling(said, true))
    wrong = float(goal.coupling(said | {"respiration": tone(0.9, frames=600)}, true))
    assert wrong > 10 * right
    assert wrong > 0.2
    newborn = replace(true, adult=torch.tensor([False]))
    assert float(goal.coupling(said | {"respiration": tone(0.9, frames=600)}, newborn)) == 0


def test_gates_that_open_the_same_octaves():
    true = labels([90], [30])
    assert float(goal.consistent(answer(true), seen(1, (1.6, 1.6)), true)["gates"]) == pytest.approx(0, abs=1e-6)
    same = seen(1)
    same.gates_pulse[:], same.gates_breath[:] = 1.5, 1.5
    assert float(goal.consistent(answer(true), same, true)["gates"]) == pytest.approx(1)


def test_two_views():
    true = labels([90], [30])
    one, other = answer(true), answer(true) | {"heart_rate": true.heart_rate + 5}
    assert float(goal.same_view(one, one, true)) == pytest.approx(0, abs=1e-6)
    assert float(goal.same_view(one, other, true)) == pytest.approx(0.5)
    told = goal.objective(one, seen(1), true, other=other)
    assert float(told["view"]) == pytest.approx(0.5)


# --- what a teacher teaches


def taught(**changes):
    teacher = SpectralTeacher()
    words = words_of(teacher)
    maps = made_maps(3, FRAMES, generator=torch.Generator().manual_seed(2))
    prior = replace(prior_of(teacher, words, maps.clip, maps.heart_rate), **changes)
    student = Student(8)
    _, found = student.features(maps.clip)
    embedding = Projection(8, teacher.dim)(found.told)
    grids = student.look_pulse.grid, student.look_breath.grid
    return student, goal.distilled(embedding, found, grids, prior, words), (embedding, found, grids, prior, words)


def test_a_teacher_teaches_every_part():
    student, told, parts = taught()
    assert set(told) == goal.TAUGHT
    assert all(math.isfinite(float(value)) and float(value) > -1e-6 for value in told.values())
    sum(told.values()).backward()
    assert student.look_pulse.prior.grad.abs().sum() > 0
    assert student.look_breath.prior.grad.abs().sum() > 0
    _, found, grids, prior, words = parts
    own = goal.distilled(prior.embedding, found, grids, prior, words)
    for name in ("embedding", "relations", "pulse_words", "breath_words"):
        assert float(own[name]) == pytest.approx(0, abs=1e-5)


def test_a_teacher_that_is_not_believed_teaches_nothing():
    _, told, _ = taught(weight=torch.zeros(3))
    assert all(float(value) == 0 for value in told.values())


def test_a_prior_becomes_a_rhythm():
    words = words_of(SpectralTeacher())
    posterior = torch.zeros(1, 41)
    posterior[0, 16] = 1  # 120 per minute
    grid = Student(8).look_pulse.grid
    rhythm = words.splatted(posterior, "pulse", grid)
    assert float(rhythm.sum()) == pytest.approx(1)
    assert float(grid[rhythm.argmax()]) == pytest.approx(2.0)


def test_weights_and_ramp():
    assert goal.ramp(0) == 0
    assert goal.ramp(1) == pytest.approx(1, abs=1e-3)
    steps = [goal.ramp(k / 10) for k in range(11)]
    assert steps == sorted(steps)
    start, end = goal.weights_at(goal.WEIGHTS, 0), goal.weights_at(goal.WEIGHTS, 1)
    assert {name for name, weight in start.items() if weight == 0} == goal.RAMPED
    assert end == pytest.approx(dict(goal.WEIGHTS), rel=1e-3)
    assert goal.RAMPED >= goal.TAUGHT


def test_breathing_may_be_upside_down_but_had_better_not():
    r = torch.linspace(-1, 1, 21)
    loss = goal.upside_down(1 - r)
    assert loss[-1].abs() < 1e-6
    assert loss.argmax() == 10  # r = 0
    assert torch.allclose(loss[10], torch.ones(()))
    assert 0.2 < float(loss[0]) < 0.5
    assert (loss[11:] < loss[:10].flip(0)).all()
