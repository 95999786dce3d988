"""Low-rank updates: what a large teacher learns, kept without the teacher. RECONSTRUCTED."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.utils import parametrize

from perfuse.core.errors import SourceError, UsageError
from perfuse.papers.physvlm.towers import Grown, Towers
from perfuse.report.files import write_atomic

RANK, ALPHA, BLOCKS = 8, 16.0, 6
"""Their rank, their strength, and how many of the last blocks of pictures get them."""


class LowRank(nn.Module):
    """A dense layer that stays as it is, and a product of two thin ones that learns (LoRA, Hu et al., ICLR 2022)."""

    def __init__(self, layer: nn.Linear, rank: int = RANK, alpha: float = ALPHA) -> None:
        super().__init__()
        self.layer, self.strength = layer, alpha / rank
        self.down = nn.Parameter(torch.randn(rank, layer.in_features) / layer.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(layer.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layer says, and what was learnt since."""
        said: Tensor = self.layer(x)
        return said + self.strength * (x @ self.down.T) @ self.up.T


class LowRankRows(nn.Module):
    """The same for queries and values of a weight that holds queries, keys and values in one, (3 D, D)."""

    def __init__(self, weight: Tensor, rank: int = RANK, alpha: float = ALPHA) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.strength = alpha / rank
        self.down = nn.Parameter(torch.randn(2, rank, columns) / columns**0.5)
        self.up = nn.Parameter(torch.zeros(2, rows // 3, rank))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight, and what was learnt since."""
        queries, values = self.strength * self.up @ self.down
        return weight + torch.cat([queries, torch.zeros_like(queries), values])


def grow(teacher: Towers, rank: int = RANK, alpha: float = ALPHA, blocks: int = BLOCKS, seed: int = 0) -> Towers:
    """Give queries and values of the last blocks of pictures low-rank updates, and let the projection learn.

    Raises
    ------
    UsageError
        If the model is built otherwise than is known here.
    """
    torch.manual_seed(seed)
    known = teacher.blocks()
    if not known:
        raise UsageError(
            f"{teacher.name} has no blocks where they are looked for.",
            "Use a CLIP or SigLIP model with transformers.",
        )
    for module, name in (spot for block in known[-blocks:] for spot in block):
        part = getattr(module, name)
        if isinstance(part, nn.Linear):
            setattr(module, name, LowRank(part, rank, alpha))
        elif isinstance(part, nn.Parameter):
            parametrize.register_parametrization(module, name, LowRankRows(part, rank, alpha))
    for value in teacher.projection():
        value.requires_grad_(True)
    teacher.grown = Grown(rank, alpha, blocks)
    teacher.forget()
    return teacher


def save_adapted(teacher: Towers, path: Path, base: str) -> None:
    """Write what a teacher has learnt, without the model itself.

    Parameters
    ----------
    teacher : Towers
        After :func:`perfuse.papers.physvlm.adapt.adapt`.
    path : Path
        The file.
    base : str
        Fingerprint of the model before :func:`grow`.
    """
    learnt = {name: value.detach().cpu().contiguous() for name, value in _learnt(teacher).items()}
    if not learnt or teacher.grown is None:
        raise UsageError(f"{teacher.name} has learnt nothing.", "Adapt it first.")
    learnt["log_scale"] = teacher.log_scale.detach().cpu()
    about = {
        "base": base,
        "domains": json.dumps(list(teacher.domains)),
        "rank": str(teacher.grown.rank),
        "alpha": repr(teacher.grown.alpha),
        "blocks": str(teacher.grown.blocks),
    }
    write_atomic(path, save(learnt, about))


def load_adapted(teacher: Towers, path: Path) -> Towers:
    """Put back what :func:`save_adapted` wrote.

    Raises
    ------
    SourceError
        If the file is missing or damaged.
    UsageError
        If it belongs to another model.
    """
    remedy = "Adapt the model again."
    if not path.is_file():
        raise SourceError(f"There is no file {path}.", remedy)
    try:
        with safe_open(path, framework="pt") as file:
            about = dict(file.metadata() or {})
            learnt = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise SourceError(f"{path} cannot be read ({type(error).__name__}).", remedy) from error
    if about.get("base") != teacher.fingerprint():
        raise UsageError(f"{path} was learnt on another model than {teacher.name}.", remedy)
    grow(teacher, int(about["rank"]), float(about["alpha"]), int(about["blocks"]))
    with torch.no_grad():
        teacher.log_scale.copy_(learnt.pop("log_scale"))
        own = _learnt(teacher)
        if set(own) != set(learnt):
            raise SourceError(f"{path} does not fit {teacher.name}.", remedy)
        for name, value in learnt.items():
            own[name].copy_(value)
    teacher.adapted(json.loads(about["domains"]))
    return teacher


def _learnt(teacher: Towers) -> dict[str, nn.Parameter]:
    return {name: value for name, value in teacher.model.named_parameters() if value.requires_grad}
