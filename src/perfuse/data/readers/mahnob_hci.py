"""MAHNOB-HCI: people watching films and pictures, colour film at 61 frames a second, ECG and belt in a BDF."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import SourceError
from perfuse.data.folders import child, distinct, files_below, files_in, glance, missing, unknown
from perfuse.data.formats.files import WHOLE, need, read_bytes
from perfuse.data.formats.films import open_film
from perfuse.data.formats.texts import read_xml
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording, Signal

FILM, GREY, LABEL = r".*section.*\.avi", r"[ _]BW\d", r".+\.bdf"
TRIGGER_BITS = 0xFF
"""BioSemi's Status channel: the low byte holds the trigger inputs, the high bits the amplifier's state."""
ECG, BELT, TRIGGER = ("EXG2", "ECG2", "ECG"), ("Resp",), ("Status", "Trigger", "BDF Annotations")
SEX = {"m": "male", "male": "male", "f": "female", "female": "female"}


def _sessions(root: Path) -> Iterator[Path]:
    """Yield folders that hold a BDF or one of the films, once each."""
    yield from dict.fromkeys(path.parent for path in files_below(root, f"{FILM}|{LABEL}", 3))


def recognise(root: Path) -> bool:
    """Tell by ``Sessions/2/...Section_2.avi`` or a BDF there."""
    return any(True for _ in glance(root, f"{FILM}|{LABEL}", 3))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield a recording per session: the colour film; the grey ones are passed over."""
    yield from distinct(
        (item for folder in _sessions(root) for item in _session(root, folder)),
        unknown(root, READER.title, "Sessions/2/*.bdf"),
    )


def _session(root: Path, folder: Path) -> Iterator[Recording | Problem]:
    name = folder.name if folder != root else folder.resolve().name
    films = [path for path in files_in(folder, FILM) if not re.search(GREY, path.name)]
    film = next((path for path in films if re.search(r"C1|color|colour", path.name, re.I)), next(iter(films), None))
    label = next(iter(files_in(folder, LABEL)), None)
    if film is None or label is None:
        yield missing(folder / ("*.bdf" if film else "*_C1 trigger _C_Section_*.avi"), name)
        return
    about: dict[str, str | int | float] = {"session": name, "motion": "natural"}
    about["task"] = "watching films" if "emotion" in label.name.lower() else "judging tags of pictures"
    subject = re.search(r"Part_(\d+)", label.name, re.I) or re.match(r"P(\d+)", film.name, re.I)
    person = subject[1] if subject else name
    described = child(folder, "session.xml")
    if described:
        try:
            inner = read_xml(described).find("subject")
        except SourceError as error:
            yield Problem("unreadable", str(described), f"{error} The names say who it is.", name, False)
        else:
            if inner is not None:
                person = inner.get("id", person)
                sex = SEX.get(inner.get("gender", inner.get("sex", "")).lower())
                about.update({"sex": sex} if sex else {})
    yield Recording(
        dataset=READER.name,
        id=name,
        subject=f"P{person}",
        video=partial(open_film, film),
        signals=partial(references, label),
        files=tuple(path for path in (film, label, described) if path),
        about=about,
    )


def _read_bdf(path: Path) -> dict[str, tuple[float, NDArray[np.float64]]]:
    """Return ECG and belt (physical) and the trigger (digital): name to rate, Hz, and samples."""
    import pyedflib

    reader = pyedflib.EdfReader(str(path))
    try:
        labels = [str(label).strip().lower() for label in reader.getSignalLabels()]
        found = {}
        for kind, names in (("ecg", ECG), ("respiration", BELT), ("trigger", TRIGGER)):
            index = next((labels.index(name.lower()) for name in names if name.lower() in labels), None)
            if index is not None:
                samples: Any = reader.readSignal(index, digital=kind == "trigger")
                unit = str(reader.getPhysicalDimension(index)).strip()
                scale = {"uV": 1e-3, "µV": 1e-3, "V": 1e3}.get(unit, 1.0) if kind == "ecg" else 1.0
                found[kind] = (float(reader.getSampleFrequency(index)), np.asarray(samples, np.float64) * scale)
        return found
    finally:
        reader.close()


def _check_size(path: Path, raw: bytes) -> None:
    """Compare a BDF's length with what its header says: pyedflib prints its complaint where results may go.

    Raises
    ------
    ValueError
        If they differ, or the header is none.
    """
    records, signals, size = int(raw[236:244]), int(raw[252:256]), path.stat().st_size
    counts = [raw[256 + 216 * signals + 8 * i :][:8] for i in range(signals)]
    expected = 256 * (signals + 1) + 3 * records * sum(map(int, counts))
    if size != expected or raw[:8] != b"\xffBIOSEMI":
        raise ValueError(f"it has {size} bytes, its header says {expected}")


def references(path: Path) -> dict[str, Signal]:
    """Read ECG and belt; time 0 is where the trigger first rises, which is where the film begins.

    Raises
    ------
    SourceError
        If the BDF cannot be read, has no ECG or no trigger.
    MissingExtraError
        If pyedflib is not installed.
    """
    need("pyedflib", "Reading the BDF files of MAHNOB-HCI")
    header = read_bytes(path, 256 * 257)
    try:
        _check_size(path, header)
        found = _read_bdf(path)
    except Exception as error:  # pyedflib raises many kinds for damaged files
        raise SourceError(f"{path} is no whole BDF ({error}).", WHOLE) from error
    for kind, names in (("ecg", ECG), ("trigger", TRIGGER)):
        if kind not in found:
            raise SourceError(f"{path} has no {kind}.", f"Expected is a channel called {' or '.join(names)}.")
    rate, status = found.pop("trigger")
    marks = status.astype(np.int64) & TRIGGER_BITS
    starts = np.flatnonzero((marks[1:] != 0) & (marks[:-1] == 0)) + 1
    if not len(starts):
        raise SourceError(f"The trigger in {path} never rises.", "Nothing says when the film began; leave it out.")
    start_s = starts[0] / rate
    return {kind: Signal.uniform(values, hz, -start_s) for kind, (hz, values) in found.items()}


READER = Reader(
    name="mahnob-hci",
    title="MAHNOB-HCI",
    paper="Soleymani, Lichtenauer, Pun, Pantic: A multimodal database for affect recognition and implicit tagging. "
    "IEEE Transactions on Affective Computing 3(1), 2012",
    access="on signing an agreement, from the MAHNOB databases, Imperial College London",
    layout="Sessions/2/\n"
    "  P1-Rec1-2009.07.09.17.53.46_C1 trigger _C_Section_2.avi   colour, 780 x 580, 61 frames a second\n"
    "  Part_1_S_Trial1_emotion.bdf                               ECG (EXG1 to EXG3), Resp, Status; 256 Hz\n"
    "  session.xml                                               who",
    signals=("ecg", "respiration"),
    verified="documentation and public loaders only",
    recognise=recognise,
    find=find,
    notes=(
        "The ECG is EXG2, as in public loaders; other leads are not combined. The belt is Resp, in its own unit.",
        "Time 0 is the first rise of the trigger (Status, low byte); about 30 s before and after the film are kept, "
        "so the references begin before 0.",
        "The film's times are its container's. Its H.264 is hard on the pulse.",
    ),
)
