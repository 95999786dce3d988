"""MMPD and mini-MMPD: phone videos under four lights and four motions, each a MATLAB file with its labels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from perfuse.core.errors import SourceError
from perfuse.data.folders import files_in, folders_in, holds, homes, unknown
from perfuse.data.formats.array_video import open_video
from perfuse.data.formats.matlab import outline, read_mat, series, text
from perfuse.data.formats.texts import number
from perfuse.data.reader import Reader
from perfuse.data.recording import Problem, Recording, Signal

RATE_HZ = 30.0
FILE = r"p(\d+)_(\d+)\.mat"
NAMES = ("light", "motion", "exercise", "skin_color", "gender", "glasser", "hair_cover", "makeup")
"""Labels in each file."""

LIGHTS = ("LED-low", "LED-high", "Incandescent", "Nature")
MOTIONS = ("Stationary", "Stationary (after exercise)", "Rotation", "Talking", "Walking", "Watching Videos")
ANSWERS = {"true": "yes", "1": "yes", "yes": "yes", "false": "no", "0": "no", "no": "no"}
VIDEO, PULSE = "video", "GT_ppg"


def _files(root: Path) -> list[Path]:
    """Return the files of every subject: in ``subjectN``, or all in one folder."""
    return [path for folder in (*folders_in(root, r"subject[ _-]?\d+"), root) for path in files_in(folder, FILE)]


def _is_home(root: Path) -> bool:
    inside = (*folders_in(root, r"subject[ _-]?\d+")[:3], root)
    return any(holds(folder, FILE) for folder in inside)


def recognise(root: Path) -> bool:
    """Tell by ``subjectN/pN_k.mat``."""
    return bool(homes(root, _is_home))


def find(root: Path) -> Iterator[Recording | Problem]:
    """Yield one recording per file; labels are read, videos are not."""
    places = homes(root, _is_home)
    if not places:
        yield unknown(root, READER.title, "subjectN/pN_k.mat")
    for home, prefix in places:
        for path in _files(home):
            match = re.fullmatch(FILE, path.name, re.IGNORECASE)
            person = match[1] if match else ""
            name = f"{prefix}{path.stem}"
            try:
                about, wrong = conditions(path)
            except SourceError as error:
                yield Problem("unreadable", str(path), str(error))
                continue
            folder = re.search(r"\d+$", path.parent.name) if path.parent != home else None
            if folder and int(folder[0]) != int(person):
                message = f"{path} lies in the folder of subject {int(folder[0])}; its name counts."
                yield Problem("layout", str(path), message, name, dropped=False)
            for message in wrong:
                yield Problem("layout", str(path), message, name, dropped=False)
            yield Recording(
                dataset=READER.name,
                id=name,
                subject=f"p{int(person)}",
                video=partial(open_video, path, [VIDEO], RATE_HZ),
                signals=partial(references, path),
                files=(path,),
                about=about,
            )


def conditions(path: Path) -> tuple[dict[str, str | int | float], list[str]]:
    """Return what a file says of the recording, and what of that is not as documented.

    Raises
    ------
    SourceError
        If the file cannot be read, or has no label at all.
    """
    found = {name: text(value) for name, value in read_mat(path, NAMES).items()}
    if not found:
        raise SourceError(f"{path} has none of {', '.join(NAMES)}.", "Check that it was copied completely.")
    light, motion = found.get("light", ""), found.get("motion", "")
    tone = number(found.get("skin_color", ""))
    said: dict[str, str | int | float] = {
        "light": next((name for name in LIGHTS if name.lower() == light.lower()), ""),
        "motion": next((name for name in MOTIONS if name.lower() == motion.lower()), ""),
        "exercise": ANSWERS.get(found.get("exercise", "").lower(), ""),
        "skin_tone": int(tone) if tone in (1, 2, 3, 4, 5, 6) else "",
        "sex": found.get("gender", "").lower() if found.get("gender", "").lower() in ("male", "female") else "",
        "glasses": ANSWERS.get(found.get("glasser", "").lower(), ""),
        "hair_cover": ANSWERS.get(found.get("hair_cover", "").lower(), ""),
        "make_up": ANSWERS.get(found.get("makeup", "").lower(), ""),
    }
    wrong = [
        f"{name} in {path} is {found.get(name, '')!r}, which is not documented; it is left out."
        for name, value in zip(NAMES, said.values())
        if value == ""
    ]
    if said["motion"] == "Watching Videos":  # a wrong label of the first release, says the rPPG-Toolbox
        said["motion"] = "Walking"
    if said["motion"] == MOTIONS[1]:
        said["motion"] = MOTIONS[0]
    return {name: value for name, value in said.items() if value != ""} | {"rate_hz": RATE_HZ}, wrong


def references(path: Path) -> dict[str, Signal]:
    """Read the pulse, of which there is one sample a frame.

    Raises
    ------
    SourceError
        If the file cannot be read, has no pulse, or far more samples than frames.
    """
    wave = series(read_mat(path, [PULSE]).get(PULSE), path, PULSE)
    found = outline(path)
    frames = found[VIDEO].shape if VIDEO in found else (0,)
    count = frames[0] if len(frames) == 4 and frames[0] != 3 else frames[-1]
    if count and len(wave) > 1.5 * count:
        raise SourceError(
            f"{path} has {len(wave)} samples of {PULSE} for {count} frames.", "Expected is a sample for each frame."
        )
    return {"pulse": Signal.uniform(wave, RATE_HZ)}


READER = Reader(
    name="mmpd",
    title="MMPD",
    paper="Tang, Chen, Wang, Shi, Patel, McDuff, Liu: MMPD: multi-domain mobile video physiology dataset. EMBC 2023",
    access="for research under an agreement with Tsinghua University; mini-MMPD has the same layout, 80 x 60",
    layout="subjectN/pN_k.mat   video (frames, height, width, 3), 0..1, 30 a second; GT_ppg; light, motion,\n"
    "                    exercise, skin_color (Fitzpatrick 3..6), gender, glasser, hair_cover, makeup",
    signals=("pulse",),
    verified="the authors' description and public loaders; miniature copies in the tests (MATLAB 5 and 7.3). No "
    "original file was seen",
    recognise=recognise,
    find=find,
    notes=(
        "Frames and pulse have no times: both are placed at 30 a second from 0.",
        "MATLAB 5 files keep all frames of a video interleaved. They are read in passes of 0.5 GB each: four for a "
        "minute of the full set in single precision, one for mini-MMPD. Version 7.3 is read as it comes.",
        "'Watching Videos' is a wrong label of the first release for walking (after the rPPG-Toolbox); 'Stationary "
        "(after exercise)' counts as stationary, with exercise as its own label says.",
    ),
)
