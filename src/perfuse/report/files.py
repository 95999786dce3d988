"""Writing files so that a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import os
from pathlib import Path

from perfuse.core.errors import OutputError


def check_writable(path: str | os.PathLike[str]) -> None:
    """Make sure that ``path`` can be written, without changing it: before the long work, not after.

    Raises
    ------
    OutputError
        If it is a folder, or its folder is missing or does not let us create files.
    """
    target = _target(path)
    if _is_special(target):
        return
    probe = _beside(target)
    try:
        probe.open("xb").close()
    except OSError as error:
        raise _refused(target, error) from error
    probe.unlink(missing_ok=True)


def write_atomic(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write ``content`` (text as UTF-8) to a temporary file beside ``path`` and put it in place in one step.

    Links are followed; pipes and devices such as ``/dev/stdout`` are written directly.

    Raises
    ------
    OutputError
        If that is impossible; an existing file is then unchanged.
    """
    target = _target(path)
    data = content.encode() if isinstance(content, str) else content
    special = _is_special(target)
    place = target if special else _beside(target)
    try:
        with place.open("wb" if special else "xb") as file:
            file.write(data)
        if not special:
            place.replace(target)
    except OSError as error:
        raise _refused(target, error) from error
    finally:
        if not special:
            place.unlink(missing_ok=True)


def _target(path: str | os.PathLike[str]) -> Path:
    target = Path(path)
    try:
        if _is_special(target):  # before following links: /dev/stdout leads to a pipe without a name
            return target
        target = target.resolve()
        if target.is_dir():
            raise OutputError(f"{path} is a folder.", "Name a file.")
        if not target.parent.is_dir():
            if any(folder.is_file() for folder in target.parents):
                raise OutputError(f"A part of {path} is a file, not a folder.", "Choose another place.")
            raise OutputError(f"The folder of {path} does not exist.", f"Create it: mkdir -p {target.parent}")
    except (OSError, RuntimeError, ValueError) as error:  # endless links, names too long, a NUL in the name
        raise OutputError(f"{path!s} cannot be written: {error}.", "Choose another name.") from error
    return target


def _beside(target: Path) -> Path:
    return target.with_name(f".perfuse-{os.getpid()}-{target.name}"[:200] + ".part")


def _is_special(target: Path) -> bool:
    return target.exists() and not target.is_file() and not target.is_dir()


def _refused(target: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{target} cannot be written: {error.strerror or error}.", "Choose another place or check its permissions."
    )
