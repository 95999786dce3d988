"""UBFC-Phys: three tasks of a stress protocol, filmed at 35 frames a second, with a wristband's pulse and skin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from perfuse.data.folders import child, files_in, folders_in, holds, homes, missing, natural, unknown
from perfuse.data.formats.films import open_film
from perfuse.data.formats.tables import read_numbers
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording, Signal

PULSE_HZ, SKIN_HZ, FRAME_HZ = 64.0, 4.0, 35.0
TASKS = {"t1": "rest", "t2": "speech", "t3": "arithmetic"}
FILE = r"(?:vid_(s\d+_t\d+)\.avi|bvp_(s\d+_t\d+)\.csv)"


def _subjects(root: Path) -> list[Path]:
    return folders_in(root, r"s\d+")


def _is_home(root: Path) -> bool:
    return any(holds(folder, FILE) for folder in _subjects(root))


def recognise(root: Path) -> bool:
    """Tell by ``sN/vid_sN_Tk.avi`` or ``sN/bvp_sN_Tk.csv``."""
    return bool(homes(root, _is_home))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield one recording per subject and task that has any file."""
    places = homes(root, _is_home)
    if not places:
        yield unknown(root, READER.title, "sN/vid_sN_Tk.avi and sN/bvp_sN_Tk.csv")
    for home, prefix in places:
        for folder in _subjects(home):
            for take in _takes(folder):
                film, label = child(folder, f"vid_{take}.avi"), child(folder, f"bvp_{take}.csv")
                if film is None:
                    yield missing(folder / f"vid_{take}.avi", take)
                if label is None:
                    yield missing(folder / f"bvp_{take}.csv", take)
                if film is None or label is None:
                    continue
                skin = child(folder, f"eda_{take}.csv")
                task = take.rpartition("_")[2].lower()
                yield Recording(
                    dataset=READER.name,
                    id=prefix + take,
                    subject=folder.name.lower(),
                    video=partial(open_film, film),
                    signals=partial(references, label, skin),
                    files=(film, label, *([skin] if skin else [])),
                    about={"task": TASKS.get(task, task), "rate_hz": FRAME_HZ},
                )


def _takes(folder: Path) -> list[str]:
    """Return ``sN_Tk`` of every video and every wave of a subject."""
    found: dict[str, str] = {}
    for path in files_in(folder, FILE):
        match = re.fullmatch(FILE, path.name, re.IGNORECASE)
        if match:
            name = match[1] or match[2]
            found[name.lower()] = f"{name.lower().partition('_')[0]}_T{name.lower().rpartition('_t')[2]}"
    return sorted(found.values(), key=natural)


def references(path: Path, skin: Path | None) -> dict[str, Signal]:
    """Read the wristband's pulse (64 a second) and, if it is there, skin conductance (4 a second).

    Raises
    ------
    SourceError
        If one of them cannot be read.
    """
    signals = {"pulse": Signal.uniform(read_numbers(path)[:, 0], PULSE_HZ)}
    if skin is not None:
        signals["skin_conductance"] = Signal.uniform(read_numbers(skin)[:, 0], SKIN_HZ)
    return signals


READER = Reader(
    name="ubfc-phys",
    title="UBFC-Phys",
    paper="Meziati Sabour, Benezeth, De Oliveira, Chappé, Yang: UBFC-Phys: a multimodal database for "
    "psychophysiological studies of social stress. IEEE Transactions on Affective Computing, 2021",
    access="free for research; from the authors' page",
    layout="sN/vid_sN_Tk.avi      1024 x 1024, 35 frames a second, Motion JPEG; T1 rest, T2 speech, T3 arithmetic\n"
    "sN/bvp_sN_Tk.csv      pulse wave of an Empatica E4, 64 a second, one column without a name\n"
    "sN/eda_sN_Tk.csv      skin conductance, 4 a second (may be absent)",
    signals=("pulse", "skin_conductance"),
    verified="public loaders; miniature copies in the tests. No original file was seen",
    recognise=recognise,
    find=find,
    notes=(
        "Video and wristband are taken to start together; rates of the wristband are nominal, as no times are given.",
        "The data set's authors leave many takes out of their pulse evaluation, and the rPPG-Toolbox follows their "
        "list. It is not repeated here: `perfuse data check` looks at the waves themselves.",
    ),
)
