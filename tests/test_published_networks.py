"""Networks that others trained: built as published, filled strictly, and right about a real face."""

import csv

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from perfuse.core.frame import Box  # noqa: E402
from perfuse.nn.nmf import rank_one  # noqa: E402
from perfuse.signal.filters import bandpass  # noqa: E402
from published import factorizephys, lq_rppg, physnet  # noqa: E402
from published.clips import face_clips, toolbox_box  # noqa: E402
from published.load import (  # noqa: E402
    NAMES,
    differences,
    line_rate,
    load,
    peak_rate,
    read_rate,
    read_wave,
    snr_db,
    standard,
    strangeness,
    weights_folder,
    windows,
)

TRUTH = 75.4
"""Heart rate of the real clip, by its contact sensor's spectrum."""


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def weights():
    folder = weights_folder()
    if folder is None:
        pytest.skip("published weights are not on this machine; set PERFUSE_WEIGHTS to their folder")
    return folder


def pulsing(size, heart_rate, count=200, seed=0):
    """A skin-coloured disc that darkens with every beat by 1.5 levels of green, under pixel noise; and its pulse."""
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * heart_rate / 60 * np.arange(count) / 30
    pulse = np.sin(phase) + 0.3 * np.sin(2 * phase - 1.0)
    y, x = np.mgrid[:size, :size] / size - 0.5
    disc = ((x / 0.33) ** 2 + (y / 0.42) ** 2 < 1)[:, :, None]
    skin = np.where(disc, (170.0, 125.0, 105.0), (70.0, 75.0, 80.0))
    beat = disc * np.array([0.3, 1.0, 0.5]) * 1.5
    frames = skin - beat * pulse[:, None, None, None] + rng.normal(size=(count, size, size, 3))
    return np.clip(np.rint(frames), 0, 255), pulse


@pytest.mark.parametrize(
    ("make", "count"),
    [(factorizephys.FactorizePhys, 52_168), (physnet.PhysNet, 768_577), (lq_rppg.LqRppg, 405_453)],
)
def test_as_many_parameters_as_published(make, count):
    assert sum(p.numel() for p in make().parameters()) == count


@pytest.mark.parametrize(
    ("make", "size", "frames", "answers"),
    [
        (factorizephys.FactorizePhys, 72, 17, 16),
        (physnet.PhysNet, 72, 16, 16),
        (lq_rppg.LqRppg, 32, 160, 160),
    ],
)
def test_one_answer_a_frame(make, size, frames, answers):
    with torch.inference_mode():
        out = make().eval()(torch.rand(2, 3, frames, size, size))
    assert out.shape == (2, answers)
    assert torch.isfinite(out).all()


def test_factorisation_leaves_a_product_as_it_is():
    torch.manual_seed(0)
    column, row = torch.rand(2, 9, 1) + 0.1, torch.rand(2, 1, 14) + 0.1
    np.testing.assert_allclose(rank_one(column @ row), column @ row, rtol=1e-4)


def test_factorisation_is_the_best_of_rank_one():
    torch.manual_seed(1)
    matrix = torch.rand(1, 12, 20, dtype=torch.float64)
    u, s, v = torch.linalg.svd(matrix[0])  # Perron and Frobenius: of a positive matrix the first pair is positive
    best = s[0] * u[:, :1] @ v[:1]
    got = rank_one(matrix)[0]
    assert (matrix[0] - got).norm() <= 1.0001 * (matrix[0] - best).norm()


def test_scan_is_the_recurrence_it_stands_for():
    torch.manual_seed(2)
    scan = lq_rppg.Scan().eval()
    with torch.no_grad():
        scan.decay.copy_(torch.randn_like(scan.decay) * 0.3)
        scan.skip.copy_(torch.randn_like(scan.skip))
        x = torch.randn(1, 7, lq_rppg.INNER)
        got = scan(x)[0].numpy()
        part = {name: value.double().numpy() for name, value in scan.state_dict().items()}
    padded = np.concatenate([np.zeros((3, lq_rppg.INNER)), x[0].double().numpy()])
    taps = part["conv1d.weight"][:, 0]
    state = np.zeros((lq_rppg.INNER, lq_rppg.STATES))
    for now in range(7):
        u = (padded[now : now + 4] * taps.T).sum(0) + part["conv1d.bias"]
        u = u / (1 + np.exp(-u))
        said = part["x_proj.weight"] @ u
        rank, enter, leave = np.split(said, [lq_rppg.RANK, lq_rppg.RANK + lq_rppg.STATES])
        pace = np.log1p(np.exp(part["dt_proj.weight"] @ rank + part["dt_proj.bias"]))[:, None]
        state = np.exp(-pace * np.exp(part["decay"])) * state + pace * u[:, None] * enter
        np.testing.assert_allclose(got[now], state @ leave + part["skip"] * u, atol=1e-5)


def test_inputs_ignore_gain_and_keep_every_frame():
    clip = torch.rand(3, 20, 4, 4, dtype=torch.float64) * 100 + 50
    for normalise in (differences, standard):
        out = normalise(clip)
        assert out.shape == clip.shape
        np.testing.assert_allclose(normalise(2 * clip), out, atol=1e-6)
    assert differences(clip)[:, :-1].std(correction=0) == pytest.approx(1.0)
    assert not differences(clip)[:, -1].any()


@pytest.mark.parametrize("count", [128, 129, 255, 256, 450])
def test_windows_give_every_sample_once(count):
    fresh = [set(range(first, start + 128)) for start, first in windows(count, 128)]
    assert sorted(k for part in fresh for k in part) == list(range(count))
    assert all(0 <= start <= count - 128 and start <= first for start, first in windows(count, 128))


def test_too_few_frames_are_refused():
    with pytest.raises(ValueError, match="127 frames were given, 128 are needed"):
        windows(127, 128)


def test_rate_and_noise_of_a_known_wave():
    time = np.arange(450) / 30
    wave = np.sin(2 * np.pi * 1.3 * time)
    assert peak_rate(wave, 30.0) == pytest.approx(78.0, abs=0.2)
    assert np.isnan(peak_rate(np.zeros(450), 30.0))
    noisy = wave + np.random.default_rng(0).normal(size=450)
    assert snr_db(wave, 30.0, 78.0) > snr_db(noisy, 30.0, 78.0) > 0 > snr_db(noisy, 30.0, 130.0)


def test_line_of_even_beats_is_their_rate():
    assert line_rate(np.arange(0.3, 15, 0.75), 450, 30.0) == pytest.approx(80.0, abs=0.3)


def test_line_follows_where_the_heart_stays_longest():
    intervals = np.concatenate([np.full(16, 0.7), np.full(4, 1.0)])  # 11 s at 86/min, 4 s at 60/min; mean 79
    beats = 0.2 + np.cumsum(intervals)
    assert line_rate(beats, 450, 30.0) == pytest.approx(60 / 0.7, abs=1.5)


def test_box_is_the_toolboxes():
    box = toolbox_box(Box(100, 80, 50, 60), margin=1.8, rise=0.2)
    assert (box.width, box.height) == (108, 108)
    assert box.centre == pytest.approx((125, 98))


def test_absent_weights_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFUSE_WEIGHTS", str(tmp_path / "nowhere"))
    assert weights_folder() is None
    with pytest.raises(FileNotFoundError, match="PERFUSE_WEIGHTS"):
        load(NAMES[0])


def test_weights_lie_beside_the_recordings(tmp_path, monkeypatch):
    monkeypatch.delenv("PERFUSE_WEIGHTS", raising=False)
    monkeypatch.setenv("PERFUSE_DATA", str(tmp_path / "data"))
    (tmp_path / "weights").mkdir()
    assert weights_folder() == tmp_path / "weights"


@pytest.mark.parametrize("name", NAMES)
def test_weights_fill_the_network(name, weights):
    published = load(name, weights)
    assert not published.network.training
    assert all(torch.isfinite(p).all() and p.std() > 0 for p in published.network.parameters() if p.numel() > 1)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_read_where_nothing_moves(name, weights):
    published = load(name, weights)
    wave, rate = read_rate(published, np.full((published.window, published.size, published.size, 3), 120.0))
    assert not wave.any()
    assert np.isnan(rate)
    with pytest.raises(ValueError, match="pixels a side"):
        read_wave(published, np.zeros((published.window, 10, 10, 3)))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_pulsing_disc_is_read(name, weights):
    published = load(name, weights)
    frames, pulse = pulsing(published.size, 81.0)
    wave, rate = read_rate(published, frames)
    assert rate == pytest.approx(81.0, abs=2.0)
    if not published.differenced:  # PhysNet's phase wanders on anything but a face
        assert best_r(wave, bandpass(pulse, 30.0, 0.6, 3.3, order=1)) > 0.9


def best_r(wave, truth, reach=6):
    """Largest correlation at lags of up to 0.2 s: the sign is part of the answer."""
    inner = slice(reach + 15, len(wave) - reach - 15)
    return max(np.corrcoef(wave[inner], np.roll(truth, lag)[inner])[0, 1] for lag in range(-reach, reach + 1))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_real_face_is_read(name, weights, shared_data):
    published = load(name, weights)
    folder = shared_data / "face"
    frames = face_clips(folder / "sample_1.mp4", [published.view])[published.view]
    wave, rate = read_rate(published, frames)
    assert rate == pytest.approx(TRUTH, abs=3.0)
    with (folder / "sample_1.csv").open() as file:
        contact = np.array([float(line["ppg"]) for line in csv.DictReader(file)])
    assert best_r(wave, bandpass(contact, 30.0, 0.6, 3.3, order=1)[: len(wave)]) > 0.4
    assert all(odd < 0.5 for odd in strangeness(published, frames).values())
