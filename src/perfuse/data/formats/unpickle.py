"""Pickles that can hold numbers and nothing else: no name in them is imported, no code of theirs runs.

Some data sets are distributed as pickles. Python's own loader would call whatever such a file names; this one knows
containers, strings, numbers and plain numpy arrays, which it builds itself, and refuses everything else.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import SourceError
from perfuse.data.formats.files import WHOLE, brief, opened

PLAIN = "biufc"
"""Kinds of numpy types that are numbers."""

MOST_ITEMS = 10_000_000
"""How many items a file may stand for, each counted as often as it is used: a few hundred bytes of lists that share
their items make billions. A capture of EquiPleth holds some 15 thousand."""


class _RefusedError(Exception):
    """Something that is no number."""


class _Type:
    """Stand-in of numpy.dtype."""

    big = False

    def __init__(self, code: str, *_: object) -> None:
        self.code = str(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.big = state[1] == ">"

    def real(self) -> np.dtype[Any]:
        """Return the type meant; only numbers have one."""
        made = np.dtype(self.code).newbyteorder(">" if self.big else "<")
        if made.kind not in PLAIN:
            raise _RefusedError(f"an array of type {self.code}")
        return made


class _Array:
    """Stand-in of numpy.ndarray while it is being filled."""

    value: NDArray[Any]
    objects: Sequence[Any] = ()
    """What belongs into it where it holds no numbers, in the order of C whatever its own."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        if kind.code in ("O", "O8", "O4"):
            self.objects = list(data)
            self.value = np.empty(len(self.objects), object).reshape(shape)
        else:
            self.value = np.frombuffer(_bytes(data), kind.real()).reshape(shape, order="F" if fortran else "C")


def _bytes(data: Any) -> bytes:
    return data.encode("latin1") if isinstance(data, str) else bytes(data)


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _from_buffer(data: Any, kind: _Type, shape: Any, order: str) -> NDArray[Any]:
    if not isinstance(data, (bytes, bytearray)):
        raise _RefusedError("a buffer that is none")
    return np.frombuffer(bytes(data), kind.real()).reshape(shape, order="F" if order == "F" else "C")


def _scalar(kind: _Type, data: Any) -> Any:
    return np.frombuffer(_bytes(data), kind.real())[0]


def _encode(text: str, code: str = "latin1") -> bytes:
    if code not in ("latin1", "latin-1"):
        raise _RefusedError(f"the code {code}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


def _byte_array(data: bytes = b"") -> bytearray:
    if not isinstance(data, bytes):
        raise _RefusedError("a bytearray that is none")
    return bytearray(data)


def _hashable(items: Iterable[Any]) -> None:
    """Refuse tuples within tuples: to hash them is to unfold what they share."""
    for item in items:
        if isinstance(item, tuple) and any(isinstance(part, tuple) for part in item):
            raise ValueError("a key is a tuple of tuples")


def _set(items: Iterable[Any] = ()) -> set[Any]:
    _hashable(items)
    return set(items)


def _frozen_set(items: Iterable[Any] = ()) -> frozenset[Any]:
    _hashable(items)
    return frozenset(items)


KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
    **{(room, "bytes"): _no_bytes for room in ("builtins", "__builtin__")},
    **{(room, "bytearray"): _byte_array for room in ("builtins", "__builtin__")},
    **{(room, "set"): _set for room in ("builtins", "__builtin__")},
    **{(room, "frozenset"): _frozen_set for room in ("builtins", "__builtin__")},
    **{(room, "complex"): complex for room in ("builtins", "__builtin__")},
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}
"""Every name that a file may use, and what stands for it here."""


KEYS = {
    pickle.SETITEM: slice(-2, -1),
    pickle.SETITEMS: slice(None, None, 2),
    pickle.DICT: slice(None, None, 2),
    pickle.ADDITEMS: slice(None),
    pickle.FROZENSET: slice(None),
}
"""What hashes something, and where on the stack that is."""


class _Loader(pickle._Unpickler):  # the one in Python: what is hashed can be looked at before
    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise _RefusedError(f"{module}.{name}")
        return KNOWN[module, name]


def _careful(load: Callable[..., None], keys: slice) -> Callable[..., None]:
    def loaded(loader: Any) -> None:
        _hashable(loader.stack[keys])
        load(loader)

    return loaded


_Loader.dispatch |= {code[0]: _careful(_Loader.dispatch[code[0]], keys) for code, keys in KEYS.items()}


class _Plain:
    """Replaces stand-ins within containers by what they stand for; what is shared is made once."""

    def __init__(self) -> None:
        self.made: dict[int, tuple[Any, int] | None] = {}

    def of(self, value: Any) -> tuple[Any, int]:
        """Return what a value stands for, and how many items that is."""
        if isinstance(value, _Type):
            raise _RefusedError("a bare numpy type")
        if not isinstance(value, (_Array, dict, list, tuple, set, frozenset)):
            return value, 1
        if id(value) not in self.made:
            self.made[id(value)] = None
            self.made[id(value)] = self._container(value)
        made = self.made[id(value)]
        if made is None:
            raise ValueError("a container holds itself")
        return made

    def _container(self, value: Any) -> tuple[Any, int]:
        items: Iterable[Any] = value
        if isinstance(value, _Array):
            items = value.objects
        elif isinstance(value, dict):
            items = chain.from_iterable(value.items())
        inside = [self.of(item) for item in items]
        found, count = [item for item, _ in inside], 1 + sum(size for _, size in inside)
        if count > MOST_ITEMS:
            raise ValueError(f"it unfolds into more than {MOST_ITEMS} items")
        if isinstance(value, _Array):
            for place, item in enumerate(found):
                value.value.reshape(-1)[place] = item
            return value.value, count
        return dict(zip(found[::2], found[1::2])) if isinstance(value, dict) else type(value)(found), count


def _load(file: BinaryIO, path: Path) -> Any:
    try:
        return _Plain().of(_Loader(file, encoding="latin1").load())[0]
    except _RefusedError as error:
        raise SourceError(
            f"{path} is a pickle that asks for {error}; such a file can run code, so it is refused.",
            "Expected are lists, dictionaries, text, numbers and arrays of numbers. Get it from its source again.",
        ) from error
    except Exception as error:  # a damaged pickle can raise nearly anything, even from stand-ins
        raise SourceError(f"{path} cannot be read ({type(error).__name__}: {error}).", WHOLE) from error


def load_pickle(path: Path) -> Any:
    """Read a pickle of numbers.

    Raises
    ------
    SourceError
        If it is missing or damaged, or asks for anything but containers, text, numbers and arrays of numbers.
    """
    with opened(path) as file:
        return _load(file, path)


def load_npy(path: Path) -> Any:
    """Read an ``.npy`` file: an array of numbers, or the object that numpy pickled into one of no dimensions.

    Raises
    ------
    SourceError
        If it is missing, damaged, or holds an object that :func:`load_pickle` would refuse.
    """
    from numpy.lib import format as npy

    with opened(path) as file:
        try:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, fortran, kind = read(file)
            if not kind.hasobject:
                if kind.kind not in PLAIN:
                    raise ValueError(f"type {kind}")
                values = np.frombuffer(file.read(), kind, math.prod(shape))
                return values.reshape(shape, order="F" if fortran else "C")
        except (
            Exception
        ) as error:  # numpy reads the header with Python's own parser, which raises its own errors, too
            raise SourceError(f"{path} cannot be read ({brief(error)}).", WHOLE) from error
        made = _load(file, path)
    return made.item() if isinstance(made, np.ndarray) and made.ndim == 0 else made
