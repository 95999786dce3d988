"""CLIP and SigLIP as teachers: a folder on disk, or a name on the Hugging Face hub; through ``transformers``.

Models of open_clip are :mod:`perfuse.papers.physvlm.openclip`'s; :func:`load_hub` is the door of both.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from perfuse.core.errors import MissingExtraError, SourceError, UsageError
from perfuse.papers.physvlm.openclip import PREFIX, SETTINGS, load_open_clip
from perfuse.papers.physvlm.towers import Spot, Towers, check_folder, loaded

KINDS = ("clip", "siglip")
LOOKS = {
    "clip": ((0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758)),
    "siglip": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""Mean and spread of the pictures that models of a kind learnt from, where their folder does not say."""


class HubTeacher(Towers):
    """A model and a tokeniser of ``transformers``; made by :func:`load_hub`."""

    def __init__(self, model: Any, tokenizer: Any, name: str, look: tuple[Sequence[float], Sequence[float]]) -> None:
        self.tokenizer = tokenizer
        self.longest = int(model.config.text_config.max_position_embeddings)
        kind = str(model.config.model_type)
        super().__init__(model, name, kind, int(model.config.vision_config.image_size), look)

    def seen(self, pixels: Tensor) -> Tensor:
        """Return vectors (B, dim) of pictures (B, 3, size, size)."""
        return _vectors(self.model.get_image_features(pixel_values=pixels))

    def said(self, sentences: Sequence[str]) -> Tensor:
        """Return vectors (K, dim) of sentences."""
        tokens = self.tokenizer(
            list(sentences), padding="max_length", truncation=True, max_length=self.longest, return_tensors="pt"
        )
        asked = {"input_ids": tokens["input_ids"].to(self.model.device)}
        if self.kind == "clip":  # SigLIP learnt without a mask
            asked["attention_mask"] = tokens["attention_mask"].to(self.model.device)
        return _vectors(self.model.get_text_features(**asked))

    def blocks(self) -> list[list[Spot]]:
        """Return queries and values of the blocks of pictures."""
        layers = getattr(getattr(self.model.vision_model, "encoder", None), "layers", ())
        return [[(block.self_attn, "q_proj"), (block.self_attn, "v_proj")] for block in layers]

    def projection(self) -> list[nn.Parameter]:
        """Return the last weights of pictures; SigLIP has none."""
        last = getattr(self.model, "visual_projection", None)
        return [] if last is None else list(last.parameters())


def load_hub(source: str, *, revision: str | None = None, offline: bool | None = None) -> Towers:
    """Return CLIP, SigLIP, or a model of open_clip.

    Parameters
    ----------
    source : str
        A folder with ``config.json``, weights in safetensors and the tokeniser's files; or a name on the hub, such as
        ``openai/clip-vit-base-patch16``. With ``open_clip:`` before it, or a folder that holds
        ``open_clip_config.json`` and no ``config.json``: a model of open_clip.
    revision : str, optional
        Of the hub; a commit makes a result repeatable.
    offline : bool, optional
        Look on this machine only. By default what ``HF_HUB_OFFLINE`` says.

    Raises
    ------
    MissingExtraError
        If ``transformers`` or open_clip is not installed.
    SourceError
        If there is nothing there, something is missing, or the weights could run code.
    UsageError
        If the model is of another kind.
    """
    asked = source.startswith(PREFIX)
    folder = Path(source.removeprefix(PREFIX)).expanduser()
    local = folder.is_dir()
    if not local and (folder.is_absolute() or source.removeprefix(PREFIX).startswith((".", "~"))):
        raise SourceError(f"There is no folder {folder}.", "Name the folder of a model, or a model of the hub.")
    if offline is None:
        offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    if asked or (local and (folder / SETTINGS).is_file() and not (folder / "config.json").is_file()):
        return load_open_clip(source.removeprefix(PREFIX), revision=revision, offline=offline)
    if local:
        check_folder(folder, "config.json")
    transformers = _transformers()
    where: dict[str, Any] = {"local_files_only": local or offline, "trust_remote_code": False, "revision": revision}
    place = str(folder) if local else source
    config = loaded(source, "settings", lambda: transformers.AutoConfig.from_pretrained(place, **where))
    if config.model_type not in KINDS:
        raise UsageError(f"{source} is a {config.model_type} model.", "Use CLIP or SigLIP.")
    kind = transformers.CLIPModel if config.model_type == "clip" else transformers.SiglipModel
    del where["trust_remote_code"]
    model, told = loaded(
        source,
        "weights",
        lambda: kind.from_pretrained(place, use_safetensors=True, output_loading_info=True, **where),
    )
    missing = sorted(name for name in told["missing_keys"] if "position_ids" not in name)
    if missing:
        raise SourceError(
            f"The weights of {source} lack {missing[0]}, and {len(missing) - 1} more.", "Get the whole model."
        )
    tokenizer = loaded(
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
