"""Networks that the authors trained: their release keeps one in six files, the network and a quantiser for each bit.

The files are not part of the project, and the data they learnt from may not be used freely. The network eats faces of
128 x 128 pixels, 160 frames at a time, and so does its bundle, though the network would take other lengths. Of the
quantisers the codebooks alone are needed, and put in order from low to high; a network only ever sums over them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from perfuse.core.errors import SourceError, available
from perfuse.nn.weights import fill, read_weights
from perfuse.papers.lq_rppg.model import C2F, FRAMES

BITS = 5
ENDS = r"(?P<rest>[_.].*)?\.(?:pth|pt|ckpt)(?:\.tar)?"
LEVELS = re.compile(rf"(?P<set>.+)_(?P<bits>\d+)(?:st|nd|rd|th)_LQ{ENDS}", re.IGNORECASE)
NETWORK = re.compile(rf"(?P<set>.+)_rPPG{ENDS}", re.IGNORECASE)
"""How the release names its files: ``PURE_UBFC_LQC2F_3th_LQ_Epoch19.pth``, ``PURE_UBFC_LQC2F_rPPG_Epoch10.pth``."""
BOOK = "quantizer.embeddings.weight"
RATES_HZ = {"PURE": 30.0, "UBFC": 30.0, "MMPD": 30.0, "COHFACE": 20.0, "V4V": 25.0}
"""Frames per second of what a set learnt from, by the release's configurations: the first of these in its name."""
USUAL_HZ = 30.0
WRAPPERS = ("C2F_model", "LQ_model")
PREFIXES = ("model.", "net.", "network.", "C2F_model.", "LQ_model.", "module.")
"""What may stand before the names of all weights of a file."""
REMEDY = "Give a folder with five files ..._1th_LQ_....pth to ..._5th_LQ_....pth and one ..._rPPG_....pth."

_STEM = {
    "Fusion_Stem.stem11.": "stem.fusion.looks.",
    "Fusion_Stem.stem12.": "stem.fusion.change.",
    "Fusion_Stem.stem21.": "stem.fusion.both.",
    "Fusion_Stem.stem22.": "stem.fusion.alone.",
    "stem3.": "stem.volume.",
    "rppg_predictor.time_feature_extractor.": "estimator.",
    "rppg_predictor.last_conv.": "estimator.5.",
}
_PAIRS = {
    "conv1d.weight": "near.weight",
    "conv1d.bias": "near.bias",
    "x_proj.weight": "told",
    "dt_proj.weight": "pace",
    "dt_proj.bias": "pace_bias",
    "A_log": "log_decay",
    "D": "skip",
}
"""What each direction has for itself in the release, and is one tensor here."""


@dataclass
class _Set:
    """Files of one training."""

    network: Path | None = None
    levels: dict[int, Path] = field(default_factory=dict)


def import_published(source: str | Path, member: str | None = None) -> tuple[C2F, dict[str, Any]]:
    """Return a published network with its codebooks, in evaluation mode, and its card, as export wants them.

    Parameters
    ----------
    source : str or Path
        Folder that holds the files of one training, or of several.
    member : str, optional
        Which, where there are several: how its files' names begin, such as ``PURE_UBFC``.

    Returns
    -------
    C2F
        405,453 parameters, all of them from the files.
    dict
        Of a bundle (``perfuse.card/1``), without schema and hash.

    Raises
    ------
    SourceError
        If the folder holds no set or several, a file is missing, cannot be read as weights (files are never run), or
        holds something of another name or shape.
    """
    chosen, files = _choose(Path(source), member)
    missing = [f"the levels of {bits} bits" for bits in range(1, BITS + 1) if bits not in files.levels]
    if files.network is None:
        missing.append("the network")
    if missing:
        raise SourceError(f"The set {chosen} in {source} lacks {', '.join(missing)}.", REMEDY)
    assert files.network is not None
    network = C2F()
    books = [_book(files.levels[bits], bits) for bits in range(1, BITS + 1)]
    network.set_codebooks(books)
    kept = [key for key in network.state_dict() if key.startswith("levels")]
    given = _renamed(_weights(files.network))
    fill(network, given, str, what="LQ-rPPG", remedy=REMEDY, kept=kept)
    return network.eval(), _card(chosen)


def _choose(folder: Path, name: str | None) -> tuple[str, _Set]:
    if folder.is_file():
        raise SourceError(f"{folder} is one file of a set.", REMEDY)
    if not folder.is_dir():
        raise SourceError(f"There is no folder {folder}.", REMEDY)
    sets = _sets(folder)
    if not sets:
        raise SourceError(f"{folder} holds no published LQ-rPPG weights.", REMEDY)
    if name is None:
        if len(sets) > 1:
            raise SourceError(f"{folder} holds several sets.", f"Name one: --member {' or '.join(sets)}.")
        return next(iter(sets.items()))
    asked = _short(name).lower()
    fitting = [key for key in sets if key == _short(name)] or [key for key in sets if key.lower() == asked]
    fitting = fitting or [key for key in sets if key.lower().startswith(asked)]
    if not fitting:
        raise SourceError(f"{folder} holds no set {name!r}.", available(name, sets))
    if len(fitting) > 1:
        raise SourceError(f"{name!r} may be {' or '.join(fitting)}.", "Give more of the name: --member.")
    return fitting[0], sets[fitting[0]]


def _sets(folder: Path) -> dict[str, _Set]:
    """Return the sets of a folder by name, without the ``_LQC2F`` that all of them have.

    Augmentation is told of the network alone, in its name, as the quantisers see no video: a network whose name has
    no quantisers of its own takes those whose name it begins with, or the only ones there are, if they learnt from
    the same data.
    """
    sets: dict[str, _Set] = {}
    for path in sorted(path for path in (*folder.glob("*"), *folder.glob("*/*")) if path.is_file()):
        if found := LEVELS.fullmatch(path.name):
            levels = sets.setdefault(_short(found["set"]), _Set()).levels
            _alone(levels.setdefault(int(found["bits"]), path), path)
        elif found := NETWORK.fullmatch(path.name):
            own = sets.setdefault(_short(found["set"]), _Set())
            _alone(own.network or path, path)
            own.network = path
    unserved = [key for key, own in sets.items() if not own.levels]
    spare = [key for key, own in sets.items() if own.network is None]
    for key in unserved:
        near = [other for other in spare if key.startswith(other)]
        if not near and len(unserved) == len(spare) == 1 and _learnt(key) == _learnt(spare[0]):
            near = spare
        if near:
            sets[key].levels = sets[max(near, key=len)].levels
    served = {id(own.levels) for own in sets.values() if own.network is not None and own.levels}
    return {key: own for key, own in sets.items() if own.network is not None or id(own.levels) not in served}


def _short(name: str) -> str:
    return re.sub(r"_?LQC2F", "", name, flags=re.IGNORECASE) or name


def _learnt(chosen: str) -> str | None:
    """Return what a set learnt from, by its name; None where that does not tell."""
    found = re.search(rf"(?<![a-z0-9])(?:{'|'.join(RATES_HZ)})(?![a-z0-9])", chosen.replace("_", " "), re.IGNORECASE)
    return found[0].upper() if found else None


def _alone(kept: Path, other: Path) -> None:
    if kept != other:
        raise SourceError(f"{kept.name} and {other.name} are the same part of one set.", "Leave one of them.")


def _weights(path: Path) -> dict[str, Tensor]:
    """Return the named weights of a file, without what stands before all of their names."""
    found = read_weights(path, REMEDY, WRAPPERS)
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): value for name, value in found.items()}
    return found


def _book(path: Path, bits: int) -> Tensor:
    """Return the levels of one quantiser, from low to high."""
    values = _weights(path).get(BOOK)
    if values is None:
        raise SourceError(f"{path} is no quantiser: it lacks {BOOK}.", REMEDY)
    if values.shape != (2**bits, 1) or not values.is_floating_point():
        raise SourceError(
            f"{path} holds levels of the shape {tuple(values.shape)} and {values.dtype}, not {(2**bits, 1)} of "
            f"float: not {bits} bits.",
            REMEDY,
        )
    return values[:, 0].float().sort().values


def _renamed(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for key, value in given.items():
        key = next((ours + key.removeprefix(theirs) for theirs, ours in _STEM.items() if key.startswith(theirs)), key)
        key = "position" if key == "position_embedding" else key
        key = re.sub(r"mamba_(\d+)\.0\.", lambda m: f"stages.{int(m[1]) - 1}.", key)
        key = re.sub(r"mamba(\d+)_token_head\.", lambda m: f"heads.{int(m[1]) - 1}.", key)
        key = re.sub(r"mamba(\d+)_scalar_projection\.", lambda m: f"feeds.{int(m[1]) - 1}.", key)
        key = key.replace(".x_norm.", ".norm.").replace(".mamba.", ".mix.")
        state[key.replace(".mix.in_proj.", ".mix.enter.").replace(".mix.out_proj.", ".mix.leave.")] = value
    for stage in sorted({key.partition(".mix.")[0] for key in state if ".mix." in key}):
        for theirs, ours in _PAIRS.items():
            other = "A_b_log" if theirs == "A_log" else theirs.replace(".", "_b.") if "." in theirs else f"{theirs}_b"
            both = [state.pop(f"{stage}.mix.{key}", None) for key in (theirs, other)]
            if both[0] is None or both[1] is None or both[0].shape != both[1].shape:
                continue  # whoever compares will miss it
            join = torch.cat if ours.startswith("near") else torch.stack
            state[f"{stage}.mix.{ours}"] = join([both[0], both[1]])
    return state


def _card(chosen: str) -> dict[str, Any]:
    learnt = _learnt(chosen)
    rate = USUAL_HZ if learnt is None else RATES_HZ[learnt]
    window = FRAMES / rate
    guess = "" if learnt else f" Its name does not tell what it learnt from: {rate:g} frames a second are assumed."
    learnt = learnt or "data that its name does not tell"
    return {
        "name": "lq-rppg-published",
        "title": f"LQ-rPPG as published, learnt on {learnt} (set {chosen})",
        "paper": "Lee, Noh, Sung, Myung: LQ-rPPG: A label-quantized coarse-to-fine learning framework for remote "
        "physiological measurement. arXiv 2605.23174, 2026",
        "licence": f"weights: MIT, as their release says; learnt on {learnt}, whose own terms may forbid uses",
        "provenance": "paper",
        "deviations": "Each window is standardised by itself, not the whole video; the face is followed, not one box "
        "from the first frame for all; codebooks are put in order.",
        "limits": "Trained by its authors; neither its training nor its accuracy was checked here. Its labels held "
        f"45 to 150 beats a minute.{guess}",
        "view": {"kind": "crop", "size": 128, "rate_hz": rate},
        "window_s": window,
        "hop_s": window / 2,
        "min_s": window,
        "band_hz": [0.75, 2.5],
    }
