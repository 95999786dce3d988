"""``perfuse data``: look into data sets, check their references, cache what methods and networks eat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from perfuse.cli.progress import Progress
from perfuse.cli.tables import terminal
from perfuse.core.errors import UsageError

if TYPE_CHECKING:
    from perfuse.core.view import View
    from perfuse.data.check import Check
    from perfuse.data.dataset import Dataset
    from perfuse.data.recording import Problem

app = App(
    name="data",
    help="Look into data sets, check their references, cache what methods and networks eat.",
    help_epilogue="Name a data set as NAME:FOLDER, or just the FOLDER where its kind can be told from its files. "
    "perfuse data list shows the names, and what each reader expects.",
)
SHOWN = 12
Where = Annotated[list[str], Parameter(negative=())]
Quiet = Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())]


@app.command(name="list")
def readers(name: str | None = None, /) -> int:
    """List the data sets that can be read, or tell everything about one.

    Parameters
    ----------
    name
        One of them.
    """
    from perfuse.data.readers.known import MODULES, get_reader

    console = terminal()
    if name is not None:
        reader = get_reader(name)
        for heading, text in (
            (reader.name, reader.title),
            ("paper", reader.paper),
            ("access", reader.access),
            ("references", ", ".join(reader.signals) or "none"),
            ("verified", reader.verified),
            *(("note", note) for note in reader.notes),
        ):
            console.print(Text(f"{heading}: ", style="bold").append(text, style="not bold"), soft_wrap=False)
        console.print(Text("layout:", style="bold"))
        console.print(reader.layout, markup=False, highlight=False)
        return 0
    table = _table("data set", "title", "references")
    for known in MODULES:
        reader = get_reader(known)
        table.add_row(Text(known, style="bold"), reader.title, ", ".join(reader.signals))
    console.print(table)
    return 0


@app.command(name="show")
def show(where: Where, /, *, split: str = "all", seed: int = 0) -> int:
    """Show what is in data sets, and how a split divides them.

    Parameters
    ----------
    where
        Data sets.
    split
        subject:0.7/0.1/0.2, k-fold:5, leave-one:light, own, toolbox:0.8, recording, or all.
    seed
        Decides who is on which side.
    """
    from perfuse.data.splits import splits

    sets = [_open(spec) for spec in where]
    console = terminal()
    table = _table("data set", "recordings", "subjects", "known about them")
    for data in sets:
        about = Counter(name for recording in data for name in recording.about)
        table.add_row(Text(data.name, style="bold"), str(len(data)), str(len(data.subjects())), ", ".join(about))
    console.print(table)
    if split != "all":
        parts = splits(split, [recording for data in sets for recording in data], seed)
        table = _table("split", "train", "val", "test", "people on two sides")
        for part in parts:
            counts = [str(len(side)) for side in (part.train, part.val, part.test)]
            table.add_row(part.name, *counts, ", ".join(part.leaks) or "none")
        console.print()
        console.print(table)
        for note in dict.fromkeys(part.note for part in parts if part.note):
            console.print(f"[dim]{note}[/dim]")
    _problems([problem for data in sets for problem in data.problems])
    return 0


@app.command(name="prepare")
def prepare_views(
    where: Where,
    /,
    *,
    view: str = "trace",
    cache: str | None = None,
    jobs: int = 1,
    quiet: Quiet = False,
) -> int:
    """Decode every recording once and cache what methods and networks eat of it.

    Stopped at any moment, the same command goes on where it stopped.

    Parameters
    ----------
    where
        Data sets.
    view
        trace, grid:ROWSxCOLS or crop:SIZE; @HZ behind it for another rate than 30, such as crop:72@25.
    cache
        Folder; by default $PERFUSE_CACHE, or perfuse/views in your cache folder.
    jobs
        Processes that work side by side; the result is the same.
    quiet
        Print no progress and no summary.
    """
    from perfuse.data.cache import default_cache
    from perfuse.data.prepare import prepare

    wanted = parse_view(view)
    sets = [_open(spec) for spec in where]
    recordings = [recording for data in sets for recording in data]
    folder = default_cache() if cache is None else Path(cache)
    known = [problem for data in sets for problem in data.problems]
    with Progress("decoding", show=not quiet, unit="recordings") as progress:
        done = prepare(recordings, wanted, folder, jobs=jobs, problems=known, progress=progress)
    console = terminal(quiet=quiet)
    size = sum(path.stat().st_size for path in done.entries.values())
    kept = f", {done.kept} there already" if done.kept else ""
    console.print(
        f"{done.made} {_plural(done.made, 'recording')} cached{kept} ({size / 1e6:.0f} MB in all): {folder}",
        markup=False,
        soft_wrap=True,
    )
    if not quiet:
        _problems(done.problems)
    return 0 if done.entries else 3


@app.command(name="check")
def check_references(
    where: Where,
    /,
    *,
    method: str = "pos",
    report: str | None = None,
    cache: str | None = None,
    jobs: int = 1,
    quiet: Quiet = False,
) -> int:
    """Compare every reference with the pulse in the face: lag, drift, quality.

    Parameters
    ----------
    where
        Data sets.
    method
        What finds the pulse in the face.
    report
        Draw it: an SVG, PNG or PDF file (needs perfuse[report]).
    cache
        Folder; by default $PERFUSE_CACHE, or perfuse/views in your cache folder.
    jobs
        Processes that work side by side; the result is the same.
    quiet
        Print no progress.
    """
    from perfuse.core.view import Trace
    from perfuse.data.cache import default_cache
    from perfuse.data.check import check
    from perfuse.methods import get_method

    if not isinstance(get_method(method).view, Trace):
        raise UsageError(f"--method {method} eats pictures.", "Choose one that eats traces, such as pos or chrom.")
    if report is not None:
        from perfuse.report.files import check_writable
        from perfuse.report.html import require_extra

        require_extra()
        if Path(report).suffix.lower() not in (".svg", ".png", ".pdf"):
            raise UsageError(f"--report {report} was given.", "Name an .svg, .png or .pdf file.")
        check_writable(report)
    sets = [_open(spec) for spec in where]
    recordings = [recording for data in sets for recording in data]
    folder = default_cache() if cache is None else Path(cache)
    known = [problem for data in sets for problem in data.problems]
    with Progress("checking", show=not quiet, unit="recordings") as progress:
        done = check(recordings, folder, method=method, jobs=jobs, problems=known, progress=progress)
    _show_check(done)
    if report is not None:
        from perfuse.data.check_picture import draw
        from perfuse.report.files import write_atomic

        write_atomic(report, draw(done, Path(report).suffix.lower()[1:]))
    return 0


def parse_view(text: str) -> View:
    """Read ``trace``, ``grid:9x9``, ``crop:72`` and ``crop:72@25``.

    Raises
    ------
    UsageError
        If it is none of these.
    """
    from perfuse.core.view import Crop, Grid, Trace

    what, _, rate_text = text.partition("@")
    kind, _, size = what.partition(":")
    rows, _, cols = size.partition("x")
    try:
        rate = float(rate_text or "30")
        if not 1 <= rate <= 240:
            raise ValueError
        if kind == "trace" and not size:
            return Trace(rate_hz=rate)
        if kind == "grid" and 1 <= int(rows) <= 256 and 1 <= int(cols) <= 256:
            return Grid(int(rows), int(cols), rate)
        if kind == "crop" and 4 <= int(size) <= 512:
            return Crop(int(size), rate)
    except ValueError:
        pass
    raise UsageError(
        f"--view {text} was given.", "Pass trace, grid:ROWSxCOLS or crop:SIZE, such as grid:9x9 or crop:72@25."
    )


def _open(spec: str) -> Dataset:
    from perfuse.data.dataset import open_dataset

    return open_dataset(spec)


def _show_check(done: Check) -> None:
    console = terminal()
    table = _table("recording", "reference", "covers", "lag", "drift", "r", "looks like a pulse", "rate")
    for fit in done.fits:
        table.add_row(
            Text(fit.recording, style="bold"),
            fit.reference,
            f"{100 * fit.covers:.0f} %",
            *(("" if value is None else f"{value:+.2f} s") for value in (fit.lag_s, fit.drift_s)),
            "" if fit.r is None else f"{fit.r:.2f}",
            "" if fit.quality is None else f"{100 * fit.quality:.0f} %",
            "" if fit.rate is None else f"{fit.rate:.0f}/min",
        )
    console.print(table)
    lags = sorted(fit.lag_s for fit in done.fits if fit.lag_s is not None)
    if lags:
        console.print(f"\n[dim]median lag {lags[len(lags) // 2]:+.2f} s; positive: the reference comes later[/dim]")
    _problems(done.problems)


def _problems(problems: Sequence[Problem]) -> None:
    """Print what is wrong, once each, the worst first."""
    from rich.markup import escape

    if not problems:
        return
    console = terminal()
    dropped = sum(problem.dropped for problem in problems)
    left = f", {dropped} {_plural(dropped, 'recording')} left out" if dropped else ""
    console.print(f"\n[bold]{len(problems)} {_plural(len(problems), 'problem')}[/bold]{left}")
    for problem in sorted(problems, key=lambda p: not p.dropped):
        mark = "[red]left out[/red]" if problem.dropped else "[yellow]used[/yellow]"
        who = f" {escape(problem.recording)}:" if problem.recording else ""
        console.print(f"  {mark} [dim]{problem.kind}[/dim]{who} {escape(problem.message)}", soft_wrap=True)
        console.print(f"    [dim]{escape(problem.file)}[/dim]", soft_wrap=True, highlight=False)


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, header_style="dim")
    return table
