"""What CLIP, SigLIP and their like have in common as teachers: a tower for pictures, one for captions, one space.

PhysVLM-style, RECONSTRUCTED: which model the paper used is not public. Weights are never part of the project: whoever
uses a model accepts its own terms. Only safetensors are read, and no code that comes with a model is run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import SourceError
from perfuse.papers.physvlm.adapt import merged, unit

TOKENISERS = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("spiece.model",))
"""Files of which one set has to be there."""
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
Spot = tuple[nn.Module, str]
"""A module, and the name of its dense layer or of its weights that a low-rank update may be added to."""


class Grown(NamedTuple):
    """Rank and strength of low-rank updates, and how many of the last blocks of pictures have them."""

    rank: int
    alpha: float
    blocks: int


class Towers:
    """See :class:`perfuse.papers.physvlm.adapt.Learner`; a kind of model says how it is asked.

    Parameters
    ----------
    model : nn.Module
        Both towers.
    name, kind : str
        What results call it, and what it is.
    size : int
        Side of its pictures.
    look : (sequence of float, sequence of float)
        Mean and spread of their colours.
    """

    def __init__(
        self, model: Any, name: str, kind: str, size: int, look: tuple[Sequence[float], Sequence[float]]
    ) -> None:
        self.model, self.name, self.kind, self.size = model.eval().requires_grad_(False), name, kind, size
        self.mean, self.spread = (torch.tensor(values).reshape(3, 1, 1) for values in look)
        self.domains: tuple[str, ...] = ()
        self.grown: Grown | None = None
        start = torch.as_tensor(model.logit_scale.detach()).float().reshape(()).clone()
        self.log_scale = nn.Parameter(start)
        self._mark: str | None = None
        with torch.no_grad():
            self.dim = int(self.encode_text(["a"]).shape[1])

    def seen(self, pixels: Tensor) -> Tensor:
        """Return vectors (B, dim) of pictures (B, 3, size, size), brought to the model's colours."""
        raise NotImplementedError

    def said(self, sentences: Sequence[str]) -> Tensor:
        """Return vectors (K, dim) of sentences."""
        raise NotImplementedError

    def blocks(self) -> list[list[Spot]]:
        """Return, block by block of the tower for pictures, what may get low-rank updates; empty if none is known."""
        raise NotImplementedError

    def projection(self) -> list[nn.Parameter]:
        """Return the last weights of pictures, which learn as a whole."""
        raise NotImplementedError

    @property
    def scale(self) -> float:
        """1 over the temperature."""
        return float(self.log_scale.detach().exp().clamp(max=100))

    def encode_image(self, rows: Tensor) -> Tensor:
        """Return unit vectors (B, dim) of pictures (B, 3, rows, T): rows repeated, time interpolated."""
        tall = functional.interpolate(rows, size=(self.size, rows.shape[3]), mode="nearest")
        wide = functional.interpolate(tall, size=(self.size, self.size), mode="bicubic", align_corners=False)
        return unit(self.seen((wide.clamp(0, 1) - self.mean.to(rows)) / self.spread.to(rows)))

    def encode_text(self, sentences: Sequence[str]) -> Tensor:
        """Return unit vectors (K, dim)."""
        return unit(self.said(sentences))

    def forget(self) -> None:
        """Work the fingerprint out anew: something was changed."""
        self._mark = None

    def learns(self) -> list[nn.Parameter]:
        """Return what :mod:`perfuse.papers.physvlm.lowrank` grew, and the projection of pictures."""
        return [value for value in self.model.parameters() if value.requires_grad]

    def adapted(self, domains: Collection[str]) -> None:
        """Note what it has learnt from."""
        self.domains, self._mark = merged(self.domains, domains), None

    def ready(self, learning: bool) -> None:
        """Stay as it is: a model this large learns without dropout."""
        self._mark = None

    def fingerprint(self) -> str:
        """Return a hash of its settings, its weights and what it has learnt from."""
        if self._mark is None:
            about = (
                self.kind,
                self.mean.tolist(),
                self.spread.tolist(),
                self.domains,
                round(float(self.log_scale.detach()), 6),
            )
            mark = hashlib.blake2b(repr(about).encode(), digest_size=8)
            for name, value in sorted(self.model.state_dict().items()):
                mark.update(name.encode() + _bytes(value))
            self._mark = mark.hexdigest()
        return self._mark


def check_folder(folder: Path, settings: str, *, tokeniser: bool = True) -> None:
    """Refuse a folder that holds no whole model, before a library does in its own words.

    Parameters
    ----------
    folder : Path
        Of a model.
    settings : str
        The file that says what it is.
    tokeniser : bool
        Whether it has to bring one.

    Raises
    ------
    SourceError
        Naming what is missing, or the pickle that is there in place of safetensors.
    """
    names = {path.name for path in folder.iterdir()}
    if settings not in names:
        raise SourceError(f"{folder} holds no {settings}.", "Name the folder that the model was saved to.")
    if not any(name.endswith(".safetensors") for name in names):
        pickled = sorted(name for name in names if name.endswith(PICKLED))
        if pickled:
            raise SourceError(
                f"{folder} holds its weights as {pickled[0]}, a pickle, which can run code when it is read.",
                "Get the model as safetensors.",
            )
        raise SourceError(f"{folder} holds no weights (*.safetensors).", "Get the whole model.")
    if tokeniser and not any(names.issuperset(files) for files in TOKENISERS):
        raise SourceError(
            f"{folder} holds no tokeniser: {', or '.join(' and '.join(files) for files in TOKENISERS)}.",
            "Get the whole model.",
        )


def loaded(source: str, what: str, load: Callable[[], Any]) -> Any:
    """Return what ``load`` does; a library's error becomes ours, with its first line.

    Raises
    ------
    SourceError
        If it cannot be loaded.
    """
    try:
        return load()
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SourceError(
            f"The {what} of {source} cannot be loaded: {first[:200]}",
            "Check the name; weights must be safetensors. Without a network, name a folder that holds the model.",
        ) from error


def _bytes(value: Tensor) -> bytes:
    flat = value.detach().cpu().contiguous()
    return (
        flat.view(torch.uint8).numpy().tobytes() if flat.ndim else flat.reshape(1).view(torch.uint8).numpy().tobytes()
    )
