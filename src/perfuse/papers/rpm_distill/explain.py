"""What a policy believes: its gate and weights, clip by clip, beside the spectra that it saw and the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from perfuse.core.errors import SourceError, UsageError, one_of
from perfuse.learn.recipe import Recipe, build
from perfuse.learn.runs import RECIPE, read_recipe, read_run
from perfuse.learn.sources import filmed, mixed
from perfuse.nn.losses import spectrum
from perfuse.papers.rpm_distill.problem import compare
from perfuse.papers.rpm_distill.strand import Strand
from perfuse.papers.rpm_distill.task import RpmTask
from perfuse.papers.rpm_distill.vital import Vital
from perfuse.synth.batch import Batch
from perfuse.synth.stream import stream

OTHER = 5_555_555
"""Added to the seed: people of no training and no validation."""
MOST = 4096
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Gates:
    """What was believed of N clips.

    Attributes
    ----------
    per_min : ndarray, (F,)
        Rates of the spectra's bins.
    student, teacher : ndarray, (N, F)
        Levels of the spectra as the policy sees them: logarithms with mean 0 and spread 1.
    gate : ndarray, (N,)
        0 to 1.
    mix : ndarray, (N, 3)
        Of peak, off-peak and shape; sum 1.
    said, taught, truth : ndarray, (N,)
        Strongest line of the student's and the teacher's wave, and the true rate, per minute; NaN without any.
    right : ndarray of bool, (N,)
        Where the teacher is within ``close`` of the truth.
    domains, qualities : tuple of str
        Of each clip, and of its radar where that teaches; empty where unknown.
    close : float
        What still counts as right, per minute.
    vital : str
        What the rates are of: pulse or respiration.
    """

    per_min: Floats
    student: Floats
    teacher: Floats
    gate: Floats
    mix: Floats
    said: Floats
    taught: Floats
    truth: Floats
    right: NDArray[np.bool_]
    domains: tuple[str, ...]
    qualities: tuple[str, ...]
    close: float
    vital: str

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a clip: for a table."""
        parts = ("mix_peak", "mix_off_peak", "mix_shape")
        rate = "heart_rate" if self.vital == "pulse" else "respiratory_rate"
        return [
            {
                "clip": k,
                "domain": self.domains[k],
                "radar": self.qualities[k],
                rate: round(float(self.truth[k]), 2),
                "student": float(self.said[k]),
                "teacher": float(self.taught[k]),
                "teacher_right": int(self.right[k]),
                "gate": round(float(self.gate[k]), 4),
                **{name: round(float(share), 4) for name, share in zip(parts, self.mix[k])},
            }
            for k in range(len(self.gate))
        ]

    def auc(self) -> float:
        """Return in which share of pairs the gate is wider where the teacher is right; NaN without any pair."""
        known = np.isfinite(self.truth)
        good, bad = self.gate[known & self.right], self.gate[known & ~self.right]
        if not len(good) or not len(bad):
            return float("nan")
        wider = (good[:, None] > bad).mean() + 0.5 * (good[:, None] == bad).mean()
        return float(wider)


def gates_of(folder: str | Path, clips: int = 16, vital: str = "") -> Gates:
    """Show a trained policy people whom its student never saw.

    They are simulated, of the training's domains. After a training on recordings alone they are the people of those
    recordings whom the policy learnt from.

    Parameters
    ----------
    folder : str or Path
        Of a training with a teacher. Its teacher is read anew from where the recipe says.
    clips : int
        1 to 4096.
    vital : str
        Whose policy: ``pulse`` or ``respiration``; the first that is learnt where none is named.

    Raises
    ------
    SourceError
        If it is no run, it has no checkpoint yet, or its teacher is gone.
    UsageError
        If nobody taught in it.
    """
    if not 1 <= clips <= MOST:
        raise UsageError(f"{clips} clips were asked for.", f"Pass 1 to {MOST}.")
    task, recipe = opened(Path(folder))
    named = {one.vital.name: one for one in task.strands}
    one_of("vital", vital or next(iter(named)), tuple(named))
    strand = named[vital or next(iter(named))]
    found: list[Gates] = []
    batches = _strangers(task, replace(recipe, batch=min(clips, 16), frames=recipe.crop or recipe.frames))
    while sum(len(one.gate) for one in found) < clips:
        found.append(looked(strand, next(batches)))
    return _joined(found, clips)


def _strangers(task: RpmTask, recipe: Recipe) -> Iterator[Batch]:
    """Yield clips of people whom the student never saw."""
    how = recipe.simulated
    if how is None or not how.share:
        other, real = replace(recipe, seed=recipe.seed + OTHER), [one for one in recipe.recorded if one.share > 0]
        return mixed([(one.share, filmed(one, other, task.view, task.needs, held=True)) for one in real], other.seed)
    return stream(
        task.view, batch=recipe.batch, frames=recipe.frames, seed=recipe.seed + OTHER, domains=how.domains,
        radar="radar" in task.needs, device="cpu", **how.asked,
    )  # fmt: skip


@torch.no_grad()
def looked(strand: Strand, batch: Batch) -> Gates:
    """Return what the policy of a vital sign believes of a batch; the labels play no part but in the mode ``oracle``.

    Raises
    ------
    UsageError
        If it has no teacher.
    """
    wave, taught = strand.network.eval()(batch.clip), strand.taught(batch)
    vital = strand.vital
    seen = compare(wave, taught, vital.label(batch), rate_hz=batch.rate_hz, late=strand.late, vital=vital)
    good = vital.right(taught, batch)
    advice = strand.advise(seen, good)
    length, radar = wave.shape[1] - strand.late, "radar" in getattr(strand.teacher, "needs", ())
    first = int(np.ceil(vital.band_hz[0] * length / batch.rate_hz - 1e-6))
    bins = first + np.arange(seen.relation.shape[2])
    return Gates(
        per_min=60.0 * bins * batch.rate_hz / length,
        student=_plain(seen.relation[:, 0]),
        teacher=_plain(seen.relation[:, 1]),
        gate=_plain(advice.gate),
        mix=_plain(advice.mix),
        said=_rates(vital, wave, batch.rate_hz),
        taught=_rates(vital, taught, batch.rate_hz),
        truth=_plain(vital.rate(batch)),
        right=_plain(good) > 0,
        domains=tuple(one.domain for one in batch.settings) or ("",) * len(wave),
        qualities=tuple(one.radar_quality if radar else "" for one in batch.settings) or ("",) * len(wave),
        close=vital.close,
        vital=vital.name,
    )


def opened(folder: Path) -> tuple[RpmTask, Recipe]:
    """Return the task of a training with the weights that count, teacher and policy among them, and its recipe.

    Raises
    ------
    SourceError
        If it is no run, it has no checkpoint yet, or its teacher is gone.
    UsageError
        If nobody taught in it.
    """
    content, _ = read_recipe(folder)
    recipe: Recipe = build(Recipe, content, RECIPE)
    if recipe.task != RpmTask.name:
        raise UsageError(f"{folder} is a run of {recipe.task}.", f"Name one of {RpmTask.name}, which has gates.")
    run = read_run(folder)
    task = RpmTask(**recipe.model)
    if not task.weights["distil"] or any(one.teacher is None for one in task.strands):
        raise UsageError(f"Nobody taught in {folder}.", "Name a run with a teacher whom a policy believes or not.")
    try:
        nn.ModuleDict({"student": task.student, "helpers": task.helpers}).load_state_dict(run.state["weights"])
        task.student.load_state_dict(run.weights())
    except RuntimeError as error:
        raise SourceError(f"{folder} holds the weights of another network.", "Train it again.") from error
    return task, recipe


def _rates(vital: Vital, wave: torch.Tensor, rate_hz: float) -> Floats:
    (low, high), rates = vital.band_hz, vital.rates
    lines = rates[rates.ge(60 * low - vital.close) & rates.le(60 * high + vital.close)]
    return _plain(lines[spectrum(wave, lines, rate_hz).argmax(1)])


def _plain(values: torch.Tensor) -> Floats:
    return np.asarray(values.detach().cpu().double().numpy())


def _joined(found: list[Gates], clips: int) -> Gates:
    def cut(name: str) -> Any:
        parts = [getattr(one, name) for one in found]
        return np.concatenate(parts)[:clips] if isinstance(parts[0], np.ndarray) else sum(parts, ())[:clips]

    whole = ("per_min", "close", "vital")
    names = [name for name in Gates.__dataclass_fields__ if name not in whole]
    return replace(found[0], **{name: cut(name) for name in names})
