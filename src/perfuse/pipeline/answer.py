"""From the record of one face to its vitals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perfuse.core.results import NO_FACE, Face, Point, Vital
from perfuse.core.signals import SHORTEST_BREATH_S, Waveform
from perfuse.pipeline.stream import Record
from perfuse.signal.beats import Beats, find_beats
from perfuse.vitals.heart_rate import FLAT, heart_rate
from perfuse.vitals.hrv import MEASURES, hrv
from perfuse.vitals.rate_posterior import RANGE_HZ
from perfuse.vitals.respiration import respiration

LOW_RATE_HZ = 8.0
"""Below this many frames a second the upper heart rates cannot be seen."""
LOW_RADAR_HZ = 50.0
"""Below this many chirps a second part of the chest's vibration cannot be seen."""
LOST = {
    "video": "the face was not visible long enough",
    "trace": "the trace has too many gaps",
    "radar": "the radar lost too many chirps",
}
NYQUIST_SHARE = 0.45
GREY = "no colour: the pictures are grey, and this method compares colours; try the method green"


@dataclass(frozen=True, slots=True)
class Context:
    """What the vitals must know about the recording."""

    start_s: float
    duration_s: float
    frame_rate_hz: float
    kind: str

    def warnings(self, faces: Sequence[Face]) -> list[str]:
        """Return what the user should know about the recording."""
        notes = []
        if self.kind == "video" and not faces:
            notes.append(NO_FACE)
        if 0 < self.frame_rate_hz < LOW_RATE_HZ:
            top = 60 * NYQUIST_SHARE * self.frame_rate_hz
            notes.append(
                f"only {self.frame_rate_hz:.1f} frames a second: rates above {top:.0f}/min cannot be seen, "
                "or look like lower ones"
            )
        if self.kind == "radar" and LOW_RATE_HZ <= self.frame_rate_hz < LOW_RADAR_HZ:
            notes.append(
                f"only {self.frame_rate_hz:.1f} chirps a second: part of the chest's vibration after a beat is faster"
            )
        told = [face.pulse.respiration for face in faces if face.pulse is not None and face.pulse.respiration]
        if any(breath.too_short for breath in told):
            notes.append(
                f"the network's breathing was not used: its windows of {told[0].window_s:.1f} s are too short, "
                f"{SHORTEST_BREATH_S:.0f} s are needed"
            )
        return notes


def no_face(context: Context) -> Face:
    """Return a face without any value: nothing was found in the picture, or there is not one sample."""
    reason = NO_FACE if context.kind == "video" else "too short: no complete sample"
    return Face(0, Vital.none("/min", reason), Vital.none("/min", reason), _no_hrv(reason))


def measure_face(number: int, record: Record, context: Context) -> Face:
    """Measure every vital of one face (or trace, or radar).

    Parameters
    ----------
    number : int
        Identity of the face.
    record : Record
        Its signals on the grid.
    context : Context
        Clock and frame rate of the recording.
    """
    pulse = record.waves[0]
    grid_start_s = context.start_s
    top = min(RANGE_HZ[1], max(NYQUIST_SHARE * context.frame_rate_hz, RANGE_HZ[0] + 0.1))
    rate = heart_rate(
        pulse,
        start_s=grid_start_s,
        motion=record.motion.T if np.any(record.motion) else None,
        parts=np.stack([wave.samples for wave in record.waves[1:]]) if len(record.waves) > 1 else None,
        colour=_relative_colour(record) if context.kind == "video" else None,
        max_hz=top,
        lost=LOST[context.kind],
    )
    if rate.vital.reason == FLAT and _is_grey(record):
        rate = replace(rate, vital=Vital.none("/min", GREY))
    if rate.vital.value is None:
        reason = rate.vital.reason or ""
        beats = Beats.exact(np.zeros(0))
        variability = _no_hrv(reason)
    else:
        beats = find_beats(pulse.samples, pulse.rate_hz, pulse.valid, rate.peak_hz)
        variability = hrv(beats)
    head, chest = _path(record, record.motion[:, 1]), _path(record, record.chest[:, 0])
    breathing = respiration(pulse, beats, baseline=_brightness(record), motion=head, chest=chest)
    breaths = tuple(Point(grid_start_s + point.time_s, point.vital) for point in breathing.series)
    offset = grid_start_s + pulse.start / pulse.rate_hz
    return Face(
        number,
        rate.vital,
        breathing.vital,
        variability,
        rate.series,
        breaths,
        pulse,
        breathing.waveform,
        tuple(float(t) for t in offset + beats.times_s),
        respiration_sources=breathing.sources,
    )


def _relative_colour(record: Record) -> NDArray[np.float64] | None:
    """Red, green, blue of the skin over their means (3, N); None where one is black, or where all are one grey."""
    level = record.regions[record.valid, 0].mean(axis=0) if record.valid.any() else np.zeros(3)
    return np.asarray(record.regions[:, 0] / level).T if level.min() > 0 and not _is_grey(record) else None


def _brightness(record: Record) -> Waveform | None:
    """Green of the skin, relative to its median: it falls with blood volume. None where there are no colours."""
    if not record.regions.shape[1]:
        return None
    green: NDArray[np.float64] = record.regions[:, 0, 1]
    level = float(np.median(green[record.valid])) if record.valid.any() else 0.0
    relative = np.where(record.valid, green / level - 1.0, 0.0) if level > 0 else np.zeros(len(green))
    return Waveform(record.start, record.rate_hz, relative, record.valid)


def _is_grey(record: Record) -> bool:
    """Tell whether the light changes but red, green and blue never differ."""
    colours = record.regions[record.valid]
    return bool(len(colours) and np.ptp(colours, axis=0).any() and not np.ptp(colours, axis=2).any())


def _path(record: Record, displacement: NDArray[np.float64]) -> Waveform | None:
    """Vertical displacement as a wave, or None where it was not seen (no picture, no chest in it)."""
    return Waveform(record.start, record.rate_hz, displacement, record.valid) if np.any(displacement) else None


def _no_hrv(reason: str) -> dict[str, Vital]:
    return {name: Vital.none(measure.unit, reason) for name, measure in MEASURES.items()}
