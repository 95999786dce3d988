"""The run's log: a line of JSON per step that was told, cut back to the checkpoint when a run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from perfuse.core.errors import MissingExtraError, OutputError

NAME = "metrics.jsonl"


class Journal:
    """Appends lines; a run that goes on from step ``step`` forgets what came later.

    Parameters
    ----------
    folder : Path
        Of the run.
    step : int
        Steps done.
    writer : type, optional
        What writes the numbers as TensorBoard's events as well: :func:`events_writer`.
    """

    def __init__(self, folder: Path, step: int, writer: Any = None) -> None:
        self.path = folder / NAME
        self.events = writer and writer(str(folder), purge_step=step + 1)
        lines = read(folder)
        kept = [line for line in lines if line.get("step", 0) <= step]
        try:
            self.path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be written ({error.strerror}).", "Choose another folder."
            ) from error

    def add(self, **values: Any) -> None:
        """Write one line."""
        told = {k: round(v, 6) if isinstance(v, float) else v for k, v in values.items()}
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(told) + "\n")
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written ({error.strerror}).", "Free some space.") from error
        if self.events:
            for name, value in told.items():
                if name != "step":
                    self.events.add_scalar(name, value, told["step"])
            self.events.flush()


def events_writer() -> Any:
    """Return the class that writes TensorBoard's events.

    Raises
    ------
    MissingExtraError
        If TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError(
            "--tensorboard needs TensorBoard, not installed here.", "pip install tensorboard"
        ) from error
    return SummaryWriter


def read(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a run; a last line that was cut off is left out."""
    path = folder / NAME
    if not path.exists():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines
