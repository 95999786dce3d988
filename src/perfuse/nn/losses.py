"""What a pulse is judged by: its shape, its spectrum, its noise. One value a clip, (B,); none depends on batch-mates.

A clip without a pulse teaches nothing: its loss is 0 and has no gradient, whatever stands in its label, NaN included.
:func:`batch_mean` is the mean over the clips that have one.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import Tensor
from torch.nn import functional

from perfuse.core.errors import UsageError

FLOOR = 1e-4
"""Spread below which a wave counts as flat: correlations and standardised waves fade to 0 there, with gradients that
stay finite. ASSUMED; a network's output has a spread of 0.1 to 1."""
STILL = 1e-6
"""Spread below which a label holds no pulse; one that beats has a spread of about 0.3."""
BAND_PER_MINUTE = (40.0, 180.0)
"""Heart rates that the spectral losses look at."""
LAG_S = 0.3
"""Largest delay searched: a contact sensor at the finger trails the face by 0.1 to 0.3 s."""
SUPERVISED = frozenset({"pearson", "mse", "spectrum"})
"""Names that :func:`supervised` knows."""
NEAR_HZ = 0.1
"""What still belongs to a line of the spectrum: 6 per minute, as in the rPPG-Toolbox's SNR."""


def full(wave: Tensor) -> Tensor:
    """Return the wave in float32 at least: what autocast made shorter has too few digits for a spectrum."""
    return wave.float() if wave.dtype in (torch.float16, torch.bfloat16) else wave


def whole(wave: Tensor) -> Tensor:
    """Return the wave with 0 where it is not a number."""
    return torch.nan_to_num(wave, nan=0.0, posinf=0.0, neginf=0.0)


def has_pulse(pulse: Tensor) -> Tensor:
    """Return, (B,) bool, which of the waves (B, T) are all numbers and move at all."""
    return torch.isfinite(pulse).all(-1) & (whole(pulse).std(-1, correction=0) > STILL)


def batch_mean(loss: Tensor, kept: Tensor) -> Tensor:
    """Return the mean of ``loss`` (B,) over the clips ``kept`` (B,) bool; 0, without gradient, if there are none."""
    return torch.where(kept, loss, 0.0).sum() / kept.sum().clamp(min=1)


def standardised(wave: Tensor) -> Tensor:
    """Return waves (B, T) with mean 0 and spread 1, or as good as 0 where they are flat (below :data:`FLOOR`)."""
    centred = wave - wave.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + FLOOR**2).sqrt()


def correlation(one: Tensor, other: Tensor, weights: Tensor | None = None, floor: float = FLOOR) -> Tensor:
    """Return Pearson's r over the last axis, weighted; fading to 0 where either's spread is below ``floor``."""
    weights = torch.ones_like(other) if weights is None else weights
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1)
    centred = [wave - (weights * wave).sum(-1, keepdim=True) for wave in (one, other)]
    spreads = [((weights * wave.square()).sum(-1) + floor**2).sqrt() for wave in centred]
    return (weights * centred[0] * centred[1]).sum(-1) / (spreads[0] * spreads[1])


def negative_pearson(
    prediction: Tensor, pulse: Tensor, *, valid: Tensor | None = None, rate_hz: float = 30.0, lag_s: float = 0.0
) -> Tensor:
    """1 - Pearson's r, after PhysNet (Yu, Li, Zhao, BMVC 2019, eq. 2), at lag zero or at the best of several lags.

    Parameters
    ----------
    prediction, pulse : Tensor, (B, T)
        What was said, what is true.
    valid : Tensor, bool, (B, T), optional
        Frames of the label that count; the rest may hold anything.
    rate_hz : float
        Frames per second; only used for the lag.
    lag_s : float
        Lags of up to this many seconds either way are tried and the best counts, for labels whose delay is unknown
        (:data:`LAG_S` is usual). The ends of the prediction, this long, are then not judged: every lag is judged on
        the same frames of it.

    Returns
    -------
    Tensor, (B,)
        0 to 2; 1 for a flat prediction; 0 without gradient where the label has no pulse.

    Raises
    ------
    UsageError
        If shapes differ, or the clip is too short for the lag.
    """
    _same(prediction, pulse)
    prediction = full(prediction)
    counts = torch.isfinite(pulse) if valid is None else torch.isfinite(pulse) & valid
    label = torch.where(counts, whole(pulse).to(prediction), 0.0)
    weights = counts.to(prediction)
    reach = round(lag_s * rate_hz)
    if reach:
        if pulse.shape[1] < 4 * reach:
            raise UsageError(
                f"Clips of {pulse.shape[1]} frames are too short to try lags of {reach} frames.",
                f"Give at least {4 * reach} frames, or a smaller lag_s.",
            )
        size = pulse.shape[1] - 2 * reach
        prediction = prediction[:, None, reach : reach + size]
        label, weights = label.unfold(1, size, 1), weights.unfold(1, size, 1)  # (B, lags, size)
    r = correlation(prediction, label, weights)
    beats = _moves(label, weights)
    if reach:
        r = torch.where(beats, r, -2.0).amax(1)
        beats = beats.any(1)
    return torch.where(beats, 1 - r, 0.0)


def _moves(label: Tensor, weights: Tensor) -> Tensor:
    """Whether a label has a pulse in at least half of its frames."""
    share = weights / weights.sum(-1, keepdim=True).clamp(min=1)
    centred = label - (share * label).sum(-1, keepdim=True)
    moves = (share * centred.square()).sum(-1) > STILL**2
    return moves & (weights.mean(-1) >= 0.5)


def spectrum(wave: Tensor, rates: Tensor, rate_hz: float) -> Tensor:
    """Return the power of waves (B, T), Hann window, mean removed, at the given rates per minute: (B, rates).

    Evaluated where it is asked for, so the grid may be as fine as one likes whatever the clip's length.
    """
    wave, count = full(wave), wave.shape[1]
    time = torch.arange(count, dtype=wave.dtype, device=wave.device)
    window = torch.sin(math.pi * (time + 0.5) / count) ** 2
    windowed = (wave - wave.mean(1, keepdim=True)) * window
    phase = 2 * math.pi * time[:, None] * (rates.to(wave) / 60 / rate_hz)
    with torch.autocast(wave.device.type, enabled=False):
        return (windowed @ phase.cos()).square() + (windowed @ phase.sin()).square()


def spectral_cross_entropy(
    prediction: Tensor,
    heart_rate: Tensor,
    *,
    rate_hz: float = 30.0,
    spread: float = 3.0,
    band: tuple[float, float] = BAND_PER_MINUTE,
) -> Tensor:
    """Cross-entropy between the prediction's spectrum, taken as a distribution over rates, and a bell at the truth.

    After the rate-classification losses of Niu et al. (RhythmNet, 2020) and Yu et al. (PhysFormer, 2022), with a bell
    in the place of one bin.

    Parameters
    ----------
    prediction : Tensor, (B, T)
    heart_rate : Tensor, (B,)
        True rates per minute; NaN where there is none.
    rate_hz : float
        Frames per second.
    spread : float
        Standard deviation of the bell, per minute. ASSUMED 3.
    band : (float, float)
        Lowest and highest rate considered, per minute, in steps of one.

    Returns
    -------
    Tensor, (B,)
        0 without gradient where the rate is unknown or outside the band; log(number of rates) for a flat spectrum.
        The least possible is not 0 but that of a line as sharp as the clip's length allows.
    """
    prediction = full(prediction)
    rates, beats, centre = _rates(prediction, heart_rate, band)
    power = spectrum(prediction, rates, rate_hz) + _flat(prediction)
    share = power / power.sum(1, keepdim=True)
    bell = functional.softmax(-0.5 * ((rates - centre[:, None]) / spread) ** 2, 1)
    return torch.where(beats, -(bell * share.log()).sum(1), 0.0)


def snr_loss(
    prediction: Tensor,
    heart_rate: Tensor,
    *,
    rate_hz: float = 30.0,
    near_hz: float = NEAR_HZ,
    band: tuple[float, float] = BAND_PER_MINUTE,
) -> Tensor:
    """log(1 + 1 / SNR): what share of the power in band lies at the true rate and its double.

    The SNR of de Haan and Jeanne (2013), as the rPPG-Toolbox computes it, within a band; -log of signal over signal
    and noise is bounded below and does not run away once noise is small. Lines are no narrower than 1 / duration,
    which is what a Hann window can resolve.

    Parameters
    ----------
    prediction : Tensor, (B, T)
    heart_rate : Tensor, (B,)
        True rates per minute; NaN where there is none.
    rate_hz : float
        Frames per second.
    near_hz : float
        Half width of a line, Hz.
    band : (float, float)
        Rates considered, per minute; the double of the rate counts as far as it lies within.

    Returns
    -------
    Tensor, (B,)
        At least 0; log(width of the band / width of the lines) for a flat spectrum; 0 without gradient where the rate
        is unknown or outside the band.
    """
    prediction = full(prediction)
    rates, beats, centre = _rates(prediction, heart_rate, band)
    power = spectrum(prediction, rates, rate_hz) + _flat(prediction)
    width = 60 * max(near_hz, rate_hz / prediction.shape[1])
    near = ((rates - centre[:, None]).abs() <= width) | ((rates - 2 * centre[:, None]).abs() <= width)
    return torch.where(beats, (power.sum(1) / (power * near).sum(1)).log(), 0.0)


def supervised(
    prediction: Tensor,
    pulse: Tensor,
    heart_rate: Tensor,
    wanted: Collection[str],
    *,
    rate_hz: float = 30.0,
    lag_s: float = 0.0,
) -> dict[str, Tensor]:
    """Return the losses that labels alone allow, each the mean over the clips that have one.

    Parameters
    ----------
    prediction, pulse : Tensor, (B, T)
        What was said, what is true.
    heart_rate : Tensor, (B,)
        True rates per minute; NaN where there is none.
    wanted : collection of str
        Of :data:`SUPERVISED`; other names are passed over, and what is not wanted is not computed.
    rate_hz, lag_s : float
        As for :func:`negative_pearson`.

    Returns
    -------
    dict of str to Tensor, ()
        ``pearson``, 1 - r. ``mse``, the squared difference to the standardised pulse; the prediction is taken as it
        is, since with both standardised it would be 2 (1 - r) once more. ``spectrum``, the cross-entropy of the
        spectrum, over clips whose rate lies within :data:`BAND_PER_MINUTE`.
    """
    beats = has_pulse(pulse)
    found: dict[str, Tensor] = {}
    if "pearson" in wanted:
        found["pearson"] = batch_mean(negative_pearson(prediction, pulse, rate_hz=rate_hz, lag_s=lag_s), beats)
    if "mse" in wanted:
        _same(prediction, pulse)
        prediction = full(prediction)
        label = standardised(whole(pulse).to(prediction))
        found["mse"] = batch_mean((prediction - label).square().mean(1), beats)
    if "spectrum" in wanted:
        _, known, _ = _rates(full(prediction), heart_rate, BAND_PER_MINUTE)
        entropy = spectral_cross_entropy(prediction, heart_rate, rate_hz=rate_hz)
        found["spectrum"] = batch_mean(entropy, beats & known)
    return found


def _flat(wave: Tensor) -> float:
    """Return the power at any rate of white noise with a spread of :data:`FLOOR`: what a flat wave is taken for."""
    return FLOOR**2 * 0.375 * wave.shape[1]


def _rates(prediction: Tensor, heart_rate: Tensor, band: tuple[float, float]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the grid (R,), whether a clip's rate lies on it (B,), and the rate, or any other where not (B,)."""
    if prediction.ndim != 2 or heart_rate.shape != prediction.shape[:1]:
        raise UsageError(
            f"Waves {tuple(prediction.shape)} and rates {tuple(heart_rate.shape)} were given.",
            "Give (B, T) and (B,).",
        )
    low, high = band
    if not 0 < low < high:
        raise UsageError(f"The band is {low} to {high} per minute.", "Give two rates above 0, the lower first.")
    rates = torch.arange(low, high + 0.5, dtype=prediction.dtype, device=prediction.device)
    heart_rate = heart_rate.to(prediction)
    beats = (heart_rate >= low) & (heart_rate <= high)
    return rates, beats, torch.where(beats, heart_rate, low)


def _same(prediction: Tensor, pulse: Tensor) -> None:
    if prediction.shape != pulse.shape or prediction.ndim != 2:
        raise UsageError(
            f"A prediction {tuple(prediction.shape)} and a pulse {tuple(pulse.shape)} were given.",
            "Give two of (B, T).",
        )
