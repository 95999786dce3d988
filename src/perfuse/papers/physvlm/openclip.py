"""Models of open_clip as teachers: a folder with ``open_clip_config.json``, or ``open_clip:`` and a name on the hub.

open_clip (``pip install 'perfuse[open-clip]'``) needs a torchvision that was built for the torch beside it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from perfuse.core.errors import MissingExtraError, SourceError
from perfuse.papers.physvlm.towers import TOKENISERS, Spot, Towers, check_folder, loaded

PREFIX, SETTINGS = "open_clip:", "open_clip_config.json"
WANTED = (SETTINGS, "*.safetensors", *(name for files in TOKENISERS for name in files), "tokenizer_config.json")
"""What is fetched of a model on the hub: no pickle, and no code."""
FIRST = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors")
"""Weights by name, where a folder has several."""


class OpenClipTeacher(Towers):
    """A model and a tokeniser of open_clip; made by :func:`load_open_clip`."""

    def __init__(
        self, model: Any, tokenizer: Any, name: str, size: int, look: tuple[Sequence[float], Sequence[float]]
    ) -> None:
        self.tokenizer = tokenizer
        super().__init__(model, name, "open_clip", size, look)

    def seen(self, pixels: Tensor) -> Tensor:
        """Return vectors (B, dim) of pictures (B, 3, size, size)."""
        vectors: Tensor = self.model.encode_image(pixels)
        return vectors

    def said(self, sentences: Sequence[str]) -> Tensor:
        """Return vectors (K, dim) of sentences."""
        tokens = self.tokenizer(list(sentences)).to(self.model.logit_scale.device)
        vectors: Tensor = self.model.encode_text(tokens)
        return vectors

    def blocks(self) -> list[list[Spot]]:
        """Return queries, keys and values of the blocks of pictures, which open_clip keeps in one."""
        layers = getattr(getattr(self.model.visual, "transformer", None), "resblocks", ())
        return [[(block.attn, "in_proj_weight")] for block in layers if hasattr(block, "attn")]

    def projection(self) -> list[nn.Parameter]:
        """Return the last weights of pictures."""
        last = getattr(self.model.visual, "proj", None)
        return [last] if isinstance(last, nn.Parameter) else []


def load_open_clip(source: str, *, revision: str | None = None, offline: bool = False) -> OpenClipTeacher:
    """Return a model of open_clip; see :func:`perfuse.papers.physvlm.hub.load_hub`.

    Raises
    ------
    MissingExtraError
        If open_clip is not installed, or not with the torchvision that it needs.
    SourceError
        If something is missing or does not fit, or the weights could run code.
    """
    folder = Path(source).expanduser()
    local = folder.is_dir()
    if not local:
        _open_clip()  # told before anything is fetched
        asked = {"revision": revision, "local_files_only": offline, "allow_patterns": list(WANTED)}
        fetch = import_module("huggingface_hub").snapshot_download
        folder = Path(loaded(source, "files", lambda: fetch(source, **asked)))
    check_folder(folder, SETTINGS, tokeniser=False)
    try:
        about = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        own_words = bool(about["model_cfg"]["text_cfg"].get("hf_tokenizer_name"))
        own_look = about.get("preprocess_cfg") or {}
        look = {key: [float(x) for x in own_look[key]] for key in ("mean", "std") if key in own_look}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"{folder / SETTINGS} says no model_cfg with a text_cfg, or colours that are no numbers.",
            "Get the whole model.",
        ) from error
    check_folder(folder, SETTINGS, tokeniser=own_words)
    open_clip = _open_clip()
    # open_clip would prefer some pickles to some safetensors, so the weights are named to it
    bare = {"load_weights": False, "pretrained_text": False}
    with _quietly():  # it would warn of the weights that it was told to leave to us
        model = loaded(source, "settings", lambda: open_clip.create_model(f"local-dir:{folder}", **bare))
    loaded(source, "weights", lambda: open_clip.load_checkpoint(model, str(_weights(folder)), strict=True))
    tokenizer = loaded(source, "tokeniser", lambda: open_clip.get_tokenizer(f"local-dir:{folder}"))
    size = model.visual.image_size
    usual = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    return OpenClipTeacher(
        model.float(),
        tokenizer,
        folder.name if local else source,
        int(size if isinstance(size, int) else size[0]),
        (look.get("mean", usual[0]), look.get("std", usual[1])),
    )


@contextmanager
def _quietly() -> Iterator[None]:
    """Let no library log warnings meanwhile."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _weights(folder: Path) -> Path:
    found = {path.name: path for path in sorted(folder.glob("*.safetensors"))}
    return next((found[name] for name in FIRST if name in found), next(iter(found.values())))


def _open_clip() -> Any:
    try:
        return import_module("open_clip")
    except (ImportError, RuntimeError) as error:  # a torchvision of another torch raises the latter
        raise MissingExtraError(
            f"open_clip cannot be used: {(str(error).splitlines() or [type(error).__name__])[0]}",
            "Install it: pip install 'perfuse[open-clip]', with the torchvision that belongs to your torch.",
        ) from error
