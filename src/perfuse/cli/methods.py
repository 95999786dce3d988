"""``perfuse methods``: what can measure, and when not to trust it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from perfuse.cli.tables import terminal

if TYPE_CHECKING:
    from perfuse.core.card import Card


def methods(name: str | None = None, /) -> int:
    """List the methods, or tell everything about one.

    Parameters
    ----------
    name
        Tell everything about this one.
    """
    import perfuse
    from perfuse.methods import METHODS

    console = terminal()
    if name is None:
        console.print(_table(perfuse.list_methods()))
        console.print("[dim]Everything about one: perfuse methods NAME[/dim]")
    else:
        console.print(_details(METHODS.get(name).card))
    return 0


def _table(cards: tuple[Card, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("name", "what", "gives", "from"):
        table.add_column(heading, header_style="dim", no_wrap=heading in ("name", "gives"))
    for card in cards:
        table.add_row(Text(card.name, style="bold"), card.title, ", ".join(card.outputs), card.provenance)
    return table


def _details(card: Card) -> Table:
    low, high = card.band_hz
    facts = {
        "name": card.name,
        "what": card.title,
        "gives": ", ".join(card.outputs),
        "paper": card.paper,
        "equation": card.equation,
        "band": f"{low:.2g}–{high:.2g} Hz ({60 * low:.0f}–{60 * high:.0f} /min)",
        "from": card.provenance,
        "licence": card.licence,
        "limits": card.limits,
        "deviations": card.deviations,
    }
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in facts.items():
        if value:
            table.add_row(key, Text(value))
    return table
