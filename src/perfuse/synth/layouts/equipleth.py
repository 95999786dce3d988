"""Layout of EquiPleth (Vilesov et al., ACM Transactions on Graphics 41(4), 2022): faces and radar, paired.

::

    rgb_files/v_1_2/                volunteer 1, trial 2
        rgbd_rgb_0.png, ...         the face, 128 x 128, 30 a second; 900 in a trial
        rgbd_ppg.npy                as many samples of a finger's PPG
    rf_files/1_2/
        rf.pkl                      packets of the capture card, see :func:`perfuse.synth.radar.record.packets`
        vital_dict.npy              {"rgbd": {"NOM_PLETHWaveExport": the same PPG}}
    fitzpatrick_labels.pkl          [("v_1", 3), ...]
    demo_fold.pkl                   {fold: {"train": [...], "val": [...], "test": [...]}} of names like v_1_2
    truth/v_1_2.json                not part of the original: settings and truth

PPG and pictures do not start together: sample ``i + 25`` belongs to picture ``i`` and to chirp ``4 i``. So a person
is simulated for 25 frames more; the PPG has the beginning of that time, pictures and chirps have its end. Two frames
on top let the radar outlast the pictures, as readers drop the chirps at the end of a capture.

Facts after the repository of the authors. ASSUMED: 2 trials a volunteer, 5 folds, a side of 128 pixels (what the
authors' network reads, without resizing), a box that stays where the face was first, and the scale of the PPG.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from perfuse.clip.sampler import CROP_RISE
from perfuse.core.errors import UsageError
from perfuse.synth.layouts.files import Picture, at_frames, frames, scaled, truth_of, write_json, write_png
from perfuse.synth.layouts.plan import Layout, Member, Take, Watch, seed_of
from perfuse.synth.person.skin import FITZPATRICK
from perfuse.synth.scene.follow import usual_box
from perfuse.synth.subject import Subject

OFFSET = 25
"""Samples by which the PPG starts before pictures and chirps."""

AFTER = 2
"""Frames that the radar goes on after the last picture."""

RATE_HZ, CHIRPS = 30.0, 4
"""Pictures per s, and chirps per picture."""

SIDE, MARGIN = 128, 1.25
"""Pixels of a picture's side, and its length in boxes of the detector."""

TRIALS, FOLDS = 2, 5
MONITOR_HZ = 125.0
"""Samples per s of the monitor's PPG: 32 in 0.256 s."""

LIMITS = 800.0, 3300.0
"""Range of the monitor's numbers (ASSUMED)."""

LABELS, SPLITS = "fitzpatrick_labels.pkl", "demo_fold.pkl"

README = """These people do not exist: perfuse.synth painted them. The folders are laid out as in EquiPleth:
rgb_files/v_P_T holds the face of volunteer P in trial T and a PPG, rf_files/P_T the radar's packets and the same PPG.
Sample i + 25 of the PPG belongs to picture i and to chirp 4 i.
truth/ is no part of that layout: it says what is really true. Its times start 25 frames before the first picture.
"""


def takes(member: Member, number: int, radar: bool) -> tuple[Take, ...]:
    """Two recordings of each person, which differ in rates and in how the radar fares."""
    rest = member.settings()
    if rest.rate_hz != RATE_HZ or rest.jitter_s or rest.drop:
        raise UsageError("EquiPleth has 30 frames a second and none is missing.", "Leave rate, jitter and drop out.")
    made = []
    for trial in range(1, TRIALS + 1):
        up = 2.0 * (seed_of(member.seed, trial) / 2.0**62) - 1.0
        own = {
            "heart_rate": float(np.clip(rest.heart_rate * (1.0 + 0.05 * up), 35.0, 230.0)),
            "respiratory_rate": float(np.clip(rest.respiratory_rate * (1.0 - 0.1 * up), 4.0, 90.0)),
            "duration_s": rest.duration_s + (OFFSET + AFTER) / RATE_HZ,
        }
        name = f"v_{number}_{trial}"
        parts = (f"rgb_files/{name}", f"rf_files/{name[2:]}", f"truth/{name}.json")
        made.append(Take(name, number, member.seed, member.domain, {**member.asked, **own}, parts, radar=True))
    return tuple(made)


def write(take: Take, person: Subject, root: Path, watch: Watch) -> None:
    """Write one trial below ``root``."""
    pictures, chirps = root / take.parts[0], root / take.parts[1]
    pictures.mkdir(parents=True)
    chirps.mkdir(parents=True)
    box, count = face_box(person), len(person.times_s) - OFFSET - AFTER
    for index, (_, picture) in enumerate(islice(frames(person, watch), OFFSET, OFFSET + count)):
        write_png(pictures / f"rgbd_rgb_{index}.png", cropped(picture, box))
    contact = person.contact(rate_hz=MONITOR_HZ)
    ppg = at_frames(contact.times_s, contact.values, contact.valid, person.times_s[:count])
    ppg = scaled(ppg, *LIMITS)
    np.save(pictures / "rgbd_ppg.npy", ppg)
    vitals = np.array({"rgbd": {"NOM_PLETHWaveExport": ppg}}, dtype=object)
    np.save(chirps / "vital_dict.npy", vitals, allow_pickle=True)
    with (chirps / "rf.pkl").open("wb") as file:
        pickle.dump(radar_packets(person), file, protocol=4)
    write_json(root / take.parts[2], truth_of(person))


def radar_packets(person: Subject) -> object:
    """Return what ``rf.pkl`` holds: a recording that starts with the first picture."""
    from perfuse.synth.radar.record import packets

    radar, skip = person.radar(), OFFSET * CHIRPS
    return packets(radar.raw()[skip:], radar.config.frame_rate_hz, valid=radar.valid[skip:])


def face_box(person: Subject) -> tuple[int, int, int]:
    """Return left, top and side in pixels of a square about the face at the first picture, within the frame."""
    frame, shift = person.frame, person.tracks.head.shift[OFFSET]
    middle, length = usual_box(person.look)
    side = min(round(length * MARGIN * frame.unit), frame.width, frame.height)
    x = (float(shift[0]) - frame.left) * frame.unit - side / 2
    y = (float(shift[1]) + middle - CROP_RISE * length - frame.top) * frame.unit - side / 2
    left, top = (min(max(round(at), 0), size - side) for at, size in ((x, frame.width), (y, frame.height)))
    return left, top, side


def cropped(picture: Picture, box: tuple[int, int, int]) -> Picture:
    """Cut a square out and bring it to the size of the data set by averaging over areas."""
    from PIL import Image

    left, top, side = box
    square = Image.fromarray(np.ascontiguousarray(picture[top : top + side, left : left + side]))
    method = Image.Resampling.BOX if side > SIDE else Image.Resampling.BILINEAR
    return np.asarray(square.resize((SIDE, SIDE), method))


def folds(names: Sequence[tuple[int, str]]) -> dict[int, dict[str, list[str]]]:
    """Split recordings, given as (person, name), so that nobody is on two sides."""
    persons = sorted({person for person, _ in names})
    count = min(FOLDS, len(persons))
    place = {person: index % count for index, person in enumerate(persons)}
    split: dict[int, dict[str, list[str]]] = {}
    for fold in range(count):
        sides = {fold: "test"} | ({(fold + 1) % count: "val"} if count > 2 else {})
        split[fold] = {"train": [], "val": [], "test": []}
        for person, name in names:
            split[fold][sides.get(place[person], "train")].append(name)
    return split


def finish(root: Path, takes: Sequence[Take]) -> None:
    """Write skin types and splits of all volunteers."""
    labels = {f"v_{take.person}": FITZPATRICK[take.settings().tone - 1] for take in takes}
    for name, content in ((LABELS, list(labels.items())), (SPLITS, folds([(t.person, t.id) for t in takes]))):
        with (root / name).open("wb") as file:
            pickle.dump(content, file, protocol=4)


EQUIPLETH = Layout(
    name="equipleth",
    title="EquiPleth: cropped faces, PPG and raw radar",
    domain="paired-radar",
    usual={"duration_s": 30.0, "rate_hz": RATE_HZ, "jitter_s": 0.0, "drop": 0.0},
    needs_pulse=True,
    has_radar=True,
    readme=README,
    takes=takes,
    write=write,
    finish=finish,
    files=r"rgb_files/[^/]+/rgbd_(rgb_\d+\.png|ppg\.npy)|rf_files/[^/]+/(rf\.pkl|vital_dict\.npy)|truth/[^/]+\.json",
)
