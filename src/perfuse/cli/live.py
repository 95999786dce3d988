"""``perfuse live``: the pulse of whoever sits before the camera, in the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from perfuse.cli.draw import big, curve
from perfuse.cli.tables import COLOURS, quality_text, show, terminal
from perfuse.core.errors import UsageError
from perfuse.core.results import NO_FACE, Vital
from perfuse.report.words import interval_text, label, quality_word, unit_text, usable, value_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from perfuse.core.results import Face, Measurement
    from perfuse.core.signals import Waveform
    from perfuse.pipeline import Session
    from perfuse.video import FrameStream, TraceStream

REDRAW_S = 0.15
LINE_S = 1.0
SHOWN_S = 10.0
"""Seconds of the wave on the screen."""
SHARE = 0.25
"""Largest share of the time that goes into vitals and drawing; the rest belongs to the frames."""


def live(
    source: str = "camera",
    /,
    *,
    method: str = "auto",
    for_: Annotated[float | None, Parameter(name="--for")] = None,
) -> int:
    """Watch the pulse of a camera, or of a file played in real time; end with Ctrl-C.

    Parameters
    ----------
    source
        `camera`, `camera:DEVICE`, /dev/video1, or a recording.
    method
        A name that `perfuse methods` lists.
    for_
        Stop after this many seconds.
    """
    if for_ is not None and not for_ > 0:
        raise UsageError(f"--for {for_} was given.", "Pass seconds, a number above 0.")
    from perfuse.data.radars import is_radar
    from perfuse.pipeline import Session, describe
    from perfuse.video import open_source

    if is_radar(source):
        raise UsageError(f"{source} is what a radar recorded, which cannot be played.", "See: perfuse measure FILE.")
    console = terminal()
    with open_source(source) as stream:
        session = Session(method, source=describe(stream.info))
        interrupted = play(stream, session, console, limit_s=for_)
        session.warnings += stream.warnings
    if interrupted:
        console.print()
    show(console, session.finish())
    return 0


def play(
    stream: FrameStream | TraceStream,
    session: Session,
    console: Console,
    *,
    limit_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Feed a stream to a session at its own pace and draw what is known; return whether Ctrl-C ended it."""
    view: Screen | Lines = Screen(console) if console.is_terminal else Lines(console)
    period_s = REDRAW_S if console.is_terminal else LINE_S
    begun = clock()
    due = begun
    try:
        with view:
            for at_s, push in _samples(stream, session):
                if limit_s is not None and at_s >= limit_s:
                    break
                if stream.info.kind != "camera":
                    sleep(max(0.0, begun + at_s - clock()))
                push()
                now = clock()
                if now >= due:
                    view.draw(session.measure(), at_s)
                    due = now + max(period_s, (clock() - now) / SHARE)
    except KeyboardInterrupt:
        return True
    return False


def _samples(stream: FrameStream | TraceStream, session: Session) -> Iterator[tuple[float, Callable[[], None]]]:
    """Yield the seconds since the first sample, and what pushes it."""
    first = None
    for item in stream:
        if isinstance(item, tuple):
            time_s, push = item[0], partial(session.push_trace, *item)
        else:
            time_s, push = item.time_s, partial(session.push, item)
        first = time_s if first is None else first
        yield time_s - first, push


@dataclass(slots=True)
class Lines:
    """A line a second, for logs and pipes."""

    console: Console

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def draw(self, measurement: Measurement, at_s: float) -> None:
        """Print one line."""
        heart, breath = measurement.heart_rate, measurement.respiratory_rate
        told = f"{_told('heart_rate', heart)}  {_told('respiratory_rate', breath)}"
        self.console.print(f"{at_s:6.0f} s  {told}", soft_wrap=True, markup=False)


class Screen:
    """The wave, the numbers and the state, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def draw(self, measurement: Measurement, at_s: float) -> None:
        """Redraw everything."""
        self._live.update(screen(measurement, at_s, self.console.width), refresh=True)


def screen(measurement: Measurement, at_s: float, width: int) -> RenderableType:
    """Return what the screen shows of a measurement ``at_s`` seconds after its first sample."""
    face = measurement.faces[0] if measurement.faces else None
    name = str(measurement.source.get("name", ""))
    heading = Text.assemble(("perfuse", "bold"), ("  ", ""), (f"{name}  {at_s:.0f} s  Ctrl-C ends", "dim"))
    wave = Text("\n".join(curve(_recent(face.pulse if face else None), max(20, min(width - 2, 120)), 6)), style="red")
    parts: list[RenderableType] = [heading, wave, _numbers(face), state_text(measurement)]
    if len(measurement.faces) > 1:
        others = "  ".join(
            f"face {other.id + 1}: {_told('heart_rate', other.heart_rate)}" for other in measurement.faces[1:]
        )
        parts.append(Text(others, style="dim"))
    return Group(*parts)


def state_text(measurement: Measurement) -> Text:
    """Say in words how the signal is and what would help."""
    face = measurement.faces[0] if measurement.faces else None
    if face is None or (not face.events and measurement.source.get("kind") in ("video", "camera", "frames")):
        return Text("● looking for a face: sit before the camera, light on your face", style="yellow")
    if face.events and face.events[-1].kind == "lost":
        return Text("● the face was lost: come back into the picture", style="red")
    if not usable(face.heart_rate.value):
        return Text(f"● {face.heart_rate.reason}", style="yellow")
    word = quality_word(face.heart_rate.quality)
    advice = {"good": "", "fair": ": hold still", "poor": ": hold still, more light helps"}.get(word, "")
    return Text(f"● signal {word}{advice}", style=COLOURS[word])


def _numbers(face: Face | None) -> RenderableType:
    cells: list[RenderableType] = []
    table = Table.grid(padding=(0, 3, 0, 0))
    for name, style in (("heart_rate", "bold red"), ("respiratory_rate", "bold blue")):
        vital: Vital = getattr(face, name) if face is not None else Vital.none("/min", NO_FACE)
        side = Text(f"{label(name).title} /min\n", style="bold")
        side.append(f"{interval_text(name, vital)}\n", style="not bold dim")
        if usable(vital.value):
            side.append_text(quality_text(vital.quality))
        cells += [Text("\n".join(big(f"{vital.value:.0f}" if usable(vital.value) else "–")), style=style), side]
        table.add_column(no_wrap=True)
        table.add_column(min_width=20)
    table.add_row(*cells)
    return table


def _recent(pulse: Waveform | None) -> NDArray[np.float64]:
    """Return the last seconds of the pulse, right-aligned, NaN where nothing was measured."""
    if pulse is None:
        return np.full(1, np.nan)
    length = round(SHOWN_S * pulse.rate_hz)
    tail = np.where(pulse.valid, pulse.samples, np.nan)[-length:]
    return np.concatenate([np.full(length - len(tail), np.nan), tail])


def _told(name: str, vital: Vital) -> str:
    title = label(name).title.lower()
    if not usable(vital.value):
        return f"{title} – ({vital.reason})"
    inside = ", ".join(part for part in (interval_text(name, vital), quality_word(vital.quality)) if part)
    return f"{title} {value_text(name, vital)} {unit_text(vital.unit)} ({inside})"
