"""Radar recordings as files by themselves, whatever data set they come from."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from os import PathLike, fspath
from pathlib import Path

from perfuse.core.errors import SourceError
from perfuse.radar.record import RadarRecord

READ = {
    ".pkl": ("perfuse.data.formats.capture", "read_capture"),
    ".npz": ("perfuse.data.readers.native", "read_radar"),
    ".mat": ("perfuse.data.readers.physdrive", "read_radar"),
}
"""By the end of the name: EquiPleth's packets, chirps as `perfuse synth` writes them, PhysDrive's cubes; and where
the function is that reads each, loaded when the first is met."""


def is_radar(path: str | PathLike[str]) -> bool:
    """Tell by the end of its name whether a file is a radar's recording; an address never is."""
    text = fspath(path)
    return "://" not in text and Path(text).suffix.lower() in READ


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
    if not is_radar(place):
        raise SourceError(f"{place} is no radar recording.", f"Known are files that end in {', '.join(READ)}.")
    if not os.path.isfile(place):  # noqa: PTH113 - unlike Path.is_file, says no to a name that is too long
        what = "is a directory" if os.path.isdir(place) else "is not there"  # noqa: PTH112
        raise SourceError(f"{place} {what}.", "Check the path.")
    module, name = READ[place.suffix.lower()]
    read: Callable[[Path], RadarRecord] = getattr(import_module(module), name)
    return replace(read(place), name=place.name)
