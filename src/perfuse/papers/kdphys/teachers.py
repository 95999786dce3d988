"""Teachers from disk: a training of ours, a bundle exported from one, or PhysNet as others published it."""

from __future__ import annotations

import json
from pathlib import Path

from torch import Tensor

from perfuse.core.errors import SourceError, UsageError
from perfuse.learn.runs import WEIGHTS, bundled_weights, is_run, read_recipe, read_run
from perfuse.papers.kdphys.imported import load_physnet
from perfuse.papers.kdphys.model import Teacher

CARD = "card.json"
REMEDY = "Name the folder of a training with model.network teacher, its bundle, or a PhysNet .pth file."
PREFIX = "network."
"""How the weights of this room's students begin, :class:`perfuse.papers.kdphys.task.Student`."""


def load_teacher(path: str | Path, *, size: int, rate_hz: float = 30.0) -> Teacher:
    """Return a teacher, in evaluation mode.

    Parameters
    ----------
    path : str or Path
        Folder of a training, folder of a bundle with its ``model.safetensors``, or the rPPG-Toolbox's PhysNet
        ``.pth``.
    size : int
        Pixels a side of the clips to come; a teacher of ours must have learnt at that size. PhysNet takes any.
    rate_hz : float
        Frames per second of them; likewise.

    Raises
    ------
    SourceError
        If there is nothing there, or it is damaged.
    UsageError
        If it is another network, or learnt at another size or rate.
    """
    place = Path(path)
    if place.is_file():
        return load_physnet(place, rate_hz=rate_hz)
    if (place / WEIGHTS).is_file():
        state, learnt = _of_bundle(place)
    elif is_run(place):
        state, learnt = _of_run(place)
    else:
        raise SourceError(f"There is no teacher at {place}.", REMEDY)
    if learnt != (size, rate_hz):
        raise UsageError(
            f"The teacher of {place} learnt on {learnt[0]} pixels a side at {learnt[1]:g} Hz, the student takes "
            f"{size} at {rate_hz:g} Hz.",
            "Give the student the teacher's model.size and model.rate_hz, or train a teacher at the student's.",
        )
    return _filled(state, place)


def _filled(state: dict[str, Tensor], place: Path) -> Teacher:
    """Return a teacher of these weights."""
    teacher = Teacher()
    wanted = teacher.state_dict()
    state = {name.removeprefix(PREFIX): value for name, value in state.items()}
    strange = sorted(set(wanted) ^ set(state))
    if strange:
        side = "lacks" if strange[0] in wanted else "has"
        raise UsageError(f"{place} holds another network than the teacher: it {side} {strange[0]}.", REMEDY)
    for name, value in wanted.items():
        if value.shape != state[name].shape:
            raise UsageError(
                f"{name} of {place} is {tuple(state[name].shape)}, of the teacher {tuple(value.shape)}.", REMEDY
            )
    teacher.load_state_dict(state)
    return teacher.eval()


def _of_bundle(folder: Path) -> tuple[dict[str, Tensor], tuple[int, float]]:
    try:
        view = json.loads((folder / CARD).read_text(encoding="utf-8"))["view"]
        learnt = int(view.get("size", 0)), float(view["rate_hz"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{folder} is no whole bundle ({type(error).__name__}).", REMEDY) from error
    return bundled_weights(folder, REMEDY), learnt


def _of_run(folder: Path) -> tuple[dict[str, Tensor], tuple[int, float]]:
    """Return the weights that would be exported from a training, and the size and rate it learnt at."""
    recipe, _ = read_recipe(folder, REMEDY)
    model = recipe["model"]
    if recipe["task"] != "kdphys" or model.get("network") != "teacher":
        told = f"{recipe['task']}, {model['network']}" if "network" in model else recipe["task"]
        raise UsageError(f"{folder} is a training of {told}, and no teacher.", REMEDY)
    return read_run(folder).weights(), (int(model.get("size", SIZE)), float(model.get("rate_hz", RATE_HZ)))


SIZE, RATE_HZ = 36, 30.0
"""The task's own values where a recipe states none."""
