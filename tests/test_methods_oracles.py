"""Each method against a slow, literal transcription of its formula, or against another library's answer."""

import numpy as np
import pytest
from scipy import signal as sps
from scipy.linalg import inv
from sklearn.decomposition import PCA, FastICA

from methods_scene import chunks, scene
from perfuse.methods import METHODS, fold
from perfuse.methods.jade import jade
from perfuse.methods.ssr import colour_axes

RATE = 30.0


def trace(count=150, seed=0, **options):
    """Colours of one window, float64 (L, 3)."""
    return scene(seconds=count / RATE, light=0.01, gloss=0.002, seed=seed, **options)[0][:, 0].astype(float)


def reflected_filtfilt(x, low, high):
    """Band-pass of the signal continued by point reflection until its ends are far away."""
    count = len(x)
    for _ in range(4):
        x = np.concatenate([2 * x[0] - x[:0:-1], x, 2 * x[-1] - x[-2::-1]])
    sos = sps.butter(3, [low, high], "bandpass", fs=RATE, output="sos")
    centre = (len(x) - count) // 2
    return sps.sosfiltfilt(sos, x)[centre : centre + count]


def dense_detrend(x, lam):
    second = np.diff(np.eye(len(x)), 2, axis=0)
    return x - inv(np.eye(len(x)) + lam**2 * second.T @ second) @ x


def green(c):
    mean = sum(c[:, 1]) / len(c)
    return np.array([1 - g / mean for g in c[:, 1]])


def pos(c):
    count = len(c)
    mean = [sum(c[:, k]) / count for k in range(3)]
    s1, s2 = [], []
    for r, g, b in c:
        rn, gn, bn = r / mean[0], g / mean[1], b / mean[2]
        s1.append(0 * rn + 1 * gn - 1 * bn)
        s2.append(-2 * rn + 1 * gn + 1 * bn)
    h = np.array(s1) + np.std(s1) / np.std(s2) * np.array(s2)
    return -(h - h.mean())


def chrom(c):
    n = c / c.mean(axis=0)
    x = reflected_filtfilt(3 * n[:, 0] - 2 * n[:, 1], 40 / 60, 4.0)
    y = reflected_filtfilt(1.5 * n[:, 0] + n[:, 1] - 1.5 * n[:, 2], 40 / 60, 4.0)
    return (x - x.mean()) - np.std(x) / np.std(y) * (y - y.mean())


def lgi(c):
    matrix = c.T
    u = np.linalg.svd(matrix)[0][:, :1]
    s = ((np.eye(3) - u @ u.T) @ matrix)[1]
    return -(s - s.mean()) / matrix[1].mean()


def omit(c):
    matrix = c.T
    q = np.linalg.qr(matrix)[0][:, :1]
    s = ((np.eye(3) - q @ q.T) @ matrix)[1]
    return -(s - s.mean()) / matrix[1].mean()


def pbv(c):
    n = (c / c.mean(axis=0) - 1).T
    p = np.array([0.33, 0.77, 0.53])
    w = np.linalg.solve(n @ n.T, p[:, None])[:, 0]
    return -(w @ n) / (w @ p)


def contact(c):
    total = 0
    t = np.arange(len(c)) / RATE
    for k in range(3):
        x = reflected_filtfilt(c[:, k] / c[:, k].mean(), 0.6, 8.0)
        x = x - x.mean()
        x = x / x.std()
        taper = np.array([np.sin(np.pi * (m + 0.5) / len(x)) ** 2 for m in range(len(x))])
        freq = np.arange(1025) * RATE / 2048
        power = np.abs(np.exp(-2j * np.pi * freq[:, None] * t) @ (taper * x)) ** 2
        rates = np.where((freq >= 0.6) & (freq <= 4), power, 0)
        line = freq[rates.argmax()]
        near = (np.abs(freq - line) < 0.15) | (np.abs(freq - 2 * line) < 0.15)
        q = power[near].sum() / power.sum()
        total = total - x * np.sqrt(q) / (1.001 - q)
    total = total - total.mean()
    return total / total.std()


def strongest_line(x):
    """Share of the power in one line, from a plain discrete Fourier transform on a fine grid."""
    t = np.arange(len(x)) / RATE
    freq = np.arange(1, 2049) * RATE / 4096
    taper = np.sin(np.pi * (np.arange(len(x)) + 0.5) / len(x)) ** 2
    power = np.abs(np.exp(-2j * np.pi * freq[:, None] * t) @ (taper * (x - x.mean()))) ** 2
    return power[(freq >= 0.7) & (freq <= 4)].max() / power.sum()


def pca(c):
    n = dense_detrend(c / c.mean(axis=0) - 1, (2 * np.sin(np.pi * 0.5 / RATE)) ** -2)
    model = PCA(3, svd_solver="full").fit(n)
    parts = model.transform(n).T
    best = int(np.argmax([strongest_line(part) for part in parts]))
    axis = model.components_[best]
    return -parts[best] * np.sign(axis @ [0.33, 0.77, 0.53])


def ica(c):
    """Fourth-order contrast maximised by brute force over all rotations of the white colours."""
    from scipy.spatial.transform import Rotation

    n = dense_detrend(c / c.mean(axis=0) - 1, (2 * np.sin(np.pi * 0.5 / RATE)) ** -2)
    n = n - n.mean(axis=0)
    scale, axes = np.linalg.eigh(n.T @ n / len(n))
    whitener = axes / np.sqrt(scale)
    white = n @ whitener
    moment = np.einsum("ti,tj,tk,tl->ijkl", white, white, white, white) / len(white)
    eye = np.eye(3)
    gauss = [np.einsum(f"{a},{b}->ijkl", eye, eye) for a, b in (("ij", "kl"), ("ik", "jl"), ("il", "jk"))]
    cumulant = moment - sum(gauss)

    def spoilt(angles):
        """JADE's criterion: cumulants whose first two (and so last two) indices differ, squared."""
        v = Rotation.from_rotvec(angles).as_matrix()
        turned = np.einsum("ijkl,ia,jb,kc,ld->abcd", cumulant, v, v, v, v, optimize=True)
        return sum(turned[a, b] @ turned[a, b].T for a in range(3) for b in range(3) if a != b).trace()

    from scipy.optimize import minimize

    tries = [minimize(spoilt, start, tol=1e-14) for start in np.random.default_rng(0).normal(size=(8, 3))]
    v = Rotation.from_rotvec(min(tries, key=lambda found: found.fun).x).as_matrix()
    unmixing = (whitener @ v).T
    sources = unmixing @ n.T
    best = int(np.argmax([strongest_line(source) for source in sources]))
    return -sources[best] * np.sign(unmixing[best] @ [0.33, 0.77, 0.53]) / np.linalg.norm(unmixing[best])


def ssr(frames):
    """Pixels of each frame (L, n, 3); singular values of the pixels in place of eigenvalues of their products."""

    def axes(pixels):
        _, size, rows = np.linalg.svd(pixels / np.sqrt(len(pixels)), full_matrices=False)
        return size**2, [row * (np.sign(rows[0].sum()) if k == 0 else 1) for k, row in enumerate(rows)]

    size0, u0 = axes(frames[0])
    path = []
    for pixels in frames:
        size, u = axes(pixels)
        step = sum(np.sqrt(size[0] / size0[i]) * (u[0] @ u0[i]) * u0[i] for i in (1, 2))
        path.append(step)
    path = np.array(path)
    s = path[:, 0] - path[:, 0].std() / path[:, 1].std() * path[:, 1]
    return s - s.mean()


def radar(values):
    """Real and imaginary parts of cells (L, n, 2); the circle from a least-squares solver, sample after sample."""
    cells = values[..., 0] + 1j * values[..., 1]
    middle = int(np.argmax([np.var(cell.real) + np.var(cell.imag) for cell in cells.T]))
    near = [b for b in range(middle - 2, middle + 3) if 0 <= b < cells.shape[1]]
    about = []
    for b in near:
        z = cells[:, b]
        table = np.stack([2 * z.real, 2 * z.imag, np.ones(len(z))], axis=1)
        x, y, _ = np.linalg.lstsq(table, np.abs(z) ** 2, rcond=None)[0]
        about.append(z - (x + 1j * y))
    products = [sum(z[n] * np.conj(z[n - 1]) for z in about) for n in range(1, len(cells))]
    products = np.array(products[:1] + products)
    usual = np.median(np.abs(products))
    steps = np.array([np.angle(p) * min(1, abs(p) / usual) for p in products])
    vibration = reflected_filtfilt(steps, 4.0, 0.47 * RATE)
    wave = reflected_filtfilt(np.sqrt(np.abs(vibration)), 0.6, 8.0)
    return wave / wave.std()


ORACLES = {
    "green": green,
    "pos": pos,
    "chrom": chrom,
    "lgi": lgi,
    "omit": omit,
    "pbv": pbv,
    "pca": pca,
    "ica": ica,
    "contact": contact,
    "ssr": ssr,
    "radar": radar,
}

TOLERANCE = {"chrom": 1e-6, "contact": 1e-6, "pca": 1e-6, "ica": 1e-3}
"""Relative; where the two ways differ by more than rounding: filter tails, dense inverses, minimisation."""


@pytest.mark.parametrize("name", [name for name in ORACLES if name not in ("ssr", "radar")])
@pytest.mark.parametrize("seed", [0, 1])
def test_window_function_is_the_formula(name, seed):
    count = 600 if name in ("ica", "pca") else 150
    colours = trace(count, seed)
    expected = ORACLES[name](colours)
    ours = METHODS.get(name).fn(colours, RATE)
    tolerance = TOLERANCE.get(name, 1e-9)
    np.testing.assert_allclose(ours, expected - expected.mean(), atol=tolerance * np.abs(expected).max())


def test_subspace_rotation_is_the_formula():
    values = scene(METHODS.get("ssr").view, 1.0)[0]
    axes = colour_axes(values)
    ours = METHODS.get("ssr").fn(axes, RATE)
    expected = ssr(values.reshape(len(values), -1, 3).astype(float))
    np.testing.assert_allclose(ours, expected, atol=1e-6 * np.abs(expected).max())


def test_pos_over_a_recording_is_algorithm_1():
    colours = trace(200)
    size = 48
    total, windows = np.zeros(200), np.zeros(200)
    for last in range(size - 1, 200):
        total[last - size + 1 : last + 1] += pos(colours[last - size + 1 : last + 1])
        windows[last - size + 1 : last + 1] += 1
    wave = fold(METHODS.get("pos"), chunks(colours[:, None].astype(np.float32), RATE))
    np.testing.assert_allclose(wave.samples, total / windows, atol=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_vibration_of_the_chest_is_the_formula(seed):
    method = METHODS.get("radar")
    values = method.per_frame(scene(method.view, 10.0, RATE, seed=seed)[0], None)
    ours, expected = method.fn(values, RATE), radar(values)
    np.testing.assert_allclose(ours, expected - expected.mean() + ours.mean(), atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", list(ORACLES))
def test_batches_of_windows_are_single_windows(name):
    method = METHODS.get(name)
    windows = np.stack([method.per_frame(scene(method.view, 5.0, seed=seed)[0], None) for seed in range(3)])
    single = np.stack([method.fn(window, RATE) for window in windows])
    assert np.array_equal(method.fn(windows, RATE), single)
    assert np.array_equal(method.fn(windows[:1], RATE), single[:1])


def known_mixture(count=4000, seed=3):
    rng = np.random.default_rng(seed)
    t = np.arange(count) / RATE
    sources = np.stack([np.sign(np.sin(2 * np.pi * 1.3 * t)), rng.laplace(size=count), rng.uniform(-1, 1, count)])
    sources = (sources - sources.mean(axis=1, keepdims=True)) / sources.std(axis=1, keepdims=True)
    return sources, rng.normal(size=(3, 3))


def test_jade_recovers_known_sources():
    sources, mixing = known_mixture()
    found, estimate = jade(mixing @ sources)
    match = np.abs(found @ sources.T) / sources.shape[1]
    assert (match.max(axis=1) > 0.995).all()
    assert sorted(match.argmax(axis=1)) == [0, 1, 2]
    np.testing.assert_allclose(estimate @ found, mixing @ sources, atol=1e-9)
    np.testing.assert_allclose(found @ found.T / sources.shape[1], np.eye(3), atol=1e-9)


def test_jade_agrees_with_fastica():
    sources, mixing = known_mixture()
    other = FastICA(3, fun="cube", whiten="unit-variance", random_state=0, tol=1e-8, max_iter=1000)
    theirs = other.fit_transform((mixing @ sources).T).T
    match = np.abs(jade(mixing @ sources)[0] @ theirs.T) / sources.shape[1]
    assert (match.max(axis=1) > 0.99).all()
    assert sorted(match.argmax(axis=1)) == [0, 1, 2]


def test_jade_does_not_depend_on_the_mixing():
    sources, mixing = known_mixture()
    a, b = jade(sources)[0], jade(mixing @ sources)[0]
    match = np.abs(a @ b.T) / sources.shape[1]
    np.testing.assert_allclose(match.max(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_jade_with_fewer_sources_than_channels(rank):
    sources, mixing = known_mixture()
    mixture = mixing[:, :rank] @ sources[:rank]
    found, estimate = jade(mixture)
    assert found.shape == (rank, sources.shape[1])
    np.testing.assert_allclose(estimate @ found, mixture, atol=1e-9)
