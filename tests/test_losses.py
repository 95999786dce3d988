"""Losses of pulses: scale, offset and company do not matter, and clips without a pulse teach nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from perfuse.core.errors import UsageError  # noqa: E402
from perfuse.nn.inputs import differences, integrated, no_frames, standard, trailing_differences  # noqa: E402
from perfuse.nn.losses import (  # noqa: E402
    batch_mean,
    correlation,
    has_pulse,
    negative_pearson,
    snr_loss,
    spectral_cross_entropy,
    spectrum,
)

RATE = 30.0


def beats(rate, count=300, phase=0.0):
    return torch.sin(2 * torch.pi * rate / 60 * torch.arange(count, dtype=torch.float64) / RATE + phase)


def noise(batch, count=300, seed=0):
    return torch.randn(batch, count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


TRUE = torch.tensor([66.0, 90.0, 120.0], dtype=torch.float64)
PULSE = torch.stack([beats(rate) for rate in TRUE])

LOSSES = {
    "pearson": lambda x: negative_pearson(x, PULSE[: len(x)]),
    "lagged": lambda x: negative_pearson(x, PULSE[: len(x)], lag_s=0.3),
    "entropy": lambda x: spectral_cross_entropy(x, TRUE[: len(x)]),
    "snr": lambda x: snr_loss(x, TRUE[: len(x)]),
}


@pytest.mark.parametrize("name", LOSSES)
@given(st.floats(0.1, 100), st.floats(-50, 50), st.integers(0, 10**6))
@settings(max_examples=15)
def test_scale_and_offset_do_not_matter(name, scale, offset, seed):
    x = PULSE + noise(3, seed=seed)
    assert torch.allclose(LOSSES[name](scale * x + offset), LOSSES[name](x), atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_batch_mates_do_not_matter(name):
    x = PULSE + noise(3)
    changed = x.clone()
    changed[1:] = noise(2, seed=5)
    assert torch.allclose(LOSSES[name](changed)[0], LOSSES[name](x)[0], atol=1e-12)
    assert torch.allclose(LOSSES[name](x[:1]), LOSSES[name](x)[:1], atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients(name):
    x = (PULSE + noise(3))[:2].requires_grad_()
    assert torch.autograd.gradcheck(LOSSES[name], (x,), fast_mode=True)


@pytest.mark.parametrize("name", LOSSES)
def test_better_is_less_and_flat_is_finite(name):
    losses = [LOSSES[name](PULSE + size * noise(3)).mean().item() for size in (0.0, 1.0, 10.0)]
    assert losses == sorted(losses)
    assert losses[0] < 0.7 * losses[2]
    flat = torch.full_like(PULSE, 4.0).requires_grad_()
    loss = LOSSES[name](flat)
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(flat.grad).all()
    assert (loss > LOSSES[name](PULSE) + 0.5).all()


def test_pearson_against_numpy():
    x = PULSE + noise(3)
    wanted = [1 - np.corrcoef(a, b)[0, 1] for a, b in zip(x.numpy(), PULSE.numpy(), strict=True)]
    assert negative_pearson(x, PULSE).numpy() == pytest.approx(wanted, abs=1e-7)
    assert negative_pearson(-PULSE, PULSE).numpy() == pytest.approx(2.0, abs=1e-6)
    assert correlation(PULSE, PULSE).numpy() == pytest.approx(1.0, abs=1e-6)


@given(st.integers(-12, 12))
def test_lag_is_searched_as_far_as_asked(lag):
    made = noise(1, 400)[0].cumsum(0)  # no period: the lag is unique
    smooth = made.unfold(0, 9, 1).mean(1)
    x, y = smooth[40:300][None], smooth[40 + lag : 300 + lag][None]
    loss = negative_pearson(x, y, lag_s=0.3)
    inside = abs(lag) <= 9
    assert (loss.item() < 1e-6) == inside
    wanted = max(np.corrcoef(x[0, 9:-9], y[0, 9 + k : 260 - 9 + k])[0, 1] for k in range(-9, 10))
    assert loss.item() == pytest.approx(1 - wanted, abs=1e-6)


def test_faulty_frames_do_not_count():
    x, y = PULSE + noise(3), PULSE.clone()
    valid = torch.ones_like(y, dtype=torch.bool)
    valid[:, 100:180] = False
    y[:, 100:180] = 50.0
    wanted = negative_pearson(torch.cat([x[:, :100], x[:, 180:]], 1), torch.cat([y[:, :100], y[:, 180:]], 1))
    assert torch.allclose(negative_pearson(x, y, valid=valid), wanted, atol=1e-7)
    y[:, 100:180] = torch.nan  # needs no telling
    assert torch.allclose(negative_pearson(x, y), wanted, atol=1e-7)
    assert torch.isfinite(negative_pearson(x, y, lag_s=0.3)).all()
    valid[:, 20:] = False
    assert not negative_pearson(x, y, valid=valid).any()  # too little is left


def test_clips_without_a_pulse_teach_nothing():
    x = (PULSE + noise(3)).requires_grad_()
    pulse, rate = PULSE.clone(), TRUE.clone()
    pulse[0], pulse[1] = 0.0, torch.nan
    rate[0], rate[1] = torch.nan, 300.0
    assert has_pulse(pulse).tolist() == [False, False, True]
    kept = torch.tensor([False, False, True])
    for loss in (
        negative_pearson(x, pulse),
        negative_pearson(x, pulse, lag_s=0.3),
        spectral_cross_entropy(x, rate),
        snr_loss(x, rate),
    ):
        (gradient,) = torch.autograd.grad(loss.sum(), x, retain_graph=True)
        assert torch.equal(loss > 0, kept)
        assert torch.equal(gradient.abs().sum(1) > 0, kept)
        assert batch_mean(loss, kept).item() == pytest.approx(loss[2].item())
    (gradient,) = torch.autograd.grad(batch_mean(loss, kept & False), x)
    assert not gradient.any()


def test_spectrum_against_a_padded_fft():
    wave = noise(2)
    grid = torch.arange(40.0, 181.0)
    count = 18_000  # at 30 Hz, bins of 0.1 per minute
    window = torch.sin(torch.pi * (torch.arange(300, dtype=torch.float64) + 0.5) / 300) ** 2
    padded = torch.fft.rfft((wave - wave.mean(1, keepdim=True)) * window, count).abs() ** 2
    assert torch.allclose(spectrum(wave, grid, RATE), padded[:, 400:1801:10], rtol=1e-6)


def test_entropy_is_least_at_the_true_rate():
    rates = torch.arange(50.0, 171.0, 10.0)
    pulses = torch.stack([beats(rate) for rate in rates])
    table = torch.stack([spectral_cross_entropy(pulses, rate.expand(len(rates))) for rate in rates])
    assert torch.equal(table.argmin(0), torch.arange(len(rates)))
    assert torch.equal(table.argmin(1), torch.arange(len(rates)))
    flat = torch.zeros(1, 300, dtype=torch.float64)
    assert spectral_cross_entropy(flat, TRUE[:1]).item() == pytest.approx(np.log(141))


def test_snr_is_what_it_says():
    x = PULSE[:1] + noise(1)
    power = spectrum(x, torch.arange(40.0, 181.0), RATE)[0]
    rates = torch.arange(40.0, 181.0)
    near = ((rates - 66).abs() <= 6) | ((rates - 132).abs() <= 6)
    snr = power[near].sum() / power[~near].sum()
    assert snr_loss(x, TRUE[:1]).item() == pytest.approx(torch.log(1 + 1 / snr).item(), rel=1e-6)
    assert snr_loss(PULSE, TRUE).max() < 0.07


def test_half_precision_is_not_trusted_with_spectra():
    x = (PULSE + 0.5 * noise(3)).float()
    for name in ("entropy", "snr", "pearson"):
        plain = LOSSES[name](x)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.allclose(LOSSES[name](x), plain, atol=1e-5)
        assert LOSSES[name](x.bfloat16()).dtype in (torch.float32, torch.float64)
        assert torch.allclose(LOSSES[name](x.bfloat16()).double(), plain.double(), atol=0.02)


def test_errors_in_words():
    with pytest.raises(UsageError, match="too short to try lags of 9"):
        negative_pearson(PULSE[:, :20], PULSE[:, :20], lag_s=0.3)
    with pytest.raises(UsageError, match="Give two of"):
        negative_pearson(PULSE, PULSE[:1])
    with pytest.raises(UsageError, match="the lower first"):
        snr_loss(PULSE, TRUE, band=(100.0, 50.0))
    with pytest.raises(UsageError, match=r"Give \(B, T\) and \(B,\)"):
        spectral_cross_entropy(PULSE, TRUE[:1])


def clips(batch=2, count=12, size=8, seed=0):
    return torch.rand(batch, 3, count, size, size, generator=torch.Generator().manual_seed(seed)) * 200 + 20


def test_inputs_do_not_depend_on_the_light_nor_on_company():
    clip = clips()
    for made in (differences, standard):
        seen = made(clip)
        assert seen.shape == clip.shape
        assert torch.allclose(made(1.2 * clip), seen, atol=1e-4)
        assert torch.allclose(made(clip[:1]), seen[:1], atol=1e-5)
        assert not made(torch.full_like(clip, 90.0)).any()
        assert not made(torch.zeros_like(clip)).any()
        assert torch.isfinite(made(clip[:, :, :1])).all()
    assert not differences(clip)[:, :, -1].any()
    assert differences(clip)[:, :, :-1].std((1, 2, 3, 4), correction=0).numpy() == pytest.approx(1, abs=1e-5)
    assert differences(clip, limit=1.5).abs().max() == pytest.approx(1.5)


def test_looking_back_can_be_cut_anywhere():
    clip = clips(count=150, size=4)
    whole, *end = trailing_differences(clip, no_frames(clip))
    assert not whole[:, :, 0].any()
    state, parts = no_frames(clip), []
    for start, stop in ((0, 1), (1, 2), (2, 60), (60, 61), (61, 150)):
        part, *state = trailing_differences(clip[:, :, start:stop], tuple(state))
        parts.append(part)
    assert torch.allclose(torch.cat(parts, 2), whole, atol=1e-5)
    assert all(torch.allclose(one, other) for one, other in zip(state, end, strict=True))
    change = (clip[:, :, 1:] - clip[:, :, :-1]) / (clip[:, :, 1:] + clip[:, :, :-1])
    last = change[:, :, -128:].square().mean((1, 2, 3, 4)).sqrt()
    assert torch.allclose(whole[:, :, -1], change[:, :, -1] / last[:, None, None, None], rtol=1e-3, atol=1e-4)


def test_a_slope_is_integrated():
    t = torch.arange(300, dtype=torch.float64) / RATE
    for rate in (60.0, 90.0, 120.0):
        angle = 2 * torch.pi * rate / 60
        wave = integrated((angle * torch.cos(angle * t) / RATE + 0.05)[None], RATE)[0]
        inner = slice(45, -45)
        assert np.corrcoef(wave[inner], torch.sin(angle * t)[inner])[0, 1] > 0.97
        assert 0.8 < wave[inner].std() / torch.sin(angle * t)[inner].std() < 1.6
