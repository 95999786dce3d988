"""RPM-Distill's spectra and losses: the values that the authors' release gives, and laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from perfuse.core.errors import UsageError  # noqa: E402
from perfuse.papers.rpm_distill.spectrum import (  # noqa: E402
    PARTS,
    components,
    distillation,
    entropy,
    features,
    noise,
    pearson,
    relation,
    released_rate,
    supervised,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def waves(kind=torch.float64):
    """Student, teacher and label for which the release's answers are known."""
    n = torch.arange(255, dtype=torch.float64)
    t, turn = n / 30, 2 * math.pi
    student = (turn * 1.2 * t).sin() + 0.3 * (turn * 2.1 * t + 0.5).sin() + 0.05 * (0.37 * n**2).cos()
    teacher = (turn * 1.3 * t + 1.0).sin() + 0.1 * (turn * 2.6 * t).sin() + 0.02 * (0.91 * n**2).sin()
    label = (turn * 1.25 * t + 0.2).sin() + 0.2 * (turn * 2.5 * t).sin()
    return [wave[None].to(kind) for wave in (student, teacher, label)]


def random_waves(seed, batch=3, count=128):
    made = torch.Generator().manual_seed(seed)
    return torch.randn(batch, count, generator=made, dtype=torch.float64)


def printed(value, wanted):
    """Whether a value has the digits that were printed."""
    return float(value) == pytest.approx(wanted, abs=0.51e-6)


def test_spectra_are_the_releases():
    student, teacher, _ = waves()
    own, theirs = features(student), features(teacher)
    assert own.level.shape == (1, 19)
    assert printed(own.centre, 3.867804)
    assert printed(theirs.centre, 4.157437)
    assert printed(own.heart_rate, 76.713908)
    assert printed(theirs.heart_rate, 78.758380)
    assert printed(own.share, 0.666258)
    assert printed(theirs.share, 0.855848)
    assert printed(entropy(own.level), 2.446787)
    assert printed(entropy(theirs.level), 2.384829)


def test_rates_are_read_as_the_release_does():
    assert [round(released_rate(wave[0].numpy()), 1) for wave in waves()] == [71.7, 77.6, 74.8]
    with pytest.raises(UsageError, match="more than 39"):
        released_rate(np.zeros(39))


def test_losses_are_the_releases():
    student, teacher, label = waves()
    parts = components(features(student), features(teacher))
    for value, wanted in zip(parts[0], (0.678553, 1.016872, 0.043863), strict=True):
        assert printed(value, wanted)
    mix = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)
    assert printed(distillation(parts, torch.tensor([0.7], dtype=torch.float64), mix), 0.457177)
    assert printed(pearson(student, label), 0.952055)
    assert printed(noise(student, label), -6.715332)
    assert printed(supervised(student, label), -6.705811)


def test_single_precision_will_do():
    exact, short = (components(*map(features, waves(kind)[:2])) for kind in (torch.float64, torch.float32))
    np.testing.assert_allclose(short, exact, atol=1e-4)
    exact, short = (supervised(*waves(kind)[::2]) for kind in (torch.float64, torch.float32))
    np.testing.assert_allclose(short, exact, atol=1e-4)


@pytest.mark.parametrize(("count", "bins"), [(255, 19), (160, 13), (899, 67)])
def test_bins_of_the_band(count, bins):
    assert features(random_waves(0, 1, count)).level.shape == (1, bins)


def test_an_edge_on_a_bin_belongs_to_the_band():
    # 240 samples at 30 Hz: bins 0.125 Hz apart, 6 to 24
    assert features(random_waves(0, 1, 240)).level.shape == (1, 19)


@pytest.mark.parametrize("rate", [55.0, 72.0, 130.0, 170.0])
def test_a_line_is_where_it_is(rate):
    t = torch.arange(600, dtype=torch.float64) / 30
    found = features((2 * math.pi * rate / 60 * t).sin()[None])
    assert float(found.heart_rate) == pytest.approx(rate, abs=1.0)
    assert float(found.share) > 0.8


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_levels_are_standard_and_weights_are_shares(seed):
    found = features(random_waves(seed))
    assert torch.allclose(found.level.mean(1), torch.zeros(3, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(found.level.std(1, correction=0), torch.ones(3, dtype=torch.float64), atol=1e-6)
    assert (found.centre >= 0).all()
    assert (found.centre <= found.level.shape[1] - 1).all()
    assert ((found.share > 0) & (found.share <= 1)).all()
    assert ((entropy(found.level) > 0) & (entropy(found.level) <= math.log(found.level.shape[1]) + 1e-6)).all()


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), gain=st.floats(0.1, 100), shift=st.floats(-10, 10))
def test_gain_and_offset_of_the_teacher_change_nothing(seed, gain, shift):
    student, teacher = features(random_waves(seed)), random_waves(seed + 1)
    one, other = (components(student, features(wave)) for wave in (teacher, gain * teacher + shift))
    np.testing.assert_allclose(one, other, atol=1e-4 if gain < 1 else 1e-6)


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_equal_spectra_teach_nothing(seed):
    wave = features(random_waves(seed))
    assert components(wave, wave).abs().max() < 1e-12
    assert relation(wave, wave)[:, 2].abs().max() == 0
    # a spectrum does not know its sign
    assert components(wave, features(-random_waves(seed))).abs().max() < 1e-9


def test_parts_tell_peak_from_the_rest():
    t = torch.arange(255, dtype=torch.float64) / 30
    base = 0.05 * random_waves(3, 1, 255)
    line = (2 * math.pi * 1.3 * t).sin()[None]
    teacher = features(line + base)
    other_background = components(features(line + 0.3 * (2 * math.pi * 2.6 * t).sin() + base), teacher)[0]
    other_peak = components(features((2 * math.pi * 2.4 * t).sin()[None] + base), teacher)[0]
    assert PARTS == ("peak", "off_peak", "shape")
    assert other_peak[0] > 3 * other_background[0]
    assert other_peak[2] > 3 > other_background[2]  # bins


def test_the_teacher_gets_no_gradient():
    student, teacher, _ = (wave.requires_grad_() for wave in waves())
    components(features(student), features(teacher)).sum().backward()
    assert student.grad is not None
    assert teacher.grad is None or not teacher.grad.any()


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_flat_waves_have_finite_losses_and_gradients(value):
    wave = torch.full((1, 255), value, dtype=torch.float64, requires_grad=True)
    _, teacher, label = waves()
    loss = components(features(wave), features(teacher)).sum() + supervised(wave, label).sum()
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(wave.grad).all()


def test_a_label_without_pulse_teaches_nothing():
    wave = random_waves(0).requires_grad_()
    label = random_waves(1)
    label[1], label[2, 5] = 0.0, float("nan")
    loss = supervised(wave, label)
    loss.sum().backward()
    assert loss[0] != 0
    assert not loss[1:].any()
    assert wave.grad[0].any()
    assert not wave.grad[1:].any()


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_losses_of_a_clip_are_its_own(seed):
    student, teacher, label = (random_waves(seed + k) for k in range(3))
    together = torch.cat([components(features(student), features(teacher)), supervised(student, label)[:, None]], 1)
    for k in range(len(student)):
        one, two, three = (wave[k : k + 1] for wave in (student, teacher, label))
        alone = torch.cat([components(features(one), features(two)), supervised(one, three)[:, None]], 1)
        np.testing.assert_allclose(alone[0], together[k], atol=1e-10)


def test_noise_falls_with_noise_and_ignores_the_label_shape():
    t = torch.arange(255, dtype=torch.float64) / 30
    pulse = (2 * math.pi * 1.2 * t).sin()[None]
    loud, quiet = (pulse + size * random_waves(2, 1, 255) for size in (1.0, 0.2))
    assert noise(quiet, pulse) < noise(loud, pulse) - 3
    late = (2 * math.pi * 1.2 * t + 2.0).sin()[None]  # the same rate: the loss hardly knows
    assert float(noise(loud, late)) == pytest.approx(float(noise(loud, pulse)), abs=1.0)
    # twice the wave is twice the signal and twice the noise
    assert float(noise(2 * loud, pulse)) == pytest.approx(float(noise(loud, pulse)), abs=1e-3)


def test_gradients_are_those_of_the_formulas():
    student, teacher, label = waves()
    student = (student + 0.1 * random_waves(5, 1, 255)).requires_grad_()

    def loss(wave):
        return components(features(wave), features(teacher)).sum() + supervised(wave, label).sum()

    assert torch.autograd.gradcheck(loss, (student,), check_forward_ad=True, fast_mode=True)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (lambda: features(torch.zeros(2, 7)), "7 samples"),
        (lambda: features(torch.zeros(2, 15)), "15 samples"),
        (lambda: features(torch.zeros(2, 3, 64)), "shape"),
        (lambda: features(torch.zeros(2, 64), band_hz=(3.0, 1.0)), "band"),
        (lambda: features(torch.zeros(2, 64), rate_hz=4.0), "band"),
        (lambda: components(features(torch.rand(1, 64)), features(torch.rand(1, 128))), "student's spectra"),
        (lambda: relation(features(torch.rand(1, 64)), features(torch.rand(2, 64))), "student's spectra"),
        (lambda: supervised(torch.zeros(1, 64), torch.zeros(1, 65)), "label"),
    ],
)
def test_what_does_not_fit_is_refused(asked, problem):
    with pytest.raises(UsageError, match=problem):
        asked()
