"""Low-rank updates: what a large teacher learns, kept without the teacher. RECONSTRUCTED."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from perfuse.core.errors import SourceError, UsageError
from perfuse.papers.physvlm.hub import HubTeacher
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


def grow(
    teacher: HubTeacher, rank: int = RANK, alpha: float = ALPHA, blocks: int = BLOCKS, seed: int = 0
) -> HubTeacher:
    """Give queries and values of the last blocks of pictures low-rank updates, and let the projection learn.

    Raises
    ------
    UsageError
        If the model is built otherwise than CLIP and SigLIP.
    """
    torch.manual_seed(seed)
    tower = getattr(teacher.model.vision_model, "encoder", None)
    layers = getattr(tower, "layers", None)
    if layers is None:
        raise UsageError(f"{teacher.name} has no blocks where they are looked for.", "Use a CLIP or SigLIP model.")
    for block in layers[-blocks:]:
        for part in ("q_proj", "v_proj"):
            layer = getattr(block.self_attn, part)
            if isinstance(layer, nn.Linear):
                setattr(block.self_attn, part, LowRank(layer, rank, alpha))
    projection = getattr(teacher.model, "visual_projection", None)
    if projection is not None:
        projection.requires_grad_(True)
    teacher.forget()
    return teacher


def save_adapted(teacher: HubTeacher, path: Path, base: str) -> None:
    """Write what a teacher has learnt, without the model itself.

    Parameters
    ----------
    teacher : HubTeacher
        After :func:`perfuse.papers.physvlm.adapt.adapt`.
    path : Path
        The file.
    base : str
        Fingerprint of the model before :func:`grow`.
    """
    learnt = {name: value.detach().cpu().contiguous() for name, value in _learnt(teacher).items()}
    if not learnt:
        raise UsageError(f"{teacher.name} has learnt nothing.", "Adapt it first.")
    learnt["log_scale"] = teacher.log_scale.detach().cpu()
    grown = [layer for layer in teacher.model.modules() if isinstance(layer, LowRank)]
    about = {
        "base": base,
        "domains": json.dumps(list(teacher.domains)),
        "rank": str(len(grown[0].down)),
        "alpha": repr(grown[0].strength * len(grown[0].down)),
        "blocks": str(len(grown) // 2),
    }
    write_atomic(path, save(learnt, about))


def load_adapted(teacher: HubTeacher, path: Path) -> HubTeacher:
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


def _learnt(teacher: HubTeacher) -> dict[str, nn.Parameter]:
    return {name: value for name, value in teacher.model.named_parameters() if value.requires_grad}
