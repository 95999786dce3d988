"""Every reader by name; a module is imported when its reader is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from perfuse.core.errors import one_of
from perfuse.data.reader import Reader

MODULES = {
    "perfuse": "native",
    "ubfc-rppg": "ubfc_rppg",
    "ubfc-rppg-1": "ubfc_rppg_1",
    "ubfc-phys": "ubfc_phys",
    "pure": "pure",
    "cohface": "cohface",
    "mmpd": "mmpd",
    "scamps": "scamps",
    "bp4d": "bp4d",
    "ibvp": "ibvp",
    "equipleth": "equipleth",
    "physdrive": "physdrive",
    "vipl-hr": "vipl_hr",
    "v4v": "v4v",
    "buaa-mihr": "buaa_mihr",
    "lgi-ppgi": "lgi_ppgi",
    "mahnob-hci": "mahnob_hci",
    "ecg-fitness": "ecg_fitness",
    "rlap": "rlap",
    "nbhr": "nbhr",
    "nicu": "nicu",
    "vitallens": "vitallens",
    "welltory": "welltory",
    "oximetry": "oximetry",
    "folder": "folder",
}
"""Name to module; ``folder`` is last: it is for everything that has no reader of its own."""


def get_reader(name: str) -> Reader:
    """Return the reader of a data set.

    Raises
    ------
    UsageError
        If there is none of that name; the message lists the names.
    """
    one_of("reader called", name, MODULES)
    return cast(Reader, import_module(f"perfuse.data.readers.{MODULES[name]}").READER)
