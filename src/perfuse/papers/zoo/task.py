"""How the published networks learn here: from labels alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from perfuse.core.errors import UsageError, one_of
from perfuse.core.view import Crop, Grid
from perfuse.nn.losses import supervised
from perfuse.papers.zoo.model import NETWORKS
from perfuse.synth.batch import Batch

WINDOW = 128
"""Frames of an exported network's window. ASSUMED: one training clip; the Toolbox takes 180."""
DEVIATIONS = "The slope is integrated within the network and judged as a pulse; "
CARDS = {
    "ts-can": {
        "title": "TS-CAN: attention on looks, shifted change",
        "paper": "Liu, Fromm, Patel, McDuff: Multi-task temporal shift attention networks for on-device contactless "
        "vitals measurement. NeurIPS 2020",
        "deviations": f"{DEVIATIONS}shifts run over the whole clip, not over pieces of ten or twenty frames.",
    },
    "deepphys": {
        "title": "DeepPhys: attention on looks, change frame by frame",
        "paper": "Chen, McDuff: DeepPhys: Video-based physiological measurement using convolutional attention "
        "networks. ECCV 2018",
        "deviations": f"{DEVIATIONS[:-2]}.",
    },
    "efficientphys-c": {
        "title": "EfficientPhys-C: attention on itself, learnt scale",
        "paper": "Liu, Hill, Jiang, Patel, McDuff: EfficientPhys: Enabling simple, fast and accurate camera-based "
        "cardiac measurement. WACV 2023",
        "deviations": f"{DEVIATIONS}clips are standardised first, and shifts run over the whole clip.",
    },
}


class ZooTask:
    """See :class:`perfuse.learn.task.Task`.

    Parameters
    ----------
    network : str
        Of :data:`perfuse.papers.zoo.model.NETWORKS`.
    size, rate_hz
        The view: pixels a side, frames per second.

    Raises
    ------
    UsageError
        If the network is unknown, or the pictures are too small for it.
    """

    name = "zoo"
    needs = frozenset({"pulse"})

    def __init__(self, *, network: str = "ts-can", size: int = 36, rate_hz: float = 30.0) -> None:
        one_of("network", network, NETWORKS)
        self.network = network
        self.view: Grid | Crop = Crop(size, rate_hz)
        self.student: nn.Module = NETWORKS[network](size, rate_hz)
        self.helpers: nn.Module = nn.Module()
        self.weights: Mapping[str, float] = {"pearson": 1.0, "mse": 0.0, "spectrum": 0.0}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return those of ``pearson``, ``mse`` and ``spectrum`` that have a weight, means over clips with a pulse."""
        wanted = {name for name, weight in self.weights.items() if weight}
        if not wanted:
            raise UsageError("All weights of the losses are 0.", f"Give one of them more: {', '.join(self.weights)}.")
        pulse = self.student(batch.clip)["pulse"]
        return supervised(pulse, batch.pulse, batch.heart_rate, wanted, rate_hz=batch.rate_hz)

    def card(self) -> dict[str, Any]:
        """Return the card."""
        view = self.view
        assert isinstance(view, Crop)
        window = WINDOW / view.rate_hz
        return {
            "name": self.network,
            **CARDS[self.network],
            "licence": "Apache-2.0",
            "provenance": "paper",
            "limits": "Learnt on simulated people alone. No rate from clips under 5 s.",
            "view": {"kind": "crop", "size": view.size, "rate_hz": view.rate_hz},
            "window_s": window,
            "hop_s": window / 2,
            "min_s": 3.0,
            "band_hz": [0.6, 4.0],
        }
