"""One cached view of one recording: a safetensors file with the samples of its face and every reference.

The format is safetensors' own (any of its readers opens it); it is written here because their writer wants everything
in memory at once. Tensors: ``regions`` (N, R, 3), ``motion`` (N, 2), ``chest`` (N, 1), ``valid`` (N,); for grids and
crops ``cells`` (N, rows, cols, 4) with red, green, blue and the skin's share; for every reference ``NAME.times_s``
and ``NAME.values``; for a radar ``radar.times_s``, ``radar.iq`` (N, ..., 2) and ``radar.valid``. The metadata hold
``entry`` (JSON: who, where, how, and the clock) and a checksum of every tensor.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import OutputError, SourceError
from perfuse.data.recording import Signal
from perfuse.pipeline.stream import Record
from perfuse.radar.kinds import RadarKind
from perfuse.radar.record import RadarRecord

FIXED_POINT = 256.0
"""Crops are kept as 16-bit numbers of 1/256 level: finer than area means of noisy pixels, half the size of floats."""
_SCALES = np.array([FIXED_POINT] * 3 + [65535.0], np.float32)
BLOCK = 1 << 22
_DTYPES = {"float32": "F32", "float64": "F64", "uint16": "U16", "uint8": "U8", "bool": "BOOL"}


class CorruptedError(SourceError):
    """A cached entry that is not what was written."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What is cached of one recording in one view.

    Attributes
    ----------
    path : Path
        The file.
    about : dict
        ``dataset``, ``id``, ``subject``, ``about`` (who, where, how), ``kind`` (video or trace), ``view``,
        ``start_s`` (time of grid sample 0), ``rate_hz``, ``duration_s``, ``frame_rate_hz``, ``frames``, ``source``,
        ``seen`` (share of the time the face was there), ``warnings``.
    record : Record
        Regions, motion, chest and validity on the grid; no waves.
    signals : dict of str to Signal
        References, on their own clocks.
    """

    path: Path
    about: dict[str, Any]
    record: Record
    signals: dict[str, Signal]

    def cells(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32] | None:
        """Read samples ``start`` to ``stop`` of a grid or crop: (T, rows, cols, 4); None for traces.

        The last channel is the skin's share, 0..1; the others are levels, 0..255.
        """
        from safetensors import safe_open

        with safe_open(self.path, "numpy") as file:
            if "cells" not in file.keys():  # noqa: SIM118 (it is no mapping)
                return None
            block = file.get_slice("cells")[start : len(self.record.valid) if stop is None else stop]
        if block.dtype == np.uint16:
            return np.asarray(block / _SCALES, np.float32)
        return np.asarray(block, np.float32)

    def radar(self) -> RadarRecord | None:
        """Read the radar; None where there is none."""
        from safetensors import safe_open

        with safe_open(self.path, "numpy") as file:
            if "radar.iq" not in file.keys():  # noqa: SIM118
                return None
            iq = file.get_tensor("radar.iq")
            times, valid = file.get_tensor("radar.times_s"), file.get_tensor("radar.valid")
        complex_iq = np.asarray(iq[..., 0] + 1j * iq[..., 1], np.complex64)
        kind = self.about.get("radar_kind")
        return RadarRecord(times, complex_iq, valid, None if kind is None else RadarKind.of(kind))


class CellFile:
    """Cells written to a file as they come, so that no recording has to fit into memory.

    Parameters
    ----------
    path : Path
        A new file.
    fixed_point : bool
        16-bit numbers instead of floats.
    """

    def __init__(self, path: Path, *, fixed_point: bool) -> None:
        self.path = path
        self.dtype = np.dtype(np.uint16 if fixed_point else np.float32)
        self.shape: tuple[int, ...] = (0,)
        self.crc = 0
        self._file = path.open("wb")

    def add(self, values: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
        """Append (T, rows, cols, 3) levels and (T, rows, cols) shares."""
        block = np.concatenate([values, weights[..., None]], axis=-1, dtype=np.float32)
        if self.dtype == np.uint16:
            block = np.rint(np.clip(block * _SCALES, 0, 65535))
        data = np.ascontiguousarray(block, self.dtype).tobytes()
        self.crc = zlib.crc32(data, self.crc)
        self.shape = (self.shape[0] + len(block), *block.shape[1:])
        self._file.write(data)

    def close(self) -> None:
        """Finish writing."""
        self._file.close()


def write_entry(
    path: Path,
    about: Mapping[str, Any],
    record: Record,
    signals: Mapping[str, Signal],
    cells: CellFile | None = None,
    radar: RadarRecord | None = None,
) -> None:
    """Write an entry; it appears complete or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    tensors: dict[str, NDArray[Any]] = {
        "regions": record.regions,
        "motion": record.motion,
        "chest": record.chest,
        "valid": record.valid,
    }
    for name, signal in signals.items():
        tensors[f"{name}.times_s"], tensors[f"{name}.values"] = signal.times_s, signal.values
    extra = dict(about)
    if radar is not None:
        extra["radar_kind"] = None if radar.kind is None else asdict(radar.kind)
        iq = np.stack([radar.iq.real, radar.iq.imag], axis=-1).astype(np.float32)
        tensors |= {"radar.times_s": radar.times_s, "radar.iq": iq, "radar.valid": radar.valid}
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            _write(file, tensors, cells, extra)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}.",
            "Free some space, or choose another cache; what is whole is kept.",
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _write(
    file: BinaryIO, tensors: Mapping[str, NDArray[Any]], cells: CellFile | None, about: Mapping[str, Any]
) -> None:
    text = json.dumps(about, allow_nan=False, sort_keys=True)
    checks = {"entry": text, "crc32": str(zlib.crc32(text.encode()))}
    header: dict[str, Any] = {"__metadata__": checks}
    data, at = [], 0
    for name, tensor in tensors.items():
        block = np.ascontiguousarray(tensor).tobytes()
        data.append(block)
        checks[f"crc32.{name}"] = str(zlib.crc32(block))
        header[name] = _described(tensor.dtype, tensor.shape, at, len(block))
        at += len(block)
    if cells is not None:
        size = int(np.prod(cells.shape)) * cells.dtype.itemsize
        checks["crc32.cells"] = str(cells.crc)
        header["cells"] = _described(cells.dtype, cells.shape, at, size)
    start = json.dumps(header).encode()
    start += b" " * (-len(start) % 8)
    file.write(struct.pack("<Q", len(start)) + start)
    for block in data:
        file.write(block)
    if cells is not None:
        with cells.path.open("rb") as source:
            while block := source.read(BLOCK):
                file.write(block)


def _described(dtype: np.dtype[Any], shape: tuple[int, ...], at: int, size: int) -> dict[str, Any]:
    return {"dtype": _DTYPES[dtype.name], "shape": list(shape), "data_offsets": [at, at + size]}


def read_entry(path: Path, *, check: bool = True) -> Entry:
    """Open an entry.

    Parameters
    ----------
    path : Path
        The file.
    check : bool
        Compare every tensor with its checksum (reads the whole file).

    Raises
    ------
    CorruptedError
        If it is not whole.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            notes = file.metadata() or {}
            text = notes["entry"]
            if str(zlib.crc32(text.encode())) != notes["crc32"]:
                raise CorruptedError(f"{path.name} in the cache is damaged.", "Prepare the data set again.")
            names = list(file.keys())
            if check:
                for name in names:
                    if str(_crc(file, name)) != notes[f"crc32.{name}"]:
                        raise CorruptedError(f"{path.name} in the cache is damaged.", "Prepare the data set again.")
            about = json.loads(text)
            known = sorted({n.rpartition(".")[0] for n in names if n.endswith(".values")})
            signals = {
                n: Signal(np.array(file.get_tensor(f"{n}.times_s")), np.array(file.get_tensor(f"{n}.values")))
                for n in known
            }
            part = [np.array(file.get_tensor(n)) for n in ("regions", "motion", "chest", "valid")]
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise CorruptedError(
            f"{path.name} in the cache is damaged ({error}).", "Prepare the data set again."
        ) from error
    regions, motion, chest, valid = part
    record = Record(0, float(about["rate_hz"]), regions, motion, chest, valid, ())
    return Entry(path, about, record, signals)


def _crc(file: Any, name: str) -> int:
    """Checksum of one tensor, a piece at a time."""
    if name != "cells":
        return zlib.crc32(np.ascontiguousarray(file.get_tensor(name)).tobytes())
    cut, crc = file.get_slice(name), 0
    shape = cut.get_shape()
    step = max(1, BLOCK // max(1, int(np.prod(shape[1:])) * 2))
    for start in range(0, shape[0], step):
        crc = zlib.crc32(np.ascontiguousarray(cut[start : min(start + step, shape[0])]).tobytes(), crc)
    return crc
