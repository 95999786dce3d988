"""Find published weights, fill the networks with them, and read a pulse as each was trained to."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from perfuse.signal.filters import bandpass, detrend_lambda
from perfuse.signal.spectrum import interpolated_peak, power_spectrum
from published import factorizephys, lq_rppg, physnet

ROOT = Path(__file__).resolve().parent.parent.parent
BAND_HZ = (0.6, 3.3)
"""Where a heart rate is looked for: the rPPG-Toolbox's own band, 36 to 198 per minute."""
DETREND = 100.0
"""The rPPG-Toolbox's smoothness prior."""


@dataclass(frozen=True, eq=False)
class Published:
    """One network with its weights, and what it must be fed.

    Attributes
    ----------
    name : str
        As in :data:`NAMES`.
    network : nn.Module
        (B, 3, T, size, size) to (B, T), in evaluation mode.
    size : int
        Pixels a side of the square face crop.
    margin : float
        Side of that crop in face boxes, for :func:`published.clips.face_clips`. The Toolbox's 1.8 where that is best
        on the real clip; PhysNet and LQ-rPPG read it better with less background (signal to noise at 1.2, 1.5, 1.65,
        1.8: PhysNet 3.3, 3.5, 4.7, 0.8 dB; LQ-rPPG 2.1, 0.3, -0.5, -1.9 dB).
    window : int
        Frames it was trained on.
    normalise : callable
        Whole recording (3, T, H, W), 0..255, to what the network eats; the same number of frames.
    differenced : bool
        Whether it answers with the slope of the pulse.
    rate_hz : float
        Frames per second.
    trained_on : str
        Data set.
    """

    name: str
    network: nn.Module
    size: int
    margin: float
    window: int
    normalise: Callable[[Tensor], Tensor]
    differenced: bool
    rate_hz: float
    trained_on: str

    @property
    def view(self) -> tuple[int, float]:
        """What to ask :func:`published.clips.face_clips` for."""
        return self.size, self.margin


def plain(clip: Tensor) -> Tensor:
    """FactorizePhys: the network itself takes differences; the Toolbox repeats the last frame for them."""
    return clip


def differences(clip: Tensor) -> Tensor:
    """PhysNet: change over sum of neighbours, over its spread in the whole recording; nothing for the last frame."""
    now, after = clip[:, :-1], clip[:, 1:]
    change = (after - now) / (after + now + 1e-7)
    change = change / change.std(correction=0).clamp(min=1e-12)
    return torch.cat([change, torch.zeros_like(clip[:, :1])], dim=1)


def standard(clip: Tensor) -> Tensor:
    """LQ-rPPG: one mean and one spread for the whole recording."""
    return (clip - clip.mean()) / clip.std(correction=0).clamp(min=1e-12)


class _RepeatLast(nn.Module):
    """Gives a network that answers T - 1 numbers the last frame twice, as the Toolbox does."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clip: Tensor) -> Tensor:
        return self.network(torch.cat([clip, clip[:, :, -1:]], dim=2))


def weights_folder() -> Path | None:
    """Return the folder of published weights: $PERFUSE_WEIGHTS, or ``weights`` beside the recordings; None if absent.

    The recordings lie where $PERFUSE_DATA says, or in ``../shared/data`` beside the checkout.
    """
    data = Path(os.environ.get("PERFUSE_DATA", ROOT.parent / "shared" / "data"))
    folder = Path(os.environ.get("PERFUSE_WEIGHTS", data.parent / "weights"))
    return folder if folder.is_dir() else None


def load(name: str, folder: Path | None = None) -> Published:
    """Return one of :data:`NAMES` with its weights.

    Raises
    ------
    FileNotFoundError
        If the weights are not on this machine.
    """
    folder = folder or weights_folder()
    if folder is None:
        raise FileNotFoundError("Published weights are not on this machine; set PERFUSE_WEIGHTS to their folder.")
    return _MAKERS[name](folder)


def _renamed(state: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    out = {}
    for key, value in state.items():
        for theirs, ours in names.items():
            key = key.replace(theirs, ours)
        out[key] = value
    return out


def _state(path: Path) -> dict:
    return torch.load(path, weights_only=True, map_location="cpu")


def _factorizephys(data_set: str) -> Callable[[Path], Published]:
    def make(folder: Path) -> Published:
        network = factorizephys.FactorizePhys()
        state = _state(folder / "factorizephys" / f"{data_set}_FactorizePhys_FSAM_Res.pth")
        network.load_state_dict(_renamed(state, factorizephys.NAMES), strict=True)
        name = f"factorizephys-{data_set.split('-')[0].lower()}"
        return Published(name, _RepeatLast(network).eval(), 72, 1.8, 160, plain, False, 30.0, data_set)

    return make


def _physnet(folder: Path) -> Published:
    network = physnet.PhysNet()
    state = _state(folder / "physnet" / "PURE_PhysNet_DiffNormalized.pth")
    network.load_state_dict(_renamed(state, physnet.NAMES), strict=True)
    return Published("physnet-pure", network.eval(), 72, 1.65, 128, differences, True, 30.0, "PURE")


def _lq_rppg(folder: Path) -> Published:
    network = lq_rppg.LqRppg()
    folder = folder / "lq_rppg"
    state = _renamed(_state(next(folder.glob("PURE_*_rPPG_*.pth")))["C2F_model"], lq_rppg.NAMES)
    for bits in range(1, lq_rppg.STAGES + 2):
        code = _state(next(folder.glob(f"PURE_*_{bits}th_LQ_*.pth")))
        state[f"levels{bits}"] = code["module.quantizer.embeddings.weight"][:, 0]
    network.load_state_dict(state, strict=True)
    return Published("lq-rppg-pure", network.eval(), 128, 1.2, 160, standard, False, 30.0, "PURE")


_MAKERS: dict[str, Callable[[Path], Published]] = {
    "factorizephys-ubfc": _factorizephys("UBFC-rPPG"),
    "factorizephys-pure": _factorizephys("PURE"),
    "physnet-pure": _physnet,
    "lq-rppg-pure": _lq_rppg,
}
NAMES = tuple(_MAKERS)
"""Networks that :func:`load` knows."""


def windows(count: int, window: int) -> list[tuple[int, int]]:
    """Return (start, first new sample) of windows that cover ``count`` samples end to end; the last may overlap."""
    starts = [*range(0, count - window + 1, window)]
    if not starts:
        raise ValueError(f"{count} frames were given, {window} are needed.")
    out = [(start, start) for start in starts]
    if starts[-1] + window < count:
        out.append((count - window, starts[-1] + window))
    return out


def read_wave(published: Published, frames: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the pulse (T,), detrended, in band, of spread 1, from a face crop (T, size, size, 3), 0..255.

    Windows of the training's length follow one another; a last one that ends with the recording gives the rest. Each
    is standardised before they are joined, as the Toolbox's trainers do. Zeros where nothing moves in the picture:
    some networks would read their own borders.
    """
    if frames.shape[1:] != (published.size, published.size, 3):
        raise ValueError(f"Frames of shape {frames.shape} were given, {published.size} pixels a side are needed.")
    if not np.ptp(frames, axis=0).any():
        return np.zeros(len(frames))
    clip = torch.from_numpy(np.ascontiguousarray(np.moveaxis(frames, 3, 0), np.float32))
    clip = published.normalise(clip)
    said = np.zeros(len(frames))
    with torch.inference_mode():
        for start, fresh in windows(len(frames), published.window):
            part = published.network(clip[None, :, start : start + published.window])[0].double().numpy()
            part = (part - part.mean()) / max(float(part.std()), 1e-9)
            said[fresh : start + published.window] = part[fresh - start :]
    wave = np.cumsum(said) if published.differenced else said
    wave = bandpass(detrend_lambda(wave, DETREND), published.rate_hz, *BAND_HZ, order=1)
    return wave / max(float(wave.std()), 1e-9)


def read_rate(published: Published, frames: NDArray[np.floating]) -> tuple[NDArray[np.float64], float]:
    """Return the pulse (T,) and the heart rate per minute, from a face crop (T, size, size, 3), 0..255, at 30 Hz.

    The rate is the highest peak in :data:`BAND_HZ` of a finely padded spectrum: the Toolbox's own grid of 3.5/min for
    ten seconds would be coarser than the errors of interest. NaN where nothing moves in the picture.
    """
    wave = read_wave(published, frames)
    return wave, peak_rate(wave, published.rate_hz)


def peak_rate(wave: NDArray[np.float64], rate_hz: float) -> float:
    """Return the rate per minute of a wave's strongest line in band; NaN for silence."""
    if not np.isfinite(wave).all() or wave.std() < 1e-3:
        return float("nan")
    freq, power = power_spectrum(wave, rate_hz)
    inside = (freq >= BAND_HZ[0]) & (freq <= BAND_HZ[1])
    return 60.0 * interpolated_peak(freq, power, int(np.argmax(np.where(inside, power, 0.0))))


def line_rate(beats_s: NDArray[np.float64], count: int, rate_hz: float) -> float:
    """Return what :func:`peak_rate` says of a perfect pulse with beats at the given times (s, from the first frame).

    A heart that speeds up or slows down within a short recording has its strongest line elsewhere than its mean rate:
    by up to 4/min in 12 s. Published scores put the contact sensor through the same spectrum as the answer; so does
    this.
    """
    time = np.arange(count) / rate_hz
    first, last = np.median(np.diff(beats_s[:4])), np.median(np.diff(beats_s[-4:]))
    beats = np.concatenate([beats_s[0] - first * np.arange(3, 0, -1), beats_s, beats_s[-1] + last * np.arange(1, 4)])
    number = np.arange(len(beats))
    return peak_rate(np.cos(2 * np.pi * np.interp(time, beats, number)), rate_hz)


def snr_db(wave: NDArray[np.float64], rate_hz: float, heart_rate: float) -> float:
    """Return power within 0.1 Hz of the rate and its double over the rest of the band, dB (the Toolbox's measure)."""
    freq, power = power_spectrum(wave, rate_hz)
    inside = (freq >= BAND_HZ[0]) & (freq <= BAND_HZ[1])
    line = heart_rate / 60.0
    near = (np.abs(freq - line) <= 0.1) | (np.abs(freq - 2 * line) <= 0.1)
    rest = float(power[inside & ~near].sum())
    return 10.0 * float(np.log10(max(float(power[near].sum()), 1e-30) / max(rest, 1e-30)))


def strangeness(published: Published, frames: NDArray[np.floating]) -> dict[str, float]:
    """Return how far the first window's activations lie from those of the training set, per batch normalisation.

    The mean over channels of ``|mean here - mean in training| / spread in training``: what a network saw in training
    gives about 0.2 or less, pictures of another kind give more. Empty for networks that keep no statistics.
    """
    found: dict[str, float] = {}

    def compare(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Tensor]) -> None:
            x = inputs[0]
            here = x.mean(dim=[0, *range(2, x.ndim)])
            spread = (module.running_var + module.eps).sqrt()
            found[name] = float(((here - module.running_mean) / spread).abs().mean())

        return hook

    kinds = (nn.BatchNorm2d, nn.BatchNorm3d)
    parts = [(name, part) for name, part in published.network.named_modules() if isinstance(part, kinds)]
    hooks = [part.register_forward_pre_hook(compare(name)) for name, part in parts]
    try:
        if hooks:
            clip = torch.from_numpy(np.ascontiguousarray(np.moveaxis(frames, 3, 0), np.float32))
            with torch.inference_mode():
                published.network(published.normalise(clip)[None, :, : published.window])
    finally:
        for hook in hooks:
            hook.remove()
    return found
