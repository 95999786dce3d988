"""Where cached views lie, and under which names: the key says everything that decides what is in them."""

from __future__ import annotations

import hashlib
import os
import re
from functools import cache
from pathlib import Path

from perfuse.core.view import View
from perfuse.data.dataset import fingerprint
from perfuse.data.recording import Recording

FORMAT = 1
_ROOMS = (
    *("core/frame.py", "core/view.py", "video", "face", "clip", "infer", "signal/motion.py", "pipeline/faces.py"),
    *("data/formats", "data/readers", "data/clocks.py", "data/prepare.py", "radar"),
)
"""What decides the samples of a view, and the references and the radar beside it; any change in there makes new
entries."""


def default_cache() -> Path:
    """Return ``$PERFUSE_CACHE``, or ``perfuse/views`` in the user's cache folder."""
    if place := os.environ.get("PERFUSE_CACHE"):
        return Path(place)
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(home) / "perfuse" / "views"


@cache
def code_state() -> str:
    """Hash of the source that turns frames into samples and files into references, face detector included."""
    import perfuse

    root, mark = Path(perfuse.__file__).parent, hashlib.blake2b(digest_size=8)
    for room in _ROOMS:
        place = root / room
        files = sorted(f for f in place.iterdir() if f.suffix in (".py", ".onnx")) if place.is_dir() else [place]
        for file in files:
            mark.update(file.name.encode() + file.read_bytes())
    return mark.hexdigest()


def key(recording: Recording, view: View) -> str:
    """Return what an entry is called after: sources, view, settings of face and clip, format.

    Raises
    ------
    SourceError
        If a file of the recording cannot be read.
    """
    words = (FORMAT, code_state(), repr(view), recording.cropped, recording.subject, sorted(recording.about.items()))
    mark = hashlib.blake2b(repr(words).encode(), digest_size=10)
    mark.update(fingerprint(recording.files).encode())
    return mark.hexdigest()


def entry_path(folder: Path, recording: Recording, view: View) -> Path:
    """Return where the entry of a recording and view lies, or would.

    Raises
    ------
    SourceError
        If a file of the recording cannot be read.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", recording.id).strip("._")[:80]
    return folder / recording.dataset / f"{name}-{key(recording, view)}.safetensors"
