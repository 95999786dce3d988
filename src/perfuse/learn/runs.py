"""What lies in the folder of a run: its recipe, and the weights that count; and weights of bundles to begin with."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from perfuse.core.errors import SourceError, UsageError
from perfuse.learn import checkpoint
from perfuse.learn.recipe import Recipe

RECIPE, WEIGHTS = "recipe.json", "model.safetensors"
REMEDY = "Name the folder of a run of perfuse train."


@dataclass(frozen=True, slots=True)
class Run:
    """A training as its folder has it.

    Attributes
    ----------
    folder : Path
        Where it lies.
    recipe : dict
        Everything that decided it, plain.
    state : dict
        The checkpoint: ``weights`` of student and helpers, ``averaged``, ``validation``, ``step`` and others.
    """

    folder: Path
    recipe: dict[str, Any]
    state: dict[str, Any]

    @property
    def task(self) -> str:
        """What is learnt."""
        return str(self.recipe["task"])

    @property
    def model(self) -> dict[str, Any]:
        """Parameters of the task."""
        return dict(self.recipe["model"])

    def weights(self) -> dict[str, Tensor]:
        """Return the student's weights that count: those of the best validation, else the last, averaged ones."""
        found: dict[str, Tensor] = (self.state["validation"] or {}).get("weights") or self.state["averaged"]
        return found


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run."""
    return (folder / RECIPE).is_file()


def read_recipe(folder: Path, remedy: str = REMEDY) -> tuple[dict[str, Any], str]:
    """Return the recipe of a run, plain, and its mark.

    Raises
    ------
    SourceError
        If it is no run.
    """
    try:
        recipe = json.loads((folder / RECIPE).read_text(encoding="utf-8"))
        mark = str(recipe.pop("mark"))
        recipe = {"task": recipe["task"], "model": dict(recipe["model"]), **recipe}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{folder} is no run of perfuse train ({type(error).__name__}).", remedy) from error
    return recipe, mark


def read_run(folder: Path, remedy: str = REMEDY) -> Run:
    """Read a run.

    Parameters
    ----------
    folder : Path
        Of the run.
    remedy : str
        What to do where it is none.

    Raises
    ------
    SourceError
        If it is no run, or it has no whole checkpoint.
    """
    recipe, mark = read_recipe(folder, remedy)
    state = checkpoint.load(folder, mark)
    if state is None:
        raise SourceError(f"{folder} has no checkpoint yet.", "Let it train on.")
    return Run(folder, recipe, state)


def bundled_weights(folder: Path, remedy: str = REMEDY) -> dict[str, Tensor]:
    """Return the weights in a bundle's ``model.safetensors``.

    Raises
    ------
    SourceError
        If they cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, Tensor] = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise SourceError(f"{folder} is no whole bundle ({str(error) or type(error).__name__}).", remedy) from error
    return found


def set_out(recipe: Recipe, student: nn.Module, folder: Path) -> list[str]:
    """Hold what is not to learn, and begin where the recipe says; a run that has a checkpoint goes on from that.

    Returns
    -------
    list of str
        As :func:`begin` tells it.

    Raises
    ------
    SourceError, UsageError
        As :func:`hold` and :func:`begin` do; nothing was written yet.
    """
    hold(student, recipe.only)
    if not recipe.start or checkpoint.load(folder, recipe.mark()) is not None:
        return []
    return begin(student, recipe.start)


def begin(student: nn.Module, start: str) -> list[str]:
    """Give a student the weights that another training ended with.

    Parameters
    ----------
    student : Module
        What is to learn on.
    start : str
        Folder of a run, folder of a bundle, or the name of a network that comes with perfuse.

    Returns
    -------
    list of str
        What is not taken over, a sentence each: parts (first words of names of weights) that one of the two lacks.

    Raises
    ------
    SourceError
        If there is no such thing, or it cannot be read.
    UsageError
        If it is of another network.
    """
    given = _weights_of(start)
    wanted = student.state_dict()
    lacking = sorted(_parts(wanted) - _parts(given))
    beyond = sorted(_parts(given) - _parts(wanted))
    shared = {name: value for name, value in given.items() if _part(name) not in beyond}
    odd = sorted(name for name in wanted.keys() ^ shared.keys() if _part(name) not in lacking)
    if odd or not shared:
        name = odd[0] if odd else next(iter(wanted))
        raise UsageError(
            f"start: {start} is of another network: it {'lacks' if name in wanted else 'has'} {name}.",
            "Give 'model' what it was trained with.",
        )
    for name, value in shared.items():
        if value.shape != wanted[name].shape:
            raise UsageError(
                f"start: {name} of {start} is {tuple(value.shape)}, here {tuple(wanted[name].shape)}.",
                "Give 'model' what it was trained with.",
            )
    student.load_state_dict(shared, strict=False)
    told = [f"{start} has no {part}: it starts anew" for part in lacking]
    return told + [f"{part} of {start} is left out" for part in beyond]


def hold(student: nn.Module, only: Collection[str]) -> None:
    """Keep the weights of a student as they are whose names begin with none of some words; none, without words.

    Raises
    ------
    UsageError
        If no weight's name begins with one of them.
    """
    names = [name for name, _ in student.named_parameters()]
    for word in only:
        if not any(_within(name, word) for name in names):
            raise UsageError(
                f"only: no weight of the student begins with {word!r}.",
                f"Available: {', '.join(dict.fromkeys(map(_part, names)))}.",
            )
    for name, value in student.named_parameters():
        if only and not any(_within(name, word) for word in only):
            value.requires_grad_(False)


def at_rest(student: nn.Module) -> None:
    """Let the parts of a student rest of whose weights none learns: nor must their statistics."""
    values = list(student.parameters())
    if values and not any(value.requires_grad for value in values):
        student.eval()
        return
    for child in student.children():
        at_rest(child)


def _weights_of(start: str) -> Mapping[str, Tensor]:
    from perfuse.methods.shipped import NETWORKS, list_shipped

    place = Path(start)
    if is_run(place):
        return read_run(place).weights()
    if (place / WEIGHTS).is_file():
        return bundled_weights(place)
    names = [one.name for one in list_shipped()]
    if start in names:
        return bundled_weights(NETWORKS / start)
    raise SourceError(
        f"start: there is no run, bundle or network called {start!r}.",
        f"Name the folder of a run or a bundle, or one of {', '.join(names)}.",
    )


def _within(name: str, word: str) -> bool:
    return name == word or name.startswith(f"{word}.")


def _part(name: str) -> str:
    return name.partition(".")[0]


def _parts(names: Collection[str]) -> set[str]:
    return set(map(_part, names))
