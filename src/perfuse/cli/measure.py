"""``perfuse measure``: recordings in; a table, JSON, CSV or a page out."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.markup import escape

from perfuse.cli import fail
from perfuse.cli.progress import Progress
from perfuse.cli.tables import show, terminal
from perfuse.core.errors import UsageError
from perfuse.report.csv import to_csv
from perfuse.report.files import check_writable, write_atomic
from perfuse.report.json import to_json

if TYPE_CHECKING:
    from rich.console import Console

    from perfuse.core.method import Method
    from perfuse.core.results import Measurement


def measure(
    files: Annotated[list[str], Parameter(negative=())],
    /,
    *,
    method: str = "auto",
    model: str | None = None,
    rate: float | None = None,
    json: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    csv: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    report: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
) -> int:
    """Measure pulse, breathing and heart-rate variability of recordings.

    Parameters
    ----------
    files
        Videos of a face, CSV files of time, red, green, blue, or what a radar recorded (rf.pkl, radar.npz,
        mmwave.mat).
    method
        A name that `perfuse methods` lists; auto takes blend for faces in pictures, pos for their mean colours,
        contact for a finger on the lens, and radar for a radar.
    model
        An exported network to use instead: a folder with model.onnx and card.json, or an ONNX file with its card.
    rate
        Frames per second, only for recordings without timestamps.
    json
        Write JSON there, one line per recording; - is standard output.
    csv
        Write one long table there; - is standard output.
    report
        Write a web page there (needs perfuse[report]); a folder gets one page per recording.
    quiet
        Print no table and no progress.
    """
    outputs = _check(files, model, rate, json, csv, report)
    chosen = _choose(method, model)
    console = terminal(stderr="-" in (json, csv), quiet=quiet)
    done: list[Measurement] = []
    code = 0
    for file, page in outputs:
        try:
            measurement = _measure_one(file, chosen, rate, quiet)
            if page is not None:
                from perfuse.report.html import write_report

                write_report(measurement, page)
        except Exception as error:  # one bad recording must not cost the answers of the others
            failed = fail(error, about=file)
            code = code or failed
            continue
        done.append(measurement)
        _show(console, measurement, page)
        if json == "-":
            _to_stdout(f"{to_json(measurement)}\n")
    if not done:
        return code
    if json not in (None, "-"):
        write_atomic(json, "".join(f"{to_json(measurement)}\n" for measurement in done))
    if csv == "-":
        _to_stdout(to_csv(done))
    elif csv is not None:
        write_atomic(csv, to_csv(done))
    return code


def _check(
    files: list[str], model: str | None, rate: float | None, json: str | None, csv: str | None, report: str | None
) -> list[tuple[str, Path | None]]:
    """Find everything that would go wrong at the end before the long work starts; return each file with its page."""
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise UsageError(f"--rate {rate} was given.", "Pass frames per second, a number above 0.")
    if json == csv == "-":
        raise UsageError("Both --json and --csv ask for standard output.", "Send one of them to a file.")
    pages = _pages(files, report)
    targets = [path for path in (json, csv, *pages) if path is not None and path != "-"]
    places = [os.path.realpath(path) for path in targets]
    bundle = [] if model is None else [model, f"{model}/model.onnx", f"{model}/card.json"]
    if len(set(places)) < len(places) or not {*map(os.path.realpath, [*files, *bundle])}.isdisjoint(places):
        raise UsageError("Two outputs, or an output and an input, are the same file.", "Name different files.")
    for path in targets:
        check_writable(path)
    if report is not None:
        from perfuse.report.html import require_extra

        require_extra()
    return list(zip(files, pages, strict=True))


def _choose(method: str, model: str | None) -> str | Method:
    """Return what measures; a wrong name or a broken network is told once, before the first recording."""
    if model is not None:
        if method != "auto":
            raise UsageError(f"Both --method {method} and --model {model} were given.", "Pass one of them.")
        from perfuse.methods.student import load_bundle

        return load_bundle(model)
    if method != "auto":
        from perfuse.methods import get_method

        get_method(method)
    return method


def _pages(files: list[str], report: str | None) -> list[Path | None]:
    if report is None:
        return [None] * len(files)
    if report == "-":
        raise UsageError("--report - was given.", "Name a file or a folder; the page is not written to a terminal.")
    if os.path.isdir(report):  # noqa: PTH112 - unlike Path.is_dir, says no to a name that is too long
        return [Path(report) / f"{Path(file).name}.html" for file in files]
    if len(files) > 1:
        raise UsageError(
            f"--report {report} was given for {len(files)} recordings.",
            f"Name an existing folder to get one page per recording: mkdir -p {Path(report).stem}",
        )
    return [Path(report)]


def _measure_one(file: str, method: str | Method, rate: float | None, quiet: bool) -> Measurement:
    from perfuse.data.measuring import measure as measure_source

    with Progress(Path(file).name, show=not quiet) as progress:
        return measure_source(file, method=method, rate_hz=rate, progress=progress)


def _show(console: Console, measurement: Measurement, page: Path | None) -> None:
    show(console, measurement)
    if page is not None:
        console.print(f"  [dim]page[/dim] {escape(str(page))}", soft_wrap=True)


def _to_stdout(text: str) -> None:
    """Write UTF-8, whatever the terminal speaks."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()
