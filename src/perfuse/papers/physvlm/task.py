"""How the PhysVLM-style student learns: from labels, from what its two tasks ask of one another, from a teacher.

RECONSTRUCTED, like all of this room.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.core.errors import UsageError
from perfuse.core.view import Crop, Grid
from perfuse.nn.losses import batch_mean, has_pulse
from perfuse.nn.trust import BREATH, Trust, follows, right
from perfuse.papers.physvlm import objective
from perfuse.papers.physvlm.cells import SIDE
from perfuse.papers.physvlm.model import Projection, Student
from perfuse.papers.physvlm.objective import TAUGHT, WEIGHTS, Labels
from perfuse.papers.physvlm.priors import Prior, Priors, Teacher, Words, believed, prior_of, words_of
from perfuse.papers.physvlm.provide import REMEDY, load_teacher
from perfuse.papers.physvlm.speaker import Speaker, judged
from perfuse.papers.physvlm.wavelet import SHORTEST
from perfuse.synth.batch import Batch

MARGIN = 1.8
"""Side of the grid in face boxes: at the usual 1.25 no shoulder is in it, and breathing is hardly seen. ASSUMED."""
DOUBT = 0.2
"""Weight of the losses in :data:`JUDGED`, where there are judges; no gradient of them reaches the network."""
JUDGED = ("quality", "breath_quality")
FORM = "1"
"""Of lessons; to be raised when what they hold changes."""
NEWBORN = 110.0
"""Rate of a pulse per minute from which somebody of unknown age is taken for an infant. ASSUMED."""
INFANT_Y = 1.0
"""Years below which breathing hardly moves the pulse. ASSUMED."""
BLIND, GAIN, NOISE = 0.5, 0.1, 0.3
"""Of the other view: chance of a region that cannot be seen; spread of the logarithm of colours; noise in levels."""


class VlmTask:
    """See :class:`perfuse.learn.task.Task`, ``Taught`` and ``Paced``.

    Every clip may come with any of its labels, or none: what has no label teaches nothing.

    Parameters
    ----------
    channels : int
        Width of the student.
    rate_hz, margin : float
        The view: samples per second; side of the grid of 8 x 8 cells in face boxes.
    norm : {"z", "minmax"}
        How cells are brought to one scale.
    wavelets, attention : bool
        Whether the student has these blocks.
    projected : bool
        Whether the student is shown POS.
    teacher : str
        Who teaches, see :func:`perfuse.papers.physvlm.provide.load_teacher`; empty for nobody.
    held_out : sequence of str
        Domains and data sets that results are to be measured on: a teacher or cache that has touched one is refused.
    trust : bool
        Whether judges of pulse and breathing are trained beside the network, see :mod:`perfuse.nn.trust`.
    views : float
        Share of a batch of which the loss ``view`` makes a second view: with all of it, a step costs twice as much.
    window : int
        Samples of an exported network's window.

    Raises
    ------
    UsageError
        If one of them is out of range, or the teacher has touched what is held out.
    SourceError
        If the teacher cannot be read.
    """

    name = "physvlm"
    needs: frozenset[str] = frozenset()

    def __init__(
        self,
        *,
        channels: int = 48,
        rate_hz: float = 30.0,
        margin: float = MARGIN,
        norm: str = "z",
        wavelets: bool = True,
        attention: bool = True,
        projected: bool = True,
        teacher: str = "",
        held_out: Sequence[str] = (),
        trust: bool = True,
        views: float = 0.25,
        window: int = 512,
    ) -> None:
        if not 1 <= margin <= 4:
            raise UsageError(f"margin: {margin!r} was given.", "Pass 1 to 4.")
        if window < SHORTEST:
            raise UsageError(f"window: {window!r} was given.", f"Pass {SHORTEST} or more.")
        self.view: Grid | Crop = Grid(SIDE, SIDE, rate_hz, margin)
        if not 0 < views <= 1:
            raise UsageError(f"views: {views!r} was given.", "Pass a share above 0, up to 1; or give view no weight.")
        self.window, self.views, self.wavelets, self.attention = window, views, wavelets, attention
        network = Student(
            channels, rate_hz=rate_hz, norm=norm, wavelets=wavelets, attention=attention, projected=projected
        )
        judges = (Trust(1, rate_hz=rate_hz), Trust(1, rate_hz=rate_hz, rhythm=BREATH)) if trust else ()
        self.student: nn.Module = Speaker(network, *judges)
        self.weights: Mapping[str, float] = {**WEIGHTS, **dict.fromkeys(JUDGED, DOUBT if trust else 0.0)}
        self.teacher: Teacher | Priors | None = None
        self.words: Words | None = None
        helpers: dict[str, nn.Module] = {}
        if teacher:
            self.teacher = load_teacher(str(teacher), rate_hz=rate_hz, held_out=held_out)
            self.words = self.teacher.words if isinstance(self.teacher, Priors) else words_of(self.teacher)
            # the teacher itself is no helper: it does not learn, and may be larger than all checkpoints
            helpers["projection"] = Projection(channels, self.words.pulse.shape[1])
        else:
            self.weights = {**self.weights, **dict.fromkeys(TAUGHT, 0.0)}
        if not attention:
            self.weights = {**self.weights, "pulse_rhythm": 0.0, "breath_rhythm": 0.0}
        self.helpers: nn.Module = nn.ModuleDict(helpers)

    def weights_at(self, weights: Mapping[str, float], done: float) -> dict[str, float]:
        """Return the weights when ``done`` of all steps lie behind: what needs a wave first grows."""
        return objective.weights_at(weights, done)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return all terms that can be had now, those of :mod:`perfuse.papers.physvlm.objective`, and told things.

        ``quality`` is over clips of which it is known whether the pulse is right, ``breath_quality`` over those of
        which it is known whether the breathing is; told are ``r_pulse`` and
        ``r_respiration``, and ``right``, the share of right pulses where there is one.

        Raises
        ------
        UsageError
            If none has a weight, or what has one needs a teacher, a judge or attention that is not there.
        """
        weighed = {name for name, weight in self.weights.items() if weight}
        if not weighed:
            raise UsageError("All weights of the losses are 0.", f"Give one of them more: {', '.join(self.weights)}.")
        said, seen = self.student.features(batch.clip)  # type: ignore[operator]
        labels = labels_of(batch)
        taught = self._taught(batch, seen, weighed) if weighed & TAUGHT else None
        told = objective.objective(said, seen, labels, rate_hz=batch.rate_hz, taught=taught)
        if "view" in weighed:
            told["view"] = self._viewed(batch.clip, said, labels)
        good = right(said["pulse"], batch)
        if "quality" in weighed:
            known = torch.isfinite(batch.heart_rate) | ~labels.beats
            told["quality"] = self._doubt("trust", batch.clip, said["pulse"], good, known)
        if "breath_quality" in weighed:
            followed = follows(said["respiration"], labels.respiration) * labels.breathes
            known = has_pulse(labels.respiration) | ~labels.breathes
            told["breath_quality"] = self._doubt("breath_trust", batch.clip, said["respiration"], followed, known)
        return {**told, "right": batch_mean(good, torch.isfinite(batch.heart_rate))}

    def lesson(self, clip: Tensor) -> dict[str, Tensor]:
        """Return what the teacher says of clips (B, 3, T, 8, 8), vectors (B, 1, D): embedding and two posteriors."""
        prior = self._asked(clip)
        return {name: getattr(prior, name)[:, None] for name in ("embedding", "pulse", "breath")}

    def lesson_key(self) -> str:
        """Return a hash of who teaches, and of the captions."""
        teacher, words = self._teacher()
        mark = teacher.teacher if isinstance(teacher, Priors) else teacher.fingerprint()
        return hashlib.sha256(repr((FORM, mark, words.mark)).encode()).hexdigest()[:20]

    def card(self) -> dict[str, Any]:
        """Return the card."""
        view = self.view
        assert isinstance(view, Grid)
        left_out = [
            name for name, there in (("wavelet blocks", self.wavelets), ("attention", self.attention)) if not there
        ]
        window = self.window / view.rate_hz
        return {
            "name": "physvlm",
            "title": "PhysVLM-style: pulse and breathing of one network, reconstructed",
            "paper": "Gao et al.: PhysVLM: Vision-language model for generalizable multitask remote physiological "
            "measurement. IEEE Trans. Instrum. Meas., 2026",
            "licence": "Apache-2.0",
            "provenance": "reconstructed",
            "deviations": "Only the abstract could be read: layers, losses, captions, weights and schedule are ours. "
            "The grid reaches down to the shoulders."
            + (f" Without {' and '.join(left_out)}." if left_out else ""),
            "limits": "Learnt on simulated people alone. Breathing needs 17 s and shoulders in the picture.",
            "view": {
                "kind": "grid", "rows": view.rows, "cols": view.cols, "rate_hz": view.rate_hz, "margin": view.margin,
            },
            "window_s": window,
            "hop_s": window / 2,
            "min_s": SHORTEST / view.rate_hz,
            "band_hz": [0.66, 4.0],
        }  # fmt: skip

    def _teacher(self) -> tuple[Teacher | Priors, Words]:
        if self.teacher is None or self.words is None:
            raise UsageError(
                f"The losses {', '.join(sorted(TAUGHT))} need a teacher.", f"Set model.teacher. {REMEDY}"
            )
        return self.teacher, self.words

    def _asked(self, clip: Tensor) -> Prior:
        """Ask the teacher, or look up what it said."""
        teacher, words = self._teacher()
        if isinstance(teacher, Priors):
            return teacher.of_windows(clip)
        for module in (teacher, getattr(teacher, "model", None)):
            if isinstance(module, nn.Module):
                module.to(clip.device)
        return prior_of(teacher, _moved(words, clip), clip)

    def _taught(self, batch: Batch, seen: Any, weighed: set[str]) -> dict[str, Tensor]:
        """Return what the teacher teaches."""
        teacher, words = self._teacher()
        if {"pulse_rhythm", "breath_rhythm"} & weighed and not self.attention:
            raise UsageError("The rhythms are what attention hears, and there is none.", "Set model.attention=true.")
        if batch.taught is not None:
            embedding, pulse, breath = (batch.taught[name][:, 0] for name in ("embedding", "pulse", "breath"))
        else:
            if isinstance(teacher, Priors):
                raise UsageError(
                    "What a teacher said of whole clips was given, and clips came without.",
                    "Learn from a bank, and set simulated.lessons=true.",
                )
            prior = self._asked(batch.clip)
            embedding, pulse, breath = prior.embedding, prior.pulse, prior.breath
        prior = Prior(embedding, pulse, breath, believed(pulse, batch.heart_rate))
        network = self.student.get_submodule("network")
        grids = seen.told, seen.told
        if self.attention:
            grids = network.get_submodule("look_pulse").grid, network.get_submodule("look_breath").grid
        mine = self.helpers.get_submodule("projection")(seen.told)
        return objective.distilled(mine, seen, grids, prior, _moved(words, mine))

    def _viewed(self, clip: Tensor, said: Mapping[str, Tensor], labels: Labels) -> Tensor:
        """Return how differently other views of the first clips of a batch are read."""
        count = max(1, round(self.views * len(clip)))
        other = self.student.features(other_view(clip[:count]))[0]  # type: ignore[operator]
        known = Labels(*(getattr(labels, name)[:count] for name in Labels.__slots__))
        return objective.same_view({name: value[:count] for name, value in said.items()}, other, known)

    def _doubt(self, of: str, clip: Tensor, wave: Tensor, good: Tensor, known: Tensor) -> Tensor:
        """Return a judge's loss over clips of which it is known whether the wave is right."""
        judge = getattr(self.student, of)
        if judge is None:
            raise UsageError(
                f"The losses {', '.join(JUDGED)} have a weight, but there is no judge.", "Set model.trust=true."
            )
        loss = functional.binary_cross_entropy_with_logits(judged(judge, clip, wave).float(), good, reduction="none")
        return batch_mean(loss, known)


def labels_of(batch: Batch) -> Labels:
    """Return what is known of the clips of a batch.

    Simulated people are known; recorded ones all have a pulse and breathe, and their age is judged by their pulse.
    """
    heart = batch.heart_rate
    known = len(batch.settings) == len(heart)

    def told(values: Sequence[bool]) -> Tensor:
        return torch.tensor(values, dtype=torch.bool, device=heart.device)

    everybody = torch.ones_like(heart, dtype=torch.bool)
    return Labels(
        batch.pulse,
        batch.respiration,
        heart,
        batch.respiratory_rate,
        beats=told([one.alive for one in batch.settings]) if known else everybody,
        breathes=told([one.breathes for one in batch.settings]) if known else everybody,
        adult=told([one.age_y >= INFANT_Y for one in batch.settings]) if known else ~(heart > NEWBORN),
    )


def other_view(clip: Tensor) -> Tensor:
    """Return clips (B, 3, T, 8, 8) as they might have been: mirrored, tinted, noisier, a region out of sight.

    All chance is torch's own, which the loop sets anew at every step.
    """
    count = len(clip)
    tint = torch.exp(GAIN * torch.randn(count, 3, 1, 1, 1)).to(clip)
    seen = clip.flip(4) * tint + NOISE * torch.rand(count, 1, 1, 1, 1).to(clip) * torch.randn_like(clip)
    places = SIDE // 2
    blind = torch.zeros(count, places**2, dtype=torch.bool)
    blind[torch.arange(count), torch.randint(places**2, (count,))] = torch.rand(count) < BLIND
    cells = blind.reshape(count, 1, 1, places, places).repeat_interleave(2, 3).repeat_interleave(2, 4)
    return torch.where(cells.to(clip.device), torch.nan, seen)


def _moved(words: Words, like: Tensor) -> Words:
    return Words(words.pulse.to(like), words.breath.to(like), words.scale, words.mark)
