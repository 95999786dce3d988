"""PhysNet (Yu, Li, Zhao, BMVC 2019), the 3-D encoder and decoder, as the rPPG-Toolbox trained it.

768,577 parameters. The checkpoint ``PURE_PhysNet_DiffNormalized.pth`` eats normalised frame differences of 72 x 72
faces, 128 at a time, and answers with the slope of the pulse.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (3, 16, 32, 64, 64, 64, 64, 64, 64, 64)
POOLS = {0: (1, 2, 2), 2: (2, 2, 2), 4: (2, 2, 2), 6: (1, 2, 2)}
"""After which layers space and time are halved, by maximum."""

NAMES = {
    **{f"ConvBlock{number}.{part}.": f"encoder.{number - 1}.{part}." for number in range(1, 10) for part in (0, 1)},
    "upsample.": "decoder.0.",
    "upsample2.": "decoder.1.",
    "ConvBlock10.": "pulse.",
}
"""How names in the checkpoint become names here."""


class PhysNet(nn.Module):
    """Normalised differences (B, 3, T, H, W) to the slope of the pulse (B, T); T divisible by 4."""

    def __init__(self) -> None:
        super().__init__()
        first = nn.Conv3d(CHANNELS[0], CHANNELS[1], (1, 5, 5), padding=(0, 2, 2))
        others = [nn.Conv3d(one, two, 3, padding=1) for one, two in pairwise(CHANNELS[1:])]
        self.encoder = nn.ModuleList(
            nn.Sequential(layer, nn.BatchNorm3d(layer.out_channels), nn.ReLU()) for layer in (first, *others)
        )
        self.decoder = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose3d(64, 64, (4, 1, 1), stride=(2, 1, 1), padding=(1, 0, 0)),
                nn.BatchNorm3d(64),
                nn.ELU(),
            )
            for _ in range(2)
        )
        self.pulse = nn.Conv3d(64, 1, 1)

    def forward(self, clip: Tensor) -> Tensor:
        """Return one number a frame."""
        x = clip
        for number, layer in enumerate(self.encoder):
            x = layer(x)
            if number in POOLS:
                x = functional.max_pool3d(x, POOLS[number])
        for layer in self.decoder:
            x = layer(x)
        return self.pulse(x.mean(dim=(3, 4), keepdim=True)).flatten(1)
