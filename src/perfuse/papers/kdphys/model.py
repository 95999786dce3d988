"""The 3-D teacher and the 2-D students, KDPhys-style.

Of KDPhys (Sahoo et al., Biomedical Signal Processing and Control 107, 2025) only the abstract could be read: a 3-D
teacher, a 2-D student of 0.23 million parameters, attention-guided feature distillation, the DILATE loss. All layers
here are RECONSTRUCTED to fit that. The teacher is PhysNet (Yu, Li, Zhao, BMVC 2019); the students lie near the stated
size.

Networks map clips (B, 3, T, H, W), 0..255, to the pulse (B, T), rising with blood volume, and normalise within.
``features`` also returns taps (B, C, T', h, w), taken after the activation, for :mod:`perfuse.papers.kdphys.distil`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError
from perfuse.nn.gate import Gate
from perfuse.nn.inputs import differences, integrated, no_frames, standard, trailing_differences
from perfuse.nn.shift import framed, shifted, shifted_back

Taps = tuple[Tensor, ...]
State = tuple[Tensor, ...]

POOLS = {0: (1, 2, 2), 2: (2, 2, 2), 4: (2, 2, 2), 6: (1, 2, 2)}
"""After which of the teacher's layers time and space are halved."""
TEACHER_TAPS = (2, 4, 6)
LIMIT = 5.0
"""Students cut their input at this many spreads."""


class Teacher(nn.Module):
    """The 3-D encoder and decoder; 768,577 parameters, as many as the public PhysNet, whose weights fit.

    Parameters
    ----------
    widths : (int, int, int)
        Channels of the first layer, the second, and all others. (24, 48, 96) has 1,726,945 parameters,
        (32, 64, 128) 3,068,033.
    slope : bool
        Whether its weights say the slope of the pulse, as the rPPG-Toolbox's do; it is then integrated.
    limit : float, optional
        Where the input is cut, in spreads. None as in the Toolbox.
    rate_hz : float
        Frames per second; only the integration needs it.
    """

    def __init__(
        self,
        widths: tuple[int, int, int] = (16, 32, 64),
        *,
        slope: bool = False,
        limit: float | None = None,
        rate_hz: float = 30.0,
    ) -> None:
        super().__init__()
        self.slope, self.limit, self.rate_hz = slope, limit, rate_hz
        rest = widths[2]
        first = nn.Conv3d(3, widths[0], (1, 5, 5), padding=(0, 2, 2))
        others = [nn.Conv3d(one, two, 3, padding=1) for one, two in pairwise((*widths, *[rest] * 6))]
        self.encoder = nn.ModuleList(
            nn.Sequential(layer, nn.BatchNorm3d(layer.out_channels), nn.ReLU()) for layer in (first, *others)
        )
        self.decoder = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose3d(rest, rest, (4, 1, 1), (2, 1, 1), (1, 0, 0)), nn.BatchNorm3d(rest), nn.ELU()
            )
            for _ in range(2)
        )
        self.last = nn.Conv3d(rest, 1, 1)

    def forward(self, clip: Tensor) -> Tensor:
        """Return the pulse (B, T).

        Raises
        ------
        UsageError
            If T is not a multiple of 4, or the picture smaller than 16 x 16.
        """
        return self.features(clip)[0]

    def features(self, clip: Tensor) -> tuple[Tensor, Taps]:
        """Return the pulse (B, T), and three taps at T, T / 2 and T / 4."""
        if not torch.compiler.is_compiling():
            _check(clip, 16)
            if clip.shape[2] % 4:
                raise UsageError(f"Clips of {clip.shape[2]} frames were given.", "This teacher takes multiples of 4.")
        x, taps = differences(clip, self.limit), []
        for number, layer in enumerate(self.encoder):
            x = layer(x)
            if number in TEACHER_TAPS:
                taps.append(x)
            if number in POOLS:
                x = functional.max_pool3d(x, POOLS[number])
        for layer in self.decoder:
            x = layer(x)
        wave = self.last(x.mean((3, 4), keepdim=True)).flatten(1)
        return integrated(wave, self.rate_hz) if self.slope else wave, tuple(taps)


class StudentA(nn.Module):
    """A 2-D network with temporal shift; 230,723 parameters, 230,507 with the pure 2-D head.

    Parameters
    ----------
    head : {"temporal", "frame"}
        A convolution over five frames, or a dense layer that sees one (of pictures with 64 to 79 pixels a side).
    shift : bool
        Whether frames trade channels. Off, with ``head="frame"``, each frame is judged alone: the pure 2-D network.
    causal : bool
        Look back only, in the normalisation, the shift and the head: :meth:`step` then answers frame by frame, and
        :meth:`forward` the same.
    limit : float, optional
        Where the input is cut, in spreads.
    """

    def __init__(
        self, head: str = "temporal", *, shift: bool = True, causal: bool = False, limit: float | None = LIMIT
    ) -> None:
        super().__init__()
        if head not in ("temporal", "frame"):
            raise UsageError(f"There is no head {head!r}.", "Give 'temporal' or 'frame'.")
        self.head, self.shift, self.causal, self.limit = head, shift, causal, limit
        sizes = [(3, 16, 5), (16, 32, 3), (32, 64, 3), *[(64, 64, 3)] * 5]
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(one, two, k, padding=k // 2), nn.BatchNorm2d(two), nn.ReLU())
            for one, two, k in sizes
        )
        self.gates = nn.ModuleDict({"4": Gate(64), "6": Gate(64)})
        if head == "temporal":
            self.mix = nn.Sequential(nn.Conv1d(64, 64, 5), nn.BatchNorm1d(64), nn.ELU(), nn.Conv1d(64, 1, 1))
        else:
            self.mix = nn.Sequential(nn.Linear(64 * 16, 20), nn.Tanh(), nn.Linear(20, 1))

    def forward(self, clip: Tensor) -> Tensor:
        """Return the pulse (B, T)."""
        return self.features(clip)[0]

    def features(self, clip: Tensor) -> tuple[Tensor, Taps]:
        """Return the pulse (B, T), and three taps at 1/4, 1/4 and 1/8 of the picture's side, all at T.

        Raises
        ------
        UsageError
            If the picture is smaller than 16 x 16, or of another size than the head takes.
        """
        _check(clip, 16)
        if self.head == "frame" and not all(64 <= side < 80 for side in clip.shape[3:]):
            raise UsageError(
                f"Pictures of {clip.shape[3]} x {clip.shape[4]} were given.",
                "The frame head takes 64 to 79 pixels a side.",
            )
        if self.causal:
            return self._run(clip, self._empty(clip))[1:]
        return self._run(clip, None)[1:]

    def start(self, batch: int = 1, size: int = 64) -> State:
        """Return the memory of a causal student before the first frame of ``batch`` faces, ``size`` pixels a side.

        Raises
        ------
        UsageError
            If it is not causal.
        """
        if not self.causal:
            raise UsageError("This student also looks ahead.", "Make it with causal=True to run it frame by frame.")
        parameter = next(self.parameters())
        return self._empty(parameter.new_zeros(batch, 3, 1, size, size))

    def step(self, state: State, clip: Tensor) -> tuple[State, Tensor]:
        """Go on by the next frames (B, 3, t, H, W), t >= 1. Return the memory, and the pulse (B, t).

        In evaluation mode any cutting of a clip into steps gives what :meth:`forward` gives for the whole.
        """
        return self._run(clip, state)[:2]

    def _empty(self, clip: Tensor) -> State:
        """Return zeros for every layer that looks back."""
        height, width = clip.shape[3], clip.shape[4]
        kept = list(no_frames(clip))
        for number, layer in enumerate(self.layers):
            if self.shift and number:
                part = layer[0].in_channels // 8 * 2  # type: ignore[index]
                kept.append(clip.new_zeros(clip.shape[0], 2, part, height, width))
            if number in (0, 1, 4, 6):
                height, width = height // 2, width // 2
        if self.head == "temporal":
            kept.append(clip.new_zeros(clip.shape[0], 64, 4))
        return tuple(kept)

    def _run(self, clip: Tensor, state: State | None) -> tuple[State, Tensor, Taps]:
        """Run the layers; with a state looking back only."""
        batch = clip.shape[0]
        kept: list[Tensor] = []
        if state is None:
            x = differences(clip, self.limit)
        else:
            x, *kept = trailing_differences(clip, state[:4], self.limit)
            left = iter(state[4:])
        x, taps = x.transpose(1, 2).flatten(0, 1), []
        for number, layer in enumerate(self.layers):
            if self.shift and number:
                x = framed(x, batch)
                if state is None:
                    x = shifted(x)
                else:
                    x, last = shifted_back(x, next(left))
                    kept.append(last)
                x = x.flatten(0, 1)
            x = layer(x)
            if number in (2, 4, 6):
                taps.append(framed(x, batch).transpose(1, 2))
            if number in (4, 6):
                x = x * self.gates[str(number)](x)
            if number in (0, 1, 4, 6):
                x = functional.avg_pool2d(x, 2)
        if self.head == "frame":
            return tuple(kept), framed(self.mix(x.flatten(1)), batch)[:, :, 0], tuple(taps)
        x = framed(x.mean((2, 3)), batch).transpose(1, 2)  # (B, 64, T)
        if state is None:
            x = functional.pad(x, (2, 2))
        else:
            x = torch.cat([next(left), x], dim=2)
            kept.append(x[:, :, -4:])
        return tuple(kept), self.mix(x)[:, 0], tuple(taps)


class StudentB(nn.Module):
    """Two branches, one for change and one for looks, half as wide as TS-CAN (Liu et al., NeurIPS 2020); 234,323.

    What the face looks like tells where change counts. Pictures have 36 x 36 pixels.
    """

    side = 36

    def __init__(self, *, shift: bool = True, limit: float | None = LIMIT) -> None:
        super().__init__()
        self.shift, self.limit = shift, limit
        sizes = [(3, 16, 1), (16, 16, 0), (16, 32, 1), (32, 32, 0)]
        make: Callable[[], nn.ModuleList] = lambda: nn.ModuleList(  # noqa: E731
            nn.Conv2d(one, two, 3, padding=pad) for one, two, pad in sizes
        )
        self.motion, self.looks = make(), make()
        self.gates = nn.ModuleList([Gate(16), Gate(32)])
        self.drop = nn.Dropout(0.25)
        self.mix = nn.Sequential(nn.Linear(7 * 7 * 32, 128), nn.Tanh(), nn.Dropout(0.5), nn.Linear(128, 1))

    def forward(self, clip: Tensor) -> Tensor:
        """Return the pulse (B, T)."""
        return self.features(clip)[0]

    def features(self, clip: Tensor) -> tuple[Tensor, Taps]:
        """Return the pulse (B, T), and two taps, 34 x 34 and 15 x 15, before their gates.

        Raises
        ------
        UsageError
            If the picture is not 36 x 36.
        """
        if clip.shape[3:] != (self.side, self.side):
            raise UsageError(
                f"Pictures of {clip.shape[3]} x {clip.shape[4]} were given.", "This student takes 36 x 36."
            )
        batch = clip.shape[0]
        x = differences(clip, self.limit).transpose(1, 2).flatten(0, 1)
        seen = standard(clip).transpose(1, 2).flatten(0, 1)
        taps = []
        for number, (layer, other) in enumerate(zip(self.motion, self.looks, strict=True)):
            if self.shift:
                x = shifted(framed(x, batch), 3).flatten(0, 1)
            x, seen = torch.tanh(layer(x)), torch.tanh(other(seen))
            if number % 2:
                taps.append(framed(x, batch).transpose(1, 2))
                x = self.drop(functional.avg_pool2d(x * self.gates[number // 2](seen), 2))
                seen = self.drop(functional.avg_pool2d(seen, 2))
        wave = framed(self.mix(x.flatten(1)), batch)[:, :, 0]
        return wave, tuple(taps)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "teacher": Teacher,
    "student-a": StudentA,
    "student-a-causal": lambda: StudentA(causal=True),
    "student-a-2d": lambda: StudentA("frame", shift=False),
    "student-b": StudentB,
}
"""Presets by name."""


def _check(clip: Tensor, least: int) -> None:
    if clip.ndim != 5 or clip.shape[1] != 3 or min(clip.shape[3:]) < least:
        raise UsageError(
            f"Clips of shape {tuple(clip.shape)} were given.", f"Give (B, 3, T, H, W), {least} pixels a side or more."
        )
