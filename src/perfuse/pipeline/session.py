"""The stream door: push frames, traces or echoes with their timestamps, read the vitals at any time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from perfuse.clip.resample import MAX_GAP_S
from perfuse.core.errors import SourceError, UsageError
from perfuse.core.frame import Frame, seconds
from perfuse.core.method import Method
from perfuse.core.results import FaceEvent, Measurement
from perfuse.core.view import Echo, Trace
from perfuse.face import Detector
from perfuse.methods import get_method
from perfuse.pipeline.answer import Context, measure_face, no_face
from perfuse.pipeline.echo import EchoStream, grid_rate_hz
from perfuse.pipeline.faces import FaceStreams, trace_sample
from perfuse.pipeline.stream import FaceStream

DEFAULT_VIDEO, DEFAULT_TRACE, DEFAULT_CONTACT, DEFAULT_RADAR = "blend", "pos", "contact", "radar"
"""What ``auto`` takes: pictures have cells to weigh, mean colours have none, and a finger on the lens is no face."""
OTHER = "Choose another method, or let auto choose."
LONGEST_PAUSE_S = 3600.0
"""A leap of the clock beyond this is a broken timestamp, and filling it would take memory without end."""
LOOK_S = 2.0
"""How much of a trace is looked at before ``auto`` decides whether it shows a face or a finger on the lens, and how
much of a radar's recording before it is known how fast its chirps follow one another."""


class Session:
    """Measure a stream in constant memory.

    Parameters
    ----------
    method : str or Method
        A registered name, ``"auto"`` (``blend`` for video, ``pos`` for colour traces of a face, ``contact`` for a
        finger on the lens, ``radar`` for a radar), or any object that satisfies :class:`perfuse.core.method.Method`.
    detector : Detector, optional
        Finds faces; BlazeFace by default. See :func:`perfuse.face.adapt_detector` for a plain function.
    history_s : float or None
        How far back the vitals look; None remembers everything (about 1 MB a minute and face).
    source : dict, optional
        What to say about the source in the measurement.

    Examples
    --------
    >>> session = Session(history_s=60)                                     # doctest: +SKIP
    >>> for time_s, rgb in camera:                                          # doctest: +SKIP
    ...     session.push(rgb, time_s)
    ...     print(session.measure().heart_rate)
    """

    def __init__(
        self,
        method: str | Method = "auto",
        *,
        detector: Detector | None = None,
        history_s: float | None = 300.0,
        source: dict[str, str | int | float] | None = None,
    ) -> None:
        if history_s is not None and not history_s >= 15:
            raise UsageError(
                f"history_s={history_s!r} was given.", "Pass at least 15 seconds, or None for everything."
            )
        self.warnings: list[str] = []
        self._choice = method
        self._method = get_method(method) if isinstance(method, str) and method != "auto" else None
        if not isinstance(method, str):
            if not isinstance(method, Method):
                raise UsageError(
                    f"The method {method!r} was given.", "Pass a name that `perfuse methods` lists, or a Method."
                )
            self._method = method
        self._detector = detector
        self._faces: FaceStreams | None = None
        self._history_s = history_s
        # of a file's name, bytes that are no UTF-8 become "?": no answer could be written otherwise
        self._source = {
            key: value.encode(errors="replace").decode() if isinstance(value, str) else value
            for key, value in (source or {}).items()
        }
        self._kind: str | None = None
        self._start_s: float | None = None
        self._last_s = 0.0
        self._count = 0
        self._steps, self._steps_s = 0, 0.0
        self._trace: FaceStream | EchoStream | None = None
        self._waiting: list[tuple[float, NDArray[Any]]] = []
        self._finished = False
        self._cells = 0

    def push(self, frame: Frame | NDArray[np.generic], time_s: float | None = None) -> None:
        """Take the next picture.

        Parameters
        ----------
        frame : Frame or ndarray
            A timed frame, or (H, W, 3) red, green, blue: uint8, uint16 or float 0..1.
        time_s : float
            Capture time in seconds, later than the one before; not needed with a Frame.

        Raises
        ------
        UsageError
            If the time is missing, not finite or not later than the one before; nothing is changed then.
        SourceError
            If the time is more than an hour later than the one before; nothing is changed then.
        """
        if not isinstance(frame, Frame):
            if time_s is None:
                raise UsageError(
                    "A picture without a time was pushed.", "Pass its capture time: push(picture, time_s)."
                )
            frame = Frame.from_rgb(frame, time_s)
        if self._method is not None and isinstance(self._method.view, Echo):
            raise UsageError(f"Method {self._method.card.name!r} reads a radar; a picture was pushed.", OTHER)
        self._advance(frame.time_s, "video")
        if self._faces is None:
            self._faces = FaceStreams(self._chosen(), self._detector, self._start_s or 0.0, self._history_s)
        self._faces.push(frame)

    def push_trace(self, time_s: float, rgb: ArrayLike) -> None:
        """Take the next mean colour of a skin area (a trace instead of pictures).

        Parameters
        ----------
        time_s : float
            Seconds, later than the one before.
        rgb : array_like, (3,)
            Mean red, green, blue in any unit; zero stays zero.

        Raises
        ------
        UsageError
            On a bad time or colour; nothing is changed then.
        SourceError
            If the time is more than an hour later than the one before; nothing is changed then.
        """
        time_s, colour = seconds(time_s), _array(rgb, np.float64)
        if colour.shape != (3,) or not np.isfinite(colour).all():
            raise UsageError(f"The colour {rgb!r} was pushed.", "Pass three finite numbers: red, green, blue.")
        self._advance(time_s, "trace")
        self._waiting.append((time_s, colour))
        if self._method is not None or time_s - (self._start_s or 0.0) >= LOOK_S:
            self._pass_on()

    def push_radar(self, time_s: float, echo: ArrayLike) -> None:
        """Take the next chirp of a radar (instead of pictures). Chirps that were lost are left out.

        Parameters
        ----------
        time_s : float
            Seconds, later than the one before.
        echo : array_like, complex, (B,)
            Range bins where a body may be, nearest first; in any unit, as many as before.

        Raises
        ------
        UsageError
            On a bad time or echo; nothing is changed then.
        SourceError
            If the time is more than an hour later than the one before; nothing is changed then.
        """
        time_s, cells = seconds(time_s), _array(echo)
        if cells.ndim != 1 or not cells.size or cells.dtype.kind not in "iufc" or not np.isfinite(cells).all():
            raise UsageError(
                f"An echo of shape {cells.shape} and type {cells.dtype} was pushed.",
                "Pass finite complex numbers, one a range bin.",
            )
        if self._cells not in (0, cells.size):
            raise UsageError(f"{cells.size} range bins follow {self._cells}.", "Pass as many with every chirp.")
        if self._method is not None and not isinstance(self._method.view, Echo):
            raise UsageError(f"Method {self._method.card.name!r} does not read a radar; an echo was pushed.", OTHER)
        self._advance(time_s, "radar")
        self._cells = cells.size
        self._waiting.append((time_s, cells.astype(np.complex128)))
        if self._trace is not None or time_s - (self._start_s or 0.0) >= LOOK_S:
            self._pass_on()

    def measure(self) -> Measurement:
        """Return everything known up to now; the session goes on."""
        return self._answer()

    def finish(self) -> Measurement:
        """Say that the recording is over and return the final measurement; nothing can be pushed afterwards."""
        if not self._finished:
            self._finished = True
            if self._faces is not None:
                self._faces.finish()
            self._pass_on()
            if self._trace is not None:
                self._trace.finish()
        return self._answer()

    def _advance(self, time_s: float, kind: str) -> None:
        if self._finished:
            raise UsageError("The session is finished.", "Make a new Session for the next recording.")
        if self._kind not in (None, kind):
            raise UsageError(f"A {kind} sample was pushed into a {self._kind} session.", "Use one session for each.")
        if not np.isfinite(time_s) or (self._start_s is not None and time_s <= self._last_s):
            raise UsageError(
                f"The time {time_s!r} s was pushed after {self._last_s!r} s.", "Times must be finite and rise."
            )
        step = 0.0 if self._start_s is None else time_s - self._last_s
        if step > LONGEST_PAUSE_S:
            raise SourceError(
                f"The timestamps of {self._source.get('name', 'the stream')} leap from {self._last_s:.3f} s to "
                f"{time_s:.3f} s.",
                "Measure the parts before and after the leap by themselves, or convert the recording: that often "
                "repairs its timestamps.",
            )
        if 0 < step <= MAX_GAP_S:
            self._steps += 1
            self._steps_s += float(step)
        self._kind = kind
        if self._start_s is None:
            self._start_s = float(time_s)
        self._last_s = float(time_s)
        self._count += 1

    def _pass_on(self) -> None:
        """Give what waited for the choice of method, or of a rate, to the stream."""
        if not self._waiting:
            return
        method = self._chosen()
        if self._kind == "radar":
            self._pass_on_echoes(method)
            return
        if not isinstance(method.view, Trace):
            raise UsageError(
                f"Method {method.card.name!r} needs {'a radar' if isinstance(method.view, Echo) else 'pictures'}; a "
                "colour trace was given.",
                "Choose a method that eats traces, for example pos or contact.",
            )
        if self._trace is None:
            self._trace = FaceStream(method, self._start_s or 0.0, 1, self._history_s)
        assert isinstance(self._trace, FaceStream)
        for time_s, colour in self._waiting:
            self._trace.push(time_s, trace_sample(colour))
        self._waiting.clear()

    def _pass_on_echoes(self, method: Method) -> None:
        if self._trace is None:
            rate_hz = grid_rate_hz(np.array([time_s for time_s, _ in self._waiting]), method.view.rate_hz)
            self._trace = EchoStream(method, self._start_s or 0.0, rate_hz, self._history_s)
        assert isinstance(self._trace, EchoStream)
        for time_s, echo in self._waiting:
            self._trace.push(time_s, echo)
        self._waiting.clear()

    def _chosen(self) -> Method:
        if self._method is None:
            name = DEFAULT_VIDEO
            if self._kind == "trace":
                face = looks_like_a_face(np.array([c for _, c in self._waiting]))
                name = DEFAULT_TRACE if face else DEFAULT_CONTACT
            elif self._kind == "radar":
                name = DEFAULT_RADAR
            self._method = get_method(name)
        return self._method

    def _answer(self) -> Measurement:
        start = self._start_s or 0.0
        duration = self._last_s - start if self._count else 0.0
        rate = self._rate_hz(duration)
        context = Context(start, duration, rate, self._kind or "video")
        faces = []
        for number, stream in sorted(self._streams().items()):
            record = stream.record()
            if record is not None:
                face = measure_face(number, record, context)
                faces.append(replace(face, events=self._events(number)))
        source = {**self._source, "frames": self._count}
        if rate:
            source["rate_hz"] = round(rate, 6)
        source.setdefault("kind", self._kind or "video")
        card = self._method.card if self._method else None
        name = card.name if card else str(self._choice)
        answer = faces or [no_face(context)]
        notes = (*self.warnings, *context.warnings(faces))
        model = card.sha256 if card else ""
        return Measurement(source, name, duration, start, tuple(answer), notes, model or None)

    def _streams(self) -> Mapping[int, FaceStream | EchoStream]:
        if self._faces is not None:
            return self._faces.streams
        return {} if self._trace is None else {0: self._trace}

    def _rate_hz(self, duration_s: float) -> float:
        """Frames per second where they follow one another; pauses do not count, unless there is nothing else."""
        if self._steps:
            return self._steps / self._steps_s
        return (self._count - 1) / duration_s if duration_s > 0 else 0.0

    def _events(self, number: int) -> tuple[FaceEvent, ...]:
        return () if self._faces is None else self._faces.events(number)


def _array(given: ArrayLike, dtype: type[np.float64] | None = None) -> NDArray[Any]:
    """Return an array; an empty one for what makes none, such as words, or rows of unequal length."""
    try:
        return np.asarray(given, dtype)
    except (TypeError, ValueError):
        return np.empty(0)


def looks_like_a_face(colours: NDArray[np.float64]) -> bool:
    """Tell a face in the picture from a finger on the lens by colour.

    Skin seen in reflected light has a green of at least 40 % of its red and not more green than red plus a tint of
    the light; light that went through a finger has lost its green and blue, or was balanced to some other colour.

    Parameters
    ----------
    colours : ndarray, (N, 3)
        Mean colours.
    """
    red, green, blue = np.median(colours, axis=0) if len(colours) else (1.0, 1.0, 1.0)
    return bool(red > 0 and 0.4 <= green / red <= 1.15 and blue / red >= 0.12)
