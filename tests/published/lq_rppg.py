"""LQ-rPPG (Lee, Noh, Sung, Myung, arXiv 2605.23174): from a coarse pulse to a fine one.

A stem of 2-D and 3-D convolutions makes 64 numbers a frame; four bidirectional state-space blocks refine them. After
each block a head guesses the pulse in a coarse code (2, 4, 8, 16 levels), whose soft value is fed back; a last head
answers in 32 levels. Inference only: the codebooks are five small files of their own. 405,453 parameters trained;
frames are standardised 128 x 128 faces, 160 at a time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

FRAMES = 160
WIDTH = 64
INNER = 128
STATES = 48
RANK = 4
STAGES = 4

NAMES = {
    "module.": "",
    "Fusion_Stem.stem11.": "stem.raw.",
    "Fusion_Stem.stem12.": "stem.steps.",
    "Fusion_Stem.stem21.": "stem.both.",
    "Fusion_Stem.stem22.": "stem.steps2.",
    "stem3.": "stem.volume.",
    "position_embedding": "position",
    **{f"mamba_{stage + 1}.0.x_norm.": f"stages.{stage}.norm." for stage in range(STAGES)},
    **{f"mamba_{stage + 1}.0.mamba.in_proj.": f"stages.{stage}.enter." for stage in range(STAGES)},
    **{f"mamba_{stage + 1}.0.mamba.out_proj.": f"stages.{stage}.leave." for stage in range(STAGES)},
    **{f"mamba_{stage + 1}.0.mamba.": f"stages.{stage}." for stage in range(STAGES)},
    ".A_log": ".onward.decay",
    ".A_b_log": ".backward.decay",
    ".D_b": ".backward.skip",
    ".D": ".onward.skip",
    **{f".{part}_b.": f".backward.{part}." for part in ("conv1d", "x_proj", "dt_proj")},
    **{
        f"stages.{stage}.{part}.": f"stages.{stage}.onward.{part}."
        for stage in range(STAGES)
        for part in ("conv1d", "x_proj", "dt_proj")
    },
    **{f"mamba{stage + 1}_token_head.": f"guess.{stage}." for stage in range(STAGES)},
    **{f"mamba{stage + 1}_scalar_projection.": f"feed.{stage}." for stage in range(STAGES)},
    "rppg_predictor.time_feature_extractor.": "pulse.",
    "rppg_predictor.last_conv.": "pulse.5.",
}
"""How names in the checkpoint become names here, applied in this order."""


class Stem(nn.Module):
    """Frames and the differences about them, to one vector a frame (after RhythmMamba's fusion stem)."""

    def __init__(self) -> None:
        super().__init__()
        self.raw = _sight(3, 8, stride=2)
        self.steps = _sight(12, 8, stride=2)
        self.both = _sight(8, 16, stride=1)
        self.steps2 = _sight(8, 16, stride=1)
        self.volume = nn.Sequential(nn.Conv3d(16, WIDTH, (3, 5, 5), padding=(1, 2, 2)), nn.BatchNorm3d(WIDTH))

    def forward(self, clip: Tensor) -> Tensor:
        """Return (B, T, 64) for a clip (B, 3, T, H, W)."""
        batch, _, count = clip.shape[:3]
        frames = clip.transpose(1, 2)
        near = torch.cat([frames[:, :1], frames[:, :1], frames, frames[:, -1:], frames[:, -1:]], dim=1)
        steps = near.diff(dim=1)  # step k leads to frame k - 1
        around = torch.cat([steps[:, k : k + count] for k in range(4)], dim=2)
        change = self.steps(around.flatten(0, 1))
        picture = 0.5 * self.raw(frames.flatten(0, 1)) + 0.5 * change
        picture = 0.5 * self.both(picture) + 0.5 * self.steps2(change)
        volume = self.volume(picture.unflatten(0, (batch, count)).transpose(1, 2))
        mask = volume.sigmoid()
        share = mask / mask.sum(dim=(3, 4), keepdim=True)
        # the mask is scaled to a mean of one half before the picture is averaged under it
        return (volume * share).sum(dim=(3, 4)).transpose(1, 2) * 0.5


class Scan(nn.Module):
    """One direction of a selective state-space layer (Gu, Dao 2023): names as in the checkpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1d = nn.Conv1d(INNER, INNER, 4, groups=INNER, padding=3)
        self.x_proj = nn.Linear(INNER, RANK + 2 * STATES, bias=False)
        self.dt_proj = nn.Linear(RANK, INNER)
        self.decay = nn.Parameter(torch.zeros(INNER, STATES))
        self.skip = nn.Parameter(torch.ones(INNER))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, 128) for (B, T, 128); no sample sees a later one."""
        count = x.shape[1]
        x = functional.silu(self.conv1d(x.transpose(1, 2))[..., :count].transpose(1, 2))
        rank, enter, leave = self.x_proj(x).split((RANK, STATES, STATES), dim=-1)
        pace = functional.softplus(self.dt_proj(rank))
        keep = torch.exp(pace[..., None] * -self.decay.exp())
        gain = (pace * x)[..., None] * enter[:, :, None, :]
        state, out = torch.zeros_like(gain[:, 0]), []
        for now in range(count):
            state = keep[:, now] * state + gain[:, now]
            out.append((state * leave[:, now, None, :]).sum(-1))
        return torch.stack(out, dim=1) + self.skip * x


class Stage(nn.Module):
    """A residual block that reads time in both directions and adds what they say."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.enter = nn.Linear(WIDTH, 2 * INNER, bias=False)
        self.leave = nn.Linear(INNER, WIDTH, bias=False)
        self.onward = Scan()
        self.backward = Scan()

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, T, 64) for (B, T, 64)."""
        x, gate = self.enter(self.norm(tokens)).chunk(2, dim=-1)
        both = self.onward(x) + self.backward(x.flip(1)).flip(1)
        return tokens + self.leave(both * functional.silu(gate))


class LqRppg(nn.Module):
    """Standardised faces (B, 3, 160, 128, 128) to the pulse (B, 160)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem()
        self.position = nn.Parameter(torch.zeros(1, FRAMES, WIDTH))
        self.stages = nn.ModuleList(Stage() for _ in range(STAGES))
        self.guess = nn.ModuleList(nn.Conv1d(WIDTH, 1, 1) for _ in range(STAGES))
        self.feed = nn.ModuleList(nn.Conv1d(1, WIDTH, 1) for _ in range(STAGES))
        deep = [nn.Conv1d(WIDTH, WIDTH, 3, padding=1) for _ in range(3)]
        last = nn.Conv1d(WIDTH, 1, 3, padding=1)
        self.pulse = nn.Sequential(deep[0], nn.GELU(), deep[1], nn.GELU(), deep[2], last)
        for bits in range(1, STAGES + 2):
            self.register_buffer(f"levels{bits}", torch.zeros(2**bits))

    def forward(self, clip: Tensor) -> Tensor:
        """Return the pulse as blood volume."""
        tokens = self.stem(clip) + self.position
        fed = torch.zeros_like(tokens)
        for number, stage in enumerate(self.stages):
            tokens = stage(tokens)
            coarse = _soft(self.guess[number](tokens.transpose(1, 2)), self.get_buffer(f"levels{number + 1}"))
            fed = fed + self.feed[number](coarse).transpose(1, 2)
            tokens = tokens + fed
        return _soft(self.pulse(tokens.transpose(1, 2)), self.get_buffer(f"levels{STAGES + 1}"))[:, 0]


def _sight(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, 7, stride=stride, padding=3)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2))


def _soft(guess: Tensor, levels: Tensor) -> Tensor:
    """Expectation of the levels, each the likelier the nearer it lies to the guess."""
    return (functional.softmax(-(guess[..., None] - levels).abs(), dim=-1) * levels).sum(-1)
