"""A recording: what was filmed, what else was measured meanwhile, and who, where and how, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.radar.record import RadarRecord
from perfuse.video import FrameStream, TraceStream

F64 = NDArray[np.float64]

SIGNALS = {
    "pulse": ("1", "contact photoplethysmogram, rising with blood volume"),
    "ecg": ("mV", "electrocardiogram"),
    "beats": ("s", "times of beats; the value is the interval since the beat before, NaN for the first"),
    "heart_rate": ("/min", "heart rate as a monitor showed it"),
    "respiration": ("1", "breathing wave, rising with inspiration"),
    "respiratory_rate": ("/min", "respiratory rate as a monitor showed it"),
    "spo2": ("%", "oxygen saturation as a monitor showed it"),
    "blood_pressure": ("mm[Hg]", "arterial pressure wave"),
    "skin_conductance": ("uS", "electrodermal activity"),
    "infrared": (
        "1",
        "pulse wave that somebody read off an infrared video of the same face, rising with blood volume",
    ),
}
"""What a reference may be: name, unit (UCUM; 1 is arbitrary), meaning. Readers use these names and no others."""

ABOUT = {
    "task": "what the subject did",
    "light": "where the light came from, or how strong it was",
    "motion": "how the subject moved",
    "camera": "which camera",
    "skin_tone": "Fitzpatrick type, 1 to 6",
    "monk_tone": "Monk skin tone, 1 to 10",
    "sex": "female or male",
    "age": "years",
    "population": "adult or neonate",
    "split": "the side of the data set's own split: train, val or test",
    "fold": "the data set's own fold",
    "session": "which session of this subject",
    "exercise": "after exercise: yes or no",
    "glasses": "yes or no",
    "make_up": "yes or no",
    "hair_cover": "hair or head cover over the forehead: yes or no",
    "domain": "a named kind of scene",
    "rate_hz": "frames per second as the data set states",
    "duration_s": "length as the data set states",
}
"""What may be said of a recording: name, meaning. Readers use these and no others, so that reports can group."""


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """One reference on its own clock.

    Attributes
    ----------
    times_s : ndarray, float64, (N,)
        Seconds on the recording's clock, the one that the frames' times are on; finite, increasing.
    values : ndarray, float64, (N,)
        In the unit of :data:`SIGNALS`; NaN where the file has none, or has what is no number.
    """

    times_s: F64
    values: F64

    def __post_init__(self) -> None:
        if self.times_s.ndim != 1 or self.times_s.shape != self.values.shape:
            raise ValueError(f"{self.values.shape} values were given at {self.times_s.shape} times")
        if len(self.times_s) and not (np.isfinite(self.times_s).all() and (np.diff(self.times_s) > 0).all()):
            raise ValueError("times of a signal must be finite and increase")

    def __len__(self) -> int:
        return len(self.values)

    @staticmethod
    def uniform(values: NDArray[Any], rate_hz: float, start_s: float = 0.0) -> Signal:
        """Return a signal whose samples follow one another evenly."""
        numbers = np.asarray(values, np.float64).ravel()
        return Signal(start_s + np.arange(len(numbers)) / rate_hz, numbers)


Opened = FrameStream | TraceStream


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One take: pictures and references that belong together. It opens nothing until asked, and can be pickled.

    Attributes
    ----------
    dataset : str
        Name of the reader.
    id : str
        Name within the data set, such as ``01-03`` or ``p1/v2/source1``; stable, relative, unique.
    subject : str
        Who; the same string for every recording of one person, whatever the session.
    video : callable
        Opens the pictures (or the colour trace) with their true times. Raises SourceError.
    signals : callable
        Reads the references: name (of :data:`SIGNALS`) to :class:`Signal`. Raises SourceError naming the file.
    files : tuple of Path
        Everything it reads, for hashing; a folder stands for all files in it.
    about : mapping
        What is known of who, where and how: names of :data:`ABOUT`.
    radar : callable or None
        Reads the radar.
    cropped : bool
        True where the pictures are face crops already: the whole picture is the face.
    """

    dataset: str
    id: str
    subject: str
    video: Callable[[], Opened]
    signals: Callable[[], dict[str, Signal]]
    files: tuple[Path, ...]
    about: Mapping[str, str | int | float] = field(default_factory=dict)
    radar: Callable[[], RadarRecord] | None = None
    cropped: bool = False

    def __post_init__(self) -> None:
        unknown = sorted(set(self.about) - set(ABOUT))
        if unknown:
            raise ValueError(f"nothing is known about {', '.join(unknown)}; add it to ABOUT or use another name")


PROBLEMS = {
    "layout": "the folder does not look as documented",
    "missing": "a file or a reference is not there",
    "unreadable": "a file cannot be read",
    "short": "a reference ends before the video, or begins after it",
    "not-finite": "a reference holds values that are no numbers",
    "duplicate": "two recordings, or two subjects, are one",
    "leak": "a subject is on both sides of a split",
    "lag": "a reference is shifted against the video",
    "quality": "a reference does not look like what it is called",
    "excluded": "the data set's own authors exclude it",
    "assumed": "a file leaves something open, and it was guessed",
}
"""Kinds of trouble, and what they mean."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a data set; the rest of it still works.

    Attributes
    ----------
    kind : str
        A name of :data:`PROBLEMS`.
    file : str
        The file or folder it is about.
    message : str
        What was found and what was expected, a sentence.
    recording : str or None
        Id of the recording that it concerns; None where no recording came of it.
    dropped : bool
        True where the recording (or the reference) is left out because of it.
    """

    kind: str
    file: str
    message: str
    recording: str | None = None
    dropped: bool = True

    def __post_init__(self) -> None:
        if self.kind not in PROBLEMS:
            raise ValueError(f"there is no kind of problem called {self.kind!r}: {', '.join(PROBLEMS)}")
