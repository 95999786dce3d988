"""Our own layout: a folder per subject with a video and everything that is true about it.

::

    manifest.json                what the folder holds: plan, seeds, sizes, SHA-256
    README.txt                   this, in short
    lab-0000/
        video.mp4                frames at their capture times (to 1/90000 s, with MPEG-4 to 1/60000 s)
        truth.json               settings, rates, beats, breaths, skin, encoder, faults of the sensors, versions
        frames.csv               time_s, pulse, respiration: the truth at every frame
        beats.csv                time_s, inter_beat_interval_s: every beat on the face, and the time since the last
        contact.csv              time_s, ppg, valid: a contact sensor, with the faults of the domain
        belt.csv                 time_s, respiration: a belt, in a unit and with a drift of its own
        ecg.csv                  time_s, ecg_mv: one lead
        radar.npz                in the domain paired-radar, or where it was asked for

``settings.codec`` and ``settings.quality`` choose the encoder: real H.264 (as phones and archives or as webcams write
it), MPEG-4 or MJPEG at the strength that stands for x264's crf. ``none`` is FFV1: it keeps every bit of the RGB
pictures (x264 at crf 0 does not: it halves the resolution of colour), MP4 keeps its times exactly, FFmpeg and all
that is built on it read it, and it was the smallest of the lossless codecs tried (65 kB a frame at 320 x 240, where
H.264 in RGB took 73 to 91, PNG 92 and raw 230).

Subjects without a pulse have ``null`` for the rates, zeros in ``frames.csv`` and no sensors: nobody wears them. Those
behind a full mask breathe, and what is told of their breathing is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from perfuse.synth.camera.encoders import encoder
from perfuse.synth.layouts.files import frames, truth_of, write_csv, write_json
from perfuse.synth.layouts.plan import Layout, Member, Take, Watch
from perfuse.synth.subject import Subject
from perfuse.video.write import write_video

RADAR_DOMAIN = "paired-radar"


README = """These people do not exist: perfuse.synth painted them, and everything about them is known.

One folder per subject:
  video.mp4     the face; every frame has its own time
  truth.json    settings, heart_rate, respiratory_rate (per minute; null without a pulse or breath), beats, breaths
  frames.csv    pulse and respiration of the face at the time of every frame
  beats.csv     time of every beat on the face, and the interval since the one before
  contact.csv   what a contact sensor wrote (valid is 0 where nothing arrived); in some domains it is wrong on purpose
  belt.csv      what a respiration belt wrote
  ecg.csv       one lead of an electrocardiogram
  radar.npz     where there is one: samples (chirps, samples, I and Q), times_s, valid, iq (2, 5, chirps), chest_mm

Times are seconds on one clock. manifest.json lists seeds, sizes and hashes; the same seed gives the same subject:
  perfuse.synth.subject(seed, domain, **asked)
"""


def takes(member: Member, number: int, radar: bool) -> tuple[Take, ...]:
    """One recording of each person."""
    wanted = radar or member.domain == RADAR_DOMAIN
    return (Take(member.id, number, member.seed, member.domain, member.asked, (member.id,), wanted),)


def write(take: Take, person: Subject, root: Path, watch: Watch) -> None:
    """Write one subject below ``root``."""
    folder = root / take.id
    folder.mkdir()
    settings, how = person.settings, encoder(person.settings)
    write_film(folder / "video.mp4", person, how, watch)
    about = truth_of(person) | {"encoder": how}
    times, truth = person.times_s, person.truth
    write_csv(folder / "frames.csv", time_s=times, pulse=truth.pulse(times), respiration=truth.respiration(times))
    if not settings.alive:
        write_json(folder / "truth.json", about)
        return
    beats = truth.heart.beats_s
    seen = np.flatnonzero((beats >= 0) & (beats <= person.duration_s))
    seen = seen[seen > 0]
    gaps = beats[seen] - beats[seen - 1]
    write_csv(folder / "beats.csv", time_s=beats[seen], inter_beat_interval_s=gaps)
    contact, belt = person.contact(), person.belt()
    late = {"fault": contact.fault, "contact_delay_s": contact.delay_s, "belt_delay_s": belt.delay_s}
    write_json(folder / "truth.json", about | {"sensors": late})
    write_csv(folder / "contact.csv", time_s=contact.times_s, ppg=contact.values, valid=contact.valid)
    write_csv(folder / "belt.csv", time_s=belt.times_s, respiration=belt.values)
    ecg = person.ecg()
    write_csv(folder / "ecg.csv", time_s=ecg.times_s, ecg_mv=ecg.values_mv)
    if take.radar:
        _write_radar(folder / "radar.npz", person)


def write_film(path: Path, person: Subject, how: dict[str, Any], watch: Watch) -> None:
    """Write the pictures with an encoder."""
    write_video(path, frames(person, watch), nominal_rate_hz=person.settings.rate_hz, **how)


def _write_radar(path: Path, person: Subject) -> None:
    """Write raw chirps, the five bins that networks read, and what the chest did."""
    radar = person.radar()
    arrays: dict[str, Any] = {f"config_{key}": np.asarray(value) for key, value in asdict(radar.config).items()}
    arrays |= {"samples": radar.raw(), "times_s": radar.times_s, "valid": radar.valid}
    arrays |= {
        "iq": radar.iq().astype(np.float32),
        "best_bin": np.int64(radar.best_bin()),
        "chest_mm": radar.chest_mm,
    }
    np.savez_compressed(path, **arrays)


def finish(root: Path, takes: Sequence[Take]) -> None:
    """Leave the top of the folder to the manifest."""


PERFUSE = Layout(
    name="perfuse",
    title="a video and every reference per subject",
    domain="lab",
    usual={},
    needs_pulse=False,
    has_radar=True,
    readme=README,
    takes=takes,
    write=write,
    finish=finish,
    files=r"[^/]+/(video\.mp4|truth\.json|(frames|beats|contact|belt|ecg)\.csv|radar\.npz)",
)
