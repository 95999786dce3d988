"""The student of a run, with the weights that count, and a card that says how it came about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from perfuse.core.errors import SourceError
from perfuse.learn.recipe import Recipe, build
from perfuse.learn.runs import RECIPE, read_run
from perfuse.learn.task import Task
from perfuse.papers.known import make_task

TEACHING = ("teacher", "hint")
"""Parameters of tasks that only training needs: whoever exports a student need not have its teacher."""


def open_run(folder: Path) -> tuple[Task, dict[str, Any]]:
    """Return the task of a run with its exported weights loaded, and the card.

    Raises
    ------
    SourceError
        If it is no run, or it has no whole checkpoint.
    """
    run = read_run(folder)
    recipe: Recipe = build(Recipe, run.recipe, RECIPE)
    task = make_task(replace(recipe, model={k: v for k, v in recipe.model.items() if k not in TEACHING}))
    try:
        task.student.load_state_dict(run.weights())
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise SourceError(
            f"{folder} holds the weights of another {recipe.task} ({first}).", "Train it again with this version."
        ) from error
    task.student.eval()
    card = task.card()
    data = [f"simulated ({', '.join(recipe.simulated.domains)})"] if recipe.simulated else []
    data += [how.data.partition(":")[0] for how in recipe.recorded]
    scores = run.state["validation"]["best"]
    begun = f"begun with {Path(recipe.start).name}, " if recipe.start else ""
    begun += f"{' and '.join(recipe.only)} alone for " if recipe.only else ""
    told = f" r {scores['r']:.2f}, MAE {scores['mae']:.1f}/min on simulated clips." if scores else ""
    trained = f"seed {recipe.seed}, {begun}{run.state['step']} steps"
    card["limits"] = f"{card['limits']} Trained on {' and '.join(data)}, {trained}.{told}"
    return task, card
