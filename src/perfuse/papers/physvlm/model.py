"""The student: a grid of skin colours in, pulse and breathing and their rates out. PhysVLM-style, RECONSTRUCTED.

Of PhysVLM (Gao et al., IEEE Transactions on Instrumentation and Measurement, 2026) only the abstract could be read:
a visual-only student for pulse and breathing, with a wavelet temporal block and frequency-aligned spatial attention,
taught by a vision-language model. Layers, sizes and orders here are ours, made to fit that.

Features are (B, C, T, places): four axes, so that every convolution is one of pictures, the kind runtimes are fastest
at.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError
from perfuse.nn.fourier import exporting
from perfuse.papers.physvlm.attention import Focus, FrequencyAttention
from perfuse.papers.physvlm.cells import NORMS, SIDE, prepared
from perfuse.papers.physvlm.reading import POPULATIONS
from perfuse.papers.physvlm.wavelet import (
    GATES_BREATH,
    GATES_PULSE,
    SHORTEST,
    Norm,
    Plain,
    Wavelet,
    octaves,
    opened,
)

RISES = 6
"""Channel of what the first layer sees that holds :func:`perfuse.papers.physvlm.cells.rising`."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the student saw on its way: teachers and losses look at this, exported networks leave it out.

    Attributes
    ----------
    told : Tensor, (B, 2 C)
        Pooled features of pulse and breathing; a :class:`Projection` makes the embedding of it.
    pulse, breath : Focus or None
        What the two attentions found; None in a student without.
    gates_pulse, gates_breath : Tensor, (B, C, octaves + 1)
        Of the two wavelet blocks, 0 to 2; 1 in a student without.
    """

    told: Tensor
    pulse: Focus | None
    breath: Focus | None
    gates_pulse: Tensor
    gates_breath: Tensor


class Student(nn.Module):
    """Maps clips (B, 3, T, 8, 8), 0..255, T at least 128, to a dict of outputs.

    Cells that hold a NaN, or do not move, are not looked at.

    Parameters
    ----------
    channels : int
        Width; 48 has 0.14 million parameters, 16 has 0.02.
    rate_hz : float
        Samples per second; also decides the number of octaves.
    norm : {"z", "minmax"}
        How each cell's trace is brought to one scale.
    wavelets : bool
        Whether there are wavelet blocks; without, filters of a second take their place.
    attention : bool
        Whether there is frequency-aligned attention; without, nothing takes its place.
    projected : bool
        Whether it is shown POS of every cell and those about it, as teachers are.
    """

    def __init__(
        self,
        channels: int = 48,
        *,
        rate_hz: float = 30.0,
        norm: str = "z",
        wavelets: bool = True,
        attention: bool = True,
        projected: bool = True,
    ) -> None:
        super().__init__()
        if norm not in NORMS:
            raise UsageError(f"Cells cannot be normalised by {norm!r}.", f"Available: {', '.join(NORMS)}.")
        if channels < 4 or rate_hz < 10:
            raise UsageError(
                f"A student of {channels} channels at {rate_hz:g} Hz was asked for.",
                "Give 4 channels or more, and 10 Hz or more.",
            )
        self.rate_hz, self.norm, self.projected = rate_hz, norm, projected
        levels, bands = octaves(rate_hz), POPULATIONS["all"]
        self.first = nn.Sequential(
            nn.Conv2d(7 + projected, channels, (5, 1), padding=(2, 0)), Norm(channels), nn.GELU()
        )
        self.second = nn.Sequential(nn.Conv2d(channels, channels, (1, 4), (1, 4)), Norm(channels), nn.GELU())
        self.attention = attention

        def block(gates: tuple[float, ...] | None = None) -> Wavelet | Plain:
            start = None if gates is None else opened(gates, levels)
            return Wavelet(channels, levels, start) if wavelets else Plain(channels, levels, rate_hz)

        self.shared = nn.ModuleList(block() for _ in range(2))
        self.octaves_pulse, self.octaves_breath = block(GATES_PULSE), block(GATES_BREATH)
        if attention:
            both = (bands.breath_hz[0], bands.pulse_hz[1])
            self.look = FrequencyAttention(channels, both, 0.3, rate_hz=rate_hz, floor=0.3)
            self.look_pulse = FrequencyAttention(
                channels, bands.pulse_hz, 0.12, rate_hz=rate_hz, harmonic=0.5, centre_hz=1.6
            )
            self.look_breath = FrequencyAttention(channels, bands.breath_hz, 0.06, rate_hz=rate_hz, centre_hz=0.4)
        self.wave_pulse, self.wave_breath = _wave(channels), _wave(channels)
        self.count_pulse, self.count_breath = _count(channels), _count(channels)

    def forward(self, clip: Tensor) -> dict[str, Tensor]:
        """Return what is measured.

        Returns
        -------
        dict
            ``pulse``, ``respiration`` (B, T), rising with blood volume and with lung volume; ``heart_rate``,
            ``respiratory_rate`` (B,), per minute, of the scalar heads; ``attention`` (B, 8, 8), where the pulse was
            read, sum 1, in a student that has attention.

        Raises
        ------
        UsageError
            If the clip is no grid of 8 x 8, or too short.
        """
        return self.features(clip)[0]

    def features(self, clip: Tensor) -> tuple[dict[str, Tensor], Seen]:
        """Return what is measured, and what was seen on the way; always in 32 bits: spectra need the digits."""
        _check(clip)
        if exporting():
            return self._run(clip)
        with torch.autocast(clip.device.type, enabled=False):
            return self._run(clip.float())

    def _run(self, clip: Tensor) -> tuple[dict[str, Tensor], Seen]:
        cells, alive = prepared(clip, self.norm, self.rate_hz if self.projected else None)
        x = self.second(self.first(cells))
        for block in self.shared:
            x = block(x)[0]
        if self.attention:
            x, _ = self.look(x, alive)
        pulse, gates_pulse = self.octaves_pulse(x)
        breath, gates_breath = self.octaves_breath(x)
        found = below = None
        if self.attention:
            pulse, found = self.look_pulse(pulse, alive)
            breath, below = self.look_breath(breath, alive, (found.rhythm, self.look_pulse.grid))
        told_pulse, told_breath = _strength(pulse), _strength(breath)
        said = {
            "pulse": self.wave_pulse(pulse.mean(3))[:, 0],
            "respiration": turned(self.wave_breath(breath.mean(3))[:, 0], cells[:, RISES]),
            "heart_rate": 100 + 50 * self.count_pulse(told_pulse)[:, 0],
            "respiratory_rate": 25 + 15 * self.count_breath(told_breath)[:, 0],
        }
        if found is not None:
            said["attention"] = _cells(found.places)
        told = torch.cat([told_pulse, told_breath], 1)
        return said, Seen(told, found, below, gates_pulse, gates_breath)


class Projection(nn.Module):
    """The student's embedding, in a teacher's space: used in training only, no part of the student.

    Parameters
    ----------
    channels : int
        The student's.
    dim : int
        The teacher's.
    """

    def __init__(self, channels: int = 48, dim: int = 512) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.LayerNorm(2 * channels), nn.Linear(2 * channels, 256), nn.GELU(), nn.Linear(256, dim)
        )

    def forward(self, told: Tensor) -> Tensor:
        """Return unit vectors (B, dim) of :attr:`Seen.told`."""
        return functional.normalize(self.mix(told), dim=1)


def turned(wave: Tensor, rises: Tensor) -> Tensor:
    """Turn waves of breathing (B, T) upside down where they fall with what rises, (B, T, 64).

    A network finds the rhythm of what moves long before its sign; a clip by itself has the sign in plain sight.
    """
    agreed = (rises * (wave - wave.mean(1, keepdim=True))[:, :, None]).sum(2).sum(1)
    return torch.where(agreed[:, None] < 0, -wave, wave)


def _wave(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(channels, channels, 5, padding=2), nn.GELU(), nn.Conv1d(channels, 1, 1))


def _count(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, 1))


def _strength(x: Tensor) -> Tensor:
    """Return how much each channel of (B, C, T, R) changes in time, mean over places, (B, C)."""
    centred = x - x.mean(2, keepdim=True)
    return (centred.square().mean(2) + 1e-8).sqrt().mean(2)


def _cells(places: Tensor) -> Tensor:
    """Spread the attention of 4 x 4 regions, mean 1, over 8 x 8 cells, sum 1."""
    return places.repeat_interleave(2, 1).repeat_interleave(2, 2) / SIDE**2


def _check(clip: Tensor) -> None:
    if clip.ndim != 5 or clip.shape[1] != 3 or tuple(clip.shape[3:]) != (SIDE, SIDE):
        raise UsageError(f"Clips of shape {tuple(clip.shape)} were given.", f"Give (B, 3, T, {SIDE}, {SIDE}).")
    if exporting():
        # or no slice of a free length has a known size
        torch._check(clip.shape[2] >= SHORTEST)  # type: ignore[no-untyped-call]
    elif clip.shape[2] < SHORTEST:
        raise UsageError(f"Clips of {clip.shape[2]} samples were given.", f"Give {SHORTEST} samples or more.")
