"""Compare simulated hearts and lungs with recorded ones: the same measures, the same code, on both.

Recordings: 17 sessions of 5 people, finger and ear at 250 Hz (Resp belts usable in 8 of them, 2 people), and 24
people with a finger on a phone's camera. Simulated: people of their age, rate and breathing, five minutes each,
without sensor noise. Prints a table in Markdown.

    python benchmarks/physiology.py [--people 40] [--out docs/results/physiology.md]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import neurokit2 as nk
import numpy as np
from scipy.signal import butter, coherence, csd, find_peaks, sosfiltfilt, welch

from perfuse.bench.machine import machine
from perfuse.signal.beats import find_beats
from perfuse.synth.physiology.heart import beat
from perfuse.synth.physiology.lungs import breathe
from perfuse.synth.physiology.rhythm import SLOW_HZ
from perfuse.synth.physiology.wave import SENSOR_HZ

RATE = 250.0
DISTURBED = ("P1_S1_baseline", "P21_baseline_1675951804")
"""Sessions left out: the finger or the ear loses its beats there."""
CLEAN = 0.8
"""Share of the power of a window that three harmonics hold, or it is not used."""
RATES = {"below 64 /min": 64.0, "64 to 72 /min": 72.0, "72 /min and more": np.inf}
CAMERA = "finger under a camera"
BELTS = ("P11", "P21")
"""People whose belt moves; it sticks at the end of its range in the others."""


PAGE = """# Simulated hearts and lungs beside recorded ones

Made by `python benchmarks/physiology.py --people {people}`, {date}, {machine}.
Recorded: 15 sessions of four people with a sensor on a finger and one on an ear, at rest and at tasks; they are no
part of the project. Simulated: {people} people of their age, rate and breathing, five minutes each, no
sensor's noise. The same code measures both. Harmonics by rate are of windows of 12 s.

*Finger under a camera*: people with a finger on a phone's lens (red light; windows of 20 s). Cameras and that sensor
disagree about the shape of a pulse: the sensor's waves are narrow, and their harmonics lie 50 and 120 degrees from
where cameras see them. One first-order high-pass of about 1 Hz in the sensor explains all of it. A face is seen by a
camera, so simulated waves are what cameras see; beside *finger* and *ear* they went through a high-pass of
{sensor:g} Hz, slow changes of volume left as they are.

{table}"""


WINDOW_S, FINE_HZ, HARMONICS = 20.0, 60.0, 5
FAINT = 0.3
"""Of windows of :func:`beat_shape`: the least share of the fundamental's amplitude in the standard deviation."""


def beat_shape(time_s, wave):
    """Harmonics of a wave locked to its own beats, and the width of its mean beat; nothing without clear beats."""
    grid = np.arange(time_s[0], time_s[-1], 1 / FINE_HZ)
    even, count = np.interp(grid, time_s, wave), int(WINDOW_S * FINE_HZ)
    at, found = np.arange(count) / FINE_HZ, []
    for start in range(0, len(even) - count + 1, count):
        part = even[start : start + count]
        if not np.ptp(part):
            continue
        part = (part - part.mean()) / part.std()
        beats = find_beats(part, FINE_HZ).times_s
        if len(beats) < 12 or np.ptp(np.diff(beats)) > 0.5 * np.median(np.diff(beats)):
            continue
        inside = (at >= beats[0]) & (at <= beats[-1])
        phase = np.interp(at[inside], beats, np.arange(len(beats)))
        turns = 2j * np.pi * np.outer(phase, np.arange(1, HARMONICS + 1))
        drift = np.cos(np.pi * np.outer(at[inside] / WINDOW_S, np.arange(int(WINDOW_S))))  # below 0.5 Hz
        basis = np.concatenate([np.exp(turns).real, -np.exp(turns).imag, drift], axis=1)
        weights = np.linalg.lstsq(basis, part[inside], rcond=None)[0]
        lines = weights[:HARMONICS] + 1j * weights[HARMONICS : 2 * HARMONICS]
        if abs(lines[0]) > FAINT:
            found.append(lines / abs(lines[0]) * (abs(lines[0]) / lines[0]) ** np.arange(1, HARMONICS + 1))
    if not found:
        return {}
    lines = np.mean(found, axis=0)
    one = np.real(np.exp(2j * np.pi * np.outer(np.arange(200) / 200, np.arange(1, HARMONICS + 1))) @ lines)
    return {
        "h2/h1": abs(lines[1]),
        "second harmonic ahead of the first, deg": np.angle(lines[1], deg=True),
        "h3/h1": abs(lines[2]),
        "third, deg": np.angle(lines[2], deg=True),
        "width at half height, % of interval": 100 * np.mean(one > 0.5 * (one.max() + one.min())),
    }


def through_sensor(heart, site, time_s):
    """Contact wave as the recordings' sensor shows it."""
    slow = heart.tones[site].volume
    slow = np.interp(time_s, heart.slow_start_s + np.arange(len(slow)) / SLOW_HZ, slow)
    pulse = heart.contact_at(time_s, site) - slow
    tone = 1j * np.fft.rfftfreq(len(pulse), time_s[1] - time_s[0])
    return np.fft.irfft(np.fft.rfft(pulse) * tone / (tone + SENSOR_HZ), len(pulse)) + slow


def spread(series):
    """Half the distance between percentiles 16 and 84: a standard deviation that artefacts do not move."""
    low, high = np.percentile(series, [15.87, 84.13])
    return (high - low) / 2


def band(series, rate, low, high):
    return sosfiltfilt(butter(3, [low, high], "bandpass", fs=rate, output="sos"), series)


def low_passed(series, rate, corner):
    return sosfiltfilt(butter(4, corner, "low", fs=rate, output="sos"), series)


def pulses(wave):
    """Find indices of maxima (NeuroKit2's Elgendi detector), feet before them, and heights of a contact wave."""
    peaks = np.asarray(nk.ppg_findpeaks(band(wave, RATE, 0.5, 8.0), sampling_rate=int(RATE))["PPG_Peaks"])
    smooth = low_passed(wave, RATE, 12.0)
    back = np.minimum(0.6 * RATE, np.append(0.4 * RATE, 0.7 * np.diff(peaks))).astype(int)
    feet = np.array([max(0, p - b) + np.argmin(smooth[max(0, p - b) : p + 1]) for p, b in zip(peaks, back)])
    tops = [smooth[max(f, p - 5) : p + 20].max() for f, p in zip(feet, peaks)]
    return peaks, feet, np.array(tops) - smooth[feet]


def intervals(peaks):
    """Return times and lengths in s of plausible intervals."""
    length = np.diff(peaks) / RATE
    good = np.abs(length / np.median(length) - 1) < 0.3
    return peaks[1:][good] / RATE, length[good]


def beat_measures(peaks):
    """Rate and variability from the times of beats."""
    time, length = intervals(peaks)
    grid = np.arange(time[0], time[-1], 0.25)
    freq, power = welch(1000 * np.interp(grid, time, length), 4, nperseg=min(512, len(grid)), detrend="linear")
    very, low, high = (power[(freq >= a) & (freq < b)].sum() for a, b in ((0.003, 0.04), (0.04, 0.15), (0.15, 0.40)))
    return {
        "heart rate, /min": 60 / np.median(length),
        "SDNN (robust), ms": 1000 * spread(length),
        "RMSSD (robust), ms": 1000 * spread(np.diff(length)),
        "LF / HF": low / high,
        "VLF share": very / (very + low + high),
    }


def template(wave, peaks):
    """Average beat over 100 phases from 0.2 before its steepest rise, and every beat's correlation with it.

    Only beats within 8 % of the usual length count; the line from end to end is taken off.
    """
    smooth = low_passed(wave, RATE, 12.0)
    slope = np.gradient(smooth)
    usual = np.median(np.diff(peaks))
    back = int(0.32 * RATE)
    beats = []
    for before, peak in pairwise(peaks):
        steep = peak - back + int(np.argmax(slope[max(peak - back, 0) : peak + 1]))
        start, stop = steep - 0.2 * usual, steep + 0.8 * usual
        if abs((peak - before) / usual - 1) < 0.08 and start >= 0 and stop < len(smooth):
            one = np.interp(np.linspace(start, stop, 100), np.arange(len(smooth)), smooth)
            one -= np.linspace(one[0], one[-1], 100)
            beats.append((one - one.min()) / max(np.ptp(one), 1e-9))
    mean = np.median(beats, axis=0)
    return (mean - mean.min()) / np.ptp(mean), np.array([np.corrcoef(one, mean)[0, 1] for one in beats])


def harmonics(wave):
    """Return rate per minute and h2/h1 of windows of 12 s in which three harmonics hold most of the power, (N, 2)."""
    count, points = int(12 * RATE), 1 << 17
    freq = np.fft.rfftfreq(points, 1 / RATE)
    inside, near = (freq > 0.65) & (freq < 3.5), 0.12
    rows = []
    for start in range(0, len(wave) - count + 1, count // 2):
        part = wave[start : start + count]
        power = np.abs(np.fft.rfft((part - part.mean()) * np.hanning(count), points)) ** 2
        line = freq[inside][power[inside].argmax()]
        size = [power[np.abs(freq - k * line) < near].sum() for k in (1, 2, 3)]
        if sum(size) > CLEAN * power[(freq > 0.5) & (freq < 8)].sum():
            rows.append((60 * line, np.sqrt(size[1] / size[0])))
    return np.array(rows).reshape(-1, 2)


def by_rate(wave, usual):
    """How the second harmonic depends on the rate: between people, and within a session."""
    rows = harmonics(band(wave, RATE, 0.3, 12.0))
    if len(rows) < 5:
        return {}
    name = next(name for name, most in RATES.items() if usual < most)
    out = {f"h2/h1, {name}": np.median(rows[:, 1])}
    if np.ptp(rows[:, 0]) > 4:
        out["h2/h1 within a session, change by 10 /min"] = 10 * np.polyfit(*rows.T, 1)[0]
    return out


def wave_measures(wave, found):
    """Shape and modulation of a contact wave; modulations peak to peak (2.8 standard deviations), % of the pulse."""
    peaks, _, height = found
    mean, likeness = template(wave, peaks)
    harmonic = np.abs(np.fft.rfft(mean))
    above = np.flatnonzero(mean > 0.5 * mean.max())
    grid = np.arange(peaks[1] / RATE, peaks[-2] / RATE, 0.25)
    usual = np.median(height)
    tall = np.interp(grid, peaks / RATE, height)
    level = np.interp(grid, np.arange(len(wave)) / RATE, low_passed(wave, RATE, 1.0))
    swing = {
        f"{name}, {low:g}-{high:g} Hz, %": 100 * 2 * np.sqrt(2) * spread(band(series, 4, low, high)) / usual
        for name, series in (("height", tall), ("baseline", level))
        for low, high in ((0.15, 0.45), (0.04, 0.15), (0.01, 0.04))
    }
    return {
        "h2/h1": harmonic[2] / harmonic[1],
        "h3/h1": harmonic[3] / harmonic[1],
        "maximum after steepest rise, % of interval": mean.argmax() - 20.0,
        **by_rate(wave, 60 * RATE / np.median(np.diff(peaks))),
        "width at half height, % of interval": float(len(above)),
        "1 - r of a beat with the mean beat, / 1000": 1000 * np.median(1 - likeness),
        **swing,
    }


def coupling_measures(wave, found):
    """How height and baseline follow the rate: coherence and phase (negative: later)."""
    peaks, _, height = found
    time, length = intervals(peaks)
    grid = np.arange(time[0], time[-1] - 1, 0.25)
    rate = np.interp(grid, time - length / 2, 1 / length)
    tall = np.log(np.interp(grid, peaks / RATE, np.maximum(height, 0.05 * np.median(height))))
    level = np.interp(grid, np.arange(len(wave)) / RATE, low_passed(wave, RATE, 1.0))
    out = {}
    for name, a, b in (("height after rate", rate, tall), ("baseline against height", tall, level)):
        for low, high in ((0.05, 0.15), (0.15, 0.35)):
            freq, shared = coherence(a, b, 4, nperseg=256)
            cross = csd(a, b, 4, nperseg=256)[1]
            inside = (freq >= low) & (freq < high)
            out[f"{name}, {low:g}-{high:g} Hz: coherence"] = shared[inside].mean()
            out[f"{name}, {low:g}-{high:g} Hz: phase, deg"] = np.angle(cross[inside].sum(), deg=True)
    return out


def breath_measures(belt, rate):
    """Breaths found in a belt or in lung volume."""
    fine = band(belt, rate, 0.06, 0.7)
    half = int(15 * rate)
    usual = [spread(fine[max(0, i - half) : i + half]) for i in range(0, len(fine), int(rate))]
    usual = np.interp(np.arange(len(fine)), np.arange(0, len(fine), int(rate)), usual)
    tops = find_peaks(fine / np.maximum(usual, 1e-9), prominence=0.8, distance=int(1.2 * rate))[0]
    starts = np.array([a + np.argmin(fine[a:b]) for a, b in pairwise(tops)])
    tops, length = tops[1:], np.diff(starts) / rate
    depth = fine[tops] - fine[starts]
    return {
        "breaths, /min": 60 / np.median(length),
        "variation of breath length": length.std() / length.mean(),
        "correlation with the length before": np.corrcoef(length[:-1], length[1:])[0, 1],
        "variation of depth (robust)": spread(depth) / np.median(depth),
        "T_i / T_tot": np.median((tops[:-1] - starts[:-1]) / rate / length),
    }


def measures(finger, ear, belt=None, belt_rate=25.0):
    """Everything of one session, by group."""
    out = {}
    for site, wave in (("finger", finger), ("ear", ear)):
        found = pulses(wave)
        out[site] = wave_measures(wave, found)
        out[f"{site}, coupling"] = coupling_measures(wave, found)
    out["beats (ear)"] = beat_measures(found[0])
    if belt is not None:
        out["breathing"] = breath_measures(belt, belt_rate)
    return out


def recorded(folder: Path) -> Iterator[dict]:
    """Measure each recorded session."""
    with np.load(next((folder / "contact").glob("physiokit_*.npz"))) as file:
        for name in file:
            if name not in DISTURBED:
                session = file[name].astype(float)
                belt = None
                if name.startswith(BELTS):
                    belt = np.median(session[: len(session) // 10 * 10, 1].reshape(-1, 10), axis=1)
                yield measures(session[:, 2], session[:, 3], belt)
    for path in sorted((folder / "finger").glob("welltory/data/*/PPG.csv")):
        time_ms, red = np.genfromtxt(path, delimiter=",", skip_header=1)[:, :2].T
        yield {CAMERA: beat_shape((time_ms - time_ms[0]) / 1000, -red)}
    for path in sorted((folder / "finger").glob("oximetry/left/*.csv")):
        red = np.genfromtxt(path, delimiter=",", skip_header=1)[: 300 * 30, 0]
        yield {CAMERA: beat_shape(np.arange(len(red)) / 30.0, -red)}


def simulated(people: int, seconds: float = 300.0) -> Iterator[dict]:
    """Measure simulated people like the recorded ones: aged 20 to 35, at rest, 56 to 82 /min, 9 to 18 breaths."""
    for seed in range(people):
        rng = np.random.default_rng([seed, 17])
        lungs = breathe(rng, float(rng.uniform(9.0, 18.0)), 12.0, seconds)
        heart = beat(rng, float(rng.uniform(56.0, 82.0)), lungs, seconds, age_y=float(rng.uniform(20.0, 35.0)))
        at = np.arange(0.0, seconds, 1.0 / RATE)
        belt = lungs.at(np.arange(0.0, seconds, 0.04))
        made = measures(through_sensor(heart, "finger", at), through_sensor(heart, "ear", at), belt)
        yield made | {CAMERA: beat_shape(at, heart.contact_at(at))}


def gather(sessions) -> dict[tuple[str, str], np.ndarray]:
    """All values of each measure."""
    out: dict[tuple[str, str], list[float]] = {}
    for session in sessions:
        for group, values in session.items():
            for name, value in values.items():
                out.setdefault((group, name), []).append(float(value))
    return {key: np.array(values) for key, values in out.items()}


def middle(name, values):
    """Median and percentiles 10 and 90; angles are turned so that they do not wrap."""
    if name.endswith("deg"):
        centre = np.angle(np.exp(1j * np.deg2rad(values)).mean(), deg=True)
        values = centre + (values - centre + 180) % 360 - 180
    return np.percentile(values, [50, 10, 90])


def table(real, made) -> str:
    lines = ["| | measure | recorded: median (p10 to p90) | simulated | ratio of medians |", "|---|---|---|---|---|"]
    shown = ""
    for group, name in real:
        if (group, name) in made:
            a, b = middle(name, real[group, name]), middle(name, made[group, name])
            texts = [f"{m:.3g} ({low:.3g} to {high:.3g})" for m, low, high in (a, b)]
            ratio = "" if name.endswith("deg") or name.startswith("correlation") else f"{b[0] / a[0]:.2f}"
            lines.append(f"| {'' if group == shown else group} | {name} | {texts[0]} | {texts[1]} | {ratio} |")
            shown = group
    return "\n".join(lines) + "\n"


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    from real import shared_data

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    text = PAGE.format(
        people=options.people,
        date=time.strftime("%Y-%m-%d"),
        machine=machine(),
        sensor=SENSOR_HZ,
        table=table(gather(recorded(shared_data())), gather(simulated(options.people))),
    )
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
