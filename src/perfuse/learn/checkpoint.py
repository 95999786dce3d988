"""Checkpoints: what a run needs to go on, written whole or not at all, read only by the recipe that wrote it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from perfuse.core.errors import OutputError, SourceError, UsageError

NAME = "last.pt"


def save(folder: Path, state: dict[str, Any], mark: str) -> None:
    """Write the state of a run.

    Raises
    ------
    OutputError
        If it cannot be written; the one before stays.
    """
    part = folder / f".{NAME}.{os.getpid()}"
    try:
        with part.open("wb") as file:
            torch.save(state | {"mark": mark}, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / NAME)
    except (OSError, RuntimeError) as error:  # torch says RuntimeError where the disk is full
        raise OutputError(
            f"{folder / NAME} cannot be written ({error}).", "Free some space; the checkpoint before is whole."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def load(folder: Path, mark: str) -> dict[str, Any] | None:
    """Read the state of a run; None where there is none yet.

    Raises
    ------
    UsageError
        If another recipe wrote it.
    SourceError
        If it is damaged.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = state.pop("mark")
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError, AttributeError) as error:
        raise SourceError(f"{path} is no whole checkpoint ({error}).", "Remove it to start anew.") from error
    if found != mark:
        raise UsageError(
            f"{path} was written by another recipe.", "Choose another folder, or remove this one to start anew."
        )
    return dict(state)
