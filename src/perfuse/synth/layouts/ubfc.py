"""Layout of UBFC-rPPG, set 2 (Bobbia et al., Pattern Recognition Letters 2017).

::

    subject1/
        vid.avi             uncompressed 8-bit pictures, 640 x 480, about 30 a second
        ground_truth.txt    lines of PPG, heart rate (/min) and time (s), scientific notation, a column a frame
    truth/subject1.json     not part of the original: settings and truth

The original holds raw pictures, and so do these: blue, green, red, one byte each (FFmpeg's ``rawvideo``), because a
reader has to cope with just that; 28 MB a second at 640 x 480. AVI knows one rate and no times: each frame's time is
in the third line, and the header has the mean rate.

Facts after the data set's own note on its files and public loaders. ASSUMED: the scale of the PPG (here zero mean,
unit deviation) and the oximeter's habits in averaging the rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from perfuse.synth.fields import F64
from perfuse.synth.layouts.files import at_frames, frames, truth_of, write_coded, write_json
from perfuse.synth.layouts.plan import Layout, Member, Take, Watch
from perfuse.synth.sensors.ecg import heart_rate_column
from perfuse.synth.settings import stream
from perfuse.synth.subject import Subject

OXIMETER_HZ = 60.0
"""Samples per s of the Contec CMS50E."""

README = """These people do not exist: perfuse.synth painted them. The folders are laid out as in UBFC-rPPG, set 2:
subjectN/vid.avi (raw pictures) and subjectN/ground_truth.txt (PPG, heart rate, time; one column per frame).
truth/ is no part of that layout: it says what is really true.
"""


def takes(member: Member, number: int, radar: bool) -> tuple[Take, ...]:
    """One recording of each person."""
    name = f"subject{number}"
    parts = (name, f"truth/{name}.json")
    return (Take(name, number, member.seed, member.domain, member.asked, parts),)


def write(take: Take, person: Subject, root: Path, watch: Watch) -> None:
    """Write one subject below ``root``."""
    folder = root / take.id
    folder.mkdir()
    rate_hz = Fraction((len(person.times_s) - 1) / float(np.ptp(person.times_s))).limit_denominator(1000)
    pictures = ((index, picture) for index, (_, picture) in enumerate(frames(person, watch)))
    # Blue, green, red is the only order of colours that raw AVI has a name for.
    write_coded(folder / "vid.avi", pictures, "rawvideo", pixel_format="bgr24", tick_s=1 / rate_hz, rate_hz=rate_hz)
    ppg, rate = oximeter(person, OXIMETER_HZ, person.times_s)
    ppg = (ppg - ppg.mean()) / (ppg.std() or 1.0)
    rows = ("".join(f"{value:16.7e}" for value in row) for row in (ppg, rate, person.times_s))
    (folder / "ground_truth.txt").write_text("\n".join(rows) + "\n", encoding="ascii")
    write_json(root / take.parts[1], truth_of(person))


def oximeter(person: Subject, rate_hz: float, moments: F64) -> tuple[F64, F64]:
    """Read a finger oximeter at any moments (N,): its wave and the heart rate it shows, each (N,)."""
    contact = person.contact(rate_hz=rate_hz)
    rng = stream(person.settings.seed, "oximeter")
    time_s, shown = heart_rate_column(rng, person.truth.heart, person.duration_s + 1.0, rate_hz=rate_hz)
    index = np.clip(np.searchsorted(time_s, moments, side="right") - 1, 0, len(time_s) - 1)
    return at_frames(contact.times_s, contact.values, contact.valid, moments), shown[index].astype(np.float64)


def finish(root: Path, takes: Sequence[Take]) -> None:
    """Leave the top of the folder as it is."""


UBFC = Layout(
    name="ubfc",
    title="UBFC-rPPG, set 2: raw AVI and ground_truth.txt",
    domain="lab",
    usual={"width": 640, "height": 480, "duration_s": 60.0},
    needs_pulse=True,
    has_radar=False,
    readme=README,
    takes=takes,
    write=write,
    finish=finish,
    files=r"subject\d+/(vid\.avi|ground_truth\.txt)|truth/[^/]+\.json",
)
