"""What a recipe asks for, checked, and made: the network, what it measures, how its policy learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from perfuse.core.errors import UsageError, one_of
from perfuse.nn.trust import Trust
from perfuse.papers.rpm_distill.bilevel import Schedule
from perfuse.papers.rpm_distill.compact import Compact
from perfuse.papers.rpm_distill.sense import RATE_HZ, SENSES, RadarNetwork
from perfuse.papers.rpm_distill.student import SMALLEST, FactorizePhys, Student
from perfuse.papers.rpm_distill.vital import BANDS, Vital

SIZES = {"factorizephys": 128, "small": 6, "small-pos": 6} | dict.fromkeys(SENSES, 6)
"""Pixels, or cells, a side where a recipe names none."""
WIDTH = 20
"""Channels of the small networks."""


def vital_of(vital: str, band: str, network: str, trust: bool) -> Vital:
    """Return what is learnt, of which network, with a judge or without.

    Raises
    ------
    UsageError
        If there is no such vital sign or band, or it is not learnt by this network.
    """
    one_of("vital", vital, ("pulse", "respiration"))
    one_of("band", band, tuple(b for v, b in BANDS if v == vital))
    if vital == "respiration" and (network != "small" or trust):
        raise UsageError(
            f"Breathing from {network}{' with a judge' if trust else ''} was asked for.",
            "It is learnt by the network small, model.trust=false; of a radar it needs no learning.",
        )
    return BANDS[vital, band]


def made(
    network: str,
    size: int,
    rate_hz: float,
    width: int,
    judge: Trust | None,
    vital: Vital,
    released: frozenset[str] = frozenset(),
) -> nn.Module:
    """Return what learns, before it has; ``released`` is what FactorizePhys is to do as the authors' release does.

    Raises
    ------
    UsageError
        If a radar is to be heard at another rate than its own, or another network to do as the release does.
    """
    if network != "factorizephys" and (odd := released & {"together", "blue-first"}):
        raise UsageError(
            f"{' and '.join(sorted(odd))} as released: asked of {network}.", "Only factorizephys is the release's."
        )
    if network in SENSES:
        if rate_hz != RATE_HZ:
            raise UsageError(f"A radar network at {rate_hz:g} Hz was asked for.", f"It hears {RATE_HZ:g} a second.")
        return RadarNetwork(SENSES[network]())
    if network.startswith("small"):
        breath, pos = vital.name == "respiration", network == "small-pos"
        return Student(Compact(rate_hz=rate_hz, width=width, breath=breath, named=pos), judge, vital.name)
    student = FactorizePhys(
        padded=size < SMALLEST, level=255.0, reverse="blue-first" in released, alone="together" not in released
    )
    return Student(student, judge)


def schedule_of(asked: Mapping[str, Any]) -> Schedule:
    """Return how the policy learns.

    Raises
    ------
    UsageError
        If it is given what the weights of the losses say.
    """
    own = {"weight": "distil", "supervised": "supervised"}
    for name in own.keys() & asked.keys():
        raise UsageError(f"schedule: {name} was given.", f"It is the weight of a loss: weights.{own[name]}.")
    return Schedule(**asked)


def within(what: str, given: float, most: float) -> None:
    """Raise UsageError if a number lies outside 0 to ``most``."""
    if not 0 <= given <= most:
        raise UsageError(f"{what}: {given!r} was given.", f"Pass 0 to {most:g}.")
