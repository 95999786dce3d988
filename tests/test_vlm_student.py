"""The PhysVLM-style student and its two blocks (reconstructed: only the paper's abstract was at hand)."""

import math
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from perfuse.core.errors import UsageError  # noqa: E402
from perfuse.nn import fourier  # noqa: E402
from perfuse.papers.physvlm import wavelet  # noqa: E402
from perfuse.papers.physvlm.attention import FrequencyAttention  # noqa: E402
from perfuse.papers.physvlm.cells import prepared  # noqa: E402
from perfuse.papers.physvlm.maps import made_maps  # noqa: E402
from perfuse.papers.physvlm.model import Projection, Student  # noqa: E402
from perfuse.papers.physvlm.reading import POPULATIONS, population, strongest_rate  # noqa: E402
from perfuse.papers.physvlm.wavelet import Wavelet  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

RATE = 30.0


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def tone(rate_hz, frames=256, phase=0.3):
    return torch.sin(2 * math.pi * rate_hz * torch.arange(frames) / RATE + phase)


def small(seed=0, **how):
    torch.manual_seed(seed)
    return Student(16, **how).eval()


# --- filters and spectra


@settings(max_examples=25)
@given(count=st.integers(20, 300), seed=st.integers(0, 99))
def test_the_matrix_filters_as_the_fft_does(count, seed):
    x = torch.randn(2, 3, count, 4, generator=seeded(seed), dtype=torch.float64)
    response = torch.rand(2, count // 2 + 1, generator=seeded(seed + 1), dtype=torch.float64)
    by_fft = fourier.filtered(x, response)
    by_matrix = fourier.ring(response, count)[:, None] @ x
    assert torch.allclose(by_fft, by_matrix, atol=1e-10)


def test_powers_are_those_of_an_fft():
    x = torch.randn(2, 240, 3, generator=seeded(), dtype=torch.float64)
    window = fourier.hann(x, 240)[:, None]
    wanted = torch.fft.rfft((x - x.mean(1, keepdim=True)) * window, dim=1).abs().square()
    assert torch.allclose(fourier.powers(x, fourier.bins(x, 240, RATE), RATE), wanted, atol=1e-8)


# --- wavelets


@settings(max_examples=25)
@given(count=st.integers(128, 400), levels=st.integers(1, 5), seed=st.integers(0, 99))
def test_octaves_add_up_again(count, levels, seed):
    x = torch.randn(1, 2, count, 3, generator=seeded(seed))
    bands = wavelet.decompose(x, levels)
    assert bands.shape == (1, levels + 1, 2, count, 3)
    assert (wavelet.recompose(bands) - x).abs().max() < 1e-5
    assert torch.allclose(wavelet.responses(count, levels).abs().square().sum(0), torch.ones(1).double(), atol=1e-6)


@settings(max_examples=15)
@given(count=st.integers(256, 400), levels=st.integers(1, 5))
def test_filters_in_time_are_those_in_frequency(count, levels):
    x = torch.randn(1, 2, count, 3, generator=seeded(count), dtype=torch.float64)
    by_fft = wavelet.decompose(x, levels)
    back = wavelet.recompose(by_fft)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wavelet, "exporting", lambda: True)
        assert torch.allclose(wavelet.decompose(x, levels), by_fft, atol=1e-10)
        assert torch.allclose(wavelet.recompose(by_fft), back, atol=1e-10)


def test_octaves_are_those_of_another_library():
    pywt = pytest.importorskip("pywt", reason="PyWavelets is not installed")
    x = torch.randn(1, 1, 256, 1, generator=seeded(), dtype=torch.float64)
    theirs = pywt.swt(x.flatten().numpy(), "db4", level=5, trim_approx=True, norm=True)  # A5, D5 .. D1
    ours = wavelet.decompose(x, 5)[0, :, 0, :, 0].numpy()[::-1]
    for mine, other in zip(ours, theirs):
        # theirs lie shifted along the ring; strength at every frequency must agree
        assert np.allclose(np.abs(np.fft.rfft(mine)), np.abs(np.fft.rfft(other)), atol=1e-9)


def test_a_block_with_open_gates_changes_nothing():
    block = Wavelet(4, 5)
    torch.nn.init.constant_(block.shrink, -50.0)
    x = torch.randn(2, 4, 200, 6, generator=seeded())
    with torch.no_grad():
        same, gates = block.refined(x)
    assert torch.equal(gates, torch.ones(2, 4, 6))
    assert (same - x).abs().max() < 1e-5


def test_shrinkage_is_towards_nothing_from_both_sides():
    block = Wavelet(4, 5)
    torch.nn.init.constant_(block.shrink, math.log(math.e**0.7 - 1))  # a floor of 0.7 of the mean size
    x = torch.randn(2, 4, 200, 6, generator=seeded())
    bands = wavelet.decompose(wavelet.mirrored(x), 5)
    floor = 0.7 * bands.abs().mean(3, keepdim=True)
    wanted = wavelet.recompose(bands.sign() * (bands.abs() - floor).clamp(min=0))[:, :, 64:-64]
    with torch.no_grad():
        assert torch.allclose(block.refined(x)[0], wanted, atol=1e-5)


@pytest.mark.parametrize("count", [128, 151])
def test_learning_and_exported_graphs_do_the_same(count):
    """By spectra and with gradients by hand; and with filters along time, whose gradients torch finds."""
    block = Wavelet(3, 4).double()
    with torch.no_grad():
        for weights in (block.short, block.judge[2].weight, block.shrink):
            weights += 0.3 * torch.randn(weights.shape, generator=seeded(), dtype=torch.float64)
        block.shrink += 5.0  # a quarter of the samples is taken to 0
    x = wavelet.mirrored(torch.randn(2, 3, count, 4, generator=seeded(), dtype=torch.float64)).requires_grad_()
    found = []
    for exported in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wavelet, "exporting", lambda exported=exported: exported)
            whole, gates = block._in_time(x) if exported else block._by_spectra(x)
        learnt = [x, block.short, block.shrink, *block.judge.parameters()]
        slopes = torch.autograd.grad(whole.pow(3).sum() + gates.square().sum(), learnt)
        found.append([whole, gates, *slopes])
    for ours, wanted in zip(*found):
        assert torch.allclose(ours, wanted, rtol=1e-7, atol=1e-9)
        assert wanted.abs().max() > 0.01


def test_one_octave_alone_leaks_nothing():
    """Why it is not decimated: a decimated transform with one octave kept leaks 8 to 35 per cent of a tone."""
    frames = 900
    x = wavelet.mirrored(tone(1.2, frames).reshape(1, 1, frames, 1))
    bands = wavelet.decompose(x, 5)
    kept = torch.zeros_like(bands)
    kept[:, 3] = bands[:, 3]
    wave = wavelet.recompose(kept)[0, 0, 64:-64, 0]
    power = torch.fft.rfft(wave * fourier.hann(wave, frames)).abs().square()
    far = (fourier.bins(wave, frames, RATE) - 1.2).abs() > 0.15
    assert power[far].sum() / power.sum() < 1e-3


def test_the_octaves_that_beat():
    assert [wavelet.octaves(rate) for rate in (30, 25, 15, 60)] == [5, 5, 4, 6]
    assert wavelet.opened((1.0, 2.0, 3.0), 1) == (2.0, 3.0)
    assert wavelet.opened((1.0, 2.0, 3.0), 3) == (1.0, 1.0, 2.0, 3.0)
    gains = wavelet.responses(3000, 5).abs().square()
    hertz = torch.arange(1501) / 100
    strongest = [
        int(gains[:, int((hertz - rate).abs().argmin())].argmax()) for rate in (10.0, 5.0, 3.0, 1.25, 0.7, 0.2)
    ]
    assert strongest == [0, 1, 2, 3, 4, 5]


def test_the_norm_is_group_normalisation():
    x = 3 + 2 * torch.randn(2, 8, 50, 4, generator=seeded())
    assert torch.allclose(wavelet.Norm(8)(x), torch.nn.GroupNorm(1, 8)(x), atol=1e-5)


# --- attention


def planted(parts, snr, seed, channels=16, frames=256, second=0.0):
    """Noise of 16 cells, with rhythms planted: {rate: cells}."""
    made = seeded(seed)
    x = torch.randn(1, channels, frames, 16, generator=made)
    for rate, cells in parts.items():
        for cell in cells:
            size = snr * math.sqrt(2) * torch.sign(torch.randn(channels, generator=made))
            x[0, :, :, cell] += size[:, None] * (tone(rate, frames) + second * tone(2 * rate, frames))
    return x


def heart(seed):
    torch.manual_seed(seed)
    return FrequencyAttention(16, (0.66, 4.0), 0.12, harmonic=0.5, centre_hz=1.6)


def lungs(seed):
    torch.manual_seed(100 + seed)
    return FrequencyAttention(16, (0.1, 1.5), 0.06, centre_hz=0.4)


ALIVE = torch.ones(1, 16, dtype=torch.bool)


@torch.no_grad()
def test_untrained_attention_finds_a_planted_rhythm():
    shares = []
    for seed in range(20):
        _, found = heart(seed)(planted({1.5: [1, 6, 7, 12]}, 0.5, seed), ALIVE)
        assert found.places.mean() == pytest.approx(1, abs=1e-4)
        shares.append(float(found.places.flatten()[[1, 6, 7, 12]].sum() / 16))
        assert abs(float(heart(seed).grid[found.rhythm.argmax()]) - 1.5) <= 0.06
    assert np.mean(shares) >= 0.85


@torch.no_grad()
def test_pulse_and_breathing_each_find_their_own():
    right = 0
    for seed in range(20):
        x = planted({1.4: [0, 1, 4, 5], 0.4: [10, 11, 14, 15]}, 0.5, seed)
        above, below = heart(seed), lungs(seed)
        _, pulse = above(x, ALIVE)
        _, breath = below(x, ALIVE, (pulse.rhythm, above.grid))
        right += (
            abs(float(above.grid[pulse.rhythm.argmax()]) - 1.4) <= 0.06
            and abs(float(below.grid[breath.rhythm.argmax()]) - 0.4) <= 0.06
            and float(breath.places.flatten()[[10, 11, 14, 15]].sum()) > 8
        )
    assert right >= 18


@torch.no_grad()
def test_a_strong_pulse_is_not_taken_for_breathing():
    right = {True: 0, False: 0}
    cells = [10, 11, 14, 15]
    for seed in range(20):
        x = planted({1.4: [0, 1, 4, 5]}, 0.8, seed) + planted({0.4: cells}, 0.4, seed + 50)
        above, below = heart(seed), lungs(seed)
        _, pulse = above(x, ALIVE)
        for told in right:
            _, breath = below(x, ALIVE, (pulse.rhythm, above.grid) if told else None)
            near = abs(float(below.grid[breath.rhythm.argmax()]) - 0.4) <= 0.06
            right[told] += near and float(breath.places.flatten()[cells].sum()) > 8
    assert right[True] >= 18
    assert right[False] <= 5  # why breathing is looked for after the pulse


@torch.no_grad()
@pytest.mark.parametrize("rate", [50, 75, 110, 113, 150, 200, 220])
def test_every_rate_is_found_and_not_its_half(rate):
    """At 112 two octaves meet; neither a strong second harmonic nor a weak one may be misleading."""
    for second in (0.1, 0.7):
        x = planted({rate / 60: [2, 3, 8, 9]}, 0.7, rate, second=second)
        block = heart(rate)
        _, found = block(x, ALIVE)
        assert abs(60 * float(block.grid[found.rhythm.argmax()]) - rate) <= 60 * RATE / 1024 + 0.5


@torch.no_grad()
def test_what_passes_is_what_was_found():
    block = heart(0)
    rhythm = torch.zeros(1, len(block.grid))
    rhythm[0, int((block.grid - 1.5).abs().argmin())] = 1
    passed = block.passing(rhythm, 300)[0]
    lines = fourier.bins(passed, 300, RATE)
    assert passed.max() == pytest.approx(1)
    assert float(lines[passed.argmax()]) == pytest.approx(1.5)
    assert float(passed[30]) == pytest.approx(0.1 + 0.9 * 0.5, abs=1e-3)  # the double, 3 Hz
    assert float(passed[60]) == pytest.approx(0.1, abs=1e-3)


@torch.no_grad()
def test_dead_cells_are_not_looked_at():
    x = planted({1.5: [1, 6]}, 0.7, 3)
    alive = ALIVE.clone()
    alive[0, 6] = False
    _, found = heart(3)(x, alive)
    assert found.places.flatten()[6] == 0
    _, nothing = heart(3)(x, torch.zeros_like(alive))
    assert torch.isfinite(nothing.places).all()


def test_prominence_does_not_depend_on_the_grid(monkeypatch):
    """It is counted as on an FFT padded fourfold."""
    x = planted({1.5: [1, 6]}, 0.7, 3)
    block = heart(3)
    power = torch.fft.rfft(
        (block.probe(x) - block.probe(x).mean(2, keepdim=True)) * fourier.hann(x, 256)[:, None], n=1024, dim=2
    )
    lines = torch.arange(513) * RATE / 1024
    power = power.abs().square().sum(1)[:, (lines >= 0.66) & (lines <= 4.0)]
    wanted = (power / power.sum(1, keepdim=True)).square().sum(1).sqrt()
    assert torch.allclose(block.spectra(x)[1], wanted, rtol=0.02)


# --- the student


def test_size_and_answer():
    student = Student()
    count = sum(p.numel() for p in student.parameters())
    assert count == 143_014
    assert sum(p.numel() for p in Student(projected=False).parameters()) == count - 5 * 48
    projection = sum(p.numel() for p in Projection(48, 512).parameters())
    assert 0.28e6 < count + projection < 0.31e6
    said, seen = small().features(made_maps(2, 128, generator=seeded()).clip)
    shapes = {name: tuple(value.shape) for name, value in said.items()}
    assert shapes == {
        "pulse": (2, 128),
        "respiration": (2, 128),
        "heart_rate": (2,),
        "respiratory_rate": (2,),
        "attention": (2, 8, 8),
    }
    assert torch.allclose(said["attention"].sum((1, 2)), torch.ones(2), atol=1e-5)
    assert seen.told.shape == (2, 32)
    assert seen.gates_pulse.shape == (2, 16, 6)
    embedding = Projection(16, 64)(seen.told)
    assert torch.allclose(embedding.norm(dim=1), torch.ones(2), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("frames", [128, 131, 256, 512, 900])
def test_any_length(frames):
    said = small()(made_maps(1, frames, generator=seeded()).clip)
    assert said["pulse"].shape == said["respiration"].shape == (1, frames)
    assert all(torch.isfinite(value).all() for value in said.values())


@torch.no_grad()
@pytest.mark.parametrize("rate", [15.0, 25.0, 60.0])
def test_other_clocks(rate):
    student = small(rate_hz=rate)
    said = student(made_maps(1, 256, generator=seeded(), rate_hz=rate).clip)
    assert torch.isfinite(said["pulse"]).all()


@torch.no_grad()
@pytest.mark.parametrize("norm", ["z", "minmax"])
@pytest.mark.parametrize(("projected", "haze"), [(True, 0.0), (False, 3.0)])
def test_batch_mates_and_light_do_not_matter(norm, projected, haze):
    """Haze does where POS is shown, which is of shares of the light."""
    student = small(norm=norm, projected=projected)
    clip = made_maps(3, 160, generator=seeded()).clip
    whole = student(clip)
    alone = student(clip[1:2])
    brighter = student(1.1 * clip + haze)
    for name in whole:
        assert torch.allclose(alone[name][0], whole[name][1], atol=1e-4)
        assert torch.allclose(brighter[name], whole[name], atol=2e-3 * float(whole[name].std().clamp(min=1)))


@torch.no_grad()
def test_bad_cells():
    student = small()
    clip = made_maps(1, 160, generator=seeded()).clip
    bad = clip.clone()
    bad[:, :, :, 0:2, 0:2] = float("nan")
    bad[:, :, :, 0:2, 2:4] = 17.0
    bad[:, 0, 5, 7, 7] = float("inf")
    said = student(bad)
    assert all(torch.isfinite(value).all() for value in said.values())
    assert said["attention"][0, :2, :4].sum() == 0
    assert said["attention"][0, 6:, 6:].sum() > 0  # three of its cells are whole
    for level in (0.0, 200.0):
        said = student(torch.full((1, 3, 160, 8, 8), level))
        assert all(torch.isfinite(value).all() for value in said.values())


@torch.no_grad()
def test_half_precision_is_left_out():
    student, clip = small(), made_maps(1, 128, generator=seeded()).clip
    whole = student(clip)["pulse"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(student(clip)["pulse"], whole)


def test_what_the_first_layer_sees():
    clip = made_maps(1, 160, generator=seeded()).clip
    cells, alive = prepared(clip)
    assert cells.shape == (1, 7, 160, 64)
    assert alive.all()
    assert cells[:, :3].abs().max() <= 3
    assert torch.allclose(cells[:, :3].mean(2), torch.zeros(1), atol=0.05)
    # region by region: the second cell of the first region is to the right of the first, the third below it
    for place, (row, col) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1), (0, 2)]):
        trace = clip[0, 1, :, row, col]
        mine = cells[0, 1, :, place]
        assert float(torch.corrcoef(torch.stack([trace, mine]))[0, 1]) > 0.99


def test_a_dead_region_tells_its_neighbours_nothing():
    look = heart(3)
    with torch.no_grad():
        look.context.weight += torch.randn(look.context.weight.shape, generator=seeded(1))
    x = planted({1.5: [1, 6]}, 0.7, 3)
    alive = ALIVE.clone()
    alive[0, 5] = False
    found = []
    for level in (0.0, 0.3, 7.0):  # what a cell that stands still is made of
        x[:, :, :, 5] = level
        found.append(look(x, alive)[1].places)
    assert torch.allclose(found[0], found[1], atol=1e-6)
    assert torch.allclose(found[0], found[2], atol=1e-6)


@settings(max_examples=20)
@given(seed=st.integers(0, 999), blind=st.booleans())
def test_what_rises_has_one_sign_whatever_its_colours(seed, blind):
    """Pictures that sway up and down: the seventh channel follows, in bright stripes and in dark ones."""
    sway = 0.05 * tone(0.3, 160)
    slope = torch.randn(1, 3, 1, 1, 1, generator=seeded(seed)).sign() * 10
    rows = torch.arange(8.0).reshape(1, 1, 1, 8, 1)
    clip = (120 + slope * (rows + sway.reshape(1, 1, -1, 1, 1))).expand(1, 3, 160, 8, 8).clone()
    if blind:
        clip[:, :, :, 3, 3] = torch.nan
    cells, _ = prepared(clip)
    found = cells[0, 6]
    seen = torch.isfinite(clip[0, 0, 0]).flatten().sum()
    follows = [float(torch.corrcoef(torch.stack([sway, one]))[0, 1]) for one in found.T if one.abs().sum() > 0]
    assert len(follows) == seen
    assert min(follows) > 0.99


@pytest.mark.parametrize("seed", range(3))
def test_a_student_may_be_shown_the_pulse_as_pos_sees_it(seed):
    made = made_maps(2, 256, generator=seeded(seed), noise=0.1)
    made.clip[:, :, :, 0, 0] = torch.nan
    cells, alive = prepared(made.clip, rate_hz=RATE)
    plain, same = prepared(made.clip)
    assert torch.equal(cells[:, :7], plain)
    assert torch.equal(alive, same)
    for pulse, found in zip(made.pulse, cells[:, 7], strict=True):
        assert torch.isfinite(found).all()
        follows = torch.corrcoef(torch.cat([pulse[None], found.T]))[0, 1:].nan_to_num()
        assert follows.median() > 0.6
    said = small(projected=True)(made.clip)
    assert all(torch.isfinite(value).all() for value in said.values())


@pytest.mark.parametrize("seed", range(4))
def test_the_sign_of_breathing_is_that_of_what_rises(seed):
    """Bright or dark stripes that sway: a network and its negative write the same wave, which follows them."""
    torch.manual_seed(seed)
    sway = tone(0.3, 256)
    slope = torch.randn(2, 3, 1, 1, 1, generator=seeded(seed)).sign() * 10
    rows = torch.arange(8.0).reshape(1, 1, 1, 8, 1)
    clip = (120 + slope * (rows + 0.05 * sway.reshape(1, 1, -1, 1, 1))).expand(2, 3, 256, 8, 8)
    student = Student(8).eval()
    with torch.no_grad():
        found = student(clip)["respiration"]
        for part in student.wave_breath[2].parameters():
            part.neg_()
        torch.testing.assert_close(student(clip)["respiration"], found)
    assert (((found - found.mean(1, keepdim=True)) @ sway) > 0).all()


def test_errors_in_words():
    with pytest.raises(UsageError, match=r"127 samples.*128 samples or more"):
        small()(torch.zeros(1, 3, 127, 8, 8))
    with pytest.raises(UsageError, match=r"\(1, 3, 128, 9, 9\)"):
        small()(torch.zeros(1, 3, 128, 9, 9))
    with pytest.raises(UsageError, match="normalised by 'max'"):
        Student(norm="max")
    with pytest.raises(UsageError, match="2 channels"):
        Student(2)
    with pytest.raises(UsageError, match="no population 'teen'"):
        population("teen")


def test_everything_learns():
    """The first layer of a gate has no gradient at the start, since the one after it is zero."""
    student = small().train()
    optimiser = torch.optim.SGD(student.parameters(), 1e-3)
    clip = made_maps(2, 128, generator=seeded()).clip
    for _ in range(2):
        optimiser.zero_grad()
        said, seen = student.features(clip)
        loss = sum(said[name].square().mean() for name in ("pulse", "respiration", "heart_rate", "respiratory_rate"))
        (loss + seen.pulse.rhythm.square().sum() + seen.breath.rhythm.square().sum()).backward()
        optimiser.step()
    for name, parameter in student.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_no_teacher_is_needed_at_inference():
    code = "import sys, perfuse.papers.physvlm.model, perfuse.papers.physvlm.hub; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "perfuse.papers.physvlm.hub" in loaded
    assert "transformers" not in loaded
    alone = code.replace(", perfuse.papers.physvlm.hub", "")
    loaded = subprocess.run([sys.executable, "-c", alone], capture_output=True, text=True, check=True).stdout
    assert not any(f"physvlm.{name}" in loaded for name in ("priors", "teachers", "tiny", "hub", "adapt"))


# --- reading


@settings(max_examples=40)
@given(rate=st.floats(42, 236), frames=st.sampled_from([256, 300, 512]), phase=st.floats(0, 6))
def test_a_tone_is_read_as_it_is(rate, frames, phase):
    wave = tone(rate / 60, frames, phase)[None]
    assert abs(float(strongest_rate(wave, POPULATIONS["all"].pulse_hz)) - rate) <= 60 * RATE / (4 * frames)


def test_fast_hearts_are_not_folded():
    for rate in (50, 75, 110, 113, 150, 200, 220):
        wave = (tone(rate / 60) + 0.6 * tone(2 * rate / 60))[None]
        assert abs(float(strongest_rate(wave, POPULATIONS["all"].pulse_hz)) - rate) <= 60 * RATE / 1024
    assert math.isnan(float(strongest_rate(torch.zeros(1, 256), POPULATIONS["all"].pulse_hz)))
    slow = tone(1.0)[None] + 0.5 * tone(2.5)[None]
    assert abs(float(strongest_rate(slow, POPULATIONS["neonate"].pulse_hz)) - 150) < 2  # a narrower band is a choice
