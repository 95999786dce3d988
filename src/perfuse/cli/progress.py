"""A bar on stderr for what takes long; nothing at all in a log or a pipe."""

from __future__ import annotations

import time

from rich import progress as bars
from rich.console import Console
from rich.markup import escape
from rich.text import Text

PATIENCE_S = 1.0
"""The bar appears after this long."""


class Progress:
    """Callable with (done, in all or None), seconds mostly; used in a ``with`` statement.

    Parameters
    ----------
    name : str
        What is being worked on.
    show : bool
        False for never; it is never shown where stderr is no terminal either.
    unit : str
        What is counted.
    """

    def __init__(self, name: str, *, show: bool = True, unit: str = "s") -> None:
        console = Console(stderr=True)
        columns = bars.TextColumn("{task.description}"), bars.BarColumn(), bars.TextColumn("{task.fields[at]}")
        self._bar = bars.Progress(*columns, _Left(), console=console, transient=True, refresh_per_second=8)
        self._task = self._bar.add_task(escape(name), total=None, at="")
        self._unit = unit
        self._show, self._wanted = show, show and console.is_terminal
        self._begun = time.monotonic()
        self.shown = False

    def __enter__(self) -> Progress:
        return self

    def __call__(self, done_s: float, total_s: float | None, name: str | None = None) -> None:
        """Say how far the work is, and what it is where that changes."""
        if self._wanted and not self.shown and time.monotonic() - self._begun > PATIENCE_S:
            self.shown = True
            self._bar.start()
        if self.shown:
            at = f"{done_s:.0f} {self._unit}" if total_s is None else f"{done_s:.0f} of {total_s:.0f} {self._unit}"
            told = None if name is None else escape(name)
            self._bar.update(self._task, total=total_s, completed=done_s, at=at, description=told)

    def note(self, text: str) -> None:
        """Print a line above the bar, on stderr; not where nothing was to be shown."""
        if self._show:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def __exit__(self, *_: object) -> None:
        if self.shown:
            self._bar.stop()


class _Left(bars.ProgressColumn):
    """Time left, where it can be told."""

    def render(self, task: bars.Task) -> Text:
        left = task.time_remaining
        if left is None or task.finished:
            return Text("")
        minutes, seconds = divmod(round(left), 60)
        return Text(
            f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d} left"
            if minutes >= 60
            else f"{minutes}:{seconds:02d} left"
        )
