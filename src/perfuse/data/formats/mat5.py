"""MATLAB files of version 5 to 7.2, read with numpy and zlib alone: compiled readers can crash on damaged ones.

After "MAT-File Format" (The MathWorks): a header of 128 bytes, then variables of a tag (type, length) and data, each
compressed with zlib or not. Everything is read as it streams by: names and shapes cost the first bytes of a variable,
arrays the memory they fill, parts of an array only their own. Numbers, text, cells and structures of one element are
read; anything else (sparse arrays, functions, objects of classes) is passed over.

Every function here raises ValueError, saying what is wrong, if a file is damaged or of another kind.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

HEADER = 128
PIECE = 1 << 16
"""Bytes inflated at a time."""
CHUNK = 1 << 22
"""Bytes of numbers taken at a time."""
MOST = 1100
"""A byte of deflate holds at most 1032 (zlib's own documentation); what claims more is damaged."""
DEEPEST = 32

_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _OBJECT, _CHAR = 1, 2, 3, 4
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX = 0x0800


class Outline(NamedTuple):
    """What a variable is, before its data are read; ``dtype`` is None for what is no array of real numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None


def is_mat5(start: bytes) -> bool:
    """Tell by the mark of byte order at the end of the header."""
    return start[126:128] in (b"IM", b"MI")


def outline_mat5(file: BinaryIO) -> dict[str, Outline]:
    """Return the name of every variable and what it is; no data are read."""
    return {head.name: head.outline for head, _ in _variables(file)}


def read_mat5(file: BinaryIO, names: Collection[str] | None = None) -> dict[str, Any]:
    """Read variables: all, or those named.

    Returns
    -------
    dict
        Name to array (MATLAB's shape and type), text, array of objects (a cell), or dict (a structure of one
        element).
    """
    found: dict[str, Any] = {}
    for head, source in _variables(file):
        if names is None or head.name in names:
            value = _value(head, source, 0)
            source.finish()
            if value is not None:
                found[head.name] = value
    return found


def read_part_mat5(file: BinaryIO, name: str, start: int, stop: int) -> NDArray[Any]:
    """Read ``array[start:stop]`` of an array of real numbers: all streams by, only that part is kept.

    It comes in the type that is stored (MATLAB stores small whole numbers of any type as bytes), each ``array[i]``
    in one stretch of memory.
    """
    head, source = next(((head, source) for head, source in _variables(file) if head.name == name), (None, None))
    if head is None or source is None or head.outline.dtype is None:
        raise ValueError(f"it has no array of numbers called {name}")
    length, *inner = head.outline.shape
    dtype, size, pad = source.numbers(head, math.prod(head.outline.shape))
    part = np.empty((max(0, min(stop, length) - start), math.prod(inner)), dtype.newbyteorder("="))
    at = 0
    column_bytes = max(1, length) * dtype.itemsize
    for chunk in source.chunks(size, max(1, CHUNK // column_bytes) * column_bytes):
        columns = np.frombuffer(chunk, dtype).reshape(-1, length)
        part[:, at : at + len(columns)] = columns[:, start:stop].T
        at += len(columns)
    source.skip(pad)
    source.finish()
    axes = (0, *range(len(inner), 0, -1))
    return part.reshape(len(part), *reversed(inner)).transpose(axes)


@dataclass(frozen=True, slots=True)
class _Head:
    """The first elements of an array: its kind, shape and name, and where it ends."""

    kind: int
    is_complex: bool
    name: str
    outline: Outline
    end: int


class _Source:
    """The bytes of one variable, inflated as they are asked for."""

    def __init__(self, file: BinaryIO, size: int, order: str, *, packed: bool) -> None:
        self.order = order
        self.place = 0
        self.most = size * MOST if packed else size
        self._file, self._left = file, size
        self._inflate = zlib.decompressobj() if packed else None
        self._ready = bytearray()

    def read(self, size: int) -> bytes:
        while len(self._ready) < size:
            more = self._more()
            if not more:
                raise ValueError("it ends within a variable")
            self._ready += more
        data = bytes(self._ready[:size])
        del self._ready[:size]
        self.place += size
        return data

    def chunks(self, size: int, step: int) -> Iterator[bytes]:
        for start in range(0, size, step):
            yield self.read(min(step, size - start))

    def skip(self, size: int) -> None:
        for _ in self.chunks(size, PIECE):
            pass

    def finish(self) -> None:
        """Check what zlib says of the whole."""
        while self._more():
            pass
        if self._inflate is not None and not self._inflate.eof:
            raise ValueError("it ends within a variable")

    def _more(self) -> bytes:
        if self._inflate is None:
            return self._taken()
        try:
            while not self._inflate.eof:
                packed = self._inflate.unconsumed_tail or self._taken()
                data = self._inflate.decompress(packed, PIECE)
                if data or not packed:
                    return data
        except zlib.error as error:
            raise ValueError(f"a compressed part is damaged: {error}") from error
        return b""

    def _taken(self) -> bytes:
        data = self._file.read(min(PIECE, self._left))
        self._left -= len(data)
        return data

    def word(self) -> int:
        return int.from_bytes(self.read(4), "little" if self.order == "<" else "big")

    def tag(self, end: int) -> tuple[int, int, int]:
        """Return type and length of the element that begins here, and how many bytes follow to fill eight."""
        word = self.word()
        small = word >> 16
        kind, size = (word & 0xFFFF, small) if small else (word, self.word())
        pad = 4 - size if small else -size % 8
        if pad < 0 or self.place + size > end:
            raise ValueError("an element is longer than what it is in")
        return kind, size, min(pad, end - self.place - size)

    def element(self, end: int) -> tuple[int, bytes]:
        kind, size, pad = self.tag(end)
        data = self.read(size)
        self.skip(pad)
        return kind, data

    def integers(self, end: int) -> list[int]:
        kind, data = self.element(end)
        if kind not in (5, 6) or len(data) % 4:
            raise ValueError(f"an element of type {kind} has {len(data)} bytes")
        return [int(n) for n in np.frombuffer(data, f"{self.order}{_TYPES[kind]}")]

    def numbers(self, head: _Head, count: int) -> tuple[np.dtype[Any], int, int]:
        """Read the tag of ``count`` numbers: their type, their length and what follows to fill eight."""
        kind, size, pad = self.tag(head.end)
        if kind not in _TYPES or size != count * int(_TYPES[kind][1]):
            raise ValueError(f"{head.name} has not as many numbers as its size {head.outline.shape} says")
        return np.dtype(f"{self.order}{_TYPES[kind]}"), size, pad


def _variables(file: BinaryIO) -> Iterator[tuple[_Head, _Source]]:
    """Yield the head of every variable, and the source of its data."""
    header = file.read(HEADER)
    if not is_mat5(header):
        raise ValueError("it has no header of version 5")
    order = "<" if header[126:] == b"IM" else ">"
    place, end = HEADER, file.seek(0, 2)
    while place + 8 <= end:
        file.seek(place)
        kind, size = (int(n) for n in np.frombuffer(file.read(8), f"{order}u4"))
        place += 8
        if place + size > end:
            raise ValueError("it ends within a variable")
        file.seek(place - 8 * (kind != _COMPRESSED))
        source = _Source(file, size + 8 * (kind != _COMPRESSED), order, packed=kind == _COMPRESSED)
        head = _head(source, source.most) if kind in (_MATRIX, _COMPRESSED) else None
        if head is not None:
            yield head, source
        place += size if kind == _COMPRESSED else size + -size % 8


def _head(source: _Source, end: int) -> _Head | None:
    """Read the first elements of an array; None for an empty one (an unset field) and for anything else."""
    kind, size, pad = source.tag(end)
    if kind != _MATRIX or size == 0:
        source.skip(size + pad)
        return None
    end = source.place + size
    flags = source.integers(end)[:1] or [0]
    shape = tuple(source.integers(end))
    name = source.element(end)[1].decode("latin-1")
    if not shape or min(shape) < 0:
        raise ValueError(f"{name} has the size {shape}")
    kind, is_complex = flags[0] & 0xFF, bool(flags[0] & _COMPLEX)
    dtype = None if is_complex or kind not in _CLASSES else np.dtype(_CLASSES[kind])
    return _Head(kind, is_complex, name, Outline(shape, dtype), end)


def _value(head: _Head, source: _Source, depth: int) -> Any:
    """Read what follows the head; None for kinds that are passed over."""
    value: Any = None
    count = math.prod(head.outline.shape)
    if head.kind in _CLASSES:
        value = _array(head, source, count)
    elif head.kind == _CHAR:
        kind, data = source.element(head.end) if source.place < head.end else (2, b"")
        wide = {"<": "-le", ">": "-be"}[source.order] if kind in (4, 17, 18) else ""
        value = data.decode(_TEXTS.get(kind, "latin-1") + wide, "replace")
    elif head.kind == _CELL and depth < DEEPEST and 8 * count <= head.end - source.place:
        value = np.empty(count, object)
        value[:] = [_inner(head, source, depth) for _ in range(count)]
        value = value.reshape(head.outline.shape, order="F")
    elif head.kind in (_STRUCT, _OBJECT) and depth < DEEPEST and count == 1:
        value = _structure(head, source, depth)
    if source.place > head.end:
        raise ValueError(f"{head.name} is longer than it says")
    source.skip(head.end - source.place)
    return value


def _inner(head: _Head, source: _Source, depth: int) -> Any:
    inside = _head(source, head.end)
    return None if inside is None else _value(inside, source, depth + 1)


def _array(head: _Head, source: _Source, count: int) -> NDArray[Any]:
    parts = []
    for _ in range(1 + head.is_complex):
        dtype, size, pad = source.numbers(head, count)
        values = np.empty(count, _CLASSES[head.kind])
        at = 0
        for chunk in source.chunks(size, CHUNK):
            piece = np.frombuffer(chunk, dtype)
            with np.errstate(over="ignore", invalid="ignore"):  # only damage stores what its class cannot hold
                values[at : at + len(piece)] = piece
            at += len(piece)
        source.skip(pad)
        parts.append(values.reshape(head.outline.shape, order="F"))
    if not head.is_complex:
        return parts[0]
    both = np.empty(head.outline.shape, np.result_type(parts[0], np.complex64))
    both.real, both.imag = parts
    return both


def _structure(head: _Head, source: _Source, depth: int) -> dict[str, Any]:
    if head.kind == _OBJECT:
        source.element(head.end)  # the name of its class
    length = (source.integers(head.end) or [0])[0]
    raw = source.element(head.end)[1]
    if length < 1:
        raise ValueError(f"{head.name} has fields without names")
    names = [raw[i : i + length].split(b"\0")[0].decode("latin-1") for i in range(0, len(raw), length)]
    fields = {name: _inner(head, source, depth) for name in names}
    return {name: value for name, value in fields.items() if value is not None}
