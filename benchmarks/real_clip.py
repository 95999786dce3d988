"""Methods and exported networks on the one real face recording: rate, quality, and likeness of the wave.

The recording is not part of the project (PERFUSE_DATA). r is that of the wave with the contact sensor's, both from
0.6 to 4 Hz, at the best lag within half a second.

    python benchmarks/real_clip.py [pos chrom green BUNDLE ...]
"""

from __future__ import annotations

import sys

import numpy as np
from real import shared_data

import perfuse
from perfuse.bench.machine import machine
from perfuse.bench.runner import find_method
from perfuse.bench.waves import best_correlation
from perfuse.data.dataset import open_dataset
from perfuse.data.labels import on_grid
from perfuse.signal.filters import bandpass

BAND_HZ = (0.6, 4.0)


def main(names: list[str]) -> None:
    """Print a table."""
    recording = open_dataset(f"vitallens:{shared_data() / 'face'}").recordings[0]
    contact = recording.signals()["pulse"]
    print(
        f"{recording.id}, {machine()}\n\n| method | heart rate, /min | quality | r | lag, s |\n|---|---|---|---|---|"
    )
    for name in names:
        answer = perfuse.measure(recording.files[0], method=find_method(name))
        face = answer.faces[0]
        assert face.pulse is not None
        label = on_grid(contact, answer.start_s, face.pulse.rate_hz, len(face.pulse))
        both = np.isfinite(label) & face.pulse.valid
        waves = [bandpass(w[both], face.pulse.rate_hz, *BAND_HZ) for w in (face.pulse.samples, label)]
        r, lag = best_correlation(waves[0], waves[1], face.pulse.rate_hz)
        rate = face.heart_rate
        told = "no value" if rate.value is None else f"{rate.value:.1f}"
        print(f"| {answer.method} | {told} | {rate.quality:.2f} | {r:.2f} | {lag:+.2f} |")


if __name__ == "__main__":
    main(sys.argv[1:] or ["pos", "chrom", "green"])
