"""Radar recordings as files by themselves, whatever data set they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path

from perfuse.core.errors import SourceError
from perfuse.data.formats.capture import read_capture
from perfuse.data.readers.native import read_radar as read_native
from perfuse.data.readers.physdrive import read_radar as read_cube
from perfuse.radar.record import RadarRecord

READ: dict[str, Callable[[Path], RadarRecord]] = {".pkl": read_capture, ".npz": read_native, ".mat": read_cube}
"""By the end of the name: EquiPleth's packets, chirps as `perfuse synth` writes them, PhysDrive's cubes."""


def open_radar(path: str | PathLike[str]) -> RadarRecord:
    """Read a radar recording: ``rf.pkl`` (EquiPleth), ``radar.npz`` (`perfuse synth`) or ``mmwave.mat`` (PhysDrive).

    Pickles are read without running them.

    Raises
    ------
    SourceError
        If it is missing, damaged, or no radar recording.
    MissingExtraError
        If it is a MATLAB file of version 7.3 and h5py is not installed.
    """
    place = Path(fspath(path))
    read = READ.get(place.suffix.lower())
    if read is None:
        raise SourceError(f"{place} is no radar recording.", f"Known are files that end in {', '.join(READ)}.")
    if not place.is_file():
        what = "is a directory" if place.is_dir() else "is not there"
        raise SourceError(f"{place} {what}.", "Check the path.")
    return replace(read(place), name=place.name)
