"""``perfuse synth``: folders of people who never lived, with everything that is true about them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from perfuse.cli.progress import Progress
from perfuse.cli.tables import terminal
from perfuse.core.errors import UsageError

if TYPE_CHECKING:
    from perfuse.synth.layouts.plan import Layout, Member


def synth(
    out: Annotated[str | None, Parameter(allow_leading_hyphen=False)] = None,
    /,
    *,
    subjects: int | None = None,
    domain: str | None = None,
    seed: int | None = None,
    layout: str = "perfuse",
    simbench: str | None = None,
    seconds: float | None = None,
    size: str | None = None,
    radar: Annotated[bool, Parameter(negative=())] = False,
    jobs: int = 1,
    everything: Annotated[bool, Parameter(name="--list", negative=())] = False,
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
) -> int:
    """Make face videos of people whose pulse and breathing are known, in a folder.

    Stopped half-way, the same command goes on where it stopped; with more --subjects it adds some.

    Parameters
    ----------
    out
        The folder; it is made if there is none.
    subjects
        How many people, 1 by default.
    domain
        Where and how they are recorded; --list shows what there is. lab by default.
    seed
        Decides who they are; another number, other people. 0 by default.
    layout
        perfuse (video and references per subject), or as a public data set has it: ubfc, pure, equipleth.
    simbench
        Make the benchmark instead: tiny, desk or full; with --domain that part of it.
    seconds
        Length of each recording.
    size
        Size of the pictures, such as 640x480.
    radar
        Record a radar as well (the domain paired-radar always has one).
    jobs
        Processes that work side by side; the result is the same.
    everything
        List domains, layouts and sizes of the benchmark, and make nothing.
    quiet
        Print no progress and no summary.
    """
    console = terminal(quiet=quiet)
    if everything:
        _list()
        return 0
    if not out:  # an empty name would be the folder one is in
        raise UsageError("No folder was named.", "Name one: perfuse synth people, or see: perfuse synth --list.")
    from perfuse.synth.layouts.folder import make
    from perfuse.synth.layouts.known import get_layout
    from perfuse.synth.layouts.plan import plan
    from perfuse.synth.simbench import sitting

    how = get_layout(layout)
    if simbench is None:
        members, source = _people(how, subjects, domain, seed, seconds, size)
    elif how.name != "perfuse" or any(value is not None for value in (subjects, seed, seconds, size)):
        raise UsageError(
            "--simbench fixes people, length and size, and has our own layout.",
            "Leave --subjects, --seed, --layout, --seconds and --size out.",
        )
    else:
        members, source = sitting(simbench, domain)
    takes = plan(how, members, radar=radar)
    source["radar"] = radar
    try:
        with Progress("painting", show=not quiet) as progress:
            made = make(out, how, takes, source, jobs=jobs, progress=progress)
    except KeyboardInterrupt:
        print("\nThe same command goes on where this one stopped.", file=sys.stderr)
        raise
    kept = f", {made.kept} there already" if made.kept else ""
    what = "recording" if made.made == 1 else "recordings"
    console.print(f"{made.made} {what} made{kept}: {made.folder}", markup=False, soft_wrap=True)
    return 0


def _people(
    layout: Layout,
    subjects: int | None,
    domain: str | None,
    seed: int | None,
    seconds: float | None,
    size: str | None,
) -> tuple[tuple[Member, ...], dict[str, Any]]:
    """Return who is asked for, and what they were drawn from."""
    from perfuse.synth.layouts.plan import people

    asked: dict[str, Any] = {} if size is None else _size(size)
    if seconds is not None:
        asked["duration_s"] = seconds
    where, number = domain or layout.domain, seed or 0
    row = people(1 if subjects is None else subjects, where, number, asked)
    return row, {"domain": where, "seed": number, "asked": asked}


def _size(text: str) -> dict[str, int]:
    """Read a size such as 640x480."""
    width, _, height = text.lower().partition("x")
    if not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
        raise UsageError(f"--size {text} was given.", "Pass width and height in pixels, such as 640x480.")
    return {"width": int(width), "height": int(height)}


def _list() -> None:
    from perfuse.synth.domains import DOMAINS
    from perfuse.synth.layouts.known import LAYOUTS
    from perfuse.synth.simbench import DOMAINS as BENCH
    from perfuse.synth.simbench import SIZES

    console = terminal()
    others = {"home": "a resting adult who holds still; what perfuse demo paints", "train": "wider than reality"}
    rows = {name: others.get(name, "") for name in DOMAINS if name not in BENCH} | BENCH
    _show("domain", "who and where", rows)
    console.print()
    _show("layout", "what", {layout.name: layout.title for layout in LAYOUTS.values()})
    console.print()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("simbench", "subjects", "seconds each", "pictures", "hours in all"):
        table.add_column(heading, header_style="dim", justify="left" if heading == "simbench" else "right")
    for name, s in SIZES.items():
        hours = len(BENCH) * s.subjects * s.duration_s / 3600
        people = f"{len(BENCH)} x {s.subjects}"
        table.add_row(
            Text(name, style="bold"), people, f"{s.duration_s:g}", f"{s.width} x {s.height}", f"{hours:.2g}"
        )
    console.print(table)


def _show(key: str, value: str, rows: dict[str, str]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(key, header_style="dim", no_wrap=True)
    table.add_column(value, header_style="dim")
    for name, text in rows.items():
        table.add_row(Text(name, style="bold"), text)
    terminal().print(table)
