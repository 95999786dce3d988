"""Who is rendered and looked at, and a cache of what was seen."""

from __future__ import annotations

import hashlib
import json
import pickle
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import perfuse
from perfuse.synth.camera.encoders import reencode
from perfuse.synth.layouts.native import encoder, write_film
from perfuse.synth.subject import subject

from .look import look
from .numbers import statistics

LIKE_THE_CLIP = {
    "motion": "still",
    "motion_scale": 1.0,
    "key_angle_deg": 50.0,
    "wear": ("beard",),
    "heart_rate": 75.5,
    "sdnn_scale": 0.6,
    "age_y": 35.0,
    "face_size": 0.417,
    "flicker": 0.0,
    "exposure": "locked",
    "noise": 1.25,
    "noise_blue": 1.33,
    "codec": "h264",
    "quality": 8.0,
}
"""A bearded man of tone 3 or 4 who holds a phone by a window: 150 pixels of face, 13 Mb/s at 640 x 480."""

ONE_LIGHT = {
    "motion": "still",
    "motion_scale": 0.7,
    "wear": (),
    "flicker": 0.0,
    "exposure": "locked",
    "codec": "h264",
    "quality": 8.0,
}
"""People who differ in nothing but their tone."""

CRF = (18, 23, 28, 33)


@dataclass(frozen=True)
class Task:
    """One video to look at.

    Attributes
    ----------
    group, name : str
        Which set it belongs to, and its name there.
    seed : int
    asked : dict
        Parameters of the subject.
    again : float or None
        Factor of x264 with which the file is compressed once more.
    source : str or None
        A file to look at instead of a rendered one.
    """

    group: str
    name: str
    seed: int = 0
    asked: dict[str, Any] = field(default_factory=dict)
    again: float | None = None
    source: str | None = None

    def key(self) -> str:
        """Return a name for the cache that changes with everything that matters."""
        text = json.dumps([self.seed, self.asked, self.again, self.source], default=str)
        return f"{self.group}-{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def plan(real: Path | None, subjects: int, seconds: float) -> list[Task]:
    """Return everything to look at: the real clip, people of the lab, people like the clip, tones, compression."""
    few = max(2, subjects // 3)
    tasks = []
    if real is not None:
        tasks += [Task("real", "clip", source=str(real))]
        tasks += [Task("codec-real", f"{crf}", again=crf, source=str(real)) for crf in CRF]
    lab = [Task("lab", f"{seed}", seed, {"duration_s": seconds}) for seed in range(5000, 5000 + subjects)]
    like = [
        Task("like", f"{seed}", seed, {**LIKE_THE_CLIP, "tone": 3 + seed % 2, "duration_s": seconds})
        for seed in range(6000, 6000 + few)
    ]
    tones = [
        Task("tone", f"{seed}-{tone}", seed, {**ONE_LIGHT, "tone": tone, "duration_s": seconds})
        for seed in range(7000, 7000 + few)
        for tone in range(1, 11)
    ]
    codec = [
        Task("codec", f"{t.name}-{crf}", t.seed, t.asked, again=crf) for t in like[: max(2, few // 2)] for crf in CRF
    ]
    return tasks + like + lab + codec + tones


def seen_in(task: Task, seconds: float, contact: np.ndarray | None) -> dict[str, Any]:
    """Render if need be, look, and return {"look": Look, "numbers": dict, ...}."""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        about: dict[str, Any] = {}
        if task.source is None:
            person = subject(task.seed, "lab", **task.asked)
            path = Path(folder) / "clip.mp4"
            write_film(path, person, encoder(person.settings), lambda _: None)
            s = person.settings
            about = {"tone": s.tone, "depth": s.pulse_depth, "motion": s.motion, "noise": s.noise, "codec": s.codec}
            about |= {"albedo_g": float(person.skin.albedo[1]), "kilobits": path.stat().st_size * 8e-3 / s.duration_s}
        else:
            path = Path(task.source)
        rendered = time.perf_counter() - begin
        if task.again is not None:
            reencode(path, Path(folder) / "again.mp4", "h264", task.again)
            path = Path(folder) / "again.mp4"
        try:
            found = look(path, seconds)
        except LookupError:
            return {"task": task, "look": None, "numbers": {"found": 0.0}, **about}
    wave = contact[: len(found.times_s)] if task.source is not None else person.truth.pulse(found.times_s)
    if task.source is None:
        about["rate"] = person.truth.heart_rate
    cost = {"render_s": rendered, "look_s": time.perf_counter() - begin - rendered}
    return {"task": task, "look": found, "reference": wave, "numbers": statistics(found, wave), **about, **cost}


def state_of_code() -> str:
    """Hash over the package and these scripts."""
    mark, root = hashlib.sha256(), Path(perfuse.__file__).parent
    files = [p for p in root.rglob("*") if p.suffix in (".py", ".onnx")]
    for path in sorted(files) + [Path(__file__).parent / f"{n}.py" for n in ("look", "numbers", "sets")]:
        mark.update(path.read_bytes())
    return mark.hexdigest()[:16]


def gather(tasks: list[Task], seconds: float, contact, cache: Path, jobs: int) -> list[dict[str, Any]]:
    """Look at everything, taking from the cache what is there."""
    folder = cache / f"{state_of_code()}-{seconds:g}"
    folder.mkdir(parents=True, exist_ok=True)
    todo = [t for t in tasks if not (folder / f"{t.key()}.pickle").exists()]
    begin = time.perf_counter()
    with ProcessPoolExecutor(jobs) as pool:
        running = {pool.submit(seen_in, t, seconds, contact): t for t in todo}
        for count, job in enumerate(as_completed(running), 1):
            place = folder / f"{running[job].key()}.pickle"
            part = place.with_suffix(".part")
            part.write_bytes(pickle.dumps(job.result()))
            part.replace(place)
            spent = time.perf_counter() - begin
            print(f"\r{count} of {len(todo)} videos, {spent:.0f} s", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return [pickle.loads((folder / f"{t.key()}.pickle").read_bytes()) for t in tasks]
