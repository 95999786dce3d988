"""A teacher that others trained: PhysNet's weights as the rPPG-Toolbox publishes them.

The file is not part of the project. It answers with the slope of the pulse, on faces of 72 x 72 pixels, 128 frames at
a time at 30 Hz; here its answer is integrated, so it teaches a pulse.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from perfuse.core.errors import UsageError
from perfuse.nn.weights import fill, read_weights
from perfuse.papers.kdphys.model import Teacher
from perfuse.papers.kdphys.student import Student

NAMES = {
    **{f"ConvBlock{number}.{part}.": f"encoder.{number - 1}.{part}." for number in range(1, 10) for part in (0, 1)},
    **{f"upsample.{part}.": f"decoder.0.{part}." for part in (0, 1)},
    **{f"upsample2.{part}.": f"decoder.1.{part}." for part in (0, 1)},
    "ConvBlock10.": "last.",
}
"""How the names of the checkpoint begin, and how they begin here."""
SIZE, FRAMES = 72, 128
"""What its training saw: pixels a side, frames."""
MARGIN = 1.8
"""Side of its training's crops in boxes of our detector: 1.5 times a Haar cascade's box (measured)."""
REMEDY = "Give the rPPG-Toolbox's PhysNet checkpoint, such as PURE_PhysNet_DiffNormalized.pth."


def load_physnet(path: str | Path, *, rate_hz: float = 30.0) -> Teacher:
    """Return the teacher with published weights, in evaluation mode.

    Parameters
    ----------
    path : str or Path
        A ``.pth`` file, read as weights only: it cannot run code.
    rate_hz : float
        Frames per second of the clips to come; it was trained at 30.

    Raises
    ------
    SourceError
        If the file is missing, cannot be read, or holds another network.
    """
    teacher = Teacher(slope=True, rate_hz=rate_hz)
    fill(teacher, read_weights(path, REMEDY), _renamed, what="PhysNet", remedy=REMEDY)
    return teacher.eval()


def import_published(source: Path, member: str | None = None) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network with published weights, and its card, as export wants them.

    Raises
    ------
    UsageError
        If a member is named: the file is one network.
    SourceError
        As :func:`load_physnet`.
    """
    if member is not None:
        raise UsageError(
            f"The set {member!r} was asked for.", "A PhysNet file holds one network: leave --member out."
        )
    teacher = load_physnet(source)
    window = FRAMES / teacher.rate_hz
    return Student(teacher), {
        "name": "physnet",
        "title": "PhysNet with published weights",
        "paper": "Yu, Li, Zhao: Remote photoplethysmograph signal measurement from facial videos using "
        "spatio-temporal networks. BMVC 2019",
        "licence": "that of the file imported; ask its authors before passing it on",
        "provenance": "paper",
        "deviations": "The answer, a slope, is integrated. Crops follow the face; training kept the first frame's.",
        "limits": f"Trained by others, as the file {source.name} says. No answer from clips under 5 s.",
        "view": {"kind": "crop", "size": SIZE, "rate_hz": teacher.rate_hz, "margin": MARGIN},
        "window_s": window,
        "hop_s": window / 2,
        "min_s": window,
        "band_hz": [0.6, 4.0],
    }


def _renamed(name: str) -> str:
    for theirs, ours in NAMES.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name
