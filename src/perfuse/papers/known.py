"""Every task by name, and every recipe that is shipped."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfuse.core.errors import UsageError, available
from perfuse.learn.recipe import Recipe, load_recipe
from perfuse.learn.task import Task

if TYPE_CHECKING:
    from torch import nn

TASKS = {
    "blend": "perfuse.papers.blend.task:BlendTask",
    "kdphys": "perfuse.papers.kdphys.task:KdphysTask",
    "lq_rppg": "perfuse.papers.lq_rppg.task:LqTask",
    "physvlm": "perfuse.papers.physvlm.task:VlmTask",
    "physvlm_tiny": "perfuse.papers.physvlm.tiny_task:TinyTask",
    "rpm_distill": "perfuse.papers.rpm_distill.task:RpmTask",
    "zoo": "perfuse.papers.zoo.task:ZooTask",
}
"""Name to the class that makes the task of a recipe."""
IMPORTERS = {
    "lq-rppg": "perfuse.papers.lq_rppg.imported:import_published",
    "physnet": "perfuse.papers.kdphys.imported:import_published",
}
"""Networks that others published weights of, to the function that reads them: see :func:`import_published`."""


def make_task(recipe: Recipe) -> Task:
    """Return the task of a recipe, with the recipe's model and weights, weights drawn by its seed.

    Raises
    ------
    UsageError
        If there is no such task, or its model takes no such parameter.
    """
    import torch

    module, _, name = named(recipe.task, TASKS, "task").partition(":")
    kind: Any = getattr(import_module(module), name)
    torch.manual_seed(recipe.seed)
    try:
        task: Task = kind(**recipe.model)
    except TypeError as error:
        raise UsageError(
            f"model: {recipe.model} does not fit {recipe.task} ({error}).", "Check its names."
        ) from error
    unknown = set(recipe.weights) - set(task.weights)
    if unknown:
        raise UsageError(
            f"weights: {', '.join(sorted(unknown))} is no loss of {recipe.task}.",
            f"Available: {', '.join(task.weights)}.",
        )
    task.weights = {**task.weights, **recipe.weights}
    return task


def import_published(kind: str, source: Path, member: str | None = None) -> tuple[nn.Module, dict[str, Any]]:
    """Return a network with weights that others published, and its card, both as export wants them.

    Parameters
    ----------
    kind : str
        Of :data:`IMPORTERS`.
    source : Path
        File or folder of the weights.
    member : str, optional
        Which of several sets of weights in the folder.

    Raises
    ------
    UsageError
        If there is no such kind, or the folder holds several sets and none was named.
    SourceError
        If the weights cannot be read, or are of another network.
    """
    module, _, name = named(kind, IMPORTERS, "importer").partition(":")
    function: Any = getattr(import_module(module), name)
    found: tuple[nn.Module, dict[str, Any]] = function(source, member)
    return found


def named(name: str, known: Mapping[str, str], what: str) -> str:
    """Return the entry of that name, or tell what there is.

    Raises
    ------
    UsageError
        If there is none.
    """
    if name not in known:
        raise UsageError(f"There is no {what} called {name!r}.", available(name, known))
    return known[name]


def recipes() -> dict[str, Path]:
    """Return the shipped recipes: ``TASK/NAME`` to file."""
    root = Path(__file__).parent
    return {f"{p.parent.name}/{p.stem}": p for p in sorted(root.glob("*/*.yaml"))}


def find_recipe(name: str, changes: dict[str, str] | None = None) -> Recipe:
    """Return a shipped recipe by name, or one of a file."""
    shipped = recipes()
    return load_recipe(shipped.get(name, name), changes)
