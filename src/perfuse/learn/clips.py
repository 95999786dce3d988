"""Clips cut out of prepared recordings, with the labels that these have."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from perfuse.bench.grids import even
from perfuse.bench.reference import r_peaks
from perfuse.data.entry import Entry
from perfuse.data.labels import held, on_grid
from perfuse.data.recording import Signal
from perfuse.radar.frontend import as_input, select_bins
from perfuse.radar.record import RadarRecord
from perfuse.radar.record import held as filled
from perfuse.signal.filters import bandpass
from perfuse.signal.spectrum import strongest_hz
from perfuse.synth.batch import Batch

BAND_HZ, BREATH_HZ = (0.6, 4.0), (0.1, 1.5)
KNOWN = 0.5
"""Share of a clip in which a monitor has to show a rate. ASSUMED."""
LONGEST_BEAT_S = 2.0
"""R peaks further apart are not neighbours: 30 a minute."""
HOLE_S = 0.1
"""A chirp stands for moments no farther from it than this: packets get lost, but a hole is no radar. ASSUMED."""


def batch_of(
    entries: Sequence[Entry],
    starts: Sequence[int],
    frames: int,
    rate_hz: float,
    *,
    radar: bool = False,
    beside: Collection[str] = (),
) -> Batch:
    """Cut one clip out of each entry, with its labels: waves z-scored and 0 where unknown, rates NaN where unknown.

    Rates are those of the waves, and a monitor's where there is no wave. The waves named in ``beside`` come as what a
    teacher said of the clips (:attr:`perfuse.synth.batch.Batch.taught`).
    """
    clips, echoes = [], []
    others: dict[str, list[NDArray[np.float64]]] = {name: [] for name in beside}
    pulses, breaths = list[NDArray[np.float64]](), list[NDArray[np.float64]]()
    rates, lungs = list[float](), list[float]()
    for entry, start in zip(entries, starts):
        cells = entry.cells(start, start + frames)
        assert cells is not None
        clips.append(np.moveaxis(cells[..., :3], -1, 0))
        begin = entry.about["start_s"] + start / rate_hz
        for signal, number, band, waves, told in (
            ("pulse", "heart_rate", BAND_HZ, pulses, rates),
            ("respiration", "respiratory_rate", BREATH_HZ, breaths, lungs),
        ):
            waves.append(_scored(wave_of(entry, signal, begin, rate_hz, frames)))
            told.append(_rate(entry, number, waves[-1], begin, rate_hz, band))
        for name, kept in others.items():
            kept.append(_scored(wave_of(entry, name, begin, rate_hz, frames)))
        if radar:
            echo = entry.radar()
            assert echo is not None
            echoes.append(torch.from_numpy(heard(echo, begin + np.arange(frames) / rate_hz)))
    pulse = torch.tensor(np.stack(pulses), dtype=torch.float32)
    return Batch(
        clip=torch.tensor(np.stack(clips)),
        pulse=pulse,
        contact=pulse,
        contact_valid=torch.ones_like(pulse, dtype=torch.bool),
        respiration=torch.tensor(np.stack(breaths), dtype=torch.float32),
        radar=torch.stack(echoes) if radar else None,
        heart_rate=torch.tensor(rates, dtype=torch.float32),
        respiratory_rate=torch.tensor(lungs, dtype=torch.float32),
        rate_hz=rate_hz,
        items=np.array(starts, np.int64),
        settings=(),
        taught={name: torch.tensor(np.stack(kept), dtype=torch.float32) for name, kept in others.items()} or None,
    )


def heard(echo: RadarRecord, times_s: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return I and Q of the five bins around a body, (10, T), as :attr:`perfuse.synth.batch.Batch.radar`.

    The bins are those of this stretch; of the chirps the nearest to each time is taken, without a filter, as in the
    published preprocessing.
    """
    assert echo.kind is not None
    after = np.clip(np.searchsorted(echo.times_s, times_s), 1, len(echo.times_s) - 1)
    nearest = after - (times_s - echo.times_s[after - 1] < echo.times_s[after] - times_s)
    low, high = int(nearest.min()), int(nearest.max()) + 1
    iq = filled(echo.iq, echo.valid)[low:high]
    return as_input(select_bins(iq, echo.kind), 1, echo.kind.scale)[:, nearest - low]


def hears(echo: RadarRecord, times_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell at which times (T,) a chirp arrived."""
    there = echo.times_s[echo.valid]
    if not len(there):
        return np.zeros(len(times_s), np.bool_)
    after = np.searchsorted(there, times_s)
    before, later = there[np.maximum(after - 1, 0)], there[np.minimum(after, len(there) - 1)]
    return np.asarray(np.minimum(abs(times_s - before), abs(later - times_s)) <= HOLE_S)


def wave_of(entry: Entry, name: str, begin_s: float, rate_hz: float, frames: int) -> NDArray[np.float64]:
    """Return a reference on the clock of a view, (frames,), NaN where there is none.

    An ECG is no wave of the blood's: it is sharp, and strong at many times the heart's rate. Its R peaks become one
    that has a maximum at every beat.
    """
    signal = entry.signals.get(name)
    if signal is None:
        return np.full(frames, np.nan)
    if name != "ecg":
        return on_grid(signal, begin_s, rate_hz, frames)
    peaks = _peaks(signal)
    times = begin_s + np.arange(frames) / rate_hz
    if len(peaks) < 2:
        return np.full(frames, np.nan)
    last = np.clip(np.searchsorted(peaks, times, side="right") - 1, 0, len(peaks) - 2)
    known = (times >= peaks[0]) & (times <= peaks[-1]) & (np.diff(peaks)[last] <= LONGEST_BEAT_S)
    return np.where(known, np.cos(2 * np.pi * np.interp(times, peaks, np.arange(len(peaks)))), np.nan)


@lru_cache(maxsize=4096)
def _peaks(ecg: Signal) -> NDArray[np.float64]:
    """Return the times of an ECG's R peaks; found once a recording."""
    wave = even(ecg, max_hz=250.0)
    return np.zeros(0) if wave is None else r_peaks(wave)


def _scored(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a wave z-scored; 0 if there is a gap in it."""
    if not np.isfinite(wave).all():
        return np.zeros(len(wave))
    centred = wave - wave.mean()
    return np.asarray(centred / (centred.std() or 1.0))


def _rate(
    entry: Entry, name: str, wave: NDArray[np.float64], begin_s: float, rate_hz: float, band_hz: tuple[float, float]
) -> float:
    """Return a rate per minute: the wave's, or what the monitor showed meanwhile; NaN where there is neither."""
    if wave.any():
        return 60.0 * strongest_hz(bandpass(wave, rate_hz, *band_hz), rate_hz, band_hz)
    shown = entry.signals.get(name)
    if shown is None:
        return float("nan")
    seen = held(shown, begin_s + np.arange(len(wave)) / rate_hz)
    return float(np.nanmean(seen)) if np.isfinite(seen).mean() >= KNOWN else float("nan")
