"""Pages of results: what a benchmark writes anew, and below it what was written by hand and stays."""

from __future__ import annotations

from pathlib import Path

BY_HAND = ("## The method", "## What to make of it")
"""From the first of these headings on a page was written by hand."""


def renew(page: Path, text: str) -> None:
    """Write a page anew but for what stands under :data:`BY_HAND`."""
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    begins = [before.index(heading) for heading in BY_HAND if heading in before]
    kept = before[min(begins) :] if begins else ""
    page.write_text("\n\n".join(part.strip() for part in (text, kept) if part.strip()) + "\n", encoding="utf-8")
