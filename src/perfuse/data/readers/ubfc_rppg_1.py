"""UBFC-rPPG, set 1 (DATASET_1): raw AVI and a table of an oximeter under the name of an XMP."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from perfuse.core.errors import SourceError
from perfuse.data.clocks import on_clock, shown
from perfuse.data.folders import child, files_in, folders_in, holds, homes, missing, unknown
from perfuse.data.formats.films import open_film
from perfuse.data.formats.tables import read_numbers
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording, Signal

LABEL, FILM = "gtdump.xmp", r"vid.*\.avi"
FOLDER = r".+-gt|after-exercise"
MANY = 20
"""More folders than the set has."""


def _is_home(root: Path) -> bool:
    named = folders_in(root, FOLDER)
    return any(child(path, LABEL) for path in folders_in(root)[:MANY]) or any(holds(path, FILM) for path in named)


def recognise(root: Path) -> bool:
    """Tell by ``N-gt/gtdump.xmp``."""
    return bool(homes(root, _is_home))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield one recording per folder."""
    places = homes(root, _is_home)
    if not places:
        yield unknown(root, READER.title, f"N-gt/vid.avi and N-gt/{LABEL}")
    for home, prefix in places:
        named = set(folders_in(home, FOLDER))
        for folder in folders_in(home):
            label, films = child(folder, LABEL), files_in(folder, FILM)
            if label is None and folder not in named:
                continue
            if label is None:
                yield missing(folder / LABEL, folder.name)
            if not films:
                yield missing(folder / "vid.avi", folder.name)
            if len(films) > 1:
                names = ", ".join(film.name for film in films)
                yield Problem("layout", str(folder), f"{folder} has several videos ({names}); one was expected.")
            if label is not None and len(films) == 1:
                tired = folder.name.lower() == "after-exercise"
                yield Recording(
                    dataset=READER.name,
                    id=prefix + folder.name,
                    subject=folder.name.lower().removesuffix("-gt"),
                    video=partial(open_film, films[0]),
                    signals=partial(references, label),
                    files=(films[0], label),
                    about={"task": "sitting still", "exercise": "yes" if tired else "no"},
                )


def references(path: Path) -> dict[str, Signal]:
    """Read time (ms), heart rate, oxygen saturation and wave (four columns without names).

    Raises
    ------
    SourceError
        If there are fewer columns, or the times go back.
    """
    table = read_numbers(path)
    if table.shape[1] < 4:
        raise SourceError(
            f"{path} has {table.shape[1]} columns.",
            "Expected are four: time (ms), heart rate, oxygen saturation, pulse wave.",
        )
    columns = {"pulse": table[:, 3], "heart_rate": shown(table[:, 1]), "spo2": shown(table[:, 2])}
    return on_clock(table[:, 0] / 1000.0, columns, path)


READER = Reader(
    name="ubfc-rppg-1",
    title="UBFC-rPPG, set 1",
    paper="Bobbia, Macwan, Benezeth, Mansouri, Dubois: Unsupervised skin tissue segmentation for remote "
    "photoplethysmography. Pattern Recognition Letters 124, 2019",
    access="free for research; from the authors' page",
    layout="N-gt/vid.avi          640 x 480, about 29 frames a second, raw (also vid-NN.avi)\n"
    "N-gt/gtdump.xmp       columns: time (ms), heart rate (/min), SpO2 (%), pulse wave; about 62 rows a second\n"
    "after-exercise/       the same",
    signals=("pulse", "heart_rate", "spo2"),
    verified="the authors' note on the files and public loaders; miniature copies in the tests. No original file "
    "was seen",
    recognise=recognise,
    find=find,
    notes=(
        "References stand on the first column's clock, whose 0 is taken for the first frame.",
        "A heart rate or a saturation of 0 is taken for no reading.",
        "Whoever was filmed in after-exercise may be in another folder as well (one public loader says: person 10), "
        "but the files do not say so; keep the set on one side of a split.",
    ),
)
