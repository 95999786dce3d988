"""``perfuse teacher``: teach a teacher what rates look like, and keep what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from perfuse.cli.progress import Progress
from perfuse.cli.tables import terminal
from perfuse.cli.train import changes_of, require_extra

app = App(
    name="teacher",
    help="Teach a teacher of captions what rates look like, and keep what it says of clips.",
    help_epilogue="Teachers are for perfuse train physvlm/... --set model.teacher=WHAT.",
)
Change = Annotated[list[str] | None, Parameter(name="--set", negative=(), consume_multiple=True)]
Names = Annotated[list[str] | None, Parameter(negative=(), consume_multiple=True)]
Quiet = Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())]


@app.command(name="adapt")
def adapt(
    base: str,
    out: str,
    /,
    *,
    recipe: str = "physvlm/tiny-desk",
    change: Change = None,
    held_out: Names = None,
    revision: str | None = None,
    pairs: int = 4,
    quiet: Quiet = False,
) -> int:
    """Teach a teacher captions of rates, on the data of a recipe.

    CLIP and SigLIP learn low-rank updates, which alone are kept; the small one learns as a whole.

    Parameters
    ----------
    base
        tiny, for a new small one; or a CLIP or SigLIP model, as a folder or by its name on the hub; with open_clip:
        before it, a model of open_clip.
    out
        Folder to write.
    recipe
        Whose data, steps, batch and learning rate: a name that perfuse train --list shows, or a YAML file.
    change
        KEY=VALUE instead of what the recipe says; several may follow.
    held_out
        Domains and data sets that it must not learn from: those a result is to be measured on.
    revision
        Of a model on the hub; a commit makes a result repeatable.
    pairs
        Clips of a batch that are also shown beside themselves at other speeds.
    quiet
        Print no progress and no summary.
    """
    require_extra()
    from perfuse.papers.known import find_recipe
    from perfuse.papers.physvlm.stages import adapt_teacher

    what = find_recipe(recipe, changes_of(change or []))
    with Progress("teacher", show=not quiet, unit="steps") as progress:
        done = adapt_teacher(
            base, what, Path(out), held_out=held_out or (), revision=revision, pairs=pairs, progress=progress
        )
    console = terminal(quiet=quiet)
    console.print(
        f"{done.name}, loss {done.first:.2f} to {done.last:.2f}, fingerprint {done.fingerprint}: {out}",
        markup=False, soft_wrap=True,
    )  # fmt: skip
    console.print(f"[dim]keep what it says: perfuse teacher cache {out} CACHE.safetensors[/dim]", soft_wrap=True)
    return 0


@app.command(name="cache")
def cache(
    teacher: str,
    out: str,
    /,
    *,
    recipe: str = "physvlm/desk",
    change: Change = None,
    held_out: Names = None,
    quiet: Quiet = False,
) -> int:
    """Ask a teacher about every clip of a recipe's bank, and keep what it says in one file.

    A training that is given the file as model.teacher, with simulated.lessons=true, needs no teacher beside it.

    Parameters
    ----------
    teacher
        spectral; a run of physvlm/tiny-desk; a folder of perfuse teacher adapt; or a CLIP or SigLIP model, as a
        folder or by its name on the hub.
    out
        File to write, .safetensors.
    recipe
        Whose bank: a name that perfuse train --list shows, or a YAML file.
    change
        KEY=VALUE instead of what the recipe says; several may follow.
    held_out
        Domains and data sets that must be neither in the bank nor in what the teacher has learnt from.
    quiet
        Print no progress and no summary.
    """
    require_extra()
    from perfuse.papers.known import find_recipe
    from perfuse.papers.physvlm.stages import cache_priors

    what = find_recipe(recipe, changes_of(change or []))
    with Progress("teacher", show=not quiet, unit="clips") as progress:
        done = cache_priors(teacher, what, Path(out), held_out=held_out or (), progress=progress)
    console = terminal(quiet=quiet)
    console.print(f"{done.clips} clips, teacher {done.name} {done.fingerprint}: {out}", markup=False, soft_wrap=True)
    console.print(
        f"[dim]learn from it: perfuse train {recipe} --set model.teacher={out} simulated.lessons=true[/dim]",
        soft_wrap=True,
    )
    return 0
