r"""Our scorer beside a plain one that inverts matrices and correlates at every lag: same numbers, how much sooner.

The plain one is written from the formulas, in the way the rPPG-Toolbox goes about them: a dense N x N inverse for the
trend of each signal, one correlation matrix for each of N - 1 lags, spectra taken anew for rate and SNR. Both run in
this process, one after the other on each video, on one core.

    OPENBLAS_NUM_THREADS=1 python benchmarks/scoring.py [--pairs PAIRS.npz] [--golden GOLDEN.json] [--repeat 5] \
        [--long] [--out docs/results/scoring.md]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from scipy import signal

from perfuse.bench import toolbox
from perfuse.bench.machine import machine

RATE_HZ = 30.0
SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "golden"
RUNS = {
    "whole_fft": {},
    "whole_peak": {"read": "peak"},
    "30s_fft": {"window_s": 30.0},
    "10s_fft": {"window_s": 10.0},
}
"""Names of the golden file's rows, and what they ask of the scorer."""


def detrended(x: np.ndarray) -> np.ndarray:
    n = len(x)
    second = np.zeros((n - 2, n))
    row = np.arange(n - 2)
    for offset, weight in enumerate((1.0, -2.0, 1.0)):
        second[row, row + offset] = weight
    return (np.identity(n) - np.linalg.inv(np.identity(n) + toolbox.LAMBDA**2 * (second.T @ second))) @ x


def spectrum(x: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    return signal.periodogram(x, fs=rate_hz, nfft=1 << (len(x) - 1).bit_length(), detrend=False)


def rate(x: np.ndarray, rate_hz: float, band_hz: tuple[float, float], read: str) -> float:
    if read == "peak":
        peaks, _ = signal.find_peaks(x)
        return 60 * rate_hz / np.mean(np.diff(peaks)) if len(peaks) > 1 else np.nan
    freq, power = spectrum(x, rate_hz)
    inside = (freq >= band_hz[0]) & (freq <= band_hz[1])
    return 60 * freq[inside][power[inside].argmax()]


def ratio_db(x: np.ndarray, rate_hz: float, per_minute: float, band_hz: tuple[float, float]) -> float:
    freq, power = spectrum(x, rate_hz)
    near = [(freq >= k * per_minute / 60 - 0.1) & (freq <= k * per_minute / 60 + 0.1) for k in (1, 2)]
    rest = power[(freq >= band_hz[0]) & (freq <= band_hz[1]) & ~near[0] & ~near[1]].sum()
    with np.errstate(divide="ignore"):
        return 10 * np.log10((power[near[0]].sum() + power[near[1]].sum()) / rest) if rest else 0.0


def largest_correlation(x: np.ndarray, y: np.ndarray) -> float:
    n = min(len(x), len(y))
    return max(abs(np.corrcoef(x[:n], np.roll(y[:n], lag))[0, 1]) for lag in range(n - 1))


def plain(
    prediction: np.ndarray,
    label: np.ndarray,
    rate_hz: float,
    *,
    differenced: bool,
    window_s: float | None = None,
    band_hz: tuple[float, float] = toolbox.BAND_HZ,
    read: str = "fft",
) -> list[tuple[float, float, float, float]]:
    """Label rate, predicted rate, SNR, MACC of every window, the slow way."""
    size = len(prediction) if window_s is None else min(round(window_s * rate_hz), len(prediction))
    b, a = signal.butter(1, [band_hz[0] / rate_hz * 2, band_hz[1] / rate_hz * 2], btype="bandpass")
    rows = []
    for start in range(0, len(prediction), size):
        pair = [x[start : start + size] for x in (prediction, label)]
        if len(pair[0]) < toolbox.SHORTEST:
            continue
        if differenced:
            pair = [np.cumsum(x, dtype=np.float64) for x in pair]
        p, y = (signal.filtfilt(b, a, detrended(x)) for x in pair)
        true = rate(y, rate_hz, band_hz, read)
        said = rate(p, rate_hz, band_hz, read)
        rows.append((true, said, ratio_db(p, rate_hz, true, band_hz), largest_correlation(p, y)))
    return rows


def synthetic(seconds: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make a label with a wandering rate, and the same under noise and drift, as differences."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE_HZ) + 1
    hertz = 1.2 + 0.1 * np.sin(2 * np.pi * np.arange(n) / RATE_HZ / 40) + 0.02 * rng.standard_normal(n)
    phase = 2 * np.pi * np.cumsum(hertz) / RATE_HZ
    label = np.sin(phase) + 0.4 * np.sin(2 * phase + 1)
    noisy = label + 1.5 * rng.standard_normal(n) + 0.3 * np.cumsum(rng.standard_normal(n))
    return tuple(np.diff(x).astype(np.float32) for x in (noisy, label))


def load(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    pairs = np.load(path)
    names = sorted(name.removeprefix("pred_") for name in pairs if name.startswith("pred_"))
    return [(pairs[f"pred_{name}"], pairs[f"label_{name}"]) for name in names]


def as_rows(windows: tuple[toolbox.ToolboxWindow, ...]) -> np.ndarray:
    return np.array([(w.label, w.prediction, w.snr_db, w.macc) for w in windows])


def side_by_side(
    videos: list[tuple[np.ndarray, np.ndarray]], repeat: int, **asked
) -> tuple[float, float, float, int]:
    """CPU seconds of the plain scorer, seconds of ours (medians over repeats), largest difference, windows."""
    slow, fast, worst, count = [], [], 0.0, 0
    for turn in range(repeat):
        spent = [0.0, 0.0]
        for p, y in videos:
            begin = time.process_time()
            # the slow one is run once: it is the fast one whose time is small enough to be disturbed
            there = plain(p, y, RATE_HZ, differenced=True, **asked) if turn == 0 else None
            middle = time.process_time()
            here = toolbox.score_pair(p, y, RATE_HZ, differenced=True, **asked)
            spent[0] += middle - begin
            spent[1] += time.process_time() - middle
            if there is not None:
                worst = max(worst, float(np.abs(np.array(there) - as_rows(here)).max()))
                count += len(here)
        if turn == 0:
            slow.append(spent[0])
        fast.append(spent[1])
    return statistics.median(slow), statistics.median(fast), worst, count


def alone(video: tuple[np.ndarray, np.ndarray], repeat: int) -> float:
    """CPU seconds of ours on one video where the plain scorer would take too long."""
    spent = []
    for _ in range(repeat):
        begin = time.process_time()
        toolbox.score_pair(*video, RATE_HZ, differenced=True)
        spent.append(time.process_time() - begin)
    return statistics.median(spent)


def golden_difference(videos: list[tuple[np.ndarray, np.ndarray]], golden: dict) -> float:
    worst = 0.0
    for name, asked in RUNS.items():
        windows = [w for p, y in videos for w in toolbox.score_pair(p, y, RATE_HZ, differenced=True, **asked)]
        ours = toolbox.table(toolbox.summarise(windows))
        worst = max(worst, *(abs(ours[key] - value) for key, value in golden[name].items()))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--pairs", type=Path, default=SHARED / "toolbox_scoring.npz", help="pred_* and label_* arrays"
    )
    parser.add_argument(
        "--golden", type=Path, default=SHARED / "toolbox_scoring.json", help="the Toolbox's own table"
    )
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--long", action="store_true", help="also 9000 frames at once: minutes, and 4 GB for plain")
    parser.add_argument("--date", default=time.strftime("%Y-%m-%d"))
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    sets: dict[str, tuple[list, dict]] = {}
    told = ""
    if asked.pairs.exists():
        videos = load(asked.pairs)
        frames = sorted(len(p) for p, _ in videos)
        what = f"{len(videos)} videos, {frames[0]} to {frames[-1]} frames"
        for name, extra in (("whole", {}), ("whole, peaks", {"read": "peak"}), ("30 s", {"window_s": 30.0})):
            sets[f"{what}, {name}"] = (videos, extra)
        sets[f"{what}, 10 s"] = (videos, {"window_s": 10.0})
        if asked.golden.exists():
            worst = golden_difference(videos, json.loads(asked.golden.read_text()))
            told = (
                f"\nAgainst the Toolbox's own scorer (commit d807b01) on these {len(videos)} videos, over all four\n"
                f"rows of its table (whole by FFT, whole by peaks, 30 s, 10 s), figures and standard errors:\n"
                f"largest difference {worst:.1e}.\n"
            )
    for seconds in (60, 120):
        sets[f"one video of {seconds} s, whole"] = ([synthetic(seconds)], {})
    sets["one video of 300 s, 30 s"] = ([synthetic(300)], {"window_s": 30.0})
    if asked.long:
        sets["one video of 300 s, whole"] = ([synthetic(300)], {})
    toolbox.score_pair(*synthetic(20), RATE_HZ, differenced=True)
    plain(*synthetic(20), RATE_HZ, differenced=True)
    lines = []
    for name, (videos, extra) in sets.items():
        slow, fast, worst, count = side_by_side(videos, asked.repeat, **extra)
        lines.append(f"| {name} | {count} | {slow:.2f} | {fast:.4f} | {slow / fast:.0f}x | {worst:.1e} |")
        print(lines[-1], file=sys.stderr)
    for seconds in () if asked.long else (300, 600):
        spent = alone(synthetic(seconds), asked.repeat)
        lines.append(f"| one video of {seconds} s, whole | 1 | not run | {spent:.4f} | - | - |")
    cores = os.environ.get("OPENBLAS_NUM_THREADS", os.cpu_count())
    page = f"""# Scoring: the rPPG-Toolbox's numbers, sooner

Made by `python benchmarks/scoring.py --repeat {asked.repeat}` on {asked.date}, {machine()}; \
{cores} threads, both scorers in one run. Scores are those of the profile `toolbox` (0.6 to 3.3 Hz).

*Plain* inverts a matrix of N x N for each signal and correlates at N - 1 lags, as the Toolbox does; *perfuse* solves
a banded system and correlates by FFT. Seconds are of the processor: others on the machine do not count. Plain was
timed once, perfuse {asked.repeat} times (median). The last column is the largest difference of any label rate,
predicted rate (per minute), SNR (dB) or MACC of any window.

| what is scored | windows | plain, CPU s | perfuse, CPU s | speed-up | largest difference |
|---|---|---|---|---|---|
{chr(10).join(lines)}
{told}"""
    print(page)
    if asked.out:
        asked.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
