"""Measurements made by hand, for testing what comes after measuring."""

from __future__ import annotations

import math

import numpy as np

from perfuse.core.results import Face, FaceEvent, Measurement, Point, Vital
from perfuse.core.signals import Waveform

RATE_HZ = 30.0
START_S = 0.5


def wave(duration_s: float, cycle_hz: float, *, gap_s: tuple[float, float] | None = None) -> Waveform:
    """Return a wave with one overtone, zero and invalid inside the gap."""
    seconds = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * cycle_hz * seconds
    samples = np.sin(phase) + 0.35 * np.sin(2 * phase + 0.8)
    valid = np.ones(len(seconds), bool)
    if gap_s:
        valid = (seconds < gap_s[0]) | (seconds >= gap_s[1])
    return Waveform(0, RATE_HZ, np.where(valid, samples, 0.0), valid)


def face(id_: int = 0, duration_s: float = 50.0, gap_s: tuple[float, float] | None = (21.0, 24.0)) -> Face:
    """Return a face at 72 /min that breathes 15 times a minute, with every part filled in."""
    beats, at, index = [], START_S + 0.3, 0
    while at < START_S + duration_s:
        beats.append(at)
        at += 60 / 72 + 0.04 * math.sin(2 * math.pi * 0.25 * at) + 0.01 * math.sin(7.0 * index)
        index += 1
    beats = [beat for beat in beats if not gap_s or not gap_s[0] <= beat - START_S < gap_s[1]]
    series = []
    for k in range(int(duration_s) - 10):
        middle, quality = START_S + 5 + k, 0.95 - 0.5 * (20 <= k <= 24)
        rate = 72 + 3 * math.sin(k / 6)
        vital = Vital(rate, "/min", rate - 2 / quality, rate + 2 / quality, quality)
        series.append(Point(middle, vital if k != 19 else Vital.none("/min", "the face was lost for too long")))
    short = "60 s of clean beats are needed, 50 s were found"
    return Face(
        id=id_,
        heart_rate=Vital(72.04321987, "/min", 70.9, 73.2, 0.94),
        respiratory_rate=Vital(15.2, "/min", 13.6, 16.9, 0.62),
        hrv={
            "heart_rate_beats": Vital(71.9, "/min", 71.0, 72.8, 0.9),
            "sdnn": Vital(31.26, "ms", 24.0, 40.0, 0.7),
            "rmssd": Vital(38.91, "ms", 29.0, 51.0, 0.45),
            "pnn50": Vital(12.5, "%", 6.0, 20.0, 0.6),
            "lf": Vital.none("ms2", short),
            "hf": Vital.none("ms2", short),
            "lf_hf": Vital.none("1", short),
        },
        heart_rate_series=tuple(series),
        respiratory_rate_series=(Point(25.5, Vital(15.2, "/min", 13.6, 16.9, 0.62)),),
        pulse=wave(duration_s, 1.2, gap_s=gap_s),
        respiration=wave(duration_s, 0.25, gap_s=gap_s),
        beats_s=tuple(beats),
        events=(FaceEvent(0.5, "found"), FaceEvent(21.5, "lost"), FaceEvent(24.5, "found")),
    )


def measurement(name: str = "face.mp4", faces: int = 1, method: str = "pos", duration_s: float = 50.0) -> Measurement:
    """Return a rich measurement of ``faces`` faces."""
    return Measurement(
        source={"name": name, "kind": "video", "width": 640, "height": 480, "codec": "h264", "rate_hz": 30.000001},
        method=method,
        duration_s=duration_s,
        start_s=START_S,
        faces=tuple(face(k, duration_s) for k in range(faces)),
        warnings=("3 frames in 50 s arrived more than 100 ms late",),
    )


def nothing(name: str = "wall.mp4") -> Measurement:
    """Return the measurement of a recording without a face."""
    return Measurement({"name": name, "kind": "video"}, "pos", 12.0, 0.0, ())
