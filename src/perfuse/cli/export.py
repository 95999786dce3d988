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
    int8: Annotated[bool, Parameter(negative=())] = False,
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
        What results call it; the name of the folder where that may be one, else that of the task.
    int8
        Large layers in 8 bits, if that says the same as float and takes less time here; else nothing is written.
    quiet
        Print nothing.
    """
    require_extra()
    from perfuse.export.bundle import export as write
    from perfuse.export.int8 import export_int8
    from perfuse.export.run import open_run

    task, card = open_run(Path(run))
    place = Path(bundle)
    card["name"], before = name_for(place, name, card["name"]), replaced(place)
    if int8:
        found = export_int8(task.student, card, place)
        told = f"r {found.median_r:.3f} with the float network, {found.share:.2f} of its time"
    else:
        worst = write(task.student, card, place)
        told = f"torch and ONNX differ by {worst:.1g} standard deviations at most"
    console = terminal(quiet=quiet)
    console.print(f"{told}: {bundle}{before}", soft_wrap=True)
    console.print(f"[dim]use it: perfuse measure face.mp4 --model {bundle}[/dim]", soft_wrap=True)
    return 0


def name_for(bundle: Path, asked: str | None, usual: str) -> str:
    """Return what a bundle is called: as asked, or as its folder where that may be a name, or as usual."""
    from perfuse.methods.bundle import NAME

    return asked or (bundle.name if NAME.fullmatch(bundle.name) else usual)


def replaced(bundle: Path) -> str:
    """Say which bundle is in the way and will be written over; nothing if none is."""
    from perfuse.core.errors import PerfuseError
    from perfuse.methods.bundle import MODEL_FILE
    from perfuse.methods.student import open_bundle

    if not (bundle / MODEL_FILE).is_file():
        return ""
    try:
        return f" (in the place of the bundle {open_bundle(bundle).card.name} that was there)"
    except PerfuseError:
        return " (in the place of what was there)"
