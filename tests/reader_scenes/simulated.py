"""Folders that the simulator writes: our own layout, and EquiPleth's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from perfuse.synth import subject
from perfuse.synth.layouts.folder import make
from perfuse.synth.layouts.known import get_layout
from perfuse.synth.layouts.plan import people, plan
from reader_scenes.making import Scene, litter, spaced


def synthetic(root: Path, layout: str, count: int, **asked: object) -> list:
    """Let the simulator write a folder; return its takes."""
    kind = get_layout(layout)
    domain = str(asked.pop("domain", kind.domain))
    small = {"width": 80, "height": 64, "duration_s": 1.5} | asked
    takes = plan(kind, people(count, domain, 7, small), radar=bool(layout == "perfuse"))
    make(root, kind, takes, {"seed": 7})
    return list(takes)


def equipleth(root: Path) -> Scene:
    takes = synthetic(root, "equipleth", 2)
    litter(root / "rgb_files", root / "rf_files", root)
    ids = ["v_1_1", "v_1_2", "v_2_1", "v_2_2"]
    pulse = np.load(root / "rgb_files" / "v_1_1" / "rgbd_ppg.npy")
    truth = json.loads((root / "truth" / "v_1_1.json").read_text())["truth"]
    times_s = np.arange(len(pulse)) / 30
    about = {"skin_tone": truth["fitzpatrick"], "rate_hz": 30.0, "fold": 0}
    assert len(takes) == 4
    chirps = 4 * (len(pulse) + 2)
    signals = {"pulse": spaced(pulse, 30, -25 / 30)}
    return Scene(
        ids,
        ["v_1", "v_1", "v_2", "v_2"],
        times_s,
        signals,
        about,
        cropped=True,
        radar=(chirps, 256),
        spare=frozenset({"rgbd_ppg.npy", "rf.pkl"}),
    )


def native(root: Path) -> Scene:
    takes = synthetic(root, "perfuse", 1, domain="webcam", codec="none", label_fault="missing")
    litter(root, root / takes[0].id)
    who = subject(takes[0].seed, takes[0].domain, **takes[0].asked)
    contact, belt, ecg, beats = who.contact(), who.belt(), who.ecg(), who.truth.heart.beats_s
    seen = np.flatnonzero((beats >= 0) & (beats <= who.duration_s))
    seen = seen[seen > 0]
    signals = {
        "pulse": (contact.times_s, np.where(contact.valid, contact.values, np.nan)),
        "respiration": (belt.times_s, belt.values),
        "ecg": (ecg.times_s, ecg.values_mv),
        "beats": (beats[seen], beats[seen] - beats[seen - 1]),
    }
    about = {"domain": "webcam", "monk_tone": who.settings.tone, "motion": who.settings.motion}
    name = takes[0].id
    return Scene(
        [name],
        [name],
        who.times_s,
        signals,
        about,
        radar=(len(who.radar().times_s), 256),
        spare=frozenset({"radar.npz"}),
    )
