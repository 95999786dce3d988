"""Figures of the realism page: real and rendered on the same axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from .numbers import locked, on_grid, percent, phase_of, roi, spectrum

REAL, DRAWN, GREY = "#c0392b", "#2471a3", "#7f8c8d"
CHANNELS = {"r": "#c0392b", "g": "#1e8449", "b": "#2471a3"}

plt.rcParams |= {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 130,
}


def _series(found):
    """Followed colour of the region of interest on the grid, in percent, and the pulse's phase."""
    seen = found["look"]
    times = seen.times_s
    grid = np.arange(int(times[-1] * 30.0) + 1) / 30.0
    phase, rate = phase_of(grid, np.interp(grid, times, found["reference"]))
    return percent(on_grid(times, roi(seen, seen.followed))), phase, rate, times[-1]


def _smooth(density):
    """Average each bin with its two neighbours: a periodogram alone is too ragged to compare."""
    padded = np.pad(density, ((1, 1), (0, 0)), mode="edge")
    return 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]


def _band(axis, freq, many, colour, label):
    """Median and 10th to 90th percentile of many spectra."""
    low, mid, high = np.percentile(many, [10, 50, 90], axis=0)
    axis.fill_between(freq, low, high, color=colour, alpha=0.18, lw=0)
    axis.plot(freq, mid, color=colour, lw=1.5, label=label)


def _common(spectra):
    """Bring spectra (freq, density) to the frequencies of the first."""
    freq = spectra[0][0]
    return freq, np.array([np.interp(freq, f, d) for f, d in spectra])


def _plain(axis, ticks):
    """Label a logarithmic axis with these numbers alone."""
    low, high = axis.get_ylim()
    axis.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axis.minorticks_off()
    axis.set_ylim(low, high)


def pulse(real, like, path: Path) -> None:
    """Spectra of the skin's colour around the pulse, in multiples of the heart's rate, side by side."""
    figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.1), sharey=True, sharex=True)
    for axis, group, title in ((axes[0], [real] if real else [], "real clip"), (axes[1], like, "rendered alike")):
        for name, k in (("g", 1), ("r", 0), ("b", 2)):
            spectra = []
            for found in group:
                series, _, rate, _ = _series(found)
                freq, density = spectrum(series)
                spectra.append((freq / (rate / 60), np.sqrt(_smooth(density))[:, k]))
            if not spectra:
                continue
            freq, many = _common(spectra)
            if len(many) > 1:
                _band(axis, freq, many, CHANNELS[name], name.upper())
            else:
                axis.plot(freq, many[0], color=CHANNELS[name], lw=1.5, label=name.upper())
        for harmonic in (1, 2, 3):
            axis.axvline(harmonic, color=GREY, lw=0.8, ls=":")
        axis.set(title=title, xlabel="frequency / heart rate", yscale="log", xlim=(0.3, 5), ylim=(0.004, 3))
    axes[0].set_ylabel("forehead and cheeks, % / √Hz")
    axes[1].legend(title="median, p10–p90", frameon=False)
    figure.savefig(path)
    plt.close(figure)


def motion(real, like, lab, path: Path) -> None:
    """Spectra of head motion."""
    figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.1), sharey=True)
    for axis, k, title in ((axes[0], 0, "across"), (axes[1], 1, "up and down")):
        for group, colour, label in (
            (lab, GREY, "lab"),
            (like, DRAWN, "rendered alike"),
            ([real], REAL, "real clip"),
        ):
            spectra = []
            for found in group:
                if not found:
                    continue
                seen = found["look"]
                pose = on_grid(seen.times_s, seen.pose)[:, k : k + 1] * 140.0 / seen.face_px
                freq, density = spectrum(pose)
                spectra.append((freq, np.sqrt(_smooth(density))[:, 0]))
            if not spectra:
                continue
            freq, many = _common(spectra)
            if len(many) > 1:
                _band(axis, freq[1:], many[:, 1:], colour, label)
            else:
                axis.plot(freq[1:], many[0, 1:], color=colour, lw=1.5, label=label)
        axis.set(title=f"head, {title}", xlabel="Hz", xscale="log", yscale="log", ylim=(3e-3, 30), xlim=(0.08, 15))
    axes[0].set_ylabel("mm / √Hz")
    axes[1].legend(frameon=False)
    figure.savefig(path)
    plt.close(figure)


def noise(real, like, lab, path: Path) -> None:
    """Draw what is left of the skin's colour without the pulse, and how pixels of one frame agree."""
    figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.1))
    for group, colour, label in ((lab, GREY, "lab"), (like, DRAWN, "rendered alike"), ([real], REAL, "real clip")):
        group = [f for f in group if f]
        spectra = []
        for found in group:
            series, phase, _, span = _series(found)
            freq, density = spectrum(locked(series, phase, span)[2])
            spectra.append((freq, np.sqrt(_smooth(density))[:, 1]))
        if not spectra:
            continue
        freq, many = _common(spectra)
        use = freq > 0.5
        acf = np.array([[1.0, *f["look"].noise["acf"][3]] for f in group])
        if len(many) > 1:
            _band(axes[0], freq[use], many[:, use], colour, label)
            low, mid, high = np.percentile(acf, [10, 50, 90], axis=0)
            axes[1].errorbar(range(5), mid, [mid - low, high - mid], color=colour, marker="o", capsize=3, label=label)
        else:
            axes[0].plot(freq[use], many[0, use], color=colour, lw=1.5, label=label)
            axes[1].plot(range(5), acf[0], color=colour, marker="s", label=label)
    axes[0].set(title="green without pulse", xlabel="Hz", ylabel="% / √Hz", xscale="log", yscale="log")
    axes[0].set_xticks([0.5, 1, 2, 4, 8, 14], ["0.5", "1", "2", "4", "8", "14"])
    axes[0].minorticks_off()
    axes[1].set(title="noise of neighbouring pixels", xlabel="distance, pixels", ylabel="correlation")
    axes[1].set_xticks(range(5))
    axes[1].legend(frameon=False)
    figure.savefig(path)
    plt.close(figure)


def strength(real: dict[str, Any] | None, like, lab, tones, path: Path) -> None:
    """Size of the pulse per channel, and its fall with skin tone."""
    figure, axes = plt.subplots(1, 3, figsize=(8.2, 3.1), width_ratios=(1.1, 1, 1))
    for offset, group in enumerate(([real], like, lab)):
        for k, c in enumerate("rgb"):
            values = [f["numbers"][f"pp_{c}"] for f in group if f]
            at = k + 0.24 * (offset - 1)
            if len(values) > 1:
                axes[0].plot([at] * len(values), values, ".", color=CHANNELS[c], alpha=0.35, ms=4)
            if values:
                axes[0].plot(
                    at,
                    np.median(values),
                    "s" if offset == 0 else "_",
                    color=CHANNELS[c],
                    ms=6 + 8 * (offset > 0),
                    mew=2,
                )
    axes[0].set(title="pulse, peak to peak\nleft to right: real, alike, lab", ylabel="% of level", yscale="log")
    axes[0].set_xticks(range(3), ["R", "G", "B"])
    _plain(axes[0], (0.05, 0.1, 0.2, 0.5, 1, 2))
    by_tone = {t: [f["numbers"] for f in tones if f["tone"] == t and f["look"]] for t in range(1, 11)}
    known = [t for t in by_tone if by_tone[t]]
    for name, colour, label in (("even_snr_green", CHANNELS["g"], "GREEN"), ("even_snr_pos", DRAWN, "POS")):
        many = [[n[name] for n in by_tone[t]] for t in known]
        axes[1].errorbar(
            known,
            [np.nanmedian(m) for m in many],
            np.abs(np.array([np.nanpercentile(m, [10, 90]) - np.nanmedian(m) for m in many])).T,
            color=colour,
            marker="o",
            ms=4,
            capsize=2,
            label=label,
        )
    axes[1].set(title="pulse to noise", xlabel="Monk tone", ylabel="dB")
    axes[1].legend(frameon=False)
    for name, colour, label in (
        ("levels_pp_g", CHANNELS["g"], "8-bit levels, p-p"),
        ("white_pp_g", GREY, "% of white, linear"),
    ):
        axes[2].plot(
            known,
            [np.median([n[name] for n in by_tone[t]]) for t in known],
            marker="o",
            ms=4,
            color=colour,
            label=label,
        )
    axes[2].set(title="absolute green pulse", xlabel="Monk tone", yscale="log")
    _plain(axes[2], (0.01, 0.03, 0.1, 0.3, 1))
    axes[2].legend(frameon=False)
    figure.savefig(path)
    plt.close(figure)
