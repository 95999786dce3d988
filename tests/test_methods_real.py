"""Real recordings: a face clip and fingers on lenses, with contact references."""

import numpy as np
import pytest

from methods_scene import chunks, likeness, rate_of
from perfuse.methods import METHODS, fold

RATE = 30.0


def to_grid(time_s, values):
    """Linear interpolation to 30 Hz."""
    grid = np.arange(time_s[0], time_s[-1], 1 / RATE)
    return np.stack([np.interp(grid, time_s, column) for column in np.asarray(values, float).T], axis=1)


@pytest.fixture(scope="module")
def face(shared_data):
    """Mean colour of a fixed box on the face, and the contact pulse, both at 30 Hz."""
    av = pytest.importorskip("av")
    times, means = [], []
    with av.open(str(shared_data / "face" / "sample_1.mp4")) as container:
        stream = container.streams.video[0]
        for frame in container.decode(stream):
            times.append(float(frame.pts * stream.time_base))
            means.append(frame.to_ndarray(format="rgb24")[90:260, 280:420].mean(axis=(0, 1)))
    contact = np.genfromtxt(shared_data / "face" / "sample_1.csv", delimiter=",", names=True)["ppg"]
    times = np.array(times)
    return to_grid(times, means), to_grid(times, contact[: len(times), None])[:, 0]


@pytest.mark.parametrize("name", ["pos", "chrom", "lgi", "omit", "pbv", "ica", "pca"])
def test_a_real_face(face, name):
    colours, contact = face
    wave = fold(METHODS.get(name), chunks(colours[:, None].astype(np.float32), RATE))
    assert rate_of(wave.samples, RATE) == pytest.approx(75.4, abs=3.0)
    # The face lags or leads the finger by some tens of milliseconds; the sign must fit none the less.
    assert max(likeness(np.roll(wave.samples, -lag), contact, RATE) for lag in range(-3, 4)) > 0.5


def finger_recordings(folder):
    for number in range(1, 22):
        subject = folder / "finger" / "welltory" / "data" / f"subject_{number:02d}"
        table = np.genfromtxt(subject / "PPG.csv", delimiter=",", names=True)
        beats_ms = np.array((subject / "RR.txt").read_text().split(), float)
        yield to_grid(table["time"] / 1000, np.stack([table[c] for c in "RGB"], axis=1)), 60000 / beats_ms.mean()


def test_fingers_on_lenses(shared_data):
    errors = []
    for colours, truth in finger_recordings(shared_data):
        wave = fold(METHODS.get("contact"), chunks(colours[:, None].astype(np.float32), RATE))
        errors.append(abs(rate_of(wave.samples, RATE) - truth))
    assert len(errors) == 21
    assert max(errors) < 6
    assert np.mean(errors) < 3
