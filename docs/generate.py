"""Writes the parts of the documentation that repeat what the code says: run it after changing a card.

``python docs/generate.py`` rewrites what stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``; a test fails while
a page differs from what this would write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import dedent

import perfuse
from perfuse.bench.profiles import PROFILES
from perfuse.core.card import Card
from perfuse.core.errors import PerfuseError
from perfuse.data.readers import folder
from perfuse.data.readers.known import MODULES, get_reader
from perfuse.data.recording import PROBLEMS
from perfuse.report.words import LABELS, unit_text
from perfuse.synth.domains import ABOUT, DOMAINS
from perfuse.synth.settings import register
from perfuse.vitals.hrv import MEASURES

ROOT = Path(__file__).resolve().parent.parent


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [list(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def method_table() -> str:
    """Return one row for each method."""
    return table(
        ("name", "what", "paper"), ((f"`{card.name}`", card.title, card.paper) for card in perfuse.list_methods())
    )


def method_cards() -> str:
    """Return a section for each method."""
    return "\n\n".join(_card(card) for card in perfuse.list_methods())


def _card(card: Card) -> str:
    low, high = card.band_hz
    facts = {
        "Paper": f"{card.paper} ({card.equation})" if card.equation else card.paper,
        "Gives": f"{', '.join(card.outputs)}; {low:.2g} to {high:.2g} Hz",
        "From": {
            "paper": "implemented from the publication",
            "reconstructed": "rebuilt from an abstract or a description: details are ours",
            "own": "our own",
        }.get(card.provenance, card.provenance),
        "Licence": card.licence,
        "When not to trust it": card.limits,
        "Differs from the paper": card.deviations,
    }
    told = "\n\n".join(f"{key}\n: {value}" for key, value in facts.items() if value)
    return f"## {card.name}\n\n{card.title}\n\n{told}"


def hrv_table() -> str:
    """Return one row for each number of heart-rate variability."""
    return table(
        ("key", "what", "unit", "shortest recording", "why"),
        (
            (f"`{name}`", LABELS[name].meaning, unit_text(m.unit) or "1", f"{m.shortest_s:g} s", m.source)
            for name, m in MEASURES.items()
        ),
    )


def error_table() -> str:
    """Return one row for each family of errors with its exit code."""
    kinds = sorted(PerfuseError.__subclasses__(), key=lambda kind: kind.exit_code)
    return table(
        ("exit code", "error", "when"),
        ((str(kind.exit_code), f"`{kind.__name__}`", str(kind.__doc__).partition(" (exit")[0]) for kind in kinds),
    )


def domain_table() -> str:
    """Return one row for each domain of the simulator."""
    return table(("domain", "what"), ((f"`{name}`", ABOUT[name]) for name in DOMAINS))


def parameter_table() -> str:
    """Return one row for each parameter of a simulated subject."""
    rows = []
    for name, meta in register().items():
        values = (
            ", ".join(f"`{n}`" for n in meta["names"]) if "names" in meta else f"{meta['low']:g} to {meta['high']:g}"
        )
        rows.append((f"`{name}`", meta["text"], values, meta["unit"] or " "))
    return table(("parameter", "what", "values", "unit"), rows)


def reader_table() -> str:
    """Return one row for each data set that can be read."""
    readers = [get_reader(name) for name in MODULES]
    return table(
        ("data set", "what", "references", "access"),
        ((f"`{r.name}`", r.title, ", ".join(r.signals), r.access) for r in readers),
    )


def problem_table() -> str:
    """Return one row for each kind of trouble with data."""
    return table(("kind", "what"), ((f"`{name}`", what) for name, what in PROBLEMS.items()))


def profile_table() -> str:
    """Return one row for each way of scoring."""
    return table(
        ("protocol", "what", "rates, /min", "after"),
        (
            (f"`{p.name}`", p.what, f"{60 * p.band_hz[0]:.3g} to {60 * p.band_hz[1]:.3g}", p.source)
            for p in PROFILES.values()
        ),
    )


def own_folder() -> str:
    """Return how a folder of one's own is described, from where it is read."""
    lead, _, rest = dedent(folder.__doc__ or "").partition("::\n\n")
    example, mark, after = rest.partition("\n``{")
    words = [
        f"{lead.strip()}:",
        f"```yaml\n{dedent(example).strip()}\n```",
        f"{mark}{after}".strip().replace("``", "`"),
    ]
    return "\n\n".join(words)


PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"methods": method_table},
    "docs/methods.md": {"cards": method_cards},
    "docs/vitals.md": {"hrv": hrv_table},
    "docs/errors.md": {"errors": error_table},
    "docs/data.md": {"readers": reader_table, "problems": problem_table, "own-folder": own_folder},
    "docs/bench.md": {"profiles": profile_table},
    "docs/simulate.md": {"domains": domain_table, "parameters": parameter_table},
}


def renewed(page: str) -> str:
    """Return the text of a page with its generated parts made anew."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for name, make in PARTS[page].items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(
                f"{page} lacks the marks <!-- {name} --> and <!-- /{name} -->; put them where it belongs"
            )
        part = f"\n{make()}\n\n"
        text = pattern.sub(lambda match, part=part: match[1] + part + match[2], text)
    return text


def main() -> None:
    """Rewrite every page."""
    for page in PARTS:
        (ROOT / page).write_text(renewed(page), encoding="utf-8")


if __name__ == "__main__":
    main()
