"""NBHR: newborns in their first days, with a pulse oximeter; a contract, for its files are not public."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from perfuse.data.described.description import describe
from perfuse.data.described.find import find_any, find_described
from perfuse.data.folders import child, folders_in, holds
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording

FILE = "nbhr.yaml"
ABOUT = "about: {population: neonate, task: lying in a cot}\n"
PER_FOLDER = """
videos: "{films}"
rate_hz: 30
times: {{file: "{folder}/timestamps.*", column: -1, optional: true}}
references:
  pulse: {{file: "{folder}/ppg.*", column: 1, clock: {{column: 0}}}}
  heart_rate: {{file: "{folder}/hr.*", column: -1, missing: [0], clock: {{rate_hz: 1}}}}
  spo2: {{file: "{folder}/spo2.*", column: -1, missing: [0], clock: {{rate_hz: 1}}}}
"""
PAIRED = """
videos: "{top}/{{session}}.avi"
references:
  pulse: {{file: "PPG/{{session}}.csv", column: 1, clock: {{per: video}}}}
  heart_rate: {{file: "PPG/{{session}}.csv", column: 2, missing: [0], clock: {{per: video}}}}
  spo2: {{file: "PPG/{{session}}.csv", column: 3, missing: [0], clock: {{per: video}}}}
"""
FOLDERS = ("{subject}/{session}", "{session}")
FILMS = ("video.*", "frames/*.png")


def _folders(root: Path) -> Iterator[Path]:
    """Yield folders, up to two levels down, that hold a film or frames beside ``ppg.*``."""
    for folder in folders_in(root):
        for place in (folder, *folders_in(folder)):
            if holds(place, r"ppg(\..*)?") and (child(place, "frames") or holds(place, r"video(\..*)?")):
                yield place


def _paired(root: Path) -> bool:
    names = {path.name.lower() for path in folders_in(root)}
    return {"ppg", "video"} <= names


def recognise(root: Path) -> bool:
    """Tell by ``nbhr.yaml``, by a folder with ``ppg.*`` beside its film, or by ``video`` beside ``PPG``."""
    if (root / "perfuse.yaml").exists() or (root / "nicu.yaml").exists():
        return False
    return (root / FILE).is_file() or _paired(root) or any(True for _ in _folders(root))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield a recording per folder of a film, as ``nbhr.yaml`` or the contract says."""
    if (root / FILE).is_file():
        yield from find_described(READER.name, root, root / FILE)
        return
    texts = [PER_FOLDER.format(films=f"{folder}/{films}", folder=folder) for folder in FOLDERS for films in FILMS]
    if _paired(root):
        tops = [path.name for path in folders_in(root) if path.name.lower() == "video"]
        texts = [PAIRED.format(top=top) for top in tops]
    yield from find_any(READER.name, root, [describe(text + ABOUT, READER.name) for text in texts])


READER = Reader(
    name="nbhr",
    title="NBHR (newborns)",
    paper="Huang, Chen, Lin, Juang, Xing, Wang, Wang: A neonatal dataset and benchmark for non-contact neonatal "
    "heart rate monitoring based on spatio-temporal neural networks. Eng. Applications of AI 106, 104447, 2021",
    access="on signing an agreement, from the authors",
    layout="SUBJECT/SESSION/        or SESSION/\n"
    "  video.avi             or frames/*.png (30 a second, unless timestamps.csv has s in its last column)\n"
    "  ppg.csv               time (s), value; also txt, npy\n"
    "  hr.csv spo2.csv       last column, one row a second; 0 is none\n"
    "or video/NAME.avi beside PPG/NAME.csv (columns 1 to 3: wave, rate, saturation, spread over the film)\n"
    "or as nbhr.yaml says (keys as in perfuse.yaml)",
    signals=("pulse", "heart_rate", "spo2"),
    verified="a contract only: the files of NBHR are not documented publicly; the pair of folders follows one loader",
    recognise=recognise,
    find=find,
    notes=(
        "Newborns: pulse 90 to 220, breathing 25 to 90 a minute. Bands for adults fold them silently.",
        "257 newborns made 1130 films. Where folders do not say who it is, a split by subject may leak: say it in "
        "nbhr.yaml, with {subject} in videos.",
        "There is no respiratory reference.",
    ),
)
