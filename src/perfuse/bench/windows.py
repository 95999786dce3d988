"""Cutting recordings into windows: by samples as published scorers do, by time as perfuse does."""

from __future__ import annotations

from dataclasses import dataclass

from perfuse.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Cut:
    """How a recording is cut.

    Attributes
    ----------
    name : str
        ``whole``, or such as ``30 s``; the same in every row that comes of it.
    length_s : float or None
        None: the whole recording is one window.
    hop_s : float or None
        Seconds from the start of one window to the start of the next; None: they touch.
    """

    name: str
    length_s: float | None = None
    hop_s: float | None = None

    def __post_init__(self) -> None:
        if (self.length_s is not None and not self.length_s > 0) or (self.hop_s is not None and not self.hop_s > 0):
            raise UsageError(
                f"Windows of {self.length_s} s every {self.hop_s} s were asked for.", "Pass positive seconds."
            )


WHOLE = Cut("whole")


def seconds(length_s: float, hop_s: float | None = None) -> Cut:
    """Return the cut into windows of ``length_s``, every ``hop_s``."""
    every = "" if hop_s is None or hop_s == length_s else f" every {hop_s:g} s"
    return Cut(f"{length_s:g} s{every}", length_s, hop_s)


def by_time(cut: Cut, start_s: float, stop_s: float) -> tuple[tuple[float, float], ...]:
    """Windows, (start, stop) in seconds, that lie inside a recording; a remainder shorter than a window is left out.

    Parameters
    ----------
    cut : Cut
        How to cut.
    start_s, stop_s : float
        First and last time of the recording.
    """
    if not stop_s > start_s:
        return ()
    if cut.length_s is None:
        return ((start_s, stop_s),)
    hop = cut.hop_s or cut.length_s
    # a millionth of a second of tolerance: times at 1/30 s do not add up to whole seconds exactly
    count = int((stop_s - start_s - cut.length_s + 1e-6) // hop) + 1
    return tuple((start_s + k * hop, start_s + k * hop + cut.length_s) for k in range(max(count, 0)))


def by_samples(count: int, rate_hz: float, length_s: float | None) -> tuple[tuple[int, int], ...]:
    """Windows, (start, stop) in samples, one after another; the last one is whatever is left.

    Parameters
    ----------
    count : int
        Samples of the recording.
    rate_hz : float
        Samples per second.
    length_s : float or None
        None, or longer than the recording: one window.

    Raises
    ------
    UsageError
        If a window would have no sample.
    """
    if length_s is None:
        size = count
    else:
        size = min(round(length_s * rate_hz), count)
        if round(length_s * rate_hz) < 1:
            raise UsageError(
                f"Windows of {length_s} s at {rate_hz} samples per second were asked for.", "Pass longer windows."
            )
    return tuple((start, min(start + size, count)) for start in range(0, count, size)) if size else ()
