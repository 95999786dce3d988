"""What a student and its radar teacher are compared by: their spectra in the heart's band, and the losses on them.

RPM-Distill (Wang and others, arXiv 2606.28089); the formulas are those of the authors' release, the supervised ones
came there from EquiPleth (Vilesov and others, ACM Trans. Graph. 41(4), 2022). All losses answer one number a clip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from perfuse.core.errors import UsageError
from perfuse.nn.losses import full, has_pulse, whole
from perfuse.papers.rpm_distill.vital import PULSE, Vital

PARTS = ("peak", "off_peak", "shape")
"""The three ways in which spectra are compared, in this order everywhere."""
SHORTEST = 8
"""Samples of a wave that has a spectrum worth the name."""
EPS = 1e-8
PEARSON_WEIGHT = 0.01
"""Of the correlation beside the signal-to-noise ratio: the label's rate, not its shape, decides."""
OFFSETS_HZ = 0.5
"""An offset leaks into bands that begin below this, and is taken off there. The release leaves it."""
SILENCE = 1e-12
"""Power that a flat prediction is taken to have: its ratio is then finite."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The spectra of waves within the band, F bins, 60 * rate_hz / N per minute apart.

    Attributes
    ----------
    level : Tensor, (B, F)
        Logarithm of the power, mean 0 and spread 1 over the band.
    centre : Tensor, (B,)
        Where the power's centre of gravity lies, in bins, 0..F - 1.
    window : Tensor, (B, F)
        1 at the centre, a bell around it.
    heart_rate : Tensor, (B,)
        The centre, per minute.
    share : Tensor, (B,)
        Of the power that lies under the window, 0..1.
    """

    level: Tensor
    centre: Tensor
    window: Tensor
    heart_rate: Tensor
    share: Tensor


def features(wave: Tensor, *, rate_hz: float = 30.0, band_hz: tuple[float, float] = PULSE.band_hz) -> Features:
    """Return the spectra of waves.

    Parameters
    ----------
    wave : Tensor, (B, N)
        Any scale above about 1e-3: a floor of 1e-8 lies under the power.
    rate_hz : float
        Samples per second.
    band_hz : (float, float)
        Lowest and highest frequency, both included.

    Returns
    -------
    Features
        A flat wave has level 0 everywhere, and no gradient.

    Raises
    ------
    UsageError
        If the waves are too short to have two bins in the band. The authors' release goes on without teaching.
    """
    first, last = _band(wave, rate_hz, band_hz)
    wave, count = full(wave), wave.shape[1]
    time = torch.arange(count, dtype=wave.dtype, device=wave.device)
    hann = 0.5 - 0.5 * torch.cos(2 * math.pi / count * time)
    power = _power((wave - wave.mean(1, keepdim=True)) * hann, count)[:, first:last]
    logs = (power + EPS).log()
    centred = logs - logs.mean(1, keepdim=True)
    # clamped before the root, whose slope at 0 is infinite
    spread = centred.square().mean(1, keepdim=True).clamp(min=EPS**2).sqrt()
    bins = torch.arange(last - first, dtype=wave.dtype, device=wave.device)
    weight = functional.softmax(logs, 1)
    centre = (weight * bins).sum(1)
    sigma = max(1.0, max(1, int(0.02 * len(bins))) / 2)
    window = torch.exp(-0.5 * ((bins - centre[:, None]) / sigma) ** 2)
    share = (power * window).sum(1) / power.sum(1).clamp(min=EPS)
    return Features(centred / (spread + EPS), centre, window, (centre + first) * (60 * rate_hz / count), share)


def components(student: Features, teacher: Features) -> Tensor:
    """Return how far the spectra lie apart, (B, 3), in the order of :data:`PARTS`; the teacher gets no gradient.

    ``peak``: mean difference of the levels under the teacher's window; ``off_peak``: outside of it; ``shape``: of the
    centres, in bins, and of the entropies, by smooth L1. 0 for equal spectra; the first two are of order 1, ``shape``
    goes up to the number of bins where the teacher's peak is a wrong one.

    Raises
    ------
    UsageError
        If one wave was longer than the other.
    """
    _same(student, teacher)
    apart = (student.level - teacher.level.detach()).abs()
    window = teacher.window.detach()
    peak = (apart * window).sum(1) / (window.sum(1) + EPS)
    rest = (1 - window).clamp(min=0)
    off_peak = (apart * rest).sum(1) / (rest.sum(1) + EPS)
    place = functional.smooth_l1_loss(student.centre, teacher.centre.detach(), reduction="none")
    blur = functional.smooth_l1_loss(entropy(student.level), entropy(teacher.level).detach(), reduction="none")
    return torch.stack([peak, off_peak, place + blur], 1)


def entropy(level: Tensor) -> Tensor:
    """Return the entropy (B,) of softmax(level), level (B, F): 0 for a single line, log F for a flat spectrum."""
    weight = functional.softmax(level, 1)
    return -(weight * (weight + EPS).log()).sum(1)


def relation(student: Features, teacher: Features) -> Tensor:
    """Return what the policy sees of a pair of waves: both levels and how far they are apart, (B, 3, F).

    Raises
    ------
    UsageError
        If one wave was longer than the other.
    """
    _same(student, teacher)
    return torch.stack([student.level, teacher.level, (student.level - teacher.level).abs()], 1)


def distillation(parts: Tensor, gate: Tensor, mix: Tensor) -> Tensor:
    """Return the loss of teaching (B,): ``gate`` (B,) times the sum of ``parts`` (B, 3) weighed by ``mix`` (B, 3)."""
    return gate * (mix * parts).sum(1)


def pearson(prediction: Tensor, pulse: Tensor) -> Tensor:
    """Return 1 - r (B,) of waves (B, N), with 0.01 under the root added to N^2 times each variance."""
    # centred first: sums of squares less squared sums would lose a small wave on a large offset
    x, y = (wave - wave.mean(1, keepdim=True) for wave in (full(prediction), full(pulse)))
    xx, xy, yy = (x.shape[1] * (one * other).sum(1) for one, other in ((x, x), (x, y), (y, y)))
    return 1 - xy / ((xx + 1e-2) * (yy + 1e-2)).sqrt()


def noise(prediction: Tensor, label: Tensor, *, rate_hz: float = 30.0, vital: Vital = PULSE) -> Tensor:
    """Return minus the signal-to-noise ratio of predictions (B, N) in dB, (B,).

    Of a padded spectrum: signal is the power in 8 bins around the label's strongest line, noise the rest of the band.
    No harmonics: they count as noise. (8 bins of 1024 points at 30 a second; as wide at others.)
    """
    x, y = full(prediction), full(label)
    points = max(vital.points, 2 ** math.ceil(math.log2(x.shape[1])))  # ASSUMED beyond 1024: the release would cut
    low, high = (round(edge * points / rate_hz) for edge in vital.band_hz)
    reach = max(1, round(vital.reach_hz * points / rate_hz))
    if vital.band_hz[0] < OFFSETS_HZ:
        x, y = (wave - wave.mean(1, keepdim=True) for wave in (x, y))
    said, true = _power(x, points) / points**2, _power(y, points)
    at = torch.arange(said.shape[1], device=x.device)
    band = (at >= low) & (at < high)
    line = true.masked_fill(~band, -1).argmax(1, keepdim=True)
    near = (at >= line - reach) & (at < line + reach)
    signal = (said * near).sum(1).clamp(min=SILENCE)
    return -10 * torch.log10(signal / ((said * (band & ~near)).sum(1) + 1e-7))


def supervised(
    prediction: Tensor, label: Tensor, *, rate_hz: float = 30.0, shape: float = PEARSON_WEIGHT, vital: Vital = PULSE
) -> Tensor:
    """Return what labels teach (B,): ``shape`` times :func:`pearson`, and :func:`noise`.

    0 without gradient for clips whose label does not move.

    Raises
    ------
    UsageError
        If shapes differ.
    """
    if prediction.shape != label.shape or prediction.ndim != 2:
        raise UsageError(
            f"A prediction {tuple(prediction.shape)} and a label {tuple(label.shape)} were given.",
            "Give two of (B, N).",
        )
    true = whole(label).to(full(prediction))
    loss = shape * pearson(prediction, true) + noise(prediction, true, rate_hz=rate_hz, vital=vital)
    return torch.where(has_pulse(label), loss, 0.0)


def _power(wave: Tensor, points: int) -> Tensor:
    """Return |rfft|^2; by parts, since the absolute value of a complex 0 has no slope."""
    parts = torch.view_as_real(torch.fft.rfft(wave, points))
    return parts.square().sum(-1)


def _band(wave: Tensor, rate_hz: float, band_hz: tuple[float, float]) -> tuple[int, int]:
    """Return the first bin of the band, and the one after its last."""
    if wave.ndim != 2:
        raise UsageError(f"Waves of shape {tuple(wave.shape)} were given.", "Give (B, N).")
    low, high = band_hz
    if not 0 < low < high <= rate_hz / 2:
        raise UsageError(
            f"The band is {low:g} to {high:g} Hz at {rate_hz:g} samples per second.",
            "Give two frequencies above 0, the lower first, up to half the rate.",
        )
    count = wave.shape[1]
    # an edge that lies on a bin belongs to the band, however it was rounded
    first, last = math.ceil(low * count / rate_hz - 1e-6), math.floor(high * count / rate_hz + 1e-6) + 1
    if count < SHORTEST or last - first < 2:
        raise UsageError(
            f"Waves of {count} samples have no spectrum between {low:g} and {high:g} Hz.", "Give longer clips."
        )
    return first, last


def _same(student: Features, teacher: Features) -> None:
    if student.level.shape != teacher.level.shape:
        one, other = tuple(student.level.shape), tuple(teacher.level.shape)
        raise UsageError(
            f"The student's spectra are {one}, the teacher's {other}.", "Cut both waves to the same samples."
        )


def released_rate(wave: NDArray[np.floating], rate_hz: float = 30.0) -> float:
    """Return the heart rate of a wave (T,), per minute, as the evaluation of the release reads it.

    Butterworth of order 6 forwards and backwards over 45 to 180 a minute, then the highest line of a periodogram with
    ten lines for one a minute. ``perfuse bench`` reads rates otherwise.

    Raises
    ------
    UsageError
        If the wave is too short for the filter.
    """
    from scipy.signal import butter, filtfilt, periodogram

    low, high = PULSE.band_hz
    b, a = butter(6, (low, high), "bandpass", fs=rate_hz)
    if wave.ndim != 1 or len(wave) <= 3 * len(b):
        raise UsageError(f"A wave of shape {wave.shape} was given.", f"Give (T,), more than {3 * len(b)} samples.")
    size = round(600 * rate_hz)
    freq_hz, power = periodogram(filtfilt(b, a, np.asarray(wave, np.float64)), rate_hz, nfft=size, detrend=False)
    inside = (freq_hz >= low) & (freq_hz <= high)
    return float(60 * freq_hz[inside][power[inside].argmax()])
