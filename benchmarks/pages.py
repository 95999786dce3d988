"""Pages of results: what a benchmark writes anew, and below it what was written by hand and stays."""

from __future__ import annotations

from pathlib import Path

BY_HAND = "## The method"
"""From this heading on a page was written by hand."""


def renew(page: Path, text: str) -> None:
    """Write a page anew but for what stands under :data:`BY_HAND`."""
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    kept = before[before.index(BY_HAND) :] if BY_HAND in before else ""
    page.write_text("\n\n".join(part.strip() for part in (text, kept) if part.strip()) + "\n", encoding="utf-8")
