"""A teacher small enough to be trained here: two towers, one of pictures, one of words. RECONSTRUCTED, ours.

It stands in for a vision-language model where none is at hand, and has only ever seen what
:mod:`perfuse.papers.physvlm.maps` makes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import SourceError, UsageError
from perfuse.papers.physvlm import prompts
from perfuse.papers.physvlm.adapt import Example, adapt, merged, unit
from perfuse.papers.physvlm.maps import made_maps
from perfuse.report.files import write_atomic

WIDTH = 64
LONGEST = 20
"""Tokens of a caption."""
SHORTEST = 4 * 49
"""Samples that its slow filters reach over."""
MAPS = "maps"
"""The name of the data it learns from."""


def _vocabulary() -> tuple[str, ...]:
    forms = [*prompts.PULSE, *prompts.BREATH, *prompts.RATIO, *prompts.CLEAN, *prompts.NOISY]
    words = {word for form in forms for word in re.findall(r"[a-z-]+", form)}
    return ("<none>", "<other>", *"0123456789.", *sorted(words))


VOCABULARY = _vocabulary()
PLACES = {word: place for place, word in enumerate(VOCABULARY)}


class TinyDualEncoder(nn.Module):
    """See :class:`perfuse.papers.physvlm.adapt.Learner`.

    Pictures: filters along time, at full and at a quarter of the rate, pooled by their size. Captions: words and
    digits, two layers of attention.
    """

    name = "tiny"
    dim = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.domains: tuple[str, ...] = ()
        self.fast = nn.Conv2d(3, WIDTH, (1, 65), stride=(1, 2), bias=False)
        self.slow = nn.Conv2d(3, WIDTH, (1, 49), bias=False)
        self.image = nn.Sequential(
            nn.BatchNorm1d(2 * WIDTH), nn.Linear(2 * WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH)
        )
        self.token = nn.Embedding(len(VOCABULARY), WIDTH, padding_idx=0)
        self.place = nn.Parameter(0.02 * torch.randn(LONGEST, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True)
        self.read = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.text = nn.Linear(WIDTH, WIDTH)
        self.log_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    @property
    def scale(self) -> float:
        """1 over the temperature."""
        return float(self.log_scale.detach().exp().clamp(max=100))

    def encode_image(self, rows: Tensor) -> Tensor:
        """Return unit vectors (B, dim) of pictures (B, 3, rows, T).

        Raises
        ------
        UsageError
            If they are shorter than :data:`SHORTEST`.
        """
        if rows.shape[3] < SHORTEST:
            raise UsageError(
                f"The small teacher was shown {rows.shape[3]} samples.", f"It reads {SHORTEST} or more: crop, frames."
            )
        rows = rows - rows.mean(3, keepdim=True)
        fast = self.fast(rows).abs().mean((2, 3))
        slow = self.slow(functional.avg_pool2d(rows, (1, 4))).abs().mean((2, 3))
        return unit(self.image((torch.cat([fast, slow], 1) + 1e-4).log()))

    def encode_text(self, sentences: Sequence[str]) -> Tensor:
        """Return unit vectors (K, dim)."""
        tokens = torch.tensor([_tokens(sentence) for sentence in sentences], device=self.place.device)
        empty = tokens == 0
        read = self.read(self.token(tokens) + self.place, src_key_padding_mask=empty)
        kept = (~empty).to(read)[:, :, None]
        return unit(self.text((read * kept).sum(1) / kept.sum(1)))

    def learns(self) -> list[nn.Parameter]:
        """Everything but the scale."""
        return [p for name, p in self.named_parameters() if name != "log_scale"]

    def adapted(self, domains: Collection[str]) -> None:
        """Note what it has learnt from."""
        self.domains = merged(self.domains, domains)

    def ready(self, learning: bool) -> None:
        """Go into training mode, or out of it."""
        self.train(learning)

    def fingerprint(self) -> str:
        """Return a hash of its weights, its vocabulary and what it learnt from."""
        mark = hashlib.blake2b(repr((VOCABULARY, self.domains)).encode(), digest_size=8)
        for name, value in sorted(self.state_dict().items()):
            mark.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        return mark.hexdigest()


def teach_tiny(
    steps: int = 600, *, seed: int = 0, batch: int = 48, frames: int = 256, rate_hz: float = 30.0
) -> TinyDualEncoder:
    """Train one; 600 steps take one to two minutes of one core.

    Parameters
    ----------
    steps, batch : int
        How long, how many maps at a time.
    seed : int
        Decides everything.
    frames : int
        Of a map.
    rate_hz : float
        Of the maps; the teacher reads pictures of that rate only.
    """
    torch.manual_seed(seed)
    teacher = TinyDualEncoder()

    def examples(step: int) -> Example:
        maps = made_maps(
            batch, frames, generator=torch.Generator().manual_seed(seed * 1_000_003 + step), rate_hz=rate_hz
        )
        return Example(maps.clip, maps.heart_rate, maps.respiratory_rate)

    adapt(teacher, examples, steps=steps, domains=[MAPS], lr=2e-3, pairs=0, seed=seed)
    return teacher


def save_tiny(teacher: TinyDualEncoder, path: Path) -> None:
    """Write a teacher to a file.

    Raises
    ------
    OutputError
        If that is impossible.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in teacher.state_dict().items()}
    about = {"vocabulary": _mark(), "domains": ",".join(teacher.domains)}
    write_atomic(path, save(state, about))


def load_tiny(path: Path) -> TinyDualEncoder:
    """Read a teacher, in evaluation mode.

    Raises
    ------
    SourceError
        If the file is missing, damaged, or of another vocabulary.
    """
    remedy = "Train one with teach_tiny, and write it with save_tiny."
    if not path.is_file():
        raise SourceError(f"There is no file {path}.", remedy)
    try:
        with safe_open(path, framework="pt") as file:
            about = dict(file.metadata() or {})
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise SourceError(f"{path} cannot be read ({type(error).__name__}).", remedy) from error
    teacher = TinyDualEncoder()
    if about.get("vocabulary") != _mark() or set(state) != set(teacher.state_dict()):
        raise SourceError(f"{path} is no teacher of these captions.", remedy)
    teacher.load_state_dict(state)
    teacher.domains = tuple(filter(None, about.get("domains", "").split(",")))
    return teacher.eval().requires_grad_(False)


def _mark() -> str:
    return hashlib.blake2b(repr(VOCABULARY).encode(), digest_size=8).hexdigest()


def _tokens(sentence: str) -> list[int]:
    """Return a caption as numbers, digit by digit, padded with 0."""
    found = [PLACES.get(part, 1) for part in re.findall(r"[a-z-]+|[0-9.]", sentence.lower())][:LONGEST]
    return found + [0] * (LONGEST - len(found))
