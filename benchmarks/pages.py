"""Pages of results: which runs may be told of, what is written anew, and what was written by hand and stays."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

BY_HAND = ("## The method", "## What to make of it")
"""From the first of these headings on a page was written by hand."""


def renew(page: Path, text: str) -> None:
    """Write a page anew but for what stands under :data:`BY_HAND`."""
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    begins = [before.index(heading) for heading in BY_HAND if heading in before]
    kept = before[min(begins) :] if begins else ""
    page.write_text("\n\n".join(part.strip() for part in (text, kept) if part.strip()) + "\n", encoding="utf-8")


def finished(place: Path) -> bool:
    """Tell whether a run has reached its last step; needs torch."""
    from perfuse.learn import checkpoint

    if not (place / "last.pt").exists():
        return False
    asked = json.loads((place / "recipe.json").read_text(encoding="utf-8"))
    state = checkpoint.load(place, asked["mark"])
    return state is not None and state["step"] >= asked["steps"]


def readings(options: argparse.Namespace) -> Path:
    """Return where what was read of runs is kept."""
    place: Path = options.readings or options.runs / "readings.json"
    return place


def known(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was read of runs before."""
    file = readings(options)
    kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return kept
