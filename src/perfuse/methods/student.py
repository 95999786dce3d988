"""Any exported network as a method: it joins the same pipeline as POS.

Everything a network needs is in its bundle (:mod:`perfuse.methods.bundle`); gaps and overlap are those of
:mod:`perfuse.methods.windowed`. Each window goes through the network alone, on one thread: what else is measured, and
how the samples were cut into chunks, cannot change a bit of the answer.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from math import isfinite, tanh
from os import PathLike
from pathlib import Path
from typing import cast

import numpy as np

from perfuse.core.errors import SourceError, UsageError
from perfuse.core.method import Method
from perfuse.core.signals import Attention
from perfuse.core.view import Grid, Trace
from perfuse.methods import METHODS
from perfuse.methods.bundle import CARD_FILE, LARGEST_SIDE, METADATA_KEY, Spec, parse_card, read_files
from perfuse.methods.columns import PULSE, RESPIRATION, RESPIRATION_TRUST, TRUST
from perfuse.methods.network import ATTENTION, WEIGHTS, Floats, Network, Said
from perfuse.methods.windowed import Array, windowed

SUM_TOLERANCE = 1e-3
"""An attention map sums to 1, but for the rounding of 32 bits over a large picture."""

ROUNDING = 1e-6
"""Of the largest value: changes below this are rounding of float32 (6e-8, some operations long), never a pulse."""

TRUST_OF = {PULSE: TRUST, RESPIRATION: RESPIRATION_TRUST}


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

    def pulse(self, windows: Array, rate_hz: float) -> tuple[Array, Attention | None]:
        """Run each window by itself.

        Parameters
        ----------
        windows : ndarray, (W, L, ..., 3 or 4)
            Rows of :meth:`frames`.
        rate_hz : float
            Must be the view's: the network learnt at no other.

        Returns
        -------
        estimates : ndarray, float64, (W, L), or (W, L, K) for a network that says more than a pulse
            The columns of :attr:`names`; trust is 0..1. Zeros for a window in which nothing moves, and for a pulse or
            a breathing that is not finite or does not change.
        attention : Attention or None
            Where it looked in the windows that are not silent.

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
        estimates, looks = zip(*(self._estimate(window) for window in cast("Floats", windows)))
        return np.stack(estimates), Attention.join(looks)

    @property
    def names(self) -> tuple[str, ...]:
        """What is said of each sample, see :mod:`perfuse.methods.columns`."""
        net = self.network
        said = {PULSE: True, TRUST: net.judges, RESPIRATION: net.breathes, RESPIRATION_TRUST: net.judges_breath}
        return tuple(name for name, is_said in said.items() if is_said)

    def _estimate(self, window: Floats) -> tuple[Array, Attention | None]:
        names, count = self.names, len(window)
        told = np.zeros((count, len(names)) if len(names) > 1 else count)
        colours = window[..., :3]
        # A network that divides by a spread makes waves of the rounding of a still picture: silence is ours to keep.
        low, high = colours.min(axis=0), colours.max(axis=0)
        if (high - low).max() <= ROUNDING * max(high.max(), -low.min()):
            return told, None
        said = self.network.run(window)
        pulse, breath = self._wave(said.pulse, said.quality), self._wave(said.respiration, said.respiration_quality)
        attention = None if pulse is None or said.attention is None else Attention.of(said.attention)
        if len(names) == 1:
            return (told if pulse is None else pulse), attention
        for wave, logit, at in ((pulse, said.quality, PULSE), (breath, said.respiration_quality, RESPIRATION)):
            if wave is None:
                continue
            told[:, names.index(at)] = wave
            if logit is not None:
                # the logistic function, by way of tanh: exactly 0 and 1 far out, and no overflow
                told[:, names.index(TRUST_OF[at])] = 0.5 + 0.5 * tanh(logit / 2)
        return told, attention

    def _wave(self, said: Floats | None, logit: float | None) -> Array | None:
        """Return what goes into the overlap; None for silence."""
        if said is None or not isfinite(logit or 0.0):
            return None
        samples = said.astype(np.float64)
        if not np.isfinite(samples).all():
            return None
        centred = samples - samples.mean()
        if np.abs(centred).max() <= ROUNDING * np.abs(samples).max():
            return None
        return samples if self.spec.scale == "keep" else np.asarray(centred / centred.std())


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
        If the card is not one that this version knows, or the network does not do what its card says, or it has the
        name of a method of perfuse: a result must tell which of the two gave it.
    """
    method = open_bundle(path)
    if method.card.name in METHODS:
        raise UsageError(
            f"The card of {path} says 'name' is {method.card.name!r}, which is a method of perfuse.",
            "Choose another name: perfuse export RUN BUNDLE --name NAME.",
        )
    return method


def open_bundle(path: str | PathLike[str], *, rehearse: bool = True) -> Method:
    """Load a bundle whatever its name: those that ship with perfuse are the methods of their names.

    Parameters
    ----------
    path : str or path
        As for :func:`load_bundle`; returns and errors too, but for the name.
    rehearse : bool
        Prove first that the network takes and gives what its card says. Networks that ship were proven by the tests.
    """
    content, text, name = read_files(path)
    if text is not None:
        # Before the network is loaded: a broken copy is told as such, not as what onnxruntime makes of it.
        spec = parse_card(text, str(Path(name).with_name(CARD_FILE)), content)
        network = Network(content, name)
    else:
        network = Network(content, name)
        embedded = network.model.metadata.get(METADATA_KEY)
        if embedded is None:
            raise SourceError(
                f"{name} has no card.",
                f"Pass a folder with model.onnx and card.json, or put the card into the property {METADATA_KEY!r}.",
            )
        spec = parse_card(embedded, f"Property {METADATA_KEY!r} of {name}", None)
        spec = replace(spec, card=replace(spec.card, sha256=hashlib.sha256(content).hexdigest()))
    if network.breathes != (RESPIRATION in spec.card.outputs):
        raise UsageError(
            f"The card of {name} says 'outputs' is {json.dumps(spec.card.outputs)}; the network "
            f"{'also gives' if network.breathes else 'does not give'} {RESPIRATION!r}.",
            "Let the card say what the network gives.",
        )
    if rehearse:
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
        names=student.names,
    )


def _rehearse(network: Network, spec: Spec) -> None:
    """Run noise through the network in the shapes its card promises, so that what does not fit fails now."""
    longest, shortest, fixed = spec.samples(spec.window_s), spec.samples(spec.min_s), network.fixed_length
    if network.weighted and isinstance(spec.view, Trace):
        raise UsageError(
            f"{network.name} takes {WEIGHTS!r}, but traces have none.", "Choose a grid or a crop as view."
        )
    if network.looks and isinstance(spec.view, Trace):
        raise UsageError(
            f"{network.name} tells its {ATTENTION!r}, but a trace has no places.", "Choose a grid or a crop as view."
        )
    if fixed is not None and fixed != longest:
        raise UsageError(
            f"{network.name} takes windows of {fixed} samples, but its card's window_s × rate_hz gives {longest}.",
            f"Set window_s to {fixed / spec.view.rate_hz:g}.",
        )
    # One sample more than the shortest: no divisor above 1 is common to both, so hidden ones (pooling) come to light.
    lengths = {longest} if fixed is not None else {longest, shortest, min(shortest + 1, longest)}
    shape: tuple[int, ...] | None = None
    for length in sorted(lengths, reverse=True):
        noise = np.random.default_rng(0).uniform(60, 200, (length, *spec.frame)).astype(np.float32)
        window = np.concatenate([noise, np.ones_like(noise[..., :1])], axis=-1) if network.weighted else noise
        try:
            said, again = network.run(window), network.run(window)
        except UsageError as error:
            if length == longest:
                raise
            raise UsageError(
                f"{network.name} takes windows of {longest} samples but not of {length}, which min_s allows.",
                f"Export it for any length from min_s on, or set min_s to window_s. ({error.problem})",
            ) from error
        if not all(np.array_equal(one, two, equal_nan=True) for one, two in zip(_plain(said), _plain(again))):
            raise UsageError(
                f"{network.name} gives two answers to one input.",
                "Export it in evaluation mode, without dropout and other chance.",
            )
        if said.attention is not None:
            shape = _check_attention(network.name, said.attention, spec, shape)


def _plain(said: Said) -> list[Floats]:
    return [np.asarray(0 if part is None else part, np.float32) for part in said]


def _check_attention(name: str, share: Floats, spec: Spec, shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """Refuse a map that is none, or whose shape is not that of the grid or of the other windows; return its shape."""
    wanted = spec.frame[:2] if isinstance(spec.view, Grid) else shape or share.shape
    if share.shape != wanted or not share.size or max(share.shape) > LARGEST_SIDE:
        raise UsageError(
            f"{name} answers {ATTENTION!r} of {share.shape} cells.",
            f"Export it with those of its view, the same for windows of any length: {spec.frame[:2]} at most.",
        )
    if not (share.min() >= 0 and abs(float(share.sum(dtype=np.float64)) - 1) <= SUM_TOLERANCE):
        raise UsageError(
            f"{name} answers {ATTENTION!r} from {share.min():.3g} up, with the sum {share.sum():.3g}.",
            "Export it so that no cell is negative and all add up to 1.",
        )
    return share.shape
