"""Miniature copies of data sets, laid out as their documentation says: a writer for the name of every reader.

Each fills an empty folder and returns what a reader has to find in it. People are numbered with gaps, and file
managers have left their litter.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reader_scenes import agreed, classic, opened, simulated
from reader_scenes.making import Scene

SCENES: dict[str, Callable[[Path], Scene]] = {
    "perfuse": simulated.native,
    "ubfc-rppg": classic.ubfc_rppg,
    "ubfc-rppg-1": classic.ubfc_rppg_1,
    "ubfc-phys": classic.ubfc_phys,
    "pure": classic.pure,
    "cohface": classic.cohface,
    "mmpd": classic.mmpd,
    "scamps": classic.scamps,
    "bp4d": classic.bp4d,
    "ibvp": classic.ibvp,
    "equipleth": simulated.equipleth,
    "physdrive": agreed.physdrive,
    "vipl-hr": agreed.vipl_hr,
    "v4v": agreed.v4v,
    "buaa-mihr": agreed.buaa_mihr,
    "lgi-ppgi": agreed.lgi_ppgi,
    "mahnob-hci": agreed.mahnob_hci,
    "ecg-fitness": agreed.ecg_fitness,
    "rlap": agreed.rlap,
    "nbhr": opened.nbhr,
    "nicu": opened.nicu,
    "vitallens": opened.vitallens,
    "welltory": opened.welltory,
    "oximetry": opened.oximetry,
    "folder": opened.folder,
}
"""By the name of the reader."""
