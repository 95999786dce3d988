"""``perfuse score``: waves that some other program predicted, scored as the field scores them."""

from __future__ import annotations

import json as text
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter
from rich.table import Table

from perfuse.cli.tables import terminal
from perfuse.core.errors import SourceError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREDICTION, LABEL = "pred_", "label_"


def score(
    file: str,
    /,
    *,
    rate: float = 30.0,
    window: float | None = None,
    peaks: Annotated[bool, Parameter(negative=())] = False,
    differenced: Annotated[bool, Parameter(negative=())] = False,
    protocol: str = "toolbox",
    json: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
) -> int:
    """Score predicted pulse waves against their labels as the rPPG-Toolbox does.

    Parameters
    ----------
    file
        NumPy's .npz with arrays pred_NAME and label_NAME, one pair a video.
    rate
        Samples per second.
    window
        Seconds; whole videos by default.
    peaks
        Read rates off the peaks instead of the spectrum.
    differenced
        The waves are differences from sample to sample, as networks of the Toolbox give them.
    protocol
        toolbox, or toolbox-2023 for the band of its paper.
    json
        Write figures and windows there; - is standard output.
    quiet
        Print no table.
    """
    from perfuse.bench import toolbox
    from perfuse.report.files import check_writable, write_atomic

    bands = {"toolbox": toolbox.BAND_HZ, "toolbox-2023": toolbox.BAND_2023_HZ}
    if protocol not in bands:
        raise UsageError(f"--protocol {protocol} was given.", f"Pass one of {', '.join(bands)}.")
    if not (math.isfinite(rate) and 2 * bands[protocol][1] < rate <= 1000):
        raise UsageError(
            f"--rate {rate:g} was given.", f"Pass more than {2 * bands[protocol][1]:g} samples a second."
        )
    if window is not None and not (math.isfinite(window) and window > 0):
        raise UsageError(f"--window {window:g} was given.", "Pass seconds, more than 0.")
    if json not in (None, "-"):
        check_writable(str(json))
    pairs = read_pairs(Path(file))
    windows = {
        name: toolbox.score_pair(
            prediction, label, rate, differenced=differenced, window_s=window, band_hz=bands[protocol],
            read="peak" if peaks else "fft",
        )
        for name, (prediction, label) in pairs.items()
    }  # fmt: skip
    figures = toolbox.table(toolbox.summarise([w for scored in windows.values() for w in scored]))
    if not quiet:
        _show(figures, stderr=json == "-")
    if json is not None:
        about = {"protocol": protocol, "rate_hz": rate, "window_s": window, "read": "peaks" if peaks else "fft"}
        rows = {name: [_window(w, rate) for w in scored] for name, scored in windows.items()}
        content = text.dumps(about | {"figures": _plain(figures), "windows": rows}, allow_nan=False) + "\n"
        sys.stdout.write(content) if json == "-" else write_atomic(json, content)
    return 0


def read_pairs(path: Path) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Read ``pred_NAME`` and ``label_NAME``.

    Raises
    ------
    SourceError
        If the file cannot be read, a partner is missing, or an array is no row of numbers.
    """
    expected = "Expected are arrays pred_NAME and label_NAME, one row of numbers each."
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: np.asarray(stored[name]) for name in stored.files}
    except FileNotFoundError as error:
        raise SourceError(f"There is no file {path}.", "Check the path.") from error
    except Exception as error:  # numpy raises what its parts raise: zipfile, zlib, ValueError, ...
        raise SourceError(f"{path} is no .npz of plain arrays ({error}).", expected) from error
    names = sorted({n.partition("_")[2] for n in arrays if n.startswith((PREDICTION, LABEL))})
    if not names:
        raise SourceError(f"{path} holds no prediction.", expected)
    pairs = {}
    for name in names:
        pair = [arrays.get(PREDICTION + name), arrays.get(LABEL + name)]
        missing = [m for m, array in zip((PREDICTION, LABEL), pair) if array is None]
        if missing:
            raise SourceError(f"{path} has no {missing[0]}{name}.", expected)
        rows = [np.asarray(array) for array in pair]
        if any(r.dtype.kind not in "iuf" or r.squeeze().ndim != 1 for r in rows):
            raise SourceError(f"{name} in {path} is no row of numbers: shapes {[r.shape for r in rows]}.", expected)
        prediction, label = (r.squeeze().astype(np.float64) for r in rows)
        pairs[name] = (prediction, label)
    return pairs


def _window(window: Any, rate_hz: float) -> dict[str, Any]:
    return _plain(
        {
            "start_s": window.start / rate_hz,
            "stop_s": window.stop / rate_hz,
            "label": window.label,
            "prediction": window.prediction,
            "snr_db": window.snr_db,
            "macc": window.macc,
            "note": window.note,
        }
    )


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return JSON's own values: what is not finite is null."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in values.items()
    }


def _show(figures: dict[str, Any], *, stderr: bool) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("figure", "value", "standard error"):
        table.add_column(heading, header_style="dim", justify="left" if heading == "figure" else "right")
    for name, value in figures.items():
        if name.endswith("_se"):
            continue
        error = figures.get(f"{name}_se")
        table.add_row(name, _digits(value), _digits(error))
    terminal(stderr=stderr).print(table)


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}" if float(value).is_integer() else f"{value:.6f}"
