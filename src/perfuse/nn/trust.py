"""When to believe a network: a small judge outside of it, into which gradients lead and out of which none does.

It is ours, and no part of any paper; any network may have one. A wave of nothing may be as fine as one of blood. What
tells them apart is where it comes from: blood has a colour and is in skin alone, a lamp shines on the wall as well,
and a nod is strongest at edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.nn.losses import correlation, full, spectrum, standardised, whole
from perfuse.nn.traces import moving
from perfuse.synth.batch import Batch

SIDE = 6
"""Fields a side that a picture is averaged to; a grid of cells stays as it is. ASSUMED."""
ALIKE = 0.6
"""Breathing that follows the truth with this |r| counts as right: whoever counts breaths is told little by less."""
CLOSE = 5.0
"""An answer this near, per minute, counts as right."""
WIDTH = 24
SIGNS = 10
"""What :func:`_seen` tells."""
EPS = 1e-5
FAINT = 0.004
"""Power of a line, for a wave of unit spread and one sample: about a hundredth of white noise. Weaker lines of a wave
that is nearly all drift are none."""
LEAST = 0.1
"""Share of the strength of fields below which their sum counts as nothing: they cancel."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What is judged.

    Attributes
    ----------
    rates : tuple of float
        Per minute, first, end and step, at which waves are asked for their strongest line.
    slow_s : float or None
        What moves slower than this is light; None where all that moves may be the rhythm.
    """

    rates: tuple[float, float, float]
    slow_s: float | None


PULSE, BREATH = Rhythm((38.0, 231.0, 2.0), 2.0), Rhythm((5.0, 91.0, 1.0), None)
RATES = torch.arange(*PULSE.rates)
"""Beats a minute at which waves are asked for their strongest line."""


class Trust(nn.Module):
    """The logit of an answer being right.

    Parameters
    ----------
    levels : int
        Waves of the network, coarse to fine.
    tokens : int
        Channels of its tokens; 0 without any.
    rate_hz : float
        Samples per second.
    rhythm : Rhythm
        What is judged, the pulse by default.
    """

    def __init__(self, levels: int, tokens: int = 0, rate_hz: float = 30.0, rhythm: Rhythm = PULSE) -> None:
        super().__init__()
        self.rate_hz, self.rhythm = rate_hz, rhythm
        told = 4 * levels + SIGNS + 2 * tokens
        self.layers = nn.Sequential(nn.Linear(told, WIDTH), nn.ELU(), nn.Linear(WIDTH, 1))

    def forward(self, clip: Tensor, waves: list[Tensor], tokens: Tensor | None = None) -> Tensor:
        """Judge an answer.

        Parameters
        ----------
        clip : Tensor, (B, 3, T, H, W)
            Levels of 0 to 255.
        waves : list of Tensor, (B, T)
            What each level said; the last is the answer.
        tokens : Tensor, (B, T, C), optional

        Returns
        -------
        Tensor, (B,)
        """
        waves = [standardised(wave.detach()) for wave in waves]
        told = [_line(wave, self.rate_hz, self.rhythm) for wave in waves]
        told += [(wave * waves[-1]).mean(1, keepdim=True) for wave in waves]
        told.append(_seen(clip.detach(), waves[-1], self.rate_hz, self.rhythm.slow_s))
        if tokens is not None:
            tokens = tokens.detach()
            told += [tokens.mean(1), torch.log(tokens.var(1, correction=0) + EPS) / 4]
        logit: Tensor = self.layers(torch.cat(told, 1))
        return logit[:, 0]


def right(pulse: Tensor, batch: Batch) -> Tensor:
    """Tell which answers (B, T) are right, (B,) 0 or 1: their strongest line lies within :data:`CLOSE` of the truth.

    No answer is right where nothing beats.
    """
    with torch.no_grad():
        rates = RATES.to(pulse.device)
        read = rates[spectrum(pulse, rates, batch.rate_hz).argmax(1)]
        near: Tensor = (read - batch.heart_rate).abs() <= CLOSE  # NaN is near nothing
        return near.float()


def follows(breath: Tensor, label: Tensor) -> Tensor:
    """Tell which breathing (B, T) follows its label, either way up, (B,) 0 or 1; nothing follows a still label.

    Whether a chest that moves up is brighter is chance, and a count of breaths does not ask.
    """
    with torch.no_grad():
        alike: Tensor = correlation(full(breath), whole(label).to(full(breath))).abs() >= ALIKE
        return alike.float()


def _line(wave: Tensor, rate_hz: float, rhythm: Rhythm) -> Tensor:
    """Tell, (B, 3), how much power the strongest line holds, how evenly lines share it, and how rough the wave is."""
    power = spectrum(wave, torch.arange(*rhythm.rates), rate_hz) + FAINT * wave.shape[1]
    share = power / power.sum(1, keepdim=True)
    rough = (wave[:, 1:] - wave[:, :-1]).square().mean(1, keepdim=True)
    return torch.cat([10 * share.amax(1, keepdim=True), -(share * share.log()).sum(1, keepdim=True) / 4, rough], 1)


def _seen(clip: Tensor, wave: Tensor, rate_hz: float, slow_s: float | None) -> Tensor:
    """Tell, (B, SIGNS), where in the picture and in which colours the wave is."""
    fields = clip.clamp(min=0).transpose(1, 2).flatten(0, 1)  # (B T, 3, H, W)
    field = fields.shape[2] // SIDE, fields.shape[3] // SIDE
    if min(field) > 1:
        fields = functional.avg_pool2d(fields, field)
    levels = fields.flatten(2).view(clip.shape[0], clip.shape[2], 3, -1).permute(0, 2, 3, 1) + 2.0  # (B, 3, N, T)
    level = levels.mean(3, keepdim=True)
    change = torch.log1p((levels - level) / level)  # and not the log of a level, of which 32 bits keep too little
    fast = change - (change.mean(3, keepdim=True) if slow_s is None else moving(change, round(slow_s * rate_hz) // 2))
    size = (fast * wave[:, None, None]).mean(3)  # (B, 3, N): how much of the wave is in a field
    strength = size.square().sum(1).sqrt()  # (B, N)
    share = strength / (strength.sum(1, keepdim=True) + EPS)
    least = LEAST * (strength * share).sum(1, keepdim=True) + EPS  # of nothing, neither a colour nor a logarithm
    here, everywhere = (size * share[:, None]).sum(2), size.mean(2)
    total = here.square().sum(1, keepdim=True).sqrt() + least
    unrest = (fast.square().mean(3).sum(1) * share).sum(1, keepdim=True).sqrt() + EPS
    even = -(share * (share + EPS).log()).sum(1, keepdim=True)
    alike = here[:, 1:2].abs() / ((size[:, 1].square() * share).sum(1, keepdim=True).sqrt() + EPS)
    mean = everywhere.square().sum(1, keepdim=True).sqrt() + least
    grey = fields.mean((1, 2, 3)).view(clip.shape[0], -1).mean(1, keepdim=True) / 128
    green = everywhere[:, 1:2] / mean
    told = [here / total, total.log() + 6, total / unrest, even, alike, (mean / total).log(), green, grey]
    return torch.cat(told, 1)
