"""Radar packets of a capture card (TI DCA1000), as EquiPleth keeps them, back into range bins.

Packets are placed by the byte count that the card wrote into each, so that whatever was lost or came late leaves the
rest where it belongs. (The loader of the data set's authors drops what surrounds a gap and joins the rest, which
shifts everything after it.)
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import SourceError
from perfuse.data.formats.unpickle import load_pickle
from perfuse.radar.frontend import range_bins
from perfuse.radar.kinds import AWR1443, RadarKind
from perfuse.radar.record import RadarRecord, held

EXPECTED = "Expected are payloads (16-bit words), packet numbers, byte counts, and times of start and end."
WORDS = 4
"""16-bit words per sample as used: I, 0, Q, 0, of which readers make samples a + jc and b + jd and keep the first."""

STALE_S = 1.0
"""Packets left over from before: a jump of more than this after less than this (ASSUMED)."""

LONGEST_S = 3600.0
"""A capture spread over more than this is not one (ASSUMED)."""

CLOCK_S, CLOCK_SHARE = 2.0, 0.02
"""How far the length of a capture may be off the computer's clock before it is told: starting and stopping take time,
and the radar's crystal is good to far less than 2 % (ASSUMED)."""


def read_capture(path: Path, config: RadarKind = AWR1443) -> RadarRecord:
    """Read an ``rf.pkl`` as range bins (N, samples) at the times of its chirps.

    Chirp 0 is at 0 s: the first that the radar sent, if the byte counts begin within a second of zero; or else the
    first that is whole, as the card was running before. A short run of packets before a jump of more than a second
    is what was left in a buffer, and is dropped.

    Parameters
    ----------
    path : Path
        The file: payloads, packet numbers, byte counts, start, end.
    config : RadarKind
        How it was recorded.

    Returns
    -------
    RadarRecord
        Chirps of which a packet is missing are not valid; their bins are those of the chirp before. Notes tell of
        lost and late packets, and of a length that does not fit the times of start and end.

    Raises
    ------
    SourceError
        If it cannot be read, is no capture, or holds no whole chirp.
    """
    payloads, sent, clock_s = _content(path)
    chirp_bytes = 2 * WORDS * config.samples
    second = int(config.frame_rate_hz * chirp_bytes)
    start = _live(sent, int(STALE_S * second))
    payloads, sent = payloads[start:], sent[start:]
    first = int(sent.min())
    origin = 0 if first < STALE_S * second else -(-first // chirp_bytes) * chirp_bytes
    end = max(int(at) + 2 * len(words) for at, words in zip(sent, payloads))
    count = (end - origin) // chirp_bytes
    if not 0 < count <= LONGEST_S * config.frame_rate_hz:
        raise SourceError(f"The packets in {path} span {count} chirps.", EXPECTED)
    stream, there = _placed(payloads, sent, origin, count * WORDS * config.samples)
    valid: NDArray[np.bool_] = np.all(there.reshape(count, -1), axis=1)
    if not valid.any():
        raise SourceError(f"{path} holds no whole chirp ({len(payloads)} packets).", EXPECTED)
    lanes = stream.reshape(count, config.samples, WORDS)
    bins = range_bins(lanes[:, :, 0] + 1j * lanes[:, :, 2]).astype(np.complex64)
    notes = _notes(sent, valid, there, count / config.frame_rate_hz, clock_s)
    return RadarRecord(np.arange(count) / config.frame_rate_hz, held(bins, valid), valid, config, notes)


def _notes(
    sent: NDArray[np.int64],
    valid: NDArray[np.bool_],
    there: NDArray[np.bool_],
    length_s: float,
    clock_s: float | None,
) -> tuple[str, ...]:
    """Say what was mended, and what cannot be."""
    notes = []
    if not valid.all():
        share = 100 * (1 - float(there.mean()))
        notes.append(f"{int((~valid).sum())} of {len(valid)} chirps were lost with {share:.2g} % of the packets")
    late = int((np.diff(sent) < 0).sum())
    if late:
        notes.append(f"packets came out of order {late} times and were put back in order")
    if clock_s is not None and abs(length_s - clock_s) > CLOCK_S + CLOCK_SHARE * clock_s:
        notes.append(f"the chirps last {length_s:.1f} s, but the file says {clock_s:.1f} s from start to end")
    return tuple(notes)


def _content(path: Path) -> tuple[list[NDArray[np.int16]], NDArray[np.int64], float | None]:
    content = load_pickle(path)
    if not isinstance(content, (tuple, list)) or len(content) < 3:
        raise SourceError(f"{path} holds no radar capture.", EXPECTED)
    try:
        payloads = [_words(item) for item in content[0]]
        numbers, sent = list(content[1]), np.array([int(at) for at in content[2]], np.int64)
    except (TypeError, ValueError, OverflowError) as error:
        raise SourceError(f"{path} holds no radar capture ({error}).", EXPECTED) from error
    if not payloads or len(payloads) != len(sent) or len(numbers) != len(sent):
        found = f"{len(payloads)} payloads, {len(numbers)} numbers and {len(sent)} byte counts"
        raise SourceError(f"{path} holds {found}.", EXPECTED)
    if (sent < 0).any() or (sent % 2).any():
        raise SourceError(f"{path} has byte counts that are negative or odd.", EXPECTED)
    return payloads, sent, _length(content)


def _length(content: Sequence[Any]) -> float | None:
    """Seconds from start to end by the computer's clock, or None where the file does not tell."""
    try:
        start, end = (datetime.fromisoformat(str(moment).replace("Z", "+00:00")) for moment in content[3:5])
        return (end - start).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


def _words(item: Any) -> NDArray[np.int16]:
    """Return a payload as signed words."""
    words = np.frombuffer(item, "<u2") if isinstance(item, (bytes, bytearray)) else np.asarray(item)
    if words.ndim != 1 or words.dtype.kind not in "iu" or words.dtype.itemsize != 2:
        raise ValueError(f"a payload of type {words.dtype} and shape {words.shape}")
    return words.astype(np.uint16).view(np.int16)


def _live(sent: NDArray[np.int64], second: int) -> int:
    """Return the packet with which the recording begins: after leftovers of an earlier one."""
    start = 0
    for jump in np.flatnonzero(np.abs(np.diff(sent)) > second):
        if sent[jump] - sent[start] < second:
            start = int(jump) + 1
    return start


def _placed(
    payloads: Sequence[NDArray[np.int16]], sent: NDArray[np.int64], origin: int, size: int
) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Lay payloads out by their byte counts: the words from ``origin`` on, and which of them arrived."""
    stream, there = np.zeros(size, np.int16), np.zeros(size, np.bool_)
    for at, words in zip(((sent - origin) // 2).tolist(), payloads):
        skip = max(0, -at)
        room = words[skip : max(size - at, 0)]
        stream[at + skip : at + skip + len(room)] = room
        there[at + skip : at + skip + len(room)] = True
    return stream, there
