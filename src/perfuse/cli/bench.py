"""``perfuse bench``: methods over data sets, scored as the field scores and better."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from perfuse.cli.progress import Progress
from perfuse.cli.tables import terminal
from perfuse.core.errors import UsageError

if TYPE_CHECKING:
    from perfuse.bench.metrics import Estimate
    from perfuse.bench.profiles import Profile
    from perfuse.bench.result import Result
    from perfuse.data.dataset import Dataset
    from perfuse.data.recording import Problem

SIMBENCH = "simbench:"
SHOWN = ("heart_rate", "respiratory_rate")
CLASSICAL = "pos,chrom,green,ica,lgi,pbv,omit,pca,ssr"


def bench(
    *,
    data: Annotated[list[str], Parameter(negative=(), consume_multiple=True)],
    methods: str = CLASSICAL,
    protocol: str = "default",
    window: Annotated[list[float] | None, Parameter(negative=(), consume_multiple=True)] = None,
    split: str = "all",
    seed: int = 0,
    out: str | None = None,
    cache: str | None = None,
    jobs: int = 1,
    speed: bool = True,
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
) -> int:
    """Score methods on data sets: a long table, a report with pictures, and the command to repeat it.

    Parameters
    ----------
    data
        Data sets: NAME:FOLDER, or a FOLDER whose kind can be told; simbench:tiny, desk or full makes the benchmark,
        simbench:full:lab one domain of it.
    methods
        Names that perfuse methods lists, or paths of exported networks, separated by commas; all for every one
        that measures faces.
    protocol
        Ways of scoring, separated by commas: default, peak, toolbox, toolbox-2023, physbench. Their numbers do not
        compare.
    window
        Seconds of the windows that are scored, instead of the protocol's own; 0 for whole recordings.
    split
        Score the test side of a split only: subject:0.7/0.1/0.2, k-fold:5, own, toolbox:0.8; see perfuse data show.
    seed
        Of the split.
    out
        Folder for report.html, report.md, rows.csv and summary.json.
    cache
        Folder of prepared recordings; by default $PERFUSE_CACHE, or perfuse/views in your cache folder.
    jobs
        Processes that work side by side; the result is the same.
    speed
        Measure what each method costs.
    quiet
        Print no progress and no table.
    """
    from perfuse.bench.report import write_report
    from perfuse.bench.result import Result
    from perfuse.bench.runner import run
    from perfuse.bench.speed import costs
    from perfuse.data.cache import default_cache

    folder = default_cache() if cache is None else Path(cache)
    names = _methods(methods)
    profiles = _profiles(protocol, window)
    if out is not None:
        _check_out(Path(out))
    sets = [_open(spec, folder, jobs, quiet) for spec in data]
    with Progress("decoding", show=not quiet, unit="recordings") as bar:
        done = run(
            sets, names, profiles, folder, split=split, seed=seed, jobs=jobs,
            progress=lambda what, count, total: bar(count, total, what),
        )  # fmt: skip
    spent = costs(names, done.sample, folder) if speed else ()
    about = _about(data, names, protocol, window, split, seed, out, speed)
    notes = [part.note for part in done.splits if part.note]
    problems = tuple(_relative(problem, sets) for problem in done.problems)
    result = Result(done.lines, problems, spent, done.data, about | {"notes": "; ".join(dict.fromkeys(notes))})
    if not quiet:
        _show(result)
    if out is not None:
        write_report(result, out)
        terminal(quiet=quiet).print(f"report: {Path(out) / 'report.html'}", markup=False, soft_wrap=True)
    return 0 if done.lines else 3


def _relative(problem: Problem, sets: list[Dataset]) -> Problem:
    """Return a problem whose paths start with the name of the data set: pages travel, folders do not."""
    file, message = problem.file, problem.message
    for data in sets:
        root = str(data.root)
        file, message = (
            text.replace(f"{root}/", f"{data.name}:").replace(root, data.name) for text in (file, message)
        )
    return replace(problem, file=file, message=message)


def _methods(text: str) -> list[str]:
    """Return the names asked for, each of which is there."""
    from perfuse.bench.runner import find_method
    from perfuse.methods import METHODS

    names = [name.strip() for name in text.split(",") if name.strip()]
    names = [n for n in METHODS if n not in ("contact", "radar")] if names == ["all"] else names
    if not names:
        raise UsageError("No method was named.", f"Pass some of: {', '.join(METHODS)}.")
    for name in names:
        find_method(name)
    return names


def _profiles(protocol: str, window: list[float] | None) -> list[Profile]:
    from perfuse.bench.profiles import profile
    from perfuse.bench.windows import WHOLE, seconds

    cuts = None if window is None else tuple(seconds(length) if length else WHOLE for length in window)
    if window is not None and not all(length == 0 or 5 <= length <= 3600 for length in window):
        raise UsageError(f"--window {window} was given.", "Pass 5 to 3600 seconds, or 0 for whole recordings.")
    names = [name.strip() for name in protocol.split(",") if name.strip()]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"--protocol {protocol} was given.", "Name each way of scoring once.")
    return [profile(name, cuts=cuts) for name in names]


def _check_out(folder: Path) -> None:
    from perfuse.core.errors import OutputError
    from perfuse.report.files import check_writable
    from perfuse.report.html import require_extra

    require_extra()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made a folder ({error.strerror}).", "Choose another place.") from error
    check_writable(folder / "report.html")


def _open(spec: str, cache: Path, jobs: int, quiet: bool) -> Dataset:
    """Open a data set; SimBench is made where it is not there yet."""
    from perfuse.data.dataset import open_dataset

    if not spec.startswith(SIMBENCH):
        return open_dataset(spec)
    from perfuse.synth.layouts.folder import make
    from perfuse.synth.layouts.known import get_layout
    from perfuse.synth.layouts.plan import plan
    from perfuse.synth.simbench import sitting

    size, part, domain = spec.removeprefix(SIMBENCH).partition(":")
    people, source = sitting(size, domain if part else None)
    name = f"{size}-{domain}" if part else size
    folder = cache.parent / "simbench" / f"{name}-v{source['version']}-{source['fingerprint'][:12]}"
    layout = get_layout("perfuse")
    source["radar"] = False
    try:
        with Progress("painting", show=not quiet) as progress:
            make(folder, layout, plan(layout, people), source, jobs=jobs, progress=progress)
    except KeyboardInterrupt:
        print("\nThe same command goes on where this one stopped.", file=sys.stderr)
        raise
    return open_dataset(f"perfuse:{folder}")


def _about(
    data: list[str],
    names: list[str],
    protocol: str,
    window: list[float] | None,
    split: str,
    seed: int,
    out: str | None,
    speed: bool,
) -> dict[str, str]:
    import perfuse
    from perfuse.bench.machine import machine

    # names, not "all", which means more with every method that is added
    words = ["perfuse", "bench", "--data", *data, "--methods", ",".join(names), "--protocol", protocol]
    words += [] if window is None else ["--window", *(f"{length:g}" for length in window)]
    words += [] if split == "all" else ["--split", split, "--seed", str(seed)]
    words += [] if out is None else ["--out", out]
    words += [] if speed else ["--no-speed"]
    return {
        "command": shlex.join(words),
        "date": date.today().isoformat(),
        "machine": machine(),
        "perfuse": perfuse.__version__,
        "split": split,
        "seed": str(seed),
    }


def _show(result: Result) -> None:
    """Print a table per way of scoring and data set: the best method first."""
    from perfuse.bench.ranking import rankings
    from perfuse.bench.table import summaries

    console = terminal()
    spent = {cost.method: cost for cost in result.costs}
    for rank in rankings(result, summaries(result)):
        if rank.vital not in SHOWN or not any(group.summary.answered for group in rank.groups):
            continue
        where = rank.dataset or "all data sets"
        console.print(f"\n[bold]{rank.vital.replace('_', ' ')}[/bold], {where}, {rank.profile}, {rank.window}")
        table = Table(box=None, padding=(0, 2, 0, 0))
        headings = ("method", "MAE", "95 %", "RMSE", "r", "answered", "in interval", "windows", "x real time")
        for heading in headings:
            side: Literal["left", "right"] = "left" if heading == "method" else "right"
            table.add_column(heading, header_style="dim", justify=side, no_wrap=heading in ("method", "95 %"))
        for group in rank.groups:
            s, cost = group.summary, spent.get(group.method)
            table.add_row(
                Text(group.method, style="bold"),
                _number(s.agreement.mae, 2),
                _span(s.agreement.mae),
                _number(s.agreement.rmse, 2),
                _number(s.agreement.r, 2),
                _share(s.agreement.answered),
                _share(s.intervals.coverage),
                str(s.agreement.mae.n),
                "" if cost is None or not cost.ms_per_s else f"{1000 / cost.ms_per_s:.0f}",
            )
        console.print(table)
    dropped = sum(problem.dropped for problem in result.problems)
    if result.problems:
        console.print(
            f"\n[dim]{len(result.problems)} problems with the data, {dropped} of them cost a recording; "
            "the report lists them, and so does perfuse data check[/dim]"
        )


def _number(estimate: Estimate, digits: int) -> str:
    return "" if estimate.value is None else f"{estimate.value:.{digits}f}"


def _span(estimate: Estimate) -> str:
    return "" if estimate.low is None else f"{estimate.low:.1f}-{estimate.high:.1f}"


def _share(estimate: Estimate) -> str:
    return "" if estimate.value is None else f"{100 * estimate.value:.0f} %"
