"""The ONNX graph of a bundle: names and shapes checked, one window in, what the network says of it out."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import SourceError, UsageError
from perfuse.infer import Model

Floats = NDArray[np.float32]

WEIGHTS, PULSE, QUALITY, ATTENTION = "weights", "pulse", "quality", "attention"
RESPIRATION, RESPIRATION_QUALITY = "respiration", "respiration_quality"
"""Names of inputs and outputs; the input of colours may be called anything."""
OPTIONAL = (QUALITY, ATTENTION, RESPIRATION, RESPIRATION_QUALITY)


class Said(NamedTuple):
    """What a network says about one window."""

    pulse: Floats
    """(L,), any scale."""
    quality: float | None
    """Logit of the probability that the pulse is right; None for a network that does not say."""
    attention: Floats | None
    """(rows, cols) of where it looked; None for a network that does not say."""
    respiration: Floats | None = None
    """(L,), any scale, rises with the volume of the lungs; None for a network that does not say."""
    respiration_quality: float | None = None
    """Logit of the probability that the breathing is right; None for a network that does not say."""


class Network:
    """An ONNX network that can be pickled: the file's content travels, the session is built anew.

    Parameters
    ----------
    content : bytes
        ONNX file.
    name : str
        What to call it in messages.

    Raises
    ------
    SourceError
        If it is not an ONNX network.
    UsageError
        If its inputs and outputs are not those of a bundle.
    """

    def __init__(self, content: bytes, name: str) -> None:
        self.content, self.name = content, name
        try:
            self.model = Model(content)
        except SourceError as error:
            raise SourceError(f"{name} is not an ONNX network that can be loaded.", error.remedy) from error
        colours = [key for key in self.model.inputs if key != WEIGHTS]
        if len(colours) != 1:
            raise UsageError(
                f"{name} has the inputs {', '.join(self.model.inputs) or 'none'}.",
                f"Export it with one input, and optionally a second one called {WEIGHTS!r}.",
            )
        if set(self.model.outputs) - set(OPTIONAL) != {PULSE}:
            others = ", ".join(map(repr, OPTIONAL))
            raise UsageError(
                f"{name} has the outputs {', '.join(self.model.outputs)}.",
                f"Export it with one, called {PULSE!r}, and optionally others called {others}.",
            )
        self.colours = colours[0]
        self.weighted = WEIGHTS in self.model.inputs
        self.judges = QUALITY in self.model.outputs
        self.looks = ATTENTION in self.model.outputs
        self.breathes = RESPIRATION in self.model.outputs
        self.judges_breath = RESPIRATION_QUALITY in self.model.outputs
        if self.judges_breath and not self.breathes:
            raise UsageError(
                f"{name} has the output {RESPIRATION_QUALITY!r} without {RESPIRATION!r}.", "Export both, or neither."
            )

    def __reduce__(self) -> tuple[type[Network], tuple[bytes, str]]:
        return Network, (self.content, self.name)

    @property
    def fixed_length(self) -> int | None:
        """Samples of a window if the graph takes only one length, else None."""
        shape = self.model.inputs[self.colours]
        return shape[1] if len(shape) > 1 and isinstance(shape[1], int) else None

    def run(self, window: Floats) -> Said:
        """Run one window.

        Parameters
        ----------
        window : ndarray, (L, ..., 3 or 4)
            Red, green, blue and, for a network that takes weights, the weight of each cell.

        Returns
        -------
        Said

        Raises
        ------
        UsageError
            If the network does not take such a window, or answers something else than (1, L) of float32 as its waves,
            (1,) as its qualities and (1, rows, cols) as its attention.
        """
        arrays = {self.colours: np.ascontiguousarray(window[None, ..., :3])}
        if self.weighted:
            arrays[WEIGHTS] = np.ascontiguousarray(window[None, ..., 3])
        try:
            answer = self.model.run(arrays)
        except UsageError as error:
            given = " and ".join(f"{value.shape} for {key!r}" for key, value in arrays.items())
            raise UsageError(f"{self.name} cannot run on {given}, float32.", error.remedy) from error
        for wave in (PULSE, RESPIRATION)[: 1 + self.breathes]:
            self._check(wave, "(batch, T)", answer[wave], (1, len(window)))
        for judged, logit in ((self.judges, QUALITY), (self.judges_breath, RESPIRATION_QUALITY)):
            if judged:
                self._check(logit, "(batch,)", answer[logit], (1,))
        if self.looks:
            cells = answer[ATTENTION].shape[1:3] if answer[ATTENTION].ndim == 3 else window.shape[1:3]
            self._check(ATTENTION, "(batch, rows, cols)", answer[ATTENTION], (1, *cells))
        return Said(
            cast("Floats", answer[PULSE][0]),
            float(cast("Floats", answer[QUALITY])[0]) if self.judges else None,
            cast("Floats", answer[ATTENTION][0]) if self.looks else None,
            cast("Floats", answer[RESPIRATION][0]) if self.breathes else None,
            float(cast("Floats", answer[RESPIRATION_QUALITY])[0]) if self.judges_breath else None,
        )

    def _check(self, output: str, axes: str, value: NDArray[np.generic], shape: tuple[int, ...]) -> None:
        if value.shape != shape or value.dtype != np.float32:
            raise UsageError(
                f"{self.name} answers {value.shape}, {value.dtype}, as {output!r} to one window.",
                f"Export it so that {output!r} is {axes} = {shape}, float32.",
            )
