"""Everything the student is told, term by term. PhysVLM-style, RECONSTRUCTED: no formula of the paper could be read.

Named terms, each a scalar: the mean over the clips of the batch, where a clip that a term does not concern counts 0
and has no gradient. :data:`WEIGHTS` are theirs; those in :data:`RAMPED` grow from 0 while learning goes on. The
relations to a teacher compare clips with one another, and its weights are shares of a batch; no other
term mixes clips.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from perfuse.nn.losses import correlation, full, has_pulse, negative_pearson, spectrum, whole
from perfuse.papers.physvlm import spectra
from perfuse.papers.physvlm.model import Seen
from perfuse.papers.physvlm.priors import Prior, Words
from perfuse.papers.physvlm.reading import POPULATIONS

BANDS = POPULATIONS["all"]
SIGN = 0.25
"""How much the sign of breathing counts, of its size. ASSUMED."""
PULSE_RATES = (40.0, 240.0, 1.0)
BREATH_RATES = (6.0, 90.0, 0.5)
"""Rates per minute of the spectral cross-entropy: lowest, highest, step."""
WEIGHTS: Mapping[str, float] = {
    "pulse": 1.0,
    "respiration": 1.0,
    "heart_rate": 0.1,
    "respiratory_rate": 0.1,
    "pulse_line": 0.2,
    "breath_line": 0.2,
    "embedding": 0.5,
    "relations": 0.5,
    "pulse_words": 0.125,
    "breath_words": 0.125,
    "pulse_rhythm": 0.125,
    "breath_rhythm": 0.125,
    "pulse_lost": 0.5,
    "breath_lost": 0.5,
    "pulse_strayed": 0.5,
    "breath_strayed": 0.5,
    "pulse_agrees": 0.1,
    "breath_agrees": 0.1,
    "coupling": 0.1,
    "gates": 0.05,
    "view": 0.01,
}
"""Of all terms. ASSUMED."""
RAMPED = frozenset(WEIGHTS) - {"pulse", "respiration", "pulse_line", "breath_line"}
"""What grows: everything that needs a wave first."""
TAUGHT = frozenset({"embedding", "relations", "pulse_words", "breath_words", "pulse_rhythm", "breath_rhythm"})
"""What needs a teacher."""


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What is known of B clips.

    Attributes
    ----------
    pulse, respiration : Tensor, (B, T)
        Still, or with a NaN, where unknown.
    heart_rate, respiratory_rate : Tensor, (B,)
        Per minute; NaN where unknown.
    beats, breathes : Tensor, bool, (B,)
        False where there is nothing to find, or nothing is to be asked: such clips teach nothing of it. A clip whose
        label is unknown still has a pulse, and may be asked for a clean one.
    adult : Tensor, bool, (B,)
        False where breathing hardly moves the pulse, as in the newborn.
    """

    pulse: Tensor
    respiration: Tensor
    heart_rate: Tensor
    respiratory_rate: Tensor
    beats: Tensor
    breathes: Tensor
    adult: Tensor


def ramp(done: float) -> float:
    """Return how far ramped terms count when ``done`` of all steps, 0 to 1, lie behind: 0 to 1.

    2 / (1 + exp(-10 done)) - 1, as in PhysMLE (Wang et al., TPAMI 2025).
    """
    return 2 / (1 + math.exp(-10 * done)) - 1


def weights_at(weights: Mapping[str, float], done: float) -> dict[str, float]:
    """Return the weights when ``done`` of all steps lie behind."""
    share = ramp(done)
    return {name: weight * (share if name in RAMPED else 1.0) for name, weight in weights.items()}


def supervised(said: Mapping[str, Tensor], labels: Labels) -> dict[str, Tensor]:
    """Return what labels teach: ``pulse``, 1 - r; ``respiration``, :func:`upside_down`; rates, errors per minute.

    Each is divided by how many of the four a clip has, so that a clip with one label weighs as much as one with all.
    """
    errors = {
        "pulse": negative_pearson(said["pulse"], labels.pulse),
        "respiration": upside_down(negative_pearson(said["respiration"], labels.respiration)),
        "heart_rate": (said["heart_rate"] - whole(labels.heart_rate)).abs(),
        "respiratory_rate": (said["respiratory_rate"] - whole(labels.respiratory_rate)).abs(),
    }
    known = {
        "pulse": has_pulse(labels.pulse) & labels.beats,
        "respiration": has_pulse(labels.respiration) & labels.breathes,
        "heart_rate": torch.isfinite(labels.heart_rate) & labels.beats,
        "respiratory_rate": torch.isfinite(labels.respiratory_rate) & labels.breathes,
    }
    active = torch.stack(list(known.values())).sum(0).clamp(min=1)
    return {name: _mean(error / active, known[name]) for name, error in errors.items()}


def upside_down(loss: Tensor) -> Tensor:
    """Return 1 - r (B,) as it counts for breathing: 0 for r = 1, 1 for 0, and 0.4 for -1.

    What moves with breath is brighter or darker than what it covers, so that the sign of the wave is hard to see, and
    often cannot be.
    """
    r = 1 - loss
    return 1 - (r.abs() + SIGN * r) / (1 + SIGN)


def line(
    wave: Tensor, rate: Tensor, asked: Tensor, grid: tuple[float, float, float], spread: float, rate_hz: float
) -> Tensor:
    """Return the cross-entropy between a wave's spectrum over rates per minute and a bell at the true one."""
    low, high, step = grid
    rates = torch.arange(low, high + step / 2, step, dtype=full(wave).dtype, device=wave.device)
    power = spectrum(wave, rates, rate_hz)
    logits = (power / power.mean(1, keepdim=True).clamp(min=1e-12) + 1e-6).log()
    bell = torch.softmax(-0.5 * ((rates - whole(rate)[:, None]) / spread) ** 2, 1)
    known = asked & (rate >= low) & (rate <= high)
    return _mean(-(bell * torch.log_softmax(logits, 1)).sum(1), known)


def distilled(
    embedding: Tensor, seen: Seen, grids: tuple[Tensor, Tensor], prior: Prior, words: Words
) -> dict[str, Tensor]:
    """Return what a teacher teaches; the two rhythms only to a student with attention.

    Parameters
    ----------
    embedding : Tensor, (B, D)
        The student's, of unit length.
    seen : Seen
        Of the student.
    grids : (Tensor, Tensor)
        Hz, of the rhythms of pulse and breathing.
    prior : Prior
        What the teacher said of these clips.
    words : Words
        Its captions.
    """
    weight = prior.weight / prior.weight.sum().clamp(min=1e-6)

    def weighed(loss: Tensor) -> Tensor:
        return (weight * loss).sum()

    told_pulse, told_breath = words.posteriors(embedding)
    trusted = prior.weight > 0
    mates = trusted[:, None] & trusted
    alike = (embedding @ embedding.T - prior.embedding @ prior.embedding.T).square()
    found = {
        "embedding": weighed(1 - (embedding * prior.embedding).sum(1)),
        "relations": torch.where(mates, alike, 0.0).sum() / len(alike) ** 2,
        "pulse_words": weighed(spectra.divergence(prior.pulse, told_pulse)),
        "breath_words": weighed(spectra.divergence(prior.breath, told_breath)),
    }
    if seen.pulse is not None and seen.breath is not None:
        wanted = words.splatted(prior.pulse, "pulse", grids[0]), words.splatted(prior.breath, "breath", grids[1])
        found["pulse_rhythm"] = weighed(spectra.divergence(wanted[0], seen.pulse.rhythm))
        found["breath_rhythm"] = weighed(spectra.divergence(wanted[1], seen.breath.rhythm))
    return found


def consistent(said: Mapping[str, Tensor], seen: Seen, labels: Labels, rate_hz: float = 30.0) -> dict[str, Tensor]:
    """Return what the two tasks ask of one another.

    Returns
    -------
    dict
        ``pulse_lost`` and ``breath_lost``, the share of a wave's power away from its rate (the pulse's may also lie
        at the double), beyond what the label's own loses; ``pulse_strayed`` and ``breath_strayed``, the share at the
        other's rate (at the pulse's double too), as far as the rates can be told apart; ``pulse_agrees`` and
        ``breath_agrees``, whether wave and scalar head tell one rate; ``coupling``, whether the pulse's strength
        moves as breathing does, in adults; ``gates``, whether the two tasks opened the same octaves.
    """
    pulse, breath = spectra.shares(said["pulse"]), spectra.shares(said["respiration"])
    hertz = spectra.lines(said["pulse"], rate_hz)
    width = rate_hz / said["pulse"].shape[1]
    peak_pulse = spectra.soft_peak(pulse, hertz, BANDS.pulse_hz)
    peak_breath = spectra.soft_peak(breath, hertz, BANDS.breath_hz)
    beat, lung = _rate(labels.heart_rate, peak_pulse), _rate(labels.respiratory_rate, peak_breath)
    both, clear = labels.beats & labels.breathes, spectra.apart(beat, lung, width)
    lost_pulse = spectra.lost(pulse, hertz, beat, width, double=True) - _floor(labels.pulse, hertz, beat, width, True)
    lost_breath = spectra.lost(breath, hertz, lung, width, double=False) - _floor(
        labels.respiration, hertz, lung, width, False
    )
    alike = functional.cosine_similarity(seen.gates_pulse.mean(1) - 1, seen.gates_breath.mean(1) - 1, dim=1)
    return {
        "pulse_lost": _mean(lost_pulse.clamp(min=0), labels.beats),
        "breath_lost": _mean(lost_breath.clamp(min=0), labels.breathes),
        "pulse_strayed": _mean(clear * spectra.strayed(pulse, hertz, lung, width, double=False), both),
        "breath_strayed": _mean(clear * spectra.strayed(breath, hertz, beat, width, double=True), both),
        "pulse_agrees": _mean(_apart(60 * peak_pulse / 10, said["heart_rate"] / 10), labels.beats),
        "breath_agrees": _mean(_apart(60 * peak_breath / 5, said["respiratory_rate"] / 5), labels.breathes),
        "coupling": coupling(said, labels, rate_hz),
        "gates": _mean(alike.clamp(min=0), both),
    }


def coupling(said: Mapping[str, Tensor], labels: Labels, rate_hz: float = 30.0) -> Tensor:
    """Return how differently the pulse's strength and breathing move, where its strength moves with one rhythm."""
    strength = spectra.shares(spectra.envelope(said["pulse"], rate_hz, BANDS.pulse_hz))
    breath = spectra.shares(said["respiration"])
    inside = spectra.within(spectra.lines(said["pulse"], rate_hz), BANDS.breath_hz)
    strength, breath = (x[:, inside] / x[:, inside].sum(1, keepdim=True) for x in (strength, breath))
    # 0 for an even spectrum, 1 for one bin: noise on the strength is no breathing
    sure = 1 + (strength * strength.clamp(min=1e-9).log()).sum(1) / math.log(strength.shape[1])
    asked = labels.beats & labels.breathes & labels.adult
    return _mean(sure.detach().clamp(0, 1) * spectra.difference(strength, breath), asked)


def same_view(said: Mapping[str, Tensor], other: Mapping[str, Tensor], labels: Labels) -> Tensor:
    """Return how differently two views of the same clips are read, after GAP (IJCV 2026)."""
    rates = (said["heart_rate"] - other["heart_rate"]).abs() / 10 * labels.beats
    rates = rates + (said["respiratory_rate"] - other["respiratory_rate"]).abs() / 5 * labels.breathes
    waves = spectra.divergence(spectra.shares(said["pulse"]), spectra.shares(other["pulse"])) * labels.beats
    return (rates + waves).mean()


def objective(
    said: Mapping[str, Tensor],
    seen: Seen,
    labels: Labels,
    *,
    rate_hz: float = 30.0,
    taught: Mapping[str, Tensor] | None = None,
    other: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Return all terms that can be had, and for the log ``r_pulse`` and ``r_respiration``, mean correlations.

    Parameters
    ----------
    said, seen
        Of the student, :meth:`perfuse.papers.physvlm.model.Student.features`.
    labels : Labels
        What is known.
    rate_hz : float
        Samples per second.
    taught : mapping, optional
        Of :func:`distilled`, where there is a teacher.
    other : mapping, optional
        What the student said of another view of the same clips.
    """
    told = supervised(said, labels)
    told["pulse_line"] = line(said["pulse"], labels.heart_rate, labels.beats, PULSE_RATES, 2.0, rate_hz)
    told["breath_line"] = line(
        said["respiration"], labels.respiratory_rate, labels.breathes, BREATH_RATES, 1.0, rate_hz
    )
    told |= consistent(said, seen, labels, rate_hz)
    told |= taught or {}
    if other is not None:
        told["view"] = same_view(said, other, labels)
    for name, label in (("pulse", labels.pulse), ("respiration", labels.respiration)):
        moves = has_pulse(label)
        r = correlation(full(said[name]), whole(label).to(full(said[name])))
        told[f"r_{name}"] = (torch.where(moves, r, 0.0).sum() / moves.sum().clamp(min=1)).detach()
    return told


def _mean(loss: Tensor, asked: Tensor) -> Tensor:
    """Return the mean over the batch of losses (B,), 0 where not asked."""
    return torch.where(asked, loss, 0.0).mean()


def _rate(label: Tensor, peak: Tensor) -> Tensor:
    """Return rates in Hz: the label's, or where it has none that of the wave itself, which then has no gradient."""
    return torch.where(torch.isfinite(label), whole(label).to(peak) / 60, peak.detach())


def _floor(label: Tensor, hertz: Tensor, rate: Tensor, width: float, double: bool) -> Tensor:
    """Return what the label itself loses, 0 where there is none: a real pulse is no pure tone."""
    share = spectra.shares(whole(label).to(rate))
    return torch.where(has_pulse(label), spectra.lost(share, hertz, rate, width, double=double), 0.0)


def _apart(one: Tensor, other: Tensor) -> Tensor:
    return functional.smooth_l1_loss(one, other, reduction="none")
