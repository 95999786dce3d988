"""YAML whose values know their key and their line, so that errors can say where; no aliases, no repeated keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from typing import Any

from perfuse.core.errors import SourceError


@dataclass(frozen=True, slots=True)
class Item:
    """A value of the YAML with its key, its line and its file."""

    value: Any
    key: str
    line: int
    file: str

    def wrong(self, problem: str, remedy: str) -> SourceError:
        """Return the error about this value."""
        where = f"{self.file}, line {self.line}" if self.line else self.file
        return SourceError(f"{where}: {self.key or 'the description'} {problem}.", remedy)

    def mapping(self, *known: str, needed: tuple[str, ...] = ()) -> dict[str, Item]:
        """Return the entries, checked against the keys there are (any, where none is named)."""
        if not isinstance(self.value, dict):
            raise self.wrong(f"is {_said(self.value)}", f"Expected are keys: {', '.join(known) or 'NAME: VALUE'}.")
        for name, item in self.value.items():
            if known and name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"Did you mean {near[0]}? " if near else ""
                raise item.wrong("is not known here", f"{hint}Known: {', '.join(known)}.")
        for name in needed:
            if name not in self.value:
                raise self.wrong(f"lacks {name}", f"Add {name}: ...; known are {', '.join(known)}.")
        return dict(self.value)

    def text(self, *choices: str) -> str:
        """Return a text, one of ``choices`` where there are any."""
        if not isinstance(self.value, str | int | float) or isinstance(self.value, bool) or self.value == "":
            raise self.wrong(f"is {_said(self.value)}", f"Expected is {' or '.join(choices) or 'a text'}.")
        if choices and str(self.value) not in choices:
            raise self.wrong(f"is {self.value!r}", f"Expected is {' or '.join(choices)}.")
        return str(self.value)

    def number(self, *, positive: bool = False) -> float:
        """Return a finite number."""
        good = isinstance(self.value, int | float) and not isinstance(self.value, bool) and isfinite(self.value)
        if not good or (positive and self.value <= 0):
            raise self.wrong(f"is {_said(self.value)}", f"Expected is a {'positive ' if positive else ''}number.")
        return float(self.value)

    def flag(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            raise self.wrong(f"is {_said(self.value)}", "Expected is true or false.")
        return self.value

    def column(self) -> str | int:
        """Return a column: its name, or its number counted from 0 (-1: the last)."""
        if isinstance(self.value, bool) or not isinstance(self.value, str | int) or self.value == "":
            raise self.wrong(f"is {_said(self.value)}", "Expected is a column's name, or its number from 0 on.")
        return self.value

    def items(self) -> list[Item]:
        """Return the entries of a list."""
        if not isinstance(self.value, list):
            raise self.wrong(f"is {_said(self.value)}", "Expected is a list: lines that begin with a dash.")
        return list(self.value)

    def pattern(self) -> str:
        """Return a path below the folder, with placeholders and wildcards."""
        text = self.text()
        bad = [part for part in re.findall(r"[{}][^{}]*[{}]?", text) if not re.fullmatch(r"\{[a-z_]+\}", part)]
        if bad or text.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", text) or re.match(r"[A-Za-z]:", text):
            what = "no placeholder of small letters" if bad else "no path below the folder"
            raise self.wrong(f"is {text!r}: {what}", 'Expected is such as "{subject}/{session}.mp4".')
        return text.replace("\\", "/")


def _said(value: Any) -> str:
    """Return how a wrong value is quoted."""
    kinds = {dict: "a group of keys", list: "a list", type(None): "empty"}
    return kinds.get(type(value), repr(value)[:60])


def parse(text: str, file: str) -> Item:
    """Read YAML; ``file`` is named in errors.

    Raises
    ------
    SourceError
        If it is no YAML, is empty, has a key twice, or an alias.
    """
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise SourceError(f"{file} is empty.", "Expected are the keys videos and references.")
        return _item(loader, node, "", file, set())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}, line {mark.line + 1}" if mark else file
        said = getattr(error, "problem", None) or getattr(error, "reason", None) or "wrong characters"
        raise SourceError(f"{where}: this is no YAML ({said}).", "Check indentation, colons and quotes.") from error
    except (RecursionError, ValueError, OverflowError) as error:
        raise SourceError(f"{file} is no YAML that can be read ({error}).", "Keep it simple.") from error


def _item(loader: Any, node: Any, key: str, file: str, seen: set[int]) -> Item:
    """Turn a node into plain values that know their lines; repeated keys and aliases are refused."""
    line = node.start_mark.line + 1
    here = Item(None, key, line, file)
    if node.id == "scalar":
        return Item(loader.construct_object(node), key, line, file)
    if id(node) in seen:
        raise here.wrong("repeats another part by an alias", "Write it out.")
    seen.add(id(node))
    prefix = f"{key}." if key else ""
    if node.id == "sequence":
        return Item([_item(loader, n, f"{key}[{i}]", file, seen) for i, n in enumerate(node.value)], key, line, file)
    found: dict[str, Item] = {}
    for name_node, value_node in node.value:
        name = str(name_node.value) if name_node.id == "scalar" else "?"
        item = _item(loader, value_node, f"{prefix}{name}", file, seen)
        item = Item(item.value, item.key, name_node.start_mark.line + 1, file)
        if name in found:
            raise item.wrong("is there twice", "Keep one.")
        found[name] = item
    return Item(found, key, line, file)
