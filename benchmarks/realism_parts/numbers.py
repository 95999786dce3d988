"""From what was seen in a video (:mod:`.look`) to the statistics of realism. The same code for real and rendered."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from perfuse.core.signals import Chunk
from perfuse.methods import fold, get_method
from perfuse.signal.beats import find_beats

BAND_HZ = (0.67, 4.0)
NEAR_HZ = 0.1
"""Half width of the lines that count as pulse."""
FAMOUS = np.array([0.33, 0.77, 0.53])
"""De Haan and van Leest 2014."""
METHODS = ("green", "ica", "chrom", "pos", "lgi", "pbv", "omit")
HARMONICS = 4
DRIFT = 10
"""Cosines over the clip that stand for drift: what is slower than DRIFT / (2 T)."""
RATE_HZ = 30.0


def on_grid(times_s, values):
    """Resample (T, ...) linearly to RATE_HZ."""
    grid = np.arange(int(times_s[-1] * RATE_HZ) + 1) / RATE_HZ
    flat = values.reshape(len(values), -1)
    return np.stack([np.interp(grid, times_s, v) for v in flat.T], axis=1).reshape(len(grid), *values.shape[1:])


def phase_of(times_s, reference):
    """Unwrapped phase of the pulse, 1 a beat, at every time, and the mean rate (/min), from the reference wave."""
    fine = np.arange(int(times_s[-1] * 60) + 1) / 60
    beats = find_beats(np.interp(fine, times_s, reference), 60.0).times_s
    inside = np.interp(times_s, beats, np.arange(len(beats)), left=np.nan, right=np.nan)
    first, last = np.diff(beats[:2])[0], np.diff(beats[-2:])[0]
    inside = np.where(times_s < beats[0], (times_s - beats[0]) / first, inside)
    inside = np.where(times_s > beats[-1], len(beats) - 1 + (times_s - beats[-1]) / last, inside)
    return inside, 60 * (len(beats) - 1) / (beats[-1] - beats[0])


def percent(colours):
    """Relative change in percent, (T, ..., 3)."""
    return 100 * (colours / colours.mean(axis=0) - 1)


def slow_basis(count, seconds, below_hz=0.5):
    """Cosines slower than a frequency, the mean included, (T, K)."""
    terms = max(2, int(2 * below_hz * seconds))
    at = (np.arange(count) + 0.5) / count
    return np.stack([np.cos(np.pi * k * at) for k in range(terms)], axis=1)


def locked(series, phase, seconds):
    """Fit the pulse: complex amplitudes (HARMONICS, C) of each harmonic, the fit and what is left, both (T, C)."""
    waves = [f(2 * np.pi * k * phase) for k in range(1, HARMONICS + 1) for f in (np.cos, np.sin)]
    basis = np.concatenate([np.stack(waves, axis=1), slow_basis(len(series), seconds)], axis=1)
    found = np.linalg.lstsq(basis, series, rcond=None)[0]
    pulse = basis[:, : 2 * HARMONICS] @ found[: 2 * HARMONICS]
    return found[0 : 2 * HARMONICS : 2] - 1j * found[1 : 2 * HARMONICS : 2], pulse, series - pulse


def spectrum(series, rate_hz=RATE_HZ):
    """Hann periodogram, one-sided density per Hz, (F,) and (F, C)."""
    series = series - series.mean(axis=0)
    window = np.hanning(len(series) + 2)[1:-1]
    window = window.reshape(-1, *(1,) * (series.ndim - 1))
    power = np.abs(np.fft.rfft(series * window, axis=0)) ** 2
    return np.fft.rfftfreq(len(series), 1 / rate_hz), 2 * power / (rate_hz * (window**2).sum())


def slope(freq, density, low, high):
    """Exponent of a power law through a spectrum, each octave weighing the same."""
    edges = np.geomspace(low, high, 9)
    x, y = [], []
    for a, b in pairwise(edges):
        some = (freq >= a) & (freq < b)
        if some.any():
            x.append(np.log(freq[some]).mean())
            y.append(np.log(density[some].mean()))
    return float(np.polyfit(x, y, 1)[0])


def snr_db(wave, hertz, rate_hz=RATE_HZ):
    """Power within NEAR_HZ of the rate and its double over the rest of the band, dB."""
    freq, density = fine_spectrum(wave, rate_hz)
    near = (abs(freq - hertz) <= NEAR_HZ) | (abs(freq - 2 * hertz) <= NEAR_HZ)
    band = (freq >= BAND_HZ[0]) & (freq <= BAND_HZ[1])
    lines, rest = density[near & band].sum(), density[~near & band].sum()
    return float(10 * np.log10(lines / rest)) if lines > 0 and rest > 0 else float("nan")


def in_beat_time(wave, phase):
    """Resample a wave so that all its beats last equally long: the heart's own unrest no longer widens lines."""
    even = np.linspace(phase[0], phase[-1], len(phase))
    return np.interp(even, phase, wave)


def fine_spectrum(wave, rate_hz=RATE_HZ, size=8192):
    """Zero-padded Hann periodogram."""
    wave = (wave - wave.mean()) * np.hanning(len(wave) + 2)[1:-1]
    return np.fft.rfftfreq(size, 1 / rate_hz), np.abs(np.fft.rfft(wave, size)) ** 2


def heart_share(wave, hertz):
    """Share of a band's power that lies within NEAR_HZ of the rate and its double."""
    return 1 / (1 + 10 ** (-snr_db(wave, hertz) / 10))


def wave_of(method, colours):
    """Run one of perfuse's methods over a colour trace (T, 3) at RATE_HZ."""
    chunk = Chunk(0, RATE_HZ, colours[:, None].astype(np.float32), np.ones(len(colours), bool), None, last=True)
    return fold(get_method(method), [chunk]).samples


def rate_of(wave, low=40 / 60, high=210 / 60):
    """Peak of the spectrum of a wave, per minute."""
    freq, density = fine_spectrum(wave)
    some = (freq >= low) & (freq <= high)
    return float(60 * freq[some][density[some].argmax()])


def pulse_vector(colours, wave):
    """Direction in which R, G, B move with a pulse wave (after Poh; de Haan and van Leest), of length 1."""
    series = _banded(percent(colours))
    wave = _banded(wave[:, None])
    vector = (series * wave).mean(axis=0)
    vector = vector * np.sign(-vector[1] if vector[1] else 1.0)
    return -vector / np.linalg.norm(vector)


def _banded(series):
    """Keep BAND_HZ, by zeroing the rest of the spectrum."""
    size = len(series)
    line = np.linspace(0, 1, size)[:, None]
    flat = series - series[:1] * (1 - line) - series[-1:] * line
    freq = np.fft.rfftfreq(size, 1 / RATE_HZ)
    kept = ((freq >= BAND_HZ[0]) & (freq <= BAND_HZ[1]))[:, None]
    return np.fft.irfft(np.fft.rfft(flat, axis=0) * kept, size, axis=0)


def angle_deg(vector, other=FAMOUS):
    """Angle between two directions."""
    return float(
        np.rad2deg(np.arccos(np.clip(vector @ other / np.linalg.norm(vector) / np.linalg.norm(other), -1, 1)))
    )


def roi(seen, traces):
    """Colour (T, 3) of forehead and cheeks together, each pixel weighing the same."""
    return np.average(traces[:, :3], axis=1, weights=seen.pixels[:3])


def statistics(seen, reference):
    """All numbers of one video.

    Parameters
    ----------
    seen : Look
    reference : ndarray, (T,)
        A pulse wave that rises with volume at ``seen.times_s``.
    """
    times = seen.times_s
    grid = np.arange(int(times[-1] * RATE_HZ) + 1) / RATE_HZ
    span = times[-1]
    phase, rate = phase_of(grid, np.interp(grid, times, reference))
    hertz = rate / 60
    follow, fixed = on_grid(times, roi(seen, seen.followed)), on_grid(times, roi(seen, seen.fixed))
    tracked = on_grid(times, seen.tracked)
    out = {"rate": rate, "seconds": float(span), "found": seen.found, "face_px": seen.face_px}
    out |= pulse_numbers(follow, phase, span, hertz)
    out |= _share(seen, hertz)
    out |= _snr(tracked[:, 0], phase, rate, span)
    out |= _fixed(follow, fixed, on_grid(times, seen.boxed), tracked[:, 0], phase, span)
    out |= _motion(seen)
    out |= _noise(seen)
    parts = {
        name: locked(percent(on_grid(times, seen.followed[:, k])), phase, span)
        for k, name in enumerate(("forehead", "left_cheek", "right_cheek"))
    }
    for name, (amplitude, _, _) in parts.items():
        out[f"pp_{name}"] = float(np.ptp(_one_beat(amplitude)[:, 1]))
    if seen.blocks.shape[1] > 3:
        cells = percent(on_grid(times, seen.blocks))[..., 1]
        strength = np.abs(locked(cells, phase, span)[0][0])
        out["blocks_spread"] = float(strength.std() / strength.mean())
    return out


def _one_beat(amplitude):
    """One mean beat (100, C) from complex amplitudes."""
    at = np.arange(100) / 100
    return np.real(np.exp(2j * np.pi * np.outer(at, np.arange(1, HARMONICS + 1))) @ amplitude)


def pulse_numbers(colours, phase, span, hertz):
    """Everything about the pulse in one colour trace (T, 3) at RATE_HZ, given its phase at every sample."""
    series = percent(colours)
    amplitude, _, rest = locked(series, phase, span)
    beat, size = _one_beat(amplitude), np.abs(amplitude)
    green = amplitude[0, 1] / size[0, 1]
    freq, density = spectrum(rest)
    band = (freq >= BAND_HZ[0]) & (freq <= BAND_HZ[1])
    width = freq[1] - freq[0]
    level = colours[:, 1].mean()
    encoded = level / 255
    linear = ((encoded + 0.055) / 1.055) ** 2.4
    bend = linear / encoded * 1.055 / 2.4 * linear ** (1 / 2.4 - 1)  # d ln V / d ln L
    out = {f"pp_{c}": float(np.ptp(beat[:, k])) for k, c in enumerate("rgb")}
    out |= {f"fund_{c}": float(size[0, k]) for k, c in enumerate("rgb")}
    out["fund_complex_g"] = [float(amplitude[0, 1].real), float(amplitude[0, 1].imag)]
    # what moves with green counts: noise in red has no phase
    out["r_g"], out["b_g"] = (float(np.real(amplitude[0, k] / green) / size[0, 1]) for k in (0, 2))
    out |= {"h2_h1": float(size[1, 1] / size[0, 1]), "h3_h1": float(size[2, 1] / size[0, 1])}
    out |= {f"residual_{c}": float(np.sqrt(density[band, k].sum() * width)) for k, c in enumerate("rgb")}
    out["residual_slope"] = slope(freq, density[:, 1], 0.5, 14.0)
    out |= {
        f"density_{f}hz": float(np.sqrt(density[(freq > f / 1.3) & (freq < f * 1.3), 1].mean())) for f in (1, 2, 4, 8)
    }
    out["levels_pp_g"] = out["pp_g"] / 100 * level
    out["linear_pp_g"] = out["pp_g"] / bend
    out["level_g"] = float(level)
    out["vector"] = pulse_vector(colours, wave_of("pos", colours)).tolist()
    out["angle"] = angle_deg(np.array(out["vector"]))
    out["angle_locked"] = angle_deg(np.array([out["r_g"], 1.0, out["b_g"]]))
    for method in METHODS:
        wave = wave_of(method, colours)
        out[f"snr_{method}"] = snr_db(wave, hertz)
        out[f"even_snr_{method}"] = snr_db(in_beat_time(wave, phase), (phase[-1] - phase[0]) / span)
    slow = spectrum(percent(colours))[1][:, 1]
    low = (freq >= 0.08) & (freq < 0.5)
    out["drift_g"] = float(np.sqrt(slow[low].sum() * width))
    return out


def _snr(colours, phase, rate, span):
    out = {}
    for method in METHODS:
        wave = wave_of(method, colours)
        out[f"tracked_snr_{method}"] = snr_db(in_beat_time(wave, phase), (phase[-1] - phase[0]) / span)
        out[f"error_{method}"] = abs(rate_of(wave) - rate)
    return out


def _share(seen, hertz):
    """Share of heart in raw green of forehead, cheeks and the whole face."""
    green = on_grid(seen.times_s, seen.followed)[..., 1]
    parts = {"forehead": green[:, 0], "cheek": green[:, 1:3], "face": green[:, 3]}
    return {
        f"share_{k}": float(np.mean([heart_share(w, hertz) for w in np.atleast_2d(v.T)])) for k, v in parts.items()
    }


def _fixed(follow, fixed, boxed, tracked, phase, span):
    def change(colours):
        rest = locked(percent(colours), phase, span)[2]
        freq, density = spectrum(rest)
        band = (freq >= BAND_HZ[0]) & (freq <= BAND_HZ[1])
        return float(np.sqrt(density[band, 1].sum() * (freq[1] - freq[0])))

    base = change(follow)
    named = {"fixed": fixed, "boxed": boxed, "tracked": tracked}
    out = {f"{name}_residual": change(colours) for name, colours in named.items()}
    return out | {f"{name}_over_followed": out[f"{name}_residual"] / base for name in named}


def _motion(seen, face_mm=140.0):
    """Sizes in mm (a face is 140 mm wide), degrees and percent; spectra between 0.2 and 5 Hz."""
    scale = face_mm / seen.face_px
    pose = on_grid(seen.times_s, seen.pose)
    out = {"x_mm": pose[:, 0].std() * scale, "y_mm": pose[:, 1].std() * scale}
    out |= {"roll_deg": np.rad2deg(pose[:, 2].std()), "size_pct": 100 * pose[:, 3].std()}
    for name, k in (("x", 0), ("y", 1)):
        freq, density = spectrum(pose[:, k] * scale)
        out[f"slope_{name}"] = slope(freq, density, 0.2, 5.0)
        for low, high in ((0.1, 0.5), (0.5, 1), (1, 2), (2, 5), (5, 15)):
            some = (freq >= low) & (freq < high)
            out[f"{name}_{low}_{high}"] = np.sqrt(density[some].sum() * (freq[1] - freq[0]))
    return {k: float(v) for k, v in out.items()}


def _noise(seen):
    """Noise of the skin mask."""
    n, k = seen.noise, 3
    out = {f"pixel_{c}": n["sd"][k, i] for i, c in enumerate("rgb")}
    out |= {"gain_8": n["sd"][k, 1] / n["block"][k, 1], "block_8": n["block"][k, 1]}
    out |= {f"acf_{lag + 1}": n["acf"][k, lag] for lag in range(4)}
    out |= {"red_green": n["red_green"][k], "roi_jitter": np.mean(n["mean"][:3, 1]), "noise_moved_px": n["moved_px"]}
    out |= {f"mean_{c}": seen.colour[k, i] for i, c in enumerate("rgb")}
    out |= {
        "spread_forehead": seen.spread[0, 1],
        "spread_cheek": seen.spread[1:3, 1].min(),
        "spread_face": seen.spread[3, 1],
    }
    return {k: float(v) for k, v in out.items()}
