"""``perfuse import``: weights that others published in, a bundle out that ``perfuse measure --model`` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from perfuse.cli.export import name_for, replaced
from perfuse.cli.tables import terminal
from perfuse.cli.train import require_extra


def adopt(
    network: str,
    source: str,
    bundle: str,
    /,
    *,
    member: str | None = None,
    name: str | None = None,
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
) -> int:
    """Make weights that others published into a bundle that measures.

    Weights are read without running code. They stay under the licence of their authors.

    Parameters
    ----------
    network
        What they are of: lq-rppg or physnet.
    source
        Their file, or the folder that holds their files.
    bundle
        Folder to write.
    member
        Which of several sets of weights in the folder: the name of the set, or how it begins.
    name
        What results call it; the name of the folder to write where that may be one.
    quiet
        Print nothing.
    """
    require_extra()
    from perfuse.export.bundle import export
    from perfuse.papers.known import import_published

    student, card = import_published(network, Path(source), member)
    place = Path(bundle)
    before = replaced(place)
    worst = export(student, card | {"name": name_for(place, name, card["name"])}, place)
    console = terminal(quiet=quiet)
    told = f"torch and ONNX differ by {worst:.1g} standard deviations at most"
    console.print(f"{told}: {bundle}{before}", soft_wrap=True)
    console.print(f"[dim]use it: perfuse measure face.mp4 --model {bundle}[/dim]", soft_wrap=True)
    return 0
