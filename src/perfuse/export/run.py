"""The student of a run, with the weights that count, and a card that says how it came about."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from perfuse.core.errors import SourceError
from perfuse.learn import checkpoint
from perfuse.learn.recipe import Recipe, build
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
    path = folder / "recipe.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        mark = content.pop("mark")
    except (OSError, ValueError, KeyError) as error:
        raise SourceError(f"{folder} is no run of perfuse train ({error}).", "Name its folder.") from error
    recipe: Recipe = build(Recipe, content, path.name)
    state = checkpoint.load(folder, mark)
    if state is None:
        raise SourceError(f"{folder} has no checkpoint yet.", "Let it train on.")
    task = make_task(replace(recipe, model={k: v for k, v in recipe.model.items() if k not in TEACHING}))
    validation = state["validation"]
    try:
        task.student.load_state_dict(validation["weights"] or state["averaged"])
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise SourceError(
            f"{folder} holds the weights of another {recipe.task} ({first}).", "Train it again with this version."
        ) from error
    task.student.eval()
    card = task.card()
    data = [f"simulated ({', '.join(recipe.simulated.domains)})"] if recipe.simulated else []
    data += [how.data.partition(":")[0] for how in recipe.recorded]
    scores = validation["best"]
    told = f" r {scores['r']:.2f}, MAE {scores['mae']:.1f}/min on simulated clips." if scores else ""
    card["limits"] = (
        f"{card['limits']} Trained on {' and '.join(data)}, seed {recipe.seed}, {state['step']} steps.{told}"
    )
    return task, card
