"""What a recipe asks for, checked, and made: the network, what it measures, how its policy learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from perfuse.core.errors import UsageError, one_of
from perfuse.core.view import Grid
from perfuse.nn.trust import BREATH, PULSE, Trust
from perfuse.papers.rpm_distill.bilevel import Schedule
from perfuse.papers.rpm_distill.compact import Compact
from perfuse.papers.rpm_distill.sense import RATE_HZ, SENSES, RadarNetwork
from perfuse.papers.rpm_distill.student import SMALLEST, FactorizePhys, Student
from perfuse.papers.rpm_distill.vital import BANDS, Vital

SIZES = {"factorizephys": 128, "small": 6, "small-pos": 6} | dict.fromkeys(SENSES, 6)
"""Pixels, or cells, a side where a recipe names none."""
MARGIN = Grid(1, 1).margin
RHYTHMS = {"pulse": PULSE, "respiration": BREATH}
WIDTH = 20
"""Channels of the small networks."""


BOTH = "both"
"""Pulse and breathing by one student."""


def vitals_of(vital: str, band: str, network: str) -> tuple[Vital, ...]:
    """Return what is learnt, of which network: one vital sign, or pulse and breathing.

    Raises
    ------
    UsageError
        If there is no such vital sign or band, or it is not learnt by this network.
    """
    one_of("vital", vital, ("pulse", "respiration", BOTH))
    named = ("pulse", "respiration") if vital == BOTH else (vital,)
    one_of("band", band, tuple(b for v, b in BANDS if v == named[0]))
    fit = ("small", "small-pos") if vital == BOTH else ("small",)
    if "respiration" in named and network not in fit:
        raise UsageError(
            f"Breathing from {network} was asked for.",
            f"It is learnt by the network {' or '.join(fit)}; of a radar it needs no learning.",
        )
    return tuple(BANDS[one, band if one == named[0] else "paper"] for one in named)


def made(
    network: str,
    size: int,
    rate_hz: float,
    width: int,
    vitals: Sequence[Vital],
    trust: bool,
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
    judges = {one.name: Trust(1, rate_hz=rate_hz, rhythm=RHYTHMS[one.name]) if trust else None for one in vitals}
    networks: dict[str, nn.Module] = {}
    for one in vitals:
        if network == "factorizephys":
            networks[one.name] = FactorizePhys(
                padded=size < SMALLEST,
                level=255.0,
                reverse="blue-first" in released,
                alone="together" not in released,
            )
        else:
            breath = one.name == "respiration"
            pos = network == "small-pos" and not breath
            networks[one.name] = Compact(rate_hz=rate_hz, width=width, breath=breath, named=pos)
    return Student(networks, judges)


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
