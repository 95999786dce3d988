"""How KDPhys-style networks learn: from labels by DILATE and others, and from a 3-D teacher. RECONSTRUCTED."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError, one_of
from perfuse.core.view import Crop, Grid
from perfuse.nn.dilate import ALPHA, BAND, GAMMA, dilate
from perfuse.nn.frozen import Frozen
from perfuse.nn.losses import batch_mean, has_pulse, standardised, supervised
from perfuse.nn.trust import Trust, right
from perfuse.papers.kdphys.distil import (
    Hint,
    agreement,
    attention_transfer,
    imitation,
    lesson_map,
    temporal_profile,
)
from perfuse.papers.kdphys.model import NETWORKS, Taps
from perfuse.papers.kdphys.student import Student
from perfuse.papers.kdphys.teachers import RATE_HZ, SIZE, load_teacher
from perfuse.synth.batch import Batch

ALONE = {"dilate": 1.0, "pearson": 0.2, "mse": 0.0, "spectrum": 0.0}
"""Weights of what labels teach. ASSUMED, like all of them."""
DOUBT = 0.2
"""Weight of the loss ``quality``, where there is a judge; no gradient of it reaches the network."""
TAUGHT = {"attention": 1.0, "profile": 0.2, "imitation": 0.5, "hint": 0.0}
"""Weights of what the teacher teaches; with a hint it takes the place of attention."""
WINDOW = 128
"""Frames of an exported network's window where nothing else is said: one training clip."""
FORM = "1"
"""Of lessons; to be raised when what they hold changes."""


class KdphysTask:
    """See :class:`perfuse.learn.task.Task` and :class:`perfuse.learn.task.Taught`.

    Parameters
    ----------
    network : str
        What learns, of :data:`perfuse.papers.kdphys.model.NETWORKS`; the teacher itself among them.
    size, rate_hz
        The view: pixels a side, frames per second.
    teacher : str
        Who teaches, see :func:`perfuse.papers.kdphys.teachers.load_teacher`; empty for nobody.
    hint : bool
        Whether features are copied where the teacher looks, in the place of attention.
    trust : bool
        Whether a judge is trained beside the network, see :mod:`perfuse.nn.trust`; it wants clips without a pulse.
    norm : {"clip", "frame"}
        How attention is normalised.
    alpha, gamma, band
        Of DILATE; the band is in frames.
    lag_s : float
        Delay of the label that the loss ``pearson`` forgives.
    window : int
        Frames of an exported network's window; its judge should have seen clips of that length.

    Raises
    ------
    UsageError
        If the network is unknown or cannot see pictures of this size, or the teacher does not fit.
    SourceError
        If the teacher cannot be read.
    """

    name = "kdphys"
    needs = frozenset({"pulse"})

    def __init__(
        self,
        *,
        network: str = "student-a",
        size: int = SIZE,
        rate_hz: float = RATE_HZ,
        teacher: str = "",
        hint: bool = False,
        trust: bool = False,
        norm: str = "clip",
        alpha: float = ALPHA,
        gamma: float = GAMMA,
        band: int | None = BAND,
        lag_s: float = 0.0,
        window: int = WINDOW,
    ) -> None:
        one_of("network", network, NETWORKS)
        self.network, self.norm, self.lag_s, self.window = network, norm, lag_s, window
        self.alpha, self.gamma, self.band = alpha, gamma, band
        self.view: Grid | Crop = Crop(size, rate_hz)
        speaker = Student(NETWORKS[network](), Trust(1, rate_hz=rate_hz) if trust else None)
        self.student: nn.Module = speaker
        seen = _taps(speaker, size)
        self.grids = [(tap.shape[3], tap.shape[4]) for tap in seen]
        self.weights: Mapping[str, float] = ALONE | dict.fromkeys(TAUGHT, 0.0)
        self.teacher = Frozen(load_teacher(teacher, size=size, rate_hz=rate_hz)) if teacher else None
        self.hint: Hint | None = None
        if self.teacher is not None:
            self.weights = ALONE | TAUGHT | ({"attention": 0.0, "hint": 1.0} if hint else {})
        self.weights = {**self.weights, "quality": DOUBT if trust else 0.0}
        if hint:
            shown = _taps(self._asked("a hint"), size)[-len(seen) :]
            self.hint = Hint([tap.shape[1] for tap in seen], [tap.shape[1] for tap in shown])
        named = {"teacher": self.teacher, "hint": self.hint}
        self.helpers: nn.Module = nn.ModuleDict({name: part for name, part in named.items() if part is not None})

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the losses that have a weight now, each the mean over clips with a pulse, and told ``trust``.

        Raises
        ------
        UsageError
            If none has, or one of them lacks its teacher, its hint, or features where only lessons came.
        """
        wanted = {name for name, weight in self.weights.items() if weight}
        if not wanted:
            raise UsageError("All weights of the losses are 0.", f"Give one of them more: {', '.join(self.weights)}.")
        pulse, taps = self.student.features(batch.clip)  # type: ignore[operator]
        beats, rate_hz = has_pulse(batch.pulse), batch.rate_hz
        found = supervised(pulse, batch.pulse, batch.heart_rate, wanted, rate_hz=rate_hz, lag_s=self.lag_s)
        if "dilate" in wanted:
            far = dilate(pulse, batch.pulse, alpha=self.alpha, gamma=self.gamma, band=self.band)
            found["dilate"] = batch_mean(far, beats)
        if wanted & set(TAUGHT):
            found |= self._taught(batch, pulse, taps, wanted)
        if "quality" in wanted:
            found |= self._doubt(batch, pulse)
        return found

    def lesson(self, clip: Tensor) -> dict[str, Tensor]:
        """Return what the teacher says of clips (B, 3, T, H, W); half precision can hold it.

        Returns
        -------
        dict
            ``pulse`` (B, T), standardised; ``map0`` and on, (B, T, h, w), one for each of the student's taps, on a
            grid no finer than the tap's: sections 1 and 2 of :mod:`perfuse.papers.kdphys.distil`.
        """
        return self._lesson(*self._asked("lessons").features(clip))

    def lesson_key(self) -> str:
        """Return a hash of the teacher's weights and all else that decides lessons."""
        teacher = self._asked("lessons").network
        about = (FORM, self.grids, teacher.slope, teacher.limit, teacher.rate_hz)
        mark = hashlib.sha256(repr(about).encode())
        for name, value in teacher.state_dict().items():
            mark.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        return mark.hexdigest()[:20]

    def card(self) -> dict[str, Any]:
        """Return the card. The teacher takes windows of one length: ``min_s`` is ``window_s``, see export."""
        view = self.view
        assert isinstance(view, Crop)
        window = self.window / view.rate_hz
        return {
            "name": f"kdphys-{self.network}",
            "title": f"KDPhys-style {self.network}: a 3-D network teaches a 2-D one",
            "paper": "Sahoo et al.: KDPhys: An attention guided 3D to 2D knowledge distillation for real-time "
            "video-based physiological measurement. Biomed. Signal Process. Control 107, 107797, 2025",
            "licence": "Apache-2.0",
            "provenance": "reconstructed",
            "deviations": "Only the abstract could be read: layers, taps, losses, weights and schedule are ours.",
            "limits": "Learnt on simulated people alone. No rate from clips under 5 s.",
            "view": {"kind": "crop", "size": view.size, "rate_hz": view.rate_hz},
            "window_s": window,
            "hop_s": window / 2,
            "min_s": window if self.network == "teacher" else 3.0,
            "band_hz": [0.6, 4.0],
        }

    def _asked(self, what: str) -> Frozen:
        if self.teacher is None:
            raise UsageError(f"There is no teacher for {what}.", "Name one: model.teacher=FOLDER.")
        return self.teacher

    def _doubt(self, batch: Batch, pulse: Tensor) -> dict[str, Tensor]:
        """Return the judge's loss over all clips, and ``right``, the share of right answers where something beats."""
        judge = self.student.trust
        if judge is None:
            raise UsageError("The loss quality has a weight, but there is no judge.", "Set model.trust=true.")
        good = right(pulse, batch)
        logit = judge(batch.clip, [pulse])  # type: ignore[operator]
        loss = functional.binary_cross_entropy_with_logits(logit.float(), good)
        return {"quality": loss, "right": batch_mean(good, has_pulse(batch.pulse))}

    def _lesson(self, pulse: Tensor, taps: Sequence[Tensor]) -> dict[str, Tensor]:
        last = taps[-len(self.grids) :]  # ASSUMED: what a teacher knows of time lies deep
        if len(last) != len(self.grids):
            raise UsageError(
                f"The student has {len(self.grids)} taps, its teacher {len(taps)}.", "Choose another student."
            )
        maps = {
            f"map{k}": lesson_map(tap, pulse.shape[1], grid)
            for k, (tap, grid) in enumerate(zip(last, self.grids, strict=True))
        }
        return {"pulse": standardised(pulse), **maps}

    def _taught(self, batch: Batch, pulse: Tensor, taps: Taps, wanted: set[str]) -> dict[str, Tensor]:
        """Return the losses of teaching; the teacher is asked once, or not at all where its lessons came along."""
        teacher = self._asked(f"the losses {', '.join(sorted(wanted & set(TAUGHT)))}")
        beats, lesson, shown = has_pulse(batch.pulse), batch.taught, None
        found: dict[str, Tensor] = {}
        if "hint" in wanted:
            if self.hint is None:
                raise UsageError("The loss hint has a weight, but there is no hint.", "Set model.hint=true.")
            if lesson is not None:
                raise UsageError(
                    "The hint copies features, and of the teacher only lessons came with the clips.",
                    "Set simulated.lessons=false, or give hint no weight.",
                )
        if lesson is None:
            said, shown = teacher.features(batch.clip)
            lesson = self._lesson(said, shown)
        maps = [lesson[f"map{k}"] for k in range(len(taps))]
        if "attention" in wanted:
            found["attention"] = batch_mean(attention_transfer(taps, maps, norm=self.norm), beats)
        if "profile" in wanted:
            found["profile"] = batch_mean(temporal_profile(taps, maps), beats)
        if self.hint is not None and shown is not None and "hint" in wanted:
            found["hint"] = batch_mean(self.hint(taps, shown[-len(taps) :]), beats)
        if "imitation" in wanted:
            trust = agreement(lesson["pulse"], batch.pulse, rate_hz=batch.rate_hz)
            found["imitation"] = batch_mean(imitation(pulse, lesson["pulse"], trust), beats)
            found["trust"] = batch_mean(trust, beats).detach()
        return found


def _taps(network: Student | Frozen, size: int) -> Taps:
    """Return the taps of one grey clip; nothing in the network changes by it."""
    before = network.training
    network.eval()
    with torch.no_grad():
        taps: Taps = network.features(torch.full((1, 3, 4, size, size), 128.0))[1]
    network.train(before)
    return taps
