"""Radar packets of a capture card (TI DCA1000), as EquiPleth keeps them, back into range bins.

Packets are placed by the byte count that the card wrote into each, so that whatever was lost or came late leaves the
rest where it belongs. (The loader of the data set's authors drops what surrounds a gap and joins the rest, which
shifts everything after it.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

SAMPLE_BYTES = 2 * WORDS

STALE_S = 1.0
"""Packets left over from before: a jump of more than this after less than this (ASSUMED). The socket of the authors'
recorder is open before it is read, and keeps the first packets that came meanwhile."""

CLASHING = 0.05
"""Largest share of packets that hold other bytes than those before at the same byte count: what an earlier capture
left in a buffer may be as much, a card that began anew is more (ASSUMED)."""

LONGEST_S = 3600.0
"""A capture spread over more than this is not one (ASSUMED)."""

CLOCK_S, CLOCK_SHARE = 1.0, 0.005
"""How far the length of a capture may be off the computer's clock before it is told. The authors' recorder takes the
start as it begins to listen and the end as it stops, which is a second late where it waited for a radar that had
stopped; the radar's crystal is good to far less than 0.5 % (ASSUMED)."""


def read_capture(path: Path, config: RadarKind = AWR1443) -> RadarRecord:
    """Read an ``rf.pkl`` as range bins (N, samples) at the times of its chirps.

    The times begin with byte 0, which the radar sent first, if the byte counts begin within a second of it. Where
    they do not, the card ran before, or the first packets were lost; and a short run of packets before a jump of more
    than a second was left in a buffer, or what followed it was lost. The times of start and end decide: if the
    recording's length from byte 0 fits them better, it begins there, and what is missing was lost. Without such times
    it does so only where packets of the first second are there, and less is missing than came after. Otherwise the
    run is dropped, and 0 s is the first whole chirp after it.

    Parameters
    ----------
    path : Path
        The file: payloads, packet numbers, byte counts, start, end.
    config : RadarKind
        How it was recorded.

    Returns
    -------
    RadarRecord
        Chirps of which a packet is missing, or came twice and not the same, are not valid; their bins are those of
        the chirp before. Notes tell of lost, late and dropped packets, of a beginning that is not certain, and of
        packet numbers or times of start and end that do not fit.

    Raises
    ------
    SourceError
        If it cannot be read, is no capture, holds no whole chirp, or is two captures laid over each other.
    """
    payloads, numbers, sent, clock_s = _content(path)
    chirp_bytes = SAMPLE_BYTES * config.samples
    second = int(config.frame_rate_hz * chirp_bytes)
    stale = int(STALE_S * second)
    live = _live(sent, stale)
    ends = sent + np.array([2 * len(words) for words in payloads])
    begin, end = int(sent[live:].min()), int(ends[live:].max())
    before = np.arange(len(sent)) < live
    begin_s, live_s = begin / second, (end - begin) / second
    from_zero = bool((before & (sent < min(begin, stale))).any())
    lost = begin_s >= STALE_S and _lost(begin_s, live_s, clock_s, from_zero)
    origin = 0 if begin_s < STALE_S or lost else -(-begin // chirp_bytes) * chirp_bytes
    kept = np.flatnonzero(~before | ((ends <= begin) & (origin == 0)))
    payloads, numbers, sent = [payloads[i] for i in kept], [numbers[i] for i in kept], sent[kept]
    count = (end - origin) // chirp_bytes
    if not 0 < count <= LONGEST_S * config.frame_rate_hz:
        raise SourceError(f"The packets in {path} span {count} chirps.", EXPECTED)
    stream, there, clashes = _placed(payloads, sent, origin, count * WORDS * config.samples)
    if clashes > CLASHING * len(payloads):
        raise SourceError(
            f"{clashes} of {len(payloads)} packets in {path} hold other bytes than those before at the same byte "
            "count: the card began anew, or captures were mixed.",
            "Nothing says which of them belong to the recording; leave it out.",
        )
    valid: NDArray[np.bool_] = np.all(there.reshape(count, -1), axis=1)
    if not valid.any():
        raise SourceError(f"{path} holds no whole chirp ({len(payloads)} packets).", EXPECTED)
    lanes = stream.reshape(count, config.samples, WORDS)
    bins = range_bins(lanes[:, :, 0] + 1j * lanes[:, :, 2]).astype(np.complex64)
    notes = (
        *_lost_and_late(sent, valid, there, second),
        *_beginning(len(before) - len(kept), begin_s, live_s, clock_s, lost),
        *_doubts(payloads, numbers, sent, clashes, count / config.frame_rate_hz, clock_s),
    )
    return RadarRecord(np.arange(count) / config.frame_rate_hz, held(bins, valid), valid, config, notes)


def _lost(begin_s: float, live_s: float, clock_s: float | None, from_zero: bool) -> bool:
    """Tell whether what is missing before the byte counts was lost, rather than sent before the recording began."""
    if clock_s is None:
        return from_zero and begin_s < live_s
    return abs(begin_s + live_s - clock_s) < abs(live_s - clock_s)


def _fits(length_s: float, clock_s: float) -> bool:
    return abs(length_s - clock_s) <= CLOCK_S + CLOCK_SHARE * clock_s


def _lost_and_late(
    sent: NDArray[np.int64], valid: NDArray[np.bool_], there: NDArray[np.bool_], second: int
) -> Iterator[str]:
    """Say what was mended."""
    if not valid.all():
        share = 100 * (1 - float(there.mean()))
        yield f"{int((~valid).sum())} of {len(valid)} chirps were lost with {share:.2g} % of the packets"
    back = -np.diff(sent)[np.diff(sent) < 0] / second
    if len(back):
        far = f", by up to {back.max():.1f} s," if back.max() > STALE_S else ""
        yield f"packets came out of order {len(back)} times{far} and were put back in order"


def _beginning(dropped: int, begin_s: float, live_s: float, clock_s: float | None, lost: bool) -> Iterator[str]:
    """Say what was dropped before the recording, and how late it may begin."""
    if dropped:
        where = "with byte 0" if lost or begin_s < STALE_S else "after it"
        yield f"{dropped} packets before a jump in the byte counts were dropped as left over; the times begin {where}"
    if begin_s < STALE_S:
        return
    if lost:
        yield f"what is missing of the first {begin_s:.1f} s is taken for lost, not for time before the recording"
    elif clock_s is None or not _fits(live_s, clock_s) or _fits(begin_s + live_s, clock_s):
        yield (
            f"the byte counts begin {begin_s:.1f} s after zero: the times begin with the first whole chirp, too late "
            "by as much if those before were lost"
        )


def _doubts(
    payloads: Sequence[NDArray[np.int16]],
    numbers: Sequence[Any],
    sent: NDArray[np.int64],
    clashes: int,
    length_s: float,
    clock_s: float | None,
) -> Iterator[str]:
    """Say what does not fit together."""
    if clashes:
        yield f"{clashes} packets hold other bytes than those before at the same byte count; what they share is lost"
    missing = _missing(payloads, numbers, sent)
    if missing is not None and missing[0] != missing[1]:
        yield f"{missing[0]} packets are missing by their numbers, {missing[1]} by the byte counts, which place them"
    if clock_s is not None and not _fits(length_s, clock_s):
        yield f"the chirps last {length_s:.1f} s, but the file says {clock_s:.1f} s from start to end"


def _missing(
    payloads: Sequence[NDArray[np.int16]], numbers: Sequence[Any], sent: NDArray[np.int64]
) -> tuple[int, int] | None:
    """Return how many packets are missing between the first and the last, by number and by byte count."""
    try:
        told = np.unique(np.array([int(number) for number in numbers], np.int64))
    except (TypeError, ValueError, OverflowError):
        return None  # nothing depends on them
    at, first = np.unique(sent, return_index=True)
    sizes = np.array([2 * len(payloads[i]) for i in first])
    gaps = np.maximum(np.diff(at) - sizes[:-1], 0).sum() / max(int(sizes.max()), 1)
    return int(told[-1] - told[0]) + 1 - len(told), round(float(gaps))


def _content(path: Path) -> tuple[list[NDArray[np.int16]], list[Any], NDArray[np.int64], float | None]:
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
    if (sent < 0).any() or (sent % SAMPLE_BYTES).any():
        raise SourceError(f"{path} has byte counts that are negative, or within a sample.", EXPECTED)
    return payloads, numbers, sent, _length(content)


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


def _live(sent: NDArray[np.int64], stale: int) -> int:
    """Return the packet with which the first run begins that lasts longer than leftovers without a jump as long."""
    jumps = np.flatnonzero(np.abs(np.diff(sent)) > stale)
    starts, stops = np.append(0, jumps + 1), np.append(jumps, len(sent) - 1)
    long = np.abs(sent[stops] - sent[starts]) >= stale
    return int(starts[np.argmax(long)])


def _placed(
    payloads: Sequence[NDArray[np.int16]], sent: NDArray[np.int64], origin: int, size: int
) -> tuple[NDArray[np.int16], NDArray[np.bool_], int]:
    """Lay payloads out by their byte counts: the words from ``origin`` on, and which of them arrived.

    Words of which two packets say different things did not; last is how many packets contradict one before.
    """
    stream, there = np.zeros(size, np.int16), np.zeros(size, np.bool_)
    clashes = []
    for at, words in zip(((sent - origin) // 2).tolist(), payloads):
        skip = max(0, -at)
        room = words[skip : max(size - at, 0)]
        place = slice(at + skip, at + skip + len(room))
        clash = there[place] & (stream[place] != room)
        if clash.any():
            clashes.append(at + skip + np.flatnonzero(clash))
        stream[place] = room
        there[place] = True
    for bad in clashes:
        there[bad] = False
    return stream, there, len(clashes)
