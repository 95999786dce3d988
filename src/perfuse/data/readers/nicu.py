"""Films of a neonatal ward beside a monitor's table: a contract for private recordings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from perfuse.data.described.description import describe
from perfuse.data.described.find import find_any, find_described
from perfuse.data.folders import glance
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording

FILE = "nicu.yaml"
CONTRACT = """
videos: "{films}"
rate_hz: 30
times: {{file: "{folder}/timestamps.*", column: -1, optional: true}}
references:
  heart_rate: {{file: "{folder}/monitor.csv", column: ecg_hr, missing: [0, -1],
               clock: {{column: time_s, offset_column: offset_s, optional: true}}}}
  respiratory_rate: {{file: "{folder}/monitor.csv", column: rr, missing: [0, -1],
                     clock: {{column: time_s, offset_column: offset_s, optional: true}}}}
exclusions:
  - {{file: "{folder}/exclusions.csv", optional: true}}
about: {{population: neonate, task: lying in an incubator}}
"""
FOLDERS = ("{subject}/{session}", "{subject}")
FILMS = ("video.*", "frames/*.png")


def recognise(root: Path) -> bool:
    """Tell by ``nicu.yaml``, or by ``monitor.csv`` one or two folders down."""
    if (root / "perfuse.yaml").exists():
        return False
    return (root / FILE).is_file() or any(True for _ in glance(root, r"monitor\.csv", 3))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield a recording per film, as ``nicu.yaml`` or the contract says."""
    if (root / FILE).is_file():
        yield from find_described(READER.name, root, root / FILE)
        return
    texts = [CONTRACT.format(films=f"{folder}/{films}", folder=folder) for folder in FOLDERS for films in FILMS]
    yield from find_any(READER.name, root, [describe(text, READER.name) for text in texts])


READER = Reader(
    name="nicu",
    title="Neonatal ward (contract)",
    paper="none: a contract for private recordings of preterm infants",
    access="yours; no such set is public",
    layout="SUBJECT/SESSION/          or SUBJECT/\n"
    "  video.mp4               or frames/*.png (30 a second, unless timestamps.csv has s in its last column)\n"
    "  monitor.csv             time_s, ecg_hr, rr (impedance), once a second; offset_s: is added to time_s\n"
    "  exclusions.csv          from_s, to_s (on the film's clock), reason: care, phototherapy, ...\n"
    "or as nicu.yaml says (keys as in perfuse.yaml)",
    signals=("heart_rate", "respiratory_rate"),
    verified="a contract only: written by us, tried on folders we made",
    recognise=recognise,
    find=find,
    notes=(
        "Values within an exclusion are NaN; so are 0 and -1.",
        "Preterm infants breathe in bouts: a mean respiratory rate hides apnoea.",
        "Impedance counts the heart's beats as breaths when breathing is shallow.",
    ),
)
