"""The card of what this room exports: honest about what is the paper's."""

from __future__ import annotations

from typing import Any

from perfuse.core.view import Crop, Grid
from perfuse.papers.rpm_distill.spectrum import PEARSON_WEIGHT

WINDOW, SIZE = 256, 128
"""Frames of an exported network's window, and pixels a side: the paper's clip."""


def card_of(network: str, mode: str, view: Grid | Crop, shape: float) -> dict[str, Any]:
    """Return the card of a student, for :meth:`perfuse.papers.rpm_distill.task.RpmTask.card`."""
    seen: dict[str, Any] = (
        {"kind": "grid", "rows": view.rows, "cols": view.cols}
        if isinstance(view, Grid)
        else {"kind": "crop", "size": view.size}
    )
    window = WINDOW / view.rate_hz
    return {
        "name": f"rpm-distill-{network}",
        "title": f"RPM-Distill ({network}): a second signal teaches a face-video network, clip by clip",
        "paper": "Wang, Hu, Tang, Yang, Wu, Yu: RPM-Distill: Physiology-guided adaptive cross-modal distillation for "
        "robust remote physiological measurement. arXiv 2606.28089, 2026",
        "licence": "Apache-2.0",
        "provenance": "paper" if network == "factorizephys" else "reconstructed",
        "deviations": _deviations(network, mode, view, shape),
        "limits": "Learnt on simulated people alone. No rate from clips under 5 s.",
        "view": seen | {"rate_hz": view.rate_hz},
        "window_s": window,
        "hop_s": window / 2,
        "min_s": 3.0,
        "band_hz": [0.6, 4.0],
    }


def _deviations(network: str, mode: str, view: Grid | Crop, shape: float) -> str:
    told = [
        "Losses, policy and its learning are those of the authors' release (the text of the paper could not be had), "
        "trained here on simulated people"
    ]
    if network != "factorizephys":
        told.append("the student is ours")
    elif isinstance(view, Crop) and view.size != SIZE:
        told.append(f"pictures of {view.size} pixels, not {SIZE}")
    if mode != "policy":
        told.append(f"mode {mode}")
    if shape != PEARSON_WEIGHT:
        told.append(f"correlation weighs {shape:g}, not {PEARSON_WEIGHT:g}")
    return "; ".join(told) + "."
