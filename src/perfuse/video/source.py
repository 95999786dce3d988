"""The one door for recordings: files, addresses, cameras and colour traces."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

from perfuse.core.errors import SourceError, UsageError
from perfuse.video.container import open_container
from perfuse.video.decode import Address
from perfuse.video.stream import FrameStream, check_rate
from perfuse.video.trace import SUFFIXES, TraceStream, read_trace

_CAMERAS = {"linux": ("v4l2", "/dev/video0"), "darwin": ("avfoundation", "0"), "win32": ("dshow", "")}
"""By ``sys.platform``: libavdevice's input and its usual first device."""

PICTURES = "Pictures of one recording must be made a video, or be passed as an array in Python."


def open_source(path_or_url: str | os.PathLike[str], *, rate_hz: float | None = None) -> FrameStream | TraceStream:
    """Open a recording, a stream or a camera.

    Parameters
    ----------
    path_or_url : str or path
        A video or picture file; a ``.csv`` or ``.tsv`` trace (see :func:`read_trace`); an address with ``://``;
        ``camera``, ``camera:DEVICE`` or ``/dev/videoN``.
    rate_hz : float, optional
        Frames per second of material that carries no timestamps (raw ``.h264``, a trace without a time column).
        Material that does carry them ignores it, with a warning.

    Returns
    -------
    FrameStream or TraceStream
        To be used in a ``with`` statement.

    Raises
    ------
    SourceError
        If it is missing, a directory, unreadable, empty or no video, holds no picture, or carries no timestamps
        while ``rate_hz`` is not given.
    UsageError
        If ``rate_hz`` is no rate, or the source is no path.
    """
    rate = check_rate(rate_hz)
    if not isinstance(path_or_url, str | os.PathLike):
        raise UsageError(
            f"A source of type {type(path_or_url).__name__} was given.",
            "Give a path, an address, or 'camera'; perfuse.measure takes an array, too: np.stack(pictures).",
        )
    text = os.fspath(path_or_url)
    if text == "camera" or text.startswith(("camera:", "/dev/video")):
        return open_container(_camera(text.removeprefix("camera").removeprefix(":")), rate)
    if "://" in text:
        name = re.sub(r"://[^/?#]*@", "://", text)  # a password belongs in no answer
        return open_container(Address(text, name, timeout_s=(20.0, 30.0), again=False), rate)
    if not text:
        raise SourceError("The path that was given is empty.", "Give the path of a recording.")
    path = Path(text)
    check_readable(path)
    if path.suffix.lower() in SUFFIXES:
        return TraceStream(read_trace(path, rate_hz=rate))
    # "file:" keeps a colon in a name from being read as a protocol; the whitelist keeps playlists from fetching.
    return open_container(Address(f"file:{path}", path.name, options={"protocol_whitelist": "file"}), rate)


def check_readable(path: Path) -> None:
    """Raise SourceError unless ``path`` is a file with something in it that this user may read."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise SourceError(f"{path} is a directory.", f"Give one file in it. {PICTURES}")
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):  # read once, and a first look takes from it
            raise SourceError(f"{path} is a pipe.", "Save the recording to a file and give that.")
        with path.open("rb") as file:
            start = file.read(1)
    except FileNotFoundError as error:
        pattern = path.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp") and set("*?%") & set(path.name)
        raise SourceError(f"There is no file {path}.", PICTURES if pattern else "Check the path.") from error
    except PermissionError as error:
        raise SourceError(f"{path} may not be read by this user.", "Change its permissions.") from error
    except (OSError, ValueError) as error:
        raise SourceError(f"{str(path)!r} cannot be opened ({error}).", "Check the path.") from error
    if not start:
        raise SourceError(f"{path} is empty.", "Check that it was copied or downloaded completely.")


def _camera(device: str) -> Address:
    """Return where this platform keeps its cameras."""
    format_name, usual = _CAMERAS.get(sys.platform, _CAMERAS["linux"])
    device = device or usual or _first_camera(format_name)
    url = f"video={device}" if format_name == "dshow" else device
    # AVFoundation refuses its own default of 29.97.
    options = {"framerate": "30"} if format_name == "avfoundation" else {}
    return Address(url, device, "camera", format_name, options, again=False)


def _first_camera(format_name: str) -> str:
    """Return the first camera of a platform that has no usual name for it."""
    import av

    try:
        for found in av.enumerate_input_devices(format_name):
            if "video" in found.media_types:
                return str(found.name)
    except (av.FFmpegError, AttributeError, OSError, ValueError):
        pass
    raise SourceError("No camera was found.", "Name it: camera:DEVICE.")
