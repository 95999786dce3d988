"""Weights that others published: read without running code, renamed, and refused where they do not fit."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from perfuse.core.errors import SourceError

NESTED = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params")
"""Under which names checkpoints hold the weights, if they hold more than these."""
WRAPPED = re.compile(r"^(?:module\.|_orig_mod\.)+")
"""What training in parallel, or compiled, puts before the names."""
COUNTED = ("total_ops", "total_params")
"""What tools that count operations leave among the weights."""
MOST = 2**30
"""Numbers in one tensor: far more than any of these networks has."""


def read_weights(path: str | Path, remedy: str, nested: Collection[str] = ()) -> dict[str, Tensor]:
    """Return the named weights of a torch file, without what a wrapper put before their names.

    Parameters
    ----------
    path : str or Path
        A ``.pth`` file, read as weights only: it cannot run code.
    remedy : str
        What to tell whoever gave another file.
    nested : collection of str
        Names beside the usual ones under which the file may hold the weights.

    Raises
    ------
    SourceError
        If the file is missing, cannot be read, or holds no weights.
    """
    if not Path(path).is_file():
        raise SourceError(f"There is no file {path}.", remedy)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise SourceError(
            f"{path} cannot be read as weights of torch: it is something else, and might run code.", remedy
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{path} cannot be read as weights of torch ({type(error).__name__}).", remedy) from error
    for key in (*nested, *NESTED):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not any(isinstance(value, Tensor) for value in content.values()):
        raise SourceError(f"{path} holds no named weights.", remedy)
    found = {WRAPPED.sub("", str(name)): value for name, value in content.items() if isinstance(value, Tensor)}
    found = {name: value for name, value in found.items() if name.rpartition(".")[2] not in COUNTED}
    for name, value in found.items():
        if value.is_meta or value.layout != torch.strided or value.numel() > MOST or value.is_complex():
            raise SourceError(f"{path} holds something else than plain numbers, in {name}.", remedy)
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise SourceError(f"{path} holds weights that are not finite, in {name}.", "Fetch it again.")
    return found


def fill(
    network: nn.Module,
    given: Mapping[str, Tensor],
    renamed: Callable[[str], str],
    *,
    what: str,
    remedy: str,
    kept: Collection[str] = (),
) -> None:
    """Put published weights into a network.

    Parameters
    ----------
    network : nn.Module
        As ours are named.
    given : mapping of str to Tensor
        As theirs are named.
    renamed : callable
        Their name to ours.
    what, remedy : str
        What the network is called, and what to tell whoever gave another; for messages.
    kept : collection of str
        Names of ours that the weights may lack; these stay as they are.

    Raises
    ------
    SourceError
        If a weight is missing, there is one too many, or one has another shape.
    """
    wanted = network.state_dict()
    state = {renamed(name): value for name, value in given.items()}
    state = {name: wanted[name] for name in kept} | state
    missing, strange = sorted(set(wanted) - set(state)), sorted(set(state) - set(wanted))
    if missing or strange:
        found = f"lack {_few(missing)}" if missing else f"hold {_few(strange)}"
        raise SourceError(f"These are no weights of {what}: they {found}.", remedy)
    for name, value in wanted.items():
        if value.shape != state[name].shape:
            shape, other = tuple(state[name].shape), tuple(value.shape)
            raise SourceError(f"These are weights of another {what}: {name} is {shape}, not {other}.", remedy)
        if value.is_floating_point() != state[name].is_floating_point():
            raise SourceError(f"These are no weights of {what}: {name} is of {state[name].dtype}.", remedy)
    network.load_state_dict(state)


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
