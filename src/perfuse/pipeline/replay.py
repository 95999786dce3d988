"""A method over samples that were kept: the same waves, and the same answer, as over the recording itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import UsageError
from perfuse.core.method import Method
from perfuse.core.signals import Chunk, Waveform
from perfuse.core.view import Trace
from perfuse.pipeline.stream import Record

BLOCK = 512
"""Samples handed to a method at once; any number gives the same waves."""

Cells = Callable[[int, int], NDArray[np.float32] | None]


def replay(method: Method, record: Record, cells: Cells | None = None) -> Record:
    """Return a record with the waves of a method.

    Parameters
    ----------
    method : Method
        Its view has the rate of the record.
    record : Record
        Regions, motion, chest and validity of one face, from its first sample on.
    cells : callable, optional
        ``cells(start, stop)`` gives (T, rows, cols, 4) of the method's own view, for methods that do not eat traces.

    Raises
    ------
    UsageError
        If the record has another rate, or the cells are missing.
    """
    view = method.view
    if view.rate_hz != record.rate_hz:
        raise UsageError(
            f"Method {method.card.name!r} takes {view.rate_hz:g} samples a second; {record.rate_hz:g} were kept.",
            "Prepare the recordings for it.",
        )
    regions = record.regions.shape[1] if isinstance(view, Trace) else 1
    return replace(record, waves=tuple(_wave(method, record, region, cells) for region in range(regions)))


def _wave(method: Method, record: Record, region: int, cells: Cells | None) -> Waveform:
    state, parts = method.start(), []
    count = len(record.valid)
    for start in range(0, max(count, 1), BLOCK):
        stop = min(start + BLOCK, count)
        values, weights = _values(method, record, region, cells, start, stop)
        chunk = Chunk(start, record.rate_hz, values, record.valid[start:stop], weights, last=stop == count)
        state, wave = method.step(state, chunk)
        if len(wave):
            parts.append(wave)
    return Waveform.concatenate(parts or [Waveform.empty(0, record.rate_hz)])


def _values(
    method: Method, record: Record, region: int, cells: Cells | None, start: int, stop: int
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    if isinstance(method.view, Trace):
        return record.regions[start:stop, region : region + 1].astype(np.float32), None
    block = None if cells is None else cells(start, stop)
    if block is None:
        raise UsageError(
            f"Method {method.card.name!r} needs pictures; only colour traces were kept.", "Choose another method."
        )
    return block[..., :3], block[..., 3]
