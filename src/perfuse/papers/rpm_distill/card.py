"""The card of what this room exports: honest about what is the paper's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from perfuse.core.view import Crop, Grid
from perfuse.papers.rpm_distill.spectrum import PEARSON_WEIGHT
from perfuse.papers.rpm_distill.vital import PULSE, Vital

WINDOW, SIZE = 256, 128
"""Frames of an exported network's window, and pixels a side: the paper's clip."""
BREATH_S = 30.0
"""Seconds of the window of one that finds breathing: six breaths or more at rest. ASSUMED."""
MEASURES = {
    ("pulse",): ("", "No rate from clips under 5 s."),
    ("respiration",): ("-breath", "Breathing alone, and no pulse; from 30 s."),
    ("pulse", "respiration"): ("-both", "No rate from clips under 5 s, no breathing from clips under 30 s."),
}
"""What is added to the name, and what is said of limits, by what is measured."""


def card_of(
    network: str, mode: str, view: Grid | Crop, shape: float, vitals: Sequence[Vital] = (PULSE,), labels: float = 1.0
) -> dict[str, Any]:
    """Return the card of a student, for :meth:`perfuse.papers.rpm_distill.task.RpmTask.card`."""
    seen: dict[str, Any] = (
        {"kind": "grid", "rows": view.rows, "cols": view.cols}
        if isinstance(view, Grid)
        else {"kind": "crop", "size": view.size}
    )
    named = tuple(vital.name for vital in vitals)
    ending, limits = MEASURES[named]
    window = BREATH_S if "respiration" in named else WINDOW / view.rate_hz
    return {
        "name": f"rpm-distill-{network}{ending}",
        "title": f"RPM-Distill ({network}): a second signal teaches a face-video network, clip by clip",
        "paper": "Wang, Hu, Tang, Yang, Wu, Yu: RPM-Distill: Physiology-guided adaptive cross-modal distillation for "
        "robust remote physiological measurement. arXiv 2606.28089, 2026",
        "licence": "Apache-2.0",
        "provenance": "paper" if network == "factorizephys" else "reconstructed",
        "deviations": _deviations(network, mode, view, shape, vitals, labels),
        "limits": "Learnt on simulated people alone. " + limits,
        "view": seen | {"rate_hz": view.rate_hz, "margin": view.margin},
        "window_s": window,
        "hop_s": window / 2,
        "min_s": window / 2 if "pulse" not in named else 3.0,
        "band_hz": [0.6, 4.0],
    }


def _deviations(
    network: str, mode: str, view: Grid | Crop, shape: float, vitals: Sequence[Vital], labels: float
) -> str:
    told = [
        "Losses, policy and its learning are those of the authors' release (the text of the paper could not be had), "
        "trained here on simulated people"
    ]
    if network != "factorizephys":
        told.append("the student is ours")
    elif isinstance(view, Crop) and view.size != SIZE:
        told.append(f"pictures of {view.size} pixels, not {SIZE}")
    told.append("all clips have labels" if labels >= 1 else f"{labels:.0%} of the clips have labels")
    if mode != "policy":
        told.append(f"mode {mode}")
    if shape != PEARSON_WEIGHT:
        told.append(f"correlation weighs {shape:g}, not {PEARSON_WEIGHT:g}")
    if any(vital.name == "respiration" for vital in vitals):
        told.append("breathing, which the paper does not describe")
    vital = vitals[0]
    if vital.name == "pulse" and vital.band_hz != PULSE.band_hz:
        told.append(f"rates of {60 * vital.band_hz[0]:g} to {60 * vital.band_hz[1]:g} a minute")
    return "; ".join(told) + "."
