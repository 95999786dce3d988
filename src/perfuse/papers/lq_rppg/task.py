"""How LQ-rPPG's network learns: from labels rounded to 1, 2, ... bits, coarse to fine; from others, to compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError, one_of
from perfuse.core.view import Crop, Grid
from perfuse.nn.losses import batch_mean, has_pulse, negative_pearson
from perfuse.nn.trust import Trust, right
from perfuse.papers.lq_rppg.labels.fitted import code_books
from perfuse.papers.lq_rppg.labels.prepare import HOUSE_BAND_HZ, KINDS, PAPER_BAND_HZ, prepared, standard
from perfuse.papers.lq_rppg.model import C2F, FRAMES, view_of
from perfuse.papers.lq_rppg.objective import (
    HOUSE_BAND,
    PAPER_BAND,
    code_cross_entropy,
    frequency_cross_entropy,
)
from perfuse.synth.batch import Batch

TARGETS = ("multibit", "quantised", "bandpassed", "raw")
"""What is learnt: the label rounded at every level; at the last alone; not rounded; not even filtered."""
WEIGHTS = {"codes": 1.0, "pearson": 0.2, "frequency": 1.0, "quality": 0.2}
"""Of the losses: the authors', but for quality, which is ours."""
BANDS = {"paper": (PAPER_BAND_HZ, PAPER_BAND), "house": (HOUSE_BAND_HZ, HOUSE_BAND)}
"""Band of labels in Hz, and of the spectral loss per minute."""


class Student(nn.Module):
    """The paper's network, and beside it a head that says when to believe it; only ``network`` is the paper's."""

    def __init__(self, network: nn.Module, trust: Trust | None) -> None:
        super().__init__()
        self.network = network
        self.trust = trust

    def forward(self, clip: Tensor) -> dict[str, Tensor]:
        """Return ``pulse`` (B, T), and with a head ``quality`` (B,), a logit."""
        return self.levels(clip)[2]

    def levels(self, clip: Tensor) -> tuple[list[Tensor], list[Tensor], dict[str, Tensor]]:
        """Return what each level said, its soft reconstruction, each (B, T), and the answer."""
        z, r = self.network.levels(clip)  # type: ignore[operator]
        answer = {"pulse": standard(r[-1])}
        if self.trust is not None:
            answer["quality"] = self.trust(clip, r)
        return z, r, answer


class LqTask:
    """See :class:`perfuse.learn.task.Task`.

    Parameters
    ----------
    stem, mixer : str
        Of the network, see :mod:`perfuse.papers.lq_rppg.model`.
    size, rate_hz
        The view: pixels or cells a side (0 is what the stem was made for), frames per second.
    n_bits : int
        Bits of the finest level, 1 to 6; the network has as many levels.
    target : str
        Of :data:`TARGETS`. Where nothing is rounded the loss ``codes`` has no meaning, and no weight.
    quantiser : {"lloyd", "learned", "uniform"}
        How code books are found, see :func:`perfuse.papers.lq_rppg.labels.fitted.code_books`.
    label : {"pulse", "contact"}
        The face's own pulse, or what a sensor on a finger wrote of it, with its faults.
    band : {"house", "paper"}
        Of labels and spectral loss: all rates that this project measures, or 45 to 150 a minute.
    log_power : bool
        Spectral loss with logarithms, see :func:`perfuse.papers.lq_rppg.objective.frequency_cross_entropy`.
    trust : bool
        Whether the student gets a head for ``quality``.
    books_seed : int
        Of the simulated labels that code books are fitted to, and of learned ones.
    window : int
        Frames of an exported network's window; its judge should have seen clips of that length.

    Raises
    ------
    UsageError
        If one of them is unknown or out of range.
    """

    name = "lq_rppg"
    needs = frozenset({"pulse"})

    def __init__(
        self,
        *,
        stem: str = "paper",
        mixer: str = "mamba",
        size: int = 0,
        rate_hz: float = 30.0,
        n_bits: int = 5,
        target: str = "multibit",
        quantiser: str = "lloyd",
        label: str = "pulse",
        band: str = "house",
        log_power: bool = False,
        trust: bool = True,
        books_seed: int = 0,
        window: int = FRAMES,
    ) -> None:
        one_of("target", target, TARGETS)
        one_of("label", label, KINDS)
        one_of("band", band, list(BANDS))
        self.target, self.label, self.quantiser, self.log_power = target, label, quantiser, log_power
        self.stem, self.mixer, self.n_bits, self.window = stem, mixer, n_bits, window
        self.band_hz, self.rates = BANDS[band]
        self.band = band
        self.view: Grid | Crop = view_of(stem, size, rate_hz)
        self.books = code_books(quantiser, n_bits, kind=label, rate_hz=rate_hz, band_hz=self.band_hz, seed=books_seed)
        network = C2F(stem, mixer, n_bits=n_bits)
        network.set_codebooks([book.get_buffer("levels") for book in self.books])
        self.student: nn.Module = Student(network, Trust(n_bits, rate_hz=rate_hz) if trust else None)
        self.helpers: nn.Module = nn.ModuleDict({"books": self.books})
        rounds = target in ("multibit", "quantised")
        self.weights: Mapping[str, float] = WEIGHTS | ({} if rounds else {"codes": 0.0})
        if not trust:
            self.weights = {**self.weights, "quality": 0.0}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the losses that have a weight, and ``right``, the share of right answers among clips with a pulse.

        ``codes``, ``pearson`` and ``frequency`` are sums over the levels that are judged, and means over the clips
        whose label can be used: that is a number at every sample, arrived, and moves. ``quality`` is over all clips.

        Raises
        ------
        UsageError
            If none has a weight, or one that this task cannot give.
        """
        wanted = {name for name, weight in self.weights.items() if weight}
        if not wanted:
            raise UsageError("All weights of the losses are 0.", f"Give one of them more: {', '.join(self.weights)}.")
        if "codes" in wanted and self.target in ("bandpassed", "raw"):
            raise UsageError(
                f"The loss codes has a weight, but the target {self.target} is not rounded.",
                "Give it none, or choose the target multibit or quantised.",
            )
        z, r, answer = self.student.levels(batch.clip)  # type: ignore[operator]
        found = self._judged(z, r, batch, wanted) if wanted - {"quality"} else {}
        correct = right(answer["pulse"], batch)
        if "quality" in wanted:
            if "quality" not in answer:
                raise UsageError("The loss quality has a weight, but there is no head.", "Set model.trust=true.")
            found["quality"] = functional.binary_cross_entropy_with_logits(answer["quality"], correct)
        return {**found, "right": batch_mean(correct, torch.isfinite(batch.heart_rate))}

    def _judged(self, z: list[Tensor], r: list[Tensor], batch: Batch, wanted: set[str]) -> dict[str, Tensor]:
        """Return the losses of the levels that are judged; the network's last levels, if not all."""
        waves, index, used = self.targets(batch)
        judged = len(waves)
        books: Sequence[Any] = list(self.books)[-judged:]
        z, r = z[-judged:], r[-judged:]
        how: dict[str, Any] = {"rate_hz": batch.rate_hz, "band": self.rates, "log_power": self.log_power}
        found: dict[str, list[Tensor]] = {}
        if "codes" in wanted:
            each = zip(z, books, index, strict=True)
            found["codes"] = [code_cross_entropy(said, book.levels, code) for said, book, code in each]
        if "pearson" in wanted:
            found["pearson"] = [negative_pearson(said, wave) for said, wave in zip(r, waves, strict=True)]
        if "frequency" in wanted:
            pairs = zip(r, waves, strict=True)
            found["frequency"] = [frequency_cross_entropy(said, wave, **how) for said, wave in pairs]
        return {name: batch_mean(torch.stack(parts).sum(0), used) for name, parts in found.items()}

    def targets(self, batch: Batch) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Return what the judged levels should say, the last of the network's levels last.

        Returns
        -------
        list of Tensor, (B, T)
            One for each level that is judged: all with the target ``multibit``, or the last alone.
        list of Tensor, int64, (B, T)
            Its codes; empty where the target is not rounded.
        Tensor, bool, (B,)
            Clips whose label can be used.
        """
        if self.label == "contact":
            label, used = batch.contact, has_pulse(batch.contact) & batch.contact_valid.all(1)
        else:
            label, used = batch.pulse, has_pulse(batch.pulse)
        label = torch.where(used[:, None], label, 0.0)
        if self.target == "raw":
            return [standard(label)], [], used
        label = prepared(label, batch.rate_hz, self.band_hz)
        used = used & has_pulse(label)
        if self.target == "bandpassed":
            return [label], [], used
        books: Sequence[Any] = list(self.books)[-1 if self.target == "quantised" else 0 :]
        rounded = [book.encode(label) for book in books]
        return [wave for wave, _ in rounded], [index for _, index in rounded], used

    def card(self) -> dict[str, Any]:
        """Return the card."""
        view = self.view
        seen: dict[str, Any] = (
            {"kind": "grid", "rows": view.rows, "cols": view.cols}
            if isinstance(view, Grid)
            else {"kind": "crop", "size": view.size}
        )
        window = self.window / view.rate_hz
        return {
            "name": "lq-rppg",
            "title": f"LQ-rPPG: labels of 1 to {self.n_bits} bits, coarse to fine ({self.stem}, {self.mixer})",
            "paper": "Lee, Noh, Sung, Myung: LQ-rPPG: A label-quantized coarse-to-fine learning framework for remote "
            "physiological measurement. arXiv 2605.23174, 2026",
            "licence": "Apache-2.0",
            "provenance": "paper",
            "deviations": self._deviations(),
            "limits": "Learnt on simulated people alone. No rate from clips under 5 s.",
            "view": seen | {"rate_hz": view.rate_hz},
            "window_s": window,
            "hop_s": window / 2,
            "min_s": 3.0,
            "band_hz": [0.6, 4.0],
        }

    def _deviations(self) -> str:
        """Say honestly what is the paper's and what is not."""
        told = [
            "Published architecture, rebuilt from the authors' release (the text of the paper could not be had), "
            "trained here on simulated people"
        ]
        if self.stem != "paper":
            told.append(f"the stem {self.stem} in the place of theirs")
        if self.mixer != "mamba":
            told.append(f"{self.mixer} in the place of Mamba")
        if self.quantiser != "learned":
            told.append(f"code books by {'Lloyd-Max' if self.quantiser == 'lloyd' else 'even steps'}")
        if self.target != "multibit":
            told.append(f"target {self.target}")
        if self.band != "paper":
            told.append("labels of 0.6 to 4 Hz, not 0.75 to 2.5")
        if self.weights.get("quality"):
            told.append("the quality head is ours")
        return "; ".join(told) + "."
