"""Methods that learn nothing, on clips that networks are scored on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfuse.core.method import Method
from perfuse.core.signals import Chunk
from perfuse.synth.batch import Batch


def waves(method: Method, batch: Batch) -> NDArray[np.float64]:
    """Return what a method of mean colours says of grids: of the cells of the middle, half of each side, (B, T)."""
    rows, cols = batch.clip.shape[3:]
    middle = slice(rows // 4, rows - rows // 4), slice(cols // 4, cols - cols // 4)
    said = []
    for clip in np.asarray(batch.clip):
        trace = np.nanmean(clip[:, :, *middle], axis=(2, 3)).T[:, None].astype(np.float32)
        chunk = Chunk(0, batch.rate_hz, trace, np.ones(len(trace), bool), last=True)
        said.append(method.step(method.start(), chunk)[1].samples)
    return np.nan_to_num(np.stack(said).astype(np.float64))
