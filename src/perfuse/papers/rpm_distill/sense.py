"""Who teaches: a radar network, a contact sensor, an ECG or what else was recorded, or any other network.

Each says a wave of a batch.

The method needs a second signal and nothing more, so all are used alike: same losses, same policy.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from perfuse.core.errors import SourceError, UsageError
from perfuse.core.view import Crop, Grid
from perfuse.learn.runs import is_run, read_recipe, read_run
from perfuse.learn.sources import BESIDE, SPAN
from perfuse.methods.bundle import MODEL_FILE, parse_card, read_files
from perfuse.methods.network import Network
from perfuse.nn.frozen import Frozen
from perfuse.nn.losses import full
from perfuse.papers.rpm_distill.teacher import SMALL, WIDTHS, RadarPhase, RadarTeacher
from perfuse.papers.rpm_distill.vital import PULSE, Vital
from perfuse.radar.frontend import phase_steps
from perfuse.radar.kinds import BINS
from perfuse.synth.batch import Batch
from perfuse.synth.settings import stream as chance

SENSES: dict[str, Callable[[], nn.Module]] = {
    "radar-teacher": lambda: RadarTeacher(WIDTHS),
    "radar-teacher-small": lambda: RadarTeacher(SMALL),
    "radar-phase": RadarPhase,
}
"""Networks that read a radar."""
CONTACT, RADAR = "contact", "radar"
NEEDS = (
    f"Name a run of a radar-teacher, a bundle of any network, {CONTACT}, or, for recordings that have one, "
    f"{', '.join(sorted(BESIDE))}: model.teacher=..."
)
BREATH_NEEDS = (
    "Name a bundle of a network that tells respiration, or radar, which is a chest's own movement: "
    "model.teacher=..., or model.breath_teacher=... where both are learnt."
)
RATE_HZ = 30.0
SLOW, FAST = (0.55, 0.75), (1.35, 1.7)
"""Speeds at which a stranger's heart is played: at least a quarter off the truth. ASSUMED."""


class RadarNetwork(nn.Module):
    """A radar network as a training wants it; it reads no clips."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, radar: Tensor) -> dict[str, Tensor]:
        """Return ``pulse`` (B, T) of radar (B, 10, T).

        Raises
        ------
        UsageError
            If it is given anything else.
        """
        if radar.ndim != 3:
            raise UsageError(
                "This network reads radar, and was shown pictures.",
                "It is told how it does by the log (held_right): set validation.every=0. It becomes no bundle.",
            )
        return {"pulse": self.network(radar)}


class Radar(nn.Module):
    """A radar network that has learnt, and stays as it is."""

    needs = frozenset({"radar"})

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.heard = Frozen(network)

    def forward(self, batch: Batch) -> Tensor:
        """Return what it says, (B, T)."""
        wave: Tensor = self.heard(radar_of(batch))
        return wave


class Chest(nn.Module):
    """The chest's movement as a radar sees it, by the phase of its echo: breathing needs no network."""

    needs = frozenset({"radar"})

    def forward(self, batch: Batch) -> Tensor:
        """Return how far it came nearer, (B, T), in radians of the echo, without its mean and straight drift."""
        rows = radar_of(batch).detach().cpu().double().numpy().swapaxes(1, 2)  # (B, T, 10)
        steps, _ = phase_steps(rows[..., :BINS] + 1j * rows[..., BINS:])
        nearer = -np.cumsum(steps, axis=1)
        at = np.linspace(-1.0, 1.0, nearer.shape[1])
        nearer -= nearer.mean(1, keepdims=True)
        nearer -= (nearer @ at)[:, None] / (at @ at) * at
        return torch.from_numpy(nearer).to(batch.clip)


class Contact(nn.Module):
    """The contact sensor beside the film, with its faults; nothing where nothing arrived."""

    needs: frozenset[str] = frozenset()

    def forward(self, batch: Batch) -> Tensor:
        """Return what it wrote, (B, T)."""
        return torch.where(batch.contact_valid, batch.contact, 0.0)


class Beside(nn.Module):
    """What was recorded beside the film and is no label: an ECG, an arterial pressure, an infrared camera's pulse."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.signal = name
        self.needs = frozenset({name})

    def forward(self, batch: Batch) -> Tensor:
        """Return its wave, (B, T).

        Raises
        ------
        UsageError
            If the clips came without it.
        """
        if batch.taught is None or self.signal not in batch.taught:
            raise UsageError(f"The clips came without {self.signal}.", "Choose recordings that have it.")
        wave: Tensor = batch.taught[self.signal]
        return wave


class Other(nn.Module):
    """Another network that sees the same clips, from its bundle."""

    needs: frozenset[str] = frozenset()

    def __init__(self, network: Network, vital: Vital = PULSE) -> None:
        super().__init__()
        self.asked, self.vital = network, vital

    def forward(self, batch: Batch) -> Tensor:
        """Return what it says, (B, T).

        Raises
        ------
        UsageError
            If it does not take clips of this length.
        """
        clips = batch.clip.detach().movedim(1, -1).float().cpu().numpy()
        length = self.asked.fixed_length
        if length is not None and clips.shape[1] != length:
            raise UsageError(
                f"{self.asked.name} takes {length} frames, clips have {clips.shape[1]}.", f"Set crop={length}."
            )
        if self.asked.weighted:
            clips = np.concatenate([clips, np.ones_like(clips[..., :1])], -1)
        said = np.stack([np.asarray(getattr(self.asked.run(clip), self.vital.name)) for clip in clips])
        return torch.from_numpy(said).to(batch.clip.device)


def load_teacher(name: str, view: Grid | Crop, vital: Vital = PULSE) -> nn.Module:
    """Return who teaches.

    Parameters
    ----------
    name : str
        Of the pulse: ``contact``; a name of :data:`perfuse.learn.sources.BESIDE`, of recordings; the folder of a
        training of a radar network; or a bundle of any network of the student's view. Of breathing: ``radar``, or
        such a bundle.
    view : Grid or Crop
        Of the student.
    vital : Vital
        What is taught.

    Raises
    ------
    SourceError
        If there is nothing there, or it is damaged.
    UsageError
        If it is something else, or sees clips of another view.
    """
    place = Path(name)
    if (place / MODEL_FILE).is_file() or place.suffix == ".onnx":
        return _bundled(place, view, vital)
    if vital.name == "respiration":
        if name != RADAR:
            raise UsageError(f"{name} tells nothing of breathing.", BREATH_NEEDS)
        return Chest()
    if name == CONTACT:
        return Contact()
    if name in BESIDE:
        return Beside(name)
    if is_run(place):
        return Radar(load_radar(place))
    raise SourceError(f"There is no teacher at {place}.", NEEDS)


def load_radar(folder: Path) -> nn.Module:
    """Return the radar network of a training with the weights that count, in evaluation mode.

    Raises
    ------
    SourceError
        If it is no training, it has no checkpoint yet, or its weights are of another network.
    UsageError
        If it is a training of something else.
    """
    recipe, _ = read_recipe(folder, NEEDS)
    network = recipe["model"].get("network")
    if recipe["task"] != "rpm_distill" or network not in SENSES:
        told = f"{recipe['task']}, {network}" if network else recipe["task"]
        raise UsageError(
            f"{folder} is a training of {told}, and no radar network.",
            "Networks that see clips teach from their bundles: perfuse export RUN BUNDLE.",
        )
    run = read_run(folder)
    made = RadarNetwork(SENSES[network]())
    try:
        made.load_state_dict(run.weights())
    except RuntimeError as error:
        raise SourceError(f"{folder} holds weights of another {network}.", "Train it again.") from error
    return made.network.eval()


def _bundled(place: Path, view: Grid | Crop, vital: Vital) -> Other:
    content, text, name = read_files(place)
    if text is None:
        raise SourceError(f"{name} has no card.", NEEDS)
    spec = parse_card(text, str(place), content)
    if spec.view != view:
        raise UsageError(
            f"The teacher of {place} sees {spec.view}, the student {view}.",
            "Let both see the same: model.size and model.rate_hz, or another student.",
        )
    network = Network(content, name)
    if vital.name == "respiration" and not network.breathes:
        raise UsageError(f"The network of {place} tells nothing of breathing.", BREATH_NEEDS)
    return Other(network, vital)


def radar_of(batch: Batch) -> Tensor:
    """Return the radar (B, 10, T) of a batch.

    Raises
    ------
    UsageError
        If it came without.
    """
    if batch.radar is None:
        raise UsageError("The clips came without a radar.", "Choose data that has one.")
    radar: Tensor = batch.radar
    return radar


def drawn(items: NDArray[np.int64], what: str) -> NDArray[np.float64]:
    """Return a number from 0 to 1 for each clip, (B,): the same whenever the clip comes again."""
    return np.array([chance(0, f"rpm_distill {what}", int(item)).random() for item in items])


def spoiled(wave: Tensor, items: NDArray[np.int64], share: float) -> Tensor:
    """Return the waves (B, T) with a ``share`` of them replaced: by the heart of somebody who is not there.

    The wave is played slower or faster, by :data:`SLOW` or :data:`FAST`, so that it is as clean as before and its
    rate a wrong one. Which clips, and how, follows from their numbers.
    """
    if not share:
        return wave
    chosen, speed = torch.from_numpy(drawn(items, "spoiled") < share), torch.from_numpy(_speeds(items))
    return torch.where(chosen[:, None].to(wave.device), replayed(full(wave), speed.to(wave)), full(wave))


def _speeds(items: NDArray[np.int64]) -> NDArray[np.float64]:
    side, place = drawn(items, "side") < 0.5, drawn(items, "speed")
    low, high = np.where(side, SLOW[0], FAST[0]), np.where(side, SLOW[1], FAST[1])
    return np.asarray(low + place * (high - low))


def replayed(wave: Tensor, speed: Tensor) -> Tensor:
    """Return waves (B, T) played at speeds (B,): where a faster one is over it runs back."""
    last = wave.shape[1] - 1
    at = torch.arange(wave.shape[1], device=wave.device) * speed[:, None]
    at = last - (last - at % (2 * last)).abs()
    low = at.floor().long().clamp(0, last - 1)
    part = at - low
    return wave.gather(1, low) * (1 - part) + wave.gather(1, low + 1) * part


def known(items: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """Tell of which clips the label is known, (B,): a ``share`` of them, by number; of recordings, by recording."""
    recordings = items // SPAN
    return drawn(np.where(recordings > 0, recordings, items), "label") < share
