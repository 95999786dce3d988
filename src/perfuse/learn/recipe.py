"""Recipes: everything that decides a training, as frozen data; a file states only what differs from the defaults."""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from perfuse.core.errors import SourceError, UsageError, available


@dataclass(frozen=True, slots=True)
class Simulated:
    """Clips of people who never lived, painted while training goes on or kept in a bank."""

    share: float = 1.0
    """Of the steps, beside the other sources."""
    domains: dict[str, float] = field(default_factory=lambda: {"train": 1.0})
    """Domain to share, see perfuse.synth."""
    asked: dict[str, Any] = field(default_factory=dict)
    """Parameters that all subjects share."""
    bank: int = 0
    """Clips that are painted beforehand and kept on disk, each cut and augmented anew when it comes. Painting is
    dearer than learning, and runs that ask for the same clips share them. 0 paints endlessly."""
    bank_seed: int = 0
    """Of the bank: trainings with other seeds share its people."""
    lessons: bool = False
    """Keep what the teacher says of the bank's clips beside them, in place of asking it at every step."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Clips cut from prepared recordings."""

    data: str
    """NAME:FOLDER, or a folder."""
    share: float = 1.0
    """Of the steps, beside the other sources."""
    split: str = "all"
    """Whose training side is used, see perfuse.data.splits."""
    seed: int = 0
    """Of the split."""


@dataclass(frozen=True, slots=True)
class Optimiser:
    """AdamW with a warm-up and a cosine."""

    lr: float = 2e-3
    weight_decay: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    warmup: int = 50
    """Steps from 0 to the full rate."""
    floor: float = 0.02
    """Share of the rate that is left at the end."""
    clip_norm: float = 1.0
    """Longest gradient."""
    ema: float = 0.0
    """Weight of the past in the averaged weights that are exported; 0 exports the last ones."""


@dataclass(frozen=True, slots=True)
class Augment:
    """Chances that a clip is changed, and how far."""

    flip: float = 0.5
    """Chance of a mirror image."""
    speed: tuple[float, float] = (1.0, 1.0)
    """Slowest and fastest replay; rates change with it."""
    gain: float = 0.0
    """Spread of the logarithm of brightness."""
    tint: float = 0.0
    """Spread of the logarithm of each colour."""
    light: float = 0.0
    """Largest spread of the logarithm of a light that drifts; what is drawn is up to this."""
    motion: float = 0.0
    """Farthest way, in pixels or cells, that the picture sways; what is drawn is up to this."""
    compression: tuple[float, float] = (0.0, 0.0)
    """Least and most of a video codec's strength, on the scale of x264's crf; equal ones compress nothing."""
    beats: tuple[float, float] = (0.0, 0.0)
    """Chance of a lamp, and of a sway, that beats and is no pulse, in clips with a pulse and in clips without."""
    noise: float = 0.0
    """Levels of noise per pixel."""


@dataclass(frozen=True, slots=True)
class Validation:
    """Fixed clips that training never sees."""

    every: int = 200
    """Steps; 0 never."""
    clips: int = 64
    domains: dict[str, float] = field(default_factory=lambda: {"train": 1.0})
    patience: int = 0
    """Validations without a better one before training stops; 0 never stops it, and the last weights count."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The first part of a training, with other weights of the losses."""

    until: int
    """Step with which it ends."""
    weights: dict[str, float]
    """Instead of the recipe's; a loss that is not named keeps its own."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A training.

    ``task`` names what is learnt and by which losses, ``model`` and ``weights`` are the task's own parameters.
    """

    task: str
    steps: int = 1000
    batch: int = 16
    frames: int = 256
    """Samples of a painted or cut clip."""
    crop: int = 0
    """Samples of it that a step sees, at a place drawn anew; 0 for all."""
    seed: int = 0
    simulated: Simulated | None = field(default_factory=Simulated)
    recorded: tuple[Recorded, ...] = ()
    balanced: bool = False
    """Whether every batch has as many clips of each domain, and of each data set, as possible; shares of steps and
    of domains then only say what is painted."""
    model: dict[str, Any] = field(default_factory=dict)
    start: str = ""
    """Run, bundle or network of perfuse whose weights the student begins with; random ones where none is named."""
    only: tuple[str, ...] = ()
    """How the names of the weights begin that learn; all of the student learns where none is named."""
    weights: dict[str, float] = field(default_factory=dict)
    """Of the task's losses, by name."""
    stages: tuple[Stage, ...] = ()
    """What is learnt first, in order."""
    optimiser: Optimiser = Optimiser()
    augment: Augment = Augment()
    validation: Validation = Validation()
    save_every: int = 100
    """Steps between two checkpoints."""
    device: str = "auto"
    """auto, cpu or cuda."""
    devices: int = 1
    """Processes that learn side by side, on a GPU each, or all on the CPU; the batch must divide."""
    precision: str = "32-true"
    """As Fabric names it: 32-true, bf16-mixed, 16-mixed."""
    workers: int = 1
    """Processes that paint ahead; 0 paints on the device itself."""

    def __post_init__(self) -> None:
        _between(self.steps, 1, 10**9, "steps")
        _between(self.batch, 1, 4096, "batch")
        _between(self.frames, 32, 4096, "frames")
        _between(self.save_every, 1, 10**9, "save_every")
        if self.crop and not 32 <= self.crop <= self.frames:
            raise UsageError(f"crop: {self.crop} was given.", f"Pass 32 to frames ({self.frames}), or 0 for all.")
        if self.device not in ("auto", "cpu", "cuda"):
            raise UsageError(f"device: {self.device} was given.", "Pass auto, cpu or cuda.")
        _between(self.devices, 1, 64, "devices")
        if self.batch % self.devices:
            raise UsageError(
                f"devices: {self.devices} cannot share a batch of {self.batch}.", "Choose a batch that they divide."
            )
        ends = [stage.until for stage in self.stages]
        if ends != sorted(set(ends)) or any(end < 1 for end in ends):
            raise UsageError(f"stages: they end with {ends}.", "State rising steps.")
        if self.simulated is not None:
            _between(self.simulated.bank, 0, 10**7, "simulated: bank")
            if self.simulated.lessons and not self.simulated.bank:
                raise UsageError("simulated: lessons without a bank.", "State bank, the number of clips, too.")
            if self.simulated.lessons and (
                self.augment.speed != (1.0, 1.0) or self.augment.motion or any(self.augment.beats)
            ):
                raise UsageError(
                    "simulated: lessons of clips that are moved or replayed.",
                    "Leave augment.speed, motion and beats out.",
                )
        if self.simulated is None and not self.recorded:
            raise UsageError("The recipe has no data.", "Leave 'simulated' as it is, or name recordings.")

    def mark(self) -> str:
        """Return a hash of everything that decides the weights."""
        told = {k: v for k, v in asdict(self).items() if k not in ("save_every", "workers", "device", "devices")}
        for later in ("balanced", "start", "only"):  # runs from before there was such a thing go on
            if not told[later]:
                del told[later]
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]


def load_recipe(path: str | Path, changes: Mapping[str, str] | None = None) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    path : str or Path
        YAML.
    changes : mapping, optional
        Dotted key to value in YAML, such as ``{"optimiser.lr": "1e-3"}``.

    Raises
    ------
    SourceError
        If there is no such file, or it is no YAML.
    UsageError
        If a key is unknown, or a value has the wrong type or range; the message says where.
    """
    import yaml

    place = Path(path)
    try:
        content = yaml.safe_load(place.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SourceError(
            f"There is no recipe {place}.", "perfuse train --list shows those that are shipped."
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SourceError(f"{place} is no recipe ({error}).", "Expected is YAML; see docs/train.md.") from error
    if not isinstance(content, dict):
        raise UsageError(f"{place} holds no keys.", "Expected is at least 'task: NAME'.")
    for key, text in (changes or {}).items():
        _set(content, key, yaml.safe_load(text))
    recipe: Recipe = build(Recipe, content, place.name)
    return recipe


def _set(content: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        inner = content.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise UsageError(f"--set {key}=... was given, but {parent} holds no keys.", "Check the name.")
        content = inner
    content[last] = value


def build(kind: type[Any], content: Any, where: str) -> Any:
    """Make a dataclass of plain data, strictly.

    Raises
    ------
    UsageError
        If a key is unknown or missing, or a value has the wrong type.
    """
    if not isinstance(content, Mapping):
        raise UsageError(f"{where} is {_told(content)}.", "Expected are keys and values.")
    known = {f.name: f for f in fields(kind)}
    for key in content:
        if key not in known:
            raise UsageError(f"{where} has an unknown key {key!r}.", available(key, known))
    types_ = get_type_hints(kind)
    missing = [
        n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING and n not in content
    ]
    if missing:
        raise UsageError(f"{where} lacks {missing[0]!r}.", "State it.")
    return kind(**{key: _value(types_[key], value, f"{where}: {key}") for key, value in content.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        return _value(next(k for k in inner if k is not type(None)), value, where)
    if is_dataclass(kind):
        return build(kind, value, where)  # type: ignore[arg-type]
    if origin is dict and isinstance(value, Mapping):
        return {str(k): _value(inner[1], v, f"{where}.{k}") for k, v in value.items()}
    if origin is tuple and isinstance(value, list | tuple):
        if len(inner) == 2 and inner[1] is ...:
            return tuple(_value(inner[0], v, f"{where}[{i}]") for i, v in enumerate(value))
        if len(inner) == len(value):
            return tuple(_value(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(inner, value)))
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind is float and isinstance(value, str):  # YAML takes 1e-3 for a word
        try:
            return float(value)
        except ValueError:
            pass
    if kind in (int, str, bool) and type(value) is kind:
        return value
    wanted = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}.get(kind, str(kind))
    raise UsageError(f"{where} is {_told(value)}.", f"Expected is {wanted}.")


def _told(value: Any) -> str:
    return f"{value!r} ({type(value).__name__})"


def _between(value: int, low: int, high: int, name: str) -> None:
    if not low <= value <= high:
        raise UsageError(f"{name}: {value} was given.", f"Pass {low} to {high}.")
