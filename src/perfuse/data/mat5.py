"""MATLAB files of version 5 to 7.2, read with numpy alone: scipy's compiled reader can crash on damaged ones.

After "MAT-File Format" (The MathWorks): a header of 128 bytes, then elements of a type, a length and data, compressed
with zlib or not. Numeric arrays, text and structures of one element are read; anything else is passed over.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

HEADER = 128
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _COMPRESSED = 14, 15
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_STRUCT, _OBJECT, _CHAR = 2, 3, 4
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX = 0x0800
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class _Element:
    kind: int
    data: memoryview


def is_mat5(start: bytes) -> bool:
    """Tell by the mark of byte order at the end of the header."""
    return start[126:128] in (b"IM", b"MI")


def read_mat5(raw: bytes) -> dict[str, Any]:
    """Read the variables of a file.

    Parameters
    ----------
    raw : bytes
        The whole file.

    Returns
    -------
    dict
        Name to array (MATLAB's shape), text, or dict (a structure of one element).

    Raises
    ------
    ValueError
        If the file is damaged or is none.
    """
    if len(raw) <= HEADER or not is_mat5(raw):
        raise ValueError("it has no header of version 5")
    order = "<" if raw[126:128] == b"IM" else ">"
    found: dict[str, Any] = {}
    for element in _elements(memoryview(raw)[HEADER:], order):
        if element.kind == _COMPRESSED:
            element = _first(_inflated(element.data), order)
        if element.kind == _MATRIX:
            name, value = _matrix(element.data, order, 0)
            if value is not None:
                found[name] = value
    return found


def _inflated(data: memoryview) -> memoryview:
    try:
        return memoryview(zlib.decompress(data))
    except zlib.error as error:
        raise ValueError(f"a compressed part is damaged: {error}") from error


def _elements(data: memoryview, order: str) -> list[_Element]:
    """Split a stretch of bytes into elements."""
    found: list[_Element] = []
    place = 0
    while place + 8 <= len(data):
        word, size = (int(n) for n in np.frombuffer(data[place : place + 8], f"{order}u4"))
        if word >> 16:  # a small element: type, length and data in eight bytes
            kind, size = word & 0xFFFF, word >> 16
            if size > 4:
                raise ValueError("a small element is too long")
            found.append(_Element(kind, data[place + 4 : place + 4 + size]))
            place += 8
            continue
        end = place + 8 + size
        if end > len(data):
            raise ValueError("it ends within an element")
        found.append(_Element(word, data[place + 8 : end]))
        place = end if word == _COMPRESSED else place + 8 + -(-size // 8) * 8
    return found


def _first(data: memoryview, order: str) -> _Element:
    found = _elements(data, order)
    if not found:
        raise ValueError("an element is empty")
    return found[0]


def _numbers(element: _Element, order: str) -> np.ndarray[Any, np.dtype[Any]]:
    kind = _TYPES.get(element.kind)
    if kind is None or len(element.data) % int(kind[1]):
        raise ValueError(f"an element of type {element.kind} has {len(element.data)} bytes")
    return np.frombuffer(element.data, f"{order}{kind}")


def _matrix(data: memoryview, order: str, depth: int) -> tuple[str, Any]:
    """Return name and value; None for kinds that are passed over."""
    parts = _elements(data, order)
    if depth > _DEEPEST or not parts:  # an empty field of a structure has no parts
        return "", None
    if len(parts) < 3:
        raise ValueError("an array lacks its size or name")
    flags = int(_numbers(parts[0], order)[:1].sum())
    shape = tuple(int(n) for n in _numbers(parts[1], order))
    name = bytes(parts[2].data).decode("latin-1")
    kind, count = flags & 0xFF, _product(shape)
    if kind in (_STRUCT, _OBJECT):
        rest = parts[3:] if kind == _STRUCT else parts[4:]
        return name, _structure(rest, count, order, depth)
    if kind == _CHAR and len(parts) > 3:
        return name, bytes(parts[3].data).decode(_TEXTS.get(parts[3].kind, "latin-1"), "replace")
    if kind not in _CLASSES:
        return name, None
    wanted = 2 if flags & _COMPLEX else 1
    values = [_numbers(part, order) for part in parts[3 : 3 + wanted]]
    if len(values) != wanted or any(len(part) != count for part in values):
        raise ValueError(f"{name} has not as many numbers as its size {shape} says")
    real = values[0].astype(_CLASSES[kind]).reshape(shape, order="F")
    return name, real if wanted == 1 else real + 1j * values[1].reshape(shape, order="F")


def _product(shape: tuple[int, ...]) -> int:
    """Return how many elements an array has, as a Python number, which does not overflow."""
    count = 1
    for side in shape:
        if side < 0:
            raise ValueError(f"an array has the size {shape}")
        count *= side
    return count


def _structure(parts: list[_Element], count: int, order: str, depth: int) -> dict[str, Any] | None:
    """Return the fields of a structure of one element; None for arrays of structures."""
    if count != 1:
        return None
    if len(parts) < 2:
        raise ValueError("a structure lacks the names of its fields")
    length = int(_numbers(parts[0], order)[:1].sum())
    if length < 1:
        raise ValueError("a structure has names of no length")
    raw = bytes(parts[1].data)
    names = [raw[i : i + length].split(b"\0")[0].decode("latin-1") for i in range(0, len(raw), length)]
    fields = [_matrix(part.data, order, depth + 1)[1] for part in parts[2:]]
    if len(fields) != len(names):
        raise ValueError("a structure has not as many fields as names")
    return {name: value for name, value in zip(names, fields) if value is not None}
