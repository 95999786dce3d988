"""Every task by name, and every recipe that is shipped."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from perfuse.core.errors import UsageError
from perfuse.learn.recipe import Recipe, load_recipe
from perfuse.learn.task import Task

TASKS = {
    "blend": "perfuse.papers.blend.task:BlendTask",
    "kdphys": "perfuse.papers.kdphys.task:KdphysTask",
    "zoo": "perfuse.papers.zoo.task:ZooTask",
}
"""Name to the class that makes the task of a recipe."""


def make_task(recipe: Recipe) -> Task:
    """Return the task of a recipe, with the recipe's model and weights, weights drawn by its seed.

    Raises
    ------
    UsageError
        If there is no such task, or its model takes no such parameter.
    """
    import torch

    if recipe.task not in TASKS:
        near = get_close_matches(recipe.task, TASKS, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"There is no task called {recipe.task!r}.", f"{hint}Available: {', '.join(TASKS)}.")
    module, _, name = TASKS[recipe.task].partition(":")
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


def recipes() -> dict[str, Path]:
    """Return the shipped recipes: ``TASK/NAME`` to file."""
    root = Path(__file__).parent
    return {f"{p.parent.name}/{p.stem}": p for p in sorted(root.glob("*/*.yaml"))}


def find_recipe(name: str, changes: dict[str, str] | None = None) -> Recipe:
    """Return a shipped recipe by name, or one of a file."""
    shipped = recipes()
    return load_recipe(shipped.get(name, name), changes)
