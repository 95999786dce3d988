"""A run as files: a page of HTML, the same in Markdown, the long table as CSV, all figures as JSON."""

from __future__ import annotations

import html as markup
import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from perfuse.bench.metrics import DRAWS
from perfuse.bench.page import Page, compose
from perfuse.bench.ranking import Ranking, rankings
from perfuse.bench.result import Result
from perfuse.bench.scores import Table
from perfuse.bench.table import Group, estimate_record, flat, summaries, to_csv
from perfuse.core.errors import OutputError
from perfuse.report.files import check_writable, write_atomic
from perfuse.report.html import require_extra

SCHEMA = "perfuse.bench/1"
FILES = ("report.md", "rows.csv", "summary.json", "report.html")


def write_report(
    result: Result, folder: str | os.PathLike[str], *, html: bool = True, draws: int = DRAWS
) -> tuple[Path, ...]:
    """Write :data:`FILES` into a folder, which is made if need be; each file is replaced in one step.

    Parameters
    ----------
    result : Result
        What a run said.
    folder : path
        Where to.
    html : bool
        Whether to draw the page too.
    draws : int
        Of the bootstrap over people.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    OutputError
        If the folder cannot be made or written to.
    MissingExtraError
        If the page was asked for and matplotlib or jinja2 is not installed; the other files are there then.
    """
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise OutputError(f"{place} cannot be made: {error}.", "Choose another folder.") from error
    names = FILES if html else FILES[:-1]
    for name in names:
        check_writable(place / name)
    groups = summaries(result, draws=draws)
    ranks = rankings(result, groups, draws=draws)
    page = compose(result, ranks)
    _write(place / "report.md", _markdown(page))
    _write(place / "rows.csv", to_csv(result))
    _write(place / "summary.json", _summary(result, groups, ranks))
    if html:
        _write(place / "report.html", _html(result, ranks, page, draws))
    return tuple(place / name for name in names)


def to_markdown(result: Result, *, draws: int = DRAWS) -> str:
    """Return the page as Markdown: all words and tables, no pictures."""
    return _markdown(compose(result, rankings(result, draws=draws)))


def to_html(result: Result, *, draws: int = DRAWS) -> str:
    """Return the page as one file of HTML that needs nothing else.

    Raises
    ------
    MissingExtraError
        If matplotlib or jinja2 is not installed.
    """
    require_extra()
    ranks = rankings(result, draws=draws)
    return _html(result, ranks, compose(result, ranks), draws)


def to_json(result: Result, *, draws: int = DRAWS) -> str:
    """Return every figure and comparison, costs, data, problems and facts of the run; never NaN."""
    groups = summaries(result, draws=draws)
    return _summary(result, groups, rankings(result, groups, draws=draws))


def _write(path: Path, text: str) -> None:
    # names of files may hold bytes that are no text
    write_atomic(path, text.encode("utf-8", "backslashreplace"))


def _summary(result: Result, groups: Sequence[Group], ranks: Sequence[Ranking]) -> str:
    record = {
        "schema": SCHEMA,
        "about": result.about,
        "data": [asdict(d) for d in result.data],
        "costs": [asdict(cost) for cost in result.costs],
        "problems": [asdict(problem) for problem in result.problems],
        "figures": [flat(group) for group in groups],
        "rankings": [_ranking(rank) for rank in ranks],
    }
    return json.dumps(_finite(record), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _ranking(rank: Ranking) -> dict[str, Any]:
    return {
        "dataset": rank.dataset,
        "profile": rank.profile,
        "vital": rank.vital,
        "window": rank.window,
        "order": [group.method for group in rank.groups],
        "best": rank.best,
        "against_the_best": {
            method: {**asdict(c), "difference": estimate_record(c.difference), "verdict": rank.verdict(method)}
            for method, c in rank.against.items()
        },
    }


def _finite(value: Any) -> Any:
    """Replace what is not finite by None, everywhere."""
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _html(result: Result, ranks: Sequence[Ranking], page: Page, draws: int) -> str:
    require_extra()
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    import perfuse
    from perfuse.bench.canvas import STYLE
    from perfuse.bench.panels import panels

    keys = [section.key for section in page.sections if section.key]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(Path(__file__).with_name("bench.html").read_text(encoding="utf-8"))
    text = template.render(
        page=page,
        panels={key: panels(result, ranks, key, first=key == keys[0], draws=draws) for key in keys},
        folds=_folds,
        whole=_unbroken,
        svg=Markup,
        style=Markup(STYLE),
        version=result.about.get("perfuse") or perfuse.__version__,
    )
    return _printable(text)


def _unbroken(text: str) -> str:
    """Keep together what a line must not break: intervals in brackets, numbers and their signs."""
    text = re.sub(r"\([^()]{1,24}\)", lambda found: found[0].replace(" ", "\xa0"), text)
    return re.sub(r"(?<=[p=<>±]) | (?=[=<>±%])", "\xa0", text)


def _printable(text: str) -> str:
    """Replace control characters, which no page may hold."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "\ufffd", text)


def _markdown(page: Page) -> str:
    blocks = [f"# {_escaped(page.title)}", *(_escaped(text) for text in page.lead)]
    for section in page.sections:
        blocks.append(f"## {_escaped(section.title)}")
        blocks.extend(_escaped(text) for text in section.texts)
        if section.code:
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", section.code)), default=0))
            blocks.append(f"{fence}sh\n{section.code.strip()}\n{fence}")
        for fold, tables in _folds(section.tables):
            if fold:
                blocks.append(f"<details><summary>{markup.escape(_line(fold))}</summary>")
            for table in tables:
                blocks.extend(_table(table))
            if fold:
                blocks.append("</details>")
    return _printable("\n\n".join(blocks) + "\n")


def _folds(tables: Sequence[Table]) -> list[tuple[str, list[Table]]]:
    """Put neighbours together that unfold together."""
    return [(fold, list(together)) for fold, together in groupby(tables, key=lambda table: table.fold)]


def _table(table: Table) -> Iterator[str]:
    if table.title and table.title != table.fold:
        yield f"### {_escaped(table.title)}"
    lines = [_row(table.head), "|" + "---|" * len(table.head)]
    for place, cells in enumerate(table.rows):
        row = [_escaped(cell) for cell in cells]
        lines.append("| " + " | ".join(f"**{row[0]}**" if k == 0 and place in table.strong else cell for k, cell in enumerate(row)) + " |")  # fmt: skip  # noqa: E501
    yield "\n".join(lines)
    yield from (_escaped(note) for note in table.notes)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_escaped(cell) for cell in cells) + " |"


def _line(text: str) -> str:
    return " ".join(text.split())


def _escaped(text: str) -> str:
    """Return plain text as Markdown that shows it, on one line, in or outside a table."""
    text = _line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*|\[\]$~])", r"\\\1", text)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)
