"""Any exported network as a method: it joins the same pipeline as POS.

Everything a network needs is in its bundle (:mod:`perfuse.methods.bundle`); gaps and overlap are those of
:mod:`perfuse.methods.windowed`. Each window goes through the network alone, on one thread: what else is measured, and
how the samples were cut into chunks, cannot change a bit of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, tanh
from os import PathLike
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from perfuse.core.errors import SourceError, UsageError
from perfuse.core.method import Method
from perfuse.core.view import Trace
from perfuse.infer import Model
from perfuse.methods import METHODS
from perfuse.methods.bundle import CARD_FILE, METADATA_KEY, Spec, parse_card, read_files
from perfuse.methods.windowed import Array, windowed

Floats = NDArray[np.float32]

WEIGHTS, PULSE, QUALITY = "weights", "pulse", "quality"

ROUNDING = 1e-6
"""Of the largest value: changes below this are rounding of float32 (6e-8, some operations long), never a pulse."""


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
        if set(self.model.outputs) - {QUALITY} != {PULSE}:
            raise UsageError(
                f"{name} has the outputs {', '.join(self.model.outputs)}.",
                f"Export it with one, called {PULSE!r}, and optionally a second one called {QUALITY!r}.",
            )
        self.colours = colours[0]
        self.weighted = WEIGHTS in self.model.inputs
        self.judges = QUALITY in self.model.outputs

    def __reduce__(self) -> tuple[type[Network], tuple[bytes, str]]:
        return Network, (self.content, self.name)

    @property
    def fixed_length(self) -> int | None:
        """Samples of a window if the graph takes only one length, else None."""
        shape = self.model.inputs[self.colours]
        return shape[1] if len(shape) > 1 and isinstance(shape[1], int) else None

    def run(self, window: Floats) -> tuple[Floats, float | None]:
        """Run one window.

        Parameters
        ----------
        window : ndarray, (L, ..., 3 or 4)
            Red, green, blue and, for a network that takes weights, the weight of each cell.

        Returns
        -------
        pulse : ndarray, (L,)
            Any scale.
        quality : float or None
            Logit of the probability that the pulse is right; None for a network that does not say.

        Raises
        ------
        UsageError
            If the network does not take such a window, or answers something else than (1, L) of float32, and (1,)
            as its quality.
        """
        arrays = {self.colours: np.ascontiguousarray(window[None, ..., :3])}
        if self.weighted:
            arrays[WEIGHTS] = np.ascontiguousarray(window[None, ..., 3])
        try:
            answer = self.model.run(arrays)
        except UsageError as error:
            given = " and ".join(f"{value.shape} for {key!r}" for key, value in arrays.items())
            raise UsageError(f"{self.name} cannot run on {given}, float32.", error.remedy) from error
        self._check(PULSE, "(batch, T)", answer[PULSE], (1, len(window)))
        if self.judges:
            self._check(QUALITY, "(batch,)", answer[QUALITY], (1,))
        return cast("Floats", answer[PULSE][0]), float(cast("Floats", answer[QUALITY])[0]) if self.judges else None

    def _check(self, output: str, axes: str, value: NDArray[np.generic], shape: tuple[int, ...]) -> None:
        if value.shape != shape or value.dtype != np.float32:
            raise UsageError(
                f"{self.name} answers {value.shape}, {value.dtype}, as {output!r} to one window.",
                f"Export it so that {output!r} is {axes} = {shape}, float32.",
            )


@dataclass(frozen=True, slots=True)
class Student:
    """A network and its card: the two functions that :func:`~perfuse.methods.windowed.windowed` lifts to a method."""

    network: Network
    spec: Spec

    def frames(self, values: Floats, weights: Floats | None = None) -> Array:
        """Check samples of the view, and append their weights where the network takes them (ones if there are none).

        Parameters
        ----------
        values : ndarray, (T, ..., 3)
            Red, green, blue.
        weights : ndarray, (T, ...), or None
            Skin weights.

        Returns
        -------
        ndarray, float32, (T, ..., 3 or 4)

        Raises
        ------
        UsageError
            On any other shape.
        """
        if values.shape[1:] != self.spec.frame or (weights is not None and weights.shape != values.shape[:-1]):
            raise UsageError(
                f"Samples of shape {values.shape} were given to {self.spec.card.name!r}"
                f"{'' if weights is None else f', with weights {weights.shape}'}.",
                f"Pass (samples, {', '.join(map(str, self.spec.frame))}), and one weight a cell or none.",
            )
        if self.network.weighted:
            share = np.ones(values.shape[:-1], np.float32) if weights is None else weights
            values = np.concatenate([values, share[..., None]], axis=-1)
        # windowed only copies and cuts these rows; as float64 a crop would take twice the memory for no more digits.
        return cast("Array", values.astype(np.float32, copy=False))

    def pulse(self, windows: Array, rate_hz: float) -> Array:
        """Run each window by itself.

        Parameters
        ----------
        windows : ndarray, (W, L, ..., 3 or 4)
            Rows of :meth:`frames`.
        rate_hz : float
            Must be the view's: the network learnt at no other.

        Returns
        -------
        ndarray, float64, (W, L), or (W, L, 2) for a network that judges itself
            Pulse and trust, 0..1. Zeros for a window in which nothing moves and one whose output is not finite.

        Raises
        ------
        UsageError
            On another rate, or if the network cannot run on windows of L samples.
        """
        if rate_hz != self.spec.view.rate_hz:
            raise UsageError(
                f"Samples at {rate_hz:g} Hz were given to {self.spec.card.name!r}.",
                f"It learnt at {self.spec.view.rate_hz:g} Hz; resample to that.",
            )
        return np.stack([self._estimate(window) for window in cast("Floats", windows)])

    def _estimate(self, window: Floats) -> Array:
        silence = np.zeros((len(window), 2) if self.network.judges else len(window))
        colours = window[..., :3]
        # A network that divides by a spread makes waves of the rounding of a still picture: silence is ours to keep.
        low, high = colours.min(axis=0), colours.max(axis=0)
        if (high - low).max() <= ROUNDING * max(high.max(), -low.min()):
            return silence
        pulse, logit = self.network.run(window)
        samples = pulse.astype(np.float64)
        if not np.isfinite(samples).all() or not isfinite(logit or 0.0):
            return silence
        centred = samples - samples.mean()
        if np.abs(centred).max() <= ROUNDING * np.abs(samples).max():
            return silence
        wave = samples if self.spec.scale == "keep" else np.asarray(centred / centred.std())
        if logit is None:
            return wave
        # the logistic function, by way of tanh: exactly 0 and 1 far out, and no overflow
        return np.stack([wave, np.full(len(wave), 0.5 + 0.5 * tanh(logit / 2))], axis=-1)


def load_bundle(path: str | PathLike[str]) -> Method:
    """Load an exported network as a method.

    Parameters
    ----------
    path : str or path
        A folder with ``model.onnx`` and ``card.json``, or an ONNX file that carries its card: ``docs/models.md``.

    Returns
    -------
    Method
        For :func:`perfuse.measure` and :class:`perfuse.Session`. It can be pickled. If the graph takes windows of one
        length only, shorter stretches give no value whatever ``min_s`` says.

    Raises
    ------
    SourceError
        If there is no bundle, it cannot be read, or its parts do not belong together.
    UsageError
        If the card is not one that this version knows, or the network does not do what its card says.
    """
    content, text, name = read_files(path)
    if text is not None:
        # Before the network is loaded: a broken copy is told as such, not as what onnxruntime makes of it.
        where = str(Path(name).with_name(CARD_FILE))
        spec = parse_card(text, where, content)
        network = Network(content, name)
    else:
        where = f"Property {METADATA_KEY!r} of {name}"
        network = Network(content, name)
        embedded = network.model.metadata.get(METADATA_KEY)
        if embedded is None:
            raise SourceError(
                f"{name} has no card.",
                f"Pass a folder with model.onnx and card.json, or put the card into the property {METADATA_KEY!r}.",
            )
        spec = parse_card(embedded, where, None)
    if spec.card.name in METHODS:
        raise UsageError(
            f"{where} says 'name' is {spec.card.name!r}, which is a method of perfuse.", "Choose another name."
        )
    _rehearse(network, spec)
    student = Student(network, spec)
    return windowed(
        student.pulse,
        card=spec.card,
        view=spec.view,
        window_s=spec.window_s,
        hop_s=spec.hop_s,
        min_s=spec.min_s if network.fixed_length is None else spec.window_s,
        taper=spec.taper,
        per_frame=student.frames,
    )


def _rehearse(network: Network, spec: Spec) -> None:
    """Run noise through the network in the shapes its card promises, so that what does not fit fails now."""
    longest, shortest, fixed = spec.samples(spec.window_s), spec.samples(spec.min_s), network.fixed_length
    if network.weighted and isinstance(spec.view, Trace):
        raise UsageError(
            f"{network.name} takes {WEIGHTS!r}, but traces have none.", "Choose a grid or a crop as view."
        )
    if fixed is not None and fixed != longest:
        raise UsageError(
            f"{network.name} takes windows of {fixed} samples, but its card's window_s × rate_hz gives {longest}.",
            f"Set window_s to {fixed / spec.view.rate_hz:g}.",
        )
    # One sample more than the shortest: no divisor above 1 is common to both, so hidden ones (pooling) come to light.
    lengths = {longest} if fixed is not None else {longest, shortest, min(shortest + 1, longest)}
    for length in sorted(lengths, reverse=True):
        noise = np.random.default_rng(0).uniform(60, 200, (length, *spec.frame)).astype(np.float32)
        window = np.concatenate([noise, np.ones_like(noise[..., :1])], axis=-1) if network.weighted else noise
        try:
            first, second = (np.append(pulse, logit or 0.0) for pulse, logit in map(network.run, (window, window)))
        except UsageError as error:
            if length == longest:
                raise
            raise UsageError(
                f"{network.name} takes windows of {longest} samples but not of {length}, which min_s allows.",
                f"Export it for any length from min_s on, or set min_s to window_s. ({error.problem})",
            ) from error
        if not np.array_equal(first, second, equal_nan=True):
            raise UsageError(
                f"{network.name} gives two answers to one input.",
                "Export it in evaluation mode, without dropout and other chance.",
            )
