"""Bundles on disk: an exported network beside a card that says what it eats and when not to trust it.

A bundle is a folder with ``model.onnx`` and ``card.json`` (``perfuse.card/1``), or one ONNX file that carries the
same card in its metadata. ``docs/models.md`` tells the whole contract.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

from perfuse.core.card import Card
from perfuse.core.errors import SourceError, UsageError
from perfuse.core.view import Crop, Grid, Picture, Trace
from perfuse.methods.windowed import Taper

SCHEMA = "perfuse.card/1"
MODEL_FILE, CARD_FILE = "model.onnx", "card.json"
METADATA_KEY = "perfuse.card"
"""Property of the ONNX file under which the card travels where there is no ``card.json``."""

Scale = Literal["zscore", "keep"]

LARGEST_WINDOW = 1 << 26
"""Numbers in one window: 256 MB, beyond what measuring a video may take."""
LARGEST_RATE_HZ, LONGEST_WINDOW_S, LARGEST_SIDE = 1000.0, 600.0, 1024
OUTPUTS = (("pulse",), ("pulse", "respiration"))
"""What networks give; the card must say what the graph does."""
PROVENANCES = ("paper", "reconstructed", "own")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
MARGIN = Grid(1, 1).margin
BAND_HZ = Card("", "", "", "").band_hz


@dataclass(frozen=True, slots=True)
class Spec:
    """What a card says: what the network is, what it eats, and how its windows are laid.

    Attributes
    ----------
    card : Card
        For the user.
    view : Picture
        What the network eats.
    window_s, hop_s, min_s : float
        As in :func:`perfuse.methods.windowed.windowed`.
    taper : {"hann", "flat"}
        Weight of a window's samples in the overlap.
    scale : {"zscore", "keep"}
        What is done to each window's output before the windows are overlapped.
    """

    card: Card
    view: Picture
    window_s: float
    hop_s: float
    min_s: float
    taper: Taper = "hann"
    scale: Scale = "zscore"

    @property
    def frame(self) -> tuple[int, ...]:
        """Shape of one sample of the view, (1, 3), (rows, cols, 3) or (size, size, 3)."""
        if isinstance(self.view, Trace):
            return len(self.view.regions), 3
        if isinstance(self.view, Grid):
            return self.view.rows, self.view.cols, 3
        return self.view.size, self.view.size, 3

    def samples(self, seconds: float) -> int:
        """Return how many samples of the view make up a time, as :mod:`perfuse.methods.windowed` counts them."""
        return max(2, round(seconds * self.view.rate_hz))


def read_files(path: str | PathLike[str]) -> tuple[bytes, bytes | None, str]:
    """Read a bundle.

    Parameters
    ----------
    path : str or path
        The folder, or an ONNX file.

    Returns
    -------
    model : bytes
        Content of the ONNX file.
    card : bytes or None
        Content of ``card.json``; None where there is none.
    name : str
        The ONNX file, for messages.

    Raises
    ------
    SourceError
        If there is nothing there, or it cannot be read.
    """
    if os.path.isdir(path):  # noqa: PTH112 - unlike Path.is_dir, says no to a name that is too long
        model, card = Path(path) / MODEL_FILE, Path(path) / CARD_FILE
        if not os.path.lexists(model):
            raise SourceError(
                f"The folder {path} holds no {MODEL_FILE}.",
                f"Pass a bundle: a folder with {MODEL_FILE} and {CARD_FILE}.",
            )
        return _read(model), _read(card) if os.path.lexists(card) else None, str(model)
    return _read(Path(path)), None, str(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name no file can have
        reason = getattr(error, "strerror", None) or error
        raise SourceError(
            f"The model {path} cannot be read ({reason}).",
            f"Pass a folder with {MODEL_FILE} and {CARD_FILE}, or an ONNX file that carries its card.",
        ) from error


def parse_card(text: str | bytes, where: str, model: bytes | None) -> Spec:
    """Turn the JSON of a card into a :class:`Spec`.

    Parameters
    ----------
    text : str or bytes
        JSON.
    where : str
        Where it stands, for messages.
    model : bytes or None
        The network the card belongs to, checked against its ``sha256``; None where the card travels inside the
        network, which cannot contain its own hash.

    Raises
    ------
    SourceError
        If it is not JSON, or was written for another network.
    UsageError
        If it is not a card this version knows.
    """
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where} is not JSON ({error}).", "Export the bundle again, or mend the file.") from error
    top = _Reader(given, where)
    if top.given.get("schema") != SCHEMA:
        raise UsageError(
            f"{where} follows the schema {top.given.get('schema')!r}.",
            f"This version of perfuse reads {SCHEMA!r}; update perfuse, or export the bundle for it.",
        )
    top.known("schema")
    found = "" if model is None else hashlib.sha256(model).hexdigest()
    if model is not None and (told := top.text("sha256")) != found:
        raise SourceError(
            f"{where} belongs to another network: it says sha256 {told!r}, {MODEL_FILE} has {found!r}.",
            "Copy the bundle again, both files from one export.",
        )
    view = _view(_Reader(top.take("view"), f"{where}: view"))
    window_s = top.number("window_s", LONGEST_WINDOW_S)
    spec = Spec(
        _card(top, view.rate_hz, found),
        view,
        window_s,
        top.number("hop_s", window_s),
        top.number("min_s", window_s),
        top.choice("taper", get_args(Taper), "hann"),
        top.choice("scale", get_args(Scale), "zscore"),
    )
    top.done()
    _check_size(spec, where)
    return spec


def _view(reader: _Reader) -> Picture:
    kind = reader.choice("kind", ("trace", "grid", "crop"))
    rate_hz = reader.number("rate_hz", LARGEST_RATE_HZ)
    view: Picture
    if kind == "trace":
        # The pipeline runs a method on one region after the other, so a network sees one.
        if reader.take("regions", ["skin"]) != ["skin"]:
            reader.refuse("regions", 'networks on traces see one region: leave it out, or say ["skin"]')
        view = Trace(rate_hz=rate_hz)
    elif kind == "grid":
        view = Grid(reader.whole("rows"), reader.whole("cols"), rate_hz, reader.number("margin", 10, MARGIN))
    else:
        view = Crop(reader.whole("size"), rate_hz, reader.number("margin", 10, MARGIN))
    reader.done()
    return view


def _card(reader: _Reader, rate_hz: float, sha256: str) -> Card:
    name = reader.text("name")
    if not NAME.fullmatch(name):
        reader.refuse("name", "use lower-case letters, digits, '.', '_' and '-'")
    outputs = reader.take("outputs", list(OUTPUTS[0]))
    if outputs not in [list(known) for known in OUTPUTS]:
        reader.refuse("outputs", f"this version of perfuse knows {' and '.join(json.dumps(o) for o in OUTPUTS)} only")
    band = reader.take("band_hz", [BAND_HZ[0], min(BAND_HZ[1], rate_hz / 2)])
    if not (isinstance(band, list) and len(band) == 2 and all(map(_is_number, band)) and 0 < band[0] < band[1]):
        reader.refuse("band_hz", "give two frequencies, [low, high], 0 < low < high")
    if band[1] > rate_hz / 2:
        reader.refuse("band_hz", f"{rate_hz:g} samples a second carry no more than {rate_hz / 2:g} Hz")
    return Card(
        name=name,
        title=reader.text("title"),
        paper=reader.text("paper"),
        equation=reader.text("equation", ""),
        outputs=tuple(outputs),
        band_hz=(float(band[0]), float(band[1])),
        licence=reader.text("licence"),
        provenance=reader.choice("provenance", PROVENANCES),
        limits=reader.text("limits"),
        deviations=reader.text("deviations", ""),
        sha256=sha256,
    )


def _check_size(spec: Spec, where: str) -> None:
    size, numbers = round(spec.window_s * spec.view.rate_hz), spec.samples(spec.window_s) * math.prod(spec.frame)
    if size < 2:
        raise UsageError(
            f"{where}: a window of {spec.window_s:g} s at {spec.view.rate_hz:g} Hz has {size} samples.",
            "Give a window_s of two samples or more.",
        )
    if numbers > LARGEST_WINDOW:
        raise UsageError(
            f"{where}: a window of {size} samples, each {'×'.join(map(str, spec.frame))}, holds {numbers} numbers.",
            f"At most {LARGEST_WINDOW} are possible: shorten window_s or shrink the view.",
        )


def _is_number(value: object) -> bool:
    # a comparison and not isfinite, which cannot take the long integers that JSON allows
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


_NEEDED: Any = object()


class _Reader:
    """A JSON object read key by key; knows which keys were asked for, so that the others can be refused."""

    def __init__(self, given: object, where: str) -> None:
        if not isinstance(given, Mapping):
            raise UsageError(f"{where} is {_told(given)}.", "Give a JSON object, {...}.")
        self.given = given
        self.where = where
        self._asked: list[str] = []

    def known(self, key: str) -> None:
        self._asked.append(key)

    def take(self, key: str, default: Any = _NEEDED) -> Any:
        self.known(key)
        if key in self.given:
            return self.given[key]
        if default is _NEEDED:
            raise UsageError(f"{self.where} lacks {key!r}.", "docs/models.md lists every key; add it.")
        return default

    def refuse(self, key: str, remedy: str) -> NoReturn:
        raise UsageError(f"{self.where} says {key!r} is {_told(self.given.get(key))}.", f"{key}: {remedy}.")

    def text(self, key: str, default: Any = _NEEDED) -> str:
        value = self.take(key, default)
        if not isinstance(value, str) or (default is _NEEDED and not value.strip()):
            self.refuse(key, "give a text")
        return value

    def number(self, key: str, most: float, default: Any = _NEEDED) -> float:
        value = self.take(key, default)
        if not _is_number(value) or not 0 < value <= most:
            self.refuse(key, f"give a number above 0 and at most {most:g}")
        return float(value)

    def whole(self, key: str) -> int:
        value = self.take(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST_SIDE:
            self.refuse(key, f"give a whole number from 1 to {LARGEST_SIDE}")
        return value

    def choice(self, key: str, allowed: tuple[str, ...], default: Any = _NEEDED) -> Any:
        value = self.take(key, default)
        if value not in allowed:
            self.refuse(key, f"choose from {', '.join(allowed)}")
        return value

    def done(self) -> None:
        """Refuse every key that nobody asked for: it would change nothing, and its author thinks it does."""
        unknown = sorted(set(self.given) - set(self._asked))
        if unknown:
            raise UsageError(
                f"{self.where} has the unknown key {unknown[0]!r}.", f"Known are: {', '.join(self._asked)}."
            )


def _told(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
