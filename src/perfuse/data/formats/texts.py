"""Texts: lines, JSON, XML without tricks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from perfuse.core.errors import SourceError
from perfuse.data.formats.files import LAYOUT, WHOLE, brief, read_bytes


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text.

    Raises
    ------
    SourceError
        If it is missing or no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise SourceError(f"There is no file {path}.", LAYOUT) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read ({error}).", WHOLE) from error


def number(text: str) -> float:
    """Return the number a text says, NaN where it says none."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises
    ------
    SourceError
        If it is missing or no JSON.
    """
    try:
        return json.loads("\n".join(read_lines(path)))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} is no JSON ({error}).", WHOLE) from error


def read_xml(path: Path) -> ElementTree.Element:
    """Read XML; a file that declares a document type is refused, so that no entity is ever expanded.

    Raises
    ------
    SourceError
        If it is missing, empty, no XML, or has a DOCTYPE.
    """
    raw = read_bytes(path)
    try:
        scan = expat.ParserCreate()
        scan.StartDoctypeDeclHandler = _refuse
        scan.Parse(raw, True)
        return ElementTree.fromstring(raw)
    except _DoctypeError as error:
        raise SourceError(f"{path} declares a document type.", "Data sets need none; get the file anew.") from error
    except (expat.ExpatError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise SourceError(f"{path} is no whole XML ({brief(error)}).", WHOLE) from error


class _DoctypeError(Exception):
    """A document type was declared."""


def _refuse(*_: Any) -> None:
    raise _DoctypeError
