"""What the network that ships for breathing reads from windows of 256, 512 and 900 samples.

    python benchmarks/windows.py [--frames 256 512 900] [--domains lab talk ...] [--clips 48]
                                 [--out docs/results/windows.md]

The exported graph takes any length, though ``perfuse measure`` gives it 512 samples (17 s) at a time. Here it is
asked for waves alone: the strongest line of each window is compared with the line of the true wave in the same
window, without the intervals, reasons and other signs of breathing that ``perfuse measure`` adds. Clips of 30 s are
painted once; windows are cut from them end to end, so of a clip there is one of 900 samples and three of 256.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pages import renew

from perfuse.bench.machine import machine
from perfuse.data.cache import default_cache
from perfuse.learn.bank import open_bank
from perfuse.methods.bundle import parse_card, read_files
from perfuse.methods.network import Network
from perfuse.methods.shipped import list_shipped
from perfuse.papers.physvlm.reading import POPULATIONS, strongest_rate
from perfuse.synth.batch import Batch

LONG, OTHER = 900, 3_000_003
"""Samples of a clip, and the seed of its people: nobody was trained or judged on them."""
DOMAINS = ("lab", "talk", "motion", "dim-flicker", "dark-skin", "webcam", "neonate")
CLOSE = {"pulse": 5.0, "respiration": 3.0}
BAND_HZ = {"pulse": POPULATIONS["all"].pulse_hz, "respiration": POPULATIONS["all"].breath_hz}
Floats = NDArray[np.float64]


def cut(series: Floats, frames: int) -> Floats:
    """Return windows end to end (W, frames) of series (N, T)."""
    return np.concatenate([series[:, k : k + frames] for k in range(0, series.shape[1] - frames + 1, frames)])


def ask(network: Network, clips: list[Batch], frames: int) -> dict[str, Floats]:
    """Return the waves of all windows, in the order of :func:`cut`."""
    cells = np.concatenate([np.moveaxis(np.asarray(one.clip), 1, -1) for one in clips])  # (N, T, rows, cols, 3)
    said = [
        network.run(np.ascontiguousarray(clip[k : k + frames], np.float32))
        for k in range(0, cells.shape[1] - frames + 1, frames)
        for clip in cells
    ]
    return {name: np.stack([getattr(one, name) for one in said]).astype(np.float64) for name in CLOSE}


def row(words: list[str], said: Floats, true: Floats, name: str, rate_hz: float) -> str:
    """Return a line of the table."""
    moves = true.std(axis=1) > 1e-6  # nobody's rate is asked for while breath is held
    said, true = said[moves], true[moves]
    rates = [strongest_rate(torch.from_numpy(w), BAND_HZ[name], rate_hz).numpy() for w in (said, true)]
    error = np.abs(np.nan_to_num(rates[0]) - rates[1])
    r = [np.corrcoef(a, b)[0, 1] if a.std() > 0 else 0.0 for a, b in zip(said, true)]
    told = [
        f"{error.mean():.1f}",
        f"{np.median(error):.1f}",
        f"{np.mean(error <= CLOSE[name]):.0%}",
        f"{np.mean(r):.2f}",
    ]
    return "| " + " | ".join([*words, str(len(said)), *told]) + " |"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[256, 512, 900])
    parser.add_argument("--domains", nargs="+", default=list(DOMAINS))
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--method", default="physvlm", help="a network that ships and tells breathing")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    (shipped,) = (one for one in list_shipped() if one.name == options.method)
    content, text, name = read_files(shipped.folder)
    view, network = parse_card(text or "", name, content).view, Network(content, name)
    rows: dict[str, list[str]] = {name: [] for name in CLOSE}
    for domain in options.domains:
        bank = open_bank(default_cache(), view, frames=LONG, clips=options.clips, seed=OTHER, domains={domain: 1.0})
        bank.paint(1)
        clips = [bank.batch(np.arange(k, min(k + 16, options.clips))) for k in range(0, options.clips, 16)]
        for frames in options.frames:
            said = ask(network, clips, frames)
            for name in CLOSE:
                true = np.concatenate([np.asarray(getattr(one, name), np.float64) for one in clips])
                words = [domain, f"{frames} ({frames / view.rate_hz:.0f} s)"]
                rows[name].append(row(words, said[name], cut(true, frames), name, view.rate_hz))
        print(domain, file=sys.stderr)
    heads = ("domain", "window", "windows", "mean error, /min", "median", "within {:g}", "r of waves")
    parts = [
        "# How long a window has to be",
        "",
        f"Made by `benchmarks/windows.py`, {time.strftime('%Y-%m-%d')}, {machine()}. The shipped network "
        f"`{options.method}` on windows of {options.clips} clips of {LONG / view.rate_hz:.0f} s a domain, simulated "
        "people whom nobody was trained on: the strongest line of what it writes, against the line of the true wave "
        "in the same window. Its waves alone, always answered; what `perfuse measure` makes of them, with other "
        "signs of breathing and with reasons to be silent, is on [another page](breathing.md).",
    ]
    for name, title in (("respiration", "Breathing"), ("pulse", "Pulse")):
        columns = [head.format(CLOSE[name]) for head in heads]
        parts += ["", f"## {title}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *rows[name]]
    page = "\n".join(parts)
    print(page)
    if options.out:
        renew(options.out, page)


if __name__ == "__main__":
    main()
