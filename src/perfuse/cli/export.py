"""``perfuse export``: a run in, a bundle out that ``perfuse measure --model`` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from perfuse.cli.tables import terminal
from perfuse.cli.train import require_extra


def export(
    run: str,
    bundle: str,
    /,
    *,
    name: str | None = None,
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
) -> int:
    """Export the student of a run: ONNX, card and weights, checked against torch.

    Parameters
    ----------
    run
        Folder of perfuse train.
    bundle
        Folder to write.
    name
        What results call it, instead of the task's name.
    quiet
        Print nothing.
    """
    require_extra()
    from perfuse.export.bundle import export as write
    from perfuse.export.run import open_run

    task, card = open_run(Path(run))
    fixed = card["min_s"] == card["window_s"]
    worst = write(task.student, card | ({} if name is None else {"name": name}), Path(bundle), fixed=fixed)
    console = terminal(quiet=quiet)
    console.print(f"torch and ONNX differ by {worst:.1g} standard deviations at most: {bundle}", soft_wrap=True)
    console.print(f"[dim]use it: perfuse measure face.mp4 --model {bundle}[/dim]", soft_wrap=True)
    return 0
