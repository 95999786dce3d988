"""Frames with true timestamps, wherever they come from: what is known of the source, and one pass through it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import SourceError, UsageError
from perfuse.core.frame import Frame

STATE_RATE = (
    "State the frame rate it was recorded at (--rate HZ; rate_hz= in Python), or record to a container that keeps "
    "time (mp4, mov, mkv)."
)


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source says about itself before it is read; None where it says nothing.

    Attributes
    ----------
    name : str
        File name without folder, address of a stream or camera, or ``"frames"``.
    kind : str
        ``"video"``, ``"trace"``, ``"frames"`` or ``"camera"``.
    width, height : int or None
        Pixels of the upright picture, as handed out.
    codec, pixel_format : str or None
        FFmpeg's names.
    rotation : int
        Clockwise degrees (0, 90, 180, 270) by which stored pictures are turned to stand upright; the frames handed
        out are turned already.
    nominal_rate_hz : float or None
        Frames per second as announced or stated. Times always come from the timestamps, never from this.
    frames : int or None
        Pictures announced.
    duration_s : float or None
        Length announced.
    """

    name: str
    kind: Literal["video", "trace", "frames", "camera"]
    width: int | None = None
    height: int | None = None
    codec: str | None = None
    pixel_format: str | None = None
    rotation: int = 0
    nominal_rate_hz: float | None = None
    frames: int | None = None
    duration_s: float | None = None


class FrameStream:
    """One pass through the frames of a source, in order of time, holding only a few of them at once.

    Parameters
    ----------
    info : SourceInfo
        What is known before reading.
    frames : iterator of Frame
        Frames as they come; a time of NaN says the source gives none.
    warnings : list of str
        Shared with whoever produces the frames and complete once they are exhausted.
    close : callable
        Releases the source.

    Attributes
    ----------
    info : SourceInfo
    warnings : list of str
        What the user should know about the recording; complete after the last frame.

    Raises
    ------
    SourceError
        While iterating, if not one frame carries a time.
    UsageError
        On a second pass: open the source again instead.
    """

    def __init__(
        self, info: SourceInfo, frames: Iterator[Frame], warnings: list[str], close: Callable[[], None]
    ) -> None:
        self.info = info
        self.warnings = warnings
        self._frames: Iterator[Frame] = _in_time_order(frames, info.name, warnings)
        self._release = close
        self._spent = False

    def __enter__(self) -> FrameStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        if self._spent:
            raise UsageError(f"{self.info.name} was read or closed already.", "Open it again for another pass.")
        return self

    def __next__(self) -> Frame:
        try:
            return next(self._frames)
        except StopIteration:
            self._spent = True
            raise

    def close(self) -> None:
        """Release the source; frames handed out before stay usable."""
        self._spent = True
        self._frames = iter(())
        self._release()


def _in_time_order(frames: Iterator[Frame], name: str, warnings: list[str]) -> Iterator[Frame]:
    """Pass on the frames whose time increases; count the others into the warnings."""
    last = -np.inf
    backwards = timeless = 0
    for frame in frames:
        if not isfinite(frame.time_s):
            timeless += 1
        elif frame.time_s <= last:
            backwards += 1
        else:
            last = frame.time_s
            yield frame
    if timeless and last == -np.inf:
        raise SourceError(f"{name} carries no timestamps.", STATE_RATE)
    if timeless:
        warnings.append(f"Dropped frames: {timeless} without a timestamp.")
    if backwards:
        warnings.append(f"Dropped frames: {backwards} whose time did not increase.")


def check_rate(rate_hz: float | None) -> float | None:
    """Return ``rate_hz`` as a float.

    Raises
    ------
    UsageError
        Unless it is positive and finite, or None.
    """
    if rate_hz is None:
        return None
    try:
        rate = float(rate_hz)
    except (TypeError, ValueError):
        rate = float("nan")
    if not (isfinite(rate) and rate > 0):
        raise UsageError(f"A frame rate of {rate_hz!r} was given.", "Give frames per second, for example 30.")
    return rate


def from_arrays(
    frames: NDArray[Any] | Iterable[NDArray[Any]] | Iterable[tuple[float, NDArray[Any]]],
    times_s: Iterable[float] | None = None,
    rate_hz: float | None = None,
) -> FrameStream:
    """Read frames that are in memory already, or that some other program makes one by one.

    Parameters
    ----------
    frames : ndarray or iterable
        (T, H, W, 3), or (T, H, W) for grey; or an iterable of (H, W, 3) or (H, W) arrays, or of (time_s, array)
        pairs. uint8 0..255, uint16 0..65535 or float 0..1. Iterables are read lazily.
    times_s : iterable of float, optional
        Seconds, one per frame.
    rate_hz : float, optional
        Frames per second, in place of times.

    Returns
    -------
    FrameStream
        Of kind ``"frames"``.

    Raises
    ------
    UsageError
        If the times are given never or twice, their number differs from the frames', or a frame has an unsuitable
        shape, type or range; for frames after the first while iterating.
    SourceError
        If there is no frame.
    """
    rate = check_rate(rate_hz)
    if times_s is not None and rate is not None:
        raise UsageError("Both times_s and rate_hz were given.", "Give one of them.")
    if isinstance(frames, np.ndarray) and (frames.ndim not in (3, 4) or (frames.ndim == 3 and frames.shape[2] <= 4)):
        raise UsageError(
            f"An array of shape {frames.shape} was given.", "Pass (frames, height, width, 3), or a list of pictures."
        )
    if times_s is not None and not isinstance(times_s, Iterable):
        raise UsageError(f"times_s={times_s!r} was given.", "Pass seconds, one a frame.")
    count = len(frames) if isinstance(frames, Sized) else None
    if isinstance(times_s, Sized) and count is not None and len(times_s) != count:
        raise UsageError(f"{len(times_s)} times were given for {count} frames.", "Give one time per frame.")
    made = _wrap(frames, None if times_s is None else iter(times_s), rate)
    first = next(made, None)
    if first is None:
        raise SourceError("No frames were given.", "Pass at least one picture.")
    info = SourceInfo("frames", "frames", first.width, first.height, nominal_rate_hz=rate, frames=count)
    return FrameStream(info, chain([first], made), [], made.close)


def _wrap(frames: Iterable[Any], times: Iterator[float] | None, rate_hz: float | None) -> Any:
    """Yield a Frame per array or (time, array) pair."""
    for index, item in enumerate(frames):
        paired = isinstance(item, tuple) and len(item) == 2
        if paired == (times is not None or rate_hz is not None):
            raise UsageError(
                "The frames carry times and times were given, too." if paired else "The frames carry no times.",
                "Give times in one way: times_s, rate_hz, or (time, picture) pairs.",
            )
        if paired:
            time, picture = item
        elif times is not None:
            picture, time = item, next(times, None)
            if time is None:
                raise UsageError(f"There are more frames than times ({index}).", "Give one time per frame.")
        else:
            picture, time = item, index / rate_hz  # type: ignore[operator]
        yield Frame.from_rgb(np.asarray(picture), time)
