"""The authors' label quantiser: a small encoder and a code book of scalars, learnt by moving averages.

Sizes, losses and schedule are those of their release. Two things are known of it (README): a LayerNorm over one
channel answers with its bias, so the Mamba block only adds an offset in time that no label changes; and the trained
encoder is nearly the identity. What remains is a code book much like Lloyd's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from perfuse.nn.losses import spectrum
from perfuse.nn.mamba import BiMamba
from perfuse.papers.lq_rppg.labels.scalar import dequantise, levels_of
from perfuse.papers.lq_rppg.objective import PAPER_BAND, frequency_cross_entropy

KEEP, SMOOTH = 0.99, 1e-5
"""Weight of the past in a code book, and what is added to every count."""
COMMIT = 0.5
"""Weight of the encoder's distance to its code."""
LR, BATCH, EPOCHS = 1e-3, 16, 30
FIRST = 5
"""Epochs before one may be chosen."""
STATES = 48
DILATIONS = (1, 2, 4, 8, 16)


class Learned(nn.Module):
    """Encoder and code book of one bit depth.

    Parameters
    ----------
    n_bits : int
        1 to 6.
    frames : int
        Samples of a label. Others are taken too; the position is then stretched.
    """

    levels: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, n_bits: int, frames: int = 160) -> None:
        super().__init__()
        count = levels_of(n_bits)
        layers: list[nn.Module] = []
        for dilation in DILATIONS:
            layers += [nn.Conv1d(1, 1, 5, padding=2 * dilation, dilation=dilation), nn.GELU()]
        self.blocks = nn.Sequential(*layers[:-1])
        self.position = nn.Parameter(torch.zeros(1, frames, 1))
        self.norm = nn.LayerNorm(1)
        self.mamba = BiMamba(1, d_state=STATES)
        self.register_buffer("levels", (2 * torch.rand(count) - 1) / count)
        self.register_buffer("counts", torch.zeros(count))
        self.register_buffer("sums", (2 * torch.rand(count) - 1) / count)

    def latent(self, label: Tensor) -> Tensor:
        """Return what is rounded: prepared labels (B, T), nearly as they came."""
        hidden = label[:, None]
        z: Tensor = (self.blocks(hidden) + hidden)[:, 0] + self._offset(label.shape[1])
        return z

    def encode(self, label: Tensor) -> tuple[Tensor, Tensor]:
        """Return prepared labels (B, T) rounded, and the index of the level of each sample; without gradient."""
        with torch.no_grad():
            index = self._nearest(self.latent(label))
        return dequantise(index, self.levels), index

    def learn(self, z: Tensor) -> Tensor:
        """Return latents rounded by the code book as it is, and move its levels towards their samples' mean."""
        z = z.detach()
        index = self._nearest(z)
        rounded = self.levels[index]
        chosen = functional.one_hot(index.flatten(), len(self.levels)).to(z)
        counts = KEEP * self.counts + (1 - KEEP) * chosen.sum(0)
        total = counts.sum()
        self.counts.copy_((counts + SMOOTH) / (total + len(counts) * SMOOTH) * total)
        self.sums.copy_(KEEP * self.sums + (1 - KEEP) * (z.flatten() @ chosen))
        self.levels.copy_(self.sums / self.counts)
        return rounded

    def sort(self) -> None:
        """Put the levels in order: an index then says how high."""
        order = self.levels.argsort()
        for values in (self.levels, self.counts, self.sums):
            values.copy_(values[order])

    def _nearest(self, z: Tensor) -> Tensor:
        """Return the index of the nearest level; while a code book is learnt its levels are in no order."""
        return (z[..., None] - self.levels).abs().argmin(-1)

    def _offset(self, frames: int) -> Tensor:
        """Return what position and Mamba add to any label, (1, T): the block's input is the same for all."""
        place = self.position.transpose(1, 2)
        if frames != place.shape[2]:  # ASSUMED: the release takes 160 and no more
            place = functional.interpolate(place, frames, mode="linear", align_corners=False)
        silence = self.norm(torch.zeros(1, frames, 1, device=place.device, dtype=place.dtype))
        offset: Tensor = place[:, 0] + self.mamba(silence)[..., 0]
        return offset


def fit_learned(
    labels: Tensor, n_bits: int, *, rate_hz: float = 30.0, seed: int = 0, epochs: int = EPOCHS
) -> Learned:
    """Train encoder and code book on prepared labels.

    The squared error to the label, half that of the latent to its code, and the spectral loss; AdamW and one cycle of
    the learning rate. Of the epochs from :data:`FIRST` on the one counts whose rounded labels keep the heart rate
    best, the last of equals (ASSUMED).

    Parameters
    ----------
    labels : Tensor, float32, (N, T)
        Of :func:`perfuse.papers.lq_rppg.labels.prepare.prepared`.
    n_bits : int
        1 to 6.
    rate_hz : float
        Samples per second.
    seed : int
        Of weights and order; the same gives the same code book.
    epochs : int
        Times that every label is seen.

    Returns
    -------
    Learned
        Without gradients, its levels ascending.
    """
    before = torch.random.get_rng_state()
    torch.manual_seed(seed)
    try:
        model = Learned(n_bits, labels.shape[1])
        best, chosen = float("inf"), model.state_dict()
        steps = epochs * -(-len(labels) // BATCH)
        optimiser = torch.optim.AdamW(model.parameters(), LR, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LR, total_steps=steps)
        for epoch in range(epochs):
            order = torch.randperm(len(labels))
            for low in range(0, len(labels), BATCH):
                _step(model, labels[order[low : low + BATCH]], rate_hz, optimiser)
                schedule.step()
            missed = _rates_missed(model, labels, rate_hz)
            if (epoch >= FIRST or epoch == epochs - 1) and missed <= best:
                best, chosen = missed, {k: v.clone() for k, v in model.state_dict().items()}
    finally:
        torch.random.set_rng_state(before)
    model.load_state_dict(chosen)
    model.sort()
    return model.requires_grad_(False).eval()


def _step(model: Learned, label: Tensor, rate_hz: float, optimiser: torch.optim.Optimizer) -> None:
    z = model.latent(label)
    rounded = model.learn(z)
    through = z + (rounded - z).detach()  # the gradient passes as if nothing were rounded
    loss = functional.mse_loss(through, label) + COMMIT * functional.mse_loss(rounded, z)
    loss = loss + frequency_cross_entropy(through, label, rate_hz=rate_hz).mean()
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def _rates_missed(model: Learned, labels: Tensor, rate_hz: float) -> float:
    """Return the mean distance, per minute, of the strongest rates of labels before and after rounding."""
    rates = torch.arange(*PAPER_BAND, 0.5)
    read = [rates[spectrum(wave, rates, rate_hz).argmax(1)] for wave in (labels, model.encode(labels)[0])]
    return float((read[0] - read[1]).abs().mean())
