"""FactorizePhys (Joshi, Agaian, Cho, NeurIPS 2024): 3-D convolutions over normalised frame differences.

Layer sizes, kernels and the order of operations are those of the checkpoints of the rPPG-Toolbox
(``*_FactorizePhys_FSAM_Res.pth``, 52,168 numbers) and of its configuration: raw 72 x 72 faces, 160 frames, the
factorised attention used in training and left out in inference (``MD_FSAM: False``): its part is
:mod:`perfuse.papers.rpm_distill.student`'s, of which this is an independent check.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

FEATURES = ((3, 8, 1), (8, 12, 2), (12, 12, 1), (12, 12, 1), (12, 16, 2), (16, 16, 1))
"""Channels in, channels out and stride in space of the layers that find the face's embedding."""

NAMES = {
    "module.": "",
    "rppg_feature_extractor.FeatureExtractor.": "features.",
    "rppg_head.conv_block.": "head.",
    "rppg_head.fsam.pre_conv_block.0.": "attention.enter.",
    "rppg_head.fsam.post_conv_block.0.conv.": "attention.middle.",
    "rppg_head.fsam.post_conv_block.1.": "attention.leave.",
    "rppg_head.final_layer.": "pulse.",
    ".conv_block_3d.0.": ".",
    "features.4.": "features.3.",
    "features.5.": "features.4.",
    "features.6.": "features.5.",
}
"""How names in the checkpoint become names here, applied in this order (dropout held number 3)."""


class Attention(nn.Module):
    """What the checkpoints hold of the attention, which the published inference does not ask."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv3d(16, 8, 1)
        self.middle = nn.Conv3d(8, 8, 1, bias=False)
        self.leave = nn.Conv3d(8, 16, 1, bias=False)


class FactorizePhys(nn.Module):
    """Faces (B, 3, T, 72, 72), any linear scale, to the pulse (B, T - 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.ModuleList(_convolution(*sizes) for sizes in FEATURES)
        self.features[0].padding = (1, 1, 1)
        self.head = nn.ModuleList(_convolution(16, 16) for _ in range(3))
        self.attention = Attention()
        self.pulse = nn.ModuleList([_convolution(16, 12), _convolution(12, 8), _convolution(8, 1)])

    def forward(self, clip: Tensor) -> Tensor:
        """Return the pulse, as blood volume, of every step from one frame to the next."""
        x = functional.instance_norm(clip.diff(dim=2))
        for layer in (*self.features, *self.head):
            x = functional.instance_norm(layer(x).tanh())
        for layer in self.pulse[:2]:
            x = functional.instance_norm(layer(x).tanh())
        return self.pulse[2](x).mean(dim=(1, 3, 4))


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv3d:
    return nn.Conv3d(inputs, outputs, 3, (1, stride, stride), padding=(1, 0, 0), bias=False)
