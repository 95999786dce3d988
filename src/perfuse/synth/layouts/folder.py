"""Folders of recordings: made in one go or in several, never half of a recording, never two plans in one folder.

``manifest.json`` lists every recording that is planned, and of those that are made how many files, how many bytes and
which SHA-256 they have. A recording is written into a hidden folder beside the others and moved into its place when
it is whole, after it has been entered into the manifest. Whatever stops a run, the next one drops what is hidden and
makes what is missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import perfuse
from perfuse.core.errors import OutputError, UsageError
from perfuse.core.workers import side_by_side
from perfuse.report.files import write_atomic
from perfuse.synth.layouts.plan import Layout, Take, digest
from perfuse.synth.layouts.work import HIDDEN, Content, content, record, sizes, strangers
from perfuse.synth.settings import check

SCHEMA = "perfuse-synth-1"
MANIFEST = "manifest.json"
ELSEWHERE = "Choose another folder, or ask for what it was made with."


@dataclass(frozen=True, slots=True)
class Made:
    """What :func:`make` did.

    Attributes
    ----------
    folder : Path
    made, kept : int
        Recordings made now, and those that were there already.
    """

    folder: Path
    made: int
    kept: int


@dataclass(slots=True)
class _Book:
    """The manifest: what is planned, and what each whole recording holds."""

    root: Path
    about: dict[str, Any]
    takes: Sequence[Take]
    marks: Sequence[str]
    done: dict[str, Content] = field(default_factory=dict)

    def save(self) -> None:
        """Put the manifest in place, in one step."""
        rows = [
            {
                "id": take.id,
                "seed": take.seed,
                "domain": take.domain,
                "asked": dict(take.asked),
                "settings": mark,
                "parts": list(take.parts),
                **(asdict(self.done[take.id]) if take.id in self.done else {"files": 0, "bytes": 0, "sha256": None}),
            }
            for take, mark in zip(self.takes, self.marks, strict=True)
        ]
        whole = None
        if len(self.done) == len(self.takes):
            whole = hashlib.sha256("".join(str(row["sha256"]) for row in rows).encode()).hexdigest()
        text = json.dumps({**self.about, "sha256": whole, "recordings": rows}, indent=1, allow_nan=False)
        write_atomic(self.root / MANIFEST, text + "\n")


def make(
    folder: str | Path,
    layout: Layout,
    takes: Sequence[Take],
    source: Mapping[str, Any],
    *,
    jobs: int = 1,
    progress: Callable[[float, float], None] | None = None,
) -> Made:
    """Make a folder of recordings, or what is missing in one.

    The same plan gives the same bytes on one machine, whatever ``jobs`` is and however often it was interrupted. More
    people of the same plan can be added to a folder; other people cannot.

    Parameters
    ----------
    folder : str or Path
        Where; it is made if there is none.
    layout : Layout
        How.
    takes : sequence of Take
        What, from :func:`perfuse.synth.layouts.plan.plan`.
    source : mapping
        What the people were drawn from, for the manifest: plain values.
    jobs : int
        Processes that work side by side, 1 to 256. A script that asks for more than one must be safe to import.
    progress : callable, optional
        Called with seconds of recordings done, and in all.

    Raises
    ------
    UsageError
        If a value is out of range.
    OutputError
        If the folder cannot be written, holds something else, or somebody else is writing to it.
    """
    check("jobs", jobs, 1, 256, whole=True)
    if len({part for take in takes for part in take.parts}) < sum(len(take.parts) for take in takes):
        raise UsageError("Two recordings were given the same name.", "Give each its own.")
    about = {"schema": SCHEMA, "perfuse": perfuse.__version__, "layout": layout.name, "source": dict(source)}
    marks = [digest(take.settings()) for take in takes]  # refuses what is out of range, before there is a folder
    root = _root(Path(folder))
    book = _Book(root, about, takes, marks)
    with _told(root), _alone(root):
        _compare(book, layout.files)
        _tidy(root)
        missing = [take for take in takes if take.id not in book.done]
        book.save()
        (root / "README.txt").write_text(layout.readme, encoding="utf-8")
        try:
            with closing(_work(root, layout, missing, jobs, progress)) as results:
                for take, content in results:
                    book.done[take.id] = content
                    book.save()
                    _place(root, take)
        finally:
            _tidy(root)
        layout.finish(root, takes)
    return Made(root, len(missing), len(takes) - len(missing))


def _work(
    root: Path,
    layout: Layout,
    takes: Sequence[Take],
    jobs: int,
    progress: Callable[[float, float], None] | None,
) -> Generator[tuple[Take, Content], None, None]:
    """Make recordings and yield each with what it holds, in any order."""
    lengths = {take.id: take.settings().duration_s for take in takes}
    total, done = sum(lengths.values()), 0.0

    def watch(time_s: float) -> None:
        if progress is not None:
            progress(done + time_s, total)

    watch(0.0)
    if jobs > 1 and len(takes) > 1:
        results = side_by_side(partial(record, root, layout), takes, jobs)
    else:
        results = ((take, record(root, layout, take, watch)) for take in takes)
    with closing(results):
        for take, content in results:
            yield take, content
            done += lengths[take.id]
            watch(0.0)


def _root(root: Path) -> Path:
    """Make the folder."""
    try:
        if root.exists() and not root.is_dir():
            raise OutputError(f"{root} is a file.", "Name a folder.")
        root.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # no permission, a file among the parents, a NUL in the name
        why = getattr(error, "strerror", None) or error
        raise OutputError(f"{root} cannot be made a folder ({why}).", "Choose another place.") from error
    return root


@contextmanager
def _told(root: Path) -> Iterator[None]:
    """Tell failures of the file system in words."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{root} cannot be written: {error.strerror or error}.", "Free some space, or choose another place."
        ) from error


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Refuse to work in a folder that another process works in (where the system can tell)."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"Another run is writing to {root}.", "Wait for it, or choose another folder."
            ) from error
        except OSError:
            pass  # some network drives have no locks
        yield
    finally:
        os.close(handle)


def _compare(book: _Book, own: str) -> None:
    """Take over what a folder holds already, or refuse the folder; ``own`` is the pattern of a recording's files."""
    path = book.root / MANIFEST
    if not path.exists():
        if strange := sorted(item.name for item in book.root.iterdir() if not item.name.startswith(".")):
            raise OutputError(f"{book.root} holds other files ({strange[0]}).", "Choose an empty or a new folder.")
        return
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
        rows = {str(row["id"]): row for row in old["recordings"]}
        known = {key: old[key] for key in book.about}
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{path} cannot be read as our manifest ({error}).", "Choose another folder.") from error
    was, wanted = _flat(known), _flat(json.loads(json.dumps(book.about)))
    for key in {**wanted, **was}:
        if was.get(key) != wanted.get(key):
            raise OutputError(
                f"{book.root} was made with {key} {was.get(key)}; {wanted.get(key)} was asked for.", ELSEWHERE
            )
    if len(rows) > len(book.takes):
        raise OutputError(
            f"{book.root} was made for {len(rows)} recordings; {len(book.takes)} were asked for.", ELSEWHERE
        )
    for take, mark, (name, row) in zip(book.takes, book.marks, rows.items(), strict=False):
        if name != take.id or row.get("settings") != mark or row.get("parts") != list(take.parts):
            raise OutputError(f"{book.root} was made with other settings ({name} differs).", ELSEWHERE)
        held = Content(row.get("files", 0), row.get("bytes", 0), row.get("sha256"))
        there = sizes(book.root, take.parts, own)
        alike = (len(there), sum(there.values())) == (held.files, held.bytes)
        if held.sha256 and alike and content(book.root, take.parts, own) == held:  # read: a copy may have holes
            book.done[name] = held
    for take in book.takes:
        # What is made takes the place of the whole folder, and a note or a picture in it would be lost.
        if take.id not in book.done and (strange := strangers(book.root, take.parts, own)):
            raise OutputError(
                f"{take.id} has to be made, but a file lies there that is not part of it: {book.root / strange[0]}.",
                "Move it to another place, or delete it.",
            )


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain values of a mapping and of those within it."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value) if isinstance(value, Mapping) else {key: value}
    return flat


def _tidy(root: Path) -> None:
    """Drop what interrupted runs left behind."""
    for item in root.glob(f"{HIDDEN}*"):
        shutil.rmtree(item, ignore_errors=True)


def _place(root: Path, take: Take) -> None:
    """Move a whole recording from its hidden folder to where it belongs."""
    hidden = root / f"{HIDDEN}{take.id}"
    for part in take.parts:
        target = root / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            shutil.rmtree(target)
        (hidden / part).replace(target)
    shutil.rmtree(hidden)
