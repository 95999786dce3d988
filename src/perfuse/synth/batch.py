"""Batches: clips side by side, and everything that is true about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perfuse.synth.scene.layer import Array, as_like
from perfuse.synth.settings import Settings


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """B clips and everything that is true about them.

    Attributes
    ----------
    clip : array, float32, (B, 3, T, H, W)
        Red, green, blue, 0 to 255, as :mod:`perfuse.clip` would cut them from a video.
    pulse : array, float32, (B, T)
        Blood volume of the face, rising with volume, peak to peak about 1; 0 where nothing beats.
    contact : array, float32, (B, T)
        What a contact sensor wrote, with the faults of its domain; 0 where nothing arrived.
    contact_valid : array, bool, (B, T)
        Where something did.
    respiration : array, float32, (B, T)
        Lung volume, 0 at rest and about 1 after a normal inspiration.
    radar : array, float32, (B, 10, T), or None
        I and Q of five range bins, 30 a second.
    heart_rate, respiratory_rate : array, float32, (B,)
        Means over the clip, per minute; NaN where nothing beats or breathes.
    rate_hz : float
        Frames per second of all series.
    items : ndarray, int64, (B,)
        Numbers of the clips in the stream.
    settings : tuple of Settings
        Everything else: domain, skin tone, radar quality, fault of the label, whether it is alive.
    taught : mapping of arrays, (B, T) or (B, T, h, w), or None
        What a teacher said of the clips beforehand, by name.
    """

    clip: Array
    pulse: Array
    contact: Array
    contact_valid: Array
    respiration: Array
    radar: Array
    heart_rate: Array
    respiratory_rate: Array
    rate_hz: float
    items: NDArray[np.int64]
    settings: tuple[Settings, ...]
    taught: Mapping[str, Array] | None = None

    def to(self, like: Array) -> Batch:
        """Return the batch with its arrays of the kind and on the device of an array."""
        others = ("items", "settings", "rate_hz", "taught")
        own: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in others}
        moved: dict[str, Any] = {name: None if a is None else as_like(a, like) for name, a in own.items()}
        taught = None if self.taught is None else {name: as_like(a, like) for name, a in self.taught.items()}
        return replace(self, **moved, taught=taught)
