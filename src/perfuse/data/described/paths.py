"""Patterns of paths with placeholders and wildcards, such as ``{subject}/{session}_*.csv``, and what fits them."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from perfuse.data.folders import natural

HOLE = r"\{([a-z_]+)\}"


def matches(root: Path, pattern: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield the files that match, numbers by value, with what stands for the placeholders."""
    expression = _expression(pattern)
    for path in _listed(root, re.sub(HOLE, "*", re.sub(r"[\[\]]", "?", pattern))):
        match = expression.fullmatch(path.relative_to(root).as_posix())
        if match and path.is_file():
            yield path, match.groupdict()


def locate(root: Path, pattern: str, values: Mapping[str, str]) -> list[Path]:
    """Return the files that fit a pattern for one recording: one, if all is well."""
    filled = re.sub(HOLE, lambda m: glob.escape(values.get(m[1], "*")), pattern.replace("[", "[[]"))
    return [path for path in _listed(root, filled) if path.is_file()]


def filled(pattern: str | None, values: Mapping[str, str]) -> str:
    """Return a pattern as one recording has it, for messages."""
    return re.sub(HOLE, lambda match: values.get(match[1], match[0]), pattern or "?")


def _expression(pattern: str) -> re.Pattern[str]:
    """Return the expression that a relative path must match; a placeholder that returns must match the same."""
    out, seen = "", set()
    for part in re.split(r"(\{[a-z_]+\}|\*\*/|\*|\?)", pattern):
        if part.startswith("{"):
            name = part[1:-1]
            out += f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+?)"
            seen.add(name)
        else:
            out += {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part))
    return re.compile(out)


def _listed(root: Path, pattern: str) -> list[Path]:
    try:
        return sorted(root.glob(pattern), key=natural)
    except OSError:
        return []
