"""Small clips with a pulse planted in them: a face-coloured, textured spot that sways, under noise."""

import numpy as np
import torch

from perfuse.synth.batch import Batch

RATE = 30.0
SKIN, BLOOD = (170.0, 125.0, 105.0), (0.3, 1.0, 0.6)


def planted(rates, count=96, size=16, depth=1.0, seed=0):
    """Return a batch with these rates per minute; the pulse is ``depth`` levels of green, the noise 2 a pixel."""
    made, clips = torch.Generator().manual_seed(seed), len(rates)

    def drawn(*shape):
        return torch.rand(shape, generator=made)

    rates = torch.as_tensor(rates, dtype=torch.float32)
    t = torch.arange(count) / RATE
    pulse = torch.sin(2 * torch.pi * (rates[:, None] / 60 * t + drawn(clips, 1)))
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    sway = 0.1 * torch.sin(2 * torch.pi * ((0.2 + 0.5 * drawn(clips, 1)) * t + drawn(clips, 1)))
    x = x + sway[:, :, None, None]
    texture = 6 * torch.sin(9 * x + 6 * drawn(clips, 1, 1, 1)) * torch.cos(7 * y)
    face = torch.exp(-(((x / 0.8) ** 2 + (y / 0.9) ** 2) ** 3))
    skin, blood = (torch.tensor(c)[None, :, None, None, None] for c in (SKIN, BLOOD))
    clip = skin * (0.25 + 0.75 * face[:, None]) + texture[:, None]
    clip = clip - depth * blood * (face * pulse[:, :, None, None])[:, None]
    clip = clip + 2.0 * torch.randn(clip.shape, generator=made)
    return Batch(
        clip=clip.clamp(0, 255), pulse=pulse, contact=pulse, contact_valid=torch.ones_like(pulse, dtype=torch.bool),
        respiration=torch.zeros_like(pulse), radar=None, heart_rate=rates,
        respiratory_rate=torch.full((clips,), torch.nan), rate_hz=RATE, items=np.arange(clips), settings=(),
    )  # fmt: skip
