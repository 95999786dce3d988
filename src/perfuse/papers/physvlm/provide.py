"""Teachers by name: a spectrum, a small one trained here, a model of the hub, or what one of them said before."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from perfuse.core.errors import SourceError, UsageError
from perfuse.learn.runs import is_run, read_recipe, read_run
from perfuse.papers.physvlm.hub import load_hub
from perfuse.papers.physvlm.lowrank import load_adapted
from perfuse.papers.physvlm.priors import Priors, Teacher, open_priors
from perfuse.papers.physvlm.teachers import SpectralTeacher
from perfuse.papers.physvlm.tiny import TinyDualEncoder, load_tiny
from perfuse.report.files import write_atomic

SPECTRAL = "spectral"
CARD, WEIGHTS = "teacher.json", "teacher.safetensors"
REMEDY = (
    "Name spectral; a run of physvlm/tiny-desk; a folder of perfuse teacher adapt; a cache of perfuse teacher cache; "
    "or a CLIP or SigLIP model, as a folder or by its name on the hub (open_clip:NAME for one of open_clip)."
)


@dataclass(frozen=True, slots=True)
class About:
    """What lies in a folder that ``perfuse teacher adapt`` wrote.

    Attributes
    ----------
    kind : str
        ``tiny``, or ``hub`` for low-rank updates of a model that lies elsewhere.
    base : str
        That model: a folder, or a name on the hub.
    revision : str or None
        Of the hub.
    fingerprint : str
        Of the teacher that this makes.
    """

    kind: str
    base: str
    revision: str | None
    fingerprint: str


def load_teacher(source: str, *, rate_hz: float = 30.0, held_out: Collection[str] = ()) -> Teacher | Priors:
    """Return a teacher, or what one said.

    Parameters
    ----------
    source : str
        See :data:`REMEDY`.
    rate_hz : float
        Samples per second of the clips to come.
    held_out : collection of str
        Data that it must not have touched.

    Raises
    ------
    SourceError
        If there is nothing there, something is missing, or it is damaged.
    UsageError
        If it is another thing, or has touched what is held out.
    MissingExtraError
        If it needs what is not installed.
    """
    found = _found(source, rate_hz, held_out)
    if isinstance(found, Priors):
        return found
    touched = sorted(set(found.domains) & set(held_out))
    if touched:
        raise UsageError(
            f"The teacher {source} has learnt from {', '.join(touched)}, which is held out.",
            "Adapt a teacher without it.",
        )
    return found


def _found(source: str, rate_hz: float, held_out: Collection[str]) -> Teacher | Priors:
    if source == SPECTRAL:
        return SpectralTeacher(rate_hz)
    place = Path(source).expanduser()
    if place.is_file():
        kind = _kind_of(place)
        if kind == "cache":
            return open_priors(place, held_out=held_out)
        if kind == "tiny":
            return load_tiny(place)
        raise SourceError(f"{place} is no teacher, and no cache of what one said.", REMEDY)
    if (place / CARD).is_file():
        return _adapted(place)
    if is_run(place):
        return _of_run(place)
    if place.suffix == ".safetensors":  # or a file that is not there would be looked for on the hub
        raise SourceError(f"There is no file {place}.", REMEDY)
    return load_hub(source)


def write_about(folder: Path, about: About) -> None:
    """Say what lies in a folder; to be written last: without it, the folder is no teacher."""
    write_atomic(folder / CARD, json.dumps(asdict(about), indent=1) + "\n")


def _kind_of(path: Path) -> str:
    try:
        with safe_open(path, framework="pt") as file:
            about = dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise SourceError(
            f"{path} cannot be read as safetensors ({type(error).__name__}): pickled weights are never opened.",
            REMEDY,
        ) from error
    return "cache" if "keys" in about else "tiny" if "vocabulary" in about else ""


def _adapted(folder: Path) -> Teacher:
    try:
        content: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
        about = About(**content)
    except (OSError, ValueError, TypeError) as error:
        raise SourceError(
            f"{folder / CARD} is damaged ({type(error).__name__}).", "Adapt the teacher again."
        ) from error
    if about.kind == "tiny":
        teacher: Teacher = load_tiny(folder / WEIGHTS)
    else:
        teacher = load_adapted(load_hub(about.base, revision=about.revision), folder / WEIGHTS)
    if teacher.fingerprint() != about.fingerprint:
        raise SourceError(f"{folder} holds another teacher than it says.", "Adapt the teacher again.")
    return teacher


def _of_run(folder: Path) -> TinyDualEncoder:
    """Return the small teacher of a run of the task ``physvlm_tiny``."""
    recipe, _ = read_recipe(folder, REMEDY)
    if recipe["task"] != "physvlm_tiny":
        raise UsageError(f"{folder} is a run of {recipe['task']}, which teaches nobody here.", REMEDY)
    run = read_run(folder)
    domains = sorted((recipe["simulated"] or {}).get("domains", {}))
    domains += [how["data"].partition(":")[0] for how in recipe["recorded"]]
    teacher = TinyDualEncoder()
    weights = {name.removeprefix("teacher."): value for name, value in run.state["averaged"].items()}
    try:
        teacher.load_state_dict(weights)
    except RuntimeError as error:
        raise SourceError(f"{folder} holds another teacher.", "Train it again with this version.") from error
    with torch.no_grad():
        teacher.adapted(domains)
    return teacher.eval().requires_grad_(False)
