"""Videos kept as an array (frames, height, width, 3) of a MATLAB file, read in pieces.

Version 7.3 hands out a few frames at a time. Version 5 interleaves all frames and mostly compresses them whole: the
first frame is complete only at the end. Such a video is read in as many passes as its memory needs.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from perfuse.core.errors import SourceError, UsageError
from perfuse.core.frame import Frame
from perfuse.data.formats.files import WHOLE, opened
from perfuse.data.formats.hdf5 import open_hdf5
from perfuse.data.formats.mat5 import read_part_mat5
from perfuse.data.formats.matlab import is_mat73, outline
from perfuse.video import FrameStream, SourceInfo

BLOCK_BYTES = 1 << 26
"""How much of a video is read at a time, version 7.3."""

PASS_BYTES = 1 << 29
"""How much of a video a pass keeps, version 5: each inflates the whole, so few are better."""

Blocks = Generator[NDArray[Any], None, None]


def open_video(path: Path, names: Sequence[str], rate_hz: float) -> FrameStream:
    """Open a video, frames evenly spaced from 0 s.

    Parameters
    ----------
    path : Path
        The file.
    names : sequence of str
        Names of the variable; the first that is there counts.
    rate_hz : float
        Frames per second.

    Raises
    ------
    SourceError
        If it cannot be read, or is no video. While iterating as well: pixels that are no numbers, a damaged block.
    """
    found = outline(path)
    name = next((name for name in names if name in found), None)
    if name is None:
        raise SourceError(f"{path} has no {' or '.join(names)}.", f"Found are {', '.join(found) or 'no variables'}.")
    (shape, dtype), hdf5 = found[name], is_mat73(path)
    straight = hdf5 and len(shape) == 4 and shape[0] == 3 != shape[-1]  # written without MATLAB's reversal
    shape = shape[::-1] if straight else shape
    if len(shape) != 4 or shape[-1] != 3 or min(shape) < 1 or dtype is None:
        raise SourceError(f"{name} in {path} has the shape {shape}.", "Expected is (frames, height, width, 3).")
    frame_bytes = math.prod(shape[1:]) * dtype.itemsize
    blocks = (
        _hdf5_blocks(path, name, shape[0], frame_bytes, straight=straight)
        if hdf5
        else _mat5_blocks(path, name, shape[0], frame_bytes)
    )
    info = SourceInfo(path.name, "frames", shape[2], shape[1], nominal_rate_hz=rate_hz, frames=shape[0])
    return FrameStream(info, _frames(path, name, blocks, rate_hz), [], blocks.close)


def _frames(path: Path, name: str, blocks: Blocks, rate_hz: float) -> Generator[Frame, None, None]:
    index = 0
    for block in blocks:
        for at in range(len(block)):
            try:
                yield Frame.from_rgb(block[at].copy(), index / rate_hz)  # a view would keep the whole block alive
            except UsageError as error:
                raise SourceError(
                    f"Frame {index} of {name} in {path} is no picture: {error.problem}", error.remedy
                ) from error
            index += 1
        del block


def _mat5_blocks(path: Path, name: str, count: int, frame_bytes: int) -> Blocks:
    passes = -(-count * frame_bytes // PASS_BYTES)
    step = -(-count // passes)
    for start in range(0, count, step):
        with opened(path) as file:
            try:
                block = read_part_mat5(file, name, start, start + step)
            except (ValueError, OSError, MemoryError) as error:
                raise SourceError(f"{name} in {path} cannot be read: {error}.", WHOLE) from error
        yield block
        del block


def _hdf5_blocks(path: Path, name: str, count: int, frame_bytes: int, *, straight: bool) -> Blocks:
    """Yield (T, H, W, 3) pieces; frames are the last axis of the file, or the first if it was written straight."""
    with open_hdf5(path) as file:
        values = file[name]
        step = max(1, BLOCK_BYTES // frame_bytes)
        chunk = values.chunks[0 if straight else -1] if values.chunks else 1
        step = max(step // chunk, 1) * chunk if step >= chunk else step
        for start in range(0, count, step):
            if straight:
                yield values[start : start + step]
            else:
                yield values[..., start : start + step].transpose(3, 2, 1, 0)
