"""CLIP and SigLIP as teachers, through ``transformers``: a folder on disk, or a name on the Hugging Face hub.

Weights are never part of the project: whoever uses a model accepts its own terms. Only safetensors are read, and no
code that comes with a model is run. PhysVLM-style, RECONSTRUCTED: which model the paper used is not public.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import MissingExtraError, SourceError, UsageError
from perfuse.papers.physvlm.adapt import merged, unit

KINDS = ("clip", "siglip")
LOOKS = {
    "clip": ((0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758)),
    "siglip": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""Mean and spread of the pictures that models of a kind learnt from, where their folder does not say."""
TOKENISERS = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("spiece.model",))
"""Files of which one set has to be there."""
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class HubTeacher:
    """See :class:`perfuse.papers.physvlm.adapt.Learner`; made by :func:`load_hub`.

    Parameters
    ----------
    model, tokenizer
        Of ``transformers``.
    name : str
        What results call it.
    look : (sequence of float, sequence of float)
        Mean and spread of its pictures' colours.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str, look: tuple[Sequence[float], Sequence[float]]) -> None:
        self.model, self.tokenizer, self.name = model.eval().requires_grad_(False), tokenizer, name
        self.kind = str(model.config.model_type)
        self.size = int(model.config.vision_config.image_size)
        self.longest = int(model.config.text_config.max_position_embeddings)
        self.mean, self.spread = (torch.tensor(values).reshape(3, 1, 1) for values in look)
        self.domains: tuple[str, ...] = ()
        start = torch.as_tensor(model.logit_scale.detach()).float().reshape(()).clone()
        self.log_scale = nn.Parameter(start)
        self._mark: str | None = None
        with torch.no_grad():
            self.dim = int(self.encode_text(["a"]).shape[1])

    @property
    def scale(self) -> float:
        """1 over the temperature."""
        return float(self.log_scale.detach().exp().clamp(max=100))

    def encode_image(self, rows: Tensor) -> Tensor:
        """Return unit vectors (B, dim) of pictures (B, 3, rows, T): rows repeated, time interpolated."""
        tall = functional.interpolate(rows, size=(self.size, rows.shape[3]), mode="nearest")
        wide = functional.interpolate(tall, size=(self.size, self.size), mode="bicubic", align_corners=False)
        seen = (wide.clamp(0, 1) - self.mean.to(rows)) / self.spread.to(rows)
        return unit(_vectors(self.model.get_image_features(pixel_values=seen)))

    def encode_text(self, sentences: Sequence[str]) -> Tensor:
        """Return unit vectors (K, dim)."""
        tokens = self.tokenizer(
            list(sentences), padding="max_length", truncation=True, max_length=self.longest, return_tensors="pt"
        )
        asked = {"input_ids": tokens["input_ids"].to(self.model.device)}
        if self.kind == "clip":  # SigLIP learnt without a mask
            asked["attention_mask"] = tokens["attention_mask"].to(self.model.device)
        return unit(_vectors(self.model.get_text_features(**asked)))

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


def load_hub(source: str, *, revision: str | None = None, offline: bool | None = None) -> HubTeacher:
    """Return CLIP or SigLIP.

    Parameters
    ----------
    source : str
        A folder with ``config.json``, weights in safetensors and the tokeniser's files; or a name on the hub, such as
        ``openai/clip-vit-base-patch16``.
    revision : str, optional
        Of the hub; a commit makes a result repeatable.
    offline : bool, optional
        Look on this machine only. By default what ``HF_HUB_OFFLINE`` says.

    Raises
    ------
    MissingExtraError
        If ``transformers`` is not installed.
    SourceError
        If there is nothing there, something is missing, or the weights could run code.
    UsageError
        If the model is neither CLIP nor SigLIP.
    """
    folder = Path(source).expanduser()
    local = folder.is_dir()
    if local:
        _check_folder(folder)
    elif folder.is_absolute() or source.startswith((".", "~")):
        raise SourceError(f"There is no folder {source}.", "Name the folder of a model, or a model of the hub.")
    transformers = _transformers()
    if offline is None:
        offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    where: dict[str, Any] = {"local_files_only": local or offline, "trust_remote_code": False, "revision": revision}
    place = str(folder) if local else source
    config = _loaded(source, "settings", lambda: transformers.AutoConfig.from_pretrained(place, **where))
    if config.model_type not in KINDS:
        raise UsageError(f"{source} is a {config.model_type} model.", "Use CLIP or SigLIP.")
    kind = transformers.CLIPModel if config.model_type == "clip" else transformers.SiglipModel
    del where["trust_remote_code"]
    model, told = _loaded(
        source,
        "weights",
        lambda: kind.from_pretrained(place, use_safetensors=True, output_loading_info=True, **where),
    )
    missing = sorted(name for name in told["missing_keys"] if "position_ids" not in name)
    if missing:
        raise SourceError(
            f"The weights of {source} lack {missing[0]}, and {len(missing) - 1} more.", "Get the whole model."
        )
    tokenizer = _loaded(
        source,
        "tokeniser",
        lambda: transformers.AutoTokenizer.from_pretrained(place, trust_remote_code=False, **where),
    )
    return HubTeacher(
        model.float(), tokenizer, source if not local else folder.name, _look(folder, config.model_type)
    )


def _transformers() -> Any:
    try:
        return import_module("transformers")
    except ImportError as error:
        raise MissingExtraError(
            "CLIP and SigLIP need transformers.", "Install it: pip install 'perfuse[vlm]'."
        ) from error


def _check_folder(folder: Path) -> None:
    """Refuse a folder that holds no whole model, before a library does in its own words."""
    names = {path.name for path in folder.iterdir()}
    if "config.json" not in names:
        raise SourceError(f"{folder} holds no config.json.", "Name the folder that the model was saved to.")
    if not any(name.endswith(".safetensors") for name in names):
        pickled = sorted(name for name in names if name.endswith(PICKLED))
        if pickled:
            raise SourceError(
                f"{folder} holds its weights as {pickled[0]}, a pickle, which can run code when it is read.",
                "Get the model as safetensors.",
            )
        raise SourceError(f"{folder} holds no weights (*.safetensors).", "Get the whole model.")
    if not any(names.issuperset(files) for files in TOKENISERS):
        raise SourceError(
            f"{folder} holds no tokeniser: {', or '.join(' and '.join(files) for files in TOKENISERS)}.",
            "Get the whole model.",
        )


def _loaded(source: str, what: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SourceError(
            f"The {what} of {source} cannot be loaded: {first[:200]}",
            "Check the name; weights must be safetensors. Without a network, name a folder that holds the model.",
        ) from error


def _look(folder: Path, kind: str) -> tuple[Sequence[float], Sequence[float]]:
    """Return mean and spread of a model's pictures: its own, where its folder says them."""
    file = folder / "preprocessor_config.json"
    if file.is_file():
        try:
            about = json.loads(file.read_text())
            return [float(x) for x in about["image_mean"]], [float(x) for x in about["image_std"]]
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{file} says no image_mean and image_std.", "Get the whole model.") from error
    return LOOKS[kind]


def _vectors(said: Any) -> Tensor:
    """Return the vectors of an answer: newer releases wrap them."""
    vectors: Tensor = said if isinstance(said, Tensor) else said.pooler_output
    return vectors


def _bytes(value: Tensor) -> bytes:
    flat = value.detach().cpu().contiguous()
    return (
        flat.view(torch.uint8).numpy().tobytes() if flat.ndim else flat.reshape(1).view(torch.uint8).numpy().tobytes()
    )
