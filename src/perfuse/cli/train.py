"""``perfuse train``: a recipe in, a run out; killed and given again, it goes on."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from perfuse.cli.progress import Progress
from perfuse.cli.tables import terminal
from perfuse.core.errors import MissingExtraError, UsageError


def train(
    recipe: str | None = None,
    /,
    *,
    out: str | None = None,
    change: Annotated[list[str] | None, Parameter(name="--set", negative=(), consume_multiple=True)] = None,
    everything: Annotated[bool, Parameter(name="--list", negative=())] = False,
    tensorboard: Annotated[bool, Parameter(negative=())] = False,
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
) -> int:
    """Train a network as a recipe says.

    Stopped at any step, the same command with the same --out goes on, to the weights it would have reached.

    Parameters
    ----------
    recipe
        A name that --list shows, or a YAML file.
    out
        Folder of the run; runs/RECIPE-DATE by default.
    change
        KEY=VALUE instead of what the recipe says, such as optimiser.lr=1e-3; several may follow.
    everything
        List the recipes, and train nothing.
    tensorboard
        Write the log as TensorBoard's events as well, into the same folder.
    quiet
        Print no progress and no summary.
    """
    require_extra()
    from perfuse.papers.known import find_recipe, make_task, recipes

    console = terminal(quiet=quiet)
    if everything:
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("recipe", header_style="dim")
        table.add_column("what", header_style="dim")
        for name, path in recipes().items():
            first = path.read_text(encoding="utf-8").splitlines()[0]
            table.add_row(Text(name, style="bold"), first.removeprefix("#").strip())
        terminal().print(table)
        return 0
    if recipe is None:
        raise UsageError("No recipe was named.", "Name one: perfuse train blend/desk, or see: perfuse train --list.")
    from perfuse.learn.loop import train as run

    what = find_recipe(recipe, changes_of(change or []))
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = Path(out) if out else Path("runs") / f"{recipe.replace('/', '-').removesuffix('.yaml')}-{stamp}"
    task = make_task(what)
    try:
        with Progress(what.task, show=not quiet, unit="steps") as progress:
            done = run(what, task, folder, progress=progress, tensorboard=tensorboard, notice=progress.note)
    except KeyboardInterrupt:
        print(f"\nGo on with: perfuse train {recipe} --out {folder}", file=sys.stderr)
        raise
    told = ", ".join(f"{name} {value:.3g}" for name, value in done.best.items() if name != "at")
    console.print(f"{done.steps} steps ({told or 'not validated'}): {folder}", markup=False, soft_wrap=True)
    console.print(f"[dim]export it: perfuse export {folder} BUNDLE[/dim]", soft_wrap=True)
    return 0


def require_extra() -> None:
    """Check that what training needs is installed.

    Raises
    ------
    MissingExtraError
        If torch or Fabric is missing.
    """
    from importlib.util import find_spec

    missing = [name for name in ("torch", "lightning_fabric") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"Training needs {' and '.join(missing)}, not installed here.", "pip install 'perfuse[train]'"
        )


def changes_of(words: list[str]) -> dict[str, str]:
    """Return KEY=VALUE words as a mapping.

    Raises
    ------
    UsageError
        If a word has no sign between key and value.
    """
    found = {}
    for word in words:
        key, mark, value = word.partition("=")
        if not mark or not key:
            raise UsageError(f"--set {word} was given.", "Pass KEY=VALUE, such as optimiser.lr=1e-3.")
        found[key] = value
    return found
