"""Layout of PURE (Stricker, Müller and Gross, RO-MAN 2014).

::

    01-03/                          person 01, set-up 03
        01-03/Image1392643993000000000.png, ...     640 x 480, 30 a second, named by time
        01-03.json                  "/Image": [{"Timestamp"}], "/FullPackage": [{"Timestamp", "Value": {...}}]
    truth/01-03.json                not part of the original: settings and truth

Times are Unix nanoseconds. Images have theirs in their names as well; the oximeter has a grid of its own of 60 Hz on
the same clock. Every person sits through six set-ups of a minute: steady, talking, slow and fast translation, small
and medium rotation.

Facts after the data set's description and public loaders. ASSUMED: the day of the recordings, the range of the wave
(whole numbers 0 to 100), how far set-ups differ in rate (a person's heart is drawn once; each set-up moves its rate
by some per cent) and the sizes of the motions. After the description people move by 7 % and 14 % of the height of the
face per second, as here on average, and turn by 20 and 35 degrees; painted heads turn by 15 and 22, further than
which they look wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from perfuse.synth.layouts.files import frames, scaled, truth_of, write_json, write_png
from perfuse.synth.layouts.plan import Layout, Member, Take, Watch, seed_of
from perfuse.synth.layouts.ubfc import OXIMETER_HZ, oximeter
from perfuse.synth.sensors.ecg import spo2_column
from perfuse.synth.settings import stream
from perfuse.synth.subject import Subject

SETUPS: dict[str, dict[str, Any]] = {
    "01": {"motion": "still", "motion_scale": 0.6, "expression": "neutral"},
    "02": {"motion": "talk", "motion_scale": 1.0, "expression": "talk", "breathing": "speech"},
    "03": {"motion": "translate", "motion_scale": 1.0, "expression": "neutral"},
    "04": {"motion": "translate", "motion_scale": 2.1, "expression": "neutral"},
    "05": {"motion": "rotate", "motion_scale": 1.2, "expression": "neutral"},
    "06": {"motion": "rotate", "motion_scale": 1.8, "expression": "neutral"},
}
"""What people do in each set-up."""

BEGIN_S = 1_392_643_993
"""Start of the first recording, Unix seconds; ten minutes later the next one starts."""

SPREAD = 0.05
"""Set-ups differ by this share in heart rate, and twice this in breathing, up or down at most."""

README = """These people do not exist: perfuse.synth painted them. The folders are laid out as in PURE:
NN-MM is person NN in set-up MM (01 steady, 02 talking, 03 slow and 04 fast translation, 05 small and 06 medium
rotation), with an image per frame and a JSON file with the times of the images and the oximeter's readings.
truth/ is no part of that layout: it says what is really true.
"""


def takes(member: Member, number: int, radar: bool) -> tuple[Take, ...]:
    """Six recordings of each person."""
    rest = member.settings()
    made = []
    for setup, motion in SETUPS.items():
        name = f"{number:02d}-{setup}"
        up = 2.0 * (seed_of(member.seed, setup) / 2.0**62) - 1.0
        own = {
            "heart_rate": float(np.clip(rest.heart_rate * (1.0 + SPREAD * up), 35.0, 230.0)),
            "respiratory_rate": float(np.clip(rest.respiratory_rate * (1.0 - 2.0 * SPREAD * up), 4.0, 90.0)),
        }
        asked = {**member.asked, **own, **motion}
        made.append(Take(name, number, member.seed, member.domain, asked, (name, f"truth/{name}.json")))
    return tuple(made)


def write(take: Take, person: Subject, root: Path, watch: Watch) -> None:
    """Write one recording below ``root``."""
    pictures = root / take.id / take.id
    pictures.mkdir(parents=True)
    setup = list(SETUPS).index(take.id.rpartition("-")[2])
    begin_ns = (BEGIN_S + 600 * (len(SETUPS) * (take.person - 1) + setup)) * 10**9
    images = []
    for time_s, picture in frames(person, watch):
        images.append(begin_ns + round(time_s * 1e9))
        write_png(pictures / f"Image{images[-1]}.png", picture)
    count = int(np.floor(person.duration_s * OXIMETER_HZ)) + 1
    moments = np.arange(count) / OXIMETER_HZ
    ppg, rate = oximeter(person, OXIMETER_HZ, moments)
    rng = stream(person.settings.seed, "saturation")
    _, oxygen = spo2_column(rng, person.duration_s + 1.0, rate_hz=OXIMETER_HZ)
    readings = zip(np.rint(scaled(ppg, 0.0, 100.0)), rate, oxygen[:count], strict=True)
    package = [
        {
            "Timestamp": begin_ns + round(moment * 1e9),
            "Value": {"waveform": int(wave), "pulseRate": int(shown), "o2saturation": int(level)},
        }
        for moment, (wave, shown, level) in zip(moments.tolist(), readings, strict=True)
    ]
    content = {"/FullPackage": package, "/Image": [{"Timestamp": moment} for moment in images]}
    write_json(root / take.id / f"{take.id}.json", content)
    write_json(root / take.parts[1], truth_of(person))


def finish(root: Path, takes: Sequence[Take]) -> None:
    """Leave the top of the folder as it is."""


PURE = Layout(
    name="pure",
    title="PURE: six set-ups per person, images and JSON",
    domain="lab",
    usual={"width": 640, "height": 480, "duration_s": 60.0, "rate_hz": 30.0},
    needs_pulse=True,
    has_radar=False,
    readme=README,
    takes=takes,
    write=write,
    finish=finish,
    files=r"([^/]+)/\1(/Image\d+\.png|\.json)|truth/[^/]+\.json",
)
