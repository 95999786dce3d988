"""A teacher that others trained: PhysNet's weights as the rPPG-Toolbox publishes them.

The file is not part of the project. It answers with the slope of the pulse, on faces of 72 x 72 pixels, 128 frames at
a time at 30 Hz; here its answer is integrated, so it teaches a pulse.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor

from perfuse.core.errors import SourceError
from perfuse.papers.kdphys.model import Teacher

NAMES = {
    **{f"ConvBlock{number}.{part}.": f"encoder.{number - 1}.{part}." for number in range(1, 10) for part in (0, 1)},
    **{f"upsample.{part}.": f"decoder.0.{part}." for part in (0, 1)},
    **{f"upsample2.{part}.": f"decoder.1.{part}." for part in (0, 1)},
    "ConvBlock10.": "last.",
}
"""How the names of the checkpoint begin, and how they begin here."""
SIZE, FRAMES = 72, 128
"""What its training saw: pixels a side, frames."""
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
    given = _read(Path(path))
    teacher = Teacher(slope=True, rate_hz=rate_hz)
    wanted = teacher.state_dict()
    state = {_renamed(name.removeprefix("module.")): value for name, value in given.items()}
    missing, strange = sorted(set(wanted) - set(state)), sorted(set(state) - set(wanted))
    if missing or strange:
        what = f"lacks {_few(missing)}" if missing else f"holds {_few(strange)}"
        raise SourceError(f"{path} is not a PhysNet checkpoint: it {what}.", REMEDY)
    for name, value in wanted.items():
        if value.shape != state[name].shape:
            shape, other = tuple(state[name].shape), tuple(value.shape)
            raise SourceError(f"{path} is a PhysNet of another width: {name} is {shape}, not {other}.", REMEDY)
    teacher.load_state_dict(state)
    return teacher.eval()


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise SourceError(f"There is no file {path}.", REMEDY)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise SourceError(f"{path} cannot be read as weights of torch ({type(error).__name__}).", REMEDY) from error
    for key in ("state_dict", "model_state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise SourceError(f"{path} holds no named weights.", REMEDY)
    return {str(name): value for name, value in content.items()}


def _renamed(name: str) -> str:
    for theirs, ours in NAMES.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
