"""One self-contained HTML page: numbers, waves, spectra and everything needed to judge them; no request leaves it."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import perfuse
from perfuse.core.card import Card
from perfuse.core.errors import MissingExtraError, UsageError
from perfuse.core.results import Face, Measurement, Vital
from perfuse.report import figures, words
from perfuse.report.figures import BREATH, PULSE, Picture
from perfuse.report.files import check_writable, write_atomic

ROW_S = 20.0
"""Seconds in one row of a wave: a beat is then about as wide as a finger."""
MAX_ROWS = 30
"""Rows drawn: ten minutes; the whole wave is in the JSON."""
OPEN_ROWS = 3
"""Rows shown at once; the others unfold."""


@dataclass(frozen=True, slots=True)
class _Section:
    """Everything the template shows of one face."""

    face: Face
    tiles: tuple[tuple[str, Vital], ...]
    pulse_rows: tuple[Picture, ...] = ()
    breath_rows: tuple[Picture, ...] = ()
    trends: tuple[tuple[str, Picture], ...] = ()
    details: tuple[tuple[str, str, Picture], ...] = ()
    shortened: bool = False
    lost: tuple[str, ...] = field(default=())


def write_report(measurement: Measurement, path: str | os.PathLike[str], *, face_image: bytes | None = None) -> Path:
    """Write the page about one measurement.

    Parameters
    ----------
    measurement : Measurement
        What :func:`perfuse.measure` returned.
    path : path
        Where to; replaced in one step.
    face_image : bytes, optional
        A PNG to show. Without it no picture of the person is in the page.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    MissingExtraError
        If matplotlib or jinja2 is not installed.
    OutputError
        If the page cannot be written there.
    UsageError
        If ``face_image`` is no PNG.
    """
    check_writable(path)
    write_atomic(path, render(measurement, face_image=face_image))
    return Path(path)


def require_extra() -> None:
    """Raise :class:`MissingExtraError` now rather than after the long work."""
    from importlib.util import find_spec

    if find_spec("jinja2") is None or find_spec("matplotlib") is None:
        raise MissingExtraError(
            "The report needs matplotlib and jinja2.", "Install them: pip install 'perfuse[report]'"
        )


def render(measurement: Measurement, *, face_image: bytes | None = None) -> str:
    """Return the page as text; parameters and errors as in :func:`write_report`."""
    require_extra()
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    if face_image is not None and not face_image.startswith(b"\x89PNG\r\n\x1a\n"):
        raise UsageError("The face image is no PNG.", "Pass the bytes of a PNG file.")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(Path(__file__).with_name("template.html").read_text(encoding="utf-8"))
    return template.render(
        m=measurement,
        words=words,
        svg=Markup,
        sections=[_section(face, measurement) for face in measurement.faces],
        open_rows=OPEN_ROWS,
        max_minutes=MAX_ROWS * ROW_S / 60,
        card=_card(measurement.method),
        face_image=base64.b64encode(face_image).decode() if face_image else None,
        version=perfuse.__version__,
    )


def _section(face: Face, measurement: Measurement) -> _Section:
    prefix = f"f{face.id}"
    start_s, end_s = measurement.start_s, measurement.start_s + measurement.duration_s
    pulse_rows = tuple(_rows(face, measurement, "pulse"))
    trends = (
        ("Heart rate", face.heart_rate_series, PULSE),
        ("Breathing", face.respiratory_rate_series, BREATH),
    )
    drawn = tuple(
        (title, figures.over_time(points, start_s, end_s, title, colour, f"{prefix}-{title[:2].lower()}"))
        for title, points, colour in trends
    )
    details = (
        (
            "Where the network looked",
            _looked(face),
            None if face.attention is None else figures.attention(face.attention, f"{prefix}-at"),
        ),
        (
            "Pulse spectrum",
            "Power of the pulse wave. Line: the stated rate; band: its 90 % interval.",
            face.pulse and figures.spectrum(face.pulse, face.heart_rate, (36, 200), PULSE, f"{prefix}-ps"),
        ),
        (
            "Breathing spectrum",
            "Power of the breathing wave. Line: the stated rate; band: its 90 % interval.",
            face.respiration
            and figures.spectrum(face.respiration, face.respiratory_rate, (3, 45), BREATH, f"{prefix}-bs"),
        ),
        (
            "Poincaré plot",
            "Each beat interval against the one before: a point on the line repeats its predecessor.",
            words.grouped_hrv(face)[0] and figures.poincare(face.beats_s, f"{prefix}-pc"),
        ),
    )
    return _Section(
        face=face,
        tiles=_tiles(face),
        pulse_rows=pulse_rows,
        breath_rows=tuple(_rows(face, measurement, "respiration")),
        trends=tuple((title, picture) for title, picture in drawn if picture),
        details=tuple((title, text, picture) for title, text, picture in details if picture),
        shortened=len(pulse_rows) == MAX_ROWS,
        lost=tuple(f"{event.time_s - start_s:.1f} s: face {event.kind}" for event in face.events),
    )


def _looked(face: Face) -> str:
    """Say what the map of a network's attention shows."""
    share = face.attention
    if share is None:
        return ""
    return (
        "How much each part of the picture weighed in the colours that the network read, some perhaps as a "
        f"reference. Fullest colour: {100 * share.max():.1f} %; shared evenly: {100 / share.size:.1f} %. "
        "The outline is a typical face, not this one."
    )


def _tiles(face: Face) -> tuple[tuple[str, Vital], ...]:
    """Choose the big numbers; variability without any value says so once."""
    spread: list[tuple[str, Vital]] = [(name, face.hrv[name]) for name in ("rmssd", "sdnn") if name in face.hrv]
    if spread and not any(words.usable(vital.value) for _, vital in spread):
        spread = [("hrv", spread[0][1])]
    return (("heart_rate", face.heart_rate), ("respiratory_rate", face.respiratory_rate), *spread)


def _rows(face: Face, measurement: Measurement, which: str) -> Iterator[Picture]:
    """Draw a wave in rows; breathing is slower and gets three times as many seconds a row."""
    wave = face.pulse if which == "pulse" else face.respiration
    if wave is None or not wave.valid.any():
        return
    row_s, colour, beats = (ROW_S, PULSE, face.beats_s) if which == "pulse" else (3 * ROW_S, BREATH, ())
    end_s = (wave.start + len(wave)) / wave.rate_hz
    if end_s <= 1.5 * row_s:
        row_s = end_s
    for row in range(min(MAX_ROWS, math.ceil(end_s / row_s - 1e-6))):
        span_s = (row * row_s, (row + 1) * row_s)
        yield figures.wave_row(wave, measurement.start_s, span_s, beats, colour, f"f{face.id}-{which}{row}")


def _card(name: str) -> Card | None:
    """Return the card of a registered method; a method of the user's own has none."""
    from perfuse.methods import METHODS

    return METHODS.get(name).card if name in METHODS.names() else None
