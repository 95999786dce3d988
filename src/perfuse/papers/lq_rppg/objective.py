"""What one level of the network is judged by: the code of every sample, the wave, and the spectrum.

One value a clip, (B,); none depends on batch-mates. Formulas of the authors' release; see the room's README.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from perfuse.nn.losses import full, spectrum, whole

PAPER_BAND = (45.0, 149.0)
"""Beats a minute that the authors' spectral loss looks at, in steps of one: 105 rates."""
HOUSE_BAND = (38.0, 230.0)
"""The rates that this project measures."""
EPS = 1e-8


def code_cross_entropy(z: Tensor, levels: Tensor, index: Tensor) -> Tensor:
    """Cross-entropy of codes; the logit of a level is minus its distance to what the network said.

    At temperature 1 it cannot come near 0: neighbours of a fine code book are almost as near as the right level.

    Parameters
    ----------
    z : Tensor, (B, T)
        What one level of the network said, in standard deviations of a label.
    levels : Tensor, (K,)
        Of its code book.
    index : Tensor, int64, (B, T)
        Which of them is right.

    Returns
    -------
    Tensor, (B,)
        Mean over time, at least 0; log(K) where all levels are as near.
    """
    logits = -(full(z)[:, None] - levels.to(full(z))[None, :, None]).abs()
    return functional.cross_entropy(logits, index, reduction="none").mean(-1)


def frequency_cross_entropy(
    prediction: Tensor,
    label: Tensor,
    *,
    rate_hz: float = 30.0,
    band: tuple[float, float] = PAPER_BAND,
    log_power: bool = False,
) -> Tensor:
    """Cross-entropy between the prediction's spectrum and the strongest rate of the label.

    As released, the share of the power at each rate **is** the logit, and a second softmax follows. So with 105 rates
    it lies between 3.670 (all power at the right one) and 4.670 (all at a wrong one): a gentle loss.

    Parameters
    ----------
    prediction, label : Tensor, (B, T)
        What was said, what counts as true.
    rate_hz : float
        Samples per second.
    band : (float, float)
        Lowest and highest rate, per minute, in steps of one.
    log_power : bool
        Take the logarithm of the share as the logit: the plain cross-entropy, 0 for a pure line. Not the paper's.

    Returns
    -------
    Tensor, (B,)
        Without meaning where the label does not move.
    """
    prediction = full(prediction)
    rates = torch.arange(band[0], band[1] + 0.5, dtype=prediction.dtype, device=prediction.device)
    right = spectrum(whole(label).to(prediction), rates, rate_hz).argmax(1)
    power = spectrum(prediction, rates, rate_hz) + EPS
    share = power / power.sum(1, keepdim=True)
    return functional.cross_entropy(share.log() if log_power else share, right, reduction="none")
